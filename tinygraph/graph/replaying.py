"""Running a recorded graph again: with other data, in another array namespace, or with other nodes in its place."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from ..errors import GraphError, ShapeError
from .exits import ask
from .node import describe, toposort
from .records import NUMBERS, OFFERED, Op, Rule
from .tensor import Tensor

Apply: TypeAlias = Callable[[Tensor, Sequence[Any]], Any]
"""``apply(node, inputs)`` returns what stands for a node, given what stands for its inputs."""


def replay(
    order: Sequence[Tensor],
    apply: Apply,
    known: Mapping[Tensor, Any] | None = None,
    keep: Sequence[Tensor] | None = None,
) -> dict[Tensor, Any]:
    """Return what stands for each node of a graph when its operations are applied again.

    `order` is topological. `known` has what stands for some of the nodes, to which nothing is applied; any other leaf
    stands for itself. With `keep`, what stands for another node is dropped as soon as its last reader is done.

    >>> import tinygraph as tg
    >>> from tinygraph.graph.replaying import replay
    >>> x = tg.parameter(2.0)
    >>> y = x * x + 1
    >>> replay(tg.toposort(y), lambda node, inputs: f"{node.op.name}({', '.join(map(str, inputs))})", {x: "x"})[y]
    'add(multiply(x, x), 1)'
    """
    found: dict[Tensor, Any] = dict(known or {})
    last_readers = {} if keep is None else {x: node for node in order for x in tensors_of(node)}
    for x in keep or ():
        last_readers.pop(x, None)
    for node in order:
        if node in found:
            continue
        if node.op is None:
            found[node] = node
            continue
        found[node] = apply(node, [found[x] if isinstance(x, Tensor) else x for x in node.inputs])
        if last_readers:
            for x in set(tensors_of(node)):
                if last_readers.get(x) is node:
                    del found[x]
    return found


def tensors_of(node: Tensor) -> list[Tensor]:
    """Return the inputs of a node that are tensors."""
    return [x for x in node.inputs if isinstance(x, Tensor)]


def function_of(op: Op, xp: Any) -> Rule:
    """Return the function that applies an op in an array namespace.

    With numbers it computes, with `tinygraph.ops` it records a node of the same op; in any other namespace it is the
    op's forward rule.
    """
    if xp is NUMBERS:
        return op.run
    if xp is OFFERED.nodes:
        return op.apply
    return partial(op.forward, xp)


def computed_again(
    outputs: Sequence[Tensor], order: Sequence[Tensor], known: Mapping[Tensor, Any], xp: Any
) -> list[Any]:
    """Return the outputs of a graph, with their topological order, computed from what is known in a namespace.

    Leaves that are not known are given as their values, where the namespace does not take nodes.
    """

    def apply(node: Tensor, inputs: Sequence[Any]) -> Any:
        assert node.op is not None
        return function_of(node.op, xp)(*inputs, **node.params)

    if xp is NUMBERS or hasattr(xp, "asarray"):
        known = {x: x._value for x in order if x.op is None and x not in known} | dict(known)
    found = replay(order, apply, known)
    return [found[output] for output in outputs]


def evaluate(outputs: Sequence[Tensor], values: Mapping[Tensor, Any] | None = None, xp: Any = NUMBERS) -> list[Any]:
    """Return the values of `outputs`, computed anew from their leaves.

    `values` replaces the values of some nodes, by default of none; what they were computed from is then not needed.
    `xp` is the array namespace to compute in: numbers; `tinygraph.ops`, which records a new graph; or any other with
    the Array API's names that has the ops of this graph.

    Raises `ShapeError` where a replacement has another shape than the node that it stands for, `GraphError` where a
    node that is read through another, as a probability through its logit, is replaced without that.

    >>> import tinygraph as tg
    >>> from tinygraph.graph.replaying import evaluate
    >>> x = tg.parameter(2.0)
    >>> y = x * x + 1
    >>> evaluate([y], {x: np.float64(3.0)})
    [np.float64(10.0)]
    """
    if xp is NUMBERS:
        for output in outputs:
            ask(output, "an evaluation")
    replaced = {node: x if isinstance(x, Tensor) else np.asarray(x)[()] for node, x in (values or {}).items()}
    for node, value in replaced.items():
        if value.shape != node.shape:
            raise ShapeError(f"{describe(node)} has shape {node.shape}; {value.shape} cannot stand for it")
    order = toposort(*outputs, stop=replaced)
    for node in order:
        if node.op is not None and node.op.aside and node not in replaced:
            _refuse_to_read_past(node, replaced)
    return computed_again(outputs, order, replaced, xp)


def _refuse_to_read_past(node: Tensor, replaced: Collection[Tensor]) -> None:
    """Refuse to compute a node that would read what a replaced input was computed from."""
    assert node.op is not None
    for i, j in node.op.aside.items():
        if node.inputs[i] in replaced and node.inputs[j] not in replaced:
            given, carrier = describe(node.inputs[i]), describe(node.inputs[j])
            raise GraphError(f"{describe(node)} reads {carrier} in place of {given}: replace {carrier} too")
