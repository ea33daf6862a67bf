"""Helpers of the drawing tests: the graph to draw, and pictures read back with parsers that are not ours."""

from __future__ import annotations

import contextlib
import json
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pygraphviz

import tinygraph as tg
from tinygraph.pictures import boxes as drawings
from tinygraph.pictures.boxes import Box, Drawing, Edge
from tinygraph.pictures.render import rendered
from tinygraph.reading import Reading
from tinygraph.writing.notation import Span, as_text

LABELS = json.loads((Path(__file__).parent.parent / "conformance" / "label_strings.json").read_text(encoding="utf-8"))
SVG = "{http://www.w3.org/2000/svg}"


def two_layers(m=400, scopes=False):
    """The loss of the lecture's net, on seeded data."""
    rng = np.random.default_rng(0)
    scope = tg.scope if scopes else contextlib.nullcontext
    X, Y = tg.Tensor(rng.normal(size=(2, m))), tg.Tensor((rng.random((1, m)) > 0.5).astype(float))
    W1, b1 = tg.parameter(rng.normal(size=(4, 2))), tg.parameter(np.zeros((4, 1)))
    W2, b2 = tg.parameter(rng.normal(size=(1, 4))), tg.parameter(np.zeros((1, 1)))
    with scope("layer 1"):
        Z1 = W1 @ X + b1
        A1 = tg.tanh(Z1)
    with scope("layer 2"):
        Z2 = W2 @ A1 + b2
        A2 = tg.sigmoid(Z2)
    J = tg.log_loss(A2, Y)
    return J


def grouped():
    """A drawing of the two-layer net with its first layer folded by hand, and the box of that."""
    J = two_layers()
    J.backward()
    outer = tg.draw(J)._drawing
    boxes = {as_text(box.title).split(" = ")[0]: box for box in outer.boxes}
    folded = [boxes[name] for name in ("W1", "b1", "Z1", "A1")]
    between = [edge for edge in outer.edges if edge.source in folded and edge.target in folded]
    inner = Drawing(outer.reading, [*folded], between)
    last = boxes["A1"]
    group = Box(last.node, "operation", [Span("layer 1")], last.value, last.gradient, 14, (), inner, 3)
    kept = [box for box in outer.boxes if box not in folded and box.node.age < last.node.age]
    later = [box for box in outer.boxes if box not in folded and box.node.age > last.node.age]
    outer.boxes = [*kept, group, *later]
    edges = []
    for edge in outer.edges:
        if edge.source in folded and edge.target in folded:
            continue
        source, target = (group if box in folded else box for box in (edge.source, edge.target))
        edges.append(Edge(source, target, edge.label, edge.differentiable, edge.backward))
    outer.edges = edges
    return outer, group


def hostile(depth=9):
    """A picture with all hostile strings as names, as scopes and as a title; nothing is folded unless depth is None."""
    y = tg.parameter([1.0, 2.0], name="w")
    for text in LABELS:
        with tg.scope(text):
            y = y * tg.parameter(1.0, name=text)
        y.name = text
    J = y.sum()
    J.backward()
    return tg.draw(J, title="".join(LABELS), direction="TB", depth=depth)


def drawing_of(output, frame=None, detail="names", convention="lecture"):
    """The drawing of a whole graph, nothing folded."""
    return drawings.drawing_of(Reading(tg.toposort(output), frame, every_op=detail == "ops"), convention)


def boxes_of(output, detail="names"):
    """The boxes of a drawing by name, where only the source gives names."""
    return {as_text(box.title).split(" = ")[0]: box for box in drawing_of(output, None, detail).boxes}


def titles_of(output, detail="names"):
    """The first lines of all boxes."""
    return [as_text(box.title) for box in drawing_of(output, None, detail).boxes]


def edges_of(output, detail="names"):
    """The edges as pairs of names."""
    drawing = drawing_of(output, None, detail)
    name = {box: as_text(box.title).split(" = ")[0] for box in drawing.boxes}
    return [(name[edge.source], name[edge.target]) for edge in drawing.edges]


class Dot:
    """DOT as Graphviz's own parser reads it. Nodes are known by the name in their label."""

    def __init__(self, source):
        graph = pygraphviz.AGraph(string=source)
        self.title = rows(dict(graph.graph_attr).get("label") or "<TABLE/>")
        self.direction = graph.graph_attr["rankdir"]
        self.edge_color = graph.edge_attr["color"]
        self.lines = {str(node): rows(node.attr["label"]) for node in graph.nodes()}
        self.name = {node: lines[0].split(" = ")[0] for node, lines in self.lines.items()}
        self.nodes = {self.name[str(node)]: dict(node.attr) for node in graph.nodes()}
        self.forward, self.backward = {}, {}
        for edge in graph.edges():
            attributes = dict(edge.attr)
            way = self.backward if attributes.get("dir") == "back" else self.forward
            way[self.name[edge[0]], self.name[edge[1]]] = attributes
        self.size = graph.number_of_nodes(), graph.number_of_edges()
        self.frames = self._frames(graph)

    def _frames(self, graph):
        """Name, names of the boxes within, and the frames within, of each frame."""
        return [
            (
                "\n".join(rows(frame.graph_attr["label"])),
                {self.name[str(node)] for node in frame.nodes()},
                self._frames(frame),
            )
            for frame in graph.subgraphs()
        ]


def rows(label):
    """The lines of text in an HTML-like label, which must be well formed."""
    return ["".join(row.itertext()) for row in ET.fromstring(label).iter("TR")]


def svg_of(picture):
    """The SVG, which must be well formed."""
    return ET.fromstring(picture.svg)


def svg_boxes(root):
    """The lines that stand in each box: texts that lie at different heights."""
    boxes = {}
    for group in root.iter(f"{SVG}g"):
        if group.get("class") == "node":
            texts = ["".join(text.itertext()).replace("\xa0", " ") for text in group.iter(f"{SVG}text")]
            boxes[group.findtext(f"{SVG}title")] = texts
    return boxes


def layout_of(source):
    """Position and size of each node, as Graphviz lays them out."""
    plain = rendered(source, "plain").decode()
    return {line.split()[1]: line.split()[2:6] for line in plain.splitlines() if line.startswith("node ")}
