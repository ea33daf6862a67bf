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


def test_what_has_no_inverse_is_refused_in_numpys_words_and_the_users_place():
    with pytest.raises(np.linalg.LinAlgError, match="Singular matrix") as caught:
        tg.inv(np.ones((2, 2)))
    assert "in tg.inv(np.ones((2, 2)))" in caught.value.__notes__[0]
    with pytest.raises(tg.ShapeError, match="must be square"):
        tg.inv(np.ones((2, 3)))
    with pytest.raises(tg.ShapeError, match="one-dimensional"):
        tg.outer(np.ones((2, 2)), np.ones(2))


def test_the_determinant_of_a_singular_matrix_has_the_logarithm_of_zero():
    sign, logabsdet = tg.slogdet(np.ones((2, 2)))
    assert (sign.item(), logabsdet.item()) == (0.0, -np.inf)
    assert not sign.requires_grad
