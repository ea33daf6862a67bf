"""Jacobians and Hessians: all sweeps at once, in the direction that needs fewer; one for elementwise functions."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import ops
from ..graph.node import toposort
from ..graph.records import NUMBERS
from ..graph.tensor import Tensor
from ..trees import unflatten
from .batching import batched
from .calls import Argnums, Call, called, whole_numbers
from .transforms import grad, transposes
from .traversal import pulled_back

_LARGEST = 1 << 22  # elements of an array for all sweeps at once; more are made in several batches


def jacobian(function: Callable[..., Any], argnums: Argnums = 0, *, has_aux: bool = False) -> Callable[..., Any]:
    """Return a function that returns all derivatives: for y = f(x), an array of the shape ``y.shape + x.shape``.

    If arguments or results are nested dicts, lists and tuples, so is the Jacobian. It is nested as the results, and in
    place of each it has blocks, nested as the arguments, one for each of their leaves. With `has_aux` the function
    returns ``(jacobian, aux)``.

    `function` runs once. There are as many sweeps as results or as variables, whichever are fewer, and all of them are
    made together. If each result depends on its own variable only, one sweep is enough.

    Raise `ArgumentError` or `DTypeError` for arguments and results that have no derivative.

    >>> import numpy as np, tinygraph as tg
    >>> tg.jacobian(lambda x: x[:2] * x[2])(np.array([1.0, 2.0, 3.0]))
    array([[3., 0., 1.],
           [0., 3., 2.]])
    """

    called(function, "jacobian")
    argnums = whole_numbers(argnums)

    @functools.wraps(function)
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        call = Call(function, argnums, args, kwargs, has_aux)
        outputs, structure = call.outputs()
        with np.errstate(all="ignore"):
            rows = [call.nested(_blocks(y, call.variables, call.stays)) for y in outputs]
        result = unflatten(structure, rows)
        return (result, call.plain(call.aux)) if has_aux else result

    return differentiated


def hessian(function: Callable[..., Any], argnums: Argnums = 0, *, has_aux: bool = False) -> Callable[..., Any]:
    """Return a function that returns the second derivatives of a scalar function: the Jacobian of its gradient.

    For a variable x, the Hessian has the shape ``x.shape + x.shape``. For nested or several arguments, it is nested as
    these, and in place of each leaf it has blocks ∂²f/∂x∂y, nested in the same way. It is symmetric. With `has_aux` the
    function returns ``(hessian, aux)``. `hvp` computes the product with a vector at a fraction of the cost.

    >>> import numpy as np, tinygraph as tg
    >>> tg.hessian(lambda x: x[0] * x[1] ** 2)(np.array([1.0, 2.0]))
    array([[0., 4.],
           [4., 2.]])
    """
    argnums = whole_numbers(argnums)
    return jacobian(grad(called(function, "hessian"), argnums, has_aux=has_aux), argnums, has_aux=has_aux)


def _blocks(y: Tensor, variables: Sequence[Tensor], stays: bool) -> list[Any]:
    """Return ∂y/∂x for each variable x, as tensors if results stay tensors."""
    xp: Any = ops if stays else NUMBERS
    order = toposort(y)
    ways = [_way(order, y, x) for x in variables]
    found: dict[int, Any] = {}
    dense = []
    for i, (x, way) in enumerate(zip(variables, ways, strict=True)):
        if not way or not x.size or not y.size:
            zeros = np.zeros((*y.shape, *x.shape), x.dtype)
            found[i] = Tensor(zeros) if stays else zeros[()]
        elif _is_diagonal(way, y, x):
            ones = np.ones(y.shape, y.dtype)[()]
            (each,) = pulled_back([y], [Tensor(ones) if stays else ones], [x], numbers=not stays)
            across = xp.where(np.eye(x.size, dtype=bool), xp.reshape(each, (1, -1)), np.zeros((), x.dtype)[()])
            found[i] = xp.reshape(across, (*y.shape, *x.shape))
        else:
            dense.append(i)
    if dense:
        xs = [variables[i] for i in dense]
        by_columns = sum(x.size for x in xs) < y.size
        found |= zip(dense, (_by_columns if by_columns else _by_rows)(y, xs, xp), strict=True)
    return [found[i] if stays else np.array(found[i])[()] for i in range(len(variables))]


def _way(order: Sequence[Tensor], y: Tensor, x: Tensor) -> list[Tensor]:
    """Return the nodes on the way from x to y, or none if y does not depend on x."""
    above = {x}
    for node in order:
        if any(isinstance(z, Tensor) and z in above for z in node.inputs):
            above.add(node)
    below = {y} if y in above else set()
    for node in reversed(order):
        if node in below and node is not x:
            below |= {z for z in node.inputs if isinstance(z, Tensor) and z in above}
    return [node for node in order if node in below]


def _is_diagonal(way: Sequence[Tensor], y: Tensor, x: Tensor) -> bool:
    """Return whether the way has only elementwise ops of one shape, so that each element depends on its own only."""
    return y.size > 1 and all(
        node is x or (node.op is not None and node.op.kind == "elementwise" and node.shape == x.shape) for node in way
    )


def _by_rows(y: Tensor, xs: Sequence[Tensor], xp: Any) -> list[Any]:
    """Return ∂y/∂x by a sweep back for each result: the products of the transposed Jacobian with unit vectors."""
    products, (vector,) = transposes([y], xs)
    rows = _for_unit_vectors(products, vector, xp)
    return [xp.reshape(row, (*y.shape, *x.shape)) for row, x in zip(rows, xs, strict=True)]


def _by_columns(y: Tensor, xs: Sequence[Tensor], xp: Any) -> list[Any]:
    """Return ∂y/∂x by a sweep forward for each variable: the transpose of products with the transposed Jacobian."""
    products, vectors = transposes([y], xs)
    found = []
    for x, product in zip(xs, products, strict=True):
        columns, (direction,) = transposes([product], vectors)
        (rows,) = _for_unit_vectors(columns, direction, xp)
        rows = xp.matrix_transpose(xp.reshape(rows, (x.size, y.size)))
        found.append(xp.reshape(rows, (*y.shape, *x.shape)))
    return found


def _for_unit_vectors(outputs: Sequence[Tensor], vector: Tensor, xp: Any) -> list[Any]:
    """Return outputs that are linear in a vector, for all unit vectors; in several batches if they take much memory."""
    count = vector.size
    units = np.eye(count, dtype=vector.dtype).reshape(count, *vector.shape)
    moving = {vector}
    for node in toposort(*outputs, stop={vector}):
        if any(isinstance(x, Tensor) and x in moving for x in node.inputs):
            moving.add(node)
    largest = max(node.size for node in moving)
    several = max(1, _LARGEST // max(largest, 1)) if xp is NUMBERS else count
    if several >= count:
        return batched(outputs, vector, units if xp is NUMBERS else Tensor(units), xp)
    parts = [batched(outputs, vector, units[i : i + several], xp) for i in range(0, count, several)]
    return [np.concatenate(part) for part in zip(*parts, strict=True)]
