"""Rules in another array namespace: array-api-strict, which has what the standard has and nothing else."""

import inspect

import numpy as np
import pytest

from tinygraph.graph.records import OPS
from tinygraph.testing import laws

strict = pytest.importorskip("array_api_strict", reason="array-api-strict is not installed: pip install '.[test]'")


class NotStandardError(Exception):
    """A rule asks for a function that the standard lacks."""


class Namespace:
    """The standard's functions and those of its extension linalg, flat."""

    def __getattr__(self, name):
        function = getattr(strict, name, None) or getattr(strict.linalg, name, None)
        if function is None:
            raise NotStandardError(name)
        return function


XP = Namespace()
CONSTANT = {"trace"}  # their rules have a constant matrix of NumPy's
STANDARD = [op for op in OPS.values() if hasattr(strict, op.name) or hasattr(strict.linalg, op.name)]


def given(op, inputs, params):
    """Arrays and parameters as the standard knows them."""
    signature = inspect.signature(op.forward).parameters
    params = {key: signature[key].default for key in op.params} | params
    known = {key: getattr(strict, value.__name__) if key == "dtype" else value for key, value in params.items()}
    return [strict.asarray(x) for x in inputs], known, params


def agree(computed, expected):
    np.testing.assert_allclose(np.asarray(computed), expected, rtol=1e-12, atol=1e-14, strict=True)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("op", STANDARD, ids=lambda op: op.name)
def test_forward(op):
    for inputs, params in laws.samples(op):
        arrays, known, params = given(op, inputs, params)
        agree(op.forward(XP, *arrays, **known), op.run(*inputs, **params))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "op", [op for op in STANDARD if op.differentiable and op.name not in CONSTANT], ids=lambda op: op.name
)
def test_gradients(op):
    for inputs, params in laws.samples(op):
        arrays, known, params = given(op, inputs, params)
        y = np.asarray(op.run(*inputs, **params))
        g = np.cos(np.arange(float(y.size))).reshape(y.shape)
        for rule in filter(None, op.vjps):
            expected = rule(laws.NUMBERS, g[()], y[()], *[x[()] for x in inputs], **params)
            try:
                computed = rule(XP, strict.asarray(g), strict.asarray(y), *arrays, **known)
            except NotStandardError as missing:
                pytest.skip(f"a rule needs {missing}, which the standard lacks")
            for ours, theirs in zip(*[x if op.variadic else [x] for x in (computed, expected)], strict=True):
                if theirs is not None:
                    agree(ours, np.asarray(theirs))


def test_most_of_the_table_is_standard():
    assert len(STANDARD) > 40
