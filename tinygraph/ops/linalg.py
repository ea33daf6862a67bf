"""Linear algebra: functions of matrices.

Primitives where the derivative is known in the result (``inv``, ``solve``, ``cholesky``, ``pinv``) or has to hold at
singular points (``det``, by cofactors; ``vector_norm``). A decomposition is computed once, by an op that packs all of
it into one array; eigenvalues and vectors are read off it by ops of their own, whose rules are those of functions of
the matrix: so functions of the eigenvalues alone have gradients also where some are equal. The rest is composed.
"""

from __future__ import annotations

import math
from functools import partial
from operator import index
from typing import Any, NamedTuple

import numpy as np

from .. import kernels
from ..apply import composite, constant, op
from ..errors import ArgumentError, ShapeError, UnsupportedError
from ..graph import ArrayLike, Tensor
from ..samples import Domain, Sample
from ..table import MATRIX_PRODUCT, POWER, PRODUCT
from . import elementwise, reduction
from .arguments import as_tensor, need_one_of, normalize_axes
from .broadcasting import reduced_count, unbroadcast
from .comparisons import not_equal
from .contraction import matmul
from .elementwise import astype, floating
from .reduction import Axis, spread
from .shape import matrix_transpose, permute_dims, reshape

__all__ = [
    "cholesky",
    "cond",
    "det",
    "eigh",
    "eigvalsh",
    "inv",
    "lstsq",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "norm",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "svd",
    "svdvals",
    "tensorinv",
    "tensorsolve",
    "vector_norm",
]


_invertible = tuple(Sample((shape,), {}, (Domain(diagonal=4.0),)) for shape in ((3, 3), (1, 1), (2, 3, 3), (0, 2, 2)))


@op(
    "contraction",
    lambda xp, g, y, x: -xp.matmul(y.mT, xp.matmul(g, y.mT)),
    notation="{0}^−1",
    binding=POWER,
    run=np.linalg.inv,
    samples=_invertible,
    source="np.linalg.inv({0})",
)
def inv(xp: Any, x: ArrayLike) -> Any:
    """y = x⁻¹, the inverse of a matrix, or of each in a stack: dx = −y⁻ᵀ dy y⁻ᵀ with y⁻ᵀ = (x⁻¹)ᵀ.

    Raises NumPy's ``LinAlgError`` for a matrix without one.

    >>> tg.inv([[1.0, 2.0], [0.0, 4.0]])
    Tensor([[ 1.  , -0.5 ],
            [ 0.  ,  0.25]], op=inv)
    """
    return xp.inv(x)


@op(
    "contraction",
    None,
    notation="sign det({0})",
    run=lambda x: np.linalg.slogdet(x).sign,
    samples=_invertible,
    source="np.linalg.slogdet({0}).sign",
)
def sign_of_det_(xp: Any, x: ArrayLike) -> Any:
    """The sign of the determinant."""
    return xp.sign_of_det(x)


@op(
    "contraction",
    lambda xp, g, y, x: xp.reshape(g, (*g.shape, 1, 1)) * xp.inv(x).mT,
    notation="log |det({0})|",
    run=lambda x: np.linalg.slogdet(x).logabsdet,
    samples=_invertible,
    source="np.linalg.slogdet({0}).logabsdet",
)
def logabsdet_(xp: Any, x: ArrayLike) -> Any:
    """The logarithm of the absolute value of the determinant."""
    return xp.logabsdet(x)


class SlogDet(NamedTuple):
    """The sign and the logarithm of the absolute value of a determinant."""

    sign: Tensor
    logabsdet: Tensor


@composite("contraction", samples=_invertible)
def slogdet(x: ArrayLike) -> SlogDet:
    """The determinant of a matrix, or of each in a stack, as its sign and log |det x|, whose derivative is x⁻ᵀ.

    The logarithm does not overflow where the determinant would.

    >>> import tinygraph as tg
    >>> X = tg.parameter([[2.0, 0.0], [0.0, 4.0]])
    >>> tg.slogdet(X).logabsdet.backward()
    >>> X.grad
    array([[0.5 , 0.  ],
           [0.  , 0.25]])
    """
    return SlogDet(sign_of_det_(x), logabsdet_(x))


def _matrices(name: str, x: ArrayLike, square: bool = False) -> Tensor:
    """A tensor of matrices, which its axes allow."""
    x = as_tensor(x)
    if x.ndim < 2 or (square and x.shape[-1] != x.shape[-2]):
        raise ShapeError(f"{name} needs {'square ' if square else ''}matrices, not shape {x.shape}")
    return x


# -- determinants ------------------------------------------------------------------------------------------------------

_square = tuple(Sample((shape,)) for shape in ((2, 2), (3, 3), (1, 1), (0, 0), (2, 3, 3), (0, 2, 2)))


def _over_matrix(xp: Any, g: Any) -> Any:
    """A number for each matrix, as a matrix of one element."""
    return xp.reshape(g, (*g.shape, 1, 1))


def _of_cofactors(i: int, xp: Any, g: Any, y: Any, x: Any, *directions: Any) -> Any:
    """The derivative of the cofactors is symmetric in its directions and linear in each: g is one more of them."""
    return xp.cofactors(x, *directions[: i - 1], *directions[i:], g) if i else xp.cofactors(x, *directions, g)


@op(
    "contraction",
    lambda xp, g, y, x, *directions: [partial(_of_cofactors, i) for i in range(1 + len(directions))],
    notation="cof({*})",
    variadic=True,
    run=kernels.cofactors,
    samples=(*_square, *(Sample(((n, n), (n, n))) for n in (1, 2, 3)), Sample(((2, 3, 3), (2, 3, 3), (2, 3, 3)))),
    source="cofactors({*})",
)
def cofactors_(xp: Any, x: ArrayLike, *directions: ArrayLike) -> Any:
    """The cofactors of a matrix, the derivative of its determinant; with directions their derivative along these."""
    return xp.cofactors(x, *directions)


@op(
    "contraction",
    lambda xp, g, y, x: _over_matrix(xp, g) * xp.cofactors(x),
    notation="det({0})",
    run=np.linalg.det,
    samples=_square,
    source="np.linalg.det({0})",
)
def det(xp: Any, x: ArrayLike) -> Any:
    """The determinant of a matrix, or of each in a stack: its derivative is the matrix of cofactors.

    The cofactors are det(x) x⁻ᵀ where there is an inverse, and exist, as all derivatives do, where there is none.

    >>> X = tg.parameter([[1.0, 2.0], [2.0, 4.0]])
    >>> tg.det(X).backward()
    >>> X.grad.round(12)
    array([[ 4., -2.],
           [-2.,  1.]])
    """
    return xp.det(x)


# -- systems of equations ----------------------------------------------------------------------------------------------


def _of_right_side(xp: Any, g: Any, z: Any, x: Any, y: Any) -> Any:
    """dy = x⁻ᵀ dz."""
    if y.ndim == 1:
        return unbroadcast(xp, xp.reshape(xp.solve(x.mT, _column(xp, g)), g.shape), y.shape)
    return unbroadcast(xp, xp.solve(x.mT, g), y.shape)


def _of_left_side(xp: Any, g: Any, z: Any, x: Any, y: Any) -> Any:
    """dx = −(x⁻ᵀ dz) zᵀ."""
    if y.ndim == 1:
        g, z = _column(xp, g), _column(xp, z)
    return unbroadcast(xp, -xp.matmul(xp.solve(x.mT, g), z.mT), x.shape)


def _column(xp: Any, x: Any) -> Any:
    return xp.reshape(x, (*x.shape, 1))


_well = Domain(diagonal=4.0)


@op(
    "contraction",
    _of_left_side,
    _of_right_side,
    notation="{0}^−1 {1}",
    binding=MATRIX_PRODUCT,
    run=np.linalg.solve,
    samples=tuple(
        Sample(shapes, {}, (_well, None))
        for shapes in (
            ((3, 3), (3, 2)),
            ((3, 3), (3,)),
            ((1, 1), (1, 1)),
            ((2, 3, 3), (3,)),
            ((2, 3, 3), (3, 1)),
            ((3, 3), (2, 3, 2)),
            ((2, 1, 3, 3), (4, 3, 2)),
            ((0, 0), (0, 2)),
            ((0, 2, 2), (2,)),
            ((2, 2), (2, 0)),
        )
    ),
    source="np.linalg.solve({0}, {1})",
    linear=((1,),),
)
def solve(xp: Any, x: ArrayLike, y: ArrayLike) -> Any:
    """z with x z = y, without forming the inverse: dy = x⁻ᵀ dz and dx = −dy zᵀ.

    A `y` with one axis is a vector; any other is a matrix, or a stack of them, and stacks broadcast.

    Raises NumPy's ``LinAlgError`` for a matrix without an inverse.

    >>> tg.solve([[2.0, 1.0], [1.0, 3.0]], [1.0, 2.0])
    Tensor([0.2, 0.6], op=solve)
    """
    return xp.solve(x, y)


_of_any_shape = tuple(
    Sample((shape,), {"rtol": None}, (Domain(diagonal=2.0),))
    for shape in ((3, 2), (2, 3), (3, 3), (1, 1), (2, 3, 2), (0, 2), (0, 3, 2))
)


@op(
    "contraction",
    lambda xp, g, y, x, rtol: _of_pinv(xp, g, y, x),
    notation="pinv({0})",
    run=lambda x, rtol=None: np.linalg.pinv(x, rtol=rtol),
    samples=_of_any_shape,
    source="np.linalg.pinv({0}, rtol={rtol})",
)
def pinv_(xp: Any, x: ArrayLike, rtol: float | None = None) -> Any:
    """Of floating numbers."""
    return xp.pinv(x, rtol=rtol)


@composite("contraction", samples=_of_any_shape)
def pinv(x: ArrayLike, rtol: float | None = None) -> Tensor:
    """y = x⁺, the pseudo-inverse of Moore and Penrose of a matrix, or of each in a stack.

    Singular values of at most `rtol` times the largest count as 0; without it, of max(m, n) times the precision. Where
    the rank does not change, dy = −y dx y + y yᵀ dxᵀ (I − x y) + (I − y x) dxᵀ yᵀ y (Golub and Pereyra, 1973).

    >>> import tinygraph as tg
    >>> tg.pinv([[2.0, 0.0], [0.0, 0.0]])
    Tensor([[0.5, 0. ],
            [0. , 0. ]], op=pinv)
    """
    x = _matrices("pinv", x)
    return pinv_(floating(x), rtol=rtol)


def _of_pinv(xp: Any, g: Any, y: Any, x: Any) -> Any:
    """−yᵀ g yᵀ + (I − x y) gᵀ y yᵀ + yᵀ y gᵀ (I − y x)."""
    left = xp.matmul(xp.matmul(g.mT, y), y.mT)
    right = xp.matmul(y.mT, xp.matmul(y, g.mT))
    left = left - xp.matmul(x, xp.matmul(y, left))
    right = right - xp.matmul(xp.matmul(right, y), x)
    return left + right - xp.matmul(y.mT, xp.matmul(g, y.mT))


# -- decompositions ----------------------------------------------------------------------------------------------------


def _lower(xp: Any, x: Any) -> Any:
    """The lower triangle, with half of the diagonal."""
    return (xp.tril(x) + xp.tril(x, k=-1)) / 2


def _of_cholesky(xp: Any, g: Any, y: Any, x: Any, upper: bool) -> Any:
    """The symmetric part of L⁻ᵀ P L⁻¹, where P is the lower triangle of Lᵀ g with its diagonal halved."""
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
)
def cholesky(xp: Any, x: ArrayLike, upper: bool = False) -> Any:
    """The lower triangle L with x = L Lᵀ for a symmetric positive definite matrix, or the `upper` one, Lᵀ.

    Only that triangle of `x` is read; the gradient is the symmetric one.

    Raises NumPy's ``LinAlgError`` where `x` is not positive definite.

    >>> tg.cholesky([[4.0, 2.0], [2.0, 2.0]])
    Tensor([[2., 0.],
            [1., 1.]], op=cholesky)
    """
    return xp.cholesky(x, upper=upper)


def _row(xp: Any, x: Any) -> Any:
    return xp.reshape(x, (*x.shape[:-1], 1, x.shape[-1]))


def _of_values(xp: Any, g: Any, left: Any, right: Any) -> Any:
    """U diag(g) Vᵀ."""
    return xp.matmul(left * _row(xp, g), right.mT)


def _differences(xp: Any, values: Any) -> Any:
    """λⱼ − λᵢ, with ones on the diagonal."""
    n = values.shape[-1]
    return _row(xp, values) - _column(xp, values) + np.eye(n, dtype=values.dtype)


def _of_eigenvectors(xp: Any, g: Any, y: Any, x: Any, packed: Any) -> Any:
    """V (½ (Vᵀ g − gᵀ V) / (λⱼ − λᵢ)) Vᵀ."""
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


@op("contraction", None, notation="eigh({0})", run=kernels.eigh_packed, samples=_eigh_samples)
def eigh_packed_(xp: Any, x: ArrayLike, UPLO: str = "L") -> Any:
    """The eigenvalues of a symmetric matrix as a row, and its eigenvectors below."""
    return xp.eigh_packed(x, UPLO=UPLO)


@op(
    "contraction",
    lambda xp, g, y, x, packed: _of_values(xp, g, *[xp.eigenvectors(x, packed)] * 2),
    None,
    notation="λ({0})",
    run=lambda x, packed: packed[..., 0, :],
    samples=_with_eigh,
    source="{1}[..., 0, :]",
)
def eigenvalues_(xp: Any, x: ArrayLike, packed: ArrayLike) -> Any:
    """The eigenvalues of `x`, once they are computed."""
    return packed[..., 0, :]  # type: ignore[call-overload, index]


@op(
    "contraction",
    _of_eigenvectors,
    None,
    notation="V({0})",
    run=lambda x, packed: packed[..., 1:, :],
    samples=_with_eigh,
    source="{1}[..., 1:, :]",
)
def eigenvectors_(xp: Any, x: ArrayLike, packed: ArrayLike) -> Any:
    """The eigenvectors of `x`, once they are computed."""
    return packed[..., 1:, :]  # type: ignore[call-overload, index]


class EighResult(NamedTuple):
    """The eigenvalues of symmetric matrices, ascending, and their eigenvectors as columns."""

    eigenvalues: Tensor
    eigenvectors: Tensor


@composite("contraction", samples=_eigh_samples)
def eigh(x: ArrayLike, UPLO: str = "L") -> EighResult:
    """x = V diag(λ) Vᵀ for a symmetric matrix, or each in a stack: eigenvalues, ascending, and eigenvectors.

    Only the triangle that `UPLO` names is read, lower or upper; gradients are the symmetric ones,
    dx = V (diag(dλ) + ½ (Vᵀ dV − dVᵀ V) / (λⱼ − λᵢ)) Vᵀ. Those of the eigenvalues exist also where some are equal.
    There the eigenvectors are any basis of a plane and have no derivative: their gradient is infinite or NaN, as
    PyTorch's, also for a function that does not depend on the choice.

    >>> import tinygraph as tg
    >>> values, vectors = tg.eigh([[2.0, 0.0], [0.0, 1.0]])
    >>> values
    Tensor([1., 2.], op=eigenvalues)
    """
    x = _matrices("eigh", x, square=True)
    need_one_of(("L", "U", "l", "u"), UPLO=UPLO)
    packed = eigh_packed_(x, UPLO=UPLO)
    return EighResult(eigenvalues_(x, packed), eigenvectors_(x, packed))


def _of_eigvalsh(xp: Any, g: Any, y: Any, x: Any, UPLO: str) -> Any:
    """V diag(g) Vᵀ."""
    vectors = xp.eigenvectors(x, xp.eigh_packed(x, UPLO=UPLO))
    return _of_values(xp, g, vectors, vectors)


@op(
    "contraction",
    _of_eigvalsh,
    notation="λ({0})",
    run=np.linalg.eigvalsh,
    samples=_eigh_samples,
    source="np.linalg.eigvalsh({0}, UPLO={UPLO})",
)
def eigvalsh(xp: Any, x: ArrayLike, UPLO: str = "L") -> Any:
    """The eigenvalues of a symmetric matrix, or of each in a stack, ascending: dx = V diag(dλ) Vᵀ; see `eigh`.

    >>> tg.eigvalsh([[2.0, 0.0], [0.0, 1.0]])
    Tensor([1., 2.], op=eigvalsh)
    """
    return xp.eigvalsh(x if UPLO in "Ll" else x.mT)  # type: ignore[union-attr]


def _of_vectors(xp: Any, g: Any, y: Any, other: Any, values: Any) -> Any:
    """(U (Uᵀ g − gᵀ U) / (σⱼ² − σᵢ²) S + (I − U Uᵀ) g S⁻¹) Vᵀ for the vectors U on the side that g is of."""
    inner = xp.matmul(y.mT, g)
    sums = _row(xp, values) + _column(xp, values)
    turned = (inner - inner.mT) / _differences(xp, values) / (sums + np.eye(values.shape[-1], dtype=values.dtype))
    result = xp.matmul(y, turned) * _row(xp, values)
    if y.shape[-2] > y.shape[-1]:
        result = result + (g - xp.matmul(y, inner)) / _row(xp, values)
    return xp.matmul(result, other.mT)


def _sides(xp: Any, x: Any, packed: Any) -> tuple[Any, Any, Any]:
    """U, S and V, where U and V have as many columns."""
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
            "the singular vectors that complete a basis are any that do, and have no gradient;"
            " take svd(…, full_matrices=False)"
        )


_svd_shapes = ((3, 3), (3, 2), (2, 3), (1, 1), (2, 3, 2), (0, 2), (0, 2, 2))


def _with_svd(*names: str) -> tuple[Sample, ...]:
    """Samples whose parameters are rows, columns and count, as far as named."""
    found = []
    for *stack, rows, columns in _svd_shapes:
        count = min(rows, columns)
        params = {"rows": rows, "columns": count, "count": count}
        packed = (*stack, rows + columns + 1, count)
        domains = (None, Domain(computed="svd_packed"))
        found.append(Sample(((*stack, rows, columns), packed), {name: params[name] for name in names}, domains))
    return tuple(found)


@op(
    "contraction",
    None,
    notation="svd({0})",
    run=kernels.svd_packed,
    samples=tuple(Sample((shape,), {"full": full}) for shape in _svd_shapes for full in (False, True)),
)
def svd_packed_(xp: Any, x: ArrayLike, full: bool = False) -> Any:
    """The left singular vectors as columns, below these the right ones, and below as a row the singular values."""
    return xp.svd_packed(x, full=full)


@op(
    "contraction",
    _of_singular_values,
    None,
    notation="σ({0})",
    run=lambda x, packed, count: packed[..., -1, :count],
    samples=_with_svd("count"),
    source="{1}[..., -1, :{count}]",
)
def singular_values_(xp: Any, x: ArrayLike, packed: ArrayLike, count: int) -> Any:
    """The singular values of `x`, once they are computed."""
    return packed[..., -1, :count]  # type: ignore[call-overload, index]


@op(
    "contraction",
    _of_left_vectors,
    None,
    notation="U({0})",
    run=lambda x, packed, rows, columns: packed[..., :rows, :columns],
    samples=_with_svd("rows", "columns"),
    source="{1}[..., :{rows}, :{columns}]",
)
def left_vectors_(xp: Any, x: ArrayLike, packed: ArrayLike, rows: int, columns: int) -> Any:
    """The left singular vectors of `x`, once they are computed."""
    return packed[..., :rows, :columns]  # type: ignore[call-overload, index]


@op(
    "contraction",
    _of_right_vectors,
    None,
    notation="V({0})",
    run=lambda x, packed, rows, columns: packed[..., rows:-1, :columns],
    samples=_with_svd("rows", "columns"),
    source="{1}[..., {rows}:-1, :{columns}]",
)
def right_vectors_(xp: Any, x: ArrayLike, packed: ArrayLike, rows: int, columns: int) -> Any:
    """The right singular vectors of `x`, as columns, once they are computed."""
    return packed[..., rows:-1, :columns]  # type: ignore[call-overload, index]


class SVDResult(NamedTuple):
    """Singular vectors and values: x = U diag(S) Vh."""

    U: Tensor
    S: Tensor
    Vh: Tensor


@composite("contraction", samples=tuple(Sample((shape,), {"full_matrices": False}) for shape in _svd_shapes))
def svd(x: ArrayLike, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    """x = U diag(S) Vᵀ for a matrix, or each in a stack: singular vectors, and singular values, descending.

    Without `compute_uv` the singular values alone, as `svdvals`. With `full_matrices` U and Vh are square.

    The gradients of the singular values exist also where some are equal. There the vectors have none, nor where one
    is 0 and the matrix is not square: theirs is infinite or NaN, as PyTorch's. The vectors that only complete a basis,
    of a matrix that is not square, have none at all.

    Raises `UnsupportedError` when a gradient goes through such a completed basis: take ``full_matrices=False``.

    >>> import tinygraph as tg
    >>> tg.svd([[3.0, 0.0], [0.0, 4.0]]).S
    Tensor([4., 3.], op=singular_values)
    """
    x = _matrices("svd", x)
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
    """U diag(g) Vᵀ."""
    left, _, right = _sides(xp, x, xp.svd_packed(x))
    return _of_values(xp, g, left, right)


@op(
    "contraction",
    _of_svdvals,
    notation="σ({0})",
    run=lambda x: np.linalg.svd(x, compute_uv=False),
    samples=tuple(Sample((shape,)) for shape in _svd_shapes),
    source="np.linalg.svd({0}, compute_uv=False)",
)
def svdvals(xp: Any, x: ArrayLike) -> Any:
    """The singular values of a matrix, or of each in a stack, descending: dx = U diag(dσ) Vᵀ; see `svd`.

    >>> tg.svdvals([[3.0, 0.0], [0.0, 4.0]])
    Tensor([4., 3.], op=svdvals)
    """
    return xp.svdvals(x)


def _of_qr(xp: Any, g: Any, y: Any, x: Any, mode: str) -> Any:
    """(g_Q + Q M) R⁻ᵀ with the symmetric M of the lower triangle of R g_Rᵀ − g_Qᵀ Q, for the columns that make Q."""
    rows, columns = x.shape[-2:]
    if rows > columns and mode == "complete":
        raise UnsupportedError(
            "the columns of Q that complete a basis are any that do, and have no gradient; take qr(…, mode='reduced')"
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


@op(
    "contraction",
    _of_qr,
    notation="QR({0})",
    run=kernels.qr_packed,
    samples=tuple(
        Sample((shape,), {"mode": "reduced"}, (Domain(diagonal=2.0),))
        for shape in ((3, 3), (3, 2), (2, 3), (1, 1), (2, 3, 2), (2, 2, 3), (0, 2, 2))
    ),
)
def qr_packed_(xp: Any, x: ArrayLike, mode: str = "reduced") -> Any:
    """Q, and below it Rᵀ."""
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
    """x = Q R for a matrix, or each in a stack: orthonormal columns, and an upper triangle.

    `mode` is "reduced", with as many columns of Q as the shorter side of `x`; "complete", with a square Q; or "r", for
    R alone. The gradient needs as many of the first columns of `x` to be independent as Q has.

    Raises `ArgumentError` for another mode; when a gradient is asked for, `UnsupportedError` where Q was completed,
    and NumPy's ``LinAlgError`` where R has no inverse.

    >>> import tinygraph as tg
    >>> tg.qr([[3.0, 1.0], [4.0, 2.0]]).R.data.round(12)
    array([[-5. , -2.2],
           [ 0. ,  0.4]])
    """
    need_one_of(("reduced", "complete", "r"), mode=mode)
    x = _matrices("qr", x)
    packed = qr_packed_(x, mode="reduced" if mode == "r" else mode)
    rows = x.shape[-2]
    R = matrix_transpose(packed[..., rows:, :])
    return R if mode == "r" else QRResult(packed[..., :rows, :], R)


# -- norms -------------------------------------------------------------------------------------------------------------


@op(
    "elementwise",
    lambda xp, g, z, x, y: g / y,
    lambda xp, g, z, x, y: -(g * z) / y,
    notation="{0} / {1}",
    binding=PRODUCT,
    run=kernels.ratio,
    samples=(Domain(), Domain(0.5, 2.0, signs=True)),
)
def ratio_(xp: Any, x: ArrayLike, y: ArrayLike) -> Any:
    """x / y, and 0 where y is; its derivative is infinite there."""
    return xp.ratio(x, y)


def _of_norm(xp: Any, g: Any, y: Any, x: Any, ord: float, axis: Axis, keepdims: bool) -> Any:
    """sign(x) (|x| / y)^(p − 1), and 0 where y is 0 and, for p < 1, where x is."""
    g, y = spread(xp, g, x.shape, axis, keepdims), spread(xp, y, x.shape, axis, keepdims)
    if ord == 2:
        return g * xp.ratio(x, y)
    power = xp.ratio(xp.abs(x), y) ** (ord - 1) if ord > 1 else xp.ratio(y, xp.abs(x)) ** (1 - ord)
    return g * (xp.sign(x) * power)


_norms = (
    Sample(((2, 3),), {"ord": 2, "axis": None, "keepdims": False}),
    Sample(((3,),), {"ord": 3, "axis": 0, "keepdims": True}),
    Sample(((2, 3),), {"ord": 2, "axis": -1, "keepdims": False}),
    Sample(((2, 3, 2),), {"ord": 2, "axis": (0, 2), "keepdims": True}),
    Sample(((2, 3),), {"ord": 1.5, "axis": 0, "keepdims": False}, (Domain(0.5, 2.0, signs=True),)),
    Sample(((2, 3),), {"ord": 0.5, "axis": 1, "keepdims": False}, (Domain(0.5, 2.0, signs=True),)),
    Sample(((2, 3),), {"ord": -2, "axis": None, "keepdims": False}, (Domain(0.5, 2.0, signs=True),)),
    Sample(((0, 3),), {"ord": 2, "axis": 0, "keepdims": False}),
    Sample(((),), {"ord": 2, "axis": None, "keepdims": False}),
)


@op("reduction", _of_norm, notation="‖{0}‖_{ord}", run=kernels.vector_norm, samples=_norms)
def vector_norm_(xp: Any, x: ArrayLike, ord: float = 2, axis: Axis = None, keepdims: bool = False) -> Any:
    """(Σ |x|ᵖ)^(1/p) for a finite p that is not 0."""
    return xp.vector_norm(x, ord=ord, axis=axis, keepdims=keepdims)


@composite(
    "reduction",
    samples=(
        *(
            Sample(
                sample.shapes,
                {key: value for key, value in sample.params.items() if key != "axis" or value is not None},
            )
            for sample in (_norms[0], _norms[2], _norms[3])
        ),
        *(Sample(((2, 3),), {"ord": ord, "axis": 1}, (Domain(0.5, 2.0, signs=True),)) for ord in (0, 1, 3)),
        *(Sample(((2, 3),), {"ord": ord, "keepdims": True}) for ord in (math.inf, -math.inf)),
    ),
)
def vector_norm(x: ArrayLike, axis: Axis = None, keepdims: bool = False, ord: float = 2) -> Tensor:
    """‖x‖ₚ = (Σ |x|ᵖ)^(1/p) along `axis`, an integer, a tuple of them, or None for all elements.

    p is `ord`, any number; ``inf`` and ``-inf`` give the largest and the smallest |x|, 0 the number of elements that
    are not 0. The derivative is sign(x) (|x|/‖x‖)ᵖ⁻¹, and 0 where the norm is 0. Neither overflows before the norm.

    >>> import tinygraph as tg
    >>> x = tg.parameter([3.0, 4.0])
    >>> tg.vector_norm(x).backward()
    >>> x.grad
    array([0.6, 0.8])
    """
    if isinstance(ord, (bool, str)) or not isinstance(ord, (int, float, np.integer, np.floating)):
        raise ArgumentError(f"the ord of a vector norm is a number, inf or -inf, not {ord!r}")
    x = floating(x)
    if ord == 0:
        return astype(reduction.sum(astype(not_equal(x, 0), x.dtype), axis, keepdims), x.dtype)
    if ord == 1 or (ord == math.inf and not reduced_count(x.shape, axis)):
        return reduction.sum(elementwise.abs(x), axis, keepdims)
    if math.isinf(ord):
        return (reduction.max if ord > 0 else reduction.min)(elementwise.abs(x), axis, keepdims)
    return vector_norm_(x, ord=ord, axis=axis, keepdims=keepdims)


@composite(
    "reduction",
    samples=(
        *(Sample(((2, 3),), {"ord": ord}) for ord in ("fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf)),
        *(Sample(((2, 3, 2),), {"ord": ord, "keepdims": True}) for ord in ("fro", "nuc", 1, 2)),
        Sample(((0, 2, 2),), {"ord": "fro"}),
    ),
)
def matrix_norm(x: ArrayLike, keepdims: bool = False, ord: Any = "fro") -> Tensor:
    """A norm of a matrix, or of each in a stack.

    `ord` is "fro" for √Σ x²; "nuc" for the sum of the singular values, 2 and -2 for the largest and the smallest; 1 and
    -1 for the largest and the smallest sum of |x| over a column, ``inf`` and ``-inf`` over a row. Those that tie share
    the gradient equally.

    Raises `ArgumentError` for another `ord`.

    >>> import tinygraph as tg
    >>> tg.matrix_norm([[3.0, 0.0], [0.0, 4.0]])
    Tensor(5., op=vector_norm)
    """
    x = _matrices("matrix_norm", x)
    if ord == "fro":
        return vector_norm(x, (-2, -1), keepdims)
    if ord == "nuc":
        result = reduction.sum(svdvals(x), -1)
    elif ord in (2, -2):
        result = (reduction.max if ord > 0 else reduction.min)(svdvals(x), -1)
    elif ord in (1, -1):
        result = (reduction.max if ord > 0 else reduction.min)(reduction.sum(elementwise.abs(x), -2), -1)
    elif ord in (math.inf, -math.inf):
        result = (reduction.max if ord > 0 else reduction.min)(reduction.sum(elementwise.abs(x), -1), -1)
    else:
        raise ArgumentError(f'the ord of a matrix norm is "fro", "nuc", ±1, ±2 or ±inf, not {ord!r}')
    return reshape(result, (*result.shape, 1, 1)) if keepdims else result


@composite(
    "reduction",
    samples=(
        Sample(((2, 3, 2),)),
        Sample(((3,),), {"ord": 3}),
        Sample(((2, 3),), {"ord": "nuc"}),
        Sample(((2, 3, 2),), {"axis": 1}),
        Sample(((2, 3, 2),), {"ord": 1, "axis": (2, 0)}),
        Sample(((2, 3, 2),), {"ord": "fro", "axis": (0, 1), "keepdims": True}),
    ),
)
def norm(x: ArrayLike, ord: Any = None, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """A norm of a vector or of a matrix, as ``np.linalg.norm``: see `vector_norm` and `matrix_norm`.

    `axis` is one axis for vectors, two for matrices. Without it `x` is a vector or a matrix itself; without `ord` also,
    of any shape, it is √Σ x² over all elements.

    >>> import tinygraph as tg
    >>> tg.norm([3.0, 4.0])
    Tensor(5., op=vector_norm)
    """
    x = as_tensor(x)
    if axis is None:
        if ord is None:
            return vector_norm(x, keepdims=keepdims)
        if x.ndim not in (1, 2):
            raise ArgumentError(f"norm with ord={ord!r} needs axis= for a tensor of shape {x.shape}")
        axis = tuple(range(x.ndim))
    axes = (axis,) if not isinstance(axis, tuple) else axis
    if len(axes) == 1:
        return vector_norm(x, axes[0], keepdims, 2 if ord is None else ord)
    if len(axes) != 2:
        raise ArgumentError(f"norm is over one axis or two, not {axes}")
    if ord is None:
        return vector_norm(x, axes, keepdims)
    places = normalize_axes(axes, x)
    rest = [i for i in range(x.ndim) if i not in places]
    result = matrix_norm(permute_dims(x, (*rest, *places)), ord=ord)
    return reshape(result, tuple(1 if i in places else n for i, n in enumerate(x.shape))) if keepdims else result


@composite(
    "contraction",
    samples=tuple(
        Sample(((3, 3),), {"p": p}, (Domain(diagonal=4.0),)) for p in (None, 2, -2, "fro", "nuc", 1, math.inf)
    ),
)
def cond(x: ArrayLike, p: Any = None) -> Tensor:
    """The condition number ‖x‖ ‖x⁻¹‖ of a matrix, or of each in a stack, in one of the norms of `matrix_norm`.

    Without `p`, and for 2, it is the largest singular value over the smallest, of any matrix; -2 is the reverse.

    Raises NumPy's ``LinAlgError`` in the other norms where there is no inverse.

    >>> import tinygraph as tg
    >>> tg.cond([[4.0, 0.0], [0.0, 2.0]]).item()
    2.0
    """
    x = _matrices("cond", x)
    if p is None or p in (2, -2):
        values = svdvals(x)
        return values[..., -1] / values[..., 0] if p == -2 else values[..., 0] / values[..., -1]
    return matrix_norm(x, ord=p) * matrix_norm(inv(x), ord=p)


@op(
    "contraction",
    None,
    notation="rank({0})",
    run=lambda x, rtol=None: np.asarray(np.linalg.matrix_rank(x, rtol=rtol))[()],
    samples=(
        *(Sample((shape,), {"rtol": None}) for shape in ((3, 2), (2, 3, 3), (0, 2, 2))),
        Sample(((3, 3),), {"rtol": 0.5}),
    ),
    source="np.linalg.matrix_rank({0}, rtol={rtol})",
)
def matrix_rank(xp: Any, x: ArrayLike, rtol: float | None = None) -> Any:
    """How many singular values are larger than `rtol` times the largest: an integer, which has no gradient.

    Without `rtol`, max(m, n) times the precision.

    >>> tg.matrix_rank([[1.0, 2.0], [2.0, 4.0]]).item()
    1
    """
    return xp.matrix_rank(x, rtol=rtol)


# -- composed ----------------------------------------------------------------------------------------------------------


@composite(
    "contraction",
    samples=tuple(
        Sample((shape,), {"n": n}, (Domain(diagonal=4.0),))
        for shape, n in (
            ((3, 3), 0),
            ((2, 2), -1),
            ((3, 3), 2),
            ((2, 2, 2), 3),
            ((2, 2), 5),
            ((3, 3), -2),
            ((0, 2, 2), 2),
        )
    ),
)
def matrix_power(x: ArrayLike, n: int) -> Tensor:
    """x x ⋯ x, `n` times, by squaring; the identity for 0, and a power of the inverse for a negative `n`.

    >>> import tinygraph as tg
    >>> tg.matrix_power([[1.0, 1.0], [0.0, 1.0]], 5)
    Tensor([[1., 5.],
            [0., 1.]], op=matmul)
    """
    x, n = _matrices("matrix_power", x, square=True), index(n)
    if n == 0:
        return constant(np.broadcast_to(np.eye(x.shape[-1], dtype=x.dtype), x.shape))
    squared = x if n > 0 else inv(x)
    n = -n if n < 0 else n
    result = None
    while n:
        if n % 2:
            result = squared if result is None else matmul(result, squared)
        n //= 2
        squared = matmul(squared, squared) if n else squared
    return result  # type: ignore[return-value]


@composite(
    "contraction",
    samples=tuple(
        Sample(shapes, {}, (Domain(diagonal=2.0),))
        for shapes in (((3, 2), (3,)), ((3, 2), (3, 2)), ((2, 3), (2,)), ((3, 3), (3, 1)))
    ),
)
def lstsq(x: ArrayLike, y: ArrayLike, rcond: float | None = None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The z of least norm with the least ‖x z − y‖, and more, as ``np.linalg.lstsq``.

    The results are z = x⁺ y; Σ (x z − y)² for each column, where `x` has more rows than columns and full rank, else
    nothing; the rank of `x`, and its singular values. See `pinv`, also for `rcond`.

    >>> import tinygraph as tg
    >>> z, residuals, rank, values = tg.lstsq([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]], [1.0, 3.0, 5.0])
    >>> z.data.round(12)
    array([1., 2.])
    """
    x, y = as_tensor(x), as_tensor(y)
    if x.ndim != 2 or y.ndim not in (1, 2) or x.shape[0] != y.shape[0]:
        raise ShapeError(
            f"lstsq needs a matrix, and a vector or matrix with as many rows, not shapes {x.shape} and {y.shape}"
        )
    rows, columns = x.shape
    rank = matrix_rank(x, rtol=rcond)
    solution = matmul(pinv(x, rtol=rcond), y)
    residuals = reshape(reduction.sum((matmul(x, solution) - y) ** 2, 0), -1)
    if rows <= columns or rank.value < columns:
        residuals = residuals[:0]
    return solution, residuals, rank, svdvals(x)


@composite(
    "contraction",
    samples=(
        Sample(((4, 2, 2),), {"ind": 1}),
        Sample(((2, 3, 6),), {"ind": 2}),
    ),
)
def tensorinv(x: ArrayLike, ind: int = 2) -> Tensor:
    """The inverse of ``z ↦ tensordot(x, z)``: of `x` as a matrix, whose rows are its first `ind` axes.

    >>> import tinygraph as tg
    >>> tg.tensorinv([[[2.0, 0.0]], [[0.0, 4.0]]], ind=2).shape
    (2, 2, 1)
    """
    x = as_tensor(x)
    if ind <= 0:
        raise ArgumentError(f"ind is a positive number of axes, not {ind}")
    first, last = x.shape[:ind], x.shape[ind:]
    if math.prod(first) != math.prod(last):
        raise ShapeError(f"tensorinv with ind={ind} of shape {x.shape}: {first} and {last} have not as many elements")
    return reshape(inv(reshape(x, (math.prod(first), math.prod(last)))), (*last, *first))


@composite(
    "contraction",
    samples=(
        Sample(((2, 3, 6), (2, 3)), {}),
        Sample(((2, 6, 3), (2, 3)), {"axes": (1,)}),
    ),
)
def tensorsolve(x: ArrayLike, y: ArrayLike, axes: Any = None) -> Tensor:
    """z with tensordot(x, z, z.ndim) = y; `axes` of `x` are moved to its end first.

    >>> import tinygraph as tg
    >>> tg.tensorsolve([[[2.0, 0.0]], [[0.0, 4.0]]], [[2.0], [4.0]])
    Tensor([1., 1.], op=reshape)
    """
    x, y = as_tensor(x), as_tensor(y)
    if axes is not None:
        moved = normalize_axes(axes, x)
        x = permute_dims(x, (*(i for i in range(x.ndim) if i not in moved), *moved))
    shape = x.shape[y.ndim :]
    if math.prod(shape) != y.size or x.size != y.size**2:
        raise ShapeError(f"tensorsolve: shape {x.shape} is not square over an operand of shape {y.shape}")
    return reshape(solve(reshape(x, (y.size, y.size)), reshape(y, -1)), shape)
