"""A node: what a graph records of one op or leaf, and the walk over all nodes that an output was computed from."""

from __future__ import annotations

from collections.abc import Container, Mapping
from operator import attrgetter
from types import MappingProxyType
from typing import Any, TypeAlias, TypeVar

from .recording import Nested
from .records import Op
from .sites import Site
from .teardown import Guarded

Literal: TypeAlias = bool | int | float
Params: TypeAlias = Mapping[str, Any]

LITERALS = frozenset({bool, int, float})
NO_PARAMS: Params = MappingProxyType({})


class Node(Guarded):
    """The recorded part of a tensor: its op, what the op read, and where that happened."""

    __slots__ = (
        "_args",  # the arrays and literals that the op read
        "_calls",  # of a variable: the calls in which it stands for an argument, or for another tensor
        "_name",
        "_requires_grad",
        "age",
        "inputs",
        "op",
        "params",
        "scope",
        "site",
    )

    _args: tuple[Any, ...]
    _calls: tuple[Nested | Node, ...]
    _name: str | None
    _requires_grad: bool
    age: int
    """The number of the node; each new node gets the next one."""
    inputs: tuple[Any, ...]
    """The operands: tensors, and Python numbers as the user wrote them."""
    op: Op | None
    """The record of the op that made this node, or None for a leaf."""
    params: Params
    """The static parameters of the op, such as ``axis``."""
    scope: tuple[str, ...]
    """The names of the `scope` blocks in which it was made, the outermost first."""
    site: Site
    """The place in the source where it was made."""

    @property
    def name(self) -> str | None:
        """The name from ``name=`` or from the assignment in the source, or None."""
        return self._name if self._name is not None else self.site.name

    @name.setter
    def name(self, name: str | None) -> None:
        if name is not None and not isinstance(name, str):
            raise TypeError(f"a tensor's name is a string, not {type(name).__name__}")
        self._name = name


N = TypeVar("N", bound=Node)


def toposort(*outputs: N, stop: Container[Any] = ()) -> list[N]:
    """Return `outputs` and all nodes that they were computed from, with inputs before their readers.

    The order is that in which they were made, so it is the same on every run. The inputs of the nodes in `stop` are
    left out.

    >>> import tinygraph as tg
    >>> x = tg.parameter(2.0)
    >>> [node.name for node in tg.toposort(x * x + 1)]
    ['x', None, None]
    """
    for output in outputs:
        if not isinstance(output, Node):
            raise TypeError(f"toposort takes tensors, one after the other, not {type(output).__name__}")
    seen: set[Any] = set(outputs)
    stack: list[Any] = [x for x in outputs if x not in stop]
    while stack:
        for x in stack.pop().inputs:
            if isinstance(x, Node) and x not in seen:
                seen.add(x)
                if x.op is not None and x not in stop:
                    stack.append(x)
    return sorted(seen, key=_age)


_age = attrgetter("age")


def origin(x: Node) -> str:
    """Return where a tensor came from: ``A1 = tanh(Z1), net.py:20``."""
    if x.op is None and x.site.anonymous:
        return "a plain array"
    text = x.site.text or (x.op.name if x.op is not None else "")
    made = f"{x.name} = {text}" if x.name and text else text
    return f"{made}, {x.site.where}" if made else x.site.where


def describe(x: Any) -> str:
    """Return the words for a tensor in a sentence: its name, or its op and inputs."""
    if not isinstance(x, Node):
        return repr(x)
    if x.name or x.op is None:
        return x.name or "a tensor"
    inputs = (y.name or "…" if isinstance(y, Node) else repr(y) for y in x.inputs)
    return f"{x.op.name}({', '.join(inputs)})"
