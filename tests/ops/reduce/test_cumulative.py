"""Running sums and products, and differences: zeros, axes, NumPy's spellings."""

from fractions import Fraction
from math import prod

import numpy as np
import pytest

import tinygraph as tg
from tinygraph.testing.laws import check_grads

ZEROS = [[2.0, 0.0, 3.0, 4.0], [0.0, 0.0, 3.0, 4.0], [0.0, 2.0, 0.0, 0.0], [1.0, 2.0, 3.0, 0.0]]


@pytest.mark.parametrize("values", ZEROS, ids=str)
def test_a_running_product_with_zeros_is_differentiated_exactly_to_third_order(values):
    n = range(4)

    def derivative(i, *by):
        """Of the i-th product by some of the elements."""
        if len(set(by)) < len(by) or max(by) > i:
            return 0.0
        return np.prod(np.delete(values[: i + 1], by))

    x = tg.parameter(values)
    y = tg.cumulative_prod(x)
    for i in n:
        first = tg.gradients(y[i], x)
        assert first.data.tolist() == [derivative(i, j) for j in n]
        for j in n:
            second = tg.gradients(first[j], x)
            assert second.data.tolist() == [derivative(i, j, k) for k in n]
            third = tg.gradients(second[0], x)
            assert third.data.tolist() == [derivative(i, j, 0, k) for k in n]


@pytest.mark.parametrize("name", ["cumulative_sum", "cumulative_prod"])
@pytest.mark.parametrize("axis", [0, 1, -1, -3])
@pytest.mark.parametrize("include_initial", [False, True])
def test_along_any_axis_with_and_without_what_comes_first(name, axis, include_initial, rng):
    x = rng.integers(-1, 3, size=(2, 3, 2)).astype(float)

    def run(x, xp=tg):
        return getattr(xp, name)(x, axis=axis, include_initial=include_initial)

    np.testing.assert_array_equal(run(x).data, run(x, np), strict=True)
    np.testing.assert_array_equal(run(tg.Tensor(x), np).data, run(x, np), strict=True)
    check_grads(run, x)


def test_the_axis_is_needed_where_there_are_several():
    assert tg.cumulative_sum([1.0, 2.0]).data.tolist() == [1.0, 3.0]
    assert tg.cumulative_sum(2.0).data.tolist() == [2.0]
    for function in (tg.cumulative_sum, tg.cumulative_prod):
        with pytest.raises(
            tg.ArgumentError, match=r"shape \(2, 2\) needs an axis; to flatten it, use reshape\(x, -1\)"
        ):
            function(np.ones((2, 2)))


def test_the_dtype_to_add_up_in():
    x = tg.parameter(np.full(3, 0.1, np.float32))
    y = tg.cumulative_sum(x, dtype=np.float64)
    assert y.dtype == np.float64
    y.sum().backward()
    assert x.grad.dtype == np.float32
    assert x.grad.tolist() == [3.0, 2.0, 1.0]
    assert tg.cumulative_prod([2, 3], dtype=float).dtype == np.float64


@pytest.mark.parametrize("name", ["cumsum", "cumprod", "nancumsum", "nancumprod"])
@pytest.mark.parametrize("axis", [None, 0, -1])
def test_numpys_running_functions_flatten_without_an_axis(name, axis):
    values = np.array([[1.0, 2.0, 0.5], [3.0, 0.0, 2.0]])
    if name.startswith("nan"):
        values[0, 1] = np.nan
    x = tg.parameter(values)
    y = getattr(np, name)(x, axis)
    np.testing.assert_array_equal(y.data, getattr(np, name)(values, axis), strict=True)
    y.sum().backward()
    assert np.isfinite(x.grad).all()
    assert not x.grad[np.isnan(values)].any()


ENDS = [{}, {"prepend": 0.0}, {"append": [[1.0], [2.0]]}, {"prepend": [[3.0, 4.0], [5.0, 6.0]], "append": 7.0}]


@pytest.mark.parametrize("ends", ENDS, ids=lambda ends: "-".join(ends))
@pytest.mark.parametrize("n", [0, 1, 2, 5])
def test_differences_with_what_is_joined_to_the_ends(ends, n, rng):
    x = rng.normal(size=(2, 4))
    expected = np.diff(x, n, axis=1, **ends)
    for function in (tg.diff, np.diff):
        y = function(tg.Tensor(x), n, 1, **ends)
        np.testing.assert_allclose(y.data, expected, strict=True)
    check_grads(lambda x: tg.diff(x, n, 1, **ends), x, order=1)
    for key, end in ends.items():
        check_grads(lambda end, key=key: tg.diff(x, n, 1, **{**ends, key: end}), np.asarray(end), order=1)


def test_differences_of_booleans_tell_where_they_change():
    values = np.array([True, True, False, True])
    np.testing.assert_array_equal(tg.diff(values).data, np.diff(values), strict=True)


@pytest.mark.parametrize(
    ("arguments", "message"), [(([1.0], -1), "must be at least 0, not -1"), ((1.0,), "a number has none")]
)
def test_differences_that_there_are_not(arguments, message):
    with pytest.raises(tg.ArgumentError, match=message):
        tg.diff(*arguments)


def test_an_axis_that_there_is_not():
    for attempt in (lambda: tg.diff(np.ones((2, 2)), axis=2), lambda: tg.cumulative_sum(np.ones((2, 2)), axis=2)):
        with pytest.raises(ValueError, match="axis 2 is out of bounds"):
            attempt()
    for function in (tg.cummax, tg.cummin, tg.logcumsumexp):
        with pytest.raises(ValueError, match="axis 0 is out of bounds"):
            function(1.0, axis=0)


@pytest.mark.parametrize("ends", [{}, {"to_end": 9.0}, {"to_begin": [1.0, 2.0], "to_end": [3.0]}], ids=str)
def test_the_differences_of_all_elements_in_a_row(ends):
    x = np.array([[1.0, 4.0], [9.0, 16.0]])
    np.testing.assert_array_equal(np.ediff1d(tg.Tensor(x), **ends).data, np.ediff1d(x, **ends), strict=True)
    check_grads(lambda x: np.ediff1d(x, **ends), x, order=1)


# -- running extremes and logarithms -------------------------------------------------------------------------------


def test_the_largest_so_far_and_where_it_stands():
    x = tg.parameter([[1.0, 3.0, 3.0, 2.0], [4.0, np.nan, 5.0, 6.0]])
    values, indices = tg.cummax(x, axis=1)
    np.testing.assert_array_equal(values.data, np.maximum.accumulate(x.data, axis=1))
    assert indices.data.tolist() == [[0, 1, 2, 2], [0, 1, 1, 1]]
    values.sum().backward()
    assert x.grad.tolist() == [[1.0, 1.0, 2.0, 0.0], [1.0, 3.0, 0.0, 0.0]]
    smallest = tg.cummin(x, axis=1)
    np.testing.assert_array_equal(smallest.values.data, np.minimum.accumulate(x.data, axis=1))
    assert tg.cummin(np.array([3, 0, 2], np.uint8), axis=0).values.data.tolist() == [3, 0, 0]


def test_a_running_logsumexp_neither_overflows_nor_is_it_lost_among_nothing():
    x = tg.parameter([-np.inf, -1000.0, 1000.0, 1000.0])
    y = tg.logcumsumexp(x, axis=0)
    np.testing.assert_allclose(y.data, [-np.inf, -1000.0, 1000.0, 1000.0 + np.log(2.0)])
    y[1:].sum().backward()
    np.testing.assert_allclose(x.grad, [0.0, 1.0, 1.5, 0.5])
    x = tg.parameter([0.0, 0.0, np.inf, 0.0])
    tg.logcumsumexp(x, axis=0).backward(np.ones(4))
    np.testing.assert_allclose(x.grad, [1.5, 0.5, 2.0, 0.0])


# -- products, whatever those on the way come to ---------------------------------------------------------------------

SCALES = (1.0, 1.0, 1e200, 1e-200, 1e150, 1e-150)


def lines_of_all_sizes(count=200):
    """Lines of numbers of very different sizes, some of them 0, and weights."""
    rng = np.random.default_rng(0)
    for _ in range(count):
        n = rng.integers(1, 9)
        x = rng.normal(size=n) * rng.choice(SCALES, n) * (rng.random(n) > 0.15)
        yield x, rng.normal(size=n)


def rounded(exact):
    """The floating number nearest to a fraction, infinite where it is too large."""
    try:
        return float(exact)
    except OverflowError:
        return np.copysign(np.inf, 1 if exact > 0 else -1)


def without(x, k):
    return [*x[:k], *x[k + 1 :]]


def assert_exact(found, exact):
    np.testing.assert_allclose(found, list(map(rounded, exact)), rtol=1e-12, atol=1e-290)


@pytest.mark.parametrize("function", [tg.prod, tg.nanprod, lambda x: tg.prod(tg.reshape(x, (1, -1)), axis=(0, 1))])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of the products themselves
def test_the_gradient_of_a_product_is_exact(function):
    for x, _ in lines_of_all_sizes():
        exact = list(map(Fraction, x.tolist()))
        given = tg.parameter(x)
        assert_exact(tg.gradients(function(given), given).data, [prod(without(exact, k)) for k in range(len(x))])


@pytest.mark.parametrize("function", [tg.cumulative_prod, tg.nancumprod])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_the_gradient_of_running_products_is_exact(function):
    for x, c in lines_of_all_sizes():
        c = np.abs(c) * np.where(np.cumsum(x < 0) % 2, -1, 1)  # so that no sum cancels
        exact, weights = list(map(Fraction, x.tolist())), list(map(Fraction, c.tolist()))
        sums = [
            sum(weights[i] * prod(without(exact[: i + 1], k)) for i in range(k, len(exact))) for k in range(len(exact))
        ]
        given = tg.parameter(x)
        assert_exact(tg.gradients(function(given, axis=0), given, c).data, sums)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_products_of_float32_and_of_any_strides():
    for layout in (lambda x: x, lambda x: np.asfortranarray(x), lambda x: x[:, ::-1]):
        x = tg.parameter(layout(np.array([[1e30, 1e30, 0.0, 1e-30], [1e-30, 1e-30, 1e30, 2.0]], np.float32)))
        for axis in (1, -1):
            y = tg.gradients(tg.prod(x, axis=axis), x, [1.0, 1.0])
            expected = [prod(without(line, k)) for line in x.data.astype(float).tolist() for k in range(4)]
            assert y.dtype == np.float32
            np.testing.assert_allclose(y.data.ravel(), expected, rtol=1e-6, atol=1e-37)


def test_compiled_gradients_of_products_are_the_same():
    for x in (np.array([1e200, 1e200, 0.0, 1e-200]), np.array([2.0, 3.0, 4.0])):
        for function in (tg.prod, lambda x: tg.cumulative_prod(x)[-1]):
            with np.errstate(all="ignore"):
                np.testing.assert_array_equal(tg.compile(tg.grad(function))(x), tg.grad(function)(x))
