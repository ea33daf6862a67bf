"""What was computed by hand is compared with what is right, and nobody is accused who has made no mistake."""

import numpy as np
import pytest
from by_hand import Net
from graphs import random_graph
from textbook import MODELS, two_layers_with_tanh

import tinygraph as tg
from tinygraph.equations.derivation import Deriver
from tinygraph.reading import Reading
from tinygraph.testing.laws import applied, consistent, records, samples
from tinygraph.writing.names import names_of

pytestmark = pytest.mark.filterwarnings("ignore::tinygraph.BroadcastWarning")


def lecture(rng, m=8, rows=False):
    """The two-layer net, and its gradients by hand in the lecture's convention."""
    X, Y = rng.normal(size=(2, m)), (rng.random((1, m)) > 0.5).astype(float)
    W1, b1 = tg.parameter(rng.normal(size=(4, 2))), tg.parameter(rng.normal(size=(4, 1)))
    W2, b2 = tg.parameter(rng.normal(size=(1, 4))), tg.parameter(rng.normal(size=(1, 1)))
    Z1 = W1 @ X + b1
    A1 = tg.tanh(Z1)
    Z2 = W2 @ A1 + b2
    A2 = tg.sigmoid(Z2)
    J = tg.log_loss(A2, Y)

    def by_hand(change=None, to=None):
        dZ2 = A2.data - Y
        found = {"dZ2": to(dZ2) if change == "dZ2" else dZ2}
        dZ2 = found["dZ2"]
        found |= {"dW2": dZ2 @ A1.data.T / m, "db2": dZ2.sum(1, keepdims=True) / m}
        dZ1 = W2.data.T @ dZ2 * (1 - A1.data**2)
        dZ1 = to(dZ1) if change == "dZ1" else dZ1
        found |= {"dZ1": dZ1, "dW1": dZ1 @ X.T / m, "db1": dZ1.sum(1, keepdims=True) / m}
        if change in ("dW2", "db2", "dW1", "db1"):
            found[change] = to(found[change])
        return found

    return J, by_hand


def verdicts(report):
    return {comparison.name: comparison.verdict for comparison in report}


def exact(found, m):
    return {name: g / m if name[1] in "ZA" else g for name, g in found.items()}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_no_correct_gradient_is_accused_in_a_thousand_random_nets():
    for seed in range(1000):
        net = Net(seed)
        convention = ("lecture", "exact")[net.rng.integers(2)]
        found = net.gradients(convention)
        names = net.rng.permutation([name for name in found if np.isfinite(found[name]).all()])
        given = {name: found[name] for name in names[: net.rng.integers(1, len(found) + 1)]}
        if given:
            report = tg.check_backprop(net.J, **given, convention=convention)
            assert report.ok, f"{seed}: {report}"
            assert report.convention == convention
            assert report.first is report.cause is None


@pytest.mark.parametrize("seed", range(40))
def test_any_graph_can_be_checked(seed):
    """Also where much has no name, or what is derived is long: the first that is wrong is found."""
    J = random_graph(seed)
    rng = np.random.default_rng(seed)
    names = {x: name for x, name in names_of(tg.toposort(J)).items() if x.dtype.kind == "f" and x.requires_grad}
    if J.op is None or not names:
        pytest.skip("nothing to differentiate")
    found = {f"d{names[x]}": g.data for x, g in zip(names, tg.gradients(J, list(names)), strict=True)}
    assert tg.check_backprop(J, found, convention="exact").ok
    for name, g in found.items():
        report = tg.check_backprop(J, {**found, name: g + 0.1 * rng.normal(size=g.shape)}, convention="exact")
        assert report.first == name
        assert f"{name:<{max(map(len, found))}}   wrong: " in str(report)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_any_op_may_be_on_the_way(rng):
    for record in records():
        for inputs, params in list(samples(record))[:1]:
            xs = [tg.Tensor(x, x.dtype.kind == "f", f"x{i}") for i, x in enumerate(inputs)]
            y = applied(record, consistent(record, xs), params)
            J = tg.sum(y * rng.normal(size=y.shape))
            x = next((x for x in tg.toposort(J) if x.op is None and x.requires_grad), None)
            if J.requires_grad and x is not None and x.size:
                dx = tg.gradients(J, x).data
                assert tg.check_backprop(J, {f"d{x.name}": dx}, convention="exact").ok, record.name
                wrong = tg.check_backprop(J, {f"d{x.name}": dx + rng.normal(size=x.shape)}, convention="exact")
                assert wrong.first == f"d{x.name}", record.name


def test_the_order_is_that_of_the_lecture(rng):
    J, by_hand = lecture(rng)
    given = dict(reversed(by_hand().items()))
    assert [c.name for c in tg.check_backprop(J, given)] == ["dZ2", "dW2", "db2", "dZ1", "dW1", "db1"]


def test_nothing_is_touched(rng):
    J, by_hand = lecture(rng)
    tg.check_backprop(J, **by_hand("dZ1", np.negative))
    assert all(node.grad is None for node in tg.toposort(J))
    J.backward()
    before = [node.grad for node in tg.toposort(J)]
    tg.check_backprop(J, **by_hand("dZ1", np.negative))
    assert all(node.grad is g for node, g in zip(tg.toposort(J), before, strict=True))
    with tg.no_grad():
        assert tg.check_backprop(J, **by_hand("dZ1", np.negative)).first == "dZ1"


def test_what_comes_after_an_error_is_right_if_it_follows_from_it(rng):
    J, by_hand = lecture(rng)
    report = tg.check_backprop(J, **by_hand("dZ2", np.negative))
    assert verdicts(report) == {"dZ2": "wrong"} | dict.fromkeys(("dW2", "db2", "dZ1", "dW1", "db1"), "follows")
    assert str(report["dW2"]) == "dW2 follows from your dZ2"
    assert str(report["dW1"]) == "dW1 follows from your dZ1"


def test_what_comes_after_an_error_may_be_wrong_too(rng):
    J, by_hand = lecture(rng)
    given = by_hand("dZ2", np.negative)
    report = tg.check_backprop(J, **{**given, "dW1": given["dW1"].T})
    assert report.first == "dZ2"
    assert (report["dW1"].verdict, report["dW1"].cause) == ("wrong", "transposed")
    assert "dW1   wrong too; it is transposed" in str(report)


def test_what_comes_after_an_error_may_be_right(rng):
    J, by_hand = lecture(rng)
    right = by_hand()
    report = tg.check_backprop(J, **{**right, "dZ2": -right["dZ2"]})
    assert verdicts(report) == {"dZ2": "wrong"} | dict.fromkeys(("dW2", "db2", "dZ1", "dW1", "db1"), "agrees")


def test_after_a_wrong_shape_nothing_can_be_said(rng):
    J, by_hand = lecture(rng)
    given = by_hand("dZ1", np.negative)
    report = tg.check_backprop(J, **{**given, "dZ1": given["dZ1"].T})
    assert report.first == "dZ1"
    assert report["dW1"].verdict == "follows"
    assert str(report["dW1"]) == "dW1 can be checked only once you have corrected dZ1"


@pytest.mark.parametrize("asked", ["lecture", "exact"])
def test_the_other_convention_is_said_in_words(asked, rng):
    J, by_hand = lecture(rng)
    given = by_hand() if asked == "exact" else exact(by_hand(), 8)
    report = tg.check_backprop(J, **given, convention=asked)
    assert report.ok
    assert report.convention != asked
    what = "m times ∂J/∂V" if asked == "exact" else "the gradient of each example's loss divided by m"
    assert f'dZ2 and dZ1 are {what}: that is convention="{report.convention}"' in str(report)


def test_a_slip_in_the_other_convention_is_found(rng):
    J, by_hand = lecture(rng)
    given = exact(by_hand("dZ1", np.negative), 8)
    report = tg.check_backprop(J, **given)
    assert (report.convention, report.first, report.cause) == ("exact", "dZ1", "sign")
    assert report["dZ1"].expected == pytest.approx(exact(by_hand(), 8)["dZ1"])


def test_a_factor_that_all_results_share_is_a_convention_too(rng):
    """Where equations have no 1/m in common: here it is 1/(2 m)."""
    W, X, Y = tg.parameter(rng.normal(size=(2, 3))), tg.Tensor(rng.normal(size=(3, 5))), rng.normal(size=(2, 5))
    Z = W @ X
    J = tg.mse(Z, Y)
    dZ = 2 * (Z.data - Y) / 2
    report = tg.check_backprop(J, dZ=dZ, dW=dZ @ X.data.T / 5)
    assert report.ok
    assert "dZ is 5 times ∂J/∂V" in str(report)
    assert tg.check_backprop(J, dZ=dZ).cause == "missing 1/m"


@pytest.mark.parametrize("model", MODELS)
def test_scales_without_equations_are_those_of_the_equations(model, rng):
    J = MODELS[model](rng)
    J = J[0] if isinstance(J, tuple) else J
    reading = Reading(tg.toposort(J))
    scales, derivation = Deriver(reading, set(reading.parameters)).scales(), tg.derive(J)
    for equation in derivation:
        if equation.steps and equation.tensor.op is not None:
            assert scales.get(equation.tensor, 1.0) == equation.scale
    for node, scale in derivation.scales.items():
        if node is not J and node.op is not None and node in reading.shown:
            assert scales.get(node, 1.0) == scale


# -- rounding ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1e-9, 1.0, 1e9])
def test_size_makes_nothing_right_and_nothing_wrong(size, rng):
    w, x = tg.parameter(rng.normal(size=4)), size * rng.normal(size=4)
    J = tg.sum(w * x)
    assert tg.check_backprop(J, dw=x * (1 + 1e-15)).ok
    assert not tg.check_backprop(J, dw=x * (1 + 1e-6)).ok
    assert not tg.check_backprop(J, dw=np.zeros(4)).ok
    assert tg.check_backprop(J, dw=np.zeros(4)).cause == "zero"


def test_one_small_element_that_is_wrong_counts():
    w = tg.parameter([1.0, 1.0])
    J = tg.sum(w * np.array([1.0, 1e-9]))
    report = tg.check_backprop(J, dw=[1.0, 2e-9])
    assert report.first == "dw"
    assert report["dw"].index == (1,)
    assert report["dw"].error == pytest.approx(1e-9)


def test_what_rounding_leaves_of_sums_that_cancel_is_no_error(rng):
    """At a minimum, gradients are only what has been rounded."""
    X = rng.normal(size=(50, 3))
    y = X @ np.array([1.0, 2.0, 3.0]) + rng.normal(size=50)
    w = tg.parameter(np.linalg.lstsq(X, y, rcond=None)[0])
    J = tg.mean((X @ w - y) ** 2)
    residuals = X @ w.data - y
    dw = sum(2 / 50 * r * x for r, x in zip(residuals, X, strict=True))
    assert not np.allclose(dw, tg.gradients(J, w).data, rtol=1e-3, atol=0)
    assert tg.check_backprop(J, dw=dw).ok
    assert not tg.check_backprop(J, dw=dw + 1e-9).ok


def test_saturated_units_are_no_error(rng):
    z = np.array([[-30.0, -20.0, 20.0, 30.0, 36.0]])
    Z = tg.parameter(z)
    A = tg.sigmoid(Z)
    J = tg.log_loss(A, np.array([[0.0, 1.0, 1.0, 0.0, 0.0]]), reduction="sum")
    a = 1 / (1 + np.exp(-z))
    dA = -np.array([[0.0, 1.0, 1.0, 0.0, 0.0]]) / a + np.array([[1.0, 0.0, 0.0, 1.0, 1.0]]) / (1 - a)
    assert tg.check_backprop(J, dA=dA, dZ=dA * a * (1 - a)).ok


def test_float32_is_compared_as_such(rng):
    J, by_hand = lecture(rng)
    narrow = {name: g.astype(np.float32) for name, g in by_hand().items()}
    assert tg.check_backprop(J, **narrow).ok
    assert tg.check_backprop(J, **{name: g.astype(float) for name, g in narrow.items()}).ok
    assert not tg.check_backprop(J, **{**narrow, "dW2": narrow["dW2"] * np.float32(1.01)}).ok


def test_what_is_not_finite_is_wrong_where_it_should_be(rng):
    J, by_hand = lecture(rng)
    given = by_hand("dW2", lambda g: np.where(g == g[0, 0], np.nan, g))
    report = tg.check_backprop(J, **given)
    assert (report.first, report.cause, report["dW2"].index) == ("dW2", "not finite", (0, 0))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_where_the_graph_has_no_finite_gradient_nothing_is_wrong():
    A, Y = tg.parameter([[0.5, 0.0]]), np.array([[1.0, 0.0]])
    J = -tg.sum(Y * tg.log(A))
    report = tg.check_backprop(J, dA=[[-2.0, 0.0]])
    assert report.ok
    assert str(report["dA"]) == "dA agrees where the gradient of the graph is finite"


# -- what may be given ---------------------------------------------------------------------------------------------


def test_names_that_are_no_identifiers_are_given_in_a_dict(rng):
    z = tg.parameter(rng.normal(size=3), name="z")
    other = tg.tanh(z)
    other.name = "z"
    J = tg.sum(other)
    report = tg.check_backprop(J, {"dz₂": np.ones(3)}, **{"dz₁": 1 - other.data**2})
    assert [c.name for c in report] == ["dz₂", "dz₁"]
    assert report.ok


def test_tensors_and_lists_are_taken_too():
    w = tg.parameter([1.0, 2.0])
    J = tg.sum(w * w)
    assert tg.check_backprop(J, dw=[2, 4]).ok
    assert tg.check_backprop(J, dw=tg.gradients(J, w)).ok
    assert tg.check_backprop(J, dJ=1.0).ok


def test_the_gradient_of_an_input_is_that_of_a_result(rng):
    J, by_hand = lecture(rng)
    (X,) = (x for x in tg.toposort(J) if x.name is None and x.op is None and x.shape == (2, 8))
    X.name = "X"
    W1 = next(x for x in tg.toposort(J) if x.name == "W1")
    assert tg.check_backprop(J, dX=W1.data.T @ by_hand()["dZ1"]).ok


def test_a_leaf_that_has_changed_since_counts_as_it_was_read(rng):
    J, by_hand = lecture(rng)
    right, wrong = by_hand(), by_hand("dZ1", np.negative)
    W2 = next(x for x in tg.toposort(J) if x.name == "W2")
    W2.data += 1.0
    assert tg.check_backprop(J, **right).ok
    report = tg.check_backprop(J, **wrong)
    assert (report.first, report.cause) == ("dZ1", "sign")


def test_what_cannot_be_compared_is_refused(rng):
    J, by_hand = lecture(rng)
    with pytest.raises(tg.ArgumentError, match=r"no dW3; the gradients here are dJ, dA2, dZ2, .*dW1"):
        tg.check_backprop(J, dW3=1.0)
    with pytest.raises(tg.ArgumentError, match="nothing to compare"):
        tg.check_backprop(J)
    with pytest.raises(tg.ArgumentError, match='"lecture" or "exact"'):
        tg.check_backprop(J, convention="other", **by_hand())
    with pytest.raises(tg.ArgumentError, match="begins at a scalar"):
        tg.check_backprop(J.inputs[0], dW1=1.0)
    with pytest.raises(tg.UnsupportedError, match="does not depend on anything"):
        tg.check_backprop(tg.sum(tg.Tensor([1.0])), dJ=1.0)
    with pytest.raises(tg.DTypeError, match="dW1 holds complex128"):
        tg.check_backprop(J, dW1=np.ones((4, 2), complex))
    with pytest.raises(TypeError, match="not float"):
        tg.check_backprop(1.0, dW1=1.0)


def test_a_deep_graph_is_compared_without_equations():
    x = tg.parameter(1.0)
    y = x
    for _ in range(3_000):
        y = y * 1.0001
    J = y * 1.0
    (dx,) = tg.gradients(J, [x])
    with pytest.raises(tg.ArgumentError, match=r"no dy; the gradients here are dJ, dy₃₀₀₀, .* and 2982 more"):
        tg.check_backprop(J, dy=1.0)
    assert tg.check_backprop(J, {"dx": dx.data, "dy₃₀₀₀": 1.0}).ok
    report = tg.check_backprop(J, {"dx": -dx.data, "dy₃₀₀₀": 1.0})
    assert (report.first, report.cause) == ("dx", "sign")


def test_in_a_textbook_model_the_equation_is_given(rng):
    J = two_layers_with_tanh(rng)
    W2 = next(x for x in tg.toposort(J) if x.name == "W2")
    report = tg.check_backprop(J, dW2=np.zeros(W2.shape))
    assert report["dW2"].equation == "dW2 = (1/m) dZ2 A1ᵀ"


def test_an_equation_that_nobody_reads_is_left_out(rng):
    x, mask = tg.parameter(rng.normal(size=5)), rng.random(5) > 0.5
    y = tg.dropout(x, mask)
    J = tg.sum(y * y)
    dx = tg.gradients(J, x).data
    report = tg.check_backprop(J, dx=-dx)
    assert (report.cause, report["dx"].equation) == ("sign", "")


def test_graphs_with_functions_of_ones_own(rng):
    @tg.custom_gradient
    def doubled(x):
        return x * x, lambda g: g * x * 4

    x, w = tg.parameter(rng.normal(size=3)), tg.parameter(rng.normal(size=3))
    y = doubled(x)
    z = tg.checkpoint(tg.tanh)(w)
    J = tg.sum(tg.concat([y, z]) * 3.0)
    right = {"dx": 12 * x.data, "dw": 3 * (1 - z.data**2)}
    assert tg.check_backprop(J, **right).ok
    assert tg.check_backprop(J, **{**right, "dx": 6 * x.data}).cause == "factor 2"
    assert tg.check_backprop(J, **{**right, "dw": rng.normal(size=3)}).cause == "unknown"
