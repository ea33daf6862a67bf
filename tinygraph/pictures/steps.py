"""A drawing as steps, forward and then backward, and each gradient as the sum that it is."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from .. import ops
from ..algebra.nodes import written
from ..algebra.normal_form import Reader
from ..algebra.shortest import shortest
from ..algebra.terms import Sum, power
from ..algebra.terms import number as number_term
from ..algebra.terms import symbol as symbol_term
from ..autodiff.traversal import Contribution, contributions, symbolic_contribution
from ..equations.results import Equation
from ..errors import TinygraphError
from ..graph.records import POWER, SUM, TIGHTEST
from ..graph.tensor import Tensor, toposort
from ..graph.walking import shown_inputs
from ..ops.arithmetic.broadcasting import unbroadcast
from ..reading import Reading
from ..writing.names import averages
from ..writing.notation import Span, Spans, Writer, as_text, number, sources, symbol
from .arrays import in_full, shape_text, summary_text, value_text
from .boxes import Box, Drawing, by_tensor

_LARGEST_IN_FULL = 4  # elements
MOST_PARTS = 12  # of a gradient, for each of which there is a step
_MOST_RULES = 200  # that are written out, of all gradients together
_MOST_NODES = 20_000  # of a graph of which gradients are taken apart
_MOST_OPS = 16  # in an expression


@dataclass(eq=False)
class Part:
    """What one reader adds to a gradient."""

    reader: Box | None
    """The box in which the reader stands; None where the picture does not show it."""
    where: str
    """The reader as it is written, and in which box."""
    passes: str
    """What it reaches past."""
    rule: Spans | None
    """What it adds, in mathematics."""
    value: Any
    shape: tuple[int, ...]
    """What shape it had before it was summed over the axes along which the tensor was repeated."""
    note: str


@dataclass(eq=False)
class Step:
    """One step of the page."""

    box: Box
    backward: bool
    name: Spans
    """Of what is computed: ``Z1`` or ``dZ1``."""
    edges: list[str]
    """The ids, in the picture, of the edges on which what is needed comes in."""
    equations: list[Spans]
    numbers: str
    """The right-hand side with numbers put in; nothing where there is no equation."""
    value: str
    why: str
    part: tuple[int, int] | None = None
    """Which contribution it is, and of how many."""
    so_far: str = ""
    """The sum of these up to this one."""


class Story:
    """What there is to tell about the graph of a drawing, and of all that is folded into it."""

    def __init__(self, drawing: Drawing) -> None:
        output = drawing.boxes[-1].node
        self.names = {**dict.fromkeys((box.node for box in _all_boxes(drawing)), "…"), **drawing.names}
        self._output = output
        merged, apart = drawing.derivations
        self._merged, self._apart = by_tensor(merged), by_tensor(apart)
        self._symbols = dict(apart.names) if apart is not None else {}
        self._symbols |= dict(merged.names) if merged is not None else {}
        self._scales = merged.scales if merged is not None else {}
        self._scalars = merged.scalars if merged is not None else {}
        self._shown = set(self.names)
        self._owner: dict[Box, dict[Tensor, Box]] = {}
        self._told: dict[Box, list[Part]] = {}
        for inner in all_drawings(drawing):
            self._owner |= dict.fromkeys(inner.boxes, self._owners(inner))
        reading = drawing.reading
        if output is not reading.output:  # of a scope, say
            reading = Reading(toposort(output), names=reading.names)
        order = reading.order
        self._readers, self._values, self._as_read = reading.readers, reading.values, reading.as_read
        self._writer = Writer(self.names, lambda x: x not in self._shown)
        taken_apart = output.grad is not None and len(order) <= _MOST_NODES
        self._parts = dict(contributions(order)) if taken_apart else {}
        self._rules = 0

    # -- what a box holds ------------------------------------------------------------------------------------------

    def value(self, box: Box) -> np.ndarray[Any, Any]:
        """The value that the graph has read."""
        return np.asarray(self._values[box.node])

    def gradient(self, box: Box) -> np.ndarray[Any, Any] | None:
        """The gradient by the convention of the drawing; None where no backward has run."""
        grad = box.node.grad
        return None if grad is None else np.asarray(grad * self.scale(box.node))

    def scale(self, node: Tensor) -> float:
        """By what the convention multiplies the gradient of a node."""
        equation = self._merged.get(node) or self._apart.get(node)
        return equation.scale if equation else self._scales.get(node, 1.0)

    def symbol(self, node: Any, prefix: str = "") -> Spans:
        """A node by its name, or the expression that it is."""
        if node in self.names and (node in self._shown or node.op is None):
            return symbol(self.names[node], prefix)
        if node.op is None:
            written = [Span("a constant")]
        else:
            written = self._writer.expression(node) if self._is_short(node) else [Span(f"{node.op.name}(…)")]
        return [Span("d("), *written, Span(")")] if prefix else written

    def _is_short(self, node: Tensor) -> bool:
        """Whether the expression of a node can be written; that of a graph which is too large to draw is all of it."""
        inside = [node]
        for x in inside:
            inside += [y for y in x.inputs if isinstance(y, Tensor) and y.op is not None and y not in self._shown]
            if len(inside) > _MOST_OPS:
                return False
        return True

    def equations(self, box: Box) -> list[Equation]:
        """The equations of a gradient: the step of the chain rule, then what it comes to."""
        found = [equations[box.node] for equations in (self._apart, self._merged) if box.node in equations]
        return found[:1] if len(found) == 2 and found[0].text == found[1].text else found

    def meaning(self, box: Box) -> str:
        """What the gradient of a box is."""
        if not box.node.requires_grad:
            return "No gradient: nothing that is learned comes before it."
        name, gradient, output = (
            as_text(self.symbol(node, prefix)) for node, prefix in ((box.node, ""), (box.node, "d"), (self._output, ""))
        )
        if box.node is self._output:
            return f"The way back starts here: {gradient} is what backward was given, 1 for a scalar."
        scale = self.scale(box.node)
        said = f"{gradient} says how {output if scale == 1 else 'the loss of each example'} changes with"
        said += f" {'each element of ' if box.node.shape else ''}{name}"
        said += f", so it has the same shape: {shape_text(box.node.shape)}." if box.node.shape else "."
        if scale != 1:
            said += (
                f" {output} is made of these losses: its own derivative, in .grad, is 1/{number(scale)} of what is"
                " shown, a factor that enters with the parameters."
            )
        if box.node.grad is None:
            said += f" No backward has run: call {output}.backward(), then draw again."
        return said

    # -- the steps -------------------------------------------------------------------------------------------------

    def of(self, drawing: Drawing) -> list[Step]:
        """The steps of a picture: each result, in the order of computing, then each gradient."""
        away = ("parameter", "target", "outside")
        shown = [box for box in drawing.boxes if box.role not in away] or drawing.boxes
        forward = [self._forward(drawing, box) for box in shown]
        return [*forward, *(step for box in self._way_back(drawing) for step in self._backward(drawing, box))]

    def parts(self, box: Box) -> list[Part]:
        """The contributions that the gradient of a box is the sum of."""
        if box not in self._told:
            found = self._parts.get(box.node, [])[::-1]
            self._told[box] = [self._part(box, part, i < MOST_PARTS) for i, part in enumerate(found)]
            if len(self._told[box]) == 1 and (equation := self._apart.get(box.node)):
                self._told[box][0].rule = equation.right
        return self._told[box]

    def _forward(self, drawing: Drawing, box: Box) -> Step:
        node = box.node
        edges = [f"f{i}" for i, edge in enumerate(drawing.edges) if edge.target is box]
        if node.op is None or box.inner is not None or not self._is_short(node):
            known = "Given: nothing comes before it." if node.op is None else "Many operations, in one box."
            return Step(box, False, self.symbol(node), edges, [box.title], "", value_text(self.value(box)), known)
        read = [as_text(self.symbol(x)) for x in sources(node, self._shown)]
        why = f"Computed from {_listed(read)}." if read else "Computed from numbers alone."
        with_numbers = _Numbers(self.names, lambda x: x not in self._shown)
        numbers = as_text(with_numbers.expression(node))
        equations = [box.title, *self._written_out(node)]
        why += self._known(equations, averages(node))
        return Step(box, False, self.symbol(node), edges, equations, numbers, value_text(self.value(box)), why)

    def _written_out(self, node: Tensor) -> list[Spans]:
        """What a loss is that has a name of its own."""
        assert node.op is not None
        losses = node.op.written_out
        if losses is None:
            return []
        with np.errstate(all="ignore"):
            total = losses(ops, *shown_inputs(node))
            total = {"mean": ops.mean, "sum": ops.sum}.get(node.params["reduction"], ops.positive)(total)
        return [[*self.symbol(node), Span(" = "), *self._writer.right_hand_side(total)]]

    def _known(self, equations: Sequence[Spans], counts: bool = False) -> str:
        """The numbers that have a name in equations, or by which a mean divides."""
        words = set(re.findall(r"\w+", " ".join(map(as_text, equations))))
        said = [f"{name} = {number(leaf.item())}" for leaf, name in self._scalars.items() if counts or name in words]
        return f" Here {_listed(said)}." if said else ""

    def _way_back(self, drawing: Drawing) -> Iterator[Box]:
        """The boxes that have a gradient: after each result what it alone still had to be read by."""
        waiting = Counter(edge.source for edge in drawing.edges)
        into: dict[Box, list[Box]] = {}
        for edge in drawing.edges:
            into.setdefault(edge.target, []).append(edge.source)
        for box in reversed(drawing.boxes):
            if box.node.op is None or box.role == "outside":
                continue
            if box.node is not self._output and box.node.grad is not None:
                yield box
            for x in into.get(box, ()):
                waiting[x] -= 1
                leaf = x.node.op is None and x.role != "outside"
                if leaf and not waiting[x] and x.node.grad is not None:
                    yield x

    def _backward(self, drawing: Drawing, box: Box) -> Iterator[Step]:
        parts = self.parts(box)
        name = self.symbol(box.node, "d")
        back = {f"b{i}": edge for i, edge in enumerate(drawing.edges) if edge.source is box and edge.backward}
        several = 1 < len(parts) <= MOST_PARTS
        if several:
            total = 0.0
            for k, part in enumerate(parts, 1):
                total = total + part.value
                edges = [i for i, edge in back.items() if edge.target is part.reader]
                rule = [[*name, Span(" ← "), *part.rule]] if part.rule else []
                value, so_far = _brought(part.value), _brought(total)
                yield Step(box, True, name, edges, rule, "", value, self._said(part), (k, len(parts)), so_far)
        equations = self.equations(box)
        lines = [equation.spans for equation in equations]
        if not lines and len(parts) == 1 and parts[0].rule:
            lines = [[*name, Span(" = "), *parts[0].rule]]
        numbers = ""
        if equations:
            with_numbers = _Numbers(self._symbols, self._stands_inside, axes=False)
            numbers = as_text(with_numbers.right_hand_side(equations[-1].node))
        if several:
            why = f"The {len(parts)} contributions added up."
        elif len(parts) > 1:
            why = (
                f"{len(parts)} contributions added up, one for each time that {as_text(self.symbol(box.node))} is read."
            )
        else:
            why = self._said(parts[0], ", which alone reads it") if parts else ""
        yield Step(box, True, name, list(back), lines, numbers, _brought(self.gradient(box)), why + self._known(lines))

    def _stands_inside(self, x: Tensor) -> bool:
        return x.op is not None and x not in self._symbols

    def _said(self, part: Part, which: str = "") -> str:
        """Where a contribution comes from."""
        return f"Comes from {part.where}{'' if part.passes else which}{part.passes}.{part.note}"

    # -- contributions ---------------------------------------------------------------------------------------------

    def _part(self, box: Box, found: Contribution, explained: bool) -> Part:
        node, reader = box.node, found.reader
        owner = self._owner[box].get(reader)
        within = self._way(reader)[-1]
        where = as_text(self.symbol(reader))
        if within is not reader:
            where += f" in {as_text(self.symbol(within))}"
        elif owner is not None:
            where = as_text(owner.title)
        note = passes = ""
        aside = reader.op.aside if reader.op is not None else {}
        past = {j: i for i, j in aside.items()}
        if found.shape != node.shape:
            name, whole, own = (
                as_text(self.symbol(node)),
                shape_text(found.shape),
                shape_text(node.shape) or "one number",
            )
            note = f" {name} was repeated to {whole} there, so what comes back is summed to {own}."
        if found.aside:
            name = as_text(self.symbol(reader.inputs[aside[found.position]], "d"))
            note += (
                f" It is shown, but {name} is not computed from it: times the derivative of the sigmoid its divisions"
                " cancel, and what is left is taken at once, exact also where a probability is 0 or 1."
            )
        if found.position in past:
            passed = reader.inputs[past[found.position]]
            passes = f" through {as_text(self.symbol(passed))}, in one step"
            note += self._slope(passed)
        note += self._slope(reader)
        value = np.asarray(found.value * self.scale(node))
        rule = self._rule(node, found) if explained else None
        return Part(owner, where, passes, rule, value, found.shape, note)

    def _slope(self, reader: Any) -> str:
        """The derivative of a function of one tensor, in words."""
        if len(reader.inputs) != 1 or reader.op.kind != "elementwise" or not self._is_short(reader):
            return ""
        try:
            slope = symbolic_contribution(reader, Tensor(1.0), 0, self._as_read)
            spans = self._writer.right_hand_side(self._simplified(slope, self._shown))
        except (TinygraphError, TypeError, ValueError):  # a rule of the user's that works on numbers alone
            return ""
        return f" The derivative of {as_text(self._writer.expression(reader))} is {as_text(spans)}."

    def _simplified(self, g: Tensor, shown: set[Tensor]) -> Any:
        """A gradient over what is shown, in its shortest form."""
        over = [x for x in toposort(g, stop=shown) if x in shown]
        terms = Reader({x: symbol_term(self._as_read.get(x, x)) for x in over}, self._literal)
        return written(shortest(terms.read(g)))

    def _way(self, reader: Tensor) -> list[Tensor]:
        """From a node to the one in whose expression it stands."""
        way = [reader]
        while way[-1] not in self._shown and len(way) <= _MOST_OPS:
            way.append(self._readers[way[-1]][0])
        return way

    def _rule(self, node: Tensor, found: Contribution) -> Spans | None:
        """What a contribution is, over the gradient of the box that its reader stands in."""
        self._rules += 1
        if self._rules > _MOST_RULES:
            return None
        way = self._way(found.reader)
        top = way[-1]
        if top not in self._shown or top.grad is None:
            return None
        leaf = Tensor(np.asarray(top.grad * self.scale(top)))
        names = {**self.names, **self._scalars}
        if top is not self._output or leaf.shape or leaf.item() != 1:
            names[leaf] = f"d{self.names.get(top, 't')}"
        try:
            g: Any = ops.multiply(leaf, self.scale(node) / self.scale(top))
            for reader, inner in pairwise(reversed(way)):
                g = self._through(reader, g, next(i for i, x in enumerate(reader.inputs) if x is inner))
            g = self._through(found.reader, g, found.position)
            shown = self._shown | ({leaf} & names.keys())
            names |= {now: names[was] for was, now in self._as_read.items() if was in names}
            return Writer(names, lambda x: x not in names).right_hand_side(self._simplified(g, shown))
        except (TinygraphError, TypeError, ValueError):  # a rule of the user's that works on numbers alone
            return None

    def _literal(self, value: float) -> Sum:
        """A number, by its name where it or its reciprocal has one."""
        for leaf in self._scalars:
            if value in (leaf.item(), 1 / leaf.item()):
                return power(symbol_term(leaf), 1 if value == leaf.item() else -1)
        return number_term(value)

    def _through(self, reader: Tensor, g: Any, position: int) -> Any:
        x = reader.inputs[position]
        assert isinstance(x, Tensor)
        g = symbolic_contribution(reader, g, position, self._as_read)
        return unbroadcast(ops, g, x.shape) if reader.op is not None and reader.op.kind == "elementwise" else g

    def _owners(self, drawing: Drawing) -> dict[Tensor, Box]:
        """In which box of a picture each node stands."""
        owner: dict[Tensor, Box] = {}
        for box in drawing.boxes:
            nodes = [inner.node for inner in _all_boxes(box.inner)] if box.inner is not None else [box.node]
            stack: list[Any] = list(nodes)
            while stack:
                x = stack.pop()
                if x not in owner:
                    owner[x] = box
                    stack += [y for y in x.inputs if isinstance(y, Tensor) and y not in self._shown]
        return owner


class _Numbers(Writer):
    """Writes values in the place of symbols: small arrays in full, of larger ones the shape."""

    def operand(self, x: Any, reader: Tensor, position: int) -> tuple[Spans, int]:
        if not isinstance(x, Tensor):
            return [Span(number(x))], SUM if x < 0 else TIGHTEST
        if self._inline(x):
            return super().operand(x, reader, position)
        return _put_in(np.asarray(reader._args[position]))

    def right_hand_side(self, x: Any) -> Spans:
        if isinstance(x, Tensor) and not self._inline(x):
            return _put_in(np.asarray(x._seen))[0]
        return super().right_hand_side(x)


def _put_in(array: np.ndarray[Any, Any]) -> tuple[Spans, int]:
    """An array in the place of its symbol, and how tightly it binds."""
    if array.size > _LARGEST_IN_FULL:
        return [Span(shape_text(array.shape))], 0
    text = in_full(array)
    return [Span(text)], SUM if text.startswith("−") else POWER if text.endswith("ᵀ") else TIGHTEST


def _brought(array: Any) -> str:
    """A gradient in short: in full where it is small."""
    array = np.asarray(array)
    if array.size <= _LARGEST_IN_FULL:
        return summary_text(array)
    return f"{shape_text(array.shape)}   {summary_text(array, norm=True)}"


def all_drawings(drawing: Drawing) -> Iterator[Drawing]:
    """A drawing and all that is folded into its boxes."""
    stack = [drawing]
    while stack:
        outer = stack.pop()
        yield outer
        stack += [box.inner for box in reversed(outer.boxes) if box.inner is not None]


def _all_boxes(drawing: Drawing) -> Iterator[Box]:
    return (box for inner in all_drawings(drawing) for box in inner.boxes)


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
