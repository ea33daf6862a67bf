"""``draw(…, check=True)``: what is wrong is marked, and where it begins; what is sound is not."""

import numpy as np
import pytest
from drawn import Dot, drawing_of, svg_boxes, svg_of, two_layers

import tinygraph as tg
from tinygraph.diagnosis.findings import Examination
from tinygraph.pictures.boxes import Box, Drawing
from tinygraph.pictures.marks import mark
from tinygraph.writing.notation import Span, as_text

m = 100
RNG = np.random.default_rng(0)
DATA, LABELS = RNG.normal(size=(2, m)), (RNG.random((1, m)) > 0.5).astype(float)


@pytest.fixture(autouse=True)
def _numpy_is_quiet():
    with np.errstate(all="ignore"):
        yield


def net(W1=None, b1=0.0, W2=None, g1=tg.tanh, log_loss=tg.log_loss):
    rng = np.random.default_rng(0)
    X, Y = tg.Tensor(DATA), tg.Tensor(LABELS)
    W1 = tg.parameter(rng.normal(size=(4, 2)) if W1 is None else np.full((4, 2), W1))
    W2 = tg.parameter(rng.normal(size=(1, 4)) if W2 is None else np.full((1, 4), W2))
    b1 = tg.parameter(np.full((4, 1), b1))
    Z1 = W1 @ X + b1
    A1 = g1(Z1)
    Z2 = W2 @ A1
    A2 = tg.sigmoid(Z2)
    J = log_loss(A2, Y)
    J.backward()
    return J


def deep(layers, activation, gain=1.0):
    rng = np.random.default_rng(0)
    A = tg.Tensor(DATA, name="X")
    for i in range(layers):
        W = tg.parameter(gain * rng.normal(size=(10, len(A))) / np.sqrt(len(A)), name=f"W{i + 1}")
        Z = W @ A
        Z.name = f"Z{i + 1}"
        A = activation(Z)
        A.name = f"A{i + 1}"
    J = tg.mean(tg.square(A))
    return J


def marks(J):
    """The marks by the name of the box, and what is said of all."""
    drawing = drawing_of(J, None)
    mark(drawing)
    found = {as_text(box.title).split(" = ")[0]: as_text(box.mark) for box in drawing.boxes if box.mark is not None}
    return found, drawing.findings


def test_a_sound_net_has_no_marks():
    for J in two_layers(), net(), deep(3, tg.tanh):
        assert marks(J) == ({}, "checked: nothing found")


def test_dead_units_begin_what_is_zero_before_them():
    zero = "△ gradient 0: A1 is dead"
    assert marks(net(b1=-50.0, g1=tg.relu)) == (
        {"A1": "▲ dead units: all 4", "Z1": zero, "W1": zero, "b1": zero, "W2": "△ gradient 0: A1 is 0"},
        "checked: ▲ where it begins (A1), △ where it is felt (W1, W2, b1, Z1)",
    )


def test_units_are_counted():
    assert marks(net(b1=np.array([[-50.0], [0.0], [0.0], [0.0]]), g1=tg.relu))[0] == {"A1": "▲ dead units: 1 of 4"}
    assert marks(net(b1=6.0, g1=tg.sigmoid))[0]["A1"] == "▲ saturated units: all 4"


def test_an_output_that_is_sure_is_no_fault():
    w = tg.parameter([[50.0, -30.0]])
    assert marks(tg.mean(tg.square(tg.sigmoid(w @ DATA) - LABELS))) == ({}, "checked: nothing found")


def test_weights_that_are_zero():
    found, checked = marks(net(W1=0.0, W2=0.0))
    assert found.pop("W2") == "▲ lets no gradient through: all 0"
    assert found == dict.fromkeys(["A1", "Z1", "W1", "b1"], "△ gradient 0: W2 is 0")
    assert checked.startswith("checked: ▲ where it begins (W2), △ where it is felt (")


def test_weights_that_are_equal():
    assert marks(net(W1=0.5, W2=0.5))[0] == {"W1": "▲ equal units: all 4"}


def test_vanishing_and_exploding_gradients():
    found, _ = marks(deep(12, tg.sigmoid))
    assert found["Z1"].startswith("▲ vanishing: ")
    assert found["Z1"].endswith(" of dZ12")
    assert "Z12" not in found
    assert "Z11" not in found
    found, _ = marks(deep(12, lambda z: 1.0 * z, gain=6.0))
    assert found["W1"].startswith("▲ exploding: ")


def test_nan_is_marked_where_it_begins_and_where_it_goes():
    def by_hand(A2, Y):
        return -tg.mean(Y * tg.log(A2) + (1 - Y) * tg.log(1 - A2))

    found, checked = marks(net(W2=2000.0, log_loss=by_hand))
    assert found["J"] == "▲ NaN begins here, in log(A2)"
    assert found["A2"] == "▲ gradient NaN begins here"
    assert found["W1"] == found["Z2"] == "△ gradient NaN, from dA2"
    assert checked == "checked: ▲ where it begins (A2, J), △ where it is felt (W1, W2, b1, Z1, …)"


def test_nan_in_the_data():
    x, w = tg.Tensor([1.0, np.nan]), tg.parameter([1.0, 2.0])
    y = w * x
    J = tg.sum(y)
    found, _ = marks(J)
    assert (found["x"], found["y"], found["J"]) == ("▲ NaN begins here", "△ NaN, from x", "△ NaN, from x")


def test_before_backward_gradients_are_computed_and_left_nowhere():
    J = deep(12, tg.sigmoid)
    assert "Z1" in marks(J)[0]
    assert all(x.grad is None and x._used is None for x in tg.toposort(J))


def test_what_is_not_differentiable_is_drawn_all_the_same():
    x = tg.Tensor([1.0, 2.0])
    assert marks(tg.argmax(x)) == ({}, "checked: nothing found")
    w = tg.parameter([1.0, 2.0])
    assert marks(w * 2.0) == ({}, "checked: nothing found")


def test_what_is_folded_is_counted():
    J = net(b1=-50.0, g1=tg.relu)
    drawing = drawing_of(J, None)
    inside, outside = drawing.boxes[:-1], drawing.boxes[-1]
    group = Box(J, "group", [Span("all")], "", None, 0, (), inner=Drawing(drawing.reading, inside))
    folded = Drawing(drawing.reading, [group, outside])
    mark(folded)
    assert (as_text(group.mark), group.begins, outside.mark) == ("▲ 5 within", True, None)


def test_what_is_drawn_once_shows_the_worst_of_its_copies():
    J = deep(12, tg.sigmoid)
    drawing, named = drawing_of(J, None), {x.name: x for x in tg.toposort(J)}
    last = {named[name] for name in ("W12", "Z12", "A12", "J")}
    drawing.boxes = [box for box in drawing.boxes if box.node in last]
    drawing.shown_by = {named[f"{kind}{i}"]: named[f"{kind}12"] for kind in "WZA" for i in range(1, 13)}
    mark(drawing)
    Z12 = next(box for box in drawing.boxes if box.node is named["Z12"])
    ratio = min(f.ratio for f in Examination(drawing.reading).findings if f.tensor is named["Z1"])
    assert as_text(Z12.mark) == f"▲ vanishing: {ratio:.2g} of dZ12".replace("e-", "e−")


def test_a_mark_is_a_line_of_its_own_and_a_thick_border():
    J = net(b1=-50.0, g1=tg.relu)
    dot = Dot(tg.draw(J, check=True).source)
    assert dot.title[-1] == "checked: ▲ where it begins (A1), △ where it is felt (W1, W2, b1, Z1)"
    lines = {dot.name[node]: lines[-1] for node, lines in dot.lines.items()}
    assert lines["A[1]"] == "▲ dead units: all 4"
    assert lines["W[1]"] == "△ gradient 0: A[1] is dead"
    assert (dot.nodes["A[1]"]["penwidth"], dot.nodes["A[1]"]["color"]) == ("3", "black")
    assert dot.nodes["Z[1]"].get("penwidth") in (None, "")
    assert 'BGCOLOR="#F0E442"' in dot.nodes["A[1]"]["label"]
    assert 'BGCOLOR="white"' in dot.nodes["W[1]"]["label"]
    plain = Dot(tg.draw(J).source)
    assert not any("▲" in line or "△" in line for lines in plain.lines.values() for line in lines)
    assert not any("checked" in line for line in plain.title)


def test_the_picture_and_its_text_show_marks():
    picture = tg.draw(net(b1=-50.0, g1=tg.relu), check=True)
    assert "▲ dead units: all 4" in str(picture)
    texts = [text for texts in svg_boxes(svg_of(picture)).values() for text in texts]
    assert "▲ dead units: all 4" in texts


def test_names_in_marks_are_inert():
    w = tg.parameter([1.0, 2.0], name="<b>&\\N</b>")
    zero = tg.Tensor([0.0, 0.0], name='"><script>')
    J = tg.sum(w * zero)
    picture = tg.draw(J, check=True)
    assert "<script>" not in picture.source
    svg_of(picture)


@pytest.mark.parametrize("step", [lambda h, w: tg.relu(h) * 2, lambda h, w: h * w], ids=["relu", "multiply"])
def test_a_deep_chain_without_names_is_marked_without_recursion(step):
    w = tg.parameter([0.0, 0.0])
    h = w
    for _ in range(2_000):
        h = step(h, w)
    L = tg.sum(h)
    L.backward()
    assert "gradient 0" in str(tg.draw(L, check=True))
