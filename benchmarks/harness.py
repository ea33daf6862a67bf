"""The way in which programs are timed.

Machines are noisy and frameworks disturb each other (several in one process slow NumPy itself). So each rival runs in a
process of its own, beside the compiled program and the one written by hand. They take turns, round after round, with a
pause before each, and the median counts. The tables show ratios to a program beside the rival.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
Step = Callable[[], object]


# Seconds. Threads of a BLAS wait for work in a busy loop for up to 0.1 s, and take a core from the next program.
PAUSE = 0.15
ROUND = 0.03
ROUNDS = 7


def medians(steps: Mapping[str, Step], seconds: float) -> dict[str, float]:
    """Return the seconds a call of each step: medians of short interleaved rounds that take about `seconds` in all."""
    counts = {}
    for name, step in steps.items():
        time.sleep(PAUSE)
        step()  # warm up
        step()
        start = time.perf_counter()
        step()
        once = time.perf_counter() - start
        counts[name] = max(1, int(ROUND / max(once, 1e-7)))
    rounds: dict[str, list[float]] = {name: [] for name in steps}
    order = list(steps)
    deadline = time.perf_counter() + seconds
    while len(rounds[order[0]]) < ROUNDS or time.perf_counter() < deadline:
        for name in order:
            step, count = steps[name], counts[name]
            time.sleep(PAUSE)
            for _ in range(1 + count // 4):  # wake its threads, and bring its data into the cache
                step()
            start = time.perf_counter()
            for _ in range(count):
                step()
            rounds[name].append((time.perf_counter() - start) / count)
        order.reverse()  # so that no step always follows the same other one
    return {name: statistics.median(times) for name, times in rounds.items()}


def in_own_process(
    script: str, *arguments: str, python: str = sys.executable, environment: Mapping[str, str] | None = None
) -> Any:
    """Return the JSON that `script`, or "-c" with code, prints when run alone, or None if the rival is not installed.

    `python` is the interpreter of the rival's environment. tinygraph comes from this checkout in every environment.
    Raises `SystemExit` with the errors of the script if it fails.
    """
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    variables["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), variables.get("PYTHONPATH")]))
    done = subprocess.run(
        [python, script, *arguments],
        env=variables | dict(environment or {}),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 3:
        return None
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def seconds_of_others() -> float:
    """Return the processor seconds that other programs have used so far, or 0 if the system does not say."""
    try:
        fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    except OSError:
        return 0.0
    user, nice, system, _idle, _wait, irq, softirq, steal = map(int, fields[:8])
    ours = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    everything = (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
    return everything - sum(usage.ru_utime + usage.ru_stime for usage in ours)


def not_installed() -> None:
    """Leave the process of a rival with the status that means that the rival is not installed."""
    raise SystemExit(3)


def environment() -> str:
    """Return one line about the machine and the versions."""
    import numpy as np

    processor = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        named = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
        processor = named[0].partition(":")[2].strip() if named else processor
    return f"{processor}, {os.cpu_count()} cores, Python {platform.python_version()}, NumPy {np.__version__}"


def table(rows: list[list[str]]) -> str:
    """Return rows of text as a Markdown table; the first row is the heading."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])
