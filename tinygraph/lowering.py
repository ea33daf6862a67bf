"""A graph as one of ops that are one call of NumPy each, in the fewest and the quickest calls."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from . import ops
from .graph import Tensor, toposort
from .names import readers_of
from .rewriting import over, rewritten

_LARGEST_POWER = 8  # a whole power up to this is a product, which is much faster
_LONGEST_DOT = {"float64": 65536, "float32": 1024}  # terms that are added up without losing digits to the order


def lowered(outputs: Sequence[Tensor], names: dict[Tensor, str], *notes: dict[Tensor, Any]) -> list[Tensor]:
    """The same outputs by ops that are one call of NumPy each; equal ones once. What has a name or a note keeps it."""
    ones: dict[Any, Tensor] = {}
    equal: dict[Any, Tensor] = {}

    def apply(node: Tensor, inputs: Sequence[Any]) -> Tensor:
        if node.op.name in _LOWERED:  # type: ignore[union-attr]
            return _LOWERED[node.op.name](*inputs, **node.params)  # type: ignore[union-attr, no-any-return]
        return over(node, inputs)

    def share(node: Tensor, inputs: Sequence[Any]) -> Tensor:
        if node.shape == () and all(x.op is None and x not in names for x in inputs if isinstance(x, Tensor)):
            return Tensor(node.value)  # a number, computed now
        key = (node.op, tuple(id(x) if isinstance(x, Tensor) else repr(x) for x in inputs), repr(node.params))
        return equal.setdefault(key, over(node, inputs))

    def contract(node: Tensor, inputs: Sequence[Any]) -> Tensor:
        made = _contracted(node, inputs, needed, ones)
        return over(node, inputs) if made is None else made

    for change in (apply, share, contract):
        order = toposort(*outputs)
        needed = {x for x, by in readers_of(order).items() if len(by) > 1} | set(outputs) | set(names)
        new = rewritten(order, change, names, *notes)
        outputs = [new[output] for output in outputs]
    return list(outputs)


# -- ops that are several calls of NumPy -----------------------------------------------------------------------------


def _sigmoid(z: Tensor) -> Tensor:
    """max(e^−|z|, ±1) / (1 + e^−|z|), which is e^z / (1 + e^z) for z < 0; what is NaN is so through the denominator."""
    powers = _powers(z)
    return ops.fmax(powers, ops.copysign(1.0, z)) / (1.0 + powers)


def _powers(z: Tensor) -> Tensor:
    """e^−|z|"""
    return ops.exp(-ops.abs(z))


def _softplus(z: Tensor) -> Tensor:
    return ops.fmax(z, 0.0) + ops.log1p(_powers(z))


def _log_loss_of_sigmoid(a: Tensor, y: Tensor, z: Tensor, reduction: str) -> Tensor:
    """log(1 + e^−|z|) + |z| (1 − y for z > 0, y for z < 0); an infinite z is made finite, lest it meet 0 as ∞ · 0."""
    rounding = ops.log1p(_powers(z))
    finite = ops.fmin(ops.abs(z), float(np.finfo(z.dtype).max))
    missed = finite * (0.5 + ops.copysign(1.0, z) * (0.5 - y))
    if reduction == "none":
        return rounding + missed
    if reduction == "mean":
        return _mean(rounding) + _mean(missed) if z.size == 0 else (ops.sum(rounding) + ops.sum(missed)) / z.size
    return ops.sum(rounding) + ops.sum(missed)


def _ndtr(x: Tensor) -> Tensor:
    return 0.5 * ops.erfc(x * -math.sqrt(0.5))


def _mean(x: Tensor, axis: Any = None, keepdims: bool = False) -> Tensor:
    total = ops.sum(x, axis=axis, keepdims=keepdims)
    return total / (x.size // max(total.size, 1)) if x.size else ops.mean(x, axis=axis, keepdims=keepdims)


def _pow(x: Any, y: Any) -> Tensor:
    if not isinstance(y, (int, float)) or y != int(y) or not 2 <= y <= _LARGEST_POWER:
        return ops.pow(x, y)
    n, squared, product = int(y), x, None
    while n:
        if n % 2:
            product = squared if product is None else product * squared
        n //= 2
        squared = ops.square(squared) if n else squared
    return product  # type: ignore[return-value]


_LOWERED: Mapping[str, Any] = {
    "sigmoid": _sigmoid,
    "relu": lambda x: ops.maximum(x, 0.0),
    "pow": _pow,
    "mean": _mean,
    "complement_of_sigmoid": lambda a, z: _sigmoid(-z),
    "logit_of_sigmoid": lambda a, z: z,
    "softplus": _softplus,
    "ndtr": _ndtr,
    "gelu": lambda x: x * _ndtr(x),
    "normal_density": lambda x: ops.exp(-0.5 * ops.square(x)) * (1 / math.sqrt(2 * math.pi)),
    "outer": lambda x, y: ops.reshape(x, (-1, 1)) * ops.reshape(y, (1, -1)),
    "log_loss_of_sigmoid": _log_loss_of_sigmoid,
}


# -- sums as products: they have less to set up, and use all lanes ---------------------------------------------------


def _contracted(node: Tensor, inputs: Sequence[Any], needed: set[Tensor], ones: dict[Any, Tensor]) -> Tensor | None:
    """Σ x ∗ y over all elements as ⟨x, y⟩; Σ x along an axis as a product with ones."""
    if node.op.name != "sum":  # type: ignore[union-attr]
        return None
    (x,) = inputs
    count = x.size // max(node.size, 1)
    if not 0 < count <= _LONGEST_DOT.get(x.dtype.name, 0) or x.dtype != node.dtype or x.ndim == 0:
        return None
    axes = _axes(node.params["axis"], x.ndim)
    if len(axes) == x.ndim:
        total = _dot(x, node.inputs[0] in needed, ones)
    elif axes == [x.ndim - 1]:
        rows = x if x.ndim == 2 else ops.reshape(x, (-1, count))
        total = ops.matmul(rows, _ones((count, 1), x.dtype, ones))
    elif axes == [0] and x.ndim == 2:
        total = ops.matmul(_ones((1, count), x.dtype, ones), x)
    else:
        return None
    return total if total.shape == node.shape else ops.reshape(total, node.shape)


def _axes(axis: Any, ndim: int) -> list[int]:
    given = range(ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    return sorted(i % ndim for i in given)


def _dot(x: Tensor, needed: bool, ones: dict[Any, Tensor]) -> Tensor:
    """The sum of all elements."""
    name = x.op.name if x.op is not None and not needed else None
    if name == "square":
        return ops.vdot(*x.inputs, *x.inputs)
    if name == "multiply" and all(isinstance(y, Tensor) and (y.shape, y.dtype) == (x.shape, x.dtype) for y in x.inputs):
        return ops.vdot(*x.inputs)
    return ops.vdot(x, _ones(x.shape, x.dtype, ones))


def _ones(shape: tuple[int, ...], dtype: np.dtype[Any], made: dict[Any, Tensor]) -> Tensor:
    if (shape, dtype) not in made:
        made[shape, dtype] = Tensor(np.ones(shape, dtype))
    return made[shape, dtype]
