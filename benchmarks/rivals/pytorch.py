"""PyTorch on the CPU with two threads: eager, and with torch.compile."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional
from workloads import EPSILON, HEADS, RATE, Workload

from . import Step

torch.set_num_threads(2)


def two_layer(parameters: Any, X: Any, Y: Any) -> Any:
    W1, b1, W2, b2 = parameters
    Z2 = W2 @ torch.tanh(W1 @ X + b1) + b2
    return functional.binary_cross_entropy_with_logits(Z2, Y, reduction="sum") / X.shape[1]


def written_out(parameters: Any, X: Any, Y: Any) -> Any:
    W1, b1, W2, b2 = parameters
    A2 = torch.sigmoid(W2 @ torch.tanh(W1 @ X + b1) + b2)
    return -torch.sum(Y * torch.log(A2) + (1 - Y) * torch.log(1 - A2)) / X.shape[1]


def mlp(parameters: Any, X: Any, Y: Any) -> Any:
    A = X
    *hidden, W, b = parameters
    for i in range(0, len(hidden), 2):
        A = torch.relu(torch.addmm(hidden[i + 1], A, hidden[i]))
    return functional.cross_entropy(torch.addmm(b, A, W), Y)


def rnn(parameters: Any, X: Any, h: Any, target: Any) -> Any:
    Wx, Wh, b, Wy = parameters
    for x in X:
        h = torch.tanh(x @ Wx + h @ Wh + b)
    return functional.mse_loss(h @ Wy, target)


def transformer(parameters: Any, X: Any, target: Any) -> Any:
    gain1, bias1, Wq, Wk, Wv, Wo, gain2, bias2, W1, b1, W2, b2 = parameters
    m, tokens, width = X.shape

    def heads(M: Any) -> Any:
        return M.view(m, tokens, HEADS, width // HEADS).transpose(1, 2)

    N = functional.layer_norm(X, (width,), gain1, bias1, EPSILON)
    A = functional.scaled_dot_product_attention(heads(N @ Wq), heads(N @ Wk), heads(N @ Wv))
    X = X + A.transpose(1, 2).reshape(m, tokens, width) @ Wo
    N = functional.layer_norm(X, (width,), gain2, bias2, EPSILON)
    X = X + functional.gelu(N @ W1 + b1) @ W2 + b2
    return functional.mse_loss(X, target)


def logistic(w: Any, X: Any, y: Any) -> Any:
    return functional.binary_cross_entropy_with_logits(X @ w, y)


def rosenbrock(x: Any) -> Any:
    return torch.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def build(workload: Workload, parameters: Any, inputs: list[Any]) -> Step:
    """A step op by op: this update is faster here than torch.optim.SGD."""
    cost = globals()[workload.model]
    constants = [torch.tensor(x) for x in inputs]
    if not workload.trains:
        point = torch.tensor(parameters, requires_grad=True)

        def evaluate() -> Any:
            J = cost(point, *constants)
            J.backward()
            gradient, point.grad = point.grad, None
            return J.detach(), gradient

        return evaluate

    tensors = [torch.tensor(p, requires_grad=True) for p in parameters]

    def step() -> Any:
        J = cost(tensors, *constants)
        J.backward()
        with torch.no_grad():
            for p in tensors:
                p.sub_(p.grad, alpha=RATE)
                p.grad = None
        return J.detach()

    return step


def build_compiled(workload: Workload, parameters: Any, inputs: list[Any]) -> Step:
    """The same functions in one program: loss, gradients and update.

    Compiling the loss alone, with gradients by `backward` and the update by itself, is slower than eager where arrays
    are small, and never faster than this. The modes reduce-overhead and max-autotune-no-cudagraphs make no difference
    here, cpp_wrapper 0 to 15 % with a longer compilation.
    """
    grad_and_value = torch.func.grad_and_value(globals()[workload.model])
    constants = [torch.tensor(x) for x in inputs]
    if not workload.trains:
        point = torch.tensor(parameters)
        compiled = torch.compile(grad_and_value)

        def evaluate() -> Any:
            gradient, J = compiled(point, *constants)
            return J, gradient

        return evaluate

    @torch.compile
    def update(parameters: Any, *inputs: Any) -> Any:
        gradients, J = grad_and_value(parameters, *inputs)
        for p, g in zip(parameters, gradients, strict=True):
            p.sub_(g, alpha=RATE)
        return J

    tensors = [torch.tensor(p) for p in parameters]
    return lambda: update(tensors, *constants)
