"""The graph of a function of arrays, which is called with tensors, twice, to check that it does the same."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from sys import _getframe
from typing import Any

import numpy as np

from ..autodiff.calls import captured_by
from ..errors import DTypeError, UnsupportedError
from ..graph.exits import refuse_left
from ..graph.node import describe, toposort
from ..graph.recording import Nested
from ..graph.tensor import Tensor, make_leaf
from ..graph.walking import readers_of
from ..trees import Structure, flatten, instead, unflatten
from ..writing.names import first_operand, names_of


@dataclass(frozen=True)
class Trace:
    """The graph of a call."""

    given: list[Tensor]
    """The leaves of the arguments."""
    captured: list[Tensor]
    """Leaves from outside, such as parameters."""
    outputs: list[Tensor]
    """The leaves of the results."""
    results: Structure
    """How the results are nested."""
    names: dict[Tensor, str]
    """The names of given and captured leaves, and of computed nodes."""
    recorded: int
    """The number of operations."""


def traced(
    function: Callable[..., Any], name: str, parameters: Sequence[str], arrays: Sequence[Any], structure: Structure
) -> Trace:
    """Return the graph of a call of `function`, which the user calls `name`, with arguments of these leaves.

    Raises `UnsupportedError` if a second call does not do the same, or if the function uses a tensor that was computed
    outside, and `DTypeError` if it computes long doubles.
    """
    names, numbered = zip(*_leaf_names(structure, parameters), strict=True) if arrays else ((), ())
    given = [Tensor(array, name=text) for array, text in zip(arrays, names, strict=True)]
    again = [make_leaf(Tensor.__new__(Tensor), x._value, _getframe(), x._name) for x in given]
    born = Tensor(0.0).age
    outputs, _ = _called(function, name, structure, given)
    first = _form(outputs, given, born)
    _rename([x for x, number in zip(given, numbered, strict=True) if number], outputs, {*parameters, *names})
    for x, same in zip(given, again, strict=True):
        same.name = x._name
    given = again  # new leaves: nodes that the first call has kept must not count as part of the second
    outputs, results = _called(function, name, structure, given)
    if not _is_same(first, _form(outputs, given, born)):
        raise UnsupportedError(
            f"{name} computes something else from the same arguments when it is called again, as with random numbers."
            " A program would repeat those of the first call: draw them outside and give them as an argument"
        )
    nodes = [x if isinstance(x, Tensor) else Tensor(x) for x in outputs]
    order = toposort(*nodes)
    captured = captured_by(nodes, given, born)
    for x in captured:
        if x.op is not None:
            raise UnsupportedError(
                f"{name} uses {describe(x)}, which was computed outside ({x.site.where}): give it as an argument,"
                " or detach it first, with x.detach()"
            )
    for x in order:
        if x.dtype.char == "g":
            raise DTypeError(
                f"{name} computes {describe(x)} in {x.dtype}, whose width differs between machines, so no program is"
                f" made for it ({x.site.where}); convert it, as with astype(np.float64)"
            )
    arguments = set(given)
    named = names_of(order) | {x: str(x.name) for x in given}
    named |= {x: named.get(x, f"captured{i}") for i, x in enumerate(captured)}
    inputs = arguments | set(captured)
    named = {x: text for x, text in named.items() if x.op is not None or x in inputs}
    return Trace(given, captured, nodes, results, named, sum(x.op is not None for x in order))


def _called(
    function: Callable[..., Any], name: str, structure: Structure, given: Sequence[Tensor]
) -> tuple[list[Any], Structure]:
    """Return the leaves of the results, and how they are nested. Raises `UnsupportedError` for other results."""
    trace = Nested(tracing=True)
    for x in given:
        x._calls = (trace,)
    args, kwargs = unflatten(structure, given)
    with trace, np.errstate(all="ignore"):
        outputs, results = flatten(function(*args, **kwargs))
        refuse_left([x for x in outputs if isinstance(x, Tensor)], name)
    for x, path in zip(outputs, results.paths(), strict=True):
        if isinstance(x, Coroutine):
            x.close()
        if not isinstance(x, Tensor) and np.asarray(x).dtype.kind not in "biuf":
            raise UnsupportedError(
                f"{name} returned a {type(x).__name__}{f' as result{path}' if path else ''}, which a program cannot"
                f" make{instead(x) or '; results are arrays, or dicts, lists and tuples of them'}"
            )
    return outputs, results


def _rename(numbered: Sequence[Tensor], outputs: Sequence[Any], taken: set[str | None]) -> None:
    """Give items of lists the name that they have where they are first used: W1 after ``W1, b1 = layer``."""
    readers = readers_of(toposort(*(x for x in outputs if isinstance(x, Tensor))))
    used: dict[str, list[Tensor]] = {}
    for leaf in numbered:
        x, reading = leaf, readers.get(leaf, [])
        while reading and reading[0].site.anonymous and len(reading[0].inputs) == 1:  # a copy by value_and_grad
            x, reading = reading[0], readers.get(reading[0], [])
        if (name := first_operand(x, reading)) is not None:
            used.setdefault(name, []).append(leaf)
    for name, leaves in used.items():
        if len(leaves) == 1 and name not in taken:
            leaves[0].name = name


def _form(outputs: Sequence[Any], given: Sequence[Tensor], born: int) -> list[Any]:
    """Return what is equal for two calls that do the same: ops, wiring, parameters, and the values of constants."""
    order = toposort(*(x for x in outputs if isinstance(x, Tensor)))
    place = {x: i for i, x in enumerate(order)}
    argument = {x: i for i, x in enumerate(given)}
    form: list[Any] = [place[x] if isinstance(x, Tensor) else np.asarray(x) for x in outputs]
    for node in order:
        if node.op is None:
            form.append(argument[node] if node in argument else id(node) if node.age < born else node._value)
        else:
            operands = [place[x] if isinstance(x, Tensor) else repr(x) for x in node.inputs]
            form.append((node.op, operands, repr(node.params)))
    return form


def _is_same(first: Sequence[Any], again: Sequence[Any]) -> bool:
    """Return whether two calls did the same. NaN counts as equal to NaN."""
    for one, other in itertools.zip_longest(first, again):
        if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
            if not np.array_equal(one, other, equal_nan=one.dtype.kind == other.dtype.kind == "f"):
                return False
        elif isinstance(one, np.ndarray) or isinstance(other, np.ndarray) or one != other:
            return False
    return True


def _leaf_names(structure: Structure, parameters: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """Yield the name of each leaf of the arguments, its last key or its parameter, and whether it ends in a number."""
    args, kwargs = structure.children
    for i, child in enumerate(args.children):
        named = i < len(parameters)
        yield from _names_within(parameters[i] if named else f"x{i}", not named, child)
    for key, child in zip(kwargs.keys, kwargs.children, strict=True):
        yield from _names_within(key, False, child)


def _names_within(name: str, numbered: bool, structure: Structure) -> Iterator[tuple[str, bool]]:
    if structure.kind is None:
        yield name, numbered
    for i, child in enumerate(structure.children):
        key = structure.keys[i] if structure.keys else i
        number = not isinstance(key, str)
        yield from _names_within(f"{name}{key}" if number else str(key), number, child)
