"""What the laws do not say of transcendental functions: singular points, derivatives of high order, SciPy."""

import math
import sys

import numpy as np
import pytest

import tinygraph as tg
from tinygraph import kernels


def derivatives(function, at, order):
    """The value and so many derivatives at a number."""
    x = tg.parameter(at)
    y, found = function(x), []
    for _ in range(order):
        found.append(y.item())
        (y,) = tg.gradients(y, [x])
    return [*found, y.item()]


def test_the_derivatives_of_the_sine_go_round():
    s, c = math.sin(0.3), math.cos(0.3)
    assert derivatives(tg.sin, 0.3, 4) == pytest.approx([s, c, -s, -c, s], rel=1e-15)


def test_the_derivatives_of_sinc_at_0_are_those_of_its_series():
    """1, 0, −π²/3, 0, π⁴/5, 0, −π⁶/7"""
    expected = [1, 0, -(np.pi**2) / 3, 0, np.pi**4 / 5, 0, -(np.pi**6) / 7]
    assert derivatives(tg.sinc, 0.0, 6) == pytest.approx(expected, rel=1e-14)


def sinc_derivative(x, order):
    """πⁿ ∫₀¹ tⁿ cos(π x t + n π/2) dt, by Gauss and Legendre."""
    nodes, weights = np.polynomial.legendre.leggauss(200)
    t = (nodes + 1) / 2
    return np.pi**order * np.sum(weights / 2 * t**order * np.cos(np.pi * x * t + order * np.pi / 2))


@pytest.mark.parametrize("order", range(1, 7))
def test_derivatives_of_sinc_near_and_far(order):
    x = np.concatenate([np.linspace(-5, 5, 201), [1e-12, 30.25, -40.0]])
    expected = np.array([sinc_derivative(v, order) for v in x])
    np.testing.assert_allclose(kernels.sinc_derivative(x, order), expected, rtol=1e-9, atol=1e-12 * np.pi**order)
    assert kernels.sinc_derivative(np.float32(0.5), order).dtype == np.float32
    assert kernels.sinc_derivative(1e-20, 1) == pytest.approx(-(np.pi**2) / 3 * 1e-20, rel=1e-14)


@pytest.mark.parametrize(
    ("function", "x", "y", "dx", "dy"),
    [
        (tg.logaddexp, 1000.0, 1000.0, 0.5, 0.5),
        (tg.logaddexp, np.inf, 0.0, 1.0, 0.0),
        (tg.logaddexp, -np.inf, 0.0, 0.0, 1.0),
        (tg.logaddexp2, 1e4, 1e4, 0.5, 0.5),
        (tg.hypot, 0.0, 0.0, 0.0, 0.0),
        (tg.hypot, 3e200, 4e200, 0.6, 0.8),
        (tg.hypot, 3e-200, 4e-200, 0.6, 0.8),
        (tg.atan2, 0.0, 0.0, 0.0, 0.0),
        (tg.atan2, 1e200, 1e200, 5e-201, -5e-201),
        (tg.atan2, 1e-200, 1e-200, 5e199, -5e199),
        (tg.atan2, 0.0, -1.0, -1.0, 0.0),
        (tg.atan2, 1.0, np.inf, 0.0, 0.0),
        (tg.atan2, np.inf, np.inf, 0.0, 0.0),
    ],
)
def test_two_operands_at_the_ends(function, x, y, dx, dy):
    x, y = tg.parameter(x), tg.parameter(y)
    found = [g.item() for g in tg.gradients(function(x, y), [x, y])]
    assert found == pytest.approx([dx, dy], rel=1e-15)


def test_a_compiled_angle_does_not_overflow_on_the_way_either():
    compiled = tg.compile(tg.grad(lambda y, x: tg.sum(tg.atan2(y, x))))
    compiled(np.ones(2), np.ones(2))
    ends = np.array([1e-200, 1e200])
    np.testing.assert_allclose(compiled(ends, ends), [5e199, 5e-201], rtol=1e-14)


def test_at_the_origin_higher_derivatives_of_hypot_and_atan2_are_0_too():
    for function in (tg.hypot, tg.atan2):
        x, y = tg.parameter(0.0), tg.parameter(0.0)
        dx, dy = tg.gradients(function(x, y), [x, y])
        assert [g.item() for g in tg.gradients(dx + dy, [x, y])] == [0.0, 0.0]


def test_a_third_derivative_of_hypot_on_an_axis():
    """∂³/∂x∂y² = −1/x² where y = 0, in whatever order."""
    for order in ("xyy", "yxy", "yyx"):
        x, y = tg.parameter(2.0), tg.parameter(0.0)
        z = tg.hypot(x, y)
        for name in order:
            (z,) = tg.gradients(z, [{"x": x, "y": y}[name]])
        assert z.item() == pytest.approx(-1 / 4)


@pytest.mark.parametrize("function", ["tg.sinh", "tg.tan", "tg.asinh", "tg.atan", "tg.exp2", "tg.cbrt"])
def test_derivatives_against_complex_steps(function):
    """f′(x) = Im f(x + ih)/h, which rounds nothing off."""
    theirs = {"tg.cbrt": lambda x: x ** (1 / 3)}.get(function, getattr(np, function[3:], None))
    theirs = {"tg.exp2": lambda x: np.exp(x * np.log(2))}.get(function, theirs)
    x = 0.7
    assert derivatives(eval(function), x, 1)[1] == pytest.approx(theirs(x + 1e-200j).imag / 1e-200, rel=1e-14)


def test_the_equations_are_a_textbooks():
    names = {"tg": tg, "x": tg.parameter([0.25, 0.5], "x"), "y": tg.parameter([0.75, 0.5], "y")}
    expected = {
        "tg.sin(x)": "cos(x)",
        "tg.cos(x)": "−sin(x)",
        "tg.tan(x)": "1 + tan(x)²",
        "tg.asin(x)": "1 / √(1 − x²)",
        "tg.atan(x)": "1 / (1 + x²)",
        "tg.asinh(x)": "1 / √(1 + x²)",
        "tg.atanh(x)": "1 / (1 − x²)",
        "tg.hypot(x, y)": "x / hypot(x, y)",
        "tg.logaddexp(x, y)": "σ(x − y)",
        "tg.atan2(y, x)": "−y / hypot(x, y)²",
        "tg.reciprocal(x)": "−1 / x²",
        "tg.floor(x)": "0",
        "tg.clip(x, y)": "x ≥ y",
        "tg.silu(x)": "σ(x) ∗ (1 + x ∗ (1 − σ(x)))",
        "tg.leaky_relu(x)": "where(x > 0, 1, 0.01)",
        "tg.log_sigmoid(x)": "σ(−x)",
    }
    for function, equation in expected.items():
        J = tg.sum(eval(function, names))
        assert f"dx = {equation} " in str(tg.derive(J)), function


# -- the gamma function --------------------------------------------------------------------------------------------


def test_the_derivatives_of_the_gamma_function():
    special = pytest.importorskip("scipy.special", reason="the gamma functions are SciPy's")
    x = 2.5
    expected = [special.gammaln(x), special.digamma(x), *(special.polygamma(n, x).item() for n in (1, 2, 3))]
    assert derivatives(tg.gammaln, x, 4) == pytest.approx(expected, rel=1e-14)
    for n in range(4):
        assert tg.polygamma(n, x).item() == special.polygamma(n, x)
    assert tg.gammaln(np.float32([1.5, 2.5])).dtype == tg.polygamma(1, np.float32([1.5])).dtype == np.float32


@pytest.mark.parametrize("n", [-1, 1.5, None])
def test_the_order_of_a_polygamma_function_is_a_whole_number(n):
    with pytest.raises(tg.ArgumentError, match="order"):
        tg.polygamma(n, 1.0)


def test_a_compiled_gamma_function_carries_its_source():
    pytest.importorskip("scipy", reason="the gamma functions are SciPy's")
    compiled = tg.compile(tg.grad(lambda x: tg.sum(tg.gammaln(x))))
    np.testing.assert_allclose(compiled(np.array([1.0, 2.0])), [-np.euler_gamma, 1 - np.euler_gamma])


def test_without_scipy_the_gamma_functions_say_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.special", None)
    for function in (tg.gammaln, tg.digamma, lambda x: tg.polygamma(2, x)):
        with pytest.raises(tg.DependencyError, match=r"tinygraph\[special\]"):
            function([1.0])
