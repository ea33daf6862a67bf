"""Short texts for arrays, as boxes show them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..writing.notation import number

# arrays that are larger are summarised
_LARGEST_VALUE = 4  # elements
LARGEST_GRADIENT = 2


def shape_text(shape: tuple[int, ...]) -> str:
    """Return a shape as in mathematics: ``4 × 400``."""
    return str(shape) if len(shape) == 1 else " × ".join(map(str, shape))


def value_text(array: np.ndarray[Any, Any]) -> str:
    """Return shape and value: small arrays in full, larger ones as mean and spread."""
    return f"{shape_text(array.shape)}   {summary_text(array)}" if array.shape else summary_text(array)


def summary_text(array: np.ndarray[Any, Any], norm: bool = False) -> str:
    """Return an array in full, or its mean and spread; with `norm`, for gradients, its norm."""
    if array.size == 0:
        return "empty"
    if array.size <= (LARGEST_GRADIENT if norm else _LARGEST_VALUE):
        return in_full(array)
    with np.errstate(over="ignore"):
        numbers = array.astype(float)
    if not np.isfinite(numbers).all():
        bad = int(np.isnan(numbers).sum())
        return f"{bad} NaN" if bad else f"{int(np.isinf(numbers).sum())} inf"
    first, largest = numbers.flat[0].item(), np.abs(numbers).max().item()
    if norm:  # all sums are scaled, so that squares and sums cannot overflow
        return f"‖·‖ {number(largest * float(np.linalg.norm(numbers / (largest or 1.0))))}"
    if (numbers == first).all():
        return f"all {brief(first)}"
    if ((numbers == 0) | (numbers == 1)).all():
        return f"{int(numbers.sum())} ones"
    mean, spread = (numbers / largest).mean().item(), (numbers / largest).std().item()
    if abs(mean) < 1e-12 * spread:  # the rounding of a mean of 0
        mean = 0.0
    return f"μ {brief(mean * largest)}   σ {brief(spread * largest)}"


def in_full(array: np.ndarray[Any, Any]) -> str:
    """Return all elements; a column is written as a transposed row, as on paper."""
    if array.ndim == 0:
        return number(float(array) if array.dtype.kind == "f" else array.item())
    if array.ndim == 2 and array.shape[1] == 1 and len(array) > 1:
        return f"{in_full(array[:, 0])}ᵀ"
    if array.ndim == 2 and len(array) == 1:
        return in_full(array[0])
    return "[" + ", ".join(in_full(part) if array.ndim > 1 else brief(part.item()) for part in array) + "]"


def brief(value: Any) -> str:
    """Return a number in three digits."""
    return number(float(f"{value:.3g}")) if isinstance(value, float) else number(value)
