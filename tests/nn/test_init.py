import numpy as np
import pytest

import tinygraph as tg
from tinygraph.nn import init


@pytest.mark.parametrize("rows", [False, True])
def test_the_spread_of_activations_is_kept(rows, rng):
    units_in, units_out = 400, 300
    shape = (units_in, units_out) if rows else (units_out, units_in)
    assert np.isclose(init.xavier(shape, rng, rows=rows).var(), 2 / 700, rtol=0.02)
    assert np.isclose(init.he(shape, rng, rows=rows).var(), 2 / 400, rtol=0.02)
    assert np.isclose(init.normal(shape, rng).std(), 0.01, rtol=0.02)
    assert init.glorot is init.xavier


def test_a_seed_gives_the_same_weights_again_and_a_generator_goes_on(rng):
    assert np.array_equal(init.he((3, 2), 5), init.he((3, 2), 5))
    assert not np.array_equal(init.he((3, 2), rng), init.he((3, 2), rng))


@pytest.mark.parametrize("make", [init.zeros, init.normal, init.xavier, init.he])
def test_shape_and_dtype(make):
    assert make((3, 2)).shape == (3, 2)
    assert make((3, 2)).dtype == np.float64
    assert make((3, 2), dtype=np.float32).dtype == np.float32


@pytest.mark.parametrize("shape", [(3,), (0, 2), 3])
def test_a_weight_has_two_axes(shape):
    with pytest.raises(tg.ShapeError, match="two axes"):
        init.he(shape)


@pytest.mark.parametrize("make", [init.he, init.xavier])
def test_kernels_of_a_convolution_keep_the_spread(make, rng):
    shape = (64, 32, 3, 3)
    reached = {init.he: 2 / (32 * 9), init.xavier: 2 / ((32 + 64) * 9)}
    assert make(shape, rng).std() == pytest.approx(reached[make] ** 0.5, rel=0.03)
