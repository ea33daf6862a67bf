"""PyTorch's functions of the same meaning as ours, as each file in `ops/torch_oracle` gives them in its ``ORACLE``."""

import runpy
from pathlib import Path

from tinygraph.graph.records import COMPOSITES, Composite

FILES = sorted((Path(__file__).parent / "ops" / "torch_oracle").glob("*.py"))


def torch_functions():
    """Return, by the names of our functions, the functions that take our inputs and parameters as PyTorch's tensors."""
    return {name: function for file in FILES for name, function in runpy.run_path(str(file))["ORACLE"].items()}


def as_one(torch, result):
    """Return one tensor that joins all results of the same kind as the first, like `tinygraph.testing.laws.applied`."""
    if not isinstance(result, (tuple, list)):
        return result
    alike = [y for y in result if y.is_floating_point() == result[0].is_floating_point()]
    return torch.cat([y.reshape(-1) for y in alike]) if len(result) != 1 else result[0]


def is_public(record):
    """Return whether a record belongs to the public function of its name; some functions contain an op of that name."""
    return isinstance(record, Composite) or record.name not in COMPOSITES
