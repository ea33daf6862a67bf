"""In which of its inputs a node is linear: of real numbers, as integers wrap around and float16 overflows too soon."""

from __future__ import annotations

from ..algebra.rewriting import REAL
from ..graph.tensor import Tensor


def ways(node: Tensor) -> list[set[Tensor]]:
    """Inputs all of which have to be multiplied by a number for the node to be; one set for each way to do it."""
    assert node.op is not None
    if node.dtype not in REAL:
        return []
    places = range(len(node.inputs))
    groups: dict[str, list[tuple[int, ...]]] = {"each": [(i,) for i in places], "together": [tuple(places)]}
    linear = node.op.linear
    found = []
    for group in groups[linear] if isinstance(linear, str) else linear:
        members = [node.inputs[i] for i in group]
        tensors = {x for x in members if isinstance(x, Tensor)}
        others = {x for i, x in enumerate(node.inputs) if i not in group and isinstance(x, Tensor)}
        if tensors.isdisjoint(others) and tensors and all(isinstance(x, Tensor) or x == 0 for x in members):
            if all(x.dtype == node.dtype for x in tensors):
                found.append(tensors)
    return found
