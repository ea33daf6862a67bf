"""Shapes: what may be asked for, what comes back."""

import numpy as np
import pytest

import tinygraph as tg
from tinygraph.testing.laws import check_grads


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


@pytest.mark.parametrize(
    "join",
    [
        lambda x: np.append(x, 1.0),
        lambda x: np.append(1, x),
        lambda x: tg.concat([x, 1.0], axis=None),
        lambda x: np.hstack([x, 1.0]),
        lambda x: np.insert(x, 1, 5.0),
        lambda x: np.ediff1d(x, to_end=3.0),
    ],
)
def test_numbers_are_joined_as_arrays(join, rng):
    x = rng.normal(size=3)
    np.testing.assert_array_equal(join(tg.Tensor(x)).data, join(x) if "tg" not in join.__code__.co_names else [*x, 1.0])
    check_grads(lambda x: join(x) ** 2, x)


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


# -- what NumPy says of arguments, and what it refuses ---------------------------------------------------------------

X = np.arange(24.0).reshape(2, 3, 4)

CALLS = {
    "expand_dims": lambda x: np.expand_dims(x, (0, -1)),
    "squeeze": lambda x: np.squeeze(x[None], axis=0),
    "moveaxis": lambda x: np.moveaxis(x, [0, 1], [-1, 0]),
    "rollaxis": lambda x: np.rollaxis(x, -1, 1),
    "swapaxes": lambda x: np.swapaxes(x, axis1=-1, axis2=0),
    "flip": lambda x: np.flip(x, (0, 2)),
    "roll": lambda x: np.roll(x, shift=[1, -2], axis=[0, 2]),
    "roll of all": lambda x: np.roll(x, -25),
    "rot90": lambda x: np.rot90(x, 3, (1, 2)),
    "tile": lambda x: np.tile(x, [2, 1, 1, 3]),
    "repeat": lambda x: np.repeat(x, 2, axis=1),
    "repeat, counts": lambda x: np.repeat(x, [0, 2, 1], 1),
    "repeat, one count": lambda x: np.repeat(x, [3], axis=-1),
    "repeat of all": lambda x: np.repeat(x, np.arange(24) % 3),
    "resize": lambda x: np.resize(x, (5, 7)),
    "pad": lambda x: np.pad(x, 1),
    "pad, mode": lambda x: np.pad(x, ((1, 2), (0, 3), (4, 0)), mode="reflect"),
    "pad, by axis": lambda x: np.pad(x, {-1: (1, 2), 0: 1}, "wrap"),
    "pad, values": lambda x: np.pad(x, [(1, 2)], "constant", constant_values=((1, 2), (3.5, 4), (5, np.nan))),
    "pad, two values": lambda x: np.pad(x, (2, 1), constant_values=(np.inf, -1)),
    "tril": lambda x: np.tril(x, -1),
    "diagonal": lambda x: np.diagonal(x, 1),
    "diagonal of two axes": lambda x: np.diagonal(x, -1, axis1=2, axis2=0),
    "trace": lambda x: np.trace(x, 1, 2, 1),
    "linalg.diagonal": lambda x: np.linalg.diagonal(x, offset=1),
    "diag": lambda x: np.diag(x[0, 0], k=-2),
    "diagflat": lambda x: np.diagflat(x[0], 1),
    "meshgrid": lambda x: np.meshgrid(x[0, 0], x[0, :, 0], x[:, 0, 0], sparse=True, indexing="ij")[1],
    "broadcast_arrays": lambda x: np.broadcast_arrays(x, x[:1])[1],
    "copy": lambda x: np.copy(x),
    "full_like": lambda x: np.full_like(x[0], 2) * x[0],
    "zeros_like": lambda x: np.zeros_like(x, dtype=np.float32) + x,
    "vstack": lambda x: np.vstack((x[0], x[1])),
    "hstack": lambda x: np.hstack([x[0, 0], x[0, :, 1]]),
    "dstack": lambda x: np.dstack([x[0], x[1]]),
    "column_stack": lambda x: np.column_stack((x[0, 0], x[1].T)),
    "block": lambda x: np.block([[x[0], np.ones((3, 1))], [np.zeros((1, 4)), x[0, :1, :1]]]),
    "block of numbers": lambda x: np.block([x[0, 0, 0], x[0, 0], 3.0]),
    "block of one": lambda x: np.block(x),
    "append": lambda x: np.append(x, x[0, 0]),
    "split": lambda x: np.split(x, 2, axis=2)[1],
    "array_split": lambda x: np.array_split(x, [1, 2, 7], -1)[1],
    "hsplit": lambda x: np.hsplit(x, [1])[0],
    "unstack": lambda x: np.unstack(x, axis=1)[2],
    "delete": lambda x: np.delete(x, [0, -1], axis=1),
    "delete of all": lambda x: np.delete(x, slice(3, None, 2)),
    "insert": lambda x: np.insert(x, 1, np.ones(4), axis=0),
    "insert into an array": lambda x: np.insert(X, [0, 2], x[:, :1], axis=1),
}


@pytest.mark.parametrize("name", CALLS)
def test_numpys_calls_give_numpys_values_and_true_gradients(name):
    call = CALLS[name]
    try:
        expected = call(X)
    except TypeError:
        pytest.skip("this NumPy does not take these arguments")
    result = call(tg.Tensor(X))
    assert np.array_equal(result.data, expected, equal_nan=True)
    assert result.dtype == expected.dtype
    check_grads(lambda x: tg.where(np.isfinite(expected), call(x), 0.0) ** 2, X / 10, order=1)


@pytest.mark.parametrize("shape", [(2, 3, 4), (3, 1), (0, 2)])
@pytest.mark.parametrize("dtype", [np.float32, np.int64, bool])
def test_dtypes_stay(shape, dtype):
    x = tg.Tensor(np.ones(shape, dtype))
    for y in (tg.flip(x), tg.roll(x, 1), tg.tile(x, 2), tg.repeat(x, 2), tg.pad(x, 1), tg.tril(x), tg.ravel(x)):
        assert y.dtype == dtype
    assert tg.pad(x, 1, constant_values=7).dtype == dtype


WRONG = [
    (lambda x: tg.squeeze(x, 1), ValueError, "length 1, but axis . of .* has length 3"),
    (lambda x: tg.expand_dims(x, 5), ValueError, "out of bounds"),
    (lambda x: tg.expand_dims(x, (0, 0)), ValueError, "repeated axis"),
    (lambda x: tg.moveaxis(x, (0, 1), 0), ValueError, "2 and 1"),
    (lambda x: tg.swapaxes(x, 0, 3), ValueError, "out of bounds"),
    (lambda x: tg.flip(x, 3), ValueError, "out of bounds"),
    (lambda x: tg.rot90(x, 1, (0, -3)), ValueError, "the same one"),
    (lambda x: tg.fliplr(x[0, 0]), ValueError, "at least 2 axes"),
    (lambda x: tg.tril(x[0, 0]), ValueError, "two axes"),
    (lambda x: tg.diag(x), ValueError, "3 axes"),
    (lambda x: tg.repeat(x, [1, 2], axis=1), ValueError, "each of the 3 places along axis 1 of x"),
    (lambda x: tg.repeat(x, 1.5), TypeError, "integer"),
    (lambda x: tg.repeat(x, x[0, 0], axis=2), TypeError, "whole numbers"),
    (lambda x: tg.repeat(x, -1), ValueError, "negative"),
    (lambda x: tg.resize(x, (2, -1)), ValueError, "at least 0"),
    (lambda x: tg.pad(x, -1), ValueError, "at least 0"),
    (lambda x: tg.pad(x, 0.5), ValueError, "whole numbers"),
    (lambda x: tg.pad(x, [(1, 2), (3, 4)]), ValueError, "for each axis"),
    (lambda x: tg.pad(x, tg.Tensor(1)), ValueError, r"\.data"),
    (lambda x: tg.pad(x, 1, "mean"), TypeError, "constant, edge, reflect, symmetric, wrap, not 'mean'"),
    (lambda x: np.pad(x, 1, "linear_ramp", end_values=0), TypeError, "end_values"),
    (lambda x: np.pad(x, 1, "reflect", reflect_type="odd"), TypeError, "reflect_type"),
    (lambda x: tg.pad(x[:0], 1, "edge"), ValueError, "can't extend empty axis"),
    (lambda x: tg.meshgrid(x[0, 0], indexing="yx"), ValueError, "'yx'"),
    (lambda x: tg.broadcast_arrays(x, x[:, :2]), ValueError, "do not broadcast"),
    (lambda x: tg.split(x, 2, axis=1), ValueError, "3 elements cannot be split into 2"),
    (lambda x: tg.array_split(x, 0), ValueError, "at least one part"),
    (lambda x: tg.dsplit(x[0], 2), ValueError, "at least 3 axes"),
    (lambda x: tg.block([[x[0]], x[1]]), ValueError, "different depths"),
    (lambda x: tg.block([]), ValueError, "empty"),
    (lambda x: tg.block((x, x)), TypeError, "lists"),
    (lambda x: tg.delete(x, tg.Tensor([0]), 0), TypeError, r"\.data"),
    (lambda x: tg.delete(x, 2, 0), IndexError, "out of bounds"),
    (lambda x: tg.insert(x, 3, 1.0, 0), IndexError, "out of bounds"),
    (lambda x: np.trim_zeros(x[0, 0]), TypeError, "slice"),
    (lambda x: np.empty_like(x), TypeError, "zeros_like"),
    (lambda x: np.ravel(x, order="F"), TypeError, "order="),
]


@pytest.mark.parametrize(("call", "error", "message"), WRONG)
def test_what_cannot_be_is_refused_in_words(call, error, message):
    x = tg.Tensor(X, requires_grad=True)
    with pytest.raises(error, match=message):
        call(x)


MAY_BE_VIEWS = {
    "reshape": lambda x: x.reshape(2, 2),
    "slice": lambda x: x[:],
    "transpose": lambda x: x.T,
    "broadcast": lambda x: tg.broadcast_to(x, (2, 2)),
    "cast": lambda x: x.astype(float),
    "concat": lambda x: tg.concat([x]),
    "copy": lambda x: x.copy(),
    "real": lambda x: x.real,
    "ravel": tg.ravel,
    "flatten": lambda x: x.flatten(),
    "squeeze": tg.squeeze,
    "flip": tg.flip,
    "flip of no axis": lambda x: tg.flip(x, ()),
    "rot90": lambda x: tg.rot90(x, 0),
    "roll": lambda x: tg.roll(x, 0),
    "tile": lambda x: tg.tile(x, 1),
    "repeat": lambda x: tg.repeat(x, 1),
    "pad": lambda x: tg.pad(x, 0),
    "pad, edge": lambda x: tg.pad(x, 0, "edge"),
    "tril": lambda x: tg.tril(x, 5),
    "diagonal": tg.diagonal,
    "diag": tg.diag,
    "atleast_1d": tg.atleast_1d,
    "broadcast_arrays": lambda x: tg.broadcast_arrays(x)[0],
    "split": lambda x: tg.split(x, 1)[0],
    "unstack": lambda x: tg.unstack(x)[1],
    "delete": lambda x: tg.delete(x, [], 0),
    "take": lambda x: tg.take(x, [0, 1], 0),
    "set_at": lambda x: x.at[5:].set(1.0),
    "resize": lambda x: tg.resize(x, (2, 2)),
}


@pytest.mark.parametrize("name", MAY_BE_VIEWS)
def test_writing_to_a_leaf_changes_nothing_that_was_read_from_it(name):
    """And nobody can write to what was computed, nor to a gradient that another one is a view of."""
    x = tg.parameter([[1.0, 2.0], [3.0, 4.0]])
    y = MAY_BE_VIEWS[name](x)
    before = y.data.copy()
    z = tg.sum(y * y)
    x.data[...] = 9.0
    x.data += 1.0
    assert np.array_equal(y.data, before)
    with pytest.raises(ValueError, match="read-only"):
        y.data[...] = 0.0
    z.backward()
    twice = 2 * np.array([[1.0, 2.0], [3.0, 4.0]])
    assert set(x.grad.ravel()) <= {0.0, *twice.ravel()}
    kept = x.grad.copy()
    y.grad[...] = 7.0
    assert np.array_equal(x.grad, kept)


def test_questions_about_shapes_and_dtypes_are_answered():
    x = tg.parameter(np.ones((3, 3), np.float32))
    assert np.result_type(x, np.float64) == np.float64
    assert np.result_type(x, 1.0) == np.float32
    assert np.can_cast(x, np.float64)
    assert not np.can_cast(x, np.int64)
    assert np.isrealobj(x)
    assert not np.iscomplexobj(x)
    assert np.array_equal(np.tril_indices_from(x, -1), np.tril_indices(3, -1))
    assert np.array_equal(np.diag_indices_from(x), np.diag_indices(3))


def test_no_column_can_be_built_by_the_brackets_of_numpy():
    x = tg.parameter([1.0, 2.0])
    for build in (lambda: np.r_[x, x], lambda: np.c_[x, x]):
        with pytest.raises(tg.UnsupportedError, match="leave the graph"):
            build()
