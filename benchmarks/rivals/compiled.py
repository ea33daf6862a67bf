"""tinygraph, with the step as a NumPy program."""

from __future__ import annotations

from typing import Any

from workloads import RATE, Workload

import tinygraph as tg

from . import Step, tinygraph_models


def build(workload: Workload, parameters: Any, inputs: list[Any]) -> Step:
    """A step that writes over the parameters."""
    value_and_grad = tg.value_and_grad(getattr(tinygraph_models, workload.model))

    if not workload.trains:
        compiled = tg.compile(value_and_grad)
        return lambda: compiled(parameters, *inputs)

    @tg.compile(donate_argnums=0)
    def update(parameters: Any, *inputs: Any) -> Any:
        J, gradients = value_and_grad(parameters, *inputs)
        return J, [p - RATE * g for p, g in zip(parameters, gradients, strict=True)]

    def step() -> Any:
        nonlocal parameters
        J, parameters = update(parameters, *inputs)
        return J

    return step
