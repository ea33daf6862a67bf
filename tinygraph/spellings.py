"""What NumPy spells otherwise: its functions that differ from ours of the same meaning in name or arguments.

Each is written with NumPy's own signature, over our functions, and found by `protocols` when it is called on a tensor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from . import ops
from .errors import ShapeError, UnsupportedError
from .graph import Tensor
from .ops.contraction import as_tensor, with_last

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


@spelled(np.outer)
def _outer(a: Tensor, b: Tensor) -> Tensor:
    """Of arrays of any shape, flattened, where np.linalg.outer and ours take vectors."""
    return ops.outer(ops.reshape(a, -1), ops.reshape(b, -1))


@spelled(np.cross)
def _cross(a: Tensor, b: Tensor, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Tensor:
    """Also of vectors of two elements, whose third is 0; of two such the result is the third element alone."""
    if axis is not None:
        axisa = axisb = axisc = axis
    x, y = with_last(as_tensor(a), axisa), with_last(as_tensor(b), axisb)
    for z in (x, y):
        if z.shape[-1] not in (2, 3):
            raise ShapeError(f"np.cross takes vectors of two or three elements, not {z.shape[-1]}")
    product = ops.cross(_with_third(x), _with_third(y))
    return product[..., 2] if x.shape[-1] == y.shape[-1] == 2 else with_last(product, axisc, back=True)


def _with_third(x: Tensor) -> Tensor:
    zeros = np.zeros((*x.shape[:-1], 3 - x.shape[-1]), x.dtype)
    return ops.concat([x, zeros], axis=-1) if x.shape[-1] == 2 else x


@spelled(np.linalg.pinv)
def _pinv(a: Tensor, rcond: float | None = None, hermitian: bool = False, *, rtol: Any = 1e-15) -> Tensor:
    """With NumPy's threshold, which is smaller than the Array API's where none is given."""
    if hermitian:
        raise UnsupportedError("np.linalg.pinv with hermitian=True cannot be recorded; leave it out")
    return ops.pinv(a, rtol=rtol if rcond is None else rcond)


@spelled(np.linalg.eig, np.linalg.eigvals)
def _eig(a: Tensor) -> Tensor:
    raise UnsupportedError(
        "a matrix that is not symmetric may have complex eigenvalues, which a tensor cannot hold; take eigh or eigvalsh"
        " of a symmetric one, or svd"
    )


# -- signals and Fourier transforms --------------------------------------------------------------------------------
