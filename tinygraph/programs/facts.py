"""The values that a function reads from outside, and the facts about them that have to stay the same."""

from __future__ import annotations

import enum
import functools
import sys
import types
import weakref
from collections import OrderedDict, deque
from collections.abc import Callable, ItemsView, Iterable, KeysView, Mapping, Sequence, ValuesView
from contextvars import ContextVar
from dataclasses import is_dataclass
from itertools import islice
from operator import attrgetter, methodcaller
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from ..graph.records import Op
from ..graph.tensor import Tensor
from .bytecode import DYNAMIC, ORDER, Reads, Step, accesses_of
from .conditions import Conditions, Place
from .peeking import (
    SAMPLE,
    SEQUENCES,
    attributes,
    content,
    function_of,
    has_own_memory,
    is_a,
    is_atom,
    is_library,
    is_library_class,
    is_library_module,
    is_namespace,
    is_simple,
    is_special,
    is_standard,
    is_written,
    lookup,
    name_of,
    sample,
)

LARGEST = 1 << 16
"""The most bytes of an array, or of a container's entries, that are compared in full. Larger ones are sampled."""
_FEW = 16
_CODE = (FunctionType, type, ModuleType)
MOST = 1000
"""The most facts of a guard, of which those nearest to the function come first."""
# Special methods that the syntax of expressions does not call on an existing object.
_MAKING = {"__del__", "__init__", "__new__", "__post_init__", "__reduce__", "__repr__", "__setstate__", "__str__"}
_OF_DATACLASSES = {"__eq__", "__hash__", "__replace__", *ORDER}
_STEPS_OF_ARRAYS = {"dtype", "itemsize", "nbytes", "ndim", "shape", "size"}


class Facts:
    """A walk over the values that a function can reach, nearest first, which adds their facts to `conditions`.

    `before` holds the names that the code was found to read by an earlier walk; `reads` also those of this walk.
    """

    def __init__(self, conditions: Conditions, before: Reads) -> None:
        self.before = before
        self.reads = Reads(set(before.names), set(before.strings))
        self.conditions = conditions
        self._fact, self._shell = conditions.fact, conditions.shell
        self._constant, self._reference = conditions.constant, conditions.reference
        self._done: set[int] = set()
        self._names: dict[type, set[str]] = {}
        self._open: dict[type, bool] = {}
        self._queue: deque[tuple[Place, tuple[Step, ...]]] = deque()

    def collect(self, function: Callable[..., Any], static: Mapping[str, Any]) -> None:
        """Add the facts about a function and its static arguments."""
        for i, (name, value) in enumerate(static.items()):
            self._read(Place(f"static{i}", name, value))
        self._follow(function)
        while self._queue and len(self.conditions.lines) < MOST:
            place, steps = self._queue.popleft()
            for step in steps:
                child = self._child(place, step)
                if child is None:
                    break
                place = child
            self._state(place)

    def _read(self, place: Place, steps: tuple[Step, ...] = ()) -> None:
        self._queue.append((place, steps))

    # -- values ------------------------------------------------------------------------------------------------

    def _state(self, place: Place) -> None:
        """State everything that matters about a value, wherever it is passed on to."""
        value, kind = place.value, type(place.value)
        if is_atom(value):
            kept = self._constant(value)
            self._fact(place, f"{place.read} is not {kept} and differs({place.read}, {kept})")
            if is_a(value, enum.Enum):
                self._member(Place(kept, place.label, value))
            return
        variable = self._shell(place)
        if id(value) in self._done:
            return
        self._done.add(id(value))
        place = place._replace(read=variable)
        if is_a(value, FunctionType):
            self._function(value)
            if self.before.reflective and not is_library(value.__code__.co_filename, value.__module__):
                self._held(place, vars(value))
        elif is_a(value, type):
            self._class(value, variable, instance=False)
        elif is_a(value, ModuleType):
            if not is_library_module(value):
                self._held(place, vars(value))
        elif is_a(value, MethodType):
            self._parts(place, ("__func__", "__self__"))
        elif is_a(value, functools.partial):
            self._parts(place, ("func", "args", "keywords"))
        elif is_a(value, Tensor):
            self._tensor(place, value)
        elif is_a(value, np.ndarray):
            self._array(place, value)
        elif is_a(value, KeysView | ValuesView | ItemsView) and hasattr(kind, "mapping"):
            self._parts(place, ("mapping",))
        elif is_a(value, ContextVar):
            self._fact(place, f"{variable} is not {self._constant(value)}")
            self._read(Place(f"{variable}.get(None)", place.label, value.get(None)))
        elif is_a(value, weakref.ref):
            self._fact(place, f"{variable} is not {self._constant(value)}")
            self._read(Place(f"{variable}()", place.label, value()))
        elif is_a(value, bytearray | memoryview) or (kind.__module__, kind.__name__) == ("array", "array"):
            self._fact(place, f"bytes({variable}) != {self._constant(bytes(value))}")
        elif is_a(value, BuiltinFunctionType):
            self._fact(place, f"{variable} is not {self._constant(value)}")
            self.reads.names.add(value.__name__)  # the code may call it by another name
            if not is_a(value.__self__, ModuleType | type | None):
                self._parts(place, ("__self__",))
        elif is_a(value, (dict, types.MappingProxyType)):
            self._mapping(place, value)
            self._object(place, value)
        elif is_a(value, SEQUENCES):
            self._sequence(place, value, next(base for base in SEQUENCES if is_a(value, base)))
            self._object(place, value)
        else:
            self._object(place, value)

    def _member(self, place: Place) -> None:
        """State the attributes of a member of an enumeration, and what the methods of its class read."""
        value = place.value
        if id(value) in self._done:
            return
        self._done.add(id(value))
        self.conditions.met.append(value)
        self._class(type(value), self._constant(type(value)), instance=True)
        for name in sorted(attributes(value).keys() & {*self.before.names, "_value_"}):
            self._read(Place(f"attributes({place.read})[{name!r}]", f"{place.label}.{name}", attributes(value)[name]))

    def _held(self, place: Place, held: Mapping[str, Any]) -> None:
        """State the attributes of a module, or of a function, that the names in the code may read."""
        wanted = {*self.before.names, "__getattr__"} & held.keys()
        if self.before.reflective:
            wanted |= {name for name, part in held.items() if not (is_special(name) or is_a(part, _CODE))}
            self._missing(place, held, f"vars({place.read})")
        for name in sorted(wanted):
            self._read(Place(f"vars({place.read})[{name!r}]", f"{place.label}.{name}", held[name]))

    def _missing(self, place: Place, held: Mapping[str, Any], source: str, kind: type | None = None) -> None:
        """State that attributes that a string may name are still missing, also in the class."""
        for name in sorted(self.before.strings - held.keys()):
            if name.isidentifier() and (kind is None or lookup(kind, name) is None):
                inherited = "" if kind is None else f" or lookup({self._constant(kind)}, {name!r}) is not None"
                self._fact(place._replace(label=f"{place.label}.{name}"), f"{name!r} in {source}{inherited}")

    def _array(self, place: Place, value: np.ndarray[Any, Any]) -> None:
        variable = place.read
        if type(value) is not np.ndarray:
            self._class(type(value), self._constant(type(value)), instance=True)
            for name in sorted(self._names_of(type(value)) & self.before.names):
                if (child := self._attribute(place, name)) is not None:
                    self._read(child)
            if is_a(value, np.ma.MaskedArray):
                self._parts(place, ("_mask",))
        if value.dtype == object:
            for i, entry in enumerate(islice(value.flat, MOST)):
                self._read(Place(f"{variable}.flat[{i}]", f"{place.label}.flat[{i}]", entry))
        self._fact(place, f"{variable}.shape != {value.shape}")
        self._fact(place, f"{variable}.dtype is not {self._constant(value.dtype)}")
        if value.nbytes <= LARGEST:
            read = f"{variable}.tobytes()" if type(value) is np.ndarray else f"tobytes({variable})"
            self._fact(place, f"{read} != {self._constant(np.ndarray.tobytes(value))}")
        else:
            self._fact(place, f"{variable} is not {self._reference(value)}")
            self._fact(place, f"sample({variable}) != {self._constant(sample(value))}")

    def _tensor(self, place: Place, value: Tensor) -> None:
        """State the parts of a leaf that, unlike its data, are not read at each call."""
        if value.op is None:
            self._fact(place, f"{place.read}._requires_grad is not {value.requires_grad}")
            if "grad" in self.before.names:
                self._parts(place, ("grad",))

    def _sequence(self, place: Place, value: Any, base: Any) -> None:
        """State that the entries are the same, in their order, as the methods of `base` read them."""
        read, plain = place.read, type(value) is base
        entries = read if plain else f"{self._constant(base.__iter__)}({read})"
        held = [*base.__iter__(value)]
        self._fact(place, f"{'len' if plain else self._constant(base.__len__)}({read}) != {len(held)}")
        if all(map(is_atom, held)):
            self._entries(place, entries, held)
        elif base in (set, frozenset):
            self._entries(place, entries, held)
            for entry in held:
                self._read(Place(self._constant(entry), place.label, entry))
        else:
            for i, entry in enumerate(held[:MOST]):
                at = f"{read}[{i}]" if plain else f"{self._constant(base.__getitem__)}({read}, {i})"
                self._read(Place(at, f"{place.label}[{i}]", entry))

    def _entries(self, place: Place, read: str, entries: Sequence[Any]) -> None:
        """State that entries without parts are the same, in their order."""
        step = len(entries) // SAMPLE if 8 * len(entries) > LARGEST else 1
        kept = self._constant(tuple(entries[::step]))
        sample = f"islice({read}, 0, None, {step})" if step > 1 else read
        self._fact(place, f"not all(map(is_, {sample}, {kept})) and differs(tuple({sample}), {kept})")

    def _mapping(self, place: Place, value: Any) -> None:
        """State that keys and values are the same, in their order."""
        read, base = place.read, dict if is_a(value, dict) else type(value)
        plain = type(value) in (base, OrderedDict)
        held = [*(value.items() if plain else dict.items(value))]
        keys, values = [key for key, _ in held], [entry for _, entry in held]
        self._fact(place, f"{'len' if plain else self._constant(dict.__len__)}({read}) != {len(held)}")
        self._entries(place, read if plain else f"{self._constant(dict.keys)}({read})", keys)
        if all(map(is_atom, values)) and len(held) > _FEW:
            self._entries(place, f"{read}.values()" if plain else f"{self._constant(dict.values)}({read})", values)
            return
        for i, (key, entry) in enumerate(held[:MOST]):
            simple = type(key) in (str, int)
            index = repr(key) if simple else self._constant(key)
            at = f"{read}[{index}]" if plain else f"{self._constant(dict.get)}({read}, {index})"
            self._read(Place(at, f"{place.label}[{key!r}]" if simple else f"{place.label}[key {i}]", entry))

    def _parts(self, place: Place, names: Iterable[str]) -> None:
        """State attributes of an object of a built-in type, which are always plain values."""
        for name in names:
            shown = place.label if name.startswith("__") else f"{place.label}.{name}"
            self._read(Place(f"{place.read}.{name}", shown, getattr(place.value, name)))

    def _object(self, place: Place, value: Any) -> None:
        """State the attributes of an object, and that it is the same one if it has state elsewhere."""
        kind, read = type(value), place.read
        held = attributes(value)
        if "__wrapped__" in held:  # by functools.wraps or lru_cache, or a program of ours
            self._follow(held["__wrapped__"])
        if is_a(value, attrgetter | methodcaller):
            self.reads.names |= {part for name in value.__reduce__()[1] for part in str(name).split(".")}
        library = is_library_class(kind)
        container = is_a(value, (dict, types.MappingProxyType, *SEQUENCES))
        if not container and (library or any(map(has_own_memory, kind.__mro__))):
            self._fact(place, f"{read} is not {self._reference(value)}")
        if library and is_standard(kind):
            if kind.__module__.partition(".")[0] == "numpy" and is_simple(kind):  # as np.poly1d, np.vectorize
                for name, part in held.items():
                    self._read(Place(f"attributes({read})[{name!r}]", f"{place.label}.{name}", part))
            return
        self._class(kind, self._constant(kind), instance=True)
        names = self._names_of(kind)
        every = self._is_open(kind)
        if lookup(kind, "__dict__") is not None and (every or lookup(kind, "__getattr__") is not None):
            self._fact(place, f"len(attributes({read})) != {len(held)}")
        wanted = held.keys() | names if every else (held.keys() | names) & self.before.names
        if self.before.reflective:
            self._missing(place, held, f"attributes({read})", kind)
        for name in sorted(wanted):
            child = self._attribute(place, name)
            if child is not None:
                self._read(child)

    def _names_of(self, kind: type) -> set[str]:
        """Return the names that a class of the user's gives its objects, without those that begin with ``__``."""
        if kind not in self._names:
            found = {name for c in kind.__mro__ if not is_library_class(c) for name in vars(c)}
            self._names[kind] = {name for name in found if not name.startswith("__")}
        return self._names[kind]

    def _is_open(self, kind: type) -> bool:
        """Return whether any attribute of an object may be read: by a function like vars, or by a library's method."""
        if kind not in self._open:
            found = [lookup(kind, name) for name in [*self.before.names, "__getattr__"]]
            theirs = [x for x in found if is_a(x, FunctionType) and is_library(x.__code__.co_filename, "")]
            self._open[kind] = self.before.reflective or is_namespace(kind) or bool(theirs)
        return self._open[kind]

    def _attribute(self, place: Place, name: str) -> Place | None:
        """Return the place of an attribute of an object if it is a plain value or a method, or else None."""
        value, kind = place.value, type(place.value)
        held, raw = attributes(value), lookup(kind, name)
        label, simple = f"{place.label}.{name}", is_simple(kind) and is_written(name)
        if is_a(raw, types.MemberDescriptorType):
            try:
                return Place(f"{place.read}.{name}", label, raw.__get__(value, kind)) if simple else None
            except AttributeError:  # not set
                return None
        if name in held and not hasattr(type(raw), "__set__"):
            read = f"{place.read}.{name}" if simple else f"attributes({place.read})[{name!r}]"
            return Place(read, label, held[name])
        if not simple or raw is None:
            return None
        if is_a(raw, FunctionType):
            return Place(f"{place.read}.{name}.__func__", label, raw)
        if not hasattr(type(raw), "__get__"):
            return Place(f"{place.read}.{name}", label, raw)
        return None

    def _child(self, place: Place, step: Step) -> Place | None:
        """Return the place of a part of a value that code reads, or None if only user code or a method could tell."""
        value, (how, key) = place.value, step
        if how == "[]":
            if type(value) is dict:
                there = key in value
            else:
                there = type(value) in (list, tuple) and type(key) is int and -len(value) <= key < len(value)
            if not there:
                return None
            return Place(f"{self._shell(place)}[{key!r}]", f"{place.label}[{key!r}]", value[key])
        label = f"{place.label}.{key}"
        if type(value) is np.ndarray:
            known = key in _STEPS_OF_ARRAYS
            return Place(f"{self._shell(place)}.{key}", label, getattr(value, key)) if known else None
        if is_a(value, ModuleType | FunctionType):
            library = is_a(value, ModuleType) and is_library_module(value)
            if library or key in vars(value):
                return None if library else Place(f"{self._shell(place)}.{key}", label, vars(value)[key])
            if not hasattr(type(value), key):
                self._fact(Place("", label, None), f"{key!r} in vars({self._shell(place)})")
            return None
        if is_a(value, type):
            raw = lookup(value, key)
            if raw is None and is_simple(type(value)) and not is_library_class(value) and not hasattr(value, key):
                self._fact(Place("", label, None), f"lookup({self._shell(place)}, {key!r}) is not None")
            if type(value) is not type or is_library_class(value) or raw is None or hasattr(type(raw), "__get__"):
                return None
            return Place(f"{self._shell(place)}.{key}", label, raw)
        if is_a(value, (Tensor, MethodType, BuiltinFunctionType)) or is_atom(value):
            return None
        if is_a(lookup(type(value), key), FunctionType):
            return None
        if is_library_class(type(value)) and key not in attributes(value):
            return None
        place = place._replace(read=self._shell(place))
        if lookup(type(value), key) is None and key not in attributes(value):
            absent = f"lookup(type({place.read}), {key!r}) is None and {key!r} not in attributes({place.read})"
            self._fact(place._replace(label=label), f"not ({absent})")
        return self._attribute(place, key)

    # -- code --------------------------------------------------------------------------------------------------

    def _follow(self, value: Any) -> None:
        """Add the facts about an object that cannot be replaced in its place."""
        if is_a(value, Op):
            for function in (value.forward, value.run, *value.vjps):
                self._follow(function)
        elif type(value) in (dict, list, tuple):
            for part in islice(value.values() if is_a(value, dict) else value, SAMPLE):
                if is_a(part, FunctionType):  # as by singledispatch
                    self._follow(part)
        elif callable(value) and not is_a(value, BuiltinFunctionType) and id(value) not in self.conditions.shells:
            self.conditions.shells[id(value)] = name = self._constant(value)
            self.conditions.met.append(value)
            self._read(Place(name, name_of(value), value))

    def _function(self, function: FunctionType) -> None:
        code, cells = function.__code__, function.__closure__ or ()
        if is_library(code.co_filename, function.__module__):
            for item in [*cells, *vars(function).values()]:
                self._follow(content(item) if is_a(item, types.CellType) else item)
            return
        name, source = name_of(function), self._constant(function)
        self._fact(Place("", name, None), f"{source}.__code__ is not {self._constant(code)}")
        if function.__defaults__:
            self._read(Place(f"{source}.__defaults__", f"a default of {name}", function.__defaults__))
        if function.__kwdefaults__:
            self._read(Place(f"{source}.__kwdefaults__", f"the defaults of {name}", function.__kwdefaults__))
        accesses, names, strings = accesses_of(code, frozenset(code.co_freevars))
        self.reads.names |= names
        self.reads.strings |= strings
        if self.reads.reflective:
            self.reads.names |= {text for text in self.reads.strings if text.isidentifier()}
        known = dict(zip(code.co_freevars, cells, strict=True))
        for scope, name, steps in accesses:
            if scope == "cell":
                cell = known[name]
                if content(cell) is not cell:
                    self._read(Place(f"{self._constant(cell)}.cell_contents", name, content(cell)), steps)
                else:
                    kept = self._constant(cell)
                    self._fact(Place("", name, None), f"content({kept}) is not {kept}")
            elif scope == "global":
                self._global(function.__globals__, name, steps)
            else:
                self._module(function.__globals__, name)
        if not DYNAMIC.isdisjoint(names):
            for name in strings & function.__globals__.keys():
                self._global(function.__globals__, name, ())

    def _global(self, variables: dict[str, Any], name: str, steps: tuple[Step, ...]) -> None:
        source = self._constant(variables)
        if name in variables:
            self._read(Place(f"{source}[{name!r}]", name, variables[name]), steps)
        else:
            self._fact(Place("", name, None), f"{name!r} in {source}")

    def _module(self, variables: dict[str, Any], name: str) -> None:
        package = str(variables.get("__package__") or "").split(".")
        relative = (".".join([*package[:i], name]).strip(".") for i in range(len(package), 0, -1))
        for full in dict.fromkeys([name, *relative]):
            if full in sys.modules and not is_library_module(sys.modules[full]):
                self._read(Place(f"modules[{full!r}]", full, sys.modules[full]))

    def _class(self, kind: type, source: str, instance: bool) -> None:
        """State the functions of a class that may be called, and its other attributes that are read.

        For the class of an instance, leave out the facts that `_attribute` states, and the methods that make objects.
        """
        if not is_library_class(type(kind)):
            self._class(type(kind), self._constant(type(kind)), instance=False)
            for name in sorted(self._names_of(type(kind)) & self.before.names):
                if lookup(kind, name) is None:
                    self._fact(Place("", f"{kind.__name__}.{name}", None), f"lookup({source}, {name!r}) is not None")
        if self.before.reflective and not instance:
            self._missing(Place(source, kind.__name__, kind), {}, "()", kind)
        if is_a(kind, enum.EnumMeta):
            for name, member in kind.__members__.items():  # type: ignore[attr-defined]
                if name in self.before.names or self.before.reflective:
                    self._member(Place(self._constant(member), f"{kind.__name__}.{name}", member))
        seen: set[str] = set()
        for c in kind.__mro__:
            if is_library_class(c):
                continue
            for name, raw in vars(c).items():
                first, function = name not in seen, function_of(raw)
                seen.add(name)
                if is_a(raw, property) and function is None and raw.fget is not None:  # partial, attrgetter, …
                    self._follow(raw.fget)
                if is_special(name):
                    seldom = name in (_MAKING if instance else ()) or (name in _OF_DATACLASSES and is_dataclass(c))
                    if function is None or (seldom and name not in self.before.names):
                        continue
                elif is_a(raw, enum.Enum) or (
                    name not in self.before.names and (instance or not self.before.reflective)
                ):
                    continue
                at = f"{source}.{name}" if first and type(kind) is type and is_written(name) else ""
                place = Place(at or f"{self._constant(c)}.__dict__[{name!r}]", f"{kind.__name__}.{name}", raw)
                if function is not None and function is not raw:
                    if at and not is_a(raw, property | functools.cached_property):
                        place = place._replace(read=f"lookup({source}, {name!r})")
                    self._fact(place, f"{place.read} is not {self._constant(raw)}")
                    self._follow(function)
                elif is_a(raw, types.MemberDescriptorType | types.GetSetDescriptorType):
                    continue
                elif hasattr(type(raw), "__get__") and not is_a(raw, FunctionType):
                    self._read(place._replace(read=f"lookup({source}, {name!r})" if at else place.read))
                elif not (instance and at and is_simple(kind) and not is_special(name)):
                    self._read(place)
