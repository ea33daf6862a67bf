"""Reductions over axes: ``axis`` is an integer, a tuple of integers, or None for all axes.

Most are primitives, since NumPy has each in one call. Those that skip NaN are composed of `where` and the primitives,
so that a NaN gets the gradient 0. `nanmax` and `nanmin` are primitives, as a number in place of a NaN might tie.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ... import kernels
from ...errors import ArgumentError
from ...graph.declaring import composite, op
from ...graph.records import BIG_SUM, Rule
from ...graph.samples import Domain, Sample
from ...graph.tensor import ArrayLike, Tensor
from ..arguments import as_tensor
from ..arithmetic.broadcasting import Axis, Shape, kept, reduced_count
from ..arithmetic.comparisons import where
from ..arithmetic.elementwise import astype

__all__ = [
    "all",
    "any",
    "argmax",
    "argmin",
    "count_nonzero",
    "log_softmax",
    "logsumexp",
    "max",
    "mean",
    "min",
    "nanargmax",
    "nanargmin",
    "nanmax",
    "nanmean",
    "nanmin",
    "nanprod",
    "nansum",
    "prod",
    "softmax",
    "sum",
]

# These are called with positional arguments, which is faster than NumPy's own np.sum, np.max and np.min.
_add: Any = np.add.reduce
_maximum: Any = np.maximum.reduce
_minimum: Any = np.minimum.reduce
_multiply: Any = np.multiply.reduce
_fmax: Any = np.fmax.reduce
_fmin: Any = np.fmin.reduce

_samples = (
    Sample(((),)),
    Sample(((3,),)),
    Sample(((2, 3),)),
    Sample(((2, 3),), {"axis": 0}),
    Sample(((2, 3, 4),), {"axis": -2, "keepdims": True}),
    Sample(((2, 3, 4),), {"axis": (0, -1)}),
    Sample(((2, 3),), {"keepdims": True}),
    Sample(((2, 1),), {"axis": 1}),
    Sample(((2, 3),), {"axis": ()}),
)
_with_empty = (*_samples, Sample(((0, 3),), {"axis": 0}), Sample(((0,),)))


def spread(xp: Any, g: Any, shape: Shape, axis: Axis, keepdims: bool) -> Any:
    """Repeat `g`, shaped like the result of a reduction, along the reduced axes."""
    if axis is not None and not keepdims:
        g = xp.reshape(g, kept(shape, axis))
    return xp.broadcast_to(g, shape)


def reduced_axes(ndim: int, axis: Axis) -> Shape:
    """Return the axes that a reduction over `axis` reduces, in ascending order."""
    given = range(ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    return tuple(sorted(i % ndim for i in given)) if ndim else ()


def in_line(xp: Any, x: Any, axis: Axis) -> Any:
    """Move the elements along `axis` to one last axis."""
    axes = reduced_axes(x.ndim, axis)
    rest = tuple(i for i in range(x.ndim) if i not in axes)
    order = (*rest, *axes)
    turned = x if order == tuple(range(x.ndim)) else xp.permute_dims(x, order)
    shape = (*(x.shape[i] for i in rest), reduced_count(x.shape, axis))
    return turned if turned.shape == shape else xp.reshape(turned, shape)


def _out_of_line(xp: Any, y: Any, shape: Shape, axis: Axis) -> Any:
    """Return `y`, arranged as `in_line` returns it, in the original `shape`."""
    axes = reduced_axes(len(shape), axis)
    order = (*(i for i in range(len(shape)) if i not in axes), *axes)
    turned_shape = tuple(shape[i] for i in order)
    turned = y if y.shape == turned_shape else xp.reshape(y, turned_shape)
    back = tuple(order.index(i) for i in range(len(shape)))
    return turned if order == tuple(range(len(shape))) else xp.permute_dims(turned, back)


def _sum(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    return _add(x, axis, None, None, keepdims)


def _mean(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    if x.dtype.kind != "f" or x.dtype == np.float16:  # NumPy adds these up in a wider dtype
        return np.mean(x, axis, keepdims=keepdims)
    # a true division by a Python integer keeps the dtype; for an empty sum, 0/0 is NaN as in NumPy
    return np.true_divide(_add(x, axis, None, None, keepdims), reduced_count(x.shape, axis))


def _batched(name: str) -> Rule:
    """Return the batching rule of a reduction: the same one over axes that are counted from the second."""

    def rule(xp: Any, moving: Sequence[bool], shape: Shape, x: Any, axis: Axis, keepdims: bool) -> Any:
        if x.ndim == 1:
            return x
        axes = tuple(i + 1 for i in reduced_axes(x.ndim - 1, axis))
        return getattr(xp, name)(x, axis=axes, keepdims=keepdims)

    return rule


@op(
    "reduction",
    lambda xp, g, y, x, axis, keepdims: spread(xp, g, x.shape, axis, keepdims),
    notation="Σ_{axis} {0}",
    binding=BIG_SUM,
    run=_sum,
    samples=_with_empty,
    linear="together",
    batch=_batched("sum"),
    arithmetic="total",
)
def sum(xp: Any, x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Any:
    """The sum of the elements along `axis`.

    >>> tg.sum([[1.0, 2.0], [3.0, 4.0]], axis=0)
    Tensor([4., 6.], op=sum)
    """
    return xp.sum(x, axis=axis, keepdims=keepdims)


@op(
    "reduction",
    lambda xp, g, y, x, axis, keepdims: spread(xp, g / reduced_count(x.shape, axis), x.shape, axis, keepdims),
    notation="mean_{axis}({0})",
    run=_mean,
    samples=_samples,
    linear="together",
    batch=_batched("mean"),
    averages=True,
    arithmetic="mean",
)
def mean(xp: Any, x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Any:
    """The mean of the elements along `axis`, or NaN if there are none.

    >>> tg.mean([[1.0, 2.0], [3.0, 4.0]], axis=1, keepdims=True).data.tolist()
    [[1.5], [3.5]]
    """
    return xp.mean(x, axis=axis, keepdims=keepdims)


def _of_product(xp: Any, g: Any, y: Any, x: Any, axis: Axis, keepdims: bool) -> Any:
    """Multiply g by the product of all other elements; a division by x would fail at zeros."""
    if isinstance(axis, int) and x.ndim:
        others = xp.prod_others(x, axis=axis)
    else:
        others = _out_of_line(xp, xp.prod_others(in_line(xp, x, axis), axis=-1), x.shape, axis)
    return spread(xp, g, x.shape, axis, keepdims) * others


@op(
    "reduction",
    _of_product,
    notation="prod_{axis}({0})",
    run=lambda x, axis=None, keepdims=False: _multiply(x, axis, None, None, keepdims),
    samples=_with_empty,
)
def prod(xp: Any, x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Any:
    """The product of the elements along `axis`, or 1 if there are none.

    The derivative by each element is the product of the others, exactly so even if some are 0.

    >>> x = tg.parameter([0.0, 2.0, 3.0])
    >>> tg.prod(x).backward()
    >>> x.grad
    array([6., 0., 0.])
    """
    return xp.prod(x, axis=axis, keepdims=keepdims)


def _of_extreme(xp: Any, g: Any, y: Any, x: Any, axis: Axis, keepdims: bool) -> Any:
    """Send the gradient to the extreme element, in equal shares if several tie; if the extreme is NaN, it is NaN."""
    chosen = x == spread(xp, y, x.shape, axis, keepdims)
    count = xp.sum(xp.astype(chosen, x.dtype), axis=axis, keepdims=True)
    return xp.where(chosen, spread(xp, g, x.shape, axis, keepdims), 0.0) / count


@op(
    "reduction",
    _of_extreme,
    notation="max_{axis}({0})",
    run=lambda x, axis=None, keepdims=False: _maximum(x, axis, None, None, keepdims),
    samples=_samples,
    chooses=True,
)
def max(xp: Any, x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Any:
    """The largest element along `axis`. Elements that tie share the gradient equally.

    >>> tg.max([[1.0, 5.0], [3.0, 4.0]], axis=1)
    Tensor([5., 4.], op=max)
    """
    return xp.max(x, axis=axis, keepdims=keepdims)


@op(
    "reduction",
    _of_extreme,
    notation="min_{axis}({0})",
    run=lambda x, axis=None, keepdims=False: _minimum(x, axis, None, None, keepdims),
    samples=_samples,
    chooses=True,
)
def min(xp: Any, x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Any:
    """The smallest element along `axis`. Elements that tie share the gradient equally.

    >>> tg.min([[1.0, 5.0], [3.0, 4.0]], axis=1)
    Tensor([1., 3.], op=min)
    """
    return xp.min(x, axis=axis, keepdims=keepdims)


@op(
    "reduction",
    lambda xp, g, s, x, y, axis: s * (g - xp.sum(g * s, axis=axis, keepdims=True)),
    None,
    notation="softmax_{axis}({0})",
    run=kernels.logsumexp_derivative,
    floating=True,
    samples=(
        Sample(((3,), ()), {"axis": 0}, (None, Domain(computed="logsumexp"))),
        Sample(((2, 3), ()), {"axis": None}, (None, Domain(computed="logsumexp"))),
        Sample(((1, 3), ()), {"axis": -1}, (None, Domain(computed="logsumexp"))),
    ),
    flops=2,
    arithmetic="softmax",
)
def logsumexp_derivative_(xp: Any, x: ArrayLike, y: ArrayLike, axis: Axis = None) -> Any:
    """The derivative of y = log Σ eˣ in terms of y: the softmax, where infinities that tie have equal shares."""
    return xp.logsumexp_derivative(x, y, axis=axis)


def _of_logsumexp(xp: Any, g: Any, y: Any, x: Any, axis: Axis, keepdims: bool) -> Any:
    if not keepdims and x.ndim:
        shape = kept(x.shape, axis)
        g, y = xp.reshape(g, shape), xp.reshape(y, shape)
    return g * xp.logsumexp_derivative(x, y, axis=axis)


@op(
    "reduction",
    _of_logsumexp,
    notation="log Σ_{axis} exp({0})",
    run=kernels.logsumexp,
    floating=True,
    binding=BIG_SUM,
    samples=_samples,
    flops=4,
)
def logsumexp(xp: Any, x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Any:
    """log Σ eˣ along `axis`, without overflow. Its derivative is the softmax.

    Where the result is infinite, the elements that tie share the gradient equally, as for `max`.

    >>> tg.logsumexp([1000.0, 1000.0]).item()
    1000.6931471805599
    """
    top = xp.max(x, axis=axis, keepdims=True)
    top = xp.where(xp.abs(top) == np.inf, 0.0, top)  # so that ∞ − ∞ does not arise
    total = xp.log(xp.sum(xp.exp(x - top), axis=axis, keepdims=True)) + top
    return total if keepdims else xp.reshape(total, xp.sum(x, axis=axis).shape)


@op(
    "reduction",
    lambda xp, g, y, x, axis: y * (g - xp.sum(g * y, axis=axis, keepdims=True)),
    notation="softmax_{axis}({0})",
    run=kernels.softmax,
    floating=True,
    samples=(
        Sample(((3,),)),
        Sample(((2, 3),), {"axis": 0}),
        Sample(((2, 3, 4),), {"axis": (0, 2)}),
        Sample(((2, 3),), {"axis": None}),
    ),
    flops=5,
)
def softmax(xp: Any, x: ArrayLike, axis: Axis = -1) -> Any:
    """eˣ / Σ eˣ along `axis`: probabilities that add up to 1, without overflow.

    If examples are columns, use ``axis=0``.

    >>> tg.softmax([[1000.0, 1000.0], [0.0, 0.0]], axis=1)
    Tensor([[0.5, 0.5],
            [0.5, 0.5]], op=softmax)
    """
    powers = xp.exp(x - xp.max(x, axis=axis, keepdims=True))
    return powers / xp.sum(powers, axis=axis, keepdims=True)


@op(
    "reduction",
    lambda xp, g, y, x, axis: g - xp.exp(y) * xp.sum(g, axis=axis, keepdims=True),
    notation="log softmax_{axis}({0})",
    run=kernels.log_softmax,
    floating=True,
    samples=(
        Sample(((3,),)),
        Sample(((2, 3),), {"axis": 0}),
        Sample(((2, 3, 4),), {"axis": (0, 2)}),
        Sample(((2, 3),), {"axis": None}),
    ),
    flops=5,
)
def log_softmax(xp: Any, x: ArrayLike, axis: Axis = -1) -> Any:
    """x − log Σ eˣ along `axis`: the logarithms of the softmax, precise even if a probability rounds to 0 or 1.

    >>> tg.log_softmax([[1000.0, 0.0]]).data.tolist()
    [[0.0, -1000.0]]
    """
    above = x - xp.max(x, axis=axis, keepdims=True)
    return above - xp.log(xp.sum(xp.exp(above), axis=axis, keepdims=True))


# -- questions: no gradient, but recorded, so that a graph that runs again asks them again --------------------------

_marks = tuple(Sample(shapes, params, (Domain(0, 2, integer=True),)) for shapes, params, _ in _with_empty)


@op("reduction", None, notation="all_{axis}({0})", samples=_marks)
def all(xp: Any, x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Any:
    """Whether all elements along `axis` are true, that is, not 0. It has no gradient.

    >>> tg.all([[True, False], [True, True]], axis=1)
    Tensor([False,  True], op=all)
    """
    return xp.all(x, axis=axis, keepdims=keepdims)


@op("reduction", None, notation="any_{axis}({0})", samples=_marks)
def any(xp: Any, x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Any:
    """Whether any element along `axis` is true, that is, not 0. It has no gradient.

    >>> tg.any([[True, False], [False, False]], axis=1)
    Tensor([ True, False], op=any)
    """
    return xp.any(x, axis=axis, keepdims=keepdims)


@op("reduction", None, notation="count_{axis}({0} ≠ 0)", run=kernels.count_nonzero, samples=_marks)
def count_nonzero(xp: Any, x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Any:
    """The number of elements along `axis` that are not 0. It has no gradient.

    >>> tg.count_nonzero([[1.0, 0.0], [2.0, 3.0]], axis=1)
    Tensor([1, 2], op=count_nonzero)
    """
    return xp.count_nonzero(x, axis=axis, keepdims=keepdims)


_places = (
    Sample(((),)),
    Sample(((3,),)),
    Sample(((2, 3),)),
    Sample(((2, 3),), {"axis": 0}),
    Sample(((2, 3, 4),), {"axis": -2, "keepdims": True}),
    Sample(((2, 1),), {"axis": 1}),
    Sample(((0, 3),), {"axis": 1}),
)


@op("reduction", None, notation="argmax_{axis}({0})", samples=_places)
def argmax(xp: Any, x: ArrayLike, axis: int | None = None, keepdims: bool = False) -> Any:
    """The index of the largest element along `axis`, or among all elements; the first of a tie. It has no gradient.

    >>> tg.argmax([[1.0, 5.0], [3.0, 3.0]], axis=1)
    Tensor([1, 0], op=argmax)
    """
    return xp.argmax(x, axis=axis, keepdims=keepdims)


@op("reduction", None, notation="argmin_{axis}({0})", samples=_places)
def argmin(xp: Any, x: ArrayLike, axis: int | None = None, keepdims: bool = False) -> Any:
    """The index of the smallest element along `axis`, or among all elements; the first of a tie. It has no gradient.

    >>> tg.argmin([[1.0, 5.0], [3.0, 3.0]], axis=1)
    Tensor([0, 0], op=argmin)
    """
    return xp.argmin(x, axis=axis, keepdims=keepdims)


# -- reductions that skip NaN --------------------------------------------------------------------------------------


def _of_known_extreme(xp: Any, g: Any, y: Any, x: Any, axis: Axis, keepdims: bool) -> Any:
    """Send the gradient to the extreme elements; a NaN gets none, even if all elements are NaN."""
    chosen = x == spread(xp, y, x.shape, axis, keepdims)
    count = xp.sum(xp.astype(chosen, x.dtype), axis=axis, keepdims=True)
    share = spread(xp, g, x.shape, axis, keepdims) / xp.maximum(count, 1.0)
    return xp.where(chosen, share, 0.0)


@op(
    "reduction",
    _of_known_extreme,
    notation="max_{axis}({0})",
    run=lambda x, axis=None, keepdims=False: _fmax(x, axis, None, None, keepdims),
    samples=_samples,
    source="np.fmax.reduce({0}, axis={axis}, keepdims={keepdims})",
)
def nanmax(xp: Any, x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Any:
    """The largest element along `axis` that is not NaN, or NaN if all are. Elements that tie share the gradient.

    >>> tg.nanmax([[1.0, np.nan], [3.0, 4.0]], axis=1)
    Tensor([1., 4.], op=nanmax)
    """
    return xp.nanmax(x, axis=axis, keepdims=keepdims)


@op(
    "reduction",
    _of_known_extreme,
    notation="min_{axis}({0})",
    run=lambda x, axis=None, keepdims=False: _fmin(x, axis, None, None, keepdims),
    samples=_samples,
    source="np.fmin.reduce({0}, axis={axis}, keepdims={keepdims})",
)
def nanmin(xp: Any, x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Any:
    """The smallest element along `axis` that is not NaN, or NaN if all are. Elements that tie share the gradient.

    >>> tg.nanmin([[1.0, np.nan], [3.0, 4.0]], axis=1)
    Tensor([1., 3.], op=nanmin)
    """
    return xp.nanmin(x, axis=axis, keepdims=keepdims)


def without_nan(x: Tensor, instead: float = 0.0) -> Tensor:
    """Return x with the number `instead` in place of each NaN, which then gets the gradient 0."""
    return where(x != x, instead, x) if x.dtype.kind == "f" else x


def divided(total: Tensor, count: Tensor) -> Tensor:
    """Divide a sum by a count, and keep the dtype of the sum, even if it is too narrow to hold the count."""
    if total.dtype.kind != "f" or total.dtype == np.float64:
        return total / count
    return astype(total / astype(count, np.float64), total.dtype)


@composite("reduction", samples=_with_empty)
def nansum(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The sum of the elements along `axis` that are not NaN, or 0 if all are. The derivative by a NaN is 0.

    >>> import tinygraph as tg
    >>> x = tg.parameter([1.0, np.nan, 3.0])
    >>> y = tg.nansum(x)
    >>> y.backward()
    >>> y.item(), x.grad
    (4.0, array([1., 0., 1.]))
    """
    return sum(without_nan(as_tensor(x)), axis=axis, keepdims=keepdims)


@composite("reduction", samples=_with_empty)
def nanprod(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The product of the elements along `axis` that are not NaN, or 1 if all are. The derivative by a NaN is 0.

    >>> import tinygraph as tg
    >>> tg.nanprod([2.0, np.nan, 3.0]).item()
    6.0
    """
    return prod(without_nan(as_tensor(x), 1.0), axis=axis, keepdims=keepdims)


@composite("reduction", samples=_samples)
def nanmean(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The mean of the elements along `axis` that are not NaN, or NaN if all are. The derivative by a NaN is 0.

    >>> import tinygraph as tg
    >>> tg.nanmean([[1.0, np.nan], [3.0, 5.0]], axis=1)
    Tensor([1., 4.], op=divide)
    """
    x = as_tensor(x)
    return divided(sum(without_nan(x), axis=axis, keepdims=keepdims), sum(x == x, axis=axis, keepdims=keepdims))


@composite("reduction", samples=_places)
def nanargmax(x: ArrayLike, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The index of the largest element along `axis` that is not NaN. It has no gradient.

    Raises `ArgumentError` if all elements along the axis are NaN.

    >>> import tinygraph as tg
    >>> tg.nanargmax([np.nan, 5.0, 7.0]).item()
    2
    """
    return argmax(_known_somewhere(x, -np.inf, axis), axis=axis, keepdims=keepdims)


@composite("reduction", samples=_places)
def nanargmin(x: ArrayLike, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The index of the smallest element along `axis` that is not NaN. It has no gradient.

    Raises `ArgumentError` if all elements along the axis are NaN.

    >>> import tinygraph as tg
    >>> tg.nanargmin([np.nan, 5.0, 7.0]).item()
    1
    """
    return argmin(_known_somewhere(x, np.inf, axis), axis=axis, keepdims=keepdims)


def _known_somewhere(x: ArrayLike, instead: float, axis: int | None) -> Tensor:
    x = as_tensor(x)
    if x.size and not (x._value == x._value).any(axis=axis).all():
        raise ArgumentError("where all elements are NaN, there is no largest or smallest one")
    return without_nan(x, instead)
