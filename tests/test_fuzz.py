"""The fuzzer finds nothing in a short run with fixed seeds; `tests/fuzz.py` says how to start a long run."""

import dataclasses
import re
from pathlib import Path

import fuzz
import numpy as np
import pytest

from tinygraph.graph.applying import apply_unary
from tinygraph.graph.records import APPLY, FUNCTIONS, OPS
from tinygraph.testing import laws

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of means of nothing, and the like
DOCUMENT = (Path(__file__).parents[1] / "docs" / "conventions.md").read_text(encoding="utf-8")


def test_no_two_opinions_differ():
    reports = []
    fuzz.fuzz(seed=0, seconds=60.0, count=600, report=reports.append)
    assert re.fullmatch(r"[5-6]\d\d programs, 0 disagreements .*", reports[-1]), "\n".join(reports)


def test_the_same_seed_draws_the_same_programs():
    def drawn():
        return [str(program) for _, program in zip(range(20), fuzz.programs(5), strict=False)]

    assert drawn() == drawn()
    assert len(set(drawn())) > 15


def test_programs_are_long_and_reuse_their_values():
    programs = [fuzz.random_program(np.random.default_rng(seed), 40) for seed in range(5)]
    assert max(len(program.steps) for program in programs) > 20
    read = [i for program in programs for step in program.steps for i in step.operands]
    assert len(read) > len(set(read))


def test_a_wrong_rule_is_found_and_shown_in_one_step(monkeypatch):
    wrong = dataclasses.replace(OPS["tanh"], vjps=(lambda xp, g, y, x: g * (1.0 + y * y),))
    applied = apply_unary(wrong)
    for table in (APPLY, FUNCTIONS):
        monkeypatch.setitem(table, "tanh", applied)
    (number,) = [i for i, (record, _) in enumerate(fuzz._table()) if record.name == "tanh"]
    drawn = (fuzz.random_program(np.random.default_rng(seed), 8, record=number) for seed in range(20))
    program = next(program for program in drawn if fuzz.disagreement(fuzz.central_differences, program) is not None)
    small = fuzz.shrunk(fuzz.central_differences, program)
    assert small.names == ("tanh",)
    assert "x1 = tanh(x0)" in str(small)
    assert all(x.size <= 1 for x in small.leaves)


@pytest.mark.parametrize("convention", fuzz.CONVENTIONS, ids=lambda convention: convention.opinion)
def test_what_is_a_convention_is_documented(convention):
    assert convention.reason in re.sub(r"\s+", " ", DOCUMENT)
    names = {name for record in laws.records() for name in (record.name, record.kind)}
    assert names.issuperset(convention.kinds)
    assert convention.opinion in {opinion.__name__ for opinion in fuzz.OPINIONS}
