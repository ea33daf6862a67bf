"""Calls of NumPy that cannot be recorded are refused with a message that names an alternative."""

import math
import operator
import re

import numpy as np
import pytest
from outcomes import message

import tinygraph as tg
from tinygraph.numpy_api.spellings import SCIPY

IN_PLACE = [
    operator.iadd,
    operator.isub,
    operator.imul,
    operator.itruediv,
    operator.ifloordiv,
    operator.imod,
    operator.ipow,
    operator.imatmul,
]


@pytest.mark.parametrize("apply", IN_PLACE, ids=lambda f: f.__name__)
def test_an_array_is_not_changed_in_place_by_a_tensor(apply, t, a):
    before = a.copy()
    text = message(lambda: apply(a, t))
    assert "cannot write a tensor into an array" in text
    assert "array = array + tensor" in text
    assert a.tolist() == before.tolist()
    assert t.grad is None


WRITING = {
    "out": lambda t, a: np.tanh(t, out=a),
    "out, positional": lambda t, a: np.add(t, t, a),
    "a tensor as out": lambda t, a: np.add(a, a, out=t),
    "sum, out": lambda t, a: np.sum(t, axis=0, out=a[0]),
    "sum, out, positional": lambda t, a: np.sum(t, 0, None, a[0]),
    "concatenate, out": lambda t, a: np.concatenate([t], out=a),
    "stack, out": lambda t, a: np.stack([t[0], t[1]], out=a),
    "matmul, out": lambda t, a: np.matmul(t, t, out=a),
    "where": lambda t, a: np.tanh(t, where=[True, False]),
    "where, out": lambda t, a: np.tanh(t, out=a, where=[True, False]),
    "sum, where": lambda t, a: np.sum(t, where=[True, False]),
    "max, where": lambda t, a: np.max(t, where=[True, False], initial=0.0),
    "dtype": lambda t, a: np.tanh(t, dtype=np.float32),
    "dtype of the same kind": lambda t, a: np.add(t, t, dtype=float),
    "sum, dtype": lambda t, a: np.sum(t, dtype=np.float32),
    "sum, dtype, positional": lambda t, a: np.sum(t, 0, np.float32),
    "concatenate, dtype": lambda t, a: np.concatenate([t, t], dtype=np.float32),
    "casting": lambda t, a: np.tanh(t, casting="unsafe"),
    "order": lambda t, a: np.reshape(t, (4,), order="F"),
    "order, positional": lambda t, a: np.reshape(t, (4,), "F"),
    "initial": lambda t, a: np.sum(t, initial=3.0),
    "signature": lambda t, a: np.tanh(t, signature="d->d"),
    "axes": lambda t, a: np.matmul(t, t, axes=[(0, 1), (0, 1), (0, 1)]),
    "add.reduce": lambda t, a: np.add.reduce(t),
    "add.reduce of a list": lambda t, a: np.add.reduce([t, t]),
    "add.at": lambda t, a: np.add.at(a, [0], t),
    "add.at a tensor": lambda t, a: np.add.at(t, [0], a),
    "add.outer": lambda t, a: np.add.outer(t, a),
    "add.reduceat": lambda t, a: np.add.reduceat(a, [0], out=t),
    "multiply.accumulate": lambda t, a: np.multiply.accumulate(t),
    "copyto": lambda t, a: np.copyto(a, t),
    "copyto a tensor": lambda t, a: np.copyto(t, a),
    "put": lambda t, a: np.put(a, [0], t[0, 0]),
    "put into a tensor": lambda t, a: np.put(t, [0], 1.0),
    "putmask": lambda t, a: np.putmask(a, a > 0, t),
    "place": lambda t, a: np.place(a, a > 0, t),
    "fill_diagonal": lambda t, a: np.fill_diagonal(a, t),
    "a slice": lambda t, a: operator.setitem(a, slice(None), t),
    "an ellipsis": lambda t, a: operator.setitem(a, Ellipsis, t),
    "a mask": lambda t, a: operator.setitem(a, a > 0, t.reshape(4)),
    "an index array": lambda t, a: operator.setitem(a, [0, 1], t),
    "a row": lambda t, a: operator.setitem(a, 0, t[0]),
    "flat": lambda t, a: setattr(a, "flat", t),
    "a function made by the user": lambda t, a: np.frompyfunc(math.exp, 1, 1)(t),
    "vectorize": lambda t, a: np.vectorize(math.exp)(t),
    "apply_along_axis": lambda t, a: np.apply_along_axis(lambda row: t[0], 0, a),
    "piecewise": lambda t, a: np.piecewise(a, [a > 2], [lambda x: t[0], 0.0]),
    "full": lambda t, a: np.full((2, 2), t),
    "random numbers": lambda t, a: np.random.default_rng(0).normal(t),
    "polynomial": lambda t, a: np.polynomial.Polynomial([t[0, 0], 1.0])(1.0),
    "assert_allclose": lambda t, a: np.testing.assert_allclose(t, a),
    "masked_array": lambda t, a: np.ma.masked_array(t),
    "ma.exp": lambda t, a: np.ma.exp(t),
}


@pytest.mark.parametrize("name", WRITING)
def test_what_cannot_be_recorded_is_refused_with_our_own_message(name, t, a):
    before = a.copy()
    text = message(lambda: WRITING[name](t, a))
    assert len(text) > 30
    assert "tinygraph" in text or "tensor" in text or ".data" in text or "np." in text
    assert a.tolist() == before.tolist()
    assert t.data.tolist() == [[0.5, 0.25], [0.125, 0.75]]


NO_RULE = {
    "i0": lambda t, a: np.i0(t),
    "lexsort": lambda t, a: np.lexsort(t),
    "nextafter": lambda t, a: np.nextafter(a, t),
    "spacing": lambda t, a: np.spacing(t),
}


@pytest.mark.parametrize("name", NO_RULE)
def test_what_has_no_rule_is_refused_by_its_name(name, t, a):
    text = message(lambda: NO_RULE[name](t, a))
    assert re.match(rf"np\.(\w+\.)?{name} has no gradient rule in tinygraph", text)
    assert "give it the .data of the tensor" in text


@pytest.mark.parametrize("shape", [(), (1,), (2,)])
@pytest.mark.parametrize("write", ["a[0] = x", "a.fill(x)", "a.flat[0] = x", "np.fromiter([x], float)"])
def test_a_tensor_is_not_written_into_one_element(write, shape):
    # NumPy may put its own error ("setting an array element with a sequence") before ours
    a, x = np.ones(2), tg.Tensor(np.full(shape, 2.0), requires_grad=True)
    with pytest.raises((TypeError, ValueError)):
        exec(write, {"a": a, "x": x, "np": np})
    assert a.tolist() == [1.0, 1.0]


def test_why_an_element_cannot_be_set_is_told_in_the_cause(s):
    a = np.ones(2)
    with pytest.raises((TypeError, ValueError)) as caught:
        a[0] = s
    told = caught.value if isinstance(caught.value, tg.UnsupportedError) else caught.value.__cause__
    assert ".item()" in str(told)


def test_functions_of_scipy_record_or_are_refused(t):
    special = pytest.importorskip("scipy.special")
    for name, ours in SCIPY.items():
        function = getattr(special, name)
        found = function(*[t] * function.nin)
        np.testing.assert_allclose(found.data, function(*[t.data] * function.nin), rtol=1e-12)
        assert found.op is ours(*[t] * function.nin).op
    with pytest.raises(TypeError, match=r"^i0 has no gradient rule"):
        special.i0(t)
    with pytest.raises(TypeError):
        special.logsumexp(t)


@pytest.mark.parametrize(
    ("attempt", "told"),
    [
        (lambda t, a: np.sum(t, where=a > 0), "choose before, as with np.where"),
        (lambda t, a: np.sum(t, initial=1.0), "initial=.* combine the result with that number"),
        (lambda t, a: np.reshape(t, -1, order="F"), "exchange the axes before"),
        (lambda t, a: np.exp(t, dtype=np.float32), "use the result, without dtype="),
    ],
)
def test_what_an_argument_of_numpy_is_refused_for_can_be_done_otherwise(attempt, told, t, a):
    with pytest.raises(tg.UnsupportedError, match=told):
        attempt(t, a)


def suggestion(attempt):
    """Return the name that a refusal suggests, or None where it suggests nothing or nothing is refused."""
    try:
        attempt()
    except tg.UnsupportedError as error:
        found = re.search(r"(?:nearest thing that does is|use) (?:np\.)?(\w+)", str(error))
        return found.group(1) if found else None
    return None


def test_the_nearest_thing_is_named_where_it_is_sensible(t):
    found = {
        "sum": suggestion(lambda: np.add.reduce(t)),
        "max": suggestion(lambda: np.maximum.reduce(t)),
        "exp": suggestion(lambda: np.exp2(t)),
        "mean": suggestion(lambda: np.nanmean(t)),
        "log": suggestion(lambda: np.log2(t)),
        "where": suggestion(lambda: np.argwhere(t)),
    }
    for expected, named in found.items():
        assert named in (expected, None)
    assert found["sum"] == "sum"
    assert found["max"] == "max"


def test_nothing_is_named_that_only_looks_alike(t):
    one = [
        (np.sort, "sqrt"),
        (np.real, "relu"),
        (np.ravel, "relu"),
        (np.trace, "subtract"),
        (np.squeeze, "square"),
        (np.sin, "sign"),
        (np.arcsin, "sign"),
        (np.conj, "concat"),
        (np.isinf, "sign"),
        (np.linalg.inv, "min"),
        (np.linalg.qr, "sqrt"),
        (np.linalg.cond, "concat"),
    ]
    two = [
        (np.remainder, "greater"),
        (np.take, "stack"),
        (np.pad, "add"),
        (np.quantile, "equal"),
        (np.array_equal, "greater_equal"),
    ]
    named = {
        *((f.__name__, suggestion(lambda f=f: f(t))) for f, _ in one),
        *((f.__name__, suggestion(lambda f=f: f(t, 1))) for f, _ in two),
        ("insert", suggestion(lambda: np.insert(t, 0, 1.0))),
    }
    assert named & {*((f.__name__, nonsense) for f, nonsense in [*one, *two]), ("insert", "sqrt")} == set()
