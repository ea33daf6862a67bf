"""The programs to compare, each written and tuned as its own users would.

A module has a function `build` of a workload, its parameters and its inputs. It gives a step, which returns the loss,
and the gradient too where nothing is trained; or None where the rival has no such model.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from workloads import Workload

Step = Callable[[], Any]


@dataclass(frozen=True)
class Rival:
    """Where a rival is found."""

    title: str
    module: str  # of this package
    imports: str  # what its users import; the package is also the name of the distribution
    builder: str = "build"
    tolerances: dict[str, float] = field(default_factory=dict)  # by model, where it computes something else
    cache: str = ""  # the environment variable, with its value, for the directory of its compiled programs

    @property
    def package(self) -> str:
        """What must be installed."""
        return self.imports.partition(".")[0]

    @property
    def installed(self) -> bool:
        """Whether it is."""
        return importlib.util.find_spec(self.package) is not None

    def build(self, workload: Workload, parameters: Any, inputs: list[Any]) -> Step | None:
        """A step; it may use up the parameters."""
        builder = getattr(importlib.import_module(f"rivals.{self.module}"), self.builder)
        step: Step | None = builder(workload, parameters, inputs)
        return step


RIVALS = {
    "by_hand": Rival("NumPy by hand, with buffers", "by_hand", "numpy"),
    "by_hand_plainly": Rival("NumPy by hand", "by_hand", "numpy", "build_plainly"),
    "compiled": Rival("tinygraph, compiled", "compiled", "tinygraph"),
    "eager": Rival("tinygraph", "eager", "tinygraph"),
    "pytorch": Rival("PyTorch eager", "pytorch", "torch"),
    "pytorch_compiled": Rival(
        "PyTorch, torch.compile", "pytorch", "torch", "build_compiled", cache="TORCHINDUCTOR_CACHE_DIR={}"
    ),
    "jax_jit": Rival("JAX jit", "jax_jit", "jax.numpy"),
    "hips": Rival("HIPS autograd", "hips", "autograd.numpy"),
    "mygrad": Rival("MyGrad", "mygrad_", "mygrad", tolerances={"transformer": 1e-2}),  # gelu by tanh
    "pytensor": Rival("PyTensor", "pytensor_", "pytensor.tensor", cache="PYTENSOR_FLAGS=base_compiledir={}"),
}
