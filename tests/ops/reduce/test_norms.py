"""Norms of vectors and matrices, at the ends of their domains."""

import itertools

import numpy as np
import pytest

import tinygraph as tg
from tinygraph.testing.laws import check_grads


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


OF_SQUARES = {
    "its square": (lambda norm, x: norm(x) ** 2, 2.0),
    "by itself": (lambda norm, x: (lambda y: y * y)(norm(x)), 2.0),
    "square": (lambda norm, x: tg.square(norm(x)), 2.0),
    "a multiple": (lambda norm, x: 0.5 * (3.0 * norm(x)) ** 2 / 9, 1.0),
    "a quotient": (lambda norm, x: -((norm(x) / 2.0) ** 2), -0.5),
    "a bell": (lambda norm, x: tg.exp(-(norm(x) ** 2) / 2), -1.0),
    "a sum": (lambda norm, x: (lambda y: y**2 + 5 * y**3)(norm(x)), 2.0),
    "a choice": (lambda norm, x: tg.where(x[0] < 1, norm(x), 0.0) ** 2, 2.0),
    "a higher power": (lambda norm, x: norm(x) ** 4, 0.0),
}
NORMS_OF_TWO = {
    "vector_norm": tg.vector_norm,
    "hypot": lambda x: tg.hypot(x[0], x[1]),
    "along rows": lambda x: tg.vector_norm(tg.reshape(x, (1, 2)), axis=1),
    "with axes kept": lambda x: tg.matrix_norm(tg.reshape(x, (2, 1)), keepdims=False),
}


@pytest.mark.parametrize("norm", NORMS_OF_TWO.values(), ids=NORMS_OF_TWO)
@pytest.mark.parametrize(("function", "second"), OF_SQUARES.values(), ids=OF_SQUARES)
def test_what_is_smooth_in_a_norm_has_a_second_derivative_at_zero(function, second, norm):
    for run in (lambda f: f, tg.compile):
        hessian = run(tg.hessian(lambda x: tg.sum(function(norm, x))))(np.zeros(2))
        np.testing.assert_allclose(hessian, second * np.eye(2), atol=1e-15)


def test_a_rotation_by_its_vector_is_differentiated_at_zero():
    """Rodrigues' formula R = I + sin t / t K + (1 − cos t) / t² K² with t = ‖w‖: the generators, whichever way."""
    generators = np.zeros((3, 3, 3))
    for i, j, k in itertools.permutations(range(3)):
        generators[i, j, k] = -np.linalg.det(np.eye(3)[[i, j, k]])

    def by_sinc(w):
        t, K = tg.vector_norm(w), tg.einsum("ijk,k->ij", generators, w)
        return np.eye(3) + tg.sinc(t / np.pi) * K + tg.sinc(t / (2 * np.pi)) ** 2 / 2 * (K @ K)

    def by_where(w):
        t, K = tg.vector_norm(w), tg.einsum("ijk,k->ij", generators, w)
        safe = tg.where(t > 0, t, 1.0)
        slope, bend = (tg.where(t > 0, f, limit) for f, limit in ((tg.sin(safe) / safe, 1.0), (_bend(safe), 0.5)))
        return np.eye(3) + slope * K + bend * (K @ K)

    for rotation in (by_sinc, by_where):
        for run in (lambda f: f, tg.compile):
            np.testing.assert_allclose(run(tg.jacobian(rotation))(np.zeros(3)), generators, atol=1e-15)
        check_grads(rotation, np.array([0.3, -0.5, 0.2]))


def _bend(t):
    return (1 - tg.cos(t)) / t**2


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
