"""Integer leaves that require gradients, seeds of a wrong shape, and assignments into tensors are refused."""

import numpy as np
import pytest

import tinygraph as tg


@pytest.mark.parametrize("data", [[1, 2], [True, False], np.int64(3), np.array([1], np.uint8), 1, True])
def test_p20_an_integer_leaf_cannot_require_a_gradient(data):
    for attempt in (
        lambda: tg.Tensor(data, requires_grad=True),
        lambda: tg.parameter(data),
        lambda: setattr(tg.Tensor(data), "requires_grad", True),
    ):
        with pytest.raises(TypeError, match="only floating data can require a gradient"):
            attempt()
    assert not tg.Tensor(data).requires_grad


def test_p20_gradients_are_never_truncated_to_integers():
    n, x = tg.Tensor([1, 2]), tg.parameter([0.5, 0.5])
    (x * n * n).sum().backward(np.int64(1))
    assert x.grad.tolist() == [1.0, 4.0]
    x.grad = [1, 2]
    assert x.grad.dtype == np.float64
    assert n.grad is None


@pytest.mark.parametrize("shape", [(3, 1), (1, 3), (1,), (), (4,)])
def test_p21_a_seed_of_another_shape_is_refused(shape):
    x = tg.parameter([1.0, 2.0, 3.0])
    y = x * x
    for attempt in (y.backward, lambda seed: tg.gradients(y, x, seed)):
        with pytest.raises(tg.ShapeError):
            attempt(np.ones(shape))
    assert x.grad is None
    y.backward(np.ones(3))
    assert x.grad.tolist() == [2.0, 4.0, 6.0]


def test_p21_a_result_that_is_no_scalar_needs_a_seed():
    x = tg.parameter([1.0, 2.0, 3.0])
    y = x * x
    for attempt in (y.backward, lambda: tg.gradients(y, x)):
        with pytest.raises(tg.ShapeError, match=r"y has shape \(3,\)"):
            attempt()


@pytest.mark.parametrize("key", [0, [0, 0], slice(None), Ellipsis, ([0], [0]), None])
def test_p23_assignment_into_a_tensor_is_refused(key):
    x = tg.parameter([[1.0, 2.0]])
    with pytest.raises(tg.UnsupportedError, match="in place"):
        x[key] = 5.0
    assert x.data.tolist() == [[1.0, 2.0]]
