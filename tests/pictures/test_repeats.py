"""Where a sequence of operations repeats, whatever values and names are."""

import numpy as np
import pytest
from models import deep, recurrent, residual, tangle, transformer

import tinygraph as tg
from tinygraph.pictures.repeats import Run, label, runs


def operations(output):
    return [node for node in tg.toposort(output) if node.op is not None]


def runs_of(nodes, starts=None):
    return runs(nodes, [label(node) for node in nodes], starts or [True] * len(nodes))


def chain(functions, x=None):
    x = tg.parameter(np.ones((2, 2))) if x is None else x
    for function in functions:
        x = function(x)
    return x


def scaled(x):
    return tg.sin(x * tg.parameter(np.ones((2, 2))))


def test_a_chain_of_one_operation_repeats():
    assert runs_of(operations(chain([tg.tanh] * 20))) == [Run(0, 1, 20)]


def test_the_shortest_period_is_found():
    assert runs_of(operations(chain([tg.tanh, tg.exp, tg.sin] * 10))) == [Run(0, 3, 10)]


def test_what_stands_before_and_after_does_not_belong_to_it():
    nodes = operations(chain([tg.exp, *[tg.tanh, tg.sin] * 9, tg.sin, tg.exp]))
    (run,) = runs_of(nodes)
    assert run.copies == 9
    assert [node.op.name for node in nodes[run.start : run.stop]] in (["tanh", "sin"] * 9, ["sin", "tanh"] * 9)


def test_each_copy_may_have_things_of_its_own():
    assert runs_of(operations(chain([scaled] * 10))) == [Run(0, 2, 10)]


def test_all_copies_may_read_the_same():
    w = tg.parameter(np.ones((2, 2)))
    assert runs_of(operations(chain([lambda x: tg.tanh(w * x)] * 10))) == [Run(0, 2, 10)]


def test_what_is_read_from_further_back_must_be_as_far_back_each_time():
    def fibonacci(wrong=None):
        a, b = tg.tanh(tg.parameter(1.0)), tg.exp(tg.parameter(1.0))
        first = a
        for i in range(20):
            a, b = b, tg.sin(b) * (first if i == wrong else a)
        return b

    assert [run.copies for run in runs_of(operations(fibonacci()))] in ([19], [20])
    assert max(run.copies for run in runs_of(operations(fibonacci(wrong=9)))) <= 10


def test_one_part_that_differs_stops_a_run():
    nodes = operations(chain([*[tg.tanh, tg.sin] * 6, tg.tanh, tg.exp, *[tg.tanh, tg.sin] * 7]))
    assert [run.copies for run in runs_of(nodes)] == [6, 7]


@pytest.mark.parametrize(
    "odd",
    [
        lambda x: tg.sin(x * 2.0),
        lambda x: tg.sin(x * tg.tanh(tg.parameter(np.ones((2, 2))))),
        lambda x: tg.sin(x * tg.Tensor(np.ones((2, 2)))),
        lambda x: tg.sin(x * tg.parameter(np.ones((2, 1)))),
        lambda x: tg.sin(x * tg.parameter(np.ones((2, 2)))) * 1,
        lambda x: tg.sin(tg.parameter(np.ones((2, 2))) * x),
        lambda x: tg.sin(x * x),
    ],
    ids=["number", "computed", "constant", "broadcast", "more", "swapped", "twice"],
)
def test_nothing_is_folded_across_a_part_that_is_not_the_same(odd):
    nodes = operations(chain([*[scaled] * 6, odd, *[scaled] * 6]))
    found = runs_of(nodes)
    assert sum(run.copies for run in found) <= 13
    assert max(run.copies for run in found) <= 7


def test_all_operands_are_compared():
    def mixed(wrong=None):
        parts = [tg.parameter([1.0])] * 5
        for i in range(12):
            parts = [function(tg.concat(parts)[:1]) for function in (tg.sin, tg.cos, tg.tanh, tg.exp, tg.sigmoid)]
            if i == wrong:
                parts[3:] = parts[:2:-1]
        return tg.concat(parts)

    assert [run.copies for run in runs_of(operations(mixed()))] in ([11], [12])
    assert max(run.copies for run in runs_of(operations(mixed(wrong=5)))) <= 7


def test_powers_are_told_apart_and_other_numbers_are_not():
    x = tg.parameter([1.0, 2.0])
    assert label(x**2) != label(x**3)
    assert label(x + 2) == label(x + 3)
    y = tg.stack([x, x])
    assert label(tg.sum(y, axis=0)) != label(tg.sum(y, axis=1))


def test_items_of_an_array_are_alike_wherever_they_stand():
    X, h = tg.Tensor(np.ones((9, 2))), tg.parameter([1.0, 2.0])
    for i in range(9):
        h = tg.tanh(h * X[i])
    assert [run.copies for run in runs_of(operations(h))] == [9]


def test_a_run_may_read_copy_by_copy_from_another():
    x = tg.parameter([1.0, 2.0])
    made = [x := tg.tanh(x) for _ in range(20)]
    errors = [tg.exp(h) for h in made]
    nodes = operations(tg.stack(errors))
    assert runs_of(nodes) == [Run(0, 1, 20), Run(20, 1, 20)]


def test_copies_begin_only_where_they_may():
    nodes = operations(chain([tg.tanh, tg.sin, tg.exp] * 10))
    starts = [i % 3 == 1 for i in range(30)]
    assert runs_of(nodes, starts) == [Run(1, 3, 9)]
    assert runs_of(nodes, [False] * 30) == []


def test_copies_are_cut_where_one_thing_passes():
    def block(x):
        a, b = tg.exp(x), tg.sin(x)
        return tg.tanh(a * b)

    nodes = operations(chain([tg.tanh, *[block] * 8]))
    (run,) = runs_of(nodes)
    assert (run.period, nodes[run.start + run.period - 1].op.name) == (4, "tanh")


def test_layers_are_cut_where_a_name_gets_a_new_number():
    A = tg.parameter(np.ones((2, 2)), name="A0")
    for i in range(1, 9):
        Z = tg.sin(A * tg.parameter(np.ones((2, 2))))
        Z.name = f"Z{i}"
        A = tg.tanh(Z)
        A.name = f"A{i}"
    nodes = operations(A)
    (run,) = runs_of(nodes)
    assert nodes[run.start + run.period - 1].name in ("A1", "A2")


def test_the_models_repeat_as_they_were_written():
    assert [run.copies for run in runs_of(operations(transformer()))] == [12]
    assert [run.copies for run in runs_of(operations(transformer(odd=4)))] == [5, 7]
    assert [(run.period, run.copies) for run in runs_of(operations(recurrent()))] == [(5, 100)]
    assert [run.copies for run in runs_of(operations(deep()))] == [10]
    assert [run.copies for run in runs_of(operations(residual()))] == [3, 3, 5]


def test_heads_repeat_within_a_block():
    nodes = operations(transformer(heads=6))
    (run,) = runs_of(nodes)
    assert [found.copies for found in runs_of(nodes[run.start : run.start + run.period])] == [6]


def test_what_does_not_repeat_is_left_alone():
    found = runs_of(operations(tangle(1_000)))
    assert sum(run.period * (run.copies - 1) for run in found) < 50


def test_a_few_operations_are_not_worth_it():
    assert runs_of(operations(chain([tg.tanh] * 4))) == []
    assert runs_of([]) == []
