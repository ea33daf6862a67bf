"""The products that a graph computes, which are known to stay in the range of floating numbers."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from .terms import Base, Product, Sum, as_product, is_call

Key = frozenset[tuple[Base, int]]


class Computed:
    """The products that a graph computes, without their coefficients.

    x / y² may be 0 or infinite where x / y / y is neither, because y² is. A product of several factors is therefore
    put together from computed products where possible.
    """

    def __init__(self) -> None:
        self._products: dict[Base, dict[Key, Product]] = {}  # indexed by each of their factors

    def add(self, term: Sum) -> None:
        """Add the product that a term of the graph is, unless it is a single factor."""
        product = _without_number(as_product(term))
        if _size(product) > 1:
            for base, _ in product.powers:
                self._products.setdefault(base, {})[product.key] = product

    def __contains__(self, product: Product) -> bool:
        """Return whether it is one factor or computed, or is a sum of such products with a common factor taken out."""
        if self._is_known(product):
            return True
        for base, power in product.powers:
            if power == 1 and (terms := _terms(base)):
                rest = product.times(Product(Fraction(1), ((base, -1),)))
                if all(self._is_known(rest.times(term)) for term in terms):
                    return True
        return False

    def _is_known(self, product: Product) -> bool:
        if _size(product) < 2:
            return True
        first, exponent = product.powers[0]
        known = self._products.get(first, {})
        if len(product.powers) == 1:  # it lies between the base and a computed power
            return any(len(key) == 1 and 0 < exponent <= abs(power) for key in known for _, power in key)
        return product.key in known

    def halves(self, product: Product) -> tuple[Product, Product, int] | None:
        """Return two computed products, or factors, and 1 if it is their product, or −1 if it is their quotient.

        The result is None if there are no such two.
        """
        for part in self._parts(product):
            rest = product.times(part.to_the(-1))
            for exponent in (1, -1):
                other = rest.to_the(exponent)
                if _is_part(part, product) and _is_part(other, product) and other in self:
                    return part, other, exponent
        return None

    def _parts(self, product: Product) -> Iterator[Product]:
        """Yield candidates for a part: the product without one factor, single factors, and other computed products."""
        factors = [Product(Fraction(1), ((base, 1 if power > 0 else -1),)) for base, power in product.powers]
        yield from (part for factor in factors if (part := product.times(factor.to_the(-1))) in self)
        yield from factors
        bases = {base for base, _ in product.powers}
        known = {key: part for base in bases for key, part in self._products.get(base, {}).items()}
        yield from (part for key, part in known.items() if all(base in bases for base, _ in key))


def _is_part(part: Product, whole: Product) -> bool:
    """Return whether a product is shorter than the whole and does not consist of divisors only."""
    return _size(part) < _size(whole) and any(power > 0 for _, power in part.powers)


def _terms(base: Base) -> tuple[Product, ...]:
    """Return the products that a sum, or a Σ, adds up. Any other base has none."""
    if isinstance(base, Sum):
        return base.products
    return base.operands[0].products if is_call(base, "total") else ()


def _size(product: Product) -> int:
    return sum(abs(power) for _, power in product.powers)


def _without_number(product: Product) -> Product:
    return Product(Fraction(1), product.powers)
