"""The ways on which numbers leave a graph, and why some of them are closed.

A number that leaves the graph carries no gradient, and in a function that is compiled it would be that of the first
call. So a tensor refuses ways out while a function is differentiated or compiled.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from sys import _getframe
from typing import Any

from ..errors import GraphError, UnsupportedError
from .node import Node, describe, toposort
from .recording import NESTED, STATE, Nested
from .sites import locate

_BY_VALUE = "choose by value with tg.where; what steers the program is an argument in static_argnums"
_IN_A_TRACE = {
    ".detach()": "tg.stop_gradient(x) is recorded; ",
    "setting .data": "return the new value as a result; ",
    ".grad": "take it outside, and give it as an argument; ",
    **dict.fromkeys(("Tensor", "parameter"), "use the tensor itself, of which nothing is written to; "),
}
"""The advice to someone who asks for a value within a function that is compiled; `_BY_VALUE` follows."""

_INSTEAD = {
    "np.asarray": "join tensors with tg.stack; ",
    **dict.fromkeys(("Tensor", "parameter"), "take the tensor itself, or x.copy(), which records; "),
}


def variable_of(x: Node) -> Iterator[Nested]:
    """Yield the calls in which a tensor stands for an argument, or for a tensor that was computed from one."""
    for origin in getattr(x, "_calls", ()):  # the attribute is not set on other tensors
        if isinstance(origin, Node):
            yield from calls_of(origin)
        else:
            yield origin


def calls_of(x: Node, smoothly: bool = False) -> Iterator[Nested]:
    """Yield the calls from whose variables a tensor was computed; with `smoothly`, only through derivatives."""
    for node in toposort(x, stop=_ROUGH if smoothly else ()):
        yield from variable_of(node)


class _Rough:
    """The set of all tensors through which no derivative goes."""

    def __contains__(self, x: object) -> bool:
        return isinstance(x, Node) and x.op is not None and not x.op.differentiable


_ROUGH = _Rough()


def _all_calls() -> list[Nested]:
    return [call for kept in list(NESTED) if (call := kept()) is not None]


def trace_of(x: Any) -> Nested | None:
    """Return the trace that a tensor belongs to, or None.

    While a thread traces a function, every tensor that it sees belongs to the trace. Another thread does not know that
    it works for a trace, and a tensor may outlive its trace: then the graph tells.
    """
    around = STATE.get().nested
    if STATE.get().tracing and around is not None and not around.over:  # it may be over in a task that was left behind
        return around
    if isinstance(x, Node) and any(call.tracing for call in _all_calls()):
        return next((call for call in calls_of(x) if call.tracing), None)
    return None


def loses_gradient(x: Node) -> bool:
    """Return whether a gradient may be wanted through this tensor, so that its numbers must not leave in silence."""
    if not STATE.get().recording:
        return False
    return x._requires_grad or (bool(NESTED) and any(call.running for call in calls_of(x, smoothly=True)))


def refuse_in_trace(x: Node, how: str) -> None:
    """Refuse to give a value that is not known in a trace, or that was known only during a trace that is over."""
    trace = trace_of(x)
    if trace is None:
        return
    if trace.over:
        raise UnsupportedError(f"{how} of {describe(x)} is not known: {_LEFT.format(x.site.where)}")
    site = locate(_getframe(2))
    raise UnsupportedError(
        f"{how} of {describe(x)} asks for a value, which is not known while a function is compiled"
        f" ({site.where}); {_IN_A_TRACE.get(how, '')}{_BY_VALUE}"
    )


def refuse_exit(x: Node, how: str) -> None:
    """Refuse a way out, `how`, where a gradient would be lost or the value is not known."""
    if NESTED:
        refuse_in_trace(x, how)
    if loses_gradient(x):
        said = f"{how} of {describe(x)}" if " " in how else f"{how}({describe(x)})"
        raise UnsupportedError(
            f"{said} would leave the graph and lose the gradient;"
            f" {_INSTEAD.get(how, '')}take .data, .item() or .detach() if that is what you want"
        )


def refuse_within(x: Node, what: str) -> None:
    """Refuse a way out, `what`, to a tensor of a function that is compiled or differentiated."""
    if NESTED:
        refuse_in_trace(x, what)
        if STATE.get().recording and any(call.running for call in calls_of(x, smoothly=True)):
            raise UnsupportedError(
                f"{what} of {describe(x)} would leave the function that is differentiated, and lose the gradient;"
                " take it of x.detach() if that is what you want"
            )


_LEFT = "it comes from an argument of a call that is over ({}), and has the numbers of that call; have it return them"


def refuse_left(outputs: Iterable[Node], what: str, variables: Container[Node] = ()) -> None:
    """Raise `GraphError` if outputs depend on a variable of a call that is over, other than through `variables`."""
    if not NESTED or not any(call.over for call in _all_calls()):
        return
    for node in toposort(*outputs, stop=variables):
        if any(call.over for call in variable_of(node)):
            raise GraphError(
                f"{what} depends on {describe(node)}: {_LEFT.format(node.site.where)}, or keep its .detach()"
            )


def ask(x: Node, what: str) -> None:
    """Refuse `what`, which shows or uses the value of a tensor, where a function is compiled before it is known."""
    if NESTED:
        refuse_in_trace(x, what)
