"""The report of `check_backprop`, as text and as data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np

from ...graph.threads import cached_property


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """The verdict of `check_backprop` on one gradient."""

    name: str
    verdict: str
    """"agrees", "wrong", or "follows" if it is right given an earlier gradient that is wrong."""
    given: np.ndarray[Any, Any]
    expected: np.ndarray[Any, Any]
    """The gradient in the convention of the report, or what follows from earlier gradients that are wrong."""
    causes: tuple[str, ...] = ()
    """The names of the slips that lead to a wrong gradient, the likeliest first: ``missing 1/m``, …"""
    explanation: str = ""
    """The causes as the end of a sentence about the gradient."""
    due: str = "it should be"
    """The words before the expected value, which differ where it follows from a wrong gradient."""
    equation: str = ""
    """The equation of the right gradient, if it fits on a line."""

    @property
    def cause(self) -> str | None:
        """The likeliest slip."""
        return self.causes[0] if self.causes else None

    @cached_property
    def index(self) -> tuple[int, ...] | None:
        """The index of the element that is off most, or None if the shape is wrong or there are no elements."""
        if self.given.shape != self.expected.shape or not self.given.size:
            return None
        with np.errstate(all="ignore"):
            off = np.nan_to_num(np.abs(self.given - self.expected), nan=np.inf)
            off = np.where(np.isfinite(self.expected), off, 0.0)
        return tuple(int(i) for i in np.unravel_index(off.argmax(), off.shape))

    @property
    def error(self) -> float:
        """The difference at `index`, or NaN if that is None."""
        return float("nan") if self.index is None else float(abs(self.given[self.index] - self.expected[self.index]))

    @property
    def details(self) -> str:
        """The equation, and the numbers where they are furthest apart."""
        if self.index is None:
            numbers = f"it has shape {self.given.shape}, and should have {self.expected.shape}"
        else:
            yours, ours = _told_apart(float(self.given[self.index]), float(self.expected[self.index]))
            numbers = f"{f'at {list(self.index)} ' if self.index else ''}you have {yours}, {self.due} {ours}"
        return f"{self.equation}; {numbers}" if self.equation else numbers

    def __str__(self) -> str:
        return f"{self.name} {self.explanation or self.verdict}"

    __repr__ = __str__


class BackpropReport(Sequence[Comparison]):
    """The result of `check_backprop`: a comparison for each given gradient, in backward order, by position or name.

    In print it shows the first wrong gradient and the likely cause, then a line for each gradient.
    """

    def __init__(self, table: Sequence[Comparison], convention: str, note: str) -> None:
        self.table = tuple(table)
        """All comparisons."""
        self.convention = convention
        """The convention that the gradients follow."""
        self._note = note

    @property
    def ok(self) -> bool:
        """Whether all gradients agree."""
        return self._first is None

    @property
    def first(self) -> str | None:
        """The name of the first wrong gradient."""
        return None if self._first is None else self._first.name

    @property
    def cause(self) -> str | None:
        """The name of the likeliest slip that leads to it."""
        return None if self._first is None else self._first.cause

    @property
    def _first(self) -> Comparison | None:
        return next((comparison for comparison in self.table if comparison.verdict == "wrong"), None)

    @overload
    def __getitem__(self, key: int | str) -> Comparison: ...
    @overload
    def __getitem__(self, key: slice) -> Sequence[Comparison]: ...
    def __getitem__(self, key: int | str | slice) -> Comparison | Sequence[Comparison]:
        if not isinstance(key, str):
            return self.table[key]
        found = [comparison for comparison in self.table if comparison.name == key]
        if not found:
            raise KeyError(f"{key} was not given; the given gradients are {', '.join(c.name for c in self.table)}")
        return found[0]

    def __len__(self) -> int:
        return len(self.table)

    def __str__(self) -> str:
        first = self._first
        lines = ["all agree" if first is None else str(first), ""]
        wide = max(len(comparison.name) for comparison in self.table)
        for comparison in self.table:
            if comparison is first:
                text = f"wrong: {comparison.details}"
            elif comparison.verdict == "wrong":
                text = f"wrong too; it {comparison.explanation}: {comparison.details}"
            else:
                text = comparison.explanation or comparison.verdict
            lines.append(f"{comparison.name:<{wide}}   {text}")
        return "\n".join([*lines, *(["", self._note] if self._note else [])])

    __repr__ = __str__


def _told_apart(x: float, y: float) -> tuple[str, str]:
    """Return two numbers in the fewest digits that show the difference."""
    for digits in (4, 6, 9, 12, 17):
        texts = f"{x:.{digits}g}", f"{y:.{digits}g}"
        if texts[0] != texts[1]:
            break
    return texts[0].replace("-", "−"), texts[1].replace("-", "−")
