"""Many threads at once: nothing is lost, counted twice or written over, and nobody waits for ever."""

import contextlib
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from interrupts import environment, interleavings

import tinygraph as tg
from tinygraph.graph import source, threads
from tinygraph.graph.threads import cached_property


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
        inside.pop()

    together(alone, repeat=8)
    monkeypatch.setattr(threads, "GIL", True)
    assert threads.exclusive(len) is len


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_child_does_not_wait_for_a_thread_of_its_parent():
    code = """
import os, threading, time, warnings
import numpy as np, tinygraph as tg
from tinygraph.graph.threads import _LOCK
warnings.simplefilter("ignore")  # Python's own, of threads and fork
held, w = threading.Event(), tg.parameter(np.ones(2))
def hold():
    with _LOCK:
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


# -- gradients ---------------------------------------------------------------------------------------------------------


def test_gradients_that_threads_add_to_a_shared_leaf_are_all_there():
    w = tg.parameter(np.zeros(3))
    v = tg.parameter(1.0)  # of which a part of the gradient is aside

    def work():
        for _ in range(150):
            tg.sum(w * 1.0 + w * 2.0).backward()
            (v * 2.0).backward(retain_grads=False)

    together(work, repeat=8)
    assert w.grad.tolist() == [3600.0] * 3
    assert v.grad.item() == 2400.0


def test_looking_at_a_gradient_while_others_add_to_it_loses_nothing_and_sees_no_array_change():
    w, seen = tg.parameter(np.zeros(3)), []

    def add():
        for _ in range(150):
            tg.sum(w * 1.0).backward()

    def look():
        for _ in range(400):
            if (g := w.grad) is not None:
                seen.append((g, g.copy()))

    together(add, look, repeat=4)
    assert w.grad.tolist() == [600.0] * 3
    assert all(np.array_equal(g, then) and len(set(then)) == 1 for g, then in seen)


def test_a_gradient_set_to_none_does_not_come_back():
    """Only one thread adds, between two barriers at which another sets None: the count starts anew each time."""
    w = tg.parameter(0.0)
    other = tg.parameter(0.0)
    turn = threading.Barrier(2)
    found = []

    def add():
        for _ in range(50):
            turn.wait(10)
            for _ in range(5):
                (w * 1.0 + other * 1.0).backward()
            turn.wait(10)

    def clear():
        for _ in range(50):
            turn.wait(10)
            other.grad = None  # at any moment
            turn.wait(10)
            found.append(w.grad.item())
            w.grad = None

    together(add, clear)
    assert found == [5.0] * 50


@pytest.mark.parametrize("retain_grads", [True, False])
def test_one_graph_is_used_by_one_of_the_threads_that_try(retain_grads):
    for _ in range(30):
        w = tg.parameter(np.ones(2))
        y = w
        for _ in range(20):
            y = y * 1.0
        J, refused = tg.sum(y), []

        def use(J=J, refused=refused):
            try:
                J.backward(retain_grads=retain_grads)
            except tg.GraphError:
                refused.append(1)

        together(use, repeat=3)
        assert w.grad.tolist() == [1.0, 1.0]
        assert len(refused) == 2


def test_graphs_with_a_part_in_common_are_used_by_one_of_the_threads_that_try():
    for _ in range(30):
        w = tg.parameter(np.ones(2))
        shared = w
        for _ in range(20):
            shared = shared * 1.0
        losses, used = [tg.sum(shared * float(i + 1)) for i in range(3)], []

        def use(losses=losses, used=used):
            J = losses.pop()
            factor = J.inputs[0].inputs[1]
            try:
                J.backward()
                used.append(factor)
            except tg.GraphError:
                pass

        together(use, repeat=3)
        assert len(used) == 1
        assert w.grad.tolist() == used * 2
        assert shared.grad.tolist() == used * 2


def test_one_graph_that_is_retained_adds_up_whoever_uses_it():
    w = tg.parameter(np.ones(2))
    h = w * 2.0
    J = tg.sum(h * 1.0)
    together(lambda: [J.backward(retain_graph=True) for _ in range(50)], repeat=4)
    assert w.grad.tolist() == [400.0, 400.0]
    assert h.grad.tolist() == [200.0, 200.0]
    assert J.grad.item() == 200.0


def test_a_backward_that_meets_a_retained_one_is_counted_before_or_after_it():
    for _ in range(20):
        w = tg.parameter(1.0)
        J, done = w * 2.0, []

        def retained(J=J, done=done):
            try:
                J.backward(retain_graph=True)
                done.append(1)
            except tg.GraphError:
                pass

        def last(J=J, done=done):
            J.backward()
            done.append(1)

        together(retained, retained, last)
        assert w.grad.item() == 2.0 * len(done)


# -- data --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [(4,), (64, 64), ()])
def test_what_a_node_has_read_of_a_leaf_stays_while_others_write(form):
    """A node has the value of one moment and keeps it; a value that is written is a whole number in every element."""
    p, nodes = tg.parameter(np.zeros(form)), []

    def write():
        for i in range(150):
            p.data = np.full(form, float(i))
            p.data[...] = float(i)

    def read():
        for _ in range(150):
            y = p * 1.0
            nodes.append((y.args[0], np.copy(y.args[0]), y))

    together(write, read, repeat=3)
    assert all(np.array_equal(read, then) and np.array_equal(y.value, then) for read, then, y in nodes)


def test_an_update_in_place_is_seen_by_all_that_read_later():
    p, lock = tg.parameter(np.zeros(8)), threading.Lock()

    def update():
        for _ in range(200):
            with lock:  # += is a reading and a writing, as everywhere
                p.data += 1.0
            (p * 1.0).value  # settles the array, or copies it

    together(update, lambda: [p.shape for _ in range(400)], repeat=3)
    assert p.data.tolist() == [600.0] * 8
    assert (p * 1.0).value.tolist() == [600.0] * 8


def test_threads_that_ask_for_the_data_at_the_same_time_get_the_same_array():
    for _ in range(100):
        p, given = tg.parameter(np.zeros(3)), []
        y = p * 1.0  # holds the array
        together(lambda p=p, given=given: given.append(p.data), repeat=3)
        assert all(array is given[0] for array in given)
        given[0][...] = 1.0
        assert y.args[0].tolist() == [0.0] * 3
        assert (p * 1.0).value.tolist() == [1.0] * 3


def test_threads_may_each_train_a_model_of_their_own_on_common_data():
    X, Y = tg.Tensor(np.linspace(0, 1, 12).reshape(2, 6)), tg.Tensor(np.array([[0.0, 1, 0, 1, 1, 0]]))
    found = []

    def train():
        W, b = tg.parameter(np.zeros((1, 2))), tg.parameter(np.zeros((1, 1)))
        for _ in range(30):
            tg.log_loss(tg.sigmoid(W @ X + b), Y).backward()
            for p in (W, b):
                p.data -= 0.5 * p.grad
                p.grad = None
        found.append((W.data.tolist(), b.data.tolist()))

    train()
    together(train, repeat=4)
    assert found == found[:1] * 5


# -- compiled functions, names and files -------------------------------------------------------------------------------


def test_a_compiled_function_gives_each_thread_its_own_results():
    step = tg.compile(lambda x, w: tg.sum(tg.tanh(x @ w) * w), cache_size=2)
    wrong = []

    def work():
        for i in range(60):
            n = 2 + i % 3  # more forms than the cache holds
            x, w = np.full((n, n), float(i)), np.full(n, 0.5)
            expected = float(np.sum(np.tanh(x @ w) * w))
            if not np.isclose(step(x, w), expected):
                wrong.append((i, step(x, w), expected))
            assert "def" in step.source

    together(work, repeat=4)
    assert not wrong
    assert len(step.cache) <= 2


def test_threads_that_compile_the_same_function_share_one_program():
    seen = []
    step = tg.compile(lambda x: tg.tanh(x) * 2.0)
    together(lambda: (step(np.ones(3)), seen.append(next(iter(step.cache.values())))), repeat=6)
    assert len(step.cache) == 1
    assert len(set(map(id, seen))) == 1


def test_source_is_read_while_its_file_changes(tmp_path):
    file = tmp_path / "model.py"
    file.write_text("Z = w * 2.0")

    def look():
        for _ in range(200):
            source.read(str(file))

    def change():
        for i in range(100):
            file.write_text("Z = w * 2.0" + "\n" * (i % 3))

    together(look, look, look, change)
    assert source.read(str(file)).nodes


def test_another_thread_at_any_moment_of_saving_a_picture_changes_nobodys_rights(tmp_path):
    picture = tg.draw(tg.parameter(1.0) * 2.0)
    mask = os.umask(0o027)
    try:
        for _ in interleavings(
            lambda: picture.save(tmp_path / "one.dot"), lambda: picture.save(tmp_path / "two.dot"), tuple
        ):
            assert os.umask(0o027) == 0o027
            assert [file.stat().st_mode & 0o777 for file in tmp_path.iterdir()] == [0o640, 0o640]
    finally:
        os.umask(mask)


def test_another_thread_at_any_moment_of_a_compiled_function_changes_no_result():
    step = tg.compile(lambda x, w: tg.sum(tg.tanh(x @ w) * w), cache_size=1)
    small, large = [np.full((2, 2), 0.5)] * 2, [np.full((3, 3), 0.25)] * 2
    expected = [float(np.sum(np.tanh(x @ w) * w)) for x, w in (small, large)]
    for one, other in ((small, small), (small, large)):
        step(*other)
        step(*one)
        for _, given in interleavings(lambda one=one: step(*one), lambda other=other: step(*other), tuple):
            assert np.allclose(sorted(given), sorted([expected[0], expected[0 if other is small else 1]]))
            assert len(step.cache) <= 1


# -- another thread at every moment ------------------------------------------------------------------------------------


def model():
    """A leaf, what was computed of it, and the array that it read."""
    p = tg.parameter([1.0, 2.0])
    return p, tg.sum(p * 3.0), tg.sum(p * 5.0)


def differentiated(p, J, K):
    with contextlib.suppress(tg.GraphError):
        J.backward()


def differentiated_otherwise(p, J, K):
    K.backward()


def differentiated_and_retained(p, J, K):
    with contextlib.suppress(tg.GraphError):
        J.backward(retain_graph=True)


def looked_at(p, J, K):
    return p.grad


def reset(p, J, K):
    p.grad = None


def set_to_seven(p, J, K):
    p.grad = [7.0, 7.0]


# what the gradient may be in the end, when it was 1 and everything has come to its end in one order or the other
ENDS = {
    (differentiated, differentiated_otherwise): [9.0],
    (differentiated, differentiated): [4.0],
    (differentiated_and_retained, differentiated_and_retained): [7.0],
    (differentiated_and_retained, differentiated): [4.0, 7.0],
    (differentiated, looked_at): [4.0],
    (differentiated, reset): [3.0, None],
    (differentiated, set_to_seven): [7.0, 10.0],
    (looked_at, differentiated): [4.0],
    (looked_at, looked_at): [1.0],
    (looked_at, reset): [None],
    (looked_at, set_to_seven): [7.0],
    (reset, differentiated): [3.0, None],
    (set_to_seven, differentiated): [7.0, 10.0],
}


@pytest.mark.parametrize("start", ["staged", "seen"])
@pytest.mark.parametrize(("one", "other"), ENDS, ids=lambda action: action.__name__)
def test_another_thread_at_any_moment_takes_nothing_from_a_gradient(one, other, start):

    def setup():
        p, J, K = model()
        tg.sum(p * 1.0).backward()
        if start == "seen":
            assert p.grad.tolist() == [1.0, 1.0]
        return p, J, K

    for (p, _, _), given in interleavings(one, other, setup):
        end = None if p.grad is None else p.grad.tolist()
        assert end in [x if x is None else [x, x] for x in ENDS[one, other]]
        if one is other is looked_at:
            assert given[0] is given[1] is p.grad


def read(p, *nodes):
    nodes[0].append(p * 1.0)


def lent(p, *nodes):
    p.data[...] = 7.0


def updated(p, *nodes):
    p.data += 6.0


def replaced(p, *nodes):
    p.data = np.full(p.shape, 7.0)


def settled(p):
    p.value


def lent_out(p):
    settled(p)
    p.data  # and dropped


def held(p):
    kept.append(p * 1.0)


def held_twice(p):
    """So that there is a spare array."""
    for _ in range(3):
        kept.append(p * 1.0)
        p.data
        del kept[:-1]
    kept.append(p * 1.0)


kept = []
WRITERS = [lent, updated, replaced]


@pytest.mark.parametrize("form", [(2,), ()], ids=["vector", "scalar"])
@pytest.mark.parametrize("before", [settled, lent_out, held, held_twice], ids=lambda action: action.__name__)
@pytest.mark.parametrize(
    ("one", "other"),
    [*((read, write) for write in WRITERS), *((write, read) for write in WRITERS), (read, read)],
    ids=lambda action: action.__name__,
)
def test_another_thread_at_any_moment_changes_nothing_that_a_node_has_read(one, other, before, form):
    def setup():
        kept.clear()
        p = tg.parameter(np.ones(form))
        before(p)
        return p, []

    for (p, nodes), _ in interleavings(one, other, setup):
        written = 1.0 if one is other else 7.0
        for node in [*nodes, *kept]:
            assert np.array_equal(node.args[0], node.value)  # read is what was multiplied by 1
            assert np.ptp(node.value) == 0
            assert node.value.flat[0] in (1.0, written)
        assert np.array_equal(p.data, np.full(form, written))
        assert np.array_equal((p * 1.0).value, np.full(form, written))
        values = [np.copy(node.args[0]) for node in [*nodes, *kept]]
        p.data[...] = 9.0
        assert all(np.array_equal(node.args[0], value) for node, value in zip([*nodes, *kept], values, strict=True))


@pytest.mark.parametrize("before", [settled, lent_out, held, held_twice], ids=lambda action: action.__name__)
def test_two_threads_that_ask_for_the_data_at_any_moment_get_the_same_array(before):
    def setup():
        kept.clear()
        p = tg.parameter(np.ones(2))
        before(p)
        return (p,)

    for (p,), given in interleavings(lambda p: p.data, lambda p: p.data, setup):
        assert given[0] is given[1] is p.data
