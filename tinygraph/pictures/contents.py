"""The contents of the boxes of a drawing: values, gradients, symbols, equations, and the meaning of a gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..equations.results import Equation
from ..graph.node import toposort
from ..graph.tensor import Tensor
from ..reading import Reading
from ..writing.notation import Span, Spans, Writer, as_text, number, symbol
from .arrays import shape_text
from .boxes import Box, Drawing, all_boxes, by_tensor

MOST_OPS = 16  # in an expression


class Contents:
    """The contents of the boxes of a drawing and of all that are folded into it."""

    def __init__(self, drawing: Drawing) -> None:
        self.output = drawing.boxes[-1].node
        self.names = {**dict.fromkeys((box.node for box in all_boxes(drawing)), "…"), **drawing.names}
        self.shown = set(self.names)
        """The nodes that have boxes."""
        merged, apart = drawing.derivations
        self._merged, self._apart = by_tensor(merged), by_tensor(apart)
        self.symbols = {**(apart.names if apart is not None else {}), **(merged.names if merged is not None else {})}
        """The names in the equations."""
        self.scalars = merged.scalars if merged is not None else {}
        """The numbers that have names."""
        self._scales = merged.scales if merged is not None else {}
        reading = drawing.reading
        if self.output is not reading.output:  # as in the drawing of a scope
            reading = Reading(toposort(self.output), names=reading.names)
        self.reading = reading
        self.writer = Writer(self.names, lambda x: x not in self.shown)

    def apart(self, box: Box) -> Equation | None:
        """Return the equation of a gradient as a step of the chain rule, or None."""
        return self._apart.get(box.node)

    def value(self, box: Box) -> np.ndarray[Any, Any]:
        """Return the value that the graph has read."""
        return np.asarray(self.reading.values[box.node])

    def gradient(self, box: Box) -> np.ndarray[Any, Any] | None:
        """Return the gradient in the convention of the drawing, or None if no backward has run."""
        grad = box.node.grad
        return None if grad is None else np.asarray(grad * self.scale(box.node))

    def scale(self, node: Tensor) -> float:
        """Return the factor that the convention gives to the gradient of a node."""
        equation = self._merged.get(node) or self._apart.get(node)
        return equation.scale if equation else self._scales.get(node, 1.0)

    def symbol(self, node: Any, prefix: str = "") -> Spans:
        """Return the name of a node as a symbol, or else its expression."""
        if node in self.names and (node in self.shown or node.op is None):
            return symbol(self.names[node], prefix)
        if node.op is None:
            written = [Span("a constant")]
        else:
            written = self.writer.expression(node) if self.is_short(node) else [Span(f"{node.op.name}(…)")]
        return [Span("d("), *written, Span(")")] if prefix else written

    def is_short(self, node: Tensor) -> bool:
        """Return whether the expression of a node is short enough to write."""
        inside = [node]
        for x in inside:
            inside += [y for y in x.inputs if isinstance(y, Tensor) and y.op is not None and y not in self.shown]
            if len(inside) > MOST_OPS:
                return False
        return True

    def equations(self, box: Box) -> list[Equation]:
        """Return the equations of a gradient: the step of the chain rule, then its simplified form."""
        found = [equations[box.node] for equations in (self._apart, self._merged) if box.node in equations]
        return found[:1] if len(found) == 2 and found[0].text == found[1].text else found

    def meaning(self, box: Box) -> str:
        """Return sentences about the meaning of the gradient of a box."""
        if not box.node.requires_grad:
            return "It has no gradient, since it does not depend on a parameter."
        name, gradient, output = (
            as_text(self.symbol(node, prefix)) for node, prefix in ((box.node, ""), (box.node, "d"), (self.output, ""))
        )
        if box.node is self.output:
            return f"The backward pass starts here: {gradient} is the gradient that backward was given, 1 for a scalar."
        scale = self.scale(box.node)
        said = f"{gradient} says how {output if scale == 1 else 'the loss of each example'} changes with"
        said += f" {'each element of ' if box.node.shape else ''}{name}"
        said += f", so it has the same shape: {shape_text(box.node.shape)}." if box.node.shape else "."
        if scale != 1:
            said += (
                f" {output} combines these losses: the derivative of {output}, in .grad, is 1/{number(scale)} of the"
                " gradient shown. This factor enters with the parameters."
            )
        if box.node.grad is None:
            said += f" No backward has run: call {output}.backward(), then draw again."
        return said
