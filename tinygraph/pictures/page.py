"""A drawing as a page that steps: one file of HTML with the picture, its explanations, and a script that shows them.

Text from the user goes only into the data, which the script shows as text, and through the escaping of `html` and of
the XML writer. The policy of the page allows only the script beside this file to run, and nothing to load.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import xml.etree.ElementTree as ET
from functools import lru_cache
from importlib.resources import files
from typing import Any, TypeAlias

import numpy as np

from ..errors import DependencyError
from ..writing.notation import Spans, as_latex, as_text
from .arrays import brief, in_full, shape_text
from .boxes import Box, Drawing, all_drawings
from .dot_source import dot_source
from .render import rendered
from .steps import Step, Story
from .sums import MOST_PARTS, Part

_SVG = "{http://www.w3.org/2000/svg}"
_LARGEST_TABLE = (8, 8)  # rows and columns of an array that is shown in numbers
_LARGEST_MAP = (16, 48)
_BINS = 24
_DIGITS = 4
_ATTRIBUTES = {
    *("viewBox", "class", "id", "transform", "d", "points", "x", "y", "cx", "cy", "rx", "ry", "fill", "stroke"),
    *(
        "{http://www.w3.org/XML/1998/namespace}space",
        "stroke-width",
        "stroke-dasharray",
        "font-family",
        "font-size",
        "font-style",
        "text-anchor",
        "baseline-shift",
    ),
}
_SHAPES = {"svg", "g", "path", "polygon", "polyline", "ellipse", "text"}
_SYMBOLS = {"*": "∗"}

Tree: TypeAlias = "str | list[Any]"
"""An element of MathML, as its tag and its children, or text."""


@np.errstate(all="ignore")
def page(drawing: Drawing, title: Spans | None, direction: str) -> str:
    """Return the whole page, which needs no other file and no network.

    Raises `DependencyError` if Graphviz or latex2mathml is missing.
    """
    story = Story(drawing)
    heading = as_text(title) if title else drawing.caption or as_text(drawing.boxes[-1].title)
    drawings = list(all_drawings(drawing))
    place = {id(inner): i for i, inner in enumerate(drawings)}
    titles: list[Spans | None] = [title] * len(drawings)
    parents: list[int | None] = [None] * len(drawings)
    for i, outer in enumerate(drawings):
        for box in outer.boxes:
            if box.inner is not None:
                titles[place[id(box.inner)]], parents[place[id(box.inner)]] = box.title, i
    pictures = [
        {"name": as_text(name) if name else heading, "parent": parent, **_picture(inner, story, place)}
        for inner, name, parent in zip(drawings, titles, parents, strict=True)
    ]
    sources = (dot_source(inner, name, direction) for inner, name in zip(drawings, titles, strict=True))
    svgs = [_inline_svg(source, i) for i, source in enumerate(sources)]
    script, style = (files(__package__).joinpath(f"page.{suffix}").read_text("utf-8") for suffix in ("js", "css"))
    return _TEMPLATE.format(
        policy=f"default-src 'none'; script-src {_hashed(script)}; style-src {_hashed(style)}",
        title=html.escape(heading),
        style=style,
        svgs="\n".join(svgs),
        data=_as_data({"title": heading, "pictures": pictures}),
        script=script,
    )


def frame(content: str) -> str:
    """Return a page as a frame within another page, such as a notebook, so that their styles stay apart."""
    return (
        f'<iframe srcdoc="{html.escape(content)}" sandbox="allow-scripts allow-downloads" title="computation graph"'
        ' style="width:100%;height:720px;border:0"></iframe>'
    )


_TEMPLATE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<header>
  <nav id="trail" aria-label="Where you are"></nav>
  <label class="search"><span class="unseen">Search by name</span>
    <input id="search" type="search" placeholder="Search by name  /" autocomplete="off" spellcheck="false"></label>
  <output id="found" for="search" aria-live="polite"></output>
  <span class="group" role="group" aria-label="View">
    <button id="out" title="Zoom out (−)" aria-label="Zoom out">−</button>
    <button id="in" title="Zoom in (+)" aria-label="Zoom in">+</button>
    <button id="fit" title="The whole picture (0)">Fit</button>
    <button id="fold" aria-pressed="false" title="Fold or unfold all scopes">Fold</button>
  </span>
  <span class="group" role="group" aria-label="Page">
    <button id="theme" title="Dark or light">Dark</button>
    <button id="export" title="Save what is on screen as SVG">SVG</button>
  </span>
</header>
<main id="canvas" aria-label="Computation graph: each box is a button that shows its numbers">
{svgs}
</main>
<div id="dock">
  <div class="transport" role="group" aria-label="Steps">
    <button id="first" title="To the start (Home)" aria-label="To the start">|◀</button>
    <button id="back" title="Back (←)" aria-label="Back">◀</button>
    <button id="play" title="Play or pause (space)">Play</button>
    <button id="next" class="next" title="Next (→)">Next</button>
    <button id="last" title="To the end (End)" aria-label="To the end">▶|</button>
    <input id="slider" type="range" min="0" value="0" aria-label="Step">
    <output id="count" for="slider"></output>
  </div>
  <section id="step" aria-label="This step"></section>
  <section id="panel" aria-label="Box"></section>
  <details id="trace"><summary>All steps as text</summary><ol></ol></details>
</div>
<p id="said" class="unseen" role="status" aria-live="polite"></p>
<noscript>Stepping needs JavaScript, which is switched off here; the picture is complete without it.</noscript>
<script type="application/json" id="data">{data}</script>
<script>{script}</script>
</body>
</html>
"""


def _hashed(text: str) -> str:
    """Return the hash by which the policy allows a script or a style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _as_data(content: Any) -> str:
    """Return JSON that can stand within a script element, whatever it contains."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


# -- what the script shows -----------------------------------------------------------------------------------------


def _picture(drawing: Drawing, story: Story, place: dict[int, int]) -> dict[str, Any]:
    number = {box: i for i, box in enumerate(drawing.boxes)}
    return {
        "nodes": [_node(box, story, place) for box in drawing.boxes],
        "edges": [[number[edge.source], number[edge.target]] for edge in drawing.edges],
        "frames": _frames(drawing),
        "steps": [_step(step, number) for step in story.of(drawing)],
        "back": any(edge.backward for edge in drawing.edges),
    }


def _node(box: Box, story: Story, place: dict[int, int]) -> dict[str, Any]:
    node = box.node
    value, gradient = story.contents.value(box), story.contents.gradient(box)
    parts = story.sums.parts(box)
    equations = story.contents.equations(box)
    total = sum(part.value for part in parts)
    others = gradient is not None and bool(parts) and not _close(total, gradient)
    return {
        "name": as_text(story.contents.symbol(node)),
        "symbol": _mathematics(story.contents.symbol(node)),
        "gradientName": as_text(story.contents.symbol(node, "d")),
        "gradientSymbol": _mathematics(story.contents.symbol(node, "d")),
        "text": f"{as_text(box.title)}, {box.value}" + (f", {as_text(box.gradient)}" if box.gradient else ""),
        "role": box.role,
        "op": node.op.name if node.op is not None else "",
        "shape": shape_text(value.shape) or "one number",
        "dtype": str(value.dtype),
        "where": node.site.where,
        "source": node.site.source,
        "forward": _mathematics(box.title),
        "backward": [_mathematics(equation.spans) for equation in equations],
        "way": [list(line) for line in equations[-1].steps] if equations else [],
        "meaning": story.contents.meaning(box),
        "mark": as_text(box.mark) if box.mark else "",
        "value": _array(value),
        "gradient": None if gradient is None else _array(gradient),
        "parts": [_part(part) for part in parts[:MOST_PARTS]],
        "more": max(0, len(parts) - MOST_PARTS),
        "others": others,
        "inner": place[id(box.inner)] if box.inner is not None else None,
        "count": box.count,
    }


def _close(x: Any, y: Any) -> bool:
    return np.allclose(x, y, rtol=1e-5, atol=1e-12, equal_nan=True)


def _part(part: Part) -> dict[str, Any]:
    return {
        "where": part.where + part.passes,
        "rule": _mathematics(part.rule) if part.rule else None,
        "shape": shape_text(part.shape) or "one number",
        "value": _in_short(part.value),
        "note": part.note.strip(),
    }


def _step(step: Step, number: dict[Box, int]) -> dict[str, Any]:
    name, equations = as_text(step.name), [as_text(equation) for equation in step.equations]
    said = " = ".join([equations[0], *(text.split(" = ", 1)[-1] for text in equations[1:])]) if equations else name
    part = f" ({step.part[0]} of {step.part[1]})" if step.part else ""
    return {
        "node": number[step.box],
        "backward": step.backward,
        "edges": step.edges,
        "name": name,
        "symbol": _mathematics(step.name),
        "equations": [_mathematics(equation) for equation in step.equations],
        "numbers": step.numbers,
        "value": step.value,
        "soFar": step.so_far,
        "why": step.why,
        "part": part,
        "text": f"{said}{part}: {step.value}{f', so far {step.so_far}' if part else ''}. {step.why}",
    }


def _frames(drawing: Drawing) -> list[dict[str, Any]]:
    """Return the scopes, the outermost first, each with its boxes; the id of a scope names its first box."""
    found: dict[tuple[str, ...], list[int]] = {}
    for i, box in enumerate(drawing.boxes):
        for depth in range(len(box.scope)):
            found.setdefault(box.scope[: depth + 1], []).append(i)
    return [
        {"id": f"cluster_n{members[0]}_{len(scope) - 1}", "nodes": members}
        for scope, members in sorted(found.items(), key=lambda item: len(item[0]))
    ]


def _array(array: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Return an array to look at, with its range and a histogram; larger ones as means of blocks."""
    with np.errstate(all="ignore"):
        numbers = np.asarray(array, float)
        flat = numbers.reshape(-1, numbers.shape[-1] if numbers.ndim > 1 and numbers.size else numbers.size or 1)
        finite = numbers[np.isfinite(numbers)]
        small = all(n <= most for n, most in zip(flat.shape, _LARGEST_TABLE, strict=True))
        cells = flat if small else _blocks(flat)
        blocks = zip(flat.shape, cells.shape, strict=True) if cells.shape != flat.shape else ()
        bins = _histogram(finite) if finite.size and not small else []
        size = float(np.abs(cells[np.isfinite(cells)]).max(initial=0.0))
        return {
            "cells": [[_cell(x) for x in row] for row in cells.tolist()] if numbers.size else [],
            "small": small,
            "shape": shape_text(array.shape),
            "block": " × ".join(f"{n / k:.3g}" for n, k in blocks),
            "limit": _cell(size),
            "most": brief(size),
            "range": [brief(float(x)) for x in (finite.min(), finite.mean(), finite.max())] if finite.size else [],
            "bins": bins,
            "nan": int(np.isnan(numbers).sum()),
            "infinite": int(np.isinf(numbers).sum()),
        }


def _histogram(finite: np.ndarray[Any, Any]) -> list[int]:
    """Return how many numbers lie in each of equal parts of their range, however wide or narrow that is."""
    scaled = finite / (np.abs(finite).max() or 1.0)
    low, high = scaled.min(), scaled.max()
    part = (scaled - low) / (high - low or 1.0) * _BINS
    counts = np.bincount(part.astype(int).clip(0, _BINS - 1), minlength=_BINS)
    return [int(count) for count in counts]


def _blocks(flat: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return means of blocks of rows and columns, as many as a map can show."""
    for axis, most in enumerate(_LARGEST_MAP):
        n = flat.shape[axis]
        if n > most:
            even = (k for k in range(most, most // 2, -1) if n % k == 0)
            starts = np.linspace(0, n, next(even, most) + 1).astype(int)
            counts = np.expand_dims(np.diff(starts), 1 - axis)
            flat = np.add.reduceat(flat, starts[:-1], axis) / counts
    return flat


def _cell(x: float) -> float | str:
    """Return a number in a form that JSON allows."""
    if np.isfinite(x):
        return float(f"{x:.{_DIGITS}g}")
    return "NaN" if np.isnan(x) else "∞" if x > 0 else "−∞"


def _in_short(array: Any) -> str:
    array = np.asarray(array)
    return in_full(array) if array.size <= _DIGITS else ""


# -- mathematics ---------------------------------------------------------------------------------------------------


def _mathematics(spans: Spans) -> Tree:
    """Return spans as MathML."""
    return _mathml(as_latex(spans), as_text(spans))


@lru_cache(maxsize=4096)
def _mathml(latex: str, text: str) -> Tree:
    try:
        from latex2mathml.converter import convert
    except ImportError:
        raise DependencyError(
            "the mathematics of a page needs latex2mathml, which is not here: pip install 'tinygraph[draw]'"
        ) from None
    try:
        return _tree(ET.fromstring(convert(latex)))
    except Exception:  # LaTeX cannot write this name
        return ["math", ["mtext", text]]


def _tree(element: ET.Element) -> Tree:
    """Return an element of MathML without its attributes, and with the letters of a word together."""
    tag = element.tag.partition("}")[2]
    children = list(element)
    if tag == "mrow" and children and (style := children[0].get("mathvariant")):
        return ["mi" if style == "italic" else "mtext", "".join(x.text or "" for x in children)]
    if not children:
        text = element.text or ""
        return [tag if tag in ("mi", "mn", "mo", "mtext", "mspace") else "mrow", _SYMBOLS.get(text, text)]
    return [tag, *(_tree(child) for child in children)]


# -- the picture ---------------------------------------------------------------------------------------------------


def _inline_svg(source: str, place: int) -> str:
    """Return the picture that Graphviz draws, rebuilt from known elements, with ids that the script knows."""
    root = _copied(ET.fromstring(rendered(source, "svg")), f"p{place}-")
    root.set("xmlns", "http://www.w3.org/2000/svg")
    root.set("id", f"p{place}")
    root.set("role", "group")
    if place:
        root.set("hidden", "")
    return ET.tostring(root, encoding="unicode")


def _copied(element: ET.Element, prefix: str) -> ET.Element:
    tag = element.tag.removeprefix(_SVG)
    copy = ET.Element(tag, {key: value for key, value in element.items() if key in _ATTRIBUTES})
    copy.text = element.text if tag == "text" else None
    kind = element.get("class")
    name = element.findtext(f"{_SVG}title") or ""
    if kind in ("node", "cluster"):
        copy.set("id", prefix + name)
    elif kind == "edge":
        copy.set("id", prefix + element.get("id", ""))
        copy.set("class", f"edge {'back' if element.get('id', '').startswith('b') else 'forth'}")
    elif kind == "graph":
        del copy.attrib["id"]
        element.remove(next(element.iter(f"{_SVG}polygon")))  # the background
    for child in element:
        if child.tag.removeprefix(_SVG) in _SHAPES:
            copy.append(_copied(child, prefix))
    return copy
