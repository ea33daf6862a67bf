"""NumPy's functions on tensors record or are refused; so does Python's own; nothing leaves the graph in silence."""

import copy
import enum
import fractions
import json
import math
import operator
import pickle
import random
import re
import statistics
import types
import warnings
from array import array as typed_array

import numpy as np
import pytest

import tinygraph as tg
from tinygraph.graph.records import FUNCTIONS, OPS
from tinygraph.numpy_api.spellings import SCIPY
from tinygraph.testing import laws
from tinygraph.testing.laws import check_grads


@pytest.fixture
def t():
    return tg.parameter([[0.5, 0.25], [0.125, 0.75]], "t")


@pytest.fixture
def s():
    return tg.parameter(2.0, "s")


@pytest.fixture
def a():
    return np.array([[1.0, 2.0], [3.0, 4.0]])


def message(attempt):
    """The text of our own refusal, which is a TypeError."""
    with pytest.raises(tg.UnsupportedError) as caught:
        attempt()
    assert isinstance(caught.value, TypeError)
    return str(caught.value)


# -- NumPy's functions record --------------------------------------------------------------------------------------

OTHER_NAMES = {
    "absolute": "abs",
    "amax": "max",
    "amin": "min",
    "concatenate": "concat",
    "power": "pow",
    "transpose": "permute_dims",
    "true_divide": "divide",
}
WITH_SUBSCRIPTS = {"einsum"}
NAMES = {
    **{name: name for name in FUNCTIONS if name in OPS and hasattr(np, name) and name not in WITH_SUBSCRIPTS},
    **OTHER_NAMES,
}


def test_the_trace_of_numpy_is_over_the_first_two_axes(rng):
    x = rng.normal(size=(3, 3, 4))
    for axes in ((), (1, 0, 2), (0, 2, 1), (-1, -1, 0)):
        t = tg.Tensor(x, requires_grad=True)
        y = np.trace(t, *axes)
        np.testing.assert_allclose(y.data, np.trace(x, *axes))
        y.sum().backward()
        assert t.grad.sum() == t.grad.astype(bool).sum() > 0


def test_the_op_table_has_most_of_its_names_from_numpy():
    assert len(NAMES) > 35


@pytest.mark.parametrize("name", NAMES)
def test_a_function_of_numpy_records_what_ours_of_the_same_meaning_does(name):
    theirs = getattr(np.linalg, name, None) or getattr(np, name)
    ours, op = FUNCTIONS[NAMES[name]], OPS[NAMES[name]]
    count = 0
    for inputs, params in laws.samples(op):
        positional = [params.pop("dtype")] if "dtype" in params else []
        results = []
        for function in (theirs, ours):
            leaves = [tg.Tensor(x, requires_grad=x.dtype.kind == "f") for x in inputs]
            y = function(*([leaves] if op.variadic else leaves), *positional, **params)
            assert type(y) is tg.Tensor
            if y.requires_grad:
                y.backward(np.cos(np.arange(float(y.size))).reshape(y.shape))
            results.append((y, [x.grad for x in leaves]))
        (y, gradients), (expected, expected_gradients) = results
        assert y.op is expected.op is op
        assert y.requires_grad == expected.requires_grad == op.differentiable
        assert y.dtype == expected.dtype
        np.testing.assert_array_equal(y.data, expected.data, strict=True)
        np.testing.assert_equal(gradients, expected_gradients)
        count += 1
    assert count


ways = pytest.mark.parametrize(
    "way",
    [
        lambda x: np.sum(x, 0),
        lambda x: np.sum(x, axis=(0, 1)),
        lambda x: np.sum(x, 1, None, None, True),
        lambda x: np.sum(a=x, axis=np.int64(-1), keepdims=True),
        lambda x: np.mean(x, (0, -1)),
        lambda x: np.mean(x, axis=0, out=None),
        lambda x: np.max(x, 1),
        lambda x: np.amin(x, axis=0, keepdims=True),
        lambda x: np.reshape(x, -1),
        lambda x: np.reshape(x, (3, -1), "C"),
        lambda x: np.reshape(x, shape=[3, 2]),
        lambda x: np.transpose(x),
        lambda x: np.transpose(x, (1, 0)),
        lambda x: np.transpose(x, axes=[1, 0]),
        lambda x: np.transpose(x, np.array([1, 0])),
        lambda x: np.permute_dims(x, (-1, 0)),
        lambda x: np.matrix_transpose(x),
        lambda x: np.concatenate([x, np.ones((2, 3))], 1),
        lambda x: np.concatenate((np.ones((1, 3)), x, x), axis=0),
        lambda x: np.concatenate([x, [1.0, 2.0]], axis=None),
        lambda x: np.concat([x, x], axis=np.int64(-1)),
        lambda x: np.concatenate(x),
        lambda x: np.stack([x, np.ones((2, 3))], -1),
        lambda x: np.stack((x, x * 2.0), axis=1),
        lambda x: np.stack(x),
        lambda x: np.where(x > 1.0, x, 0.0),
        lambda x: np.where([True, False, True], x, -x),
        lambda x: np.where(np.bool_(True), 2.0, x),
        lambda x: np.broadcast_to(x, (4, 2, 3)),
        lambda x: np.broadcast_to(x[0], shape=[2, 3]),
        lambda x: np.matmul(x, np.ones((3, 2))),
        lambda x: np.matmul(np.ones((4, 2)), x),
        lambda x: np.add(x, [1.0, 2.0, 3.0], out=None, where=True),
        lambda x: np.subtract(2, x),
        lambda x: np.power(x, 2),
        lambda x: np.power(2, x),
        lambda x: np.true_divide(np.float64(3.0), x),
        lambda x: np.absolute(-x),
        lambda x: np.maximum(x, 1.0),
        lambda x: np.minimum(np.ones(3), x),
        lambda x: np.tanh(x, casting="same_kind", order="K", subok=True),
        lambda x: np.exp(np.log(x) + np.log1p(x)) / np.sqrt(np.square(x)),
    ],
)


@ways
def test_numpys_ways_to_give_arguments_give_numpys_values_and_true_gradients(way):
    x = np.array([[0.5, 1.5, 0.7], [1.2, 0.3, 1.9]])
    np.testing.assert_allclose(way(tg.Tensor(x)).data, way(x), rtol=1e-14, strict=True)
    check_grads(way, x, order=1)


@pytest.mark.parametrize("how", [lambda x, axes: np.transpose(x, axes), lambda x, axes: x.transpose(axes)])
def test_a_list_of_axes_that_changes_after_the_call_does_not_change_the_gradient(how):
    x, seed, axes = tg.parameter(np.zeros((2, 2, 2))), np.arange(8.0).reshape(2, 2, 2), [1, 2, 0]
    y = how(x, axes)
    axes[:] = [0, 1, 2]
    y.backward(seed)
    assert x.grad.tolist() == seed.transpose(2, 0, 1).tolist()


def test_numpys_functions_take_the_name_and_the_place_of_the_line_that_calls_them(t):
    Z = np.tanh(t)
    A = np.sum(Z, axis=0)
    product = np.ones((2, 2)) @ t
    assert [x.name for x in (Z, A, product)] == ["Z", "A", "product"]
    assert all(x.site.filename == __file__ for x in (Z, A, product))


def test_within_no_grad_numpys_functions_give_constants(t):
    with tg.no_grad():
        y = np.tanh(t) * np.ones(2)
    assert type(y) is tg.Tensor
    assert not y.requires_grad


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0, 4)])
def test_questions_of_shape_are_answered_as_for_arrays(shape):
    x = np.zeros(shape)
    y = tg.Tensor(x, requires_grad=True)
    assert np.shape(y) == np.shape(x)
    assert np.ndim(y) == np.ndim(x)
    assert np.size(y) == np.size(x)
    for axis in range(-len(shape), len(shape)):
        assert np.size(y, axis) == np.size(y, axis=axis) == np.size(x, axis)
    assert not np.isscalar(y)
    assert np.iterable(y) == np.iterable(x)


def test_the_size_along_several_axes_is_answered_where_numpy_does(t, a):
    try:
        expected = np.size(a, (0, 1))
    except TypeError:
        pytest.skip("this NumPy takes one axis")
    assert np.size(t, (0, 1)) == expected


# -- operators with something else on the left ---------------------------------------------------------------------

ARITHMETIC = [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow]
COMPARISONS = [operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne]
X = np.array([[0.5, 1.5], [1.2, 0.3]])


class Subclass(np.ndarray):
    """An array with a class of its own."""


OPERANDS = {
    "array": np.array([[1.0, 2.0], [3.0, 0.5]]),
    "row": np.array([1.5, 2.0]),
    "array without axes": np.array(2.0),
    "integers": np.array([[1, 2], [3, 4]]),
    "booleans": np.array([True, True]),
    "column-major": np.asfortranarray([[1.0, 2.0], [3.0, 0.5]]),
    "subclass": np.array([[1.0, 2.0], [3.0, 0.5]]).view(Subclass),
    "list": [1.0, 2.0],
    "nested list": [[1, 2], [3, 4]],
    "tuple": (1.0, 2.0),
    "range": range(1, 3),
    "float64": np.float64(2.0),
    "float32": np.float32(2.0),
    "int64": np.int64(3),
    "bool_": np.bool_(True),
    "float": 2.0,
    "int": 3,
    "bool": True,
}


@pytest.mark.parametrize("operand", OPERANDS.values(), ids=OPERANDS)
@pytest.mark.parametrize("apply", ARITHMETIC, ids=lambda f: f.__name__)
def test_an_operator_with_anything_on_either_side_is_numpys_and_differentiable(apply, operand):
    for way in (lambda x: apply(operand, x), lambda x: apply(x, operand)):
        y = way(tg.parameter(X))
        assert type(y) is tg.Tensor
        assert y.requires_grad
        np.testing.assert_allclose(y.data, np.asarray(way(X)), rtol=1e-15)
        check_grads(way, X, order=1)


@pytest.mark.parametrize("operand", [OPERANDS[k] for k in ("array", "row", "subclass", "list", "nested list")])
def test_a_matrix_product_with_anything_on_either_side_is_numpys_and_differentiable(operand):
    for way in (lambda x: operand @ x, lambda x: x @ operand):
        y = way(tg.parameter(X))
        assert type(y) is tg.Tensor
        np.testing.assert_allclose(y.data, np.asarray(way(X)), rtol=1e-15)
        check_grads(way, X, order=1)


@pytest.mark.parametrize("operand", OPERANDS.values(), ids=OPERANDS)
@pytest.mark.parametrize("compare", COMPARISONS, ids=lambda f: f.__name__)
def test_a_comparison_with_anything_on_either_side_is_elementwise_and_without_gradient(compare, operand):
    for way in (lambda x: compare(operand, x), lambda x: compare(x, operand)):
        y = way(tg.parameter(X))
        assert type(y) is tg.Tensor
        assert y.op is not None  # recorded, so that a graph run again compares anew
        assert not y.requires_grad
        assert y.data.tolist() == np.asarray(way(X)).tolist()


def test_plain_operands_that_become_nodes_carry_no_gradient(t, a):
    y = a * t + np.float32(1.0)
    y.backward(np.ones((2, 2)))
    assert t.grad.tolist() == a.tolist()
    assert [x.grad for x in tg.toposort(y) if x.op is None and x is not t] == [None, None]


def test_both_orders_of_a_matrix_object_are_elementwise_as_for_any_array(t, a):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        matrix = np.matrix(a)
    for y in (matrix * t, t * matrix):
        assert type(y) is tg.Tensor
        np.testing.assert_array_equal(y.data, a * t.data)
    for y, expected in ((matrix @ t, a @ t.data), (t @ matrix, t.data @ a)):
        assert y.requires_grad
        np.testing.assert_array_equal(y.data, expected)


@pytest.mark.parametrize("apply", [operator.add, operator.matmul, operator.lt], ids=lambda f: f.__name__)
def test_masked_arrays_are_refused_on_either_side_since_the_mask_would_be_lost(apply, t, a):
    masked = np.ma.array(a, mask=[[True, False], [False, False]])
    for attempt in (lambda: apply(masked, t), lambda: apply(t, masked), lambda: tg.Tensor(masked)):
        with pytest.raises(TypeError):
            attempt()


@pytest.mark.parametrize(
    "operand",
    [
        np.array([1, 2], dtype=object),
        np.array(["a", "b"]),
        np.array([1j, 2.0]),
        np.array(["2020-01-01", "2020-01-02"], dtype="M8[D]"),
        np.complex128(1j),
        1j,
        fractions.Fraction(1, 2),
        "text",
        b"bytes",
        object(),
        None,
        {},
    ],
    ids=lambda x: f"{type(x).__name__} {getattr(x, 'dtype', '')}".strip(),
)
def test_operands_that_are_no_real_numbers_are_refused_on_either_side(operand, t):
    for apply in (operator.add, operator.mul, operator.truediv):
        for attempt in (lambda apply=apply: apply(t, operand), lambda apply=apply: apply(operand, t)):
            with pytest.raises(TypeError):
                attempt()


@pytest.mark.parametrize("other", [None, "text"])
def test_equality_with_what_is_no_number_is_false_everywhere_as_in_numpy(other, t, a):
    assert np.asarray(a == other).tolist() == [[False, False], [False, False]]
    for y in (t == other, other == t):
        assert not np.any(np.asarray(y.data if isinstance(y, tg.Tensor) else y))
    for y in (t != other, other != t):
        assert np.all(np.asarray(y.data if isinstance(y, tg.Tensor) else y))


class Unit:
    """Somebody else's class, which tells NumPy that it knows how to be multiplied with arrays."""

    __array_ufunc__ = None

    def __mul__(self, other):
        return ("unit", other)

    __rmul__ = __mul__


def test_an_operand_that_knows_better_has_its_turn_as_in_numpy(t, a):
    unit = Unit()
    assert (a * unit)[1] is a
    assert (unit * t)[1] is t
    assert (t * unit)[1] is t


def test_none_among_tensors_is_found_without_an_error(s):
    assert s in [None, s]
    assert None not in [s]


# -- dtypes --------------------------------------------------------------------------------------------------------

SCALARS = [
    *(np.dtype(kind).type(2) for kind in ("f2", "f4", "f8", "i1", "i8", "u1", "u8", "?")),
    2,
    2.0,
    True,
    enum.IntEnum("Two", {"two": 2}).two,
    type("Float", (float,), {})(2.0),
]


def unwidened(result, *operands):
    """What NumPy gives, but that integers do not widen floating numbers."""
    floats = [x.dtype for x in operands if x.dtype.kind == "f"]
    integers = any(x.dtype.kind in "iu" for x in operands)
    return result.astype(np.result_type(*floats)) if floats and integers and result.dtype.kind == "f" else result


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("shape", [(), (2,)])
@pytest.mark.parametrize("apply", [*ARITHMETIC, *COMPARISONS[:1]], ids=lambda f: f.__name__)
def test_numbers_of_every_type_promote_as_numpy_does_but_for_integers(apply, shape):
    compared = 0
    for dtype in ("f2", "f4", "f8", "i1", "i4", "i8", "u1", "?"):
        x = np.ones(shape, dtype)[()]  # without axes, a scalar of NumPy's: for booleans ** differs from arrays
        for scalar in SCALARS:
            # with other numbers than Python's own, ** of NumPy 2.1 has other dtypes
            builtin = type(scalar) in (int, float, bool)
            numpys = np.power if apply is operator.pow and not builtin else apply
            for way, plain in (
                (lambda x, n=scalar: apply(n, x), lambda x, f=numpys, n=scalar: f(n, x)),
                (lambda x, n=scalar: apply(x, n), lambda x, f=numpys, n=scalar: f(x, n)),
            ):
                try:
                    expected = unwidened(np.asarray(plain(x)), x, np.asarray(scalar))
                except TypeError:  # booleans are not subtracted
                    with pytest.raises(TypeError):
                        way(tg.Tensor(x))
                    continue
                leaf = tg.Tensor(x, requires_grad=x.dtype.kind == "f")
                y = way(leaf)
                context = f"{apply.__name__}, {dtype}{shape}, {type(scalar).__name__}"
                assert y.dtype == y.data.dtype == expected.dtype, context
                np.testing.assert_array_equal(y.data, expected, err_msg=context, strict=True)
                if y.requires_grad:
                    y.backward(np.ones(shape))
                    assert leaf.grad.dtype == dtype, context
                compared += 1
    assert compared > 190


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("apply", [*ARITHMETIC, operator.matmul], ids=lambda f: f.__name__)
def test_arrays_of_every_type_promote_as_numpy_does_but_for_integers(apply):
    for left in ("f2", "f4", "f8", "i1", "i8", "u1"):
        for right in ("f2", "f4", "f8", "i1", "i8", "u1"):
            x, y = np.ones(2, left), np.ones(2, right)
            expected = unwidened(apply(x, y), x, y)
            a, b = (tg.Tensor(z, requires_grad=z.dtype.kind == "f") for z in (x, y))
            for result in (apply(a, b), apply(x, b), apply(a, y)):
                assert result.dtype == expected.dtype, (left, right)
            z = apply(a, b)
            if z.requires_grad:
                z.backward(np.ones(z.shape))
                assert [g.grad.dtype for g in (a, b) if g.requires_grad] == [g.dtype for g in (a, b) if g.requires_grad]


# -- what is refused -----------------------------------------------------------------------------------------------

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
        found = getattr(special, name)(t)
        np.testing.assert_allclose(found.data, getattr(special, name)(t.data), rtol=1e-12)
        assert found.op is ours(t).op
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
    """What a refusal names as the nearest thing; None where it names nothing, or nothing is refused any more."""
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


# -- nothing falls out of the graph in silence ---------------------------------------------------------------------

WORDS = re.compile(r"\w+").findall
# They write files, change NumPy's own state or print.
LEFT_OUT = WORDS("""
    DataSource fromfile fromregex fromstring genfromtxt get_include info load loadtxt memmap save savetxt savez
    savez_compressed set_printoptions setbufsize seterr seterrcall show_config show_runtime test printoptions errstate
""")
ABOUT_THE_SHAPE_OR_THE_TYPE = WORDS("""
    shape ndim size isscalar iterable dtype finfo promote_types issubdtype can_cast mintypecode result_type common_type
    min_scalar_type iscomplexobj isrealobj zeros_like ones_like full_like diag_indices_from tril_indices_from
    triu_indices_from
""")
# Each result is of one argument alone.
OF_EACH_ARGUMENT = WORDS("atleast_1d atleast_2d atleast_3d broadcast_arrays meshgrid ix_")
AS_TEXT = ["str_"]
RETURNS_NOTHING = ["bmat"]
# What stands second is only asked for its dtype, or whether it is true.
DTYPE_SECOND = WORDS("""
    array asanyarray asarray asarray_chkfinite ascontiguousarray asfortranarray asmatrix astype empty empty_like
    frombuffer fromiter identity matrix ndarray ones ones_like recarray require zeros zeros_like
""")
FLAG_OR_TOLERANCE_SECOND = WORDS("""
    angle array2string array_repr array_str matrix_rank nan_to_num poly1d real_if_close rot90 svd unique
""")
# They answer "no" where a comparison cannot be made.
BOOLEAN = ["array_equal", "array_equiv"]

CONDITION_FIRST = WORDS("compress extract")

HARMLESS_ALONE = {*ABOUT_THE_SHAPE_OR_THE_TYPE, *AS_TEXT, *RETURNS_NOTHING}
OF_THE_FIRST_ALONE = {"lstsq"}  # among whose results are the singular values of the first matrix
HARMLESS = {*HARMLESS_ALONE, *DTYPE_SECOND, *FLAG_OR_TOLERANCE_SECOND, *BOOLEAN, *OF_THE_FIRST_ALONE}
CONSTANT_FOR_ZERO = {"norm", "matrix_power"}  # the number of elements that are not 0, and the identity
FORMS = {
    "(t)": (lambda t, a: (t,), HARMLESS_ALONE),
    "([t])": (lambda t, a: ([t],), HARMLESS_ALONE),
    "([t, t])": (lambda t, a: ([t, t],), HARMLESS_ALONE),
    "(t, t)": (lambda t, a: (t, t), HARMLESS_ALONE),
    "(t, a)": (lambda t, a: (t, a), {*HARMLESS_ALONE, *CONDITION_FIRST}),
    "(t, 0)": (lambda t, a: (t, 0), {*HARMLESS_ALONE, *CONDITION_FIRST, *CONSTANT_FOR_ZERO}),
    "(a, t)": (lambda t, a: (a, t), HARMLESS),
    "(a, [t])": (lambda t, a: (a, [t]), HARMLESS),
    "([a], t)": (lambda t, a: ([a], t), HARMLESS),
    "(2, t)": (lambda t, a: (2, t), HARMLESS),
}
VALUES = {"matrix": [[0.5, 0.25], [0.125, 0.75]], "no axes": 0.5, "one element": [0.5]}


def functions(module):
    for name in sorted(dir(module)):
        function = getattr(module, name)
        if name.startswith("_") or name in LEFT_OUT or isinstance(function, types.ModuleType):
            continue
        if callable(function) and not (isinstance(function, type) and issubclass(function, BaseException)):
            yield name, function


def fallen_out(result):
    """Whether a result has lost the gradient: comparisons and the like, which have none, are recorded as well."""
    if isinstance(result, (tuple, list)):
        return any(map(fallen_out, result))
    if not isinstance(result, tg.Tensor):
        return True
    lost = result.op is None or (result.op.differentiable and result.dtype.kind == "f")
    return lost and not result.requires_grad


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("module", [np, np.linalg, np.fft], ids=lambda module: module.__name__)
def test_every_function_of_numpy_records_or_raises(module, form, value):
    arguments, harmless = FORMS[form]
    called, out = 0, []
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for name, function in functions(module):
            t, a = tg.Tensor(value, requires_grad=True), np.array(value) + 1.0
            before = a.copy()
            called += 1
            try:
                result = function(*arguments(t, a))
            except Exception:
                result = None
            else:
                results = result if name in OF_EACH_ARGUMENT and isinstance(result, tuple) else (result,)
                if all(map(fallen_out, results)) and name not in harmless:
                    out.append(f"{name} gave {result!r}")
            assert a.tolist() == before.tolist(), name
            assert t.data.tolist() == np.array(value).tolist(), name
    assert out == []
    assert called > 15


METHODS_THAT_ASK_FOR_A_DTYPE_OR_A_FLAG = ["astype", "byteswap", "getfield", "setflags", "view"]
SPECIAL_METHODS = [
    f"__{prefix}{name}__"
    for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "divmod", "pow", "matmul", "and", "or", "xor")
    for prefix in ("", "r", "i")
    if f"__{prefix}{name}__" in dir(np.ndarray)
]


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_every_method_of_an_array_records_or_raises(value):
    names = [name for name in dir(np.ndarray) if not name.startswith("_") and callable(getattr(np.ndarray, name))]
    out = []
    for name in [*names, *SPECIAL_METHODS]:
        if name in METHODS_THAT_ASK_FOR_A_DTYPE_OR_A_FLAG:
            continue
        t, a = tg.Tensor(value, requires_grad=True), np.array(value) + 1.0
        before = a.copy()
        try:
            result = getattr(a, name)(t)
        except Exception:
            result = NotImplemented
        if result is not NotImplemented and fallen_out(result):
            out.append(f"{name} gave {result!r}")
        assert a.tolist() == before.tolist(), name
    assert out == []


@pytest.mark.parametrize("method", ["__call__", "reduce", "accumulate", "reduceat", "outer", "at"])
def test_every_ufunc_in_every_way_records_or_raises(method):
    ufuncs = [function for _, function in functions(np) if isinstance(function, np.ufunc)]
    out = []
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for ufunc in ufuncs:
            for arguments in ("t", "tt", "at", "ta", "a0t", "t0a", "t0"):
                t, a = tg.parameter([0.5, 0.25]), np.array([1.0, 2.0])
                try:
                    result = getattr(ufunc, method)(*[{"t": t, "a": a, "0": [0]}[x] for x in arguments])
                except Exception:
                    continue
                finally:
                    assert a.tolist() == [1.0, 2.0]
                if fallen_out(result):
                    out.append(f"{ufunc.__name__}.{method} gave {result!r}")
    assert out == []
    assert len(ufuncs) > 80


# -- the exits -----------------------------------------------------------------------------------------------------

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


# -- a tensor among Python's own things ----------------------------------------------------------------------------


def test_formats_write_the_number(s, t):
    J = s * 1.23456
    assert f"{J:.3f}" == "2.469"
    assert f"{J:>8.1e}" == " 2.5e+00"
    assert f"{tg.Tensor(3):03d}" == "003"
    assert f"{tg.parameter([1.5]):.2f}" == "1.50"
    assert f"{J}" == str(J) == f"{J!r}"
    assert f"J is {J}".startswith("J is Tensor(2.4691")
    with pytest.raises((TypeError, ValueError)):
        f"{t:.3f}"


def test_truth_length_iteration_and_membership_are_those_of_arrays(t, s):
    assert bool(s)
    assert not tg.parameter(0.0)
    assert s < 3.0 and not s > 3.0  # noqa: PT018  (that it can be written so)
    with pytest.raises(ValueError, match="ambiguous"):
        bool(t)
    assert len(t) == 2
    for attempt in (lambda: len(s), lambda: iter(s)):
        with pytest.raises(TypeError, match="without axes"):
            attempt()
    assert 0.25 in t
    assert 7.0 not in t
    assert t[0, 0] in t
    assert len(tg.Tensor(np.zeros((0, 3)))) == 0
    assert list(tg.Tensor(np.zeros((0, 3)))) == []


def test_what_python_builds_from_elements_keeps_the_gradient(t, s):
    (p, q), row = t
    y = p * 2.0 + q * 3.0 + sum(row) + sum([s, s]) + max(s, p) + min(s, p) + random.choice(row[:1])
    for i, element in enumerate(reversed(row)):
        y = y + i * element
    for left, right in zip(t[0], t[1], strict=True):
        y = y + left * right
    assert y.requires_grad
    y.backward()
    assert t.grad.tolist() == [[2.0 + 1.0 + 0.125, 3.0 + 0.75], [1.0 + 1.0 + 1.0 + 0.5, 1.0 + 0.25]]
    assert s.grad == 3.0


def test_sorted_orders_nodes_by_value_and_keeps_them(s):
    nodes = [s, s + 1.0, s - 1.0]
    assert [next(i for i, x in enumerate(nodes) if x is y) for y in sorted(nodes)] == [2, 0, 1]


def test_nodes_are_told_apart_by_identity(s):
    twin = tg.parameter(2.0)
    assert (s == twin).item() is True
    assert hash(s) != hash(twin)
    assert hash(s) == hash(s)
    assert {s: "s", twin: "twin"}[twin] == "twin"
    assert len({s, twin, s}) == 2
    state = {s: np.zeros(2)}  # as an optimiser keeps it
    s.data += 1.0
    assert s in state


def test_adding_in_place_rebinds_and_keeps_the_graph(t):
    first = y = t * 1.0
    y += 1.0
    y -= [1.0, 1.0]
    y *= np.array([2.0, 2.0])
    y /= 4.0
    y **= 2
    y @= np.eye(2)
    assert y is not first
    assert first.data.tolist() == t.data.tolist()
    y.backward(np.ones((2, 2)))
    np.testing.assert_allclose(t.grad, t.data / 2.0)


def test_a_number_left_alone_by_unary_operators_keeps_its_gradient(s):
    y = -s + +s * 3.0 + abs(-s)
    y.backward()
    assert s.grad == 3.0


def test_copies_and_pickles_require_what_the_original_does(t):
    for how in (copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))):
        for x in (t, t * 2.0, t.detach(), t > 0.3):
            with tg.no_grad():
                y = how(x)
            assert y is not x
            assert y.requires_grad == (x.requires_grad and x.op is None)
            assert y.data.tolist() == x.data.tolist()
            assert y.dtype == x.dtype


def test_an_array_of_objects_may_hold_nodes(t, s):
    held = np.empty(2, dtype=object)
    held[0], held[1] = t, s
    assert held[0] is t
    assert held[1] is s
