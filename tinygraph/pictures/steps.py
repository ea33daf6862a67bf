"""A drawing as steps, forward and then backward."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from .. import ops
from ..graph.tensor import Tensor
from ..graph.walking import shown_inputs
from ..writing.names import averages
from ..writing.notation import Span, Spans, as_text, number, sources
from .arrays import value_text
from .boxes import Box, Drawing
from .contents import Contents
from .numbers import Numbers, brought
from .sums import MOST_PARTS, Part, Sums


@dataclass(eq=False)
class Step:
    """One step of the page."""

    box: Box
    backward: bool
    name: Spans
    """The name of the result: ``Z1`` or ``dZ1``."""
    edges: list[str]
    """The ids in the picture of the edges that lead in."""
    equations: list[Spans]
    numbers: str
    """The right side with numbers put in, or nothing if there is no equation."""
    value: str
    why: str
    part: tuple[int, int] | None = None
    """The number of the contribution, and how many there are; None for a whole gradient or value."""
    so_far: str = ""
    """The sum of the contributions up to this one."""


class Story:
    """Everything that a page tells about the graph of a drawing, and of all drawings that are folded into it."""

    def __init__(self, drawing: Drawing) -> None:
        self.contents = Contents(drawing)
        self.sums = Sums(drawing, self.contents)

    def of(self, drawing: Drawing) -> list[Step]:
        """Return the steps of a picture: each result in the order of computing, then each gradient."""
        away = ("parameter", "target", "outside")
        shown = [box for box in drawing.boxes if box.role not in away] or drawing.boxes
        forward = [self._forward(drawing, box) for box in shown]
        return [*forward, *(step for box in self._way_back(drawing) for step in self._backward(drawing, box))]

    def _forward(self, drawing: Drawing, box: Box) -> Step:
        node = box.node
        name, value = self.contents.symbol(node), value_text(self.contents.value(box))
        edges = [f"f{i}" for i, edge in enumerate(drawing.edges) if edge.target is box]
        if node.op is None or box.inner is not None or not self.contents.is_short(node):
            known = "Given: nothing comes before it." if node.op is None else "Many operations, in one box."
            return Step(box, False, name, edges, [box.title], "", value, known)
        read = [as_text(self.contents.symbol(x)) for x in sources(node, self.contents.shown)]
        why = f"Computed from {_listed(read)}." if read else "Computed from numbers alone."
        with_numbers = Numbers(self.contents.names, lambda x: x not in self.contents.shown)
        numbers = as_text(with_numbers.expression(node))
        equations = [box.title, *self._written_out(node)]
        why += self._known(equations, averages(node))
        return Step(box, False, name, edges, equations, numbers, value, why)

    def _written_out(self, node: Tensor) -> list[Spans]:
        """Return the equation of a loss in terms of other ops, if it has a name of its own."""
        assert node.op is not None
        losses = node.op.written_out
        if losses is None:
            return []
        with np.errstate(all="ignore"):
            total = losses(ops, *shown_inputs(node))
            total = {"mean": ops.mean, "sum": ops.sum}.get(node.params["reduction"], ops.positive)(total)
        return [[*self.contents.symbol(node), Span(" = "), *self.contents.writer.right_hand_side(total)]]

    def _known(self, equations: Sequence[Spans], counts: bool = False) -> str:
        """Return a sentence about the named numbers in equations, and with `counts` about all of them."""
        words = set(re.findall(r"\w+", " ".join(map(as_text, equations))))
        said = [
            f"{name} = {number(leaf.item())}" for leaf, name in self.contents.scalars.items() if counts or name in words
        ]
        return f" Here {_listed(said)}." if said else ""

    def _way_back(self, drawing: Drawing) -> Iterator[Box]:
        """Yield the boxes that have a gradient: after each result, the leaves that no further box reads."""
        waiting = Counter(edge.source for edge in drawing.edges)
        into: dict[Box, list[Box]] = {}
        for edge in drawing.edges:
            into.setdefault(edge.target, []).append(edge.source)
        for box in reversed(drawing.boxes):
            if box.node.op is None or box.role == "outside":
                continue
            if box.node is not self.contents.output and box.node.grad is not None:
                yield box
            for x in into.get(box, ()):
                waiting[x] -= 1
                leaf = x.node.op is None and x.role != "outside"
                if leaf and not waiting[x] and x.node.grad is not None:
                    yield x

    def _backward(self, drawing: Drawing, box: Box) -> Iterator[Step]:
        parts = self.sums.parts(box)
        name = self.contents.symbol(box.node, "d")
        back = {f"b{i}": edge for i, edge in enumerate(drawing.edges) if edge.source is box and edge.backward}
        several = 1 < len(parts) <= MOST_PARTS
        if several:
            total = 0.0
            for k, part in enumerate(parts, 1):
                total = total + part.value
                edges = [i for i, edge in back.items() if edge.target is part.reader]
                rule = [[*name, Span(" ← "), *part.rule]] if part.rule else []
                value, so_far = brought(part.value), brought(total)
                yield Step(box, True, name, edges, rule, "", value, self._said(part), (k, len(parts)), so_far)
        equations = self.contents.equations(box)
        lines = [equation.spans for equation in equations]
        if not lines and len(parts) == 1 and parts[0].rule:
            lines = [[*name, Span(" = "), *parts[0].rule]]
        numbers = ""
        if equations:
            with_numbers = Numbers(self.contents.symbols, self._stands_inside, axes=False)
            numbers = as_text(with_numbers.right_hand_side(equations[-1].node))
        if several:
            why = f"The {len(parts)} contributions added up."
        elif len(parts) > 1:
            read = as_text(self.contents.symbol(box.node))
            why = f"{len(parts)} contributions added up, one for each time that {read} is read."
        else:
            why = self._said(parts[0], ", which alone reads it") if parts else ""
        value = brought(self.contents.gradient(box))
        yield Step(box, True, name, list(back), lines, numbers, value, why + self._known(lines))

    def _stands_inside(self, x: Tensor) -> bool:
        return x.op is not None and x not in self.contents.symbols

    def _said(self, part: Part, which: str = "") -> str:
        """Return a sentence about the origin of a contribution."""
        return f"Comes from {part.where}{'' if part.passes else which}{part.passes}.{part.note}"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
