"""Shapes: what may be asked for, what comes back."""

import numpy as np
import pytest

import tinygraph as tg


@pytest.mark.parametrize("shape", [6, -1, (3, 2), (-1, 2), (1, 6, 1), [2, 3]])
def test_reshape_takes_what_numpy_takes(shape):
    x = tg.parameter(np.arange(6.0).reshape(2, 3))
    y = tg.reshape(x, tuple(shape) if isinstance(shape, list) else shape)
    assert y.shape == x.data.reshape(shape).shape
    y.sum().backward()
    assert x.grad.shape == (2, 3)


def test_permute_dims_is_undone_by_the_inverse_permutation(rng):
    x = tg.parameter(rng.normal(size=(2, 3, 4)))
    y = tg.permute_dims(x, (2, 0, 1))
    seed = rng.normal(size=(4, 2, 3))
    y.backward(seed)
    assert np.array_equal(x.grad, seed.transpose(1, 2, 0))


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_concat_and_stack_give_each_part_its_own_gradient(axis, rng):
    parts = [tg.parameter(rng.normal(size=(2, 2))) for _ in range(3)]
    for join, numpys in ((tg.concat, np.concatenate), (tg.stack, np.stack)):
        joined = join(parts, axis=axis)
        assert np.array_equal(joined.data, numpys([p.data for p in parts], axis=axis))
        seed = rng.normal(size=joined.shape)
        joined.backward(seed)
        for i, part in enumerate(parts):
            expected = np.split(seed, 3, axis=axis)[i] if join is tg.concat else np.take(seed, i, axis=axis)
            assert np.array_equal(part.grad, expected)
            part.grad = None


def test_concat_of_different_lengths_and_without_an_axis():
    a, b = tg.parameter([1.0, 2.0]), tg.parameter([[3.0], [4.0], [5.0]])
    flat = tg.concat([a, b], axis=None)
    assert flat.data.tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]
    flat.backward(np.arange(5.0))
    assert a.grad.tolist() == [0.0, 1.0]
    assert b.grad.tolist() == [[2.0], [3.0], [4.0]]


def test_joining_a_tensor_with_itself_and_with_a_plain_array():
    a = tg.parameter([1.0, 2.0])
    tg.concat([a, np.ones(1), a]).backward(np.arange(5.0))
    assert a.grad.tolist() == [0.0 + 3.0, 1.0 + 4.0]


def test_broadcast_to_sums_back():
    x = tg.parameter([[1.0], [2.0]])
    y = tg.broadcast_to(x, (3, 2, 4))
    y.backward(np.ones((3, 2, 4)))
    assert x.grad.tolist() == [[12.0], [12.0]]


def test_matrix_transpose_needs_two_axes():
    assert tg.matrix_transpose(np.ones((5, 2, 3))).shape == (5, 3, 2)
    with pytest.raises(tg.ShapeError):
        tg.matrix_transpose(np.ones(3))
