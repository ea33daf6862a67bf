"""The lecture's two-layer network, trained on real data: the main demo.

    python demos/two_layer_net.py

The demo trains on the Wisconsin breast-cancer data, draws the computation graph with values and gradients, and finds
the boundary between the petals of a flower. Pictures go to out/.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from tqdm import tqdm

import tinygraph as tg

OUT = Path("out")


def initial_parameters(n0, n1, n2, rng):
    """Return zero biases and random weights: hidden units that start equal would stay equal, see initialisation.py."""
    W1 = tg.parameter(tg.init.xavier((n1, n0), rng))
    b1 = tg.parameter(tg.init.zeros((n1, 1)))
    W2 = tg.parameter(tg.init.xavier((n2, n1), rng))
    b2 = tg.parameter(tg.init.zeros((n2, 1)))
    return W1, b1, W2, b2


def network(X, parameters):
    """Return A2 of the forward pass, in which examples are columns. No gradient is written by hand anywhere."""
    W1, b1, W2, b2 = parameters
    with tg.scope("layer 1"):
        Z1 = W1 @ X + b1
        A1 = tg.tanh(Z1)
    with tg.scope("layer 2"):
        Z2 = W2 @ A1 + b2
        A2 = tg.sigmoid(Z2)
    return A2


def train(X, Y, n1, learning_rate, steps, title, rng):
    """Return the parameters, the costs, and the last J with its graph, after gradient descent on the full batch."""
    X, Y = tg.Tensor(X, name="X"), tg.Tensor(Y, name="Y")
    parameters = initial_parameters(X.shape[0], n1, 1, rng)
    costs = []
    progress = tqdm(range(steps), desc=title, unit="step", mininterval=0.2)
    for step in progress:
        J = tg.log_loss(network(X, parameters), Y)
        J.backward()
        costs.append(J.item())
        if step % 50 == 0 or step == steps - 1:
            progress.set_postfix(J=f"{costs[-1]:.4f}", refresh=False)
        if step < steps - 1:
            for p in parameters:
                p.data -= learning_rate * p.grad
                p.grad = None
    return parameters, costs, J


def accuracy(X, Y, parameters):
    with tg.no_grad():
        return float(np.mean((network(X, parameters).data > 0.5) == (Y > 0.5)))


def standardised_breast_cancer_data():
    """Return 569 tumours with 30 measurements each, as columns, a fifth held out; the training part sets the scale."""
    data = load_breast_cancer()
    train_rows, test_rows, train_labels, test_labels = train_test_split(
        data.data, data.target, test_size=0.2, random_state=0, stratify=data.target
    )
    mean, spread = train_rows.mean(axis=0), train_rows.std(axis=0)
    X_train, X_test = (((rows - mean) / spread).T for rows in (train_rows, test_rows))
    Y_train, Y_test = (labels.reshape(1, -1).astype(float) for labels in (train_labels, test_labels))
    return X_train, Y_train, X_test, Y_test


def flower(m, rng):
    """Return points on the petals of a flower in the plane, and their classes, which alternate from petal to petal."""
    angle = rng.uniform(0, 2 * np.pi, m)
    radius = 4 * np.abs(np.sin(3 * angle)) + 0.2 * rng.standard_normal(m)
    petal = np.floor(angle / (np.pi / 3)).astype(int)
    X = np.stack([radius * np.cos(angle), radius * np.sin(angle)])
    return X, (petal % 2).reshape(1, -1).astype(float)


def plot_costs(costs):
    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    axes.plot(costs)
    axes.set(xlabel="step", ylabel="J", yscale="log", title="cost on the breast-cancer training data")
    figure.savefig(OUT / "cost_curve.png", dpi=150)
    plt.close(figure)


def plot_boundary(X, Y, parameters):
    edge = np.abs(X).max() + 0.5
    line = np.linspace(-edge, edge, 300)
    grid = np.stack([axis.ravel() for axis in np.meshgrid(line, line)])
    with tg.no_grad():
        probability = network(grid, parameters).data.reshape(300, 300)
    figure, axes = plt.subplots(figsize=(5, 5), layout="constrained")
    axes.contourf(line, line, probability, levels=np.linspace(0, 1, 11), cmap="RdBu", alpha=0.6)
    axes.contour(line, line, probability, levels=[0.5], colors="black", linewidths=1)
    for label, marker, color in ((0, "o", "#B5093E"), (1, "^", "#0072B2")):
        axes.scatter(*X[:, Y[0] == label], s=12, marker=marker, color=color, edgecolor="white", linewidth=0.3)
    axes.set(title="the boundary that the network found", aspect="equal")
    figure.savefig(OUT / "decision_boundary.png", dpi=150)
    plt.close(figure)


def main():
    OUT.mkdir(exist_ok=True)
    rng = np.random.default_rng(1)

    X, Y, X_test, Y_test = standardised_breast_cancer_data()
    parameters, costs, J = train(X, Y, 4, 0.5, 1500, "breast cancer", rng)
    print(f"\nJ = {costs[-1]:.4f} after {len(costs)} steps, from {costs[0]:.4f}")
    print(f"accuracy: {accuracy(X, Y, parameters):.1%} on the {X.shape[1]} training examples,", end=" ")
    print(f"{accuracy(X_test, Y_test, parameters):.1%} on the {X_test.shape[1]} held out\n")

    W1, b1, W2, b2 = parameters
    Z1, Z2 = (node for node in tg.toposort(J) if node.name in ("Z1", "Z2"))
    print("a tensor and its gradient always have the same shape:")
    for node in (Z2, W2, b2, Z1, W1, b1):
        print(f"  {node.name} {node.shape!s:10}  d{node.name} {node.grad.shape}")

    picture = tg.draw(J, title="two-layer network on the breast-cancer data")
    for suffix in ("png", "svg", "pdf", "html"):
        picture.save(OUT / f"two_layer_net.{suffix}")
    derivation = tg.derive(J)
    print(f"\n{picture}\n\n{derivation}\n")
    gradients = [equation for equation in derivation if equation.steps]
    worst = max(np.abs(e.value - e.scale * e.tensor.grad).max() for e in gradients)
    print(f"the equations and the engine's gradients (scale · .grad) differ by at most {worst:.0e}\n")
    plot_costs(costs)

    X, Y = flower(400, rng)
    parameters, *_ = train(X, Y, 8, 1.0, 4000, "flower", rng)
    print(f"\naccuracy on the flower: {accuracy(X, Y, parameters):.1%}")
    plot_boundary(X, Y, parameters)
    print("pictures in out/: " + ", ".join(sorted(path.name for path in OUT.iterdir())))


if __name__ == "__main__":
    main()
