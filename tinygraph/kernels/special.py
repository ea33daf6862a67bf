"""Functions of one number that NumPy lacks."""

from typing import Any

import numpy as np


def sigmoid(x: Any) -> Any:
    """Return σ(x) = e^x / (1 + e^x). e^x is cut off before it overflows, where σ(x) rounds to 1."""
    e = np.exp(np.minimum(x, 11.0 if np.asarray(x).dtype == np.float16 else 80.0))
    d = 1.0 + e
    return np.divide(e, d, out=d if np.ndim(d) else None)


def per_square(x: Any, r: Any) -> Any:
    """Return x/r² without overflow on the way, with 0 where r is 0 or infinite."""
    none = (r == 0) | (r == np.inf)
    r = np.where(none, 1.0, r)
    return np.where(none, 0.0, x) / r / r


def xlogy(x: Any, y: Any) -> Any:
    """x log y, and 0 where x is 0, unless y is NaN."""
    return x * np.log(np.where((x == 0) & (y == y), 1, y), dtype=np.result_type(x, y, np.float16))


def scaled_power(c: Any, x: Any, y: Any) -> Any:
    """Return c x^y, even where x^y alone is out of the range of numbers, with 0 where c is 0."""
    dtype = np.result_type(c, x, y)
    x = np.where(c == 0, 1.0, x)
    power = np.power(x, y)
    result = (c * power).astype(dtype, copy=False)
    size, tiny = np.abs(power), np.finfo(power.dtype).tiny
    if ((size >= tiny) & (size < np.inf)).all():
        return result
    out = ((size < tiny) | (size == np.inf)) & (x != 0) & np.isfinite(x) & np.isfinite(y)
    half = np.abs(np.where(out, x, 1.0)) ** (0.5 * y)
    return np.where(out, np.copysign(1.0, power) * (c * half * half), result).astype(dtype)[()]


def finite(x: Any, largest: Any = 1.7976931348623157e308) -> Any:
    """Return x, limited to the range from −largest to largest, and to finite numbers if it is floating."""
    largest = min(largest, float(np.finfo(x.dtype).max)) if x.dtype.kind == "f" else largest
    return np.minimum(np.maximum(x, -largest), largest)


def without_zero(x: Any) -> Any:
    """Return x with infinity for 0."""
    return np.where(x == 0, np.inf, x)[()]


def direction(x: Any, y: Any, r: Any) -> Any:
    """Return x / r for r = √(x² + y²), with 0 where r is 0, and ±1 where x is infinite."""
    if not np.count_nonzero(np.isinf(r)):  # faster than any()
        return x / without_zero(r)
    infinite = np.isinf(x)
    return np.where(infinite, np.sign(x), np.where(infinite, 0, x) / without_zero(r)).astype(np.result_type(x, r))[()]


def fractional(x: Any) -> Any:
    """Return the fractional part of x, with its sign."""
    return np.modf(x)[0]


def erfc(x: Any) -> Any:
    """Return 1 − erf x, which is e^−x² P(|x|) / Q(|x|) for x ≥ 0, and 2 − erfc(−x) for x < 0.

    P and Q are the best polynomials of their degree for e^x² erfc x, up to where erfc x is 0. The result is off by some
    units in the last place; where it is small, by as much as the rounding of x changes it. It is computed in blocks
    that stay in the cache.
    """
    dtype = np.result_type(x, np.float16)
    working = np.float64 if dtype == np.float64 else np.float32
    if working == np.float64:
        P = [1.0, 2.1309109882248456, 2.2500835840189874, 1.5078660147580498, 0.6988555314359731]
        P += [0.23106504812297524, 0.054409177624244215, 0.008808096228327338, 0.0008927239607883914]
        P += [4.3403461112979584e-05]
        Q = [1.0, 3.2592901553204157, 4.9277986947997805, 4.56125402438825, 2.8696909271672144, 1.2861167747642483]
        Q += [0.41731964787465087, 0.09722891214978191, 0.015650409401965396, 0.0015823120219839247]
        Q += [7.693063179311718e-05]
    else:
        P = [0.9999999918135363, 1.2249187185152082, 0.7168178481231753, 0.22190416558493756, 0.031153075073290386]
        Q = [1.0, 2.3532976625549633, 2.3722292651849304, 1.2976526080188502, 0.3933450057621121, 0.05521657842840784]
    flat = np.ravel(x)
    result = np.empty(flat.shape, working)
    for start in range(0, flat.size, 32768):
        block, y = flat[start : start + 32768].astype(working), result[start : start + 32768]
        size = np.minimum(np.abs(block), working(28.0))
        above, below = size * working(P[-1]), size * working(Q[-1])
        for polynomial, coefficients in ((above, P), (below, Q)):
            for coefficient in coefficients[-2:0:-1]:
                np.add(polynomial, coefficient, polynomial)
                np.multiply(polynomial, size, polynomial)
            np.add(polynomial, coefficients[0], polynomial)
        np.multiply(size, size, y)
        np.negative(y, y)
        np.exp(y, y)
        np.multiply(y, above, y)
        np.divide(y, below, y)
        sign = np.copysign(working(1.0), block)
        np.multiply(y, sign, y)
        np.subtract(1.0, sign, sign)
        np.add(y, sign, y)
    return result.reshape(np.shape(x)).astype(dtype, copy=False)[()]


def erf(x: Any) -> Any:
    """Return 2/√π Σ (−1)ⁿ x²ⁿ⁺¹ / (n! (2n + 1)) where |x| < 1/2, and 1 − erfc x elsewhere."""
    near = np.clip(np.asarray(x, float), -0.5, 0.5)
    square = near * near
    series, factorial = np.zeros_like(near), 1.0
    for n in range(12):
        factorial *= max(n, 1)
        series += (-1) ** n / (factorial * (2 * n + 1)) * square**n
    inside = 2 / np.sqrt(np.pi) * near * series
    return np.asarray(np.where(np.abs(x) < 0.5, inside, 1.0 - erfc(x))).astype(np.result_type(x, np.float16))[()]


def gammaln(x: Any) -> Any:
    """Return log |Γ(x)|, from SciPy."""
    from importlib import import_module

    return import_module("scipy.special").gammaln(x)


def digamma(x: Any) -> Any:
    """Return the derivative of log Γ(x), from SciPy."""
    from importlib import import_module

    return import_module("scipy.special").digamma(x)


def digamma_derivative(x: Any, order: Any) -> Any:
    """Return the derivative of digamma of that order, from SciPy."""
    from importlib import import_module

    return import_module("scipy.special").polygamma(order, x).astype(np.result_type(x, np.float16), copy=False)[()]


def sinc_derivative(x: Any, order: Any) -> Any:
    """Return the derivative of that order by x of s = sin u / u, where u = π x.

    It follows from u s⁽ⁿ⁾ + n s⁽ⁿ⁻¹⁾ = sin⁽ⁿ⁾ u. That loses digits near 0, where the derivative of the series
    s = Σ (−1)ᵏ u²ᵏ / (2k + 1)! is used.
    """
    dtype = np.result_type(x, np.float16)
    x = np.asarray(x, np.float64)
    far = np.abs(x) * np.pi > order + 2
    inverse = 1 / np.pi / np.where(far, x, 1.0)  # 1/u, since u may overflow
    whole = np.where(far, np.rint(x), 0.0)  # sin(π x) is exactly 0 where x is whole
    sin, cos = (f(np.pi * (np.where(far, x, 1.0) - whole)) * (1 - 2 * (whole % 2)) for f in (np.sin, np.cos))
    outside = sin * inverse
    for n in range(1, order + 1):
        outside = ((sin, cos, -sin, -cos)[n % 4] - n * outside) * inverse
    u = np.pi * np.where(far, 0.0, x)
    inside, square = np.zeros_like(u), u * u
    for k in range(order + 24, (order + 1) // 2 - 1, -1):
        term = (-1.0) ** k / (2 * k + 1)
        for n in range(1, 2 * k - order + 1):
            term /= n
        inside = inside * square + term
    inside = inside * (u if order % 2 else 1.0)
    return np.asarray(np.pi**order * np.where(far, outside, inside)).astype(dtype)[()]
