"""The NumPy target covers every op, and names only ops that exist."""

import ast
from pathlib import Path

import numpy as np
import pytest

import tinygraph as tg
from tinygraph.graph.records import APPLY, OPS
from tinygraph.programs import numpy_target
from tinygraph.testing import laws


def test_it_names_only_ops_that_exist():
    assert OPS.keys() >= numpy_target.LOWERED.keys()
    for node in ast.walk(ast.parse(Path(numpy_target.__file__).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Compare) and ast.unparse(node.left).endswith(("op.name", "name")):
            names = {x.value for x in ast.walk(node.comparators[0]) if isinstance(x, ast.Constant)}
            assert names <= OPS.keys(), ast.unparse(node)


CASES = {name: next(iter(laws.samples(op)), None) for name, op in OPS.items() if op.kind != "control"}


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case is not None])
def test_it_covers_every_op(name):
    inputs, params = CASES[name]
    expected = APPLY[name](*map(tg.Tensor, inputs), **params).data
    found = tg.compile(lambda *xs: APPLY[name](*xs, **params))(*inputs)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
