"""At ±∞, ±0, ties and ends a gradient is the limit of the gradients nearby, or a convention of the documentation."""

import itertools
import re
from functools import reduce
from pathlib import Path

import numpy as np
import pytest

import tinygraph as tg
from tinygraph.graph.records import FUNCTIONS, Op
from tinygraph.testing import laws

PLACES = {
    "+inf": lambda x, i: put(x, i, np.inf),
    "-inf": lambda x, i: put(x, i, -np.inf),
    "all +inf": lambda x, i: np.full_like(x, np.inf),
    "all -inf": lambda x, i: np.full_like(x, -np.inf),
    "0": lambda x, i: put(x, i, 0.0),
    "-0": lambda x, i: put(x, i, -0.0),
    "all 0": lambda x, i: np.zeros_like(x),
    "two 0": lambda x, i: put(put(x, i, 0.0), (i + 1) % x.size, 0.0),
    "tie": lambda x, i: put(x, i, x.flat[(i + 1) % x.size]),
    "1": lambda x, i: put(x, i, 1.0),
    "-1": lambda x, i: put(x, i, -1.0),
}
"""What becomes of an array of ordinary numbers, at its i-th element or everywhere."""

FAR = (1e64, 1e32, 1e16, 1e8, 1e4, 1e3, 300.0, 100.0, 30.0, 10.0)
NEAR = (1e14, 1e13, 1e11, 1e9, 1e7, 1e5, 1e3)
DIRECTIONS = ((1.0, 1.0), (2.0, 1.0), (-1.0, -1.0), (1.0, -2.0))


def put(x, i, value):
    y = x.copy()
    y.flat[i] = value
    return y


def gradient(record, inputs, params):
    """The value and, flat, the gradient of a weighted sum of what a function gives."""
    xs = [tg.Tensor(x, requires_grad=x.dtype.kind == "f") for x in inputs]
    y = laws.applied(record, laws.consistent(record, xs), params)
    if not y.requires_grad:
        return None
    sought = [x for x in xs if x.requires_grad]
    dy = np.cos(np.arange(float(y.size))).reshape(y.shape)
    return y.data, np.concatenate([np.ravel(dx.data) for dx in tg.gradients(y, sought, dy)])


def path(point, ordinary, direction, distance):
    """A point near `point`: large numbers for infinite ones, and steps away from what is special in it."""
    steps = np.resize(np.abs(direction), point.shape), np.resize(direction, point.shape)
    moved = np.where(point != ordinary, point + steps[1] / distance, point)
    return np.where(np.isinf(point), np.copysign(distance, point) * steps[0], moved)


def tendency(far, before):
    """Where numbers tend to that are `far` at a point far out, and were `before`; NaN where they do not settle."""
    close = np.abs(far - before) <= 1e-4 * (1 + np.abs(far))
    growing = np.isinf(far) | ((np.abs(far) > 1e3) & (np.abs(far) > 2 * np.abs(before)) & (far * before > 0))
    return np.where(close, far, np.where(growing, np.copysign(np.inf, far), np.nan))


def along_a_way(record, inputs, params, points):
    """Where the gradients on the way to a point tend to, by the last two that are numbers; else None."""
    found = []
    for x in points:
        try:
            value, slope = gradient(record, x, params)
        except (ValueError, ArithmeticError, np.linalg.LinAlgError):
            continue
        if np.isfinite(value).all() and not np.isnan(slope).any():
            found.append(slope)
            if len(found) == 2:
                return tendency(*found)
    return None


def limit(record, inputs, place, special, params):
    """The limit of the gradients along all ways to a point, by element; NaN where there is none."""
    limits = []
    for direction in DIRECTIONS:
        points = [
            [path(special, x, direction, distance) if i == place else x for i, x in enumerate(inputs)]
            for distance in (FAR if np.isinf(special).any() else NEAR)
        ]
        if (found := along_a_way(record, inputs, params, points)) is None:
            return None
        limits.append(found)
    same = [np.isclose(limits[0], other, rtol=1e-3, atol=1e-3) | (limits[0] == other) for other in limits]
    return np.where(np.all(same, axis=0), limits[0], np.nan)


def cases():
    """The public functions that have a gradient, each on its first two small samples."""
    for record in laws.records():
        if record.name not in FUNCTIONS or (isinstance(record, Op) and not record.differentiable):
            continue
        found = [
            (inputs, params)
            for inputs, params in laws.samples(record)
            if (record.kind != "elementwise" or len({x.shape for x in inputs}) == 1)
            and all(x.size <= 12 for x in inputs)
            and any(x.size and x.dtype.kind == "f" for x in inputs)
        ]
        if found:
            yield pytest.param(record, found[:2], id=record.name)


def places_of(record, inputs):
    """The special points of a function: the input that is moved there, the name of the place, and the point."""
    for place, x in enumerate(inputs):
        for name, change in PLACES.items() if x.dtype.kind == "f" and x.size else ():
            # The laws try most elementwise ops at infinity, number by number; these two are sums of two powers.
            if "inf" not in name or record.kind != "elementwise" or record.name in ("logaddexp", "logaddexp2"):
                yield place, name, change(x, 0)


def off_their_limits(record, found):
    """Where the gradient is not its limit though there is one, and how many places have been tried and have one."""
    wrong, tried, known = set(), 0, 0
    with np.errstate(all="ignore"):
        for inputs, params in found:
            for place, name, special in places_of(record, inputs):
                given = [special if i == place else x for i, x in enumerate(inputs)]
                try:
                    at_point = gradient(record, given, params)
                except (ValueError, ArithmeticError, np.linalg.LinAlgError):
                    continue
                tried += 1
                if at_point is None or np.isnan(at_point[0]).any():  # where the function is NaN, so may be its gradient
                    continue
                expected = limit(record, inputs, place, special, params)
                if expected is None or np.isnan(expected).all():
                    continue
                known += 1
                slope = at_point[1]
                right = np.isclose(slope, expected, rtol=1e-3, atol=1e-3) | (slope == expected) | np.isnan(expected)
                if not right.all():
                    wrong.add("inf" if "inf" in name else name)
    return wrong, tried, known


PAGE = (Path(__file__).parents[2] / "docs" / "conventions.md").read_text(encoding="utf-8")
(SECTION,) = re.findall(r"^## Where a gradient is not the limit\n(.*?)^## ", PAGE, re.MULTILINE | re.DOTALL)
EXCEPTIONS = {
    name: set(places.split(", "))
    for names, places in re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| ([^|]+?) \| ", SECTION, re.MULTILINE)
    for name in re.findall(r"\w+", names)
}
"""The functions that the page lists, and where their gradients are not the limit."""

BY_ROUNDING = {"eigh": {"all 0"}, "svd": {"all 0"}}
"""The exceptions where rounding, which differs between LAPACKs, decides whether nearby gradients have a limit."""


@pytest.mark.parametrize(("record", "found"), list(cases()))
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_gradient_is_the_limit_of_those_nearby(record, found):
    wrong, _, _ = off_their_limits(record, found)
    if record.name in BY_ROUNDING:
        wrong |= BY_ROUNDING[record.name]
    assert wrong == EXCEPTIONS.get(record.name, set())


# -- programs with forbidden ways ------------------------------------------------------------------------------------


def forward_algorithm(start, steps, emitted):
    """log P of what a hidden Markov model emits, from the logarithms of its probabilities; emitted is (time, state)."""
    alpha = start + emitted[0]
    for t in range(1, emitted.shape[0]):
        alpha = tg.logsumexp(tg.reshape(alpha, (-1, 1)) + steps, axis=0) + emitted[t]
    return tg.logsumexp(alpha)


def forward_algorithm_in_pairs(start, steps, emitted):
    """The same by logaddexp."""
    alpha = start + emitted[0]
    for t in range(1, emitted.shape[0]):
        ways = tg.reshape(alpha, (-1, 1)) + steps
        alpha = reduce(tg.logaddexp, [ways[i] for i in range(len(ways))]) + emitted[t]
    return tg.logcumsumexp(alpha, axis=0)[-1]


def all_paths(start, steps, emitted):
    """log P, and how often each number takes part in a path on average, with the covariance of that."""
    shapes = [x.shape for x in (start, steps, emitted)]
    weights, counts = [], []
    for path in itertools.product(range(len(start)), repeat=len(emitted)):
        used = [np.zeros(shape) for shape in shapes]
        used[0][path[0]] = 1
        for one, two in itertools.pairwise(path):
            used[1][one, two] += 1
        for t, state in enumerate(path):
            used[2][t, state] = 1
        flat = np.concatenate([x.ravel() for x in used])
        given = np.concatenate([x.ravel() for x in (start, steps, emitted)])
        weights.append(np.exp(np.sum(given[flat > 0] * flat[flat > 0])))
        counts.append(flat)
    weights, counts = np.array(weights), np.array(counts)
    mean = weights @ counts / weights.sum()
    return np.log(weights.sum()), mean, (weights * counts.T) @ counts / weights.sum() - np.outer(mean, mean)


def left_to_right(rng):
    """A model that starts in its first state, goes on by one or stays, and does not emit everything everywhere."""
    start = np.array([-0.3, -np.inf, -np.inf])
    steps = np.where(np.triu(np.ones((3, 3))) - np.triu(np.ones((3, 3)), 2), rng.normal(size=(3, 3)), -np.inf)
    emitted = rng.normal(size=(4, 3))
    emitted[1, 1] = -np.inf
    return start, steps, emitted


@pytest.mark.parametrize("forward", [forward_algorithm, forward_algorithm_in_pairs])
def test_a_hidden_markov_model_with_forbidden_steps(forward, rng):
    """Value, gradient and Hessian are those over all paths, also in compiled programs."""
    given = left_to_right(rng)
    value, mean, covariance = all_paths(*given)
    flat = np.concatenate([x.ravel() for x in given])

    def of_all(x):
        return forward(x[:3], tg.reshape(x[3:12], (3, 3)), tg.reshape(x[12:], (4, 3)))

    for run in (lambda f: f, tg.compile):
        np.testing.assert_allclose(run(of_all)(flat if run is tg.compile else tg.Tensor(flat)).item(), value)
        np.testing.assert_allclose(run(tg.grad(of_all))(flat), mean, atol=1e-12)
        np.testing.assert_allclose(run(tg.hessian(of_all))(flat), covariance, atol=1e-12)


def ctc(logits, labels):
    """−log P of labels, with blanks (class 0) between, before and after them (Graves et al. 2006)."""
    log_p = tg.log_softmax(logits, axis=1)
    extended = [0, *itertools.chain(*((label, 0) for label in labels))]
    skips = np.array([i > 1 and e != 0 and e != extended[i - 2] for i, e in enumerate(extended)])
    first = np.arange(len(extended)) < 2
    alpha = tg.where(first, log_p[0][extended], -np.inf)
    for t in range(1, logits.shape[0]):
        one = tg.concat([[-np.inf], alpha[:-1]])
        two = tg.where(skips, tg.concat([[-np.inf, -np.inf], alpha[:-2]]), -np.inf)
        alpha = tg.logaddexp(tg.logaddexp(alpha, one), two) + log_p[t][extended]
    return -tg.logaddexp(alpha[-1], alpha[-2])


def collapsed(path):
    return [label for label, _ in itertools.groupby(path) if label]


@pytest.mark.parametrize("labels", [[1, 2], [1, 1], [2]])
def test_the_ctc_loss_with_forbidden_ways(labels, rng):
    """Value, gradient and Hessian are those over all alignments, also in compiled programs."""
    logits = rng.normal(size=(4, 3))

    def over_all_alignments(logits):
        log_p = tg.log_softmax(logits, axis=1)
        paths = [p for p in itertools.product(range(3), repeat=4) if collapsed(p) == labels]
        return -tg.logsumexp(tg.stack([tg.sum(log_p[np.arange(4), np.array(p)]) for p in paths]))

    def loss(logits):
        return ctc(logits, labels)

    for run in (lambda f: f, tg.compile):
        for of in (tg.grad, tg.hessian):
            np.testing.assert_allclose(run(of(loss))(logits), of(over_all_alignments)(logits), atol=1e-12)


def test_what_is_impossible_has_a_finite_gradient():
    """A state that cannot be reached is −∞ whatever leads to it: its gradient is met by 0, and no NaN."""
    x = tg.parameter([-np.inf, -np.inf, 1.0])
    tg.logsumexp(tg.stack([tg.logsumexp(x[:2]), x[2]])).backward()
    assert x.grad.tolist() == [0.0, 0.0, 1.0]
