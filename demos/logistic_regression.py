"""Logistic regression as a computation graph: one example by hand, then a data set.

    python demos/logistic_regression.py

This is the lecture's first derivation. Forward: z = wᵀx + b, a = σ(z), L(a, y). Backward: da, then dz, then dw and db.
The steps da and dz may be collapsed into one, dz = a − y. The picture goes to out/.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer

import tinygraph as tg

OUT = Path("out")


def one_example():
    """Go through one example with two features, step by step."""
    x = tg.Tensor([[1.0], [2.0]])
    y = tg.Tensor([[1.0]])
    w = tg.parameter([[0.1], [-0.2]])
    b = tg.parameter([[0.0]])

    # forward: running it records the graph
    z = w.T @ x + b
    a = tg.sigmoid(z)
    L = tg.log_loss(a, y)
    print(f"forward:   z = {z.item():.4f}   a = {a.item():.4f}   L = {L.item():.4f}")

    # backward: the same graph, from the loss to the parameters
    L.backward()
    da, dz = a.grad.item(), z.grad.item()
    print(f"backward: da = {da:.4f}  dz = {dz:.4f}  dw = {w.grad.ravel()}  db = {b.grad.item():.4f}")

    # by hand, as in the lecture
    a_, y_ = a.item(), y.item()
    print(f"by hand:  da = −y/a + (1 − y)/(1 − a) = {-y_ / a_ + (1 - y_) / (1 - a_):.4f}")
    print(f"          dz = da · a (1 − a)         = {da * a_ * (1 - a_):.4f}")
    print(f"          dz = a − y, in one step     = {a_ - y_:.4f}")
    print(f"          dw = dz x                   = {dz * x.data.ravel()}")
    print(f"x is data, so no gradient was computed for it: x.grad is {x.grad}\n")

    tg.draw(L, title="logistic regression, one example").save(OUT / "logistic_regression.png")


def all_examples():
    """Train on 569 examples as columns, by gradient descent on J = (1/m) Σ L."""
    data = load_breast_cancer()
    X = ((data.data - data.data.mean(axis=0)) / data.data.std(axis=0)).T
    Y = data.target.reshape(1, -1).astype(float)
    X, Y = tg.Tensor(X), tg.Tensor(Y)
    w, b = tg.parameter(np.zeros((30, 1))), tg.parameter(np.zeros((1, 1)))
    for step in range(301):
        A = tg.sigmoid(w.T @ X + b)
        J = tg.log_loss(A, Y)
        J.backward()
        if step % 100 == 0:
            correct = np.mean((A.data > 0.5) == (Y.data > 0.5))
            print(f"step {step:3}   J = {J.item():.4f}   {correct:.1%} right")
        for p in (w, b):
            p.data -= 0.5 * p.grad
            p.grad = None


if __name__ == "__main__":
    OUT.mkdir(exist_ok=True)
    one_example()
    all_examples()
