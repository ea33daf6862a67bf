"""The boxes of a picture: the nodes that get one, the text in it, and the edges between boxes."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..equations.results import Derivation, Equation
from ..errors import ArgumentError, GraphError
from ..graph.tensor import Tensor
from ..reading import Reading
from ..writing.notation import Span, Spans, Writer, counted, sources, symbol
from .arrays import LARGEST_GRADIENT, shape_text, summary_text, value_text

_LONGEST_EQUATION = 64  # characters
MOST_NODES = 50_000
_MOST_LEAVES = 8  # names of a graph that is too large to draw
_MOST_BOXES = 80  # boxes of a picture with equations


@dataclass(eq=False)
class Box:
    """A node of the picture."""

    node: Tensor
    role: str
    """parameter, input, target, operation, loss, group for a folded part, or outside where the graph continues; misfit
    for an operand that does not fit, and failed where this stops the forward pass.
    """
    title: Spans
    value: str
    gradient: Spans | None
    """The equation of the gradient, if it has one, and its value; None if the node requires no gradient."""
    widest_gradient: int
    """The most characters that a gradient of this shape takes."""
    scope: tuple[str, ...]
    inner: Drawing | None = None
    """The drawing that is folded into it, or None; also None if there would be too many such drawings."""
    count: int = 1
    """The number of copies that it stands for."""
    mark: Spans | None = None
    """A sign and words for something that is wrong here."""
    begins: bool = False
    """Whether the problem of the mark begins here."""


@dataclass(eq=False)
class Edge:
    """A way forward, from a box to one that reads it."""

    source: Box
    target: Box
    label: str
    differentiable: bool
    """Whether a gradient may come back."""
    backward: bool
    """Whether a gradient has come back."""
    step: Spans | None = None
    """The equation of the gradient that comes back, if the box that gets it does not show it."""
    carried: bool = False
    """Whether it leads from one copy of a repeated part to the next."""


@dataclass
class Drawing:
    """The boxes in topological order, and the edges, of a graph as it was read."""

    reading: Reading
    boxes: list[Box] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    caption: str = ""
    """The convention of the gradients."""
    names: Mapping[Tensor, str] = field(default_factory=dict)
    derivations: tuple[Derivation | None, Derivation | None] = (None, None)
    """The equations of the gradients, and the same without merging: a step of the chain rule for each box."""
    repeated: set[tuple[str, ...]] = field(default_factory=set)
    """The scopes that stand for several copies."""
    findings: str = ""
    """A line that says where something is wrong, or "" if that was not asked for."""
    shown_by: Mapping[Tensor, Tensor] = field(default_factory=dict)
    """For each node, the node whose box shows it; empty unless groups are folded to their first copy."""


class Maker:
    """A maker of boxes, which writes the title, the value and the gradient of a node."""

    def __init__(
        self,
        reading: Reading,
        names: Mapping[Tensor, str],
        boxed: set[Tensor],
        derivations: tuple[Derivation | None, Derivation | None] = (None, None),
    ) -> None:
        self.names = names
        self.readers = reading.readers
        self._reading = reading
        self._derivations = merged, apart = derivations
        self.caption = merged.heading if merged is not None and merged.scaled else ""
        self._writer = Writer(names, lambda x: x not in boxed)
        self._roles = _roles(reading.order, boxed)
        self._scales = merged.scales if merged is not None else {}
        self._equations = by_tensor(merged)
        self._steps = by_tensor(apart)
        self._unknown = _without_box(self._equations, boxed) | _without_box(self._steps, boxed)

    def drawing(self, caption: str) -> Drawing:
        """Return a drawing without boxes."""
        return Drawing(self._reading, caption=caption, names=self.names, derivations=self._derivations)

    def box(self, node: Tensor) -> Box:
        """Return the box of a node."""
        title = symbol(self.names[node])
        if node.op is not None:
            title = [*title, Span(" = "), *self._writer.expression(node)]
        return Box(
            node,
            self._roles[node],
            title,
            value_text(np.asarray(self._reading.values[node])),
            self.gradient(node, self.names[node]),
            2 + 10 * node.size if node.size <= LARGEST_GRADIENT else 14,
            _scope(node, self.readers),
        )

    def gradient(self, node: Tensor, name: str, brief: bool = False) -> Spans | None:
        """Return the line of a gradient: its equation, unless it has to be brief, and its value."""
        equation, step = self._equations.get(node), self._steps.get(node)
        scale = equation.scale if equation else step.scale if step else self._scales.get(node, 1.0)
        return gradient_line(node, name, None if brief else equation, scale, self._unknown)

    def add_steps(self, edges: Sequence[Edge]) -> None:
        """Write the equation of a gradient on its edge, if it has only this one and its box shows another or none."""
        ways = Counter(edge.source for edge in edges)
        for edge in edges:
            x = edge.source.node
            equation, step = self._equations.get(x), self._steps.get(x)
            if ways[edge.source] == 1 and step is not None and (equation is None or step.text != equation.text):
                edge.step = _short(step, self._unknown)


def drawing_of(reading: Reading, convention: str = "lecture") -> Drawing:
    """Return the drawing of a whole graph, with a box for each node that is a symbol."""
    if len(reading.order) > MOST_NODES:
        return overview(reading)
    boxed = reading.shown
    maker = Maker(reading, reading.symbols, boxed, equations_of(reading, convention))
    drawing = maker.drawing(maker.caption)
    box_of: dict[Tensor, Box] = {}
    for node in reading.order:
        if node in boxed:
            box_of[node] = maker.box(node)
            drawing.boxes.append(box_of[node])
            for x in sources(node, boxed):
                label = shape_text(x.shape) if x.shape else ""
                drawing.edges.append(Edge(box_of[x], box_of[node], label, *ways_back(x, node)))
    maker.add_steps(drawing.edges)
    return drawing


def ways_back(x: Tensor, reader: Tensor) -> tuple[bool, bool]:
    """Return whether a gradient may come back from a reader, and whether one has."""
    differentiable = x.requires_grad and reader.requires_grad
    return differentiable, differentiable and x.grad is not None and reader.grad is not None


def overview(reading: Reading) -> Drawing:
    """Return the drawing of a graph that is too large: its first leaves, its output, and a count of operations."""
    order, names = reading.order, reading.names
    leaves = [node for node in order if node.op is None]
    leaves.sort(key=lambda x: (x not in names, not x.requires_grad))  # those that have a name, parameters first
    shown, output = leaves[:_MOST_LEAVES], order[-1]
    kinds = counted(Counter(node.op.name for node in order if node.op is not None))
    left = f", {len(shown)} of {len(leaves):,} leaves shown" if len(leaves) > len(shown) else ""
    caption = f"too large to draw: {len(order):,} tensors{left}; tg.summary prints a table"
    drawing = Drawing(reading, caption=caption, names=names)
    roles = _roles(order, {*shown, output})
    for node in [*shown, output]:
        name = names.get(node, "…")
        title = symbol(name) if node is not output else [*symbol(name), Span(" = "), Span(kinds)]
        gradient = gradient_line(node, name)
        box = Box(node, roles[node], title, value_text(np.asarray(node._seen)), gradient, 14, ())
        if node is output:
            for x in drawing.boxes:
                drawing.edges.append(Edge(x, box, shape_text(x.node.shape), *ways_back(x.node, node)))
        drawing.boxes.append(box)
    return drawing


def _roles(order: Sequence[Tensor], boxed: set[Tensor]) -> dict[Tensor, str]:
    """Return the role of each box. A target is a constant that meets results of parameters, and then no parameter."""
    output = order[-1]
    is_loss = output.op is not None and output.shape == () and output.requires_grad
    meets_parameter: defaultdict[Tensor, bool] = defaultdict(bool)
    meets_network: defaultdict[Tensor, bool] = defaultdict(bool)
    for node in reversed(order):
        inputs = [x for x in node.inputs if isinstance(x, Tensor)]
        parameter = meets_parameter[node] or any(x.op is None and x.requires_grad for x in inputs)
        network = meets_network[node] or any(x.op is not None and x.requires_grad for x in inputs)
        for x in inputs:
            meets_parameter[x] |= parameter
            meets_network[x] |= network
    roles = {}
    for node in boxed:
        if node is output and is_loss:
            role = "loss"
        elif node.op is not None:
            role = "operation"
        elif node.requires_grad:
            role = "parameter"
        elif is_loss and meets_network[node] and not meets_parameter[node]:
            role = "target"
        else:
            role = "input"
        roles[node] = role
    return roles


def _scope(node: Tensor, readers: dict[Tensor, list[Tensor]]) -> tuple[str, ...]:
    """Return the scope of a box; a parameter made outside all scopes belongs to the one in which it is read."""
    if node.op is None and node.requires_grad and not node.scope:
        scopes = {reader.scope for reader in readers.get(node, ())}
        return scopes.pop() if len(scopes) == 1 else ()
    return node.scope


def equations_of(reading: Reading, convention: str) -> tuple[Derivation | None, Derivation | None]:
    """Return the equations of the gradients, and the same without anything merged.

    Both are None if the graph has no equations, or has more boxes than can show them.
    """
    output = reading.output
    if output.shape != () or not output.requires_grad or output.op is None or len(reading.shown) > _MOST_BOXES:
        return None, None
    from ..equations.derivation import Deriver  # imported here, since it takes long

    try:
        deriver = Deriver(reading, set(reading.parameters), boxes=True)
    except (GraphError, ArgumentError):  # a leaf has changed between two uses; an equation has no end
        return None, None
    lecture = convention == "lecture"
    merged, apart = deriver.derivation(lecture), deriver.derivation(lecture, expand=True)
    if merged.scaled != apart.scaled:
        merged, apart = deriver.derivation(False), deriver.derivation(False, expand=True)
    return merged, apart


def by_tensor(derivation: Derivation | None) -> dict[Tensor, Equation]:
    """Return the equations of gradients, by the tensor whose gradient they give."""
    return {equation.tensor: equation for equation in derivation or () if equation.steps}


def _without_box(equations: Mapping[Tensor, Equation], boxed: set[Tensor]) -> set[str]:
    """Return the names of gradients that the picture does not show."""
    return {equation.name for tensor, equation in equations.items() if tensor not in boxed}


def _short(equation: Equation | None, unknown: Set[str]) -> Spans | None:
    """Return an equation as spans, or None if it is too long for a picture or names a gradient that has no box."""
    if equation is None or len(equation.text) > _LONGEST_EQUATION or unknown & set(re.findall(r"\w+", equation.text)):
        return None
    return equation.spans


def gradient_line(
    node: Tensor,
    name: str,
    equation: Equation | None = None,
    scale: float = 1.0,
    unknown: Set[str] = frozenset(),
) -> Spans | None:
    """Return the line of a gradient, with a dash, not 0, if no backward has run; None if the node requires none."""
    if not node.requires_grad:
        return None
    grad = node.grad
    text = _short(equation, unknown) or [*symbol(name, "d"), *([Span(" = …")] if equation else [])]
    if grad is None:
        return [*text, Span("   "), Span("–")]
    value = grad if scale == 1 else grad * scale
    if equation and _differ(value, equation.value):
        text = [*symbol(name, "d"), Span(" added up")]
    return [*text, Span("   "), Span(summary_text(value, norm=True))]


def _differ(gradient: Any, of_equation: Any) -> bool:
    """Return whether a gradient is not the value of its equation, as if two graphs have added up; NaN is ignored."""
    both = np.isfinite(gradient) & np.isfinite(of_equation)
    return not np.allclose(np.where(both, gradient, 0.0), np.where(both, of_equation, 0.0), rtol=1e-3, atol=1e-9)


def all_drawings(drawing: Drawing) -> Iterator[Drawing]:
    """Yield a drawing and all that are folded into its boxes."""
    stack = [drawing]
    while stack:
        outer = stack.pop()
        yield outer
        stack += [box.inner for box in reversed(outer.boxes) if box.inner is not None]


def all_boxes(drawing: Drawing) -> Iterator[Box]:
    """Yield the boxes of a drawing and of all that are folded into it."""
    return (box for inner in all_drawings(drawing) for box in inner.boxes)
