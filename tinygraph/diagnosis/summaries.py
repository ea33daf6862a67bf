"""A graph as a table: its operations, their parameters, the memory that they keep and the FLOPs that they take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from sys import _getframe
from typing import NamedTuple, TypeAlias, overload

import numpy as np

from ..errors import ArgumentError, Shape
from ..graph.node import toposort
from ..graph.tensor import Tensor
from ..reading import Reading
from ..writing.names import clean
from ..writing.notation import counted, on_a_line
from .flops import flops_of

# a longer table shows only its first and last rows
_FIRST = 40
_LAST = 20

Key: TypeAlias = Tensor | tuple[str, ...] | None
"""The subject of a row: a tensor, a scope, or None for all rows in the middle."""


class Row(NamedTuple):
    """The row of a tensor with all unnamed nodes that flow into it, or of a scope."""

    name: str
    scope: tuple[str, ...]
    """The scopes around it, outermost first."""
    operation: str
    """A formula if it fits on a line, or else the number of ops of each name."""
    shape: Shape | None
    """The shape of the tensor, or of the last one in the scope; None for the rows in the middle."""
    parameters: int
    """How many numbers are in the parameters that are first read here."""
    trainable: int
    """How many of these get a gradient."""
    nbytes: int
    """The memory of all values that are kept; memory that several values share is counted once."""
    forward_flops: int
    backward_flops: int


class Summary(Sequence[Row]):
    """The rows of a table, by position or by name, and their totals. It prints as the table."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = tuple(rows)

    @overload
    def __getitem__(self, key: int | str) -> Row: ...
    @overload
    def __getitem__(self, key: slice) -> Sequence[Row]: ...
    def __getitem__(self, key: int | str | slice) -> Row | Sequence[Row]:
        if not isinstance(key, str):
            return self._rows[key]
        found = [row for row in self._rows if row.name == key]
        if not found:
            raise KeyError(f"there is no row for {key}; there are {', '.join(row.name for row in self._rows)}")
        return found[0]

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def parameters(self) -> int:
        """How many numbers are in all parameters."""
        return self._total.parameters

    @property
    def trainable(self) -> int:
        """How many of these get a gradient."""
        return self._total.trainable

    @property
    def nbytes(self) -> int:
        """The memory of all values that the graph keeps."""
        return self._total.nbytes

    @property
    def forward_flops(self) -> int:
        """The floating-point operations that compute the output."""
        return self._total.forward_flops

    @property
    def backward_flops(self) -> int:
        """The floating-point operations of a backward from it."""
        return self._total.backward_flops

    @property
    def _total(self) -> Row:
        counts = [sum(column) for column in zip(*(row[4:] for row in self._rows), strict=True)]
        return Row("total", (), "", None, *counts)

    def __str__(self) -> str:
        heading = ("name", "operation", "shape", "parameters", "bytes", "FLOPs", "FLOPs backward")
        lines = [heading, *map(_cells, self._rows), _cells(self._total)]
        wide = [max(map(len, column)) for column in zip(*lines, strict=True)]
        table = ["   ".join(_aligned(cells, wide)).rstrip() for cells in lines]
        rule = "─" * max(map(len, table))
        idle = self.parameters - self.trainable
        notes = [f"no gradient comes back to {idle:,} of the parameters"] if idle else []
        return "\n".join([table[0], rule, *table[1:-1], rule, table[-1], *notes])

    __repr__ = __str__


def _cells(row: Row) -> tuple[str, ...]:
    shape = "" if row.shape is None else str(row.shape or "scalar")
    counts = (row.parameters, row.nbytes, row.forward_flops, row.backward_flops)
    return (" / ".join(map(clean, (*row.scope, row.name))), row.operation, shape, *(f"{count:,}" for count in counts))


def _aligned(cells: Sequence[str], wide: Sequence[int]) -> list[str]:
    """Return the cells padded to their widths, with text on the left and numbers on the right."""
    return [cell.ljust(n) if i < 3 else cell.rjust(n) for i, (cell, n) in enumerate(zip(cells, wide, strict=True))]


def summary(output: Tensor, *, depth: int | None = None) -> Summary:
    """Return the graph that `output` was computed from as a table, with a row for each named tensor, in forward order.

    An unnamed node belongs to the named tensor that it flows into, and a parameter to the first one that reads it. An
    unnamed node that is read outside its scope belongs to the scope. With `depth`, scopes at that level are one row
    each: with 1 the outermost ones. A table of more than sixty rows shows the first and the last, and one row for all
    others.

    A row has the operation, the shape, the number of parameters, the bytes of all values that the graph keeps, and the
    floating-point operations (FLOPs), forward and for a backward from `output`. An addition and a multiplication are
    one each, as is a function such as tanh of one number; ops that only move numbers take none. So the product of an
    (m, k) and a (k, n) matrix takes 2 m k n. Backward counts the ops of the gradient rules, which are none for inputs
    that require no gradient. `Summary` has the rows, each a named tuple, and the totals as attributes.

    Raise `ArgumentError` for a `depth` that is not a whole number from 1 on.

    >>> import numpy as np, tinygraph as tg
    >>> X, Y = tg.Tensor(np.ones((2, 400))), tg.Tensor(np.ones((1, 400)))
    >>> W1, b1 = tg.parameter(np.ones((4, 2))), tg.parameter(np.zeros((4, 1)))
    >>> W2, b2 = tg.parameter(np.ones((1, 4))), tg.parameter(np.zeros((1, 1)))
    >>> A1 = tg.tanh(W1 @ X + b1)
    >>> A2 = tg.sigmoid(W2 @ A1 + b2)
    >>> J = tg.log_loss(A2, Y)
    >>> tg.summary(J)
    name    operation         shape      parameters    bytes    FLOPs   FLOPs backward
    ──────────────────────────────────────────────────────────────────────────────────
    X       input             (2, 400)            0    6,400        0                0
    A1      tanh(W1 X + b1)   (4, 400)           12   38,496    9,600           12,800
    A2      σ(W2 A1 + b2)     (1, 400)            5    9,640    4,000            6,800
    Y       input             (1, 400)            0    3,200        0                0
    J       log loss(A2, Y)   scalar              0        8    3,600              801
    ──────────────────────────────────────────────────────────────────────────────────
    total                                        17   57,744   17,200           20,401
    >>> tg.summary(J)["A1"].parameters
    12
    """
    if not isinstance(output, Tensor):
        raise TypeError(f"summary shows the graph of a tensor, not of {type(output).__name__}")
    if depth is not None and (not isinstance(depth, int) or depth < 1):
        raise ArgumentError(f"depth is a number of nested scopes, from 1 on, not {depth!r}")
    reading = Reading(toposort(output), _getframe(1))
    order, names = reading.order, reading.names
    keys = _keys(reading, depth)
    members: dict[Key, list[Tensor]] = _shown(order, keys)
    for node in order:
        key = keys[node]
        members[key if key in members else None].append(node)
    flops, kept = flops_of(order), _kept(order)
    hidden = len(set(keys.values())) - len(members) + 1
    rows = []
    for key, nodes in members.items():
        parameters = [x for x in nodes if x.op is None and x.requires_grad]
        rows.append(
            Row(
                *_labels(key, nodes, names, hidden),
                parameters=sum(x.size for x in parameters),
                trainable=sum(x.size for x in parameters if flops[x].reached),
                nbytes=sum(kept[x] for x in nodes),
                forward_flops=sum(flops[x].forward for x in nodes),
                backward_flops=sum(flops[x].backward for x in nodes),
            )
        )
    return Summary(rows)


def _keys(reading: Reading, depth: int | None) -> dict[Tensor, Key]:
    """Return the row that each node belongs to."""
    keys: dict[Tensor, Key] = {}
    for node in reversed(reading.order):
        reader = next(iter(reading.readers.get(node, ())), None)
        is_parameter = node.op is None and node.requires_grad
        if depth is not None and len(node.scope) >= depth and not is_parameter:
            keys[node] = node.scope[:depth]
        elif reader is None or (node in reading.names and not is_parameter):
            keys[node] = node
        elif node.op is None or reader.scope[: len(node.scope)] == node.scope:
            keys[node] = keys[reader]
        else:
            keys[node] = node.scope
    return keys


def _shown(order: Sequence[Tensor], keys: Mapping[Tensor, Key]) -> dict[Key, list[Tensor]]:
    """Return the rows in forward order, still empty. An input comes right before its reader; the middle may be one."""
    found: dict[Key, None] = {}
    for node in order:
        if node.op is not None:
            found |= dict.fromkeys(
                keys[x] for x in node.inputs if isinstance(x, Tensor) and keys[x] is x and x.op is None
            )
            key = keys[node]
            if key is node or isinstance(key, tuple):
                found[key] = None
    found[keys[order[-1]]] = None
    rows: list[Key] = list(found)
    if len(rows) > _FIRST + _LAST:
        rows = [*rows[:_FIRST], None, *rows[-_LAST:]]
    return {row: [] for row in rows}


def _kept(order: Sequence[Tensor]) -> dict[Tensor, int]:
    """Return the bytes kept for each node and none before it: its value, and the arrays read from changed leaves."""
    seen: set[int] = set()
    kept = {}
    for node in order:
        kept[node] = 0
        for array in (node._seen, *node._args):
            if array is not node._seen and not isinstance(array, np.ndarray):
                continue
            owner = array
            while isinstance(owner.base, np.ndarray):
                owner = owner.base
            if id(owner) not in seen:
                seen.add(id(owner))
                kept[node] += min(array.nbytes, owner.nbytes)
    return kept


def _labels(
    key: Key, nodes: Sequence[Tensor], names: Mapping[Tensor, str], hidden: int
) -> tuple[str, tuple[str, ...], str, Shape | None]:
    """Return the name, scope, operation and shape of a row."""
    ops = counted(Counter(node.op.name for node in nodes if node.op is not None))
    if key is None:
        return f"… {hidden:,} more", (), ops, None
    if isinstance(key, tuple):
        return key[-1], key[:-1], ops, nodes[-1].shape
    name = names.get(key, "…")
    if key.op is None:
        return name, key.scope, "parameter" if key.requires_grad else "input", key.shape
    return name, key.scope, on_a_line(key, names) or ops, key.shape
