"""Make docs/slips.md: the slips that `check_backprop` was tested on, and its answers. Run by `make docs-tables`."""

from pathlib import Path

import numpy as np

import tinygraph as tg

PAGE = Path(__file__).parent / "slips.md"
HEAD = """# Slips of backpropagation by hand

This page is written by `make docs-tables`, and the tests check that it is up to date.

Each row plants one slip in the lecture's two-layer net: in one of its six equations, or in dA2 or dA1. The gradients
after it are computed from the wrong value, as they would be by hand. `tg.check_backprop` gets all gradients, and has to
find the first wrong one and the cause. The third and fourth columns have the cause that it names: in the lecture's net,
where shapes give many slips away, and in a net whose sizes are all equal, so that every slip runs in silence. A "–"
means that the line does not run or makes no difference. The second table has slips with examples as rows.

"""

BY_HAND = {
    "dA2": "-Y / A2 + (1 - Y) / (1 - A2)",
    "dZ2": "A2 - Y",
    "dW2": "dZ2 @ A1.T / m",
    "db2": "np.sum(dZ2, axis=1, keepdims=True) / m",
    "dA1": "W2.T @ dZ2",
    "dZ1": "dA1 * (1 - A1**2)",
    "dW1": "dZ1 @ X.T / m",
    "db1": "np.sum(dZ1, axis=1, keepdims=True) / m",
}
"""The right equations, with examples as columns and g1 = tanh."""

IN_ROWS = BY_HAND | {
    "dW2": "A1.T @ dZ2 / m",
    "db2": "np.sum(dZ2, axis=0) / m",
    "dA1": "dZ2 @ W2.T",
    "dW1": "X.T @ dZ1 / m",
    "db1": "np.sum(dZ1, axis=0) / m",
}

PLANTED = [
    ("sign", "dA2", "Y / A2 - (1 - Y) / (1 - A2)"),
    ("doubled 1/m", "dA2", "(-Y / A2 + (1 - Y) / (1 - A2)) / m"),
    ("sign", "dZ2", "Y - A2"),
    ("doubled 1/m", "dZ2", "(A2 - Y) / m"),
    ("missing g′", "dZ2", "dA2"),
    ("doubled g′", "dZ2", "(A2 - Y) * A2 * (1 - A2)"),
    ("g′ at A", "dZ2", "dA2 * sigmoid(A2) * (1 - sigmoid(A2))"),
    ("Z for A in g′", "dZ2", "dA2 * Z2 * (1 - Z2)"),
    ("wrong activation", "dZ2", "dA2 * (1 - A2**2)"),
    ("wrong activation", "dZ2", "dA2 * (1 - np.tanh(Z2) ** 2)"),
    ("wrong activation", "dZ2", "dA2 * (Z2 > 0)"),
    ("g for g′", "dZ2", "dA2 * A2"),
    ("misremembered g′", "dZ2", "dA2 * (1 - A2)"),
    ("matrix product", "dZ2", "dA2 @ (A2 * (1 - A2))"),
    ("transposed", "dZ2", "(A2 - Y).T"),
    ("something else", "dZ2", "A2"),
    ("missing 1/m", "dW2", "dZ2 @ A1.T"),
    ("doubled 1/m", "dW2", "dZ2 @ A1.T / m / m"),
    ("sign", "dW2", "-dZ2 @ A1.T / m"),
    ("transposed", "dW2", "A1 @ dZ2.T / m"),
    ("transposed factor", "dW2", "dZ2 @ A1 / m"),
    ("swapped factors", "dW2", "A1.T @ dZ2 / m"),
    ("elementwise product", "dW2", "dZ2 * A1 / m"),
    ("elementwise product", "dW2", "dZ2 * A1.T / m"),
    ("wrong factor", "dW2", "dZ2 @ Z1.T / m"),
    ("wrong factor", "dW2", "dZ2 @ X.T / m"),
    ("wrong gradient", "dW2", "dA2 @ A1.T / m"),
    ("missing 1/m, transposed", "dW2", "A1 @ dZ2.T"),
    ("missing sum", "db2", "dZ2 / m"),
    ("wrong axis", "db2", "np.sum(dZ2, axis=0, keepdims=True) / m"),
    ("wrong axis", "db2", "np.sum(dZ2) / m"),
    ("missing keepdims", "db2", "np.sum(dZ2, axis=1) / m"),
    ("missing 1/m", "db2", "np.sum(dZ2, axis=1, keepdims=True)"),
    ("doubled 1/m", "db2", "np.mean(dZ2, axis=1, keepdims=True) / m"),
    ("sign", "db2", "-np.sum(dZ2, axis=1, keepdims=True) / m"),
    ("wrong gradient", "db2", "np.sum(dA2, axis=1, keepdims=True) / m"),
    ("missing sum, missing 1/m", "db2", "dZ2"),
    ("transposed factor", "dA1", "W2 @ dZ2"),
    ("transposed factor", "dA1", "W2.T @ dZ2.T"),
    ("swapped factors", "dA1", "dZ2 @ W2"),
    ("elementwise product", "dA1", "W2.T * dZ2"),
    ("elementwise product", "dA1", "W2 * dZ2"),
    ("sign", "dA1", "-W2.T @ dZ2"),
    ("doubled 1/m", "dA1", "W2.T @ dZ2 / m"),
    ("transposed", "dA1", "dZ2.T @ W2"),
    ("wrong factor", "dA1", "W1.T @ dZ2"),
    ("wrong gradient", "dA1", "W2.T @ dA2"),
    ("missing g′", "dZ1", "dA1"),
    ("misremembered g′", "dZ1", "dA1 * (1 - A1)"),
    ("misremembered g′", "dZ1", "dA1 * (1 + A1**2)"),
    ("doubled g′", "dZ1", "dA1 * (1 - A1**2) ** 2"),
    ("g′ at A", "dZ1", "dA1 * (1 - np.tanh(A1) ** 2)"),
    ("Z for A in g′", "dZ1", "dA1 * (1 - Z1**2)"),
    ("wrong activation", "dZ1", "dA1 * A1 * (1 - A1)"),
    ("wrong activation", "dZ1", "dA1 * sigmoid(Z1) * (1 - sigmoid(Z1))"),
    ("wrong activation", "dZ1", "dA1 * (Z1 > 0)"),
    ("g for g′", "dZ1", "dA1 * A1"),
    ("matrix product", "dZ1", "dA1 @ (1 - A1**2)"),
    ("sign", "dZ1", "-dA1 * (1 - A1**2)"),
    ("doubled 1/m", "dZ1", "dA1 * (1 - A1**2) / m"),
    ("transposed", "dZ1", "(dA1 * (1 - A1**2)).T"),
    ("wrong gradient", "dZ1", "dZ2 * (1 - A1**2)"),
    ("missing 1/m", "dW1", "dZ1 @ X.T"),
    ("doubled 1/m", "dW1", "dZ1 @ X.T / m / m"),
    ("wrong 1/m", "dW1", "dZ1 @ X.T / len(X)"),
    ("sign", "dW1", "-dZ1 @ X.T / m"),
    ("transposed", "dW1", "X @ dZ1.T / m"),
    ("transposed factor", "dW1", "dZ1 @ X / m"),
    ("swapped factors", "dW1", "X.T @ dZ1 / m"),
    ("elementwise product", "dW1", "dZ1 * X / m"),
    ("wrong factor", "dW1", "dZ1 @ A1.T / m"),
    ("wrong gradient", "dW1", "dA1 @ X.T / m"),
    ("missing sum", "db1", "dZ1 / m"),
    ("wrong axis", "db1", "np.sum(dZ1, axis=0, keepdims=True) / m"),
    ("wrong axis", "db1", "np.sum(dZ1) / m"),
    ("missing keepdims", "db1", "np.sum(dZ1, axis=1) / m"),
    ("missing 1/m", "db1", "np.sum(dZ1, axis=1, keepdims=True)"),
    ("doubled 1/m", "db1", "np.mean(dZ1, axis=1, keepdims=True) / m"),
    ("sign", "db1", "-np.sum(dZ1, axis=1, keepdims=True) / m"),
    ("wrong gradient", "db1", "np.sum(dA1, axis=1, keepdims=True) / m"),
]
"""The cause, the gradient, and the equation planted in place of the right one."""

PLANTED_IN_ROWS = [
    ("transposed", "dW2", "dZ2.T @ A1 / m"),
    ("elementwise product", "dW2", "A1 * dZ2 / m"),
    ("wrong axis", "db2", "np.sum(dZ2, axis=1) / m"),
    ("needless keepdims", "db2", "np.sum(dZ2, axis=0, keepdims=True) / m"),
    ("missing sum", "db2", "dZ2 / m"),
    ("transposed factor", "dA1", "dZ2 @ W2"),
    ("missing g′", "dZ1", "dA1"),
    ("missing 1/m", "dW1", "X.T @ dZ1"),
    ("wrong axis", "db1", "np.sum(dZ1, axis=1) / m"),
    ("needless keepdims", "db1", "np.sum(dZ1, axis=0, keepdims=True) / m"),
]


def network(n0, n1, n2, m, rows=False):
    """Return the cost of the net, with its graph, and the values of the net as arrays by name."""
    rng = np.random.default_rng(2)

    def normal(*shape):
        return rng.normal(size=shape[::-1] if rows else shape)

    X, Y = tg.Tensor(normal(n0, m)), tg.Tensor((normal(n2, m) > 0).astype(float))
    W1, b1 = tg.parameter(normal(n1, n0)), tg.parameter(rng.normal(size=n1) if rows else normal(n1, 1))
    W2, b2 = tg.parameter(normal(n2, n1)), tg.parameter(rng.normal(size=n2) if rows else normal(n2, 1))
    Z1 = X @ W1 + b1 if rows else W1 @ X + b1
    A1 = tg.tanh(Z1)
    Z2 = A1 @ W2 + b2 if rows else W2 @ A1 + b2
    A2 = tg.sigmoid(Z2)
    J = tg.log_loss(A2, Y, reduction="sum") / m
    arrays = {name: value.data for name, value in locals().items() if isinstance(value, tg.Tensor)}
    return J, {**arrays, "m": m, "np": np, "sigmoid": lambda z: 1 / (1 + np.exp(-z))}


def by_hand(equations, arrays):
    """Return the gradients by name, each computed from those before it; those whose shapes do not fit are left out."""
    found = {}
    for name, right in equations.items():
        try:
            found[name] = eval(right, {**arrays, **found})
        except (ValueError, NameError):  # shapes do not fit, or an earlier gradient is missing
            continue
    return found


def tried(slip, net, equations):
    """Return the report of `check_backprop` on a slip, or None if the line does not run or makes no difference."""
    _, name, planted = slip
    J, arrays = net
    right, wrong = by_hand(equations, arrays), by_hand({**equations, name: planted}, arrays)
    if name not in wrong or np.array_equal(wrong[name], right[name]) or _close(wrong[name], right[name]):
        return None
    return tg.check_backprop(J, **wrong)


def _close(x, y):
    return np.shape(x) == np.shape(y) and np.allclose(x, y, rtol=1e-12, atol=1e-15)


def outcomes():
    """Yield for columns and for rows a list of each slip with its reports in the lecture's net and in a square one."""
    for planted, equations, rows in (PLANTED, BY_HAND, False), (PLANTED_IN_ROWS, IN_ROWS, True):
        lecture, square = network(2, 4, 1, 7, rows), network(3, 3, 3, 3, rows)
        yield [(slip, tried(slip, lecture, equations), tried(slip, square, equations)) for slip in planted]


def cell(report):
    """Return the cause that a report names, or "–" without a report."""
    return "–" if report is None else report.cause


def table(tables):
    """Return the text of the page."""
    text = HEAD
    for title, slips in zip(("in columns", "in rows"), tables, strict=True):
        text += f"| {title} | planted | n = 2, 4, 1, m = 7 | n = m = 3 | what it says |\n|---|---|---|---|---|\n"
        for (_, name, planted), lecture, square in slips:
            report = lecture or square
            text += f"| {name} | `{planted}` | {cell(lecture)} | {cell(square)} | {report[report.first]} |\n"
        text += "\n"
    return text.rstrip("\n") + "\n"
