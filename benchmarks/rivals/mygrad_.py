"""MyGrad. It has no error function: its gelu is the approximation by tanh."""

from __future__ import annotations

import math
from typing import Any

import mygrad as mg
from mygrad.nnet.activations import logsoftmax, relu, sigmoid, softmax
from workloads import EPSILON, HEADS, RATE, Workload

from . import Step


def two_layer(parameters: Any, X: Any, Y: Any) -> Any:
    W1, b1, W2, b2 = parameters
    Z2 = W2 @ mg.tanh(W1 @ X + b1) + b2
    return mg.sum(mg.logaddexp(0, Z2) - Z2 * Y) / X.shape[1]


def written_out(parameters: Any, X: Any, Y: Any) -> Any:
    W1, b1, W2, b2 = parameters
    A2 = sigmoid(W2 @ mg.tanh(W1 @ X + b1) + b2)
    return -mg.sum(Y * mg.log(A2) + (1 - Y) * mg.log(1 - A2)) / X.shape[1]


def mlp(parameters: Any, X: Any, Y: Any) -> Any:
    A = X
    *hidden, W, b = parameters
    for i in range(0, len(hidden), 2):
        A = relu(A @ hidden[i] + hidden[i + 1])
    return -mg.mean(mg.sum(Y * logsoftmax(A @ W + b), axis=1))


def rnn(parameters: Any, X: Any, h: Any, target: Any) -> Any:
    Wx, Wh, b, Wy = parameters
    for t in range(X.shape[0]):
        h = mg.tanh(X[t] @ Wx + h @ Wh + b)
    return mg.mean((h @ Wy - target) ** 2)


def _layer_norm(X: Any, gain: Any, bias: Any) -> Any:
    centred = X - mg.mean(X, axis=-1, keepdims=True)
    variance = mg.mean(centred**2, axis=-1, keepdims=True)
    return centred / mg.sqrt(variance + EPSILON) * gain + bias


def _gelu(Z: Any) -> Any:
    return 0.5 * Z * (1 + mg.tanh(math.sqrt(2 / math.pi) * (Z + 0.044715 * Z**3)))


def transformer(parameters: Any, X: Any, target: Any) -> Any:
    gain1, bias1, Wq, Wk, Wv, Wo, gain2, bias2, W1, b1, W2, b2 = parameters
    m, tokens, width = X.shape

    def heads(M: Any) -> Any:
        return mg.transpose(mg.reshape(M, (m, tokens, HEADS, width // HEADS)), (0, 2, 1, 3))

    N = _layer_norm(X, gain1, bias1)
    Q, K, V = heads(N @ Wq), heads(N @ Wk), heads(N @ Wv)
    A = softmax(Q @ mg.swapaxes(K, -1, -2) / math.sqrt(width // HEADS)) @ V
    X = X + mg.reshape(mg.transpose(A, (0, 2, 1, 3)), (m, tokens, width)) @ Wo
    N = _layer_norm(X, gain2, bias2)
    X = X + _gelu(N @ W1 + b1) @ W2 + b2
    return mg.mean((X - target) ** 2)


def logistic(w: Any, X: Any, y: Any) -> Any:
    z = mg.matmul(X, w)
    return mg.mean(mg.logaddexp(0, z) - z * y)


def rosenbrock(x: Any) -> Any:
    return mg.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def build(workload: Workload, parameters: Any, inputs: list[Any]) -> Step:
    cost = globals()[workload.model]
    if not workload.trains:

        def evaluate() -> Any:
            point = mg.tensor(parameters, copy=False)
            J = cost(point, *inputs)
            J.backward()
            return J, point.grad

        return evaluate

    tensors = [mg.tensor(p) for p in parameters]

    def step() -> Any:
        J = cost(tensors, *inputs)
        J.backward()
        for p in tensors:
            p.data -= RATE * p.grad
            p.null_grad()
        return J

    return step
