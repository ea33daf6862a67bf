"""Elementwise functions as mpmath computes them, by the names of ours."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from mpmath import mp, mpf

import tinygraph as tg
from tinygraph import ops

LARGEST = float(np.finfo(float).max)


class Reference(NamedTuple):
    """What a function is, for mpmath's numbers."""

    value: Callable[..., Any]
    ends: Sequence[float] = ()
    """Poles, branches and ends of its domain."""
    fixed: Sequence[Any] = ((),)
    """Values of the other inputs: a function of several inputs is looked at as one of each."""
    derivatives: Sequence[Callable[..., Any]] = ()
    """Its derivatives, where mpmath is slow to differentiate it."""
    params: Mapping[str, Any] = {}
    domain: tuple[float, float] = (-LARGEST, LARGEST)
    """Where it is looked at."""
    apply: Callable[..., Any] | None = None
    """The function itself, where it is not the one of the op table."""


def exp(x):
    """e^x, cut off where mpmath would take long."""
    return mp.exp(max(x, mpf(-(10**5))))


def logistic(x):
    return 1 / (1 + exp(-x))


def softplus(x):
    return max(x, mpf(0)) + mp.log1p(exp(-abs(x)))


def logaddexp(x, y):
    return max(x, y) + mp.log1p(exp(-abs(x - y)))


def logaddexp2(x, y):
    return logaddexp(x * mp.log(2), y * mp.log(2)) / mp.log(2)


def density(x):
    return exp(-(x**2) / 2) / mp.sqrt(2 * mp.pi)


def ndtr(x):
    return mp.ncdf(x) if abs(x) < 1000 else mpf(x > 0)


def bump(x):
    """The derivative of erf."""
    return 2 / mp.sqrt(mp.pi) * exp(-(x**2))


def sinc(x):
    return mp.sin(mp.pi * x) / (mp.pi * x) if x else mpf(1)


def whole(x):
    return mp.sign(x) * mp.floor(abs(x))


def quotient(x, y, rounded):
    """The quotient, rounded, unless it jumps at the next number already."""
    return rounded(x / y) if abs(x / y) < 10**15 else mp.nan


def power(x, y):
    return mp.power(x, y) if x > 0 else mpf(0) if x == 0 and y > 0 else mp.nan if y != int(y) else x ** int(y)


def xlogy(x, y):
    return x * mp.log(y) if y > 0 else mp.nan


def relative_entropy(p, q):
    return p * mp.log(p / q) if p > 0 and q > 0 else mp.nan


def huber(x, delta):
    return x**2 / 2 if abs(x) <= delta else delta * (abs(x) - mpf(delta) / 2)


def each(loss):
    """A loss of each element, for one target."""
    return lambda x, y: loss(x, np.full_like(x.data, getattr(y, "data", y)), reduction="none")


def log_loss(a, y):
    return -(y * mp.log(a) if y else 0) - ((1 - y) * mp.log(1 - a) if y < 1 else 0)


def log_loss_of_logit(z, y):
    return y * softplus(-z) + (1 - y) * softplus(z)


def clipped(x, low, high):
    return min(max(x, mpf(low)), mpf(high))


def elu(x, alpha):
    return x if x > 0 else alpha * (exp(x) - 1)


LAMBDA, ALPHA = 1.0507009873554805, 1.6732632423543772  # of selu
SQUARE = mpf(0.044715)
OTHERS = (-40.0, -1.0, -1e-200, 1e-300, 0.3, 2.5, 1e160)
NEAR_ONE = (1.0, -1.0)
POSITIVE = (1e-200, 0.3, 2.5, 1e160)
STEPS = (-2.5, -1.5, -1.0, -0.5, 0.5, 1.0, 1.5, 2.5)


def gelu_tanh(x):
    return x * logistic(2 * mp.sqrt(2 / mp.pi) * (x + SQUARE * x**3))


GELU = (
    lambda x: x * ndtr(x),
    lambda x: ndtr(x) + x * density(x),
    lambda x: density(x) * (2 - x**2),
    lambda x: density(x) * (x**3 - 4 * x),
)
NORMAL = (density, lambda x: -x * density(x), lambda x: (x**2 - 1) * density(x))
ERF = (bump, lambda x: -2 * x * bump(x), lambda x: (4 * x**2 - 2) * bump(x))


def polygammas(first):
    return [lambda x, n=n: mp.polygamma(n, x) for n in range(first, first + 3)]


GAMMA = (-50.0, LARGEST)  # far below 0 mpmath takes minutes


REFERENCES = {
    # arithmetic
    "add": Reference(lambda x, y: x + y, fixed=OTHERS),
    "subtract": Reference(lambda x, y: x - y, fixed=OTHERS),
    "difference": Reference(lambda x, y: x - y, fixed=OTHERS),
    "multiply": Reference(lambda x, y: x * y, fixed=OTHERS),
    "divide": Reference(lambda x, y: x / y, fixed=OTHERS),
    "quotient": Reference(lambda x, y: x / y, fixed=OTHERS),
    "ratio": Reference(lambda x, y: x / y, fixed=OTHERS),
    "reciprocal": Reference(lambda x: 1 / x),
    "negative": Reference(lambda x: -x),
    "remainder": Reference(lambda x, y: x - quotient(x, y, mp.floor) * y, STEPS, (0.3, -2.5, 1e160)),
    "fmod": Reference(lambda x, y: x - quotient(x, y, whole) * y, STEPS, (0.3, -2.5, 1e160)),
    "floor_divide": Reference(lambda x, y: quotient(x, y, mp.floor), STEPS, (0.3, -2.5, 1e160)),
    "divmod": Reference(
        lambda x, y: x - quotient(x, y, mp.floor) * y, STEPS, (0.3,), apply=lambda x, y: tg.divmod(x, y)[1]
    ),
    "square": Reference(lambda x: x**2),
    "sqrt": Reference(mp.sqrt),
    "cbrt": Reference(lambda x: mp.sign(x) * mp.cbrt(abs(x)), (0.0,)),
    "pow": Reference(power, (1.0,), (-1.5, -0.003, 1e-300, 0.3, 1.6, 2.0, 3.0, 1e10 + 1)),
    "scaled_power": Reference(
        lambda c, x, y: c * power(x, y), fixed=((-0.003, 0.3), (0.5, -1.25), (1e-300, -2.0), (-2.5, 3.0))
    ),
    "hypot": Reference(lambda x, y: mp.sqrt(x**2 + y**2), fixed=OTHERS),
    "direction": Reference(
        lambda x, y: x / mp.sqrt(x**2 + y**2), fixed=OTHERS, apply=lambda x, y: ops.direction(x, y, tg.hypot(x, y))
    ),
    "abs": Reference(abs),
    "sign": Reference(mp.sign, (0.0,)),
    "copysign": Reference(lambda x, y: abs(x) if y >= 0 else -abs(x), (0.0,), (-2.0, 3.0)),
    "without_zero": Reference(lambda x: x if x else mp.inf),
    "finite": Reference(lambda x, largest: x if abs(x) <= largest else mp.nan, params={"largest": 3.0}),
    "astype": Reference(lambda x, dtype: x, params={"dtype": np.float64}),
    # rounding
    "floor": Reference(mp.floor, STEPS),
    "ceil": Reference(mp.ceil, STEPS),
    "trunc": Reference(whole, STEPS),
    "rint": Reference(mp.nint, STEPS),
    "round": Reference(mp.nint, STEPS),
    "fractional": Reference(lambda x: x - whole(x), STEPS),
    "modf": Reference(lambda x: x - whole(x), STEPS, apply=lambda x: tg.modf(x)[0]),
    "heaviside": Reference(lambda x, y: mpf(x > 0), (0.0,), (0.3, -2.0)),
    # choices
    "maximum": Reference(max, OTHERS, OTHERS),
    "minimum": Reference(min, OTHERS, OTHERS),
    "fmax": Reference(max, OTHERS, OTHERS),
    "fmin": Reference(min, OTHERS, OTHERS),
    "at_least": Reference(max, OTHERS, OTHERS),
    "at_most": Reference(min, OTHERS, OTHERS),
    "where": Reference(lambda c, x, y: x if c else y, fixed=((True, 2.0), (False, 2.0))),
    "clip": Reference(lambda x: clipped(x, -0.5, 2), (-0.5, 2.0), params={"min": -0.5, "max": 2.0}),
    "nan_to_num": Reference(lambda x: x),
    "deg2rad": Reference(lambda x: x * mpf(math.pi / 180)),
    "rad2deg": Reference(lambda x: x * mpf(180 / math.pi)),
    # exponentials and logarithms
    "exp": Reference(exp),
    "expm1": Reference(lambda x: exp(x) - 1),
    "exp2": Reference(lambda x: exp(x * mp.log(2))),
    "log": Reference(mp.log),
    "log1p": Reference(mp.log1p, (-1.0,)),
    "log2": Reference(lambda x: mp.log(x) / mp.log(2), (1.0,)),
    "log10": Reference(mp.log10, (1.0,)),
    "logaddexp": Reference(logaddexp, fixed=(-40.0, 0.3, 700.0, 1e10)),
    "logaddexp2": Reference(logaddexp2, fixed=(-40.0, 0.3, 700.0)),
    "xlogy": Reference(xlogy, fixed=OTHERS),
    # trigonometric functions
    "sin": Reference(mp.sin),
    "cos": Reference(mp.cos),
    "tan": Reference(mp.tan, (math.pi / 2, -math.pi / 2)),
    "asin": Reference(mp.asin, NEAR_ONE),
    "acos": Reference(mp.acos, NEAR_ONE),
    "atan": Reference(mp.atan),
    "atan2": Reference(mp.atan2, fixed=OTHERS),
    "inversion": Reference(
        lambda x, y: x / (x**2 + y**2),
        [*OTHERS, *(-y for y in OTHERS)],
        OTHERS,
        apply=lambda x, y: ops.inversion(x, y, tg.hypot(x, y)),
    ),
    "one_minus_square": Reference(lambda x: 1 - x**2, NEAR_ONE),
    "root_of_one_plus_square": Reference(lambda x: mp.sqrt(1 + x**2)),
    "root_of_square_minus_one": Reference(lambda x: mp.sqrt(x**2 - 1) if x >= 1 else mp.nan, (1.0,)),
    "per_one_plus_square": Reference(lambda x, r: x / (1 + r**2), fixed=(0.3, -2.5)),
    "gaussian": Reference(lambda x: exp(-(x**2))),
    "per_square": Reference(lambda x, r: x / r**2, fixed=OTHERS),
    "sinc": Reference(sinc, (1.0, 2.0), domain=(-5e307, 5e307)),
    "sinc_derivative": Reference(
        lambda x, order: (mp.cos(mp.pi * x) - sinc(x)) / x if x else mpf(0), (1.0, 2.0), params={"order": 1}
    ),
    # hyperbolic functions
    "cosh": Reference(lambda x: (exp(x) + exp(-x)) / 2),
    "sinh": Reference(lambda x: (exp(x) - exp(-x)) / 2),
    "tanh": Reference(lambda x: 2 * logistic(2 * x) - 1),
    "asinh": Reference(mp.asinh),
    "acosh": Reference(mp.acosh, (1.0,)),
    "atanh": Reference(mp.atanh, NEAR_ONE),
    # special functions
    "erf": Reference(lambda x: mp.erf(x) if abs(x) < 1000 else mp.sign(x), derivatives=ERF),
    "erfc": Reference(
        lambda x: mp.erfc(x) if abs(x) < 1000 else 1 - mp.sign(x), derivatives=[lambda x, f=f: -f(x) for f in ERF]
    ),
    "normal_density": Reference(density, derivatives=NORMAL[1:]),
    "ndtr": Reference(ndtr, derivatives=NORMAL),
    "gammaln": Reference(lambda x: mp.loggamma(x).real, (1.0, 2.0), derivatives=polygammas(0), domain=GAMMA),
    "digamma": Reference(mp.digamma, (1.4616321449683623,), derivatives=polygammas(1), domain=GAMMA),
    "digamma_derivative": Reference(
        lambda x, order: mp.polygamma(order, x), derivatives=polygammas(2), params={"order": 1}, domain=GAMMA
    ),
    # activations
    "sigmoid": Reference(logistic),
    "relu": Reference(lambda x: max(x, mpf(0))),
    "leaky_relu": Reference(
        lambda x, negative_slope: x if x > 0 else negative_slope * x, params={"negative_slope": 0.01}
    ),
    "hardtanh": Reference(lambda x: clipped(x, -1, 1), (-1.0, 1.0)),
    "relu6": Reference(lambda x: clipped(x, 0, 6), (6.0,)),
    "hardsigmoid": Reference(lambda x: clipped(x + 3, 0, 6) / 6, (-3.0, 3.0)),
    "hardswish": Reference(lambda x: x * clipped(x + 3, 0, 6) / 6, (-3.0, 3.0)),
    "elu": Reference(elu, (0.0,), params={"alpha": 0.5}),
    "celu": Reference(lambda x, alpha: elu(x / alpha, alpha) if x < 0 else x, (0.0,), params={"alpha": 0.5}),
    "selu": Reference(lambda x: LAMBDA * elu(x, ALPHA), (0.0,)),
    "gelu": Reference(GELU[0], (-0.7517915,), derivatives=GELU[1:]),
    "gelu_tanh": Reference(gelu_tanh, domain=(-1e20, 1e20)),
    "silu": Reference(lambda x: x * logistic(x)),
    "mish": Reference(lambda x: x * (2 * logistic(2 * softplus(x)) - 1)),
    "softsign": Reference(lambda x: x / (1 + abs(x))),
    "softplus": Reference(softplus),
    "log_sigmoid": Reference(lambda x: -softplus(-x)),
    "logit": Reference(lambda x: mp.log(x / (1 - x)), (0.25, 0.5, 0.75, 1.0)),
    # polynomials
    "polyval": Reference(
        lambda x: (2 * x - 3) * x + 1, domain=(-1e15, 1e15), apply=lambda x: tg.polyval([2.0, -3.0, 1.0], x)
    ),
    "vander": Reference(lambda x: x**2, apply=lambda x: tg.vander(x, 3)[:, 0]),
    # losses
    "relative_entropy": Reference(relative_entropy, POSITIVE, POSITIVE),
    "huber": Reference(huber, (0.7, -0.7), params={"delta": 0.7}),
}
FURTHER = {
    "gelu, tanh": Reference(gelu_tanh, domain=(-1e20, 1e20), apply=lambda x: tg.gelu(x, "tanh")),
    "log_loss": Reference(log_loss, (1.0,), (0.0, 0.3, 1.0), apply=each(tg.log_loss), domain=(0.0, 1.0)),
    "log_loss_from_logits": Reference(log_loss_of_logit, fixed=(0.0, 0.3, 1.0), apply=each(tg.log_loss_from_logits)),
    "log_loss of sigmoid": Reference(
        log_loss_of_logit, fixed=(0.0, 0.3, 1.0), apply=lambda z, y: each(tg.log_loss)(tg.sigmoid(z), y)
    ),
    "mse": Reference(lambda x, y: (x - y) ** 2, (2.5,), (2.5,), apply=each(tg.mse)),
    "mae": Reference(lambda x, y: abs(x - y), (2.5,), (2.5,), apply=each(tg.mae)),
    "hinge": Reference(lambda x, y: max(1 - y * x, mpf(0)), (1.0,), (1.0,), apply=each(tg.hinge)),
    "huber loss": Reference(lambda x, y: huber(x - y, 1.0), (2.5, 1.5, 3.5), (2.5,), apply=each(tg.huber)),
    "smooth_l1": Reference(lambda x, y: huber(x - y, 1.0), (2.5, 1.5, 3.5), (2.5,), apply=each(tg.smooth_l1)),
}
"""Functions of one input of what is not in the table of elementwise ops: losses of each element, by the prediction."""
