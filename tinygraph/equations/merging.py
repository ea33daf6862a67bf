"""The choice of the gradients that get an equation, and the merging of the others into those that read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..algebra.normal_form import Reader
from ..algebra.shortest import shortest
from ..algebra.terms import Call, Sum, Symbol
from ..algebra.terms import symbol as symbol_term
from ..graph.tensor import Tensor
from .cotangents import Cotangents
from .scalars import Scalars

_LONGEST = 16  # operations of an equation with others merged into it


class Apart:
    """The gradients as terms, before any is merged: each that has an equation is a symbol in the others."""

    def __init__(self, cotangents: Cotangents, scalars: Scalars, reader: Reader) -> None:
        self.cotangents = cotangents
        self.reader = reader.over(reader.atoms)
        self.terms: dict[Tensor, Sum] = {}
        """The gradients that have an equation, by node."""
        self.numbers: dict[Tensor, Sum] = {}
        """The gradients that are numbers, and are written as numbers in other equations."""
        self.owner: dict[Tensor, Tensor] = {}
        """The node of each gradient that is a symbol."""
        atoms = self.reader.atoms
        for node, g in cotangents.of.items():
            if node is cotangents.output or not cotangents.has_equation(node):
                continue
            term = shortest(self.reader.read(g))
            if scalars.are_all_of(term) and node not in cotangents.sought:
                self.numbers[node] = term
                continue
            if node not in cotangents.reading.shown and (g in atoms or _is_scaled_symbol(term)):
                continue
            self.terms[node] = term
            if node.op is not None and g not in atoms:
                self.owner[g] = node
                atoms[g] = symbol_term(g)
                self.reader.forget()


class Merging:
    """The merging of gradients into those that read them, from the oldest on, if that makes no equation longer.

    With `expand`, named nodes keep their equations. With `boxes`, for pictures, the gradient of a node without a box is
    merged as long as the others stay short.
    """

    def __init__(self, apart: Apart, expand: bool, boxes: bool) -> None:
        self._cotangents = apart.cotangents
        self._expand, self._boxes = expand, boxes
        self._reader = apart.reader.over(apart.reader.atoms)
        self._terms, self._owner = dict(apart.terms), dict(apart.owner)
        self._readers: dict[Tensor, set[Tensor]] = {g: set() for g in self._owner}
        self._note_readers(self._terms)

    def kept(self) -> list[tuple[Tensor, Tensor]]:
        """Merge gradients until no more can be merged; return the nodes that keep an equation, with their gradients.

        The youngest node comes first.
        """
        while True:
            free = self._free()
            merged = [self._merge([g]) for g in free if g in self._owner]
            groups = self._with_one_reader(free)
            merged += [self._merge(group) for group in groups if all(g in self._owner for g in group)]
            if not any(merged):
                return [(node, self._cotangents.of[node]) for node in self._terms]

    def _free(self) -> list[Tensor]:
        """Return the gradients that may be merged, those of the oldest nodes first.

        A gradient may not be merged if it is asked for, or if it is the gradient of several nodes.
        """
        of, sought = self._cotangents.of, self._cotangents.sought
        return [
            g
            for g, node in reversed(self._owner.items())
            if node not in sought and not any(of[x] is g and x is not node for x in self._terms)
        ]

    def _with_one_reader(self, free: Sequence[Tensor]) -> list[list[Tensor]]:
        """Return the groups of several gradients that are all read by one and the same equation only."""
        together: dict[Tensor, list[Tensor]] = {}
        for g in free:
            if g in self._owner and len(self._readers[g]) == 1:
                (reader,) = self._readers[g]
                together.setdefault(reader, []).append(g)
        return [group for group in together.values() if len(group) > 1]

    def _merge(self, group: Sequence[Tensor]) -> bool:
        """Merge gradients into those that read them, unless equations become longer; return whether they are merged."""
        nodes = [self._owner[g] for g in group]
        symbols = [self._reader.atoms.pop(g) for g in group]
        replaced = self._read_again(set.union(*(self._readers[g] for g in group)) - {*nodes})
        pairs = [(self._terms[node], term) for node, term in replaced.items()]
        if not self._is_better({node: self._terms[node] for node in nodes}, pairs):
            self._reader.atoms.update(zip(group, symbols, strict=True))
            return False
        for g, node in zip(group, nodes, strict=True):
            del self._terms[node], self._owner[g]
        self._terms.update(replaced)
        self._note_readers(replaced)
        for reading in self._readers.values():
            reading.difference_update(nodes)
        return True

    def _read_again(self, nodes: set[Tensor]) -> dict[Tensor, Sum]:
        """Return the gradients of some nodes, read over the symbols that are left."""
        atoms, terms = self._reader.atoms, {}
        for node in sorted(nodes, key=lambda x: x.age):
            g = self._cotangents.of[node]
            own = atoms.pop(g, None)
            self._reader.forget()
            terms[node] = shortest(self._reader.read(g))
            if own is not None:
                atoms[g] = own
        return terms

    def _note_readers(self, terms: Mapping[Tensor, Sum]) -> None:
        """Note which gradients read which others."""
        for node, term in terms.items():
            for g in term.symbols & self._owner.keys():
                self._readers[g].add(node)

    def _is_better(self, merged: Mapping[Tensor, Sum], replaced: Sequence[tuple[Sum, Sum]]) -> bool:
        """Return whether to merge the gradients of some nodes into those that read them, given before and after."""
        reading = self._cotangents.reading
        named = [node for node in merged if node in reading.names]
        if self._expand and named:
            return False
        if all(_passes_on(node) and node.op.kind == "elementwise" for node in merged):  # type: ignore[union-attr]
            return True  # the lecture's dA, put into dZ
        if not replaced or any(later.operations > max(_LONGEST, earlier.operations) for earlier, later in replaced):
            return False
        if self._boxes and not any(node in reading.shown for node in merged):
            return all(later.operations <= _LONGEST for _, later in replaced)
        before = sum(term.operations for term in merged.values()) + sum(earlier.operations for earlier, _ in replaced)
        after = sum(later.operations for _, later in replaced)
        of = self._cotangents.of
        lone = len(replaced) == 1 and not any(_contracts(replaced[0][0], of[node]) for node in merged)
        return after < before or (after == before and (lone or all(map(_passes_on, named))))


def _is_scaled_symbol(term: Sum) -> bool:
    """Return whether a gradient is another one times scalars, so that a name would say nothing."""
    arrays = [(base, power) for product in term.products for base, power in product.powers if base.shape != ()]
    return len(term.products) == 1 and len(arrays) == 1 and isinstance(arrays[0][0], Symbol) and arrays[0][1] == 1


def _passes_on(node: Tensor) -> bool:
    """Return whether the gradient of a node goes on to one other result only, and is not merely rearranged."""
    assert node.op is not None
    (x, *others) = node.inputs
    return not others and isinstance(x, Tensor) and x.op is not None and node.op.kind not in ("shape", "indexing")


def _contracts(term: Sum, g: Tensor) -> bool:
    """Return whether a gradient is in an operand of a matrix product."""
    stack: list[Any] = [term]
    while stack:
        x = stack.pop()
        if isinstance(x, Sum):
            stack += [base for product in x.products for base, _ in product.powers]
        elif isinstance(x, Call):
            if x.kind == "contraction" and any(g in operand.symbols for operand in x.operands):
                return True
            stack += x.operands
    return False
