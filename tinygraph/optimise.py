"""A recorded graph as a shorter one of the same values: for programs.

Each node that several read, or that has a name, is cut out, read as a term over the ones before it, and written again
in its shortest form. Scalar factors of a node are left to those that read it, so that they end at the small arrays.
What would give other numbers than the graph itself, on the values that it was recorded with, is left as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .graph import Tensor, toposort
from .names import readers_of
from .simplify import (
    ONE,
    Reader,
    Sum,
    Symbol,
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

_CLOSE = 1e-12


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
        term = shortest(reader.read(node))
        graph = _written(term, node)
        if graph is None:  # as it stands, over what is known
            made[node] = graph = _rebuilt(node, reader)
            term = symbol(graph)
        if node in results:
            made[node] = graph
            if node in names and graph.op is not None:
                names.setdefault(graph, names[node])
        inner, outer = split(as_product(term), has_elements) if term.products else (ONE, ONE)
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
    close = _CLOSE if node.dtype == np.float64 else 1e-5
    with np.errstate(all="ignore"):
        off = np.abs(value[finite] - expected[finite])
    return graph if (off <= close * (np.abs(expected[finite]) + 1e-3 * largest)).all() else None


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
