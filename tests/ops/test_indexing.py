"""Indexing, as NumPy's, and its gradient."""

import numpy as np
import pytest

import tinygraph as tg
from tinygraph.testing import check_grads

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
