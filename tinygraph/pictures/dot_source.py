"""A drawing as DOT.

Text from the user goes only into HTML-like labels, escaped, and the ids of nodes are our own, so that nothing a user
writes can become markup, an attribute or a link.
"""

from __future__ import annotations

import html
from itertools import groupby
from typing import Any

from ..writing.names import clean
from ..writing.notation import Span, Spans, apart, as_text
from .boxes import Box, Drawing, Edge
from .groups import DEEPEST

BLUE, ORANGE, VERMILLION, RED, GREY = "#0072B2", "#E69F00", "#D55E00", "#B5093E", "#666666"
_FONT = "Helvetica,Arial,sans-serif"
_CHARACTER = 6.2  # points of a character in the size of gradients
_ROW = 15  # points
_SMALLEST = 8
_MANY_EDGES = 60

# Shape and border say what a box is; colour says it again (Okabe and Ito's palette).
_STYLES: dict[str, dict[str, str]] = {
    "input": {"style": "rounded,filled", "fillcolor": "#E8F1F8", "color": BLUE, "penwidth": "1.8"},
    "parameter": {"style": "filled", "fillcolor": "#FFF4DC", "color": ORANGE, "penwidth": "1.8"},
    "operation": {"style": "rounded,filled", "fillcolor": "white", "color": "#555555"},
    "target": {"style": "dashed,filled", "fillcolor": "white", "color": GREY},
    "loss": {"style": "filled", "fillcolor": "#FEF1EA", "color": VERMILLION, "peripheries": "2"},
    "group": {"style": "filled", "fillcolor": "#F4F4F4", "color": "#555555", "shape": "box3d"},
    "outside": {"style": "rounded,dotted,filled", "fillcolor": "white", "color": GREY},
    "misfit": {"style": "filled", "fillcolor": "white", "color": VERMILLION, "penwidth": "4"},
    "failed": {"style": "dashed,filled", "fillcolor": "#FEF1EA", "color": VERMILLION, "penwidth": "4"},
}
_MARKED = {"color": "black", "penwidth": "3"}
_WARNING = "#F0E442"


def dot_source(drawing: Drawing, title: Spans | None, direction: str) -> str:
    """Return the drawing in the language of Graphviz."""
    import graphviz

    graph = graphviz.Digraph(
        graph_attr={
            "rankdir": direction,
            "fontname": _FONT,
            "labelloc": "t",
            "nodesep": "0.3",
            "ranksep": "0.55",
            "pad": "0.15",
            "bgcolor": "white",
        },
        node_attr={"shape": "box", "fontname": _FONT, "margin": "0.08,0.03", "penwidth": "1.4"},
        edge_attr={"fontname": _FONT, "fontsize": "9", "arrowsize": "0.7", "color": BLUE, "fontcolor": BLUE},
    )
    back = ", backward dashed in red" if any(edge.backward for edge in drawing.edges) else ""
    heading = [_line(title, 15, "black")] if title else []
    captions = [f"forward in blue{back}", *filter(None, (drawing.caption, drawing.findings))]
    graph.attr(label=_html([*heading, *(_line([Span(caption)], 10, GREY) for caption in captions)]))
    crowded = len(drawing.edges) > _MANY_EDGES
    if crowded:  # the network simplex of dot takes minutes on a fan of a hundred edges
        graph.attr(nslimit="1")
    ids = {box: f"n{i}" for i, box in enumerate(drawing.boxes)}
    _add_scope(graph, drawing, drawing.boxes, ids, ())
    for i, edge in enumerate(drawing.edges):
        label = f" {edge.label} " if edge.label and not crowded else ""
        past = _past(edge, direction)
        graph.edge(ids[edge.source], ids[edge.target], label=label, weight="2", id=f"f{i}", **past)
        if edge.differentiable:  # there before backward too, but invisible, so that it does not move the layout
            seen = {"style": "dashed", "color": RED} if edge.backward else {"style": "invis"}
            step = _html([_line(edge.step, 9, RED)]) if edge.step and not crowded else ""
            way = {"dir": "back", "weight": "0", "id": f"b{i}"}
            graph.edge(ids[edge.source], ids[edge.target], label=step, **way, **seen, **past)
    return str(graph.source)


def _add_scope(graph: Any, drawing: Drawing, boxes: list[Box], ids: dict[Box, str], scope: tuple[str, ...]) -> None:
    """Add the boxes of a scope, and inside it the scopes within."""
    depth = len(scope)
    inner: dict[str, list[Box]] = {}
    for box in boxes:
        if depth < min(len(box.scope), DEEPEST):
            inner.setdefault(box.scope[depth], []).append(box)
        else:
            graph.node(ids[box], label=_label(box), **_STYLES[box.role] | (_MARKED if box.begins else {}))
    for name, members in inner.items():
        repeated = (*scope, name) in drawing.repeated
        with graph.subgraph(name=f"cluster_{ids[members[0]]}_{depth}") as cluster:
            cluster.attr(
                label=_html([_line([Span(clean(name) or "scope")], 11, "black" if repeated else GREY)]),
                style="rounded",
                color=GREY if repeated else "#BBBBBB",
                penwidth="2" if repeated else "1",
                labeljust="l",
                margin="10",
            )
            _add_scope(cluster, drawing, members, ids, (*scope, name))


def _past(edge: Edge, direction: str) -> dict[str, str]:
    """Return the attributes of an edge that runs past other boxes, without influence on their places."""
    if not edge.carried:
        return {}
    port = "n" if direction == "LR" else "e"
    return {"constraint": "false"} | ({} if edge.source is edge.target else {"headport": port, "tailport": port})


def _label(box: Box) -> str:
    value = _line([Span(box.value)], 10, RED if box.role == "failed" else BLUE)
    lines = [_line(box.title, 14, "black"), *([value] if box.value else [])]
    width = 0
    if box.gradient is not None:
        lines.append(_line(box.gradient, 10, RED))
        # room for any gradient, so that backward does not move the layout
        width = round(_CHARACTER * (len(as_text(box.gradient[:-1])) + box.widest_gradient))
    if box.mark is None:
        return _html(lines, width)
    return _html([*lines, _line(box.mark, 10, "black")], width, _WARNING if box.begins else "white")


def _html(lines: list[str], width: int = 0, behind_last: str = "") -> str:
    height = _ROW if width else 0  # so that no character changes the height, whatever its font
    rows = "".join(f'<TR><TD WIDTH="{width}" HEIGHT="{height}">{line}</TD></TR>' for line in lines)
    if behind_last:
        start, cell, rest = rows.rpartition("<TD")
        rows = f'{start}{cell} BGCOLOR="{behind_last}"{rest}'
    return f'<<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="1">{rows}</TABLE>>'


def _line(spans: Spans, size: int, color: str) -> str:
    """Return a line of a label; Graphviz leaves it to us to make superscripts and subscripts smaller."""
    out = []
    for (italic, level), alike in groupby(apart(spans), key=lambda span: span[1:]):
        part = html.escape("".join(span.text for span in alike)).replace(
            "\\", "&#92;" * 2
        )  # Graphviz takes one of them away
        part = f"<I>{part}</I>" if italic else part
        if level:
            tag = "SUP" if level > 0 else "SUB"
            part = f'<{tag}><FONT POINT-SIZE="{max(_SMALLEST, round(0.7 * size))}">{part}</FONT></{tag}>'
        out.append(part)
    return f'<FONT POINT-SIZE="{size}" COLOR="{color}">{"".join(out)}</FONT>'
