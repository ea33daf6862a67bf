"""Repetitions in a sequence of operations: the same operations, joined in the same way, time after time.

Values and names play no part. Labels show first where stretches are alike, for every period at once. Then each copy is
compared with the one before it, operand by operand.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Hashable, Mapping, Sequence
from itertools import accumulate
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ..graph.tensor import Tensor
from ..graph.walking import shown_inputs

_FEWEST = 3  # the fewest copies that are folded
_LARGE = 8  # operations of a part that is folded from two copies on; folding has to save as many
_LONGEST = 2_000  # operations of a copy
_OPERANDS = 3  # operands that are compared for every period; the others follow where these agree
_MOST_WORK = 20  # times the length of the sequence, in operations that are compared
_NONE, _OUTSIDE = -1, -2

Integers: TypeAlias = "np.ndarray[Any, np.dtype[np.int64]]"


class Run(NamedTuple):
    """A repetition: from `start` on, `copies` times in a row, `period` operations each."""

    start: int
    period: int
    copies: int

    @property
    def stop(self) -> int:
        """The end of the last copy."""
        return self.start + self.period * self.copies


class _Candidate(NamedTuple):
    """A stretch that may repeat with a period. The candidates that would save most come first."""

    minus_saved: int
    period: int
    start: int
    stop: int
    wired: bool
    """Whether operands have been compared too."""


def label(node: Tensor) -> Hashable:
    """Return what must be equal in two operations that are alike: op, parameters, and shapes of result and operands."""
    op = node.op
    assert op is not None
    params = tuple(_without_places(value) if name == "key" else repr(value) for name, value in node.params.items())
    operands = tuple(_operand(x, i == op.exponent) for i, x in enumerate(shown_inputs(node)))
    return op, params, node.shape, node.dtype.str, node.requires_grad, operands


def _operand(x: Any, is_exponent: bool) -> Any:
    if isinstance(x, Tensor):
        return x.shape, x.dtype.str
    return x if is_exponent else type(x)  # x² and x³ are different functions, x + 1 and x + 2 are alike


def _without_places(key: Any) -> Any:
    return tuple(type(part) for part in key) if isinstance(key, tuple) else type(key)


def runs(nodes: Sequence[Tensor], labels: Sequence[Hashable], starts: Sequence[bool]) -> list[Run]:
    """Return the repetitions in a sequence of operations that save most, in order and without overlap.

    Copies may begin at the positions in `starts`. Each copy reads tensors that the other copies read too, results
    of the copy before it, or tensors of its own.
    """
    if len(nodes) < 2 * _FEWEST:
        return []
    place = {node: i for i, node in enumerate(nodes)}
    numbers: dict[Hashable, int] = {}
    tokens = np.array([numbers.setdefault(label, len(numbers)) for label in labels])
    reading = _reading(nodes, place)
    queue = _alike(tokens)
    taken = np.zeros(len(nodes), bool)
    found: list[Run] = []
    work = 0
    while queue and work < _MOST_WORK * len(nodes):
        candidate = heapq.heappop(queue)
        if taken[candidate.start : candidate.stop].any():
            for start, stop in _stretches_of(~taken[candidate.start : candidate.stop]):
                _push(queue, candidate.period, candidate.start + start, candidate.start + stop, candidate.wired)
        elif not candidate.wired:
            for start, stop in _wired(reading, candidate):
                _push(queue, candidate.period, start, stop, True)
        else:
            work += candidate.stop - candidate.start
            run = _cut(nodes, place, starts, candidate)
            wrong = _difference(nodes, place, run) if run is not None else None
            if run is not None and wrong is None:
                found.append(run)
                taken[run.start : run.stop] = True
            elif wrong is not None:
                _push(queue, candidate.period, candidate.start, wrong, True)
                _push(queue, candidate.period, wrong - candidate.period + 1, candidate.stop, True)
    return sorted(found)


def _push(queue: list[_Candidate], period: int, start: int, stop: int, wired: bool) -> None:
    count = (stop - start) // period
    saved = period * (count - 1)
    if saved >= _LARGE and count >= (2 if period >= _LARGE else _FEWEST):
        heapq.heappush(queue, _Candidate(-saved, period, start, stop, wired))


def _alike(tokens: Integers) -> list[_Candidate]:
    """Return a heap of the stretches in which labels repeat, for every period."""
    queue: list[_Candidate] = []
    for period in range(1, min(len(tokens) // 2, _LONGEST) + 1):
        same = tokens[period:] == tokens[:-period]
        if np.count_nonzero(same) >= period:
            for start, stop in _stretches_of(same, period):
                _push(queue, period, start, stop + period, False)
    return queue


def _stretches_of(flags: np.ndarray[Any, np.dtype[np.bool_]], shortest: int = 1) -> list[tuple[int, int]]:
    """Return the beginnings and ends of stretches of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    long = edges[1::2] - edges[::2] >= shortest
    return list(zip(edges[::2][long].tolist(), edges[1::2][long].tolist(), strict=True))


def _reading(nodes: Sequence[Tensor], place: Mapping[Tensor, int]) -> Integers:
    """Return the positions of the first operands of each operation; operands from outside get numbers below zero."""
    reading = np.full((len(nodes), _OPERANDS), _NONE)
    outside: dict[Tensor, int] = {}
    for i, node in enumerate(nodes):
        for j, x in enumerate(shown_inputs(node)[:_OPERANDS]):
            if isinstance(x, Tensor):
                reading[i, j] = place[x] if x in place else outside.setdefault(x, _OUTSIDE - len(outside))
    return reading


def _wired(reading: Integers, candidate: _Candidate) -> list[tuple[int, int]]:
    """Return the parts of a stretch in which operands repeat too, as far as two copies can show."""
    _, period, start, stop, _ = candidate
    before, after = reading[start : stop - period], reading[start + period : stop]
    step = after - before
    inside = (before >= 0) & (after >= 0)
    alike = (step == 0) | (inside & (step == period)) | ((before <= _OUTSIDE) & (after <= _OUTSIDE))
    # the first copy reads from outside what the others read from the copy before
    alike |= (after > np.arange(start, stop - period)[:, None] - period) & (before < after)
    even = inside[period:] & inside[:-period] & (step[period:] == step[:-period])  # as operands of another run
    alike[period:] |= even
    alike[:-period] |= even
    return [(start + a, start + b + period) for a, b in _stretches_of(alike.all(axis=1))]


def _cut(
    nodes: Sequence[Tensor], place: Mapping[Tensor, int], starts: Sequence[bool], candidate: _Candidate
) -> Run | None:
    """Return the copies in a stretch, cut where the fewest results pass from copy to copy, or None.

    The results that pass should have names, and a copy should begin where the body of a loop does, or where names get a
    new number.
    """
    _, period, first, stop, _ = candidate
    most = (stop - first) // period
    possible = [
        start
        for start in range(first, min(first + period, stop - period * max(2, most - 1) + 1))
        if all(starts[start : stop - period + 1 : period])
    ]
    if not possible:
        return None
    passing = _passing(nodes[first:stop], place, first)

    def cost(start: int) -> tuple[Any, ...]:
        last, following = nodes[start + period - 1].site, nodes[start + period].site
        loops = last.code is following.code and following.line < last.line
        return (*passing[start + period - first], not loops, -((stop - start) // period))

    costs = {start: cost(start) for start in possible}
    best = [start for start in possible if costs[start] == min(costs.values())]
    start = min(best, key=lambda start: _numbers(nodes[start : start + period])) if len(best) < _LARGE else best[0]
    return Run(start, period, (stop - start) // period)


def _passing(nodes: Sequence[Tensor], place: Mapping[Tensor, int], first: int) -> list[tuple[int, int]]:
    """Return for each border between two operations how many results pass it, and how many of these have no name."""
    last = list(range(len(nodes)))
    for i, node in enumerate(nodes):
        for x in shown_inputs(node):
            if isinstance(x, Tensor) and (j := place.get(x, -1) - first) >= 0:
                last[j] = i
    change = [[0, 0] for _ in range(len(nodes) + 1)]
    for i, end in enumerate(last):
        if end > i:
            unnamed = nodes[i].name is None
            for border, step in ((i + 1, 1), (end + 1, -1)):
                change[border][0] += step
                change[border][1] += step * unnamed
    return list(accumulate(map(tuple, change), lambda a, b: (a[0] + b[0], a[1] + b[1])))


def _numbers(nodes: Sequence[Tensor]) -> int:
    """Return how many different numbers the names end in."""
    return len({found[0] for node in nodes if node.name and (found := re.search("[0-9]+$", node.name))})


def _difference(nodes: Sequence[Tensor], place: Mapping[Tensor, int], run: Run) -> int | None:
    """Return the position of the first operation whose operands do not match the copy before, or None."""
    first, period, _ = run
    steps: dict[tuple[int, int], int] = {}  # between what two copies read from another run
    for begin in range(first + period, run.stop, period):
        twins: dict[Tensor, Tensor] = {}  # operands that only one copy has
        for i in range(begin, begin + period):
            pairs = zip(shown_inputs(nodes[i - period]), shown_inputs(nodes[i]), strict=True)
            for j, (a, b) in enumerate(pairs):
                if not isinstance(a, Tensor) or not isinstance(b, Tensor):
                    continue
                before, after = place.get(a, _NONE), place.get(b, _NONE)
                if after >= first:  # made within the run
                    from_first = before < first and after < first + period
                    alike = after - before == period if before >= first else from_first
                elif a is b:
                    alike = True
                elif before >= first or (a.op is None) != (b.op is None):
                    alike = False
                elif before >= 0 and after >= 0:
                    alike = steps.setdefault((i - begin, j), after - before) == after - before
                else:
                    alike = a.requires_grad == b.requires_grad and twins.setdefault(a, b) is b
                if not alike:
                    return i
    return None
