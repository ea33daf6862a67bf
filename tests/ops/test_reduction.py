"""Sums, means and extremes: axes, empties, ties, dtypes."""

import numpy as np
import pytest

import tinygraph as tg
from tinygraph.testing import check_grads

REDUCTIONS = ["sum", "mean", "max", "min"]
AXES = [None, 0, 1, -1, (0, 2), (-1, 0), (), (0, 1, 2)]


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("axis", AXES, ids=str)
@pytest.mark.parametrize("keepdims", [False, True])
def test_axes_are_numpys(name, axis, keepdims, rng):
    x = rng.normal(size=(2, 3, 4))
    ours, theirs = getattr(tg, name), getattr(np, name)
    expected = theirs(x, axis=axis, keepdims=keepdims)
    np.testing.assert_allclose(ours(x, axis=axis, keepdims=keepdims).data, expected, rtol=1e-15)
    np.testing.assert_allclose(getattr(tg.Tensor(x), name)(axis, keepdims).data, expected, rtol=1e-15)
    check_grads(lambda x: ours(x, axis=axis, keepdims=keepdims), x, order=1)


@pytest.mark.parametrize("name", REDUCTIONS)
def test_a_number_reduces_to_itself(name):
    x = tg.parameter(3.0)
    y = getattr(tg, name)(x)
    y.backward()
    assert y.item() == 3.0
    assert x.grad == 1.0


@pytest.mark.parametrize("name", ["max", "min"])
@pytest.mark.parametrize(
    ("values", "shares"),
    [
        ([1.0, 1.0], [0.5, 0.5]),
        ([0.0, -0.0], [0.5, 0.5]),
        ([np.nan, 1.0], None),
    ],
)
def test_ties_share_and_nan_stays_nan(name, values, shares):
    x = tg.parameter(values)
    y = getattr(tg, name)(x)
    with np.errstate(invalid="ignore"):
        y.backward()
    if shares is None:
        assert np.isnan(y.item())
        assert np.isnan(x.grad).all()
    else:
        assert x.grad.tolist() == shares


def test_of_nothing():
    x = tg.parameter(np.ones((0, 3)))
    assert tg.sum(x).item() == 0
    x.grad = None
    tg.sum(x).backward()
    assert x.grad.shape == (0, 3)
    for name in ("max", "min"):
        with pytest.raises(tg.ShapeError, match="zero-size array"):
            getattr(tg, name)(x)
    assert tg.max(x, axis=1).shape == (0,)
    with np.errstate(invalid="ignore"):
        assert np.isnan(tg.mean(x).item())


def test_dtypes_are_numpys():
    assert tg.sum(tg.Tensor([True, True])).dtype == np.sum(np.array([True, True])).dtype
    assert tg.mean(tg.Tensor([1, 2])).dtype == np.float64
    assert tg.sum(tg.Tensor(np.ones(3, np.float32))).dtype == np.float32
    half = np.full(10_000, 0.1, np.float16)
    assert tg.mean(tg.Tensor(half)).item() == np.mean(half)
