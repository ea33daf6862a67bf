"""The picture of a forward pass that stops: the graph as far as it was built, and the operands that do not fit."""

from __future__ import annotations

from types import FrameType
from typing import Any

import numpy as np

from ..errors import Misfit
from ..graph.node import NO_PARAMS, toposort
from ..graph.records import Op
from ..graph.tensor import Tensor, as_if_applied
from ..reading import Reading
from ..writing.names import clean
from ..writing.notation import Span, symbol
from .boxes import Drawing, drawing_of

CROSS = "✗"


def drawing_of_misfit(misfit: Misfit, frame: FrameType | None) -> Drawing | None:
    """Return the graph of the operands, with these marked, and the operation that cannot be applied as the last box.

    Return None if no operand is a tensor.
    """
    operands = tuple(x for x in misfit.operands if isinstance(x, Tensor))
    if not operands:
        return None
    failed = as_if_applied(_FAILED, operands, tuple(x._value for x in operands), NO_PARAMS, np.float64(np.nan))
    failed.site, failed.scope = misfit.site, misfit.scope
    failed.name = ""  # nothing has been bound: in Z = Z + b, it is the operand that is called Z
    drawing = drawing_of(Reading(toposort(failed), frame, also=operands))
    marked = set(operands)
    for box in drawing.boxes:
        if box.node in marked:
            box.role, box.title = "misfit", [*box.title, Span(f"   {CROSS}")]
    shapes = [str(x.shape) for x in operands]
    verb = "does" if len(shapes) == 1 else "do"
    last, name = drawing.boxes[-1], misfit.site.name
    last.role = "failed"
    last.title = [*([*symbol(name), Span(" = ")] if name else []), Span(clean(misfit.text))]
    last.value = f"{CROSS} {' and '.join(filter(None, (', '.join(shapes[:-1]), shapes[-1])))} {verb} not fit"
    return drawing


def _refuse(*_: Any) -> Any:
    raise NotImplementedError


_FAILED = Op("failed", "control", _refuse, _refuse, (None,), variadic=True)
