"""Programs: buffers are shared by liveness, names are free, calls are the fewest."""

import numpy as np
import pytest

import tinygraph as tg
from tinygraph.programs.lowering import lowered
from tinygraph.programs.program import Program, identifier


def program_of(function, *arrays):
    inputs = [tg.Tensor(array, name=name) for array, name in zip(arrays, "xyz", strict=False)]
    names = dict(zip(inputs, "xyz", strict=False))
    outputs = lowered([function(*inputs)], names, {})
    return Program(inputs, outputs, names, set(), {})


def test_a_chain_needs_one_buffer():
    program = program_of(lambda x: tg.exp(tg.tanh(tg.exp(tg.tanh(x))) * 2) + 1, np.ones(3))
    assert len(program.buffers) == 1
    assert [line.split(" = ")[0] for line in program.lines] == ["t1", "t2", "t3", "t4", "t5", "t6"]


def test_what_is_read_later_keeps_its_buffer():
    def function(x):
        a = tg.tanh(x)
        b = tg.exp(a)
        c = b * b
        return c + a

    program = program_of(function, np.ones(3))
    assert len(program.buffers) == 2
    x = np.array([0.1, 0.2, 0.3])
    variables = {}
    exec(program.source("f"), variables)
    np.testing.assert_allclose(variables["f"](x)[0], np.exp(np.tanh(x)) ** 2 + np.tanh(x))


def test_a_buffer_read_transposed_is_not_written_meanwhile(rng):
    def function(x):
        a = x @ x
        return (a + a.mT) * a

    x = rng.normal(size=(3, 3))
    variables = {}
    exec(program_of(function, x).source("f"), variables)
    np.testing.assert_allclose(variables["f"](x)[0], (x @ x + (x @ x).T) * (x @ x))


def test_a_buffer_read_twice_in_one_call_is_given_back_once(rng):
    def function(x):
        a = x @ x
        b = a + a.mT
        c = tg.exp(x * 0.5)
        d = c @ c
        return b @ c + d

    x = rng.normal(size=(3, 3))
    variables = {}
    exec(program_of(function, x).source("f"), variables)
    np.testing.assert_allclose(variables["f"](x)[0], function(tg.Tensor(x)).data)


def test_numbers_are_computed_beforehand():
    program = program_of(lambda x: x * (tg.Tensor(2.0) * 3.0 + 1.0), np.ones(3))
    assert program.lines == ["t1 = multiply(x, _c7)"]


def test_small_whole_powers_are_products():
    program = program_of(lambda x: x**5, np.ones(3))
    assert "power" not in program.source("f")
    assert len(program.lines) == 3


@pytest.mark.parametrize(
    ("name", "free"),
    [("W1", "W1"), ("Z₁", "Z1"), ("a b", "a_b"), ("lambda", "vlambda"), ("exp", "exp_2"), ("_0", "v_0"), ("x", "x_2")],
)
def test_a_name_is_left_free_for_python_and_numpy(name, free):
    assert identifier(name, {"x"}) == free


@pytest.mark.parametrize(
    "function",
    [
        lambda x: tg.sum((x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2),
        lambda x: tg.sum(x[::2] ** 3) + tg.sum(x[::-1][1:3] * x[2:4]),
        lambda x: tg.sum(tg.exp(x)) + tg.sum(x[1:] * x[:-1]) + x[0] * x[-1],
        lambda x: tg.sum(tg.reshape(x, (2, 3))[:, 1:] ** 2) + tg.sum(tg.reshape(x, (2, 3))[1, None] ** 3),
        lambda x: tg.sum(x[::-1] * (tg.reshape(x, (1, 6)) + tg.exp(tg.reshape(x, (1, 6))))),
        lambda x: tg.sum(x[np.array([0, 0, 3])] ** 2) + tg.sum(x[1:3] ** 2),
    ],
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_gradients_of_slices_are_added_up_in_place(function, dtype, rng):
    x = rng.normal(size=6).astype(dtype)
    compiled = tg.compile(tg.grad(function))
    found, expected = compiled(x), tg.grad(function)(x)
    assert found.dtype == expected.dtype == dtype
    np.testing.assert_allclose(found, expected, rtol=1e-12 if dtype == np.float64 else 1e-5)
    np.testing.assert_array_equal(compiled(x), found)
    later = rng.normal(size=6).astype(dtype)
    np.testing.assert_allclose(compiled(later), tg.grad(function)(later), rtol=1e-12 if dtype == np.float64 else 1e-5)


def test_what_is_read_again_is_not_added_to():
    def function(x):
        a = tg.exp(x)
        padded = tg.ops.scatter_add(x[1:], key=(slice(1, None),), shape=(4,))
        return a + padded, a * 2.0, padded

    program = tg.compile(function)
    x = np.array([0.1, 0.2, 0.3, 0.4])
    total, double, padded = program(x)
    np.testing.assert_allclose(total, np.exp(x) + np.array([0, 0.2, 0.3, 0.4]))
    np.testing.assert_allclose(double, 2 * np.exp(x))
    np.testing.assert_array_equal(padded, [0, 0.2, 0.3, 0.4])
    assert "+=" not in program.source


def padded(x, start, shape):
    return tg.ops.scatter_add(x, key=(slice(start, None),), shape=shape)


@pytest.mark.parametrize(
    "function",
    [
        lambda x, g: tg.exp(tg.reshape(x, (1, 3, 3))) + padded(g, 1, (3, 3)),  # not the same axes
        lambda x, g: tg.reshape(x, (3, 3)) + padded(g, 1, (3, 3)),  # a view of an argument
        lambda x, g: tg.exp(padded(g, 1, (3, 3))) * tg.reshape(x, (3, 3)),  # in a buffer, where exp then writes
        lambda x, g: tg.exp(tg.reshape(x, (3, 3))) + padded(g, 1, (3, 3)),
    ],
)
def test_a_part_is_added_to_what_it_is_a_part_of(function, rng):
    x, g = rng.normal(size=9), rng.normal(size=(2, 3))
    compiled, given = tg.compile(function), x.copy()
    for _ in range(2):
        np.testing.assert_allclose(compiled(x, g), function(tg.Tensor(x), tg.Tensor(g)).data, rtol=1e-14)
    np.testing.assert_array_equal(x, given)


def test_long_ones_are_written_in_the_source(rng):
    compiled = tg.compile(lambda x: tg.sum(x, axis=0))
    x = rng.normal(size=(2000, 3))
    compiled(x)
    variables = {}
    exec(compiled.source, variables)
    np.testing.assert_allclose(variables["program"](x)[0], x.sum(axis=0))
