"""Spread, order statistics, averages and correlations: NumPy's values and words, and where derivatives are singular."""

import numpy as np
import pytest

import tinygraph as tg
from tinygraph.testing.laws import check_grads

AXES = [None, 0, 1, -1, (0, 2), (-1, 0), (0, 1, 2)]
METHODS = [
    "inverted_cdf",
    "averaged_inverted_cdf",
    "closest_observation",
    "interpolated_inverted_cdf",
    "hazen",
    "weibull",
    "linear",
    "median_unbiased",
    "normal_unbiased",
    "lower",
    "higher",
    "midpoint",
    "nearest",
]


@pytest.mark.parametrize("name", ["var", "std", "ptp", "median", "nanvar", "nanstd", "nanmedian"])
@pytest.mark.parametrize("axis", AXES, ids=str)
@pytest.mark.parametrize("keepdims", [False, True])
def test_axes_are_numpys(name, axis, keepdims, rng):
    x = rng.normal(size=(2, 3, 4))
    expected = getattr(np, name)(x, axis=axis, keepdims=keepdims)
    np.testing.assert_allclose(getattr(tg, name)(x, axis=axis, keepdims=keepdims).data, expected, rtol=1e-13)
    np.testing.assert_allclose(getattr(np, name)(tg.Tensor(x), axis, keepdims=keepdims).data, expected, rtol=1e-13)
    check_grads(lambda x: getattr(tg, name)(x, axis=axis, keepdims=keepdims), x, order=1)


# -- spread --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["var", "std", "nanvar", "nanstd"])
def test_the_correction_is_numpys_ddof(name, rng):
    x = rng.normal(size=(3, 4))
    for given in ({"ddof": 1}, {"correction": 1}, {"ddof": 0.5}):
        if "correction" in given and name.startswith("nan"):
            expected = getattr(np, name)(x, axis=0, ddof=1)
        else:
            expected = getattr(np, name)(x, axis=0, **given)
        np.testing.assert_allclose(getattr(np, name)(tg.Tensor(x), axis=0, **given).data, expected, rtol=1e-13)
    assert getattr(np, name)(tg.Tensor(x), 1, None, None, 1).data == pytest.approx(getattr(np, name)(x, axis=1, ddof=1))


def test_the_derivative_of_the_variance_is_the_textbooks():
    x = tg.parameter([1.0, 2.0, 4.0], "x")
    y = tg.var(x)
    assert str(tg.derive(y)["dx"]) == "dx = (2/3) (x − mean(x))"
    s = tg.std(x, correction=1)
    assert str(tg.derive(s)["dx"]) == "dx = (1/(2 · s)) (x − mean(x))"


@pytest.mark.parametrize("name", ["std", "nanstd"])
@pytest.mark.parametrize("values", [[2.0, 2.0, 2.0], [0.1, 0.1], [5.0]])
def test_where_nothing_varies_the_derivative_of_the_deviation_is_zero(name, values):
    x = tg.parameter(values)
    dx = tg.gradients(getattr(tg, name)(x), x)
    assert not dx.data.any()
    assert not tg.gradients(dx, x, np.ones(len(values))).data.any()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", ["var", "std", "nanvar", "nanstd"])
def test_with_too_few_elements_there_is_no_estimate(name):
    x = tg.parameter([[3.0]])
    y = getattr(tg, name)(x, axis=1, correction=1)
    assert np.isnan(y.data).all()
    y.sum().backward()
    assert np.isnan(x.grad).all()


def test_of_what_is_far_from_zero_single_precision_keeps_numpys_digits(rng):
    x = (1e4 + rng.normal(size=1000)).astype(np.float32)
    assert tg.var(x).item() == pytest.approx(np.var(x), rel=1e-6)
    assert tg.nanvar(x).item() == pytest.approx(np.var(x), rel=1e-5)
    p = tg.parameter(x)
    tg.var(p).backward()
    exact = 2 * (x.astype(float) - x.astype(float).mean()) / 1000
    np.testing.assert_allclose(p.grad, exact, atol=2e-6)


# -- order statistics ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_every_method_of_numpy(method, rng):
    for n in (1, 2, 5, 8):
        x = rng.normal(size=(n, 2))
        for q in (0.0, 0.1, 1 / 3, 0.5, 0.875, 1.0):
            expected = np.quantile(x, q, axis=0, method=method)
            np.testing.assert_allclose(tg.quantile(x, q, axis=0, method=method).data, expected, rtol=1e-13)
            np.testing.assert_allclose(np.percentile(tg.Tensor(x), 100 * q, axis=0, method=method).data, expected)
            check_grads(lambda x, q=q: tg.quantile(x, q, axis=0, method=method), x, order=1)


@pytest.mark.parametrize("q", [0.3, [0.3], [0.0, 0.5, 1.0], [[0.1, 0.2], [0.3, 0.4]], np.array(0.25)], ids=str)
@pytest.mark.parametrize("axis", [None, 1, (0, 2)])
@pytest.mark.parametrize("name", ["quantile", "nanquantile"])
def test_the_axes_of_the_fractions_come_first(name, axis, q, rng):
    x = rng.normal(size=(2, 3, 4))
    for keepdims in (False, True):
        expected = np.quantile(x, q, axis=axis, keepdims=keepdims)  # NumPy's other one mixes up the axes of a matrix q
        y = getattr(np, name)(tg.Tensor(x), q, axis=axis, keepdims=keepdims)
        np.testing.assert_allclose(y.data, expected, rtol=1e-13, strict=True)


@pytest.mark.parametrize("method", ["linear", "lower", "higher", "midpoint", "hazen", "weibull", "median_unbiased"])
def test_quantiles_without_nan_are_those_of_the_others(method, rng):
    x = rng.normal(size=(6, 3))
    x[rng.random(x.shape) < 0.4] = np.nan
    x[0] = 1.0
    for q in (0.0, 0.3, 0.5, 0.9, 1.0):
        expected = np.nanquantile(x, q, axis=0, method=method)
        np.testing.assert_allclose(tg.nanquantile(x, q, axis=0, method=method).data, expected, rtol=1e-13)
        np.testing.assert_allclose(tg.nanpercentile(x, 100 * q, axis=0, method=method).data, expected, rtol=1e-13)
    p = tg.parameter(x)
    tg.nanquantile(p, 0.3, axis=0, method=method).sum().backward()
    assert not p.grad[np.isnan(x)].any()
    np.testing.assert_allclose(p.grad.sum(axis=0), 1.0)


def test_a_nan_makes_a_quantile_nan_and_nothing_else():
    x = tg.parameter([[1.0, np.nan, 3.0], [1.0, 2.0, 3.0]])
    y = tg.median(x, axis=1)
    assert np.isnan(y.data).tolist() == [True, False]
    y.backward(np.ones(2))
    assert x.grad.tolist() == [[0.0, 1.0, 0.0], [0.0, 1.0, 0.0]]
    assert np.isnan(tg.quantile(x, [0.1, 0.9], axis=1).data).tolist() == [[True, False]] * 2


def test_the_number_of_nan_is_counted_anew_in_a_compiled_program():
    compiled = tg.compile(lambda x: (tg.nanmedian(x), tg.median(x), tg.gradients(tg.nanmedian(x), x)))
    for values in ([1.0, 2.0, 3.0, 4.0], [np.nan, 2.0, 3.0, 7.0], [np.nan, 5.0, np.nan, 7.0]):
        skipping, plain, gradient = compiled(np.array(values))
        assert skipping == np.nanmedian(values)
        np.testing.assert_equal(plain, np.median(values))
        assert gradient.tolist() == tg.grad(tg.nanmedian)(np.array(values)).data.tolist()


def test_the_middle_of_what_is_infinite():
    for values in ([1.0, np.inf], [np.inf, np.inf], [1.0, np.inf, np.inf], [-np.inf, 3.0, np.inf]):
        assert tg.median(values).item() == np.median(values)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_of_nothing():
    assert np.isnan(tg.median(np.ones(0)).item())
    assert np.isnan(tg.nanmedian(np.ones((2, 0)), axis=1).data).tolist() == [True, True]
    assert tg.quantile(np.ones((0, 3)), 0.5, axis=1).shape == (0,)
    with pytest.raises(tg.ArgumentError, match="no elements along"):
        tg.quantile(np.ones((0, 3)), 0.5, axis=0)


@pytest.mark.parametrize(
    ("attempt", "error", "message"),
    [
        (lambda x: tg.quantile(x, 1.5), tg.ArgumentError, r"quantile takes q in \[0, 1\], not 1.5"),
        (lambda x: tg.percentile(x, 101), tg.ArgumentError, r"percentile takes q in \[0, 100\], not 101"),
        (lambda x: tg.percentile(x, -1), tg.ArgumentError, "percentile takes"),
        (lambda x: tg.quantile(x, [0.5, np.nan]), tg.ArgumentError, "nan"),
        (
            lambda x: tg.quantile(x, 0.5, method="cubic"),
            tg.ArgumentError,
            'method must be "linear", "hazen", .*, not \'cubic\'',
        ),
        (lambda x: tg.nanquantile(x, 0.5, method="inverted_cdf"), tg.ArgumentError, "not 'inverted_cdf'"),
        (lambda x: tg.nanquantile(x, []), tg.ArgumentError, "at least one fraction"),
        (lambda x: tg.quantile(x, x[0, 0]), tg.UnsupportedError, "no gradient by q"),
        (lambda x: tg.median(x, axis=2), ValueError, "axis 2 is out of bounds"),
        (lambda x: tg.quantile(x, 0.5, axis=(0, 0)), ValueError, "repeated axis|duplicate"),
        (lambda x: np.quantile(x, 0.5, weights=[1.0, 2.0]), tg.UnsupportedError, "weights"),
    ],
)
def test_what_is_no_quantile(attempt, error, message):
    with pytest.raises(error, match=message):
        attempt(tg.parameter([[0.25, 0.5]]))


def test_one_number_has_no_axis_to_vary_along():
    for function in (tg.var, tg.std):
        with pytest.raises(ValueError, match="axis 0 is out of bounds"):
            function(3.0, axis=0)


def test_an_infinity_farther_off_is_no_nan():
    x = tg.parameter([0.0, -np.inf, 0.0, 0.0])
    y = tg.quantile(x, 0.3, method="hazen")
    y.backward()
    assert y.item() == -np.inf  # as NumPy says
    np.testing.assert_allclose(x.grad, [0.7, 0.3, 0.0, 0.0])


def test_of_integers_a_quantile_is_a_float_unless_it_is_one_of_them():
    for method in METHODS:
        expected = np.quantile([1, 2, 4], 0.5, method=method)
        np.testing.assert_array_equal(tg.quantile([1, 2, 4], 0.5, method=method).data, expected, strict=True)


# -- averages and correlations -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("weights", "axis"),
    [((2, 3, 4), None), ((2, 3, 4), 1), ((3,), 1), ((4,), -1), ((2, 4), (0, 2)), ((4, 2), (2, 0)), ((2, 3, 4), (0, 1))],
)
def test_weights_are_those_of_the_elements_or_of_the_axis(weights, axis, rng):
    x, w = rng.normal(size=(2, 3, 4)), rng.uniform(0.5, 1.5, size=weights)
    for keepdims in (False, True):
        expected = np.average(x, axis=axis, weights=w, returned=True, keepdims=keepdims)
        ours = np.average(tg.Tensor(x), axis=axis, weights=w, returned=True, keepdims=keepdims)
        for y, z in zip(ours, expected, strict=True):
            np.testing.assert_allclose(y.data, z, rtol=1e-13)
    check_grads(lambda x, w: tg.average(x, axis=axis, weights=w), x, w)


def test_the_number_of_elements_is_returned_without_weights():
    y, count = tg.average([[1.0, 2.0], [3.0, 4.0]], axis=0, returned=True)
    assert (y.data.tolist(), count.data.tolist()) == ([2.0, 3.0], [2.0, 2.0])


def test_weights_that_make_no_average():
    with pytest.raises(tg.ArgumentError, match="add up to 0"):
        tg.average([1.0, 2.0], weights=[1.0, -1.0])
    for axis, weights in ((None, [1.0, 2.0]), (0, [1.0, 2.0, 3.0]), ((0, 1), [[1.0, 2.0]])):
        with pytest.raises(tg.ShapeError, match=r"the shape of the array, \(2, 3\)"):
            tg.average(np.ones((2, 3)), axis=axis, weights=weights)


OBSERVED = [
    {},
    {"bias": True},
    {"ddof": 0},
    {"ddof": 2},
    {"fweights": [1, 2, 0, 3, 1]},
    {"aweights": [0.5, 1.0, 2.0, 0.0, 1.5]},
    {"fweights": [1, 2, 0, 3, 1], "aweights": [0.5, 1.0, 2.0, 1.0, 1.5]},
    {"fweights": [1, 2, 0, 3, 1], "aweights": [0.5, 1.0, 2.0, 1.0, 1.5], "bias": True},
]


@pytest.mark.parametrize("given", OBSERVED, ids=str)
@pytest.mark.parametrize("shapes", [((3, 5),), ((5,),), ((1, 5),), ((2, 5), (5,)), ((5,), (2, 5))], ids=str)
def test_covariances_are_numpys(shapes, given, rng):
    arrays = [rng.normal(size=shape) for shape in shapes]
    np.testing.assert_allclose(np.cov(*map(tg.Tensor, arrays), **given).data, np.cov(*arrays, **given), rtol=1e-12)
    check_grads(lambda *xs: tg.cov(*xs, **given), *arrays, order=1)


def test_variables_as_columns(rng):
    x, y = rng.normal(size=(5, 2)), rng.normal(size=(5, 1))
    for function in (np.cov, np.corrcoef):
        ours = function(tg.Tensor(x), tg.Tensor(y), rowvar=False).data
        np.testing.assert_allclose(ours, function(x, y, rowvar=False), rtol=1e-12)


def test_weights_may_require_a_gradient(rng):
    x = rng.normal(size=(2, 5))
    check_grads(lambda w: tg.cov(x, aweights=w), np.array([0.5, 1.0, 2.0, 1.0, 1.5]), order=1)


def test_correlations(rng):
    x, y = rng.normal(size=(3, 6)), rng.normal(size=6)
    np.testing.assert_allclose(tg.corrcoef(x, y).data, np.corrcoef(x, y), rtol=1e-12)
    check_grads(tg.corrcoef, x, y)
    assert tg.corrcoef(y).item() == 1.0


@pytest.mark.parametrize(
    ("attempt", "error", "message"),
    [
        (lambda x: tg.cov(np.ones((2, 2, 2))), tg.ShapeError, r"rows of a matrix, not an array of shape \(2, 2, 2\)"),
        (lambda x: tg.cov(x, fweights=[1, 2]), tg.ShapeError, r"the shape \(3,\), not \(2,\)"),
        (
            lambda x: tg.cov(x, fweights=[1.0, 2.0, 1.0]),
            tg.DTypeError,
            "whole numbers, but .* float64",
        ),
        (lambda x: tg.cov(x, aweights=[1.0, -2.0, 1.0]), tg.ArgumentError, "must not be negative"),
        (lambda x: tg.cov(x, np.ones((2, 4))), ValueError, "must match exactly"),
    ],
)
def test_what_has_no_covariance(attempt, error, message):
    with pytest.raises(error, match=message):
        attempt(np.ones((2, 3)))
