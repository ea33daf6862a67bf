"""Convolution, pooling, normalisation and losses in PyTorch."""


def _functional(name):
    return lambda torch, *xs, **params: getattr(torch.nn.functional, name)(*xs, **params)


_SAME_IN_TORCH = [
    *(f"{name}{axes}d" for name in ("conv", "conv_transpose", "max_pool", "avg_pool") for axes in (1, 2, 3)),
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
]

ORACLE = {name: _functional(name) for name in _SAME_IN_TORCH}
