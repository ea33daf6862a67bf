"""Checking backpropagation that was written by hand: which gradient is the first that is wrong, and by what slip."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from sys import _getframe
from types import FrameType
from typing import Any, overload

import numpy as np

from .autodiff import pulled_back
from .errors import ArgumentError, DTypeError, GraphError, UnsupportedError
from .graph import ArrayLike, Tensor, array_of, describe, make_node, toposort
from .names import names_of, readers_of, scalars_of
from .notation import as_text, backward_order, number
from .recording import enable_grad
from .slips import LAST, OF_GRADIENTS, OF_STEPS, Gradient, Slip, Step, Texts, transposed, without_shortcut

_MOST_STEPS = 60  # on the way to a gradient that are looked at for slips
_MOST_NODES = 1000  # of a graph whose equations are derived
_LONGEST_OPERAND = 30  # characters
_ROUNDING = 64  # in units of what the last digit of the terms is worth


@dataclass(frozen=True, eq=False)
class Comparison:
    """What `check_backprop` says of one gradient."""

    name: str
    verdict: str
    """agrees; wrong; or follows, where it is right given an earlier one that is not."""
    given: np.ndarray[Any, Any]
    expected: np.ndarray[Any, Any]
    """The gradient in the convention of the report; where earlier ones are wrong, what follows from these."""
    causes: tuple[str, ...] = ()
    """Of a gradient that is wrong the names of the slips that lead to it, the likeliest first: ``missing 1/m``, …"""
    explanation: str = ""
    """The same as the end of a sentence about it."""
    equation: str = ""
    """What it should be, where that can be written in a line."""

    @property
    def cause(self) -> str | None:
        """The likeliest slip."""
        return self.causes[0] if self.causes else None

    @cached_property
    def index(self) -> tuple[int, ...] | None:
        """Where it is off most; None where the shape is wrong."""
        if self.given.shape != self.expected.shape or not self.given.size:
            return None
        with np.errstate(all="ignore"):
            off = np.nan_to_num(np.abs(self.given - self.expected), nan=np.inf)
        return tuple(int(i) for i in np.unravel_index(off.argmax(), off.shape))

    @property
    def error(self) -> float:
        """By how much it is off there; NaN where the shape is wrong."""
        return float("nan") if self.index is None else float(abs(self.given[self.index] - self.expected[self.index]))

    def __str__(self) -> str:
        return f"{self.name} {self.explanation or self.verdict}"

    __repr__ = __str__

    @property
    def details(self) -> str:
        """The equation, and the numbers where they are most apart."""
        if self.index is None:
            numbers = f"it has shape {self.given.shape}, and should have {self.expected.shape}"
        else:
            yours, ours = _told_apart(float(self.given[self.index]), float(self.expected[self.index]))
            numbers = f"{f'at {list(self.index)} ' if self.index else ''}you have {yours}, it should be {ours}"
        return f"{self.equation}; {numbers}" if self.equation else numbers


class BackpropReport(Sequence[Comparison]):
    """What `check_backprop` found: of each gradient given a `Comparison`, in backward order; by position or by name."""

    def __init__(self, comparisons: Sequence[Comparison], convention: str, note: str) -> None:
        self.table = tuple(comparisons)
        """All comparisons."""
        self.convention = convention
        """The convention that the gradients follow."""
        self._note = note

    @property
    def ok(self) -> bool:
        """Whether all agree."""
        return self.first is None

    @property
    def first(self) -> str | None:
        """The name of the first that is wrong."""
        return self._first.name if self._first is not None else None

    @property
    def cause(self) -> str | None:
        """The name of the slip that explains it."""
        return self._first.cause if self._first is not None else None

    @property
    def _first(self) -> Comparison | None:
        return next((comparison for comparison in self.table if comparison.verdict == "wrong"), None)

    @overload
    def __getitem__(self, key: int | str) -> Comparison: ...
    @overload
    def __getitem__(self, key: slice) -> Sequence[Comparison]: ...
    def __getitem__(self, key: int | str | slice) -> Comparison | Sequence[Comparison]:
        if not isinstance(key, str):
            return self.table[key]
        found = [comparison for comparison in self.table if comparison.name == key]
        if not found:
            raise KeyError(f"{key} was not given; there are {', '.join(c.name for c in self.table)}")
        return found[0]

    def __len__(self) -> int:
        return len(self.table)

    def __str__(self) -> str:
        first = self._first
        lines = ["all agree" if first is None else str(first), ""]
        wide = max(len(comparison.name) for comparison in self.table)
        for comparison in self.table:
            text = {"agrees": "agrees", "follows": comparison.explanation}.get(comparison.verdict)
            if text is None:
                text = comparison.details
                text = f"wrong: {text}" if comparison is first else f"wrong too, it {comparison.explanation}: {text}"
            lines.append(f"{comparison.name:<{wide}}   {text}")
        return "\n".join([*lines, *(["", self._note] if self._note else [])])

    __repr__ = __str__


def check_backprop(
    output: Tensor,
    given: Mapping[str, ArrayLike] | None = None,
    /,
    *,
    convention: str = "lecture",
    **named: ArrayLike,
) -> BackpropReport:
    """Compare gradients that you computed by hand, and say which is the first that is wrong, and by what slip.

    `output` is the recorded scalar, J. Give any of its gradients by name, ``dW1`` for that of W1, as arrays or tensors;
    names that are no identifiers in a dict. They are compared in backward order. What comes after a wrong one is
    compared with what follows from it, so that an error counts once.

    The cause is looked for among the usual slips: the factor 1/m missing or doubled, a sign, a transpose, a sum missing
    or over the wrong axis, keepdims, the elementwise product for the matrix product, g′ forgotten, or at A instead of
    Z, or of another function, another factor in its place, and others; also on the way to what you gave.

    `convention` is that of `derive`: with "lecture" gradients of results are those of each example's loss, and 1/m
    enters with the parameters; with "exact" every dV is ∂J/∂V. Where all you gave follows the other one, it says so.
    No ``.grad`` is needed or touched. What rounding may do, in the coarsest dtype among the graph's and yours, is not
    an error.

    Raises `ArgumentError` for a name that is no gradient's, nothing given, another convention, or an `output` that is
    no scalar; `UnsupportedError` where nothing requires a gradient; `DTypeError` for what holds no numbers.

    >>> import numpy as np, tinygraph as tg
    >>> X, Y = tg.Tensor([[0.0, 1.0, 2.0], [1.0, 0.0, 1.0]]), tg.Tensor([[0.0, 1.0, 1.0]])
    >>> w, b = tg.parameter([[0.5, -0.5]]), tg.parameter([[0.25]])
    >>> Z = w @ X + b
    >>> A = tg.sigmoid(Z)
    >>> J = tg.log_loss(A, Y)
    >>> dZ = A.data - Y.data
    >>> dw = dZ @ X.data.T
    >>> db = np.mean(dZ, axis=1, keepdims=True)
    >>> tg.check_backprop(J, dZ=dZ, dw=dw, db=db)
    dw lacks the factor 1/m: it is 3 times as large as it should be
    <BLANKLINE>
    dZ   agrees
    dw   wrong: dw = (1/m) dZ Xᵀ; at [0, 0] you have −0.7409, it should be −0.247
    db   agrees
    """
    if not isinstance(output, Tensor):
        raise TypeError(f"check_backprop takes the tensor that was differentiated, not {type(output).__name__}")
    if convention not in ("lecture", "exact"):
        raise ArgumentError(f'convention is "lecture" or "exact", not {convention!r}')
    if output.shape != ():
        raise ArgumentError(f"{describe(output)} has shape {output.shape}; backpropagation begins at a scalar")
    if output.op is None or not output.requires_grad:
        raise UnsupportedError(
            f"{describe(output)} does not depend on anything that requires a gradient;"
            " what is to be learned is made with parameter(…)"
        )
    with enable_grad():
        return _Check(output, {**(given or {}), **named}, _getframe(1)).report(convention)


class _Check:
    """The work of `check_backprop`. Within, all gradients are exact; `scales` go to and from a convention."""

    def __init__(self, output: Tensor, given: Mapping[str, ArrayLike], frame: FrameType) -> None:
        self.output, self.frame = output, frame
        self.order = toposort(output)
        self.names = names_of(self.order, frame)
        self.readers = readers_of(self.order)
        nodes = {f"d{name}": node for node, name in self.names.items() if node.dtype.kind == "f"}
        if unknown := [name for name in given if name not in nodes]:
            known = [name for name, node in nodes.items() if node.requires_grad]
            raise ArgumentError(
                f"there is no {', '.join(unknown)}; the gradients here are {', '.join(reversed(known))}"
            )
        if not given:
            raise ArgumentError("there is nothing to compare: give gradients by name, as in dW1=dW1")
        arrays = {nodes[name]: _numbers(name, value) for name, value in given.items()}
        shown = {x for x in self.order if x in self.names or len(self.readers.get(x, ())) > 1 or x is output}
        self.given = {node: arrays[node] for node in backward_order(self.order, shown) if node in arrays}
        self.given |= arrays  # what backward never comes to
        dtypes = [x.dtype for x in self.order if x.dtype.kind == "f"]
        self.epsilon = max(float(np.finfo(dtype).eps) for dtype in dtypes)
        self.truth = dict(zip(self.given, self.gradients(list(self.given)), strict=True))

    def gradients(self, nodes: Sequence[Tensor]) -> list[Any]:
        """The exact gradients of nodes."""
        seed = self.output.dtype.type(1)
        with np.errstate(all="ignore"):
            return [np.asarray(g) for g in pulled_back([self.output], [seed], nodes, numbers=True)]

    # -- conventions -------------------------------------------------------------------------------------------

    def scale(self, node: Tensor, convention: str) -> float:
        """By what a convention multiplies the gradient of a node."""
        if convention == "exact" or node.requires_grad and node.op is None:
            return 1.0
        scales = self.scales
        return scales.get(node, 1.0 if node.op is not None else next(reversed(scales.values()), 1.0))

    @cached_property
    def scales(self) -> dict[Tensor, float]:
        """Those of the lecture's convention, where equations can be derived."""
        if len(self.order) > _MOST_NODES:
            return {}
        from .derivation import Work  # here, since importing what it takes is slow

        try:
            return Work(self.output, self.leaves, self.frame).scales()
        except (GraphError, ArgumentError):  # a leaf has changed between two uses; an equation has no end
            return {}

    @property
    def leaves(self) -> set[Tensor]:
        """The parameters."""
        return {x for x in self.order if x.op is None and x.requires_grad}

    # -- the report --------------------------------------------------------------------------------------------

    def report(self, asked: str) -> BackpropReport:
        """Compare; in the other convention where less is wrong by itself there."""
        other = "exact" if asked == "lecture" else "lecture"
        parts = [_Part(self, asked)]
        if parts[0].wrong and any(self.scale(node, "lecture") != 1 for node in self.given):
            parts.append(_Part(self, other))
        part = min(parts, key=lambda part: len(part.mistakes))
        return BackpropReport(part.comparisons(), part.convention, self._note(asked, part.convention))

    def _note(self, asked: str, followed: str) -> str:
        """Which convention the gradients of results follow."""
        names = [f"d{self.names[node]}" for node in self.given if self.scale(node, "lecture") != 1]
        if asked == followed or not names:
            return ""
        listed, are = ", ".join(names), "is" if len(names) == 1 else "are"
        if followed == "exact":
            return f'{listed} {are} ∂J/∂V with all factors, which is convention="exact", and compared as such'
        return f'{listed} {are} of each example\'s loss, which is convention="lecture", and compared as such'

    # -- rounding ----------------------------------------------------------------------------------------------

    def agrees(self, node: Tensor, value: np.ndarray[Any, Any], expected: np.ndarray[Any, Any]) -> bool:
        """Whether a gradient is right but for rounding: relative to each element, and to the terms it is summed from."""
        if value.shape != expected.shape:
            return False
        epsilon = max(self.epsilon, _epsilon(self.given[node]))
        with np.errstate(all="ignore"):
            same = (value == expected) | (np.isnan(value) & np.isnan(expected))
            off = np.where(same, 0.0, np.abs(value - expected))
            if (off <= np.sqrt(epsilon) * np.abs(expected)).all():
                return True
            allowed = np.sqrt(epsilon) * np.abs(expected) + _ROUNDING * epsilon * self.sizes[node]
            return bool((off <= allowed).all())

    @cached_property
    def sizes(self) -> dict[Tensor, float]:
        """How large the terms are that each gradient is summed from: how much it moves when all results are shaken."""
        found = dict.fromkeys(self.given, 0.0)
        rng, shake = np.random.default_rng(0), 1e-7
        for _ in range(3):
            values: dict[Tensor, Any] = {}
            made: dict[Tensor, Tensor] = {}
            with np.errstate(all="ignore"):
                for node in self.order:
                    if node.op is None:
                        made[node] = node
                        continue
                    args = tuple(
                        _wide(values.get(x, a) if isinstance(x, Tensor) else a)
                        for x, a in zip(node.inputs, node.args, strict=True)
                    )
                    y = node.op.run(*args, **node.params)
                    if node.dtype.kind == "f":
                        y = y * (1 + shake * rng.uniform(-1, 1, node.shape))
                    values[node] = y
                    made[node] = _again(node, node.op, made, args, y)
                moved = pulled_back([made[self.output]], [np.float64(1)], [made[x] for x in self.given], numbers=True)
                for node, g in zip(self.given, moved, strict=True):
                    off = np.abs(np.asarray(g) - self.truth[node])
                    found[node] = max(found[node], np.nan_to_num(off).max(initial=0.0) / shake)
        return found

    # -- in words ----------------------------------------------------------------------------------------------

    def label(self, x: Any) -> str:
        """What an operand is called."""
        if not isinstance(x, Tensor):
            return number(x)
        if x in self.names:
            return self.names[x]
        if x.op is not None and x.op.name == "matrix_transpose":
            return transposed(self.label(x.inputs[0]))
        text = "" if x.site.anonymous else x.site.text
        return text if text and len(text) <= _LONGEST_OPERAND else describe(x)

    @cached_property
    def values(self) -> dict[str, np.ndarray[Any, Any]]:
        """The values of what has a name."""
        found: dict[str, np.ndarray[Any, Any]] = {}
        for node in self.order:
            for x, a in ((node, node._seen), *zip(node.inputs, node.args, strict=True)):
                if isinstance(x, Tensor) and x in self.names and x.dtype.kind == "f":
                    found[self.names[x]] = np.asarray(a)  # as it was read
        return found

    @cached_property
    def named_gradients(self) -> dict[Tensor, Any]:
        """The exact gradients of what has a name."""
        nodes = [node for node in self.names if node.dtype.kind == "f" and node is not self.output]
        return dict(zip(nodes, self.gradients(nodes), strict=True))

    @cached_property
    def counts(self) -> dict[str, float]:
        """What a mean may be taken over, by name: the scalars that have one, and the lengths of axes."""
        scalars = {name: value for value, name in scalars_of(self.order, set(self.names.values())).items() if value > 1}
        shared = {scale for scale in self.scales.values() if scale > 1}
        lengths = {float(n) for node in self.order if node.op is not None for n in node.shape if n > 1}
        return scalars | {f"{n:g}": n for n in sorted(shared | lengths) if n not in scalars.values()}

    def equation(self, node: Tensor, convention: str) -> str:
        """What the gradient of a node should be: of the gradients that were given, if it can."""
        given = {f"d{self.names[x]}" for x in self.given}
        gradients = {f"d{name}" for name in self.names.values()}
        apart, merged = (derived.get(node, "") for derived in self._equations(convention))
        needed = set(re.findall(r"\w+", apart)) & gradients
        return apart if apart and needed <= given or not merged else merged

    def _equations(self, convention: str) -> tuple[dict[Tensor, str], dict[Tensor, str]]:
        """Each gradient in one step, and as `derive` prints them."""
        if len(self.order) > _MOST_NODES:
            return {}, {}
        from .derivation import Work

        def derived(expand: bool) -> dict[Tensor, str]:
            work = Work(self.output, self.leaves, self.frame, expand=expand)
            return {e.tensor: e.text for e in work.run(convention == "lecture") if e.steps}

        try:
            return derived(True), derived(False)
        except (GraphError, ArgumentError):
            return {}, {}


class _Part:
    """The gradients given, compared in one convention."""

    def __init__(self, check: _Check, convention: str) -> None:
        self.check, self.convention = check, convention
        with np.errstate(all="ignore"):
            self.exact = {
                node: value.astype(float) / check.scale(node, convention) for node, value in check.given.items()
            }
        self.wrong = {node for node, value in self.exact.items() if not check.agrees(node, value, check.truth[node])}

    @cached_property
    def cut(self) -> dict[Tensor, Any]:
        """The results whose gradient was given, and so leads to those of others as it is."""
        return {
            node: value
            for node, value in self.exact.items()
            if node.op is not None and node is not self.check.output and value.shape == node.shape
        }

    @cached_property
    def mistakes(self) -> dict[Tensor, np.ndarray[Any, Any]]:
        """Those that are wrong by themselves, each with what it should be."""
        if not self.wrong:
            return {}
        pieces = _Pieces(self.check, self.cut, {x: x in self.cut for x in self.check.order})
        expected = dict(zip(self.exact, pieces.gradients([pieces.read[x] for x in self.exact]), strict=True))
        return {
            x: expected[x]
            for x in self.exact
            if x in self.wrong
            and not self.matches(x, self.exact[x], expected[x])
            and all(before in self.cut for before in self._before(x))
        }

    def matches(self, node: Tensor, value: Any, candidate: Any) -> bool:
        """Whether a value is another, but for rounding."""
        if np.shape(value) != np.shape(candidate):
            return False
        tolerance = np.sqrt(max(self.check.epsilon, _epsilon(self.check.given[node])))
        with np.errstate(all="ignore"):
            same = (value == candidate) | (np.isnan(value) & np.isnan(candidate))
            off = np.where(same, 0.0, np.abs(value - candidate))
            return bool((off <= tolerance * np.abs(candidate).max(initial=0.0)).all())

    def comparisons(self) -> Iterator[Comparison]:
        """What there is to say of each."""
        search = _Search(self) if self.mistakes else None
        for node, given in self.check.given.items():
            name, scale = f"d{self.check.names[node]}", self.check.scale(node, self.convention)
            if node not in self.wrong:
                yield Comparison(name, "agrees", given, scale * self.check.truth[node])
            elif node not in self.mistakes:
                yield Comparison(name, "follows", given, given, explanation=self._follows(node))
            else:
                assert search is not None
                expected = self.mistakes[node]
                causes, explanation = search.explained(node, self.exact[node], expected)
                equation = self.check.equation(node, self.convention)
                yield Comparison(name, "wrong", given, scale * expected, causes, explanation, equation)

    def _before(self, node: Tensor) -> list[Tensor]:
        """The wrong gradients that were given, and lead to another."""
        steps = _steps_to(node, self.check.order, self.exact)
        return list(dict.fromkeys(reader for reader, _, _ in steps if reader in self.wrong))

    def _follows(self, node: Tensor) -> str:
        before = self._before(node)
        names = " and ".join(f"d{self.check.names[x]}" for x in before)
        if all(x in self.cut for x in before):
            return f"follows from your {names}"
        return f"comes after {names}, and can be compared when the shapes there are right"


class _Pieces:
    """The graph recorded again, cut where a gradient was given: what reads such a node reads a leaf in its place."""

    def __init__(self, check: _Check, cut: Mapping[Tensor, Any], direct: Mapping[Tensor, bool]) -> None:
        self.made: dict[Tensor, Tensor] = {}
        """What computes each node,"""
        self.read: dict[Tensor, Tensor] = {}
        """and what its readers read."""
        for node in check.order:
            made = node
            if node.op is not None:
                through = any(direct[node.inputs[i]] for i in node.op.aside)  # type: ignore[index]
                op = without_shortcut(node.op) if through else node.op
                made = _again(node, op, self.read, node.args, node.value)
            self.made[node] = made
            self.read[node] = Tensor(node.value) if node in cut else made
        self._outputs = [self.made[check.output], *(self.made[node] for node in cut)]
        self._seeds = [check.output.dtype.type(1), *(g.astype(node.dtype)[()] for node, g in cut.items())]

    def gradients(self, nodes: Sequence[Tensor]) -> list[Any]:
        """The gradients of nodes of the pieces, given those at the cuts."""
        with np.errstate(all="ignore"):
            return [np.asarray(g) for g in pulled_back(self._outputs, self._seeds, nodes, numbers=True)]

    def carried(self, source: Tensor, g: Any, target: Tensor) -> Any:
        """What a gradient at one node adds to that of another."""
        made = self.made[source]
        with np.errstate(all="ignore"):
            return np.asarray(pulled_back([made], [g.astype(made.dtype)[()]], [self.read[target]], numbers=True)[0])


class _Search:
    """The search for the slip that explains a gradient."""

    def __init__(self, part: _Part) -> None:
        self.check, self.cut, self.matches = part.check, part.cut, part.matches
        self.part = part
        self.pieces = _Pieces(self.check, self.cut, dict.fromkeys(self.check.order, True))

    def explained(self, node: Tensor, value: Any, expected: Any) -> tuple[tuple[str, ...], str]:
        """The names of the slips that lead to it, and a sentence without its subject."""
        if not np.isfinite(value).all() and np.isfinite(expected).all():
            return ("not finite",), "is not finite"
        for found in self._stages(node, expected):
            causes: dict[str, str] = {}
            for cause, says, candidate in found:
                if self.matches(node, value, candidate) and not self.matches(node, expected, candidate):
                    causes.setdefault(cause, says)
            if causes:
                return tuple(causes), ", or ".join(list(causes.values())[:2])
        if value.shape != expected.shape:
            return ("shape",), f"has the wrong shape: a tensor and its gradient always have the same"
        if value.size > 1 and np.count_nonzero(expected) > 1:
            times = float(np.vdot(expected, value) / np.vdot(expected, expected))
            if times and self.matches(node, value, times * expected):
                return ("factor",), f"is {number(times)} times what it should be"
        return ("unknown",), "is wrong, and not by one of the usual slips"

    def _stages(self, node: Tensor, expected: Any) -> Iterator[Iterator[tuple[str, str, Any]]]:
        """Ever less simple explanations: each the name of a slip, what it says, and the value that it leads to."""
        scale = self.check.scale(node, self.part.convention)
        gradients = {f"d{self.check.names[x]}": g for x, g in self.check.named_gradients.items() if x is not node}
        results = {**gradients, **{name: value / scale for name, value in self.check.values.items()}}
        whole = Gradient(f"d{self.check.names[node]}", expected, self.check.counts, results)
        steps = list(self._steps(node))
        near = [step for source, step in steps if source is node]
        far = [(source, step) for source, step in steps if source is not node]
        yield self._of(OF_GRADIENTS, whole)
        yield self._near(near, expected)
        yield self._far(node, far, expected)
        yield self._of(LAST, whole)
        for once in (self._of(OF_GRADIENTS, whole), self._near(near, expected)):
            yield (
                (f"{cause}, {slip.cause}", f"{says}, and {slip.says.format_map(texts)}", twice)
                for cause, says, value in once
                for slip in OF_GRADIENTS
                for twice, texts in slip.values(replace(whole, value=np.asarray(value)))
            )

    def _of(self, slips: Sequence[Slip], of: Any) -> Iterator[tuple[str, str, Any]]:
        for slip in slips:
            for value, texts in slip.values(of):
                yield slip.cause, slip.says.format_map(texts), value

    def _near(self, steps: Sequence[Step], expected: Any) -> Iterator[tuple[str, str, Any]]:
        for step in steps:
            for cause, says, value in self._of(OF_STEPS, step):
                if step.alone:
                    yield cause, says, value
                elif np.shape(value) == expected.shape:
                    yield cause, says, expected - step.value + value

    def _far(self, node: Tensor, steps: Sequence[tuple[Tensor, Step]], expected: Any) -> Iterator[tuple[str, str, Any]]:
        for source, step in steps:
            for cause, says, value in self._of(OF_STEPS, step):
                if np.shape(value) == np.shape(step.value):
                    carried = self.pieces.carried(source, np.asarray(value - step.value), node)
                    yield cause, self._within(source, says), expected + carried

    def _within(self, source: Tensor, says: str) -> str:
        return f"comes from a d{self.check.names[source]} that {says}" if source in self.check.names else says

    def _steps(self, node: Tensor) -> Iterator[tuple[Tensor, Step]]:
        """The steps that lead to the gradient of a node from those that were given, the nearest first."""
        found = list(_steps_to(node, self.check.order, self.cut))
        readers = list(dict.fromkeys(reader for reader, _, _ in found))
        cotangents = dict(zip(readers, self.pieces.gradients([self.pieces.made[x] for x in readers]), strict=True))
        cotangents |= {x: g for x, g in self.cut.items() if x in cotangents}
        gradients = {f"d{self.check.names[x]}": g for x, g in {**self.check.named_gradients, **self.cut}.items()}
        ways: dict[Tensor, int] = {}
        for _, _, x in found:
            ways[x] = ways.get(x, 0) + 1
        for reader, i, x in found:
            assert reader.op is not None
            yield (
                x,
                Step(
                    reader,
                    without_shortcut(reader.op) if reader.op.aside else reader.op,
                    i,
                    cotangents[reader],
                    self._name_of(reader, cotangents),
                    [self.check.label(y) for y in reader.inputs],
                    self.check.label(reader),
                    ways[x] == 1,
                    self.check.values,
                    gradients,
                ),
            )

    def _name_of(self, node: Tensor, cotangents: Mapping[Tensor, Any]) -> str:
        """What the gradient of a node is called: that of W X in Z = W X + b is dZ."""
        x = node
        while x not in self.check.names and len(readers := self.check.readers.get(x, [])) == 1:
            (x,) = readers
            if x not in cotangents or not np.array_equal(cotangents[x], cotangents[node]):
                break
        else:
            if x in self.check.names:
                return f"d{self.check.names[x]}"
        return f"the gradient of {self.check.label(node)}"


def _steps_to(node: Tensor, order: Sequence[Tensor], cut: Mapping[Tensor, Any]) -> Iterator[tuple[Tensor, int, Tensor]]:
    """Who reads a node, at which position; who reads these; and so on as far as the cuts, the nearest first."""
    reads: dict[Tensor, list[tuple[Tensor, int]]] = {}
    for reader in order:
        if reader.op is not None and reader.dtype.kind == "f":
            op = without_shortcut(reader.op) if reader.op.aside else reader.op
            for i, x in enumerate(reader.inputs):
                if isinstance(x, Tensor) and (op.variadic or op.vjps[i] is not None):
                    reads.setdefault(x, []).append((reader, i))
    waiting, seen, count = [node], {node}, 0
    for x in waiting:
        for reader, i in reads.get(x, ()):
            yield reader, i, x
            count += 1
            if reader not in seen and reader not in cut:
                seen.add(reader)
                waiting.append(reader)
        if count >= _MOST_STEPS:
            return


def _again(node: Tensor, op: Any, stand_ins: Mapping[Tensor, Tensor], args: tuple[Any, ...], value: Any) -> Tensor:
    """A node recorded again."""
    inputs = tuple(stand_ins[x] if isinstance(x, Tensor) else x for x in node.inputs)
    if op.check is not None:
        op = without_shortcut(op)
    return make_node(op, inputs, args, node.params, value, True, _getframe())


def _wide(a: Any) -> Any:
    return a.astype(np.float64) if getattr(a, "dtype", None) is not None and a.dtype.kind == "f" else a


def _numbers(name: str, value: ArrayLike) -> np.ndarray[Any, Any]:
    """An array that was given."""
    array = array_of(value)
    if array.dtype.kind not in "biuf":
        raise DTypeError(f"{name} holds {array.dtype}, and a gradient holds real numbers")
    return array


def _epsilon(value: np.ndarray[Any, Any]) -> float:
    """The relative distance of numbers in an array; those of a narrower type may have been widened."""
    if value.dtype.kind != "f":
        return 0.0
    with np.errstate(all="ignore"):
        narrow = value.dtype == np.float64 and bool((value == value.astype(np.float32)).all())
    return float(np.finfo(np.float32 if narrow else value.dtype).eps)


def _told_apart(x: float, y: float) -> tuple[str, str]:
    """Two numbers in as few digits as show that they differ."""
    texts = next(
        (texts for digits in (4, 6, 9, 12) if len(set(texts := (f"{x:.{digits}g}", f"{y:.{digits}g}"))) > 1),
        (repr(x), repr(y)),
    )
    return texts[0].replace("-", "−"), texts[1].replace("-", "−")
