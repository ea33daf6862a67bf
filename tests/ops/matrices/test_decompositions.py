"""Decompositions of matrices, and what has no gradient."""

import numpy as np
import pytest

import tinygraph as tg
from tinygraph.testing.laws import check_grads


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


@pytest.mark.parametrize("function", [tg.svd, tg.svdvals, tg.pinv, tg.matrix_rank], ids=lambda f: f.__name__)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_not_given_to_a_decomposition_that_might_never_end(function, bad):
    with pytest.raises(np.linalg.LinAlgError, match="NaN or infinity"):
        function(np.array([[1.0, bad], [0.0, 1.0]]))
