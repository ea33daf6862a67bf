"""Exponentials, logarithms, trigonometric and hyperbolic functions, and what is related to them; element by element."""

from __future__ import annotations

import math
from typing import Any

from .. import kernels
from ..apply import op
from ..graph import ArrayLike
from ..samples import Domain

__all__ = [
    "cosh",
    "erf",
    "erfc",
    "exp",
    "expm1",
    "log",
    "log1p",
    "ndtr",
    "sinh",
    "tanh",
]

_positive = Domain(0.5, 2.0)


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


# -- hyperbolic functions --------------------------------------------------------------------------------------------


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


@op("elementwise", lambda xp, g, y, x: g * (1.0 - y * y), notation="tanh({0})")
def tanh(xp: Any, x: ArrayLike) -> Any:
    """y = tanh x, elementwise, with y′ = 1 − y².

    >>> tg.tanh([0.0, 1.0])
    Tensor([0.    , 0.7616], op=tanh)
    """
    return xp.tanh(x)


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
