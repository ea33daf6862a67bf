"""The ways between the boxes of a picture: which box is read by which other one, also across copies of a group."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

from ..graph.tensor import Tensor
from ..graph.walking import shown_inputs
from .boxes import ways_back
from .groups import Group, Item, Structure


@dataclass(frozen=True, eq=False)
class Way:
    """A way from a node with a box to one that reads it. In a group, it stands for the same way in all copies."""

    source: Tensor
    target: Tensor
    differentiable: bool
    backward: bool
    carrier: Group | None
    """The group, if this way leads from one copy of a group to the next."""


class Ways:
    """All ways between the nodes of a graph that have boxes, with the first copy of a group standing for all."""

    def __init__(
        self,
        order: Sequence[Tensor],
        structure: Structure,
        readers: Mapping[Tensor, Sequence[Tensor]],
        boxed: Set[Tensor],
        called: Mapping[Tensor, str],
    ) -> None:
        self._structure = structure
        self._readers = readers
        self._boxed = boxed
        self._called = called
        self.into: defaultdict[Tensor, list[Way]] = defaultdict(list)
        self.out_of: defaultdict[Tensor, list[Way]] = defaultdict(list)
        self.owner = self._owners(order)
        """For each node in the first copies, the node with a box whose expression contains it."""
        first = {node: structure.first(node) for node in order}
        self.shown_by = {node: self.owner[x] for node, x in first.items() if x in self.owner}
        """The same for all copies."""
        for way in self._found(order):
            self.into[way.target].append(way)
            self.out_of[way.source].append(way)

    def nodes(self, item: Item) -> Iterator[Tensor]:
        """Yield all nodes of an item that have a box, in the first copies."""
        stack: list[Item] = [item]
        while stack:
            x = stack.pop()
            if isinstance(x, Group):
                stack += reversed(x.items)
            elif x in self._boxed:
                yield x

    def neighbourhood(self, focus: Tensor, radius: int, most: int) -> list[Tensor]:
        """Return the nodes with boxes that are at most `radius` edges away, the nearest ones if there are too many."""
        found = dict.fromkeys([focus])
        ring: list[Tensor] = [focus]
        for _ in range(radius):
            ways = [way for node in ring for way in (*self.into[node], *self.out_of[node])]
            ring = [x for way in ways for x in (way.source, way.target) if x in self.owner]
            ring = [x for x in dict.fromkeys(ring) if x not in found][: most - len(found)]
            found |= dict.fromkeys(ring)
        return sorted(found, key=lambda node: node.age)

    def _owners(self, order: Sequence[Tensor]) -> dict[Tensor, Tensor]:
        owner: dict[Tensor, Tensor] = {}
        for node in reversed(order):
            if node in self._boxed:
                owner[node] = node
            elif node.op is not None and self._structure.first(node) is node:
                owner[node] = next(owner[x] for x in self._readers[node] if x in owner)
        return owner

    def _found(self, order: Sequence[Tensor]) -> Iterator[Way]:
        within = set(order)
        ways: dict[tuple[Tensor, Tensor, Group | None], Way] = {}
        for node in order:
            for x in dict.fromkeys(x for x in shown_inputs(node) if isinstance(x, Tensor)):
                self._add(ways, x, node)
            for reader in self._readers.get(node, ()):
                if reader not in within:
                    self._add(ways, node, reader)
        yield from ways.values()

    def _add(self, ways: dict[tuple[Tensor, Tensor, Group | None], Way], x: Tensor, reader: Tensor) -> None:
        first = self._structure.first(reader)
        source, target = self._structure.first(x), self.owner[first] if first in self.owner else self._named(first)
        carrier = self._structure.carrier(x, reader)
        if source not in self._boxed or (source is target and carrier is None):
            return
        differentiable, backward = ways_back(x, reader)
        known = ways.get((source, target, carrier))
        if known is not None:
            differentiable, backward = differentiable or known.differentiable, backward or known.backward
        ways[source, target, carrier] = Way(source, target, differentiable, backward, carrier)

    def _named(self, node: Tensor) -> Tensor:
        """Return a node, or the first with a name among those computed from it."""
        while node not in self._called and (readers := self._readers.get(node)):
            node = readers[0]
        return node
