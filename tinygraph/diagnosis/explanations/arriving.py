"""The causes of a gradient that arrives and yet is zero, not finite, out of scale, or the same for all units."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ...graph.node import toposort
from ...graph.tensor import Tensor
from ...writing.notation import number
from ..anomaly import propagated_to_inputs
from ..findings import Finding, norm
from .answers import Cause
from .case import MOST, Case, cut, descendants, sentence
from .values import advice, of_value, where

_TINY = 1e-9
"""A limit for the average element: no step of this size changes a weight in float32."""
_HUGE = 1e3
"""A limit for the norm of a gradient: beyond it, steps at any usual learning rate are larger than the weights."""
_ROUNDING = 1e-12
"""A sum smaller than this part of its terms has cancelled."""
_STEEP = 10.0
"""The ops of one kind are named if together they change a gradient by more than this factor."""
_AT_RANDOM = "Draw the weights at random, as with tg.init.xavier."

_ADVICE = {
    "dead": " Try: tg.leaky_relu, or a smaller learning rate.",
    "vanishing": " Try: relu, whose slope is 1; weights from tg.init; fewer steps in a row.",
    "exploding": " Try: smaller weights to begin with, or clipping the gradient.",
    "huge": " Try: data with mean 0 and variance 1, a mean in place of a sum, or smaller weights to begin with.",
}


def of_gradient(case: Case, loss: Tensor) -> Iterator[Cause]:
    """Yield the causes of whatever is wrong with the gradient that arrives."""
    g = case.arrived
    size = norm(g)
    about = {finding.key: finding for finding in case.seen[case.t]}
    scale = about.get("vanishing") or about.get("exploding")
    tiny = 0 < size < _TINY * math.sqrt(g.size)
    if not math.isfinite(size):
        yield from _not_finite(case, loss, about.get("gradient nan") or about.get("gradient infinite"))
    elif "zero" in about:
        yield from _zero(case, about["zero"])
    elif scale is not None:
        yield _scale(case, scale.key, scale.begins)
    elif tiny and _cancels(case, size):
        without = f"{case.label(loss)} does not depend on {case.label(case.t)}"
        say = f"The contributions to {case.gradient(case.t)} add up to 0, except for rounding: {without}."
        yield Cause("cancels", case.t, say)
    elif (tiny or size > _HUGE) and case.t is not loss:
        yield _scale(case, "tiny" if tiny else "huge", loss)
    if "copies" in about:
        yield _copies(case, about["copies"])
    if math.isfinite(size) and "zero" not in about:
        way = descendants(case.t, [loss])
        flat = [f for f in case.seen.findings if f.key in ("dead", "saturated") and f.tensor in way]
        yield from (_flat(case, f) for f in [f for f in flat if tiny or f.tensor in case.seen.hidden][:MOST])


def _cancels(case: Case, size: float) -> bool:
    """Return whether the contributions to a gradient cancel: whether they are far larger than their sum."""
    readers = [r for r in case.seen.senders.get(case.t, ()) if r in case.seen.cotangents]
    parts = [
        float(np.abs(part).sum())
        for reader, g in case.seen.sent(readers)
        for i, part in propagated_to_inputs(reader, g)
        if reader.inputs[i] is case.t
    ]
    return size < _ROUNDING * sum(parts)


def _not_finite(case: Case, loss: Tensor, finding: Finding | None) -> Iterator[Cause]:
    if finding is None:
        say = (
            f"The gradient from {case.label(loss)} is finite: an earlier backward left this in .grad,"
            " to which each backward adds."
        )
        yield Cause("added up", case.t, say)
        return
    x, values = finding.begins, case.seen.values
    if not math.isfinite(norm(values[loss])):
        yield from of_value(case, loss)
        return
    readers = case.seen.senders.get(x, [])
    anomaly = case.seen.anomaly(x)
    if anomaly is not None:
        reader = next((r for r in readers if r.site is anomaly.site), x)
        yield Cause("infinite slope", reader, f"{where(anomaly)}{advice(anomaly)}")
        if anomaly.hidden:
            broken = [y for y in reader.inputs if type(y) is Tensor and not math.isfinite(norm(values[y]))]
            for y in broken[:1]:
                yield from of_value(case, y)
        return
    for node in [*readers, *(y for r in readers for y in r.inputs if type(y) is Tensor)]:
        if not math.isfinite(norm(values[node])):
            yield from of_value(case, node)
            return
    yield Cause("infinite slope", x, f"It begins in {case.gradient(x)}.")


def _zero(case: Case, finding: Finding) -> Iterator[Cause]:
    """Yield the op at which the gradient becomes 0, and the value that makes it 0."""
    if finding.obstacle is None:
        yield Cause("flat", finding.begins, f"The gradient that comes back to {case.label(finding.begins)} is 0.")
        return
    reason, reader, target, culprit = finding.obstacle
    by, of, other = sentence(case.label(reader)), case.label(target), case.label(culprit)
    assert reader.op is not None
    name, text = reader.op.name, cut(reader.site.text) or reader.op.name
    through = f"{by} lets nothing through to {of}"
    if reason == "dead":
        flat = next((f for f in case.seen[reader] if f.key == "dead" and f.what == "units"), None)
        of_all = (
            f"all {flat.part} units and all {case.seen.examples[reader]} examples"
            if flat
            else "all elements that get a gradient"
        )
        say = f"{through}: {name} is 0 for {of_all}, and flat there (dead).{_ADVICE[reason]}"
    elif reason == "saturated":
        say = f"{through}: the inputs of {name} are so far out that its slope is 0 (saturated)."
    elif reason == "level":
        say = f"{through}: {text} is constant between its jumps."
    elif reason == "times zero" and culprit is target:
        say = f"The derivative of {case.label(reader)} is proportional to {of}, which is 0."
    elif reason == "times zero":
        say = f"In {case.label(reader)} the gradient of {of} is multiplied by {other}, which is 0."
        if culprit.op is None and culprit.requires_grad:
            reason, say = "zero weights", f"{say} {_AT_RANDOM}"
    elif reason == "not chosen":
        say = f"{by} takes no element of {of}{f': {other} never chooses one' if culprit is not reader else ''}."
    elif reason == "not used":
        say = f"The part of {case.label(reader)} that comes from {of} is not used."
    elif reason == "cancels":
        say = f"The contributions to {case.gradient(target)} add up to 0."
    else:
        say = f"The derivative of {case.label(reader)} with respect to {of} is 0 here."
    yield Cause(reason, reader, say)
    if reason == "times zero" and culprit is not target:
        yield from _zero_value(case, culprit)


def _zero_value(case: Case, x: Tensor) -> Iterator[Cause]:
    """Yield the causes of a value that is 0: dead units, or weights that are all 0."""
    yield from (_flat(case, f) for f in case.seen[x] if f.key == "dead")
    for node in toposort(x):
        for y in node.inputs if node.op is not None and node.op.kind in ("contraction", "convolution") else ():
            if type(y) is Tensor and y.op is None and y.requires_grad and not np.any(case.seen.values[y]):
                yield Cause(
                    "zero weights", y, f"{sentence(case.label(y))} is 0, and so is {case.label(x)}. {_AT_RANDOM}"
                )


def _flat(case: Case, finding: Finding) -> Cause:
    x = finding.tensor
    assert x.op is not None
    units = finding.what == "units"
    some = "all" if finding.part == finding.whole else f"{finding.part} of"
    which = f"{some} {finding.whole} {finding.what}{f', over {case.seen.examples[x]} examples' if units else ''}"
    if finding.key == "dead":
        say = f"{x.op.name} is 0 in {which} (dead): no gradient goes through them.{_ADVICE['dead']}"
    else:
        say = f"{x.op.name} is flat in {which} (saturated): less than a twentieth of the gradient goes through."
    return Cause(finding.key, x, f"{sentence(case.label(x))}: {say}")


def _copies(case: Case, finding: Finding) -> Cause:
    label, g = case.label(finding.tensor), case.gradient(finding.tensor)
    units = f"All {finding.whole}" if finding.part == finding.whole else f"{finding.part} of {finding.whole}"
    say = f"{units} units have the same weights in {label} and the same gradient in {g}, so they stay copies."
    return Cause("copies", finding.tensor, f"{say} {_AT_RANDOM}")


def _scale(case: Case, key: str, other: Tensor) -> Cause:
    """Return the cause that names the ops by which a gradient has grown or shrunk on its way from `other`."""
    norms, x = case.seen.norms, case.t
    on_the_way = set(toposort(other))
    steps: dict[str, list[tuple[Tensor, float]]] = {}
    while x is not other and x in norms:
        readers = [r for r in case.seen.senders.get(x, ()) if norms.get(r) and r in on_the_way]
        if not readers:
            break
        reader: Any = max(readers, key=norms.__getitem__)
        steps.setdefault(reader.op.name, []).append((reader, math.log(norms[x] / norms[reader])))
        x = reader
    sign, word = (-1, "shrinks") if key in ("vanishing", "tiny") else (1, "grows")
    total = {name: sign * sum(factor for _, factor in of_kind) for name, of_kind in steps.items()}
    steep = sorted((name for name in total if total[name] > math.log(_STEEP)), key=lambda name: -total[name])[:MOST]
    by = " and ".join(_factor(name, [factor for _, factor in steps[name]]) for name in steep)
    begins = _shown(case, other)
    sizes = f"{case.size(begins, norms[other])}, {case.size(case.t, norm(case.arrived))}"
    say = f"The gradient {word} on its way from {case.label(begins)}: {sizes}{f', by {by}' if by else ''}."
    return Cause(key, steps[steep[0]][0][0] if steep else other, f"{say}{_ADVICE.get(key, '')}")


def _factor(name: str, logs: Sequence[float]) -> str:
    each = number(float(f"{math.exp(sum(logs) / len(logs)):.2g}"))
    return f"{name} ({each} ×)" if len(logs) == 1 else f"{len(logs)} times {name} ({each} × each)"


def _shown(case: Case, x: Tensor) -> Tensor:
    """Return the named reader of an unnamed tensor that has a gradient of the same size, or else the tensor itself."""
    for reader in case.seen.senders.get(x, ()):
        if (
            not case.names.get(x)
            and case.names.get(reader)
            and math.isclose(case.seen.norms[reader], case.seen.norms[x])
        ):
            return reader
    return x
