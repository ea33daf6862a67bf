"""Explanations in sentences, with evidence: why a gradient is None, zero, NaN, tiny or huge, or why a value is NaN."""

from __future__ import annotations

from sys import _getframe

from ...graph.exits import ask
from ...graph.tensor import Tensor
from .answers import Answer

__all__ = ["Answer", "why"]


def why(t: Tensor, of: Tensor | None = None) -> Answer:
    """Explain in sentences why the gradient of `t` is None, zero, NaN, infinite, tiny or huge, or say that it is fine.

    If the value of `t` itself is NaN or infinite, the answer says where that began. `of` is the loss whose gradient you
    ask about; by default it is the youngest scalar among your variables that was computed from `t`. If no backward has
    run, the gradient is computed for the answer only and is not stored.

    Raises `TypeError` if `t` or `of` is not a tensor.

    >>> w, x = tg.parameter([[1.0, -1.0]], name="w"), tg.Tensor(np.ones((2, 10)), name="x")
    >>> a = tg.relu(w @ x - 1.0)
    >>> J = tg.mean((a - 1.0) ** 2)
    >>> J.backward()
    >>> tg.why(w, of=J).causes[0].key
    'dead'
    """
    if not isinstance(t, Tensor):
        raise TypeError(f"why takes a tensor, not {type(t).__name__}")
    if of is not None and not isinstance(of, Tensor):
        raise TypeError(f"of= takes the tensor whose gradient you ask about, not {type(of).__name__}")
    ask(t, "an explanation")
    from .questions import answer  # imported here, since few programs ask

    return answer(t, of, _getframe(1))
