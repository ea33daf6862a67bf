"""Signals along a line: convolution, interpolation, numerical derivatives and integrals.

`convolve` is a primitive, since it needs a loop, and its gradients are convolutions again. All other functions are
composed of slices, sums and products, and of private ops for values without a gradient (the interval that a point is
in, the jumps of an angle). Python numbers do not change the dtype, and float32 stays float32.
"""

from __future__ import annotations

import math
from operator import index
from typing import Any

import numpy as np

from ... import kernels
from ...errors import ArgumentError, ShapeError, UnsupportedError
from ...graph.applying import constant
from ...graph.declaring import composite, op
from ...graph.samples import Domain, Sample
from ...graph.tensor import ArrayLike, Tensor
from ..arguments import as_tensor, need_axes, need_one_of, normalize_axes, normalize_axis
from ..arithmetic.broadcasting import Shape
from ..arithmetic.comparisons import where
from ..arithmetic.elementwise import add, astype, floating, pow, remainder
from ..arrays.indexing import getitem_
from ..arrays.joining import concat_
from ..arrays.keys import along
from ..arrays.shapes import reshape
from ..reduce.reductions import sum
from ..reduce.sorting import argsort

__all__ = [
    "convolve",
    "correlate",
    "interp",
    "polyval",
    "trapezoid",
    "unwrap",
    "vander",
]


def _part(x: Tensor, axis: int, part: Any) -> Tensor:
    """Return a slice along one axis."""
    return getitem_(x, key=along(axis, part))


def _differences(x: Tensor, axis: int = 0) -> Tensor:
    return _part(x, axis, slice(1, None)) - _part(x, axis, slice(-1))


# -- convolution ---------------------------------------------------------------------------------------------------


def _turned(x: Any) -> Any:
    """Return a vector in reverse order."""
    return x[::-1]


def _flops_of_convolve(z: Shape, x: Shape, y: Shape, mode: str) -> float:
    return 2 * (math.prod(x) * math.prod(y) if mode == "full" else math.prod(z) * min(math.prod(x), math.prod(y)))


@op(
    "contraction",
    lambda xp, g, z, x, y, mode: xp.convolve(g, _turned(y), mode="valid" if mode == "full" else "full"),
    lambda xp, g, z, x, y, mode: (
        xp.convolve(g, _turned(x), mode="valid") if mode == "full" else xp.convolve(_turned(x), g, mode="valid")
    ),
    notation="conv_{mode}({0}, {1})",
    samples=(
        Sample(((4,), (3,)), {"mode": "full"}),
        Sample(((2,), (5,)), {"mode": "full"}),
        Sample(((1,), (1,)), {"mode": "full"}),
        Sample(((5,), (2,)), {"mode": "valid"}),
        Sample(((3,), (3,)), {"mode": "valid"}),
        Sample(((4,), (1,)), {"mode": "valid"}),
    ),
    flops=_flops_of_convolve,
)
def convolve_(xp: Any, x: ArrayLike, y: ArrayLike, mode: str) -> Any:
    """The convolution: all of it, or the part where y, which is not longer than x, overlaps x completely."""
    return xp.convolve(x, y, mode=mode)


def convolve(x: ArrayLike, y: ArrayLike, mode: str = "full") -> Tensor:
    """z_k = Σ_j x_j y_(k−j), the convolution of two vectors, like ``np.convolve``.

    With `mode` "full", k runs over all places where the two overlap; with "valid", over those where they overlap
    completely; with "same", the result is the middle part of "full", as long as the longer vector. The gradient by
    either vector is a correlation of the cotangent with the other.

    The sums are computed directly, in time proportional to n m. For two long vectors, multiply their transforms: see
    `fft.irfft`.
    Raises `ShapeError` unless both are vectors and not empty, and `ArgumentError` for any other mode.

    >>> import tinygraph as tg
    >>> tg.convolve([1.0, 2.0, 3.0], [0.0, 1.0, 0.5])
    Tensor([0. , 1. , 2.5, 4. , 1.5], op=convolve)
    """
    left, right = _vectors("convolve", x, y, mode)
    return _convolved(left, right, mode)


def _vectors(name: str, x: ArrayLike, y: ArrayLike, mode: str) -> tuple[Tensor, Tensor]:
    need_one_of(("full", "same", "valid"), mode=mode)
    vectors = []
    for given in (x, y):
        vector = as_tensor(given)
        if vector.ndim != 1 or vector.size == 0:
            raise ShapeError(f"{name} takes two vectors that are not empty, not an array of shape {vector.shape}")
        vectors.append(vector)
    return vectors[0], vectors[1]


def _convolved(x: Tensor, y: Tensor, mode: str) -> Tensor:
    if y.size > x.size:
        x, y = y, x
    if mode != "same":
        return convolve_(x, y, mode=mode)
    start = (y.size - 1) // 2
    return getitem_(convolve_(x, y, mode="full"), key=(slice(start, start + x.size),))


@composite(
    "contraction",
    samples=(
        Sample(((5,), (2,))),
        *(Sample(shapes, {"mode": mode}) for shapes in (((5,), (2,)), ((2,), (5,))) for mode in ("full", "same")),
        Sample(((4,), (4,)), {"mode": "same"}),
        Sample(((3,), (4,)), {"mode": "valid"}),
    ),
)
def correlate(x: ArrayLike, y: ArrayLike, mode: str = "valid") -> Tensor:
    """z_k = Σ_j x_(k+j) y_j, the cross-correlation of two vectors, like ``np.correlate``; `mode` as in `convolve`.

    >>> import tinygraph as tg
    >>> tg.correlate([1.0, 2.0, 3.0], [0.0, 1.0, 0.5])
    Tensor([3.5], op=convolve)
    """
    left, right = _vectors("correlate", x, y, mode)
    if right.size <= left.size:
        return _convolved(left, _turned(right), mode)
    z = _convolved(right, _turned(left), mode)  # the same in reverse order, even if "same" is not symmetric
    return getitem_(z, key=(slice(None, None, -1),))


# -- interpolation -------------------------------------------------------------------------------------------------

_increasing = Domain(increasing=True)


@op(
    "indexing",
    None,
    None,
    notation="interval({0}, {1})",
    run=kernels.interval,
    samples=(
        Sample(((4,), (5,)), {}, (None, _increasing)),
        Sample(((2, 3), (2,)), {}, (None, _increasing)),
        Sample(((), (3,)), {}, (None, _increasing)),
        Sample(((0,), (3,)), {}, (None, _increasing)),
    ),
)
def interval_(xp: Any, x: ArrayLike, nodes: ArrayLike) -> Any:
    """The index of the node to the left of each x, limited to the first and the last but one."""
    return xp.interval(x, nodes)


_nodes = (None, _increasing, None)


@composite(
    "indexing",
    samples=(
        Sample(((7,), (4,), (4,)), {}, _nodes),
        Sample(((2, 3), (3,), (3,)), {"left": -1.0, "right": 5.0}, _nodes),
        Sample(((), (2,), (2,)), {}, _nodes),
        Sample(((0,), (3,), (3,)), {}, _nodes),
        Sample(((7,), (4,), (4,)), {"period": 1.5}),
    ),
    reference=np.interp,
)
def interp(
    x: ArrayLike,
    nodes: ArrayLike,
    values: ArrayLike,
    left: ArrayLike | None = None,
    right: ArrayLike | None = None,
    period: ArrayLike | None = None,
) -> Tensor:
    """The values at `x` of the piecewise linear function through (`nodes`, `values`), like ``np.interp``.

    `x` has any shape; `nodes` and `values` are vectors, and `nodes` ascends. Outside the nodes, the function has the
    values `left` and `right`, by default the first and the last value. With a `period` there is no outside, and the
    nodes may be in any order. The derivative by `x` is the slope; at a node it is the slope to its right (at the last
    node, to its left). There are derivatives by the nodes and the values too.

    Raises `ShapeError` unless nodes and values are vectors of one length, and `ArgumentError` unless `nodes` ascends or
    a `period` is given.

    >>> import tinygraph as tg
    >>> x = tg.parameter([0.5, 1.5, 9.0])
    >>> y = tg.interp(x, [0.0, 1.0, 2.0], [0.0, 2.0, 3.0])
    >>> y.data.tolist()
    [1.0, 2.5, 3.0]
    >>> y.sum().backward()
    >>> x.grad
    array([2., 1., 0.])
    """
    points, nodes, values = map(as_tensor, (x, nodes, values))
    if nodes.ndim != 1 or nodes.shape != values.shape or not nodes.size:
        raise ShapeError(
            f"interp needs vectors of one length as nodes and values, not {nodes.shape} and {values.shape}"
        )
    if period is not None:
        points, nodes, values = _periodic(points, nodes, values, period)
        left = right = None
    elif not (nodes._value[1:] >= nodes._value[:-1]).all():
        raise ArgumentError("interp takes nodes in ascending order; sort them, and the values with them")
    first, last = _part(nodes, 0, 0), _part(nodes, 0, -1)
    y = _part(values, 0, 0)
    if nodes.size > 1:
        inside = where(points < first, first, where(points > last, last, points))  # so that ∞ is not multiplied by 0
        i = interval_(inside, nodes)
        x0, x1, y0, y1 = nodes[i], nodes[1:][i], values[i], values[1:][i]
        width = x1 - x0
        jump = width == 0  # at the last nodes, where these are equal
        share = where(jump, 1.0, (inside - x0) / where(jump, 1.0, width))
        y = y0 + (y1 - y0) * share
    y = where(points < first, _part(values, 0, 0) if left is None else left, y)
    return where(points > last, _part(values, 0, -1) if right is None else right, y)


def _periodic(points: Tensor, nodes: Tensor, values: Tensor, period: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Return all points and nodes within one period, with one more node on either side."""
    if np.ndim(period) or period == 0:
        raise ArgumentError(f"period must be a number other than 0, not {period!r}")
    size = abs(period)
    points, nodes = remainder(points, size), remainder(nodes, size)
    order = argsort(nodes)
    nodes, values = nodes[order], values[order]
    nodes = concat_(nodes[-1:] - size, nodes, nodes[:1] + size, axis=0)
    return points, nodes, concat_(values[-1:], values, values[:1], axis=0)


# -- derivatives and integrals -------------------------------------------------------------------------------------


@composite(
    "shape",
    samples=(
        Sample(((5,),)),
        Sample(((4,), ()), {"edge_order": 2}, (None, Domain(0.5, 2.0))),
        Sample(((3, 4),)),
        Sample(((3, 4),), {"axis": -1, "edge_order": 2}),
        Sample(((2, 3, 4),), {"axis": (0, 2)}),
        Sample(((5,), (5,)), {}, (None, _increasing)),
        Sample(((5,), (5,)), {"edge_order": 2}, (None, _increasing)),
        Sample(((3, 4), (3,), ()), {}, (None, _increasing, Domain(0.5, 2.0))),
        Sample(((2,),)),
    ),
)
def gradient(f: ArrayLike, *spacing: ArrayLike, axis: int | Shape | None = None, edge_order: int = 1) -> Any:
    """The numerical derivative of `f` on a grid, by central differences, one-sided at edges, like ``np.gradient``.

    `spacing` is one number, or for each axis a number or the coordinates. The result is a tensor of the shape of `f`,
    or for several axes a tuple of one for each. Call it as ``np.gradient``: it is not exported, since `tg.gradient`
    would be confused with `tg.gradients`.

    >>> import tinygraph as tg
    >>> f = tg.parameter([1.0, 2.0, 4.0, 8.0])
    >>> np.gradient(f, 0.5).data.tolist()
    [2.0, 3.0, 6.0, 8.0]
    """
    f = floating(f)
    if edge_order not in (1, 2):
        raise ArgumentError(f"edge_order must be 1 or 2, not {edge_order!r}")
    axes = normalize_axes(range(f.ndim) if axis is None else axis, f)
    spacings: list[Any] = [h if isinstance(h, int | float) else floating(h) for h in spacing] or [1.0]
    if len(spacings) == 1 and np.ndim(spacings[0]) == 0:
        spacings *= len(axes)
    if len(spacings) != len(axes):
        raise ArgumentError(f"gradient takes one spacing, or one for each of {len(axes)} axes, not {len(spacings)}")
    results = tuple(_slopes(f, h, i, edge_order) for h, i in zip(spacings, axes, strict=True))
    results = tuple(y if y.dtype == f.dtype else astype(y, f.dtype) for y in results)
    return results[0] if len(results) == 1 else results


def _slopes(f: Tensor, spacing: Any, axis: int, edge_order: int) -> Tensor:
    n = f.shape[axis]
    if n <= edge_order:
        raise ShapeError(
            f"gradient needs at least {edge_order + 1} numbers along axis {axis}, but the shape is {f.shape}"
        )
    if np.shape(spacing) not in ((), (n,)):
        raise ShapeError(
            f"the spacing along axis {axis} must be one number or {n} coordinates, not of shape {np.shape(spacing)}"
        )
    uneven = np.ndim(spacing) > 0
    steps = reshape(_differences(spacing), (-1, *(1,) * (f.ndim - axis - 1))) if uneven else spacing
    slopes = _differences(f, axis) / steps
    first, last = _part(slopes, axis, slice(1)), _part(slopes, axis, slice(-1, None))
    if n == 2:
        return concat_(first, last, axis=axis)
    near: Any = 0.5
    far: Any = 0.5
    if uneven:  # each slope is weighted by the length of the other step
        share = steps[:-1] / (steps[:-1] + steps[1:])
        near, far = share[:1], 1.0 - share[-1:]
        middle = _part(slopes, axis, slice(-1)) * (1.0 - share) + _part(slopes, axis, slice(1, None)) * share
    else:
        middle = (_part(f, axis, slice(2, None)) - _part(f, axis, slice(-2))) / (2 * spacing)
    if edge_order == 2:
        first = first + (first - _part(slopes, axis, slice(1, 2))) * near
        last = last + (last - _part(slopes, axis, slice(-2, -1))) * far
    return concat_(first, middle, last, axis=axis)


@composite(
    "reduction",
    samples=(
        Sample(((5,),)),
        Sample(((2, 3),), {"dx": 0.5, "axis": 0}),
        Sample(((4,), (4,))),
        Sample(((2, 3), (3,))),
        Sample(((3, 2), (3,)), {"axis": -2}),
        Sample(((2, 3), (2, 3)), {"axis": 0}),
        Sample(((2, 3, 3), (3, 3))),
        Sample(((1, 3), (2, 2, 3))),
        Sample(((1,),)),
        Sample(((0, 3),)),
    ),
    reference=np.trapezoid,
)
def trapezoid(y: ArrayLike, x: ArrayLike | None = None, dx: ArrayLike = 1.0, axis: int = -1) -> Tensor:
    """∫ y dx along an axis by the trapezoidal rule, Σ (x_(i+1) − x_i) (y_(i+1) + y_i) / 2, like ``np.trapezoid``.

    `x` holds the points, as a vector or in a shape that broadcasts with that of `y`; without `x`, the points are `dx`
    apart. A negative axis is counted from the end, for `x` and for `y`.

    >>> import tinygraph as tg
    >>> tg.trapezoid([1.0, 2.0, 4.0], dx=0.5).item()
    2.25
    """
    y = floating(y)
    own = normalize_axis(axis, y)
    step: Any = dx
    if x is not None:
        x = floating(x)
        need_axes(x, 1)
        step = _differences(x, normalize_axis(axis, x) if x.ndim > 1 else 0)
        if x.ndim == 1:
            step = reshape(step, (-1, *(1,) * (y.ndim - own - 1)))
    return sum(step * (_part(y, own, slice(1, None)) + _part(y, own, slice(-1))) / 2.0, axis=axis)


# -- angles and polynomials ----------------------------------------------------------------------------------------


@op(
    "indexing",
    None,
    notation="jumps({0})",
    run=kernels.jumps,
    samples=tuple(
        Sample((shape,), {"discont": None, "axis": axis, "period": period}, (Domain(-10.0, 10.0),))
        for shape, axis, period in (((6,), -1, math.tau), ((3, 4), 0, 3.0), ((0,), 0, math.tau), ((1,), 0, math.tau))
    ),
)
def jumps_(xp: Any, x: ArrayLike, discont: float | None, axis: int, period: float) -> Any:
    """The multiples of the period that `unwrap` adds."""
    return xp.jumps(x, discont=discont, axis=axis, period=period)


@composite(
    "shape",
    samples=(
        Sample(((6,),), {}, (Domain(-10.0, 10.0),)),
        Sample(((3, 4),), {"axis": 0, "discont": 4.0}, (Domain(-10.0, 10.0),)),
        Sample(((5,),), {"period": 3.0}, (Domain(-10.0, 10.0),)),
        Sample(((0,),)),
    ),
)
def unwrap(x: ArrayLike, discont: Any = None, axis: int = -1, *, period: Any = math.tau) -> Tensor:
    """Angles without jumps: periods are added where neighbours are more than `discont` apart, as in ``np.unwrap``.

    `discont` is half a `period` by default. The added numbers are piecewise constant, so the derivative is 1.

    >>> import tinygraph as tg
    >>> tg.unwrap([0.0, 3.0, 6.0, 1.0], period=8.0)
    Tensor([0., 3., 6., 9.], op=add)
    """
    x = floating(x)
    if isinstance(discont, Tensor) or isinstance(period, Tensor):
        raise UnsupportedError("unwrap takes numbers for discont and period, not tensors; take .item() of them")
    return add(x, jumps_(x, discont=discont, axis=normalize_axis(axis, x), period=period))


@composite(
    "elementwise",
    samples=(
        Sample(((3,), (2, 2))),
        Sample(((1,), (2,))),
        Sample(((4,), ())),
        Sample(((2,), (0,))),
        Sample(((3, 2), (4, 1))),
    ),
)
def polyval(p: ArrayLike, x: ArrayLike) -> Tensor:
    """p₀ xⁿ + … + p_(n−1) x + p_n, elementwise in `x`, by Horner's rule, like ``np.polyval``: the highest power first.

    If `p` has more than one axis, the others broadcast with `x`.

    >>> import tinygraph as tg
    >>> tg.polyval([1.0, 0.0, -1.0], [2.0, 3.0]).data.tolist()
    [3.0, 8.0]
    """
    p, x = as_tensor(p), as_tensor(x)
    if not p.ndim:
        raise ShapeError("polyval takes a vector of coefficients, not one number")
    y = constant(np.zeros(x.shape, x.dtype))
    for coefficient in p:
        y = y * x + coefficient
    return y


@composite(
    "elementwise",
    samples=(
        Sample(((3,),)),
        Sample(((3,),), {"N": 4, "increasing": True}),
        Sample(((2,),), {"N": 1}),
        Sample(((0,),), {"N": 2}),
        Sample(((2,),), {"N": 0}),
    ),
)
def vander(x: ArrayLike, N: int | None = None, increasing: bool = False) -> Tensor:
    """The matrix whose rows are the powers of the elements of `x`, from `N` − 1 down to 0, or `increasing`.

    It works like ``np.vander``, but float32 stays float32.

    >>> import tinygraph as tg
    >>> tg.vander([2.0, 3.0], 3).data.tolist()
    [[4.0, 2.0, 1.0], [9.0, 3.0, 1.0]]
    """
    x = as_tensor(x)
    if x.ndim != 1:
        raise ShapeError(f"vander takes a vector, not an array of shape {x.shape}")
    powers = np.arange(x.size if N is None else index(N), dtype=x.dtype if x.dtype.kind == "f" else int)
    return pow(reshape(x, (-1, 1)), powers if increasing else powers[::-1])
