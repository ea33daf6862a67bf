"""Losses of predictions and targets. Wrong labels raise an error, because they would silently give wrong gradients.

The log loss, the softmax loss of `cross_entropy`, the terms of `kl_div` and those of `huber` are ops of their own: they
would be less precise if composed, or have gradients unlike the textbook's. The others are composed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ... import kernels
from ...errors import ArgumentError, DTypeError, Operand, label_mismatch
from ...graph.applying import constant
from ...graph.declaring import composite, op
from ...graph.records import NUMBERS, OPS, PRODUCT, SUM
from ...graph.samples import Domain, Sample
from ...graph.tensor import ArrayLike, Tensor
from ..arguments import as_tensor, given_name, misfit, need_one_of, normalize_axis
from ..arithmetic.broadcasting import Shape, broadcasts_to, kept
from ..arithmetic.comparisons import maximum, not_equal, where
from ..arithmetic.elementwise import abs, astype, divide, floating, sqrt
from ..arrays.shapes import broadcast_to, reshape
from ..reduce.reductions import logsumexp, mean, sum
from .activations import relu, sigmoid, softplus

__all__ = [
    "cosine_similarity",
    "cross_entropy",
    "hinge",
    "huber",
    "kl_div",
    "log_loss",
    "log_loss_from_logits",
    "mae",
    "mse",
    "smooth_l1",
]

_probability = Domain(0.1, 0.9)
_samples = tuple(
    Sample(((shape), (shape)), {"reduction": reduction}, (_probability, _probability))
    for shape in ((), (1, 4), (3, 2))
    for reduction in ("mean", "sum", "none")
)


_REDUCTIONS = ("mean", "sum", "none")


def _reduced(xp: Any, losses: Any, reduction: str) -> Any:
    if reduction == "none":
        return losses
    return xp.mean(losses) if reduction == "mean" else xp.sum(losses)


def _share(g: Any, a: Any, reduction: str) -> Any:
    """Return the gradient by the loss of one element: g / m for a mean over m elements, else g."""
    return g / a.size if reduction == "mean" else g


def _slope(xp: Any, a: Any, b: Any, y: Any) -> Any:
    """Return (1 − y)/b − y/a for b = 1 − a. Only 0/0 is replaced, by 0, so that it can be differentiated by y."""
    return (1 - y) / xp.where(xp.equal(b + (1 - y), 0), 1.0, b) - y / xp.where(xp.equal(a + y, 0), 1.0, a)


def _of_probability(xp: Any, g: Any, loss: Any, a: Any, y: Any, reduction: str) -> Any:
    return _slope(xp, a, 1.0 - a, y) * _share(g, a, reduction)


def _reduced_source(losses: str) -> Callable[[Tensor], str]:
    return lambda node: losses if node.params["reduction"] == "none" else f"np.{node.params['reduction']}({losses})"


def _log_losses(xp: Any, a: Any, y: Any) -> Any:
    return -(y * xp.log(a) + (1 - y) * xp.log(1 - a))


def _flops_of_log_loss(y: Shape, a: Shape, *_: Shape, reduction: str) -> float:
    """−(y log a + (1 − y) log(1 − a)), and their sum."""
    return (8 + (reduction != "none")) * math.prod(a)


@op(
    "loss",
    _of_probability,
    lambda xp, g, loss, a, y, reduction: (xp.log1p(-a) - xp.log(a)) * _share(g, a, reduction),
    notation="log loss({0}, {1})",
    samples=_samples,
    source=_reduced_source("log_loss({0}, {1})"),
    flops=_flops_of_log_loss,
    written_out=_log_losses,
)
def log_loss_(xp: Any, a: ArrayLike, y: ArrayLike, reduction: str) -> Any:
    """−(y log a + (1 − y) log(1 − a)), where 0 log 0 = 0."""
    missed = xp.where(y == 0, 0.0, y * xp.log(xp.where(y == 0, 1.0, a)))
    alarmed = xp.where(y == 1, 0.0, (1 - y) * xp.log1p(-xp.where(y == 1, 0.0, a)))  # type: ignore[operator]
    return _reduced(xp, -(missed + alarmed), reduction)


# The gradients of the loss of a = σ(z) need these functions of z; they are written as functions of a.


@op(
    "loss",
    lambda xp, g, b, a, z: -g,
    lambda xp, g, b, a, z: -(g * (a * b)),
    notation="1 − {0}",
    binding=SUM,
    aside={0: 1},
    samples=(Sample(((2, 3), (2, 3)), {}, (_probability, None)),),
    source="sigmoid(-{1})",
    flops=1,
    arithmetic="complement",
)
def complement_of_sigmoid_(xp: Any, a: ArrayLike, z: ArrayLike) -> Any:
    """1 − a for a = σ(z), as σ(−z), which is exact where a has been rounded to 1."""
    return xp.sigmoid(-z)  # type: ignore[operator]


@op(
    "loss",
    lambda xp, g, z_of_a, a, z: g / (a * xp.complement_of_sigmoid(a, z)),
    lambda xp, g, z_of_a, a, z: g,
    notation="logit({0})",
    aside={0: 1},
    samples=(Sample(((2, 3), (2, 3)), {}, (_probability, None)),),
    source="{1}",
    flops=0,
)
def logit_of_sigmoid_(xp: Any, a: ArrayLike, z: ArrayLike) -> Any:
    """z as a function of a = σ(z)."""
    return z * 1.0  # type: ignore[operator]


def _of_probability_of_logit(xp: Any, g: Any, loss: Any, a: Any, y: Any, z: Any, reduction: str) -> Any:
    return _slope(xp, a, xp.complement_of_sigmoid(a, z), y) * _share(g, a, reduction)


def _losses_of_logit(xp: Any, y: Any, z: Any) -> Any:
    """Return log(1 + e^z) − z y as log(1 + e^−|z|) plus the part of |z| on the wrong side: exact for every z."""
    missed = xp.where(y == 0, 0.0, y * xp.maximum(-z, 0.0))
    alarmed = xp.where(y == 1, 0.0, (1 - y) * xp.maximum(z, 0.0))
    return missed + alarmed + xp.log1p(xp.exp(-xp.abs(z)))


def _log_loss_of_sigmoid(a: Any, y: Any, z: Any, reduction: str) -> Any:
    """Return the same loss as `_losses_of_logit`, reduced, in fewer passes over memory."""
    if z.ndim == 0:
        return _losses_of_logit(NUMBERS, y, z)
    losses = np.copysign(z, -1.0)
    if not np.minimum.reduce(losses, None, initial=0.0) > -np.inf:  # an infinite z meets ∞ − ∞ below
        with np.errstate(invalid="ignore"):
            return _reduced(NUMBERS, _losses_of_logit(NUMBERS, y, z), reduction)
    np.exp(losses, losses)
    np.log1p(losses, losses)
    losses = losses + (np.maximum(z, 0.0) - z * y)
    return _reduced(NUMBERS, losses, reduction)


@op(
    "loss",
    _of_probability_of_logit,
    lambda xp, g, loss, a, y, z, reduction: -xp.logit_of_sigmoid(a, z) * _share(g, a, reduction),
    lambda xp, g, loss, a, y, z, reduction: (a - y) * _share(g, a, reduction),
    notation="log loss({0}, {1})",
    run=_log_loss_of_sigmoid,
    aside={0: 2},
    samples=tuple(
        Sample((*sample.shapes, sample.shapes[0]), sample.params, (*sample.domains, None)) for sample in _samples
    ),
    source=_reduced_source("log_loss_from_logits({2}, {1})"),
    flops=_flops_of_log_loss,
    written_out=_log_losses,
    function="log_loss",
)
def log_loss_of_sigmoid_(xp: Any, a: ArrayLike, y: ArrayLike, z: ArrayLike, reduction: str) -> Any:
    """The log loss of a = σ(z), computed from z, with dz = a − y."""
    return _reduced(xp, _losses_of_logit(xp, y, z), reduction)


_SIGMOID = OPS["sigmoid"]


@composite("loss", samples=_samples)
def log_loss(a: ArrayLike, y: ArrayLike, reduction: str = "mean") -> Tensor:
    """The log loss (binary cross-entropy) of probabilities `a` for labels `y` of the same shape.

    L = −(y log a + (1 − y) log(1 − a)) for each element, with 0 log 0 = 0. Labels lie in [0, 1] and may be hard or
    soft. `reduction` is "mean", "sum" or "none". The mean is over all elements; for one output unit it is the lecture's
    J = (1/m) Σ L, whether examples are rows or columns.

    If ``a = sigmoid(z)``, the value and the gradient are computed from z; they are exact and finite for any finite z,
    with dz = a − y (times 1/m for a mean) as in the lecture. ``a.grad`` is available all the same.

    Raises `ShapeError` if the shapes differ, and `ArgumentError` for labels or probabilities outside [0, 1] and for any
    other `reduction`.

    >>> import tinygraph as tg
    >>> z = tg.parameter([[0.0, 1000.0, -1000.0]])
    >>> J = tg.log_loss(tg.sigmoid(z), [[1.0, 1.0, 1.0]], reduction="sum")
    >>> J.backward()
    >>> J.item(), z.grad
    (1000.6931471805599, array([[-0.5,  0. , -1. ]]))
    """
    _check_reduction(reduction)
    a = as_tensor(a)
    y = as_tensor(y)
    probabilities, labels = a._value, y._value
    if probabilities.shape != labels.shape:
        raise misfit((a, y), lambda operands: label_mismatch(*operands))
    if labels is not _checked:
        _check_labels(y)
    if labels.dtype is not probabilities.dtype:
        y = _as_wide_as(a, y)
    if a.op is _SIGMOID and probabilities.dtype.kind == "f":
        z: Any = a.inputs[0]
        if z._array is a._args[0] or np.array_equal(z._seen, a._args[0], equal_nan=True):  # else z has changed since
            return log_loss_of_sigmoid_(a, y, z, reduction)
    if ((probabilities < 0) | (probabilities > 1)).any():
        name = given_name(a, 0)
        raise ArgumentError(
            f"probabilities must be between 0 and 1, but {name} has {_outside(probabilities)}; is its sigmoid missing?"
        )
    return log_loss_(a, y, reduction)


def _as_wide_as(x: Tensor, labels: Tensor) -> Tensor:
    """Return integer or boolean labels in the dtype of `x` if they would widen it; return other labels unchanged."""
    dtype = x.dtype
    narrow = dtype.kind == "f" and dtype.itemsize < 8 and labels.dtype.kind in "iub"
    return astype(labels, dtype) if narrow else labels


_checked: Any = None  # the labels checked last; while they are held here, nobody can write to them (see `Tensor.data`)


def _check_labels(y: Tensor) -> None:
    """Raise `ArgumentError` if labels lie outside [0, 1]. The labels of a training loop are checked only once."""
    global _checked
    labels = y._value
    if not ((labels >= 0) & (labels <= 1)).all():
        name = given_name(y, 1)
        signs = np.isin(labels, (-1, 1)).all()
        mend = f"; for labels of −1 and 1 take ({name} + 1) / 2" if signs else ""
        raise ArgumentError(f"labels must be between 0 and 1, but {name} has {_outside(labels)}{mend}")
    _checked = labels


def _outside(values: Any) -> str:
    """Return the first of the values outside [0, 1], and the number of the others, as text."""
    wrong = np.asarray(values)[~((values >= 0) & (values <= 1))]
    more = f" and {wrong.size - 1} more outside" if wrong.size > 1 else ""
    return f"{wrong.flat[0]}{more}"


def _check_reduction(reduction: str) -> None:
    if reduction not in _REDUCTIONS:
        need_one_of(_REDUCTIONS, reduction=reduction)


def _pair(x: Any, y: Any, reduction: str) -> tuple[Tensor, Tensor]:
    """Return predictions and targets as tensors; raise `ShapeError` if their shapes differ."""
    _check_reduction(reduction)
    x, y = floating(x), as_tensor(y)
    if x.shape != y.shape:
        raise misfit((x, y), _mismatch)
    return x, y


def _mismatch(operands: Sequence[Operand]) -> tuple[str, list[str]]:
    _, hints = label_mismatch(*operands)
    return "each prediction is compared with a target of its own, so the shapes must be the same", hints


def _reduce(reduction: str, losses: Callable[..., Tensor], *operands: Any, **params: Any) -> Tensor:
    """Return losses, or their mean or sum. The last op is called in a return, so that it gets the user's name."""
    if reduction == "none":
        return losses(*operands, **params)
    each = losses(*operands, **params)
    if reduction == "mean":
        return mean(each)
    return sum(each)


@composite("loss", samples=_samples)
def log_loss_from_logits(
    z: ArrayLike, y: ArrayLike, reduction: str = "mean", pos_weight: ArrayLike | None = None
) -> Tensor:
    """The log loss (binary cross-entropy) of a = σ(z), for labels `y` of the same shape, from the logits `z`.

    L = log(1 + eᶻ) − z y for each element, with dz = a − y, exact and finite for any finite z. With `pos_weight` p, a
    number or an array that broadcasts to z, L = −(p y log a + (1 − y) log(1 − a)). PyTorch calls this loss
    ``binary_cross_entropy_with_logits``. Labels and `reduction` are as in `log_loss`.

    Raises `ShapeError` if the shapes differ, and `ArgumentError` for labels outside [0, 1] and for any other
    `reduction`.

    >>> import tinygraph as tg
    >>> z = tg.parameter([0.0, 1000.0, -1000.0])
    >>> J = tg.log_loss_from_logits(z, [1.0, 1.0, 1.0], reduction="sum")
    >>> J.backward()
    >>> J.item(), z.grad
    (1000.6931471805599, array([-0.5,  0. , -1. ]))
    """
    z, y = _pair(z, y, reduction)
    if y._value is not _checked:
        _check_labels(y)
    y = _as_wide_as(z, y)
    if pos_weight is None:
        return log_loss_of_sigmoid_(sigmoid(z), y, z, reduction)
    weight = as_tensor(pos_weight)
    if not broadcasts_to(weight.shape, z.shape):
        raise misfit((z, y, weight), "pos_weight must broadcast to the shape of the logits")
    return _reduce(reduction, lambda: weight * y * softplus(-z) + (1 - y) * softplus(z))


# -- several classes -----------------------------------------------------------------------------------------------


@op(
    "loss",
    None,
    notation="one-hot({0})",
    run=kernels.one_hot_along,
    samples=(
        Sample(((4,),), {"classes": 3, "axis": 1}, (Domain(integer=True, low=0, high=3),)),
        Sample(((2, 2),), {"classes": 2, "axis": 0}, (Domain(integer=True, low=0, high=2),)),
        Sample(((),), {"classes": 2, "axis": 0}, (Domain(integer=True, low=0, high=2),)),
    ),
    flops=0,
)
def one_hot_along_(xp: Any, y: ArrayLike, classes: int, axis: int) -> Any:
    """Whether each class, along a new axis, is the class in y."""
    return xp.one_hot_along(y, classes=classes, axis=axis)


@op(
    "loss",
    lambda xp, g, loss, z, y, axis: xp.reshape(g, kept(z.shape, axis)) * (xp.softmax(z, axis=axis) - y),
    lambda xp, g, loss, z, y, axis: -xp.reshape(g, kept(z.shape, axis)) * z,
    notation="cross entropy({0}, {1})",
    run=kernels.softmax_loss,
    samples=(
        Sample(((3, 4), (3, 4)), {"axis": 1}, (None, _probability)),
        Sample(((3, 4), (3, 4)), {"axis": 0}, (None, Domain(boolean=True))),
        Sample(((2, 3, 2), (2, 3, 2)), {"axis": 1}, (None, Domain(boolean=True))),
        Sample(((3,), (3,)), {"axis": 0}, (None, _probability)),
        Sample(((0, 3), (0, 3)), {"axis": 1}),
    ),
    flops=6,
)
def softmax_loss_(xp: Any, z: ArrayLike, y: ArrayLike, axis: int) -> Any:
    """log Σ eᶻ − Σ y z along an axis, with dz = softmax(z) − y: the cross-entropy if the y add up to 1."""
    return xp.softmax_loss(z, y, axis=axis)


@composite(
    "loss",
    samples=(
        *(
            Sample(((4, 3), (4,)), {"reduction": reduction}, (None, Domain(integer=True, low=0, high=3)))
            for reduction in ("mean", "sum", "none")
        ),
        Sample(((3, 4), (4,)), {"axis": 0, "label_smoothing": 0.1}, (None, Domain(integer=True, low=0, high=3))),
        Sample(((2, 3, 2), (2, 2)), {"axis": 1, "ignore_index": 1}, (None, Domain(integer=True, low=0, high=3))),
        Sample(((3,), ()), {}, (None, Domain(integer=True, low=0, high=3))),
        Sample(((4, 3), (4,)), {"weight": (1.0, 2.0, 0.5)}, (None, Domain(integer=True, low=0, high=3))),
    ),
)
def cross_entropy(
    z: ArrayLike,
    y: ArrayLike,
    axis: int = -1,
    reduction: str = "mean",
    *,
    weight: ArrayLike | None = None,
    label_smoothing: float = 0.0,
    ignore_index: int | None = None,
) -> Tensor:
    """The cross-entropy of a = softmax(z) for labels `y`, from the logits `z`, with the classes along `axis`.

    L = −Σ y log a for each example, with dz = a − y. `y` holds either the class of each example, an integer, in the
    shape of z without `axis`; or probabilities (one-hot or soft) in the shape of z, which add up to 1 along `axis`. Use
    axis −1 if examples are rows and 0 if they are columns; PyTorch's axis is always 1.

    `reduction` is "mean" over the examples, "sum" or "none". `weight` has a weight for each class; for integer labels
    the mean is then a weighted one. `label_smoothing` ε replaces y by (1 − ε) y + ε / classes. Examples labelled
    `ignore_index` do not count. The arguments are those of ``torch.nn.functional.cross_entropy``. Here the derivative
    by probabilities y is −z, while PyTorch's is −log a, which is larger by the same number for all classes; as long as
    the y add up to 1, the two are equivalent.

    Raises `ShapeError` for labels of another shape, `DTypeError` for classes that are not integers, and `ArgumentError`
    for classes that z does not have (``IndexError`` in compiled programs), for probabilities that are negative or do
    not add up to 1, and for invalid options.

    >>> import tinygraph as tg
    >>> z = tg.parameter([[0.0, 0.0], [1000.0, 0.0]])
    >>> J = tg.cross_entropy(z, [0, 1])
    >>> J.backward()
    >>> J.item(), z.grad.tolist()
    (500.34657359027995, [[-0.25, 0.25], [0.5, -0.5]])
    """
    _check_reduction(reduction)
    z, y = floating(z), as_tensor(y)
    axis = normalize_axis(axis, z)
    if not 0 <= label_smoothing <= 1:
        raise ArgumentError(f"label_smoothing must be between 0 and 1, not {label_smoothing}")
    classes, dtype = z.shape[axis], z.dtype if z.dtype.kind == "f" else np.dtype(float)
    kept_axis = tuple(classes if i == axis else 1 for i in range(z.ndim))
    target, counts, keep = y, None, None  # the weight of each example in a mean, and whether it counts at all
    if y.shape != z.shape:
        _check_classes(z, y, axis, ignore_index)
        if ignore_index is not None:
            keep = not_equal(y, ignore_index)
            counts, y = astype(keep, dtype), where(keep, y, 0)
        target = one_hot_along_(y, classes=classes, axis=axis)
    elif ignore_index is not None:
        raise ArgumentError("ignore_index is for labels that are classes, but these labels are probabilities")
    else:
        _check_distribution(y, axis, 1)
        if y.dtype.kind in "iu":
            y = target = astype(y, dtype)
    if weight is not None:
        weight = weight if isinstance(weight, Tensor) else constant(np.asarray(weight, dtype))
        if weight.shape != (classes,):
            raise ArgumentError(
                f"weight must have a number for each of the {classes} classes, not the shape {weight.shape}"
            )
        weight = reshape(weight, kept_axis)
        if target is not y:
            each = sum(astype(target, dtype) * weight, axis=axis)
            counts = each if counts is None else counts * each
    if label_smoothing:
        target = astype(target, dtype) * (1 - label_smoothing) + label_smoothing / classes
    if weight is not None:
        target = target * weight

    def losses() -> Tensor:
        if weight is None:
            if keep is None:
                return softmax_loss_(z, target, axis=axis)
            return where(keep, softmax_loss_(z, target, axis=axis), 0.0)
        excess = sum(target, axis=axis) - 1.0  # weighted labels do not add up to 1
        each = softmax_loss_(z, target, axis=axis) + excess * logsumexp(z, axis=axis)
        return each if keep is None else where(keep, each, 0.0)

    if counts is None or reduction != "mean":
        return _reduce(reduction, losses)
    return divide(sum(losses()), sum(counts))


def _check_classes(z: Tensor, y: Tensor, axis: int, ignored: int | None) -> None:
    expected = z.shape[:axis] + z.shape[axis + 1 :]
    if y.shape != expected:
        reason = f"labels must be classes, of shape {expected}, or probabilities, of shape {z.shape}"
        hints = [f"{given_name(y, 1)}.reshape{expected}"] if y.size == math.prod(expected) else []
        raise misfit((z, y), reason, *hints)
    if y.dtype.kind not in "iu":
        raise DTypeError(
            f"classes must be whole numbers, but {given_name(y, 1)} is {y.dtype}; use {given_name(y, 1)}.astype(int)"
        )
    values, classes = y._value, z.shape[axis]
    wrong = np.asarray(values)[(values < 0) | (values >= classes)]
    wrong = wrong[wrong != ignored] if ignored is not None else wrong
    if wrong.size:
        name = given_name(y, 1)
        mend = f"; if they begin with 1, take {name} − 1" if values.min() == 1 and values.max() == classes else ""
        more = f" and {wrong.size - 1} more outside" if wrong.size > 1 else ""
        raise ArgumentError(f"the classes are 0 to {classes - 1}, but {name} has {wrong.flat[0]}{more}{mend}")


def _check_distribution(y: Tensor, axis: int, position: int) -> None:
    """Raise `ArgumentError` if probabilities are negative or do not add up to 1."""
    values = y._value
    if not (values >= 0).all():
        wrong = np.asarray(values)[~(values >= 0)]
        raise ArgumentError(
            f"probabilities must be at least 0, but {given_name(y, position)} has {wrong.flat[0]}; are they logarithms?"
        )
    totals = np.sum(values, axis=axis, dtype=np.result_type(values, np.float32))
    slack = max(1e-5, float(np.finfo(values.dtype).eps) ** 0.5) if values.dtype.kind == "f" else 0.0
    wrong = totals[~(np.abs(totals - 1) <= slack)]
    if wrong.size:
        name = given_name(y, position)
        raise ArgumentError(
            f"probabilities must add up to 1 along axis {axis}, but those of {name} add up to {wrong.flat[0]:.6g}"
        )


# -- distributions -------------------------------------------------------------------------------------------------


@op(
    "elementwise",
    lambda xp, g, z, x, y: xp.quotient(g, y),
    lambda xp, g, z, x, y: -g * xp.quotient(z, y),
    notation="{0} / {1}",
    binding=PRODUCT,
    run=kernels.quotient,
    samples=(Domain(0.5, 2.0), Domain(0.5, 2.0)),
)
def quotient_(xp: Any, x: ArrayLike, y: ArrayLike) -> Any:
    """x / y, where 0/0 = 0."""
    return xp.quotient(x, y)


@op(
    "elementwise",
    lambda xp, g, z, p, q: g * (xp.log(p) - xp.log(q) + 1.0),
    lambda xp, g, z, p, q: -g * xp.quotient(p, q),
    notation="{0} ∗ log({0} / {1})",
    binding=PRODUCT,
    run=kernels.relative_entropy,
    samples=(_probability, _probability),
)
def relative_entropy_(xp: Any, p: ArrayLike, q: ArrayLike) -> Any:
    """p log(p / q), where 0 log 0 = 0."""
    return xp.relative_entropy(p, q)


_thirds = Domain(1 / 3, 1 / 3)


@composite(
    "loss", samples=tuple(Sample(((2, 3), (2, 3)), {"reduction": r}, (_thirds, _thirds)) for r in ("mean", "none"))
)
def kl_div(p: ArrayLike, q: ArrayLike, axis: int = -1, reduction: str = "mean") -> Tensor:
    """The Kullback–Leibler divergence Σ p log(p / q) of probabilities `p` and `q`, summed along `axis`.

    0 log 0 = 0, and where p > 0 and q = 0 the divergence is inf. The derivatives are log(p / q) + 1 and −p / q.
    `reduction` is "mean" over the distributions, "sum" or "none". PyTorch's ``kl_div(log q, p, reduction="batchmean")``
    is this mean; its arguments are in the other order, and its first one is a logarithm. Its "mean" divides by the
    number of elements.

    Raises `ShapeError` if the shapes differ, and `ArgumentError` for numbers that are negative or do not add up to 1
    along `axis`.

    >>> import tinygraph as tg
    >>> tg.kl_div([[0.5, 0.5], [1.0, 0.0]], [[0.5, 0.5], [0.5, 0.5]], reduction="none")
    Tensor([0.    , 0.6931], op=sum)
    """
    p, q = _pair(p, q, reduction)
    axis = normalize_axis(axis, p)
    _check_distribution(p, axis, 0)
    _check_distribution(q, axis, 1)
    return _reduce(reduction, lambda: sum(relative_entropy_(p, q), axis=axis))


@composite(
    "loss",
    samples=(
        Sample(((2, 3), (2, 3))),
        Sample(((2, 3), (3,)), {"axis": 1}),
        Sample(((2, 3), (2, 3)), {"axis": 0}),
    ),
)
def cosine_similarity(x: ArrayLike, y: ArrayLike, axis: int = -1, eps: float = 1e-8) -> Tensor:
    """x · y / (max(‖x‖, ε) max(‖y‖, ε)) along `axis`. Other axes broadcast. PyTorch's axis is 1 by default.

    >>> import tinygraph as tg
    >>> tg.cosine_similarity([[1.0, 0.0], [3.0, 4.0]], [3.0, 4.0])
    Tensor([0.6, 1. ], op=divide)
    """
    x, y = floating(x), floating(y)
    products = x * y
    x, y = (v if v.shape == products.shape else broadcast_to(v, products.shape) for v in (x, y))
    lengths = [sqrt(maximum(sum(v**2, axis=axis), eps**2)) for v in (x, y)]
    return sum(products, axis=axis) / (lengths[0] * lengths[1])


# -- numbers -------------------------------------------------------------------------------------------------------

_pairs = tuple(
    Sample((shape, shape), {"reduction": reduction})
    for shape, reduction in (((), "mean"), ((4,), "sum"), ((3, 2), "mean"), ((3, 2), "none"))
)


@composite("loss", samples=_pairs)
def mse(prediction: ArrayLike, target: ArrayLike, reduction: str = "mean") -> Tensor:
    """The squared error (x − y)² of predictions x and targets y of the same shape. The derivative is 2 (x − y).

    `reduction` is "mean" over all elements, "sum" or "none". Raises `ShapeError` if the shapes differ.

    >>> import tinygraph as tg
    >>> tg.mse([1.0, 2.0, 3.0], [1.0, 0.0, 0.0])
    Tensor(4.3333, op=mean)
    """
    x, y = _pair(prediction, target, reduction)
    return _reduce(reduction, lambda: (x - y) ** 2)


@composite("loss", samples=_pairs)
def mae(prediction: ArrayLike, target: ArrayLike, reduction: str = "mean") -> Tensor:
    """The absolute error |x − y| of predictions x and targets y of the same shape. The derivative where x = y is 0.

    `reduction` is "mean" over all elements, "sum" or "none". Raises `ShapeError` if the shapes differ.

    >>> import tinygraph as tg
    >>> tg.mae([1.0, 2.0, 3.0], [1.0, 0.0, 0.0])
    Tensor(1.6667, op=mean)
    """
    x, y = _pair(prediction, target, reduction)
    return _reduce(reduction, lambda: abs(x - y))


@op(
    "elementwise",
    lambda xp, g, y, x, delta: g * xp.minimum(xp.maximum(x, -delta), delta),
    notation="huber_{delta}({0})",
    run=kernels.huber,
    samples=(
        Sample(((2, 3),), {"delta": 0.5}),
        Sample(((4,),), {"delta": 1.0}, (Domain(1.1, 2.0, signs=True),)),
        Sample(((),), {"delta": 5.0}),
        Sample(((0,),), {"delta": 1.0}),
    ),
)
def huber_(xp: Any, x: ArrayLike, delta: float) -> Any:
    """x²/2 for |x| ≤ δ, and δ (|x| − δ/2) beyond."""
    near = xp.minimum(xp.abs(x), delta)
    return near * (xp.abs(x) - 0.5 * near)


@composite("loss", samples=tuple(Sample(s.shapes, {**s.params, "delta": 0.7}) for s in _pairs))
def huber(prediction: ArrayLike, target: ArrayLike, delta: float = 1.0, reduction: str = "mean") -> Tensor:
    """e²/2 for errors e = x − y with |e| ≤ δ, and δ (|e| − δ/2) beyond. The derivative is max(−δ, min(e, δ)).

    `reduction` is "mean" over all elements, "sum" or "none". Raises `ShapeError` if the shapes differ, and
    `ArgumentError` if `delta` is not positive.

    >>> import tinygraph as tg
    >>> tg.huber([0.5, 3.0], [0.0, 0.0], reduction="none")
    Tensor([0.125, 2.5  ], op=huber)
    """
    x, y = _pair(prediction, target, reduction)
    if not delta > 0:
        raise ArgumentError(f"delta must be positive, not {delta}")
    return _reduce(reduction, lambda: huber_(x - y, delta=delta))


@composite("loss", samples=tuple(Sample(s.shapes, {**s.params, "beta": 0.7}) for s in _pairs))
def smooth_l1(prediction: ArrayLike, target: ArrayLike, beta: float = 1.0, reduction: str = "mean") -> Tensor:
    """e²/(2 β) for errors e = x − y with |e| ≤ β, and |e| − β/2 beyond: `huber` with δ = β, divided by β.

    `reduction` is "mean" over all elements, "sum" or "none". Raises `ShapeError` if the shapes differ, and
    `ArgumentError` if `beta` is not positive (the loss for β = 0 is `mae`).

    >>> import tinygraph as tg
    >>> tg.smooth_l1([0.5, 3.0], [0.0, 0.0], beta=0.5, reduction="none")
    Tensor([0.25, 2.75], op=divide)
    """
    x, y = _pair(prediction, target, reduction)
    if not beta > 0:
        raise ArgumentError(f"beta must be positive, not {beta}; for 0 use mae")
    return _reduce(reduction, lambda: huber_(x - y, delta=beta) / beta)


@composite(
    "loss",
    samples=tuple(
        Sample(
            ((3, 2), (3, 2)),
            {"reduction": reduction},
            (Domain(1.5, 3.0, signs=True), Domain(integer=True, low=1, high=2)),
        )
        for reduction in ("mean", "none")
    ),
)
def hinge(prediction: ArrayLike, target: ArrayLike, reduction: str = "mean") -> Tensor:
    """max(0, 1 − y x) for predictions x and labels y, −1 or 1, of the same shape. The derivative at y x = 1 is 0.

    `reduction` is "mean" over all elements, "sum" or "none". Raises `ShapeError` if the shapes differ, and
    `ArgumentError` for other labels.

    >>> import tinygraph as tg
    >>> tg.hinge([0.5, 3.0, -1.0], [1, 1, 1], reduction="none")
    Tensor([0.5, 0. , 2. ], op=relu)
    """
    x, y = _pair(prediction, target, reduction)
    labels = y._value
    if not ((labels == 1) | (labels == -1)).all():
        wrong = np.asarray(labels)[(labels != 1) & (labels != -1)]
        name = given_name(y, 1)
        mend = f"; for labels of 0 and 1 take 2 * {name} - 1" if np.isin(labels, (0, 1)).all() else ""
        raise ArgumentError(f"labels must be −1 or 1, but {name} has {wrong.flat[0]}{mend}")
    if labels.dtype.kind != "f" and x.dtype.kind == "f":
        y = astype(y, x.dtype)
    return _reduce(reduction, lambda: relu(1 - y * x))
