"""A graph recorded again, cut where gradients were given, or with its results shaken."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from sys import _getframe
from typing import Any

import numpy as np

from ...autodiff.traversal import pulled_back
from ...graph.records import OPS, Op
from ...graph.replaying import replay
from ...graph.tensor import Tensor, make_node

_MOST_STEPS = 60  # on the way to a gradient
_SHAKE = 1e-13  # of its size


class Pieces:
    """The graph cut at results whose gradients are `given`: the readers of such a result read a leaf in its place.

    A loss that sends its gradient past a probability to the logit sends it to the probability if that is `direct`; by
    default all are.
    """

    def __init__(
        self, order: Sequence[Tensor], given: Mapping[Tensor, Any], direct: Callable[[Tensor], bool] | None = None
    ) -> None:
        self._made: dict[Tensor, Tensor] = {}  # what computes each node

        def cut(node: Tensor, inputs: Sequence[Any]) -> Tensor:
            assert node.op is not None
            through = any(direct is None or direct(node.inputs[i]) for i in node.op.aside)  # type: ignore[arg-type]
            op = without_shortcut(node.op) if through else node.op
            self._made[node] = made = _recorded(node, op, inputs, node._args, node._value)
            return Tensor(node._value) if node in given else made

        self._read = replay(order, cut, {x: Tensor(x._value) for x in given if x.op is None})  # what readers read
        sources = [order[-1], *given]
        self._outputs = [self._made.get(x, x) for x in sources]
        self._seeds = [order[-1].dtype.type(1), *(g.astype(node.dtype)[()] for node, g in given.items())]

    def arriving(self, nodes: Sequence[Tensor]) -> list[Any]:
        """Return the gradients that come back to nodes, whether or not others were given for them."""
        return _arrays(pulled_back(self._outputs, self._seeds, [self._read[x] for x in nodes], numbers=True))

    def carried(self, source: Tensor, g: Any, target: Tensor) -> Any:
        """Return what a gradient of one node adds to that of another."""
        made = self._made.get(source, source)
        return _arrays(pulled_back([made], [g.astype(made.dtype)[()]], [self._read[target]], numbers=True))[0]


def sizes_of(order: Sequence[Tensor], nodes: Sequence[Tensor]) -> dict[Tensor, float]:
    """Return the size of the terms of each gradient, from how much it moves when all results are shaken."""
    rng = np.random.default_rng(0)
    still, *moved = (_shaken(order, nodes, rng, shake) for shake in (0.0, _SHAKE, _SHAKE, _SHAKE))
    return {
        x: max(largest(still[i]), *(largest(found[i] - still[i]) / _SHAKE for found in moved))
        for i, x in enumerate(nodes)
    }


def largest(array: Any) -> float:
    """Return the absolute value of the largest finite element."""
    return float(np.abs(array[np.isfinite(array)]).max(initial=0.0))


def steps_to(
    node: Tensor, reads: Mapping[Tensor, Sequence[tuple[Tensor, int]]], given: Collection[Tensor]
) -> Iterator[tuple[Tensor, int]]:
    """Yield the readers of a node, their readers and so on up to given gradients, the nearest first, each with the
    position of the operand. The number of steps is limited.
    """
    waiting, seen, count = [node], {node}, 0
    for x in waiting:
        for reader, i in reads.get(x, ()):
            yield reader, i
            count += 1
            if reader not in seen and reader not in given:
                seen.add(reader)
                waiting.append(reader)
        if count >= _MOST_STEPS:
            return


def reads_of(order: Sequence[Tensor]) -> dict[Tensor, list[tuple[Tensor, int]]]:
    """Return, for each node, the readers that are differentiable in it, each with the position of the operand."""
    reads: dict[Tensor, list[tuple[Tensor, int]]] = {}
    for reader in order:
        if reader.op is not None and reader.dtype.kind == "f":
            op = without_shortcut(reader.op)
            for i, x in enumerate(reader.inputs):
                if isinstance(x, Tensor) and op.differentiable and op.has_rule(i):
                    reads.setdefault(x, []).append((reader, i))
    return reads


@cache
def without_shortcut(op: Op) -> Op:
    """Return an op without warnings; if it is a loss of a = σ(z), one that sends its gradient to a."""
    carriers = set(op.aside.values())
    return replace(op, aside={}, check=None, vjps=tuple(None if i in carriers else r for i, r in enumerate(op.vjps)))


@cache
def _without_warnings(op: Op) -> Op:
    return replace(op, check=None)


def _shaken(order: Sequence[Tensor], nodes: Sequence[Tensor], rng: np.random.Generator, shake: float) -> list[Any]:
    """Return the float64 gradients of nodes when every result and every derivative is off by a small part."""

    def part(shape: tuple[int, ...]) -> Any:
        return shake * rng.uniform(-1, 1, shape)

    def shaken(node: Tensor, inputs: Sequence[Any]) -> Tensor:
        assert node.op is not None
        args = tuple(
            _wide(a if made is x else made._value) if isinstance(x, Tensor) else a
            for x, made, a in zip(node.inputs, inputs, node._args, strict=True)
        )
        y = node.op.run(*args, **node.params)
        value = y * (1 + part(node.shape)) if node.dtype.kind == "f" else y
        return _recorded(node, _rough(node.op, part), inputs, args, value)

    made = replay(order, shaken)
    return _arrays(pulled_back([made[order[-1]]], [np.float64(1)], [made[x] for x in nodes], numbers=True))


def _rough(op: Op, part: Callable[[tuple[int, ...]], Any]) -> Op:
    """Return an op whose gradients are off by a small part of themselves, and of g if they are g times a derivative.

    The latter matters where a derivative is a difference of numbers near 1, such as 1 − a or 1 − e⁻ᵃ.
    """
    if op.variadic:
        return op
    rules: list[Any] = list(op.vjps)
    for i in op.aside:  # where 1 − a for one comes from z
        rules[i] = _without_carriers(OPS[op.function], i)
    derivative = op.kind == "elementwise" and not op.linear and len(rules) == 1

    def rough(rule: Any) -> Any:
        def shaken(xp: Any, g: Any, *args: Any, **params: Any) -> Any:
            found = rule(xp, g, *args, **params)
            found = found * (1 + part(found.shape))
            return found + np.where(np.isfinite(g), g, 0.0) * part(g.shape) if derivative else found

        return rule and shaken

    return replace(op, vjps=tuple(map(rough, rules)))


def _without_carriers(op: Op, position: int) -> Any:
    """Return a gradient rule of an op, for a node that has further inputs."""
    rule: Any = op.vjps[position]
    count = len(op.vjps)
    return lambda xp, g, y, *inputs, **params: rule(xp, g, y, *inputs[:count], **params)


def _recorded(node: Tensor, op: Op, inputs: Sequence[Any], args: tuple[Any, ...], value: Any) -> Tensor:
    """Return a node recorded again, over other inputs."""
    op = op if op.check is None else _without_warnings(op)
    return make_node(op, tuple(inputs), args, node.params, value, node.requires_grad, _getframe())


def _wide(a: Any) -> Any:
    return a.astype(np.float64) if a.dtype.kind == "f" else a


def _arrays(gradients: Sequence[Any]) -> list[Any]:
    return [np.asarray(g) for g in gradients]
