"""Checking derivatives against central differences, and finding the op that is to blame where they disagree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from sys import _getframe, float_info
from typing import Any, NamedTuple

import numpy as np

from . import ops
from .autodiff import gradients, pulled_back
from .calls import name_of, parameter_names
from .errors import DTypeError
from .evaluate import evaluate
from .graph import Tensor, make_node, parameter, toposort
from .recording import Nested, enable_grad
from .trees import flatten, unflatten

_EPSILON = float_info.epsilon
_STEP = 6e-6  # the cube root of epsilon, where the errors of rounding and of truncation meet
_ROUNDING = 32 * _EPSILON
_NEGLIGIBLE = 1e-3  # a part of the tolerance, of the largest element
_OFF = 1e-4  # by how much the gradient of an op must be off to be suspected


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

    Raises `LawError`, an AssertionError, with the worst element, its index, both numbers, and the op in the graph whose
    own gradient is wrong, with the line of your source that it is on; or that there is none, where something has left
    the graph.

    >>> import numpy as np, tinygraph as tg
    >>> tg.check_grads(lambda p, x: tg.tanh(p["w"] @ x), {"w": np.array([[0.1, 0.2]])}, np.array([1.0, -2.0]))
    >>> tg.check_grads(lambda x: x * x.detach(), np.array([3.0]))
    Traceback (most recent call last):
    tinygraph.checks.LawError: the gradient of x at (0,), where it is 3.0, is 0.37...; central differences give 0.75...
      every op on the way agrees with its own differences: something has left the graph, as by .data or .detach()
    """
    leaves, structure = flatten(args)
    names = parameter_names(function, len(args))
    labels = [
        f"{names[i] or f'argument {i}'}{path}" for i, child in enumerate(structure.children) for path in child.paths()
    ]
    places = [i for i, x in enumerate(leaves) if _kind(x) == "f"]
    if not places:
        raise DTypeError(f"{name_of(function)} got no floating argument to check its gradient with")

    def called(*xs: Any) -> list[Tensor]:
        given, call = list(leaves), Nested()
        for i, x in zip(places, xs, strict=True):
            given[i], x._calls = x, (call,)
        with call:
            results, _ = flatten(function(*unflatten(structure, given), **kwargs))
        return [y if isinstance(y, Tensor) else Tensor(y) for y in results if _kind(y) == "f"]

    arrays = [np.asarray(leaves[i].value if isinstance(leaves[i], Tensor) else leaves[i], float) for i in places]
    with enable_grad():
        _check(called, arrays, [labels[i] for i in places], order, rtol, atol, 0.0)


def _kind(x: Any) -> str:
    return x.dtype.kind if isinstance(x, Tensor) else np.asarray(x).dtype.kind


def _check(
    function: Callable[..., list[Tensor]],
    arrays: Sequence[Any],
    labels: Sequence[str],
    order: int,
    rtol: float,
    atol: float,
    size: float,
) -> None:
    """`size` is that of what the function is made of, where it is more than its terms: they may have cancelled."""
    rng = np.random.default_rng(0)
    weights = [rng.standard_normal(y.shape) for y in function(*map(parameter, arrays))]

    def total(*xs: Any) -> Tensor:
        parts = [ops.sum(y * w) for y, w in zip(function(*xs), weights, strict=True)]
        return sum(parts[1:], start=parts[0]) if parts else Tensor(0.0)

    def weighed(*xs: Any) -> Any:
        """The terms that `total` adds up."""
        terms = [np.asarray(y._value, float) * w for y, w in zip(function(*map(parameter, xs)), weights, strict=True)]
        return np.concatenate([np.ravel(t) for t in terms]) if terms else np.zeros(0)

    def alone(i: int) -> Callable[[Any], Any]:
        return lambda x: weighed(*arrays[:i], x, *arrays[i + 1 :])

    variables = [Tensor(x, requires_grad=True) for x in arrays]
    output = total(*variables)
    computed = gradients(output, variables)
    size = max(size, float(np.abs(weighed(*arrays)).sum()))
    sizes = [size / (float(np.abs(x).max(initial=0.0)) or 1.0) for x in arrays]  # those of the gradients
    for i, (x, gradient) in enumerate(zip(arrays, computed, strict=True)):
        problem = _compared(np.asarray(gradient._value), x, alone(i), rtol, atol + _ROUNDING * sizes[i])
        if problem:
            raise LawError(f"the gradient of {labels[i]} {problem}\n  {_suspect(output, set(variables))}")
    if order > 1:
        for i in range(len(arrays)):

            def derivative(*xs: Any, i: int = i) -> list[Tensor]:
                return [gradients(total(*xs), xs)[i]]

            _check(derivative, arrays, labels, order - 1, rtol * 10, atol * 10, sizes[i])


def _compared(computed: Any, x: Any, function: Callable[[Any], Any], rtol: float, atol: float) -> str:
    """What is wrong with a gradient at x; nothing where it is right."""
    quick = np.zeros(x.shape)
    noise = np.zeros(x.shape)

    def along(index: tuple[int, ...]) -> Callable[[float], Any]:
        def moved(step: float) -> Any:
            y = x.copy()
            y[index] += step
            return function(y)

        return moved

    for index in np.ndindex(x.shape):
        quick[index], noise[index] = _difference(along(index), _STEP * max(1.0, abs(float(x[index]))))
    largest = np.abs(computed[np.isfinite(computed)]).max(initial=0.0)
    size = np.maximum(np.abs(quick), np.abs(computed))
    with np.errstate(invalid="ignore"):
        off = np.abs(computed - quick)
        fits = off <= rtol * np.abs(quick) + _NEGLIGIBLE * rtol * largest + atol
        fits |= (off <= noise) & (noise <= _OFF * np.maximum(size, largest))
        fits &= np.isfinite(quick)
    doubtful = sorted(
        zip(*np.nonzero(np.atleast_1d(~fits)), strict=True),
        key=lambda i: -np.nan_to_num(np.atleast_1d(off)[i], nan=np.inf),
    )
    for index in doubtful:
        at = tuple(map(int, index)) if x.ndim else ()
        estimate = _extrapolated(along(at), abs(float(x[at])))
        wanted, found = estimate.slope, float(computed[at])
        allowed = rtol * abs(wanted) + _NEGLIGIBLE * rtol * largest + 4 * estimate.error + atol
        settled = 4 * estimate.error <= 1e-2 * max(abs(wanted), abs(found)) + atol
        settled = settled or estimate.error <= 1e-9 * estimate.size
        if not abs(found - wanted) <= allowed or not settled:
            doubt = "" if settled else f", give or take {estimate.error:.1g}, for it is not smooth there"
            return f"at {at}, where it is {x[at]}, is {found}; central differences give {wanted}{doubt}"
    return ""


class _Estimate(NamedTuple):
    slope: float
    error: float
    size: float
    """Of what the function adds up, for a step of the size of the number."""


def _difference(function: Callable[[float], Any], step: float) -> tuple[float, float]:
    """The slope at 0, and what it owes to rounding."""
    with np.errstate(all="ignore"):  # a step may lead to where the function is not defined
        above, below = function(step), function(-step)
        size = np.abs(above[above != below]).sum()  # what has not changed rounds the same
        return float((above - below).sum()) / (2 * step), 10 * _EPSILON * float(size) / step


def _extrapolated(function: Callable[[float], Any], size: float) -> _Estimate:
    """The slope at 0, from central differences with ever smaller steps; the best of two starts."""
    best = _Estimate(np.nan, np.inf, 0.0)
    for start in dict.fromkeys([0.1 * max(size, 1.0), 0.1 * size or 1e-5, 1e-4 * max(size, 1.0)]):
        rows: list[list[float]] = []
        for i in range(12):
            step = start / 2**i
            slope, noise = _difference(function, step)
            row = [slope]
            for j, before in enumerate(rows[-1] if rows else [], start=1):
                row.append(row[-1] + (row[-1] - before) / (4.0**j - 1))
                error = max(abs(row[j] - row[j - 1]), abs(row[j] - rows[-1][j - 1])) + noise / 5
                if error < best.error:
                    best = _Estimate(row[j], error, noise * step / (10 * _EPSILON * max(size, 1.0)))
            rows.append(row)
    return best


def _suspect(output: Tensor, variables: set[Tensor]) -> str:
    """The op in a graph whose own gradient disagrees most with differences of its own."""
    moving = set(variables)
    worst, blamed = _OFF, ""
    for node in toposort(output):
        if node.op is None or not any(isinstance(x, Tensor) and x in moving for x in node.inputs):
            continue
        moving.add(node)
        for i, x in enumerate(node.inputs):
            if isinstance(x, Tensor) and x in moving and x.dtype.kind == "f" and i not in node.op.aside:
                off = _disagreement(node, i)
                if off > worst:
                    place = f"{node.site.where}: {node.site.source}" if node.site.source else node.site.where
                    worst = off
                    blamed = f"suspect {node.op.name}, whose gradient for its input {i} is off by {off:.1%}; at {place}"
                    if node.op.name == "custom_gradient":
                        blamed = blamed.replace("custom_gradient", f"the gradient function of {node.params['rule']}")
    if blamed:
        return blamed
    return "every op on the way agrees with its own differences: something has left the graph, as by .data or .detach()"


def _disagreement(node: Tensor, i: int) -> float:
    """By what part the gradient of a node by one of its inputs is off, along a random direction."""
    op = node.op
    assert op is not None
    if node.dtype.kind != "f" or not op.differentiable:
        return 0.0
    args, inputs = list(node._args), [z for z in node.inputs if isinstance(z, Tensor)]
    customised = op.name == "custom_gradient"  # whose value is its first input
    if customised and (i == 0 or inputs[i] not in set(toposort(inputs[0]))):
        return 0.0
    x = np.asarray(args[i], float)
    rng = np.random.default_rng(0)
    weights = np.asarray(rng.standard_normal(node.shape))
    direction = rng.uniform(0.5, 1.0, x.shape) * np.where(x == 0, np.abs(x).max(initial=0.0) or 1.0, x)

    def moved(step: float) -> Any:
        given = (x + step * direction).astype(node._args[i].dtype)[()]
        if customised:
            (y,) = evaluate([inputs[0]], {inputs[i]: given})
        else:
            y = op.run(*args[:i], given, *args[i + 1 :], **node.params)
        return np.ravel(np.asarray(y, float) * weights)

    leaves = [
        Tensor(a, requires_grad=np.asarray(a).dtype.kind == "f") if isinstance(z, Tensor) else z
        for a, z in zip(args, node.inputs, strict=True)
    ]
    leaf = leaves[i]
    assert isinstance(leaf, Tensor)
    try:
        again = make_node(op, tuple(leaves), node._args, node.params, node._value, True, _getframe())
        (found,) = pulled_back([again], [weights.astype(node.dtype)[()]], [leaf], numbers=True)
        estimate = _extrapolated(moved, 1.0)
    except Exception:  # a rule that fails elsewhere than on the way here is not what is looked for
        return 0.0
    slope = float(np.sum(found * direction))
    return max(0.0, abs(slope - estimate.slope) - 4 * estimate.error) / max(abs(slope), abs(estimate.slope), 1e-300)
