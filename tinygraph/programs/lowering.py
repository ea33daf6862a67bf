"""A graph rewritten to ops that are one call of NumPy each, with the fewest and the quickest calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..algebra.rewriting import over, rewritten
from ..graph.node import toposort
from ..graph.tensor import Tensor
from ..graph.walking import readers_of
from ..writing.numpy_source import LARGEST_CONSTANT
from . import numpy_target


def lowered(outputs: Sequence[Tensor], names: dict[Tensor, str], *notes: dict[Tensor, Any]) -> list[Tensor]:
    """Return the outputs by ops that are one call of NumPy each, equal ones only once. Names and notes are kept."""
    ones: dict[Any, Tensor] = {}
    equal: dict[Any, Tensor] = {}

    def apply(node: Tensor, inputs: Sequence[Any]) -> Tensor:
        made = numpy_target.written_out(node, inputs)
        return over(node, inputs) if made is None else made

    def share(node: Tensor, inputs: Sequence[Any]) -> Tensor:
        constant = all(x.op is None and x not in names for x in inputs if isinstance(x, Tensor))
        if constant and node.size <= LARGEST_CONSTANT:
            return Tensor(node._value)  # computed before the program runs
        operands = [_identity(x, names) for x in inputs]
        assert node.op is not None
        if node.op.arithmetic == "sum" or node.op.arithmetic == "product":  # x + y is y + x
            operands.sort(key=repr)
        key = (node.op, tuple(operands), repr(node.params))
        return equal.setdefault(key, over(node, inputs))

    def contract(node: Tensor, inputs: Sequence[Any]) -> Tensor:
        made = numpy_target.contracted(node, inputs, needed, ones)
        return over(node, inputs) if made is None else made

    for change in (apply, share, contract):
        order = toposort(*outputs)
        needed = {x for x, by in readers_of(order).items() if len(by) > 1} | set(outputs) | set(names)
        with np.errstate(all="ignore"):  # the user has been warned of the numbers traced
            new = rewritten(order, change, names, *notes)
        outputs = [new[output] for output in outputs]
    return list(outputs)


def _identity(x: Any, names: Mapping[Tensor, str]) -> Any:
    """Return a key that equal operands share: numbers are equal by value, other tensors by identity."""
    if not isinstance(x, Tensor):
        return repr(x)
    number = x.op is None and x.shape == () and x not in names
    return (repr(x._value.item()), x.dtype) if number else id(x)
