"""Discrete Fourier transforms: the Array API's namespace ``fft``, with further functions from NumPy's.

>>> import tinygraph as tg
>>> tg.fft.irfft(tg.fft.rfft([1.0, 2.0, 3.0, 4.0])).data.tolist()
[1.0, 2.0, 3.0, 4.0]

A spectrum is a pair of real tensors: its real part and its imaginary part.
"""

from .ops.signals import fourier as _fourier
from .ops.signals.fourier import *

__all__ = _fourier.__all__


def __dir__() -> list[str]:
    return __all__
