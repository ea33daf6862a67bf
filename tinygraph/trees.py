"""Nested dicts, lists and tuples of arrays: taken apart into leaves, and put together again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple


class Structure(NamedTuple):
    """How leaves were nested. `kind` is None for a leaf; a dict keeps its keys."""

    kind: type | None
    keys: tuple[Any, ...] = ()
    children: tuple[Structure, ...] = ()


LEAF = Structure(None)


def flatten(tree: Any) -> tuple[list[Any], Structure]:
    """The leaves in order, and how they were nested. None is an empty node.

    >>> from tinygraph.trees import flatten, unflatten
    >>> leaves, structure = flatten({"W": 1.0, "rest": [2.0, (3.0,)]})
    >>> leaves
    [1.0, 2.0, 3.0]
    >>> unflatten(structure, [leaf * 10 for leaf in leaves])
    {'W': 10.0, 'rest': [20.0, (30.0,)]}
    """
    leaves: list[Any] = []
    return leaves, _taken_apart(tree, leaves)


def _taken_apart(tree: Any, leaves: list[Any]) -> Structure:
    if tree is None:
        return Structure(type(None))
    if isinstance(tree, dict):
        return Structure(type(tree), tuple(tree), tuple(_taken_apart(child, leaves) for child in tree.values()))
    if isinstance(tree, (list, tuple)):
        return Structure(type(tree), (), tuple(_taken_apart(child, leaves) for child in tree))
    leaves.append(tree)
    return LEAF


def unflatten(structure: Structure, leaves: Sequence[Any]) -> Any:
    """The tree of this structure with these leaves."""
    return _put_together(structure, iter(leaves))


def _put_together(structure: Structure, leaves: Iterator[Any]) -> Any:
    kind = structure.kind
    if kind is None:
        return next(leaves)
    if kind is type(None):
        return None
    children = [_put_together(child, leaves) for child in structure.children]
    if issubclass(kind, dict):
        return kind(zip(structure.keys, children, strict=True))
    make: Any = kind
    return make(*children) if hasattr(kind, "_fields") else make(children)
