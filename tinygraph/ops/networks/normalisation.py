"""Normalisation layers, dropout and attention, composed so that their equations are those of the textbook.

They are stable: variances are computed from centred numbers, ε keeps roots away from 0, softmax subtracts the maximum.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from operator import index
from typing import Any, NamedTuple

import numpy as np

from ...errors import ArgumentError, DTypeError
from ...graph.declaring import composite
from ...graph.samples import Domain, Sample
from ...graph.tensor import ArrayLike, Tensor
from ..arguments import as_tensor, misfit
from ..arithmetic.broadcasting import Shape, broadcasts_to
from ..arithmetic.comparisons import maximum, not_equal, where
from ..arithmetic.elementwise import divide, floating, sqrt
from ..arrays.shapes import matrix_transpose, reshape
from ..matrices.contraction import matmul
from ..reduce.reductions import mean, softmax, sum

__all__ = [
    "batch_norm",
    "dropout",
    "group_norm",
    "instance_norm",
    "layer_norm",
    "normalize",
    "rms_norm",
    "running_statistics",
    "scaled_dot_product_attention",
]


def _standardised(x: Tensor, axes: Shape, eps: float) -> Tensor:
    """Return (x − mean(x)) / √(var(x) + eps), with the mean and the variance along `axes`."""
    axis = axes[0] if len(axes) == 1 else axes
    centred = x - mean(x, axis=axis, keepdims=True)
    return centred / sqrt(mean(centred**2, axis=axis, keepdims=True) + eps)


class _Affine(NamedTuple):
    """The function y ↦ weight ∗ y + bias. Both have the shape `shape` and are reshaped to `kept` to fit y."""

    weight: Any
    bias: Any
    shape: Shape
    kept: Shape

    def __call__(self, function: Callable[..., Tensor], *args: Any) -> Tensor:
        """Apply weight and bias to `function(*args)`. The last op is called in a return, so it gets the user's name."""
        if self.weight is None and self.bias is None:
            return function(*args)
        y = function(*args)
        if self.weight is not None:
            weight = self._parameter("weight", self.weight)
            if self.bias is None:
                return weight * y
            y = weight * y
        return y + self._parameter("bias", self.bias)

    def _parameter(self, what: str, parameter: Any) -> Tensor:
        parameter = as_tensor(parameter)
        if parameter.shape != self.shape:
            raise misfit((), f"the {what} must have the shape {self.shape}, not {parameter.shape}")
        return reshape(parameter, self.kept) if self.shape != self.kept else parameter


def _last_axes(x: Tensor, normalized_shape: Any) -> Shape:
    """Return `normalized_shape` as a tuple; raise `ShapeError` if the last axes of x have other lengths."""
    whole = isinstance(normalized_shape, (tuple, list))
    shape = tuple(map(index, normalized_shape if whole else (normalized_shape,)))
    if not shape or x.shape[-len(shape) :] != shape:
        raise misfit((x,), f"the last axes must have the lengths of normalized_shape, {shape}")
    return shape


def _channels(x: Tensor, least: int = 2) -> tuple[Shape, Shape]:
    """Return the shape (C,) of a number for each channel (axis 1), and that shape as it broadcasts over x."""
    if x.ndim < least:
        raise misfit((x,), f"the input must have at least {least} axes, with the channels along axis 1")
    return (x.shape[1],), (x.shape[1], *(1,) * (x.ndim - 2))


_layers = (
    Sample(((3, 4),), {"normalized_shape": 4}),
    Sample(((2, 3, 4),), {"normalized_shape": (3, 4), "eps": 0.1}),
    Sample(((1,),), {"normalized_shape": (1,)}),
    Sample(((0, 4),), {"normalized_shape": 4}),
)


@composite("normalisation", samples=_layers)
def layer_norm(
    x: ArrayLike,
    normalized_shape: int | Shape,
    weight: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """y = γ ∗ (x − μ) / √(σ² + ε) + β, with mean μ and variance σ² over the last axes (Ba, Kiros, Hinton 2016).

    `normalized_shape` is the lengths of these axes; `weight` γ and `bias` β have that shape. The arguments are those of
    ``torch.nn.functional.layer_norm``.

    Raises `ShapeError` if the last axes of `x`, or γ and β, have other lengths.

    >>> import tinygraph as tg
    >>> tg.layer_norm([[1.0, 3.0], [10.0, 30.0]], 2, eps=0.0).data
    array([[-1.,  1.],
           [-1.,  1.]])
    """
    x = floating(x)
    shape = _last_axes(x, normalized_shape)
    affine = _Affine(weight, bias, shape, shape)
    return affine(_standardised, x, tuple(range(x.ndim - len(shape), x.ndim)), eps)


@composite("normalisation", samples=_layers)
def rms_norm(
    x: ArrayLike, normalized_shape: int | Shape, weight: ArrayLike | None = None, eps: float | None = None
) -> Tensor:
    """y = γ ∗ x / √(mean x² + ε), with the mean over the last axes (Zhang, Sennrich 2019).

    `normalized_shape` is the lengths of these axes; `weight` γ has that shape. ε is by default the distance from 1 to
    the next larger number of the dtype. The arguments are those of ``torch.nn.functional.rms_norm``.

    Raises `ShapeError` if the last axes of `x`, or γ, have other lengths.

    >>> import tinygraph as tg
    >>> tg.rms_norm([[3.0, 3.0]], 2, eps=0.0).data
    array([[1., 1.]])
    """
    x = floating(x)
    shape = _last_axes(x, normalized_shape)
    axis = tuple(range(x.ndim - len(shape), x.ndim)) if len(shape) > 1 else -1
    eps = float(np.finfo(np.result_type(x.dtype, np.float16)).eps) if eps is None else eps
    affine = _Affine(weight, None, shape, shape)
    return affine(divide, x, sqrt(mean(x**2, axis=axis, keepdims=True) + eps))


_images = (3, 2, 2, 2)
_positive = Domain(0.5, 2.0)


@composite(
    "normalisation",
    samples=(
        Sample((_images,), {"training": True}),
        Sample(((4, 3),), {"training": True, "eps": 0.1}),
        Sample((_images, (2,), (2,), (2,), (2,)), {"training": False}, (None, None, _positive)),
        Sample(((4, 3), (3,), (3,)), {}, (None, None, _positive)),
    ),
)
def batch_norm(
    x: ArrayLike,
    running_mean: ArrayLike | None = None,
    running_var: ArrayLike | None = None,
    weight: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    training: bool = False,
    eps: float = 1e-5,
) -> Tensor:
    """y = γ ∗ (x − μ) / √(σ² + ε) + β for each channel (Ioffe, Szegedy 2015).

    `x` has the shape (N, C) or (N, C, …); `weight` γ, `bias` β and the running statistics have (C,). With `training`,
    the mean μ and the variance σ² are those of the batch, over all axes except 1; otherwise they are `running_mean` and
    `running_var`. These do not change: `running_statistics` returns the next ones.

    Raises `ShapeError` for other shapes, and `ArgumentError` if a channel has only one number in training, or if
    running statistics are missing otherwise.

    >>> import tinygraph as tg
    >>> tg.batch_norm([[1.0, 10.0], [3.0, 30.0]], training=True, eps=0.0).data
    array([[-1., -1.],
           [ 1.,  1.]])
    """
    x = floating(x)
    shape, kept = _channels(x)
    affine = _Affine(weight, bias, shape, kept)
    if training:
        _check_count("batch_norm", x)
        return affine(_standardised, x, (0, *range(2, x.ndim)), eps)
    if running_mean is None or running_var is None:
        raise ArgumentError("batch_norm needs running_mean and running_var, or training=True for those of the batch")
    mu, var = _statistics(x, running_mean, running_var, shape)
    mu, var = (mu, var) if shape == kept else (reshape(mu, kept), reshape(var, kept))
    return affine(divide, x - mu, sqrt(var + eps))


def _check_count(name: str, x: Tensor) -> None:
    if x.size < 2 * x.shape[1]:
        raise ArgumentError(
            f"{name} computes the variance of each channel, so a channel must have more than one number"
        )


def _statistics(x: Tensor, mu: Any, var: Any, shape: Shape) -> tuple[Tensor, Tensor]:
    mu, var = floating(mu), floating(var)
    if mu.shape != shape or var.shape != shape:
        raise misfit((x, mu, var), f"running mean and variance must have a number for each of the {shape[0]} channels")
    return mu, var


class RunningStatistics(NamedTuple):
    """The mean and the variance of each channel, as averages over the batches so far."""

    mean: Tensor
    var: Tensor


@composite(
    "normalisation",
    samples=(Sample((_images, (2,), (2,))), Sample(((4, 3), (3,), (3,)), {"momentum": 0.5})),
)
def running_statistics(
    x: ArrayLike, running_mean: ArrayLike, running_var: ArrayLike, momentum: float = 0.1
) -> RunningStatistics:
    """The statistics for `batch_norm`, updated by one batch: (1 − momentum) · old + momentum · new.

    `x` has the shape (N, C) or (N, C, …), and both statistics (C,). The new variance is Σ (x − μ)² / (n − 1), as in
    PyTorch. Begin with zeros and ones. Keep the ``.data`` of the results; otherwise a graph grows from step to step.

    Raises `ShapeError` for other shapes, and `ArgumentError` if a channel has only one number.

    >>> import tinygraph as tg
    >>> statistics = tg.running_statistics([[1.0], [3.0]], [0.0], [1.0])
    >>> statistics.mean.data, statistics.var.data
    (array([0.2]), array([1.1]))
    """
    x = floating(x)
    shape, kept = _channels(x)
    _check_count("running_statistics", x)
    running_mean, running_var = _statistics(x, running_mean, running_var, shape)
    axes, count = (0, *range(2, x.ndim)), x.size // x.shape[1]
    mu = mean(x, axis=axes)
    var = sum((x - reshape(mu, kept)) ** 2, axis=axes) / (count - 1)
    old, new = 1 - momentum, momentum
    return RunningStatistics(old * running_mean + new * mu, old * running_var + new * var)


@composite(
    "normalisation",
    samples=(Sample(((2, 6),), {"num_groups": 2, "eps": 0.1}), Sample(((2, 2, 3),), {"num_groups": 1})),
)
def group_norm(
    x: ArrayLike,
    num_groups: int,
    weight: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """y = γ ∗ (x − μ) / √(σ² + ε) + β, with mean μ and variance σ² of each group of channels (Wu, He 2018).

    `x` has the shape (N, C) or (N, C, …), `weight` γ and `bias` β (C,). Each example has groups of its own. The
    arguments are those of ``torch.nn.functional.group_norm``.

    Raises `ShapeError` for other shapes, and `ArgumentError` if the channels cannot be split into `num_groups` groups.

    >>> import tinygraph as tg
    >>> tg.group_norm([[1.0, 3.0, 10.0, 30.0]], 2, eps=0.0).data
    array([[-1.,  1., -1.,  1.]])
    """
    x = floating(x)
    shape, kept = _channels(x)
    if num_groups < 1 or x.shape[1] % num_groups:
        raise ArgumentError(f"{x.shape[1]} channels cannot be split into {num_groups} groups")
    groups = reshape(x, (x.shape[0], num_groups, x.shape[1] // num_groups, *x.shape[2:]))
    standardised = _standardised(groups, tuple(range(2, groups.ndim)), eps)
    return _Affine(weight, bias, shape, kept)(reshape, standardised, x.shape)


@composite(
    "normalisation",
    samples=(Sample(((2, 2, 3),)), Sample((_images, (2,), (2,)), {"eps": 0.1})),
)
def instance_norm(
    x: ArrayLike, weight: ArrayLike | None = None, bias: ArrayLike | None = None, eps: float = 1e-5
) -> Tensor:
    """y = γ ∗ (x − μ) / √(σ² + ε) + β, with mean μ and variance σ² of each channel of each example (Ulyanov 2016).

    `x` has the shape (N, C, …) with at least one more axis; `weight` γ and `bias` β have (C,).

    Raises `ShapeError` for other shapes, and `ArgumentError` if a channel of an example has only one number.

    >>> import tinygraph as tg
    >>> tg.instance_norm([[[1.0, 3.0], [10.0, 30.0]]], eps=0.0).data
    array([[[-1.,  1.],
            [-1.,  1.]]])
    """
    x = floating(x)
    shape, kept = _channels(x, least=3)
    if math.prod(x.shape[2:]) < 2:
        raise ArgumentError(
            "instance_norm computes the variance of each channel, so a channel must have more than one number"
        )
    return _Affine(weight, bias, shape, kept)(_standardised, x, tuple(range(2, x.ndim)), eps)


@composite(
    "normalisation",
    samples=(Sample(((3,),)), Sample(((2, 3),), {"axis": 0}), Sample(((2, 3, 2),), {"axis": (0, -1)})),
)
def normalize(x: ArrayLike, axis: int | Shape = -1, eps: float = 1e-12) -> Tensor:
    """y = x / max(‖x‖, ε) with the Euclidean norm along `axis`. Where x = 0, the derivative is 1/ε.

    The default axis of PyTorch's ``normalize`` is 1.

    >>> import tinygraph as tg
    >>> tg.normalize([[3.0, 4.0], [0.0, 0.0]]).data
    array([[0.6, 0.8],
           [0. , 0. ]])
    """
    x = floating(x)
    return x / sqrt(maximum(sum(x**2, axis=axis, keepdims=True), eps**2))


@composite(
    "normalisation",
    samples=(
        Sample(((2, 3), (2, 3)), {"p": 0.25}, (None, Domain(boolean=True))),
        Sample(((2, 3), (3,)), {}, (None, Domain(boolean=True))),
        Sample(((2, 3), (2, 1)), {"p": 1.0}, (None, Domain(boolean=True))),
    ),
)
def dropout(
    x: ArrayLike,
    mask: ArrayLike | None = None,
    p: float = 0.5,
    training: bool = True,
    *,
    rng: np.random.Generator | None = None,
) -> Tensor:
    """x ∗ mask / (1 − p), where the mask is 0 with probability p and 1 otherwise (Srivastava et al. 2014).

    The mask is drawn from `rng`, or given: draw it as ``rng.random(x.shape) >= p``. With a given mask nothing here is
    random, as `compile` requires. If `training` is false, the result is x, and neither is needed. For p = 1, the result
    is x ∗ mask.

    Raises `ArgumentError` unless exactly one of `mask` and `rng` is given, for a mask of other numbers, and if `p` is
    not a probability; raises `ShapeError` if the mask does not broadcast to the shape of `x`, and ``TypeError`` if
    `rng` is not a generator.

    >>> import tinygraph as tg
    >>> tg.dropout([1.0, 2.0, 3.0], [True, False, True], p=0.5).data
    array([2., 0., 6.])
    """
    x = as_tensor(x)
    if not 0 <= p <= 1:
        raise ArgumentError(f"p, the probability of dropping a number, must be between 0 and 1, not {p}")
    if not training or (p == 0 and mask is None):
        return x
    if mask is None and rng is not None:
        if not isinstance(rng, np.random.Generator | np.random.RandomState):
            raise TypeError(f"rng must be a generator such as np.random.default_rng(0), not {type(rng).__name__}")
        mask = rng.random(x.shape) >= p
    elif mask is None or rng is not None:
        raise ArgumentError("dropout needs either rng=np.random.default_rng(seed) or a mask, and not both")
    mask = as_tensor(mask)
    if not broadcasts_to(mask.shape, x.shape):
        raise misfit((x, mask), "the mask must broadcast to the shape of the input")
    if not ((mask._value == 0) | (mask._value == 1)).all():
        raise ArgumentError(
            "the mask of dropout must be 1 for elements to keep and 0 for others; dropout divides by 1 − p itself,"
            " so do not divide the mask"
        )
    return x * mask / (1 - p) if p < 1 else x * mask


_heads = ((2, 3, 4), (2, 5, 4), (2, 5, 2))


@composite(
    "normalisation",
    samples=(
        Sample(_heads),
        Sample(((3, 2), (3, 2), (3, 1)), {"is_causal": True}),
        Sample((*_heads, (3, 5)), {"scale": 0.5}),
        Sample((*_heads, (2, 3, 5)), {}, (None, None, None, Domain(boolean=True))),
        Sample(((1, 1), (1, 1), (1, 1))),
    ),
)
def scaled_dot_product_attention(
    query: ArrayLike,
    key: ArrayLike,
    value: ArrayLike,
    attn_mask: ArrayLike | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    *,
    rng: np.random.Generator | None = None,
) -> Tensor:
    """softmax(Q Kᵀ / √d) V (Vaswani et al. 2017), like ``torch.nn.functional.scaled_dot_product_attention``.

    `query` Q has the shape (…, L, d), `key` K (…, S, d), `value` V (…, S, e), and the result (…, L, e). Leading axes,
    such as examples and heads, broadcast. `scale` is 1/√d by default. `attn_mask` broadcasts to (…, L, S); it is either
    boolean, True for keys that take part, or floating and added to the scores. With `is_causal`, the i-th query sees
    the first i keys. A query that sees no key gives 0. With `dropout_p`, weights are dropped with that
    probability, and `rng` is required.

    Raises `ShapeError` for other shapes, `DTypeError` for other masks, and `ArgumentError` for a mask with `is_causal`.

    >>> import tinygraph as tg
    >>> tg.scaled_dot_product_attention([[0.0], [0.0]], [[1.0], [1.0]], [[2.0], [4.0]], is_causal=True).data
    array([[2.],
           [3.]])
    """
    query, key, value = floating(query), floating(key), floating(value)
    operands = (query, key, value)
    if min(x.ndim for x in operands) < 2 or query.shape[-1] != key.shape[-1] or key.shape[-2] != value.shape[-2]:
        reason = "query, key and value must have the shapes (…, L, d), (…, S, d) and (…, S, e)"
        raise misfit(operands, reason)
    products = matmul(query, matrix_transpose(key))
    if scale is None:
        scores = products / math.sqrt(query.shape[-1])
    else:
        scores = products * scale
    if is_causal:
        if attn_mask is not None:
            raise ArgumentError("attn_mask and is_causal exclude each other: make the mask causal instead")
        weights = softmax(where(np.tri(*scores.shape[-2:], dtype=bool), scores, -np.inf), axis=-1)
    elif attn_mask is None:
        weights = softmax(scores, axis=-1)
    else:
        mask = as_tensor(attn_mask)
        if mask.dtype.kind not in "bf":
            raise DTypeError(f"attn_mask must be boolean, True for keys that take part, or floating, not {mask.dtype}")
        if not broadcasts_to(mask.shape, scores.shape):
            raise misfit((*operands, mask), f"attn_mask must broadcast to {scores.shape}, (…, L, S)")
        taking = mask
        if mask.dtype.kind == "f":
            scores, taking = scores + mask, not_equal(mask, -np.inf)
        lowest = float(np.finfo(scores.dtype).min)  # finite: a row of nothing else then gives 0, not NaN
        weights = where(taking, softmax(where(taking, scores, lowest), axis=-1), 0.0)
    if dropout_p:
        weights = dropout(weights, p=dropout_p, rng=rng)
    return matmul(weights, value)
