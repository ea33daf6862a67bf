"""Cancelling factors: if y = ‖x‖ and g = q y, then g x / y is q x, which is smooth where y is 0.

So ‖x‖² has the second derivative 2 at 0, although ‖x‖ itself has none there.
"""

from __future__ import annotations

from typing import Any

from ...graph.node import LITERALS
from ...graph.records import APPLY
from ...graph.tensor import Tensor

_DEPTH = 8  # how deep products are searched
_ONE = 1.0


def without_factor(g: Any, y: Any, depth: int = _DEPTH) -> Any:
    """Return g / y if the node `g` is a product with the factor `y`, or 0 if `g` is the number 0, or else None.

    >>> import tinygraph as tg
    >>> from tinygraph.ops.arithmetic.factors import without_factor
    >>> y = tg.parameter(0.0)
    >>> without_factor(3.0 * (2.0 * y), y)
    Tensor(6., op=multiply)
    """
    if g is y:
        return _ONE
    if type(g) in LITERALS and g == 0:
        return 0.0
    if type(g) is not Tensor or g.op is None or g.op.kind != "elementwise" or not depth:
        return None
    if g.op.exponent == 1 and g.inputs[0] is y and type(n := g.inputs[1]) in LITERALS and n >= 2:
        return y if n == 2 else y ** (n - 1)
    places = range(len(g.inputs))
    linear = g.op.linear
    for group in [[i] for i in places] if linear == "each" else [places] if linear == "together" else linear:
        quotients = {i: without_factor(g.inputs[i], y, depth - 1) for i in group}
        if all(quotient is not None for quotient in quotients.values()):
            others = [x for i, x in enumerate(g.inputs) if i not in quotients]
            if linear == "each" and len(others) == 1 and quotients[group[0]] is _ONE:
                return others[0]
            rest = g.op.apply(*(quotients.get(i, x) for i, x in enumerate(g.inputs)), **g.params)
            return rest if rest.dtype == g.dtype else APPLY["astype"](rest, g.dtype)
    return None
