"""Training steps, and values with gradients, of every rival that is installed.

    python benchmarks/training.py [--workloads ...] [--rivals ...] [--seconds 5] [--dtype float64]
                                  [--python rival=path ...]

The script prints the time of each rival as a multiple of the time of tinygraph's compiled program, and of the program
by hand if there is one. Each cell comes from a process of its own, in which these two run beside the rival.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Iterable
from typing import Any

import numpy as np
from harness import environment, in_own_process, medians, not_installed, seconds_of_others, table
from rivals import RIVALS
from workloads import MODELS, WORKLOADS, Workload, chosen

TOLERANCES = {"float64": 1e-9, "float32": 1e-4}
BUSY = 0.2  # of a core used by others: threads that wait for each other then take up to a thousand times as long
BESIDE = ["by_hand", "compiled"]


def arrays(result: Any) -> list[Any]:
    """Return the loss, and the gradient if there is one, as arrays."""
    parts = result if isinstance(result, (tuple, list)) else [result]
    return [np.asarray(getattr(part, "data", part)) for part in parts]


def check_agreement(firsts: dict[str, list[Any]], dtype: str, rtol: float) -> None:
    """Raise `SystemExit` if the first three results of the programs differ, or gradients are not of the given dtype."""
    expected = firsts["compiled"]
    for name, results in firsts.items():
        for i, (wanted, found) in enumerate(zip(map(arrays, expected), map(arrays, results), strict=True)):
            for x, y in zip(wanted, found, strict=True):
                if not np.abs(x.astype(float) - y).max() <= rtol * np.abs(x).max():
                    raise SystemExit(f"step {i} of {name} differs from the compiled program: {y}, not {x}")
            if any(gradient.dtype != dtype for gradient in found[1:]):
                raise SystemExit(f"the gradient of {name} is {found[1].dtype}, not {dtype}")


def alone(rival: str, workload: Workload, seconds: float, dtype: str) -> None:
    """Time one rival beside the compiled program and the one by hand, and print the medians as JSON."""
    if not RIVALS[rival].installed:
        not_installed()
    built = {name: RIVALS[name].build(workload, *workload.data(dtype)) for name in dict.fromkeys([*BESIDE, rival])}
    steps = {name: step for name, step in built.items() if step is not None}
    if rival not in steps:
        print("{}")
        return
    firsts = {name: [step() for _ in range(3)] for name, step in steps.items()}
    rtol = max(TOLERANCES[dtype], RIVALS[rival].tolerances.get(workload.model, 0.0))
    check_agreement(firsts, dtype, rtol)
    print(json.dumps(medians(steps, seconds)))


def add_options(parser: argparse.ArgumentParser, workloads: list[str]) -> None:
    """Add the options that the commands have in common."""
    parser.add_argument("--workloads", nargs="+", default=workloads, help=", ".join([*MODELS, *WORKLOADS]))
    parser.add_argument("--rivals", nargs="+", default=list(RIVALS), choices=RIVALS)
    parser.add_argument("--dtype", choices=TOLERANCES, default="float64")
    parser.add_argument("--python", action="append", default=[], metavar="rival=path", help="the interpreter for it")
    parser.add_argument("--alone", nargs=2, help=argparse.SUPPRESS)


def interpreters(pairs: list[str]) -> dict[str, str]:
    """Return the interpreter for each rival; by default it is the running one."""
    return dict.fromkeys(RIVALS, sys.executable) | dict(pair.split("=", 1) for pair in pairs)


VERSIONS = """
import json
from importlib import metadata
found = {dist.name.lower(): dist.version for dist in metadata.distributions()}
print(json.dumps([found.get(name) for name in ("PACKAGE", "numpy")]))
"""


def versions(rivals: Iterable[str], pythons: dict[str, str]) -> str:
    """Return the version of each rival, and of the NumPy in its environment."""
    packages = {RIVALS[name].package: pythons[name] for name in rivals}
    lines = []
    for package, python in packages.items():
        version, numpy = in_own_process("-c", VERSIONS.replace("PACKAGE", package), python=python)
        named = package if package in ("numpy", "tinygraph") else f"{package} {version}"
        lines.append(f"{named} (NumPy {numpy})")
    return ", ".join(lines)


def microseconds(seconds: float) -> str:
    return f"{seconds * 1e6:,.0f} µs"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser, MODELS)
    parser.add_argument("--seconds", type=float, default=5.0, help="for each cell, pauses included")
    options = parser.parse_args()
    if options.alone:
        rival, title = options.alone
        alone(rival, WORKLOADS[title], options.seconds, options.dtype)
        return

    workloads, pythons = chosen(options.workloads), interpreters(options.python)
    times: dict[str, list[dict[str, float]]] = {}
    busy: list[str] = []
    for rival in dict.fromkeys(["compiled", *options.rivals]):
        for workload in workloads:
            arguments = ["--alone", rival, workload.title, "--seconds", str(options.seconds), "--dtype", options.dtype]
            start, others = time.perf_counter(), seconds_of_others()
            try:
                cell = in_own_process(__file__, *arguments, python=pythons[rival])
            except SystemExit as error:  # the rest of the table is still useful
                print(f"{rival}, {workload.title}: {error}", file=sys.stderr)
                cell = {}
            if cell is None:
                break
            times.setdefault(rival, []).append(cell)
            share = (seconds_of_others() - others) / (time.perf_counter() - start)
            if share > BUSY:
                busy.append(f"{rival} {workload.title}")
            print(f"{rival}, {workload.title}: {cell}", file=sys.stderr)
    print(environment(), versions(times, pythons), options.dtype, sep=", ", end="\n\n")
    if busy:
        print(f"Other programs ran at the time of these cells, so repeat them: {'; '.join(busy)}", end="\n\n")
    for base in ("compiled", "by_hand"):
        title = RIVALS[base].title + " (= 1)"
        columns = [i for i, cell in enumerate(times["compiled"]) if base in cell]
        if not columns:
            continue
        rows = [["program", *(workloads[i].title for i in columns)]]
        rows.append([title, *(microseconds(times["compiled"][i][base]) for i in columns)])
        for rival, cells in times.items():
            # programs that run beside every rival get the median over all processes
            beside = times.values() if rival in BESIDE else [cells]
            found = [[row[i][rival] / row[i][base] for row in beside if rival in row[i]] for i in columns]
            ratios = [f"{statistics.median(values):.2f}" if values else "–" for values in found]
            if rival != base and set(ratios) != {"–"}:
                rows.append([RIVALS[rival].title, *ratios])
        print(table(rows), end="\n\n")


if __name__ == "__main__":
    main()
