"""Values and derivatives of elementwise functions are exact on their whole domain, tails and ends included.

The exact ones are mpmath's, in so many digits that nothing cancels. A relative error of 1e-9 is allowed, and near a
root what rounding x itself brings about.
"""

from functools import partial
from itertools import zip_longest
from typing import NamedTuple

import numpy as np
import pytest
from mpmath import mp, mpf
from references import FURTHER, REFERENCES

import tinygraph as tg
from tinygraph.graph.records import APPLY, OPS, Composite, Op
from tinygraph.graph.samples import Sample
from tinygraph.testing import laws
from tinygraph.writing.numpy_source import expression, function

RECORDS = {
    record.name: record
    for record in laws.records()
    if record.kind == "elementwise" and (isinstance(record, Composite) or record.differentiable)
}
ROUNDED = {
    "tanh": (1, 4),
    "sigmoid": (1, 4),
    "log_loss_from_logits": (1, 4),
    "log_loss of sigmoid": (1, 4),
    "softplus": (2, 4),
    "log_sigmoid": (2, 4),
    "logaddexp": (2, 4),
    "logaddexp2": (2, 4),
    "silu": (2, 40),
    "mish": (2, 40),
    "gelu, tanh": (2, 4000),
}
"""Derivatives that are off by so many units of the rounding of 1, from an order on: they are made of the slopes
1 − y² of tanh and y (1 − y) of sigmoid, and of a − y, as textbooks write them. See docs/conventions.md."""

SIZES = [0.1, 0.3, 0.5, 0.7, 1.0, 1.3, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0, 25.0, 30.0, 40.0, 100.0, 300.0, 700.0, 745.0]
SIZES += [10.0**k for k in (3, 4, 8, 16, 20, 30, 38, 77, 103, 150, 154, 160, 200, 300, 308)]
SIZES += [10.0**-k for k in (2, 4, 8, 12, 16, 20, 30, 37, 77, 103, 150, 154, 160, 200, 300)]


def points(reference, rng, dtype, count):
    """Numbers of all sizes, on both sides of every end, and random ones."""
    with np.errstate(over="ignore"):
        ends = np.array(reference.ends, dtype)
        near = [end + d for end in reference.ends for d in (-1e-2, -1e-4, -1e-8, -1e-12, 1e-12, 1e-8, 1e-4, 1e-2)]
        near = [*near, *ends, *np.nextafter(ends, dtype(np.inf)), *np.nextafter(ends, dtype(-np.inf))]
        sizes = [
            *SIZES,
            np.finfo(dtype).tiny,
            *10.0 ** rng.uniform(-3, 3, count),
            *10.0 ** rng.uniform(-300, 300, count),
        ]
        x = np.unique(np.array([0.0, *sizes, *np.negative(sizes), *near], dtype))
    x = x[((x == 0) | (abs(x) >= np.finfo(dtype).tiny)) & np.isfinite(x)]
    low, high = reference.domain
    return x[(low <= x.astype(float)) & (x.astype(float) <= high)]


def exact(f, x, derivatives=(), order=2):
    """f(x) and its derivatives, by central differences in enough digits; None where there is none."""
    small = 350 if not x else max(-int(np.log10(abs(x))), 0)
    step = mpf(10) ** (-30 - small)
    try:
        with mp.workdps(30):
            large = max(mp.log10(abs(f(mpf(x))) + abs(x) + 1), 0)
        with mp.workdps(80 if derivatives else 340 + order * (30 + small) + int(min(large, 1400))):
            x = mpf(x)
            if derivatives:
                found = [d(x) for d in (f, *derivatives[:order])]
            else:
                y = {n: mpf(f(x + n * step)) for n in range(1 - order, order)}
                found = [y[0], (y[1] - y[-1]) / (2 * step), (y[1] - 2 * y[0] + y[-1]) / step**2]
                found += [(y[2] - 2 * y[1] + 2 * y[-1] - y[-2]) / (2 * step**3)] if order == 3 else []
                if abs(found[2] * step) > abs(found[1]) / 10**12:  # a kink or a jump, unless this is flat
                    step /= 10**6
                    curvature = (f(x + step) - 2 * y[0] + f(x - step)) / step**2
                    if abs(curvature - found[2]) > abs(curvature) / 10**6:
                        return None
    except (TypeError, ValueError, ZeroDivisionError):  # beyond the end of its domain
        return None
    return found if all(mp.isfinite(y) and not isinstance(y, mp.mpc) for y in found) else None


def functions(name, reference):
    """Each function of one input: how it is called, ours with the others as numbers and as tensors, and mpmath's."""
    record = RECORDS.get(name)
    apply = reference.apply or (record.apply if isinstance(record, Composite) else APPLY[name])
    for fixed in reference.fixed:
        others = fixed if isinstance(fixed, tuple) else (fixed,)
        for i in range(len(others) + 1 if name in RECORDS else 1):
            if isinstance(record, Op) and record.vjps[i] is None:
                continue

            def theirs(x, others=others, i=i):
                return reference.value(*map(number, others[:i]), x, *map(number, others[i:]), **reference.params)

            def ours(x, others=others, i=i):
                return apply(*others[:i], x, *others[i:], **reference.params)

            called = f"{name}({', '.join([*map(str, others[:i]), 'x', *map(str, others[i:])])})"
            yield called, [ours, partial(ours, others=tuple(map(tg.Tensor, others)))] if others else [ours], theirs


def number(x):
    return mpf(x) if isinstance(x, float) else x


def computed(f, x, order):
    """Orders and values of derivatives, each by numbers and by nodes."""
    ones = np.ones_like(x)
    with np.errstate(all="ignore"):
        leaf = tg.parameter(x)
        y = f(leaf)
        yield 0, y.data
        for n in range(1, order + 1):
            leaf.grad = None
            if y.requires_grad:
                y.backward(ones, retain_graph=True)
            yield n, np.zeros_like(x) if leaf.grad is None else leaf.grad
            y = tg.gradients(y, leaf, ones)
            yield n, y.data


class Wrong(NamedTuple):
    call: str
    order: int
    x: float
    ours: float
    exact: float
    error: float


def wrong(name, reference, rng, dtype=np.float64, count=20):
    """What is not as exact as it should be. In float32, values and first derivatives only."""
    x = points(reference, rng, dtype, count)
    eps = float(np.finfo(dtype).eps)
    derivative = name in RECORDS and not hasattr(tg, name)  # whose second is the third of what it is the first of
    since, units = ROUNDED.get(name, (3, 0))
    orders = 1 if derivative or dtype is np.float32 else 2
    for call, ours, theirs in functions(name, reference):
        known = [exact(theirs, float(at), reference.derivatives) for at in x]
        for order, values in (found for f in ours for found in computed(f, x, orders)):
            for at, value, right in zip(map(float, x), map(float, values), known, strict=True):
                if right is None or (order and at in reference.ends) or is_right(value, right[order], dtype):
                    continue
                rounding = units * eps if order >= since else 0
                if abs(right[order]) < 1 and (further := exact(theirs, at, reference.derivatives, 3)):
                    rounding += 4 * eps * abs(at * further[order + 1])
                if not is_right(value, right[order], dtype, rounding):
                    error = abs(value - right[order]) / abs(right[order]) if right[order] else mp.inf
                    yield Wrong(call, order, at, value, float(right[order]), float(error))


def is_right(value, right, dtype, rounding=0):
    """Whether a number is what it should be, in the range of numbers and beyond its ends."""
    tiny, largest = float(np.finfo(dtype).tiny), float(np.finfo(dtype).max)
    if abs(right) > largest / 2:
        return abs(value) >= largest / 2.1 and (value > 0) == (right > 0)
    return abs(value - right) <= (1e-9 if dtype is np.float64 else 1e-4) * abs(right) + rounding + tiny


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
@pytest.mark.parametrize("name", [*REFERENCES, *FURTHER])
def test_exact_on_the_whole_domain(name, dtype, rng):
    reference = (REFERENCES | FURTHER)[name]
    if dtype is np.float32:
        if "dtype" in reference.params:
            return
        narrow = [x for x in reference.fixed if all(np.float32(y) == y for y in np.atleast_1d(x))]
        reference = reference._replace(fixed=narrow)
    assert not list(wrong(name, reference, rng, dtype, 20 if dtype is np.float64 else 10))


def test_every_reference_is_of_an_elementwise_function():
    assert REFERENCES.keys() <= RECORDS.keys()  # a new op may come without a second opinion
    assert ROUNDED.keys() <= REFERENCES.keys() | FURTHER.keys()


# -- every reading computes the same ---------------------------------------------------------------------------------

GRID = [0.0, 1e-300, 1e-16, 0.3, 1 - 2.0**-53, 1.0, 2.5, 6.0, 40.0, 89.0, 745.0, 1000.0, 1e10, 1e200, 1e308, np.inf]
GRID = np.array([sign * x for x in GRID for sign in (1, -1)] + [np.nan])
LOSSES = ("log_loss", "log_loss_of_sigmoid", "complement_of_sigmoid", "logit_of_sigmoid")
READ = [op for op in OPS.values() if op.name in RECORDS or op.name in LOSSES]


def grid(op):
    """Special numbers in all combinations, for each input, and parameters."""
    sample = next((s for s in op.samples or () if isinstance(s, Sample)), Sample(()))
    if op.name in LOSSES:
        z, y = (x.ravel() for x in np.meshgrid(GRID, [0.0, 0.3, 1.0]))
        a = OPS["sigmoid"].run(z)
        inputs = {"log_loss": [a, y], "log_loss_of_sigmoid": [a, y, z]}.get(op.name, [a, z])
        return inputs, {"reduction": "none"} if op.params else {}
    domains = sample.domains if sample.shapes else op.samples or ()
    axes = [
        GRID > 0 if d and d.boolean else GRID[:: max(len(op.vjps) - 1, 1)] for _, d in zip_longest(op.vjps, domains)
    ]
    inputs = [x.ravel() for x in np.meshgrid(*axes[: len(op.vjps)])]
    return [
        x if d is None or not d.computed else OPS[d.computed].run(*inputs[:i])
        for i, (x, d) in enumerate(zip_longest(inputs, domains))
    ], dict(sample.params)


def written(node, names):
    """What the NumPy source of a node gives."""
    variables = {name: x.data for x, name in names.items()}
    source = expression(node, names)
    exec(function("f", [], [("x", source)], []), variables)  # for the helpers
    return eval(source, variables)


def differing(value, expected, units=0):
    """Where two arrays are not the same but for rounding."""
    value, expected = np.broadcast_arrays(np.asarray(value, float), np.asarray(expected, float))
    slack = 1e-12 * abs(expected) + float(np.finfo(float).tiny) + units * float(np.finfo(float).eps)
    same = (abs(value - expected) <= slack) | (value == expected) | (np.isnan(value) & np.isnan(expected))
    return np.flatnonzero(~same)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("op", READ, ids=lambda op: op.name)
def test_source_programs_and_graphs_give_what_running_gives(op):
    inputs, params = grid(op)
    units = 1 if op.name == "sigmoid" else 0  # of the slope, where y is rounded otherwise

    def f(*xs):
        return APPLY[op.name](*xs, **params)

    leaves = [tg.Tensor(x, requires_grad=x.dtype.kind == "f") for x in inputs]
    names = dict(zip(leaves, "abcd", strict=False))
    y = f(*leaves)
    for value in (written(y, names), tg.compile(f)(*inputs), op.forward(tg.ops, *leaves, **params).data):
        assert not [tuple(x[i] for x in inputs) for i in differing(value, y.data)]
    if op.aside:
        return
    y.backward(np.ones(y.shape), retain_graph=True)
    for i, rule in enumerate(op.vjps):
        if rule is not None:
            dx = tg.gradients(y, leaves[i], np.ones(y.shape))
            compiled = tg.compile(tg.grad(lambda *xs: tg.sum(f(*xs)), argnums=i))(*inputs)
            for value in (dx.data, written(dx, names), compiled):
                assert not [tuple(x[k] for x in inputs) for k in differing(value, leaves[i].grad, units)]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("op", [op for op in READ if len(op.vjps) == 1], ids=lambda op: op.name)
def test_derived_source_gives_what_running_gives(op):
    _, params = grid(op)
    x = tg.parameter(GRID[np.isfinite(GRID)], name="x")
    J = tg.sum(APPLY[op.name](x, **params))
    J.backward(retain_graph=True)
    variables = {}
    exec(tg.derive(J).source, variables)
    found = variables["equations"](x.data)["dx"]
    assert not [x.data[i] for i in differing(found, x.grad, 1 if op.name == "sigmoid" else 0)]
