"""Terms written as graphs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from ..graph.records import APPLY, OPS
from ..graph.tensor import Tensor, as_if_applied
from .computed import Computed
from .terms import ONE, SIMPLE, Base, Call, Params, Powers, Product, Shape, Sum, Symbol, is_call


def written(term: Sum, computed: Computed | None = None) -> Any:
    """Return a sum as a graph, or as a Python number if it is one.

    With `computed`, its products are put together from computed ones, so that no part overflows unless the whole does.
    """
    return _Writer(_recorded, computed).sum(term)


def outlined(term: Sum) -> Any:
    """Return a sum as a graph for printing, whose nodes have shapes and no values, or as a number if it is one."""
    return _Writer(_uncomputed).sum(term)


def _recorded(name: str, operands: Sequence[Any], params: Params, shape: Shape | None = None) -> Any:
    """Return the node of an op that has been computed."""
    return APPLY[name](*operands, **params)


def _uncomputed(name: str, operands: Sequence[Any], params: Params, shape: Shape | None = None) -> Any:
    """Return the node of an op with a shape and no value. By default its shape is that of the operands broadcast."""
    tensors = [x for x in operands if isinstance(x, Tensor)]
    if not tensors:
        return _recorded(name, operands, params)
    op = OPS[name]
    if op.kind == "elementwise" and not op.differentiable:  # a comparison, whose dtype is its own
        dtype = np.asarray(
            op.run(*(np.ones((), x.dtype) if isinstance(x, Tensor) else x for x in operands), **params)
        ).dtype
    else:
        dtype = params.get("dtype", np.result_type(*(x.dtype if isinstance(x, Tensor) else x for x in operands)))
    full = np.broadcast_shapes(*(x.shape for x in tensors)) if shape is None else shape
    return as_if_applied(op, tuple(operands), (), params, np.broadcast_to(np.zeros((), dtype), full))


class _Writer:
    """A writer of the parts of a term, which writes each part once however often it occurs; `make` makes the nodes."""

    def __init__(self, make: Callable[..., Any], computed: Computed | None = None) -> None:
        self._make = make
        self._computed = computed
        self._known: dict[tuple[Base, str], Any] = {}

    def _apply(self, name: str, *operands: Any) -> Any:
        return self._make(name, operands, Params())

    def sum(self, term: Sum) -> Any:
        """Return the graph of a sum, or a number."""
        total: Any = None
        for product in sorted(term.products, key=_place_in_sum):
            negative = product.coefficient < 0 and total is not None
            part = self._product(product.times(Product(Fraction(-1), ())) if negative else product)
            if total is None:
                total = part
            else:
                total = self._apply("subtract" if negative else "add", *_unconverted(total, part))
        return 0.0 if total is None else total

    def _product(self, product: Product) -> Any:
        scalars, others = _scalars_and_others(product)
        known = self._computed
        if known is not None and not all(part in known or part.key == product.key for part in _on_the_way(product)):
            if (graph := self._put_together(Product(Fraction(1), product.powers))) is not None:
                product = Product(product.coefficient, ((Symbol(graph), 1),))
                scalars, others = _scalars_and_others(product)
        mean, coefficient = product.averaged
        positive = abs(coefficient)
        simple = positive.denominator <= SIMPLE and not _is_decimal(positive)
        first = _plain(positive.numerator) if simple else float(positive)
        above = self._joined(first, [p for p in scalars if p[1] > 0])
        divisor_first = _plain(positive.denominator) if simple else None
        below = self._joined(divisor_first, [p for p in scalars if p[1] < 0])
        scalar: Any = above if below is None else self._apply("divide", 1 if above is None else above, below)
        sign = coefficient < 0
        if sign and isinstance(scalar, (int, float)):
            scalar, sign = -scalar, False
        body = self._joined(None, [p for p in others if p[1] > 0], mean)
        body = (
            scalar if body is None else body if scalar is None else self._apply("multiply", *_unconverted(scalar, body))
        )
        below = self._joined(None, [p for p in others if p[1] < 0])
        if below is not None:
            body = self._apply("divide", *_unconverted(1 if body is None else body, below))
        body = 1.0 if body is None else body
        return body if not sign else -body if isinstance(body, (int, float)) else self._apply("negative", body)

    def _put_together(self, product: Product) -> Any:
        """Return the graph of a product, put together from computed ones, or None if that is impossible."""
        assert self._computed is not None
        root, exponent = product.root
        if exponent > 1 and root in self._computed:
            return None if (x := self._put_together(root)) is None else self._raised(x, exponent)
        if (halves := self._computed.halves(product)) is None:
            ((base, power), *more) = product.powers
            return None if more or power != 1 else self._base(base)
        part, other, exponent = halves
        x, y = self._put_together(part), self._put_together(other)
        return None if x is None or y is None else self._apply("multiply" if exponent > 0 else "divide", x, y)

    def _joined(self, first: Any, powers: Sequence[tuple[Base, int]], mean: Base | None = None) -> Any:
        for base, exponent in powers:
            factor = self._raised(self._base(base, "mean" if base is mean else ""), abs(exponent))
            first = factor if first is None else self._apply("multiply", *_unconverted(first, factor))
        return first

    def _base(self, base: Base, instead: str = "") -> Any:
        if isinstance(base, Symbol):
            return base.node
        if (base, instead) not in self._known:
            self._known[base, instead] = self.sum(base) if isinstance(base, Sum) else self._call(base, instead)
        return self._known[base, instead]

    def _call(self, base: Call, instead: str) -> Any:
        if base.is_number:
            return base.params["value"]
        if base.is_identity:
            return Tensor(np.eye(base.shape[0]))
        operands = [self.sum(operand) for operand in base.operands]
        if OPS[base.op].kind not in ("elementwise", "shape"):  # those take Python numbers
            operands = [x if isinstance(x, Tensor) else Tensor(x) for x in operands]
        return self._make(instead or base.op, operands, base.params, base.shape)

    def _raised(self, x: Any, power: int) -> Any:
        if power == 1:
            return x
        return self._apply("square", x) if power == 2 else self._apply("pow", x, power)


def _place_in_sum(product: Product) -> tuple[bool, bool, int]:
    """Return a sort key: products without a minus sign come first, contractions before others, short before long."""
    contracted = any(is_call(base, "matrix product") or is_call(base, "total") for base, _ in product.powers)
    return product.coefficient < 0, not contracted, product.operations


def _scalars_and_others(product: Product) -> tuple[Powers, Powers]:
    scalars = tuple((base, power) for base, power in product.powers if base.shape == () and isinstance(base, Symbol))
    return scalars, tuple(p for p in product.powers if p not in scalars)


def _on_the_way(product: Product) -> Iterator[Product]:
    """Yield the products that are computed on the way to one as it is written: scalars first, divisors separately."""
    wholes = []
    for powers in _scalars_and_others(product):
        for sign in (1, -1):
            part = ONE
            for base, power in powers:
                if power * sign > 0:
                    factor = Product(Fraction(1), ((base, abs(power)),))
                    part = part.times(factor)
                    yield from (factor, part)
            wholes.append(part)
    above, below, others, _ = wholes
    yield above.times(below.to_the(-1))
    yield above.times(below.to_the(-1)).times(others)


def _is_decimal(x: Fraction) -> bool:
    """Return whether a number was probably written with a decimal point, like 0.3, and not as a fraction."""
    return x.denominator % 5 == 0 and 10**6 % x.denominator == 0


def _plain(n: int) -> int | None:
    return None if n == 1 else n


def _unconverted(x: Any, y: Any) -> tuple[Any, Any]:
    """Return two operands, without a conversion of integers that NumPy makes anyway because of the other operand."""
    for one, other in ((x, y), (y, x)):
        if (
            isinstance(one, Tensor)
            and isinstance(other, Tensor)
            and one.op is not None
            and one.op.arithmetic == "conversion"
        ):
            (given,) = one.inputs
            if isinstance(given, Tensor) and given.dtype.kind in "biu" and other.dtype == one.dtype:
                if np.result_type(other.dtype, given.dtype) == one.dtype and other.op is not one.op:
                    return (given, y) if one is x else (x, given)
    return x, y
