"""The right gradients of a graph, beside those that were given for it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...autodiff.traversal import pulled_back
from ...equations.derivation import Deriver
from ...errors import ArgumentError, DTypeError, GraphError
from ...graph.tensor import ArrayLike, Tensor, array_of
from ...graph.threads import cached_property
from ...reading import Reading
from ...writing.notation import backward_order
from .pieces import largest, reads_of, sizes_of

_MOST_NODES = 1000  # nodes of a graph whose equations are derived
_MOST_NAMES = 20  # in a message
_LONGEST_EQUATION = 64  # characters
_WORD, _NO_NAME = re.compile(r"\w+"), re.compile(r"\bt\d+\b")
_ROUNDING = 64  # in units of the last digit of the terms


class Right:
    """The right gradients of the nodes for which gradients were given: ∂J/∂V, whatever the convention."""

    def __init__(self, reading: Reading, given: Mapping[str, ArrayLike]) -> None:
        self.reading, self.output, self.names = reading, reading.output, reading.names
        self.reads = reads_of(reading.order)
        arrays = self._arrays(given)
        several = {x for x, readers in reading.readers.items() if len(readers) > 1}
        shown = {*self.names, *several, self.output}
        self.given = {node: arrays[node] for node in backward_order(reading.order, shown) if node in arrays} | arrays
        """The arrays that were given, in backward order, by the nodes whose gradients they are said to be."""
        dtypes = {x.dtype for x in reading.order if x.dtype.kind == "f"}
        self._precisions = {node: _coarsest(*dtypes, _dtype(value)) for node, value in self.given.items()}
        self.exact = self._gradients(list(self.given))
        """The right gradients of the same nodes."""

    def _arrays(self, given: Mapping[str, ArrayLike]) -> dict[Tensor, np.ndarray[Any, Any]]:
        """Return the arrays that were given, by the nodes whose gradients they are said to be."""
        nodes = {f"d{name}": node for node, name in self.names.items() if node.dtype.kind == "f"}
        if unknown := [name for name in given if name not in nodes]:
            known = [name for name, node in nodes.items() if node.requires_grad][::-1]
            more = f", and {len(known) - _MOST_NAMES} more" if len(known) > _MOST_NAMES else ""
            raise ArgumentError(
                f"there is no {', '.join(unknown)}; the gradients here are {', '.join(known[:_MOST_NAMES])}{more}"
            )
        if not given:
            raise ArgumentError("there is nothing to compare: give gradients by name, as in dW1=dW1")
        arrays = {
            nodes[name]: array_of(value.value if isinstance(value, Tensor) else value) for name, value in given.items()
        }
        for name, array in zip(given, arrays.values(), strict=True):
            if array.dtype.kind not in "biuf":
                raise DTypeError(f"{name} holds {array.dtype}, but a gradient holds real numbers")
        return arrays

    def _gradients(self, nodes: Sequence[Tensor]) -> dict[Tensor, Any]:
        seed = self.output.dtype.type(1)
        found = pulled_back([self.output], [seed], nodes, numbers=True, order=self.reading.order)
        return dict(zip(nodes, map(np.asarray, found), strict=True))

    @cached_property
    def values(self) -> dict[Tensor, Any]:
        """The values of the floating nodes that have a name, as they were read."""
        return {x: np.asarray(self.reading.values[x]) for x in self.names if x.dtype.kind == "f"}

    @cached_property
    def gradients(self) -> dict[Tensor, Any]:
        """The right gradients of the nodes that have a name."""
        return self._gradients([node for node in self.values if node is not self.output])

    # -- rounding ----------------------------------------------------------------------------------------------

    def agrees(self, node: Tensor, value: np.ndarray[Any, Any]) -> bool:
        """Return whether a gradient is right except for rounding, relative to its elements and to the terms of its
        sums.
        """
        expected, precision = self.exact[node], self._precisions[node]
        if value.shape != expected.shape:
            return False
        off, allowed = _off(value, expected), np.sqrt(precision.eps) * np.nan_to_num(np.abs(expected))
        if (off <= allowed).all():
            return True
        rounding = _ROUNDING * precision.eps * max(self._sizes[node], largest(expected))
        return bool((off <= allowed + rounding + precision.tiny / precision.eps).all())

    @cached_property
    def _sizes(self) -> dict[Tensor, float]:
        return sizes_of(self.reading.order, list(self.given))

    def matches(self, node: Tensor, value: Any, candidate: Any, digits: float = 0.5) -> bool:
        """Return whether a value given for a node equals a candidate, to the part `digits` of its digits."""
        if np.shape(value) != np.shape(candidate):
            return False
        return bool((_off(value, candidate) <= self._precisions[node].eps ** digits * largest(candidate)).all())

    # -- equations ---------------------------------------------------------------------------------------------

    @cached_property
    def _deriver(self) -> Deriver | None:
        """The deriver of all equations, or None if the graph has none."""
        return self._deriver_of(set(self.reading.parameters))

    def _deriver_of(self, sought: set[Tensor]) -> Deriver | None:
        try:
            return Deriver(self.reading, sought) if len(self.reading.order) <= _MOST_NODES else None
        except (GraphError, ArgumentError):  # a leaf has changed between two uses, or an equation is endless
            return None

    @cached_property
    def scales(self) -> dict[Tensor, float]:
        """The factors of the lecture's convention for gradients of results; none if they have no 1/m in common."""
        return {} if self._deriver is None else self._deriver.scales()

    def equation(self, node: Tensor, lecture: bool) -> str:
        """Return the equation of a gradient, or "": in one step if all that it needs was given, or as in `derive`."""
        given = {f"d{self.names[x]}" for x in self.given}
        apart = self._equation(self._deriver_of({node}), node, lecture, expand=True)
        needed = set(_WORD.findall(apart)) & {f"d{name}" for name in self.names.values()}
        return apart if needed <= given else self._equation(self._deriver, node, lecture, expand=False) or apart

    def _equation(self, deriver: Deriver | None, node: Tensor, lecture: bool, expand: bool) -> str:
        """Return the equation of a gradient, or "" if it is long or has names that only `derive` gives."""
        derivation = () if deriver is None else deriver.derivation(lecture, expand)
        text = next((equation.text for equation in derivation if equation.steps and equation.tensor is node), "")
        unknown = set(_NO_NAME.findall(text)) - set(self.names.values())
        return "" if len(text) > _LONGEST_EQUATION or unknown else text


def _off(value: Any, expected: Any) -> Any:
    """Return the differences of elements, with 0 where an infinity or NaN is expected."""
    return np.where((value == expected) | ~np.isfinite(expected), 0.0, np.abs(value - expected))


def _dtype(value: np.ndarray[Any, Any]) -> np.dtype[Any]:
    """Return the dtype of the numbers: float32 if a float64 array has only those, float64 for exact integers."""
    if value.dtype.kind != "f":
        return np.dtype(np.float64)
    widened = value.dtype == np.float64 and bool((value == value.astype(np.float32)).all())
    return np.dtype(np.float32) if widened else value.dtype


def _coarsest(*dtypes: np.dtype[Any]) -> Any:
    """Return NumPy's facts about the dtype with the fewest digits."""
    return max(map(np.finfo, dtypes), key=lambda precision: precision.eps)
