"""NumPy's functions on tensors: they record, or refuse and say what to use; nothing leaves the graph in silence."""

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
"""What to do in place of giving an argument."""


@cache
def _known() -> dict[Any, Callable[..., Any]]:
    """For each NumPy function the function of ours that records it."""
    known: dict[Any, Callable[..., Any]] = {}
    for module, functions in ((np.linalg, FUNCTIONS), (np, FUNCTIONS)):
        known |= {getattr(module, name): f for name, f in functions.items() if hasattr(module, name)}
    return known | SPELLED


def recorded_by() -> dict[str, Callable[..., Any]]:
    """The functions of NumPy that record on a tensor, by name, with what records them."""
    return {_full_name(theirs): ours for theirs, ours in _known().items()}


def _full_name(function: Any) -> str:
    name = getattr(function, "__name__", str(function))
    if isinstance(function, np.ufunc):  # which does not say where it is from
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
    """The keyword arguments that mean something: those `taken`, and others unless they would skip or write elements."""
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
    """``np.tanh(t)``, ``array * t``."""
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
            f"np.{ufunc.__name__} cannot write a tensor into an array, also not as in `array += tensor`;"
            " write `array = array + tensor`, or use the .data of the tensor"
        )
    for key in _given(ufunc, kwargs):
        raise _unrecorded(ufunc, key)
    return _found(ufunc)(*inputs)


def array_function(func: Any, args: Any, kwargs: Any) -> Any:
    """``np.sum(t, axis=0)``, ``np.concatenate([t, t])``."""
    function = _found(func)
    signature = inspect.signature(function)
    if names := _names(func):  # the operands have other names than ours, and the rest has another order
        count = sum(p.default is p.empty for p in signature.parameters.values())
        kwargs = {**dict(zip(names, args, strict=False)), **kwargs}
        args = [*(kwargs.pop(name) for name in names[:count] if name in kwargs), *args[len(names) :]]
    given = _given(func, kwargs, signature.parameters)
    try:
        signature.bind(*args, **given)
    except TypeError as error:
        raise UnsupportedError(f"np.{func.__name__} on a tensor takes the arguments of tinygraph's: {error}") from None
    return function(*args, **given)


@cache
def _names(function: Any) -> tuple[str, ...]:
    """The arguments that a function of NumPy takes by position; none where it does not say."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:
        return ()
    return tuple(p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD))


add_missing(Tensor)
OFFERED.ufunc, OFFERED.function = array_ufunc, array_function
