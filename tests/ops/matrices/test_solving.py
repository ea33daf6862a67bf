"""Functions of matrices."""

import numpy as np
import pytest

import tinygraph as tg
from tinygraph.testing.laws import check_grads


def test_what_has_no_inverse_is_refused_in_numpys_words_and_the_users_place():
    with pytest.raises(np.linalg.LinAlgError, match="Singular matrix") as caught:
        tg.inv(np.ones((2, 2)))
    assert "in tg.inv(np.ones((2, 2)))" in caught.value.__notes__[0]
    with pytest.raises(tg.ShapeError, match="must be square"):
        tg.inv(np.ones((2, 3)))


def test_the_determinant_of_a_singular_matrix_has_the_logarithm_of_zero():
    sign, logabsdet = tg.slogdet(np.ones((2, 2)))
    assert (sign.item(), logabsdet.item()) == (0.0, -np.inf)
    assert not sign.requires_grad


def test_what_is_wrong_with_the_numbers_is_said_with_the_expression():
    for call in (lambda: tg.cholesky(-np.eye(2)), lambda: tg.solve(np.ones((2, 2)), np.ones(2))):
        with pytest.raises(np.linalg.LinAlgError) as caught:
            call()
        assert "in tg." in caught.value.__notes__[0]
    with pytest.raises(tg.ShapeError, match=r"solve\(np.ones\(\(2, 3\)\)"):
        tg.solve(np.ones((2, 3)), np.ones(2))


# -- determinants ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_derivatives_of_the_determinant_at_matrices_of_any_rank(n, rng):
    for rank in range(n + 1):
        x = rng.normal(size=(n, rank)) @ rng.normal(size=(rank, n))
        check_grads(tg.det, x, order=3, atol=1e-9)
        check_grads(tg.det, np.round(x), order=2, atol=1e-9)


def test_the_second_derivative_of_the_determinant_at_zero():
    x = tg.parameter(np.zeros((2, 2)))
    (first,) = tg.gradients(tg.det(x), [x])
    assert first.data.tolist() == [[0.0, 0.0], [0.0, 0.0]]
    second = [[tg.gradients(first[i, j], x).data.tolist() for j in range(2)] for i in range(2)]
    assert second[0][0] == [[0.0, 0.0], [0.0, 1.0]]
    assert second[0][1] == [[0.0, 0.0], [-1.0, 0.0]]


def test_a_determinant_with_an_infinity_has_the_gradient_nan_and_spoils_no_other():
    X = tg.parameter([[[-np.inf, 1e308, -1e308], [-1.0, 1.0, 0.0], [-np.inf, 2.0, -1.0]], np.eye(3)])
    with np.errstate(invalid="ignore"):
        tg.sum(tg.det(X)).backward()
    assert np.isnan(X.grad[0]).all()
    np.testing.assert_array_equal(X.grad[1], np.eye(3))


def test_the_gradient_of_a_determinant_of_regular_matrices_is_det_times_the_inverse_transposed(rng):
    x = rng.normal(size=(4, 6, 6)) * 10
    X = tg.parameter(x)
    tg.det(X).sum().backward()
    expected = np.linalg.det(x)[:, None, None] * np.swapaxes(np.linalg.inv(x), -1, -2)
    np.testing.assert_allclose(X.grad, expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max())


# -- systems of equations, pseudo-inverses ---------------------------------------------------------------------------


def test_a_right_side_with_one_axis_is_a_vector_and_any_other_is_matrices(rng):
    x, y = rng.normal(size=(2, 2, 2)), rng.normal(size=(2, 2))
    assert tg.solve(x, y[0]).shape == (2, 2)
    np.testing.assert_array_equal(np.linalg.solve(tg.Tensor(x), y).data, np.linalg.solve(x, y))


@pytest.mark.parametrize("shape", [(3, 4), (4, 3), (3, 3)])
@pytest.mark.parametrize("rank", [0, 1, 2])
def test_the_gradient_of_a_pseudo_inverse_among_matrices_of_one_rank(shape, rank, rng):
    left, right = rng.normal(size=(shape[0], rank)), rng.normal(size=(rank, shape[1]))
    check_grads(lambda a, b: tg.pinv(a @ b, rtol=1e-4), left, right)


def test_pseudo_inverse_with_numpys_thresholds(rng):
    x = np.diag([1.0, 1e-3, 1e-17])
    for given in ({}, {"rcond": 0.01}, {"rtol": 0.01}, {"rtol": None}):
        np.testing.assert_allclose(np.linalg.pinv(tg.Tensor(x), **given).data, np.linalg.pinv(x, **given), rtol=1e-12)


def test_least_squares_as_numpys(rng):
    full, deficient = rng.normal(size=(5, 3)), np.ones((5, 3))
    for x, y in (
        (full, rng.normal(size=5)),
        (full, rng.normal(size=(5, 2))),
        (full.T, np.ones(3)),
        (deficient, np.ones(5)),
    ):
        for ours, theirs in zip(np.linalg.lstsq(tg.Tensor(x), y), np.linalg.lstsq(x, y), strict=True):
            np.testing.assert_allclose(ours.data, theirs, rtol=1e-9, atol=1e-12)
    with pytest.raises(tg.ShapeError, match="as many rows"):
        tg.lstsq(full, np.ones(3))


# -- the namespace ---------------------------------------------------------------------------------------------------


def test_the_namespace_is_the_standards_and_numpys():
    for name in tg.linalg.__all__:
        assert getattr(tg.linalg, name) is getattr(tg, name)
    lacking = {name for name in np.linalg.__all__ if not hasattr(tg.linalg, name)}
    assert lacking == {"LinAlgError", "eig", "eigvals"}


def test_shapes_that_do_not_fit_are_refused_in_words():
    for call in (
        lambda: tg.matrix_power(np.ones((2, 3)), 2),
        lambda: tg.tensorinv(np.ones((2, 3)), ind=1),
        lambda: tg.tensorsolve(np.ones((2, 3)), np.ones(2)),
        lambda: tg.det(np.ones((2, 3))),
        lambda: tg.eigh(np.ones(3)),
        lambda: tg.tensorinv(np.ones((2, 2)), ind=0),
    ):
        with pytest.raises((tg.ShapeError, tg.ArgumentError)):
            call()


@pytest.mark.parametrize(
    ("diagonal", "expected"),
    [
        ([1e200, 1e200, 1e-200, 1e-200], [1e-200, 1e-200, 1e200, 1e200]),
        ([1e200, 1e200, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]),
        ([1e200, 1e200, 0.0, 1e-200], [0.0, 0.0, 1e200, 0.0]),
        ([1e-200, 1e-200, 1e200, 1e200], [1e200, 1e200, 1e-200, 1e-200]),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of the determinant itself
def test_cofactors_are_exact_whatever_the_products_on_the_way_come_to(diagonal, expected):
    x = tg.parameter(np.diag(diagonal))
    np.testing.assert_allclose(tg.gradients(tg.det(x), x).data, np.diag(expected), rtol=1e-12)
