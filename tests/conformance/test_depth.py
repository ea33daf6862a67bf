"""Graphs of any depth and width work without recursion and are released without recursion."""

import contextlib
import copy
import functools
import itertools
import pickle
import re
import sys

import numpy as np
import pytest
from processes import output, python

import tinygraph as tg


def test_p12_a_million_nodes_in_a_thread_with_a_small_stack():
    script = """
        import gc, sys, threading
        import tinygraph as tg

        gc.disable()  # the collector would visit the million nodes again and again

        def chain():
            limit = sys.getrecursionlimit()
            x = y = tg.parameter(1.0)
            for _ in range(1_000_000):
                y = y + 1.0
            value = y.item()
            y.backward(retain_grads=False)
            del y
            print(value, x.grad, sys.getrecursionlimit() == limit)

        threading.stack_size(256 * 1024)
        thread = threading.Thread(target=chain)
        thread.start()
        thread.join()
    """
    assert output(python(script)) == "1000001.0 1.0 True\n"


@pytest.mark.parametrize("shape", ["fan-in", "fan-out", "ladder"])
def test_p12_wide_graphs_in_a_thread_with_a_small_stack(shape):
    script = """
        import gc, sys, threading, time, weakref
        import tinygraph as tg

        gc.disable()
        n = 50_000

        def build():
            x = a = b = tg.parameter(1.0)
            if sys.argv[1] == "fan-in":  # one node that reads them all
                return x, tg.sum(tg.stack([x * 2.0 for _ in range(n)]))
            if sys.argv[1] == "fan-out":  # one node that all read
                y = x * 2.0
                for _ in range(n):
                    a = a + y
                return x, a
            for _ in range(n // 2):  # as many paths as there are numbers
                a, b = a * 0.5, a * 0.5 + b * 0.5
            return x, a + b

        def work():
            x, y = build()
            gone = weakref.ref(y)
            g = tg.gradients(y, x)
            y.backward(retain_grads=False)
            order = len(tg.toposort(y))
            print(str(tg.draw(y)).splitlines()[-1])
            print(order, g.item() == x.grad, y.item() == x.grad, end=" ")
            del g, y
            print(gone() is None)

        threading.stack_size(256 * 1024)
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    """
    count = {"fan-in": 50_003, "fan-out": 50_002, "ladder": 100_002}[shape]
    drawn, result = output(python(script, shape)).splitlines()
    assert sum(int(n.replace(",", "")) for n in re.findall(r"([0-9,]+) [a-z]+", drawn)) == count - 1  # and the leaf
    assert result == f"{count} True True True"  # at x = 1, a linear function is its slope


def test_p12_deep_graphs_are_released_however_they_die():
    script = """
        import gc, threading, weakref
        import tinygraph as tg

        def chain(n=30_000):
            x = y = tg.parameter([1.0])
            for _ in range(n):
                y = y * 1.0
            return x, y

        def unused():
            x, y = chain()
            return weakref.ref(x)

        def held_by_every_gradient():
            x, y = chain()
            y.backward([1.0])
            return weakref.ref(x)

        def as_a_gradient_graph():
            x, y = chain()
            g = tg.gradients(y, x, [1.0])
            del y
            return weakref.ref(x)

        def in_a_cycle():
            x, y = chain()
            cycle = [y]
            cycle.append(cycle)
            gone = weakref.ref(x)
            del x, y, cycle
            gc.collect()
            return gone

        def through_an_exception():
            x, y = chain()
            gone = weakref.ref(x)
            try:
                y + [1.0, 2.0] @ y
            except ValueError:
                pass
            return gone

        def all_of_them():
            for case in (unused, held_by_every_gradient, as_a_gradient_graph, in_a_cycle, through_an_exception):
                gone = case()
                gc.collect()
                print(case.__name__, gone() is None)

        threading.stack_size(256 * 1024)
        thread = threading.Thread(target=all_of_them)
        thread.start()
        thread.join()
    """
    lines = output(python(script)).split("\n")[:-1]
    assert len(lines) == 5
    assert all(line.endswith(" True") for line in lines), lines


@pytest.fixture(scope="module")
def deep():
    return functools.reduce(lambda y, _: y + 1.0, range(5_000), tg.parameter([1.0], "x"))


@pytest.mark.parametrize(
    "tool",
    [
        repr,
        str,
        len,
        hash,
        list,
        copy.copy,
        copy.deepcopy,
        lambda y: pickle.loads(pickle.dumps(y)),
        lambda y: len(tg.toposort(y)),
        lambda y: tg.gradients(y, tg.toposort(y)[0], [1.0]),
        lambda y: tg.draw(y),
        lambda y: tg.draw(y).source,
    ],
    ids=["repr", "str", "len", "hash", "list", "copy", "deepcopy", "pickle", "toposort", "gradients", "draw", "dot"],
)
def test_p13_tools_on_a_deep_graph_need_no_recursion(deep, tool):
    limit = sys.getrecursionlimit()
    with contextlib.suppress(tg.TinygraphError):  # a refusal is fine
        tool(deep)
    assert sys.getrecursionlimit() == limit


def test_p13_a_program_for_a_deep_graph_needs_no_recursion():
    def deep(x):
        for _ in range(400):
            x = tg.tanh(x) * 1.25
        return x

    x = tg.parameter([0.5, -1.0])
    y = deep(x)
    limit = sys.getrecursionlimit()
    value, slope = tg.compile(lambda x: (y := deep(x), tg.gradients(tg.sum(y), x)))(x.data)
    np.testing.assert_allclose(value, y.data, rtol=1e-9)
    np.testing.assert_allclose(slope, tg.gradients(tg.sum(y), x).data, rtol=1e-9)
    assert sys.getrecursionlimit() == limit


@pytest.mark.parametrize("terms", [300, 3_000])
def test_p13_equations_that_nobody_could_read_are_refused_in_words(terms):
    x = tg.parameter(1.0, "x")
    J = tg.sum(tg.stack([x * 2.0 for _ in range(terms)]))
    with pytest.raises(tg.ArgumentError, match=f"the gradient of x is {terms} operations deep"):
        tg.derive(J)
    assert "J" in str(tg.draw(J))


def test_p13_a_picture_that_nobody_could_see_is_an_overview():
    x = tg.parameter([1.0, 2.0], "x")
    J = functools.reduce(lambda y, _: tg.tanh(y) * 2.0, range(30_000), x)
    picture = tg.draw(J)
    assert str(picture).splitlines()[-1].startswith("J = 30,000 tanh, 30,000 multiply")
    assert "too large to draw: 60,001 tensors" in picture.source
    assert picture.svg.count("<g ") < 10


def test_p13_the_order_of_a_deep_graph_is_complete_and_right(deep):
    order = tg.toposort(deep)
    assert len(order) == 5_001
    assert order[0].name == "x"
    assert order[-1] is deep
    assert all(x.age < y.age for x, y in itertools.pairwise(order))
