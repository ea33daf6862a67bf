"""The engine agrees with the closed forms of the lecture, written in its own notation.

For one example, the chain rule from the loss L(a, y) = −(y log a + (1 − y) log(1 − a)) backwards:

    da = dL/da = −y/a + (1 − y)/(1 − a)
    dz = da · g′(z)                     for the sigmoid, with g′ = a (1 − a):
       = (−y/a + (1 − y)/(1 − a)) a (1 − a) = −y (1 − a) + (1 − y) a = a − y
    dw = dz · x,  db = dz               since z = wᵀx + b

Two layers, z1 = W1 x + b1, a1 = g1(z1), z2 = W2 a1 + b2, a2 = σ(z2):

    dz2 = a2 − y        dW2 = dz2 a1ᵀ   db2 = dz2
    da1 = W2ᵀ dz2       dz1 = da1 ∗ g1′(z1)
    dW1 = dz1 xᵀ        db1 = dz1

For m examples as columns, J = (1/m) Σ L. In that case dZ2 is the derivative of each example's loss, as the lecture
writes it, and the factor 1/m enters with the parameters; the engine's gradient of an activation is 1/m times that.
"""

import numpy as np
import pytest

import tinygraph as tg
from tinygraph.graph.records import NUMBERS

SIZES = [(2, 4, 1, 400), (1, 1, 1, 1), (3, 1, 1, 5), (1, 4, 2, 3), (5, 3, 2, 1), (7, 6, 3, 11), (4, 4, 4, 4)]
RANDOM_SIZES = [tuple(int(n) for n in sizes) for sizes in np.random.default_rng(1).integers(1, 9, (20, 4))]

# g1 and its derivative, written in terms of a1 = g1(z1)
HIDDEN = {
    "tanh": (tg.tanh, lambda a: 1 - a**2),
    "sigmoid": (tg.sigmoid, lambda a: a * (1 - a)),
    "relu": (tg.relu, lambda a: (a > 0).astype(float)),
}


def close(got, expected):
    assert got is not None
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12 * (np.abs(expected).max(initial=0) + 1e-300))


def network(n0, n1, n2, m, seed=0):
    rng = np.random.default_rng(seed)
    W1, b1 = rng.normal(size=(n1, n0)), rng.normal(size=(n1, 1))
    W2, b2 = rng.normal(size=(n2, n1)), rng.normal(size=(n2, 1))
    return (W1, b1, W2, b2), rng.normal(size=(n0, m)), (rng.random((n2, m)) > 0.5).astype(float)


@pytest.mark.parametrize("n", [1, 2, 7])
@pytest.mark.parametrize("label", [0.0, 1.0, 0.3])
def test_logistic_regression_for_one_example(n, label, rng):
    x, y = rng.normal(size=(n, 1)), np.array([[label]])
    w, b = tg.parameter(rng.normal(size=(n, 1))), tg.parameter(rng.normal(size=(1, 1)))
    z = w.T @ x + b
    a = tg.sigmoid(z)
    L = tg.log_loss(a, y)
    L.backward()

    A = a.data
    da = -y / A + (1 - y) / (1 - A)
    dz = A - y
    close(L.data, -(y * np.log(A) + (1 - y) * np.log(1 - A))[0, 0])
    close(a.grad, da)
    close(z.grad, dz)
    close(z.grad, da * A * (1 - A))
    close(w.grad, dz * x)
    close(b.grad, dz)


@pytest.mark.parametrize("m", [1, 6])
def test_logistic_regression_for_m_examples(m, rng):
    X, Y = rng.normal(size=(3, m)), (rng.random((1, m)) > 0.5).astype(float)
    w, b = tg.parameter(rng.normal(size=(3, 1))), tg.parameter(0.0)
    A = tg.sigmoid(w.T @ X + b)
    tg.log_loss(A, Y).backward()
    dZ = A.data - Y
    close(w.grad, X @ dZ.T / m)
    close(b.grad, dZ.sum() / m)


@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize(("n0", "n1", "n2"), [(2, 4, 1), (1, 1, 1), (3, 5, 2)])
def test_two_layers_for_one_example(n0, n1, n2, hidden):
    g1, g1_prime = HIDDEN[hidden]
    parameters, x, y = network(n0, n1, n2, 1)
    W1, b1, W2, b2 = map(tg.parameter, parameters)
    z1 = W1 @ x + b1
    a1 = g1(z1)
    z2 = W2 @ a1 + b2
    a2 = tg.sigmoid(z2)
    tg.log_loss(a2, y, reduction="sum").backward()

    dz2 = a2.data - y
    dW2 = dz2 @ a1.data.T
    db2 = dz2
    da1 = W2.data.T @ dz2
    dz1 = da1 * g1_prime(a1.data)
    dW1 = dz1 @ x.T
    db1 = dz1
    for got, expected in [(z2, dz2), (W2, dW2), (b2, db2), (a1, da1), (z1, dz1), (W1, dW1), (b1, db1)]:
        close(got.grad, expected)


@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize(("n0", "n1", "n2", "m"), SIZES + RANDOM_SIZES)
def test_two_layers_for_m_examples(n0, n1, n2, m, hidden):
    g1, g1_prime = HIDDEN[hidden]
    parameters, X, Y = network(n0, n1, n2, m)
    W1, b1, W2, b2 = map(tg.parameter, parameters)
    Z1 = W1 @ X + b1
    A1 = g1(Z1)
    Z2 = W2 @ A1 + b2
    A2 = tg.sigmoid(Z2)
    J = tg.log_loss(A2, Y, reduction="sum") / m
    J.backward()

    dZ2 = A2.data - Y
    dW2 = (1 / m) * dZ2 @ A1.data.T
    db2 = (1 / m) * np.sum(dZ2, axis=1, keepdims=True)
    dZ1 = W2.data.T @ dZ2 * g1_prime(A1.data)
    dW1 = (1 / m) * dZ1 @ X.T
    db1 = (1 / m) * np.sum(dZ1, axis=1, keepdims=True)
    for got, expected in [(Z2, dZ2 / m), (W2, dW2), (b2, db2), (Z1, dZ1 / m), (W1, dW1), (b1, db1)]:
        close(got.grad, expected)


@pytest.mark.parametrize("rows", [False, True], ids=["columns", "rows"])
def test_the_mean_of_the_log_loss_is_over_all_examples_in_rows_and_in_columns(rows, rng):
    z = rng.normal(size=(5, 1) if rows else (1, 5))
    y = (rng.random(z.shape) > 0.5).astype(float)
    Z = tg.parameter(z)
    J = tg.log_loss(tg.sigmoid(Z), y)
    J.backward()
    a = 1 / (1 + np.exp(-z))
    close(J.data, -np.sum(y * np.log(a) + (1 - y) * np.log(1 - a)) / 5)
    close(Z.grad, (a - y) / 5)


def test_the_loss_written_out_has_the_same_gradients():
    parameters, X, Y = network(2, 4, 1, 50)
    grads = []
    for written_out in (False, True):
        W1, b1, W2, b2 = map(tg.parameter, parameters)
        A2 = tg.sigmoid(W2 @ tg.tanh(W1 @ X + b1) + b2)
        J = -tg.sum(Y * tg.log(A2) + (1 - Y) * tg.log(1 - A2)) / 50 if written_out else tg.log_loss(A2, Y)
        J.backward()
        grads.append([p.grad for p in (W1, b1, W2, b2)])
    for one, other in zip(*grads, strict=True):
        close(one, other)


@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize("sizes", SIZES)
def test_foo_and_dfoo_have_the_same_shape(sizes, hidden):
    parameters, X, Y = network(*sizes)
    W1, b1, W2, b2 = map(tg.parameter, parameters)
    J = tg.log_loss(tg.sigmoid(W2 @ HIDDEN[hidden][0](W1 @ X + b1) + b2), Y)
    J.backward()
    for node in tg.toposort(J):
        assert (node.grad is not None) == node.requires_grad
        if node.grad is not None:
            assert node.grad.shape == node.shape
            assert node.grad.dtype == node.dtype


def test_no_gradient_for_x_is_computed_or_stored(monkeypatch):
    parameters, x, Y = network(3, 4, 1, 7)
    W1, b1, W2, b2 = map(tg.parameter, parameters)
    X = tg.Tensor(x)
    J = tg.log_loss(tg.sigmoid(W2 @ tg.tanh(W1 @ X + b1) + b2), Y)
    products = []
    matmul = NUMBERS.matmul
    monkeypatch.setattr(NUMBERS, "matmul", lambda a, b: products.append((a.shape, b.shape)) or matmul(a, b))
    J.backward()
    # dW2 = dZ2 A1ᵀ, dA1 = W2ᵀ dZ2, dW1 = dZ1 Xᵀ; the fourth, dX = W1ᵀ dZ1, is not formed
    assert products == [((1, 7), (7, 4)), ((4, 1), (1, 7)), ((4, 7), (7, 3))]
    assert X.grad is None


def test_the_gradient_for_x_is_there_for_whoever_asks():
    parameters, x, Y = network(3, 4, 1, 7)
    W1, b1, W2, b2 = map(tg.parameter, parameters)
    X = tg.Tensor(x)
    A1 = tg.tanh(W1 @ X + b1)
    A2 = tg.sigmoid(W2 @ A1 + b2)
    dX = tg.gradients(tg.log_loss(A2, Y), X)
    dZ1 = W2.data.T @ (A2.data - Y) / 7 * (1 - A1.data**2)
    close(dX.data, W1.data.T @ dZ1)


def test_second_order_through_gradients_of_gradients(rng):
    """The Hessian of logistic regression is (1/m) X S Xᵀ with S = diag(a (1 − a))."""
    X, Y = rng.normal(size=(3, 8)), (rng.random((1, 8)) > 0.5).astype(float)
    w = tg.parameter(rng.normal(size=(3, 1)))
    a = tg.sigmoid(w.T @ X)
    dw = tg.gradients(tg.log_loss(a, Y), w)
    hessian = np.hstack([tg.gradients(dw[i, 0], w).data for i in range(3)])
    S = np.diag((a.data * (1 - a.data))[0])
    close(hessian, X @ S @ X.T / 8)


def train(W1, b1, W2, b2, X, Y, steps):
    parameters = list(map(tg.parameter, (W1, b1, W2, b2)))
    for _ in range(steps):
        W1, b1, W2, b2 = parameters
        tg.log_loss(tg.sigmoid(W2 @ tg.tanh(W1 @ X + b1) + b2), Y).backward()
        for p in parameters:
            p.data -= 0.5 * p.grad
            p.grad = None
    return [p.data for p in parameters]


@pytest.mark.parametrize("value", [0.0, 0.3])
def test_hidden_units_that_start_equal_stay_identical(value, rng):
    X, Y = rng.normal(size=(2, 50)), (rng.random((1, 50)) > 0.3).astype(float)
    start = np.full((4, 2), value), np.zeros((4, 1)), np.full((1, 4), value), np.zeros((1, 1))
    W1, _, W2, b2 = train(*start, X, Y, 50)
    assert np.array_equal(W1, np.tile(W1[:1], (4, 1)))
    assert np.array_equal(W2, np.tile(W2[:, :1], (1, 4)))
    assert b2 != 0  # it does learn, but only what one unit can


def test_hidden_units_that_start_random_do_not(rng):
    X, Y = rng.normal(size=(2, 50)), (rng.random((1, 50)) > 0.3).astype(float)
    start = tg.init.normal((4, 2), rng=1), tg.init.zeros((4, 1)), tg.init.normal((1, 4), rng=2), tg.init.zeros((1, 1))
    W1, *_ = train(*start, X, Y, 50)
    assert len(np.unique(W1.round(12), axis=0)) == 4
