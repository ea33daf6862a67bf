"""Products that sum over an axis.

``einsum`` is a primitive: it expresses any product and sum in one node, and its gradient is another einsum.
``tensordot``, ``inner``, ``vecdot``, ``matvec`` and ``vecmat`` are einsums under other names. ``cross`` is a primitive,
since its gradients are cross products again. ``multi_dot`` and ``kron`` are composed of products.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial, reduce
from operator import index, mul
from string import ascii_letters
from typing import Any

import numpy as np

from ... import kernels
from ...errors import ArgumentError, ShapeError
from ...graph.declaring import composite, op
from ...graph.records import MATRIX_PRODUCT, NUMBERS, PRODUCT
from ...graph.samples import Sample
from ...graph.tensor import ArrayLike, Tensor
from ..arguments import as_tensor, normalize_axes
from ..arithmetic.broadcasting import Shape, aligned, unbroadcast
from ..arithmetic.elementwise import multiply
from ..arrays.shapes import permute_dims, reshape

__all__ = [
    "cross",
    "dot",
    "einsum",
    "inner",
    "kron",
    "matmul",
    "matvec",
    "multi_dot",
    "outer",
    "tensordot",
    "trace",
    "vdot",
    "vecdot",
    "vecmat",
]


def _matmul_left(xp: Any, g: Any, z: Any, x: Any, y: Any) -> Any:
    """Return dX = dZ Yᵀ. A vector counts as a matrix with an axis of length one that the product has dropped."""
    if x.ndim == 2 and y.ndim == 2:
        return xp.matmul(g, y.mT)
    if y.ndim == 1:
        return g * y if x.ndim == 1 else column(xp, g) * y
    if x.ndim == 1:
        return unbroadcast(xp, xp.reshape(xp.matmul(y, column(xp, g)), (*y.shape[:-2], y.shape[-2])), x.shape)
    return unbroadcast(xp, xp.matmul(g, y.mT), x.shape)


def _matmul_right(xp: Any, g: Any, z: Any, x: Any, y: Any) -> Any:
    """Return dY = Xᵀ dZ."""
    if x.ndim == 2 and y.ndim == 2:
        return xp.matmul(x.mT, g)
    if x.ndim == 1:
        return g * x if y.ndim == 1 else unbroadcast(xp, column(xp, x) * row(xp, g), y.shape)
    if y.ndim == 1:
        return unbroadcast(xp, xp.reshape(xp.matmul(x.mT, column(xp, g)), (*x.shape[:-2], x.shape[-1])), y.shape)
    return unbroadcast(xp, xp.matmul(x.mT, g), y.shape)


def column(xp: Any, x: Any) -> Any:
    """Return a vector, or each vector in a stack, as a matrix of one column."""
    return xp.reshape(x, (*x.shape, 1))


def row(xp: Any, x: Any) -> Any:
    """Return a vector, or each vector in a stack, as a matrix of one row."""
    return xp.reshape(x, (*x.shape[:-1], 1, x.shape[-1]))


def _batched_matmul(xp: Any, moving: Sequence[bool], shape: Shape, x: Any, y: Any) -> Any:
    """Return the products of a batch, as a single product of matrices if one operand is a matrix without a batch."""
    x_moves, y_moves = moving
    x_ndim, y_ndim = x.ndim - x_moves, y.ndim - y_moves
    if x_moves and not y_moves and y_ndim <= 2:
        return xp.reshape(xp.matmul(xp.reshape(x, (-1, x.shape[-1])), y), shape) if x.size else None
    if y_moves and not x_moves and y_ndim == 1 and x_ndim == 2:
        return xp.matmul(y, xp.matrix_transpose(x))
    if x_ndim == 1:
        x = row(xp, x)
    if y_ndim == 1:
        y = column(xp, y)
    ndim = max(x_ndim, y_ndim, 2)
    x, y = (aligned(xp, z, ndim) if moves else z for z, moves in ((x, x_moves), (y, y_moves)))
    return xp.reshape(xp.matmul(x, y), shape)


@op(
    "contraction",
    _matmul_left,
    _matmul_right,
    notation="{0} {1}",
    binding=MATRIX_PRODUCT,
    operators=("__matmul__", "__rmatmul__"),
    samples=tuple(
        map(
            Sample,
            (
                ((2, 3), (3, 4)),
                ((3,), (3,)),
                ((2, 3), (3,)),
                ((3,), (3, 2)),
                ((4, 2, 3), (3, 2)),
                ((2, 3), (4, 3, 2)),
                ((4, 2, 3), (4, 3, 2)),
                ((4, 1, 2, 3), (5, 3, 2)),
                ((4, 2, 3), (3,)),
                ((3,), (4, 3, 2)),
                ((1, 1), (1, 1)),
                ((2, 0), (0, 3)),
                ((0, 2), (2, 3)),
            ),
        )
    ),
    source="{0} @ {1}",
    linear="each",
    batch=_batched_matmul,
    flops=lambda z, x, y: 2 * math.prod(z) * x[-1],
    associative=True,
    arithmetic="matrix product",
)
def matmul(xp: Any, x: ArrayLike, y: ArrayLike) -> Any:
    """z = x y, the matrix product, summed over the last axis of `x` and the second-to-last axis of `y`.

    As in NumPy, a vector counts as a row on the left and as a column on the right, and leading axes broadcast.

    >>> tg.matmul([[1.0, 2.0]], [[3.0], [4.0]])
    Tensor([[11.]], op=matmul)
    """
    return xp.matmul(x, y)


@op(
    "contraction",
    lambda xp, g, z, x, y: xp.matmul(g, y),
    lambda xp, g, z, x, y: xp.matmul(x, g),
    notation="{0} {1}^T",
    binding=MATRIX_PRODUCT,
    run=np.linalg.outer,
    samples=tuple(map(Sample, (((2,), (3,)), ((1,), (1,)), ((0,), (3,))))),
    linear="each",
    batch=lambda xp, moving, shape, x, y: xp.reshape(x, (*x.shape, 1)) * row(xp, y),
    flops=lambda z, x, y: math.prod(z),
)
def outer(xp: Any, x: ArrayLike, y: ArrayLike) -> Any:
    """z = x yᵀ, the outer product of two vectors.

    >>> tg.outer([1.0, 2.0], [3.0, 4.0])
    Tensor([[3., 4.],
            [6., 8.]], op=outer)
    """
    return xp.outer(x, y)


@op(
    "contraction",
    lambda xp, g, y, x, offset: xp.reshape(g, (*g.shape, 1, 1)) * np.eye(x.shape[-2], x.shape[-1], offset, x.dtype),
    notation="tr_{offset}({0})",
    run=np.linalg.trace,
    samples=(
        *(Sample((shape,), {"offset": 0}) for shape in ((3, 3), (2, 3), (4, 2, 2), (0, 2), (2, 0, 3, 3))),
        Sample(((3, 4),), {"offset": 1}),
        Sample(((3, 4),), {"offset": -1}),
    ),
    source="np.linalg.trace({0}, offset={offset})",
    linear="together",
    flops=lambda y, x, offset: math.prod(y) * min(x[-2:]),
)
def trace(xp: Any, x: ArrayLike, offset: int = 0) -> Any:
    """The sum of the diagonal of a matrix, or of each in a stack; `offset` selects a diagonal above or below it.

    The matrices are the last two axes, as in ``np.linalg.trace``.

    >>> tg.trace([[1.0, 2.0], [3.0, 4.0]])
    Tensor(5., op=trace)
    """
    return xp.trace(x, offset=offset)


def _batched_vdot(xp: Any, moving: Sequence[bool], shape: Shape, x: Any, y: Any) -> Any:
    if all(moving) or not (x.size and y.size):
        return None
    x, y = (xp.reshape(z, (shape[0], -1) if moves else (-1,)) for z, moves in zip((x, y), moving, strict=True))
    return xp.matmul(x, y) if moving[0] else xp.matmul(y, x)


@op(
    "contraction",
    lambda xp, g, z, x, y: xp.reshape(g * y, x.shape),
    lambda xp, g, z, x, y: xp.reshape(g * x, y.shape),
    notation="⟨{0}, {1}⟩",
    samples=tuple(map(Sample, (((3,), (3,)), ((2, 3), (2, 3)), ((2, 3), (6,)), ((), ()), ((0,), (0, 2))))),
    linear="each",
    batch=_batched_vdot,
    flops=2,
)
def vdot(xp: Any, x: ArrayLike, y: ArrayLike) -> Any:
    """z = Σ x ∗ y over all elements of `x` and `y`, flattened; both have the same number of elements.

    >>> tg.vdot([[1.0, 2.0]], [3.0, 4.0])
    Tensor(11., op=vdot)
    """
    return xp.vdot(x, y)


# -- einsum ----------------------------------------------------------------------------------------------------------


def _split(subscripts: str) -> tuple[list[str], str]:
    """Return the labels of each operand, and the labels of the result."""
    operands, _, result = subscripts.partition("->")
    return operands.split(","), result


def _lengths(terms: Sequence[str], shapes: Sequence[Shape]) -> dict[str, int]:
    """Return the length of the axis of each label; an axis of length one is repeated to the length of the others."""
    lengths: dict[str, int] = {}
    for term, shape in zip(terms, shapes, strict=True):
        for label, n in zip(term, shape, strict=True):
            if lengths.get(label, 1) == 1:
                lengths[label] = n
    return lengths


_times = partial(reduce, mul)  # math.prod would begin with 1


def _formed(xp: Any, terms: Sequence[str], result: str, *xs: Any) -> Any:
    """Return an einsum, with numbers as factors in front; a single array that stays as it is makes no einsum."""
    numbers = [x for term, x in zip(terms, xs, strict=True) if not term]
    arrays = [(term, x) for term, x in zip(terms, xs, strict=True) if term]
    if not arrays:
        return _times(numbers)
    labels = ",".join(term for term, _ in arrays)
    product = arrays[0][1] if labels == result else xp.einsum(f"{labels}->{result}", *(x for _, x in arrays))
    return _times([*numbers, product])


def _of_operand(i: int, xp: Any, g: Any, z: Any, *xs: Any, subscripts: str) -> Any:
    """Return the einsum of g and the other operands over the labels that operand i lacks: its gradient.

    The gradient is repeated along labels that only operand i has, and put on the diagonal if it has a label twice.
    """
    terms, result = _split(subscripts)
    lengths = _lengths(terms, [getattr(x, "shape", ()) for x in xs])  # a number may be Python's
    x, term = xs[i], terms[i]
    own = dict(zip(term, x.shape, strict=True))
    others = [*terms[:i], *terms[i + 1 :]]
    known = {*result, *itertools.chain(*others)}
    kept = "".join(label for label in own if label in known and own[label] == lengths[label])
    product = _formed(xp, [result, *others], kept, g, *xs[:i], *xs[i + 1 :])
    made = dict(zip(kept, product.shape, strict=True))
    spread = tuple(made.get(label, 1) for label in own)
    if len(own) < len(term):
        return xp.scatter_diagonal(xp.reshape(product, spread), subscripts=f"{term}->{''.join(own)}", shape=x.shape)
    return xp.broadcast_to(xp.reshape(product, spread), x.shape)


@op(
    "contraction",
    lambda xp, g, y, x, subscripts, shape: unbroadcast(xp, xp.einsum(subscripts, g), x.shape),
    notation="diagonal({0})",
    run=kernels.scatter_diagonal,
    samples=(
        Sample(((3,),), {"subscripts": "ii->i", "shape": (3, 3)}),
        Sample(((1,),), {"subscripts": "ii->i", "shape": (3, 3)}),
        Sample(((2, 3),), {"subscripts": "jiij->ji", "shape": (2, 3, 3, 2)}),
        Sample(((0,),), {"subscripts": "iii->i", "shape": (0, 0, 0)}),
    ),
    linear="together",
    flops=0,
)
def scatter_diagonal_(xp: Any, x: ArrayLike, subscripts: str, shape: Shape) -> Any:
    """Zeros of `shape`, with `x` at the places where equal labels have equal indices: the transpose of a diagonal."""
    return xp.scatter_diagonal(x, subscripts=subscripts, shape=shape)


_FEW = 2000  # for fewer products, NumPy's loop is the fastest way


def contracted(xp: Any, subscripts: str, *xs: Any) -> Any:
    """Return an einsum, computed by products of matrices, two operands at a time, if that is faster than one loop.

    Labels that only one operand has are summed first. Labels that both operands have become the columns of the left
    matrix and the rows of the right one if the result lacks them; otherwise they number the matrices of a stack.
    """
    terms, result = _split(subscripts)
    if len(xs) == 1:
        return xp.einsum(subscripts, *xs)
    if "" in terms:
        i = terms.index("")
        rest = f"{','.join([*terms[:i], *terms[i + 1 :]])}->{result}"
        return xs[i] * contracted(xp, rest, *xs[:i], *xs[i + 1 :])
    lengths = _lengths(terms, [x.shape for x in xs])
    dtypes = {x.dtype for x in xs}
    if len(dtypes) > 1 or not dtypes <= _MATRICES or math.prod(lengths.values()) < _FEW:
        return xp.einsum(subscripts, *xs)
    parts = [(term, x) for term, x in zip(terms, xs, strict=True)]
    while len(parts) > 2:
        pairs = itertools.combinations(range(len(parts)), 2)
        i, j = min(pairs, key=lambda pair: _growth(parts, pair, result, lengths))
        (right, y), (left, x) = parts.pop(j), parts.pop(i)
        needed = "".join(label for label in dict.fromkeys(left + right) if _is_read(label, parts, result))
        parts.append((needed, _product(xp, left, right, needed, x, y)))
    (left, x), (right, y) = parts
    return _product(xp, left, right, result, x, y)


_MATRICES = {np.dtype(np.float32), np.dtype(np.float64)}


def _is_read(label: str, parts: Sequence[tuple[str, Any]], result: str) -> bool:
    return label in result or any(label in term for term, _ in parts)


def _growth(
    parts: Sequence[tuple[str, Any]], pair: tuple[int, int], result: str, lengths: Mapping[str, int]
) -> tuple[int, int]:
    """Return how many more elements there are after the product of two operands, and how many products it takes."""
    rest = [part for i, part in enumerate(parts) if i not in pair]
    both = {*parts[pair[0]][0], *parts[pair[1]][0]}
    made = math.prod(lengths[label] for label in both if _is_read(label, rest, result))
    return made - sum(math.prod(parts[i][1].shape) for i in pair), math.prod(lengths[label] for label in both)


def _product(xp: Any, left: str, right: str, result: str, x: Any, y: Any) -> Any:
    """Return the einsum of two operands, as a product of matrices or of stacks of matrices if it is one."""
    lengths = _lengths([left, right], [x.shape, y.shape])
    of_left, of_right = (
        {label for label, n in zip(term, z.shape, strict=True) if n == lengths[label]}
        for term, z in ((left, x), (right, y))
    )
    x, left = _reduced(xp, x, left, [label for label in of_left if label in result or label in of_right])
    y, right = _reduced(xp, y, right, [label for label in of_right if label in result or label in of_left])
    stack = "".join(label for label in left if label in right and label in result)
    summed = "".join(label for label in left if label in right and label not in result)
    rows = "".join(label for label in left if label not in right)
    columns = "".join(label for label in right if label not in left)
    if not summed or (stack and not rows and not columns):
        return xp.einsum(f"{left},{right}->{result}", x, y)
    if next((label in columns for label in result if label not in stack), False):  # exchanged, the result is in order
        x, y, left, right, rows, columns = y, x, right, left, columns, rows
    z = xp.matmul(_grouped(xp, x, left, stack, rows, summed), _grouped(xp, y, right, stack, summed, columns))
    made = stack + rows + columns
    shape = tuple(lengths[label] for label in made)
    z = z if z.shape == shape else xp.reshape(z, shape)
    return _turned(xp, z, made, result)


def _reduced(xp: Any, x: Any, term: str, needed: Sequence[str]) -> tuple[Any, str]:
    """Return x without the labels that are not needed and with each other label once, and its labels."""
    kept = "".join(label for label in dict.fromkeys(term) if label in needed)
    return (x if kept == term else xp.einsum(f"{term}->{kept}", x)), kept


def _grouped(xp: Any, x: Any, term: str, stack: str, rows: str, columns: str) -> Any:
    """Return x as a stack of matrices; without a stack, as a vector if the rows or the columns have no labels."""
    x = _turned(xp, x, term, stack + rows + columns)
    ends = list(itertools.accumulate(map(len, (stack, rows, columns))))
    groups = [x.shape[start:end] for start, end in itertools.pairwise(ends)]
    shape = (*x.shape[: ends[0]], *(math.prod(group) for group in groups if stack or group))
    return x if x.shape == shape else xp.reshape(x, shape)


def _turned(xp: Any, x: Any, term: str, wanted: str) -> Any:
    if wanted == term:
        return x
    if len(term) > 1 and wanted == term[:-2] + term[:-3:-1]:
        return x.mT
    return xp.permute_dims(x, tuple(map(term.index, wanted)))


_einsums = (
    (((2, 3), (3, 4)), "ij,jk->ik"),
    (((20, 30), (40, 30)), "ij,kj->ki"),
    (((2, 3), (3,)), "ij,j->i"),
    (((2, 3), (2, 3)), "ij,ij->"),
    (((3,), (2,)), "i,j->ij"),
    (((3, 3),), "ii->i"),
    (((3, 3),), "ii->"),
    (((2, 3, 2),), "iji->ji"),
    (((2, 3),), "ij->"),
    (((2, 3),), "ij->ji"),
    (((),), "->"),
    (((2, 3), (2,), ()), "ij,i,->j"),
    (((3, 3), (3,)), "ii,j->ij"),
    (((2, 3, 4), (2, 4, 5)), "bij,bjk->bik"),
    (((1, 3), (2, 3)), "ij,ij->i"),
    (((2, 1), (3, 2)), "ij,jk->k"),
    (((2, 3), (3, 2), (2, 3)), "ij,jk,kl->il"),
    (((2, 3), (4,)), "ij,k->"),
    (((0, 3), (3, 2)), "ij,jk->ik"),
    (((2, 0), (0, 2)), "ij,jk->ik"),
    (((1,), (0,)), "i,i->i"),
)


def _flops_of_einsum(z: Shape, *xs: Shape, subscripts: str) -> float:
    """Count, for two operands at a time, a product for each combination of indices, and a sum if labels are summed."""
    operands, _, result = subscripts.partition("->")
    terms = operands.split(",")
    lengths = dict.fromkeys(operands.replace(",", ""), 1)
    for term, shape in zip(terms, xs, strict=True):
        lengths |= {label: max(n, lengths[label]) if n else 0 for label, n in zip(term, shape, strict=True)}
    arrays = [np.broadcast_to(0.0, shape) for shape in xs]
    pairs = np.einsum_path(subscripts, *arrays, optimize="greedy")[0][1:] if len(xs) > 2 else [range(len(xs))]
    total = 0
    for pair in pairs:
        members = [terms.pop(i) for i in sorted(pair, reverse=True)]
        labels = set("".join(members))
        kept = labels & {*result, *"".join(terms)}
        terms.append("".join(kept))
        total += (len(members) - 1 + (kept != labels)) * math.prod(lengths[label] for label in labels)
    return total


@op(
    "contraction",
    lambda xp, g, z, *xs, subscripts: [partial(_of_operand, i) for i in range(len(xs))],
    notation="einsum({subscripts}, {*})",
    variadic=True,
    run=lambda *xs, subscripts: contracted(np, subscripts, *xs),
    samples=tuple(Sample(shapes, {"subscripts": subscripts}) for shapes, subscripts in _einsums),
    source="np.einsum({subscripts}, {*})",
    linear="each",
    flops=_flops_of_einsum,
)
def einsum_(xp: Any, *xs: ArrayLike, subscripts: str) -> Any:
    """An einsum whose subscripts have a label for each axis, and after the arrow those of the result."""
    return xp.einsum(subscripts, *xs)


NUMBERS.einsum = partial(contracted, np)


def einsum(*operands: Any, optimize: Any = False) -> Tensor:
    """Products of elements, summed over indices, in Einstein's notation: ``einsum("ij,jk->ik", x, y)`` is x y.

    Everything that ``np.einsum`` accepts is accepted: ``...`` stands for axes that broadcast, and a label that occurs
    twice in an operand selects a diagonal. Without an arrow, the result has the labels that occur once, in alphabetical
    order. Labels may also be lists of integers, one after each operand and one at the end for the result. An axis of
    length one is repeated to the length of the others with its label. The gradient by each operand is the einsum of g
    and the other operands. Products are formed two at a time, in an order that keeps them small; `optimize` has no
    effect, and exists only for NumPy's signature.

    Raises `ArgumentError` for subscripts that cannot be read or do not fit the operands, and `ShapeError` if axes with
    the same label differ in length.

    >>> import tinygraph as tg
    >>> x = tg.parameter([[1.0, 2.0], [3.0, 4.0]])
    >>> tg.einsum("ii", x)
    Tensor(5., op=einsum)
    >>> tg.einsum("ij,j->i", x, [1.0, 10.0])
    Tensor([21., 43.], op=einsum)
    """
    if not operands:
        raise ArgumentError("einsum needs subscripts and operands")
    if isinstance(operands[0], str):
        written, arrays = operands[0], [*map(as_tensor, operands[1:])]
    else:
        *pairs, last = [*operands] if len(operands) % 2 else [*operands, None]
        arrays = [as_tensor(x) for x in pairs[::2]]
        written = ",".join(map(_letters, pairs[1::2])) + ("" if last is None else f"->{_letters(last)}")
    return einsum_(*arrays, subscripts=_explicit(written, tuple(x.shape for x in arrays)))


def _letters(labels: Any) -> str:
    """Return a list of integers as letters."""
    try:
        return "".join("..." if label is Ellipsis else ascii_letters[index(label)] for label in labels)
    except (TypeError, IndexError):
        raise ArgumentError(f"the labels of an operand must be numbers from 0 to 51 or ..., not {labels!r}") from None


@lru_cache(1000)
def _explicit(written: str, shapes: tuple[Shape, ...]) -> str:
    """Return subscripts with a letter for each axis, including those of ``...``, and with the labels of the result."""
    operands, arrow, result = written.replace(" ", "").partition("->")
    terms = operands.split(",")
    if len(terms) != len(shapes):
        raise ArgumentError(f"{written!r} has labels for {len(terms)} operands, but there are {len(shapes)}")
    for term in (*terms, result):
        if wrong := next((c for c in term.replace("...", "", 1) if c not in ascii_letters), None):
            raise ArgumentError(
                f"{written!r}: labels must be letters, and ... may occur once in an operand; not {wrong!r}"
            )
    hidden = []
    for term, shape in zip(terms, shapes, strict=True):
        hidden.append(len(shape) - len(term.replace("...", "")))
        if hidden[-1] < 0 or (hidden[-1] > 0 and "..." not in term):
            raise ShapeError(f"{written!r} has the labels {term!r} for an operand of shape {shape}")
    free = [letter for letter in reversed(ascii_letters) if letter not in written]
    if max(hidden) > len(free):
        raise ArgumentError(f"{written!r}: there are only {len(ascii_letters)} labels")
    dots = "".join(reversed(free[: max(hidden)]))
    terms = [term.replace("...", dots[len(dots) - more :]) for term, more in zip(terms, hidden, strict=True)]
    if not arrow:
        once = sorted(label for label in {*operands} - {*",."} if operands.count(label) == 1)
        result = f"...{''.join(once)}"
    if dots and "..." not in result:
        raise ArgumentError(f"{written!r}: the axes of ... cannot be summed over; put ... into the result")
    result = result.replace("...", dots)
    for label in result:
        if result.count(label) > 1 or not any(label in term for term in terms):
            why = "twice" if result.count(label) > 1 else "but in no operand"
            raise ArgumentError(f"{written!r} has the label {label!r} in the result {why}")
    _check_axes(written, terms, shapes)
    return f"{','.join(terms)}->{result}"


def _check_axes(written: str, terms: Sequence[str], shapes: Sequence[Shape]) -> None:
    lengths = _lengths(terms, shapes)
    for term, shape in zip(terms, shapes, strict=True):
        last = dict(zip(term, shape, strict=True))
        for label, n in zip(term, shape, strict=True):
            if n not in (1, lengths[label]) or n != last[label]:
                raise ShapeError(
                    f"{written!r}: the axes {label!r} differ in length, in operands of shapes"
                    f" {', '.join(map(str, shapes))}"
                )


# -- products that are einsums under other names ---------------------------------------------------------------------


def _of_shapes(*shapes: tuple[int, ...]) -> tuple[Sample, ...]:
    return tuple(Sample(shapes) for shapes in zip(shapes[::2], shapes[1::2], strict=True))


@composite(
    "contraction",
    samples=_of_shapes((), (2, 3), (3,), (3,), (2, 3), (3,), (2, 3), (3, 2), (2, 3), (4, 3, 2), (0,), (0,)),
)
def dot(x: ArrayLike, y: ArrayLike) -> Tensor:
    """z = x y as in ``np.dot``: summed over the last axis of `x` and the second-to-last, or only, axis of `y`.

    A number multiplies. Unlike in `matmul`, leading axes do not broadcast: those of `x` come before those of `y`.

    >>> import tinygraph as tg
    >>> tg.dot([1.0, 2.0], [3.0, 4.0])
    Tensor(11., op=matmul)
    """
    x, y = as_tensor(x), as_tensor(y)
    if x.ndim == 0 or y.ndim == 0:
        return multiply(x, y)
    return matmul(x, y) if y.ndim <= 2 else tensordot(x, y, axes=(-1, -2))


@composite("contraction", samples=_of_shapes((), (3,), (3,), (3,), (2, 3), (4, 3), (3,), (4, 2, 3), (2, 0), (0,)))
def inner(x: ArrayLike, y: ArrayLike) -> Tensor:
    """z = Σ x ∗ y over the last axis of both, as in ``np.inner``. The other axes of `x` come before those of `y`.

    >>> import tinygraph as tg
    >>> tg.inner([[1.0, 2.0], [3.0, 4.0]], [1.0, 10.0])
    Tensor([21., 43.], op=einsum)
    """
    x, y = as_tensor(x), as_tensor(y)
    return tensordot(x, y, axes=(-1, -1)) if x.ndim and y.ndim else multiply(x, y)


@composite(
    "contraction",
    samples=(
        Sample(((2, 3, 4), (3, 4, 2))),
        Sample(((2, 3), (4,)), {"axes": 0}),
        Sample(((2, 3), (3,)), {"axes": 1}),
        Sample(((2, 3, 4), (4, 3)), {"axes": ((1, -1), (1, 0))}),
        Sample(((2, 3), (4, 2)), {"axes": (0, 1)}),
        Sample(((2, 0), (0, 3)), {"axes": 1}),
        Sample(((), ()), {"axes": 0}),
    ),
)
def tensordot(x: ArrayLike, y: ArrayLike, axes: Any = 2) -> Tensor:
    """Σ x ∗ y over pairs of axes. The other axes of `x` come before those of `y`.

    `axes` is either an integer n, for the last n axes of `x` and the first n of `y`, or a pair of lists, the axes of
    `x` and the axes of `y` that belong together. A list of one axis may be written as an integer.

    Raises `ArgumentError` for other `axes`, and `ShapeError` if the two axes of a pair differ in length.

    >>> import tinygraph as tg
    >>> tg.tensordot([[1.0, 2.0], [3.0, 4.0]], [1.0, 10.0], axes=1)
    Tensor([21., 43.], op=einsum)
    """
    x, y = as_tensor(x), as_tensor(y)
    try:
        of_x, of_y = axes
    except TypeError:
        of_x, of_y = range(x.ndim - axes, x.ndim), range(axes)
        if not 0 <= axes <= min(x.ndim, y.ndim):
            raise ArgumentError(
                f"tensordot cannot sum over {axes} axes of operands of shapes {x.shape} and {y.shape}"
            ) from None
    left, right = normalize_axes(of_x, x), normalize_axes(of_y, y)
    if [x.shape[i] for i in left] != [y.shape[i] for i in right]:
        raise ShapeError(
            f"tensordot over the axes {axes} of operands of shapes {x.shape} and {y.shape}: their lengths differ"
        )
    of_left = _labels(x.ndim)
    of_right = _labels(y.ndim, x.ndim)
    for i, j in zip(left, right, strict=True):
        of_right[j] = of_left[i]
    result = [
        label
        for term, places in ((of_left, left), (of_right, right))
        for i, label in enumerate(term)
        if i not in places
    ]
    return einsum_(x, y, subscripts=f"{''.join(of_left)},{''.join(of_right)}->{''.join(result)}")


def _labels(count: int, start: int = 0) -> list[str]:
    if start + count > len(ascii_letters):
        raise ArgumentError(f"the operands may have at most {len(ascii_letters)} axes in all")
    return [*ascii_letters[start : start + count]]


@composite(
    "contraction",
    samples=(
        *_of_shapes((3,), (3,), (2, 3), (2, 3), (2, 3), (3,), (2, 1, 3), (4, 3), (2, 0), (0,), (0, 3), (3,)),
        Sample(((2, 3), (2, 3)), {"axis": 0}),
    ),
    reference=lambda x, y, axis=-1: np.sum(x * y, axis),
)
def vecdot(x: ArrayLike, y: ArrayLike, axis: int = -1) -> Tensor:
    """z = Σ x ∗ y over `axis`, the scalar product of vectors. The other axes broadcast.

    >>> import tinygraph as tg
    >>> tg.vecdot([[1.0, 2.0], [3.0, 4.0]], [1.0, 10.0])
    Tensor([21., 43.], op=einsum)
    """
    x, y = as_tensor(x), as_tensor(y)
    (i,), (j,) = normalize_axes(axis, x), normalize_axes(axis, y)
    if x.shape[i] != y.shape[j]:
        raise ShapeError(f"vecdot of operands of shapes {x.shape} and {y.shape} over axis {axis}: the lengths differ")
    common = "".join(_labels(max(x.ndim, y.ndim) - 1, 1))
    return einsum_(x, y, subscripts=f"{_aligned(x, i, common)},{_aligned(y, j, common)}->{common}")


def _aligned(x: Tensor, place: int, common: str) -> str:
    """Return the label a for the axis at a place, and the common labels, counted from the last, for the others."""
    others = common[len(common) - x.ndim + 1 :]
    return f"{others[:place]}a{others[place:]}"


@composite(
    "contraction",
    samples=_of_shapes((2, 3), (3,), (4, 2, 3), (3,), (2, 3), (4, 3), (4, 1, 2, 3), (5, 3), (0, 3), (3,)),
    reference=lambda x, y: np.matmul(x, y[..., None])[..., 0],
)
def matvec(x: ArrayLike, y: ArrayLike) -> Tensor:
    """z = x y for a matrix x and a vector y, or for stacks of them, which broadcast.

    >>> import tinygraph as tg
    >>> tg.matvec([[1.0, 2.0], [3.0, 4.0]], [[1.0, 10.0], [1.0, 0.0]])
    Tensor([[21., 43.],
            [ 1.,  3.]], op=einsum)
    """
    return _of_matrix_and_vector("matvec", "...ij,...j->...i", as_tensor(x), as_tensor(y))


@composite(
    "contraction",
    samples=_of_shapes((2,), (2, 3), (2,), (4, 2, 3), (4, 2), (2, 3), (5, 2), (4, 1, 2, 3), (2,), (2, 0)),
    reference=lambda x, y: np.matmul(x[..., None, :], y)[..., 0, :],
)
def vecmat(x: ArrayLike, y: ArrayLike) -> Tensor:
    """z = xᵀ y for a vector x and a matrix y, or for stacks of them, which broadcast.

    >>> import tinygraph as tg
    >>> tg.vecmat([1.0, 10.0], [[1.0, 2.0], [3.0, 4.0]])
    Tensor([31., 42.], op=einsum)
    """
    return _of_matrix_and_vector("vecmat", "...i,...ij->...j", as_tensor(x), as_tensor(y))


def _of_matrix_and_vector(name: str, subscripts: str, x: Tensor, y: Tensor) -> Tensor:
    last = -1 if name == "matvec" else -2
    if x.ndim < 1 or y.ndim < 1 or min(x.ndim, y.ndim, max(x.ndim, y.ndim) - 1) < 1:
        raise ShapeError(f"{name} needs a matrix and a vector, not operands of shapes {x.shape} and {y.shape}")
    matrix, vector = (x, y) if name == "matvec" else (y, x)
    if matrix.ndim < 2 or matrix.shape[last] != vector.shape[-1]:
        raise ShapeError(
            f"{name} of operands of shapes {x.shape} and {y.shape}: the axis to sum over differs in length"
        )
    return einsum(subscripts, x, y)


@composite(
    "contraction",
    samples=_of_shapes((), (2,), (2, 3), (3, 2), (2,), (2, 3), (2, 2, 2), (3, 1), (0, 2), (2, 2)),
)
def kron(x: ArrayLike, y: ArrayLike) -> Tensor:
    """The Kronecker product: `y` times each element of `x`, as blocks. Missing leading axes have length one.

    >>> import tinygraph as tg
    >>> tg.kron([1.0, 10.0], [1.0, 2.0])
    Tensor([ 1.,  2., 10., 20.], op=reshape)
    """
    x, y = as_tensor(x), as_tensor(y)
    ndim = max(x.ndim, y.ndim)
    left, right = ((1,) * (ndim - z.ndim) + z.shape for z in (x, y))
    outside = tuple(itertools.chain(*((n, 1) for n in left)))
    inside = tuple(itertools.chain(*((1, n) for n in right)))
    product = multiply(reshape(x, outside), reshape(y, inside))
    return reshape(product, tuple(n * m for n, m in zip(left, right, strict=True)))


@op(
    "contraction",
    lambda xp, g, z, x, y: unbroadcast(xp, xp.cross(y, g), x.shape),
    lambda xp, g, z, x, y: unbroadcast(xp, xp.cross(g, x), y.shape),
    notation="{0} × {1}",
    binding=PRODUCT,
    samples=_of_shapes((3,), (3,), (2, 3), (3,), (2, 1, 3), (4, 3), (0, 3), (3,)),
    linear="each",
    flops=lambda z, x, y: 3 * math.prod(z),
)
def cross_(xp: Any, x: ArrayLike, y: ArrayLike) -> Any:
    """The vector product along the last axis, which has length three."""
    return xp.cross(x, y)


def cross(x: ArrayLike, y: ArrayLike, axis: int = -1) -> Tensor:
    """z = x × y, the vector product of vectors of three elements along `axis`. The other axes broadcast.

    Its gradients are vector products again: dx = y × dz and dy = dz × x. (``np.cross`` of tensors accepts vectors of
    two elements too.)

    Raises `ShapeError` unless both operands have three elements along `axis`.

    >>> import tinygraph as tg
    >>> tg.cross([1.0, 0.0, 0.0], [0.0, 1.0, 0.0])
    Tensor([0., 0., 1.], op=cross)
    """
    x, y = (with_last(as_tensor(z), axis) for z in (x, y))
    if x.shape[-1] != 3 or y.shape[-1] != 3:
        raise ShapeError(
            f"cross needs vectors of three elements along axis {axis}, not {x.shape[-1]} and {y.shape[-1]}"
        )
    return with_last(cross_(x, y), axis, back=True)


def with_last(x: Tensor, axis: int, back: bool = False) -> Tensor:
    """Return x with an axis moved to the end, or back from the end to its place."""
    (place,) = normalize_axes(axis, x)
    if place == x.ndim - 1:
        return x
    order = [i for i in range(x.ndim) if i != place]
    if back:
        order = [*range(x.ndim - 1)]
        order.insert(place, x.ndim - 1)
    else:
        order.append(place)
    return permute_dims(x, tuple(order))


@composite(
    "contraction",
    samples=(
        *_of_shapes((2, 3), (3, 2), (3,), (3, 2), (2, 3), (3,)),
        Sample(((4, 2), (2, 5), (5, 3))),
        Sample(((2,), (2, 5), (5, 3), (3, 4))),
        Sample(((4, 2), (2, 5), (5, 1), (1,))),
        Sample(((2, 0), (0, 2), (2, 2))),
    ),
    sequence=True,
)
def multi_dot(arrays: Sequence[ArrayLike]) -> Tensor:
    """The product of matrices, computed in the order that takes the fewest multiplications.

    The first may be a vector, which counts as a row, and so may the last, which counts as a column, as in ``matmul``.

    Raises `ArgumentError` for fewer than two arrays, and `ShapeError` if the others are not matrices or do not fit.

    >>> import tinygraph as tg
    >>> tg.multi_dot([[[1.0, 2.0]], [[3.0], [4.0]], [[5.0]]])
    Tensor([[55.]], op=matmul)
    """
    xs = [as_tensor(x) for x in arrays]
    if len(xs) < 2:
        raise ArgumentError("multi_dot needs at least two arrays")
    for i, x in enumerate(xs):
        if x.ndim != 2 and not (x.ndim == 1 and i in (0, len(xs) - 1)):
            raise ShapeError(
                f"multi_dot takes matrices, or a vector first or last, but array {i} has the shape {x.shape}"
            )
    first, last = xs[0], xs[-1]
    lengths = [
        first.shape[0] if first.ndim == 2 else 1,
        *(x.shape[0] for x in xs[1:]),
        last.shape[1] if last.ndim == 2 else 1,
    ]
    best: dict[tuple[int, int], tuple[int, int]] = {}
    for start, end in sorted(itertools.combinations(range(len(xs) + 1), 2), key=lambda part: part[1] - part[0]):
        if end == start + 1:
            best[start, end] = 0, start
            continue
        best[start, end] = min(
            (best[start, k][0] + best[k, end][0] + lengths[start] * lengths[k] * lengths[end], k)
            for k in range(start + 1, end)
        )

    def product(start: int, end: int) -> Tensor:
        k = best[start, end][1]
        return xs[start] if end == start + 1 else matmul(product(start, k), product(k, end))

    return product(0, len(xs))
