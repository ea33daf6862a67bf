"""Repeated layers, written once: equations that differ only in running numbers become one, with an index l."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from ..writing.notation import Span, Spans

Line: TypeAlias = "tuple[Spans, Spans]"  # the left and the right side of an equation

_FEWEST = 4  # the fewest repetitions that are folded
_LONGEST_PERIOD = 80  # equations
_NUMBER = re.compile(r"(.*?)(\[?)([0-9]+|[₀-₉]+)(\]?)")
_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")


@dataclass(frozen=True)
class Fold:
    """Some lines that stand for `count` times as many, for l from `first` to `last`."""

    lines: Sequence[Line]
    count: int
    first: int = 0
    last: int = 0

    @property
    def range(self) -> str:
        """The values of l that the lines are for."""
        return f"l = {self.first}…{self.last}"


def folded(lines: Sequence[Line], alike: Sequence[object]) -> list[Fold]:
    """Return the lines with repetitions folded. Lines repeat only if their entries in `alike`, such as shapes, do."""
    parts = [[_part(span) for span in (*left, *right)] for left, right in lines]
    shapes = [(len(lines[i][0]), [stem for stem, _ in part], alike[i]) for i, part in enumerate(parts)]
    numbers = [[n for _, n in part if n is not None] for part in parts]
    folds: list[Fold] = []
    i = 0
    while i < len(lines):
        period, count = max(
            ((p, _repetitions(shapes, numbers, i, p)) for p in range(1, min(_LONGEST_PERIOD, len(lines) - i) + 1)),
            key=lambda found: (found[0] * (found[1] - 1) if found[1] >= _FEWEST else 0, -found[0]),
        )
        starts = [i]
        if count >= _FEWEST:  # of several ways to cut, the one that keeps layers whole
            starts = [j for j in range(i, i + period) if _repetitions(shapes, numbers, j, period) == count]
        start = min(starts, key=lambda j: len({tuple(numbers[k][:1]) for k in range(j, j + period)}))
        folds += [Fold([line], 1) for line in lines[i : start + (count < _FEWEST)]]
        i = start + 1
        if count >= _FEWEST:
            folds.append(_fold(lines[start : start + period], numbers[start : start + 2 * period], period, count))
            i = start + period * count
    return folds


def _part(span: Span) -> tuple[Any, int | None]:
    """Return a span without its running number, and that number."""
    found = _NUMBER.fullmatch(span.text)
    if found and (span.italic or span.level < 0 or found[2] or not found[3].isascii()):
        return (found[1], found[2], span.italic, span.level), int(found[3].translate(_SUBSCRIPTS))
    return span, None


def _repetitions(shapes: Sequence[object], numbers: Sequence[Sequence[int]], start: int, period: int) -> int:
    """Return how often the lines from `start` repeat, with numbers that all change in equal steps."""
    count = 1
    step: list[int] | None = None
    while start + (count + 1) * period <= len(shapes):
        here = range(start + (count - 1) * period, start + count * period)
        if any(shapes[i] != shapes[i + period] for i in here):
            break
        difference = [b - a for i in here for a, b in zip(numbers[i], numbers[i + period], strict=True)]
        if not any(difference) or (step is not None and difference != step):
            break
        step, count = difference, count + 1
    return count


def _fold(lines: Sequence[Line], numbers: Sequence[Sequence[int]], period: int, count: int) -> Fold:
    """Return lines with l for their running numbers. l is the number of the first name if that runs in steps of one."""
    first, step = 1, 1
    if numbers[0] and abs(difference := numbers[period][0] - numbers[0][0]) == 1:
        first, step = numbers[0][0], difference
    written = []
    for (left, right), here, there in zip(lines, numbers, numbers[period:], strict=False):
        indices = iter([_index((b - a) * step, a - (b - a) * step * first) for a, b in zip(here, there, strict=True)])
        sides = [[x for span in side for x in _with_index(span, indices)] for side in (left, right)]
        written.append((sides[0], sides[1]))
    return Fold(written, count, first, first + step * (count - 1))


def _index(slope: int, constant: int) -> str:
    """Return ``l``, ``l−1``, ``2l+1``, ``7−l`` or a number."""
    if slope == 0:
        return str(constant)
    times = f"{'' if abs(slope) == 1 else abs(slope)}l"
    if slope < 0:
        return f"{constant or ''}−{times}"
    return times if constant == 0 else f"{times}{'+' if constant > 0 else '−'}{abs(constant)}"


def _with_index(span: Span, indices: Iterator[str]) -> Spans:
    stem, number = _part(span)
    if number is None:
        return [span]
    index = next(indices)
    if index == str(number):
        return [span]
    name, bracket, italic, level = stem
    if bracket:
        return [Span(f"[{index}]", italic, level)]
    return [*([Span(name, italic, level)] if name else []), Span(index, False, -1)]
