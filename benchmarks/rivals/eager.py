"""tinygraph, with a new graph at each step."""

from __future__ import annotations

from typing import Any

from workloads import RATE, Workload

import tinygraph as tg

from . import Step, tinygraph_models


def build(workload: Workload, parameters: Any, inputs: list[Any]) -> Step:
    """A step with `backward`; what is not trained goes through `value_and_grad`, as an optimiser would call it."""
    cost = getattr(tinygraph_models, workload.model)
    if not workload.trains:
        value_and_grad = tg.value_and_grad(cost)
        return lambda: value_and_grad(parameters, *inputs)

    tensors = [tg.parameter(p) for p in parameters]
    constants = [tg.Tensor(x) for x in inputs]

    def step() -> Any:
        J = cost(tensors, *constants)
        J.backward()
        for p in tensors:
            p.data -= RATE * p.grad
            p.grad = None
        return J

    return step
