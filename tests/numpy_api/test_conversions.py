"""Conversions to plain numbers and arrays are refused where they would lose the gradient."""

import fractions
import json
import math
import operator
import random
import statistics
from array import array as typed_array

import numpy as np
import pytest
from outcomes import fallen_out, message

import tinygraph as tg

EXITS = {
    "np.asarray": lambda t, s: np.asarray(t),
    "np.array": lambda t, s: np.array(t),
    "np.array of several": lambda t, s: np.array([t, t]),
    "np.array of numbers": lambda t, s: np.array([s, 1.0]),
    "np.array of another dtype": lambda t, s: np.array(t, dtype=np.float32),
    "np.array of objects": lambda t, s: np.array(t, dtype=object),
    "np.ascontiguousarray": lambda t, s: np.ascontiguousarray(t),
    "np.float64": lambda t, s: np.float64(s),
    "np.float32": lambda t, s: np.float32(s),
    "np.int64": lambda t, s: np.int64(s),
    "np.stack of nested lists": lambda t, s: np.stack([[s, s], [s, s]]),
    "np.sum of a list": lambda t, s: np.sum([s, s]),
    "np.max of a list": lambda t, s: np.max([t, t]),
    "float": lambda t, s: float(s),
    "int": lambda t, s: int(s),
    "complex": lambda t, s: complex(s),
    "math.exp": lambda t, s: math.exp(s),
    "math.sqrt": lambda t, s: math.sqrt(s),
    "math.floor": lambda t, s: math.floor(s),
    "math.pow": lambda t, s: math.pow(s, 2.0),
    "math.isclose": lambda t, s: math.isclose(s, 2.0),
    "math.fsum": lambda t, s: math.fsum([s, s]),
    "statistics.fmean": lambda t, s: statistics.fmean([s, s]),
    "%f": lambda t, s: operator.mod("%f", s),
    "array.array": lambda t, s: typed_array("d", list(t[0])),
    "slice of an array": lambda t, s: operator.setitem(np.ones((2, 2)), slice(None), t),
    "a tensor of tensors": lambda t, s: tg.Tensor([s, s]),
    "a list of tensors as operand": lambda t, s: t * [s, s],
    "tg.stack of nested lists": lambda t, s: tg.stack([[s, s], [s, s]]),
}


@pytest.mark.parametrize("name", EXITS)
def test_an_exit_that_would_lose_the_gradient_is_refused_outside_no_grad(name, t, s):
    for x, y in ((t, s), (t * 2.0, s * 2.0)):
        text = message(lambda x=x, y=y: EXITS[name](x, y))
        assert ".data, .item() or .detach()" in text


@pytest.mark.parametrize("name", EXITS)
def test_an_exit_is_open_within_no_grad_and_for_what_requires_no_gradient(name, t, s):
    with tg.no_grad():
        inside = EXITS[name](t, s)
    outside = EXITS[name](t.detach(), s.detach())
    assert type(inside) is type(outside)
    assert not isinstance(inside, tg.Tensor) or not inside.requires_grad


@pytest.mark.parametrize(
    "attempt",
    [
        lambda t, s: statistics.mean([s, s]),
        lambda t, s: fractions.Fraction(s),
        lambda t, s: range(s),
        lambda t, s: [1, 2, 3][s],
        lambda t, s: np.ones(5)[s],
        lambda t, s: "ab" * s,
        lambda t, s: operator.index(s),
        lambda t, s: operator.mod("%d", s),
        lambda t, s: json.dumps(s),
        lambda t, s: json.dumps({"loss": t}),
        lambda t, s: memoryview(t),
        lambda t, s: bytes(t),
        lambda t, s: bytearray(t),
        lambda t, s: np.frombuffer(t),
        lambda t, s: np.nditer(t),
        lambda t, s: random.shuffle(t),
    ],
)
def test_whatever_else_would_make_a_plain_number_of_a_tensor_raises(attempt, t, s):
    with pytest.raises((TypeError, IndexError)):
        attempt(t, s)


@pytest.mark.parametrize(
    "attempt",
    [
        lambda t: t // 2,
        lambda t: 2 // t,
        lambda t: t % 2,
        lambda t: np.ones(2) % t,
        lambda t: divmod(t, 2)[0],
        lambda t: t & t,
        lambda t: ~t,
        lambda t: t << 1,
        lambda t: pow(t, 2, 3),
        lambda t: round(t[0, 0]),
        lambda t: round(t[0, 0], 2),
        lambda t: math.trunc(t[0, 0]),
    ],
)
def test_an_operator_without_a_rule_never_makes_a_plain_number_of_a_tensor(attempt, t):
    try:
        result = attempt(t)
    except TypeError:
        return
    assert isinstance(result, tg.Tensor)  # should it get a rule
    assert not fallen_out(result)


def test_what_comes_out_of_an_exit_is_a_copy(t):
    with tg.no_grad():
        out = np.asarray(t)
        assert np.array(t, dtype=np.float32).dtype == np.float32
    out[...] = 9.0
    assert t.data.tolist() == [[0.5, 0.25], [0.125, 0.75]]
    with tg.no_grad(), pytest.raises(ValueError, match=r"\.data is the array itself"):
        np.asarray(t, copy=False)


def test_the_three_exits_are_always_open(t, s):
    y = t * s
    assert y.data.tolist() == [[1.0, 0.5], [0.25, 1.5]]
    assert type(y.data) is np.ndarray
    assert y.sum().item() == 3.25
    assert type(y.sum().item()) is float
    assert not y.detach().requires_grad
    assert np.asarray(y.detach()).tolist() == y.data.tolist()
    with pytest.raises(ValueError, match="size 1"):
        y.item()


def test_comparisons_and_integers_leave_freely(t):
    mask, order = t > 0.3, tg.Tensor([1, 0])
    assert np.asarray(mask).tolist() == [[True, False], [False, True]]
    assert np.array([1.0, 2.0])[order].tolist() == [2.0, 1.0]
    assert np.array([[1.0, 2.0], [3.0, 4.0]])[mask].tolist() == [1.0, 4.0]
    assert [10, 20][tg.Tensor(1)] == 20
    assert list(range(tg.Tensor(2))) == [0, 1]
    assert int(tg.Tensor(3.7)) == 3
    assert float(tg.Tensor(True)) == 1.0
