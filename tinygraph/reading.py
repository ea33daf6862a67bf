"""A graph, read: its order, its readers, its names and the values that it has read, found once for all who ask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import FrameType
from typing import Any

from .graph.tensor import Tensor
from .graph.threads import cached_property
from .graph.walking import inputs_with_gradient, read_before_change, readers_of, shown_inputs, values_read
from .writing.names import names_of, scalars_of
from .writing.notation import with_symbols


class Reading:
    """One look at a graph, for equations, pictures and explanations; each part of it is computed when first used.

    `order` has the nodes in topological order, and `frame` is the code that asks, whose variables give names. With
    `every_op` each operation is written as a symbol of its own, and `also` are nodes that are symbols in any case.
    """

    def __init__(
        self,
        order: Sequence[Tensor],
        frame: FrameType | None = None,
        *,
        names: Mapping[Tensor, str] | None = None,
        every_op: bool = False,
        also: Sequence[Tensor] = (),
        whole: Reading | None = None,
    ) -> None:
        self.order = order
        self.every_op = every_op
        self._also = also
        self._whole = whole
        self.names = names_of(order, frame, self.readers) if names is None else names
        """The names that the user gave."""

    def part(self, nodes: Sequence[Tensor]) -> Reading:
        """Return the reading of some of the nodes, in which whatever they read from the others is a symbol."""
        if len(nodes) == len(self.order):
            return self
        return Reading(nodes, names=self.names, every_op=self.every_op, also=from_outside(nodes), whole=self.whole)

    @property
    def whole(self) -> Reading:
        """The reading of the whole graph, of which this may be a part."""
        return self._whole or self  # not kept in itself: a cycle would keep the graph alive

    @property
    def output(self) -> Tensor:
        """The youngest node."""
        return self.order[-1]

    @cached_property
    def readers(self) -> dict[Tensor, list[Tensor]]:
        """The nodes that read each node, as the user wrote it."""
        return readers_of(self.order)

    @cached_property
    def senders(self) -> dict[Tensor, list[Tensor]]:
        """The readers of each node that send it a gradient."""
        return readers_of(self.order, inputs_with_gradient)

    @property
    def shown(self) -> set[Tensor]:
        """The nodes that are written as symbols; the others stand within the expressions of their readers."""
        return self._symbols[0]

    @property
    def symbols(self) -> dict[Tensor, str]:
        """The names of these nodes: those that the user gave, and t1, t2, …"""
        return self._symbols[1]

    @cached_property
    def _symbols(self) -> tuple[set[Tensor], dict[Tensor, str]]:
        return with_symbols(self.order, self.names, self.every_op, self._also, self.readers)

    @cached_property
    def scalars(self) -> dict[float, str]:
        """The numbers that have a name in the source, such as m."""
        return scalars_of(self.order, set(self.symbols.values()))

    @cached_property
    def values(self) -> dict[Tensor, Any]:
        """The values of the nodes, as the graph has read them."""
        return values_read(self.order)

    @cached_property
    def as_read(self) -> dict[Tensor, Tensor]:
        """Stand-ins for the leaves that have changed since the graph was recorded, with the values that it has read."""
        return read_before_change(self.order)

    @property
    def parameters(self) -> Iterator[Tensor]:
        """The leaves that require a gradient."""
        return (x for x in self.order if x.op is None and x.requires_grad)


def from_outside(part: Sequence[Tensor]) -> list[Tensor]:
    """Return the nodes that a part of a graph reads from the rest of it, in order."""
    within = set(part)
    read = {x for node in part for x in shown_inputs(node) if isinstance(x, Tensor) and x not in within}
    shown = [x for x in read if x.op is not None or x.name or x.shape or x.requires_grad]
    return sorted(shown, key=lambda x: x.age)
