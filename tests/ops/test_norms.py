"""Norms of vectors and matrices, at the ends of their domains."""

import numpy as np
import pytest

import tinygraph as tg
from tinygraph.testing import check_grads


@pytest.mark.parametrize("ord", [1, 2, 3, 1.5, 0.5, -1, np.inf, 0])
def test_the_gradient_of_a_norm_is_zero_at_zero(ord):
    for norm in (tg.vector_norm, lambda x, ord: tg.vector_norm(x, ord=ord) ** 2):
        x = tg.parameter(np.zeros((2, 2)))
        y = norm(x, ord=ord).sum()
        assert y.item() == 0
        if y.requires_grad:
            y.backward()
            assert x.grad.tolist() == [[0.0, 0.0], [0.0, 0.0]]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_the_second_derivative_of_the_norm_at_zero_is_not_a_number():
    x = tg.parameter(np.zeros(2))
    (dx,) = tg.gradients(tg.vector_norm(x), [x])
    assert np.isnan(tg.gradients(dx.sum(), x).data).all()


@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1.0, 1e160, 1e300])
@pytest.mark.parametrize("ord", [2, 3, 0.5, -2])
def test_norms_of_large_and_small_numbers(scale, ord):
    x = tg.parameter(np.array([3.0, -4.0, 1.0]) * scale)
    y = tg.vector_norm(x, ord=ord)
    y.backward()
    unit = tg.parameter(np.array([3.0, -4.0, 1.0]))
    one = tg.vector_norm(unit, ord=ord)
    one.backward()
    np.testing.assert_allclose(y.data / scale, one.data, rtol=1e-12)
    np.testing.assert_allclose(x.grad, unit.grad, rtol=1e-12)


def test_norms_of_infinities_and_of_what_is_no_number():
    assert tg.vector_norm([np.inf, 1.0]).item() == np.inf
    assert np.isnan(tg.vector_norm([np.nan, np.inf, 1.0]).item())
    assert tg.vector_norm([np.inf, 2.0], ord=-1).item() == 2.0
    assert tg.vector_norm(np.empty(0), ord=np.inf).item() == 0.0
    assert tg.vector_norm([3, 4]).item() == 5.0


NORMS = [
    {},
    {"axis": 1},
    {"axis": (0, 2), "keepdims": True},
    {"axis": (2, 0), "ord": 1},
    {"axis": (2, 0), "ord": -np.inf, "keepdims": True},
    {"axis": (-1, -2), "ord": "nuc"},
    {"axis": (0, 1), "ord": -2},
    {"axis": (0, 1), "ord": "fro"},
    {"axis": -1, "ord": 0.5, "keepdims": True},
    {"axis": 0, "ord": -1},
    {"axis": (1,), "ord": 1},
    {"keepdims": True},
]


@pytest.mark.parametrize("given", NORMS, ids=str)
def test_norm_is_numpys_in_all_its_forms(given, rng):
    x = rng.normal(size=(2, 3, 4))
    np.testing.assert_allclose(np.linalg.norm(tg.Tensor(x), **given).data, np.linalg.norm(x, **given), rtol=1e-12)
    check_grads(lambda x: tg.norm(x, **given), x, order=1)
    for y in (x[0], x[0, 0]):
        for ord in (None, 1, -1, 2, np.inf):
            np.testing.assert_allclose(np.linalg.norm(tg.Tensor(y), ord).data, np.linalg.norm(y, ord), rtol=1e-12)


@pytest.mark.parametrize(
    "call",
    [
        lambda x: tg.norm(x, "fro"),
        lambda x: tg.norm(x, axis=(0, 1, 2)),
        lambda x: tg.norm(x, 2, axis=(0, 0)),
        lambda x: tg.norm(x, 3, axis=(0, 1)),
        lambda x: tg.vector_norm(x, ord="fro"),
        lambda x: tg.matrix_norm(x, ord="max"),
        lambda x: tg.matrix_norm(x[0, 0]),
    ],
)
def test_norms_that_there_are_not_are_refused(call):
    with pytest.raises((tg.ArgumentError, tg.ShapeError)):
        call(tg.Tensor(np.ones((2, 3, 4))))
