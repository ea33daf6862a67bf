"""Numbers in the place of symbols: the values that an equation of a step is computed from, and its result."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..graph.records import POWER, SUM, TIGHTEST
from ..graph.tensor import Tensor
from ..writing.notation import Span, Spans, Writer, number
from .arrays import in_full, shape_text, summary_text

_LARGEST_IN_FULL = 4  # elements


class Numbers(Writer):
    """A writer of values in the place of symbols: small arrays in full, larger ones by their shape."""

    def operand(self, x: Any, reader: Tensor, position: int) -> tuple[Spans, int]:
        """Return the value of an operand of `reader`, and how tightly it binds."""
        if not isinstance(x, Tensor):
            return [Span(number(x))], SUM if x < 0 else TIGHTEST
        if self._inline(x):
            return super().operand(x, reader, position)
        return _put_in(np.asarray(reader._args[position]))

    def right_hand_side(self, x: Any) -> Spans:
        """Return the right side of an equation with values in it."""
        if isinstance(x, Tensor) and not self._inline(x):
            return _put_in(np.asarray(x._seen))[0]
        return super().right_hand_side(x)


def _put_in(array: np.ndarray[Any, Any]) -> tuple[Spans, int]:
    """Return an array, or its shape, in the place of its symbol, and how tightly it binds."""
    if array.size > _LARGEST_IN_FULL:
        return [Span(shape_text(array.shape))], 0
    text = in_full(array)
    return [Span(text)], SUM if text.startswith("−") else POWER if text.endswith("ᵀ") else TIGHTEST


def brought(array: Any) -> str:
    """Return a gradient in full if it is small, or else its shape and norm."""
    array = np.asarray(array)
    if array.size <= _LARGEST_IN_FULL:
        return summary_text(array)
    return f"{shape_text(array.shape)}   {summary_text(array, norm=True)}"
