"""Shape errors show the user's names, both shapes, where each came from, and what would fit."""

import copy
import pickle
import warnings

import numpy as np
import pytest

import tinygraph as tg
from tinygraph import errors
from tinygraph.errors import Operand


def parameters(*shapes):
    return [tg.parameter(np.ones(shape)) for shape in shapes]


def message(function):
    with pytest.raises(tg.ShapeError) as caught:
        function()
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, tg.TinygraphError)
    assert caught.value.__cause__ is None  # one message, not NumPy's and ours
    return str(caught.value)


def test_a_matrix_product_that_no_transpose_mends():
    W1, W2, X = parameters((3, 2), (1, 4), (2, 400))
    A1 = tg.tanh(W1 @ X)

    def layer_2():
        Z2 = W2 @ A1
        return Z2

    lines = message(layer_2).splitlines()
    assert lines[0] == ("W2 @ A1: W2 has 4 columns but A1 has 3 rows (4 ≠ 3), and a matrix product sums over them")
    assert lines[1].split()[:3] == ["W2", "(1,", "4)"]
    assert "A1 = tg.tanh(W1 @ X), test_errors.py:" in lines[2]
    assert "(3, 400)" in lines[2]
    assert lines[3] == "  try: no transpose fits: give W2 the shape (1, 3) or A1 4 rows"
    assert lines[4].startswith("  at test_errors.py:")
    assert lines[4].endswith(": Z2 = W2 @ A1")


@pytest.mark.parametrize(
    ("left", "right", "mend"),
    [
        ((4, 3), (4, 5), "A.T @ B, of shape (3, 5)"),
        ((3, 4), (5, 4), "A @ B.T, of shape (3, 5)"),
        ((3, 4), (5, 3), "B @ A, of shape (5, 4)"),
    ],
)
def test_a_matrix_product_that_a_transpose_or_a_swap_mends(left, right, mend):
    A, B = parameters(left, right)
    assert f"try: {mend}" in message(lambda: A @ B)


@pytest.mark.parametrize(("left", "right"), [((), (3,)), ((3, 2), ()), ((), ())])
def test_a_matrix_product_with_a_scalar(left, right):
    A, B = parameters(left, right)
    text = message(lambda: A @ B)
    assert "needs at least one axis" in text
    assert "try: multiply with *" in text


def test_leading_axes_that_do_not_broadcast():
    A, B = parameters((2, 3, 4), (5, 4, 6))
    assert "the leading axes (2,) and (5,) do not broadcast" in message(lambda: A @ B)


def test_a_bias_without_its_second_axis():
    W, b, X = parameters((4, 2), (4,), (2, 400))
    text = message(lambda: W @ X + b)
    assert "axis −1 (4 ≠ 400)" in text
    assert "W @ X  (4, 400)" in text
    assert "try: a column: give b the shape (4, 1), as with b.reshape(-1, 1)" in text


def test_a_bias_that_lies_on_its_side():
    Z, b = parameters((4, 400), (1, 4))
    assert "try: b.T, of shape (4, 1)" in message(lambda: Z + b)


def test_operands_keep_the_names_they_were_given():
    A = tg.parameter(np.ones((2, 3)), name="weights of the encoder")
    B = tg.Tensor(np.ones((2, 4)))
    assert "weights of the encoder" in message(lambda: A * B)


def test_a_plain_array_is_called_what_the_source_calls_it():
    Z, raw = tg.parameter(np.ones((2, 3))), np.ones((2, 4))
    text = message(lambda: Z - raw)
    assert "raw  (2, 4)  a plain array" in text
    assert "raw  (2, 4)  a plain array" in message(lambda: raw - Z)


@pytest.mark.parametrize(
    "attempt",
    [
        lambda A, B: A + B,
        lambda A, B: tg.maximum(A, B),
        lambda A, B: tg.where(A > 0, A, B),
        lambda A, B: A < B,
        lambda A, B: tg.concat([A, B], axis=0),
        lambda A, B: tg.stack([A, B]),
        lambda A, B: A.reshape(7, 7),
        lambda A, B: A.sum(axis=5),
        lambda A, B: tg.mean(A, axis=(0, 0)),
        lambda A, B: tg.permute_dims(A, (0, 1, 2)),
        lambda A, B: tg.broadcast_to(A, (5, 5)),
        lambda A, B: tg.matrix_transpose(A[0]),
        lambda A, B: tg.max(A[:0]),
        lambda A, B: tg.log_loss(tg.sigmoid(A), tg.sigmoid(B)),
        lambda A, B: np.add(A, B),
    ],
)
def test_every_op_names_its_operands(attempt):
    A, B = parameters((2, 3), (4, 5))
    text = message(lambda: attempt(A, B))
    assert "A" in text
    assert "(2, 3)" in text or "[0]" in text or "[:0]" in text


def test_an_index_out_of_bounds_stays_an_index_error():
    A = tg.parameter(np.ones(3))
    with pytest.raises(IndexError, match="out of bounds") as caught:
        A[7]
    assert "A[7]" in caught.value.__notes__[0]


def test_the_error_of_a_deep_call_points_to_the_users_line():
    def forward(W, X):
        return tg.tanh(W @ X)

    W, X = parameters((2, 3), (2, 3))
    text = message(lambda: forward(W, X))
    assert "return tg.tanh(W @ X)" in text


@pytest.mark.parametrize(
    ("shape", "hint"),
    [((3, 2), "dW.T, of shape (2, 3)"), ((2,), ""), ((6,), "")],
)
def test_a_gradient_of_the_wrong_shape(shape, hint):
    W = tg.parameter(np.ones((2, 3)))
    for attempt in (lambda: setattr(W, "grad", np.ones(shape)), lambda: W.backward(np.ones(shape))):
        text = message(attempt)
        assert "a tensor and its gradient always have the same shape" in text
        assert "W" in text
        assert hint in text


def test_a_gradient_that_was_not_summed_over_the_columns():
    b = tg.parameter(np.ones((4, 1)))
    text = message(lambda: setattr(b, "grad", np.ones((4, 400))))
    assert "sum over axis 1 with keepdims=True" in text


def test_a_scalar_is_needed_to_start_from():
    Z = tg.parameter(np.ones((2, 3))) * 2
    assert "only a scalar has a gradient of its own" in message(Z.backward)


# -- the bias that fits by accident --------------------------------------------------------------------------------


def test_a_bias_that_broadcasts_along_the_wrong_axis_is_worth_a_warning():
    W, b = parameters((4, 3), (4,))
    X = tg.Tensor(np.ones((3, 4)))
    with pytest.warns(tg.BroadcastWarning, match=r"b of shape \(4,\) .* give it the shape \(4, 1\)"):
        W @ X + b
    with pytest.warns(tg.BroadcastWarning):
        b + W @ X


def test_a_vector_and_a_column_that_give_every_pair_are_worth_a_warning():
    W, b = parameters((4, 2), (4, 1))
    x, y = tg.Tensor(np.ones(2)), tg.Tensor(np.ones((4, 1)))
    for result in (lambda: W @ x + b, lambda: b + W @ x, lambda: W @ x - y, lambda: y - W @ x):
        with pytest.warns(tg.BroadcastWarning, match=r"[by] of shape \(4, 1\) .* every pair; give [by] the shape"):
            result()


def test_the_warning_comes_once_for_each_line_and_can_be_switched_off():
    W, b = parameters((4, 3), (4,))
    X = np.ones((3, 4))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(3):
            W @ X + b
    assert len(caught) == 1
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", tg.BroadcastWarning)
        W @ X + b


@pytest.mark.parametrize(
    "harmless",
    [
        lambda W, b, X: X @ W.T + b,  # examples as rows: one number for each unit
        lambda W, b, X: W @ X.T + b.reshape(-1, 1),
        lambda W, b, X: (W @ X.T).sum(axis=0) + b,
        lambda W, b, X: W @ W + b,
        lambda W, b, X: W @ X.T + b.data,
        lambda W, b, X: b.reshape(-1, 1) - b,
        lambda W, b, X: b[:, None] - b,
        lambda W, b, X: (W @ b)[:, None] - b,
    ],
)
def test_what_is_right_is_not_warned_of(harmless):
    W, b = parameters((4, 4), (4,))
    harmless(W, b, tg.Tensor(np.ones((4, 4))))


# -- the parts -----------------------------------------------------------------------------------------------------


def test_the_nearest_known_name():
    assert "tanh" in errors.nearest("arctanh", ["sin", "tanh"])
    assert errors.nearest("xyz", ["sin", "tanh"]) == ""


def test_hints_put_expressions_in_parentheses():
    reason, hints = errors.matmul_mismatch(Operand("A + B", (4, 3)), Operand("C", (4, 5)))
    assert "A + B has 3 columns" in reason
    assert hints[0].startswith("(A + B).T @ C")


@pytest.mark.parametrize(
    ("shapes", "fit"),
    [([(2, 3), (3,)], True), ([(2, 3), (2,)], False), ([(), (4,)], True), ([(1, 3), (2, 1), (3,)], True)],
)
def test_broadcastable(shapes, fit):
    assert errors.broadcastable(*shapes) == fit


def test_a_shape_error_keeps_what_does_not_fit_for_a_picture():
    A, B = parameters((2, 3), (4, 5))
    with pytest.raises(tg.ShapeError) as caught, tg.scope("layer"):
        A @ B
    misfit = caught.value.misfit
    assert misfit.text == "A @ B"
    assert misfit.operands[0] is A
    assert misfit.operands[1] is B
    assert misfit.scope == ("layer",)


def test_copies_and_pickles_of_a_shape_error_keep_the_message_alone():
    A, B = parameters((2, 3), (4, 5))
    with pytest.raises(tg.ShapeError) as caught:
        A @ B
    error = caught.value
    error.add_note("in layer 2")
    for other in (copy.copy(error), copy.deepcopy(error), pickle.loads(pickle.dumps(error))):
        assert type(other) is tg.ShapeError
        assert str(other) == str(error)
        assert other.__notes__ == ["in layer 2"]
        assert other.misfit is None
        assert other.picture is None


# -- advice --------------------------------------------------------------------------------------------------------


def changed(again):
    x = tg.parameter([1.0, 2.0])
    y = tg.sum(x * x)
    x.data -= 1.0
    return tg.gradients(tg.sum(x * x) if again else y, x)


def given(gradient):
    b = tg.parameter(np.ones((2, 1)))
    b.grad = gradient


V, M = tg.parameter([1.0, 2.0]), tg.parameter([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
MASKED = np.ma.array([1.0, 2.0], mask=[False, True])
ADVICE = {  # a mistake, what is said to do, and what comes of doing it
    "a sum": (lambda: (V * 2).backward(), "Sum it first", lambda: tg.sum(V * 2).backward()),
    "a cotangent": (
        lambda: (V * 2).backward(),
        "give grad= an array of shape (2,)",
        lambda: (V * 2).backward(np.ones(2)),
    ),
    "a change": (lambda: changed(False), "compute it again before differentiating", lambda: changed(True)),
    "backward in a program": (
        lambda: tg.compile(lambda x: tg.sum(x).backward())(np.ones(2)),
        "use gradients or grad",
        lambda: tg.compile(lambda x: tg.gradients(tg.sum(x), x) + tg.grad(tg.sum)(x))(np.ones(2)),
    ),
    "detach in a program": (
        lambda: tg.compile(lambda x: x * x.detach())(np.ones(2)),
        "tg.stop_gradient(x) is recorded",
        lambda: tg.compile(lambda x: x * tg.stop_gradient(x))(np.ones(2)),
    ),
    "a copy in a program": (
        lambda: tg.compile(lambda x: tg.Tensor(x) + 1)(np.ones(2)),
        "use the tensor itself",
        lambda: tg.compile(lambda x: x + 1)(np.ones(2)),
    ),
    "a number in a program": (
        lambda: tg.compile(lambda x: x if x[0] > 0 else -x)(np.ones(2)),
        "choose by value with tg.where",
        lambda: tg.compile(lambda x: tg.where(x[0] > 0, x, -x))(np.ones(2)),
    ),
    "an array of tensors": (
        lambda: np.array([V, V]),
        "join tensors with tg.stack; take .data, .item() or .detach()",
        lambda: (tg.stack([V, V]), np.array([V.data, V.data]), np.array([V.detach(), V.detach()])),
    ),
    "a number": (lambda: float(V[0]), "take .data, .item() or .detach()", lambda: (V[0].item(), float(V[0].detach()))),
    "data": (lambda: tg.Tensor([V, V]), "one tensor of them with stack", lambda: tg.stack([V, V])),
    "masked data": (lambda: tg.Tensor(MASKED), "data.filled(0)", lambda: tg.Tensor(MASKED.filled(0))),
    "integers": (
        lambda: tg.parameter([1, 2]),
        "np.asarray(data, dtype=float)",
        lambda: tg.parameter(np.asarray([1, 2], dtype=float)),
    ),
    "the other way round": (
        lambda: (M * 1).backward(np.ones((3, 2))),
        "its gradient.T",
        lambda: (M * 1).backward(np.ones((3, 2)).T),
    ),
    "broadcast": (
        lambda: given(np.ones((2, 3))),
        "sum over axis 1 with keepdims=True",
        lambda: given(np.ones((2, 3)).sum(axis=1, keepdims=True)),
    ),
    "a tensor for an axis": (
        lambda: tg.sum(M, axis=tg.Tensor(1)),
        "take .item() of it",
        lambda: tg.sum(M, axis=tg.Tensor(1).item()),
    ),
    "a tensor for a shape": (
        lambda: tg.reshape(M, tg.Tensor([3, 2])),
        "take .tolist() of it",
        lambda: tg.reshape(M, tg.Tensor([3, 2]).tolist()),
    ),
    "an element": (lambda: V.__setitem__(0, 1.0), "x.at[key].set(values)", lambda: V.at[0].set(1.0)),
    "an integer": (lambda: tg.grad(tg.exp)(3), "Give it 3.0", lambda: tg.grad(tg.exp)(3.0)),
    "an array of integers": (
        lambda: tg.grad(tg.sum)(np.array([3])),
        "np.asarray(x, dtype=float)",
        lambda: tg.grad(tg.sum)(np.asarray([3], dtype=float)),
    ),
    "several results": (
        lambda: tg.grad(tg.exp)(np.ones(2)),
        "for several results use tg.jacobian",
        lambda: tg.jacobian(tg.exp)(np.ones(2)),
    ),
    "a pair": (
        lambda: tg.grad(lambda x: (tg.sum(x), x))(np.ones(2)),
        "with has_aux=True",
        lambda: tg.grad(lambda x: (tg.sum(x), x), has_aux=True)(np.ones(2)),
    ),
    "a constant": (
        lambda: tg.grad(lambda x: 3.0)(1.0),
        "make a constant with tg.Tensor",
        lambda: tg.grad(lambda x: tg.Tensor(3.0))(1.0),
    ),
    "no tuple": (
        lambda: tg.jvp(tg.sum, np.ones(2), np.ones(2)),
        "as in (primal,)",
        lambda: tg.jvp(tg.sum, (np.ones(2),), (np.ones(2),)),
    ),
}


@pytest.mark.parametrize("case", ADVICE)
def test_who_follows_the_advice_of_an_error_gets_no_other(case):
    mistake, advice, cure = ADVICE[case]
    with pytest.raises(tg.TinygraphError) as caught:
        mistake()
    assert advice in str(caught.value)
    cure()
