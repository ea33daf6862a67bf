"""The time that `import tinygraph` adds to `import numpy`: medians of alternating fresh processes.

python benchmarks/import_time.py
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys

from harness import environment

SCRIPT = "import time; start = time.perf_counter(); import {}; print((time.perf_counter() - start) * 1e3)"


# with byte code, as after an installation by pip or a first import
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def milliseconds(module: str) -> float:
    command = [sys.executable, "-c", SCRIPT.format(module)]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=True)
    return float(done.stdout)


def main() -> None:
    pairs = [(milliseconds("numpy"), milliseconds("tinygraph")) for _ in range(21)]
    numpy, tinygraph = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(environment(), "\n")
    print(f"import numpy {numpy:.0f} ms, import tinygraph {tinygraph:.0f} ms: {tinygraph - numpy:.0f} ms more")


if __name__ == "__main__":
    main()
