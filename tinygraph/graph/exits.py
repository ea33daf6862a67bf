"""The ways in which numbers can leave a graph, and the refusals of some of them.

A number that leaves the graph carries no gradient, and in a function that is being compiled it would be the number of
the first call. So tensors refuse some exits while a function is differentiated, and all while it is compiled.
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
"""The advice to a user who asks for a value within a function that is compiled. `_BY_VALUE` follows it."""

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
    """The set of all tensors that no derivative passes through."""

    def __contains__(self, x: object) -> bool:
        return isinstance(x, Node) and x.op is not None and not x.op.differentiable


_ROUGH = _Rough()


def _all_calls() -> list[Nested]:
    return [call for kept in list(NESTED) if (call := kept()) is not None]


def trace_of(x: Any) -> Nested | None:
    """Return the trace that a tensor belongs to, or None.

    While a thread traces a function, every tensor that it meets belongs to the trace. Another thread does not know that
    it works for a trace, and a tensor may outlive its trace; in these cases the graph decides.
    """
    around = STATE.get().nested
    if STATE.get().tracing and around is not None and not around.over:  # over in a task that has been left behind
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
    """Raise `UnsupportedError` for a way, `how`, to ask for a value in a trace or of a trace that is over."""
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
    """Raise `UnsupportedError` for an exit, `how`, that would lose a gradient or has no known value."""
    if NESTED:
        refuse_in_trace(x, how)
    if loses_gradient(x):
        said = f"{how} of {describe(x)}" if " " in how else f"{how}({describe(x)})"
        raise UnsupportedError(
            f"{said} would leave the graph and lose the gradient;"
            f" {_INSTEAD.get(how, '')}take .data, .item() or .detach() if that is what you want"
        )


def refuse_within(x: Node, what: str) -> None:
    """Raise `UnsupportedError` for an exit, `what`, of a tensor in a function that is compiled or differentiated."""
    if NESTED:
        refuse_in_trace(x, what)
        if STATE.get().recording and any(call.running for call in calls_of(x, smoothly=True)):
            raise UnsupportedError(
                f"{what} of {describe(x)} would leave the function that is differentiated, and lose the gradient;"
                " take it of x.detach() if that is what you want"
            )


_LEFT = "it comes from an argument of a call that is over ({}), and has the numbers of that call; return it from there"


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
    """Raise `UnsupportedError` for `what`, a use of a tensor's value, while a function is compiled."""
    if NESTED:
        refuse_in_trace(x, what)
