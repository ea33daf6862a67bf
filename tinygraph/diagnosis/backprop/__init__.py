"""The check of hand-written backpropagation, which finds the first wrong gradient and the slip behind it."""

from __future__ import annotations

from collections.abc import Mapping
from sys import _getframe

import numpy as np

from ...errors import ArgumentError, UnsupportedError
from ...graph.exits import ask
from ...graph.node import describe, toposort
from ...graph.recording import enable_grad
from ...graph.tensor import ArrayLike, Tensor
from ...reading import Reading
from .report import BackpropReport

__all__ = ["BackpropReport", "check_backprop"]


def check_backprop(
    output: Tensor, given: Mapping[str, ArrayLike] | None = None, /, *, convention: str = "lecture", **named: ArrayLike
) -> BackpropReport:
    """Compare gradients that you computed by hand with the right ones; report the first wrong one and the slip in it.

    `output` is the recorded scalar, J. Give any of its gradients by name, ``dW1`` for that of W1, as arrays or tensors;
    give names that are not identifiers in a dict. The gradients are compared in backward order. Those that
    depend on a wrong one are compared with the values that follow from it, so that each error counts once.

    The cause is searched for among the usual slips: the factor 1/m missing or doubled, a sign, a transpose, a sum
    missing or over the wrong axis, keepdims, the elementwise product for the matrix product, g′ forgotten, taken at A
    instead of Z, or taken from another function, another factor in its place, and others. The slip may also lie on the
    way to the gradient that you gave.

    `convention` is that of `derive`: with "lecture", gradients of results are those of each example's loss, and 1/m
    enters with the parameters; with "exact", every dV is ∂J/∂V. If all your gradients follow the other convention, the
    report says so. The check needs no ``.grad`` and changes none. A difference is not an error if it may come from
    rounding, in the coarsest dtype among the graph's and yours.

    Raises `ArgumentError` for a name that no gradient has, if nothing is given, for an unknown convention, and for an
    `output` that is not a scalar; `UnsupportedError` if nothing requires a gradient; `DTypeError` if you give anything
    but real numbers.

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
            " make parameters with parameter(…)"
        )
    from .marking import marked  # imported here, since it takes long
    from .right import Right

    with enable_grad(), np.errstate(all="ignore"):
        right = Right(Reading(toposort(output), _getframe(1)), {**(given or {}), **named})
        return marked(right, convention)
