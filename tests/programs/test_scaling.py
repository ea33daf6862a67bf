"""Numbers that multiply several results of one array go to that array."""

import numpy as np
import pytest

import tinygraph as tg
from tinygraph.graph.node import toposort
from tinygraph.graph.records import APPLY, OPS
from tinygraph.graph.replaying import evaluate
from tinygraph.programs.scaling import scaled, ways
from tinygraph.testing import laws


def moved(function, *arrays):
    """The products with numbers before and after, and the results of both."""
    inputs = [tg.Tensor(array) for array in arrays]
    outputs = function(*inputs)
    after, within, _ = scaled(outputs, set(inputs), {})
    for one, other in zip(evaluate(after), evaluate(outputs), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-14)
    return products(outputs), products(after), within


def products(outputs):
    return [
        node.shape
        for node in toposort(*outputs)
        if node.op is not None and node.op.name == "multiply" and not all(isinstance(x, tg.Tensor) for x in node.inputs)
    ]


def test_a_rate_goes_to_the_gradient_that_all_are_linear_in(rng):
    def step(g, A, W, X):
        g = tg.tanh(g)
        dA = W.T @ g
        dZ = dA * (1 - A**2)
        return [W - 0.1 * (g @ A.T), W[:, :1] - 0.1 * tg.sum(g, axis=1, keepdims=True), A @ A.T - 0.1 * (dZ @ X.T)]

    before, after, within = moved(
        step, rng.normal(size=(2, 5)), rng.normal(size=(3, 5)), rng.normal(size=(2, 3)), rng.normal(size=(3, 5))
    )
    assert before == [(2, 3), (2, 1), (3, 3)]
    assert after == [(2, 5)]
    assert set(within.values()) == {0.1}
    assert {node.shape for node in within} >= {(3, 5), (2, 3), (2, 1), (3, 3)}


@pytest.mark.parametrize(
    ("why", "function"),
    [
        ("there is one product", lambda x, y: [0.1 * (tg.tanh(x) @ y)]),
        ("it would be read without the number too", lambda x, y: [0.1 * tg.tanh(x), 0.1 * tg.exp(tg.tanh(x)), x]),
        ("a square is not linear", lambda x, y: [0.1 * (tg.tanh(x) @ y), 0.1 * tg.square(tg.tanh(x))]),
        ("they are products of two", lambda x, y: [0.1 * (tg.tanh(x) @ y), 0.1 * (tg.exp(x) @ y)]),
        ("another result reads it", lambda x, y: (lambda t: [0.1 * (t @ y), 0.1 * (y @ t), t])(tg.tanh(x))),
        ("the numbers differ", lambda x, y: (lambda t: [0.1 * (t @ y), 0.2 * (y @ t)])(tg.tanh(x))),
        ("the array is large", lambda x, y: (lambda t: [0.1 * t[0], 0.1 * t[1]])(tg.tanh(tg.outer(x[0], x[0])))),
    ],
)
def test_numbers_stay_where(why, function, rng):
    size = 60 if "large" in why else 3
    before, after, within = moved(function, rng.normal(size=(size, size)), rng.normal(size=(size, size)))
    assert (before, within) == (after, {})


def test_a_number_is_multiplied_in_once(rng):
    """Where two factors could take it, and where one is read twice."""

    def step(x, y):
        a, b = tg.tanh(x), tg.exp(y)
        t = a * b
        return [0.1 * (t + t), 0.1 * (t @ x), 0.1 * (t / b)]

    _, after, _ = moved(step, rng.normal(size=(3, 3)), rng.normal(size=(3, 3)))
    assert len(after) in (1, 3)


def test_a_number_waits_until_the_array_is_small(rng):
    X, y = tg.Tensor(rng.normal(size=(50, 3))), tg.Tensor(rng.normal(size=50))
    slope = 0.1 * tg.tanh(y)
    outputs = [X.mT @ slope]
    after, _, later = scaled(outputs, {X, y}, {slope: "slope"})
    assert products(outputs) == [(50,)]
    assert products(after) == [(3,)]
    assert [(node.op.name, number) for node, number in later.items()] == [("tanh", 0.1)]
    np.testing.assert_allclose(after[0].data, outputs[0].data, rtol=1e-14)


def test_numbers_that_meet_are_one(rng):
    x = tg.Tensor(rng.normal(size=3))
    (after,), _, _ = scaled([0.5 * (0.1 * (0.2 * tg.exp(x)))], {x}, {})
    assert products([after]) == [(3,)]
    (after,), _, _ = scaled([0.5 * tg.mean(tg.exp(x))], {x}, {})
    assert [node.op.name for node in toposort(after) if node.op is not None] == ["exp", "sum", "multiply"]


def test_a_name_of_the_array_itself_stays_true(rng):
    """A = tanh(y) is not said to wait for the number of 0.1 A, which has no name."""
    y, X = tg.Tensor(rng.normal(size=50)), tg.Tensor(rng.normal(size=(50, 3)))
    A = tg.tanh(y)
    slope = 0.1 * A
    assert scaled([X.mT @ slope, A], {X, y}, {A: "A"})[2] == {}
    assert scaled([X.mT @ slope, A], {X, y}, {A: "A", slope: "slope"})[2] == {}
    assert list(scaled([X.mT @ slope], {X, y}, {slope: "slope"})[2].values()) == [0.1]


def test_a_factor_that_one_reader_takes_elsewhere_stays_as_it_is(rng):
    """a ∗ b would take the number at b, which is smaller, and a c at a, which a ∗ b reads."""

    def step(x, y, c):
        a, b = tg.tanh(x), tg.exp(y)
        return [0.1 * (a * b), 0.1 * (a @ c)]

    shapes = (60, 60), (60, 1), (60, 60)
    before, after, within = moved(step, *(rng.normal(size=shape) for shape in shapes))
    assert (before, within) == (after, {})


# -- in what an op is linear ----------------------------------------------------------------------------------------

CASES = [
    pytest.param(op, inputs, params, id=f"{name}-{'-'.join(str(x.shape) for x in inputs)}-{params or ''}")
    for name, op in OPS.items()
    for inputs, params in laws.samples(op)
]


@pytest.mark.parametrize(("op", "inputs", "params"), CASES)
def test_what_multiplies_the_inputs_multiplies_the_result(op, inputs, params):
    tensors = [tg.Tensor(x) for x in inputs]
    node = APPLY[op.name](*tensors, **params)
    for way in ways(node):
        changed = [tg.Tensor(3.0 * x.data) if x in way else x for x in tensors]
        np.testing.assert_allclose(APPLY[op.name](*changed, **params).data, 3.0 * node.data, rtol=1e-12)


def test_where_is_linear_in_the_arrays_it_chooses_from_beside_zeros():
    x, y, mask = tg.Tensor([1.0, 2.0]), tg.Tensor([3.0, 4.0]), tg.Tensor([True, False])
    assert ways(tg.where(mask, x, 0.0)) == [{x}]
    assert ways(tg.where(mask, x, y)) == [{x, y}]
    assert ways(tg.where(mask, x, 1.0)) == []


def test_an_operand_that_occurs_twice_is_not_linear():
    x = tg.Tensor([1.0, 2.0])
    assert ways(x * x) == ways(x @ x) == ways(x / x) == []
    assert ways(x + x) == [{x}]
