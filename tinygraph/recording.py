"""Whether operations are recorded, and in which scope: one state for each thread and each asyncio task."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine, Generator, Iterator
from contextvars import ContextVar
from typing import Any, NamedTuple, Protocol, TypeVar, cast
from weakref import ref

Function = TypeVar("Function", bound=Callable[..., Any])


class Check(Protocol):
    """What looks at every value that is computed, and may raise."""

    def forward(self, record: Any, inputs: Any, args: Any, params: Any, value: Any, frame: Any) -> None:
        """Look at what an op has made of its inputs."""

    def backward(self, traversal: Iterator[tuple[Any, Any]]) -> Iterator[tuple[Any, Any]]:
        """The nodes and cotangents of a traversal, each looked at."""


class State(NamedTuple):
    """What the next operation asks before it records, and what to go back to."""

    plain: bool = True
    """Recording and not checked: all that most operations ask for."""
    recording: bool = True
    scope: tuple[str, ...] = ()
    nested: Nested | None = None
    """The function around that is being differentiated or compiled, if any: inner gradients stay tensors."""
    tracing: bool = False
    """Inside a function that is being compiled: values are not known."""
    check: Check | None = None
    change: Change | None = None
    outer: State | None = None


STATE: ContextVar[State] = ContextVar("tinygraph state", default=State())  # noqa: B039  (a State never changes)

NESTED: set[ref[Nested]] = set()
"""The calls in all threads that run, and those that are over while somebody still holds a variable of theirs.

It is usually empty, and then a tensor may give its numbers away without being asked where it belongs.
"""


class Change:
    """A context manager and decorator that changes the state for a while."""

    def _changed(self, state: State) -> State:
        raise NotImplementedError

    def __enter__(self) -> None:
        state = STATE.get()
        changed = self._changed(state)
        plain = changed.recording and changed.check is None
        STATE.set(changed._replace(plain=plain, change=self, outer=state))

    def __exit__(self, *exception: object) -> None:
        # what was entered inside and not left, by a suspended generator, ends too; what has ended so, has no effect
        state: State | None = STATE.get()
        while state is not None and state.change is not self:
            state = state.outer
        if state is not None and state.outer is not None:
            STATE.set(state.outer)

    def __call__(self, function: Function) -> Function:
        """Decorate a function, a coroutine function or a generator function."""
        if inspect.isasyncgenfunction(function):
            raise TypeError(f"{type(self).__name__} cannot decorate an async generator; use it with `with` inside")
        if inspect.iscoroutinefunction(function):
            return cast(Function, self._while_awaited(function))
        if inspect.isgeneratorfunction(function):
            return cast(Function, self._each_resumption(function))

        @functools.wraps(function)
        def changed(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)

        return cast(Function, changed)

    def _while_awaited(self, function: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Any]:
        @functools.wraps(function)
        async def changed(*args: Any, **kwargs: Any) -> Any:
            with self:
                return await function(*args, **kwargs)

        return changed

    def _each_resumption(self, function: Callable[..., Generator[Any, Any, Any]]) -> Callable[..., Any]:
        """Decorate a generator so that the change does not leak to its caller while it is suspended."""

        @functools.wraps(function)
        def changed(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            generator = function(*args, **kwargs)
            resume: Callable[[], Any] = functools.partial(next, generator)
            while True:
                try:
                    with self:
                        value = resume()
                except StopIteration as stop:
                    return stop.value
                try:
                    resume = functools.partial(generator.send, (yield value))
                except GeneratorExit:
                    with self:
                        generator.close()
                    raise
                except BaseException as error:
                    resume = functools.partial(generator.throw, error)

        return changed


class no_grad(Change):  # noqa: N801  (a function to its users, as in PyTorch)
    """Compute without recording, as a context manager or a decorator.

    Results are constants: no inputs, no gradient. The former state comes back on exit, also after an exception;
    other threads and tasks are not affected.

    >>> import tinygraph as tg
    >>> w = tg.parameter([1.0, 2.0])
    >>> with tg.no_grad():
    ...     print((w * 2).requires_grad)
    False
    """

    def _changed(self, state: State) -> State:
        return state._replace(recording=False)


class enable_grad(Change):  # noqa: N801
    """Record again inside a `no_grad` block.

    >>> import tinygraph as tg
    >>> w = tg.parameter(3.0)
    >>> with tg.no_grad(), tg.enable_grad():
    ...     print((w * 2).requires_grad)
    True
    """

    def _changed(self, state: State) -> State:
        return state._replace(recording=True)


class Nested(Change):
    """A call of a function with variables in place of its arguments, to differentiate or to compile it.

    It always records. The variables know the call, so what is computed from them is known in other threads too, and
    after the call, when their numbers would be those of an earlier one.
    """

    def __init__(self, tracing: bool = False) -> None:
        self.tracing = tracing
        """Whether values are not known, since the function is being compiled."""
        self.running = False
        """Whether the function has been called and has not returned."""
        self._ended = False
        self._around = STATE.get().nested

    @property
    def over(self) -> bool:
        """Whether its variables have done their work: to use them now is an error."""
        return self._ended or (self._around is not None and self._around.over)

    def end(self) -> None:
        """Say that no result depends on its variables any more."""
        self._ended = True
        NESTED.add(ref(self, NESTED.discard))

    def _changed(self, state: State) -> State:
        return state._replace(recording=True, nested=self, tracing=self.tracing or state.tracing)

    def __enter__(self) -> None:
        self.running = True
        NESTED.add(ref(self, NESTED.discard))
        super().__enter__()

    def __exit__(self, *exception: object) -> None:
        super().__exit__(*exception)
        self.running = False
        NESTED.discard(ref(self))


class scope(Change):  # noqa: N801
    """Group the operations of a block under a name; pictures draw a box around them. Scopes nest.

    >>> import tinygraph as tg
    >>> with tg.scope("layer 1"):
    ...     z = tg.parameter(1.0) * 2
    >>> z.scope
    ('layer 1',)
    """

    def __init__(self, name: str) -> None:
        if not isinstance(name, str):
            raise TypeError(f"a scope is named by a string, not {type(name).__name__}")
        self._name = name

    def _changed(self, state: State) -> State:
        return state._replace(scope=(*state.scope, self._name))
