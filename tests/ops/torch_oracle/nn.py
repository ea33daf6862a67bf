"""Convolution, pooling, normalisation and losses in PyTorch."""


def _functional(name):
    return lambda torch, *xs, **params: getattr(torch.nn.functional, name)(*xs, **params)


_SAME_IN_TORCH = [
    *(f"{name}{axes}d" for name in ("conv", "conv_transpose", "max_pool", "avg_pool") for axes in (1, 2, 3)),
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "group_norm",
    "scaled_dot_product_attention",
]


def _shape(normalized_shape):
    return (normalized_shape,) if isinstance(normalized_shape, int) else normalized_shape


def _batch_norm(torch, x, mean=None, var=None, weight=None, bias=None, training=False, eps=1e-5):
    """PyTorch's has no gradient for the running statistics."""
    theirs = torch.nn.functional.batch_norm
    if training:
        return theirs(x, None, None, weight, bias, training, eps=eps)
    kept = (-1, *(1,) * (x.ndim - 2))
    y = (x - mean.reshape(kept)) / (var.reshape(kept) + eps).sqrt()
    y = y if weight is None else y * weight.reshape(kept) + bias.reshape(kept)
    assert torch.allclose(y, theirs(x, mean.detach(), var.detach(), weight, bias, eps=eps))
    return y


def _running_statistics(torch, x, mean, var, momentum=0.1):
    """PyTorch changes them in place, without gradients."""
    axes = [i for i in range(x.ndim) if i != 1]
    new = (1 - momentum) * mean + momentum * x.mean(axes), (1 - momentum) * var + momentum * x.var(axes)
    ours = [statistic.detach().clone() for statistic in (mean, var)]
    torch.nn.functional.batch_norm(x.detach(), *ours, training=True, momentum=momentum)
    assert all(map(torch.allclose, ours, new))
    return torch.cat(new)


ORACLE = {name: _functional(name) for name in _SAME_IN_TORCH} | {
    "layer_norm": lambda torch, x, normalized_shape, eps=1e-5: torch.nn.functional.layer_norm(
        x, _shape(normalized_shape), eps=eps
    ),
    "rms_norm": lambda torch, x, normalized_shape, eps=None: torch.nn.functional.rms_norm(
        x, _shape(normalized_shape), eps=eps
    ),
    "batch_norm": _batch_norm,
    "running_statistics": _running_statistics,
    "instance_norm": lambda torch, x, weight=None, bias=None, eps=1e-5: torch.nn.functional.instance_norm(
        x, weight=weight, bias=bias, eps=eps
    ),
    "normalize": lambda torch, x, axis=-1: torch.nn.functional.normalize(x, dim=axis),
    "dropout": lambda torch, x, mask=1.0, p=0.5, training=True: (
        x * mask / (1 - p) if training and 0 < p < 1 else x * mask
    ),
}
