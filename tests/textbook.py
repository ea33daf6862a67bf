"""Functions that build the models of the textbooks; docs/textbook.md has their equations."""

import numpy as np

import tinygraph as tg

m = 6


def P(rng, *shape):
    return tg.parameter(rng.normal(size=shape))


def C(rng, *shape):
    return tg.Tensor(rng.normal(size=shape))


def labels(rng, *shape):
    return tg.Tensor((rng.random(shape) > 0.5).astype(float))


def logistic_regression_of_one_example(rng):
    w, b, x, y = P(rng, 3, 1), P(rng, 1, 1), C(rng, 3, 1), labels(rng, 1, 1)
    z = w.T @ x + b
    a = tg.sigmoid(z)
    L = tg.log_loss(a, y)
    return L


def logistic_regression(rng):
    w, b, X, Y = P(rng, 3, 1), P(rng, 1, 1), C(rng, 3, m), labels(rng, 1, m)
    Z = w.T @ X + b
    A = tg.sigmoid(Z)
    J = tg.log_loss(A, Y)
    return J


def logistic_regression_with_weight_decay(rng):
    w, X, Y, lam = P(rng, 3, 1), C(rng, 3, m), labels(rng, 1, m), 0.25
    Z = w.T @ X
    A = tg.sigmoid(Z)
    J = tg.log_loss(A, Y) + lam * tg.sum(w**2)
    return J


def first_layer(rng, g1):
    W1, b1, X = P(rng, 4, 2), P(rng, 4, 1), C(rng, 2, m)
    Z1 = W1 @ X + b1
    A1 = g1(Z1)
    return A1


def two_layers(rng, g1, cost):
    A1 = first_layer(rng, g1)
    W2, b2, Y = P(rng, 1, 4), P(rng, 1, 1), labels(rng, 1, m)
    Z2 = W2 @ A1 + b2
    A2 = tg.sigmoid(Z2)
    J = cost(Y, A2, Z2)
    return J


def log_loss(Y, A2, Z2):
    return tg.log_loss(A2, Y)


def two_layers_with_tanh(rng):
    return two_layers(rng, tg.tanh, log_loss)


def two_layers_with_sigmoid(rng):
    return two_layers(rng, tg.sigmoid, log_loss)


def two_layers_with_relu(rng):
    return two_layers(rng, tg.relu, log_loss)


def two_layers_with_the_loss_written_out(rng):
    def cost(Y, A2, Z2):
        return -tg.sum(Y * tg.log(A2) + (1 - Y) * tg.log(1 - A2)) / m

    return two_layers(rng, tg.tanh, cost)


def two_layers_with_the_mean_written_in_front(rng):
    def cost(Y, A2, Z2):
        return -(1 / m) * tg.sum(Y * tg.log(A2) + (1 - Y) * tg.log(1 - A2))

    return two_layers(rng, tg.tanh, cost)


def two_layers_from_logits(rng):
    def cost(Y, A2, Z2):
        return tg.mean(tg.softplus(Z2) - Y * Z2)

    return two_layers(rng, tg.tanh, cost)


def three_layers(rng):
    A1 = first_layer(rng, tg.relu)
    W2, b2, W3, b3, Y = P(rng, 3, 4), P(rng, 3, 1), P(rng, 1, 3), P(rng, 1, 1), labels(rng, 1, m)
    Z2 = W2 @ A1 + b2
    A2 = tg.tanh(Z2)
    Z3 = W3 @ A2 + b3
    A3 = tg.sigmoid(Z3)
    J = tg.log_loss(A3, Y)
    return J


def examples_as_rows(rng):
    X, W, b, Y = C(rng, m, 3), P(rng, 3, 1), P(rng, 1), labels(rng, m, 1)
    Z = X @ W + b
    A = tg.sigmoid(Z)
    J = tg.log_loss(A, Y)
    return J


def linear_regression(rng):
    X, w, y = C(rng, m, 3), P(rng, 3), C(rng, m)
    J = tg.mean((X @ w - y) ** 2)
    return J


def ridge_regression(rng):
    X, w, y, lam = C(rng, m, 3), P(rng, 3), C(rng, m), 0.25
    J = tg.mean((X @ w - y) ** 2) + lam * tg.sum(w**2)
    return J


def poisson_regression(rng):
    X, w, y = C(rng, m, 3), P(rng, 3), tg.Tensor(rng.integers(0, 4, m).astype(float))
    J = tg.mean(tg.exp(X @ w) - y * (X @ w))
    return J


def quadratic_form(rng):
    A, x = C(rng, 3, 3), P(rng, 3)
    q = x @ (A @ x)
    return q


def distance_of_a_product(rng):
    A, B, X = C(rng, 4, 3), C(rng, 4, 2), P(rng, 3, 2)
    d = tg.sum((A @ X - B) ** 2)
    return d


def matrix_factorisation(rng):
    U, V, R = P(rng, 4, 2), P(rng, 2, 5), C(rng, 4, 5)
    E = U @ V - R
    J = tg.sum(E**2) / 2
    return J


def tied_autoencoder(rng):
    W, x = P(rng, 3, 5), C(rng, 5, 1)
    h = tg.tanh(W @ x)
    e = W.T @ h - x
    L = tg.sum(e**2) / 2
    return L


def softplus(rng):
    x = P(rng, 3)
    s = tg.sum(tg.softplus(x))
    return s


def hinge_loss(rng):
    X, w, y = C(rng, m, 3), P(rng, 3), tg.Tensor(np.sign(rng.normal(size=m)))
    margins = tg.relu(1 - y * (X @ w))
    J = tg.mean(margins)
    return J


def recurrent_network(rng):
    W, U, h0, y = P(rng, 2, 2), P(rng, 2, 3), C(rng, 2, 1), C(rng, 2, 1)
    x1, x2, x3 = (C(rng, 3, 1) for _ in range(3))
    h1 = tg.tanh(W @ h0 + U @ x1)
    h2 = tg.tanh(W @ h1 + U @ x2)
    h3 = tg.tanh(W @ h2 + U @ x3)
    L = tg.sum((h3 - y) ** 2) / 2
    return L


def lasso(rng):
    X, w, y, lam = C(rng, m, 3), P(rng, 3), C(rng, m), 0.25
    J = tg.mean((X @ w - y) ** 2) + lam * tg.sum(tg.abs(w))
    return J


def gaussian_likelihood(rng):
    x, mu, sigma = C(rng, m), tg.parameter(0.3), tg.parameter(1.25)
    L = tg.sum((x - mu) ** 2) / (2 * sigma**2) + m * tg.log(sigma)
    return L


def logistic_regression_of_several_classes_from_logits(rng):
    W, X = P(rng, 3, 4), C(rng, 4, m)
    Y = tg.Tensor((rng.random((3, m)).argsort(0) == 0).astype(float))
    Z = W @ X
    J = tg.sum(tg.logsumexp(Z, axis=0) - tg.sum(Y * Z, axis=0)) / m
    return J


def one_head_of_attention(rng):
    X, U, V, W = C(rng, 5, 4), P(rng, 4, 3), P(rng, 4, 3), P(rng, 4, 2)
    Q = X @ U
    K = X @ V
    H = X @ W
    S = Q @ K.T / 2
    A = tg.softmax(S, axis=1)
    R = A @ H
    L = tg.sum(R**2) / 2
    return L


def four_layers(rng):
    W1, W2, W3, W4 = P(rng, 4, 2), P(rng, 4, 4), P(rng, 3, 4), P(rng, 1, 3)
    X, Y = C(rng, 2, m), labels(rng, 1, m)
    Z1 = W1 @ X
    A1 = tg.tanh(Z1)
    Z2 = W2 @ A1
    A2 = tg.tanh(Z2)
    Z3 = W3 @ A2
    A3 = tg.relu(Z3)
    Z4 = W4 @ A3
    A4 = tg.sigmoid(Z4)
    J = tg.log_loss(A4, Y)
    return J


def logistic_regression_with_a_sigmoid_written_out(rng):
    w, b, X, Y = P(rng, 1, 3), P(rng, 1, 1), C(rng, 3, m), labels(rng, 1, m)
    Z = w @ X + b
    A = 1 / (1 + tg.exp(-Z))
    J = -tg.mean(Y * tg.log(A) + (1 - Y) * tg.log(1 - A))
    return J


def softmax_regression(rng, axis, soft):
    shape = (3, m) if axis == 0 else (m, 3)
    probabilities = rng.random(shape) if soft else (rng.random(shape).argsort(axis) == 0).astype(float)
    Y = tg.Tensor(probabilities / probabilities.sum(axis, keepdims=True))
    W, X = P(rng, *((3, 4) if axis == 0 else (4, 3))), C(rng, *((4, m) if axis == 0 else (m, 4)))
    Z = W @ X if axis == 0 else X @ W
    S = tg.softmax(Z, axis=axis)
    J = -tg.sum(Y * tg.log(S)) / m
    return J, [tg.sum(Y, axis=axis) == 1]


def softmax_regression_in_columns(rng):
    return softmax_regression(rng, 0, soft=False)


def softmax_regression_in_rows(rng):
    return softmax_regression(rng, 1, soft=False)


def softmax_regression_in_columns_with_soft_labels(rng):
    return softmax_regression(rng, 0, soft=True)


def softmax_regression_in_rows_with_soft_labels(rng):
    return softmax_regression(rng, 1, soft=True)


def trace_of_a_product(rng):
    A, X = C(rng, 4, 3), P(rng, 3, 4)
    f = tg.trace(A @ X)
    return f


def trace_of_a_quadratic_form(rng):
    A, X = C(rng, 4, 4), P(rng, 4, 3)
    f = tg.trace(X.T @ A @ X)
    return f


def logarithm_of_a_determinant(rng):
    X = tg.parameter(rng.normal(size=(3, 3)) + 4 * np.eye(3))
    f = tg.slogdet(X).logabsdet
    return f


def form_of_an_inverse(rng):
    X, a, b = tg.parameter(rng.normal(size=(3, 3)) + 4 * np.eye(3)), C(rng, 3), C(rng, 3)
    f = a @ tg.inv(X) @ b
    return f


def gelu(rng):
    x = P(rng, 3)
    f = tg.sum(tg.gelu(x))
    return f


def cosh(rng):
    x = P(rng, 3)
    f = tg.sum(tg.cosh(x))
    return f


def logarithm_of_cosh(rng):
    x = P(rng, 3)
    f = tg.sum(tg.log(tg.cosh(x)))
    return f


def logsumexp(rng):
    x = P(rng, 3)
    f = tg.logsumexp(x)
    return f


def logsumexp_written_out(rng):
    x = P(rng, 3)
    f = tg.log(tg.sum(tg.exp(x)))
    return f


def layer_norm(rng):
    x, gamma, beta, R, eps = P(rng, 5, 4), P(rng, 4), P(rng, 4), C(rng, 5, 4), 1e-5
    mu = tg.mean(x, axis=1, keepdims=True)
    xc = x - mu
    var = tg.mean(xc**2, axis=1, keepdims=True)
    std = tg.sqrt(var + eps)
    xhat = xc / std
    y = gamma * xhat + beta
    L = tg.sum(y * R)
    return L


def layer_norm_in_two_lines(rng):
    x, gamma, beta, R, eps = P(rng, 5, 4), P(rng, 4), P(rng, 4), C(rng, 5, 4), 1e-5
    mu = tg.mean(x, axis=1, keepdims=True)
    var = tg.mean((x - mu) ** 2, axis=1, keepdims=True)
    xhat = (x - mu) / tg.sqrt(var + eps)
    y = gamma * xhat + beta
    L = tg.sum(y * R)
    return L


def batch_norm(rng):
    x, gamma, beta, R, eps = P(rng, m, 4), P(rng, 4), P(rng, 4), C(rng, m, 4), 1e-5
    mu = tg.mean(x, axis=0)
    var = tg.mean((x - mu) ** 2, axis=0)
    std = tg.sqrt(var + eps)
    xhat = (x - mu) / std
    y = gamma * xhat + beta
    L = tg.sum(y * R)
    return L


def cosine_similarity(rng):
    x, y = P(rng, 4), P(rng, 4)
    nx = tg.sqrt(x @ x)
    ny = tg.sqrt(y @ y)
    c = x @ y / (nx * ny)
    return c


def hessian_of_logistic_regression(rng):
    """Times a vector v: the derivative of the derivative along v."""
    w, X, Y, v = P(rng, 3, 1), C(rng, 3, m), labels(rng, 1, m), C(rng, 3, 1)
    Z = w.T @ X
    A = tg.sigmoid(Z)
    J = tg.log_loss(A, Y)
    q = tg.sum(v * tg.gradients(J, w))
    return q


def vectors_of_one_example(rng):
    W, x, y = P(rng, 3, 4), C(rng, 4), C(rng, 3)
    z = W @ x
    a = tg.tanh(z)
    L = tg.sum((a - y) ** 2) / 2
    return L


_NOT_MODELS = {P, C, labels, first_layer, two_layers, log_loss, softmax_regression}
MODELS = {name.replace("_", " "): f for name, f in list(vars().items()) if callable(f) and f not in _NOT_MODELS}
