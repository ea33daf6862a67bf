"""Statistics: spread, order statistics, averages and correlations.

`var` and `std` are primitives, so that their derivatives have the textbook form, in which the derivative of the mean
has cancelled, and the derivative of std is 0 where nothing varies. All other functions are composed.
"""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from ...errors import ArgumentError, ShapeError, UnsupportedError
from ...graph.applying import constant
from ...graph.declaring import composite, op
from ...graph.records import NUMBERS, SUM
from ...graph.samples import Sample
from ...graph.tensor import ArrayLike, Tensor
from ..arguments import as_tensor, need_integers, need_one_of, normalize_axes
from ..arithmetic.broadcasting import Axis, kept, reduced_count
from ..arithmetic.comparisons import maximum, minimum, where
from ..arithmetic.elementwise import astype, floating, sqrt, square
from ..arithmetic.factors import without_factor
from ..arrays import shapes
from ..arrays.indexing import getitem
from ..arrays.joining import concat, stack
from ..arrays.shapes import broadcast_to, matrix_transpose, permute_dims, reshape
from ..matrices.contraction import matmul
from .reductions import divided, in_line, max, mean, min, nanmean, sum, without_nan
from .sorting import sort, take_along_axis

__all__ = [
    "average",
    "corrcoef",
    "cov",
    "median",
    "nanmedian",
    "nanpercentile",
    "nanquantile",
    "nanstd",
    "nanvar",
    "percentile",
    "ptp",
    "quantile",
    "std",
    "var",
]

_samples = (
    Sample(((3,),)),
    Sample(((2, 3),)),
    Sample(((2, 3),), {"axis": 0}),
    Sample(((2, 3, 4),), {"axis": -2, "keepdims": True}),
    Sample(((2, 3, 4),), {"axis": (0, -1)}),
    Sample(((2, 3),), {"keepdims": True}),
    Sample(((0, 3),), {"axis": 1}),
)


# -- spread --------------------------------------------------------------------------------------------------------

_corrected = (
    *_samples,
    Sample(((),)),
    Sample(((2, 1),), {"axis": 1}),
    Sample(((4,),), {"correction": 1}),
    Sample(((3, 2),), {"axis": 0, "correction": 1.5, "keepdims": True}),
)
_varying = tuple(Sample(*sample[:2]) for sample in _corrected if 1 not in sample.shapes[0] and sample.shapes[0])


@op(
    "reduction",
    lambda xp, g, y, x, axis: xp.centred(g, axis=axis),
    notation="{0} − mean_{axis}({0})",
    binding=SUM,
    samples=tuple(Sample(s.shapes, {"axis": s.params.get("axis")}) for s in _samples),
    source="{0} - np.mean({0}, axis={axis}, keepdims=True)",
    flops=2,
)
def centred_(xp: Any, x: ArrayLike, axis: Axis) -> Any:
    """x minus its mean along `axis`."""
    return x - xp.mean(x, axis=axis, keepdims=True)


def _var(x: Any, axis: Axis = None, correction: float = 0, keepdims: bool = False) -> Any:
    """Return the variance as np.var does; np.var itself warns of too few elements even inside errstate."""
    if axis is not None:
        normalize_axis_tuple(axis, x.ndim)  # np.sum would accept axis 0 of a number
    distance = x - NUMBERS.mean(x, axis=axis, keepdims=True)
    freedom = reduced_count(x.shape, axis) - correction
    return np.true_divide(NUMBERS.sum(distance * distance, axis=axis, keepdims=keepdims), freedom if freedom > 0 else 0)


def _slope(xp: Any, g: Any, x: Any, axis: Axis, correction: float, keepdims: bool) -> Any:
    """Return g (x − mean(x)) / (n − correction)."""
    if not keepdims and axis is not None:
        g = xp.reshape(g, kept(x.shape, axis))
    freedom = reduced_count(x.shape, axis) - correction
    return g * xp.centred(x, axis=axis) / (freedom if freedom > 0 else 0)


@op(
    "reduction",
    lambda xp, g, y, x, axis, correction, keepdims: 2.0 * _slope(xp, g, x, axis, correction, keepdims),
    notation="var_{axis}({0})",
    run=_var,
    samples=_corrected,
    source="np.var({0}, axis={axis}, ddof={correction}, keepdims={keepdims})",
    flops=4,
)
def var(xp: Any, x: ArrayLike, axis: Axis = None, correction: float = 0, keepdims: bool = False) -> Any:
    """y = Σ (x − mean(x))² / (n − correction) along `axis`, with ∂y/∂x = 2 (x − mean(x)) / (n − correction).

    `correction` is 0 for the variance of a whole population and 1 for an estimate from a sample; NumPy calls it ddof.

    >>> tg.var([1.0, 2.0, 3.0], correction=1)
    Tensor(1., op=var)
    """
    return xp.var(x, axis=axis, correction=correction, keepdims=keepdims)


def _std_slope(xp: Any, g: Any, y: Any, x: Any, axis: Axis, correction: float, keepdims: bool) -> Any:
    share = without_factor(g, y)
    if share is None:
        share = xp.where(y == 0, y, g / xp.where(y == 0, 1.0, y))  # 0 where nothing varies
    elif np.shape(share) != y.shape:
        share = xp.broadcast_to(share, y.shape)
    return _slope(xp, share, x, axis, correction, keepdims)


@op(
    "reduction",
    _std_slope,
    notation="std_{axis}({0})",
    run=lambda x, axis=None, correction=0, keepdims=False: np.sqrt(_var(x, axis, correction, keepdims)),
    samples=_varying,
    source="np.std({0}, axis={axis}, ddof={correction}, keepdims={keepdims})",
    flops=4,
)
def std(xp: Any, x: ArrayLike, axis: Axis = None, correction: float = 0, keepdims: bool = False) -> Any:
    """y = √var(x) along `axis`, with ∂y/∂x = (x − mean(x)) / (y (n − correction)), which is 0 where nothing varies.

    >>> tg.std([1.0, 2.0, 3.0], correction=1)
    Tensor(1., op=std)
    """
    return xp.std(x, axis=axis, correction=correction, keepdims=keepdims)


@composite("reduction", samples=_corrected)
def nanvar(x: ArrayLike, axis: Axis = None, correction: float = 0, keepdims: bool = False) -> Tensor:
    """The variance along `axis` of the elements that are not NaN, or NaN if there are at most `correction` of them.

    >>> import tinygraph as tg
    >>> tg.nanvar([1.0, np.nan, 3.0]).item()
    1.0
    """
    x = as_tensor(x)
    distance = where(x != x, 0.0, without_nan(x) - nanmean(x, axis=axis, keepdims=True))
    count = sum(x == x, axis=axis, keepdims=keepdims)
    freedom = where(count > correction, count - correction, np.nan) if correction else count
    return divided(sum(square(distance), axis=axis, keepdims=keepdims), freedom)


@composite("reduction", samples=_varying)
def nanstd(x: ArrayLike, axis: Axis = None, correction: float = 0, keepdims: bool = False) -> Tensor:
    """The standard deviation along `axis` of the elements that are not NaN. Its derivative is 0 where nothing varies.

    >>> import tinygraph as tg
    >>> tg.nanstd([1.0, np.nan, 3.0]).item()
    1.0
    """
    variance = nanvar(x, axis=axis, correction=correction, keepdims=keepdims)
    varies = variance != 0  # or is NaN
    return where(varies, sqrt(where(varies, variance, 1.0)), 0.0)


@composite("reduction", samples=_samples)
def ptp(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The largest minus the smallest element along `axis` (peak to peak). Elements that tie share the gradient.

    >>> import tinygraph as tg
    >>> tg.ptp([1.0, 5.0, 3.0]).item()
    4.0
    """
    return max(x, axis=axis, keepdims=keepdims) - min(x, axis=axis, keepdims=keepdims)


# -- order statistics ----------------------------------------------------------------------------------------------

_CONTINUOUS = {
    "linear": (1.0, 1.0),
    "hazen": (0.5, 0.5),
    "weibull": (0.0, 0.0),
    "interpolated_inverted_cdf": (0.0, 1.0),
    "median_unbiased": (1 / 3, 1 / 3),
    "normal_unbiased": (3 / 8, 3 / 8),
}
"""α and β of Hyndman and Fan: quantile q of n elements is at position q n + α + q (1 − α − β), counted from 1."""
_OF_THE_DATA = ("inverted_cdf", "closest_observation", "lower", "higher", "nearest")
_METHODS = (*_CONTINUOUS, *_OF_THE_DATA, "averaged_inverted_cdf", "midpoint")


def _checked(function: str, q: Any, method: str, methods: tuple[str, ...], whole: int = 1) -> Any:
    """Return q / `whole` as an array, after checking it and the method; both are static."""
    if isinstance(q, Tensor):
        raise UnsupportedError(f"{function} has no gradient by q, so q must be numbers, not a tensor; use its .data")
    q = np.asarray(q, np.float64)
    if not ((q >= 0) & (q <= whole)).all():
        raise ArgumentError(f"{function} takes q in [0, {whole}], not {q.tolist()}")
    need_one_of(methods, method=method)
    return q / whole


def _ordered(x: Tensor, axis: Axis) -> Tensor:
    """Return the elements along `axis`, sorted along one last axis, NaN last; raise an error if there are none."""
    if axis is not None:
        axis = normalize_axes(axis, x)
    ordered = sort(in_line(shapes, x, axis))
    if ordered.shape[-1] == 0:
        raise ArgumentError(f"an array of shape {x.shape} has no elements along axis={axis}, and so no quantile")
    return ordered


def _quantile(x: Tensor, q: Any, axis: Axis, method: str, keepdims: bool) -> Tensor:
    if x.dtype.kind != "f" and method not in _OF_THE_DATA:
        x = astype(x, np.float64)
    ordered = _ordered(x, axis)
    n = ordered.shape[-1]
    positions: Any = np.arange(float(n))  # a quantile of 0, 1, 2, … is its own position
    place = np.quantile(positions, q, method=method)  # type: ignore[call-overload]
    below = np.floor(place).astype(np.intp)
    share: Any = np.asarray(place - below, x.dtype) if q.ndim else float(place - below)
    y = getitem(ordered, (..., below if q.ndim else int(below)))
    if np.any(share):
        above = below + (place > below)
        upper = getitem(ordered, (..., above if q.ndim else int(above)))
        if np.all(share == 0.5):
            y = (y + upper) / 2
        else:  # from the nearer element, as in NumPy: if the farther one is infinite, y is infinite, not NaN
            past = share >= 0.5
            nearer = where(past, upper, y) if q.ndim else upper if past else y
            y = nearer + (share - past) * (upper - y)
    if x.dtype.kind == "f":  # a NaN sorts last and makes every quantile NaN
        largest = getitem(ordered, (..., slice(-1, None)) if q.ndim == 1 else (..., -1, *(None,) * q.ndim))
        y = where(largest != largest, largest, y)
    if q.ndim:
        rest = ordered.ndim - 1
        y = permute_dims(y, (*range(rest, rest + q.ndim), *range(rest)))
    return reshape(y, (*q.shape, *kept(x.shape, axis))) if keepdims else y


_quantiles = (
    *(Sample(((5,),), {"q": 0.3, "method": method}) for method in _METHODS),
    Sample(((4,),), {"q": 0.5}),
    Sample(((3,),), {"q": (0.0, 0.2, 1.0)}),
    Sample(((2, 3, 4),), {"q": 0.7, "axis": (0, -1)}),
    Sample(((2, 3, 4),), {"q": (0.25, 0.5), "axis": (0, -1), "keepdims": True}),
    Sample(((2, 3),), {"q": ((0.1, 0.2), (0.3, 1.0)), "axis": 1}),
    Sample(((2, 1),), {"q": 0.4, "axis": 1, "keepdims": True}),
)


@composite("reduction", samples=_quantiles)
def quantile(x: ArrayLike, q: Any, axis: Axis = None, method: str = "linear", keepdims: bool = False) -> Tensor:
    """The value below which the fraction `q` of the elements along `axis` lies, or NaN if any element is NaN.

    If `q` is an array, its axes come first in the result. `method` says how to interpolate between two elements, as in
    NumPy: "linear" or another method of Hyndman and Fan (1996), "lower", "higher", "midpoint" or "nearest". The
    gradient goes to the one or two elements that the result is computed from. `q` is static. Raises `ArgumentError` for
    `q` outside [0, 1], for any other method, and if there are no elements.

    >>> import tinygraph as tg
    >>> x = tg.parameter([3.0, 1.0, 2.0])
    >>> y = tg.quantile(x, 0.25)
    >>> y.item(), tg.gradients(y, x).data.tolist()
    (1.5, [0.0, 0.5, 0.5])
    """
    return _quantile(as_tensor(x), _checked("quantile", q, method, _METHODS), axis, method, keepdims)


@composite("reduction", samples=tuple(s._replace(params={**s.params, "q": 60}) for s in _quantiles[:3]))
def percentile(x: ArrayLike, q: Any, axis: Axis = None, method: str = "linear", keepdims: bool = False) -> Tensor:
    """The value below which `q` percent of the elements along `axis` lie: the `quantile` of q / 100.

    >>> import tinygraph as tg
    >>> tg.percentile([3.0, 1.0, 2.0], 75).item()
    2.5
    """
    return _quantile(as_tensor(x), _checked("percentile", q, method, _METHODS, 100), axis, method, keepdims)


@composite("reduction", samples=_samples)
def median(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The middle one of the sorted elements along `axis`, or the mean of the middle two; NaN if any element is NaN.

    >>> import tinygraph as tg
    >>> tg.median([3.0, 1.0, 2.0, 10.0]).item()
    2.5
    """
    x = as_tensor(x)
    if reduced_count(x.shape, axis) == 0:
        return mean(x, axis=axis, keepdims=keepdims)  # which is NaN
    return _quantile(x, np.asarray(0.5), axis, "linear", keepdims)


_NAN_METHODS = (*_CONTINUOUS, "lower", "higher", "midpoint")


def _nanquantile(x: Tensor, q: Any, axis: Axis, method: str, keepdims: bool) -> Tensor:
    """Compute quantiles from counts that the graph computes, as counts differ between places and between runs."""
    if q.ndim:
        if q.size == 0:
            raise ArgumentError("nanquantile needs at least one fraction")
        each = [_nanquantile(x, one, axis, method, keepdims) for one in q.reshape(-1)]
        return reshape(stack(each), (*q.shape, *each[0].shape))
    x = floating(x)
    ordered = _ordered(x, axis)
    count = sum(ordered == ordered, axis=-1, keepdims=True)
    alpha, beta = _CONTINUOUS.get(method, (1.0, 1.0))
    place = (count - (alpha + beta - 1)) * float(q)
    place = maximum(minimum(place + (alpha - 1) if alpha != 1 else place, count - 1), 0.0)
    below = astype(place, np.intp)
    lower, share = take_along_axis(ordered, below), astype(place - below, x.dtype)
    upper = take_along_axis(ordered, below + (place > below))
    if method in ("lower", "higher", "midpoint"):
        share = where(share > 0, {"lower": 0.0, "higher": 1.0, "midpoint": 0.5}[method], 0.0)
    y = where(count > 0, lower + astype(share, x.dtype) * (upper - lower), np.nan)
    return reshape(y, kept(x.shape, axis) if keepdims else ordered.shape[:-1])


_nan_quantiles = (
    *(Sample(((5,),), {"q": 0.3, "method": method}) for method in _NAN_METHODS),
    *(sample for sample in _quantiles if "method" not in sample.params),
)


@composite("reduction", samples=_nan_quantiles)
def nanquantile(x: ArrayLike, q: Any, axis: Axis = None, method: str = "linear", keepdims: bool = False) -> Tensor:
    """The `quantile` of the elements along `axis` that are not NaN, or NaN if all are. The derivative by a NaN is 0.

    `method` is a continuous method of Hyndman and Fan (1996), such as "linear", or "lower", "higher" or "midpoint".

    >>> import tinygraph as tg
    >>> tg.nanquantile([3.0, np.nan, 1.0], 0.25).item()
    1.5
    """
    return _nanquantile(as_tensor(x), _checked("nanquantile", q, method, _NAN_METHODS), axis, method, keepdims)


@composite("reduction", samples=tuple(s._replace(params={**s.params, "q": 60}) for s in _nan_quantiles[:3]))
def nanpercentile(x: ArrayLike, q: Any, axis: Axis = None, method: str = "linear", keepdims: bool = False) -> Tensor:
    """The `percentile` of the elements along `axis` that are not NaN, or NaN if all are. The derivative by a NaN is 0.

    >>> import tinygraph as tg
    >>> tg.nanpercentile([3.0, np.nan, 1.0], 75).item()
    2.5
    """
    q = _checked("nanpercentile", q, method, _NAN_METHODS, 100)
    return _nanquantile(as_tensor(x), q, axis, method, keepdims)


@composite("reduction", samples=_samples)
def nanmedian(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The `median` of the elements along `axis` that are not NaN, or NaN if all are. The derivative by a NaN is 0.

    >>> import tinygraph as tg
    >>> tg.nanmedian([3.0, np.nan, 1.0]).item()
    2.0
    """
    x = as_tensor(x)
    if reduced_count(x.shape, axis) == 0:
        return mean(x, axis=axis, keepdims=keepdims)  # which is NaN
    return _nanquantile(x, np.asarray(0.5), axis, "linear", keepdims)


# -- averages and correlations -------------------------------------------------------------------------------------


@composite(
    "reduction",
    samples=(
        Sample(((3,),)),
        Sample(((2, 3),), {"axis": 0, "returned": True}),
        Sample(((2, 2),), {"axis": (0, 1), "weights": ((1.0, 2.0), (0.5, 3.0))}),
        Sample(((2, 3),), {"axis": 1, "weights": (1.0, 2.0, 0.5), "keepdims": True}),
        Sample(((3, 2),), {"axis": 0, "weights": (1.0, 2.0, 0.5), "returned": True}),
    ),
)
def average(
    x: ArrayLike, axis: Axis = None, weights: ArrayLike | None = None, returned: bool = False, keepdims: bool = False
) -> Any:
    """Σ w x / Σ w along `axis` with the `weights` w, or the mean without them.

    The weights have the shape of x, or only its lengths along `axis`, and may require a gradient. With `returned`, the
    result is a pair: the average, and Σ w in its shape. Raises `ShapeError` for weights that do not fit, and
    `ArgumentError` if they add up to 0.

    >>> import tinygraph as tg
    >>> tg.average([1.0, 4.0], weights=[2.0, 1.0]).item()
    2.0
    """
    x = as_tensor(x)
    if weights is None:
        y = mean(x, axis=axis, keepdims=keepdims)
        return (y, constant(np.full(y.shape, reduced_count(x.shape, axis), y.dtype))) if returned else y
    if isinstance(weights, (list, tuple)) and x.dtype.kind == "f":  # Python's numbers do not widen
        weights = np.asarray(weights, x.dtype)
    weights = _fitted(as_tensor(weights), x, axis)
    total = sum(weights, axis=axis, keepdims=keepdims)
    if not total._value.all():
        raise ArgumentError("the weights add up to 0, but an average divides by their sum")
    y = sum(x * weights, axis=axis, keepdims=keepdims) / total
    return (y, total) if returned else y


def _fitted(weights: Tensor, x: Tensor, axis: Axis) -> Tensor:
    """Return the weights in the shape of x."""
    if weights.shape == x.shape:
        return weights
    axes = () if axis is None else normalize_axes(axis, x)
    if not axes or weights.shape != tuple(x.shape[i] for i in axes):
        raise ShapeError(f"weights must have the shape of the array, {x.shape}, or of the axis, not {weights.shape}")
    order = sorted(range(len(axes)), key=axes.__getitem__)
    turned = weights if order == list(range(len(axes))) else permute_dims(weights, tuple(order))
    return broadcast_to(reshape(turned, tuple(n if i in axes else 1 for i, n in enumerate(x.shape))), x.shape)


_observed = (
    Sample(((2, 4),)),
    Sample(((4,),)),
    Sample(((1, 3),)),
    Sample(((4, 2),), {"rowvar": False}),
    Sample(((4,), (4,))),
    Sample(((2, 4), (1, 4))),
)


@composite(
    "contraction",
    samples=(
        *_observed,
        Sample(((2, 4),), {"bias": True}),
        Sample(((2, 4),), {"ddof": 0, "fweights": (1, 2, 0, 1)}),
        Sample(((2, 3),), {"aweights": (0.5, 1.0, 2.0)}),
        Sample(((2, 3),), {"fweights": (1, 2, 1), "aweights": (0.5, 1.0, 2.0)}),
    ),
)
def cov(
    x: ArrayLike,
    y: ArrayLike | None = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: ArrayLike | None = None,
    aweights: ArrayLike | None = None,
) -> Tensor:
    """The covariances of variables: C = (X − mean) (X − mean)ᵀ / (n − ddof), with variables as rows of `x` and of `y`.

    The arguments are those of ``np.cov``: variables are columns if `rowvar` is false; `ddof` is 1 by default, or 0 with
    `bias`; `fweights` count how often each observation was made, and `aweights` are its relative weights. For one
    variable, C is a number. Raises `ShapeError` for more than two axes and for weights that do not fit, and
    `ArgumentError` for negative weights.

    >>> import tinygraph as tg
    >>> tg.cov([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])
    Tensor([[ 1., -1.],
            [-1.,  1.]], op=divide)
    """
    X = _variables("cov", x, rowvar)
    if y is not None:
        X = concat([X, _variables("cov", y, rowvar)], axis=0)
    if ddof is None:
        ddof = 0 if bias else 1
    n = X.shape[1]
    given = [None if w is None else _checked_weights(w, n) for w in (fweights, aweights)]
    if given[0] is not None:
        need_integers("fweights", given[0])
    present = [astype(w, X.dtype) for w in given if w is not None]
    if not present:
        distance = X - mean(X, axis=1, keepdims=True)
        covariance = matmul(distance, matrix_transpose(distance)) / builtins.max(n - ddof, 0)
    else:
        weights = present[0] if len(present) == 1 else present[0] * present[1]
        total = sum(weights)
        distance = X - sum(X * weights, axis=1, keepdims=True) / total
        lost: Any = ddof if given[1] is None or ddof == 0 else ddof * sum(weights * present[-1]) / total
        covariance = matmul(distance, matrix_transpose(distance * weights)) / maximum(total - lost, 0.0)
    return covariance if len(X) > 1 else reshape(covariance, ())


def _variables(function: str, x: ArrayLike, rowvar: bool) -> Tensor:
    """Return x as a matrix whose rows are the variables."""
    x = as_tensor(x)
    if x.ndim > 2:
        raise ShapeError(f"{function} takes variables as the rows of a matrix, not an array of shape {x.shape}")
    x = floating(x)
    if x.ndim < 2:
        return reshape(x, (1, -1))
    return x if rowvar else matrix_transpose(x)


def _checked_weights(weights: ArrayLike, n: int) -> Tensor:
    weights = as_tensor(weights)
    if weights.shape != (n,):
        raise ShapeError(f"there are {n} observations, so the weights must have the shape ({n},), not {weights.shape}")
    if (weights._value < 0).any():
        raise ArgumentError("weights must not be negative")
    return weights


@composite("contraction", samples=_observed)
def corrcoef(x: ArrayLike, y: ArrayLike | None = None, rowvar: bool = True) -> Tensor:
    """The correlation coefficients of variables: C_ij / √(C_ii C_jj) with the covariances C; see `cov`.

    >>> import tinygraph as tg
    >>> tg.corrcoef([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])
    Tensor([[ 1., -1.],
            [-1.,  1.]], op=divide)
    """
    covariance = cov(x, y, rowvar)
    if covariance.ndim == 0:
        return covariance / covariance
    places = np.arange(len(covariance))
    deviation = sqrt(getitem(covariance, (places, places)))
    return covariance / reshape(deviation, (-1, 1)) / deviation
