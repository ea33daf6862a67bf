"""The search for the slip that explains a wrong gradient."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias, cast

import numpy as np

from ...graph.node import describe
from ...graph.records import Op
from ...graph.tensor import Tensor
from ...writing.notation import TRANSPOSED, number
from .pieces import Pieces, steps_to, without_shortcut
from .right import Right
from .slips import FACTORS, LAST, NO_SLIP, OF_GRADIENTS, OF_STEPS, Gradient, Slip, Step, transposed

Candidate: TypeAlias = tuple[str, str, Any]
"""The name of a slip, its sentence, and the value that it leads to."""

_MOST_NAMES = 50  # among which a mistaken operand is searched for
_LONGEST_OPERAND = 30  # characters
_CLEAR = 0.65  # values that agree to this part of their digits hardly do so by chance


class Search:
    """A search through the results of slips, the simplest first."""

    def __init__(
        self,
        right: Right,
        counts: Mapping[str, float],
        scales: Mapping[Tensor, float],
        values: Mapping[Tensor, Any],
        cut: Mapping[Tensor, Any],
    ) -> None:
        self._right, self._counts, self._scales = right, counts, scales
        self._values, self._cut = values, cut  # the given gradients, and those of results among them
        self._pieces = Pieces(right.reading.order, cut)

    def explained(self, node: Tensor, expected: Any) -> tuple[tuple[str, ...], str]:
        """Return the names of the slips that lead to the given gradient, and a sentence without its subject."""
        value, matches = self._values[node], self._right.matches
        if not np.isfinite(value).all() and np.isfinite(expected).all():
            return ("not finite",), "is not finite where it should be"
        for stage in self._stages(node, expected):
            found: dict[str, str] = {}
            for cause, says, candidate in stage:
                if matches(node, value, candidate, _CLEAR) and not matches(node, expected, candidate):
                    found.setdefault(cause, says)
            if found:
                return tuple(found), ", or ".join(list(found.values())[:2])
        if value.shape != expected.shape:
            return ("shape",), "has the wrong shape: a tensor and its gradient always have the same shape"
        if np.count_nonzero(expected) > 1:
            times = float(np.vdot(expected, value) / np.vdot(expected, expected))
            if matches(node, value, times * expected):
                return ("factor",), f"is {number(times)} times what it should be"
        return ("unknown",), "is wrong, but not by one of the usual slips"

    def _stages(self, node: Tensor, expected: Any) -> Iterator[Iterator[Candidate]]:
        """Yield candidates that are less and less simple."""
        whole = self._whole(node, expected)
        steps = self._steps(node)
        near = [step for step in steps if step.of is node]
        yield _applied(OF_GRADIENTS, whole)
        yield self._near(near, expected)
        yield from (iter([candidate]) for candidate in self._far(node, steps[len(near) :], expected))
        for first in (_applied(OF_GRADIENTS, whole), self._near(near, expected)):
            for cause, says, value in first:
                for also, adds, twice in _applied(OF_GRADIENTS, replace(whole, value=np.asarray(value))):
                    if cause != NO_SLIP and not {cause, also} <= FACTORS:
                        yield iter([(f"{cause}, {also}", f"{says}, and {adds}", twice)])
        yield _applied(LAST, whole)

    def _whole(self, node: Tensor, expected: Any) -> Gradient:
        scales = self._scales
        gradients = self._named_near(node, self._right.gradients, "d")
        results = [
            (name, g * scale / scales[node]) for name, g in gradients.items() for scale in {1.0, *scales.values()}
        ]
        results += [(name, x / scales[node]) for name, x in self._named_near(node, self._right.values).items()]
        return Gradient(expected, self._counts, scales[node] != 1, results)

    def _named_near(self, node: Tensor, arrays: Mapping[Tensor, Any], prefix: str = "") -> dict[str, Any]:
        """Return the arrays of the named nodes that were made shortly before or after a node, by name."""
        near = sorted(arrays, key=lambda x: abs(x.age - node.age))[:_MOST_NAMES]
        return {prefix + self._right.names[x]: arrays[x] for x in near if x is not node or not prefix}

    def _near(self, steps: Sequence[Step], expected: Any) -> Iterator[Candidate]:
        """Yield the results of slips in the last step."""
        for step in steps:
            for cause, says, value in _applied(OF_STEPS, step):
                if step.alone:
                    yield cause, says, value
                elif np.shape(value) == expected.shape:
                    yield cause, says, expected - step.value + value

    def _far(self, node: Tensor, steps: Sequence[Step], expected: Any) -> Iterator[Candidate]:
        """Yield the results of slips in earlier steps, on the way from given gradients."""
        for slip in OF_STEPS:
            for step in steps:
                name = self._right.names.get(step.of)
                for cause, says, value in _applied([slip], step):
                    if np.shape(value) == np.shape(step.value):
                        carried = self._pieces.carried(step.of, np.asarray(value - step.value), node)
                        yield cause, f"comes from a d{name} that {says}" if name else says, expected + carried

    def _steps(self, node: Tensor) -> list[Step]:
        """Return the steps that lead from given gradients to that of a node, the nearest first."""
        right, cut = self._right, self._cut
        found = list(steps_to(node, right.reads, cut))
        readers = list(dict.fromkeys(reader for reader, _ in found))
        cotangents = dict(zip(readers, self._pieces.arriving(readers), strict=True))
        cotangents |= {x: g for x, g in cut.items() if x in cotangents}
        values = self._named_near(node, right.values)
        gradients = self._named_near(node, {**right.gradients, **cut}, "d")
        steps = [
            Step(
                of=cast(Tensor, reader.inputs[i]),
                node=reader,
                op=without_shortcut(cast(Op, reader.op)),
                position=i,
                g=cotangents[reader],
                name=self._gradient_label(reader, cotangents),
                operands=[self._label(x) for x in reader.inputs],
                result=self._label(reader),
                values=values,
                gradients=gradients,
            )
            for reader, i in found
        ]
        steps = [step for step in steps if step.repeated is not None]  # some inputs of variadic ops have no gradient
        ways = Counter(step.of for step in steps)
        return [replace(step, alone=ways[step.of] == 1) for step in steps]

    def _label(self, x: Any) -> str:
        """Return the name of an operand."""
        if not isinstance(x, Tensor):
            return number(x)
        if x in self._right.names:
            return self._right.names[x]
        if x.op is not None and x.op.notation == TRANSPOSED:
            return transposed(self._label(x.inputs[0]))
        text = "" if x.site.anonymous else x.site.text
        return text if text and len(text) <= _LONGEST_OPERAND else describe(x)

    def _gradient_label(self, node: Tensor, cotangents: Mapping[Tensor, Any]) -> str:
        """Return the name for the gradient of a node: that of W X in Z = W X + b is dZ."""
        names, x = self._right.names, node
        while x not in names:
            readers = self._right.reading.readers.get(x, [])
            if len(readers) != 1 or not np.array_equal(cotangents.get(readers[0], ()), cotangents[node]):
                return f"the gradient of {self._label(node)}"
            (x,) = readers
        return f"d{names[x]}"


def _applied(slips: Sequence[Slip], of: Any) -> Iterator[Candidate]:
    """Yield the results of some slips."""
    for slip in slips:
        for value, texts in slip.values(of):
            yield slip.cause, slip.says.format_map(texts), value
