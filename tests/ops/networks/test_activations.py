"""What the laws do not say of activations: the ends of the range, kinks, parameters."""

import math

import numpy as np
import pytest

import tinygraph as tg

SMOOTH = {
    "gelu": (0.0, 1.0),
    "hardsigmoid": (0.0, 0.0),
    "hardswish": (0.0, 1.0),
    "hardtanh": (0.0, 0.0),
    "leaky_relu": (0.01, 1.0),
    "log_sigmoid": (1.0, 0.0),
    "mish": (0.0, 1.0),
    "relu": (0.0, 1.0),
    "relu6": (0.0, 0.0),
    "elu": (0.0, 1.0),
    "selu": (0.0, 1.0507009873554805),
    "celu": (0.0, 1.0),
    "sigmoid": (0.0, 0.0),
    "silu": (0.0, 1.0),
    "softplus": (0.0, 1.0),
    "softsign": (0.0, 0.0),
    "tanh": (0.0, 0.0),
}
"""The slopes at −∞ and ∞."""


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
@pytest.mark.parametrize("name", [*SMOOTH, "gelu tanh"])
def test_at_the_ends_nothing_overflows_and_the_slopes_are_the_limits(name, dtype):
    def function(x):
        return tg.gelu(x, approximate="tanh") if name == "gelu tanh" else getattr(tg, name)(x)

    largest = float(np.finfo(dtype).max)
    ends = [-np.inf, -largest, -1000.0, 1000.0, largest, np.inf]
    x = tg.parameter(np.array(ends, dtype))
    with np.errstate(
        over="ignore" if name in ("gelu", "selu", "softsign") else "raise", invalid="raise", divide="raise"
    ):
        y = function(x)
        (dx,) = tg.gradients(y, [x], np.ones(6, dtype))
        y.backward(np.ones(6, dtype))
    assert y.dtype == dx.dtype == x.grad.dtype == dtype
    assert not np.isnan(y.data).any()
    below, above = SMOOTH[name.split()[0]]
    expected = np.array([below] * 3 + [above] * 3)
    np.testing.assert_allclose(dx.data, expected, atol=2e-6, rtol=2e-3)
    np.testing.assert_array_equal(dx.data, x.grad)


def test_small_values_keep_their_digits():
    """x e^x, since σ(x) → e^x; and the derivative (1 + x) e^x."""
    for x in (-40.0, -200.0, -700.0):
        v = tg.parameter(x)
        (dx,) = tg.gradients(tg.silu(v), [v])
        assert tg.silu(v).item() == pytest.approx(x * math.exp(x), rel=1e-14)
        assert dx.item() == pytest.approx((1 + x) * math.exp(x), rel=1e-13)
        assert tg.mish(v).item() == pytest.approx(x * math.exp(x), rel=1e-13)
    assert tg.gelu(-20.0, approximate="tanh").item() == pytest.approx(
        -20 * math.exp(-2 * math.sqrt(2 / math.pi) * (20 + 0.044715 * 8000)), rel=1e-12
    )


def test_logit_is_the_inverse_of_the_sigmoid():
    z = np.array([-700.0, -30.0, -1.0, -1e-10, 0.0, 1e-10, 1.0, 10.0])
    np.testing.assert_allclose(tg.logit(tg.sigmoid(z)).data, z, rtol=1e-11, atol=1e-16)
    with np.errstate(divide="ignore", invalid="ignore"):
        assert np.array_equal(tg.logit([0.0, 1.0, 1.5]).data, [-np.inf, np.inf, np.nan], equal_nan=True)


@pytest.mark.parametrize("alpha", [0.5, 1.0, 3.0])
def test_parameters(alpha):
    x = np.array([-2.0, -0.5, 0.5])
    np.testing.assert_allclose(tg.elu(x, alpha).data, np.where(x > 0, x, alpha * np.expm1(x)))
    np.testing.assert_allclose(tg.celu(x, alpha=alpha).data, np.where(x > 0, x, alpha * np.expm1(x / alpha)))
    np.testing.assert_allclose(tg.leaky_relu(x, alpha).data, np.where(x > 0, x, alpha * x))
    np.testing.assert_allclose(tg.hardtanh(x, -alpha, alpha).data, np.clip(x, -alpha, alpha))


@pytest.mark.parametrize("name", ["alpha", "negative_slope", "min_val"])
def test_a_parameter_that_would_lose_its_gradient_is_refused(name):
    function = {"alpha": tg.elu, "negative_slope": tg.leaky_relu, "min_val": tg.hardtanh}[name]
    with pytest.raises(tg.UnsupportedError, match=f"{name} of .* is a plain number"):
        function([1.0, -2.0], **{name: tg.parameter(0.5)})
    with pytest.raises(tg.UnsupportedError, match=f"{name} of .* is a plain number"):
        function([1.0, -2.0], tg.parameter(0.5))


def test_gelu_has_two_forms():
    x = np.linspace(-5, 5, 101)
    exact, near = tg.gelu(x).data, tg.gelu(x, approximate="tanh").data
    assert 1e-5 < np.abs(exact - near).max() < 1e-3
    with pytest.raises(tg.ArgumentError, match="approximate"):
        tg.gelu(x, approximate="sigmoid")


def test_an_infinite_cotangent_stays_where_the_slope_is_not_0():
    for function in (tg.relu, tg.relu6, tg.hardtanh):
        x = tg.parameter([-5.0, 0.5])
        function(x).backward([np.inf, 1.0])
        assert x.grad.tolist() == [0.0, 1.0]


def test_nan_is_on_the_linear_side():
    for function in (tg.relu, tg.relu6, tg.hardtanh, tg.hardswish, tg.elu, tg.celu):
        x = tg.parameter(np.nan)
        y = function(x)
        y.backward()
        assert np.isnan(y.data)
        assert x.grad == 1.0


def test_integers_become_floats():
    for function in (tg.silu, tg.mish, tg.gelu, tg.softsign, tg.elu, tg.hardswish, tg.log_sigmoid):
        assert function([1, -2]).dtype == float
        np.testing.assert_allclose(function([1, -2]).data, function([1.0, -2.0]).data)


def test_a_compiled_activation_works_in_its_buffers():
    compiled = tg.compile(tg.value_and_grad(lambda x: tg.sum(tg.silu(tg.sin(x)))))
    compiled(np.linspace(-2.0, 2.0, 5))
    source = compiled.source
    assert "sin(x, _" in source
    assert "where" not in source
