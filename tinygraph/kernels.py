"""Functions that NumPy lacks, with NumPy alone.

Programs carry their source along: a kernel uses nothing but ``np``, builtins and other kernels, and its annotations are
all ``Any``.
"""

from typing import Any

import numpy as np

__all__ = [
    "argcummax",
    "argcummin",
    "avg_pool",
    "avg_unpool",
    "bounded_index",
    "cofactors",
    "col2im",
    "complex_of",
    "conv",
    "conv_kernel",
    "conv_transpose",
    "dft",
    "diagonal_matrix",
    "digamma",
    "digamma_derivative",
    "eigh_packed",
    "erf",
    "erfc",
    "finite",
    "fold_spectrum",
    "fractional",
    "gammaln",
    "huber",
    "idft",
    "im2col",
    "index_put",
    "inside",
    "interval",
    "irdft",
    "jumps",
    "last_place",
    "last_written",
    "log_softmax",
    "logsumexp",
    "lowest",
    "max_pool",
    "max_pool_places",
    "max_unpool",
    "mirror_spectrum",
    "one_hot_along",
    "parts_of",
    "per_square",
    "prod_after",
    "prod_before",
    "qr_packed",
    "quotient",
    "ratio",
    "rdft",
    "recurrence",
    "relative_entropy",
    "scatter_add",
    "scatter_along_axis",
    "scatter_diagonal",
    "sinc_derivative",
    "softmax",
    "softmax_loss",
    "svd_packed",
    "vector_norm",
    "windows",
    "without_zero",
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


def finite(x: Any, largest: Any = 1.7976931348623157e308) -> Any:
    """x between −largest and largest, and finite if it is floating."""
    largest = min(largest, float(np.finfo(x.dtype).max)) if x.dtype.kind == "f" else largest
    return np.minimum(np.maximum(x, -largest), largest)


def without_zero(x: Any) -> Any:
    """x, with infinity for 0."""
    return np.where(x == 0, np.inf, x)[()]


def per_square(x: Any, r: Any) -> Any:
    """x/r², without overflow on the way, and 0 where r is 0 or infinite."""
    none = (r == 0) | (r == np.inf)
    r = np.where(none, 1.0, r)
    return np.where(none, 0.0, x) / r / r


def fractional(x: Any) -> Any:
    """The fraction of x, with its sign."""
    return np.modf(x)[0]


def gammaln(x: Any) -> Any:
    """log |Γ(x)|, by SciPy."""
    from importlib import import_module

    return import_module("scipy.special").gammaln(x)


def digamma(x: Any) -> Any:
    """The derivative of log Γ(x), by SciPy."""
    from importlib import import_module

    return import_module("scipy.special").digamma(x)


def digamma_derivative(x: Any, order: Any) -> Any:
    """The derivative of digamma of so high an order, by SciPy."""
    from importlib import import_module

    return import_module("scipy.special").polygamma(order, x).astype(np.result_type(x, np.float16), copy=False)[()]


def sinc_derivative(x: Any, order: Any) -> Any:
    """The derivative of so high an order of sin u / u where u = π x.

    With s for it, u s⁽ⁿ⁾ + n s⁽ⁿ⁻¹⁾ = sin⁽ⁿ⁾ u, which loses digits near 0; there by the series Σ (−1)ᵏ u²ᵏ / (2k + 1)!.
    """
    dtype = np.result_type(x, np.float16)
    x = np.asarray(x, np.float64)
    far = np.abs(x) * np.pi > order + 2
    u = np.pi * np.where(far, x, 1.0)
    whole = np.where(far, np.rint(x), 0.0)  # sin(π x) is exactly 0 where x is whole
    sin, cos = (f(np.pi * (np.where(far, x, 1.0) - whole)) * (1 - 2 * (whole % 2)) for f in (np.sin, np.cos))
    outside = sin / u
    for n in range(1, order + 1):
        outside = ((sin, cos, -sin, -cos)[n % 4] - n * outside) / u
    u = np.pi * np.where(far, 0.0, x)
    inside, square = np.zeros_like(u), u * u
    for k in range(order + 24, (order + 1) // 2 - 1, -1):
        term = (-1.0) ** k / (2 * k + 1)
        for n in range(1, 2 * k - order + 1):
            term /= n
        inside = inside * square + term
    inside = inside * (u if order % 2 else 1.0)
    return np.asarray(np.pi**order * np.where(far, outside, inside)).astype(dtype)[()]


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
    key = key if isinstance(key, tuple) else (key,)
    axis, places = len(key) - 1, np.asarray(key[-1] if key else 0)
    alone = all(isinstance(part, slice) and part == slice(None) for part in key[:-1])
    if not alone or places.ndim == 0 or places.dtype.kind not in "iu" or out.ndim == 1:
        np.add.at(out, key, g)
        return out
    # along one axis, on a flat array: np.add.at is several times as fast on such
    before, count, after = out.shape[:axis], out.shape[axis], out.shape[axis + 1 :]
    if places.size and not -count <= places.min() <= places.max() < count:
        raise IndexError(f"an index is out of bounds for axis {axis} with size {count}")
    starts = np.arange(int(np.prod(before)))[:, None] * count + places.reshape(-1) % max(count, 1)
    flat = starts[:, :, None] * int(np.prod(after)) + np.arange(int(np.prod(after)))
    np.add.at(out.reshape(-1), flat.reshape(-1), np.broadcast_to(g, (*before, *places.shape, *after)).reshape(-1))
    return out


def log_softmax(x: Any, axis: Any = -1) -> Any:
    """x − log Σ e^x along axes."""
    above = x - np.max(x, axis=axis, keepdims=True)
    return above - np.log(np.sum(np.exp(above), axis=axis, keepdims=True))


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


def scatter_along_axis(g: Any, indices: Any, axis: Any, length: Any) -> Any:
    """Zeros of a length along an axis, with the elements of g added at the places that indices name along it."""
    out = np.zeros((*g.shape[:axis], length, *g.shape[axis + 1 :]), g.dtype)
    key = [np.arange(n).reshape((-1,) + (1,) * (g.ndim - 1 - i)) for i, n in enumerate(g.shape)]
    key[axis] = indices
    np.add.at(out, tuple(key), g)
    return out


def index_put(x: Any, values: Any, key: Any) -> Any:
    """A copy of x with values at the places that a key names; of several for one place the last."""
    out = np.array(x, order="C")
    key = key if isinstance(key, tuple) else (key,)
    if any(isinstance(part, np.ndarray) for part in key):
        places = np.arange(out.size).reshape(out.shape)[key]
        out.reshape(-1)[places.reshape(-1)] = np.broadcast_to(values, places.shape).reshape(-1)
    else:
        out[key] = values
    return out if out.ndim else out[()]


def last_written(key: Any, shape: Any) -> Any:
    """Where a key names a place for the last time, so that what is written there stays."""
    everything = np.arange(int(np.prod(shape)))
    places = everything.reshape(shape)[key]
    order, last = np.arange(places.size), np.empty_like(everything)
    last[places.reshape(-1)] = order
    return (last[places.reshape(-1)] == order).reshape(places.shape)


def bounded_index(i: Any, length: Any, mode: Any) -> Any:
    """Whole numbers as places from 0 to length − 1: wrapped around, clipped, or refused where they are none."""
    i = np.asarray(i).astype(np.intp)
    if mode == "wrap":
        i = i % max(length, 1)
    elif mode == "clip":
        i = np.clip(i, 0, length - 1)
    elif i.size and not 0 <= i.min() <= i.max() < length:
        raise IndexError(f"places go from 0 to {length - 1}, and there is {i.min() if i.min() < 0 else i.max()}")
    return i[()]


def diagonal_matrix(x: Any, offset: Any, shape: Any) -> Any:
    """Zeros, with the elements of x on a diagonal of the last two axes."""
    out = np.zeros(shape, x.dtype)
    i = np.arange(x.shape[-1])
    out[..., i + max(-offset, 0), i + max(offset, 0)] = x
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


def complex_of(z: Any) -> Any:
    """Complex numbers of real and imaginary parts, which lie along the first axis."""
    numbers = np.empty(z.shape[1:], np.result_type(z.dtype, 1j))
    numbers.real, numbers.imag = z
    return numbers


def parts_of(numbers: Any) -> Any:
    """The real and the imaginary parts of complex numbers, along a new first axis."""
    return np.stack([numbers.real, numbers.imag])


def dft(z: Any, axes: Any, norm: Any) -> Any:
    """The discrete Fourier transform; like all below of numbers whose real and imaginary parts lie along axis 0."""
    return parts_of(np.fft.fftn(complex_of(z), axes=axes, norm=norm))


def idft(z: Any, axes: Any, norm: Any) -> Any:
    """The inverse discrete Fourier transform."""
    return parts_of(np.fft.ifftn(complex_of(z), axes=axes, norm=norm))


def rdft(x: Any, axes: Any, norm: Any) -> Any:
    """The discrete Fourier transform of real numbers, without what mirrors the rest along the last of the axes."""
    return parts_of(np.fft.rfftn(x, axes=axes, norm=norm))


def irdft(z: Any, n: Any, axes: Any, norm: Any) -> Any:
    """The inverse of that; n is the length along the last of the axes."""
    lengths = [z.shape[axis + 1] for axis in axes[:-1]]
    x = np.fft.irfftn(complex_of(z), [*lengths, n], axes, norm)
    return x.astype(np.result_type(z.dtype, 1.0), copy=False) if len(axes) == 1 else x


def mirror_spectrum(z: Any, n: Any, axes: Any) -> Any:
    """The spectrum of n real numbers along the last of the axes, of its half: at −k is the conjugate of that at k."""
    *others, last = (axis + 1 for axis in axes)
    count = z.shape[last]
    mirrored = np.flip(np.take(z, range(1, n - count + 1), last), (*others, last))
    if others:
        mirrored = np.roll(mirrored, [1] * len(others), others)
    signs = np.reshape(np.array([1, -1], z.dtype), [2] + [1] * (z.ndim - 1))
    return np.concatenate([z, signs * mirrored], last)


def fold_spectrum(z: Any, axes: Any) -> Any:
    """The transpose of that: what is at −k is conjugated and added to what is at k."""
    *others, last = (axis + 1 for axis in axes)
    half, rest = np.split(z, [z.shape[last] // 2 + 1], last)
    mirrored = np.flip(rest, (*others, last))
    if others:
        mirrored = np.roll(mirrored, [1] * len(others), others)
    signs = np.reshape(np.array([1, -1], z.dtype), [2] + [1] * (z.ndim - 1))
    half = half.copy()
    half[(slice(None),) * last + (slice(1, rest.shape[last] + 1),)] += signs * mirrored
    return half


def scatter_diagonal(x: Any, subscripts: Any, shape: Any) -> Any:
    """Zeros, with x where axes of one label have one index."""
    out = np.zeros(shape, x.dtype)
    np.einsum(subscripts, out)[...] = x
    return out


def interval(x: Any, nodes: Any) -> Any:
    """The place of the node to the left of each x, such that there is one to its right."""
    return np.clip(np.searchsorted(nodes, x, side="right") - 1, 0, np.size(nodes) - 2)


def jumps(x: Any, discont: Any, axis: Any, period: Any) -> Any:
    """The whole periods by which angles would jump."""
    return np.unwrap(x, discont, axis, period=period) - x


def ratio(x: Any, y: Any) -> Any:
    """x / y, and 0 where y is."""
    out = np.zeros(np.broadcast_shapes(np.shape(x), np.shape(y)), np.result_type(x, y))
    return np.divide(x, y, out=out, where=y != 0)[()]


def quotient(x: Any, y: Any) -> Any:
    """x / y, where 0/0 = 0."""
    return x / np.where((x == 0) & (y == 0), 1, y)


def vector_norm(x: Any, ord: Any = 2, axis: Any = None, keepdims: Any = False) -> Any:
    """(Σ |x|ᵖ)^(1/p); where a power would not be in the range of numbers, with the largest or smallest |x| as unit."""
    tiny = np.finfo(x.dtype).tiny / np.finfo(x.dtype).eps
    with np.errstate(all="ignore"):
        total = np.sum(x * x if ord == 2 else np.abs(x) ** ord, axis, keepdims=True)
        unit = 1.0
        if not ((total > tiny) & (total < np.inf)).all():
            size = np.abs(x)
            unit = np.max(size, axis, keepdims=True, initial=0.0)
            if ord < 0:
                unit = np.min(size, axis, keepdims=True, initial=np.inf)
            unit = np.where((unit == 0) | (unit == np.inf), x.dtype.type(1), unit)
            total = np.sum((size / unit) ** ord, axis, keepdims=True)
        norm = unit * (np.sqrt(total) if ord == 2 else total ** (1 / ord))
    return norm if keepdims else np.squeeze(norm, axis)[()]


def eigh_packed(x: Any, UPLO: Any = "L") -> Any:
    """The eigenvalues of a symmetric matrix as a row, and below it its eigenvectors as columns."""
    values, vectors = np.linalg.eigh(x, UPLO)
    return np.concatenate([values[..., None, :], vectors], -2)


def svd_packed(x: Any, full: Any = False) -> Any:
    """U and below it V, their columns the singular vectors; and below these as a row the singular values."""
    u, s, vh = np.linalg.svd(x, full)
    rows, count, columns = u.shape[-2], s.shape[-1], vh.shape[-1]
    out = np.zeros((*s.shape[:-1], rows + columns + 1, max(u.shape[-1], vh.shape[-2])), s.dtype)
    out[..., :rows, : u.shape[-1]] = u
    out[..., rows:-1, : vh.shape[-2]] = np.swapaxes(vh, -1, -2)
    out[..., -1, :count] = s
    return out


def qr_packed(x: Any, mode: Any = "reduced") -> Any:
    """Q and below it Rᵀ."""
    q, r = np.linalg.qr(x, mode)
    return np.concatenate([q, np.swapaxes(r, -1, -2)], -2)


def cofactors(x: Any, *directions: Any) -> Any:
    """The cofactors of a matrix, or their derivative along directions, one after the other.

    With x = U S Vᵀ these are those of S, turned back. The determinant of S + Σ tₐ Dₐ has in t₁ ⋯ tₘ the coefficient
    Σ sign σ D₁[i₁, i_σ(1)] ⋯ Dₘ[iₘ, i_σ(m)] Π s, over all m different indices, all permutations σ of them, and the
    product of the singular values at the other indices. Nothing is divided, so that S may have zeros.
    """
    u, s, vh = np.linalg.svd(x)
    order, n = len(directions) + 1, s.shape[-1]
    turned = [np.swapaxes(u, -1, -2) @ d @ np.swapaxes(vh, -1, -2) for d in directions]
    taken = (np.indices((n,) * order)[..., None] == np.arange(n)).any(0)
    others = np.prod(np.where(taken, s.dtype.type(1), s[(..., *[None] * order, slice(None))]), -1)
    others = np.where(taken.sum(-1) == order, others, s.dtype.type(0))
    permutations: Any = [((), 1)]
    for i in range(order):
        permutations = [((*p[:j], i, *p[j:]), sign * (-1) ** (i - j)) for p, sign in permutations for j in range(i + 1)]
    letters = "abcdefghijklmnopqrstuvwxyz"[:order]
    result = np.zeros((*s.shape[:-1], n, n), s.dtype)
    for places, sign in permutations:
        pairs = [letters[i] + letters[j] for i, j in enumerate(places)]
        factors = ",".join("..." + pair for pair in [letters, *pairs[:-1]])
        diagonal = places[-1] == order - 1
        out = np.einsum("...aa->...a", result) if diagonal else result
        out += sign * np.einsum(f"{factors}->...{letters[-1] if diagonal else pairs[-1]}", others, *turned)
    turn = np.rint(np.linalg.det(u) * np.linalg.det(vh))[..., None, None]
    return turn * (u @ result @ vh)


def avg_unpool(y: Any, size: Any, kernel: Any, stride: Any, padding: Any, dilation: Any) -> Any:
    """The transpose of avg_pool: an equal share of each element of y to all of its window."""
    count = int(np.prod(kernel))
    shares = np.broadcast_to((y / count)[:, :, None], (*y.shape[:2], count, *y.shape[2:]))
    columns = shares.reshape(len(y), y.shape[1] * count, int(np.prod(y.shape[2:])))
    return col2im(columns, size, kernel, stride, padding, dilation)


def lowest(dtype: Any) -> Any:
    """What no number is less than."""
    return -np.inf if dtype.kind == "f" else np.iinfo(dtype).min if dtype.kind in "iu" else False


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


def relative_entropy(p: Any, q: Any) -> Any:
    """p log(p / q), where 0 log 0 = 0; the quotient could overflow."""
    return p * (np.log(np.where(p == 0, 1, p)) - np.log(np.where(p == 0, 1, q)))


def huber(x: Any, delta: Any) -> Any:
    """x²/2 for |x| ≤ δ, and δ (|x| − δ/2) beyond."""
    near = np.minimum(np.abs(x), delta)
    return near * (np.abs(x) - 0.5 * near)
