"""Functions that NumPy lacks, with NumPy alone.

Programs carry their source along: a kernel uses nothing but ``np``, builtins and other kernels, and its annotations are
all ``Any``.
"""

from typing import Any

import numpy as np

__all__ = [
    "avg_pool",
    "avg_unpool",
    "col2im",
    "conv",
    "conv_kernel",
    "conv_transpose",
    "erf",
    "erfc",
    "huber",
    "im2col",
    "inside",
    "logsumexp",
    "lowest",
    "max_pool",
    "max_pool_places",
    "max_unpool",
    "one_hot_along",
    "ratio",
    "relative_entropy",
    "scatter_add",
    "softmax",
    "softmax_loss",
    "windows",
]


def erfc(x: Any) -> Any:
    """1 − erf x = e^−x² P(|x|) / Q(|x|) for x ≥ 0, and 2 less that of −x for x < 0.

    P and Q are the best polynomials of their degree, for e^x² erfc x up to where erfc x is 0. The result is off by some
    units in the last place, where it is small by as much as rounding x makes it. In blocks that stay in the cache.
    """
    dtype = np.result_type(x, np.float16)
    working = np.float64 if dtype == np.float64 else np.float32
    if working == np.float64:
        P = [1.0000000000000002, 2.1309109882248456, 2.2500835840189874, 1.5078660147580498, 0.6988555314359731]
        P += [0.23106504812297524, 0.054409177624244215, 0.008808096228327338, 0.0008927239607883914]
        P += [4.3403461112979584e-05]
        Q = [1.0, 3.2592901553204157, 4.9277986947997805, 4.56125402438825, 2.8696909271672144, 1.2861167747642483]
        Q += [0.41731964787465087, 0.09722891214978191, 0.015650409401965396, 0.0015823120219839247]
        Q += [7.693063179311718e-05]
    else:
        P = [0.9999999918135363, 1.2249187185152082, 0.7168178481231753, 0.22190416558493756, 0.031153075073290386]
        Q = [1.0, 2.3532976625549633, 2.3722292651849304, 1.2976526080188502, 0.3933450057621121, 0.05521657842840784]
    flat = np.ravel(x)
    result = np.empty(flat.shape, working)
    for start in range(0, flat.size, 32768):
        block, y = flat[start : start + 32768].astype(working), result[start : start + 32768]
        size = np.minimum(np.abs(block), working(28.0))
        above, below = size * working(P[-1]), size * working(Q[-1])
        for polynomial, coefficients in ((above, P), (below, Q)):
            for coefficient in coefficients[-2:0:-1]:
                np.add(polynomial, coefficient, polynomial)
                np.multiply(polynomial, size, polynomial)
            np.add(polynomial, coefficients[0], polynomial)
        np.multiply(size, size, y)
        np.negative(y, y)
        np.exp(y, y)
        np.multiply(y, above, y)
        np.divide(y, below, y)
        sign = np.copysign(working(1.0), block)
        np.multiply(y, sign, y)
        np.subtract(1.0, sign, sign)
        np.add(y, sign, y)
    return result.reshape(np.shape(x)).astype(dtype, copy=False)[()]


def erf(x: Any) -> Any:
    """2/√π Σ (−1)ⁿ x²ⁿ⁺¹ / (n! (2n + 1)) where |x| < 1/2, and 1 − erfc x elsewhere."""
    near = np.clip(np.asarray(x, float), -0.5, 0.5)
    square = near * near
    series, factorial = np.zeros_like(near), 1.0
    for n in range(12):
        factorial *= max(n, 1)
        series += (-1) ** n / (factorial * (2 * n + 1)) * square**n
    inside = 2 / np.sqrt(np.pi) * near * series
    return np.asarray(np.where(np.abs(x) < 0.5, inside, 1.0 - erfc(x))).astype(np.result_type(x, np.float16))[()]


def softmax(x: Any, axis: Any = -1) -> Any:
    """e^x / Σ e^x along axes."""
    powers = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return powers / np.sum(powers, axis=axis, keepdims=True)


def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """log Σ e^x along axes."""
    top = np.max(x, axis=axis, keepdims=True)
    top = np.where(np.abs(top) == np.inf, 0.0, top)  # so that ∞ − ∞ does not arise
    total = np.log(np.sum(np.exp(x - top), axis=axis, keepdims=True)) + top
    return total if keepdims else total.reshape(np.sum(x, axis=axis).shape)


def scatter_add(g: Any, key: Any, shape: Any) -> Any:
    """Zeros, with the elements of g added at the places that a key names."""
    out = np.zeros(shape, g.dtype)
    np.add.at(out, key, g)
    return out


def inside(size: Any, padding: Any) -> Any:
    """The index of what lies between the padding."""
    return (..., *[slice(p[0], p[0] + n) for n, p in zip(size, padding, strict=True)])


def windows(x: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, fill: Any = 0) -> Any:
    """What a kernel meets at each of its positions, (N, C, *kernel, *positions): a view of x in its padding."""
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
    """The windows of x as columns, (N, C k, L): each has what the kernel meets at one position, channel by channel."""
    view = windows(x, kernel, stride, padding, dilation)
    return view.reshape(len(x), x.shape[1] * int(np.prod(kernel)), int(np.prod(view.shape[x.ndim :])))


def col2im(columns: Any, size: Any, kernel: Any, stride: Any, padding: Any, dilation: Any) -> Any:
    """Columns added up where their windows lie: the transpose of im2col."""
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
    """Each kernel times each window, as one product of matrices for an example and a group of channels."""
    view = windows(x, w.shape[2:], stride, padding, dilation)
    columns = view.reshape(len(x), groups, int(np.prod(w.shape[1:])), int(np.prod(view.shape[w.ndim :])))
    return (w.reshape(groups, len(w) // groups, -1) @ columns).reshape(len(x), len(w), *view.shape[w.ndim :])


def conv_transpose(y: Any, w: Any, size: Any, stride: Any, padding: Any, dilation: Any, groups: Any) -> Any:
    """The transpose of conv in x: each kernel times an element of y, added up where its window lies."""
    rows = y.reshape(len(y), groups, len(w) // groups, int(np.prod(y.shape[2:])))
    turned = w.reshape(groups, len(w) // groups, int(np.prod(w.shape[1:]))).mT
    columns = turned * rows if groups == len(w) else turned @ rows  # of vectors matmul is slow
    columns = columns.reshape(len(y), groups * columns.shape[2], columns.shape[3])
    return col2im(columns, size, w.shape[2:], stride, padding, dilation)


def conv_kernel(x: Any, y: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, groups: Any) -> Any:
    """The transpose of conv in w: each window times the element of y at its position, added up."""
    columns = im2col(x, kernel, stride, padding, dilation)
    columns = columns.reshape(len(x), groups, columns.shape[1] // groups, columns.shape[2])
    rows = y.reshape(len(y), groups, y.shape[1] // groups, columns.shape[3])
    return np.sum(rows @ columns.mT, 0).reshape(y.shape[1], x.shape[1] // groups, *kernel)


def avg_pool(x: Any, kernel: Any, stride: Any, padding: Any, dilation: Any) -> Any:
    """The mean of each window, in which padding counts as zeros."""
    view = windows(x, kernel, stride, padding, dilation)
    dtype = x.dtype if x.dtype.kind == "f" else np.dtype(float)
    total = np.zeros((*x.shape[:2], *view.shape[x.ndim :]), np.result_type(dtype, np.float32))
    for offset in np.ndindex(*kernel):  # in fewer steps than a sum over these axes, which are short
        total += view[(slice(None), slice(None), *offset)]
    return (total / int(np.prod(kernel))).astype(dtype, copy=False)


def avg_unpool(y: Any, size: Any, kernel: Any, stride: Any, padding: Any, dilation: Any) -> Any:
    """The transpose of avg_pool: an equal share of each element of y to all of its window."""
    count = int(np.prod(kernel))
    shares = np.broadcast_to((y / count)[:, :, None], (*y.shape[:2], count, *y.shape[2:]))
    columns = shares.reshape(len(y), y.shape[1] * count, int(np.prod(y.shape[2:])))
    return col2im(columns, size, kernel, stride, padding, dilation)


def lowest(dtype: Any) -> Any:
    """What no number is less than."""
    return -np.inf if dtype.kind == "f" else np.iinfo(dtype).min if dtype.kind in "iu" else False


def max_pool(x: Any, kernel: Any, stride: Any, padding: Any, dilation: Any) -> Any:
    """The largest element of each window."""
    view = windows(x, kernel, stride, padding, dilation, lowest(x.dtype))
    y = np.full((*x.shape[:2], *view.shape[x.ndim :]), lowest(x.dtype), x.dtype)
    for offset in np.ndindex(*kernel):
        np.maximum(y, view[(slice(None), slice(None), *offset)], out=y)
    return y


def max_pool_places(x: Any, kernel: Any, stride: Any, padding: Any, dilation: Any) -> Any:
    """Where in the flattened x the largest element of each window is; of equal ones the first."""
    view = windows(x, kernel, stride, padding, dilation, lowest(x.dtype))
    size, within = int(np.prod(x.shape[2:])), tuple(range(2, x.ndim))
    numbers = windows(np.arange(size).reshape(1, 1, *x.shape[2:]), kernel, stride, padding, dilation, size)
    y = np.full((*x.shape[:2], *view.shape[x.ndim :]), lowest(x.dtype), x.dtype)
    places = np.broadcast_to(np.min(numbers, within), y.shape)  # the first that is no padding, should all be lowest
    for offset in np.ndindex(*kernel):
        part = (slice(None), slice(None), *offset)
        places = np.where((view[part] > y) | (view[part] != view[part]), numbers[part], places)
        np.maximum(y, view[part], out=y)
    return places + size * np.arange(x.shape[0] * x.shape[1]).reshape(*x.shape[:2], *(1,) * len(kernel))


def max_unpool(y: Any, places: Any, shape: Any) -> Any:
    """Zeros, with the elements of y added at places of the flattened array."""
    return scatter_add(y.reshape(-1), (places.reshape(-1),), (int(np.prod(shape)),)).reshape(shape)


def one_hot_along(y: Any, classes: Any, axis: Any) -> Any:
    """Whether each class, along a new axis, is that of y; there has to be one."""
    if y.size and not 0 <= np.min(y) <= np.max(y) < classes:
        raise IndexError(f"the classes are 0 to {classes - 1}, but labels are from {np.min(y)} to {np.max(y)}")
    return np.expand_dims(y, axis) == np.arange(classes).reshape(-1, *(1,) * (y.ndim - axis))


def softmax_loss(z: Any, y: Any, axis: Any) -> Any:
    """log Σ e^z − Σ y z along an axis, where 0 ∞ = 0."""
    top = np.max(z, axis=axis, keepdims=True)
    top = np.where(np.abs(top) == np.inf, 0.0, top).astype(top.dtype)
    below = z - top
    products = np.sum(y * np.where(y == 0, 0, below), axis=axis)
    missing = np.squeeze(top, axis) * (1 - np.sum(y, axis=axis, dtype=products.dtype))  # 0 but for rounding
    return np.log(np.sum(np.exp(below), axis=axis)) - products + missing


def ratio(x: Any, y: Any) -> Any:
    """x / y, where 0/0 = 0."""
    return x / np.where((x == 0) & (y == 0), 1, y)


def relative_entropy(p: Any, q: Any) -> Any:
    """p log(p / q), where 0 log 0 = 0; the quotient could overflow."""
    return p * (np.log(np.where(p == 0, 1, p)) - np.log(np.where(p == 0, 1, q)))


def huber(x: Any, delta: Any) -> Any:
    """x²/2 for |x| ≤ δ, and δ (|x| − δ/2) beyond."""
    near = np.minimum(np.abs(x), delta)
    return near * (np.abs(x) - 0.5 * near)
