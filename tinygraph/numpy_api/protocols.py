"""NumPy's functions on tensors: they record, or say what to use instead. No number leaves the graph silently."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Container
from functools import cache
from typing import Any

import numpy as np

from ..errors import UnsupportedError, nearest
from ..graph.methods import add_missing
from ..graph.records import FUNCTIONS, OFFERED
from ..graph.tensor import Tensor
from .refusals import REFUSALS
from .spellings import SCIPY, SPELLED

_REDUCTIONS = {"add": "sum", "multiply": "prod", "maximum": "max", "minimum": "min"}
_NO_CHANGE: dict[str, tuple[Any, ...]] = {
    "initial": (np._NoValue,),
    "out": (None,),
    "where": (True,),
    "dtype": (None,),
    "casting": ("same_kind",),
    "order": (None, "K", "C"),
    "subok": (True, False),
    "copy": (True, None),
    "device": (None, "cpu"),
}
_WITHOUT = {
    "initial": "combine the result with that number",
    "order": "exchange the axes before, as with x.T",
    "where": "choose before, as with np.where(mask, x, 0)",
}
"""The advice to someone who gives an argument that cannot be recorded."""


@cache
def _known() -> dict[Any, Callable[..., Any]]:
    """Return, for each NumPy function that records, tinygraph's function that records it."""
    known: dict[Any, Callable[..., Any]] = {}
    for module, functions in ((np.linalg, FUNCTIONS), (np, FUNCTIONS)):
        known |= {getattr(module, name): f for name, f in functions.items() if hasattr(module, name)}
    return known | SPELLED


def recorded_by() -> dict[str, Callable[..., Any]]:
    """Return, for the name of each NumPy function that records on a tensor, the function that records it."""
    return {_full_name(theirs): ours for theirs, ours in _known().items()}


def _full_name(function: Any) -> str:
    name = getattr(function, "__name__", str(function))
    if isinstance(function, np.ufunc):  # a ufunc does not say where it is from
        return f"np.{name}" if getattr(np, name, None) is function else name
    return f"{function.__module__.replace('numpy', 'np', 1)}.{name}"


def _found(function: Any) -> Callable[..., Any]:
    if function in _known():
        return _known()[function]
    name, full = getattr(function, "__name__", str(function)), _full_name(function)
    if name in SCIPY and getattr(sys.modules.get("scipy.special"), name, None) is function:
        return SCIPY[name]
    if full in REFUSALS:
        raise UnsupportedError(f"{full} {REFUSALS[full]}")
    raise UnsupportedError(
        f"{full} has no gradient rule in tinygraph{nearest(name, FUNCTIONS)}."
        " To leave the graph, give it the .data of the tensor"
    )


def _given(function: Any, kwargs: dict[str, Any], taken: Container[str] = ()) -> dict[str, Any]:
    """Return the keyword arguments without those that change nothing, such as ``out=None``, unless they are `taken`.

    Raise `UnsupportedError` for an argument in `_NO_CHANGE` that would change something and is not `taken`.
    """
    given = {}
    for key, value in kwargs.items():
        if key not in _NO_CHANGE or key in taken:
            given[key] = value
        elif not any(value is harmless for harmless in _NO_CHANGE[key]):
            raise _unrecorded(function, key)
    return given


def _unrecorded(function: Any, key: str) -> UnsupportedError:
    instead = _WITHOUT.get(key, f"use the result, without {key}=")
    return UnsupportedError(f"np.{function.__name__}(…, {key}=…) cannot be recorded; {instead}")


def array_ufunc(ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
    """Record the call of a ufunc, such as ``np.tanh(t)`` or ``array * t``, or raise `UnsupportedError`."""
    if method != "__call__":
        instead = _REDUCTIONS.get(ufunc.__name__) if method == "reduce" else None
        raise UnsupportedError(
            f"np.{ufunc.__name__}.{method} cannot be recorded{f'; use np.{instead}' if instead else ''}."
            " To leave the graph, give it the .data of the tensor"
        )
    if any(isinstance(array, Tensor) for array in kwargs.get("out") or ()):
        raise UnsupportedError(
            f"np.{ufunc.__name__} cannot write into a tensor, since earlier results depend on it; use the result, or"
            " write to the .data of a leaf between steps"
        )
    if kwargs.get("out") is not None:
        raise UnsupportedError(
            f"np.{ufunc.__name__} cannot write a tensor into an array, not even by `array += tensor`;"
            " write `array = array + tensor`, or use the .data of the tensor"
        )
    for key in _given(ufunc, kwargs):
        raise _unrecorded(ufunc, key)
    return _found(ufunc)(*inputs)


def array_function(func: Any, args: Any, kwargs: Any) -> Any:
    """Record a call such as ``np.sum(t, axis=0)`` or ``np.concatenate([t, t])``, or raise `UnsupportedError`."""
    function = _found(func)
    signature = inspect.signature(function)
    if names := _names(func):  # its operands have other names than ours, and the rest has another order
        count = sum(p.default is p.empty for p in signature.parameters.values())
        kwargs = {**dict(zip(names, args, strict=False)), **kwargs}
        args = [*(kwargs.pop(name) for name in names[:count] if name in kwargs), *args[len(names) :]]
    given = _given(func, kwargs, signature.parameters)
    try:
        signature.bind(*args, **given)
    except TypeError as error:
        raise UnsupportedError(f"np.{func.__name__} on a tensor takes tinygraph's arguments: {error}") from None
    return function(*args, **given)


@cache
def _names(function: Any) -> tuple[str, ...]:
    """Return the names of the arguments that a NumPy function takes by position, or none if it has no signature."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:
        return ()
    return tuple(p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD))


add_missing(Tensor)
OFFERED.ufunc, OFFERED.function = array_ufunc, array_function
