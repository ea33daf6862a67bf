"""What the laws are tried on."""

import numpy as np
import pytest

from tinygraph.graph import records
from tinygraph.testing import laws


@pytest.mark.parametrize("name", records.OPS)
def test_samples_are_the_same_on_every_run(name):
    for one, other in zip(laws.samples(records.OPS[name]), laws.samples(records.OPS[name]), strict=True):
        assert all(map(np.array_equal, one[0], other[0]))
        assert one[1].keys() == other[1].keys()
