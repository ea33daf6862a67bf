"""Linear algebra: functions of matrices."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..apply import composite, op
from ..graph import ArrayLike, Tensor
from ..samples import Domain, Sample
from ..table import POWER

__all__ = [
    "inv",
    "slogdet",
]


_invertible = tuple(Sample((shape,), {}, (Domain(diagonal=4.0),)) for shape in ((3, 3), (1, 1), (2, 3, 3), (0, 2, 2)))


@op(
    "contraction",
    lambda xp, g, y, x: -xp.matmul(y.mT, xp.matmul(g, y.mT)),
    notation="{0}^−1",
    binding=POWER,
    run=np.linalg.inv,
    samples=_invertible,
    source="np.linalg.inv({0})",
)
def inv(xp: Any, x: ArrayLike) -> Any:
    """y = x⁻¹, the inverse of a matrix, or of each in a stack: dx = −y⁻ᵀ dy y⁻ᵀ with y⁻ᵀ = (x⁻¹)ᵀ.

    Raises NumPy's ``LinAlgError`` for a matrix without one.

    >>> tg.inv([[1.0, 2.0], [0.0, 4.0]])
    Tensor([[ 1.  , -0.5 ],
            [ 0.  ,  0.25]], op=inv)
    """
    return xp.inv(x)


@op(
    "contraction",
    None,
    notation="sign det({0})",
    run=lambda x: np.linalg.slogdet(x).sign,
    samples=_invertible,
    source="np.linalg.slogdet({0}).sign",
)
def sign_of_det_(xp: Any, x: ArrayLike) -> Any:
    """The sign of the determinant."""
    return xp.sign_of_det(x)


@op(
    "contraction",
    lambda xp, g, y, x: xp.reshape(g, (*g.shape, 1, 1)) * xp.inv(x).mT,
    notation="log |det({0})|",
    run=lambda x: np.linalg.slogdet(x).logabsdet,
    samples=_invertible,
    source="np.linalg.slogdet({0}).logabsdet",
)
def logabsdet_(xp: Any, x: ArrayLike) -> Any:
    """The logarithm of the absolute value of the determinant."""
    return xp.logabsdet(x)


class SlogDet(NamedTuple):
    """The sign and the logarithm of the absolute value of a determinant."""

    sign: Tensor
    logabsdet: Tensor


@composite("contraction", samples=_invertible)
def slogdet(x: ArrayLike) -> SlogDet:
    """The determinant of a matrix, or of each in a stack, as its sign and log |det x|, whose derivative is x⁻ᵀ.

    The logarithm does not overflow where the determinant would.

    >>> import tinygraph as tg
    >>> X = tg.parameter([[2.0, 0.0], [0.0, 4.0]])
    >>> tg.slogdet(X).logabsdet.backward()
    >>> X.grad
    array([[0.5 , 0.  ],
           [0.  , 0.25]])
    """
    return SlogDet(sign_of_det_(x), logabsdet_(x))
