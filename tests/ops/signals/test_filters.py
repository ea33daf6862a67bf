"""Signals: NumPy's modes and arguments, derivatives at nodes and edges, errors."""

import itertools

import numpy as np
import pytest

import tinygraph as tg
from tinygraph.testing.laws import check_grads


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize("lengths", list(itertools.product((1, 2, 3, 4, 7), repeat=2)))
def test_convolutions_are_numpys_and_so_are_their_sums(lengths, mode, rng):
    x, y = (rng.normal(size=n) for n in lengths)
    for theirs, ours in ((np.convolve, tg.convolve), (np.correlate, tg.correlate)):
        np.testing.assert_allclose(ours(x, y, mode=mode).data, theirs(x, y, mode), rtol=1e-13)
        assert theirs(tg.parameter(x), y, mode).requires_grad
        check_grads(lambda x, y, ours=ours: ours(x, y, mode), x, y, order=1)


def test_the_default_modes_are_numpys(rng):
    x, y = rng.normal(size=(2, 4))
    assert tg.convolve(x, y).shape == (7,)
    assert tg.correlate(x, y).shape == (1,)
    assert np.convolve(v=tg.Tensor(x), a=[1.0, 2.0]).shape == (5,)


def test_interpolation_at_and_outside_the_nodes():
    x = tg.parameter([-1.0, 0.0, 1.0, 2.0, 3.0, np.nan])
    y = np.interp(x, [0.0, 1.0, 2.0], [0.0, 2.0, 3.0])
    np.testing.assert_array_equal(y.data, [0.0, 0.0, 2.0, 3.0, 3.0, np.nan])
    y.backward(np.ones(6))
    np.testing.assert_array_equal(x.grad, [0.0, 2.0, 1.0, 1.0, 0.0, 1.0])


def test_interpolation_outside_is_what_is_given_there():
    nodes, values = tg.parameter([0.0, 1.0]), tg.parameter([2.0, 4.0])
    y = tg.interp([-np.inf, 0.5, np.inf], nodes, values, left=tg.parameter(7.0), right=9.0)
    assert y.data.tolist() == [7.0, 3.0, 9.0]
    assert [g.data.tolist() for g in tg.gradients(y, [nodes, values], np.ones(3))] == [[-1.0, -1.0], [0.5, 0.5]]
    default = tg.interp([-np.inf, np.inf], nodes, values)
    assert default.data.tolist() == [2.0, 4.0]
    assert [g.data.tolist() for g in tg.gradients(default, [nodes, values], np.ones(2))] == [[0.0, 0.0], [1.0, 1.0]]


def test_interpolation_between_one_node():
    value = tg.parameter([5.0])
    y = tg.interp([0.0, 1.0, 2.0], [1.0], value, left=-1.0)
    assert y.data.tolist() == np.interp([0.0, 1.0, 2.0], [1.0], [5.0], left=-1.0).tolist()
    y.backward(np.ones(3))
    assert value.grad.tolist() == [2.0]


def test_interpolation_jumps_where_a_node_is_there_twice():
    args = [0.0, 1.0, 2.0, 3.0, 4.0], [1.0, 1.0, 3.0, 3.0], [0.0, 5.0, 6.0, 8.0]
    np.testing.assert_array_equal(tg.interp(*args).data, np.interp(*args))
    y = tg.parameter(args[2])
    assert tg.gradients(tg.interp(3.0, args[1], y), y).data.tolist() == [0.0, 0.0, 0.0, 1.0]


def test_interpolation_between_nodes_that_almost_touch():
    x, nodes, values = [0.0, 5e-309, 1e-308], [0.0, 1e-308, 1.0], [1.0, 3.0, 5.0]
    np.testing.assert_allclose(tg.interp(x, nodes, values).data, [1.0, 2.0, 3.0])


def test_interpolation_with_a_period_is_numpys_and_differentiable(rng):
    x, nodes, values = rng.uniform(-9, 9, 8), rng.uniform(-9, 9, 5), rng.normal(size=5)
    for period in (2.5, -2.5):
        np.testing.assert_allclose(
            np.interp(tg.Tensor(x), nodes, values, period=period).data, np.interp(x, nodes, values, period=period)
        )
    check_grads(lambda *xs: tg.interp(*xs[:3], period=xs[3]), x, nodes, values, np.array(2.5), order=1)


def test_the_interval_is_found_anew_in_a_program(rng):
    nodes, values = np.arange(5.0), rng.normal(size=5)
    compiled = tg.compile(lambda x: tg.interp(x, nodes, values))
    for x in rng.uniform(-1, 5, (3, 4)):
        np.testing.assert_allclose(compiled(x), np.interp(x, nodes, values))


GRADIENTS = {
    "number": ((0.5,), {}),
    "number by its name": ((np.float64(0.5),), {"axis": 1}),
    "numbers": ((0.5, 2), {}),
    "coordinates": ((np.array([0.0, 1.0, 1.5, 4.0]), [1.0, 2.0, 4.0]), {}),
    "coordinates and a number": ((2.0, [1.0, 2.0, 4.0]), {"edge_order": 2}),
    "axes in another order": ((0.5, 2.0), {"axis": (1, 0), "edge_order": 2}),
    "a negative axis": (([1.0, 2.0, 4.0],), {"axis": -1}),
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_numerical_derivatives_are_numpys(name, rng):
    spacing, params = GRADIENTS[name]
    f = rng.normal(size=(4, 3))
    results, expected = np.gradient(tg.parameter(f), *spacing, **params), np.gradient(f, *spacing, **params)
    assert isinstance(results, tuple) == isinstance(expected, tuple)
    for ours, theirs in zip(results, expected, strict=True):
        np.testing.assert_allclose(ours.data, theirs, atol=1e-14)


def test_numerical_derivatives_keep_float32_and_make_whole_numbers_floats():
    f = np.ones(4, np.float32)
    for spacing in ((), (0.5,), (np.float64(0.5),), (np.arange(4.0),)):
        assert np.gradient(tg.Tensor(f), *spacing).dtype == np.gradient(f, *spacing).dtype == np.float32
    assert np.gradient(tg.Tensor([1, 4, 9])).data.tolist() == np.gradient([1, 4, 9]).tolist()


def test_a_spike_does_not_swamp_its_neighbours():
    assert np.gradient(tg.Tensor([0.0, 1e30, 1.0])).data[1] == 0.5


def test_the_derivative_of_an_integral_by_its_points(rng):
    y, x = rng.normal(size=(2, 5))
    check_grads(lambda y, x: np.trapezoid(y, x), y, x)
    check_grads(lambda dx: tg.trapezoid(y, dx=dx), np.array(0.5))


def test_an_angle_without_jumps_has_the_derivative_one():
    x = tg.parameter([0.0, 3.0, 6.5, 13.0])
    y = np.unwrap(x)
    np.testing.assert_allclose(y.data, np.unwrap(x.data))
    y.backward(np.arange(4.0))
    assert x.grad.tolist() == [0.0, 1.0, 2.0, 3.0]
    assert np.unwrap(tg.Tensor([0, 3, 7]), period=4).data.tolist() == np.unwrap([0, 3, 7], period=4).tolist()


def test_polynomials_of_few_coefficients():
    x = np.array([1.0, 2.0])
    assert np.polyval(tg.Tensor(np.zeros(0)), x).data.tolist() == [0.0, 0.0]
    p = tg.parameter([3.0])
    np.polyval(p, x).backward(np.ones(2))
    assert p.grad.tolist() == [2.0]
    assert np.polyval([1, 2], tg.Tensor(3)).item() == 5


def test_powers_at_zero_have_their_derivatives():
    x = tg.parameter([0.0, 2.0])
    y = np.vander(x, 3, increasing=True)
    assert y.data.tolist() == [[1.0, 0.0, 0.0], [1.0, 2.0, 4.0]]
    y.backward(np.ones((2, 3)))
    assert x.grad.tolist() == [1.0, 5.0]
    assert np.vander(tg.Tensor([1, 2])).data.tolist() == np.vander([1, 2]).tolist()


ERRORS = {
    "a matrix": (lambda: tg.convolve(np.ones((2, 2)), [1.0]), r"convolve takes two vectors.*\(2, 2\)"),
    "nothing": (lambda: tg.correlate([], [1.0]), r"not empty"),
    "another mode": (lambda: tg.convolve([1.0], [1.0], mode="circular"), '"full", "same" or "valid"'),
    "descending nodes": (lambda: tg.interp(1.0, [2.0, 1.0], [0.0, 1.0]), "ascending order"),
    "nodes without values": (lambda: tg.interp(1.0, [1.0, 2.0], [0.0]), r"of one length.*\(2,\) and \(1,\)"),
    "no nodes": (lambda: tg.interp(1.0, [], []), "of one length"),
    "no period": (lambda: tg.interp(1.0, [1.0, 2.0], [0.0, 1.0], period=0), "period must be a number other than 0"),
    "too few numbers": (lambda: np.gradient(tg.Tensor([1.0, 2.0]), edge_order=2), "at least 3 numbers along axis 0"),
    "an edge order": (lambda: np.gradient(tg.Tensor([1.0, 2.0]), edge_order=3), "edge_order must be 1 or 2"),
    "a spacing too many": (lambda: np.gradient(tg.Tensor([1.0, 2.0]), 1.0, 2.0), "not 2"),
    "other coordinates": (lambda: np.gradient(tg.Tensor([1.0, 2.0]), [1.0, 2.0, 3.0]), "one number or 2 coordinates"),
    "an axis of the integral": (lambda: tg.trapezoid([1.0], axis=1), "trapezoid along axis 1"),
    "an axis of angles": (lambda: tg.unwrap(1.0), r"unwrap.*: axis -1 is out of bounds"),
    "coefficients": (lambda: tg.polyval(1.0, 2.0), "a vector of coefficients"),
    "a tensor as period": (lambda: tg.unwrap([1.0], period=tg.parameter(2.0)), "take .item"),
    "a matrix of powers": (lambda: tg.vander([[1.0]]), "vander takes a vector"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_say_what_is_wrong(name):
    attempt, text = ERRORS[name]
    with pytest.raises(tg.TinygraphError, match=text):
        attempt()
