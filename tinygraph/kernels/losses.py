"""Losses of probabilities and numbers."""

from typing import Any

import numpy as np


def softmax_loss(z: Any, y: Any, axis: Any) -> Any:
    """Return log Σ e^z − Σ y z along an axis, where 0 ∞ = 0."""
    top = np.max(z, axis=axis, keepdims=True)
    top = np.where(np.abs(top) == np.inf, 0.0, top).astype(top.dtype)
    below = z - top
    products = np.sum(y * np.where(y == 0, 0, below), axis=axis)
    missing = np.squeeze(top, axis) * (1 - np.sum(y, axis=axis, dtype=products.dtype))  # 0 except for rounding
    return np.log(np.sum(np.exp(below), axis=axis)) - products + missing


def log_loss(a: Any, y: Any) -> Any:
    """Return −(y log a + (1 − y) log(1 − a)), where 0 log 0 = 0."""
    missed = np.where(y == 0, 0.0, y * np.log(np.where(y == 0, 1.0, a)))
    alarmed = np.where(y == 1, 0.0, (1 - y) * np.log1p(-np.where(y == 1, 0.0, a)))
    return -(missed + alarmed)


def log_loss_from_logits(z: Any, y: Any) -> Any:
    """Return log(1 + e^z) − z y, where 0 ∞ = 0."""
    missed = np.where(y == 0, 0.0, y * np.maximum(-z, 0.0))
    alarmed = np.where(y == 1, 0.0, (1 - y) * np.maximum(z, 0.0))
    return missed + alarmed + np.log1p(np.exp(-np.abs(z)))


def quotient(x: Any, y: Any) -> Any:
    """Return x / y, where 0/0 = 0."""
    return x / np.where((x == 0) & (y == 0), 1, y)


def relative_entropy(p: Any, q: Any) -> Any:
    """Return p log(p / q), where 0 log 0 = 0.

    The quotient may overflow, so this is p (log p − log q), or where the logarithms cancel, p log1p((p − q) / q).
    """
    above, below = np.where(p == 0, 1, p), np.where(p == 0, 1, q)
    difference = np.log(above) - np.log(below)
    near = np.abs(difference) < 0.5
    return p * np.where(near, np.log1p(np.where(near, above - below, 0) / np.where(near, below, 1)), difference)


def huber(x: Any, delta: Any) -> Any:
    """Return x²/2 for |x| ≤ δ, and δ (|x| − δ/2) beyond."""
    near = np.minimum(np.abs(x), delta)
    return near * (np.abs(x) - 0.5 * near)
