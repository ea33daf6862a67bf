"""The notation of nodes in mathematics.

An expression is a list of spans, which are stretches of text with a style, so that one walk over the graph serves every
form of output. Names follow the lecture: ``W1`` is W^[1], and other trailing digits are subscripts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from itertools import groupby, pairwise
from typing import Any, NamedTuple
from unicodedata import lookup

import numpy as np

from ..graph.records import BIG_SUM, COMPARISON, INDEX, MATRIX_PRODUCT, POWER, PRODUCT, SIGN, SUM, TIGHTEST, Op
from ..graph.tensor import Tensor
from ..graph.walking import readers_of, shown_inputs
from .names import clean, literal_name


class Span(NamedTuple):
    """A stretch of text in one style."""

    text: str
    italic: bool = False
    level: int = 0
    """1 for a superscript, −1 for a subscript."""


Spans = list[Span]

_LAYERED = re.compile(r"(d?[WbZAwza])([0-9]+)")
_SUBSCRIPTED = re.compile(r"([^\W\d]\w*?)([₀-₉]+)")
_LAYER = re.compile(r"\[[0-9l+−]+\]")
_NUMBERED = re.compile(r"(.*?[^\W\d_])([0-9]+)")
_PLACEHOLDER = re.compile(r"(\^|_)?\{(\w+|\*)\}|\^(−?\w)")
_OPENING, _CLOSING = ("(", "[", ", ", "← "), (")", "]", ",")
_OPERAND = re.compile(r"(?<![_^])(\{\d\}|\b\d)")  # of an operator
_CHAINED = re.compile(r"[+−∗/]")  # operators that may follow each other
_WORD = re.compile(r"\} \w+ \{")  # an operator such as mod, before which a sign would belong to its first operand
TRANSPOSED, _INVERSE = "{0}^T", "{0}^−1"
_MOST_OPERANDS = 8  # of a function that takes any number of operands
# longer expressions are cut into parts that get symbols of their own
_LONGEST_EXPRESSION = 48  # characters
_MOST_OPS = 10
_MOST_KINDS = 4  # of operations that are counted


def symbol(name: str, prefix: str = "") -> Spans:
    """Return a name as a symbol: ``W1`` as W^[1], ``x12`` as x₁₂; with the prefix d, the symbol of its gradient."""
    name = clean(name)
    if match := _LAYERED.fullmatch(name):
        return [Span(prefix + match[1], True), Span(f"[{match[2]}]", False, 1)]
    if match := _NUMBERED.fullmatch(name):
        return [Span(prefix + match[1], True), Span(match[2], False, -1)]
    if match := _SUBSCRIPTED.fullmatch(name):
        return [Span(prefix + match[1], True), Span(match[2])]
    return [Span(prefix + name, len(name) == 1 or name.isidentifier())]


def number(value: Any) -> str:
    """Return a number in few digits."""
    text = f"{value:.4g}" if isinstance(value, (float, np.floating)) else str(value)
    return text.replace("-", "−")


class Writer:
    """A writer of the expressions of nodes; the nodes in `names` are written as symbols."""

    def __init__(
        self,
        names: Mapping[Tensor, str],
        inline: Callable[[Tensor], bool],
        axes: bool = True,
        literals: Mapping[float, str] | None = None,
    ) -> None:
        self._names = names
        self._inline = inline
        self._literals = literals or {}  # names of numbers
        self._axes = axes  # whether sums show their axes
        self._known: dict[Tensor, Spans] = {}  # for one expression, which asks for some of its parts several times
        self._depth = 0

    def operand(self, x: Any, reader: Tensor, position: int) -> tuple[Spans, int]:
        """Return one operand of `reader` as spans, and how tightly it binds."""
        if not isinstance(x, Tensor):
            name = literal_name(reader, position) or self._literals.get(x)
            return (symbol(name), TIGHTEST) if name else _number(x)
        if not self._inline(x):
            return symbol(self._names[x]), TIGHTEST
        if x.op is None:
            return _constant(x)
        if x.op.notation == "{0}":
            return self.operand(x.inputs[0], x, 0)
        written = self.expression(x)
        if _is_reciprocal(x):
            return written, PRODUCT
        if x.op.is_negation:  # −a ∗ b is (−a) ∗ b
            return written, min(x.op.binding, self.operand(x.inputs[0], x, 0)[1])
        return written, BIG_SUM if self._factor(x) is not None and _ends_in_sum(written) else x.op.binding

    def _factor(self, node: Tensor) -> Tensor | None:
        """Return the scalar quotient that a product begins with, which is written as in (1/m) x, or None."""
        if node.op is None or not node.op.is_product:
            return None
        x = node.inputs[0]
        if isinstance(x, Tensor) and x.op is not None and x.op.divisor == 1 and x.shape == () and self._inline(x):
            return x
        return None

    def _key(self, node: Tensor, operands: Sequence[Spans]) -> Spans:
        """Return the key of an index with the arrays in their places, except constants that have no name."""
        parts = [[Span(_index(part))] for part in node.params["key"]]
        places = [i for i, (part,) in enumerate(parts) if part.text == _PLACE]
        first = len(operands) - len(places)
        for i, x, spans in zip(places, node.inputs[first:], operands[first:], strict=True):
            while isinstance(x, Tensor) and x.op is not None and x.op.notation == "{0}":
                (x,) = x.inputs
            if not isinstance(x, Tensor) or x.op is not None or _NUMBER.fullmatch(self._names.get(x, "t0")) is None:
                parts[i] = spans
        return [span for i, part in enumerate(parts) for span in ([Span(", "), *part] if i else part)]

    def _is_column(self, x: Any) -> bool:
        """Return whether an operand is a vector that is not yet written as a row, as it is in xᵀ A."""
        row = self._inline(x) and x.op is not None and x.op.is_matrix_product and self._is_column(x.inputs[0])
        return x.ndim == 1 and not row

    def right_hand_side(self, x: Any) -> Spans:
        """Return the right side of an equation: an expression, a symbol or a number."""
        if not isinstance(x, Tensor):
            return _number(x)[0]
        if not self._inline(x):
            return symbol(self._names[x])
        return self.expression(x) if x.op is not None else _constant(x)[0]

    def expression(self, node: Tensor) -> Spans:
        """Return the right side of a node's equation."""
        if node not in self._known:
            self._depth += 1
            try:
                self._known[node] = self._expression(node)
            finally:
                self._depth -= 1
        written = self._known[node]
        if not self._depth:  # names may have changed by the next one
            self._known.clear()
        return written

    def _expression(self, node: Tensor) -> Spans:
        op = node.op
        assert op is not None
        operands = [self.operand(x, node, i) for i, x in enumerate(node.inputs)]
        template = op.notation
        if (factor := self._factor(node)) is not None:
            above, below = (self.operand(x, factor, i) for i, x in enumerate(factor.inputs))
            rest, binding = operands[1]
            if binding < BIG_SUM or (binding < PRODUCT and not _begins_with_sum(rest)):
                rest = [Span("("), *rest, Span(")")]
            numerator = above[0] if above[1] >= PRODUCT else [Span("("), *above[0], Span(")")]
            return [Span("("), *numerator, Span("/"), *_grouped(*below), Span(") "), *rest]
        if (
            op.is_negation
            and isinstance(x := node.inputs[0], Tensor)
            and self._inline(x)
            and self._factor(x) is not None
        ):
            return [Span("−"), *self.expression(x)]
        if op.notation == TRANSPOSED and isinstance(x := node.inputs[0], Tensor) and self._inline(x):
            if x.op is not None and x.op.notation == _INVERSE:
                return [*operands[0][0][:-1], Span("−T", False, 1)]
        if _is_reciprocal(node):  # or it would read as the inverse of a matrix
            inner, binding = operands[0]
            return [Span("1 / "), *(inner if binding > PRODUCT + 2 else [Span("("), *inner, Span(")")])]
        if op.is_matrix_product:  # a vector is a column, and a row where it is transposed
            left, right = node.inputs
            row = isinstance(right, Tensor) and right.ndim == 1 and not self._is_column(right)
            template = f"{{0}}{'^T' if self._is_column(left) else ''} {{1}}{'^T' if row else ''}"
        if op.is_product and any(getattr(x, "shape", ()) == () for x in node.inputs):
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
                before, after = template[: match.start()], template[end:]
                needed = _needed(op, before, match[1], node.inputs[i])
                if before.endswith(_OPENING) and after.startswith(_CLOSING):
                    needed = 0
                elif after.startswith("^"):  # a power of one would read otherwise
                    needed = POWER + 1
                if binding < needed or _begins_with_sign(op, before, inner):
                    inner = [Span("("), *inner, Span(")")]
                spans += _raised(inner) if level else inner
            else:
                hidden = not self._axes and match[2] == "axis" and op.kind == "reduction" and bool(op.linear)
                parameter = [] if hidden else _parameter(match[2], node.params.get(match[2]), level)
                if match[2] == "key":
                    parameter = self._key(node, [spans_of for spans_of, _ in operands])
                if not parameter and spans[-1].text == ", ":
                    spans.pop()
                spans += parameter
        spans.append(Span(template[end:]))
        return [span for span in spans if span.text]


def _is_reciprocal(node: Tensor) -> bool:
    power = node.inputs[1] if node.op is not None and node.op.exponent == 1 else None
    return node.ndim > 1 and isinstance(power, (int, float)) and power == -1


def _needed(op: Op, before: str, script: str | None, x: Any) -> int:
    """Return how tightly an operand must bind to stand without parentheses after what its op writes `before` it."""
    if op.binding == TIGHTEST:
        return 0
    applied = isinstance(x, Tensor) and x.op is not None
    if op.is_negation:
        return SIGN if applied and _WORD.search(x.op.notation) else BIG_SUM
    if script:
        return op.binding if "{" not in before else INDEX if not isinstance(x, (int, float)) else 0
    if not _OPERAND.search(before):  # a comparison of one would read from the right
        return op.binding + (op.binding == COMPARISON)
    if op.binding == MATRIX_PRODUCT:  # a sign between factors would read as a difference
        return MATRIX_PRODUCT if applied and x.op.binding == MATRIX_PRODUCT else SIGN + 1
    if before.endswith("/ "):
        return MATRIX_PRODUCT + 1
    return op.binding + (not applied or not op.associative or not _CHAINED.search(x.op.notation))


def _grouped(spans: Spans, binding: int) -> Spans:
    return spans if binding >= POWER else [Span("("), *spans, Span(")")]


def _begins_with_sum(spans: Spans) -> bool:
    return spans[0].text.startswith("Σ")


def _ends_in_sum(spans: Spans) -> bool:
    """Return whether a Σ stands at the top level of a product, so that it reaches to the product's end."""
    return any(span.text.startswith("Σ") for span in spans)


def _begins_with_sign(op: Op, before: str, operand: Spans) -> bool:
    """Return whether an operand's sign would follow another sign, or would read as a difference."""
    after_sign = op.is_negation or (op.binding in (SUM, PRODUCT, MATRIX_PRODUCT) and bool(_OPERAND.search(before)))
    return after_sign and operand[0].text.startswith("−")


def _constant(x: Tensor) -> tuple[Spans, int]:
    """Return the text of a leaf that has no name."""
    if x.shape == ():
        return _number(x.item())
    return [
        Span("I", True) if x.ndim > 1 and np.array_equal(x._value, np.eye(x.shape[-2], x.shape[-1])) else Span("…")
    ], TIGHTEST


def _number(value: Any) -> tuple[Spans, int]:
    return [Span(number(value))], SUM if value < 0 else TIGHTEST


def _raised(exponent: Spans) -> Spans:
    """Return an exponent. Its own superscripts are written as in the source, since levels do not nest."""
    if any(span.level for span in exponent):
        return [Span(as_text(exponent), True, 1)]
    return [Span(text, italic, 1) for text, italic, _ in exponent]


_PLACE = "·"
"""A mark in a key that stands for an array."""
_NUMBER = re.compile(r"t\d+")  # symbols without a name of their own


def _parameter(name: str, value: Any, level: int) -> Spans:
    if value is None or (name in ("offset", "k") and value == 0):
        return []
    if name == "ord":
        return [Span(number(value), False, level)]
    text = str(value).replace("->", " → ").replace("-", "−")
    return [Span(f"{name} {text}" if level else text, False, level)]


def _index(part: Any) -> str:
    if isinstance(part, slice):
        ends = ["" if end is None else str(end) for end in (part.start, part.stop)]
        return ":".join([*ends, str(part.step)] if part.step is not None else ends)
    return "…" if part is Ellipsis else str(part)


def _joined(parts: list[Spans]) -> Spans:
    if len(parts) > _MOST_OPERANDS:
        parts = [*parts[:3], [Span("…")], parts[-1]]
    spans: Spans = []
    for i, part in enumerate(parts):
        spans += [Span(", "), *part] if i else part
    return spans


def counted(ops: Mapping[str, int]) -> str:
    """Return operations by kind, the commonest first: ``12 matmul, 12 add, 3 tanh, 1 log, 4 others``."""
    common = Counter(ops).most_common()
    others = sum(count for _, count in common[_MOST_KINDS:])
    kinds = [f"{count:,} {name}" for name, count in common[:_MOST_KINDS]]
    return ", ".join([*kinds, *([f"{others:,} others"] if others else [])])


def on_a_line(node: Tensor, names: Mapping[Tensor, str]) -> str | None:
    """Return the expression of a node over named nodes as text, or None if it is too long for one line."""
    within = [node]
    for part in within:  # which grows meanwhile
        within += [x for x in shown_inputs(part) if isinstance(x, Tensor) and x.op is not None and x not in names]
        if len(within) > _MOST_OPS:
            return None
    text = as_text(Writer(names, lambda x: x not in names).expression(node))
    return text if len(text) <= _LONGEST_EXPRESSION else None


def with_symbols(
    order: Sequence[Tensor],
    names: Mapping[Tensor, str],
    every_op: bool = False,
    symbols: Sequence[Tensor] = (),
    readers: Mapping[Tensor, Sequence[Tensor]] | None = None,
) -> tuple[set[Tensor], dict[Tensor, str]]:
    """Return the nodes that stand as symbols, and the names of all.

    Symbols are the nodes in `symbols`, those that have a name already or are read more than once, those that cut an
    expression which would be too long, and the last of `order`. Symbols without a name are called t1, t2, … All other
    nodes stand within the expressions of their readers. A computed node that nodes of `order` read from outside it must
    be in `symbols`. `readers` has the readers of each node where these are known already.
    """
    readers = readers_of(order) if readers is None else readers
    names = dict(names)
    taken = set(names.values())
    shown: set[Tensor] = set()
    writer = Writer(names, lambda x: x not in shown)
    ops: dict[Tensor, int] = {}  # in the expression of each node
    count = 0

    def show(node: Tensor) -> None:
        nonlocal count
        shown.add(node)
        while node not in names:
            count += 1
            if f"t{count}" not in taken:
                names[node] = f"t{count}"

    for node in symbols:
        show(node)
    for node in order:
        if node.op is None:
            if node in names or node.shape or node.requires_grad or node is order[-1]:
                show(node)
            continue
        if node in names or node is order[-1] or every_op or len(readers.get(node, ())) > 1:
            show(node)
        parts = {x for x in shown_inputs(node) if isinstance(x, Tensor) and x.op is not None and x not in shown}
        ops[node] = 1 + sum(ops[x] for x in parts)
        by_length: list[Tensor] = []
        while parts and (ops[node] > _MOST_OPS or len(as_text(writer.expression(node))) > _LONGEST_EXPRESSION):
            by_length = by_length or sorted(parts, key=lambda x: (len(as_text(writer.expression(x))), x.age))
            longest = by_length.pop()
            parts.remove(longest)
            show(longest)
            ops[node] -= ops[longest]
    return shown, names


def sources(node: Tensor, shown: Set[Tensor]) -> list[Tensor]:
    """Return the symbols in the expression of a node, each once, in reading order."""
    found: dict[Tensor, None] = {}
    stack = list(reversed(shown_inputs(node)))
    while stack:
        x = stack.pop()
        if not isinstance(x, Tensor):
            continue
        if x in shown:
            found[x] = None
        else:
            stack.extend(reversed(shown_inputs(x)))
    return list(found)


def within(node: Tensor, shown: Set[Tensor]) -> Iterator[Tensor]:
    """Yield a node, and the results that stand in its expression."""
    stack = [node]
    while stack:
        x = stack.pop()
        yield x
        stack += [y for y in shown_inputs(x) if isinstance(y, Tensor) and y.op is not None and y not in shown]


def backward_order(order: Sequence[Tensor], shown: Set[Tensor]) -> Iterator[Tensor]:
    """Return the nodes in the order in which the lecture goes back: a result, then the parameters in it."""
    parts = {node: sources(node, shown) for node in order if node in shown and node.op is not None}
    waiting = Counter(x for inputs in parts.values() for x in inputs)
    for node in reversed(parts):
        yield from within(node, shown)
        for x in parts[node]:
            waiting[x] -= 1
            if x.op is None and not waiting[x]:
                yield x


_SUPERSCRIPTS = str.maketrans("0123456789+-−()nTi", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁽⁾ⁿᵀⁱ")


def as_text(spans: Spans) -> str:
    """Return spans as one line of Unicode text, with names as in the source: ``Z1 = W1 X + b1``."""
    out = []
    for level, group in groupby(spans, key=_level):
        stretch = list(group)
        text = "".join(span.text for span in stretch)
        if level > 1:
            out.append(text[1:-1] if text[1:-1].isdigit() else text)
        elif level > 0:
            raised = text.translate(_SUPERSCRIPTS)
            plain = not any(span.italic for span in stretch) and not set(raised) & set(text)
            out.append(raised if plain else f"^{text}")
        elif level < 0 and not text.isdigit():
            out.append(f"[{text}]")
        else:
            out.append(text)
    return "".join(out)


def _level(span: Span) -> int:
    """Return the level of a span; the [1] of a layer has a level of its own."""
    return 2 if span.level > 0 and _LAYER.fullmatch(span.text) else span.level


def apart(spans: Spans) -> Spans:
    """Return spans with a thin space between the [1] of a layer and an exponent, which would read as one number."""
    found = list(spans)
    for i, (span, after) in enumerate(pairwise(spans)):
        if _level(span) == 2 and after.level > 0:
            found[i] = span._replace(text=f"{span.text}\u2009")
    return found


_LATEX = {
    "\u2009": r"\,",
    "∗": r"\ast ",
    "·": r"\cdot ",
    "×": r"\times ",
    "→": r"\to ",
    "Σ": r"\sum ",
    "−": "-",
    "≤": r"\le ",
    "≥": r"\ge ",
    "≠": r"\ne ",
    "…": r"\ldots ",
    "′": "'",
    "‖": r"\| ",
    "←": r"\leftarrow ",
    "⟨": r"\langle ",
    "⟩": r"\rangle ",
    "⌊": r"\lfloor ",
    "⌋": r"\rfloor ",
    "⌈": r"\lceil ",
    "⌉": r"\rceil ",
    "∧": r"\wedge ",
    "∨": r"\vee ",
    "⊕": r"\oplus ",
    "¬": r"\neg ",
    "_": r"\_",
    "%": r"\%",
    "&": r"\&",
    "#": r"\#",
    "$": r"\$",
    "{": r"\{",
    "}": r"\}",
    "\\": r"\backslash ",
    "^": r"\hat{}",
    "~": r"\sim ",
}


_GREEK = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lamda mu nu xi pi rho sigma tau upsilon phi chi psi omega"
)
_LATEX |= {lookup(f"GREEK SMALL LETTER {name}"): rf"\{name.replace('lamda', 'lambda')} " for name in _GREEK.split()}
_LATEX |= {
    lookup(f"GREEK CAPITAL LETTER {name}"): rf"\{name.title()} "
    for name in ("gamma", "delta", "theta", "xi", "pi", "upsilon", "phi", "psi", "omega")
}
_LATEX |= {"φ": r"\varphi ", "Λ": r"\Lambda "}
_DIGITS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")


def as_latex(spans: Spans) -> str:
    """Return spans in LaTeX, for mathematics mode."""
    if any("√" in span.text for span in spans):  # in a notation, a sign may stand in one text with its parenthesis
        spans = [span._replace(text=text) for span in spans for text in re.findall("[√()]|[^√()]+", span.text)]
    if (root := next((i for i, span in enumerate(spans) if span.text == "√"), None)) is not None:
        before, after = spans[:root], spans[root + 1 :]
        end = _end_of_operand(after)
        inside = after[1 : end - 1] if after[0].text == "(" else after[:end]
        return rf"{as_latex(before)}\sqrt{{{as_latex(inside)}}}{as_latex(after[end:])}"
    out: list[str] = []
    for level, group in groupby(apart(spans), key=lambda span: span.level):
        text = "".join(_latex(span) for span in group)  # two superscripts in a row are one
        out.append(f"^{{{text}}}" if level > 0 else f"_{{{text}}}" if level < 0 else text)
    return "".join(out)


def _end_of_operand(spans: Spans) -> int:
    """Return where the operand of a sign ends: after a symbol with its superscripts, or after a parenthesis."""
    depth = 0
    for i, span in enumerate(spans):
        depth += span.text.count("(") - span.text.count(")")
        if depth == 0 and not (i + 1 < len(spans) and spans[i + 1].level):
            return i + 1
    return len(spans)


def _latex(span: Span) -> str:
    if span.text in (" ", ") "):  # between factors
        return span.text.strip() + r"\,"
    style = "mathit" if span.italic else "mathrm"
    subscript = re.sub("[₀-₉]+", lambda m: f"_{{{m[0].translate(_DIGITS)}}}", span.text)
    if subscript != span.text:
        return subscript
    parts = re.split(r"([A-Za-z]{2,}(?: [a-z]{2,})*)", span.text)  # LaTeX would take words for products
    for i, part in enumerate(parts):
        escaped = "".join(_LATEX.get(character, character) for character in part)
        if i and i % 2 == 0 and part.startswith(" "):  # after a word
            escaped = rf"\,{escaped[1:]}"
        parts[i] = rf"\{style}{{{escaped}}}".replace(" ", r"\ ") if i % 2 else escaped
    return "".join(parts)
