"""Algebraic identities as data: which expression may be replaced by which, and for which numbers.

Both sides are Python expressions over the ops, and plain NumPy can compute them: the tests do so on every domain,
including its edges. Small letters are arrays, capitals are matrices, k is an axis, and b is a boolean.

They hold for real numbers, and are applied to float32 and float64 operands of one dtype. They are not applied to
integers, which wrap around, to float16, or across a conversion. `algebra.whole` knows where integers behave like real
numbers.
"""

from __future__ import annotations

from typing import NamedTuple


class Identity(NamedTuple):
    """`left` may be replaced by `right` for variables from `domain`."""

    left: str
    right: str
    domain: str = "real"
    """real: all numbers; positive: numbers above 0; nonzero: all but 0; invertible: matrices with an inverse."""
    accurate: bool = True
    """Whether the right side is as accurate as the left for all numbers and NaN; if not, it is only for equations."""


SHORTER = (
    # exponentials
    Identity("log(exp(x))", "x"),
    Identity("exp(log(x))", "x", "positive", accurate=False),
    Identity("log(1 + exp(x))", "softplus(x)"),
    Identity("log1p(exp(x))", "softplus(x)"),
    Identity("sinh(x) / cosh(x)", "tanh(x)"),
    Identity("1 / (1 + exp(-x))", "sigmoid(x)"),
    Identity("exp(x) / (1 + exp(x))", "sigmoid(x)"),
    Identity("sigmoid(x) * exp(-x)", "1 - sigmoid(x)", accurate=False),
    # roots, absolute values
    Identity("sqrt(x) ** 2", "x", "positive", accurate=False),
    Identity("1 / sqrt(x) / sqrt(x)", "1 / x", "positive", accurate=False),
    Identity("abs(x) ** 2", "x ** 2"),
    Identity("sign(x) * abs(x)", "x"),
    Identity("sign(x) / abs(x)", "1 / x", "nonzero"),
    # softmax
    Identity("exp(x - logsumexp(x, axis=k, keepdims=True))", "softmax(x, axis=k)"),
    Identity("exp(x - logsumexp(x, axis=0, keepdims=False))", "softmax(x, axis=0)"),
    Identity("exp(x - logsumexp(x, axis=None, keepdims=False))", "softmax(x, axis=None)"),
    Identity("exp(x) / sum(exp(x), axis=k, keepdims=True)", "softmax(x, axis=k)"),
    Identity("exp(x) / sum(exp(x), axis=0, keepdims=False)", "softmax(x, axis=0)"),
    Identity("exp(x) / sum(exp(x), axis=None, keepdims=False)", "softmax(x, axis=None)"),
    Identity("exp(log_softmax(x, axis=k))", "softmax(x, axis=k)"),
    Identity("sum(softmax(x, axis=k), axis=k, keepdims=b)", "1"),
    # matrices
    Identity("matrix_transpose(matrix_transpose(X))", "X"),
    Identity("matrix_transpose(X @ Y)", "matrix_transpose(Y) @ matrix_transpose(X)"),
    Identity("matrix_transpose(outer(x, y))", "outer(y, x)"),
    Identity("inv(inv(X))", "X", "invertible"),
    Identity("inv(matrix_transpose(X))", "matrix_transpose(inv(X))", "invertible"),
    Identity("trace(matrix_transpose(X), offset=0)", "trace(X, offset=0)"),
    # masks: a relu's derivative
    Identity("where(x <= y, 0, z)", "z * astype(x > y)", accurate=False),
    Identity("where(x < y, 0, z)", "z * astype(x >= y)", accurate=False),
    Identity("where(x <= y, z, 0)", "z * astype(x <= y)", accurate=False),
    Identity("where(x < y, z, 0)", "z * astype(x < y)", accurate=False),
    Identity("where(x > y, z, 0)", "z * astype(x > y)", accurate=False),
    Identity("where(x >= y, z, 0)", "z * astype(x >= y)", accurate=False),
)
"""The right side is shorter, or nearer to the symbols. Both sides are equal except for rounding."""

ACCURATE = (
    Identity("log(sigmoid(x))", "-softplus(-x)"),
    Identity("log(1 - sigmoid(x))", "-softplus(x)"),
    Identity("1 - sigmoid(x)", "sigmoid(-x)"),
    Identity("log(softmax(x, axis=k))", "x - logsumexp(x, axis=k, keepdims=True)"),
    Identity("log(sum(exp(x), axis=k, keepdims=b))", "logsumexp(x, axis=k, keepdims=b)"),
    Identity("log(1 + x)", "log1p(x)", "positive"),
    Identity("exp(x) - 1", "expm1(x)"),
)
"""The right side does not overflow or cancel where the left does, and may be longer. Neither `derive` nor `compile`
applies these by itself: a program would give other numbers than its function does, even if they are better."""
