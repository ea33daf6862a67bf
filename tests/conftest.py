"""Fixtures and hooks for all tests."""

from __future__ import annotations

import builtins
from collections.abc import Generator, Iterator
from importlib.util import find_spec

import numpy as np
import pytest

from tinygraph.graph import declaring, records


@pytest.fixture(autouse=True)
def doctest_names(doctest_namespace: dict[str, object]) -> None:
    import tinygraph

    doctest_namespace.update(tg=tinygraph, np=np)


@pytest.fixture(autouse=True)
def nothing_stays() -> Iterator[None]:
    """Forget the ops that a test declares, and the last result that a doctest shows as ``_``."""
    tables = (records.OPS, records.APPLY, vars(records.NUMBERS))
    before = [dict(table) for table in tables]
    yield
    for table, known in zip(tables, before, strict=True):
        if table != known:
            table.clear()
            table.update(known)
    vars(builtins).pop("_", None)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, object, object]:
    """Skip a test that needs SciPy where SciPy is missing."""
    from tinygraph import DependencyError

    try:
        return (yield)
    except DependencyError as error:
        if "SciPy" in str(error) and find_spec("scipy") is None:
            pytest.skip(str(error))
        raise


@pytest.fixture
def wrongly():
    """Return the exponential function with a wrong gradient at 2, which is not in the op table."""

    @declaring.op("elementwise", lambda xp, g, y, x: g * xp.where(x == 2.0, 3.0, y))
    def wrongly(xp, x):
        return xp.exp(x)

    for registry in (records.OPS, records.APPLY, vars(records.NUMBERS)):
        registry.pop("wrongly")
    return wrongly
