"""Initialisation: why weights must start random.

    python demos/initialisation.py

Hidden units that start equal compute the same values, so they get equal gradients and stay equal for ever: a layer of
four units is then a layer of one. Any difference at the start, however small, breaks the symmetry.
"""

from __future__ import annotations

import numpy as np

import tinygraph as tg


def two_moons(m, rng):
    """Return points on two half circles that no straight line separates, and their labels."""
    angle = rng.uniform(0, np.pi, m)
    label = (rng.random(m) > 0.5).astype(float)
    upper = np.stack([np.cos(angle), np.sin(angle)])
    lower = np.stack([1 - np.cos(angle), 0.4 - np.sin(angle)])
    return np.where(label > 0, upper, lower) + 0.1 * rng.standard_normal((2, m)), label.reshape(1, -1)


def train(W1, W2, X, Y, steps=3000, learning_rate=1.0):
    """Return W1, the cost and the accuracy after gradient descent from the given weights; biases start at zero."""
    W1, W2 = tg.parameter(W1), tg.parameter(W2)
    b1, b2 = tg.parameter(tg.init.zeros((len(W1), 1))), tg.parameter(tg.init.zeros((1, 1)))
    for _ in range(steps):
        A2 = tg.sigmoid(W2 @ tg.tanh(W1 @ X + b1) + b2)
        J = tg.log_loss(A2, Y)
        J.backward()
        for p in (W1, b1, W2, b2):
            p.data -= learning_rate * p.grad
            p.grad = None
    return W1.data, J.item(), np.mean((A2.data > 0.5) == (Y.data > 0.5))


def main():
    rng = np.random.default_rng(0)
    X, Y = map(tg.Tensor, two_moons(300, rng))
    starts = {
        "zeros": (tg.init.zeros((4, 2)), tg.init.zeros((1, 4))),
        "all 0.5": (np.full((4, 2), 0.5), np.full((1, 4), 0.5)),
        "small normal": (tg.init.normal((4, 2), rng), tg.init.normal((1, 4), rng)),
        "Xavier": (tg.init.xavier((4, 2), rng), tg.init.xavier((1, 4), rng)),
        "He": (tg.init.he((4, 2), rng), tg.init.he((1, 4), rng)),
    }
    print("start          different units       J   right")
    for name, (W1, W2) in starts.items():
        W1, J, right = train(W1, W2, X, Y)
        different = len(np.unique(W1.round(9), axis=0))
        print(f"{name:14} {different} of 4            {J:.4f}   {right:.1%}")
    print("\nUnits that start equal are still equal after 3,000 steps; units that start random are not.")


if __name__ == "__main__":
    main()
