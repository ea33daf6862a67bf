"""NumPy, with the equations of the gradients by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import absolute, add, divide, exp, log, log1p, matmul, maximum, multiply, negative, square, subtract, tanh
from workloads import RATE, Workload

from . import Step


def build(workload: Workload, parameters: Any, inputs: list[Any]) -> Step | None:
    """Every intermediate result in a buffer, and factors at the small arrays."""
    builder = {"two_layer": two_layer, "written_out": two_layer, "logistic": logistic}.get(workload.model)
    return builder and builder(parameters, *inputs)


def build_plainly(workload: Workload, parameters: Any, inputs: list[Any]) -> Step | None:
    """The lecture's equations, as one writes them down."""
    return two_layer_plainly(parameters, *inputs) if workload.model in ("two_layer", "written_out") else None


def two_layer(parameters: Any, X: Any, Y: Any) -> Step:
    W1, b1, W2, b2 = parameters
    m = X.shape[1]
    A1, T1, dZ1 = (np.empty((len(W1), m), X.dtype) for _ in range(3))
    A2, T2, T3 = (np.empty((len(W2), m), X.dtype) for _ in range(3))
    dW1, db1, dW2, db2 = (np.empty_like(w) for w in parameters)
    one, rate, X_T = np.array(1, X.dtype), np.array(RATE / m, X.dtype), X.T
    not_Y = 1 - Y

    def step() -> Any:
        matmul(W1, X, A1)
        add(A1, b1, A1)
        tanh(A1, A1)
        matmul(W2, A1, A2)
        add(A2, b2, A2)
        negative(A2, A2)
        exp(A2, A2)
        add(one, A2, A2)
        divide(one, A2, A2)
        log(A2, T2)
        multiply(Y, T2, T2)
        subtract(one, A2, T3)
        log(T3, T3)
        multiply(not_Y, T3, T3)
        add(T2, T3, T2)
        J = -add.reduce(T2, None) / m
        subtract(A2, Y, A2)
        matmul(A2, A1.T, dW2)
        add.reduce(A2, 1, None, db2, True)
        matmul(W2.T, A2, dZ1)
        square(A1, T1)
        subtract(one, T1, T1)
        multiply(dZ1, T1, dZ1)
        matmul(dZ1, X_T, dW1)
        add.reduce(dZ1, 1, None, db1, True)
        for p, dp in ((W1, dW1), (b1, db1), (W2, dW2), (b2, db2)):
            multiply(rate, dp, dp)
            subtract(p, dp, p)
        return J

    return step


def two_layer_plainly(parameters: Any, X: Any, Y: Any) -> Step:
    W1, b1, W2, b2 = parameters
    m = X.shape[1]

    def step() -> Any:
        nonlocal W1, b1, W2, b2
        Z1 = W1 @ X + b1
        A1 = np.tanh(Z1)
        Z2 = W2 @ A1 + b2
        A2 = 1 / (1 + np.exp(-Z2))
        J = -np.sum(Y * np.log(A2) + (1 - Y) * np.log(1 - A2)) / m
        dZ2 = A2 - Y
        dW2 = dZ2 @ A1.T / m
        db2 = np.sum(dZ2, axis=1, keepdims=True) / m
        dZ1 = W2.T @ dZ2 * (1 - A1**2)
        dW1 = dZ1 @ X.T / m
        db1 = np.sum(dZ1, axis=1, keepdims=True) / m
        W1 -= RATE * dW1
        b1 -= RATE * db1
        W2 -= RATE * dW2
        b2 -= RATE * db2
        return J

    return step


def logistic(w: Any, X: Any, y: Any) -> Step:
    m = len(y)
    z, p, t = (np.empty(m, X.dtype) for _ in range(3))
    zero, one, X_T = np.array(0, X.dtype), np.array(1, X.dtype), X.T

    def step() -> Any:
        matmul(X, w, z)
        negative(z, p)
        exp(p, p)
        add(one, p, p)
        divide(one, p, p)
        subtract(p, y, p)
        # J = mean(log(1 + e^−|z|) + max(z, 0) − z y)
        absolute(z, t)
        negative(t, t)
        exp(t, t)
        log1p(t, t)
        J = add.reduce(t)
        maximum(z, zero, t)
        J = (J + add.reduce(t) - z.dot(y)) / m
        g = matmul(X_T, p)
        g /= m
        return J, g

    return step
