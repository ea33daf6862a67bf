"""PyTensor, with the parameters in shared variables. Its default linker is Numba since version 3."""

from __future__ import annotations

import math
from typing import Any

import pytensor
import pytensor.tensor as pt
from pytensor.tensor.special import log_softmax, softmax
from workloads import EPSILON, HEADS, RATE, Workload

from . import Step


def two_layer(parameters: Any, X: Any, Y: Any) -> Any:
    W1, b1, W2, b2 = parameters
    Z2 = W2 @ pt.tanh(W1 @ X + b1) + b2
    return pt.sum(pt.softplus(Z2) - Z2 * Y) / X.type.shape[1]


def written_out(parameters: Any, X: Any, Y: Any) -> Any:
    W1, b1, W2, b2 = parameters
    A2 = pt.sigmoid(W2 @ pt.tanh(W1 @ X + b1) + b2)
    return -pt.sum(Y * pt.log(A2) + (1 - Y) * pt.log(1 - A2)) / X.type.shape[1]


def mlp(parameters: Any, X: Any, Y: Any) -> Any:
    A = X
    *hidden, W, b = parameters
    for i in range(0, len(hidden), 2):
        A = pt.maximum(A @ hidden[i] + hidden[i + 1], 0)
    return -pt.mean(pt.sum(Y * log_softmax(A @ W + b, axis=-1), axis=1))


def rnn(parameters: Any, X: Any, h: Any, target: Any) -> Any:
    Wx, Wh, b, Wy = parameters
    for t in range(X.type.shape[0]):
        h = pt.tanh(X[t] @ Wx + h @ Wh + b)
    return pt.mean((h @ Wy - target) ** 2)


def _layer_norm(X: Any, gain: Any, bias: Any) -> Any:
    centred = X - pt.mean(X, axis=-1, keepdims=True)
    variance = pt.mean(centred**2, axis=-1, keepdims=True)
    return centred / pt.sqrt(variance + EPSILON) * gain + bias


def transformer(parameters: Any, X: Any, target: Any) -> Any:
    gain1, bias1, Wq, Wk, Wv, Wo, gain2, bias2, W1, b1, W2, b2 = parameters
    m, tokens, width = X.type.shape

    def heads(M: Any) -> Any:
        return M.reshape((m, tokens, HEADS, width // HEADS)).transpose(0, 2, 1, 3)

    N = _layer_norm(X, gain1, bias1)
    Q, K, V = heads(N @ Wq), heads(N @ Wk), heads(N @ Wv)
    A = softmax(Q @ K.transpose(0, 1, 3, 2) / math.sqrt(width // HEADS), axis=-1) @ V
    X = X + A.transpose(0, 2, 1, 3).reshape((m, tokens, width)) @ Wo
    N = _layer_norm(X, gain2, bias2)
    Z = N @ W1 + b1
    X = X + (0.5 * Z * (1 + pt.erf(Z / math.sqrt(2)))) @ W2 + b2
    return pt.mean((X - target) ** 2)


def logistic(w: Any, X: Any, y: Any) -> Any:
    z = X @ w
    return pt.mean(pt.softplus(z) - z * y)


def rosenbrock(x: Any) -> Any:
    return pt.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def build(workload: Workload, parameters: Any, inputs: list[Any]) -> Step:
    """A step without checks of its arguments, which are always the same."""
    pytensor.config.floatX = str((parameters[0] if workload.trains else parameters).dtype)
    cost = globals()[workload.model]
    variables = [pt.tensor(shape=x.shape, dtype=x.dtype.name) for x in inputs]
    if not workload.trains:
        point = pt.tensor(shape=parameters.shape, dtype=parameters.dtype.name)
        J = cost(point, *variables)
        function = pytensor.function([point, *variables], [J, pt.grad(J, point)])
        function.trust_input = True
        return lambda: function(parameters, *inputs)

    shared = [pytensor.shared(p, shape=p.shape) for p in parameters]
    J = cost(shared, *variables)
    updates = [(p, p - RATE * g) for p, g in zip(shared, pt.grad(J, shared), strict=True)]
    function = pytensor.function(variables, J, updates=updates)
    function.trust_input = True
    return lambda: function(*inputs)
