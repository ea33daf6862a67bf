"""Make docs/functions.md, the table of all functions, from the op table. Run by `make docs-tables`."""

import inspect
import re
from pathlib import Path

import numpy as np

import tinygraph as tg
from tinygraph.graph.records import COMPOSITES, OPS
from tinygraph.numpy_api.protocols import recorded_by
from tinygraph.testing import laws

HERE = Path(__file__).parent
PAGE = HERE / "functions.md"
HEAD = """# All functions

This page is written by `make docs-tables` from the op table, and the tests check that it is up to date.

*Gradient* names the inputs of an op that get a gradient; for a composed function with a gradient it says "yes". The
gradients are exact: the laws check every row to first and second order by central differences, and higher orders use
the same rules. "none" means that calls are recorded but carry no gradient, mostly since the result is whole numbers or
truth values. *Made of* says whether a function is an op with rules of its own or is composed of others. Every
elementwise function broadcasts, and so do the other functions that say so. The last column is taken from
[conventions](conventions.md), which lists the derivatives at kinks, jumps and poles.

"""


def records():
    """Return the record of each public function by name."""
    return OPS | COMPOSITES


def parameters(function):
    """Return the names of the positional parameters."""
    found = inspect.signature(function).parameters.values()
    return [p.name for p in found if p.kind.name in ("POSITIONAL_ONLY", "POSITIONAL_OR_KEYWORD", "VAR_POSITIONAL")]


def differentiable(record):
    """Return the positions of the inputs that have a gradient in a sample of the record."""
    found = set()
    for inputs, params in laws.samples(record):
        for i, x in enumerate(inputs):
            if x.dtype.kind == "f" and i not in found:
                tensors = [tg.Tensor(y, requires_grad=i == j) for j, y in enumerate(inputs)]
                with np.errstate(all="ignore"):
                    if laws.applied(record, laws.consistent(record, tensors), params).requires_grad:
                        found.add(i)
    return found


def gradient(name, function, record):
    """Return the names of the inputs that get a gradient, "yes" for a composed function with one, or "none"."""
    found, names = differentiable(record), parameters(function)
    if name not in OPS:  # samples give its arrays in an order of their own
        return "yes" if found else "none"
    if not found:
        return "none"
    return ", ".join(dict.fromkeys(names[min(i, len(names) - 1)] for i in sorted(found)))


def conventions():
    """Return for each function its rows in the page of conventions."""
    page = (HERE / "conventions.md").read_text(encoding="utf-8")
    found = {}
    for expression, at, derivative in re.findall(r"^\| `(.+?)` \| (\S+) \| (.+?) \|", page, re.MULTILINE):
        if match := re.search(r"tg\.(?:\w+\.)*?(\w+)\(", expression):
            found.setdefault(match[1], []).append(f"`{expression}` at {at}: {derivative}")
    return found


def table():
    """Return the text of the page."""
    known, at = records(), conventions()
    text = HEAD
    counts = [0, 0]
    body = ""
    for family in (*tg.ops.FAMILIES, tg.fft):
        title = family.__name__.rpartition(".")[2]
        inside = "fft." if family is tg.fft else ""
        body += f"## {'tg.fft' if inside else title.capitalize()}\n\n{family.__doc__.partition(chr(10))[0]}\n\n"
        body += "| function | what it is | gradient | made of | conventions |\n|---|---|---|---|---|\n"
        for name in sorted(family.__all__):
            function, record = getattr(family, name), known.get(name)
            what = inspect.getdoc(function).partition("\n\n")[0].replace("\n", " ").replace("|", "\\|")
            gets = gradient(name, function, record) if record else "–"
            counts[0] += 1
            counts[1] += gets not in ("none", "–")
            made = "op" if name in OPS else "composed"
            body += f"| `{inside}{name}` | {what} | {gets} | {made} | {'; '.join(at.get(name, []))} |\n"
        body += "\n"
    spelled = sorted(recorded_by())
    text += f"{counts[0]} functions, {counts[1]} of them with gradients of first, second and any order.\n\n{body}"
    text += f"## By their NumPy names\n\n{len(spelled)} functions of NumPy record on a tensor:\n"
    return text + ", ".join(f"`{name}`" for name in spelled) + ".\n"
