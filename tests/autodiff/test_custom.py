"""Gradients, and ops, of the user's own."""

import math

import numpy as np
import pytest

import tinygraph as tg
from tinygraph import ops
from tinygraph.graph import records
from tinygraph.graph.declaring import composite
from tinygraph.graph.replaying import evaluate
from tinygraph.testing import laws


@tg.custom_gradient
def log1pexp(x):
    e = tg.exp(x)
    return tg.log(1 + e), lambda g: g * (1 - 1 / (1 + e))


@tg.custom_gradient
def product(p, y, scale=1.0):
    z = p["a"] * y * scale
    return {"z": z, "sum": tg.sum(z), "positive": z > 0}, lambda g: (
        {"a": (g["z"] + g["sum"]) * y * scale, "b": None},
        (g["z"] + g["sum"]) * p["a"] * scale,
    )


def test_the_gradient_is_what_was_given_and_of_all_orders():
    assert tg.grad(log1pexp)(100.0) == 1.0
    assert tg.grad(tg.grad(log1pexp))(0.0) == pytest.approx(0.25)
    tg.check_grads(log1pexp, np.array([-1.0, 0.5, 2.0]), order=3)
    x = tg.parameter([0.0])
    tg.sum(log1pexp(x)).backward()
    np.testing.assert_array_equal(x.grad, [0.5])
    twice = tg.custom_gradient(lambda x: (x * 3.0, lambda g: 100.0 * g))
    assert tg.grad(twice)(1.0) == 100.0
    assert tg.jvp(twice, (1.0,), (2.0,)) == (3.0, 200.0)
    np.testing.assert_array_equal(tg.jacobian(twice)(np.ones(2)), 100.0 * np.eye(2))


def test_nested_arguments_and_results(rng):
    p, y = {"a": rng.normal(size=3), "b": rng.normal(size=2)}, rng.normal(size=3)

    def f(p, y):
        made = product(p, y, scale=2.0)
        assert made["positive"].dtype == bool
        return tg.sum(made["z"] ** 2) + made["sum"]

    dp, dy = tg.grad(f, argnums=(0, 1))(p, y)
    z = p["a"] * y * 2
    np.testing.assert_allclose(dp["a"], (2 * z + 1) * y * 2)
    np.testing.assert_allclose(dy, (2 * z + 1) * p["a"] * 2)
    np.testing.assert_array_equal(dp["b"], np.zeros(2))
    tg.check_grads(f, p, y)
    program = tg.compile(tg.value_and_grad(f, argnums=(0, 1)))
    for _ in range(2):
        p["a"] = rng.normal(size=3)
        np.testing.assert_allclose(program(p, y)[1][0]["a"], tg.grad(f)(p, y)["a"])


def test_a_cotangent_comes_whole():
    """As for clipping by the norm of all of it."""
    seen = []

    @tg.custom_gradient
    def watched(x, y):
        return (x, y), lambda g: seen.append(g) or g

    tg.grad(lambda x: sum(watched(x * 2.0, x * 3.0)))(1.0)
    assert [(a.item(), b.item()) for a, b in seen] == [(1.0, 1.0)]


def test_dtypes_of_gradients_are_those_of_the_arguments():
    @tg.custom_gradient
    def widening(x, y):
        return x * y, lambda g: (g * np.float64(2.0), g)

    dx, dy = tg.grad(lambda x, y: tg.sum(widening(x, y)), argnums=(0, 1))(np.ones(2, np.float32), np.ones(2))
    assert (dx.dtype, dy.dtype) == (np.float32, np.float64)


def test_numbers_and_arrays_are_passed_as_they_are():
    @tg.custom_gradient
    def power(x, n):
        assert type(n) is int
        return x**n, lambda g: (g * n * x ** (n - 1), None)

    assert tg.grad(power)(3.0, 2) == 6.0
    assert power(2.0, 3).item() == 8.0


@pytest.mark.parametrize(
    ("gradient", "error", "message"),
    [
        (lambda g: g, tg.ArgumentError, r"scaled returned 1 gradients for 2 arguments \(x, y\)"),
        (lambda g: (g, g, g), tg.ArgumentError, r"returned 3 gradients for 2 arguments \(x, y\)"),
        (lambda g: (tg.sum(g), g), tg.ShapeError, r"returned shape \(\) for x, which has \(2,\)"),
        (lambda g: ({"x": g}, g), tg.ArgumentError, "gradient of x by scaled is a dict .* where an array is due"),
        (lambda g: (g > 0, g), tg.DTypeError, "returned bool for x"),
    ],
)
def test_what_is_wrong_with_a_gradient_function_is_said_in_its_names(gradient, error, message):
    @tg.custom_gradient
    def scaled(x, y):
        return x * y, gradient

    with pytest.raises(error, match=message):
        tg.grad(lambda x: tg.sum(scaled(x, x)))(np.ones(2))
    x = tg.parameter(np.ones(2))
    with pytest.raises(error, match=message):
        tg.sum(scaled(x, x)).backward()


def test_a_function_that_returns_no_pair():
    with pytest.raises(tg.ArgumentError, match="<lambda> must return a pair: its value, and a function"):
        tg.custom_gradient(lambda x: x * 2.0)(tg.parameter(1.0))


def test_no_silent_zero_for_what_is_used_from_outside():
    w = tg.parameter(2.0)
    scaled = tg.custom_gradient(lambda x: (x * w, lambda g: g * w))
    assert tg.grad(scaled)(3.0) == 2.0  # which does not ask for w
    with pytest.raises(tg.GraphError, match=r"<lambda> uses w from outside .* make it an argument"):
        scaled(tg.Tensor(3.0)).backward()
    with pytest.raises(tg.GraphError, match="uses v from outside"):
        tg.grad(lambda v: tg.custom_gradient(lambda x: (x * v, lambda g: g * v))(3.0))(2.0)
    stopped = tg.custom_gradient(lambda x: (x * tg.stop_gradient(w), lambda g: g * tg.stop_gradient(w)))
    x = tg.parameter(3.0)
    (stopped(x) * w).backward()
    assert (x.grad, w.grad) == (4.0, 6.0)
    with pytest.raises(tg.GraphError, match="uses v from outside"):
        tg.compile(tg.grad(lambda v: tg.custom_gradient(lambda x: (x * v, lambda g: g * v))(3.0)))(2.0)


def test_values_are_those_of_the_forward_run():
    x, w = tg.parameter([2.0]), tg.Tensor([3.0])
    y = tg.sum(tg.custom_gradient(lambda x: (x * x, lambda g: 2.0 * x * g))(x))
    x.data += 10.0
    y.backward()
    np.testing.assert_array_equal(x.grad, [4.0])
    y = tg.sum(tg.custom_gradient(lambda x: (x * w, lambda g: g * w))(x))
    w.data += 1.0
    with pytest.raises(tg.GraphError, match="data of w has changed"):
        y.backward()


def test_it_draws_derives_and_evaluates():
    x = tg.parameter([0.5, 1.0])
    y = log1pexp(x)
    J = tg.sum(y)
    assert "dx = 1 − 1 / (1 + e)" in str(tg.derive(J))
    assert "dx" in str(tg.draw(J))
    np.testing.assert_allclose(evaluate([J], {x: np.zeros(2)})[0], 2 * math.log(2))


def test_it_is_not_asked_where_nothing_is_to_be_differentiated():
    asked = []
    tg.custom_gradient(lambda x: (x, lambda g: asked.append(g)))(np.ones(2))
    assert not asked


# -- ops of one's own ----------------------------------------------------------------------------------------------


@pytest.fixture
def bessel():
    """J₀ and J₁ by their integrals, which no function of ours knows; each is in the other's derivative."""
    t = (np.arange(400) + 0.5) * math.pi / 400

    def j0_of_numbers(x):
        return np.mean(np.cos(np.multiply.outer(x, np.sin(t))), axis=-1).astype(x.dtype)

    def j1_of_numbers(x):
        return np.mean(np.cos(t - np.multiply.outer(x, np.sin(t))), axis=-1).astype(x.dtype)

    @tg.op("elementwise", lambda xp, g, y, x: -1.0 * g * xp.j1(x), run=j0_of_numbers, notation="J_0({0})")
    def j0(xp, x):
        """The Bessel function of order 0."""
        return xp.j0(x)

    @tg.op("elementwise", lambda xp, g, y, x: g * (xp.j0(x) - y / x), run=j1_of_numbers, notation="J_1({0})")
    def j1(xp, x):
        """The Bessel function of order 1."""
        return xp.j1(x)

    return j0


def test_an_op_of_ones_own_keeps_the_laws_draws_derives_and_compiles(bessel):
    x = np.array([0.5, 1.5])
    laws.check_op("j0")
    tg.check_grads(bessel, x, order=3)
    f = tg.hessian(lambda x: tg.sum(bessel(x) ** 2))
    program = tg.compile(f)
    np.testing.assert_allclose(program(x), f(x))
    np.testing.assert_allclose(program(x + 1), f(x + 1))
    assert "j0 = None  # an op from outside" in program.source
    w = tg.parameter(x)
    J = tg.sum(bessel(w))
    assert "J_0(w)" in str(tg.derive(J))
    assert "J_0(w)" in str(tg.draw(J))
    assert ops.j0(w).op is records.OPS["j0"]


def test_an_op_with_numpy_source_is_written_with_that():
    @tg.op(
        "elementwise",
        lambda xp, g, y, x, slope: g * xp.where(x > 0, 1.0, slope),
        source="np.maximum({0}, {slope} * {0})",
    )
    def leaking(xp, x, slope=0.1):
        """x, or a tenth of it."""
        return xp.maximum(x, slope * x)

    program = tg.compile(lambda x: tg.sum(leaking(x * 2.0, slope=0.2)))
    assert program(np.array([1.0, -1.0])) == pytest.approx(2 - 0.4)
    assert "np.maximum(" in program.source
    without = tg.compile(lambda x: leaking(x))
    np.testing.assert_allclose(without(np.array([1.0, -1.0])), [1.0, -0.1])


def test_an_op_does_not_take_a_name_or_numpys_function_by_accident():
    def tanh(xp, x):
        return x

    with pytest.raises(tg.ArgumentError, match="there is an op tanh already"):
        tg.op("elementwise", None)(tanh)

    @tg.op("elementwise", lambda xp, g, y, x: g * 2.0)
    def fix(xp, x):
        return x * 2.0

    assert fix(1.7).item() == 3.4  # and not np.fix

    def one(xp, x):
        return x

    with pytest.raises(tg.ArgumentError, match=r"one has 2 gradient rules for the inputs \(x\) after xp"):
        tg.op("elementwise", None, None)(one)


def test_the_rule_of_an_elementwise_op_follows_from_its_slope():
    @tg.op("elementwise", slope=lambda y, x: 2.0 * y)
    def squared_exponential(xp, x):
        return xp.exp(2.0 * x)

    @tg.op("elementwise", slope=(lambda xp, z, x, y: xp.cos(x) * y, lambda xp, z, x, y: xp.sin(x)))
    def wave(xp, x, y):
        return xp.sin(x) * y

    @tg.op("elementwise", slope=(lambda z, x, y: y, None))
    def scaled(xp, x, y):
        return x * y

    @tg.op("elementwise", slope=lambda xp, y, x, rate: -rate * y)
    def decayed(xp, x, rate=1.0):
        return xp.exp(-rate * x)

    @tg.op("elementwise", slope=lambda y, x: 3.0)
    def tripled(xp, x):
        return 3.0 * x

    x, y = np.array([0.5, 1.5]), np.array([2.0, -1.0])
    for function in (squared_exponential, decayed, tripled, lambda x: decayed(x, rate=0.5), lambda x: scaled(x, y)):
        tg.check_grads(function, x, order=2)
    tg.check_grads(wave, x, y, order=2)
    assert records.OPS["scaled"].vjps[1] is None


def test_slopes_that_do_not_fit_are_refused():
    def one(xp, x):
        return x

    for declaration, message in (
        (lambda: tg.op("reduction", slope=lambda y, x: y), "elementwise op; this one has the kind 'reduction'"),
        (lambda: tg.op("elementwise", None, slope=lambda y, x: y), "this one has gradient rules beside it"),
        (lambda: tg.op("elementwise", slope=(abs, abs))(one), r"one has 2 slopes for the inputs \(x\) after xp"),
        (
            lambda: tg.op("elementwise", slope=lambda xp, g, y, x: y)(one),
            r"of one takes .*\(x\).*; .* takes \(xp, g, y, x\)",
        ),
        (lambda: tg.op("elementwise", slope=lambda y: y)(one), r"this one takes \(y\)"),
    ):
        with pytest.raises(tg.ArgumentError, match=message):
            declaration()


@pytest.mark.parametrize("declare", [tg.op, lambda kind: composite(kind, samples=())])
def test_a_kind_that_does_not_exist_is_refused(declare):
    with pytest.raises(
        tg.ArgumentError, match=r"one of elementwise, .*, not 'elementwize'; did you mean 'elementwise'"
    ):
        declare("elementwize")
    with pytest.raises(tg.ArgumentError, match=r"loss, control, other, not 'magic'$"):
        declare("magic")


def test_a_wrong_shape_from_a_rule_is_an_error():
    @tg.op("reduction", lambda xp, g, y, x: g * 1.0)
    def total(xp, x):
        return xp.sum(x)

    @tg.op("elementwise", lambda xp, g, y, x: 0.0)
    def flat(xp, x):
        return x * 0.0

    @tg.op("other", lambda xp, g, y, *xs: (g,), variadic=True)
    def both(xp, *xs):
        return xs[0] + xs[1]

    with pytest.raises(tg.ShapeError, match=r"rule of total gave a gradient of shape \(\) for an .* shape \(2,\)"):
        tg.grad(total)(np.ones(2))
    with pytest.raises(tg.ShapeError, match=r"rule of flat gave a gradient of shape \(\)"):
        tg.grad(lambda x: tg.sum(flat(x)))(np.ones(2))
    assert tg.grad(flat)(1.0) == 0.0
    with pytest.raises(tg.ShapeError, match="rule of both gave 1 gradients for 2 inputs"):
        tg.grad(lambda x: both(x, x))(1.0)
