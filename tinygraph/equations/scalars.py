"""The numbers of a graph that have a name in equations, such as m."""

from __future__ import annotations

from typing import Any

from ..algebra.nodes import written
from ..algebra.terms import ONE, Product, Sum, Symbol, as_product, multiplied, power
from ..algebra.terms import number as number_term
from ..algebra.terms import symbol as symbol_term
from ..graph.tensor import Tensor
from ..reading import Reading
from ..writing.notation import Writer, as_text, number


class Scalars:
    """The named numbers of a graph: each stands in equations as a symbol, by itself or as a reciprocal."""

    def __init__(self, reading: Reading) -> None:
        self._leaves = {value: Tensor(float(value)) for value in reading.scalars}
        self.names = {self._leaves[value]: name for value, name in reading.scalars.items()}
        """The symbols, with their names."""
        self.literals = reading.scalars
        """The names of the numbers, by value."""
        self._written = {abs(x) for node in reading.order for x in node.inputs if not isinstance(x, Tensor)}

    def read(self, value: float) -> Sum:
        """Return a number of the graph as a term, by its name if it or its reciprocal has one."""
        size = abs(value)
        for times in (1, 2, 0.5):
            for known, leaf in self._leaves.items():
                if times != 1 and (known != int(known) or size not in self._written or size in (0.5, 2)):
                    continue  # 2 m and m/2 only if m is whole and the number is in the code: 1/(2 m), but 2 is not m/2
                factor = number_term(-times if value < 0 else times)
                if size == times * known:
                    return multiplied(factor, symbol_term(leaf))
                if size and size == times / known:
                    return multiplied(factor, power(symbol_term(leaf), -1))
        return number_term(value)

    def are_all_of(self, term: Sum) -> bool:
        """Return whether a term is a number without other symbols."""
        return term.symbols <= self.names.keys()

    def share(self, term: Sum) -> Product:
        """Return the named numbers that all products of a term have in common."""
        powers = [p for p in as_product(term).powers if isinstance(p[0], Symbol) and p[0].node in self.names]
        return Product(ONE.coefficient, tuple(powers))

    def heading(self, share: Product) -> str:
        """Return the heading of equations: their convention, by the common factor, and the values of the numbers."""
        named = ", ".join(f"{name} = {number(value)}" for value, name in self.literals.items())
        values = f"; {named}" if named else ""
        if share == ONE:
            return f"dV is the derivative of the output with respect to V{values}"
        writer = Writer(self.names, lambda x: x.op is not None)
        factor = as_text(writer.right_hand_side(written(Sum((share,))))).replace(" ", "")
        return (
            "gradients of activations are those of each example's loss;"
            f" the factor {factor} enters with the parameters{values}"
        )


def scale_of(share: Product) -> float:
    """Return the factor by which a gradient is multiplied when its share of the common factor is set aside."""
    return float(1 / value_of(written(Sum((share,)))))


def value_of(graph: Any) -> Any:
    """Return the value of a term that was written as a graph, or as a number."""
    return graph.data if isinstance(graph, Tensor) else graph
