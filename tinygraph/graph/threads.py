"""Tools for threads that share state: exclusive functions, a counter, and values that are computed once."""

from __future__ import annotations

import ast
import functools
import itertools
import os
import sys
from collections.abc import Callable, Iterator
from threading import RLock
from typing import Any, Generic, TypeVar, cast, overload

T = TypeVar("T")
Function = TypeVar("Function", bound=Callable[..., Any])

GIL: bool = getattr(sys, "_is_gil_enabled", lambda: True)()
"""Whether only one thread at a time runs Python code. If not, a count of references is out of date when it is read."""

_LOCK = RLock()  # reentrant, since a finaliser or a signal handler may come in between and need it too

if hasattr(os, "register_at_fork"):  # a child must not wait for a lock held by a thread that it does not have
    os.register_at_fork(before=_LOCK.acquire, after_in_parent=_LOCK.release, after_in_child=_LOCK.release)


def exclusive(function: Function) -> Function:
    """Let only one thread at a time run any of the functions decorated with this, where there is no GIL.

    These functions change shared state in short stretches of code that call nothing and do not loop, each after
    checking that the state is still as it was. Within such a stretch the GIL stays with the thread and no signal
    handler runs, so no lock is needed. A lock would cost more, and Ctrl-C could leave it held.
    """
    if GIL:
        return function

    @functools.wraps(function)
    def alone(*args: Any, **kwargs: Any) -> Any:
        with _LOCK:
            return function(*args, **kwargs)

    return cast(Function, alone)


def numbers() -> Iterator[int]:
    """Return an iterator over 0, 1, 2, … that gives each number to one thread only."""
    return itertools.count() if GIL else _OneAtATime(itertools.count())


class _OneAtATime(Iterator[int]):
    def __init__(self, numbers: Iterator[int]) -> None:
        self._numbers, self._lock = numbers, RLock()

    def __next__(self) -> int:
        with self._lock:
            return next(self._numbers)


def syntax_tree(text: str, mode: str = "exec") -> Any:
    """Return the syntax tree of a text, from `ast.parse`.

    Python 3.11 has one counter of the parser's depth for all threads, and raises an error when two threads parse at
    once; then this function tries again.
    """
    while True:
        try:
            return ast.parse(text, mode=mode)
        except SystemError as error:
            if "recursion depth" not in str(error):
                raise


class cached_property(Generic[T]):  # noqa: N801  (a decorator)
    """A property that is computed when it is first read and kept in the ``__dict__`` of the object.

    The one in `functools` takes a lock in Python 3.11, shared by all objects of a class, so two threads can wait for
    each other for ever. This one takes no lock: several threads that read it first at the same time may each compute
    the value, and all of them get the same one.
    """

    def __init__(self, function: Callable[[Any], T]) -> None:
        self._function, self.__doc__ = function, function.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> cached_property[T]: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> T | cached_property[T]:
        if instance is None:
            return self
        value: T = instance.__dict__.setdefault(self._name, self._function(instance))
        return value
