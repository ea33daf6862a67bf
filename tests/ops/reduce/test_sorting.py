"""Sorting and looking up: order of what ties, NaN, indices, NumPy's spellings."""

import numpy as np
import pytest

import tinygraph as tg
from tinygraph.testing.laws import check_grads

TIES = np.array([[3.0, 1.0, 3.0, 2.0], [1.0, 1.0, 0.0, 1.0]])


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("axis", [0, 1, -1, None])
def test_the_gradient_of_each_goes_to_where_it_came_from(axis, descending):
    x = tg.parameter(TIES)
    y, order = tg.sort(x, axis, descending), tg.argsort(x, axis, descending)
    sign = -1 if descending else 1
    np.testing.assert_array_equal(y.data, sign * np.sort(sign * TIES, axis), strict=True)
    np.testing.assert_array_equal(order.data, np.argsort(sign * TIES, axis, stable=True), strict=True)
    seed = np.arange(1.0, 9.0).reshape(y.shape)
    y.backward(seed)
    expected = np.zeros_like(TIES if axis is not None else TIES.ravel())
    np.put_along_axis(expected, order.data, seed, 0 if axis is None else axis)
    np.testing.assert_array_equal(x.grad, expected.reshape(TIES.shape))


def test_nan_come_last():
    x = tg.parameter([np.nan, 2.0, 1.0])
    assert tg.sort(x).data[:2].tolist() == [1.0, 2.0]
    assert tg.argsort(x).data.tolist() == [2, 1, 0]
    assert tg.argsort(x, descending=True).data.tolist() == [0, 1, 2]


@pytest.mark.parametrize("kind", [None, "quicksort", "stable", "heapsort"])
def test_numpys_kinds_of_sorting_all_give_the_same(kind):
    for axis in (-1, 0, None):
        np.testing.assert_array_equal(np.sort(tg.Tensor(TIES), axis, kind).data, np.sort(TIES, axis, kind))
        np.testing.assert_array_equal(
            np.argsort(tg.Tensor(TIES), axis, kind=kind).data, np.argsort(TIES, axis, stable=True)
        )


def test_sorting_in_place_or_by_a_field_is_refused():
    x = tg.parameter([2.0, 1.0])
    with pytest.raises(tg.UnsupportedError, match="changes an array"):
        x.sort()
    with pytest.raises(tg.UnsupportedError, match="order"):
        np.sort(x, order="a")
    assert x.data.tolist() == [2.0, 1.0]


def test_sorting_anew_in_a_compiled_program():
    compiled = tg.compile(lambda x: tg.gradients(tg.sum(tg.sort(x) * np.arange(3.0)), x))
    assert compiled(np.array([1.0, 2.0, 3.0])).tolist() == [0.0, 1.0, 2.0]
    assert compiled(np.array([3.0, 2.0, 1.0])).tolist() == [2.0, 1.0, 0.0]


def test_the_largest_and_the_smallest():
    x = tg.parameter([[5.0, 1.0, 5.0], [2.0, 3.0, 1.0]])
    values, indices = tg.topk(x, 2)
    assert values.data.tolist() == [[5.0, 5.0], [3.0, 2.0]]
    assert indices.data.tolist() == [[0, 2], [1, 0]]
    values.backward(np.array([[1.0, 2.0], [3.0, 4.0]]))
    assert x.grad.tolist() == [[1.0, 0.0, 2.0], [4.0, 3.0, 0.0]]
    assert tg.topk(x, 1, axis=0, largest=False).values.data.tolist() == [[2.0, 1.0, 1.0]]
    with pytest.raises(tg.ArgumentError, match="k must be between 0 and 3"):
        tg.topk(x, 4)


@pytest.mark.parametrize("kth", [1, -1, [0, 2], np.array([1])], ids=str)
def test_a_partition_has_the_kth_in_its_place(kth, rng):
    x = rng.normal(size=(3, 5))
    y = np.partition(tg.parameter(x), kth, axis=1)
    np.testing.assert_array_equal(y.data[:, kth], np.partition(x, kth, axis=1)[:, kth])
    np.testing.assert_array_equal(np.sort(y.data, 1), np.sort(x, 1))
    check_grads(lambda x: tg.partition(x, kth, axis=1), x, order=1)
    order = np.argpartition(tg.parameter(x), kth, axis=1)
    np.testing.assert_array_equal(np.take_along_axis(x, order.data, 1), y.data)


# -- along an axis -------------------------------------------------------------------------------------------------


def test_what_is_named_twice_gets_both_shares():
    x = tg.parameter([[1.0, 2.0], [3.0, 4.0]])
    y = tg.take_along_axis(x, [[0, 0, -1], [1, 1, 1]], axis=1)
    assert y.data.tolist() == [[1.0, 1.0, 2.0], [4.0, 4.0, 4.0]]
    y.sum().backward()
    assert x.grad.tolist() == [[2.0, 1.0], [0.0, 3.0]]


@pytest.mark.parametrize(
    ("shape", "indices", "axis"),
    [((2, 3), (2, 1), 1), ((2, 3), (1, 3), 1), ((1, 3), (4, 2), -1), ((3, 1, 2), (1, 4, 2), 0), ((2, 3), (4,), None)],
)
def test_the_other_axes_broadcast(shape, indices, axis, rng):
    x, places = rng.normal(size=shape), rng.integers(0, 2, size=indices) - 1
    y = np.take_along_axis(tg.Tensor(x), places, axis)
    np.testing.assert_array_equal(y.data, np.take_along_axis(x, places, axis), strict=True)
    check_grads(lambda x: tg.take_along_axis(x, places, axis), x, order=1)


@pytest.mark.parametrize(
    ("indices", "axis", "error", "message"),
    [
        ([[0.0]], 0, tg.DTypeError, "indices must be whole numbers, but .* holds float64"),
        ([0, 1], 0, tg.ArgumentError, "must have as many axes as the array, 2, not 1"),
        ([[0]], 2, ValueError, "axis 2 is out of bounds"),
        ([[0, 5]], 1, IndexError, "index 5 is out of bounds"),
        ([[0], [1], [0]], 1, ValueError, "shape mismatch|broadcast"),
    ],
)
def test_indices_that_name_nothing_are_refused(indices, axis, error, message):
    with pytest.raises(error, match=message):
        tg.take_along_axis(np.ones((2, 2)), indices, axis=axis)


# -- where values belong -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", ["left", "right"])
def test_where_values_belong(side):
    edges, values = np.array([3.0, 1.0, 2.0]), tg.parameter([[0.0, 1.0], [2.5, 9.0]])
    order = np.argsort(edges)
    y = np.searchsorted(tg.Tensor(edges), values, side, sorter=order)
    np.testing.assert_array_equal(y.data, np.searchsorted(edges, values.data, side, order), strict=True)
    np.testing.assert_array_equal(tg.searchsorted(np.sort(edges), values, side).data, y.data)
    assert not y.requires_grad
    with pytest.raises(tg.ArgumentError, match='"left" or "right"'):
        tg.searchsorted(edges, values, "middle")


@pytest.mark.parametrize("right", [False, True])
@pytest.mark.parametrize("bins", [[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]])
def test_bins_that_ascend_or_descend(bins, right):
    values = np.array([-1.0, 0.0, 0.5, 1.0, 2.0, 3.0])
    y = np.digitize(tg.parameter(values), bins, right)
    np.testing.assert_array_equal(y.data, np.digitize(values, bins, right), strict=True)
    with pytest.raises(tg.ArgumentError, match="ascend or descend"):
        np.digitize(tg.parameter(values), [0.0, 2.0, 1.0])
    with pytest.raises(tg.UnsupportedError, match="bins as an array"):
        np.digitize(values, tg.parameter(bins))


@pytest.mark.parametrize(
    "attempt",
    [np.unique, np.bincount, np.histogram, lambda x: np.lexsort([x])],
)
def test_what_has_a_shape_that_the_values_decide_is_refused(attempt):
    with pytest.raises(tg.UnsupportedError):
        attempt(tg.parameter([1.0, 2.0]))
