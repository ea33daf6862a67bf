"""Programs are of the fewest and the quickest calls of NumPy, and exact where the graph is."""

import numpy as np
import pytest

import tinygraph as tg
from tinygraph.graph.node import toposort
from tinygraph.programs.lowering import lowered


def ops_of(output):
    """What is computed."""
    return [node for node in toposort(output) if node.op is not None]


def calls(function, *arrays, names=()):
    """The ops of the lowered graph; its value is that of the function."""
    inputs = [tg.Tensor(array) for array in arrays]
    output = function(*inputs)
    named = {node: "n" for node in toposort(output) if node.op is None or node.op.name in names}
    (after,) = lowered([output], named)
    tolerance = 1e-12 if after.dtype == np.float64 else 1e-5
    np.testing.assert_allclose(after.value, output.value, rtol=tolerance, atol=0)
    assert (after.shape, after.dtype) == (output.shape, output.dtype)
    return [node.op.name for node in ops_of(after)]


SOFTMAX = ["max", "fmin", "fmax", "subtract", "exp", "matmul", "divide"]


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: tg.sum(x * tg.exp(x)), ["exp", "vdot"]),
        (lambda x: tg.sum(tg.square(x)), ["vdot"]),
        (lambda x: tg.sum(x, keepdims=True), ["vdot", "reshape"]),
        (lambda x: tg.sum(x, axis=1, keepdims=True), ["matmul"]),
        (lambda x: tg.sum(x, axis=-1), ["matmul"]),
        (lambda x: tg.sum(x, axis=0), ["matmul"]),
        (lambda x: tg.sum(x, axis=0, keepdims=True), ["matmul"]),
        (lambda x: tg.sum(x, axis=()), ["sum"]),
        (lambda x: tg.sum(tg.stack([x, x]), axis=(0, 1)), ["stack", "reshape", "matmul"]),
        (lambda x: tg.stack([x, x]) @ np.full((3, 2), 0.5), ["stack", "reshape", "matmul", "reshape"]),
        (lambda x: tg.reshape(tg.reshape(tg.exp(x), (2, 6)), (3, 4)), ["exp", "reshape"]),
        (lambda x: tg.exp(x - tg.logsumexp(x, axis=1, keepdims=True)), SOFTMAX),
        (lambda x: tg.softmax(x, axis=1), [op for op in SOFTMAX if op not in ("fmin", "fmax")]),
        (lambda x: tg.sum(tg.stack([x, x]), axis=2), ["stack", "reshape", "matmul", "reshape"]),
        (lambda x: tg.sum(tg.stack([x, x]), axis=1), ["stack", "sum"]),
        (lambda x: tg.sum(x * 2.0), ["multiply", "vdot"]),
        (lambda x: tg.mean(x), ["vdot", "divide"]),
        (lambda x: x**5, ["square", "square", "multiply"]),
    ],
)
def test_the_fewest_calls(function, expected, rng):
    assert sorted(calls(function, rng.normal(size=(4, 3)))) == sorted(expected)


def test_what_has_a_name_is_computed(rng):
    assert calls(lambda x: tg.sum(x * tg.exp(x)), rng.normal(size=(4, 3)), names=["multiply"]) == [
        "exp",
        "multiply",
        "vdot",
    ]


@pytest.mark.parametrize(("dtype", "length"), [(np.float64, 70_000), (np.float32, 2_000)])
def test_long_sums_keep_their_digits(dtype, length, rng):
    assert calls(tg.sum, rng.random(length).astype(dtype)) == ["sum"]


@pytest.mark.parametrize(
    "z", [[-1e308, -745.0, -37.0, -1e-9, -0.0], [0.0, 1e-9, 37.0, 745.0, 1e308], [np.inf, -np.inf]]
)
@pytest.mark.parametrize("function", [tg.sigmoid, tg.softplus])
def test_sigmoid_and_softplus_are_exact_everywhere(function, z):
    calls(function, np.array(z))


@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
def test_the_loss_of_a_saturated_sigmoid_is_exact(reduction):
    z = np.array([-np.inf, -1000.0, -40.0, 0.0, 40.0, 1000.0, np.inf])

    def loss(z):
        return tg.log_loss(tg.sigmoid(z), (z > 0).astype(float), reduction=reduction)

    calls(loss, z)


def test_nan_stays_nan():
    z = np.array([np.nan, 1.0])
    for function in (tg.sigmoid, tg.softplus, lambda z: tg.log_loss(tg.sigmoid(z), np.zeros(2), reduction="none")):
        calls(function, z)


def test_sums_of_whole_numbers_keep_their_dtype():
    A = np.ones((2, 3, 3), np.int32)
    calls(lambda A: tg.sum(A.mT @ A, axis=0), A)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: tg.exp(x - tg.logsumexp(x, axis=1)),  # which is not the softmax along that axis
        lambda x: tg.sum(tg.reshape(x, (1, 3, 3)).mT @ tg.stack([x, 2.0 * x]), axis=0),  # a stack of one, repeated
    ],
)
def test_what_only_looks_alike_is_left(function, rng):
    calls(function, rng.normal(size=(3, 3)))


def test_equal_numbers_make_equal_products():
    x = tg.Tensor(np.ones(3))
    (after,) = lowered([x * tg.Tensor(2.0) + tg.tanh(x * tg.Tensor(2.0))], {x: "x"})
    assert [node.op.name for node in ops_of(after)].count("multiply") == 1


def test_what_is_turned_is_copied_once(rng):
    x = tg.Tensor(rng.normal(size=(2, 3, 4)))
    turned = tg.reshape(tg.permute_dims(x, (1, 0, 2)), (3, 4, 2))
    (after,) = lowered([turned @ np.full((2, 2), 0.5) + turned @ np.full((2, 2), 0.25)], {x: "x"})
    copies = [node for node in ops_of(after) if node.op.name == "reshape" and node.inputs[0].op is not None]
    assert [node.inputs[0].op.name for node in copies].count("permute_dims") == 1
