"""Each identity holds where it says, at the edges too, and makes what it replaces no longer."""

import re
from decimal import Decimal, localcontext

import numpy as np
import pytest

import tinygraph as tg
from tinygraph.algebra.identities import ACCURATE, SHORTER
from tinygraph.algebra.normal_form import Reader
from tinygraph.algebra.patterns import parsed
from tinygraph.algebra.terms import Sum, symbol
from tinygraph.graph.records import NUMBERS

EDGES = [0.0, 1e-300, 1e-8, 0.5, 1.0, 30.0, 300.0]
REAL = np.array([sign * x for x in EDGES for sign in (1, -1)])
DOMAINS = {
    "real": REAL,
    "positive": np.array(EDGES[1:]),
    "nonzero": REAL[REAL != 0],
}


def operands(identity, rng):
    """Values of the variables: all pairs and triples from the domain; random matrices for capitals."""
    names = sorted(set(re.findall(r"\b[xyzXY]\b", identity.left)))
    if any(name.isupper() for name in names):
        return {name: rng.normal(size=(3, 3)) + 4 * np.eye(3) for name in names}
    if "outer" in identity.left:
        return {name: rng.normal(size=3) for name in names}
    domain = DOMAINS[identity.domain]
    return dict(zip(names, np.meshgrid(*[domain[:8] if len(names) > 2 else domain] * len(names)), strict=True))


def parameters(identity):
    """Values of k and b."""
    yield from ({"k": k, "b": b} for k in (0, 1) for b in (True, False))


def computed(text, values):
    functions = {**vars(NUMBERS), "astype": lambda x: x.astype(float)}
    with np.errstate(all="ignore"):
        return np.asarray(eval(text, functions, values))


def two_axes(values):
    return {name: np.resize(x, (5, 7)) if x.ndim == 1 else x for name, x in values.items()}


# the elementwise functions, to as many digits as the context has
EXACTLY = {
    "exp": Decimal.exp,
    "log": Decimal.ln,
    "sqrt": Decimal.sqrt,
    "softplus": lambda x: (1 + x.exp()).ln(),
    "sigmoid": lambda x: 1 / (1 + (-x).exp()),
    "sinh": lambda x: (x.exp() - (-x).exp()) / 2,
    "cosh": lambda x: (x.exp() + (-x).exp()) / 2,
    "tanh": lambda x: (x.exp() - (-x).exp()) / (x.exp() + (-x).exp()),
    "log1p": lambda x: (1 + x).ln(),
    "expm1": lambda x: x.exp() - 1,
    "sign": lambda x: Decimal((x > 0) - (x < 0)),
}


ELEMENTWISE = [x for x in SHORTER + ACCURATE if not re.search("axis|where|[XY]|outer", x.left)]
OTHERS = [x for x in SHORTER + ACCURATE if x not in ELEMENTWISE]


@pytest.mark.parametrize("identity", ELEMENTWISE, ids=lambda identity: identity.left)
def test_both_sides_are_the_same_and_the_right_one_is_as_accurate(identity):
    with localcontext(prec=500):
        for x in DOMAINS[identity.domain]:
            exact, other = (eval(side, dict(EXACTLY), {"x": Decimal(float(x))}) for side in identity[:2])
            assert abs(exact - other) <= Decimal("1e-100") * abs(exact)
            left, right = (computed(side, {"x": np.float64(x)}) for side in identity[:2])
            off = abs(Decimal(float(right)) - exact)
            worse = np.isfinite(left) and off > abs(Decimal(float(left)) - exact)
            assert np.isfinite(right) or not np.isfinite(float(exact)), x
            assert not identity.accurate or not worse or off <= Decimal("4e-16") * abs(exact), x


@pytest.mark.parametrize("identity", OTHERS, ids=lambda identity: identity.left)
def test_both_sides_are_the_same(identity, rng):
    values = operands(identity, rng)
    if "axis" in identity.left:
        values = two_axes(values)
    for params in parameters(identity):
        left, right = computed(identity.left, {**values, **params}), computed(identity.right, {**values, **params})
        right = np.broadcast_to(right, left.shape)
        known = np.isfinite(left)  # from NaN to a number is allowed, never the reverse
        assert known.any()
        np.testing.assert_allclose(right[known], left[known], rtol=1e-12, atol=2e-16)


@pytest.mark.parametrize("identity", SHORTER, ids=lambda identity: identity.left)
def test_the_right_side_is_no_longer(identity):
    moved = "matrix_transpose(" in identity.right  # towards the symbols
    assert moved or parsed(identity.right).operations <= parsed(identity.left).operations


@pytest.mark.parametrize("identity", SHORTER, ids=lambda identity: identity.left)
def test_it_is_applied(identity, rng):
    params = next(parameters(identity))
    leaves = {name: tg.Tensor(x, name=name) for name, x in two_axes(operands(identity, rng)).items()}
    if "outer" in identity.left:
        leaves = {name: tg.Tensor(rng.normal(size=3)) for name in leaves}
    functions = {**vars(tg.ops), "astype": lambda x: tg.astype(x, float)}
    with np.errstate(all="ignore"):
        node = eval(identity.left, functions, {**leaves, **params})
    reader = Reader({leaf: symbol(leaf) for leaf in leaves.values()})
    term = reader.read(node)
    assert isinstance(term, Sum)
    assert list(reader.used) == [f"{identity.left} = {identity.right}"]


def test_a_pattern_is_found_beside_other_factors_and_in_any_order():
    x, y = tg.Tensor([0.5, 1.0], name="x"), tg.Tensor([2.0, 3.0], name="y")
    reader = Reader({x: symbol(x), y: symbol(y)})
    assert reader.read(y * tg.exp(x - y) / tg.sum(tg.exp(x - y))) == reader.read(tg.softmax(x - y, axis=None) * y)
    assert reader.read(1 / (tg.exp(-x) + 1)) == reader.read(tg.sigmoid(x))


def test_what_only_looks_like_a_softmax_is_none():
    x = tg.Tensor(np.arange(9.0).reshape(3, 3), name="x")
    reader = Reader({x: symbol(x)})
    for other in (tg.exp(x) / tg.sum(tg.exp(x), axis=1), tg.exp(x) / tg.sum(tg.exp(2 * x), axis=1, keepdims=True)):
        assert "softmax" not in str(reader.read(other))
    assert "softmax" in str(reader.read(tg.exp(x) / tg.sum(tg.exp(x), axis=0)))
