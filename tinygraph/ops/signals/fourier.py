"""Discrete Fourier transforms: ``tg.fft``, with the names and arguments of ``np.fft`` and the Array API.

Tensors are real. A transform takes a real tensor, or a pair (real, imag) of real tensors, and returns a pair,
`Complex`; `irfft`, `irfft2`, `irfftn` and `hfft` return a real tensor. A tuple of two is a pair; a list is an array, as
elsewhere.

All transforms are linear. They are composed of six primitives, which come in pairs of transposes: the transforms of
complex numbers (whose parts lie along a first axis of length two), those of real numbers, and the reflection that
completes the half spectrum of real numbers. The transform of real numbers computes only half of the spectrum.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from operator import index
from typing import Any, NamedTuple, TypeAlias, TypeVar

import numpy as np

from ... import kernels
from ...errors import ArgumentError, DTypeError, ShapeError
from ...graph.declaring import composite, op
from ...graph.records import Rule
from ...graph.samples import Sample
from ...graph.tensor import ArrayLike, Tensor
from ..arguments import as_tensor, need_one_of, normalize_axes
from ..arithmetic.broadcasting import Shape
from ..arithmetic.elementwise import divide, floating, negative
from ..arrays.indexing import getitem_, scatter_add_
from ..arrays.joining import concat_, stack_
from ..arrays.keys import along
from ..arrays.shapes import broadcast_to

__all__ = [
    "Complex",
    "fft",
    "fft2",
    "fftfreq",
    "fftn",
    "fftshift",
    "hfft",
    "ifft",
    "ifft2",
    "ifftn",
    "ifftshift",
    "ihfft",
    "irfft",
    "irfft2",
    "irfftn",
    "rfft",
    "rfft2",
    "rfftfreq",
    "rfftn",
]

Function = TypeVar("Function", bound=Callable[..., Any])


class _Parts(NamedTuple):
    real: Tensor
    imag: Tensor


class Complex(_Parts):
    """Complex numbers as a pair of real tensors of one shape.

    Pairs are added, subtracted and multiplied like complex numbers, with each other and with real numbers.

    >>> import tinygraph as tg
    >>> z = tg.fft.Complex(tg.Tensor([1.0]), tg.Tensor([2.0]))
    >>> (z * z).real.item(), (2.0 * z).imag.item(), z.abs2().item()
    (-3.0, 4.0, 5.0)
    """

    __slots__ = ()
    __array_ufunc__ = None  # so that an array on the left lets the pair do the operation

    def conj(self) -> Complex:
        """The complex conjugates."""
        return Complex(self.real, -self.imag)

    def abs2(self) -> Tensor:
        """|z|² = real² + imag²; of a transform, the power spectrum."""
        return self.real * self.real + self.imag * self.imag

    def __neg__(self) -> Complex:
        return Complex(-self.real, -self.imag)

    def __add__(self, other: Any) -> Complex:
        if not isinstance(other, tuple):
            real = self.real + other
            return Complex(real, broadcast_to(self.imag, real.shape))
        real, imag = other
        return Complex(self.real + real, self.imag + imag)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Complex:
        return -(-self).__add__(other)

    def __rsub__(self, other: Any) -> Complex:
        return (-self).__add__(other)

    def __mul__(self, other: Any) -> Complex:
        if not isinstance(other, tuple):
            return Complex(self.real * other, self.imag * other)
        real, imag = other
        return Complex(self.real * real - self.imag * imag, self.real * imag + self.imag * real)

    __rmul__ = __mul__


Signal: TypeAlias = "ArrayLike | tuple[ArrayLike, ArrayLike]"


# -- the primitives ------------------------------------------------------------------------------------------------

# The transpose of a transform is the inverse transform with the factor of the other direction.
_TRANSPOSED = {"backward": "forward", "ortho": "ortho", "forward": "backward"}


def _bins(real: Any, axes: Shape) -> Any:
    """Return how often each number of a half spectrum occurs in the whole one: twice, but once at 0 and n/2."""
    n = real.shape[axes[-1]]
    often = np.full(n // 2 + 1, 2.0, real.dtype)
    often[0] = 1.0
    if n % 2 == 0:
        often[-1] = 1.0
    return often.reshape(-1, *(1,) * (real.ndim - axes[-1] - 1))


_AXES: tuple[tuple[Shape, Shape], ...] = (
    ((5,), (0,)),
    ((4,), (0,)),
    ((1,), (0,)),
    ((2,), (0,)),
    ((3, 4), (0,)),
    ((3, 4), (0, 1)),
    ((3, 2, 5), (2, 0)),
    ((0, 4), (1,)),
)
_NORMS = ("backward", "ortho", "forward")


def _samples(*params: str, packed: bool = True, half: bool = False) -> tuple[Sample, ...]:
    """Return samples for each kind of axes; the lengths in `_AXES` are those of the real numbers."""
    samples = []
    for i, (shape, axes) in enumerate(_AXES):
        values = {"n": shape[axes[-1]], "norm": _NORMS[i % 3], "axes": axes}
        if half:
            shape = tuple(n // 2 + 1 if i == axes[-1] else n for i, n in enumerate(shape))
        samples.append(Sample(((2, *shape) if packed else shape,), {name: values[name] for name in params}))
    return tuple(samples)


def _flops_of_fourier(share: float) -> Rule:
    """Return a rule that counts 5 n log₂ n FLOPs, times `share`: 1 for complex numbers, ½ for real ones."""

    def total(y: Shape, x: Shape, axes: Shape, norm: str, n: int | None = None) -> float:
        real = x if len(x) < len(y) else y[1:] if n is None else y
        length = math.prod(real[axis] for axis in axes)
        return share * 5 * math.prod(real) * math.log2(max(length, 1))

    return total


@op(
    "contraction",
    lambda xp, g, y, z, axes, norm: xp.idft(g, axes=axes, norm=_TRANSPOSED[norm]),
    notation="F_{axes}({0})",
    run=kernels.dft,
    samples=_samples("axes", "norm"),
    flops=_flops_of_fourier(1),
)
def dft_(xp: Any, z: ArrayLike, axes: Shape, norm: str) -> Any:
    """y_k = Σ_j z_j e^(−2πijk/n) along the axes, where z holds the parts of complex numbers."""
    return xp.dft(z, axes=axes, norm=norm)


@op(
    "contraction",
    lambda xp, g, y, z, axes, norm: xp.dft(g, axes=axes, norm=_TRANSPOSED[norm]),
    notation="F^−1_{axes}({0})",
    run=kernels.idft,
    samples=_samples("axes", "norm"),
    flops=_flops_of_fourier(1),
)
def idft_(xp: Any, z: ArrayLike, axes: Shape, norm: str) -> Any:
    """y_j = 1/n Σ_k z_k e^(2πijk/n) along the axes, where z holds the parts of complex numbers."""
    return xp.idft(z, axes=axes, norm=norm)


@op(
    "contraction",
    lambda xp, g, y, x, axes, norm: xp.irdft(
        g / _bins(x, axes), n=x.shape[axes[-1]], axes=axes, norm=_TRANSPOSED[norm]
    ),
    notation="F_{axes}({0})",
    run=kernels.rdft,
    samples=_samples("axes", "norm", packed=False),
    flops=_flops_of_fourier(1 / 2),
)
def rdft_(xp: Any, x: ArrayLike, axes: Shape, norm: str) -> Any:
    """The transform of real numbers, with k from 0 to n/2 along the last of the axes."""
    return xp.rdft(x, axes=axes, norm=norm)


@op(
    "contraction",
    lambda xp, g, y, z, n, axes, norm: xp.rdft(g, axes=axes, norm=_TRANSPOSED[norm]) * _bins(g, axes),
    notation="F^−1_{axes}({0})",
    run=kernels.irdft,
    samples=_samples("n", "axes", "norm", half=True),
    flops=_flops_of_fourier(1 / 2),
)
def irdft_(xp: Any, z: ArrayLike, n: int, axes: Shape, norm: str) -> Any:
    """The n real numbers whose half spectrum is z."""
    return xp.irdft(z, n=n, axes=axes, norm=norm)


@op(
    "contraction",
    lambda xp, g, y, z, n, axes: xp.fold_spectrum(g, axes=axes),
    notation="mirror_{axes}({0})",
    run=kernels.mirror_spectrum,
    samples=_samples("n", "axes", half=True),
    flops=0,
)
def mirror_spectrum_(xp: Any, z: ArrayLike, n: int, axes: Shape) -> Any:
    """The whole spectrum of real numbers, completed from its half."""
    return xp.mirror_spectrum(z, n=n, axes=axes)


@op(
    "contraction",
    lambda xp, g, y, z, axes: xp.mirror_spectrum(g, n=z.shape[axes[-1] + 1], axes=axes),
    notation="mirror^T_{axes}({0})",
    run=kernels.fold_spectrum,
    samples=_samples("axes"),
    flops=lambda y, x, axes: math.prod(x) - math.prod(y),
)
def fold_spectrum_(xp: Any, z: ArrayLike, axes: Shape) -> Any:
    """The transpose of `mirror_spectrum`."""
    return xp.fold_spectrum(z, axes=axes)


# -- arguments -----------------------------------------------------------------------------------------------------


def _parts(x: Signal) -> tuple[Tensor, ...]:
    """Return x as one real tensor, or as its real and imaginary parts."""
    if not isinstance(x, tuple):
        return (as_tensor(x),)
    if len(x) != 2:
        raise ArgumentError(
            f"complex numbers must be a pair (real, imag), not {len(x)} arrays; write an array as a list"
        )
    real, imag = map(as_tensor, x)
    if real.shape != imag.shape:
        raise ShapeError(f"real and imaginary parts must have the same shape, not {real.shape} and {imag.shape}")
    return real, imag


def _real(name: str, x: Any) -> Tensor:
    if isinstance(x, tuple):
        whole = name.replace("r", "", 1).replace("ih", "i")
        raise DTypeError(f"{name} takes real numbers; use {whole} for a pair (real, imag)")
    return as_tensor(x)


def _fitted(name: str, x: Tensor, lengths: Sequence[int] | None, axes: Sequence[int] | None) -> tuple[Shape, Shape]:
    """Return the axes counted from the first, and their lengths."""
    if axes is None:
        if lengths is not None:
            raise ArgumentError(f"{name} needs axes for the lengths s={tuple(lengths)}; give axes too")
        axes = range(x.ndim)
    axes = normalize_axes(axes, x)
    if not axes:
        raise ShapeError(f"{name} needs at least one axis of an array of shape {x.shape}")
    if lengths is None:
        lengths = [-1] * len(axes)
    if len(lengths) != len(axes):
        raise ArgumentError(f"{name} needs one length for each of the axes {axes}, not the lengths {tuple(lengths)}")
    return axes, tuple(x.shape[axis] if n == -1 else index(n) for n, axis in zip(lengths, axes, strict=True))


def _resized(x: Tensor, lengths: Shape, axes: Shape) -> Tensor:
    """Return x cut off, or padded with zeros, to the given lengths."""
    for n, axis in zip(lengths, axes, strict=True):
        if n < x.shape[axis]:
            x = getitem_(x, key=along(axis, slice(n)))
        elif n > x.shape[axis]:
            shape = (*x.shape[:axis], n, *x.shape[axis + 1 :])
            x = scatter_add_(x, key=along(axis, slice(x.shape[axis])), shape=shape)
    return x


def _check(name: str, lengths: Shape, norm: str | None) -> str:
    if min(lengths) < 1:
        raise ShapeError(f"{name} needs at least one number along each axis, not the lengths {lengths}")
    norm = "backward" if norm is None else norm
    need_one_of(tuple(_TRANSPOSED), norm=norm)
    return norm


def _pair(z: Tensor) -> Complex:
    return Complex(getitem_(z, key=(0,)), getitem_(z, key=(1,)))


def _to_complex(name: str, x: Signal, s: Any, axes: Any, norm: str | None, inverse: bool = False) -> Complex:
    parts = _parts(x)
    axes, lengths = _fitted(name, parts[0], s, axes)
    norm = _check(name, lengths, norm)
    parts = tuple(_resized(part, lengths, axes) for part in parts)
    if len(parts) == 2:
        return _pair((idft_ if inverse else dft_)(stack_(*parts, axis=0), axes=axes, norm=norm))
    half = rdft_(parts[0], axes=axes, norm=_TRANSPOSED[norm] if inverse else norm)
    whole = _pair(mirror_spectrum_(half, n=lengths[-1], axes=axes))
    return whole.conj() if inverse else whole


def _to_half(name: str, x: ArrayLike, s: Any, axes: Any, norm: str | None) -> Complex:
    real = _real(name, x)
    axes, lengths = _fitted(name, real, s, axes)
    norm = _check(name, lengths, norm)
    return _pair(rdft_(_resized(real, lengths, axes), axes=axes, norm=norm))


def _to_real(name: str, x: Signal, s: Any, axes: Any, norm: str | None) -> Tensor:
    parts = _parts(x)
    axes, lengths = _fitted(name, parts[0], s, axes)
    if s is None or s[-1] == -1:
        lengths = (*lengths[:-1], 2 * (lengths[-1] - 1))
    norm, n = _check(name, lengths, norm), lengths[-1]
    parts = tuple(_resized(part, (*lengths[:-1], n // 2 + 1), axes) for part in parts)
    if len(parts) == 2:
        z = stack_(*parts, axis=0)
    else:
        z = scatter_add_(*parts, key=(0,), shape=(2, *parts[0].shape))
    return irdft_(z, n=n, axes=axes, norm=norm)


def _one(n: int | None) -> tuple[int] | None:
    return None if n is None else (n,)


# -- the transforms ------------------------------------------------------------------------------------------------


def _transform(*samples: Sample) -> Callable[[Function], Function]:
    """Declare a function of a real array or a pair. Samples with two inputs stand for a pair."""

    def declare(function: Function) -> Function:
        theirs = getattr(np.fft, function.__name__)

        def apply(*parts: Any, **params: Any) -> Any:
            return function(parts if len(parts) == 2 else parts[0], **params)

        def reference(*parts: Any, **params: Any) -> Any:
            y = theirs(parts[0] + 1j * parts[1] if len(parts) == 2 else parts[0], **params)
            return (y.real, y.imag) if np.iscomplexobj(y) else y

        apply.__name__ = function.__name__
        composite("contraction", samples=samples, reference=reference)(apply)
        return function

    return declare


_one_axis = (
    Sample(((5,),)),
    Sample(((4,),), {"norm": "ortho"}),
    Sample(((2, 3),), {"axis": 0, "norm": "forward"}),
    Sample(((2, 3),), {"n": 5}),
    Sample(((4, 2),), {"n": 3, "axis": -2}),
    Sample(((0, 3),)),
)
_several_axes = (
    Sample(((3, 4),)),
    Sample(((2, 3, 4),), {"axes": (0, -1), "norm": "ortho"}),
    Sample(((2, 3, 2),), {"axes": (2, 0), "norm": "forward"}),
    Sample(((3, 4),), {"s": (4, 3), "axes": (0, 1)}),
    Sample(((3, 4),), {"s": (-1, 5), "axes": (1, 0)}),
)
_two_axes = (
    Sample(((3, 4),)),
    Sample(((2, 3, 4),), {"norm": "ortho"}),
    Sample(((3, 4),), {"s": (4, 3), "axes": (1, 0)}),
)


def _of_pairs(samples: tuple[Sample, ...]) -> tuple[Sample, ...]:
    return (*samples, *(Sample(sample.shapes * 2, sample.params) for sample in samples))


@_transform(*_of_pairs(_one_axis))
def fft(x: Signal, n: int | None = None, axis: int = -1, norm: str | None = "backward") -> Complex:
    """y_k = Σ_j x_j e^(−2πijk/n) along an axis: the discrete Fourier transform, like ``np.fft.fft``.

    `x` is cut off, or padded with zeros, to the length `n`. `norm` says where the factor 1/n is applied: "backward" in
    the inverse, "forward" here, "ortho" its root in both directions. A transform is linear; its gradient is a transform
    of the cotangent.

    Raises `ShapeError` if the axis is missing or empty, and `ArgumentError` for any other norm. For real numbers, the
    second half of the result mirrors the first; `rfft` omits it.

    >>> import tinygraph as tg
    >>> tg.fft.fft([1.0, 2.0, 0.0, -1.0]).imag
    Tensor([ 0., -3.,  0.,  3.], op=getitem)
    """
    return _to_complex("fft", x, _one(n), (axis,), norm)


@_transform(*_of_pairs(_one_axis))
def ifft(x: Signal, n: int | None = None, axis: int = -1, norm: str | None = "backward") -> Complex:
    """x_j = 1/n Σ_k y_k e^(2πijk/n) along an axis: the inverse of `fft`.

    >>> import tinygraph as tg
    >>> tg.fft.ifft(tg.fft.fft([1.0, 2.0, 0.0])).real.data.round(12).tolist()
    [1.0, 2.0, 0.0]
    """
    return _to_complex("ifft", x, _one(n), (axis,), norm, inverse=True)


@_transform(*_of_pairs(_several_axes))
def fftn(
    x: Signal, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: str | None = "backward"
) -> Complex:
    """The discrete Fourier transform along several axes, or all; `s` has their lengths, −1 for the length in `x`.

    >>> import tinygraph as tg
    >>> tg.fft.fftn([[1.0, 2.0], [3.0, 5.0]]).real.data.tolist()
    [[11.0, -3.0], [-5.0, 1.0]]
    """
    return _to_complex("fftn", x, s, axes, norm)


@_transform(*_of_pairs(_several_axes))
def ifftn(
    x: Signal, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: str | None = "backward"
) -> Complex:
    """The inverse of `fftn`.

    >>> import tinygraph as tg
    >>> tg.fft.ifftn([[4.0, 0.0], [0.0, 0.0]]).real.data.tolist()
    [[1.0, 1.0], [1.0, 1.0]]
    """
    return _to_complex("ifftn", x, s, axes, norm, inverse=True)


@_transform(*_of_pairs(_two_axes))
def fft2(
    x: Signal, s: Sequence[int] | None = None, axes: Sequence[int] = (-2, -1), norm: str | None = "backward"
) -> Complex:
    """`fftn` along the last two axes, as for an image.

    >>> import tinygraph as tg
    >>> tg.fft.fft2([[1.0, 2.0], [3.0, 5.0]]).real.data.tolist()
    [[11.0, -3.0], [-5.0, 1.0]]
    """
    return _to_complex("fft2", x, s, axes, norm)


@_transform(*_of_pairs(_two_axes))
def ifft2(
    x: Signal, s: Sequence[int] | None = None, axes: Sequence[int] = (-2, -1), norm: str | None = "backward"
) -> Complex:
    """The inverse of `fft2`.

    >>> import tinygraph as tg
    >>> tg.fft.ifft2([[4.0, 0.0], [0.0, 0.0]]).real.data.tolist()
    [[1.0, 1.0], [1.0, 1.0]]
    """
    return _to_complex("ifft2", x, s, axes, norm, inverse=True)


@_transform(*_one_axis)
def rfft(x: ArrayLike, n: int | None = None, axis: int = -1, norm: str | None = "backward") -> Complex:
    """y_k = Σ_j x_j e^(−2πijk/n) for real x and k from 0 to n/2; the rest of the spectrum mirrors this half.

    It works like ``np.fft.rfft``, at half the cost of `fft`. This is the gradient of a power spectrum:

    >>> import tinygraph as tg
    >>> x = tg.parameter([1.0, 2.0, 0.0, -1.0])
    >>> power = tg.fft.rfft(x).abs2()
    >>> power.data.round(12).tolist()
    [4.0, 10.0, 0.0]
    >>> power[1].backward()
    >>> x.grad.round(12).tolist()
    [2.0, 6.0, -2.0, -6.0]
    """
    return _to_half("rfft", x, _one(n), (axis,), norm)


_half = tuple(sample for sample in _one_axis if "n" not in sample.params)
_half += (Sample(((3,),), {"n": 5}), Sample(((2, 4),), {"n": 3}), Sample(((2, 3),), {"n": 8, "norm": "ortho"}))


@_transform(*_of_pairs((*_half, Sample(((1,),), {"n": 1}))))
def irfft(x: Signal, n: int | None = None, axis: int = -1, norm: str | None = "backward") -> Tensor:
    """The `n` real numbers whose `rfft` is `x`; without `n`, there are 2 (m − 1) of them for m numbers in `x`.

    A circular convolution is a product of the transforms, and can be differentiated through them:

    >>> import tinygraph as tg
    >>> x, y = tg.parameter([1.0, 2.0, 0.0]), tg.Tensor([0.0, 1.0, 0.5])
    >>> z = tg.fft.irfft(tg.fft.rfft(x) * tg.fft.rfft(y), n=3)
    >>> z.data.round(12).tolist()
    [1.0, 1.0, 2.5]
    >>> z[2].backward()
    >>> x.grad.round(12).tolist()
    [0.5, 1.0, 0.0]
    """
    return _to_real("irfft", x, _one(n), (axis,), norm)


@_transform(*_several_axes)
def rfftn(
    x: ArrayLike, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: str | None = "backward"
) -> Complex:
    """`rfft` along the last of several axes, or of all axes, and `fft` along the others.

    >>> import tinygraph as tg
    >>> tg.fft.rfftn([[1.0, 2.0, 0.0, 0.0]]).real.data.tolist()
    [[3.0, 1.0, -1.0]]
    """
    return _to_half("rfftn", x, s, axes, norm)


@_transform(*_of_pairs(_several_axes))
def irfftn(
    x: Signal, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: str | None = "backward"
) -> Tensor:
    """The inverse of `rfftn`. The last length in `s` is that of the real numbers.

    >>> import tinygraph as tg
    >>> tg.fft.irfftn([[3.0, 1.0, -1.0]]).data.tolist()
    [[1.0, 1.0, 0.0, 1.0]]
    """
    return _to_real("irfftn", x, s, axes, norm)


@_transform(*_two_axes)
def rfft2(
    x: ArrayLike, s: Sequence[int] | None = None, axes: Sequence[int] = (-2, -1), norm: str | None = "backward"
) -> Complex:
    """`rfftn` along the last two axes.

    >>> import tinygraph as tg
    >>> tg.fft.rfft2([[1.0, 2.0], [3.0, 5.0]]).real.data.tolist()
    [[11.0, -3.0], [-5.0, 1.0]]
    """
    return _to_half("rfft2", x, s, axes, norm)


@_transform(*_of_pairs(_two_axes))
def irfft2(
    x: Signal, s: Sequence[int] | None = None, axes: Sequence[int] = (-2, -1), norm: str | None = "backward"
) -> Tensor:
    """The inverse of `rfft2`.

    >>> import tinygraph as tg
    >>> tg.fft.irfft2([[3.0, 1.0, -1.0]]).data.tolist()
    [[1.0, 1.0, 0.0, 1.0]]
    """
    return _to_real("irfft2", x, s, axes, norm)


@_transform(*_of_pairs(_half))
def hfft(x: Signal, n: int | None = None, axis: int = -1, norm: str | None = "backward") -> Tensor:
    """`fft` of `n` numbers whose second half mirrors the first half `x`, so that the result is real.

    >>> import tinygraph as tg
    >>> tg.fft.hfft([1.0, 2.0, 0.0]).data.tolist()
    [5.0, 1.0, -3.0, 1.0]
    """
    conjugate = (x[0], negative(floating(x[1]))) if isinstance(x, tuple) and len(x) == 2 else x
    return _to_real("hfft", conjugate, _one(n), (axis,), _TRANSPOSED.get(norm or "backward", norm))


@_transform(*_one_axis)
def ihfft(x: ArrayLike, n: int | None = None, axis: int = -1, norm: str | None = "backward") -> Complex:
    """The inverse of `hfft`: the first half of the inverse transform of real numbers.

    >>> import tinygraph as tg
    >>> tg.fft.ihfft([5.0, 1.0, -3.0, 1.0]).real.data.tolist()
    [1.0, 2.0, 0.0]
    """
    return _to_half("ihfft", x, _one(n), (axis,), _TRANSPOSED.get(norm or "backward", norm)).conj()


# -- frequencies ---------------------------------------------------------------------------------------------------


def fftfreq(n: int, d: ArrayLike = 1.0) -> Tensor:
    """The frequencies of the result of `fft` for `n` samples at distance `d`: 0, 1, …, −2, −1, divided by n d.

    >>> import tinygraph as tg
    >>> tg.fft.fftfreq(4, d=0.5)
    Tensor([ 0. ,  0.5, -1. , -0.5], op=divide)
    """
    return divide(np.fft.fftfreq(n), d)


def rfftfreq(n: int, d: ArrayLike = 1.0) -> Tensor:
    """The frequencies of the result of `rfft`: 0, 1, …, n/2, divided by n d.

    >>> import tinygraph as tg
    >>> tg.fft.rfftfreq(4, d=0.5)
    Tensor([0. , 0.5, 1. ], op=divide)
    """
    return divide(np.fft.rfftfreq(n), d)


_shifts = (
    Sample(((5,),)),
    Sample(((4,),)),
    Sample(((2, 3),), {"axes": -1}),
    Sample(((3, 2, 5),), {"axes": (0, -1)}),
    Sample(((0, 1),)),
)


@_transform(*_shifts)
def fftshift(x: Signal, axes: int | Sequence[int] | None = None) -> Any:
    """`x` shifted by half the length of each axis, or of `axes`, so frequency 0 is in the middle. Pairs give pairs.

    >>> import tinygraph as tg
    >>> tg.fft.fftshift(tg.fft.fftfreq(4)).data.tolist()
    [-0.5, -0.25, 0.0, 0.25]
    """
    return _turned("fftshift", x, axes, lambda n: n - n // 2)


@_transform(*_shifts)
def ifftshift(x: Signal, axes: int | Sequence[int] | None = None) -> Any:
    """The inverse of `fftshift`, from which it differs for axes of odd length.

    >>> import tinygraph as tg
    >>> tg.fft.ifftshift([-2.0, -1.0, 0.0, 1.0, 2.0]).data.tolist()
    [0.0, 1.0, 2.0, -2.0, -1.0]
    """
    return _turned("ifftshift", x, axes, lambda n: n // 2)


def _turned(name: str, x: Signal, axes: Any, start: Callable[[int], int]) -> Tensor | Complex:
    """Return x with each axis rotated so that it begins with the element at `start` of its length."""
    parts = _parts(x)
    axes = (axes,) if isinstance(axes, int) else axes
    axes, lengths = _fitted(name, parts[0], None, axes) if parts[0].ndim or axes else ((), ())
    turned = []
    for part in parts:
        for n, axis in zip(lengths, axes, strict=True):
            ends = (slice(start(n), None), slice(start(n)))
            part = concat_(*(getitem_(part, key=along(axis, end)) for end in ends), axis=axis)
        turned.append(part)
    return Complex(*turned) if len(turned) == 2 else turned[0]
