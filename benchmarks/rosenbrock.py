"""Minimising Rosenbrock's function in 1,000 dimensions through SciPy, from the first import of a gradient to the end.

    python benchmarks/rosenbrock.py [--rivals ...] [--methods ...] [--dimensions 1000] [--rounds 5]
                                    [--python rival=path ...]

Each run is in a process of its own, and the rivals take turns. The seconds are those that a user waits for the minimum
once NumPy, SciPy and the rival are imported: making the gradient, compiling it at its first call, and all calls. The
median of the rounds counts. Every rival must reach the same minimum. SciPy reports the numbers of calls.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from harness import environment, in_own_process, not_installed, seconds_of_others, table

Minimise = Callable[[str, Any], Any]
METHODS = {"L-BFGS-B": {"maxiter": 100_000, "maxfun": 100_000, "gtol": 1e-6, "ftol": 0.0}, "Newton-CG": {"xtol": 1e-10}}
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
BUSY = 0.2  # of a core used by others


def start(n: int) -> Any:
    """Return the usual starting point, whose coordinates alternate between −1.2 and 1."""
    return np.where(np.arange(n) % 2 == 0, -1.2, 1.0)


def rosenbrock(x: Any) -> Any:
    return (100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2).sum()


def tinygraph() -> Minimise:
    from scipy.optimize import minimize

    import tinygraph as tg

    def run(method: str, x0: Any) -> Any:
        problem = tg.for_scipy(rosenbrock, x0)
        more = {"hessp": problem.hessp} if method == "Newton-CG" else {}
        return minimize(**problem, **more, method=method, options=METHODS[method])

    return run


def hips() -> Minimise:
    from autograd import grad, value_and_grad
    from scipy.optimize import minimize

    gradient = grad(rosenbrock)

    def product(x: Any, p: Any) -> Any:
        return grad(lambda x: (gradient(x) * p).sum())(x)

    def run(method: str, x0: Any) -> Any:
        more = {"hessp": product} if method == "Newton-CG" else {}
        return minimize(value_and_grad(rosenbrock), x0, jac=True, **more, method=method, options=METHODS[method])

    return run


def jax_jit() -> Minimise:
    import jax
    from scipy.optimize import minimize

    jax.config.update("jax_enable_x64", True)

    def run(method: str, x0: Any) -> Any:
        both = jax.jit(jax.value_and_grad(rosenbrock))
        product = jax.jit(lambda x, p: jax.jvp(jax.grad(rosenbrock), (x,), (p,))[1])

        def fun(x: Any) -> Any:
            value, gradient = both(x)
            return float(value), np.asarray(gradient)

        more = {"hessp": lambda x, p: np.asarray(product(x, p))} if method == "Newton-CG" else {}
        return minimize(fun, x0, jac=True, **more, method=method, options=METHODS[method])

    return run


def by_hand() -> Minimise:
    from scipy.optimize import minimize

    def fun(x: Any) -> Any:
        below, off = x[:-1], x[1:] - x[:-1] ** 2
        left = 1.0 - below
        gradient = np.zeros_like(x)
        gradient[1:] = 200.0 * off
        gradient[:-1] -= 400.0 * below * off + 2.0 * left
        return 100.0 * off.dot(off) + left.dot(left), gradient

    def product(x: Any, p: Any) -> Any:
        below = x[:-1]
        result = np.zeros_like(x)
        result[:-1] = (1200.0 * below**2 - 400.0 * x[1:] + 2.0) * p[:-1] - 400.0 * below * p[1:]
        result[1:] += 200.0 * p[1:] - 400.0 * below * p[:-1]
        return result

    def run(method: str, x0: Any) -> Any:
        more = {"hessp": product} if method == "Newton-CG" else {}
        return minimize(fun, x0, jac=True, **more, method=method, options=METHODS[method])

    return run


RIVALS: dict[str, tuple[str, Callable[[], Minimise]]] = {
    "tinygraph": ("tinygraph, for_scipy", tinygraph),
    "by_hand": ("NumPy by hand", by_hand),
    "hips": ("HIPS autograd", hips),
    "jax_jit": ("JAX jit", jax_jit),
}


def alone(rival: str, method: str, dimensions: int) -> None:
    """Print the time, the calls and the error of one run as JSON; raise `SystemExit` if it missed the minimum."""
    try:
        run = RIVALS[rival][1]()
    except ModuleNotFoundError:
        not_installed()
    x0 = start(dimensions)
    begin = time.perf_counter()
    result = run(method, x0)
    seconds = time.perf_counter() - begin
    off = float(np.abs(result.x - 1.0).max())
    if not off < 1e-3:
        raise SystemExit(f"{rival}, {method}: not the minimum, off by {off:.1e}: {result.message}")
    calls = {"value": result.nfev, "gradient": result.njev, "product": int(getattr(result, "nhev", 0))}
    print(json.dumps({"seconds": seconds, "calls": calls, "off": off}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rivals", nargs="+", default=list(RIVALS), choices=RIVALS)
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--dimensions", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--python", action="append", default=[], metavar="rival=path", help="the interpreter for it")
    parser.add_argument("--alone", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.alone:
        alone(*options.alone, options.dimensions)
        return

    pythons = dict.fromkeys(RIVALS, sys.executable) | dict(pair.split("=", 1) for pair in options.python)
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    began, others = time.perf_counter(), seconds_of_others()
    for _ in range(options.rounds):
        for method in options.methods:
            for rival in options.rivals:
                arguments = ["--alone", rival, method, "--dimensions", str(options.dimensions)]
                run = in_own_process(__file__, *arguments, python=pythons[rival], environment=ONE_THREAD)
                if run is not None:
                    found.setdefault((method, rival), []).append(run)
    share = (seconds_of_others() - others) / (time.perf_counter() - began)
    print(environment(), f"{options.dimensions} dimensions, {options.rounds} rounds", sep=", ", end="\n\n")
    if share > BUSY:
        print(f"Other programs took {share:.1f} cores meanwhile: repeat the measurement.", end="\n\n")
    for method in options.methods:
        rows = [["program", "seconds", "to tinygraph", "values", "gradients", "Hessian products"]]
        medians = {
            rival: statistics.median(run["seconds"] for run in found[method, rival])
            for rival in options.rivals
            if (method, rival) in found
        }
        base = medians.get("tinygraph")
        for rival, seconds in medians.items():
            calls = found[method, rival][0]["calls"]
            ratio = f"{seconds / base:.2f}" if base else "–"
            rows.append([RIVALS[rival][0], f"{seconds:.3f}", ratio, *(str(n) for n in calls.values())])
        print(f"{method}:", table(rows), sep="\n\n", end="\n\n")


if __name__ == "__main__":
    main()
