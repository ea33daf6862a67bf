"""The normal form: sums of products of powers, with exact coefficients, and arithmetic on them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias, TypeGuard

import numpy as np

from ..graph.records import OPS, Arithmetic, Op
from ..graph.tensor import Tensor
from ..graph.threads import cached_property

Shape = tuple[int, ...]
Powers: TypeAlias = "tuple[tuple[Base, int], ...]"

_LARGEST_DENOMINATOR = 1000
_ROUNDING = 2**20  # (x + 1e16) − 1e16 is x only without rounding
SIMPLE = 10**6  # a number with a larger denominator is written as a decimal
_NUMBER, _IDENTITY = "number", "identity"  # calls that are not of an op


@dataclass(frozen=True, eq=False)
class Symbol:
    """An atom. Nodes are compared by identity, since == on tensors is elementwise."""

    node: Tensor

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Symbol) and self.node is other.node

    def __hash__(self) -> int:
        return hash(self.node)

    @property
    def shape(self) -> Shape:
        """The shape of its value."""
        return self.node.shape

    @property
    def symbols(self) -> frozenset[Tensor]:
        """The nodes that occur in it."""
        return frozenset([self.node])

    operations = 0


class Params(dict[str, Any]):
    """Static parameters, compared and hashed by their repr, since a slice has no hash before Python 3.12."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Params) and self._key == other._key

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(self._key)

    @property
    def _key(self) -> str:
        return repr(sorted(self.items()))


@dataclass(frozen=True)
class Call:
    """An op applied to sums, which no rearrangement takes apart."""

    op: str
    operands: tuple[Sum, ...]
    params: Params
    shape: Shape

    @cached_property
    def _hash(self) -> int:
        return hash((self.op, self.operands, self.params, self.shape))

    def __hash__(self) -> int:
        return self._hash

    @property
    def record(self) -> Op | None:
        """The record of its op, or None for a number or an identity matrix, which are calls without operands."""
        return OPS.get(self.op)

    @property
    def kind(self) -> str:
        """The kind of its op, or "" without an op."""
        return "" if self.record is None else self.record.kind

    @property
    def is_number(self) -> bool:
        """Whether it is a number with a value of its own, which is not a coefficient."""
        return self.op == _NUMBER

    @property
    def is_identity(self) -> bool:
        """Whether it is the identity matrix of its shape."""
        return self.op == _IDENTITY

    @cached_property
    def operations(self) -> int:
        """The number of operations, including those of its operands."""
        unseen = self.record is None or self.record.notation == "{0}"
        return (not unseen) + sum(x.operations for x in self.operands)

    @cached_property
    def symbols(self) -> frozenset[Tensor]:
        """The nodes that occur in it."""
        return frozenset().union(*(x.symbols for x in self.operands))


def is_call(base: object, operation: Arithmetic) -> TypeGuard[Call]:
    """Return whether a base is a call of the op that is this operation of arithmetic."""
    return isinstance(base, Call) and base.record is not None and base.record.arithmetic == operation


@dataclass(frozen=True)
class Product:
    """A coefficient times powers. Their order is kept for writing; equality ignores it."""

    coefficient: Fraction
    powers: Powers

    @cached_property
    def key(self) -> frozenset[tuple[Base, int]]:
        """The powers as a set: products with the same key can be added up."""
        return frozenset(self.powers)

    @cached_property
    def operations(self) -> int:
        """The number of multiplications, divisions, powers and signs, including those in the factors."""
        _, coefficient = self.averaged
        factors = sum(base.operations + (abs(power) != 1) for base, power in self.powers)
        above = sum(power > 0 for _, power in self.powers) + (abs(coefficient.numerator) != 1)
        below = sum(power < 0 for _, power in self.powers) + (coefficient.denominator != 1)
        return factors + max(above - 1, 0) + below + (coefficient < 0)

    @cached_property
    def averaged(self) -> tuple[Base | None, Fraction]:
        """A Σ among the factors that a part of the coefficient makes a mean, and the rest of the coefficient.

        The Σ is None if there is no such factor.
        """
        if self.coefficient.denominator != 1:
            for base, power in self.powers:
                if is_call(base, "total") and power == 1:
                    count = math.prod(base.operands[0].shape) // (math.prod(base.shape) or 1)
                    if count > 1 and self.coefficient.denominator % count == 0:
                        return base, self.coefficient * count
        return None, self.coefficient

    @cached_property
    def shape(self) -> Shape:
        """The shape to which its factors broadcast."""
        return np.broadcast_shapes(*(base.shape for base, _ in self.powers))

    def times(self, other: Product) -> Product:
        """Return the product of both, with equal factors as one power."""
        powers, coefficient = dict(self.powers), self.coefficient * other.coefficient
        for base, power in other.powers:
            if isinstance(base, Sum) and base not in powers and base.negated in powers:
                base, coefficient = base.negated, coefficient * (-1) ** abs(power)
            powers[base] = powers.get(base, 0) + power
        return Product(coefficient, tuple((b, p) for b, p in powers.items() if p))

    def to_the(self, exponent: int) -> Product:
        """Return the product raised to a whole power."""
        return Product(self.coefficient**exponent, tuple((base, power * exponent) for base, power in self.powers))

    @cached_property
    def root(self) -> tuple[Product, int]:
        """The product of which it is the largest whole power, and that power: x / y and 3 for x³ / y³.

        The coefficient is left out.
        """
        exponent = math.gcd(*(power for _, power in self.powers))
        return Product(Fraction(1), tuple((base, power // exponent) for base, power in self.powers)), exponent

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Product) and (self.coefficient, self.key) == (other.coefficient, other.key)

    def __hash__(self) -> int:
        return hash((self.coefficient, self.key))


@dataclass(frozen=True)
class Sum:
    """A sum of products, none of which is 0."""

    products: tuple[Product, ...]

    @cached_property
    def operations(self) -> int:
        """The number of additions and subtractions, and of operations in the products.

        A minus sign after the first product is a subtraction, and does not count again.
        """
        negative = sum(product.coefficient < 0 for product in self.products)
        signs = min(negative, len(self.products) - 1)  # all but one can be subtractions
        return max(len(self.products) - 1, 0) + sum(product.operations for product in self.products) - signs

    @cached_property
    def shape(self) -> Shape:
        """The shape to which its products broadcast."""
        return np.broadcast_shapes(*(product.shape for product in self.products))

    @cached_property
    def symbols(self) -> frozenset[Tensor]:
        """The nodes that occur in it."""
        return frozenset().union(*(base.symbols for product in self.products for base, _ in product.powers))

    @cached_property
    def parts(self) -> frozenset[Base]:
        """The bases that its sums, products and matrix products are made of: symbols, functions, and numbers so large
        that the terms beside them are rounded."""
        found: set[Base] = set()
        for product in self.products:
            if not product.powers and abs(product.coefficient) > _ROUNDING:
                found.add(Call(_NUMBER, (), Params(value=abs(product.coefficient)), ()))
            for base, _ in product.powers:
                if isinstance(base, Sum):
                    found |= base.parts
                elif isinstance(base, Call) and base.kind in ("shape", "contraction"):
                    found = found.union(*(x.parts for x in base.operands))
                else:
                    found.add(base)
        return frozenset(found)

    @cached_property
    def negated(self) -> Sum:
        """The sum with the opposite sign."""
        return Sum(tuple(Product(-product.coefficient, product.powers) for product in self.products))

    @cached_property
    def key(self) -> frozenset[Product]:
        """The products as a set: equality ignores their order."""
        return frozenset(self.products)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sum) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)


Base: TypeAlias = Symbol | Call | Sum

ONE = Product(Fraction(1), ())
ZERO = Sum(())


def number(value: float) -> Sum:
    """Return a number as a sum: the simplest fraction that is the same floating number."""
    if not np.isfinite(value):
        return exactly(value)
    simple = Fraction(value).limit_denominator(SIMPLE)
    return Sum((Product(simple if float(simple) == value else Fraction(value), ()),)) if value else ZERO


def exactly(value: float) -> Sum:
    """Return a number as it was written, unchanged by arithmetic: 2.0 turns integers into floats, and 2 does not."""
    return of(Call(_NUMBER, (), Params(value=value), ()))


def identity(shape: Shape) -> Sum:
    """Return the identity matrix of a shape."""
    return of(Call(_IDENTITY, (), Params(), shape))


def added(terms: Iterable[Sum]) -> Sum:
    """Return the sum of sums, in which like products are merged."""
    total: dict[frozenset[tuple[Base, int]], Product] = {}
    for term in terms:
        for product in term.products:
            earlier = total.get(product.key)
            coefficient = product.coefficient + (earlier.coefficient if earlier else 0)
            total[product.key] = Product(coefficient, (earlier or product).powers)
    return Sum(tuple(product for product in total.values() if product.coefficient))


def as_product(term: Sum, common: Product | None = None) -> Product:
    """Return a sum as one product: itself in parentheses, with `common` taken out, by default all common factors."""
    if not term.products:
        return Product(Fraction(0), ())
    if len(term.products) == 1:
        (product,) = term.products
        return product
    common = common_factor(term) if common is None else common
    rest = Sum(tuple(product.times(common.to_the(-1)) for product in term.products))
    return common.times(Product(Fraction(1), ((rest, 1),)))


def common_factor(term: Sum) -> Product:
    """Return the factors that all products of a sum share. The coefficient is negative if all of theirs are."""
    first, *others = term.products
    coefficient = abs(first.coefficient)
    negative = all(product.coefficient < 0 for product in term.products)
    powers = dict(first.powers)
    for product in others:
        coefficient = _greatest_common_divisor(coefficient, abs(product.coefficient))
        theirs = dict(product.powers)
        powers = {
            base: min(power, theirs[base], key=abs)
            for base, power in powers.items()
            if base in theirs and (theirs[base] > 0) == (power > 0)
        }
    if any(product.coefficient.denominator > _LARGEST_DENOMINATOR for product in term.products):
        coefficient = Fraction(1)  # v + 0.00001 must not become (100000 v + 1) / 100000
    return Product(-coefficient if negative else coefficient, tuple(powers.items()))


def _greatest_common_divisor(a: Fraction, b: Fraction) -> Fraction:
    while b:
        a, b = b, a % b
    return a


def multiplied(x: Sum, y: Sum) -> Sum:
    """Return the product of two sums, each kept in parentheses if it has several terms."""
    if x == ZERO or y == ZERO:
        return ZERO
    return Sum((as_product(x).times(as_product(y)),))


def power(x: Sum, exponent: int) -> Sum:
    """Return a whole power of a sum."""
    return Sum((as_product(x).to_the(exponent),)) if x.products and exponent != 1 else x


def symbol(node: Tensor) -> Sum:
    """Return an atom as a sum."""
    return of(Symbol(node))


def of(base: Base) -> Sum:
    """Return a base as a sum."""
    return Sum((Product(Fraction(1), ((base, 1),)),))


def split(product: Product, inside: Callable[[Shape], bool]) -> tuple[Product, Product]:
    """Return the factors that a linear op must keep inside, and the rest with the coefficient."""
    kept = tuple(p for p in product.powers if inside(p[0].shape))
    return Product(Fraction(1), kept), Product(product.coefficient, tuple(p for p in product.powers if p not in kept))


def has_elements(shape: Shape) -> bool:
    """Return whether a shape has axes, so that it is not the shape of a number."""
    return len(shape) > 0


def only_base(term: Sum) -> Base | None:
    """Return the base of a term that consists of nothing else, or None for any other term."""
    match term.products:
        case (Product(coefficient=1, powers=((base, 1),)),):
            return base
        case _:
            return None
