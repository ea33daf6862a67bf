"""Losses of probabilities and numbers."""

from typing import Any

import numpy as np


def softmax_loss(z: Any, y: Any, axis: Any) -> Any:
    """log Σ e^z − Σ y z along an axis, where 0 ∞ = 0."""
    top = np.max(z, axis=axis, keepdims=True)
    top = np.where(np.abs(top) == np.inf, 0.0, top).astype(top.dtype)
    below = z - top
    products = np.sum(y * np.where(y == 0, 0, below), axis=axis)
    missing = np.squeeze(top, axis) * (1 - np.sum(y, axis=axis, dtype=products.dtype))  # 0 but for rounding
    return np.log(np.sum(np.exp(below), axis=axis)) - products + missing


def quotient(x: Any, y: Any) -> Any:
    """x / y, where 0/0 = 0."""
    return x / np.where((x == 0) & (y == 0), 1, y)


def relative_entropy(p: Any, q: Any) -> Any:
    """p log(p / q), where 0 log 0 = 0; the quotient could overflow."""
    return p * (np.log(np.where(p == 0, 1, p)) - np.log(np.where(p == 0, 1, q)))


def huber(x: Any, delta: Any) -> Any:
    """x²/2 for |x| ≤ δ, and δ (|x| − δ/2) beyond."""
    near = np.minimum(np.abs(x), delta)
    return near * (np.abs(x) - 0.5 * near)
