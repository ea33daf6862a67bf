"""Scalar chains: nanoseconds a node to build, differentiate and release graphs of 1,000 to 1,000,000 nodes.

    python benchmarks/chains.py [rival ...]

The time a node should not grow with the size. The garbage collector is off, as in `timeit`. Each rival runs in a
process of its own, and each figure is the fastest of several runs.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import json
import time
from collections.abc import Callable
from typing import Any

from harness import environment, in_own_process, not_installed, table

SIZES = [1_000, 10_000, 100_000, 1_000_000]
FORMS = {"y·c + c": "constants", "y·x + x": "leaf"}


def tinygraph_leaf() -> Any:
    import tinygraph as tg

    return tg.parameter(1.0)


def torch_leaf() -> Any:
    import torch

    return torch.tensor(1.0, dtype=torch.float64, requires_grad=True)


LEAVES: dict[str, Callable[[], Any]] = {"tinygraph": tinygraph_leaf, "torch": torch_leaf}


def chain(x: Any, nodes: int, form: str) -> Any:
    """Return the end of a chain of alternating products and sums, with constants or with the leaf itself."""
    y = x
    if form == "constants":
        for _ in range(nodes // 2):
            y = y * 0.9999999
            y = y + 1e-7
    else:
        for _ in range(nodes // 2):
            y = y * x
            y = y + x
    return y


def alone(rival: str, form: str) -> None:
    if importlib.util.find_spec(rival) is None:
        not_installed()
    x = LEAVES[rival]()
    gc.disable()
    result = {}
    for nodes in SIZES:
        best = [float("inf")] * 3
        for _ in range(max(3, 300_000 // nodes)):
            times = [time.perf_counter()]
            y = chain(x, nodes, form)
            times.append(time.perf_counter())
            y.backward()
            times.append(time.perf_counter())
            del y
            times.append(time.perf_counter())
            x.grad = None
            best = [min(b, later - sooner) for b, sooner, later in zip(best, times, times[1:], strict=False)]
        for part, seconds in zip(("forward", "backward", "release"), best, strict=True):
            result[f"{nodes} {part}"] = seconds / nodes * 1e9
    print(json.dumps(result))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rivals", nargs="*", default=list(LEAVES), metavar="rival", help=", ".join(LEAVES))
    parser.add_argument("--alone", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.alone:
        alone(*options.alone)
        return
    print(environment(), "\n")
    for title, form in FORMS.items():
        rows = [["ns a node, " + title, *(f"{n:,}" for n in SIZES)]]
        totals = {}
        for rival in options.rivals:
            times = in_own_process(__file__, "--alone", rival, form)
            if times is None:
                continue
            for part in ("forward", "backward", "release"):
                rows.append([f"{rival} {part}", *(f"{times[f'{n} {part}']:,.0f}" for n in SIZES)])
            totals[rival] = [times[f"{n} forward"] + times[f"{n} backward"] for n in SIZES]
            rows.append([f"{rival} growth", *(f"{total / totals[rival][0]:.2f}" for total in totals[rival])])
        if {"tinygraph", "torch"} <= totals.keys():
            ratios = [ours / theirs for ours, theirs in zip(totals["tinygraph"], totals["torch"], strict=True)]
            rows.append(["tinygraph / torch", *(f"{ratio:.2f}" for ratio in ratios)])
        print(table(rows), "\n")


if __name__ == "__main__":
    main()
