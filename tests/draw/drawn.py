"""Helpers of the drawing tests: the graph to draw, and pictures read back with parsers that are not ours."""

from __future__ import annotations

import contextlib
import json
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pygraphviz

import tinygraph as tg
from tinygraph.draw.boxes import drawing_of
from tinygraph.draw.render import rendered
from tinygraph.notation import as_text

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
