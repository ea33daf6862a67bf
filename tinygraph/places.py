"""Where a node was made, and what the source calls it.

A node keeps a `Site`: a code object and an instruction offset, found once for each place in the program and
shared by all nodes made there. Nothing is read or parsed until somebody asks for a name or a line of text.
Then `co_positions` gives the exact stretch of source, as in Python's own tracebacks, and the assignment around it
in the syntax tree gives the name; without source, the instruction that follows gives it.
"""

from __future__ import annotations

import ast
import linecache
import opcode
import os
from functools import cached_property, lru_cache
from types import CodeType, FrameType
from typing import Any, NamedTuple

PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep

# A result of one of these may be on its way out of the function, directly or through a `with`, a conditional
# expression or a tuple; the syntax tree decides later, so too many here does no harm.
_RETURN = opcode.opmap["RETURN_VALUE"]
_LEAVING = {
    opcode.opmap[name]
    for name in ("RETURN_VALUE", "SWAP", "JUMP_FORWARD", "BUILD_TUPLE", "BUILD_LIST")
    if name in opcode.opmap
}
_STORES = {"STORE_FAST", "STORE_NAME", "STORE_GLOBAL", "STORE_DEREF", "STORE_ATTR"}
_DEEPEST_RETURN = 16  # a recursive function that returns its own result would otherwise chain its whole stack
_MOST_SITES = 100_000  # code made anew for ever (exec, notebooks) must not fill the memory


class Site:
    """A place in a program: the call or operator that made a node, and where its result was returned to."""

    def __init__(self, code: CodeType, offset: int, caller: Site | None, anonymous: bool) -> None:
        self.code = code
        self.offset = offset
        self.caller = caller
        self.anonymous = anonymous

    @cached_property
    def _positions(self) -> tuple[int | None, int | None, int | None, int | None]:
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
        """The line of source, stripped, or nothing where there is none."""
        return linecache.getline(self.filename, self.line).strip()

    @property
    def _file(self) -> _Syntax:
        return _syntax("".join(linecache.getlines(self.filename)))

    @cached_property
    def _expression(self) -> ast.AST | None:
        first, last, left, right = self._positions
        if first is None or last is None or left is None or right is None:
            return None
        return self._file.nodes.get((first, left, last, right))

    @property
    def text(self) -> str:
        """The expression that made the node, as in ``tanh(Z1)``, or nothing where there is no source."""
        expression, file = self._expression, self._file
        if isinstance(expression, ast.AugAssign):
            return f"{file.text(expression.target)} {_sign(expression.op)} {file.text(expression.value)}"
        return file.text(expression) if expression is not None else ""

    @cached_property
    def name(self) -> str | None:
        """What the source calls the result: a variable, an attribute or a key; None where it has no name."""
        if self.anonymous:
            return None
        expression = self._expression
        if expression is None:
            return self._name_from_bytecode()
        return self._name_from_syntax(expression)

    def operand(self, position: int, keyword: str | None = None) -> tuple[str, str | None]:
        """The text of one operand of the expression and, where that text is a name, the name."""
        node = _operand(self._expression, position, keyword, self._file.imported) if self._expression else None
        if node is None:
            return "", None
        return self._file.text(node), _target_name(node)

    def _name_from_syntax(self, node: ast.AST) -> str | None:
        if isinstance(node, ast.AugAssign):
            return _target_name(node.target)
        path: list[int] = []  # positions in the tuples passed on the way up, innermost first
        while True:
            parent: ast.AST | None = getattr(node, "parent", None)
            match parent:
                case ast.Assign(value=value, targets=targets) if value is node:
                    names = (_target_name(target, path) for target in targets)
                    return next((name for name in names if name), None)
                case ast.AnnAssign(target=target) | ast.NamedExpr(target=target):
                    return _target_name(target, path)
                case ast.Dict(keys=keys, values=values):
                    return _identifier(keys[values.index(node)]) if node in values else None
                case ast.keyword(arg=arg):
                    call = getattr(parent, "parent", None)
                    made = isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "dict"
                    return arg if made else None
                case ast.Return() | ast.Lambda():
                    if self.caller is None or self.caller.anonymous:
                        return None
                    if path and self.caller._expression is not None:
                        return _tuple_target(self.caller._expression, path)
                    return None if path else self.caller.name
                case ast.Tuple(elts=elements) | ast.List(elts=elements):
                    path.append(elements.index(node))  # type: ignore[arg-type]
                case ast.IfExp(test=test) if test is not node:
                    pass
                case ast.Await():
                    pass
                case _:
                    return None
            node = parent

    def _name_from_bytecode(self) -> str | None:
        import dis

        following = (i for i in dis.get_instructions(self.code) if i.offset > self.offset)
        for instruction in following:
            if instruction.opname in ("COPY", "DUP_TOP"):
                continue
            if instruction.opname in _STORES or instruction.opname.startswith("STORE_FAST"):
                name = instruction.argval[0] if isinstance(instruction.argval, tuple) else instruction.argval
                return _usable(name)
            if instruction.opcode == _RETURN and self.caller is not None:
                return self.caller.name
            return None
        return None


# Sites that their code and offset alone decide, so that the next node made there finds its site in one look-up.
ORDINARY: dict[tuple[int, int], Site] = {}
# Places in tinygraph itself, and whether the result is returned as it is. Keyed by id, since hashing a code object
# reads all of it; what is kept with it keeps the code alive, so that the id stays its own.
_ours: dict[tuple[int, int], tuple[CodeType, bool]] = {}
_special: dict[tuple[int, int, int, bool], Site] = {}


def locate(frame: FrameType) -> Site:
    """The site of the code that is running in `frame`, or of the user's code that called it.

    A frame of tinygraph itself is passed over. Where its result is returned as it is, the caller names it; any
    other node made inside tinygraph is a part of the user's expression and stays anonymous.
    """
    return _site(frame, _DEEPEST_RETURN)


def _site(frame: FrameType, depth: int) -> Site:
    anonymous = False
    while True:
        code, offset = frame.f_code, frame.f_lasti
        ours = _ours.get((id(code), offset))
        if ours is None:
            if not code.co_filename.startswith(PACKAGE):
                break
            ours = _ours[id(code), offset] = (code, _following(code, offset) == _RETURN)
        anonymous = anonymous or not ours[1]
        if frame.f_back is None:
            break
        frame = frame.f_back
    if not anonymous and (site := ORDINARY.get((id(code), offset))):
        return site
    caller = None
    if not anonymous and depth and frame.f_back is not None and _following(code, offset) in _LEAVING:
        caller = _site(frame.f_back, depth - 1)
    if caller is None and not anonymous:
        return _intern(ORDINARY, (id(code), offset), Site(code, offset, None, False))
    return _intern(_special, (id(code), offset, id(caller), anonymous), Site(code, offset, caller, anonymous))


def _intern(sites: dict[Any, Site], key: tuple[object, ...], site: Site) -> Site:
    if len(sites) >= _MOST_SITES:
        sites.clear()
    return sites.setdefault(key, site)


def _following(code: CodeType, offset: int) -> int:
    """The instruction after the one at `offset`."""
    instructions = code.co_code
    offset += 2
    while offset < len(instructions) and instructions[offset] == 0:  # inline caches
        offset += 2
    return instructions[offset] if offset < len(instructions) else -1


class _Syntax(NamedTuple):
    """A file's syntax tree, by position; each node knows its parent. And the names that imports bind."""

    lines: list[str]
    nodes: dict[tuple[int, int, int, int], ast.AST]
    imported: set[str]

    def text(self, node: Any) -> str:
        """What stands in the source, on one line."""
        if node.lineno != node.end_lineno:
            return ast.unparse(node)
        line: bytes = self.lines[node.lineno - 1].encode()  # columns count bytes
        return line[node.col_offset : node.end_col_offset].decode()


@lru_cache(maxsize=64)
def _syntax(source: str) -> _Syntax:
    syntax = _Syntax(source.splitlines(), {}, set())
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return syntax
    for parent in ast.walk(tree):  # outer before inner: of two at one position the inner one stays
        for child in ast.iter_child_nodes(parent):
            child.parent = parent  # type: ignore[attr-defined]
            if isinstance(child, (ast.expr, ast.AugAssign)):
                position = (child.lineno, child.col_offset, child.end_lineno or 0, child.end_col_offset or 0)
                syntax.nodes[position] = child
            elif isinstance(child, ast.alias):
                syntax.imported.add((child.asname or child.name).partition(".")[0])
    return syntax


def _target_name(target: ast.AST, path: list[int] | None = None) -> str | None:
    """The name in ``x``, ``self.x``, ``cache["x"]``, or at `path` in a tuple of such."""
    for index in reversed(path or []):
        if not isinstance(target, (ast.Tuple, ast.List)) or index >= len(target.elts):
            return None
        target = target.elts[index]
    match target:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return _usable(name)
        case ast.Subscript(slice=key):
            return _identifier(key)
        case _:
            return None


def _tuple_target(call: ast.AST, path: list[int]) -> str | None:
    """The name that ``Z, A = layer(X)`` gives to the part at `path` of what ``layer(X)`` returns."""
    parent = getattr(call, "parent", None)
    if isinstance(parent, ast.Assign):
        return next((name for target in parent.targets if (name := _target_name(target, path))), None)
    return None


def _identifier(key: ast.AST | None) -> str | None:
    if isinstance(key, ast.Constant) and isinstance(key.value, str):
        return _usable(key.value)
    return None


def _usable(name: object) -> str | None:
    """The name, if it is an identifier and not a throw-away one."""
    return name if isinstance(name, str) and name.isidentifier() and not name.startswith("_") else None


def _operand(expression: ast.AST | None, position: int, keyword: str | None, modules: set[str]) -> ast.AST | None:
    operands: list[ast.expr] = []
    match expression:
        case ast.BinOp(left=left, right=right):
            operands = [left, right]
        case ast.AugAssign(target=target, value=value):
            operands = [target, value]
        case ast.Compare(left=left, comparators=[right]):
            operands = [left, right]
        case ast.UnaryOp(operand=operand):
            operands = [operand]
        case ast.Subscript(value=value):
            operands = [value]
        case ast.Attribute(value=value):
            operands = [value]
        case ast.Call(func=func, args=args, keywords=keywords):
            if args and isinstance(args[0], (ast.List, ast.Tuple)):
                operands = args[0].elts
            elif isinstance(func, ast.Attribute) and not (
                isinstance(func.value, ast.Name) and func.value.id in modules
            ):
                operands = [func.value, *args]  # a method: the tensor comes before the dot
            else:
                operands = args
            for given in keywords:
                if keyword is not None and given.arg == keyword:
                    return given.value
    if any(isinstance(operand, ast.Starred) for operand in operands[: position + 1]):
        return None
    return operands[position] if position < len(operands) else None


def _sign(operator: ast.operator) -> str:
    return ast.unparse(ast.BinOp(ast.Name("a"), operator, ast.Name("b")))[2:-2]
