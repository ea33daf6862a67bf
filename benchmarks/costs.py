"""The costs of a rival besides its speed: memory, time to the first step, import time, installed size.

    python benchmarks/costs.py [--workloads ...] [--rivals ...] [--dtype float64] [--python rival=path ...]

Every figure comes from a fresh process. Memory is the peak over 20 steps, above what the process holds after the
import and with the data in NumPy. The first step includes building and compiling the program. A rival that caches
programs on disk has two rows: the first with an empty cache, the second with a filled one. The memory of compilers in
other processes, such as those of torch.compile and a C compiler, is not counted.
"""

from __future__ import annotations

import argparse
import configparser
import importlib
import json
import re
import resource
import statistics
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path
from typing import Any

from harness import ROOT, environment, in_own_process, not_installed, table
from rivals import RIVALS, Rival
from training import add_options, interpreters, versions
from workloads import WORKLOADS, Workload, chosen

STEPS = 20
DEFAULT = ["two_layer 784, 128, 10, 128", "mlp", "rnn", "transformer", "logistic", "rosenbrock"]
IMPORTS = 7


def resident() -> float:
    """Return the megabytes in memory now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


def forget_peak() -> None:
    """Reset the peak to the memory in use now."""
    Path("/proc/self/clear_refs").write_text("5")


def peak() -> float:
    """Return the largest number of megabytes in memory since `forget_peak`; `ru_maxrss` cannot be reset."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e6


def alone(rival: Rival, workload: Workload, dtype: str) -> dict[str, float]:
    """Return the time of the first step and the peak memory in this process; empty if the rival lacks the model."""
    importlib.import_module(f"rivals.{rival.module}")
    parameters, inputs = workload.data(dtype)
    before = resident()
    forget_peak()
    start = time.perf_counter()
    step = rival.build(workload, parameters, inputs)
    if step is None:
        return {}
    step()
    first = time.perf_counter() - start
    for _ in range(STEPS - 1):
        step()
    return {"first": first, "memory": peak() - before}


def own_requirements() -> list[str]:
    """Return the requirements of tinygraph from setup.cfg: in a checkout it may not be installed as a distribution."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    return setup["options"]["install_requires"].split("\n")[1:]


def required(name: str, found: set[str]) -> set[str]:
    """Return `found` with a distribution and all that it requires, except extras and what is not installed here."""
    name = re.sub(r"[-_.]+", "-", name).lower()
    try:
        requirements = own_requirements() if name == "tinygraph" else metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return found
    if name not in found:
        found.add(name)
        for requirement in requirements:
            if "extra ==" not in requirement:
                required(re.split(r"[^\w.-]", requirement, maxsplit=1)[0], found)
    return found


def size(name: str) -> float:
    """Return the megabytes of the files of a distribution, or of the package in a checkout, without byte code."""
    if name == "tinygraph":
        files = list((ROOT / name).rglob("*"))
    else:
        files = [Path(str(file.locate())) for file in metadata.files(name) or []]
    return sum(file.stat().st_size for file in files if file.is_file() and file.suffix != ".pyc") / 1e6


def installed(rival: Rival) -> dict[str, Any]:
    """Return the distributions that a rival needs, and their size in megabytes."""
    names = sorted(required(rival.package, set()))
    return {"size": sum(map(size, names)), "names": names}


def import_time(rival: Rival, python: str) -> float:
    """Return the median milliseconds of the import in fresh processes, after one that leaves byte code behind."""
    code = f"import time; start = time.perf_counter(); import {rival.imports}; print(time.perf_counter() - start)"
    return statistics.median([in_own_process("-c", code, python=python) for _ in range(IMPORTS + 1)][1:]) * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser, DEFAULT)
    options = parser.parse_args()
    if options.alone:
        rival = RIVALS[options.alone[0]]
        if not rival.installed:
            not_installed()
        title = options.alone[1]
        print(json.dumps(installed(rival) if title == "size" else alone(rival, WORKLOADS[title], options.dtype)))
        return

    workloads, pythons = chosen(options.workloads), interpreters(options.python)
    measured = []
    sizes = [["program", "import", "installed", "distributions"]]
    firsts = [["time to the first step", *(workload.title for workload in workloads)]]
    memory = [["peak memory above data", *(workload.title for workload in workloads)]]
    for name in dict.fromkeys(options.rivals):
        rival, python = RIVALS[name], pythons[name]
        found = in_own_process(__file__, "--alone", name, "size", python=python)
        if found is None:
            continue
        measured.append(name)
        distributions = ", ".join(found["names"])
        sizes.append([rival.title, f"{import_time(rival, python):.0f} ms", f"{found['size']:.0f} MB", distributions])
        with tempfile.TemporaryDirectory() as directory:
            variable, _, value = rival.cache.partition("=")
            caches = {variable: value.format(directory)} if variable else {}
            for title in [rival.title, rival.title + ", from its cache"][: 1 + bool(caches)]:
                cells = []
                for workload in workloads:
                    arguments = ["--alone", name, workload.title, "--dtype", options.dtype]
                    cells.append(in_own_process(__file__, *arguments, python=python, environment=caches))
                    print(f"{title}, {workload.title}: {cells[-1]}", file=sys.stderr)
                if any(cells):
                    firsts.append([title, *(f"{cell['first']:.3f} s" if cell else "–" for cell in cells)])
                    memory.append([title, *(f"{cell['memory']:.1f} MB" if cell else "–" for cell in cells)])
    print(environment(), versions(measured, pythons), options.dtype, sep=", ", end="\n\n")
    print(*map(table, (sizes, firsts, memory)), sep="\n\n")


if __name__ == "__main__":
    main()
