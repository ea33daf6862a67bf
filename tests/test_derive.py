"""Derived equations are the textbook's, and true."""

import re

import numpy as np
import pytest
from graphs import random_graph

import tinygraph as tg

m = 6


def P(rng, *shape):
    return tg.parameter(rng.normal(size=shape))


def C(rng, *shape):
    return tg.Tensor(rng.normal(size=shape))


def labels(rng, *shape):
    return tg.Tensor((rng.random(shape) > 0.5).astype(float))


def logistic_regression_of_one_example(rng):
    w, b, x, y = P(rng, 3, 1), P(rng, 1, 1), C(rng, 3, 1), labels(rng, 1, 1)
    z = w.T @ x + b
    a = tg.sigmoid(z)
    L = tg.log_loss(a, y)
    return L, ["dz = a − y", "dw = x dzᵀ", "db = dz"]


def logistic_regression(rng):
    w, b, X, Y = P(rng, 3, 1), P(rng, 1, 1), C(rng, 3, m), labels(rng, 1, m)
    Z = w.T @ X + b
    A = tg.sigmoid(Z)
    J = tg.log_loss(A, Y)
    return J, ["dZ = A − Y", "dw = (1/m) X dZᵀ", "db = (1/m) Σ dZ"]


def logistic_regression_with_weight_decay(rng):
    w, X, Y, lam = P(rng, 3, 1), C(rng, 3, m), labels(rng, 1, m), 0.25
    Z = w.T @ X
    A = tg.sigmoid(Z)
    J = tg.log_loss(A, Y) + lam * tg.sum(w**2)
    return J, ["dZ = A − Y", "dw = (1/m) X dZᵀ + 2 · lam · w"]


NETWORK = ["dZ2 = A2 − Y", "dW2 = (1/m) dZ2 A1ᵀ", "db2 = (1/m) Σ dZ2", "", "dW1 = (1/m) dZ1 Xᵀ", "db1 = (1/m) Σ dZ1"]


def network(dZ1):
    return [line or dZ1 for line in NETWORK]


def first_layer(rng, g1):
    W1, b1, X = P(rng, 4, 2), P(rng, 4, 1), C(rng, 2, m)
    Z1 = W1 @ X + b1
    A1 = g1(Z1)
    return A1


def two_layers(rng, g1, cost):
    A1 = first_layer(rng, g1)
    W2, b2, Y = P(rng, 1, 4), P(rng, 1, 1), labels(rng, 1, m)
    Z2 = W2 @ A1 + b2
    A2 = tg.sigmoid(Z2)
    J = cost(Y, A2, Z2)
    return J


def log_loss(Y, A2, Z2):
    return tg.log_loss(A2, Y)


def two_layers_with_tanh(rng):
    return two_layers(rng, tg.tanh, log_loss), network("dZ1 = W2ᵀ dZ2 ∗ (1 − A1²)")


def two_layers_with_sigmoid(rng):
    return two_layers(rng, tg.sigmoid, log_loss), network("dZ1 = W2ᵀ dZ2 ∗ A1 ∗ (1 − A1)")


def two_layers_with_relu(rng):
    return two_layers(rng, tg.relu, log_loss), network("dZ1 = W2ᵀ dZ2 ∗ (A1 > 0)")


def two_layers_with_the_loss_written_out(rng):
    def cost(Y, A2, Z2):
        return -tg.sum(Y * tg.log(A2) + (1 - Y) * tg.log(1 - A2)) / m

    return two_layers(rng, tg.tanh, cost), network("dZ1 = W2ᵀ dZ2 ∗ (1 − A1²)")


def two_layers_with_the_mean_written_in_front(rng):
    def cost(Y, A2, Z2):
        return -(1 / m) * tg.sum(Y * tg.log(A2) + (1 - Y) * tg.log(1 - A2))

    return two_layers(rng, tg.tanh, cost), network("dZ1 = W2ᵀ dZ2 ∗ (1 − A1²)")


def two_layers_from_logits(rng):
    def cost(Y, A2, Z2):
        return tg.mean(tg.softplus(Z2) - Y * Z2)

    expected = ["dZ2 = σ(Z2) − Y", *network("dZ1 = W2ᵀ dZ2 ∗ (1 − A1²)")[1:]]
    return two_layers(rng, tg.tanh, cost), expected


def three_layers(rng):
    A1 = first_layer(rng, tg.relu)
    W2, b2, W3, b3, Y = P(rng, 3, 4), P(rng, 3, 1), P(rng, 1, 3), P(rng, 1, 1), labels(rng, 1, m)
    Z2 = W2 @ A1 + b2
    A2 = tg.tanh(Z2)
    Z3 = W3 @ A2 + b3
    A3 = tg.sigmoid(Z3)
    J = tg.log_loss(A3, Y)
    return J, [
        *("dZ3 = A3 − Y", "dW3 = (1/m) dZ3 A2ᵀ", "db3 = (1/m) Σ dZ3"),
        *("dZ2 = W3ᵀ dZ3 ∗ (1 − A2²)", "dW2 = (1/m) dZ2 A1ᵀ", "db2 = (1/m) Σ dZ2"),
        *("dZ1 = W2ᵀ dZ2 ∗ (A1 > 0)", "dW1 = (1/m) dZ1 Xᵀ", "db1 = (1/m) Σ dZ1"),
    ]


def examples_as_rows(rng):
    X, W, b, Y = C(rng, m, 3), P(rng, 3, 1), P(rng, 1), labels(rng, m, 1)
    Z = X @ W + b
    A = tg.sigmoid(Z)
    J = tg.log_loss(A, Y)
    return J, ["dZ = A − Y", "dW = (1/m) Xᵀ dZ", "db = (1/m) Σ dZ"]


def linear_regression(rng):
    X, w, y = C(rng, m, 3), P(rng, 3), C(rng, m)
    J = tg.mean((X @ w - y) ** 2)
    return J, ["dw = (2/m) Xᵀ (X w − y)"]


def ridge_regression(rng):
    X, w, y, lam = C(rng, m, 3), P(rng, 3), C(rng, m), 0.25
    J = tg.mean((X @ w - y) ** 2) + lam * tg.sum(w**2)
    return J, ["dw = (2/m) Xᵀ (X w − y) + 2 · lam · w"]


def poisson_regression(rng):
    X, w, y = C(rng, m, 3), P(rng, 3), tg.Tensor(rng.integers(0, 4, m).astype(float))
    J = tg.mean(tg.exp(X @ w) - y * (X @ w))
    return J, ["dw = (1/m) Xᵀ (exp(X w) − y)"]


def quadratic_form(rng):
    A, x = C(rng, 3, 3), P(rng, 3)
    q = x @ (A @ x)
    return q, ["dx = (A + Aᵀ) x"]


def distance_of_a_product(rng):
    A, B, X = C(rng, 4, 3), C(rng, 4, 2), P(rng, 3, 2)
    d = tg.sum((A @ X - B) ** 2)
    return d, ["dX = 2 · Aᵀ (A X − B)"]


def matrix_factorisation(rng):
    U, V, R = P(rng, 4, 2), P(rng, 2, 5), C(rng, 4, 5)
    E = U @ V - R
    J = tg.sum(E**2) / 2
    return J, ["dE = E", "dU = dE Vᵀ", "dV = Uᵀ dE"]


def tied_autoencoder(rng):
    W, x = P(rng, 3, 5), C(rng, 5, 1)
    h = tg.tanh(W @ x)
    e = W.T @ h - x
    L = tg.sum(e**2) / 2
    return L, ["de = e", "dW = h deᵀ + (W de ∗ (1 − h²)) xᵀ"]


def softplus(rng):
    x = P(rng, 3)
    s = tg.sum(tg.softplus(x))
    return s, ["dx = σ(x)"]


def hinge_loss(rng):
    X, w, y = C(rng, m, 3), P(rng, 3), tg.Tensor(np.sign(rng.normal(size=m)))
    margins = tg.relu(1 - y * (X @ w))
    J = tg.mean(margins)
    return J, ["dw = −(1/m) Xᵀ ((margins > 0) ∗ y)"]


def recurrent_network(rng):
    W, U, h0, y = P(rng, 2, 2), P(rng, 2, 3), C(rng, 2, 1), C(rng, 2, 1)
    x1, x2, x3 = (C(rng, 3, 1) for _ in range(3))
    h1 = tg.tanh(W @ h0 + U @ x1)
    h2 = tg.tanh(W @ h1 + U @ x2)
    h3 = tg.tanh(W @ h2 + U @ x3)
    L = tg.sum((h3 - y) ** 2) / 2
    return L, [
        *("t1 = (h3 − y) ∗ (1 − h3²)", "t2 = Wᵀ t1 ∗ (1 − h2²)", "t3 = Wᵀ t2 ∗ (1 − h1²)"),
        *("dW = t1 h2ᵀ + t2 h1ᵀ + t3 h0ᵀ", "dU = t1 x3ᵀ + t2 x2ᵀ + t3 x1ᵀ"),
    ]


def lasso(rng):
    X, w, y, lam = C(rng, m, 3), P(rng, 3), C(rng, m), 0.25
    J = tg.mean((X @ w - y) ** 2) + lam * tg.sum(tg.abs(w))
    return J, ["dw = (2/m) Xᵀ (X w − y) + lam · sign(w)"]


def gaussian_likelihood(rng):
    x, mu, sigma = C(rng, m), tg.parameter(0.3), tg.parameter(1.25)
    L = tg.sum((x - mu) ** 2) / (2 * sigma**2) + m * tg.log(sigma)
    return L, ["dmu = (1/sigma²) Σ (mu − x)", "dsigma = m / sigma − (1/sigma³) Σ (x − mu)²"]


def logistic_regression_of_several_classes_from_logits(rng):
    W, X = P(rng, 3, 4), C(rng, 4, m)
    Y = tg.Tensor((rng.random((3, m)).argsort(0) == 0).astype(float))
    Z = W @ X
    J = tg.sum(tg.logsumexp(Z, axis=0) - tg.sum(Y * Z, axis=0)) / m
    return J, ["dZ = softmax[axis 0](Z) − Y", "dW = (1/m) dZ Xᵀ"]


def one_head_of_attention(rng):
    X, U, V, W = C(rng, 5, 4), P(rng, 4, 3), P(rng, 4, 3), P(rng, 4, 2)
    Q = X @ U
    K = X @ V
    H = X @ W
    S = Q @ K.T / 2
    A = tg.softmax(S, axis=1)
    R = A @ H
    L = tg.sum(R**2) / 2
    return L, [
        *("dR = R", "dA = dR Hᵀ", "dS = A ∗ (dA − Σ dA ∗ A)"),
        *("dH = Aᵀ dR", "dW = Xᵀ dH"),
        *("dK = (1/2) dSᵀ Q", "dV = Xᵀ dK", "dQ = (1/2) dS K", "dU = Xᵀ dQ"),
    ]


TEXTBOOK = [
    lasso,
    gaussian_likelihood,
    logistic_regression_of_several_classes_from_logits,
    one_head_of_attention,
    logistic_regression_of_one_example,
    logistic_regression,
    logistic_regression_with_weight_decay,
    two_layers_with_tanh,
    two_layers_with_sigmoid,
    two_layers_with_relu,
    two_layers_with_the_loss_written_out,
    two_layers_with_the_mean_written_in_front,
    two_layers_from_logits,
    three_layers,
    examples_as_rows,
    linear_regression,
    ridge_regression,
    poisson_regression,
    quadratic_form,
    distance_of_a_product,
    matrix_factorisation,
    tied_autoencoder,
    softplus,
    hinge_loss,
    recurrent_network,
]


@pytest.mark.parametrize("model", TEXTBOOK, ids=lambda model: model.__name__)
def test_the_equations_are_the_textbooks(model, rng):
    J, expected = model(rng)
    derivation = tg.derive(J)
    backward = [equation.text for equation in derivation if equation.steps]
    assert backward == expected


@pytest.mark.parametrize("convention", ["lecture", "exact"])
@pytest.mark.parametrize("expand", [False, True])
@pytest.mark.parametrize("model", TEXTBOOK, ids=lambda model: model.__name__)
def test_the_value_of_an_equation_is_its_scale_times_the_gradient(model, expand, convention, rng):
    J, _ = model(rng)
    derivation = tg.derive(J, convention=convention, expand=expand)
    J.backward()
    named = {f"d{name}": node for node, name in names(J).items()}
    for equation in derivation:
        assert equation.value.shape == equation.shape
        if equation.steps and equation.name in named:
            gradient = named[equation.name].grad
            np.testing.assert_allclose(equation.value, equation.scale * gradient, rtol=1e-12, atol=1e-13)
            assert convention == "lecture" or equation.scale == 1


def names(J):
    from tinygraph.names import names_of

    return names_of(tg.toposort(J))


@pytest.mark.parametrize("expand", [False, True])
@pytest.mark.parametrize("model", TEXTBOOK, ids=lambda model: model.__name__)
def test_the_source_computes_the_same(model, expand, rng):
    J, _ = model(rng)
    derivation = tg.derive(J, expand=expand)
    variables = {}
    exec(derivation.source, variables)
    leaves = {name: node.data for node, name in names(J).items() if node.op is None}
    results = variables["equations"](*[leaves[name] for name in arguments(derivation.source)])
    assert results
    for name, value in results.items():
        np.testing.assert_allclose(value, derivation[name].value, rtol=1e-10, atol=1e-13)


def arguments(source):
    return re.search(r"def equations\((.*)\)", source)[1].split(", ")


def test_the_source_is_what_one_writes_by_hand(rng):
    J, _ = two_layers_with_tanh(rng)
    assert tg.derive(J).source == SOURCE


SOURCE = """\
import numpy as np


def equations(W1, b1, X, W2, b2, Y):
    m = 6
    Z1 = W1 @ X + b1
    A1 = np.tanh(Z1)
    Z2 = W2 @ A1 + b2
    A2 = 1 / (1 + np.exp(-Z2))
    J = np.mean(-(Y * np.log(A2) + (1 - Y) * np.log(1 - A2)))
    dZ2 = A2 - Y
    dW2 = 1 / m * (dZ2 @ A1.T)
    db2 = 1 / m * np.sum(dZ2, axis=1, keepdims=True)
    dZ1 = W2.T @ dZ2 * (1 - A1 ** 2)
    dW1 = 1 / m * (dZ1 @ X.T)
    db1 = 1 / m * np.sum(dZ1, axis=1, keepdims=True)
    return {'dZ2': dZ2, 'dW2': dW2, 'db2': db2, 'dZ1': dZ1, 'dW1': dW1, 'db1': db1}
"""


@pytest.mark.parametrize("axis", [0, 1], ids=["columns", "rows"])
@pytest.mark.parametrize("soft", [False, True])
def test_softmax_regression_with_labels_that_add_up_to_one(axis, soft, rng):
    shape = (3, m) if axis == 0 else (m, 3)
    labels = rng.random(shape) if soft else (rng.random(shape).argsort(axis) == 0).astype(float)
    Y = tg.Tensor(labels / labels.sum(axis, keepdims=True))
    W, X = P(rng, *((3, 4) if axis == 0 else (4, 3))), C(rng, *((4, m) if axis == 0 else (m, 4)))
    Z = W @ X if axis == 0 else X @ W
    S = tg.softmax(Z, axis=axis)
    J = -tg.sum(Y * tg.log(S)) / m
    derivation = tg.derive(J, assume=[tg.sum(Y, axis=axis) == 1])
    assert derivation["dZ"].text == "dZ = S − Y"
    assert derivation["dW"].text == ("dW = (1/m) dZ Xᵀ" if axis == 0 else "dW = (1/m) Xᵀ dZ")


def test_an_assumption_that_does_not_hold_is_refused(rng):
    w, X, Y = P(rng, 1, 3), C(rng, 3, m), labels(rng, 1, m)
    J = tg.mean((w @ X - Y) ** 2)
    with pytest.raises(tg.ArgumentError, match="does not hold for the data"):
        tg.derive(J, assume=[tg.sum(Y, axis=0) == 7])
    with pytest.raises(tg.ArgumentError, match="an assumption is an equation"):
        tg.derive(J, assume=[True])


def test_forward_comes_first_in_the_order_of_the_program(rng):
    J, _ = two_layers_with_tanh(rng)
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
    J, _ = two_layers_with_tanh(rng)
    assert tg.derive(J)["dZ2"].steps == (
        ("dZ2 = (1/m) ((1 − Y) / (1 − A2) − Y / A2) ∗ A2 ∗ (1 − A2)", "chain rule: dA2 times its derivative"),
        ("dZ2 = (1/m) (A2 − Y)", "multiplied out, and equal terms cancel"),
        ("dZ2 = A2 − Y", "of each example's loss"),
    )


def test_expanded_the_gradients_of_activations_have_equations_of_their_own(rng):
    J, _ = two_layers_with_tanh(rng)
    derivation = tg.derive(J, expand=True)
    assert derivation["dA2"].text == "dA2 = (1 − Y) / (1 − A2) − Y / A2"
    assert derivation["dA1"].text == "dA1 = W2ᵀ dZ2"
    assert derivation["dZ1"].text == "dZ1 = dA1 ∗ (1 − A1²)"


def test_exactly_every_gradient_is_that_of_the_output(rng):
    J, _ = two_layers_with_tanh(rng)
    derivation = tg.derive(J, convention="exact")
    assert derivation["dZ2"].text == "dZ2 = (1/m) (A2 − Y)"
    assert derivation["dW2"].text == "dW2 = dZ2 A1ᵀ"
    assert "dV is the derivative of the output" in derivation.heading


def test_the_heading_states_the_convention(rng):
    J, _ = two_layers_with_tanh(rng)
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
    J, _ = two_layers_with_tanh(rng)
    notes = {e.name: e.note for e in tg.derive(J)}
    assert notes["db1"] == notes["db2"] == "sum over the 6 columns"
    assert notes["dW1"] == notes["Z1"] == ""
    assert "sum over the 6 rows" in str(tg.derive(examples_as_rows(rng)[0]))


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
    J, _ = two_layers_with_tanh(rng)
    counts = {e.name: e.op_count for e in tg.derive(J)}
    assert counts["Z1"] == 2
    assert counts["dZ2"] == 1
    assert counts["dZ1"] == 5  # a transpose, a product, ∗, −, a square
    assert counts["dW2"] == 3  # a scaling, a product, a transpose


def test_a_derivation_is_a_sequence_that_knows_names(rng):
    J, _ = logistic_regression(rng)
    derivation = tg.derive(J)
    assert len(derivation) == 6
    assert derivation["dw"] is derivation[4]
    assert derivation[-1].name == "db"
    with pytest.raises(KeyError, match="there are Z, A, J, dZ, dw, db"):
        derivation["dQ"]


def test_text_and_latex(rng):
    J, _ = two_layers_with_tanh(rng)
    derivation = tg.derive(J)
    lines = str(derivation).splitlines()
    assert lines[7] == "dZ2 = A2 − Y                (1, 6)"
    assert lines[9] == "db2 = (1/m) Σ dZ2           (1, 1)   sum over the 6 columns"
    assert derivation["dZ1"].latex == r"\mathit{dZ}^{[1]} = W^{[2]T}\,\mathit{dZ}^{[2]} \ast  (1 - A^{[1]2})"
    assert derivation._repr_latex_().startswith("$$\n\\begin{aligned}\n")


@pytest.mark.parametrize("model", TEXTBOOK, ids=lambda model: model.__name__)
def test_latex_is_read_by_matplotlib(model, rng):
    mathtext = pytest.importorskip("matplotlib.mathtext", reason="matplotlib reads LaTeX in this test")
    parser = mathtext.MathTextParser("path")
    for equation in tg.derive(model(rng)[0]):
        parser.parse(f"${equation.latex}$")


def test_what_has_no_derivation_says_so():
    x = tg.parameter([1.0, 2.0])
    with pytest.raises(tg.ArgumentError, match=r"shape \(2,\); equations are derived of a scalar"):
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
