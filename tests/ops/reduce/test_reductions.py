"""Sums, means and extremes: axes, empties, ties, dtypes."""

import numpy as np
import pytest

import tinygraph as tg
from tinygraph.testing.laws import check_grads

REDUCTIONS = ["sum", "mean", "max", "min"]
AXES = [None, 0, 1, -1, (0, 2), (-1, 0), (), (0, 1, 2)]


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("axis", AXES, ids=str)
@pytest.mark.parametrize("keepdims", [False, True])
def test_axes_are_numpys(name, axis, keepdims, rng):
    x = rng.normal(size=(2, 3, 4))
    ours, theirs = getattr(tg, name), getattr(np, name)
    expected = theirs(x, axis=axis, keepdims=keepdims)
    np.testing.assert_allclose(ours(x, axis=axis, keepdims=keepdims).data, expected, rtol=1e-15)
    np.testing.assert_allclose(getattr(tg.Tensor(x), name)(axis, keepdims).data, expected, rtol=1e-15)
    check_grads(lambda x: ours(x, axis=axis, keepdims=keepdims), x, order=1)


@pytest.mark.parametrize("name", REDUCTIONS)
def test_a_number_reduces_to_itself(name):
    x = tg.parameter(3.0)
    y = getattr(tg, name)(x)
    y.backward()
    assert y.item() == 3.0
    assert x.grad == 1.0


@pytest.mark.parametrize("name", ["max", "min"])
@pytest.mark.parametrize(
    ("values", "shares"),
    [
        ([1.0, 1.0], [0.5, 0.5]),
        ([0.0, -0.0], [0.5, 0.5]),
        ([np.nan, 1.0], None),
    ],
)
def test_ties_share_and_nan_stays_nan(name, values, shares):
    x = tg.parameter(values)
    y = getattr(tg, name)(x)
    with np.errstate(invalid="ignore"):
        y.backward()
    if shares is None:
        assert np.isnan(y.item())
        assert np.isnan(x.grad).all()
    else:
        assert x.grad.tolist() == shares


def test_of_nothing():
    x = tg.parameter(np.ones((0, 3)))
    assert tg.sum(x).item() == 0
    x.grad = None
    tg.sum(x).backward()
    assert x.grad.shape == (0, 3)
    for name in ("max", "min"):
        with pytest.raises(tg.ShapeError, match="zero-size array"):
            getattr(tg, name)(x)
    assert tg.max(x, axis=1).shape == (0,)
    with np.errstate(invalid="ignore"):
        assert np.isnan(tg.mean(x).item())


def test_dtypes_are_numpys():
    assert tg.sum(tg.Tensor([True, True])).dtype == np.sum(np.array([True, True])).dtype
    assert tg.mean(tg.Tensor([1, 2])).dtype == np.float64
    assert tg.sum(tg.Tensor(np.ones(3, np.float32))).dtype == np.float32
    half = np.full(10_000, 0.1, np.float16)
    assert tg.mean(tg.Tensor(half)).item() == np.mean(half)


# -- products ------------------------------------------------------------------------------------------------------

ZEROS = [[0.0, 2.0, 3.0, 4.0], [0.0, 2.0, 0.0, 4.0], [0.0, 0.0, 0.0, 4.0], [0.0, 0.0, 0.0, 0.0]]


def products_of_others(x, *left_out):
    """The derivative of a product by some of its elements."""
    return 0.0 if len(set(left_out)) < len(left_out) else np.prod(np.delete(x, left_out))


@pytest.mark.parametrize("values", ZEROS, ids=str)
def test_a_product_with_zeros_is_differentiated_exactly_to_third_order(values):
    x = tg.parameter(values)
    (dx,) = tg.gradients(tg.prod(x), [x])
    n = range(4)
    assert dx.data.tolist() == [products_of_others(values, i) for i in n]
    for i in n:
        second = tg.gradients(dx[i], x)
        assert second.data.tolist() == [products_of_others(values, i, j) for j in n]
        for j in n:
            third = tg.gradients(second[j], x)
            assert third.data.tolist() == [products_of_others(values, i, j, k) for k in n]


@pytest.mark.parametrize("axis", AXES, ids=str)
@pytest.mark.parametrize("keepdims", [False, True])
def test_a_product_along_any_axes(axis, keepdims, rng):
    x = rng.integers(-1, 3, size=(2, 3, 4)).astype(float)
    np.testing.assert_array_equal(tg.prod(x, axis, keepdims).data, np.prod(x, axis, keepdims=keepdims))
    check_grads(lambda x: tg.prod(x, axis=axis, keepdims=keepdims), x, order=1)


def test_a_product_of_nothing_is_one():
    x = tg.parameter(np.ones((0, 3)))
    assert tg.prod(x).item() == 1.0
    tg.prod(x).backward()
    assert x.grad.shape == (0, 3)
    assert tg.prod(x, axis=0).data.tolist() == [1.0, 1.0, 1.0]


# -- questions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["all", "any", "count_nonzero", "argmax", "argmin", "nanargmax", "nanargmin"])
def test_questions_are_recorded_without_gradient(name):
    x = tg.parameter([[1.0, 0.0], [3.0, 3.0]])
    y = getattr(np, name)(x, axis=1)
    assert y.data.tolist() == getattr(np, name)(x.data, axis=1).tolist()
    assert y.dtype == getattr(np, name)(x.data, axis=1).dtype
    assert y.op.name == name.removeprefix("nan")
    assert not y.requires_grad


def test_a_question_is_asked_anew_in_a_compiled_program():
    best = tg.compile(lambda x: tg.take_along_axis(x, tg.argmax(x, axis=1, keepdims=True), axis=1) * 2)
    for x in (np.array([[1.0, 2.0], [4.0, 3.0]]), np.array([[2.0, 1.0], [3.0, 4.0]])):
        assert best(x).tolist() == [[4.0], [8.0]]


# -- without what is NaN -------------------------------------------------------------------------------------------

NAN_REDUCTIONS = ["nansum", "nanprod", "nanmean", "nanmax", "nanmin", "nanvar", "nanstd", "nanmedian"]
SOME_NAN = np.array([[1.0, np.nan, 4.0, 2.5], [np.nan, np.nan, 3.0, 0.5], [7.0, np.nan, np.nan, 1.5]])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("axis", [None, 0, 1, (0, 1), -1])
@pytest.mark.parametrize("name", NAN_REDUCTIONS)
def test_a_nan_is_skipped_and_gets_no_gradient(name, axis):
    x = tg.parameter(SOME_NAN)
    y = getattr(np, name)(x, axis=axis)
    np.testing.assert_allclose(y.data, getattr(np, name)(SOME_NAN, axis=axis), rtol=1e-14)
    (dx,) = tg.gradients(y, [x], np.ones(y.shape))
    (second,) = tg.gradients(dx, [x], np.ones(x.shape))
    for g in (dx.data, second.data):
        assert not g[np.isnan(SOME_NAN)].any()  # also where there is nothing but NaN
        assert np.isfinite(g).all()
    kept = np.broadcast_to(~np.isnan(SOME_NAN), x.shape)
    one_by_one = np.where(kept, SOME_NAN, 0.0)

    def of_known(values):
        return getattr(tg, name)(tg.where(kept, values, np.nan), axis=axis)[..., tg.Tensor(~np.isnan(y.data))]

    check_grads(of_known if y.ndim else lambda v: getattr(tg, name)(tg.where(kept, v, np.nan)), one_by_one, order=1)


def test_what_stands_for_a_nan_does_not_tie():
    for name, extreme in (("nanmax", -np.inf), ("nanmin", np.inf)):
        x = tg.parameter([np.nan, extreme, np.nan])
        getattr(tg, name)(x).backward()
        assert x.grad.tolist() == [0.0, 1.0, 0.0]


def test_among_nan_alone_nothing_is_the_largest():
    for name in ("nanargmax", "nanargmin"):
        with pytest.raises(tg.ArgumentError, match="where all elements are NaN"):
            getattr(tg, name)([[1.0, np.nan], [np.nan, np.nan]], axis=1)
    assert np.isnan(tg.nanmax([np.nan, np.nan]).item())


def test_single_precision_is_kept_where_elements_are_counted():
    x = tg.Tensor(SOME_NAN[:1].astype(np.float32))
    for name in NAN_REDUCTIONS:
        assert getattr(tg, name)(x).dtype == np.float32
    many = np.full(100_000, 1e-3, np.float16)  # more than half precision can count
    assert tg.nanmean(many).item() == np.nanmean(many)


# -- softmax -------------------------------------------------------------------------------------------------------


def test_the_logarithm_of_a_probability_near_one_keeps_its_digits():
    x = tg.parameter([1000.0, 970.0])
    y = tg.log_softmax(x)
    assert y.data[0] == pytest.approx(-np.exp(-30.0), rel=1e-12)
    y[1].backward()
    np.testing.assert_allclose(x.grad, [-1.0, 1.0], rtol=1e-12)


# -- NumPy's way ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["max", "min", "prod", "sum", "nansum"])
@pytest.mark.parametrize("argument", [{"initial": 0.0}, {"where": [True, False]}, {"out": np.zeros(())}], ids=str)
def test_what_would_start_elsewhere_or_skip_elements_is_refused_in_words(name, argument):
    with pytest.raises(tg.UnsupportedError, match=rf"np\.{name}.*({next(iter(argument))}|arguments)"):
        getattr(np, name)(tg.parameter([1.0, 2.0]), **argument)


@pytest.mark.parametrize("x", [1e12, 1e16, -1e16])
def test_the_gradient_of_logsumexp_adds_up_to_one_where_its_value_is_rounded(x):
    gradient = tg.grad(tg.logsumexp)(np.full(3, x))
    np.testing.assert_allclose(gradient, np.full(3, 1 / 3), rtol=1e-15)
    np.testing.assert_allclose(tg.compile(tg.grad(tg.logsumexp))(np.full(3, x)), gradient, rtol=1e-15)
