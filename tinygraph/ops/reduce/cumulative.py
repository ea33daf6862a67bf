"""Running sums and products, and differences: operations along an axis that keep the axis.

The derivative of a running product is computed without a division, which would fail at zeros: it takes the products
before and after each element and a linear recurrence. The derivatives of these three operations are composed of the
same three. The first derivatives of products are kernels of their own, which are right even if an intermediate product
overflows or underflows.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from ... import kernels
from ...errors import ArgumentError
from ...graph.declaring import composite, op
from ...graph.samples import Sample
from ...graph.tensor import ArrayLike, Tensor
from ..arguments import as_tensor, normalize_axis
from ..arithmetic.comparisons import not_equal
from ..arithmetic.elementwise import astype
from ..arrays.joining import concat
from ..arrays.keys import along
from ..arrays.shapes import broadcast_to, in_row, reshape
from .reductions import without_nan
from .sorting import take_along_axis_

__all__ = [
    "cummax",
    "cummin",
    "cumulative_prod",
    "cumulative_sum",
    "diff",
    "logcumsumexp",
    "nancumprod",
    "nancumsum",
]

_samples = (
    Sample(((3,),), {"axis": 0}),
    Sample(((4,),), {"axis": -1}),
    Sample(((2, 3),), {"axis": 1}),
    Sample(((3, 2, 2),), {"axis": -3}),
    Sample(((1, 2),), {"axis": 0}),
    Sample(((2, 0),), {"axis": 1}),
    Sample(((0, 2),), {"axis": 1}),
)
_pairs = tuple(
    Sample((shape, shape), {**params, "reverse": reverse})
    for (shape,), params, _ in _samples
    for reverse in (False, True)
)


def _flipped(x: Any, axis: int) -> Any:
    return x[(slice(None),) * (axis % x.ndim) + (slice(None, None, -1), ...)]


@op(
    "reduction",
    lambda xp, g, y, x, axis: y * xp.recurrence(x, g, axis=axis, reverse=True),
    notation="prod before_{axis}({0})",
    run=kernels.prod_before,
    samples=_samples,
)
def prod_before_(xp: Any, x: ArrayLike, axis: int) -> Any:
    """y_i = Π x_j over j < i, with ∂y_i / ∂x_k = y_k Π x_j over k < j < i."""
    return xp.prod_before(x, axis=axis)


@op(
    "reduction",
    lambda xp, g, y, x, axis: y * xp.recurrence(x, g, axis=axis, reverse=False),
    notation="prod after_{axis}({0})",
    run=kernels.prod_after,
    samples=_samples,
)
def prod_after_(xp: Any, x: ArrayLike, axis: int) -> Any:
    """y_i = Π x_j over j > i, with ∂y_i / ∂x_k = y_k Π x_j over i < j < k."""
    return xp.prod_after(x, axis=axis)


@op(
    "reduction",
    lambda xp, g, y, x, b, axis, reverse: y * xp.recurrence(x, g, axis=axis, reverse=not reverse),
    lambda xp, g, y, x, b, axis, reverse: xp.recurrence(x, g, axis=axis, reverse=not reverse),
    notation="recurrence_{axis}({0}, {1})",
    run=kernels.recurrence,
    samples=_pairs,
    flops=2,
)
def recurrence_(xp: Any, x: ArrayLike, b: ArrayLike, axis: int, reverse: bool) -> Any:
    """y_k = x_k−1 y_k−1 + b_k−1 with y_0 = 0, that is y_i = Σ b_k Π x_j over k < j < i; in reverse from the end."""
    return xp.recurrence(x, b, axis=axis, reverse=reverse)


def _of_two_products(xp: Any, g: Any, x: Any, before: Any, after: Any, axis: int) -> Any:
    """Return the derivative of before ∗ after by the elements in the products before and in the products after."""
    by_before = before * xp.recurrence(x, g * after, axis=axis, reverse=True)
    return by_before + after * xp.recurrence(x, g * before, axis=axis, reverse=False)


@op(
    "reduction",
    lambda xp, g, y, x, axis: _of_two_products(
        xp, g, x, xp.prod_before(x, axis=axis), xp.prod_after(x, axis=axis), axis
    ),
    notation="prod others_{axis}({0})",
    run=kernels.prod_others,
    samples=_samples,
    flops=3,
)
def prod_others_(xp: Any, x: ArrayLike, axis: int) -> Any:
    """y_i = Π x_j over j ≠ i."""
    return xp.prod_others(x, axis=axis)


@op(
    "reduction",
    lambda xp, g, y, x, c, axis: _of_two_products(
        xp, g, x, xp.prod_before(x, axis=axis), c + xp.recurrence(x, x * c, axis=axis, reverse=True), axis
    ),
    lambda xp, g, y, x, c, axis: _summed_products(xp, g * xp.prod_before(x, axis=axis), x, axis),
    notation="cumprod′_{axis}({0}, {1})",
    run=kernels.cumprod_gradient,
    samples=tuple(Sample((shape, shape), params) for (shape,), params, _ in _samples),
    flops=5,
)
def cumprod_gradient_(xp: Any, x: ArrayLike, c: ArrayLike, axis: int) -> Any:
    """y_k = Σ c_i Π x_j over i ≥ k and j ≤ i, j ≠ k: the gradient of running products whose cotangents are c."""
    return xp.cumprod_gradient(x, c, axis=axis)


def _summed_products(xp: Any, t: Any, x: Any, axis: int) -> Any:
    """Return Σ t_k Π x_j over k ≤ i and k < j ≤ i."""
    return t + x * xp.recurrence(x, t, axis=axis, reverse=False)


@op(
    "reduction",
    lambda xp, g, y, x, axis: _flipped(xp.cumulative_sum(_flipped(g, axis), axis=axis), axis),
    notation="cumsum_{axis}({0})",
    run=np.cumsum,
    samples=_samples,
    source="np.cumsum({0}, axis={axis})",
)
def cumulative_sum_(xp: Any, x: ArrayLike, axis: int) -> Any:
    """y_i = Σ x_j over j ≤ i."""
    return xp.cumulative_sum(x, axis=axis)


@op(
    "reduction",
    lambda xp, g, y, x, axis: xp.cumprod_gradient(x, g, axis=axis),
    notation="cumprod_{axis}({0})",
    run=np.cumprod,
    samples=_samples,
    source="np.cumprod({0}, axis={axis})",
)
def cumulative_prod_(xp: Any, x: ArrayLike, axis: int) -> Any:
    """y_i = Π x_j over j ≤ i, with ∂y_i / ∂x_k = Π x_j over j ≤ i, j ≠ k."""
    return xp.cumulative_prod(x, axis=axis)


def _along(function: str, x: ArrayLike, axis: int | None, dtype: Any) -> tuple[Tensor, int]:
    """Return x, in the given dtype, and the axis to run along, which may be None if x has at most one."""
    x = as_tensor(x)
    if axis is None and x.ndim > 1:
        raise ArgumentError(
            f"{function} of an array of shape {x.shape} needs an axis; to flatten it, use reshape(x, -1)"
        )
    x = x if x.ndim else reshape(x, (1,))
    return x if dtype is None else astype(x, dtype), 0 if axis is None else axis


def _begun(y: Tensor, axis: int, initial: float) -> Tensor:
    shape = list(y.shape)
    shape[axis] = 1
    return concat([np.full(shape, initial, y.dtype), y], axis=axis)


_public = (*_samples, Sample(((3,),)), Sample(((2, 3),), {"axis": 1, "include_initial": True}))


@composite("reduction", samples=_public)
def cumulative_sum(x: ArrayLike, axis: int | None = None, dtype: Any = None, include_initial: bool = False) -> Tensor:
    """y_i = Σ x_j over j ≤ i, along `axis`, which may be left out if x has only one.

    With `include_initial`, a 0 comes first and the result is longer by one. The sums are computed in `dtype` if it is
    given. Raises `ArgumentError` if x has several axes and no `axis` is given.

    >>> import tinygraph as tg
    >>> tg.cumulative_sum([1.0, 2.0, 3.0], include_initial=True)
    Tensor([0., 1., 3., 6.], op=concat)
    """
    x, axis = _along("cumulative_sum", x, axis, dtype)
    y = cumulative_sum_(x, axis=axis)
    return _begun(y, axis, 0) if include_initial else y


@composite("reduction", samples=_public)
def cumulative_prod(x: ArrayLike, axis: int | None = None, dtype: Any = None, include_initial: bool = False) -> Tensor:
    """y_i = Π x_j over j ≤ i, along `axis`, which may be left out if x has only one.

    The derivatives are exact even if elements are 0. With `include_initial`, a 1 comes first and the result is longer
    by one. The products are computed in `dtype` if it is given. Raises `ArgumentError` if x has several axes and no
    `axis` is given.

    >>> import tinygraph as tg
    >>> x = tg.parameter([2.0, 0.0, 3.0])
    >>> tg.cumulative_prod(x).sum().backward()
    >>> x.grad
    array([1., 8., 0.])
    """
    x, axis = _along("cumulative_prod", x, axis, dtype)
    y = cumulative_prod_(x, axis=axis)
    return _begun(y, axis, 1) if include_initial else y


@composite("reduction", samples=_samples)
def nancumsum(x: ArrayLike, axis: int | None = None) -> Tensor:
    """Running sums in which a NaN counts as 0, with the derivative 0. Without `axis`, x is flattened first.

    >>> import tinygraph as tg
    >>> tg.nancumsum([1.0, np.nan, 3.0])
    Tensor([1., 1., 4.], op=cumulative_sum)
    """
    filled = without_nan(as_tensor(x))
    return cumulative_sum(reshape(filled, -1) if axis is None else filled, axis=axis)


@composite("reduction", samples=_samples)
def nancumprod(x: ArrayLike, axis: int | None = None) -> Tensor:
    """Running products in which a NaN counts as 1, with the derivative 0. Without `axis`, x is flattened first.

    >>> import tinygraph as tg
    >>> tg.nancumprod([2.0, np.nan, 3.0])
    Tensor([2., 2., 6.], op=cumulative_prod)
    """
    filled = without_nan(as_tensor(x), 1.0)
    return cumulative_prod(reshape(filled, -1) if axis is None else filled, axis=axis)


@composite(
    "reduction",
    samples=(
        Sample(((4,),)),
        Sample(((4,),), {"n": 2}),
        Sample(((3, 2),), {"axis": 0}),
        Sample(((2, 3, 2),), {"n": 2, "axis": -2}),
        Sample(((2, 3),), {"n": 3}),
        Sample(((1,),)),
        Sample(((0, 2),), {"axis": 1}),
    ),
)
def diff(
    x: ArrayLike, n: int = 1, axis: int = -1, prepend: ArrayLike | None = None, append: ArrayLike | None = None
) -> Tensor:
    """y_i = x_i+1 − x_i along `axis`, repeated `n` times; `prepend` and `append` are joined to x first.

    `prepend` and `append` are numbers, or have the shape of x except along `axis`. For booleans, y says where they
    change. Raises `ArgumentError` if `n` is negative or x has no axes.

    >>> import tinygraph as tg
    >>> tg.diff([1.0, 4.0, 9.0], prepend=0.0)
    Tensor([1., 3., 5.], op=subtract)
    """
    x = as_tensor(x)
    if n < 0:
        raise ArgumentError(f"n, how often diff takes differences, must be at least 0, not {n}")
    if x.ndim == 0:
        raise ArgumentError("diff needs at least one axis, and a number has none")
    axis = normalize_axis(axis, x)
    if n == 0:
        return x
    ends = [None if end is None else as_tensor(end) for end in (prepend, append)]
    if any(end is not None for end in ends):
        one = (*x.shape[:axis], 1, *x.shape[axis + 1 :])
        first, last = ([] if end is None else [end if end.ndim else broadcast_to(end, one)] for end in ends)
        x = concat([*first, x, *last], axis=axis)
    for _ in range(n):
        later, earlier = x[along(axis, slice(1, None))], x[along(axis, slice(-1))]
        x = not_equal(later, earlier) if x.dtype == np.bool_ else later - earlier
    return x


def _of_running_logsumexp(xp: Any, g: Any, y: Any, x: Any, axis: int) -> Any:
    """Return Σ g_k ∂y_k/∂x_i over k ≥ i; y_k = log(e^y_k−1 + e^x_k) has the derivatives of `logaddexp`."""
    first, earlier, later = (along(axis % x.ndim, part) for part in (slice(1), slice(-1), slice(1, None)))
    one = np.ones(x[first].shape, x.dtype)  # y_0 is x_0
    by_sum = xp.concat([one, xp.sigmoid(xp.difference(y[earlier], x[later]))], axis=axis)
    by_term = xp.concat([one, xp.sigmoid(xp.difference(x[later], y[earlier]))], axis=axis)
    return by_term * (g + xp.recurrence(by_sum, by_sum * g, axis=axis, reverse=True))


@op(
    "reduction",
    _of_running_logsumexp,
    notation="log cumsum_{axis}(exp({0}))",
    run=lambda x, axis: np.logaddexp.accumulate(x, normalize_axis_index(axis, np.ndim(x))),
    samples=_samples,
    source="np.logaddexp.accumulate({0}, {axis})",
)
def logcumsumexp(xp: Any, x: ArrayLike, axis: int) -> Any:
    """y_i = log Σ exp x_j over j ≤ i, along `axis`, without overflow.

    >>> tg.logcumsumexp([1000.0, 1000.0], axis=0).data.tolist()
    [1000.0, 1000.6931471805599]
    """
    return xp.logcumsumexp(x, axis=axis)


class Running(NamedTuple):
    """The largest or the smallest elements so far, and their indices."""

    values: Tensor
    indices: Tensor


@op("reduction", None, notation="argcummax_{axis}({0})", run=kernels.argcummax, samples=_samples)
def argcummax_(xp: Any, x: ArrayLike, axis: int) -> Any:
    """The index of the largest element so far, the last one of several; a NaN counts as the largest."""
    return xp.argcummax(x, axis=axis)


@op("reduction", None, notation="argcummin_{axis}({0})", run=kernels.argcummin, samples=_samples)
def argcummin_(xp: Any, x: ArrayLike, axis: int) -> Any:
    """The index of the smallest element so far, the last one of several; a NaN counts as the smallest."""
    return xp.argcummin(x, axis=axis)


@composite("reduction", samples=_samples)
def cummax(x: ArrayLike, axis: int) -> Running:
    """y_i = max x_j over j ≤ i, along `axis`, and its index. In a tie, the last element counts and gets the gradient.

    >>> import tinygraph as tg
    >>> tg.cummax([1.0, 3.0, 2.0], axis=0).values
    Tensor([1., 3., 3.], op=take_along_axis)
    """
    x, axis = in_row(x, axis)
    indices = argcummax_(x, axis=axis)
    return Running(take_along_axis_(x, indices, axis=axis), indices)


@composite("reduction", samples=_samples)
def cummin(x: ArrayLike, axis: int) -> Running:
    """y_i = min x_j over j ≤ i, along `axis`, and its index. In a tie, the last element counts and gets the gradient.

    >>> import tinygraph as tg
    >>> tg.cummin([3.0, 1.0, 2.0], axis=0).values
    Tensor([3., 1., 1.], op=take_along_axis)
    """
    x, axis = in_row(x, axis)
    indices = argcummin_(x, axis=axis)
    return Running(take_along_axis_(x, indices, axis=axis), indices)
