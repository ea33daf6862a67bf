"""Terms as graphs, with and without values."""

import dataclasses

import numpy as np
import pytest

import tinygraph as tg
from tinygraph.algebra.nodes import outlined, written
from tinygraph.algebra.normal_form import Reader
from tinygraph.algebra.terms import symbol
from tinygraph.graph.records import OPS


def expressions():
    """Expressions of all kinds of ops, over two matrices and a vector."""
    r = np.random.default_rng(0)
    X, Y, v = (tg.Tensor(r.uniform(0.5, 2.0, size)) for size in ((3, 4), (4, 3), (4,)))
    return [X, Y, v], [
        (X @ Y).T / 3 - tg.mean(X) * 2,
        tg.sum(X * v, axis=1, keepdims=True) ** 3 - tg.sqrt(X) / v,
        tg.where(v < X, X, -1.0) * tg.exp(-X),
        tg.reshape(X, (2, 6)) + tg.sum(tg.softmax(X, axis=0)),
        tg.astype(X, np.float32) + 1,
        tg.outer(v, v) @ Y,
    ]


@pytest.mark.parametrize("i", range(len(expressions()[1])))
def test_an_outline_has_the_shapes_and_dtypes_of_what_is_computed(i):
    atoms, graphs = expressions()
    term = Reader({x: symbol(x) for x in atoms}).read(graphs[i])
    computed, outline = (tg.toposort(write(term)) for write in (written, outlined))
    described = [
        [(x.op and x.op.name, x.shape, x.dtype, dict(x.params)) for x in order] for order in (computed, outline)
    ]
    assert described[0] == described[1]


def test_an_outline_computes_nothing(monkeypatch):
    x = tg.Tensor([1.0, 2.0])

    def run(*args, **params):
        raise AssertionError("computed")

    @tg.op("elementwise", slope=lambda y, x: 1.0)
    def never(xp, x):
        return xp.exp(x)

    term = Reader({x: symbol(x)}).read(never(x) * x)
    monkeypatch.setitem(OPS, "never", dataclasses.replace(OPS["never"], run=run))
    outline = outlined(term)
    assert outline.shape == (2,)
    assert not outline.data.any()
