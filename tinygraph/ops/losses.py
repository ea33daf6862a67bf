"""Losses."""

from __future__ import annotations

from sys import _getframe
from types import FrameType
from typing import Any

import numpy as np

from ..apply import composite, constant, described_operand, op, shape_error
from ..errors import ArgumentError, label_mismatch
from ..graph import ArrayLike, Tensor
from ..places import locate
from ..samples import Domain, Sample
from ..table import NUMBERS, SUM

__all__ = [
    "log_loss",
]

_probability = Domain(0.1, 0.9)
_samples = tuple(
    Sample(((shape), (shape)), {"reduction": reduction}, (_probability, _probability))
    for shape in ((), (1, 4), (3, 2))
    for reduction in ("mean", "sum", "none")
)


def _reduced(xp: Any, losses: Any, reduction: str) -> Any:
    if reduction == "none":
        return losses
    return xp.mean(losses) if reduction == "mean" else xp.sum(losses)


def _share(g: Any, a: Any, reduction: str) -> Any:
    """What the loss of each element contributes to the result: 1/m of it in a mean over m."""
    return g / a.size if reduction == "mean" else g


def _slope(xp: Any, a: Any, b: Any, y: Any) -> Any:
    """(1 − y)/b − y/a where b = 1 − a; 0/0 counts as 0, and nothing else is guarded, so that it differentiates by y."""
    return (1 - y) / xp.where(xp.equal(b + (1 - y), 0), 1.0, b) - y / xp.where(xp.equal(a + y, 0), 1.0, a)


def _of_probability(xp: Any, g: Any, loss: Any, a: Any, y: Any, reduction: str) -> Any:
    return _slope(xp, a, 1.0 - a, y) * _share(g, a, reduction)


@op(
    "loss",
    _of_probability,
    lambda xp, g, loss, a, y, reduction: (xp.log1p(-a) - xp.log(a)) * _share(g, a, reduction),
    notation="log loss({0}, {1})",
    samples=_samples,
)
def log_loss_(xp: Any, a: ArrayLike, y: ArrayLike, reduction: str) -> Any:
    """−(y log a + (1 − y) log(1 − a)), where 0 log 0 = 0."""
    missed = xp.where(y == 0, 0.0, y * xp.log(xp.where(y == 0, 1.0, a)))
    alarmed = xp.where(y == 1, 0.0, (1 - y) * xp.log1p(-xp.where(y == 1, 0.0, a)))  # type: ignore[operator]
    return _reduced(xp, -(missed + alarmed), reduction)


# What the gradients of the loss of a = σ(z) need of z, as functions of a whose gradient z carries.


@op(
    "loss",
    lambda xp, g, b, a, z: -g,
    lambda xp, g, b, a, z: -(g * (a * b)),
    notation="1 − {0}",
    binding=SUM,
    aside={0: 1},
    samples=(Sample(((2, 3), (2, 3)), {}, (_probability, None)),),
    source="1 - {0}",
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
)
def logit_of_sigmoid_(xp: Any, a: ArrayLike, z: ArrayLike) -> Any:
    """z as a function of a = σ(z)."""
    return z * 1.0  # type: ignore[operator]


def _of_probability_of_logit(xp: Any, g: Any, loss: Any, a: Any, y: Any, z: Any, reduction: str) -> Any:
    return _slope(xp, a, xp.complement_of_sigmoid(a, z), y) * _share(g, a, reduction)


def _losses_of_logit(xp: Any, y: Any, z: Any) -> Any:
    """log(1 + e^z) − z y, as log(1 + e^−|z|) and what z lacks of ±∞ on the wrong side: exact for every z."""
    missed = xp.where(y == 0, 0.0, y * xp.maximum(-z, 0.0))
    alarmed = xp.where(y == 1, 0.0, (1 - y) * xp.maximum(z, 0.0))
    return missed + alarmed + xp.log1p(xp.exp(-xp.abs(z)))


def _log_loss_of_sigmoid(a: Any, y: Any, z: Any, reduction: str) -> Any:
    """The same in fewer passes over memory."""
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
)
def log_loss_of_sigmoid_(xp: Any, a: ArrayLike, y: ArrayLike, z: ArrayLike, reduction: str) -> Any:
    """The log loss of a = σ(z), computed from z, with dz = a − y."""
    return _reduced(xp, _losses_of_logit(xp, y, z), reduction)


@composite("loss", samples=_samples)
def log_loss(a: ArrayLike, y: ArrayLike, reduction: str = "mean") -> Tensor:
    """The log loss (binary cross-entropy) of probabilities `a` for labels `y` of the same shape.

    L = −(y log a + (1 − y) log(1 − a)) for each element, with 0 log 0 = 0. Labels are in [0, 1], hard or soft.
    `reduction` is "mean" over all elements, which for one output unit is the lecture's J = (1/m) Σ L, in rows or in
    columns; "sum"; or "none".

    Where ``a = sigmoid(z)``, value and gradient are computed from z: exact and finite for any finite z, with
    dz = a − y (times 1/m in a mean) as in the lecture. ``a.grad`` is still there for whoever reads it.

    Raises `ShapeError` where the shapes differ, `ArgumentError` for labels or probabilities outside [0, 1] and for
    another `reduction`.

    >>> import tinygraph as tg
    >>> z = tg.parameter([[0.0, 1000.0, -1000.0]])
    >>> J = tg.log_loss(tg.sigmoid(z), [[1.0, 1.0, 1.0]], reduction="sum")
    >>> J.backward()
    >>> J.item(), z.grad
    (1000.6931471805599, array([[-0.5,  0. , -1. ]]))
    """
    if reduction not in ("mean", "sum", "none"):
        raise ArgumentError(f'reduction is "mean", "sum" or "none", not {reduction!r}')
    a = a if isinstance(a, Tensor) else constant(a)
    y = y if isinstance(y, Tensor) else constant(y)
    labels = y.value
    if a.value.shape != labels.shape:
        raise shape_error("log_loss", (a, y), locate(_getframe(1)), lambda operands: label_mismatch(*operands))
    if labels is not _checked:
        _check_labels(y, _getframe(1))
    if a.op is not None and a.op.name == "sigmoid" and a.dtype.kind == "f":
        z: Any = a.inputs[0]
        if z._array is a.args[0] or np.array_equal(z._seen, a.args[0], equal_nan=True):  # else it has changed since
            return log_loss_of_sigmoid_(a, y, z, reduction)
    probabilities = a.value
    if ((probabilities < 0) | (probabilities > 1)).any():
        name = described_operand(a, locate(_getframe(1)), 0).name
        raise ArgumentError(
            f"probabilities are between 0 and 1, but {name} has {_outside(probabilities)}; is its sigmoid missing?"
        )
    return log_loss_(a, y, reduction)


_checked: Any = None  # the labels last looked at; held here, they cannot be written to (see `Tensor.data`)


def _check_labels(y: Tensor, frame: FrameType) -> None:
    """Labels are in [0, 1]; those of a training loop are looked at once."""
    global _checked
    labels = y.value
    if not ((labels >= 0) & (labels <= 1)).all():
        name = described_operand(y, locate(frame), 1).name
        signs = np.isin(labels, (-1, 1)).all()
        mend = f"; for labels of −1 and 1 take ({name} + 1) / 2" if signs else ""
        raise ArgumentError(f"labels are between 0 and 1, but {name} has {_outside(labels)}{mend}")
    _checked = labels


def _outside(values: Any) -> str:
    """The first of the values outside [0, 1], and how many more there are."""
    wrong = np.asarray(values)[~((values >= 0) & (values <= 1))]
    more = f" and {wrong.size - 1} more outside" if wrong.size > 1 else ""
    return f"{wrong.flat[0]}{more}"
