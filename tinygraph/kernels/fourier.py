"""Fourier transforms of packed real and imaginary parts."""

from typing import Any

import numpy as np


def complex_of(z: Any) -> Any:
    """Return complex numbers from their real and imaginary parts, which lie along the first axis."""
    numbers = np.empty(z.shape[1:], np.result_type(z.dtype, 1j))
    numbers.real, numbers.imag = z
    return numbers


def parts_of(numbers: Any) -> Any:
    """Return the real and imaginary parts of complex numbers along a new first axis."""
    return np.stack([numbers.real, numbers.imag])


def dft(z: Any, axes: Any, norm: Any) -> Any:
    """Return the discrete Fourier transform. Real and imaginary parts lie along a first axis, not counted in `axes`."""
    return parts_of(np.fft.fftn(complex_of(z), axes=axes, norm=norm))


def idft(z: Any, axes: Any, norm: Any) -> Any:
    """Return the inverse discrete Fourier transform, packed in the same way."""
    return parts_of(np.fft.ifftn(complex_of(z), axes=axes, norm=norm))


def rdft(x: Any, axes: Any, norm: Any) -> Any:
    """Return the discrete Fourier transform of real numbers, without the mirrored half along the last of the axes."""
    return parts_of(np.fft.rfftn(x, axes=axes, norm=norm))


def irdft(z: Any, n: Any, axes: Any, norm: Any) -> Any:
    """Return the inverse of rdft; n is the length along the last of the axes."""
    lengths = [z.shape[axis + 1] for axis in axes[:-1]]
    x = np.fft.irfftn(complex_of(z), [*lengths, n], axes, norm)
    return x.astype(np.result_type(z.dtype, 1.0), copy=False) if len(axes) == 1 else x


def mirror_spectrum(z: Any, n: Any, axes: Any) -> Any:
    """Return a whole spectrum from its half, n long along the last of the axes: at −k is the conjugate of that at k."""
    *others, last = (axis + 1 for axis in axes)
    count = z.shape[last]
    mirrored = np.flip(np.take(z, range(1, n - count + 1), last), (*others, last))
    if others:
        mirrored = np.roll(mirrored, [1] * len(others), others)
    signs = np.reshape(np.array([1, -1], z.dtype), [2] + [1] * (z.ndim - 1))
    return np.concatenate([z, signs * mirrored], last)


def fold_spectrum(z: Any, axes: Any) -> Any:
    """Return the transpose of mirror_spectrum: the conjugate of the value at −k is added to the value at k."""
    *others, last = (axis + 1 for axis in axes)
    half, rest = np.split(z, [z.shape[last] // 2 + 1], last)
    mirrored = np.flip(rest, (*others, last))
    if others:
        mirrored = np.roll(mirrored, [1] * len(others), others)
    signs = np.reshape(np.array([1, -1], z.dtype), [2] + [1] * (z.ndim - 1))
    half = half.copy()
    half[(slice(None),) * last + (slice(1, rest.shape[last] + 1),)] += signs * mirrored
    return half
