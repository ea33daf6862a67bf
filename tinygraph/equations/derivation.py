"""The equations of one graph and of its gradients: facts that are found once, and each way to write the equations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from .. import ops
from ..algebra.nodes import written
from ..algebra.normal_form import Reader
from ..algebra.shortest import shortest
from ..algebra.terms import ONE, Call, Params, Product, Sum, as_product, is_call, of
from ..algebra.terms import symbol as symbol_term
from ..errors import ArgumentError
from ..graph.tensor import Tensor
from ..graph.threads import cached_property
from ..reading import Reading
from ..writing.notation import Writer, as_text, backward_order, number, symbol, within
from .agreement import CLOSE
from .backward import Backward
from .cotangents import Cotangents
from .merging import Apart, Merging
from .results import Derivation, Equation
from .scalars import Scalars, scale_of, value_of


class Deriver:
    """A writer of the equations of one graph and its gradients, in one convention or another.

    `assume` are equations that hold for the data. With `boxes`, for pictures, the gradients of nodes without a box are
    merged into others as far as these stay short.
    """

    def __init__(
        self,
        reading: Reading,
        sought: set[Tensor],
        *,
        assume: Sequence[Tensor] = (),
        depth: int | None = None,
        boxes: bool = False,
    ) -> None:
        self.reading = reading
        self._assume, self._boxes = assume, boxes
        with np.errstate(all="ignore"):  # the user has been warned of numbers that are not finite
            self._scalars = Scalars(reading)
            self._cotangents = Cotangents(reading, sought, depth)
        self._kept: dict[bool, list[tuple[Tensor, Tensor]]] = {}

    @np.errstate(all="ignore")
    def derivation(self, lecture: bool, expand: bool = False) -> Derivation:
        """Return the equations. The gradients are exact if activations have different common factors.

        With `expand`, gradients of named nodes are not merged into others.
        """
        backward = self._backward(lecture, expand)
        if len(backward.shares) > 1:
            return self.derivation(False, expand)
        (share,) = backward.shares or {ONE}
        order, shown = self.reading.order, self.reading.shown
        forward = [equation for node, equation in self._forward.items() if node in self._cotangents.near]
        of_gradients = [backward.equations[x] for x in backward_order(order, shown) if x in backward.equations]
        scales = {x: scale_of(self._scalars.share(term)) for x, term in self._apart.numbers.items() if lecture}
        return Derivation(
            [*forward, *of_gradients],
            self._scalars.heading(share),
            backward.names,
            self._scalars.names,
            self.reading.as_read,
            scales,
        )

    def _backward(self, lecture: bool, expand: bool) -> Backward:
        """Return the equations of gradients, up to the first that has no common factor with those before it."""
        if expand not in self._kept:
            self._kept[expand] = Merging(self._apart, expand, self._boxes).kept()
        names = {**self._names, **self._scalars.names}
        reader = self._reader.over(self._reader.atoms)
        backward = Backward(self._cotangents, self._scalars, reader, names, lecture, expand)
        for node, g in self._kept[expand]:
            backward.add(node, g)
            if len(backward.shares) > 1:
                break
        return backward

    @np.errstate(all="ignore")
    def scales(self) -> dict[Tensor, float]:
        """Return the factors that the lecture's convention gives to gradients of results, without writing equations."""
        reader = Reader(self._atoms, self._scalars.read)
        found: dict[Tensor, Product] = {}
        shares: set[Product] = set()
        for node, g in self._cotangents.of.items():
            if node.op is None or node is self.reading.output or node not in self.reading.shown:
                continue
            term = reader.read(g)
            found[node] = self._scalars.share(term)
            if not self._scalars.are_all_of(term):
                shares.add(found[node])
            if g not in reader.atoms:
                reader.atoms[g] = Sum((found[node].times(as_product(symbol_term(g))),))
                reader.forget()
        return {node: scale_of(share) for node, share in found.items()} if len(shares) < 2 else {}

    # -- what is known of the graph --------------------------------------------------------------------------------

    @cached_property
    def _names(self) -> dict[Tensor, str]:
        """The names of the symbols, and of the stand-ins for leaves that have changed."""
        names, as_read = self.reading.symbols, self.reading.as_read
        return {**names, **{now: names[leaf] for leaf, now in as_read.items() if leaf in names}}

    @cached_property
    def _atoms(self) -> dict[Tensor, Sum]:
        """The symbols as terms; a leaf that has changed counts with its former value."""
        as_read = self.reading.as_read
        return {x: symbol_term(as_read.get(x, x)) for x in (*self.reading.shown, *as_read.values())}

    @cached_property
    def _apart(self) -> Apart:
        """The gradients as terms, before any are merged."""
        return Apart(self._cotangents, self._scalars, self._reader)

    @cached_property
    def _forward(self) -> dict[Tensor, Equation]:
        """The equations of the results that are symbols, in forward order."""
        shown, names = self.reading.shown, self._names
        writer = Writer(names, lambda x: x not in shown)
        return {
            node: Equation(
                name=names[node],
                shape=node.shape,
                scale=1.0,
                value=node.data,
                tensor=node,
                op_count=sum(1 for _ in within(node, shown)),
                note="",
                steps=(),
                node=node,
                _left=symbol(names[node]),
                _right=writer.expression(node),
            )
            for node in self.reading.order
            if node.op is not None and node in shown
        }

    @cached_property
    def _reader(self) -> Reader:
        """A reader that knows the values of the results, the sums that are constants, and the assumptions."""
        reader = Reader(self._atoms, self._scalars.read)
        for node, equation in self._forward.items():
            self._remember(node, equation, reader)
        for fact in self._assume:
            _assume(reader, fact)
        return reader

    def _remember(self, node: Tensor, equation: Equation, reader: Reader) -> None:
        """Have the expression of a named node read as its name, and its constant sums as constants."""
        symbolic = reader.atoms.pop(node)
        term = reader.read(node)
        constants = [(total, shortest(reader.read(total))) for total in self._constant_sums(node)]
        reader.atoms[node] = symbolic
        reader.forget()
        writer = Writer(self._names, lambda x: x not in self.reading.shown, axes=False)
        for total, constant in constants:
            if not any(product.powers for product in constant.products):
                text = f"{as_text(writer.right_hand_side(total))} = {number(value_of(written(constant)))}"
                reader.remember(reader.read(total), constant, text)
        reader.remember(term, symbolic, as_text(equation.spans))

    def _constant_sums(self, node: Tensor) -> Iterator[Tensor]:
        """Yield the sums of a node that seem to be equal everywhere, as after centring and in a softmax."""
        for axis in self._axes:
            given = axis if isinstance(axis, tuple) else () if axis is None else (axis,)
            if len({i % max(node.ndim, 1) for i in given}) < len(given) or any(
                not -node.ndim <= i < node.ndim for i in given
            ):
                continue
            with np.errstate(all="ignore"):
                total = node._value.sum(axis, keepdims=True)
                size = np.abs(node._value).sum(axis, keepdims=True)
                constant = total.size and np.abs(total - total.flat[0]).max() <= CLOSE * size.max()
            if constant:
                yield from (ops.sum(node, axis=axis, keepdims=keepdims) for keepdims in (False, True))

    @cached_property
    def _axes(self) -> set[Any]:
        """The axes along which the graph reduces."""
        return {x.params["axis"] for x in self.reading.order if x.op is not None and x.op.kind == "reduction"}


def _assume(reader: Reader, fact: Tensor) -> None:
    """Have the left side of an equation read as its right side; a sum over one axis also with the axis kept."""
    left, right = (reader.read(x) for x in fact.inputs)
    product = as_product(left)
    if len(product.powers) != 1 or not isinstance(product.powers[0][0], Call):
        raise ArgumentError(f"the left side of the assumption {fact.site.text} has to be a sum or another single op")
    because = fact.site.text or "an assumption"
    reader.remember(left, right, because)
    call = product.powers[0][0]
    if is_call(call, "total") and isinstance(axis := call.params["axis"], int):
        shape = list(call.operands[0].shape)
        shape[axis] = 1
        reader.remember(of(Call("sum", call.operands, Params(axis=axis, keepdims=True), tuple(shape))), right, because)
