"""Indexing, and its transpose: adding values at the places that an index names.

The functions that pick elements (take, compress, choose, embedding) are composed of getitem and where, whose gradients
are exact and fast. Writing to places is an op of its own, which returns a new array: a composition would turn a NaN
that is overwritten into NaN · 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ... import kernels
from ...errors import ArgumentError, DTypeError, ShapeError
from ...graph.applying import constant
from ...graph.declaring import composite, op
from ...graph.exits import ask
from ...graph.node import LITERALS, describe
from ...graph.records import INDEX
from ...graph.samples import Domain, Sample
from ...graph.tensor import ArrayLike, Tensor, array_of
from ..arguments import as_tensor, need_integers, need_one_of, normalize_axis
from ..arithmetic.broadcasting import Shape
from ..arithmetic.comparisons import equal, where
from .joining import unstack
from .keys import SLOT, Key, along, filled, subscript, taken_apart
from .shapes import broadcast_arrays, broadcast_to, expand_dims, in_row, ravel, reshape

__all__ = [
    "add_at",
    "argwhere",
    "choose",
    "compress",
    "embedding",
    "extract",
    "flatnonzero",
    "getitem",
    "ix_",
    "nonzero",
    "one_hot",
    "ravel_multi_index",
    "set_at",
    "take",
    "unravel_index",
]

_keys: tuple[Key, ...] = (
    (1,),
    (-1,),
    (slice(None), 0),
    (slice(None, None, -1),),
    (slice(0, 2), None, slice(1, None, 2)),
    (Ellipsis, 2),
    (slice(5, 2),),
    (),
)
_samples = tuple(Sample(((3, 4),), {"key": key}) for key in _keys)


def _place(low: int, high: int) -> Domain:
    return Domain(integer=True, low=low, high=high)


_with_arrays = (
    (((3, 4), (5,)), (SLOT,), (_place(-3, 3),)),
    (((3, 4), (2, 3)), (slice(None), SLOT), (_place(-4, 4),)),
    (((3, 4), (5,), (5,)), (SLOT, SLOT), (_place(-3, 3), _place(0, 4))),
    (((2, 3, 2), (2, 1), (3,)), (SLOT, slice(None, 2), SLOT), (_place(0, 2), _place(0, 2))),
    (((3, 4), (4,)), (None, slice(1, None), SLOT), (_place(0, 4),)),
    (((3, 4), ()), (Ellipsis, SLOT), (_place(0, 4),)),
    (((3, 4), (0,)), (SLOT,), (_place(0, 3),)),
)
_samples += tuple(Sample(shapes, {"key": key}, (None, *domains)) for shapes, key, domains in _with_arrays)


def _selected(sample: Sample) -> Shape:
    """Return the shape of the elements that a sample of getitem selects."""
    arrays = tuple(np.zeros(shape, np.intp) for shape in sample.shapes[1:])
    return np.empty(sample.shapes[0])[filled(sample.params["key"], arrays)].shape


def _getitem(x: Any, *arrays: Any, key: Key) -> Any:
    return x[filled(key, arrays)]


def _batched_key(moving: Sequence[bool], key: Key) -> Key | None:
    """Return the key with a slice for a new first axis, or None if the index arrays would put their axes elsewhere."""
    chosen = [i for i, part in enumerate(key) if part is SLOT or isinstance(part, int)]
    apart = any(part is SLOT for part in key) and chosen != list(range(chosen[0], chosen[-1] + 1))
    return None if apart or any(moving[1:]) else (slice(None), *key)


def _batched_getitem(xp: Any, moving: Sequence[bool], shape: Shape, x: Any, *arrays: Any, key: Key) -> Any:
    batched = _batched_key(moving, key)
    return None if batched is None else x[filled(batched, arrays)]


def _batched_scatter_add(
    xp: Any, moving: Sequence[bool], result: Shape, x: Any, *arrays: Any, key: Key, shape: Shape
) -> Any:
    batched = _batched_key(moving, key)
    return None if batched is None else xp.scatter_add(x, *arrays, key=batched, shape=result)


@op(
    "indexing",
    lambda xp, g, y, x, *arrays, key: (xp.scatter_add(g, *arrays, key=key, shape=x.shape), *(None for _ in arrays)),
    notation="{0}[{key}]",
    binding=INDEX,
    variadic=True,
    run=_getitem,
    samples=_samples,
    source=lambda node: f"{{0}}[{subscript(node)}]",
    linear=((0,),),
    batch=_batched_getitem,
    chooses=True,
)
def getitem_(xp: Any, x: ArrayLike, *arrays: ArrayLike, key: Key) -> Any:
    return x[filled(key, arrays)]  # type: ignore[index, call-overload]


def _scatter_add(g: Any, *arrays: Any, key: Key, shape: Shape) -> Any:
    if arrays:
        return kernels.scatter_add(g, filled(key, arrays), shape)
    out = np.zeros(shape, g.dtype)
    out[key] = g
    return out


@op(
    "indexing",
    lambda xp, g, y, x, *arrays, key, shape: (g[filled(key, arrays)], *(None for _ in arrays)),
    notation="scatter({0}, {key})",
    variadic=True,
    run=_scatter_add,
    samples=tuple(
        Sample((_selected(sample), *sample.shapes[1:]), {**sample.params, "shape": sample.shapes[0]}, sample.domains)
        for sample in _samples
    ),
    source=lambda node: f"scatter_add({{0}}, np.s_[{subscript(node)}], {{shape}})",
    linear=((0,),),
    batch=_batched_scatter_add,
)
def scatter_add_(xp: Any, x: ArrayLike, *arrays: ArrayLike, key: Key, shape: Shape) -> Any:
    """Zeros of `shape`, with the elements of `x` added at the places that `key` names: the transpose of indexing.

    >>> tg.ops.scatter_add([1.0, 2.0], key=(slice(1, 3),), shape=(4,))
    Tensor([0., 1., 2., 0.], op=scatter_add)
    """
    return xp.scatter_add(x, *arrays, key=key, shape=shape)


def getitem(x: ArrayLike, key: Any) -> Tensor:
    """``x[key]`` as in NumPy: slices, integers, None, ``...``, index arrays and boolean masks.

    If an index array names an element twice, the gradient of the element gets both shares. A function that is compiled
    refuses a tensor as a mask, because the program would keep the number of elements that the first call selected.

    >>> import tinygraph as tg
    >>> x = tg.parameter([1.0, 2.0, 3.0])
    >>> x[[0, 0, 2]].sum().backward()
    >>> x.grad
    array([2., 0., 1.])
    """
    parts, arrays = taken_apart(key)
    return getitem_(x, *arrays, key=parts)


# -- picking -------------------------------------------------------------------------------------------------------


@op(
    "indexing",
    None,
    notation="{0}",
    run=kernels.bounded_index,
    samples=(
        Sample(((2, 3),), {"length": 3, "mode": "raise"}, (_place(0, 3),)),
        Sample(((),), {"length": 3, "mode": "wrap"}, (_place(-9, 9),)),
        Sample(((4,),), {"length": 3, "mode": "wrap"}, (_place(-9, 9),)),
        Sample(((4,),), {"length": 3, "mode": "clip"}, (_place(-9, 9),)),
        Sample(((0,),), {"length": 3, "mode": "raise"}, (_place(0, 3),)),
    ),
)
def bounded_index_(xp: Any, x: ArrayLike, length: int, mode: str) -> Any:
    """Whole numbers as places from 0 to length − 1; `mode` says how others are treated."""
    return xp.bounded_index(x, length=length, mode=mode)


def _places(indices: ArrayLike, length: int, mode: str = "raise") -> Tensor:
    """Return indices as places from 0 to length − 1; `mode` says how others are treated."""
    need_one_of(("raise", "wrap", "clip"), mode=mode)
    return bounded_index_(_whole(indices), length, mode)


def _whole(indices: ArrayLike) -> Tensor:
    """Return indices as integers. Raise `DTypeError` for others and for masks, which NumPy may read as 0 and 1."""
    x = as_tensor(indices)
    if x.size == 0 and x.op is None and x.dtype.kind == "f":  # an empty list
        return x.astype(np.intp)
    need_integers("indices", x)
    return x


@composite(
    "indexing",
    samples=(
        Sample(((5,), (3,)), {}, (None, _place(-5, 5))),
        Sample(((3, 4), (2, 3)), {}, (None, _place(0, 12))),
        Sample(((3, 4), (2, 3)), {"axis": 1}, (None, _place(-4, 4))),
        Sample(((3, 4), ()), {"axis": -2}, (None, _place(0, 3))),
        Sample(((3, 4), (5,)), {"axis": 0, "mode": "wrap"}, (None, _place(-9, 9))),
        Sample(((3, 4), (5,)), {"axis": 1, "mode": "clip"}, (None, _place(-9, 9))),
        Sample(((3, 4), (0,)), {"axis": 0}, (None, _place(0, 3))),
    ),
)
def take(x: ArrayLike, indices: ArrayLike, axis: int | None = None, mode: str = "raise") -> Tensor:
    """The elements of `x` at `indices` along `axis`. Without `axis`, `x` is flattened first.

    `indices` are integers, may be a tensor, and count from the end if negative. Indices out of bounds raise
    ``IndexError``; with ``mode="wrap"`` they are taken modulo the length; with ``mode="clip"`` negative ones become 0
    and those that are too large the last index. The gradient of an element is the sum over the times it is taken.

    >>> import tinygraph as tg
    >>> tg.take([[1.0, 2.0], [3.0, 4.0]], [1, 1, 0], axis=1)
    Tensor([[2., 2., 1.],
            [4., 4., 3.]], op=getitem)
    """
    x, axis = in_row(x, axis)
    places = _whole(indices) if mode == "raise" else _places(indices, x.shape[axis], mode)
    return getitem(x, along(axis, places))


@composite(
    "indexing",
    samples=(
        Sample(((3,),), {"condition": [True, False, True]}),
        Sample(((2, 3),), {"condition": [False, True], "axis": 1}),
        Sample(((2, 3),), {"condition": [0, 1, 0, 1]}),
        Sample(((2, 0),), {"condition": [True], "axis": 0}),
    ),
    called=lambda of: lambda x, condition, axis=None: of(condition, x, axis),
)
def compress(condition: ArrayLike, x: ArrayLike, axis: int | None = None) -> Tensor:
    """The elements of `x` along `axis` where the vector `condition` is true. Without `axis`, `x` is flattened first.

    If `condition` is a tensor, the shape of the result depends on its values, and `compile` refuses it.

    >>> import tinygraph as tg
    >>> tg.compress([True, False, True], [1.0, 2.0, 3.0])
    Tensor([1., 3.], op=getitem)
    """
    if as_tensor(condition).ndim != 1:
        raise ShapeError(f"the condition must have one axis, not the shape {as_tensor(condition).shape}; try extract")
    x, axis = in_row(x, axis)
    return getitem(x, along(axis, _where_true(condition)))


@composite(
    "indexing",
    samples=(
        Sample(((2, 2),), {"condition": [[True, False], [False, True]]}),
        Sample(((3,),), {"condition": [0, 1, 0]}),
    ),
    called=lambda of: lambda x, condition: of(condition, x),
)
def extract(condition: ArrayLike, x: ArrayLike) -> Tensor:
    """The elements of `x`, in order, where `condition` is true; both are flattened first.

    >>> import tinygraph as tg
    >>> tg.extract([[True, False], [False, True]], [[1.0, 2.0], [3.0, 4.0]])
    Tensor([1., 4.], op=getitem)
    """
    return getitem(ravel(x), _where_true(condition))


def _where_true(condition: ArrayLike) -> Any:
    """Return the places where a condition is true; for a plain array as plain numbers, which `compile` accepts."""
    return flatnonzero(condition) if isinstance(condition, Tensor) else np.flatnonzero(array_of(condition, copy=None))


@composite(
    "indexing",
    samples=(
        Sample(((4,), (4,), (4,)), {}, (_place(0, 2),)),
        Sample(((2, 1), (3,), (2, 3), ()), {}, (_place(0, 3),)),
        Sample(((3,), (3,), (3,)), {"mode": "wrap"}, (_place(-5, 5),)),
        Sample(((3,), (3,), (3,)), {"mode": "clip"}, (_place(-5, 5),)),
        Sample(((), (2,), (2,)), {}, (_place(0, 2),)),
        Sample(((2,), ()), {}, (_place(0, 1),)),
    ),
    called=lambda of: lambda x, *choices, mode="raise": of(x, choices, mode=mode),
)
def choose(x: ArrayLike, choices: Tensor | Sequence[ArrayLike], mode: str = "raise") -> Tensor:
    """The element, at each place, of the choice whose number `x` has there. `x` and the choices broadcast together.

    The choices are numbered from 0. Other numbers raise ``IndexError``, or are wrapped around or clipped, as `mode`
    "raise", "wrap" or "clip" says.

    >>> import tinygraph as tg
    >>> tg.choose([0, 1, 0], [[1.0, 2.0, 3.0], [-1.0, -2.0, -3.0]])
    Tensor([ 1., -2.,  3.], op=where)
    """
    given = unstack(choices) if isinstance(choices, Tensor) else choices
    if not len(given):
        raise ArgumentError("choose needs at least one choice")
    number = _places(x, len(given), mode)
    *arrays, _ = broadcast_arrays(*given, number)
    chosen = arrays[-1]
    for i in reversed(range(len(arrays) - 1)):
        chosen = where(equal(number, i), arrays[i], chosen)
    return chosen


def _one_hot(labels: Any, num_classes: int, axis: int = -1, dtype: Any = np.float64) -> Any:
    return np.moveaxis(np.eye(num_classes, dtype=dtype)[labels], -1, axis)


@composite(
    "indexing",
    samples=(
        Sample(((4,),), {"num_classes": 3}, (_place(0, 3),)),
        Sample(((2, 3),), {"num_classes": 4, "axis": 0}, (_place(0, 4),)),
        Sample(((2, 3),), {"num_classes": 4, "axis": 1, "dtype": np.int64}, (_place(0, 4),)),
        Sample(((),), {"num_classes": 2}, (_place(0, 2),)),
        Sample(((0,),), {"num_classes": 2}, (_place(0, 2),)),
    ),
    reference=_one_hot,
)
def one_hot(labels: ArrayLike, num_classes: int, axis: int = -1, dtype: Any = np.float64) -> Tensor:
    """For each label, an integer from 0, a vector of `num_classes` zeros with a one at the place of the label.

    The classes are along the new axis `axis`: use the last for examples as rows, ``axis=0`` for examples as columns.

    Raises ``IndexError`` for a label that is negative or not below `num_classes`, in compiled programs too, and
    `DTypeError` for labels that are not integers.

    >>> import tinygraph as tg
    >>> tg.one_hot([0, 2], 3)
    Tensor([[1., 0., 0.],
            [0., 0., 1.]], op=astype)
    """
    places = _places(labels, num_classes)
    axis = normalize_axis(axis, places, places.ndim + 1)
    classes = np.arange(num_classes).reshape(-1, *(1,) * (places.ndim - axis))
    return equal(expand_dims(places, axis), classes).astype(dtype)


@composite(
    "indexing",
    samples=(
        Sample(((5, 2), (4,)), {}, (None, _place(0, 5))),
        Sample(((5, 2), (2, 3)), {}, (None, _place(0, 5))),
        Sample(((5, 2), ()), {}, (None, _place(0, 5))),
        Sample(((5, 2), (0,)), {}, (None, _place(0, 5))),
    ),
    reference=lambda weight, indices: weight[indices],
)
def embedding(weight: ArrayLike, indices: ArrayLike) -> Tensor:
    """The rows of `weight` at `indices`, such as the vectors of words. The result has one axis more than `indices`.

    The gradient of a row is the sum over the times it is looked up.

    Raises ``IndexError`` for an index that is negative or too large, in compiled programs too, and `ShapeError` unless
    `weight` is a matrix.

    >>> import tinygraph as tg
    >>> tg.embedding([[1.0, 2.0], [3.0, 4.0]], [1, 1, 0])
    Tensor([[3., 4.],
            [3., 4.],
            [1., 2.]], op=getitem)
    """
    weight = as_tensor(weight)
    if weight.ndim != 2:
        raise ShapeError(f"the weight of an embedding must be a matrix, not {describe(weight)} of shape {weight.shape}")
    return getitem(weight, _places(indices, weight.shape[0]))


# -- places as numbers ---------------------------------------------------------------------------------------------


@op(
    "indexing",
    None,
    notation="argwhere({0})",
    run=np.argwhere,
    samples=(Sample(((2, 3),), {}, (_place(0, 2),)), Sample(((0, 3),)), Sample(((),))),
)
def argwhere_(xp: Any, x: ArrayLike) -> Any:
    return xp.argwhere(x)


def argwhere(x: ArrayLike) -> Tensor:
    """The indices of the elements that are not zero, one in each row.

    A function that is compiled can call it only on constants.

    >>> import tinygraph as tg
    >>> tg.argwhere([[0.0, 2.0], [3.0, 0.0]])
    Tensor([[0, 1],
            [1, 0]], op=argwhere)
    """
    if isinstance(x, Tensor):
        ask(x, "the number of elements that are not zero")
    return argwhere_(x)


_constants = tuple(Sample((), {"x": x}) for x in ([0.0, 2.0, -1.0], [[0, 1], [1, 1]], [False], [[0.0]]))


def _of_constant(function: Any) -> Any:
    """Return a function of a plain array: a program can be made only if the length of the result is known."""
    return lambda x: function(np.array(x))


@composite("indexing", samples=_constants, called=_of_constant)
def nonzero(x: ArrayLike) -> tuple[Tensor, ...]:
    """The indices of the elements that are not zero, an array for each axis.

    A function that is compiled can call it only on constants. Raises `ShapeError` for a number, which has no axes.

    >>> import tinygraph as tg
    >>> tg.nonzero([0.0, 2.0, 3.0])
    (Tensor([1, 2], op=getitem),)
    """
    if np.ndim(x) == 0:
        raise ShapeError("nonzero needs at least one axis, and a number has none; try atleast_1d")
    return unstack(argwhere(x), axis=1)


@composite("indexing", samples=_constants, called=_of_constant)
def flatnonzero(x: ArrayLike) -> Tensor:
    """The places of the elements that are not zero in the flattened `x`.

    A function that is compiled can call it only on constants.

    >>> import tinygraph as tg
    >>> tg.flatnonzero([[0.0, 2.0], [3.0, 0.0]])
    Tensor([1, 2], op=getitem)
    """
    return argwhere(ravel(x) if isinstance(x, Tensor) else np.ravel(array_of(x, copy=None)))[:, 0]


@composite(
    "indexing",
    samples=(Sample(((2,), (3,)), {}, (_place(0, 9), _place(0, 9))), Sample(((2,),), {}, (_place(0, 9),))),
)
def ix_(*indices: ArrayLike) -> tuple[Tensor, ...]:
    """The vectors of indices, reshaped to an open mesh, for ``x[tg.ix_(rows, columns)]``.

    >>> import tinygraph as tg
    >>> tg.Tensor([[1.0, 2.0], [3.0, 4.0]])[tg.ix_([1], [0, 1])]
    Tensor([[3., 4.]], op=getitem)
    """
    places = []
    for axis, given in enumerate(indices):
        x = as_tensor(given)
        if x.ndim != 1:
            raise ShapeError(f"indices of a mesh must have one axis, but {describe(x)} has the shape {x.shape}")
        x = as_tensor(_where_true(given)) if x.dtype == np.bool_ else _whole(x)
        places.append(reshape(x, tuple(x.size if i == axis else 1 for i in range(len(indices)))))
    return tuple(places)


@composite(
    "indexing",
    samples=(
        Sample(((4,), (4,)), {"dims": (3, 4)}, (_place(0, 3), _place(0, 4))),
        Sample(((4,), (4,)), {"dims": (3, 4), "order": "F"}, (_place(0, 3), _place(0, 4))),
        Sample(((2, 1), (3,)), {"dims": (3, 4), "mode": ("clip", "wrap")}, (_place(-9, 9), _place(-9, 9))),
    ),
    sequence=True,
    reference=lambda indices, dims, mode="raise", order="C": np.ravel_multi_index(tuple(indices), dims, mode, order),
)
def ravel_multi_index(
    multi_index: Sequence[ArrayLike], dims: Shape, mode: str | tuple[str, ...] = "raise", order: str = "C"
) -> Tensor:
    """The places, in a flattened array of shape `dims`, of elements that are given by their index along each axis.

    Indices out of bounds raise ``IndexError``, or are wrapped around or clipped, as `mode` "raise", "wrap" or "clip"
    says; a tuple has a mode for each axis. With `order` "F" the first index varies fastest, with "C" the last.

    >>> import tinygraph as tg
    >>> tg.ravel_multi_index([[0, 1], [1, 2]], (2, 3)).data
    array([1, 5])
    """
    indices = list(multi_index)
    if len(indices) != len(dims) or not dims:
        raise ShapeError(f"there must be one array of indices for each axis of dims={dims}, not {len(indices)}")
    need_one_of(("C", "F"), order=order)
    modes = (mode,) * len(dims) if isinstance(mode, str) else mode
    places = [_places(i, n, m) for i, n, m in zip(indices, dims, modes, strict=True)]
    strides = [math.prod(dims[:i] if order == "F" else dims[i + 1 :]) for i in range(len(dims))]
    total = places[0] * strides[0]
    for i, stride in zip(places[1:], strides[1:], strict=True):
        total = total + i * stride
    return total


@op(
    "indexing",
    None,
    notation="index_{axis}({0})",
    run=lambda x, shape, axis, order: np.unravel_index(x, shape, order)[axis],
    samples=(
        Sample(((4,),), {"shape": (3, 4), "axis": 0, "order": "C"}, (_place(0, 12),)),
        Sample(((2, 2),), {"shape": (3, 4), "axis": 1, "order": "F"}, (_place(0, 12),)),
        Sample(((),), {"shape": (3, 4), "axis": 1, "order": "C"}, (_place(0, 12),)),
    ),
    source="np.unravel_index({0}, {shape}, {order})[{axis}]",
)
def unraveled_(xp: Any, x: ArrayLike, shape: Shape, axis: int, order: str) -> Any:
    """The index along one axis."""
    return xp.unraveled(x, shape=shape, axis=axis, order=order)


@composite(
    "indexing",
    samples=(
        Sample(((4,),), {"shape": (3, 4)}, (_place(0, 12),)),
        Sample(((2, 2),), {"shape": (3, 2, 2), "order": "F"}, (_place(0, 12),)),
        Sample(((),), {"shape": 12}, (_place(0, 12),)),
    ),
)
def unravel_index(indices: ArrayLike, shape: int | Shape, order: str = "C") -> tuple[Tensor, ...]:
    """The index along each axis, an array for each, of elements that are given by their places in a flattened array.

    With `order` "F" the first index varies fastest in that array, with "C" the last.

    >>> import tinygraph as tg
    >>> [i.data.tolist() for i in tg.unravel_index([1, 5], (2, 3))]
    [[0, 1], [1, 2]]
    """
    lengths = (shape,) if isinstance(shape, int) else tuple(shape)
    x = _whole(indices)
    return tuple(unraveled_(x, lengths, axis, order) for axis in range(len(lengths)))


# -- writing to places: a new tensor each time ---------------------------------------------------------------------


def _index_put(x: Any, values: Any, *arrays: Any, key: Key) -> Any:
    return kernels.index_put(x, values, filled(key, arrays))


def _of_index_put(xp: Any, g: Any, y: Any, x: Any, values: Any, *arrays: Any, key: Key) -> tuple[Any, ...]:
    """Return the gradients; elements of x that are written over, and values that are written over later, get 0."""
    written = g[filled(key, arrays)]
    if arrays:
        written = xp.where(xp.last_written(*arrays, key=key, shape=x.shape), written, 0.0)
    return xp.index_put(g, 0.0, *arrays, key=key), written, *(None for _ in arrays)


@op(
    "indexing",
    _of_index_put,
    notation="{0}[{key} ← {1}]",
    binding=INDEX,
    variadic=True,
    run=_index_put,
    samples=tuple(
        Sample(
            (sample.shapes[0], _selected(sample), *sample.shapes[1:]), sample.params, (None, None, *sample.domains[1:])
        )
        for sample in _samples
    ),
    source=lambda node: f"index_put({{0}}, {{1}}, np.s_[{subscript(node)}])",
)
def index_put_(xp: Any, x: ArrayLike, values: ArrayLike, *arrays: ArrayLike, key: Key) -> Any:
    return xp.index_put(x, values, *arrays, key=key)


@op(
    "indexing",
    None,
    notation="last({key})",
    variadic=True,
    run=lambda *arrays, key, shape: kernels.last_written(filled(key, arrays), shape),
    samples=(
        Sample(((5,),), {"key": (SLOT,), "shape": (3, 2)}, (_place(-3, 3),)),
        Sample(((2, 3), (3,)), {"key": (SLOT, SLOT), "shape": (2, 2)}, (_place(0, 2), _place(0, 2))),
    ),
    source=lambda node: f"last_written(np.s_[{subscript(node)}], {{shape}})",
)
def last_written_(xp: Any, *arrays: ArrayLike, key: Key, shape: Shape) -> Any:
    """Whether a place in the key is the last one to name its element."""
    return xp.last_written(*arrays, key=key, shape=shape)


def _fitting(values: ArrayLike, x: Tensor) -> Any:
    """Return values in the dtype of `x`, which must be able to hold them; a Python number is returned as it is."""
    number = type(values) in LITERALS
    values = values if number else as_tensor(values)
    dtype = np.result_type(x.dtype, values) if number else values.dtype  # type: ignore[union-attr]
    if not np.can_cast(dtype, x.dtype, "same_kind"):
        raise DTypeError(
            f"{describe(x)} holds {x.dtype}, which cannot hold {dtype}; convert {describe(x)} with astype first"
        )
    return values if number or dtype == x.dtype else values.astype(x.dtype)  # type: ignore[union-attr]


def _mask(x: Tensor, key: Any, values: Any) -> Tensor | None:
    """Return the key with the axes of x if it is a mask and a single value is written; otherwise return None."""
    if isinstance(key, (Tensor, np.ndarray)) and key.dtype == np.bool_ and key.shape == x.shape[: key.ndim]:
        return reshape(key, key.shape + (1,) * (x.ndim - key.ndim)) if np.ndim(values) == 0 else None
    return None


def _spread(values: Tensor, x: Tensor, key: Key, arrays: Sequence[Tensor]) -> Tensor:
    """Return the values in the shape of the elements that the key selects."""
    whole = np.broadcast_to(False, x.shape)  # takes no memory
    shape = whole[filled(key, tuple(i._value for i in arrays))].shape
    return values if values.shape == shape else broadcast_to(values, shape)


_written = (
    Sample(((3, 4), ()), {"key": (slice(None), 1)}),
    Sample(((3, 4), (4,)), {"key": ([0, 2],)}),
    Sample(((3, 4), (3, 4)), {"key": ([0, 2, 0],)}),
    Sample(((3, 4), (2, 1)), {"key": ([[0], [0]], [1, 2])}),
    Sample(((3, 4), ()), {"key": ([True, False, True],)}),
    Sample(((3, 4), (2, 4)), {"key": ([True, False, True],)}),
    Sample(((), ()), {"key": ()}),
)


def _at(of: Any) -> Any:
    return lambda x, values, key: of(
        x, tuple(np.array(part) if isinstance(part, list) else part for part in key), values
    )


def _set_at(x: Any, key: Any, values: Any) -> Any:
    x = np.array(x)
    x[key] = values
    return x[()]


def _add_at(x: Any, key: Any, values: Any) -> Any:
    x = np.array(x)
    np.add.at(x, key, values)
    return x[()]


@composite("indexing", samples=_written, reference=_set_at, called=_at)
def set_at(x: ArrayLike, key: Any, values: ArrayLike) -> Tensor:
    """`x` with `values` at the places that `key` names, as after ``x[key] = values``; also ``x.at[key].set(values)``.

    `x` itself does not change. The values are broadcast to the shape of ``x[key]`` and converted to the dtype of `x`,
    which must be able to hold them. If a key names a place more than once, the last value stays, and only it has a
    gradient.

    >>> import tinygraph as tg
    >>> tg.set_at([1.0, 2.0, 3.0], slice(0, 2), 0.0)
    Tensor([0., 0., 3.], op=index_put)
    """
    x = as_tensor(x)
    new = _fitting(values, x)
    if (mask := _mask(x, key, new)) is not None:
        return where(mask, new, x)
    parts, arrays = taken_apart(key)
    return index_put_(x, new if type(new) in LITERALS else _spread(new, x, parts, arrays), *arrays, key=parts)


@composite("indexing", samples=_written, reference=_add_at, called=_at)
def add_at(x: ArrayLike, key: Any, values: ArrayLike) -> Tensor:
    """`x` with `values` added at the places that `key` names; also ``x.at[key].add(values)``.

    The arguments are those of `set_at`. If a key names a place more than once, all its values are added, as by
    ``np.add.at``.

    >>> import tinygraph as tg
    >>> tg.add_at([1.0, 2.0, 3.0], [0, 0, 1], 10.0)
    Tensor([21., 12.,  3.], op=add)
    """
    x = as_tensor(x)
    new = _fitting(values, x)
    if (mask := _mask(x, key, new)) is not None:
        return x + where(mask, new, 0)
    parts, arrays = taken_apart(key)
    new = new if isinstance(new, Tensor) else constant(np.asarray(new, x.dtype))
    return x + scatter_add_(_spread(new, x, parts, arrays), *arrays, key=parts, shape=x.shape)
