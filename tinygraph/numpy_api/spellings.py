"""The NumPy functions that differ in name or arguments from tinygraph's functions of the same meaning.

Each is written with NumPy's own signature, in terms of tinygraph's functions. `protocols` finds it when the NumPy
function is called on a tensor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from .. import ops
from ..errors import ArgumentError, ShapeError, UnsupportedError
from ..graph.tensor import ArrayLike, Tensor
from ..ops.arguments import as_tensor, normalize_axes
from ..ops.matrices.contraction import with_last

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
"""For each NumPy function, the function that records it."""


def spelled(*theirs: Any) -> Callable[[Function], Function]:
    """Declare that the decorated function records a NumPy function, or several."""

    def declare(function: Function) -> Function:
        assert SPELLED.keys().isdisjoint(theirs), f"spelled twice: {theirs}"
        SPELLED.update(dict.fromkeys(theirs, function))
        return function

    return declare


# -- elementwise ---------------------------------------------------------------------------------------------------

SPELLED |= {
    np.conjugate: ops.positive,
    np.degrees: ops.rad2deg,
    np.isneginf: lambda x: ops.equal(x, -np.inf),
    np.isposinf: lambda x: ops.equal(x, np.inf),
    np.radians: ops.deg2rad,
    np.rint: ops.rint,
}
if hasattr(np, "fix"):  # deprecated since NumPy 2.5
    SPELLED[np.fix] = ops.trunc

SCIPY: dict[str, Callable[..., Any]] = {
    "digamma": ops.digamma,
    "erf": ops.erf,
    "erfc": ops.erfc,
    "expit": ops.sigmoid,
    "gammaln": ops.gammaln,
    "log_expit": ops.log_sigmoid,
    "logit": ops.logit,
    "psi": ops.digamma,
    "xlogy": ops.xlogy,
}
"""For each function of scipy.special, the function that records it; by name, since SciPy may not be installed."""


@spelled(np.real)
def _real(val: Tensor) -> Tensor:
    return val


@spelled(np.angle)
def _angle(z: Tensor, deg: bool = False) -> Tensor:
    """Return the angle of real numbers, which is 0 or π and has the derivative 0."""
    angle = ops.atan2(0.0, z)
    return ops.rad2deg(angle) if deg else angle


@spelled(np.fabs)
def _fabs(x: Tensor) -> Tensor:
    return ops.abs(_floating(x, np.fabs))


@spelled(np.float_power)
def _float_power(x1: ArrayLike, x2: ArrayLike) -> Tensor:
    """Return the power in float64 at least."""
    return ops.pow(*(_floating(x, np.float_power) if isinstance(x, Tensor) else x for x in (x1, x2)))


def _floating(x: Tensor, function: np.ufunc) -> Tensor:
    """Return the tensor in the dtype of the function's result."""
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


@spelled(np.select)
def _select(condlist: Any, choicelist: Any, default: ArrayLike = 0) -> Tensor:
    """Return, element by element, the value of the first condition that holds, or the default."""
    if not 0 < len(condlist) == len(choicelist):
        raise ArgumentError(f"np.select takes as many choices as conditions, not {len(choicelist)} and {len(condlist)}")
    result = default
    for condition, value in zip(reversed(condlist), reversed(choicelist), strict=True):
        result = ops.where(condition, value, result)
    return result  # type: ignore[return-value]


# -- reductions and statistics -------------------------------------------------------------------------------------


def _with_ddof(ours: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Return a variance, or its root, that also takes the correction as `ddof`, NumPy's other name for it."""

    def function(
        a: Tensor, axis: Any = None, ddof: float = 0, keepdims: bool = False, correction: float | None = None
    ) -> Tensor:
        return ours(a, axis=axis, correction=ddof if correction is None else correction, keepdims=keepdims)

    return function


SPELLED |= {getattr(np, name): _with_ddof(getattr(ops, name)) for name in ("var", "std", "nanvar", "nanstd")}


def _cumulative(ours: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Return a function for running sums or products that without an axis runs over all elements in their order."""

    def function(a: Tensor, axis: int | None = None) -> Tensor:
        return ours(ops.reshape(a, -1), axis=0) if axis is None else ours(a, axis=axis)

    return function


SPELLED |= {np.cumsum: _cumulative(ops.cumulative_sum), np.cumprod: _cumulative(ops.cumulative_prod)}


@spelled(np.ediff1d)
def _ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Tensor:
    differences = ops.diff(ops.reshape(ary, -1))
    ends = [[] if end is None else [ops.reshape(end, -1)] for end in (to_begin, to_end)]
    return ops.concat([*ends[0], differences, *ends[1]]) if ends[0] or ends[1] else differences


# -- moving elements about -----------------------------------------------------------------------------------------

SPELLED |= {
    np.copy: lambda a: ops.astype(a, a.dtype),
    # questions about shapes and dtypes
    np.iscomplexobj: lambda x: False,
    np.isrealobj: lambda x: True,
    np.result_type: lambda *arrays: np.result_type(*map(_dtype, arrays)),
    np.common_type: lambda *arrays: np.result_type(np.float16, *map(_dtype, arrays)),
    np.min_scalar_type: lambda a: a.dtype,
    np.can_cast: lambda from_, to, casting="safe": np.can_cast(_dtype(from_), _dtype(to), casting),
    np.diag_indices_from: lambda arr: np.diag_indices_from(_same_shape(arr)),
    np.tril_indices_from: lambda arr, k=0: np.tril_indices_from(_same_shape(arr), k),
    np.triu_indices_from: lambda arr, k=0: np.triu_indices_from(_same_shape(arr), k),
}


def _dtype(x: Any) -> Any:
    return x.dtype if isinstance(x, Tensor) else x


def _same_shape(x: Tensor) -> Any:
    """Return an array of this shape that takes no memory."""
    return np.broadcast_to(False, x.shape)


@spelled(np.diagonal)
def _diagonal(a: Tensor, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    """Return a diagonal of the first two axes; np.linalg.diagonal and ours take the last two."""
    return ops.diagonal(_last(a, axis1, axis2), offset=offset)


def _last(a: Tensor, axis1: int, axis2: int) -> Tensor:
    """Return the tensor with two axes moved to the end."""
    axes = [*normalize_axes((axis1, axis2), a)]
    rest = [axis for axis in range(a.ndim) if axis not in axes]
    return a if [*rest, *axes] == list(range(a.ndim)) else ops.permute_dims(a, (*rest, *axes))


# -- indexing and sorting ------------------------------------------------------------------------------------------


@spelled(np.sort)
def _sort(a: Tensor, axis: int | None = -1, kind: str | None = None, stable: bool | None = None) -> Tensor:
    """Return the sorted elements; every `kind` puts the same values in the same places."""
    return ops.sort(a, axis=axis)


@spelled(np.argsort)
def _argsort(a: Tensor, axis: int | None = -1, kind: str | None = None, stable: bool | None = None) -> Tensor:
    """Return the stable order, which every `kind` allows."""
    return ops.argsort(a, axis=axis)


@spelled(np.digitize)
def _digitize(x: Any, bins: Any, right: bool = False) -> Tensor:
    """Return the place of each element among static bins, which ascend or descend."""
    if isinstance(bins, Tensor):
        raise UnsupportedError("np.digitize takes its bins as an array; np.searchsorted takes a tensor that ascends")
    steps, side = np.diff(bins), "left" if right else "right"
    if (steps >= 0).all():
        return ops.searchsorted(bins, x, side)
    if not (steps <= 0).all():
        raise ArgumentError("np.digitize takes bins that ascend or descend")
    return len(bins) - ops.searchsorted(np.flip(bins), x, side)


@spelled(np.where)
def _where(condition: Any, x: Any = None, y: Any = None) -> Any:
    """Return x or y by the condition, or with the condition alone the places where it is not zero."""
    if (x is None) != (y is None):
        raise ArgumentError("np.where takes a condition alone, or with both x and y to choose from")
    return ops.nonzero(condition) if x is None else ops.where(condition, x, y)


# -- linear algebra ------------------------------------------------------------------------------------------------


@spelled(np.trace)
def _trace(a: Tensor, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    """Return the trace over the first two axes; np.linalg.trace and ours take the last two."""
    return ops.trace(_last(a, axis1, axis2), offset=offset)


@spelled(np.outer)
def _outer(a: Tensor, b: Tensor) -> Tensor:
    """Return the outer product of arrays of any shape, flattened; np.linalg.outer and ours take vectors."""
    return ops.outer(ops.reshape(a, -1), ops.reshape(b, -1))


@spelled(np.cross)
def _cross(a: Tensor, b: Tensor, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Tensor:
    """Return the cross product. A vector of two elements has 0 as its third; for two such, return the third alone."""
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
    """Return the pseudo-inverse with NumPy's default threshold, which is smaller than the Array API's."""
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

SPELLED |= {
    getattr(np.fft, name): getattr(ops.fourier, name)
    for name in ("hfft", "irfft", "irfft2", "irfftn", "fftshift", "ifftshift")
}
SPELLED[np.gradient] = ops.filters.gradient
