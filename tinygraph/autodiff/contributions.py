"""Gradients as sums of contributions: each reader of a node adds one to the node's gradient."""

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
    """The part of a node's gradient that comes from one use of the node."""

    reader: Tensor
    position: int
    """The position of the node among the inputs of its reader."""
    value: Any
    shape: tuple[int, ...]
    """The shape before the sum over the axes along which the node was repeated."""
    aside: bool
    """Whether it is shown in ``.grad`` but not propagated, since it reaches an earlier node in another way."""


def contributions(order: Sequence[Tensor]) -> Iterator[tuple[Tensor, list[Contribution]]]:
    """Yield each node of a graph that a backward has reached, with the contributions that sum to its ``.grad``.

    `order` is topological; the youngest node is yielded first. The contributions are computed anew from the gradients
    of the readers. Those of a leaf are the ones of this graph; other graphs may have added to its ``.grad`` too.

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
    """Return the contribution of a node to the gradient of one of its inputs, given its own gradient `g`, as nodes.

    It is not yet summed over axes along which the input was repeated. `as_read` has stand-ins for inputs.
    """
    assert node.op is not None
    inputs = [as_read.get(x, x) if isinstance(x, Tensor) else x for x in node.inputs]
    return cotangent_of_input(node.op, position, ops, g, node, inputs, node.params)
