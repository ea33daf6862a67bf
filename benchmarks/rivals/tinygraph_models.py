"""The models in tinygraph, for `compiled` and `eager`."""

from __future__ import annotations

import math
from typing import Any

from workloads import EPSILON, HEADS

import tinygraph as tg


def two_layer(parameters: Any, X: Any, Y: Any) -> Any:
    W1, b1, W2, b2 = parameters
    Z1 = W1 @ X + b1
    A1 = tg.tanh(Z1)
    Z2 = W2 @ A1 + b2
    A2 = tg.sigmoid(Z2)
    return tg.log_loss(A2, Y, reduction="sum") / X.shape[1]


def written_out(parameters: Any, X: Any, Y: Any) -> Any:
    W1, b1, W2, b2 = parameters
    Z1 = W1 @ X + b1
    A1 = tg.tanh(Z1)
    Z2 = W2 @ A1 + b2
    A2 = tg.sigmoid(Z2)
    return -tg.sum(Y * tg.log(A2) + (1 - Y) * tg.log(1 - A2)) / X.shape[1]


def mlp(parameters: Any, X: Any, Y: Any) -> Any:
    A = X
    *hidden, W, b = parameters
    for i in range(0, len(hidden), 2):
        A = tg.relu(A @ hidden[i] + hidden[i + 1])
    Z = A @ W + b
    return tg.mean(tg.logsumexp(Z, axis=1) - tg.sum(Y * Z, axis=1))


def rnn(parameters: Any, X: Any, h: Any, target: Any) -> Any:
    Wx, Wh, b, Wy = parameters
    for t in range(X.shape[0]):
        h = tg.tanh(X[t] @ Wx + h @ Wh + b)
    return tg.mean((h @ Wy - target) ** 2)


def _layer_norm(X: Any, gain: Any, bias: Any) -> Any:
    centred = X - tg.mean(X, axis=-1, keepdims=True)
    variance = tg.mean(centred**2, axis=-1, keepdims=True)
    return centred / tg.sqrt(variance + EPSILON) * gain + bias


def transformer(parameters: Any, X: Any, target: Any) -> Any:
    gain1, bias1, Wq, Wk, Wv, Wo, gain2, bias2, W1, b1, W2, b2 = parameters
    m, tokens, width = X.shape

    def heads(M: Any) -> Any:
        return tg.permute_dims(tg.reshape(M, (m, tokens, HEADS, width // HEADS)), (0, 2, 1, 3))

    N = _layer_norm(X, gain1, bias1)
    Q, K, V = heads(N @ Wq), heads(N @ Wk), heads(N @ Wv)
    A = tg.softmax(Q @ K.mT / math.sqrt(width // HEADS), axis=-1) @ V
    X = X + tg.reshape(tg.permute_dims(A, (0, 2, 1, 3)), (m, tokens, width)) @ Wo
    N = _layer_norm(X, gain2, bias2)
    X = X + tg.gelu(N @ W1 + b1) @ W2 + b2
    return tg.mean((X - target) ** 2)


def logistic(w: Any, X: Any, y: Any) -> Any:
    return tg.log_loss(tg.sigmoid(X @ w), y)


def rosenbrock(x: Any) -> Any:
    return tg.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)
