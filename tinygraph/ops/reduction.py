"""Operations that reduce axes: ``axis`` is an integer, a tuple of them, or None for all."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import kernels
from ..apply import op
from ..graph import ArrayLike
from ..samples import Sample
from ..table import BIG_SUM
from .broadcasting import Shape, kept, reduced_count

__all__ = [
    "logsumexp",
    "max",
    "mean",
    "min",
    "softmax",
    "sum",
]

Axis = int | tuple[int, ...] | None

# called with positional arguments, which is faster than NumPy's own np.sum, np.max and np.min
_add: Any = np.add.reduce
_maximum: Any = np.maximum.reduce
_minimum: Any = np.minimum.reduce

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
    """A result of a reduction, repeated along the reduced axes."""
    if axis is not None and not keepdims:
        g = xp.reshape(g, kept(shape, axis))
    return xp.broadcast_to(g, shape)


def _sum(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    return _add(x, axis, None, None, keepdims)


def _mean(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    if x.dtype == np.float16:  # NumPy adds these up in float32
        return np.mean(x, axis, keepdims=keepdims)
    # a true division by a Python integer keeps the dtype; of an empty sum, 0/0 is NaN as in NumPy
    return np.true_divide(_add(x, axis, None, None, keepdims), reduced_count(x.shape, axis))


@op(
    "reduction",
    lambda xp, g, y, x, axis, keepdims: spread(xp, g, x.shape, axis, keepdims),
    notation="Σ_{axis} {0}",
    binding=BIG_SUM,
    run=_sum,
    samples=_with_empty,
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
)
def mean(xp: Any, x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Any:
    """The mean of the elements along `axis`; of no elements it is NaN.

    >>> tg.mean([[1.0, 2.0], [3.0, 4.0]], axis=1, keepdims=True).data.tolist()
    [[1.5], [3.5]]
    """
    return xp.mean(x, axis=axis, keepdims=keepdims)


def _of_extreme(xp: Any, g: Any, y: Any, x: Any, axis: Axis, keepdims: bool) -> Any:
    """The gradient goes to the extreme element, in equal shares where several tie; of a NaN it is NaN."""
    chosen = x == spread(xp, y, x.shape, axis, keepdims)
    count = xp.sum(xp.astype(chosen, x.dtype), axis=axis, keepdims=True)
    return xp.where(chosen, spread(xp, g, x.shape, axis, keepdims), 0.0) / count


@op(
    "reduction",
    _of_extreme,
    notation="max_{axis}({0})",
    run=lambda x, axis=None, keepdims=False: _maximum(x, axis, None, None, keepdims),
    samples=_samples,
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
)
def min(xp: Any, x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Any:
    """The smallest element along `axis`. Elements that tie share the gradient equally.

    >>> tg.min([[1.0, 5.0], [3.0, 4.0]], axis=1)
    Tensor([1., 3.], op=min)
    """
    return xp.min(x, axis=axis, keepdims=keepdims)


@op(
    "reduction",
    lambda xp, g, y, x, axis, keepdims: (
        spread(xp, g, x.shape, axis, keepdims) * xp.exp(x - spread(xp, y, x.shape, axis, keepdims))
    ),
    notation="log Σ_{axis} exp({0})",
    run=kernels.logsumexp,
    binding=BIG_SUM,
    samples=_samples,
)
def logsumexp(xp: Any, x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Any:
    """log Σ eˣ along `axis`, whose derivative is the softmax. Never overflows.

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
    samples=(
        Sample(((3,),)),
        Sample(((2, 3),), {"axis": 0}),
        Sample(((2, 3, 4),), {"axis": (0, 2)}),
        Sample(((2, 3),), {"axis": None}),
    ),
)
def softmax(xp: Any, x: ArrayLike, axis: Axis = -1) -> Any:
    """eˣ / Σ eˣ along `axis`: probabilities that add up to 1. Never overflows.

    For examples as columns that is ``axis=0``.

    >>> tg.softmax([[1000.0, 1000.0], [0.0, 0.0]], axis=1)
    Tensor([[0.5, 0.5],
            [0.5, 0.5]], op=softmax)
    """
    powers = xp.exp(x - xp.max(x, axis=axis, keepdims=True))
    return powers / xp.sum(powers, axis=axis, keepdims=True)
