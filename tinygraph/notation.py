"""How nodes are written in mathematics.

An expression is a list of spans, text with a style, so that one walk over the graph serves every form of output. Names
follow the lecture: ``W1`` is W^[1], and other trailing digits are subscripts.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from .graph import Tensor
from .names import literal_name, shown_inputs
from .table import Op


class Span(NamedTuple):
    """A stretch of text in one style."""

    text: str
    italic: bool = False
    level: int = 0
    """1 is a superscript, −1 a subscript."""


Spans = list[Span]

_LONGEST_NAME = 60
_LAYERED = re.compile(r"(d?[WbZAwza])([0-9]+)")
_NUMBERED = re.compile(r"(.*?[^\W\d_])([0-9]+)")
_PLACEHOLDER = re.compile(r"(\^|_)?\{(\w+|\*)\}|\^(\w)")
_ASSOCIATIVE = {"add", "multiply", "matmul"}
_TIGHTEST = 100


def clean(text: str) -> str:
    """Text that is safe to show anywhere: without control, format and unassigned characters, and not too long."""
    visible = "".join(
        " " if character in "\n\r\t" else character
        for character in text
        if character in "\n\r\t" or unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co", "Cn")
    )
    return visible if len(visible) <= _LONGEST_NAME else visible[: _LONGEST_NAME - 1] + "…"


def symbol(name: str, prefix: str = "") -> Spans:
    """A name as a symbol: ``W1`` as W^[1], ``x12`` as x₁₂; with the prefix d it is the gradient's."""
    name = clean(name)
    if match := _LAYERED.fullmatch(name):
        return [Span(prefix + match[1], True), Span(f"[{match[2]}]", False, 1)]
    if match := _NUMBERED.fullmatch(name):
        return [Span(prefix + match[1], True), Span(match[2], False, -1)]
    return [Span(prefix + name, len(name) == 1 or name.isidentifier())]


def number(value: Any) -> str:
    """A number in few digits."""
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text.replace("-", "−")


class Writer:
    """Writes the expressions of nodes; `names` says which nodes are written as symbols."""

    def __init__(self, names: Mapping[Tensor, str], inline: Callable[[Tensor], bool]) -> None:
        self._names = names
        self._inline = inline

    def operand(self, x: Any, reader: Tensor, position: int) -> tuple[Spans, int]:
        """One operand of `reader`, and how tightly it binds."""
        if not isinstance(x, Tensor):
            name = literal_name(reader, position)
            return (symbol(name) if name else [Span(number(x))]), _TIGHTEST if name or x >= 0 else 20
        if not self._inline(x):
            return symbol(self._names[x]), _TIGHTEST
        if x.op is None:
            return [Span(number(x.item()))], _TIGHTEST
        return self.expression(x), x.op.binding

    def expression(self, node: Tensor) -> Spans:
        """The right-hand side of a node's equation."""
        op = node.op
        assert op is not None
        operands = [self.operand(x, node, i) for i, x in enumerate(node.inputs)]
        template = op.notation
        if op.name == "multiply" and any(getattr(x, "shape", ()) == () for x in node.inputs):
            template = "{0} · {1}"
        spans: Spans = []
        end = 0
        for match in _PLACEHOLDER.finditer(template):
            spans.append(Span(template[end : match.start()]))
            end = match.end()
            level = {"^": 1, "_": -1, None: 0}[match[1]]
            if match[3]:
                spans.append(Span(match[3], False, 1))
            elif match[2] == "*":
                spans += _joined([spans_of for spans_of, _ in operands[: len(shown_inputs(node))]])
            elif match[2].isdigit():
                i = int(match[2])
                inner, binding = operands[i]
                if level == 0 and binding < _needed(op, i, node.inputs[i]):
                    inner = [Span("("), *inner, Span(")")]
                spans += [Span(s.text, s.italic, level or s.level) for s in inner]
            else:
                spans += _parameter(match[2], node.params.get(match[2]), level)
        spans.append(Span(template[end:]))
        return [span for span in spans if span.text]


def _needed(op: Op, position: int, x: Any) -> int:
    """How tightly an operand must bind to stand without parentheses."""
    if op.binding >= _TIGHTEST:
        return 0
    if position == 0:
        return op.binding + (op.notation.startswith("{0}^"))
    same = isinstance(x, Tensor) and x.op is not None and op.name in _ASSOCIATIVE
    return op.binding + (not same)


def _parameter(name: str, value: Any, level: int) -> Spans:
    if value is None:
        return []
    if name == "key":
        return [Span(", ".join(map(_index, value)), False, level)]
    text = str(value).replace("-", "−")
    return [Span(f"{name} {text}" if level else text, False, level)]


def _index(part: Any) -> str:
    if isinstance(part, slice):
        ends = ["" if end is None else str(end) for end in (part.start, part.stop)]
        return ":".join([*ends, str(part.step)] if part.step is not None else ends)
    return "…" if part is Ellipsis else str(part)


def _joined(parts: list[Spans]) -> Spans:
    spans: Spans = []
    for i, part in enumerate(parts):
        spans += [Span(", "), *part] if i else part
    return spans


_SUPERSCRIPTS = str.maketrans("0123456789+-−()nTi", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁽⁾ⁿᵀⁱ")


def as_text(spans: Spans) -> str:
    """Spans as one line of Unicode text, in which names stand as in the source: ``Z1 = W1 X + b1``."""
    out = []
    for text, _, level in spans:
        if level > 0 and not text.startswith("["):
            raised = text.translate(_SUPERSCRIPTS)
            out.append(raised if raised.isascii() is False and not set(raised) & set(text) else f"^{text}")
        elif level > 0:
            out.append(text[1:-1])
        elif level < 0 and not text.isdigit():
            out.append(f"[{text}]")
        else:
            out.append(text)
    return "".join(out)
