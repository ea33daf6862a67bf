"""Arithmetic, powers, roots, rounding and dtypes: element by element, with operands that broadcast.

In the rules g is the cotangent of the output, y (or z, where y is an input) the output. A derivative is written in
terms of the output where textbooks do.
"""

from __future__ import annotations

import math
import operator
import warnings
from types import FrameType
from typing import Any

import numpy as np

from ..apply import composite, described_operand, op
from ..errors import BroadcastWarning, DTypeError
from ..graph import ArrayLike, Tensor, unusable
from ..places import Site
from ..samples import Domain, Sample
from ..table import POWER, PRODUCT, SIGN, SUM

__all__ = [
    "abs",
    "add",
    "astype",
    "copysign",
    "divide",
    "multiply",
    "negative",
    "pow",
    "sign",
    "sqrt",
    "square",
    "subtract",
]

_nonzero = Domain(0.5, 2.0, signs=True)
_positive = Domain(0.5, 2.0)
_not_flat = Domain(0.1, 2.0, signs=True)  # away from kinks at 0


# -- arithmetic ----------------------------------------------------------------------------------------------------


def _warn_of_spreading(node: Tensor, site: Site, frame: FrameType) -> None:
    """Warn where a bias, or labels, fit by accident, along the wrong axis, and the result is (n, n)."""
    if site.anonymous:  # made in the working of a rule or of derive
        return
    if node._array.ndim != 2 or len(node._array) != node._array.shape[1] or len(node._array) < 2:
        return
    n = len(node._array)
    for i, (leaf, computed) in enumerate((node.inputs, node.inputs[::-1])):
        if type(leaf) is not Tensor or type(computed) is not Tensor or leaf.op is not None or computed.op is None:
            continue
        name = described_operand(leaf, site, i).name
        if leaf.shape == (n,) and computed.shape == (n, n):
            if not leaf.requires_grad or not _is_weight_times_columns(computed):
                continue
            problem = (
                f"{name} of shape ({n},) is added along the last axis of ({n}, {n}), one number for each column;"
                f" for one number for each row give it the shape ({n}, 1)"
            )
        elif computed.requires_grad and (
            {leaf.shape, computed.shape} == {(n,), (n, 1)}
            or ({leaf.shape, computed.shape} == {(1, n), (n, 1)} and not leaf.requires_grad)
        ):
            if computed.op.kind in ("shape", "indexing"):  # the way to ask for every pair
                continue
            problem = (
                f"{name} of shape {leaf.shape} and a result of shape {computed.shape} give ({n}, {n}), every pair;"
                f" give {name} the shape {computed.shape}"
            )
        else:
            continue
        warnings.warn_explicit(
            f"{site.text or node.op.name}: {problem}."  # type: ignore[union-attr]
            " To switch this off: warnings.simplefilter('ignore', tinygraph.BroadcastWarning)",
            BroadcastWarning,
            site.filename,
            site.line,
            registry=frame.f_globals.setdefault("__warningregistry__", {}),
        )


def _is_weight_times_columns(product: Tensor) -> bool:
    """Whether this is W @ X with W a parameter: then examples are columns. In X @ W they are rows."""
    if product.op is None or product.op.name != "matmul":
        return False
    return [type(x) is Tensor and x.op is None and x.requires_grad for x in product.inputs] == [True, False]


@op(
    "elementwise",
    lambda xp, g, z, x, y: g,
    lambda xp, g, z, x, y: g,
    notation="{0} + {1}",
    binding=SUM,
    run=operator.add,
    operators=("__add__", "__radd__"),
    check=_warn_of_spreading,
    source="{0} + {1}",
)
def add(xp: Any, x: ArrayLike, y: ArrayLike) -> Any:
    """z = x + y, elementwise.

    >>> tg.add([1.0, 2.0], 10.0)
    Tensor([11., 12.], op=add)
    """
    return xp.add(x, y)


@op(
    "elementwise",
    lambda xp, g, z, x, y: g,
    lambda xp, g, z, x, y: -g,
    notation="{0} − {1}",
    binding=SUM,
    run=operator.sub,
    operators=("__sub__", "__rsub__"),
    check=_warn_of_spreading,
    source="{0} - {1}",
)
def subtract(xp: Any, x: ArrayLike, y: ArrayLike) -> Any:
    """z = x − y, elementwise.

    >>> tg.subtract([1.0, 2.0], 1.0)
    Tensor([0., 1.], op=subtract)
    """
    return xp.subtract(x, y)


@op(
    "elementwise",
    lambda xp, g, z, x, y: g * y,
    lambda xp, g, z, x, y: g * x,
    notation="{0} ∗ {1}",
    binding=PRODUCT,
    run=operator.mul,
    operators=("__mul__", "__rmul__"),
    source="{0} * {1}",
)
def multiply(xp: Any, x: ArrayLike, y: ArrayLike) -> Any:
    """z = x ∗ y, elementwise (the Hadamard product; the matrix product is `matmul`).

    >>> tg.multiply([1.0, 2.0], [3.0, 4.0])
    Tensor([3., 8.], op=multiply)
    """
    return xp.multiply(x, y)


@op(
    "elementwise",
    lambda xp, g, z, x, y: g / y,
    lambda xp, g, z, x, y: -g * (z / y),
    notation="{0} / {1}",
    binding=PRODUCT,
    run=operator.truediv,
    operators=("__truediv__", "__rtruediv__"),
    samples=(_nonzero, _nonzero),
    source="{0} / {1}",
)
def divide(xp: Any, x: ArrayLike, y: ArrayLike) -> Any:
    """z = x / y, elementwise; integers give floats.

    >>> tg.divide([1.0, 2.0], 4.0)
    Tensor([0.25, 0.5 ], op=divide)
    """
    return xp.divide(x, y)


@op(
    "elementwise",
    lambda xp, g, y, x: -g,
    notation="−{0}",
    binding=SIGN,
    run=operator.neg,
    operators=("__neg__",),
    source="-{0}",
)
def negative(xp: Any, x: ArrayLike) -> Any:
    """y = −x, elementwise.

    >>> tg.negative([1.0, -2.0])
    Tensor([-1.,  2.], op=negative)
    """
    return xp.negative(x)


def _pow_base(xp: Any, g: Any, z: Any, x: Any, y: Any) -> Any:
    """y x^(y−1), in its simplest form where the exponent is a number in the source."""
    if type(y) in (int, float):  # not of a node: those have numbers that are floats, too
        if y == 0:
            return g * 0.0
        return g if y == 1 else g * (y * x) if y == 2 else g * (y * x ** (y - 1))
    return g * (y * xp.where(y == 0, xp.where(x == 0, 1.0, x), x) ** (y - 1.0))


def _pow_exponent(xp: Any, g: Any, z: Any, x: Any, y: Any) -> Any:
    """z log x, and 0 at 0^y where y ≥ 0."""
    if type(x) in (int, float) and x != 0:
        return g * (z * (math.log(x) if x > 0 else math.nan))
    return g * (z * xp.log(xp.where(x == 0, xp.where(y >= 0, 1.0, 0.0), x)))


@op(
    "elementwise",
    _pow_base,
    _pow_exponent,
    notation="{0}^{1}",
    binding=POWER,
    run=operator.pow,
    operators=("__pow__", "__rpow__"),
    samples=(_positive, None),
    source="{0} ** {1}",
)
def pow(xp: Any, x: ArrayLike, y: ArrayLike) -> Any:
    """z = x^y, elementwise. At 0^0 the derivatives are 0, as in PyTorch.

    >>> tg.pow([1.0, 2.0, 3.0], 2)
    Tensor([1., 4., 9.], op=pow)
    """
    return xp.pow(x, y)


@op("elementwise", lambda xp, g, y, x: g * (2 * x), notation="{0}^2", binding=POWER, source="{0} ** 2")
def square(xp: Any, x: ArrayLike) -> Any:
    """y = x², elementwise.

    >>> tg.square([1.0, -2.0])
    Tensor([1., 4.], op=square)
    """
    return xp.square(x)


@op("elementwise", lambda xp, g, y, x: g / (2 * y), notation="√{0}", binding=SIGN, samples=(_positive,))
def sqrt(xp: Any, x: ArrayLike) -> Any:
    """y = √x, elementwise; the derivative at 0 is inf.

    >>> tg.sqrt([1.0, 4.0])
    Tensor([1., 2.], op=sqrt)
    """
    return xp.sqrt(x)


@op(
    "elementwise",
    lambda xp, g, y, x: g * xp.sign(x),
    notation="|{0}|",
    run=np.absolute,
    operators=("__abs__",),
    samples=(_not_flat,),
)
def abs(xp: Any, x: ArrayLike) -> Any:
    """y = |x|, elementwise; the derivative at 0 is 0.

    >>> tg.abs([1.0, -2.0])
    Tensor([1., 2.], op=abs)
    """
    return xp.abs(x)


@op("elementwise", None, notation="sign({0})", samples=(_not_flat,))
def sign(xp: Any, x: ArrayLike) -> Any:
    """−1, 0 or 1, elementwise. Recorded, without a gradient.

    >>> tg.sign([-3.0, 0.0, 2.0])
    Tensor([-1.,  0.,  1.], op=sign)
    """
    return xp.sign(x)


@op(
    "elementwise",
    lambda xp, g, z, x, y: g * (xp.sign(x) * xp.copysign(1.0, y)),
    lambda xp, g, z, x, y: g * 0.0,
    samples=(_not_flat, _not_flat),
)
def copysign(xp: Any, x: ArrayLike, y: ArrayLike) -> Any:
    """z = |x| with the sign of y, elementwise; the derivative at x = 0 is 0, and by y too.

    >>> tg.copysign([1.0, -2.0], -3.0)
    Tensor([-1., -2.], op=copysign)
    """
    return xp.copysign(x, y)


# -- dtypes --------------------------------------------------------------------------------------------------------


def _astype(x: Any, dtype: Any) -> Any:
    return x.astype(dtype)


@op(
    "elementwise",
    lambda xp, g, y, x, dtype: g,
    notation="{0}",
    run=_astype,
    samples=(Sample(((2, 3),), {"dtype": np.float64}),),
)
def astype_(xp: Any, x: ArrayLike, dtype: Any) -> Any:
    """x in another floating dtype; the gradient comes back in the dtype of x."""
    return xp.astype(x, dtype)


@op("elementwise", None, notation="{0}", run=_astype, samples=(Sample(((2, 3),), {"dtype": np.int64}),))
def discretize_(xp: Any, x: ArrayLike, dtype: Any) -> Any:
    """x as integers or booleans: no gradient comes back."""
    return xp.astype(x, dtype)


@composite(
    "elementwise",
    samples=tuple(Sample(((2, 3),), {"dtype": dtype}) for dtype in (np.float64, np.int64)),
    reference=_astype,
)
def astype(x: ArrayLike, dtype: Any) -> Tensor:
    """`x` in another dtype. The gradient comes back in the dtype of `x`; from integers and booleans none does.

    >>> import tinygraph as tg
    >>> tg.astype([1.0, 2.0], "float32").dtype
    dtype('float32')
    """
    dtype = np.dtype(dtype)
    if dtype.kind not in "biuf":
        raise DTypeError(unusable(dtype))
    return (astype_ if dtype.kind == "f" else discretize_)(x, dtype)
