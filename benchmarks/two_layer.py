"""One training step of the lecture's two-layer network: forward, the six gradients, plain gradient descent.

    python benchmarks/two_layer.py [--seconds 5] [rival ...]

Prints the time of each rival as a multiple of the six equations written by hand in NumPy.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
from collections.abc import Callable
from typing import Any

import numpy as np
from harness import environment, fastest, in_own_process, not_installed, table

SIZES = [(2, 4, 1, 400), (64, 32, 10, 64), (784, 128, 10, 128), (1024, 1024, 10, 1024)]
RATE = 1e-3


def data(n0: int, n1: int, n2: int, m: int) -> tuple[list[Any], Any, Any]:
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=(n1, n0)) / np.sqrt(n0), np.zeros((n1, 1))]
    weights += [rng.normal(size=(n2, n1)) / np.sqrt(n1), np.zeros((n2, 1))]
    return weights, rng.normal(size=(n0, m)), (rng.random((n2, m)) > 0.5).astype(float)


def by_hand(weights: list[Any], X: Any, Y: Any) -> Callable[[], Any]:
    """The lecture's equations, as one writes them down."""
    W1, b1, W2, b2 = weights
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


def buffered(weights: list[Any], X: Any, Y: Any, loss: str) -> Callable[[], Any]:
    """The same by hand again, with every intermediate result in a buffer, and factors at the small arrays."""
    from numpy import add, divide, exp, log, matmul, multiply, negative, square, subtract, tanh

    W1, b1, W2, b2 = weights
    m = X.shape[1]
    A1, T1, dZ1 = (np.empty((len(W1), m)) for _ in range(3))
    A2, T2, T3 = (np.empty((len(W2), m)) for _ in range(3))
    dW1, db1, dW2, db2 = (np.empty_like(w) for w in weights)
    one, rate, X_T = np.array(1.0), np.array(RATE / m), X.T
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


def compiled(weights: list[Any], X: Any, Y: Any, loss: str) -> Callable[[], Any]:
    import tinygraph as tg

    m = X.shape[1]

    def cost(parameters: Any, X: Any, Y: Any) -> Any:
        W1, b1, W2, b2 = parameters
        Z1 = W1 @ X + b1
        A1 = tg.tanh(Z1)
        Z2 = W2 @ A1 + b2
        A2 = tg.sigmoid(Z2)
        if loss == "log_loss":
            return tg.log_loss(A2, Y, reduction="sum") / m
        return -tg.sum(Y * tg.log(A2) + (1 - Y) * tg.log(1 - A2)) / m

    @tg.compile(donate_argnums=0)
    def update(parameters: Any, X: Any, Y: Any) -> Any:
        J, gradients = tg.value_and_grad(cost)(parameters, X, Y)
        return J, [p - RATE * g for p, g in zip(parameters, gradients, strict=True)]

    parameters = [w.copy() for w in weights]

    def step() -> Any:
        nonlocal parameters
        J, parameters = update(parameters, X, Y)
        return J

    return step


def tinygraph(weights: list[Any], X: Any, Y: Any, loss: str) -> Callable[[], Any]:
    import tinygraph as tg

    parameters = [tg.parameter(w) for w in weights]
    X, Y = tg.Tensor(X), tg.Tensor(Y)
    m = X.shape[1]

    def step() -> Any:
        W1, b1, W2, b2 = parameters
        Z1 = W1 @ X + b1
        A1 = tg.tanh(Z1)
        Z2 = W2 @ A1 + b2
        A2 = tg.sigmoid(Z2)
        if loss == "log_loss":
            J = tg.log_loss(A2, Y) if len(Y) == 1 else tg.log_loss(A2, Y, reduction="sum") / m
        else:
            J = -tg.sum(Y * tg.log(A2) + (1 - Y) * tg.log(1 - A2)) / m
        J.backward()
        for p in parameters:
            p.data -= RATE * p.grad
            p.grad = None
        return J

    return step


def torch(weights: list[Any], X: Any, Y: Any, loss: str) -> Callable[[], Any]:
    import torch

    torch.set_num_threads(2)
    parameters = [torch.tensor(w, requires_grad=True) for w in weights]
    X, Y = torch.tensor(X), torch.tensor(Y)
    m = X.shape[1]

    def step() -> Any:
        W1, b1, W2, b2 = parameters
        A1 = torch.tanh(W1 @ X + b1)
        A2 = torch.sigmoid(W2 @ A1 + b2)
        if loss == "log_loss":
            bce = torch.nn.functional.binary_cross_entropy
            J = bce(A2, Y) if len(Y) == 1 else bce(A2, Y, reduction="sum") / m
        else:
            J = -torch.sum(Y * torch.log(A2) + (1 - Y) * torch.log(1 - A2)) / m
        J.backward()
        with torch.no_grad():
            for p in parameters:
                p -= RATE * p.grad
                p.grad = None
        return J

    return step


def autograd(weights: list[Any], X: Any, Y: Any, loss: str) -> Callable[[], Any]:
    import autograd.numpy as anp
    from autograd import value_and_grad

    m = X.shape[1]
    parameters = [w.copy() for w in weights]

    def cost(parameters: Any) -> Any:
        W1, b1, W2, b2 = parameters
        A1 = anp.tanh(anp.dot(W1, X) + b1)
        Z2 = anp.dot(W2, A1) + b2
        if loss == "log_loss":
            return anp.sum(anp.logaddexp(0, Z2) - Z2 * Y) / m
        A2 = 1 / (1 + anp.exp(-Z2))
        return -anp.sum(Y * anp.log(A2) + (1 - Y) * anp.log(1 - A2)) / m

    derivative = value_and_grad(cost)

    def step() -> Any:
        J, gradients = derivative(parameters)
        for p, g in zip(parameters, gradients, strict=True):
            p -= RATE * g
        return J

    return step


def mygrad(weights: list[Any], X: Any, Y: Any, loss: str) -> Callable[[], Any]:
    import mygrad as mg

    parameters = [mg.tensor(w) for w in weights]
    m = X.shape[1]

    def step() -> Any:
        W1, b1, W2, b2 = parameters
        A1 = mg.tanh(W1 @ X + b1)
        Z2 = W2 @ A1 + b2
        if loss == "log_loss":
            J = mg.sum(mg.logaddexp(0, Z2) - Z2 * Y) / m
        else:
            A2 = mg.sigmoid(Z2) if hasattr(mg, "sigmoid") else 1 / (1 + mg.exp(-Z2))
            J = -mg.sum(Y * mg.log(A2) + (1 - Y) * mg.log(1 - A2)) / m
        J.backward()
        for p in parameters:
            p.data -= RATE * p.grad
            p.null_grad()
        return J

    return step


def jax(weights: list[Any], X: Any, Y: Any, loss: str) -> Callable[[], Any]:
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    m = X.shape[1]
    X, Y = jnp.asarray(X), jnp.asarray(Y)

    def cost(parameters: Any) -> Any:
        W1, b1, W2, b2 = parameters
        Z2 = W2 @ jnp.tanh(W1 @ X + b1) + b2
        if loss == "log_loss":
            return jnp.sum(jax.nn.softplus(Z2) - Z2 * Y) / m
        A2 = jax.nn.sigmoid(Z2)
        return -jnp.sum(Y * jnp.log(A2) + (1 - Y) * jnp.log(1 - A2)) / m

    @jax.jit
    def update(parameters: Any) -> Any:
        J, gradients = jax.value_and_grad(cost)(parameters)
        return J, [p - RATE * g for p, g in zip(parameters, gradients, strict=True)]

    parameters = [jnp.asarray(w) for w in weights]

    def step() -> Any:
        nonlocal parameters
        J, parameters = update(parameters)
        return J.block_until_ready()

    return step


RIVALS = {"buffered": buffered, "compiled": compiled, "tinygraph": tinygraph}
RIVALS |= {"torch": torch, "autograd": autograd, "mygrad": mygrad, "jax": jax}
MODULES = {"buffered": "numpy", "compiled": "tinygraph"}
TITLES = {
    "buffered": "by hand, with buffers",
    "compiled": "tinygraph, compiled",
    "torch": "PyTorch eager",
    "autograd": "HIPS autograd",
    "mygrad": "MyGrad",
    "jax": "JAX jit",
}


def alone(rival: str, loss: str, size: tuple[int, int, int, int], seconds: float) -> None:
    """Time one rival beside the program by hand, and check that they compute the same."""
    if importlib.util.find_spec(MODULES.get(rival, rival)) is None:
        not_installed()
    steps = {"by hand": by_hand(*data(*size))}
    steps |= {name: RIVALS[name](*data(*size), loss) for name in ("buffered", rival)}
    expected, *others = (
        float(np.asarray(getattr(J, "item", lambda J=J: J)())) for J in (step() for step in steps.values())
    )
    assert np.allclose(expected, others, rtol=1e-9), (expected, others)
    print(json.dumps(fastest(steps, seconds)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rivals", nargs="*", default=list(RIVALS), metavar="rival", help=", ".join(RIVALS))
    parser.add_argument("--seconds", type=float, default=5.0, help="for each cell of the table")
    parser.add_argument("--alone", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.alone:
        rival, loss, size = options.alone
        n0, n1, n2, m = map(int, size.split(","))
        alone(rival, loss, (n0, n1, n2, m), options.seconds)
        return

    print(environment(), "\n")
    rows = [["program", "loss", *(str(size)[1:-1] for size in SIZES)]]
    hand: dict[tuple[int, ...], float] = {}
    for rival in options.rivals:
        for loss in ("log_loss", "written out"):
            cells, of_buffered = [], []
            for size in SIZES:
                arguments = ["--seconds", str(options.seconds), "--alone", rival, loss, ",".join(map(str, size))]
                times = in_own_process(__file__, *arguments)
                if times is None:
                    break
                hand[size] = min(hand.get(size, times["by hand"]), times["by hand"])
                cells.append(f"{times[rival] / times['by hand']:.2f}")
                of_buffered.append(f"{times[rival] / times['buffered']:.2f}")
            if cells:
                rows.append([TITLES.get(rival, rival), loss, *cells])
            if cells and rival == "compiled":
                rows.append(["  to that with buffers", loss, *of_buffered])
    rows.insert(1, ["by hand (= 1)", "written out", *(f"{hand[size] * 1e6:,.0f} µs" for size in SIZES)])
    print(table(rows))


if __name__ == "__main__":
    main()
