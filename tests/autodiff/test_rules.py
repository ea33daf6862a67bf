"""Gradient rules: the one caller of them gives the same as the fast path of the traversal."""

import numpy as np
import pytest

import tinygraph as tg
from tinygraph.autodiff.rules import cotangent_of_input, cotangents_of_inputs
from tinygraph.graph.records import NUMBERS, OPS
from tinygraph.ops.arithmetic.broadcasting import unbroadcast
from tinygraph.testing.laws import applied, consistent, samples


@pytest.mark.parametrize("op", OPS.values(), ids=OPS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::tinygraph.BroadcastWarning")
def test_the_caller_of_rules_agrees_with_the_traversal(op, rng):
    for arrays, params in samples(op):
        inputs = [tg.Tensor(x, requires_grad=np.asarray(x).dtype.kind == "f") for x in consistent(op, arrays)]
        y = applied(op, inputs, params)
        if not y.requires_grad:
            continue
        g = rng.standard_normal(y.shape)[()]
        y.backward(g)
        for i, cotangent in cotangents_of_inputs(op, NUMBERS, g, y._value, y._args, y.params):
            x = y.inputs[i]
            if isinstance(x, tg.Tensor) and x.requires_grad and x.op is None and sum(z is x for z in y.inputs) == 1:
                summed = unbroadcast(NUMBERS, cotangent, x.shape) if op.kind == "elementwise" else cotangent
                np.testing.assert_allclose(summed, x.grad, rtol=1e-12, atol=1e-12)


def test_an_input_without_a_rule_has_no_cotangent():
    assert cotangent_of_input(OPS["where"], 0, NUMBERS, 1.0, 2.0, (True, 2.0, 3.0), {}) is None
    assert cotangent_of_input(OPS["multiply"], 1, NUMBERS, 1.0, 6.0, (2.0, 3.0), {}) == 2.0


def test_a_variadic_rule_of_the_wrong_length_is_refused():
    @tg.op("other", lambda xp, g, y, *xs: [g], variadic=True)
    def total_of_all(xp, *xs):
        return sum(xs)

    x = tg.parameter(1.0)
    with pytest.raises(tg.ShapeError, match="gave 1 gradients for 2 inputs"):
        total_of_all(x, x).backward()
