"""Numbers that multiply arrays, moved to where the arrays are small.

In a training step, every update is p − c dp, and each dp is linear in the gradient of the loss's input. That gradient
is multiplied by c, in place of one pass over every parameter. If an op makes a large array small, the number of the
array multiplies the result instead.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .. import ops
from ..algebra.rewriting import REAL, Change, before_jumps, over, rewritten
from ..graph.node import toposort
from ..graph.records import Op
from ..graph.tensor import Tensor

_CALL = 1000  # the fixed cost of a call, in elements
_SMALLEST, _LARGEST = 1e-12, 1e12  # numbers beyond these could overflow or underflow


def scaled(
    outputs: Sequence[Tensor], given: set[Tensor], names: dict[Tensor, str]
) -> tuple[list[Tensor], dict[Tensor, float], dict[Tensor, float]]:
    """Return the outputs with such numbers moved. Leaves that are `given` are not constants.

    Also return the factors that were moved into nodes, and the factors that nodes have left to their readers.
    """
    within: dict[Tensor, float] = {}
    later: dict[Tensor, float] = {}

    def change(by: Change) -> dict[Tensor, Tensor]:
        nonlocal outputs
        new = rewritten(toposort(*outputs), by, names, within, later)
        outputs = [new[output] for output in outputs]
        return new

    def gather() -> None:
        order = toposort(*outputs)
        change(functools.partial(_gathered, given, before_jumps(order)))

    gather()
    moved = _sinking(toposort(*outputs), set(outputs), given)
    bare = {product for product, (_, array, _) in moved.items() if product in names and array not in names}
    new = change(functools.partial(_sunk, moved))
    later |= {new[product]: moved[product][0] for product in bare}  # the array has got the name of the product
    gather()
    for number in _products(toposort(*outputs), given):
        order = toposort(*outputs)
        products = _products(order, given).get(number, {})
        sources, carrying = _carriers(order, set(outputs), products)
        products = {node: array for node, array in products.items() if array in carrying}
        if products and sum(map(_cost, sources)) < sum(map(_cost, products)):
            new = change(_moving(number, products, sources, carrying))
            within |= {new[node]: within.get(new[node], 1.0) * number for node in carrying}
            gather()
    return list(outputs), within, later


def _sinking(
    order: Sequence[Tensor], results: set[Tensor], given: set[Tensor]
) -> dict[Tensor, tuple[float, Tensor, Tensor]]:
    """Return products of a large array with one reader: their number, the array, and the small result to multiply."""
    readers = _readers(order)
    found = {}
    for number, products in _products(order, given).items():
        for product, array in products.items():
            node = small = product
            while node not in results and len(readers.get(node, ())) == 1:
                (reader,) = readers[node]
                if {node} not in ways(reader):
                    break
                node = reader
                small = node if node.size < small.size else small
            if small is not product:
                found[product] = (number, array, small)
    return found


def _sunk(moved: Mapping[Tensor, tuple[float, Tensor, Tensor]], node: Tensor, inputs: Sequence[Any]) -> Tensor:
    if node in moved:
        (array,) = (new for x, new in zip(node.inputs, inputs, strict=True) if x is moved[node][1])
        return array  # type: ignore[no-any-return]
    made = over(node, inputs)
    for number, _, small in moved.values():
        if small is node:
            made = ops.multiply(number, made)
    return made


def _moving(number: float, products: Mapping[Tensor, Tensor], sources: set[Tensor], carrying: set[Tensor]) -> Change:
    """Return a change by which readers of a source read it times the number, and a product becomes its array."""
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


def _gathered(given: set[Tensor], exact: set[Tensor], node: Tensor, inputs: Sequence[Any]) -> Tensor:
    """Return a node in which the numbers that multiply an array are one, including that of a mean."""
    assert node.op is not None
    if node.shape == () and all(not isinstance(x, Tensor) or _is_number(x, given) for x in inputs):
        return Tensor(node._value)
    if node.op.arithmetic == "product" and node not in exact and (parts := _number_and_array(node, inputs, given)):
        number, array = parts
        match array:
            case Tensor(op=Op(arithmetic="product")) if inner := _number_and_array(array, array.inputs, given):
                if _is_ordinary(number * inner[0]):
                    return ops.multiply(number * inner[0], inner[1])
            case Tensor(op=Op(arithmetic="mean"), inputs=(Tensor() as x,)) if x.size and x.dtype == array.dtype:
                return ops.multiply(number * array.size / x.size, ops.sum(x, **array.params))
    return over(node, inputs)


def _number_and_array(node: Tensor, inputs: Sequence[Any], given: set[Tensor]) -> tuple[float, Tensor] | None:
    """Return the factors of a product if they are a number and a real array, or else None."""
    numbers = [x for x in inputs if isinstance(x, float) or _is_number(x, given)]
    arrays = [x for x in inputs if isinstance(x, Tensor) and not _is_number(x, given)]
    if len(numbers) != 1 or len(arrays) != 1:
        return None
    (number,), (array,) = numbers, arrays
    if array.dtype not in REAL or array.dtype != node.dtype:
        return None
    factor = float(np.asarray(number._value if isinstance(number, Tensor) else number, array.dtype))
    return (factor, array) if _is_ordinary(factor) else None


def _is_ordinary(number: float) -> bool:
    return _SMALLEST < abs(number) < _LARGEST


def _is_number(x: Any, given: set[Tensor]) -> bool:
    return isinstance(x, Tensor) and x.op is None and x.shape == () and x.dtype.kind == "f" and x not in given


def _products(order: Sequence[Tensor], given: set[Tensor]) -> dict[float, dict[Tensor, Tensor]]:
    """Return, for each number, its products with an array, and the array of each product."""
    found: dict[float, dict[Tensor, Tensor]] = {}
    exact = before_jumps(order)
    for node in order:
        if node.op is not None and node.op.arithmetic == "product" and node not in exact:
            match _number_and_array(node, node.inputs, given):
                case number, Tensor(op=Op()) as array:
                    found.setdefault(number, {})[node] = array
    return found


def _carriers(
    order: Sequence[Tensor], results: set[Tensor], products: Mapping[Tensor, Tensor]
) -> tuple[set[Tensor], set[Tensor]]:
    """Return the nodes to multiply so that all products are, and the nodes that are then multiplied through inputs.

    Both sets are empty if that is impossible. A node may contain the number if each of its readers is one of the
    products, or is linear in the node and may contain the number too.
    """
    readers = _readers(order)
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


def _readers(order: Sequence[Tensor]) -> dict[Any, list[Tensor]]:
    """Return the readers of each node, each as often as it reads the node."""
    readers: dict[Any, list[Tensor]] = {}
    for node in order:
        for x in node.inputs:
            readers.setdefault(x, []).append(node)
    return readers


def _cost(node: Tensor) -> float:
    return node.size + _CALL


def ways(node: Tensor) -> list[set[Tensor]]:
    """Return the sets of inputs in which a node is linear: it is multiplied by a number if all of one set are.

    Only real numbers count, since integers wrap around and float16 overflows too soon.
    """
    assert node.op is not None
    if node.dtype not in REAL:
        return []
    places = range(len(node.inputs))
    groups: dict[str, list[tuple[int, ...]]] = {"each": [(i,) for i in places], "together": [tuple(places)]}
    linear = node.op.linear
    found = []
    for group in groups[linear] if isinstance(linear, str) else linear:
        members = [node.inputs[i] for i in group]
        tensors = {x for x in members if isinstance(x, Tensor)}
        others = {x for i, x in enumerate(node.inputs) if i not in group and isinstance(x, Tensor)}
        if tensors.isdisjoint(others) and tensors and all(isinstance(x, Tensor) or x == 0 for x in members):
            if all(x.dtype == node.dtype for x in tensors):
                found.append(tensors)
    return found
