"""What NumPy spells otherwise: its functions that differ from ours of the same meaning in name or arguments.

Each is written with NumPy's own signature, over our functions, and found by `protocols` when it is called on a tensor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from . import ops
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

SPELLED |= {
    getattr(np.fft, name): getattr(ops.fft, name)
    for name in ("hfft", "irfft", "irfft2", "irfftn", "fftshift", "ifftshift")
}
SPELLED[np.gradient] = ops.signal.gradient
