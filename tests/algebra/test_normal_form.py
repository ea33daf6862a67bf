"""Simplification keeps the value and never lengthens."""

import numpy as np
import pytest
from graphs import random_graph

import tinygraph as tg
from tinygraph.algebra.nodes import outlined, written
from tinygraph.algebra.normal_form import Reader
from tinygraph.algebra.shortest import expanded, shortest
from tinygraph.algebra.terms import symbol
from tinygraph.writing.names import names_of
from tinygraph.writing.notation import Writer, as_text


def leaves(**arrays):
    return [tg.Tensor(np.asarray(array, dtype=float), name=name) for name, array in arrays.items()]


a, b, c, s = leaves(a=[0.5, 2.0], b=[3.0, -1.0], c=[-2.0, 0.25], s=3.0)
A, B, C, x = leaves(A=[[1, 2], [3, 4]], B=[[0, 1], [1, 1]], C=[[2, 0], [1, 5]], x=[1, -1])
ATOMS = [a, b, c, s, A, B, C, x]


def read(node):
    return Reader({atom: symbol(atom) for atom in ATOMS}).read(node)


def text(term):
    """The text of a term, which is the same whether or not its nodes have values."""
    names = names_of(ATOMS)
    writer = Writer(names, lambda node: node not in names)
    computed, outline = (as_text(writer.right_hand_side(graph)) for graph in (written(term), outlined(term)))
    assert outline == computed
    return computed


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (a + a, "2 · a"),
        (a - a, "0"),
        (a * a / a, "a"),
        (a * b / a, "b"),
        (tg.negative(-a), "a"),
        (a / 2 / 3, "(1/6) a"),
        (a * (b + c) - a * b, "a ∗ c"),
        (a * (1 - b**2), "a ∗ (1 − b²)"),
        (a * b + a * c, "a ∗ (b + c)"),
        ((a + b) * (a - b), "(a + b) ∗ (a − b)"),
        ((a + b) ** 2 / (a + b), "a + b"),
        (b - (-a), "b + a"),
        (-a + b, "b − a"),
        ((1 - b) * a - b * (1 - a), "a − b"),
        ((-b / a + (1 - b) / (1 - a)) * (a * (1 - a)), "a − b"),
        (0.1 * a + 0.2 * a, "0.3 · a"),
        ((s * A) @ B, "s · A B"),
        ((A / s) @ (B / 2), "(1/(2 · s)) A B"),
        ((A @ B).T, "Bᵀ Aᵀ"),
        (A.T.T, "A"),
        (A @ x + B @ x, "(A + B) x"),
        (A @ B - A @ C, "A (B − C)"),
        (tg.sum(s * a), "s · (Σ[axis None] a)"),
        (tg.exp(a) * tg.exp(a), "exp(a)²"),
        (tg.where(a <= 0, 0.0, b), "b ∗ (a > 0)"),
        (a * np.full(2, 3.0), "3 · a"),
    ],
)
def test_a_short_form_is_found(node, expected):
    term = shortest(read(node))
    value = written(term)
    value = value.data if isinstance(value, tg.Tensor) else value
    np.testing.assert_allclose(np.broadcast_to(value, node.shape), node.data, rtol=1e-12)
    assert text(term) == expected.replace("Σ[axis None]", "Σ")


def test_what_would_be_too_long_is_not_multiplied_out():
    product = (a + b) * (b + c) * (a + c) * (a + 1) * (b + 1) * (c + 1) * (a + 2)
    assert expanded(read(product)) is None
    assert shortest(read(product)).operations == 13


def test_equality_does_not_see_the_order():
    assert read(a * b + c) == read(c + b * a)
    assert hash(read(a * b + c)) == hash(read(c + b * a))
    assert read(a - b) != read(b - a)


def test_a_deep_chain_is_read_without_recursion():
    node = a
    for _ in range(3000):
        node = node * 1.0 + 0.0
    assert text(read(node)) == "a"


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::tinygraph.BroadcastWarning")
def test_values_of_random_graphs_are_kept_and_operations_never_more():
    for seed in range(300):
        J = random_graph(seed)
        term = Reader({x: symbol(x) for x in tg.toposort(J) if x.op is None}).read(J)
        short = shortest(term)
        assert short.operations <= term.operations
        for form in (term, short):
            value = written(form)
            value = value.data if isinstance(value, tg.Tensor) else value
            np.testing.assert_allclose(value, J.data, rtol=1e-9, atol=1e-9 * np.abs(J.data))
