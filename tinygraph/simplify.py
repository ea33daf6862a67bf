"""Simplification: a recorded expression to the shortest one of the same value, over chosen atoms.

An expression is read as a sum of products with whole powers and exact rational coefficients. What is multiplied is a
symbol (an atom: a node that is not looked into), a sum in parentheses, or a call of some other op, such as a matrix
product, whose operands are again sums. In that form equal terms cancel by themselves. It is written back as a graph:
as it stood, multiplied out, or with common factors taken out again, whichever has the fewest operations; at a tie, as
it stood.

Scalars are pulled out of linear ops, transposes in to the atoms, matrix products with an operand in common become one,
and a few ops are read as what they are (the rules at the end). Rounding is the only difference there can be, except
where a cancelled factor was 0 or infinite.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np

from . import ops
from .graph import Tensor
from .table import APPLY, OPS

Shape = tuple[int, ...]
Powers: TypeAlias = "tuple[tuple[Base, int], ...]"

_SIMPLE = 10**6  # a number with a larger denominator is written as a decimal
_MOST_PRODUCTS = 64  # a sum that would become longer is not multiplied out


@dataclass(frozen=True, eq=False)
class Symbol:
    """An atom. Nodes are told apart by identity, since == on tensors is by element."""

    node: Tensor

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Symbol) and self.node is other.node

    def __hash__(self) -> int:
        return hash(self.node)

    @property
    def shape(self) -> Shape:
        """The shape of its value."""
        return self.node.shape

    operations = 0


class Params(dict[str, Any]):
    """Static parameters, compared and hashed as they print: a slice has no hash of its own before Python 3.12."""

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
    """An op that no rearrangement looks into."""

    op: str
    operands: tuple[Sum, ...]
    params: Params
    shape: Shape

    @cached_property
    def operations(self) -> int:
        """How many operations it takes, with those of its operands."""
        unseen = OPS[self.op].notation == "{0}" if self.op in OPS else True
        return (not unseen) + sum(x.operations for x in self.operands)


@dataclass(frozen=True)
class Product:
    """A coefficient times powers. The order is that of writing; equality does not see it."""

    coefficient: Fraction
    powers: Powers

    @cached_property
    def key(self) -> frozenset[tuple[Base, int]]:
        """What two products have in common that can be added up."""
        return frozenset(self.powers)

    @cached_property
    def operations(self) -> int:
        """Multiplications, divisions, powers and a sign, and what is in the factors."""
        factors = sum(base.operations + (abs(power) != 1) for base, power in self.powers)
        above = sum(power > 0 for _, power in self.powers) + (abs(self.coefficient.numerator) != 1)
        below = sum(power < 0 for _, power in self.powers) + (self.coefficient.denominator != 1)
        return factors + max(above - 1, 0) + below + (self.coefficient < 0)

    @cached_property
    def shape(self) -> Shape:
        """The shape to which its factors broadcast."""
        return np.broadcast_shapes(*(base.shape for base, _ in self.powers))

    def times(self, other: Product) -> Product:
        """The product of both, with equal factors as one power."""
        powers = dict(self.powers)
        for base, power in other.powers:
            powers[base] = powers.get(base, 0) + power
        return Product(self.coefficient * other.coefficient, tuple((b, p) for b, p in powers.items() if p))

    def to_the(self, exponent: int) -> Product:
        """A whole power of it."""
        return Product(self.coefficient**exponent, tuple((base, power * exponent) for base, power in self.powers))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Product) and (self.coefficient, self.key) == (other.coefficient, other.key)

    def __hash__(self) -> int:
        return hash((self.coefficient, self.key))


@dataclass(frozen=True)
class Sum:
    """Products added up; none is 0."""

    products: tuple[Product, ...]

    @cached_property
    def operations(self) -> int:
        """Additions and subtractions, and what is in the products; a sign after the first is a subtraction."""
        negative = sum(product.coefficient < 0 for product in self.products)
        signs = min(negative, len(self.products) - 1)  # all but one can be subtractions
        return max(len(self.products) - 1, 0) + sum(product.operations for product in self.products) - signs

    @cached_property
    def shape(self) -> Shape:
        """The shape to which its products broadcast."""
        return np.broadcast_shapes(*(product.shape for product in self.products))

    @cached_property
    def key(self) -> frozenset[Product]:
        """Equality does not see the order."""
        return frozenset(self.products)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sum) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)


Base: TypeAlias = Symbol | Call | Sum

ONE = Product(Fraction(1), ())
ZERO = Sum(())


def number(value: float) -> Sum:
    """A number as a sum: the simplest fraction that is the same floating number."""
    if not np.isfinite(value):
        return _of(Call("number", (), Params(value=value), ()))
    simple = Fraction(value).limit_denominator(_SIMPLE)
    return Sum((Product(simple if float(simple) == value else Fraction(value), ()),)) if value else ZERO


def added(terms: Iterable[Sum]) -> Sum:
    """The sum of sums, in which like products are one."""
    total: dict[frozenset[tuple[Base, int]], Product] = {}
    for term in terms:
        for product in term.products:
            earlier = total.get(product.key)
            coefficient = product.coefficient + (earlier.coefficient if earlier else 0)
            total[product.key] = Product(coefficient, (earlier or product).powers)
    return Sum(tuple(product for product in total.values() if product.coefficient))


def as_product(term: Sum) -> Product:
    """A sum as one product: itself in parentheses, with what all its terms share taken out."""
    if not term.products:
        return Product(Fraction(0), ())
    if len(term.products) == 1:
        (product,) = term.products
        return product
    common = _common(term)
    rest = Sum(tuple(product.times(common.to_the(-1)) for product in term.products))
    return common.times(Product(Fraction(1), ((rest, 1),)))


def _common(term: Sum) -> Product:
    """What all products of a sum share: a coefficient with the sign of the first, and powers."""
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
    return Product(-coefficient if negative else coefficient, tuple(powers.items()))


def _greatest_common_divisor(a: Fraction, b: Fraction) -> Fraction:
    while b:
        a, b = b, a % b
    return a


def multiplied(x: Sum, y: Sum) -> Sum:
    """The product of two sums, each kept in parentheses if it has several terms."""
    if x == ZERO or y == ZERO:
        return ZERO
    return Sum((as_product(x).times(as_product(y)),))


def power(x: Sum, exponent: int) -> Sum:
    """A whole power of a sum."""
    return Sum((as_product(x).to_the(exponent),)) if x.products else x


def expanded(term: Sum) -> Sum | None:
    """A sum with its parentheses multiplied out where their power is positive; None where that is too long.

    Sums of products that have parentheses themselves come first, so that those can cancel before they are opened.
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
    return added(Sum((product,)) for product in done)


def _nesting(base: Base) -> int:
    """How deep the parentheses in a base are."""
    if not isinstance(base, Sum):
        return 0
    return 1 + max((_nesting(inner) for product in base.products for inner, _ in product.powers), default=0)


def shortest(term: Sum) -> Sum:
    """The shortest of: the sum as it stands, multiplied out, and with common factors taken out again."""
    return simplified(term)[0]


def simplified(term: Sum) -> tuple[Sum, str]:
    """The same, and what was done."""
    candidates = [(term, "")]
    if (open_form := expanded(term)) is not None:
        candidates.append((open_form, "multiplied out, and equal terms cancel"))
    several = [c for c in candidates if len(c[0].products) > 1]
    candidates += [(gathered(form), "products with a common operand are one") for form, _ in several]
    # a number alone is not taken out, as in (2/m) Xᵀ (X w − y) + 2 λ w
    candidates += [
        (Sum((as_product(form),)), "common factors taken out")
        for form, _ in candidates
        if len(form.products) > 1 and _common(form).powers
    ]
    return min(candidates, key=lambda candidate: candidate[0].operations)


def gathered(term: Sum) -> Sum:
    """A sum in which matrix products with an operand in common are one: A x + B x is (A + B) x."""
    for side in (0, 1):
        groups: dict[Any, list[tuple[Product, Call]]] = {}
        for product in term.products:
            calls = [
                base for base, power in product.powers if isinstance(base, Call) and base.op == "matmul" and power == 1
            ]
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


class Reader:
    """Reads recorded nodes as sums over `atoms`, which maps a node to what stands for it.

    `known` are expressions that have a name already, so that σ(Z2) is read as A2.
    """

    def __init__(self, atoms: Mapping[Tensor, Sum], literal: Callable[[float], Sum] = number) -> None:
        self.atoms = dict(atoms)
        self.known: dict[Base, Sum] = {}
        self._literal = literal
        self._read: dict[Tensor, Sum] = {}

    def read(self, node: Any) -> Sum:
        """The sum that a node, or a number, is."""
        if not isinstance(node, Tensor):
            return self._literal(node)
        stack = [node]
        while stack:  # not by recursion, since graphs may be deep
            x = stack[-1]
            waiting = [] if x in self.atoms or x in self._read else self._unread(x)
            if waiting:
                stack += waiting
                continue
            stack.pop()
            if x not in self._read:
                self._read[x] = self.atoms[x] if x in self.atoms else self._combined(x)
        return self._read[node]

    def forget(self) -> None:
        """Read anew, after a change of the atoms."""
        self._read.clear()

    def _unread(self, node: Tensor) -> list[Tensor]:
        return [x for x in node.inputs if isinstance(x, Tensor) and x not in self._read]

    def _combined(self, node: Tensor) -> Sum:
        if node.op is None:
            if node.shape == ():
                return self._literal(node.item())
            values = np.unique(node.value)
            return number(values[0]) if values.size == 1 else symbol(node)
        operands = [self._read[x] if isinstance(x, Tensor) else self._literal(x) for x in node.inputs]
        rule = _RULES.get(node.op.name, _call)
        term = rule(node, *operands)
        if len(term.products) == 1:
            (product,) = term.products
            for base, exponent in product.powers:
                if base in self.known:
                    rest = Product(product.coefficient, tuple(p for p in product.powers if p[0] != base))
                    term = multiplied(Sum((rest,)), power(self.known[base], exponent))
        return term


def symbol(node: Tensor) -> Sum:
    """An atom as a sum."""
    return _of(Symbol(node))


def _of(base: Base) -> Sum:
    return Sum((Product(Fraction(1), ((base, 1),)),))


def _full(term: Sum, x: Any) -> Sum:
    """An operand at the full shape of its node, for ops to which repetition matters."""
    if not isinstance(x, Tensor) or term.shape == x.shape:
        return term
    return _of(Call("broadcast_to", (term,), Params(shape=x.shape), x.shape))


def _call(node: Tensor, *operands: Sum) -> Sum:
    assert node.op is not None
    elementwise = node.op.kind == "elementwise"
    terms = [shortest(t if elementwise else _full(t, x)) for t, x in zip(operands, node.inputs, strict=True)]
    shape = np.broadcast_shapes(*(t.shape for t in terms)) if elementwise else node.shape
    return _of(Call(node.op.name, tuple(terms), Params(node.params), shape))


def _divide(node: Tensor, x: Sum, y: Sum) -> Sum:
    return multiplied(x, power(y, -1)) if y.products else _call(node, x, y)


def _pow(node: Tensor, x: Sum, y: Sum) -> Sum:
    exponent = node.inputs[1]
    if isinstance(exponent, (int, float)) and exponent == int(exponent) and (x.products or exponent > 0):
        return power(x, int(exponent)) if exponent else number(1)
    return _call(node, x, y)


def _split(product: Product, inside: Callable[[Shape], bool]) -> tuple[Product, Product]:
    """The factors that a linear op must keep inside, and the rest with the coefficient."""
    kept = tuple(p for p in product.powers if inside(p[0].shape))
    return Product(Fraction(1), kept), Product(product.coefficient, tuple(p for p in product.powers if p not in kept))


def _has_elements(shape: Shape) -> bool:
    return any(n != 1 for n in shape) or len(shape) > 0


def _matmul(node: Tensor, x: Sum, y: Sum) -> Sum:
    if not x.products or not y.products:
        return ZERO
    operands, outside = [], ONE
    for term, given in zip((x, y), node.inputs, strict=True):
        inner, outer = _split(as_product(shortest(term)), _has_elements)
        outside = outside.times(outer)
        operands.append(shortest(_full(Sum((inner,)), given)))
    return Sum((outside.times(Product(Fraction(1), ((Call("matmul", tuple(operands), Params(), node.shape), 1),))),))


def _transpose(node: Tensor, x: Sum) -> Sum:
    term = _full(x, node.inputs[0])
    if not term.products:
        return ZERO
    if len(term.products) > 1:
        return _of(Call("matrix_transpose", (shortest(term),), Params(), node.shape))
    inner, outer = _split(term.products[0], _has_elements)
    match inner.powers:
        case ((Call(op="matrix_transpose", operands=(once,)), 1),):
            turned = once
        case ((Call(op="matmul", operands=(left, right)), 1),) if node.ndim == 2:
            parts = tuple(_transposed(part) for part in (right, left))
            turned = _of(Call("matmul", parts, Params(), node.shape))
        case _:
            turned = _of(Call("matrix_transpose", (Sum((inner,)),), Params(), node.shape))
    return multiplied(Sum((outer,)), turned)


def _transposed(term: Sum) -> Sum:
    match term.products:
        case (Product(powers=((Call(op="matrix_transpose", operands=(once,)), 1),)),):
            return once
        case _:
            return _of(Call("matrix_transpose", (term,), Params(), (*term.shape[:-2], *term.shape[:-3:-1])))


def _sum(node: Tensor, x: Sum) -> Sum:
    """Factors that do not change along the axis stand before the Σ."""
    given = node.inputs[0]
    assert isinstance(given, Tensor)
    if not x.products:
        return ZERO
    axis, params = node.params["axis"], dict(node.params)
    given_axes = axis if isinstance(axis, tuple) else (axis,)
    axes = range(given.ndim) if axis is None or not given.ndim else [i % given.ndim for i in given_axes]
    if params["keepdims"]:
        long = tuple(i for i in axes if given.shape[i] != 1)
        params["axis"] = long[0] if len(long) == 1 else long
    count = int(np.prod([given.shape[i] for i in axes]))
    term = shortest(x)

    def varies(shape: Shape) -> bool:
        padded = (1,) * (given.ndim - len(shape)) + shape
        return any(padded[i] != 1 for i in axes) or (len(shape) > 0 and not node.params["keepdims"])

    inner, outer = _split(as_product(term), varies)
    if not inner.powers:
        return Sum((outer.times(Product(Fraction(count), ())),))
    summed = _full(Sum((inner,)), given)
    if count == 1 and node.shape == given.shape:
        return multiplied(Sum((outer,)), summed)
    return multiplied(Sum((outer,)), _of(Call("sum", (shortest(summed),), Params(params), node.shape)))


def _broadcast_to(node: Tensor, x: Sum) -> Sum:
    return x  # whoever needs the full shape asks for it


def _where(node: Tensor, condition: Sum, x: Sum, y: Sum) -> Sum:
    """``where(a <= b, 0, y)`` is y ∗ (a > b), and ``where(a < b, 0, y)`` is y ∗ (a ≥ b).

    A rule's own guard against 0/0, ``where(y == 0, 0, …)``, says what the equation means anyway.
    """
    match condition.products:
        case (Product(powers=((Call(op="equal"), 1),)),) if node.site.anonymous and isinstance(node.inputs[1], float):
            return y
    opposite = {"less_equal": "greater", "less": "greater_equal", "greater": "less_equal", "greater_equal": "less"}
    match condition.products:
        case (Product(powers=((Call(op=op, operands=operands, shape=shape), 1),)),) if op in opposite:
            if not x.products:
                return multiplied(y, _mask(opposite[op], operands, shape))
            if not y.products:
                return multiplied(x, _mask(op, operands, shape))
    return _call(node, condition, x, y)


def _exp(node: Tensor, x: Sum) -> Sum:
    """exp(z − log Σ exp(z)) is softmax(z)."""
    match sorted(x.products, key=lambda product: -product.coefficient):
        case [Product(1, _) as z, Product(-1, ((Call() as subtracted, 1),))]:
            if subtracted.op == "reshape" and len(subtracted.operands[0].products) == 1:
                match subtracted.operands[0].products[0]:
                    case Product(1, ((Call() as inner, 1),)):
                        subtracted = inner
            if subtracted.op == "logsumexp" and subtracted.operands[0] == Sum((z,)):
                return _of(Call("softmax", (Sum((z,)),), Params(axis=subtracted.params["axis"]), node.shape))
    return _call(node, x)


def _mask(op: str, operands: tuple[Sum, ...], shape: Shape) -> Sum:
    """A comparison as 0 and 1."""
    comparison = _of(Call(op, operands, Params(), shape))
    return _of(Call("astype", (comparison,), Params(dtype=np.float64), shape))


def _reshape(node: Tensor, x: Sum) -> Sum:
    """Scalars are pulled out. What only adds or drops an axis for a matrix product or a sum goes into it."""
    given = node.inputs[0]
    assert isinstance(given, Tensor)
    if not x.products:
        return ZERO
    inner, outer = _split(as_product(shortest(x)), _has_elements)
    if not inner.powers:
        return Sum((outer,))
    term = _full(Sum((inner,)), given)
    inside: Sum | None = None
    match term.products:
        case (Product(powers=((Call("matmul", (left, right), _, _), 1),)),):
            column = _column_of(right)
            if column is not None and node.shape == given.shape[:-1]:
                inside = _of(Call("matmul", (left, column), Params(), node.shape))
        case (Product(powers=((Call("sum", (summed,), params, _), 1),)),):
            known = params
            axis = known["axis"]
            if known["keepdims"] and isinstance(axis, int):
                if node.shape == (*given.shape[:axis], *given.shape[axis + 1 :]):
                    inside = _of(Call("sum", (summed,), Params(axis=axis, keepdims=False), node.shape))
    if inside is None:
        inside = (
            term if node.shape == given.shape else _of(Call("reshape", (term,), Params(shape=node.shape), node.shape))
        )
    return multiplied(Sum((outer,)), inside)


def _column_of(term: Sum) -> Sum | None:
    """The vector of which this is a column."""
    match term.products:
        case (Product(coefficient=1, powers=((Call("reshape", (vector,), _, shape), 1),)),):
            return vector if len(vector.shape) == 1 and shape == (*vector.shape, 1) else None
        case _:
            return None


_RULES: dict[str, Callable[..., Sum]] = {
    "add": lambda node, x, y: added((x, y)),
    "subtract": lambda node, x, y: added((x, multiplied(number(-1), y))),
    "negative": lambda node, x: multiplied(number(-1), x),
    "multiply": lambda node, x, y: multiplied(x, y),
    "divide": _divide,
    "square": lambda node, x: power(x, 2),
    "pow": _pow,
    "matmul": _matmul,
    "matrix_transpose": _transpose,
    "sum": _sum,
    "broadcast_to": _broadcast_to,
    "where": _where,
    "complement_of_sigmoid": lambda node, a, z: added((number(1), multiplied(number(-1), a))),
    "reshape": _reshape,
    "exp": _exp,
}


def written(term: Sum) -> Any:
    """A sum as a graph again; a Python number where it is one."""
    total: Any = None
    for product in sorted(term.products, key=_place_in_sum):
        negative = product.coefficient < 0 and total is not None
        part = _written_product(product.times(Product(Fraction(-1), ())) if negative else product)
        total = part if total is None else ops.subtract(total, part) if negative else ops.add(total, part)
    return 0.0 if total is None else total


def _place_in_sum(product: Product) -> tuple[bool, bool]:
    """A sum begins without a sign; what is contracted stands before what is not."""
    contracted = any(isinstance(base, Call) and base.op in ("matmul", "sum") for base, _ in product.powers)
    return product.coefficient < 0, not contracted


def _written_product(product: Product) -> Any:
    scalars = [(base, power) for base, power in product.powers if base.shape == () and isinstance(base, Symbol)]
    others = [(base, power) for base, power in product.powers if (base, power) not in scalars]
    positive = abs(product.coefficient)
    simple = positive.denominator <= _SIMPLE and not _is_decimal(positive)
    first = _plain(positive.numerator) if simple else float(positive)
    above = _joined(ops.multiply, first, [p for p in scalars if p[1] > 0])
    divisor_first = _plain(positive.denominator) if simple else None
    below = _joined(ops.multiply, divisor_first, [p for p in scalars if p[1] < 0])
    scalar: Any = above if below is None else ops.divide(1 if above is None else above, below)
    sign = product.coefficient < 0
    if sign and isinstance(scalar, (int, float)):
        scalar, sign = -scalar, False
    body = _joined(ops.multiply, None, [p for p in others if p[1] > 0])
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


def _joined(join: Callable[[Any, Any], Tensor], first: Any, powers: list[tuple[Base, int]]) -> Any:
    for base, exponent in powers:
        factor = _written_base(base)
        factor = ops.square(factor) if abs(exponent) == 2 else factor if abs(exponent) == 1 else factor ** abs(exponent)
        first = factor if first is None else join(first, factor)
    return first


def _written_base(base: Base) -> Any:
    if isinstance(base, Symbol):
        return base.node
    if isinstance(base, Sum):
        return written(base)
    if base.op == "number":
        return base.params["value"]
    operands = map(written, base.operands)
    return APPLY[base.op](*operands, **base.params)
