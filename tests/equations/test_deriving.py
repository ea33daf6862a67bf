"""Derived equations are the textbook's, and true."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from graphs import random_graph
from textbook import MODELS, C, P, examples_as_rows, labels, logistic_regression, m, two_layers_with_tanh

import tinygraph as tg
from tinygraph.graph.records import APPLY, OPS
from tinygraph.graph.replaying import evaluate
from tinygraph.testing.laws import samples
from tinygraph.writing.numpy_source import helpers

PAGE = Path(__file__).parents[2] / "docs" / "textbook.md"
ROW = re.compile(r"\|( [^|]+)? \| `([^`|]+(?:\|[^`|]+)*)` \| (\d+) / (\d+)(?:: `[^`]+`)? \|")


def page():
    """For each model its rows in the page: the equation, its operations, and the textbook's."""
    rows = {}
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if found := ROW.fullmatch(line):
            if found[1]:
                rows[found[1].strip()] = latest = []
            latest.append((found[2], int(found[3]), int(found[4])))
    return rows


def built(name, rng):
    """The model of a name, and what it assumes."""
    model = MODELS[name](rng)
    return model if isinstance(model, tuple) else (model, [])


def test_the_page_has_all_models():
    assert list(page()) == list(MODELS)


@pytest.mark.parametrize("model", MODELS)
def test_the_equations_are_the_textbooks_and_have_no_more_operations(model, rng):
    J, assume = built(model, rng)
    rows = page()[model]
    equations = [e for e in tg.derive(J, assume=assume) if e.steps]
    assert [(e.text, e.op_count) for e in equations] == [row[:2] for row in rows]
    assert all(derived <= textbook for _, derived, textbook in rows)


@pytest.mark.parametrize("convention", ["lecture", "exact"])
@pytest.mark.parametrize("expand", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_the_value_of_an_equation_is_its_scale_times_the_gradient(model, expand, convention, rng):
    J, assume = built(model, rng)
    derivation = tg.derive(J, convention=convention, expand=expand, assume=assume)
    J.backward()
    named = {f"d{name}": node for node, name in names(J).items()}
    for equation in derivation:
        assert equation.value.shape == equation.shape
        if equation.steps and equation.name in named:
            gradient = named[equation.name].grad
            np.testing.assert_allclose(equation.value, equation.scale * gradient, rtol=1e-12, atol=1e-13)
            assert convention == "lecture" or equation.scale == 1


def names(J):
    from tinygraph.writing.names import names_of

    return names_of(tg.toposort(J))


@pytest.mark.parametrize("expand", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_the_source_computes_the_same(model, expand, rng):
    J, assume = built(model, rng)
    derivation = tg.derive(J, expand=expand, assume=assume)
    variables = {}
    exec(derivation.source, variables)
    leaves = {name: node.data for node, name in names(J).items() if node.op is None}
    results = variables["equations"](*[leaves[name] for name in arguments(derivation.source)])
    assert results
    for name, value in results.items():
        np.testing.assert_allclose(value, derivation[name].value, rtol=1e-10, atol=1e-13)


def arguments(source):
    return re.search(r"def equations\((.*)\)", source)[1].split(", ")


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("size", [1.0, 30.0], ids=["ordinary", "saturated"])
@pytest.mark.parametrize("model", MODELS)
def test_the_equations_hold_for_other_parameters_too(model, size, rng):
    """Saturated ones as well: what the normal form cancels and expands costs no accuracy."""
    J, assume = built(model, rng)
    derivation = tg.derive(J, assume=assume)
    variables = {}
    exec(derivation.source, variables)
    named = names(J)
    parameters = [x for x in tg.toposort(J) if x.op is None and x.requires_grad]
    others = {x: tg.Tensor(size * rng.normal(size=x.shape)) for x in parameters}
    again = evaluate([J], others, tg.ops)[0]
    gradients = tg.gradients(again, list(others.values()))
    leaves = {name: others.get(x, x).data for x, name in named.items() if x.op is None}
    results = variables["equations"](*[leaves[name] for name in arguments(derivation.source)])
    for x, gradient in zip(parameters, gradients, strict=True):
        expected = gradient.data
        known = np.isfinite(expected)
        value = np.broadcast_to(results[f"d{named[x]}"], expected.shape)
        largest = np.abs(expected[known]).max(initial=0.0)
        np.testing.assert_allclose(value[known], expected[known], rtol=1e-9, atol=1e-9 * largest + 1e-12)


def test_the_source_is_what_one_writes_by_hand(rng):
    J = two_layers_with_tanh(rng)
    assert tg.derive(J).source == SOURCE


HELPERS = helpers("log_loss_from_logits() sigmoid()")  # which overflow nowhere
SOURCE = f"""\
import numpy as np


{HELPERS}def equations(W1, b1, X, W2, b2, Y):
    m = 6
    Z1 = W1 @ X + b1
    A1 = np.tanh(Z1)
    Z2 = W2 @ A1 + b2
    A2 = sigmoid(Z2)
    J = np.mean(log_loss_from_logits(Z2, Y))
    dZ2 = A2 - Y
    dW2 = 1 / m * (dZ2 @ A1.T)
    db2 = 1 / m * np.sum(dZ2, axis=1, keepdims=True)
    dZ1 = W2.T @ dZ2 * (1 - A1 ** 2)
    dW1 = 1 / m * (dZ1 @ X.T)
    db1 = 1 / m * np.sum(dZ1, axis=1, keepdims=True)
    return {{'dZ2': dZ2, 'dW2': dW2, 'db2': db2, 'dZ1': dZ1, 'dW1': dW1, 'db1': db1}}
"""


def test_an_assumption_that_does_not_hold_is_refused(rng):
    w, X, Y = P(rng, 1, 3), C(rng, 3, m), labels(rng, 1, m)
    J = tg.mean((w @ X - Y) ** 2)
    with pytest.raises(tg.ArgumentError, match="does not hold for the data"):
        tg.derive(J, assume=[tg.sum(Y, axis=0) == 7])
    with pytest.raises(tg.ArgumentError, match="an assumption is an equation"):
        tg.derive(J, assume=[True])


def test_forward_comes_first_in_the_order_of_the_program(rng):
    J = two_layers_with_tanh(rng)
    derivation = tg.derive(J)
    assert [equation.text for equation in derivation][:5] == [
        "Z1 = W1 X + b1",
        "A1 = tanh(Z1)",
        "Z2 = W2 A1 + b2",
        "A2 = σ(Z2)",
        "J = log loss(A2, Y)",
    ]
    assert [equation.shape for equation in derivation][:5] == [(4, 6), (4, 6), (1, 6), (1, 6), ()]


def test_the_collapse_is_shown_in_the_steps(rng):
    J = two_layers_with_tanh(rng)
    assert tg.derive(J)["dZ2"].steps == (
        ("dZ2 = (1/m) ((1 − Y) / (1 − A2) − Y / A2) ∗ A2 ∗ (1 − A2)", "chain rule: dA2 times its derivative"),
        ("dZ2 = (1/m) (A2 − Y)", "multiplied out, and equal terms cancel"),
        ("dZ2 = A2 − Y", "of each example's loss"),
    )


def test_each_equation_and_identity_that_is_used_is_named_in_the_steps(rng):
    J, assume = built("softmax regression in columns", rng)
    reasons = [reason for _, reason in tg.derive(J, assume=assume)["dZ"].steps]
    assert "tg.sum(Y, axis=axis) == 1" in reasons
    J, _ = built("layer norm", rng)
    assert [reason for _, reason in tg.derive(J)["dx"].steps][1:] == [
        "scalars to the front, equal factors as powers",
        "xhat = xc / std, Σ xhat = 0",
        "common factors taken out",
    ]
    J, _ = built("logarithm of cosh", rng)
    assert "sinh(x) / cosh(x) = tanh(x)" in [reason for _, reason in tg.derive(J)["dx"].steps]


def test_common_ways_to_write_the_same_give_the_same(rng):
    X, Y = C(rng, 2, m), labels(rng, 1, m)
    W1, W2, b = P(rng, 3, 2), P(rng, 1, 3), tg.parameter(0.0)
    Z1 = W1 @ X
    A1 = np.maximum(Z1, 0)
    Z2 = W2 @ A1 + b
    A2 = tg.sigmoid(Z2)
    J = tg.log_loss(A2, Y)
    derivation = tg.derive(J)
    assert derivation["dZ1"].text == "dZ1 = W2ᵀ dZ2 ∗ (Z1 ≥ 0)"  # there is no tie in the data
    assert derivation["db"].text == "db = (1/m) Σ dZ2"

    A, w, y = C(rng, m, 3), P(rng, 3), C(rng, m)
    for cost in (lambda e: tg.sum(e**2) * (1 / (2 * m)), lambda e: tg.sum(e**2) / (2 * m), lambda e: e @ e / (2 * m)):
        assert tg.derive(cost(A @ w - y))["dw"].text == "dw = (1/m) Aᵀ (A w − y)"


def test_a_choice_of_the_users_own_between_equal_things_keeps_its_condition():
    x, y = tg.parameter([1.0, 2.0], "x"), tg.parameter([1.0, 3.0], "y")
    J = tg.sum(tg.where(x == y, 2 * x, y))
    derivation = tg.derive(J)
    assert derivation["dx"].text == "dx = 2 · where(x = y, 1, 0)"
    assert derivation["dy"].text == "dy = where(x = y, 0, 1)"


def test_a_tie_keeps_its_share():
    x = tg.parameter([0.0, 1.0])
    s = tg.sum(tg.maximum(x, 0.0))
    assert tg.derive(s)["dx"].text == "dx = where(x = 0, 1 / 2, x ≥ 0)"


def test_a_softmax_that_takes_away_the_largest_is_one_too(rng):
    W, X = P(rng, 3, 2), C(rng, 2, m)
    Y = tg.Tensor((rng.random((3, m)).argsort(0) == 0).astype(float))
    Z = W @ X
    E = tg.exp(Z - tg.max(Z, axis=0, keepdims=True))
    S = E / tg.sum(E, axis=0, keepdims=True)
    J = -tg.sum(Y * tg.log(S)) / m
    assert tg.derive(J, assume=tg.sum(Y, axis=0) == 1)["dZ"].text == "dZ = S − Y"


def test_wrt_is_one_tensor_or_several_of_the_graph(rng):
    J = two_layers_with_tanh(rng)
    W1 = next(node for node in tg.toposort(J) if node.name == "W1")
    assert tg.derive(J, wrt=W1)[-1].text == "dW1 = (1/m) dZ1 Xᵀ"
    with pytest.raises(TypeError, match="takes tensors, not str"):
        tg.derive(J, wrt=["W1"])
    with pytest.raises(tg.ArgumentError, match="does not depend smoothly on other"):
        tg.derive(J, wrt=tg.parameter(1.0, name="other"))


def test_ten_layers_in_latex_have_one_subscript_each(rng):
    A = C(rng, 3, m)
    for _ in range(11):
        W = P(rng, 3, 3)
        A = tg.tanh(W @ A)
    J = tg.sum(A)
    latex = " ".join(equation.latex for equation in tg.derive(J))
    assert "_{11}" in latex
    assert "_{1}_" not in latex


# -- found by adversaries ------------------------------------------------------------------------------------------


def text_of(J, name=None):
    derivation = tg.derive(J)
    return derivation[name].text if name else derivation[0].text


def test_parentheses_stand_around_a_sum_in_a_quotient_and_after_a_factor(rng):
    x, y, z, w = map(tg.parameter, (1.5, 2.5, 3.0, 0.7))
    J = (x + y) / z * w
    assert text_of(J) == "J = ((x + y)/z) w"
    X, b = P(rng, 3, 1), P(rng, 1, 3)
    V = tg.sum(X - b, axis=1, keepdims=True) * X
    J = tg.mean(V * V)
    assert text_of(J, "dX") == "dX = (1/m) (Σ t1 + dV ∗ (Σ (X − b)))"


def test_a_number_that_is_equal_by_chance_takes_no_name(rng):
    x = P(rng, 3)
    assert text_of(tg.mean(x**4), "dx") == "dx = (4/3) x³"
    lam, w = 0.25, P(rng, 3)
    J = lam * tg.sum(w**2) + tg.sum(tg.exp(x / 4))
    assert text_of(J, "dx") == "dx = (1/4) exp((1/4) x)"
    y = P(rng, 5)
    J = tg.mean(x**2) + tg.sum(tg.tanh(3 * y))
    assert text_of(J, "dy") == "dy = 3 · (1 − tanh(3 · y)²)"


def test_two_numbers_have_two_names(rng):
    x, y = P(rng, 3), P(rng, 4)
    J = tg.sum(x * x) / x.size + tg.sum(y * y) / y.size
    derivation = tg.derive(J)
    assert derivation.heading.endswith("; m = 3")
    assert derivation["dy"].text == "dy = (1/2) y"


def test_notations_are_told_apart(rng):
    X, Y = P(rng, 3, 3), P(rng, 3, 3)
    J = tg.slogdet(X + Y).logabsdet * 2
    assert text_of(J) == "J = log |det(X + Y)| · 2"
    J = tg.trace(X, offset=1) * tg.trace(X)
    assert text_of(J) == "J = tr[offset 1](X) · tr(X)"
    J = tg.sum(tg.inv(X)) + tg.sum(X**-1.0)
    assert text_of(J) == "J = Σ X⁻¹ + Σ 1 / X"


def test_a_factor_of_a_named_number_is_kept():
    x = tg.parameter(0.7)
    h = tg.Tensor(0.25) * tg.exp(x)
    J = h * 2.0
    assert text_of(J, "dx") == "dx = 2 · h"


def test_float32_is_checked_as_float32_and_its_source_runs(rng):
    w, X = (tg.parameter(rng.normal(size=shape).astype(np.float32)) for shape in ((3, 3), (3, 5)))
    for J in (tg.mean(tg.tanh(w @ X) ** 2), tg.sum(w * w), tg.sum(w**2) / 2):
        derivation = tg.derive(J)
        variables = {}
        exec(derivation.source, variables)
        results = variables["equations"](*[{"w": w, "X": X}[name].data for name in arguments(derivation.source)])
        for name, value in results.items():
            np.testing.assert_allclose(value, derivation[name].value, rtol=1e-4, atol=1e-6)


def test_sums_over_several_axes_and_multiples_of_the_identity(rng):
    x = P(rng, 2, 3, 4, 4)
    mu = tg.mean(x, axis=(0, 2, 3), keepdims=True)
    J = tg.sum(tg.tanh(x - mu))
    assert text_of(J, "dx") == "dx = t1 − mean(t1)"
    X = P(rng, 3, 3)
    t = tg.trace(X)
    J = t * t
    assert text_of(J, "dX") == "dX = 2 · t · I"


def test_a_constant_expression_ends(rng):
    x = P(rng, 3)
    v = tg.exp(0 * x)
    J = tg.sum(v * tg.sum(x, axis=0))
    assert text_of(J, "dx") == "dx = Σ v"


def test_the_source_takes_what_lies_beyond_the_depth(rng):
    p = P(rng, 3)
    a = p * p
    b = a * a
    c = b * b
    J = tg.sum(c)
    source = tg.derive(J, depth=2).source
    assert arguments(source) == ["a"]
    exec(source + "\nequations(np.ones(3))", {})


def test_drawing_unnamed_residual_layers_is_not_exponential(rng):
    A = C(rng, 4, 5)
    for _ in range(16):
        A = tg.tanh(P(rng, 4, 4) / 3 @ A + A)
    str(tg.draw(tg.mean(A**2)))


def test_depth_ends_the_equations_so_far_from_the_output(rng):
    J = two_layers_with_tanh(rng)
    assert [e.name for e in tg.derive(J, depth=3)] == ["A1", "Z2", "A2", "J", "dZ2", "dW2", "db2", "dA1"]
    assert [e.name for e in tg.derive(J, depth=1)] == ["A2", "J", "dA2"]
    assert str(tg.derive(J, depth=20)) == str(tg.derive(J))
    with pytest.raises(tg.ArgumentError, match="at least 1, not 0"):
        tg.derive(J, depth=0)


def test_what_has_changed_since_counts_as_what_the_graph_has_read(rng):
    J = two_layers_with_tanh(rng)
    before = tg.derive(J)
    for leaf in tg.toposort(J):
        if leaf.op is None and leaf.requires_grad:
            leaf.data -= 0.5
    after = tg.derive(J)
    assert str(after) == str(before)
    assert after.source == before.source
    for earlier, later in zip(before, after, strict=True):
        assert np.array_equal(earlier.value, later.value)


def test_expanded_the_gradients_of_activations_have_equations_of_their_own(rng):
    J = two_layers_with_tanh(rng)
    derivation = tg.derive(J, expand=True)
    assert derivation["dA2"].text == "dA2 = (1 − Y) / (1 − A2) − Y / A2"
    assert derivation["dZ2"].text == "dZ2 = dA2 ∗ A2 ∗ (1 − A2)"
    assert derivation["dA1"].text == "dA1 = W2ᵀ dZ2"
    assert derivation["dZ1"].text == "dZ1 = dA1 ∗ (1 − A1²)"


def test_where_a_has_been_rounded_to_one_dz_is_not_told_through_da():
    w, x, y = tg.parameter([[1000.0]]), tg.Tensor([[1.0]]), tg.Tensor([[0.0]])
    z = w @ x
    a = tg.sigmoid(z)
    L = tg.log_loss(a, y)
    with np.errstate(all="ignore"):
        assert tg.derive(L, expand=True)["dz"].text == "dz = a − y"


@pytest.mark.parametrize("size", [1000.0, -1000.0])
@pytest.mark.parametrize("output", [tg.sigmoid, tg.silu, tg.softplus, lambda z: tg.gelu(z, approximate="tanh")])
def test_the_source_overflows_nowhere_where_the_graph_does_not(size, output):
    """Warnings are errors."""
    X, Y = tg.Tensor([[1.0, -1.0, 0.5]]), tg.Tensor([[1.0, 0.0, 1.0]])
    w, b = tg.parameter([[size]]), tg.parameter([[0.0]])
    Z = w @ X + b
    A = output(Z)
    J = tg.log_loss(A, Y) if output is tg.sigmoid else tg.mean((A - Y) ** 2)
    dw, db = tg.gradients(J, [w, b])
    exec(tg.derive(J).source, variables := {})
    found = variables["equations"](X.data, Y.data, w.data, b.data)
    np.testing.assert_allclose(found["dw"], dw.data, rtol=1e-12)
    np.testing.assert_allclose(found["db"], db.data, rtol=1e-12)


def test_exactly_every_gradient_is_that_of_the_output(rng):
    J = two_layers_with_tanh(rng)
    derivation = tg.derive(J, convention="exact")
    assert derivation["dZ2"].text == "dZ2 = (1/m) (A2 − Y)"
    assert derivation["dW2"].text == "dW2 = dZ2 A1ᵀ"
    assert "dV is the derivative of the output" in derivation.heading


def test_the_heading_states_the_convention(rng):
    J = two_layers_with_tanh(rng)
    assert "the factor 1/m enters with the parameters; m = 6" in tg.derive(J).heading


def test_losses_with_different_scalars_are_derived_exactly(rng):
    w, X, Y = P(rng, 1, 3), C(rng, 3, m), labels(rng, 1, m)
    Z = w @ X
    A = tg.sigmoid(Z)
    B = tg.tanh(Z)
    lam = 0.3
    J = tg.log_loss(A, Y) + lam * tg.sum(B**2)
    derivation = tg.derive(J)
    assert "dV is the derivative of the output" in derivation.heading
    assert all(equation.scale == 1 for equation in derivation)


def test_a_function_is_derived_at_its_arguments(rng):
    def cost(w, X, y):
        return tg.mean((X @ w - y) ** 2)

    derivation = tg.derive(cost)(rng.normal(size=3), tg.Tensor(rng.normal(size=(m, 3))), tg.Tensor(rng.normal(size=m)))
    assert derivation["dw"].text == "dw = (2/m) Xᵀ (X w − y)"
    everything = tg.derive(cost)(rng.normal(size=3), np.ones((m, 3)), y=np.ones(m))
    assert {"dw", "dX", "dy"} <= {e.name for e in everything}


def test_what_a_sum_runs_over_is_noted(rng):
    J = two_layers_with_tanh(rng)
    notes = {e.name: e.note for e in tg.derive(J)}
    assert notes["db1"] == notes["db2"] == "sum over the 6 columns"
    assert notes["dW1"] == notes["Z1"] == ""
    assert "sum over the 6 rows" in str(tg.derive(examples_as_rows(rng)))


def test_a_deep_network_is_derived_in_time_linear_in_its_layers(rng):
    A = C(rng, 8, 16)
    for layer in range(1, 31):
        W = tg.parameter(rng.normal(size=(8, 8)) / 3, name=f"W{layer}")
        A = tg.tanh(W @ A)
        A.name = f"A{layer}"
    J = tg.mean(A)
    derivation = tg.derive(J)
    assert sum(bool(e.steps) for e in derivation) == 59  # all of W and A but the last A, whose gradient is a number


def test_with_respect_to_what_is_asked(rng):
    W, X = P(rng, 2, 3), C(rng, 3, 4)
    A = tg.tanh(W @ X)
    s = tg.sum(A)
    assert [e.name for e in tg.derive(s, wrt=[X]) if e.steps] == ["dX"]


def test_operations_are_counted_as_printed(rng):
    J = two_layers_with_tanh(rng)
    counts = {e.name: e.op_count for e in tg.derive(J)}
    assert counts["Z1"] == 2
    assert counts["dZ2"] == 1
    assert counts["dZ1"] == 5  # a transpose, a product, ∗, −, a square
    assert counts["dW2"] == 3  # a scaling, a product, a transpose


def test_a_derivation_is_a_sequence_that_knows_names(rng):
    J = logistic_regression(rng)
    derivation = tg.derive(J)
    assert len(derivation) == 6
    assert derivation["dw"] is derivation[4]
    assert derivation[-1].name == "db"
    with pytest.raises(KeyError, match="there are Z, A, J, dZ, dw, db"):
        derivation["dQ"]


def test_text_and_latex(rng):
    J = two_layers_with_tanh(rng)
    derivation = tg.derive(J)
    lines = str(derivation).splitlines()
    assert lines[7] == "dZ2 = A2 − Y                (1, 6)"
    assert lines[9] == "db2 = (1/m) Σ dZ2           (1, 1)   sum over the 6 columns"
    assert derivation["dZ1"].latex == r"\mathit{dZ}^{[1]} = W^{[2]\,T}\,\mathit{dZ}^{[2]} \ast  (1 - A^{[1]\,2})"
    assert derivation._repr_latex_().startswith("$$\n\\begin{aligned}\n")


@pytest.mark.parametrize("model", MODELS)
def test_latex_is_read_by_matplotlib(model, rng):
    mathtext = pytest.importorskip("matplotlib.mathtext", reason="matplotlib reads LaTeX in this test")
    parser = mathtext.MathTextParser("path")
    for equation in tg.derive(built(model, rng)[0]):
        parser.parse(f"${equation.latex}$")


def test_latex_is_set_by_latex(tmp_path, rng):
    latex = shutil.which("pdflatex")
    if latex is None:
        pytest.skip("pdflatex sets LaTeX in this test")
    blocks = [tg.derive(J, assume=assume)._repr_latex_() for J, assume in (built(model, rng) for model in MODELS)]
    blocks = ["\\documentclass{article}\\usepackage{amsmath}\\begin{document}", *blocks, "\\end{document}"]
    (tmp_path / "all.tex").write_text("\n".join(blocks), encoding="utf-8")
    run = subprocess.run([latex, "-interaction=nonstopmode", "-halt-on-error", "all.tex"], cwd=tmp_path, check=False)
    assert run.returncode == 0
    assert (tmp_path / "all.pdf").stat().st_size > 10_000


def test_what_has_no_derivation_says_so():
    x = tg.parameter([1.0, 2.0])
    with pytest.raises(tg.ArgumentError, match=r"shape \(2,\); equations can only be derived for a scalar"):
        tg.derive(x * 2)
    with pytest.raises(tg.ArgumentError, match="lecture"):
        tg.derive(x.sum(), convention="textbook")
    with pytest.raises(tg.UnsupportedError, match="does not depend"):
        tg.derive(tg.Tensor(2.0) * 3)
    with pytest.raises(TypeError, match="a tensor or a function, not float"):
        tg.derive(2.0)


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::tinygraph.BroadcastWarning")
@pytest.mark.parametrize("seeds", [range(i, i + 50) for i in range(0, 1000, 50)], ids=lambda r: f"{r.start}-{r.stop}")
def test_random_graphs_are_derived_and_checked(seeds):
    for seed in seeds:
        J = random_graph(seed)
        if J.requires_grad:
            first, again = tg.derive(J), tg.derive(J)
            assert str(first) == str(again)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_lectures_convention_holds_in_float32_and_through_leaky_relu(dtype, rng):
    W1, W2, X = (tg.Tensor(rng.normal(size=shape).astype(dtype)) for shape in ((4, 3), (2, 4), (3, 5)))
    W1.requires_grad = W2.requires_grad = True
    Y = tg.Tensor(rng.random((2, 5)).astype(dtype))
    Z1 = W1 @ X
    A1 = tg.leaky_relu(Z1)
    Z2 = W2 @ A1
    J = -tg.sum(Y * tg.log_softmax(Z2, axis=0)) / 5
    derivation = tg.derive(J)
    assert [derivation[name].scale for name in ("dZ2", "dW2", "dZ1", "dW1")] == [1.0, 1.0, 1.0, 1.0]  # 5 has no name
    m = 5
    J = -tg.sum(Y * tg.log_softmax(Z2, axis=0)) / m
    derivation = tg.derive(J)
    assert [derivation[name].scale for name in ("dZ2", "dW2", "dZ1", "dW1")] == [5.0, 1.0, 5.0, 1.0]
    assert derivation["dW1"].text == "dW1 = (1/m) dZ1 Xᵀ"


def test_two_is_not_half_of_four_examples(rng):
    W, X, Y, m = P(rng, 2, 3), C(rng, 3, 4), C(rng, 2, 4), 4
    Z = W @ X
    J = tg.sum((Z - Y) ** 2) / m
    assert tg.derive(J)["dZ"].text == "dZ = 2 · (Z − Y)"


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_of_numbers_that_have_overflowed_there_are_equations_all_the_same():
    rng = np.random.default_rng(0)
    for scale in (1e13, 1e77, 1e157):
        X, Y = tg.Tensor(rng.normal(size=(2, 5))), tg.Tensor(rng.random((3, 5)) > 0.5)
        W, V = tg.parameter(scale * rng.normal(size=(3, 2))), tg.parameter(scale * rng.normal(size=(3, 3)))
        Z = W @ X
        A = tg.relu(Z)
        B = V @ A
        P = tg.sigmoid(B)
        J = tg.mean(-(Y * tg.log(P) + (1 - Y) * tg.log(1 - P)))
        J.backward()
        assert not np.isfinite(J.item())
        assert "dV = " in str(tg.derive(J))
        assert "added up" not in str(tg.draw(J))


def test_a_choice_within_a_function_is_no_guard():
    rng = np.random.default_rng(0)
    key, (a, b, c) = tg.Tensor([0, 1, 0, 2]), (tg.parameter(rng.normal(size=4)) for _ in range(3))
    J = tg.sum(tg.choose(key, [a, b, c]) ** 2)
    derived = tg.derive(J, wrt=[a, b, c])
    for name, x in {"a": a, "b": b, "c": c}.items():
        assert np.allclose(derived[f"d{name}"].value, tg.gradients(J, x).data)


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
@pytest.mark.parametrize("dtype", ["uint8", "int8", "int64", "bool", "float16"])
@pytest.mark.parametrize(
    "function",
    [
        lambda x: tg.mean((x - 1 * tg.mean(x)) ** 2),
        lambda x: x * x + x * x,
        lambda x: x * 2.0 + x,
        lambda x: x * 100 + 100 - x * 1,
        lambda x: (x > 2) * 1 - (x > 1) * 1,
        lambda x: x // 2 * 2 + x * x,
        lambda x: tg.sum(x, axis=0) * 2 + tg.sum(x * x, axis=0),
        lambda x: x @ x.T @ x,
    ],
)
def test_whole_numbers_that_wrap_around_are_derived_as_they_are(function, dtype):
    x = tg.Tensor((np.arange(12).reshape(4, 3) * 21 % 200).astype(dtype), name="x")
    w = tg.parameter(1.5, name="w")
    J = tg.sum(w * function(x))
    assert "dw" in str(tg.derive(J))
    assert "w" in str(tg.draw(J))


def test_labels_that_are_whole_numbers_derive_as_the_textbook_has_them(rng):
    Z = tg.parameter(rng.normal(size=(1, 5)), name="Z")
    for given in (np.arange(5) % 2, np.arange(5) % 2 > 0):
        Y = tg.Tensor(given.reshape(1, 5), name="Y")
        A = tg.sigmoid(Z)
        J = tg.mean(-(Y * tg.log(A) + (1 - Y) * tg.log(1 - A)))
        assert "dZ = (1/m) (A − Y)" in str(tg.derive(J))


# -- operands that are written inline ------------------------------------------------------------------------------

_INLINE = {
    "2 x": (lambda x: 2 * x, lambda y: y / 2),
    "−x": (lambda x: -x, lambda y: -y),
    "x − 0.1": (lambda x: x - 0.1, lambda y: y + 0.1),
    "x³": (lambda x: x**3, np.cbrt),
    "x[::-1]": (lambda x: x[::-1], lambda y: y[::-1]),
}
_ELEMENTWISE = [
    name
    for name, op in OPS.items()
    if op.kind == "elementwise" and op.differentiable and not op.variadic and op.samples != ()
]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("inner", _INLINE)
@pytest.mark.parametrize("name", _ELEMENTWISE)
def test_pasted_source_has_the_parentheses_that_it_needs(name, inner):
    """2 x within arctan gives 1 / (1 + (2 * x) ** 2)."""
    write, solve = _INLINE[inner]
    for given, params in samples(OPS[name]):
        arrays = [np.asarray(y, float) if np.asarray(y).dtype.kind == "f" else y for y in given]
        floats = [i for i, y in enumerate(arrays) if np.asarray(y).dtype.kind == "f"]
        if not floats or any(np.ndim(y) != 1 for y in arrays):
            continue
        leaves = {i: tg.parameter(solve(arrays[i]), name=f"x{i}") for i in floats}
        y = APPLY[name](*(write(leaves[i]) if i in leaves else y for i, y in enumerate(arrays)), **params)
        J = tg.sum(y)
        if not J.requires_grad or not np.isfinite(J.data):
            continue
        J.backward(retain_graph=True)
        with np.errstate(all="ignore"):
            source = tg.derive(J).source
            exec(source, variables := {})
            names = variables["equations"].__code__
            found = variables["equations"](*(leaves[int(k[1:])].data for k in names.co_varnames[: names.co_argcount]))
        for i, leaf in leaves.items():
            if leaf.grad is not None and f"dx{i}" in found:
                expected = np.broadcast_to(found[f"dx{i}"], leaf.shape)
                np.testing.assert_allclose(leaf.grad, expected, rtol=1e-7, atol=1e-9, err_msg=source)


def test_pasted_source_makes_arrays_of_numbers_that_are_reshaped():
    x = tg.parameter([1.0, 2.0], name="x")
    for J in (tg.sum(x[:1]), tg.sum(tg.exp(x)[:1]), tg.sum(tg.logcumsumexp(x, axis=0))):
        J.backward(retain_graph=True)
        exec(tg.derive(J).source, variables := {})
        np.testing.assert_allclose(np.broadcast_to(variables["equations"](x.data)["dx"], 2), x.grad)
        x.grad = None


def test_equations_of_nan_are_given_out():
    x = tg.parameter([-1.0, 2.0], name="x")
    with np.errstate(all="ignore"):
        assert "dx" in str(tg.derive(tg.sum(tg.relu(tg.log(x)))))


def test_a_function_of_a_loss_whose_logits_have_no_name():
    w, X, y = tg.parameter([[0.5, -0.5]]), tg.Tensor([[0.0, 1.0, 2.0], [1.0, 0.0, 1.0]]), tg.Tensor([[0.0, 1.0, 1.0]])
    a = tg.sigmoid(w @ X)
    J = tg.square(tg.log_loss(a, y))
    assert tg.derive(J)["dw"].steps


def test_a_net_whose_logits_have_no_name_has_its_equations(rng):
    w, X, y = tg.parameter(rng.normal(size=(1, 2))), tg.Tensor(rng.normal(size=(2, 5))), tg.Tensor(np.ones((1, 5)))
    b = tg.parameter(np.zeros((1, 1)))
    a = tg.sigmoid(w @ X + b)
    J = tg.log_loss(a, y)
    assert tg.derive(J, expand=True)["t1"].text == "t1 = da ∗ a ∗ (1 − a)"
    assert "dw = (1/m) (a − y) Xᵀ" in str(tg.draw(J))
