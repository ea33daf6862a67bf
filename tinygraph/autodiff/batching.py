"""A graph that is linear in one of its leaves, for many values of that leaf at once.

Every array that depends on the leaf gets a new first axis. An op that does not know what to do with it is applied to
one value after the other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..graph.records import APPLY, NUMBERS
from ..graph.tensor import Tensor, toposort
from ..ops.arrays.keys import SLOT

Rule = Callable[[Any, Tensor, Sequence[Any], Sequence[bool], int], Any]
"""``rule(xp, node, inputs, moving, count)``: the node's values, of which the `moving` inputs have `count`."""


def batched(outputs: Sequence[Tensor], leaf: Tensor, values: Any, xp: Any) -> list[Any]:
    """For each value of `leaf`, along the first axis of `values`, the outputs; along the first axis too.

    `xp` is NUMBERS for numbers, or `tinygraph.ops` for nodes.

    >>> from tinygraph.autodiff.batching import batched
    >>> from tinygraph.graph.records import NUMBERS
    >>> x = tg.Tensor([0.0, 0.0])
    >>> batched([tg.Tensor([[1.0, 2.0]]) @ x], x, np.eye(2), NUMBERS)
    [array([[1.],
           [2.]])]
    """
    count = len(values)
    order = toposort(*outputs, stop={leaf})
    uses = Counter(x for node in order for x in _tensors(node)) + Counter(outputs)
    known: dict[Tensor, Any] = {leaf: values}
    for node in order:
        moving = [isinstance(x, Tensor) and x in known for x in node.inputs]
        if node is leaf or not any(moving):
            continue
        inputs = [known[x] if isinstance(x, Tensor) and x in known else _still(x, xp) for x in node.inputs]
        known[node] = _applied(xp, node, inputs, moving, count)
        for x in _tensors(node):
            if x in known:
                uses[x] -= 1
                if not uses[x]:
                    del known[x]  # its memory is not needed any more
    return [known[y] if y in known else _still(Tensor(np.zeros((count, *y.shape), y.dtype)), xp) for y in outputs]


def _tensors(node: Tensor) -> list[Tensor]:
    return [x for x in node.inputs if isinstance(x, Tensor)]


def _still(x: Any, xp: Any) -> Any:
    return x._value if isinstance(x, Tensor) and xp is NUMBERS else x


def _run(xp: Any, node: Tensor) -> Callable[..., Any]:
    """What applies the op of a node in a namespace."""
    assert node.op is not None
    return node.op.run if xp is NUMBERS else APPLY[node.op.name]


def _applied(xp: Any, node: Tensor, inputs: Sequence[Any], moving: Sequence[bool], count: int) -> Any:
    assert node.op is not None
    rule = _elementwise if node.op.kind == "elementwise" else _RULES.get(node.op.name)
    found = rule(xp, node, inputs, moving, count) if rule is not None else None
    return _one_by_one(xp, node, inputs, moving, count) if found is None else found


def _one_by_one(xp: Any, node: Tensor, inputs: Sequence[Any], moving: Sequence[bool], count: int) -> Any:
    run = _run(xp, node)
    each = [
        run(*(x[i] if moves else x for x, moves in zip(inputs, moving, strict=True)), **node.params)
        for i in range(count)
    ]
    return xp.stack(each) if each else xp.reshape(_still(Tensor(np.zeros(0, node.dtype)), xp), (0, *node.shape))


def _elementwise(xp: Any, node: Tensor, inputs: Sequence[Any], moving: Sequence[bool], count: int) -> Any:
    aligned = [_led(xp, x, node.ndim, count) if moves else x for x, moves in zip(inputs, moving, strict=True)]
    return _run(xp, node)(*aligned, **node.params)


def _led(xp: Any, x: Any, ndim: int, count: int) -> Any:
    """With axes of length 1 after the first, so that what follows is as in an array of `ndim` axes."""
    missing = ndim + 1 - x.ndim
    return xp.reshape(x, (count, *(1,) * missing, *x.shape[1:])) if missing > 0 else x


def _reduction(xp: Any, node: Tensor, inputs: Sequence[Any], moving: Sequence[bool], count: int) -> Any:
    (x,) = inputs
    axis, ndim = node.params["axis"], x.ndim - 1
    axes = tuple(range(ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    if not ndim:
        return x
    moved = tuple(i % ndim + 1 for i in axes)
    return _run(xp, node)(x, axis=moved, keepdims=node.params["keepdims"])


def _matmul(xp: Any, node: Tensor, inputs: Sequence[Any], moving: Sequence[bool], count: int) -> Any:
    """As one product of two matrices where the other operand is a matrix."""
    (x, y), (x_moves, y_moves) = inputs, moving
    x_ndim, y_ndim = x.ndim - x_moves, y.ndim - y_moves
    if x_moves and not y_moves and y_ndim <= 2:
        product = xp.matmul(xp.reshape(x, (-1, x.shape[-1])), y) if x.size else None
        return None if product is None else xp.reshape(product, (count, *node.shape))
    if y_moves and not x_moves and y_ndim == 1 and x_ndim == 2:
        return xp.matmul(y, xp.matrix_transpose(x))
    if x_ndim == 1:
        x = xp.reshape(x, (*x.shape[:-1], 1, x.shape[-1]))
    if y_ndim == 1:
        y = xp.reshape(y, (*y.shape, 1))
    ndim = max(x_ndim, y_ndim, 2)
    x, y = (_led(xp, z, ndim, count) if moves else z for z, moves in ((x, x_moves), (y, y_moves)))
    return xp.reshape(xp.matmul(x, y), (count, *node.shape))


def _vdot(xp: Any, node: Tensor, inputs: Sequence[Any], moving: Sequence[bool], count: int) -> Any:
    x, y = (xp.reshape(x, (count, -1) if moves else (-1,)) for x, moves in zip(inputs, moving, strict=True))
    return None if all(moving) or not node.inputs[0].size else xp.matmul(x, y) if moving[0] else xp.matmul(y, x)  # type: ignore[union-attr]


def _outer(xp: Any, node: Tensor, inputs: Sequence[Any], moving: Sequence[bool], count: int) -> Any:
    x, y = inputs
    return xp.reshape(x, (*x.shape[:-1], x.shape[-1], 1)) * xp.reshape(y, (*y.shape[:-1], 1, y.shape[-1]))


def _permute(xp: Any, node: Tensor, inputs: Sequence[Any], moving: Sequence[bool], count: int) -> Any:
    axes = node.params["axes"] if node.params["axes"] is not None else range(node.ndim)[::-1]
    return xp.permute_dims(inputs[0], (0, *(i % node.ndim + 1 for i in axes)))


def _broadcast(xp: Any, node: Tensor, inputs: Sequence[Any], moving: Sequence[bool], count: int) -> Any:
    return xp.broadcast_to(_led(xp, inputs[0], node.ndim, count), (count, *node.shape))


def _getitem(xp: Any, node: Tensor, inputs: Sequence[Any], moving: Sequence[bool], count: int) -> Any:
    """With a slice for the new axis, unless index arrays would then put theirs elsewhere."""
    key = node.params["key"]
    chosen = [i for i, part in enumerate(key) if part is SLOT or isinstance(part, int)]
    apart = any(part is SLOT for part in key) and chosen != list(range(chosen[0], chosen[-1] + 1))
    if apart or any(moving[1:]):
        return None
    params = {"key": (slice(None), *key)}
    if "shape" in node.params:
        params["shape"] = (count, *node.params["shape"])
    return _run(xp, node)(*inputs, **params)


def _joined(xp: Any, node: Tensor, inputs: Sequence[Any], moving: Sequence[bool], count: int) -> Any:
    axis = node.params["axis"]
    if axis is None:
        return None
    full = [x if moves else xp.broadcast_to(x, (count, *x.shape)) for x, moves in zip(inputs, moving, strict=True)]
    return _run(xp, node)(*full, axis=axis + 1 if axis >= 0 else axis)


_RULES: dict[str, Rule] = {
    "sum": _reduction,
    "mean": _reduction,
    "matmul": _matmul,
    "vdot": _vdot,
    "outer": _outer,
    "reshape": lambda xp, node, inputs, moving, count: xp.reshape(inputs[0], (count, *node.shape)),
    "permute_dims": _permute,
    "matrix_transpose": lambda xp, node, inputs, moving, count: xp.matrix_transpose(inputs[0]),
    "broadcast_to": _broadcast,
    "getitem": _getitem,
    "scatter_add": _getitem,
    "concat": _joined,
    "stack": _joined,
}
"""The ops that take the new axis along, besides the elementwise ones."""
