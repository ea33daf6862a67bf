"""Operators and comparisons work with arrays, numbers and foreign objects on either side of a tensor."""

import fractions
import operator
import warnings

import numpy as np
import pytest
from operands import ARITHMETIC, COMPARISONS

import tinygraph as tg
from tinygraph.testing.laws import check_grads

X = np.array([[0.5, 1.5], [1.2, 0.3]])


class Subclass(np.ndarray):
    """A subclass of NumPy's array."""


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
    """A foreign class that tells NumPy that it handles multiplication with arrays itself."""

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
