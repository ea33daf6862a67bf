"""Functions that NumPy lacks, with NumPy alone.

Programs carry their source along: a kernel uses nothing but ``np``, builtins and other kernels, and its annotations are
all ``Any``.
"""

from typing import Any

import numpy as np

__all__ = [
    "cofactors",
    "eigh_packed",
    "erf",
    "erfc",
    "logsumexp",
    "qr_packed",
    "quotient",
    "scatter_add",
    "scatter_diagonal",
    "softmax",
    "svd_packed",
    "vector_norm",
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


def scatter_diagonal(x: Any, subscripts: Any, shape: Any) -> Any:
    """Zeros, with x where axes of one label have one index."""
    out = np.zeros(shape, x.dtype)
    np.einsum(subscripts, out)[...] = x
    return out


def quotient(x: Any, y: Any) -> Any:
    """x / y, and 0 where y is."""
    out = np.zeros(np.broadcast_shapes(np.shape(x), np.shape(y)), np.result_type(x, y))
    return np.divide(x, y, out=out, where=y != 0)[()]


def vector_norm(x: Any, ord: Any = 2, axis: Any = None, keepdims: Any = False) -> Any:
    """(Σ |x|ᵖ)^(1/p); where a power would not be in the range of numbers, with the largest or smallest |x| as unit."""
    tiny = np.finfo(x.dtype).tiny / np.finfo(x.dtype).eps
    with np.errstate(all="ignore"):
        total = np.sum(x * x if ord == 2 else np.abs(x) ** ord, axis, keepdims=True)
        unit = 1.0
        if not ((total > tiny) & (total < np.inf)).all():
            size = np.abs(x)
            unit = np.max(size, axis, keepdims=True, initial=0.0)
            if ord < 0:
                unit = np.min(size, axis, keepdims=True, initial=np.inf)
            unit = np.where((unit == 0) | (unit == np.inf), x.dtype.type(1), unit)
            total = np.sum((size / unit) ** ord, axis, keepdims=True)
        norm = unit * (np.sqrt(total) if ord == 2 else total ** (1 / ord))
    return norm if keepdims else np.squeeze(norm, axis)[()]


def eigh_packed(x: Any, UPLO: Any = "L") -> Any:
    """The eigenvalues of a symmetric matrix as a row, and below it its eigenvectors as columns."""
    values, vectors = np.linalg.eigh(x, UPLO)
    return np.concatenate([values[..., None, :], vectors], -2)


def svd_packed(x: Any, full: Any = False) -> Any:
    """U and below it V, their columns the singular vectors; and below these as a row the singular values."""
    u, s, vh = np.linalg.svd(x, full)
    rows, count, columns = u.shape[-2], s.shape[-1], vh.shape[-1]
    out = np.zeros((*s.shape[:-1], rows + columns + 1, max(u.shape[-1], vh.shape[-2])), s.dtype)
    out[..., :rows, : u.shape[-1]] = u
    out[..., rows:-1, : vh.shape[-2]] = np.swapaxes(vh, -1, -2)
    out[..., -1, :count] = s
    return out


def qr_packed(x: Any, mode: Any = "reduced") -> Any:
    """Q and below it Rᵀ."""
    q, r = np.linalg.qr(x, mode)
    return np.concatenate([q, np.swapaxes(r, -1, -2)], -2)


def cofactors(x: Any, *directions: Any) -> Any:
    """The cofactors of a matrix, or their derivative along directions, one after the other.

    With x = U S Vᵀ these are those of S, turned back. The determinant of S + Σ tₐ Dₐ has in t₁ ⋯ tₘ the coefficient
    Σ sign σ D₁[i₁, i_σ(1)] ⋯ Dₘ[iₘ, i_σ(m)] Π s, over all m different indices, all permutations σ of them, and the
    product of the singular values at the other indices. Nothing is divided, so that S may have zeros.
    """
    u, s, vh = np.linalg.svd(x)
    order, n = len(directions) + 1, s.shape[-1]
    turned = [np.swapaxes(u, -1, -2) @ d @ np.swapaxes(vh, -1, -2) for d in directions]
    taken = (np.indices((n,) * order)[..., None] == np.arange(n)).any(0)
    others = np.prod(np.where(taken, s.dtype.type(1), s[(..., *[None] * order, slice(None))]), -1)
    others = np.where(taken.sum(-1) == order, others, s.dtype.type(0))
    permutations: Any = [((), 1)]
    for i in range(order):
        permutations = [((*p[:j], i, *p[j:]), sign * (-1) ** (i - j)) for p, sign in permutations for j in range(i + 1)]
    letters = "abcdefghijklmnopqrstuvwxyz"[:order]
    result = np.zeros((*s.shape[:-1], n, n), s.dtype)
    for places, sign in permutations:
        pairs = [letters[i] + letters[j] for i, j in enumerate(places)]
        factors = ",".join("..." + pair for pair in [letters, *pairs[:-1]])
        diagonal = places[-1] == order - 1
        out = np.einsum("...aa->...a", result) if diagonal else result
        out += sign * np.einsum(f"{factors}->...{letters[-1] if diagonal else pairs[-1]}", others, *turned)
    turn = np.rint(np.linalg.det(u) * np.linalg.det(vh))[..., None, None]
    return turn * (u @ result @ vh)
