"""Numerical differentiation: slopes from differences, how far they may be off, and where there are none."""

from __future__ import annotations

from collections.abc import Callable
from sys import float_info
from typing import Any, NamedTuple

import numpy as np

EPSILON = float_info.epsilon
STEP = 6e-6  # the cube root of epsilon, at which the errors of rounding and of truncation are alike
ROUNDING = 32 * EPSILON
OFF = 1e-4  # two slopes that differ by more than this part are different


class Estimate(NamedTuple):
    """A slope, and how far it may be off."""

    slope: float
    error: float
    size: float
    """The size of the terms that the function adds up at its furthest point, for a step as large as the number."""


def along(function: Callable[[Any], Any], x: Any, at: tuple[int, ...]) -> Callable[[float], Any]:
    """Return the function of the distance by which one element of x has moved."""

    def moved(step: float) -> Any:
        y = x.copy()
        y[at] += step
        return function(y)

    return moved


def difference(
    function: Callable[[float], Any], step: float, moving: Any = False, epsilon: float = EPSILON
) -> tuple[float, float, Any]:
    """Return the slope at 0, the part of it that may be rounding, and the terms that move, beside the known ones."""
    with np.errstate(all="ignore"):  # a step may leave the domain of the function
        above, below = function(step), function(-step)
        moving = moving | (above != below)
        size = np.abs(above[moving]).sum()  # a term that does not move is rounded in the same way
        return float((above - below).sum()) / (2 * step), 10 * epsilon * float(size) / step, moving


def extrapolated(function: Callable[[float], Any], size: float, epsilon: float = EPSILON) -> Estimate:
    """Return the slope at 0 from central differences with ever smaller steps: the best of several starts.

    A start does not count where a start with smaller steps finds another slope: its own steps have jumped over a bump
    or a pole.
    """
    with np.errstate(all="ignore"):
        here = function(0.0)
    unit = max(size, 1.0)
    best = doubtful = Estimate(np.nan, np.inf, 0.0)
    largest = 0.0
    for start in dict.fromkeys([0.1 * unit, 0.1 * size or 1e-5, 1e-4 * unit]):
        with np.errstate(all="ignore"):
            moving = function(start) != here
        found = Estimate(np.nan, np.inf, 0.0)
        rows: list[list[float]] = []
        for i in range(12):
            step = start / 2**i
            slope, noise, moving = difference(function, step, moving, epsilon)
            moved = noise * step / (10 * epsilon * unit)
            largest = max(largest, moved) if np.isfinite(moved) else largest
            row = [slope]
            for j, before in enumerate(rows[-1] if rows else [], start=1):
                row.append(row[-1] + (row[-1] - before) / (4.0**j - 1))
                error = max(abs(row[j] - row[j - 1]), abs(row[j] - rows[-1][j - 1])) + noise / 5
                if error < found.error:
                    found = Estimate(row[j], error, moved)
            rows.append(row)
        if _is_another_nearer(function, found.slope, start, epsilon):
            doubtful = min(doubtful, found, key=_error)
        else:
            best = min(best, found, key=_error)
    return (best if best.error < np.inf else doubtful)._replace(size=largest)


def _is_another_nearer(function: Callable[[float], Any], slope: float, start: float, epsilon: float) -> bool:
    """Return whether two much smaller steps agree on a slope that differs from this one."""
    (one, noise, moving), (other, more_noise, also) = (
        difference(function, start / 2**i, False, epsilon) for i in (24, 27)
    )
    same = abs(one - other) <= 0.1 * abs(one) and bool(np.any(moving) and np.any(also))
    return same and not abs(other - slope) <= 0.1 * abs(other) + 100 * (noise + more_noise)


def _error(estimate: Estimate) -> float:
    return estimate.error


def is_settled(estimate: Estimate, found: float, atol: float = 0.0) -> bool:
    """Return whether the differences determine the slope."""
    near = 4 * estimate.error <= 1e-2 * max(abs(estimate.slope), abs(found)) + atol
    return near or estimate.error <= 1e-6 * estimate.size


def is_steady(function: Callable[[float], Any], estimate: Estimate, size: float, rounding: float = 0.0) -> bool:
    """Return whether small steps give the same slope but for rounding, which a quick oscillation would not."""
    for step in (2.0**-20 * size, 2.0**-27 * size):
        slope, noise, _ = difference(function, step, True)
        if not abs(slope - estimate.slope) <= 0.1 * abs(estimate.slope) + noise + rounding / step:
            return False
    return True


class Sides(NamedTuple):
    """The slopes of each term to the left and to the right of 0, and how far they may be off."""

    left: Any
    right: Any
    error: Any


def sides_of(function: Callable[[float], Any], size: float) -> Sides:
    """Return one-sided slopes, extrapolated like the central ones, with an infinite error where the terms jump."""
    with np.errstate(all="ignore"):
        here = function(0.0)
        found = [_one_sided(function, here, side, size) for side in (-1.0, 1.0)]
    return Sides(found[0][0], found[1][0], found[0][1] + found[1][1])


def _one_sided(function: Callable[[float], Any], here: Any, side: float, size: float) -> tuple[Any, Any]:
    best, error = np.full(here.shape, np.nan), np.full(here.shape, np.inf)
    for start in dict.fromkeys([0.1 * max(size, 1.0), 0.1 * size or 1e-5, 1e-4 * max(size, 1.0)]):
        before: list[Any] = []
        for i in range(12):
            step = side * start / 2**i
            there = function(step)
            noise = 10 * EPSILON * np.where(there == here, 0.0, np.abs(there)) / abs(step)
            row = [(there - here) / step]
            for j, last in enumerate(before, start=1):
                row.append(row[-1] + (row[-1] - last) / (2.0**j - 1))
                off = np.maximum(np.abs(row[j] - row[j - 1]), np.abs(row[j] - last)) + noise
                better = off < error
                best, error = np.where(better, row[j], best), np.where(better, off, error)
            before = row
    return best, error


def agree(one: Any, other: Any) -> bool:
    """Return whether terms are the same but for rounding."""
    largest = np.abs(one[np.isfinite(one)]).max(initial=0.0)
    return one.shape == other.shape and np.allclose(one, other, 0.0, ROUNDING * largest, equal_nan=True)


def corner(function: Callable[[float], Any], size: float, rounding: float) -> str:
    """Return in words how a function is not smooth at 0, or nothing if it is smooth or that cannot be told."""
    with np.errstate(all="ignore"):
        here = function(0.0)
        if not np.isfinite(here).all():
            return "it has no finite value"
        for side, name in ((-1.0, "left"), (1.0, "right")):
            steps = (side * step * size for step in (1e-7, 1e-10, 1e-13))
            far, near, nearest = (float((function(step) - here).sum()) for step in steps)
            if not np.isfinite(nearest):
                return f"it has no finite value to the {name}"
            rise, further_rise = nearest / near if near else 0.0, near / far if far else 0.0
            if abs(nearest) > 1e-5 * np.abs(here).sum() + 1e-12 and 0.5 < rise < 2 and 0.5 < further_rise < 2:
                return f"it jumps by {nearest:.4g} to the {name}"
            if rise > 2 and further_rise > 2:
                return f"its values to the {name} have no bound"
            if (
                abs(nearest) > 1e3 * EPSILON * np.abs(here).sum()
                and 0.01 < rise < 0.5
                and 0.3 < rise / further_rise < 3
            ):
                return f"its slope to the {name} has no bound"
    sides = sides_of(function, size)
    left, right, error = float(sides.left.sum()), float(sides.right.sum()), float(sides.error.sum())
    if abs(right - left) > 4 * error + OFF * max(abs(left), abs(right)) + rounding / STEP:
        return f"its slope is {left:.6g} to the left and {right:.6g} to the right"
    return ""
