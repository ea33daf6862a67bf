"""Running a recorded graph again, with other data or in another array namespace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import GraphError, ShapeError
from .records import NUMBERS
from .tensor import Tensor, ask, describe, toposort


def evaluate(outputs: Sequence[Tensor], values: Mapping[Tensor, Any] | None = None, xp: Any = NUMBERS) -> list[Any]:
    """The values of `outputs`, computed anew from their leaves.

    `values` replaces the values of some nodes, by default of none; what they were computed from is then not needed.
    `xp` is the array namespace to compute in: numbers; `tinygraph.ops`, which records a new graph; or any other with
    the Array API's names that has the ops of this graph.

    Raises `ShapeError` where a replacement has another shape than the node that it stands for, `GraphError` where a
    node that is read through another, as a probability through its logit, is replaced without that.

    >>> import tinygraph as tg
    >>> from tinygraph.graph.evaluating import evaluate
    >>> x = tg.parameter(2.0)
    >>> y = x * x + 1
    >>> evaluate([y], {x: np.float64(3.0)})
    [np.float64(10.0)]
    """
    if xp is NUMBERS:
        for output in outputs:
            ask(output, "an evaluation")
    known = {node: x if isinstance(x, Tensor) else np.asarray(x)[()] for node, x in (values or {}).items()}
    replaced = set(known)
    for node, value in known.items():
        if value.shape != node.shape:
            raise ShapeError(f"{describe(node)} has shape {node.shape}; {value.shape} cannot stand for it")
    for node in toposort(*outputs, stop=known.copy()):
        if node in known:
            continue
        if node.op is None:
            known[node] = node if xp is not NUMBERS and not hasattr(xp, "asarray") else node._value
        else:
            for i, j in node.op.aside.items():
                if node.inputs[i] in replaced and node.inputs[j] not in replaced:
                    given, carrier = describe(node.inputs[i]), describe(node.inputs[j])
                    raise GraphError(f"{describe(node)} reads {carrier} in place of {given}: replace {carrier} too")
            inputs = [known[x] if isinstance(x, Tensor) else x for x in node.inputs]
            run = node.op.run if xp is NUMBERS else node.op.forward
            known[node] = run(*inputs, **node.params) if xp is NUMBERS else run(xp, *inputs, **node.params)
    return [known[output] for output in outputs]
