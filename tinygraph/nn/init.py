"""Initial weights, as arrays to wrap: ``W1 = tg.parameter(tg.init.he((4, 2), rng))``.

Weights must start random: hidden units that start equal have equal gradients and stay equal for ever. Their size keeps
the spread of activations about the same from layer to layer. A bias may start at zero.

`shape` is the shape of W. A weight with examples as columns, in ``W @ X``, has shape (units out, units in); with
examples as rows, in ``X @ W``, (units in, units out), and needs ``rows=True``. The kernels of a convolution have the
shape (channels out, channels in, lengths…): each output meets a whole kernel of each channel. `rng` is a NumPy
generator or a seed; without one every call draws anew.
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..errors import ShapeError

Shape = tuple[int, ...]
Random: TypeAlias = "np.random.Generator | int | None"  # np.random is slow to import, and not needed until one draws


def zeros(shape: int | Shape, dtype: DTypeLike = np.float64) -> NDArray[Any]:
    """All zeros: for biases.

    >>> tg.init.zeros((2, 1)).tolist()
    [[0.0], [0.0]]
    """
    return np.zeros(shape, dtype)


def normal(shape: int | Shape, rng: Random = None, scale: float = 0.01, dtype: DTypeLike = np.float64) -> NDArray[Any]:
    """Small normal numbers: mean 0, standard deviation `scale`.

    >>> tg.init.normal((4, 2), rng=0).shape
    (4, 2)
    """
    return (np.random.default_rng(rng).standard_normal(shape) * scale).astype(dtype)


def xavier(shape: Shape, rng: Random = None, *, rows: bool = False, dtype: DTypeLike = np.float64) -> NDArray[Any]:
    """Normal numbers of variance 2 / (units in + units out): for tanh and sigmoid.

    Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks" (2010).

    >>> tg.init.xavier((4, 2), rng=0).shape
    (4, 2)
    """
    units_in, units_out = _units(shape, rows)
    return normal(shape, rng, np.sqrt(2 / (units_in + units_out)), dtype)


glorot = xavier


def he(shape: Shape, rng: Random = None, *, rows: bool = False, dtype: DTypeLike = np.float64) -> NDArray[Any]:
    """Normal numbers of variance 2 / units in: for relu.

    He, Zhang, Ren and Sun, "Delving deep into rectifiers" (2015).

    >>> tg.init.he((4, 2), rng=0).shape
    (4, 2)
    """
    units_in, _ = _units(shape, rows)
    return normal(shape, rng, np.sqrt(2 / units_in), dtype)


def _units(shape: Shape, rows: bool) -> tuple[int, int]:
    if not isinstance(shape, tuple) or len(shape) < 2 or 0 in shape:
        raise ShapeError(f"a weight has at least two axes and no empty one, but the shape given is {shape}")
    if len(shape) > 2:  # kernels of a convolution
        reach = math.prod(shape[2:])
        return shape[1] * reach, shape[0] * reach
    return (shape[0], shape[1]) if rows else (shape[1], shape[0])
