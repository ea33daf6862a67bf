"""What all tests share."""

from __future__ import annotations

from collections.abc import Generator
from importlib.util import find_spec

import numpy as np
import pytest


@pytest.fixture(autouse=True)
def doctest_names(doctest_namespace: dict[str, object]) -> None:
    import tinygraph

    doctest_namespace.update(tg=tinygraph, np=np)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, object, object]:
    """Where SciPy is missing, what needs it is skipped."""
    from tinygraph import DependencyError

    try:
        return (yield)
    except DependencyError as error:
        if "SciPy" in str(error) and find_spec("scipy") is None:
            pytest.skip(str(error))
        raise
