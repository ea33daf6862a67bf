"""Gradients as the rules wrote them, in terms of nodes that have an equation already."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Any

import numpy as np

from .. import ops
from ..errors import ShapeError
from ..graph.tensor import Tensor


class Raw:
    """A writer of gradients in terms of `known` nodes, without simplification, which writes shared parts once."""

    def __init__(self, known: Iterable[Tensor]) -> None:
        self._known: dict[Tensor, Any] = {node: node for node in known}
        self._exact = dict(self._known)
        self._plain = dict(self._known)

    def __contains__(self, node: object) -> bool:
        return node in self._known

    def know(self, g: Tensor, graph: Tensor) -> None:
        """Write a gradient as another graph from now on."""
        for written in (self._known, self._exact, self._plain):
            written[g] = graph

    def written(self, g: Tensor) -> Tensor:
        """Return a gradient as a graph; repetition is left out where it makes no difference."""
        if g in self._known:
            return self._known[g]  # type: ignore[no-any-return]
        with contextlib.suppress(ShapeError, IndexError, TypeError):  # a number has no axes
            plain = _applied(g, self._plain, _WITHOUT_REPETITION)
            if isinstance(plain, Tensor) and np.allclose(plain.data, g.data, equal_nan=True):
                return plain
        raw: Tensor = _applied(g, self._exact, ops)
        return raw


class _WithoutRepetition:
    """A namespace in which a number that is repeated along axes stays a number."""

    def __getattr__(self, name: str) -> Any:
        return getattr(ops, name)

    def broadcast_to(self, x: Any, shape: tuple[int, ...]) -> Any:
        return ops.broadcast_to(x, shape) if getattr(x, "shape", ()) else x


_WITHOUT_REPETITION = _WithoutRepetition()


def _applied(g: Tensor, written: dict[Tensor, Any], xp: Any) -> Any:
    """Apply the operations that led to a node again, except for those of nodes that are written already."""
    stack = [g]
    while stack:
        node = stack[-1]
        waiting = [x for x in node.inputs if isinstance(x, Tensor) and x not in written] if node not in written else []
        if waiting:
            stack += waiting
            continue
        stack.pop()
        if node.op is None:
            written.setdefault(node, node)
        elif node not in written:
            inputs = [written[x] if isinstance(x, Tensor) else x for x in node.inputs]
            written[node] = node.op.forward(xp, *inputs, **node.params)
    return written[g]
