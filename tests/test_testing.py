"""The checks themselves: they pass what is right and name what is wrong."""

import numpy as np
import pytest

import tinygraph as tg
from tinygraph import apply, table, testing


def test_check_grads_passes_what_is_right():
    testing.check_grads(lambda x, y: tg.tanh(x @ y) / (1 + y[0] ** 2), np.ones((2, 3)), np.full((3, 1), 0.3), order=3)


def test_check_grads_names_the_worst_element():
    def wrong(xp, g, y, x):
        return g * xp.where(x == 2.0, 3.0, y)

    @apply.op("elementwise", wrong)
    def wrongly(xp, x):
        return xp.exp(x)

    for registry in (table.OPS, table.APPLY):
        registry.pop("wrongly")
    with pytest.raises(testing.LawError, match=r"argument 0 at \(1,\), where it is 2\.0, is .*; central differences"):
        testing.check_grads(lambda x: wrongly(x), np.array([1.0, 2.0]))


def test_check_grads_finds_what_was_detached():
    with pytest.raises(testing.LawError, match="central differences"):
        testing.check_grads(lambda x: x.detach() * x, np.array([0.5]))


@pytest.mark.parametrize("name", table.OPS)
def test_samples_are_the_same_on_every_run(name):
    for one, other in zip(testing.samples(table.OPS[name]), testing.samples(table.OPS[name]), strict=True):
        assert all(map(np.array_equal, one[0], other[0]))
        assert one[1].keys() == other[1].keys()
