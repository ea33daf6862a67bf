"""Shapes: the same elements along other axes, and elements repeated along axes.

Functions that only rearrange the axes (squeeze, moveaxis, ravel) are composed of the primitives reshape and
permute_dims.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...errors import ArgumentError, ShapeError
from ...graph.applying import constant
from ...graph.declaring import composite, op
from ...graph.node import describe
from ...graph.records import POWER
from ...graph.samples import Domain, Sample
from ...graph.tensor import ArrayLike, Tensor
from ..arguments import as_tensor, misfit, need_one_of, normalize_axes, normalize_axis
from ..arithmetic.broadcasting import Axis, Shape, aligned, unbroadcast

__all__ = [
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "broadcast_arrays",
    "broadcast_to",
    "expand_dims",
    "full_like",
    "matrix_transpose",
    "meshgrid",
    "moveaxis",
    "ones_like",
    "permute_dims",
    "ravel",
    "reshape",
    "rollaxis",
    "squeeze",
    "swapaxes",
    "zeros_like",
]


def in_row(x: ArrayLike, axis: int | None) -> tuple[Tensor, int]:
    """Return x as a tensor, and `axis` counted from the first. If `axis` is None, x is flattened and the axis is 0."""
    return (ravel(x), 0) if axis is None else (as_tensor(x), normalize_axis(axis, as_tensor(x)))


def _listed(numbers: int | Shape) -> str:
    """Return numbers as the text of the arguments of a method."""
    return ", ".join(map(str, (numbers,) if isinstance(numbers, int) else numbers)) or "()"


@op(
    "shape",
    lambda xp, g, y, x, shape: xp.reshape(g, x.shape),
    notation="reshape({0}, {shape})",
    samples=(
        Sample(((2, 3),), {"shape": (3, 2)}),
        Sample(((2, 3),), {"shape": (-1,)}),
        Sample(((2, 3),), {"shape": -1}),
        Sample(((2, 3),), {"shape": (2, 3)}),
        Sample(((1, 1),), {"shape": ()}),
        Sample(((0, 3),), {"shape": (3, 0)}),
    ),
    source=lambda node: f"{{0}}.reshape({_listed(node.params['shape'])})",
    batch=lambda xp, moving, result, x, shape: xp.reshape(x, result),
    arithmetic="reshaping",
)
def reshape(xp: Any, x: ArrayLike, shape: int | Shape) -> Any:
    """The elements of `x`, in the same order, in another shape; one length may be −1, which is then computed.

    >>> tg.reshape([1.0, 2.0, 3.0, 4.0], (2, -1))
    Tensor([[1., 2.],
            [3., 4.]], op=reshape)
    """
    return xp.reshape(x, (shape,) if isinstance(shape, int) else shape)


def _batched_permute(xp: Any, moving: Sequence[bool], shape: Shape, x: Any, axes: Shape | None) -> Any:
    ndim = x.ndim - 1
    return xp.permute_dims(x, (0, *(i % ndim + 1 for i in (range(ndim)[::-1] if axes is None else axes))))


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
    source=lambda node: f"{{0}}.transpose({'' if node.params['axes'] is None else _listed(node.params['axes'])})",
    batch=_batched_permute,
)
def permute_dims(xp: Any, x: ArrayLike, axes: Shape | None = None) -> Any:
    """`x` with its axes in another order; without `axes` in reverse order, as in ``np.transpose``.

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
    source=lambda node: "{0}.T" if node.ndim == 2 else "{0}.mT",
    batch=lambda xp, moving, shape, x: xp.matrix_transpose(x),
    arithmetic="transpose",
)
def matrix_transpose(xp: Any, x: ArrayLike) -> Any:
    """`x` with its last two axes exchanged.

    >>> tg.matrix_transpose([[1.0, 2.0], [3.0, 4.0]])
    Tensor([[1., 3.],
            [2., 4.]], op=matrix_transpose)
    """
    return xp.matrix_transpose(x)


def _broadcast_to(x: Any, shape: int | Shape) -> Any:
    if x.ndim == 0:  # five times faster than np.broadcast_to, and the result is faster to read
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
    source="np.broadcast_to({0}, {shape})",
    batch=lambda xp, moving, result, x, shape: xp.broadcast_to(aligned(xp, x, len(shape)), result),
    arithmetic="repetition",
)
def broadcast_to(xp: Any, x: ArrayLike, shape: Shape) -> Any:
    """`x` repeated along axes of length one, and along new leading axes, to have the shape `shape`.

    >>> tg.broadcast_to([1.0, 2.0], (2, 2))
    Tensor([[1., 2.],
            [1., 2.]], op=broadcast_to)
    """
    return xp.broadcast_to(x, shape)


# -- axes --------------------------------------------------------------------------------------------------------------


@composite("shape", samples=(Sample(((2, 3),)), Sample(((),)), Sample(((0, 3),)), Sample(((2, 1, 2),))))
def ravel(x: ArrayLike) -> Tensor:
    """The elements of `x` as a vector.

    >>> import tinygraph as tg
    >>> tg.ravel([[1.0, 2.0], [3.0, 4.0]])
    Tensor([1., 2., 3., 4.], op=reshape)
    """
    return reshape(x, (-1,)) if as_tensor(x).size else reshape(x, (0,))


@composite(
    "shape",
    samples=(
        Sample(((1, 2, 1),)),
        Sample(((1, 2, 1),), {"axis": 0}),
        Sample(((1, 2, 1),), {"axis": (0, -1)}),
        Sample(((2, 3),)),
        Sample(((2, 3),), {"axis": ()}),
        Sample(((),)),
        Sample(((1, 0),), {"axis": 0}),
    ),
)
def squeeze(x: ArrayLike, axis: Axis = None) -> Tensor:
    """`x` without its axes of length one, or without only those that `axis` names.

    Raises `ShapeError` if an axis that is named has another length.

    >>> import tinygraph as tg
    >>> tg.squeeze([[[1.0, 2.0]]], axis=0)
    Tensor([[1., 2.]], op=reshape)
    """
    x = as_tensor(x)
    axes = [i for i, n in enumerate(x.shape) if n == 1] if axis is None else normalize_axes(axis, x)
    for i in axes:
        if x.shape[i] != 1:
            raise ShapeError(f"squeeze removes axes of length 1, but axis {i} of {describe(x)} has length {x.shape[i]}")
    return reshape(x, tuple(n for i, n in enumerate(x.shape) if i not in axes))


@composite(
    "shape",
    samples=(
        Sample(((2, 3),), {"axis": 0}),
        Sample(((2, 3),), {"axis": -1}),
        Sample(((2, 3),), {"axis": (0, -1)}),
        Sample(((),), {"axis": 0}),
        Sample(((0,),), {"axis": 1}),
    ),
)
def expand_dims(x: ArrayLike, axis: int | tuple[int, ...]) -> Tensor:
    """`x` with new axes of length one, which are the axes `axis` of the result.

    >>> import tinygraph as tg
    >>> tg.expand_dims([1.0, 2.0], axis=1).shape
    (2, 1)
    """
    x = as_tensor(x)
    ndim = x.ndim + np.size(axis)
    axes = normalize_axes(axis, x, ndim)
    lengths = iter(x.shape)
    return reshape(x, tuple(1 if i in axes else next(lengths) for i in range(ndim)))


@composite(
    "shape",
    samples=(
        Sample(((2, 3, 4),), {"source": 0, "destination": -1}),
        Sample(((2, 3, 4),), {"source": (0, 1), "destination": (-1, 0)}),
        Sample(((2, 3),), {"source": 1, "destination": 1}),
        Sample(((0, 2),), {"source": 0, "destination": 1}),
    ),
)
def moveaxis(x: ArrayLike, source: int | tuple[int, ...], destination: int | tuple[int, ...]) -> Tensor:
    """`x` with the axes `source` moved to the places `destination`; the others keep their order.

    >>> import tinygraph as tg
    >>> tg.moveaxis(np.ones((2, 3, 4)), 0, -1).shape
    (3, 4, 2)
    """
    x = as_tensor(x)
    sources = normalize_axes(source, x)
    destinations = normalize_axes(destination, x)
    if len(sources) != len(destinations):
        raise ArgumentError(
            f"source and destination must name the same number of axes, not {len(sources)} and {len(destinations)}"
        )
    axes = [i for i in range(x.ndim) if i not in sources]
    for there, i in sorted(zip(destinations, sources, strict=True)):
        axes.insert(there, i)
    return permute_dims(x, tuple(axes))


@composite(
    "shape",
    samples=(
        Sample(((2, 3, 4),), {"axis1": 0, "axis2": -1}),
        Sample(((2, 3),), {"axis1": 0, "axis2": 0}),
        Sample(((2, 0),), {"axis1": 0, "axis2": 1}),
    ),
)
def swapaxes(x: ArrayLike, axis1: int, axis2: int) -> Tensor:
    """`x` with two axes exchanged.

    >>> import tinygraph as tg
    >>> tg.swapaxes(np.ones((2, 3, 4)), 0, 2).shape
    (4, 3, 2)
    """
    x = as_tensor(x)
    axes = list(range(x.ndim))
    i, j = normalize_axis(axis1, x), normalize_axis(axis2, x)
    axes[i], axes[j] = axes[j], axes[i]
    return permute_dims(x, tuple(axes))


@composite(
    "shape",
    samples=(
        Sample(((2, 3, 4),), {"axis": 2}),
        Sample(((2, 3, 4),), {"axis": 0, "start": 3}),
        Sample(((2, 3, 4),), {"axis": -1, "start": 1}),
        Sample(((2, 3),), {"axis": 0, "start": -1}),
    ),
)
def rollaxis(x: ArrayLike, axis: int, start: int = 0) -> Tensor:
    """`x` with an axis moved before the one at `start`: an older form of `moveaxis`.

    >>> import tinygraph as tg
    >>> tg.rollaxis(np.ones((2, 3, 4)), 2).shape
    (4, 2, 3)
    """
    x = as_tensor(x)
    source = normalize_axis(axis, x)
    place = normalize_axis(start + x.ndim if start < 0 else start, x, x.ndim + 1)
    return moveaxis(x, source, place - (source < place))


def _each(change: Any, arrays: Sequence[ArrayLike]) -> Any:
    changed = tuple(change(as_tensor(x)) for x in arrays)
    return changed if len(changed) != 1 else changed[0]


@composite("shape", samples=(Sample(((),)), Sample(((2, 3),)), Sample(((), (2,)))))
def atleast_1d(*arrays: ArrayLike) -> Any:
    """`x` with at least one axis: a number becomes a vector of one element. Several arrays give a tuple.

    >>> import tinygraph as tg
    >>> tg.atleast_1d(2.0)
    Tensor([2.], op=reshape)
    """
    return _each(lambda x: reshape(x, x.shape or (1,)), arrays)


@composite("shape", samples=(Sample(((),)), Sample(((3,),)), Sample(((2, 1, 2),)), Sample(((), (2,)))))
def atleast_2d(*arrays: ArrayLike) -> Any:
    """`x` with at least two axes: a number or a vector becomes a matrix of one row. Several arrays give a tuple.

    >>> import tinygraph as tg
    >>> tg.atleast_2d([1.0, 2.0])
    Tensor([[1., 2.]], op=reshape)
    """
    return _each(lambda x: reshape(x, (1,) * (2 - x.ndim) + x.shape), arrays)


@composite("shape", samples=tuple(map(Sample, (((),), ((3,),), ((2, 3),), ((2, 1, 2),), ((), (2,))))))
def atleast_3d(*arrays: ArrayLike) -> Any:
    """`x` with at least three axes: n numbers get the shape (1, n, 1), an m × n matrix gets (m, n, 1).

    Several arrays give a tuple.

    >>> import tinygraph as tg
    >>> tg.atleast_3d([1.0, 2.0]).shape
    (1, 2, 1)
    """
    return _each(lambda x: reshape(x, (*(1,) * (2 - x.ndim), *x.shape, *(1,) * (x.ndim < 3))), arrays)


@composite("shape", samples=(Sample(((2, 1), (3,))), Sample(((), (2,))), Sample(((2,),)), Sample(((1, 3), (0, 1)))))
def broadcast_arrays(*arrays: ArrayLike) -> tuple[Tensor, ...]:
    """The arrays, each broadcast to their common shape.

    >>> import tinygraph as tg
    >>> [x.shape for x in tg.broadcast_arrays([[1.0], [2.0]], [1.0, 2.0, 3.0])]
    [(2, 3), (2, 3)]
    """
    tensors = [as_tensor(x) for x in arrays]
    try:
        shape = np.broadcast_shapes(*(x.shape for x in tensors))
    except ValueError:
        raise misfit(tensors, "the shapes do not broadcast together") from None
    return tuple(broadcast_to(x, shape) for x in tensors)


@composite(
    "shape",
    samples=(
        Sample(((2,), (3,))),
        Sample(((2,), (3,)), {"indexing": "ij"}),
        Sample(((2,), (3,), (4,)), {"sparse": True}),
        Sample(((2,), (3,), ()), {"indexing": "ij", "sparse": True}),
        Sample(((2,),)),
        Sample(((0,), (2,))),
    ),
)
def meshgrid(*arrays: ArrayLike, indexing: str = "xy", sparse: bool = False) -> tuple[Tensor, ...]:
    """The coordinates of the points of a grid, as one array for each axis, given the coordinates along the axes.

    With ``indexing="ij"`` the axes are in the order of `arrays`; with ``"xy"`` the first two are exchanged, as in a
    picture. With `sparse`, each array has length one along the axes of the others.

    >>> import tinygraph as tg
    >>> x, y = tg.meshgrid([1.0, 2.0], [3.0, 4.0, 5.0])
    >>> x.shape, y.data[:, 0].tolist()
    ((3, 2), [3.0, 4.0, 5.0])
    """
    need_one_of(("xy", "ij"), indexing=indexing)
    axes = list(range(len(arrays)))
    if indexing == "xy" and len(arrays) > 1:
        axes[:2] = 1, 0
    open_grid = tuple(
        reshape(x, tuple(as_tensor(x).size if i == axis else 1 for i in range(len(arrays))))
        for x, axis in zip(arrays, axes, strict=True)
    )
    return open_grid if sparse or not arrays else broadcast_arrays(*open_grid)


# -- constants of the same shape ---------------------------------------------------------------------------------------

_like = (Sample(((2, 3),)), Sample(((),)), Sample(((0, 2),), {"dtype": np.int64}))


@composite("shape", samples=_like)
def zeros_like(x: ArrayLike, dtype: Any = None) -> Tensor:
    """A constant of zeros with the shape and the dtype of `x`, or with `dtype`.

    >>> import tinygraph as tg
    >>> tg.zeros_like([1.0, 2.0])
    Tensor([0., 0.])
    """
    return full_like(x, 0, dtype)


@composite("shape", samples=_like)
def ones_like(x: ArrayLike, dtype: Any = None) -> Tensor:
    """A constant of ones with the shape and the dtype of `x`, or with `dtype`.

    >>> import tinygraph as tg
    >>> tg.ones_like([1.0, 2.0])
    Tensor([1., 1.])
    """
    return full_like(x, 1, dtype)


@composite(
    "shape",
    samples=tuple(
        Sample((shape, ()), {"dtype": np.float64}, (Domain(integer=True), None)) for shape in ((2, 3), (0,), ())
    ),
)
def full_like(x: ArrayLike, fill_value: ArrayLike, dtype: Any = None) -> Tensor:
    """One value, which may be a tensor, repeated to the shape of `x` and converted to its dtype, or to `dtype`.

    >>> import tinygraph as tg
    >>> tg.full_like([1.0, 2.0], 3)
    Tensor([3., 3.])
    """
    x = as_tensor(x)
    dtype = x.dtype if dtype is None else np.dtype(dtype)
    if isinstance(fill_value, Tensor):
        return broadcast_to(fill_value.astype(dtype), x.shape)
    return constant(np.full(x.shape, fill_value, dtype))
