"""The view that a picture shows: a whole graph, folded where it is large, a scope, or the surroundings of a node."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping, Sequence
from functools import cache
from types import FrameType

from ..errors import ArgumentError
from ..graph.node import describe, toposort
from ..graph.tensor import Tensor
from ..graph.walking import shown_inputs
from ..reading import Reading, from_outside
from ..writing.names import clean
from ..writing.notation import Span, as_text, symbol, with_symbols
from .boxes import MOST_NODES, Drawing, Maker, drawing_of, equations_of, overview
from .fitting import MOST_BOXES, MOST_INSIDE, Fitting
from .folded import Folded
from .groups import Group, Item, Structure
from .titles import Titles
from .ways import Ways

_PLAIN = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_MOST_SUGGESTED = 6
_NEAREST = 3_000  # nodes of a graph that is too large to look at as a whole


def view(
    output: Tensor,
    frame: FrameType | None,
    detail: str = "names",
    convention: str = "lecture",
    depth: int | None = None,
    focus: Tensor | str | None = None,
    radius: int = 2,
) -> Drawing:
    """Return the drawing of the graph of `output`, folded where it is large, or of the surroundings of `focus`."""
    reading = Reading(toposort(output), frame, every_op=detail == "ops")
    found = _found(focus, reading) if focus is not None else None
    part = reading.order
    if isinstance(found, Tensor):
        part = _near(found, reading)
        reading = reading.part([*part, output] if part[-1] is not output else part)  # distant nodes play no part
    elif found is not None:
        part = _within(found, reading)
    if len(part) > MOST_NODES:
        return overview(reading)
    if found is None and depth is None and len(reading.shown) <= MOST_BOXES:
        return drawing_of(reading, convention)
    names, readers = reading.names, reading.readers
    structure = Structure(part, reading.part(part).readers, grouped=not isinstance(found, Tensor))
    first = [node for node in part if all(copy == 0 for _, copy in structure.chain(node))]
    boxed, symbols = with_symbols(first, names, reading.every_op, _across_borders(part, structure, readers))
    told = not structure.repeats and reading is reading.whole
    equations = equations_of(reading, convention) if told else (None, None)
    maker = Maker(reading, symbols, boxed, equations)
    ways = Ways(part, structure, readers, boxed, names)
    titles = Titles(structure, ways, symbols, names)
    box = cache(maker.box)
    fitting = Fitting(ways, titles, boxed, box)
    if isinstance(found, Tensor):
        centre = next(ways.owner[x] for x in (found, *readers.get(found, ())) if x in ways.owner)
        items: Sequence[Item] = ways.neighbourhood(centre, radius, MOST_INSIDE)
        what = as_text([Span("around "), *symbol(symbols[centre])])
    elif found is not None:
        items = fitting.fitting(_inside(found, structure.items), MOST_INSIDE)
        what = f"inside {clean('/'.join(found))}"
    else:
        count = sum(x.op is not None for x in reading.order)
        items, what = fitting.fitting(structure.items), f"{count:,} operations, folded"
    caption = f"{what}; {maker.caption}" if maker.caption else what
    folded = Folded(structure, maker, ways, titles, fitting, box)
    return folded.drawing(items, depth, MOST_BOXES if found is None else MOST_INSIDE, caption)


def _inside(scope: Sequence[str], items: Sequence[Item]) -> Sequence[Item]:
    """Return the items inside a scope, which is given with the scopes around it."""
    for name in scope:
        items = [x for item in items for x in (item.items if isinstance(item, Group) and item.name == name else [item])]
    return items


def _across_borders(
    part: Sequence[Tensor], structure: Structure, readers: Mapping[Tensor, Sequence[Tensor]]
) -> list[Tensor]:
    """Return the nodes that need a symbol: those read outside the group that makes them, inputs, and the last node."""
    within = set(part)
    found = {part[-1], structure.first(part[-1])}
    for x in part:
        if x.op is not None and any(
            reader not in within or structure.chain(reader) != structure.chain(x) for reader in readers.get(x, ())
        ):
            found |= {x, structure.first(x)}
    return sorted({*found, *from_outside(part)}, key=lambda x: x.age)


def _within(scope: tuple[str, ...], reading: Reading) -> list[Tensor]:
    """Return the nodes that were made in a scope, and the parameters that are read nowhere else."""
    made = {node for node in reading.order if node.scope[: len(scope)] == scope}
    own = {x for x in reading.parameters if made.issuperset(reading.readers.get(x, ()))}
    return [node for node in reading.order if node in made or node in own]


def _near(focus: Tensor, reading: Reading) -> Sequence[Tensor]:
    """Return the nodes that are nearest to one, or all of them where the graph can be looked at as a whole."""
    if len(reading.order) <= MOST_NODES:
        return reading.order
    found = dict.fromkeys([focus])
    queue = deque([focus])
    while queue and len(found) < _NEAREST:
        node = queue.popleft()
        around = [*(x for x in shown_inputs(node) if isinstance(x, Tensor)), *reading.readers.get(node, ())[:_NEAREST]]
        new = [x for x in dict.fromkeys(around) if x not in found]
        found |= dict.fromkeys(new)
        queue += new
    return sorted(found, key=lambda node: node.age)


def _found(focus: Tensor | str, reading: Reading) -> Tensor | tuple[str, ...]:
    """Return the node or the scope that `focus` names, or raise `ArgumentError`."""
    output, order, names = reading.output, reading.order, reading.names
    if isinstance(focus, Tensor):
        if focus not in set(order):
            raise ArgumentError(f"{describe(focus)} is not among the tensors that {describe(output)} was computed from")
        return focus
    wanted = focus.translate(_PLAIN)
    called = {name.translate(_PLAIN): node for node, name in names.items()}
    if wanted in called:
        return called[wanted]
    alike = [names[node] for node in names if re.sub("[₀-₉]+$", "", names[node]) == focus]
    if alike:
        raise ArgumentError(f"{len(alike)} tensors are called {focus}: {_listed(alike)}; say which one")
    scopes = {scope[: i + 1]: None for scope in dict.fromkeys(x.scope for x in order) for i in range(len(scope))}
    found = next((scope for scope in scopes if scope[-1] == focus or "/".join(scope) == focus), None)
    if found is None:
        tensors, parts = list(dict.fromkeys(names.values()))[::-1], list(dict.fromkeys(scope[-1] for scope in scopes))
        from difflib import get_close_matches  # here, since importing it is slow

        near = get_close_matches(focus, [*tensors, *parts], _MOST_SUGGESTED, 0.5) or [*tensors[:4], *parts[:4], "…"]
        raise ArgumentError(
            f"nothing in the graph of {describe(output)} is called {focus!r}; there are {_listed(near)}"
        )
    return found


def _listed(names: Sequence[str]) -> str:
    return ", ".join([*names[:_MOST_SUGGESTED], *(["…"] if len(names) > _MOST_SUGGESTED else [])])
