"""The log loss cannot blow up."""

import numpy as np
import pytest

import tinygraph as tg

EXTREME = [-1000.0, -40.0, -1.0, 0.0, 1.0, 40.0, 1000.0]


def exact(z, y):
    """log(1 + e^z) − z y, in whole numbers of a precision that nothing is lost in."""
    from decimal import Decimal, localcontext

    with localcontext() as context:
        context.prec = 900
        z, y = Decimal(z), Decimal(y)
        return float((1 + z.exp()).ln() - z * y)


@pytest.mark.parametrize("y", [0.0, 1.0, 0.25])
@pytest.mark.parametrize("z", EXTREME)
def test_log_loss_of_sigmoid_is_exact_and_so_is_dz(z, y):
    Z = tg.parameter([[z]])
    a = tg.sigmoid(Z)
    J = tg.log_loss(a, [[y]])
    J.backward()
    assert J.item() == pytest.approx(exact(z, y), rel=1e-14)
    assert Z.grad == a.data - y
    assert a.grad.shape == (1, 1)


@pytest.mark.parametrize("y", [0.0, 1.0])
def test_infinite_logits_are_right_too(y):
    Z = tg.parameter([np.inf, -np.inf])
    J = tg.log_loss(tg.sigmoid(Z), np.array([y, y]), reduction="none")
    J.backward(np.ones(2))
    assert J.data.tolist() == ([0.0, np.inf] if y else [np.inf, 0.0])
    assert Z.grad.tolist() == [1 - y, -y]


@pytest.mark.parametrize(
    ("a", "y", "value", "da"),
    [
        (0.0, 0.0, 0.0, 1.0),
        (1.0, 1.0, 0.0, -1.0),
        (0.0, 1.0, np.inf, -np.inf),
        (1.0, 0.0, np.inf, np.inf),
        (0.0, 0.5, np.inf, -np.inf),
        (1.0, 0.5, np.inf, np.inf),
    ],
)
def test_probabilities_of_exactly_0_and_1_give_the_mathematical_answer(a, y, value, da):
    A = tg.parameter([a])
    with np.errstate(divide="ignore"):
        J = tg.log_loss(A, [y])
        J.backward()
    assert J.item() == value
    assert A.grad == da


def test_no_warning_where_the_answer_is_finite():
    A = tg.parameter([0.0, 1.0, 0.3])
    tg.log_loss(A, [0.0, 1.0, 0.0]).backward()  # warnings are errors here
    tg.sigmoid([-1000.0, 1000.0])
    tg.softplus([-1000.0, 1000.0])


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_reductions_agree_with_each_other_with_and_without_sigmoid(reduction, rng):
    z, y = rng.normal(size=(2, 3)), rng.random((2, 3))
    grads = []
    for through_sigmoid in (True, False):
        Z = tg.parameter(z)
        a = tg.sigmoid(Z) if through_sigmoid else 1 / (1 + tg.exp(-Z))
        J = tg.log_loss(a, y, reduction=reduction)
        assert J.op.name == ("log_loss_of_sigmoid" if through_sigmoid else "log_loss")
        J.backward(np.ones(J.shape))
        grads.append((J.data, Z.grad, a.grad))
    for one, other in zip(*grads, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)


def test_other_uses_of_a_propagate_as_usual(rng):
    """J = log loss + 0.3 Σ a²: the loss's part of da is not counted twice."""
    z, y = rng.normal(size=(1, 5)), np.ones((1, 5))
    Z = tg.parameter(z)
    a = tg.sigmoid(Z)
    J = tg.log_loss(a, y, reduction="sum") + 0.3 * tg.sum(a**2)
    as_nodes = tg.gradients(J, [a, Z])
    J.backward()
    A = a.data
    da = -y / A + (1 - y) / (1 - A) + 0.6 * A
    np.testing.assert_allclose(a.grad, da, rtol=1e-13)
    np.testing.assert_allclose(Z.grad, da * A * (1 - A), rtol=1e-13)
    np.testing.assert_allclose(as_nodes[0].data, a.grad, rtol=1e-15)
    np.testing.assert_allclose(as_nodes[1].data, Z.grad, rtol=1e-15)


@pytest.mark.parametrize("labels", [[[0.0, 1.1]], [[-0.1, 0.0]], [[np.nan, 0.0]], [[2.0, 3.0]]])
def test_labels_outside_0_and_1_are_refused(labels):
    A2, Y = tg.Tensor([[0.3, 0.4]]), tg.Tensor(labels)
    with pytest.raises(tg.ArgumentError, match=r"between 0 and 1, but Y has"):
        tg.log_loss(A2, Y)


def test_labels_changed_between_two_steps_are_looked_at_again():
    A2, Y = tg.Tensor([[0.3, 0.4]]), tg.Tensor([[0.0, 1.0]])
    tg.log_loss(A2, Y)
    Y.data[0, 0] = 7
    with pytest.raises(tg.ArgumentError):
        tg.log_loss(A2, Y)


@pytest.mark.parametrize("shape", [(4,), (4, 1), (1, 3), (), (1, 4, 1)])
def test_shapes_that_do_not_match_are_refused(shape):
    A2, Y = tg.Tensor(np.full((1, 4), 0.5)), tg.Tensor(np.ones(shape))
    with pytest.raises(tg.ShapeError, match=r"a label of its own") as caught:
        tg.log_loss(A2, Y)
    lines = str(caught.value).splitlines()
    assert lines[1].startswith("  A2  (1, 4)")
    assert lines[2].startswith(f"  Y   {shape}")
    assert ("  try: Y.T, of shape (1, 4)" in lines) == (shape == (4, 1))
    assert ("  try: Y.reshape(1, 4)" in lines) == (shape in [(4,), (1, 4, 1)])


def test_an_unknown_reduction_is_refused():
    with pytest.raises(tg.ArgumentError, match="avg"):
        tg.log_loss([0.5], [1.0], reduction="avg")


# -- z changed, second order, dtypes -------------------------------------------------------------------------------


@pytest.mark.parametrize("labels", [[1.0], [0.0], [0.4]])
def test_a_logit_changed_after_the_sigmoid_does_not_change_the_loss(labels):
    z = tg.parameter([0.0])
    a = tg.sigmoid(z)
    z.data[...] = 5
    J = tg.log_loss(a, labels)
    J.backward()
    assert J.item() == pytest.approx(np.log(2))
    assert z.grad == pytest.approx(0.5 - labels[0])


def second(J, x, y):
    return tg.gradients(tg.gradients(J, x).sum(), y).data


@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize("through_z", [True, False])
def test_second_derivatives_of_the_loss(through_z, reduction):
    """∂²L/∂a² = y/a² + (1 − y)/(1 − a)², ∂²L/∂a∂y = −1/(a (1 − a)), also at hard labels."""
    z, y = tg.parameter([0.3, -1.2, 2.0]), tg.parameter([0.0, 1.0, 0.4])
    a = tg.sigmoid(z) if through_z else tg.parameter(tg.sigmoid(z).data)
    J = tg.log_loss(a, y, reduction)
    A, Y, count = a.data, y.data, 3 if reduction == "mean" else 1
    np.testing.assert_allclose(second(J, a, a), (Y / A**2 + (1 - Y) / (1 - A) ** 2) / count, rtol=1e-12)
    np.testing.assert_allclose(second(J, a, y), -1 / (A * (1 - A)) / count, rtol=1e-12)
    np.testing.assert_allclose(second(J, y, a), -1 / (A * (1 - A)) / count, rtol=1e-12)
    if through_z:
        np.testing.assert_allclose(second(J, z, z), A * (1 - A) / count, rtol=1e-12)
        np.testing.assert_allclose(second(J, z, y), np.full(3, -1 / count), rtol=1e-12)
        np.testing.assert_allclose(second(J, y, z), np.full(3, -1 / count), rtol=1e-12)


def test_da_is_exact_where_a_is_rounded_to_one():
    z = tg.parameter([40.0])
    a = tg.sigmoid(z)
    tg.log_loss(a, [0.0]).backward()
    assert a.data == 1.0
    assert a.grad == pytest.approx(1 + np.exp(40.0))


@pytest.mark.parametrize("labels", [np.float64, np.float32, np.int64])
@pytest.mark.parametrize("shape", [(), (3,)])
def test_dtypes_are_the_same_through_z_and_through_a(labels, shape):
    z = np.zeros(shape, np.float32)
    y = np.ones(shape, labels)
    a = tg.sigmoid(tg.Tensor(z))
    assert tg.log_loss(a, y).dtype == tg.log_loss(tg.Tensor(a.data), y).dtype


def test_the_loss_of_the_sigmoid_of_integers_and_booleans():
    for data in ([True, False], [3, -3]):
        a = tg.sigmoid(tg.Tensor(data))
        assert np.isfinite(tg.log_loss(a, [1.0, 0.0]).item())


# -- from logits, and of several classes ---------------------------------------------------------------------------


@pytest.mark.parametrize("y", [0.0, 1.0, 0.25])
@pytest.mark.parametrize("z", EXTREME)
def test_log_loss_from_logits_is_exact_and_so_is_dz(z, y):
    Z = tg.parameter([z])
    J = tg.log_loss_from_logits(Z, [y])
    J.backward()
    assert J.item() == pytest.approx(exact(z, y), rel=1e-14)
    assert Z.grad == tg.sigmoid([z]).data - y
    weighted = tg.log_loss_from_logits(Z, [y], pos_weight=3.0)
    weighted.backward()
    assert weighted.item() == pytest.approx(3 * y * exact(z, 1.0) + (1 - y) * exact(z, 0.0), rel=1e-14)


def test_the_loss_of_two_classes_is_the_log_loss(rng):
    z, y = rng.normal(size=6) * 10, rng.integers(0, 2, 6)
    two = tg.cross_entropy(np.stack([np.zeros(6), z], axis=1), y, reduction="none")
    np.testing.assert_allclose(two.data, tg.log_loss_from_logits(z, y, "none").data, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("form", ["classes", "one-hot", "one-hot integers", "soft"])
def test_dz_is_softmax_less_labels(axis, form, rng):
    Z = tg.parameter(rng.normal(size=(3, 3)) * 100)
    classes = np.array([2, 0, 2])
    Y = np.eye(3)[classes] if axis else np.eye(3)[classes].T
    given = {"classes": classes, "one-hot": Y, "one-hot integers": Y.astype(int), "soft": (Y + 1) / 4}[form]
    J = tg.cross_entropy(Z, given, axis=axis, reduction="sum")
    J.backward()
    Y = (Y + 1) / 4 if form == "soft" else Y
    np.testing.assert_allclose(Z.grad, tg.softmax(Z, axis=axis).data - Y, atol=1e-15)
    lines = [" ".join(line.split()) for line in str(tg.derive(J)).splitlines()]
    labels = "one-hot(classes)" if form == "classes" else "given"
    assert any(line.startswith("dZ = softmax") and "Z" in line for line in lines), (labels, lines)


def test_a_sure_network_has_an_exact_loss():
    """1 + e⁻¹⁰ beside 1000, where log Σ e^z − z would have lost it."""
    z = tg.parameter(np.array([[1000.0, 990.0, -1000.0]]))
    J = tg.cross_entropy(z, [0])
    J.backward()
    assert J.item() == pytest.approx(np.log1p(np.exp(-10)), rel=1e-11)
    np.testing.assert_allclose(z.grad, [[-np.exp(-10) / (1 + np.exp(-10)), 1 / (1 + np.exp(10)), 0.0]], rtol=1e-11)


def test_a_class_that_is_ruled_out_does_not_disturb_the_others():
    z = tg.parameter([[0.0, -np.inf, 0.0]])
    J = tg.cross_entropy(z, [0])
    J.backward()
    assert J.item() == pytest.approx(np.log(2))
    assert z.grad.tolist() == [[-0.5, 0, 0.5]]
    assert tg.cross_entropy(z, [1]).item() == np.inf


def test_gradients_reach_labels_that_are_computed(rng):
    """∂L/∂y = −z, which is −log a but for a number that all classes share, which a sum that stays 1 does not see."""
    z, teacher = rng.normal(size=(2, 3)), tg.parameter(rng.normal(size=(2, 3)))

    def written_out(y):
        return -tg.sum(y * tg.log(tg.softmax(z)))

    for y in (lambda: tg.softmax(teacher), lambda: tg.softmax(teacher**2)):
        ours = tg.gradients(tg.cross_entropy(z, y(), reduction="sum"), teacher)
        np.testing.assert_allclose(ours.data, tg.gradients(written_out(y()), teacher).data, rtol=1e-9)
    again = tg.compile(tg.grad(lambda t: tg.cross_entropy(z, tg.softmax(t), reduction="sum")))(teacher.data)
    np.testing.assert_allclose(again, tg.gradients(written_out(tg.softmax(teacher)), teacher).data, rtol=1e-9)


def test_examples_that_are_ignored_do_not_count():
    z, y = tg.parameter(np.arange(6.0).reshape(3, 2) ** 2), np.array([0, -1, 1])
    J = tg.cross_entropy(z, y, ignore_index=-1)
    J.backward()
    assert J.item() == pytest.approx(tg.cross_entropy(z.data[[0, 2]], [0, 1]).item())
    assert not z.grad[1].any()


def test_a_program_looks_at_the_classes_too():
    compiled = tg.compile(tg.value_and_grad(tg.cross_entropy))
    z = np.zeros((2, 3))
    assert compiled(z, np.array([0, 2]))[0] == pytest.approx(np.log(3))
    for labels in ([0, 3], [-1, 0]):
        with pytest.raises(IndexError, match=r"the classes are 0 to 2, but labels are from"):
            compiled(z, np.array(labels))


def test_weights_make_a_weighted_mean():
    z, y, weight = np.arange(6.0).reshape(3, 2) ** 2, np.array([0, 1, 1]), np.array([3.0, 1.0])
    each = tg.cross_entropy(z, y, reduction="none").data
    J = tg.cross_entropy(z, y, weight=weight)
    assert J.item() == pytest.approx((3 * each[0] + each[1] + each[2]) / 5)


@pytest.mark.parametrize("options", [{}, {"label_smoothing": 0.1}, {"weight": [1.0, 2.0, 3.0]}, {"ignore_index": 1}])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_labels_do_not_widen_the_loss(options, dtype):
    z = tg.parameter(np.zeros((2, 3), dtype))
    J = tg.cross_entropy(z, [0, 1], **options)
    J.backward()
    assert J.dtype == z.grad.dtype == dtype
    if "ignore_index" not in options:
        assert tg.cross_entropy(z, np.eye(3, dtype=int)[:2], **options).dtype == dtype


# -- numbers, margins, distributions -------------------------------------------------------------------------------


def test_the_second_derivative_of_huber_is_1_inside_and_0_beyond():
    x = tg.parameter([0.0, 0.5, -0.5, 3.0, -3.0])
    (dx,) = [tg.gradients(tg.huber(x, np.zeros(5), reduction="sum"), x)]
    assert dx.data.tolist() == [0, 0.5, -0.5, 1, -1]
    assert tg.gradients(dx.sum(), x).data.tolist() == [1, 1, 1, 0, 0]


def test_no_overflow_where_the_loss_is_finite():
    assert tg.huber([1e300], [-1e300]).item() == 2e300
    assert tg.kl_div([1.0, 0.0], [1e-320, 1.0]).item() == pytest.approx(-np.log(1e-320))


def test_the_divergence_at_the_edges():
    P, Q = tg.parameter([1.0, 0.0]), tg.parameter([0.5, 0.5])
    J = tg.kl_div(P, Q)
    dQ = tg.gradients(J, Q)
    assert J.item() == pytest.approx(np.log(2))
    assert dQ.data.tolist() == [-2, 0]
    assert tg.kl_div([0.0, 1.0], [0.0, 1.0]).item() == 0  # warnings are errors here
    with np.errstate(divide="ignore"):
        assert tg.kl_div([0.5, 0.5], [1.0, 0.0]).item() == np.inf
    mixed = tg.gradients(dQ[1], P)
    assert mixed.data.tolist() == [0, -2]  # also where p = 0


@pytest.mark.parametrize("loss", [tg.mse, tg.mae, tg.huber, tg.smooth_l1, tg.hinge, tg.log_loss_from_logits])
@pytest.mark.parametrize("shape", [(4, 1), (1, 4), (3,), ()])
def test_labels_never_broadcast(loss, shape):
    yhat, y = tg.Tensor(np.zeros(4)), tg.Tensor(np.ones(shape))
    with pytest.raises(tg.ShapeError, match=r"of its own, so the shapes must be the same") as caught:
        loss(yhat, y)
    assert str(caught.value).splitlines()[1].startswith("  yhat  (4,)")


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda Z, y: tg.cross_entropy(Z, y.reshape(-1, 1)), tg.ShapeError, r"classes, of shape \(4,\), or prob"),
        (lambda Z, y: tg.cross_entropy(Z, y[:3]), tg.ShapeError, r"labels must be classes, of shape \(4,\)"),
        (lambda Z, y: tg.cross_entropy(Z, y, axis=0), tg.ShapeError, r"labels must be classes, of shape \(3,\)"),
        (lambda Z, y: tg.cross_entropy(Z, y.astype(float)), tg.DTypeError, r"classes must be whole numbers"),
        (lambda Z, y: tg.cross_entropy(Z, y + 1), tg.ArgumentError, r"0 to 2, but .* 3; if they begin with 1, take"),
        (lambda Z, y: tg.cross_entropy(Z, y - 1), tg.ArgumentError, r"the classes are 0 to 2, but .* has -1"),
        (lambda Z, y: tg.cross_entropy(Z, Z), tg.ArgumentError, r"probabilities must add up to 1 along axis 1"),
        (lambda Z, y: tg.cross_entropy(Z, Z - 2), tg.ArgumentError, r"at least 0, .*; are they logarithms"),
        (lambda Z, y: tg.cross_entropy(Z, np.full((4, 3), 1 / 4), axis=1), tg.ArgumentError, r"add up to 0.75"),
        (lambda Z, y: tg.cross_entropy(Z, y, axis=2), tg.ShapeError, r"axis 2 is out of bounds"),
        (lambda Z, y: tg.cross_entropy(Z, y, reduction="avg"), tg.ArgumentError, r"not 'avg'"),
        (lambda Z, y: tg.cross_entropy(Z, y, label_smoothing=2), tg.ArgumentError, r"label_smoothing must be between"),
        (lambda Z, y: tg.cross_entropy(Z, y, weight=[1, 2]), tg.ArgumentError, r"each of the 3 classes"),
        (
            lambda Z, y: tg.cross_entropy(Z, np.eye(3)[y], ignore_index=0),
            tg.ArgumentError,
            r"these labels are probabilities",
        ),
        (
            lambda Z, y: tg.hinge([0.1, 0.2], [0, 1]),
            tg.ArgumentError,
            r"−1 or 1, but .* for labels of 0 and 1 take 2 \*",
        ),
        (lambda Z, y: tg.hinge([0.1, 0.2], [2, 1]), tg.ArgumentError, r"has 2$"),
        (lambda Z, y: tg.kl_div(np.log([0.5, 0.5]), [0.5, 0.5]), tg.ArgumentError, r"are they logarithms"),
        (lambda Z, y: tg.kl_div([0.5, 0.5], [0.5, 0.6]), tg.ArgumentError, r"add up to 1 .* 1\.1"),
        (lambda Z, y: tg.huber([1.0], [1.0], delta=0), tg.ArgumentError, r"delta must be positive"),
        (lambda Z, y: tg.smooth_l1([1.0], [1.0], beta=0), tg.ArgumentError, r"for 0 use mae"),
        (lambda Z, y: tg.log_loss_from_logits([1.0], [2.0]), tg.ArgumentError, r"between 0 and 1"),
        (lambda Z, y: tg.log_loss_from_logits([1.0], [1.0], pos_weight=[1.0, 2.0]), tg.ShapeError, r"pos_weight broad"),
    ],
)
def test_what_has_no_meaning_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call(np.ones((4, 3)), np.array([0, 2, 1, 0]))


@pytest.mark.parametrize("labels", [np.array([0, 1]), np.array([False, True])], ids=["integers", "booleans"])
def test_labels_do_not_widen_float32(labels):
    z = np.zeros(2, np.float32)
    for loss in (tg.log_loss(tg.sigmoid(z), labels), tg.log_loss_from_logits(z, labels), tg.log_loss(z + 0.5, labels)):
        assert loss.dtype == np.float32
