"""`backward`, which stores gradients in the nodes of a graph, all at once, and marks the nodes as used."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import chain, repeat
from typing import Any

import numpy as np

from ..errors import GraphError, UnsupportedError
from ..graph.exits import refuse_left, trace_of
from ..graph.node import describe, toposort
from ..graph.recording import NESTED
from ..graph.records import NUMBERS, OFFERED
from ..graph.tensor import CHANGES, ArrayLike, Tensor
from ..graph.threads import GIL, exclusive
from ..graph.walking import read_before_change
from .traversal import UsedBefore, computed, seed_of, traverse, watched

_stage: Any = vars(Tensor)["_staged"].__set__
_use: Any = vars(Tensor)["_used"].__set__


def _used_before(node: Tensor, output: Tensor) -> GraphError:
    """Return the error for a backward from `output` that reaches a node which an earlier one has used."""
    order = toposort(output)
    changed = next(iter(read_before_change(toposort(node))), None)
    readers = [reader for reader in order if any(x is node for x in reader.inputs)]
    update = next((reader for reader in readers if _is_update(reader, node)), None)
    name = _text_of(node, update)
    write = f"{name} was computed there; to update a parameter write to its data, as in {name}.data -= …"
    again = "call the earlier one with retain_graph=True"
    if update is not None:
        mend = write
    elif changed is not None:
        mend = f"{describe(changed)} has changed since: compute {name} anew, or go on from {name}.detach()"
    elif any(_is_repeated(later, node) for later in order):
        mend = f"{write}; if it is not an update, {again}"
    else:
        mend = f"build the graph anew, or {again}"
    return GraphError(f"an earlier backward has used {describe(node)} ({node.site.where}); {mend}")


def _is_update(reader: Tensor, node: Tensor) -> bool:
    """Return whether a reader of a node updates it by its gradient, as in ``W = W - 0.1 * W.grad``."""
    if reader.site.updates_by_gradient:
        return True
    if reader.op is None or reader.op.linear != "together" or reader.shape != node.shape:
        return False
    g = node.grad
    steps = [np.asarray(a) for x, a in zip(reader.inputs, reader._args, strict=True) if x is not node]
    if g is None or len(steps) != 1 or steps[0].shape != g.shape or not np.any(g):
        return False
    factor = np.vdot(g, steps[0]) / np.vdot(g, g)
    return bool(np.allclose(steps[0], factor * g, 1e-5, 0.0))


def _is_repeated(later: Tensor, node: Tensor) -> bool:
    """Return whether a node was made from another at the same place of a loop, both from one leaf of their shape."""
    if later is node or later.site is not node.site:
        return False
    order = toposort(later)
    leaves = [x for x in order if x.op is None and x.requires_grad]
    return any(x is node for x in order) and len(leaves) == 1 and leaves[0].shape == node.shape


def _text_of(node: Tensor, reader: Tensor | None) -> str:
    """Return the text for a node in the source of its reader, or else a description of the node."""
    inputs = () if reader is None else reader.inputs
    return next((reader.site.operand(i)[0] for i, x in enumerate(inputs) if x is node), "") or describe(node)  # type: ignore[union-attr]


def backward(
    output: Tensor, grad: ArrayLike | None = None, *, retain_graph: bool = False, retain_grads: bool = True
) -> None:
    """See `Tensor.backward`."""
    if NESTED:
        refuse_left([output], "the output of backward()")
    if NESTED and trace_of(output) is not None:
        raise UnsupportedError("backward() stores numbers in .grad; within a compiled function use gradients or grad")
    if not output._requires_grad:
        raise UnsupportedError(_without_parameters(output))
    seed = seed_of(output, grad)
    try:
        _leave_gradients(output, seed, retain_graph, retain_grads)
    except UsedBefore as error:
        raise _used_before(error.args[0], output) from None


def _leave_gradients(output: Tensor, seed: Any, retain_graph: bool, retain_grads: bool) -> None:
    """Traverse the graph, and store the gradients in its nodes all at once."""
    used: list[None] = []  # filled at the end, which marks all nodes as used
    nodes: list[Tensor] = []
    gradients: list[Any] = []
    others: list[Tensor] = []
    again: list[int] = []  # the nodes that have a gradient already
    before = CHANGES[0]
    for node, gradient in watched(traverse({output: seed}, NUMBERS, used=used)):
        if retain_grads or node.op is None:
            if node._staged is not None or node._grad is not None:
                again.append(len(nodes))
            nodes.append(node)
            gradients.append(gradient)
        else:
            others.append(node)
    sums = gradients.copy() if again else gradients
    for i in again:
        sums[i] = _added(nodes[i], gradients[i])
    staged = map(_stage, nodes, sums)
    done: Any = deque(maxlen=0) if retain_graph else used
    if GIL and CHANGES[0] == before:
        CHANGES[0] += 1
        done.extend(staged)  # all at once: no other thread runs during a call into C
    else:
        _commit_among_others(nodes, gradients, others, retain_graph)


def _added(node: Tensor, gradient: Any) -> Any:
    """Return the sum of a gradient and the one that the node has already, if any."""
    earlier = node._staged if node._staged is not None else node._grad
    return gradient if earlier is None else computed(earlier) + computed(gradient)


@exclusive
def _commit_among_others(
    nodes: Sequence[Tensor], gradients: Sequence[Any], others: Sequence[Tensor], retain_graph: bool
) -> None:
    """Store gradients in nodes although a gradient was set, or another backward was under way, in the meantime.

    Raise `UsedBefore` if another backward has used one of the nodes.
    """
    passed = [node for node in (*nodes, *others) if node.op is not None]
    while True:
        before = CHANGES[0]
        for node in passed:
            if node._used:
                raise UsedBefore(node)
        sums = map(_added, nodes, gradients)
        marks = repeat([] if retain_graph else [None])
        changes = chain(map(_stage, nodes, list(sums)), map(_use, passed, marks))
        if CHANGES[0] == before:
            CHANGES[0] += 1
            deque(changes, maxlen=0)
            return


def _without_parameters(output: Tensor) -> str:
    """Return the message for a backward from an output that does not require a gradient."""
    said = f"{describe(output)} does not depend on anything that requires a gradient"
    for x in toposort(output):
        if x.op is None and not x.requires_grad and x.site.reads_gradient:
            name = x.site.operand(0)[0] or "p"
            return (
                f"{said}: {x.site.text or describe(x)} ({x.site.where}) is a constant; to update a parameter write to"
                f" its data, as in {name}.data -= …, or within no_grad {name} -= …"
            )
    return (
        f"{said}; parameters are made with parameter(…) and updated in their data, as in p.data -= …; results within"
        " no_grad are constants"
    )


OFFERED.backward = backward
