"""Sorting, and picking elements along an axis by an array of indices.

`sort` is a primitive, since NumPy sorts faster than it finds the order. Its gradient is put back by the stable order,
so that elements that tie get one share each. Indices and counts have no gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import Any, NamedTuple

import numpy as np

from ... import kernels
from ...errors import ArgumentError
from ...graph.declaring import composite, op
from ...graph.records import INDEX
from ...graph.samples import Domain, Sample
from ...graph.tensor import ArrayLike, Tensor
from ..arguments import as_tensor, need_integers, need_one_of
from ..arrays.indexing import getitem
from ..arrays.keys import along
from ..arrays.shapes import broadcast_to, in_row

__all__ = [
    "argpartition",
    "argsort",
    "partition",
    "searchsorted",
    "sort",
    "take_along_axis",
    "topk",
]

# -- along an axis -------------------------------------------------------------------------------------------------

_place = Domain(-2, 2, integer=True)
_chosen = (
    Sample(((3,), (3,)), {"axis": 0}, (None, _place)),
    Sample(((3,), (5,)), {"axis": -1}, (None, _place)),
    Sample(((2, 3), (2, 2)), {"axis": 1}, (None, _place)),
    Sample(((3, 2, 2), (4, 2, 2)), {"axis": -3}, (None, _place)),
    Sample(((2, 3), (2, 0)), {"axis": 1}, (None, _place)),
)


@op(
    "indexing",
    lambda xp, g, y, x, indices, axis: xp.scatter_along_axis(
        g, indices, axis=axis % x.ndim, length=x.shape[axis % x.ndim]
    ),
    None,
    notation="{0}[{1}]",
    run=np.take_along_axis,
    samples=_chosen,
    chooses=True,
    binding=INDEX,
)
def take_along_axis_(xp: Any, x: ArrayLike, indices: ArrayLike, axis: int) -> Any:
    """The elements along the axis that `indices` name; x and `indices` have the same shape except along that axis."""
    return xp.take_along_axis(x, indices, axis=axis)


@op(
    "indexing",
    lambda xp, g, y, x, indices, axis, length: xp.take_along_axis(g, indices, axis=axis),
    None,
    notation="scatter({0}, {1})",
    run=kernels.scatter_along_axis,
    samples=(
        Sample(((4,), (4,)), {"axis": 0, "length": 3}, (None, _place)),
        Sample(((2, 3), (2, 3)), {"axis": 1, "length": 2}, (None, _place)),
        Sample(((1, 2, 2), (1, 2, 2)), {"axis": 0, "length": 3}, (None, _place)),
        Sample(((2, 0), (2, 0)), {"axis": 1, "length": 2}, (None, _place)),
    ),
)
def scatter_along_axis_(xp: Any, x: ArrayLike, indices: ArrayLike, axis: int, length: int) -> Any:
    """Zeros, `length` of them along the axis, with the elements of x added at the indices: the transpose of taking."""
    return xp.scatter_along_axis(x, indices, axis=axis, length=length)


@composite(
    "indexing",
    samples=(
        *_chosen,
        Sample(((2, 3), (1, 2)), {"axis": 1}, (None, _place)),
        Sample(((1, 3), (4, 2)), {"axis": -1}, (None, _place)),
        Sample(((2, 3), (4,)), {"axis": None}, (None, _place)),
    ),
)
def take_along_axis(x: ArrayLike, indices: ArrayLike, axis: int | None = -1) -> Tensor:
    """The elements of `x` along `axis` at integer `indices`, such as those that `argsort` and `argmax` return.

    The other axes of both broadcast together. With ``axis=None``, `x` is flattened first. An element that is named
    twice gets both shares of the gradient. Raises `DTypeError` for indices that are not integers, and `ArgumentError`
    if `x` and `indices` do not have the same number of axes.

    >>> import tinygraph as tg
    >>> x = tg.Tensor([[1.0, 5.0], [3.0, 2.0]])
    >>> tg.take_along_axis(x, tg.argmax(x, axis=1, keepdims=True), axis=1)
    Tensor([[5.],
            [3.]], op=take_along_axis)
    """
    (x, axis), indices = in_row(x, axis), as_tensor(indices)
    need_integers("indices", indices)
    if x.ndim != indices.ndim:
        raise ArgumentError(
            f"the indices of take_along_axis must have as many axes as the array, {x.ndim}, not {indices.ndim}"
        )
    rest = np.broadcast_shapes(*((*shape[:axis], 1, *shape[axis + 1 :]) for shape in (x.shape, indices.shape)))
    x, indices = (_broadcast(z, (*rest[:axis], z.shape[axis], *rest[axis + 1 :])) for z in (x, indices))
    return take_along_axis_(x, indices, axis=axis)


def _broadcast(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    return x if x.shape == shape else broadcast_to(x, shape)


# -- sorting -------------------------------------------------------------------------------------------------------

_sorted = (
    Sample(((4,),), {"axis": 0}),
    Sample(((2, 3),), {"axis": -1}),
    Sample(((3, 2, 2),), {"axis": -3}),
    Sample(((1, 2),), {"axis": 0}),
    Sample(((2, 0),), {"axis": 1}),
)


def _argsort(x: Any, axis: int) -> Any:
    return np.argsort(x, axis, stable=True)


@op(
    "indexing",
    None,
    notation="argsort_{axis}({0})",
    run=_argsort,
    samples=_sorted,
    source="np.argsort({0}, axis={axis}, stable=True)",
)
def argsort_(xp: Any, x: ArrayLike, axis: int) -> Any:
    """The indices that sort the elements in ascending order; equal elements keep their order."""
    return xp.argsort(x, axis=axis)


@op(
    "indexing",
    lambda xp, g, y, x, axis: xp.scatter_along_axis(
        g, xp.argsort(x, axis=axis), axis=axis % x.ndim, length=x.shape[axis % x.ndim]
    ),
    notation="sort_{axis}({0})",
    run=np.sort,
    samples=_sorted,
    source="np.sort({0}, axis={axis})",
    chooses=True,
)
def sort_(xp: Any, x: ArrayLike, axis: int) -> Any:
    """The elements in ascending order."""
    return xp.sort(x, axis=axis)


def _reversed(x: Tensor, axis: int) -> Tensor:
    return getitem(x, along(axis, slice(None, None, -1)))


_public = (*_sorted, Sample(((3,),)), Sample(((2, 3),), {"axis": None}))  # NumPy has no descending order


@composite("indexing", samples=_public)
def sort(x: ArrayLike, axis: int | None = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """The elements along `axis` in ascending order, or `descending`; with ``axis=None``, x is flattened first.

    A NaN sorts as the largest number. The gradient of each element goes back to its original place. Elements that tie
    keep their order, whatever `stable` is. Raises `ShapeError` if there is no such axis.

    >>> import tinygraph as tg
    >>> x = tg.parameter([3.0, 1.0, 2.0])
    >>> tg.gradients(tg.sort(x), x, [10.0, 20.0, 30.0])
    Tensor([30., 10., 20.], op=scatter_along_axis)
    """
    x, axis = in_row(x, axis)
    return _reversed(sort_(_reversed(x, axis), axis=axis), axis) if descending else sort_(x, axis=axis)


@composite("indexing", samples=_public)
def argsort(x: ArrayLike, axis: int | None = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """The indices along `axis` that sort x as `sort` does. It has no gradient.

    Equal elements keep their order, whatever `stable` is.

    >>> import tinygraph as tg
    >>> tg.argsort([3.0, 1.0, 2.0], descending=True)
    Tensor([0, 2, 1], op=subtract)
    """
    x, axis = in_row(x, axis)
    if not descending:
        return argsort_(x, axis=axis)
    return x.shape[axis] - 1 - _reversed(argsort_(_reversed(x, axis), axis=axis), axis)


class TopK(NamedTuple):
    """The largest or the smallest elements, and their indices."""

    values: Tensor
    indices: Tensor


@composite(
    "indexing",
    samples=(
        Sample(((4,),), {"k": 2}),
        Sample(((3, 2),), {"k": 3, "axis": 0}),
        Sample(((2, 3),), {"k": 1, "largest": False}),
        Sample(((2, 3),), {"k": 0}),
    ),
)
def topk(x: ArrayLike, k: int, axis: int = -1, largest: bool = True, sorted: bool = True) -> TopK:
    """The `k` largest elements along `axis`, or the smallest unless `largest`, and their indices.

    The results are in order, whatever `sorted` is. Of equal elements, the first are taken. Raises `ArgumentError` if
    there are fewer than `k` elements.

    >>> import tinygraph as tg
    >>> tg.topk([1.0, 5.0, 3.0], 2).values
    Tensor([5., 3.], op=take_along_axis)
    """
    x, axis = in_row(x, axis)
    if not 0 <= k <= x.shape[axis]:
        raise ArgumentError(f"k must be between 0 and {x.shape[axis]}, the length of the axis, not {k}")
    indices = getitem(argsort(x, axis=axis, descending=largest), along(axis, slice(k)))
    return TopK(take_along_axis(x, indices, axis=axis), indices)


# -- partitions ----------------------------------------------------------------------------------------------------

_parted = (
    Sample(((5,),), {"kth": 2, "axis": 0}),
    Sample(((2, 5),), {"kth": (1, 3), "axis": -1}),
    Sample(((4, 2),), {"kth": -1, "axis": 0}),
)


@op("indexing", None, notation="argpartition({0}, {kth})", run=np.argpartition, samples=_parted)
def argpartition_(xp: Any, x: ArrayLike, kth: int | tuple[int, ...], axis: int) -> Any:
    """The indices that put the k-th smallest element in its sorted place, with no larger element before it."""
    return xp.argpartition(x, kth, axis=axis)


def _static(kth: int | Sequence[int]) -> int | tuple[int, ...]:
    return tuple(map(index, kth)) if isinstance(kth, (Sequence, np.ndarray)) else index(kth)


@composite("indexing", samples=(*_parted, Sample(((2, 3),), {"kth": 4, "axis": None})))
def argpartition(x: ArrayLike, kth: int | Sequence[int], axis: int | None = -1) -> Tensor:
    """The indices along `axis` that arrange x as `partition` does. It has no gradient.

    >>> import tinygraph as tg
    >>> tg.argpartition([3.0, 1.0, 2.0], 0)[0].item()
    1
    """
    x, axis = in_row(x, axis)
    return argpartition_(x, kth=_static(kth), axis=axis)


@composite(
    "indexing",
    samples=(*_parted, Sample(((2, 3),), {"kth": 4, "axis": None})),
    reference=lambda x, kth, axis: np.take_along_axis(x, np.argpartition(x, kth, axis), axis),
)
def partition(x: ArrayLike, kth: int | Sequence[int], axis: int | None = -1) -> Tensor:
    """The elements along `axis` with the `kth` in its sorted place, smaller ones before it and larger ones after it.

    `kth` is counted from 0. The order within the two parts is not specified. The gradient of each element goes back to
    its original place.

    >>> import tinygraph as tg
    >>> tg.partition([3.0, 1.0, 2.0], 0)[0].item()
    1.0
    """
    x, axis = in_row(x, axis)
    return take_along_axis_(x, argpartition_(x, kth=_static(kth), axis=axis), axis=axis)


@op(
    "indexing",
    None,
    None,
    notation="searchsorted({0}, {1})",
    samples=(
        Sample(((4,), (3,)), {"side": "left"}, (Domain(0, 1), None)),
        Sample(((0,), (2, 2)), {"side": "right"}),
        Sample(((1,), ()), {"side": "left"}),
    ),
)
def searchsorted_(xp: Any, x: ArrayLike, values: ArrayLike, side: str) -> Any:
    """The indices at which `values` would have to be inserted into a sorted array to keep it sorted."""
    return xp.searchsorted(x, values, side=side)


@composite(
    "indexing",
    samples=(
        Sample(((1,), (3,))),
        Sample(((1,), (2, 2)), {"side": "right"}),
        Sample(((0,), ())),
    ),
)
def searchsorted(x: ArrayLike, values: ArrayLike, side: str = "left", sorter: ArrayLike | None = None) -> Tensor:
    """The indices at which `values` would be inserted into the ascending vector `x` to keep it sorted; no gradient.

    `side` "left" or "right" says on which side of equal elements. `sorter` is the argsort of an `x` that is not sorted.
    Raises `ArgumentError` for any other `side`.

    >>> import tinygraph as tg
    >>> tg.searchsorted([1.0, 2.0, 3.0], [2.0, 2.5])
    Tensor([1, 2], op=searchsorted)
    """
    need_one_of(("left", "right"), side=side)
    return searchsorted_(x if sorter is None else take_along_axis(x, sorter), values, side=side)
