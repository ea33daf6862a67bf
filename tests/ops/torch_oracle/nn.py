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
    assert torch.allclose(y, theirs(x, mean.detach(), var.detach(), weight, bias, eps=eps), equal_nan=True)
    return y


def _running_statistics(torch, x, mean, var, momentum=0.1):
    """PyTorch changes them in place, without gradients."""
    axes = [i for i in range(x.ndim) if i != 1]
    new = (1 - momentum) * mean + momentum * x.mean(axes), (1 - momentum) * var + momentum * x.var(axes)
    ours = [statistic.detach().clone() for statistic in (mean, var)]
    torch.nn.functional.batch_norm(x.detach(), *ours, training=True, momentum=momentum)
    assert all(torch.allclose(*pair, equal_nan=True) for pair in zip(ours, new, strict=True))
    return torch.cat(new)


def _moved(torch, z, y, axis):
    """With the classes along axis 1 of a batch, where PyTorch has them."""
    soft = y.shape == z.shape
    z = torch.moveaxis(z, axis, -1)
    y = torch.moveaxis(y, axis, -1) if soft else y
    return z.reshape(-1, z.shape[-1]), y.reshape(-1, z.shape[-1]) if soft else y.reshape(-1)


def _cross_entropy(torch, z, y, axis=-1, reduction="mean", weight=None, label_smoothing=0.0, ignore_index=None):
    rows, labels = _moved(torch, z, y, axis)
    losses = torch.nn.functional.cross_entropy(
        rows,
        labels.to(rows.dtype) if y.shape == z.shape else labels,
        weight if weight is None else torch.as_tensor(weight, dtype=z.dtype),
        ignore_index=-100 if ignore_index is None else ignore_index,
        reduction=reduction,
        label_smoothing=label_smoothing,
    )
    return losses.reshape(torch.movedim(z, axis, -1).shape[:-1]) if reduction == "none" else losses


def _kl_div(torch, p, q, axis=-1, reduction="mean"):
    each = torch.nn.functional.kl_div(q.log(), p, reduction="none").sum(axis)
    return each if reduction == "none" else getattr(each, reduction)()


def _hinge(torch, x, y, reduction="mean"):
    each = torch.relu(1 - y * x)
    return each if reduction == "none" else getattr(each, reduction)()


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
    "log_loss_from_logits": lambda torch, z, y, reduction="mean", pos_weight=None: (
        torch.nn.functional.binary_cross_entropy_with_logits(z, y, reduction=reduction, pos_weight=pos_weight)
    ),
    "cross_entropy": _cross_entropy,
    "kl_div": _kl_div,
    "cosine_similarity": lambda torch, x, y, axis=-1: torch.nn.functional.cosine_similarity(x, y, dim=axis),
    "mse": _functional("mse_loss"),
    "mae": _functional("l1_loss"),
    "huber": lambda torch, x, *y, **params: torch.nn.functional.huber_loss(x, *(y or (torch.zeros_like(x),)), **params),
    "smooth_l1": _functional("smooth_l1_loss"),
    "hinge": _hinge,
}
