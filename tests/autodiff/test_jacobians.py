"""Jacobians and Hessians: shapes and values, the number of sweeps, and the structure that spares them."""

import tracemalloc

import numpy as np
import pytest

import tinygraph as tg
from tinygraph.autodiff import jacobians


@pytest.fixture
def sweeps(monkeypatch):
    """How many vectors each traversal is made for: 1, or as many as there are in a batch."""
    counts = []
    one, many = jacobians.pulled_back, jacobians.batched
    monkeypatch.setattr(jacobians, "pulled_back", lambda *args, **kwargs: counts.append(1) or one(*args, **kwargs))
    monkeypatch.setattr(jacobians, "batched", lambda *args: counts.append(len(args[2])) or many(*args))
    return counts


def test_shape_of_the_result_then_shape_of_the_argument(rng):
    A, x = rng.normal(size=(2, 3)), rng.normal(size=(3, 4))
    J = tg.jacobian(lambda x: tg.tanh(A @ x))(x)
    assert J.shape == (2, 4, 3, 4)
    expected = np.einsum("ik,ab,kb->iakb", A, np.eye(4), np.ones((3, 4))) * (1 - np.tanh(A @ x) ** 2)[..., None, None]
    np.testing.assert_allclose(J, expected)
    assert type(J) is np.ndarray
    assert tg.jacobian(lambda x: x**2)(3.0) == 6.0


def test_nested_as_the_results_with_blocks_as_the_arguments(rng):
    p, x = {"w": rng.normal(size=(2, 3)), "b": rng.normal(size=2)}, rng.normal(size=3)

    def f(p, x):
        z = p["w"] @ x + p["b"]
        return [z, (tg.sum(z**2), x * 2.0)]

    dz, (dloss, dx) = tg.jacobian(f, argnums=(0, 1))(p, x)
    assert isinstance(dz, tuple)
    assert dz[0]["w"].shape == (2, 2, 3)
    np.testing.assert_array_equal(dz[0]["b"], np.eye(2))
    np.testing.assert_allclose(dz[1], p["w"])
    np.testing.assert_allclose(dloss[0]["b"], 2 * (p["w"] @ x + p["b"]))
    np.testing.assert_array_equal(dx[1], 2 * np.eye(3))
    np.testing.assert_array_equal(dx[0]["w"], np.zeros((3, 2, 3)))


def test_the_hessian_of_several_nested_arguments(rng):
    p, y = {"a": rng.normal(size=2), "b": 0.5}, rng.normal(size=3)
    H = tg.hessian(lambda p, y: tg.sum(p["a"]) ** 2 * p["b"] * tg.sum(y**2), argnums=(0, 1))(p, y)
    total, squares = np.sum(p["a"]), np.sum(y**2)
    np.testing.assert_allclose(H[0]["a"][0]["a"], np.full((2, 2), 2 * 0.5 * squares))
    np.testing.assert_allclose(H[0]["a"][0]["b"], np.full(2, 2 * total * squares))
    np.testing.assert_allclose(H[0]["a"][1], np.tile(2 * total * 0.5 * 2 * y, (2, 1)))
    np.testing.assert_allclose(H[1][0]["b"], total**2 * 2 * y)
    np.testing.assert_allclose(H[1][1], np.eye(3) * 2 * total**2 * 0.5)


def test_the_hessian_is_symmetric_and_its_product_is_that_of_hvp(rng):
    A, x, v = rng.normal(size=(6, 5)), rng.normal(size=5), rng.normal(size=5)

    def f(x):
        return tg.sum(tg.log(1 + tg.exp(A @ x))) + x[0] * x[1] * x[2]

    H = tg.hessian(f)(x)
    np.testing.assert_allclose(H, H.T, rtol=1e-10)
    np.testing.assert_allclose(tg.hvp(f, (x,), (v,)), H @ v)
    np.testing.assert_allclose(tg.jvp(tg.grad(f), (x,), (v,))[1], H @ v)
    np.testing.assert_allclose(tg.jacobian(tg.jacobian(f))(x), H)


def test_no_more_sweeps_than_rows_or_columns(rng, sweeps):
    wide, tall = rng.normal(size=(3, 50)), rng.normal(size=(50, 3))
    tg.jacobian(lambda x: tg.tanh(wide @ x))(rng.normal(size=50))
    assert sweeps == [3]
    sweeps.clear()
    tg.jacobian(lambda x: tg.tanh(tall @ x))(rng.normal(size=3))
    assert sweeps == [3]
    sweeps.clear()
    tg.jacobian(lambda x, y: tg.tanh(tall @ x) + y, argnums=(0, 1))(rng.normal(size=3), np.ones(50))
    assert sweeps == [1, 3]  # by y it is diagonal


def test_the_function_runs_once(rng):
    calls = []
    tg.jacobian(lambda x: calls.append(x) or x[::-1] * x)(rng.normal(size=9))
    assert len(calls) == 1


def test_one_sweep_where_elements_are_on_their_own(rng, sweeps):
    x = rng.uniform(0.5, 1.5, (4, 5))
    J = tg.jacobian(lambda x: tg.exp(x) * x / 2 - tg.log(x))(x)
    assert sweeps == [1]
    np.testing.assert_allclose(J.reshape(20, 20), np.diag((np.exp(x) * (1 + x) / 2 - 1 / x).ravel()))
    sweeps.clear()
    tg.hessian(lambda x: tg.sum(tg.tanh(x)))(x)
    assert sweeps == [1]


def test_a_pole_of_one_element_does_not_spoil_the_others():
    np.testing.assert_array_equal(tg.jacobian(tg.sqrt)(np.array([0.0, 4.0])), [[np.inf, 0.0], [0.0, 0.25]])


def test_memory_is_bounded(rng, monkeypatch):
    """Not all sweeps at once where an intermediate result is large."""
    W, x = tg.Tensor(rng.normal(size=(20_000, 40))), rng.normal(size=40)

    def f(x):
        return tg.sum(tg.reshape(tg.tanh(W @ x), (-1, 40)), axis=0)

    tg.jacobian(f)(x)
    monkeypatch.setattr(jacobians, "_LARGEST", 100_000)
    few = tg.jacobian(f)(x)
    peaks = []
    for largest in (1 << 22, 100_000):
        monkeypatch.setattr(jacobians, "_LARGEST", largest)
        tracemalloc.start()
        J = tg.jacobian(f)(x)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        np.testing.assert_allclose(J, few)
    assert peaks[1] < peaks[0] / 3


def test_has_aux(rng):
    x = rng.normal(size=3)
    J, aux = tg.jacobian(lambda x: (x[:2], {"sum": tg.sum(x), "word": "kept"}), has_aux=True)(x)
    np.testing.assert_array_equal(J, np.eye(2, 3))
    assert aux == {"sum": np.sum(x), "word": "kept"}
    H, aux = tg.hessian(lambda x: (tg.sum(x**3), x[0]), has_aux=True)(x)
    np.testing.assert_allclose(H, np.diag(6 * x))
    assert aux == x[0]


@pytest.mark.parametrize("shape", [(), (0,), (1,), (2, 0), (1, 1)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sizes_and_dtypes(shape, dtype):
    x = np.ones(shape, dtype)
    J = tg.jacobian(lambda x: tg.tanh(x) + tg.sum(x))(x)
    assert J.shape == shape + shape
    assert J.dtype == dtype
    assert tg.hessian(lambda x: tg.sum(x * x))(x).dtype == dtype
    assert tg.jacobian(lambda x: tg.Tensor(np.ones(2)))(x).shape == (2, *shape)


def test_what_has_no_derivative_says_so():
    def f(x):
        return {"loss": tg.sum(x), "hits": x > 0}

    with pytest.raises(tg.DTypeError, match=r"f returned bool as result\['hits'\]"):
        tg.jacobian(f)(np.ones(2))
    with pytest.raises(tg.ArgumentError, match=r"returned a float.*has_aux"):
        tg.jacobian(lambda x: 1.0)(np.ones(2))


def test_a_graph_that_is_not_differentiated_by_is_left_alone(rng):
    w = tg.parameter(rng.normal(size=3))
    J = tg.jacobian(lambda x: x * w)(np.ones(3))
    np.testing.assert_array_equal(J.data, np.diag(w.data))
    assert w.grad is None


def test_the_jacobian_of_tensors_can_be_differentiated(rng):
    A, x = rng.normal(size=(3, 3)), tg.parameter(rng.normal(size=3))
    J = tg.jacobian(lambda x: tg.tanh(A @ x))(x)
    tg.sum(J**2).backward()
    expected = tg.grad(lambda x: tg.sum(tg.jacobian(lambda x: tg.tanh(A @ x))(x) ** 2))(x.data.copy())
    np.testing.assert_allclose(x.grad, expected)
    tg.check_grads(lambda x: tg.jacobian(lambda x: tg.tanh(A @ x))(x), x.data.copy())
