"""Gradients as sums: what each reader of a tensor adds to the tensor's gradient, in words and in mathematics."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from .. import ops
from ..algebra.nodes import outlined
from ..algebra.normal_form import Reader
from ..algebra.shortest import shortest
from ..algebra.terms import Sum, power
from ..algebra.terms import number as number_term
from ..algebra.terms import symbol as symbol_term
from ..autodiff.contributions import Contribution, contributions, symbolic_contribution
from ..errors import TinygraphError
from ..graph.node import toposort
from ..graph.tensor import Tensor
from ..ops.arithmetic.broadcasting import unbroadcast
from ..writing.notation import Spans, Writer, as_text
from .arrays import shape_text
from .boxes import Box, Drawing, all_boxes, all_drawings
from .contents import MOST_OPS, Contents

MOST_PARTS = 12  # of a gradient, for each of which there is a step
_MOST_RULES = 200  # that are written out, of all gradients together
_MOST_NODES = 20_000  # of a graph whose gradients are taken apart


@dataclass(eq=False)
class Part:
    """The contribution of one reader to a gradient."""

    reader: Box | None
    """The box that contains the reader, or None if the picture does not show it."""
    where: str
    """The expression of the reader, and its box."""
    passes: str
    """Words about a node that the contribution passes in one step, or ""."""
    rule: Spans | None
    """The contribution, in mathematics."""
    value: Any
    shape: tuple[int, ...]
    """Its shape before it was summed over the axes along which the tensor was repeated."""
    note: str


class Sums:
    """The gradients of a drawing, and of all drawings that are folded into it, as sums of contributions."""

    def __init__(self, drawing: Drawing, contents: Contents) -> None:
        self._contents = contents
        reading = contents.reading
        self._readers, self._as_read = reading.readers, reading.as_read
        self._owner: dict[Box, dict[Tensor, Box]] = {}
        self._told: dict[Box, list[Part]] = {}
        for inner in all_drawings(drawing):
            self._owner |= dict.fromkeys(inner.boxes, self._owners(inner))
        taken_apart = contents.output.grad is not None and len(reading.order) <= _MOST_NODES
        self._parts = dict(contributions(reading.order)) if taken_apart else {}
        self._rules = 0

    def parts(self, box: Box) -> list[Part]:
        """Return the contributions whose sum is the gradient of a box."""
        if box not in self._told:
            found = self._parts.get(box.node, [])[::-1]
            self._told[box] = [self._part(box, part, i < MOST_PARTS) for i, part in enumerate(found)]
            if len(self._told[box]) == 1 and (equation := self._contents.apart(box)):
                self._told[box][0].rule = equation.right
        return self._told[box]

    def _part(self, box: Box, found: Contribution, explained: bool) -> Part:
        node, reader = box.node, found.reader
        owner = self._owner[box].get(reader)
        within = self._way(reader)[-1]
        where = as_text(self._contents.symbol(reader))
        if within is not reader:
            where += f" in {as_text(self._contents.symbol(within))}"
        elif owner is not None:
            where = as_text(owner.title)
        note = passes = ""
        aside = reader.op.aside if reader.op is not None else {}
        past = {j: i for i, j in aside.items()}
        if found.shape != node.shape:
            name, whole, own = (
                as_text(self._contents.symbol(node)),
                shape_text(found.shape),
                shape_text(node.shape) or "one number",
            )
            note = f" {name} was repeated to {whole} there, so the gradient that comes back is summed to {own}."
        if found.aside:
            name = as_text(self._contents.symbol(reader.inputs[aside[found.position]], "d"))
            note += (
                f" It is shown, but {name} is not computed from it: its divisions cancel with the derivative of the"
                f" sigmoid, so {name} is computed in one step, which is exact even where a probability is 0 or 1."
            )
        if found.position in past:
            passed = reader.inputs[past[found.position]]
            passes = f" through {as_text(self._contents.symbol(passed))}, in one step"
            note += self._slope(passed)
        note += self._slope(reader)
        value = np.asarray(found.value * self._contents.scale(node))
        rule = self._rule(node, found) if explained else None
        return Part(owner, where, passes, rule, value, found.shape, note)

    def _slope(self, reader: Any) -> str:
        """Return a sentence about the derivative of a function of one tensor, or "" for other readers."""
        if len(reader.inputs) != 1 or reader.op.kind != "elementwise" or not self._contents.is_short(reader):
            return ""
        try:
            slope = symbolic_contribution(reader, Tensor(1.0), 0, self._as_read)
            spans = self._contents.writer.right_hand_side(self._simplified(slope, self._contents.shown))
        except (TinygraphError, TypeError, ValueError):  # a rule of the user's that works on numbers alone
            return ""
        return f" The derivative of {as_text(self._contents.writer.expression(reader))} is {as_text(spans)}."

    def _simplified(self, g: Tensor, shown: set[Tensor]) -> Any:
        """Return a gradient in terms of the nodes shown, in its shortest form."""
        over = [x for x in toposort(g, stop=shown) if x in shown]
        terms = Reader({x: symbol_term(self._as_read.get(x, x)) for x in over}, self._literal)
        return outlined(shortest(terms.read(g)))

    def _way(self, reader: Tensor) -> list[Tensor]:
        """Return the nodes from a reader to the node with a box whose expression contains it."""
        way = [reader]
        while way[-1] not in self._contents.shown and len(way) <= MOST_OPS:
            way.append(self._readers[way[-1]][0])
        return way

    def _rule(self, node: Tensor, found: Contribution) -> Spans | None:
        """Return a contribution in terms of the gradient of the box that contains its reader, or None."""
        self._rules += 1
        if self._rules > _MOST_RULES:
            return None
        way = self._way(found.reader)
        top = way[-1]
        if top not in self._contents.shown or top.grad is None:
            return None
        leaf = Tensor(np.asarray(top.grad * self._contents.scale(top)))
        names = {**self._contents.names, **self._contents.scalars}
        if top is not self._contents.output or leaf.shape or leaf.item() != 1:
            names[leaf] = f"d{self._contents.names.get(top, 't')}"
        try:
            g: Any = ops.multiply(leaf, self._contents.scale(node) / self._contents.scale(top))
            for reader, inner in pairwise(reversed(way)):
                g = self._through(reader, g, next(i for i, x in enumerate(reader.inputs) if x is inner))
            g = self._through(found.reader, g, found.position)
            shown = self._contents.shown | ({leaf} & names.keys())
            names |= {now: names[was] for was, now in self._as_read.items() if was in names}
            return Writer(names, lambda x: x not in names).right_hand_side(self._simplified(g, shown))
        except (TinygraphError, TypeError, ValueError):  # a rule of the user's that works on numbers alone
            return None

    def _literal(self, value: float) -> Sum:
        """Return a number, by its name if it or its reciprocal has one."""
        for leaf in self._contents.scalars:
            if value in (leaf.item(), 1 / leaf.item()):
                return power(symbol_term(leaf), 1 if value == leaf.item() else -1)
        return number_term(value)

    def _through(self, reader: Tensor, g: Any, position: int) -> Any:
        x = reader.inputs[position]
        assert isinstance(x, Tensor)
        g = symbolic_contribution(reader, g, position, self._as_read)
        return unbroadcast(ops, g, x.shape) if reader.op is not None and reader.op.kind == "elementwise" else g

    def _owners(self, drawing: Drawing) -> dict[Tensor, Box]:
        """Return, for each node, the box of a picture that contains it."""
        owner: dict[Tensor, Box] = {}
        for box in drawing.boxes:
            nodes = [inner.node for inner in all_boxes(box.inner)] if box.inner is not None else [box.node]
            stack: list[Any] = list(nodes)
            while stack:
                x = stack.pop()
                if x not in owner:
                    owner[x] = box
                    stack += [y for y in x.inputs if isinstance(y, Tensor) and y not in self._contents.shown]
        return owner
