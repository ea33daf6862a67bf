"""Compare random programs with every second opinion: ``python tests/fuzz.py --seconds 1200 --seed 0``.

A program is a few leaves and a list of steps; each step applies a function of the op table to earlier results.
Programs of one step try every function on special values, programs of two steps reuse leaves, and long programs compose
functions at random. Where two opinions differ, the program is shrunk as far as they still differ, and printed as code
that runs.
New functions are included automatically. PyTorch is one of the opinions where it is installed.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import math
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from oracles import as_one, is_public, torch_functions

import tinygraph as tg
from tinygraph.graph.records import APPLY, FUNCTIONS, Composite, Op
from tinygraph.graph.replaying import evaluate
from tinygraph.graph.samples import Domain, Sample
from tinygraph.testing import laws

try:
    import torch
except ImportError:
    torch = None

SPECIAL = [0.0, -0.0, 1.0, -1.0, 2.0, -2.0, 0.5, np.inf, -np.inf, np.nan, 1e308, -1e308, 1e-308, 1000.0, -1000.0]
REFUSED = (
    tg.TinygraphError,
    ValueError,
    TypeError,
    np.linalg.LinAlgError,
    IndexError,
    ZeroDivisionError,
    OverflowError,
)


class Convention(NamedTuple):
    """Where two opinions may differ; docs/conventions.md gives the same reason."""

    opinion: str
    kinds: tuple[str, ...]
    """The functions, or all of some kind."""
    where: Callable[..., Any]
    """Of the inputs: whether it is so somewhere."""
    reason: str


def _any(condition: Callable[[Any], Any]) -> Callable[..., bool]:
    """Whether some floating number is such."""
    return lambda *xs: any(x.dtype.kind == "f" and bool(condition(x).any()) for x in xs)


def _is_subnormal(x: Any) -> Any:
    return (x != 0) & (np.abs(x) < np.finfo(x.dtype).tiny)


_any_not_finite = _any(lambda x: ~np.isfinite(x))
_any_infinity = _any(np.isinf)
_any_nan = _any(np.isnan)
_any_huge = _any(lambda x: np.isfinite(x) & (np.abs(x) > 1e100))
_any_tiny = _any(lambda x: (x != 0) & (np.abs(x) < 1e-150))

_any_extreme = _any(lambda x: np.isfinite(x) & (x != 0) & ((np.abs(x) < 1e-150) | (np.abs(x) > 1e150)))


def _any_tie(x: Any, *rest: Any) -> bool:
    return np.unique(x).size < x.size


def _has_both_zeros(x: Any, *rest: Any) -> bool:
    return np.unique(np.signbit(x[x == 0])).size == 2


def _is_one_bound(x: Any, *bounds: Any) -> bool:
    """Whether both bounds are, or there is a NaN where there are two."""
    return len(bounds) == 2 and (_any_nan(x, *bounds) or bool(np.any(bounds[0] == bounds[1])))


def _has_no_inverse(x: Any, *rest: Any) -> bool:
    values = np.linalg.svdvals(x)
    return bool((values.min(-1, initial=np.inf) <= 1e-12 * values.max(-1, initial=0.0)).any())


def _has_no_tensor_inverse(x: Any, *rest: Any) -> bool:
    n = math.isqrt(x.size)
    orders = itertools.permutations(range(x.ndim))  # one of which `axes` asks for
    return any(_has_no_inverse(np.transpose(x, order).reshape(n, n)) for order in orders)


def _has_equal_values(x: Any, *rest: Any) -> bool:
    """Whether singular values are equal, or 0."""
    values = np.linalg.svdvals(x)
    return bool((np.diff(values, axis=-1, append=0.0) > -1e-6 * (1.0 + values.max(initial=0.0))).any())


def _is_unsorted(x: Any, *rest: Any) -> bool:
    """Whether it is in no order, or has a NaN, which has none."""
    return not bool((x[..., 1:] >= x[..., :-1]).all()) or _any_nan(x, *rest)


_SUMS = ("reduction", "contraction", "loss", "convolution", "normalisation")
_PRODUCTS = ("contraction", "convolution", "prod", "nanprod", "cumulative_prod", "nancumprod")
_PRODUCTS += ("prod_before", "prod_after", "recurrence", "gradient", "interp", "batch_norm", "instance_norm")
_MATRICES = ("cond", "qr", "lstsq", "inv", "solve", "pinv", "matrix_power", "logabsdet", "slogdet")
_VECTORS = ("svd", "eigh", "qr", "svd_packed", "eigh_packed", "qr_packed")
_QUANTILES = ("quantile", "percentile", "median")
_NAN_QUANTILES = ("nanquantile", "nanpercentile", "nanmedian")

CONVENTIONS = [
    Convention(opinion, kinds, where, reason)
    for opinion, kinds, where, reason in [
        (
            "torchs",
            ("fmax", "fmin"),
            lambda x, y: np.any((x == y) | (np.isnan(x) & np.isnan(y))),
            "a tie shares equally",
        ),
        ("torchs", ("topk",), _any_tie, "of those that tie topk takes the first"),
        ("numpys_value", ("argsort",), _any_tie, "equal elements keep their order"),
        ("torchs", ("logit",), lambda x: np.any(x == 0), "the pole at −0 is that of 1/x"),
        ("torchs", ("logit",), lambda x: np.any(x * (1 - x) < 0), "where logit is NaN its slope is 1/(x (1 − x))"),
        ("torchs", ("fmod",), lambda x, y: np.isnan(np.fmod(x, y)).any(), "where fmod is NaN"),
        ("torchs", ("fmod", "remainder"), lambda x, y: _any_huge(x / y), "the order of a sum decides"),
        ("torchs", ("relu6", "hardtanh", "hardsigmoid"), _any_nan, "at NaN the slope of relu6 is 1"),
        (
            "torchs",
            ("xlogy",),
            lambda x, y: np.any((x == 0) & (y == 0)),
            "Where x and y are 0 the derivative of xlogy by y is 0",
        ),
        ("torchs", ("sinc",), _any(lambda x: np.abs(x) < 1e-8), "PyTorch's slope of sinc is 0 near 0"),
        ("numpys_value", ("interp",), lambda x, nodes, y: _any_tie(nodes), "which of equal nodes"),
        ("torchs", ("gammaln",), _any(lambda x: (x == -np.inf) | _is_subnormal(x)), "SciPy's gammaln"),
        ("torchs", ("digamma_derivative",), lambda x: True, "of which PyTorch gives nine digits"),
        (
            "torchs",
            ("qr",),
            lambda x: _has_no_inverse(x[..., : min(x.shape[-2:])]),
            "matrix without an inverse rounding decides",
        ),
        ("torchs", ("sign", "abs", "vector_norm"), _any_nan, "the sign of NaN is 0 in PyTorch"),
        ("torchs", ("mae",), lambda x, y: np.isnan(x - y).any(), "the sign of NaN is 0 in PyTorch"),
        ("torchs", _QUANTILES, _any_nan, "a NaN is the quantile, and has the whole gradient"),
        *(
            (o, _QUANTILES + _NAN_QUANTILES, _any_infinity, "a quantile between infinities")
            for o in ("torchs", "numpys_value")
        ),
        ("torchs", ("scaled_dot_product_attention",), _any_infinity, "whose scores are all −∞"),
        ("torchs", _NAN_QUANTILES, _any_nan, "the derivative 0 by each NaN"),
        ("torchs", ("clip",), _is_one_bound, "where both bounds of clip are one number"),
        (
            "central_differences",
            ("clip",),
            lambda x, *b: any(np.any(x == y) for y in b),
            "on a bound of clip the slope is 1",
        ),
        ("torchs", ("svd", "svdvals"), _has_equal_values, "any basis of a plane"),
        *((o, ("svdvals", "matrix_norm", "norm"), _has_no_inverse, "±1 for |x|") for o in ("torchs", "compiled")),
        ("torchs", ("det",), _has_no_inverse, "PyTorch's gradient of det is off where there is no inverse"),
        ("torchs", ("running_statistics",), _any_not_finite, "of numbers with an infinity the variance is NaN"),
        ("torchs", _MATRICES, _has_no_inverse, "matrix without an inverse rounding decides"),
        ("torchs", ("tensorinv", "tensorsolve"), _has_no_tensor_inverse, "matrix without an inverse rounding decides"),
        ("torchs", ("log_loss",), lambda a, y: np.any(a * (1 - a) < 1e-12), "PyTorch cuts logarithms off at −100"),
        ("torchs", ("hardswish",), _any_huge, "PyTorch's hardswish overflows"),
        (
            "torchs",
            ("atan2", "vector_norm", "matrix_norm", "norm"),
            _any_extreme,
            "numbers whose squares are 0 without being 0, or overflow",
        ),
        ("single_precision", _VECTORS, lambda x: True, "may have either sign"),
        ("compiled", ("atan2",), lambda x, y: np.any(x == 0), "A zero may have the other sign"),
        ("torchs", ("searchsorted",), _is_unsorted, "in an array that is not sorted"),
        ("numpys_value", ("gradient", "add_at"), _any_huge, "the order of a sum decides"),
        ("torchs", _QUANTILES, _has_both_zeros, "equal elements keep their order"),
        ("torchs", ("pow",), lambda x, y: np.any((x == -np.inf) & (y == 0.5)), "The power of −∞"),
        ("numpys_value", ("interp",), _any_huge, "the order of a sum decides"),
        ("numpys_value", ("gradient",), _any_tiny, "numbers whose squares are 0 without being 0, or overflow"),
        (
            "numpys_value",
            ("gradient",),
            lambda x, *h: any(np.any(d == 0) for d in h),
            "only some algorithms meet 0 · ∞",
        ),
        ("single_precision", ("rms_norm",), lambda x: True, "rms_norm uses the ε of the dtype"),
        ("torchs", ("multiply", "divide"), _any_huge, "the order of a sum decides"),  # of what was repeated
        *((o, _SUMS, _any_huge, "the order of a sum decides") for o in ("torchs", "numpys_value", "compiled")),
        *((o, _PRODUCTS, _any_not_finite, "only some algorithms meet 0 · ∞") for o in ("torchs", "numpys_value")),
    ]
]


# -- programs ------------------------------------------------------------------------------------------------------


class Step(NamedTuple):
    """A function on earlier values, which are counted from the leaves on."""

    record: Op | Composite
    operands: tuple[int, ...]
    params: dict[str, Any]


class Program(NamedTuple):
    """Leaves and steps; the last value is the result."""

    leaves: tuple[Any, ...]
    steps: tuple[Step, ...]
    special: bool = False
    """Whether the leaves have values at which functions have corners, poles and overflow."""

    def __call__(self, leaves: Sequence[tg.Tensor], passed: Callable[[tg.Tensor], tg.Tensor] | None = None) -> Any:
        """The values, with what becomes of each as it is passed on."""
        values = list(leaves)
        for record, operands, params in self.steps:
            given = [values[i] if passed is None else passed(values[i]) for i in operands]
            values.append(laws.applied(record, given, params))
        return values

    def tensors(self, dtype: Any = None) -> list[tg.Tensor]:
        """The leaves; the floating ones require a gradient, and are of a dtype."""
        return [
            tg.Tensor(x if dtype is None or x.dtype.kind != "f" else x.astype(dtype), requires_grad=x.dtype.kind == "f")
            for x in self.leaves
        ]

    def run(self, dtype: Any = None) -> tuple[list[tg.Tensor], tg.Tensor]:
        """The leaves as tensors, and the result."""
        leaves = self.tensors(dtype)
        return leaves, self(leaves)[-1]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(step.record.name for step in self.steps)

    def __str__(self) -> str:
        count = len(self.leaves)
        lines = [
            f"x{i} = np.array({x.tolist()!r}, {x.dtype.name!r}).reshape({x.shape})" for i, x in enumerate(self.leaves)
        ]
        for i, (record, operands, params) in enumerate(self.steps):
            given = ", ".join(f"x{j}" for j in operands)
            rest = "".join(f", {key}={value!r}" for key, value in params.items())
            lines.append(f"x{count + i} = {record.name}({given}{rest})")
        return "\n".join("    " + line.replace("nan", "np.nan").replace("inf", "np.inf") for line in lines)


@functools.cache
def _table() -> list[tuple[Op | Composite, list[tuple[list[Any], dict[str, Any]]]]]:
    # what is read through another input, or computed from it, is drawn by the function that records it
    records = [
        record
        for record in laws.records()
        if not getattr(record, "aside", None) and not any(domain.computed for domain in _domains(record))
    ]
    drawn = ((record, list(laws.samples(record))) for record in records)
    return [(record, samples) for record, samples in drawn if samples]  # loops and branches have none


def _is_private(record: Op | Composite) -> bool:
    """Whether it trusts its operands: a public function that checks them stands before it, or it is for rules."""
    return record.kind == "indexing" or (
        isinstance(record, Op) and FUNCTIONS.get(record.name) is not APPLY[record.name]
    )


def _uses_lapack(record: Op | Composite) -> bool:
    """Whether it decomposes matrices, for which NaN, infinity and what overflows when squared are no input."""
    function = record.forward if isinstance(record, Op) else record.apply
    family = function.__module__.rpartition(".")[2]
    return family in ("linalg", "decompositions") or record.name in ("matrix_norm", "norm")


def _suits(record: Op | Composite, domain: Domain, x: Any) -> bool:
    """Whether a function may be given any such values, as far as it trusts its operands."""
    if x.dtype.kind != "f" or not x.size:
        return True
    if _uses_lapack(record) and not (np.isfinite(x) & (np.abs(x) < 1e100)).all():
        return False
    return not _is_private(record) or (domain.low <= x.min() and x.max() <= domain.high)


def _domains(record: Op | Composite, sample: int = 0, count: int = 0) -> list[Domain]:
    """Those of the inputs of a sample."""
    given = record.samples or ()
    domains = given[sample].domains if given and isinstance(given[0], Sample) else given
    return [domain or Domain() for domain, _ in itertools.zip_longest(domains, range(count))]


def _is_free(domain: Domain) -> bool:
    """Whether any floating array will do."""
    return _is_drawn_freely(domain) and not domain.diagonal


def _is_drawn_freely(domain: Domain) -> bool:
    """Whether it has a meaning for any floating array; a matrix without an inverse may still be refused."""
    return not (domain.boolean or domain.integer or domain.symmetric or domain.increasing)


def random_program(rng: np.random.Generator, length: int, special: bool = False, record: int | None = None) -> Program:
    """`length` functions, or fewer; the first is the record of that number."""
    leaves: list[Any] = []
    made: list[tuple[Step, Any]] = []  # with the leaves that the step brings
    values: list[Any] = []  # indices are settled at the end, when the number of leaves is known
    attempts = 0
    while len(made) < length and attempts < 8 * length:
        attempts += 1
        function, samples = _table()[rng.integers(len(_table())) if made or record is None else record]
        sample = int(rng.integers(len(samples)))
        inputs, params = samples[sample]
        operands: list[Any] = []
        for x, domain in zip(inputs, _domains(function, sample, len(inputs)), strict=False):
            known = [value for value in values if value[1].shape == x.shape and value[1].dtype.kind == x.dtype.kind]
            if made and not known and not _is_private(function) and rng.random() < 0.2:
                known = [value for value in values if value[1].dtype.kind == x.dtype.kind]
            known = [value for value in known if _suits(function, domain, value[1])]
            if known and _is_free(domain) and rng.random() < 0.8:
                operands.append(known[rng.integers(len(known))])
                continue
            if special and x.dtype.kind == "f" and _is_drawn_freely(domain) and rng.random() < 0.9:
                whole = rng.random() < 0.7 and not _uses_lapack(function)
                x = rng.choice(SPECIAL[: None if whole else 7], x.shape).reshape(x.shape)
            operands.append(("leaf", x))
        if made and all(kind == "leaf" for kind, _ in operands):
            continue
        try:
            with np.errstate(all="ignore"):
                result = laws.applied(function, [x for _, x in operands], params).data
        except REFUSED:
            if made or special:
                continue
            raise
        if result.size > 1000 or not (special or (np.isfinite(result).all() and np.abs(result).max(initial=0) < 1e3)):
            continue
        for operand in operands:
            if operand[0] == "leaf" and not any(operand is value for value in values):
                leaves.append(operand)
                values.append(operand)
        made.append((Step(function, tuple(map(id, operands)), params), operands))
        values.append(("result", result))
    place = {id(leaf): i for i, leaf in enumerate(leaves)}
    place |= {id(x): len(leaves) + i for i, x in enumerate(value for value in values if value[0] == "result")}
    steps = tuple(step._replace(operands=tuple(place[i] for i in step.operands)) for step, _ in made)
    return Program(tuple(np.asarray(x) for _, x in leaves), steps, special)


# -- opinions ------------------------------------------------------------------------------------------------------


def weights(shape: tuple[int, ...]) -> Any:
    """A cotangent that tells the elements apart."""
    return np.asarray(np.cos(np.arange(float(np.prod(shape))))).reshape(shape)


def differ(one: Any, other: Any, rtol: float) -> str | None:
    """Where two arrays differ by more than `rtol` of their largest finite number, in words."""
    one, other = np.asarray(one), np.asarray(other)
    if one.shape != other.shape:
        return f"shapes: {one.shape} and {other.shape}"
    if not one.size:
        return None
    scale = np.max(np.abs(other), initial=0.0, where=np.isfinite(other)) if other.dtype.kind == "f" else 0.0
    tolerance = rtol * max(1.0, scale)
    wrong = ~np.isclose(one, other, rtol=rtol, atol=tolerance, equal_nan=True)
    if not wrong.any():
        return None
    at = tuple(map(int, np.argwhere(wrong)[0]))
    return f"values: {one[at]} and {other[at]} at {list(at)}"


def sought(leaves: Sequence[tg.Tensor]) -> list[tg.Tensor]:
    return [x for x in leaves if x.requires_grad]


def numbers_and_nodes(program: Program) -> str | None:
    """The gradient by numbers, the gradient by nodes, and the gradient of that by both."""
    leaves, y = program.run()
    if not y.requires_grad:
        return None
    xs = sought(leaves)
    nodes = tg.gradients(y, xs, weights(y.shape))
    y.backward(weights(y.shape), retain_graph=True)
    for x, node in zip(xs, nodes, strict=True):
        if found := differ(np.zeros(x.shape) if x.grad is None else x.grad, node.data, 1e-9):
            return f"first order: {found}"
    total = sum((tg.sum(node * weights(node.shape)) for node in nodes), tg.Tensor(0.0))
    if program.special or not total.requires_grad:
        return None  # whether 0 · ∞ is met on the way to a second derivative at a pole depends on the way
    second = tg.gradients(total, xs)
    for x in xs:
        x.grad = None
    total.backward()
    for x, node in zip(xs, second, strict=True):
        if found := differ(np.zeros(x.shape) if x.grad is None else x.grad, node.data, 1e-9):
            return f"second order: {found}"
    return None


def evaluated_anew(program: Program) -> str | None:
    """The recorded value, and the value when the graph is run again."""
    _, y = program.run()
    return differ(evaluate([y])[0], y.data, 0.0)


def numpys_value(program: Program) -> str | None:
    """The value of NumPy's function of that name."""
    record = program.steps[0].record
    theirs = laws._numpys(record)
    if len(program.steps) > 1 or theirs is None or record.name == "astype" or getattr(record, "variadic", False):
        return None
    _, y = program.run()
    step = program.steps[0]
    value = laws._value(theirs, [program.leaves[i] for i in step.operands], step.params)
    return differ(y.data, value, 1e-12)


def compiled(program: Program) -> str | None:
    """The program that `compile` writes, where all is finite: at infinities it may say more, or less.

    What overflows in several steps may not do so in the simpler form of them.
    """
    if len(program.steps) > 1 and _any_huge(*program.leaves):
        return None
    leaves, y = program.run()
    if not all(np.isfinite(between.data).all() for between in program(leaves)[len(leaves) : -1]):
        return None
    xs = sought(leaves)
    seed = weights(y.shape)

    def computed(*given: tg.Tensor) -> list[Any]:
        y = program(given)[-1]
        floats = [x for x, leaf in zip(given, leaves, strict=True) if leaf.requires_grad]
        return [y, *(tg.gradients(y, floats, seed) if y.dtype.kind == "f" else [])]

    eager = [y.data] + ([g.data for g in tg.gradients(y, xs, seed)] if y.dtype.kind == "f" else [])
    for one, other in zip(tg.compile(computed)(*program.leaves), eager, strict=True):
        if np.isfinite(other).all() and (found := differ(one, other, 1e-9)):
            return None if _is_decided_by_rounding(program) else found
        if np.asarray(one).dtype != other.dtype:
            return f"dtypes: {np.asarray(one).dtype} and {other.dtype}"
    return None


def central_differences(program: Program) -> str | None:
    """The slope in a random direction, where it is smooth: where two steps give the same."""
    leaves, y = program.run()
    if program.special or not y.requires_grad or not all(_is_smooth(step.record) for step in program.steps):
        return None
    if any(_is_taken_as_constant(step.record) for step in program.steps):
        return None
    rng = np.random.default_rng(0)
    along = [rng.standard_normal(x.shape) if x.requires_grad else None for x in leaves]

    def at(t: float) -> float:
        moved = [x.data if d is None else x.data + t * d for x, d in zip(leaves, along, strict=True)]
        return float(np.sum(program._replace(leaves=tuple(moved)).run()[1].data * weights(y.shape)))

    try:
        slopes = [(at(h) - at(-h)) / (2 * h) for h in (1e-6, 3e-6, 1e-5)]
    except REFUSED:
        return None
    scale = max(1.0, abs(y.data).max(initial=0))
    if not np.ptp(slopes) < 1e-6 * scale or _rounding(program) / 1e-6 > 1e-5 * scale:
        return None
    found = tg.gradients(y, sought(leaves), weights(y.shape))
    slope = sum(np.sum(g.data * d) for g, d in zip(found, [d for d in along if d is not None], strict=True))
    if np.isnan(slope) and len(program.steps) > 1:
        return None  # where one function is constant and the other has no slope
    return differ(slope, slopes[1], 1e-5 * scale)


def _is_smooth(record: Op | Composite) -> bool:
    return not any(domain.symmetric for domain in _domains(record))


def _is_taken_as_constant(record: Op | Composite) -> bool:
    """Whether floating numbers come out that change with those that go in, and have no gradient."""
    return isinstance(record, Op) and not record.differentiable


def _rounding(program: Program) -> float:
    """By how much the result is off, as each value on the way is rounded."""
    values = program(program.tensors())
    xs = sought(values)
    slopes = tg.gradients(values[-1], xs, weights(values[-1].shape))
    return sum(float(np.abs(g.data * x.data).sum()) for g, x in zip(slopes, xs, strict=True)) * 2.0**-52


def single_precision(program: Program) -> str | None:
    """The same in float32: of that dtype, and near."""
    if program.special or len(program.steps) > 2 or any("dtype" in step.params for step in program.steps):
        return None
    values = program([tg.Tensor(x) for x in program.leaves])
    for (_, operands, _), y in zip(program.steps, values[len(program.leaves) :], strict=True):
        if y.dtype.kind == "f" and not any(values[i].dtype.kind == "f" for i in operands):
            return None  # of whole numbers alone it makes float64, as NumPy does, and widens what comes after
    rounded = program._replace(
        leaves=tuple(x.astype(np.float32).astype(x.dtype) if x.dtype.kind == "f" else x for x in program.leaves)
    )
    results = []
    for dtype in (np.float32, np.float64):
        leaves, y = rounded.run(dtype)
        if y.dtype.kind == "f" and y.dtype != dtype and any(x.dtype.kind == "f" for x in leaves):
            return f"dtypes: {np.dtype(dtype)} became {y.dtype}"
        gradients = tg.gradients(y, sought(leaves), weights(y.shape)) if y.requires_grad else []
        results.append([y.data, *(g.data for g in gradients)])
    if any(x.dtype.kind != "f" for x in results[1]) or not all(np.isfinite(x).all() for x in results[1]):
        return None
    sizes = [np.abs(x).max(initial=0) for x in results[1]]
    if max(sizes) > 1e3:  # ill-conditioned
        return None
    found = next(filter(None, (differ(*pair, 2e-3) for pair in zip(*results, strict=True))), None)
    return None if found and _is_decided_by_rounding(program) else found


def torchs(program: Program) -> str | None:
    """PyTorch's value and gradient."""
    records = [step.record for step in program.steps]
    if torch is None or not all(record.name in _torch_functions() and is_public(record) for record in records):
        return None
    if any(not _is_smooth(step.record) for step in program.steps):
        return None
    leaves = program.tensors()
    ours = program(leaves)
    y = ours[-1]
    theirs = [torch.tensor(x, requires_grad=x.dtype.kind == "f") for x in program.leaves]
    values = list(theirs)
    try:
        for record, operands, params in program.steps:
            function = _torch_functions()[record.name]
            values.append(as_one(torch, function(torch, *[values[i] for i in operands], **params)))
            if values[-1].shape != ours[len(values) - 1].shape and not all(ours[i].size for i in operands):
                return None  # transforms of nothing
            if len(values) < len(ours) and _parts(values[-1].numpy(force=True), ours[len(values) - 1].data):
                return None  # from here on they are two programs
    except (RuntimeError, TypeError, IndexError, ValueError) as error:
        return None if program.special or len(program.steps) > 1 else f"PyTorch refuses it: {error}"
    lenient = program.special or len(program.steps) > 1
    value = values[-1].numpy(force=True)
    if value.shape != y.shape and min(x.size for x in ours) <= 1:
        return None  # cumulative products of a number
    if found := differ(y.data, _but_for_nan(value, y.data) if lenient else value, 1e-9):
        return None if _is_decided_by_rounding(program) else f"value: {found}"
    if not (y.requires_grad and values[-1].requires_grad):
        return None
    poles = len(program.steps) > 1 and not all(np.isfinite(g.data).all() for g in _upstream(ours))
    asked = [x for x in theirs if x.requires_grad]
    try:
        nodes = torch.autograd.grad(values[-1], asked, torch.tensor(weights(y.shape)), allow_unused=True)
    except RuntimeError:
        return None  # of what is empty
    for x, one, other in zip(sought(leaves), tg.gradients(y, sought(leaves), weights(y.shape)), nodes, strict=True):
        slope = np.zeros(x.shape) if other is None else other.numpy(force=True)
        slope = _but_for_nan(slope, one.data) if lenient else slope
        found = differ(_but_for_nan(one.data, slope) if poles else one.data, slope, 1e-9)
        if found and not _is_decided_by_rounding(program):
            return f"gradient: {found}"
    return None


def _upstream(values: Sequence[tg.Tensor]) -> list[tg.Tensor]:
    """The cotangents of what is between the leaves and the result; of one that is infinite 0 · ∞ comes."""
    between = [y for y in sought(values[:-1]) if y.op]
    return tg.gradients(values[-1], between, weights(values[-1].shape))


def _is_decided_by_rounding(program: Program) -> bool:
    """Whether several steps, or LAPACK, give something else when what they read is off by rounding, as at a kink."""
    results = []
    may = len(program.steps) > 1 or _uses_lapack(program.steps[0].record)
    for seed in range(5 if may else 0):
        rng = np.random.default_rng(seed)

        def off(x: tg.Tensor, rng: Any = rng, ulps: float = 4.0 * (seed > 0)) -> tg.Tensor:
            return x * (1 + ulps * 2.0**-52 * rng.choice([-1.0, 1.0], x.shape)) if x.dtype.kind == "f" else x

        leaves = program.tensors()
        y = program(leaves, off)[-1]
        slopes = tg.gradients(y, sought(leaves), weights(y.shape)) if y.requires_grad else []
        results.append([y.data, *(g.data for g in slopes)])
    return any(differ(x, y, 1e-9) for other in results[1:] for x, y in zip(other, results[0], strict=True))


def _parts(theirs: Any, ours: Any) -> bool:
    """Whether there is NaN where we have a number, or a zero or NaN of the other sign."""
    if theirs.shape != ours.shape or ours.dtype.kind != "f":
        return False
    signs = ((ours == 0) | np.isnan(ours)) & (np.signbit(theirs) != np.signbit(ours))
    return bool((signs | (np.isnan(theirs) & ~np.isnan(ours))).any())


def _but_for_nan(theirs: Any, ours: Any) -> Any:
    """At corners, poles and infinities PyTorch often has NaN, and ours the limit."""
    return np.where(np.isnan(theirs), ours, theirs) if theirs.dtype.kind == "f" else theirs


@functools.cache
def _torch_functions() -> dict[str, Any]:
    return torch_functions()


def is_convention(opinion: Callable[[Program], str | None], program: Program) -> bool:
    """Whether some step is where this opinion differs by convention."""
    with np.errstate(all="ignore"):
        values = program([tg.Tensor(x) for x in program.leaves])
    for record, operands, _ in program.steps:
        given = [values[i].data for i in operands]
        for convention in CONVENTIONS:
            if convention.opinion == opinion.__name__ and {record.name, record.kind} & set(convention.kinds):
                if convention.where(*given):
                    return True
    return False


OPINIONS: tuple[Callable[[Program], str | None], ...] = (
    numbers_and_nodes,
    evaluated_anew,
    numpys_value,
    central_differences,
    single_precision,
    torchs,
    compiled,
)


def disagreement(opinion: Callable[[Program], str | None], program: Program) -> str | None:
    """What an opinion has to say against a program; an error that is none of ours is one too."""
    try:
        with np.errstate(all="ignore"):
            try:
                values = program([tg.Tensor(x) for x in program.leaves])
            except REFUSED:
                return None
            if not program.special and not all(np.isfinite(y.data).all() for y in values):
                return None
            return None if is_convention(opinion, program) else opinion(program)
    except np.linalg.LinAlgError:
        return None
    except Exception as error:
        return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"


# -- the smallest program that shows it ----------------------------------------------------------------------------


def shrunk(opinion: Callable[[Program], str | None], program: Program) -> Program:
    """A smaller program with which the opinion still disagrees; as small as simple steps lead."""
    deadline = time.monotonic() + 10
    kind = (disagreement(opinion, program) or "").partition(":")[0]
    smaller = True
    while smaller and time.monotonic() < deadline:
        smaller = False
        for candidate in _smaller(program):
            if (disagreement(opinion, candidate) or "?").partition(":")[0] == kind:
                program, smaller = candidate, True
                break
    return program


def _smaller(program: Program) -> Iterator[Program]:
    leaves, steps = program.leaves, program.steps
    for k in range(1, len(steps)):
        yield _used(program._replace(steps=steps[:k]))
    with np.errstate(all="ignore"):
        values = program([tg.Tensor(x) for x in leaves])
    for k in range(len(steps) - 1):  # a result becomes a leaf
        n = len(leaves)
        place = {i: i if i < n else n if i == n + k else i + (i < n + k) for i in range(n + len(steps))}
        rest = [Step(s.record, tuple(place[i] for i in s.operands), s.params) for j, s in enumerate(steps) if j != k]
        yield _used(program._replace(leaves=(*leaves, values[n + k].data.copy()), steps=tuple(rest)))
    whole = any(_is_private(step.record) for step in steps)
    for size in () if whole else sorted({n for x in leaves for n in x.shape if n > 1}):
        for axis in range(-1, -4, -1):
            for k in range(size):
                cut = tuple(_taken(x, axis, k, size) for x in leaves)
                if any(x is not y for x, y in zip(cut, leaves, strict=True)):
                    yield program._replace(leaves=cut)
    for i, x in enumerate(leaves):
        if x.dtype.kind == "f" and x.size < 20 and not whole:
            for at in np.ndindex(x.shape):
                for simple in (0.0, 1.0, float(np.round(x[at], 1))):
                    if not (x[at] == simple or x[at] in (0.0, 1.0)) and not np.isnan(x[at]):
                        changed = x.copy()
                        changed[at] = simple
                        yield program._replace(leaves=(*leaves[:i], changed, *leaves[i + 1 :]))


def _taken(x: Any, axis: int, k: int, size: int) -> Any:
    return np.take(x, [k], axis) if x.ndim >= -axis and x.shape[axis] == size else x


def _used(program: Program) -> Program:
    """Without the leaves and steps that the result does not need."""
    n = len(program.leaves)
    needed = {n + len(program.steps) - 1}
    for i in reversed(range(len(program.steps))):
        if n + i in needed:
            needed |= set(program.steps[i].operands)
    place = {old: new for new, old in enumerate(sorted(needed))}
    steps = [
        step._replace(operands=tuple(place[j] for j in step.operands))
        for i, step in enumerate(program.steps)
        if n + i in needed
    ]
    return program._replace(leaves=tuple(x for i, x in enumerate(program.leaves) if i in needed), steps=tuple(steps))


# -- by hand -------------------------------------------------------------------------------------------------------


def programs(seed: int) -> Iterator[tuple[int, Program]]:
    """Each function by itself in turn, then pairs and long ones, for ever. Each program has a seed of its own."""
    for round_ in itertools.count():
        for i in range(len(_table())):
            for j, (length, special, first) in enumerate(
                [(1, True, i), (1, False, i), (2, True, i), (2, False, i), (12, False, None), (40, False, None)]
            ):
                if length < 40 or i % 8 == 0:
                    number = seed + 6 * (round_ * len(_table()) + i) + j
                    yield number, random_program(np.random.default_rng(number), length, special, first)


def fuzz(seed: int, seconds: float, count: int | None = None, report: Callable[[str], None] = print) -> Counter[str]:
    """Try programs until the time is over, or `count` of them; what disagrees, by opinion and functions."""
    found: Counter[str] = Counter()
    tried = 0
    end = time.monotonic() + seconds
    for number, program in itertools.islice(programs(seed), count):
        if time.monotonic() > end:
            break
        if not program.steps:
            continue
        tried += 1
        for opinion in OPINIONS:
            if opinion is compiled and number % 3:
                continue  # it takes longer than all others together
            complaint = disagreement(opinion, program)
            if complaint is None:
                continue
            small = shrunk(opinion, program)
            key = f"{opinion.__name__}: {', '.join(small.names)}"
            found[key] += 1
            if found[key] == 1:
                report(f"{key} (seed {number})\n    {disagreement(opinion, small)}\n{small}\n")
            break  # what the others say will be the same
    report(
        f"{tried} programs, {sum(found.values())} disagreements of {len(found)} kinds;"
        f" PyTorch was {'asked' if torch else 'not there'}"
    )
    return found


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    warnings.simplefilter("ignore")  # of means of nothing, and the like
    found = fuzz(given.seed, given.seconds, report=lambda text: print(text, flush=True))
    for key, times in found.most_common():
        print(f"{times:6} {key}")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
