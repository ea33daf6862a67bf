"""The table of conventions in the documentation is what the engine does."""

import re
from pathlib import Path

import numpy as np
import pytest

import tinygraph as tg

TABLE = (Path(__file__).parents[2] / "docs" / "conventions.md").read_text(encoding="utf-8")
FIRST, _, FURTHER = TABLE.partition("## Second derivatives")
ROW = re.compile(r"^\| `(.+?)` \| (\S+) \| (.+?) \|", re.MULTILINE)
ROWS, SECOND = ROW.findall(FIRST), ROW.findall(FURTHER.partition("## Where a gradient")[0])


@pytest.mark.parametrize(("expression", "at", "derivative"), ROWS)
def test_convention(expression, at, derivative):
    x = tg.parameter(float(at))
    with np.errstate(all="ignore"):
        y = eval(expression, {"tg": tg, "np": np, "x": x})
        dx = tg.gradients(y, x)
        y.backward()
    expected = eval(derivative, {"inf": np.inf, "nan": np.nan})
    assert [dx.item(), x.grad] == pytest.approx([expected, expected], nan_ok=True)


@pytest.mark.parametrize(("expression", "at", "derivative"), SECOND)
def test_second_derivative(expression, at, derivative):
    def function(x):
        return eval(expression, {"tg": tg, "np": np, "x": x})

    with np.errstate(all="ignore"):
        found = [tg.hessian(function)(float(at)), tg.compile(tg.hessian(function))(float(at))]
    assert found == pytest.approx([eval(derivative, {"inf": np.inf, "nan": np.nan})] * 2, nan_ok=True)


def test_the_tables_are_not_empty():
    assert len(ROWS) > 15
    assert len(SECOND) > 5


def test_the_branch_not_taken():
    x = tg.parameter(0.0)
    with np.errstate(all="ignore"):
        assert np.isnan(tg.gradients(tg.where(x > 0, tg.sqrt(x), 0.0), x).item())
    assert tg.gradients(tg.where(x > 0, tg.sqrt(tg.where(x > 0, x, 1.0)), 0.0), x).item() == 0
