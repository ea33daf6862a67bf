"""check_grads passes what is right, at any scale, and says what is wrong, where, and by which op."""

import itertools
import re

import numpy as np
import pytest

import tinygraph as tg
from tinygraph import apply, checks, table, testing
from tinygraph.checks import LawError, check_grads


@pytest.fixture
def wrongly():
    """The exponential function with a wrong gradient at 2."""

    @apply.op("elementwise", lambda xp, g, y, x: g * xp.where(x == 2.0, 3.0, y))
    def wrongly(xp, x):
        return xp.exp(x)

    for registry in (table.OPS, table.APPLY, vars(table.NUMBERS)):
        registry.pop("wrongly")
    return wrongly


def test_it_passes_what_is_right():
    check_grads(lambda x, y: tg.tanh(x @ y) / (1 + y[0] ** 2), np.ones((2, 3)), np.full((3, 1), 0.3), order=3)


def test_the_worst_element_and_the_op_with_its_line(wrongly):
    def f(x):
        y = tg.tanh(x) * 2.0
        return tg.sum(y + wrongly(x) * 3.0)

    message = (
        r"the gradient of x at \(1,\), where it is 2\.0, is .*; central differences give .*\n"
        r"  suspect wrongly, whose gradient for its input 0 is off by \d+\.\d%; at test_checks\.py:\d+: .*wrongly\(x\)"
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

    with pytest.raises(LawError, match=r"suspect the gradient function of cube, .* at test_checks"):
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
        r"  suspect the gradient function of <lambda>, which for its input 1 is off by 50\.0%; at test_checks"
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


# -- what a disagreement comes from --------------------------------------------------------------------------------


def calls():
    """A function that counts how often it is called."""
    count = iter(range(1, 10**6))
    return lambda x: x * next(count)


RNG = np.random.default_rng(0)
REASONS = {
    "a kink": (tg.relu, 0.0, "not smooth there: its slope is 0 to the left and 0.12573 to the right"),
    "a bound": (lambda x: tg.clip(x, -1, 1), 1.0, "not smooth there: its slope is 0.12573 to the left and 0 to the r"),
    "a branch": (lambda x: x if x.item() > 0 else 2 * x, 0.0, "its slope is 0.25146 to the left and 0.12573 to the r"),
    "kinks that cancel": (lambda x: tg.relu(x) - tg.relu(-x), 0.0, "no op on the way is wrong, and relu is at a kink"),
    "a kink in float32": (
        lambda x: tg.relu(tg.astype(tg.exp(x) - 1, np.float32)) * x + tg.relu(x),
        0.0,
        "its slope is",
    ),
    "a jump": (lambda x: tg.floor(x) * x, 2.0, "not smooth there: it jumps by -0.2515 to the left"),
    "an edge": (tg.sqrt, 0.0, "not smooth there: it has no finite value to the left"),
    "a root": (lambda x: tg.sqrt(tg.abs(x)), 0.0, "not smooth there: its slope to the left has no bound"),
    "no value": (tg.log, -1.0, "not smooth there: it has no finite value"),
    "noise": (lambda x: x * (1 + 1e-4 * RNG.normal()), 1.0, "gives other values when it is called again"),
    "a count": (calls(), 1.0, "gives other values when it is called again"),
    "float32": (
        lambda x: tg.sin(50 * tg.astype(x, np.float32)) * x,
        0.7,
        "the slope is lost in rounding: multiply gives float32 of 4e",
    ),
    "large terms": (lambda x: (tg.sin(x) + 1e12) - 1e12, 0.3, r"lost in rounding: add gives float64 of 1e\+12"),
    "larger terms": (lambda x: (tg.sin(x) + 1e17) - 1e17, 0.3, r"lost in rounding: add gives float64 of 1e\+17"),
    "a quick oscillation": (lambda x: tg.sin(1e8 * x), 0.7, "do not settle: the function changes faster than"),
    "detached": (lambda x: x * x.detach(), 3.0, "something has left the graph, as by .data or .detach()"),
    "NumPy": (lambda x: x * np.sin(x.data), 3.0, "something has left the graph, as by .data or .detach()"),
    "item": (lambda x: x * x.item(), 3.0, "something has left the graph, as by .data or .detach()"),
    "detached beside a kink": (
        lambda x: tg.relu(x - 3.0) + x * x.detach(),
        3.0,
        "something has left the graph, as by .data or .detach()",
    ),
    "stopped": (
        lambda x: x * tg.stop_gradient(x),
        3.0,
        "left the graph: stop_gradient lets no gradient through, at te",
    ),
    "not symmetric": (
        lambda x: tg.eigvalsh(x * np.array([[0.0, 0.0], [1.0, 0.0]]) + np.diag([1.0, 2.0])),
        0.5,
        "eigvalsh takes a matrix to be symmetric",
    ),
}


@pytest.mark.parametrize("case", REASONS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_the_reason_for_a_disagreement_is_the_true_one(case):
    function, at, reason = REASONS[case]
    with pytest.raises(LawError) as caught:
        check_grads(function, np.array(at), order=1)
    assert re.search(reason, str(caught.value)), str(caught.value)
    assert "suspect" not in str(caught.value)


def test_a_wrong_op_is_told_before_a_kink(wrongly):
    with pytest.raises(LawError, match="suspect wrongly"):
        check_grads(lambda x: tg.relu(x[:1]) + wrongly(x[1:]), np.array([0.0, 2.0]), order=1)


def test_what_is_lost_among_large_numbers_is_not_passed():
    with pytest.raises(LawError, match="something has left the graph"):
        check_grads(lambda x: tg.astype(x.detach() + 1e3, np.float32), np.array([0.3, 0.4]), order=1)


def accusation(function, *args):
    """The error of check_grads, unless it says that the function is not smooth there, or refuses the numbers."""
    try:
        check_grads(function, *args, order=1)
    except LawError as error:
        return "" if re.search("not smooth|is not finite|is at a kink", str(error)) else str(error)
    except (tg.TinygraphError, np.linalg.LinAlgError):
        return ""
    return ""


@pytest.mark.parametrize("record", testing.records(), ids=lambda record: record.name)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_no_right_function_is_accused_at_its_corners(record, rng):
    for inputs, params in itertools.islice(testing.samples(record), 2):
        corners = [rng.choice([0.0, 1.0, -1.0, 2.0, 0.5], x.shape).reshape(x.shape) for x in inputs]
        given = [c if x.dtype.kind == "f" else x for c, x in zip(corners, inputs, strict=True)]
        floats = [i for i, x in enumerate(given) if x.dtype.kind == "f"]

        def function(*xs, given=given, floats=floats, params=params):
            moved = dict(zip(floats, xs, strict=True))
            operands = [moved.get(i, x) for i, x in enumerate(given)]
            return testing.applied(record, testing.consistent(record, operands), params)

        if floats and sum(given[i].size for i in floats) <= 12:
            said = accusation(function, *[given[i] for i in floats])
            assert not said or (f"{record.name} lets no gradient through" in said and not record.differentiable), said


def test_how_precise_the_extrapolation_is():
    cases = [(np.exp, 1.0), (np.sin, 1.0), (lambda x: 1e8 + 3.0 * x, 3.0), (lambda x: np.log1p(1e-3 + x), 1 / 1.001)]
    for f, slope in cases:
        estimate = checks._extrapolated(lambda h, f=f: np.array([f(h)]), 1.0)
        assert abs(estimate.slope - slope) <= 4 * estimate.error + 1e-12
    assert checks._extrapolated(lambda h: np.exp(np.array([h])), 1.0).error < 1e-9


def test_a_right_function_gives_no_suspect(wrongly):
    x = tg.Tensor([1.0, 0.5], requires_grad=True)
    assert "every op" in checks._suspect(tg.sum(tg.tanh(x) @ np.ones((2, 2)) + wrongly(x)), {x})
    y = tg.Tensor([2.0, 0.5], requires_grad=True)
    assert re.match("suspect wrongly", checks._suspect(tg.sum(wrongly(y)), {y}))


def test_arguments_are_left_as_they_are(rng):
    x = rng.normal(size=3)
    before = x.copy()
    check_grads(tg.tanh, x)
    check_grads(tg.tanh, tg.parameter(x))
    with tg.no_grad():
        check_grads(tg.tanh, x)
    np.testing.assert_array_equal(x, before)
