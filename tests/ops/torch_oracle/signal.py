"""Signals and Fourier transforms in PyTorch; a complex result as its real numbers and then its imaginary ones."""


def along_rows(torch, function, x, **params):
    """The function of x; of no rows, which MKL's transforms refuse, the first none of the results of one."""
    return function(x, **params) if x.numel() else function(x.new_zeros(1, *x.shape[1:]) + x.sum(), **params)[:0]


def transform(name):
    def apply(torch, *parts, **params):
        params = {"dim" if key in ("axis", "axes") else key: value for key, value in params.items()}
        x = torch.complex(*parts) if len(parts) == 2 else parts[0]
        y = along_rows(torch, getattr(torch.fft, name), x, **params)
        return torch.cat([y.real.ravel(), y.imag.ravel()]) if y.is_complex() else y

    return apply


def packed(name):
    """Of the primitives, whose complex numbers have their parts along axis 0."""

    def apply(torch, z, axes, norm, n=None):
        x = z if name == "rfftn" else torch.complex(z[0], z[1])
        lengths = {} if n is None else {"s": [x.shape[axis] for axis in axes[:-1]] + [n]}
        y = along_rows(torch, getattr(torch.fft, name), x, dim=axes, norm=norm, **lengths)
        return torch.stack([y.real, y.imag]) if y.is_complex() else y

    return apply


def convolve(torch, x, y, mode):
    padding = len(y) - 1 if mode == "full" else 0
    return torch.nn.functional.conv1d(x[None, None], y.flip(0)[None, None], padding=padding).ravel()


def correlate(torch, x, y, mode="valid"):
    if len(y) > len(x):
        return correlate(torch, y, x, mode).flip(0)
    before, after = {"valid": (0, 0), "full": (len(y) - 1,) * 2, "same": (len(y) // 2, (len(y) - 1) // 2)}[mode]
    padded = torch.nn.functional.pad(x, (before, after))
    return torch.nn.functional.conv1d(padded[None, None], y[None, None]).ravel()


def trapezoid(torch, y, *x, dx=1.0, axis=-1):
    if x and x[0].ndim not in (1, y.ndim):  # the axis is that of each; PyTorch adds axes first
        count = y.shape[axis] - 1
        return (torch.diff(x[0], dim=axis) * (y.narrow(axis, 0, count) + y.narrow(axis, 1, count)) / 2).sum(axis)
    return torch.trapezoid(y, *x, dim=axis) if x else torch.trapezoid(y, dx=dx, dim=axis)


TRANSFORMS = "fft ifft fftn ifftn fft2 ifft2 rfft irfft rfftn irfftn rfft2 irfft2 hfft ihfft fftshift ifftshift"

ORACLE = {name: transform(name) for name in TRANSFORMS.split()}
ORACLE |= {"dft": packed("fftn"), "idft": packed("ifftn"), "rdft": packed("rfftn"), "irdft": packed("irfftn")}
ORACLE |= {"convolve": convolve, "correlate": correlate, "trapezoid": trapezoid}
