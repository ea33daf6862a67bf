"""What the laws do not say of elementwise ops: accuracy at the ends, literals, conversions."""

import operator
import re
import warnings

import numpy as np
import pytest

import tinygraph as tg
from tinygraph.graph.records import APPLY, FUNCTIONS, OPS


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


# -- literals ------------------------------------------------------------------------------------------------------

BINARY = [
    name
    for name, op in OPS.items()
    if op.kind == "elementwise" and len(op.vjps) == 2 and op.differentiable and name in FUNCTIONS
]


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("literal", [0.75, 2])
def test_a_number_among_the_operands_is_as_an_array_and_does_not_widen(name, literal):
    for first in (True, False):
        gradients = []
        for number in (literal, tg.Tensor(np.float32(literal))):
            x = tg.parameter(np.array([0.25, 0.5, 1.5], np.float32))
            y = APPLY[name](*((x, number) if first else (number, x)))
            assert y.dtype == np.float32
            y.backward(np.ones(3, np.float32))
            (node,) = tg.gradients(APPLY[name](*((x, number) if first else (number, x))), [x], np.ones(3, np.float32))
            np.testing.assert_allclose(node.data, x.grad, rtol=1e-6)
            gradients.append(x.grad)
        assert gradients[0].dtype == np.float32
        np.testing.assert_allclose(*gradients, rtol=1e-6)


# -- division with a remainder, rounding ---------------------------------------------------------------------------


@pytest.mark.parametrize(("x", "y"), [(7.5, 2.0), (-7.5, 2.0), (7.5, -2.0), (-7.5, -2.0), (1.0, 0.1), (5.0, np.inf)])
def test_remainders_have_the_quotient_that_they_belong_to_for_derivative(x, y):
    assert derivative(lambda v: v % y, x) == derivative(lambda v: tg.fmod(v, y), x) == 1
    assert derivative(lambda v: x % v, y) == -np.floor_divide(x, y)
    assert derivative(lambda v: tg.fmod(x, v), y) == (-np.rint((x - np.fmod(x, y)) / y) if np.isfinite(y) else 0)
    assert derivative(lambda v: x // v, y) == derivative(lambda v: v // y, x) == 0


@pytest.mark.parametrize("other", [3, 2.5, np.array([2.0, -3.0]), [4.0, 0.5]], ids=str)
def test_the_operators_of_division_are_reflected(other):
    a = np.array([7.5, -7.5])
    x = tg.parameter(a)
    for apply in (operator.mod, operator.floordiv, divmod):
        for way in (lambda x: apply(x, other), lambda x: apply(other, x)):  # noqa: B023
            ours, theirs = way(x), way(a)
            for y, value in zip(*((ours, theirs) if apply is divmod else ([ours], [theirs])), strict=True):
                assert y.requires_grad
                np.testing.assert_array_equal(y.data, value)


def test_where_a_cotangent_is_infinite_a_step_has_the_derivative_0():
    for step in (tg.floor, tg.ceil, tg.trunc, tg.round, tg.sign):
        x = tg.parameter([0.25, -0.25])
        step(x).backward([np.inf, np.nan])
        assert x.grad.tolist() == [0.0, 0.0]


def test_rounding_follows_numpy():
    x = np.array([0.5, 1.5, -2.5, 1234.5678, np.inf, -0.2])
    for decimals in (0, 1, 3, -2):
        np.testing.assert_array_equal(tg.round(x, decimals).data, np.round(x, decimals), strict=True)
        np.testing.assert_array_equal(np.around(tg.Tensor(x), decimals).data, np.round(x, decimals), strict=True)
    whole = np.array([1249, -1250, 7])
    for decimals in (0, 2, -2):
        np.testing.assert_array_equal(tg.round(whole, decimals).data, np.round(whole, decimals), strict=True)
    for ours, theirs in ((tg.floor, np.floor), (tg.ceil, np.ceil), (tg.trunc, np.trunc), (np.rint, np.rint)):
        np.testing.assert_array_equal(ours(tg.Tensor(whole)).data, theirs(whole), strict=True)


# -- bounds --------------------------------------------------------------------------------------------------------


def test_the_bounds_of_a_clip_have_gradients_where_they_are_taken():
    x, low, high = tg.parameter([-2.0, -1.0, 0.0, 1.0, 3.0]), tg.parameter(-1.0), tg.parameter([1.0])
    tg.clip(x, low, high).backward(np.array([1.0, 2.0, 4.0, 8.0, 16.0]))
    assert x.grad.tolist() == [0.0, 2.0, 4.0, 8.0, 0.0]
    assert (low.grad.item(), high.grad.tolist()) == (1.0, [16.0])


def test_a_clip_without_bounds_or_with_crossed_ones_is_numpys():
    x = tg.Tensor([1.0, 2.0, 3.0])
    assert tg.clip(x) is x
    for low, high in ((None, 2.0), (2.0, None), (3.0, 1.0), (np.nan, 1.0)):
        expected = np.clip(x.data, low, high)
        np.testing.assert_array_equal(tg.clip(x, low, high).data, expected)
        np.testing.assert_array_equal(np.clip(x, low, high).data, expected)
        np.testing.assert_array_equal(np.clip(x, min=low, max=high).data, expected)
    assert tg.clip(tg.Tensor([1, 5, 9]), 2, 7).data.tolist() == [2, 5, 7]


def test_what_replaces_a_number_that_is_none_gets_its_gradient():
    x, instead = tg.parameter([1.0, np.nan, np.inf, -np.inf]), tg.parameter(5.0)
    y = tg.nan_to_num(x, instead, neginf=-instead)
    assert y.data.tolist() == [1.0, 5.0, np.finfo(float).max, -5.0]
    y.backward(np.array([1.0, 2.0, 4.0, 8.0]))
    assert x.grad.tolist() == [1.0, 0.0, 0.0, 0.0]
    assert instead.grad == 2.0 - 8.0
    assert tg.nan_to_num(np.float32([np.inf])).data.tolist() == [np.finfo(np.float32).max]
    assert tg.nan_to_num([1, 2]).dtype == int


# -- NumPy's other names -------------------------------------------------------------------------------------------


SPELLINGS = [np.fabs, np.rint, np.degrees, np.radians, np.deg2rad, np.rad2deg, np.real, np.conj, np.angle]
SPELLINGS += [np.positive, np.isposinf, np.isneginf, np.isnan, np.signbit, np.sinc, np.cbrt, np.reciprocal]
SPELLINGS += [
    lambda x: np.angle(x, deg=True),
    lambda x: np.float_power(x, 2),
    lambda x: np.float_power(2, x),
    lambda x: np.modf(x)[0],
    lambda x: np.divmod(x, 0.3)[1],
    lambda x: np.round(x, decimals=1),
    lambda x: np.nan_to_num(x, True, 0.5),
    lambda x: np.isclose(x, 0.5, 0.1),
    lambda x: np.allclose(x, x),
    lambda x: np.array_equal(x, x, equal_nan=True),
    lambda x: np.select([x < 0, x < 1], [x, x * x], 7.0),
]


if hasattr(np, "fix"):
    SPELLINGS.append(np.fix)


@pytest.mark.filterwarnings("ignore:numpy.fix is deprecated:DeprecationWarning")  # of plain arrays, since NumPy 2.5
@pytest.mark.parametrize("function", SPELLINGS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_numpys_functions_by_their_own_names_and_arguments(function, dtype):
    a = np.array([-1.5, -0.25, 0.5, 2.25], dtype)
    with warnings.catch_warnings(action="error"):
        y = function(tg.Tensor(a, requires_grad=True))
    assert isinstance(y, tg.Tensor)
    np.testing.assert_allclose(y.data, function(a), rtol=1e-6, strict=not isinstance(function(a), bool))


def test_fabs_and_float_power_of_whole_numbers_are_floating():
    for dtype in (np.int8, np.int64, bool):
        x = np.array([1, 0, 1], dtype)
        assert np.fabs(tg.Tensor(x)).dtype == np.fabs(x).dtype
        assert np.float_power(tg.Tensor(x), 2).dtype == np.float_power(x, 2).dtype


def test_reciprocals_of_whole_numbers_are_refused():
    with pytest.raises(tg.DTypeError, match="write 1 / x"):
        tg.reciprocal([2, 4])


UFUNCS = sorted({f for f in vars(np).values() if isinstance(f, np.ufunc)}, key=lambda f: f.__name__)
WHOLE = {
    "bitwise_and",
    "bitwise_or",
    "bitwise_xor",
    "invert",
    "left_shift",
    "right_shift",
    "gcd",
    "lcm",
    "bitwise_count",
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("ufunc", UFUNCS, ids=lambda f: f.__name__)
def test_every_ufunc_records_numpys_value_or_is_refused_in_our_words(ufunc):
    a = np.array([[3, 2], [1, 4]]) if ufunc.__name__ in WHOLE else np.array([[0.75, 0.5], [0.25, 0.125]])
    operands = [a] * ufunc.nin
    try:
        results = ufunc(*[tg.Tensor(x, requires_grad=x.dtype.kind == "f") for x in operands])
    except tg.UnsupportedError as error:
        assert re.match(rf"np\.{ufunc.__name__} .*(\.data|use|real)", str(error))  # noqa: PT017
        return
    expected = ufunc(*operands)
    for y, value in zip(*((results, expected) if ufunc.nout > 1 else ([results], [expected])), strict=True):
        assert isinstance(y, tg.Tensor)
        assert y.dtype == value.dtype
        np.testing.assert_allclose(y.data, value, rtol=1e-14)
        smooth = value.dtype.kind == "f"
        assert y.requires_grad == smooth


@pytest.mark.parametrize("ufunc", UFUNCS, ids=lambda f: f.__name__)
def test_no_ufunc_of_a_tensor_has_a_method_or_an_option(ufunc):
    t, a = tg.parameter([[0.75, 0.5], [0.25, 0.125]]), np.ones((2, 2))
    tensors = [t] * ufunc.nin
    attempts = [lambda: ufunc(*tensors, out=(a,) * ufunc.nout), lambda: ufunc(*tensors, dtype=np.float32)]
    if ufunc.signature is None:  # else elements cannot be left out
        attempts.append(lambda: ufunc(*tensors, where=a > 2))
    if ufunc.nin == 2 and ufunc.nout == 1 and ufunc.signature is None:
        attempts += [lambda: ufunc.reduce(t), lambda: ufunc.accumulate(t), lambda: ufunc.outer(t, a)]
        attempts += [lambda: ufunc.reduceat(t, [0]), lambda: ufunc.at(a, [0], t)]
    for attempt in attempts:
        with pytest.raises(tg.UnsupportedError, match=r"tensor|cannot be recorded|no gradient rule"):
            attempt()
    assert (a == 1).all()
