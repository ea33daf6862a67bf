"""NumPy source of graphs computes what the graph computed."""

import numpy as np
import pytest
from graphs import random_graph

import tinygraph as tg
from tinygraph.codegen import expression, function, identifiers
from tinygraph.table import APPLY, OPS
from tinygraph.testing import samples


def run(node, names):
    source = expression(node, names)
    variables = {name: x.data for x, name in names.items()}
    exec(function("f", [], [("x", source)], []), variables)
    return eval(source, variables)


@pytest.mark.parametrize("op", OPS.values(), ids=OPS)
def test_every_op_is_covered(op):
    for inputs, params in samples(op):
        if op.name in ("log_loss_of_sigmoid", "complement_of_sigmoid", "logit_of_sigmoid"):
            inputs[0] = 1 / (1 + np.exp(-inputs[-1]))
        tensors = [tg.Tensor(x) for x in inputs]
        node = APPLY[op.name](*tensors, **params)
        value = run(node, dict(zip(tensors, "abcdef", strict=False)))
        np.testing.assert_allclose(value, node.data, rtol=1e-12)


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::tinygraph.BroadcastWarning")
def test_random_graphs_are_computed_the_same():
    for seed in range(200):
        J = random_graph(seed)
        leaves = [x for x in tg.toposort(J) if x.op is None]
        names = {x: f"x{i}" for i, x in enumerate(leaves)}
        np.testing.assert_allclose(run(J, names), J.data, rtol=1e-10)


@pytest.mark.parametrize(
    ("build", "source"),
    [
        (lambda a, b: a - (b - a), "a - (b - a)"),
        (lambda a, b: (a + b) * a, "(a + b) * a"),
        (lambda a, b: -(a**2), "-a ** 2"),
        (lambda a, b: (-a) ** 2, "(-a) ** 2"),
        (lambda a, b: a @ b.T, "a @ b.T"),
        (lambda a, b: (a @ b).T, "(a @ b).T"),
        (lambda a, b: a / (a @ b), "a / (a @ b)"),
        (lambda a, b: tg.sum(a, axis=1, keepdims=True) / 3, "np.sum(a, axis=1, keepdims=True) / 3"),
        (lambda a, b: tg.sigmoid(a + b), "1 / (1 + np.exp(-(a + b)))"),
        (lambda a, b: tg.relu(a)[0, 1:], "np.maximum(a, 0)[0, 1:]"),
    ],
)
def test_source_is_as_an_expert_writes_it(build, source):
    a, b = tg.Tensor(np.ones((2, 2))), tg.Tensor(np.ones((2, 2)))
    assert expression(build(a, b), {a: "a", b: "b"}) == source


def test_names_become_identifiers_each_once():
    nodes = [tg.Tensor(float(i)) for i in range(6)]
    names = dict(zip(nodes, ["W1", "Z₁", "a b", "a_b", "lambda", "np"], strict=True))
    assert list(identifiers(names).values()) == ["W1", "Z1", "a_b", "a_b_2", "vlambda", "np_2"]


def test_constants_are_written_to_the_last_digit():
    x = tg.Tensor(1.0)
    large = np.random.default_rng(0).normal(size=2000)
    odd = np.array([np.inf, -np.inf, np.nan, 0.1], np.float32)
    for constant in (large, odd, np.arange(3), np.array([True, False])):
        node = x * constant
        value = run(node, {x: "x"})
        assert np.array_equal(value, node.data, equal_nan=True)
        assert value.dtype == node.dtype
    assert run(x * float("-inf"), {x: "x"}) == -np.inf
