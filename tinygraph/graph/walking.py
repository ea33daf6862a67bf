"""Walks over a recorded graph, which find the readers of each node and the values that were read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from .tensor import Tensor


def shown_inputs(node: Tensor) -> tuple[Any, ...]:
    """Return the inputs as the user wrote them, without the carriers of a gradient that stays aside."""
    if node.op is None or not node.op.aside:
        return node.inputs
    hidden = set(node.op.aside.values())
    return tuple(x for i, x in enumerate(node.inputs) if i not in hidden)


def inputs_with_gradient(node: Tensor) -> tuple[Any, ...]:
    """Return the inputs to which a node sends a gradient."""
    if not node.requires_grad or node.op is None:
        return ()
    op = node.op
    return tuple(x for i, x in enumerate(node.inputs) if type(x) is Tensor and x.requires_grad and op.propagates_to(i))


def readers_of(
    order: Sequence[Tensor], inputs: Callable[[Tensor], Iterable[Any]] = shown_inputs
) -> dict[Tensor, list[Tensor]]:
    """Return for each node the nodes that read it, each once.

    `inputs` says which inputs of a node count: by default those that the user wrote.
    """
    readers: dict[Tensor, list[Tensor]] = {}
    for node in order:
        for x in dict.fromkeys(x for x in inputs(node) if isinstance(x, Tensor)):
            readers.setdefault(x, []).append(node)
    return readers


def values_read(order: Sequence[Tensor]) -> dict[Tensor, Any]:
    """Return the value of each node as its last reader has read it: the data of a leaf may have changed since."""
    values = {x: x._seen for x in order}
    for node in order:
        values.update((x, read) for x, read in zip(node.inputs, node._args, strict=True) if type(x) is Tensor)
    return values


def read_before_change(order: Sequence[Tensor]) -> dict[Tensor, Tensor]:
    """Return a tensor of the value that was read for each leaf that has changed since."""
    found: dict[Tensor, Tensor] = {}
    for node in order:
        for x, read in zip(node.inputs, node._args, strict=True):
            if type(x) is Tensor and x.op is None and x not in found and not is_as_read(x, read):
                found[x] = Tensor(read)
    return found


def is_as_read(leaf: Tensor, read: Any) -> bool:
    """Return whether a leaf still has the value that was read from it."""
    return leaf._array is read or np.array_equal(leaf._seen, read, equal_nan=True)
