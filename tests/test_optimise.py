"""Optimising keeps the numbers, and leaves factors to the small arrays."""

import numpy as np

import tinygraph as tg
from tinygraph.optimise import optimised


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


def test_a_quotient_does_not_overflow_where_it_did_not():
    """What is large is divided before it is multiplied or squared."""

    def function(x):
        p = tg.exp(x) / tg.sum(tg.exp(x))
        return tg.sum(p**2 * x) + tg.sum(tg.log(1 + tg.exp(x)) ** 2 * x)

    compiled = tg.compile(tg.value_and_grad(function))
    compiled(np.array([0.1, 0.2, 0.3]))
    x = np.array([400.0, 399.0, 350.0])
    for ours, theirs in zip(compiled(x), tg.value_and_grad(function)(x), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_the_transpose_of_zero_is_zero(rng):
    """Found by a fuzzer: x − x, turned, in a product."""

    def function(x, y):
        v = tg.softplus(x) - tg.softplus(x)
        return tg.sum(v.T**2) / 2 + tg.sum((tg.mean(tg.maximum(tg.tanh(x) ** 2, y)) - y) ** 2)

    compiled = tg.compile(tg.value_and_grad(function, argnums=(0, 1)))
    x, y = rng.normal(size=(1, 3)), rng.normal(size=3)
    np.testing.assert_allclose(compiled(x, y)[1][1], tg.value_and_grad(function, argnums=(0, 1))(x, y)[1][1])
