"""What the bytecode of a function reads from outside: globals, cells, modules, and names of attributes."""

from __future__ import annotations

import dis
import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from types import CodeType
from typing import Any, NamedTuple

from .peeking import is_a

Step = tuple[str, Any]  # ".", and the name of an attribute; or "[]", and a key
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
DYNAMIC = {"globals", "eval", "exec", "import_module", "modules", "__import__"}
ORDER = {"__lt__", "__le__", "__gt__", "__ge__"}
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
    **dict.fromkeys(("sorted", "sort", "min", "max", "total_ordering", "bisect", "heapq"), ORDER),
    **dict.fromkeys(("hash", "set", "frozenset", "dict", "get", "index", "count", "remove"), _KEYS),
    "type": {"__init__", "__new__", "__post_init__"},
    "replace": {"__replace__", "fields"},
    "dir": {"vars"},
    "getmembers": {"vars"},
}
_OF_FORMAT = re.compile(r"\{\w*[.\[]")  # "{0.rate}"
_WORD = re.compile(r"[^\W\d]\w*")


@dataclass
class Reads:
    """The names that code reads: attributes, functions, and strings that may name attributes."""

    names: set[str] = field(default_factory=set)
    strings: set[str] = field(default_factory=set)

    @property
    def size(self) -> int:
        """The number of names and strings."""
        return len(self.names) + len(self.strings)

    @property
    def reflective(self) -> bool:
        """Whether the code may read any attribute of an object, by a function such as `getattr`."""
        return not self.names.isdisjoint(_REFLECTION)


class Access(NamedTuple):
    """A name that code loads, and the attributes and constant keys that it reads from it directly."""

    scope: str
    name: str
    steps: tuple[Step, ...]


@functools.lru_cache(maxsize=1000)
def accesses_of(code: CodeType, outer: frozenset[str]) -> tuple[list[Access], set[str], set[str]]:
    """Return the accesses of code, and of functions within it, to values from outside, and the names and strings in it.

    `outer` holds the free variables that are cells of the function itself, not variables of a function within it.
    """
    accesses: list[Access] = []
    names: set[str] = set()
    strings: set[str] = set()
    instructions = [x for x in dis.get_instructions(code) if x.opname not in ("EXTENDED_ARG", "NOP")]
    for i, (name, value) in enumerate((x.opname, x.argval) for x in instructions):
        names |= _BY_INSTRUCTIONS.get(name, set())
        if name == "COMPARE_OP":
            names |= {"__eq__"} if "==" in str(value) or "!=" in str(value) else ORDER
        if name in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"):
            names.add(value)
            accesses.append(Access("global", value, tuple(_steps(islice(instructions, i + 1, None)))))
        elif name.startswith("LOAD_") and name.endswith("DEREF") and value in outer:
            accesses.append(Access("cell", value, tuple(_steps(islice(instructions, i + 1, None)))))
        elif name == "IMPORT_NAME":
            accesses.append(Access("module", value, ()))
        elif name in ("LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR", "IMPORT_FROM"):
            names.add(value)
    for constant in code.co_consts:
        if is_a(constant, str):
            names |= {"getattr"} if _OF_FORMAT.search(constant) else set()
            strings |= set(_WORD.findall(constant)) if len(constant) < 100 else set()
        elif is_a(constant, CodeType):
            within = accesses_of(constant, frozenset(constant.co_freevars) & outer - set(code.co_cellvars))
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
