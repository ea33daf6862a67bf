"""Many threads at once: nothing is lost, counted twice or written over, and nobody waits for ever."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from interrupts import environment

import tinygraph as tg
from tinygraph import threads
from tinygraph.threads import cached_property


@pytest.fixture(autouse=True)
def _switching():
    """Let threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def together(*actions, repeat=1):
    """Start each action in threads of its own at the same moment, and pass on what they raise."""
    start = threading.Barrier(len(actions) * repeat)
    failures = []

    def run(action):
        start.wait()
        try:
            action()
        except BaseException as error:
            failures.append(error)

    running = [threading.Thread(target=run, args=(action,), daemon=True) for action in actions for _ in range(repeat)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join(60)
        assert not thread.is_alive(), "a thread waits for ever"
    if failures:
        raise failures[0]


# -- values computed once ----------------------------------------------------------------------------------------------


class Slow:
    def __init__(self, look=lambda: None):
        self.look = look

    @cached_property
    def value(self):
        """A new object."""
        self.look()
        return object()


def test_a_cached_property_is_computed_once_and_is_the_objects_own():
    a, b = Slow(), Slow()
    assert a.value is a.value
    assert a.value is not b.value
    assert vars(a)["value"] is a.value
    assert Slow.value.__doc__ == "A new object."


def test_threads_that_look_first_at_the_same_time_get_the_same_value():
    inside = threading.Barrier(4)
    slow = Slow(inside.wait)  # no thread has the value before all compute it
    seen = []
    together(lambda: seen.append(slow.value), repeat=4)
    assert len(set(seen)) == 1


def test_two_threads_that_need_each_others_values_do_not_wait_for_each_other():
    """What a lock for all objects of a class comes to: each holds its own and waits for the other's."""
    first, second = Slow(), Slow()
    turn = threading.Barrier(2)
    first.look = lambda: (turn.wait(10), inner.value)
    second.look = lambda: turn.wait(10)
    inner = Slow()
    together(lambda: first.value, lambda: second.value)


def test_a_value_that_cannot_be_computed_is_asked_for_again():
    answers = iter([ZeroDivisionError, None])

    def look():
        if error := next(answers):
            raise error

    slow = Slow(look)
    with pytest.raises(ZeroDivisionError):
        slow.value
    assert slow.value is slow.value


# -- numbers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gil", [True, False])
def test_no_number_is_given_twice(gil, monkeypatch):
    monkeypatch.setattr(threads, "GIL", gil)
    numbers, given = threads.numbers(), []
    together(lambda: given.extend([next(numbers) for _ in range(2000)]), repeat=4)
    assert sorted(given) == list(range(8000))


def test_every_tensor_has_an_age_of_its_own_and_is_younger_than_its_inputs():
    w, made = tg.parameter(1.0), []

    def work():
        x = w
        for _ in range(300):
            x = x * 1.0
            made.append(x)

    together(work, repeat=4)
    assert len({x.age for x in made}) == len(made)
    assert all(x.age > x.inputs[0].age for x in made)


# -- the lock ----------------------------------------------------------------------------------------------------------


def test_without_the_gil_what_changes_a_leaf_holds_the_lock(monkeypatch):
    monkeypatch.setattr(threads, "GIL", False)
    inside = []

    @threads.exclusive
    def alone():
        inside.append(1)
        assert len(inside) == 1
        threads._lock._is_owned()
        inside.pop()

    together(alone, repeat=8)
    monkeypatch.setattr(threads, "GIL", True)
    assert threads.exclusive(len) is len


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_child_does_not_wait_for_a_thread_of_its_parent():
    code = """
import os, threading, time, warnings
import numpy as np, tinygraph as tg
from tinygraph.threads import LOCK
warnings.simplefilter("ignore")  # Python's own, of threads and fork
held, w = threading.Event(), tg.parameter(np.ones(2))
def hold():
    with LOCK:
        held.set()
        time.sleep(0.3)
thread = threading.Thread(target=hold)
thread.start()
held.wait()
child = os.fork()
if not child:
    tg.sum(w * w).backward()
    os._exit(int(w.grad.tolist() != [2.0, 2.0]))
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
thread.join()
"""
    assert run(code) == "0\n"


def run(code, timeout=60):
    """What a new process prints; where it hangs, where each of its threads stands."""
    code = f"import faulthandler; faulthandler.dump_traceback_later({timeout - 10}, exit=True)\n{code}"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parent,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


FIRST = """
import sys, threading
sys.setswitchinterval(1e-6)
import numpy as np, tinygraph as tg

def model(m):
    W1, b1 = tg.parameter(np.ones((3, 2))), tg.parameter(np.zeros((3, 1)))
    X, Y = tg.Tensor(np.ones((2, m))), tg.Tensor(np.ones((3, m)))
    A1 = tg.sigmoid(W1 @ X + b1)
    J = tg.log_loss(A1, Y)
    J.backward()
    return J, W1

@tg.compile
def step(w, x):
    J, dw = tg.value_and_grad(lambda w: tg.mean(tg.tanh(w @ x) ** 2))(w)
    return J, w - 0.1 * dw

def deriving():
    said.append(str(tg.derive(model(4)[0])))
def drawing():
    said.append(tg.draw(model(4)[0]).source)
def compiling():
    said.append(step(np.ones((3, 2)), np.ones((2, 4)))[0])
def explaining():
    J, W1 = model(4)
    said.append((str(tg.summary(J)), str(tg.why(W1))))
def checking():
    J, W1 = model(4)
    said.append(str(tg.check_backprop(J, {"dW1": W1.grad})))

said, start = [], threading.Barrier(10)
def run(action):
    start.wait()
    action()
kinds = [deriving, drawing, compiling, explaining, checking]
running = [threading.Thread(target=run, args=(action,), daemon=True) for action in kinds for _ in range(2)]
for thread in running:
    thread.start()
for thread in running:
    thread.join()
print(len(said), len(set(said)))
"""


@pytest.mark.parametrize("turn", range(3))
def test_threads_that_derive_draw_and_compile_for_the_first_time_all_come_to_an_end(turn):
    assert run(FIRST) == "10 5\n"
