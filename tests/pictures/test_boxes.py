"""What a picture shows: which nodes get a box, what stands in it, what each is to the network."""

import re

import numpy as np
import pytest
from drawn import boxes_of, drawing_of, edges_of, titles_of, two_layers

import tinygraph as tg
from tinygraph.writing.notation import as_text

NAMED = ["X", "Y", "W1", "b1", "W2", "b2", "Z1", "A1", "Z2", "A2", "J"]


def roles_of(output, detail="names"):
    return {name: box.role for name, box in boxes_of(output, detail).items()}


def value_of(data, name="x"):
    return boxes_of(tg.Tensor(data, name=name))[name].value


def gradient_of(tensor):
    """The gradient's line of the one box of a leaf, without its name."""
    (box,) = boxes_of(tensor).values()
    return as_text(box.gradient).split("   ")[1]


# -- which nodes get a box -----------------------------------------------------------------------------------------


def test_the_two_layer_net_has_a_box_for_each_name_and_none_for_temporaries():
    assert titles_of(two_layers()) == [
        *NAMED[:6],
        "Z1 = W1 X + b1",
        "A1 = tanh(Z1)",
        "Z2 = W2 A1 + b2",
        "A2 = σ(Z2)",
        "J = log loss(A2, Y)",
    ]


def test_the_two_layer_net_is_joined_as_it_is_written():
    assert edges_of(two_layers()) == [
        ("W1", "Z1"),
        ("X", "Z1"),
        ("b1", "Z1"),
        ("Z1", "A1"),
        ("W2", "Z2"),
        ("A1", "Z2"),
        ("b2", "Z2"),
        ("Z2", "A2"),
        ("A2", "J"),
        ("Y", "J"),
    ]


def test_the_loss_is_read_from_the_activation_though_its_gradient_goes_round_it():
    J = two_layers()
    J.backward()
    for detail in ("names", "ops"):
        edges = edges_of(J, detail)
        assert ("A2", "J") in edges
        assert ("Z2", "J") not in edges


def test_every_op_and_every_leaf_has_a_box_in_detail():
    J = two_layers()
    order = tg.toposort(J)
    boxes = drawing_of(J, None, "ops").boxes
    assert [box.node for box in boxes] == order
    assert titles_of(J, "ops")[6:8] == ["t1 = W1 X", "Z1 = t1 + b1"]


def test_numbers_stand_within_the_expression_also_in_detail():
    w = tg.parameter([1.0, 2.0])
    y = w * 2 + np.float64(3) - tg.Tensor(4.0)
    assert titles_of(y) == ["w", "y = w · 2 + 3 − 4"]
    assert titles_of(y, "ops") == ["w", "t1 = w · 2", "t2 = t1 + 3", "y = t2 − 4"]


def test_a_named_number_is_called_by_its_name():
    w, m = tg.parameter([1.0, 2.0]), 400
    J = w.sum() / m
    assert titles_of(J)[1].endswith("/ m")
    assert edges_of(J) == [("w", "J")]


def test_an_array_without_a_name_gets_one():
    w = tg.parameter(np.ones((2, 2)))
    y = w @ np.eye(2)
    assert edges_of(y) == [("w", "y"), ("t1", "y")]


def test_a_weight_used_in_two_places_is_one_box_with_two_edges():
    W, x = tg.parameter(np.eye(2)), tg.Tensor(np.ones((2, 1)))
    h = tg.tanh(W @ x)
    y = tg.tanh(W @ h)
    assert titles_of(y) == ["W", "x", "h = tanh(W x)", "y = tanh(W h)"]
    assert [edge for edge in edges_of(y) if edge[0] == "W"] == [("W", "h"), ("W", "y")]


def test_a_tensor_that_one_expression_reads_twice_has_one_edge():
    x = tg.parameter([1.0, 2.0])
    y = x * x + x
    assert edges_of(y) == [("x", "y")]


def test_a_part_without_a_name_that_two_read_gets_a_box():
    x = tg.parameter([1.0, 2.0])
    parts = [tg.exp(x)]
    y = parts[0] + 1
    z = parts[0] * y
    assert titles_of(z) == ["x", "t1 = exp(x)", "y = t1 + 1", "z = t1 ∗ y"]


def test_forty_ops_without_names_are_cut_into_expressions_that_can_be_read():
    x = tg.parameter([1.0, 2.0])
    parts = [x]
    for i in range(20):
        parts.append(tg.tanh(parts[-1]) * 2 if i % 2 else parts[-1] + x)
        parts.append(tg.exp(-parts[-1]))
    y = parts[-1] + 1
    titles = titles_of(y)
    assert sum(node.op is not None for node in tg.toposort(y)) > 50
    assert 5 <= len(titles) <= 25
    assert max(map(len, titles)) <= 60
    drawing = drawing_of(y, None, "names")
    assert {edge.target for edge in drawing.edges} == set(drawing.boxes[1:])


def test_a_wide_expression_is_cut_too():
    parts = [tg.parameter([1.0, 2.0], name=f"weight_{i}") for i in range(8)]
    while len(parts) > 1:
        parts = [a * b for a, b in zip(parts[::2], parts[1::2], strict=True)]
    titles = titles_of(parts[0])
    assert len(titles) > 9
    assert max(map(len, titles)) <= 60


def test_an_op_of_a_hundred_operands_does_not_fill_the_page():
    parts = [tg.parameter([1.0, 2.0], name=f"weight_{i}") for i in range(100)]
    y = tg.stack(parts)
    assert len(titles_of(y)[-1]) <= 120
    assert len(edges_of(y)) == 100


def test_pythons_sum_is_one_expression():
    a, b, c = tg.parameter(1.0), tg.parameter(2.0), tg.parameter(3.0)
    J = sum([a, b, c])
    assert titles_of(J)[3:] in (["J = a + b + c"], ["J = 0 + a + b + c"])
    assert edges_of(J) == [("a", "J"), ("b", "J"), ("c", "J")]


def test_names_that_parts_are_given_are_not_taken_yet():
    t1, t3 = tg.parameter([1.0, 2.0]), tg.parameter([3.0, 4.0])
    y = t1 @ np.eye(2) + t3 @ np.ones((2, 2))
    assert sorted(boxes_of(y)) == ["t1", "t2", "t3", "t4", "y"]


@pytest.mark.parametrize(
    "op", [lambda x: tg.tanh(x), lambda x: x.reshape(2, 2), lambda x: x.T, lambda x: x.astype(float)]
)
def test_a_deep_chain_is_no_different(op):
    chain = [tg.parameter(np.ones((2, 2)), name="x")]
    for _ in range(3000):
        chain.append(op(chain[-1]))
    assert titles_of(chain[-1])[0] == "x"


def test_a_leaf_alone_is_a_box():
    x = tg.parameter([1.0, 2.0])
    assert titles_of(x) == ["x"]
    assert edges_of(x) == []


@pytest.mark.parametrize("data", [3.0, [1.0, 2.0]])
def test_a_leaf_alone_without_a_name_is_a_box(data):
    assert titles_of(tg.Tensor(data)) == ["t1"]


def test_a_result_of_no_grad_is_a_leaf():
    w = tg.parameter(2.0)
    with tg.no_grad():
        y = w * 3
    assert roles_of(y) == {"y": "input"}
    with tg.no_grad():
        assert titles_of(w * 3) == ["t1"]


# -- roles ---------------------------------------------------------------------------------------------------------


def test_the_roles_of_the_two_layer_net():
    assert roles_of(two_layers()) == {
        "X": "input",
        "Y": "target",
        **dict.fromkeys(["W1", "b1", "W2", "b2"], "parameter"),
        **dict.fromkeys(["Z1", "A1", "Z2", "A2"], "operation"),
        "J": "loss",
    }


def test_a_target_is_one_also_in_a_loss_that_is_written_out():
    W, X, Y = tg.parameter(np.ones((1, 2))), tg.Tensor(np.ones((2, 5))), tg.Tensor(np.ones((1, 5)))
    A = tg.tanh(W @ X)
    J = tg.mean((A - Y) ** 2)
    assert roles_of(J) == {"W": "parameter", "X": "input", "Y": "target", "A": "operation", "J": "loss"}


def test_labels_that_something_else_reads_too_are_an_input():
    W, Y = tg.parameter(np.ones((1, 5))), tg.Tensor(np.ones((1, 5)))
    A = tg.tanh(W * Y)
    J = tg.mean((A - Y) ** 2)
    assert roles_of(J)["Y"] == "input"


def test_an_output_that_is_no_scalar_is_no_loss():
    w, x = tg.parameter([1.0, 2.0]), tg.Tensor([3.0, 4.0])
    y = w * x
    assert roles_of(y) == {"w": "parameter", "x": "input", "y": "operation"}


def test_a_graph_of_constants_has_neither_loss_nor_target_nor_gradients():
    x, y = tg.Tensor([1.0, 2.0]), tg.Tensor([3.0, 4.0])
    s = x + y
    J = (s * y).sum()
    boxes = boxes_of(J)
    assert [box.role for box in boxes.values()] == ["input", "input", "operation", "operation"]
    assert all(box.gradient is None for box in boxes.values())
    assert not any(edge.differentiable for edge in drawing_of(J, None, "names").edges)


def test_a_scalar_parameter_is_no_loss():
    w = tg.parameter(2.0)
    assert roles_of(w) == {"w": "parameter"}


# -- scopes --------------------------------------------------------------------------------------------------------


def test_a_parameter_belongs_to_the_scope_that_reads_it():
    boxes = boxes_of(two_layers(scopes=True))
    assert {name: box.scope for name, box in boxes.items() if box.scope} == {
        **dict.fromkeys(["W1", "b1", "Z1", "A1"], ("layer 1",)),
        **dict.fromkeys(["W2", "b2", "Z2", "A2"], ("layer 2",)),
    }


def test_a_parameter_that_two_scopes_read_belongs_to_neither():
    W, x = tg.parameter(np.eye(2)), tg.Tensor(np.ones((2, 1)))
    with tg.scope("one"):
        h = W @ x
    with tg.scope("two"):
        y = W @ h
    assert {name: box.scope for name, box in boxes_of(y).items()} == {"W": (), "x": (), "h": ("one",), "y": ("two",)}


# -- values --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (3.5, "3.5"),
        (-2, "−2"),
        (True, "True"),
        (1 / 3, "0.3333"),
        (np.float32(0.1), "0.1"),
        (np.longdouble(1) / 3, "0.3333"),
        (np.nan, "nan"),
        (-np.inf, "−inf"),
        ([1.0, 2.5], "(2,)   [1, 2.5]"),
        ([[1.0], [2.0], [-3.0]], "3 × 1   [1, 2, −3]ᵀ"),
        ([[1.0, 2.0, 3.0]], "1 × 3   [1, 2, 3]"),
        ([[1, 2], [3, 4]], "2 × 2   [[1, 2], [3, 4]]"),
        ([True, False], "(2,)   [True, False]"),
        ([np.nan, np.inf], "(2,)   [nan, inf]"),
        (np.float32([0.1, 0.2]), "(2,)   [0.1, 0.2]"),
        (np.arange(5.0), "(5,)   μ 2   σ 1.41"),
        (np.arange(20).reshape(4, 5), "4 × 5   μ 9.5   σ 5.77"),
        (np.linspace(0, 0.3, 12, dtype=np.float32).reshape(3, 4), "3 × 4   μ 0.15   σ 0.0941"),
        (np.arange(8) % 2 == 0, "(8,)   4 ones"),
        (np.array([0.0, 1.0, 1.0, 1.0, 0.0]), "(5,)   3 ones"),
        (np.array([1.0, np.nan, np.nan, np.inf, 2.0]), "(5,)   2 NaN"),
        (np.array([1.0, 3.0, -np.inf, np.inf, 2.0]), "(5,)   2 inf"),
        (np.zeros((0, 3)), "0 × 3   empty"),
        (np.zeros(0, bool), "(0,)   empty"),
    ],
)
def test_small_arrays_stand_in_full_and_larger_ones_as_mean_and_spread(data, shown):
    assert value_of(data) == shown


@pytest.mark.parametrize("data", [np.zeros((4, 5)), np.zeros(9, int)])
def test_an_array_of_zeros_is_not_counted_in_ones(data):
    assert "ones" not in value_of(data)


def test_huge_numbers_are_no_cause_for_warnings():
    p = tg.parameter(np.arange(8) * 1e300)
    p.grad = p.data
    assert value_of(p.data) == "(8,)   μ 3.5e+300   σ 2.29e+300"
    assert gradient_of(p) == "‖·‖ 1.183e+301"


def test_numbers_whose_sum_is_too_large_are_no_cause_for_warnings():
    p = tg.parameter(np.array([1.7e308] * 7 + [0.0]))
    p.grad = p.data
    assert value_of(p.data).startswith("(8,)   ")
    assert gradient_of(p)


def test_a_picture_of_a_large_array_stays_small():
    assert len(value_of(np.random.default_rng(0).normal(size=(300, 500)))) < 40


def test_the_value_is_what_the_graph_has_read_not_what_was_written_since():
    w, x = tg.parameter(2.0), tg.Tensor(3.0)
    y = w * x
    w.data -= 1
    assert {name: box.value for name, box in boxes_of(y).items()} == {"w": "2", "x": "3", "y": "6"}


def test_looking_changes_nothing():
    w = tg.parameter([1.0, 2.0])
    y = (w * w).sum()
    drawing_of(y, None, "names")
    w.data += 1
    assert w.grad is None
    y.backward()
    np.testing.assert_array_equal(w.grad, [2.0, 4.0])


# -- gradients -----------------------------------------------------------------------------------------------------


EQUATIONS = {
    "J": "dJ",
    "A2": "dA2",  # merged into the next, and written on the way there
    "Z2": "dZ2 = A2 − Y",
    "W2": "dW2 = (1/m) dZ2 A1ᵀ",
    "b2": "db2 = (1/m) Σ dZ2",
    "A1": "dA1",
    "Z1": "dZ1 = W2ᵀ dZ2 ∗ (1 − A1²)",
    "W1": "dW1 = (1/m) dZ1 Xᵀ",
    "b1": "db1 = (1/m) Σ dZ1",
}


def test_before_backward_a_gradient_is_a_dash_and_never_zero():
    lines = {name: box.gradient and as_text(box.gradient) for name, box in boxes_of(two_layers()).items()}
    assert lines == {"X": None, "Y": None, **{name: f"{EQUATIONS[name]}   –" for name in NAMED[2:]}}


def test_after_backward_there_are_numbers():
    J = two_layers()
    J.backward()
    boxes = boxes_of(J)
    lines = {name: as_text(box.gradient) for name, box in boxes.items() if box.gradient}
    assert list(lines) == NAMED[2:]
    assert not any("–" in line for line in lines.values())
    assert lines["J"] == "dJ   1"
    assert lines["W1"] == f"dW1 = (1/m) dZ1 Xᵀ   ‖·‖ {np.linalg.norm(boxes['W1'].node.grad):.4g}"


def steps_of(J, **options):
    return {
        (titles[0], titles[1]): as_text(edge.step)
        for edge in drawing_of(J, None, **options).edges
        if edge.step
        for titles in [[as_text(box.title).split(" = ")[0] for box in (edge.target, edge.source)]]
    }


def test_on_the_way_back_stand_the_steps_that_the_boxes_have_merged():
    assert steps_of(two_layers()) == {
        ("J", "A2"): "dA2 = (1 − Y) / (1 − A2) − Y / A2",
        ("A2", "Z2"): "dZ2 = dA2 ∗ A2 ∗ (1 − A2)",
        ("Z2", "A1"): "dA1 = W2ᵀ dZ2",
        ("A1", "Z1"): "dZ1 = dA1 ∗ (1 − A1²)",
    }


@pytest.mark.parametrize("detail", ["names", "ops"])
@pytest.mark.parametrize("convention", ["lecture", "exact"])
def test_the_values_go_with_the_equations(convention, detail):
    J = two_layers()
    J.backward()
    m = J.inputs[1].size
    for box in drawing_of(J, None, detail, convention).boxes:
        if box.gradient and box.node.size > 4:
            scale = m if convention == "lecture" and box.node.op is not None else 1
            assert as_text(box.gradient).endswith(f"   ‖·‖ {scale * np.linalg.norm(box.node.grad):.4g}")


def test_the_convention_is_told_where_it_changes_the_gradients():
    caption = drawing_of(two_layers(), None).caption
    assert caption.startswith("gradients of activations are those of each example's loss")
    assert drawing_of(two_layers(), None, "names", "exact").caption == ""
    w = tg.parameter([1.0, 2.0])
    assert drawing_of(tg.sum(w * w), None).caption == ""


def test_the_equations_stay_when_a_parameter_is_changed():
    J = two_layers()
    before = [as_text(box.gradient) for box in drawing_of(J, None).boxes if box.gradient]
    boxes_of(J)["W1"].node.data += 1.0
    assert [as_text(box.gradient) for box in drawing_of(J, None).boxes if box.gradient] == before


def test_where_no_equations_are_to_be_had_there_are_none():
    w = tg.parameter([1.0, 2.0], name="w")
    y = w * 2
    y.name = "y"
    assert [as_text(box.gradient) for box in drawing_of(y, None).boxes] == ["dw   –", "dy   –"]
    w.data += 1.0
    J = tg.sum(y * w)  # reads w twice, changed between
    assert as_text(boxes_of(J)["w"].gradient) == "dw   –"


def test_what_has_no_box_stands_in_no_equation():
    W1, W2, X = (tg.parameter(np.ones((2, 2)), name=name) for name in ("W1", "W2", "X"))
    J = tg.sum(tg.tanh(W2 @ tg.tanh(W1 @ X)))
    boxes = boxes_of(J)
    assert set(boxes) == {"W1", "W2", "X", "J"} | {title for title in boxes if title.startswith("t")}
    for box in boxes.values():
        for name in re.findall(r"d?(t[0-9]+)", as_text(box.gradient)):
            assert name in boxes


def test_a_long_equation_is_left_to_derive():
    x = tg.parameter([0.5, 1.0], name="x")
    J = tg.sum(tg.tanh(x) * tg.exp(x) * tg.sigmoid(x) * tg.gelu(x))
    assert as_text(boxes_of(J)["x"].gradient) == "dx = …   –"


def test_a_gradient_of_zero_is_a_number():
    w = tg.parameter(2.0)
    (w * 0).backward()
    assert gradient_of(w) == "0"


@pytest.mark.parametrize(
    ("grad", "shown"),
    [([1.0, -2.0], "[1, −2]"), ([np.nan] * 6, "6 NaN"), ([3.0, 4.0, 0.0, 0.0, 0.0], "‖·‖ 5"), ([], "empty")],
)
def test_gradients_are_small_arrays_in_full_and_larger_ones_as_a_norm(grad, shown):
    p = tg.parameter(np.ones(len(grad)))
    p.grad = grad
    assert gradient_of(p) == shown


def test_only_differentiable_edges_lead_back():
    J = two_layers()
    J.backward()
    names = {box.node: name for name, box in boxes_of(J).items()}
    edges = drawing_of(J, None, "names").edges
    assert {names[edge.source.node] for edge in edges if not edge.backward} == {"X", "Y"}


def test_a_gradient_from_another_graph_leads_nowhere_in_this_one():
    w = tg.parameter([1.0, 2.0])
    (w * w).sum().backward()
    y = (w * 3).sum()
    assert not any(edge.backward for edge in drawing_of(y, None, "names").edges)


def test_no_gradient_leads_back_through_a_comparison():
    w = tg.parameter([1.0, 2.0])
    mask = w > 1
    y = (w * mask).sum()
    y.backward()
    boxes = boxes_of(y)
    assert boxes["mask"].gradient is None
    edges = drawing_of(y, None, "names").edges
    assert [(edge.source.node is w, edge.backward) for edge in edges if edge.target.node is mask] == [(True, False)]


# -- labels on edges -----------------------------------------------------------------------------------------------


def test_edges_carry_the_shape_of_what_flows():
    labels = {edge.label for edge in drawing_of(two_layers(7), None, "names").edges}
    assert labels == {"4 × 2", "2 × 7", "4 × 1", "4 × 7", "1 × 4", "1 × 1", "1 × 7"}


def test_a_scalar_needs_no_shape():
    w, x = tg.parameter(2.0), tg.Tensor([3.0, 4.0])
    y = w * x
    assert [edge.label for edge in drawing_of(y, None, "names").edges] == ["", "(2,)"]


def test_a_gradient_that_has_been_added_up_does_not_stand_beside_an_equation_for_one():
    w = tg.parameter([1.0, 2.0], name="w")
    for _ in range(2):
        J = tg.sum(w * w)
        J.backward()
    assert as_text(boxes_of(J)["w"].gradient) == "dw added up   [4, 8]"
