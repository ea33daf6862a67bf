"""Elements in other places, and the gradients of their copies."""

import numpy as np
import pytest

import tinygraph as tg


def test_nothing_beyond_a_triangle_or_a_pad_leaks_into_it():
    x = tg.parameter([[1.0, np.nan], [np.inf, 4.0]])
    assert tg.tril(tg.triu(x)).data.tolist() == [[1.0, 0.0], [0.0, 4.0]]
    y = tg.triu(x)
    y.backward(np.array([[1.0, 2.0], [np.nan, np.inf]]))
    assert x.grad.tolist() == [[1.0, 2.0], [0.0, np.inf]]
    x.grad = None
    tg.pad(x, 1).backward(np.pad(np.ones((2, 2)), 1, constant_values=np.nan))
    assert x.grad.tolist() == [[1.0, 1.0], [1.0, 1.0]]


def test_the_values_of_a_pad_may_be_computed():
    x, c = tg.parameter([1.0, 2.0]), tg.parameter(3.0)
    y = tg.pad(x, (2, 1), constant_values=(c, 2 * c))
    assert y.data.tolist() == [3.0, 3.0, 1.0, 2.0, 6.0]
    y.backward(np.ones(5))
    assert c.grad == 4.0
    assert x.grad.tolist() == [1.0, 1.0]


def test_computed_repeats_are_an_input_of_the_node():
    x, n = tg.parameter([1.0, 2.0, 3.0]), tg.Tensor([2, 0, 1])
    y = tg.repeat(x, n + 1)
    assert y.data.tolist() == [1.0, 1.0, 1.0, 2.0, 3.0, 3.0]
    assert any(node is n for node in tg.toposort(y))
    with pytest.raises(tg.UnsupportedError, match="the number of repeats"):
        tg.compile(tg.repeat)(np.ones(3), np.ones(3, int))
    assert tg.compile(lambda x: tg.repeat(x, [1, 2]))(np.array([1.0, 2.0])).tolist() == [1.0, 2.0, 2.0]
