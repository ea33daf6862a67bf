"""Functions that NumPy lacks, with NumPy alone; programs carry their source along."""

from typing import Any

import numpy as np


def erfc(x: Any) -> Any:
    """1 − erf x = e^−x² P(|x|) / Q(|x|) for x ≥ 0, and 2 less that of −x for x < 0, to 1e-15 of itself (1e-13 near 0).

    P and Q are the best ones of their degree on 0 ≤ x ≤ 27.5. Block by block, so that each pass stays in the cache.
    """
    P: Any = (1.0000000000000002, 2.1309109882248456, 2.2500835840189874, 1.5078660147580498, 0.6988555314359731)
    P += (0.23106504812297524, 0.054409177624244215, 0.008808096228327338, 0.0008927239607883914)
    P += (4.3403461112979584e-05,)
    Q: Any = (1.0, 3.2592901553204157, 4.9277986947997805, 4.56125402438825, 2.8696909271672144, 1.2861167747642483)
    Q += (0.41731964787465087, 0.09722891214978191, 0.015650409401965396, 0.0015823120219839247)
    Q += (7.693063179311718e-05,)
    flat, dtype = np.ravel(x), np.result_type(x, np.float16)
    result = np.empty(flat.shape)
    for start in range(0, flat.size, 8192):
        block, y = flat[start : start + 8192].astype(float), result[start : start + 8192]
        size = np.minimum(np.abs(block), 28.0)
        above, below = P[-1] * size, Q[-1] * size
        for polynomial, coefficients in ((above, P), (below, Q)):
            for coefficient in coefficients[-2:0:-1]:
                np.add(polynomial, coefficient, polynomial)
                np.multiply(polynomial, size, polynomial)
            np.add(polynomial, coefficients[0], polynomial)
        np.exp(-size * size, y)
        np.multiply(y, above, y)
        np.divide(y, below, y)
        sign = np.copysign(1.0, block)
        np.multiply(y, sign, y)
        np.add(y, 1.0 - sign, y)
    return result.reshape(np.shape(x)).astype(dtype, copy=False)[()]


def erf(x: Any) -> Any:
    """2/√π Σ (−1)ⁿ x²ⁿ⁺¹ / (n! (2n + 1)) where |x| < 1/2, and 1 − erfc x elsewhere."""
    near = np.clip(np.asarray(x, float), -0.5, 0.5)
    square = near * near
    series, factorial = np.zeros_like(near), 1.0
    for n in range(12):
        factorial *= max(n, 1)
        series += (-1) ** n / (factorial * (2 * n + 1)) * square**n
    inside = 2 / np.sqrt(np.pi) * near * series
    return np.asarray(np.where(np.abs(x) < 0.5, inside, 1.0 - erfc(x))).astype(np.result_type(x, np.float16))[()]
