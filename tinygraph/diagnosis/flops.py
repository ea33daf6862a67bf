"""How many floating-point operations (FLOPs) a graph takes, forward and backward.

The convention: an addition and a multiplication are one each, so the product of an (m, k) and a (k, n) matrix takes
2 m k n. An elementwise function, such as tanh or a comparison, is one for each element of its result, however it is
computed; a sum is one for each element that it reads. What only moves numbers takes none: shapes, indices, sorting,
casts. Decompositions take the leading terms of Golub and Van Loan, *Matrix Computations* (4th edition, 2013), and a
Fourier transform 5 n log₂ n.

Backward takes what the gradient rules record, counted in the same way: each rule is run once on a node by itself, for
all nodes that are alike. So a gradient that nobody needs takes nothing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from sys import _getframe
from typing import Any, NamedTuple

import numpy as np

from .. import ops
from ..autodiff.traversal import cotangents
from ..errors import Shape, TinygraphError
from ..graph.recording import Change, State
from ..graph.tensor import Tensor, as_if_applied, make_leaf, toposort


class Flops(NamedTuple):
    """What a node takes to be computed, and to hand its cotangent on to its inputs."""

    forward: int
    backward: int
    reached: bool
    """Whether a cotangent comes to it at all."""


def flops_of(order: Sequence[Tensor]) -> dict[Tensor, Flops]:
    """The FLOPs of each node of a graph in topological order; backward starts at the last one.

    Where a node has several readers, adding up what comes back from them is the node's own. Where a rule refuses, as
    `backward` would, nothing is counted.

    >>> from tinygraph.diagnosis.flops import flops_of
    >>> W, x = tg.parameter(np.ones((4, 3))), tg.Tensor(np.ones((3, 5)))
    >>> z = W @ x
    >>> flops_of(tg.toposort(z))[z]
    Flops(forward=120, backward=120, reached=True)
    """
    known: dict[Any, tuple[Flops, tuple[int, ...]]] = {}
    arrived = Counter(node for node in order[-1:] if node.requires_grad)
    found: dict[Tensor, Flops] = {}
    for node in reversed(order):
        count = arrived[node]
        if node.op is None:
            flops = Flops(0, 0, count > 0)
        else:
            wanted = tuple([type(x) is Tensor and x._requires_grad for x in node.inputs]) if count else ()
            alike = _alike(node, wanted)
            if alike not in known:
                known[alike] = _cost(node, wanted)
            flops, sources = known[alike]
            for x in {node.inputs[i] for i in sources}:
                arrived[x] += 1  # type: ignore[index]
        found[node] = flops if count < 2 else flops._replace(backward=flops.backward + (count - 1) * node.size)
    return found


class _Aside(Change):
    """Recording, and nothing else: what is computed here is not the user's."""

    def _changed(self, state: State) -> State:
        return State()


def _alike(node: Tensor, wanted: tuple[bool, ...]) -> Any:
    """What decides about the cost of a node; equal for those that cost the same."""
    op: Any = node.op
    if op.kind == "control":  # made of functions
        return node
    inputs = node.inputs
    operands = [
        (a.shape, a.dtype.char) if type(x) is Tensor else a if a in _SPECIAL_POWERS else None
        for x, a in zip(inputs, node._args, strict=True)
    ]
    ids = list(map(id, inputs))
    repeated = tuple(map(ids.index, ids)) if len({*ids}) < len(ids) else None
    params = repr(node.params) if node.params and op.kind != "indexing" else ""  # which elements is no matter
    return op, node.shape, params, wanted, repeated, *operands


_SPECIAL_POWERS = (0, 1, 2, 3)  # with gradients of their own


def _cost(node: Tensor, wanted: Sequence[bool]) -> tuple[Flops, tuple[int, ...]]:
    """The FLOPs of one node, found out on a copy that stands alone, and which inputs a cotangent comes back to."""
    op: Any = node.op
    with _Aside(), np.errstate(all="ignore"):
        leaves = {x: _leaf(a) for x, a in zip(node.inputs, node._args, strict=True) if isinstance(x, Tensor)}
        inputs = tuple(leaves[x] if isinstance(x, Tensor) else x for x in node.inputs)
        alone = as_if_applied(op, inputs, node._args, node.params, node._value)
        seed = _leaf(np.ones(node.shape, node.dtype)[()])
        sought: Any = {x for i, x in enumerate(inputs) if wanted and wanted[i] and i not in op.aside}
        try:
            back = dict(cotangents(alone, sought, seed)) if sought else {}
        except (TinygraphError, np.linalg.LinAlgError):
            back = {}
        sources = tuple(i for i, x in enumerate(inputs) if isinstance(x, Tensor) and x in back)
        return Flops(forward_flops(alone), _recorded_since(seed, back.values()), bool(wanted)), sources


def _leaf(array: Any) -> Tensor:
    return make_leaf(Tensor.__new__(Tensor), array, _getframe(1))


def _recorded_since(earlier: Tensor, outputs: Iterable[Tensor]) -> int:
    """The forward FLOPs of all that outputs are computed from and that is younger than an `earlier` node."""
    return sum(forward_flops(node) for node in toposort(*outputs) if node.op is not None and node.age > earlier.age)


def forward_flops(node: Tensor) -> int:
    """The FLOPs of computing a node from its inputs: by its op, their shapes and the parameters.

    >>> from tinygraph.diagnosis.flops import forward_flops
    >>> forward_flops(tg.matmul(np.ones((4, 2)), np.ones((2, 400))))
    6400
    """
    op: Any = node.op
    if op.kind == "control":  # what its functions record
        with _Aside(), np.errstate(all="ignore"):
            inputs = [_leaf(a) if isinstance(x, Tensor) else x for x, a in zip(node.inputs, node._args, strict=True)]
            return _recorded_since(_leaf(node._value), [op.forward(ops, *inputs, **node.params)])
    shapes = [x.shape if isinstance(x, Tensor) else () for x in node.inputs]
    return round((FORMULAS.get(op.name) or _OF_KIND.get(op.kind, _largest))(node.shape, *shapes, **node.params))


# -- the formulas: of the shapes of the result and the inputs, and the parameters ------------------------------------

Formula = Callable[..., float]


def _each(count: int) -> Formula:
    """So many for each element of the first input."""
    return lambda y, x, *_, **params: count * math.prod(x)


def _none(y: Shape, *xs: Shape, **params: Any) -> float:
    return 0


def _largest(y: Shape, *xs: Shape, **params: Any) -> float:
    """One for each element of the result or an input, whichever has most: of an op of which no more is known."""
    return max(map(math.prod, (y, *xs)))


_OF_KIND: Mapping[str, Formula] = {
    "elementwise": lambda y, *xs, **params: math.prod(y),
    "reduction": _each(1),
    "shape": _none,
    "indexing": _none,
}


def _matmul(z: Shape, x: Shape, y: Shape) -> float:
    return 2 * math.prod(z) * x[-1]


def _einsum(z: Shape, *xs: Shape, subscripts: str) -> float:
    """Two operands at a time; a product, and a sum where a label goes, for each combination of indices."""
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


def _matrices(x: Shape) -> tuple[int, int, int]:
    """How many there are, and their longer and their shorter side."""
    *stack, rows, columns = x
    return math.prod(stack), max(rows, columns), min(rows, columns)


def _of_matrices(formula: Callable[[int, int], float]) -> Formula:
    """So many for each matrix, by its longer and its shorter side."""

    def total(y: Shape, x: Shape, *_: Shape, **params: Any) -> float:
        count, m, n = _matrices(x)
        return count * formula(m, n)

    return total


_LU = _of_matrices(lambda n, _: 2 / 3 * n**3)
_singular_values = _of_matrices(lambda m, n: 4 * m * n**2 - 4 / 3 * n**3)


def _svd(y: Shape, x: Shape, full: bool) -> float:
    count, m, n = _matrices(x)
    return count * (4 * m**2 * n + 8 * m * n**2 + 9 * n**3 if full else 14 * m * n**2 + 8 * n**3)


def _qr(y: Shape, x: Shape, mode: str) -> float:
    """Householder's reflections for R, and the same ones for Q."""
    count, m, n = _matrices(x)
    rows = x[-2]
    triangle = 2 * m * n**2 - 2 / 3 * n**3
    thin = 2 * rows * n**2 - 2 / 3 * n**3
    return count * (triangle + (4 * (rows**2 * n - rows * n**2 + n**3 / 3) if mode == "complete" else thin))


def _cofactors(y: Shape, x: Shape, *directions: Shape) -> float:
    """A decomposition into singular values, and the way there and back for each direction."""
    *stack, n, _ = x
    return _svd(y, x, full=False) + 4 * (1 + len(directions)) * math.prod(stack) * n**3


def _solve(z: Shape, x: Shape, y: Shape) -> float:
    """A decomposition into triangles, and two of these solved for each column."""
    *stack, n, _ = x
    return math.prod(stack) * 2 / 3 * n**3 + 2 * n * math.prod(z)


def _convolve(z: Shape, x: Shape, y: Shape, mode: str) -> float:
    return 2 * (math.prod(x) * math.prod(y) if mode == "full" else math.prod(z) * min(math.prod(x), math.prod(y)))


def _fourier(share: float) -> Formula:
    """5 n log₂ n for n complex numbers; of real ones a half."""

    def total(y: Shape, x: Shape, axes: Shape, norm: str, n: int | None = None) -> float:
        real = x if len(x) < len(y) else y[1:] if n is None else y
        length = math.prod(real[axis] for axis in axes)
        return share * 5 * math.prod(real) * math.log2(max(length, 1))

    return total


def _log_loss(y: Shape, a: Shape, *_: Shape, reduction: str) -> float:
    """−(y log a + (1 − y) log(1 − a)), and their sum."""
    return (8 + (reduction != "none")) * math.prod(a)


def _per_window(z: Shape, x: Shape, *_: Shape, kernel: Shape, **params: Any) -> float:
    return math.prod(z) * math.prod(kernel)


def _per_share(z: Shape, x: Shape, kernel: Shape, **params: Any) -> float:
    return math.prod(x) * math.prod(kernel)


FORMULAS: Mapping[str, Formula] = {
    # elementwise
    "astype": _none,
    "discretize": _none,
    # reductions that pass over their input more than once
    "logsumexp": _each(4),
    "logsumexp_derivative": _each(2),
    "softmax": _each(5),
    "log_softmax": _each(5),
    "recurrence": _each(2),
    "prod_others": _each(3),
    "cumprod_gradient": _each(5),
    "vector_norm": _each(2),
    "centred": _each(2),
    "var": _each(4),
    "std": _each(4),
    # products
    "matmul": _matmul,
    "outer": lambda z, x, y: math.prod(z),
    "vdot": _each(2),
    "einsum": _einsum,
    "scatter_diagonal": _none,
    "trace": lambda y, x, offset: math.prod(y) * min(x[-2:]),
    "cross": lambda z, x, y: 3 * math.prod(z),
    "convolve": _convolve,
    # matrices
    "cholesky": _of_matrices(lambda n, _: n**3 / 3),
    "eigvalsh": _of_matrices(lambda n, _: 4 / 3 * n**3),
    "eigh_packed": _of_matrices(lambda n, _: 9 * n**3),
    "eigenvalues": _none,
    "eigenvectors": _none,
    "svdvals": _singular_values,
    "svd_packed": _svd,
    "singular_values": _none,
    "left_vectors": _none,
    "right_vectors": _none,
    "qr_packed": _qr,
    "inv": _of_matrices(lambda n, _: 2 * n**3),
    "cofactors": _cofactors,
    "det": _LU,
    "sign_of_det": _LU,
    "logabsdet": _LU,
    "solve": _solve,
    "pinv": lambda y, x, rtol: _svd(y, x, full=False) + 2 * math.prod(x) * min(x[-2:]),
    "matrix_rank": _singular_values,
    # Fourier transforms
    "dft": _fourier(1),
    "idft": _fourier(1),
    "rdft": _fourier(1 / 2),
    "irdft": _fourier(1 / 2),
    "mirror_spectrum": _none,
    "fold_spectrum": lambda y, x, axes: math.prod(x) - math.prod(y),
    # convolution
    "im2col": _none,
    "col2im": _each(1),
    "conv": lambda z, x, w, **how: 2 * math.prod(z) * math.prod(w[1:]),
    "conv_transpose": lambda x, y, w, **how: 2 * math.prod(y) * math.prod(w[1:]),
    "conv_kernel": lambda w, x, y, **how: 2 * math.prod(y) * math.prod(w[1:]),
    "max_pool": _per_window,
    "max_pool_places": _per_window,
    "max_unpool": _none,
    "avg_pool": _per_window,
    "avg_unpool": _per_share,
    # losses
    "log_loss": _log_loss,
    "log_loss_of_sigmoid": _log_loss,
    "complement_of_sigmoid": _each(1),
    "logit_of_sigmoid": _none,
    "one_hot_along": _none,
    "softmax_loss": _each(6),
}
