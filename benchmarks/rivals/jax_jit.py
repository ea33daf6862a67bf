"""JAX, with the step compiled and the parameters donated."""

from __future__ import annotations

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
from workloads import EPSILON, HEADS, RATE, Workload

from . import Step


def two_layer(parameters: Any, X: Any, Y: Any) -> Any:
    W1, b1, W2, b2 = parameters
    Z2 = W2 @ jnp.tanh(W1 @ X + b1) + b2
    return jnp.sum(jax.nn.softplus(Z2) - Z2 * Y) / X.shape[1]


def written_out(parameters: Any, X: Any, Y: Any) -> Any:
    W1, b1, W2, b2 = parameters
    A2 = jax.nn.sigmoid(W2 @ jnp.tanh(W1 @ X + b1) + b2)
    return -jnp.sum(Y * jnp.log(A2) + (1 - Y) * jnp.log(1 - A2)) / X.shape[1]


def mlp(parameters: Any, X: Any, Y: Any) -> Any:
    A = X
    *hidden, W, b = parameters
    for i in range(0, len(hidden), 2):
        A = jax.nn.relu(A @ hidden[i] + hidden[i + 1])
    return -jnp.mean(jnp.sum(Y * jax.nn.log_softmax(A @ W + b), axis=-1))


def rnn(parameters: Any, X: Any, h: Any, target: Any) -> Any:
    Wx, Wh, b, Wy = parameters
    for t in range(X.shape[0]):
        h = jnp.tanh(X[t] @ Wx + h @ Wh + b)
    return jnp.mean((h @ Wy - target) ** 2)


def _layer_norm(X: Any, gain: Any, bias: Any) -> Any:
    centred = X - jnp.mean(X, axis=-1, keepdims=True)
    variance = jnp.mean(centred**2, axis=-1, keepdims=True)
    return centred * jax.lax.rsqrt(variance + EPSILON) * gain + bias


def transformer(parameters: Any, X: Any, target: Any) -> Any:
    gain1, bias1, Wq, Wk, Wv, Wo, gain2, bias2, W1, b1, W2, b2 = parameters
    m, tokens, width = X.shape

    def heads(M: Any) -> Any:
        return M.reshape(m, tokens, HEADS, width // HEADS).transpose(0, 2, 1, 3)

    N = _layer_norm(X, gain1, bias1)
    Q, K, V = heads(N @ Wq), heads(N @ Wk), heads(N @ Wv)
    A = jax.nn.softmax(Q @ K.mT / math.sqrt(width // HEADS)) @ V
    X = X + A.transpose(0, 2, 1, 3).reshape(m, tokens, width) @ Wo
    N = _layer_norm(X, gain2, bias2)
    X = X + jax.nn.gelu(N @ W1 + b1, approximate=False) @ W2 + b2
    return jnp.mean((X - target) ** 2)


def logistic(w: Any, X: Any, y: Any) -> Any:
    z = X @ w
    return jnp.mean(jax.nn.softplus(z) - z * y)


def rosenbrock(x: Any) -> Any:
    return jnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def build(workload: Workload, parameters: Any, inputs: list[Any]) -> Step:
    """A step that waits for its result, as the loop of a user who prints the loss does."""
    x64 = (parameters[0] if workload.trains else parameters).dtype == "float64"
    jax.config.update("jax_enable_x64", bool(x64))
    value_and_grad = jax.value_and_grad(globals()[workload.model])
    inputs = [jnp.asarray(x) for x in inputs]
    if not workload.trains:
        compiled = jax.jit(value_and_grad)
        point = jnp.asarray(parameters)
        return lambda: jax.block_until_ready(compiled(point, *inputs))

    @functools.partial(jax.jit, donate_argnums=0)
    def update(parameters: Any, *inputs: Any) -> Any:
        J, gradients = value_and_grad(parameters, *inputs)
        return J, [p - RATE * g for p, g in zip(parameters, gradients, strict=True)]

    parameters = [jnp.array(p) for p in parameters]

    def step() -> Any:
        nonlocal parameters
        J, parameters = jax.block_until_ready(update(parameters, *inputs))
        return J

    return step
