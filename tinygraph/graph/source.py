"""What a source file says of one of its expressions: its text, its operands, and the name its value is given.

A file is parsed when somebody first asks, and again when it has changed.
"""

from __future__ import annotations

import ast
import linecache
from enum import Enum
from functools import lru_cache
from typing import Any, Final, NamedTuple

from .threads import syntax_tree

Positions = tuple[int | None, int | None, int | None, int | None]
"""First and last line, first and last column in bytes, as in `types.CodeType.co_positions`."""
Step = tuple[int | None, int | None]
"""A place in a tuple, counted from its start and from its end; None where a star hides it."""


class Returned(Enum):
    """Says that a value is the result of the function around it."""

    RETURNED = 0


RETURNED: Final = Returned.RETURNED

# Functions of Python that call back into ours from where they stand: what is an operand of theirs is none of ours, and
# their value is not what we made; but these two give the last thing made.
_FOLDS = {"sum", "reduce"}
_CALLS_BACK = _FOLDS | {"accumulate", "all", "any", "dict", "filter", "frozenset", "list", "map", "max", "min"}
_CALLS_BACK |= {"next", "set", "sorted", "tuple", "zip"}


class Source(NamedTuple):
    """A parsed file. Each node of the syntax tree knows its parent."""

    lines: list[str]
    nodes: dict[Positions, ast.AST]
    imported: set[str]
    """The functions that it imports by name."""

    def text(self, node: Any) -> str:
        """What stands there, on one line; nothing where that is too much."""
        if node.lineno == node.end_lineno:
            line: bytes = self.lines[node.lineno - 1].encode()  # columns count bytes
            return line[node.col_offset : node.end_col_offset].decode()
        try:
            return ast.unparse(node)
        except RecursionError:
            return ""

    def expression_text(self, node: ast.AST) -> str:
        """The text of the expression that computes; for ``z += b`` that is ``z + b``."""
        if isinstance(node, ast.AugAssign):
            sign = ast.unparse(ast.BinOp(ast.Name("a"), node.op, ast.Name("b")))[2:-2]
            return f"{self.text(node.target)} {sign} {self.text(node.value)}"
        return self.text(node)

    def calls_back(self, node: ast.AST | None) -> bool:
        """Whether a function of Python stands there that calls back into ours, or a list made of such calls."""
        return self._builtin(node) in _CALLS_BACK or isinstance(node, (ast.List, ast.Tuple, ast.Set, ast.Dict))

    def folds(self, node: ast.AST | None) -> bool:
        """Whether such a function gives the last of several results made there, as ``sum`` does."""
        return self._builtin(node) in _FOLDS

    def _builtin(self, node: ast.AST | None) -> str:
        match node:
            case ast.Call(func=ast.Name(id=name)) if name not in self.imported or name in ("reduce", "accumulate"):
                return name
            case ast.Call(func=ast.Attribute(value=ast.Name(id="functools" | "itertools"), attr=name)):
                return name
            case _:
                return ""


def read(filename: str) -> Source:
    """The file, parsed; empty where there is none or it is no Python."""
    try:
        linecache.checkcache(filename)
        return _parsed("".join(linecache.getlines(filename)))
    except KeyError:  # linecache looks twice for what another thread has thrown out in between
        return read(filename)


@lru_cache(maxsize=64)
def _parsed(text: str) -> Source:
    source = Source(text.split("\n"), {}, set())
    try:
        tree = syntax_tree(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return source
    for parent in ast.walk(tree):  # outer before inner: of two at one position the inner one stays
        for child in ast.iter_child_nodes(parent):
            child.parent = parent  # type: ignore[attr-defined]
            if isinstance(child, (ast.expr, ast.AugAssign)):
                source.nodes[child.lineno, child.end_lineno, child.col_offset, child.end_col_offset] = child
                _also_from_the_dot(source, child)
            elif isinstance(child, ast.alias) and isinstance(parent, ast.ImportFrom):
                source.imported.add(child.asname or child.name)
    return source


def _also_from_the_dot(source: Source, node: ast.expr | ast.AugAssign) -> None:
    """Over several lines, the position of a method's call begins at the name after the dot."""
    attribute = node.func if isinstance(node, ast.Call) else node
    if isinstance(attribute, ast.Attribute) and attribute.end_lineno != attribute.value.end_lineno:
        column = (attribute.end_col_offset or 0) - len(attribute.attr.encode())
        source.nodes.setdefault((attribute.end_lineno, node.end_lineno, column, node.end_col_offset), node)


def destination(node: ast.AST, path: list[Step]) -> str | Returned | None:
    """Under which name the value of an expression is stored, or that it is returned.

    `path` says where in that value, if it is a tuple, the thing asked for stands, innermost first; tuples on the way
    are added to it.
    """
    while True:
        if isinstance(node, ast.AugAssign):
            return target_name(node.target, path)
        parent: ast.AST | None = getattr(node, "parent", None)
        match parent:
            case ast.Assign(value=value, targets=targets) if value is node:
                return next((name for target in targets if (name := target_name(target, path))), None)
            case ast.AnnAssign(target=target) | ast.NamedExpr(target=target):
                return target_name(target, path)
            case ast.Dict(keys=keys, values=values) if node in values and not path:
                return _identifier(keys[values.index(node)])
            case ast.keyword(arg=arg) if not path:
                return arg if _is_call_of_dict(getattr(parent, "parent", None)) else None
            case ast.Return() | ast.Lambda():
                return RETURNED
            case ast.Tuple(elts=elements) | ast.List(elts=elements):
                path.append(_step(elements, elements.index(node)))  # type: ignore[arg-type]
            case ast.IfExp(test=test) if test is not node:
                pass
            case _:
                return None
        node = parent


def mentions(node: ast.AST, name: str) -> bool:
    """Whether the assignment of an expression mentions a name; true of other statements."""
    statement = getattr(node, "parent", None)
    if not isinstance(statement, (ast.Assign, ast.AnnAssign, ast.NamedExpr)):
        return True
    return any(name in (getattr(n, "id", None), getattr(n, "attr", None)) for n in ast.walk(statement))


def updates_by_gradient(node: ast.AST | None) -> bool:
    """Whether an expression stands in the assignment of what it reads, and of a ``.grad``: ``W = W - 0.1 * W.grad``."""
    while node is not None and not isinstance(node, ast.stmt):
        node = getattr(node, "parent", None)
    match node:
        case ast.AugAssign(value=value):
            kept = True
        case ast.Assign(targets=targets, value=value):
            stored = {ast.unparse(each) for target in targets for each in _elements(target)}
            kept = any(ast.unparse(each) in stored for each in ast.walk(value) if isinstance(each, ast.expr))
        case _:
            return False
    return kept and reads_gradient(value)


def reads_gradient(node: ast.AST | None) -> bool:
    """Whether an expression reads a ``.grad``."""
    return node is not None and any(isinstance(each, ast.Attribute) and each.attr == "grad" for each in ast.walk(node))


def _elements(target: ast.expr) -> list[ast.expr]:
    return target.elts if isinstance(target, (ast.Tuple, ast.List)) else [target]


def target_name(target: ast.AST, path: list[Step] | None = None) -> str | None:
    """The name in ``x``, ``self.x``, ``cache["x"]``, or at `path` in a tuple of such."""
    for step in reversed(path or []):
        inner = _at(target.elts, step) if isinstance(target, (ast.Tuple, ast.List)) else None
        if inner is None:
            return None
        target = inner
    match target:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return usable(name)
        case ast.Subscript(slice=key):
            return _identifier(key)
        case _:
            return None


def operand_name(node: ast.AST) -> str | None:
    """The name in an operand; in ``W[i]`` that of the list, in ``p[f"W{i}"]`` what the key begins with."""
    match node:
        case ast.Subscript(value=ast.Attribute(attr="shape")) | ast.Attribute(attr="size"):
            return None
        case ast.Subscript(slice=ast.JoinedStr(values=[ast.Constant(str() as prefix), *_])):
            return usable(prefix)
        case ast.Subscript(slice=ast.BinOp(left=ast.Constant(str() as prefix), op=ast.Add())):
            return usable(prefix)
        case ast.Subscript(value=value, slice=key) if not isinstance(key, ast.Constant) or isinstance(key.value, int):
            return operand_name(value)
        case _:
            return target_name(node)


def usable(name: object) -> str | None:
    """The name, if it is an identifier and not a throw-away one."""
    return name if isinstance(name, str) and name.isidentifier() and not name.startswith("_") else None


def operand(expression: ast.AST, position: int, keyword: str | None, method: bool) -> ast.AST | None:
    """One operand of an expression. In a `method` of a tensor, the first stands before the dot."""
    operands: list[ast.expr] = []
    match expression:
        case ast.BinOp(left=left, right=right):
            operands = [left, right]
        case ast.AugAssign(target=target, value=value):
            operands = [target, value]
        case ast.Compare(left=left, ops=[sign], comparators=[right]) if not isinstance(sign, (ast.In, ast.NotIn)):
            if not isinstance(left, (ast.Tuple, ast.List)) and not isinstance(right, (ast.Tuple, ast.List)):
                operands = [left, right]
        case ast.UnaryOp(operand=one) | ast.Subscript(value=one) | ast.Attribute(value=one):
            operands = [one]
        case ast.Call(args=args, keywords=keywords):
            given = [each.value for each in keywords if each.arg == keyword]
            if keyword is not None and given:
                return given[0]
            operands = args
            if method and isinstance(expression.func, ast.Attribute):
                operands = [expression.func.value, *args]
            elif args and isinstance(args[0], (ast.List, ast.Tuple)):
                operands = args[0].elts
    if any(isinstance(one, ast.Starred) for one in operands[: position + 1]):
        return None
    return operands[position] if position < len(operands) else None


def call(expression: ast.AST | None) -> tuple[str, int] | None:
    """The name of a function that is called, and with how many arguments by position."""
    match expression:
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=args):
            return name, len(args)
        case _:
            return None


def _is_call_of_dict(node: ast.AST | None) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict"


def _identifier(key: ast.AST | None) -> str | None:
    return usable(key.value) if isinstance(key, ast.Constant) else None


def _step(elements: list[ast.expr], i: int) -> Step:
    starred = [isinstance(element, ast.Starred) for element in elements]
    return (None if any(starred[:i]) else i, None if any(starred[i:]) else i - len(elements))


def _at(elements: list[ast.expr], step: Step) -> ast.expr | None:
    """The element of a target that takes what stands at `step` in the value."""
    start, end = step
    stars = [i for i, element in enumerate(elements) if isinstance(element, ast.Starred)]
    before, behind = (stars[0], len(elements) - stars[0] - 1) if stars else (len(elements), len(elements))
    if start is not None and start < before:
        return elements[start]
    return elements[end] if end is not None and -end <= behind else None
