"""The causes of a value that is NaN or infinite."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ...graph.node import toposort
from ...graph.tensor import Tensor
from ...graph.walking import values_read
from ...writing.notation import number
from ..anomaly import Anomaly, anomaly_in_value
from ..findings import norm
from .answers import Cause
from .case import MOST, Case, amount, largest, sentence

_GROWN = 1e6
"""A limit for weights, which no initialisation and no sound step reaches."""

_KINDS = {
    "log of 0": "This is the logarithm of 0.",
    "division by 0": "This is a division by 0.",
    "overflow": "The result is too large for a number.",
    "undefined": "The function is not defined there.",
}


def of_value(case: Case, x: Tensor) -> Iterator[Cause]:
    """Yield where the elements of a value that are not finite began."""
    values = values_read(toposort(x))
    births, steps = _births(x, values)
    for node, anomaly in births[:MOST]:
        yield _birth(case, node, anomaly, values[node])
    for node, anomaly in steps[:1]:
        yield Cause("nan of infinities", node, f"{where(anomaly)} Infinities become NaN here.")
    if any(node.op is not None for node, _ in births):
        yield from _grown(case, values)


def where(anomaly: Anomaly) -> str:
    """Return ``In log(A2), 1 of 3 elements is -inf, …``."""
    return f"In {anomaly.text}, {anomaly.reason}."


def advice(anomaly: Anomaly) -> str:
    """Return the hints of an anomaly as sentences, or an empty text."""
    return "".join(f" Try: {hint}." for hint in anomaly.hints)


def _births(
    x: Tensor, values: Mapping[Tensor, Any]
) -> tuple[list[tuple[Tensor, Anomaly | None]], list[tuple[Tensor, Anomaly]]]:
    """Return the nodes in which values that are not finite began, and those that made NaN from infinities.

    Such values begin in ops on finite operands, with an anomaly, and in leaves and literals, without one.
    """
    births: list[tuple[Tensor, Anomaly | None]] = []
    steps: list[tuple[Tensor, Anomaly]] = []
    seen, stack = {x}, [x]
    while stack:
        node = stack.pop()
        anomaly = anomaly_in_value(node) if node.op is not None else None
        bad = {y for y in node.inputs if type(y) is Tensor and not math.isfinite(norm(values[y]))}
        if anomaly is not None or not bad:
            births.append((node, anomaly))
            continue
        if (made := anomaly_in_value(node, _is_number)) is not None:
            steps.append((node, made))
        stack += bad - seen
        seen |= bad
    return sorted(births, key=lambda pair: pair[0].age), sorted(steps, key=lambda pair: pair[0].age)


def _is_number(x: Any) -> Any:
    return ~np.isnan(x)


def _birth(case: Case, node: Tensor, anomaly: Anomaly | None, value: Any) -> Cause:
    if anomaly is not None:
        key = _kind(node, anomaly)
        return Cause(key, node, f"{where(anomaly)} {_KINDS.get(key, f'This is a {key}.')}{advice(anomaly)}")
    label, what = sentence(case.label(node)), amount(value)
    if node.op is not None:
        return Cause("literal", node, f"{label} is {what}: the source contains an infinity.")
    if node.requires_grad:
        say = f"{label} is itself {what}: this was written to it, perhaps by an update. Try: a smaller learning rate."
        return Cause("weights", node, say)
    return Cause("data", node, f"{label} is itself {what}: the data contains it.")


def _kind(node: Tensor, anomaly: Anomaly) -> str:
    assert node.op is not None
    undefined = bool(np.isnan(np.asarray(anomaly.value)[anomaly.bad]).any())
    if node.op.divisor is not None:
        at_pole = bool(np.any((np.asarray(node._args[node.op.divisor]) == 0) & anomaly.bad))
    else:
        at_pole = not undefined
    if node.op.pole and at_pole:
        return node.op.pole
    return "undefined" if undefined else "overflow"


def _grown(case: Case, values: Mapping[Tensor, Any]) -> Iterator[Cause]:
    """Yield the parameters that have grown larger than any sound step makes them."""
    for node, value in values.items():
        if node.op is None and node.requires_grad and _GROWN < (size := largest(value)) < math.inf:
            say = f"{sentence(case.label(node))} has grown to ±{number(size)}. Try: a smaller learning rate."
            yield Cause("grown weights", node, say)
