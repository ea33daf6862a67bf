"""Running the gradient rules of an op. Only this file and the fast path of the traversal run them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from ..errors import ShapeError
from ..graph.records import Op, Rule


def cotangents_of_inputs(
    op: Op,
    xp: Any,
    g: Any,
    y: Any,
    values: Sequence[Any],
    params: Mapping[str, Any],
    positions: Iterable[int] | None = None,
) -> Iterator[tuple[int, Any]]:
    """Yield the cotangents of the inputs of an op, or of those at some positions, each with its position.

    `g` is the cotangent of the result `y`, and `values` are the inputs, all in the namespace `xp`. A cotangent is not
    yet summed to the shape of an input that was broadcast. Inputs without a gradient are left out.
    """
    rules: Sequence[Rule | None] = op.vjps
    if op.variadic:
        rules, values, params = spread(op, xp, g, y, values, params), (), {}
    for i in range(len(rules)) if positions is None else positions:
        if (rule := rules[i]) is not None:
            yield i, rule(xp, g, y, *values, **params)


def cotangent_of_input(
    op: Op, position: int, xp: Any, g: Any, y: Any, values: Sequence[Any], params: Mapping[str, Any]
) -> Any:
    """Return the cotangent of one input of an op, or None if it has none; see `cotangents_of_inputs`."""
    return next((x for _, x in cotangents_of_inputs(op, xp, g, y, values, params, [position])), None)


def spread(op: Op, xp: Any, g: Any, y: Any, values: Sequence[Any], params: Mapping[str, Any]) -> list[Rule | None]:
    """Return a rule for each input of a variadic op, whose own rule gives the cotangents of all inputs at once.

    These rules take no inputs and no parameters.
    """
    assert op.vjps[0] is not None
    given = op.vjps[0](xp, g, y, *values, **params)
    if len(given) != len(values):
        raise ShapeError(f"the rule of {op.name} gave {len(given)} gradients for {len(values)} inputs")
    read = partial(_cotangent, (xp, g, y, *values), params)
    return [None if found is None else partial(read, found) for found in given]


def _cotangent(given: tuple[Any, ...], params: Mapping[str, Any], found: Any, *_: Any) -> Any:
    """Return the cotangent that a variadic op gave for one of its inputs, or the result of the rule that it gave."""
    return found(*given, **params) if callable(found) else found
