"""Convolution and pooling."""

from typing import Any

import numpy as np

from .scatter import scatter_add


def inside(size: Any, padding: Any) -> Any:
    """Return the index of the part of a padded array between its padding."""
    return (..., *[slice(p[0], p[0] + n) for n, p in zip(size, padding, strict=True)])


def windows(x: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, fill: Any = 0) -> Any:
    """Return the elements under a kernel at each position, (N, C, *kernel, *positions): a view of the padded x."""
    size = [n + p[0] + p[1] for n, p in zip(x.shape[2:], padding, strict=True)]
    if any(map(any, padding)):
        padded = np.full((*x.shape[:2], *size), fill, x.dtype)
        padded[inside(x.shape[2:], padding)] = x
        x = padded
    positions = [(n - d * (k - 1) - 1) // s + 1 for n, k, s, d in zip(size, kernel, stride, dilation, strict=True)]
    steps = [n * d for n, d in zip(x.strides[2:], dilation, strict=True)]
    strides = [n * s for n, s in zip(x.strides[2:], stride, strict=True)]
    shape = (*x.shape[:2], *kernel, *positions)
    return np.lib.stride_tricks.as_strided(x, shape, (*x.strides[:2], *steps, *strides), writeable=False)


def im2col(x: Any, kernel: Any, stride: Any, padding: Any, dilation: Any) -> Any:
    """Return the windows of x as columns, (N, C k, L). A column holds one window, channel by channel."""
    view = windows(x, kernel, stride, padding, dilation)
    return view.reshape(len(x), x.shape[1] * int(np.prod(kernel)), int(np.prod(view.shape[x.ndim :])))


def col2im(columns: Any, size: Any, kernel: Any, stride: Any, padding: Any, dilation: Any) -> Any:
    """Return an array of that size with each column added at its window: the transpose of im2col."""
    x = np.zeros(
        (
            len(columns),
            columns.shape[1] // int(np.prod(kernel)),
            *[n + p[0] + p[1] for n, p in zip(size, padding, strict=True)],
        ),
        columns.dtype,
    )
    reach = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    positions = [(n - r - 1) // s + 1 for n, r, s in zip(x.shape[2:], reach, stride, strict=True)]
    columns = columns.reshape(*x.shape[:2], *kernel, *positions)
    for offset in np.ndindex(*kernel):
        read: Any = (
            ...,
            *[
                slice(i * d, n - r + i * d, s)
                for i, d, n, r, s in zip(offset, dilation, x.shape[2:], reach, stride, strict=True)
            ],
        )
        x[read] += columns[(slice(None), slice(None), *offset)]
    return x[inside(size, padding)]


def conv(x: Any, w: Any, stride: Any, padding: Any, dilation: Any, groups: Any) -> Any:
    """Return each kernel times each window, as one product of matrices for an example and a group of channels."""
    view = windows(x, w.shape[2:], stride, padding, dilation)
    rows = w.reshape(groups, len(w) // groups, int(np.prod(w.shape[1:])))
    positions = view.shape[w.ndim :]
    y = np.empty((len(x), groups, rows.shape[1], int(np.prod(positions))), np.result_type(x, w))
    for part, columns in columns_of(view, groups, rows.shape[2], y.shape[3]):
        np.matmul(rows[part[1]], columns, out=y[part])
    return y.reshape(len(x), len(w), *positions)


def columns_of(view: Any, groups: Any, inner: Any, positions: Any) -> Any:
    """Yield the windows as columns, in blocks that stay in the cache, each after its slices of examples and groups."""
    view = view.reshape(len(view), groups, view.shape[1] // groups, *view.shape[2:])
    for examples in some(len(view), groups * inner * positions):
        for channels in some(groups, inner * positions):
            columns = view[examples, channels]
            yield (examples, channels), columns.reshape(*columns.shape[:2], inner, positions)


def some(count: Any, size: Any) -> Any:
    """Return slices over `count` items of `size` elements each, with at most 2¹⁸ elements, or one item, in a slice."""
    step = max(1, 2**18 // max(size, 1))
    return [slice(i, i + step) for i in range(0, count, step)]


def conv_transpose(y: Any, w: Any, size: Any, stride: Any, padding: Any, dilation: Any, groups: Any) -> Any:
    """Return the transpose of conv in x: each kernel times an element of y, added up at its window.

    With a stride of 1, this is a convolution of y with the flipped kernels, which is faster unless y has more channels
    than x.
    """
    reach = [d * (k - 1) for k, d in zip(w.shape[2:], dilation, strict=True)]
    margins = [(r - p[0], r - p[1]) for r, p in zip(reach, padding, strict=True)]
    blocks = w.reshape(groups, len(w) // groups, *w.shape[1:])
    if all(s == 1 for s in stride) and min(map(min, margins)) >= 0 and blocks.shape[1] <= blocks.shape[2]:
        turned = np.flip(blocks.swapaxes(1, 2), tuple(range(3, blocks.ndim)))
        turned = turned.reshape(groups * blocks.shape[2], blocks.shape[1], *w.shape[2:])
        return conv(y, turned, stride, margins, dilation, groups)
    rows = y.reshape(len(y), groups, len(w) // groups, int(np.prod(y.shape[2:])))
    turned = w.reshape(groups, len(w) // groups, int(np.prod(w.shape[1:]))).mT
    columns = turned * rows if groups == len(w) else turned @ rows  # matmul is slow for vectors
    columns = columns.reshape(len(y), groups * columns.shape[2], columns.shape[3])
    return col2im(columns, size, w.shape[2:], stride, padding, dilation)


def conv_kernel(x: Any, y: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, groups: Any) -> Any:
    """Return the transpose of conv in w: the sum of each window times the element of y at its position."""
    view = windows(x, kernel, stride, padding, dilation)
    rows = y.reshape(len(y), groups, y.shape[1] // groups, int(np.prod(y.shape[2:])))
    inner = x.shape[1] // groups * int(np.prod(kernel))
    w = np.zeros((groups, inner, rows.shape[2]), np.result_type(x, y))
    for part, columns in columns_of(view, groups, inner, rows.shape[3]):
        w[part[1]] += np.sum(columns @ rows[part].mT, 0)
    return w.mT.reshape(y.shape[1], x.shape[1] // groups, *kernel)


def avg_pool(x: Any, kernel: Any, stride: Any, padding: Any, dilation: Any) -> Any:
    """Return the mean of each window; padding counts as zeros."""
    view = windows(x, kernel, stride, padding, dilation)
    dtype = x.dtype if x.dtype.kind == "f" else np.dtype(float)
    total = np.zeros((*x.shape[:2], *view.shape[x.ndim :]), np.result_type(dtype, np.float32))
    for offset in np.ndindex(*kernel):  # faster than a sum over these axes, which are short
        total += view[(slice(None), slice(None), *offset)]
    return (total / int(np.prod(kernel))).astype(dtype, copy=False)


def avg_unpool(y: Any, size: Any, kernel: Any, stride: Any, padding: Any, dilation: Any) -> Any:
    """Return the transpose of avg_pool: each element of y, shared equally among the elements of its window."""
    count = int(np.prod(kernel))
    shares = np.broadcast_to((y / count)[:, :, None], (*y.shape[:2], count, *y.shape[2:]))
    columns = shares.reshape(len(y), y.shape[1] * count, int(np.prod(y.shape[2:])))
    return col2im(columns, size, kernel, stride, padding, dilation)


def max_pool(x: Any, kernel: Any, stride: Any, padding: Any, dilation: Any) -> Any:
    """Return the largest element of each window."""
    view = windows(x, kernel, stride, padding, dilation, lowest(x.dtype))
    y = np.full((*x.shape[:2], *view.shape[x.ndim :]), lowest(x.dtype), x.dtype)
    for offset in np.ndindex(*kernel):
        np.maximum(y, view[(slice(None), slice(None), *offset)], out=y)
    return y


def max_pool_places(x: Any, kernel: Any, stride: Any, padding: Any, dilation: Any) -> Any:
    """Return the place in the flattened x of the largest element of each window, or of the first of equal ones."""
    view = windows(x, kernel, stride, padding, dilation, lowest(x.dtype))
    size, within = int(np.prod(x.shape[2:])), tuple(range(2, x.ndim))
    numbers = windows(np.arange(size).reshape(1, 1, *x.shape[2:]), kernel, stride, padding, dilation, size)
    y = np.full((*x.shape[:2], *view.shape[x.ndim :]), lowest(x.dtype), x.dtype)
    places = np.broadcast_to(np.min(numbers, within), y.shape)  # the first that is not padding, in case all are lowest
    for offset in np.ndindex(*kernel):
        part = (slice(None), slice(None), *offset)
        places = np.where((view[part] > y) | (view[part] != view[part]), numbers[part], places)
        np.maximum(y, view[part], out=y)
    return places + size * np.arange(x.shape[0] * x.shape[1]).reshape(*x.shape[:2], *(1,) * len(kernel))


def max_unpool(y: Any, places: Any, shape: Any) -> Any:
    """Return zeros with the elements of y added at places of the flattened array."""
    return scatter_add(y.reshape(-1), (places.reshape(-1),), (int(np.prod(shape)),)).reshape(shape)


def lowest(dtype: Any) -> Any:
    """Return the lowest value of a dtype."""
    return -np.inf if dtype.kind == "f" else np.iinfo(dtype).min if dtype.kind in "iu" else False
