"""The causes of a missing gradient: the tensor itself, an op on the way, or what was done before."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ...graph.node import toposort
from ...graph.tensor import Tensor
from ...writing.notation import number
from ..findings import norm
from .answers import Cause
from .case import MOST, Case, cut, largest, listed, origin, parsed, sentence


def of_constant(case: Case, x: Tensor) -> Iterator[Cause]:
    """Yield why a tensor does not require a gradient, if it does not."""
    label = sentence(case.label(x))
    before = [y for y in x.inputs if type(y) is Tensor and y.requires_grad]
    if before and not x.requires_grad:
        yield _end(case, x, before[0])
    elif x.dtype.kind != "f":
        yield Cause("integer", x, f"{label} holds {x.dtype}, and only floating-point numbers have a gradient.")
    elif x.op is None and not x.requires_grad:
        yield _leaf(case, x)
    elif x.op is not None and not x.requires_grad:
        leaves = [y for y in toposort(x) if y.op is None]
        of = listed([case.label(y) for y in leaves])
        yield Cause(
            "constant", x, f"{label} does not depend on anything that requires a gradient: it was computed from {of}."
        )
        yield from (_leaf(case, y) for y in leaves[:MOST] if origin(y))


def of_path(case: Case, loss: Tensor) -> Iterator[Cause]:
    """Yield why no gradient can come from the loss, if none can."""
    t, label, whole = case.t, case.label(case.t), sentence(case.label(loss))
    if case.leads_to_loss:
        yield from _ends(case, loss, case.reading.order)
        return
    if loss.op is None:
        yield _leaf(case, loss)
        return
    order = toposort(loss)
    leaves = [x for x in order if x.op is None]
    apart = [x for x in leaves if not x.requires_grad and _model(case, x) is not None]
    twins = [x for x in order if t.name and x.name == t.name]
    yield from (_leaf(case, x) for x in apart[:MOST])
    for x in twins[:1]:
        made = f"made {'before' if x.age < t.age else 'after'} this one ({t.site.where})"
        yield Cause("another tensor", x, f"{whole} was computed from another tensor that is called {t.name}, {made}.")
    if not apart and not twins:
        of = listed([case.label(x) for x in leaves if case.names.get(x)])
        yield Cause("no path", loss, f"{whole} does not depend on {label}. It was computed from {of}.")
        yield from (_leaf(case, x) for x in [x for x in leaves if origin(x)][:MOST])


def of_state(case: Case, loss: Tensor) -> Iterator[Cause]:
    """Yield the causes in what the program did: no backward has run, or ``.grad`` was not kept, reset or added to."""
    t, g, label, whole = case.t, case.t.grad, case.label(case.t), case.label(loss)
    ran = loss._used is not None if loss.op is not None else loss.grad is not None
    size = norm(case.arrived)
    it = case.size(t, size) if math.isfinite(size) else "a norm that is not finite"
    way = "" if t is loss else f", via {case.path()}"
    if g is None and not ran:
        say = f"No backward has run on {whole} yet. {whole}.backward() will leave a gradient with {it}{way}."
        yield Cause("no backward", loss, say)
    elif g is None and t.op is not None and loss.grad is None and t is not loss:
        say = f"backward has run on {whole} with retain_grads=False, which keeps the gradients of leaves only."
        yield Cause("not kept", t, f"{say} The gradient had {it}{way}.")
    elif g is None:
        say = f"backward has run on {whole}, and {label}.grad has been set to None since, as usual between steps."
        yield Cause("reset", t, f"{say} The gradient had {it}{way}.")
    elif t.op is None and not ran:
        say = f"{label}.grad comes from an earlier backward. {whole}.backward() will add to it"
        yield Cause("stale", t, f"{say}; set {label}.grad = None first.")
    elif t.op is None:
        yield from _sum(case, loss, g)


def _sum(case: Case, loss: Tensor, g: Any) -> Iterator[Cause]:
    """Yield a cause if ``.grad`` of a leaf is not the gradient of this loss alone."""
    one = np.asarray(case.seen.gradients[case.t])
    if _is_close(g, one):
        return
    label, whole = case.label(case.t), case.label(loss)
    square = float(np.vdot(one, one))
    factor = float(np.vdot(one, g)) / square if 0 < square < math.inf else math.nan
    times = math.isfinite(factor) and _is_close(g, factor * one)
    what = f"{number(factor)} times the gradient of {whole}" if times else f"not the gradient of {whole} alone"
    say = f"{label}.grad is {what}: {case.size(case.t, norm(g))}, and {number(norm(one))} from {whole} alone."
    if times and loss.grad is not None and loss.shape == () and not _is_close(loss.grad, 1.0):
        reason = (
            f"{whole}.grad is {number(float(loss.grad))}: backward has run more than once, or on more than {whole}."
        )
    elif times and factor > 1.5 and _is_close(factor, round(factor)):
        reason = f"backward adds to .grad; set {label}.grad = None before each backward."
    else:
        reason = f"Another backward has added to it, or it was changed; set {label}.grad = None before each backward."
    yield Cause("added up", case.t, f"{say} {reason}")


def _is_close(a: Any, b: Any) -> bool:
    digits = 1e-6 if np.asarray(a).dtype == np.float64 else 1e-3
    return bool(np.allclose(a, b, rtol=digits, atol=float(np.nan_to_num(digits * largest(b))), equal_nan=True))


def _leaf(case: Case, x: Tensor) -> Cause:
    """Return the reason why a leaf gets no gradient."""
    label, text, model, made = sentence(case.label(x)), cut(x.site.text), _model(case, x), origin(x)
    if made == "no_grad":
        say = f"{label} is a constant: {text} was computed within no_grad, where nothing is recorded."
        return Cause("no_grad", x, say)
    if made == "detach" or model is not None:
        of = f" from {case.label(model)}" if model is not None else ""
        return Cause("detached", x, f"{label} is cut off{of}: {text or 'it'} keeps no history.")
    if x.site.anonymous:
        return Cause("constant", x, f"{label} is a constant.")
    say = f"{label} does not require a gradient, so none is computed for it. This is right for data."
    return Cause("constant", x, f"{say} Tensors to be learned are made with tg.parameter(…).")


def _model(case: Case, leaf: Tensor) -> Tensor | None:
    """Return `t` or a tensor computed from it whose array a constant shares or whose name its source has, or None."""
    text = parsed(leaf.site.text)
    words = {node.id for node in ast.walk(text) if isinstance(node, ast.Name)} if text is not None else set()
    for x in sorted(case.descendants, key=lambda x: -x.age):
        if x is not leaf and (x._seen is leaf._seen or (case.variables.get(x) or x.name) in words):
            return x
    return None


def _ends(case: Case, loss: Tensor, order: Sequence[Tensor]) -> Iterator[Cause]:
    """Yield where the paths from `t` to the loss end, if no path lets a gradient through."""
    reached, ends = {case.t}, []
    for node in order:
        for i, x in enumerate(node.inputs):
            if type(x) is Tensor and x in reached:
                op: Any = node.op
                if node.requires_grad and op.has_rule(i):
                    reached.add(node)
                elif x.requires_grad:
                    ends.append(_end(case, node, x))
    if loss not in reached:
        yield from ends[:MOST]


def _end(case: Case, node: Tensor, x: Tensor) -> Cause:
    """Return why no gradient goes on from a node to one of its inputs, whatever their values."""
    op: Any = node.op
    label, of = sentence(case.label(node)), case.label(x)
    if op.kind == "shape":  # it has the same numbers, and so a derivative
        return Cause("stop_gradient", node, f"{label} lets no gradient through to {of}: stop_gradient stops it.")
    holds = f" holds {node.dtype}: it" if node.dtype.kind != "f" else ""
    say = f"{label}{holds} changes only in jumps with {of}, because of {op.name}, and has no derivative."
    return Cause("no derivative", node, say)
