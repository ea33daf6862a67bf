"""Terms as graphs again."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from .. import ops
from ..graph import Tensor
from ..table import APPLY
from .terms import SIMPLE, Base, Call, Product, Sum, Symbol


def written(term: Sum) -> Any:
    """A sum as a graph again; a Python number where it is one."""
    total: Any = None
    for product in sorted(term.products, key=_place_in_sum):
        negative = product.coefficient < 0 and total is not None
        part = _written_product(product.times(Product(Fraction(-1), ())) if negative else product)
        total = part if total is None else ops.subtract(total, part) if negative else ops.add(total, part)
    return 0.0 if total is None else total


def _place_in_sum(product: Product) -> tuple[bool, bool, int]:
    """A sum begins without a sign; what is contracted stands before what is not, and what is short before the long."""
    contracted = any(isinstance(base, Call) and base.op in ("matmul", "sum") for base, _ in product.powers)
    return product.coefficient < 0, not contracted, product.operations


def _written_product(product: Product) -> Any:
    scalars = [(base, power) for base, power in product.powers if base.shape == () and isinstance(base, Symbol)]
    others = [(base, power) for base, power in product.powers if (base, power) not in scalars]
    mean, coefficient = product.averaged
    positive = abs(coefficient)
    simple = positive.denominator <= SIMPLE and not _is_decimal(positive)
    first = _plain(positive.numerator) if simple else float(positive)
    above = _joined(ops.multiply, first, [p for p in scalars if p[1] > 0])
    divisor_first = _plain(positive.denominator) if simple else None
    below = _joined(ops.multiply, divisor_first, [p for p in scalars if p[1] < 0])
    scalar: Any = above if below is None else ops.divide(1 if above is None else above, below)
    sign = coefficient < 0
    if sign and isinstance(scalar, (int, float)):
        scalar, sign = -scalar, False
    body = _joined(ops.multiply, None, [p for p in others if p[1] > 0], mean)
    body = scalar if body is None else body if scalar is None else ops.multiply(scalar, body)
    divisor = _joined(ops.multiply, None, [p for p in others if p[1] < 0])
    if divisor is not None:
        body = ops.divide(1 if body is None else body, divisor)
    body = 1.0 if body is None else body
    return -body if sign else body


def _is_decimal(x: Fraction) -> bool:
    """Whether a number is likely to have been written with a point, as 0.3 was, rather than as a fraction."""
    return x.denominator % 5 == 0 and 10**6 % x.denominator == 0


def _plain(n: int) -> int | None:
    return None if n == 1 else n


def _joined(
    join: Callable[[Any, Any], Tensor], first: Any, powers: list[tuple[Base, int]], mean: Base | None = None
) -> Any:
    for base, exponent in powers:
        factor = _written_base(base, "mean" if base is mean else "")
        factor = ops.square(factor) if abs(exponent) == 2 else factor if abs(exponent) == 1 else factor ** abs(exponent)
        first = factor if first is None else join(first, factor)
    return first


def _written_base(base: Base, instead: str = "") -> Any:
    if isinstance(base, Symbol):
        return base.node
    if isinstance(base, Sum):
        return written(base)
    if base.op == "number":
        return base.params["value"]
    if base.op == "identity":
        return Tensor(np.eye(base.shape[0]))
    operands = map(written, base.operands)
    return APPLY[instead or base.op](*operands, **base.params)
