"""Nested containers of arrays go apart and together again."""

from collections import OrderedDict, namedtuple

import pytest

from tinygraph.trees import flatten, unflatten

Layer = namedtuple("Layer", ["W", "b"])


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
