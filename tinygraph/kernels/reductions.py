"""Functions along axes: sums of e^x, running products, recurrences, and places of running extremes."""

from typing import Any

import numpy as np


def softmax(x: Any, axis: Any = -1) -> Any:
    """Return e^x / Σ e^x along axes."""
    powers = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return powers / np.sum(powers, axis=axis, keepdims=True)


def log_softmax(x: Any, axis: Any = -1) -> Any:
    """Return x − log Σ e^x along axes."""
    above = x - np.max(x, axis=axis, keepdims=True)
    return above - np.log(np.sum(np.exp(above), axis=axis, keepdims=True))


def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Return log Σ e^x along axes."""
    top = np.max(x, axis=axis, keepdims=True)
    top = np.where(np.isinf(top), x.dtype.type(0), top)  # so that ∞ − ∞ does not arise
    with np.errstate(divide="ignore"):  # where all elements are −∞, log 0 is −∞
        total = np.log(np.sum(np.exp(x - top), axis=axis, keepdims=True)) + top
    return total if keepdims else np.max(total, axis=axis)


def logsumexp_derivative(x: Any, y: Any, axis: Any = None) -> Any:
    """Return e^(x − y) for y = log Σ e^x with its axes kept. Where y is infinite, the elements equal to it share 1.

    For large numbers y is rounded, so the powers add up to 1 only after a division by their sum.
    """
    infinite = np.isinf(y)
    if not np.count_nonzero(infinite):  # faster than any()
        powers = np.exp(x - y)
        return powers / np.sum(powers, axis, keepdims=True)
    tied = x == y
    shares = tied / np.maximum(np.sum(tied, axis, keepdims=True), 1)
    with np.errstate(over="ignore", invalid="ignore"):
        powers = np.exp(x - y)
        return np.where(infinite, shares, powers / np.sum(powers, axis, keepdims=True)).astype(x.dtype)[()]


def difference(x: Any, y: Any) -> Any:
    """Return x − y, with 0 where both are the same infinity."""
    if not np.count_nonzero(np.isinf(y)):  # faster than any()
        return np.subtract(x, y)
    different = np.not_equal(x, y)
    out = np.zeros(different.shape, np.result_type(x, y))
    return np.subtract(x, y, out=out, where=different)[()]


def count_nonzero(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Return how many elements along axes are not 0; for all axes, older versions of NumPy give a plain number."""
    return np.asarray(np.count_nonzero(x, axis=axis, keepdims=keepdims))[()]


def prod_before(x: Any, axis: Any) -> Any:
    """Return, for each element, the product of those before it along an axis."""
    y = np.empty(x.shape, x.dtype)
    elements, products = x.swapaxes(axis, 0), y.swapaxes(axis, 0)
    products[:1] = 1
    np.multiply.accumulate(elements[:-1], 0, None, products[1:])
    return y


def prod_after(x: Any, axis: Any) -> Any:
    """Return, for each element, the product of those after it along an axis."""
    y = np.empty(x.shape, x.dtype)
    elements, products = x.swapaxes(axis, 0)[::-1], y.swapaxes(axis, 0)[::-1]
    products[:1] = 1
    np.multiply.accumulate(elements[:-1], 0, None, products[1:])
    return y


def prod_others(x: Any, axis: Any) -> Any:
    """Return, for each element, the product of all others along an axis, even if partial products leave the range."""
    with np.errstate(all="ignore"):
        before = prod_before(x, axis)
        if in_range(x, before, axis):
            return before * prod_after(x, axis)
        elements = x.swapaxes(axis, 0)
        before, after = running_products(elements), running_products(elements[::-1])
        y = np.ldexp(before[0] * after[0][::-1], before[1] + after[1][::-1])
        return y.swapaxes(axis, 0).astype(x.dtype)


def cumprod_gradient(x: Any, g: Any, axis: Any) -> Any:
    """Return Σ g_i Π x_j over i ≥ k and j ≤ i, j ≠ k, for each k along an axis, even if partial products overflow."""
    with np.errstate(all="ignore"):
        before = prod_before(x, axis)
        if in_range(x, before, axis):
            return before * (g + recurrence(x, x * g, axis, True))
        factors, shifts = np.frexp(x.swapaxes(axis, 0).astype(np.float64))
        sums, powers = np.frexp(g.swapaxes(axis, 0).astype(np.float64))
        for k in range(len(sums) - 2, -1, -1):  # g_k + x_k+1 (g_k+1 + x_k+2 (g_k+2 + …))
            later, power = factors[k + 1] * sums[k + 1], shifts[k + 1] + powers[k + 1]
            unit = np.where(sums[k] == 0, power, np.where(later == 0, powers[k], np.maximum(power, powers[k])))
            sums[k], shift = np.frexp(np.ldexp(sums[k], powers[k] - unit) + np.ldexp(later, power - unit))
            powers[k] = unit + shift
        before, shift = running_products(x.swapaxes(axis, 0))
        return np.ldexp(before * sums, shift + powers).swapaxes(axis, 0).astype(x.dtype)


def in_range(x: Any, before: Any, axis: Any) -> Any:
    """Return whether every product of consecutive elements is in the range of numbers; zeros are left out."""
    return is_narrow(before * x) or is_narrow(np.cumprod(np.where(x == 0, x.dtype.type(1), x), axis))


def is_narrow(products: Any) -> Any:
    """Return whether the quotient of any two products, or of one and 1, is in the range of numbers."""
    sizes, largest = np.abs(products), 2.0 ** (np.finfo(products.dtype).maxexp - 2)
    return bool(sizes.size == 0 or max(sizes.max(), 1.0) < largest * min(sizes.min(), 1.0))


def running_products(x: Any) -> Any:
    """Return the products of the elements before each along the first axis, as fractions and exponents of 2."""
    factors, shifts = np.frexp(x.astype(np.float64))
    parts, powers = np.full(x.shape, 0.5), np.ones(x.shape, shifts.dtype)
    for k in range(1, len(x)):
        parts[k], shift = np.frexp(parts[k - 1] * factors[k - 1])
        powers[k] = powers[k - 1] + shifts[k - 1] + shift
    return parts, powers


def recurrence(x: Any, b: Any, axis: Any, reverse: Any) -> Any:
    """Return y with y_0 = 0 and y_k = x_k−1 y_k−1 + b_k−1 along an axis, or from its end with `reverse`."""
    y = np.zeros(x.shape, np.result_type(x, b))
    factors, terms, sums = (np.moveaxis(z, axis, 0)[:: -1 if reverse else 1] for z in (x, b, y))
    if y.dtype.kind == "f" and len(sums) > 500 and y.size < 32 * len(sums):  # long and narrow
        follow_by_blocks(factors, terms, sums)
    else:
        follow(factors, terms, sums)
    return y


def follow(factors: Any, terms: Any, sums: Any) -> Any:
    """Write each sum: the one before it, times its factor, plus its term."""
    for k in range(1, len(sums)):
        sums[k] = factors[k - 1] * sums[k - 1] + terms[k - 1]


def follow_by_blocks(factors: Any, terms: Any, sums: Any) -> Any:
    """Write the same sums as `follow`, n of them in O(√n) steps: the start of each block, then all blocks at a time.

    The start of a block is the start of the block before, times the factors of that block, plus the sum of its terms.
    If a product of factors leaves the range of floating numbers, each sum follows from the one before it after all.
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
    """Return the place of the largest element so far along an axis, the last of equal ones; a NaN is the largest."""
    return last_place((x == np.maximum.accumulate(x, axis)) | (x != x), axis)


def argcummin(x: Any, axis: Any) -> Any:
    """Return the place of the smallest element so far along an axis, the last of equal ones; a NaN is the smallest."""
    return last_place((x == np.minimum.accumulate(x, axis)) | (x != x), axis)


def last_place(condition: Any, axis: Any) -> Any:
    """Return the last place so far along an axis where a condition holds, or 0 if there is none."""
    places = np.arange(condition.shape[axis]).reshape((-1,) + (1,) * (condition.ndim - 1 - axis % condition.ndim))
    return np.maximum.accumulate(np.where(condition, places, 0), axis)
