"""Exponentials, logarithms, trigonometric, hyperbolic and related functions, element by element.

Each is a primitive that calls one function of NumPy or one kernel. The gamma functions come from SciPy.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ... import kernels
from ...errors import ArgumentError, DependencyError
from ...graph.declaring import op
from ...graph.records import POWER, PRODUCT, SIGN, SUM
from ...graph.samples import Domain, Sample
from ...graph.tensor import ArrayLike, Tensor

__all__ = [
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "cos",
    "cosh",
    "digamma",
    "erf",
    "erfc",
    "exp",
    "exp2",
    "expm1",
    "gammaln",
    "log",
    "log1p",
    "log2",
    "log10",
    "logaddexp",
    "logaddexp2",
    "ndtr",
    "polygamma",
    "sin",
    "sinc",
    "sinh",
    "tan",
    "tanh",
    "xlogy",
]

_positive = Domain(0.5, 2.0)
_inside = Domain(-0.9, 0.9)
_not_flat = Domain(0.1, 2.0, signs=True)


# -- exponentials and logarithms -----------------------------------------------------------------------------------


@op(
    "elementwise",
    slope=lambda y, x: y,
    notation="exp({0})",
    advice="tg.sigmoid, tg.softplus, tg.softmax or tg.logsumexp, which do not overflow; or subtract the maximum first",
)
def exp(xp: Any, x: ArrayLike) -> Any:
    """y = eˣ, elementwise.

    >>> tg.exp([0.0, 1.0])
    Tensor([1.    , 2.7183], op=exp)
    """
    return xp.exp(x)


@op("elementwise", slope=lambda xp, y, x: xp.exp(x))
def expm1(xp: Any, x: ArrayLike) -> Any:
    """y = eˣ − 1, elementwise, precise near 0, with y′ = eˣ (y + 1 would lose its digits for x far below 0).

    >>> tg.expm1([0.0, 1e-12]).data.tolist()
    [0.0, 1.0000000000005e-12]
    """
    return xp.expm1(x)


@op(
    "elementwise",
    lambda xp, g, y, x: g / x,
    notation="log({0})",
    samples=(_positive,),
    pole="log of 0",
    advice="tg.log_loss for a loss of probabilities, which is computed from logits; else keep the argument above 0,"
    " as in tg.log(tg.maximum(x, 1e-12))",
)
def log(xp: Any, x: ArrayLike) -> Any:
    """y = log x, the natural logarithm, elementwise.

    >>> tg.log([1.0, 2.0])
    Tensor([0.    , 0.6931], op=log)
    """
    return xp.log(x)


@op(
    "elementwise",
    lambda xp, g, y, x: g / (1.0 + x),
    samples=(_positive,),
    pole="log of 0",
)
def log1p(xp: Any, x: ArrayLike) -> Any:
    """y = log(1 + x), elementwise, precise near 0.

    >>> tg.log1p([0.0, 1e-12]).data.tolist()
    [0.0, 9.999999999995e-13]
    """
    return xp.log1p(x)


@op(
    "elementwise",
    slope=(
        lambda xp, z, x, y: xp.log(xp.where((x == 0) & (y <= 0), 1.0, y)),
        lambda xp, z, x, y: xp.quotient(x, y),
    ),
    notation="{0} ∗ log({1})",
    binding=PRODUCT,
    run=kernels.xlogy,
    samples=(None, _positive),
    linear=((0,),),
    factors=(0,),
    pole="log of 0",
    advice="keep the second argument above 0, as in tg.xlogy(x, tg.maximum(y, 1e-12))",
)
def xlogy(xp: Any, x: ArrayLike, y: ArrayLike) -> Any:
    """z = x log y, elementwise, and 0 where x is 0 and y is not NaN. The derivatives are log y by x, x/y by y.

    Where x is 0 and y ≤ 0 the derivative by x is 0, as in PyTorch, and so is that by y.

    >>> tg.xlogy([0.0, 2.0, 3.0], [0.0, 1.0, 2.0])
    Tensor([0.    , 0.    , 2.0794], op=xlogy)
    """
    return xp.xlogy(x, y)


@op("elementwise", slope=lambda y, x: y * math.log(2), notation="2^{0}", binding=POWER)
def exp2(xp: Any, x: ArrayLike) -> Any:
    """y = 2ˣ, elementwise, with y′ = y log 2.

    >>> tg.exp2([0.0, 3.0])
    Tensor([1., 8.], op=exp2)
    """
    return xp.exp2(x)


@op(
    "elementwise",
    lambda xp, g, y, x: g / (x * math.log(2)),
    samples=(_positive,),
    pole="log of 0",
)
def log2(xp: Any, x: ArrayLike) -> Any:
    """y = log₂ x, elementwise, with y′ = 1/(x log 2).

    >>> tg.log2([1.0, 8.0])
    Tensor([0., 3.], op=log2)
    """
    return xp.log2(x)


@op(
    "elementwise",
    lambda xp, g, y, x: g / (x * math.log(10)),
    samples=(_positive,),
    pole="log of 0",
)
def log10(xp: Any, x: ArrayLike) -> Any:
    """y = log₁₀ x, elementwise, with y′ = 1/(x log 10).

    >>> tg.log10([1.0, 1000.0])
    Tensor([0., 3.], op=log10)
    """
    return xp.log10(x)


@op(
    "elementwise",
    lambda xp, g, z, x, y: g,
    lambda xp, g, z, x, y: -g,
    notation="{0} − {1}",
    binding=SUM,
    run=kernels.difference,
    linear="together",
    arithmetic="exact difference",
)
def difference_(xp: Any, x: ArrayLike, y: ArrayLike) -> Any:
    """x − y, and 0 where both are the same infinity."""
    return xp.difference(x, y)


@op(
    "elementwise",
    slope=(lambda xp, z, x, y: xp.sigmoid(xp.difference(x, y)), lambda xp, z, x, y: xp.sigmoid(xp.difference(y, x))),
)
def logaddexp(xp: Any, x: ArrayLike, y: ArrayLike) -> Any:
    """z = log(eˣ + eʸ), elementwise, without overflow. The derivatives are σ(x − y) and σ(y − x).

    Where both are the same infinity, they share the gradient equally.

    >>> tg.logaddexp([0.0, 1000.0], [0.0, 1000.0])
    Tensor([6.9315e-01, 1.0007e+03], op=logaddexp)
    """
    return xp.logaddexp(x, y)


@op(
    "elementwise",
    slope=(
        lambda xp, z, x, y: xp.sigmoid(math.log(2) * xp.difference(x, y)),
        lambda xp, z, x, y: xp.sigmoid(math.log(2) * xp.difference(y, x)),
    ),
)
def logaddexp2(xp: Any, x: ArrayLike, y: ArrayLike) -> Any:
    """z = log₂(2ˣ + 2ʸ), elementwise, without overflow.

    >>> tg.logaddexp2([0.0, 10.0], [0.0, 10.0])
    Tensor([ 1., 11.], op=logaddexp2)
    """
    return xp.logaddexp2(x, y)


# -- trigonometric functions ---------------------------------------------------------------------------------------


@op("elementwise", slope=lambda xp, y, x: xp.cos(x))
def sin(xp: Any, x: ArrayLike) -> Any:
    """y = sin x, elementwise, with y′ = cos x.

    >>> tg.sin([0.0, np.pi / 2])
    Tensor([0., 1.], op=sin)
    """
    return xp.sin(x)


@op("elementwise", slope=lambda xp, y, x: -xp.sin(x))
def cos(xp: Any, x: ArrayLike) -> Any:
    """y = cos x, elementwise, with y′ = −sin x.

    >>> tg.cos([0.0, np.pi])
    Tensor([ 1., -1.], op=cos)
    """
    return xp.cos(x)


@op("elementwise", slope=lambda y, x: 1.0 + y**2, samples=(Domain(-1.2, 1.2),))
def tan(xp: Any, x: ArrayLike) -> Any:
    """y = tan x, elementwise, with y′ = 1 + y².

    >>> tg.tan([0.0, np.pi / 4])
    Tensor([0., 1.], op=tan)
    """
    return xp.tan(x)


@op(
    "elementwise",
    slope=lambda y, x: -2.0 * x,
    notation="1 − {0}^2",
    binding=SUM,
    samples=(_inside,),
    source="(1 - {0}) * (1 + {0})",
)
def one_minus_square_(xp: Any, x: ArrayLike) -> Any:
    """1 − x² as (1 − x) (1 + x), which keeps its digits near ±1."""
    return (1.0 - x) * (1.0 + x)  # type: ignore[operator]


@op("elementwise", lambda xp, g, y, x: g / xp.sqrt(xp.one_minus_square(x)), samples=(_inside,))
def asin(xp: Any, x: ArrayLike) -> Any:
    """y = arcsin x in [−π/2, π/2], elementwise, with y′ = 1/√(1 − x²).

    >>> tg.asin([0.0, 1.0])
    Tensor([0.    , 1.5708], op=asin)
    """
    return xp.asin(x)


@op("elementwise", lambda xp, g, y, x: -(g / xp.sqrt(xp.one_minus_square(x))), samples=(_inside,))
def acos(xp: Any, x: ArrayLike) -> Any:
    """y = arccos x in [0, π], elementwise, with y′ = −1/√(1 − x²).

    >>> tg.acos([0.0, 1.0])
    Tensor([1.5708, 0.    ], op=acos)
    """
    return xp.acos(x)


@op(
    "elementwise",
    lambda xp, g, z, x, r: xp.per_one_plus_square(g, r),
    lambda xp, g, z, x, r: -2.0 * xp.per_one_plus_square(g * (z * xp.finite(r)), r),
    notation="{0} / (1 + {1}^2)",
    binding=PRODUCT,
    source="{0} / (1 + {1} ** 2)",
)
def per_one_plus_square_(xp: Any, x: ArrayLike, r: ArrayLike) -> Any:
    """x/(1 + r²); its derivatives stay finite where the square of 1 + r² would overflow."""
    return x / (1.0 + xp.square(r))


@op("elementwise", lambda xp, g, y, x: xp.per_one_plus_square(g, x))
def atan(xp: Any, x: ArrayLike) -> Any:
    """y = arctan x in (−π/2, π/2), elementwise, with y′ = 1/(1 + x²).

    >>> tg.atan([0.0, 1.0])
    Tensor([0.    , 0.7854], op=atan)
    """
    return xp.atan(x)


@op(
    "elementwise",
    lambda xp, g, z, x, r: xp.per_square(g, r),
    lambda xp, g, z, x, r: -2.0 * (g * (z / xp.without_zero(r))),
    notation="{0} / {1}^2",
    binding=PRODUCT,
    run=kernels.per_square,
    samples=(Domain(), _not_flat),
)
def per_square_(xp: Any, x: ArrayLike, r: ArrayLike) -> Any:
    """x/r², where no intermediate result overflows; 0 where r is 0 or infinite."""
    return xp.per_square(x, r)


def _inversion_by_x(xp: Any, z: Any, x: Any, y: Any, r: Any) -> Any:
    """Return (y² − x²) / r⁴."""
    cos, sin = xp.direction(x, y, r), xp.direction(y, x, r)
    return xp.per_square((sin - cos) * (sin + cos), r)


def _inversion_by_y(xp: Any, z: Any, x: Any, y: Any, r: Any) -> Any:
    """Return −2 x y / r⁴."""
    return -2.0 * xp.per_square(xp.direction(x, y, r) * xp.direction(y, x, r), r)


@op(
    "elementwise",
    slope=(_inversion_by_x, _inversion_by_y, None),
    notation="{0} / {2}^2",
    binding=PRODUCT,
    samples=(_not_flat, _not_flat, Domain(computed="hypot")),
    source="per_square({0}, {2})",
)
def inversion_(xp: Any, x: ArrayLike, y: ArrayLike, r: ArrayLike) -> Any:
    """x/r² for r = `hypot(x, y)`, the inversion of the point (x, y) in the unit circle, and 0 at (0, 0)."""
    return xp.per_square(x, r)


@op(
    "elementwise",
    slope=(
        lambda xp, z, y, x: xp.inversion(x, y, xp.hypot(x, y)),
        lambda xp, z, y, x: -xp.inversion(y, x, xp.hypot(x, y)),
    ),
    samples=(_not_flat, _not_flat),
)
def atan2(xp: Any, y: ArrayLike, x: ArrayLike) -> Any:
    """The angle of the point (x, y), in [−π, π], elementwise. The derivatives are x/(x² + y²) by y, −y/(x² + y²) by x.

    At (0, 0) the derivatives are 0, as in PyTorch.

    >>> tg.atan2([0.0, 1.0], [-1.0, 0.0])
    Tensor([3.1416, 1.5708], op=atan2)
    """
    return xp.atan2(y, x)


@op(
    "elementwise",
    slope=lambda xp, y, x, order: xp.sinc_derivative(x, order=order + 1),
    notation="sinc derivative({0}, {order})",
    run=kernels.sinc_derivative,
    samples=tuple(Sample((shape,), {"order": n}) for shape in ((2, 3), (), (0,)) for n in (1, 2)),
)
def sinc_derivative_(xp: Any, x: ArrayLike, order: int) -> Any:
    """The derivative of `sinc` of the given order."""
    return xp.sinc_derivative(x, order=order)


@op("elementwise", slope=lambda xp, y, x: xp.sinc_derivative(x, order=1))
def sinc(xp: Any, x: ArrayLike) -> Any:
    """y = sin(π x)/(π x), and 1 at 0, elementwise. Its derivatives of any order are exact at 0 too.

    >>> tg.sinc([0.0, 0.5, 1.0])
    Tensor([1.0000e+00, 6.3662e-01, 3.8982e-17], op=sinc)
    """
    return xp.sinc(x)


# -- hyperbolic functions --------------------------------------------------------------------------------------------


@op("elementwise", slope=lambda xp, y, x: xp.sinh(x))
def cosh(xp: Any, x: ArrayLike) -> Any:
    """y = cosh x = (eˣ + e⁻ˣ) / 2, elementwise, with y′ = sinh x.

    >>> tg.cosh([0.0, 1.0])
    Tensor([1.    , 1.5431], op=cosh)
    """
    return xp.cosh(x)


@op("elementwise", slope=lambda xp, y, x: xp.cosh(x))
def sinh(xp: Any, x: ArrayLike) -> Any:
    """y = sinh x = (eˣ − e⁻ˣ) / 2, elementwise, with y′ = cosh x.

    >>> tg.sinh([0.0, 1.0])
    Tensor([0.    , 1.1752], op=sinh)
    """
    return xp.sinh(x)


@op(
    "elementwise",
    slope=lambda y, x: 1.0 - y * y,
    notation="tanh({0})",
    steepness=lambda y, x: 1 - y * y,
    misremembered={"1 − {0}": lambda y: 1 - y, "1 + {0}²": lambda y: 1 + y * y},
)
def tanh(xp: Any, x: ArrayLike) -> Any:
    """y = tanh x, elementwise, with y′ = 1 − y².

    >>> tg.tanh([0.0, 1.0])
    Tensor([0.    , 0.7616], op=tanh)
    """
    return xp.tanh(x)


_SAME_ROOT = 1e18  # above it, √(1 + x²) is |x|


@op(
    "elementwise",
    slope=lambda y, x: x / y,
    notation="√(1 + {0}^2)",
    binding=SIGN,
    source="np.hypot(1, {0})",
)
def root_of_one_plus_square_(xp: Any, x: ArrayLike) -> Any:
    """√(1 + x²); no intermediate result overflows."""
    return xp.maximum(xp.abs(x), xp.sqrt(1.0 + xp.square(xp.finite(x, largest=_SAME_ROOT))))


@op(
    "elementwise",
    slope=lambda y, x: x / y,
    notation="√({0}^2 − 1)",
    binding=SIGN,
    samples=(Domain(1.2, 3.0),),
    source="np.sqrt({0} - 1) * np.sqrt({0} + 1)",
)
def root_of_square_minus_one_(xp: Any, x: ArrayLike) -> Any:
    """√(x² − 1) for x ≥ 1, precise near 1; no intermediate result overflows."""
    return xp.sqrt(x - 1.0) * xp.sqrt(x + 1.0)  # type: ignore[operator]


@op("elementwise", lambda xp, g, y, x: g / xp.root_of_one_plus_square(x))
def asinh(xp: Any, x: ArrayLike) -> Any:
    """y = arsinh x, elementwise, with y′ = 1/√(1 + x²).

    >>> tg.asinh([0.0, 1.0])
    Tensor([0.    , 0.8814], op=asinh)
    """
    return xp.asinh(x)


@op("elementwise", lambda xp, g, y, x: g / xp.root_of_square_minus_one(x), samples=(Domain(1.2, 3.0),))
def acosh(xp: Any, x: ArrayLike) -> Any:
    """y = arcosh x ≥ 0, elementwise, with y′ = 1/√(x² − 1).

    >>> tg.acosh([1.0, 2.0])
    Tensor([0.   , 1.317], op=acosh)
    """
    return xp.acosh(x)


@op("elementwise", lambda xp, g, y, x: g / xp.one_minus_square(x), samples=(_inside,))
def atanh(xp: Any, x: ArrayLike) -> Any:
    """y = artanh x, elementwise, with y′ = 1/(1 − x²).

    >>> tg.atanh([0.0, 0.5])
    Tensor([0.    , 0.5493], op=atanh)
    """
    return xp.atanh(x)


# -- the normal distribution ---------------------------------------------------------------------------------------


def _ndtr(x: Any) -> Any:
    """Return Φ(x), computed by erfc, which keeps its precision in the left tail."""
    return 0.5 * kernels.erfc(-x * math.sqrt(0.5))


@op(
    "elementwise",
    slope=lambda xp, y, x: -2.0 * (xp.finite(x) * y),
    notation="exp(−{0}^2)",
    source="np.exp(-({0} ** 2))",
)
def gaussian_(xp: Any, x: ArrayLike) -> Any:
    """exp(−x²), whose derivatives are 0 where x² overflows."""
    return xp.exp(-xp.square(x))


@op("elementwise", slope=lambda xp, y, x: 2 / math.sqrt(math.pi) * xp.gaussian(x), run=kernels.erf)
def erf(xp: Any, x: ArrayLike) -> Any:
    """The error function y = 2/√π ∫₀ˣ exp(−t²) dt, elementwise.

    >>> tg.erf([0.0, 1.0])
    Tensor([0.    , 0.8427], op=erf)
    """
    return xp.erf(x)


@op("elementwise", slope=lambda xp, y, x: -(2 / math.sqrt(math.pi) * xp.gaussian(x)), run=kernels.erfc)
def erfc(xp: Any, x: ArrayLike) -> Any:
    """The complementary error function y = 1 − erf x, elementwise, which keeps its digits where y is near 0.

    >>> tg.erfc([0.0, 1.0, 10.0])
    Tensor([1.0000e+00, 1.5730e-01, 2.0885e-45], op=erfc)
    """
    return xp.erfc(x)


@op(
    "elementwise",
    slope=lambda xp, y, x: -(xp.finite(x) * y),
    notation="φ({0})",
    source="np.exp(-0.5 * {0} ** 2) / np.sqrt(2 * np.pi)",
)
def normal_density_(xp: Any, x: ArrayLike) -> Any:
    """φ(x) = exp(−x²/2) / √(2π), elementwise."""
    return xp.exp(-0.5 * x**2) / math.sqrt(2 * math.pi)  # type: ignore[operator]


@op(
    "elementwise",
    slope=lambda xp, y, x: xp.normal_density(x),
    notation="Φ({0})",
    run=_ndtr,
    floating=True,
    source="0.5 * erfc(-{0} / np.sqrt(2))",
)
def ndtr(xp: Any, x: ArrayLike) -> Any:
    """Φ(x), the distribution function of the standard normal distribution, elementwise, with y′ = φ(x), its density.

    >>> tg.ndtr([0.0, 1.0])
    Tensor([0.5   , 0.8413], op=ndtr)
    """
    return xp.ndtr(x)


# -- the gamma function --------------------------------------------------------------------------------------------


def _scipy(name: str, *args: Any) -> Any:
    try:
        return getattr(kernels, name)(*args)
    except ImportError:
        raise DependencyError(f"{name} is computed by SciPy: pip install 'tinygraph[special]'") from None


@op(
    "elementwise",
    slope=lambda xp, y, x: xp.digamma(x),
    notation="log Γ({0})",
    run=lambda x: _scipy("gammaln", x),
    samples=(_positive,),
    source="gammaln({0})",
    binding=SIGN,
)
def gammaln(xp: Any, x: ArrayLike) -> Any:
    """y = log |Γ(x)|, elementwise, with y′ = ψ(x), the `digamma` function. It needs SciPy.

    Raises `DependencyError` if SciPy is missing.

    >>> tg.gammaln([1.0, 5.0])
    Tensor([0.    , 3.1781], op=gammaln)
    """
    return xp.gammaln(x)


@op(
    "elementwise",
    slope=lambda xp, y, x: xp.digamma_derivative(x, order=1),
    notation="ψ({0})",
    run=lambda x: _scipy("digamma", x),
    samples=(_positive,),
    source="digamma({0})",
)
def digamma(xp: Any, x: ArrayLike) -> Any:
    """y = ψ(x) = Γ′(x)/Γ(x), elementwise. Its derivatives are the `polygamma` functions. It needs SciPy.

    Raises `DependencyError` if SciPy is missing.

    >>> tg.digamma([1.0, 5.0])
    Tensor([-0.5772,  1.5061], op=digamma)
    """
    return xp.digamma(x)


@op(
    "elementwise",
    slope=lambda xp, y, x, order: xp.digamma_derivative(x, order=order + 1),
    notation="polygamma({order}, {0})",
    run=lambda x, order: _scipy("digamma_derivative", x, order),
    samples=tuple(Sample((shape,), {"order": n}, (_positive,)) for shape in ((2, 3), (), (0,)) for n in (1, 2)),
    source="digamma_derivative({0}, {order})",
)
def digamma_derivative_(xp: Any, x: ArrayLike, order: int) -> Any:
    """The derivative of `digamma` of the given order."""
    return xp.digamma_derivative(x, order=order)


def polygamma(n: int, x: ArrayLike) -> Tensor:
    """ψ⁽ⁿ⁾(x), the n-th derivative of `digamma`, elementwise; its own derivative is ψ⁽ⁿ⁺¹⁾. It needs SciPy.

    Raises `ArgumentError` unless `n` is an integer ≥ 0, and `DependencyError` if SciPy is missing.

    >>> import tinygraph as tg
    >>> tg.polygamma(1, [1.0, 5.0])
    Tensor([1.6449, 0.2213], op=digamma_derivative)
    """
    if not isinstance(n, (int, np.integer)) or n < 0:
        raise ArgumentError(f"the order n of a polygamma function must be 0, 1, 2, …, not {n!r}")
    return digamma_derivative_(x, int(n)) if n else digamma(x)
