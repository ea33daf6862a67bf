"""How a graph falls into groups: each copy of what repeats is the same as the first, whatever it reads."""

import contextlib
import functools
import itertools

import numpy as np
import pytest
from graphs import BINARY, UNARY
from models import MODELS, deep, recurrent, residual, transformer

import tinygraph as tg
from tinygraph.graph.walking import readers_of
from tinygraph.pictures.groups import Group, Structure
from tinygraph.pictures.repeats import label


def structure_of(output):
    order = tg.toposort(output)
    return Structure(order, readers_of(order))


def groups_of(items):
    """All groups, outermost first."""
    for item in items:
        if isinstance(item, Group):
            yield item
            yield from groups_of(item.items)


def tree(items):
    """Names and counts of the groups."""
    return [(item.name, item.count, tree(item.items)) for item in items if isinstance(item, Group)]


def parameters_in(items):
    return [x for x in items if isinstance(x, tg.Tensor) and x.op is None and x.requires_grad]


# -- what is found -------------------------------------------------------------------------------------------------


def test_the_blocks_of_a_transformer_are_found_and_the_heads_within():
    assert tree(structure_of(transformer()).items) == [("", 12, [("", 6, [])])]


def test_with_scopes_they_have_names():
    attention, mlp = ("attention", 1, [("", 6, [])]), ("mlp", 1, [])
    assert tree(structure_of(transformer(scopes=True)).items) == [
        ("embedding", 1, []),
        ("block", 12, [attention, mlp]),
    ]


def test_a_block_that_differs_parts_the_others():
    assert [(name, count) for name, count, _ in tree(structure_of(transformer(odd=4)).items)] == [("", 5), ("", 7)]


def test_a_layer_that_differs_parts_the_others():
    counts = [group.count for group in groups_of(structure_of(deep(20, activation={9: tg.relu})).items)]
    assert sorted(counts) in ([8, 9], [8, 10], [9, 9])


def test_the_steps_of_a_recurrent_net_share_their_weights():
    structure = structure_of(recurrent())
    (steps,) = groups_of(structure.items)
    assert (steps.count, steps.parameters) == (100, 0)
    assert len(parameters_in(structure.items)) == 4


def test_each_layer_has_parameters_of_its_own():
    structure = structure_of(deep(12, 8))
    (layers,) = groups_of(structure.items)
    assert (layers.count, layers.parameters, layers.numbers) == (10, 20, 10 * (8 * 8 + 8))
    assert [x.shape for x in parameters_in(layers.items)] == [(8, 8), (8, 1)]
    assert len(parameters_in(structure.items)) == 4


def test_the_parameters_of_all_blocks_are_counted_and_those_of_heads_in_one_block():
    block, heads = groups_of(structure_of(transformer(width=12, heads=6)).items)
    assert heads.parameters == 6 * 3
    assert block.parameters == 12 * (6 * 3 + 3 + 6)
    assert block.numbers == 12 * (3 * 12 * 12 + 12 * 12 + 2 * 12 * 48 + 4 * 12 + 48 + 12)


def test_stages_of_other_sizes_are_groups_of_their_own():
    assert [group.count for group in groups_of(structure_of(residual()).items)] == [3, 3, 5]


def test_a_scope_that_is_entered_again_and_again_holds_the_copies():
    x = tg.parameter(np.ones(3))
    for _ in range(9):
        with tg.scope("layer"):
            x = tg.tanh(x * tg.parameter(np.ones(3)))
    assert [(name, count) for name, count, _ in tree(structure_of(tg.sum(x)).items)] == [("layer", 9)]


@pytest.mark.parametrize(
    ("names", "together"),
    [
        ("layer {}", "layer"),
        ("layer_{}", "layer"),
        ("layer{}", "layer"),
        ("layers.{}", "layers"),
        ("{}", "0"),
        ("conv2d {}", "conv2d"),
        ("{} of 9", "0 of 9 … 8 of 9"),
    ],
)
def test_scopes_that_differ_in_a_number_are_one(names, together):
    x = tg.parameter(np.ones(3))
    for i in range(9):
        with tg.scope(names.format(i)):
            x = tg.tanh(x * tg.parameter(np.ones(3)))
    assert tree(structure_of(tg.sum(x)).items) == [(together, 9, [])]


def test_scopes_of_different_names_are_not_one_though_they_do_the_same():
    x = tg.parameter(np.ones(3))
    for name in "abcdefghi":
        with tg.scope(name):
            x = tg.tanh(x * tg.parameter(np.ones(3)))
    assert [count for _, count, _ in tree(structure_of(tg.sum(x)).items)] == [1] * 9


def test_many_leaves_that_one_operation_reads_are_a_group():
    y = tg.stack([tg.parameter([1.0, 2.0]) for _ in range(100)])
    (leaves,) = groups_of(structure_of(y).items)
    assert (leaves.count, leaves.parameters, leaves.numbers) == (100, 100, 200)


def test_what_comes_out_at_the_end_is_no_copy():
    h = tg.parameter([1.0, 2.0])
    for _ in range(50):
        h = tg.tanh(h)
    structure = structure_of(h)
    assert structure.items[-1] is h
    assert [group.count for group in groups_of(structure.items)] == [49]


# -- laws ----------------------------------------------------------------------------------------------------------


def random_blocks(seed):
    """A random block again and again, with something of its own and something shared, and once another block."""
    rng = np.random.default_rng(seed)
    steps = [(rng.integers(len(UNARY)), rng.integers(len(BINARY)), *rng.integers(1, 4, 2)) for _ in range(6)]
    shared = tg.Tensor(rng.normal(size=(3, 3)))

    def block(x):
        made = [shared, tg.parameter(rng.normal(size=(3, 3))), x]
        for unary, binary, i, j in steps:
            with contextlib.suppress(tg.ShapeError, IndexError):
                y = UNARY[unary](BINARY[binary](made[-min(i, len(made))], made[-min(j, len(made))]))
                if y.size < 100:
                    made.append(y)
        return tg.tanh(x + tg.sum(made[-1]) * 0.01)

    x = tg.parameter(rng.normal(size=(3, 3)))
    with np.errstate(all="ignore"):
        for i in range(16):
            x = block(x) if i != 6 else tg.sin(x)
        return tg.sum(x)


DRAWN = {
    **MODELS,
    **{f"random {seed}": functools.partial(random_blocks, seed) for seed in range(12)},
}


@pytest.mark.parametrize("model", DRAWN.values(), ids=DRAWN)
def test_all_copies_are_like_the_first(model):
    structure = structure_of(model())
    for group in groups_of(structure.items):
        for one, other in itertools.pairwise(group.copies):
            if one[0].op is not None:
                assert [label(node) for node in one] == [label(node) for node in other]
            place = {node: i for i, node in enumerate(one)} | {node: i for i, node in enumerate(other)}
            for a, b in zip(one, other, strict=True):
                for x, y in zip(a.inputs, b.inputs, strict=True):
                    if isinstance(y, tg.Tensor) and y in set(other):
                        assert place[x] == place[y]


@pytest.mark.parametrize("model", DRAWN.values(), ids=DRAWN)
def test_everything_is_in_one_place(model):
    J = model()
    structure = structure_of(J)
    drawn = []
    stack = list(structure.items)
    while stack:
        item = stack.pop()
        if isinstance(item, Group):
            stack += item.items
        else:
            drawn.append(item)
    order = tg.toposort(J)
    assert len(set(drawn)) == len(drawn)
    assert set(drawn) == {x for x in order if all(copy == 0 for _, copy in structure.chain(x))}
    for node in order:
        if node.op is not None:
            first = structure.first(node)
            assert [group for group, _ in structure.chain(node)] == [group for group, _ in structure.chain(first)]
            assert label(first) == label(node) or node is J


@pytest.mark.parametrize("model", DRAWN.values(), ids=DRAWN)
def test_items_come_in_topological_order(model):
    structure = structure_of(model())

    def members(item):
        return [item] if isinstance(item, tg.Tensor) else [x for inner in item.items for x in members(inner)]

    for items in (structure.items, *(group.items for group in groups_of(structure.items))):
        at = {node: i for i, item in enumerate(items) for node in members(item)}
        for node, i in at.items():
            assert all(at.get(x, -1) <= i for x in node.inputs if isinstance(x, tg.Tensor))


@pytest.mark.parametrize("seed", range(12))
def test_random_blocks_are_found(seed):
    counts = [group.count for group in groups_of(structure_of(random_blocks(seed)).items)]
    assert sum(count for count in counts if count < 10) >= 13
    assert max(counts) <= 9


def test_what_passes_from_copy_to_copy_is_told():
    J = recurrent(20)
    structure = structure_of(J)
    (steps,) = groups_of(structure.items)
    h = [copy[-1] for copy in steps.copies]
    assert structure.carrier(h[3], steps.copies[4][0]) is steps
    assert structure.carrier(steps.copies[4][0], steps.copies[4][2]) is None
    assert structure.carrier(h[-1], J) is None
    assert structure.counterpart(h[0], steps, -1) is h[-1]
    assert structure.first(h[7]) is h[0]
