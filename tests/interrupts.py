"""Ctrl-C at every moment: run something again and again, each time interrupted one step later."""

from __future__ import annotations

import dis
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import tinygraph as tg

PACKAGE = str(Path(tg.__file__).parent)


def environment() -> dict[str, str]:
    """What a process needs to find tinygraph where the tests have found it."""
    return {**os.environ, "PYTHONPATH": str(Path(PACKAGE).parent), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def interruptions(action: Callable[[], Any], everywhere: bool = False) -> Iterator[int]:
    """Run `action` until it is no longer interrupted, and stop after each interruption, to look at what it has left.

    CPython runs signal handlers after calls, on entering a function, and where a loop jumps back. An interruption is
    at the k-th such moment of `action` or of tinygraph; with `everywhere`, before the k-th instruction of tinygraph.
    """
    k = 0
    while _interrupted(action, k, everywhere):
        yield k
        k += 1
    assert k > 0


def _interrupted(action: Callable[[], Any], k: int, everywhere: bool) -> bool:
    left = k

    def look(code: CodeType, offset: int) -> None:
        nonlocal left
        ours = code.co_filename.startswith(PACKAGE)
        if ours if everywhere else (ours or code is action.__code__) and offset in _moments(code):
            left -= 1
            if left == -1:
                raise KeyboardInterrupt

    with suppress(KeyboardInterrupt), _each_instruction(look):
        action()
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
    """The instructions before which CPython looks for signals."""
    instructions = [i for i in dis.get_instructions(code) if i.opname != "CACHE"]
    after = {i.offset for earlier, i in pairwise(instructions) if earlier.opname.startswith(("CALL", "RESUME"))}
    loops = {i.offset for i in instructions if i.opname == "JUMP_BACKWARD"}
    return frozenset(after | loops)
