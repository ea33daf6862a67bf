"""Compare eager and compiled arithmetic in every dtype: ``python tests/fuzz_dtypes.py --seconds 1200 --seed 0``.

A function is drawn at random as source text over arrays of mixed dtypes and numbers. It is compiled on one set of
numbers and compared on others as well, since a program must hold for all arrays of its shapes and dtypes. Values,
gradients, dtypes and errors must be those of the function itself. Where they differ, the text is shortened as far as
the difference remains, and printed.
"""

from __future__ import annotations

import argparse
import itertools
import re
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

import tinygraph as tg

INTEGERS = ("bool", "int8", "uint8", "int16", "int32", "uint32", "int64", "uint64")
FLOATS = ("float16", "float32", "float64")
_LONG = 100  # characters
SHAPES = ((), (3,), (2, 3), (2, 1), (1, 3), (3, 3))
LITERALS = (
    *("0", "1", "2", "3", "-1", "7", "100", "300", "True"),
    *("0.0", "0.5", "1.0", "2.0", "0.1", "-1.5", "3.0", "300.0"),
    *("np.float32(0.1)", "np.float64(0.1)", "np.int8(3)", "np.int64(5)", "np.uint8(200)", "np.float16(2)"),
    *("np.array(2.0)", "np.array(3)", "np.full(3, 2)", "np.full(3, 0.5, np.float32)"),
)
STEPS = (
    *(f"{{}} {sign} {{}}" for sign in ("+", "-", "*", "/", "//", "%", "@")),
    *("{} + {}", "{} - {}", "{} * {}", "{} * {}"),
    *(f"{{}} {sign} {{}}" for sign in ("<", ">=", "==", "&", "|", "^")),
    *("-{}", "abs({})", "{} ** 2", "{} ** 3", "{} ** 0.5", "{} ** {}", "~{}", "{} << 1", "{} >> 1"),
    *("tg.sum({})", "tg.sum({}, axis=0)", "tg.sum({}, axis=-1, keepdims=True)", "tg.mean({})", "tg.mean({}, axis=0)"),
    *("tg.max({}, axis=0)", "tg.min({})", "tg.prod({}, axis=0)", "tg.std({})", "tg.cumulative_sum({}, axis=0)"),
    *("tg.where({} > 1, {}, {})", "tg.maximum({}, {})", "tg.minimum({}, {})", "tg.clip({}, 0, 2)", "tg.square({})"),
    *("tg.sqrt({})", "tg.exp({})", "tg.sigmoid({})", "tg.tanh({})", "tg.log({})", "tg.relu({})", "tg.sign({})"),
    *("tg.softmax({}, axis=0)", "tg.logsumexp({}, axis=0)", "tg.floor({})", "tg.round({})", "tg.reciprocal({})"),
    *(f"{{}}.astype('{dtype}')" for dtype in ("float64", "float32", "float16", "int64", "uint8", "bool", "int32")),
    *(
        "{}.T",
        "{}[..., ::-1]",
        "{}.reshape(-1)",
        "tg.stack([{}, {}])",
        "tg.broadcast_to({}, (2, 3))",
        "tg.outer({}, {})",
    ),
    *("tg.argmax({})", "tg.all({} > 0)", "tg.take({}, [0, 0], axis=0)", "tg.einsum('...i,...i->...', {}, {})"),
    *("tg.stop_gradient({})", "tg.negative({})", "tg.vdot({}, {})", "tg.dot({}, {})", "tg.hypot({}, {})"),
)
REFUSED = (
    tg.TinygraphError,
    ValueError,
    TypeError,
    IndexError,
    OverflowError,
    ZeroDivisionError,
    np.linalg.LinAlgError,
)


class Function(NamedTuple):
    """Source lines over x0, x1, … and the lines before, t0, t1, …; the last line is the result."""

    dtypes: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    lines: tuple[str, ...]
    named: bool = True
    """Whether each line gives its result a name; if not, they are one expression, and more is rewritten."""

    def __str__(self) -> str:
        return self.source([f"x{i}: {dtype}{shape}" for i, (dtype, shape) in enumerate(zip(*self[:2], strict=True))])

    def made(self) -> Callable[..., Any]:
        """The function."""
        variables: dict[str, Any] = {"tg": tg, "np": np}
        exec(self.source([f"x{i}" for i in range(len(self.dtypes))]), variables)
        return variables["f"]  # type: ignore[no-any-return]

    def source(self, arguments: Sequence[str]) -> str:
        """Its text, with these arguments."""
        known: dict[str, str] = {}
        written = [f"def f({', '.join(arguments)}):"]
        for i, line in enumerate(self.lines):
            text = re.sub(r"\bt\d+\b", lambda name: known.get(name[0], name[0]), line)
            if i == len(self.lines) - 1:
                written.append(f"    return {text}")
            elif self.named or len(text) > _LONG:
                written.append(f"    t{i} = {text}")
            else:
                known[f"t{i}"] = f"({text})"
        return "\n".join(written)


def random_function(rng: np.random.Generator, length: int) -> Function:
    """A function of one to three arrays in as many steps."""
    count = int(rng.integers(1, 4))
    whole = rng.random() < 0.4
    dtypes = tuple(str(rng.choice(INTEGERS if whole or rng.random() < 0.4 else FLOATS)) for _ in range(count))
    if rng.random() < 0.3:
        dtypes = (dtypes[0],) * count
    shapes = tuple(SHAPES[rng.integers(len(SHAPES))] for _ in range(count))
    known = [f"x{i}" for i in range(count)]
    lines = []
    for i in range(length):
        step = STEPS[rng.integers(len(STEPS)) if rng.random() < 0.6 else rng.integers(11)]
        operands = [
            str(rng.choice(known[-4:] if rng.random() < 0.6 else known))
            if j == 0 or rng.random() < 0.7
            else LITERALS[rng.integers(len(LITERALS))]
            for j in range(step.count("{}"))
        ]
        if len(operands) == 2 and rng.random() < 0.3:
            operands.reverse()
        operands = [f"({x})" if x[0] == "-" or x[0].isdigit() else x for x in operands]
        lines.append(step.format(*operands))
        known.append(f"t{i}")
    return Function(dtypes, shapes, tuple(lines), bool(rng.random() < 0.5))


def drawn(rng: np.random.Generator, dtype: str, shape: tuple[int, ...], kind: str) -> Any:
    """Numbers of a dtype: ordinary ones, any in its range, or special ones."""
    given = np.dtype(dtype)
    if given.kind == "b":
        return np.asarray(rng.random(shape) < 0.5)
    if given.kind in "iu":
        info = np.iinfo(given)
        low, high = (max(info.min, -4), min(info.max, 9)) if kind == "ordinary" else (info.min, info.max)
        return np.asarray(rng.integers(low, high, shape, given, endpoint=True))
    x = rng.uniform(-3, 3, shape)
    if kind == "special":
        x = np.where(rng.random(shape) < 0.5, rng.choice([0.0, -0.0, np.inf, -np.inf, np.nan, 1.0], shape), x)
    return np.asarray(x).astype(given)


_TOLERANCE = {"float16": 2e-2, "float32": 2e-4, "float64": 1e-9}


def _differs(found: Any, expected: Any, size: float, narrowest: str, strict: bool, source: str) -> str:
    """How a result of the program differs from the function's.

    A program may have the limit of what is ∞ − ∞ step by step, of 0/0 and ∞/∞ where the source divides, and of what
    overflows where it has an exponential: see docs/conventions.md.
    """
    divides, grows = "/" in source or "reciprocal" in source, "exp(" in source
    found, expected = np.asarray(found), np.asarray(expected)
    if found.dtype != expected.dtype:
        return f"dtype {found.dtype} for {expected.dtype}"
    if found.shape != expected.shape:
        return f"shape {found.shape} for {expected.shape}"
    if expected.dtype.kind != "f":
        wrong = found != expected
    else:
        tolerance = _TOLERANCE[narrowest]
        near = size > 1e-3 * np.sqrt(np.finfo(narrowest).max)  # to where a product, or their sum, overflows
        if strict:
            wrong = np.isnan(found) & ~np.isnan(expected)
            wrong |= np.isnan(expected) & np.isfinite(found) & (not divides and not grows)
            wrong &= ~(np.isinf(found) & near)
            wrong |= np.isinf(expected) & (abs(found) != abs(expected) if divides else found != expected) & (not grows)
            finite = np.isfinite(found) & np.isfinite(expected)
        else:  # where the function gives a number, the program does
            finite = np.isfinite(expected)
            wrong = finite & ~np.isfinite(found) & (not near)
        with np.errstate(all="ignore"):
            off = np.abs(np.subtract(found, expected, dtype=np.float64))
            wrong |= finite & (off > tolerance * np.maximum(np.abs(expected.astype(np.float64)), size))
    if not wrong.any():
        return ""
    at = tuple(map(int, np.argwhere(wrong)[0]))
    return f"{found[at]!r} for {expected[at]!r} at {list(at)}"


def disagreement(function: Function, seed: int, strict: bool = True) -> str:
    """How the compiled function differs from the function itself; nothing where it does not."""
    rng = np.random.default_rng(seed)
    kinds = ("ordinary", "ordinary", "any", "special" if strict else "any")
    sets = [[drawn(rng, *form, kind) for form in zip(*function[:2], strict=True)] for kind in kinds]
    f = function.made()
    source = "; ".join(function.lines)
    floats = [i for i, dtype in enumerate(function.dtypes) if np.dtype(dtype).kind == "f"]
    floats = floats if rng.random() < 0.7 else []  # a value alone is simplified further than one beside gradients

    def computed(*xs: Any) -> list[Any]:
        y = f(*xs)
        y = y if isinstance(y, tg.Tensor) else tg.Tensor(y)
        slopes = []
        if y.dtype.kind == "f" and floats:
            slopes = tg.gradients(y, [xs[i] for i in floats], np.cos(np.arange(float(y.size))).reshape(y.shape))
        return [y, *slopes]

    program = tg.compile(computed)
    with np.errstate(all="ignore"):
        for number, arrays in enumerate(sets):
            xs = [tg.Tensor(x, requires_grad=x.dtype.kind == "f") for x in arrays]
            try:
                expected = computed(*xs)
            except REFUSED as error:
                expected = error  # type: ignore[assignment]
            try:
                found = program(*arrays)
            except REFUSED as error:
                if not isinstance(expected, Exception):
                    return f"set {number}: {type(error).__name__}: {error}"
                return ""
            if isinstance(expected, Exception):
                if number == 0:
                    return f"set {number}: no error, where there is {type(expected).__name__}: {expected}"
                continue
            values = [x for x in tg.toposort(*expected) if x.dtype.kind == "f"]
            narrowest = min((x.dtype.name for x in values), key=lambda name: FLOATS.index(name), default="float64")
            if not all(np.isfinite(x.data).all() for x in values) and kinds[number] != "special":
                continue
            size = max((float(np.abs(x.data[np.isfinite(x.data)]).max(initial=0.0)) for x in values), default=0.0)
            size *= max(map(_cancelled, values), default=1.0)
            for i, (one, other) in enumerate(zip(found, expected, strict=True)):
                special = kinds[number] == "special"
                if problem := _differs(one, other.data, size, narrowest, strict and special and i == 0, source):
                    if _is_decided_by_rounding(computed, arrays):
                        continue
                    return f"set {number}, result {i}: {problem}"
    return ""


def _cancelled(x: tg.Tensor) -> float:
    """How much smaller than its operands a sum or difference is, where that is much: so much its rounding counts."""
    if x.op is None or x.op.name not in ("add", "subtract"):
        return 1.0
    operands = np.maximum(*(np.abs(np.asarray(y, np.float64)) for y in x._args))
    with np.errstate(all="ignore"):
        ratio = np.where(np.isfinite(x.data) & (x.data != 0), operands / np.abs(x.data.astype(np.float64)), 1.0)
    largest = float(ratio.max(initial=1.0))
    return largest if largest > 1e3 else 1.0


def _is_decided_by_rounding(function: Callable[..., Any], arrays: Sequence[Any]) -> bool:
    """Whether results change where floating numbers are off by rounding, as at a jump."""
    results = []
    whole = all(x.dtype.kind != "f" for x in arrays)
    for seed in range(6):
        rng = np.random.default_rng(seed)
        moved = []
        for x in arrays:
            if whole and x.dtype.kind != "b":
                x = x.astype(np.float64)
            if x.dtype.kind == "f":
                off = rng.choice([-1.0, 1.0], x.shape) * 4 * float(np.finfo(x.dtype).eps) * (seed > 0)
                x = np.asarray(x * (1 + off)).astype(x.dtype)
            moved.append(tg.Tensor(x, requires_grad=x.dtype.kind == "f"))
        try:
            results.append([np.asarray(y.data, np.float64) for y in function(*moved)])
        except REFUSED:  # of floats, what takes integers alone
            return False
    for other in results[1:]:
        for x, y in zip(other, results[0], strict=True):
            size = np.abs(y[np.isfinite(y)]).max(initial=1.0)
            if not np.allclose(x, y, rtol=1e-3, atol=1e-3 * size, equal_nan=True):
                return True
    return False


def shrunk(function: Function, seed: int, strict: bool) -> Function:
    """A shorter function that still shows it."""
    smaller = True
    deadline = time.monotonic() + 20
    while smaller and time.monotonic() < deadline:
        smaller = False
        for candidate in _smaller(function):
            try:
                shows = disagreement(candidate, seed, strict)
            except Exception:
                continue
            if shows:
                function, smaller = candidate, True
                break
    return function


def _smaller(function: Function) -> Iterator[Function]:
    lines = function.lines
    if not function.named:
        yield function._replace(named=True)
    for k in range(1, len(lines)):
        yield function._replace(lines=lines[:k])
    for k in range(len(lines) - 1):  # an operand in place of a step
        for name in [f"x{i}" for i in range(len(function.dtypes))] + [f"t{i}" for i in range(k)]:
            yield function._replace(lines=(*lines[:k], name, *lines[k + 1 :]))
    for i, shape in enumerate(function.shapes):
        if shape:
            yield function._replace(shapes=(*function.shapes[:i], (), *function.shapes[i + 1 :]))


def fuzz(
    seed: int, seconds: float, count: int | None = None, strict: bool = True, report: Callable[[str], None] = print
) -> Counter[str]:
    """Try functions until the time is over, or `count` of them; the texts of what disagrees."""
    found: Counter[str] = Counter()
    tried = 0
    end = time.monotonic() + seconds
    for number in itertools.islice(itertools.count(seed), count):
        if time.monotonic() > end:
            break
        rng = np.random.default_rng(number)
        function = random_function(rng, int(rng.choice([1, 2, 3, 5, 8])))
        tried += 1
        try:
            problem = disagreement(function, number, strict)
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"
        if problem:
            small = shrunk(function, number, strict)
            try:
                problem = disagreement(small, number, strict) or problem
            except Exception as error:
                problem = f"{type(error).__name__}: {error}"
            key = str(small)
            found[key] += 1
            report(f"seed {number}: {problem}\n{small}\n")
    report(f"{tried} functions, {sum(found.values())} disagreements")
    return found


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--lenient", action="store_true", help="not where the function gives what is not finite")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    return bool(fuzz(given.seed, given.seconds, strict=not given.lenient, report=lambda t: print(t, flush=True)))


if __name__ == "__main__":
    sys.exit(main())
