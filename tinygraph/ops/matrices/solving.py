"""Linear algebra: inverses, determinants, systems of equations, ranks and powers.

Ops are primitives if their derivatives are written in terms of the result (``inv``, ``solve``, ``pinv``) or must be
defined at singular points (``det``, by cofactors). The others are composed.
"""

from __future__ import annotations

import math
from functools import partial
from operator import index
from typing import Any, NamedTuple

import numpy as np

from ... import kernels
from ...errors import ArgumentError, ShapeError
from ...graph.applying import constant
from ...graph.declaring import composite, op
from ...graph.records import MATRIX_PRODUCT, POWER, SIGN
from ...graph.samples import Domain, Sample
from ...graph.tensor import ArrayLike, Tensor
from ..arguments import as_tensor, matrices, normalize_axes
from ..arithmetic.broadcasting import Shape, unbroadcast
from ..arithmetic.elementwise import floating
from ..arrays.shapes import permute_dims, reshape
from ..reduce import reductions
from ..reduce.norms import matrix_norm
from .contraction import column, matmul
from .decompositions import FLOPS_OF_SINGULAR_VALUES, flops_of_svd, for_each_matrix, svdvals

__all__ = [
    "cond",
    "det",
    "inv",
    "lstsq",
    "matrix_power",
    "matrix_rank",
    "pinv",
    "slogdet",
    "solve",
    "tensorinv",
    "tensorsolve",
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
    flops=for_each_matrix(lambda n, _: 2 * n**3),
)
def inv(xp: Any, x: ArrayLike) -> Any:
    """y = x⁻¹, the inverse of a matrix, or of each in a stack, with dx = −y⁻ᵀ dy y⁻ᵀ where y⁻ᵀ = (x⁻¹)ᵀ.

    Raises NumPy's ``LinAlgError`` for a matrix without an inverse.

    >>> tg.inv([[1.0, 2.0], [0.0, 4.0]])
    Tensor([[ 1.  , -0.5 ],
            [ 0.  ,  0.25]], op=inv)
    """
    return xp.inv(x)


# -- determinants ------------------------------------------------------------------------------------------------------

_square = tuple(Sample((shape,)) for shape in ((2, 2), (3, 3), (1, 1), (0, 0), (2, 3, 3), (0, 2, 2)))


def _over_matrix(xp: Any, g: Any) -> Any:
    """Return a number for each matrix as a matrix of one element."""
    return xp.reshape(g, (*g.shape, 1, 1))


def _of_cofactors(i: int, xp: Any, g: Any, y: Any, x: Any, *directions: Any) -> Any:
    """The derivative of the cofactors is symmetric in its directions and linear in each, so g is one more direction."""
    return xp.cofactors(x, *directions[: i - 1], *directions[i:], g) if i else xp.cofactors(x, *directions, g)


_FLOPS_OF_LU = for_each_matrix(lambda n, _: 2 / 3 * n**3)


def _flops_of_cofactors(y: Shape, x: Shape, *directions: Shape) -> float:
    """Count a decomposition into singular values, and for x and each direction a change of basis and back."""
    *stack, n, _ = x
    return flops_of_svd(y, x, full=False) + 4 * (1 + len(directions)) * math.prod(stack) * n**3


@op(
    "contraction",
    lambda xp, g, y, x, *directions: [partial(_of_cofactors, i) for i in range(1 + len(directions))],
    notation="cof({*})",
    variadic=True,
    run=kernels.cofactors,
    samples=(*_square, *(Sample(((n, n), (n, n))) for n in (1, 2, 3)), Sample(((2, 3, 3), (2, 3, 3), (2, 3, 3)))),
    source="cofactors({*})",
    flops=_flops_of_cofactors,
)
def cofactors_(xp: Any, x: ArrayLike, *directions: ArrayLike) -> Any:
    """The cofactors of a matrix (the derivative of its determinant), or their derivative along the directions."""
    return xp.cofactors(x, *directions)


@op(
    "contraction",
    lambda xp, g, y, x: _over_matrix(xp, g) * xp.cofactors(x),
    notation="det({0})",
    run=np.linalg.det,
    samples=_square,
    source="np.linalg.det({0})",
    flops=_FLOPS_OF_LU,
)
def det(xp: Any, x: ArrayLike) -> Any:
    """The determinant of a matrix, or of each in a stack. Its derivative is the matrix of cofactors.

    The cofactors are det(x) x⁻ᵀ if x has an inverse. They exist, like all derivatives, even if it has none.

    >>> X = tg.parameter([[1.0, 2.0], [2.0, 4.0]])
    >>> tg.det(X).backward()
    >>> X.grad.round(12)
    array([[ 4., -2.],
           [-2.,  1.]])
    """
    return xp.det(x)


@op(
    "contraction",
    None,
    notation="sign det({0})",
    run=lambda x: np.linalg.slogdet(x).sign,
    samples=_invertible,
    source="np.linalg.slogdet({0}).sign",
    flops=_FLOPS_OF_LU,
)
def sign_of_det_(xp: Any, x: ArrayLike) -> Any:
    """The sign of the determinant."""
    return xp.sign_of_det(x)


@op(
    "contraction",
    lambda xp, g, y, x: _over_matrix(xp, g) * xp.inv(x).mT,
    notation="log |det({0})|",
    run=lambda x: np.linalg.slogdet(x).logabsdet,
    samples=_invertible,
    source="np.linalg.slogdet({0}).logabsdet",
    flops=_FLOPS_OF_LU,
    binding=SIGN,
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

    The logarithm does not overflow even if the determinant would.

    >>> import tinygraph as tg
    >>> X = tg.parameter([[2.0, 0.0], [0.0, 4.0]])
    >>> tg.slogdet(X).logabsdet.backward()
    >>> X.grad
    array([[0.5 , 0.  ],
           [0.  , 0.25]])
    """
    return SlogDet(sign_of_det_(x), logabsdet_(x))


# -- systems of equations ----------------------------------------------------------------------------------------------


def _of_right_side(xp: Any, g: Any, z: Any, x: Any, y: Any) -> Any:
    """Return dy = x⁻ᵀ dz."""
    if y.ndim == 1:
        return unbroadcast(xp, xp.reshape(xp.solve(x.mT, column(xp, g)), g.shape), y.shape)
    return unbroadcast(xp, xp.solve(x.mT, g), y.shape)


def _of_left_side(xp: Any, g: Any, z: Any, x: Any, y: Any) -> Any:
    """Return dx = −(x⁻ᵀ dz) zᵀ."""
    if y.ndim == 1:
        g, z = column(xp, g), column(xp, z)
    return unbroadcast(xp, -xp.matmul(xp.solve(x.mT, g), z.mT), x.shape)


_well = Domain(diagonal=4.0)


def _flops_of_solve(z: Shape, x: Shape, y: Shape) -> float:
    """Count a decomposition into two triangles, and for each column the solution of two triangular systems."""
    *stack, n, _ = x
    return math.prod(stack) * 2 / 3 * n**3 + 2 * n * math.prod(z)


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
    flops=_flops_of_solve,
)
def solve(xp: Any, x: ArrayLike, y: ArrayLike) -> Any:
    """The z for which x z = y, computed without the inverse, with dy = x⁻ᵀ dz and dx = −dy zᵀ.

    A `y` with one axis is a vector; any other is a matrix or a stack of matrices. Stacks broadcast.

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
    run=kernels.pinv,
    samples=_of_any_shape,
    flops=lambda y, x, rtol: flops_of_svd(y, x, full=False) + 2 * math.prod(x) * min(x[-2:]),
)
def pinv_(xp: Any, x: ArrayLike, rtol: float | None = None) -> Any:
    """The pseudo-inverse of floating numbers."""
    return xp.pinv(x, rtol=rtol)


@composite("contraction", samples=_of_any_shape)
def pinv(x: ArrayLike, rtol: float | None = None) -> Tensor:
    """y = x⁺, the Moore–Penrose pseudo-inverse of a matrix, or of each in a stack.

    Singular values of at most `rtol` times the largest count as 0; for m × n matrices, `rtol` is by default max(m, n)
    ε, where ε is the distance from 1 to the next larger number of the dtype. If the rank does not change, dy = −y dx y
    + y yᵀ dxᵀ (I − x y) + (I − y x) dxᵀ yᵀ y (Golub and Pereyra, 1973).

    Raises NumPy's ``LinAlgError`` for a matrix that is not finite.

    >>> import tinygraph as tg
    >>> tg.pinv([[2.0, 0.0], [0.0, 0.0]])
    Tensor([[0.5, 0. ],
            [0. , 0. ]], op=pinv)
    """
    x = matrices(x)
    return pinv_(floating(x), rtol=rtol)


def _of_pinv(xp: Any, g: Any, y: Any, x: Any) -> Any:
    """Return −yᵀ g yᵀ + (I − x y) gᵀ y yᵀ + yᵀ y gᵀ (I − y x)."""
    left = xp.matmul(xp.matmul(g.mT, y), y.mT)
    right = xp.matmul(y.mT, xp.matmul(y, g.mT))
    left = left - xp.matmul(x, xp.matmul(y, left))
    right = right - xp.matmul(xp.matmul(right, y), x)
    return left + right - xp.matmul(y.mT, xp.matmul(g, y.mT))


# -- condition, rank, powers and other systems -------------------------------------------------------------------------


@composite(
    "contraction",
    samples=tuple(
        Sample(((3, 3),), {"p": p}, (Domain(diagonal=4.0),)) for p in (None, 2, -2, "fro", "nuc", 1, math.inf)
    ),
)
def cond(x: ArrayLike, p: Any = None) -> Tensor:
    """The condition number ‖x‖ ‖x⁻¹‖ of a matrix, or of each in a stack, in the norm `p` of `matrix_norm`.

    Without `p`, and for 2, it is the largest singular value divided by the smallest, for matrices of any shape; for -2
    it is the smallest divided by the largest.

    Raises NumPy's ``LinAlgError`` in the other norms for a matrix without an inverse.

    >>> import tinygraph as tg
    >>> tg.cond([[4.0, 0.0], [0.0, 2.0]]).item()
    2.0
    """
    x = matrices(x)
    if p is None or p in (2, -2):
        values = svdvals(x)
        return values[..., -1] / values[..., 0] if p == -2 else values[..., 0] / values[..., -1]
    return matrix_norm(x, ord=p) * matrix_norm(inv(x), ord=p)


@op(
    "contraction",
    None,
    notation="rank({0})",
    run=kernels.matrix_rank,
    samples=(
        *(Sample((shape,), {"rtol": None}) for shape in ((3, 2), (2, 3, 3), (0, 2, 2))),
        Sample(((3, 3),), {"rtol": 0.5}),
    ),
    flops=FLOPS_OF_SINGULAR_VALUES,
)
def matrix_rank(xp: Any, x: ArrayLike, rtol: float | None = None) -> Any:
    """The number of singular values that are larger than `rtol` times the largest. It has no gradient.

    For m × n matrices, `rtol` is by default max(m, n) ε, where ε is the distance from 1 to the next larger number of
    the dtype.

    >>> tg.matrix_rank([[1.0, 2.0], [2.0, 4.0]]).item()
    1
    """
    return xp.matrix_rank(x, rtol=rtol)


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
    """xⁿ, the product of `n` matrices x, by squaring; the identity for n = 0, a power of the inverse for negative `n`.

    >>> import tinygraph as tg
    >>> tg.matrix_power([[1.0, 1.0], [0.0, 1.0]], 5)
    Tensor([[1., 5.],
            [0., 1.]], op=matmul)
    """
    x, n = matrices(x, square=True), index(n)
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
    """The z of least norm that minimises ‖x z − y‖, with residuals, rank and singular values, like ``np.linalg.lstsq``.

    The results are z = x⁺ y; Σ (x z − y)² for each column, or an empty tensor unless `x` has more rows than columns and
    full rank; the rank of `x`; and its singular values. `rcond` is the `rtol` of `pinv`.

    >>> import tinygraph as tg
    >>> z, residuals, rank, values = tg.lstsq([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]], [1.0, 3.0, 5.0])
    >>> z.data.round(12)
    array([1., 2.])
    """
    x, y = as_tensor(x), as_tensor(y)
    if x.ndim != 2 or y.ndim not in (1, 2) or x.shape[0] != y.shape[0]:
        raise ShapeError(
            f"lstsq needs a matrix, and a vector or matrix with as many rows, not the shapes {x.shape} and {y.shape}"
        )
    rows, columns = x.shape
    rank = matrix_rank(x, rtol=rcond)
    solution = matmul(pinv(x, rtol=rcond), y)
    residuals = reshape(reductions.sum((matmul(x, solution) - y) ** 2, 0), -1)
    if rows <= columns or rank._value < columns:
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
    """The inverse of the linear map ``z ↦ tensordot(x, z, z.ndim)``, whose results have the first `ind` axes of `x`.

    The shape is ``x.shape[ind:] + x.shape[:ind]``. Raises `ArgumentError` unless `ind` is positive, `ShapeError` unless
    the first `ind` axes and the others have the same size, and NumPy's ``LinAlgError`` if there is no inverse.

    >>> import tinygraph as tg
    >>> tg.tensorinv([[[2.0, 0.0]], [[0.0, 4.0]]], ind=2).shape
    (2, 2, 1)
    """
    x = as_tensor(x)
    if ind <= 0:
        raise ArgumentError(f"ind must be a positive number of axes, not {ind}")
    first, last = x.shape[:ind], x.shape[ind:]
    if math.prod(first) != math.prod(last):
        raise ShapeError(f"tensorinv: the first {ind} axes, {first}, and the others, {last}, must have the same size")
    return reshape(inv(reshape(x, (math.prod(first), math.prod(last)))), (*last, *first))


@composite(
    "contraction",
    samples=(
        Sample(((2, 3, 6), (2, 3)), {}),
        Sample(((2, 6, 3), (2, 3)), {"axes": (1,)}),
    ),
)
def tensorsolve(x: ArrayLike, y: ArrayLike, axes: Any = None) -> Tensor:
    """The z for which tensordot(x, z, z.ndim) = y. The given `axes` of `x` are moved to its end first.

    Raises `ShapeError` unless the first ``y.ndim`` axes of `x` and the others both have the size of `y`.

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
        raise ShapeError(
            f"tensorsolve of shapes {x.shape} and {y.shape}: the first {y.ndim} axes and the others must both have"
            f" the size {y.size}"
        )
    return reshape(solve(reshape(x, (y.size, y.size)), reshape(y, -1)), shape)
