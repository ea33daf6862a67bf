"""Gradients as sums: what each reader of a node adds to the node's gradient."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from operator import add
from typing import Any, NamedTuple

import numpy as np

from .. import ops
from ..graph.records import NUMBERS
from ..graph.tensor import Tensor
from ..ops.arithmetic.broadcasting import unbroadcast
from .rules import cotangent_of_input, cotangents_of_inputs


class Contribution(NamedTuple):
    """What one use of a node adds to its gradient."""

    reader: Tensor
    position: int
    """Of the node among the inputs of its reader."""
    value: Any
    shape: tuple[int, ...]
    """What shape it had before it was summed over the axes along which the node was repeated."""
    aside: bool
    """Whether it is shown in ``.grad`` and not propagated, since it reaches an earlier node in another way."""


def contributions(order: Sequence[Tensor]) -> Iterator[tuple[Tensor, list[Contribution]]]:
    """For each node of a graph that a backward has reached the parts of which its ``.grad`` is the sum.

    `order` is topological; the youngest node comes first. The parts are computed anew from the gradients of the
    readers. Of a leaf they are what this graph adds, to which others may have added too.

    >>> import tinygraph as tg
    >>> from tinygraph.autodiff.contributions import contributions
    >>> x = tg.parameter(3.0)
    >>> y = x * x
    >>> y.backward()
    >>> [(node is x, [float(part.value) for part in parts]) for node, parts in contributions(tg.toposort(y))]
    [(True, [3.0, 3.0])]
    """
    growing: dict[Tensor, list[Contribution]] = {}
    for node in reversed(order):
        parts = growing.pop(node, [])
        if parts:
            yield node, parts
        g = node.grad
        if any(part.aside for part in parts):
            passed_on = [part.value for part in parts if not part.aside]
            g = reduce(add, passed_on) if passed_on else None
        if g is None or node.op is None:
            continue
        wanted = [i for i, x in enumerate(node.inputs) if type(x) is Tensor and x._requires_grad]
        for i, cotangent in cotangents_of_inputs(node.op, NUMBERS, g, node._array, node._args, node.params, wanted):
            x, a = node.inputs[i], node._args[i]
            assert isinstance(x, Tensor)
            value = unbroadcast(NUMBERS, cotangent, a.shape) if node.op.kind == "elementwise" else cotangent
            part = Contribution(node, i, np.asarray(value, a.dtype), cotangent.shape, i in node.op.aside)
            growing.setdefault(x, []).append(part)


def symbolic_contribution(node: Tensor, g: Any, position: int, as_read: Mapping[Tensor, Tensor]) -> Any:
    """What a node adds to the gradient of one of its inputs, as a node, given its own gradient `g` as one.

    Where the input was repeated, it is not yet summed.
    """
    assert node.op is not None
    inputs = [as_read.get(x, x) if isinstance(x, Tensor) else x for x in node.inputs]
    return cotangent_of_input(node.op, position, ops, g, node, inputs, node.params)
