"""Running a recorded graph again."""

import numpy as np
import pytest

import tinygraph as tg
from tinygraph import ops
from tinygraph.graph.replaying import evaluate


def network():
    W, X = tg.parameter([[1.0, 2.0]]), tg.Tensor([[0.5, 1.0], [-1.0, 2.0]])
    A = tg.tanh(W @ X)
    return W, X, A, tg.sum(A * A, axis=1, keepdims=True)


def test_the_same_leaves_give_the_same_values():
    *_, A, J = network()
    values = evaluate([J, A])
    assert np.array_equal(values[0], J.data)
    assert np.array_equal(values[1], A.data)


def test_a_leaf_that_has_changed_is_read_anew():
    W, X, _, J = network()
    W.data *= 3
    assert np.array_equal(evaluate([J])[0], np.sum(np.tanh(W.data @ X.data) ** 2, axis=1, keepdims=True))


def test_other_values_stand_in_for_leaves_and_for_computed_nodes():
    W, X, A, J = network()
    new = np.array([[3.0, 4.0]])
    assert np.array_equal(evaluate([A], {W: new})[0], np.tanh(new @ X.data))
    assert evaluate([J], {A: np.array([[1.0, 2.0]])})[0].tolist() == [[5.0]]


def test_a_stand_in_of_another_shape_is_refused():
    W, *_, J = network()
    with pytest.raises(tg.ShapeError, match=r"W has shape \(1, 2\); \(2,\) cannot stand for it"):
        evaluate([J], {W: np.ones(2)})


def test_in_the_namespace_of_the_graph_a_new_graph_is_recorded():
    W, X, _, J = network()
    V = tg.parameter([[3.0, 4.0]])
    (again,) = evaluate([J], {W: V}, ops)
    assert [node.op for node in tg.toposort(again)] == [node.op for node in tg.toposort(J)]
    expected = tg.gradients(tg.sum(tg.tanh(V @ X) ** 2), V)
    np.testing.assert_allclose(tg.gradients(again.sum(), V).data, expected.data, rtol=1e-14)


def test_a_mask_is_computed_anew():
    x = tg.parameter([-1.0, 2.0])
    y = tg.where(x > 0, x, 0.0)
    assert evaluate([y], {x: np.array([5.0, -3.0])})[0].tolist() == [5.0, 0.0]


def test_what_is_read_through_another_is_replaced_with_it_or_not_at_all():
    z = tg.parameter([0.3])
    a = tg.sigmoid(z)
    J = tg.log_loss(a, [1.0])
    with pytest.raises(tg.GraphError, match="J reads z in place of a: replace z too"):
        evaluate([J], {a: np.array([0.5])})
    (value,) = evaluate([J], {a: np.array([0.5]), z: np.array([0.0])})
    assert value == pytest.approx(np.log(2))


def test_a_plain_number_may_stand_for_a_scalar():
    x = tg.parameter(2.0)
    assert evaluate([x * x], {x: 3.0}) == [9.0]
