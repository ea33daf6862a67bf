"""Graphs of any depth are released at once, however they die, in a thread with a small stack.

Run as a script, in an interpreter of its own, which a stack that is too small would crash.
"""

import functools
import gc
import signal
import threading
import weakref
from pathlib import Path

import numpy as np
import pytest
from processes import output, python

import tinygraph as tg

N = 10_000
CASES = {}


def dies(case):
    """Each case makes a deep graph that dies, and returns a weak reference to its leaf."""
    CASES[case.__name__] = case
    return case


def collected(case):
    """The case, with what it leaves behind collected as garbage: what its guards hold goes in a second round."""

    @functools.wraps(case)
    def until_collected():
        gone = case()
        gc.collect()
        gc.collect()
        return gone

    return until_collected


def deep(link, n=N):
    x = y = tg.parameter(1.0)
    for _ in range(n):
        y = link(y)
    return x, y


def scaled(y):
    return y * 1.0


@dies
def dropped():
    x, _ = deep(scaled)
    return weakref.ref(x)


@dies
def after_a_backward():
    x, y = deep(scaled)
    y.backward()
    return weakref.ref(x)


@dies
def as_a_gradient_of_a_gradient():
    x, y = deep(tg.tanh, N // 4)
    g = tg.gradients(tg.gradients(y, x) * y, x)
    (g * g).backward()
    return weakref.ref(x)


@dies
def with_two_rails():
    x = a = b = tg.parameter(1.0)
    for _ in range(N):
        a, b = a * 0.5, a * 0.5 + b * 0.5
    return weakref.ref(x)


@dies
def with_one_node_in_the_chain_of_many_made():
    x = y = tg.parameter(1.0)
    for _ in range(N // 8):
        y, *_ = [y + 1.0 for _ in range(32)]
    return weakref.ref(x)


@dies
def with_other_threads_making_nodes():
    done = threading.Event()

    def others():
        while not done.is_set():
            tg.tanh(tg.tanh(0.5))

    thread = threading.Thread(target=others)
    thread.start()
    x, _ = deep(scaled)
    done.set()
    thread.join()
    return weakref.ref(x)


@dies
def through_functions_of_custom_gradients():
    @tg.custom_gradient
    def tripled(x):
        y = x * 1.0
        return y, lambda g: g * y

    x, y = deep(tripled, N // 4)
    y.backward()
    return weakref.ref(x)


@dies
def through_checkpoints():
    x, y = deep(tg.checkpoint(scaled), N // 4)
    y.backward()
    return weakref.ref(x)


@dies
def within_a_checkpoint():
    x = tg.parameter(1.0)
    y = tg.checkpoint(lambda x: functools.reduce(lambda y, _: y * 1.0, range(N), x))(x)
    y.backward()
    return weakref.ref(x)


@dies
@collected
def held_by_an_exception():
    x, y = deep(scaled)
    gone = weakref.ref(x)
    error = None
    try:
        tg.stack([y, y]) + np.ones(3)
    except tg.ShapeError as caught:
        error = caught
    del x, y
    assert error.misfit is not None
    return gone


@dies
@collected
def in_a_cycle_that_was_there_before():
    cycle = []
    cycle.append(cycle)
    x, y = deep(scaled)
    cycle.append(y)
    return weakref.ref(x)


@dies
@collected
def in_a_cycle_that_is_younger():
    x, y = deep(scaled)
    y.backward()
    cycle = [y]
    cycle.append(cycle)
    return weakref.ref(x)


@dies
@collected
def in_a_cycle_through_the_graph():
    later = []
    closing = tg.custom_gradient(lambda x: (x * 1.0, lambda g: g * later[0]))
    x, y = deep(scaled)
    y = functools.reduce(lambda y, _: y * 1.0, range(N), closing(y))
    later.append(y)
    return weakref.ref(x)


@dies
def brought_back_by_a_finaliser():
    kept = []

    class Keeper:
        def __del__(self):
            kept.append(self.y)

    x, y = deep(scaled)
    keeper = Keeper()
    keeper.y, keeper.itself = y, keeper
    leaf = x.data
    gone = weakref.ref(x)
    del x, y, keeper
    gc.collect()
    assert len(tg.toposort(*kept)) == N + 1
    kept[0].backward()
    assert tg.toposort(*kept)[0].grad == leaf
    kept.clear()
    return gone


handed_over = []


@dies
def made_in_the_main_thread():
    x, _ = handed_over.pop()
    return weakref.ref(x)


@dies
@collected
def garbage_of_the_main_thread():
    return handed_over.pop()


def garbage():
    x, y = deep(scaled)
    cycle = [y]
    cycle.append(cycle)
    return weakref.ref(x)


def run():
    for name, case in CASES.items():
        print(name, case()() is None, flush=True)


@pytest.fixture(scope="module")
def said():
    out, _ = python(Path(__file__)).communicate(timeout=120)
    return dict(line.split() for line in out.splitlines())


@pytest.mark.parametrize("case", CASES)
def test_a_deep_graph_is_released(said, case):
    assert said.get(case) == "True"


def test_a_deep_graph_dies_with_the_interpreter():
    script = (
        "import tinygraph as tg; y = tg.parameter(1.0); y.data\nfor _ in range(100_000): y = y * 1.0\nprint(y.item())"
    )
    assert output(python(script)) == "1.0\n"


def test_no_chain_is_long_without_a_guard():
    _, y = deep(scaled, 1_000)
    guarded = [hasattr(node, "_guard") for node in tg.toposort(y)]
    assert 10 <= sum(guarded) <= 32
    assert all(any(guarded[i : i + 96]) for i in range(900))


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no interval timers")
def test_a_signal_while_a_graph_is_released_is_neither_lost_nor_printed():
    script = """
        import signal, time
        import tinygraph as tg

        class Stop(Exception):
            pass

        def stop(*_):
            raise Stop

        signal.signal(signal.SIGALRM, stop)
        stopped = 0
        for i in range(100):
            y = tg.parameter(1.0)
            for _ in range(2000):
                y = y * 1.0
            try:
                signal.setitimer(signal.ITIMER_REAL, 1e-5 + i * 3e-6)
                del y
                while True:
                    time.sleep(0.001)
            except Stop:
                stopped += 1
        print(stopped)
    """
    assert python(script).communicate(timeout=60) == ("100\n", "")


if __name__ == "__main__":
    gc.disable()  # it would come by chance
    handed_over += [garbage(), deep(scaled)]
    threading.stack_size(256 * 1024)
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
