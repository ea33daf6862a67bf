"""Comparing, choosing and logic, element by element."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from ..apply import op
from ..graph import ArrayLike
from ..samples import Domain
from ..table import COMPARISON

__all__ = [
    "equal",
    "fmax",
    "fmin",
    "greater",
    "greater_equal",
    "less",
    "less_equal",
    "maximum",
    "minimum",
    "not_equal",
    "where",
]


# -- choosing ------------------------------------------------------------------------------------------------------


def _larger(xp: Any, g: Any, x: Any, y: Any) -> Any:
    """The share of g that goes to x in max(x, y): all, nothing, or half at a tie."""
    return xp.where(x == y, g / 2, xp.where(x < y, 0.0, g))


@op(
    "elementwise",
    lambda xp, g, z, x, y: _larger(xp, g, x, y),
    lambda xp, g, z, x, y: _larger(xp, g, y, x),
    notation="max({0}, {1})",
)
def maximum(xp: Any, x: ArrayLike, y: ArrayLike) -> Any:
    """z = max(x, y), elementwise. Ties share the gradient equally; a NaN in either gives NaN.

    >>> tg.maximum([1.0, 5.0], 3.0)
    Tensor([3., 5.], op=maximum)
    """
    return xp.maximum(x, y)


@op(
    "elementwise",
    lambda xp, g, z, x, y: _larger(xp, g, y, x),
    lambda xp, g, z, x, y: _larger(xp, g, x, y),
    notation="min({0}, {1})",
)
def minimum(xp: Any, x: ArrayLike, y: ArrayLike) -> Any:
    """z = min(x, y), elementwise. Ties share the gradient equally; a NaN in either gives NaN.

    >>> tg.minimum([1.0, 5.0], 3.0)
    Tensor([1., 3.], op=minimum)
    """
    return xp.minimum(x, y)


def _chosen(xp: Any, g: Any, z: Any, x: Any, y: Any) -> Any:
    """The share of g that goes to x where z is x or y, whichever is no NaN: all, nothing, or half at a tie."""
    return xp.where(x == z, xp.where(y == z, g / 2, g), 0.0)


_OF_CHOSEN = (lambda xp, g, z, x, y: _chosen(xp, g, z, x, y), lambda xp, g, z, x, y: _chosen(xp, g, z, y, x))


@op("elementwise", *_OF_CHOSEN)
def fmax(xp: Any, x: ArrayLike, y: ArrayLike) -> Any:
    """z = max(x, y), elementwise; where one is NaN, the other, which then gets the gradient. Ties share it equally.

    >>> tg.fmax([1.0, np.nan], 3.0)
    Tensor([3., 3.], op=fmax)
    """
    return xp.fmax(x, y)


@op("elementwise", *_OF_CHOSEN)
def fmin(xp: Any, x: ArrayLike, y: ArrayLike) -> Any:
    """z = min(x, y), elementwise; where one is NaN, the other, which then gets the gradient. Ties share it equally.

    >>> tg.fmin([1.0, np.nan], 3.0)
    Tensor([1., 3.], op=fmin)
    """
    return xp.fmin(x, y)


@op(
    "elementwise",
    None,
    lambda xp, g, z, condition, x, y: xp.where(condition, g, 0.0),
    lambda xp, g, z, condition, x, y: xp.where(condition, 0.0, g),
    samples=(Domain(boolean=True), None, None),
)
def where(xp: Any, condition: ArrayLike, x: ArrayLike, y: ArrayLike) -> Any:
    """z = x where the condition holds, else y; elementwise.

    A NaN or inf in the gradient of the branch not taken stays there: write
    ``where(x > 0, sqrt(where(x > 0, x, 1)), 0)`` rather than ``where(x > 0, sqrt(x), 0)``.

    >>> tg.where([True, False], [1.0, 2.0], 0.0)
    Tensor([1., 0.], op=where)
    """
    return xp.where(condition, x, y)


# -- comparisons: recorded, so that a graph run again compares anew; without gradient ------------------------------


@op(
    "elementwise",
    None,
    None,
    notation="{0} < {1}",
    binding=COMPARISON,
    run=operator.lt,
    operators=("__lt__",),
    source="{0} < {1}",
)
def less(xp: Any, x: ArrayLike, y: ArrayLike) -> Any:
    """x < y, elementwise.

    >>> tg.less([1.0, 3.0], 2.0)
    Tensor([ True, False], op=less)
    """
    return xp.less(x, y)


@op(
    "elementwise",
    None,
    None,
    notation="{0} ≤ {1}",
    binding=COMPARISON,
    run=operator.le,
    operators=("__le__",),
    source="{0} <= {1}",
)
def less_equal(xp: Any, x: ArrayLike, y: ArrayLike) -> Any:
    """x ≤ y, elementwise.

    >>> tg.less_equal([1.0, 3.0], 3.0)
    Tensor([ True,  True], op=less_equal)
    """
    return xp.less_equal(x, y)


@op(
    "elementwise",
    None,
    None,
    notation="{0} > {1}",
    binding=COMPARISON,
    run=operator.gt,
    operators=("__gt__",),
    source="{0} > {1}",
)
def greater(xp: Any, x: ArrayLike, y: ArrayLike) -> Any:
    """x > y, elementwise.

    >>> tg.greater([1.0, 3.0], 2.0)
    Tensor([False,  True], op=greater)
    """
    return xp.greater(x, y)


@op(
    "elementwise",
    None,
    None,
    notation="{0} ≥ {1}",
    binding=COMPARISON,
    run=operator.ge,
    operators=("__ge__",),
    source="{0} >= {1}",
)
def greater_equal(xp: Any, x: ArrayLike, y: ArrayLike) -> Any:
    """x ≥ y, elementwise.

    >>> tg.greater_equal([1.0, 3.0], 3.0)
    Tensor([False,  True], op=greater_equal)
    """
    return xp.greater_equal(x, y)


@op(
    "elementwise",
    None,
    None,
    notation="{0} = {1}",
    binding=COMPARISON,
    run=np.equal,
    operators=("__eq__",),
    source="{0} == {1}",
)
def equal(xp: Any, x: ArrayLike, y: ArrayLike) -> Any:
    """x = y, elementwise.

    >>> tg.equal([1.0, 3.0], 3.0)
    Tensor([False,  True], op=equal)
    """
    return xp.equal(x, y)


@op(
    "elementwise",
    None,
    None,
    notation="{0} ≠ {1}",
    binding=COMPARISON,
    run=np.not_equal,
    operators=("__ne__",),
    source="{0} != {1}",
)
def not_equal(xp: Any, x: ArrayLike, y: ArrayLike) -> Any:
    """x ≠ y, elementwise.

    >>> tg.not_equal([1.0, 3.0], 3.0)
    Tensor([ True, False], op=not_equal)
    """
    return xp.not_equal(x, y)
