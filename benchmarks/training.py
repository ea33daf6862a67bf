"""Training steps, and values with gradients, of every rival that is installed.

    python benchmarks/training.py [--workloads ...] [--rivals ...] [--seconds 3] [--dtype float64]
                                  [--python rival=path ...]

Prints the time of each rival as a multiple of tinygraph's compiled program, and of the program by hand where there is
one. Each cell comes from a process of its own, where these two run beside the rival.
"""

from __future__ import annotations

import argparse
import json
import sys
from importlib import metadata
from typing import Any

import numpy as np
from harness import environment, in_own_process, medians, not_installed, table
from rivals import RIVALS
from workloads import MODELS, WORKLOADS, Workload, chosen

TOLERANCES = {"float64": 1e-9, "float32": 1e-4}
BESIDE = ["by_hand", "compiled"]


def numbers(result: Any) -> list[Any]:
    """The loss, and the gradient where there is one, as arrays in double precision."""
    parts = result if isinstance(result, (tuple, list)) else [result]
    return [np.asarray(getattr(part, "data", part), dtype=float) for part in parts]


def check_agreement(firsts: dict[str, list[Any]], rival: str, rtol: float) -> None:
    """The first three losses of the programs are the same, and the gradients."""
    expected = firsts["compiled"]
    for name, steps in firsts.items():
        for i, (wanted, found) in enumerate(zip(expected, steps, strict=True)):
            for x, y in zip(numbers(wanted), numbers(found), strict=True):
                scale = np.abs(x).max()
                if not np.abs(x - y).max() <= rtol * scale:
                    raise SystemExit(f"{rival}: step {i} of {name} differs from that compiled: {y}, not {x}")


def alone(rival: str, workload: Workload, seconds: float, dtype: str) -> None:
    """Time one rival beside the compiled program and the one by hand; prints the medians as JSON."""
    if not RIVALS[rival].installed:
        not_installed()
    built = {name: RIVALS[name].build(workload, dtype) for name in dict.fromkeys([*BESIDE, rival])}
    steps = {name: step for name, step in built.items() if step is not None}
    if rival not in steps:
        print("{}")
        return
    firsts = {name: [step() for _ in range(3)] for name, step in steps.items()}
    rtol = max(TOLERANCES[dtype], RIVALS[rival].tolerances.get(workload.model, 0.0))
    check_agreement(firsts, rival, rtol)
    print(json.dumps(medians(steps, seconds)))


def by_rival(pairs: list[str]) -> dict[str, str]:
    """Which interpreter to take for which rival."""
    return dict(pair.split("=", 1) for pair in pairs)


def versions() -> str:
    """What else is installed here."""
    found = []
    for name in ("torch", "jax", "autograd", "mygrad", "pytensor", "scipy"):
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return ", ".join(found)


def microseconds(seconds: float) -> str:
    return f"{seconds * 1e6:,.0f} µs"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workloads", nargs="+", default=MODELS, help=", ".join(WORKLOADS))
    parser.add_argument("--rivals", nargs="+", default=list(RIVALS), choices=RIVALS)
    parser.add_argument("--seconds", type=float, default=3.0, help="for each cell of the table")
    parser.add_argument("--dtype", choices=TOLERANCES, default="float64")
    parser.add_argument("--python", action="append", default=[], metavar="rival=path", help="the interpreter for it")
    parser.add_argument("--alone", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.alone:
        rival, title = options.alone
        alone(rival, WORKLOADS[title], options.seconds, options.dtype)
        return

    workloads, pythons = chosen(options.workloads), by_rival(options.python)
    times: dict[str, list[dict[str, float]]] = {}
    for rival in dict.fromkeys(["compiled", *options.rivals]):
        for workload in workloads:
            arguments = ["--alone", rival, workload.title, "--seconds", str(options.seconds), "--dtype", options.dtype]
            cell = in_own_process(__file__, *arguments, python=pythons.get(rival, sys.executable))
            if cell is None:
                break
            times.setdefault(rival, []).append(cell)
            print(f"{rival}, {workload.title}: {cell}", file=sys.stderr)
    print(environment(), versions(), options.dtype, sep=", ", end="\n\n")
    for base in ("compiled", "by_hand"):
        title = RIVALS[base].title + " (= 1)"
        columns = [i for i, cell in enumerate(times["compiled"]) if base in cell]
        if not columns:
            continue
        rows = [["program", *(workloads[i].title for i in columns)]]
        rows.append([title, *(microseconds(times["compiled"][i][base]) for i in columns)])
        for rival, cells in times.items():
            ratios = [f"{cells[i][rival] / cells[i][base]:.2f}" if rival in cells[i] else "–" for i in columns]
            if rival != base and set(ratios) != {"–"}:
                rows.append([RIVALS[rival].title, *ratios])
        print(table(rows), end="\n\n")


if __name__ == "__main__":
    main()
