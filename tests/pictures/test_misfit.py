"""The picture that a shape error carries: what was built, the operands that do not fit, and what was to be done."""

import gc
import weakref

import numpy as np
import pytest
from drawn import LABELS, Dot, svg_boxes, svg_of

import tinygraph as tg
from tinygraph.pictures.misfit import drawing_of_misfit
from tinygraph.writing.notation import as_text


def ones(*shape):
    return tg.parameter(np.ones(shape))


def error_of(function, kind=tg.ShapeError):
    with pytest.raises(kind) as caught:
        function()
    return caught.value


def drawing_of(function):
    return drawing_of_misfit(error_of(function).misfit, None)


def marked(drawing):
    """The first lines of the boxes of operands that do not fit, and both lines of the last box."""
    assert [box.role for box in drawing.boxes].count("failed") == 1
    last = drawing.boxes[-1]
    return [as_text(box.title) for box in drawing.boxes if box.role == "misfit"], [as_text(last.title), last.value]


def net(W2=(1, 4), b1=(4, 1), Y=(1, 400)):
    X, Y = tg.Tensor(np.ones((2, 400))), tg.Tensor(np.ones(Y))
    W1, b1 = ones(4, 2), ones(*b1)
    W2, b2 = ones(*W2), ones(1, 1)
    Z1 = W1 @ X + b1
    A1 = tg.tanh(Z1)
    Z2 = W2 @ A1
    A2 = tg.sigmoid(Z2 + b2)
    J = tg.log_loss(A2, Y)
    return J


def test_a_weight_of_the_wrong_shape():
    drawing = drawing_of(lambda: net(W2=(1, 3)))
    assert [as_text(box.title) for box in drawing.boxes[:-1]] == [
        *("X", "W1", "b1", "W2   ✗"),
        "Z1 = W1 X + b1",
        "A1 = tanh(Z1)   ✗",
    ]
    assert marked(drawing) == (
        ["W2   ✗", "A1 = tanh(Z1)   ✗"],
        ["Z2 = W2 @ A1", "✗ (1, 3) and (4, 400) do not fit"],
    )
    into = {as_text(edge.source.title): edge.label for edge in drawing.edges if edge.target is drawing.boxes[-1]}
    assert into == {"W2   ✗": "1 × 3", "A1 = tanh(Z1)   ✗": "4 × 400"}


def test_a_bias_that_does_not_broadcast_to_a_product_without_a_name():
    assert marked(drawing_of(lambda: net(b1=(4,)))) == (
        ["b1   ✗", "t1 = W1 X   ✗"],
        ["Z1 = W1 @ X + b1", "✗ (4, 400) and (4,) do not fit"],
    )


def test_labels_of_the_wrong_shape():
    assert marked(drawing_of(lambda: net(Y=(400,)))) == (
        ["Y   ✗", "A2 = σ(Z2 + b2)   ✗"],
        ["J = tg.log_loss(A2, Y)", "✗ (1, 400) and (400,) do not fit"],
    )


def test_several_operands_and_one():
    a, b, c = ones(2, 3), ones(4, 5), ones(6)
    boxes, last = marked(drawing_of(lambda: tg.concat([a, b, c])))
    assert boxes == ["a   ✗", "b   ✗", "c   ✗"]
    assert last[1] == "✗ (2, 3), (4, 5) and (6,) do not fit"
    assert marked(drawing_of(lambda: a.reshape(7, 7)))[1] == ["a.reshape(7, 7)", "✗ (2, 3) does not fit"]
    assert marked(drawing_of(lambda: a @ a)) == (["a   ✗"], ["a @ a", "✗ (2, 3) and (2, 3) do not fit"])


def test_plain_arrays_numbers_and_constants_among_the_operands():
    a, raw = ones(2, 3), np.ones((2, 4))
    assert marked(drawing_of(lambda: a - raw))[0] == ["a   ✗", "raw   ✗"]
    assert marked(drawing_of(lambda: raw - a))[0] == ["a   ✗", "raw   ✗"]
    assert marked(drawing_of(lambda: a @ np.ones((2, 2))))[1][1] == "✗ (2, 3) and (2, 2) do not fit"
    boxes, last = marked(drawing_of(lambda: a @ tg.Tensor(2.0)))
    assert boxes == ["a   ✗", "t1   ✗"]
    assert last[1] == "✗ (2, 3) and () do not fit"
    assert marked(drawing_of(lambda: a @ 2.0))[1] == ["a @ 2.0", "✗ (2, 3) does not fit"]


def test_a_name_that_was_to_be_bound_anew_is_still_that_of_the_operand():
    def rebinds():
        Z, b = tg.exp(ones(4, 400)), ones(3)
        Z = Z + b

    boxes, last = marked(drawing_of(rebinds))
    assert boxes == ["Z = exp(t1)   ✗", "b   ✗"]
    assert last[0] == "Z = Z + b"


def test_the_box_of_what_fails_lies_in_its_scope():
    def within():
        with tg.scope("layer 2"):
            return ones(2, 3) @ ones(2, 3)

    assert drawing_of(within).boxes[-1].scope == ("layer 2",)


@pytest.mark.parametrize(
    "attempt",
    [
        lambda A, B: tg.where(A > 0, A, B),
        lambda A, B: tg.stack([A, B]),
        lambda A, B: A.sum(axis=5),
        lambda A, B: tg.permute_dims(A, (0, 1, 2)),
        lambda A, B: tg.broadcast_to(A, (5, 5)),
        lambda A, B: tg.cross_entropy(A, B),
        lambda A, B: tg.mse(A, B),
        lambda A, B: tg.conv2d(A, B),
        lambda A, B: tg.linalg.solve(A, B),
        lambda A, B: np.add(A, B),
        lambda A, B: tg.linalg.det(A),
    ],
)
def test_the_errors_of_all_ops_have_one(attempt):
    A, B = ones(2, 3), ones(4, 5)
    error = error_of(lambda: attempt(A, B), (tg.ShapeError,))
    assert "✗" in str(error.picture)


def test_errors_that_are_of_no_operands_have_none():
    def assigned():
        w = ones(3)
        w.data = np.ones(4)

    assert error_of(assigned).picture is None
    assert error_of(lambda: ones(3).backward()).picture is None
    assert tg.ShapeError("of one's own").picture is None


def test_the_picture_can_be_read_without_colour():
    error = error_of(lambda: net(W2=(1, 3)))
    dot = Dot(error.picture.source)
    thick = {name for name, attributes in dot.nodes.items() if attributes.get("penwidth") == "4"}
    assert thick == {"W[2]   ✗", "A[1]", "Z[2]"}
    assert dot.nodes["Z[2]"]["style"] == "dashed,filled"
    assert dot.forward["A[1]", "Z[2]"]["label"].strip() == "4 × 400"
    assert dot.title[0].startswith("the forward pass stops at test_misfit.py:")
    texts = [text for lines in svg_boxes(svg_of(error.picture)).values() for text in lines]
    assert "✗ (1, 3) and (4, 400) do not fit" in texts


def test_of_a_graph_that_is_too_large_it_shows_what_fails():
    x = ones(2)
    for _ in range(50_001):
        x = tg.sin(x)
    picture = error_of(lambda: x + np.ones(3)).picture
    assert str(picture).splitlines()[-1].endswith("✗ (2,) and (3,) do not fit")
    assert "tg.summary" in picture.source


def test_names_of_any_kind():
    for label in LABELS if isinstance(LABELS, list) else LABELS.values():
        x = tg.parameter(np.ones(2), name=label)
        with tg.scope(label):
            error = error_of(lambda x=x: x + np.ones(3))
        assert Dot(error.picture.source).size[0] == 3


def test_the_graph_lives_as_long_as_the_error_and_no_longer():
    def caught():
        try:
            net(W2=(1, 3))
        except tg.ShapeError as raised:
            return raised.with_traceback(None)  # which holds the frames

    gc.disable()
    try:
        error = caught()
        reference = weakref.ref(error.misfit.operands[1])
        assert reference() is not None
        del error
        assert reference() is None  # no cycle
    finally:
        gc.enable()


def test_drawing_changes_nothing():
    W, X = ones(4, 3), tg.Tensor(np.ones((2, 400)))
    error = error_of(lambda: W @ X)
    names = W.name, X.name
    with tg.no_grad():
        first = error.picture.source
    assert error.picture.source == first
    assert (W.name, X.name) == names
    assert W.grad is None
    tg.sum(W).backward()
