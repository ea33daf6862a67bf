"""NumPy source of graphs computes what the graph computed."""

import builtins
import keyword
import sys
import unicodedata

import numpy as np
import pytest
from graphs import random_graph

import tinygraph as tg
from tinygraph.graph.records import APPLY, OPS
from tinygraph.testing.laws import samples
from tinygraph.writing.numpy_source import expression, function, identifier, identifiers


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


@pytest.mark.parametrize("op", [op for op in OPS.values() if op.kind == "elementwise" and len(op.vjps) == 1])
@np.errstate(over="raise", invalid="raise", divide="ignore", under="ignore")
def test_source_overflows_nowhere_where_the_op_does_not(op):
    for size in (30.0, 1000.0):
        for inputs, params in samples(op):
            x = tg.Tensor(np.linspace(-size, size, 9).astype(inputs[0].dtype))
            try:
                node = APPLY[op.name](x, **params)
            except (FloatingPointError, tg.TinygraphError):
                continue
            np.testing.assert_allclose(run(node, {x: "x"}), node.data, rtol=1e-12)


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
        (lambda a, b: tg.sigmoid(a + b), "sigmoid(a + b)"),
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


ODD = [
    *("µ", "μ", "ſ", "s", "ﬁ", "fi", "Ω", "Ω", "ａ", "a", "ª", "σ²", "σ2", "", "1", "😀", "é", "e\u0301", "\u0323x"),
    *("v\u0323x", "lambda", "match", "_", "__debug__", "__class__", "None", "np", "len", "max", "print", "a\nb"),
    *("a\0b", "\u2028", "\ud800", "x" * 10_000, "constant0", "\r", "'", '"', "\\", "{0}", "sigmoid"),
]


def test_any_text_becomes_an_identifier_of_its_own(rng):
    points = [int(x) for limit in (0x80, 0x3000, sys.maxunicode) for x in rng.integers(limit, size=1000)]
    texts = [*ODD, *("".join(map(chr, rng.choice(points, size=rng.integers(1, 6)))) for _ in range(1000))]
    taken = set()
    for text in texts:
        name = identifier(text, taken)
        assert name.isidentifier(), repr(text)
        assert not keyword.iskeyword(name)
        assert name == unicodedata.normalize("NFKC", name)
        assert name not in taken | set(dir(builtins)) - {"_"}  # which an interpreter sets to what it has shown
        taken.add(name)
    variables = {}
    exec("".join(f"{name} = {i}\n" for i, name in enumerate(taken)), variables)
    assert [variables[name] for name in taken] == [*range(len(taken))]


def test_equations_run_with_names_of_any_kind():
    leaves = [tg.parameter([0.01 * i, 0.02], name=name) for i, name in enumerate(ODD)]
    J = sum(tg.sum(tg.tanh(leaf)) for leaf in leaves)
    derivation = tg.derive(J)
    variables = {}
    exec(derivation.source, variables)
    J.backward()
    found = variables["equations"](*[leaf.data for leaf in leaves])
    gradients = sorted(tuple(x) for x in found.values() if np.shape(x))
    np.testing.assert_allclose(gradients, sorted(tuple(leaf.grad) for leaf in leaves))
