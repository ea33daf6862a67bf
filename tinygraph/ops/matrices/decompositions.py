"""Decompositions of matrices: Cholesky, eigenvalues, singular values, QR.

A primitive computes a decomposition once, and packs all of it into one array. Other primitives read eigenvalues and
vectors off that array; their rules are those of functions of the matrix, so that functions of the eigenvalues alone
have gradients even if some eigenvalues are equal.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ... import kernels
from ...errors import UnsupportedError
from ...graph.declaring import composite, op
from ...graph.records import Rule
from ...graph.samples import Domain, Sample
from ...graph.tensor import ArrayLike, Tensor
from ..arguments import matrices, need_one_of
from ..arithmetic.broadcasting import Shape
from ..arrays.shapes import matrix_transpose
from .contraction import column, row

__all__ = [
    "cholesky",
    "eigh",
    "eigvalsh",
    "qr",
    "svd",
    "svdvals",
]


def _matrices_in(x: Shape) -> tuple[int, int, int]:
    """Return how many matrices an array of a shape holds, and their longer and their shorter side."""
    *stack, rows, columns = x
    return math.prod(stack), max(rows, columns), min(rows, columns)


def for_each_matrix(formula: Callable[[int, int], float]) -> Rule:
    """Return a rule that counts `formula`, of the longer and the shorter side, FLOPs for each matrix in a stack."""

    def total(y: Shape, x: Shape, *_: Shape, **params: Any) -> float:
        count, m, n = _matrices_in(x)
        return count * formula(m, n)

    return total


def _lower(xp: Any, x: Any) -> Any:
    """Return the lower triangle, with its diagonal halved."""
    return (xp.tril(x) + xp.tril(x, k=-1)) / 2


def _of_cholesky(xp: Any, g: Any, y: Any, x: Any, upper: bool) -> Any:
    """Return the symmetric part of L⁻ᵀ P L⁻¹, where P is the lower triangle of Lᵀ g with its diagonal halved."""
    factor, g = (y.mT, g.mT) if upper else (y, g)
    inner = _lower(xp, xp.matmul(factor.mT, g))
    outer = xp.solve(factor.mT, xp.solve(factor.mT, inner).mT)
    return (outer + outer.mT) / 2


_symmetric = Domain(symmetric=True)


@op(
    "contraction",
    _of_cholesky,
    notation="chol({0})",
    run=np.linalg.cholesky,
    samples=tuple(
        Sample((shape,), {"upper": upper}, (Domain(symmetric=True, diagonal=5.0),))
        for shape in ((3, 3), (1, 1), (2, 3, 3), (0, 0), (0, 2, 2))
        for upper in (False, True)
    ),
    source="np.linalg.cholesky({0}, upper={upper})",
    flops=for_each_matrix(lambda n, _: n**3 / 3),
)
def cholesky(xp: Any, x: ArrayLike, upper: bool = False) -> Any:
    """The lower triangle L with x = L Lᵀ for a symmetric positive definite matrix, or Lᵀ with `upper`.

    Only the same triangle of `x` is read. The gradient is symmetric.

    Raises NumPy's ``LinAlgError`` if `x` is not positive definite.

    >>> tg.cholesky([[4.0, 2.0], [2.0, 2.0]])
    Tensor([[2., 0.],
            [1., 1.]], op=cholesky)
    """
    return xp.cholesky(x, upper=upper)


def _of_values(xp: Any, g: Any, left: Any, right: Any) -> Any:
    """Return U diag(g) Vᵀ."""
    return xp.matmul(left * row(xp, g), right.mT)


def _differences(xp: Any, values: Any) -> Any:
    """Return λⱼ − λᵢ, with ones on the diagonal."""
    n = values.shape[-1]
    return row(xp, values) - column(xp, values) + np.eye(n, dtype=values.dtype)


def _of_eigenvectors(xp: Any, g: Any, y: Any, x: Any, packed: Any) -> Any:
    """Return V (½ (Vᵀ g − gᵀ V) / (λⱼ − λᵢ)) Vᵀ."""
    inner = xp.matmul(y.mT, g)
    inner = (inner - inner.mT) / 2 / _differences(xp, xp.eigenvalues(x, packed))
    return xp.matmul(xp.matmul(y, inner), y.mT)


_eigh_samples = tuple(
    Sample((shape,), {"UPLO": side}, (_symmetric,))
    for shape in ((3, 3), (1, 1), (2, 3, 3), (0, 0), (0, 2, 2))
    for side in "LU"
)
_with_eigh = tuple(
    Sample(((*stack, n, n), (*stack, n + 1, n)), {}, (_symmetric, Domain(computed="eigh_packed")))
    for stack, n in (((), 3), ((2,), 2), ((), 1), ((), 0))
)


@op(
    "contraction",
    None,
    notation="eigh({0})",
    run=kernels.eigh_packed,
    samples=_eigh_samples,
    flops=for_each_matrix(lambda n, _: 9 * n**3),
    function="eigh",
)
def eigh_packed_(xp: Any, x: ArrayLike, UPLO: str = "L") -> Any:
    """The eigenvalues of a symmetric matrix as a row, and below it the eigenvectors as columns."""
    return xp.eigh_packed(x, UPLO=UPLO)


@op(
    "contraction",
    lambda xp, g, y, x, packed: _of_values(xp, g, *[xp.eigenvectors(x, packed)] * 2),
    None,
    notation="λ({0})",
    run=lambda x, packed: packed[..., 0, :],
    samples=_with_eigh,
    source="{1}[..., 0, :]",
    flops=0,
)
def eigenvalues_(xp: Any, x: ArrayLike, packed: ArrayLike) -> Any:
    """The eigenvalues of `x`, read from `packed`."""
    return packed[..., 0, :]  # type: ignore[call-overload, index]


@op(
    "contraction",
    _of_eigenvectors,
    None,
    notation="V({0})",
    run=lambda x, packed: packed[..., 1:, :],
    samples=_with_eigh,
    source="{1}[..., 1:, :]",
    flops=0,
)
def eigenvectors_(xp: Any, x: ArrayLike, packed: ArrayLike) -> Any:
    """The eigenvectors of `x`, read from `packed`."""
    return packed[..., 1:, :]  # type: ignore[call-overload, index]


class EighResult(NamedTuple):
    """The eigenvalues of symmetric matrices, in ascending order, and their eigenvectors as columns."""

    eigenvalues: Tensor
    eigenvectors: Tensor


@composite("contraction", samples=_eigh_samples)
def eigh(x: ArrayLike, UPLO: str = "L") -> EighResult:
    """The eigenvalues λ, ascending, and eigenvectors V of a symmetric matrix, or of each in a stack: x = V diag(λ) Vᵀ.

    Only one triangle is read, the lower or the upper one, as `UPLO` says. Gradients are symmetric:
    dx = V (diag(dλ) + ½ (Vᵀ dV − dVᵀ V) / (λⱼ − λᵢ)) Vᵀ. The gradients by the eigenvalues exist even if some are equal.
    The eigenvectors of equal eigenvalues are an arbitrary basis and have no derivative: as in PyTorch, their gradient
    is infinite or NaN, even for a function that does not depend on the choice.

    >>> import tinygraph as tg
    >>> values, vectors = tg.eigh([[2.0, 0.0], [0.0, 1.0]])
    >>> values
    Tensor([1., 2.], op=eigenvalues)
    """
    x = matrices(x, square=True)
    need_one_of(("L", "U", "l", "u"), UPLO=UPLO)
    packed = eigh_packed_(x, UPLO=UPLO)
    return EighResult(eigenvalues_(x, packed), eigenvectors_(x, packed))


def _eigvalsh(x: Any, UPLO: Any = "L") -> Any:
    need_one_of(("L", "U", "l", "u"), UPLO=UPLO)
    return np.linalg.eigvalsh(x, UPLO)


def _of_eigvalsh(xp: Any, g: Any, y: Any, x: Any, UPLO: str) -> Any:
    """Return V diag(g) Vᵀ."""
    vectors = xp.eigenvectors(x, xp.eigh_packed(x, UPLO=UPLO))
    return _of_values(xp, g, vectors, vectors)


@op(
    "contraction",
    _of_eigvalsh,
    notation="λ({0})",
    run=_eigvalsh,
    samples=_eigh_samples,
    source="np.linalg.eigvalsh({0}, UPLO={UPLO})",
    flops=for_each_matrix(lambda n, _: 4 / 3 * n**3),
)
def eigvalsh(xp: Any, x: ArrayLike, UPLO: str = "L") -> Any:
    """The eigenvalues of a symmetric matrix, or of each in a stack, ascending, with dx = V diag(dλ) Vᵀ; see `eigh`.

    >>> tg.eigvalsh([[2.0, 0.0], [0.0, 1.0]])
    Tensor([1., 2.], op=eigvalsh)
    """
    return xp.eigvalsh(x if UPLO in "Ll" else x.mT)  # type: ignore[union-attr]


def _of_vectors(xp: Any, g: Any, y: Any, other: Any, values: Any) -> Any:
    """Return (U (Uᵀ g − gᵀ U) / (σⱼ² − σᵢ²) S + (I − U Uᵀ) g S⁻¹) Vᵀ, where g is the cotangent of the vectors U."""
    inner = xp.matmul(y.mT, g)
    sums = row(xp, values) + column(xp, values)
    turned = (inner - inner.mT) / _differences(xp, values) / (sums + np.eye(values.shape[-1], dtype=values.dtype))
    result = xp.matmul(y, turned) * row(xp, values)
    if y.shape[-2] > y.shape[-1]:
        result = result + (g - xp.matmul(y, inner)) / row(xp, values)
    return xp.matmul(result, other.mT)


def _sides(xp: Any, x: Any, packed: Any) -> tuple[Any, Any, Any]:
    """Return U, S and V, where U and V have the same number of columns."""
    rows, columns = x.shape[-2:]
    count = min(rows, columns)
    return (
        xp.left_vectors(x, packed, rows=rows, columns=count),
        xp.singular_values(x, packed, count=count),
        xp.right_vectors(x, packed, rows=rows, columns=count),
    )


def _of_singular_values(xp: Any, g: Any, y: Any, x: Any, packed: Any, count: int) -> Any:
    left, _, right = _sides(xp, x, packed)
    return _of_values(xp, g, left, right)


def _of_left_vectors(xp: Any, g: Any, y: Any, x: Any, packed: Any, rows: int, columns: int) -> Any:
    _refuse_completed(columns, x)
    _, values, right = _sides(xp, x, packed)
    return _of_vectors(xp, g, y, right, values)


def _of_right_vectors(xp: Any, g: Any, y: Any, x: Any, packed: Any, rows: int, columns: int) -> Any:
    _refuse_completed(columns, x)
    left, values, _ = _sides(xp, x, packed)
    return _of_vectors(xp, g, y, left, values).mT


def _refuse_completed(columns: int, x: Any) -> None:
    if columns > x.shape[-2] or columns > x.shape[-1]:
        raise UnsupportedError(
            "the singular vectors that only complete a basis are arbitrary and have no gradient;"
            " use svd(…, full_matrices=False)"
        )


_svd_shapes = ((3, 3), (3, 2), (2, 3), (1, 1), (2, 3, 2), (0, 2), (0, 2, 2))


def _with_svd(*names: str) -> tuple[Sample, ...]:
    """Return samples with those parameters that `names` lists, of rows, columns and count."""
    found = []
    for *stack, rows, columns in _svd_shapes:
        count = min(rows, columns)
        params = {"rows": rows, "columns": count, "count": count}
        packed = (*stack, rows + columns + 1, count)
        domains = (None, Domain(computed="svd_packed"))
        found.append(Sample(((*stack, rows, columns), packed), {name: params[name] for name in names}, domains))
    return tuple(found)


FLOPS_OF_SINGULAR_VALUES = for_each_matrix(lambda m, n: 4 * m * n**2 - 4 / 3 * n**3)


def flops_of_svd(y: Shape, x: Shape, full: bool) -> float:
    """Return the FLOPs of a decomposition into singular values and vectors."""
    count, m, n = _matrices_in(x)
    return count * (4 * m**2 * n + 8 * m * n**2 + 9 * n**3 if full else 14 * m * n**2 + 8 * n**3)


@op(
    "contraction",
    None,
    notation="svd({0})",
    run=kernels.svd_packed,
    samples=tuple(Sample((shape,), {"full": full}) for shape in _svd_shapes for full in (False, True)),
    flops=flops_of_svd,
    function="svd",
)
def svd_packed_(xp: Any, x: ArrayLike, full: bool = False) -> Any:
    """The left singular vectors as columns, below them the right ones, and below those the singular values as a row."""
    return xp.svd_packed(x, full=full)


@op(
    "contraction",
    _of_singular_values,
    None,
    notation="σ({0})",
    run=lambda x, packed, count: packed[..., -1, :count],
    samples=_with_svd("count"),
    source="{1}[..., -1, :{count}]",
    flops=0,
)
def singular_values_(xp: Any, x: ArrayLike, packed: ArrayLike, count: int) -> Any:
    """The singular values of `x`, read from `packed`."""
    return packed[..., -1, :count]  # type: ignore[call-overload, index]


@op(
    "contraction",
    _of_left_vectors,
    None,
    notation="U({0})",
    run=lambda x, packed, rows, columns: packed[..., :rows, :columns],
    samples=_with_svd("rows", "columns"),
    source="{1}[..., :{rows}, :{columns}]",
    flops=0,
)
def left_vectors_(xp: Any, x: ArrayLike, packed: ArrayLike, rows: int, columns: int) -> Any:
    """The left singular vectors of `x`, as columns, read from `packed`."""
    return packed[..., :rows, :columns]  # type: ignore[call-overload, index]


@op(
    "contraction",
    _of_right_vectors,
    None,
    notation="V({0})",
    run=lambda x, packed, rows, columns: packed[..., rows:-1, :columns],
    samples=_with_svd("rows", "columns"),
    source="{1}[..., {rows}:-1, :{columns}]",
    flops=0,
)
def right_vectors_(xp: Any, x: ArrayLike, packed: ArrayLike, rows: int, columns: int) -> Any:
    """The right singular vectors of `x`, as columns, read from `packed`."""
    return packed[..., rows:-1, :columns]  # type: ignore[call-overload, index]


class SVDResult(NamedTuple):
    """Singular vectors and values: x = U diag(S) Vh."""

    U: Tensor
    S: Tensor
    Vh: Tensor


@composite("contraction", samples=tuple(Sample((shape,), {"full_matrices": False}) for shape in _svd_shapes))
def svd(x: ArrayLike, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    """The singular vectors and values (U, S, Vh) of a matrix, or of each in a stack: x = U diag(S) Vh, S descending.

    Without `compute_uv`, the result is the singular values alone, as from `svdvals`. With `full_matrices`, U and Vh are
    square.

    The gradients by the singular values exist even if some are equal. The vectors of equal singular values have none.
    Neither do the vectors on the longer side of a matrix that is not square if a singular value is 0. As in PyTorch,
    their gradient is infinite or NaN. The vectors that only complete the basis, for a matrix that is not square, have
    no gradient at all.

    Raises `UnsupportedError` if a gradient flows through such a completed basis: use ``full_matrices=False``.

    >>> import tinygraph as tg
    >>> tg.svd([[3.0, 0.0], [0.0, 4.0]]).S
    Tensor([4., 3.], op=singular_values)
    """
    x = matrices(x)
    if not compute_uv:
        return svdvals(x)
    packed = svd_packed_(x, full=bool(full_matrices) and x.shape[-2:] != x.shape[:-3:-1])
    rows, columns = x.shape[-2:]
    count = min(rows, columns)
    return SVDResult(
        left_vectors_(x, packed, rows=rows, columns=rows if full_matrices else count),
        singular_values_(x, packed, count=count),
        matrix_transpose(right_vectors_(x, packed, rows=rows, columns=columns if full_matrices else count)),
    )


def _of_svdvals(xp: Any, g: Any, y: Any, x: Any) -> Any:
    """Return U diag(g) Vᵀ."""
    left, _, right = _sides(xp, x, xp.svd_packed(x))
    return _of_values(xp, g, left, right)


@op(
    "contraction",
    _of_svdvals,
    notation="σ({0})",
    run=kernels.svdvals,
    samples=tuple(Sample((shape,)) for shape in _svd_shapes),
    flops=FLOPS_OF_SINGULAR_VALUES,
)
def svdvals(xp: Any, x: ArrayLike) -> Any:
    """The singular values of a matrix, or of each in a stack, descending, with dx = U diag(dσ) Vᵀ; see `svd`.

    Raises NumPy's ``LinAlgError`` for a matrix that is not finite.

    >>> tg.svdvals([[3.0, 0.0], [0.0, 4.0]])
    Tensor([4., 3.], op=svdvals)
    """
    return xp.svdvals(x)


def _of_qr(xp: Any, g: Any, y: Any, x: Any, mode: str) -> Any:
    """Return (g_Q + Q M) R⁻ᵀ for the columns that make Q; M mirrors the lower triangle of R g_Rᵀ − g_Qᵀ Q."""
    rows, columns = x.shape[-2:]
    if rows > columns and mode == "complete":
        raise UnsupportedError(
            "the columns of Q that only complete a basis are arbitrary and have no gradient; use qr(…, mode='reduced')"
        )
    parts = (slice(None, rows), slice(rows, None))
    Q, R = y[..., parts[0], :], y[..., parts[1], :].mT
    of_Q, of_R = g[..., parts[0], :], g[..., parts[1], :].mT
    if rows < columns:  # the columns to the right of the first are Q R₂
        of_rest = xp.matmul(Q, of_R[..., rows:])
        of_Q = of_Q + xp.matmul(x[..., rows:], of_R[..., rows:].mT)
        R, of_R = R[..., :rows], of_R[..., :rows]
    M = xp.matmul(R, of_R.mT) - xp.matmul(of_Q.mT, Q)
    M = _lower(xp, M)
    of_first = xp.solve(R, (of_Q + xp.matmul(Q, M + M.mT)).mT).mT
    return xp.concat([of_first, of_rest], axis=-1) if rows < columns else of_first


def _flops_of_qr(y: Shape, x: Shape, mode: str) -> float:
    """Count Householder's reflections for R, and those that make Q."""
    count, m, n = _matrices_in(x)
    rows = x[-2]
    triangle = 2 * m * n**2 - 2 / 3 * n**3
    thin = 2 * rows * n**2 - 2 / 3 * n**3
    return count * (triangle + (4 * (rows**2 * n - rows * n**2 + n**3 / 3) if mode == "complete" else thin))


@op(
    "contraction",
    _of_qr,
    notation="QR({0})",
    run=kernels.qr_packed,
    samples=tuple(
        Sample((shape,), {"mode": "reduced"}, (Domain(diagonal=2.0),))
        for shape in ((3, 3), (3, 2), (2, 3), (1, 1), (2, 3, 2), (2, 2, 3), (0, 2, 2))
    ),
    flops=_flops_of_qr,
    function="qr",
)
def qr_packed_(xp: Any, x: ArrayLike, mode: str = "reduced") -> Any:
    """Q, and Rᵀ below it."""
    return xp.qr_packed(x, mode=mode)


class QRResult(NamedTuple):
    """An orthogonal and an upper triangular factor: x = Q R."""

    Q: Tensor
    R: Tensor


@composite(
    "contraction",
    samples=tuple(
        Sample((shape,), {"mode": mode}, (Domain(diagonal=2.0),))
        for shape, mode in (((3, 3), "complete"), ((3, 2), "reduced"), ((2, 3), "reduced"), ((2, 3), "complete"))
    ),
)
def qr(x: ArrayLike, mode: str = "reduced") -> Any:
    """The factors (Q, R) of a matrix, or of each in a stack: x = Q R; Q has orthonormal columns, R is upper triangular.

    With `mode` "reduced", Q has as many columns as the shorter side of `x`; with "complete", Q is square; with "r", the
    result is R alone. The gradient exists if the first columns of `x`, as many as "reduced" Q has, are independent.

    Raises `ArgumentError` for any other mode. A gradient raises `UnsupportedError` if Q was completed, and NumPy's
    ``LinAlgError`` if R has no inverse.

    >>> import tinygraph as tg
    >>> tg.qr([[3.0, 1.0], [4.0, 2.0]]).R.data.round(12)
    array([[-5. , -2.2],
           [ 0. ,  0.4]])
    """
    need_one_of(("reduced", "complete", "r"), mode=mode)
    x = matrices(x)
    packed = qr_packed_(x, mode="reduced" if mode == "r" else mode)
    rows = x.shape[-2]
    R = matrix_transpose(packed[..., rows:, :])
    return R if mode == "r" else QRResult(packed[..., :rows, :], R)
