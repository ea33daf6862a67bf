"""Graphs of any depth are released in a loop, not by recursion.

Python releases a chain of objects by recursion, which some versions let grow deeper than the stack of a small thread.
So one node in a few dozen has a guard, which outlives the node's own references by a moment. When it goes, it does not
let go of what the node has read, but leaves that to the loop of the first guard that went.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import lru_cache
from operator import attrgetter
from sys import getrefcount
from typing import Any


def _release(guard: Guard) -> None:
    if getrefcount(guard) > _dying:  # its node lives, and this is the garbage collector: a guard is finalised once
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
    """What to do with a guard that goes, looked up by Python itself for the thread in which it goes."""

    release: Callable[[Any], Any] = staticmethod(_release)
    pending: list[Any] | None = None
    __call__ = property(attrgetter("release"))


_thread = _Thread()


class Guard:
    """Holds what a node has read until the node itself has gone."""

    __slots__ = ("_held",)

    def __init__(self, held: Any) -> None:
        self._held = held

    __del__ = lru_cache(maxsize=0)(_thread)  # the call itself is no code in Python


class Guarded:
    """The base of nodes: its slot is cleared after all of theirs."""

    __slots__ = ("_guard",)

    _guard: Guard


def _references() -> int:
    """How many references a guard has when it goes."""
    found = []
    _thread.release = lambda guard: found.append(getrefcount(guard))
    Guard(None)
    del _thread.release
    return found[0]


_dying = _references()

# Signal handlers run in the main thread, between any two instructions of Python, and what they raised within a guard
# would be lost. That thread has a stack which is large enough for Python's recursion: there, guards do nothing.
if threading.current_thread() is threading.main_thread():
    _thread.release = id
