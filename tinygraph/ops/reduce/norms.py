"""Norms of vectors and matrices.

The norm of a vector is a primitive, because its gradient must be defined where the norm is 0. The others are composed
of it, of sums and of singular values.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ... import kernels
from ...errors import ArgumentError
from ...graph.declaring import composite, op
from ...graph.records import PRODUCT
from ...graph.samples import Domain, Sample
from ...graph.tensor import ArrayLike, Tensor
from ..arguments import as_tensor, matrices, normalize_axes
from ..arithmetic import elementwise
from ..arithmetic.broadcasting import Axis, reduced_count
from ..arithmetic.comparisons import not_equal
from ..arithmetic.elementwise import astype, floating
from ..arithmetic.factors import without_factor
from ..arrays.shapes import permute_dims, reshape
from ..matrices.decompositions import svdvals
from . import reductions
from .reductions import spread

__all__ = [
    "matrix_norm",
    "norm",
    "vector_norm",
]


@op(
    "elementwise",
    lambda xp, g, z, x, y: g / y,
    lambda xp, g, z, x, y: -(g * z) / y,
    notation="{0} / {1}",
    binding=PRODUCT,
    run=kernels.ratio,
    samples=(Domain(), Domain(0.5, 2.0, signs=True)),
)
def ratio_(xp: Any, x: ArrayLike, y: ArrayLike) -> Any:
    """x / y, and 0 where y is 0, where the derivative would be infinite; ±1 where both are infinite."""
    return xp.ratio(x, y)


def _of_norm(xp: Any, g: Any, y: Any, x: Any, ord: float, axis: Axis, keepdims: bool) -> Any:
    """Return g sign(x) (|x| / y)^(p − 1), and 0 where y is 0 and, for p < 1, where x is 0."""
    if ord == 2 and (q := without_factor(g, y)) is not None:
        return x * (q if np.ndim(q) == 0 else spread(xp, xp.broadcast_to(q, y.shape), x.shape, axis, keepdims))
    g, y = spread(xp, g, x.shape, axis, keepdims), spread(xp, y, x.shape, axis, keepdims)
    if ord == 2:
        return g * xp.ratio(x, y)
    power = xp.ratio(xp.abs(x), y) ** (ord - 1) if ord > 1 else xp.ratio(y, xp.abs(x)) ** (1 - ord)
    return g * (xp.sign(x) * power)


_norms = (
    Sample(((2, 3),), {"ord": 2, "axis": None, "keepdims": False}),
    Sample(((3,),), {"ord": 3, "axis": 0, "keepdims": True}),
    Sample(((2, 3),), {"ord": 2, "axis": -1, "keepdims": False}),
    Sample(((2, 3, 2),), {"ord": 2, "axis": (0, 2), "keepdims": True}),
    Sample(((2, 3),), {"ord": 1.5, "axis": 0, "keepdims": False}, (Domain(0.5, 2.0, signs=True),)),
    Sample(((2, 3),), {"ord": 0.5, "axis": 1, "keepdims": False}, (Domain(0.5, 2.0, signs=True),)),
    Sample(((2, 3),), {"ord": -2, "axis": None, "keepdims": False}, (Domain(0.5, 2.0, signs=True),)),
    Sample(((0, 3),), {"ord": 2, "axis": 0, "keepdims": False}),
    Sample(((),), {"ord": 2, "axis": None, "keepdims": False}),
)


@op(
    "reduction",
    _of_norm,
    notation="‖{0}‖_{ord}",
    run=kernels.vector_norm,
    samples=_norms,
    flops=2,
)
def vector_norm_(xp: Any, x: ArrayLike, ord: float = 2, axis: Axis = None, keepdims: bool = False) -> Any:
    """(Σ |x|ᵖ)^(1/p) for a finite p other than 0."""
    return xp.vector_norm(x, ord=ord, axis=axis, keepdims=keepdims)


@composite(
    "reduction",
    samples=(
        *(
            Sample(
                sample.shapes,
                {key: value for key, value in sample.params.items() if key != "axis" or value is not None},
            )
            for sample in (_norms[0], _norms[2], _norms[3])
        ),
        *(Sample(((2, 3),), {"ord": ord, "axis": 1}, (Domain(0.5, 2.0, signs=True),)) for ord in (0, 1, 3)),
        *(Sample(((2, 3),), {"ord": ord, "keepdims": True}) for ord in (math.inf, -math.inf)),
    ),
)
def vector_norm(x: ArrayLike, axis: Axis = None, keepdims: bool = False, ord: float = 2) -> Tensor:
    """‖x‖ₚ = (Σ |x|ᵖ)^(1/p) along `axis`, which is an integer, a tuple of integers, or None for all elements.

    p is `ord`, a number. ``inf`` and ``-inf`` give the largest and the smallest |x|, and 0 gives the number of elements
    other than 0. The derivative is sign(x) (|x|/‖x‖)ᵖ⁻¹, and 0 where the norm is 0. Powers do not overflow unless the
    norm itself does.

    >>> import tinygraph as tg
    >>> x = tg.parameter([3.0, 4.0])
    >>> tg.vector_norm(x).backward()
    >>> x.grad
    array([0.6, 0.8])
    """
    if isinstance(ord, (bool, str)) or not isinstance(ord, (int, float, np.integer, np.floating)):
        raise ArgumentError(f"the ord of a vector norm must be a number, inf or -inf, not {ord!r}")
    x = floating(x)
    if ord == 0:
        return astype(reductions.sum(astype(not_equal(x, 0), x.dtype), axis, keepdims), x.dtype)
    if ord == 1 or (ord == math.inf and not reduced_count(x.shape, axis)):
        return reductions.sum(elementwise.abs(x), axis, keepdims)
    if math.isinf(ord):
        return (reductions.max if ord > 0 else reductions.min)(elementwise.abs(x), axis, keepdims)
    return vector_norm_(x, ord=ord, axis=axis, keepdims=keepdims)


@composite(
    "reduction",
    samples=(
        *(Sample(((2, 3),), {"ord": ord}) for ord in ("fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf)),
        *(Sample(((2, 3, 2),), {"ord": ord, "keepdims": True}) for ord in ("fro", "nuc", 1, 2)),
        Sample(((0, 2, 2),), {"ord": "fro"}),
    ),
)
def matrix_norm(x: ArrayLike, keepdims: bool = False, ord: Any = "fro") -> Tensor:
    """A norm of a matrix, or of each matrix in a stack.

    `ord` "fro" gives √Σ x²; "nuc" the sum of the singular values, and 2 and -2 the largest and the smallest of them; 1
    and -1 give the largest and the smallest sum of |x| over a column, and ``inf`` and ``-inf`` those over a row. Sums
    or singular values that tie share the gradient equally.

    Raises `ArgumentError` for any other `ord`.

    >>> import tinygraph as tg
    >>> tg.matrix_norm([[3.0, 0.0], [0.0, 4.0]])
    Tensor(5., op=vector_norm)
    """
    x = matrices(x)
    if ord == "fro":
        return vector_norm(x, (-2, -1), keepdims)
    if ord == "nuc":
        result = reductions.sum(svdvals(x), -1)
    elif ord in (2, -2):
        result = (reductions.max if ord > 0 else reductions.min)(svdvals(x), -1)
    elif ord in (1, -1):
        result = (reductions.max if ord > 0 else reductions.min)(reductions.sum(elementwise.abs(x), -2), -1)
    elif ord in (math.inf, -math.inf):
        result = (reductions.max if ord > 0 else reductions.min)(reductions.sum(elementwise.abs(x), -1), -1)
    else:
        raise ArgumentError(f'the ord of a matrix norm must be "fro", "nuc", ±1, ±2 or ±inf, not {ord!r}')
    return reshape(result, (*result.shape, 1, 1)) if keepdims else result


@composite(
    "reduction",
    samples=(
        Sample(((2, 3, 2),)),
        Sample(((3,),), {"ord": 3}),
        Sample(((2, 3),), {"ord": "nuc"}),
        Sample(((2, 3, 2),), {"axis": 1}),
        Sample(((2, 3, 2),), {"ord": 1, "axis": (2, 0)}),
        Sample(((2, 3, 2),), {"ord": "fro", "axis": (0, 1), "keepdims": True}),
    ),
)
def norm(x: ArrayLike, ord: Any = None, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """A norm of a vector or of a matrix, like ``np.linalg.norm``: see `vector_norm` and `matrix_norm`.

    `axis` is one axis for vectors and a pair of axes for matrices. Without `axis`, `x` itself is the vector or the
    matrix. With neither `axis` nor `ord`, `x` may have any shape, and the norm is √Σ x² over all its elements.

    >>> import tinygraph as tg
    >>> tg.norm([3.0, 4.0])
    Tensor(5., op=vector_norm)
    """
    x = as_tensor(x)
    if axis is None:
        if ord is None:
            return vector_norm(x, keepdims=keepdims)
        if x.ndim not in (1, 2):
            raise ArgumentError(f"norm with ord={ord!r} needs axis= for a tensor of shape {x.shape}")
        axis = tuple(range(x.ndim))
    axes = (axis,) if not isinstance(axis, tuple) else axis
    if len(axes) == 1:
        return vector_norm(x, axes[0], keepdims, 2 if ord is None else ord)
    if len(axes) != 2:
        raise ArgumentError(f"norm takes one axis or two, not {axes}")
    if ord is None:
        return vector_norm(x, axes, keepdims)
    places = normalize_axes(axes, x)
    rest = [i for i in range(x.ndim) if i not in places]
    result = matrix_norm(permute_dims(x, (*rest, *places)), ord=ord)
    return reshape(result, tuple(1 if i in places else n for i, n in enumerate(x.shape))) if keepdims else result
