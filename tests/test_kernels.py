"""erf and erfc with NumPy alone, against Python's, which are those of the C library."""

import math

import numpy as np
import pytest

from tinygraph.kernels import erf, erfc

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


@pytest.mark.parametrize(("function", "exact"), [(erfc, math.erfc), (erf, math.erf)])
def test_float32_is_within_the_rounding_of_its_argument(function, exact):
    x = np.linspace(-7, 9, 4001).astype(np.float32)
    expected = np.array([exact(float(v)) for v in x])
    y = function(x)
    assert y.dtype == np.float32
    slack = 4e-7 + 1e-7 * x.astype(float) ** 2
    assert (np.abs(y - expected) <= slack * np.abs(expected)).all()
