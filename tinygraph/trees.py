"""Nested dicts, lists and tuples of arrays: taken apart into leaves, and put together again."""

from __future__ import annotations

import itertools
from collections import OrderedDict, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import is_dataclass
from typing import Any, NamedTuple

from .errors import ArgumentError

DEEPEST = 100
"""How deep containers may be nested."""


class Structure(NamedTuple):
    """The nesting of leaves. `kind` is None for a leaf; a dict keeps its keys, and a defaultdict its `factory`."""

    kind: type | None
    keys: tuple[Any, ...] = ()
    children: tuple[Structure, ...] = ()
    factory: Any = None

    @property
    def size(self) -> int:
        """The number of leaves."""
        return 1 if self.kind is None else sum(child.size for child in self.children)

    def paths(self, prefix: str = "") -> Iterator[str]:
        """Yield the path to each leaf, as it is written in Python: ``['W'][0]``.

        >>> from tinygraph.trees import flatten
        >>> list(flatten({"W": [1.0, 2.0]})[1].paths())
        ["['W'][0]", "['W'][1]"]
        """
        if self.kind is None:
            yield prefix
        for key, child in zip(self.keys or itertools.count(), self.children):  # noqa: B905  (there are no more keys)
            yield from child.paths(f"{prefix}[{key!r}]")


LEAF = Structure(None)
NOTHING = Structure(type(None))
_PLAIN = {dict, list, tuple}


def flatten(tree: Any) -> tuple[list[Any], Structure]:
    """Return the leaves in order, and the structure in which they were nested. None is an empty node.

    Instances of subclasses of dict, list and tuple keep their class. Raise `ArgumentError` for those that have
    attributes beside their entries, and for containers that contain themselves or are nested more than 100 deep.

    >>> from tinygraph.trees import flatten, unflatten
    >>> leaves, structure = flatten({"W": 1.0, "rest": [2.0, (3.0,)]})
    >>> leaves
    [1.0, 2.0, 3.0]
    >>> unflatten(structure, [leaf * 10 for leaf in leaves])
    {'W': 10.0, 'rest': [20.0, (30.0,)]}
    """
    leaves: list[Any] = []
    return leaves, _taken_apart(tree, leaves, 0)


def _taken_apart(tree: Any, leaves: list[Any], depth: int) -> Structure:
    if tree is None:
        return NOTHING
    kind, factory = type(tree), None
    if kind not in _PLAIN:
        if not isinstance(tree, (dict, list, tuple)):
            leaves.append(tree)
            return LEAF
        if getattr(tree, "__dict__", None):
            raise ArgumentError(
                f"a {kind.__name__} has attributes beside its entries ({', '.join(vars(tree))}), which a result would"
                f" lack; give it as a plain {'dict' if isinstance(tree, dict) else 'list'}"
            )
        factory = getattr(tree, "default_factory", None)
    if depth == DEEPEST:
        raise ArgumentError(f"containers are nested more than {DEEPEST} deep, or contain themselves; nest them less")
    if isinstance(tree, dict):
        children = [_taken_apart(child, leaves, depth + 1) for child in tree.values()]
        return Structure(kind, tuple(tree), tuple(children), factory)
    return Structure(kind, (), tuple([_taken_apart(child, leaves, depth + 1) for child in tree]))


def instead(x: Any) -> str:
    """Return a hint at what to pass instead of an object that does not count as a container of arrays, or ""."""
    name = type(x).__name__
    if isinstance(x, type):
        return ""
    if is_dataclass(x) or hasattr(type(x), "__attrs_attrs__"):
        return f"; a {name} is not a dict: give vars(x)"
    if isinstance(x, Mapping):
        return f"; a {name} is not a dict: give dict(x)"
    if isinstance(x, (Iterator, set, frozenset)):
        return f"; a {name} is not a list: give list(x)"
    return ""


def matched(tree: Any, structure: Structure, what: str, optional: bool = False) -> list[Any]:
    """Return the leaves of a tree that must be nested like `structure`, in the order of `structure`.

    The keys of a dict may come in any order, and a list may stand for a tuple. With `optional`, None may stand for a
    leaf. Raise `ArgumentError` if the tree is nested otherwise; the message calls the tree `what`.
    """
    leaves: list[Any] = []
    _match(tree, structure, what, optional, leaves)
    return leaves


def _match(tree: Any, structure: Structure, what: str, optional: bool, leaves: list[Any]) -> None:
    kind = structure.kind
    if kind is None:
        if (tree is None and not optional) or isinstance(tree, dict | tuple):
            raise ArgumentError(f"{what} is {_told(tree)} where an array is due")
        leaves.append(tree)  # a list of numbers is a leaf too
        return
    if kind is type(None):
        if tree is not None:
            raise ArgumentError(f"{what} is {_told(tree)} where None is due")
        return
    if structure.keys or issubclass(kind, dict):
        if not isinstance(tree, dict) or tree.keys() != set(structure.keys):
            keys = ", ".join(map(repr, structure.keys))
            raise ArgumentError(f"{what} is {_told(tree)} where a dict with the keys {keys} is due")
        items = [(key, tree[key]) for key in structure.keys]
    else:
        if not isinstance(tree, list | tuple) or len(tree) != len(structure.children):
            due = f"a {kind.__name__} of {len(structure.children)}"
            raise ArgumentError(f"{what} is {_told(tree)} where {due} is due")
        items = list(enumerate(tree))
    for (key, child), inner in zip(items, structure.children, strict=True):
        _match(child, inner, f"{what}[{key!r}]", optional, leaves)


def _told(tree: Any) -> str:
    if isinstance(tree, dict):
        return f"a dict with the keys {', '.join(map(repr, tree))}"
    if isinstance(tree, list | tuple):
        return f"a {type(tree).__name__} of {len(tree)}"
    return "None" if tree is None else f"of type {type(tree).__name__}"


def unflatten(structure: Structure, leaves: Sequence[Any]) -> Any:
    """Return the tree that has this structure and these leaves."""
    return _put_together(structure, iter(leaves))


def _put_together(structure: Structure, leaves: Iterator[Any]) -> Any:
    kind = structure.kind
    if kind is None:
        return next(leaves)
    if kind is type(None):
        return None
    children = [_put_together(child, leaves) for child in structure.children]
    if kind is dict:
        return dict(zip(structure.keys, children, strict=True))
    if kind is list:
        return children
    if issubclass(kind, tuple):
        return tuple.__new__(kind, children)
    # do not call the constructors of subclasses: they may need other arguments, or have side effects
    made: Any = kind.__new__(kind)
    if issubclass(kind, list):
        list.extend(made, children)
        return made
    fill = OrderedDict.__setitem__ if issubclass(kind, OrderedDict) else dict.__setitem__
    for key, child in zip(structure.keys, children, strict=True):
        fill(made, key, child)
    if issubclass(kind, defaultdict):
        made.default_factory = structure.factory
    return made
