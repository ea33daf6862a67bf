"""Gradients of functions of arrays and of nested arrays."""

import numpy as np
import pytest

import tinygraph as tg


def loss(params, x, y):
    return tg.mean((params["w"] @ x + params["b"] - y) ** 2)


def test_the_gradient_is_nested_as_the_argument_and_of_arrays(rng):
    params = {"w": rng.normal(size=(1, 3)), "b": np.zeros((1, 1))}
    x, y = rng.normal(size=(3, 5)), rng.normal(size=(1, 5))
    value, gradient = tg.value_and_grad(loss)(params, x, y)
    error = params["w"] @ x + params["b"] - y
    np.testing.assert_allclose(value, np.mean(error**2))
    np.testing.assert_allclose(gradient["w"], 2 / 5 * error @ x.T)
    np.testing.assert_allclose(gradient["b"], 2 / 5 * error.sum(axis=1, keepdims=True))
    assert type(gradient["w"]) is np.ndarray
    assert type(value) is np.float64


def test_of_several_arguments_it_is_a_tuple(rng):
    x, y = rng.normal(size=3), rng.normal(size=3)
    dx, dy = tg.grad(lambda x, y: tg.sum(x * y), argnums=(0, 1))(x, y)
    np.testing.assert_array_equal(dx, y)
    np.testing.assert_array_equal(dy, x)
    np.testing.assert_array_equal(tg.grad(lambda x, y: tg.sum(x * y), argnums=-1)(x, y), x)


def test_gradients_nest_to_any_order():
    f = tg.sigmoid
    for _ in range(3):
        f = tg.grad(f)
    h = 1e-3
    s = lambda x: 1 / (1 + np.exp(-x))  # noqa: E731
    third = (s(0.3 + 2 * h) - 2 * s(0.3 + h) + 2 * s(0.3 - h) - s(0.3 - 2 * h)) / (2 * h**3)
    assert f(0.3) == pytest.approx(third, rel=1e-4)


def test_an_inner_gradient_is_with_respect_to_its_own_argument():
    assert tg.grad(lambda x: x * tg.grad(lambda y: x + y)(1.0))(1.0) == 1.0
    assert tg.grad(lambda x: tg.grad(lambda y: x * y)(1.0))(2.0) == 1.0
    assert tg.grad(lambda x: tg.grad(lambda y: x * x * y * y)(3.0))(2.0) == 24.0
    assert tg.grad(lambda x: tg.grad(lambda y: x * y)(x))(2.0) == 1.0


def test_what_the_value_does_not_depend_on_has_a_gradient_of_zero():
    np.testing.assert_array_equal(tg.grad(lambda x: tg.Tensor(1.0) * 2.0)(np.ones(2)), np.zeros(2))
    value, gradient = tg.value_and_grad(lambda p: tg.sum(p[0]))([np.ones(2), np.ones(3)])
    assert value == 2.0
    np.testing.assert_array_equal(gradient[1], np.zeros(3))


def test_arguments_are_left_as_they_are(rng):
    x = rng.normal(size=3)
    before = x.copy()
    gradient = tg.grad(lambda x: tg.sum(x * 1.0))(x)
    gradient += 1.0
    np.testing.assert_array_equal(x, before)


def test_float32_stays():
    value, gradient = tg.value_and_grad(lambda x: tg.sum(x * x))(np.ones(2, np.float32))
    assert value.dtype == gradient.dtype == np.float32


def test_what_has_no_gradient_says_so():
    def f(x):
        return x * 2

    with pytest.raises(tg.ArgumentError, match=r"f returned shape \(2,\); a gradient is that of a scalar"):
        tg.grad(f)(np.ones(2))
    with pytest.raises(tg.ArgumentError, match="returned a float"):
        tg.grad(lambda x: 1.0)(1.0)
    with pytest.raises(tg.DTypeError, match="only floating arguments"):
        tg.grad(lambda n: n * 1.0)(3)
    with pytest.raises(tg.ArgumentError, match="asks for the argument 2"):
        tg.grad(lambda x: x, argnums=2)(1.0)


def test_within_no_grad_too():
    with tg.no_grad():
        assert tg.grad(lambda x: x**2)(3.0) == 6.0
