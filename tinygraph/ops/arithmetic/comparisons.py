"""Comparisons, selection and logic, element by element.

All are primitives. Ops whose results are booleans or integers have no gradient; they are recorded all the same, so that
a graph that runs again computes them again.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from ...graph.declaring import op
from ...graph.node import LITERALS
from ...graph.records import AND, COMPARISON, OR, SIGN
from ...graph.samples import Domain, Sample
from ...graph.tensor import ArrayLike

__all__ = [
    "allclose",
    "array_equal",
    "bitwise_and",
    "bitwise_invert",
    "bitwise_left_shift",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "equal",
    "fmax",
    "fmin",
    "greater",
    "greater_equal",
    "isclose",
    "isfinite",
    "isinf",
    "isnan",
    "less",
    "less_equal",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "maximum",
    "minimum",
    "not_equal",
    "signbit",
    "where",
]


# -- choosing ------------------------------------------------------------------------------------------------------


def _larger(xp: Any, g: Any, x: Any, y: Any) -> Any:
    """Return the share of g that goes to x in max(x, y): all of it, none of it, or half at a tie."""
    return xp.where(x == y, g / 2, xp.where(x < y, 0.0, g))


def _steepness_above_0(z: Any, x: Any, y: Any) -> Any:
    """Return where max(x, 0) is steep; return None for the maximum of two arrays, which is flat nowhere."""
    return z > 0 if any(type(a) in LITERALS and a == 0 for a in (x, y)) else None


@op(
    "elementwise",
    lambda xp, g, z, x, y: _larger(xp, g, x, y),
    lambda xp, g, z, x, y: _larger(xp, g, y, x),
    notation="max({0}, {1})",
    chooses=True,
    steepness=_steepness_above_0,
)
def maximum(xp: Any, x: ArrayLike, y: ArrayLike) -> Any:
    """z = max(x, y), elementwise. Ties share the gradient equally; a NaN in either operand gives NaN.

    >>> tg.maximum([1.0, 5.0], 3.0)
    Tensor([3., 5.], op=maximum)
    """
    return xp.maximum(x, y)


@op(
    "elementwise",
    lambda xp, g, z, x, y: _larger(xp, g, y, x),
    lambda xp, g, z, x, y: _larger(xp, g, x, y),
    notation="min({0}, {1})",
    chooses=True,
)
def minimum(xp: Any, x: ArrayLike, y: ArrayLike) -> Any:
    """z = min(x, y), elementwise. Ties share the gradient equally; a NaN in either operand gives NaN.

    >>> tg.minimum([1.0, 5.0], 3.0)
    Tensor([1., 3.], op=minimum)
    """
    return xp.minimum(x, y)


def _chosen(xp: Any, g: Any, z: Any, x: Any, y: Any) -> Any:
    """Return the share of g that goes to x if z is x or y: all where x is chosen, else none, or half at a tie."""
    return xp.where(x == z, xp.where(y == z, g / 2, g), 0.0)


_OF_CHOSEN = (lambda xp, g, z, x, y: _chosen(xp, g, z, x, y), lambda xp, g, z, x, y: _chosen(xp, g, z, y, x))


@op(
    "elementwise",
    *_OF_CHOSEN,
    chooses=True,
)
def fmax(xp: Any, x: ArrayLike, y: ArrayLike) -> Any:
    """z = max(x, y), elementwise. If one is NaN, z is the other, which gets the gradient. Ties share it equally.

    >>> tg.fmax([1.0, np.nan], 3.0)
    Tensor([3., 3.], op=fmax)
    """
    return xp.fmax(x, y)


@op(
    "elementwise",
    *_OF_CHOSEN,
    chooses=True,
)
def fmin(xp: Any, x: ArrayLike, y: ArrayLike) -> Any:
    """z = min(x, y), elementwise. If one is NaN, z is the other, which gets the gradient. Ties share it equally.

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
    linear=((1, 2),),
    chooses=True,
    condition=0,
    arithmetic="choice",
)
def where(xp: Any, condition: ArrayLike, x: ArrayLike, y: ArrayLike) -> Any:
    """z = x where `condition` is true, else y, elementwise.

    The branch that is not chosen gets the gradient 0. If its derivative is infinite or NaN, the product with 0 is NaN:
    write ``where(x > 0, sqrt(where(x > 0, x, 1)), 0)`` rather than ``where(x > 0, sqrt(x), 0)``.

    >>> tg.where([True, False], [1.0, 2.0], 0.0)
    Tensor([1., 0.], op=where)
    """
    return xp.where(condition, x, y)


# -- comparisons -----------------------------------------------------------------------------------------------------


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
    arithmetic="equality",
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


_close = {"rtol": 1e-5, "atol": 1e-8, "equal_nan": False}


@op(
    "elementwise",
    None,
    None,
    samples=(Sample(((2, 3), (3,)), _close), Sample(((), ()), {**_close, "rtol": 2.0}), Sample(((0,), (1,)), _close)),
)
def isclose(
    xp: Any, x: ArrayLike, y: ArrayLike, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Any:
    """|x − y| ≤ `atol` + `rtol` |y|, elementwise. Equal infinities are close; two NaN are close only with `equal_nan`.

    >>> tg.isclose([1.0, 2.0], [1.0 + 1e-9, 3.0])
    Tensor([ True, False], op=isclose)
    """
    return xp.isclose(x, y, rtol=rtol, atol=atol, equal_nan=equal_nan)


def _allclose(x: Any, y: Any, **params: Any) -> Any:
    return np.bool_(np.allclose(x, y, **params))


@op(
    "reduction",
    None,
    None,
    run=_allclose,
    samples=(Sample(((2, 3), (3,)), _close), Sample(((), ()), {**_close, "rtol": 2.0}), Sample(((0,), (1,)), _close)),
)
def allclose(
    xp: Any, x: ArrayLike, y: ArrayLike, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Any:
    """Whether all elements of x and y are close in the sense of `isclose`.

    >>> tg.allclose([1.0, 2.0], [1.0 + 1e-9, 2.0])
    Tensor(True, op=allclose)
    """
    return xp.allclose(x, y, rtol=rtol, atol=atol, equal_nan=equal_nan)


def _array_equal(x: Any, y: Any, equal_nan: bool = False) -> Any:
    return np.bool_(np.array_equal(x, y, equal_nan=equal_nan))


@op(
    "reduction",
    None,
    None,
    run=_array_equal,
    samples=(
        Sample(((2, 3), (3,)), {"equal_nan": False}),
        Sample(((1,), (1,)), {"equal_nan": True}),
        Sample(((0,), (0,)), {"equal_nan": False}),
    ),
)
def array_equal(xp: Any, x: ArrayLike, y: ArrayLike, equal_nan: bool = False) -> Any:
    """Whether x and y have the same shape and equal elements. Two NaN are equal only with `equal_nan`.

    >>> tg.array_equal([1.0, 2.0], [1.0, 2.0])
    Tensor(True, op=array_equal)
    """
    return xp.array_equal(x, y, equal_nan=equal_nan)


@op("elementwise", None, jumps=False)
def isnan(xp: Any, x: ArrayLike) -> Any:
    """Whether x is NaN, elementwise.

    >>> tg.isnan([1.0, np.nan])
    Tensor([False,  True], op=isnan)
    """
    return xp.isnan(x)


@op("elementwise", None, jumps=False)
def isinf(xp: Any, x: ArrayLike) -> Any:
    """Whether x is ∞ or −∞, elementwise.

    >>> tg.isinf([1.0, -np.inf])
    Tensor([False,  True], op=isinf)
    """
    return xp.isinf(x)


@op("elementwise", None, jumps=False)
def isfinite(xp: Any, x: ArrayLike) -> Any:
    """Whether x is neither infinite nor NaN, elementwise.

    >>> tg.isfinite([1.0, np.inf, np.nan])
    Tensor([ True, False, False], op=isfinite)
    """
    return xp.isfinite(x)


@op("elementwise", None)
def signbit(xp: Any, x: ArrayLike) -> Any:
    """Whether the sign of x is negative, elementwise; the sign of −0 is negative.

    >>> tg.signbit([1.0, -2.0, -0.0])
    Tensor([False,  True,  True], op=signbit)
    """
    return xp.signbit(x)


# -- logic ---------------------------------------------------------------------------------------------------------

_truth = Domain(boolean=True)
_whole, _few = Domain(-8, 8, integer=True), Domain(0, 5, integer=True)


@op("elementwise", None, None, notation="{0} ∧ {1}", binding=AND, samples=(_truth, _truth))
def logical_and(xp: Any, x: ArrayLike, y: ArrayLike) -> Any:
    """x and y, elementwise; every element other than 0 counts as true.

    >>> tg.logical_and([True, True], [True, False])
    Tensor([ True, False], op=logical_and)
    """
    return xp.logical_and(x, y)


@op("elementwise", None, None, notation="{0} ∨ {1}", binding=OR, samples=(_truth, _truth))
def logical_or(xp: Any, x: ArrayLike, y: ArrayLike) -> Any:
    """x or y, elementwise; every element other than 0 counts as true.

    >>> tg.logical_or([True, False], [False, False])
    Tensor([ True, False], op=logical_or)
    """
    return xp.logical_or(x, y)


@op("elementwise", None, None, notation="{0} ⊕ {1}", binding=OR, samples=(_truth, _truth))
def logical_xor(xp: Any, x: ArrayLike, y: ArrayLike) -> Any:
    """x or y but not both, elementwise; every element other than 0 counts as true.

    >>> tg.logical_xor([True, True], [True, False])
    Tensor([False,  True], op=logical_xor)
    """
    return xp.logical_xor(x, y)


@op("elementwise", None, notation="¬{0}", binding=SIGN, samples=(_truth,))
def logical_not(xp: Any, x: ArrayLike) -> Any:
    """not x, elementwise; every element other than 0 counts as true.

    >>> tg.logical_not([True, False])
    Tensor([False,  True], op=logical_not)
    """
    return xp.logical_not(x)


@op(
    "elementwise",
    None,
    None,
    notation="{0} ∧ {1}",
    binding=AND,
    run=operator.and_,
    operators=("__and__", "__rand__"),
    samples=(_whole, _whole),
    source="np.bitwise_and({0}, {1})",
)
def bitwise_and(xp: Any, x: ArrayLike, y: ArrayLike) -> Any:
    """The bitwise "and" of booleans or integers, elementwise: the operator ``&``.

    >>> tg.bitwise_and([6, 5], 3)
    Tensor([2, 1], op=bitwise_and)
    """
    return xp.bitwise_and(x, y)


@op(
    "elementwise",
    None,
    None,
    notation="{0} ∨ {1}",
    binding=OR,
    run=operator.or_,
    operators=("__or__", "__ror__"),
    samples=(_whole, _whole),
    source="np.bitwise_or({0}, {1})",
)
def bitwise_or(xp: Any, x: ArrayLike, y: ArrayLike) -> Any:
    """The bitwise "or" of booleans or integers, elementwise: the operator ``|``.

    >>> tg.bitwise_or([6, 5], 3)
    Tensor([7, 7], op=bitwise_or)
    """
    return xp.bitwise_or(x, y)


@op(
    "elementwise",
    None,
    None,
    notation="{0} ⊕ {1}",
    binding=OR,
    run=operator.xor,
    operators=("__xor__", "__rxor__"),
    samples=(_whole, _whole),
    source="np.bitwise_xor({0}, {1})",
)
def bitwise_xor(xp: Any, x: ArrayLike, y: ArrayLike) -> Any:
    """The bitwise "exclusive or" of booleans or integers, elementwise: the operator ``^``.

    >>> tg.bitwise_xor([6, 5], 3)
    Tensor([5, 6], op=bitwise_xor)
    """
    return xp.bitwise_xor(x, y)


@op(
    "elementwise",
    None,
    notation="¬{0}",
    binding=SIGN,
    run=np.invert,
    operators=("__invert__",),
    samples=(_whole,),
    source="np.invert({0})",
)
def bitwise_invert(xp: Any, x: ArrayLike) -> Any:
    """The bitwise "not" of booleans or integers, elementwise: the operator ``~``.

    >>> tg.bitwise_invert([True, False])
    Tensor([False,  True], op=bitwise_invert)
    """
    return xp.bitwise_invert(x)


@op(
    "elementwise",
    None,
    None,
    run=operator.lshift,
    operators=("__lshift__", "__rlshift__"),
    samples=(_whole, _few),
    source="np.left_shift({0}, {1})",
)
def bitwise_left_shift(xp: Any, x: ArrayLike, y: ArrayLike) -> Any:
    """x 2^y for integers, elementwise: the operator ``<<``.

    >>> tg.bitwise_left_shift([1, 3], 2)
    Tensor([ 4, 12], op=bitwise_left_shift)
    """
    return xp.bitwise_left_shift(x, y)


@op(
    "elementwise",
    None,
    None,
    run=operator.rshift,
    operators=("__rshift__", "__rrshift__"),
    samples=(_whole, _few),
    source="np.right_shift({0}, {1})",
)
def bitwise_right_shift(xp: Any, x: ArrayLike, y: ArrayLike) -> Any:
    """⌊x / 2^y⌋ for integers, elementwise: the operator ``>>``.

    >>> tg.bitwise_right_shift([4, 13], 2)
    Tensor([1, 3], op=bitwise_right_shift)
    """
    return xp.bitwise_right_shift(x, y)
