"""Products that sum over an axis."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..apply import op
from ..graph import ArrayLike
from ..samples import Sample
from ..table import MATRIX_PRODUCT
from .broadcasting import unbroadcast

__all__ = [
    "matmul",
    "outer",
    "trace",
    "vdot",
]


def _matmul_left(xp: Any, g: Any, z: Any, x: Any, y: Any) -> Any:
    """dX = dZ Yᵀ. A vector is a matrix with an axis of length one that the product has dropped."""
    if x.ndim == 2 and y.ndim == 2:
        return xp.matmul(g, y.mT)
    if y.ndim == 1:
        return g * y if x.ndim == 1 else _column(xp, g) * y
    if x.ndim == 1:
        return unbroadcast(xp, xp.reshape(xp.matmul(y, _column(xp, g)), (*y.shape[:-2], y.shape[-2])), x.shape)
    return unbroadcast(xp, xp.matmul(g, y.mT), x.shape)


def _matmul_right(xp: Any, g: Any, z: Any, x: Any, y: Any) -> Any:
    """dY = Xᵀ dZ."""
    if x.ndim == 2 and y.ndim == 2:
        return xp.matmul(x.mT, g)
    if x.ndim == 1:
        return g * x if y.ndim == 1 else unbroadcast(xp, _column(xp, x) * xp.reshape(g, _row_shape(g)), y.shape)
    if y.ndim == 1:
        return unbroadcast(xp, xp.reshape(xp.matmul(x.mT, _column(xp, g)), (*x.shape[:-2], x.shape[-1])), y.shape)
    return unbroadcast(xp, xp.matmul(x.mT, g), y.shape)


def _column(xp: Any, g: Any) -> Any:
    return xp.reshape(g, (*g.shape, 1))


def _row_shape(g: Any) -> tuple[int, ...]:
    return (*g.shape[:-1], 1, g.shape[-1])


@op(
    "contraction",
    _matmul_left,
    _matmul_right,
    notation="{0} {1}",
    binding=MATRIX_PRODUCT,
    operators=("__matmul__", "__rmatmul__"),
    samples=tuple(
        map(
            Sample,
            (
                ((2, 3), (3, 4)),
                ((3,), (3,)),
                ((2, 3), (3,)),
                ((3,), (3, 2)),
                ((4, 2, 3), (3, 2)),
                ((2, 3), (4, 3, 2)),
                ((4, 2, 3), (4, 3, 2)),
                ((4, 1, 2, 3), (5, 3, 2)),
                ((4, 2, 3), (3,)),
                ((3,), (4, 3, 2)),
                ((1, 1), (1, 1)),
                ((2, 0), (0, 3)),
                ((0, 2), (2, 3)),
            ),
        )
    ),
    source="{0} @ {1}",
)
def matmul(xp: Any, x: ArrayLike, y: ArrayLike) -> Any:
    """z = x y, the matrix product: over the last axis of `x` and the last but one of `y`.

    As NumPy's: a vector is a row on the left and a column on the right, and further leading axes broadcast.

    >>> tg.matmul([[1.0, 2.0]], [[3.0], [4.0]])
    Tensor([[11.]], op=matmul)
    """
    return xp.matmul(x, y)


@op(
    "contraction",
    lambda xp, g, z, x, y: xp.matmul(g, y),
    lambda xp, g, z, x, y: xp.matmul(x, g),
    notation="{0} {1}^T",
    binding=MATRIX_PRODUCT,
    run=np.linalg.outer,
    samples=tuple(map(Sample, (((2,), (3,)), ((1,), (1,)), ((0,), (3,))))),
)
def outer(xp: Any, x: ArrayLike, y: ArrayLike) -> Any:
    """z = x yᵀ, the outer product of two vectors.

    >>> tg.outer([1.0, 2.0], [3.0, 4.0])
    Tensor([[3., 4.],
            [6., 8.]], op=outer)
    """
    return xp.outer(x, y)


@op(
    "contraction",
    lambda xp, g, y, x, offset: xp.reshape(g, (*g.shape, 1, 1)) * np.eye(x.shape[-2], x.shape[-1], offset, x.dtype),
    notation="tr_{offset}({0})",
    run=np.linalg.trace,
    samples=(
        *(Sample((shape,), {"offset": 0}) for shape in ((3, 3), (2, 3), (4, 2, 2), (0, 2), (2, 0, 3, 3))),
        Sample(((3, 4),), {"offset": 1}),
        Sample(((3, 4),), {"offset": -1}),
    ),
    source="np.linalg.trace({0}, offset={offset})",
)
def trace(xp: Any, x: ArrayLike, offset: int = 0) -> Any:
    """The sum of the diagonal of a matrix, or of each in a stack; with `offset` of one above or below it.

    As ``np.linalg.trace``, over the last two axes.

    >>> tg.trace([[1.0, 2.0], [3.0, 4.0]])
    Tensor(5., op=trace)
    """
    return xp.trace(x, offset=offset)


@op(
    "contraction",
    lambda xp, g, z, x, y: xp.reshape(g * y, x.shape),
    lambda xp, g, z, x, y: xp.reshape(g * x, y.shape),
    notation="⟨{0}, {1}⟩",
    samples=tuple(map(Sample, (((3,), (3,)), ((2, 3), (2, 3)), ((2, 3), (6,)), ((), ()), ((0,), (0, 2))))),
)
def vdot(xp: Any, x: ArrayLike, y: ArrayLike) -> Any:
    """z = Σ x ∗ y over all elements, in the order of the last axis; `x` and `y` have as many.

    >>> tg.vdot([[1.0, 2.0]], [3.0, 4.0])
    Tensor(11., op=vdot)
    """
    return xp.vdot(x, y)
