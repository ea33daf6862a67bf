"""A tensor has the methods of NumPy's arrays: they record what NumPy's do, or refuse to change it."""

import numpy as np
import pytest

import tinygraph as tg
from tinygraph.graph.methods import IN_PLACE, METHODS
from tinygraph.numpy_api.protocols import _known

X = np.array([[0.25, -1.5, 3.0], [2.0, 0.5, -0.75]])
CALLS = {
    "all": lambda x: x.all(axis=0),
    "any": lambda x: x.any(axis=-1, keepdims=True),
    "argmax": lambda x: x.argmax(1),
    "argmin": lambda x: x.argmin(),
    "argsort": lambda x: x.argsort(axis=0),
    "choose": lambda x: x.astype(int).clip(0, 1).choose([X, 2 * X]),
    "clip": lambda x: x.clip(-1.0, max=1.0),
    "compress": lambda x: x.compress([True, False, True], axis=1),
    "conj": lambda x: x.conj(),
    "conjugate": lambda x: x.conjugate(),
    "copy": lambda x: x.copy(),
    "cumprod": lambda x: x.cumprod(axis=1),
    "cumsum": lambda x: x.cumsum(),
    "diagonal": lambda x: x[None].diagonal(0, 1, 2),
    "diagonal of the first axes": lambda x: x[..., None].diagonal(offset=1),
    "dot": lambda x: x.dot(X.T),
    "flatten": lambda x: x.flatten(),
    "nonzero": lambda x: x.nonzero()[1],
    "prod": lambda x: x.prod(axis=0),
    "ravel": lambda x: x.ravel(),
    "repeat": lambda x: x.repeat([1, 2], axis=0),
    "round": lambda x: x.round(1),
    "squeeze": lambda x: x[:, None].squeeze(1),
    "std": lambda x: x.std(axis=1, ddof=1),
    "swapaxes": lambda x: x.swapaxes(0, -1),
    "take": lambda x: x.take([0, 0, 2], axis=1),
    "trace": lambda x: x[..., None].trace(-1),
    "var": lambda x: x.var(ddof=1),
    "real": lambda x: x.real,
    "imag": lambda x: x.imag,
    "nbytes": lambda x: np.array(x.nbytes + x.itemsize),
    "tolist": lambda x: np.array(x.tolist()),
}


@pytest.mark.parametrize("name", METHODS)
def test_every_method_has_a_function_that_records(name):
    assert getattr(np, METHODS[name]) in _known()


@pytest.mark.parametrize("name", CALLS)
def test_methods_give_what_those_of_arrays_give(name):
    call, x = CALLS[name], tg.parameter(X)
    expected, result = call(X), call(x)
    value = result.data if isinstance(result, tg.Tensor) else result
    np.testing.assert_allclose(value, expected, rtol=1e-14)
    assert value.dtype == expected.dtype
    assert value.shape == expected.shape


def test_every_method_is_called_here():
    assert METHODS.keys() <= CALLS.keys()


def test_a_copy_is_a_node_and_what_stays_of_a_leaf_is_its_gradient():
    x = tg.parameter(X)
    y = x.copy()
    x.data += 1.0
    assert np.array_equal(y.data, X)
    y.backward(X)
    assert np.array_equal(x.grad, X)


@pytest.mark.parametrize("name", IN_PLACE)
def test_what_would_change_an_array_is_refused_and_says_what_to_take(name):
    x = tg.parameter(X)
    with pytest.raises(tg.UnsupportedError, match=rf"\.{name}\(\) changes an array.*try"):
        getattr(x, name)(1)
    assert np.array_equal(x.data, X)


def test_methods_refuse_what_numpys_functions_refuse_on_a_tensor():
    x = tg.parameter(X)
    for call in (lambda: x.take([0], out=np.ones(1)), lambda: x.flatten("F"), lambda: x.squeeze(axes=1)):
        with pytest.raises(TypeError):
            call()


def test_methods_are_documented():
    for name in [*METHODS, *IN_PLACE]:
        method = getattr(tg.Tensor, name)
        assert method.__name__ == name
        assert "See `numpy." in method.__doc__ or "try" in method.__doc__


def test_nothing_leaves_a_program_as_a_list():
    with pytest.raises(tg.UnsupportedError, match=r"\.tolist\(\) of x"):
        tg.compile(lambda x: x.tolist())(X)


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("exp", r"write tg\.exp\(x\)$"),
        ("numpy", r"write x\.data$"),
        ("view", r"write x\.reshape\(shape\)$"),
        ("gard", ""),
    ],
)
def test_a_missing_attribute_says_what_to_write(name, instead):
    x = tg.parameter(X)
    with pytest.raises(AttributeError, match=f"has no attribute '?{name}.*{instead}"):
        getattr(x, name)
    assert not hasattr(x, name)
    assert name not in dir(x)
