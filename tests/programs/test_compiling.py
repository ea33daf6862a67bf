"""A compiled function computes what the function computes, and its program is the one an expert writes."""

import copy
import functools
import gc
import itertools
import linecache
import pickle
import threading
import time
import traceback
from collections import Counter, OrderedDict, UserDict, defaultdict

import numpy as np
import pytest
from graphs import random_graph

import tinygraph as tg
from tinygraph.errors import UnsupportedError
from tinygraph.graph.records import APPLY, OPS
from tinygraph.graph.replaying import evaluate
from tinygraph.testing import laws


def network(params, X, Y):
    Z1 = params["W1"] @ X + params["b1"]
    A1 = tg.tanh(Z1)
    Z2 = params["W2"] @ A1 + params["b2"]
    A2 = tg.sigmoid(Z2)
    return tg.log_loss(A2, Y)


def step(params, X, Y):
    J, gradients = tg.value_and_grad(network)(params, X, Y)
    return J, {name: params[name] - 0.1 * gradients[name] for name in params}


@pytest.fixture
def lecture(rng):
    params = {"W1": rng.normal(size=(4, 2)), "b1": np.zeros((4, 1))}
    params |= {"W2": rng.normal(size=(1, 4)), "b2": np.zeros((1, 1))}
    return params, rng.normal(size=(2, 40)), (rng.random((1, 40)) > 0.5).astype(float)


def arrays(tree):
    return tg.trees.flatten(tree)[0]


def assert_same(compiled, eager, rtol=1e-12):
    """The same wherever eager is finite, in shape and dtype too."""
    for ours, theirs in zip(arrays(compiled), arrays(eager), strict=True):
        ours = np.asarray(ours)
        theirs = theirs.data if isinstance(theirs, tg.Tensor) else np.asarray(theirs)
        assert ours.shape == theirs.shape
        assert ours.dtype == theirs.dtype
        known = np.isfinite(theirs)
        rtol = rtol if theirs.dtype == np.float64 else 1e-5
        np.testing.assert_allclose(ours[known], theirs[known], rtol=rtol, atol=1e-300)


# -- the same numbers ----------------------------------------------------------------------------------------------


def test_a_training_step(lecture):
    params, X, Y = lecture
    compiled = tg.compile(step)
    for _ in range(5):
        J, later = compiled(params, X, Y)
        assert_same((J, later), step(params, X, Y))
        params = later
    assert len(compiled.cache) == 1


CASES = [
    pytest.param(op, inputs, params, id=f"{op.name}-{'-'.join(str(x.shape) for x in inputs)}-{params or ''}")
    for op in laws.records()
    for inputs, params in laws.samples(op)
]


def gradient_of(op, inputs, params):
    floats = [i for i, x in enumerate(inputs) if np.asarray(x).dtype.kind == "f"]

    def gradient(*xs):
        y = laws.applied(op, laws.consistent(op, list(xs)), params)
        return tg.gradients(y, [xs[i] for i in floats], np.cos(np.arange(float(y.size))).reshape(y.shape))

    return gradient


@pytest.mark.parametrize(("op", "inputs", "params"), CASES)
def test_every_op_and_its_gradient(op, inputs, params):
    def apply(*xs):
        return laws.applied(op, laws.consistent(op, list(xs)), params)

    differentiable = laws.applied(op, [tg.Tensor(x, x.dtype.kind == "f") for x in inputs], params).requires_grad
    for function in [apply, *([gradient_of(op, inputs, params)] if differentiable else [])]:
        assert_same(tg.compile(function)(*inputs), function(*map(tg.Tensor, inputs)))


@pytest.mark.parametrize("name", [name for name, op in OPS.items() if op.kind == "elementwise" and not op.params])
def test_special_values_also_when_traced_with_ordinary_ones(name):
    op = OPS[name]
    special = laws.special_inputs(op)
    functions = [APPLY[name], *([gradient_of(op, special, {})] if op.differentiable else [])]
    with np.errstate(all="ignore"):
        for function in functions:
            compiled = tg.compile(function)
            compiled(*[np.full_like(x, 0.75) for x in special])
            assert_same(compiled(*special), function(*map(tg.Tensor, special)))


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::tinygraph.BroadcastWarning")
@pytest.mark.parametrize("seeds", [range(i, i + 25) for i in range(0, 200, 25)], ids=lambda r: f"{r.start}-{r.stop}")
def test_random_graphs_with_their_gradients(seeds):
    for seed in seeds:
        J = random_graph(seed)
        leaves = [x for x in tg.toposort(J) if x.op is None and x.requires_grad]
        if not leaves:
            continue

        def both(*xs, J=J, leaves=leaves):
            value = evaluate([J], dict(zip(leaves, xs, strict=True)), tg.ops)[0]
            return value, *tg.gradients(value, xs)

        data = [leaf.data for leaf in leaves]
        compiled = tg.compile(both)(*data)
        for ours, theirs in zip(compiled, both(*map(tg.Tensor, data)), strict=True):
            largest = np.abs(theirs.data[np.isfinite(theirs.data)]).max(initial=1.0)
            np.testing.assert_allclose(ours, theirs.data, rtol=1e-10, atol=1e-12 * largest)


@pytest.mark.parametrize("z", [[-1000.0, 0.0, 1000.0], [np.inf, -np.inf, 3.0]])
@pytest.mark.parametrize("y", [[1.0, 1.0, 1.0], [0.0, 0.0, 0.0], [0.3, 0.5, 1.0]])
def test_the_log_loss_is_exact_at_the_ends(z, y):
    def losses(z, y):
        return tg.log_loss(tg.sigmoid(z), y, reduction="none"), tg.gradients(tg.log_loss(tg.sigmoid(z), y), [z])[0]

    compiled = tg.compile(losses)
    compiled(np.zeros(3), np.ones(3))
    with np.errstate(all="ignore"):
        assert_same(compiled(np.array(z), np.array(y)), losses(tg.Tensor(z), tg.Tensor(y)))


def test_float32_stays_float32(lecture):
    params, X, Y = lecture
    small = {name: value.astype(np.float32) for name, value in params.items()}
    J, later = tg.compile(step)(small, X.astype(np.float32), Y.astype(np.float32))
    assert J.dtype == np.float32
    assert {value.dtype for value in later.values()} == {np.dtype(np.float32)}


# -- the program ---------------------------------------------------------------------------------------------------


def test_the_program_is_the_one_an_expert_writes(lecture):
    compiled = tg.compile(step, donate_argnums=0)
    compiled(*lecture)
    for line in (
        "def step(W1, b1, W2, b2, X, Y):",
        "# Z1 = W1 X + b1",
        "# dZ2 = 0.0025 · (A2 − Y), scaled by 0.1",
        "t9 = subtract(A2, Y, ",
        "dZ2 = multiply(",
        "dW2 = dot(dZ2, A1.T, ",
        "db1 = dot(dZ1, _ones_40_1, ",
    ):
        assert line in compiled.source
    assert compiled.source.count(" dot(") == 7
    assert compiled.source.count("= tanh(Z1, ") == 1


def test_the_source_runs_with_numpy_alone(lecture):
    params, X, Y = lecture
    compiled = tg.compile(step)
    J, later = compiled(params, X, Y)
    variables = {}
    exec(compiled.source, variables)
    results = variables["step"](*params.values(), X, Y)
    assert_same(results, [J, *later.values()], rtol=0)


def test_a_loss_written_out_collapses_too(lecture):
    def written_out(params, X, Y):
        A2 = tg.sigmoid(params["W1"] @ X)
        return -tg.mean(Y * tg.log(A2) + (1 - Y) * tg.log(1 - A2))

    params, X, Y = lecture
    compiled = tg.compile(tg.grad(written_out))
    compiled({"W1": params["W2"][:, :2]}, X, Y)
    assert "divide(Y" not in compiled.source
    assert "subtract(A2, Y" in compiled.source


def test_softmax_with_cross_entropy_collapses(rng):
    def cross_entropy(W, X, Y):
        Z = W @ X
        return tg.sum(tg.logsumexp(Z, axis=0) - tg.sum(Y * Z, axis=0)) / X.shape[1]

    W, X = rng.normal(size=(3, 4)), rng.normal(size=(4, 6))
    Y = (rng.random((3, 6)).argsort(0) == 0).astype(float)
    compiled = tg.compile(tg.grad(cross_entropy))
    assert_same(compiled(W, X, Y), tg.grad(cross_entropy)(W, X, Y))
    assert compiled.source.count("exp(") == 1


def test_what_is_not_asked_for_is_not_computed(lecture):
    compiled = tg.compile(lambda params, X, Y: tg.grad(network)(params, X, Y)["b2"])
    compiled(*lecture)
    assert "log1p" not in compiled.source
    assert "W2.T" not in compiled.source


@pytest.mark.parametrize("index", [[1, 1], [0], np.eye(2, dtype=int)], ids=str)
def test_an_index_array_that_is_uniform_stays_one(index):
    x = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(tg.compile(lambda x: x[:, index] * 2)(x), x[:, index] * 2)


def test_equal_expressions_are_computed_once():
    compiled = tg.compile(lambda x: tg.exp(x) * 2 + tg.tanh(tg.exp(x)))
    compiled(np.ones(3))
    assert compiled.source.count("= exp(x") == 1


def test_a_product_is_the_same_in_either_order(rng):
    compiled = tg.compile(lambda x, y: tg.exp(x * y) @ tg.tanh(y * x))
    compiled(*rng.normal(size=(2, 3)))
    assert compiled.source.count("multiply(") == 1


def test_a_traceback_shows_the_line_of_the_program():
    compiled = tg.compile(lambda x, n: tg.inv(x) * n)
    compiled(np.eye(2), np.ones(2))
    with pytest.raises(np.linalg.LinAlgError) as caught:
        compiled(np.ones((2, 2)), np.ones(2))
    assert "np.linalg.inv(x)" in "".join(traceback.format_exception(caught.value))


def test_the_report_names_what_takes_the_time(lecture):
    compiled = tg.compile(step)
    compiled(*lecture)
    report = compiled.report()
    assert "recorded operations became" in report
    assert "buffers of" in report
    assert " dot(" in report


# -- memory --------------------------------------------------------------------------------------------------------


def test_results_are_never_written_over(lecture):
    params, X, Y = lecture
    compiled = tg.compile(step)
    _, first = compiled(params, X, Y)
    kept = {name: value.copy() for name, value in first.items()}
    compiled(first, X * 2, Y)
    for name, value in first.items():
        np.testing.assert_array_equal(value, kept[name])
    every = [*params.values(), X, Y, *first.values()]
    assert not any(np.shares_memory(a, b) for a, b in itertools.combinations(every, 2))


def test_an_argument_that_is_returned_is_a_copy():
    compiled = tg.compile(lambda x, y: (x, x.T, y * 2, y * 2, np.ones(2), 3.0, x[0]))
    x, y = np.ones((2, 2)), np.ones(2)
    results = compiled(x, y)
    every = [np.asarray(r) for r in results] + [x, y]
    assert not any(np.shares_memory(a, b) for a, b in itertools.combinations(every, 2))
    results[4][0] = 7.0
    assert compiled(x, y)[4].tolist() == [1.0, 1.0]


ONE_OF_EACH = [
    pytest.param(op, *sample, id=op.name) for op in laws.records() for sample in itertools.islice(laws.samples(op), 1)
]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("dtype", [None, np.int64, bool])
@pytest.mark.parametrize(("op", "inputs", "params"), ONE_OF_EACH)
def test_results_are_arrays_of_the_callers_own(op, inputs, params, dtype):
    """They can be written to, and that changes no argument, no other result, and nothing of the next call."""
    inputs = [np.array(x) if dtype is None else x.astype(dtype) for x in inputs]

    def function(*xs):
        y = laws.applied(op, laws.consistent(op, list(xs)), params)
        return y, y, *xs, *([tg.exp(y), tg.sin(y), tg.logical_not(y)] if isinstance(y, tg.Tensor) else [])

    compiled = tg.compile(function)
    try:
        results = arrays(compiled(*inputs))
    except (TypeError, ValueError, IndexError):
        return  # not of this dtype
    kept, given = [np.array(y) for y in results], [x.copy() for x in inputs]
    written = [y for y in results if isinstance(y, np.ndarray)]
    assert not any(np.shares_memory(a, b) for a, b in itertools.combinations([*written, *inputs], 2))
    for y in written:
        y[...] = True
    for before, after in zip([*given, *kept], [*inputs, *arrays(compiled(*inputs))], strict=True):
        np.testing.assert_array_equal(before, after)


def test_results_are_the_callers_own_whatever_an_op_of_ones_own_returns():
    table = np.arange(3.0)

    @tg.op("elementwise", lambda xp, g, y, x: g, run=lambda x: x)
    def itself_in_test_compiling(xp, x):
        return xp.itself_in_test_compiling(x)

    @tg.op("elementwise", lambda xp, g, y, x: g, run=lambda x: table)
    def table_in_test_compiling(xp, x):
        return xp.table_in_test_compiling(x)

    itself, looked_up = itself_in_test_compiling, table_in_test_compiling
    compiled = tg.compile(lambda x: (itself(x), itself(tg.tanh(x)), tg.exp(tg.sin(x * 2)), looked_up(x).T))
    x = np.arange(3.0)
    for _ in range(2):
        results = compiled(x)
        assert_same(results, (x, np.tanh(x), np.exp(np.sin(x * 2)), np.arange(3.0)))
        for y in results:
            y[:] = 7.0
    assert table.tolist() == x.tolist() == [0.0, 1.0, 2.0]


def test_a_conversion_to_the_dtype_that_is_there_keeps_its_buffer():
    compiled = tg.compile(lambda x: ((x > 0).astype(bool).astype(bool), tg.logical_not(x > 2), (x * 2).astype(float)))
    kept, other, doubled = compiled(np.array([0.0, 1.0, 3.0]))
    assert kept.tolist() == [False, True, True]
    assert other.tolist() == [True, True, False]
    assert doubled.tolist() == [0.0, 2.0, 6.0]


def test_a_result_that_repeats_a_number_can_be_written_to():
    y = tg.compile(lambda x: tg.broadcast_to(x * 2, (3, 3)))(np.ones(3))
    y[0, 0] = 7.0
    assert y.tolist() == [[7.0, 2.0, 2.0], [2.0, 2.0, 2.0], [2.0, 2.0, 2.0]]


@pytest.mark.parametrize(
    ("first", "second", "why"),
    [
        (lambda a: a, lambda a: a, "was given twice"),
        (lambda a: a[:3], lambda a: a[2:5], "shares memory with another argument"),
        (lambda a: np.broadcast_to(1.0, 3), lambda a: a[:3], "but it is read-only"),
    ],
)
def test_a_donated_array_that_cannot_be_written_over_is_refused(first, second, why):
    compiled = tg.compile(lambda a, b: (a + b, a * b), donate_argnums=0)
    for _ in range(2):
        fine = np.ones(6)
        assert compiled(fine[:3], fine[3:])[0].tolist() == [2.0, 2.0, 2.0]
        assert compiled(np.ones(3), np.ones(3))[0].tolist() == [2.0, 2.0, 2.0]
        a = np.ones(6)
        with pytest.raises(tg.ArgumentError, match=rf"a of <lambda> is donated, .*{why}"):
            compiled(first(a), second(a))
        assert a.tolist() == [1.0] * 6


def test_a_donated_tensor_keeps_its_value():
    compiled = tg.compile(lambda a: a + 1.0, donate_argnums=0)
    x = tg.Tensor(np.ones(3))
    assert compiled(x).tolist() == [2.0, 2.0, 2.0]
    assert x.data.tolist() == [1.0, 1.0, 1.0]


def test_a_donated_argument_becomes_the_result(lecture):
    params, X, Y = lecture
    eager = step(params, X, Y)
    compiled = tg.compile(step, donate_argnums=0)
    _, later = compiled(params, X, Y)
    assert all(later[name] is params[name] for name in params)
    assert_same(later, eager[1])


def test_a_donated_argument_is_not_written_before_it_has_been_read(rng):
    def both(a, b):
        return a + b, a * b

    a, b = rng.normal(size=3), rng.normal(size=3)
    expected = a + b, a * b
    assert_same(tg.compile(both, donate_argnums=0)(a, b), expected)


def test_threads_do_not_share_buffers(rng):
    compiled = tg.compile(lambda x: tg.tanh(x @ x) * 2 + tg.exp(-x))
    inputs = [rng.normal(size=(60, 60)) for _ in range(8)]
    expected = [np.tanh(x @ x) * 2 + np.exp(-x) for x in inputs]
    wrong = []

    def work(x, y):
        for _ in range(50):
            if not np.allclose(compiled(x), y):
                wrong.append(x)

    threads = [threading.Thread(target=work, args=pair) for pair in zip(inputs, expected, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


# -- calls ---------------------------------------------------------------------------------------------------------


def test_a_program_for_each_shape_and_dtype():
    compiled = tg.compile(lambda x: x * 2)
    for x in (np.ones(2), np.ones(3), np.ones(2, np.float32), 1.0, np.float32(1.0), np.ones(2)):
        assert_same(compiled(x), np.asarray(x) * np.float32(2))
    assert len(compiled.cache) == 5


def test_the_cache_is_bounded():
    compiled = tg.compile(lambda x: x * 2, cache_size=2)
    for n in range(5):
        compiled(np.ones(n))
    assert len(compiled.cache) == 2


def test_static_arguments_steer_the_program():
    @tg.compile(static_argnums=1)
    def power(x, n):
        for _ in range(n):
            x = x * x
        return x

    assert power(np.array(2.0), 3) == 256.0
    assert power(np.array(2.0), 2) == 16.0
    assert len(power.cache) == 2
    with pytest.raises(TypeError, match="cannot be hashed"):
        power(np.array(2.0), [1])
    assert power(x=np.array(2.0), n=4) == power(np.array(2.0), n=4) == 65536.0


def test_keywords_and_nested_arguments():
    compiled = tg.compile(lambda x, *, scale: {"a": [x * scale["by"], None], "b": (x,)})
    result = compiled(np.ones(2), scale={"by": 3.0})
    assert result["a"][0].tolist() == [3.0, 3.0]
    assert result["a"][1] is None
    assert result["b"][0].tolist() == [1.0, 1.0]


def test_another_order_of_keys_is_not_mixed_up():
    compiled = tg.compile(lambda p: p["a"] - p["b"])
    assert compiled({"a": np.array(3.0), "b": np.array(1.0)}) == 2.0
    assert compiled({"b": np.array(1.0), "a": np.array(3.0)}) == 2.0


def test_a_tensor_from_outside_is_read_at_each_call():
    w = tg.parameter([1.0, 2.0])
    compiled = tg.compile(lambda x: tg.sum(w * x))
    assert compiled(np.ones(2)) == 3.0
    w.data += 1.0
    assert compiled(np.ones(2)) == 5.0


def test_a_large_array_from_outside_is_a_constant_of_the_program(rng):
    X = rng.normal(size=(100, 50))
    compiled = tg.compile(lambda w: X @ w)
    w = rng.normal(size=50)
    np.testing.assert_allclose(compiled(w), X @ w)
    assert "an array from outside, of shape (100, 50)" in compiled.source


# -- what cannot be compiled ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "use",
    [
        lambda x: x * 2 if tg.sum(x) > 0 else x,
        lambda x: x * x[0].item(),
        lambda x: x * float(x[0]),
        lambda x: x * x.data,
        lambda x: x * np.asarray(x),
        lambda x: [1.0, 2.0][int(x[0])] * x,
        lambda x: x * (1.0 in x),
        lambda x: x.detach() * 2,
        lambda x: tg.Tensor(x) * 2,
        lambda x: tg.parameter(x) * 2,
    ],
)
def test_to_ask_for_a_value_is_an_error_that_says_what_to_do(use):
    with pytest.raises(tg.UnsupportedError, match=r"not known while a function is compiled \(test_compiling.py:\d+\)"):
        tg.compile(use)(np.ones(2))
    with pytest.raises(tg.UnsupportedError, match=r"tg\.where"):
        tg.compile(use)(np.ones(2))


def test_random_numbers_are_never_frozen():
    rng = np.random.default_rng(0)
    with pytest.raises(tg.UnsupportedError, match="as with random numbers"):
        tg.compile(lambda x: x * rng.normal(size=2))(np.ones(2))
    with pytest.raises(tg.UnsupportedError, match="give them as an argument"):
        tg.compile(lambda x: x * float(rng.normal()))(np.ones(2))


def test_what_would_keep_the_numbers_of_the_first_call_is_refused():
    def without_grad(x):
        with tg.no_grad():
            return x * 2

    def backward(x):
        tg.sum(x * x).backward()
        return x

    z = tg.parameter([1.0, 2.0]) * 3
    for function, why in (
        (without_grad, "would keep the numbers of the first call"),
        (backward, "use gradients or grad"),
        (lambda x: z * x, "computed outside"),
    ):
        compiled = tg.compile(function)
        with pytest.raises(tg.UnsupportedError, match=why):
            compiled(np.ones(2))
        assert not compiled.cache


def test_a_trace_that_differs_in_length_is_not_the_same():
    calls = []

    def grows(x):
        calls.append(1)
        return [x * 2] * len(calls)

    with pytest.raises(tg.UnsupportedError, match="computes something else"):
        tg.compile(grows)(np.ones(2))


def test_pythons_numbers_do_not_widen():
    compiled = tg.compile(lambda x, s: x * s)
    for x, s in ((np.ones(2, np.float32), 0.5), (np.ones(2, np.float32), 3), (np.ones(2), 3), (np.arange(2), 3)):
        assert_same(compiled(x, s), tg.Tensor(x) * s)


def test_static_arguments_that_are_equal_and_of_another_type_are_told_apart():
    compiled = tg.compile(lambda x, n: x * (2.0 if n is True else 1.0), static_argnums=1)
    assert compiled(np.ones(1), True) == 2.0
    assert compiled(np.ones(1), 1) == 1.0


def test_a_factor_that_is_an_argument_is_in_the_equation(rng):
    def update(w, X, lr):
        D = lr * (w @ X)
        return D @ X.T, tg.sum(D, axis=1)

    compiled = tg.compile(update)
    w, X = rng.normal(size=(2, 3)), rng.normal(size=(3, 4))
    assert_same(compiled(w, X, 0.5), update(tg.Tensor(w), tg.Tensor(X), 0.5))
    assert "# D = lr · w X" in compiled.source


def test_what_is_no_array_is_refused():
    with pytest.raises(TypeError, match="goes into static_argnums"):
        tg.compile(lambda x, mode: x)(np.ones(2), "mode")
    with pytest.raises(TypeError, match="takes a function, not int"):
        tg.compile(3)
    with pytest.raises(tg.ArgumentError, match="has not been called yet"):
        _ = tg.compile(lambda x: x).source


def test_an_error_in_the_function_comes_through_and_leaves_nothing():
    compiled = tg.compile(lambda x, y: x @ y)
    with pytest.raises(tg.ShapeError):
        compiled(np.ones((2, 3)), np.ones((2, 3)))
    assert not compiled.cache
    assert compiled(np.ones((2, 3)), np.ones((3, 2))).shape == (2, 2)
    assert tg.parameter(2.0).item() == 2.0  # tracing has ended


def test_items_of_a_list_are_called_what_they_are_where_they_are_used(rng):
    def loss(params, X):
        (W, b), scale = params
        return tg.sum(tg.tanh(W @ X + b) * scale)

    @tg.compile
    def update(params, X):
        J, ((dW, db), dscale) = tg.value_and_grad(loss)(params, X)
        return J, dW, db, dscale

    update([[rng.normal(size=(2, 3)), np.zeros((2, 1))], 2.0], rng.normal(size=(3, 4)))
    assert "def update(W, b, scale, X):" in update.source
    assert "# dW = " in update.source


def test_items_of_a_list_without_names_are_numbered(rng):
    def total(layers):
        return sum(tg.sum(layer**2) for layer in layers)

    compiled = tg.compile(total)
    compiled([rng.normal(size=2), rng.normal(size=3)])
    assert "def total(layers0, layers1):" in compiled.source


def test_factors_that_become_equal_are_one_power(rng):
    """σ(z) and σ(−z) with a long z, in a product with sums: found by a fuzzer."""

    def loss(x):
        v = tg.max(x)
        z = -(v * tg.log(v * v + 0.1) + (1 - v) * tg.log(1 + v * v))
        return tg.mean((1 / (1 + tg.exp(-z))) ** 2 + x) + tg.sum(x * tg.tanh(x))

    x = rng.normal(size=3)
    assert_same(tg.compile(tg.grad(loss))(x), tg.grad(loss)(x))


def test_a_written_out_loss_collapses_also_beside_its_value(rng):
    def loss(Z, Y):
        A = tg.sigmoid(Z)
        return -tg.sum(Y * tg.log(A) + (1 - Y) * tg.log(1 - A)) / Z.size

    @tg.compile
    def both(Z, Y):
        J, dZ = tg.value_and_grad(loss)(Z, Y)
        return J, dZ

    Z, Y = rng.normal(size=9), (rng.random(9) > 0.5).astype(float)
    assert_same(both(Z, Y), tg.value_and_grad(loss)(Z, Y))
    assert "(A − Y)" in both.source
    assert "# result 1: −" in both.source
    assert "dZ collapsed from 9 operations to 2" in both.report()


def test_what_a_program_was_traced_from_is_let_go(rng):
    compiled = tg.compile(tg.value_and_grad(lambda x: tg.sum(tg.exp(tg.tanh(x) @ x))))
    x = rng.normal(size=(100, 100))
    compiled(x)
    gc.collect()
    assert not any(isinstance(y, tg.Tensor) and y.shape == x.shape for y in gc.get_objects())


def test_positional_arguments_of_a_star_are_called_what_they_are_where_they_are_used(rng):
    @tg.compile
    def product(*arrays):
        X, Y = arrays
        return X @ Y

    product(rng.normal(size=(2, 3)), rng.normal(size=(3, 2)))
    assert "def product(X, Y):" in product.source


def test_a_function_that_wires_its_operations_otherwise_is_refused():
    turn = itertools.count()

    def function(x, y):
        return x - y if next(turn) % 2 else y - x

    with pytest.raises(UnsupportedError, match="computes something else"):
        tg.compile(function)(np.ones(2), np.zeros(2))


def test_float32_stays_that_beside_constants_and_fractions(rng):
    def loss(W, X):
        h = np.zeros((4, 3), np.float32)
        for x in (X, 2 * X):
            h = tg.tanh(x + h @ W)
        return tg.mean((tg.softmax(h / 4.0, axis=1) - h) ** 2) / 7

    @tg.compile
    def update(W, X):
        J, dW = tg.value_and_grad(loss)(W, X)
        return J, W - 0.1 * dW

    W, X = rng.normal(size=(3, 3)).astype("f"), rng.normal(size=(4, 3)).astype("f")
    J, later = update(W, X)
    expected, dW = tg.value_and_grad(loss)(W, X)
    assert (J.dtype, later.dtype) == (np.float32, np.float32)
    np.testing.assert_allclose(J, expected, rtol=1e-5)
    np.testing.assert_allclose(later, W - 0.1 * dW, rtol=1e-5)
    assert "float64" not in update.source


def test_what_no_element_is_does_not_spoil_the_sum_of_none():
    def f(x, nothing):
        return tg.sign(tg.dot(x, tg.nanvar(nothing, axis=1)))

    with np.errstate(invalid="ignore"):
        assert tg.compile(f)(np.zeros(0), np.zeros((0, 1))) == f(tg.Tensor(np.zeros(0)), np.zeros((0, 1))).item() == 0.0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_gradient_of_an_element_that_nothing_came_of(dtype):
    @tg.compile
    def f(x, nothing, i):
        y = nothing + x[i] * 2
        return y, *tg.gradients(y, [x, nothing], np.zeros(0, dtype))

    results = f(np.ones(3, dtype), np.zeros(0, dtype), np.array(1))
    assert [(z.dtype, z.tolist()) for z in results] == [(dtype, []), (dtype, [0.0, 0.0, 0.0]), (dtype, [])]


def test_a_program_with_computed_constants_can_be_pasted(rng):
    table = np.arange(3600.0).reshape(60, 60)
    compiled = tg.compile(lambda x: x * tg.exp(-tg.Tensor(table)))
    x = rng.normal(size=(60, 60))
    assert_same(compiled(x), x * np.exp(-table))
    assert "None  # an array from outside, of shape (60, 60)" in compiled.source
    assert "exp(" in compiled.source  # what follows from it is still computed there


def test_another_dtype_of_the_same_shape_has_a_program_of_its_own():
    compiled = tg.compile(lambda x: tg.exp(tg.tanh(x)))
    assert compiled(np.ones(3)).dtype == np.float64
    assert compiled(np.ones(3, np.float32)).dtype == np.float32
    assert compiled(np.ones(3)).dtype == np.float64


def test_one_call_after_the_other_uses_the_same_buffers():
    compiled = tg.compile(lambda x: tg.exp(tg.tanh(x)) + 1.0)
    for _ in range(4):
        compiled(np.ones(3))
    (program,) = compiled.cache.values()
    assert len(program._idle) == 1


def test_an_equation_that_would_have_millions_of_terms_is_not_written():
    """What several read and has no name would be written each time: 2³⁰ terms."""

    def function(x):
        return functools.reduce(lambda y, _: tg.tanh(y) * tg.sigmoid(y), range(30), x)

    compiled = tg.compile(function)
    x = np.array([0.1, 0.2])
    np.testing.assert_allclose(compiled(x), function(tg.Tensor(x)).data, rtol=1e-12)
    assert "# result 1: …" in compiled.source


def test_a_tensor_whose_gradient_would_be_lost_is_refused():
    w = tg.parameter([1.0, 2.0])
    f = tg.compile(lambda p: tg.sum(p**2))
    with pytest.raises(tg.UnsupportedError, match=r"no gradient of w would come back; give it the \.data"):
        f(w)
    with tg.no_grad():
        assert f(w) == f(w.data) == f(tg.Tensor([1.0, 2.0])) == 5.0


def test_a_method_takes_its_object_as_a_static_argument():
    class Model:
        @tg.compile(static_argnums=0)
        def twice(self, x):
            return 2 * x

    assert Model().twice(np.ones(2)).tolist() == [2.0, 2.0]
    assert isinstance(Model.twice, type(tg.compile(abs)))


# -- dtypes ----------------------------------------------------------------------------------------------------------

_BYTES = np.array([[250, 3, 100], [7, 200, 255]], np.uint8)
_WORDS = np.array([[2**62, -(2**63), 5], [-7, 2**63 - 1, 0]])


def _squares(x):
    return tg.mean((x - tg.mean(x)) ** 2)


def _recurrence(x):
    for _ in range(30):
        x = x * x * 3 + 1
    return x


_IMAGE = _BYTES.copy()


@pytest.mark.parametrize("array", [_BYTES, _WORDS, _BYTES > 100, _BYTES.astype(np.int8), _BYTES.astype(np.float16)])
@pytest.mark.parametrize(
    "function",
    [
        _squares,
        _recurrence,
        lambda x: x * 2.0 + x,
        lambda x: x * 2 + x,
        lambda x: x * x - 1 * (x * x) + x,
        lambda x: (x + 100) * 2.5 - x,
        lambda x: (1 - x * 1) * 0.5 + x * 0.5,
        lambda x: x / 3 * 3,
        lambda x: (_IMAGE - 128) * x,
        lambda x: tg.sum(x * x, axis=0) / tg.sum(x, axis=0),
        lambda x: (x > 3) * 1.5 - (x > 5) * 0.5,
        lambda x: x.astype(np.int64) * x.astype(np.int64) * 0.5,
        lambda x: x.astype(np.float32) * np.float64(0.1),
        lambda x: x**3 - x**2,
        lambda x: tg.sigmoid(x) + tg.mean(x, axis=1, keepdims=True),
    ],
)
def test_integers_and_narrow_floats_are_computed_as_they_are(function, array):
    for numbers in (array, np.roll(array, 1)):  # the second time with others than it was made for
        with np.errstate(all="ignore"):
            expected = function(tg.Tensor(numbers)).data
            found = tg.compile(function)(array), tg.compile(function)
            program = found[1]
            program(array)
            result = np.asarray(program(numbers))
        assert result.dtype == expected.dtype
        np.testing.assert_allclose(result, expected, rtol=1e-12 if expected.dtype == np.float64 else 1e-3)


def test_a_cast_is_a_barrier():
    program = tg.compile(lambda x: (x * 1.5).astype(np.int64) * 2 - (x * 1.5).astype(np.int64))
    assert program(np.array([1.0, 3.0])).tolist() == [1, 4]


@pytest.mark.parametrize("n", [3, 7, 49])
def test_rounding_does_not_move_a_jump(n):
    numbers = np.arange(0.0, 1000.0)
    for function in (
        lambda x: tg.floor(x / n),
        lambda x: (x / n).astype(np.int64),
        lambda x: tg.where(x / n >= tg.round(x / n), x, 0.0),
        lambda x: tg.sign(x / n * 3 - 3 * x / n),
        lambda x: (x / n) // 1,
    ):
        np.testing.assert_array_equal(tg.compile(function)(numbers), function(tg.Tensor(numbers)).data)


@pytest.mark.filterwarnings("ignore:invalid value|divide by zero:RuntimeWarning")
@pytest.mark.parametrize(
    "function",
    [
        lambda x, y: x - x,
        lambda x, y: x / x,
        lambda x, y: 0.0 * x,
        lambda x, y: x * y / y,
        lambda x, y: x + y - y,
        lambda x, y: (x - y) + (y - x),
        lambda x, y: tg.sum(x) * 0.0,
        lambda x, y: x + (x - x),
        lambda x, y: tg.minimum(x, tg.hypot(x - x, y)),
        lambda x, y: tg.sqrt(x - 2.0) ** 2,
        lambda x, y: tg.sqrt(-y) * tg.sqrt(-y) + x,
        lambda x, y: 1 / tg.sqrt(-x) ** 2,
        lambda x, y: tg.exp(tg.log(-x)),
        lambda x, y: tg.log(-x) - (tg.log(-x) + x),
        lambda x, y: x * (y / y),
        lambda x, y: tg.sum(x) - (tg.sum(x) + y),
        lambda x, y: x + np.inf - np.inf,
        lambda x, y: (x + 0.5) * x,
        lambda x, y: tg.min(x) * (tg.min(x) + 0.1),
    ],
)
def test_what_is_not_finite_stays_so(function):
    x, y = np.array([1.0, 0.0, np.inf, np.nan, -np.inf]), np.array([0.0, 0.0, 2.0, np.inf, np.nan])
    program = tg.compile(function)
    program(np.ones(5), np.full(5, 2.0))
    np.testing.assert_array_equal(program(x, y), function(tg.Tensor(x), tg.Tensor(y)).data)


@pytest.mark.parametrize("first", [[0.0, 2.0], [1.3, 2.6], [1e16, 2e16], [1e30, 1.3]])
def test_a_large_number_that_is_added_and_taken_away_again_rounds(first):
    for function in (
        lambda x: (x + 1.5 * 2.0**52) - 1.5 * 2.0**52,
        lambda x: (x + 1e16) * 2 - 2e16,
        lambda x: 2 * (x + 1e16) - 1e16 - 1e16,
    ):
        program, x = tg.compile(function), np.array([1.3, 2.6])
        program(np.array(first))
        np.testing.assert_array_equal(program(x), function(x))


def test_opposite_differences_cancel():
    x = np.array([3.0, 4.0])
    for power in (1, 2, 3):
        np.testing.assert_array_equal(
            tg.compile(lambda x, p=power: (x - 1) / (1 - x) ** p)(x), (x - 1) / (1 - x) ** power
        )
    y = tg.parameter(x, name="y")
    assert "dy = 0" in str(tg.derive(tg.sum((y - 1) / (1 - y))))


@pytest.mark.parametrize(
    "step",
    [
        lambda y, x: (y + x) ** 2,
        lambda y, x: ((y + x) / 2) ** 2,
        lambda y, x: tg.exp(-y),
        lambda y, x: tg.exp(-tg.exp(-y)),
        lambda y, x: tg.exp(-((x - y) ** 2) / 2),
        lambda y, x: x * tg.exp(-(y**2)),
        lambda y, x: tg.exp(-y) / tg.sum(tg.exp(-y)),
        lambda y, x: 2.0 ** (-y),
        lambda y, x: 1 - (1 - y) ** 2,
        lambda y, x: tg.log(1 + tg.exp(-y)),
        lambda y, x: -tg.sum(y) * x / 2,
        lambda y, x: y + 0.1 * y * (1 - y),
    ],
)
def test_recurrences_without_names_end(step):
    """Each of them took twice as long, or more, for one step more: these would not end."""

    def function(x):
        return tg.sum(functools.reduce(lambda y, _: step(y, x), range(50), x))

    x = np.array([0.6, 1.3])
    with np.errstate(all="ignore"):
        found = tg.compile(tg.value_and_grad(function))(x), tg.compile(function)(x)
        expected = tg.value_and_grad(function)(x)
    np.testing.assert_allclose([found[0][0], found[1]], [expected[0]] * 2, rtol=1e-9)
    np.testing.assert_allclose(found[0][1], expected[1], rtol=1e-9, atol=1e-12)


def test_a_scalar_recurrence_is_compiled_in_linear_time():
    def logistic_map(y):
        for _ in range(100):
            y = y + 0.1 * y * (1 - y)
        return y

    start = time.process_time()
    program = tg.compile(tg.value_and_grad(logistic_map))
    value, slope = program(0.3)
    assert time.process_time() - start < 20  # it took 42 seconds for seven steps
    expected, its_slope = tg.value_and_grad(logistic_map)(0.3)
    np.testing.assert_allclose([value, slope], [expected, its_slope], rtol=1e-12)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int64", "float32", "float64", "bool"])
@pytest.mark.parametrize("number", [3, 0.5, -1, 200])
def test_numbers_beside_arrays_widen_nothing(dtype, number):
    x = np.array([1, 0, 100], dtype)
    if (dtype == "uint8" and number == -1) or dtype == "bool":
        number = abs(number)

    def function(x, n):
        return x * n, x + n

    for found, expected in zip(tg.compile(function)(x, number), function(tg.Tensor(x), number), strict=True):
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected.data)


def test_long_doubles_are_refused():
    constant = np.arange(2, dtype=np.longdouble)
    for function, x in (
        (lambda x: x * 2, np.ones(2, np.longdouble)),
        (lambda x: x * constant, np.ones(2)),
        (lambda x: x.astype(np.longdouble).astype(float), np.ones(2)),
        (lambda x: x * np.longdouble(2), np.float32(1)),
        (tg.grad(lambda x: x * x), np.longdouble(1)),
    ):
        with pytest.raises(tg.DTypeError, match=r"astype\(np.float64\)"):
            tg.compile(function)(x)


@pytest.mark.parametrize("dtype", [">f8", ">f4", ">i4", "<f8"])
def test_other_byte_orders_compile(dtype):
    x = np.arange(4).astype(dtype)
    np.testing.assert_allclose(tg.compile(lambda x: x * 2 + x / 4)(x), x * 2 + x / 4)


def test_names_of_any_kind_make_a_program():
    """Also those that look like the program's own, or the same to Python; and comments with what breaks lines."""

    def loss(params):
        total = 0.0
        for i, (name, x) in enumerate(params.items()):
            y = tg.sum(tg.tanh(x) * (np.arange(2.0) + i))
            y.name = f"{name}\n{name}"
            total = total + y
        return total

    names = [
        "µ",
        "μ",
        "ﬁ",
        "fi",
        "σ²",
        "",
        "1",
        "😀",
        "lambda",
        "__debug__",
        "np",
        "tanh",
        "len",
        "a\nb",
        "a\0b",
        "\u2028",
    ]
    names += [
        "\ud800",
        "x" * 10_000,
        "_c1",
        "_0",
        "constant0",
        "constant1",
        "ticks",
        "clock",
        "_clock",
        "loss",
        "x0",
        "t1",
    ]
    for some in (names, *([name] for name in names)):
        params = {name: np.array([0.1 * i, 0.2]) for i, name in enumerate(some)}
        compiled = tg.compile(tg.value_and_grad(loss))
        (J, gradient), (expected, theirs) = compiled(params), tg.value_and_grad(loss)(params)
        assert_same([J, *gradient.values()], [expected, *theirs.values()])
        assert "recorded operations" in compiled.report()


def test_a_function_called_as_an_op_of_ones_own_calls_it():
    @tg.op("elementwise", lambda xp, g, y, x: g * 3.0, run=lambda x: np.asarray(x) * 3.0)
    def thrice_in_test_compiling(xp, x):
        return xp.thrice_in_test_compiling(x)

    op = thrice_in_test_compiling

    def thrice_in_test_compiling(x):
        return op(x) + 1.0

    assert tg.compile(thrice_in_test_compiling)(np.ones(2)).tolist() == [4.0, 4.0]


# -- arguments, copies and pickles -----------------------------------------------------------------------------------


def double(x):
    return x * 2.0


doubled = tg.compile(double)


@tg.compile
def tripled(x):
    return x * 3.0


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"static_argnums": 5}, tg.ArgumentError, "asks for the argument 5, but f takes 2 by position"),
        ({"static_argnums": -3}, tg.ArgumentError, "asks for the argument -3, but f takes 2 by position"),
        ({"donate_argnums": (0, 7)}, tg.ArgumentError, "asks for the argument 7"),
        ({"donate_argnums": (0, -2)}, tg.ArgumentError, "names an argument twice"),
        ({"static_argnums": True}, TypeError, "are positions of arguments"),
        ({"static_argnums": "x"}, TypeError, "are positions of arguments"),
        ({"donate_argnums": 1.0}, TypeError, "are positions of arguments"),
        ({"donate_argnums": None}, TypeError, "are positions of arguments"),
        ({"static_argnums": 0, "donate_argnums": -2}, tg.ArgumentError, "both in donate_argnums and in static_argnums"),
        ({"cache_size": 0}, tg.ArgumentError, "leaves no room for a program"),
        ({"cache_size": -1}, tg.ArgumentError, "leaves no room for a program"),
        ({"cache_size": 2.0}, TypeError, "a whole number, not 2.0"),
        ({"cache_size": True}, TypeError, "a whole number, not True"),
    ],
)
def test_options_that_make_no_sense_say_so(options, error, message):
    def f(x, y):
        return x

    with pytest.raises(error, match=message):
        tg.compile(f, **options)


def test_positions_count_from_the_end_where_there_is_one():
    compiled = tg.compile(lambda x, n: x * len(n), static_argnums=np.int64(-1))
    assert compiled(np.ones(1), "abc") == compiled(np.ones(1), n="abc") == 3.0
    with pytest.raises(tg.ArgumentError, match="count from the start"):
        tg.compile(lambda *xs: xs, static_argnums=-1)
    assert tg.compile(lambda *xs: xs[0] * len(xs[2]), static_argnums=2)(2.0, 1.0, "ab") == 4.0


async def in_time(x):
    return x


def bit_by_bit(x):
    yield x


class Suspended:
    async def __call__(self, x):
        return x


@pytest.mark.parametrize(("function", "kind"), [(in_time, "async"), (bit_by_bit, "generator"), (Suspended(), "async")])
def test_a_function_that_runs_bit_by_bit_is_refused(function, kind):
    with pytest.raises(TypeError, match=f"is an? {kind} function"):
        tg.compile(function)


@pytest.mark.parametrize(
    ("argument", "error", "message"),
    [
        ((x for x in [1.0]), TypeError, r"p\['a'\] of f is generator; a generator is not a list: give list\(x\)"),
        (UserDict(a=1.0), TypeError, r"a UserDict is not a dict: give dict\(x\)"),
        ({1.0}, TypeError, r"a set is not a list: give list\(x\)"),
        ("text", TypeError, "is str; an argument that is not an array goes into static_argnums"),
        (1j, tg.DTypeError, "complex data"),
        (np.ma.array([1.0, 2.0], mask=[False, True]), tg.DTypeError, "fill the masked elements first"),
        (np.zeros(2, "datetime64[s]"), tg.DTypeError, "not datetime64"),
    ],
    ids=["generator", "UserDict", "set", "str", "complex", "masked", "datetime"],
)
def test_an_argument_that_is_no_array_is_named(argument, error, message):
    def f(p):
        return p

    with pytest.raises(error, match=message):
        tg.compile(f)({"a": argument})


def test_masked_elements_are_not_lost_in_transforms_either():
    x = np.ma.array([1.0, 2.0], mask=[False, True])
    for call in (tg.grad(lambda y: tg.sum(y * y)), tg.grad(lambda y: tg.sum(x * y))):
        with pytest.raises(tg.DTypeError, match="fill the masked elements first"):
            call(x)
    with pytest.raises(tg.DTypeError, match="fill the masked elements first"):
        tg.compile(lambda y: y * x)(np.ones(2))
    index = np.ma.array([0, 1], mask=[False, True])
    for use in (
        lambda: tg.check_grads(lambda y: tg.sum(y * y), x),
        lambda: tg.Tensor([1.0, 2.0])[index],
        lambda: tg.extract(index, [1.0, 2.0]),
        lambda: tg.flatnonzero(index),
    ):
        with pytest.raises(tg.DTypeError, match="fill the masked elements first"):
            use()
    whole = np.ma.array([1.0, 2.0])
    assert type(tg.compile(lambda y: y * whole)(whole)) is np.ndarray


@pytest.mark.parametrize("kind", [np.matrix, np.recarray, np.memmap], ids=lambda kind: kind.__name__)
def test_arrays_of_other_classes_are_plain_ones(kind, tmp_path):
    x = np.arange(4.0).reshape(2, 2)
    if kind is np.memmap:
        given = np.memmap(tmp_path / "x", float, "w+", shape=(2, 2))
        given[...] = x
    else:
        given = x.view(kind)
    y = tg.compile(lambda x: x * x)(given)
    assert type(y) is np.ndarray
    assert y.tolist() == (x * x).tolist()


@pytest.mark.parametrize("returned", ["text", 1j, {1.0}, object()], ids=["str", "complex", "set", "object"])
def test_a_result_that_is_no_array_is_refused(returned):
    def f(x):
        return {"a": returned}

    with pytest.raises(UnsupportedError, match=rf"f returned a {type(returned).__name__} as result\['a'\], which a"):
        tg.compile(f)(np.ones(1))


@pytest.mark.parametrize("function", [in_time, bit_by_bit, lambda x: map(abs, [x])], ids=["async", "generator", "map"])
def test_a_result_that_is_still_to_be_computed_is_refused(function):
    with pytest.raises(UnsupportedError, match="which a program cannot make"):
        tg.compile(lambda x: function(x))(np.ones(1))


def test_a_method_says_that_its_object_is_static():
    class Model:
        @tg.compile
        def twice(self, x):
            return 2 * x

    with pytest.raises(TypeError, match=r"self of twice is Model; .*: @tg\.compile\(static_argnums=0\)"):
        Model().twice(np.ones(2))


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda f: pickle.loads(pickle.dumps(f))])
def test_a_copy_has_programs_of_its_own(copied, rng):
    doubled(np.ones(3))
    other = copied(doubled)
    assert other is not doubled
    assert not other.cache
    x = rng.normal(size=(200, 200))
    assert_same(other(x), doubled(x))
    (mine,), (theirs,) = other.cache.values(), [p for p in doubled.cache.values() if p.forms[0][0] == x.shape]
    assert mine is not theirs


def test_a_copy_of_an_object_has_its_own_compiled_method():
    class Model:
        def __init__(self):
            self.scale = 2.0
            self.step = tg.compile(self.scaled)

        def scaled(self, x):
            return x * self.scale

    model = Model()
    model.step(np.ones(1))
    other = copy.deepcopy(model)
    other.scale = 5.0
    assert (model.step(np.ones(1)), other.step(np.ones(1))) == (2.0, 5.0)


def test_a_decorated_function_is_pickled_by_name():
    assert pickle.loads(pickle.dumps(tripled)) is tripled
    with pytest.raises(pickle.PicklingError, match="<lambda> is compiled from a function that no module has"):
        pickle.dumps(tg.compile(lambda x: x))


def programs_in_the_line_cache():
    return {name for name in linecache.cache if "tinygraph program" in name}


def test_what_a_program_leaves_in_the_line_cache_goes_before_the_next():
    gc.collect()
    tg.compile(lambda x: x)(np.ones(1))
    gc.collect()
    before = programs_in_the_line_cache()
    compiled = tg.compile(lambda x: x * 2, cache_size=1)
    for n in range(4):
        compiled(np.ones(n))
        gc.collect()
    assert len(programs_in_the_line_cache() - before) <= 2  # this program, and the one before it
    del compiled
    gc.collect()
    tg.compile(lambda x: x)(np.ones(1))
    assert len(programs_in_the_line_cache() - before) == 1


def test_a_program_that_goes_leaves_the_line_cache_as_it_is():
    """`linecache.checkcache` goes through the entries, and a finaliser may run meanwhile."""
    compiled = tg.compile(lambda x: x * 2)
    compiled(np.ones(1))
    before = programs_in_the_line_cache()
    del compiled
    gc.collect()
    assert programs_in_the_line_cache() == before


@pytest.mark.parametrize(
    "tree",
    [
        OrderedDict(b=1.0, a=2.0),
        defaultdict(list, a=1.0),
        Counter(a=2.0, b=1.0),
        {1: 1.0, "a": 2.0, None: 3.0, (1, 2): 4.0},
    ],
    ids=lambda tree: type(tree).__name__,
)
def test_dicts_of_all_kinds_keep_their_kind(tree):
    for result in (tg.compile(lambda p: p)(tree), tg.grad(lambda p: sum(p.values()))(tree)):
        assert type(result) is type(tree)
        assert list(result) == list(tree)
    assert getattr(result, "default_factory", None) == getattr(tree, "default_factory", None)


def test_containers_that_are_nested_very_deep_say_so():
    deep = [1.0]
    for _ in range(500):
        deep = [deep]
    for function in (tg.compile(double), tg.grad(double), tg.compile(lambda x: deep)):
        with pytest.raises(tg.ArgumentError, match="nested more than 100 deep"):
            function(deep if function.__name__ == "double" else 1.0)


def test_arguments_of_the_other_byte_order_give_results_of_the_machines():
    for function in (tg.sort, lambda x: x, lambda x: x[::-1], lambda x: x * 2):
        program = tg.compile(function)
        for _ in range(2):
            assert program(np.array([2.0, 1.0], ">f8")).dtype.isnative


def test_results_can_be_written_to():
    for function in (lambda a: np.diagonal(a * 3), np.diagonal, lambda a: np.broadcast_to(a * 3, (2, 2, 2))):
        assert tg.compile(function)(np.eye(2)).flags.writeable


def test_a_python_int_of_more_than_64_bits_is_a_float_beside_floats():
    function = tg.compile(lambda a, n: a * n)
    np.testing.assert_array_equal(function(np.array([0.5, 2.0]), 10**30), [5e29, 2e30])
    assert function(np.array([0.5], np.float32), 10**20).dtype == np.float32
    with pytest.raises(tg.DTypeError, match=r"n of <lambda> has more than 64 bits: make it a float"):
        function(np.array([1, 2]), 10**30)
