"""The question: a tensor, the loss whose gradient is meant, and the names for things in the answer."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from types import FrameType
from typing import Any

import numpy as np

from ...autodiff.traversal import computed
from ...graph.node import describe, toposort
from ...graph.records import FUNCTIONS
from ...graph.tensor import Tensor
from ...graph.threads import syntax_tree
from ...reading import Reading
from ...writing.names import variables_of
from ...writing.notation import number
from ..findings import Examination

_LONGEST_LABEL = 40
_LONGEST_PATH = 8
MOST = 3
"""The most causes of one kind that an answer names."""


class Case:
    """A tensor, the loss whose gradient is asked about, and the variables of the asking code."""

    seen: Examination
    """The graph of the loss, once it is known that a gradient comes from there."""

    def __init__(self, t: Tensor, of: Tensor | None, frame: FrameType) -> None:
        self.t = t
        self.variables = variables_of(frame)
        self.descendants = descendants(t, [x for x in self.variables if x.age > t.age])
        """`t` and the tensors that were computed from it on the way to the variables."""
        self.loss = of if of is not None else self._presumed_loss()
        order = toposort(t if self.loss is None else self.loss)
        self.leads_to_loss = t in set(order)
        """Whether the loss was computed from `t`."""
        self.reading = Reading(order if self.leads_to_loss else toposort(t, order[-1]), frame)
        """The graph of the loss, together with the graph of `t` if the loss was not computed from it."""
        self.names = {**self.reading.names, t: t.name or self.variables.get(t) or self.reading.names.get(t, "")}

    def examine(self, loss: Tensor) -> None:
        """Examine the graph of the loss. If it is an array, its ``.grad`` is sent back, or ones if it has none."""
        seed = None if loss.shape == () else loss.grad
        self.seen = Examination(self.reading, np.ones(loss.shape, loss.dtype) if seed is None and loss.shape else seed)

    def _presumed_loss(self) -> Tensor | None:
        """Return the youngest scalar computed from `t`, if possible one that a backward has used.

        If there is none, return the youngest of the scalars made after `t`, or of the other results computed from `t`,
        or `t` itself if it is a result, or the youngest scalar. Return None if there are none of these.
        """
        results = [x for x in self.variables if x.dtype.kind == "f" and (x.op is not None or origin(x))]
        scalars = [x for x in results if x.shape == ()]
        from_t = [x for x in results if x in self.descendants]
        scalars_from_t = [x for x in from_t if x.shape == ()]
        used = [x for x in scalars_from_t if x._used is not None and self.t.grad is not None]
        later = [x for x in scalars if x.age > self.t.age]
        itself = [self.t] if self.t.op is not None else []
        for among in (used, scalars_from_t, later, from_t, itself, scalars):
            if among:
                return max(among, key=lambda x: x.age)
        return None

    def label(self, x: Tensor) -> str:
        """Return the name of a tensor, or its expression in the source."""
        if name := self.names.get(x) or self.variables.get(x) or x.name:
            return name
        text = cut(x.site.text)
        if x.op is None:
            return "a plain array" if x.site.anonymous else text or "a constant"
        if x.site.anonymous:
            return f"{x.op.name} in {text}" if text else x.op.name
        return text or describe(x)

    def gradient(self, x: Tensor) -> str:
        """Return ``dW1``, or ``the gradient of …`` for an expression."""
        label = self.label(x)
        return f"d{label}" if _is_name(label) else f"the gradient of {label}"

    def size(self, x: Tensor, size: float) -> str:
        """Return ``‖dW1‖ = 0.03``."""
        label = self.label(x)
        return f"‖d{label if _is_name(label) else f'({label})'}‖ = {number(size)}"

    @property
    def arrived(self) -> Any:
        """The gradient that is asked about: the one in ``.grad``, or else the one that `backward` would leave there."""
        with np.errstate(all="ignore"):
            return self.t.grad if self.t.grad is not None else np.asarray(computed(self.seen.gradients[self.t]))

    def path(self) -> str:
        """Return a short way back through named tensors: ``J → A2 → Z2 → W2``."""
        way, x = [self.t], self.t
        while x is not self.loss:
            x = max((r for r in self.reading.readers[x] if r in self.seen.gradients), key=lambda r: r.age)
            if x in self.names or x is self.loss:
                way.append(x)
        labels = [self.label(x) for x in reversed(way)]
        if len(labels) > _LONGEST_PATH:
            labels[_LONGEST_PATH // 2 : 1 - _LONGEST_PATH // 2] = ["…"]
        return " → ".join(labels)


def descendants(t: Tensor, roots: Sequence[Tensor]) -> set[Tensor]:
    """Return `t` and the tensors that were computed from it on the way to `roots`."""
    found = {t}
    for node in toposort(*roots):
        if any(type(x) is Tensor and x in found for x in node.inputs):
            found.add(node)
    return found


def origin(leaf: Tensor) -> str:
    """Return how the source makes a constant: "detach", "no_grad" if by an op that was not recorded, or else ""."""
    if leaf.op is not None or leaf.requires_grad or leaf.site.anonymous:
        return ""
    match parsed(leaf.site.text):
        case ast.Call(func=ast.Attribute(attr="detach")):
            return "detach"
        case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name)):
            return "no_grad" if name in FUNCTIONS else ""
        case ast.BinOp() | ast.UnaryOp() | ast.Compare() | ast.Subscript() | ast.Attribute(attr="T" | "mT"):
            return "no_grad"
        case _:
            return ""


def parsed(text: str) -> ast.AST | None:
    """Return the syntax tree of an expression, or None if the text is not an expression."""
    try:
        return syntax_tree(text, "eval").body  # type: ignore[no-any-return]
    except SyntaxError:
        return None


def amount(x: Any) -> str:
    """Return ``NaN``, or ``NaN in 3 of 8 elements, the first at [0, 1]``."""
    x = np.asarray(x)
    nan = np.isnan(x)
    what, bad = ("NaN", nan) if nan.any() else ("infinite", np.isinf(x))
    if not x.ndim:
        return what
    places = np.argwhere(bad)
    return f"{what} in {len(places)} of {elements(x.size)}, the first at {[int(i) for i in places[0]]}"


def largest(x: Any) -> float:
    """Return the largest absolute value."""
    return float(np.abs(x).max(initial=0.0))


def elements(count: int) -> str:
    """Return ``8 elements``."""
    return f"{count} element" if count == 1 else f"{count} elements"


def listed(names: Sequence[str]) -> str:
    """Return ``X, W1 and b1``."""
    *first, last = names or ["plain numbers"]
    return f"{', '.join(first)} and {last}" if first else last


def cut(text: str) -> str:
    """Return source text that is not too long for a sentence."""
    return text if len(text) <= _LONGEST_LABEL else f"{text[: _LONGEST_LABEL - 1]}…"


def _is_name(label: str) -> bool:
    return label.replace("_", "a").isalnum()  # also for W₂, one of several tensors called W


def sentence(text: str) -> str:
    """Return a text as the beginning of a sentence, unless it is a name."""
    return f"{text[0].upper()}{text[1:]}" if text.startswith(("the ", "a ")) else text
