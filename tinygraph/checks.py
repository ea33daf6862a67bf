"""Checking derivatives against central differences, and finding the op that is to blame where they disagree."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from operator import index
from sys import _getframe, float_info
from typing import Any, NamedTuple

import numpy as np

from . import ops
from .autodiff import computed, gradients, numbers_back, pulled_back
from .calls import name_of, parameter_names
from .errors import ArgumentError, DTypeError, TinygraphError
from .evaluate import evaluate
from .graph import Tensor, make_node, parameter, toposort
from .recording import enable_grad
from .trees import flatten, unflatten

_EPSILON = float_info.epsilon
_STEP = 6e-6  # the cube root of epsilon, where the errors of rounding and of truncation meet
_ROUNDING = 32 * _EPSILON
_NEGLIGIBLE = 1e-3  # a part of the tolerance, of the largest element
_OFF = 1e-4  # by how much the gradient of an op must be off to be suspected
_NO_SUSPECT = "every op on the way agrees with its own differences"
_FACTORS = (-1.0, 2.0**10, 2.0**-10)  # of a cotangent; by powers of 2 whatever is linear changes without rounding


class LawError(AssertionError):
    """An op, or a function, that breaks a law; the message says which, and on what."""


def check_grads(
    function: Callable[..., Any], *args: Any, order: int = 2, rtol: float = 1e-5, atol: float = 0.0, **kwargs: Any
) -> None:
    """Check the derivatives of `function` at `args` against central differences, up to `order`, in float64.

    Arguments and results are arrays, or nested dicts, lists and tuples of them; what is not floating, and arguments by
    keyword, is passed on as it is. Derivatives are compared element by element, through a random cotangent for the
    results, so that each entry of the Jacobian counts. Where an element disagrees, its difference is taken again with
    many steps, from a tenth of the size of the number down, and extrapolated to 0 (C. J. F. Ridders, 1982), so numbers
    and gradients may be of any size; it counts as wrong where it is off by more than `rtol` of itself and `atol`, and
    by more than the function's own rounding.

    Each order differentiates the gradient as a function of the arguments and of the cotangent, in which it must be
    linear. `order` is 1 or more; each one takes several times as long as the one before.

    Raises `LawError`, an AssertionError, with the worst element, its index, both numbers, and the reason: the op in the
    graph whose own gradient is wrong, with the line of your source that it is on; or that something has left the graph;
    that the function is not smooth there; that it gives other values when it is called again; or that rounding hides
    its slope. Raises `DTypeError` where there is nothing floating to differentiate, or to differentiate by.

    >>> import numpy as np, tinygraph as tg
    >>> tg.check_grads(lambda p, x: tg.tanh(p["w"] @ x), {"w": np.array([[0.1, 0.2]])}, np.array([1.0, -2.0]))
    >>> tg.check_grads(lambda x: x * x.detach(), np.array([3.0]))
    Traceback (most recent call last):
    tinygraph.checks.LawError: the gradient of x at (0,), where it is 3.0, is 0.37...; central differences give 0.75...
      every op on the way agrees with its own differences: something has left the graph, as by .data or .detach()
    """
    if index(order) < 1:
        raise ArgumentError(f"the order of derivatives to check is 1 or more, not {order}")
    leaves, structure = flatten(args)
    names = parameter_names(function, len(args))
    labels = [
        f"{names[i] or f'argument {i}'}{path}" for i, child in enumerate(structure.children) for path in child.paths()
    ]
    places = [i for i, x in enumerate(leaves) if _kind(x) == "f"]
    if not places:
        raise DTypeError(f"{name_of(function)} got no floating argument to check its gradient with")

    def called(*xs: Any) -> list[Tensor]:
        given = list(leaves)
        for i, x in zip(places, xs, strict=True):
            given[i] = x
        results, _ = flatten(function(*unflatten(structure, given), **kwargs))
        found = [y if isinstance(y, Tensor) else Tensor(y) for y in results if _kind(y) == "f"]
        if not found:
            raise DTypeError(f"{name_of(function)} returned no floating number, which alone has a derivative")
        return found

    arrays = [np.asarray(leaves[i].value if isinstance(leaves[i], Tensor) else leaves[i], float) for i in places]
    with enable_grad():
        _check(called, arrays, [labels[i] for i in places], order, rtol, atol)


def _kind(x: Any) -> str:
    return x.dtype.kind if isinstance(x, Tensor) else np.asarray(x).dtype.kind


def _check(
    function: Callable[..., list[Tensor]],
    arrays: Sequence[Any],
    labels: Sequence[str],
    order: int,
    rtol: float,
    atol: float,
    size: float = 0.0,
    whose: str = "",
) -> None:
    """`size` is that of what the function is made of, where it is more than its terms: they may have cancelled."""
    variables = [Tensor(x, requires_grad=True) for x in arrays]
    outputs = function(*variables)
    rng = np.random.default_rng(0)
    weights = [np.asarray(rng.standard_normal(y.shape)) for y in outputs]

    def terms(values: Sequence[Any]) -> Any:
        """What `_total` adds up."""
        parts = [np.ravel(np.asarray(y, float) * w) for y, w in zip(values, weights, strict=True)]
        return np.concatenate(parts) if parts else np.zeros(0)

    def called(i: int, x: Any) -> Any:
        try:
            return terms([y.value for y in function(*map(parameter, [*arrays[:i], x, *arrays[i + 1 :]]))])
        except (TinygraphError, ValueError, ArithmeticError):  # x has left where the function is defined
            return np.full(sum(y.size for y in outputs), np.nan)

    def recorded(i: int, x: Any, frozen: Mapping[Tensor, Any] | None = None) -> Any:
        return terms(evaluate(outputs, {variables[i]: x, **(frozen or {})}))

    output = _total(outputs, weights)
    found = [np.asarray(x.value) for x in gradients(output, variables)]
    size = max(size, float(np.abs(terms([y.value for y in outputs])).sum()))
    sizes = [size / (float(np.abs(x).max(initial=0.0)) or 1.0) for x in arrays]  # those of the gradients
    by = f"{whose} and by" if ", differentiated" in whose else f"{whose}, differentiated by"
    what = [f"{by} {label}" if whose else f"the gradient of {label}" for label in labels]
    if not _agree(terms([y.value for y in outputs]), called(0, arrays[0])):
        raise LawError(
            f"{what[0]} cannot be checked: the function gives other values when it is called again with the same"
            " arguments; draw random numbers outside, and give them to it"
        )
    for i, x in enumerate(arrays):
        tolerance = atol + _ROUNDING * sizes[i]
        problems = list(_compared(found[i], x, partial(called, i), rtol, tolerance))
        if problems:
            reason = _reason(problems, x, partial(called, i), partial(recorded, i), output, variables[i], variables)
            raise LawError(f"{what[i]}{',' if whose else ''} {reason}")
    for factor in _FACTORS:
        scaled = gradients(_total(outputs, [factor * w for w in weights]), variables)
        for i, (one, many) in enumerate(zip(found, scaled, strict=True)):
            wanted, given = factor * one, np.asarray(many.value)
            allowed = rtol * np.abs(wanted) + abs(factor) * (_negligible(rtol, one) + atol + _ROUNDING * sizes[i])
            off = np.isfinite(wanted) & np.isfinite(given) & ~(np.abs(given - wanted) <= allowed)
            if off.any():
                at = tuple(map(int, np.argwhere(off)[0]))
                raise LawError(
                    f"{what[i]} is not linear in the cotangent: for {factor:g} times the cotangent it is {given[at]} at"
                    f" {at}, and not {wanted[at]}\n  {_suspect(output, set(variables))}"
                )
    if order > 1:
        count = len(arrays)
        cotangents = [f"the cotangent of {whose or 'the result'}"] * len(weights)
        for i in range(count):

            def derivative(*xs: Any, i: int = i) -> list[Tensor]:
                return [gradients(_total(function(*xs[:count]), xs[count:]), xs[:count])[i]]

            _check(
                derivative,
                [*arrays, *weights],  # a rule may be right, and its derivative by the cotangent wrong
                [*labels, *cotangents],
                order - 1,
                rtol * 10,
                atol * 10,
                sizes[i],
                what[i],
            )


def _total(outputs: Sequence[Tensor], cotangents: Sequence[Any]) -> Tensor:
    """The sum of the outputs, weighed by cotangents."""
    parts = [ops.sum(y * w) for y, w in zip(outputs, cotangents, strict=True)]
    return sum(parts[1:], start=parts[0])


def _negligible(rtol: float, gradient: Any) -> float:
    """How far off an element of a gradient may be, for the largest one."""
    return _NEGLIGIBLE * rtol * float(np.abs(gradient[np.isfinite(gradient)]).max(initial=0.0))


class _Estimate(NamedTuple):
    slope: float
    error: float
    size: float
    """Of what the function adds up, for a step of the size of the number."""


class _Problem(NamedTuple):
    """An element of a gradient that differs from the differences."""

    at: tuple[int, ...]
    text: str
    found: float
    off: float
    estimate: _Estimate


def _along(function: Callable[[Any], Any], x: Any, at: tuple[int, ...]) -> Callable[[float], Any]:
    """The function, of how far one element of x has moved."""

    def moved(step: float) -> Any:
        y = x.copy()
        y[at] += step
        return function(y)

    return moved


def _compared(gradient: Any, x: Any, function: Callable[[Any], Any], rtol: float, atol: float) -> Iterator[_Problem]:
    """What is wrong with a gradient at x, the worst first; nothing where it is right."""
    quick = np.zeros(x.shape)
    noise = np.zeros(x.shape)
    for at in np.ndindex(x.shape):
        quick[at], noise[at], _ = _difference(_along(function, x, at), _STEP * max(1.0, abs(float(x[at]))))
    negligible = _negligible(rtol, gradient) + atol
    largest = np.abs(gradient[np.isfinite(gradient)]).max(initial=0.0)
    size = np.maximum(np.abs(quick), np.abs(gradient))
    with np.errstate(invalid="ignore"):
        off = np.abs(gradient - quick)
        fits = off <= rtol * np.abs(quick) + negligible
        fits |= (off <= noise) & (noise <= _OFF * np.maximum(size, largest))
        fits &= np.isfinite(quick)
    doubtful = sorted(
        zip(*np.nonzero(np.atleast_1d(~fits)), strict=True),
        key=lambda i: -np.nan_to_num(np.atleast_1d(off)[i], nan=np.inf),
    )
    for place in doubtful:
        at = tuple(map(int, place)) if x.ndim else ()
        estimate = _extrapolated(_along(function, x, at), abs(float(x[at])))
        wanted, found = estimate.slope, float(gradient[at])
        allowed = rtol * abs(wanted) + negligible + 4 * estimate.error
        settled = _is_settled(estimate, found, atol)
        if not abs(found - wanted) <= allowed or not settled:
            doubt = "" if settled else f", give or take {estimate.error:.1g}"
            off_by = max(abs(found - wanted), 4 * estimate.error) if np.isfinite(found) else np.inf
            yield _problem(x, at, found, estimate, off_by, doubt)
    yield from _hidden(gradient, x, function, fits & (quick == 0))


def _problem(x: Any, at: tuple[int, ...], found: float, estimate: _Estimate, off: float, doubt: str = "") -> _Problem:
    text = f"at {at}, where it is {x[at]}, is {found}; central differences give {estimate.slope}{doubt}"
    return _Problem(at, text, found, off, estimate)


def _hidden(gradient: Any, x: Any, function: Callable[[Any], Any], still: Any) -> Iterator[_Problem]:
    """Those of the elements that seem to move nothing, where larger steps do, and show a slope: rounding hides it."""
    with np.errstate(all="ignore"):
        before, after = function(x), function(x + 1e-3 * still * np.maximum(1.0, np.abs(x)))
    if not (np.isfinite(after) & (after != before)).any():
        return
    for at in zip(*np.nonzero(np.atleast_1d(still)), strict=True):
        at = tuple(map(int, at)) if x.ndim else ()
        size, found = max(1.0, abs(float(x[at]))), float(gradient[at])
        one, other = (_difference(_along(function, x, at), step * size)[0] for step in (1e-3, 1e-2))
        if abs(one - other) < 0.2 * abs(one) and abs(found - one) > 0.5 * abs(one):
            yield _problem(x, at, found, _Estimate(one, abs(one - other), 0.0), abs(found - one))


def _is_settled(estimate: _Estimate, found: float, atol: float = 0.0) -> bool:
    """Whether the differences tell the slope."""
    near = 4 * estimate.error <= 1e-2 * max(abs(estimate.slope), abs(found)) + atol
    return near or estimate.error <= 1e-9 * estimate.size


def _difference(
    function: Callable[[float], Any], step: float, moving: Any = False, epsilon: float = _EPSILON
) -> tuple[float, float, Any]:
    """The slope at 0, what it owes to rounding, and which terms move, besides those that are known to."""
    with np.errstate(all="ignore"):  # a step may lead to where the function is not defined
        above, below = function(step), function(-step)
        moving = moving | (above != below)
        size = np.abs(above[moving]).sum()  # what does not move rounds the same
        return float((above - below).sum()) / (2 * step), 10 * epsilon * float(size) / step, moving


def _extrapolated(function: Callable[[float], Any], size: float, epsilon: float = _EPSILON) -> _Estimate:
    """The slope at 0, from central differences with ever smaller steps; the best of several starts."""
    best = _Estimate(np.nan, np.inf, 0.0)
    moving: Any = False
    for start in dict.fromkeys([0.1 * max(size, 1.0), 0.1 * size or 1e-5, 1e-4 * max(size, 1.0)]):
        rows: list[list[float]] = []
        for i in range(12):
            step = start / 2**i
            slope, noise, moving = _difference(function, step, moving, epsilon)
            row = [slope]
            for j, before in enumerate(rows[-1] if rows else [], start=1):
                row.append(row[-1] + (row[-1] - before) / (4.0**j - 1))
                error = max(abs(row[j] - row[j - 1]), abs(row[j] - rows[-1][j - 1])) + noise / 5
                if error < best.error:
                    best = _Estimate(row[j], error, noise * step / (10 * epsilon * max(size, 1.0)))
            rows.append(row)
    return best


def _is_steady(function: Callable[[float], Any], estimate: _Estimate, size: float, rounding: float = 0.0) -> bool:
    """Whether small steps give the same slope, but for rounding: then it is not that of a quick oscillation."""
    for step in (2.0**-20 * size, 2.0**-27 * size):
        slope, noise, _ = _difference(function, step, True)
        if not abs(slope - estimate.slope) <= 0.1 * abs(estimate.slope) + noise + rounding / step:
            return False
    return True


class _Sides(NamedTuple):
    """The slopes of each term to the left and to the right of 0, and how far they may be off."""

    left: Any
    right: Any
    error: Any


def _sides(function: Callable[[float], Any], size: float) -> _Sides:
    """One-sided slopes, extrapolated as the central ones; infinitely far off where the terms jump."""
    with np.errstate(all="ignore"):
        here = function(0.0)
        found = [_one_sided(function, here, side, size) for side in (-1.0, 1.0)]
    return _Sides(found[0][0], found[1][0], found[0][1] + found[1][1])


def _one_sided(function: Callable[[float], Any], here: Any, side: float, size: float) -> tuple[Any, Any]:
    best, error = np.full(here.shape, np.nan), np.full(here.shape, np.inf)
    for start in dict.fromkeys([0.1 * max(size, 1.0), 0.1 * size or 1e-5, 1e-4 * max(size, 1.0)]):
        before: list[Any] = []
        for i in range(12):
            step = side * start / 2**i
            there = function(step)
            noise = 10 * _EPSILON * np.where(there == here, 0.0, np.abs(there)) / abs(step)
            row = [(there - here) / step]
            for j, last in enumerate(before, start=1):
                row.append(row[-1] + (row[-1] - last) / (2.0**j - 1))
                off = np.maximum(np.abs(row[j] - row[j - 1]), np.abs(row[j] - last)) + noise
                better = off < error
                best, error = np.where(better, row[j], best), np.where(better, off, error)
            before = row
    return best, error


def _reason(
    problems: Sequence[_Problem],
    x: Any,
    called: Callable[[Any], Any],
    recorded: Callable[..., Any],
    output: Tensor,
    variable: Tensor,
    variables: Sequence[Tensor],
) -> str:
    """A problem, and what it comes from; rather one that says what is wrong than one that cannot be helped."""
    worst = problems[0]
    accused, kinked = _judged(output, set(variables))
    moves = [_along(lambda y: {variable: y}, x, problem.at) for problem in problems[:8]]
    for off, node, i in accused:
        if any(_is_off(node, move) for move in moves):
            return f"{worst.text}\n  {_accusation(off, node, i)}"
    for problem in problems:
        if _has_left(_along(called, x, problem.at), _along(recorded, x, problem.at), abs(float(x[problem.at]))):
            return f"{problem.text}\n  {_NO_SUSPECT}: something has left the graph, as by .data or .detach()"
    size = max(1.0, abs(float(x[worst.at])))
    rounding, rounded = _rounding(output)
    if worst.off * _STEP * size <= rounding:
        return f"{worst.text}\n  the slope is lost in rounding: {rounded}"
    along = _along(called, x, worst.at)
    steady = _is_steady(along, worst.estimate, size, rounding)
    corner = _corner(along, size, rounding if steady else np.inf)
    if corner:
        return f"{worst.text}\n  the function is not smooth there: {corner}; move the point a little"
    for problem in problems:
        if stopped := _stopped(problem, x, recorded, output, variable):
            return f"{problem.text}\n  something has left the graph: {stopped}"
    if not np.isfinite(worst.off):
        return f"{worst.text}\n  the gradient is not finite there, as where a rule divides by 0"
    if kinked:
        return f"{worst.text}\n  {kinked}; move the point a little"
    if _is_steady(along, worst.estimate, size):
        return f"{worst.text}\n  {_NO_SUSPECT}, and nothing has left the graph"
    if steady:
        return f"{worst.text}\n  the slope is lost in rounding: {rounded}"
    return f"{worst.text}\n  the differences do not settle: the function changes faster than their steps can tell"


def _agree(one: Any, other: Any) -> bool:
    """Whether terms are the same but for rounding."""
    largest = np.abs(one[np.isfinite(one)]).max(initial=0.0)
    return one.shape == other.shape and np.allclose(one, other, 0.0, _ROUNDING * largest, equal_nan=True)


def _finite(x: Any) -> Any:
    return np.where(np.isfinite(x), x, 0.0)


def _has_left(called: Callable[[float], Any], recorded: Callable[[float], Any], size: float) -> bool:
    """Whether the recorded graph gives other values than the function where an element has moved, on both sides.

    On one side only, the function has chosen another branch there.
    """
    differs = False
    with np.errstate(all="ignore"):
        here = called(0.0)
        for step in (1e-3 * max(size, 1.0), 1e-5 * max(size, 1.0)):
            for side in (-step, step):
                there = called(side)
                try:
                    if not _agree(there, recorded(side)):
                        differs = True
                    elif not _agree(there, here):
                        return False
                except TinygraphError:  # a graph that cannot be evaluated anew
                    return False
    return differs


def _corner(function: Callable[[float], Any], size: float, rounding: float) -> str:
    """How a function is not smooth at 0, in words; nothing where it is, or where this cannot be told."""
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
                abs(nearest) > 1e3 * _EPSILON * np.abs(here).sum()
                and 0.01 < rise < 0.5
                and 0.3 < rise / further_rise < 3
            ):
                return f"its slope to the {name} has no bound"
    sides = _sides(function, size)
    left, right, error = float(sides.left.sum()), float(sides.right.sum()), float(sides.error.sum())
    if abs(right - left) > 4 * error + _OFF * max(abs(left), abs(right)) + rounding / _STEP:
        return f"its slope is {left:.6g} to the left and {right:.6g} to the right"
    return ""


def _rounding(output: Tensor) -> tuple[float, str]:
    """How much the rounding of all numbers on the way may change the output, and where most of that comes from."""
    total = largest = 0.0
    found = ""
    with np.errstate(all="ignore"):
        for node, g in numbers_back(output):
            rounded = 10 * float(np.finfo(node.dtype).eps) * float(np.abs(_finite(computed(g) * node.value)).sum())
            total += rounded
            if rounded > largest and node.op is not None:
                size = float(np.abs(_finite(node.value)).max(initial=0.0))
                largest, found = rounded, f"{node.op.name} gives {node.dtype} of {size:.1g}, at {_place(node)}"
    return total, found


def _place(node: Tensor) -> str:
    return f"{node.site.where}: {node.site.source}" if node.site.source else node.site.where


def _reached(output: Tensor, variables: set[Tensor]) -> Iterator[tuple[Tensor, set[Tensor]]]:
    """The nodes that depend on the variables, each with those that do before it."""
    moving = set(variables)
    for node in toposort(output):
        if node.op is not None and any(isinstance(x, Tensor) and x in moving for x in node.inputs):
            moving.add(node)
            yield node, moving


def _stopped(problem: _Problem, x: Any, recorded: Callable[..., Any], output: Tensor, variable: Tensor) -> str:
    """The op that lets no gradient through, where that is what the gradient lacks: with its value kept it has it."""
    step = _STEP * max(1.0, abs(float(x[problem.at])))
    found = problem.found
    kept: dict[Tensor, Any] = {}
    missing = abs(problem.estimate.slope - found)
    named = ""
    for node, _ in _reached(output, {variable}):
        if node.op is None or node.op.differentiable or node.dtype.kind != "f":
            continue
        frozen = partial(recorded, frozen={**kept, node: node.value})
        try:
            slope, _, _ = _difference(_along(frozen, x, problem.at), step)
        except TinygraphError:  # what is read through another
            continue
        if abs(slope - found) < 0.5 * missing:
            kept[node], missing = node.value, abs(slope - found)
            named = named or f"{node.op.name} lets no gradient through, at {_place(node)}"
    return named if missing <= 1e-3 * max(abs(found), abs(problem.estimate.slope)) else ""


def _suspect(output: Tensor, variables: set[Tensor]) -> str:
    """The op in a graph whose own gradient disagrees most with differences of its own, or that there is none."""
    rng = np.random.default_rng(0)
    directions = {x: rng.uniform(0.5, 1.0, x.shape) * np.where(x.value == 0, 1.0, x.value) for x in variables}

    def move(step: float) -> dict[Tensor, Any]:
        return {x: x.value + step * direction for x, direction in directions.items()}

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
    """The ops whose own gradients disagree with differences of their own, the worst first; and one that is at a kink.

    By how much they are off, with the node and the input.
    """
    accused, kinked = [], ""
    for node, moving in _reached(output, variables):
        assert node.op is not None
        for i, x in enumerate(node.inputs):
            if isinstance(x, Tensor) and x in moving and x.dtype.kind == "f" and i not in node.op.aside:
                off = _disagreement(node, i)
                if np.isnan(off):
                    kinked = f"no op on the way is wrong, and {node.op.name} is at a kink, at {_place(node)}"
                elif off > _OFF:
                    accused.append((off, node, i))
    return sorted(accused, key=lambda one: -one[0]), kinked


def _is_off(node: Tensor, move: Callable[[float], dict[Tensor, Any]]) -> bool:
    """Whether the gradients of a node disagree with differences as all of its inputs move together.

    Some ops rely on how they do, as where a matrix stays symmetric.
    """
    assert node.op is not None
    inputs = [x for x in node.inputs if isinstance(x, Tensor)]
    epsilon = float(np.finfo(node.dtype).eps)
    step = epsilon ** (1 / 3) * max(1.0, *(float(np.abs(x.value).max(initial=0.0)) for x in move(0.0)))
    with np.errstate(all="ignore"):
        try:
            above, here, below = (evaluate([node, *inputs], move(side)) for side in (step, 0.0, -step))
        except TinygraphError:  # a graph that cannot be evaluated anew
            return True
        changes = [np.asarray(one, float) - np.asarray(other, float) for one, other in zip(above, below, strict=True)]
        leaves = [
            Tensor(a, requires_grad=np.asarray(a).dtype.kind == "f") if isinstance(x, Tensor) else x
            for a, x in zip(node.args, node.inputs, strict=True)
        ]
        again = make_node(node.op, tuple(leaves), node.args, node.params, node.value, True, _getframe())
        weights = np.asarray(np.random.default_rng(0).standard_normal(node.shape))
        wanted = float((changes[0] * weights).sum())
        rounding = 10 * epsilon * float(np.abs(node.value * weights).sum())
        tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
        slopes = []
        for factor in (1.0, *_FACTORS):
            seed = (factor * weights).astype(node.dtype)[()]
            parts = pulled_back([again], [seed], tensors, numbers=True)
            slopes.append(sum(float((g * dx).sum()) for g, dx in zip(parts, changes[1:], strict=True)) / factor)
        bend = float(np.abs((above[0] - here[0] - (here[0] - below[0])) * weights).sum())
        if bend > 0.01 * float(np.abs(changes[0] * weights).sum()) + rounding:  # not smooth
            wanted = slopes[0]
        allowed = max(_OFF, 50 * epsilon ** (2 / 3)) * max(abs(wanted), *map(abs, slopes)) + rounding
        return not all(abs(slope - wanted) <= allowed for slope in slopes)


def _is_custom(node: Tensor) -> bool:
    return node.op is not None and node.op.name == "custom_gradient"


def _disagreement(node: Tensor, i: int) -> float:
    """By what part the gradient of a node by one of its inputs is off, along a random direction; NaN at a kink.

    It is not off at a kink, where it is a slope between those on both sides.
    """
    op = node.op
    assert op is not None
    if node.dtype.kind != "f" or not op.differentiable:
        return 0.0
    inputs = [z for z in node.inputs if isinstance(z, Tensor)]
    customised = _is_custom(node)  # whose value is its first input
    if customised and (i == 0 or inputs[i] not in set(toposort(inputs[0]))):
        return 0.0
    args = [np.asarray(a, float)[()] if np.asarray(a).dtype.kind == "f" else a for a in node.args]
    x = np.asarray(args[i])
    rng = np.random.default_rng(0)
    weights = np.asarray(rng.standard_normal(node.shape))
    direction = rng.uniform(0.5, 1.0, x.shape) * np.where(x == 0, np.abs(x).max(initial=0.0) or 1.0, x)

    def run(given: Any) -> Any:
        if customised:
            (y,) = evaluate([inputs[0]], {inputs[i]: given.astype(node.args[i].dtype)})
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
        y = node.value if customised else run(x[()])
        again = make_node(op, tuple(leaves), tuple(args), node.params, y, True, _getframe())
        slopes = []
        for factor in (1.0, *_FACTORS):
            (found,) = pulled_back([again], [(factor * weights).astype(y.dtype)[()]], [leaf], numbers=True)
            slopes.append(float(np.sum(found * direction)) / factor)
        epsilon = float(np.finfo(y.dtype).eps)
        rounding = 10 * epsilon * float(np.abs(y * weights).sum())
        estimate = _extrapolated(moved, 1.0, epsilon)
        steady = _is_steady(moved, estimate, 1.0, rounding)
    except Exception:  # a rule that fails elsewhere than on the way here is not what is looked for
        return 0.0
    slope = max(slopes, key=lambda slope: abs(slope - estimate.slope))
    largest = max(abs(slope), abs(estimate.slope), 1e-300)
    off = max(0.0, abs(slope - estimate.slope) - 4 * estimate.error - 10 * rounding) / largest
    if not off > _OFF or not steady or not _is_settled(estimate, slope):
        return 0.0
    sides = _sides(moved, 1.0)
    if not float(sides.error.sum()) <= 1e-2 * largest:
        return 0.0
    low, high = np.minimum(sides.left, sides.right), np.maximum(sides.left, sides.right)
    if float((high - low - 4 * sides.error).sum()) <= _OFF * largest:
        return off
    between = (low - 4 * sides.error).sum() <= slope <= (high + 4 * sides.error).sum()
    return np.nan if between else off
