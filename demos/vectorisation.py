"""Vectorisation: a loop over examples, compared with examples stacked as columns.

    python demos/vectorisation.py

Both ways give the same gradients; the columns need one pass through the graph instead of m.
"""

from __future__ import annotations

import time

import numpy as np

import tinygraph as tg

N0, N1, M = 2, 4, 400


def cost(x, y, parameters):
    """Return the cost of the lecture's network; `x` is one column or many."""
    W1, b1, W2, b2 = parameters
    A1 = tg.tanh(W1 @ x + b1)
    A2 = tg.sigmoid(W2 @ A1 + b2)
    return tg.log_loss(A2, y)


def in_a_loop(X, Y, parameters):
    """Return the gradients from one graph for each example: they add up in .grad, and are divided by m at the end."""
    for i in range(X.shape[1]):
        cost(X[:, i : i + 1], Y[:, i : i + 1], parameters).backward()
    return [p.grad / X.shape[1] for p in parameters]


def as_columns(X, Y, parameters):
    """Return the gradients from one graph of all examples; the mean in the loss has the factor 1/m."""
    cost(X, Y, parameters).backward()
    return [p.grad for p in parameters]


def timed(way, X, Y, parameters, repeat):
    seconds = []
    for _ in range(repeat):
        for p in parameters:
            p.grad = None
        start = time.perf_counter()
        gradients = way(X, Y, parameters)
        seconds.append(time.perf_counter() - start)
    return gradients, min(seconds)


def main():
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(N0, M)), (rng.random((1, M)) > 0.5).astype(float)
    shapes = {"W1": (N1, N0), "b1": (N1, 1), "W2": (1, N1), "b2": (1, 1)}
    parameters = [tg.parameter(rng.normal(size=shape), name=name) for name, shape in shapes.items()]

    loop, loop_seconds = timed(in_a_loop, X, Y, parameters, 3)
    columns, columns_seconds = timed(as_columns, X, Y, parameters, 30)
    for p, one, other in zip(parameters, loop, columns, strict=True):
        print(f"d{p.name} {p.shape!s:7} largest difference {np.abs(one - other).max():.1e}")
        assert np.allclose(one, other, rtol=1e-12, atol=1e-14)
    print(f"loop over {M} examples: {loop_seconds * 1e3:8.2f} ms")
    print(f"examples as columns:   {columns_seconds * 1e3:8.2f} ms, {loop_seconds / columns_seconds:.0f} times faster")


if __name__ == "__main__":
    main()
