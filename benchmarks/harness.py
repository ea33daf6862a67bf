"""How things are timed here.

Machines are noisy and frameworks disturb each other (several in one process slow NumPy itself), so each rival runs in
a process of its own with the program written by hand beside it. The two take turns, round after round, and the
fastest round of each counts; what is printed is the ratio to the program by hand.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

Step = Callable[[], object]


def fastest(steps: Mapping[str, Step], seconds: float) -> dict[str, float]:
    """Seconds a call of each step: the minimum over interleaved rounds that take about `seconds` in all."""
    counts = {}
    for name, step in steps.items():
        step()  # warm up
        start = time.perf_counter()
        step()
        once = time.perf_counter() - start
        counts[name] = max(1, int(0.01 / max(once, 1e-7)))
    best = dict.fromkeys(steps, float("inf"))
    deadline = time.perf_counter() + seconds
    rounds = 0
    while rounds < 5 or time.perf_counter() < deadline:
        for name, step in steps.items():
            count = counts[name]
            start = time.perf_counter()
            for _ in range(count):
                step()
            best[name] = min(best[name], (time.perf_counter() - start) / count)
        rounds += 1
    return best


def in_own_process(script: str, *arguments: str) -> dict[str, float] | None:
    """What `script` prints as JSON when run alone; None where the rival is not installed."""
    done = subprocess.run([sys.executable, script, *arguments], capture_output=True, text=True, check=False)
    if done.returncode == 3:
        return None
    if done.returncode:
        raise SystemExit(done.stderr)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def not_installed() -> None:
    """Leave a rival's process with the status that says so."""
    raise SystemExit(3)


def environment() -> str:
    """One line: what the figures were measured on."""
    import numpy as np

    processor = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        named = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
        processor = named[0].partition(":")[2].strip() if named else processor
    return f"{processor}, {os.cpu_count()} cores, Python {platform.python_version()}, NumPy {np.__version__}"


def table(rows: list[list[str]]) -> str:
    """Rows of text as a Markdown table; the first row is the heading."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])
