"""Whether operations are recorded, and in which scope: one state for each thread and each asyncio task."""

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
    """What the next operation asks before it records, and what to go back to."""

    plain: bool = True
    """Whether operations are recorded and not watched: most operations ask for nothing else."""
    recording: bool = True
    scope: tuple[str, ...] = ()
    nested: Nested | None = None
    """The function around that is being differentiated or compiled, if any: inner gradients stay tensors."""
    tracing: bool = False
    """Inside a function that is being compiled: values are not known."""
    watcher: Watcher | None = None
    change: Change | None = None
    outer: State | None = None
    guard: ref[Any] | None = None
    """Goes back to `outer` where a `with` statement was interrupted before it could."""

    def within(self, kind: type[Change]) -> bool:
        """Whether a change of this kind is in force."""
        state: State | None = self
        while state is not None and not isinstance(state.change, kind):
            state = state.outer
        return state is not None


STATE: ContextVar[State] = ContextVar("tinygraph state", default=State())  # noqa: B039  (a State never changes)

NESTED: set[ref[Nested]] = set()
"""The calls in all threads whose variables somebody holds, but for those with results that go on to depend on them.

It is usually empty, and then a tensor may give its numbers away without being asked where it belongs.
"""


class _Exit:
    """``__exit__``: each `with` statement gets a function of its own, which goes back to the outer state in any case.

    Ctrl-C may come in ``__enter__`` after the state has changed, when the statement would not call ``__exit__`` yet,
    and in ``__exit__`` before its first instruction. But the statement looks ``__exit__`` up before it calls
    ``__enter__``, and whatever happens it drops the function that it has found. To that function the changed state
    has a weak reference, whose callback goes back: it is made of C functions only, in which no signal handler runs. On
    the ordinary way out it has nothing left to do.
    """

    def __get__(self, change: Change | None, kind: type | None = None) -> Callable[..., None]:
        if change is None:  # the way of contextlib.ExitStack
            return _leave
        outer: list[State] = []  # empty but between `__enter__` and `__exit__`
        leave = functools.partial(_leave_once, outer, change)
        _LOOKED_UP.set((change, outer, ref(leave, functools.partial(next, map(STATE.set, outer)))))
        return leave


_LOOKED_UP: ContextVar[tuple[Change, list[State], ref[Any]] | None] = ContextVar("tinygraph exit", default=None)
"""What the `with` statement that now calls ``__enter__`` has found as ``__exit__``."""


def _leave_once(outer: list[State], change: Change, *exception: object) -> None:
    _leave(change)
    outer.clear()


def _leave(change: Change, *exception: object) -> None:
    # Changes that a suspended generator entered inside this one end with it; leaving them later has no effect.
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

    Results are constants: no inputs, no gradient. ``w -= …`` and its like write to the data of a leaf that requires a
    gradient, in the same shape and dtype; graphs that have read it keep what they read. The former state comes back on
    exit, also after an exception; other threads and tasks are not affected.

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

    It always records. The variables know the call, so what is computed from them is known in other threads too, and
    after the call, when their numbers would be those of an earlier one.
    """

    def __init__(self, tracing: bool = False, owner: object = None) -> None:
        """Let its variables have done their work when `owner` is gone, or without one, when the function has returned.

        Nothing has to run at that moment, which Ctrl-C could prevent.
        """
        self.tracing = tracing
        """Whether values are not known, since the function is being compiled."""
        self._owner = None if owner is None else ref(owner)
        self._leaving: ref[Any] | None = None  # the way out of the `with` statement that calls the function
        self._lasts = False
        self._around = STATE.get().nested

    @property
    def running(self) -> bool:
        """Whether the function has been called and has not returned."""
        return self._leaving is not None and self._leaving() is not None

    @property
    def over(self) -> bool:
        """Whether its variables have done their work: to use them now is an error."""
        used_by = self._owner or self._leaving
        ended = not self._lasts and used_by is not None and used_by() is None
        return ended or (self._around is not None and self._around.over)

    def last(self) -> None:
        """Say that a result has been handed out that goes on to depend on its variables."""
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
    """Inside a gradient function of the user's that computes numbers: as within no_grad, but nothing is written to."""


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
