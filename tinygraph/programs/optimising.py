"""Recorded graphs as shorter ones of the same values, for programs.

Each node that has a name or several readers is cut out, read as a term over those before it, and written again in its
shortest form. A node stays as it was if the new form would give other numbers than the graph itself, on the values that
it was recorded with. It also stays if the new form would not depend on one of its numbers: x − x becomes 0, but is NaN
for infinity. Nodes that decide where a function jumps stay too, since rounding must not move the jumps.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from ..algebra.computed import Computed
from ..algebra.nodes import written
from ..algebra.normal_form import Reader
from ..algebra.rewriting import before_jumps, over, rewritten
from ..algebra.terms import (
    Base,
    Call,
    Product,
    Sum,
    Symbol,
    added,
    as_product,
    common_factor,
    has_elements,
    only_base,
    symbol,
)
from ..graph.node import toposort
from ..graph.records import APPLY
from ..graph.replaying import replay
from ..graph.tensor import Tensor
from ..graph.walking import readers_of

_MOST_OPERATIONS = 60  # the most that are simplified as one term
_FEWEST_OPERATIONS = 8  # a scalar of more has a name if several nodes read it

# By how much sums in another order may differ: a part of each element, and of the largest where terms cancel.
_CLOSE = {np.dtype(np.float64): (1e-12, 1e-15), np.dtype(np.float32): (1e-5, 1e-6)}


def optimised(
    outputs: Sequence[Tensor], names: dict[Tensor, str], collapsed: dict[str, tuple[int, int]] | None = None
) -> list[Tensor]:
    """Return new outputs over the same leaves.

    `names` has the names of nodes and of the leaves that are inputs; other leaves are constants. It gets the names of
    new nodes. `collapsed` gets, by name, the numbers of operations of shortened nodes before and after.
    """
    order = toposort(*outputs)
    readers = readers_of(order)
    results = set(outputs)
    exact = before_jumps(order)
    reader = Reader({x: symbol(x) for x in order if x.op is None and x in names}, accurate=True)
    known: dict[Sum, Sum] = {}
    made: dict[Tensor, Any] = {}
    sizes: dict[Any, int] = {}  # of the term that a node will be, in operations
    for node in order:
        if node.op is None:
            continue
        sizes[node] = 1 + sum(sizes.get(x, 0) for x in node.inputs)
        large = sizes[node] > _MOST_OPERATIONS
        # within an elementwise expression, the name of a gradient is not a reason to cut: da goes into dz
        own = node in names and (not node.site.anonymous or node.op.kind in ("contraction", "reduction"))
        reading = readers.get(node, ())
        if not (len(reading) > 1 or own or node in results or large or any(_jumps(x) for x in reading)):
            continue
        term = _spread(reader.shortest(reader.read(node)))
        sound = (node not in exact or _is_copy(node)) and reader.needed(_region(node, reader)) <= term.symbols
        graph = _written(term, node, names, reader.computed) if sound else None
        if collapsed is not None and graph is not None and node in names:
            before = sum(x not in reader.atoms and not _is_cast(x) for x in _region(node, reader))
            if term.operations < before:
                collapsed[names[node]] = (before, term.operations)
        if graph is None:  # as it stands, over the known graphs
            made[node] = graph = _rebuilt(node, reader)
            term = symbol(graph)
        if node in results:
            made[node] = graph
        if node in names and graph.op is not None:
            names.setdefault(graph, names[node])
        short = term.operations <= _FEWEST_OPERATIONS
        simple = short and (not has_elements(term.shape) or (not own and _is_simple(term)))
        if isinstance(only_base(term), Symbol) or (simple and not large):
            reader.atoms[node] = term
            sizes[node] = term.operations
        else:
            sizes[node] = 0
            if term not in known:
                known[term] = symbol(graph)
            reader.atoms[node] = known[term]
            reader.remember(term, known[term], "")
        reader.forget()
    return [_full(made.get(output, output), output) for output in outputs]


def _jumps(node: Tensor) -> bool:
    return node.op is not None and node.op.jumps


def _region(node: Tensor, reader: Reader) -> list[Tensor]:
    """Return a node and the nodes that it is computed from, up to those that are known."""
    return toposort(node, stop=reader.atoms)


def _is_copy(x: Tensor) -> bool:
    """Return whether a node is a copy of another, as a variable of a transform is."""
    return x.op is not None and x.op.arithmetic == "conversion" and x.dtype == x.inputs[0].dtype  # type: ignore[union-attr]


def _is_cast(x: Tensor) -> bool:
    """Return whether a node does not count as an operation: a leaf, a conversion, or a copy."""
    return x.op is None or x.op.arithmetic == "conversion"


def _is_simple(term: Sum) -> bool:
    """Return whether a term needs no name: 1 − A may cancel where it is read, and is computed only once anyway."""
    bases = (base for product in term.products for base, _ in product.powers)
    return term.operations <= 1 and all(isinstance(base, Symbol) for base in bases)


def _spread(term: Sum) -> Sum:
    """Return a term with its numbers where they take the fewest multiplications.

    That is X − (1/m) Σ X, not (1/m) (m X − Σ X), but (1/m) (A − Y), not (1/m) A − (1/m) Y.
    """
    spread = added(map(_spread_product, term.products))
    if not term.parts <= spread.parts:  # parts that may be NaN would cancel
        return term
    if len(spread.products) > 1:
        gathered = as_product(spread, Product(common_factor(spread).coefficient, ()))
        (inside,) = (base for base, _ in gathered.powers)
        if isinstance(inside, Sum) and _multiplied(Sum((gathered,))) + _multiplied(inside) < _multiplied(spread):
            return Sum((gathered,))
    return spread


def _spread_product(product: Product) -> Sum:
    spread = Product(product.coefficient, ())
    for base, exponent in product.powers:
        spread = spread.times(Product(Fraction(1), ((_spread_base(base), exponent),)))  # it may be there already
    for base, exponent in spread.powers:
        if isinstance(base, Sum) and exponent == 1 and spread.coefficient != 1:
            multiple = Sum(tuple(Product(p.coefficient * spread.coefficient, p.powers) for p in base.products))
            if _multiplied(multiple) < _multiplied(base) + math.prod(spread.shape):
                rest = Product(Fraction(1), tuple(power for power in spread.powers if power[0] is not base))
                return Sum((rest.times(Product(Fraction(1), ((multiple, 1),))),)) if rest.powers else multiple
    return Sum((spread,))


def _spread_base(base: Base) -> Base:
    if isinstance(base, Sum):
        return _spread(base)
    if isinstance(base, Call):
        return Call(base.op, tuple(map(_spread, base.operands)), base.params, base.shape)
    return base


def _multiplied(term: Sum) -> int:
    """Return how many elements of a sum are multiplied by numbers."""
    return sum(math.prod(p.shape) for p in term.products if abs(p.coefficient) != 1)


def _written(term: Sum, node: Tensor, given: Mapping[Tensor, str], computed: Computed) -> Tensor | None:
    """Return a term as a graph, or None if its numbers are not those of the node."""
    with np.errstate(all="ignore"):
        graph = written(term, computed)
        if not isinstance(graph, Tensor):
            graph = Tensor(np.asarray(graph, node.dtype))
        if graph.dtype == np.float64 and node.dtype.kind == "f" and node.dtype != np.float64:
            graph = _narrowed(graph, node.dtype, given)
    if graph.dtype != node.dtype:
        return None
    value, expected = np.asarray(graph._value), np.asarray(node._value)
    value = value.reshape(node.shape) if value.size == expected.size else np.broadcast_to(value, node.shape)
    if node.dtype.kind != "f":
        return graph if np.array_equal(value, expected) else None
    finite = np.isfinite(expected)
    largest = np.abs(expected[finite]).max(initial=0.0)
    of_itself, of_largest = _CLOSE.get(node.dtype, (1e-2, 1e-3))
    with np.errstate(all="ignore"):
        off = np.abs(value[finite] - expected[finite])
    return graph if (off <= of_itself * np.abs(expected[finite]) + of_largest * largest).all() else None


def _narrowed(graph: Tensor, dtype: np.dtype[Any], given: Mapping[Tensor, str]) -> Tensor:
    """Return a graph with its floating constants in a narrower dtype, so that they do not widen it."""

    def change(node: Tensor, inputs: Sequence[Any]) -> Tensor:
        constant = all(x.op is None and x not in given for x in inputs if isinstance(x, Tensor))
        number = constant and node.shape == () and node.dtype.kind == "f"
        return Tensor(node._value.astype(dtype)) if number else over(node, inputs)

    return rewritten(toposort(graph), change)[graph]


def _rebuilt(node: Tensor, reader: Reader) -> Tensor:
    """Return the node as it was recorded, over the new graphs of the known nodes."""
    order = _region(node, reader)
    known = {x: _full(written(reader.atoms[x], reader.computed), x) for x in order if x in reader.atoms}
    return replay(order, lambda x, inputs: inputs[0] if _is_copy(x) else over(x, inputs), known)[node]  # type: ignore[no-any-return]


def _full(graph: Any, node: Tensor) -> Tensor:
    """Return a graph at the shape and dtype of the node that it stands for."""
    graph = graph if isinstance(graph, Tensor) else Tensor(np.asarray(graph, node.dtype))
    if graph.dtype != node.dtype:
        graph = APPLY["astype"](graph, node.dtype)
    if graph.shape != node.shape:
        same = graph.size == node.size
        graph = APPLY["reshape"](graph, node.shape) if same else APPLY["broadcast_to"](graph, node.shape)
    return graph  # type: ignore[no-any-return]
