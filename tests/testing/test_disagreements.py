"""What a gradient that disagrees with differences is said to come from is what it comes from."""

import itertools
import re

import numpy as np
import pytest
from fuzz import random_program

import tinygraph as tg
from tinygraph.testing import gradcheck, laws
from tinygraph.testing.gradcheck import LawError, check_grads


def calls():
    """A function that counts how often it is called."""
    count = iter(range(1, 10**6))
    return lambda x: x * next(count)


def within_1(x):
    """x², with a check of values as log_loss has one, of which the graph knows nothing."""
    if x.item() > 1:
        raise tg.ArgumentError("x is at most 1")
    return x * x


RNG = np.random.default_rng(0)
REASONS = {
    "a domain": (within_1, 1.0, "it has no finite value to the right"),
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


def accusation(function, *args, order=1):
    """The error of check_grads, unless it says what is true of a right function, or the function refuses."""
    try:
        check_grads(function, *args, order=order)
    except LawError as error:
        true = "not smooth|is not finite|is at a kink|lost in rounding|takes a matrix to be symmetric"
        return "" if re.search(true, str(error)) else str(error)
    except (tg.TinygraphError, np.linalg.LinAlgError):
        return ""
    return ""


def of_table(record, inputs, params, before=lambda x: x, after=lambda y: y):
    """A function of the table of its floating arguments, and the places of these."""
    floats = [i for i, x in enumerate(inputs) if x.dtype.kind == "f"]

    def function(*xs):
        moved = dict(zip(floats, map(before, xs), strict=True))
        operands = [moved.get(i, x) for i, x in enumerate(inputs)]
        return after(laws.applied(record, laws.consistent(record, operands), params))

    return function, floats


def by_intention(record, said):
    return f"{record.name} lets no gradient through" in said and not record.differentiable


RECORDS = pytest.mark.parametrize("record", laws.records(), ids=lambda record: record.name)


@RECORDS
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_no_right_function_is_accused_at_its_corners(record, rng):
    for inputs, params in itertools.islice(laws.samples(record), 2):
        corners = [rng.choice([0.0, 1.0, -1.0, 2.0, 0.5], x.shape).reshape(x.shape) for x in inputs]
        given = [c if x.dtype.kind == "f" else x for c, x in zip(corners, inputs, strict=True)]
        function, floats = of_table(record, given, params)
        if floats and sum(given[i].size for i in floats) <= 12:
            said = accusation(function, *[given[i] for i in floats])
            assert not said or by_intention(record, said), said


@RECORDS
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (lambda x: tg.astype(x, np.float32), lambda y: y),
        (lambda x: x, lambda y: (y + 1e8) - 1e8 if y.dtype.kind == "f" else y),
    ],
    ids=["in float32", "beside 1e8"],
)
def test_no_right_function_is_accused_where_rounding_hides_its_slope(record, before, after):
    for inputs, params in itertools.islice(laws.samples(record), 1):
        function, floats = of_table(record, inputs, params, before, after)
        if 0 < sum(inputs[i].size for i in floats) <= 12:
            said = accusation(function, *[inputs[i] for i in floats])
            assert not said or by_intention(record, said), said


def test_no_right_program_is_accused():
    rng = np.random.default_rng(0)
    for _ in range(60):
        program = random_program(rng, int(rng.integers(1, 4)))
        floats = [i for i, x in enumerate(program.leaves) if x.dtype.kind == "f"]
        smooth = all(getattr(step.record, "differentiable", True) for step in program.steps)
        if smooth and 0 < sum(program.leaves[i].size for i in floats) <= 12:

            def function(*xs, program=program, floats=floats):
                moved = dict(zip(floats, xs, strict=True))
                return program([moved.get(i, tg.Tensor(x)) for i, x in enumerate(program.leaves)])[-1]

            said = accusation(function, *[program.leaves[i] for i in floats], order=2)
            assert not said, f"{program}\n{said}"


def test_a_right_function_gives_no_suspect(wrongly):
    x = tg.Tensor([1.0, 0.5], requires_grad=True)
    assert "every op" in gradcheck._suspect(tg.sum(tg.tanh(x) @ np.ones((2, 2)) + wrongly(x)), {x})
    y = tg.Tensor([2.0, 0.5], requires_grad=True)
    assert re.match("suspect wrongly", gradcheck._suspect(tg.sum(wrongly(y)), {y}))


@pytest.mark.parametrize("power", [2, 3, 4, 5])
@pytest.mark.parametrize("x", [0.0, 1e-20, -1e-20, 1e-3])
def test_a_gradient_of_zero_is_no_reason_to_accuse(x, power):
    tg.check_grads(lambda x: x**power, np.array(x))


@pytest.mark.parametrize(
    ("function", "x"),
    [
        (lambda w: tg.sum(w**4), np.zeros(3)),
        (lambda x: tg.abs(x) ** 3, 0.0),
        (lambda x: tg.relu(x) ** 3, 0.0),
        (lambda x: tg.exp(-(((x - 5) / 1e-3) ** 2)), 5.0005),
        (lambda x: tg.exp(-(((x - 500) / 0.1) ** 2)), 500.05),
        (lambda x: tg.tanh(1e4 * x), 3e-5),
        (lambda x: 1 / x, 1e-5),
        (lambda x: tg.linalg.slogdet(x)[1], np.array([[1.0, 1.0], [1.0, 1.0 + 1e-6]])),
    ],
)
def test_no_right_function_is_accused_where_it_is_flat_or_steep(function, x):
    tg.check_grads(function, np.asarray(x))


@pytest.mark.parametrize("function", [lambda x: x * tg.abs(x), lambda x: tg.relu(x) ** 2])
def test_no_smooth_gradient_is_accused_at_a_corner_of_its_own(function):
    tg.check_grads(function, np.array(0.0), order=1)


def test_constants_beside_a_wrong_gradient_do_not_hide_it():
    wrong = tg.custom_gradient(lambda x: (x**2, lambda g: 0 * g))
    for constant in (1.0, 1e16):
        with pytest.raises(LawError, match="central differences"):
            tg.check_grads(lambda x, c=constant: [np.array([c]), wrong(x)], np.array(3.0))
