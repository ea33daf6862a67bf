"""Kernels compute the same numbers as the C library, NumPy, or a loop over single steps."""

import math

import numpy as np
import pytest

from tinygraph.kernels import (
    bounded_index,
    conv,
    conv_kernel,
    conv_transpose,
    erf,
    erfc,
    follow,
    recurrence,
    scatter_add,
)

POINTS = np.concatenate([np.linspace(-7, 28, 20_001), [0.0, -0.0, 1e-300, -1e-300, 0.5, -0.5, 1e-10, np.inf, -np.inf]])


@pytest.mark.parametrize(("function", "exact", "near"), [(erfc, math.erfc, 2e-15), (erf, math.erf, 1e-15)])
def test_is_that_of_the_c_library(function, exact, near):
    expected = np.array([exact(x) for x in POINTS])
    with np.errstate(under="ignore"):
        off = np.abs(function(POINTS) - expected)
    normal = expected > 1e-300
    assert (off[~normal] <= np.maximum(2e-15 * np.abs(expected), 1e-300)[~normal]).all()
    assert (off / np.where(normal, expected, 1))[normal & (POINTS < 3)].max() < near
    assert (off / np.where(normal, expected, 1))[normal].max() < 1e-13


@pytest.mark.parametrize("function", [erf, erfc])
def test_shapes_and_dtypes(function):
    for x in (np.float32(0.3), np.float64(0.3), np.ones((2, 0), np.float16), np.ones((2, 3))[:, ::2], np.array(2)):
        y = function(x)
        assert y.shape == x.shape
        assert y.dtype == (x.dtype if x.dtype.kind == "f" else float)
    assert np.isnan(function(np.array([np.nan]))).all()
    assert function(np.arange(9000.0))[-1] == function(8999.0)
    assert function(0.0) == (function is erfc)


@pytest.mark.parametrize(("function", "exact"), [(erfc, math.erfc), (erf, math.erf)])
def test_float32_is_within_the_rounding_of_its_argument(function, exact):
    x = np.linspace(-7, 9, 4001).astype(np.float32)
    expected = np.array([exact(float(v)) for v in x])
    y = function(x)
    assert y.dtype == np.float32
    slack = 4e-7 + 1e-7 * x.astype(float) ** 2
    assert (np.abs(y - expected) <= slack * np.abs(expected)).all()


KEYS = {
    "rows": np.s_[np.array([3, 0, 3, -1])],
    "a matrix of rows": np.s_[np.array([[3, 0], [3, -4]])],
    "columns": np.s_[:, np.array([1, 1, -1], np.int8)],
    "the last axis": np.s_[:, :, np.array([0, 1, 0])],
    "no rows": np.s_[np.array([], int)],
    "pairs": np.s_[np.array([0, 0]), :, np.array([1, 1])],
    "a mask": np.s_[np.array([True, False, True, False])],
    "a slice beside": np.s_[1:, np.array([2, 2])],
    "one place": np.s_[np.array(2)],
}


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64])
def test_scatter_add_is_numpys_to_the_last_bit(key, dtype):
    out = np.zeros((4, 3, 2), dtype)
    g = (np.random.default_rng(0).normal(size=out[key].shape) * 100).astype(dtype)
    np.add.at(out, key, g)
    result = scatter_add(g, key, (4, 3, 2))
    assert result.dtype == dtype
    assert np.array_equal(result, out)
    flat = scatter_add(np.broadcast_to(g.dtype.type(1), g.shape), key, (4, 3, 2))
    assert flat.sum() == g.size


@pytest.mark.parametrize("shape", [(3, 2), (0, 2), (2, 0)])
def test_scatter_add_refuses_places_out_of_bounds(shape):
    for place in (shape[0], -shape[0] - 1):
        with pytest.raises(IndexError, match="out of bounds"):
            scatter_add(np.ones((1, shape[1])), (np.array([place]),), shape)


@pytest.mark.parametrize("i", [np.array([2, 300], np.uint16), np.array([200], np.uint8), np.array(-3), np.int64(5)])
def test_bounded_indices_of_any_dtype(i):
    for mode in ("wrap", "clip"):
        expected = np.arange(300).take(i, mode=mode)
        assert np.array_equal(bounded_index(i, 300, mode), expected)


SPECIAL = {
    "ordinary": {},
    "zeros": {3: 0.0, 400: 0.0, 401: 0.0, 998: 0.0},
    "products that overflow on the way": {i: 1e200 if i % 4 < 2 else 1e-200 for i in range(100, 140)},
    "products that underflow on the way": {i: 1e-200 if i % 4 < 2 else 1e200 for i in range(100, 140)},
    "a zero after what overflows": {10: 1e200, 11: 1e200, 12: 0.0},
    "an infinite factor": {500: np.inf},
    "no number": {500: np.nan},
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("special", SPECIAL.values(), ids=SPECIAL)
def test_a_long_recurrence_is_the_one_of_single_steps(special, reverse, axis, dtype, rng):
    """It runs in blocks, and is infinite, NaN or 0 only where the single steps are."""
    x, b, y = rng.normal(size=(1000, 2)), rng.normal(size=(1000, 2)), np.zeros((1000, 2), dtype)
    b[100:140] *= 1e-150
    x[list(special), 1] = list(special.values())
    with np.errstate(all="ignore"):
        x, b = x.astype(dtype), b.astype(dtype)
        turned = slice(None, None, -1 if reverse else 1)
        follow(x[turned], b[turned], y[turned])
        ours = recurrence(x.swapaxes(0, axis), b.swapaxes(0, axis), axis, reverse).swapaxes(0, axis)
    assert ours.dtype == dtype
    np.testing.assert_allclose(
        ours, y, rtol=1e-9 if dtype == np.float64 else 1e-2, atol=1e-12 if dtype == np.float64 else 1e-5
    )


@pytest.mark.parametrize("channels", [(2, 2), (2, 6), (6, 2), (1, 1)], ids="{0[0]}-{0[1]}".format)
@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("padding", [(0, 0), (1, 2), (4, 0)], ids="{0[0]}-{0[1]}".format)
@pytest.mark.parametrize("dilation", [1, 2])
def test_convolutions_are_transposes_of_each_other(channels, groups, stride, padding, dilation, rng):
    """y · conv(x, w) equals x · conv_transpose(y, w) and w · conv_kernel(x, y), even when it takes several parts."""
    inward, outward = channels
    x, w = rng.normal(size=(3, groups * inward, 40, 9)), rng.normal(size=(groups * outward, inward, 3, 2))
    x = np.concatenate([x] * 20) if stride == dilation == 1 else x
    how = ((stride, 1), (padding, (0, 1)), (1, dilation), groups)
    out = conv(x, w, *how)
    y = rng.normal(size=out.shape)
    expected = np.sum(y * out)
    transposed, kernel = conv_transpose(y, w, x.shape[2:], *how), conv_kernel(x, y, w.shape[2:], *how)
    assert (transposed.shape, kernel.shape) == (x.shape, w.shape)
    np.testing.assert_allclose([np.sum(x * transposed), np.sum(w * kernel)], expected, rtol=1e-10, atol=1e-8)
