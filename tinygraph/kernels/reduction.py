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


def count_nonzero(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """How many elements along axes are not 0; of all of them, older versions of NumPy give a plain number."""
    return np.asarray(np.count_nonzero(x, axis=axis, keepdims=keepdims))[()]


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
    if y.dtype.kind == "f" and len(sums) > 500 and y.size < 32 * len(sums):  # long, and not wide
        follow_by_blocks(factors, terms, sums)
    else:
        follow(factors, terms, sums)
    return y


def follow(factors: Any, terms: Any, sums: Any) -> Any:
    """Each sum is the one before it times its factor, and its term."""
    for k in range(1, len(sums)):
        sums[k] = factors[k - 1] * sums[k - 1] + terms[k - 1]


def follow_by_blocks(factors: Any, terms: Any, sums: Any) -> Any:
    """The same in √n steps for n sums: where each block starts, and then all blocks at a time.

    A start is that of the block before it times all its factors, and what its terms come to. Where those are products
    that leave the range of floating numbers, each sum follows from the one before it after all.
    """
    length = int(len(sums) ** 0.5)
    count = -(-len(sums) // length)
    blocks = np.zeros((3, count * length, *sums.shape[1:]), sums.dtype)
    blocks[0, : len(factors)], blocks[1, : len(terms)] = factors, terms
    parts = blocks.reshape(3, count, length, *sums.shape[1:]).swapaxes(1, 2).copy()
    ends, starts = np.zeros((2, count, *sums.shape[1:]), sums.dtype)
    with np.errstate(all="ignore"):
        sizes = np.cumprod(np.where(parts[0] == 0, 1, np.abs(parts[0])), 0)
        for factor, term in zip(parts[0], parts[1], strict=True):
            ends = factor * ends + term
        follow(np.cumprod(parts[0], 0)[-1], ends, starts)
    if np.isfinite(starts).all() and sizes.min() >= np.finfo(sums.dtype).tiny and sizes.max() < np.inf:
        parts[2, 0] = starts
        follow(parts[0], parts[1], parts[2])
        sums[...] = parts[2].swapaxes(0, 1).reshape(blocks[2].shape)[: len(sums)]
    else:
        follow(factors, terms, sums)


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
