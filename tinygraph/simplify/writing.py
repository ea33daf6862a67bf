"""Terms as graphs again."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from .. import ops
from ..graph import Tensor
from ..table import APPLY, OPS
from .terms import SIMPLE, Base, Call, Product, Sum, Symbol


def written(term: Sum, stable: bool = False) -> Any:
    """A sum as a graph again; a Python number where it is one.

    With `stable` a factor stands over the divisor that it is a part of, as eˣ in eˣ / (1 + eˣ), and the square of a
    quotient is that, so that neither overflows where the whole does not.
    """
    total: Any = None
    for product in sorted(term.products, key=_place_in_sum):
        negative = product.coefficient < 0 and total is not None
        part = _written_product(product.times(Product(Fraction(-1), ())) if negative else product, stable)
        total = part if total is None else ops.subtract(total, part) if negative else ops.add(total, part)
    return 0.0 if total is None else total


def _place_in_sum(product: Product) -> tuple[bool, bool, int]:
    """A sum begins without a sign; what is contracted stands before what is not, and what is short before the long."""
    contracted = any(isinstance(base, Call) and base.op in ("matmul", "sum") for base, _ in product.powers)
    return product.coefficient < 0, not contracted, product.operations


def _written_product(product: Product, stable: bool) -> Any:
    scalars = [(base, power) for base, power in product.powers if base.shape == () and isinstance(base, Symbol)]
    others = [(base, power) for base, power in product.powers if (base, power) not in scalars]
    mean, coefficient = product.averaged
    positive = abs(coefficient)
    simple = positive.denominator <= SIMPLE and not _is_decimal(positive)
    first = _plain(positive.numerator) if simple else float(positive)
    above = _joined(ops.multiply, first, [p for p in scalars if p[1] > 0], stable)
    divisor_first = _plain(positive.denominator) if simple else None
    below = _joined(ops.multiply, divisor_first, [p for p in scalars if p[1] < 0], stable)
    scalar: Any = above if below is None else ops.divide(1 if above is None else above, below)
    sign = coefficient < 0
    if sign and isinstance(scalar, (int, float)):
        scalar, sign = -scalar, False
    body: Any = None
    if stable and mean is None:
        quotients, others = _quotients(others)
        for numerator, divisor, power in quotients:
            quotient = ops.divide(_written_base(numerator, stable), _written_base(divisor, stable))
            body = _raised(quotient, power) if body is None else ops.multiply(body, _raised(quotient, power))
    body = _joined(ops.multiply, body, [p for p in others if p[1] > 0], stable, mean)
    body = scalar if body is None else body if scalar is None else ops.multiply(scalar, body)
    below = _joined(ops.multiply, None, [p for p in others if p[1] < 0], stable)
    if below is not None:
        body = ops.divide(1 if body is None else body, below)
    body = 1.0 if body is None else body
    return -body if sign else body


def _quotients(powers: list[tuple[Base, int]]) -> tuple[list[tuple[Base, Base, int]], list[tuple[Base, int]]]:
    """Factors and the divisors to stand under them, with the power of both; and what is left."""
    left = dict(powers)
    found: list[tuple[Base, Base, int]] = []
    for divisor, power in powers:
        above = [base for base, p in left.items() if p > 0 > power]
        parts = [base for base in above if _is_part(base, divisor)]
        for base in parts or [base for base in above if left[base] == -power > 1]:
            times = min(left[base], -left[divisor])
            if times > 0:
                found.append((base, divisor, times))
                left[base] -= times
                left[divisor] += times
    return found, [(base, power) for base, power in left.items() if power]


def _is_part(x: Base, whole: Base) -> bool:
    """Whether something is a term of a sum, or what a Σ adds up."""
    if isinstance(whole, Symbol):
        node = whole.node
        while node.op is not None and node.op.name in _MOVING:
            node = node.inputs[0]  # type: ignore[assignment]
        added_up = node.inputs if node.op is not None and node.op.name in ("sum", "add") else ()
        return isinstance(x, Symbol) and any(x.node is term for term in added_up)
    if isinstance(whole, Call):
        return whole.op in ("sum", *_MOVING) and _is_part(x, whole.operands[0])
    return any(
        ((x, 1),) == product.powers or any(_is_part(x, base) for base, _ in product.powers if isinstance(base, Call))
        for product in whole.products
    )


_MOVING = ("reshape", "broadcast_to")


def _is_decimal(x: Fraction) -> bool:
    """Whether a number is likely to have been written with a point, as 0.3 was, rather than as a fraction."""
    return x.denominator % 5 == 0 and 10**6 % x.denominator == 0


def _plain(n: int) -> int | None:
    return None if n == 1 else n


def _joined(
    join: Callable[[Any, Any], Tensor],
    first: Any,
    powers: list[tuple[Base, int]],
    stable: bool,
    mean: Base | None = None,
) -> Any:
    for base, exponent in powers:
        factor = _raised(_written_base(base, stable, "mean" if base is mean else ""), abs(exponent))
        first = factor if first is None else join(first, factor)
    return first


def _raised(x: Any, power: int) -> Any:
    return x if power == 1 else ops.square(x) if power == 2 else x**power


def _written_base(base: Base, stable: bool, instead: str = "") -> Any:
    if isinstance(base, Symbol):
        return base.node
    if isinstance(base, Sum):
        return written(base, stable)
    if base.op == "number":
        return base.params["value"]
    if base.op == "identity":
        return Tensor(np.eye(base.shape[0]))
    operands = [written(operand, stable) for operand in base.operands]
    if OPS[base.op].kind not in ("elementwise", "shape"):  # these take numbers as they are
        operands = [x if isinstance(x, Tensor) else Tensor(x) for x in operands]
    return APPLY[instead or base.op](*operands, **base.params)
