"""An op is linear in what it is said to be."""

import numpy as np
import pytest

import tinygraph as tg
from tinygraph.graph.records import APPLY, OPS
from tinygraph.programs.linear import ways
from tinygraph.testing import laws

CASES = [
    pytest.param(op, inputs, params, id=f"{name}-{'-'.join(str(x.shape) for x in inputs)}-{params or ''}")
    for name, op in OPS.items()
    for inputs, params in laws.samples(op)
]


@pytest.mark.parametrize(("op", "inputs", "params"), CASES)
def test_what_multiplies_the_inputs_multiplies_the_result(op, inputs, params):
    tensors = [tg.Tensor(x) for x in inputs]
    node = APPLY[op.name](*tensors, **params)
    for way in ways(node):
        changed = [tg.Tensor(3.0 * x.data) if x in way else x for x in tensors]
        np.testing.assert_allclose(APPLY[op.name](*changed, **params).data, 3.0 * node.data, rtol=1e-12)


def test_where_is_linear_in_the_arrays_it_chooses_from_beside_zeros():
    x, y, mask = tg.Tensor([1.0, 2.0]), tg.Tensor([3.0, 4.0]), tg.Tensor([True, False])
    assert ways(tg.where(mask, x, 0.0)) == [{x}]
    assert ways(tg.where(mask, x, y)) == [{x, y}]
    assert ways(tg.where(mask, x, 1.0)) == []


def test_an_operand_that_occurs_twice_is_not_linear():
    x = tg.Tensor([1.0, 2.0])
    assert ways(x * x) == ways(x @ x) == ways(x / x) == []
    assert ways(x + x) == [{x}]
