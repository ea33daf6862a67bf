"""Functions whose intermediate results are not kept, but computed again when a gradient needs them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from sys import _getframe
from typing import Any

import numpy as np

from .. import ops
from ..errors import GraphError
from ..graph.declaring import op
from ..graph.node import describe, toposort
from ..graph.recording import STATE, Nested, enable_grad
from ..graph.records import NUMBERS, OPS
from ..graph.replaying import computed_again, replay
from ..graph.tensor import ArrayLike, Tensor, as_if_applied, make_leaf, make_node
from ..ops import astype
from ..trees import flatten, unflatten
from .calls import called, captured_by, fresh, name_of, packed, unpacked
from .traversal import pulled_back


def checkpoint(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function like `function` that keeps only its arguments and results; a gradient computes the rest again.

    A chain of n layers in √n checkpoints of √n layers needs memory for 2 √n of them, at the cost of one more run
    forward. The function is called once, and its operations are kept without their values. So its random numbers are
    the same in the gradient, which is exactly that of `function`, to all orders. Tensors that it uses from outside,
    such as parameters, get their gradients too. The ``.grad`` of intermediate results stays None. Within `compile`
    nothing is kept anyway, and the function is just called.

    Raise `GraphError` for the log loss of a probability from outside, which reads the logit there: make the probability
    an argument.

    >>> import numpy as np, tinygraph as tg
    >>> W = tg.parameter(np.eye(2))
    >>> block = tg.checkpoint(lambda x: tg.tanh(W @ tg.tanh(W @ x)))
    >>> tg.sum(block(np.ones((2, 1)))).backward()
    >>> W.grad.round(3)
    array([[0.695, 0.695],
           [0.695, 0.695]])
    """
    called(function, "checkpoint")
    name = name_of(function)

    @functools.wraps(function)
    def checkpointed(*args: Any, **kwargs: Any) -> Any:
        state = STATE.get()
        if state.tracing or not state.recording:
            return function(*args, **kwargs)
        call = Nested()
        (variables, given), inputs, born = fresh((args, kwargs), call)
        with call:
            leaves, structure = flatten(function(*variables, **given))
            kept = _kept(name, leaves, flatten((variables, given))[0], inputs, born, _getframe(1))
        return unflatten(structure, kept)

    return checkpointed


def _kept(
    name: str, leaves: list[Any], variables: Sequence[Any], inputs: Sequence[Tensor], born: int, frame: Any
) -> list[Any]:
    """Return the results as functions of the inputs, without the nodes between them."""
    inner = [x for x in variables if isinstance(x, Tensor)]
    outputs = [y for y in leaves if isinstance(y, Tensor) and (y.op is not None or any(y is x for x in inner))]
    floats = [y for y in outputs if y.dtype.kind == "f"]
    kept: dict[Tensor, Tensor] = {}
    for group in [floats, *([y] for y in outputs if y.dtype.kind != "f")]:
        if not group:
            continue
        result = packed(group)
        captured = captured_by([result], inner, born)
        recipe = Recipe.of(name, result, [*inner, *captured])
        read = [*inputs, *captured]
        values = tuple(x._value for x in [*inner, *captured])
        smooth = result.dtype.kind == "f" and any(x.requires_grad for x in read)
        node = make_node(OPS["checkpoint"], tuple(read), values, {"recipe": recipe}, result._value, smooth, frame)
        kept |= dict(zip(group, unpacked(node, group), strict=True))
    return [kept.get(y, y) if isinstance(y, Tensor) else y for y in leaves]


@dataclass(frozen=True, eq=False)
class Recipe:
    """A graph without values, which says how a result is computed from inputs."""

    name: str
    inputs: Sequence[Tensor]
    order: Sequence[Tensor]
    result: Tensor

    def __repr__(self) -> str:
        return self.name

    @classmethod
    def of(cls, name: str, result: Tensor, inputs: Sequence[Tensor]) -> Recipe:
        """Return the recipe of a graph over inputs. Its other leaves are constants, which keep their values."""

        def without_value(node: Tensor, operands: Sequence[Any]) -> Tensor:
            assert node.op is not None
            for i in node.op.aside:
                if node.inputs[i] in over:
                    given = describe(node.inputs[i])
                    raise GraphError(f"{name} uses {given} from outside, and reads its logit: make it an argument")
            return as_if_applied(node.op, tuple(operands), (), node.params, None)

        over = {x: _leaf(None) for x in inputs}
        found = replay(toposort(result, stop=over), without_value, over)
        return cls(name, list(over.values()), list(found.values()), found[result])

    def followed(self, xp: Any, inputs: Sequence[Any]) -> Any:
        """Return the result for these inputs, computed in a namespace."""
        with np.errstate(all="ignore"):  # the first run has given the warnings
            known = dict(zip(self.inputs, inputs, strict=True))
            return computed_again([self.result], self.order, known, xp)[0]

    def gradients(self, xp: Any, g: Any, inputs: Sequence[Any]) -> list[Any]:
        """Return the cotangents of the inputs, with None for an input that is not floating."""
        numbers = xp is NUMBERS
        with enable_grad():
            variables = [_leaf(x) if numbers else astype(x, x.dtype) for x in inputs]
            result = self.followed(ops, variables)
            floats = [x for x in variables if x.dtype.kind == "f"]
            found = iter(pulled_back([result], [g], floats, numbers=numbers))
        return [next(found) if x.dtype.kind == "f" else None for x in variables]


def _leaf(array: Any) -> Tensor:
    return make_leaf(Tensor.__new__(Tensor), array, _getframe(1))


@op(
    "control",
    lambda xp, g, y, *inputs, recipe: recipe.gradients(xp, g, inputs),
    notation="{recipe}({*})",
    variadic=True,
    run=lambda *inputs, recipe: recipe.followed(NUMBERS, inputs),
    samples=(),
)
def checkpoint_(xp: Any, *inputs: ArrayLike, recipe: Any) -> Any:
    """Return the result of a recipe for the inputs; the gradients compute it again."""
    return recipe.followed(xp, inputs)
