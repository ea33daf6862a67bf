"""Looks at values and classes that run no user code, exact equality, and the question where code comes from."""

from __future__ import annotations

import enum
import functools
import keyword
import os
import re
import sys
import types
from collections import deque
from dataclasses import fields, is_dataclass
from threading import local
from types import FunctionType
from typing import Any

import numpy as np

from ..graph.records import PACKAGE

SAMPLE = 1000
"""The approximate number of elements of a larger array or container that are compared."""
_ATOMS = {type(None), bool, int, float, complex, str, bytes, range, slice, type(Ellipsis), type(NotImplemented)}
SEQUENCES = (list, tuple, set, frozenset, deque)
# Types of the standard library that consist of their attributes.
_NAMESPACES = {("types", "SimpleNamespace"), ("argparse", "Namespace"), ("_thread", "_local")}
_NAMESPACES |= {("collections", name) for name in ("UserDict", "UserList", "UserString", "ChainMap")}
_LIBRARIES = tuple(os.path.dirname(path) + os.sep for path in (os.__file__, np.__file__, os.path.dirname(__file__)))
_PACKAGES = re.compile(r"[\\/](site|dist)-packages[\\/]")


def exact(value: Any) -> Any:
    """Return a key for an immutable value, by types and values at all depths.

    The keys of 1, 1.0 and True differ, and those of 0.0 and −0.0. That of NaN is equal to itself.

    >>> from tinygraph.programs.peeking import exact
    >>> exact((1, 0.0)) == exact((1, 0.0)), exact((1, 0.0)) == exact((1.0, 0.0)), exact(0.0) == exact(-0.0)
    (True, False, False)
    """
    kind = type(value)
    if is_a(value, float | complex) and not is_a(value, np.generic):
        return kind, repr(value)
    if is_a(value, np.generic):
        return kind, value.dtype, value.tobytes()
    if is_a(value, tuple):
        return kind, tuple(map(exact, value))
    if is_a(value, frozenset):
        return kind, frozenset(map(exact, value))
    if is_dataclass(kind) and kind.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        return kind, value, tuple(exact(getattr(value, part.name, None)) for part in fields(value) if part.compare)
    return kind, value


def differs(one: Any, other: Any) -> bool:
    """Return whether two values differ by `exact`."""
    return one is not other and (type(one) is not type(other) or exact(one) != exact(other))


def is_a(value: Any, kinds: Any) -> bool:
    """Return whether a value is of a class. ``isinstance`` also asks the value, which may run user code."""
    return issubclass(type(value), kinds)


def name_of(value: Any) -> str:
    """Return the name of a function or class, or of the class of another value."""
    named = is_a(value, FunctionType | type)
    return str(value.__name__ if named else type(value).__name__)


def is_special(name: str) -> bool:
    """Return whether a name is that of a special method, such as ``__call__``."""
    return name.startswith("__") and name.endswith("__")


def function_of(raw: Any) -> FunctionType | None:
    """Return the function that an entry of a class calls, or None."""
    if is_a(raw, property):
        raw = raw.fget
    elif is_a(raw, functools.cached_property | functools.partialmethod):
        raw = raw.func
    elif is_a(raw, staticmethod | classmethod):
        raw = raw.__func__
    return raw if is_a(raw, FunctionType) else None


def is_atom(value: Any, depth: int = 3) -> bool:
    """Return whether a value is immutable and has no parts that could change."""
    if type(value) is tuple:
        return depth > 0 and len(value) <= SAMPLE and all(is_atom(x, depth - 1) for x in value)
    return type(value) in _ATOMS or is_a(value, (enum.Enum, np.generic, np.dtype))


def content(cell: types.CellType) -> Any:
    """Return the value of a variable in a closure, or the cell itself while it has none."""
    try:
        return cell.cell_contents
    except ValueError:
        return cell


def attributes(value: Any) -> dict[str, Any]:
    """Return an object's own attributes, without asking its class, which may intercept the access."""
    try:
        held = value.__dict__ if type(value) is local else object.__getattribute__(value, "__dict__")
    except AttributeError:
        return {}
    return held if is_a(held, dict) else {}


def is_simple(kind: type) -> bool:
    """Return whether asking an object of a class for an attribute runs no user code."""
    found = lookup(kind, "__getattribute__")
    return is_a(found, types.WrapperDescriptorType) and lookup(kind, "__getattr__") is None


def is_written(name: str) -> bool:
    """Return whether a name can be written after a dot."""
    return name.isidentifier() and not keyword.iskeyword(name)


def lookup(kind: type, name: str) -> Any:
    """Return the entry of a class under a name, as it stands in its body or a base's, or None if there is none."""
    return next((vars(c)[name] for c in kind.__mro__ if name in vars(c)), None)


def has_own_memory(kind: type) -> bool:
    """Return whether a class is built-in and keeps state outside attributes."""
    known = kind is object or issubclass(kind, (dict, *SEQUENCES, types.SimpleNamespace))
    return not _is_made_by_a_statement(kind) and not known


def _is_made_by_a_statement(kind: type) -> bool:
    return bool(kind.__flags__ & 1 << 9)  # Py_TPFLAGS_HEAPTYPE


def sample(array: np.ndarray[Any, Any]) -> bytes:
    """Return the bytes of about a thousand elements. The step is odd, so that they do not all lie in one column."""
    row: Any = array.ravel("K") if array.flags.forc else array.flat  # ravel is faster, but would copy other arrays
    return row[:: array.size // SAMPLE | 1].tobytes()  # type: ignore[no-any-return]


def is_library(file: Any, module: str | None) -> bool:
    """Return whether code comes from an installed package, the standard library or this package."""
    if not is_a(file, str):
        return module is not None and module.partition(".")[0] in sys.stdlib_module_names
    return file.startswith((*_LIBRARIES, "<frozen ")) or _PACKAGES.search(file) is not None


def is_library_class(kind: type) -> bool:
    """Return whether a class comes from a library, and has more than attributes."""
    if kind.__module__ == "builtins":  # code that runs without a module puts its classes there, too
        return not _is_made_by_a_statement(kind)
    module = sys.modules.get(kind.__module__)
    file = attributes(module).get("__file__")
    return is_library(file, kind.__module__) and not is_namespace(kind)


def is_library_module(module: Any) -> bool:
    """Return whether a module comes from a library."""
    held = attributes(module)
    return is_library(held.get("__file__"), str(held.get("__name__")))


def is_namespace(kind: type) -> bool:
    """Return whether a class of the standard library consists of its attributes."""
    return (kind.__module__, kind.__name__) in _NAMESPACES


def is_standard(kind: type) -> bool:
    """Return whether a class is of the standard library, NumPy or this package, so that its objects are left alone."""
    return kind.__module__.partition(".")[0] in {*sys.stdlib_module_names, "numpy", PACKAGE}
