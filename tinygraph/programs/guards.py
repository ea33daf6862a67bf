"""The check that the values from outside that a function was traced with are still the same.

A traced program holds the numbers, arrays and functions that the user's code read from its closure, from globals and
from objects. A guard notes them, and compares them again by straight-line source with one line for each fact. Facts are
found by following what the bytecode reads, such as ``cfg.lr`` or ``s["lr"]``, from the function to all of the user's
functions that it can reach. Libraries are assumed to stay as they are.

If an object is passed on, so that it is not known which of its parts are read, all entries of a container count, and
those attributes of another object whose names occur in the code that is reached. No user code is run: attributes are
looked up as plain values, never through properties.
"""

from __future__ import annotations

import dis
import enum
import functools
import keyword
import os
import re
import sys
import types
import weakref
from collections import OrderedDict, deque
from collections.abc import Callable, ItemsView, Iterable, Iterator, KeysView, Mapping, Sequence, ValuesView
from contextvars import ContextVar
from dataclasses import dataclass, field, fields, is_dataclass
from itertools import islice
from operator import attrgetter, is_, methodcaller
from threading import local
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

import numpy as np

from ..graph.records import PACKAGE, Op
from ..graph.tensor import Tensor
from ..graph.threads import cached_property

LARGEST = 1 << 16
"""The most bytes of an array, or of a container's entries, that are compared in full. Larger ones are sampled."""
SAMPLE = 1000
"""The approximate number of elements of a larger array or container that are compared."""
_FEW = 16
_CODE = (FunctionType, type, ModuleType)
MOST = 1000
"""The most facts of a guard, of which those nearest to the function come first."""

_ATOMS = {type(None), bool, int, float, complex, str, bytes, range, slice, type(Ellipsis), type(NotImplemented)}
_SEQUENCES = (list, tuple, set, frozenset, deque)
# Types of the standard library that consist of their attributes.
_NAMESPACES = {("types", "SimpleNamespace"), ("argparse", "Namespace"), ("_thread", "_local")}
_NAMESPACES |= {("collections", name) for name in ("UserDict", "UserList", "UserString", "ChainMap")}
# With one of these names in the code, any attribute of an object may be read.
_REFLECTION = {
    "__dict__",
    "__getattribute__",
    "asdict",
    "astuple",
    "attrgetter",
    "fields",
    "getattr",
    "hasattr",
    "methodcaller",
    "vars",
}
# With one of these, any global may be read whose name is in a string.
_DYNAMIC = {"globals", "eval", "exec", "import_module", "modules", "__import__"}
# Special methods that the syntax of expressions does not call on an existing object.
_MAKING = {"__del__", "__init__", "__new__", "__post_init__", "__reduce__", "__repr__", "__setstate__", "__str__"}
_ORDER = {"__lt__", "__le__", "__gt__", "__ge__"}
_OF_DATACLASSES = {"__eq__", "__hash__", "__replace__", *_ORDER}
_TEXT = {"__str__", "__repr__", "__format__"}
_KEYS = {"__eq__", "__hash__"}
# The special methods that an instruction, or a function of Python's, may call, and names that stand for reflection.
_BY_INSTRUCTIONS = {
    "CONTAINS_OP": _KEYS,
    "BINARY_SUBSCR": {"__hash__"},
    "BINARY_OP": {"__hash__"},  # since 3.14 it takes items, too
    "FORMAT_VALUE": _TEXT,
    "FORMAT_SIMPLE": _TEXT,
    "FORMAT_WITH_SPEC": _TEXT,
    "CONVERT_VALUE": _TEXT,
    "MATCH_CLASS": {"vars"},
}
_BY_FUNCTIONS = {
    **dict.fromkeys(("str", "repr", "format", "print", "join", "ascii", "format_map", "float", "int"), _TEXT),
    **dict.fromkeys(("sorted", "sort", "min", "max", "total_ordering", "bisect", "heapq"), _ORDER),
    **dict.fromkeys(("hash", "set", "frozenset", "dict", "get", "index", "count", "remove"), _KEYS),
    "type": {"__init__", "__new__", "__post_init__"},
    "replace": {"__replace__", "fields"},
    "dir": {"vars"},
    "getmembers": {"vars"},
}
_STEPS_OF_ARRAYS = {"dtype", "itemsize", "nbytes", "ndim", "shape", "size"}

Step = tuple[str, Any]  # ".", and the name of an attribute; or "[]", and a key


def exact(value: Any) -> Any:
    """Return a key for an immutable value, by types and values at all depths.

    The keys of 1, 1.0 and True differ, and those of 0.0 and −0.0. That of NaN is equal to itself.

    >>> from tinygraph.programs.guards import exact
    >>> exact((1, 0.0)) == exact((1, 0.0)), exact((1, 0.0)) == exact((1.0, 0.0)), exact(0.0) == exact(-0.0)
    (True, False, False)
    """
    kind = type(value)
    if _is_a(value, float | complex) and not _is_a(value, np.generic):
        return kind, repr(value)
    if _is_a(value, np.generic):
        return kind, value.dtype, value.tobytes()
    if _is_a(value, tuple):
        return kind, tuple(map(exact, value))
    if _is_a(value, frozenset):
        return kind, frozenset(map(exact, value))
    if is_dataclass(kind) and kind.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        return kind, value, tuple(exact(getattr(value, part.name, None)) for part in fields(value) if part.compare)
    return kind, value


def differs(one: Any, other: Any) -> bool:
    """Return whether two values differ by `exact`."""
    return one is not other and (type(one) is not type(other) or exact(one) != exact(other))


class Guard:
    """The values that a function has read from outside, as facts that can be checked again."""

    conditions: list[str]
    """The source of one expression for each fact, which is true if the value has changed. It raises if that is gone."""
    variables: dict[str, Any]
    """The values of the names in the conditions; static arguments are called static0, static1, …"""

    def __init__(self, function: Callable[..., Any], static: Mapping[str, Any]) -> None:
        facts = _Facts(_Reads())
        facts.collect(function, static)
        while facts.reads.size > facts.before.size:  # new names may matter to objects met before them
            facts = _Facts(facts.reads)
            facts.collect(function, static)
        self.conditions, self.variables = list(facts.lines), facts.variables
        self._labels, self._count = list(facts.lines.values()), len(static)

    @cached_property
    def _changed(self) -> Callable[..., int | None]:
        """A function of the static arguments that returns the number of the first fact that has changed, or None."""
        head = [f"def changed({', '.join(f'static{i}' for i in range(self._count))}):", "    try:", "        pass"]
        lines = [f"        if {condition}: return {i}" for i, condition in enumerate(self.conditions)]
        # a value that is gone raises an error at the line of its fact
        tail = ["    except Exception as error:", f"        return error.__traceback__.tb_lineno - {len(head) + 1}"]
        exec("\n".join([*head, *lines, *tail]), variables := dict(self.variables))
        return variables["changed"]  # type: ignore[no-any-return]

    def change(self, *static: Any) -> str | None:
        """Return the name of a value that has changed, given the static arguments, or None if all are the same."""
        number = self._changed(*static)
        return None if number is None else self._labels[number]


@dataclass
class _Reads:
    """The names that code reads: attributes, functions, and strings that may name attributes."""

    names: set[str] = field(default_factory=set)
    strings: set[str] = field(default_factory=set)

    @property
    def size(self) -> int:
        return len(self.names) + len(self.strings)

    @property
    def reflective(self) -> bool:
        return not self.names.isdisjoint(_REFLECTION)


class _Access(NamedTuple):
    """A name that code loads, and the attributes and constant keys that it reads from it directly."""

    scope: str
    name: str
    steps: tuple[Step, ...]


class _Place(NamedTuple):
    """The place of a value: the source that reads it, and the name that a user has for it."""

    read: str
    label: str
    value: Any


_OF_FORMAT = re.compile(r"\{\w*[.\[]")  # "{0.rate}"
_WORD = re.compile(r"[^\W\d]\w*")


@functools.lru_cache(maxsize=1000)
def _accesses(code: CodeType, outer: frozenset[str]) -> tuple[list[_Access], set[str], set[str]]:
    """Return the accesses of code, and of functions within it, to values from outside, and the names and strings in it.

    `outer` holds the free variables that are cells of the function itself, not variables of a function within it.
    """
    accesses: list[_Access] = []
    names: set[str] = set()
    strings: set[str] = set()
    instructions = [x for x in dis.get_instructions(code) if x.opname not in ("EXTENDED_ARG", "NOP")]
    for i, (name, value) in enumerate((x.opname, x.argval) for x in instructions):
        names |= _BY_INSTRUCTIONS.get(name, set())
        if name == "COMPARE_OP":
            names |= {"__eq__"} if "==" in str(value) or "!=" in str(value) else _ORDER
        if name in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"):
            names.add(value)
            accesses.append(_Access("global", value, tuple(_steps(islice(instructions, i + 1, None)))))
        elif name.startswith("LOAD_") and name.endswith("DEREF") and value in outer:
            accesses.append(_Access("cell", value, tuple(_steps(islice(instructions, i + 1, None)))))
        elif name == "IMPORT_NAME":
            accesses.append(_Access("module", value, ()))
        elif name in ("LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR", "IMPORT_FROM"):
            names.add(value)
    for constant in code.co_consts:
        if _is_a(constant, str):
            names |= {"getattr"} if _OF_FORMAT.search(constant) else set()
            strings |= set(_WORD.findall(constant)) if len(constant) < 100 else set()
        elif _is_a(constant, CodeType):
            within = _accesses(constant, frozenset(constant.co_freevars) & outer - set(code.co_cellvars))
            accesses += within[0]
            names |= within[1]
            strings |= within[2]
    for name in names & _BY_FUNCTIONS.keys():
        names |= _BY_FUNCTIONS[name]
    return accesses, names, strings


def _steps(following: Iterator[dis.Instruction]) -> Iterator[Step]:
    """Yield the attributes and constant keys that instructions read one after the other."""
    for x in following:
        if x.opname in ("LOAD_ATTR", "LOAD_METHOD"):
            yield ".", x.argval
        elif x.opname in ("LOAD_CONST", "LOAD_SMALL_INT") and type(x.argval) in (str, int):
            then = next(following, None)
            if then is None or not (then.opname == "BINARY_SUBSCR" or then.argrepr == "[]"):
                return
            yield "[]", x.argval
        else:
            return


class _Facts:
    """The facts about the values that a function can reach, nearest first."""

    def __init__(self, before: _Reads) -> None:
        self.before = before
        self.reads = _Reads(set(before.names), set(before.strings))
        self.lines: dict[str, str] = {}  # the conditions of facts, and the names of their values
        self.variables: dict[str, Any] = {"differs": differs, "is_": is_, "sample": _sample, "islice": islice}
        self.variables |= {
            "tobytes": np.ndarray.tobytes,
            "attributes": _attributes,
            "content": _content,
            "lookup": _lookup,
            "modules": sys.modules,
        }
        self._constants: dict[int, str] = {}
        self._shells: dict[int, str] = {}  # the variables of objects that were met, by id
        self._met: list[Any] = []  # kept alive, so that no id is used again
        self._done: set[int] = set()
        self._names: dict[type, set[str]] = {}
        self._open: dict[type, bool] = {}
        self._queue: deque[tuple[_Place, tuple[Step, ...]]] = deque()

    def collect(self, function: Callable[..., Any], static: Mapping[str, Any]) -> None:
        """Add the facts about a function and its static arguments."""
        for i, (name, value) in enumerate(static.items()):
            self._read(_Place(f"static{i}", name, value))
        self._follow(function)
        while self._queue and len(self.lines) < MOST:
            place, steps = self._queue.popleft()
            for step in steps:
                child = self._child(place, step)
                if child is None:
                    break
                place = child
            self._state(place)

    # -- source ------------------------------------------------------------------------------------------------

    def _fact(self, place: _Place, condition: str) -> None:
        self.lines.setdefault(condition, place.label)

    def _constant(self, value: Any) -> str:
        """Return a name for a value in the source of the guard."""
        name = self._constants.setdefault(id(value), f"k{len(self._constants)}")
        self.variables[name] = value
        return name

    def _reference(self, value: Any) -> str:
        """Return the source of a reference to an object: a weak one, if possible, which does not keep it alive."""
        try:
            return f"{self._constant(weakref.ref(value))}()"
        except TypeError:
            return self._constant(value)

    def _shell(self, place: _Place) -> str:
        """Return the variable that holds the object of a place, and state that it is the same, or of the same type."""
        value = place.value
        known = self._shells.get(id(value))
        if known is not None:
            if known != place.read:
                self._fact(place, f"{place.read} is not {known}")
            return known
        if _is_a(value, FunctionType | type | ModuleType):
            variable = self._constant(value)
            self._fact(place, f"{place.read} is not {variable}")
        elif _is_a(value, Tensor) and value.op is None:
            variable = f"x{len(self._shells)}"
            self._fact(place, f"({variable} := {place.read}) is not {self._reference(value)}")
        else:
            variable = f"x{len(self._shells)}"
            self._fact(place, f"type({variable} := {place.read}) is not {self._constant(type(value))}")
        self._shells[id(value)] = variable
        self._met.append(value)
        return variable

    def _read(self, place: _Place, steps: tuple[Step, ...] = ()) -> None:
        self._queue.append((place, steps))

    # -- values ------------------------------------------------------------------------------------------------

    def _state(self, place: _Place) -> None:
        """State everything that matters about a value, wherever it is passed on to."""
        value, kind = place.value, type(place.value)
        if _is_atom(value):
            kept = self._constant(value)
            self._fact(place, f"{place.read} is not {kept} and differs({place.read}, {kept})")
            if _is_a(value, enum.Enum):
                self._member(_Place(kept, place.label, value))
            return
        variable = self._shell(place)
        if id(value) in self._done:
            return
        self._done.add(id(value))
        place = place._replace(read=variable)
        if _is_a(value, FunctionType):
            self._function(value)
            if self.before.reflective and not _is_library(value.__code__.co_filename, value.__module__):
                self._held(place, vars(value))
        elif _is_a(value, type):
            self._class(value, variable, instance=False)
        elif _is_a(value, ModuleType):
            if not _is_library_module(value):
                self._held(place, vars(value))
        elif _is_a(value, MethodType):
            self._parts(place, ("__func__", "__self__"))
        elif _is_a(value, functools.partial):
            self._parts(place, ("func", "args", "keywords"))
        elif _is_a(value, Tensor):
            self._tensor(place, value)
        elif _is_a(value, np.ndarray):
            self._array(place, value)
        elif _is_a(value, KeysView | ValuesView | ItemsView) and hasattr(kind, "mapping"):
            self._parts(place, ("mapping",))
        elif _is_a(value, ContextVar):
            self._fact(place, f"{variable} is not {self._constant(value)}")
            self._read(_Place(f"{variable}.get(None)", place.label, value.get(None)))
        elif _is_a(value, weakref.ref):
            self._fact(place, f"{variable} is not {self._constant(value)}")
            self._read(_Place(f"{variable}()", place.label, value()))
        elif _is_a(value, bytearray | memoryview) or (kind.__module__, kind.__name__) == ("array", "array"):
            self._fact(place, f"bytes({variable}) != {self._constant(bytes(value))}")
        elif _is_a(value, BuiltinFunctionType):
            self._fact(place, f"{variable} is not {self._constant(value)}")
            self.reads.names.add(value.__name__)  # the code may call it by another name
            if not _is_a(value.__self__, ModuleType | type | None):
                self._parts(place, ("__self__",))
        elif _is_a(value, (dict, types.MappingProxyType)):
            self._mapping(place, value)
            self._object(place, value)
        elif _is_a(value, _SEQUENCES):
            self._sequence(place, value, next(base for base in _SEQUENCES if _is_a(value, base)))
            self._object(place, value)
        else:
            self._object(place, value)

    def _member(self, place: _Place) -> None:
        """State the attributes of a member of an enumeration, and what the methods of its class read."""
        value = place.value
        if id(value) in self._done:
            return
        self._done.add(id(value))
        self._met.append(value)
        self._class(type(value), self._constant(type(value)), instance=True)
        for name in sorted(_attributes(value).keys() & {*self.before.names, "_value_"}):
            self._read(_Place(f"attributes({place.read})[{name!r}]", f"{place.label}.{name}", _attributes(value)[name]))

    def _held(self, place: _Place, held: Mapping[str, Any]) -> None:
        """State the attributes of a module, or of a function, that the names in the code may read."""
        wanted = {*self.before.names, "__getattr__"} & held.keys()
        if self.before.reflective:
            wanted |= {name for name, part in held.items() if not (_is_special(name) or _is_a(part, _CODE))}
            self._missing(place, held, f"vars({place.read})")
        for name in sorted(wanted):
            self._read(_Place(f"vars({place.read})[{name!r}]", f"{place.label}.{name}", held[name]))

    def _missing(self, place: _Place, held: Mapping[str, Any], source: str, kind: type | None = None) -> None:
        """State that attributes that a string may name are still missing, also in the class."""
        for name in sorted(self.before.strings - held.keys()):
            if name.isidentifier() and (kind is None or _lookup(kind, name) is None):
                inherited = "" if kind is None else f" or lookup({self._constant(kind)}, {name!r}) is not None"
                self._fact(place._replace(label=f"{place.label}.{name}"), f"{name!r} in {source}{inherited}")

    def _array(self, place: _Place, value: np.ndarray[Any, Any]) -> None:
        variable = place.read
        if type(value) is not np.ndarray:
            self._class(type(value), self._constant(type(value)), instance=True)
            for name in sorted(self._names_of(type(value)) & self.before.names):
                if (child := self._attribute(place, name)) is not None:
                    self._read(child)
            if _is_a(value, np.ma.MaskedArray):
                self._parts(place, ("_mask",))
        if value.dtype == object:
            for i, entry in enumerate(islice(value.flat, MOST)):
                self._read(_Place(f"{variable}.flat[{i}]", f"{place.label}.flat[{i}]", entry))
        self._fact(place, f"{variable}.shape != {value.shape}")
        self._fact(place, f"{variable}.dtype is not {self._constant(value.dtype)}")
        if value.nbytes <= LARGEST:
            read = f"{variable}.tobytes()" if type(value) is np.ndarray else f"tobytes({variable})"
            self._fact(place, f"{read} != {self._constant(np.ndarray.tobytes(value))}")
        else:
            self._fact(place, f"{variable} is not {self._reference(value)}")
            self._fact(place, f"sample({variable}) != {self._constant(_sample(value))}")

    def _tensor(self, place: _Place, value: Tensor) -> None:
        """State the parts of a leaf that, unlike its data, are not read at each call."""
        if value.op is None:
            self._fact(place, f"{place.read}._requires_grad is not {value.requires_grad}")
            if "grad" in self.before.names:
                self._parts(place, ("grad",))

    def _sequence(self, place: _Place, value: Any, base: Any) -> None:
        """State that the entries are the same, in their order, as the methods of `base` read them."""
        read, plain = place.read, type(value) is base
        entries = read if plain else f"{self._constant(base.__iter__)}({read})"
        held = [*base.__iter__(value)]
        self._fact(place, f"{'len' if plain else self._constant(base.__len__)}({read}) != {len(held)}")
        if all(map(_is_atom, held)):
            self._entries(place, entries, held)
        elif base in (set, frozenset):
            self._entries(place, entries, held)
            for entry in held:
                self._read(_Place(self._constant(entry), place.label, entry))
        else:
            for i, entry in enumerate(held[:MOST]):
                at = f"{read}[{i}]" if plain else f"{self._constant(base.__getitem__)}({read}, {i})"
                self._read(_Place(at, f"{place.label}[{i}]", entry))

    def _entries(self, place: _Place, read: str, entries: Sequence[Any]) -> None:
        """State that entries without parts are the same, in their order."""
        step = len(entries) // SAMPLE if 8 * len(entries) > LARGEST else 1
        kept = self._constant(tuple(entries[::step]))
        sample = f"islice({read}, 0, None, {step})" if step > 1 else read
        self._fact(place, f"not all(map(is_, {sample}, {kept})) and differs(tuple({sample}), {kept})")

    def _mapping(self, place: _Place, value: Any) -> None:
        """State that keys and values are the same, in their order."""
        read, base = place.read, dict if _is_a(value, dict) else type(value)
        plain = type(value) in (base, OrderedDict)
        held = [*(value.items() if plain else dict.items(value))]
        keys, values = [key for key, _ in held], [entry for _, entry in held]
        self._fact(place, f"{'len' if plain else self._constant(dict.__len__)}({read}) != {len(held)}")
        self._entries(place, read if plain else f"{self._constant(dict.keys)}({read})", keys)
        if all(map(_is_atom, values)) and len(held) > _FEW:
            self._entries(place, f"{read}.values()" if plain else f"{self._constant(dict.values)}({read})", values)
            return
        for i, (key, entry) in enumerate(held[:MOST]):
            simple = type(key) in (str, int)
            index = repr(key) if simple else self._constant(key)
            at = f"{read}[{index}]" if plain else f"{self._constant(dict.get)}({read}, {index})"
            self._read(_Place(at, f"{place.label}[{key!r}]" if simple else f"{place.label}[key {i}]", entry))

    def _parts(self, place: _Place, names: Iterable[str]) -> None:
        """State attributes of an object of a built-in type, which are always plain values."""
        for name in names:
            shown = place.label if name.startswith("__") else f"{place.label}.{name}"
            self._read(_Place(f"{place.read}.{name}", shown, getattr(place.value, name)))

    def _object(self, place: _Place, value: Any) -> None:
        """State the attributes of an object, and that it is the same one if it has state elsewhere."""
        kind, read = type(value), place.read
        held = _attributes(value)
        if "__wrapped__" in held:  # by functools.wraps or lru_cache, or a program of ours
            self._follow(held["__wrapped__"])
        if _is_a(value, attrgetter | methodcaller):
            self.reads.names |= {part for name in value.__reduce__()[1] for part in str(name).split(".")}
        library = _is_library_class(kind)
        container = _is_a(value, (dict, types.MappingProxyType, *_SEQUENCES))
        if not container and (library or any(map(_has_own_memory, kind.__mro__))):
            self._fact(place, f"{read} is not {self._reference(value)}")
        if library and _is_standard(kind):
            if kind.__module__.partition(".")[0] == "numpy" and _is_simple(kind):  # as np.poly1d, np.vectorize
                for name, part in held.items():
                    self._read(_Place(f"attributes({read})[{name!r}]", f"{place.label}.{name}", part))
            return
        self._class(kind, self._constant(kind), instance=True)
        names = self._names_of(kind)
        every = self._is_open(kind)
        if _lookup(kind, "__dict__") is not None and (every or _lookup(kind, "__getattr__") is not None):
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
            found = {name for c in kind.__mro__ if not _is_library_class(c) for name in vars(c)}
            self._names[kind] = {name for name in found if not name.startswith("__")}
        return self._names[kind]

    def _is_open(self, kind: type) -> bool:
        """Return whether any attribute of an object may be read: by a function like vars, or by a library's method."""
        if kind not in self._open:
            found = [_lookup(kind, name) for name in [*self.before.names, "__getattr__"]]
            theirs = [x for x in found if _is_a(x, FunctionType) and _is_library(x.__code__.co_filename, "")]
            self._open[kind] = self.before.reflective or _is_namespace(kind) or bool(theirs)
        return self._open[kind]

    def _attribute(self, place: _Place, name: str) -> _Place | None:
        """Return the place of an attribute of an object if it is a plain value or a method, or else None."""
        value, kind = place.value, type(place.value)
        held, raw = _attributes(value), _lookup(kind, name)
        label, simple = f"{place.label}.{name}", _is_simple(kind) and _is_written(name)
        if _is_a(raw, types.MemberDescriptorType):
            try:
                return _Place(f"{place.read}.{name}", label, raw.__get__(value, kind)) if simple else None
            except AttributeError:  # not set
                return None
        if name in held and not hasattr(type(raw), "__set__"):
            read = f"{place.read}.{name}" if simple else f"attributes({place.read})[{name!r}]"
            return _Place(read, label, held[name])
        if not simple or raw is None:
            return None
        if _is_a(raw, FunctionType):
            return _Place(f"{place.read}.{name}.__func__", label, raw)
        if not hasattr(type(raw), "__get__"):
            return _Place(f"{place.read}.{name}", label, raw)
        return None

    def _child(self, place: _Place, step: Step) -> _Place | None:
        """Return the place of a part of a value that code reads, or None if only user code or a method could tell."""
        value, (how, key) = place.value, step
        if how == "[]":
            if type(value) is dict:
                there = key in value
            else:
                there = type(value) in (list, tuple) and type(key) is int and -len(value) <= key < len(value)
            if not there:
                return None
            return _Place(f"{self._shell(place)}[{key!r}]", f"{place.label}[{key!r}]", value[key])
        label = f"{place.label}.{key}"
        if type(value) is np.ndarray:
            known = key in _STEPS_OF_ARRAYS
            return _Place(f"{self._shell(place)}.{key}", label, getattr(value, key)) if known else None
        if _is_a(value, ModuleType | FunctionType):
            library = _is_a(value, ModuleType) and _is_library_module(value)
            if library or key in vars(value):
                return None if library else _Place(f"{self._shell(place)}.{key}", label, vars(value)[key])
            if not hasattr(type(value), key):
                self._fact(_Place("", label, None), f"{key!r} in vars({self._shell(place)})")
            return None
        if _is_a(value, type):
            raw = _lookup(value, key)
            if raw is None and _is_simple(type(value)) and not _is_library_class(value) and not hasattr(value, key):
                self._fact(_Place("", label, None), f"lookup({self._shell(place)}, {key!r}) is not None")
            if type(value) is not type or _is_library_class(value) or raw is None or hasattr(type(raw), "__get__"):
                return None
            return _Place(f"{self._shell(place)}.{key}", label, raw)
        if _is_a(value, (Tensor, MethodType, BuiltinFunctionType)) or _is_atom(value):
            return None
        if _is_a(_lookup(type(value), key), FunctionType):
            return None
        if _is_library_class(type(value)) and key not in _attributes(value):
            return None
        place = place._replace(read=self._shell(place))
        if _lookup(type(value), key) is None and key not in _attributes(value):
            absent = f"lookup(type({place.read}), {key!r}) is None and {key!r} not in attributes({place.read})"
            self._fact(place._replace(label=label), f"not ({absent})")
        return self._attribute(place, key)

    # -- code --------------------------------------------------------------------------------------------------

    def _follow(self, value: Any) -> None:
        """Add the facts about an object that cannot be replaced in its place."""
        if _is_a(value, Op):
            for function in (value.forward, value.run, *value.vjps):
                self._follow(function)
        elif type(value) in (dict, list, tuple):
            for part in islice(value.values() if _is_a(value, dict) else value, SAMPLE):
                if _is_a(part, FunctionType):  # as by singledispatch
                    self._follow(part)
        elif callable(value) and not _is_a(value, BuiltinFunctionType) and id(value) not in self._shells:
            self._shells[id(value)] = name = self._constant(value)
            self._met.append(value)
            self._read(_Place(name, _name(value), value))

    def _function(self, function: FunctionType) -> None:
        code, cells = function.__code__, function.__closure__ or ()
        if _is_library(code.co_filename, function.__module__):
            for item in [*cells, *vars(function).values()]:
                self._follow(_content(item) if _is_a(item, types.CellType) else item)
            return
        name, source = _name(function), self._constant(function)
        self._fact(_Place("", name, None), f"{source}.__code__ is not {self._constant(code)}")
        if function.__defaults__:
            self._read(_Place(f"{source}.__defaults__", f"a default of {name}", function.__defaults__))
        if function.__kwdefaults__:
            self._read(_Place(f"{source}.__kwdefaults__", f"the defaults of {name}", function.__kwdefaults__))
        accesses, names, strings = _accesses(code, frozenset(code.co_freevars))
        self.reads.names |= names
        self.reads.strings |= strings
        if self.reads.reflective:
            self.reads.names |= {text for text in self.reads.strings if text.isidentifier()}
        known = dict(zip(code.co_freevars, cells, strict=True))
        for scope, name, steps in accesses:
            if scope == "cell":
                cell = known[name]
                if _content(cell) is not cell:
                    self._read(_Place(f"{self._constant(cell)}.cell_contents", name, _content(cell)), steps)
                else:
                    kept = self._constant(cell)
                    self._fact(_Place("", name, None), f"content({kept}) is not {kept}")
            elif scope == "global":
                self._global(function.__globals__, name, steps)
            else:
                self._module(function.__globals__, name)
        if not _DYNAMIC.isdisjoint(names):
            for name in strings & function.__globals__.keys():
                self._global(function.__globals__, name, ())

    def _global(self, variables: dict[str, Any], name: str, steps: tuple[Step, ...]) -> None:
        source = self._constant(variables)
        if name in variables:
            self._read(_Place(f"{source}[{name!r}]", name, variables[name]), steps)
        else:
            self._fact(_Place("", name, None), f"{name!r} in {source}")

    def _module(self, variables: dict[str, Any], name: str) -> None:
        package = str(variables.get("__package__") or "").split(".")
        relative = (".".join([*package[:i], name]).strip(".") for i in range(len(package), 0, -1))
        for full in dict.fromkeys([name, *relative]):
            if full in sys.modules and not _is_library_module(sys.modules[full]):
                self._read(_Place(f"modules[{full!r}]", full, sys.modules[full]))

    def _class(self, kind: type, source: str, instance: bool) -> None:
        """State the functions of a class that may be called, and its other attributes that are read.

        For the class of an instance, leave out the facts that `_attribute` states, and the methods that make objects.
        """
        if not _is_library_class(type(kind)):
            self._class(type(kind), self._constant(type(kind)), instance=False)
            for name in sorted(self._names_of(type(kind)) & self.before.names):
                if _lookup(kind, name) is None:
                    self._fact(_Place("", f"{kind.__name__}.{name}", None), f"lookup({source}, {name!r}) is not None")
        if self.before.reflective and not instance:
            self._missing(_Place(source, kind.__name__, kind), {}, "()", kind)
        if _is_a(kind, enum.EnumMeta):
            for name, member in kind.__members__.items():  # type: ignore[attr-defined]
                if name in self.before.names or self.before.reflective:
                    self._member(_Place(self._constant(member), f"{kind.__name__}.{name}", member))
        seen: set[str] = set()
        for c in kind.__mro__:
            if _is_library_class(c):
                continue
            for name, raw in vars(c).items():
                first, function = name not in seen, _function_of(raw)
                seen.add(name)
                if _is_a(raw, property) and function is None and raw.fget is not None:  # partial, attrgetter, …
                    self._follow(raw.fget)
                if _is_special(name):
                    seldom = name in (_MAKING if instance else ()) or (name in _OF_DATACLASSES and is_dataclass(c))
                    if function is None or (seldom and name not in self.before.names):
                        continue
                elif _is_a(raw, enum.Enum) or (
                    name not in self.before.names and (instance or not self.before.reflective)
                ):
                    continue
                at = f"{source}.{name}" if first and type(kind) is type and _is_written(name) else ""
                place = _Place(at or f"{self._constant(c)}.__dict__[{name!r}]", f"{kind.__name__}.{name}", raw)
                if function is not None and function is not raw:
                    if at and not _is_a(raw, property | functools.cached_property):
                        place = place._replace(read=f"lookup({source}, {name!r})")
                    self._fact(place, f"{place.read} is not {self._constant(raw)}")
                    self._follow(function)
                elif _is_a(raw, types.MemberDescriptorType | types.GetSetDescriptorType):
                    continue
                elif hasattr(type(raw), "__get__") and not _is_a(raw, FunctionType):
                    self._read(place._replace(read=f"lookup({source}, {name!r})" if at else place.read))
                elif not (instance and at and _is_simple(kind) and not _is_special(name)):
                    self._read(place)


def _is_a(value: Any, kinds: Any) -> bool:
    """Return whether a value is of a class. ``isinstance`` also asks the value, which may run user code."""
    return issubclass(type(value), kinds)


def _name(value: Any) -> str:
    named = _is_a(value, FunctionType | type)
    return str(value.__name__ if named else type(value).__name__)


def _is_special(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def _function_of(raw: Any) -> FunctionType | None:
    """Return the function that an entry of a class calls, or None."""
    if _is_a(raw, property):
        raw = raw.fget
    elif _is_a(raw, functools.cached_property | functools.partialmethod):
        raw = raw.func
    elif _is_a(raw, staticmethod | classmethod):
        raw = raw.__func__
    return raw if _is_a(raw, FunctionType) else None


def _is_atom(value: Any, depth: int = 3) -> bool:
    """Return whether a value is immutable and has no parts that could change."""
    if type(value) is tuple:
        return depth > 0 and len(value) <= SAMPLE and all(_is_atom(x, depth - 1) for x in value)
    return type(value) in _ATOMS or _is_a(value, (enum.Enum, np.generic, np.dtype))


def _content(cell: types.CellType) -> Any:
    """Return the value of a variable in a closure, or the cell itself while it has none."""
    try:
        return cell.cell_contents
    except ValueError:
        return cell


def _attributes(value: Any) -> dict[str, Any]:
    """Return an object's own attributes, without asking its class, which may intercept the access."""
    try:
        held = value.__dict__ if type(value) is local else object.__getattribute__(value, "__dict__")
    except AttributeError:
        return {}
    return held if _is_a(held, dict) else {}


def _is_simple(kind: type) -> bool:
    """Return whether asking an object of a class for an attribute runs no user code."""
    found = _lookup(kind, "__getattribute__")
    return _is_a(found, types.WrapperDescriptorType) and _lookup(kind, "__getattr__") is None


def _is_written(name: str) -> bool:
    return name.isidentifier() and not keyword.iskeyword(name)


def _lookup(kind: type, name: str) -> Any:
    """Return the entry of a class under a name, as it stands in its body or a base's, or None if there is none."""
    return next((vars(c)[name] for c in kind.__mro__ if name in vars(c)), None)


def _has_own_memory(kind: type) -> bool:
    """Return whether a class is built-in and keeps state outside attributes."""
    known = kind is object or issubclass(kind, (dict, *_SEQUENCES, types.SimpleNamespace))
    return not _is_made_by_a_statement(kind) and not known


def _is_made_by_a_statement(kind: type) -> bool:
    return bool(kind.__flags__ & 1 << 9)  # Py_TPFLAGS_HEAPTYPE


def _sample(array: np.ndarray[Any, Any]) -> bytes:
    """Return the bytes of about a thousand elements. The step is odd, so that they do not all lie in one column."""
    row: Any = array.ravel("K") if array.flags.forc else array.flat  # ravel is faster, but would copy other arrays
    return row[:: array.size // SAMPLE | 1].tobytes()  # type: ignore[no-any-return]


_LIBRARIES = tuple(os.path.dirname(path) + os.sep for path in (os.__file__, np.__file__, os.path.dirname(__file__)))
_PACKAGES = re.compile(r"[\\/](site|dist)-packages[\\/]")


def _is_library(file: Any, module: str | None) -> bool:
    """Return whether code comes from an installed package, the standard library or this package."""
    if not _is_a(file, str):
        return module is not None and module.partition(".")[0] in sys.stdlib_module_names
    return file.startswith((*_LIBRARIES, "<frozen ")) or _PACKAGES.search(file) is not None


def _is_library_class(kind: type) -> bool:
    if kind.__module__ == "builtins":  # code that runs without a module puts its classes there, too
        return not _is_made_by_a_statement(kind)
    module = sys.modules.get(kind.__module__)
    file = _attributes(module).get("__file__")
    return _is_library(file, kind.__module__) and not _is_namespace(kind)


def _is_library_module(module: Any) -> bool:
    held = _attributes(module)
    return _is_library(held.get("__file__"), str(held.get("__name__")))


def _is_namespace(kind: type) -> bool:
    return (kind.__module__, kind.__name__) in _NAMESPACES


def _is_standard(kind: type) -> bool:
    """Return whether a class is of the standard library, NumPy or this package, so that its objects are left alone."""
    return kind.__module__.partition(".")[0] in {*sys.stdlib_module_names, "numpy", PACKAGE}
