"""The gradients of one graph that equations are derived for, as nodes."""

from __future__ import annotations

from ..autodiff.traversal import computed, cotangents
from ..errors import ArgumentError
from ..graph.node import describe, toposort
from ..graph.tensor import Tensor
from ..graph.walking import shown_inputs
from ..reading import Reading
from ..writing.notation import sources

_MOST_LEVELS = 200  # operations within each other in one equation


class Cotangents:
    """The gradients on the way from the output of a graph to the tensors that are `sought`, as the rules write them.

    With `depth`, only tensors that are at most so many equations away from the output count.
    """

    def __init__(self, reading: Reading, sought: set[Tensor], depth: int | None = None) -> None:
        self.reading = reading
        self.output = reading.output
        away = self._away()
        self.near = {x for x, distance in away.items() if depth is None or distance <= depth}
        """The symbols that are near enough to the output."""
        farthest = {x for x in self.near if x.op is not None and x.requires_grad and away[x] == depth}
        self.sought = sought & self.near | farthest
        """The nodes whose gradients are asked for."""
        seed = Tensor(self.output.dtype.type(1))
        made = list(cotangents(self.output, self.sought, seed, reading.as_read, reading.order))
        made.sort(key=lambda pair: -pair[0].age)
        self.of = {node: computed(g) for node, g in made}
        """The gradient of each node, the youngest node first."""
        self.aside = {node: self.of[node] for node, g in made if callable(g)}
        """The gradients of probabilities that a loss looks through, which are not propagated."""
        self._refuse_endless()

    def has_equation(self, node: Tensor) -> bool:
        """Return whether the gradient of a node has an equation before any gradients are merged into others.

        It has one if the node is a symbol, or passes its gradient on to several inputs.
        """
        return node in self.reading.shown or _branches(node)

    def _away(self) -> dict[Tensor, int]:
        """Return how many equations each symbol is away from the output."""
        away = {self.output: 0}
        for node in reversed(self.reading.order):
            if node in away:
                for x in sources(node, self.reading.shown):
                    away[x] = min(away.get(x, away[node] + 1), away[node] + 1)
        return away

    def _refuse_endless(self) -> None:
        """Refuse gradients of hundreds of operations, one within the other, which nobody reads."""
        apart = {*self.reading.shown, *(g for node, g in self.of.items() if self.has_equation(node))}
        levels: dict[Tensor, int] = {}
        for x in toposort(*self.of.values()):
            within = (0 if y in apart else levels[y] for y in x.inputs if isinstance(y, Tensor))
            levels[x] = 0 if x.op is None else 1 + max(within, default=0)
        for node, g in self.of.items():
            if levels[g] > _MOST_LEVELS:
                names = self.reading.symbols
                raise ArgumentError(
                    f"the gradient of {names.get(node) or describe(node)} is {levels[g]} operations deep, too many"
                    f" to write down: name some of the results in between, ask with wrt= for a tensor nearer to"
                    f" {names.get(self.output, 'the output')}, or use fewer repetitions"
                )


def _branches(node: Tensor) -> bool:
    """Return whether the gradient of a node goes on to more than one of its inputs."""
    return node.op is not None and sum(isinstance(x, Tensor) and x.requires_grad for x in shown_inputs(node)) > 1
