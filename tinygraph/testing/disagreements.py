"""Why a gradient and central differences disagree: an op, a value that left the graph, the function, or rounding."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from sys import _getframe
from typing import Any, NamedTuple

import numpy as np

from ..autodiff.traversal import computed, numbers_back, pulled_back
from ..errors import TinygraphError
from ..graph.node import toposort
from ..graph.replaying import evaluate
from ..graph.tensor import Tensor, make_node
from .differences import (
    OFF,
    STEP,
    Estimate,
    agree,
    along,
    corner,
    difference,
    extrapolated,
    is_settled,
    is_steady,
    sides_of,
)

FACTORS = (-1.0, 2.0**10, 2.0**-10)  # of a cotangent: a factor of 2 changes linear terms without rounding
_NO_SUSPECT = "every op on the way agrees with its own differences"


class Problem(NamedTuple):
    """An element of a gradient that differs from the differences."""

    at: tuple[int, ...]
    text: str
    found: float
    off: float
    estimate: Estimate


def reason(
    problems: Sequence[Problem],
    x: Any,
    called: Callable[[Any], Any],
    recorded: Callable[..., Any],
    output: Tensor,
    variable: Tensor,
    variables: Sequence[Tensor],
) -> str:
    """Return a problem and its cause. A cause that somebody can mend comes before one that nobody can."""
    worst = problems[0]
    accused, kinked = _judged(output, set(variables))
    moves = [along(lambda y: {variable: y}, x, problem.at) for problem in problems[:8]]
    for off, node, i in accused:
        if any(_is_off(node, move) for move in moves):
            return f"{worst.text}\n  {_accusation(off, node, i)}"
    for problem in problems:
        if _has_left(along(called, x, problem.at), along(recorded, x, problem.at), abs(float(x[problem.at]))):
            return f"{problem.text}\n  {_NO_SUSPECT}: something has left the graph, as by .data or .detach()"
    size = max(1.0, abs(float(x[worst.at])))
    rounding, rounded = _rounding(output)
    if worst.off * STEP * size <= rounding:
        return f"{worst.text}\n  the slope is lost in rounding: {rounded}"
    moved = along(called, x, worst.at)
    steady = is_steady(moved, worst.estimate, size, rounding)
    bend = corner(moved, size, rounding if steady else np.inf)
    if bend:
        return f"{worst.text}\n  the function is not smooth there: {bend}; move the point a little"
    for problem in problems:
        if stopped := _stopped(problem, x, recorded, output, variable):
            return f"{problem.text}\n  something has left the graph: {stopped}"
    if not np.isfinite(worst.off):
        return f"{worst.text}\n  the gradient is not finite there, as where a rule divides by 0"
    if kinked:
        return f"{worst.text}\n  {kinked}; move the point a little"
    if is_steady(moved, worst.estimate, size):
        return f"{worst.text}\n  {_NO_SUSPECT}, and nothing has left the graph"
    if steady:
        return f"{worst.text}\n  the slope is lost in rounding: {rounded}"
    return f"{worst.text}\n  the differences do not settle: the function changes faster than their steps can tell"


def _has_left(called: Callable[[float], Any], recorded: Callable[[float], Any], size: float) -> bool:
    """Return whether the recorded graph gives other values than the function when an element moves to either side.

    Where it does so on one side only, the function has taken another branch there.
    """
    differs = False
    with np.errstate(all="ignore"):
        here = called(0.0)
        for step in (1e-3 * max(size, 1.0), 1e-5 * max(size, 1.0)):
            for side in (-step, step):
                there = called(side)
                if not np.isfinite(there).all():  # the function itself refuses this argument
                    return False
                try:
                    if not agree(there, recorded(side)):
                        differs = True
                    elif not agree(there, here):
                        return False
                except TinygraphError:  # a graph that cannot be evaluated anew
                    return False
    return differs


def _rounding(output: Tensor) -> tuple[float, str]:
    """Return how much the rounding of all numbers on the way may change the output, and where most of it occurs."""
    total = largest = 0.0
    found = ""
    with np.errstate(all="ignore"):
        for node, g in numbers_back(output):
            rounded = 10 * float(np.finfo(node.dtype).eps) * float(np.abs(_finite(computed(g) * node._value)).sum())
            total += rounded
            if rounded > largest and node.op is not None:
                size = float(np.abs(_finite(node._value)).max(initial=0.0))
                largest, found = rounded, f"{node.op.name} gives {node.dtype} of {size:.1g}, at {_place(node)}"
    return total, found


def _finite(x: Any) -> Any:
    return np.where(np.isfinite(x), x, 0.0)


def _stopped(problem: Problem, x: Any, recorded: Callable[..., Any], output: Tensor, variable: Tensor) -> str:
    """Return the op that lets no gradient through, if the gradient is right once that op's value is kept constant."""
    step = STEP * max(1.0, abs(float(x[problem.at])))
    found = problem.found
    kept: dict[Tensor, Any] = {}
    missing = abs(problem.estimate.slope - found)
    named = ""
    for node, _ in _reached(output, {variable}):
        if node.op is None or node.op.differentiable or node.dtype.kind != "f":
            continue
        frozen = partial(recorded, frozen={**kept, node: node._value})
        try:
            slope, _, _ = difference(along(frozen, x, problem.at), step)
        except TinygraphError:  # an input that is read through another
            continue
        if abs(slope - found) < 0.5 * missing:
            kept[node], missing = node._value, abs(slope - found)
            named = named or f"{node.op.name} lets no gradient through, at {_place(node)}"
    return named if missing <= 1e-3 * max(abs(found), abs(problem.estimate.slope)) else ""


def suspect(output: Tensor, variables: set[Tensor]) -> str:
    """Return words for the op in a graph whose own gradient disagrees most with its differences, or for there being
    none.
    """
    rng = np.random.default_rng(0)
    directions = {x: rng.uniform(0.5, 1.0, x.shape) * np.where(x._value == 0, 1.0, x._value) for x in variables}

    def move(step: float) -> dict[Tensor, Any]:
        return {x: x._value + step * direction for x, direction in directions.items()}

    for off, node, i in _judged(output, variables)[0]:
        if _is_off(node, move):
            return _accusation(off, node, i)
    return _NO_SUSPECT


def _accusation(off: float, node: Tensor, i: int) -> str:
    assert node.op is not None
    domains = getattr((node.op.samples or [None])[0], "domains", ())
    if i < len(domains) and domains[i] is not None and domains[i].symmetric:
        return (
            f"{node.op.name} takes a matrix to be symmetric, and where one element alone moves it is not: check a"
            f" function of A that gives it (A + A.T) / 2; at {_place(node)}"
        )
    whose = f"{node.op.name}, whose gradient"
    if _is_custom(node):
        whose = f"the gradient function of {node.params['rule']}, which"
    return f"suspect {whose} for its input {i} is off by {off:.1%}; at {_place(node)}"


def _judged(output: Tensor, variables: set[Tensor]) -> tuple[list[tuple[float, Tensor, int]], str]:
    """Return the ops whose own gradients disagree with their differences, the worst first, and one at a kink.

    Each comes with its node, the input, and the part by which it is off.
    """
    accused, kinked = [], ""
    for node, moving in _reached(output, variables):
        assert node.op is not None
        for i, x in enumerate(node.inputs):
            if isinstance(x, Tensor) and x in moving and x.dtype.kind == "f" and i not in node.op.aside:
                off = _disagreement(node, i)
                if np.isnan(off):
                    kinked = f"no op on the way is wrong, and {node.op.name} is at a kink, at {_place(node)}"
                elif off > OFF:
                    accused.append((off, node, i))
    return sorted(accused, key=lambda one: -one[0]), kinked


def _is_off(node: Tensor, move: Callable[[float], dict[Tensor, Any]]) -> bool:
    """Return whether the gradients of a node disagree with differences when all of its inputs move together.

    Some ops rely on how their inputs move, as those do whose matrix stays symmetric.
    """
    assert node.op is not None
    inputs = [x for x in node.inputs if isinstance(x, Tensor)]
    epsilon = float(np.finfo(node.dtype).eps)
    step = epsilon ** (1 / 3) * max(1.0, *(float(np.abs(x._value).max(initial=0.0)) for x in move(0.0)))
    with np.errstate(all="ignore"):
        try:
            above, here, below = (evaluate([node, *inputs], move(side)) for side in (step, 0.0, -step))
        except TinygraphError:  # a graph that cannot be evaluated anew
            return True
        changes = [np.asarray(one, float) - np.asarray(other, float) for one, other in zip(above, below, strict=True)]
        leaves = [
            Tensor(a, requires_grad=np.asarray(a).dtype.kind == "f") if isinstance(x, Tensor) else x
            for a, x in zip(node._args, node.inputs, strict=True)
        ]
        again = make_node(node.op, tuple(leaves), node._args, node.params, node._value, True, _getframe())
        weights = np.asarray(np.random.default_rng(0).standard_normal(node.shape))
        wanted = float((changes[0] * weights).sum())
        rounding = 10 * epsilon * float(np.abs(node._value * weights).sum())
        tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
        slopes = []
        for factor in (1.0, *FACTORS):
            seed = (factor * weights).astype(node.dtype)[()]
            parts = pulled_back([again], [seed], tensors, numbers=True)
            slopes.append(sum(float((g * dx).sum()) for g, dx in zip(parts, changes[1:], strict=True)) / factor)
        bend = float(np.abs((above[0] - here[0] - (here[0] - below[0])) * weights).sum())
        if bend > 0.01 * float(np.abs(changes[0] * weights).sum()) + rounding:  # it is not smooth here
            wanted = slopes[0]
        allowed = max(OFF, 50 * epsilon ** (2 / 3)) * max(abs(wanted), *map(abs, slopes)) + rounding
        return not all(abs(slope - wanted) <= allowed for slope in slopes)


def _disagreement(node: Tensor, i: int) -> float:
    """Return by what part a node's gradient by one input is off along a random direction, or NaN at a kink.

    At a kink, a gradient is right if it is a slope between those on both sides.
    """
    op = node.op
    assert op is not None
    if node.dtype.kind != "f" or not op.differentiable:
        return 0.0
    inputs = [z for z in node.inputs if isinstance(z, Tensor)]
    customised = _is_custom(node)  # its value is its first input
    if customised and (i == 0 or inputs[i] not in set(toposort(inputs[0]))):
        return 0.0
    args = [np.asarray(a, float)[()] if np.asarray(a).dtype.kind == "f" else a for a in node._args]
    x = np.asarray(args[i])
    rng = np.random.default_rng(0)
    weights = np.asarray(rng.standard_normal(node.shape))
    direction = rng.uniform(0.5, 1.0, x.shape) * np.where(x == 0, np.abs(x).max(initial=0.0) or 1.0, x)

    def run(given: Any) -> Any:
        if customised:
            (y,) = evaluate([inputs[0]], {inputs[i]: given.astype(node._args[i].dtype)})
            return y
        return op.run(*args[:i], given, *args[i + 1 :], **node.params)

    def moved(step: float) -> Any:
        return np.ravel(np.asarray(run((x + step * direction)[()]), float) * weights)

    leaves = [
        Tensor(a, requires_grad=np.asarray(a).dtype.kind == "f") if isinstance(z, Tensor) else z
        for a, z in zip(args, node.inputs, strict=True)
    ]
    leaf = leaves[i]
    assert isinstance(leaf, Tensor)
    try:
        y = node._value if customised else run(x[()])
        again = make_node(op, tuple(leaves), tuple(args), node.params, y, True, _getframe())
        slopes = []
        for factor in (1.0, *FACTORS):
            (found,) = pulled_back([again], [(factor * weights).astype(y.dtype)[()]], [leaf], numbers=True)
            slopes.append(float(np.sum(found * direction)) / factor)
        epsilon = float(np.finfo(y.dtype).eps)
        rounding = 10 * epsilon * float(np.abs(y * weights).sum())
        estimate = extrapolated(moved, 1.0, epsilon)
        steady = is_steady(moved, estimate, 1.0, rounding)
    except Exception:  # a rule that fails off the way is not the suspect
        return 0.0
    slope = max(slopes, key=lambda slope: abs(slope - estimate.slope))
    largest = max(abs(slope), abs(estimate.slope), 1e-300)
    off = max(0.0, abs(slope - estimate.slope) - 4 * estimate.error - 10 * rounding) / largest
    if not off > OFF or not steady or not is_settled(estimate, slope):
        return 0.0
    sides = sides_of(moved, 1.0)
    if not float(sides.error.sum()) <= 1e-2 * largest:
        return 0.0
    low, high = np.minimum(sides.left, sides.right), np.maximum(sides.left, sides.right)
    if float((high - low - 4 * sides.error).sum()) <= OFF * largest:
        return off
    between = (low - 4 * sides.error).sum() <= slope <= (high + 4 * sides.error).sum()
    return np.nan if between else off


def _reached(output: Tensor, variables: set[Tensor]) -> Iterator[tuple[Tensor, set[Tensor]]]:
    """Return the nodes that depend on the variables, each with those of its inputs that do."""
    moving = set(variables)
    for node in toposort(output):
        if node.op is not None and any(isinstance(x, Tensor) and x in moving for x in node.inputs):
            moving.add(node)
            yield node, moving


def _place(node: Tensor) -> str:
    return f"{node.site.where}: {node.site.source}" if node.site.source else node.site.where


def _is_custom(node: Tensor) -> bool:
    return "rule" in node.params
