"""The division of a graph into groups, by scopes and by repetition. The first of several copies stands for all.

An operation in a later copy has a counterpart in the first one; so has an operand of which each copy has its own.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from ..graph.tensor import Tensor
from .repeats import label, runs

_FEWEST_LEAVES = 4  # leaves that are alike, and become a group
DEEPEST = 100
"""The most nested scopes that are groups, and frames in a picture; deeper parts belong to the innermost of these."""

Item: TypeAlias = "Tensor | Group"
Chain: TypeAlias = "tuple[tuple[Group, int], ...]"
"""The groups that contain a node, the outermost first, with the number of its copy in each."""


@dataclass(eq=False)
class Group:
    """A part of a graph that a box may stand for."""

    name: str
    """The name of its scope, if it is one."""
    copies: list[list[Tensor]]
    """The operations of each copy, in the same order."""
    items: list[Item] = field(default_factory=list)
    """The items of the first copy, in topological order."""
    parameters: int = 0
    """The number of parameters in all copies."""
    numbers: int = 0
    """The number of elements of all parameters."""

    @property
    def count(self) -> int:
        """The number of copies."""
        return len(self.copies)


class _Place(NamedTuple):
    group: Group
    copy: int
    position: int


class Structure:
    """The groups of a graph."""

    def __init__(
        self, order: Sequence[Tensor], readers: Mapping[Tensor, Sequence[Tensor]], grouped: bool = True
    ) -> None:
        self.grouped = grouped
        self._output = order[-1]
        self.items: list[Item] = list(order)
        self._places: defaultdict[Tensor, list[_Place]] = defaultdict(list)
        self._chains: dict[Tensor, Chain] = {}
        self._first: dict[Tensor, Tensor] = {}
        if grouped:
            self.items = self._grouped([node for node in order if node.op is not None], 0)
            self._add_leaves([node for node in order if node.op is None], readers)

    def chain(self, node: Tensor) -> Chain:
        """Return the groups that contain a node."""
        self._look_up(node)
        return self._chains[node]

    def first(self, node: Tensor) -> Tensor:
        """Return the counterpart of a node in the first copies of all groups that contain it."""
        self._look_up(node)
        return self._first[node]

    def counterpart(self, node: Tensor, group: Group, copy: int) -> Tensor:
        """Return the counterpart of a node of the first copy in another copy of a group."""
        place = next((place for place in self._places.get(node, ()) if place.group is group), None)
        return node if place is None else group.copies[copy][place.position]

    def carrier(self, x: Tensor, reader: Tensor) -> Group | None:
        """Return the group that makes a tensor in one of its copies and reads it in another, or None."""
        for (group, copy), (other, other_copy) in zip(self.chain(x), self.chain(reader), strict=False):
            if group is not other:
                return None
            if copy != other_copy:
                return group
        return None

    def _look_up(self, node: Tensor) -> None:
        if node in self._chains:
            return
        found: list[tuple[Group, int]] = []
        first = node
        while len(found) < len(places := self._places.get(first, ())):
            group, copy, position = places[len(found)]
            found.append((group, copy))
            first = group.copies[0][position]
        self._chains[node], self._first[node] = tuple(found), first

    @property
    def repeats(self) -> bool:
        """Whether any group stands for several copies."""
        return any(place.group.count > 1 for places in self._places.values() for place in places)

    # -- operations --------------------------------------------------------------------------------------------

    def _grouped(self, ops: Sequence[Tensor], depth: int) -> list[Item]:
        """Return the operations of a scope, or of a copy, as items."""
        units: dict[Tensor | str, list[Tensor]] = {}  # the scopes within, and single operations
        scopes = {node: node.scope[depth:DEEPEST] for node in ops}
        for node in ops:
            units.setdefault(scopes[node][0] if scopes[node] else node, []).append(node)
        sequence = [node for unit in units.values() for node in unit]
        unit_at = {unit[0]: unit for unit in units.values()}
        labels = [
            (label(node), node is self._output, *map(_stem, scopes[node]))  # the final result is not a repetition
            for node in sequence
        ]
        repeats = {run.start: run for run in runs(sequence, labels, [node in unit_at for node in sequence])}
        items: list[Item] = []
        i = 0
        while i < len(sequence):
            run, unit = repeats.get(i), unit_at[sequence[i]]
            if run is not None:
                copies = [sequence[j : j + run.period] for j in range(i, run.stop, run.period)]
                whole = len(unit) == run.period and bool(scopes[unit[0]])  # each copy is one scope
                name = _common_name([scopes[copy[0]][0] for copy in copies]) if whole else ""
                items.append(self._group(name, copies, depth + whole))
                i = run.stop
            else:
                within = scopes[unit[0]]
                items.append(self._group(within[0], [unit], depth + 1) if within else unit[0])
                i += len(unit)
        return items

    def _group(self, name: str, copies: list[list[Tensor]], depth: int) -> Group:
        group = Group(name, copies)
        for copy, nodes in enumerate(copies):
            for position, node in enumerate(nodes):
                self._places[node].append(_Place(group, copy, position))
        group.items = self._grouped(copies[0], depth)
        if len(group.items) == 1 and isinstance(only := group.items[0], Group) and group.count == 1 and not only.name:
            for node in copies[0]:  # the whole scope repeats, so one group is enough
                self._places[node].remove(next(place for place in self._places[node] if place.group is group))
            only.name = name
            return only
        return group

    # -- leaves ------------------------------------------------------------------------------------------------

    def _add_leaves(self, leaves: Sequence[Tensor], readers: Mapping[Tensor, Sequence[Tensor]]) -> None:
        """Put each leaf before the first item that reads it, in the innermost group to which it belongs."""
        before: defaultdict[Group | None, defaultdict[Item, list[Tensor]]] = defaultdict(lambda: defaultdict(list))
        for leaf in leaves:
            reading = [node for node in readers.get(leaf, ()) if node.op is not None]
            chain = self._belongs(leaf, reading)
            self._chains[leaf], self._first[leaf] = chain, leaf
            for i, (group, copy) in enumerate(chain):
                if leaf.requires_grad and all(k == 0 for _, k in chain[:i]):
                    group.parameters += 1
                    group.numbers += leaf.size
                if copy:
                    break
            if reading and all(copy == 0 for _, copy in chain):
                home = chain[-1][0] if chain else None
                before[home][self._item_of(reading[0], len(chain))].append(leaf)
            elif not reading:
                self.items.insert(0, leaf)
        for home, added in before.items():
            items = self.items if home is None else home.items
            items[:] = [x for item in items for x in (*self._bundled(added.get(item, ()), readers), item)]

    def _item_of(self, node: Tensor, depth: int) -> Item:
        chain = self.chain(node)
        return chain[depth][0] if len(chain) > depth else self.first(node)

    def _belongs(self, leaf: Tensor, reading: Sequence[Tensor]) -> Chain:
        """Return the innermost group that holds all readers; data belongs only to a group whose copies have
        data of their own.
        """
        if not reading:
            return ()
        common = self.chain(reading[0])
        for node in reading[1:]:
            other = self.chain(node)
            depth = next((i for i, (a, b) in enumerate(zip(common, other, strict=False)) if a != b), None)
            common = common[: min(len(other), len(common)) if depth is None else depth]
        for i, (group, _) in enumerate(common):
            if group.count > 1 and not self._is_own(leaf, reading[0], common[: i + 1]):
                common = common[:i]
                break
        if not leaf.requires_grad and not leaf.scope:
            while common and common[-1][0].count == 1:
                common = common[:-1]
        return common

    def _is_own(self, leaf: Tensor, reader: Tensor, chain: Chain) -> bool:
        """Return whether another copy has a leaf of its own in the place of this one."""
        if any(copy for _, copy in chain[:-1]):  # its counterpart is drawn in its place
            return True
        group, copy = chain[-1]
        position = next(place.position for place in self._places[reader] if place.group is group)
        other = group.copies[1 if copy == 0 else 0][position]
        i = next(i for i, x in enumerate(reader.inputs) if x is leaf)
        x = other.inputs[i]
        return isinstance(x, Tensor) and x.op is None and x is not leaf

    def _bundled(self, leaves: Sequence[Tensor], readers: Mapping[Tensor, Sequence[Tensor]]) -> list[Item]:
        """Return items in which leaves that are alike and have the same readers are one group."""
        alike: defaultdict[object, list[Tensor]] = defaultdict(list)
        for leaf in leaves:
            depth = len(self._chains[leaf])
            reading = frozenset(self._item_of(node, depth) for node in readers[leaf])
            alike[leaf.shape, leaf.dtype.str, leaf.requires_grad, reading].append(leaf)
        items: list[Item] = []
        for same in alike.values():
            if len(same) < _FEWEST_LEAVES:
                items += same
                continue
            bundle = Group("", [[leaf] for leaf in same], [same[0]])
            if same[0].requires_grad:
                bundle.parameters, bundle.numbers = len(same), sum(leaf.size for leaf in same)
            for copy, leaf in enumerate(same):
                self._chains[leaf] = (*self._chains[leaf], (bundle, copy))
                self._first[leaf] = same[0]
                self._places[leaf] = [*(_Place(g, k, 0) for g, k in self._chains[leaf][:-1]), _Place(bundle, copy, 0)]
            items.append(bundle)
        return items


def _stem(scope: str) -> str:
    """Return the name of a scope without its numbers."""
    return re.sub("[0-9]+", "", scope)


def _common_name(scopes: Sequence[str]) -> str:
    """Return ``layer`` for ``layer 1``, ``layer 2``, …, or the first and the last name."""
    stems = {re.sub(r"[\s_.-]*[0-9]+$", "", scope) for scope in scopes}
    return stems.pop() or scopes[0] if len(stems) == 1 else f"{scopes[0]} … {scopes[-1]}"
