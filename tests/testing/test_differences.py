"""Slopes from differences, as precise as they say, and what is said where there are none."""

import numpy as np
import pytest

from tinygraph.testing.differences import corner, extrapolated, is_steady, sides_of


def test_how_precise_the_extrapolation_is():
    cases = [(np.exp, 1.0), (np.sin, 1.0), (lambda x: 1e8 + 3.0 * x, 3.0), (lambda x: np.log1p(1e-3 + x), 1 / 1.001)]
    for f, slope in cases:
        estimate = extrapolated(lambda h, f=f: np.array([f(h)]), 1.0)
        assert abs(estimate.slope - slope) <= 4 * estimate.error + 1e-12
    assert extrapolated(lambda h: np.exp(np.array([h])), 1.0).error < 1e-9


def test_a_quick_oscillation_is_told_from_a_slope():
    for rate, steady in ((1.0, True), (1e3, True), (1e10, False)):
        f = lambda h, rate=rate: np.sin(np.array([0.7 + rate * h]))  # noqa: E731
        assert is_steady(f, extrapolated(f, 1.0), 1.0) == steady


def test_one_sided_slopes_are_those_of_each_term():
    sides = sides_of(lambda h: np.array([abs(h), np.exp(h), max(3.0 * h, -h)]), 1.0)
    np.testing.assert_allclose(sides.left, [-1.0, 1.0, -1.0], atol=1e-8)
    np.testing.assert_allclose(sides.right, [1.0, 1.0, 3.0], atol=1e-8)


@pytest.mark.parametrize(
    ("f", "said"),
    [
        (np.abs, "its slope is -1 to the left and 1 to the right"),
        (np.floor, "it jumps by -1 to the left"),
        (np.ceil, "it jumps by 1 to the right"),
        (lambda h: np.sqrt(np.abs(h)), "its slope to the left has no bound"),
        (np.sqrt, "it has no finite value to the left"),
        (lambda h: np.where(h == 0, 0.0, 1 / h), "its values to the left have no bound"),
        (np.log, "it has no finite value"),
        (np.tanh, ""),
        (lambda h: h * np.abs(h), ""),
        (lambda h: 1e8 + h, ""),
    ],
)
def test_a_corner_in_words(f, said):
    assert corner(lambda h: f(np.array([h])), 1.0, 0.0) == said
