"""A graph is freed together with its root, and training does not use more memory with each step."""

import contextlib
import functools
import gc
import tracemalloc
import weakref

import numpy as np
import pytest
from nodes import with_rules

import tinygraph as tg


@contextlib.contextmanager
def without_garbage_collection():
    """Leave only reference counting to free memory, so that a cycle shows as memory that stays."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@pytest.mark.parametrize(
    "use",
    [
        *("build", "backward", "read", "gradients", "second order", "double backward", "draw", "derive"),
        *("detect_anomaly", "an anomaly", "an exception", "an interrupt"),
    ],
)
def test_p14_a_graph_is_freed_with_its_root(use):
    x = tg.parameter([[0.5, 1.5]])
    str(tg.draw(x.sum()))  # imports what that needs
    with without_garbage_collection():
        A = tg.sigmoid(x @ np.ones((2, 1)))
        J = tg.log_loss(A, [[1.0]]) + tg.max(x) + tg.concat([x, x]).mean() + x[:, [0, 0]].sum()
        gone = [weakref.ref(node) for node in tg.toposort(J) if node.op is not None]
        if use in ("backward", "read"):
            J.backward()
            if use == "read":
                assert A.grad is not None
        elif use in ("gradients", "second order"):
            g = tg.gradients(J, x)
            if use == "second order":
                g = tg.gradients(g.sum(), x)
            del g
        elif use == "double backward":  # what jvp does: the gradient of a gradient by its cotangent
            cotangent = tg.parameter(1.0)
            g = tg.gradients(J, x, cotangent)
            (g * np.ones(g.shape)).sum().backward()
            assert cotangent.grad is not None
            del g, cotangent
        elif use == "draw":
            assert "A" in str(tg.draw(J))
        elif use == "derive":
            with contextlib.suppress(tg.TinygraphError):
                assert "dx" in str(tg.derive(J))
        elif use == "detect_anomaly":
            with tg.detect_anomaly():
                tg.gradients(J, x)
                J.backward()
        elif use == "an anomaly":
            with contextlib.suppress(tg.AnomalyError), np.errstate(all="ignore"), tg.detect_anomaly():
                (J * 0.0 / 0.0).backward()
        elif use != "build":
            error = {"an exception": ArithmeticError, "an interrupt": KeyboardInterrupt}[use]

            def raises(rule):
                def broken(*args, **params):
                    raise error

                return broken

            with_rules(A, raises)
            for attempt in (J.backward, functools.partial(tg.gradients, J, x)):
                with contextlib.suppress(error):
                    attempt()
            del attempt, raises
        del A, J
        assert all(node() is None for node in gone)
        assert gc.collect() == 0


def test_p14_an_error_keeps_no_graph_alive_once_it_is_handled():
    x = tg.parameter([1.0, 2.0])
    with without_garbage_collection():
        y = x * 2.0
        gone = weakref.ref(y)
        with contextlib.suppress(tg.ShapeError):
            y + np.ones(3)
        del y
        assert gone() is None


def test_p14_a_program_keeps_no_graph_alive():
    def ran():
        w = tg.parameter([1.0, 2.0])
        step = tg.compile(tg.value_and_grad(lambda x: tg.sum(tg.tanh(x) * w)))
        assert np.isfinite(step(np.ones(2))[0])
        return step, w

    gc.collect()
    before = sum(type(x) is tg.Tensor and x.op is not None for x in gc.get_objects())
    step, w = ran()
    with without_garbage_collection():  # collects once, since tracing may leave cycles behind, as `ast` does
        assert sum(type(x) is tg.Tensor and x.op is not None for x in gc.get_objects()) <= before
        gone = weakref.ref(w)
        del step, w
        gc.collect()
        assert gone() is None


@pytest.mark.parametrize("second_order", [False, True])
def test_p15_memory_is_flat_over_a_thousand_compiled_steps(second_order):
    X, Y = np.linspace(-1.0, 1.0, 40).reshape(2, 20), np.arange(20.0).reshape(1, 20) % 2

    def loss(p):
        J = tg.log_loss(tg.sigmoid(p["W"] @ X + p["b"]), Y)
        return J + 1e-3 * (tg.gradients(J, p["W"]) ** 2).sum() if second_order else J

    @tg.compile
    def step(p):
        _, d = tg.value_and_grad(loss)(p)
        return {key: p[key] - 0.1 * d[key] for key in p}

    p = {"W": np.array([[0.1, 0.2]]), "b": np.zeros((1, 1))}
    with without_garbage_collection():
        p = step(p)
        tracemalloc.start()
        try:
            for _ in range(20):
                p = step(p)
            before, _ = tracemalloc.get_traced_memory()
            for _ in range(1000):
                p = step(p)
            after, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert after - before < 2_000


@pytest.mark.parametrize("second_order", [False, True])
def test_p15_memory_is_flat_over_a_thousand_training_steps(second_order):
    X, Y = tg.Tensor(np.linspace(-1.0, 1.0, 40).reshape(2, 20)), tg.Tensor(np.arange(20.0).reshape(1, 20) % 2)
    W, b = tg.parameter([[0.1, 0.2]]), tg.parameter([[0.0]])

    def step():
        A = tg.sigmoid(W @ X + b)
        J = tg.log_loss(A, Y)
        if second_order:
            J = J + 1e-3 * (tg.gradients(J, W) ** 2).sum()
        J.backward()
        for p in (W, b):
            p.data -= 0.1 * p.grad
            p.grad = None

    with without_garbage_collection():
        for _ in range(20):
            step()
        tracemalloc.start()
        try:
            for _ in range(20):
                step()
            before, _ = tracemalloc.get_traced_memory()
            for _ in range(1000):
                step()
            after, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert after - before < 2_000
