"""Every op in the table keeps every law."""

import pytest

from tinygraph.graph.records import OPS
from tinygraph.testing import laws

CASES = [
    pytest.param(op, inputs, params, id=f"{op.name}-{'-'.join(str(x.shape) for x in inputs)}-{params or ''}")
    for op in laws.records()
    for inputs, params in laws.samples(op)
]


@pytest.mark.parametrize("law", laws.LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize(("op", "inputs", "params"), CASES)
def test_law(law, op, inputs, params):
    law(op, inputs, params)


@pytest.mark.parametrize("op", laws.records(), ids=lambda op: op.name)
def test_special_values(op):
    laws.law_special_values(op)


@pytest.mark.parametrize("name", OPS)
def test_every_op_has_samples_with_an_axis_of_length_zero_or_one(name):
    shapes = [x.shape for inputs, _ in laws.samples(OPS[name]) for x in inputs]
    assert shapes or OPS[name].kind == "control"  # those are made, and tested, with functions of the user's
    if OPS[name].kind in ("elementwise", "contraction") and not OPS[name].params:
        assert any(0 in shape for shape in shapes)
