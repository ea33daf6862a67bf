"""What is wrong with arguments is said in one way, in the user's names."""

import numpy as np
import pytest

import tinygraph as tg
from tinygraph.ops.arithmetic.broadcasting import broadcasts_to

CALLS = [
    lambda x: tg.sum(x, axis=2),
    lambda x: tg.softmax(x, axis=2),
    lambda x: tg.squeeze(x, 2),
    lambda x: tg.swapaxes(x, 0, 2),
    lambda x: tg.take(x, [0], axis=2),
    lambda x: tg.sort(x, axis=2),
    lambda x: tg.cummax(x, 2),
    lambda x: tg.diff(x, axis=2),
    lambda x: tg.unstack(x, axis=2),
    lambda x: tg.median(x, axis=2),
    lambda x: tg.trapezoid(x, axis=2),
    lambda x: tg.fft.rfft(x, axis=2),
    lambda x: tg.tensordot(x, x, ((2,), (0,))),
    lambda x: tg.matrix_norm(x) + tg.norm(x, axis=(0, 2)),
    lambda x: tg.cross_entropy(x, [0, 1], axis=2),
    lambda x: np.moveaxis(x, 2, 0),
    lambda x: np.trace(x, axis1=0, axis2=2),
]


@pytest.mark.parametrize("call", CALLS)
def test_an_axis_that_is_not_there(call):
    x = tg.Tensor(np.ones((2, 2)), name="x")
    with pytest.raises(
        tg.ShapeError, match=r"axis 2 is out of bounds for array of dimension 2\n +x +\(2, 2\)"
    ) as caught:
        call(x)
    assert "test_arguments.py" in str(caught.value)


def test_options():
    with pytest.raises(tg.ArgumentError, match=r"""^reduction must be "mean", "sum" or "none", not 'avg'$"""):
        tg.mse([1.0], [1.0], reduction="avg")
    with pytest.raises(tg.ArgumentError, match=r"""^side must be "left" or "right", not None$"""):
        tg.searchsorted([1.0], [1.0], side=None)


@pytest.mark.parametrize("call", [tg.take, lambda x, i: tg.take_along_axis(x, i, axis=0), tg.repeat])
def test_whole_numbers(call):
    i = tg.Tensor([0.0, 1.0], name="i")
    with pytest.raises(tg.DTypeError, match=r"(indices|repeats) must be whole numbers, but i holds float64"):
        call(tg.Tensor([1.0, 2.0]), i)


def test_the_error_names_the_function_that_was_called():
    for call in (lambda: tg.flipud(3.0), lambda: np.flipud(tg.Tensor(3.0))):
        with pytest.raises(tg.ShapeError, match=r"flipud\(.*at least 1 axis, not 0"):
            call()


def test_broadcasting_to_a_shape():
    for shape in ((), (3,), (1,), (2, 1), (1, 3), (2, 3)):
        assert broadcasts_to(shape, (2, 3))
    for shape in ((2,), (3, 1), (1, 1, 1), (0,)):
        assert not broadcasts_to(shape, (2, 3))
