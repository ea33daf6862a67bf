"""Indexing, and its transpose: adding values up at the places that an index names.

In a key, slices, integers, None and ``...`` are static; index arrays and masks are inputs, since they may be computed.
"""

from __future__ import annotations

from operator import index
from typing import Any

import numpy as np

from .. import kernels
from ..apply import op
from ..errors import UnsupportedError
from ..graph import ArrayLike, Tensor
from ..samples import Sample
from ..table import INDEX
from .broadcasting import Shape

__all__ = [
    "getitem",
    "scatter_add",
]


class Slot:
    """The place of an index array in a key."""

    def __repr__(self) -> str:
        return "·"


SLOT = Slot()
Key = tuple[Any, ...]


def _filled(key: Key, arrays: tuple[Any, ...]) -> Key:
    remaining = iter(arrays)
    return tuple(next(remaining) if part is SLOT else part for part in key)


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


def _getitem(x: Any, *arrays: Any, key: Key) -> Any:
    return x[_filled(key, arrays)]


@op(
    "indexing",
    lambda xp, g, y, x, *arrays, key: (xp.scatter_add(g, *arrays, key=key, shape=x.shape), *(None for _ in arrays)),
    notation="{0}[{key}]",
    binding=INDEX,
    variadic=True,
    run=_getitem,
    samples=_samples,
)
def getitem_(xp: Any, x: ArrayLike, *arrays: ArrayLike, key: Key) -> Any:
    return x[_filled(key, arrays)]  # type: ignore[index, call-overload]


def _scatter_add(g: Any, *arrays: Any, key: Key, shape: Shape) -> Any:
    if arrays:
        return kernels.scatter_add(g, _filled(key, arrays), shape)
    out = np.zeros(shape, g.dtype)
    out[key] = g
    return out


@op(
    "indexing",
    lambda xp, g, y, x, *arrays, key, shape: (g[_filled(key, arrays)], *(None for _ in arrays)),
    notation="scatter({0}, {key})",
    variadic=True,
    run=_scatter_add,
    samples=tuple(
        Sample((np.empty((3, 4))[sample.params["key"]].shape,), {**sample.params, "shape": (3, 4)})
        for sample in _samples
    ),
)
def scatter_add(xp: Any, x: ArrayLike, *arrays: ArrayLike, key: Key, shape: Shape) -> Any:
    """Zeros of `shape`, with the elements of `x` added at the places that `key` names: the transpose of indexing.

    >>> tg.ops.scatter_add([1.0, 2.0], key=(slice(1, 3),), shape=(4,))
    Tensor([0., 1., 2., 0.], op=scatter_add)
    """
    return xp.scatter_add(x, *arrays, key=key, shape=shape)


def getitem(x: ArrayLike, key: Any) -> Tensor:
    """``x[key]`` as in NumPy: slices, integers, None, ``...``, index arrays and boolean masks.

    Where an index array names an element twice, its gradient gets both shares.

    >>> import tinygraph as tg
    >>> x = tg.parameter([1.0, 2.0, 3.0])
    >>> x[[0, 0, 2]].sum().backward()
    >>> x.grad
    array([2., 0., 1.])
    """
    parts: list[Any] = []
    arrays: list[Tensor] = []
    for part in key if isinstance(key, tuple) else (key,):
        if isinstance(part, (Tensor, np.ndarray, list, bool, np.bool_)):
            parts.append(SLOT)
            arrays.append(part if isinstance(part, Tensor) else _index_array(part))
        elif part is None or part is Ellipsis or isinstance(part, (int, np.integer)):
            parts.append(int(part) if isinstance(part, np.integer) else part)
        elif isinstance(part, slice):
            parts.append(slice(*(None if end is None else index(end) for end in (part.start, part.stop, part.step))))
        else:
            raise UnsupportedError(
                f"a tensor is indexed by integers, slices, None, ... and integer or boolean arrays,"
                f" not by {type(part).__name__}"
            )
    return getitem_(x, *arrays, key=tuple(parts))


def _index_array(part: Any) -> Tensor:
    array = np.asarray(part)
    return Tensor(array.astype(np.intp) if array.size == 0 and array.dtype.kind == "f" else array)
