"""The shortest form of a sum: as it stands, multiplied out, or with common factors taken out again."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from .terms import Base, Call, Params, Product, Sum, added, as_product, common_factor, is_call, multiplied

_MOST_PRODUCTS = 64  # a sum that would become longer is not multiplied out


def expanded(term: Sum, accurate: bool = False) -> Sum | None:
    """Return a sum with its parentheses of positive power multiplied out, or None if that is too long.

    Parentheses with other parentheses in them are opened first, so that the inner ones can cancel before they are
    opened. With `accurate`, the result is also None if no terms merge: x (x + 1) is ∞ where x² + x is ∞ − ∞.
    """
    waiting, done = list(reversed(term.products)), []
    while waiting:
        product = waiting.pop()
        sums = [base for base, exponent in product.powers if isinstance(base, Sum) and exponent > 0]
        if not sums:
            done.append(product)
            continue
        opened = max(sums, key=_nesting)
        rest = product.times(Product(Fraction(1), ((opened, -1),)))
        waiting += [rest.times(part) for part in reversed(opened.products)]
        if len(waiting) + len(done) > _MOST_PRODUCTS:
            return None
    opened_form = added(Sum((product,)) for product in done)
    return None if accurate and len(opened_form.products) == len(done) else opened_form


def _nesting(base: Base) -> int:
    """Return the depth of the parentheses in a base."""
    if not isinstance(base, Sum):
        return 0
    return 1 + max((_nesting(inner) for product in base.products for inner, _ in product.powers), default=0)


def shortest(term: Sum, accurate: bool = False) -> Sum:
    """Return the shortest of three forms: the sum as it stands, multiplied out, or with common factors taken out."""
    return simplified(term, accurate)[0]


def simplified(term: Sum, accurate: bool = False) -> tuple[Sum, str]:
    """Return the shortest form of a sum, and a text on the steps to it, which is empty if there are none."""
    candidates = [(term, "")]
    if (open_form := expanded(term, accurate)) is not None:
        candidates.append((open_form, "multiplied out, and equal terms cancel"))
    several = [c for c in candidates if len(c[0].products) > 1]
    candidates += [(gathered(form), "products with a common operand are one") for form, _ in several]
    # a number alone is not taken out, as in (2/m) Xᵀ (X w − y) + 2 λ w
    for form, done in tuple(candidates):
        if len(form.products) > 1 and (common := common_factor(form)).powers:
            without_number = Product(Fraction(-1 if common.coefficient < 0 else 1), common.powers)
            done = f"{done}, common factors taken out" if done else "common factors taken out"
            candidates += [(Sum((as_product(form, x),)), done) for x in (common, without_number)]
    return min(candidates, key=lambda candidate: candidate[0].operations)


def gathered(term: Sum) -> Sum:
    """Return a sum in which matrix products with a common operand are merged: A x + B x becomes (A + B) x."""
    for side in (0, 1):
        groups: dict[Any, list[tuple[Product, Call]]] = {}
        for product in term.products:
            calls = [base for base, power in product.powers if is_call(base, "matrix product") and power == 1]
            if len(calls) == 1:
                (call,) = calls
                outside = Product(Fraction(1), tuple(p for p in product.powers if p[0] is not call))
                groups.setdefault((call.operands[side], outside), []).append((product, call))
        for (shared, outside), members in groups.items():
            if len(members) > 1:
                others = [
                    multiplied(Sum((Product(p.coefficient, ()),)), call.operands[1 - side]) for p, call in members
                ]
                combined = shortest(added(others))
                operands = (shared, combined) if side == 0 else (combined, shared)
                one = outside.times(
                    Product(Fraction(1), ((Call("matmul", operands, Params(), members[0][1].shape), 1),))
                )
                rest = [p for p in term.products if all(p is not member for member, _ in members)]
                return gathered(Sum((one, *rest)))
    return term
