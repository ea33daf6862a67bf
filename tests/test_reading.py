"""A graph, read once: what a reading holds, and how rarely a graph is sorted, named and derived."""

import gc
import sys
import weakref

import numpy as np
import pytest

import tinygraph as tg
from tinygraph.equations.derivation import Deriver
from tinygraph.graph.node import toposort
from tinygraph.reading import Reading, from_outside
from tinygraph.writing.names import names_of


def two_layers():
    rng = np.random.default_rng(0)
    X, Y = tg.Tensor(rng.normal(size=(2, 40)), name="X"), tg.Tensor(1.0 * (rng.random((1, 40)) > 0.5), name="Y")
    W1, b1 = tg.parameter(rng.normal(size=(4, 2)), name="W1"), tg.parameter(np.zeros((4, 1)), name="b1")
    W2, b2 = tg.parameter(rng.normal(size=(1, 4)), name="W2"), tg.parameter(np.zeros((1, 1)), name="b2")
    Z1 = W1 @ X + b1
    A1 = tg.tanh(Z1)
    Z2 = W2 @ A1 + b2
    A2 = tg.sigmoid(Z2)
    J = tg.log_loss(A2, Y)
    J.backward()
    return J


def leaf(J, name):
    return next(x for x in tg.toposort(J) if x.name == name)


@pytest.fixture
def counts(monkeypatch):
    """How often graphs are sorted, named and derived, whoever asks for it, since they were last cleared."""
    found = {}
    tg.draw(two_layers(), check=True).html
    tg.check_backprop(J := two_layers(), dW1=2 * leaf(J, "W1").grad)

    def counted(function, what):
        def call(*args, **kwargs):
            found[what] = found.get(what, 0) + 1
            return function(*args, **kwargs)

        return call

    for function, what in ((toposort, "sorts"), (names_of, "namings")):
        wrapped = counted(function, what)
        for module in [module for name, module in sys.modules.items() if name.startswith("tinygraph.")]:
            for name in [name for name, value in vars(module).items() if value is function]:
                monkeypatch.setattr(module, name, wrapped)
    monkeypatch.setattr(Deriver, "__init__", counted(Deriver.__init__, "derivations"))
    return found


def recorded(function):
    """How many tensors a function makes."""
    before = tg.Tensor(0.0).age
    function()
    return tg.Tensor(0.0).age - before - 1


def test_a_drawing_sorts_twice_names_once_and_derives_once(counts):
    J = two_layers()
    assert recorded(lambda: str(tg.draw(J))) <= 260
    assert counts == {"sorts": 2, "namings": 1, "derivations": 1}


def test_a_check_in_a_drawing_reads_nothing_anew(counts):
    str(tg.draw(two_layers(), check=True))
    assert counts == {"sorts": 2, "namings": 1, "derivations": 1}


def test_equations_need_one_sort_of_the_graph_and_one_of_its_gradients(counts):
    J = two_layers()
    assert recorded(lambda: tg.derive(J).source) <= 120
    assert counts == {"sorts": 2, "namings": 1, "derivations": 1}


def test_a_gradient_that_is_right_needs_one_sort(counts):
    J = two_layers()
    assert tg.check_backprop(J, dW1=leaf(J, "W1").grad).ok
    assert counts == {"sorts": 1, "namings": 1}


def test_a_gradient_that_is_wrong_names_the_graph_once(counts):
    J = two_layers()
    assert not tg.check_backprop(J, dW1=2 * leaf(J, "W1").grad).ok
    assert counts["namings"] == 1
    assert counts["derivations"] == 2  # one for all gradients, and one for that gradient in one step


@pytest.mark.parametrize("ask", [tg.summary, lambda J: tg.why(leaf(J, "W1"), of=J)])
def test_tables_and_explanations_name_the_graph_once(ask, counts):
    str(ask(two_layers()))
    assert counts["namings"] == 1


# -- what a reading holds ------------------------------------------------------------------------------------------


def test_symbols_are_what_has_a_name_and_what_needs_one():
    J = two_layers()
    reading = Reading(tg.toposort(J))
    assert reading.output is J
    assert reading.names == {x: x.name for x in tg.toposort(J) if x.name}
    assert reading.shown == reading.symbols.keys()
    assert reading.scalars == {40: "m"}
    assert [x.name for x in reading.parameters] == ["W1", "b1", "W2", "b2"]
    every = Reading(tg.toposort(J), every_op=True)
    assert every.shown == {x for x in every.order if x.op is not None or x.name}


def test_senders_look_through_what_is_aside():
    J = two_layers()
    reading = Reading(tg.toposort(J))
    Z2, A2 = leaf(J, "Z2"), leaf(J, "A2")
    assert reading.readers[Z2] == [A2]
    assert reading.readers[A2] == [J]
    assert reading.senders[Z2] == [A2, J]
    assert A2 not in reading.senders
    assert leaf(J, "X") not in reading.senders


def test_values_are_those_that_were_read():
    w = tg.parameter([1.0, 2.0])
    J = tg.sum(w * w)
    w.data[...] = 7.0
    reading = Reading(tg.toposort(J))
    np.testing.assert_array_equal(reading.values[w], [1.0, 2.0])
    (stand_in,) = reading.as_read.values()
    np.testing.assert_array_equal(stand_in.data, [1.0, 2.0])
    assert Reading(tg.toposort(two_layers())).as_read == {}


def test_a_part_has_the_names_of_the_whole_and_symbols_for_what_it_reads_from_it():
    J = two_layers()
    whole = Reading(tg.toposort(J))
    some = [x for x in whole.order if x.name in ("A2", "Y", "J")]
    part = whole.part(some)
    assert part.whole is whole
    assert part.names is whole.names
    assert from_outside(some) == [leaf(J, "Z2")]
    assert part.shown == {*some, leaf(J, "Z2")}
    assert whole.part(whole.order) is whole


def test_a_graph_is_gone_once_its_picture_and_its_equations_are():
    gc.disable()
    try:
        J = two_layers()
        gone = weakref.ref(J)
        assert str(tg.draw(J))
        assert str(tg.derive(J))
        del J
        assert gone() is None
    finally:
        gc.enable()
