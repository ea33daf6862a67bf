"""Functions whose gradients the user defines."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np

from .. import ops
from ..errors import ArgumentError, DTypeError, GraphError, ShapeError
from ..graph.declaring import op
from ..graph.node import describe
from ..graph.recording import STATE, Ruled
from ..graph.records import NUMBERS
from ..graph.tensor import ArrayLike, Tensor
from ..graph.walking import is_as_read
from ..trees import flatten, matched, unflatten
from .calls import called, captured_by, fresh, name_of, packed, parameter_names, unpacked


def custom_gradient(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that computes its own gradients instead of having them derived from its ops.

    `function` returns its value and a function of the cotangent g of that value, which returns the cotangents of the
    positional arguments: one for each, in their order, nested and shaped alike; None stands for 0, and for a single
    argument no tuple is needed. g is nested as the value. Both are computed with tinygraph's functions, and may share
    what they compute; then all orders of derivatives follow, and the function compiles. The value has this gradient to
    all orders; any other tensor in the gradient function is differentiated as it was computed. Arguments by keyword
    have no gradient.

    If the value is computed by NumPy or SciPy alone and must be drawn, evaluated again or compiled, declare an op
    instead: see `op`.

    Raise `ArgumentError` if the number of gradients is wrong, `ShapeError` if one does not have its argument's shape,
    and `GraphError` if a gradient is needed for a tensor that `function` uses but does not take as an argument.

    >>> import tinygraph as tg
    >>> @tg.custom_gradient
    ... def log1pexp(x):
    ...     e = tg.exp(x)
    ...     return tg.log(1 + e), lambda g: g * (1 - 1 / (1 + e))
    >>> tg.grad(log1pexp)(0.0), tg.grad(tg.grad(log1pexp))(0.0)
    (np.float64(0.5), np.float64(0.25))
    """
    called(function, "custom_gradient")
    name = name_of(function)

    @functools.wraps(function)
    def customised(*args: Any, **kwargs: Any) -> Any:
        variables, inputs, born = fresh(args)
        result = function(*variables, **kwargs)
        if not isinstance(result, tuple) or len(result) != 2 or not callable(result[1]):
            raise ArgumentError(f"{name} must return a pair: its value, and a function of the gradient of that value")
        leaves, structure = flatten(result[0])
        outputs = [y if isinstance(y, Tensor) else Tensor(y) for y in leaves]
        floats = [y for y in outputs if y.dtype.kind == "f"]
        made: Iterator[Tensor] = iter([])
        if floats:
            captured = captured_by(floats, flatten(variables)[0], born, smoothly=True)
            names = [named or f"argument {i}" for i, named in enumerate(parameter_names(function, len(args)))]

            def gradient(g: Tensor) -> Any:
                parts = iter(unpacked(g, floats))
                cotangents = [next(parts) if y.dtype.kind == "f" else np.zeros(y.shape) for y in outputs]
                return result[1](unflatten(structure, cotangents))

            rule = Rule(name, gradient, dict(zip(names, args, strict=True)), captured)
            made = iter(unpacked(custom_gradient_(packed(floats), *inputs, *captured, rule=rule), floats))
        return unflatten(structure, [next(made) if y.dtype.kind == "f" else ops.stop_gradient(y) for y in outputs])

    return customised


class Rule:
    """The gradient function of one call, with the arguments and the captured tensors of the call."""

    def __init__(
        self, name: str, function: Callable[[Tensor], Any], args: dict[str, Any], captured: Sequence[Tensor]
    ) -> None:
        self._name, self._function = name, function
        self._args, self._captured = args, captured

    def __repr__(self) -> str:
        return self._name

    def gradients(self, xp: Any, g: Any, values: Sequence[Any]) -> list[Any]:
        """Return the cotangents of the inputs; for captured tensors, functions that raise `GraphError` when called."""
        refusals = [functools.partial(self._refuse, x) for x in self._captured]
        if xp is not NUMBERS:
            return [*self._checked(g), *refusals]
        for x, read in zip(self._captured, values[len(values) - len(self._captured) :], strict=True):
            if x.op is None and not is_as_read(x, read):
                raise GraphError(f"the data of {describe(x)} has changed since {self._name} was computed from it")
        with nullcontext() if STATE.get().tracing else Ruled():
            return [*(x if x is None else x._value for x in self._checked(Tensor(g))), *refusals]

    def _refuse(self, x: Tensor, *_: Any, **__: Any) -> Any:
        raise GraphError(
            f"{self._name} uses {describe(x)} from outside ({x.site.where}), and its gradient function gives none for"
            f" that: make it an argument of {self._name}, or give it stop_gradient({describe(x)})"
        )

    def _checked(self, g: Tensor) -> list[Tensor | None]:
        """Return the gradients of the arguments that are tensors, after checking them."""
        whose = f"the gradient function of {self._name} returned"
        found = self._function(g)
        names = list(self._args)
        if len(names) == 1 and not (isinstance(found, tuple) and (len(found) == 1 or _is_leaf(self._args[names[0]]))):
            found = (found,)
        if not isinstance(found, (tuple, list)) or len(found) != len(names):
            count = len(found) if isinstance(found, (tuple, list)) else 1
            raise ArgumentError(f"{whose} {count} gradients for {len(names)} arguments ({', '.join(names)})")
        fitting: list[Tensor | None] = []
        for (name, arg), tree in zip(self._args.items(), found, strict=True):
            leaves, structure = flatten(arg)
            given: list[Any] = [None] * len(leaves)
            if tree is not None:
                given = matched(tree, structure, f"the gradient of {name} by {self._name}", optional=True)
            for x, cotangent, path in zip(leaves, given, structure.paths(), strict=True):
                if not isinstance(x, Tensor):
                    continue
                if cotangent is None or x.dtype.kind != "f":
                    fitting.append(None)
                    continue
                cotangent = cotangent if isinstance(cotangent, Tensor) else Tensor(cotangent)
                if cotangent.shape != x.shape:
                    raise ShapeError(
                        f"{whose} shape {cotangent.shape} for {name}{path}, which has {x.shape};"
                        " a tensor and its gradient always have the same shape"
                    )
                if cotangent.dtype.kind != "f":
                    raise DTypeError(f"{whose} {cotangent.dtype} for {name}{path}")
                fitting.append(ops.astype(cotangent, x.dtype) if cotangent.dtype != x.dtype else cotangent)
        return fitting


def _is_leaf(tree: Any) -> bool:
    return flatten(tree)[1].kind is None


@op(
    "control",
    lambda xp, g, y, value, *inputs, rule: (None, *rule.gradients(xp, g, inputs)),
    notation="{0}",
    source="{0}",
    variadic=True,
    run=lambda value, *inputs, rule: value,
    samples=(),
    arithmetic="first operand",
)
def custom_gradient_(xp: Any, value: ArrayLike, *inputs: ArrayLike, rule: Any) -> Any:
    """Return the value as a function of the inputs; `rule` gives its gradients."""
    return value
