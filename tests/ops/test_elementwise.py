"""What the laws do not say of elementwise ops: accuracy at the ends, literals, conversions."""

import numpy as np
import pytest

import tinygraph as tg


def derivative(function, at):
    x = tg.parameter(at)
    return tg.gradients(function(x), x).item()


def test_x_squared_is_2x_in_each_spelling():
    for square in (lambda x: x**2, lambda x: x**2.0, lambda x: x * x, tg.square, lambda x: tg.pow(x, 2)):
        assert derivative(square, -3.0) == -6.0


@pytest.mark.parametrize("exponent", [-3, -1, 0, 1, 2, 3, 7])
def test_a_negative_base_with_a_whole_exponent(exponent):
    assert derivative(lambda x: x**exponent, -2.0) == exponent * (-2.0) ** (exponent - 1)
    assert derivative(lambda x: x ** tg.Tensor(float(exponent)), -2.0) == exponent * (-2.0) ** (exponent - 1)


def test_the_derivative_of_a_power_with_respect_to_its_exponent():
    assert derivative(lambda y: 2.0**y, 3.0) == pytest.approx(8 * np.log(2))
    assert derivative(lambda y: tg.Tensor(2.0) ** y, 3.0) == pytest.approx(8 * np.log(2))


@pytest.mark.parametrize("x", [-1e300, -745.0, -50.0, 0.0, 50.0, 745.0, 1e300])
def test_sigmoid_softplus_and_tanh_do_not_overflow(x):
    for function in (tg.sigmoid, tg.softplus, tg.tanh):
        assert np.isfinite(function(tg.Tensor(x)).item())
        assert np.isfinite(derivative(function, x))
    assert derivative(tg.softplus, x) == tg.sigmoid(x).item()


def test_sigmoid_keeps_its_accuracy_where_it_is_small():
    assert tg.sigmoid(-700.0).item() == pytest.approx(np.exp(-700.0), rel=1e-12)
    assert tg.softplus(-700.0).item() == pytest.approx(np.exp(-700.0), rel=1e-12)
    assert derivative(tg.sigmoid, -700.0) == pytest.approx(np.exp(-700.0), rel=1e-12)


def test_log1p_and_expm1_keep_theirs():
    assert tg.log1p(1e-20).item() == 1e-20
    assert tg.expm1(1e-20).item() == 1e-20


@pytest.mark.parametrize("compare", ["<", "<=", ">", ">=", "==", "!="])
def test_comparisons_are_recorded_without_a_gradient(compare):
    x = tg.parameter([1.0, 2.0])
    mask = eval(f"x {compare} 1.5")
    assert mask.dtype == bool
    assert mask.op is not None
    assert mask.inputs[0] is x
    assert not mask.requires_grad


def test_integer_data_follows_numpy():
    x = tg.Tensor([1, 2, 3])
    assert (x + 1).dtype == np.int64
    assert (x / 2).dtype == np.float64
    assert (x > 1).dtype == bool
    with pytest.raises(ValueError, match="negative integer powers") as caught:
        x**-1
    assert "x**-1" in caught.value.__notes__[0]


def test_astype_between_floats_carries_the_gradient_back_in_the_dtype_of_the_input():
    x = tg.parameter(np.ones(2, np.float32))
    y = x.astype(np.float64)
    (y * y).sum().backward()
    assert y.dtype == np.float64
    assert x.grad.dtype == np.float32
    assert not x.astype(int).requires_grad


def test_bias_and_column_sums():
    """Broadcasting is undone by sums over the axes that were repeated."""
    b = tg.parameter(np.zeros((3, 1)))
    (b + np.ones((2, 3, 4))).sum().backward()
    assert b.grad.tolist() == [[8.0]] * 3


def test_second_derivatives_of_a_power_at_the_exponent_0():
    x, y = tg.parameter(2.0), tg.parameter(0.0)
    dx, dy = tg.gradients(x**y, [x, y])
    assert tg.gradients(dx, y).item() == tg.gradients(dy, x).item() == 0.5


@pytest.mark.parametrize("base", [0.0, tg.Tensor(0.0)])
@pytest.mark.parametrize(("exponent", "derivative"), [(2.0, 0.0), (0.0, 0.0), (-1.0, -np.inf)])
def test_zero_to_a_power(base, exponent, derivative):
    y = tg.parameter(exponent)
    with np.errstate(divide="ignore"):
        assert tg.gradients(base**y, y).item() == derivative


def test_where_one_operand_is_nan_fmax_and_fmin_give_the_gradient_to_the_other():
    for function in (tg.fmax, tg.fmin):
        x, y = tg.parameter([np.nan, 1.0, 2.0]), tg.parameter([3.0, np.nan, 2.0])
        tg.sum(function(x, y)).backward()
        assert x.grad.tolist() == [0.0, 1.0, 0.5]
        assert y.grad.tolist() == [1.0, 0.0, 0.5]
