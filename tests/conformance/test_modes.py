"""A mode such as `no_grad` ends with its block, and holds for its own thread, task and generator alone."""

import asyncio
import contextlib
import threading

import numpy as np
import pytest

import tinygraph as tg


def recording():
    return (tg.parameter(1.0) * 2.0).requires_grad


def test_p08_an_exception_leaves_no_grad():
    with contextlib.suppress(KeyError), tg.no_grad():
        assert not recording()
        raise KeyError
    assert recording()


def test_p08_nested_modes_come_back_in_order():
    with tg.no_grad():
        with contextlib.suppress(KeyError), tg.enable_grad():
            with tg.no_grad():
                assert not recording()
            assert recording()
            raise KeyError
        assert not recording()
    assert recording()


def test_p08_no_grad_is_a_decorator_also_of_recursive_functions():
    @tg.no_grad()
    def countdown(n):
        return [recording(), *(countdown(n - 1) if n else [])]

    assert countdown(3) == [False] * 4
    assert recording()


def test_p08_no_grad_does_not_leak_from_a_suspended_generator():
    @tg.no_grad()
    def generator():
        for _ in range(2):
            yield recording()

    steps = generator()
    assert next(steps) is False
    assert recording()
    assert next(steps) is False
    steps.close()
    assert recording()


def test_p08_a_generator_that_is_suspended_within_no_grad_ends_it_with_the_block_around():
    def generator():
        with tg.no_grad():
            yield

    with tg.enable_grad():
        steps = generator()
        next(steps)
        assert not recording()  # as in PyTorch: a with-block of its own is not undone by yield
    assert recording()
    steps.close()
    assert recording()


def test_p09_a_thread_started_within_no_grad_records():
    seen = []
    with tg.no_grad():
        thread = threading.Thread(target=lambda: seen.append(recording()))
        thread.start()
        thread.join()
        assert not recording()
    assert seen == [True]


def test_p09_threads_that_toggle_do_not_affect_each_other():
    together, wrong = threading.Barrier(2), []

    def toggle(mode, expected):
        for _ in range(50):
            with mode():
                together.wait()
                if recording() is not expected:
                    wrong.append(expected)
                together.wait()

    threads = [threading.Thread(target=toggle, args=case) for case in ((tg.no_grad, False), (tg.enable_grad, True))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_p09_asyncio_tasks_do_not_affect_each_other():
    async def off():
        with tg.no_grad():
            await asyncio.sleep(0)
            return recording()

    async def on():
        await asyncio.sleep(0)
        return recording()

    async def both():
        return await asyncio.gather(off(), on(), off(), on())

    assert asyncio.run(both()) == [False, True, False, True]


def checking():
    try:
        with np.errstate(divide="ignore"):
            tg.log(tg.Tensor(0.0))
    except tg.AnomalyError:
        return True
    return False


MODES = {
    "no_grad": (tg.no_grad, lambda: not recording()),
    "scope": (lambda: tg.scope("layer"), lambda: (tg.parameter(1.0) * 2.0).scope == ("layer",)),
    "detect_anomaly": (tg.detect_anomaly, checking),
}


@pytest.mark.parametrize(("mode", "is_on"), MODES.values(), ids=MODES)
def test_p09_every_mode_is_that_of_its_thread_task_and_generator_alone(mode, is_on):
    seen = []
    with mode():
        for target in (lambda: seen.append(is_on()), lambda: seen.append(asyncio.run(coroutine()))):
            thread = threading.Thread(target=target)
            thread.start()
            thread.join()
        assert is_on()

    async def task(inside):
        with mode() if inside else contextlib.nullcontext():
            await asyncio.sleep(0)
            return is_on()

    async def tasks():
        return await asyncio.gather(*(task(inside) for inside in (True, False, True, False)))

    @mode()
    def generator():
        for _ in range(2):
            yield is_on()

    assert asyncio.run(tasks()) == [True, False, True, False]
    steps = generator()
    for _ in range(2):
        assert next(steps)
        assert not is_on()
    with contextlib.suppress(KeyError), mode():
        raise KeyError
    assert not is_on()
    assert seen == [False, False]


async def coroutine():
    """Return whether any mode is on although none has been entered."""
    await asyncio.sleep(0)
    return any(is_on() for _, is_on in MODES.values())


def test_p09_graphs_are_built_and_differentiated_in_several_threads_at_once():
    x, results = tg.Tensor(np.linspace(0.0, 1.0, 5)), []

    def train(seed):
        w = tg.parameter(np.full(5, float(seed)))
        for _ in range(100):
            w.grad = None
            (tg.tanh(w * x) * 2.0).sum().backward()
        results.append((seed, w.grad.tolist()))

    threads = [threading.Thread(target=train, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed, gradient in results:
        np.testing.assert_allclose(gradient, 2.0 * x.data / np.cosh(seed * x.data) ** 2)
    assert len(results) == 4
