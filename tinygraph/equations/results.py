"""Equations as results: their text, their LaTeX, their source, their values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from ..graph.tensor import Tensor
from ..graph.threads import cached_property
from ..writing.notation import Span, Spans, as_latex, as_text, sources
from ..writing.numpy_source import expression, function, identifiers

if TYPE_CHECKING:
    from .folding import Fold


@dataclass(frozen=True, eq=False, repr=False)
class Equation:
    """One equation: a name, what it equals, and its value.

    ``value == scale * gradient`` for an equation of a gradient; of a forward equation the scale is 1.
    """

    name: str
    shape: tuple[int, ...]
    scale: float
    value: np.ndarray[Any, Any]
    tensor: Tensor = field(repr=False)
    """What it says the value, or the gradient, of."""
    op_count: int
    """Operations in the right-hand side as printed."""
    note: str
    """What a Σ in it runs over."""
    steps: tuple[tuple[str, str], ...]
    """From the raw chain rule to the equation: each line with the reason for it."""
    node: Tensor = field(repr=False)
    """The right-hand side as a graph."""
    _left: Spans = field(repr=False)
    _right: Spans = field(repr=False)

    @property
    def text(self) -> str:
        """The equation on one line of Unicode text."""
        return f"{as_text(self._left)} = {as_text(self._right)}"

    @property
    def latex(self) -> str:
        """The equation in LaTeX, for mathematics mode."""
        return f"{as_latex(self._left)} = {as_latex(self._right)}"

    @property
    def spans(self) -> Spans:
        """The equation as spans, for pictures."""
        return [*self._left, Span(" = "), *self._right]

    @property
    def right(self) -> Spans:
        """The right-hand side as spans."""
        return self._right

    def __str__(self) -> str:
        return self.text

    __repr__ = __str__


class Derivation(Sequence[Equation]):
    """Equations, forward then backward; by position or by name.

    In print, layers that repeat at least four times are one with an index, ``l = 2…12``; each equation is still there.
    """

    def __init__(
        self,
        equations: Sequence[Equation],
        heading: str,
        names: Mapping[Tensor, str],
        scalars: Mapping[Tensor, str],
        as_read: Mapping[Tensor, Tensor],
        scales: Mapping[Tensor, float],
    ) -> None:
        self.scales = scales
        """For gradients that are numbers, and so have no equation, the scale that the convention gives them."""
        self._equations = tuple(equations)
        self._names, self._scalars, self._as_read = names, scalars, as_read
        self.heading = heading

    def __deepcopy__(self, memo: dict[int, object]) -> Derivation:
        return self  # its equations are of the tensors of one graph

    @overload
    def __getitem__(self, key: int | str) -> Equation: ...
    @overload
    def __getitem__(self, key: slice) -> Sequence[Equation]: ...
    def __getitem__(self, key: int | str | slice) -> Equation | Sequence[Equation]:
        if not isinstance(key, str):
            return self._equations[key]
        found = [equation for equation in self._equations if equation.name == key]
        if not found:
            raise KeyError(f"there is no equation for {key}; there are {', '.join(e.name for e in self._equations)}")
        return found[0]

    def __len__(self) -> int:
        return len(self._equations)

    @property
    def names(self) -> Mapping[Tensor, str]:
        """What stands as a symbol in the equations: nodes of the graph, gradients, and numbers such as m."""
        return self._names

    @property
    def scalars(self) -> Mapping[Tensor, str]:
        """The numbers among these."""
        return self._scalars

    def __str__(self) -> str:
        rows = []
        for fold, equations in self._folds:
            if fold.count > 1:
                rows.append((f"{fold.range}:", "", ""))
            for (left, right), equation in zip(fold.lines, equations, strict=False):
                indent = "  " if fold.count > 1 else ""
                text = f"{indent}{as_text(left)} = {as_text(right)}"
                rows.append((text, str(equation.shape or "scalar"), equation.note))
        wide, column = (max((len(row[i]) for row in rows), default=0) for i in (0, 1))
        lines = [f"{text:<{wide}}   {shape:<{column}}   {note}".rstrip() for text, shape, note in rows]
        return "\n".join([self.heading, "", *lines])

    @property
    def scaled(self) -> bool:
        """Whether some gradients are not of the output but, by the convention, of each example's loss."""
        return any(equation.scale != 1 for equation in self._equations)

    @cached_property
    def _folds(self) -> list[tuple[Fold, Sequence[Equation]]]:
        """The equations with repeated layers as one."""
        lines = [(equation._left, equation._right) for equation in self._equations]
        alike = [(equation.shape, equation.note, bool(equation.steps)) for equation in self._equations]
        from .folding import folded  # here, since `import tinygraph` would wait for it

        found: list[tuple[Fold, Sequence[Equation]]] = []
        i = 0
        for fold in folded(lines, alike):
            found.append((fold, self._equations[i : i + len(fold.lines)]))
            i += len(fold.lines) * fold.count
        return found

    __repr__ = __str__

    @cached_property
    def latex(self) -> str:
        """All equations as one ``aligned`` block; as in the text, repeated layers are one."""
        lines = []
        for fold, _ in self._folds:
            if fold.count > 1:
                lines.append(f"l &= {fold.first}, \\ldots, {fold.last}")
            lines += [f"{as_latex(left)} &= {as_latex(right)}" for left, right in fold.lines]
        return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"

    @cached_property
    def source(self) -> str:
        """The same as a NumPy function, to be pasted and run: from the leaves to all gradients by name."""
        stand_ins = set(self._as_read.values())
        names = identifiers({node: name for node, name in self._names.items() if node not in stand_ins})
        names |= {now: names[leaf] for leaf, now in self._as_read.items() if leaf in names}
        ids = {name: names[node] for node, name in self._names.items() if node in names}
        leaves = [node for node in self._names if node in self._given]
        lines = [(names[leaf], f"{leaf.item():g}") for leaf in self._scalars]
        for equation in self._equations:
            right = expression(equation.node, names)
            if equation.node.shape != equation.shape:
                right = f"np.broadcast_to({right}, {equation.shape})"
            lines.append((ids[equation.name], right))
        gradients = [ids[equation.name] for equation in self._equations if equation.steps]
        return function("equations", [names[leaf] for leaf in leaves], lines, gradients)

    @property
    def _given(self) -> set[Tensor]:
        """What the forward equations are over: leaves, and what lies beyond the depth."""
        named = set(self._names)
        forward = [equation.node for equation in self._equations if not equation.steps]
        return {x for node in forward for x in sources(node, named)} - {*forward, *self._scalars}

    def _repr_latex_(self) -> str:
        return f"$$\n{self.latex}\n$$"
