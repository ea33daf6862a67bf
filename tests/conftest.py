"""What all tests share."""

from __future__ import annotations

from collections.abc import Generator
from importlib.util import find_spec

import numpy as np
import pytest

from tinygraph.graph import declaring, records


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


@pytest.fixture
def wrongly():
    """The exponential function with a wrong gradient at 2."""

    @declaring.op("elementwise", lambda xp, g, y, x: g * xp.where(x == 2.0, 3.0, y))
    def wrongly(xp, x):
        return xp.exp(x)

    for registry in (records.OPS, records.APPLY, vars(records.NUMBERS)):
        registry.pop("wrongly")
    return wrongly
