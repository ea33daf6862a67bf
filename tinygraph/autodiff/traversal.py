"""Differentiation: one reverse traversal, with numbers for `backward` and with nodes for `gradients`.

The cotangent of a node is the derivative of the output with respect to it. The traversal goes through the nodes from
the youngest to the oldest, so a node's cotangent is complete when its turn comes, and asks the node's op for the
cotangent of each input that needs one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial, reduce
from heapq import heapify, heappop, heappush
from itertools import chain, repeat
from operator import add
from typing import Any, NamedTuple, overload

import numpy as np

from .. import ops
from ..errors import DTypeError, GraphError, ShapeError, UnsupportedError
from ..graph.recording import NESTED, STATE
from ..graph.records import NUMBERS, OFFERED
from ..graph.tensor import (
    CHANGES,
    NO_PARAMS,
    ArrayLike,
    Tensor,
    array_of,
    describe,
    gradient_shape_message,
    refuse_left,
    toposort,
    trace_of,
)
from ..graph.threads import GIL, exclusive
from ..graph.walking import is_as_read, read_before_change
from ..ops.arithmetic.broadcasting import unbroadcast


def _traverse(
    growing: dict[Tensor, Any],
    xp: Any,
    *,
    wanted: set[Tensor] | None = None,
    used: list[None] | None = None,
    as_read: Mapping[Tensor, Tensor] | None = None,
) -> Iterator[tuple[Tensor, Any]]:
    """Propagate cotangents from outputs to the `wanted` nodes, or without these to all that require a gradient.

    `growing` has the cotangents of the outputs, and is used up. Yields each node with its cotangent, or with a function
    that computes it where a part was left aside. The youngest node that has a cotangent is next: all its readers are
    younger, so its cotangent is complete. With `used`, nodes are marked with it, and those that a backward has used are
    refused. `as_read` has what stands for leaves.
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
                _mark(node, used)
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
            given = op.vjps[0](xp, g, y, *values, **params)
            if len(given) != len(inputs):
                raise ShapeError(f"the rule of {op.name} gave {len(given)} gradients for {len(inputs)} inputs")
            read = partial(_computed_rule, (xp, g, y, *values), params)
            rules = [c if c is None else partial(read, c) for c in given]
            values, params = (), NO_PARAMS  # a thousand inputs are not handed over a thousand times
        if op.aside:
            for i in op.aside:
                if inputs[i]._requires_grad if wanted is None else inputs[i] in wanted:
                    if used is not None and inputs[i].op is not None:
                        _mark(inputs[i], used)
                    # with numbers, this holds no node: a gradient that referred to its reader would be a cycle
                    aside.setdefault(inputs[i], []).append(partial(op.vjps[i], xp, g, y, *values, **params))
        for x, a, rule in zip(inputs, args, rules):  # noqa: B905  (they match, and this is the innermost loop)
            if rule is None or type(x) is not Tensor:
                continue
            if not (x._requires_grad if wanted is None else x in wanted):
                continue
            if params:
                cotangent = rule(xp, g, y, *values, **params)
            elif len(values) == 2:  # as below, and three times as fast
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


def _watched(traversal: Iterator[tuple[Tensor, Any]]) -> Iterator[tuple[Tensor, Any]]:
    """Return a traversal, watched by whoever looks for anomalies."""
    watcher = STATE.get().watcher
    return traversal if watcher is None else watcher.backward(traversal)


def _computed_rule(given: tuple[Any, ...], params: Mapping[str, Any], cotangent: Any, *_: Any) -> Any:
    """What a variadic op has for one of its inputs: the cotangent, or a rule that makes it now."""
    return cotangent(*given, **params) if callable(cotangent) else cotangent


class _UsedBefore(Exception):  # noqa: N818  (backward says it in words)
    """A traversal has come to a node that an earlier one has used."""


def _mark(node: Tensor, used: list[None]) -> None:
    """Mark a node as passed by a backward on its way; refuse one that another has used.

    Where another one on its way has marked it, that one will see a change and mark it again when it commits.
    """
    if node._used:
        raise _UsedBefore(node)
    if GIL and node._used is not used:
        CHANGES[0] += node._used is not None
        node._used = used


def _used_before(node: Tensor, output: Tensor) -> GraphError:
    """The error of a backward from `output` that comes to a node which an earlier one has used."""
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
        mend = f"{write}; where it is not an update, {again}"
    else:
        mend = f"build the graph anew, or {again}"
    return GraphError(f"an earlier backward has used {describe(node)} ({node.site.where}); {mend}")


def _is_update(reader: Tensor, node: Tensor) -> bool:
    """Whether a node is the parameter that was computed from another by its gradient: ``W = W - 0.1 * W.grad``."""
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
    """Whether a node was made from another in the same place of a loop, and both from one parameter of their shape."""
    if later is node or later.site is not node.site:
        return False
    order = toposort(later)
    leaves = [x for x in order if x.op is None and x.requires_grad]
    return any(x is node for x in order) and len(leaves) == 1 and leaves[0].shape == node.shape


def _text_of(node: Tensor, reader: Tensor | None) -> str:
    """What the source of a reader calls a node."""
    inputs = () if reader is None else reader.inputs
    return next((reader.site.operand(i)[0] for i, x in enumerate(inputs) if x is node), "") or describe(node)  # type: ignore[union-attr]


def backward(
    output: Tensor, grad: ArrayLike | None = None, *, retain_graph: bool = False, retain_grads: bool = True
) -> None:
    """See `Tensor.backward`."""
    if NESTED:
        refuse_left([output], "the output of backward()")
    if NESTED and trace_of(output) is not None:
        raise UnsupportedError(
            "backward() leaves numbers in .grad; within a function that is compiled take gradients or grad"
        )
    if not output._requires_grad:
        raise UnsupportedError(_without_parameters(output))
    seed = _seed(output, grad)
    try:
        _leave_gradients(output, seed, retain_graph, retain_grads)
    except _UsedBefore as error:
        raise _used_before(error.args[0], output) from None


def _leave_gradients(output: Tensor, seed: Any, retain_graph: bool, retain_grads: bool) -> None:
    """Traverse the graph, and leave gradients in its nodes all at once."""
    used: list[None] = []  # filled when it comes to its end
    nodes: list[Tensor] = []
    gradients: list[Any] = []
    others: list[Tensor] = []
    again: list[int] = []  # the nodes that have a gradient already
    before = CHANGES[0]
    for node, gradient in _watched(_traverse({output: seed}, NUMBERS, used=used)):
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
        done.extend(staged)  # all at once: nobody comes in between within a call into C
    else:
        _commit_among_others(nodes, gradients, others, retain_graph)


def _added(node: Tensor, gradient: Any) -> Any:
    """A gradient, and what the node has already."""
    earlier = node._staged if node._staged is not None else node._grad
    return gradient if earlier is None else computed(earlier) + computed(gradient)


@exclusive
def _commit_among_others(
    nodes: Sequence[Tensor], gradients: Sequence[Any], others: Sequence[Tensor], retain_graph: bool
) -> None:
    """Leave gradients in nodes, where meanwhile a gradient was set or another backward was on its way."""
    passed = [node for node in (*nodes, *others) if node.op is not None]
    while True:
        before = CHANGES[0]
        for node in passed:
            if node._used:
                raise _UsedBefore(node)
        sums = map(_added, nodes, gradients)
        marks = repeat([] if retain_graph else [None])
        changes = chain(map(_stage, nodes, list(sums)), map(_use, passed, marks))
        if CHANGES[0] == before:
            CHANGES[0] += 1
            deque(changes, maxlen=0)
            return


def _without_parameters(output: Tensor) -> str:
    """Why nothing can be learned from an output."""
    said = f"{describe(output)} does not depend on anything that requires a gradient"
    for x in toposort(output):
        if x.op is None and not x.requires_grad and x.site.reads_gradient:
            name = x.site.operand(0)[0] or "p"
            return (
                f"{said}: {x.site.text or describe(x)} ({x.site.where}) is a constant; to update a parameter write to"
                f" its data, as in {name}.data -= …, or within no_grad {name} -= …"
            )
    return (
        f"{said}; parameters are made with parameter(…) and updated in their data, as in p.data -= …; what is computed"
        " within no_grad is a constant"
    )


class Contribution(NamedTuple):
    """What one use of a node adds to its gradient."""

    reader: Tensor
    position: int
    """Of the node among the inputs of its reader."""
    value: Any
    shape: tuple[int, ...]
    """What shape it had before it was summed over the axes along which the node was repeated."""
    aside: bool
    """Whether it is shown in ``.grad`` and not propagated, since it reaches an earlier node in another way."""


def contributions(order: Sequence[Tensor]) -> Iterator[tuple[Tensor, list[Contribution]]]:
    """For each node of a graph that a backward has reached the parts of which its ``.grad`` is the sum.

    `order` is topological; the youngest node comes first. The parts are computed anew from the gradients of the
    readers. Of a leaf they are what this graph adds, to which others may have added too.

    >>> import tinygraph as tg
    >>> from tinygraph.autodiff.traversal import contributions
    >>> x = tg.parameter(3.0)
    >>> y = x * x
    >>> y.backward()
    >>> [(node is x, [float(part.value) for part in parts]) for node, parts in contributions(tg.toposort(y))]
    [(True, [3.0, 3.0])]
    """
    growing: dict[Tensor, list[Contribution]] = {}
    for node in reversed(order):
        parts = growing.pop(node, [])
        if parts:
            yield node, parts
        g = node.grad
        if any(part.aside for part in parts):
            passed_on = [part.value for part in parts if not part.aside]
            g = reduce(add, passed_on) if passed_on else None
        if g is None or node.op is None:
            continue
        wanted = [i for i, x in enumerate(node.inputs) if type(x) is Tensor and x._requires_grad]
        for i, cotangent in cotangents_of_inputs(NUMBERS, node, g, node._array, node._args, wanted):
            x, a = node.inputs[i], node._args[i]
            assert isinstance(x, Tensor)
            value = unbroadcast(NUMBERS, cotangent, a.shape) if node.op.kind == "elementwise" else cotangent
            part = Contribution(node, i, np.asarray(value, a.dtype), cotangent.shape, i in node.op.aside)
            growing.setdefault(x, []).append(part)


def symbolic_contribution(node: Tensor, g: Any, position: int, as_read: Mapping[Tensor, Tensor]) -> Any:
    """What a node adds to the gradient of one of its inputs, as a node, given its own gradient `g` as one.

    Where the input was repeated, it is not yet summed.
    """
    inputs = [as_read.get(x, x) if isinstance(x, Tensor) else x for x in node.inputs]
    return next((cotangent for _, cotangent in cotangents_of_inputs(ops, node, g, node, inputs, [position])), None)


def cotangents_of_inputs(
    xp: Any, node: Tensor, g: Any, y: Any, values: Sequence[Any], positions: Iterable[int] | None = None
) -> Iterator[tuple[int, Any]]:
    """What the rules of one node give for its inputs, or for some of them, by position; not yet summed to their shapes.

    `y` and `values` are the node and its inputs in the namespace `xp`.
    """
    op: Any = node.op
    given = op.vjps[0](xp, g, y, *values, **node.params) if op.variadic else op.vjps
    for i in range(len(node.inputs)) if positions is None else positions:
        if (rule := given[i]) is not None:
            yield i, rule(xp, g, y, *values, **node.params) if callable(rule) else rule


def _with_aside(xp: Any, propagated: Any, parts: Sequence[Callable[[], Any]], dtype: np.dtype[Any]) -> Any:
    """The gradient of a node that has parts aside; left in the node as a function until somebody reads it."""
    total = propagated
    with np.errstate(all="ignore"):  # the reader of a gradient did not ask for this to be computed
        for part in parts:
            total = part() if total is None else total + part()
    return total if total.dtype == dtype else xp.astype(total, dtype)


def propagated(gradient: Any) -> Any:
    """The part of a cotangent that goes on to the inputs; None where all of it is aside."""
    return gradient.args[1] if isinstance(gradient, partial) else gradient


def computed(gradient: Any) -> Any:
    """A cotangent, if need be made now."""
    return gradient() if callable(gradient) else gradient


_stage: Any = vars(Tensor)["_staged"].__set__
_use: Any = vars(Tensor)["_used"].__set__


def _seed(output: Tensor, grad: ArrayLike | None) -> Any:
    """The cotangent to start from, checked, as an array of its own."""
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
    """The gradients of `output` with respect to `inputs`, as new nodes of the graph, which can be differentiated again.

    `inputs` are any nodes that `output` was computed from, also ones that do not require a gradient; one tensor or a
    sequence. Each gradient has the shape and dtype of its input, and is zero where the output does not depend on it.
    `grad` is the cotangent of the output, by default 1 for a scalar. No ``.grad`` is touched and the graph can be used
    again.

    Raises `GraphError` if the data of a leaf has changed since the graph was recorded.

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
        seed = Tensor(_seed(output, grad))
    results = pulled_back([output], [seed], sought)
    return results if several else results[0]


def numbers_back(output: Tensor, grad: ArrayLike | None = None) -> Iterator[tuple[Tensor, Any]]:
    """What `backward` would compute, for a look at it: nothing is left in the graph, which can be used again.

    Each node with its cotangent as a number, or with a function that makes it where a part is aside.
    """
    return _traverse({output: _seed(output, grad)}, NUMBERS)


def cotangents(
    output: Tensor,
    inputs: set[Tensor],
    seed: Tensor,
    as_read: Mapping[Tensor, Tensor] | None = None,
    order: Sequence[Tensor] | None = None,
) -> Iterator[tuple[Tensor, Any]]:
    """Each node on the way back from `output` to `inputs` with its cotangent as a node; the youngest first.

    In place of a cotangent of which a part is aside stands a function that makes it: see `computed`. `as_read` has for
    leaves that have changed since what the graph has read; where it has none, they are an error. `order` is the
    topological order, where it is known already.
    """
    order = toposort(output) if order is None else order
    wanted = _on_the_way(order, inputs)
    for node in order:
        if node in wanted:
            _check_unchanged(node, as_read or {})
    return _watched(_traverse({output: seed}, ops, wanted=wanted, as_read=as_read))


def pulled_back(
    outputs: Sequence[Tensor],
    seeds: Sequence[Any],
    inputs: Sequence[Tensor],
    numbers: bool = False,
    order: Sequence[Tensor] | None = None,
) -> list[Any]:
    """The gradients of Σ ⟨output, seed⟩ with respect to `inputs`, in one traversal; 0 where it does not depend on one.

    As nodes, from seeds that are nodes; or as numbers, from seeds that are numbers, which may share memory. `order` is
    the topological order, where it is known already.
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
    for x, g in _watched(_traverse(start, NUMBERS if numbers else ops, wanted=wanted)):
        if x in sought:
            found[x] = g = computed(g)
        if tracing and isinstance(g, Tensor) and g.op is not None and g._name is None and x.name:
            g.name = f"d{x.name}"  # for the program
    zeros: Any = np.zeros if numbers else lambda shape, dtype: Tensor(np.zeros(shape, dtype))
    return [found[x] if x in found else zeros(x.shape, x.dtype) for x in inputs]


def _on_the_way(order: Sequence[Tensor], sought: set[Tensor]) -> set[Tensor]:
    """The nodes through which a gradient reaches one of `sought`, and these."""
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


OFFERED.backward = backward
