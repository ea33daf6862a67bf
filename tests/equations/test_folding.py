"""Repeated layers are printed as one, and what they stand for can be read back."""

import re

import numpy as np
import pytest

import tinygraph as tg
from tinygraph.equations.results import Derivation


def network(layers, rng):
    X, A = tg.Tensor(rng.normal(size=(4, 7)), name="X"), None
    for i in range(1, layers + 1):
        W, b = tg.parameter(rng.normal(size=(4, 4)), name=f"W{i}"), tg.parameter(np.zeros((4, 1)), name=f"b{i}")
        Z = W @ (X if A is None else A) + b
        Z.name = f"Z{i}"
        A = tg.tanh(Z)
        A.name = f"A{i}"
    J = tg.sum(A**2) / 2
    return J


def recurrent_network(steps, rng):
    W, U = tg.parameter(rng.normal(size=(2, 2))), tg.parameter(rng.normal(size=(2, 3)))
    h = tg.Tensor(rng.normal(size=(2, 1)), name="h0")
    for t in range(1, steps + 1):
        x = tg.Tensor(rng.normal(size=(3, 1)), name=f"x{t}")
        h = tg.tanh(W @ h + U @ x)
        h.name = f"h{t}"
    L = tg.sum((h - 1) ** 2) / 2
    return L


def unfolded(text):
    """The equations that a printed derivation stands for, by putting numbers in for l."""
    found, group, numbers = [], [], None
    for line in [*text.splitlines()[2:], "end"]:
        if numbers is not None and not line.startswith("  "):
            found += [re.sub(r"\[([^\]]*l[^\]]*)\]", lambda m: put(m[1], i), x) for i in numbers for x in group]  # noqa: B023
            group, numbers = [], None
        if header := re.fullmatch(r"l = (\d+)…(\d+):", line):
            first, last = int(header[1]), int(header[2])
            numbers = range(first, last + 1) if last > first else range(first, last - 1, -1)
        elif numbers is not None:
            group.append(equation(line))
        else:
            found.append(equation(line))
    return found[:-1]


def equation(line):
    return re.split(r"\s{3,}", line.strip())[0]


def put(index, layer):
    index = re.sub(r"(\d)l", r"\1*l", index).replace("−", "-")
    return str(eval(index, {"l": layer}))


MODELS = {"a deep network": network, "a recurrent network": recurrent_network}


@pytest.mark.parametrize("count", [2, 3, 4, 5, 6, 12])
@pytest.mark.parametrize("model", MODELS)
def test_the_folded_text_stands_for_every_equation(model, count, rng):
    derivation = tg.derive(MODELS[model](count, rng))
    assert unfolded(str(derivation)) == [e.text for e in derivation]
    lines = len(str(derivation).splitlines())
    assert lines <= 22 or count < 6


def test_twelve_layers_are_as_long_as_one(rng):
    assert str(tg.derive(network(12, rng))) == TWELVE


TWELVE = """\
dV is the derivative of the output with respect to V

Z1 = W1 X + b1                            (4, 7)
A1 = tanh(Z1)                             (4, 7)
l = 2…12:
  Z[l] = W[l] A[l−1] + b[l]               (4, 7)
  A[l] = tanh(Z[l])                       (4, 7)
J = (Σ A12²) / 2                          scalar
dZ12 = A12 − A12³                         (4, 7)
l = 12…2:
  dW[l] = dZ[l] A[l−1]ᵀ                   (4, 4)
  db[l] = Σ dZ[l]                         (4, 1)   sum over the 7 columns
  dZ[l−1] = W[l]ᵀ dZ[l] ∗ (1 − A[l−1]²)   (4, 7)
dW1 = dZ1 Xᵀ                              (4, 4)
db1 = Σ dZ1                               (4, 1)   sum over the 7 columns"""


def test_layers_that_differ_are_not_folded(rng):
    X, A = tg.Tensor(rng.normal(size=(4, 7))), None
    for i in range(1, 9):
        W = tg.parameter(rng.normal(size=(4, 4)), name=f"W{i}")
        A = (tg.tanh, tg.relu, tg.sigmoid)[i % 3](W @ (X if A is None else A))
        A.name = f"A{i}"
    J = tg.sum(A**2) / 2
    assert "l =" not in str(tg.derive(J))


def test_a_loop_without_names_is_folded_by_the_numbers_it_is_given(rng):
    A = tg.Tensor(rng.normal(size=(4, 7)))
    for W in [tg.parameter(rng.normal(size=(4, 4))) for _ in range(6)]:
        Z = W @ A
        A = tg.relu(Z)
    J = tg.sum(A**2) / 2
    text = str(tg.derive(J))
    assert "Z[l] = W[l] A[l]" in text


def test_latex_folds_as_well(rng):
    latex = tg.derive(network(12, rng)).latex
    assert r"l &= 2, \ldots, 12" in latex
    assert r"Z^{[l]} &= W^{[l]}\,A^{[l-1]} + b^{[l]}" in latex
    assert len(latex.splitlines()) == 15


def test_every_equation_is_still_there(rng):
    derivation = tg.derive(network(12, rng))
    assert isinstance(derivation, Derivation)
    assert derivation["dW7"].text == "dW7 = dZ7 A6ᵀ"
    assert derivation.source.count("\n") > 60
