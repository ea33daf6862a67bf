"""Graphs as NumPy source that you can paste and run."""

from __future__ import annotations

import ast
import builtins
import keyword
import re
from collections.abc import Iterable, Mapping, Sequence, Set
from functools import cache
from inspect import getsource
from typing import Any
from unicodedata import normalize

import numpy as np

from .. import kernels
from ..graph.records import COMPARISON, PACKAGE, POWER, PRODUCT, SIGN, SUM, TIGHTEST, Op
from ..graph.tensor import Tensor
from ..graph.threads import syntax_tree

LARGEST_CONSTANT = 1000
"""The number of elements up to which an array is written out in a source."""
_LONGEST_NAME = 100  # characters


def identifiers(names: Mapping[Tensor, str]) -> dict[Tensor, str]:
    """Return the names as Python identifiers, no two of them equal."""
    found: dict[Tensor, str] = {}
    taken = {"np"}
    for node, name in names.items():
        found[node] = identifier(name, taken)
        taken.add(found[node])
    return found


def identifier(name: str, taken: Set[str], private: str = "") -> str:
    """Return a name as a Python identifier that is not taken and does not match the pattern of `private` names.

    The identifier is normalised as Python does it when it reads source, so that Python tells all of them apart: to
    Python, µ and μ are equal, and so are Z₁ and Z1.
    """
    plain = normalize("NFKC", name[:_LONGEST_NAME])
    plain = "".join(c if f"a{c}".isidentifier() else "_" for c in plain)
    if not plain.isidentifier() or keyword.iskeyword(plain) or re.fullmatch(private, plain):
        plain = normalize("NFKC", f"v{plain}")
    numbered, count = plain, 1
    while numbered in taken or numbered in _KNOWN:
        count += 1
        numbered = f"{plain}_{count}"
    return numbered


def expression(node: Any, names: Mapping[Tensor, str]) -> str:
    """Return the expression that computes a node from the named nodes."""
    return names[node] if node in names and node.op is None else _written(node, names, inside=False)[0]


def _operand(x: Any, names: Mapping[Tensor, str]) -> tuple[str, int]:
    return _written(x, names, inside=True)


def _written(x: Any, names: Mapping[Tensor, str], inside: bool) -> tuple[str, int]:
    if not isinstance(x, Tensor):
        return _number(x)
    if inside and x in names:
        return names[x], TIGHTEST
    if x.op is None:
        if x.shape == ():
            return _number(x.item())
        return written_array(x._value), TIGHTEST
    template, binding = _template(x)
    exact = any(isinstance(y, Tensor) and y.dtype != np.float64 for y in x.inputs)
    operands = [_typed(y) if exact and _is_unnamed_number(y, names) else _operand(y, names) for y in x.inputs]
    needed = _needed(template)
    texts = []
    for i, (text, tight) in enumerate(operands):
        least = needed.get(i, 0)
        if least == _OBJECT and _is_unnamed_number(x.inputs[i], names) and not text.startswith("np."):
            text, tight = f"np.float64({text})", TIGHTEST  # Python's numbers have no shape
        texts.append(f"({text})" if tight < min(least, TIGHTEST) else text)
    return template.format(*texts), binding


def written_array(array: Any) -> str:
    """Return a constant array, to the last digit."""
    if not array.size:
        return f"np.zeros({array.shape}, dtype={array.dtype.name!r})"
    if is_uniform(array):
        return f"np.full({array.shape}, {_finite_or_named(repr(array.flat[0].item()))}, dtype={array.dtype.name!r})"
    return f"np.array({_finite_or_named(repr(array.tolist()))}, dtype={array.dtype.name!r})"


def is_uniform(array: Any) -> bool:
    """Return whether an array holds one number many times, so that it is short to write."""
    return bool(array.size > 1 and (array == array.flat[0]).all())


def _number(value: Any) -> tuple[str, int]:
    whole = isinstance(value, float) and value.is_integer() and abs(value) < 1e6
    return _finite_or_named(repr(int(value) if whole else value)), SIGN if value < 0 else TIGHTEST


def _is_unnamed_number(x: Any, names: Mapping[Tensor, str]) -> bool:
    return not isinstance(x, Tensor) or (x.op is None and x.shape == () and x not in names)


def _typed(x: Any) -> tuple[str, int]:
    """Return a number beside integers or narrow floats, where 2.0 differs from 2, and NumPy's 2.0 from Python's."""
    if not isinstance(x, Tensor):
        return _finite_or_named(repr(x)), SIGN if x < 0 else TIGHTEST
    return numpys_number(x._value), TIGHTEST


def numpys_number(value: Any) -> str:
    """Return a number of NumPy, with its dtype."""
    text = repr(value.item())
    return f"np.{value.dtype.name}({text if np.isfinite(value) else repr(text)})"


def _finite_or_named(numbers: str) -> str:
    """Return numbers as Python writes them; Python has no names for inf and nan, but NumPy has."""
    return re.sub(r"\b(inf|nan)\b", r"np.\1", numbers)


def _template(x: Tensor) -> tuple[str, int]:
    """Return the template of a node's op, with its parameters written in."""
    op = x.op
    assert op is not None
    params = {key: x.params[key] for key in op.params}
    places = [f"{{{i}}}" for i in range(len(x.inputs))]
    if op.source:
        template = op.source if isinstance(op.source, str) else op.source(x)
        template = template.replace("{*}", ", ".join(places))
        for key, value in params.items():
            template = template.replace(f"{{{key}}}", repr(value))
        return template, _binding(template)
    if is_foreign(op):
        function = op.name
    elif str(getattr(op.run, "__module__", None)).startswith(kernels.__name__):
        function = op.run.__name__
    else:
        function = f"np.{op.name}" if hasattr(np, op.name) else f"np.linalg.{op.name}"
        params = {key: value for key, value in params.items() if value is not None and value is not False}
    given = [f"{key}={value!r}" for key, value in params.items()]
    return f"{function}({', '.join([*places, *given])})", TIGHTEST


def is_foreign(op: Op) -> bool:
    """Return whether an op is the user's own, so that a program must call its function by the name of the op."""
    return not op.source and op.forward.__module__.partition(".")[0] != PACKAGE


_OBJECT = TIGHTEST + 1  # an object whose attribute or item is taken


@cache
def _tree(template: str) -> ast.expr:
    tree: ast.Expression = syntax_tree(re.sub(r"\{(\w+)\}", r"place\1", template), "eval")
    return tree.body


@cache
def _binding(template: str) -> int:
    """Return how tightly a template binds in Python."""
    return _binds(_tree(template))


def _binds(x: ast.expr) -> int:
    if isinstance(x, ast.Compare):
        return COMPARISON
    if isinstance(x, ast.UnaryOp):
        return SIGN
    if isinstance(x, ast.BinOp):
        return {ast.Add: SUM, ast.Sub: SUM, ast.Pow: POWER}.get(type(x.op), PRODUCT)
    return TIGHTEST


@cache
def _needed(template: str) -> Mapping[int, int]:
    """Return how tightly each operand must bind to stand in its places in a template without parentheses."""
    found: dict[int, int] = {}
    for parent in ast.walk(_tree(template)):
        children = [(field, child) for field, child in ast.iter_fields(parent) if not isinstance(child, list)]
        children += [("right", child) for child in getattr(parent, "comparators", ())]
        for field, child in children:
            if isinstance(child, ast.Name) and (place := re.fullmatch(r"place(\d+)", child.id)):
                i, own = int(place[1]), _binds(parent) if isinstance(parent, ast.expr) else 0
                match parent:
                    case ast.BinOp():
                        own += field == "right" or own == POWER
                    case ast.Compare():
                        own += 1
                    case ast.UnaryOp():
                        pass
                    case ast.Attribute() | ast.Subscript() if field == "value":
                        own = _OBJECT
                    case _:
                        own = 0
                found[i] = max(found.get(i, 0), own)
    return found


_HELPERS = frozenset(kernels.__all__)
"""The names of the functions that `helpers` may put into a source."""
_KNOWN = {*_HELPERS, *dir(builtins)}


def function(name: str, arguments: Sequence[str], lines: Iterable[tuple[str, str]], results: Sequence[str]) -> str:
    """Return the source of a function that assigns expressions to names and returns some of the names in a dict."""
    body = [f"    {left} = {right}" for left, right in lines]
    returned = ", ".join(f"{result!r}: {result}" for result in results)
    source = "\n".join([f"def {name}({', '.join(arguments)}):", *body, f"    return {{{returned}}}", ""])
    return f"import numpy as np\n\n\n{helpers(source)}{source}"


def helpers(source: str) -> str:
    """Return the source of the functions that a source needs and NumPy lacks."""
    needed: dict[str, str] = {}
    texts = [source]
    while texts:
        called = re.findall(r"(?<![\w.])(\w+)\(", texts.pop())
        for name in _HELPERS.intersection(called).difference(needed):
            needed[name] = _source(name)
            texts.append(needed[name])
    return "".join(f"{needed[name]}\n\n" for name in sorted(needed))


@cache
def _source(name: str) -> str:
    return re.sub(r": Any\b| -> Any\b", "", getsource(getattr(kernels, name)))
