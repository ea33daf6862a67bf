"""Along axes: powers and their sums, running products."""

from typing import Any

import numpy as np


def softmax(x: Any, axis: Any = -1) -> Any:
    """e^x / Σ e^x along axes."""
    powers = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return powers / np.sum(powers, axis=axis, keepdims=True)


def log_softmax(x: Any, axis: Any = -1) -> Any:
    """x − log Σ e^x along axes."""
    above = x - np.max(x, axis=axis, keepdims=True)
    return above - np.log(np.sum(np.exp(above), axis=axis, keepdims=True))


def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """log Σ e^x along axes."""
    top = np.max(x, axis=axis, keepdims=True)
    top = np.where(np.abs(top) == np.inf, 0.0, top)  # so that ∞ − ∞ does not arise
    total = np.log(np.sum(np.exp(x - top), axis=axis, keepdims=True)) + top
    return total if keepdims else total.reshape(np.sum(x, axis=axis).shape)


def prod_before(x: Any, axis: Any) -> Any:
    """For each element the product of those before it along an axis."""
    y = np.ones(x.shape, x.dtype)
    elements, products = np.moveaxis(x, axis, 0), np.moveaxis(y, axis, 0)
    np.cumprod(elements[:-1], 0, x.dtype, products[1:])
    return y


def prod_after(x: Any, axis: Any) -> Any:
    """For each element the product of those after it along an axis."""
    return np.flip(prod_before(np.flip(x, axis), axis), axis)


def recurrence(x: Any, b: Any, axis: Any, reverse: Any) -> Any:
    """y_0 = 0, y_k = x_k−1 y_k−1 + b_k−1 along an axis; in reverse from its end."""
    y = np.zeros(x.shape, np.result_type(x, b))
    factors, terms, sums = (np.moveaxis(z, axis, 0)[:: -1 if reverse else 1] for z in (x, b, y))
    for k in range(1, len(sums)):
        sums[k] = factors[k - 1] * sums[k - 1] + terms[k - 1]
    return y


def argcummax(x: Any, axis: Any) -> Any:
    """Where along an axis the largest element so far stands, the last of several; a NaN is the largest."""
    return last_place((x == np.maximum.accumulate(x, axis)) | (x != x), axis)


def argcummin(x: Any, axis: Any) -> Any:
    """Where along an axis the smallest element so far stands, the last of several; a NaN is the smallest."""
    return last_place((x == np.minimum.accumulate(x, axis)) | (x != x), axis)


def last_place(condition: Any, axis: Any) -> Any:
    """Where along an axis a condition has held last so far; 0 where it never has."""
    places = np.arange(condition.shape[axis]).reshape((-1,) + (1,) * (condition.ndim - 1 - axis % condition.ndim))
    return np.maximum.accumulate(np.where(condition, places, 0), axis)
