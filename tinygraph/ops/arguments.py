"""Convert arguments to the form that ops take: tensors, axes and options. Arguments that do not fit raise errors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from sys import _getframe
from types import FrameType
from typing import Any

from numpy.exceptions import AxisError
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from ..errors import ArgumentError, DTypeError, Operand, ShapeError
from ..graph.applying import constant, described_operand, shape_error
from ..graph.node import describe
from ..graph.sites import locate
from ..graph.tensor import ArrayLike, Tensor
from .arithmetic.broadcasting import Shape


def as_tensor(x: ArrayLike) -> Tensor:
    """Return `x` as a tensor: itself if it is one, else a constant."""
    return x if isinstance(x, Tensor) else constant(x)


def normalize_axis(axis: int, x: Tensor, ndim: int | None = None) -> int:
    """Return `axis` as a number ≥ 0. `ndim` is the number of axes, by default that of x.

    Raise `ShapeError` if there is no such axis.
    """
    try:
        return normalize_axis_index(axis, x.ndim if ndim is None else ndim)
    except AxisError as error:
        raise misfit((x,), str(error)) from None


def normalize_axes(axis: int | Sequence[int], x: Tensor, ndim: int | None = None) -> Shape:
    """Return the axes as numbers ≥ 0. Raise `ShapeError` if one does not exist or is named twice."""
    try:
        return normalize_axis_tuple(axis, x.ndim if ndim is None else ndim)
    except ValueError as error:
        raise misfit((x,), str(error)) from None


def need_axes(x: Tensor, count: int) -> None:
    """Raise `ShapeError` if x has fewer than `count` axes."""
    if x.ndim < count:
        raise misfit((x,), f"the input must have at least {count} {'axes' if count > 1 else 'axis'}, not {x.ndim}")


def matrices(x: ArrayLike, square: bool = False) -> Tensor:
    """Return `x` as a tensor. Raise `ShapeError` unless its last two axes make matrices, or square ones if `square`."""
    x = as_tensor(x)
    if x.ndim < 2 or (square and x.shape[-1] != x.shape[-2]):
        raise misfit(
            (x,), f"the input must be a {'square ' if square else ''}matrix or a stack of them, not of shape {x.shape}"
        )
    return x


def need_integers(what: str, x: Tensor, kinds: str = "iu") -> None:
    """Raise `DTypeError` unless the dtype of x is of one of the `kinds`, by default an integer dtype."""
    if x.dtype.kind not in kinds:
        raise DTypeError(f"{what} must be whole numbers, but {describe(x)} holds {x.dtype}")


def need_one_of(allowed: Sequence[str], **options: Any) -> None:
    """Raise `ArgumentError` if an option is not one of those allowed."""
    for name, value in options.items():
        if value not in allowed:
            *most, last = (f'"{option}"' for option in allowed)
            raise ArgumentError(f"{name} must be {', '.join(most)} or {last}, not {value!r}")


def misfit(
    operands: Sequence[Any], reason: str | Callable[[list[Operand]], tuple[str, list[str]]], *hints: str
) -> ShapeError:
    """Return the error that says why the operands do not fit, and where the user called the public function.

    A `reason` that is a function gets the operands with their names, and returns the reason and the hints.
    """
    name, frame = _public_call()
    explain = reason if callable(reason) else lambda operands: (reason, [*hints])
    return shape_error(name, [as_tensor(x) for x in operands], locate(frame), explain)


def given_name(x: Tensor, position: int) -> str:
    """Return the user's name for the operand at a position."""
    return described_operand(x, locate(_public_call()[1]), position).name


def _public_call() -> tuple[str, FrameType]:
    """Return the name of the public function that is running, and the frame that calls it."""
    frame: Any = _getframe()
    while str(frame.f_globals.get("__package__")).startswith(str(__package__)):
        name, frame = frame.f_code.co_name, frame.f_back
    return name, frame
