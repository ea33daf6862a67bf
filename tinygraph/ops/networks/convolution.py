"""Convolution and pooling of batches (N, C, *spatial) with any number of spatial axes; names are those of PyTorch.

Convolution is bilinear, and its three maps (to the output, back to the input, back to the kernel) are each other's
gradients. So are im2col and col2im, which `unfold` and `fold` call. Pooling has ops of its own, because a composition
with `unfold` would copy every window.
"""

from __future__ import annotations

import math
from operator import index
from typing import Any

import numpy as np

from ... import kernels
from ...errors import ArgumentError
from ...graph.declaring import composite, op
from ...graph.samples import Domain, Sample
from ...graph.tensor import ArrayLike, Tensor
from ..arguments import as_tensor, misfit
from ..arithmetic.broadcasting import Shape
from ..arithmetic.elementwise import divide
from ..arrays.joining import stack
from ..arrays.keys import along
from ..arrays.shapes import reshape
from ..reduce.reductions import mean

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "fold",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "unfold",
]

Lengths = int | tuple[int, ...]
Pairs = tuple[tuple[int, int], ...]

_line: dict[str, Any] = {"stride": (1,), "padding": ((0, 0),), "dilation": (1,)}
_plane: dict[str, Any] = {"stride": (2, 1), "padding": ((1, 0), (1, 1)), "dilation": (1, 2)}


# -- windows as columns, and back ----------------------------------------------------------------------------------


@op(
    "convolution",
    lambda xp, g, y, x, **windows: xp.col2im(g, size=x.shape[2:], **windows),
    run=kernels.im2col,
    samples=(
        Sample(((2, 2, 4),), {"kernel": (2,), **_line}),
        Sample(((2, 2, 5, 4),), {"kernel": (2, 3), **_plane}),
        Sample(((0, 1, 5, 4),), {"kernel": (2, 3), **_plane}),
    ),
    linear="together",
    flops=0,
)
def im2col_(xp: Any, x: ArrayLike, kernel: Shape, stride: Shape, padding: Pairs, dilation: Shape) -> Any:
    return xp.im2col(x, kernel=kernel, stride=stride, padding=padding, dilation=dilation)


@op(
    "convolution",
    lambda xp, g, y, x, size, **windows: xp.im2col(g, **windows),
    run=kernels.col2im,
    samples=(
        Sample(((2, 4, 3),), {"size": (4,), "kernel": (2,), **_line}),
        Sample(((2, 6, 6),), {"size": (5, 4), "kernel": (2, 3), **_plane}),
    ),
    linear="together",
    flops=1,
)
def col2im_(xp: Any, x: ArrayLike, size: Shape, kernel: Shape, stride: Shape, padding: Pairs, dilation: Shape) -> Any:
    return xp.col2im(x, size=size, kernel=kernel, stride=stride, padding=padding, dilation=dilation)


# -- convolution ---------------------------------------------------------------------------------------------------


@op(
    "convolution",
    lambda xp, g, y, x, w, **how: xp.conv_transpose(g, w, size=x.shape[2:], **how),
    lambda xp, g, y, x, w, **how: xp.conv_kernel(x, g, kernel=w.shape[2:], **how),
    run=kernels.conv,
    samples=(
        Sample(((2, 2, 4), (3, 2, 2)), {**_line, "groups": 1}),
        Sample(((2, 2, 5, 4), (2, 2, 2, 3)), {**_plane, "groups": 1}),
        Sample(((1, 4, 5, 4), (2, 2, 2, 1)), {**_plane, "groups": 2}),
        Sample(((0, 2, 4), (1, 2, 2)), {**_line, "groups": 1}),
    ),
    linear="each",
    flops=lambda z, x, w, **how: 2 * math.prod(z) * math.prod(w[1:]),
    channels=1,
)
def conv_(xp: Any, x: ArrayLike, w: ArrayLike, stride: Shape, padding: Pairs, dilation: Shape, groups: int) -> Any:
    """y[n, o, i] = Σ w[o, c, k] x[n, c, i s + k d − p] over c and k, in each group of channels."""
    return xp.conv(x, w, stride=stride, padding=padding, dilation=dilation, groups=groups)


@op(
    "convolution",
    lambda xp, g, x, y, w, size, **how: xp.conv(g, w, **how),
    lambda xp, g, x, y, w, size, **how: xp.conv_kernel(g, y, kernel=w.shape[2:], **how),
    notation="conv^T({0}, {1})",
    run=kernels.conv_transpose,
    samples=(
        Sample(((2, 3, 3), (3, 2, 2)), {"size": (4,), **_line, "groups": 1}),
        Sample(((1, 2, 3, 6), (2, 2, 2, 1)), {"size": (5, 4), **_plane, "groups": 2}),
    ),
    linear="each",
    flops=lambda x, y, w, **how: 2 * math.prod(y) * math.prod(w[1:]),
)
def conv_transpose_(
    xp: Any, y: ArrayLike, w: ArrayLike, size: Shape, stride: Shape, padding: Pairs, dilation: Shape, groups: int
) -> Any:
    """x[n, c, i s + k d − p] = Σ w[o, c, k] y[n, o, i] over o and all i, k that lead there; `size` is that of x."""
    return xp.conv_transpose(y, w, size=size, stride=stride, padding=padding, dilation=dilation, groups=groups)


@op(
    "convolution",
    lambda xp, g, w, x, y, kernel, **how: xp.conv_transpose(y, g, size=x.shape[2:], **how),
    lambda xp, g, w, x, y, kernel, **how: xp.conv(x, g, **how),
    notation="corr({0}, {1})",
    run=kernels.conv_kernel,
    samples=(
        Sample(((2, 2, 4), (2, 3, 3)), {"kernel": (2,), **_line, "groups": 1}),
        Sample(((1, 4, 5, 4), (1, 2, 3, 6)), {"kernel": (2, 1), **_plane, "groups": 2}),
    ),
    linear="each",
    flops=lambda w, x, y, **how: 2 * math.prod(y) * math.prod(w[1:]),
)
def conv_kernel_(
    xp: Any, x: ArrayLike, y: ArrayLike, kernel: Shape, stride: Shape, padding: Pairs, dilation: Shape, groups: int
) -> Any:
    """w[o, c, k] = Σ y[n, o, i] x[n, c, i s + k d − p] over n and i; w has the lengths `kernel`."""
    return xp.conv_kernel(x, y, kernel=kernel, stride=stride, padding=padding, dilation=dilation, groups=groups)


# -- pooling -------------------------------------------------------------------------------------------------------


_windows_of: dict[int, dict[str, Any]] = {1: {"kernel": (2,), **_line}, 2: {"kernel": (2, 2), **_plane}}
_pools = (
    Sample(((2, 2, 4),), _windows_of[1]),
    Sample(((2, 2, 5, 4),), _windows_of[2]),
    Sample(((0, 1, 5, 4),), _windows_of[2]),
)


def _flops_per_window(z: Shape, x: Shape, *_: Shape, kernel: Shape, **params: Any) -> float:
    return math.prod(z) * math.prod(kernel)


@op(
    "convolution",
    lambda xp, g, y, x, **windows: xp.max_unpool(g, xp.max_pool_places(x, **windows), shape=x.shape),
    notation="max pool({0})",
    run=kernels.max_pool,
    samples=_pools,
    flops=_flops_per_window,
    chooses=True,
)
def max_pool_(xp: Any, x: ArrayLike, kernel: Shape, stride: Shape, padding: Pairs, dilation: Shape) -> Any:
    return xp.max_pool(x, kernel=kernel, stride=stride, padding=padding, dilation=dilation)


@op(
    "convolution",
    None,
    notation="argmax pool({0})",
    run=kernels.max_pool_places,
    samples=_pools,
    flops=_flops_per_window,
)
def max_pool_places_(xp: Any, x: ArrayLike, kernel: Shape, stride: Shape, padding: Pairs, dilation: Shape) -> Any:
    """The places in the flattened x of the elements that `max_pool_` picks."""
    return xp.max_pool_places(x, kernel=kernel, stride=stride, padding=padding, dilation=dilation)


_place = Domain(integer=True, low=0, high=8)


@op(
    "convolution",
    lambda xp, g, x, y, places, shape: xp.reshape(g, -1)[places],
    None,
    notation="unpool({0}, {1})",
    run=kernels.max_unpool,
    samples=tuple(Sample((shape, shape), {"shape": (2, 1, 4)}, (None, _place)) for shape in ((2, 1, 3), (0, 1, 2))),
    flops=0,
)
def max_unpool_(xp: Any, y: ArrayLike, places: ArrayLike, shape: Shape) -> Any:
    """Zeros of `shape`, with the elements of y added at the given places of the flattened array."""
    return xp.max_unpool(y, places, shape=shape)


@op(
    "convolution",
    lambda xp, g, y, x, **windows: xp.avg_unpool(g, size=x.shape[2:], **windows),
    notation="avg pool({0})",
    run=kernels.avg_pool,
    samples=_pools,
    linear="together",
    flops=_flops_per_window,
)
def avg_pool_(xp: Any, x: ArrayLike, kernel: Shape, stride: Shape, padding: Pairs, dilation: Shape) -> Any:
    return xp.avg_pool(x, kernel=kernel, stride=stride, padding=padding, dilation=dilation)


@op(
    "convolution",
    lambda xp, g, x, y, size, **windows: xp.avg_pool(g, **windows),
    notation="avg pool^T({0})",
    run=kernels.avg_unpool,
    samples=(
        Sample(((2, 2, 3),), {"size": (4,), **_windows_of[1]}),
        Sample(((2, 2, 3, 4),), {"size": (5, 4), **_windows_of[2]}),
    ),
    flops=lambda z, x, kernel, **params: math.prod(x) * math.prod(kernel),
)
def avg_unpool_(
    xp: Any, y: ArrayLike, size: Shape, kernel: Shape, stride: Shape, padding: Pairs, dilation: Shape
) -> Any:
    """The transpose of `avg_pool_`: each element of y is shared equally among the elements of its window."""
    return xp.avg_unpool(y, size=size, kernel=kernel, stride=stride, padding=padding, dilation=dilation)


# -- arguments -----------------------------------------------------------------------------------------------------

_AXES = {1: "L", 2: "H, W", 3: "D, H, W"}


def _per_axis(value: Any, axes: int, name: str, least: int) -> Shape:
    """Return `value` as one integer for each spatial axis; raise `ArgumentError` if one is less than `least`."""
    try:
        numbers = tuple(map(index, value)) if isinstance(value, (tuple, list)) else (index(value),) * axes
    except TypeError:
        numbers = ()
    if len(numbers) != axes or any(number < least for number in numbers):
        each = f" or a tuple of {axes}" if axes > 1 else ""
        raise ArgumentError(f"{name} must be a whole number of at least {least}{each}, not {value!r}")
    return numbers


def _geometry(kernel: Shape, stride: Any, padding: Any, dilation: Any) -> dict[str, Any]:
    """Return the stride, the padding before and after, and the dilation, for each spatial axis."""
    axes = len(kernel)
    stride, dilation = _per_axis(stride, axes, "stride", 1), _per_axis(dilation, axes, "dilation", 1)
    if padding == "same":
        if any(s > 1 for s in stride):
            raise ArgumentError(f'padding="same" keeps the lengths only with a stride of 1, not {stride}')
        total = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        pairs = [(n // 2, n - n // 2) for n in total]
    elif isinstance(padding, str) and padding != "valid":
        raise ArgumentError(f'padding must be a number, a tuple of numbers, "same" or "valid", not {padding!r}')
    else:
        pairs = [(n, n) for n in _per_axis(0 if padding == "valid" else padding, axes, "padding", 0)]
    return {"stride": stride, "padding": tuple(pairs), "dilation": dilation}


def _positions(size: Shape, kernel: Shape, stride: Shape, padding: Pairs, dilation: Shape) -> Shape:
    """Return the number of positions of the kernel along each axis; it is 0 or less if the kernel does not fit."""
    return tuple(
        (n + sum(p) - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True)
    )


def _check_fit(x: Tensor, kernel: Shape, how: dict[str, Any]) -> None:
    if any(n < 1 for n in _positions(x.shape[2:], kernel, **how)):
        dilated = f" with a dilation of {how['dilation']}" if max(how["dilation"]) > 1 else ""
        raise misfit((x,), f"a kernel of {kernel}{dilated} does not fit into the padded input")


def _meets_elements(size: Shape, kernel: Shape, stride: Shape, padding: Pairs, dilation: Shape) -> bool:
    """Return whether every window contains an element, not only padding; a dilated one may step over all elements."""
    counts = _positions(size, kernel, stride, padding, dilation)
    return all(
        any(0 <= s * i - before + d * j < n for j in range(k))
        for n, k, s, (before, _), d, count in zip(size, kernel, stride, padding, dilation, counts, strict=True)
        if before and (d > 1 or n == 0)
        for i in range(count)
    )


def _batched(x: Any, axes: int) -> tuple[Tensor, bool]:
    """Return the input with an axis of examples, and whether that axis was added."""
    x = as_tensor(x)
    if x.ndim == axes + 1:
        return reshape(x, (1, *x.shape)), True
    if x.ndim != axes + 2:
        raise misfit((x,), f"the input must have the shape (N, C, {_AXES[axes]}) or (C, {_AXES[axes]})")
    return x, False


def _parts(
    x: Any, axes: int, weight: Any, bias: Any, groups: Any, transposed: bool
) -> tuple[Tensor, bool, Tensor, Any, int]:
    """Return the operands as tensors, and the number of groups; raise an error if the channels do not fit."""
    weight = as_tensor(weight)
    (groups,) = _per_axis(groups, 1, "groups", 1)
    letters = ("C", f"O / {groups}") if transposed else ("O", f"C / {groups}")
    if weight.ndim != axes + 2 or min(weight.shape) < 1:
        kernel = ", ".join(f"k{i}" for i in range(1, axes + 1))
        raise misfit((x, weight), f"the weight must have the shape ({', '.join(letters)}, {kernel})")
    if len(weight) % groups:
        raise ArgumentError(f"the {len(weight)} channels of the weight cannot be split into {groups} groups")
    batch, alone = _batched(x, axes)
    read, made = (len(weight), weight.shape[1] * groups)[:: 1 if transposed else -1]
    if batch.shape[1] != read:
        raise misfit((x, weight), f"the input has {batch.shape[1]} channels, but the weight is for {read}")
    if bias is not None and (bias := as_tensor(bias)).shape != (made,):
        raise misfit((x, weight, bias), f"the bias must have one number for each of the {made} channels of the output")
    return batch, alone, weight, bias, groups


def _finished(alone: bool, bias: Tensor | None, apply: Any, *operands: Tensor, **params: Any) -> Tensor:
    """Apply an op, add the bias and drop an added axis. The last call is in a return, so it gets the user's name."""
    if bias is None and not alone:
        return apply(*operands, **params)  # type: ignore[no-any-return]
    y: Tensor = apply(*operands, **params)
    if bias is not None:
        bias = reshape(bias, (-1, *(1,) * (y.ndim - 2)))
        if not alone:
            return y + bias
        y = y + bias
    return reshape(y, y.shape[1:])


def _conv(axes: int, x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: Any) -> Tensor:
    x, alone, weight, bias, groups = _parts(x, axes, weight, bias, groups, transposed=False)
    how = _geometry(weight.shape[2:], stride, padding, dilation)
    _check_fit(x, weight.shape[2:], how)
    return _finished(alone, bias, conv_, x, weight, **how, groups=groups)


def _conv_transpose(
    axes: int, x: Any, weight: Any, bias: Any, stride: Any, padding: Any, further: Any, groups: Any, dilation: Any
) -> Tensor:
    x, alone, weight, bias, groups = _parts(x, axes, weight, bias, groups, transposed=True)
    kernel = weight.shape[2:]
    how = _geometry(kernel, stride, _per_axis(padding, axes, "padding", 0), dilation)
    further = _per_axis(further, axes, "output_padding", 0)
    if any(n >= s for n, s in zip(further, how["stride"], strict=True)):
        raise ArgumentError(f"output_padding must be less than the stride {how['stride']}, not {further}")
    size = tuple(
        (n - 1) * s - sum(p) + d * (k - 1) + 1 + more
        for n, k, s, p, d, more in zip(x.shape[2:], kernel, *how.values(), further, strict=True)
    )
    if any(n < 1 for n in size):
        raise misfit((x, weight), f"the result would have the lengths {size}, which must be at least 1")
    return _finished(alone, bias, conv_transpose_, x, weight, size=size, **how, groups=groups)


_stacks = {
    1: ((2, 2, 5), (3, 2, 2), (3,)),
    2: ((2, 2, 4, 3), (2, 2, 2, 2), (2,)),
    3: ((1, 1, 2, 3, 3), (1, 1, 2, 2, 2), (1,)),
}


def _convolutions(axes: int, *further: dict[str, Any]) -> tuple[Sample, ...]:
    x, w, b = _stacks[axes]
    return (
        Sample((x, w)),
        Sample((x, w, b), {"padding": 1, "stride": 2}),
        Sample((x[1:], w, b), {"dilation": 1}),
        *(Sample((x, w), params) for params in further),
    )


@composite("convolution", samples=_convolutions(1, {"padding": "same", "dilation": 3}))
def conv1d(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: Lengths = 1,
    padding: Lengths | str = 0,
    dilation: Lengths = 1,
    groups: int = 1,
) -> Tensor:
    """The convolution along one axis, with the arguments of `conv2d`.

    `x` has the shape (N, C, L) or (C, L), `weight` (O, C / groups, k), and `bias` (O,).

    >>> import tinygraph as tg
    >>> tg.conv1d([[1.0, 2.0, 4.0, 8.0]], [[[-1.0, 1.0]]])
    Tensor([[1., 2., 4.]], op=reshape)
    """
    return _conv(1, x, weight, bias, stride, padding, dilation, groups)


@composite("convolution", samples=_convolutions(2, {"padding": "same"}, {"padding": "valid", "stride": (1, 2)}))
def conv2d(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: Lengths = 1,
    padding: Lengths | str = 0,
    dilation: Lengths = 1,
    groups: int = 1,
) -> Tensor:
    """The convolution of images, like ``torch.nn.functional.conv2d`` (a cross-correlation: kernels are not flipped).

    `x` has the shape (N, C, H, W) or, for one image, (C, H, W); `weight` (O, C / groups, k1, k2); `bias` (O,). The
    result has the shape (N, O, H′, W′) with H′ = ⌊(H + 2 padding − dilation (k1 − 1) − 1) / stride⌋ + 1:

    y[n, o, i, j] = b[o] + Σ w[o, c, k, l] x[n, c, i s + k d − p, j s + l d − p] over c, k and l, with x = 0 outside.

    `stride`, `padding` and `dilation` are integers, or pairs for the two axes. ``padding="same"`` keeps H and W for a
    stride of 1; ``"valid"`` means 0. With `groups`, each group of channels has its own kernels. The gradient by x is a
    transposed convolution, and the gradient by the weight is a correlation of x with the cotangent.

    Raises `ShapeError` if the channels do not fit or the kernel is larger than the padded image, and `ArgumentError`
    for other invalid arguments.

    >>> import tinygraph as tg
    >>> x = tg.parameter(np.arange(9.0).reshape(1, 1, 3, 3))
    >>> y = tg.conv2d(x, [[[[1.0, 0.0], [0.0, -1.0]]]])
    >>> y.data[0, 0]
    array([[-4., -4.],
           [-4., -4.]])
    """
    return _conv(2, x, weight, bias, stride, padding, dilation, groups)


@composite("convolution", samples=_convolutions(3))
def conv3d(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: Lengths = 1,
    padding: Lengths | str = 0,
    dilation: Lengths = 1,
    groups: int = 1,
) -> Tensor:
    """The convolution along three axes, with the arguments of `conv2d`.

    `x` has the shape (N, C, D, H, W) or (C, D, H, W), `weight` (O, C / groups, k1, k2, k3), and `bias` (O,).

    >>> import tinygraph as tg
    >>> tg.conv3d(np.ones((1, 2, 4, 4, 4)), np.ones((3, 2, 2, 2, 2))).shape
    (1, 3, 3, 3, 3)
    """
    return _conv(3, x, weight, bias, stride, padding, dilation, groups)


def _transposed(axes: int, *further: dict[str, Any]) -> tuple[Sample, ...]:
    x, w, _ = _stacks[axes]
    w = (x[1], 2, *w[2:])
    return (
        Sample((x, w)),
        Sample((x, w, (2,)), {"padding": 1, "stride": 2, "output_padding": 1}),
        Sample((x[1:], w), {"dilation": 2}),
        *(Sample((x, w), params) for params in further),
    )


@composite("convolution", samples=_transposed(1, {"groups": 2}))
def conv_transpose1d(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: Lengths = 1,
    padding: Lengths = 0,
    output_padding: Lengths = 0,
    groups: int = 1,
    dilation: Lengths = 1,
) -> Tensor:
    """The transposed convolution along one axis, with the arguments of `conv_transpose2d`.

    `x` has the shape (N, C, L) or (C, L), `weight` (C, O / groups, k), and `bias` (O,).

    >>> import tinygraph as tg
    >>> tg.conv_transpose1d([[1.0, 2.0]], [[[1.0, 10.0]]], stride=2)
    Tensor([[ 1., 10.,  2., 20.]], op=reshape)
    """
    return _conv_transpose(1, x, weight, bias, stride, padding, output_padding, groups, dilation)


@composite("convolution", samples=_transposed(2, {"stride": (2, 1), "padding": (0, 1)}))
def conv_transpose2d(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: Lengths = 1,
    padding: Lengths = 0,
    output_padding: Lengths = 0,
    groups: int = 1,
    dilation: Lengths = 1,
) -> Tensor:
    """The transpose of `conv2d`, which is its gradient by x. The arguments are those of PyTorch's ``conv_transpose2d``.

    `x` has the shape (N, C, H, W) or (C, H, W), and `weight` (C, O / groups, k1, k2). Each element of `x`, times the
    kernel of its channel, is added at the places from which `conv2d` would have read it. The result has the shape (N,
    O, H′, W′) with H′ = (H − 1) stride − 2 padding + dilation (k1 − 1) + output_padding + 1. `conv2d` maps several
    sizes to the same H; `output_padding`, which is less than the stride, selects one of them.

    Raises `ShapeError` if the channels do not fit, and `ArgumentError` for other invalid arguments.

    >>> import tinygraph as tg
    >>> tg.conv_transpose2d(np.ones((1, 3, 8, 8)), np.ones((3, 6, 4, 4)), stride=2, padding=1).shape
    (1, 6, 16, 16)
    """
    return _conv_transpose(2, x, weight, bias, stride, padding, output_padding, groups, dilation)


@composite("convolution", samples=_transposed(3)[:1])
def conv_transpose3d(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: Lengths = 1,
    padding: Lengths = 0,
    output_padding: Lengths = 0,
    groups: int = 1,
    dilation: Lengths = 1,
) -> Tensor:
    """The transposed convolution along three axes, with the arguments of `conv_transpose2d`.

    `x` has the shape (N, C, D, H, W) or (C, D, H, W), `weight` (C, O / groups, k1, k2, k3), and `bias` (O,).

    >>> import tinygraph as tg
    >>> tg.conv_transpose3d(np.ones((1, 2, 3, 3, 3)), np.ones((2, 1, 2, 2, 2))).shape
    (1, 1, 4, 4, 4)
    """
    return _conv_transpose(3, x, weight, bias, stride, padding, output_padding, groups, dilation)


# -- pooling -------------------------------------------------------------------------------------------------------


def _windows(kernel_size: Any, stride: Any, padding: Any, dilation: Any, axes: int) -> dict[str, Any]:
    """Return the parameters of the windows of a pooling op; without a stride, the windows lie side by side."""
    kernel = _per_axis(kernel_size, axes, "kernel_size", 1)
    padding = _per_axis(padding, axes, "padding", 0)
    how = _geometry(kernel, kernel if stride is None else stride, padding, dilation)
    if any(2 * p > k for p, k in zip(padding, kernel, strict=True)):
        raise ArgumentError(f"padding must be at most half of the kernel_size {kernel}, not {padding}")
    return {"kernel": kernel, **how}


def _max_pool(axes: int, x: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any) -> Tensor:
    x, alone = _batched(x, axes)
    windows = _windows(kernel_size, stride, padding, dilation, axes)
    kernel = windows.pop("kernel")
    _check_fit(x, kernel, windows)
    if not _meets_elements(x.shape[2:], kernel, **windows):
        raise misfit((x,), f"a window of {kernel} contains only padding, which has no largest element")
    return _finished(alone, None, max_pool_, x, kernel=kernel, **windows)


def _avg_pool(axes: int, x: Any, kernel_size: Any, stride: Any, padding: Any, count_include_pad: bool) -> Tensor:
    x, alone = _batched(x, axes)
    windows = _windows(kernel_size, stride, padding, 1, axes)
    kernel = windows.pop("kernel")
    _check_fit(x, kernel, windows)
    if count_include_pad or not any(map(any, windows["padding"])):
        return _finished(alone, None, avg_pool_, x, kernel=kernel, **windows)
    y = avg_pool_(x, kernel=kernel, **windows)
    inside = kernels.avg_pool(np.ones((1, 1, *x.shape[2:]), y.dtype), kernel, **windows)
    return _finished(alone, None, divide, y, inside)


def _poolings(axes: int, *further: dict[str, Any]) -> tuple[Sample, ...]:
    x = _stacks[axes][0]
    return (
        Sample((x,), {"kernel_size": 2}),
        Sample((x[1:],), {"kernel_size": 2, "stride": 1, "padding": 1}),
        *(Sample((x,), params) for params in further),
    )


@composite("convolution", samples=_poolings(1, {"kernel_size": 2, "dilation": 2, "stride": 1}))
def max_pool1d(
    x: ArrayLike, kernel_size: Lengths, stride: Lengths | None = None, padding: Lengths = 0, dilation: Lengths = 1
) -> Tensor:
    """The largest element of each window of (N, C, L) or (C, L); see `max_pool2d`.

    >>> import tinygraph as tg
    >>> tg.max_pool1d([[1.0, 3.0, 2.0, 0.0]], 2)
    Tensor([[3., 2.]], op=reshape)
    """
    return _max_pool(1, x, kernel_size, stride, padding, dilation)


@composite("convolution", samples=_poolings(2, {"kernel_size": (3, 2), "stride": (1, 2), "padding": (1, 0)}))
def max_pool2d(
    x: ArrayLike, kernel_size: Lengths, stride: Lengths | None = None, padding: Lengths = 0, dilation: Lengths = 1
) -> Tensor:
    """The largest element of each window, like ``torch.nn.functional.max_pool2d``.

    `x` has the shape (N, C, H, W) or (C, H, W). `stride` is `kernel_size` by default. Padding is never the largest. The
    gradient goes to the largest element, or to the first one of a tie.

    Raises `ShapeError` if a window does not fit or contains only padding, and `ArgumentError` for other invalid
    arguments.

    >>> import tinygraph as tg
    >>> tg.max_pool2d([[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]], (2, 2), stride=1)
    Tensor([[[5., 6.]]], op=reshape)
    """
    return _max_pool(2, x, kernel_size, stride, padding, dilation)


@composite("convolution", samples=_poolings(3)[:1])
def max_pool3d(
    x: ArrayLike, kernel_size: Lengths, stride: Lengths | None = None, padding: Lengths = 0, dilation: Lengths = 1
) -> Tensor:
    """The largest element of each window of (N, C, D, H, W) or (C, D, H, W); see `max_pool2d`.

    >>> import tinygraph as tg
    >>> tg.max_pool3d(np.ones((1, 2, 4, 4, 4)), 2).shape
    (1, 2, 2, 2, 2)
    """
    return _max_pool(3, x, kernel_size, stride, padding, dilation)


@composite("convolution", samples=_poolings(1, {"kernel_size": 3, "padding": 1, "count_include_pad": False}))
def avg_pool1d(
    x: ArrayLike,
    kernel_size: Lengths,
    stride: Lengths | None = None,
    padding: Lengths = 0,
    *,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window of (N, C, L) or (C, L); see `avg_pool2d`.

    >>> import tinygraph as tg
    >>> tg.avg_pool1d([[1.0, 3.0, 2.0, 0.0]], 2)
    Tensor([[2., 1.]], op=reshape)
    """
    return _avg_pool(1, x, kernel_size, stride, padding, count_include_pad)


@composite("convolution", samples=_poolings(2, {"kernel_size": 2, "padding": (1, 0), "count_include_pad": False}))
def avg_pool2d(
    x: ArrayLike,
    kernel_size: Lengths,
    stride: Lengths | None = None,
    padding: Lengths = 0,
    *,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window, like ``torch.nn.functional.avg_pool2d``. The mean of whole images is ``x.mean((2, 3))``.

    `x` has the shape (N, C, H, W) or (C, H, W). `stride` is `kernel_size` by default. Padding counts as zeros; with
    ``count_include_pad=False`` it does not count.

    Raises `ShapeError` if a window does not fit, and `ArgumentError` for other invalid arguments.

    >>> import tinygraph as tg
    >>> tg.avg_pool2d([[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]], (2, 2), stride=1)
    Tensor([[[3., 4.]]], op=reshape)
    """
    return _avg_pool(2, x, kernel_size, stride, padding, count_include_pad)


@composite("convolution", samples=_poolings(3)[:1])
def avg_pool3d(
    x: ArrayLike,
    kernel_size: Lengths,
    stride: Lengths | None = None,
    padding: Lengths = 0,
    *,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window of (N, C, D, H, W) or (C, D, H, W); see `avg_pool2d`.

    >>> import tinygraph as tg
    >>> tg.avg_pool3d(np.ones((1, 2, 4, 4, 4)), 2).shape
    (1, 2, 2, 2, 2)
    """
    return _avg_pool(3, x, kernel_size, stride, padding, count_include_pad)


def _adaptive_avg_pool(axes: int, x: Any, output_size: Any) -> Tensor:
    y = as_tensor(x)
    if y.ndim not in (axes + 1, axes + 2) or 0 in y.shape[-axes:]:
        shapes = f"(N, C, {_AXES[axes]}) or (C, {_AXES[axes]})"
        raise misfit((x,), f"the input must have the shape {shapes}, and no spatial axis of length 0")
    lengths = y.shape[-axes:]
    if isinstance(output_size, (tuple, list)) and len(output_size) == axes:
        output_size = tuple(n if count is None else count for n, count in zip(lengths, output_size, strict=True))
    counts = _per_axis(output_size, axes, "output_size", 1)
    for axis, n, count in zip(range(y.ndim - axes, y.ndim), lengths, counts, strict=True):
        bins = [slice(i * n // count, -((i + 1) * n // -count)) for i in range(count)]
        y = stack([mean(y[along(axis, part)], axis=axis) for part in bins], axis=axis)
    return y


@composite("convolution", samples=(Sample(((2, 2, 5),), {"output_size": 3}), Sample(((2, 4),), {"output_size": 1})))
def adaptive_avg_pool1d(x: ArrayLike, output_size: Lengths) -> Tensor:
    """The means of `output_size` windows of (N, C, L) or (C, L); see `adaptive_avg_pool2d`.

    >>> import tinygraph as tg
    >>> tg.adaptive_avg_pool1d([[1.0, 3.0, 2.0, 0.0]], 2)
    Tensor([[2., 1.]], op=stack)
    """
    return _adaptive_avg_pool(1, x, output_size)


@composite("convolution", samples=tuple(Sample(((1, 2, 5, 4),), {"output_size": size}) for size in ((3, 2), (None, 2))))
def adaptive_avg_pool2d(x: ArrayLike, output_size: int | tuple[int | None, ...]) -> Tensor:
    """The means of `output_size` windows along each axis, like ``torch.nn.functional.adaptive_avg_pool2d``.

    `x` has the shape (N, C, H, W) or (C, H, W). Window i of n along an axis of length H reaches from ⌊i H / n⌋ to
    ⌈(i + 1) H / n⌉. None in `output_size` keeps the length of an axis.

    Raises `ShapeError` for other shapes and if H or W is 0, and `ArgumentError` unless `output_size` is one or two
    positive integers.

    >>> import tinygraph as tg
    >>> tg.adaptive_avg_pool2d([[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]], (1, 3))
    Tensor([[[2.5, 3.5, 4.5]]], op=stack)
    """
    return _adaptive_avg_pool(2, x, output_size)


# -- windows as columns --------------------------------------------------------------------------------------------


@composite(
    "convolution",
    samples=(
        Sample(((2, 2, 4),), {"kernel_size": 2}),
        Sample(((1, 2, 4, 3),), {"kernel_size": (2, 1), "padding": 1, "stride": 2}),
    ),
)
def unfold(
    x: ArrayLike, kernel_size: Lengths, dilation: Lengths = 1, padding: Lengths = 0, stride: Lengths = 1
) -> Tensor:
    """The windows of (N, C, \\*spatial) as columns, like ``torch.nn.functional.unfold``; also known as im2col.

    The result has the shape (N, C · kernel, L). Column l holds the elements under the kernel at its l-th position,
    channel by channel, so that a convolution is ``W.reshape(O, -1) @ unfold(x, …)``. There may be any number of spatial
    axes.

    Raises `ShapeError` if the kernel does not fit, and `ArgumentError` for other invalid arguments.

    >>> import tinygraph as tg
    >>> tg.unfold([[[1.0, 2.0, 3.0]]], 2)
    Tensor([[[1., 2.],
             [2., 3.]]], op=im2col)
    """
    x = as_tensor(x)
    if x.ndim < 3:
        raise misfit((x,), "the input must have the shape (N, C, …) with one spatial axis or more")
    kernel = _per_axis(kernel_size, x.ndim - 2, "kernel_size", 1)
    how = _geometry(kernel, stride, padding, dilation)
    _check_fit(x, kernel, how)
    return im2col_(x, kernel=kernel, **how)


@composite(
    "convolution",
    samples=(
        Sample(((2, 4, 3),), {"output_size": (4,), "kernel_size": 2}),
        Sample(((1, 4, 9),), {"output_size": (4, 3), "kernel_size": (2, 1), "padding": 1, "stride": 2}),
    ),
)
def fold(
    x: ArrayLike,
    output_size: tuple[int, ...],
    kernel_size: Lengths,
    dilation: Lengths = 1,
    padding: Lengths = 0,
    stride: Lengths = 1,
) -> Tensor:
    """The columns of (N, C · kernel, L) added at their windows in (N, C, \\*output_size): the transpose of `unfold`.

    It works like ``torch.nn.functional.fold``, for any number of spatial axes.

    Raises `ShapeError` if the number of columns does not fit, and `ArgumentError` for other invalid arguments.

    >>> import tinygraph as tg
    >>> tg.fold([[[1.0, 2.0], [2.0, 3.0]]], (3,), 2)
    Tensor([[[1., 4., 3.]]], op=col2im)
    """
    x = as_tensor(x)
    if not isinstance(output_size, (tuple, list)):
        raise ArgumentError(f"output_size must be a tuple with a length for each spatial axis, not {output_size!r}")
    size = _per_axis(output_size, len(output_size), "output_size", 1)
    kernel = _per_axis(kernel_size, len(size), "kernel_size", 1)
    how = _geometry(kernel, stride, padding, dilation)
    positions = _positions(size, kernel, **how)
    rows, columns = math.prod(kernel), math.prod(positions)
    if x.ndim != 3 or x.shape[1] % rows or x.shape[2] != columns or min(positions) < 1:
        raise misfit((x,), f"the input must have the shape (N, C · {rows}, {columns}), for {positions} positions")
    return col2im_(x, size=size, kernel=kernel, **how)
