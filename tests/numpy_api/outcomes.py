"""Helpers that judge the outcome of a call: the text of a refusal, and whether a result has lost its gradient."""

import pytest

import tinygraph as tg


def message(attempt):
    """Return the text of the refusal that an attempt raises, which must be our own TypeError."""
    with pytest.raises(tg.UnsupportedError) as caught:
        attempt()
    assert isinstance(caught.value, TypeError)
    return str(caught.value)


def fallen_out(result):
    """Return whether a result has lost its gradient; recorded comparisons have none to lose."""
    if isinstance(result, (tuple, list)):
        return any(map(fallen_out, result))
    if not isinstance(result, tg.Tensor):
        return True
    lost = result.op is None or (result.op.differentiable and result.dtype.kind == "f")
    return lost and not result.requires_grad
