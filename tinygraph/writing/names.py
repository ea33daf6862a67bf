"""The names of the nodes of a graph, for pictures and equations.

They come, in this order, from ``name=``; from the variable, attribute or key that the node was stored in; from the
variables of the asking frame; and for a leaf, from the text of the operand where it was first used. Nodes are told
apart by identity: two nodes of one name become Z₁ and Z₂. If a name was bound anew to a result of the node alone, as in
``z = w @ x; z = z + b``, only the last node keeps it.
"""

from __future__ import annotations

import inspect
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from types import FrameType, ModuleType
from typing import Any

from ..graph.records import COMPOSITES
from ..graph.tensor import Tensor
from ..graph.walking import readers_of, shown_inputs

_LONGEST_NAME = 60
_SPACES = "\n\r\t\u2028\u2029"
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def names_of(
    order: Sequence[Tensor],
    frame: FrameType | None = None,
    readers: Mapping[Tensor, Sequence[Tensor]] | None = None,
) -> dict[Tensor, str]:
    """Return the names of the nodes that have one.

    `order` is their topological order, `frame` the code that asks, and `readers` has the readers of each node where
    these are known already.
    """
    asked = variables_of(frame) if frame is not None else {}
    found: dict[Tensor, str] = {}
    for node in order:
        name = _visible(node.name) or asked.get(node)
        if name:
            found[node] = name
    readers = readers_of(order) if readers is None else readers
    for node in order:
        if node not in found and node.op is None and (name := first_operand(node, readers.get(node, ()))):
            found[node] = name
    for node in order:
        if node.op is not None and node in found and _rebound(node, found, readers):
            del found[node]
    return _told_apart({node: found[node] for node in order if node in found})


def literal_name(node: Tensor, position: int) -> str | None:
    """Return the name that the source has for a number among the operands, such as the m in ``loss / m``."""
    name = _operand_name(node, position)
    if name is None or name == node.name:  # as in J += loss, where J was the number 0
        return None
    # reciprocal(x) is 1 / x, and the source has x as its first operand
    return None if any(isinstance(x, Tensor) and x.name == name for x in node.inputs) else name


def scalars_of(order: Sequence[Tensor], taken: set[str]) -> dict[float, str]:
    """Return the numbers that have a name in the source, and m, the number of examples that a mean is taken over.

    A number that also stands in the graph without its name, by itself or as a reciprocal, is left out.
    """
    found: dict[float, str] = {}
    taken = set(taken)

    def name_it(value: float, name: str) -> None:
        if name not in taken and value not in found:
            found[value] = name
            taken.add(name)

    plain: set[float] = set()  # numbers that stand in the source without a name
    factors: dict[Tensor, set[float]] = {}  # the numbers by which a result is multiplied or divided at once
    for node in order:
        for i, x in enumerate(node.inputs):
            if isinstance(x, Tensor) or abs(x) in (0, 1, 2):
                continue
            if name := literal_name(node, i):
                name_it(x, name)
            elif _scales(node):
                of = _unsigned(node.inputs[1 - i])
                if node.shape == ():
                    factors.setdefault(of, set()).add(abs(x))
                else:
                    plain |= {abs(x), 1 / abs(x)}
            else:
                plain |= {abs(x), abs(x - 1), abs(x - 2)}
            if name and _scales(node):
                factors.setdefault(_unsigned(node.inputs[1 - i]), set()).add(abs(x))
    for node in order:
        kinds = ("reduction", "loss", "contraction") if node.shape == () else ("reduction", "loss")
        if node.op is None or node.op.kind not in kinds:
            continue
        counted = node.inputs[0]
        assert isinstance(counted, Tensor)
        lengths = [n for n in counted.shape if n != 1]
        if len(lengths) == 1 and lengths[0] > 2:
            (m,) = lengths
            divided = {k * n for k in (1, 2, 0.5) for n in (m, 1 / m)} & factors.get(node, set())
            if divided or averages(node):
                name_it(m, "m")
    return {
        value: name
        for value, name in found.items()
        if not {k * v for k in (1, 2, 0.5) for v in (abs(value), 1 / abs(value))} & plain
    }


def _scales(node: Tensor) -> bool:
    """Return whether a node is a product or a quotient, element by element."""
    return node.op is not None and (node.op.is_product or node.op.divisor == 1)


def averages(node: Tensor) -> bool:
    """Return whether a node is a mean, or a loss that takes the mean over its elements."""
    return node.op is not None and (node.op.averages or node.params.get("reduction") == "mean")


def _unsigned(x: Any) -> Any:
    """Return the operand of a sign."""
    while isinstance(x, Tensor) and x.op is not None and x.op.is_negation:
        x = x.inputs[0]
    return x


def clean(text: str) -> str:
    """Return text that is safe to show anywhere: not too long, without control, format and unassigned characters."""
    visible = "".join(
        " " if character in _SPACES else character
        for character in text
        if character in _SPACES or unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co", "Cn")
    )
    return visible if len(visible) <= _LONGEST_NAME else visible[: _LONGEST_NAME - 1] + "…"


def _visible(name: str | None) -> str | None:
    return name if name and clean(name).strip() else None


def variables_of(frame: FrameType) -> dict[Tensor, str]:
    """Return the names that a frame has for tensors: its variables, and their items and attributes one level deep."""
    return dict(_called(_variables(frame)))


def _variables(frame: FrameType) -> dict[str, Any]:
    snapshot = frame.f_locals
    variables = dict(snapshot)
    if sys.version_info < (3, 13) and frame.f_code.co_flags & inspect.CO_OPTIMIZED:
        # the snapshot lives as long as the frame, and would keep the graph alive until the function returns
        for name, value in variables.items():
            if isinstance(value, Tensor):
                del snapshot[name]
    return variables


def _called(variables: Mapping[str, Any]) -> Iterator[tuple[Tensor, str]]:
    """Yield the tensors with their names, the decisive name last."""
    inner: list[tuple[Tensor, str]] = []
    outer: list[tuple[Tensor, str]] = []
    for name, value in variables.items():
        if name.startswith("_") or not name.isidentifier():  # pytest stores parts of an assert as @py_assert1
            continue
        if isinstance(value, Tensor):
            outer.append((value, name))
            continue
        inside = value if isinstance(value, dict) else getattr(value, "__dict__", None)
        if isinstance(inside, dict) and not isinstance(value, ModuleType):
            for key, item in inside.items():
                if isinstance(item, Tensor) and isinstance(key, str) and key.isidentifier() and key[0] != "_":
                    inner.append((item, key))
    # of several names for one tensor the first stays; later entries of a dict overwrite, so the first comes last
    return iter([*reversed(inner), *reversed(outer)])


def first_operand(leaf: Tensor, readers: Sequence[Tensor]) -> str | None:
    """Return the name that the source has for a leaf where it is first used, or None."""
    for reader in readers[:1]:
        for i, x in enumerate(reader.inputs):
            if x is leaf:
                keyword = (
                    reader.op.forward.__code__.co_varnames[1 + i] if reader.op and not reader.op.variadic else None
                )
                return _operand_name(reader, i, keyword)
    return None


def _operand_name(node: Tensor, position: int, keyword: str | None = None) -> str | None:
    """Return the name that the source has for an operand, or None if it is not certain which operand that is.

    In a function that is composed of ops, such as layer_norm, the last op has other operands than the call.
    """
    if node.site.anonymous or node.op is None:
        return None
    name, count = node.site.call or ("", 0)
    if name in COMPOSITES and node.op.function != name and count != len(shown_inputs(node)):
        return None
    return node.site.operand(position, keyword)[1]


def _rebound(node: Tensor, found: Mapping[Tensor, str], readers: Mapping[Tensor, Sequence[Tensor]]) -> bool:
    """Return whether a node's only reader, in the same function, has taken over the node's name."""
    reading = readers.get(node, ())
    return (
        len(reading) == 1
        and node._name is None
        and found.get(reading[0]) == found[node]
        and reading[0].site.code is node.site.code
        and (reading[0].site.line != node.site.line or node.site.folds)
    )


def _told_apart(found: Mapping[Tensor, str]) -> dict[Tensor, str]:
    count = Counter(found.values())
    seen: Counter[str] = Counter()
    names = {}
    for node, name in found.items():
        numbered = name
        while count[name] > 1 and (numbered == name or numbered in count):
            seen[name] += 1
            numbered = name + str(seen[name]).translate(_SUBSCRIPTS)
        names[node] = numbered
    return names
