"""What `import tinygraph` adds to `import numpy`: medians of alternating fresh processes.

python benchmarks/import_time.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys

from harness import environment

SCRIPT = "import time; start = time.perf_counter(); import {}; print((time.perf_counter() - start) * 1e3)"


def milliseconds(module: str) -> float:
    done = subprocess.run([sys.executable, "-c", SCRIPT.format(module)], capture_output=True, text=True, check=True)
    return float(done.stdout)


def main() -> None:
    pairs = [(milliseconds("numpy"), milliseconds("tinygraph")) for _ in range(21)]
    numpy, tinygraph = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(environment(), "\n")
    print(f"import numpy {numpy:.0f} ms, import tinygraph {tinygraph:.0f} ms: {tinygraph - numpy:.0f} ms more")


if __name__ == "__main__":
    main()
