"""Graphs as NumPy source that can be pasted and run."""

from __future__ import annotations

import ast
import keyword
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from inspect import getsource
from typing import Any

import numpy as np

from . import kernels
from .graph import Tensor
from .names import shown_inputs
from .ops.keys import SLOT
from .table import COMPARISON, POWER, PRODUCT, SIGN, SUM, TIGHTEST, Op

LARGEST_CONSTANT = 1000
"""Elements of an array that is still written in a source."""
_METHODS = {"reshape": "reshape", "permute_dims": "transpose"}
_LOSSES = "-({1} * np.log({0}) + (1 - {1}) * np.log(1 - {0}))"
_BINARY = re.compile(r"\{0\} \S+ \{1\}|-\{0\}|\{0\} \*\* 2")


def identifiers(names: Mapping[Tensor, str]) -> dict[Tensor, str]:
    """The names as Python identifiers, each once."""
    found: dict[Tensor, str] = {}
    taken = {"np", *HELPERS}
    for node, name in names.items():
        plain = name.translate(str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789"))
        plain = re.sub(r"\W", "_", plain)
        plain = f"_{plain}" if not plain.isidentifier() or keyword.iskeyword(plain) else plain
        numbered, count = plain, 1
        while numbered in taken:
            count += 1
            numbered = f"{plain}_{count}"
        taken.add(numbered)
        found[node] = numbered
    return found


def expression(node: Any, names: Mapping[Tensor, str]) -> str:
    """What computes a node, over the named ones."""
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
        return written_array(x.value), TIGHTEST
    template, binding = _template(x)
    operands = [_operand(y, names) for y in x.inputs]
    texts = []
    for i, (text, tight) in enumerate(operands):
        needed = 0
        if _BINARY.fullmatch(template):
            needed = binding + (i > 0 or binding in (POWER, COMPARISON))
        elif template.startswith("{0}.") or "-{0}" in template or "[" in template[:4]:
            needed = TIGHTEST
        elif "*" in template or "1 - " in template:
            needed = SUM + 1
        texts.append(f"({text})" if tight < needed else text)
    return template.format(*texts), binding


def written_array(array: Any) -> str:
    """A constant array, to the last digit."""
    if not array.size:
        return f"np.zeros({array.shape}, dtype={array.dtype.name!r})"
    if is_uniform(array):
        return f"np.full({array.shape}, {_finite_or_named(repr(array.flat[0].item()))}, dtype={array.dtype.name!r})"
    return f"np.array({_finite_or_named(repr(array.tolist()))}, dtype={array.dtype.name!r})"


def is_uniform(array: Any) -> bool:
    """Whether an array is one number again and again, and so short to write."""
    return bool(array.size > 1 and (array == array.flat[0]).all())


def _number(value: Any) -> tuple[str, int]:
    whole = isinstance(value, float) and value.is_integer() and abs(value) < 1e6
    return _finite_or_named(repr(int(value) if whole else value)), SIGN if value < 0 else TIGHTEST


def _finite_or_named(numbers: str) -> str:
    """Numbers as Python writes them, where inf and nan are no names of its own."""
    return re.sub(r"\b(inf|nan)\b", r"np.\1", numbers)


def _template(x: Tensor) -> tuple[str, int]:
    """The template of a node's op, with its parameters written in."""
    op = x.op
    assert op is not None
    params = {key: x.params[key] for key in op.params}
    if op.name == "matrix_transpose" and x.ndim == 2:
        return "{0}.T", TIGHTEST
    places = [f"{{{i}}}" for i in range(len(x.inputs))]
    if op.source:
        template = op.source.replace("{*}", ", ".join(places))
        for key, value in params.items():
            template = template.replace(f"{{{key}}}", repr(value))
        return template, _binding(template)
    if op.name in ("log_loss", "log_loss_of_sigmoid"):
        reduce = params["reduction"]
        return (_LOSSES, SIGN) if reduce == "none" else (f"np.{reduce}({_LOSSES})", TIGHTEST)
    count = len(shown_inputs(x))
    if op.name == "getitem":
        return f"{{0}}[{subscript(x)}]", TIGHTEST
    if op.name == "scatter_add":
        return f"scatter_add({{0}}, np.s_[{subscript(x)}], {params['shape']})", TIGHTEST
    if op.name == "index_put":
        return f"index_put({{0}}, {{1}}, np.s_[{subscript(x)}])", TIGHTEST
    if op.name == "last_written":
        return f"last_written(np.s_[{subscript(x)}], {params['shape']})", TIGHTEST
    if op.name in ("astype", "discretize"):
        return f"np.{np.dtype(params['dtype']).name}({{0}})", TIGHTEST
    if op.variadic and not is_foreign(op):
        return f"np.{op.name}([{', '.join(places[:count])}], axis={params['axis']})", TIGHTEST
    given = [f"{key}={value!r}" for key, value in params.items() if value is not None and value is not False]
    if op.name in _METHODS:
        (numbers,) = params.values()
        return f"{{0}}.{_METHODS[op.name]}({'' if numbers is None else ', '.join(map(str, numbers)) or '()'})", TIGHTEST
    if op.name == "broadcast_to":
        given = [repr(params["shape"])]
    if is_foreign(op):
        given = [f"{key}={value!r}" for key, value in params.items()]
        return f"{op.name}({', '.join([*places, *given])})", TIGHTEST
    function = f"np.{op.name}" if hasattr(np, op.name) else f"np.linalg.{op.name}"
    if str(getattr(op.run, "__module__", None)).startswith(kernels.__name__):
        function = op.run.__name__
        given = [f"{key}={value!r}" for key, value in params.items()]
    return f"{function}({', '.join([*places, *given])})", TIGHTEST


def is_foreign(op: Op) -> bool:
    """Whether an op is of the user's own, so that its function must be called by the name of the op."""
    return not op.source and op.forward.__module__.partition(".")[0] != __package__


@cache
def _binding(template: str) -> int:
    """How tightly a template binds in Python."""
    outermost = ast.parse(re.sub(r"\{\w+\}", "x", template), mode="eval").body
    if isinstance(outermost, ast.Compare):
        return COMPARISON
    if isinstance(outermost, ast.UnaryOp):
        return SIGN
    if isinstance(outermost, ast.BinOp):
        return {ast.Add: SUM, ast.Sub: SUM, ast.Pow: POWER}.get(type(outermost.op), PRODUCT)
    return TIGHTEST


def subscript(node: Tensor) -> str:
    """The index of getitem and the like, with ``{1}`` for the first array in it if that is the second input."""
    key = node.params["key"]
    arrays = (f"{{{i}}}" for i in range(len(node.inputs) - key.count(SLOT), len(node.inputs)))
    return ", ".join(next(arrays) if part is SLOT else _index(part) for part in key) or "()"


def _index(part: Any) -> str:
    if isinstance(part, slice):
        ends = ["" if end is None else str(end) for end in (part.start, part.stop)]
        return ":".join(ends if part.step is None else [*ends, str(part.step)])
    return "..." if part is Ellipsis else str(part)


HELPERS = kernels.__all__
"""The names of the functions that `helpers` may put in."""


def function(name: str, arguments: Sequence[str], lines: Iterable[tuple[str, str]], results: Sequence[str]) -> str:
    """A function that assigns expressions to names, line by line, and returns some of them by name."""
    body = [f"    {left} = {right}" for left, right in lines]
    returned = ", ".join(f"{result!r}: {result}" for result in results)
    source = "\n".join([f"def {name}({', '.join(arguments)}):", *body, f"    return {{{returned}}}", ""])
    return f"import numpy as np\n\n\n{helpers(source)}{source}"


def helpers(source: str) -> str:
    """The functions that source needs and NumPy lacks."""
    needed: dict[str, str] = {}
    texts = [source]
    while texts:
        text = texts.pop()
        for name in HELPERS:
            if name not in needed and re.search(rf"(?<!\.)\b{name}\(", text):
                needed[name] = _source(name)
                texts.append(needed[name])
    return "".join(f"{needed[name]}\n\n" for name in sorted(needed))


@cache
def _source(name: str) -> str:
    return re.sub(r": Any\b| -> Any\b", "", getsource(getattr(kernels, name)))
