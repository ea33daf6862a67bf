"""Copies and pickles of tensors are leaves with data and gradients of their own."""

import copy
import pickle

import numpy as np
import pytest
from nodes import grad_of

import tinygraph as tg


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_p16_the_copy_of_a_leaf_has_data_and_gradient_of_its_own(how):
    x = tg.parameter([1.0, 2.0], "weights")
    (x * x).sum().backward()
    y = how(x)
    assert (y.name, y.requires_grad, y.dtype, y.op) == ("weights", True, x.dtype, None)
    assert grad_of(y) == [[2.0, 4.0]]
    y.data += 10.0
    y.grad[...] = 0.0
    assert x.data.tolist() == [1.0, 2.0]
    assert grad_of(x) == [[2.0, 4.0]]
    y.grad = None
    (y * y).sum().backward()
    assert grad_of(x, y) == [[2.0, 4.0], [22.0, 24.0]]


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_p16_the_copy_of_a_result_is_a_leaf(how):
    x = tg.parameter([1.0, 2.0])
    y = x * x
    with tg.no_grad():
        z = how(y)
    assert (z.op, z.inputs) == (None, ())
    assert z.data.tolist() == [1.0, 4.0]
    assert not z.requires_grad  # a backward that ended there would lose the gradient in silence
    assert x.requires_grad


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy])
def test_p16_the_copy_of_a_result_that_has_a_gradient_is_an_error(how):
    with pytest.raises(tg.UnsupportedError, match="lose the gradient"):
        how(tg.parameter([1.0, 2.0]) * 2.0)


@pytest.mark.parametrize("how", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_p16_tied_weights_stay_tied(how):
    W = tg.parameter([1.0, 2.0])
    model = how({"encoder": W, "decoder": {"W": W}})
    assert model["encoder"] is model["decoder"]["W"]
    assert model["encoder"] is not W


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
@pytest.mark.parametrize("shape", [(), (0,), (2, 3)])
def test_p17_pickles_keep_data_dtype_and_whether_a_gradient_is_required(protocol, dtype, shape):
    x = tg.Tensor(np.ones(shape, dtype), requires_grad=True)
    y = pickle.loads(pickle.dumps(x, protocol))
    assert y.data.dtype == dtype
    assert y.data.shape == shape
    assert np.array_equal(y.data, x.data)
    assert y.requires_grad
    assert y.grad is None
    y.data[...] = 0.0  # it is a writable array of its own


def test_p17_the_graph_is_not_pickled():
    x = tg.parameter(np.zeros(100_000))
    y = (x * 2.0).sum()
    assert len(pickle.dumps(y)) < 1_000
    z = pickle.loads(pickle.dumps(y))
    assert (z.op, z.inputs, z.requires_grad, z.item()) == (None, (), False, 0.0)
    constant = pickle.loads(pickle.dumps(tg.Tensor([1, 2]) * 2))
    assert not constant.requires_grad
    assert constant.dtype == np.int64
