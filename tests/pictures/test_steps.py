"""A drawing as steps: in what order, with which equations and numbers, and what each gradient is the sum of."""

import numpy as np
import pytest
from drawn import grouped, two_layers

import tinygraph as tg
from tinygraph.pictures import sums as module
from tinygraph.pictures.steps import Story
from tinygraph.writing.notation import as_text

FORWARD = ["X", "Z1", "A1", "Z2", "A2", "J"]
BACKWARD = ["dA2", "dZ2", "dW2", "db2", "dA1", "dZ1", "dW1", "db1"]


def told(output, **options):
    """The story of a picture, its boxes by name, and its steps."""
    drawing = tg.draw(output, **options)._drawing
    story = Story(drawing)
    boxes = {as_text(box.title).split(" = ")[0]: box for box in drawing.boxes}
    return story, boxes, story.of(drawing), drawing


def by_name(steps):
    return {as_text(step.name): step for step in steps}


def equations(step):
    return [as_text(equation) for equation in step.equations]


@pytest.fixture(scope="module")
def lecture():
    J = two_layers()
    J.backward()
    return told(J)


def shared():
    """A is read three times, in two boxes."""
    x = tg.parameter([[0.5], [0.1]])
    A = tg.tanh(x)
    B = A * A + 2
    J = (B * A).sum()
    return J


# -- order ---------------------------------------------------------------------------------------------------------


def test_forward_in_the_order_of_computing_then_backward_as_the_lecture_does_it(lecture):
    _, _, steps, _ = lecture
    assert [as_text(step.name) for step in steps] == FORWARD + BACKWARD
    assert [step.backward for step in steps] == [False] * len(FORWARD) + [True] * len(BACKWARD)


def test_before_backward_there_are_the_forward_steps_and_what_to_do_for_the_rest():
    story, boxes, steps, _ = told(two_layers())
    assert [as_text(step.name) for step in steps] == FORWARD
    assert story.contents.meaning(boxes["Z1"]).endswith("No backward has run: call J.backward(), then draw again.")


def test_the_edges_of_a_step_are_those_on_which_its_numbers_come(lecture):
    _, _, steps, drawing = lecture
    named = {
        f"{way}{i}": (as_text(edge.source.title)[:2], as_text(edge.target.title)[:2])
        for i, edge in enumerate(drawing.edges)
        for way in "fb"
    }
    ways = {name: {named[id] for id in step.edges} for name, step in by_name(steps).items()}
    assert ways["X"] == set()
    assert ways["Z1"] == {("W1", "Z1"), ("X", "Z1"), ("b1", "Z1")}
    assert ways["dZ1"] == {("Z1", "A1")}
    assert {id[0] for id in by_name(steps)["dZ1"].edges} == {"b"}


def test_a_leaf_alone_is_one_step():
    assert [as_text(step.name) for step in told(tg.parameter(2.0, name="w"))[2]] == ["w"]


# -- equations and numbers -----------------------------------------------------------------------------------------


def test_a_step_has_its_equation_and_what_the_chain_rule_says_before(lecture):
    steps = by_name(lecture[2])
    assert equations(steps["Z1"]) == ["Z1 = W1 X + b1"]
    assert equations(steps["dZ1"]) == ["dZ1 = dA1 ∗ (1 − A1²)", "dZ1 = W2ᵀ dZ2 ∗ (1 − A1²)"]
    assert equations(steps["dZ2"]) == ["dZ2 = dA2 ∗ A2 ∗ (1 − A2)", "dZ2 = A2 − Y"]
    assert equations(steps["dA1"]) == ["dA1 = W2ᵀ dZ2"]
    assert equations(steps["db1"]) == ["db1 = (1/m) Σ dZ1"]


def test_numbers_are_put_in_small_arrays_in_full_and_larger_ones_as_shapes(lecture):
    steps = by_name(lecture[2])
    assert steps["Z2"].numbers == "[−0.364, −1.27, −1.53, −0.681] (4 × 400) + [0]"
    assert steps["A2"].numbers == "σ(1 × 400)"
    assert steps["dW1"].numbers == "(1/400) (4 × 400) (2 × 400)ᵀ"
    assert steps["dW2"].value == "[0.0193, 0.00731, −0.0305, 0.0202]"


def test_numbers_keep_their_parentheses():
    w, x = tg.parameter([[-0.5, 2.0]]), tg.Tensor([[1.0], [3.0]])
    c = tg.parameter(-2.0)
    y = (w @ x) * c - c
    J = y.sum()
    J.backward()
    steps = by_name(told(J)[2])
    assert steps["y"].numbers == "[−0.5, 2] [1, 3]ᵀ · (−2) − (−2)"
    assert steps["dw"].numbers == "(−2) · ([1, 3]ᵀ)ᵀ"
    assert steps["dw"].value == "[−2, −6]"


def test_numbers_are_those_that_the_graph_has_read():
    w = tg.parameter([1.0, 2.0])
    y = 3 * w
    w.data[:] = 7.0
    assert by_name(told(y)[2])["y"].numbers == "3 · [1, 2]"


def test_shown_numbers_follow_the_convention():
    J = two_layers()
    J.backward()
    for convention, scale in ("lecture", 400), ("exact", 1):
        story, boxes, _, _ = told(J, convention=convention)
        box = boxes["Z2"]
        np.testing.assert_allclose(story.contents.gradient(box), scale * box.node.grad)
        np.testing.assert_allclose(sum(part.value for part in story.sums.parts(box)), story.contents.gradient(box))
        assert ("in .grad, is 1/400 of the gradient shown" in story.contents.meaning(box)) == (scale == 400)


# -- contributions -------------------------------------------------------------------------------------------------


def test_at_a_fan_out_the_contributions_come_one_by_one_with_their_running_sum():
    J = shared()
    J.backward()
    _story, boxes, steps, _ = told(J)
    way = [step for step in steps if as_text(step.name) == "dA"]
    assert [step.part for step in way] == [(1, 3), (2, 3), (3, 3), None]
    assert [equations(step) for step in way[:3]] == [["dA ← dB ∗ A"], ["dA ← dB ∗ A"], ["dA ← B"]]
    assert [step.why for step in way[:3]] == [*["Comes from A ∗ A in B."] * 2, "Comes from B ∗ A in J."]
    assert way[0].so_far == way[0].value
    assert way[2].so_far == way[3].value
    assert set(way[0].edges) | set(way[2].edges) == set(way[3].edges)
    np.testing.assert_allclose(sum(part.value for part in _story.sums.parts(boxes["A"])), boxes["A"].node.grad)


def test_many_contributions_are_told_in_one_step():
    w = tg.parameter(0.5)
    h = tg.Tensor(1.0)
    for _ in range(20):
        h = h * w
    h.backward()
    steps = [step for step in told(h)[2] if as_text(step.name) == "dw"]
    assert [step.why for step in steps] == ["20 contributions added up, one for each time that w is read."]


def test_a_contribution_says_where_it_was_summed(lecture):
    story, boxes, steps, _ = lecture
    (part,) = story.sums.parts(boxes["b1"])
    assert (part.shape, part.value.shape) == ((4, 400), (4, 1))
    why = by_name(steps)["db1"].why
    assert "b1 was repeated to 4 × 400 there, so the gradient that comes back is summed to 4 × 1." in why


def test_what_the_loss_does_in_one_step_is_said(lecture):
    steps = by_name(lecture[2])
    assert "It is shown, but dZ2 is not computed from it" in steps["dA2"].why
    assert steps["dZ2"].why.startswith("Comes from J = log loss(A2, Y) through A2, in one step.")


def test_the_derivative_of_an_activation_is_told(lecture):
    steps = by_name(lecture[2])
    assert steps["dZ1"].why.endswith("The derivative of tanh(Z1) is 1 − A1².")
    assert steps["dZ2"].why.endswith("The derivative of σ(Z2) is A2 ∗ (1 − A2).")


def test_a_loss_written_out_contributes_twice():
    z = tg.parameter([[0.3, -0.2, 0.5, 0.1]])
    A = tg.sigmoid(z)
    Y = tg.Tensor([[1.0, 0.0, 0.0, 1.0]])
    J = -tg.mean(Y * tg.log(A) + (1 - Y) * tg.log(1 - A))
    J.backward()
    story, boxes, _, _ = told(J)
    rules = {part.where: as_text(part.rule) for part in story.sums.parts(boxes["A"])}
    assert rules == {"log(A) in J": "−(1/m) Y / A", "1 − A in J": "(1/m) (1 − Y) / (1 − A)"}


def test_a_rule_that_works_on_numbers_alone_is_not_written(monkeypatch):
    def refusing(*args):
        raise tg.UnsupportedError("on numbers only")

    monkeypatch.setattr(module, "symbolic_contribution", refusing)
    J = shared()
    J.backward()
    story, boxes, steps, _ = told(J)
    assert [part.rule for part in story.sums.parts(boxes["A"])] == [None, None, None]
    assert [equations(step) for step in steps if step.part] == [[], [], []]


# -- groups --------------------------------------------------------------------------------------------------------


def test_a_group_is_one_step_and_what_is_in_it_has_its_own():
    outer, group = grouped()
    story = Story(outer)
    assert [as_text(step.name) for step in story.of(outer)][:4] == ["X", "A1", "Z2", "A2"]
    inside = [as_text(step.name) for step in story.of(group.inner)]
    assert inside == ["Z1", "A1", "dA1", "dZ1", "dW1", "db1"]
