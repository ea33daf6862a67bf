"""The exceptions, and how their messages are put together.

Every error that tinygraph raises on purpose is a `TinygraphError` and also the built-in exception that a
NumPy user would expect. The functions below turn facts (names, shapes, places) into text. They
know nothing about tensors, so any file may use them.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Container, Iterable, Sequence
from sys import _getframe
from types import FrameType
from typing import Any, NamedTuple, Protocol

Shape = tuple[int, ...]


class Picture(Protocol):
    """The parts of `tinygraph.Picture` that the picture of an error offers."""

    @property
    def svg(self) -> str: ...  # noqa: D102
    def save(self, path: Any, /) -> Any: ...  # noqa: D102


class TinygraphError(Exception):
    """The base of all errors that tinygraph raises."""


class Misfit(NamedTuple):
    """An operation that could not be applied, for a picture of it."""

    text: str
    """The operation as the user wrote it."""
    operands: tuple[Any, ...]
    """The tensors, and the Python numbers as they were written."""
    site: Any
    """The place where the user wrote it."""
    scope: tuple[str, ...]


class ShapeError(TinygraphError, ValueError):
    """Shapes that do not fit together.

    If the operands of an operation do not fit, `picture` shows them and the graph that was built so far.
    """

    misfit: Misfit | None = None
    """The operation that failed. It keeps the graph alive as long as the error lives; copies and pickles lack it."""

    @property
    def picture(self) -> Picture | None:
        """A picture of the graph built so far and of the operation that failed; operands that do not fit are marked.

        It is None if the error did not come from an operation on tensors.

        >>> import numpy as np, tinygraph as tg
        >>> W, X = tg.parameter(np.ones((4, 3))), tg.Tensor(np.ones((2, 400)))
        >>> try:
        ...     Z = W @ X
        ... except tg.ShapeError as error:
        ...     print(error.picture)
        W   ✗       4 × 3   all 1                      dW   –
        X   ✗       2 × 400   all 1
        Z = W @ X   ✗ (4, 3) and (2, 400) do not fit
        """
        return None if self.misfit is None else DRAWN_BY[0](self.misfit, _getframe(1))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self.args, {key: value for key, value in vars(self).items() if key != "misfit"}


DRAWN_BY: list[Callable[[Misfit, FrameType], Picture | None]] = []
"""The function that draws a misfit for the frame that asks; `tinygraph.pictures` puts it here."""


class ArgumentError(TinygraphError, ValueError):
    """A value that an operation cannot work with, such as a label outside [0, 1]."""


class DTypeError(TinygraphError, TypeError):
    """A dtype that cannot be used, such as an integer dtype for a tensor that requires a gradient."""


class UnsupportedError(TinygraphError, TypeError):
    """Something that would fall out of the graph, or that has no gradient rule."""


class GraphError(TinygraphError, RuntimeError):
    """A graph whose state would make the answer wrong, such as one that `backward` has already used."""


class AnomalyError(TinygraphError, FloatingPointError):
    """A NaN or an infinity that an op made from finite numbers within `detect_anomaly`."""


class DependencyError(TinygraphError, ImportError):
    """An optional package or program is missing; the message says how to get it."""


class BroadcastWarning(UserWarning):
    """A bias that broadcasts along the wrong axis without an error.

    Switch it off with ``warnings.simplefilter("ignore", tinygraph.BroadcastWarning)``.
    """


class Operand(NamedTuple):
    """The facts about one operand that an error message tells."""

    name: str
    shape: Shape
    origin: str = ""


# Ops that do the work of NumPy functions with quite different names.
_INSTEAD: dict[str, tuple[str, ...]] = {
    "matmul": ("dot", "inner", "vdot", "einsum"),
    "concat": ("hstack", "vstack", "append", "column_stack"),
}
_INSTEAD |= {"reshape": ("squeeze", "ravel", "expand_dims", "atleast_1d", "atleast_2d", "resize"), "abs": ("fabs",)}
_VARIANT = re.compile(r"(?:nan|arc|f|m)?([a-z]{3,}?)(?:1p|2|10)?")


# Arguments and methods that have other names in PyTorch.
_PYTORCH = {"dim": "axis", "dims": "axis", "keepdim": "keepdims", "input": "x"}
PYTORCH_METHODS = {"cpu": "x itself", "double": "x.astype(np.float64)", "float": "x.astype(np.float32)"}
PYTORCH_METHODS |= {"long": "x.astype(np.int64)", "numpy": "x.data", "permute": "x.transpose(axes)", "t": "x.T"}
PYTORCH_METHODS |= {"mm": "x @ y", "bmm": "x @ y", "unsqueeze": "tg.expand_dims(x, axis)", "view": "x.reshape(shape)"}
PYTORCH_METHODS |= {"requires_grad_": "x.requires_grad = True", "zero_grad": "x.grad = None"}
PYTORCH_METHODS |= {"cat": "tg.concat([x, y])", "norm": "tg.vector_norm(x)", "contiguous": "x itself"}


def unexpected(names: Iterable[str]) -> str:
    """Return the names of unexpected arguments as text; a name from PyTorch is followed by the name used here."""
    return ", ".join(f"{name} ({_PYTORCH[name]} here)" if name in _PYTORCH else name for name in sorted(names))


def nearest(name: str, known: Container[str]) -> str:
    """Return a hint at a known function that does the same kind of thing (log for log2, matmul for dot), or ""."""
    variant = _VARIANT.fullmatch(name)
    by_name = variant[1] if variant and variant[1] in known else ""
    found = next((ours for ours, theirs in _INSTEAD.items() if name in theirs and ours in known), by_name)
    return f"; the nearest thing that does is {found}" if found else ""


def shape_message(expression: str, operands: Sequence[Operand], reason: str, hints: Sequence[str], where: str) -> str:
    """Lay out a shape error: what failed, the operands and where each came from, why, what to try."""
    wide = max((len(operand.name) for operand in operands), default=0)
    shapes = max((len(str(operand.shape)) for operand in operands), default=0)
    lines = [f"{expression}: {reason}"]
    for name, shape, origin in operands:
        lines.append(f"  {name:<{wide}}  {shape!s:<{shapes}}  {origin}".rstrip())
    lines += [f"  try: {hint}" for hint in hints]
    if where:
        lines.append(f"  at {where}")
    return "\n".join(lines)


def matmul_mismatch(left: Operand, right: Operand) -> tuple[str, list[str]]:
    """Return why two shapes have no matrix product, and hints at transposes or swaps that would have one."""
    if not left.shape or not right.shape:
        scalar = left if not left.shape else right
        return f"a matrix product needs at least one axis, {scalar.name} has none", ["multiply with *"]
    columns, rows = left.shape[-1], right.shape[-2] if len(right.shape) > 1 else right.shape[0]
    if columns == rows:
        return f"the leading axes {left.shape[:-2]} and {right.shape[:-2]} do not broadcast together", []
    reason = (
        f"{left.name} has {_count(columns, 'column')} but {right.name} has {_count(rows, 'row')}"
        f" ({columns} ≠ {rows}), and a matrix product sums over them"
    )
    a, b = _atom(left.name), _atom(right.name)
    turned_left, turned_right = _turned(left.shape), _turned(right.shape)
    candidates = [
        (f"{_turned_text(a)} @ {b}", turned_left, right.shape),
        (f"{a} @ {_turned_text(b)}", left.shape, turned_right),
        (f"{b} @ {a}", right.shape, left.shape),
        (f"{_turned_text(a)} @ {_turned_text(b)}", turned_left, turned_right),
    ]
    hints = [f"{text}, of shape {result}" for text, x, y in candidates if (result := _product(x, y)) is not None]
    if hints:
        return reason, hints[:2]
    return reason, [
        f"no transpose fits: give {left.name} the shape {(*left.shape[:-1], rows)}"
        f" or {right.name} {_count(columns, 'row')}"
    ]


def broadcast_mismatch(operands: Sequence[Operand]) -> tuple[str, list[str]]:
    """Return why shapes do not broadcast, with axes counted from the right, and hints at how to mend them."""
    shapes = [operand.shape for operand in operands]
    depth = max(map(len, shapes))
    clashes = []
    for axis in range(1, depth + 1):
        sizes = {shape[-axis] for shape in shapes if len(shape) >= axis} - {1}
        if len(sizes) > 1:
            clashes.append(f"axis −{axis} ({' ≠ '.join(map(str, sorted(sizes)))})")
    reason = f"the sizes differ in {' and '.join(clashes)}, counted from the right"
    hints = []
    for one in sorted(
        operands, key=lambda operand: math.prod(operand.shape)
    ):  # suggest changing the bias rather than the product
        for other in operands:
            if one is other or len(one.shape) > len(other.shape):
                continue
            if len(one.shape) == 1 and len(other.shape) == 2 and one.shape[0] == other.shape[0]:
                hints.append(
                    f"a column: give {one.name} the shape ({one.shape[0]}, 1), as with {_atom(one.name)}.reshape(-1, 1)"
                )
            elif len(one.shape) == 2 and broadcastable(_turned(one.shape), other.shape):
                hints.append(f"{_turned_text(_atom(one.name))}, of shape {_turned(one.shape)}")
    if len(operands) == 2 and (result := _product(*shapes)) is not None:
        hints.append(f"{_atom(operands[0].name)} @ {_atom(operands[1].name)}, the matrix product, of shape {result}")
    return reason, hints[:2]


def label_mismatch(probabilities: Operand, labels: Operand) -> tuple[str, list[str]]:
    """Return why labels do not match probabilities, and hints at how to give them the right shape."""
    hints = []
    if labels.shape == probabilities.shape[::-1]:
        hints.append(f"{_atom(labels.name)}.T, of shape {probabilities.shape}")
    elif math.prod(labels.shape) == math.prod(probabilities.shape):
        hints.append(f"{_atom(labels.name)}.reshape{probabilities.shape}")
    return "each probability is compared with a label of its own, so the shapes must be the same", hints


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _atom(text: str) -> str:
    """Return the text as one unit, in brackets if necessary, so that `.T` or `@` may follow it."""
    simple = text.replace("_", "a").replace(".", "a").replace("[", "a").replace("]", "a").isalnum()
    return text if simple else f"({text})"


def _turned_text(text: str) -> str:
    return text.removesuffix(".T") if text.endswith(".T") else f"{text}.T"


def _turned(shape: Shape) -> Shape:
    return (*shape[:-2], shape[-1], shape[-2]) if len(shape) > 1 else shape


def _product(left: Shape, right: Shape) -> Shape | None:
    if len(left) != 2 or len(right) != 2 or left[1] != right[0]:
        return None
    return (left[0], right[1])


def broadcastable(*shapes: Shape) -> bool:
    """Return whether the shapes broadcast together."""
    columns = itertools.zip_longest(*(reversed(shape) for shape in shapes), fillvalue=1)
    return all(len(set(sizes) - {1}) <= 1 for sizes in columns)
