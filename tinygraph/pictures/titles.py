"""The words in the boxes of folded groups: their titles, and a line about their results and parameters."""

from __future__ import annotations

from collections.abc import Mapping

from ..graph.tensor import Tensor
from ..writing.names import clean
from ..writing.notation import Span, Spans, symbol
from .arrays import shape_text
from .groups import Group, Structure
from .ways import Ways


class Titles:
    """The titles of groups. `called` has the names that the user gave, and `names` those of all nodes with a symbol."""

    def __init__(
        self, structure: Structure, ways: Ways, names: Mapping[Tensor, str], called: Mapping[Tensor, str]
    ) -> None:
        self._structure = structure
        self._ways = ways
        self._names = names
        self._called = called

    def title(self, group: Group) -> Spans:
        """Return ``block ×12``, or the names of the results of the first and the last copy."""
        title = [Span(clean(group.name))]
        if not group.name:
            made = [node for node in self._ways.nodes(group) if node.op is not None]
            called = [node for node in made if node in self._called]
            last = result if (result := self.result(group)) in self._called or not called else called[-1]
            ends = [self._structure.counterpart(last, group, copy) for copy in (0, -1)]
            if group.count == 1 and made:
                ends[0] = called[0] if called else made[0]
            names = dict.fromkeys(self.name(node) for node in ends)
            title = [span for name in names for span in (Span(" … "), *symbol(name))][1:]
        return [*title, Span(f" ×{group.count}")] if group.count > 1 else title

    def value(self, group: Group) -> str:
        """Return the shape of the result, and the number of parameters."""
        shape = self.result(group).shape
        value = shape_text(shape) if shape else "scalar"
        tensors = f"{group.parameters} tensor{'s' * (group.parameters > 1)}"
        return f"{value}   {_amount(group.numbers)} parameters in {tensors}" if group.parameters else value

    def result(self, group: Group) -> Tensor:
        """Return the last node in the first copy that is read outside of it."""
        nodes = list(self._ways.nodes(group))
        within = set(nodes)
        read = [
            node
            for node in nodes
            if any(way.target not in within or way.carrier is group for way in self._ways.out_of[node])
        ]
        return max(read or nodes, key=lambda node: (node.op is not None, node.age))

    def name(self, node: Tensor) -> str:
        """Return the name of a node, or that of its counterpart in the first copy."""
        return self._names.get(node) or self._names[self._structure.first(node)]

    def outside(self, node: Tensor, carrier: Group | None = None) -> Spans:
        """Return the title of a node that stands outside of a drawing."""
        name = self._names.get(node)
        title = symbol(name) if name else [Span("…")]
        return [*title, Span(" of the copy before")] if carrier else title


def _amount(number: int) -> str:
    """Return ``7,392`` or ``1.2 million``."""
    return f"{number:,}" if number < 1_000_000 else f"{number / 1_000_000:.3g} million"
