"""The release of graphs of any depth, in a loop rather than by recursion.

Python releases a chain of objects by recursion, and some versions let it grow deeper than the stack of a small thread.
So one node in a few dozen has a guard, which outlives the node's own references by a moment. The guard holds the inputs
of the node. When it goes, it does not release them itself but hands them to the loop of the first guard that went.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import lru_cache
from operator import attrgetter
from sys import getrefcount
from typing import Any


def _release(guard: Guard) -> None:
    if getrefcount(guard) > _dying:  # the garbage collector finalises it, but its node lives on and needs a new guard
        guard._held = Guard(guard._held)
        return
    held, guard._held = guard._held, None
    if _thread.pending is not None:
        _thread.pending.append(held)
        return
    _thread.pending = pending = [held]
    del held
    while pending:
        pending.pop()
    _thread.pending = None


class _Thread(threading.local):
    """The function that releases guards in each thread, which Python itself looks up for the current thread."""

    release: Callable[[Any], Any] = staticmethod(_release)
    pending: list[Any] | None = None
    __call__ = property(attrgetter("release"))


_thread = _Thread()


class Guard:
    """An object that holds the inputs of a node until the node itself has gone."""

    __slots__ = ("_held",)

    def __init__(self, held: Any) -> None:
        self._held = held

    __del__ = lru_cache(maxsize=0)(_thread)  # so that the call itself runs no Python code


class Guarded:
    """The base class of nodes. Python clears its slot after all slots of the subclass."""

    __slots__ = ("_guard",)

    _guard: Guard


def _references() -> int:
    """Return the number of references to a guard that is being released."""
    found = []
    _thread.release = lambda guard: found.append(getrefcount(guard))
    Guard(None)
    del _thread.release
    return found[0]


_dying = _references()

# Signal handlers run in the main thread, between any two instructions of Python, and an exception that they raise
# within a guard would be lost. The stack of that thread is large enough for Python's recursion, so guards do nothing
# there.
if threading.current_thread() is threading.main_thread():
    _thread.release = id
