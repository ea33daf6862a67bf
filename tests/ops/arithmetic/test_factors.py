"""A factor is found in products, quotients and sums of such, and nowhere else."""

import numpy as np
import pytest

import tinygraph as tg
from tinygraph.ops.arithmetic.factors import without_factor

PRODUCTS = [
    (lambda y, a: y, 1.0),
    (lambda y, a: y * a, 3.0),
    (lambda y, a: a * (2.0 * y), 6.0),
    (lambda y, a: -(y / a), -1 / 3),
    (lambda y, a: y * a - 2.0 * y, 1.0),
    (lambda y, a: tg.where(a > 0, y, 4.0 * y), 1.0),
    (lambda y, a: tg.where(a > 0, y, 0.0), 1.0),
    (lambda y, a: 5 * y**2, 35.0),
    (lambda y, a: y**3, 49.0),
]
OTHERS = [
    lambda y, a: y + a,
    lambda y, a: a / y,
    lambda y, a: tg.exp(y),
    lambda y, a: y**0.5,
    lambda y, a: a * a,
    lambda y, a: tg.where(a > 0, y, a),
    lambda y, a: 3.0,
    lambda y, a: y.data,
]


@pytest.mark.parametrize(("product", "rest"), PRODUCTS)
def test_a_factor_is_taken_out(product, rest):
    y, a = tg.parameter(np.array([7.0], np.float32)), tg.Tensor(np.array([3.0], np.float32))
    found = without_factor(product(y, a), y)
    assert np.allclose(found if isinstance(found, float) else found.data, rest)
    assert isinstance(found, float) or found.dtype == np.float32


@pytest.mark.parametrize("other", OTHERS)
def test_what_has_not_the_factor_is_left(other):
    y, a = tg.parameter([7.0]), tg.Tensor([3.0])
    assert without_factor(other(y, a), y) is None


def test_the_search_ends():
    """In products of products of the same, of which there are more than atoms."""
    x = tg.parameter(1.0)
    product = x
    for _ in range(300):
        product = product * product
    assert without_factor(product, tg.parameter(2.0)) is None
