"""The equations of a graph and its gradients in closed form, as in a textbook, derived from the graph itself."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from sys import _getframe
from types import FrameType
from typing import Any, overload

import numpy as np

from ..errors import ArgumentError, UnsupportedError
from ..graph.exits import ask
from ..graph.node import describe, toposort
from ..graph.recording import Nested
from ..graph.tensor import Tensor
from ..reading import Reading
from .results import Derivation


@overload
def derive(
    output: Tensor,
    wrt: Tensor | Sequence[Tensor] | None = None,
    convention: str = "lecture",
    expand: bool = False,
    assume: Tensor | Sequence[Tensor] = (),
    depth: int | None = None,
) -> Derivation: ...
@overload
def derive(
    output: Callable[..., Tensor],
    wrt: Tensor | Sequence[Tensor] | None = None,
    convention: str = "lecture",
    expand: bool = False,
    assume: Tensor | Sequence[Tensor] = (),
    depth: int | None = None,
) -> Callable[..., Derivation]: ...
def derive(
    output: Tensor | Callable[..., Tensor],
    wrt: Tensor | Sequence[Tensor] | None = None,
    convention: str = "lecture",
    expand: bool = False,
    assume: Tensor | Sequence[Tensor] = (),
    depth: int | None = None,
) -> Derivation | Callable[..., Derivation]:
    """Return the equations of `output` and of its gradients, simplified, in your own names.

    `output` is a recorded scalar, or a function that computes one. For a function, `derive` returns a function of the
    same arguments that returns the equations; floating arguments become parameters with their names in the function.

    The forward equations come first, then the backward ones, for all parameters or for `wrt`; with `depth`, only those
    at most that many equations away from the output. With ``convention="lecture"``, the gradients of activations
    are those of each example's loss, and the common factor, such as 1/m, enters with the parameters; with ``"exact"``,
    every dV is ∂J/∂V. The gradient of an intermediate result is merged into those that need it if that makes no
    equation longer, as the lecture merges da into dz; ``expand=True`` keeps both. An unnamed result is called t1, t2, …
    if it is needed more than once or would make a line too long.

    In print, layers that repeat are written once with an index: see `Derivation`.

    `assume` are equations that hold for the data, as in ``assume=[sum(Y, axis=0) == 1]``. They are checked and then
    used.

    Every equation is evaluated and compared with the engine's gradient before it is returned.

    Raises `UnsupportedError` if `output` depends on no parameter, and `ArgumentError` if it does not depend on the
    tensors in `wrt`, if an assumption does not hold, for an unknown convention, and for
    an `output` that is not a scalar.

    >>> import tinygraph as tg
    >>> w, x, y = tg.parameter([[1.0, 2.0]]), tg.Tensor([[0.5], [1.0]]), tg.Tensor([[1.0]])
    >>> a = tg.sigmoid(w @ x)
    >>> L = tg.log_loss(a, y)
    >>> tg.derive(L)["dw"].text
    'dw = (a − y) xᵀ'
    """
    if callable(output):
        return _derived(output, wrt, convention, expand, assume, depth)
    return _derivation(output, wrt, convention, expand, assume, depth, _getframe(1))


def _derivation(
    output: Tensor,
    wrt: Tensor | Sequence[Tensor] | None,
    convention: str,
    expand: bool,
    assume: Tensor | Sequence[Tensor],
    depth: int | None,
    frame: FrameType | None,
) -> Derivation:
    if not isinstance(output, Tensor):
        raise TypeError(f"derive takes a tensor or a function, not {type(output).__name__}")
    ask(output, "the derivation")
    if convention not in ("lecture", "exact"):
        raise ArgumentError(f'convention is "lecture" or "exact", not {convention!r}')
    if output.shape != ():
        raise ArgumentError(f"{describe(output)} has shape {output.shape}; equations can only be derived for a scalar")
    if depth is not None and (depth < 1 or depth != int(depth)):
        raise ArgumentError(f"depth is the number of equations to go back, at least 1, not {depth}")
    reading = Reading(toposort(output), frame)
    sought = set(reading.parameters) if wrt is None else _sought(output, reading.order, wrt)
    if not sought or output.op is None:
        raise UnsupportedError(
            f"{describe(output)} does not depend on anything that requires a gradient;"
            " make parameters with parameter(…)"
        )
    assume = [assume] if isinstance(assume, Tensor) else assume
    for fact in assume:
        if not isinstance(fact, Tensor) or fact.op is None or fact.op.notation != "{0} = {1}":
            raise ArgumentError("an assumption is an equation between tensors, such as tg.sum(Y, axis=0) == 1")
        if not np.allclose(*fact._args):
            raise ArgumentError(f"the assumption {fact.site.text or 'given'} does not hold for the data")
    from .derivation import Deriver  # imported here, since it takes long

    deriver = Deriver(reading, sought, assume=assume, depth=depth)
    return deriver.derivation(convention == "lecture", expand)


def _sought(output: Tensor, order: Sequence[Tensor], wrt: Tensor | Sequence[Tensor]) -> set[Tensor]:
    """Return the tensors of `wrt`, if the output depends on them."""
    sought = [wrt] if isinstance(wrt, Tensor) else list(wrt)
    for x in sought:
        if not isinstance(x, Tensor):
            raise TypeError(f"wrt= takes tensors, not {type(x).__name__}")
        if all(x is not node for node in order) or x.dtype.kind != "f":
            raise ArgumentError(f"{describe(output)} does not depend smoothly on {describe(x)}, which wrt= asks for")
    return set(sought)


def _derived(
    function: Callable[..., Tensor],
    wrt: Tensor | Sequence[Tensor] | None,
    convention: str,
    expand: bool,
    assume: Tensor | Sequence[Tensor],
    depth: int | None,
) -> Callable[..., Derivation]:
    signature = inspect.signature(function)

    def derived(*args: Any, **kwargs: Any) -> Derivation:
        given, call = signature.bind(*args, **kwargs), Nested()
        for name, x in given.arguments.items():
            if isinstance(x, (np.ndarray, float)):
                variable = Tensor(x, requires_grad=np.asarray(x).dtype.kind == "f", name=name)
                variable._calls = (call,)
                given.arguments[name] = variable
        with call:
            result = function(*given.args, **given.kwargs)
        call.last()
        return _derivation(result, wrt, convention, expand, assume, depth, None)

    return derived
