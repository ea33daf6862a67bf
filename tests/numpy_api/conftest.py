"""The tensors and the array that the tests of NumPy's functions share."""

import numpy as np
import pytest

import tinygraph as tg


@pytest.fixture
def t():
    return tg.parameter([[0.5, 0.25], [0.125, 0.75]], "t")


@pytest.fixture
def s():
    return tg.parameter(2.0, "s")


@pytest.fixture
def a():
    return np.array([[1.0, 2.0], [3.0, 4.0]])
