"""Initial weights, as arrays to wrap: ``W1 = tg.parameter(tg.init.he((4, 2), rng))``.

Weights must start at random values: hidden units that start equal have equal gradients and stay equal for ever. The
scale is chosen so that the spread of activations stays about the same from layer to layer. A bias may start at zero.

`shape` is the shape of W. If examples are columns, as in ``W @ X``, a weight has shape (units out, units in). If
examples are rows, as in ``X @ W``, it has shape (units in, units out) and needs ``rows=True``. The kernels of a
convolution have the shape (channels out, channels in, lengths…): each output meets a whole kernel of each channel.
`rng` is a NumPy generator or a seed; without one, every call draws new numbers.
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..errors import ShapeError

Shape = tuple[int, ...]
Random: TypeAlias = "np.random.Generator | int | None"  # text: np.random is slow to import


def zeros(shape: int | Shape, dtype: DTypeLike = np.float64) -> NDArray[Any]:
    """Return zeros, which suit biases.

    >>> tg.init.zeros((2, 1)).tolist()
    [[0.0], [0.0]]
    """
    return np.zeros(shape, dtype)


def normal(shape: int | Shape, rng: Random = None, scale: float = 0.01, dtype: DTypeLike = np.float64) -> NDArray[Any]:
    """Return small normal numbers with mean 0 and standard deviation `scale`.

    >>> tg.init.normal((4, 2), rng=0).shape
    (4, 2)
    """
    return (np.random.default_rng(rng).standard_normal(shape) * scale).astype(dtype)


def xavier(shape: Shape, rng: Random = None, *, rows: bool = False, dtype: DTypeLike = np.float64) -> NDArray[Any]:
    """Return normal numbers with variance 2 / (units in + units out), which suit tanh and sigmoid.

    Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks" (2010).

    >>> tg.init.xavier((4, 2), rng=0).shape
    (4, 2)
    """
    units_in, units_out = _units(shape, rows)
    return normal(shape, rng, np.sqrt(2 / (units_in + units_out)), dtype)


glorot = xavier


def he(shape: Shape, rng: Random = None, *, rows: bool = False, dtype: DTypeLike = np.float64) -> NDArray[Any]:
    """Return normal numbers with variance 2 / (units in), which suit relu.

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
