"""Functions that NumPy lacks, with NumPy alone.

Programs carry their source along: a kernel uses nothing but ``np``, builtins and other kernels, and its annotations are
all ``Any``.
"""

from typing import Any

import numpy as np

__all__ = [
    "complex_of",
    "dft",
    "erf",
    "erfc",
    "fold_spectrum",
    "idft",
    "interval",
    "irdft",
    "jumps",
    "logsumexp",
    "mirror_spectrum",
    "parts_of",
    "periods",
    "rdft",
    "scatter_add",
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


def scatter_add(g: Any, key: Any, shape: Any) -> Any:
    """Zeros, with the elements of g added at the places that a key names."""
    out = np.zeros(shape, g.dtype)
    np.add.at(out, key, g)
    return out


def complex_of(z: Any) -> Any:
    """Complex numbers of real and imaginary parts, which lie along the first axis."""
    numbers = np.empty(z.shape[1:], np.result_type(z, np.complex64))
    numbers.real, numbers.imag = z
    return numbers


def parts_of(numbers: Any) -> Any:
    """The real and the imaginary parts of complex numbers, along a new first axis."""
    return np.stack([numbers.real, numbers.imag])


def dft(z: Any, axes: Any, norm: Any) -> Any:
    """The discrete Fourier transform; like all below of numbers whose real and imaginary parts lie along axis 0."""
    return parts_of(np.fft.fftn(complex_of(z), axes=axes, norm=norm))


def idft(z: Any, axes: Any, norm: Any) -> Any:
    """The inverse discrete Fourier transform."""
    return parts_of(np.fft.ifftn(complex_of(z), axes=axes, norm=norm))


def rdft(x: Any, axes: Any, norm: Any) -> Any:
    """The discrete Fourier transform of real numbers, without what mirrors the rest along the last of the axes."""
    return parts_of(np.fft.rfftn(x, axes=axes, norm=norm))


def irdft(z: Any, n: Any, axes: Any, norm: Any) -> Any:
    """The inverse of that; n is the length along the last of the axes."""
    lengths = [z.shape[axis + 1] for axis in axes[:-1]]
    x = np.fft.irfftn(complex_of(z), [*lengths, n], axes, norm)
    return x.astype(np.result_type(z.dtype, 1.0), copy=False) if len(axes) == 1 else x


def mirror_spectrum(z: Any, n: Any, axes: Any) -> Any:
    """The spectrum of n real numbers along the last of the axes, of its half: at −k is the conjugate of that at k."""
    *others, last = (axis + 1 for axis in axes)
    count = z.shape[last]
    mirrored = np.flip(np.take(z, range(1, n - count + 1), last), (*others, last))
    if others:
        mirrored = np.roll(mirrored, [1] * len(others), others)
    signs = np.reshape(np.array([1, -1], z.dtype), [2] + [1] * (z.ndim - 1))
    return np.concatenate([z, signs * mirrored], last)


def fold_spectrum(z: Any, axes: Any) -> Any:
    """The transpose of that: what is at −k is conjugated and added to what is at k."""
    *others, last = (axis + 1 for axis in axes)
    half, rest = np.split(z, [z.shape[last] // 2 + 1], last)
    mirrored = np.flip(rest, (*others, last))
    if others:
        mirrored = np.roll(mirrored, [1] * len(others), others)
    signs = np.reshape(np.array([1, -1], z.dtype), [2] + [1] * (z.ndim - 1))
    half = half.copy()
    half[(slice(None),) * last + (slice(1, rest.shape[last] + 1),)] += signs * mirrored
    return half


def interval(x: Any, nodes: Any) -> Any:
    """The place of the node to the left of each x, such that there is one to its right."""
    return np.clip(np.searchsorted(nodes, x, side="right") - 1, 0, np.size(nodes) - 2)


def periods(x: Any, period: Any) -> Any:
    """How many whole periods lie before x."""
    return np.floor(x / period)


def jumps(x: Any, discont: Any, axis: Any, period: Any) -> Any:
    """The whole periods by which angles would jump."""
    return np.unwrap(x, discont, axis, period=period) - x
