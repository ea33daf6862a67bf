"""The place in the program where a node was made, and the name that the source gives to the node.

A node keeps a `Site`: a code object and an instruction offset, found once for each place in the program and
shared by all nodes made there. Nothing is read or parsed until somebody asks for a name or a line of text.
Then `co_positions` gives the exact stretch of source, as in Python's own tracebacks, and the assignment around it
in the syntax tree gives the name. Without source, the next instruction gives the name.
"""

from __future__ import annotations

import linecache
import opcode
import os
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from . import source
from .source import RETURNED, Positions, Returned, Source, Step
from .threads import cached_property

if TYPE_CHECKING:
    import ast

Key = TypeVar("Key")
Value = TypeVar("Value")

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_STANDARD_LIBRARY = (os.path.dirname(os.__file__) + os.sep, "<frozen ")
_INSTALLED = f"{os.sep}site-packages{os.sep}"

_RETURN = opcode.opmap["RETURN_VALUE"]
# The instructions after a result that is returned as it is, also out of a `with` or a conditional expression.
_PASSING_ON = {opcode.opmap[name] for name in ("RETURN_VALUE", "SWAP", "JUMP_FORWARD") if name in opcode.opmap}
_STORES = {"STORE_FAST", "STORE_NAME", "STORE_GLOBAL", "STORE_DEREF", "STORE_ATTR"}
_DEEPEST_RETURN = 16  # or a recursive function that returns its own result would chain its whole stack
_MOST_SITES = 100_000  # a program that makes new code for ever (exec, notebooks) must not fill the memory


class Site:
    """A place in a program: the call or operator that made a node, and where its result was returned to."""

    def __init__(self, code: CodeType, offset: int, caller: Site | None, anonymous: bool, method: bool = False) -> None:
        self.code = code
        self.offset = offset
        self.caller = caller
        self.anonymous = anonymous
        self.method = method
        """Whether a method of `Tensor` was called there."""

    @cached_property
    def _positions(self) -> Positions:
        return list(self.code.co_positions())[self.offset // 2]

    @property
    def filename(self) -> str:
        """The file, as the code object names it."""
        return self.code.co_filename

    @property
    def line(self) -> int:
        """The line, counted from 1."""
        return self._positions[0] or self.code.co_firstlineno

    @property
    def where(self) -> str:
        """File and line, as in ``net.py:12``."""
        return f"{os.path.basename(self.filename)}:{self.line}"

    @property
    def source(self) -> str:
        """The line of source, stripped, or "" where there is no source."""
        return linecache.getline(self.filename, self.line).strip()

    @property
    def _file(self) -> Source:
        return source.read(self.filename)

    @cached_property
    def _expression(self) -> ast.AST | None:
        return None if None in self._positions else self._file.nodes.get(self._positions)

    @property
    def text(self) -> str:
        """The text of the expression that made the node, as in ``tanh(Z1)``, or "" where there is no source."""
        return self._file.expression_text(self._expression) if self._expression is not None else ""

    @cached_property
    def name(self) -> str | None:
        """The variable, attribute or key that the result is stored in, or None where it has no name."""
        site: Site | None = self
        if self._file.calls_back(self._expression) and not self.folds:
            return None
        path: list[Step] = []
        while site is not None and not site.anonymous:
            found = site._destination(path)
            if found is not RETURNED:
                return found
            site = site.caller
            if site is None or site._is_in_standard_library or site._file.calls_back(site._expression):
                return None
        return None

    @cached_property
    def folds(self) -> bool:
        """Whether a function such as ``sum`` stands there, which makes each node from the one before it."""
        return self._file.folds(self._expression)

    @property
    def updates_by_gradient(self) -> bool:
        """Whether the statement there, or one that gets its result, is an update like ``W = W - 0.1 * W.grad``."""
        site: Site | None = self
        while site is not None:
            if source.updates_by_gradient(site._expression):
                return True
            site = site.caller
        return False

    @property
    def reads_gradient(self) -> bool:
        """Whether the expression there reads a ``.grad``."""
        return source.reads_gradient(self._expression)

    @property
    def call(self) -> tuple[str, int] | None:
        """The name of the function that is called there, and its number of positional arguments, or None for no
        call."""
        return source.call(self._expression)

    def operand(self, position: int, keyword: str | None = None) -> tuple[str, str | None]:
        """Return the text of one operand of the expression, and the name in it or None.

        The text is "" where the operand cannot be told.
        """
        expression = self._expression
        if expression is None or self._file.calls_back(expression):
            return "", None
        node = source.operand(expression, position, keyword, self.method)
        return ("", None) if node is None else (self._file.text(node), source.operand_name(node))

    def _destination(self, path: list[Step]) -> str | Returned | None:
        stored = _stored(self.code, self.offset)
        if self._expression is None:
            return None if path else stored if stored is RETURNED else source.usable(stored)
        if isinstance(stored, str) and not source.mentions(self._expression, stored):
            return source.usable(stored)  # the file has changed since
        return source.destination(self._expression, path)

    @property
    def _is_in_standard_library(self) -> bool:
        return self.filename.startswith(_STANDARD_LIBRARY) and _INSTALLED not in self.filename


def _stored(code: CodeType, offset: int) -> str | Returned | None:
    """Return the name that the instructions after the one at `offset` store its result in, or that they return it."""
    import dis

    for instruction in dis.get_instructions(code):
        if instruction.offset <= offset or instruction.opname in ("COPY", "DUP_TOP"):
            continue
        if instruction.opname in _STORES or instruction.opname.startswith("STORE_FAST"):
            return str(instruction.argval[0] if isinstance(instruction.argval, tuple) else instruction.argval)
        return RETURNED if instruction.opcode == _RETURN else None
    return None


class _Place(NamedTuple):
    """The facts about a place that follow from its code alone."""

    code: CodeType  # kept, so that its id stays its own
    ours: bool
    leaving: bool
    """Whether the result is returned: in our own code as it is, in the user's perhaps within another value."""
    method: bool
    """Whether this is in a method of `Tensor`."""


# The sites that follow from code and offset alone, so that the next node made there finds its site in one look-up. The
# keys are ids, since hashing a code object reads all of it.
ORDINARY: dict[tuple[int, int], Site] = {}
_special: dict[tuple[int, int, int, bool], Site] = {}
_places: dict[tuple[int, int], _Place] = {}


def locate(frame: FrameType) -> Site:
    """Return the site of the code that is running in `frame`, or of the user's code that called it.

    Frames of tinygraph itself are passed over. Where such a frame returns its result as it is, the caller names the
    node; any other node made inside tinygraph is a part of the user's expression and stays anonymous.
    """
    return _site(frame, _DEEPEST_RETURN)


def _site(frame: FrameType, depth: int) -> Site:
    anonymous = method = False
    while (place := _place(frame.f_code, frame.f_lasti)).ours and frame.f_back is not None:
        anonymous = anonymous or not place.leaving
        method = place.method
        frame = frame.f_back
    code, offset = frame.f_code, frame.f_lasti
    if not anonymous and not place.leaving:
        return _interned(ORDINARY, (id(code), offset), code, offset, None, False, method)
    caller = None
    if not anonymous and depth and frame.f_back is not None:
        caller = _site(frame.f_back, depth - 1)
    key = (id(code), offset, id(caller), anonymous)
    return _interned(_special, key, code, offset, caller, anonymous, method)


def _interned(sites: dict[Key, Site], key: Key, *facts: Any) -> Site:
    site = sites.get(key)
    return site if site is not None else _kept(sites, key, Site(*facts))


def _place(code: CodeType, offset: int) -> _Place:
    place = _places.get((id(code), offset))
    if place is not None:
        return place
    ours = code.co_filename.startswith(_PACKAGE)
    leaving = _following(code, offset) in _PASSING_ON if ours else _is_part_of_return(code, offset)
    place = _Place(code, ours, leaving, code.co_qualname.startswith("Tensor."))
    return _kept(_places, (id(code), offset), place)


def _kept(known: dict[Key, Value], key: Key, value: Value) -> Value:
    if len(known) >= _MOST_SITES:
        known.clear()
    return known.setdefault(key, value)


def _is_part_of_return(code: CodeType, offset: int) -> bool:
    """Return whether the instruction at `offset` stands within the value of some return statement."""
    if _is_returned(code, offset):
        return True
    positions = list(code.co_positions())
    here = positions[offset // 2]
    returns = {positions[i // 2] for i in range(0, len(code.co_code), 2) if code.co_code[i] == _RETURN}
    return any(_within(here, span) for span in returns)


def _is_returned(code: CodeType, offset: int) -> bool:
    """Return whether the value made around `offset` is next returned, and not stored.

    On the way out of a block, such as a `with`, a result is swapped with values that the block still needs. Python 3.13
    gives the swap, and the return after it, the position of the block.
    """
    swapped = False
    for instruction in code.co_code[offset + 2 :: 2]:
        name = opcode.opname[instruction]
        if name == "RETURN_VALUE" or (swapped and not name.startswith(("SWAP", "STORE_"))):
            return True
        if name.startswith(("STORE_", "UNPACK_", "POP_TOP")):
            return False
        swapped = name == "SWAP"
    return False


def _within(inner: Positions, outer: Positions) -> bool:
    if None in inner or None in outer:
        return False
    (first, last, left, right), (start, end, begin, stop) = inner, outer
    return (start, begin) <= (first, left) and (last, right) <= (end, stop)


def _following(code: CodeType, offset: int) -> int:
    """Return the opcode after the instruction at `offset`, or −1 at the end of the code."""
    instructions = code.co_code
    offset += 2
    while offset < len(instructions) and instructions[offset] == 0:  # inline caches
        offset += 2
    return instructions[offset] if offset < len(instructions) else -1
