"""Tensors behave like arrays in formats, containers, loops, comparisons, copies and pickles."""

import copy
import pickle
import random

import numpy as np
import pytest

import tinygraph as tg


def test_formats_write_the_number(s, t):
    J = s * 1.23456
    assert f"{J:.3f}" == "2.469"
    assert f"{J:>8.1e}" == " 2.5e+00"
    assert f"{tg.Tensor(3):03d}" == "003"
    assert f"{tg.parameter([1.5]):.2f}" == "1.50"
    assert f"{J}" == str(J) == f"{J!r}"
    assert f"J is {J}".startswith("J is Tensor(2.4691")
    with pytest.raises((TypeError, ValueError)):
        f"{t:.3f}"


def test_truth_length_iteration_and_membership_are_those_of_arrays(t, s):
    assert bool(s)
    assert not tg.parameter(0.0)
    assert s < 3.0 and not s > 3.0  # noqa: PT018  (that it can be written so)
    with pytest.raises(ValueError, match="ambiguous"):
        bool(t)
    assert len(t) == 2
    for attempt in (lambda: len(s), lambda: iter(s)):
        with pytest.raises(TypeError, match="without axes"):
            attempt()
    assert 0.25 in t
    assert 7.0 not in t
    assert t[0, 0] in t
    assert len(tg.Tensor(np.zeros((0, 3)))) == 0
    assert list(tg.Tensor(np.zeros((0, 3)))) == []


def test_what_python_builds_from_elements_keeps_the_gradient(t, s):
    (p, q), row = t
    y = p * 2.0 + q * 3.0 + sum(row) + sum([s, s]) + max(s, p) + min(s, p) + random.choice(row[:1])
    for i, element in enumerate(reversed(row)):
        y = y + i * element
    for left, right in zip(t[0], t[1], strict=True):
        y = y + left * right
    assert y.requires_grad
    y.backward()
    assert t.grad.tolist() == [[2.0 + 1.0 + 0.125, 3.0 + 0.75], [1.0 + 1.0 + 1.0 + 0.5, 1.0 + 0.25]]
    assert s.grad == 3.0


def test_sorted_orders_nodes_by_value_and_keeps_them(s):
    nodes = [s, s + 1.0, s - 1.0]
    assert [next(i for i, x in enumerate(nodes) if x is y) for y in sorted(nodes)] == [2, 0, 1]


def test_nodes_are_told_apart_by_identity(s):
    twin = tg.parameter(2.0)
    assert (s == twin).item() is True
    assert hash(s) != hash(twin)
    assert hash(s) == hash(s)
    assert {s: "s", twin: "twin"}[twin] == "twin"
    assert len({s, twin, s}) == 2
    state = {s: np.zeros(2)}  # as an optimiser keeps it
    s.data += 1.0
    assert s in state


def test_adding_in_place_rebinds_and_keeps_the_graph(t):
    first = y = t * 1.0
    y += 1.0
    y -= [1.0, 1.0]
    y *= np.array([2.0, 2.0])
    y /= 4.0
    y **= 2
    y @= np.eye(2)
    assert y is not first
    assert first.data.tolist() == t.data.tolist()
    y.backward(np.ones((2, 2)))
    np.testing.assert_allclose(t.grad, t.data / 2.0)


def test_a_number_left_alone_by_unary_operators_keeps_its_gradient(s):
    y = -s + +s * 3.0 + abs(-s)
    y.backward()
    assert s.grad == 3.0


def test_copies_and_pickles_require_what_the_original_does(t):
    for how in (copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))):
        for x in (t, t * 2.0, t.detach(), t > 0.3):
            with tg.no_grad():
                y = how(x)
            assert y is not x
            assert y.requires_grad == (x.requires_grad and x.op is None)
            assert y.data.tolist() == x.data.tolist()
            assert y.dtype == x.dtype


def test_an_array_of_objects_may_hold_nodes(t, s):
    held = np.empty(2, dtype=object)
    held[0], held[1] = t, s
    assert held[0] is t
    assert held[1] is s
