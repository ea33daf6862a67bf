"""The search for the origin of a NaN or an infinity: `detect_anomaly` checks every value and every cotangent.

It costs nothing while it is off, since a node asks for its `State` anyway. The backward pass is watched from outside:
if a cotangent is not finite, the rules that added to it are run once more to see which of them made it so.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import FrameType
from typing import Any, NamedTuple

import numpy as np

from ..autodiff.rules import cotangents_of_inputs
from ..autodiff.traversal import propagated
from ..errors import AnomalyError, Operand, shape_message
from ..graph.applying import described_operand, expression_text
from ..graph.node import LITERALS, Params, describe
from ..graph.recording import Change, State
from ..graph.records import NUMBERS, Op
from ..graph.sites import Site, locate
from ..graph.tensor import Tensor
from ..ops.arithmetic.broadcasting import unbroadcast


class detect_anomaly(Change):  # noqa: N801  (a function to its users, as in PyTorch)
    """Stop at the first operation that makes a NaN or an infinity of finite numbers, as a context manager or decorator.

    The error names the operation, forward or backward, its line and its operands. A NaN or an infinity is not an
    anomaly if it comes from one in the inputs: from the same element in an elementwise operation, from any element in
    another. Every ``.grad`` stays as it was. Each thread and task has its own state, as with `no_grad`. Compiled
    functions are checked when they are traced; a program that exists already runs without checks.

    Raise `AnomalyError`, which is also a `FloatingPointError`.

    >>> import numpy as np, tinygraph as tg
    >>> A2 = tg.Tensor([[0.5, 0.0]])
    >>> with tg.detect_anomaly(), np.errstate(divide="ignore"):
    ...     tg.log(A2)
    Traceback (most recent call last):
        ...
    tinygraph.errors.AnomalyError: tg.log(A2): 1 of 2 elements is -inf, the first at [0, 1], where A2 is 0.0
      A2  (1, 2)  0 … 0.5, 1 zero...
      ...
    """

    def _changed(self, state: State) -> State:
        return state._replace(watcher=self)

    def forward(
        self, record: Op, inputs: Sequence[Any], args: Sequence[Any], params: Params, value: Any, frame: FrameType
    ) -> None:
        """Raise `AnomalyError` if `value`, computed from these inputs, is an anomaly."""
        bad = None if _is_finite(value) else _made(value, record, [*args, *params.values()])
        if bad is not None:
            raise _in_value(record, inputs, args, value, bad, locate(frame)).error

    def backward(self, traversal: Iterator[tuple[Tensor, Any]]) -> Iterator[tuple[Tensor, Any]]:
        """Yield the items of a traversal; raise `AnomalyError` if a cotangent is an anomaly.

        Intermediate results of a rule are not checked, nor are parts of a gradient that stay aside.
        """
        cotangents: dict[Tensor, Any] = {}
        readers: dict[Tensor, list[Tensor]] = {}
        while True:
            with _Unwatched(), np.errstate(all="ignore"):
                reached = next(traversal, None)
            if reached is None:
                return
            node, gradient = reached
            cotangent = propagated(gradient)
            if cotangent is not None:
                value = cotangent._value if isinstance(cotangent, Tensor) else cotangent
                if not _is_finite(value):
                    sent = [(x, cotangents[x]) for x in readers.get(node, ())]
                    found = anomaly_in_gradient(node, value, sent, readers)
                    if found is not None and not (found.hidden and _is_at_infinity(found.bad, node)):
                        raise found.error
                cotangents[node] = value
                for x in {x for x in node.inputs if type(x) is Tensor}:
                    readers.setdefault(x, []).append(node)
            yield reached


class _Unwatched(Change):
    def _changed(self, state: State) -> State:
        return state._replace(watcher=None)


class Anomaly(NamedTuple):
    """A NaN or an infinity, with the operation and the operands that made it."""

    text: str
    """The operation, or the sum, that made it."""
    value: Any
    bad: Any
    """A mask of the faulty elements."""
    given: Mapping[Operand, Any]
    site: Site
    hint: str = ""
    pointwise: bool = False
    """Whether each element was made of the elements in its place."""
    hidden: str = ""
    """A sentence about the `where` that keeps it out of the value, and how it comes into the gradient all the same."""

    @property
    def reason(self) -> str:
        """``1 of 2 elements is -inf, the first at [0, 1], where A2 is 0.0``."""
        places = np.argwhere(self.bad)
        first = tuple(map(int, places[0]))
        value = np.asarray(self.value)
        if not first:
            reason = f"the result is {value[first]}"
        else:
            kinds = {str(x) for x in value[self.bad]}
            reason = f"{len(places)} of {value.size} elements {'is' if len(places) == 1 else 'are'}"
            reason += f" {' or '.join(sorted(kinds))}, the first at {list(first)}"
        if self.pointwise:
            facts = [f"{name} is {np.broadcast_to(x, value.shape)[first]}" for (name, *_), x in self.given.items()]
            reason += f", where {' and '.join(facts)}"
        return f"{reason}. {self.hidden}" if self.hidden else reason

    @property
    def hints(self) -> list[str]:
        """The pieces of advice, if there are any."""
        if self.hint:
            return [self.hint]
        value = np.asarray(self.value)
        if np.isnan(value[self.bad].flat[0]):
            return []
        return [_LARGE] if value.dtype == np.float64 else [_LARGE, _NARROW]

    @property
    def error(self) -> AnomalyError:
        """The error with all this in its message."""
        rows = [
            Operand(name, shape, "   ".join(filter(None, (_range(x), origin))))
            for (name, shape, origin), x in self.given.items()
        ]
        where = f"{self.site.where}: {self.site.source}" if self.site.source else self.site.where
        return AnomalyError(shape_message(self.text, rows, self.reason, self.hints, where))


def anomaly_in_value(node: Tensor, sound: Callable[[Any], Any] = np.isfinite) -> Anomaly | None:
    """Return the anomaly in the value of a node: elements that are not `sound`, made of sound ones; or None."""
    record: Any = node.op
    bad = _made(node._value, record, [*node._args, *node.params.values()], sound)
    return None if bad is None else _in_value(record, node.inputs, node._args, node._value, bad, node.site)


def anomaly_in_gradient(
    x: Tensor, cotangent: Any, readers: Sequence[tuple[Tensor, Any]], further: Mapping[Tensor, Sequence[Tensor]]
) -> Anomaly | None:
    """Return the anomaly in the cotangent of `x` if the rule of one of its readers, or their sum, made it; else None.

    `readers` are the nodes that read `x`, with their cotangents; `further` has the readers of each node after them.
    """
    sent = []
    with np.errstate(all="ignore"):
        for reader, g in readers:
            record, site = reader.op, reader.site
            assert record is not None
            for i, given in propagated_to_inputs(reader, g):
                if reader.inputs[i] is not x:
                    continue
                summed = _summed(given, x)
                sent.append(summed)
                if _is_finite(summed):
                    continue
                operands = _given(reader.inputs, reader._args, site)
                operands[Operand(f"d{reader.name}" if reader.name else "the incoming gradient", np.shape(g))] = g
                name = described_operand(x, site, i).name
                text = f"the gradient of {_text(record, reader.inputs, site)} with respect to {name}"
                if (masked := _masked(given, g, reader, i, further)) is not None:
                    bad, hidden, mend = masked
                    pointwise = record.kind == "elementwise" and given.shape == np.shape(g)
                    return Anomaly(text, given, bad, operands, site, mend, pointwise, hidden)
                bad = _made(given, record, [g, *reader._args, *reader.params.values()])
                pointwise = bad is not None and record.kind == "elementwise"
                if bad is None and _is_finite(given):  # then the sum over broadcast axes made it
                    given, bad = summed, ~np.isfinite(summed)
                if bad is None:
                    continue
                return Anomaly(text, given, bad, operands, site, record.gradient_advice, pointwise)
    if sent and all(map(_is_finite, sent)):
        through = {Operand(f"through {describe(y)}", x.shape): g for (y, _), g in zip(readers, sent, strict=True)}
        text = f"the sum of the gradients of {describe(x)}"
        return Anomaly(text, cotangent, ~np.isfinite(cotangent), through, x.site)
    return None


def _masked(
    given: Any, g: Any, reader: Tensor, position: int, further: Mapping[Tensor, Sequence[Tensor]]
) -> tuple[Any, str, str] | None:
    """Return a mask of the elements that are NaN from 0 times a factor that a `where` keeps out of the value.

    A sentence about it and a cure come with the mask. Return None if there is no such element.
    """
    assert reader.op is not None
    bad = np.isnan(given)
    if reader.op.kind == "elementwise":
        bad = bad & (np.asarray(g) == 0)
    elif not (_is_finite(g) and np.any(np.asarray(g) == 0)):
        return None
    chooser = _chooser(reader, further) if bad.any() else None
    if chooser is None:
        return None
    broken = [a for a in reader._args if not _is_finite(a)]
    factor = "an infinite slope" if not broken else "NaN" if np.isnan(broken[0]).any() else "an infinite number"
    choice = f"{chooser.site.text or 'where'} ({chooser.site.where})"
    hidden = f"{choice} does not take it, but 0 times {factor} is NaN in the gradient"
    return bad, hidden, _chosen_first(reader, position, chooser, further)


def _chosen_first(reader: Tensor, position: int, chooser: Tensor, further: Mapping[Tensor, Sequence[Tensor]]) -> str:
    """Return advice for a `where` that comes too late: make its choice before the operation that it should spare."""
    node, i, broken = _origin(reader, position)
    site, operand = node.site, node.inputs[i]
    name, condition = described_operand(operand, site, i).name, chooser.site.operand(0)[0]
    if name.startswith("operand "):
        return "give the operation an argument that is chosen by the same condition, with 1.0 where it is not taken"
    alike = node.op is not None and np.shape(chooser.args[0]) == np.shape(node._args[i]) == node.shape
    if chooser.site.anonymous or not condition or not alike:
        sound = f"tg.isfinite({name})" if broken else f"{name} != 0" if _is_divisor(node, i) else f"{name} > 0"
        choice = f"tg.where({sound}, {name}, 1.0)"
    elif _comes_second(chooser, reader, further):
        choice = f"tg.where({condition}, 1.0, {name})"
    else:
        choice = f"tg.where({condition}, {name}, 1.0)"
    assert node.op is not None
    return f"choose the argument first: {choice} in place of {name} in {_text(node.op, node.inputs, site)}"


def _origin(node: Tensor, position: int) -> tuple[Tensor, int, bool]:
    """Return the operation that made a factor NaN or infinite, the place of its operand, and whether that is so too."""
    while True:
        assert node.op is not None
        broken = [i for i, a in enumerate(node._args) if not _is_finite(a)]
        if not broken:
            return node, 1 if _is_divisor(node, 1) else position, False
        before = node.inputs[broken[0]]
        if type(before) is not Tensor or before.op is None:
            return node, broken[0], True
        node, position = before, 0


def _is_divisor(node: Tensor, position: int) -> bool:
    return node.op is not None and node.op.divisor == position


def _is_at_infinity(bad: Any, x: Tensor) -> bool:
    """Return whether NaN arrives at infinite elements only, such as masked scores: the `where` before ends it there."""
    return bad.shape == x.shape and bool(np.isinf(x._value[bad]).all())


def _chooser(node: Tensor, further: Mapping[Tensor, Sequence[Tensor]]) -> Tensor | None:
    """Return the nearest `where` on the ways from a node to the output that does not take all of it, or None."""
    ways, seen = deque([node]), {node}
    while ways:
        x = ways.popleft()
        for reader in further.get(x, ()):
            assert reader.op is not None
            if (place := reader.op.condition) is not None and x is not reader.inputs[place]:
                condition = np.asarray(reader._args[place])
                if not (condition if x is reader.inputs[place + 1] else ~condition).all():
                    return reader
            if reader not in seen:
                seen.add(reader)
                ways.append(reader)
    return None


def _comes_second(chooser: Tensor, node: Tensor, further: Mapping[Tensor, Sequence[Tensor]]) -> bool:
    """Return whether a `where` takes the results of a node where its condition does not hold."""
    ways, seen = [node], {node}
    while ways:
        x = ways.pop()
        if x is chooser.inputs[-1]:
            return True
        new = [reader for reader in further.get(x, ()) if reader not in seen and reader is not chooser]
        seen.update(new)
        ways += new
    return False


def propagated_to_inputs(node: Tensor, g: Any) -> Iterator[tuple[int, Any]]:
    """Return an iterator over the positions and cotangents, as numbers, of the inputs to which a node propagates."""
    aside: Any = node.op.aside if node.op is not None else ()
    positions = [i for i in range(len(node.inputs)) if i not in aside]
    assert node.op is not None
    return cotangents_of_inputs(node.op, NUMBERS, g, node._value, node._args, node.params, positions)


def _summed(cotangent: Any, x: Tensor) -> Any:
    """Return a cotangent summed to the shape of `x`, in the dtype of `x`."""
    if cotangent.shape != x.shape:
        cotangent = unbroadcast(NUMBERS, cotangent, x.shape)
    return cotangent.astype(x.dtype)


def _is_finite(value: Any) -> bool:
    return _is_all(np.isfinite, value)


def _is_all(sound: Callable[[Any], Any], value: Any) -> bool:
    return not isinstance(value, (float, np.ndarray, np.generic)) or bool(np.all(sound(value)))


def _made(value: Any, record: Op, given: Sequence[Any], sound: Callable[[Any], Any] = np.isfinite) -> Any:
    """Return a mask of the elements of `value` that are not sound although their operands are, or None."""
    bad = ~sound(value)
    for x in given:
        if not _is_all(sound, x):
            if record.kind != "elementwise":
                return None
            bad = bad & sound(x)
    return bad if bad.any() else None


def _in_value(record: Op, inputs: Sequence[Any], args: Sequence[Any], value: Any, bad: Any, site: Site) -> Anomaly:
    given = _given(inputs, args, site)
    pointwise = record.kind == "elementwise"
    return Anomaly(_text(record, inputs, site), value, bad, given, site, record.advice, pointwise)


def _text(record: Op, inputs: Sequence[Any], site: Site) -> str:
    text = expression_text(record.name, inputs, site)
    return f"{record.name} within {text}" if site.anonymous and site.text else text


_LARGE = "smaller numbers: a smaller learning rate, smaller weights to begin with, or data of mean 0 and variance 1"
_NARROW = "float64, whose largest number is 1.8e308"


def _given(inputs: Sequence[Any], args: Sequence[Any], site: Site) -> dict[Operand, Any]:
    """Return the operands of an op at `site` with their values, without numbers, which its text shows already."""
    operands = [described_operand(x, site, i) for i, x in enumerate(inputs)]
    return {operand: x for operand, x in zip(operands, args, strict=True) if type(x) not in LITERALS}


def _range(x: Any) -> str:
    """Return a line about values, such as ``0 … 0.98, 3 zeros``."""
    x = np.asarray(x)
    if not x.size:
        return "no elements"
    if x.dtype.kind == "b":
        return f"{np.count_nonzero(x)} True"
    low, high = f"{np.min(x):.4g}", f"{np.max(x):.4g}"
    parts = [low if low == high else f"{low} … {high}"]
    for word, some in (("zero", x == 0), ("below 0", x < 0), ("not finite", ~np.isfinite(x))):
        if x.ndim and (count := np.count_nonzero(some)):
            parts.append(f"{count} zeros" if word == "zero" and count > 1 else f"{count} {word}")
    return ", ".join(parts)
