"""Activations of neural networks, element by element.

Most are primitives: if they were composed, their derivatives would lose digits, be NaN at the ends, or not look like a
textbook's. `relu6`, `hardsigmoid`, `selu` and `log_sigmoid` are composed: each scales another activation or shifts its
argument.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ... import kernels
from ...graph.declaring import composite, op
from ...graph.samples import Domain, Sample
from ...graph.tensor import ArrayLike, Tensor
from ..arguments import need_one_of
from ..arithmetic.elementwise import floating

__all__ = [
    "celu",
    "elu",
    "gelu",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "leaky_relu",
    "log_sigmoid",
    "logit",
    "mish",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "softplus",
    "softsign",
]

_not_flat = Domain(0.1, 2.0, signs=True)  # away from kinks at 0


@op(
    "elementwise",
    slope=lambda y, x: y * (1.0 - y),
    notation="σ({0})",
    run=kernels.sigmoid,
    steepness=lambda y, x: 4 * y * (1 - y),
    misremembered={"1 − {0}": lambda y: 1 - y, "{0} (1 + {0})": lambda y: y * (1 + y)},
)
def sigmoid(xp: Any, x: ArrayLike) -> Any:
    """y = σ(x) = 1 / (1 + e⁻ˣ), elementwise, without overflow, with y′ = y (1 − y).

    >>> tg.sigmoid([-1000.0, 0.0, 1000.0])
    Tensor([0. , 0.5, 1. ], op=sigmoid)
    """
    e = xp.exp(-xp.abs(x))
    return xp.fmax(e, xp.copysign(1.0, x)) / (1.0 + e)  # e^x / (1 + e^x) for x < 0, and 1 / (1 + e⁻ˣ) for others


@op(
    "elementwise",
    lambda xp, g, y, x: xp.where(y <= 0, 0.0, g),
    notation="relu({0})",
    samples=(_not_flat,),
    source="np.maximum({0}, 0)",
    steepness=lambda y, x: y > 0,
)
def relu(xp: Any, x: ArrayLike) -> Any:
    """y = max(x, 0), elementwise. The derivative at 0 is 0.

    >>> tg.relu([-1.0, 0.0, 2.0])
    Tensor([0., 0., 2.], op=relu)
    """
    return xp.maximum(x, 0.0)


_slopes = tuple(
    Sample((shape,), {"negative_slope": s}, (_not_flat,)) for shape in ((2, 3), (), (0,)) for s in (0.01, 2)
)


@op(
    "elementwise",
    lambda xp, g, y, x, negative_slope: xp.where(x > 0, g, negative_slope * g),
    notation="leaky relu({0})",
    samples=_slopes,
    source="np.where({0} > 0, {0}, {negative_slope} * {0})",
)
def leaky_relu(xp: Any, x: ArrayLike, negative_slope: float = 0.01) -> Any:
    """y = x where x > 0, else `negative_slope` x, elementwise. The derivative at 0 is that slope (Maas et al. 2013).

    >>> tg.leaky_relu([-1.0, 2.0])
    Tensor([-0.01,  2.  ], op=leaky_relu)
    """
    return xp.where(xp.greater(x, 0), x, negative_slope * x)  # type: ignore[operator]


def _clip(x: Any, min_val: float, max_val: float) -> Any:
    return np.clip(x, min_val, max_val)


@op(
    "elementwise",
    lambda xp, g, y, x, min_val, max_val: xp.where(xp.logical_or(y <= min_val, y >= max_val), 0.0, g),
    notation="min(max({0}, {min_val}), {max_val})",
    run=_clip,
    samples=tuple(
        Sample((shape,), {"min_val": -0.5, "max_val": 2}, (Domain(0.6, 1.9, signs=True),))
        for shape in ((2, 3), (), (0,))
    ),
    source="np.clip({0}, {min_val}, {max_val})",
    steepness=lambda y, x, min_val, max_val: (y > min_val) & (y < max_val),
)
def hardtanh(xp: Any, x: ArrayLike, min_val: float = -1, max_val: float = 1) -> Any:
    """y = min(max(x, `min_val`), `max_val`), elementwise. The derivative on the bounds is 0, unlike that of `clip`.

    >>> tg.hardtanh([-3.0, 0.5, 3.0])
    Tensor([-1. ,  0.5,  1. ], op=hardtanh)
    """
    return xp.minimum(xp.maximum(x, min_val), max_val)


@composite("elementwise", samples=(_not_flat,))
def relu6(x: ArrayLike) -> Tensor:
    """y = min(max(x, 0), 6), elementwise. The derivative at 0 and at 6 is 0.

    >>> import tinygraph as tg
    >>> tg.relu6([-1.0, 2.0, 8.0])
    Tensor([0., 2., 6.], op=hardtanh)
    """
    return hardtanh(x, 0, 6)


@composite("elementwise", samples=(Domain(),))
def hardsigmoid(x: ArrayLike) -> Tensor:
    """y = min(max(x + 3, 0), 6) / 6, elementwise. The derivative at ±3 is 0.

    >>> import tinygraph as tg
    >>> tg.hardsigmoid([-4.0, 0.0, 4.0])
    Tensor([0. , 0.5, 1. ], op=divide)
    """
    return (hardtanh(x, -3.0, 3.0) + 3.0) / 6.0


@op(
    "elementwise",
    lambda xp, g, y, x: xp.where(
        xp.abs(x) < 3, g * ((2 * xp.finite(x, largest=3.0) + 3) / 6), xp.where(x <= -3, 0.0, g)
    ),
    source="np.maximum({0}, -3) * (np.clip({0} + 3, 0, 6) / 6)",
)
def hardswish(xp: Any, x: ArrayLike) -> Any:
    """y = x min(max(x + 3, 0), 6) / 6, elementwise. The derivative is 0 at −3 and 1 at 3 (Howard et al. 2019).

    >>> tg.hardswish([-4.0, 1.0, 4.0])
    Tensor([-0.    ,  0.6667,  4.    ], op=hardswish)
    """
    return xp.maximum(x, -3.0) * (xp.minimum(xp.maximum(xp.add(x, 3.0), 0.0), 6.0) / 6.0)


@op(
    "elementwise",
    lambda xp, g, y, x, alpha: xp.where(x <= 0, g * (alpha * xp.exp(xp.at_most(x, 0.0))), g),
    notation="elu({0})",
    samples=tuple(Sample((shape,), {"alpha": a}, (_not_flat,)) for shape in ((2, 3), (), (0,)) for a in (1.0, 0.5)),
    source="np.where({0} > 0, {0}, {alpha} * np.expm1(np.minimum({0}, 0)))",
)
def elu(xp: Any, x: ArrayLike, alpha: float = 1.0) -> Any:
    """y = x where x > 0, else α (eˣ − 1), elementwise, with y′ = 1 or α eˣ; at 0 it is α (Clevert et al. 2015).

    >>> tg.elu([-1.0, 2.0])
    Tensor([-0.6321,  2.    ], op=elu)
    """
    return xp.where(xp.greater(x, 0), x, alpha * xp.expm1(xp.minimum(x, 0.0)))


@op(
    "elementwise",
    lambda xp, g, y, x, alpha: xp.where(x <= 0, g * xp.exp(xp.at_most(x, 0.0) / alpha), g),
    notation="celu({0})",
    samples=tuple(Sample((shape,), {"alpha": a}, (_not_flat,)) for shape in ((2, 3), (), (0,)) for a in (1.0, 0.5)),
    source="np.where({0} > 0, {0}, {alpha} * np.expm1(np.minimum({0}, 0) / {alpha}))",
)
def celu(xp: Any, x: ArrayLike, alpha: float = 1.0) -> Any:
    """y = x where x > 0, else α (e^(x/α) − 1), elementwise, with y′ = 1 or e^(x/α), smooth at 0 (Barron 2017).

    >>> tg.celu([-1.0, 2.0], alpha=2.0)
    Tensor([-0.7869,  2.    ], op=celu)
    """
    return xp.where(xp.greater(x, 0), x, alpha * xp.expm1(xp.minimum(x, 0.0) / alpha))


@composite("elementwise", samples=(_not_flat,))
def selu(x: ArrayLike) -> Tensor:
    """y = λ x where x > 0, else λ α (eˣ − 1), elementwise, with λ ≈ 1.0507, α ≈ 1.6733 (Klambauer et al. 2017).

    >>> import tinygraph as tg
    >>> tg.selu([-1.0, 2.0])
    Tensor([-1.1113,  2.1014], op=multiply)
    """
    return elu(x, 1.6732632423543772) * 1.0507009873554805


@op(
    "elementwise",
    slope=lambda xp, y, x: xp.ndtr(x) + xp.finite(x) * xp.normal_density(x),
    floating=True,
    source="0.5 * np.maximum({0}, -10000) * erfc(-{0} / np.sqrt(2))",
)
def gelu_(xp: Any, x: ArrayLike) -> Any:
    """x Φ(x), and 0 at −∞."""
    return xp.maximum(x, _LOWEST) * xp.ndtr(x)


_LOWEST = -10000.0  # below it, σ and Φ are 0 in every precision


def _of_gelu_tanh(xp: Any, x: Any) -> Any:
    """Return ½ (1 + tanh(√(2/π) (x + 0.044715 x³))) as a sigmoid, which keeps its digits; at ±30 it is 0 or 1."""
    x = xp.finite(x, largest=30.0)
    return xp.sigmoid(2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))


def _slope_of_gelu_tanh(xp: Any, y: Any, x: Any) -> Any:
    s, z = _of_gelu_tanh(xp, x), xp.finite(x, largest=30.0)
    return s + s * (1.0 - s) * z * (2 * math.sqrt(2 / math.pi) * (1.0 + 3 * 0.044715 * z**2))


@op(
    "elementwise",
    slope=_slope_of_gelu_tanh,
    notation="gelu({0})",
    source="np.maximum({0}, -30) * sigmoid(np.sqrt(8 / np.pi) * ({0} + 0.044715 * {0} ** 3))",
    function="gelu",
)
def gelu_tanh_(xp: Any, x: ArrayLike) -> Any:
    """x ½ (1 + tanh(√(2/π) (x + 0.044715 x³)))."""
    return xp.maximum(x, -30.0) * _of_gelu_tanh(xp, x)


@composite(
    "elementwise",
    samples=tuple(Sample((shape,), {"approximate": a}) for shape in ((2, 3), (), (0,)) for a in ("none", "tanh")),
)
def gelu(x: ArrayLike, approximate: str = "none") -> Tensor:
    """y = x Φ(x), elementwise, with y′ = Φ(x) + x φ(x), where Φ is the normal distribution (Hendrycks, Gimpel 2016).

    With ``approximate="tanh"``, y = x/2 (1 + tanh(√(2/π) (x + 0.044715 x³))). Raises `ArgumentError` for another value.

    >>> import tinygraph as tg
    >>> tg.gelu([-1.0, 0.0, 2.0])
    Tensor([-0.1587,  0.    ,  1.9545], op=gelu)
    >>> tg.gelu([-1.0, 0.0, 2.0], approximate="tanh")
    Tensor([-0.1588,  0.    ,  1.9546], op=gelu_tanh)
    """
    need_one_of(("none", "tanh"), approximate=approximate)
    return (gelu_ if approximate == "none" else gelu_tanh_)(x)


def _slope_of_silu(xp: Any, y: Any, x: Any) -> Any:
    s = xp.sigmoid(x)
    return s * (1.0 + xp.finite(x) * (1.0 - s))


@op("elementwise", slope=_slope_of_silu, source="np.maximum({0}, -10000) * sigmoid({0})")
def silu(xp: Any, x: ArrayLike) -> Any:
    """y = x σ(x), elementwise, also called swish, with y′ = σ(x) (1 + x (1 − σ(x))) (Elfwing et al. 2017).

    >>> tg.silu([-1000.0, 0.0, 1.0])
    Tensor([-0.    ,  0.    ,  0.7311], op=silu)
    """
    return xp.maximum(x, _LOWEST) * xp.sigmoid(x)


def _slope_of_mish(xp: Any, y: Any, x: Any) -> Any:
    w = xp.tanh(xp.softplus(x))
    return w + xp.finite(x, largest=-_LOWEST) * xp.sigmoid(x) * (1.0 - w**2)


@op(
    "elementwise", slope=_slope_of_mish, floating=True, source="np.maximum({0}, -10000) * np.tanh(np.logaddexp({0}, 0))"
)
def mish(xp: Any, x: ArrayLike) -> Any:
    """y = x w where w = tanh(softplus(x)), elementwise, with y′ = w + x σ(x) (1 − w²) (Misra 2019).

    >>> tg.mish([-1000.0, 0.0, 1.0])
    Tensor([-0.    ,  0.    ,  0.8651], op=mish)
    """
    return xp.maximum(x, _LOWEST) * xp.tanh(xp.softplus(x))


def _of_softsign(xp: Any, g: Any, y: Any, x: Any) -> Any:
    divisor = 1.0 + xp.abs(x)
    return g / divisor / divisor


@op(
    "elementwise",
    _of_softsign,
    samples=(_not_flat,),
    source="finite({0}) / (1 + np.abs(finite({0})))",
)
def softsign(xp: Any, x: ArrayLike) -> Any:
    """y = x / (1 + |x|), elementwise, with y′ = 1/(1 + |x|)².

    >>> tg.softsign([-1.0, 0.0, 3.0])
    Tensor([-0.5 ,  0.  ,  0.75], op=softsign)
    """
    return xp.finite(x) / (1.0 + xp.abs(xp.finite(x)))


@op("elementwise", slope=lambda xp, y, x: xp.sigmoid(x), floating=True, source="np.logaddexp({0}, 0)")
def softplus(xp: Any, x: ArrayLike) -> Any:
    """y = log(1 + eˣ), elementwise, without overflow, with y′ = σ(x).

    >>> tg.softplus([-1000.0, 0.0, 1000.0]).data.tolist()
    [0.0, 0.6931471805599453, 1000.0]
    """
    return xp.maximum(x, 0.0) + xp.log1p(xp.exp(-xp.abs(x)))


@composite("elementwise", samples=(Domain(),))
def log_sigmoid(x: ArrayLike) -> Tensor:
    """y = log σ(x) = −softplus(−x), elementwise, without overflow, with y′ = σ(−x).

    >>> import tinygraph as tg
    >>> tg.log_sigmoid([-1000.0, 0.0, 1000.0]).data.tolist()
    [-1000.0, -0.6931471805599453, -0.0]
    """
    return -softplus(-floating(x))


@op(
    "elementwise",
    lambda xp, g, y, x: g / x / (1.0 - x),
    samples=(Domain(0.1, 0.9),),
    source="np.log({0} / (1 - {0}))",
)
def logit(xp: Any, x: ArrayLike) -> Any:
    """y = log(x / (1 − x)) for x in [0, 1], elementwise: the inverse of σ, with y′ = 1/(x (1 − x)).

    >>> tg.logit([0.25, 0.5, 0.75])
    Tensor([-1.0986,  0.    ,  1.0986], op=logit)
    """
    centred = xp.subtract(x, 0.5)  # exact near ½
    near = xp.abs(centred) < 0.25
    return xp.where(near, 2.0 * xp.atanh(2.0 * xp.where(near, centred, 0.0)), xp.log(x) - xp.log1p(xp.negative(x)))
