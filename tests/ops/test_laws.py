"""Every op in the table, by every law."""

import numpy as np
import pytest

from tinygraph.graph.records import OPS
from tinygraph.testing import laws

CASES = [
    pytest.param(op, inputs, params, id=f"{op.name}-{'-'.join(str(x.shape) for x in inputs)}-{params or ''}")
    for op in laws.records()
    for inputs, params in laws.samples(op)
]


@pytest.mark.parametrize("law", laws.LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize(("op", "inputs", "params"), CASES)
def test_law(law, op, inputs, params):
    law(op, inputs, params)


@pytest.mark.parametrize("op", laws.records(), ids=lambda op: op.name)
def test_special_values(op):
    laws.law_special_values(op)


@pytest.mark.parametrize("name", OPS)
def test_every_op_has_samples_with_an_axis_of_length_zero_or_one(name):
    shapes = [x.shape for inputs, _ in laws.samples(OPS[name]) for x in inputs]
    assert shapes or OPS[name].kind == "control"  # those are made, and tested, with functions of the user's
    if OPS[name].kind in ("elementwise", "contraction") and not OPS[name].params:
        assert any(0 in shape for shape in shapes)


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (lambda xp, g, y, x: g * (1.0 + y * y), "central differences"),
        (lambda xp, g, y, x: xp.stop_gradient(g) * (1.0 - y * y), "differentiated by the cotangent"),
        (lambda xp, g, y, x: xp.where(g > 0, g, 1.5 * g) * (1.0 - y * y), "central differences|not linear"),
    ],
    ids=["its slope", "its derivative by g", "it is not linear in g"],
)
def test_a_wrong_rule_breaks_a_law(rule, said):
    import dataclasses

    right = OPS["tanh"]
    wrong = dataclasses.replace(right, vjps=(rule,))
    applied = laws.APPLY["tanh"]
    try:
        from tinygraph.graph.declaring import _apply_unary

        laws.APPLY["tanh"] = _apply_unary(wrong)
        with pytest.raises(laws.LawError, match=said):
            laws.law_gradient(wrong, [np.array([0.5, 1.0])], {})
    finally:
        laws.APPLY["tanh"] = applied
