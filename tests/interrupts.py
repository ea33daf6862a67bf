"""Run an action again and again, interrupted by Ctrl-C or by another thread one step later each time."""

from __future__ import annotations

import dis
import itertools
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from threading import Thread, get_ident
from types import CodeType, FrameType
from typing import Any

import numpy as np

import tinygraph as tg

PACKAGE = str(Path(tg.__file__).parent)


def environment() -> dict[str, str]:
    """Return the environment in which a process finds the same tinygraph as the tests."""
    found = os.pathsep.join(map(str, (Path(PACKAGE).parent, Path(__file__).parent)))
    return {**os.environ, "PYTHONPATH": found, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def interruptions(
    action: Callable[..., Any], setup: Callable[[], tuple[Any, ...]] = tuple, everywhere: bool = False
) -> Iterator[tuple[Any, ...]]:
    """Run `action` on the result of `setup` until nothing interrupts it; yield that result after each interruption.

    CPython runs signal handlers after calls, on entering a function, and where a loop jumps back. The k-th interruption
    comes at the k-th such moment of `action` or of tinygraph; with `everywhere`, before the k-th instruction of
    tinygraph.
    """
    for k in itertools.count():
        case = setup()
        if not _comes_to(action, case, k, _interrupt, everywhere):
            assert k > 0
            return
        yield case


def interleavings(
    action: Callable[..., Any], other: Callable[..., Any], setup: Callable[[], tuple[Any, ...]]
) -> Iterator[tuple[tuple[Any, ...], list[Any]]]:
    """Run `action`, and at its k-th moment `other` in another thread; yield the arguments and the results of both.

    At these moments CPython lets another thread run. Where the other thread has to wait for a lock, it continues as
    soon as it can.
    """
    for k in itertools.count():
        case = setup()
        given: list[Any] = []
        thread = Thread(target=lambda case=case, given=given: given.append(other(*case)), daemon=True)

        def event(thread: Thread = thread) -> None:
            thread.start()
            thread.join(0.02)

        if not _comes_to(lambda *case, given=given: given.append(action(*case)), case, k, event, everywhere=False):
            assert k > 0
            return
        thread.join(20)
        assert not thread.is_alive(), "the other thread waits for ever"
        yield case, given


def _interrupt() -> None:
    raise KeyboardInterrupt


def _comes_to(
    action: Callable[..., Any], case: tuple[Any, ...], k: int, event: Callable[[], None], everywhere: bool
) -> bool:
    """Run `action` with an event at its k-th moment; return whether it has that many moments."""
    left, thread = k, get_ident()

    def look(code: CodeType, offset: int) -> None:
        nonlocal left
        ours = code.co_filename.startswith(PACKAGE)
        if get_ident() == thread and (
            ours if everywhere else (ours or code is action.__code__) and offset in _moments(code)
        ):
            left -= 1
            if left == -1:
                event()

    errors = np.geterr()
    with suppress(KeyboardInterrupt), _each_instruction(look):
        action(*case)
    np.seterr(**errors)  # an interrupted np.errstate may still be entered
    return left < 0


@contextmanager
def _each_instruction(look: Callable[[CodeType, int], None]) -> Iterator[None]:
    """Call a function before each instruction."""
    if sys.version_info >= (3, 12):  # where tracing by frames loses some
        monitoring, tool = sys.monitoring, sys.monitoring.PROFILER_ID
        monitoring.use_tool_id(tool, "interrupts")
        monitoring.register_callback(tool, monitoring.events.INSTRUCTION, look)
        monitoring.set_events(tool, monitoring.events.INSTRUCTION)
        try:
            yield
        finally:
            monitoring.set_events(tool, 0)
            monitoring.register_callback(tool, monitoring.events.INSTRUCTION, None)
            monitoring.free_tool_id(tool)
        return

    def watch(frame: FrameType, event: str, arg: Any) -> Any:
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        if event == "opcode":
            look(frame.f_code, frame.f_lasti)
        return watch

    before = sys.gettrace()
    sys.settrace(watch)
    try:
        yield
    finally:
        sys.settrace(before)


@cache
def _moments(code: CodeType) -> frozenset[int]:
    """Return the instructions before which CPython looks for signals."""
    instructions = [i for i in dis.get_instructions(code) if i.opname != "CACHE"]
    after = {
        i.offset for earlier, i in itertools.pairwise(instructions) if earlier.opname.startswith(("CALL", "RESUME"))
    }
    loops = {i.offset for i in instructions if i.opname == "JUMP_BACKWARD"}
    return frozenset(after | loops)
