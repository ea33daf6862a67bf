"""The kinds of question: about a value, about a gradient that is missing, or about one that arrives."""

from __future__ import annotations

import math
from collections.abc import Iterator
from types import FrameType

from ...graph.tensor import Tensor
from ..findings import norm
from .answers import Answer, Cause
from .arriving import of_gradient
from .case import Case, amount, elements, sentence
from .missing import of_constant, of_path, of_state
from .values import of_value


def answer(t: Tensor, of: Tensor | None, frame: FrameType) -> Answer:
    """Return the answer about `t`, for the code that runs in `frame`."""
    case = Case(t, of, frame)
    loss, label = case.loss, sentence(case.label(t))
    if not math.isfinite(norm(t._seen)):
        return Answer(f"{label} is {amount(t._seen)}.", _of_value(case))
    if t.grad is None and (causes := list(of_constant(case, t))):
        return Answer(f"{label} has no gradient.", causes)
    if loss is None:
        return _without_loss(case)
    if causes := list(of_path(case, loss)):
        return Answer(f"{label} gets no gradient from {case.label(loss)}.", causes)
    case.examine(loss)
    causes = [*of_state(case, loss), *of_gradient(case, loss)]
    return Answer(_heading(case, fine=not causes), causes)


def _of_value(case: Case) -> Iterator[Cause]:
    """Yield where NaN or infinity began in a value; for a parameter that an update has spoilt, also in its gradient."""
    t, loss = case.t, case.loss
    yield from of_value(case, t)
    spoilt = t.op is None and t.grad is not None and not math.isfinite(norm(t.grad))
    if spoilt and loss is not None and not [*of_path(case, loss)]:
        case.examine(loss)
        if math.isfinite(norm(case.seen.values[t])):
            yield from of_gradient(case, loss)


def _without_loss(case: Case) -> Answer:
    label, g = case.label(case.t), case.t.grad
    say = f"Say which loss you mean, as in why({label}, of=J)."
    if g is None:
        cause = Cause("unknown loss", case.t, f"None of your variables was computed from {label}. {say}")
        return Answer(f"{label}.grad is None.", [cause])
    size = norm(g)
    what = case.size(case.t, size) if math.isfinite(size) else f"{case.gradient(case.t)} is {amount(g)}"
    return Answer(f"{sentence(what)}. {say}")


def _heading(case: Case, fine: bool) -> str:
    t, g = case.t, case.arrived
    size, name = norm(g), sentence(case.gradient(t))
    if t.grad is None:
        return f"{case.label(t)}.grad is None."
    if not math.isfinite(size):
        return f"{name} is {amount(g)}."
    if size == 0 and g.size:
        return f"{name} is 0 in all of its {elements(g.size)}."
    if t is case.loss:
        return f"{name} is {'fine' if fine else 'there'}: the backward pass begins at {case.label(t)}."
    return f"{name} is {'fine' if fine else 'there'}: {case.size(t, size)}. It comes via {case.path()}."
