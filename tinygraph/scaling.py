"""A number that multiplies several results of one array, multiplied into that array: once, where it is small.

In a training step every update is p − c dp, and each dp is linear in the gradient of the loss's input: c goes there,
in place of one pass over every parameter.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from . import ops
from .graph import Tensor, toposort
from .linear import ways
from .rewriting import Change, over, rewritten
from .table import Op

_CALL = 1000  # what a call costs beside its elements, in elements


def scaled(
    outputs: Sequence[Tensor], given: set[Tensor], names: dict[Tensor, str], scales: dict[Tensor, Any]
) -> tuple[list[Tensor], dict[Tensor, float]]:
    """The outputs with such numbers moved, and the nodes that have got one in them; what is `given` is no constant.

    `scales` has the factors that are left to those that read a node.
    """
    within: dict[Tensor, float] = {}
    new = rewritten(toposort(*outputs), functools.partial(_gathered, given), names, scales)
    outputs = [new[output] for output in outputs]
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


def _gathered(given: set[Tensor], node: Tensor, inputs: Sequence[Any]) -> Tensor:
    """The numbers that an array is multiplied by as one; also that of a mean."""
    assert node.op is not None
    if node.shape == () and all(not isinstance(x, Tensor) or _is_number(x, given) for x in inputs):
        return Tensor(node.value)
    if node.op.name == "multiply" and (parts := _number_and_array(inputs, given)):
        number, array = parts
        match array:
            case Tensor(op=Op(name="multiply")) if inner := _number_and_array(array.inputs, given):
                return ops.multiply(number * inner[0], inner[1])
            case Tensor(op=Op(name="mean"), inputs=(Tensor() as x,)) if x.size and x.dtype == array.dtype:
                return ops.multiply(number * array.size / x.size, ops.sum(x, **array.params))
    return over(node, inputs)


def _number_and_array(inputs: Sequence[Any], given: set[Tensor]) -> tuple[float, Tensor] | None:
    numbers = [x for x in inputs if isinstance(x, float) or _is_number(x, given)]
    arrays = [x for x in inputs if isinstance(x, Tensor) and not _is_number(x, given)]
    if len(numbers) != 1 or len(arrays) != 1:
        return None
    (number,) = numbers
    return float(number.value if isinstance(number, Tensor) else number), arrays[0]


def _is_number(x: Any, given: set[Tensor]) -> bool:
    return isinstance(x, Tensor) and x.op is None and x.shape == () and x.dtype.kind == "f" and x not in given


def _products(order: Sequence[Tensor], given: set[Tensor]) -> dict[float, dict[Tensor, Tensor]]:
    """For each number its products with an array, and that array."""
    found: dict[float, dict[Tensor, Tensor]] = {}
    for node in order:
        if node.op is not None and node.op.name == "multiply":
            match _number_and_array(node.inputs, given):
                case number, Tensor(op=Op()) as array:
                    found.setdefault(number, {})[node] = array
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
            if all(
                products.get(r) is node or (r in able and any(node in way for way in ways(r))) for r in readers[node]
            ):
                able.add(node)
    cost: dict[Tensor, float] = {}
    chosen: dict[Tensor, set[Tensor]] = {}
    for node in order:
        if node in able:
            open_ways = [way for way in ways(node) if able.issuperset(way)]
            prices = [sum(cost[x] / len(readers[x]) for x in way) for way in open_ways]
            cost[node] = min(prices, default=_cost(node))
            chosen[node] = open_ways[prices.index(cost[node])] if open_ways else set()
    region = {x for x in products.values() if x in able}
    for node in reversed(order):
        if node in region:
            region.update(chosen[node])
    for node in region:
        if not all(r in products or (r in region and node in chosen[r]) for r in readers[node]):
            return set(), set()
    sources = {node for node in region if not chosen[node]}
    return sources, region - sources


def _cost(node: Tensor) -> float:
    return node.size + _CALL
