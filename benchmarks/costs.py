"""What a rival costs beside its speed: memory, time to the first step, import time, installed size.

    python benchmarks/costs.py [--workloads ...] [--rivals ...] [--dtype float64] [--python rival=path ...]

Every figure comes from a fresh process. Memory is the peak over 20 steps, above what the process holds after the
import and with the data in NumPy; the first step includes building and compiling the program. Where programs are kept
on disk the first time is with an empty cache, and then follow the time and the memory with a filled one. Compilers in
processes of their own, as torch.compile and a C compiler have them, are not counted as memory.
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
    """Megabytes in memory now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


def forget_peak() -> None:
    """Let the peak start at what is in memory now."""
    Path("/proc/self/clear_refs").write_text("5")


def peak() -> float:
    """Megabytes in memory at most, since `forget_peak`; `ru_maxrss` cannot be set back."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e6


def alone(rival: Rival, workload: Workload, dtype: str) -> dict[str, float]:
    """Memory and the time of the first step, in this process."""
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
    """What tinygraph needs: it may run from a checkout, with no distribution."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    return setup["options"]["install_requires"].split("\n")[1:]


def required(name: str, found: set[str]) -> set[str]:
    """A distribution and all that it needs here: what an environment marker or an extra leaves out is not installed."""
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
    """Megabytes of the files of a distribution, without byte code; of a checkout, those of the package."""
    if name == "tinygraph":
        files = list((ROOT / name).rglob("*"))
    else:
        files = [Path(str(file.locate())) for file in metadata.files(name) or []]
    return sum(file.stat().st_size for file in files if file.is_file() and file.suffix != ".pyc") / 1e6


def installed(rival: Rival) -> dict[str, Any]:
    """Which distributions it needs, and their size."""
    names = sorted(required(rival.package, set()))
    return {"size": sum(map(size, names)), "names": names}


def import_time(rival: Rival, python: str) -> float:
    """Milliseconds of the import: the median of fresh processes, after one that leaves byte code behind."""
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
