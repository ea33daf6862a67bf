"""Activations of networks, element by element."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..apply import op
from ..graph import ArrayLike
from ..samples import Domain

__all__ = [
    "gelu",
    "relu",
    "sigmoid",
    "softplus",
]

_not_flat = Domain(0.1, 2.0, signs=True)  # away from kinks at 0


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
