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
