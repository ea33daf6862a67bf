"""The laws are tried on the same samples each time, and a wrong rule breaks one of them."""

import dataclasses

import numpy as np
import pytest

from tinygraph.graph import records
from tinygraph.graph.applying import apply_unary
from tinygraph.testing import laws


@pytest.mark.parametrize("name", records.OPS)
def test_samples_are_the_same_on_every_run(name):
    for one, other in zip(laws.samples(records.OPS[name]), laws.samples(records.OPS[name]), strict=True):
        assert all(map(np.array_equal, one[0], other[0]))
        assert one[1].keys() == other[1].keys()


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (lambda xp, g, y, x: g * (1.0 + y * y), "central differences"),
        (lambda xp, g, y, x: xp.stop_gradient(g) * (1.0 - y * y), "differentiated by the cotangent"),
        (lambda xp, g, y, x: xp.where(g > 0, g, 1.5 * g) * (1.0 - y * y), "central differences|not linear"),
    ],
    ids=["its slope", "its derivative by g", "it is not linear in g"],
)
def test_a_wrong_rule_breaks_a_law(rule, said):
    right = records.OPS["tanh"]
    wrong = dataclasses.replace(right, vjps=(rule,))
    applied = laws.APPLY["tanh"]
    try:
        laws.APPLY["tanh"] = apply_unary(wrong)
        with pytest.raises(laws.LawError, match=said):
            laws.law_gradient(wrong, [np.array([0.5, 1.0])], {})
    finally:
        laws.APPLY["tanh"] = applied
