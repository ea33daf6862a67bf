"""SciPy's optimisers with our gradients. SciPy comes with scikit-learn; tinygraph does not import it."""

import numpy as np
import pytest
from processes import output, python

import tinygraph as tg

optimize = pytest.importorskip("scipy.optimize", reason="SciPy comes with scikit-learn, in the extra `demo`")


def rosenbrock(x):
    return tg.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


@pytest.mark.parametrize(
    ("method", "size"), [("L-BFGS-B", 1000), ("Newton-CG", 1000), ("trust-ncg", 1000), ("BFGS", 100)]
)
def test_rosenbrocks_function(method, size):
    """BFGS multiplies matrices of all dimensions in each of its steps, so it gets fewer of them."""
    problem = tg.for_scipy(rosenbrock, np.linspace(0.5, 1.5, size))
    more = {"hessp": problem.hessp} if method in ("Newton-CG", "trust-ncg") else {}
    result = optimize.minimize(**problem, **more, method=method, options={"maxiter": 10_000} | TIGHT.get(method, {}))
    np.testing.assert_allclose(problem.unflatten(result.x), np.ones(size), atol=1e-3)


TIGHT = {"L-BFGS-B": {"maxfun": 100_000, "ftol": 0.0, "gtol": 1e-6}, "Newton-CG": {"xtol": 1e-10}}


def test_logistic_regression_is_scikit_learns(rng):
    linear_model = pytest.importorskip("sklearn.linear_model", reason="scikit-learn is in the extra `demo`")
    X = rng.normal(size=(200, 5))
    y = (X @ rng.normal(size=5) + rng.normal(size=200) > 0.3).astype(float)

    def loss(p, X, y, *, C):
        z = X @ p["w"] + p["b"]
        return C * tg.sum(tg.softplus(z) - z * y) + 0.5 * tg.sum(p["w"] ** 2)

    problem = tg.for_scipy(loss, {"w": np.zeros(5), "b": np.zeros(())}, X, y, C=0.7)
    model = linear_model.LogisticRegression(C=0.7, tol=1e-10, max_iter=10_000).fit(X, y)
    for method, more in (("L-BFGS-B", {}), ("trust-ncg", {"hessp": problem.hessp})):
        options = {"gtol": 1e-9} | ({"ftol": 0.0} if method == "L-BFGS-B" else {})
        result = optimize.minimize(**problem, **more, method=method, options=options)
        p = problem.unflatten(result.x)
        np.testing.assert_allclose(p["w"], model.coef_[0], rtol=1e-4)
        np.testing.assert_allclose(p["b"], model.intercept_[0], rtol=1e-4)
        np.testing.assert_allclose(tg.grad(loss)(p, X, y, C=0.7)["w"], np.zeros(5), atol=1e-5)


def test_bounds_are_flattened_too():
    problem = tg.for_scipy(lambda p: tg.sum((p["a"] - 3.0) ** 2) + p["b"] ** 2, {"a": np.zeros(2), "b": 1.0})
    low, high = problem.flatten({"b": 0.5, "a": -np.inf}), problem.flatten({"a": [1.0, 2.0], "b": np.inf})
    result = optimize.minimize(**problem, bounds=optimize.Bounds(low, high), method="L-BFGS-B")
    p = problem.unflatten(result.x)
    np.testing.assert_allclose(p["a"], [1.0, 2.0])
    np.testing.assert_allclose(p["b"], 0.5)


@pytest.mark.parametrize("compile", [True, False])
def test_value_gradient_and_products(rng, compile):
    x0 = [rng.normal(size=(2, 3)), (np.float32(0.5), rng.normal(size=2).astype(np.float32))]

    def f(p):
        W, (b, v) = p
        return tg.sum(tg.tanh(W) ** 2) * b + tg.sum(v**3 * W[:, 0])

    problem = tg.for_scipy(f, x0, compile=compile)
    value, gradient = problem.fun(problem.x0)
    expected, nested = tg.value_and_grad(f)(x0)
    assert type(value) is float
    assert value == pytest.approx(float(expected))
    assert gradient.dtype == np.float64
    np.testing.assert_allclose(gradient, np.concatenate([np.ravel(x) for x in (nested[0], *nested[1])]), rtol=1e-6)
    p = rng.normal(size=9)
    again = problem.unflatten(p)
    assert type(again[1]) is tuple
    assert [np.asarray(x).dtype for x in (again[0], *again[1])] == [np.float64, np.float32, np.float32]
    product = tg.hvp(f, (x0,), (again,))
    np.testing.assert_allclose(problem.hessp(problem.x0, p), problem.flatten(product), rtol=1e-5)


def test_one_program_is_made_and_results_are_not_written_over(rng):
    calls = []
    problem = tg.for_scipy(lambda x: calls.append(1) or rosenbrock(x), rng.normal(size=5))
    first = problem.fun(problem.x0)[1]
    kept = first.copy()
    for _ in range(3):
        problem.fun(rng.normal(size=5))
    assert len(calls) == 2  # traced twice, to see that it does the same
    np.testing.assert_array_equal(first, kept)


def test_what_cannot_be_compiled_says_what_to_do():
    f = lambda x: x**2 if x.item() > 0 else -x  # noqa: E731
    with pytest.raises(tg.UnsupportedError, match="asks for a value") as caught:
        tg.for_scipy(f, 1.0).fun(np.ones(1))
    assert caught.value.__notes__ == ["<lambda> cannot be compiled; for_scipy(…, compile=False) runs it as it is"]
    value, gradient = tg.for_scipy(f, 1.0, compile=False).fun(np.ones(1))
    assert (value, gradient.tolist()) == (1.0, [2.0])


def test_what_is_wrong_says_so():
    with pytest.raises(tg.DTypeError, match=r"x0\['n'\] holds int64"):
        tg.for_scipy(lambda p: p["n"], {"n": 3})
    with pytest.raises(tg.ArgumentError, match="x0 has no arrays"):
        tg.for_scipy(lambda p: 1.0, [])
    with pytest.raises(tg.DTypeError, match="fill the masked elements first"):
        tg.for_scipy(lambda x: tg.sum(x), np.ma.array([1.0, 2.0], mask=[False, True]))
    with pytest.raises(tg.ArgumentError, match="x0 has no elements"):
        tg.for_scipy(lambda x: tg.sum(x), np.zeros((0, 3)))
    problem = tg.for_scipy(lambda x: tg.sum(x), np.ones(3))
    with pytest.raises(tg.ShapeError, match=r"a vector of shape \(3,\) for SciPy, and this has \(2,\)"):
        problem.fun(np.ones(2))
    with pytest.raises(tg.ShapeError, match=r"x0 has shape \(3,\), and what stands for it \(2,\)"):
        problem.flatten(np.ones(2))
    with pytest.raises(KeyError):
        problem["hessp"]
    assert list(problem) == ["fun", "x0", "jac"]


def test_scipy_is_not_imported():
    script = (
        "import sys, numpy as np, tinygraph as tg; p = tg.for_scipy(lambda x: tg.sum(x * x), np.ones(3)); p.fun(p.x0);"
    )
    script += " print([m for m in sys.modules if m.startswith('scipy')])"
    assert output(python(script)) == "[]\n"
