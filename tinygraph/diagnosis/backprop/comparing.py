"""The comparison of given gradients with the right ones, and with those that follow from gradients given before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ...graph.tensor import Tensor
from ...graph.threads import cached_property
from .conventions import Conventions
from .pieces import Pieces, steps_to
from .report import Comparison
from .search import Search
from .slips import NO_SLIP


class Compared:
    """The given gradients, compared with the right ones in one convention."""

    def __init__(self, conventions: Conventions, convention: str, scales: Mapping[Tensor, float]) -> None:
        self.right = right = conventions.right
        self._conventions, self.convention, self.scales = conventions, convention, scales
        self.values = {node: value.astype(float) / scales[node] for node, value in right.given.items()}
        """The given gradients, as exact gradients."""
        self.wrong = {node for node, value in self.values.items() if not right.agrees(node, value)}
        self.cut = {
            node: value
            for node, value in self.values.items()
            if node.op is not None and node is not right.output and value.shape == node.shape
        }
        """The given gradients of results: gradients after them are compared with the values that follow from these."""

    @cached_property
    def mistakes(self) -> dict[Tensor, Any]:
        """The gradients that are wrong in themselves, each with its right value."""
        if not self.wrong:
            return {}
        pieces = Pieces(self.right.reading.order, self.cut, direct=self.cut.__contains__)
        expected = dict(zip(self.values, pieces.arriving(list(self.values)), strict=True))
        return {x: expected[x] for x in self.values if x in self.wrong and not self._follows(x, expected[x])}

    @property
    def _search(self) -> Search:
        """A search for the slips that lead to the mistakes."""
        return Search(self.right, self._conventions.counts, self.scales, self.values, self.cut)

    def _follows(self, node: Tensor, expected: Any) -> bool:
        """Return whether a wrong gradient follows from other wrong ones, or cannot be compared until they are right."""
        before = self._before(node)
        comparable = all(x in self.cut for x in before)
        return bool(before) and (not comparable or self.right.matches(node, self.values[node], expected))

    def _before(self, node: Tensor) -> list[Tensor]:
        """Return the nodes whose wrong gradients lead to the gradient of another node."""
        steps = steps_to(node, self.right.reads, self.values.keys())
        return list(dict.fromkeys(reader for reader, _ in steps if reader in self.wrong))

    def comparisons(self) -> Iterator[Comparison]:
        """Yield the comparison of each gradient."""
        search = self._search if self.mistakes else None
        for node, given in self.right.given.items():
            name = f"d{self.right.names[node]}"
            if node not in self.wrong:
                exact = self.right.exact[node]
                known = "" if np.isfinite(exact).all() else "agrees where the gradient of the graph is finite"
                yield Comparison(name, "agrees", given, self.scales[node] * exact, explanation=known)
            elif search is None or node not in self.mistakes:
                yield Comparison(name, "follows", given, given, explanation=self._after(node))
            else:
                expected = self.mistakes[node]
                causes, explanation = search.explained(node, expected)
                verdict = "agrees" if causes[0] == NO_SLIP else "wrong"
                equation = self.right.equation(node, self.convention == "lecture") if verdict == "wrong" else ""
                before = " and ".join(f"d{self.right.names[x]}" for x in self._before(node) if x in self.cut)
                due = f"from your {before} it would be" if before else "it should be"
                scaled = self.scales[node] * expected
                yield Comparison(name, verdict, given, scaled, causes, explanation, due=due, equation=equation)

    def _after(self, node: Tensor) -> str:
        before = self._before(node)
        names = " and ".join(f"d{self.right.names[x]}" for x in before)
        if all(x in self.cut for x in before):
            return f"follows from your {names}"
        return f"can be checked only once you have corrected {names}"
