"""From the picture to the equations to the numbers: backpropagation through a two-layer net, as the lecture derives it.

    python demos/equations.py

The code below does not contain the equations of the gradients: `derive` works them out from the graph that running the
network recorded, simplifies them, and checks each against the engine.
"""

from pathlib import Path

import numpy as np

import tinygraph as tg

OUT = Path("out")


def cost(X, Y, W1, b1, W2, b2):
    """Return the cost of the lecture's network, with the log loss written out; examples are columns."""
    m = X.shape[1]
    Z1 = W1 @ X + b1
    A1 = tg.tanh(Z1)
    Z2 = W2 @ A1 + b2
    A2 = tg.sigmoid(Z2)
    return -tg.sum(Y * tg.log(A2) + (1 - Y) * tg.log(1 - A2)) / m


def main():
    OUT.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    X = tg.Tensor(rng.normal(size=(2, 400)))
    Y = tg.Tensor((X.data[:1] * X.data[1:] > 0).astype(float))
    W1, b1 = tg.parameter(tg.init.xavier((4, 2), rng)), tg.parameter(np.zeros((4, 1)))
    W2, b2 = tg.parameter(tg.init.xavier((1, 4), rng)), tg.parameter(np.zeros((1, 1)))

    J = cost(X, Y, W1, b1, W2, b2)
    J.backward()
    tg.draw(J).save(OUT / "equations.png")
    print("1. The picture is in out/equations.png. The equations, worked out from the same graph:\n")
    derivation = tg.derive(J)
    print(derivation)

    print("\n2. How da and dz collapse into one step:\n")
    for line, reason in derivation["dZ2"].steps:
        print(f"   {line:<72}   {reason}")

    print("\n3. In separate steps, as the lecture derives them first:\n")
    for equation in tg.derive(J, expand=True):
        if equation.name in ("dA2", "dZ2", "dA1", "dZ1"):
            print(f"   {equation}")

    print("\n4. The equations as NumPy, to paste and run:\n")
    print(derivation.source)
    program = {}
    exec(derivation.source, program)
    by_numpy = program["equations"](X.data, Y.data, W1.data, b1.data, W2.data, b2.data)

    print("5. The numbers agree: equation, pasted NumPy, and scale · .grad of the engine")
    for name, parameter in (("dW2", W2), ("db2", b2), ("dW1", W1), ("db1", b1)):
        equation = derivation[name]
        engine = equation.scale * parameter.grad
        worst = max(np.abs(equation.value - engine).max(), np.abs(by_numpy[name] - engine).max())
        print(f"   {name} {equation.shape!s:8} largest difference {worst:.0e}")
        assert worst < 1e-12


if __name__ == "__main__":
    main()
