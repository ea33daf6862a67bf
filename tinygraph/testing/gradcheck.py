"""The comparison of derivatives with central differences."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from .. import ops
from ..autodiff.calls import called, is_whole, name_of, parameter_names
from ..autodiff.traversal import gradients
from ..errors import ArgumentError, DTypeError, TinygraphError
from ..graph.recording import Nested, enable_grad
from ..graph.replaying import evaluate
from ..graph.tensor import Tensor, array_of, parameter
from ..trees import flatten, unflatten
from .differences import OFF, ROUNDING, STEP, Estimate, agree, along, difference, is_settled
from .differences import extrapolated as _extrapolated
from .disagreements import FACTORS, Problem, reason
from .disagreements import suspect as _suspect

_NEGLIGIBLE = 1e-3  # this part of the largest element is tolerated


class LawError(AssertionError):
    """The error of an op or a function that breaks a law; its message says which law, and on which input."""


def check_grads(
    function: Callable[..., Any], *args: Any, order: int = 2, rtol: float = 1e-5, atol: float = 0.0, **kwargs: Any
) -> None:
    """Check the derivatives of `function` at `args` against central differences, up to `order`, in float64.

    Arguments and results are arrays, or nested dicts, lists and tuples of them. Integers, booleans and arguments given
    by keyword are passed on as they are. Derivatives are compared element by element, through a random cotangent for
    the results, so that each entry of the Jacobian counts. Where an element disagrees, its difference is taken again
    with many steps, from a tenth of the size of the number down, and extrapolated to 0 (C. J. F. Ridders, 1982), so
    numbers and gradients may be of any size. An element is wrong if it is off by more than `rtol` of itself and `atol`,
    by more than the function's own rounding, and by more than 1e-8 of the largest element, beside which rounding hides
    it.

    Each order differentiates the gradient as a function of the arguments and of the cotangent, in which it must be
    linear. `order` is 1 or more; each one takes several times as long as the one before.

    Raises `LawError`, an AssertionError, with the worst element, its index, both numbers, and the reason: the op in the
    graph whose own gradient is wrong, with its line in your source; a value that has left the graph; a function that is
    not smooth there or that gives other values when it is called again; or rounding that hides its slope. Raises
    `DTypeError` if there is nothing floating to differentiate.

    >>> import numpy as np, tinygraph as tg
    >>> tg.check_grads(lambda p, x: tg.tanh(p["w"] @ x), {"w": np.array([[0.1, 0.2]])}, np.array([1.0, -2.0]))
    >>> tg.check_grads(lambda x: x * x.detach(), np.array([3.0]))
    Traceback (most recent call last):
    tinygraph...LawError: the gradient of x at (0,), where it is 3.0, is 0.37...; central differences give 0.75...
      every op on the way agrees with its own differences: something has left the graph, as by .data or .detach()
    """
    if not is_whole(order) or order < 1:
        raise ArgumentError(f"the order of derivatives to check is a whole number, 1 or more, not {order!r}")
    for name, tolerance in (("rtol", rtol), ("atol", atol)):
        if not isinstance(tolerance, int | float | np.number) or not tolerance >= 0:
            raise ArgumentError(f"{name} is by how much derivatives may be off, 0 or more, not {tolerance!r}")
    function = called(function, "check_grads")
    leaves, structure = flatten(args)
    names = parameter_names(function, len(args))
    labels = [
        f"{names[i] or f'argument {i}'}{path}" for i, child in enumerate(structure.children) for path in child.paths()
    ]
    places = [i for i, x in enumerate(leaves) if _kind(x) == "f"]
    if not places:
        raise DTypeError(f"{name_of(function)} got no floating argument to check its gradient with")

    def computed(*xs: Any) -> list[Tensor]:
        given, call = list(leaves), Nested()
        for i, x in zip(places, xs, strict=True):
            given[i], x._calls = x, (call,)
        with call:
            results, _ = flatten(function(*unflatten(structure, given), **kwargs))
        call.last()
        found = [y if isinstance(y, Tensor) else Tensor(y) for y in results if _kind(y) == "f"]
        if not found:
            raise DTypeError(f"{name_of(function)} returned no floating number, which alone has a derivative")
        return found

    arrays = [
        np.asarray(x.value if isinstance(x, Tensor) else array_of(x), float) for x in map(leaves.__getitem__, places)
    ]
    with enable_grad():
        _check(computed, arrays, [labels[i] for i in places], order, rtol, atol)


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
        """Return the terms that `_total` adds up."""
        parts = [np.ravel(np.asarray(y, float) * w) for y, w in zip(values, weights, strict=True)]
        return np.concatenate(parts) if parts else np.zeros(0)

    def called(i: int, x: Any) -> Any:
        try:
            return terms([y._value for y in function(*map(parameter, [*arrays[:i], x, *arrays[i + 1 :]]))])
        except (TinygraphError, ValueError, ArithmeticError):  # x has left the domain of the function
            return np.full(sum(y.size for y in outputs), np.nan)

    def recorded(i: int, x: Any, frozen: Mapping[Tensor, Any] | None = None) -> Any:
        return terms(evaluate(outputs, {variables[i]: x, **(frozen or {})}))

    output = _total(outputs, weights)
    found = [np.asarray(x._value) for x in gradients(output, variables)]
    moving = [np.zeros(y.shape) if y.op is None and not y.requires_grad else y._value for y in outputs]
    size = max(size, float(np.abs(terms(moving)).sum()))
    sizes = [size / (float(np.abs(x).max(initial=0.0)) or 1.0) for x in arrays]  # the cotangents of the gradients
    by = f"{whose} and by" if ", differentiated" in whose else f"{whose}, differentiated by"
    what = [f"{by} {label}" if whose else f"the gradient of {label}" for label in labels]
    if not agree(terms([y._value for y in outputs]), called(0, arrays[0])):
        raise LawError(
            f"{what[0]} cannot be checked: the function gives other values when it is called again with the same"
            " arguments; draw random numbers outside, and give them to it"
        )
    for i, x in enumerate(arrays):
        tolerance = atol + ROUNDING * sizes[i]
        problems = list(_compared(found[i], x, partial(called, i), rtol, tolerance))
        if problems:
            told = reason(problems, x, partial(called, i), partial(recorded, i), output, variables[i], variables)
            raise LawError(f"{what[i]}{',' if whose else ''} {told}")
    for factor in FACTORS:
        scaled = gradients(_total(outputs, [factor * w for w in weights]), variables)
        for i, (one, many) in enumerate(zip(found, scaled, strict=True)):
            wanted, given = factor * one, np.asarray(many._value)
            allowed = rtol * np.abs(wanted) + abs(factor) * (_negligible(rtol, one) + atol + ROUNDING * sizes[i])
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
                [*arrays, *weights],  # a rule may be right, and its derivative by the cotangent wrong nevertheless
                [*labels, *cotangents],
                order - 1,
                rtol * 10,
                atol * 10,
                sizes[i],
                what[i],
            )


def _total(outputs: Sequence[Tensor], cotangents: Sequence[Any]) -> Tensor:
    """Return the sum of the outputs, weighed by cotangents."""
    parts = [ops.sum(y * w) for y, w in zip(outputs, cotangents, strict=True)]
    return sum(parts[1:], start=parts[0])


def _negligible(rtol: float, gradient: Any) -> float:
    """Return how far off an element of a gradient may be, for the largest one."""
    return _NEGLIGIBLE * rtol * float(np.abs(gradient[np.isfinite(gradient)]).max(initial=0.0))


def _compared(gradient: Any, x: Any, function: Callable[[Any], Any], rtol: float, atol: float) -> Iterator[Problem]:
    """Yield the elements of a gradient that are wrong, the worst first."""
    quick = np.zeros(x.shape)
    noise = np.zeros(x.shape)
    for at in np.ndindex(x.shape):
        quick[at], noise[at], _ = difference(along(function, x, at), STEP * max(1.0, abs(float(x[at]))))
    negligible = _negligible(rtol, gradient) + atol
    largest = np.abs(gradient[np.isfinite(gradient)]).max(initial=0.0)
    size = np.maximum(np.abs(quick), np.abs(gradient))
    with np.errstate(invalid="ignore"):
        off = np.abs(gradient - quick)
        fits = off <= rtol * np.abs(quick) + negligible
        fits |= (off <= noise) & (noise <= OFF * np.maximum(size, largest))
        fits &= np.isfinite(quick)
    doubtful = sorted(
        zip(*np.nonzero(np.atleast_1d(~fits)), strict=True),
        key=lambda i: -np.nan_to_num(np.atleast_1d(off)[i], nan=np.inf),
    )
    for place in doubtful:
        at = tuple(map(int, place)) if x.ndim else ()
        estimate = _extrapolated(along(function, x, at), abs(float(x[at])))
        wanted, found = estimate.slope, float(gradient[at])
        allowed = rtol * abs(wanted) + negligible + 4 * estimate.error
        settled = is_settled(estimate, found, atol)
        if not abs(found - wanted) <= allowed or not settled:
            doubt = "" if settled else f", give or take {estimate.error:.1g}"
            off_by = max(abs(found - wanted), 4 * estimate.error) if np.isfinite(found) else np.inf
            yield _problem(x, at, found, estimate, off_by, doubt)
    yield from _hidden(gradient, x, function, fits & (quick == 0), negligible)


def _problem(x: Any, at: tuple[int, ...], found: float, estimate: Estimate, off: float, doubt: str = "") -> Problem:
    text = f"at {at}, where it is {x[at]}, is {found}; central differences give {estimate.slope}{doubt}"
    return Problem(at, text, found, off, estimate)


def _hidden(gradient: Any, x: Any, function: Callable[[Any], Any], still: Any, negligible: float) -> Iterator[Problem]:
    """Return those elements that seem to move nothing until larger steps show a slope: rounding hides it."""
    with np.errstate(all="ignore"):
        before, after = function(x), function(x + 1e-3 * still * np.maximum(1.0, np.abs(x)))
    if not (np.isfinite(after) & (after != before)).any():
        return
    for at in zip(*np.nonzero(np.atleast_1d(still)), strict=True):
        at = tuple(map(int, at)) if x.ndim else ()
        size, found = max(1.0, abs(float(x[at]))), float(gradient[at])
        one, other = (difference(along(function, x, at), step * size)[0] for step in (1e-3, 1e-2))
        if abs(one - other) < 0.2 * abs(one) and abs(found - one) > 0.5 * abs(one) + negligible:
            yield _problem(x, at, found, Estimate(one, abs(one - other), 0.0), abs(found - one))
