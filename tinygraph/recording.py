"""Whether operations are recorded, and in which scope: one state for each thread and each asyncio task."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Generator
from contextvars import ContextVar, Token
from typing import Any, NamedTuple, TypeVar, cast

Function = TypeVar("Function", bound=Callable[..., Any])


class State(NamedTuple):
    """What the next operation asks before it records."""

    recording: bool = True
    scope: tuple[str, ...] = ()


STATE: ContextVar[State] = ContextVar("tinygraph state", default=State())  # noqa: B039  (a State never changes)


class _Change:
    """A context manager and decorator that changes the state for a while."""

    def __init__(self) -> None:
        self._tokens: list[Token[State]] = []  # one for each entry: the same object may be entered again inside

    def _changed(self, state: State) -> State:
        raise NotImplementedError

    def __enter__(self) -> None:
        self._tokens.append(STATE.set(self._changed(STATE.get())))

    def __exit__(self, *exception: object) -> None:
        STATE.reset(self._tokens.pop())

    def __call__(self, function: Function) -> Function:
        if inspect.isgeneratorfunction(function):
            return cast(Function, self._each_resumption(function))

        @functools.wraps(function)
        def changed(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)

        return cast(Function, changed)

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
                    generator.close()
                    raise
                except BaseException as error:
                    resume = functools.partial(generator.throw, error)

        return changed


class no_grad(_Change):  # noqa: N801  (a function to its users, as in PyTorch)
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


class enable_grad(_Change):  # noqa: N801
    """Record again inside a `no_grad` block.

    >>> import tinygraph as tg
    >>> w = tg.parameter(3.0)
    >>> with tg.no_grad(), tg.enable_grad():
    ...     print((w * 2).requires_grad)
    True
    """

    def _changed(self, state: State) -> State:
        return state._replace(recording=True)


class scope(_Change):  # noqa: N801
    """Group the operations of a block under a name; pictures draw a box around them. Scopes nest.

    >>> import tinygraph as tg
    >>> with tg.scope("layer 1"):
    ...     z = tg.parameter(1.0) * 2
    >>> z.scope
    ('layer 1',)
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        if not isinstance(name, str):
            raise TypeError(f"a scope is named by a string, not {type(name).__name__}")
        self._name = name

    def _changed(self, state: State) -> State:
        return state._replace(scope=(*state.scope, self._name))
