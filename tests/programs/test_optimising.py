"""Optimising keeps the numbers, and makes graphs shorter."""

import itertools
from fractions import Fraction

import numpy as np
import pytest

import tinygraph as tg
from tinygraph.algebra.nodes import written
from tinygraph.algebra.terms import Call, Params, Product, Sum, multiplied, number, of, symbol
from tinygraph.programs.optimising import _spread, optimised


def named(*leaves):
    return {leaf: leaf.name for leaf in leaves}


def ops_of(node):
    return [x.op.name for x in tg.toposort(node) if x.op is not None]


def test_a_number_is_multiplied_where_it_takes_the_fewest_elements(rng):
    A, Y, X = (
        tg.Tensor(rng.normal(size=shape), name=name) for shape, name in (((1, 9), "A"), ((1, 9), "Y"), ((9, 2), "X"))
    )
    D = (A - Y) / 9
    (shorter,) = optimised([D @ X], {**named(A, Y, X), D: "D"})
    numbers = {"divide"}  # 1/9 is computed beforehand
    assert [name for name in ops_of(shorter) if name not in numbers] == ["subtract", "multiply", "matmul"]
    np.testing.assert_allclose(shorter.data, (D @ X).data, rtol=1e-14)
    (centred,) = optimised([X - tg.mean(X, axis=0)], named(X))
    assert ops_of(centred) == ["mean", "subtract"]


def test_the_loss_and_the_sigmoid_cancel(rng):
    Z, Y = tg.Tensor(rng.normal(size=5), name="Z"), tg.Tensor(rng.random(5), name="Y")
    A = tg.sigmoid(Z)
    J = -tg.sum(Y * tg.log(A) + (1 - Y) * tg.log(1 - A))
    (dZ,) = optimised([tg.gradients(J, Z)], named(Z, Y))
    assert ops_of(dZ) == ["sigmoid", "subtract"]


def test_what_would_give_other_numbers_is_left_as_it_is():
    x = tg.Tensor([1.0, 2.0], name="x")
    y = (x + 1e20) - 1e20  # 0 in floating numbers
    (kept,) = optimised([y], named(x))
    assert kept.data.tolist() == y.data.tolist() == [0.0, 0.0]
    assert ops_of(kept) == ["add", "subtract"]


def test_a_variance_is_not_multiplied_out():
    x = tg.Tensor(1e8 + np.arange(4.0), name="x")
    variance = tg.mean((x - tg.mean(x)) ** 2)
    (kept,) = optimised([variance], named(x))
    np.testing.assert_allclose(kept.data, 1.25, rtol=1e-12)


def test_dtypes_stay():
    x = tg.Tensor(np.ones(3, np.float32), name="x")
    (y,) = optimised([tg.mean(x * 2) / 3], named(x))
    assert y.dtype == np.float32


def over_sum_twice(x, y):
    powers = tg.exp(x)
    total = powers + 5
    return powers / total * y / total


@pytest.mark.parametrize(
    ("function", "arrays"),
    [
        (lambda x, y: y * (tg.exp(x) / (5 + tg.exp(x))), ([300.0, 1.0], [1e200, 1e200])),
        (lambda x, y: y * (tg.exp(x) / (5 + tg.sum(tg.exp(x)))), ([300.0, 1.0], [1e200, 1e200])),
        (over_sum_twice, ([500.0, 1.0], [1.0, 1.0])),
        (lambda x, y: tg.sum((tg.exp(x) / tg.exp(y)) ** 2), ([400.0, 1.0], [399.0, 2.0])),
    ],
)
def test_a_quotient_does_not_overflow_where_it_did_not(function, arrays):
    """What is large is divided before it is multiplied or squared."""
    compiled = tg.compile(function)
    compiled(np.array([0.1, 0.2]), np.array([0.3, 0.4]))
    arrays = [np.array(x) for x in arrays]
    np.testing.assert_allclose(compiled(*arrays), function(*map(tg.Tensor, arrays)).data, rtol=1e-12)


HARD = [
    lambda x, y, z: x / y / y,
    lambda x, y, z: x / (y * z),
    lambda x, y, z: x * (y * z),
    lambda x, y, z: x / z * y,
    lambda x, y, z: x / (y / z),
    lambda x, y, z: y * x * y,
    lambda x, y, z: (x * y) ** 2,
    lambda x, y, z: x / y * z / y,
    lambda x, y, z: (x / y) ** 3 * z,
    lambda x, y, z: x * y**-2 * z,
    lambda x, y, z: x / y * z + x / y * y,
    lambda x, y, z: tg.tanh(x / y / y) * z,
    lambda x, y, z: x / tg.sum(y) / tg.sum(y),
    lambda x, y, z: tg.sum((x / tg.max(tg.abs(x))) ** 2) * z,
    lambda x, y, z: y[0] * tg.sqrt(tg.sum((x / y[0]) ** 2)),
    lambda x, y, z: (x / y[0]) @ z,
    lambda x, y, z: tg.gradients(tg.sum(z * (x / y)), [y])[0],
    lambda x, y, z: tg.gradients(tg.sum(x / y / z), [z])[0],
    lambda x, y, z: tg.gradients(tg.sum(z * (x / tg.sum(y))), [y])[0],
    lambda x, y, z: tg.gradients(tg.sum((x / y) ** 2 / z), [y])[0],
]


@pytest.mark.parametrize("function", HARD)
def test_no_product_leaves_the_range_that_did_not(function):
    compiled = tg.compile(function)
    compiled(*np.array([[1.3, 2.1], [0.7, 1.9], [1.1, 0.4]]))
    for values in itertools.product([1e200, 1e-200, 1e100, 1e-100, 3.7], repeat=3):
        arrays = [np.array([value, value]) for value in values]
        with np.errstate(all="ignore"):
            ours, theirs = compiled(*arrays), function(*map(tg.Tensor, arrays)).data
        known = np.isfinite(theirs) & (theirs != 0)
        np.testing.assert_allclose(ours[known], theirs[known], rtol=1e-12, err_msg=str(values))


def test_squares_and_divisors_stay_together_where_they_were(rng):
    x, y = tg.Tensor(rng.normal(size=3), name="x"), tg.Tensor(rng.normal(size=3), name="y")
    for node in (x / y**2, x * y / (x + y) ** 2, 2 * x**2 * y / 3):
        (graph,) = optimised([node], named(x, y))
        assert len(ops_of(graph)) <= len(ops_of(node))
        assert "square" in ops_of(graph)


def test_the_transpose_of_zero_is_zero(rng):
    """Found by a fuzzer: x − x, turned, in a product."""

    def function(x, y):
        v = tg.softplus(x) - tg.softplus(x)
        return tg.sum(v.T**2) / 2 + tg.sum((tg.mean(tg.maximum(tg.tanh(x) ** 2, y)) - y) ** 2)

    compiled = tg.compile(tg.value_and_grad(function, argnums=(0, 1)))
    x, y = rng.normal(size=(1, 3)), rng.normal(size=3)
    np.testing.assert_allclose(compiled(x, y)[1][1], tg.value_and_grad(function, argnums=(0, 1))(x, y)[1][1])


def test_what_would_turn_out_to_be_zero_within_a_call_stays(rng):
    """It may be NaN, and a number would not have its shape."""
    a, b = (symbol(tg.Tensor(rng.normal(size=(2, 3)))) for _ in "ab")
    inside, twice = Sum((*a.products, *multiplied(number(0.5), b).products)), multiplied(number(-2.0), a)
    difference = Sum((Product(Fraction(2), ((inside, 1),)), *twice.products, *b.negated.products))
    assert _spread(difference) is difference
    total = of(Call("sum", (difference,), Params(axis=1, keepdims=False), (2,)))
    np.testing.assert_allclose(written(_spread(total)).data, np.zeros(2), atol=1e-15)
