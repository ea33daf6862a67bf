"""Declaring and applying ops: arguments, operands, signatures."""

import inspect
import re
import textwrap
from pathlib import Path

import numpy as np
import pytest

import tinygraph as tg
from tinygraph.graph import records
from tinygraph.ops import elementwise
from tinygraph.testing import laws

CONTRIBUTING = Path(__file__).parents[2] / "CONTRIBUTING.md"


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda x: tg.sum(x, 0, True, 3), "sum takes"),
        (lambda x: tg.sum(x, 0, axis=1), "sum takes"),
        (lambda x: tg.sum(x, axes=0), "axes"),
        (lambda x: tg.tanh(x, x), "takes"),
        (lambda x: tg.add(x), "argument"),
        (lambda x: tg.tanh(), "argument"),
        (lambda x: tg.where(x > 0, x), "where takes"),
        (lambda x: tg.where(x > 0, x=x, y=x), "where takes"),
        (lambda x: tg.sum(), "sum takes"),
        (lambda x: tg.reshape(x), "shape"),
        (lambda x: tg.sum(x, dim=0), r"^sum takes \(x, /, axis=None, keepdims=False\), not dim \(axis here\)$"),
    ],
)
def test_a_wrong_call_is_a_type_error(call, error):
    with pytest.raises(TypeError, match=error):
        call(tg.parameter([1.0, 2.0]))


@pytest.mark.parametrize("name", records.FUNCTIONS)
def test_every_function_has_a_signature_without_the_namespace(name):
    parameters = inspect.signature(records.FUNCTIONS[name]).parameters
    assert parameters
    assert next(iter(parameters)) != "xp"  # interp has one of its own, after x


def test_static_parameters_may_be_given_by_position_or_by_name():
    x = tg.parameter([[1.0, 2.0]])
    assert tg.sum(x, 1, True).params == tg.sum(x, keepdims=True, axis=1).params == {"axis": 1, "keepdims": True}


@pytest.mark.parametrize("operand", [2, 2.0, True, np.float64(2), np.array(2.0), [2.0, 2.0], (2.0, 2.0), np.ones(2)])
def test_an_operand_may_be_any_number_or_array(operand):
    x = tg.parameter([3.0, 4.0])
    for y, expected in ((x * operand, x.data * operand), (operand * x, operand * x.data)):
        assert isinstance(y, tg.Tensor)
        assert np.array_equal(y.data, expected)


def test_a_plain_array_is_copied_when_it_is_recorded():
    x, array = tg.parameter([3.0, 4.0]), np.array([1.0, 2.0])
    y = x * array
    array[:] = 100
    y.backward(np.ones(2))
    assert x.grad.tolist() == [1.0, 2.0]


def test_an_op_on_plain_numbers_alone_is_a_constant_tensor():
    y = tg.maximum(1.0, 2)
    assert isinstance(y, tg.Tensor)
    assert y.item() == 2.0
    assert not y.requires_grad


@pytest.mark.parametrize("operand", [None, "2", object(), {}, 1j])
def test_what_is_no_operand_is_a_type_error(operand):
    x = tg.parameter([3.0, 4.0])
    for attempt in (lambda: x * operand, lambda: operand * x, lambda: tg.maximum(x, operand)):
        with pytest.raises(TypeError):
            attempt()


def test_a_new_op_needs_nothing_but_its_declaration(monkeypatch):
    """The example of CONTRIBUTING.md, by all laws."""
    code = re.search(r"((?:    .*\n|\n)*?    @op\((?:    .*\n|\n)*)", CONTRIBUTING.read_text(encoding="utf-8"))
    names = {**vars(elementwise)}
    exec(textwrap.dedent(code[1]), names)
    sech = names["sech"]
    monkeypatch.setattr(tg.ops, "sech", sech, raising=False)
    laws.check_op("sech")
    x = tg.parameter(0.0)
    y = sech(x)
    assert tg.gradients(tg.gradients(y, x), x).item() == -1.0
    assert "y = sech(x)" in str(tg.draw(y))
    assert tg.compile(sech)(np.array([0.0])).tolist() == [1.0]
    assert "y′ = −y tanh x" in sech.__doc__


NARROW = tg.Tensor(np.array([1.0, 2.0], np.float32), requires_grad=True)
WHOLE = np.array([3, 4])


@pytest.mark.parametrize("n", [WHOLE, tg.Tensor(WHOLE)], ids=["array", "tensor"])
@pytest.mark.parametrize(
    "apply",
    [
        lambda x, n: x * n,
        lambda x, n: n - x,
        lambda x, n: x**n,
        lambda x, n: x @ n,
        lambda x, n: np.add(n, x),
        lambda x, n: tg.where(x > 1, n, x),
        lambda x, n: tg.stack([n, x]),
    ],
)
def test_integers_do_not_widen_floating_numbers(apply, n):
    y = apply(NARROW, n)
    assert y.dtype == np.float32
    assert y.requires_grad
    assert tg.compile(apply)(NARROW.data, WHOLE).dtype == np.float32
    np.testing.assert_array_equal(tg.compile(apply)(NARROW.data, 2 * WHOLE), apply(NARROW, 2 * WHOLE).data)


def test_numbers_and_arrays_that_are_floating_widen_as_in_numpy():
    assert (NARROW * 2.5).dtype == np.float32
    assert (NARROW * np.array([1.0])).dtype == np.float64
    assert (tg.Tensor(WHOLE) * 2.5).dtype == np.float64
    assert (tg.Tensor(WHOLE) * WHOLE).dtype == np.int64


def test_a_static_parameter_is_no_tensor():
    x = tg.parameter([[1.0, 2.0]])
    for attempt in (lambda: tg.sum(x, axis=tg.Tensor(0)), lambda: tg.unwrap(x, discont=tg.Tensor(4.0))):
        with pytest.raises(tg.UnsupportedError, match=r"take \.item\(\) of"):
            attempt()
