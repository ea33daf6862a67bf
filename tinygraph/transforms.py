"""Functions that make functions: gradients of functions of arrays, nested in any way."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .autodiff import gradients
from .errors import ArgumentError, DTypeError
from .graph import Tensor
from .ops import astype
from .recording import STATE, Nested
from .trees import flatten, unflatten


def value_and_grad(function: Callable[..., Any], argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """A function that returns what `function` returns, a scalar, and its gradient.

    `argnums` says with respect to which positional arguments: arrays, numbers, or nested dicts, lists and tuples of
    them. The gradient is nested in the same way; of several arguments it is a tuple. Given arrays it gives arrays;
    given tensors, and inside another transform, it gives tensors, which can be differentiated again.

    Raises `ArgumentError` where `function` does not return a scalar, `DTypeError` for arguments that are not floating.

    >>> import numpy as np, tinygraph as tg
    >>> square = tg.value_and_grad(lambda p, x: tg.sum(p["w"] * x) ** 2)
    >>> square({"w": np.ones(2)}, np.array([1.0, 2.0]))
    (np.float64(9.0), {'w': array([ 6., 12.])})
    """
    several = not isinstance(argnums, int)
    positions: Sequence[int] = argnums if isinstance(argnums, Sequence) else [argnums]

    @functools.wraps(function)
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        names = _parameter_names(function, len(args))
        given = list(args)
        leaves: list[Tensor] = []
        structures = []
        stay_tensors = STATE.get().nested
        for i in positions:
            if not -len(args) <= i < len(args):
                raise ArgumentError(f"argnums={argnums} asks for the argument {i}, and there are {len(args)}")
            parts, structure = flatten(args[i])
            stay_tensors = stay_tensors or any(isinstance(part, Tensor) for part in parts)
            tensors = [_variable(part, names[i] if len(parts) == 1 else None) for part in parts]
            structures.append((structure, len(parts)))
            leaves += tensors
            given[i] = unflatten(structure, tensors)
        with Nested():
            value = function(*given, **kwargs)
            if not isinstance(value, Tensor) or value.shape != ():
                what = f"shape {value.shape}" if hasattr(value, "shape") else f"a {type(value).__name__}"
                raise ArgumentError(f"{function.__name__} returned {what}; a gradient is that of a scalar")
            if value.requires_grad or stay_tensors:
                found: Sequence[Tensor] = gradients(value, leaves)
            else:
                found = [Tensor(np.zeros(leaf.shape, leaf.dtype)) for leaf in leaves]
        results: Sequence[Any] = found
        if not stay_tensors:
            value, results = value.data[()], [np.array(gradient.data)[()] for gradient in found]
        taken = iter(results)
        trees = [unflatten(structure, [next(taken) for _ in range(count)]) for structure, count in structures]
        return value, tuple(trees) if several else trees[0]

    return differentiated


def grad(function: Callable[..., Any], argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """A function that returns the gradient of `function`; as `value_and_grad`, without the value.

    >>> import tinygraph as tg
    >>> tg.grad(lambda x: x**3)(2.0), tg.grad(tg.grad(lambda x: x**3))(2.0)
    (np.float64(12.0), np.float64(12.0))
    """
    both = value_and_grad(function, argnums)

    @functools.wraps(function)
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        return both(*args, **kwargs)[1]

    return differentiated


def _variable(x: Any, name: str | None) -> Tensor:
    """What to differentiate by: a leaf of its own, or for a tensor a node, so that other uses of it do not count."""
    if isinstance(x, Tensor):
        variable = astype(x, x.dtype)
        variable.name = x.name or name
    else:
        variable = Tensor(x, name=name)
    if variable.dtype.kind != "f":
        raise DTypeError(f"{name or 'an argument'} holds {variable.dtype}; only floating arguments have a gradient")
    if variable.op is None:
        variable.requires_grad = True
    return variable


def _parameter_names(function: Callable[..., Any], count: int) -> list[str | None]:
    """What a function calls its positional arguments."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    positional = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return [positional[i] if i < len(positional) else None for i in range(count)]
