"""A traced function: its program, and the way in and out of it."""

from __future__ import annotations

import itertools
import linecache
from collections.abc import Callable, Iterator, Sequence
from time import perf_counter
from typing import Any

import numpy as np

from .errors import UnsupportedError
from .graph import Tensor, describe, toposort
from .lowering import lowered
from .names import first_operand, names_of, readers_of
from .notation import Writer, as_text
from .optimise import optimised
from .program import Program, identifier
from .recording import Nested
from .scaling import scaled
from .trees import Structure, flatten, unflatten

_COUNT = itertools.count(1)
_LONGEST_COMMENT = 110


class Traced:
    """A function at certain shapes, as a program."""

    def __init__(
        self,
        function: Callable[..., Any],
        name: str,
        parameters: Sequence[str],
        arrays: Sequence[Any],
        structure: Structure,
        donated: set[int],
        miss: object,
    ) -> None:
        self._miss = miss
        self.structure, self.arrays = structure, [np.array(x) for x in arrays]
        names, numbered = zip(*_leaf_names(structure, parameters), strict=True) if arrays else ((), ())
        given = [Tensor(array, name=name) for array, name in zip(arrays, names, strict=True)]
        born = Tensor(0.0).age
        before, _ = _outputs(function, structure, given)
        _rename([x for x, number in zip(given, numbered, strict=True) if number], before, {*parameters, *names})
        outputs, self.results = _outputs(function, structure, given)
        _check_same(before, outputs, name)
        nodes = [x if isinstance(x, Tensor) else Tensor(x) for x in outputs]
        order = toposort(*nodes)
        inputs = set(given)
        for x in order:
            if x.op is not None and x.age < born:
                raise UnsupportedError(
                    f"{name} uses {describe(x)}, which was computed outside ({x.site.where}): give it as an argument,"
                    " or take x.detach() before"
                )
        self.captured = [x for x in order if x.op is None and x not in inputs and x.age < born]
        inputs |= set(self.captured)
        named = names_of(order) | {x: str(x.name) for x in given}
        named |= {x: named.get(x, f"captured{i}") for i, x in enumerate(self.captured)}
        named = {x: text for x, text in named.items() if x.op is not None or x in inputs}
        self.recorded = sum(x.op is not None for x in order)
        shorter, within, later = scaled(optimised(nodes, named), inputs, named)
        comments = _comments(shorter, named, within, later)
        self.program = Program(
            [*given, *self.captured], lowered(shorter, named, comments), named, {given[i] for i in donated}, comments
        )
        self.name = identifier(name if name.isidentifier() else "program", set())
        self.source = self.program.source(self.name)
        self._code = _registered(self.source, self.name)
        self._idle = [self._instance()]  # as many as have run at a time; to pop and to append are atomic
        self.entry = self._entry()

    def _instance(self) -> Callable[..., Any]:
        """The program with buffers of its own."""
        variables: dict[str, Any] = {}
        exec(self._code, variables)
        variables.update(self.program.constants)
        return variables[self.name]  # type: ignore[no-any-return]

    def __call__(self, arrays: Sequence[Any]) -> Any:
        """The results for the leaves of the arguments, nested as the function's."""
        return unflatten(self.results, self.run(*arrays))

    def run(self, *arrays: Any) -> Sequence[Any]:
        """The results for the leaves of the arguments."""
        if self.captured:
            arrays = (*arrays, *(x.value for x in self.captured))
        try:
            program = self._idle.pop()
        except IndexError:  # other threads use them all
            program = self._instance()
        try:
            return program(*arrays)  # type: ignore[no-any-return]
        finally:
            self._idle.append(program)

    def _entry(self) -> Callable[..., Any]:
        """The way in for arguments like those traced: it takes them apart and checks them in a microsecond."""
        variables: dict[str, Any] = {"MISS": self._miss, "ndarray": np.ndarray, "idle": self._idle}
        variables |= {f"captured{i}": x for i, x in enumerate(self.captured)} | {"instance": self._instance}
        lines: list[str] = []
        leaves: list[str] = []
        args, kwargs = self.structure.children
        if not all(map(_is_plain, (args, kwargs, self.results))):
            return lambda args, kwargs: self._miss
        _take_apart("args", args, lines, leaves)
        _take_apart("kwargs", kwargs, lines, leaves)
        for i, (leaf, array) in enumerate(zip(leaves, self.arrays, strict=True)):
            variables[f"dtype{i}"] = array.dtype
            lines.append(
                f"if type({leaf}) is not ndarray or {leaf}.shape != {array.shape} or {leaf}.dtype is not dtype{i}:"
                " return MISS"
            )
        given = [*leaves, *(f"captured{i}.value" for i in range(len(self.captured)))]
        results = [f"result{i}" for i in range(len(self.program.outputs))]
        text = "\n".join(
            [
                "def entry(args, kwargs):",
                "    try:",
                *(f"        {line}" for line in lines),
                "    except KeyError: return MISS",
                "    try: program = idle.pop()",
                "    except IndexError: program = instance()",
                f"    try: [{', '.join(results)}] = program({', '.join(given)})",
                "    finally: idle.append(program)",
                f"    return {_put_together(self.results, iter(results))}",
            ]
        )
        exec(text, variables)
        return variables["entry"]  # type: ignore[no-any-return]

    def report(self) -> str:
        """What the program does."""
        program, lines = self.program, [line for line in self.program.lines if not line.startswith("#")]
        bytes_ = sum(int(np.prod(shape)) * dtype.itemsize for shape, dtype in program.buffers)
        times = self._times(lines)
        total = sum(times) or 1.0
        rows = [
            f"{self.name}: {self.recorded} recorded operations became {len(lines)} calls,"
            f" {len(program.buffers)} buffers of {bytes_:,} bytes; {1e6 * total:.0f} µs measured",
        ]
        for time, line in sorted(zip(times, lines, strict=True), reverse=True)[:10]:
            rows.append(f"{time / total:6.1%}   {line}")
        return "\n".join(rows)

    def _times(self, lines: Sequence[str]) -> list[float]:
        """The shortest time that each line has taken."""
        head, _, tail = self.source.partition(f"def {self.name}(")
        signature, _, body = tail.partition("\n")
        result = body.rstrip().rpartition("\n")[2]
        timed = [f"    ticks[{i}] = clock()\n    {line}" for i, line in enumerate(lines)]
        text = f"{head}def {self.name}({signature}\n" + "\n".join(
            [*timed, f"    ticks[{len(lines)}] = clock()", result]
        )
        ticks = [0.0] * (len(lines) + 1)
        variables: dict[str, Any] = {"ticks": ticks, "clock": perf_counter}
        exec(text, variables)
        variables.update(self.program.constants)
        best = [float("inf")] * len(lines)
        for _ in range(20):
            arrays = [*map(np.copy, self.arrays), *(x.value for x in self.captured)]
            with np.errstate(all="ignore"):
                variables[self.name](*arrays)
            best = [min(b, later - t) for b, t, later in zip(best, ticks, ticks[1:], strict=False)]
        return best


def _registered(source: str, name: str) -> Any:
    """Source compiled, and known to tracebacks and debuggers."""
    filename = f"<tinygraph program {next(_COUNT)}: {name}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    return compile(source, filename, "exec")


def _outputs(
    function: Callable[..., Any], structure: Structure, given: Sequence[Tensor]
) -> tuple[list[Any], Structure]:
    args, kwargs = unflatten(structure, given)
    with Nested(tracing=True), np.errstate(all="ignore"):
        return flatten(function(*args, **kwargs))


def _rename(numbered: Sequence[Tensor], outputs: Sequence[Any], taken: set[str | None]) -> None:
    """Items of lists get the name that they have where they are first used: W1 after ``W1, b1 = layer``."""
    readers = readers_of(toposort(*(x for x in outputs if isinstance(x, Tensor))))
    used: dict[str, list[Tensor]] = {}
    for leaf in numbered:
        x, reading = leaf, readers.get(leaf, [])
        while reading and reading[0].site.anonymous and len(reading[0].inputs) == 1:  # by value_and_grad
            x, reading = reading[0], readers.get(reading[0], [])
        if (name := first_operand(x, reading)) is not None:
            used.setdefault(name, []).append(leaf)
    for name, leaves in used.items():
        if len(leaves) == 1 and name not in taken:
            leaves[0].name = name


def _check_same(first: Sequence[Any], again: Sequence[Any], name: str) -> None:
    """Two traces with the same arguments are the same, or the function reads what changes, as random numbers do."""
    for one, other in itertools.zip_longest(_nodes(first), _nodes(again)):
        if one is other:
            continue
        if isinstance(one, Tensor) and isinstance(other, Tensor) and one.op is other.op:
            literals = [[x for x in node.inputs if not isinstance(x, Tensor)] for node in (one, other)]
            same = repr((literals[0], one.params)) == repr((literals[1], other.params))
            if same and (one.op is not None or np.array_equal(one.value, other.value, equal_nan=one.dtype.kind == "f")):
                continue
        elif not isinstance(one, Tensor) and not isinstance(other, Tensor) and np.array_equal(one, other):
            continue
        raise UnsupportedError(
            f"{name} computes something else from the same arguments when it is called again, as with random numbers;"
            " a program would repeat those of the first call. Draw them outside and give them as an argument"
        )


def _nodes(outputs: Sequence[Any]) -> Iterator[Any]:
    for output in outputs:
        yield from toposort(output) if isinstance(output, Tensor) else [output]


def _comments(
    outputs: Sequence[Tensor], named: dict[Tensor, str], within: dict[Tensor, float], later: dict[Tensor, float]
) -> dict[Tensor, str]:
    """The equations of what has a name, and the factor that it has got or that is left to what reads it."""
    writer = Writer(named, lambda x: x not in named, axes=False)
    comments = {}
    for node in toposort(*outputs):
        if node in named and node.op is not None:
            text = f"{named[node]} = {as_text(writer.expression(node))}"
            text = text if len(text) <= _LONGEST_COMMENT else f"{text[:_LONGEST_COMMENT]} …"
            text += f", scaled by {within[node]:.4g}" if node in within else ""
            comments[node] = text + (f", times {later[node]:.4g} where it is read" if node in later else "")
    return comments


def _leaf_names(structure: Structure, parameters: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """Names of the leaves of the arguments, the last key or the parameter's name; and whether they end in a number."""
    args, kwargs = structure.children
    for i, child in enumerate(args.children):
        yield from _names_within(parameters[i] if i < len(parameters) else f"x{i}", False, child)
    for key, child in zip(kwargs.keys, kwargs.children, strict=True):
        yield from _names_within(key, False, child)


def _names_within(name: str, numbered: bool, structure: Structure) -> Iterator[tuple[str, bool]]:
    if structure.kind is None:
        yield name, numbered
    for i, child in enumerate(structure.children):
        key = structure.keys[i] if structure.keys else i
        number = not isinstance(key, str)
        yield from _names_within(f"{name}{key}" if number else str(key), number, child)


def _is_plain(structure: Structure) -> bool:
    """Whether only dicts, lists and tuples are nested, with keys that can be written."""
    if structure.kind in (None, type(None)):
        return True
    simple = all(type(key) in (str, int) for key in structure.keys)
    return structure.kind in (dict, list, tuple) and simple and all(map(_is_plain, structure.children))


def _take_apart(text: str, structure: Structure, lines: list[str], leaves: list[str]) -> None:
    """Source that gets the leaves out of nested arguments."""
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
    """Source that nests leaves."""
    if structure.kind is None:
        return next(leaves)
    if structure.kind is type(None):
        return "None"
    children = [_put_together(child, leaves) for child in structure.children]
    if structure.kind is dict:
        return "{" + ", ".join(f"{key!r}: {child}" for key, child in zip(structure.keys, children, strict=True)) + "}"
    return f"[{', '.join(children)}]" if structure.kind is list else f"({''.join(child + ', ' for child in children)})"
