"""The NumPy target: how calls of NumPy compute each op, and which calls are the quickest.

The rules that go by the name of an op are all here.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .. import ops
from ..algebra.rewriting import REAL
from ..graph.records import APPLY, OPS, Op
from ..graph.tensor import Tensor
from ..ops.matrices.contraction import contracted as product_of_matrices
from ..ops.reduce.reductions import reduced_axes

_LARGEST_POWER = 8  # a whole power up to this is a product, which is much faster
_LONGEST_DOT = {"float64": 65536, "float32": 1024}  # the most terms whose order costs a sum no digits

# The names in NumPy of ops that are ufuncs, which can write to a buffer.
_UFUNCS = {
    name: getattr(np, name).__name__
    for name, op in OPS.items()
    if op.kind == "elementwise" and isinstance(getattr(np, name, None), np.ufunc)
}
IMPORTED = {"dot", "matmul", "vdot", *_UFUNCS.values()}
_INFIX = {"add", "subtract", "multiply", "divide", "negative"}
_REDUCTIONS = {"sum": "add", "max": "maximum", "min": "minimum"}
# Ops that only move elements, whose results are, or may be, views.
_VIEWS = {name for name, op in OPS.items() if op.kind == "shape" and not op.variadic}


# -- ops that are several calls of NumPy -----------------------------------------------------------------------------


def written_out(node: Tensor, inputs: Sequence[Any]) -> Tensor | None:
    """Return a node over new inputs by ops that are one call of NumPy each, or None if it is one already."""
    assert node.op is not None
    if (total := _total_of_softmax(node)) is not None:
        return _softmax(inputs[0].inputs[0], total.params["axis"], _finite)
    if node.op.name in LOWERED:
        return LOWERED[node.op.name](*_floating(inputs, node), **node.params)  # type: ignore[no-any-return]
    return None


def _floating(inputs: Sequence[Any], node: Tensor) -> Sequence[Any]:
    """Return the operands in the floating dtype of the result, since an unsigned integer has no −|z|."""
    assert node.op is not None
    if node.dtype.kind != "f" or node.op.kind not in ("elementwise", "reduction") or node.op.name == "mean":
        return inputs
    return [ops.astype(x, node.dtype) if isinstance(x, Tensor) and x.dtype.kind in "biu" else x for x in inputs]


def _sigmoid(z: Tensor) -> Tensor:
    """Return σ(z) by the rule of the op, in which nothing overflows."""
    result: Tensor = OPS["sigmoid"].forward(ops, z)
    return result


def _powers(z: Tensor) -> Tensor:
    """Return e^−|z|, which the rule of σ(z) computes too."""
    return ops.exp(-ops.abs(z))


def _softplus(z: Tensor) -> Tensor:
    return ops.fmax(z, 0.0) + ops.log1p(_powers(z))


def _log_loss_of_sigmoid(a: Tensor, y: Tensor, z: Tensor, reduction: str) -> Tensor:
    """Return log(1 + e^−|z|) + |z| (1 − y for z > 0, y for z < 0). An infinite z is made finite to avoid ∞ · 0."""
    rounding = ops.log1p(_powers(z))
    finite = ops.fmin(ops.abs(z), float(np.finfo(z.dtype).max))
    missed = finite * (0.5 + ops.copysign(1.0, z) * (0.5 - y))
    if reduction == "none":
        return rounding + missed
    reduced = _mean if reduction == "mean" else ops.sum
    return reduced(rounding) + reduced(missed)


def _log_loss(a: Tensor, y: Tensor, reduction: str) -> Tensor:
    """Return the loss by the rule of the op, in which 0 log 0 is 0."""
    losses: Tensor = OPS["log_loss"].forward(ops, a, y, "none")
    if reduction == "none":
        return losses
    return _mean(losses) if reduction == "mean" else ops.sum(losses)


def _ndtr(x: Tensor) -> Tensor:
    return 0.5 * ops.erfc(x * -math.sqrt(0.5))


def _gelu_tanh(x: Tensor) -> Tensor:
    z, scale = _within(x, 30.0), 2 * math.sqrt(2 / math.pi)
    return ops.maximum(x, -30.0) * _sigmoid(z * (scale + (scale * 0.044715) * ops.square(z)))


def _times(factor: float, x: Tensor) -> Tensor:
    return x if factor == 1 else factor * x


def _within(x: Tensor, largest: float = sys.float_info.max) -> Tensor:
    largest = min(largest, float(np.finfo(x.dtype).max)) if x.dtype.kind == "f" else largest
    return ops.maximum(ops.minimum(x, largest), -largest)


def _mean(x: Tensor, axis: Any = None, keepdims: bool = False) -> Tensor:
    if not x.size or x.dtype not in REAL:  # NumPy adds these up in a wider dtype
        return ops.mean(x, axis=axis, keepdims=keepdims)
    total = ops.sum(x, axis=axis, keepdims=keepdims)
    return total / (x.size // total.size)


def _pow(x: Any, y: Any) -> Tensor:
    if not isinstance(x, Tensor) or not isinstance(y, (int, float)) or x.dtype.kind == "b":
        return ops.pow(x, y)
    if y == 0.5 and x.dtype.kind == "f":  # as NumPy's operator does
        return ops.sqrt(x)
    if y not in range(2, _LARGEST_POWER + 1):
        return ops.pow(x, y)
    n, squared, product = int(y), x, None
    while n:
        if n % 2:
            product = squared if product is None else product * squared
        n //= 2
        squared = ops.square(squared) if n else squared
    return product  # type: ignore[return-value]


def _softmax(x: Tensor, axis: Any = -1, top: Callable[[Tensor], Tensor] = lambda top: top) -> Tensor:
    powers = ops.exp(x - top(ops.max(x, axis=axis, keepdims=True)))
    return powers / ops.sum(powers, axis=axis, keepdims=True)


def _logsumexp(x: Tensor, axis: Any = None, keepdims: bool = False) -> Tensor:
    powers, top = _powers_below_top(x, axis)
    total = ops.log(ops.sum(powers, axis=axis, keepdims=True)) + top
    return total if keepdims else ops.reshape(total, ops.sum(x, axis=axis).shape)


def _logsumexp_derivative(x: Tensor, y: Tensor, axis: Any = None) -> Tensor:
    powers, _ = _powers_below_top(x, axis)
    return powers / ops.sum(powers, axis=axis, keepdims=True)


def _powers_below_top(x: Tensor, axis: Any) -> tuple[Tensor, Tensor]:
    """Return e^(x − max x), and max x."""
    top = ops.max(x, axis=axis, keepdims=True)
    return ops.exp(ops.difference(x, top)), top


def _softmax_loss(z: Tensor, y: Tensor, axis: int) -> Tensor:
    """Return log Σ exp(z − max z) − Σ y (z − max z), in parts that the softmax shares, and without ∞ · 0."""
    top = ops.max(z, axis=axis, keepdims=True)
    below = z - top
    total = ops.log(ops.sum(ops.exp(below), axis=axis, keepdims=True))
    largest = float(np.finfo(np.result_type(below.dtype, np.float16)).max)
    products = ops.sum(y * ops.fmax(below, -largest), axis=axis, keepdims=True)
    losses = total - products
    if y.op is None or y.op.name != "one_hot_along":  # its labels add up to 1
        losses = losses + top * (1.0 - ops.sum(y, axis=axis, keepdims=True))
    return ops.reshape(losses, ops.sum(z, axis=axis).shape)


def _finite(x: Tensor) -> Tensor:
    """Return an array with the largest number in place of ∞, to avoid ∞ − ∞."""
    largest = float(np.finfo(x.dtype).max)
    return ops.fmax(ops.fmin(x, largest), -largest)


def _total_of_softmax(node: Tensor) -> Tensor | None:
    """Return log Σ exp(x) if a node is exp(x − log Σ exp(x)), a softmax that can share its powers, or else None."""
    match node:
        case Tensor(op=Op(name="exp"), inputs=(Tensor(op=Op(name="subtract"), inputs=(x, Tensor() as y)),)):
            total = y.inputs[0] if y.op is not None and y.op.name == "reshape" else y
            match total:
                case Tensor(op=Op(name="logsumexp"), inputs=(Tensor() as of,)) if of is x:
                    axes = reduced_axes(of.ndim, total.params["axis"])
                    kept = tuple(1 if i in axes else n for i, n in enumerate(of.shape))
                    return total if y.shape == kept else None
    return None


LOWERED: Mapping[str, Any] = {
    "sigmoid": _sigmoid,
    "relu": lambda x: ops.maximum(x, 0.0),
    "pow": _pow,
    "mean": _mean,
    "complement_of_sigmoid": lambda a, z: _sigmoid(-z),
    "logit_of_sigmoid": lambda a, z: z,
    "softplus": _softplus,
    "ndtr": _ndtr,
    "gelu": lambda x: ops.maximum(x, -1e4) * _ndtr(x),
    "gelu_tanh": _gelu_tanh,
    "silu": lambda x: ops.maximum(x, -1e4) * _sigmoid(x),
    "mish": lambda x: ops.maximum(x, -1e4) * ops.tanh(_softplus(x)),
    "hardswish": lambda x: ops.maximum(x, -3.0) * (ops.minimum(ops.maximum(x + 3.0, 0.0), 6.0) / 6.0),
    "softsign": lambda x: _within(x) / (1.0 + ops.abs(_within(x))),
    "finite": _within,
    "leaky_relu": lambda x, negative_slope: ops.where(x > 0, x, negative_slope * x),
    "elu": lambda x, alpha: ops.where(x > 0, x, _times(alpha, ops.expm1(ops.minimum(x, 0.0)))),
    "celu": lambda x, alpha: ops.where(x > 0, x, alpha * ops.expm1(ops.minimum(x, 0.0) / alpha)),
    "hardtanh": lambda x, min_val, max_val: ops.minimum(ops.maximum(x, min_val), max_val),
    "at_least": lambda x, y: ops.maximum(x, y),
    "at_most": lambda x, y: ops.minimum(x, y),
    "normal_density": lambda x: ops.exp(-0.5 * ops.square(x)) * (1 / math.sqrt(2 * math.pi)),
    "gaussian": lambda x: ops.exp(-ops.square(x)),
    "one_minus_square": lambda x: (1.0 - x) * (1.0 + x),
    "root_of_one_plus_square": lambda x: ops.maximum(ops.abs(x), ops.sqrt(1.0 + ops.square(_within(x, 1e18)))),
    "root_of_square_minus_one": lambda x: ops.sqrt(x - 1.0) * ops.sqrt(x + 1.0),
    "per_one_plus_square": lambda x, r: x / (1.0 + ops.square(r)),
    "inversion": lambda x, y, r: APPLY["per_square"](x, r),
    "softmax": _softmax,
    "logsumexp": _logsumexp,
    "logsumexp_derivative": _logsumexp_derivative,
    "einsum": lambda *xs, subscripts: product_of_matrices(ops, subscripts, *xs),
    "softmax_loss": _softmax_loss,
    "stop_gradient": lambda x: x,
    "custom_gradient": lambda value, *inputs, rule: value,
    "outer": lambda x, y: ops.reshape(x, (-1, 1)) * ops.reshape(y, (1, -1)),
    "log_loss": _log_loss,
    "log_loss_of_sigmoid": _log_loss_of_sigmoid,
    # parts of a decomposition
    **{
        name: OPS[name].run
        for name in ("eigenvalues", "eigenvectors", "left_vectors", "right_vectors", "singular_values")
    },
}


# -- sums and products as products of two matrices: they have less to set up, and use all lanes ---------------------


def contracted(node: Tensor, inputs: Sequence[Any], needed: set[Tensor], ones: dict[Any, Tensor]) -> Tensor | None:
    """Return Σ x ∗ y as ⟨x, y⟩, Σ x along axes as a product with ones, or a stack of matrices times one as one matrix.

    The result is None for a node that stays as it is. Reshapes are merged.
    """
    assert node.op is not None
    x = inputs[0]
    if node.op.name == "reshape":
        return _shaped(x, node.shape)
    if node.op.name == "matmul" and x.ndim > 2 and inputs[1].ndim == 2 and not _is_turned(x):
        return _shaped(ops.matmul(_rows(x), inputs[1]), node.shape)
    if node.op.name == "sum" and x.ndim > 0:
        total = _sum(x, reduced_axes(x.ndim, node.params["axis"]), node, node.inputs[0] not in needed, ones)
        return None if total is None else _shaped(total, node.shape)
    return None


def _sum(x: Tensor, axes: Sequence[int], node: Tensor, free: bool, ones: dict[Any, Tensor]) -> Tensor | None:
    """Return the sum except for its shape, or None if it stays as it is. `free` means that nothing else needs x."""
    if free and x.dtype == node.dtype and axes == tuple(range(x.ndim - 2)) and (product := _of_stack(x)) is not None:
        return product
    count = x.size // max(node.size, 1)
    if not axes or not 0 < count <= _LONGEST_DOT.get(x.dtype.name, 0) or x.dtype != node.dtype:
        return None
    if len(axes) == x.ndim:
        return _dot(x, free, ones)
    as_matrix = x.ndim == node.ndim == 2  # then it need not be reshaped
    if axes[0] == x.ndim - len(axes):
        return ops.matmul(_matrix(x, -1, count), _ones((count, 1) if as_matrix else (count,), x.dtype, ones))
    if axes[-1] == len(axes) - 1:
        return ops.matmul(_ones((1, count) if as_matrix else (count,), x.dtype, ones), _matrix(x, count, -1))
    return None


def _of_stack(x: Tensor) -> Tensor | None:
    """Return Σ Aᵀ B over a stack of matrices as one product of the matrices below each other, or None."""
    if x.op is None or x.op.name != "matmul" or x.ndim < 3:
        return None
    left, right = x.inputs
    if not isinstance(left, Tensor) or not isinstance(right, Tensor) or left.op is None:
        return None
    if left.op.name != "matrix_transpose" or left.shape[:-2] != right.shape[:-2] or _is_turned(right):
        return None
    (tall,) = left.inputs
    return None if _is_turned(tall) else ops.matmul(ops.matrix_transpose(_rows(tall)), _rows(right))  # type: ignore[arg-type]


def _is_turned(x: Tensor) -> bool:
    """Return whether an array may not lie in memory row by row, so that reshaping would copy it."""
    return x.op is not None and x.op.name in ("permute_dims", "matrix_transpose", "broadcast_to", "getitem")


def _rows(x: Tensor) -> Tensor:
    return _matrix(x, -1, x.shape[-1])


def _matrix(x: Tensor, height: int, width: int) -> Tensor:
    """Return an array as a matrix, of which either the height or the width is given, and the other is −1."""
    return _shaped(x, (x.size // width, width) if height < 0 else (height, x.size // height))


def _shaped(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    if x.op is not None and x.op.name == "reshape" and not _is_turned(x.inputs[0]):  # type: ignore[arg-type]
        (x,) = x.inputs  # type: ignore[assignment]
    return x if x.shape == shape else ops.reshape(x, shape)


def _dot(x: Tensor, free: bool, ones: dict[Any, Tensor]) -> Tensor:
    """Return the sum of all elements."""
    name = x.op.name if x.op is not None and free else None
    if name == "square":
        return ops.vdot(*x.inputs, *x.inputs)
    if name == "multiply" and all(isinstance(y, Tensor) and (y.shape, y.dtype) == (x.shape, x.dtype) for y in x.inputs):
        return ops.vdot(*x.inputs)
    return ops.vdot(x, _ones(x.shape, x.dtype, ones))


def _ones(shape: tuple[int, ...], dtype: np.dtype[Any], made: dict[Any, Tensor]) -> Tensor:
    if (shape, dtype) not in made:
        made[shape, dtype] = Tensor(np.ones(shape, dtype))
    return made[shape, dtype]


# -- how a program calls NumPy ---------------------------------------------------------------------------------------


def call(node: Tensor, operands: list[str]) -> str | Callable[[str | None], str] | None:
    """Return the call that computes a node, a function from a buffer to the call, or None for ops with a template."""
    assert node.op is not None
    name = node.op.name
    number = node.shape == () and name in _INFIX and node.dtype.kind == "f"
    by_operator = name == "pow" and node.shape != ()  # for booleans, it differs between arrays and numbers
    if name in _UFUNCS and node.dtype.kind in "iu" and not by_operator:
        return f"np.{_UFUNCS[name]}({', '.join(operands)})"
    if name in _UFUNCS and node.dtype.kind in "fb" and not number:
        if name == "pow" and isinstance(node.inputs[1], float) and node.inputs[1].is_integer():
            if node.inputs[0].dtype.kind == "f":  # type: ignore[union-attr]
                operands[1] = str(int(node.inputs[1]))
        return _with_out(_UFUNCS[name], operands)
    if name == "where":  # its numbers are written as floats
        return f"np.where({', '.join(operands)})"
    if name == "matmul":  # dot has less to set up, and differs only for stacks of matrices
        plain = node.dtype.kind == "f" and all(x.ndim <= 2 and x.dtype == node.dtype for x in tensors(node))
        return _with_out("dot" if plain else "matmul", operands)
    if name == "vdot" and all(isinstance(x, Tensor) for x in node.inputs):
        return _with_out("vdot", operands)
    if name in _REDUCTIONS and node.dtype == node.inputs[0].dtype:  # type: ignore[union-attr]
        axis, keepdims = node.params["axis"], node.params["keepdims"]
        return lambda out: f"{_REDUCTIONS[name]}.reduce({operands[0]}, {axis!r}, None, {out}, {keepdims})"
    return None


def tensors(node: Tensor) -> list[Tensor]:
    """Return the inputs of a node that are not Python numbers."""
    return [x for x in node.inputs if isinstance(x, Tensor)]


def _with_out(function: str, operands: Sequence[str]) -> Callable[[str | None], str]:
    by_name = "out=" if function in ("maximum", "minimum") else ""  # out by position is deprecated for these
    return lambda out: f"{function}({', '.join([*operands, by_name + out] if out else operands)})"


def in_place(node: Tensor) -> bool:
    """Return whether the result may overwrite an operand: elementwise, if none is read transposed or repeated."""
    views = [x for x in tensors(node) if x.op is not None and is_view(x)]
    return node.op is not None and node.op.name in _UFUNCS and all(x.op.name == "reshape" for x in views)  # type: ignore[union-attr]


def is_conversion(node: Tensor) -> bool:
    """Return whether a node is its input in another dtype, and so may be the input itself."""
    return node.op is not None and node.op.source is OPS["astype"].source


def is_put_in_slice(node: Tensor) -> bool:
    """Return whether a node is an array that is 0 outside a slice."""
    return node.op is not None and node.op.name == "scatter_add" and len(node.inputs) == 1


def is_view(node: Tensor) -> bool:
    """Return whether NumPy gives the result of a node as a view of its input, or may do so."""
    assert node.op is not None
    if node.op.name in ("getitem", "einsum"):
        return len(node.inputs) == 1
    return node.op.name in _VIEWS
