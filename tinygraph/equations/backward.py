"""The equations of gradients in one convention, one after the other from the output back."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from ..algebra.nodes import outlined, written
from ..algebra.normal_form import Reader
from ..algebra.shortest import shortest, simplified
from ..algebra.terms import ONE, Call, Product, Sum, as_product, is_call
from ..algebra.terms import symbol as symbol_term
from ..autodiff.contributions import symbolic_contribution
from ..graph.tensor import Tensor
from ..writing.notation import Spans, Writer, as_text, symbol
from .agreement import agree, refuse_false
from .cotangents import Cotangents
from .raw import Raw
from .results import Equation
from .scalars import Scalars, scale_of, value_of


class Backward:
    """A writer of one equation after the other, each in terms of those before it.

    In the `lecture` convention, the scalars that all gradients of results have in common are set aside. With `expand`,
    the way through probabilities is written first, as in the lecture.
    """

    def __init__(
        self,
        cotangents: Cotangents,
        scalars: Scalars,
        reader: Reader,
        names: dict[Tensor, str],
        lecture: bool,
        expand: bool,
    ) -> None:
        self._cotangents, self._scalars, self._reader = cotangents, scalars, reader
        self._lecture, self._expand = lecture, expand
        self.names = names
        """The names of all symbols; each equation adds the name of its gradient."""
        self.equations: dict[Tensor, Equation] = {}
        """The equations, by the nodes of their gradients."""
        self.shares: set[Product] = set()
        """The scalars that were set aside: more than one if the gradients have no common factor."""
        self._count = 0
        self._plain = Reader(reader.atoms, scalars.read, plain=True)
        self._writer = Writer(names, lambda x: x not in names, axes=False, literals=scalars.literals)
        self._raw = Raw([*cotangents.reading.shown, *cotangents.reading.as_read.values()])

    def add(self, node: Tensor, g: Tensor) -> None:
        """Write the equation of the gradient of a node."""
        probabilities, through = self._through_probabilities(node)
        written_out = g
        if self._expand and through is not None and agree(through.data, g.data):
            written_out, through = through, None  # the lecture's first line: dz = da ∗ a ∗ (1 − a)
        self._reader.forget()
        term = self._reader.read(written_out)
        used = ", ".join(self._reader.used)
        form, reason = simplified(term)
        share = self._scalars.share(form) if self._lecture and node.op is not None else ONE
        own = shortest(Sum((as_product(form).times(share.to_the(-1)),))) if share != ONE else form
        lines: list[tuple[Any, str]] = []
        if through is not None:
            terms = [(self._reader.read(through), f"chain rule: d{probabilities} times its derivative")]
            terms.append((form, "multiplied out, and equal terms cancel"))
        else:
            lines.append((self._raw.written(written_out), "chain rule"))
            terms = [(self._plain.read(written_out), "scalars to the front, equal factors as powers")]
            terms.append((term, used or "summed term by term"))
            if form is not term:
                terms.append((form, reason))
        if own is not form:
            terms.append((own, "of each example's loss"))
        *steps, (last, because) = terms
        lines += [(outlined(step), reason) for step, reason in steps]
        lines.append((written(last), because))  # computed, to be compared with the gradient
        name = self._name(node)
        equation = self._equation(name, node, written_out, share, own, lines)
        self.equations[node] = equation
        leaf = Tensor(equation.value)
        self.names[leaf] = name
        if node.op is not None:
            self.shares.add(share)
            if g not in self._reader.atoms:
                self._know(g, Sum((share.times(as_product(symbol_term(leaf))),)))

    def _through_probabilities(self, node: Tensor) -> tuple[str, Tensor | None]:
        """Return the name of a logit's probabilities and its gradient through them, or "" and None for another node."""
        a = next((a for a in self._cotangents.aside if any(x is node for x in a.inputs)), None)
        if a is None:
            return "", None
        through = symbolic_contribution(a, self._cotangents.aside[a], 0, self._cotangents.reading.as_read)
        return self._cotangents.reading.symbols.get(a, "a"), through

    def _know(self, g: Tensor, term: Sum) -> None:
        """Write a gradient by its name from now on."""
        self._reader.atoms[g] = self._plain.atoms[g] = term
        self._plain.forget()
        self._raw.know(g, _as_tensor(written(term)))

    def _name(self, node: Tensor) -> str:
        """Return a name for the gradient of a node that nothing else has."""
        taken = self.names.values()
        if node in self._cotangents.reading.shown:
            name = f"d{self.names[node]}"
            while name in taken:
                name += "′"
            return name
        self._count += 1
        while f"t{self._count}" in taken:
            self._count += 1
        return f"t{self._count}"

    def _equation(
        self, name: str, node: Tensor, g: Tensor, share: Product, own: Sum, lines: Sequence[tuple[Any, str]]
    ) -> Equation:
        """Return the equation at which the lines end, once its value has been compared with the gradient."""
        graph = lines[-1][0]
        scale, value = scale_of(share), np.asarray(value_of(graph))
        value = value.reshape(node.shape) if value.size == node.size else np.broadcast_to(value, node.shape)
        refuse_false(name, value, g, scale, self._raw)
        left = symbol(name)
        texts = [(self._writer.right_hand_side(line), reason) for line, reason in lines]
        return Equation(
            name,
            node.shape,
            scale,
            value,
            node,
            own.operations,
            _note(own),
            _steps(left, texts),
            _as_tensor(graph),
            left,
            texts[-1][0],
        )


def _steps(left: Spans, lines: Sequence[tuple[Spans, str]]) -> tuple[tuple[str, str], ...]:
    """Return the lines as texts, without lines that read like the one before."""
    texts = [(as_text(right), reason) for right, reason in lines]
    shown = [texts[0], *(later for earlier, later in pairwise(texts) if later[0] != earlier[0])]
    return tuple((f"{as_text(left)} = {text}", reason) for text, reason in shown)


def _note(term: Sum) -> str:
    """Return words about the axes of the first Σ of an equation, or "" if there is none."""
    stack: list[Any] = [term]
    while stack:
        x = stack.pop(0)
        if isinstance(x, Sum):
            stack += [base for product in x.products for base, _ in product.powers]
        elif isinstance(x, Call):
            axis, shape = x.params.get("axis"), x.operands[0].shape if x.operands else ()
            if is_call(x, "total") and isinstance(axis, int):
                kind = {(2, 1): "columns", (2, 0): "rows"}.get((len(shape), axis), "elements")
                return f"sum over the {shape[axis]} {kind}"
            stack += x.operands
    return ""


def _as_tensor(graph: Any) -> Tensor:
    """Return a written term, which may be a number, as a tensor."""
    return graph if isinstance(graph, Tensor) else Tensor(graph)
