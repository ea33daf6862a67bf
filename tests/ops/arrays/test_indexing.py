"""Indexing, as NumPy's, and its gradient."""

import numpy as np
import pytest

import tinygraph as tg
from tinygraph.testing.laws import check_grads

KEYS = [
    np.s_[0],
    np.s_[-1, 2],
    np.s_[1:3],
    np.s_[::-2, ::-1],
    np.s_[..., None, 1],
    np.s_[None],
    np.s_[()],
    np.s_[...],
    np.s_[5:2],
    np.s_[np.int64(1)],
    np.s_[[2, 0]],
    np.s_[[1, 1, 1]],
    np.s_[:, [3, 0, 3]],
    np.s_[[0, 2], [1, 1]],
    np.s_[[[0], [2]], [1, 3]],
    np.s_[[], 1],
    np.s_[np.array([True, False, True])],
    np.s_[np.arange(12).reshape(3, 4) % 5 == 0],
    np.s_[True],
    np.s_[1, np.array([0, 1])],
    np.s_[np.array(2)],
]


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_value_and_gradients_of_every_kind_of_key(key):
    array = np.arange(12.0).reshape(3, 4)
    assert np.array_equal(tg.Tensor(array)[key].data, array[key])
    check_grads(lambda x: x[key] ** 2, array / 10)


def test_a_computed_index_is_an_input_of_the_node():
    x, i = tg.parameter([1.0, 2.0, 3.0]), tg.Tensor([0, 2])
    y = x[i]
    assert y.inputs == (x, i) or [a is b for a, b in zip(y.inputs, (x, i), strict=True)] == [True, True]
    y.sum().backward()
    assert x.grad.tolist() == [1.0, 0.0, 1.0]
    mask = x > 1.5
    assert x[mask].inputs[1] is mask


@pytest.mark.parametrize("key", ["name", 1.5, (0, "a"), np.array([0.5]), slice(0.5)])
def test_what_is_no_index_is_refused(key):
    with pytest.raises((IndexError, TypeError)):
        tg.parameter([[1.0, 2.0]])[key]


def test_out_of_bounds_is_an_index_error_so_that_iteration_ends():
    with pytest.raises(IndexError):
        tg.parameter([1.0])[3]
    with pytest.raises(IndexError):
        tg.parameter(1.0)[0]


def test_the_caller_may_change_the_index_array_afterwards():
    x, i = tg.parameter([1.0, 2.0, 3.0]), np.array([0, 0])
    y = x[i]
    i[:] = 2
    y.sum().backward()
    assert x.grad.tolist() == [2.0, 0.0, 0.0]


# -- keys that are odd, twice over, or known only when a program runs ------------------------------------------------

X = np.arange(24.0).reshape(2, 3, 4) / 10
ODD_KEYS = [
    np.s_[[0, 1], :, [1, 1]],
    np.s_[:, [0, -3, 2], None, [3, -1, 0]],
    np.s_[[[0, 1], [1, 0]], 1:, ::-2],
    np.s_[..., [True, False, True, True]],
    np.s_[[True, False], :, 2],
    np.s_[np.array([[True, False, True], [False, False, True]])],
    np.s_[np.array([[True, False, True], [False, False, True]]), [0, 1, 1]],
    np.s_[None, [1, -1], None],
    np.s_[:, :, np.array([-1, -1, 3, 3], np.int8)],
    np.s_[:, np.array([2, 0], np.uint8)],
    np.s_[:, np.array(1)],
    np.s_[True, ..., None, 0],
    np.s_[np.array([], bool).reshape(0)[:0].astype(int), :, :],
    np.s_[[-1], [-1], [-1]],
]


@pytest.mark.parametrize("key", ODD_KEYS, ids=str)
def test_odd_keys_to_second_order_also_compiled(key):
    check_grads(lambda x: x[key] ** 3, X)

    def gradient(x):
        return tg.gradients(tg.sum(x[key] ** 3), x)

    expected = np.zeros_like(X)
    np.add.at(expected, key, 3 * X[key] ** 2)
    np.testing.assert_allclose(gradient(tg.parameter(X)).data, expected, rtol=1e-14)
    np.testing.assert_allclose(tg.compile(gradient)(X), expected, rtol=1e-14)


@pytest.mark.parametrize("places", [[1], [1, 1], [[1, 0], [0, 1]], [0, 0]])
def test_places_are_no_numbers_to_calculate_with(places):
    """Equal places once became a factor 1.0, and those of the identity its matrix."""
    f = tg.compile(lambda x, i: (2.0 * x[:, places] + x[:, i + 1], x[:, -i]))
    one, other = f(X, np.array(places))
    np.testing.assert_allclose(one, 2 * X[:, places] + X[:, np.array(places) + 1])
    assert np.array_equal(other, X[:, -np.array(places)])


REFUSED_IN_A_PROGRAM = [
    lambda x, m: x[x > 1],
    lambda x, m: tg.mean(x[m]),
    lambda x, m: x[:, m[0]],
    lambda x, m: tg.nonzero(x),
    lambda x, m: np.where(x > 1)[0],
    lambda x, m: tg.compress(m[0, :, 0], x, 1),
    lambda x, m: tg.extract(m, x),
    lambda x, m: x[tg.ix_([0], m[0, :, 0])],
    lambda x, m: x.at[m].set(np.ones(24)),
]


@pytest.mark.parametrize("function", REFUSED_IN_A_PROGRAM)
def test_a_shape_that_depends_on_values_is_not_frozen_in_a_program(function):
    mask = np.ones_like(X, bool)
    function(tg.Tensor(X), tg.Tensor(mask))
    with pytest.raises(tg.UnsupportedError, match=r"the number of elements .* not known while a function is compiled"):
        tg.compile(function)(X, mask)


def test_a_mask_that_is_plain_is_part_of_the_program():
    mask = X > 1
    f = tg.compile(lambda x: tg.gradients(tg.sum(x[mask] ** 2), x))
    np.testing.assert_allclose(f(X), np.where(mask, 2 * X, 0))
    assert tg.compile(lambda x: x[np.nonzero(mask)])(X).tolist() == X[mask].tolist()


# -- what picks ------------------------------------------------------------------------------------------------------

CALLS = {
    "take": lambda x: np.take(x, [3, 3, 0], axis=-1),
    "take of all": lambda x: np.take(x, [[23, 0]]),
    "take, wrapped": lambda x: np.take(x, [5, -7], 1, mode="wrap"),
    "take, clipped": lambda x: np.take(x, [5, -7], 1, mode="clip"),
    "compress": lambda x: np.compress([False, True], x, axis=1),
    "extract": lambda x: np.extract(X > 1, x),
    "choose": lambda x: np.choose([[0], [2], [1]], [x[0], x[1], np.ones(4)]),
    "choose, wrapped": lambda x: np.choose([-1, 4, 1, 0], x[:, 0], mode="wrap"),
    "where": lambda x: x[np.where(X > 1)],
}


@pytest.mark.parametrize("name", CALLS)
def test_numpys_calls_give_numpys_values_and_true_gradients(name):
    call = CALLS[name]
    assert np.array_equal(call(tg.Tensor(X)).data, call(X))
    check_grads(lambda x: call(x) ** 2, X)


def test_places_of_what_is_not_zero():
    x = tg.Tensor([[0.0, 2.0], [3.0, np.nan]])
    for ours, theirs in ((np.nonzero(x), np.nonzero(x.data)), (np.where(x), np.where(x.data))):
        assert [i.tolist() for i in ours] == [i.tolist() for i in theirs]
        assert not any(i.requires_grad for i in ours)
    assert np.argwhere(x).tolist() == np.argwhere(x.data).tolist()
    assert np.flatnonzero(x).tolist() == [1, 2, 3]
    with pytest.raises(tg.ShapeError, match="atleast_1d"):
        tg.nonzero(3.0)


def test_places_as_numbers_and_back():
    i = tg.Tensor([0, 5, 11])
    assert [j.tolist() for j in np.unravel_index(i, (3, 4))] == [j.tolist() for j in np.unravel_index(i.data, (3, 4))]
    rows, columns = tg.unravel_index(i, (3, 4))
    assert np.ravel_multi_index((rows, columns), (3, 4)).tolist() == [0, 5, 11]
    assert np.ravel_multi_index((rows, columns), dims=(2, 2), mode=("clip", "wrap")).tolist() == [0, 3, 3]
    with pytest.raises(IndexError, match="from 0 to 1, but one is 2"):
        tg.ravel_multi_index((rows, columns), (2, 4))


WRONG = [
    (lambda x: tg.take(x, [True, False]), TypeError, "whole numbers, but .* bool"),
    (lambda x: tg.take(x, [0.0]), TypeError, "float64"),
    (lambda x: tg.take(x, [3], axis=1), IndexError, "out of bounds"),
    (lambda x: tg.take(x, [0], axis=3), ValueError, "out of bounds"),
    (lambda x: tg.take(x, [0], mode="last"), ValueError, '"raise", "wrap" or "clip"'),
    (lambda x: tg.take(x[:0], [0], axis=0, mode="wrap"), IndexError, "out of bounds"),
    (lambda x: tg.compress([True, False, True], x, axis=0), IndexError, "out of bounds"),
    (lambda x: tg.compress([[True]], x), ValueError, "one axis"),
    (lambda x: tg.choose([0, 2], [x[0, 0, :2], 1.0]), IndexError, "from 0 to 1, but one is 2"),
    (lambda x: tg.choose([-1], [x, x]), IndexError, "one is -1"),
    (lambda x: tg.choose([0], []), ValueError, "at least one choice"),
    (lambda x: tg.one_hot([0, 3], 3), IndexError, "from 0 to 2, but one is 3"),
    (lambda x: tg.one_hot([-1], 3), IndexError, "one is -1"),
    (lambda x: tg.one_hot([1.0], 3), TypeError, "whole numbers"),
    (lambda x: tg.one_hot([True], 3), TypeError, "bool"),
    (lambda x: tg.embedding(x[0], [0, -1]), IndexError, "one is -1"),
    (lambda x: tg.embedding(x, [0]), ValueError, "a matrix"),
    (lambda x: tg.ix_([[0]]), ValueError, "one axis"),
    (lambda x: np.where(x > 0, x), ValueError, "both"),
    (lambda x: x.at[0].set(np.ones(3)), ValueError, "broadcast"),
    (lambda x: x.at[2].set(1.0), IndexError, "out of bounds"),
    (lambda x: tg.Tensor([1, 2]).at[0].set(0.5), TypeError, "cannot hold float64"),
    (lambda x: tg.Tensor([1, 2]).at[0].add(x[0, 0, 0]), TypeError, "astype"),
    (lambda x: np.put(x, [0], 1.0), TypeError, r"x\.at\[key\]\.set"),
    (lambda x: np.copyto(X.copy(), x), TypeError, r"np\.where"),
    (lambda x: np.put_along_axis(x, np.array([[[0]]]), 1.0, 0), TypeError, r"x\.at\[key\]\.set"),
    (lambda x: np.fill_diagonal(x, 1.0), TypeError, r"x\.at\[i, i\]"),
    (lambda x: np.place(x, X > 1, [1.0]), TypeError, r"np\.where"),
]


@pytest.mark.parametrize(("call", "error", "message"), WRONG)
def test_what_cannot_be_is_refused_in_words(call, error, message):
    x = tg.Tensor(X, requires_grad=True)
    with pytest.raises(error, match=message):
        call(x)


def test_labels_out_of_bounds_are_refused_in_programs_too():
    f = tg.compile(lambda i: tg.one_hot(i, 3))
    assert f(np.array([0, 2])).tolist() == [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    for labels in ([0, 3], [-1, 0]):
        with pytest.raises(IndexError, match="places go from 0 to 2"):
            f(np.array(labels))


def test_one_hot_columns_are_labels_as_the_lecture_writes_them():
    Y = tg.one_hot([0, 2, 1], 3, axis=0)
    assert Y.data.tolist() == [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]]
    assert tg.one_hot(tg.Tensor([1]), 2, dtype=np.float32).dtype == np.float32


# -- writing to places -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("shape", "key"), [*(((3, 4), key) for key in KEYS), *(((2, 3, 4), key) for key in ODD_KEYS)])
def test_an_update_is_that_of_an_array_and_its_gradients_are_true(shape, key):
    x = np.sin(np.arange(float(np.prod(shape)))).reshape(shape)
    values = np.cos(np.arange(float(x[key].size))).reshape(x[key].shape)
    expected, added = x.copy(), x.copy()
    expected[key] = values
    np.add.at(added, key, values)
    assert np.array_equal(tg.Tensor(x).at[key].set(values).data, expected)
    np.testing.assert_allclose(tg.Tensor(x).at[key].add(values).data, added, rtol=1e-12)
    check_grads(lambda x, v: x.at[key].set(v) ** 2, x, values)
    check_grads(lambda x, v: x.at[key].add(v) ** 2, x, values)


def test_of_several_values_for_one_place_the_last_stays_and_only_it_has_the_gradient():
    x, v = tg.parameter([1.0, 2.0, 3.0]), tg.parameter([10.0, 20.0, 30.0, 40.0])
    y = x.at[[0, -3, 2, 0]].set(v)
    assert y.data.tolist() == [40.0, 2.0, 30.0]
    y.backward(np.array([1.0, 2.0, 3.0]))
    assert x.grad.tolist() == [0.0, 2.0, 0.0]
    assert v.grad.tolist() == [0.0, 0.0, 3.0, 1.0]
    assert x.data.tolist() == [1.0, 2.0, 3.0]


def test_which_is_the_last_does_not_depend_on_how_the_places_lie_in_memory():
    places = np.array([[0, 1], [1, 0]])
    for arranged in (places, np.asfortranarray(places), places.T.copy().T):
        v = tg.parameter([[1.0, 2.0], [3.0, 4.0]])
        y = tg.Tensor([0.0, 0.0]).at[arranged].set(v)
        assert y.data.tolist() == [4.0, 3.0]
        y.backward(np.ones(2))
        assert v.grad.tolist() == [[0.0, 0.0], [1.0, 1.0]]


def test_what_is_written_over_is_forgotten_be_it_nan():
    x, v = tg.parameter([np.nan, 1.0]), tg.parameter([np.inf, 5.0])
    y = x.at[[0, 0]].set(v)
    assert y.data.tolist() == [5.0, 1.0]
    y.backward(np.array([np.inf, 1.0]))
    assert x.grad.tolist() == [0.0, 1.0]
    assert v.grad.tolist() == [0.0, np.inf]


def test_where_a_mask_holds_one_value_is_written_also_in_a_program():
    def f(x, c):
        return x.at[x > 1].set(c).at[x < 0.5].add(2 * c)

    x, c = tg.parameter(X), tg.parameter(7.0)
    y = f(x, c)
    expected = np.where(X > 1, 7.0, X) + np.where(X < 0.5, 14.0, 0.0)
    assert np.array_equal(y.data, expected)
    compiled = tg.compile(f)
    compiled(np.zeros_like(X), np.array(1.0))
    assert np.array_equal(compiled(X, np.array(7.0)), expected)
    tg.sum(y).backward()
    assert c.grad == np.sum(X > 1) + 2 * np.sum(X < 0.5)
    rows = tg.parameter(np.ones((3, 2))).at[np.array([True, False, True])].set(0.0)
    assert rows.data.tolist() == [[0.0, 0.0], [1.0, 1.0], [0.0, 0.0]]


def test_an_update_keeps_the_dtype():
    x = tg.parameter(np.ones(2, np.float32))
    v = tg.parameter(np.array(2.0))
    y = x.at[0].set(v)
    assert y.dtype == np.float32
    y.backward(np.ones(2))
    assert v.grad == 1.0
    assert v.grad.dtype == np.float64
    assert tg.Tensor([1, 2]).at[0].add(5).data.tolist() == [6, 2]
