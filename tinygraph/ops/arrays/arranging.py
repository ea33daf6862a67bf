"""Rearranging elements: in reverse order, repeated, padded, cut out.

flip, roll, tile, repeat, pad, tril, triu and diagonal are primitives: each is one call of NumPy, equations name it, and
no inf or NaN is multiplied by a 0. The others are composed of these.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import index
from typing import Any

import numpy as np

from ... import kernels
from ...errors import ArgumentError, ShapeError, UnsupportedError
from ...graph.applying import constant
from ...graph.declaring import composite, op
from ...graph.exits import ask
from ...graph.node import describe
from ...graph.samples import Domain, Sample
from ...graph.tensor import ArrayLike, Tensor
from ..arguments import as_tensor, need_axes, need_integers, normalize_axis
from ..arithmetic.broadcasting import Axis, Shape
from ..arithmetic.comparisons import where
from .keys import along
from .shapes import broadcast_to, in_row, ravel, reshape, swapaxes

__all__ = [
    "diag",
    "diagflat",
    "diagonal",
    "flip",
    "fliplr",
    "flipud",
    "pad",
    "repeat",
    "resize",
    "roll",
    "rot90",
    "tile",
    "tril",
    "triu",
]


# -- order -------------------------------------------------------------------------------------------------------------


@op(
    "shape",
    lambda xp, g, y, x, axis: xp.flip(g, axis=axis),
    notation="flip_{axis}({0})",
    samples=(
        Sample(((2, 3),)),
        Sample(((2, 3),), {"axis": 0}),
        Sample(((2, 3, 4),), {"axis": (0, -1)}),
        Sample(((2, 3),), {"axis": ()}),
        Sample(((),)),
        Sample(((0, 2),), {"axis": 1}),
    ),
)
def flip(xp: Any, x: ArrayLike, axis: Axis = None) -> Any:
    """`x` with the order of the elements reversed along `axis`, by default along all axes.

    >>> tg.flip([[1.0, 2.0], [3.0, 4.0]], axis=0)
    Tensor([[3., 4.],
            [1., 2.]], op=flip)
    """
    return xp.flip(x, axis=axis)


@composite("shape", samples=(Sample(((2, 3),)), Sample(((2, 3, 2),))))
def fliplr(x: ArrayLike) -> Tensor:
    """`x` with the columns in reverse order.

    >>> import tinygraph as tg
    >>> tg.fliplr([[1.0, 2.0], [3.0, 4.0]])
    Tensor([[2., 1.],
            [4., 3.]], op=flip)
    """
    need_axes(as_tensor(x), 2)
    return flip(x, axis=1)


@composite("shape", samples=(Sample(((2, 3),)), Sample(((3,),))))
def flipud(x: ArrayLike) -> Tensor:
    """`x` with the rows in reverse order.

    >>> import tinygraph as tg
    >>> tg.flipud([[1.0, 2.0], [3.0, 4.0]])
    Tensor([[3., 4.],
            [1., 2.]], op=flip)
    """
    need_axes(as_tensor(x), 1)
    return flip(x, axis=0)


@composite(
    "shape",
    samples=(
        *(Sample(((2, 3),), {"k": k}) for k in (-1, 0, 1, 2, 3, 6)),
        Sample(((2, 3, 4),), {"k": 1, "axes": (-1, 0)}),
    ),
)
def rot90(x: ArrayLike, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Tensor:
    """`x` rotated `k` times by 90° in the plane of two axes, from the first towards the second.

    >>> import tinygraph as tg
    >>> tg.rot90([[1.0, 2.0], [3.0, 4.0]])
    Tensor([[2., 4.],
            [1., 3.]], op=permute_dims)
    """
    x = as_tensor(x)
    first, second = axes
    if normalize_axis(first, x) == normalize_axis(second, x):
        raise ArgumentError(f"axes must name two different axes, but {axes} are the same one")
    match k % 4:
        case 0:
            return flip(x, axis=())
        case 1:
            return swapaxes(flip(x, axis=second), first, second)
        case 2:
            return flip(x, axis=(first, second))
    return flip(swapaxes(x, first, second), axis=second)


@op(
    "shape",
    lambda xp, g, y, x, shift, axis: xp.roll(
        g, tuple(-s for s in shift) if isinstance(shift, tuple) else -shift, axis=axis
    ),
    notation="roll({0}, {shift}, {axis})",
    samples=(
        Sample(((5,),), {"shift": 2}),
        Sample(((2, 3),), {"shift": 1}),
        Sample(((2, 3),), {"shift": -7, "axis": 1}),
        Sample(((2, 3),), {"shift": (1, -1), "axis": (0, 1)}),
        Sample(((2, 3),), {"shift": 2, "axis": (0, 1)}),
        Sample(((5,),), {"shift": (1, 2), "axis": 0}),
        Sample(((0, 2),), {"shift": 3, "axis": 0}),
        Sample(((),), {"shift": 1}),
    ),
)
def roll(xp: Any, x: ArrayLike, shift: int | tuple[int, ...], axis: Axis = None) -> Any:
    """The elements shifted by `shift` places along `axis`; those shifted out at the end come in at the beginning.

    Several axes may be given, with a shift for each. Without `axis`, `x` is shifted as if it were flattened.

    >>> tg.roll([1.0, 2.0, 3.0], 1)
    Tensor([3., 1., 2.], op=roll)
    """
    return xp.roll(x, shift, axis=axis)


# -- repeating ---------------------------------------------------------------------------------------------------------


def _of_tiles(xp: Any, g: Any, y: Any, x: Any, reps: int | Shape) -> Any:
    """Sum g over all tiles."""
    reps = reps if isinstance(reps, tuple) else (reps,)
    ndim = max(x.ndim, len(reps))
    counts, lengths = ((1,) * (ndim - len(of)) + tuple(of) for of in (reps, x.shape))
    tiles = xp.reshape(g, tuple(n for pair in zip(counts, lengths, strict=True) for n in pair))
    return xp.reshape(xp.sum(tiles, axis=tuple(2 * i for i, count in enumerate(counts) if count != 1)), x.shape)


@op(
    "shape",
    _of_tiles,
    notation="tile({0}, {reps})",
    samples=(
        Sample(((2, 3),), {"reps": 2}),
        Sample(((2, 3),), {"reps": (3, 2)}),
        Sample(((3,),), {"reps": (2, 1, 2)}),
        Sample(((2, 3),), {"reps": ()}),
        Sample(((),), {"reps": 3}),
        Sample(((2,),), {"reps": 0}),
        Sample(((0, 2),), {"reps": (2, 2)}),
    ),
    source="np.tile({0}, {reps})",
)
def tile(xp: Any, x: ArrayLike, reps: int | Shape) -> Any:
    """Copies of `x` side by side; `reps` is the number of copies, or a tuple of their numbers along each axis.

    The gradient is the sum over the copies.

    >>> tg.tile([1.0, 2.0], 2)
    Tensor([1., 2., 1., 2.], op=tile)
    """
    return xp.tile(x, reps if isinstance(reps, tuple) else (reps,))


def _of_repeats(xp: Any, g: Any, y: Any, x: Any, repeats: int, axis: int | None) -> Any:
    """Sum g over the repeats of each element."""
    last = x.ndim - 1 if axis is None else axis % x.ndim
    return xp.sum(xp.reshape(g, (*x.shape[: last + 1], repeats, *x.shape[last + 1 :])), axis=last + 1)


@op(
    "shape",
    _of_repeats,
    notation="repeat({0}, {repeats}, {axis})",
    samples=(
        Sample(((2, 3),), {"repeats": 2}),
        Sample(((2, 3),), {"repeats": 3, "axis": 0}),
        Sample(((2, 3),), {"repeats": 1, "axis": -1}),
        Sample(((2, 3),), {"repeats": 0, "axis": 1}),
        Sample(((),), {"repeats": 2}),
        Sample(((0, 2),), {"repeats": 2, "axis": 0}),
    ),
    source="np.repeat({0}, {repeats}, {axis})",
)
def repeat_(xp: Any, x: ArrayLike, repeats: int, axis: int | None = None) -> Any:
    return xp.repeat(x, repeats, axis=axis)


@op(
    "indexing",
    None,
    notation="places({0})",
    run=lambda repeats: np.repeat(np.arange(len(repeats)), repeats),
    samples=(Sample(((4,),), {}, (Domain(integer=True, low=0, high=4),)), Sample(((0,),), {}, (Domain(integer=True),))),
    source="np.repeat(np.arange(len({0})), {0})",
)
def repeated_places_(xp: Any, repeats: ArrayLike) -> Any:
    """0, 1, 2, …, each repeated as often as `repeats` says."""
    return xp.repeated_places(repeats)


def repeat(x: ArrayLike, repeats: ArrayLike, axis: int | None = None) -> Tensor:
    """Each element `repeats` times in a row along `axis`. Without `axis`, `x` is flattened first.

    `repeats` is an integer, or an array or a tensor with an integer for each place along the axis. The gradient of an
    element is the sum over its repeats. A function that is compiled must know the length of the result, so computed
    `repeats` are refused there.

    >>> import tinygraph as tg
    >>> tg.repeat([1.0, 2.0], 2)
    Tensor([1., 1., 2., 2.], op=repeat)
    >>> tg.repeat([1.0, 2.0], [3, 1])
    Tensor([1., 1., 1., 2.], op=getitem)
    """
    x = as_tensor(x)
    if isinstance(repeats, Tensor):
        ask(repeats, "the number of repeats")
        counts = repeats
    else:
        array = np.asarray(repeats)
        if array.size == 1 and array.ndim < 2:
            return repeat_(x, index(array.item()), axis)
        counts = constant(array.astype(np.intp, casting="safe" if array.size else "unsafe"))
    x, axis = in_row(x, axis)
    need_integers("repeats", counts, "iub")
    if counts.size == 1:
        counts = broadcast_to(reshape(counts, (1,)), (x.shape[axis],))
    if counts.shape != (x.shape[axis],):
        raise ShapeError(
            f"repeats must have a number for each of the {x.shape[axis]} places along axis {axis} of {describe(x)},"
            f" not the shape {counts.shape}"
        )
    return x[along(axis, repeated_places_(counts))]


@composite(
    "shape",
    samples=(
        Sample(((2, 3),), {"new_shape": (3, 5)}),
        Sample(((2, 3),), {"new_shape": (2, 2)}),
        Sample(((2, 3),), {"new_shape": 4}),
        Sample(((2, 3),), {"new_shape": ()}),
        Sample(((2,),), {"new_shape": (0, 2)}),
        Sample(((0,),), {"new_shape": (2, 2)}),
    ),
)
def resize(x: ArrayLike, new_shape: int | Sequence[int]) -> Tensor:
    """The elements in the shape `new_shape`, repeated from the beginning if they are too few, cut off if too many.

    >>> import tinygraph as tg
    >>> tg.resize([1.0, 2.0, 3.0], (2, 2))
    Tensor([[1., 2.],
            [3., 1.]], op=reshape)
    """
    x = as_tensor(x)
    shape = tuple(map(index, new_shape)) if isinstance(new_shape, Sequence) else (index(new_shape),)
    if any(n < 0 for n in shape):
        raise ArgumentError(f"all lengths of a shape must be at least 0, not {shape}")
    size = math.prod(shape)
    if not x.size:
        return reshape(pad(ravel(x), (0, size)), shape)
    return reshape(tile(ravel(x), -(-size // x.size))[:size], shape)


# -- padding -----------------------------------------------------------------------------------------------------------

_MODES = ("constant", "edge", "reflect", "symmetric", "wrap")


def _pad(x: Any, pad_width: tuple[tuple[int, int], ...], mode: str) -> Any:
    if mode != "constant":
        return np.pad(x, pad_width, mode)  # type: ignore[call-overload]
    y = np.zeros(tuple(before + n + after for n, (before, after) in zip(x.shape, pad_width, strict=True)), x.dtype)
    y[tuple(slice(before, before + n) for n, (before, _) in zip(x.shape, pad_width, strict=True))] = x
    return y


def _of_padded(xp: Any, g: Any, y: Any, x: Any, pad_width: tuple[tuple[int, int], ...], mode: str) -> Any:
    """Return g without the padding; an element that the padding repeats gets the sum over its repeats."""
    if mode == "constant":
        return g[tuple(slice(before, before + n) for n, (before, _) in zip(x.shape, pad_width, strict=True))]
    for axis, (n, ends) in enumerate(zip(x.shape, pad_width, strict=True)):
        if ends != (0, 0):
            places = np.pad(np.arange(n), ends, mode)  # type: ignore[call-overload]
            shape = (*g.shape[:axis], n, *g.shape[axis + 1 :])
            g = xp.scatter_add(g, places, key=along(axis), shape=shape)
    return g if any(ends != (0, 0) for ends in pad_width) else xp.reshape(g, x.shape)


@op(
    "shape",
    _of_padded,
    notation="pad({0}, {pad_width})",
    run=_pad,
    samples=(
        *(Sample(((2, 3),), {"pad_width": ((1, 0), (2, 1)), "mode": mode}) for mode in _MODES),
        *(Sample(((3,),), {"pad_width": ((4, 7),), "mode": mode}) for mode in _MODES),
        Sample(((2, 3),), {"pad_width": ((0, 0), (0, 0)), "mode": "edge"}),
        Sample(((1, 2),), {"pad_width": ((2, 1), (0, 1)), "mode": "reflect"}),
        Sample(((0, 2),), {"pad_width": ((1, 1), (0, 0)), "mode": "constant"}),
    ),
    source="np.pad({0}, {pad_width}, {mode})",
)
def pad_(xp: Any, x: ArrayLike, pad_width: tuple[tuple[int, int], ...], mode: str) -> Any:
    return xp.pad(x, pad_width, mode)


def pad(x: ArrayLike, pad_width: Any, mode: str = "constant", constant_values: Any = 0) -> Tensor:
    """`x` with additional elements before and after it along each axis.

    `pad_width` is a pair for each axis, ((before, after), …), or one pair or one number for all axes, or a mapping from
    axes to these. `mode` says which elements are added: ``"constant"`` adds `constant_values`, which have the form of
    `pad_width` and may be tensors; ``"edge"`` repeats the outermost element; ``"reflect"`` and ``"symmetric"`` add the
    mirror image, without or with the edge; ``"wrap"`` adds the elements from the other end. The gradient of an element
    is the sum over its copies.

    Raises `UnsupportedError` for the modes of NumPy that compute new values or leave them undefined.

    >>> import tinygraph as tg
    >>> tg.pad([1.0, 2.0, 3.0], (2, 1), mode="reflect")
    Tensor([3., 2., 1., 2., 3., 2.], op=pad)
    """
    x = as_tensor(x)
    if not isinstance(mode, str) or mode not in _MODES:
        raise UnsupportedError(
            f"pad takes the modes {', '.join(_MODES)}, not {mode!r}; join computed elements with concat"
        )
    if isinstance(pad_width, dict):
        given = {normalize_axis(axis, x): width for axis, width in pad_width.items()}
        pad_width = [np.broadcast_to(given.get(axis, 0), 2) for axis in range(x.ndim)] or 0
    if isinstance(pad_width, Tensor):
        raise ArgumentError("pad_width must be plain numbers, not a tensor; use its .data")
    widths = np.asarray(pad_width)
    if widths.size and (widths.dtype.kind not in "iu" or widths.min() < 0):
        raise ArgumentError(f"pad_width must be whole numbers of at least 0, not {pad_width}")
    try:
        pairs = tuple((int(before), int(after)) for before, after in np.broadcast_to(widths, (x.ndim, 2)))
    except ValueError:
        raise ShapeError(f"pad_width {pad_width} does not give (before, after) for each axis of {x.shape}") from None
    if not x.ndim:
        return pad_(x, (), "constant")
    if mode != "constant" or (not isinstance(constant_values, (Tensor, tuple, list)) and constant_values == 0):
        return pad_(x, pairs, mode)
    y = pad_(x, pairs, mode)
    for axis, values in enumerate(_pairs_of(constant_values, x.ndim)):
        before, after = pairs[axis]
        places = np.arange(y.shape[axis]).reshape(-1, *(1,) * (x.ndim - axis - 1))
        for new, value in zip((places < before, places >= y.shape[axis] - after), values, strict=True):
            if new.any():
                y = where(new, as_tensor(value).astype(x.dtype), y)
    return y


def _pairs_of(values: Any, ndim: int) -> list[tuple[Any, Any]]:
    """Return the values for both ends of each axis, given as ((before, after), …), (before, after), (both,) or both."""
    if isinstance(values, np.ndarray):
        values = values.tolist()
    if not isinstance(values, (tuple, list)):
        values = ((values, values),)
    elif not any(isinstance(value, (tuple, list)) for value in values):
        values = ((values[0], values[-1]),)
    pairs = [(value[0], value[-1]) if isinstance(value, (tuple, list)) else (value, value) for value in values]
    if len(pairs) not in (1, ndim):
        raise ShapeError(
            f"constant_values must have one pair (before, after), or one for each of {ndim} axes, not {len(pairs)}"
        )
    return pairs * ndim if len(pairs) == 1 else pairs


# -- triangles and diagonals -------------------------------------------------------------------------------------------

_triangles = (
    *(Sample(((3, 4),), {"k": k}) for k in (0, 1, -1, 7)),
    Sample(((2, 3, 2),)),
    Sample(((1, 1),)),
    Sample(((0, 2),)),
)


def _of_matrix(function: Any) -> Any:
    def apply(x: Any, k: int = 0) -> Any:
        if x.ndim < 2:  # NumPy would make a matrix of a vector
            raise ValueError("a triangle is a part of a matrix, so the input must have at least two axes")
        return function(x, k)

    return apply


@op(
    "shape",
    lambda xp, g, y, x, k: xp.tril(g, k=k),
    notation="tril_{k}({0})",
    run=_of_matrix(np.tril),
    samples=_triangles,
    source="np.tril({0}, {k})",
    chooses=True,
)
def tril(xp: Any, x: ArrayLike, k: int = 0) -> Any:
    """The lower triangle of a matrix, or of each matrix in a stack, with zeros above the k-th diagonal.

    >>> tg.tril([[1.0, 2.0], [3.0, 4.0]])
    Tensor([[1., 0.],
            [3., 4.]], op=tril)
    """
    return xp.tril(x, k=k)


@op(
    "shape",
    lambda xp, g, y, x, k: xp.triu(g, k=k),
    notation="triu_{k}({0})",
    run=_of_matrix(np.triu),
    samples=_triangles,
    source="np.triu({0}, {k})",
    chooses=True,
)
def triu(xp: Any, x: ArrayLike, k: int = 0) -> Any:
    """The upper triangle of a matrix, or of each matrix in a stack, with zeros below the k-th diagonal.

    >>> tg.triu([[1.0, 2.0], [3.0, 4.0]], k=1)
    Tensor([[0., 2.],
            [0., 0.]], op=triu)
    """
    return xp.triu(x, k=k)


@op(
    "shape",
    lambda xp, g, y, x, offset: xp.diagonal_matrix(g, offset=offset, shape=x.shape),
    notation="diagonal_{offset}({0})",
    run=np.linalg.diagonal,
    samples=(
        *(Sample(((3, 4),), {"offset": offset}) for offset in (0, 1, -1, 3, 5)),
        Sample(((2, 3, 2),)),
        Sample(((0, 2),)),
    ),
    source="np.linalg.diagonal({0}, offset={offset})",
    chooses=True,
)
def diagonal(xp: Any, x: ArrayLike, offset: int = 0) -> Any:
    """The diagonal of a matrix, or of each in a stack; `offset` selects a diagonal above (positive) or below it.

    The matrices are the last two axes, as in ``np.linalg.diagonal``.

    >>> tg.diagonal([[1.0, 2.0], [3.0, 4.0]])
    Tensor([1., 4.], op=diagonal)
    """
    return xp.diagonal(x, offset=offset)


@op(
    "shape",
    lambda xp, g, y, x, offset, shape: xp.diagonal(g, offset=offset),
    notation="diag_{offset}({0})",
    run=kernels.diagonal_matrix,
    samples=(
        Sample(((3,),), {"offset": 0, "shape": (3, 3)}),
        Sample(((2,),), {"offset": -1, "shape": (3, 4)}),
        Sample(((2, 2),), {"offset": 1, "shape": (2, 2, 3)}),
        Sample(((0,),), {"offset": 0, "shape": (0, 0)}),
    ),
)
def diagonal_matrix_(xp: Any, x: ArrayLike, offset: int, shape: Shape) -> Any:
    return xp.diagonal_matrix(x, offset=offset, shape=shape)


@composite(
    "shape",
    samples=(
        *(Sample(((3,),), {"k": k}) for k in (0, 2, -1)),
        *(Sample(((3, 4),), {"k": k}) for k in (0, 2, -1)),
        Sample(((0,),)),
        Sample(((0,),), {"k": 1}),
    ),
)
def diag(x: ArrayLike, k: int = 0) -> Tensor:
    """The matrix that has the vector `x` on its k-th diagonal and zeros elsewhere; for a matrix `x`, its k-th diagonal.

    >>> import tinygraph as tg
    >>> tg.diag([1.0, 2.0])
    Tensor([[1., 0.],
            [0., 2.]], op=diagonal_matrix)
    """
    x = as_tensor(x)
    if x.ndim not in (1, 2):
        raise ShapeError(f"diag takes a vector or a matrix, but {describe(x)} has {x.ndim} axes")
    n = x.shape[0] + abs(k)
    return diagonal(x, offset=k) if x.ndim == 2 else diagonal_matrix_(x, offset=k, shape=(n, n))


@composite("shape", samples=(Sample(((2, 2),), {"k": 1}), Sample(((),)), Sample(((3,),))))
def diagflat(x: ArrayLike, k: int = 0) -> Tensor:
    """The matrix that has all elements of `x` on its k-th diagonal and zeros elsewhere.

    >>> import tinygraph as tg
    >>> tg.diagflat([[1.0], [2.0]]).shape
    (2, 2)
    """
    return diag(ravel(x), k)
