"""Identities as patterns over terms: read from their text, matched, and filled in."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, reduce
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ..graph.records import OPS, Op
from ..graph.threads import syntax_tree
from .identities import SHORTER, Identity
from .terms import ZERO, Base, Call, Params, Product, Shape, Sum, added, multiplied, number, of, power

Found: TypeAlias = "dict[str, Any]"


@dataclass(frozen=True)
class Variable:
    """A stand-in for any term in a pattern, or for a matrix if it is a capital. In parameters, it is any value."""

    name: str
    shape: Shape = ()
    operations = 0


class Pattern(NamedTuple):
    """An identity as terms. The left side is one product."""

    left: Product
    right: Sum
    identity: Identity


@cache
def patterns() -> Mapping[str, list[Pattern]]:
    """Return the identities, by the op that begins their left side."""
    found: dict[str, list[Pattern]] = {}
    for identity in SHORTER:
        (left,) = parsed(identity.left).products
        pattern = Pattern(left, parsed(identity.right), identity)
        found.setdefault(_head(left), []).append(pattern)
    return found


def _head(product: Product) -> str:
    base = product.powers[0][0]
    return base.op if isinstance(base, Call) else "("


def heads(product: Product, definitions: Mapping[Base, Sum]) -> Iterator[str]:
    """Yield the keys of `patterns` under which a pattern may match a product."""
    for base, _ in product.powers:
        base = _defined(base, definitions)
        if isinstance(base, Call):
            yield base.op
        elif isinstance(base, Sum):
            yield "("


_COMPARISONS = {ast.LtE: "less_equal", ast.Lt: "less", ast.Gt: "greater", ast.GtE: "greater_equal"}


def parsed(text: str) -> Sum:
    """Return the term that a Python expression stands for. Raises `SyntaxError` for syntax that no identity uses."""
    return _parsed(syntax_tree(text, "eval").body)


def _parsed(x: ast.expr) -> Sum:
    match x:
        case ast.Constant(int(value)):
            return number(value)
        case ast.Name(name):
            return of(Variable(name))  # type: ignore[arg-type]
        case ast.UnaryOp(ast.USub(), operand):
            return multiplied(number(-1), _parsed(operand))
        case ast.BinOp(left, ast.Add(), right):
            return added((_parsed(left), _parsed(right)))
        case ast.BinOp(left, ast.Sub(), right):
            return added((_parsed(left), multiplied(number(-1), _parsed(right))))
        case ast.BinOp(left, ast.Mult(), right):
            return multiplied(_parsed(left), _parsed(right))
        case ast.BinOp(left, ast.Div(), right):
            return multiplied(_parsed(left), power(_parsed(right), -1))
        case ast.BinOp(left, ast.Pow(), ast.Constant(int() as exponent)):
            return power(_parsed(left), exponent)
        case ast.BinOp(left, ast.MatMult(), right):
            return of(Call("matmul", (_parsed(left), _parsed(right)), Params(), ()))
        case ast.Compare(left, [comparison], [right]):
            return of(Call(_COMPARISONS[type(comparison)], (_parsed(left), _parsed(right)), Params(), ()))
        case ast.Call(ast.Name(name), operands, keywords):
            params = {k.arg: _param(k.value) for k in keywords if k.arg}
            if name == "astype":
                params["dtype"] = np.dtype(np.float64)
            return of(Call(name, tuple(map(_parsed, operands)), Params(params), ()))
    raise SyntaxError(ast.unparse(x))


def _param(x: ast.expr) -> Any:
    return Variable(x.id) if isinstance(x, ast.Name) else ast.literal_eval(x)


# -- matching --------------------------------------------------------------------------------------------------------


def matched(pattern: Product, product: Product, definitions: Mapping[Base, Sum]) -> Iterator[tuple[Product, Found]]:
    """Yield, for each match of a pattern in a product, the factors that are left and the terms of the variables.

    `definitions` maps symbols to the terms that they are short for, which may match too.
    """
    return _factors(pattern.powers, product, {}, definitions)


def _defined(base: Base, definitions: Mapping[Base, Sum]) -> Base:
    """Return the base that a symbol is short for, or the base itself if it has no definition."""
    return definitions[base].products[0].powers[0][0] if base in definitions else base


def _factors(
    pattern: tuple[tuple[Base, int], ...], product: Product, found: Found, definitions: Mapping[Base, Sum]
) -> Iterator[tuple[Product, Found]]:
    if not pattern:
        yield product, found
        return
    (wanted, exponent), *others = pattern
    for base, given in product.powers:
        if given * exponent > 0 and abs(given) >= abs(exponent):
            for bound in _base(wanted, base, found, definitions):
                rest = product.times(Product(Fraction(1), ((base, -exponent),)))
                yield from _factors(tuple(others), rest, bound, definitions)


def _base(pattern: Base, base: Base, found: Found, definitions: Mapping[Base, Sum]) -> Iterator[Found]:
    if isinstance(pattern, Sum):
        if isinstance(base, Sum):
            yield from _sum(pattern, base, found, definitions)
    elif isinstance(pattern, Call):
        base = _defined(base, definitions)
        if isinstance(base, Call) and base.op == pattern.op and len(base.operands) == len(pattern.operands):
            bound: Found | None = dict(found)
            for key, value in pattern.params.items():
                bound = _bound(bound, value.name, base.params.get(key)) if isinstance(value, Variable) else bound
                if bound is None or not (isinstance(value, Variable) or base.params.get(key) == value):
                    return
            assert bound is not None
            yield from _operands(pattern.operands, base.operands, bound, definitions)


def _operands(
    pattern: tuple[Sum, ...], operands: tuple[Sum, ...], found: Found, definitions: Mapping[Base, Sum]
) -> Iterator[Found]:
    if not pattern:
        yield found
        return
    for bound in _sum(pattern[0], operands[0], found, definitions):
        yield from _operands(pattern[1:], operands[1:], bound, definitions)


def _sum(pattern: Sum, term: Sum, found: Found, definitions: Mapping[Base, Sum]) -> Iterator[Found]:
    """Yield the matches of a sum. A variable that is added takes the products that the rest of the pattern leaves."""
    lone = [p for p in pattern.products if len(p.powers) == 1 and isinstance(p.powers[0][0], Variable)]
    others = [p for p in pattern.products if p not in lone]
    for rest, bound in _products(others, term, found, definitions):
        if not lone:
            if not rest.products:
                yield bound
            continue
        (variable,) = lone
        if variable.coefficient == -1:
            rest = rest.negated
        name = variable.powers[0][0].name  # type: ignore[union-attr]
        if (both := _bound(bound, name, rest)) is not None:
            yield both


def _products(
    pattern: list[Product], term: Sum, found: Found, definitions: Mapping[Base, Sum]
) -> Iterator[tuple[Sum, Found]]:
    if not pattern:
        yield term, found
        return
    for product in term.products:
        if product.coefficient == pattern[0].coefficient:
            for left, bound in _factors(pattern[0].powers, product, found, definitions):
                if not left.powers:
                    rest = Sum(tuple(p for p in term.products if p is not product))
                    yield from _products(pattern[1:], rest, bound, definitions)


def _bound(found: Found | None, name: str, value: Any) -> Found | None:
    """Return the variables with one more, or None if it has another value already, or should be a matrix."""
    if found is None or (name in found and found[name] != value):
        return None
    if name.isupper() and len(value.shape) < 2:
        return None
    return {**found, name: value}


# -- filling in ------------------------------------------------------------------------------------------------------


def filled(pattern: Sum, found: Found, finish: Callable[[Sum], Sum]) -> Sum:
    """Return a pattern with its variables replaced, and with `finish` applied to each call in it."""
    total = ZERO
    for product in pattern.products:
        factors = [power(_filled_base(base, found, finish), exponent) for base, exponent in product.powers]
        scaled = Sum((Product(product.coefficient, ()),))
        if len(factors) == 1 and abs(product.coefficient) == 1:  # not put in parentheses
            term = factors[0] if product.coefficient == 1 else factors[0].negated
        else:
            term = reduce(multiplied, factors, scaled)
        total = added((total, term))
    return total


def _filled_base(base: Any, found: Found, finish: Callable[[Sum], Sum]) -> Sum:
    if isinstance(base, Variable):
        return found[base.name]  # type: ignore[no-any-return]
    if isinstance(base, Sum):
        return filled(base, found, finish)
    operands = tuple(filled(x, found, finish) for x in base.operands)
    params = {k: found[v.name] if isinstance(v, Variable) else v for k, v in base.params.items()}
    shape = _shape(OPS[base.op], [x.shape for x in operands], params)
    return finish(of(Call(base.op, operands, Params(params), shape)))


def _shape(op: Op, shapes: list[Shape], params: Mapping[str, Any]) -> Shape:
    """Return the shape of a call on the right side of an identity, by running the op where no formula is known."""
    if op.kind == "elementwise":
        return np.broadcast_shapes(*shapes)
    if op.is_matrix_product:
        left, right = shapes
        return (*np.broadcast_shapes(left[:-2], right[:-2]), left[-2], right[-1])
    return np.shape(op.run(*map(_example, shapes), **params))


def _example(shape: Shape) -> np.ndarray[Any, Any]:
    """Return an array of a shape, whose matrices have an inverse if they are square."""
    return np.broadcast_to(np.eye(shape[-2], shape[-1]) if len(shape) > 1 else np.ones(shape), shape)
