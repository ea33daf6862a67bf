"""The work of `check_backprop`: what was given is compared with what is right, and with what follows from the rest."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from types import FrameType
from typing import Any

import numpy as np

from ...autodiff.traversal import pulled_back
from ...errors import ArgumentError, DTypeError, GraphError
from ...graph.tensor import ArrayLike, Tensor, array_of, toposort
from ...graph.threads import cached_property
from ...writing.names import names_of, readers_of, scalars_of
from ...writing.notation import backward_order
from .pieces import Pieces, largest, reads_of, sizes_of, steps_to
from .report import BackpropReport, Comparison
from .search import Search
from .slips import NO_SLIP

_MOST_NODES = 1000  # of a graph whose equations are derived
_MOST_NAMES = 20  # in a message
_LONGEST_EQUATION = 64  # characters
_WORD, _NO_NAME = re.compile(r"\w+"), re.compile(r"\bt\d+\b")
_ROUNDING = 64  # times what the last digit of the terms is worth


class Check:
    """The gradients given for one graph, and what they should be. All are exact here: see `Compared`."""

    def __init__(self, output: Tensor, given: Mapping[str, ArrayLike], frame: FrameType) -> None:
        self.output, self._frame = output, frame
        self.order = toposort(output)
        self.names = names_of(self.order, frame)
        self.readers = readers_of(self.order)
        self.reads = reads_of(self.order)
        arrays = self._arrays(given)
        shown = {x for x in self.order if x in self.names or len(self.readers.get(x, ())) > 1 or x is output}
        self.given = {node: arrays[node] for node in backward_order(self.order, shown) if node in arrays} | arrays
        dtypes = {x.dtype for x in self.order if x.dtype.kind == "f"}
        self._precisions = {node: _coarsest(*dtypes, _dtype(value)) for node, value in self.given.items()}
        self.exact = self._gradients(list(self.given))

    def _arrays(self, given: Mapping[str, ArrayLike]) -> dict[Tensor, np.ndarray[Any, Any]]:
        """What was given, by the nodes whose gradients it is said to be."""
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
                raise DTypeError(f"{name} holds {array.dtype}, and a gradient holds real numbers")
        return arrays

    def _gradients(self, nodes: Sequence[Tensor]) -> dict[Tensor, Any]:
        found = pulled_back([self.output], [self.output.dtype.type(1)], nodes, numbers=True)
        return dict(zip(nodes, map(np.asarray, found), strict=True))

    def report(self, asked: str) -> BackpropReport:
        """Compare in the convention that was asked for, or in another where less is wrong in itself."""
        scales = {"exact": dict.fromkeys(self.given, 1.0), "lecture": self._lecture}
        compared = first = Compared(self, asked, scales[asked])
        if compared.wrong:
            for convention, other in (*scales.items(), ("lecture", self._common)):
                if other != first.scales and other != compared.scales:
                    compared = min(compared, Compared(self, convention, other), key=lambda x: len(x.mistakes))
        note = "" if compared is first else self._note(compared, first.scales)
        return BackpropReport(list(compared.comparisons()), compared.convention, note)

    # -- conventions -------------------------------------------------------------------------------------------

    def _scales(self, of_results: dict[Tensor, float]) -> dict[Tensor, float]:
        """By what a convention multiplies the gradients that were given, in which inputs count as results do."""
        last = next(reversed(of_results.values()), 1.0)
        return {
            node: 1.0 if self._is_parameter(node) or node is self.output else of_results.get(node, last)
            for node in self.given
        }

    @cached_property
    def _lecture(self) -> dict[Tensor, float]:
        """The scales of the lecture's convention; 1 where none can be derived, or they have no 1/m in common."""
        if len(self.order) > _MOST_NODES or all(map(self._is_parameter, self.given)):
            return self._scales({})
        from ...equations.derivation import Work  # here, since importing what it takes is slow

        try:
            return self._scales(Work(self.output, self._leaves, self._frame).scales())
        except (GraphError, ArgumentError):  # a leaf has changed between two uses; an equation has no end
            return self._scales({})

    @property
    def _common(self) -> dict[Tensor, float]:
        """The scales where, besides parameters, all gradients of results are too large by the same count."""
        results = [node for node in self.given if not self._is_parameter(node) and node is not self.output]
        for n in self.counts.values() if any(map(self._is_parameter, self.given)) else ():
            if results and all(self.matches(node, self.given[node], n * self.exact[node]) for node in results):
                return self._scales(dict.fromkeys(results, n))
        return self._scales({})

    @staticmethod
    def _is_parameter(node: Tensor) -> bool:
        return node.op is None and node.requires_grad

    @property
    def _leaves(self) -> set[Tensor]:
        return set(filter(self._is_parameter, self.order))

    def _note(self, compared: Compared, asked: Mapping[Tensor, float]) -> str:
        """That the gradients of results are not in the convention that was asked for."""
        scaled = [node for node in self.given if compared.scales[node] != asked[node]]
        names = [f"d{self.names[node]}" for node in scaled]
        listed = f"{', '.join(names[:-1])} and {names[-1]} are" if len(names) > 1 else f"{names[0]} is"
        factors = {max(compared.scales[node], asked[node]) for node in scaled}
        m = next((name for name, n in self.counts.items() if factors == {n}), "a part")
        what = f"1/{m} of those of each example's loss" if compared.convention == "exact" else f"{m} times ∂J/∂V"
        return f'{listed} {what}: that is convention="{compared.convention}", in which they are compared'

    # -- rounding ----------------------------------------------------------------------------------------------

    def agrees(self, node: Tensor, value: np.ndarray[Any, Any]) -> bool:
        """Whether a gradient is right but for rounding, relative to each element and to the terms of its sums."""
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
        return sizes_of(self.order, list(self.given))

    def matches(self, node: Tensor, value: Any, candidate: Any, digits: float = 0.5) -> bool:
        """Whether what was given for a node is a value, to a part of its digits, relative to its largest element."""
        if np.shape(value) != np.shape(candidate):
            return False
        return bool((_off(value, candidate) <= self._precisions[node].eps ** digits * largest(candidate)).all())

    # -- what there is to be named -----------------------------------------------------------------------------

    @cached_property
    def values(self) -> dict[Tensor, Any]:
        """The values of what has a name, as they were read."""
        found = {x: x._seen for x in self.names if x.dtype.kind == "f"}
        for node in self.order:
            found |= {
                x: a for x, a in zip(node.inputs, node._args, strict=True) if isinstance(x, Tensor) and x in found
            }
        return {x: np.asarray(a) for x, a in found.items()}

    @cached_property
    def gradients(self) -> dict[Tensor, Any]:
        """The exact gradients of what has a name."""
        return self._gradients([node for node in self.values if node is not self.output])

    @cached_property
    def counts(self) -> dict[str, float]:
        """What a mean may be taken over, by name: the scalars that have one, and the lengths of axes."""
        named = {name: value for value, name in scalars_of(self.order, set(self.names.values())).items() if value > 1}
        lengths = {float(n) for node in self.order for n in node.shape}
        others = {n for n in lengths | set(self._lecture.values()) if n > 1} - set(named.values())
        return named | {f"{n:g}": n for n in sorted(others)}

    def equation(self, node: Tensor, lecture: bool) -> str:
        """What the gradient of a node should be: in one step if all that takes was given, or as `derive` prints it."""
        if len(self.order) > _MOST_NODES:
            return ""
        given = {f"d{self.names[x]}" for x in self.given}
        apart = self._equation(node, {node}, lecture, expand=True)
        needed = set(_WORD.findall(apart)) & {f"d{name}" for name in self.names.values()}
        return apart if needed <= given else self._equation(node, self._leaves, lecture, expand=False) or apart

    def _equation(self, node: Tensor, sought: set[Tensor], lecture: bool, expand: bool) -> str:
        """None that is long, or over what only `derive` has a name for."""
        from ...equations.derivation import Work

        try:
            derived = Work(self.output, sought, self._frame, expand=expand).run(lecture)
        except (GraphError, ArgumentError):
            return ""
        text = next((equation.text for equation in derived if equation.steps and equation.tensor is node), "")
        unknown = set(_NO_NAME.findall(text)) - set(self.names.values())
        return "" if len(text) > _LONGEST_EQUATION or unknown else text


class Compared:
    """The gradients given, compared in one convention."""

    def __init__(self, check: Check, convention: str, scales: Mapping[Tensor, float]) -> None:
        self.check, self.convention, self.scales = check, convention, scales
        self.values = {node: value.astype(float) / scales[node] for node, value in check.given.items()}
        """What was given, as exact gradients."""
        self.wrong = {node for node, value in self.values.items() if not check.agrees(node, value)}
        self.cut = {
            node: value
            for node, value in self.values.items()
            if node.op is not None and node is not check.output and value.shape == node.shape
        }
        """The results whose gradients were given: what comes after is compared with what follows from these."""

    @cached_property
    def mistakes(self) -> dict[Tensor, Any]:
        """Those that are wrong in themselves, each with what it should be."""
        if not self.wrong:
            return {}
        pieces = Pieces(self.check.order, self.cut, direct=self.cut.__contains__)
        expected = dict(zip(self.values, pieces.arriving(list(self.values)), strict=True))
        return {x: expected[x] for x in self.values if x in self.wrong and not self._follows(x, expected[x])}

    def _follows(self, node: Tensor, expected: Any) -> bool:
        """Whether a wrong gradient follows from others, or comes after one of which that cannot be said."""
        before = self._before(node)
        comparable = all(x in self.cut for x in before)
        return bool(before) and (not comparable or self.check.matches(node, self.values[node], expected))

    def _before(self, node: Tensor) -> list[Tensor]:
        """The wrong gradients that lead to another."""
        steps = steps_to(node, self.check.reads, self.values.keys())
        return list(dict.fromkeys(reader for reader, _ in steps if reader in self.wrong))

    def comparisons(self) -> Iterator[Comparison]:
        """What there is to say of each."""
        search = Search(self) if self.mistakes else None
        for node, given in self.check.given.items():
            name = f"d{self.check.names[node]}"
            if node not in self.wrong:
                exact = self.check.exact[node]
                known = "" if np.isfinite(exact).all() else "agrees where that of the graph is finite"
                yield Comparison(name, "agrees", given, self.scales[node] * exact, explanation=known)
            elif search is None or node not in self.mistakes:
                yield Comparison(name, "follows", given, given, explanation=self._after(node))
            else:
                expected = self.mistakes[node]
                causes, explanation = search.explained(node, expected)
                verdict = "agrees" if causes[0] == NO_SLIP else "wrong"
                equation = self.check.equation(node, self.convention == "lecture") if verdict == "wrong" else ""
                before = " and ".join(f"d{self.check.names[x]}" for x in self._before(node) if x in self.cut)
                due = f"from your {before} it would be" if before else "it should be"
                scaled = self.scales[node] * expected
                yield Comparison(name, verdict, given, scaled, causes, explanation, due=due, equation=equation)

    def _after(self, node: Tensor) -> str:
        before = self._before(node)
        names = " and ".join(f"d{self.check.names[x]}" for x in before)
        if all(x in self.cut for x in before):
            return f"follows from your {names}"
        return f"comes after {names}, where the shapes have to be right first"


def _off(value: Any, expected: Any) -> Any:
    """How far apart elements are; what is expected to be infinite or NaN says nothing of what was given."""
    return np.where((value == expected) | ~np.isfinite(expected), 0.0, np.abs(value - expected))


def _dtype(value: np.ndarray[Any, Any]) -> np.dtype[Any]:
    """The type of the numbers in an array; those of a narrower one may have been widened, and whole ones are exact."""
    if value.dtype.kind != "f":
        return np.dtype(np.float64)
    widened = value.dtype == np.float64 and bool((value == value.astype(np.float32)).all())
    return np.dtype(np.float32) if widened else value.dtype


def _coarsest(*dtypes: np.dtype[Any]) -> Any:
    """What is to be known of the dtype with the fewest digits."""
    return max(map(np.finfo, dtypes), key=lambda precision: precision.eps)
