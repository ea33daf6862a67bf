"""Why a gradient is None, zero, NaN, tiny or huge, or why a value is NaN: in sentences, with the evidence."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Iterator
from sys import _getframe

from ..findings import norm
from ..graph import Tensor
from .case import Case, Cause, amount, elements, sentence
from .gradients import of_gradient
from .missing import of_constant, of_path, of_state
from .values import of_value

__all__ = ["Answer", "why"]

_WIDTH = 100


class Answer:
    """What `why` has found: `text` to read, and `causes` one by one; there are none where nothing is wrong."""

    def __init__(self, heading: str, causes: Iterable[Cause] = ()) -> None:
        self.heading = heading
        """What is asked about."""
        self.causes = list(causes)

    @property
    def text(self) -> str:
        """The sentences, each with the line of source that it is about."""
        lines = textwrap.wrap(self.heading, _WIDTH)
        shown = set()
        for cause in self.causes:
            lines += textwrap.wrap(cause.sentence, _WIDTH)
            site = cause.tensor.site
            if site.source and site.where not in shown:
                shown.add(site.where)
                lines.append(f"    {site.where}   {site.source}")
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.text

    __repr__ = __str__


def why(t: Tensor, of: Tensor | None = None) -> Answer:
    """Why the gradient of `t` is None, zero, NaN, infinite, tiny or huge, or that it is fine; in sentences.

    Where the value of `t` itself is NaN or infinite, where that began. `of` is the loss that the gradient is of;
    without it, that is the youngest scalar among your variables that was computed from `t`. Before `backward` the
    gradient is computed for the answer, and left nowhere.

    Raises `TypeError` for what is no tensor.

    >>> w, x = tg.parameter([[1.0, -1.0]], name="w"), tg.Tensor(np.ones((2, 10)), name="x")
    >>> a = tg.relu(w @ x - 1.0)
    >>> J = tg.mean((a - 1.0) ** 2)
    >>> J.backward()
    >>> tg.why(w, of=J).causes[0].key
    'dead'
    """
    if not isinstance(t, Tensor):
        raise TypeError(f"why asks about a tensor, not about {type(t).__name__}")
    if of is not None and not isinstance(of, Tensor):
        raise TypeError(f"of= is the tensor that the gradient is of, not {type(of).__name__}")
    return _answer(Case(t, of, _getframe(1)))


def _answer(case: Case) -> Answer:
    t, loss, label = case.t, case.loss, sentence(case.label(case.t))
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
    """Where a value began; of a parameter that an update has spoilt, where the gradient did."""
    t, loss = case.t, case.loss
    yield from of_value(case, t)
    spoilt = t.op is None and t.grad is not None and not math.isfinite(norm(t.grad))
    if spoilt and loss is not None and not [*of_path(case, loss)]:
        case.examine(loss)
        if math.isfinite(norm(case.seen.values[t])):
            yield from of_gradient(case, loss)


def _without_loss(case: Case) -> Answer:
    label, g = case.label(case.t), case.t.grad
    say = f"Say of which loss, as in why({label}, of=J)."
    if g is None:
        cause = Cause("unknown loss", case.t, f"Nothing among your variables was computed from {label}. {say}")
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
        return f"{name} is {'fine' if fine else 'there'}: {case.label(t)} is where the way back begins."
    return f"{name} is {'fine' if fine else 'there'}: {case.size(t, size)}. It comes by {case.path()}."
