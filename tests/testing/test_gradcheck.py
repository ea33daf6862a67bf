"""check_grads passes what is right, at any scale, and says what is wrong, where, and by which op."""

import numpy as np
import pytest

import tinygraph as tg
from tinygraph.testing.gradcheck import LawError, check_grads


def test_it_passes_what_is_right():
    check_grads(lambda x, y: tg.tanh(x @ y) / (1 + y[0] ** 2), np.ones((2, 3)), np.full((3, 1), 0.3), order=3)


def test_the_worst_element_and_the_op_with_its_line(wrongly):
    def f(x):
        y = tg.tanh(x) * 2.0
        return tg.sum(y + wrongly(x) * 3.0)

    message = (
        r"the gradient of x at \(1,\), where it is 2\.0, is .*; central differences give .*\n"
        r"  suspect wrongly, whose gradient for its input 0 is off by \d+\.\d%; at test_\w+\.py:\d+: .*wrongly\(x\)"
    )
    with pytest.raises(LawError, match=message):
        check_grads(f, np.array([1.0, 2.0, 0.5]))


def test_nested_arguments_and_results(wrongly):
    def f(p, n, *, factor):
        return [p["w"] @ p["b"] * factor, {"wrong": wrongly(p["b"]), "count": n + 1, "above": p["b"] > 0}]

    p = {"w": np.ones((2, 2)), "b": np.array([0.3, 0.1])}
    check_grads(f, p, 3, factor=2.0, order=1)
    p["b"][0] = 2.0
    with pytest.raises(LawError, match=r"the gradient of p\['b'\] at \(0,\), where it is 2.0"):
        check_grads(f, p, 3, factor=2.0)
    with pytest.raises(tg.DTypeError, match="no floating argument"):
        check_grads(f, 3, 4, factor=2.0)


@pytest.mark.parametrize("lost", [lambda x: x.detach(), lambda x: tg.Tensor(x.data), tg.stop_gradient])
def test_what_was_lost_on_the_way(lost):
    with pytest.raises(LawError, match=r"central differences(.|\n)*something has left the graph"):
        check_grads(lambda x: lost(x) * x, np.array([0.5]))


def test_a_gradient_function_of_the_users_is_named():
    @tg.custom_gradient
    def cube(x):
        return x**3, lambda g: g * 2 * x**2

    with pytest.raises(LawError, match=r"suspect the gradient function of cube, .* at test_gradcheck"):
        check_grads(lambda x: tg.tanh(cube(x)), np.array([0.5]))


def test_only_the_second_order_is_wrong():
    @tg.custom_gradient
    def cube(x):
        return x**3, lambda g: g * 3 * tg.stop_gradient(x) ** 2

    check_grads(cube, np.array([0.5]), order=1)
    with pytest.raises(LawError, match="the gradient of x"):
        check_grads(cube, np.array([0.5]))


SCALES = [10.0**k for k in (-30, -12, -6, -3, 0, 3, 6, 12, 30)]


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("size", [1e-20, 1.0, 1e20])
def test_numbers_and_gradients_of_any_size(scale, size):
    x = np.array([0.7, -1.3, 2.1]) * scale

    def f(x):
        z = x * (1 / scale)
        return tg.sum(tg.tanh(z) * z[::-1] + tg.exp(z)) * size

    check_grads(f, x)
    wrong = tg.custom_gradient(lambda x: (f(x), lambda g: tg.gradients(f(x), x) * (1 + 1e-3) * g))
    with pytest.raises(LawError):
        check_grads(wrong, x, order=1)


def test_elements_of_very_different_sizes():
    check_grads(lambda x: tg.log(x) * x, np.array([1e-9, 1e-3, 1.0, 1e6]))
    check_grads(lambda x: tg.sum(x * np.array([1e-6, 1.0, 1e6])) ** 2, np.array([1.0, 0.0, 1e-3]))
    check_grads(lambda x: 1e6 + x**2, np.array([0.5]))


def test_what_cannot_be_told_is_not_passed():
    rng = np.random.default_rng(0)
    with pytest.raises(LawError, match="gives other values when it is called again"):
        check_grads(lambda x: x * rng.normal(size=3), np.ones(3), order=1)
    with pytest.raises(LawError, match="not smooth"):
        check_grads(tg.relu, np.array([0.0]), order=1)
    check_grads(tg.relu, np.array([1e-3, -1e-3]))


# -- the cotangent -------------------------------------------------------------------------------------------------


def cube(rule):
    """The third power with a gradient function of the cotangent and x."""
    return tg.custom_gradient(lambda x: (x**3, lambda g: rule(g, x)))


def scaled(slope):
    """3 g x², with a derivative by g that is `slope` times the right one."""
    return tg.custom_gradient(lambda g, x: (3 * g * x**2, lambda v: (slope * v * 3 * x**2, v * g * 6 * x)))


def test_a_gradient_is_differentiated_by_its_cotangent_too():
    check_grads(cube(scaled(1)), np.array([0.5, 1.2]), order=3)
    check_grads(cube(scaled(2)), np.array([0.5]), order=1)
    message = (
        r"the gradient of argument 0, differentiated by the cotangent of the result, at \(0,\), .*\n"
        r"  suspect the gradient function of <lambda>, which for its input 1 is off by 50\.0%; at test_gradcheck"
    )
    with pytest.raises(LawError, match=message.replace("argument 0", "x")):
        check_grads(cube(scaled(2)), np.array([0.5]))


@pytest.mark.parametrize(
    "lost", [tg.stop_gradient, lambda g: g.detach(), lambda g: tg.Tensor(g.data)], ids=["stopped", "detached", "data"]
)
def test_a_rule_that_loses_its_cotangent(lost):
    with pytest.raises(LawError, match=r"differentiated by the cotangent(.|\n)*something has left the graph"):
        check_grads(cube(lambda g, x: 3 * lost(g) * x**2), np.array([0.5]))


@pytest.mark.parametrize("bent", [tg.relu, tg.abs, lambda g: tg.clip(g, -1, 1)], ids=["relu", "abs", "clip"])
@pytest.mark.parametrize("order", [1, 2])
def test_a_rule_that_is_not_linear_in_its_cotangent(bent, order):
    with pytest.raises(LawError, match=r"not linear in the cotangent(.|\n)*suspect the gradient function"):
        check_grads(cube(lambda g, x: 3 * bent(g) * x**2), np.array(0.5), order=order)


@pytest.mark.parametrize(
    "rule",
    [lambda g, x: 3 * x**2, lambda g, x: 3 * g**2 * x**2, lambda g, x: None, lambda g, x: 3 * g * x**2 + 1.0],
    ids=["without g", "g squared", "None", "plus 1"],
)
def test_a_rule_that_takes_its_cotangent_for_something_else(rule):
    with pytest.raises(LawError, match=r"central differences(.|\n)*suspect the gradient function"):
        check_grads(cube(rule), np.array(0.5), order=1)


def test_each_order_is_checked_and_none_below_1():
    fourth = cube(lambda g, x: second(g, x))
    second = tg.custom_gradient(lambda g, x: (3 * g * x**2, lambda v: (v * 3 * x**2, v * g * 6 * tg.stop_gradient(x))))
    check_grads(fourth, np.array([0.5]))
    with pytest.raises(LawError, match="the gradient of x, differentiated by x and by x, at"):
        check_grads(fourth, np.array([0.5]), order=3)
    check_grads(lambda x, y: [tg.tanh(x @ y), tg.sum(x) * y], np.full((1, 2), 0.3), np.array([0.3, 0.7]), order=3)
    check_grads(lambda x: tg.tanh(x) * x, np.array([0.3]), order=4)
    for order in (0, -1):
        with pytest.raises(tg.ArgumentError, match=f"1 or more, not {order}"):
            check_grads(tg.tanh, np.array([0.3]), order=order)


def test_what_has_no_floating_result_is_not_passed():
    for function in (lambda x: None, lambda x: {"above": x > 0}):
        with pytest.raises(tg.DTypeError, match="<lambda> returned no floating number"):
            check_grads(function, np.array([0.5]))


def test_arguments_are_left_as_they_are(rng):
    x = rng.normal(size=3)
    before = x.copy()
    check_grads(tg.tanh, x)
    check_grads(tg.tanh, tg.parameter(x))
    with tg.no_grad():
        check_grads(tg.tanh, x)
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("given", [{"rtol": -1}, {"rtol": np.nan}, {"atol": "s"}, {"order": 0}, {"order": 1.0}])
def test_tolerances_and_orders_that_mean_nothing_are_refused(given):
    with pytest.raises(tg.ArgumentError, match=f"{next(iter(given))}.*or more, not"):
        tg.check_grads(tg.sum, np.ones(2), **given)
