"""The state that says whether operations are recorded and in which scope: each thread and asyncio task has its own."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine, Generator, Iterator
from contextvars import ContextVar
from typing import Any, NamedTuple, Protocol, TypeVar, cast
from weakref import ref

Function = TypeVar("Function", bound=Callable[..., Any])


class Watcher(Protocol):
    """An object that looks at every computed value, and may raise."""

    def forward(self, record: Any, inputs: Any, args: Any, params: Any, value: Any, frame: Any) -> None:
        """Look at the value that an op has computed from its inputs."""

    def backward(self, traversal: Iterator[tuple[Any, Any]]) -> Iterator[tuple[Any, Any]]:
        """Yield the nodes and cotangents of a traversal after looking at each."""


class State(NamedTuple):
    """The settings that an operation looks at before it records, and the state to go back to."""

    plain: bool = True
    """Whether operations are recorded and not watched. Most operations look at nothing else."""
    recording: bool = True
    scope: tuple[str, ...] = ()
    nested: Nested | None = None
    """The call of a function that is being differentiated or compiled, if any. Its inner gradients stay tensors."""
    tracing: bool = False
    """Whether a function is being compiled, so that values are not known."""
    watcher: Watcher | None = None
    change: Change | None = None
    outer: State | None = None
    guard: ref[Any] | None = None
    """A weak reference whose callback goes back to `outer` when a `with` statement is interrupted before it could."""

    def within(self, kind: type[Change]) -> bool:
        """Return whether a change of this kind is in force."""
        state: State | None = self
        while state is not None and not isinstance(state.change, kind):
            state = state.outer
        return state is not None


STATE: ContextVar[State] = ContextVar("tinygraph state", default=State())  # noqa: B039  (a State never changes)

NESTED: set[ref[Nested]] = set()
"""The calls, in all threads, whose variables are still held by somebody.

Calls whose results go on to depend on their variables are left out. The set is usually empty, and then a tensor may
give its numbers away without a search for the call that it belongs to.
"""


class _Exit:
    """The descriptor of ``__exit__``: it gives each `with` statement its own function, which always restores the state.

    Ctrl-C may come in ``__enter__`` after the state has changed, when the statement would not call ``__exit__`` yet,
    or in ``__exit__`` before its first instruction. But the statement looks up ``__exit__`` before it calls
    ``__enter__``, and it drops the function that it has found whatever happens. The changed state has a weak reference
    to that function, and the callback of the reference restores the outer state. The callback consists of C functions
    only, in which no signal handler runs. On the ordinary way out it has nothing left to do.
    """

    def __get__(self, change: Change | None, kind: type | None = None) -> Callable[..., None]:
        if change is None:  # contextlib.ExitStack asks the class
            return _leave
        outer: list[State] = []  # holds the outer state between `__enter__` and `__exit__`
        leave = functools.partial(_leave_once, outer, change)
        _LOOKED_UP.set((change, outer, ref(leave, functools.partial(next, map(STATE.set, outer)))))
        return leave


_LOOKED_UP: ContextVar[tuple[Change, list[State], ref[Any]] | None] = ContextVar("tinygraph exit", default=None)
"""The ``__exit__`` that was found by the `with` statement which now calls ``__enter__``."""


def _leave_once(outer: list[State], change: Change, *exception: object) -> None:
    _leave(change)
    outer.clear()


def _leave(change: Change, *exception: object) -> None:
    # A generator that is suspended inside this change may have entered others. They end here too, and their own exits,
    # which come later, do nothing.
    state: State | None = STATE.get()
    while state is not None and state.change is not change:
        state = state.outer
    if state is not None and state.outer is not None:
        STATE.set(state.outer)


class Change:
    """A context manager and decorator that changes the state for a while."""

    def _changed(self, state: State) -> State:
        raise NotImplementedError

    def __enter__(self) -> None:
        state = STATE.get()
        changed = self._changed(state)
        plain = changed.recording and changed.watcher is None
        guard, looked_up = None, _LOOKED_UP.get()
        if looked_up is not None and looked_up[0] is self:
            _, outer, guard = looked_up
            outer.append(state)
            _LOOKED_UP.set(None)
        STATE.set(State(plain, *changed[1:6], self, state, guard))

    __exit__ = _Exit()

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
        """Decorate a generator function so that the change is undone while the generator is suspended."""

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

    Results are constants, which have no inputs and no gradient. ``w -= …`` and the other in-place operators write to
    the data of a leaf that requires a gradient and keep its shape and dtype; graphs that have read the leaf keep the
    old numbers. The former state comes back on exit, also after an exception. Other threads and tasks are not affected.

    >>> import tinygraph as tg
    >>> w = tg.parameter([1.0, 2.0])
    >>> with tg.no_grad():
    ...     print((w * 2).requires_grad)
    ...     w -= 1.0
    False
    >>> w
    Tensor([0., 1.], requires_grad=True)
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

    Operations are always recorded inside it. The variables know the call, so tensors that were computed from them can
    be recognised in other threads, and also after the call, when they hold the numbers of an earlier call.
    """

    def __init__(self, tracing: bool = False, owner: object = None) -> None:
        """Make a call whose variables are valid as long as `owner` lives, or without one until the function returns.

        No code has to run at that moment, since Ctrl-C could prevent it.
        """
        self.tracing = tracing
        """Whether the function is being compiled, so that values are not known."""
        self._owner = None if owner is None else ref(owner)
        self._leaving: ref[Any] | None = None  # the ``__exit__`` of the `with` statement that calls the function
        self._lasts = False
        self._around = STATE.get().nested

    @property
    def running(self) -> bool:
        """Whether the function has been called and has not returned yet."""
        return self._leaving is not None and self._leaving() is not None

    @property
    def over(self) -> bool:
        """Whether its variables are no longer valid, so that using them is an error."""
        used_by = self._owner or self._leaving
        ended = not self._lasts and used_by is not None and used_by() is None
        return ended or (self._around is not None and self._around.over)

    def last(self) -> None:
        """Keep the variables valid, since a result that depends on them has been handed out."""
        self._lasts = True
        NESTED.discard(ref(self))

    def _changed(self, state: State) -> State:
        return state._replace(recording=True, nested=self, tracing=self.tracing or state.tracing)

    def __enter__(self) -> None:
        super().__enter__()
        leave = STATE.get().guard
        assert leave is not None
        self._leaving = ref(leave())
        NESTED.add(ref(self, NESTED.discard))


class Ruled(no_grad):
    """The state inside a user's gradient function that computes numbers: `no_grad`, but without writing in place."""


class scope(Change):  # noqa: N801
    """Group the operations of a block under a name. Pictures draw a box around the group, and scopes nest.

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
