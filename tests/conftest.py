"""What all tests share."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture(autouse=True)
def doctest_names(doctest_namespace: dict[str, object]) -> None:
    import tinygraph

    doctest_namespace.update(tg=tinygraph, np=np)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)
