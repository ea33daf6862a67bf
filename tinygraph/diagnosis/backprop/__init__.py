"""Checking backpropagation that was written by hand: which gradient is the first that is wrong, and by what slip."""

from __future__ import annotations

from collections.abc import Mapping
from sys import _getframe

import numpy as np

from ...errors import ArgumentError, UnsupportedError
from ...graph.recording import enable_grad
from ...graph.tensor import ArrayLike, Tensor, ask, describe, toposort
from ...reading import Reading
from .report import BackpropReport

__all__ = ["BackpropReport", "check_backprop"]


def check_backprop(
    output: Tensor, given: Mapping[str, ArrayLike] | None = None, /, *, convention: str = "lecture", **named: ArrayLike
) -> BackpropReport:
    """Compare gradients that you computed by hand, and say which is the first that is wrong, and by what slip.

    `output` is the recorded scalar, J. Give any of its gradients by name, ``dW1`` for that of W1, as arrays or tensors;
    names that are no identifiers in a dict. They are compared in backward order. What comes after a wrong one is
    compared with what follows from it, so that an error counts once.

    The cause is looked for among the usual slips: the factor 1/m missing or doubled, a sign, a transpose, a sum missing
    or over the wrong axis, keepdims, the elementwise product for the matrix product, g′ forgotten, or at A instead of
    Z, or of another function, another factor in its place, and others; also on the way to what you gave.

    `convention` is that of `derive`: with "lecture" gradients of results are those of each example's loss, and 1/m
    enters with the parameters; with "exact" every dV is ∂J/∂V. Where all you gave follows the other one, it says so.
    No ``.grad`` is needed or touched. What rounding may do, in the coarsest dtype among the graph's and yours, is not
    an error.

    Raises `ArgumentError` for a name that is no gradient's, nothing given, another convention, or an `output` that is
    no scalar; `UnsupportedError` where nothing requires a gradient; `DTypeError` for what holds no real numbers.

    >>> import numpy as np, tinygraph as tg
    >>> X, Y = tg.Tensor([[0.0, 1.0, 2.0], [1.0, 0.0, 1.0]]), tg.Tensor([[0.0, 1.0, 1.0]])
    >>> w, b = tg.parameter([[0.5, -0.5]]), tg.parameter([[0.25]])
    >>> Z = w @ X + b
    >>> A = tg.sigmoid(Z)
    >>> J = tg.log_loss(A, Y)
    >>> dZ = A.data - Y.data
    >>> dw = dZ @ X.data.T
    >>> db = np.mean(dZ, axis=1, keepdims=True)
    >>> tg.check_backprop(J, dZ=dZ, dw=dw, db=db)
    dw lacks the factor 1/m, so it is 3 times too large
    <BLANKLINE>
    dZ   agrees
    dw   wrong: dw = (1/m) dZ Xᵀ; at [0, 0] you have −0.9625, it should be −0.3208
    db   agrees
    """
    if not isinstance(output, Tensor):
        raise TypeError(f"check_backprop takes the tensor that was differentiated, not {type(output).__name__}")
    ask(output, "the check")
    if convention not in ("lecture", "exact"):
        raise ArgumentError(f'convention is "lecture" or "exact", not {convention!r}')
    if output.shape != ():
        raise ArgumentError(f"{describe(output)} has shape {output.shape}; backpropagation begins at a scalar")
    if output.op is None or not output.requires_grad:
        raise UnsupportedError(
            f"{describe(output)} does not depend on anything that requires a gradient;"
            " what is to be learned is made with parameter(…)"
        )
    from .marking import marked  # here, since importing what they take is slow
    from .right import Right

    with enable_grad(), np.errstate(all="ignore"):
        right = Right(Reading(toposort(output), _getframe(1)), {**(given or {}), **named})
        return marked(right, convention)
