"""The matrix product in every shape that NumPy's takes."""

import itertools

import numpy as np
import pytest

import tinygraph as tg
from tinygraph.errors import broadcastable
from tinygraph.testing import check_grads

LEFT = [(3,), (2, 3), (1, 3), (4, 2, 3), (1, 2, 3), (5, 1, 2, 3), (0, 3), (4, 0, 3)]
RIGHT = [(3,), (3, 2), (3, 1), (4, 3, 2), (1, 3, 2), (5, 1, 3, 2), (3, 0)]
PAIRS = [(x, y) for x, y in itertools.product(LEFT, RIGHT) if broadcastable(x[:-2], y[:-2])]


@pytest.mark.parametrize(("left", "right"), PAIRS)
def test_value_and_gradients(left, right, rng):
    x, y = rng.normal(size=left), rng.normal(size=right)
    z = tg.Tensor(x) @ tg.Tensor(y)
    assert np.array_equal(z.data, x @ y)
    check_grads(tg.matmul, x, y, order=1)


def test_integers_multiply_too():
    assert (tg.Tensor([[1, 2]]) @ [[3], [4]]).data.tolist() == [[11]]


def test_a_product_with_itself():
    check_grads(lambda x: x @ x, np.arange(9.0).reshape(3, 3) / 10)
    check_grads(lambda x: x @ x.T, np.arange(6.0).reshape(2, 3) / 10)


def test_the_outer_product_is_of_vectors():
    with pytest.raises(tg.ShapeError, match="one-dimensional"):
        tg.outer(np.ones((2, 2)), np.ones(2))
