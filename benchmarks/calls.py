"""Single calls of NumPy, beside those that a program uses instead, and a chain of calls in blocks and threads.

    python benchmarks/calls.py

Figures are microseconds, the fastest of several runs.
"""

from __future__ import annotations

import math
import timeit
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from harness import environment, table

from tinygraph.kernels.special import erfc

BLOCKS = (4096, 32768)


def microseconds(call: Callable[[], Any]) -> float:
    """Return the microseconds a call takes in the fastest of nine rounds of about 5 ms."""
    timer = timeit.Timer(call)
    count = max(1, int(0.005 / max(min(timer.repeat(3, 1)), 1e-7)))
    return min(timer.repeat(9, count)) / count * 1e6


def pairs(n: int, m: int) -> dict[str, tuple[Callable[[], Any], Callable[[], Any]]]:
    """Return pairs of the common call and the call in a program, for arrays of n rows and m columns."""
    rng = np.random.default_rng(0)
    x, y, square = rng.normal(size=(n, m)), rng.normal(size=(n, m)), np.empty((n, n))
    column, ones, scratch = np.empty((n, 1)), np.ones((m, 1)), np.empty((n, m))
    return {
        "x yᵀ: matmul, dot": (lambda: np.matmul(x, y.T, square), lambda: np.dot(x, y.T, square)),
        "Σ x along rows: add.reduce, dot": (
            lambda: np.add.reduce(x, 1, None, column, True),
            lambda: np.dot(x, ones, column),
        ),
        "Σ x ∗ y: multiply and add.reduce, vdot": (
            lambda: np.add.reduce(np.multiply(x, y, scratch), None),
            lambda: np.vdot(x, y),
        ),
        "erfc: of the C library, of tinygraph": (
            lambda: np.vectorize(math.erfc, otypes=[float])(x),
            lambda: erfc(x),
        ),
    }


def chain(a: Any, b: Any, out: Any, start: int, end: int, block: int) -> None:
    """Write the derivative of gelu into a part of `out` in seven calls, block by block."""
    for i in range(start, end, block):
        stop = min(i + block, end)
        x, y, z = a[i:stop], b[i:stop], out[i:stop]
        np.square(x, z)
        np.multiply(z, -0.5, z)
        np.exp(z, z)
        np.multiply(z, 0.4, z)
        np.multiply(x, z, z)
        np.add(y, z, z)
        np.multiply(y, z, z)


def in_two_threads(pool: ThreadPoolExecutor, a: Any, b: Any, out: Any, block: int) -> None:
    """Write the same to all of `out`, one half in each thread."""
    half = len(a) // 2
    other = pool.submit(chain, a, b, out, 0, half, block)
    chain(a, b, out, half, len(a), block)
    other.result()


def main() -> None:
    print(environment(), end="\n\n")
    sizes = [(4, 400), (32, 64), (1024, 1024)]
    rows = [["call", *(f"{n} × {m}" for n, m in sizes)]]
    for name in pairs(1, 1):
        timed = [[microseconds(call) for call in pairs(*size)[name]] for size in sizes]
        rows.append([name, *(f"{common:,.2f}, {ours:,.2f}" for common, ours in timed)])
    print(table(rows), end="\n\n")

    lengths = [16_384, 65_536, 262_144, 1_048_576]
    rows = [["seven elementwise calls", *(f"{length:,}" for length in lengths)]]
    arrays = [np.random.default_rng(0).random((3, length)) for length in lengths]
    rows.append(["whole", *(f"{microseconds(lambda s=s: chain(*s, 0, s.shape[1], s.shape[1])):,.0f}" for s in arrays)])
    with ThreadPoolExecutor(1) as pool:
        for block in BLOCKS:
            blocks = [microseconds(lambda s=s, k=block: chain(*s, 0, s.shape[1], k)) for s in arrays]
            halves = [microseconds(lambda s=s, k=block: in_two_threads(pool, *s, k)) for s in arrays]
            rows.append([f"in blocks of {block:,}", *(f"{time:,.0f}" for time in blocks)])
            rows.append([f"in blocks of {block:,}, two threads", *(f"{time:,.0f}" for time in halves)])
    print(table(rows))


if __name__ == "__main__":
    main()
