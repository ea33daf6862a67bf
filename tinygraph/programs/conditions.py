"""Conditions under which a value has changed, as source: one expression for each fact about a value."""

from __future__ import annotations

import sys
import weakref
from itertools import islice
from operator import is_
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

import numpy as np

from ..graph.tensor import Tensor
from .peeking import attributes, content, differs, is_a, lookup, sample


class Place(NamedTuple):
    """The place of a value: the source that reads it, and the name that a user has for it."""

    read: str
    label: str
    value: Any


class Conditions:
    """The conditions of one guard, and the values of the names in them."""

    def __init__(self) -> None:
        self.lines: dict[str, str] = {}
        """The conditions, with the names that a user has for the values."""
        self.variables: dict[str, Any] = {
            "differs": differs,
            "is_": is_,
            "sample": sample,
            "islice": islice,
            "tobytes": np.ndarray.tobytes,
            "attributes": attributes,
            "content": content,
            "lookup": lookup,
            "modules": sys.modules,
        }
        """The values of the names."""
        self.shells: dict[int, str] = {}
        """The variables of objects that were met, by id."""
        self.met: list[Any] = []
        """These objects, kept alive so that no id is used again."""
        self._constants: dict[int, str] = {}

    def fact(self, place: Place, condition: str) -> None:
        """Add the condition under which the value of a place has changed."""
        self.lines.setdefault(condition, place.label)

    def constant(self, value: Any) -> str:
        """Return a name for a value in the source of the guard."""
        name = self._constants.setdefault(id(value), f"k{len(self._constants)}")
        self.variables[name] = value
        return name

    def reference(self, value: Any) -> str:
        """Return the source of a reference to an object: a weak one, if possible, which does not keep it alive."""
        try:
            return f"{self.constant(weakref.ref(value))}()"
        except TypeError:
            return self.constant(value)

    def shell(self, place: Place) -> str:
        """Return the variable that holds the object of a place, and state that it is the same, or of the same type."""
        value = place.value
        known = self.shells.get(id(value))
        if known is not None:
            if known != place.read:
                self.fact(place, f"{place.read} is not {known}")
            return known
        if is_a(value, FunctionType | type | ModuleType):
            variable = self.constant(value)
            self.fact(place, f"{place.read} is not {variable}")
        elif is_a(value, Tensor) and value.op is None:
            variable = f"x{len(self.shells)}"
            self.fact(place, f"({variable} := {place.read}) is not {self.reference(value)}")
        else:
            variable = f"x{len(self.shells)}"
            self.fact(place, f"type({variable} := {place.read}) is not {self.constant(type(value))}")
        self.shells[id(value)] = variable
        self.met.append(value)
        return variable
