"""Backpropagation by hand, checked: three slips in the lecture's six equations, and the report on each.

    python demos/check_my_backprop.py

The forward pass is recorded. The backward pass is plain NumPy, written by hand four times, three times with a slip.
Gradients after a slip are computed from the wrong one, as they would be by hand. The demo does not call `backward()`:
`check_backprop` takes the right gradients from the graph.
"""

from __future__ import annotations

import numpy as np

import tinygraph as tg

RIGHT = {
    "dZ2": "A2 - Y",
    "dW2": "dZ2 @ A1.T / m",
    "db2": "np.sum(dZ2, axis=1, keepdims=True) / m",
    "dZ1": "W2.T @ dZ2 * (1 - A1**2)",
    "dW1": "dZ1 @ X.T / m",
    "db1": "np.sum(dZ1, axis=1, keepdims=True) / m",
}
SLIPS = {
    "dW2": "dZ2 @ A1.T",
    "dZ1": "W2.T @ dZ2 * (1 - Z1**2)",
    "db1": "np.sum(dZ1) / m",
}


def network(m, rng):
    """Return the cost of the lecture's two-layer network, and its tensors by name; examples are columns."""
    X = tg.Tensor(rng.normal(size=(2, m)))
    Y = tg.Tensor((X.data[:1] * X.data[1:] > 0).astype(float))
    W1, b1 = tg.parameter(tg.init.xavier((4, 2), rng)), tg.parameter(np.zeros((4, 1)))
    W2, b2 = tg.parameter(tg.init.xavier((1, 4), rng)), tg.parameter(np.zeros((1, 1)))
    Z1 = W1 @ X + b1
    A1 = tg.tanh(Z1)
    Z2 = W2 @ A1 + b2
    A2 = tg.sigmoid(Z2)
    J = tg.log_loss(A2, Y)
    return J, {"X": X, "Y": Y, "W2": W2, "Z1": Z1, "A1": A1, "A2": A2}


def by_hand(equations, values):
    """Return the gradients by name, each computed from those before it."""
    found = {}
    for name, right_hand_side in equations.items():
        found[name] = eval(right_hand_side, {"np": np, **values, **found})
    return found


def main():
    m = 400
    J, tensors = network(m, np.random.default_rng(0))
    values = {"m": m, **{name: tensor.data for name, tensor in tensors.items()}}

    print("By hand, with the lecture's equations:\n")
    print(tg.check_backprop(J, **by_hand(RIGHT, values)))
    for name, slip in SLIPS.items():
        print(f"\nNow with {name} = {slip}:\n")
        print(tg.check_backprop(J, **by_hand({**RIGHT, name: slip}, values)))


if __name__ == "__main__":
    main()
