"""Norms and decompositions of matrices."""

from typing import Any

import numpy as np


def ratio(x: Any, y: Any) -> Any:
    """Return x / y, with 0 where y is 0, and ±1 where both are infinite."""
    if np.count_nonzero(np.isinf(y)):
        both = np.isinf(x) & np.isinf(y)
        x, y = np.where(both, np.sign(x), x), np.where(both, np.sign(y), y)
    out = np.zeros(np.broadcast_shapes(np.shape(x), np.shape(y)), np.result_type(x, y))
    return np.divide(x, y, out=out, where=y != 0)[()]


def vector_norm(x: Any, ord: Any = 2, axis: Any = None, keepdims: Any = False) -> Any:
    """Return (Σ |x|ᵖ)^(1/p), in units of the largest or smallest |x| if a power would leave the range of numbers."""
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
    """Return the eigenvalues of a symmetric matrix as a row, and below it the eigenvectors as columns."""
    values, vectors = np.linalg.eigh(x, UPLO)
    return np.concatenate([values[..., None, :], vectors], -2)


def only_finite(x: Any) -> Any:
    """Return x, or raise `LinAlgError` if it is not finite: with an infinity LAPACK's decompositions may never end."""
    if not np.isfinite(x).all():
        raise np.linalg.LinAlgError("a matrix with NaN or infinity has no singular values")
    return x


def svdvals(x: Any) -> Any:
    """Return the singular values."""
    return np.linalg.svd(only_finite(x), compute_uv=False)


def pinv(x: Any, rtol: Any = None) -> Any:
    """Return the pseudo-inverse."""
    return np.linalg.pinv(only_finite(x), rtol=rtol)


def matrix_rank(x: Any, rtol: Any = None) -> Any:
    """Return how many singular values are not negligible."""
    return np.asarray(np.linalg.matrix_rank(only_finite(x), rtol=rtol))[()]


def svd_packed(x: Any, full: Any = False) -> Any:
    """Return U and below it V, whose columns are the singular vectors, and below both the singular values as a row."""
    u, s, vh = np.linalg.svd(only_finite(x), full)
    rows, count, columns = u.shape[-2], s.shape[-1], vh.shape[-1]
    out = np.zeros((*s.shape[:-1], rows + columns + 1, max(u.shape[-1], vh.shape[-2])), s.dtype)
    out[..., :rows, : u.shape[-1]] = u
    out[..., rows:-1, : vh.shape[-2]] = np.swapaxes(vh, -1, -2)
    out[..., -1, :count] = s
    return out


def qr_packed(x: Any, mode: Any = "reduced") -> Any:
    """Return Q and below it Rᵀ."""
    q, r = np.linalg.qr(x, mode)
    return np.concatenate([q, np.swapaxes(r, -1, -2)], -2)


def cofactors(x: Any, *directions: Any) -> Any:
    """Return the cofactors of a matrix, or their derivative along directions, one after the other.

    With x = U S Vᵀ, they are the cofactors of S, turned back. In the determinant of S + Σ tₐ Dₐ, the coefficient of
    t₁ ⋯ tₘ is Σ sign σ D₁[i₁, i_σ(1)] ⋯ Dₘ[iₘ, i_σ(m)] Π s. The sum runs over all m different indices and all
    permutations σ of them, and the product over the singular values at the other indices. There is no division, so S
    may have zeros. If the matrix has an infinity or NaN, with which LAPACK might never end, the result is NaN.
    """
    known = np.isfinite(x).all((-2, -1), keepdims=True)
    u, s, vh = np.linalg.svd(np.where(known, x, 0))
    order, n = len(directions) + 1, s.shape[-1]
    turned = [np.swapaxes(u, -1, -2) @ d @ np.swapaxes(vh, -1, -2) for d in directions]
    taken = (np.indices((n,) * order)[..., None] == np.arange(n)).any(0)
    parts, powers = (z[(..., *[None] * order, slice(None))] for z in np.frexp(s))  # so that no product overflows
    with np.errstate(over="ignore"):
        others = np.ldexp(np.prod(np.where(taken, s.dtype.type(1), parts), -1), np.sum(np.where(taken, 0, powers), -1))
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
    return np.where(known, turn * (u @ result @ vh), np.nan)
