"""Graphs in which each node is replaced, given what stands for its inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .graph import Tensor
from .table import APPLY

Change = Callable[[Tensor, Sequence[Any]], Tensor]
"""``change(node, inputs)``: what stands for a node over its new inputs."""


def rewritten(order: Sequence[Tensor], change: Change, *notes: dict[Tensor, Any]) -> dict[Tensor, Tensor]:
    """What stands for each node of a graph in topological order. What is noted of a node holds for that too."""
    new: dict[Tensor, Tensor] = {}
    for node in order:
        if node.op is None:
            new[node] = node
            continue
        new[node] = made = change(node, [new[x] if isinstance(x, Tensor) else x for x in node.inputs])
        for note in notes:
            if node in note and made.op is not None:
                note.setdefault(made, note[node])
    return new


def over(node: Tensor, inputs: Sequence[Any]) -> Tensor:
    """The node with other inputs."""
    assert node.op is not None
    if all(x is y for x, y in zip(inputs, node.inputs, strict=True)):
        return node
    return APPLY[node.op.name](*inputs, **node.params)
