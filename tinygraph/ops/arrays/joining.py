"""Joining and splitting arrays. All functions except concat and stack are composed of concat and of slices."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from operator import index
from typing import Any

import numpy as np

from ...errors import ArgumentError, UnsupportedError
from ...graph.declaring import composite, op
from ...graph.records import Rule
from ...graph.samples import Sample
from ...graph.tensor import ArrayLike, Tensor
from ..arguments import as_tensor, need_axes, normalize_axis
from ..arithmetic.broadcasting import Shape
from .keys import along
from .shapes import atleast_1d, atleast_2d, atleast_3d, broadcast_to, in_row, moveaxis, reshape

__all__ = [
    "append",
    "array_split",
    "block",
    "column_stack",
    "concat",
    "delete",
    "dsplit",
    "dstack",
    "hsplit",
    "hstack",
    "insert",
    "split",
    "stack",
    "unstack",
    "vsplit",
    "vstack",
]


def _parts(xp: Any, g: Any, y: Any, *xs: Any, axis: int | None) -> list[Any]:
    """Return the slices of g that belong to each array."""
    before = (slice(None),) * (0 if axis is None else axis % g.ndim)
    shapes = [getattr(x, "shape", ()) for x in xs]
    lengths = [math.prod(shape) if axis is None else shape[axis] for shape in shapes]
    ends = itertools.accumulate(lengths)
    parts = [g[(*before, slice(end - length, end), ...)] for length, end in zip(lengths, ends, strict=True)]
    return [xp.reshape(part, shape) for part, shape in zip(parts, shapes, strict=True)] if axis is None else parts


def _batched(name: str) -> Rule:
    """Return the batching rule of a function that joins arrays: all of them get the new axis."""

    def rule(xp: Any, moving: Sequence[bool], shape: Shape, *xs: Any, axis: int | None) -> Any:
        if axis is None:
            return None
        full = [x if moves else xp.broadcast_to(x, (shape[0], *x.shape)) for x, moves in zip(xs, moving, strict=True)]
        return getattr(xp, name)(full, axis=axis + 1 if axis >= 0 else axis)

    return rule


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
    source="np.concat([{*}], axis={axis})",
    batch=_batched("concat"),
)
def concat_(xp: Any, *xs: ArrayLike, axis: int | None = 0) -> Any:
    return xp.concat(xs, axis=axis)


def concat(arrays: Sequence[ArrayLike], axis: int | None = 0) -> Tensor:
    """The arrays joined along an existing axis; with ``axis=None`` they are flattened first.

    >>> import tinygraph as tg
    >>> tg.concat([[1.0, 2.0], [3.0]])
    Tensor([1., 2., 3.], op=concat)
    """
    return concat_(*arrays, axis=axis)


@op(
    "shape",
    lambda xp, g, y, *xs, axis: [g[(slice(None),) * (axis % g.ndim) + (i, ...)] for i in range(len(xs))],
    notation="stack({*})",
    variadic=True,
    run=lambda *xs, axis: np.stack(xs, axis),
    samples=(
        Sample(((2, 3), (2, 3)), {"axis": 0}),
        Sample(((2, 3), (2, 3), (2, 3)), {"axis": -1}),
        Sample(((), ()), {"axis": 0}),
        Sample(((0,), (0,)), {"axis": 1}),
    ),
    source="np.stack([{*}], axis={axis})",
    batch=_batched("stack"),
)
def stack_(xp: Any, *xs: ArrayLike, axis: int = 0) -> Any:
    return xp.stack(xs, axis=axis)


def stack(arrays: Sequence[ArrayLike], axis: int = 0) -> Tensor:
    """Arrays of the same shape joined along a new axis.

    >>> import tinygraph as tg
    >>> tg.stack([[1.0, 2.0], [3.0, 4.0]], axis=1)
    Tensor([[1., 3.],
            [2., 4.]], op=stack)
    """
    return stack_(*arrays, axis=axis)


@composite("shape", samples=tuple(map(Sample, (((2, 3), (1, 3)), ((3,), (2, 3)), ((), ()), ((2,),)))), sequence=True)
def vstack(arrays: Sequence[ArrayLike]) -> Tensor:
    """The arrays one below the other: joined along the first axis; vectors count as rows.

    >>> import tinygraph as tg
    >>> tg.vstack([[1.0, 2.0], [3.0, 4.0]])
    Tensor([[1., 2.],
            [3., 4.]], op=concat)
    """
    return concat([atleast_2d(x) for x in arrays], axis=0)


@composite("shape", samples=tuple(map(Sample, (((2, 3), (2, 1)), ((3,), (2,)), ((), ()), ((2,),)))), sequence=True)
def hstack(arrays: Sequence[ArrayLike]) -> Tensor:
    """The arrays side by side: joined along the second axis; vectors are joined along their only axis.

    >>> import tinygraph as tg
    >>> tg.hstack([[[1.0], [2.0]], [[3.0], [4.0]]])
    Tensor([[1., 3.],
            [2., 4.]], op=concat)
    """
    tensors = [atleast_1d(x) for x in arrays]
    return concat(tensors, axis=0 if tensors and tensors[0].ndim == 1 else 1)


@composite("shape", samples=tuple(map(Sample, (((2, 3), (2, 3)), ((3,), (3,)), ((), ()), ((2, 1, 2),)))), sequence=True)
def dstack(arrays: Sequence[ArrayLike]) -> Tensor:
    """The arrays one behind the other: joined along the third axis.

    >>> import tinygraph as tg
    >>> tg.dstack([[1.0, 2.0], [3.0, 4.0]]).shape
    (1, 2, 2)
    """
    return concat([atleast_3d(x) for x in arrays], axis=2)


@composite("shape", samples=tuple(map(Sample, (((2,), (2, 3)), ((2,), (2,)), ((), ()), ((0,), (0, 2))))), sequence=True)
def column_stack(arrays: Sequence[ArrayLike]) -> Tensor:
    """The matrix that has the given vectors as columns; matrices are joined to it as they are.

    >>> import tinygraph as tg
    >>> tg.column_stack([[1.0, 2.0], [3.0, 4.0]])
    Tensor([[1., 3.],
            [2., 4.]], op=concat)
    """
    tensors = [as_tensor(x) for x in arrays]
    return concat([x if x.ndim > 1 else reshape(x, (-1, 1)) if x.size else reshape(x, (0, 1)) for x in tensors], axis=1)


@composite(
    "shape",
    samples=(
        Sample(((2, 2), (2, 1), (1, 2), (1, 1)), {"width": 2}),
        Sample(((2,), (), (1, 2)), {"width": 3}),
        Sample(((2,), (2,)), {"width": 1}),
    ),
    called=lambda of: lambda *xs, width: of([list(xs[i : i + width]) for i in range(0, len(xs), width)]),
)
def block(arrays: Any) -> Tensor:
    """The array made of blocks in nested lists: the innermost lists are joined along the last axis, and so on outwards.

    >>> import tinygraph as tg
    >>> tg.block([[np.eye(2), np.ones((2, 1))], [np.zeros((1, 3))]]).shape
    (3, 3)
    """
    depth = _depth(arrays)
    ndim = max(depth, *(x.ndim for x in _leaves(arrays)))

    def joined(part: Any, level: int) -> Tensor:
        if isinstance(part, list):
            return concat([joined(inner, level + 1) for inner in part], axis=level - depth)
        x = as_tensor(part)
        return reshape(x, (1,) * (ndim - x.ndim) + x.shape)

    return joined(arrays, 0)


def _depth(part: Any, levels: int = 64) -> int:
    if not levels:
        raise ArgumentError("blocks are nested more than 64 deep, but an array has at most 64 axes")
    if isinstance(part, tuple):
        raise UnsupportedError(
            "blocks must be in lists, not in a tuple; convert the tuple to a list, or to an array if it is a block"
        )
    if not isinstance(part, list):
        return 0
    depths = {_depth(inner, levels - 1) for inner in part}
    if len(depths) != 1:
        reason = "a list of blocks is empty" if not depths else "the lists of blocks are nested to different depths"
        raise ArgumentError(reason)
    return 1 + depths.pop()


def _leaves(part: Any) -> list[Tensor]:
    return [x for inner in part for x in _leaves(inner)] if isinstance(part, list) else [as_tensor(part)]


@composite(
    "shape",
    samples=(Sample(((2, 3), (2,))), Sample(((2, 3), (1, 3)), {"axis": 0}), Sample(((2,), (2,)), {"axis": -1})),
)
def append(x: ArrayLike, values: ArrayLike, axis: int | None = None) -> Tensor:
    """`values` joined to the end of `x` along `axis`; without `axis` both are flattened first.

    >>> import tinygraph as tg
    >>> tg.append([1.0, 2.0], 3.0)
    Tensor([1., 2., 3.], op=concat)
    """
    return concat([x, values], axis)


# -- taking apart --------------------------------------------------------------------------------------------------


@composite(
    "shape",
    samples=(Sample(((2, 3),)), Sample(((2, 3),), {"axis": -1}), Sample(((1,),)), Sample(((2, 0),), {"axis": 0})),
)
def unstack(x: ArrayLike, axis: int = 0) -> tuple[Tensor, ...]:
    """The slices of `x` along `axis`, each without that axis: the inverse of `stack`.

    >>> import tinygraph as tg
    >>> tg.unstack([[1.0, 2.0], [3.0, 4.0]], axis=1)
    (Tensor([1., 3.], op=getitem), Tensor([2., 4.], op=getitem))
    """
    x = as_tensor(x)
    axis = normalize_axis(axis, x)
    return tuple(x[along(axis, i)] for i in range(x.shape[axis]))


@composite(
    "shape",
    samples=(
        Sample(((5,),), {"indices_or_sections": 3}),
        Sample(((2, 4),), {"indices_or_sections": (1, 3), "axis": 1}),
        Sample(((4, 2),), {"indices_or_sections": (3, 1, -1), "axis": 0}),
        Sample(((2,),), {"indices_or_sections": 3}),
        Sample(((2,),), {"indices_or_sections": ()}),
    ),
)
def array_split(x: ArrayLike, indices_or_sections: int | Sequence[int], axis: int = 0) -> tuple[Tensor, ...]:
    """`x` cut along an axis before each of the given places, or into the given number of parts.

    If the length is not a multiple of the number of parts, the first parts are longer by one. Raises `ArgumentError`
    for fewer than one part.

    >>> import tinygraph as tg
    >>> tg.array_split([1.0, 2.0, 3.0], 2)
    (Tensor([1., 2.], op=getitem), Tensor([3.], op=getitem))
    """
    x = as_tensor(x)
    axis = normalize_axis(axis, x)
    length = x.shape[axis]
    if np.ndim(indices_or_sections) == 0:
        count = index(indices_or_sections)  # type: ignore[arg-type]
        if count < 1:
            raise ArgumentError(f"an array must be split into at least one part, not {count}")
        cuts = list(itertools.accumulate(length // count + (i < length % count) for i in range(count)))[:-1]
    else:
        cuts = [index(i) for i in indices_or_sections]  # type: ignore[union-attr]
    ends = [0, *cuts], [*cuts, length]
    return tuple(x[along(axis, slice(start, stop))] for start, stop in zip(*ends, strict=True))


@composite(
    "shape",
    samples=(
        Sample(((4, 3),), {"indices_or_sections": 2}),
        Sample(((2, 3),), {"indices_or_sections": (1, 5), "axis": -1}),
        Sample(((2, 3),), {"indices_or_sections": 1}),
    ),
)
def split(x: ArrayLike, indices_or_sections: int | Sequence[int], axis: int = 0) -> tuple[Tensor, ...]:
    """`x` cut along an axis before each of the given places, or into the given number of equal parts.

    As in NumPy, an integer is the number of parts, not their length.

    Raises `ArgumentError` if the parts would differ in length; `array_split` allows that.

    >>> import tinygraph as tg
    >>> tg.split([1.0, 2.0, 3.0, 4.0], 2)
    (Tensor([1., 2.], op=getitem), Tensor([3., 4.], op=getitem))
    """
    x = as_tensor(x)
    length = x.shape[normalize_axis(axis, x)]
    if np.ndim(indices_or_sections) == 0:
        count = index(indices_or_sections)  # type: ignore[arg-type]
        if count < 1 or length % count:
            raise ArgumentError(
                f"{length} elements cannot be split into {count} parts of equal length; try array_split"
            )
    return array_split(x, indices_or_sections, axis)


@composite("shape", samples=tuple(Sample((shape,), {"indices_or_sections": 2}) for shape in ((4,), (3, 4), (1, 2, 3))))
def hsplit(x: ArrayLike, indices_or_sections: int | Sequence[int]) -> tuple[Tensor, ...]:
    """`x` cut along its second axis, or a vector along its only axis; see `split`.

    >>> import tinygraph as tg
    >>> [part.shape for part in tg.hsplit(np.ones((2, 4)), 2)]
    [(2, 2), (2, 2)]
    """
    x = as_tensor(x)
    need_axes(x, 1)
    return split(x, indices_or_sections, axis=min(x.ndim - 1, 1))


@composite("shape", samples=(Sample(((4, 3),), {"indices_or_sections": 2}),))
def vsplit(x: ArrayLike, indices_or_sections: int | Sequence[int]) -> tuple[Tensor, ...]:
    """`x` cut along its first axis; see `split`.

    >>> import tinygraph as tg
    >>> [part.shape for part in tg.vsplit(np.ones((4, 2)), (1,))]
    [(1, 2), (3, 2)]
    """
    need_axes(as_tensor(x), 2)
    return split(x, indices_or_sections, axis=0)


@composite("shape", samples=(Sample(((1, 2, 4),), {"indices_or_sections": 2}),))
def dsplit(x: ArrayLike, indices_or_sections: int | Sequence[int]) -> tuple[Tensor, ...]:
    """`x` cut along its third axis; see `split`.

    >>> import tinygraph as tg
    >>> [part.shape for part in tg.dsplit(np.ones((1, 2, 4)), 2)]
    [(1, 2, 2), (1, 2, 2)]
    """
    need_axes(as_tensor(x), 3)
    return split(x, indices_or_sections, axis=2)


# -- inserting and deleting ----------------------------------------------------------------------------------------


def _places(obj: Any) -> Any:
    """Return the places as an array or a slice. Raise `UnsupportedError` for a tensor: no shape may depend on it."""
    if isinstance(obj, Tensor):
        raise UnsupportedError("the places must be plain numbers, not a tensor; use its .data")
    return obj if isinstance(obj, slice) else np.asarray(obj) if np.size(obj) else np.zeros(0, np.intp)


@composite(
    "indexing",
    samples=(
        Sample(((4,),), {"obj": 1}),
        Sample(((2, 3),), {"obj": (0, -1), "axis": 1}),
        Sample(((2, 3),), {"obj": slice(None, None, 2), "axis": 1}),
        Sample(((2, 3),), {"obj": 4}),
        Sample(((2, 3),), {"obj": (), "axis": 0}),
        Sample(((3,),), {"obj": [True, False, True]}),
    ),
)
def delete(x: ArrayLike, obj: Any, axis: int | None = None) -> Tensor:
    """`x` without the places `obj` (integers, a slice or a mask) along `axis`. Without `axis`, `x` is flattened first.

    >>> import tinygraph as tg
    >>> tg.delete([1.0, 2.0, 3.0], 1)
    Tensor([1., 3.], op=getitem)
    """
    x, axis = in_row(x, axis)
    return x[along(axis, np.delete(np.arange(x.shape[axis]), _places(obj)))]


@composite(
    "indexing",
    samples=(
        Sample(((3,), ()), {"obj": 1}),
        Sample(((3,), (2,)), {"obj": -1}),
        Sample(((3,), (2,)), {"obj": (1, 3)}),
        Sample(((3,), (3,)), {"obj": (2, 0, 2)}),
        Sample(((2, 3), (2,)), {"obj": 1, "axis": 1}),
        Sample(((2, 3), (2, 1)), {"obj": (1,), "axis": 1}),
        Sample(((2, 3), (3,)), {"obj": 1, "axis": 0}),
        Sample(((2, 3), (2, 2)), {"obj": (1, 2), "axis": 1}),
        Sample(((2, 3), ()), {"obj": slice(None, 2), "axis": 1}),
        Sample(((2, 3, 2), (3, 2)), {"obj": 1, "axis": 0}),
        Sample(((2, 3, 2), (2, 2)), {"obj": 1, "axis": 1}),
        Sample(((2, 2), ()), {"obj": 3}),
    ),
    called=lambda of: lambda x, values, obj, axis=None: of(x, obj, values, axis),
)
def insert(x: ArrayLike, obj: Any, values: ArrayLike, axis: int | None = None) -> Tensor:
    """`x` with `values` inserted before the places `obj` (integers, a slice or a mask) along `axis`.

    Without `axis`, `x` is flattened first. The values are broadcast, and converted to the dtype of `x`.

    >>> import tinygraph as tg
    >>> tg.insert([1.0, 3.0], 1, 2.0)
    Tensor([1., 2., 3.], op=getitem)
    """
    x, axis = in_row(x, axis)
    length = x.shape[axis]
    places = np.arange(length)[obj] if isinstance(obj, slice) else _places(obj)
    new = as_tensor(values).astype(x.dtype)
    new = reshape(new, (1,) * (x.ndim - new.ndim) + new.shape)
    if places.ndim == 0:
        new = moveaxis(new, 0, axis)  # a single place takes values with one axis less than x
    count = len(np.insert(np.arange(length), places, 0)) - length
    if places.size == 1 and places.dtype != np.bool_:
        count = new.shape[axis]
    new = broadcast_to(new, (*x.shape[:axis], count, *x.shape[axis + 1 :]))
    order = np.insert(np.arange(length), places, np.arange(length, length + count))
    return concat([x, new], axis)[along(axis, order)]
