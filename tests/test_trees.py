"""Nested containers of arrays can be flattened and built again."""

from collections import Counter, OrderedDict, defaultdict, namedtuple

import pytest

import tinygraph as tg
from tinygraph.trees import flatten, unflatten

Layer = namedtuple("Layer", ["W", "b"])


class Sized(list):
    def __init__(self, *, size):
        super().__init__([0.0] * size)


class Named(dict):
    def __init__(self, *, name):
        super().__init__({name: 1.0})


class Checked(tuple):
    def __new__(cls, *, size):
        return super().__new__(cls, [0.0] * size)


class Ordered(OrderedDict):
    pass


@pytest.mark.parametrize(
    "tree",
    [
        1.0,
        [],
        {},
        None,
        [1.0, None, (2.0, [3.0])],
        {"b": 1.0, "a": {"c": [2.0]}},
        Layer(1.0, [2.0, 3.0]),
        OrderedDict(z=1.0, y=2.0),
        Ordered(z=1.0, y=2.0),
        defaultdict(list, a=1.0),
        Counter("aab"),
        Sized(size=2),
        Named(name="a"),
        Checked(size=2),
    ],
)
def test_there_and_back(tree):
    leaves, structure = flatten(tree)
    again = unflatten(structure, leaves)
    assert again == tree
    assert type(again) is type(tree)
    hash(structure)


def test_leaves_come_in_the_order_of_the_tree():
    assert flatten({"W": [1, 2], "b": (3,)})[0] == [1, 2, 3]


def test_trees_of_another_form_have_another_structure():
    structures = [flatten(tree)[1] for tree in ([1.0], (1.0,), {"a": 1.0}, {"b": 1.0}, [[1.0]], [1.0, 2.0], 1.0)]
    assert len(set(structures)) == len(structures)


def test_what_would_be_lost_is_refused():
    layer = Named(name="a")
    layer.rate = 0.5
    with pytest.raises(tg.ArgumentError, match=r"a Named has attributes beside its entries \(rate\), .* a plain dict"):
        flatten([layer])


def test_what_contains_itself_is_refused():
    tree = [1.0]
    tree.append(tree)
    with pytest.raises(tg.ArgumentError, match="or contain themselves"):
        flatten(tree)
