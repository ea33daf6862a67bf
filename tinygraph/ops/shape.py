"""Operations that move elements about: reshaping, permuting, repeating, joining."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..apply import op
from ..graph import ArrayLike, Tensor
from ..samples import Sample
from ..table import POWER
from .broadcasting import Shape, unbroadcast

__all__ = [
    "broadcast_to",
    "concat",
    "matrix_transpose",
    "permute_dims",
    "reshape",
    "stack",
]


@op(
    "shape",
    lambda xp, g, y, x, shape: xp.reshape(g, x.shape),
    notation="reshape({0}, {shape})",
    samples=(
        Sample(((2, 3),), {"shape": (3, 2)}),
        Sample(((2, 3),), {"shape": (-1,)}),
        Sample(((2, 3),), {"shape": (2, 3)}),
        Sample(((1, 1),), {"shape": ()}),
        Sample(((0, 3),), {"shape": (3, 0)}),
    ),
)
def reshape(xp: Any, x: ArrayLike, shape: int | Shape) -> Any:
    """The elements of `x`, in the same order, in another shape; one length may be −1 and is worked out.

    >>> tg.reshape([1.0, 2.0, 3.0, 4.0], (2, -1))
    Tensor([[1., 2.],
            [3., 4.]], op=reshape)
    """
    return xp.reshape(x, shape)


@op(
    "shape",
    lambda xp, g, y, x, axes: xp.permute_dims(
        g, axes and tuple(int(i) for i in np.argsort([a % x.ndim for a in axes]))
    ),
    notation="permute({0}, {axes})",
    run=np.transpose,
    samples=(
        Sample(((2, 3, 4),), {"axes": (2, 0, 1)}),
        Sample(((2, 3, 4),), {"axes": (-1, 0, 1)}),
        Sample(((2, 3, 4),), {"axes": None}),
        Sample(((3,),), {"axes": (0,)}),
        Sample(((),), {"axes": None}),
        Sample(((0, 2),), {"axes": (1, 0)}),
    ),
)
def permute_dims(xp: Any, x: ArrayLike, axes: Shape | None = None) -> Any:
    """The axes in another order; without `axes` in reverse, as in ``np.transpose``.

    >>> tg.permute_dims([[[1.0, 2.0, 3.0]]], (2, 0, 1)).shape
    (3, 1, 1)
    """
    return xp.permute_dims(x, axes)


@op(
    "shape",
    lambda xp, g, y, x: g.mT,
    notation="{0}^T",
    binding=POWER,
    run=lambda x: x.mT if x.ndim > 1 else np.matrix_transpose(x),
    samples=(Sample(((2, 3),)), Sample(((4, 2, 3),)), Sample(((0, 3),))),
    source="{0}.mT",
)
def matrix_transpose(xp: Any, x: ArrayLike) -> Any:
    """The last two axes exchanged.

    >>> tg.matrix_transpose([[1.0, 2.0], [3.0, 4.0]])
    Tensor([[1., 3.],
            [2., 4.]], op=matrix_transpose)
    """
    return xp.matrix_transpose(x)


def _broadcast_to(x: Any, shape: int | Shape) -> Any:
    if x.ndim == 0:  # at a fifth of the cost of NumPy's own, whose result is also slow to read
        result = np.empty(shape, x.dtype)
        result.fill(x)
        return result
    return np.broadcast_to(x, shape)


@op(
    "shape",
    lambda xp, g, y, x, shape: unbroadcast(xp, g, x.shape),
    notation="broadcast({0}, {shape})",
    run=_broadcast_to,
    samples=(
        Sample(((2, 1),), {"shape": (2, 3)}),
        Sample(((3,),), {"shape": (2, 3)}),
        Sample(((),), {"shape": (2, 2)}),
        Sample(((1, 3),), {"shape": (4, 2, 3)}),
        Sample(((1, 3),), {"shape": (0, 3)}),
    ),
)
def broadcast_to(xp: Any, x: ArrayLike, shape: Shape) -> Any:
    """`x` repeated along axes of length one, and along new leading axes, up to `shape`.

    >>> tg.broadcast_to([1.0, 2.0], (2, 2))
    Tensor([[1., 2.],
            [1., 2.]], op=broadcast_to)
    """
    return xp.broadcast_to(x, shape)


def _parts(xp: Any, g: Any, y: Any, *xs: Any, axis: int | None) -> list[Any]:
    """The slices of g that came from each array."""
    before = (slice(None),) * (0 if axis is None else axis % g.ndim)
    lengths = [math.prod(x.shape) if axis is None else x.shape[axis] for x in xs]
    ends = itertools.accumulate(lengths)
    parts = [g[(*before, slice(end - length, end))] for length, end in zip(lengths, ends, strict=True)]
    return [xp.reshape(part, x.shape) for part, x in zip(parts, xs, strict=True)] if axis is None else parts


@op(
    "shape",
    _parts,
    notation="concat({*})",
    variadic=True,
    run=lambda *xs, axis: np.concatenate(xs, axis),
    samples=(
        Sample(((2, 3), (1, 3)), {"axis": 0}),
        Sample(((2, 3), (2, 1), (2, 2)), {"axis": -1}),
        Sample(((2, 3), (4,)), {"axis": None}),
        Sample(((2, 3),), {"axis": 0}),
        Sample(((0, 3), (2, 3)), {"axis": 0}),
    ),
)
def concat_(xp: Any, *xs: ArrayLike, axis: int | None = 0) -> Any:
    return xp.concat(xs, axis=axis)


def concat(arrays: Sequence[ArrayLike], axis: int | None = 0) -> Tensor:
    """Arrays joined along an existing axis; with ``axis=None`` flattened first.

    >>> import tinygraph as tg
    >>> tg.concat([[1.0, 2.0], [3.0]])
    Tensor([1., 2., 3.], op=concat)
    """
    return concat_(*arrays, axis=axis)


@op(
    "shape",
    lambda xp, g, y, *xs, axis: [g[(slice(None),) * (axis % g.ndim) + (i,)] for i in range(len(xs))],
    notation="stack({*})",
    variadic=True,
    run=lambda *xs, axis: np.stack(xs, axis),
    samples=(
        Sample(((2, 3), (2, 3)), {"axis": 0}),
        Sample(((2, 3), (2, 3), (2, 3)), {"axis": -1}),
        Sample(((), ()), {"axis": 0}),
        Sample(((0,), (0,)), {"axis": 1}),
    ),
)
def stack_(xp: Any, *xs: ArrayLike, axis: int = 0) -> Any:
    return xp.stack(xs, axis=axis)


def stack(arrays: Sequence[ArrayLike], axis: int = 0) -> Tensor:
    """Arrays of one shape joined along a new axis.

    >>> import tinygraph as tg
    >>> tg.stack([[1.0, 2.0], [3.0, 4.0]], axis=1)
    Tensor([[1., 3.],
            [2., 4.]], op=stack)
    """
    return stack_(*arrays, axis=axis)
