"""The evaluation of a graph that is linear in one of its leaves, for many values of that leaf at once.

Every array that depends on the leaf gets a new first axis, which passes through an op by the rule in the op's record.
An op without a rule is applied to one value after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..graph.node import toposort
from ..graph.records import NUMBERS, Rule
from ..graph.replaying import function_of, replay
from ..graph.tensor import Tensor
from ..ops.arithmetic.broadcasting import aligned


def batched(outputs: Sequence[Tensor], leaf: Tensor, values: Any, xp: Any) -> list[Any]:
    """Return the outputs for each of the `values` of `leaf`. Values and outputs lie along a new first axis.

    `xp` is NUMBERS for numbers, or `tinygraph.ops` for nodes.

    >>> from tinygraph.autodiff.batching import batched
    >>> from tinygraph.graph.records import NUMBERS
    >>> x = tg.Tensor([0.0, 0.0])
    >>> batched([tg.Tensor([[1.0, 2.0]]) @ x], x, np.eye(2), NUMBERS)
    [array([[1.],
           [2.]])]
    """
    count = len(values)

    def apply(node: Tensor, inputs: Sequence[Any]) -> Any:
        moving = [x is not y for x, y in zip(inputs, node.inputs, strict=True)]
        if not any(moving):
            return node
        given = [x if moves else _still(x, xp) for x, moves in zip(inputs, moving, strict=True)]
        return _applied(xp, node, given, moving, count)

    found = replay(toposort(*outputs, stop={leaf}), apply, {leaf: values}, keep=outputs)
    return [_still(Tensor(np.zeros((count, *y.shape), y.dtype)), xp) if found[y] is y else found[y] for y in outputs]


def _still(x: Any, xp: Any) -> Any:
    return x._value if isinstance(x, Tensor) and xp is NUMBERS else x


def _applied(xp: Any, node: Tensor, inputs: Sequence[Any], moving: Sequence[bool], count: int) -> Any:
    """Return the `count` values of a node whose `moving` inputs have as many."""
    op = node.op
    assert op is not None
    run = function_of(op, xp)
    if op.kind == "elementwise":
        ready = [aligned(xp, x, node.ndim) if moves else x for x, moves in zip(inputs, moving, strict=True)]
        return run(*ready, **node.params)
    found = None if op.batch is None else op.batch(xp, moving, (count, *node.shape), *inputs, **node.params)
    return _one_by_one(xp, run, node, inputs, moving, count) if found is None else found


def _one_by_one(xp: Any, run: Rule, node: Tensor, inputs: Sequence[Any], moving: Sequence[bool], count: int) -> Any:
    each = [
        run(*(x[i] if moves else x for x, moves in zip(inputs, moving, strict=True)), **node.params)
        for i in range(count)
    ]
    return xp.stack(each) if each else xp.reshape(_still(Tensor(np.zeros(0, node.dtype)), xp), (0, *node.shape))
