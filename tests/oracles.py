"""PyTorch's function for each of ours, as the files in `ops/torch_oracle` give them in a dictionary ``ORACLE``."""

import runpy
from pathlib import Path

from tinygraph.graph.records import COMPOSITES, Composite

FILES = sorted((Path(__file__).parent / "ops" / "torch_oracle").glob("*.py"))


def torch_functions():
    """What is called on PyTorch's tensors with our inputs and parameters, by the names of our functions."""
    return {name: function for file in FILES for name, function in runpy.run_path(str(file))["ORACLE"].items()}


def as_one(torch, result):
    """Several results as one tensor, those of the first's kind, as `tinygraph.testing.laws.applied` gives them."""
    if not isinstance(result, (tuple, list)):
        return result
    alike = [y for y in result if y.is_floating_point() == result[0].is_floating_point()]
    return torch.cat([y.reshape(-1) for y in alike]) if len(result) != 1 else result[0]


def is_public(record):
    """Whether a record is of the function that has its name; some have an op of the same name within."""
    return isinstance(record, Composite) or record.name not in COMPOSITES
