"""NumPy's functions on tensors record what our functions of the same meaning record."""

import numpy as np
import pytest

import tinygraph as tg
from tinygraph.graph.records import FUNCTIONS, OPS
from tinygraph.testing import laws
from tinygraph.testing.laws import check_grads

OTHER_NAMES = {
    "absolute": "abs",
    "amax": "max",
    "amin": "min",
    "concatenate": "concat",
    "power": "pow",
    "transpose": "permute_dims",
    "true_divide": "divide",
}
WITH_SUBSCRIPTS = {"einsum"}
NAMES = {
    **{name: name for name in FUNCTIONS if name in OPS and hasattr(np, name) and name not in WITH_SUBSCRIPTS},
    **OTHER_NAMES,
}


def test_the_trace_of_numpy_is_over_the_first_two_axes(rng):
    x = rng.normal(size=(3, 3, 4))
    for axes in ((), (1, 0, 2), (0, 2, 1), (-1, -1, 0)):
        t = tg.Tensor(x, requires_grad=True)
        y = np.trace(t, *axes)
        np.testing.assert_allclose(y.data, np.trace(x, *axes))
        y.sum().backward()
        assert t.grad.sum() == t.grad.astype(bool).sum() > 0


def test_the_op_table_has_most_of_its_names_from_numpy():
    assert len(NAMES) > 35


@pytest.mark.parametrize("name", NAMES)
def test_a_function_of_numpy_records_what_ours_of_the_same_meaning_does(name):
    theirs = getattr(np.linalg, name, None) or getattr(np, name)
    ours, op = FUNCTIONS[NAMES[name]], OPS[NAMES[name]]
    count = 0
    for inputs, params in laws.samples(op):
        positional = [params.pop("dtype")] if "dtype" in params else []
        results = []
        for function in (theirs, ours):
            leaves = [tg.Tensor(x, requires_grad=x.dtype.kind == "f") for x in inputs]
            y = function(*([leaves] if op.variadic else leaves), *positional, **params)
            assert type(y) is tg.Tensor
            if y.requires_grad:
                y.backward(np.cos(np.arange(float(y.size))).reshape(y.shape))
            results.append((y, [x.grad for x in leaves]))
        (y, gradients), (expected, expected_gradients) = results
        assert y.op is expected.op is op
        assert y.requires_grad == expected.requires_grad == op.differentiable
        assert y.dtype == expected.dtype
        np.testing.assert_array_equal(y.data, expected.data, strict=True)
        np.testing.assert_equal(gradients, expected_gradients)
        count += 1
    assert count


ways = pytest.mark.parametrize(
    "way",
    [
        lambda x: np.sum(x, 0),
        lambda x: np.sum(x, axis=(0, 1)),
        lambda x: np.sum(x, 1, None, None, True),
        lambda x: np.sum(a=x, axis=np.int64(-1), keepdims=True),
        lambda x: np.mean(x, (0, -1)),
        lambda x: np.mean(x, axis=0, out=None),
        lambda x: np.max(x, 1),
        lambda x: np.amin(x, axis=0, keepdims=True),
        lambda x: np.reshape(x, -1),
        lambda x: np.reshape(x, (3, -1), "C"),
        lambda x: np.reshape(x, shape=[3, 2]),
        lambda x: np.transpose(x),
        lambda x: np.transpose(x, (1, 0)),
        lambda x: np.transpose(x, axes=[1, 0]),
        lambda x: np.transpose(x, np.array([1, 0])),
        lambda x: np.permute_dims(x, (-1, 0)),
        lambda x: np.matrix_transpose(x),
        lambda x: np.concatenate([x, np.ones((2, 3))], 1),
        lambda x: np.concatenate((np.ones((1, 3)), x, x), axis=0),
        lambda x: np.concatenate([x, [1.0, 2.0]], axis=None),
        lambda x: np.concat([x, x], axis=np.int64(-1)),
        lambda x: np.concatenate(x),
        lambda x: np.stack([x, np.ones((2, 3))], -1),
        lambda x: np.stack((x, x * 2.0), axis=1),
        lambda x: np.stack(x),
        lambda x: np.where(x > 1.0, x, 0.0),
        lambda x: np.where([True, False, True], x, -x),
        lambda x: np.where(np.bool_(True), 2.0, x),
        lambda x: np.broadcast_to(x, (4, 2, 3)),
        lambda x: np.broadcast_to(x[0], shape=[2, 3]),
        lambda x: np.matmul(x, np.ones((3, 2))),
        lambda x: np.matmul(np.ones((4, 2)), x),
        lambda x: np.add(x, [1.0, 2.0, 3.0], out=None, where=True),
        lambda x: np.subtract(2, x),
        lambda x: np.power(x, 2),
        lambda x: np.power(2, x),
        lambda x: np.true_divide(np.float64(3.0), x),
        lambda x: np.absolute(-x),
        lambda x: np.maximum(x, 1.0),
        lambda x: np.minimum(np.ones(3), x),
        lambda x: np.tanh(x, casting="same_kind", order="K", subok=True),
        lambda x: np.exp(np.log(x) + np.log1p(x)) / np.sqrt(np.square(x)),
    ],
)


@ways
def test_numpys_ways_to_give_arguments_give_numpys_values_and_true_gradients(way):
    x = np.array([[0.5, 1.5, 0.7], [1.2, 0.3, 1.9]])
    np.testing.assert_allclose(way(tg.Tensor(x)).data, way(x), rtol=1e-14, strict=True)
    check_grads(way, x, order=1)


@pytest.mark.parametrize("how", [lambda x, axes: np.transpose(x, axes), lambda x, axes: x.transpose(axes)])
def test_a_list_of_axes_that_changes_after_the_call_does_not_change_the_gradient(how):
    x, seed, axes = tg.parameter(np.zeros((2, 2, 2))), np.arange(8.0).reshape(2, 2, 2), [1, 2, 0]
    y = how(x, axes)
    axes[:] = [0, 1, 2]
    y.backward(seed)
    assert x.grad.tolist() == seed.transpose(2, 0, 1).tolist()


def test_numpys_functions_take_the_name_and_the_place_of_the_line_that_calls_them(t):
    Z = np.tanh(t)
    A = np.sum(Z, axis=0)
    product = np.ones((2, 2)) @ t
    assert [x.name for x in (Z, A, product)] == ["Z", "A", "product"]
    assert all(x.site.filename == __file__ for x in (Z, A, product))


def test_within_no_grad_numpys_functions_give_constants(t):
    with tg.no_grad():
        y = np.tanh(t) * np.ones(2)
    assert type(y) is tg.Tensor
    assert not y.requires_grad


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0, 4)])
def test_questions_of_shape_are_answered_as_for_arrays(shape):
    x = np.zeros(shape)
    y = tg.Tensor(x, requires_grad=True)
    assert np.shape(y) == np.shape(x)
    assert np.ndim(y) == np.ndim(x)
    assert np.size(y) == np.size(x)
    for axis in range(-len(shape), len(shape)):
        assert np.size(y, axis) == np.size(y, axis=axis) == np.size(x, axis)
    assert not np.isscalar(y)
    assert np.iterable(y) == np.iterable(x)


def test_the_size_along_several_axes_is_answered_where_numpy_does(t, a):
    try:
        expected = np.size(a, (0, 1))
    except TypeError:
        pytest.skip("this NumPy takes one axis")
    assert np.size(t, (0, 1)) == expected
