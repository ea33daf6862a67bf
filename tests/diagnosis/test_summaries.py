"""The table of a graph: which rows there are, what belongs to each, and that they add up."""

import json
from pathlib import Path

import numpy as np
import pytest

import tinygraph as tg
from tinygraph.diagnosis.flops import flops_of

LABELS = json.loads((Path(__file__).parents[1] / "conformance" / "label_strings.json").read_text(encoding="utf-8"))


def ones(*shape):
    return tg.parameter(np.ones(shape))


def net(scopes=True, layers=2):
    A = X = tg.Tensor(np.ones((3, 50)), name="X")
    for i in range(1, layers + 1):
        W, b = ones(3, 3), ones(3, 1)
        with tg.scope(f"layer {i}" if scopes else "net"), tg.scope("linear"):
            Z = W @ A + b
        with tg.scope(f"layer {i}" if scopes else "net"):
            A = tg.tanh(Z)
    J = tg.mse(A, X)
    return J


def names(table):
    return [" / ".join((*row.scope, row.name)) for row in table]


def test_a_row_for_each_named_tensor_in_forward_order_with_the_parameters_that_it_reads_first():
    X, Y = tg.Tensor(np.ones((2, 400))), tg.Tensor(np.ones((1, 400)))
    W1, b1, W2, b2 = ones(4, 2), ones(4, 1), ones(1, 4), ones(1, 1)
    Z1 = W1 @ X + b1
    A1 = tg.tanh(Z1)
    A2 = tg.sigmoid(W2 @ A1 + b2)
    J = tg.log_loss(A2, Y)
    table = tg.summary(J)
    assert [(row.name, row.operation, row.shape, row.parameters) for row in table] == [
        ("X", "input", (2, 400), 0),
        ("Z1", "W1 X + b1", (4, 400), 12),
        ("A1", "tanh(Z1)", (4, 400), 0),
        ("A2", "σ(W2 A1 + b2)", (1, 400), 5),
        ("Y", "input", (1, 400), 0),
        ("J", "log loss(A2, Y)", (), 0),
    ]
    assert len(table) == 6
    assert table["Z1"] is table[1]
    assert table["Z1"].nbytes == 8 * (4 * 2 + 4 + 2 * 4 * 400)  # the parameters, the product and the sum
    assert (table.parameters, table.trainable) == (17, 17)
    with pytest.raises(KeyError, match="there is no row for Z9; there are X, Z1, A1"):
        table["Z9"]


def test_the_totals_are_the_sums_of_the_rows_at_any_depth():
    J = net()
    order = tg.toposort(J)
    forward, backward, _ = zip(*flops_of(order).values(), strict=True)
    for depth in (None, 1, 2, 3):
        table = tg.summary(J, depth=depth)
        assert table.parameters == sum(row.parameters for row in table) == 24
        assert table.nbytes == sum(row.nbytes for row in table) == sum(x.nbytes for x in order)
        assert table.forward_flops == sum(row.forward_flops for row in table) == sum(forward)
        assert table.backward_flops == sum(row.backward_flops for row in table) == sum(backward)


def test_scopes_are_folded_at_a_depth():
    J = net()
    table = names(tg.summary(J))
    assert [name.rstrip("₁₂") for name in table] == [
        "X",
        *("layer 1 / linear / Z", "layer 1 / A", "layer 2 / linear / Z", "layer 2 / A"),
        "J",
    ]
    two = tg.summary(J, depth=2)
    assert [name.rstrip("₁₂") for name in names(two)] == [
        "X",
        *("layer 1 / linear", "layer 1 / A", "layer 2 / linear", "layer 2 / A"),
        "J",
    ]
    one = tg.summary(J, depth=1)
    assert names(one) == ["X", "layer 1", "layer 2", "J"]
    assert one["layer 1"].operation == "1 matmul, 1 add, 1 tanh"
    assert one["layer 1"].shape == (3, 50)
    assert one["layer 1"].parameters == 12


def test_a_scope_that_is_entered_again_is_one():
    table = tg.summary(net(scopes=False, layers=5), depth=1)
    assert names(table) == ["X", "net", "J"]
    assert table["net"].operation == "5 matmul, 5 add, 5 tanh"
    assert table["net"].parameters == 60


def test_what_has_no_name_in_a_scope_belongs_to_the_scope():
    def block(x):
        with tg.scope("block"):
            return [tg.exp(x * x)][0]

    x = ones(3)
    y = block(x) + 1.0
    table = tg.summary(y)
    assert names(table) == ["block", "y"]
    assert table["block"].operation == "1 multiply, 1 exp"
    assert table["block"].parameters == 3


def test_what_has_no_name_and_no_scope_belongs_to_its_first_reader():
    x = ones(3)
    y = tg.sum(tg.exp(x + 1.0) * 2.0)
    (row,) = tg.summary(y)
    assert row.operation == "Σ exp(x + 1) · 2"
    assert row.nbytes == 8 * (3 + 3 + 3 + 3 + 1)


def test_an_expression_that_is_too_long_is_counted():
    x = ones(3)
    y = tg.tanh(tg.exp(tg.sin(tg.cos(tg.sinh(tg.cosh(tg.log(x + 3.0) + 1.0) * 2.0) * 2.0))))
    assert tg.summary(y)["y"].operation == "2 add, 2 multiply, 1 log, 1 cosh, 5 others"


def test_a_shared_parameter_is_counted_once():
    W, x = ones(3, 3), tg.Tensor(np.ones((3, 1)))
    h1 = tg.tanh(W @ x)
    h2 = tg.tanh(W @ h1)
    assert [(row.name, row.parameters) for row in tg.summary(h2)] == [("x", 0), ("h1", 9), ("h2", 0)]


def test_a_parameter_belongs_to_the_scope_that_reads_it_wherever_it_was_made():
    with tg.scope("start"):
        w = ones(3)
    with tg.scope("layer"):
        y = w * 2.0
    for depth in (None, 1):
        (row,) = tg.summary(y, depth=depth)
        assert (row.name, row.parameters) == ("layer" if depth else "y", 3)


def test_memory_that_is_shared_is_counted_once():
    x = tg.Tensor(np.ones((100, 100)))
    views = x.T.reshape(100, 10, 10)[:50]
    copy = x.T.reshape(-1)
    assert tg.summary(views).nbytes == 80_000
    assert tg.summary(copy).nbytes == 160_000
    z = tg.broadcast_to(ones(1), (1000,))
    assert tg.summary(z).nbytes == 8


def test_what_was_read_of_a_leaf_that_has_changed_is_kept_too():
    w = ones(1000)
    y = w * 2.0
    assert tg.summary(y).nbytes == 16_000
    w.data = np.zeros(1000)
    assert tg.summary(y).nbytes == 24_000


def test_parameters_to_which_no_gradient_comes_back_are_told():
    w, v = ones(3), ones(4)
    y = tg.sum(w * tg.sum(tg.stop_gradient(v)))
    table = tg.summary(y)
    assert (table.parameters, table.trainable) == (7, 3)
    assert str(table).endswith("\nno gradient comes back to 4 of the parameters")
    assert "no gradient" not in str(tg.summary(tg.sum(w)))


def test_a_leaf_a_count_and_what_has_no_name():
    w = ones(2, 3)
    assert [tuple(row[:5]) for row in tg.summary(w)] == [("w", (), "parameter", (2, 3), 6)]
    count = tg.argmax(w)
    assert tg.summary(count).backward_flops == 0
    assert tg.summary(count)["count"].shape == ()
    (row,) = tg.summary([tg.exp(w)][0])
    assert row.name == "…"


def test_of_a_long_table_the_middle_is_one_row():
    x = ones(2)
    for i in range(30_000):
        y = x * 0.5
        x = y + i
    table = tg.summary(x)
    assert len(table) == 61
    middle = table[40]
    assert middle.name == f"… {60_000 - 60:,} more"
    assert middle.operation == "29,970 multiply, 29,970 add"
    assert middle.shape is None
    assert table.forward_flops == 120_000
    assert len(str(table).splitlines()) == 65


def test_many_nodes_without_names_are_counted_by_kind():
    ys = [ones(2)]
    for _ in range(30_000):
        ys.append(tg.sin(ys.pop()))
    (row,) = tg.summary(ys[0])
    assert row.operation == "30,000 sin"
    assert row.backward_flops == 30_000 * 4


def test_a_graph_that_is_too_large_to_draw_points_here():
    x = ones(2)
    for _ in range(50_000):
        x = tg.sin(x)
    assert "tg.summary" in tg.draw(x).source


@pytest.mark.parametrize("depth", [0, -1, 1.5, "all"])
def test_a_depth_that_is_none(depth):
    with pytest.raises(tg.ArgumentError, match="depth is a number of nested scopes, from 1 on, not"):
        tg.summary(ones(1), depth=depth)


def test_of_what_is_no_tensor():
    with pytest.raises(TypeError, match="summary shows the graph of a tensor, not of ndarray"):
        tg.summary(np.ones(3))


def test_a_name_of_any_kind_stays_on_its_line():
    for label in LABELS if isinstance(LABELS, list) else LABELS.values():
        x = tg.parameter([1.0], name=label)
        with tg.scope(label):
            y = tg.Tensor([1.0], name=label) * x
        assert len(str(tg.summary(y, depth=1)).splitlines()) == len(tg.summary(y, depth=1)) + 4
        assert len(str(tg.summary(y)).splitlines()) == len(tg.summary(y)) + 4


def test_numbers_stand_to_the_right_and_nothing_trails():
    lines = str(tg.summary(net())).splitlines()
    assert lines[0].split() == ["name", "operation", "shape", "parameters", "bytes", "FLOPs", "FLOPs", "backward"]
    assert {len(line) for line in lines} == {len(lines[0])}
    assert lines == [line.rstrip() for line in lines]
    assert repr(tg.summary(net())) == "\n".join(lines)


def test_the_graph_is_as_before_and_is_not_kept():
    import gc
    import weakref

    J = net()
    table = tg.summary(J)
    J.backward()
    assert tg.summary(J) is not table
    reference = weakref.ref(J)
    del J
    gc.collect()
    assert reference() is None
    assert table.parameters == 24
