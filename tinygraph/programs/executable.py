"""A traced function as a program, with the code that takes arguments apart and nests results."""

from __future__ import annotations

import contextlib
import linecache
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from time import perf_counter
from typing import Any

import numpy as np

from ..graph.node import toposort
from ..graph.recording import NESTED, enable_grad
from ..graph.tensor import Tensor
from ..graph.threads import numbers
from ..trees import Structure, unflatten
from ..writing.notation import Writer, as_text
from .guards import Guard
from .lowering import lowered
from .optimising import optimised
from .program import Program, identifier
from .scaling import scaled
from .tracing import Trace, traced

_COUNT = numbers()
_GONE: deque[str] = deque()
"""The files of programs that are gone, which the next program drops from linecache. A finaliser must not drop them,
since it may run while linecache goes through its entries."""
_LONGEST_COMMENT = 110  # characters
_LONGEST_EQUATION = 150  # nodes


class Executable:
    """A function as a program that runs, for arguments of certain shapes and dtypes."""

    def __init__(
        self,
        function: Callable[..., Any],
        name: str,
        parameters: Sequence[str],
        arrays: Sequence[Any],
        structure: Structure,
        donated: set[int],
        guard: Callable[[], Guard],
        miss: object,
    ) -> None:
        self._miss = miss
        self.structure, self.forms = structure, [(x.shape, x.dtype) for x in arrays]
        trace = traced(function, name, parameters, arrays, structure)
        self.guard = guard()  # after the trace: a first call may set values up
        self.results, self.captured, self.recorded = trace.results, trace.captured, trace.recorded
        self.collapsed: dict[str, tuple[int, int]] = {}
        with enable_grad():  # even if the caller records nothing
            program = _program(trace, donated, self.collapsed)
        self.name = identifier(name if name.isidentifier() else "program", set(program.functions))
        self.source = program.source(self.name)
        self.lines, self.buffers = program.lines, program.buffers
        self._donated = sorted(donated)
        self.constants: dict[str, Any] = {**program.constants, **program.functions}
        self._count = len(trace.outputs)
        self._code = _registered(self.source, self.name)
        weakref.finalize(self, _GONE.append, self._code.co_filename).atexit = False
        self._idle = [self._instance()]  # as many as have run at the same time; pop and append are atomic
        self.entry = self._entry()

    def _instance(self) -> Callable[..., Any]:
        """Return the program with buffers of its own."""
        variables: dict[str, Any] = {}
        exec(self._code, variables)
        variables.update(self.constants)
        return variables[self.name]  # type: ignore[no-any-return]

    def __deepcopy__(self, memo: dict[int, Any]) -> Executable:
        return self  # nothing of it changes, and each call has buffers of its own

    def __call__(self, arrays: Sequence[Any]) -> Any:
        """Return the results for the leaves of the arguments, nested like those of the function."""
        return unflatten(self.results, self.run(*arrays))

    def misused(self, arrays: Sequence[Any]) -> tuple[int, str] | None:
        """Return the number of a donated array that cannot be overwritten, and why, or None if there is none."""
        for i in self._donated:
            if not arrays[i].flags.writeable:
                return i, "but it is read-only: give a copy"
            for j, other in enumerate(arrays):
                if j != i and _overlap([arrays[i]], [other]):
                    return i, "but it was given twice, or shares memory with another argument: give a copy"
        return None

    def run(self, *arrays: Any) -> Sequence[Any]:
        """Return the leaves of the results for the leaves of the arguments."""
        if self.captured:
            arrays = (*arrays, *(x._value for x in self.captured))
        try:
            program = self._idle.pop()
        except IndexError:  # other threads use them all
            program = self._instance()
        try:
            return program(*arrays)  # type: ignore[no-any-return]
        finally:
            self._idle.append(program)

    def _entry(self) -> Callable[..., Any]:
        """Return a function that runs the program for arguments like those traced, or else returns `miss`.

        It takes them apart and checks them in a microsecond.
        """
        variables: dict[str, Any] = {"MISS": self._miss, "ndarray": np.ndarray, "idle": self._idle, "NESTED": NESTED}
        variables |= {f"captured{i}": x for i, x in enumerate(self.captured)} | {"instance": self._instance}
        variables |= {"overlap": _overlap, **self.guard.variables}
        lines: list[str] = []
        leaves: list[str] = []
        args, kwargs = self.structure.children
        if not all(map(_is_plain, (args, kwargs, self.results))):
            return lambda args, kwargs: self._miss
        _take_apart("args", args, lines, leaves)
        _take_apart("kwargs", kwargs, lines, leaves)
        for i, (leaf, (shape, dtype)) in enumerate(zip(leaves, self.forms, strict=True)):
            variables[f"dtype{i}"] = dtype
            lines.append(
                f"if type({leaf}) is not ndarray or {leaf}.shape != {shape} or {leaf}.dtype is not dtype{i}:"
                " return MISS"
            )
        lines += self._donation(leaves)
        given = [*leaves, *(f"captured{i}._value" for i in range(len(self.captured)))]
        results = [f"result{i}" for i in range(self._count)]
        text = "\n".join(
            [
                "def entry(args, kwargs):",
                "    try:",
                *(f"        {line}" for line in lines),
                "    except KeyError: return MISS",
                # within a transform or another program, the gradients of captured leaves count
                *(["    if NESTED: return MISS"] if self.captured else []),
                "    try:",
                *(f"        if {condition}: return MISS" for condition in self.guard.conditions),
                "        pass",
                "    except Exception: return MISS",
                "    try: program = idle.pop()",
                "    except IndexError: program = instance()",
                f"    try: [{', '.join(results)}] = program({', '.join(given)})",
                "    finally: idle.append(program)",
                f"    return {_put_together(self.results, iter(results))}",
            ]
        )
        exec(text, variables)
        return variables["entry"]  # type: ignore[no-any-return]

    def _donation(self, leaves: list[str]) -> Iterator[str]:
        """Yield source that checks that donated arrays can be overwritten. It compares memory only if one is a view."""
        donated = [leaves[i] for i in self._donated]
        for x in donated:
            yield f"if not {x}.flags.writeable: return MISS"
        same = [
            f"{x} is {y}" for i, x in zip(self._donated, donated, strict=True) for y in leaves[:i] + leaves[i + 1 :]
        ]
        if same:
            own = " is ".join(f"{x}.base" for x in leaves) + " is None"
            yield f"if {' or '.join(same)}: return MISS"
            pairs = ", ".join(f"([{x}], [{', '.join(y for y in leaves if y != x)}])" for x in donated)
            yield f"if not {own} and any(overlap(*pair) for pair in [{pairs}]): return MISS"

    def report(self) -> str:
        """Return a text on what the program does, and on how long its lines take for random numbers."""
        lines = [line for line in self.lines if not line.startswith("#")]
        bytes_ = sum(int(np.prod(shape)) * dtype.itemsize for shape, dtype in self.buffers)
        times = self._times(lines)
        total = sum(times) or 1.0
        rows = [
            f"{self.name}: {self.recorded} recorded operations became {len(lines)} calls,"
            f" {len(self.buffers)} buffers of {bytes_:,} bytes; {1e6 * total:.0f} µs measured",
        ]
        rows += [
            f"{name} collapsed from {before} operations to {after}" for name, (before, after) in self.collapsed.items()
        ]
        for time, line in sorted(zip(times, lines, strict=True), reverse=True)[:10]:
            rows.append(f"{time / total:6.1%}   {line}")
        return "\n".join(rows)

    def _times(self, lines: Sequence[str]) -> list[float]:
        """Return the shortest time of each line in several runs."""
        head, _, tail = self.source.partition(f"def {self.name}(")
        signature, _, body = tail.partition("\n")
        result = body.rstrip().rpartition("\n")[2]
        # names that no variable of a program has
        timed = [f"    _cticks[{i}] = _clock()\n    {line}" for i, line in enumerate(lines)]
        text = f"{head}def {self.name}({signature}\n" + "\n".join(
            [*timed, f"    _cticks[{len(lines)}] = _clock()", result]
        )
        ticks = [0.0] * (len(lines) + 1)
        variables: dict[str, Any] = {"_cticks": ticks, "_clock": perf_counter}
        exec(text, variables)
        variables.update(self.constants)
        best = [float("inf")] * len(lines)
        for _ in range(20):
            arrays = [_some(shape, dtype) for shape, dtype in self.forms] + [x._value for x in self.captured]
            with np.errstate(all="ignore"):
                variables[self.name](*arrays)
            best = [min(b, later - t) for b, t, later in zip(best, ticks, ticks[1:], strict=False)]
        return best


def _overlap(arrays: Sequence[Any], others: Sequence[Any]) -> bool:
    return any(np.may_share_memory(x, y) and np.shares_memory(x, y) for x in arrays for y in others)


def _some(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
    """Return an array to measure with: numbers between 0 and 1, or integers that are 0, which is a valid index."""
    return np.random.default_rng(0).random(shape).astype(dtype)


def _registered(source: str, name: str) -> Any:
    """Return compiled source, which tracebacks and debuggers can show."""
    filename = f"<tinygraph program {next(_COUNT)}: {name}>"
    with contextlib.suppress(IndexError):
        while True:
            linecache.cache.pop(_GONE.popleft(), None)
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    return compile(source, filename, "exec")


def _program(trace: Trace, donated: set[int], collapsed: dict[str, tuple[int, int]]) -> Program:
    """Return the shortest program for a graph. `collapsed` gets the names of nodes that have become shorter."""
    names = dict(trace.names)
    inputs = [*trace.given, *trace.captured]
    shorter, within, later = scaled(optimised(trace.outputs, names, collapsed), set(inputs), names)
    comments = _comments(shorter, names, within, later)
    return Program(inputs, lowered(shorter, names, comments), names, {trace.given[i] for i in donated}, comments)


def _comments(
    outputs: Sequence[Tensor], named: dict[Tensor, str], within: dict[Tensor, float], later: dict[Tensor, float]
) -> dict[Tensor, str]:
    """Return the equations of named nodes and results, with the factors that they contain or leave to their readers."""
    writer = Writer(named, lambda x: x not in named, axes=False)
    titles = {output: f"result {i}:" for i, output in enumerate(outputs, start=1)} | {
        node: f"{name} =" for node, name in named.items()
    }
    comments = {}
    size: dict[Any, int] = {}  # how many nodes there are to write; each reader writes a node again
    for node in toposort(*outputs):
        size[node] = min(1 + sum(0 if x in named else size.get(x, 1) for x in node.inputs), _LONGEST_EQUATION + 1)
        if node in titles and node.op is not None:
            written = size[node] <= _LONGEST_EQUATION
            text = f"{titles[node]} {as_text(writer.expression(node)) if written else '…'}"
            text = text if len(text) <= _LONGEST_COMMENT else f"{text[:_LONGEST_COMMENT]} …"
            text += f", scaled by {within[node]:.4g}" if node in within else ""
            comments[node] = text + (f", times {later[node]:.4g} where it is read" if node in later else "")
    return comments


def _is_plain(structure: Structure) -> bool:
    """Return whether only dicts, lists and tuples are nested, with keys that can be written."""
    if structure.kind in (None, type(None)):
        return True
    simple = all(type(key) in (str, int) for key in structure.keys)
    return structure.kind in (dict, list, tuple) and simple and all(map(_is_plain, structure.children))


def _take_apart(text: str, structure: Structure, lines: list[str], leaves: list[str]) -> None:
    """Add source to `lines` that takes nested arguments apart, and the source of each leaf to `leaves`."""
    if structure.kind is None:
        leaves.append(text)
    elif structure.kind is type(None):
        lines.append(f"if {text} is not None: return MISS")
    else:
        count = len(structure.children)
        lines.append(f"if type({text}) is not {structure.kind.__name__} or len({text}) != {count}: return MISS")
        names = [f"{text}_{i}" for i in range(count)]
        for i, name in enumerate(names):
            key = structure.keys[i] if structure.keys else i
            lines.append(f"{name} = {text}[{key!r}]")
        for name, child in zip(names, structure.children, strict=True):
            _take_apart(name, child, lines, leaves)


def _put_together(structure: Structure, leaves: Iterator[str]) -> str:
    """Return source that nests leaves."""
    if structure.kind is None:
        return next(leaves)
    if structure.kind is type(None):
        return "None"
    children = [_put_together(child, leaves) for child in structure.children]
    if structure.kind is dict:
        return "{" + ", ".join(f"{key!r}: {child}" for key, child in zip(structure.keys, children, strict=True)) + "}"
    return f"[{', '.join(children)}]" if structure.kind is list else f"({''.join(child + ', ' for child in children)})"
