"""Undoing broadcasts."""

import itertools

import numpy as np
import pytest

from tinygraph.errors import broadcastable
from tinygraph.ops.arithmetic.broadcasting import kept, reduced_count, unbroadcast

SHAPES = [(), (1,), (3,), (1, 1), (1, 3), (2, 1), (2, 3), (4, 2, 3), (4, 1, 1), (1, 2, 1), (0, 3), (1, 0)]


PAIRS = [pair for pair in itertools.product(SHAPES, SHAPES) if broadcastable(*pair)]


@pytest.mark.parametrize(("shape", "other"), PAIRS)
def test_unbroadcast_is_the_transpose_of_broadcasting(shape, other, rng):
    full = np.broadcast_shapes(shape, other)
    x, g = rng.normal(size=shape), rng.normal(size=full)
    back = unbroadcast(np, g, shape)
    assert back.shape == shape
    # ⟨broadcast(x), g⟩ = ⟨x, unbroadcast(g)⟩
    assert np.isclose(np.sum(np.broadcast_to(x, full) * g), np.sum(x * back))


@pytest.mark.parametrize(
    ("axis", "keeps", "count"),
    [(None, (1, 1, 1), 24), (0, (1, 3, 4), 2), (-1, (2, 3, 1), 4), ((0, -1), (1, 3, 1), 8), ((), (2, 3, 4), 1)],
)
def test_what_a_reduction_keeps_and_how_much_goes_into_each_element(axis, keeps, count):
    assert kept((2, 3, 4), axis) == keeps
    assert reduced_count((2, 3, 4), axis) == count
