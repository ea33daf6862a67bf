"""Undoing broadcasts: the cotangent of a broadcast operand is the sum over the axes along which it was repeated."""

from __future__ import annotations

from typing import Any

Shape = tuple[int, ...]
Axis = int | Shape | None


def unbroadcast(xp: Any, g: Any, shape: Shape) -> Any:
    """Sum `g` over the axes along which `shape` was broadcast to the shape of `g`.

    If `shape` does not broadcast to the shape of `g`, no error is raised, and the result has another shape.

    >>> from tinygraph.ops.arithmetic.broadcasting import unbroadcast
    >>> unbroadcast(np, np.ones((2, 3)), (2, 1))
    array([[3.],
           [3.]])
    """
    if g.shape == shape:
        return g
    leading = g.ndim - len(shape)
    axes = tuple([i for i, n in enumerate((1,) * leading + shape) if n == 1])
    g = xp.sum(g, axis=axes, keepdims=True)
    return xp.reshape(g, shape) if leading and g.shape[leading:] == shape else g


def broadcasts_to(shape: Shape, target: Shape) -> bool:
    """Return whether an array of shape `shape` can be broadcast to the shape `target`."""
    return len(shape) <= len(target) and all(
        n in (1, m) for n, m in zip(reversed(shape), reversed(target), strict=False)
    )


def aligned(xp: Any, x: Any, ndim: int) -> Any:
    """Return `x` with axes of length 1 inserted after its first, so that the others broadcast like `ndim` axes."""
    missing = ndim + 1 - x.ndim
    return xp.reshape(x, (x.shape[0], *(1,) * missing, *x.shape[1:])) if missing > 0 else x


def kept(shape: Shape, axis: Axis) -> Shape:
    """Return the shape of a reduction over `axis` that keeps the reduced axes with length 1."""
    if axis is None or not shape:  # NumPy lets a number have an axis 0
        return (1,) * len(shape)
    axes = {i % len(shape) for i in (axis if isinstance(axis, tuple) else (axis,))}
    return tuple(1 if i in axes else n for i, n in enumerate(shape))


def reduced_count(shape: Shape, axis: Axis) -> int:
    """Return the number of elements that a reduction over `axis` combines into each element of the result."""
    count = 1
    for n, m in zip(shape, kept(shape, axis), strict=True):
        count *= n if m == 1 else 1
    return count
