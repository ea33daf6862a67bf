"""Graphs in which each node is replaced, given the replacements of its inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import ops
from ..graph.replaying import function_of, replay
from ..graph.tensor import Tensor

REAL = frozenset({np.dtype(np.float32), np.dtype(np.float64)})
"""The dtypes in which arithmetic is rearranged. Integers wrap around, and float16 would overflow or round too soon."""

Change = Callable[[Tensor, Sequence[Any]], Tensor]
"""``change(node, inputs)`` returns the replacement of a node over its new inputs."""


def rewritten(order: Sequence[Tensor], change: Change, *notes: dict[Tensor, Any]) -> dict[Tensor, Tensor]:
    """Return the replacement of each node of a graph in topological order. It also gets the notes about the node."""

    def noted(node: Tensor, inputs: Sequence[Any]) -> Tensor:
        made = change(node, inputs)
        for note in notes:
            if node in note and made.op is not None:
                note.setdefault(made, note[node])
        return made

    return replay(order, noted)


def over(node: Tensor, inputs: Sequence[Any]) -> Tensor:
    """Return the op of a node applied to other inputs, or the node itself if they are the same."""
    assert node.op is not None
    if all(x is y for x, y in zip(inputs, node.inputs, strict=True)):
        return node
    return function_of(node.op, ops)(*inputs, **node.params)


def before_jumps(order: Sequence[Tensor]) -> set[Tensor]:
    """Return the nodes of a graph in topological order that decide where a node jumps: their rounding must not change.

    With 49 · (1/49), which is less than 1, in place of 49 / 49, ⌊49 / 49⌋ would be 0.
    """
    found: set[Tensor] = set()
    for node in reversed(order):
        if node.op is not None and (node.op.jumps or node in found):
            found.update(x for x in node.inputs if isinstance(x, Tensor))
    return found
