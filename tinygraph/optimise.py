"""A recorded graph as a shorter one of the same values: for programs.

Each node that several read, or that has a name, is cut out, read as a term over the ones before it, and written again
in its shortest form. Scalar factors of a node are left to those that read it, so that they end at the small arrays.
What would give other numbers than the graph itself, on the values that it was recorded with, is left as it was.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from .graph import Tensor, toposort
from .linear import ways
from .names import readers_of
from .simplify import (
    ONE,
    Base,
    Call,
    Product,
    Reader,
    Sum,
    Symbol,
    added,
    as_product,
    has_elements,
    multiplied,
    only_base,
    shortest,
    split,
    symbol,
    written,
)
from .table import APPLY

# What sums in another order may differ by: a part of each element, and of the largest where terms cancel.
_CLOSE = {np.dtype(np.float64): (1e-12, 1e-14), np.dtype(np.float32): (1e-5, 5e-6)}


def optimised(outputs: Sequence[Tensor], names: dict[Tensor, str]) -> tuple[list[Tensor], dict[Tensor, Any]]:
    """The outputs anew, from the same leaves, and the factors of nodes that are left to those that read them.

    `names` has the names of leaves that are inputs, others being constants, and of nodes; it gets those of new nodes.
    """
    order = toposort(*outputs)
    readers = readers_of(order)
    results = set(outputs)
    reader = Reader({x: symbol(x) for x in order if x.op is None and x in names}, accurate=True)
    scales: dict[Tensor, Any] = {}
    known: dict[Sum, Sum] = {}
    made: dict[Tensor, Any] = {}
    for node in order:
        if node.op is None:
            continue
        # within an elementwise expression the name of a gradient is no reason to cut: da goes into dz
        own = node in names and (not node.site.anonymous or node.op.kind in ("contraction", "reduction"))
        if not (len(readers.get(node, ())) > 1 or own or node in results):
            continue
        term = _spread(shortest(reader.read(node)))
        graph = _written(term, node)
        if graph is None:  # as it stands, over what is known
            made[node] = graph = _rebuilt(node, reader)
            term = symbol(graph)
        if node in results:
            made[node] = graph
            if node in names and graph.op is not None:
                names.setdefault(graph, names[node])
        inner, outer = _apart(term, all(map(_is_linear, readers.get(node, ()), itertools.repeat(node))))
        stored = Sum((inner,))
        if stored in known:
            stored = known[stored]
        elif inner.powers and not isinstance(only_base(stored), Symbol):
            root = graph if outer == ONE else written(stored)
            if node in names and root.op is not None:
                names.setdefault(root, names[node])
                if outer != ONE:
                    scales[root] = written(Sum((outer,))) if outer.powers else float(outer.coefficient)
            known[stored] = stored = symbol(root)
        reader.atoms[node] = multiplied(Sum((outer,)), stored) if inner.powers else term
        reader.forget()
        if outer == ONE and inner.powers:
            reader.remember(term, stored, "")
    return [_full(made.get(output, output), output) for output in outputs], scales


def _is_linear(node: Tensor, x: Tensor) -> bool:
    """Whether a factor of an input may wait until after the op; where it is added to another, it may not."""
    return any(way == {x} for way in ways(node))


def _apart(term: Sum, may_wait: bool) -> tuple[Product, Product]:
    """What is stored of a term, and the scalar factors that are left to those that read it."""
    if not term.products:
        return ONE, ONE
    inner, outer = split(as_product(term), has_elements)
    if inner.powers and (not may_wait or len(_spread(Sum((as_product(term),))).products) > 1):
        return Product(Fraction(1), ((term, 1),)) if only_base(term) is None else as_product(term), ONE
    return inner, outer


def _spread(term: Sum) -> Sum:
    """A term in which no sum is multiplied by a number that makes it longer: X − (1/m) Σ X, not (1/m) (m X − Σ X)."""
    return added(map(_spread_product, term.products))


def _spread_product(product: Product) -> Sum:
    powers = tuple((_spread_base(base), exponent) for base, exponent in product.powers)
    coefficient = product.coefficient
    for base, exponent in powers:
        if isinstance(base, Sum) and exponent == 1 and coefficient != 1:
            multiple = Sum(tuple(Product(p.coefficient * coefficient, p.powers) for p in base.products))
            if _multiplied(multiple) < _multiplied(base) + math.prod(product.shape):
                rest = tuple(power for power in powers if power[0] is not base)
                return Sum((Product(Fraction(1), (*rest, (multiple, 1))),)) if rest else multiple
    return Sum((Product(coefficient, powers),))


def _spread_base(base: Base) -> Base:
    if isinstance(base, Sum):
        return _spread(base)
    if isinstance(base, Call):
        return Call(base.op, tuple(map(_spread, base.operands)), base.params, base.shape)
    return base


def _multiplied(term: Sum) -> int:
    """How many elements of a sum are multiplied by numbers."""
    return sum(math.prod(p.shape) for p in term.products if abs(p.coefficient) != 1)


def _written(term: Sum, node: Tensor) -> Tensor | None:
    """A term as a graph; None where its numbers are not those of the node."""
    with np.errstate(all="ignore"):
        graph = written(term)
    if not isinstance(graph, Tensor):
        graph = Tensor(np.asarray(graph, node.dtype))
    if graph.dtype != node.dtype:
        return None
    value, expected = np.asarray(graph.value), np.asarray(node.value)
    value = value.reshape(node.shape) if value.size == expected.size else np.broadcast_to(value, node.shape)
    if node.dtype.kind != "f":
        return graph if np.array_equal(value, expected) else None
    finite = np.isfinite(expected)
    largest = np.abs(expected[finite]).max(initial=0.0)
    of_itself, of_largest = _CLOSE.get(node.dtype, (1e-2, 1e-3))
    with np.errstate(all="ignore"):
        off = np.abs(value[finite] - expected[finite])
    return graph if (off <= of_itself * np.abs(expected[finite]) + of_largest * largest).all() else None


def _rebuilt(node: Tensor, reader: Reader) -> Tensor:
    """The node as it was recorded, over the new graphs of what it reads."""
    inputs = [_full(written(reader.read(x)), x) if isinstance(x, Tensor) else x for x in node.inputs]
    assert node.op is not None
    return APPLY[node.op.name](*inputs, **node.params)


def _full(graph: Any, node: Tensor) -> Tensor:
    """A graph at the shape and dtype of the node that it stands for."""
    graph = graph if isinstance(graph, Tensor) else Tensor(np.asarray(graph, node.dtype))
    if graph.dtype != node.dtype:
        graph = APPLY["astype"](graph, node.dtype)
    if graph.shape != node.shape:
        same = graph.size == node.size
        graph = APPLY["reshape"](graph, node.shape) if same else APPLY["broadcast_to"](graph, node.shape)
    return graph  # type: ignore[no-any-return]
