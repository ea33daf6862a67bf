"""The drawing of a graph in which groups are folded to boxes until the rest fits on a screen.

An open group is a frame around the items of its first copy. A folded one is a box, with a drawing of its inside.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence, Set

from ..graph.tensor import Tensor
from ..writing.notation import Span, Spans, as_text
from .arrays import shape_text
from .boxes import Box, Drawing, Edge, Maker
from .fitting import MOST_INSIDE, MOST_OUTSIDE, Fitting
from .groups import Group, Item, Structure
from .titles import Titles
from .ways import Way, Ways

_MOST_DRAWINGS = 50  # within a drawing


class Folded:
    """The drawings of a graph and of its folded groups. `box` returns the box of a node."""

    def __init__(
        self,
        structure: Structure,
        maker: Maker,
        ways: Ways,
        titles: Titles,
        fitting: Fitting,
        box: Callable[[Tensor], Box],
    ) -> None:
        self._structure = structure
        self._maker = maker
        self._ways = ways
        self._titles = titles
        self._fitting = fitting
        self._box = box
        self._folded: deque[tuple[Box, Group]] = deque()  # the groups whose inside is still to be drawn
        self._hidden: dict[Box, set[Group]] = {}  # the groups within a box

    def drawing(self, items: Sequence[Item], depth: int | None, most: int, caption: str) -> Drawing:
        """Return the drawing of some items; inside are those of folded groups, the outer ones if there are too many."""
        drawing = self._drawing(items, depth, most, caption)
        for _ in range(_MOST_DRAWINGS):
            if not self._folded:
                break
            box, group = self._folded.popleft()
            first = f"the first of {group.count}" if group.count > 1 else ""
            box.inner = self._drawing(self._fitting.content(group), None, MOST_INSIDE, first)
        return drawing

    def _drawing(self, items: Sequence[Item], depth: int | None, most: int, caption: str) -> Drawing:
        """Return the drawing of some items, and of the boxes that they are joined to."""
        drawing = self._maker.drawing(caption)
        shown: dict[Tensor, Box] = {}
        self._place(items, (), self._fitting.opened(items, depth, most), drawing, shown)
        read, readers = _Outside(), _Outside()
        edges: dict[tuple[Box, Box, bool], Edge] = {}
        for node, box in shown.items():
            for way in self._ways.into[node]:
                source = shown.get(way.source) or read.box(way.source, self._titles.outside(way.source, way.carrier))
                self._draw(edges, way, source, box)
            for way in self._ways.out_of[node]:
                if way.target not in shown:
                    self._draw(edges, way, box, readers.box(way.target, self._titles.outside(way.target)))
        drawing.boxes = [*read.boxes, *drawing.boxes, *readers.boxes]
        drawing.edges = list(edges.values())
        drawing.shown_by = self._ways.shown_by
        self._maker.add_steps(drawing.edges)
        return drawing

    def _place(
        self,
        items: Sequence[Item],
        path: tuple[str, ...],
        opened: Set[Group],
        drawing: Drawing,
        shown: dict[Tensor, Box],
    ) -> None:
        """Add the boxes of some items, and of those within open groups, to a drawing and to `shown`."""
        titles: Counter[str] = Counter()
        for item in items:
            if isinstance(item, Tensor):
                box = shown[item] = self._box(item)
                if self._structure.grouped:
                    box.scope = path
                drawing.boxes.append(box)
            elif item in opened:
                title = as_text(self._titles.title(item)) + ", the first shown" * (item.count > 1)
                titles[title] += 1
                frame = title if titles[title] == 1 else f"{title} ({titles[title]})"
                if item.count > 1:
                    drawing.repeated.add((*path, frame))
                self._place(self._fitting.content(item), (*path, frame), opened, drawing, shown)
            else:
                box = self._group_box(item)
                box.scope = path
                shown |= dict.fromkeys(self._ways.nodes(item), box)
                drawing.boxes.append(box)

    def _draw(self, edges: dict[tuple[Box, Box, bool], Edge], way: Way, source: Box, target: Box) -> None:
        if source is target and (way.carrier is None or way.carrier in self._hidden.get(source, ())):
            return
        shape = way.source.shape
        label = "next" if way.carrier else shape_text(shape) if shape else ""
        edge = edges.setdefault(
            (source, target, way.carrier is not None),
            Edge(source, target, label, False, False, carried=way.carrier is not None),
        )
        edge.label = label if edge.label == label else ""
        edge.differentiable |= way.differentiable
        edge.backward |= way.backward

    def _group_box(self, group: Group) -> Box:
        """Return a group as a box: its name, the shape of its result, its parameters, and its result's gradient."""
        titles = self._titles
        result = self._structure.counterpart(titles.result(group), group, -1)
        gradient = self._maker.gradient(result, titles.name(result), brief=True)
        box = Box(result, "group", titles.title(group), titles.value(group), gradient, 14, (), count=group.count)
        self._folded.append((box, group))
        stack = [item for item in group.items if isinstance(item, Group)]
        hidden = self._hidden[box] = set()
        while stack:
            hidden.add(inner := stack.pop())
            stack += [item for item in inner.items if isinstance(item, Group)]
        return box


class _Outside:
    """A limited number of boxes for nodes that stand outside of a drawing."""

    def __init__(self) -> None:
        self.boxes: list[Box] = []
        self._box_of: dict[str, Box] = {}
        self._more = 0

    def box(self, node: Tensor, title: Spans) -> Box:
        """Return the box of a node, or the box for all nodes for which there is no more room."""
        text = as_text(title)
        if text not in self._box_of:
            if len(self.boxes) < MOST_OUTSIDE:
                self.boxes.append(Box(node, "outside", title, "", None, 0, ()))
            else:
                self._more += 1
                self.boxes[-1].title = [Span(f"… {self._more + 1} more")]
            self._box_of[text] = self.boxes[-1]
        return self._box_of[text]
