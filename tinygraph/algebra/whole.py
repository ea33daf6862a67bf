"""Arithmetic of whole numbers, which is modulo 2ⁿ and agrees with real arithmetic where nothing can overflow.

It may be rearranged like that of reals only if the result is in the range of its dtype for all numbers that the dtypes
of the operands allow. For given integers of 32 and 64 bits, the outermost numbers are left out, so that ``1 − y`` and
``n + 1`` count as real arithmetic.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, TypeGuard

import numpy as np

from ..graph.records import Arithmetic
from ..graph.tensor import Tensor

Range: TypeAlias = tuple[int, int]

_OUTERMOST = {4: 1 << 10, 8: 1 << 20}  # by the bytes of a dtype


def is_whole(x: Any) -> TypeGuard[Tensor]:
    """Return whether an operand is a tensor of integers or booleans."""
    return isinstance(x, Tensor) and x.dtype.kind in "biu"


def range_of(x: Any, known: Mapping[Tensor, Range]) -> Range:
    """Return the least and the largest number that an operand may hold."""
    if not isinstance(x, Tensor):
        return int(x), int(x)
    if x in known:
        return known[x]
    low, high = _bounds(x.dtype)
    computed = x.op is not None and x.op.kind not in ("shape", "indexing")  # which may have wrapped around
    left_out = 0 if computed else _OUTERMOST.get(x.dtype.itemsize, 0)
    return (low + left_out if low else 0), high - left_out


def exact_range(node: Tensor, operands: Sequence[Range]) -> Range | None:
    """Return the range of a node in real arithmetic, or None if it may leave its dtype or is not of such arithmetic."""
    assert node.op is not None
    if node.op.arithmetic not in _RANGES or not is_whole(node):
        return None
    low, high = _RANGES[node.op.arithmetic](*operands)
    least, largest = _bounds(node.dtype)
    return (low, high) if least <= low and high <= largest else None


def _bounds(dtype: np.dtype[Any]) -> Range:
    if dtype.kind == "b":
        return 0, 1
    info = np.iinfo(dtype)
    return int(info.min), int(info.max)


def _product(x: Range, y: Range) -> Range:
    corners = [a * b for a, b in itertools.product(x, y)]
    return min(corners), max(corners)


def _square(x: Range) -> Range:
    low, high = _product(x, x)
    return (max(low, 0) if x[0] <= 0 <= x[1] else min(a * a for a in x)), high


_RANGES: Mapping[Arithmetic | None, Callable[..., Range]] = {
    "sum": lambda x, y: (x[0] + y[0], x[1] + y[1]),
    "difference": lambda x, y: (x[0] - y[1], x[1] - y[0]),
    "negation": lambda x: (-x[1], -x[0]),
    "product": _product,
    "square": _square,
    "repetition": lambda x: x,
    "truncation": lambda x: x,
}
"""The range of a result from those of the operands, for each kind of arithmetic on whole numbers."""
