"""Functions of matrices."""

import numpy as np
import pytest

import tinygraph as tg
from tinygraph.testing import check_grads


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


# -- decompositions --------------------------------------------------------------------------------------------------


def test_results_have_numpys_names_and_parts(rng):
    x = rng.normal(size=(3, 3))
    for name in ("eigh", "svd", "qr", "slogdet"):
        ours, theirs = getattr(np.linalg, name)(tg.Tensor(x)), getattr(np.linalg, name)(x)
        assert ours._fields == theirs._fields
        for part, expected in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(part.data, expected, rtol=1e-12, strict=True)
    for shape in ((4, 2), (2, 4)):
        x = rng.normal(size=shape)
        for full in (True, False):
            for part, expected in zip(tg.svd(x, full), np.linalg.svd(x, full), strict=True):
                np.testing.assert_array_equal(part.data, expected)
        for mode in ("reduced", "complete"):
            for part, expected in zip(tg.qr(x, mode), np.linalg.qr(x, mode), strict=True):
                np.testing.assert_array_equal(part.data, expected)
        np.testing.assert_allclose(tg.qr(x, "r").data, np.linalg.qr(x, "r"), rtol=1e-12)
        np.testing.assert_array_equal(np.linalg.svd(tg.Tensor(x), compute_uv=False).data, np.linalg.svd(x)[1])


@pytest.mark.parametrize("name", ["eigh", "svd", "qr"])
def test_a_decomposition_is_computed_once_for_value_and_gradient(name, rng, monkeypatch):
    calls, compute = [], getattr(np.linalg, name)
    monkeypatch.setattr(np.linalg, name, lambda *given: calls.append(name) or compute(*given))
    X = tg.parameter(rng.normal(size=(3, 3)))
    sum(part.sum() for part in getattr(tg, name)(X)).backward()
    assert calls == [name]


def test_functions_of_eigenvalues_have_gradients_where_some_are_equal():
    X = tg.parameter(2 * np.eye(3))
    for values in (tg.eigvalsh, lambda x: tg.eigh(x).eigenvalues, tg.svdvals, lambda x: tg.svd(x).S):
        (dX,) = tg.gradients((values(X) ** 2).sum(), [X])
        np.testing.assert_allclose(dX.data, 4 * np.eye(3), atol=1e-14)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_eigenvectors_have_none_there_and_it_is_not_passed_over():
    def power(X):  # X³, which does not depend on the choice of vectors; only its gradient by them does
        values, vectors = tg.eigh(X)
        return (vectors * values**3) @ vectors.mT

    (dX,) = tg.gradients(power(X := tg.parameter(np.eye(2)))[0, 1], [X])
    assert not np.isfinite(dX.data).all()
    x = np.array([[2.0, 1.0], [1.0, 3.0]])
    np.testing.assert_allclose(power(x).data, x @ x @ x)
    check_grads(lambda x: power(x + x.mT), x)


def test_completed_bases_have_no_gradient(rng):
    tall = tg.parameter(rng.normal(size=(4, 2)))
    U, S, Vh = tg.svd(tall)
    S.sum().backward(retain_graph=True)
    Vh.sum().backward(retain_graph=True)
    with pytest.raises(tg.UnsupportedError, match="full_matrices=False"):
        U.sum().backward()
    with pytest.raises(tg.UnsupportedError, match="full_matrices=False"):
        tg.svd(tg.parameter(tall.data.T)).Vh.sum().backward()
    with pytest.raises(tg.UnsupportedError, match="mode='reduced'"):
        tg.qr(tall, "complete").R.sum().backward()
    with pytest.raises(tg.ArgumentError, match="raw"):
        tg.qr(tall, "raw")


def test_complex_eigenvalues_are_refused_in_words():
    for name in ("eig", "eigvals"):
        with pytest.raises(tg.UnsupportedError, match=r"complex.*eigh"):
            getattr(np.linalg, name)(tg.Tensor(np.eye(2)))


def test_only_one_triangle_is_read(rng):
    x = rng.normal(size=(3, 3))
    for side in "LU":
        np.testing.assert_array_equal(tg.eigvalsh(x, UPLO=side).data, np.linalg.eigvalsh(x, side))
        np.testing.assert_array_equal(tg.eigh(x, side).eigenvectors.data, np.linalg.eigh(x, side).eigenvectors)
    x = x @ x.T + np.triu(np.ones((3, 3)), 1)
    np.testing.assert_array_equal(tg.cholesky(x).data, np.linalg.cholesky(x))


def test_the_rank_is_a_whole_number_also_of_a_vector(rng):
    x = rng.normal(size=(4, 2)) @ rng.normal(size=(2, 3))
    for y, rank in ((x, 2), (x[0], 1), (np.zeros(3), 0)):
        found = tg.matrix_rank(tg.parameter(y))
        assert (found.item(), found.dtype.kind, found.requires_grad) == (rank, "i", False)


# -- norms -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ord", [1, 2, 3, 1.5, 0.5, -1, np.inf, 0])
def test_the_gradient_of_a_norm_is_zero_at_zero(ord):
    for norm in (tg.vector_norm, lambda x, ord: tg.vector_norm(x, ord=ord) ** 2):
        x = tg.parameter(np.zeros((2, 2)))
        y = norm(x, ord=ord).sum()
        assert y.item() == 0
        if y.requires_grad:
            y.backward()
            assert x.grad.tolist() == [[0.0, 0.0], [0.0, 0.0]]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_the_second_derivative_of_the_norm_at_zero_is_not_a_number():
    x = tg.parameter(np.zeros(2))
    (dx,) = tg.gradients(tg.vector_norm(x), [x])
    assert np.isnan(tg.gradients(dx.sum(), x).data).all()


@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1.0, 1e160, 1e300])
@pytest.mark.parametrize("ord", [2, 3, 0.5, -2])
def test_norms_of_large_and_small_numbers(scale, ord):
    x = tg.parameter(np.array([3.0, -4.0, 1.0]) * scale)
    y = tg.vector_norm(x, ord=ord)
    y.backward()
    unit = tg.parameter(np.array([3.0, -4.0, 1.0]))
    one = tg.vector_norm(unit, ord=ord)
    one.backward()
    np.testing.assert_allclose(y.data / scale, one.data, rtol=1e-12)
    np.testing.assert_allclose(x.grad, unit.grad, rtol=1e-12)


def test_norms_of_infinities_and_of_what_is_no_number():
    assert tg.vector_norm([np.inf, 1.0]).item() == np.inf
    assert np.isnan(tg.vector_norm([np.nan, np.inf, 1.0]).item())
    assert tg.vector_norm([np.inf, 2.0], ord=-1).item() == 2.0
    assert tg.vector_norm(np.empty(0), ord=np.inf).item() == 0.0
    assert tg.vector_norm([3, 4]).item() == 5.0


NORMS = [
    {},
    {"axis": 1},
    {"axis": (0, 2), "keepdims": True},
    {"axis": (2, 0), "ord": 1},
    {"axis": (2, 0), "ord": -np.inf, "keepdims": True},
    {"axis": (-1, -2), "ord": "nuc"},
    {"axis": (0, 1), "ord": -2},
    {"axis": (0, 1), "ord": "fro"},
    {"axis": -1, "ord": 0.5, "keepdims": True},
    {"axis": 0, "ord": -1},
    {"axis": (1,), "ord": 1},
    {"keepdims": True},
]


@pytest.mark.parametrize("given", NORMS, ids=str)
def test_norm_is_numpys_in_all_its_forms(given, rng):
    x = rng.normal(size=(2, 3, 4))
    np.testing.assert_allclose(np.linalg.norm(tg.Tensor(x), **given).data, np.linalg.norm(x, **given), rtol=1e-12)
    check_grads(lambda x: tg.norm(x, **given), x, order=1)
    for y in (x[0], x[0, 0]):
        for ord in (None, 1, -1, 2, np.inf):
            np.testing.assert_allclose(np.linalg.norm(tg.Tensor(y), ord).data, np.linalg.norm(y, ord), rtol=1e-12)


@pytest.mark.parametrize(
    "call",
    [
        lambda x: tg.norm(x, "fro"),
        lambda x: tg.norm(x, axis=(0, 1, 2)),
        lambda x: tg.norm(x, 2, axis=(0, 0)),
        lambda x: tg.norm(x, 3, axis=(0, 1)),
        lambda x: tg.vector_norm(x, ord="fro"),
        lambda x: tg.matrix_norm(x, ord="max"),
        lambda x: tg.matrix_norm(x[0, 0]),
    ],
)
def test_norms_that_there_are_not_are_refused(call):
    with pytest.raises((tg.ArgumentError, tg.ShapeError)):
        call(tg.Tensor(np.ones((2, 3, 4))))


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
