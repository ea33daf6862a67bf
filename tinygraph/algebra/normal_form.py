"""Recorded nodes as terms, by the rules of arithmetic and by the identities.

These hold for real numbers: for float32 and float64 operands of one dtype. Anything else is a call that stays as it was
recorded: arithmetic of mixed dtypes, of float16, and of integers, which wrap around. An integer among real operands is
converted first, as in NumPy, and the conversion is a factor like any other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from ..graph.records import Arithmetic
from ..graph.tensor import Tensor
from .computed import Computed
from .patterns import filled, heads, matched, patterns
from .rewriting import REAL
from .shortest import expanded, shortest
from .terms import (
    ONE,
    ZERO,
    Base,
    Call,
    Params,
    Product,
    Shape,
    Sum,
    Symbol,
    added,
    as_product,
    exactly,
    has_elements,
    identity,
    is_call,
    multiplied,
    number,
    of,
    only_base,
    power,
    split,
    symbol,
)
from .whole import Range, exact_range, is_whole, range_of

_SHORT = 2  # operations
_LARGEST_NUMBER = 2.0**200  # the bound on coefficients


class Reader:
    """A reader of recorded nodes as sums over `atoms`, which maps nodes to the sums that stand for them.

    `remember` gives an expression a name, so that σ(Z2) is read as A2. `used` holds the equations and identities that
    have shortened the expressions read. A `plain` reader applies none of them, only the rules of arithmetic. An
    `accurate` reader applies only rules that give the same numbers, also for values that are not finite.
    """

    def __init__(
        self,
        atoms: Mapping[Tensor, Sum],
        literal: Callable[[float], Sum] = number,
        plain: bool = False,
        accurate: bool = False,
    ) -> None:
        self.accurate = accurate
        self.atoms = dict(atoms)
        self.literal = literal
        self.plain = plain
        self.used: dict[str, None] = {}
        self._names: dict[Base, tuple[Sum, str]] = {}
        self._products: dict[Base, list[tuple[Product, Sum, str]]] = {}  # indexed by each of their factors
        self._definitions: dict[Base, Sum] = {}
        self._read: dict[Tensor, Sum] = {}
        self._whole: dict[Tensor, Sum] = {}  # integers in real arithmetic
        self._ranges: dict[Tensor, Range] = {}
        self._short: dict[Tensor, Sum] = {}  # those that are too short to need a name in a program
        self.computed = Computed()

    def over(self, atoms: Mapping[Tensor, Sum]) -> Reader:
        """Return a reader that knows the same names and has other atoms."""
        other = Reader(atoms, self.literal)
        other._names, other._products, other._definitions = self._names, self._products, self._definitions
        return other

    def read(self, node: Any) -> Sum:
        """Return the sum that a node, or a number, is."""
        if not isinstance(node, Tensor):
            return self.literal(node)
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
                if is_whole(x):
                    self._whole[x] = self._as_whole(x)
        return self._read[node]

    def needed(self, region: Iterable[Tensor]) -> set[Tensor]:
        """Return the nodes on which the values of a region of the graph depend, except as the condition of a choice."""
        found: set[Tensor] = set()
        for node in region:
            if node in self.atoms and node.dtype.kind == "f":
                found |= self.atoms[node].symbols
            elif node not in self.atoms and node.op is not None and _is_real(node):
                for i, x in enumerate(node.inputs):
                    if is_whole(x) and not _chooses(node, i):
                        found |= self._whole[x].symbols
        return found

    def forget(self) -> None:
        """Forget the terms that were read, which a change of the atoms makes stale."""
        self._read.clear()
        self._whole.clear()
        self.used.clear()

    def remember(self, term: Sum, name: Sum, because: str) -> None:
        """Have a term read as `name` where it is a factor or a product of factors, which adds `because` to `used`."""
        if len(term.products) != 1 or not term.products[0].powers:
            return
        inner, outer = split(term.products[0], has_elements)
        if not inner.powers:  # a scalar: all of its factors count
            (product,) = term.products
            inner, outer = Product(Fraction(1), product.powers), Product(product.coefficient, ())
        if len(inner.powers) > 1:
            for base, _ in term.products[0].powers:
                for other in _other_forms(base):
                    self._products.setdefault(other, []).append((term.products[0], name, because))
            return
        ((base, exponent),) = inner.powers
        if exponent == 1 and not isinstance(base, Symbol):
            self._names.setdefault(base, (multiplied(name, Sum((outer.to_the(-1),))), because))
            if outer == ONE and (symbolic := only_base(name)) is not None:
                self._definitions[symbolic] = term

    def named(self, term: Sum) -> Sum:
        """Return a term with remembered expressions replaced by their names, and with identities applied."""
        if self.plain:
            return term
        parts = [self._named(product) for product in term.products]
        if all(part is None for part in parts):
            return term
        read = zip(term.products, parts, strict=True)
        return added(Sum((product,)) if part is None else part for product, part in read)

    def _named(self, product: Product) -> Sum | None:
        for base, exponent in product.powers:
            if base in self._names:
                name, because = self._names[base]
                self.used[because] = None
                rest = Product(product.coefficient, tuple(p for p in product.powers if p[0] != base))
                return self.named(multiplied(Sum((rest,)), power(name, exponent)))
        for known, name, because in [k for base, _ in product.powers for k in self._products.get(base, ())]:
            if (divided := _divided(product, known)) is not None:
                shorter = Sum((divided.times(as_product(name)),))
                if shorter.operations <= product.operations:
                    self.used[because] = None
                    return self.named(shorter)
        for definitions in ({}, self._definitions):  # the definition of a symbol is matched only if that is shorter
            for head in heads(product, definitions):
                for pattern in patterns().get(head, ()):
                    if self.accurate and not pattern.identity.accurate:
                        continue
                    for rest, found in matched(pattern.left, product, definitions):
                        term = multiplied(Sum((rest,)), filled(pattern.right, found, self.named))
                        if not definitions or term.operations < product.operations:
                            self.used[f"{pattern.identity.left} = {pattern.identity.right}"] = None
                            return self.named(term)
        return None

    def shortest(self, term: Sum) -> Sum:
        """Return the shortest form of a term, or the term itself if an accurate reader would lose a possible NaN."""
        short = shortest(term, self.accurate)
        lost = self.accurate and not (_keeps([term], short) and term.parts <= short.parts)
        return term if lost else short

    def apart(self, product: Product, inside: Callable[[Shape], bool]) -> tuple[Product, Product]:
        """Return the factors that stay in a Σ, and those that go before it."""
        inner, outer = split(product, inside)
        if self.accurate and inner not in self.computed:
            return split(product, lambda shape: True)
        return inner, outer

    def _unread(self, node: Tensor) -> list[Tensor]:
        return [x for x in node.inputs if isinstance(x, Tensor) and x not in self._read]

    def _combined(self, node: Tensor) -> Sum:
        if node.op is None:
            return self._constant(node)
        term = self._as_real(node) if _is_real(node) else self._as_recorded(node)
        if self.accurate:
            self.computed.add(term)
        return term

    def _constant(self, node: Tensor) -> Sum:
        """Return the term of a leaf that is not an atom: a number if all of its elements are equal."""
        if node.dtype not in REAL:
            return symbol(node)
        if node.shape == ():
            return self.literal(node.item())
        if node.ndim == 2 and node.shape[0] == node.shape[1] > 1 and np.array_equal(node._value, np.eye(len(node))):
            return identity(node.shape)
        values = np.unique(node._value)
        return number(values[0].item()) if values.size == 1 else symbol(node)

    def _as_real(self, node: Tensor) -> Sum:
        """Return the term of a node by the rules of arithmetic.

        It stays as recorded if a coefficient gets too large, or if an accurate reader would lose floating symbols.
        """
        assert node.op is not None
        operands = []
        for i, x in enumerate(node.inputs):
            if not isinstance(x, Tensor):
                operands.append(self.literal(x))
            elif is_whole(x) and not _chooses(node, i):
                operands.append(_converted(self._whole[x], node.dtype))
            else:
                operands.append(self._read[x])
        term = _RULES.get(node.op.arithmetic, _call)(self, node, *operands)
        if self.accurate and node.op.arithmetic in _ARITHMETIC and not all(x.parts <= term.parts for x in operands):
            return self._as_recorded(node)
        term = self.named(term)
        ordinary = all(abs(product.coefficient) < _LARGEST_NUMBER for product in term.products)
        if not ordinary or (self.accurate and not _keeps(operands, term)):
            return self._as_recorded(node)
        return term

    def _as_recorded(self, node: Tensor) -> Sum:
        """Return a node as a call of its operands, in which numbers and constants keep their dtypes."""
        operands = []
        for x in node.inputs:
            if not isinstance(x, Tensor):
                operands.append(exactly(x))
            elif x.op is None and x not in self.atoms:
                operands.append(symbol(x))
            elif (term := self._read[x]).symbols or x.dtype not in REAL:
                operands.append(term)
            else:  # it has turned out to be a number
                operands.append(symbol(Tensor(np.asarray(x._value))))
        term = _call(self, node, *operands)
        return term if self.accurate and node.dtype not in REAL else self.named(term)

    def _as_whole(self, x: Tensor) -> Sum:
        """Return integers as a term in real arithmetic over integers, or as they were read if that may overflow."""
        if x in self.atoms:
            return self._short.get(x, self._read[x])
        if x.op is None:
            values = np.unique(x._value)
            return number(int(values[0])) if len(values) == 1 else self._read[x]
        if not all(is_whole(y) or isinstance(y, int) for y in x.inputs):
            return self._read[x]
        found = exact_range(x, [range_of(y, self._ranges) for y in x.inputs])
        if found is None:
            return self._read[x]
        self._ranges[x] = found
        term = _WHOLE[x.op.arithmetic](*(self._whole[y] if isinstance(y, Tensor) else number(y) for y in x.inputs))
        if self.accurate and term.operations <= _SHORT:
            self._short[x] = term
        return term


def _is_real(node: Tensor) -> bool:
    """Return whether a node is computed in one real dtype, from operands that have it or are converted to it."""
    return node.dtype in REAL and all(
        x.dtype == node.dtype if x.dtype.kind == "f" else _chooses(node, i) or _converts(node)
        for i, x in enumerate(node.inputs)
        if isinstance(x, Tensor)
    )


def _keeps(terms: Iterable[Sum], term: Sum) -> bool:
    """Return whether a term keeps the floating symbols of others: x − x loses x, but is NaN where x is infinite."""
    lost = (x for other in terms for x in other.symbols - term.symbols)
    return all(x.dtype.kind != "f" for x in lost)


def _converts(node: Tensor) -> bool:
    """Return whether a node converts integers among its operands to its own dtype before it computes."""
    assert node.op is not None
    return node.op.kind == "elementwise" or node.op.arithmetic in ("matrix product", "mean")


def _chooses(node: Tensor, i: int) -> bool:
    """Return whether an operand is the condition of a choice."""
    return node.op is not None and node.op.arithmetic == "choice" and i == 0


def _converted(term: Sum, dtype: np.dtype[Any]) -> Sum:
    """Return a term of integers with its factors converted to a floating dtype."""
    products = []
    for product in term.products:
        powers = Product(product.coefficient, ())
        for base, exponent in product.powers:
            if isinstance(base, Sum):
                factor = _converted(base, dtype)
            else:
                factor = (
                    of(base) if _is_number(base) else of(Call("astype", (of(base),), Params(dtype=dtype), base.shape))
                )
            powers = powers.times(as_product(power(factor, exponent)))
        products.append(Sum((powers,)))
    return added(products)


def _is_number(base: Base) -> bool:
    return isinstance(base, Call) and base.is_number


def _other_forms(base: Base) -> Iterator[Base]:
    """Yield the bases that may stand for a factor in a product: itself, its negative, and factors under its root."""
    yield base
    if isinstance(base, Sum):
        yield base.negated
    if is_call(base, "square root"):
        yield from (squared for squared, _ in as_product(base.operands[0]).powers)


def _divided(product: Product, by: Product) -> Product | None:
    """Return a product without the factors of another, or None if it does not have all of them."""
    powers = dict(product.powers)
    sign = 1
    for base, exponent in by.powers:
        if base not in powers and isinstance(base, Sum) and base.negated in powers:
            base, sign = base.negated, sign * (-1) ** abs(exponent)
        if base not in powers and is_call(base, "square root"):
            match as_product(base.operands[0]):
                case Product(coefficient=1, powers=((squared, 1),)) if squared in powers:
                    powers[base] = 2 * powers.pop(squared)  # two roots
        if powers.get(base, 0) * exponent <= 0 or abs(powers[base]) < abs(exponent):
            return None
        powers[base] -= exponent
    coefficient = product.coefficient / by.coefficient * sign
    return Product(coefficient, tuple((base, exponent) for base, exponent in powers.items() if exponent))


# -- the rules of arithmetic ---------------------------------------------------------------------------------------


def _full(term: Sum, x: Any) -> Sum:
    """Return an operand at the full shape of its node, for ops in which repetition matters."""
    if not isinstance(x, Tensor) or term.shape == x.shape:
        return term
    op = "reshape" if math.prod(term.shape) == x.size else "broadcast_to"
    return of(Call(op, (term,), Params(shape=x.shape), x.shape))


def _call(reader: Reader, node: Tensor, *operands: Sum) -> Sum:
    assert node.op is not None
    elementwise = node.op.kind == "elementwise"
    terms = [reader.shortest(t if elementwise else _full(t, x)) for t, x in zip(operands, node.inputs, strict=True)]
    shape = np.broadcast_shapes(*(t.shape for t in terms)) if elementwise else node.shape
    if node.size == 0 and 0 not in shape:  # a number would take the place of no elements, as in NaN · Σ
        return symbol(node)
    params = Params(node.params)
    if isinstance(axis := params.get("axis"), int) and node.op.kind == "reduction":
        params["axis"] = axis % max(len(terms[0].shape), 1)
    return of(Call(node.op.name, tuple(terms), params, shape))


def _multiply(reader: Reader, node: Tensor, x: Sum, y: Sum) -> Sum:
    """Return the product of two terms. A column times a row is an outer product."""
    term = multiplied(x, y)
    if node.ndim != 2 or len(term.products) != 1 or 1 in node.shape:
        return term
    columns, rows, scalars = ONE, ONE, ONE
    for base, exponent in term.products[0].powers:
        factor = Product(Fraction(1), ((base, exponent),))
        if not has_elements(base.shape):
            scalars = scalars.times(factor)
        elif base.shape == node.shape[1:]:
            rows = rows.times(factor)
        elif (vector := _column_of(Sum((factor,)))) is not None and vector.shape == node.shape[:1]:
            columns = columns.times(as_product(vector))
        else:
            return term
    if not columns.powers or not rows.powers:
        return term
    outer = Call("outer", (reader.shortest(Sum((columns,))), reader.shortest(Sum((rows,)))), Params(), node.shape)
    return Sum((scalars.times(Product(term.products[0].coefficient, ((outer, 1),))),))


def _divide(reader: Reader, node: Tensor, x: Sum, y: Sum) -> Sum:
    return multiplied(x, power(y, -1)) if y.products else _call(reader, node, x, y)


def _pow(reader: Reader, node: Tensor, x: Sum, y: Sum) -> Sum:
    exponent = node.inputs[1]
    if (
        isinstance(exponent, (int, float))
        and abs(exponent) < 1000
        and exponent == int(exponent)
        and (x.products or exponent > 0)
    ):
        return power(x, int(exponent)) if exponent else number(1)
    return _call(reader, node, x, y)


def _matmul(reader: Reader, node: Tensor, x: Sum, y: Sum) -> Sum:
    if not x.products or not y.products:
        return ZERO
    operands, outside = [], ONE
    for term in (x, y):
        inner, outer = split(as_product(reader.shortest(term)), (lambda _: True) if reader.accurate else has_elements)
        outside = outside.times(outer)
        operands.append(Sum((inner,)))
    for term, other, given, beside in zip(operands, operands[::-1], node.inputs, node.inputs[::-1], strict=True):
        one = term == number(1) and isinstance(given, Tensor) and given.shape == (1, 1)  # a matrix of one element
        if one or (isinstance(call := only_base(term), Call) and call.is_identity):
            if _full(other, beside).shape == node.shape:
                return Sum((outside.times(as_product(_full(other, beside))),))
    full = tuple(reader.shortest(_full(term, given)) for term, given in zip(operands, node.inputs, strict=True))
    if len(full[0].shape) == 1 and len(full[1].shape) == 2:  # vectors are columns
        shape = full[1].shape[::-1]
        full = (reader.named(of(Call("matrix_transpose", (full[1],), Params(), shape))), full[0])
    return Sum((outside.times(Product(Fraction(1), ((Call("matmul", full, Params(), node.shape), 1),))),))


def _transpose(reader: Reader, node: Tensor, x: Sum) -> Sum:
    if not (x := reader.shortest(x)).products:
        return ZERO
    term = _full(x, node.inputs[0])
    if len(term.products) > 1:
        return of(Call("matrix_transpose", (term,), Params(), node.shape))
    inner, outer = split(term.products[0], has_elements)
    if isinstance(call := only_base(Sum((inner,))), Call) and call.is_identity:
        return Sum((outer.times(inner),))
    return multiplied(Sum((outer,)), of(Call("matrix_transpose", (Sum((inner,)),), Params(), node.shape)))


def _sum(reader: Reader, node: Tensor, x: Sum) -> Sum:
    """Return a Σ with the factors that are constant along the axis before it, term by term if that is shorter."""
    if not x.products or not node.inputs[0].size:  # type: ignore[union-attr]  # 0 with any factor before it
        return ZERO
    term = reader.shortest(x)
    whole = _summed(reader, node, term)
    if reader.plain:
        return whole
    forms = [term] if (opened := expanded(term, reader.accurate)) is None or opened == term else [term, opened]
    apart = [
        added(reader.named(_summed(reader, node, Sum((product,)))) for product in form.products)
        for form in forms
        if len(form.products) > 1
    ]
    return min([whole, *apart], key=lambda candidate: candidate.operations)


def _summed(reader: Reader, node: Tensor, term: Sum) -> Sum:
    given = node.inputs[0]
    assert isinstance(given, Tensor)
    axis, params = node.params["axis"], {key: node.params[key] for key in ("axis", "keepdims")}
    given_axes = axis if isinstance(axis, tuple) else (axis,)
    axes = range(given.ndim) if axis is None or not given.ndim else [i % given.ndim for i in given_axes]
    if params["keepdims"]:
        long = tuple(i for i in axes if given.shape[i] != 1)
        params["axis"] = long[0] if len(long) == 1 else long
    else:
        params["axis"] = None if len(axes) == given.ndim else axes[0] if len(axes) == 1 else tuple(axes)
    count = math.prod(given.shape[i] for i in axes)

    leading = list(axes) == list(range(len(axes)))

    def varies(shape: Shape) -> bool:
        if not node.params["keepdims"]:  # factors outside must still broadcast to the result
            return len(shape) > (node.ndim if leading else 0)
        padded = (1,) * (given.ndim - len(shape)) + shape
        return any(padded[i] != 1 for i in axes)

    inner, outer = reader.apart(as_product(term), varies)
    if not inner.powers:
        return Sum((outer.times(Product(Fraction(count), ())),))
    summed = _full(Sum((inner,)), given)
    if count == 1 and node.shape == given.shape:
        return multiplied(Sum((outer,)), summed)
    return multiplied(Sum((outer,)), of(Call("sum", (reader.shortest(summed),), Params(params), node.shape)))


def _mean(reader: Reader, node: Tensor, x: Sum) -> Sum:
    """Return 1/m Σ, with the name of m."""
    count = node.inputs[0].size // max(node.size, 1)  # type: ignore[union-attr]
    return (
        multiplied(power(reader.literal(float(count)), -1), _sum(reader, node, x)) if count else _call(reader, node, x)
    )


def _broadcast_to(reader: Reader, node: Tensor, x: Sum) -> Sum:
    return x  # ops that need the full shape call _full


def _where(reader: Reader, node: Tensor, condition: Sum, x: Sum, y: Sum) -> Sum:
    """Return a choice with the scalars that both sides share before it.

    An equation leaves out a rule's own guard against 0/0, ``where(y == 0, 0, …)``, if the guard changes only values
    that are not finite. It also leaves out a rule's case for ties if the data has none.
    """
    if x == y:
        return x
    asked = node.inputs[0]
    guard = node.site.anonymous and isinstance(asked, Tensor) and asked.site.anonymous  # not the user's own
    if guard and not reader.accurate and is_call(only_base(condition), "equality"):
        if not np.any(node._args[0]) or (isinstance(node.inputs[1], float) and _only_guards(node)):
            return y
    left, right = as_product(x), as_product(y)
    if reader.accurate or not (
        shared := [p for p in left.powers if not has_elements(p[0].shape) and p in right.powers]
    ):
        return _call(reader, node, condition, x, y)
    outer = Product(Fraction(1), tuple(shared))
    inner = (Sum((product.times(outer.to_the(-1)),)) for product in (left, right))
    return multiplied(Sum((outer,)), _call(reader, node, condition, *inner))


def _only_guards(node: Tensor) -> bool:
    """Return whether a choice differs from its last operand only where that is not finite."""
    otherwise = np.asarray(node._args[2])
    return bool(((otherwise == node._value) | ~np.isfinite(otherwise)).all())


def _reshape(reader: Reader, node: Tensor, x: Sum) -> Sum:
    """Return a reshaped term with its scalars outside. Factors take in an axis that is only added or dropped."""
    given = node.inputs[0]
    assert isinstance(given, Tensor)
    if not x.products:
        return ZERO
    inner, outer = split(as_product(reader.shortest(x)), has_elements)
    if not inner.powers:
        return Sum((outer,))
    outside = Sum((outer,))
    if node.shape == (1,) * (node.ndim - given.ndim) + given.shape:  # broadcasting does that
        return multiplied(outside, Sum((inner,)))
    if given.shape == (1,) * (given.ndim - node.ndim) + node.shape:
        parts = [(_with_shape(base, base.shape[-node.ndim :] if node.ndim else ()), p) for base, p in inner.powers]
        for part, exponent in parts:
            outside = multiplied(outside, power(part, exponent))
        return outside
    full = _full(Sum((inner,)), given)
    base = only_base(full)
    return multiplied(outside, _with_shape(full if base is None else base, node.shape))


def _with_shape(x: Base, shape: Shape) -> Sum:
    """Return a reshaped factor. A reduction keeps or drops its axis instead, and a matrix product takes a vector."""
    if x.shape == shape:
        return x if isinstance(x, Sum) else of(x)
    if isinstance(x, Call):
        keeps = x.kind == "reduction" and "keepdims" in x.params
        if keeps and isinstance(axis := x.params["axis"], int):
            whole = x.operands[0].shape
            kept = x.params["keepdims"]
            if shape == () and math.prod(x.shape) == 1 and is_call(x, "total"):
                return of(Call("sum", x.operands, Params(axis=None, keepdims=False), ()))
            turned = (*whole[:axis], *(() if kept else (1,)), *whole[axis + 1 :])
            if turned == shape:
                return of(Call(x.op, x.operands, Params(axis=axis, keepdims=not kept), shape))
        if is_call(x, "matrix product") and (vector := _column_of(x.operands[1])) is not None and shape == x.shape[:-1]:
            return of(Call("matmul", (x.operands[0], vector), Params(), shape))
    return of(Call("reshape", (x if isinstance(x, Sum) else of(x),), Params(shape=shape), shape))


def _column_of(term: Sum) -> Sum | None:
    """Return the vector if a term is a vector reshaped to a column, or else None."""
    match term.products:
        case (Product(coefficient=1, powers=((Call(operands=(vector,), shape=shape) as call, 1),)),):
            column = len(vector.shape) == 1 and shape == (*vector.shape, 1)
            return vector if column and is_call(call, "reshaping") else None
        case _:
            return None


_ARITHMETIC = {"sum", "difference", "product", "quotient"}

_WHOLE: dict[Arithmetic | None, Callable[..., Sum]] = {
    "sum": lambda x, y: added((x, y)),
    "difference": lambda x, y: added((x, multiplied(number(-1), y))),
    "negation": lambda x: multiplied(number(-1), x),
    "product": multiplied,
    "square": lambda x: power(x, 2),
    "repetition": lambda x: x,
    "truncation": lambda x: x,
}
"""The rules for integers in real arithmetic."""

_RULES: dict[Arithmetic | None, Callable[..., Sum]] = {
    "sum": lambda reader, node, x, y: added((x, y)),
    "difference": lambda reader, node, x, y: added((x, multiplied(number(-1), y))),
    "negation": lambda reader, node, x: multiplied(number(-1), x),
    "product": _multiply,
    "quotient": _divide,
    "square": lambda reader, node, x: power(x, 2),
    "power": _pow,
    "matrix product": _matmul,
    "transpose": _transpose,
    "total": _sum,
    "mean": _mean,
    "repetition": _broadcast_to,
    "choice": _where,
    "complement": lambda reader, node, a, z: (
        _call(reader, node, a, z) if reader.accurate else added((number(1), multiplied(number(-1), a)))
    ),
    "conversion": lambda reader, node, x: x,  # x has the dtype, or has been converted
    "exact difference": lambda reader, node, x, y: (
        _call(reader, node, x, y) if reader.accurate else added((x, multiplied(number(-1), y)))
    ),
    "softmax": lambda reader, node, x, y: (
        _call(reader, node, x, y) if reader.accurate else of(Call("softmax", (x,), Params(node.params), node.shape))
    ),
    "reshaping": _reshape,
    "first operand": lambda reader, node, value, *inputs: value,
    "constant": lambda reader, node, x: x if reader.accurate else _call(reader, node, x),
}
