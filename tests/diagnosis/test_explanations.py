"""`why`: each cause in one sentence, in the user's names, with the line that it is about."""

import itertools
import re

import numpy as np
import pytest
from graphs import random_graph

import tinygraph as tg

m = 200
RNG = np.random.default_rng(0)
DATA, LABELS = RNG.normal(size=(2, m)), (RNG.random((1, m)) > 0.5).astype(float)
AT_RANDOM = "Draw the weights at random, as with tg.init.xavier."


@pytest.fixture(autouse=True)
def _numpy_is_quiet():
    with np.errstate(all="ignore"):
        yield


def parameters(seed=0, W1=None, b1=0.0, W2=None):
    rng = np.random.default_rng(seed)
    W1 = tg.parameter(rng.normal(size=(4, 2)) if W1 is None else np.full((4, 2), W1))
    b1 = tg.parameter(np.full((4, 1), b1))
    W2 = tg.parameter(rng.normal(size=(1, 4)) if W2 is None else np.full((1, 4), W2))
    b2 = tg.parameter(np.zeros((1, 1)))
    return W1, b1, W2, b2


def cost(W1, b1, W2, b2, g1=tg.tanh):
    X, Y = tg.Tensor(DATA), tg.Tensor(LABELS)
    Z1 = W1 @ X + b1
    A1 = g1(Z1)
    Z2 = W2 @ A1 + b2
    A2 = tg.sigmoid(Z2)
    J = tg.log_loss(A2, Y)
    return J


def said(answer):
    """Keys, tensors by name, and sentences."""
    return [(cause.key, cause.tensor.name, cause.sentence) for cause in answer.causes]


def keys(answer):
    return [cause.key for cause in answer.causes]


def ancestor(J, name):
    return next(x for x in tg.toposort(J) if x.name == name)


# -- nothing is wrong ----------------------------------------------------------------------------------------------


def test_a_gradient_that_is_fine_is_said_to_be():
    W1, b1, W2, b2 = parameters()
    J = cost(W1, b1, W2, b2)
    J.backward()
    answer = tg.why(W1)
    size = f"{np.linalg.norm(W1.grad):.4g}"
    assert str(answer) == f"dW1 is fine: ‖dW1‖ = {size}. It comes via J → A2 → Z2 → A1 → Z1 → W1."
    assert answer.causes == []
    assert repr(answer) == answer.text
    assert tg.why(b2, of=J).heading.endswith("It comes via J → A2 → Z2 → b2.")
    assert tg.why(J).heading == "dJ is fine: the backward pass begins at J."


def test_what_the_loss_keeps_aside_has_a_gradient_too():
    J = cost(*parameters())
    J.backward()
    A2 = ancestor(J, "A2")
    assert tg.why(A2, of=J).heading == f"dA2 is fine: ‖dA2‖ = {np.linalg.norm(A2.grad):.4g}. It comes via J → A2."


def test_long_paths_are_cut():
    w = tg.parameter(1.0)
    x = w
    for i in range(20):
        x = x * 1.0
        x.name = f"x{i}"
    x.backward()
    assert tg.why(w, of=x).heading == "dw is fine: ‖dw‖ = 1. It comes via x19 → x18 → x17 → x16 → … → x1 → x0 → w."


# -- no gradient, by what has been done ----------------------------------------------------------------------------


def test_no_backward_yet():
    W1, b1, W2, b2 = parameters()
    J = cost(W1, b1, W2, b2)
    answer = tg.why(W2)
    assert answer.heading == "W2.grad is None."
    (dW2,) = tg.gradients(J, [W2])
    it = f"‖dW2‖ = {np.linalg.norm(dW2.data):.4g}, via J → A2 → Z2 → W2"
    say = f"No backward has run on J yet. J.backward() will leave a gradient with {it}."
    assert said(answer) == [("no backward", "J", say)]
    assert W2.grad is None
    assert J._used is None


def test_nothing_was_computed_from_it():
    W1 = tg.parameter([1.0])
    say = "None of your variables was computed from W1. Say which loss you mean, as in why(W1, of=J)."
    assert said(tg.why(W1)) == [("unknown loss", "W1", say)]
    tg.sum(W1 * 2.0).backward()
    assert str(tg.why(W1)) == "‖dW1‖ = 2. Say which loss you mean, as in why(W1, of=J)."


def test_set_to_none_after_the_step():
    W1, b1, W2, b2 = parameters()
    J = cost(W1, b1, W2, b2)
    J.backward()
    size = f"{np.linalg.norm(W1.grad):.4g}"
    for p in (W1, b1, W2, b2):
        p.data -= 0.1 * p.grad
        p.grad = None
    say = "backward has run on J, and W1.grad has been set to None since, as usual between steps."
    say += f" The gradient had ‖dW1‖ = {size}, via J → A2 → Z2 → A1 → Z1 → W1."
    assert said(tg.why(W1)) == [("reset", "W1", say)]


def test_gradients_of_results_that_were_not_kept():
    J = cost(*parameters())
    J.backward(retain_grads=False)
    ((key, name, sentence),) = said(tg.why(ancestor(J, "Z2"), of=J))
    assert (key, name) == ("not kept", "Z2")
    say = "backward has run on J with retain_grads=False, which keeps the gradients of leaves only."
    assert sentence.startswith(f"{say} The gradient had ‖dZ2‖ = ")


def test_added_up_over_two_steps():
    W1, b1, W2, b2 = parameters()
    J = cost(W1, b1, W2, b2)
    J.backward()
    one = np.linalg.norm(W1.grad)
    J = cost(W1, b1, W2, b2)
    say = "W1.grad comes from an earlier backward. J.backward() will add to it; set W1.grad = None first."
    assert said(tg.why(W1)) == [("stale", "W1", say)]
    J.backward()
    sizes = f"‖dW1‖ = {2 * one:.4g}, and {one:.4g} from J alone"
    say = f"W1.grad is 2 times the gradient of J: {sizes}."
    say += " backward adds to .grad; set W1.grad = None before each backward."
    assert said(tg.why(W1)) == [("added up", "W1", say)]
    assert tg.why(W1).heading.startswith("dW1 is there: ")


def test_added_up_over_different_steps():
    W1, b1, W2, b2 = parameters()
    J = cost(W1, b1, W2, b2)
    J.backward()
    first = W1.grad.copy()
    W1.data -= 0.5 * W1.grad
    J = cost(W1, b1, W2, b2)
    J.backward()
    sizes = f"‖dW1‖ = {np.linalg.norm(W1.grad):.4g}, and {np.linalg.norm(W1.grad - first):.4g} from J alone"
    say = f"W1.grad is not the gradient of J alone: {sizes}. Another backward has added to it, or it was changed;"
    assert said(tg.why(W1)) == [("added up", "W1", f"{say} set W1.grad = None before each backward.")]


def test_a_loss_that_is_part_of_another():
    w = tg.parameter([1.0, 2.0])
    J = tg.sum(w * w)
    (3.0 * J).backward()
    say = "w.grad is 3 times the gradient of J: ‖dw‖ = 13.42, and 4.472 from J alone."
    assert said(tg.why(w, of=J)) == [
        ("added up", "w", f"{say} J.grad is 3: backward has run more than once, or on more than J.")
    ]


# -- no gradient, by what it is ------------------------------------------------------------------------------------


def test_data_needs_none():
    X = tg.Tensor([1.0, 2.0])
    say = "X does not require a gradient, so none is computed for it. This is right for data."
    assert said(tg.why(X)) == [("constant", "X", f"{say} Tensors to be learned are made with tg.parameter(…).")]
    Z = X * 2.0
    say = "Z does not depend on anything that requires a gradient: it was computed from X."
    assert said(tg.why(Z))[0] == ("constant", "Z", say)


def test_integers_have_none():
    k = tg.Tensor([1, 2, 3])
    assert said(tg.why(k)) == [("integer", "k", "k holds int64, and only floating-point numbers have a gradient.")]


def test_what_is_detached():
    W1, b1, W2, _ = parameters()
    A1 = tg.tanh(W1 @ DATA + b1)
    C = A1.detach()
    J = tg.mean(tg.square(W2 @ C - LABELS))
    J.backward()
    say = "C is cut off from A1: A1.detach() keeps no history."
    for answer in tg.why(W1), tg.why(A1), tg.why(W1, of=J):
        assert said(answer) == [("detached", "C", say)]
        assert re.search(r"\n    test_explanations\.py:\d+   C = A1\.detach\(\)$", answer.text)
    assert tg.why(W1).heading == "W1 gets no gradient from J."
    assert said(tg.why(C)) == [("detached", "C", "C is cut off: A1.detach() keeps no history.")]


def test_what_was_copied_out_of_the_graph():
    W1, b1, W2, _ = parameters()
    A1 = tg.tanh(W1 @ DATA + b1)
    C = tg.Tensor(A1.data)
    J = tg.mean(tg.square(W2 @ C - LABELS))
    J.backward()
    say = "C is cut off from A1: tg.Tensor(A1.data) keeps no history."
    assert said(tg.why(W1)) == [("detached", "C", say)]


def test_what_was_computed_within_no_grad():
    W1, b1, W2, _ = parameters()
    with tg.no_grad():
        A1 = tg.tanh(W1 @ DATA + b1)
    J = tg.mean(tg.square(W2 @ A1 - LABELS))
    J.backward()
    say = "A1 is a constant: tg.tanh(W1 @ DATA + b1) was computed within no_grad, where nothing is recorded."
    assert said(tg.why(A1)) == [("no_grad", "A1", say)]
    assert ("no_grad", "A1", say) in said(tg.why(W1))
    with tg.no_grad():
        J = tg.mean(W1)
    say = "J is a constant: tg.mean(W1) was computed within no_grad, where nothing is recorded."
    assert said(tg.why(W1)) == [("no_grad", "J", say)]
    assert said(tg.why(J)) == [("no_grad", "J", say)]


# -- no gradient, by what lies on the way --------------------------------------------------------------------------


def test_no_path():
    W1, _, W2, _ = parameters()
    unused = tg.parameter([1.0])
    J = tg.mean(W2 @ tg.tanh(W1 @ DATA))
    J.backward()
    say = "J does not depend on unused. It was computed from W1, W2 and DATA."
    assert said(tg.why(unused)) == [("no path", "J", say)]


def test_another_tensor_of_the_name():
    W1, b1, W2, b2 = parameters()
    J = cost(W1, b1, W2, b2)
    J.backward()
    W1 = tg.parameter(W1.data - 0.1 * W1.grad)
    ((key, name, sentence),) = said(tg.why(W1))
    assert (key, name) == ("another tensor", "W1")
    pattern = r"J was computed from another tensor that is called W1, made before this one \(test_\w+\.py:\d+\)\."
    assert re.fullmatch(pattern, sentence)


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (lambda w: tg.argmax(w), "s holds int64: it changes only in jumps with w, because of argmax,"),
        (lambda w: w > 1.0, "s holds bool: it changes only in jumps with w, because of greater,"),
        (lambda w: w.astype(int), "s holds int64: it changes only in jumps with w, because of discretize,"),
    ],
)
def test_what_changes_in_jumps(function, sentence):
    w, v = tg.parameter([1.0, 2.0]), tg.parameter(3.0)
    s = function(w)
    J = tg.sum(s * v)
    J.backward()
    assert said(tg.why(w)) == [("no derivative", "s", f"{sentence} and has no derivative.")]
    assert said(tg.why(s)) == [("no derivative", "s", f"{sentence} and has no derivative.")]


def test_a_gradient_that_is_stopped():
    w, v = tg.parameter([1.0, 2.0]), tg.parameter(3.0)
    s = tg.stop_gradient(w)
    J = tg.sum(s * v)
    J.backward()
    assert said(tg.why(w)) == [("stop_gradient", "s", "s lets no gradient through to w: stop_gradient stops it.")]


# -- zero ----------------------------------------------------------------------------------------------------------


def test_dead_relus():
    W1, b1, W2, b2 = parameters(b1=-50.0)
    J = cost(W1, b1, W2, b2, tg.relu)
    J.backward()
    advice = "Try: tg.leaky_relu, or a smaller learning rate."
    answer = tg.why(W1)
    assert answer.heading == "dW1 is 0 in all of its 8 elements."
    say = "A1 lets nothing through to Z1: relu is 0 for all 4 units and all 200 examples, and flat there (dead)."
    assert said(answer) == [("dead", "A1", f"{say} {advice}")]
    assert re.search(r"\n    test_explanations\.py:\d+   A1 = g1\(Z1\)$", answer.text)
    say = "A1: relu is 0 in all 4 units, over 200 examples (dead): no gradient goes through them."
    assert said(tg.why(W2)) == [
        ("times zero", None, "In W2 @ A1 the gradient of W2 is multiplied by A1, which is 0."),
        ("dead", "A1", f"{say} {advice}"),
    ]


def test_some_dead_relus():
    W1, b1, W2, b2 = parameters()
    b1.data[:2] = -50.0
    J = cost(W1, b1, W2, b2, tg.relu)
    J.backward()
    say = "A1: relu is 0 in 2 of 4 units, over 200 examples (dead): no gradient goes through them."
    assert said(tg.why(W1)) == [("dead", "A1", f"{say} Try: tg.leaky_relu, or a smaller learning rate.")]


def test_zero_initialisation():
    W1, b1, W2, b2 = parameters(W1=0.0, W2=0.0)
    J = cost(W1, b1, W2, b2)
    J.backward()
    say = f"In W2 @ A1 the gradient of A1 is multiplied by W2, which is 0. {AT_RANDOM}"
    assert said(tg.why(W1)) == said(tg.why(b1)) == [("zero weights", None, say)]
    assert said(tg.why(W2)) == [
        ("times zero", None, "In W2 @ A1 the gradient of W2 is multiplied by A1, which is 0."),
        ("zero weights", "W1", f"W1 is 0, and so is A1. {AT_RANDOM}"),
    ]
    assert tg.why(b2).causes == []


def test_equal_initialisation():
    W1, b1, W2, b2 = parameters(W1=0.5, W2=0.5)
    J = cost(W1, b1, W2, b2)
    J.backward()
    say = f"All 4 units have the same weights in W1 and the same gradient in dW1, so they stay copies. {AT_RANDOM}"
    assert said(tg.why(W1)) == [("copies", "W1", say)]
    assert tg.why(W2).causes == []


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda w, none: w * none, ("times zero", "In w * none the gradient of w is multiplied by none, which is 0.")),
        (lambda w, none: tg.where(none > 0, w, 1.0), ("not chosen", None)),
        (lambda w, none: tg.maximum(w, 10.0), ("not chosen", "tg.maximum(w, 10.0) takes no element of w.")),
        (lambda w, none: tg.round(w), ("level", "tg.round(w) lets nothing through to w: tg.round(w) is constant")),
        (lambda w, none: w - w, ("cancels", "The contributions to dw add up to 0.")),
        (lambda w, none: tg.tanh(50.0 * w), ("saturated", "tg.tanh(50.0 * w) lets nothing through to 50.0 * w")),
    ],
)
def test_values_that_let_no_gradient_through(function, expected):
    w, none = tg.parameter([1.0, 2.0], name="w"), tg.Tensor([0.0, 0.0], name="none")
    J = tg.sum(function(w, none))
    J.backward()
    answer = tg.why(w)
    key, sentence = expected
    assert answer.heading == "dw is 0 in all of its 2 elements."
    assert keys(answer) == [key]
    assert sentence is None or answer.causes[0].sentence.startswith(sentence)


def test_a_part_that_is_not_used():
    a, b = tg.parameter([1.0, 2.0]), tg.parameter([3.0, 4.0])
    c = tg.concat([a, b])
    J = tg.sum(c[:2])
    J.backward()
    assert said(tg.why(b)) == [("not used", "c", "The part of c that comes from b is not used.")]
    assert tg.why(a).causes == []


def test_a_bias_before_a_normalisation_does_nothing():
    b, X = tg.parameter(np.zeros(3)), RNG.normal(size=(50, 3))
    Z = X + b
    J = tg.sum((Z - tg.mean(Z, axis=0)) ** 3)
    J.backward()
    say = "The contributions to db add up to 0, except for rounding: J does not depend on b."
    assert said(tg.why(b)) == [("cancels", "b", say)]


def test_a_mask_that_never_chooses():
    w, chosen = tg.parameter([1.0, 2.0]), tg.Tensor([False, False])
    J = tg.sum(tg.where(chosen, w, 0.0))
    J.backward()
    say = "tg.where(chosen, w, 0.0) takes no element of w: chosen never chooses one."
    assert said(tg.why(w)) == [("not chosen", None, say)]


def test_at_zero_a_square_is_flat():
    w = tg.parameter([0.0, 0.0])
    J = tg.sum(tg.square(w))
    J.backward()
    say = "The derivative of tg.square(w) is proportional to w, which is 0."
    assert said(tg.why(w)) == [("times zero", None, say)]


# -- too small, too large ------------------------------------------------------------------------------------------


def test_saturated_units():
    W1, b1, W2, b2 = parameters(b1=25.0)
    J = cost(W1, b1, W2, b2, lambda z: tg.sigmoid(0.2 * z))
    J.backward()
    say = "A1: sigmoid is flat in all 4 units, over 200 examples (saturated):"
    ((key, _, sentence),) = said(tg.why(W1))
    assert (key, sentence) == ("saturated", f"{say} less than a twentieth of the gradient goes through.")


def test_an_output_that_is_sure_is_no_fault():
    W1, b1, W2, _ = parameters()
    A2 = tg.sigmoid(300.0 * (W2 @ tg.tanh(W1 @ DATA + b1)))
    J = tg.mean(tg.square(A2 - LABELS))
    J.backward()
    assert tg.why(W1).causes == []
    W2.data *= 1e2
    A2 = tg.sigmoid(300.0 * (W2 @ tg.tanh(W1 @ DATA + b1)))
    J = tg.mean(tg.square(A2 - LABELS))
    W2.grad = None
    J.backward()
    assert keys(tg.why(W2)) == ["tiny", "saturated"]


def test_saturated_until_nothing_comes_through():
    W1, b1, W2, b2 = parameters(b1=12.0)
    J = cost(W1, b1, W2, b2)
    J.backward()
    answer = tg.why(W1)
    assert keys(answer) == ["vanishing", "saturated"]
    dZ2, dW1 = np.linalg.norm(ancestor(J, "Z2").grad), np.linalg.norm(W1.grad)
    start = f"The gradient shrinks on its way from Z2: ‖dZ2‖ = {dZ2:.4g}, ‖dW1‖ = {dW1:.4g}, by tanh ("
    assert answer.causes[0].sentence.startswith(start.replace("e-", "e−"))
    assert answer.causes[0].tensor.name == "A1"


def deep(layers, activation, gain=1.0):
    rng = np.random.default_rng(0)
    A, W = tg.Tensor(DATA), []
    for i in range(layers):
        W.append(tg.parameter(gain * rng.normal(size=(10, len(A))) / np.sqrt(len(A)), name=f"W{i + 1}"))
        Z = W[-1] @ A
        Z.name = f"Z{i + 1}"
        A = activation(Z)
        A.name = f"A{i + 1}"
    J = tg.mean(tg.square(A))
    J.backward()
    return W, J


def test_a_gradient_that_vanishes_in_thirty_layers():
    W, J = deep(30, tg.sigmoid)
    ((key, _, sentence),) = said(tg.why(W[0], of=J))
    assert key == "vanishing"
    pattern = (
        r"The gradient shrinks on its way from Z30: ‖dZ30‖ = 0\.00\d+, ‖dW1‖ = \d\.\d+e−2\d, by 29 times sigmoid"
        r" \(0\.2\d × each\)\. Try: relu, .*"
    )
    assert re.fullmatch(pattern, sentence)
    assert tg.why(W[0], of=J).heading.endswith("It comes via J → A30 → Z30 → A29 → … → A1 → Z1 → W1.")
    assert tg.why(W[-1], of=J).causes == []


def test_a_gradient_that_explodes_through_time():
    rng = np.random.default_rng(0)
    W, U, X = tg.parameter(1.6 * np.eye(5)), tg.parameter(rng.normal(size=(5, 2))), tg.Tensor(DATA[:, :40])
    h = tg.Tensor(np.zeros((5, 1)))
    for t in range(40):
        h = W @ h + U @ X[:, t : t + 1]
    J = tg.mean(h)
    J.backward()
    ((key, _, sentence),) = said(tg.why(W))
    assert key == "exploding"
    pattern = (
        r"The gradient grows on its way from h₄₁: ‖dh₄₁‖ = 0\.4472, ‖dW‖ = \d\.\d+e\+0\d, by 40 times matmul"
        r" \(1\.\d × each\)\. Try: smaller weights to begin with, or clipping the gradient\."
    )
    assert re.fullmatch(pattern, sentence)


def test_a_gradient_that_is_large_because_the_data_are():
    w, x = tg.parameter([[1.0, 2.0]]), tg.Tensor(1e5 * DATA)
    J = tg.sum(tg.square(w @ x))
    J.backward()
    ((key, _, sentence),) = said(tg.why(w))
    assert key == "huge"
    assert re.match(r"The gradient grows on its way from J: ‖dJ‖ = 1, ‖dw‖ = .*e\+1\d, by .*matmul \(.*\)\.", sentence)


def test_a_gradient_that_is_tiny_because_the_values_are():
    w = tg.parameter([1e-12, 2e-12])
    J = tg.sum(tg.square(w))
    J.backward()
    assert keys(tg.why(w)) == ["tiny"]


# -- NaN and infinity ----------------------------------------------------------------------------------------------


def test_the_logarithm_of_zero():
    A2, Y = tg.parameter([[0.5, 0.0, 0.98]]), np.array([[1.0, 0.0, 1.0]])

    def loss():
        return -tg.mean(Y * tg.log(A2))

    J = loss()
    J.backward()
    advice = "Try: tg.log_loss for a loss of probabilities, which is computed from logits; else keep the argument"
    born = "In tg.log(A2), 1 of 3 elements is -inf, the first at [0, 1], where A2 is 0.0. This is the logarithm of 0."
    step = "In Y * tg.log(A2), 1 of 3 elements is nan, the first at [0, 1], where Y is 0.0 and tg.log(A2) is -inf."
    expected = [
        ("log of 0", None, f"{born} {advice} above 0, as in tg.log(tg.maximum(x, 1e-12))."),
        ("nan of infinities", None, f"{step} Infinities become NaN here."),
    ]
    assert said(tg.why(J)) == said(tg.why(A2)) == expected
    assert tg.why(J).heading == "J is NaN."
    assert tg.why(A2).heading == "dA2 is NaN in 1 of 3 elements, the first at [0, 1]."
    assert re.search(r"\n    test_explanations\.py:\d+   return -tg\.mean\(Y \* tg\.log\(A2\)\)", tg.why(J).text)


@pytest.mark.parametrize(
    ("function", "x", "key", "sentence"),
    [
        (
            lambda x: x / x,
            0.0,
            "division by 0",
            "In x / x, the result is nan, where x is 0.0. This is a division by 0.",
        ),
        (lambda x: 1.0 / x, 0.0, "division by 0", "In 1.0 / x, the result is inf, where x is 0.0. This is a division"),
        (
            lambda x: tg.exp(x),
            800.0,
            "overflow",
            "In tg.exp(x), the result is inf, where x is 800.0. The result is too large",
        ),
        (
            lambda x: tg.sqrt(x),
            -1.0,
            "undefined",
            "In tg.sqrt(x), the result is nan, where x is -1.0. The function is not",
        ),
        (
            lambda x: tg.log(x),
            -1.0,
            "undefined",
            "In tg.log(x), the result is nan, where x is -1.0. The function is not",
        ),
    ],
)
def test_values_that_begin_to_be_nan_or_infinite(function, x, key, sentence):
    y = function(tg.parameter(x, name="x")) * 2.0
    cause = tg.why(y).causes[0]
    assert cause.key == key
    assert cause.sentence.startswith(sentence)


def test_infinity_minus_infinity():
    x = tg.parameter([800.0, 1.0])
    E = tg.exp(x)
    J = tg.sum(E - E)
    assert keys(tg.why(J)) == ["overflow", "nan of infinities"]
    say = "In E - E, 1 of 2 elements is nan, the first at [0], where E is inf. Infinities become NaN here."
    assert said(tg.why(J))[1][2] == say


def test_the_slope_of_a_root_at_zero():
    x = tg.parameter([0.0, 1.0])
    J = tg.sum(tg.sqrt(x))
    J.backward()
    ((key, _, sentence),) = said(tg.why(x))
    assert key == "infinite slope"
    assert sentence == (
        "In the gradient of tg.sqrt(x) with respect to x, 1 of 2 elements is inf, the first at [0], where x is 0.0 and"
        " the incoming gradient is 1.0. Try: keep the argument away from 0, where the slope is infinite, as in"
        " tg.sqrt(x + 1e-12)."
    )


def test_where_hides_an_infinity_from_the_value_and_not_from_the_gradient():
    x = tg.parameter([0.0, 1.0])
    J = tg.sum(tg.where(x.data > 0, tg.log(x), 0.0))
    J.backward()
    ((key, _, sentence),) = said(tg.why(x))
    assert key == "infinite slope"
    assert sentence.startswith(
        "In the gradient of tg.log(x) with respect to x, 1 of 2 elements is nan, the first at [0]"
    )
    assert tg.why(J).causes == []


def hidden(sentence):
    """What keeps it out of the value, and the cure."""
    return re.fullmatch(
        r".*?\. (\S.*) \(\S+:\d+\) does not take it, but (0 times .*) is NaN in the gradient\. Try: (.*)\.", sentence
    ).groups()


def test_what_a_where_hides_is_said_with_a_cure():
    x = tg.parameter([0.0, 1.0])
    J = tg.sum(tg.where(x > 0, tg.sqrt(x), 0.0))
    ((_, key, sentence),) = [(c.tensor.op.name, c.key, c.sentence) for c in tg.why(x, of=J).causes[1:]]
    assert key == "infinite slope"
    cure = "choose the argument first: tg.where(x > 0, x, 1.0) in place of x in tg.sqrt(x)"
    assert hidden(sentence) == ("tg.where(x > 0, tg.sqrt(x), 0.0)", "0 times an infinite slope", cure)
    J = tg.sum(tg.where(x > 0, tg.sqrt(tg.where(x > 0, x, 1.0)), 0.0))
    J.backward()
    assert x.grad.tolist() == [0.0, 0.5]
    assert tg.why(x).heading.startswith("dx is fine")


HIDDEN = [
    (lambda x, D, ok: tg.where(ok, x * D, 0.0), "tg.where(ok, D, 1.0) in place of D in x * D", "0 times NaN"),
    (lambda x, D, ok: tg.nansum(x * D), "tg.where(tg.isfinite(D), D, 1.0) in place of D in x * D", "0 times NaN"),
    (
        lambda x, D, ok: tg.nanmean((x * D - 1) ** 2),
        "tg.where(tg.isfinite(D), D, 1.0) in place of D in x * D",
        "0 times NaN",
    ),
    (
        lambda x, D, ok: tg.where(x <= 0, 0.0, tg.log(x)),
        "tg.where(x <= 0, 1.0, x) in place of x in tg.log(x)",
        "0 times an infinite slope",
    ),
    (
        lambda x, D, ok: tg.where(x > 0, 1.0 / x, 0.0),
        "tg.where(x > 0, x, 1.0) in place of x in 1.0 / x",
        "0 times an infinite slope",
    ),
    (lambda x, D, ok: tg.nansum(x / x), "tg.where(x != 0, x, 1.0) in place of x in x / x", "0 times an infinite slope"),
]


@pytest.mark.parametrize(("function", "cure", "product"), HIDDEN)
def test_what_is_hidden_by_a_mask_in_other_ways(function, cure, product):
    """By a product with data that is not there, by nansum, and in the branch for where the condition fails."""
    x, D, ok = tg.parameter([0.0, 1.0]), np.array([np.nan, 2.0]), np.array([False, True])
    J = tg.sum(function(x, D, ok))
    assert np.isfinite(J.item())
    sentence = tg.why(x, of=J).causes[1].sentence
    try:
        assert hidden(sentence)[1:] == (product, f"choose the argument first: {cure}")
    except AttributeError:
        raise AssertionError(sentence) from None
    with pytest.raises(tg.AnomalyError) as raised, tg.detect_anomaly():
        J.backward()
    assert f"does not take it, but {product} is NaN in the gradient" in str(raised.value)
    assert f"try: choose the argument first: {cure}" in str(raised.value)


def test_masked_data_in_a_product_of_matrices():
    W, X, known = tg.parameter(np.ones((2, 3))), np.ones((3, 4)), np.array([True, True, True, False])
    X[0, 3] = np.nan
    J = tg.sum(tg.where(known, W @ X, 0.0))
    cure = "choose the argument first: tg.where(tg.isfinite(X), X, 1.0) in place of X in W @ X"
    assert hidden(tg.why(W, of=J).causes[1].sentence) == ("tg.where(known, W @ X, 0.0)", "0 times NaN", cure)


def test_nan_in_the_data():
    D, w = np.ones((2, 5)), tg.parameter([[1.0, 1.0]])
    D[1, 3] = np.nan
    J = tg.sum(w @ D)
    J.backward()
    say = "D is itself NaN in 1 of 10 elements, the first at [1, 3]: the data contains it."
    assert said(tg.why(J)) == said(tg.why(w)) == [("data", None, say)]


def test_a_learning_rate_that_is_too_large():
    w = tg.parameter([3.0, 1.0])
    for _ in range(12):
        J = tg.sum(w**4)
        J.backward()
        if not np.isfinite(J.item()):
            break
        w.data -= 1e3 * w.grad
        w.grad = None
    answer = tg.why(J)
    assert keys(answer) == ["overflow", "grown weights"]
    assert re.fullmatch(r"w has grown to ±\S+\. Try: a smaller learning rate\.", answer.causes[1].sentence)


def test_weights_that_an_update_has_spoilt():
    w, x = tg.parameter([0.0, 1.0]), tg.Tensor([1.0, 1.0])
    J = tg.sum(tg.sqrt(w) * x)
    J.backward()
    w.data -= w.grad
    answer = tg.why(w)
    assert answer.heading == "w is infinite in 1 of 2 elements, the first at [0]."
    say = "w is itself infinite in 1 of 2 elements, the first at [0]: this was written to it, perhaps by an update."
    assert answer.causes[0][::2] == ("weights", f"{say} Try: a smaller learning rate.")
    assert answer.causes[1].sentence.startswith(
        "In the gradient of tg.sqrt(w) with respect to w, 1 of 2 elements is inf"
    )


def test_an_infinity_that_stands_in_the_source():
    scores = tg.parameter([1.0, 2.0])
    S = tg.where(np.array([False, False]), scores, -np.inf)
    p = tg.softmax(S)
    answer = tg.why(p)
    assert keys(answer) == ["literal", "nan of infinities"]
    say = "S is infinite in 2 of 2 elements, the first at [0]: the source contains an infinity."
    assert answer.causes[0].sentence == say


# -- whom it asks --------------------------------------------------------------------------------------------------


def test_the_loss_is_the_youngest_scalar_that_backward_has_used():
    w = tg.parameter([1.0, 2.0])
    training = tg.sum(w * w)
    validation = tg.sum(w * 3.0)
    training.backward()
    assert validation.age > training.age
    assert tg.why(w).heading.startswith("dw is fine: ‖dw‖ = 4.472. It comes via training")


def test_an_array_is_asked_about_with_what_came_to_it():
    w = tg.parameter([1.0, 2.0])
    y = w * 3.0
    y.backward(grad=[2.0, 0.0])
    assert tg.why(w, of=y).heading == "dw is fine: ‖dw‖ = 6. It comes via y → w."
    w.grad = y.grad = None
    assert tg.why(w, of=y).causes[0].sentence.endswith("The gradient had ‖dw‖ = 4.243, via y → w.")


def test_where_there_is_no_source_names_are_enough():
    asked = {"tg": tg}
    exec("w = tg.parameter([1.0])\nz = tg.relu(w - 9.0)\nC = z.detach()\nJ = tg.sum(C)\na = tg.why(w)", asked)
    assert str(asked["a"]) == "w gets no gradient from J.\nC is cut off from z: it keeps no history."


def test_only_tensors_are_asked_about():
    with pytest.raises(TypeError, match=r"why takes a tensor, not ndarray"):
        tg.why(np.ones(3))
    with pytest.raises(TypeError, match=r"of= takes the tensor whose gradient you ask about, not float"):
        tg.why(tg.parameter(1.0), of=1.0)


@pytest.mark.filterwarnings("ignore::tinygraph.BroadcastWarning")
def test_every_tensor_of_random_graphs_has_an_answer_and_is_left_alone():
    for seed in range(40):
        J = random_graph(seed)
        order = tg.toposort(J)
        answers = [tg.why(x, of=J).text for x in order]
        assert all(answers)
        assert all(x.grad is None and x._used is None for x in order)


def test_sound_nets_are_not_accused():
    for seed in range(100):
        rng = np.random.default_rng(seed)
        sizes = [2, *(int(n) for n in rng.integers(2, 30, size=seed % 4)), 1]
        A = tg.Tensor(DATA)
        for n0, n1 in itertools.pairwise(sizes):
            A = tg.tanh(tg.parameter(rng.normal(size=(n1, n0)) / np.sqrt(n0)) @ A + tg.parameter(np.zeros((n1, 1))))
        J = tg.mean(tg.square(A - LABELS))
        J.backward()
        for p in [x for x in tg.toposort(J) if x.requires_grad and x.op is None]:
            assert tg.why(p, of=J).causes == []


def test_a_graph_of_ten_thousand_nodes():
    x = tg.parameter(np.ones(3))
    y = x
    for _ in range(5000):
        y = tg.sin(y) + 0.1
    J = tg.sum(y)
    J.backward()
    assert tg.why(x).text
