"""Each slip, planted in the lecture's net, is found and named; and others elsewhere."""

import importlib
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import tinygraph as tg

DOCS = Path(__file__).parents[3] / "docs"

# with one output unit, a sum over it is none, and one over everything is the right one
SAME = {
    ("wrong axis", "np.sum(dZ2, axis=0, keepdims=True) / m"): "missing sum",
    ("wrong axis", "np.sum(dZ2) / m"): "missing keepdims",
}


@pytest.fixture(scope="module")
def page():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(DOCS))
        return importlib.import_module("slips")


@pytest.fixture(scope="module")
def outcomes(page):
    return list(page.outcomes())


def test_each_planted_slip_is_found_first_and_named(outcomes):
    for (cause, name, planted), lecture, square in (row for table in outcomes for row in table):
        assert lecture is not None or square is not None, planted
        for report, named in (lecture, SAME.get((cause, planted), cause)), (square, cause):
            if report is not None:
                assert (report.first, report.cause) == (name, named), planted
                mistakes = [c.name for c in report if c.verdict == "wrong"]
                assert mistakes == [name], planted  # the rest agrees, or follows


def test_the_page_of_slips_is_up_to_date(page, outcomes):
    assert page.table(outcomes) == page.PAGE.read_text(encoding="utf-8"), "run `make docs-tables`"


def cause(J, **given):
    report = tg.check_backprop(J, **given)
    return report.first, report.cause


def test_softmax_is_not_derived_as_if_it_were_a_sigmoid(rng):
    W, X, Y = tg.parameter(rng.normal(size=(3, 2))), rng.normal(size=(2, 5)), np.eye(3)[[0, 1, 2, 0, 1]].T
    Z = W @ X
    S = tg.softmax(Z, axis=0)
    J = -tg.sum(Y * tg.log(S)) / 5
    dS = -Y / S.data / 5
    assert tg.check_backprop(J, dS=dS, dZ=(S.data - Y) / 5, convention="exact").ok
    wrong = tg.check_backprop(J, dS=dS, dZ=dS * S.data * (1 - S.data), convention="exact")
    assert (wrong.first, wrong.cause) == ("dZ", "wrong activation")
    assert "σ′(Z)" in wrong["dZ"].explanation


@pytest.mark.parametrize("axis", [0, 1])
def test_cross_entropy_in_columns_and_rows(axis, rng):
    W, X, y = rng.normal(size=(3, 2)), rng.normal(size=(2, 5)), np.array([0, 1, 2, 0, 1])
    W, X = tg.parameter(W if axis == 0 else W.T), X if axis == 0 else X.T
    Z = W @ X if axis == 0 else X @ W
    J = tg.cross_entropy(Z, y, axis=axis)
    Y = np.eye(3)[y].T if axis == 0 else np.eye(3)[y]
    S = np.exp(Z.data) / np.exp(Z.data).sum(axis, keepdims=True)
    dZ = S - Y
    dW = dZ @ X.T / 5 if axis == 0 else X.T @ dZ / 5
    assert tg.check_backprop(J, dZ=dZ, dW=dW).ok
    assert cause(J, dZ=-dZ, dW=-dW) == ("dZ", "sign")
    assert cause(J, dZ=dZ, dW=5 * dW) == ("dW", "missing 1/m")
    assert cause(J, dZ=dZ, dW=dW.T) == ("dW", "transposed")


def test_logistic_regression_as_the_lecture_writes_it(rng):
    w, b = tg.parameter(rng.normal(size=(3, 1))), tg.parameter(0.0)
    X, Y, m = rng.normal(size=(3, 6)), (rng.random((1, 6)) > 0.5).astype(float), 6
    Z = w.T @ X + b
    A = tg.sigmoid(Z)
    J = tg.log_loss(A, Y)
    dZ = A.data - Y
    assert tg.check_backprop(J, dZ=dZ, dw=X @ dZ.T / m, db=dZ.sum() / m).ok
    assert cause(J, dZ=dZ, dw=dZ @ X.T / m) == ("dw", "transposed")
    assert cause(J, dZ=dZ, db=dZ / m) == ("db", "missing sum")
    assert cause(J, dZ=dZ, db=dZ.sum()) == ("db", "missing 1/m")
    assert cause(J, dZ=dZ, db=dZ.sum(keepdims=True) / m) == ("db", "needless keepdims")


def test_one_example(rng):
    W, b, x = tg.parameter(rng.normal(size=(3, 2))), tg.parameter(rng.normal(size=(3, 1))), rng.normal(size=(2, 1))
    z = W @ x + b
    a = tg.tanh(z)
    L = tg.sum((a - 1.0) ** 2) / 2
    da = a.data - 1
    dz = da * (1 - a.data**2)
    assert tg.check_backprop(L, da=da, dz=dz, dW=dz @ x.T, db=dz).ok
    assert cause(L, da=da, dz=dz, dW=x @ dz.T, db=dz) == ("dW", "transposed")
    assert cause(L, da=da, dz=dz, db=dz[:, 0]) == ("db", "missing keepdims")
    assert cause(L, da=2 * da) == ("da", "factor 2")


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "relu", "leaky_relu", "softplus"])
def test_every_hidden_activation(name, rng):
    W, X, V, Y = tg.parameter(rng.normal(size=(4, 3))), rng.normal(size=(3, 6)), rng.normal(size=(2, 4)), 1.0
    Z = W @ X
    A = getattr(tg, name)(Z)
    J = tg.sum((V @ A - Y) ** 2) / 2
    dA, dZ, dW = (g.data for g in tg.gradients(J, [A, Z, W]))
    assert tg.check_backprop(J, dA=dA, dZ=dZ, dW=dW).ok
    slope = dZ / dA
    assert cause(J, dA=dA, dZ=dA, dW=dA @ X.T) == ("dZ", "missing g′")
    others = {"tanh": 1 - np.tanh(Z.data) ** 2, "relu": (Z.data > 0).astype(float)}
    for other in (others[x] for x in others if x != name):
        assert cause(J, dA=dA, dZ=dA * other, dW=dA * other @ X.T) == ("dZ", "wrong activation")
    if name not in ("relu", "leaky_relu"):
        assert cause(J, dA=dA, dZ=dZ * slope, dW=dZ * slope @ X.T) == ("dZ", "doubled g′")


@pytest.mark.parametrize(("name", "slope"), [("relu", 1.0), ("relu", 0.5), ("leaky_relu", 1.0), ("abs", 1.0)])
def test_the_derivative_at_a_kink_is_no_slip(name, slope, rng):
    W, X = tg.parameter(rng.normal(size=(4, 3))), np.hstack([np.zeros((3, 2)), rng.normal(size=(3, 2))])
    Z = W @ X  # 0 in two columns
    A = getattr(tg, name)(Z)
    J = tg.sum((A - 1.0) ** 2) / 2
    dA = A.data - 1
    dZ = np.where(Z.data == 0, slope * dA, tg.gradients(J, Z).data)
    report = tg.check_backprop(J, dZ=dZ, dW=dZ @ X.T)
    assert report.ok
    assert report["dZ"].cause == "kink"
    assert "dZ   agrees, except where Z is 0 and " in str(report)


def test_three_layers_and_a_slip_between_what_was_given(rng):
    """Only dW1 is given, and the slip is in dZ2."""
    sizes, X = (3, 4, 4, 2), rng.normal(size=(3, 6))
    W1, W2, W3 = (tg.parameter(rng.normal(size=(k, n))) for n, k in pairwise(sizes))
    Z1 = W1 @ X
    A1 = tg.sigmoid(Z1)
    Z2 = W2 @ A1
    A2 = tg.tanh(Z2)
    Z3 = W3 @ A2
    J = tg.sum((Z3 - 1.0) ** 2) / 2
    dZ2 = W3.data.T @ (Z3.data - 1)  # without tanh′(Z2)
    dZ1 = W2.data.T @ dZ2 * A1.data * (1 - A1.data)
    report = tg.check_backprop(J, dW1=dZ1 @ X.T)
    assert (report.first, report.cause) == ("dW1", "missing g′")
    assert str(report["dW1"]) == "dW1 comes from a dZ2 that lacks the factor tanh′(Z2)"


def test_one_of_several_paths_is_forgotten(rng):
    W, X, lam = tg.parameter(rng.normal(size=(2, 3))), rng.normal(size=(3, 5)), 0.1
    Z = W @ X
    R = tg.sum(W**2)
    J = tg.sum(Z**2) / 2 + lam * R
    report = tg.check_backprop(J, dZ=Z.data, dW=Z.data @ X.T)
    assert (report.first, report.cause) == ("dW", "missing path")
    assert "lacks the contribution that comes back through W**2" in str(report)


def test_the_wrong_factor_of_a_product_element_by_element(rng):
    gamma, x = tg.parameter(rng.normal(size=4)), tg.parameter(rng.normal(size=(5, 4)))
    y = gamma * x
    J = tg.sum(y * y)
    dy = 2 * y.data
    assert tg.check_backprop(J, dy=dy, dgamma=(dy * x.data).sum(0), dx=dy * gamma.data).ok
    assert cause(J, dy=dy, dgamma=dy * x.data) == ("dgamma", "missing sum")
    assert cause(J, dy=dy, dgamma=dy.sum(0)) == ("dgamma", "missing factor")
    assert cause(J, dy=dy, dx=dy * x.data) == ("dx", "wrong factor")


def test_what_no_slip_explains_is_said_to_be_so(rng):
    w = tg.parameter(rng.normal(size=(2, 3)))
    J = tg.sum(w * w)
    report = tg.check_backprop(J, dw=2 * w.data + rng.normal(size=(2, 3)))
    assert report.cause == "unknown"
    assert str(report).startswith("dw is wrong, but not by one of the usual slips")
    assert tg.check_backprop(J, dw=3.7 * w.data).cause == "factor"


def test_the_gradient_of_something_else(rng):
    U, V = tg.parameter(rng.normal(size=(3, 3))), tg.parameter(rng.normal(size=(3, 3)))
    P = U @ V
    J = tg.sum(P * P)
    dV = tg.gradients(J, V).data
    report = tg.check_backprop(J, dU=dV, dV=dV)
    assert str(report["dU"]) == "dU is dV"


def test_every_slip_of_the_tables_is_tried_somewhere(outcomes):
    from tinygraph.diagnosis.backprop.slips import LAST, OF_GRADIENTS, OF_STEPS

    planted = {cause for table in outcomes for (cause, *_), *_ in table}
    others = {"kink", "zero", "factor 2", "missing factor", "missing path"}  # above
    assert {slip.cause for slip in (*OF_GRADIENTS, *OF_STEPS, *LAST)} <= planted | others
