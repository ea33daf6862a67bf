"""Arithmetic, powers, roots, rounding and dtypes: element by element, with operands that broadcast.

All are primitives except `reciprocal`, `positive`, `round`, `divmod`, `modf`, `clip`, `nan_to_num`, `deg2rad`,
`rad2deg` and `astype`, which are composed of other ops.

In the rules, g is the cotangent of the output; the output is y, or z where y is an input. A derivative is written in
terms of the output where textbooks write it so.
"""

from __future__ import annotations

import math
import operator
import sys
import warnings
from types import FrameType
from typing import Any

import numpy as np

from ... import kernels
from ...errors import BroadcastWarning, DTypeError
from ...graph.applying import described_operand
from ...graph.declaring import composite, op
from ...graph.records import POWER, PRODUCT, SIGN, SUM
from ...graph.samples import Domain, Sample
from ...graph.sites import Site
from ...graph.tensor import ArrayLike, Tensor, unusable
from ..arguments import as_tensor
from .comparisons import equal, isnan, where
from .factors import without_factor

__all__ = [
    "abs",
    "add",
    "astype",
    "cbrt",
    "ceil",
    "clip",
    "copysign",
    "deg2rad",
    "divide",
    "divmod",
    "floor",
    "floor_divide",
    "fmod",
    "gcd",
    "heaviside",
    "hypot",
    "lcm",
    "modf",
    "multiply",
    "nan_to_num",
    "negative",
    "positive",
    "pow",
    "rad2deg",
    "reciprocal",
    "remainder",
    "round",
    "sign",
    "sqrt",
    "square",
    "subtract",
    "trunc",
]

_nonzero = Domain(0.5, 2.0, signs=True)
_positive = Domain(0.5, 2.0)
_not_flat = Domain(0.1, 2.0, signs=True)  # away from kinks at 0
_between = Domain(0.1, 0.4, signs=True)  # whole and half numbers
_natural = Domain(0, 20, integer=True)
_dividend, _divisor = Domain(4.1, 4.4, signs=True), Domain(1.5, 1.9, signs=True)  # no quotient is near a whole number


def level(xp: Any, g: Any, *_: Any) -> Any:
    """Return the derivative 0 of functions that are constant between jumps. 0 · g would be NaN where g is infinite."""
    return 0.0 * xp.astype(xp.isfinite(g), g.dtype)


# -- arithmetic ----------------------------------------------------------------------------------------------------


def _warn_of_spreading(node: Tensor, site: Site, frame: FrameType) -> None:
    """Warn if a bias or labels seem to broadcast by accident, along the wrong axis, to a result of shape (n, n)."""
    if site.anonymous:  # made inside a rule or by derive
        return
    if node._array.ndim != 2 or len(node._array) != node._array.shape[1] or len(node._array) < 2:
        return
    n = len(node._array)
    for i, (leaf, computed) in enumerate((node.inputs, node.inputs[::-1])):
        if type(leaf) is not Tensor or type(computed) is not Tensor or leaf.op is not None or computed.op is None:
            continue
        name = described_operand(leaf, site, i).name
        if leaf.shape == (n,) and computed.shape == (n, n):
            if not leaf.requires_grad or not _is_weight_times_columns(computed):
                continue
            problem = (
                f"{name} of shape ({n},) is added along the last axis of ({n}, {n}), one number for each column;"
                f" for one number for each row give it the shape ({n}, 1)"
            )
        elif computed.requires_grad and (
            {leaf.shape, computed.shape} == {(n,), (n, 1)}
            or ({leaf.shape, computed.shape} == {(1, n), (n, 1)} and not leaf.requires_grad)
        ):
            if computed.op.kind in ("shape", "indexing"):  # the way to ask for every pair
                continue
            problem = (
                f"{name} of shape {leaf.shape} and a result of shape {computed.shape} broadcast to ({n}, {n}),"
                f" every pair; give {name} the shape {computed.shape}"
            )
        else:
            continue
        warnings.warn_explicit(
            f"{site.text or node.op.name}: {problem}."  # type: ignore[union-attr]
            " To switch this off: warnings.simplefilter('ignore', tinygraph.BroadcastWarning)",
            BroadcastWarning,
            site.filename,
            site.line,
            registry=frame.f_globals.setdefault("__warningregistry__", {}),
        )


def _is_weight_times_columns(product: Tensor) -> bool:
    """Return whether `product` is W @ X with a parameter W, so that examples are columns; in X @ W they are rows."""
    if product.op is None or not product.op.is_matrix_product:
        return False
    return [type(x) is Tensor and x.op is None and x.requires_grad for x in product.inputs] == [True, False]


@op(
    "elementwise",
    lambda xp, g, z, x, y: g,
    lambda xp, g, z, x, y: g,
    notation="{0} + {1}",
    binding=SUM,
    run=operator.add,
    operators=("__add__", "__radd__"),
    check=_warn_of_spreading,
    source="{0} + {1}",
    linear="together",
    associative=True,
    arithmetic="sum",
)
def add(xp: Any, x: ArrayLike, y: ArrayLike) -> Any:
    """z = x + y, elementwise.

    >>> tg.add([1.0, 2.0], 10.0)
    Tensor([11., 12.], op=add)
    """
    return xp.add(x, y)


@op(
    "elementwise",
    lambda xp, g, z, x, y: g,
    lambda xp, g, z, x, y: -g,
    notation="{0} − {1}",
    binding=SUM,
    run=operator.sub,
    operators=("__sub__", "__rsub__"),
    check=_warn_of_spreading,
    source="{0} - {1}",
    linear="together",
    arithmetic="difference",
)
def subtract(xp: Any, x: ArrayLike, y: ArrayLike) -> Any:
    """z = x − y, elementwise.

    >>> tg.subtract([1.0, 2.0], 1.0)
    Tensor([0., 1.], op=subtract)
    """
    return xp.subtract(x, y)


@op(
    "elementwise",
    lambda xp, g, z, x, y: g * y,
    lambda xp, g, z, x, y: g * x,
    notation="{0} ∗ {1}",
    binding=PRODUCT,
    run=operator.mul,
    operators=("__mul__", "__rmul__"),
    source="{0} * {1}",
    linear="each",
    associative=True,
    arithmetic="product",
)
def multiply(xp: Any, x: ArrayLike, y: ArrayLike) -> Any:
    """z = x ∗ y, elementwise (the Hadamard product; the matrix product is `matmul`).

    >>> tg.multiply([1.0, 2.0], [3.0, 4.0])
    Tensor([3., 8.], op=multiply)
    """
    return xp.multiply(x, y)


@op(
    "elementwise",
    lambda xp, g, z, x, y: g / y,
    lambda xp, g, z, x, y: -g * (z / y),
    notation="{0} / {1}",
    binding=PRODUCT,
    run=operator.truediv,
    operators=("__truediv__", "__rtruediv__"),
    samples=(_nonzero, _nonzero),
    source="{0} / {1}",
    linear=((0,),),
    factors=(0,),
    divisor=1,
    pole="division by 0",
    advice="keep the divisor away from 0, as in x / (y + 1e-12); where it may be 0 choose it first, as in"
    " x / tg.where(y == 0, 1.0, y)",
    arithmetic="quotient",
)
def divide(xp: Any, x: ArrayLike, y: ArrayLike) -> Any:
    """z = x / y, elementwise. Integers give floats.

    >>> tg.divide([1.0, 2.0], 4.0)
    Tensor([0.25, 0.5 ], op=divide)
    """
    return xp.divide(x, y)


@composite("elementwise", samples=(_nonzero,))
def reciprocal(x: ArrayLike) -> Tensor:
    """y = 1/x, elementwise, with y′ = −1/x². Raises `DTypeError` for integers, whose reciprocals are not integers.

    >>> import tinygraph as tg
    >>> tg.reciprocal([2.0, 4.0])
    Tensor([0.5 , 0.25], op=divide)
    """
    x = as_tensor(x)
    if x.dtype.kind != "f":
        raise DTypeError(f"reciprocals cannot be {x.dtype}; for floats, write 1 / x")
    return divide(1.0, x)


def positive(x: ArrayLike) -> Tensor:
    """+x, which is `x` itself as a tensor.

    >>> tg.positive([1.0, -2.0])
    Tensor([ 1., -2.])
    """
    return as_tensor(x)


@op(
    "elementwise",
    level,
    level,
    notation="{0} div {1}",
    binding=PRODUCT,
    run=operator.floordiv,
    operators=("__floordiv__", "__rfloordiv__"),
    samples=(_dividend, _divisor),
    jumps=True,
    source="{0} // {1}",
)
def floor_divide(xp: Any, x: ArrayLike, y: ArrayLike) -> Any:
    """z = ⌊x/y⌋, elementwise, so that x = z y + `remainder(x, y)`. The derivatives are 0.

    >>> tg.floor_divide([5.0, -5.0], 2.0)
    Tensor([ 2., -3.], op=floor_divide)
    """
    return xp.floor_divide(x, y)


@op(
    "elementwise",
    lambda xp, g, z, x, y: g,
    lambda xp, g, z, x, y: -(g * xp.floor_divide(x, y)),
    notation="{0} mod {1}",
    binding=PRODUCT,
    run=operator.mod,
    operators=("__mod__", "__rmod__"),
    samples=(_dividend, _divisor),
    jumps=True,
    source="{0} % {1}",
)
def remainder(xp: Any, x: ArrayLike, y: ArrayLike) -> Any:
    """z = x − ⌊x/y⌋ y, elementwise; z has the sign of y. The derivatives are 1 and −⌊x/y⌋.

    >>> tg.remainder([5.0, -5.0], 3.0)
    Tensor([2., 1.], op=remainder)
    """
    return xp.remainder(x, y)


@op(
    "elementwise",
    lambda xp, g, z, x, y: g,
    lambda xp, g, z, x, y: -(g * xp.rint((x - z) / y)),  # not trunc(x / y): the float 1 / 0.1 is rounded up to 10
    samples=(_dividend, _divisor),
    jumps=True,
)
def fmod(xp: Any, x: ArrayLike, y: ArrayLike) -> Any:
    """z = x − n y, elementwise, where n is x/y truncated; z has the sign of x. The derivatives are 1 and −n.

    >>> tg.fmod([5.0, -5.0], 3.0)
    Tensor([ 2., -2.], op=fmod)
    """
    return xp.fmod(x, y)


@composite("elementwise", samples=(_dividend, _divisor))
def divmod(x: ArrayLike, y: ArrayLike) -> tuple[Tensor, Tensor]:
    """`floor_divide(x, y)` and `remainder(x, y)`, elementwise, as a pair; Python's ``divmod`` of tensors does the same.

    >>> import tinygraph as tg
    >>> tg.divmod(5.0, 3.0)
    (Tensor(1., op=floor_divide), Tensor(2., op=remainder))
    """
    return floor_divide(x, y), remainder(x, y)


@op(
    "elementwise",
    lambda xp, g, y, x: -g,
    notation="−{0}",
    binding=SIGN,
    run=operator.neg,
    operators=("__neg__",),
    source="-{0}",
    linear="together",
    arithmetic="negation",
)
def negative(xp: Any, x: ArrayLike) -> Any:
    """y = −x, elementwise.

    >>> tg.negative([1.0, -2.0])
    Tensor([-1.,  2.], op=negative)
    """
    return xp.negative(x)


def _power(x: Any, y: Any) -> Any:
    """Return x^y. ``np.power`` is fast only for squares, and ``**`` with a NumPy scalar may change the dtype."""
    if type(y) not in (int, float):
        return np.power(x, y)
    if y in (3, 0.5) and getattr(x, "dtype", np.dtype(object)).kind == "f":
        return x * x * x if y == 3 else np.sqrt(x)
    return x**y


def _pow_base(xp: Any, g: Any, z: Any, x: Any, y: Any) -> Any:
    """Return g y x^(y−1), in its simplest form if the exponent is a plain number."""
    if type(y) in (int, float):  # not isinstance: np.float64, the value of a node, is a float too
        if y == 0:
            return g * 0.0
        if y == 1 or y == 2:
            return g if y == 1 else g * (y * x)
        if 2**-4 <= math.fabs(y) <= 1e6:  # a factor y of this size hardly undoes an overflow of the power
            return g * (y * xp.pow(x, y - 1))
    return g * xp.scaled_power(y, x, y - 1.0)


def _pow_exponent(xp: Any, g: Any, z: Any, x: Any, y: Any) -> Any:
    """Return g z log x, and 0 at x = 0 for y ≥ 0."""
    if type(x) in (int, float) and x != 0:
        return g * (z * (math.log(x) if x > 0 else math.nan))
    return g * (z * _log_of_base(xp, x, y))


def _log_of_base(xp: Any, x: Any, y: Any) -> Any:
    """Return log x, and 0 at x = 0 for y ≥ 0."""
    return xp.log(xp.where(x == 0, xp.where(y >= 0, 1.0, x), x))


@op(
    "elementwise",
    lambda xp, g, z, c, x, y: xp.scaled_power(g, x, y),
    lambda xp, g, z, c, x, y: g * xp.scaled_power(c * y, x, y - 1.0),
    lambda xp, g, z, c, x, y: g * xp.scaled_power(c * _log_of_base(xp, x, y), x, y),
    notation="{0} ∗ {1}^{2}",
    binding=PRODUCT,
    run=kernels.scaled_power,
    samples=(_positive, _positive, Domain()),
    exponent=2,
)
def scaled_power_(xp: Any, c: ArrayLike, x: ArrayLike, y: ArrayLike) -> Any:
    """c x^y, also if x^y alone overflows or underflows; 0 where c is 0."""
    return xp.scaled_power(c, x, y)


@op(
    "elementwise",
    _pow_base,
    _pow_exponent,
    notation="{0}^{1}",
    binding=POWER,
    run=_power,
    operators=("__pow__", "__rpow__"),
    samples=(_positive, None),
    source="{0} ** {1}",
    factors=(0, 1),
    exponent=1,
    advice="a positive base, as in tg.abs(x) ** y, or an exponent that is a whole number",
    gradient_advice="keep the base away from 0, where the slope is infinite, as in (x + 1e-12) ** y",
    arithmetic="power",
)
def pow(xp: Any, x: ArrayLike, y: ArrayLike) -> Any:
    """z = x^y, elementwise. At 0^0 both derivatives are 0, as in PyTorch.

    >>> tg.pow([1.0, 2.0, 3.0], 2)
    Tensor([1., 4., 9.], op=pow)
    """
    return xp.pow(x, y)


@op(
    "elementwise",
    slope=lambda y, x: 2 * x,
    notation="{0}^2",
    binding=POWER,
    source="{0} ** 2",
    factors=(0,),
    arithmetic="square",
)
def square(xp: Any, x: ArrayLike) -> Any:
    """y = x², elementwise.

    >>> tg.square([1.0, -2.0])
    Tensor([1., 4.], op=square)
    """
    return xp.square(x)


@op(
    "elementwise",
    lambda xp, g, y, x: g / (2 * y),
    notation="√{0}",
    binding=SIGN,
    arithmetic="square root",
    samples=(_positive,),
    advice="tg.maximum(x, 0.0) first, if the argument is negative by rounding only",
    gradient_advice="keep the argument away from 0, where the slope is infinite, as in tg.sqrt(x + 1e-12)",
)
def sqrt(xp: Any, x: ArrayLike) -> Any:
    """y = √x, elementwise; the derivative at 0 is inf.

    >>> tg.sqrt([1.0, 4.0])
    Tensor([1., 2.], op=sqrt)
    """
    return xp.sqrt(x)


@op("elementwise", lambda xp, g, y, x: g / (3 * y**2), samples=(_nonzero,))
def cbrt(xp: Any, x: ArrayLike) -> Any:
    """y = ∛x, elementwise, also for negative x, with y′ = 1/(3 y²), which is inf at 0.

    >>> tg.cbrt([8.0, -27.0])
    Tensor([ 2., -3.], op=cbrt)
    """
    return xp.cbrt(x)


def _over_length(xp: Any, g: Any, z: Any, x: Any, y: Any) -> Any:
    """Return g x/z for z = hypot(x, y), and 0 where z is 0."""
    q = without_factor(g, z)
    return g * xp.direction(x, y, z) if q is None else q * x


@op("elementwise", lambda xp, g, y, x: g, notation="{0}", run=kernels.without_zero, samples=(_nonzero,))
def without_zero_(xp: Any, x: ArrayLike) -> Any:
    """x as a divisor, with inf in place of 0: there the quotient and all its derivatives are 0."""
    return xp.where(x == 0, math.inf, x)


@op(
    "elementwise",
    slope=(
        lambda xp, z, x, y, r: xp.direction(y, x, r) * (xp.direction(y, x, r) / xp.without_zero(r)),
        lambda xp, z, x, y, r: -(z * (xp.direction(y, x, r) / xp.without_zero(r))),
        None,
    ),
    notation="{0} / {2}",
    binding=PRODUCT,
    run=kernels.direction,
    samples=(_not_flat, _not_flat, Domain(computed="hypot")),
)
def direction_(xp: Any, x: ArrayLike, y: ArrayLike, r: ArrayLike) -> Any:
    """x/r for r = `hypot(x, y)`, and 0 where r is 0. The derivative is written y²/r³, as 1/r − x²/r³ would cancel.

    Where x is infinite, the result is ±1.
    """
    return xp.direction(x, y, r)


@op(
    "elementwise",
    lambda xp, g, z, x, y: _over_length(xp, g, z, x, y),
    lambda xp, g, z, x, y: _over_length(xp, g, z, y, x),
    samples=(_not_flat, _not_flat),
)
def hypot(xp: Any, x: ArrayLike, y: ArrayLike) -> Any:
    """z = √(x² + y²), elementwise; no intermediate result overflows. At (0, 0) the derivatives are 0, as for a norm.

    >>> tg.hypot([3.0, 3e200], [4.0, 4e200])
    Tensor([5.e+000, 5.e+200], op=hypot)
    """
    return xp.hypot(x, y)


def _of_abs(xp: Any, g: Any, y: Any, x: Any) -> Any:
    q = without_factor(g, y)
    return g * xp.sign(x) if q is None else q * x


@op(
    "elementwise",
    _of_abs,
    notation="|{0}|",
    run=np.absolute,
    operators=("__abs__",),
    samples=(_not_flat,),
)
def abs(xp: Any, x: ArrayLike) -> Any:
    """y = |x|, elementwise. The derivative at 0 is 0.

    >>> tg.abs([1.0, -2.0])
    Tensor([1., 2.], op=abs)
    """
    return xp.abs(x)


@op("elementwise", level, notation="sign({0})", samples=(_not_flat,), jumps=True)
def sign(xp: Any, x: ArrayLike) -> Any:
    """−1, 0 or 1, the sign of x, elementwise. The derivative is 0.

    >>> tg.sign([-3.0, 0.0, 2.0])
    Tensor([-1.,  0.,  1.], op=sign)
    """
    return xp.sign(x)


@op(
    "elementwise",
    slope=(lambda xp, z, x, y: xp.sign(x) * xp.copysign(1.0, y), lambda z, x, y: 0.0),
    samples=(_not_flat, _not_flat),
)
def copysign(xp: Any, x: ArrayLike, y: ArrayLike) -> Any:
    """z = |x| with the sign of y, elementwise. The derivative by x is 0 at x = 0; that by y is 0 everywhere.

    >>> tg.copysign([1.0, -2.0], -3.0)
    Tensor([-1., -2.], op=copysign)
    """
    return xp.copysign(x, y)


# -- rounding: constant between jumps ------------------------------------------------------------------------------


@op("elementwise", level, notation="⌊{0}⌋", samples=(_between,), jumps=True)
def floor(xp: Any, x: ArrayLike) -> Any:
    """⌊x⌋, the largest integer ≤ x, elementwise. The derivative is 0.

    >>> tg.floor([1.5, -1.5])
    Tensor([ 1., -2.], op=floor)
    """
    return xp.floor(x)


@op("elementwise", level, notation="⌈{0}⌉", samples=(_between,), jumps=True)
def ceil(xp: Any, x: ArrayLike) -> Any:
    """⌈x⌉, the smallest integer ≥ x, elementwise. The derivative is 0.

    >>> tg.ceil([1.5, -1.5])
    Tensor([ 2., -1.], op=ceil)
    """
    return xp.ceil(x)


@op("elementwise", level, samples=(_between,), jumps=True)
def trunc(xp: Any, x: ArrayLike) -> Any:
    """x without its fractional part, elementwise. The derivative is 0.

    >>> tg.trunc([1.5, -1.5])
    Tensor([ 1., -1.], op=trunc)
    """
    return xp.trunc(x)


@op("elementwise", level, notation="round({0})", samples=(_between,), jumps=True)
def rint_(xp: Any, x: ArrayLike) -> Any:
    """The integer nearest to x; halves go to the even neighbour."""
    return xp.rint(x)


@composite(
    "elementwise",
    samples=tuple(
        Sample(shape, {"decimals": n}, (Domain(0.1, 0.4, signs=True),))
        for shape in (((2, 3),), ((),))
        for n in (0, 1, -1)
    ),
)
def round(x: ArrayLike, decimals: int = 0) -> Tensor:
    """x rounded to `decimals` decimals, elementwise; halves go to the even neighbour. The derivative is 0.

    >>> import tinygraph as tg
    >>> tg.round([1.5, 2.5, -1.25])
    Tensor([ 2.,  2., -1.], op=rint)
    >>> tg.round(1234.5678, 2), tg.round(1234, -2)
    (Tensor(1234.57, op=divide), Tensor(1200, op=discretize))
    """
    x = positive(x)
    decimals = operator.index(decimals)
    if x.dtype.kind in "biu":
        return x if decimals >= 0 else astype(round(divide(x, 1.0), decimals), x.dtype)
    if decimals == 0:
        return rint_(x)
    power = 10.0 ** (decimals if decimals > 0 else -decimals)
    return rint_(x * power) / power if decimals > 0 else rint_(x / power) * power


@op(
    "elementwise",
    lambda xp, g, y, x: g,
    run=kernels.fractional,
    samples=(_between,),
    jumps=True,
)
def fractional_(xp: Any, x: ArrayLike) -> Any:
    """x − trunc(x), which has the sign of x; 0 where x is infinite."""
    return xp.fractional(x)


@composite("elementwise", samples=(_between,))
def modf(x: ArrayLike) -> tuple[Tensor, Tensor]:
    """The fractional and the integral part of x, elementwise, both with the sign of x. Their derivatives are 1 and 0.

    >>> import tinygraph as tg
    >>> tg.modf([1.5, -1.5])
    (Tensor([ 0.5, -0.5], op=fractional), Tensor([ 1., -1.], op=trunc))
    """
    return fractional_(x), trunc(x)


@op(
    "elementwise",
    level,
    lambda xp, g, z, x, y: xp.where(x == 0, g, 0.0),
    samples=(_not_flat, None),
    jumps=True,
)
def heaviside(xp: Any, x: ArrayLike, y: ArrayLike) -> Any:
    """z = 0 where x < 0, 1 where x > 0, and y where x = 0, elementwise. Only y has a derivative, and only where x = 0.

    >>> tg.heaviside([-2.0, 0.0, 2.0], 0.5)
    Tensor([0. , 0.5, 1. ], op=heaviside)
    """
    return xp.heaviside(x, y)


# -- bounds --------------------------------------------------------------------------------------------------------


@op(
    "elementwise",
    lambda xp, g, z, x, y: xp.where(x >= y, g, 0.0),
    lambda xp, g, z, x, y: xp.where(x < y, g, 0.0),
    notation="max({0}, {1})",
    source="np.maximum({0}, {1})",
    chooses=True,
)
def at_least_(xp: Any, x: ArrayLike, y: ArrayLike) -> Any:
    """max(x, y); at a tie, x gets the whole gradient."""
    return xp.maximum(x, y)


@op(
    "elementwise",
    lambda xp, g, z, x, y: xp.where(x <= y, g, 0.0),
    lambda xp, g, z, x, y: xp.where(x > y, g, 0.0),
    notation="min({0}, {1})",
    source="np.minimum({0}, {1})",
    chooses=True,
)
def at_most_(xp: Any, x: ArrayLike, y: ArrayLike) -> Any:
    """min(x, y); at a tie, x gets the whole gradient."""
    return xp.minimum(x, y)


@composite(
    "elementwise",
    samples=(
        *(Sample((shape,), {"min": -1.0, "max": 1.5}) for shape in ((2, 3), (), (0, 2))),
        Sample(((2, 3),), {"max": 0.5}),
        Sample(((2, 3),), {"min": 0.5}),
        Sample(((2, 3), (3,), ()), {}, (None, Domain(-1.0, 0.0), Domain(0.0, 1.0))),
        Sample(((3,), (2, 1), (2, 3)), {}, (None, Domain(0.0, 1.0), Domain(-1.0, 0.0))),
    ),
)
def clip(x: ArrayLike, min: ArrayLike | None = None, max: ArrayLike | None = None) -> Tensor:
    """y = min(max(x, `min`), `max`), elementwise; the bounds broadcast with `x`, and None means that there is no bound.

    The gradient goes to x where x lies between the bounds or on one of them, and elsewhere to the bound that y equals.

    >>> import tinygraph as tg
    >>> tg.clip([-2.0, 0.5, 3.0], -1.0, 1.0)
    Tensor([-1. ,  0.5,  1. ], op=at_most)
    """
    y = positive(x)
    if min is not None:
        y = at_least_(y, min)
    return y if max is None else at_most_(y, max)


@op(
    "elementwise",
    lambda xp, g, y, x, largest: g,
    notation="{0}",
    run=kernels.finite,
    samples=(
        Sample(((2, 3),), {"largest": 3.0}),
        Sample(((),), {"largest": 3.0}),
        Sample(((0,),), {"largest": 3.0}),
    ),
)
def finite_(xp: Any, x: ArrayLike, largest: float = sys.float_info.max) -> Any:
    """x limited to ±`largest`: its product with a factor that is 0 for large x is then 0, and not NaN."""
    return xp.finite(x, largest=largest)


@composite("elementwise", samples=(Domain(),))
def nan_to_num(
    x: ArrayLike, nan: ArrayLike = 0.0, posinf: ArrayLike | None = None, neginf: ArrayLike | None = None
) -> Tensor:
    """x with NaN, ∞ and −∞ replaced by `nan`, `posinf` and `neginf`, elementwise.

    `posinf` and `neginf` are by default ± the largest number of the dtype. The gradient of an element that is replaced
    goes to its replacement.

    >>> import tinygraph as tg
    >>> tg.nan_to_num([1.0, np.nan, -np.inf], neginf=-100.0)
    Tensor([   1.,    0., -100.], op=where)
    """
    x = positive(x)
    if x.dtype.kind != "f":
        return x
    largest = float(np.finfo(x.dtype).max)
    y = where(isnan(x), nan, x)
    y = where(equal(x, math.inf), largest if posinf is None else posinf, y)
    return where(equal(x, -math.inf), -largest if neginf is None else neginf, y)


# -- whole numbers and units ---------------------------------------------------------------------------------------


@op("elementwise", None, None, samples=(_natural, _natural))
def gcd(xp: Any, x: ArrayLike, y: ArrayLike) -> Any:
    """The greatest common divisor of integers, elementwise.

    >>> tg.gcd([12, 18], 8)
    Tensor([4, 2], op=gcd)
    """
    return xp.gcd(x, y)


@op("elementwise", None, None, samples=(_natural, _natural))
def lcm(xp: Any, x: ArrayLike, y: ArrayLike) -> Any:
    """The least common multiple of integers, elementwise.

    >>> tg.lcm([4, 6], 8)
    Tensor([ 8, 24], op=lcm)
    """
    return xp.lcm(x, y)


@composite("elementwise", samples=(Domain(),))
def deg2rad(x: ArrayLike) -> Tensor:
    """Degrees converted to radians, π x / 180, elementwise.

    >>> import tinygraph as tg
    >>> tg.deg2rad(180.0)
    Tensor(3.1416, op=multiply)
    """
    return multiply(x, math.pi / 180)


@composite("elementwise", samples=(Domain(),))
def rad2deg(x: ArrayLike) -> Tensor:
    """Radians converted to degrees, 180 x / π, elementwise.

    >>> import tinygraph as tg
    >>> tg.rad2deg(np.pi)
    Tensor(180., op=multiply)
    """
    return multiply(x, 180 / math.pi)


# -- dtypes --------------------------------------------------------------------------------------------------------


def _astype(x: Any, dtype: Any) -> Any:
    return x.astype(dtype)


def _conversion(node: Any) -> str:
    return f"np.{node.dtype.name}({{0}})"


@op(
    "elementwise",
    lambda xp, g, y, x, dtype: g,
    notation="{0}",
    run=_astype,
    samples=(Sample(((2, 3),), {"dtype": np.float64}),),
    source=_conversion,
    flops=0,
    arithmetic="conversion",
)
def astype_(xp: Any, x: ArrayLike, dtype: Any) -> Any:
    """x in another floating dtype. The gradient is returned in the dtype of x."""
    return xp.astype(x, dtype)


@op(
    "elementwise",
    None,
    notation="{0}",
    run=_astype,
    samples=(Sample(((2, 3),), {"dtype": np.int64}),),
    source=_conversion,
    flops=0,
    arithmetic="truncation",
)
def discretize_(xp: Any, x: ArrayLike, dtype: Any) -> Any:
    """x as integers or booleans, without a gradient."""
    return xp.astype(x, dtype)


@composite(
    "elementwise",
    samples=tuple(Sample(((2, 3),), {"dtype": dtype}) for dtype in (np.float64, np.int64)),
    reference=_astype,
)
def astype(x: ArrayLike, dtype: Any) -> Tensor:
    """`x` in another dtype. The gradient of `x` has the dtype of `x`; a conversion to integers or booleans has none.

    Raises `DTypeError` unless `dtype` is floating, integer or boolean.

    >>> import tinygraph as tg
    >>> tg.astype([1.0, 2.0], "float32").dtype
    dtype('float32')
    """
    dtype = np.dtype(dtype)
    if dtype.kind not in "biuf":
        raise DTypeError(unusable(dtype))
    return (astype_ if dtype.kind == "f" else discretize_)(x, dtype)


def floating(x: ArrayLike) -> Tensor:
    """Return `x` itself if its dtype is floating, else `x` as float64."""
    x = as_tensor(x)
    return x if x.dtype.kind == "f" else astype(x, np.float64)
