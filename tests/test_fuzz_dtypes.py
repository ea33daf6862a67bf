"""The fuzzer of dtypes finds nothing in a short run; `tests/fuzz_dtypes.py` says how to start a long run."""

import fuzz_dtypes
import numpy as np
import pytest

from tinygraph.algebra import normal_form


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_eager_and_compiled_agree_in_every_dtype():
    reports = []
    fuzz_dtypes.fuzz(seed=0, seconds=60.0, count=250, report=reports.append)
    assert reports[-1].endswith(" 0 disagreements"), "\n".join(reports)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_integers_that_are_taken_for_reals_are_found(monkeypatch):
    monkeypatch.setattr(normal_form, "range_of", lambda x, known: (0, 1))
    function = fuzz_dtypes.Function(("uint8",), ((3,),), ("x0 * 20 * 2.0 + x0",))
    assert any(fuzz_dtypes.disagreement(function, seed) for seed in range(5))


def test_random_functions_are_of_every_dtype():
    drawn = [fuzz_dtypes.random_function(np.random.default_rng(seed), 8) for seed in range(300)]
    assert {dtype for function in drawn for dtype in function.dtypes} == {*fuzz_dtypes.INTEGERS, *fuzz_dtypes.FLOATS}
