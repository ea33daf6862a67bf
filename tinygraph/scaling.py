"""A number that multiplies several results of one array, multiplied into that array: once, where it is small.

In a training step every update is p − c dp, and each dp is linear in the gradient of the loss's input: c goes there,
in place of one pass over every parameter.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from . import ops
from .graph import Tensor, toposort
from .rewriting import Change, over, rewritten
from .table import OPS

_CALL = 1000  # what a call costs beside its elements, in elements
# Ops that are linear in all their inputs together, or in any one of them.
_TOGETHER = {"add", "subtract", "negative", "sum", "mean", "trace"}
_TOGETHER |= {name for name, op in OPS.items() if op.kind == "shape"}
_ANY = {"multiply", "matmul", "outer", "vdot"}


def scaled(
    outputs: Sequence[Tensor], given: set[Tensor], names: dict[Tensor, str], scales: dict[Tensor, Any]
) -> tuple[list[Tensor], dict[Tensor, float]]:
    """The outputs with such numbers moved, and the nodes that have got one in them; what is `given` is no constant.

    `scales` has the factors that are left to those that read a node.
    """
    within: dict[Tensor, float] = {}
    order = toposort(*outputs)
    for number, products in _products(order, given).items():
        sources, carrying = _carriers(order, set(outputs), products)
        moved = {node: array for node, array in products.items() if array in carrying}
        if not moved or not 1e-12 < abs(number) < 1e12 or sum(map(_cost, sources)) >= sum(map(_cost, moved)):
            continue
        new = rewritten(order, _moving(number, moved, sources, carrying), names, scales)
        within |= {new[node]: number for node in carrying}
        scales |= {new[node]: number for node in sources}
        outputs = [new[output] for output in outputs]
        order = toposort(*outputs)
    return list(outputs), within


def _moving(number: float, products: Mapping[Tensor, Tensor], sources: set[Tensor], carrying: set[Tensor]) -> Change:
    """Those that read a source read its product with the number, and the products are what had been multiplied."""
    times: dict[Any, Tensor] = {}

    def change(node: Tensor, inputs: Sequence[Any]) -> Tensor:
        if node in products or node in carrying:
            for x, new in zip(node.inputs, inputs, strict=True):
                if x in sources and x not in times:
                    times[x] = ops.multiply(number, new)
            inputs = [times.get(x, new) for x, new in zip(node.inputs, inputs, strict=True)]
        if node in products:
            (array,) = (new for x, new in zip(node.inputs, inputs, strict=True) if x is products[node])
            return array  # type: ignore[no-any-return]
        return over(node, inputs)

    return change


def _products(order: Sequence[Tensor], given: set[Tensor]) -> dict[float, dict[Tensor, Tensor]]:
    """For each number its products with an array, and that array."""
    found: dict[float, dict[Tensor, Tensor]] = {}
    constant: set[Tensor] = set()
    for node in order:
        inputs = [x for x in node.inputs if isinstance(x, Tensor)]
        if node.shape == () and node not in given and constant.issuperset(inputs):
            constant.add(node)
        elif node.op is not None and node.op.name == "multiply":
            arrays = [x for x in inputs if x not in constant]
            numbers = [x for x in node.inputs if x in constant or isinstance(x, float)]
            if len(arrays) == len(numbers) == 1 and arrays[0].op is not None:
                number = numbers[0].item() if isinstance(numbers[0], Tensor) else numbers[0]
                found.setdefault(number, {})[node] = arrays[0]
    return found


def _carriers(
    order: Sequence[Tensor], results: set[Tensor], products: Mapping[Tensor, Tensor]
) -> tuple[set[Tensor], set[Tensor]]:
    """The nodes to multiply so that all the products are multiplied, and those that are so then through their inputs.

    A node may have it if all that reads it is one of the products, or is linear in it and may have it too.
    """
    readers: dict[Any, list[Tensor]] = {}
    for node in order:
        for x in node.inputs:
            readers.setdefault(x, []).append(node)
    able: set[Tensor] = set()
    for node in reversed(order):
        if node.op is not None and node not in results and node not in products and node in readers:
            if all(products.get(r) is node or (r in able and node in _linear(r)) for r in readers[node]):
                able.add(node)
    cost: dict[Tensor, float] = {}
    chosen: dict[Tensor, set[Tensor]] = {}
    for node in order:
        if node in able:
            ways = [way for way in _ways(node) if able.issuperset(way)]
            prices = [sum(cost[x] / len(readers[x]) for x in way) for way in ways]
            cost[node] = min(prices, default=_cost(node))
            chosen[node] = ways[prices.index(cost[node])] if ways else set()
    region = {x for x in products.values() if x in able}
    for node in reversed(order):
        if node in region:
            region.update(chosen[node])
    for node in region:
        if not all(r in products or (r in region and node in chosen[r]) for r in readers[node]):
            return set(), set()
    sources = {node for node in region if not chosen[node]}
    return sources, region - sources


def _ways(node: Tensor) -> list[set[Tensor]]:
    """Inputs all of which have to be multiplied for the node to be; one set for each way to do it."""
    assert node.op is not None
    inputs = [x for x in node.inputs if isinstance(x, Tensor)]
    times = Counter(inputs)
    if node.op.name in _ANY:
        return [{x} for x in inputs if times[x] == 1]
    if node.op.name == "divide":
        return [{inputs[0]}] if node.inputs[0] is inputs[0] and times[inputs[0]] == 1 else []
    if node.op.name == "getitem":
        return [{inputs[0]}]
    return [set(inputs)] if node.op.name in _TOGETHER and len(inputs) == len(node.inputs) else []


def _linear(node: Tensor) -> set[Tensor]:
    return set().union(*_ways(node))


def _cost(node: Tensor) -> float:
    return node.size + _CALL
