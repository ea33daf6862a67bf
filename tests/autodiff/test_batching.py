"""A linear graph for many vectors at once is what it is for one after the other, whatever ops are in it."""

import numpy as np
import pytest

import tinygraph as tg
from tinygraph import ops
from tinygraph.autodiff import batching, jacobians
from tinygraph.graph.records import NUMBERS, OPS
from tinygraph.testing import laws


def row_by_row(y, xs):
    """∂y/∂x from a gradient for each element of y."""
    rows = [tg.gradients(y, xs, unit.reshape(y.shape)) for unit in np.eye(y.size)]
    return [
        np.reshape([row[i].data for row in rows] if rows else np.zeros(0), (*y.shape, *x.shape))
        for i, x in enumerate(xs)
    ]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("record", laws.records(), ids=lambda record: record.name)
def test_every_op_has_the_jacobian_of_its_rows(record):
    """By rows and by columns, with numbers and with nodes."""
    for inputs, params in laws.samples(record):
        tensors = [tg.Tensor(x, requires_grad=x.dtype.kind == "f") for x in inputs]
        y = laws.applied(record, laws.consistent(record, tensors), params)
        xs = [x for x in tensors if x.requires_grad and x.size]
        if not y.requires_grad or not y.size or not xs:
            continue
        expected = row_by_row(y, xs)
        for way in (jacobians._by_rows, jacobians._by_columns):
            for xp in (NUMBERS, ops):
                for found, wanted in zip(way(y, xs, xp), expected, strict=True):
                    value = found.data if isinstance(found, tg.Tensor) else found
                    assert value.shape == wanted.shape
                    np.testing.assert_allclose(value, wanted, rtol=1e-9, atol=1e-12)


LINEAR = [
    lambda x: np.ones((2, 3)) @ x,
    lambda x: x @ np.ones((4, 5)),
    lambda x: x @ np.ones((2, 4, 5)),
    lambda x: np.ones((2, 1, 5, 3)) @ x,
    lambda x: x[0] @ np.ones((4, 5)),
    lambda x: np.ones((5, 4)) @ x[0],
    lambda x: np.ones((2, 5, 4)) @ x[0],
    lambda x: x @ np.arange(4.0),
    lambda x: x + np.ones((2, 1, 4)) * x,
    lambda x: x[0] * np.ones((2, 3, 1)),
    lambda x: x[:, [0, 0, 3]],
    lambda x: x[[0, 2], [1, 1]],
    lambda x: tg.reshape(x, (3, 2, 2))[[0, 2], :, [1, 1]],  # index arrays apart: their axes come first
    lambda x: x[np.arange(12).reshape(3, 4) % 3 == 0],
    lambda x: tg.concat([x, np.zeros((2, 4))]),
    lambda x: tg.concat([np.zeros((3, 1)), x], axis=-1),
    lambda x: tg.stack([x, 2 * x], axis=1),
    lambda x: tg.sum(x, axis=-1, keepdims=True),
    lambda x: tg.mean(x, axis=(0, 1)),
    lambda x: tg.sum(x[0, 0]),
    lambda x: tg.permute_dims(x),
    lambda x: tg.broadcast_to(tg.sum(x, axis=0), (2, 3, 4)),
    lambda x: tg.where(np.eye(3, 4, dtype=bool), x, 0.0),
    lambda x: tg.Tensor(np.ones((2, 2))),
]


@pytest.mark.filterwarnings("ignore::tinygraph.BroadcastWarning")
@pytest.mark.parametrize("function", LINEAR)
@pytest.mark.parametrize("count", [0, 1, 5])
def test_forward_too(function, count, rng):
    x = tg.Tensor(np.zeros((3, 4)))
    many = rng.normal(size=(count, 3, 4))
    y = function(x)
    one_by_one = np.reshape([function(tg.Tensor(each)).data for each in many], (count, *y.shape))
    if x not in set(tg.toposort(y)):
        one_by_one = np.zeros((count, *y.shape))  # what is linear in x and does not depend on it
    np.testing.assert_allclose(batching.batched([y], x, many, NUMBERS)[0], one_by_one, rtol=1e-12)
    np.testing.assert_allclose(batching.batched([y], x, tg.Tensor(many), ops)[0].data, one_by_one, rtol=1e-12)


def test_an_op_without_a_rule_goes_one_by_one(rng):
    assert OPS["cumulative_sum"].batch is OPS["flip"].batch is None
    x = rng.normal(size=3)
    expected = np.exp(np.cumsum(x))[:, None] * np.tri(3)
    np.testing.assert_allclose(tg.jacobian(lambda x: tg.exp(tg.cumulative_sum(x)))(x), expected)
