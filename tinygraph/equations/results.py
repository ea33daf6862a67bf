"""The results of `derive`: equations with their text, LaTeX, source and values."""

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
    """One equation: a name, its right side, and its value.

    For an equation of a gradient, ``value == scale * gradient``; for a forward equation, the scale is 1.
    """

    name: str
    shape: tuple[int, ...]
    scale: float
    value: np.ndarray[Any, Any]
    tensor: Tensor = field(repr=False)
    """The tensor whose value or gradient the equation gives."""
    op_count: int
    """The number of operations on the right side as printed."""
    note: str
    """Words about the axes of its first Σ, or "" if it has none."""
    steps: tuple[tuple[str, str], ...]
    """From the raw chain rule to the equation: each line with the reason for it."""
    node: Tensor = field(repr=False)
    """The right side as a graph."""
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
        """The right side as spans."""
        return self._right

    def __str__(self) -> str:
        return self.text

    __repr__ = __str__


class Derivation(Sequence[Equation]):
    """Equations, forward and then backward, which can be looked up by position or by name.

    In print, layers that repeat at least four times are written once, with an index ``l = 2…12``; the object still
    holds every equation.
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
        """The scales that the convention gives to gradients that are numbers and so have no equation."""
        self._equations = tuple(equations)
        self._names, self._scalars, self._as_read = names, scalars, as_read
        self.heading = heading

    def __deepcopy__(self, memo: dict[int, object]) -> Derivation:
        return self  # its equations belong to the tensors of one graph

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
        """The symbols in the equations with their names: nodes of the graph, gradients, and numbers such as m."""
        return self._names

    @property
    def scalars(self) -> Mapping[Tensor, str]:
        """The numbers among these symbols."""
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
        """Whether some gradients are those of each example's loss, by the convention, and not those of the output."""
        return any(equation.scale != 1 for equation in self._equations)

    @cached_property
    def _folds(self) -> list[tuple[Fold, Sequence[Equation]]]:
        """The equations, with repeated layers written once."""
        lines = [(equation._left, equation._right) for equation in self._equations]
        alike = [(equation.shape, equation.note, bool(equation.steps)) for equation in self._equations]
        from .folding import folded  # imported here, or `import tinygraph` would wait for it

        found: list[tuple[Fold, Sequence[Equation]]] = []
        i = 0
        for fold in folded(lines, alike):
            found.append((fold, self._equations[i : i + len(fold.lines)]))
            i += len(fold.lines) * fold.count
        return found

    __repr__ = __str__

    @cached_property
    def latex(self) -> str:
        """All equations as one ``aligned`` block, with repeated layers written once as in the text."""
        lines = []
        for fold, _ in self._folds:
            if fold.count > 1:
                lines.append(f"l &= {fold.first}, \\ldots, {fold.last}")
            lines += [f"{as_latex(left)} &= {as_latex(right)}" for left, right in fold.lines]
        return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"

    @cached_property
    def source(self) -> str:
        """The source of a NumPy function to paste and run, which takes the leaves and returns all gradients by name."""
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
        """The tensors that the forward equations start from: leaves, and results beyond the depth."""
        named = set(self._names)
        forward = [equation.node for equation in self._equations if not equation.steps]
        return {x for node in forward for x in sources(node, named)} - {*forward, *self._scalars}

    def _repr_latex_(self) -> str:
        return f"$$\n{self.latex}\n$$"
