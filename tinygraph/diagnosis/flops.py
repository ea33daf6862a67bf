"""The number of floating-point operations (FLOPs) that a graph takes, forward and backward.

The convention: an addition and a multiplication are one each, so the product of an (m, k) and a (k, n) matrix takes
2 m k n. An elementwise function, such as tanh or a comparison, takes one for each element of its result, however it is
computed; a sum takes one for each element that it reads. Ops that only move numbers take none: shapes, indices,
sorting, casts. Decompositions take the leading terms of Golub and Van Loan, *Matrix Computations* (4th edition, 2013),
and a Fourier transform 5 n log₂ n. An op has its formula in its record if it is not that of its kind.

Backward takes the FLOPs of the ops that the gradient rules record, counted in the same way: for all nodes that are
alike, each rule is run once on a copy of one node. So a gradient that nobody needs takes nothing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from sys import _getframe
from typing import Any, NamedTuple

import numpy as np

from .. import ops
from ..autodiff.traversal import cotangents
from ..errors import Shape, TinygraphError
from ..graph.node import toposort
from ..graph.recording import Change, State
from ..graph.records import Rule
from ..graph.tensor import Tensor, as_if_applied, make_leaf


class Flops(NamedTuple):
    """The FLOPs that a node takes to be computed, and to pass its cotangent on to its inputs."""

    forward: int
    backward: int
    reached: bool
    """Whether a cotangent reaches the node at all."""


def flops_of(order: Sequence[Tensor]) -> dict[Tensor, Flops]:
    """Return the FLOPs of each node of a graph in topological order; backward starts at the last one.

    If a node has several readers, the sum of the cotangents that they send back counts for the node. If a rule raises
    an error, as `backward` would, nothing is counted for it.

    >>> from tinygraph.diagnosis.flops import flops_of
    >>> W, x = tg.parameter(np.ones((4, 3))), tg.Tensor(np.ones((3, 5)))
    >>> z = W @ x
    >>> flops_of(tg.toposort(z))[z]
    Flops(forward=120, backward=120, reached=True)
    """
    known: dict[Any, tuple[Flops, tuple[int, ...]]] = {}
    arrived = Counter(node for node in order[-1:] if node.requires_grad)
    found: dict[Tensor, Flops] = {}
    for node in reversed(order):
        count = arrived[node]
        if node.op is None:
            flops = Flops(0, 0, count > 0)
        else:
            wanted = tuple([type(x) is Tensor and x._requires_grad for x in node.inputs]) if count else ()
            alike = _alike(node, wanted)
            if alike not in known:
                known[alike] = _cost(node, wanted)
            flops, sources = known[alike]
            for x in {node.inputs[i] for i in sources}:
                arrived[x] += 1  # type: ignore[index]
        found[node] = flops if count < 2 else flops._replace(backward=flops.backward + (count - 1) * node.size)
    return found


class _Aside(Change):
    """A state that records and does nothing else, for computations that are not the user's."""

    def _changed(self, state: State) -> State:
        return State()


def _alike(node: Tensor, wanted: tuple[bool, ...]) -> Any:
    """Return a key for the cost of a node; nodes with equal keys cost the same."""
    op: Any = node.op
    if op.kind == "control":  # the cost is that of its functions
        return node
    inputs = node.inputs
    operands = [
        (a.shape, a.dtype.char) if type(x) is Tensor else a if a in _SPECIAL_POWERS else None
        for x, a in zip(inputs, node._args, strict=True)
    ]
    ids = list(map(id, inputs))
    repeated = tuple(map(ids.index, ids)) if len({*ids}) < len(ids) else None
    params = repr(node.params) if node.params and op.kind != "indexing" else ""  # indices do not matter
    return op, node.shape, params, wanted, repeated, *operands


_SPECIAL_POWERS = (0, 1, 2, 3)  # exponents with gradients of their own


def _cost(node: Tensor, wanted: Sequence[bool]) -> tuple[Flops, tuple[int, ...]]:
    """Return the FLOPs of one node, counted on a copy that stands alone, and the inputs that get a cotangent."""
    op: Any = node.op
    with _Aside(), np.errstate(all="ignore"):
        leaves = {x: _leaf(a) for x, a in zip(node.inputs, node._args, strict=True) if isinstance(x, Tensor)}
        inputs = tuple(leaves[x] if isinstance(x, Tensor) else x for x in node.inputs)
        alone = as_if_applied(op, inputs, node._args, node.params, node._value)
        seed = _leaf(np.ones(node.shape, node.dtype)[()])
        sought: Any = {x for i, x in enumerate(inputs) if wanted and wanted[i] and i not in op.aside}
        try:
            back = dict(cotangents(alone, sought, seed)) if sought else {}
        except (TinygraphError, np.linalg.LinAlgError):
            back = {}
        sources = tuple(i for i, x in enumerate(inputs) if isinstance(x, Tensor) and x in back)
        return Flops(forward_flops(alone), _recorded_since(seed, back.values()), bool(wanted)), sources


def _leaf(array: Any) -> Tensor:
    return make_leaf(Tensor.__new__(Tensor), array, _getframe(1))


def _recorded_since(earlier: Tensor, outputs: Iterable[Tensor]) -> int:
    """Return the forward FLOPs of all nodes, younger than an `earlier` one, from which outputs are computed."""
    return sum(forward_flops(node) for node in toposort(*outputs) if node.op is not None and node.age > earlier.age)


def forward_flops(node: Tensor) -> int:
    """Return the FLOPs of computing a node from its inputs, by its op, the shapes and the parameters.

    >>> from tinygraph.diagnosis.flops import forward_flops
    >>> forward_flops(tg.matmul(np.ones((4, 2)), np.ones((2, 400))))
    6400
    """
    op: Any = node.op
    if op.kind == "control":  # the sum over the ops that its functions record
        with _Aside(), np.errstate(all="ignore"):
            inputs = [_leaf(a) if isinstance(x, Tensor) else x for x, a in zip(node.inputs, node._args, strict=True)]
            return _recorded_since(_leaf(node._value), [op.forward(ops, *inputs, **node.params)])
    shapes = [x.shape if isinstance(x, Tensor) else () for x in node.inputs]
    formula = _OF_KIND.get(op.kind, _largest) if op.flops is None else op.flops
    counted = callable(formula)
    total: float = formula(node.shape, *shapes, **node.params) if counted else formula * math.prod(shapes[0])
    return round(total)


def _largest(y: Shape, *xs: Shape, **params: Any) -> float:
    """Return one FLOP for each element of the result or an input, whichever has most; for ops without a formula."""
    return max(map(math.prod, (y, *xs)))


_OF_KIND: Mapping[str, float | Rule] = {
    "elementwise": lambda y, *xs, **params: math.prod(y),
    "reduction": 1,
    "shape": 0,
    "indexing": 0,
}
"""The formulas, by kind, for ops whose record has none."""
