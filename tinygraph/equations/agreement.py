"""The check that an equation is true, by comparing its value with the gradient of the engine."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

import numpy as np

from ..graph.node import toposort
from ..graph.tensor import Tensor

# how far an equation may be from the engine's gradient, relative to its largest element and to its terms
CLOSE, _ROUNDING = 1e-9, 1e-13


def refuse_false(name: str, value: Any, g: Tensor, scale: float, known: Container[Tensor]) -> None:
    """Refuse an equation that disagrees with the engine by more than the rounding of sums that cancel.

    Where a value on the way is infinite, the equation may be infinite although the gradient is not. Where a value is
    NaN, the equation may have another slope, as that of relu does.
    """
    expected = np.asarray(g.data * scale)
    compared = np.isfinite(expected)
    with np.errstate(all="ignore"):
        off = np.asarray(np.abs(value - expected))
    coarse = float(np.finfo(g.dtype).eps / np.finfo(np.float64).eps)
    close = {"float64": CLOSE, "float32": 1e-4}.get(g.dtype.name, 1e-1)
    if off[compared].max(initial=0.0) <= close * np.abs(expected[compared]).max(initial=0.0):
        return
    over = toposort(g, stop=() if g in known else known)
    if any(np.isnan(node.data).any() for node in over):
        return
    if not all(np.isfinite(node.data).all() for node in over):
        compared &= np.isfinite(off)
    off = off[compared].max(initial=0.0)
    summed = [np.abs(node.data[np.isfinite(node.data)]).max(initial=0.0) for node in over]
    if not off <= _ROUNDING * coarse * abs(scale) * max(summed):
        raise AssertionError(f"the equation derived for {name} is {off} off from the gradient of the engine")


def agree(x: Any, y: Any) -> bool:
    """Return whether two values are finite and equal except for rounding."""
    return bool(np.isfinite(x).all()) and np.allclose(x, y, rtol=CLOSE, atol=0)
