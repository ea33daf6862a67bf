"""What NumPy spells otherwise: its functions that differ from ours of the same meaning in name or arguments.

Each is written with NumPy's own signature, over our functions, and found by `protocols` when it is called on a tensor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from . import ops
from .errors import ArgumentError, UnsupportedError
from .graph import ArrayLike, Tensor

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

SPELLED |= {
    np.conjugate: ops.positive,
    np.degrees: ops.rad2deg,
    np.fix: ops.trunc,
    np.isneginf: lambda x: ops.equal(x, -np.inf),
    np.isposinf: lambda x: ops.equal(x, np.inf),
    np.radians: ops.deg2rad,
    np.rint: ops.rint,  # type: ignore[attr-defined]  # which has no public function
}


@spelled(np.real)
def _real(val: Tensor) -> Tensor:
    return val


@spelled(np.angle)
def _angle(z: Tensor, deg: bool = False) -> Tensor:
    """Of real numbers: 0 or π, with the derivative 0."""
    angle = ops.atan2(0.0, z)
    return ops.rad2deg(angle) if deg else angle


@spelled(np.fabs)
def _fabs(x: Tensor) -> Tensor:
    return ops.abs(_floating(x, np.fabs))


@spelled(np.float_power)
def _float_power(x1: ArrayLike, x2: ArrayLike) -> Tensor:
    """In float64 at least."""
    return ops.pow(*(_floating(x, np.float_power) if isinstance(x, Tensor) else x for x in (x1, x2)))


def _floating(x: Tensor, function: np.ufunc) -> Tensor:
    """The tensor in the dtype of the function's result."""
    dtype = function(*[np.empty(0, x.dtype)] * function.nin).dtype
    return x if x.dtype == dtype else ops.astype(x, dtype)


@spelled(np.round, np.around)
def _round(a: Tensor, decimals: int = 0) -> Tensor:
    return ops.round(a, decimals)


@spelled(np.clip)
def _clip(
    a: ArrayLike,
    a_min: ArrayLike | None = None,
    a_max: ArrayLike | None = None,
    *,
    min: ArrayLike | None = None,
    max: ArrayLike | None = None,
) -> Tensor:
    return ops.clip(a, a_min if min is None else min, a_max if max is None else max)


@spelled(np.where)
def _where(condition: ArrayLike, x: ArrayLike | None = None, y: ArrayLike | None = None) -> Tensor:
    if x is None or y is None:
        raise UnsupportedError(
            "np.where with a tensor takes a condition and two values; for the places where a condition holds write"
            " np.nonzero(condition.data)"
        )
    return ops.where(condition, x, y)


@spelled(np.select)
def _select(condlist: Any, choicelist: Any, default: ArrayLike = 0) -> Tensor:
    """The value of the first condition that holds."""
    if not 0 < len(condlist) == len(choicelist):
        raise ArgumentError(f"np.select takes as many choices as conditions, not {len(choicelist)} and {len(condlist)}")
    result = default
    for condition, value in zip(reversed(condlist), reversed(choicelist), strict=True):
        result = ops.where(condition, value, result)
    return result  # type: ignore[return-value]


# -- reductions and statistics -------------------------------------------------------------------------------------


# -- moving elements about -----------------------------------------------------------------------------------------


# -- indexing and sorting ------------------------------------------------------------------------------------------


# -- linear algebra ------------------------------------------------------------------------------------------------


@spelled(np.trace)
def _trace(a: Tensor, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    """Over the first two axes, where np.linalg.trace and ours are over the last two."""
    axes = [axis1 % a.ndim, axis2 % a.ndim]
    rest = [axis for axis in range(a.ndim) if axis not in axes]
    turned = a if [*rest, *axes] == list(range(a.ndim)) else ops.permute_dims(a, (*rest, *axes))
    return ops.trace(turned, offset=offset)


# -- signals and Fourier transforms --------------------------------------------------------------------------------
