"""Keys of indexing: slices, integers, None and ``...`` are static; index arrays are inputs and may be computed."""

from __future__ import annotations

from operator import index
from typing import Any

import numpy as np

from ...errors import UnsupportedError
from ...graph.exits import ask
from ...graph.tensor import Tensor, array_of

Key = tuple[Any, ...]


class Slot:
    """A placeholder for an index array in a key."""

    def __repr__(self) -> str:
        return "·"


SLOT = Slot()


class Filled(tuple[Any, ...]):
    """A key that is complete and checked, because it comes from a node."""

    __slots__ = ()


def filled(key: Key, arrays: tuple[Any, ...]) -> Key:
    """Return the key with the index arrays in place of the slots."""
    remaining = iter(arrays)
    return Filled(next(remaining) if part is SLOT else part for part in key)


def along(axis: int, part: Any = SLOT) -> Key:
    """Return the key that takes `part` along one axis and everything along the others."""
    return (*(slice(None),) * axis, part)


def taken_apart(key: Any) -> tuple[Key, list[Tensor]]:
    """Return an index as a static key, with `SLOT` in place of each index array, and the list of these arrays.

    Raise `UnsupportedError` for other kinds of indices.
    """
    parts: list[Any] = []
    arrays: list[Tensor] = []
    for part in key if isinstance(key, tuple) else (key,):
        if isinstance(part, (Tensor, np.ndarray, list, bool, np.bool_)):
            parts.append(SLOT)
            arrays.append(part if isinstance(part, Tensor) else _index_array(part))
            if isinstance(part, Tensor) and part.dtype == np.bool_ and not isinstance(key, Filled):
                ask(part, "the number of elements in the mask")
        elif part is None or part is Ellipsis or isinstance(part, (int, np.integer)):
            parts.append(int(part) if isinstance(part, np.integer) else part)
        elif isinstance(part, slice):
            parts.append(slice(*(None if end is None else index(end) for end in (part.start, part.stop, part.step))))
        else:
            raise UnsupportedError(
                f"a tensor can be indexed by integers, slices, None, ... and integer or boolean arrays,"
                f" not by {type(part).__name__}"
            )
    return tuple(parts), arrays


def _index_array(part: Any) -> Tensor:
    array = array_of(part, copy=None)
    return Tensor(array.astype(np.intp) if array.size == 0 and array.dtype.kind == "f" else array)


def subscript(node: Tensor) -> str:
    """Return the key of a node as text, with ``{i}`` in place of an index array that is input i of the node."""
    key = node.params["key"]
    arrays = (f"{{{i}}}" for i in range(len(node.inputs) - key.count(SLOT), len(node.inputs)))
    return ", ".join(next(arrays) if part is SLOT else _written(part) for part in key) or "()"


def _written(part: Any) -> str:
    if isinstance(part, slice):
        ends = ["" if end is None else str(end) for end in (part.start, part.stop)]
        return ":".join(ends if part.step is None else [*ends, str(part.step)])
    return "..." if part is Ellipsis else str(part)
