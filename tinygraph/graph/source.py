"""The source text of an expression, of its operands, and the name that its value is stored under.

A file is parsed when somebody first asks for one of these, and again when it has changed.
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
"""A place in a tuple, counted from its start and from its end, or None where a star hides the count."""


class Returned(Enum):
    """The mark of a value that is returned by the function around it."""

    RETURNED = 0


RETURNED: Final = Returned.RETURNED

# Python's functions that call ours for each of several values: their operands are not the operands of our op, and
# their result is not the node that we made. Only those that fold return the last node made.
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
        """Return the text of a syntax node on one line, or "" where it is too deep to print."""
        if node.lineno == node.end_lineno:
            line: bytes = self.lines[node.lineno - 1].encode()  # columns count bytes
            return line[node.col_offset : node.end_col_offset].decode()
        try:
            return ast.unparse(node)
        except RecursionError:
            return ""

    def expression_text(self, node: ast.AST) -> str:
        """Return the text of an expression that computes a value; for ``z += b`` that is ``z + b``."""
        if isinstance(node, ast.AugAssign):
            sign = ast.unparse(ast.BinOp(ast.Name("a"), node.op, ast.Name("b")))[2:-2]
            return f"{self.text(node.target)} {sign} {self.text(node.value)}"
        return self.text(node)

    def calls_back(self, node: ast.AST | None) -> bool:
        """Return whether a syntax node is a call of a Python function that calls ours, or a list or dict of results."""
        return self._builtin(node) in _CALLS_BACK or isinstance(node, (ast.List, ast.Tuple, ast.Set, ast.Dict))

    def folds(self, node: ast.AST | None) -> bool:
        """Return whether such a function returns the last of several results made there, as ``sum`` does."""
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
    """Return the parsed file, which is empty where there is no file or where it is not written in Python."""
    try:
        linecache.checkcache(filename)
        return _parsed("".join(linecache.getlines(filename)))
    except KeyError:  # linecache looks an entry up twice, and another thread may drop it in between
        return read(filename)


@lru_cache(maxsize=64)
def _parsed(text: str) -> Source:
    source = Source(text.split("\n"), {}, set())
    try:
        tree = syntax_tree(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return source
    for parent in ast.walk(tree):  # outer nodes come first, so the inner one of two at the same position stays
        for child in ast.iter_child_nodes(parent):
            child.parent = parent  # type: ignore[attr-defined]
            if isinstance(child, (ast.expr, ast.AugAssign)):
                source.nodes[child.lineno, child.end_lineno, child.col_offset, child.end_col_offset] = child
                _also_from_the_dot(source, child)
            elif isinstance(child, ast.alias) and isinstance(parent, ast.ImportFrom):
                source.imported.add(child.asname or child.name)
    return source


def _also_from_the_dot(source: Source, node: ast.expr | ast.AugAssign) -> None:
    """Enter a method call that spans lines under a second position too, which begins at the name after the dot."""
    attribute = node.func if isinstance(node, ast.Call) else node
    if isinstance(attribute, ast.Attribute) and attribute.end_lineno != attribute.value.end_lineno:
        column = (attribute.end_col_offset or 0) - len(attribute.attr.encode())
        source.nodes.setdefault((attribute.end_lineno, node.end_lineno, column, node.end_col_offset), node)


def destination(node: ast.AST, path: list[Step]) -> str | Returned | None:
    """Return the name that the value of an expression is stored under, `RETURNED` if it is returned, or None.

    If that value is a tuple, `path` leads to the element in question, innermost step first. The tuples that are met on
    the way are added to it.
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
    """Return whether the assignment around an expression mentions a name. For other statements the answer is True."""
    statement = getattr(node, "parent", None)
    if not isinstance(statement, (ast.Assign, ast.AnnAssign, ast.NamedExpr)):
        return True
    return any(name in (getattr(n, "id", None), getattr(n, "attr", None)) for n in ast.walk(statement))


def updates_by_gradient(node: ast.AST | None) -> bool:
    """Return whether an expression stands in an update by a gradient, such as ``W = W - 0.1 * W.grad``."""
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
    """Return whether an expression reads a ``.grad``."""
    return node is not None and any(isinstance(each, ast.Attribute) and each.attr == "grad" for each in ast.walk(node))


def _elements(target: ast.expr) -> list[ast.expr]:
    return target.elts if isinstance(target, (ast.Tuple, ast.List)) else [target]


def target_name(target: ast.AST, path: list[Step] | None = None) -> str | None:
    """Return the name in ``x``, ``self.x`` or ``cache["x"]``, or in the element at `path` of a tuple of these."""
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
    """Return the name in an operand: in ``W[i]`` the name of the list, in ``p[f"W{i}"]`` the beginning of the key."""
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
    """Return a name if it is an identifier that does not begin with an underscore, else None."""
    return name if isinstance(name, str) and name.isidentifier() and not name.startswith("_") else None


def operand(expression: ast.AST, position: int, keyword: str | None, method: bool) -> ast.AST | None:
    """Return one operand of an expression, or None. In a `method` of a tensor, the first stands before the dot."""
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
    """Return the name of a function that is called and the number of its positional arguments, or None for no call."""
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
    """Return the element of a target that gets the element at `step` of the value, or None."""
    start, end = step
    stars = [i for i, element in enumerate(elements) if isinstance(element, ast.Starred)]
    before, behind = (stars[0], len(elements) - stars[0] - 1) if stars else (len(elements), len(elements))
    if start is not None and start < before:
        return elements[start]
    return elements[end] if end is not None and -end <= behind else None
