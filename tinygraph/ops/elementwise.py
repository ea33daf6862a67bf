"""Operations that work element by element and broadcast their operands, with their derivatives.

In the rules g is the cotangent of the output, y (or z, where y is an input) the output. A derivative is written in
terms of the output where textbooks do.
"""

from __future__ import annotations

import math
import operator
import warnings
from types import FrameType
from typing import Any

import numpy as np

from .. import kernels
from ..apply import composite, described_operand, op
from ..errors import BroadcastWarning, DTypeError
from ..graph import ArrayLike, Tensor, unusable
from ..places import Site
from ..samples import Domain, Sample
from ..table import COMPARISON, POWER, PRODUCT, SIGN, SUM

__all__ = [
    "abs",
    "add",
    "astype",
    "copysign",
    "cosh",
    "divide",
    "equal",
    "erf",
    "erfc",
    "exp",
    "expm1",
    "fmax",
    "fmin",
    "gelu",
    "greater",
    "greater_equal",
    "less",
    "less_equal",
    "log",
    "log1p",
    "maximum",
    "minimum",
    "multiply",
    "ndtr",
    "negative",
    "not_equal",
    "pow",
    "relu",
    "sigmoid",
    "sign",
    "sinh",
    "softplus",
    "sqrt",
    "square",
    "subtract",
    "tanh",
    "where",
]

_nonzero = Domain(0.5, 2.0, signs=True)
_positive = Domain(0.5, 2.0)
_not_flat = Domain(0.1, 2.0, signs=True)  # away from kinks at 0


# -- arithmetic ----------------------------------------------------------------------------------------------------


def _warn_of_spreading(node: Tensor, site: Site, frame: FrameType) -> None:
    """Warn where a bias, or labels, fit by accident, along the wrong axis, and the result is (n, n)."""
    if site.anonymous:  # made in the working of a rule or of derive
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
                f"{name} of shape {leaf.shape} and a result of shape {computed.shape} give ({n}, {n}), every pair;"
                f" give {name} the shape {computed.shape}"
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
    """Whether this is W @ X with W a parameter: then examples are columns. In X @ W they are rows."""
    if product.op is None or product.op.name != "matmul":
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
)
def divide(xp: Any, x: ArrayLike, y: ArrayLike) -> Any:
    """z = x / y, elementwise; integers give floats.

    >>> tg.divide([1.0, 2.0], 4.0)
    Tensor([0.25, 0.5 ], op=divide)
    """
    return xp.divide(x, y)


@op(
    "elementwise",
    lambda xp, g, y, x: -g,
    notation="−{0}",
    binding=SIGN,
    run=operator.neg,
    operators=("__neg__",),
    source="-{0}",
)
def negative(xp: Any, x: ArrayLike) -> Any:
    """y = −x, elementwise.

    >>> tg.negative([1.0, -2.0])
    Tensor([-1.,  2.], op=negative)
    """
    return xp.negative(x)


def _pow_base(xp: Any, g: Any, z: Any, x: Any, y: Any) -> Any:
    """y x^(y−1), in its simplest form where the exponent is a number in the source."""
    if type(y) in (int, float):  # not of a node: those have numbers that are floats, too
        if y == 0:
            return g * 0.0
        return g if y == 1 else g * (y * x) if y == 2 else g * (y * x ** (y - 1))
    return g * (y * xp.where(y == 0, xp.where(x == 0, 1.0, x), x) ** (y - 1.0))


def _pow_exponent(xp: Any, g: Any, z: Any, x: Any, y: Any) -> Any:
    """z log x, and 0 at 0^y where y ≥ 0."""
    if type(x) in (int, float) and x != 0:
        return g * (z * (math.log(x) if x > 0 else math.nan))
    return g * (z * xp.log(xp.where(x == 0, xp.where(y >= 0, 1.0, 0.0), x)))


@op(
    "elementwise",
    _pow_base,
    _pow_exponent,
    notation="{0}^{1}",
    binding=POWER,
    run=operator.pow,
    operators=("__pow__", "__rpow__"),
    samples=(_positive, None),
    source="{0} ** {1}",
)
def pow(xp: Any, x: ArrayLike, y: ArrayLike) -> Any:
    """z = x^y, elementwise. At 0^0 the derivatives are 0, as in PyTorch.

    >>> tg.pow([1.0, 2.0, 3.0], 2)
    Tensor([1., 4., 9.], op=pow)
    """
    return xp.pow(x, y)


@op("elementwise", lambda xp, g, y, x: g * (2 * x), notation="{0}^2", binding=POWER, source="{0} ** 2")
def square(xp: Any, x: ArrayLike) -> Any:
    """y = x², elementwise.

    >>> tg.square([1.0, -2.0])
    Tensor([1., 4.], op=square)
    """
    return xp.square(x)


@op("elementwise", lambda xp, g, y, x: g / (2 * y), notation="√{0}", binding=SIGN, samples=(_positive,))
def sqrt(xp: Any, x: ArrayLike) -> Any:
    """y = √x, elementwise; the derivative at 0 is inf.

    >>> tg.sqrt([1.0, 4.0])
    Tensor([1., 2.], op=sqrt)
    """
    return xp.sqrt(x)


@op(
    "elementwise",
    lambda xp, g, y, x: g * xp.sign(x),
    notation="|{0}|",
    run=np.absolute,
    operators=("__abs__",),
    samples=(_not_flat,),
)
def abs(xp: Any, x: ArrayLike) -> Any:
    """y = |x|, elementwise; the derivative at 0 is 0.

    >>> tg.abs([1.0, -2.0])
    Tensor([1., 2.], op=abs)
    """
    return xp.abs(x)


@op("elementwise", None, notation="sign({0})", samples=(_not_flat,))
def sign(xp: Any, x: ArrayLike) -> Any:
    """−1, 0 or 1, elementwise. Recorded, without a gradient.

    >>> tg.sign([-3.0, 0.0, 2.0])
    Tensor([-1.,  0.,  1.], op=sign)
    """
    return xp.sign(x)


# -- exponentials and logarithms -----------------------------------------------------------------------------------


@op("elementwise", lambda xp, g, y, x: g * y, notation="exp({0})")
def exp(xp: Any, x: ArrayLike) -> Any:
    """y = eˣ, elementwise.

    >>> tg.exp([0.0, 1.0])
    Tensor([1.    , 2.7183], op=exp)
    """
    return xp.exp(x)


@op("elementwise", lambda xp, g, y, x: g * (y + 1.0))
def expm1(xp: Any, x: ArrayLike) -> Any:
    """y = eˣ − 1, elementwise, precise near 0.

    >>> tg.expm1([0.0, 1e-12]).data.tolist()
    [0.0, 1.0000000000005e-12]
    """
    return xp.expm1(x)


@op("elementwise", lambda xp, g, y, x: g / x, notation="log({0})", samples=(_positive,))
def log(xp: Any, x: ArrayLike) -> Any:
    """y = log x, the natural logarithm, elementwise.

    >>> tg.log([1.0, 2.0])
    Tensor([0.    , 0.6931], op=log)
    """
    return xp.log(x)


@op("elementwise", lambda xp, g, y, x: g / (1.0 + x), samples=(_positive,))
def log1p(xp: Any, x: ArrayLike) -> Any:
    """y = log(1 + x), elementwise, precise near 0.

    >>> tg.log1p([0.0, 1e-12]).data.tolist()
    [0.0, 9.999999999995e-13]
    """
    return xp.log1p(x)


@op("elementwise", lambda xp, g, y, x: g * xp.sinh(x))
def cosh(xp: Any, x: ArrayLike) -> Any:
    """y = cosh x = (eˣ + e⁻ˣ) / 2, elementwise, with y′ = sinh x.

    >>> tg.cosh([0.0, 1.0])
    Tensor([1.    , 1.5431], op=cosh)
    """
    return xp.cosh(x)


@op("elementwise", lambda xp, g, y, x: g * xp.cosh(x))
def sinh(xp: Any, x: ArrayLike) -> Any:
    """y = sinh x = (eˣ − e⁻ˣ) / 2, elementwise, with y′ = cosh x.

    >>> tg.sinh([0.0, 1.0])
    Tensor([0.    , 1.1752], op=sinh)
    """
    return xp.sinh(x)


# -- the normal distribution ---------------------------------------------------------------------------------------


def _ndtr(x: Any) -> Any:
    """Through erfc, which keeps its precision in the left tail."""
    return 0.5 * kernels.erfc(-x * math.sqrt(0.5))


@op("elementwise", lambda xp, g, y, x: g * (2 / math.sqrt(math.pi) * xp.exp(-(x**2))), run=kernels.erf)
def erf(xp: Any, x: ArrayLike) -> Any:
    """The error function y = 2/√π ∫₀ˣ exp(−t²) dt, elementwise.

    >>> tg.erf([0.0, 1.0])
    Tensor([0.    , 0.8427], op=erf)
    """
    return xp.erf(x)


@op("elementwise", lambda xp, g, y, x: -(g * (2 / math.sqrt(math.pi) * xp.exp(-(x**2)))), run=kernels.erfc)
def erfc(xp: Any, x: ArrayLike) -> Any:
    """The complementary error function y = 1 − erf x, elementwise, which keeps its digits where that is near 0.

    >>> tg.erfc([0.0, 1.0, 10.0])
    Tensor([1.0000e+00, 1.5730e-01, 2.0885e-45], op=erfc)
    """
    return xp.erfc(x)


@op(
    "elementwise",
    lambda xp, g, y, x: -(g * (x * y)),
    notation="φ({0})",
    source="np.exp(-0.5 * {0} ** 2) / np.sqrt(2 * np.pi)",
)
def normal_density_(xp: Any, x: ArrayLike) -> Any:
    """φ(x) = exp(−x²/2) / √(2π), elementwise."""
    return xp.exp(-0.5 * x**2) / math.sqrt(2 * math.pi)  # type: ignore[operator]


@op(
    "elementwise",
    lambda xp, g, y, x: g * xp.normal_density(x),
    notation="Φ({0})",
    run=_ndtr,
    source="0.5 * erfc(-{0} / np.sqrt(2))",
)
def ndtr(xp: Any, x: ArrayLike) -> Any:
    """Φ(x), the distribution function of the normal distribution, elementwise; its derivative is the density φ.

    >>> tg.ndtr([0.0, 1.0])
    Tensor([0.5   , 0.8413], op=ndtr)
    """
    return xp.ndtr(x)


# -- activations ---------------------------------------------------------------------------------------------------


@op("elementwise", lambda xp, g, y, x: g * (1.0 - y * y), notation="tanh({0})")
def tanh(xp: Any, x: ArrayLike) -> Any:
    """y = tanh x, elementwise, with y′ = 1 − y².

    >>> tg.tanh([0.0, 1.0])
    Tensor([0.    , 0.7616], op=tanh)
    """
    return xp.tanh(x)


# Above this e^x would overflow, and long before it e^x / (1 + e^x) has become 1.
_LARGEST_EXPONENT = {np.dtype(t): float(np.floor(np.log(np.finfo(t).max))) - 1 for t in (np.float16, np.float32)}


def _sigmoid(x: Any) -> Any:
    """e^x / (1 + e^x): precise in both tails, without overflow, in four passes."""
    e = np.exp(np.minimum(x, _LARGEST_EXPONENT.get(x.dtype, 708.0)))
    if e.ndim == 0:
        return e / (1.0 + e)
    d = e + 1.0
    return np.divide(e, d, d)


@op(
    "elementwise",
    lambda xp, g, y, x: g * (y * (1.0 - y)),
    notation="σ({0})",
    run=_sigmoid,
    source="1 / (1 + np.exp(-{0}))",
)
def sigmoid(xp: Any, x: ArrayLike) -> Any:
    """y = σ(x) = 1 / (1 + e⁻ˣ), elementwise, with y′ = y (1 − y). Never overflows.

    >>> tg.sigmoid([-1000.0, 0.0, 1000.0])
    Tensor([0. , 0.5, 1. ], op=sigmoid)
    """
    return xp.exp(xp.minimum(x, 0.0)) / (1.0 + xp.exp(-xp.abs(x)))


@op(
    "elementwise",
    lambda xp, g, y, x: xp.where(y <= 0, 0.0, g),
    notation="relu({0})",
    samples=(_not_flat,),
    source="np.maximum({0}, 0)",
)
def relu(xp: Any, x: ArrayLike) -> Any:
    """y = max(x, 0), elementwise; the derivative at 0 is 0.

    >>> tg.relu([-1.0, 0.0, 2.0])
    Tensor([0., 0., 2.], op=relu)
    """
    return xp.maximum(x, 0.0)


@op(
    "elementwise",
    lambda xp, g, y, x: g * (xp.ndtr(x) + x * xp.normal_density(x)),
    source="0.5 * {0} * erfc(-{0} / np.sqrt(2))",
)
def gelu(xp: Any, x: ArrayLike) -> Any:
    """y = x Φ(x), elementwise, with y′ = Φ(x) + x φ(x), where Φ is the normal distribution (Hendrycks, Gimpel 2016).

    >>> tg.gelu([-1.0, 0.0, 2.0])
    Tensor([-0.1587,  0.    ,  1.9545], op=gelu)
    """
    return x * xp.ndtr(x)


@op("elementwise", lambda xp, g, y, x: g * xp.sigmoid(x), source="np.logaddexp({0}, 0)")
def softplus(xp: Any, x: ArrayLike) -> Any:
    """y = log(1 + eˣ), elementwise, with y′ = σ(x). Never overflows.

    >>> tg.softplus([-1000.0, 0.0, 1000.0]).data.tolist()
    [0.0, 0.6931471805599453, 1000.0]
    """
    return xp.maximum(x, 0.0) + xp.log1p(xp.exp(-xp.abs(x)))


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
    lambda xp, g, z, x, y: g * (xp.sign(x) * xp.copysign(1.0, y)),
    lambda xp, g, z, x, y: g * 0.0,
    samples=(_not_flat, _not_flat),
)
def copysign(xp: Any, x: ArrayLike, y: ArrayLike) -> Any:
    """z = |x| with the sign of y, elementwise; the derivative at x = 0 is 0, and by y too.

    >>> tg.copysign([1.0, -2.0], -3.0)
    Tensor([-1., -2.], op=copysign)
    """
    return xp.copysign(x, y)


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


# -- dtypes --------------------------------------------------------------------------------------------------------


def _astype(x: Any, dtype: Any) -> Any:
    return x.astype(dtype)


@op(
    "elementwise",
    lambda xp, g, y, x, dtype: g,
    notation="{0}",
    run=_astype,
    samples=(Sample(((2, 3),), {"dtype": np.float64}),),
)
def astype_(xp: Any, x: ArrayLike, dtype: Any) -> Any:
    """x in another floating dtype; the gradient comes back in the dtype of x."""
    return xp.astype(x, dtype)


@op("elementwise", None, notation="{0}", run=_astype, samples=(Sample(((2, 3),), {"dtype": np.int64}),))
def discretize_(xp: Any, x: ArrayLike, dtype: Any) -> Any:
    """x as integers or booleans: no gradient comes back."""
    return xp.astype(x, dtype)


@composite(
    "elementwise",
    samples=tuple(Sample(((2, 3),), {"dtype": dtype}) for dtype in (np.float64, np.int64)),
    reference=_astype,
)
def astype(x: ArrayLike, dtype: Any) -> Tensor:
    """`x` in another dtype. The gradient comes back in the dtype of `x`; from integers and booleans none does.

    >>> import tinygraph as tg
    >>> tg.astype([1.0, 2.0], "float32").dtype
    dtype('float32')
    """
    dtype = np.dtype(dtype)
    if dtype.kind not in "biuf":
        raise DTypeError(unusable(dtype))
    return (astype_ if dtype.kind == "f" else discretize_)(x, dtype)
