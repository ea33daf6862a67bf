"""The workloads that are timed, and their seeded data as NumPy arrays.

A rival has a loss for each model, a function of parameters and inputs. If a workload trains, a step computes the loss,
its gradients, and p −= RATE · dp for each parameter, and the next step starts from the new parameters. Otherwise a step
computes the value and the gradient at the same point each time.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

RATE = 1e-3
HEADS = 4
EPSILON = 1e-5  # of layer norm

Data = tuple[Any, list[Any]]  # parameters (a list of arrays if they are trained, otherwise one array), and inputs


def two_layer(rng: np.random.Generator, n0: int, n1: int, n2: int, m: int) -> Data:
    """Draw data for the lecture's network; examples are columns."""
    parameters = [rng.normal(size=(n1, n0)) / math.sqrt(n0), np.zeros((n1, 1))]
    parameters += [rng.normal(size=(n2, n1)) / math.sqrt(n1), np.zeros((n2, 1))]
    return parameters, [rng.normal(size=(n0, m)), rng.random((n2, m)) > 0.5]


def mlp(rng: np.random.Generator, *sizes: int, m: int = 128) -> Data:
    """Draw data for ReLU layers and a softmax; examples are rows, labels one-hot."""
    parameters = []
    for before, after in itertools.pairwise(sizes):
        parameters += [rng.normal(size=(before, after)) * math.sqrt(2 / before), np.zeros(after)]
    return parameters, [rng.normal(size=(m, sizes[0])), np.eye(sizes[-1])[rng.integers(sizes[-1], size=m)]]


def rnn(rng: np.random.Generator, steps: int, m: int, inputs: int, units: int) -> Data:
    """Draw data for unrolled tanh units; the first axis of the inputs is time."""
    parameters = [rng.normal(size=(inputs, units)) / math.sqrt(inputs), rng.normal(size=(units, units))]
    parameters[1] /= math.sqrt(units)
    parameters += [np.zeros(units), rng.normal(size=(units, 1)) / math.sqrt(units)]
    return parameters, [rng.normal(size=(steps, m, inputs)), np.zeros((m, units)), rng.normal(size=(m, 1))]


def transformer(rng: np.random.Generator, m: int, tokens: int, width: int) -> Data:
    """Draw data for one block with layer norm first, without a mask and without dropout."""

    def weights(before: int, after: int) -> Any:
        return rng.normal(size=(before, after)) / math.sqrt(before)

    parameters = [np.ones(width), np.zeros(width), *(weights(width, width) for _ in range(4))]
    parameters += [np.ones(width), np.zeros(width)]
    parameters += [weights(width, 4 * width), np.zeros(4 * width), weights(4 * width, width), np.zeros(width)]
    return parameters, [rng.normal(size=(m, tokens, width)), rng.normal(size=(m, tokens, width))]


def logistic(rng: np.random.Generator, m: int, n: int) -> Data:
    """Draw data for binary logistic regression; examples are rows."""
    return rng.normal(size=n) / math.sqrt(n), [rng.normal(size=(m, n)), rng.random(m) > 0.5]


def rosenbrock(rng: np.random.Generator, n: int) -> Data:
    """Draw a point in n dimensions at which to evaluate Rosenbrock's function."""
    return rng.normal(size=n), []


@dataclass(frozen=True)
class Workload:
    """A model with the sizes of its data, and whether it is trained."""

    title: str
    model: str
    draw: Callable[..., Data]
    size: tuple[int, ...]
    trains: bool = True

    def data(self, dtype: str) -> Data:
        """Return new parameters and inputs in a dtype, with the same values each time."""
        parameters, inputs = self.draw(np.random.default_rng(0), *self.size)
        new = [p.astype(dtype) for p in parameters] if self.trains else parameters.astype(dtype)
        return new, [x.astype(dtype) for x in inputs]


SIZES = [(2, 4, 1, 400), (64, 32, 10, 64), (784, 128, 10, 128), (1024, 1024, 10, 1024)]


def _all() -> list[Workload]:
    sizes = [(", ".join(map(str, size)), size) for size in SIZES]
    return [
        *(Workload(f"two_layer {title}", "two_layer", two_layer, size) for title, size in sizes),
        *(Workload(f"written_out {title}", "written_out", two_layer, size) for title, size in sizes),
        Workload("mlp", "mlp", mlp, (784, 256, 256, 256, 256, 10)),
        Workload("rnn", "rnn", rnn, (100, 16, 64, 64)),
        Workload("transformer", "transformer", transformer, (8, 32, 64)),
        Workload("logistic", "logistic", logistic, (10_000, 100), trains=False),
        Workload("rosenbrock", "rosenbrock", rosenbrock, (1000,), trains=False),
    ]


WORKLOADS = {workload.title: workload for workload in _all()}
MODELS = list(dict.fromkeys(workload.model for workload in WORKLOADS.values()))


def chosen(names: list[str]) -> list[Workload]:
    """Return the workloads of these titles or models in the order of the table; raise `SystemExit` on other names."""
    unknown = [name for name in names if name not in MODELS and name not in WORKLOADS]
    if unknown:
        raise SystemExit(f"no workload is called {', '.join(unknown)}; there are {', '.join(MODELS)}")
    return [workload for workload in WORKLOADS.values() if workload.model in names or workload.title in names]
