"""HIPS autograd."""

from __future__ import annotations

import math
from typing import Any

import autograd.numpy as anp
from autograd import value_and_grad
from autograd.scipy.special import erf, logsumexp
from workloads import EPSILON, HEADS, RATE, Workload

from . import Step


def two_layer(parameters: Any, X: Any, Y: Any) -> Any:
    W1, b1, W2, b2 = parameters
    Z2 = anp.dot(W2, anp.tanh(anp.dot(W1, X) + b1)) + b2
    return anp.sum(anp.logaddexp(0, Z2) - Z2 * Y) / X.shape[1]


def written_out(parameters: Any, X: Any, Y: Any) -> Any:
    W1, b1, W2, b2 = parameters
    Z2 = anp.dot(W2, anp.tanh(anp.dot(W1, X) + b1)) + b2
    A2 = 1 / (1 + anp.exp(-Z2))
    return -anp.sum(Y * anp.log(A2) + (1 - Y) * anp.log(1 - A2)) / X.shape[1]


def mlp(parameters: Any, X: Any, Y: Any) -> Any:
    A = X
    *hidden, W, b = parameters
    for i in range(0, len(hidden), 2):
        A = anp.maximum(anp.dot(A, hidden[i]) + hidden[i + 1], 0)
    Z = anp.dot(A, W) + b
    return anp.mean(logsumexp(Z, axis=1) - anp.sum(Y * Z, axis=1))


def rnn(parameters: Any, X: Any, h: Any, target: Any) -> Any:
    Wx, Wh, b, Wy = parameters
    for t in range(X.shape[0]):
        h = anp.tanh(anp.dot(X[t], Wx) + anp.dot(h, Wh) + b)
    return anp.mean((anp.dot(h, Wy) - target) ** 2)


def _layer_norm(X: Any, gain: Any, bias: Any) -> Any:
    centred = X - anp.mean(X, axis=-1, keepdims=True)
    variance = anp.mean(centred**2, axis=-1, keepdims=True)
    return centred / anp.sqrt(variance + EPSILON) * gain + bias


def _softmax(X: Any) -> Any:
    e = anp.exp(X - anp.max(X, axis=-1, keepdims=True))
    return e / anp.sum(e, axis=-1, keepdims=True)


def transformer(parameters: Any, X: Any, target: Any) -> Any:
    gain1, bias1, Wq, Wk, Wv, Wo, gain2, bias2, W1, b1, W2, b2 = parameters
    m, tokens, width = X.shape

    def heads(M: Any) -> Any:
        return anp.transpose(anp.reshape(M, (m, tokens, HEADS, width // HEADS)), (0, 2, 1, 3))

    N = _layer_norm(X, gain1, bias1)
    Q, K, V = heads(anp.dot(N, Wq)), heads(anp.dot(N, Wk)), heads(anp.dot(N, Wv))
    A = anp.matmul(_softmax(anp.matmul(Q, anp.swapaxes(K, -1, -2)) / math.sqrt(width // HEADS)), V)
    X = X + anp.dot(anp.reshape(anp.transpose(A, (0, 2, 1, 3)), (m, tokens, width)), Wo)
    N = _layer_norm(X, gain2, bias2)
    Z = anp.dot(N, W1) + b1
    X = X + anp.dot(0.5 * Z * (1 + erf(Z / math.sqrt(2))), W2) + b2
    return anp.mean((X - target) ** 2)


def logistic(w: Any, X: Any, y: Any) -> Any:
    z = anp.dot(X, w)
    return anp.mean(anp.logaddexp(0, z) - z * y)


def rosenbrock(x: Any) -> Any:
    return anp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def build(workload: Workload, parameters: Any, inputs: list[Any]) -> Step:
    derivative = value_and_grad(globals()[workload.model])
    if not workload.trains:
        return lambda: derivative(parameters, *inputs)

    def step() -> Any:
        J, gradients = derivative(parameters, *inputs)
        for p, g in zip(parameters, gradients, strict=True):
            p -= RATE * g
        return J

    return step
