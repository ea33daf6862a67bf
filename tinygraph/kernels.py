"""Functions that NumPy lacks, with NumPy alone.

Programs carry their source along: a kernel uses nothing but ``np``, builtins and other kernels, and its annotations are
all ``Any``.
"""

from typing import Any

import numpy as np

__all__ = [
    "argcummax",
    "erf",
    "erfc",
    "log_softmax",
    "logsumexp",
    "prod_after",
    "prod_before",
    "recurrence",
    "scatter_add",
    "scatter_along_axis",
    "softmax",
]


def erfc(x: Any) -> Any:
    """1 − erf x = e^−x² P(|x|) / Q(|x|) for x ≥ 0, and 2 less that of −x for x < 0.

    P and Q are the best polynomials of their degree, for e^x² erfc x up to where erfc x is 0. The result is off by some
    units in the last place, where it is small by as much as rounding x makes it. In blocks that stay in the cache.
    """
    dtype = np.result_type(x, np.float16)
    working = np.float64 if dtype == np.float64 else np.float32
    if working == np.float64:
        P = [1.0000000000000002, 2.1309109882248456, 2.2500835840189874, 1.5078660147580498, 0.6988555314359731]
        P += [0.23106504812297524, 0.054409177624244215, 0.008808096228327338, 0.0008927239607883914]
        P += [4.3403461112979584e-05]
        Q = [1.0, 3.2592901553204157, 4.9277986947997805, 4.56125402438825, 2.8696909271672144, 1.2861167747642483]
        Q += [0.41731964787465087, 0.09722891214978191, 0.015650409401965396, 0.0015823120219839247]
        Q += [7.693063179311718e-05]
    else:
        P = [0.9999999918135363, 1.2249187185152082, 0.7168178481231753, 0.22190416558493756, 0.031153075073290386]
        Q = [1.0, 2.3532976625549633, 2.3722292651849304, 1.2976526080188502, 0.3933450057621121, 0.05521657842840784]
    flat = np.ravel(x)
    result = np.empty(flat.shape, working)
    for start in range(0, flat.size, 32768):
        block, y = flat[start : start + 32768].astype(working), result[start : start + 32768]
        size = np.minimum(np.abs(block), working(28.0))
        above, below = size * working(P[-1]), size * working(Q[-1])
        for polynomial, coefficients in ((above, P), (below, Q)):
            for coefficient in coefficients[-2:0:-1]:
                np.add(polynomial, coefficient, polynomial)
                np.multiply(polynomial, size, polynomial)
            np.add(polynomial, coefficients[0], polynomial)
        np.multiply(size, size, y)
        np.negative(y, y)
        np.exp(y, y)
        np.multiply(y, above, y)
        np.divide(y, below, y)
        sign = np.copysign(working(1.0), block)
        np.multiply(y, sign, y)
        np.subtract(1.0, sign, sign)
        np.add(y, sign, y)
    return result.reshape(np.shape(x)).astype(dtype, copy=False)[()]


def erf(x: Any) -> Any:
    """2/√π Σ (−1)ⁿ x²ⁿ⁺¹ / (n! (2n + 1)) where |x| < 1/2, and 1 − erfc x elsewhere."""
    near = np.clip(np.asarray(x, float), -0.5, 0.5)
    square = near * near
    series, factorial = np.zeros_like(near), 1.0
    for n in range(12):
        factorial *= max(n, 1)
        series += (-1) ** n / (factorial * (2 * n + 1)) * square**n
    inside = 2 / np.sqrt(np.pi) * near * series
    return np.asarray(np.where(np.abs(x) < 0.5, inside, 1.0 - erfc(x))).astype(np.result_type(x, np.float16))[()]


def softmax(x: Any, axis: Any = -1) -> Any:
    """e^x / Σ e^x along axes."""
    powers = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return powers / np.sum(powers, axis=axis, keepdims=True)


def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """log Σ e^x along axes."""
    top = np.max(x, axis=axis, keepdims=True)
    top = np.where(np.abs(top) == np.inf, 0.0, top)  # so that ∞ − ∞ does not arise
    total = np.log(np.sum(np.exp(x - top), axis=axis, keepdims=True)) + top
    return total if keepdims else total.reshape(np.sum(x, axis=axis).shape)


def log_softmax(x: Any, axis: Any = -1) -> Any:
    """x − log Σ e^x along axes."""
    above = x - np.max(x, axis=axis, keepdims=True)
    return above - np.log(np.sum(np.exp(above), axis=axis, keepdims=True))


def prod_before(x: Any, axis: Any) -> Any:
    """For each element the product of those before it along an axis."""
    y = np.ones(x.shape, x.dtype)
    elements, products = np.moveaxis(x, axis, 0), np.moveaxis(y, axis, 0)
    np.cumprod(elements[:-1], 0, x.dtype, products[1:])
    return y


def prod_after(x: Any, axis: Any) -> Any:
    """For each element the product of those after it along an axis."""
    return np.flip(prod_before(np.flip(x, axis), axis), axis)


def recurrence(x: Any, b: Any, axis: Any, reverse: Any) -> Any:
    """y_0 = 0, y_k = x_k−1 y_k−1 + b_k−1 along an axis; in reverse from its end."""
    y = np.zeros(x.shape, np.result_type(x, b))
    factors, terms, sums = (np.moveaxis(z, axis, 0)[:: -1 if reverse else 1] for z in (x, b, y))
    for k in range(1, len(sums)):
        sums[k] = factors[k - 1] * sums[k - 1] + terms[k - 1]
    return y


def argcummax(x: Any, axis: Any) -> Any:
    """Where along an axis the largest element so far stands, the last of several; a NaN is the largest."""
    places = np.arange(x.shape[axis]).reshape((-1,) + (1,) * (x.ndim - 1 - axis % x.ndim))
    largest = (x == np.maximum.accumulate(x, axis)) | (x != x)
    return np.maximum.accumulate(np.where(largest, places, 0), axis)


def scatter_along_axis(g: Any, indices: Any, axis: Any, length: Any) -> Any:
    """Zeros of a length along an axis, with the elements of g added at the places that indices name along it."""
    out = np.zeros((*g.shape[:axis], length, *g.shape[axis + 1 :]), g.dtype)
    key = [np.arange(n).reshape((-1,) + (1,) * (g.ndim - 1 - i)) for i, n in enumerate(g.shape)]
    key[axis] = indices
    np.add.at(out, tuple(key), g)
    return out


def scatter_add(g: Any, key: Any, shape: Any) -> Any:
    """Zeros, with the elements of g added at the places that a key names."""
    out = np.zeros(shape, g.dtype)
    np.add.at(out, key, g)
    return out
