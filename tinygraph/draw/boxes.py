"""What a picture shows: which nodes get a box, what stands in it, and how boxes are joined and grouped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import numpy as np

from ..graph import Tensor, toposort
from ..names import names_of, readers_of, shown_inputs
from ..notation import Span, Spans, Writer, as_text, number, symbol

_LONGEST_EXPRESSION = 44  # characters; what is longer is cut into parts that get boxes of their own
_IN_FULL = 4  # elements


@dataclass(eq=False)
class Box:
    """A node of the picture."""

    node: Tensor
    role: str
    """parameter, input, target, operation or loss."""
    title: Spans
    value: str
    gradient: Spans | None
    scope: tuple[str, ...]


@dataclass(eq=False)
class Edge:
    """A way forward, from a box to one that reads it."""

    source: Box
    target: Box
    label: str
    differentiable: bool
    """Whether a gradient may come back."""
    backward: bool
    """Whether one has."""


@dataclass
class Drawing:
    """All boxes, in topological order, and all edges."""

    boxes: list[Box] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)


def drawing_of(output: Tensor, frame: FrameType | None, detail: str) -> Drawing:
    """The drawing of everything that `output` was computed from."""
    order = toposort(output)
    names = names_of(order, frame)
    boxed, names, writer = _boxed(order, output, names, detail)
    readers = readers_of(order)
    drawing = Drawing()
    box_of: dict[Tensor, Box] = {}
    roles = _roles(output, boxed, writer)
    for node in order:
        if node not in boxed:
            continue
        title = symbol(names[node])
        if node.op is not None:
            title = [*title, Span(" = "), *writer.expression(node)]
        box = Box(node, roles[node], title, _value(node), _gradient(node, names[node]), _scope(node, readers))
        box_of[node] = box
        drawing.boxes.append(box)
        for x in _sources(node, boxed):
            differentiable = x.requires_grad and node.requires_grad
            backward = differentiable and x.grad is not None
            label = _shape(x.shape) if x.shape else ""
            drawing.edges.append(Edge(box_of[x], box, label, differentiable, backward))
    return drawing


def _boxed(
    order: Sequence[Tensor], output: Tensor, names: dict[Tensor, str], detail: str
) -> tuple[set[Tensor], dict[Tensor, str], Writer]:
    """The nodes that get a box, their names, and a writer of their expressions."""
    readers = readers_of(order)
    names = dict(names)
    taken = set(names.values())
    boxed: set[Tensor] = set()
    writer = Writer(names, lambda x: x not in boxed)
    count = 0

    def add(node: Tensor) -> None:
        nonlocal count
        boxed.add(node)
        while node not in names:
            count += 1
            if f"t{count}" not in taken:
                names[node] = f"t{count}"

    for node in order:
        if node.op is None:
            if node in names or node.shape or node.requires_grad:
                add(node)
        elif node in names or node is output or detail == "ops" or len(readers.get(node, ())) > 1:
            add(node)
        if node.op is not None:
            parts = {x for x in shown_inputs(node) if isinstance(x, Tensor) and x.op is not None and x not in boxed}
            while parts and len(as_text(writer.expression(node))) > _LONGEST_EXPRESSION:
                longest = max(parts, key=lambda x: (len(as_text(writer.expression(x))), x.age))
                parts.remove(longest)
                add(longest)
    return boxed, names, writer


def _sources(node: Tensor, boxed: set[Tensor]) -> list[Tensor]:
    """The boxed nodes that stand in the expression of a node, each once, in reading order."""
    found: dict[Tensor, None] = {}
    stack = list(reversed(shown_inputs(node)))
    while stack:
        x = stack.pop()
        if not isinstance(x, Tensor):
            continue
        if x in boxed:
            found[x] = None
        else:
            stack.extend(reversed(shown_inputs(x)))
    return list(found)


def _roles(output: Tensor, boxed: set[Tensor], writer: Writer) -> dict[Tensor, str]:
    """What each box is. A target is a constant that only the loss reads, beside what the network has computed."""
    read_by: dict[Tensor, list[Tensor]] = {}
    for node in boxed:
        for x in _sources(node, boxed):
            read_by.setdefault(x, []).append(node)
    into_output = _sources(output, boxed)
    is_loss = output.op is not None and output.shape == () and output.requires_grad
    has_network = any(x.op is not None and x.requires_grad for x in into_output)
    roles = {}
    for node in boxed:
        if node is output and is_loss:
            role = "loss"
        elif node.op is not None:
            role = "operation"
        elif node.requires_grad:
            role = "parameter"
        elif is_loss and has_network and set(read_by.get(node, ())) == {output}:
            role = "target"
        else:
            role = "input"
        roles[node] = role
    return roles


def _scope(node: Tensor, readers: dict[Tensor, list[Tensor]]) -> tuple[str, ...]:
    """The scope of a box; a parameter made outside all scopes belongs to the one in which it is read."""
    if node.op is None and node.requires_grad and not node.scope:
        scopes = {reader.scope for reader in readers.get(node, ())}
        return scopes.pop() if len(scopes) == 1 else ()
    return node.scope


def _shape(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape)) if shape else "scalar"


def _value(node: Tensor) -> str:
    """Shape and value: small arrays in full, larger ones as mean and spread."""
    array = np.asarray(node._seen)
    return f"{_shape(array.shape)}   {_summary(array)}" if array.shape else _summary(array)


def _summary(array: np.ndarray[Any, Any], norm: bool = False) -> str:
    if array.size == 0:
        return "empty"
    if array.size <= _IN_FULL:
        return _in_full(array)
    numbers = array.astype(float)
    if not np.isfinite(numbers).all():
        bad = int(np.isnan(numbers).sum())
        return f"{bad} NaN" if bad else f"{int(np.isinf(numbers).sum())} inf"
    if norm:
        return f"‖·‖ {number(float(np.linalg.norm(numbers)))}"
    if ((numbers == 0) | (numbers == 1)).all():
        return f"{int(numbers.sum())} ones"
    return f"μ {_short(numbers.mean().item())}   σ {_short(numbers.std().item())}"


def _in_full(array: np.ndarray[Any, Any]) -> str:
    """All elements; a column is a row transposed, as on paper."""
    if array.ndim == 0:
        return number(array.item())
    if array.ndim == 2 and array.shape[1] == 1 and len(array) > 1:
        return f"{_in_full(array[:, 0])}ᵀ"
    if array.ndim == 2 and len(array) == 1:
        return _in_full(array[0])
    return "[" + ", ".join(_in_full(part) if array.ndim > 1 else _short(part.item()) for part in array) + "]"


def _short(value: Any) -> str:
    return number(float(f"{value:.3g}")) if isinstance(value, float) else number(value)


def _gradient(node: Tensor, name: str) -> Spans | None:
    """The gradient's line: a dash where no backward has run, which is not the same as 0."""
    if not node.requires_grad:
        return None
    grad = node.grad
    return [*symbol(name, "d"), Span("   "), Span("–" if grad is None else _summary(grad, norm=True))]
