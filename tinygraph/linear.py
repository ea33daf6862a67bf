"""In which of its inputs an op is linear."""

from __future__ import annotations

from collections import Counter

from .graph import Tensor
from .table import OPS

_EACH = {"multiply", "matmul", "outer", "vdot", "einsum", "cross", "conv", "conv_transpose", "conv_kernel"}
_TOGETHER = {"add", "subtract", "negative", "sum", "mean", "trace", "scatter_diagonal", "im2col", "col2im", "avg_pool"}
_TOGETHER |= {name for name, op in OPS.items() if op.kind == "shape"}


def ways(node: Tensor) -> list[set[Tensor]]:
    """Inputs all of which have to be multiplied by a number for the node to be; one set for each way to do it."""
    assert node.op is not None
    name, inputs = node.op.name, node.inputs
    tensors = [x for x in inputs if isinstance(x, Tensor)]
    times = Counter(tensors)
    if name in _EACH:
        return [{x} for x in tensors if times[x] == 1]
    if name == "solve":
        return [{tensors[1]}] if times[tensors[1]] == 1 else []
    if name == "divide":
        return [{tensors[0]}] if inputs[0] is tensors[0] and times[tensors[0]] == 1 else []
    if name == "getitem":
        return [{tensors[0]}] if times[tensors[0]] == 1 else []
    if name == "where":
        chosen = {x for x in inputs[1:] if isinstance(x, Tensor)}
        others_zero = all(isinstance(x, Tensor) or x == 0 for x in inputs[1:])
        return [chosen] if others_zero and chosen and inputs[0] not in chosen else []
    return [set(tensors)] if name in _TOGETHER and len(tensors) == len(inputs) else []
