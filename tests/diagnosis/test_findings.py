"""Facts about graphs and their gradients, and the node where each begins."""

import numpy as np
import pytest
from graphs import random_graph

import tinygraph as tg
from tinygraph.diagnosis.findings import Examination, norm
from tinygraph.reading import Reading


@pytest.fixture(autouse=True)
def _numpy_is_quiet():
    with np.errstate(all="ignore"):
        yield


def net(sizes, activation=tg.tanh, m=200, rows=False, gain=1.0, bias=0.0, seed=0):
    """The loss of a net; examples are columns, or `rows`."""
    rng = np.random.default_rng(seed)
    A = tg.Tensor(rng.normal(size=(m, sizes[0]) if rows else (sizes[0], m)), name="X")
    for i in range(1, len(sizes)):
        shape = (sizes[i - 1], sizes[i]) if rows else (sizes[i], sizes[i - 1])
        W = tg.parameter(rng.normal(size=shape) * gain / np.sqrt(sizes[i - 1]), name=f"W{i}")
        b = tg.parameter(np.full(shape[1] if rows else (shape[0], 1), bias), name=f"b{i}")
        Z = (A @ W if rows else W @ A) + b
        Z.name = f"Z{i}"
        A = activation(Z) if i + 1 < len(sizes) else tg.sigmoid(Z)
        A.name = f"A{i}"
    J = tg.log_loss(A, (rng.random(A.shape) > 0.5).astype(float))
    return J


def examined(J):
    return Examination(Reading(tg.toposort(J)))


def found(J):
    """What was found about named nodes, and where it begins."""
    return {(f.key, f.tensor.name): f.begins.name for f in examined(J).findings if f.tensor.name}


@pytest.mark.parametrize("rows", [False, True])
@pytest.mark.parametrize("activation", [tg.tanh, tg.sigmoid, tg.leaky_relu, tg.softplus])
def test_of_a_sound_net_nothing_is_found(activation, rows):
    for seed in range(20):
        assert found(net([5, 8, 7, 1], activation, rows=rows, seed=seed)) == {}


@pytest.mark.parametrize("rows", [False, True])
def test_a_unit_that_is_off_for_all_examples_is_dead(rows):
    J = net([3, 4, 1], tg.relu, rows=rows)
    (b1,) = [x for x in tg.toposort(J) if x.name == "b1"]
    b1.data[...] = np.reshape([-50.0, 0.0, -50.0, 1.0], b1.shape)
    W1, W2, X = (next(x for x in tg.toposort(J) if x.name == name) for name in ("W1", "W2", "X"))
    A1 = tg.relu(X @ W1 + b1 if rows else W1 @ X + b1)
    J = tg.mean(A1 @ W2 if rows else W2 @ A1)
    (finding,) = examined(J).findings
    assert (finding.key, finding.tensor, finding.part, finding.whole, finding.what) == ("dead", A1, 2, 4, "units")


def test_a_few_examples_do_not_make_a_unit_dead():
    for seed in range(20):
        assert not [key for key in found(net([3, 40, 1], tg.relu, m=5, seed=seed)) if key[0] == "dead"]


def test_where_it_is_not_known_which_axis_is_which_elements_are_counted():
    x = tg.parameter(np.linspace(-30, 30, 60))
    y = tg.tanh(x)
    (finding,) = examined(tg.sum(y)).findings
    assert (finding.key, finding.tensor, finding.what, finding.whole) == ("saturated", y, "elements", 60)
    assert examined(tg.sum(tg.relu(x))).findings == []
    assert [f.key for f in examined(tg.sum(tg.relu(x - 40.0))).findings if f.tensor is not x] == ["dead", "zero"]


def test_channels_of_a_convolution_are_units(rng):
    x, w = tg.Tensor(rng.normal(size=(4, 2, 8, 8))), tg.parameter(rng.normal(size=(3, 2, 3, 3)))
    b = tg.parameter(np.array([0.0, -90.0, 0.0]))
    y = tg.relu(tg.conv2d(x, w, b))
    (finding,) = examined(tg.mean(y)).findings
    assert (finding.key, finding.part, finding.whole) == ("dead", 1, 3)


def test_vanishing_through_sigmoids_and_growing_through_large_weights():
    vanishing = found(net([4] + [10] * 12 + [1], tg.sigmoid))
    assert vanishing["vanishing", "W1"] == vanishing["vanishing", "Z1"] == "Z13"
    assert ("vanishing", "W13") not in vanishing
    assert found(net([4] + [10] * 12 + [1], lambda x: x * 1.0, gain=6.0))["exploding", "W1"] == "Z13"


def test_weights_that_are_read_at_each_step_vanish_only_if_they_do_at_all_steps():
    W, U, x = tg.parameter(0.1 * np.eye(3)), tg.parameter([[1.0], [2.0], [3.0]]), tg.Tensor(np.ones((1, 20)))
    h = tg.Tensor(np.zeros((3, 20)))
    for _ in range(10):
        h = W @ h + U @ x
    V = tg.parameter(np.ones((1, 3)))
    seen = examined(tg.mean(V @ h))
    assert {f.key for f in seen.findings if f.tensor.op is not None} == {"vanishing"}
    assert [f for f in seen.findings if f.tensor is U] == []


def test_zero_gradients_name_what_they_end_at():
    w, mask = tg.parameter([1.0, 2.0]), tg.Tensor([0.0, 0.0])
    cases = [
        (tg.sum(w * mask), "times zero", "mask"),
        (tg.sum(tg.where(tg.Tensor([False, False], name="chosen"), w, 0.0)), "not chosen", "chosen"),
        (tg.sum(tg.floor(w)), "level", None),
        (tg.sum(w - w), "cancels", None),
        (tg.sum(tg.tanh(100.0 * w)), "saturated", None),
        (tg.sum(tg.square(w * 0.0)), "times zero", None),
    ]
    for J, reason, name in cases:
        first = next(f for f in examined(J).findings if f.key == "zero")
        assert first.obstacle is not None
        assert (first.obstacle.reason, first.begins.name) == (reason, name)


def test_a_zero_behind_is_that_of_the_node_before():
    J = net([3, 4, 4, 1])
    (W3,) = [x for x in tg.toposort(J) if x.name == "W3"]
    Z3 = (0.0 * W3) @ next(x for x in tg.toposort(J) if x.name == "A2")
    assert {f.begins for f in examined(tg.mean(Z3)).findings if f.tensor.name in ("W1", "Z1", "A1", "b2")} == {
        Z3.inputs[0]
    }


def test_equal_units_stay_copies(rng):
    X, same = tg.Tensor(rng.normal(size=(3, 50))), np.full((4, 3), 0.5)
    for W2, copies in [(np.ones((2, 4)), 2), (np.arange(8.0).reshape(2, 4), 0)]:  # the second breaks the symmetry
        W1, W2 = tg.parameter(same), tg.parameter(W2)
        columns = tg.mean(tg.square(W2 @ tg.tanh(W1 @ X)))
        W1, W2 = tg.parameter(same.T), tg.parameter(W2.data.T)
        rows = tg.mean(tg.square(tg.tanh(X.T @ W1) @ W2))
        for J in columns, rows:
            facts = [(f.key, f.part, f.whole) for f in examined(J).findings]
            assert facts == ([("copies", 2, 2), ("copies", 4, 4)] if copies else [])


def test_nan_is_traced_to_where_it_began():
    x = tg.parameter([0.0, 1.0])
    y = tg.log(x)
    z = y - y
    J = tg.sum(z)
    facts = {(f.key, f.tensor): f.begins for f in examined(J).findings}
    assert facts["infinite", y] is facts["nan", z] is facts["nan", J] is y


def test_a_harmless_infinity_is_left_alone():
    scores = tg.parameter(np.zeros((3, 3)))
    J = tg.sum(tg.softmax(tg.where(np.tri(3, dtype=bool), scores, -np.inf), axis=-1)[:, 0])
    assert examined(J).findings == []


def test_a_gradient_becomes_nan_where_a_slope_is_infinite():
    x = tg.parameter([0.0, 1.0])
    y = x * 2.0
    J = tg.sum(tg.where(x.data > 0, tg.sqrt(y), 0.0))
    facts = {(f.key, f.tensor): f.begins for f in examined(J).findings}
    assert facts == {("gradient nan", y): y, ("gradient nan", x): y}


def test_values_are_those_that_the_graph_has_read():
    w = tg.parameter([1.0, 2.0])
    J = tg.sum(w * w)
    w.data[...] = np.nan
    seen = examined(J)
    assert seen.findings == []
    np.testing.assert_array_equal(seen.values[w], [1.0, 2.0])


def test_nothing_is_left_in_the_graph():
    J = net([3, 4, 1])
    examined(J)
    assert all(x.grad is None and x._used is None for x in tg.toposort(J))
    J.backward()
    before = {x: x.grad for x in tg.toposort(J)}
    examined(J)
    assert all(x.grad is before[x] for x in before)


@pytest.mark.filterwarnings("ignore::tinygraph.BroadcastWarning")
def test_gradients_are_those_of_backward():
    for seed in range(60):
        J = random_graph(seed)
        if J.requires_grad:
            seen = examined(J)
            J.backward()
            for x, g in seen.cotangents.items():
                np.testing.assert_allclose(g, x.grad)
                assert seen.norms[x] == pytest.approx(float(np.linalg.norm(x.grad)))


def test_deep_graphs_are_ordinary():
    x = tg.parameter(np.ones(3))
    y = x
    for _ in range(5000):
        y = tg.sin(y) + 0.1
    seen = examined(tg.sum(y))
    assert len(seen.order) == 10_002
    assert seen.findings == []


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        ([3.0, 4.0], 5.0),
        ([1e200, 1e200], np.sqrt(2) * 1e200),
        ([], 0.0),
        ([0.0], 0.0),
        ([1.0, np.inf], np.inf),
        (2, 2.0),
    ],
)
def test_norm_does_not_overflow(x, expected):
    assert norm(np.asarray(x)) == pytest.approx(expected)
    assert np.isnan(norm(np.array([1.0, np.nan])))
    assert norm(np.array([True, True])) == pytest.approx(np.sqrt(2))
