"""Where a NaN or an infinity was born: `detect_anomaly` names the operation, its line and what it was given."""

import asyncio
import gc
import re
import threading
import weakref

import numpy as np
import pytest

import tinygraph as tg
from tinygraph.graph.records import OPS
from tinygraph.testing.laws import applied, consistent, records, samples


@pytest.fixture(autouse=True)
def _numpy_is_quiet():
    with np.errstate(all="ignore"):
        yield


def message(function):
    with pytest.raises(tg.AnomalyError) as caught, tg.detect_anomaly():
        function()
    assert isinstance(caught.value, FloatingPointError)
    return str(caught.value)


def detecting():
    try:
        with np.errstate(divide="ignore"):
            tg.log(tg.Tensor(0.0))
    except tg.AnomalyError:
        return True
    return False


# -- forward -------------------------------------------------------------------------------------------------------


def test_a_logarithm_of_zero_is_traced_to_its_line_and_operand():
    Z2, Y = tg.parameter([[1.0, -800.0, 3.0]]), np.array([[1.0, 0.0, 1.0]])
    A2 = tg.sigmoid(Z2)

    def loss():
        J = -tg.mean(Y * tg.log(A2) + (1 - Y) * tg.log(1 - A2))
        return J

    lines = message(loss).splitlines()
    assert lines[0] == "tg.log(A2): 1 of 3 elements is -inf, the first at [0, 1], where A2 is 0.0"
    assert lines[1].startswith("  A2  (1, 3)  0 … 0.9526, 1 zero   A2 = tg.sigmoid(Z2), test_anomaly.py:")
    assert lines[2].startswith("  try: tg.log_loss ")
    assert re.match(r"  at test_anomaly\.py:\d+: J = -tg\.mean", lines[3])


@pytest.mark.parametrize(
    ("function", "x", "first_line"),
    [
        (tg.exp, [1.0, 1000.0], "function(t): 1 of 2 elements is inf, the first at [1], where t is 1000.0"),
        (tg.sqrt, [4.0, -1.0], "function(t): 1 of 2 elements is nan, the first at [1], where t is -1.0"),
        (lambda t: 1 / t, [0.0, 0.0], "1 / t: 2 of 2 elements are inf, the first at [0], where t is 0.0"),
        (lambda t: t * t, [1e200, 1.0], "t * t: 1 of 2 elements is inf, the first at [0], where t is 1e+200"),
        (lambda t: t / t, [1.0, 0.0], "t / t: 1 of 2 elements is nan, the first at [1], where t is 0.0"),
        (lambda t: t**0.5, [-1.0, 0.0], "t**0.5: 1 of 2 elements is nan, the first at [0], where t is -1.0"),
        (lambda t: t @ t, [1e200, 1.0], "t @ t: the result is inf"),
        (lambda t: tg.sum(t), [1e308, 1e308], "tg.sum(t): the result is inf"),
        (lambda t: t[:0].mean(), [1.0, 2.0], "t[:0].mean(): the result is nan"),
        (
            lambda t: t.astype("f4"),
            [1e300, 1.0],
            't.astype("f4"): 1 of 2 elements is inf, the first at [0], where t is 1e+300',
        ),
    ],
)
def test_forward(function, x, first_line):
    t = tg.parameter(x, name="t")
    function(tg.parameter([1.0, 2.0], name="t"))
    assert message(lambda: function(t)).splitlines()[0] == first_line


def test_float32_overflows_sooner_and_the_message_says_so():
    x = tg.parameter(np.array([100.0, 1e30], np.float32))
    assert "1 of 2 elements is inf, the first at [1], where x is 1.0000000" in message(lambda: x * x)
    assert "float64" in message(lambda: x * x)
    with tg.detect_anomaly():
        assert np.isfinite((x.astype(float) * x.astype(float)).data).all()


@pytest.mark.parametrize("x", [[np.inf, 1.0], [np.nan, -np.inf]])
@pytest.mark.parametrize("function", [tg.exp, tg.tanh, tg.softmax, tg.logsumexp, tg.sum, tg.relu, lambda x: x @ x])
def test_what_is_given_is_no_anomaly(function, x):
    x = tg.parameter(x)
    with tg.detect_anomaly():
        y = function(x)
        tg.sum(y).backward()


def test_an_infinity_beside_hides_no_anomaly_of_an_elementwise_operation():
    x = tg.parameter([np.inf, 0.0])
    assert "1 of 2 elements is -inf, the first at [1]" in message(lambda: tg.log(x))


def test_masked_scores_are_no_anomaly():
    scores = tg.parameter(np.zeros((3, 3)))
    with tg.detect_anomaly():
        masked = tg.where(np.tri(3, dtype=bool), scores, -np.inf)
        J = tg.sum(tg.softmax(masked, axis=-1) ** 2) + tg.sum(tg.logsumexp(masked, axis=-1))
        (dscores,) = tg.gradients(J, [scores])
        J.backward()
    np.testing.assert_allclose(scores.grad, dscores.data)
    with tg.detect_anomaly():
        assert tg.logsumexp(tg.Tensor([-np.inf, -np.inf])).item() == -np.inf


def test_integers_and_booleans_are_fine():
    n = tg.Tensor([1, 2, 3])
    with tg.detect_anomaly():
        assert ((n * n - n) > 0).data.tolist() == [False, True, True]
        assert (n @ n).item() == 14


def test_without_recording_it_looks_too():
    x = tg.parameter(0.0)
    with tg.no_grad():
        assert "tg.log(x): the result is -inf, where x is 0.0" in message(lambda: tg.log(x))


# -- backward ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["backward", "gradients", "grad"])
def test_a_root_at_zero_is_traced_to_its_line_and_operand(way):
    def value(x):
        r = tg.sqrt(x)
        return tg.sum(r * 2.0)

    x = tg.parameter([1.0, 0.0, 4.0])
    ways = {
        "backward": lambda: value(x).backward(),
        "gradients": lambda: tg.gradients(value(x), x),
        "grad": lambda: tg.grad(value)(np.array([1.0, 0.0, 4.0])),
    }
    lines = message(ways[way]).splitlines()
    assert lines[0] == (
        "the gradient of tg.sqrt(x) with respect to x: 1 of 3 elements is inf, the first at [1],"
        " where x is 0.0 and dr is 2.0"
    )
    assert lines[1].startswith("  x   (3,)  0 … 4, 1 zero")
    assert lines[2].split() == ["dr", "(3,)", "2"]
    assert lines[3].startswith("  try: keep the argument away from 0")
    assert lines[4].endswith(": r = tg.sqrt(x)")
    assert x.grad is None


def test_a_stopped_backward_changes_no_gradient_and_can_be_run_again():
    x, w = tg.parameter([1.0, 0.0]), tg.parameter([1.0, 1.0])
    (x * w).sum().backward()
    J = (tg.sqrt(x) * w).sum()
    with pytest.raises(tg.AnomalyError), tg.detect_anomaly():
        J.backward()
    assert (x.grad.tolist(), w.grad.tolist(), J.grad) == ([1.0, 1.0], [1.0, 0.0], None)
    J.backward()
    assert (x.grad.tolist(), w.grad.tolist()) == ([1.5, np.inf], [2.0, 0.0])


def test_the_second_derivative_is_looked_at():
    z = tg.parameter([1.0, 0.0, 4.0])
    with tg.detect_anomaly():
        dz = tg.gradients((z**1.5).sum(), z)
    first = message(lambda: tg.gradients(dz.sum(), z)).splitlines()[0]
    assert first == (
        "the gradient of pow within tg.gradients((z**1.5).sum(), z) with respect to z: 1 of 3 elements is inf,"
        " the first at [1], where z is 0.0 and the incoming gradient is 1.5"
    )
    assert "with respect to z: 1 of 3 elements is inf" in message(dz.sum().backward)


def test_gradients_that_overflow_only_in_their_sum():
    x = tg.parameter([1.0, 2.0])
    y = x * 1.0
    text = message(lambda: (y * 1.0 + y * 1.0).backward([1e308, 1.0]))
    assert text.splitlines()[0] == ("the sum of the gradients of y: 1 of 2 elements is inf, the first at [0]")
    b = tg.parameter(np.zeros((2, 1)))
    text = message(lambda: (b + np.zeros((2, 3))).backward(np.full((2, 3), 1e308)))
    assert "the gradient of b + np.zeros((2, 3)) with respect to b: 2 of 2 elements are inf" in text


def test_a_seed_that_is_not_finite_is_the_users():
    x = tg.parameter([1.0, 2.0])
    with tg.detect_anomaly():
        (x * x).backward([np.inf, 1.0])
    assert x.grad.tolist() == [np.inf, 4.0]


def test_what_stays_aside_is_not_looked_at_until_it_is_asked_for():
    Z = tg.parameter([[-800.0]])
    with tg.detect_anomaly():
        A = tg.sigmoid(Z)
        J = tg.log_loss(A, [[1.0]])
        J.backward(retain_graph=True)
    assert (A.item(), Z.grad.item()) == (0.0, -1.0)
    assert "is -inf" in message(lambda: tg.gradients(J, A))


@pytest.mark.parametrize("record", records(), ids=lambda record: record.name)
def test_no_alarm_on_the_samples_and_the_same_gradients(record):
    for inputs, params in samples(record):
        tensors = [tg.Tensor(x, requires_grad=x.dtype.kind == "f") for x in inputs]
        y = applied(record, consistent(record, tensors), params)
        if not y.requires_grad or not np.isfinite(y.data).all():
            continue
        sought = [x for x in tensors if x.requires_grad]
        plain = tg.gradients(y, sought, np.ones(y.shape))
        if not all(np.isfinite(x.data).all() for x in plain):
            continue
        with tg.detect_anomaly():
            checked = tg.gradients(y, sought, np.ones(y.shape))
            y.backward(np.ones(y.shape))
        for x, one, other in zip(sought, plain, checked, strict=True):
            np.testing.assert_array_equal(one.data, other.data)
            np.testing.assert_allclose(0.0 if x.grad is None else x.grad, other.data, rtol=1e-12, atol=1e-12)


# -- the block -----------------------------------------------------------------------------------------------------


def test_it_is_a_context_manager_and_a_decorator_and_nests():
    assert not detecting()
    with tg.detect_anomaly():
        with tg.detect_anomaly():
            assert detecting()
        assert detecting()
        with tg.no_grad(), tg.enable_grad():
            assert detecting()
    assert not detecting()
    assert tg.detect_anomaly()(detecting)()
    assert not detecting()


def test_a_generator_does_not_leak_it():
    @tg.detect_anomaly()
    def steps():
        for _ in range(2):
            yield detecting()

    generator = steps()
    assert next(generator)
    assert not detecting()
    assert next(generator)


def test_threads_and_tasks_have_their_own():
    seen = []
    with tg.detect_anomaly():
        thread = threading.Thread(target=lambda: seen.append(detecting()))
        thread.start()
        thread.join()
    assert seen == [False]

    async def on():
        with tg.detect_anomaly():
            await asyncio.sleep(0)
            return detecting()

    async def off():
        await asyncio.sleep(0)
        return detecting()

    async def both():
        return await asyncio.gather(on(), off(), on(), off())

    assert asyncio.run(both()) == [True, False, True, False]


def test_a_compiled_function_is_looked_at_as_it_is_traced():
    @tg.compile
    def step(x):
        y = tg.log(x)
        return y.sum()

    text = message(lambda: step(np.array([0.0, 1.0])))
    assert "tg.log(x): 1 of 2 elements is -inf, the first at [0]" in text
    assert step(np.array([1.0, 1.0])) == 0.0

    @tg.compile
    def slope(x):
        return tg.grad(lambda x: tg.sqrt(x).sum())(x)

    assert "the gradient of tg.sqrt(x) with respect to x" in message(lambda: slope(np.array([0.0, 1.0])))


def test_derive_and_draw_are_as_ever():
    Z = tg.parameter([[0.5, -0.5]])
    A = tg.sigmoid(Z)
    J = tg.log_loss(A, [[1.0, 0.0]])
    J.backward()
    plain = (str(tg.derive(J)), str(tg.draw(J)))
    with tg.detect_anomaly():
        assert (str(tg.derive(J)), str(tg.draw(J))) == plain


@pytest.mark.parametrize("way", ["backward", "gradients", "forward"])
def test_nothing_is_kept_alive(way):
    x = tg.parameter([1.0, 0.0])
    gc.collect()
    gc.disable()
    try:
        J = tg.sqrt(x).sum()
        gone = [weakref.ref(node) for node in tg.toposort(J) if node.op]
        with tg.detect_anomaly():
            try:
                J.backward() if way == "backward" else tg.gradients(J, x) if way == "gradients" else tg.log(J - 1.0)
            except tg.AnomalyError:
                stopped = True
            tg.gradients((x * x).sum(), x)
        del J
        assert stopped
        assert all(node() is None for node in gone)
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_what_is_to_be_tried_exists():
    hints = {hint for op in OPS.values() for hint in (op.advice, op.gradient_advice) if hint}
    assert len(hints) > 6
    for hint in hints:
        assert all(hasattr(tg, name) for name in re.findall(r"tg\.(\w+)", hint))


def test_while_it_is_off_nothing_of_it_runs(monkeypatch):
    monkeypatch.setattr(tg.detect_anomaly, "forward", None)
    monkeypatch.setattr(tg.detect_anomaly, "backward", None)
    x = tg.parameter([0.0])
    tg.log(x).sum().backward()
