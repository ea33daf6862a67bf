"""Differentiation: one reverse traversal, with numbers for `backward` and with nodes for `gradients`.

The cotangent of a node is the derivative of the output with respect to it. The traversal goes through the nodes from
the youngest to the oldest, so a node's cotangent is complete when its turn comes, and asks the node's op for the
cotangent of each input that needs one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from heapq import heapify, heappop, heappush
from typing import Any, overload

import numpy as np

from .. import ops
from ..errors import DTypeError, GraphError, ShapeError, UnsupportedError
from ..graph.exits import refuse_left
from ..graph.node import NO_PARAMS, describe, toposort
from ..graph.recording import STATE
from ..graph.records import NUMBERS
from ..graph.tensor import CHANGES, ArrayLike, Tensor, array_of, gradient_shape_message
from ..graph.threads import GIL
from ..graph.walking import is_as_read
from ..ops.arithmetic.broadcasting import unbroadcast
from .rules import spread


def traverse(
    growing: dict[Tensor, Any],
    xp: Any,
    *,
    wanted: set[Tensor] | None = None,
    used: list[None] | None = None,
    as_read: Mapping[Tensor, Tensor] | None = None,
) -> Iterator[tuple[Tensor, Any]]:
    """Propagate cotangents from outputs to the `wanted` nodes, or by default to all that require a gradient.

    `growing` has the cotangents of the outputs; the traversal changes it. Yield each node with its cotangent, or with a
    function that computes it if a part was left aside. The youngest node that has a cotangent is next: all its readers
    are younger, so its cotangent is complete. With `used`, mark the nodes with it, and raise `UsedBefore` at a node
    that a backward has used. `as_read` has stand-ins for leaves.
    """
    numbers = xp is NUMBERS
    aside: dict[Tensor, list[Callable[[], Any]]] = {}
    get, pop = growing.get, growing.pop
    pending = [(-output.age, output) for output in growing if output.op is not None]
    heapify(pending)
    while pending:
        node = heappop(pending)[1]
        if used is not None:
            if node._used is None and GIL:
                node._used = used
            else:
                mark_used(node, used)
        op: Any = node.op
        g = pop(node)
        yield node, g if not aside or node not in aside else partial(_with_aside, xp, g, aside.pop(node), node.dtype)
        inputs: tuple[Any, ...] = node.inputs
        args, params = node._args, node.params
        if numbers:
            y, values = node._array, args
        else:
            y, values = node, inputs
        if as_read:
            values = tuple(as_read.get(x, x) if type(x) is Tensor else x for x in inputs)
        rules = op.propagating
        if op.variadic:
            rules = spread(op, xp, g, y, values, params)
            values, params = (), NO_PARAMS  # do not pass a thousand inputs a thousand times
        if op.aside:
            for i in op.aside:
                if inputs[i]._requires_grad if wanted is None else inputs[i] in wanted:
                    if used is not None and inputs[i].op is not None:
                        mark_used(inputs[i], used)
                    # with numbers, this holds no node: a gradient that referred to its reader would be a cycle
                    aside.setdefault(inputs[i], []).append(partial(op.vjps[i], xp, g, y, *values, **params))
        for x, a, rule in zip(inputs, args, rules):  # noqa: B905  (they match, and this is the innermost loop)
            if rule is None or type(x) is not Tensor:
                continue
            if not (x._requires_grad if wanted is None else x in wanted):
                continue
            if params:
                cotangent = rule(xp, g, y, *values, **params)
            elif len(values) == 2:  # the same as below, three times as fast
                cotangent = rule(xp, g, y, values[0], values[1])
            else:
                cotangent = rule(xp, g, y, *values)
            if cotangent.shape != a.shape:
                given = cotangent.shape
                if op.kind == "elementwise":
                    cotangent = unbroadcast(xp, cotangent, a.shape)
                if cotangent.shape != a.shape:
                    raise ShapeError(
                        f"the rule of {op.name} gave a gradient of shape {given} for an input of shape {a.shape}"
                        f" ({node.site.where})"
                    )
            if cotangent.dtype is not a.dtype and cotangent.dtype != a.dtype:
                cotangent = xp.astype(cotangent, a.dtype)
            earlier = get(x)
            if earlier is not None:
                growing[x] = earlier + cotangent
            else:
                growing[x] = cotangent
                if x.op is not None:
                    heappush(pending, (-x.age, x))
    yield from growing.items()
    for node, parts in aside.items():
        yield node, partial(_with_aside, xp, None, parts, node.dtype)


def watched(traversal: Iterator[tuple[Tensor, Any]]) -> Iterator[tuple[Tensor, Any]]:
    """Return a traversal, watched by the watcher of the current state if there is one."""
    watcher = STATE.get().watcher
    return traversal if watcher is None else watcher.backward(traversal)


class UsedBefore(Exception):  # noqa: N818  (backward turns it into a message)
    """The error of a traversal that comes to a node which an earlier one has used."""


def mark_used(node: Tensor, used: list[None]) -> None:
    """Mark a node as passed by a backward that is under way; raise `UsedBefore` if another has used the node.

    If another backward that is under way has marked it, that one will see a change and mark it again when it commits.
    """
    if node._used:
        raise UsedBefore(node)
    if GIL and node._used is not used:
        CHANGES[0] += node._used is not None
        node._used = used


def _with_aside(xp: Any, propagated: Any, parts: Sequence[Callable[[], Any]], dtype: np.dtype[Any]) -> Any:
    """Return the gradient of a node with parts aside. The node keeps a function for it until somebody reads it."""
    total = propagated
    with np.errstate(all="ignore"):  # whoever reads a gradient expects no warning
        for part in parts:
            total = part() if total is None else total + part()
    return total if total.dtype == dtype else xp.astype(total, dtype)


def propagated(gradient: Any) -> Any:
    """Return the part of a cotangent that goes on to the inputs, or None if all of it is aside."""
    return gradient.args[1] if isinstance(gradient, partial) else gradient


def computed(gradient: Any) -> Any:
    """Return a cotangent, and compute it first if it is still a function."""
    return gradient() if callable(gradient) else gradient


def seed_of(output: Tensor, grad: ArrayLike | None) -> Any:
    """Return the cotangent to start from, as an array of its own; raise `ShapeError` if it does not fit the output."""
    if grad is None:
        value = output._value
        if value.ndim == 0:
            return value.dtype.type(1)
        raise ShapeError(
            f"{describe(output)} has shape {output.shape}; only a scalar has a gradient of its own."
            f" Sum it first, or give grad= an array of shape {output.shape}"
        )
    seed = array_of(grad, output.dtype)
    if seed.shape != output.shape:
        raise ShapeError(gradient_shape_message(output, seed.shape))
    return seed if seed.ndim else seed[()]


@overload
def gradients(output: Tensor, inputs: Tensor, grad: ArrayLike | None = None) -> Tensor: ...
@overload
def gradients(output: Tensor, inputs: Sequence[Tensor], grad: ArrayLike | None = None) -> list[Tensor]: ...
def gradients(
    output: Tensor, inputs: Tensor | Sequence[Tensor], grad: ArrayLike | None = None
) -> Tensor | list[Tensor]:
    """Return the gradients of `output` with respect to `inputs` as new nodes, which can be differentiated again.

    `inputs` is a tensor or a sequence of tensors: any nodes that `output` was computed from, even those that do not
    require a gradient. Each gradient has the shape and dtype of its input, and is zero if the output does not depend on
    the input. `grad` is the cotangent of the output, by default 1 for a scalar. No ``.grad`` changes, and the graph can
    be used again.

    Raise `GraphError` if the data of a leaf has changed since the graph was recorded.

    >>> import tinygraph as tg
    >>> x = tg.parameter(3.0)
    >>> dy = tg.gradients(x**3, x)
    >>> dy.item(), tg.gradients(dy, x).item()
    (27.0, 18.0)
    """
    if not isinstance(output, Tensor):
        raise TypeError(f"gradients needs a tensor to differentiate, not {type(output).__name__}")
    refuse_left([output], "the output of gradients")
    several = not isinstance(inputs, Tensor)
    if not isinstance(inputs, Iterable):
        raise TypeError(f"gradients are taken with respect to tensors, not {type(inputs).__name__}")
    sought: list[Tensor] = list(inputs) if several else [inputs]  # type: ignore[list-item]
    for x in sought:
        if not isinstance(x, Tensor):
            raise TypeError(f"gradients are taken with respect to tensors, not {type(x).__name__}")
        if x.dtype.kind != "f":
            raise DTypeError(f"{describe(x)} holds {x.dtype}; only floating tensors have a gradient")
    if output.dtype.kind != "f":
        raise UnsupportedError(f"{describe(output)} holds {output.dtype} and has no gradient")
    if isinstance(grad, Tensor) and grad.shape == output.shape:
        seed = grad if grad.dtype == output.dtype else ops.astype(grad, output.dtype)
    else:
        seed = Tensor(seed_of(output, grad))
    results = pulled_back([output], [seed], sought)
    return results if several else results[0]


def numbers_back(output: Tensor, grad: ArrayLike | None = None) -> Iterator[tuple[Tensor, Any]]:
    """Return an iterator over the nodes and cotangents of a backward that stores nothing and marks no node as used.

    A cotangent is an array or number, or a function that computes it if a part is aside.
    """
    return traverse({output: seed_of(output, grad)}, NUMBERS)


def cotangents(
    output: Tensor,
    inputs: set[Tensor],
    seed: Tensor,
    as_read: Mapping[Tensor, Tensor] | None = None,
    order: Sequence[Tensor] | None = None,
) -> Iterator[tuple[Tensor, Any]]:
    """Return an iterator over the nodes on the way back from `output` to `inputs`, the youngest first, with cotangents.

    A cotangent is a node, or a function that computes it if a part is aside: see `computed`. For leaves that have
    changed since, `as_read` has stand-ins with the data that the graph has read; raise `GraphError` for a changed leaf
    without one. `order` is the topological order, if it is known already.
    """
    order = toposort(output) if order is None else order
    wanted = _on_the_way(order, inputs)
    for node in order:
        if node in wanted:
            _check_unchanged(node, as_read or {})
    return watched(traverse({output: seed}, ops, wanted=wanted, as_read=as_read))


def pulled_back(
    outputs: Sequence[Tensor],
    seeds: Sequence[Any],
    inputs: Sequence[Tensor],
    numbers: bool = False,
    order: Sequence[Tensor] | None = None,
) -> list[Any]:
    """Return the gradients of Σ ⟨output, seed⟩ with respect to `inputs`, from one traversal; 0 for an unused input.

    They are nodes, from seeds that are nodes; or with `numbers` arrays, from seeds that are arrays, which may share
    memory. `order` is the topological order, if it is known already.
    """
    start: dict[Tensor, Any] = {}
    for output, seed in zip(outputs, seeds, strict=True):
        start[output] = start[output] + seed if output in start else seed
    order = toposort(*start) if order is None else order
    sought, found = set(inputs), {}
    wanted = _on_the_way(order, sought)
    if not numbers:
        for node in order:
            if node in wanted:
                _check_unchanged(node, {})
    start = {output: seed for output, seed in start.items() if output in wanted}
    tracing = STATE.get().tracing
    for x, g in watched(traverse(start, NUMBERS if numbers else ops, wanted=wanted)):
        if x in sought:
            found[x] = g = computed(g)
        if tracing and isinstance(g, Tensor) and g.op is not None and g._name is None and x.name:
            g.name = f"d{x.name}"  # for the program
    zeros: Any = np.zeros if numbers else lambda shape, dtype: Tensor(np.zeros(shape, dtype))
    return [found[x] if x in found else zeros(x.shape, x.dtype) for x in inputs]


def _on_the_way(order: Sequence[Tensor], sought: set[Tensor]) -> set[Tensor]:
    """Return the nodes through which a gradient reaches one of `sought`, and these themselves."""
    wanted: set[Tensor] = set()
    for node in order:
        smooth = node.op is not None and node.op.differentiable
        if node in sought or (smooth and any(type(x) is Tensor and x in wanted for x in node.inputs)):
            if node.dtype.kind == "f":
                wanted.add(node)
    return wanted


def _check_unchanged(node: Tensor, as_read: Mapping[Tensor, Tensor]) -> None:
    for x, read in zip(node.inputs, node._args, strict=True):
        if type(x) is Tensor and x.op is None:
            if not is_as_read(as_read.get(x, x), read):
                raise GraphError(
                    f"the data of {describe(x)} has changed since {describe(node)} was computed from it"
                    f" ({node.site.where}); compute it again before differentiating"
                )
