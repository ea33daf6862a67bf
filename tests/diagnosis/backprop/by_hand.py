"""Random networks with their gradients by hand, in NumPy, each time by one of several formulas."""

from itertools import pairwise

import numpy as np

import tinygraph as tg


def _sigmoid(z):
    return 1 / (1 + np.exp(-z))


# each with formulas for its derivative
HIDDEN = {
    "tanh": (lambda z, a: 1 - a**2, lambda z, a: 1 / np.cosh(z) ** 2, lambda z, a: (1 - a) * (1 + a)),
    "sigmoid": (lambda z, a: a * (1 - a), lambda z, a: np.exp(-z) / (1 + np.exp(-z)) ** 2),
    "relu": (lambda z, a: z > 0, lambda z, a: (a > 0).astype(a.dtype)),
    "leaky_relu": (
        lambda z, a: np.where(z > 0, 1, 0.01).astype(a.dtype),
        lambda z, a: 0.01 + z.dtype.type(0.99) * (z > 0),
    ),
    "softplus": (lambda z, a: _sigmoid(z), lambda z, a: 1 - np.exp(-a)),
}
LOSSES = ("log loss", "mean log loss", "log loss written out", "softmax", "cross entropy", "squares")


class Net:
    """A random network: `J`, and its gradients by name, exact or as the lecture has them."""

    def __init__(self, seed):
        rng = np.random.default_rng(seed)
        self.rng, self.rows = rng, bool(rng.integers(2))
        self.depth, self.m = int(rng.integers(1, 5)), int(rng.integers(1, 8))
        self.loss = LOSSES[rng.integers(len(LOSSES))]
        self.dtype = (np.float32, np.float64)[rng.integers(2)]
        widths = rng.integers(1, 5, self.depth + 1)
        if self.loss == "mean log loss":
            widths[-1] = 1
        self.size = float(10.0 ** rng.integers(-3, 2))
        self.hidden = [list(HIDDEN)[rng.integers(len(HIDDEN))] for _ in widths[1:-1]]
        self.labels = rng.integers(0, widths[-1], self.m)
        one_hot = np.eye(widths[-1])[self.labels].T
        Y = one_hot if self.loss in ("softmax", "cross entropy") else (rng.random(one_hot.shape) > 0.5)
        self.arrays = {"A0": self.normal(widths[0], self.m), "Y": Y.astype(self.dtype)}
        for i, (n, k) in enumerate(pairwise(widths), start=1):
            self.arrays |= {f"W{i}": self.normal(k, n), f"b{i}": self.normal(k, 1)}
        self.J = self.recorded()
        self.values = {x.name: self.turned(x.name, x.data) for x in tg.toposort(self.J) if x.name}

    def normal(self, *shape):
        return (self.size * self.rng.normal(size=shape)).astype(self.dtype)

    def turned(self, name, array):
        """From columns to the shape of the recorded net and back: in rows, a bias is a vector."""
        if not self.rows:
            return array
        if name[0] == "b":
            return array[:, 0] if array.ndim == 2 else array[:, None]
        return array.T

    def recorded(self):
        tensors = {
            name: tg.Tensor(self.turned(name, array), requires_grad=name[0] in "Wb", name=name)
            for name, array in self.arrays.items()
        }
        A, Y, m, axis = tensors["A0"], tensors["Y"], self.m, int(self.rows)
        for i in range(1, self.depth + 1):
            W, b = tensors[f"W{i}"], tensors[f"b{i}"]
            Z = A @ W + b if self.rows else W @ A + b
            Z.name = f"Z{i}"
            if i < self.depth:
                A = getattr(tg, self.hidden[i - 1])(Z)
                A.name = f"A{i}"
        if self.loss == "squares":
            J = tg.sum((Z - Y) ** 2) / m
        elif self.loss == "cross entropy":
            J = tg.cross_entropy(Z, self.labels, axis=axis)
        else:
            A = tg.softmax(Z, axis=axis) if self.loss == "softmax" else tg.sigmoid(Z)
            A.name = f"A{self.depth}"
            if self.loss == "softmax":
                J = -tg.sum(Y * tg.log(A)) / m
            elif self.loss == "log loss written out":
                J = -tg.sum(Y * tg.log(A) + (1 - Y) * tg.log(1 - A)) / m
            else:
                J = tg.log_loss(A, Y) if self.loss == "mean log loss" else tg.log_loss(A, Y, reduction="sum") / m
        return J

    def gradients(self, convention):
        """By hand, in columns, with NumPy, and then in the shape of the net."""
        v, m, Y = self.values, self.m, self.arrays["Y"]
        spent = m if convention == "lecture" and m > 2 else 1  # 1 and 2 are no counts of examples for derive
        ahead = 1 if spent == m else 1 / m
        found = {}
        for i in range(self.depth, 0, -1):
            Z, A = v[f"Z{i}"], v.get(f"A{i}")
            if i < self.depth:
                found[f"dA{i}"] = v[f"W{i + 1}"].T @ found[f"dZ{i + 1}"]
                formulas = HIDDEN[self.hidden[i - 1]]
                found[f"dZ{i}"] = found[f"dA{i}"] * formulas[self.rng.integers(len(formulas))](Z, A)
            else:
                found |= self.of_the_output(Z, A, Y, ahead)
            dZ, A_before = found[f"dZ{i}"], v[f"A{i - 1}"]
            if self.rng.integers(2):
                found[f"dW{i}"] = dZ @ A_before.T / (m if ahead == 1 and spent == m else 1)
            else:  # example by example, with 1/m inside
                parts = zip(dZ.T, A_before.T, strict=True)
                found[f"dW{i}"] = sum(np.outer(z, a) * (1 / m if ahead == 1 and spent == m else 1) for z, a in parts)
            db = np.sum(dZ, axis=1, keepdims=True)
            found[f"db{i}"] = db / m if ahead == 1 and spent == m else db
        return {name: self.turned(name[1:], np.asarray(g)) for name, g in found.items()}

    def of_the_output(self, Z, A, Y, ahead):
        found, name = {}, f"dA{self.depth}"
        if self.loss == "squares":
            dZ = 2 * (Z - Y)
        elif self.loss == "cross entropy":
            S = np.exp(Z - Z.max(axis=0))
            dZ = S / S.sum(axis=0) - Y
        else:
            dA = -Y / A if self.loss == "softmax" else -Y / A + (1 - Y) / (1 - A)
            found[name] = dA * ahead
            dZ = A - Y
            if self.rng.integers(2) and self.size <= 1:
                dZ = A * (dA - np.sum(dA * A, axis=0)) if self.loss == "softmax" else dA * A * (1 - A)
        found[f"dZ{self.depth}"] = dZ * ahead
        return found
