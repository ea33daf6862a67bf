"""The conventions in which gradients may have been computed, each with its factor for the gradients of results."""

from __future__ import annotations

from collections.abc import Mapping

from ...graph.tensor import Tensor
from ...graph.threads import cached_property
from .right import Right


class Conventions:
    """The factors of the given gradients, by the name of the convention.

    Inputs count as results. The gradients of parameters are the same in all conventions.
    """

    def __init__(self, right: Right) -> None:
        self.right = right

    @cached_property
    def exact(self) -> dict[Tensor, float]:
        """The factor 1 for each gradient."""
        return self._scales({})

    @cached_property
    def lecture(self) -> dict[Tensor, float]:
        """The factors of the lecture, or 1 if none can be derived or the results have no 1/m in common."""
        return self._scales({} if all(map(_is_parameter, self.right.given)) else self.right.scales)

    @property
    def common(self) -> dict[Tensor, float]:
        """The factors if all gradients of results are too large by the same count, or else 1.

        They are also 1 if no gradient of a parameter was given.
        """
        right = self.right
        results = [node for node in right.given if not _is_parameter(node) and node is not right.output]
        for n in self.counts.values() if any(map(_is_parameter, right.given)) else ():
            if results and all(right.matches(node, right.given[node], n * right.exact[node]) for node in results):
                return self._scales(dict.fromkeys(results, n))
        return self.exact

    def _scales(self, of_results: Mapping[Tensor, float]) -> dict[Tensor, float]:
        *_, last = 1.0, *of_results.values()
        return {
            node: 1.0 if _is_parameter(node) or node is self.right.output else of_results.get(node, last)
            for node in self.right.given
        }

    @cached_property
    def counts(self) -> dict[str, float]:
        """The numbers that a mean may be taken over, by name: named scalars, and the lengths of axes."""
        reading = self.right.reading
        named = {name: value for value, name in reading.scalars.items() if value > 1}
        lengths = {float(n) for node in reading.order for n in node.shape}
        others = {n for n in lengths | set(self.lecture.values()) if n > 1} - set(named.values())
        return named | {f"{n:g}": n for n in sorted(others)}

    def note(self, convention: str, used: Mapping[Tensor, float], asked: Mapping[Tensor, float]) -> str:
        """Return a sentence that says which gradients are in another convention than the one asked for."""
        names = self.right.names
        scaled = [node for node in self.right.given if used[node] != asked[node]]
        *first, last = [f"d{names[node]}" for node in scaled]
        listed = f"{', '.join(first)} and {last} are" if first else f"{last} is"
        factors = {max(used[node], asked[node]) for node in scaled}
        m = next((name for name, n in self.counts.items() if factors == {n}), "a constant")
        what = f"the gradient of each example's loss divided by {m}" if convention == "exact" else f"{m} times ∂J/∂V"
        return f'{listed} {what}: that is convention="{convention}", in which they are compared'


def _is_parameter(node: Tensor) -> bool:
    return node.op is None and node.requires_grad
