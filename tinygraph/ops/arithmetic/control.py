"""Ops whose gradients differ from the derivatives of their values."""

from __future__ import annotations

from typing import Any

from ...graph.declaring import op
from ...graph.samples import Sample
from ...graph.tensor import ArrayLike

__all__ = [
    "stop_gradient",
]


@op(
    "shape",
    None,
    notation="stop_gradient({0})",
    run=lambda x: x,
    source="{0}",
    samples=(Sample(((2, 3),)), Sample(((),)), Sample(((0, 3),))),
    arithmetic="constant",
)
def stop_gradient(xp: Any, x: ArrayLike) -> Any:
    """y = x, with the derivative taken as 0: every gradient, of any order, treats y as a constant.

    The op is recorded, so a graph that is evaluated again or compiled computes it anew; ``x.detach()`` is a leaf
    instead.

    >>> x = tg.parameter(3.0)
    >>> tg.gradients(x * tg.stop_gradient(x), x)
    Tensor(3., op=multiply)
    """
    return x
