"""Functions of matrices."""

import numpy as np
import pytest

import tinygraph as tg


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
