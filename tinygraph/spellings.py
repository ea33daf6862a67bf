"""What NumPy spells otherwise: its functions that differ from ours of the same meaning in name or arguments.

Each is written with NumPy's own signature, over our functions, and found by `protocols` when it is called on a tensor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from . import ops
from .errors import ArgumentError, UnsupportedError
from .graph import Tensor

Function = TypeVar("Function", bound=Callable[..., Any])

SPELLED: dict[Any, Callable[..., Any]] = {
    np.true_divide: ops.divide,
    np.amax: ops.max,
    np.amin: ops.min,
    # questions whose answers are not tensors
    np.shape: lambda a: a.shape,
    np.ndim: lambda a: a.ndim,
    np.size: lambda a, axis=None: np.size(np.broadcast_to(False, a.shape), axis),
}
"""For a function of NumPy what records it."""


def spelled(*theirs: Any) -> Callable[[Function], Function]:
    """Declare what records a function of NumPy, or several."""

    def declare(function: Function) -> Function:
        SPELLED.update(dict.fromkeys(theirs, function))
        return function

    return declare


# -- elementwise ---------------------------------------------------------------------------------------------------


# -- reductions and statistics -------------------------------------------------------------------------------------


@spelled(np.var)
def _var(
    a: Tensor, axis: Any = None, ddof: float = 0, keepdims: bool = False, correction: float | None = None
) -> Tensor:
    return ops.var(a, axis=axis, correction=ddof if correction is None else correction, keepdims=keepdims)


@spelled(np.std)
def _std(
    a: Tensor, axis: Any = None, ddof: float = 0, keepdims: bool = False, correction: float | None = None
) -> Tensor:
    return ops.std(a, axis=axis, correction=ddof if correction is None else correction, keepdims=keepdims)


@spelled(np.nanvar)
def _nanvar(
    a: Tensor, axis: Any = None, ddof: float = 0, keepdims: bool = False, correction: float | None = None
) -> Tensor:
    return ops.nanvar(a, axis=axis, correction=ddof if correction is None else correction, keepdims=keepdims)


@spelled(np.nanstd)
def _nanstd(
    a: Tensor, axis: Any = None, ddof: float = 0, keepdims: bool = False, correction: float | None = None
) -> Tensor:
    return ops.nanstd(a, axis=axis, correction=ddof if correction is None else correction, keepdims=keepdims)


@spelled(np.cumsum)
def _cumsum(a: Tensor, axis: int | None = None) -> Tensor:
    return ops.cumulative_sum(ops.reshape(a, -1), axis=0) if axis is None else ops.cumulative_sum(a, axis=axis)


@spelled(np.cumprod)
def _cumprod(a: Tensor, axis: int | None = None) -> Tensor:
    return ops.cumulative_prod(ops.reshape(a, -1), axis=0) if axis is None else ops.cumulative_prod(a, axis=axis)


@spelled(np.ediff1d)
def _ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Tensor:
    differences = ops.diff(ops.reshape(ary, -1))
    ends = [[] if end is None else [ops.reshape(end, -1)] for end in (to_begin, to_end)]
    return ops.concat([*ends[0], differences, *ends[1]]) if ends[0] or ends[1] else differences


# -- moving elements about -----------------------------------------------------------------------------------------


# -- indexing and sorting ------------------------------------------------------------------------------------------


@spelled(np.sort)
def _sort(a: Tensor, axis: int | None = -1, kind: str | None = None, stable: bool | None = None) -> Tensor:
    """Of any kind: each puts the same values in the same places."""
    return ops.sort(a, axis=axis)


@spelled(np.argsort)
def _argsort(a: Tensor, axis: int | None = -1, kind: str | None = None, stable: bool | None = None) -> Tensor:
    """The stable order, which is one of each kind."""
    return ops.argsort(a, axis=axis)


@spelled(np.digitize)
def _digitize(x: Any, bins: Any, right: bool = False) -> Tensor:
    """Among bins that ascend or descend, which are static."""
    if isinstance(bins, Tensor):
        raise UnsupportedError("np.digitize takes its bins as an array; searchsorted takes a tensor that ascends")
    steps, side = np.diff(bins), "left" if right else "right"
    if (steps >= 0).all():
        return ops.searchsorted(bins, x, side)
    if not (steps <= 0).all():
        raise ArgumentError("np.digitize takes bins that ascend or descend")
    return len(bins) - ops.searchsorted(np.flip(bins), x, side)


# -- linear algebra ------------------------------------------------------------------------------------------------


@spelled(np.trace)
def _trace(a: Tensor, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    """Over the first two axes, where np.linalg.trace and ours are over the last two."""
    axes = [axis1 % a.ndim, axis2 % a.ndim]
    rest = [axis for axis in range(a.ndim) if axis not in axes]
    turned = a if [*rest, *axes] == list(range(a.ndim)) else ops.permute_dims(a, (*rest, *axes))
    return ops.trace(turned, offset=offset)


# -- signals and Fourier transforms --------------------------------------------------------------------------------
