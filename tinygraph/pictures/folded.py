"""What of a large graph a picture shows: groups are folded to boxes until the rest fits on a screen.

A group is open, and then a frame around what its first copy is made of, or it is a box, with a drawing of its inside.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import groupby, pairwise

from ..graph.tensor import Tensor
from ..graph.walking import shown_inputs
from ..writing.names import clean
from ..writing.notation import Span, Spans, as_text, symbol
from .arrays import shape_text
from .boxes import Box, Drawing, Edge, Maker, ways_back
from .groups import Group, Item, Structure

MOST_BOXES = 40  # what a screen can show
_MOST_OUTSIDE = 6  # boxes for what is read from outside, and as many for what reads
MOST_INSIDE = MOST_BOXES - 2 * _MOST_OUTSIDE
_MOST_PARTS = 10
_MOST_DRAWINGS = 50  # within a drawing
_FEWEST = 3  # operations between groups that become a group
_WIDEST = 2_400  # points, of a picture in which groups are opened unasked
_BETWEEN = 70  # points, of an edge with its label
_TITLE, _LINE = 7.5, 5.5  # points of a character


@dataclass(frozen=True, eq=False)
class _Way:
    """That what has a box is read by what has another one; in copies, that this is so in any of them."""

    source: Tensor
    target: Tensor
    differentiable: bool
    backward: bool
    carrier: Group | None
    """What repeats, where this is from one copy to the next."""


class Folded:
    """A graph, some of whose nodes have boxes, in groups that can be boxes too."""

    def __init__(
        self,
        order: Sequence[Tensor],
        structure: Structure,
        maker: Maker,
        boxed: Set[Tensor],
        called: Mapping[Tensor, str],
    ) -> None:
        self._structure = structure
        self._maker = maker
        self._boxed = boxed
        self._called = called
        self._contents: dict[Group, list[Item]] = {}
        self._boxes: dict[Tensor, Box] = {}
        self._folded: deque[tuple[Box, Group]] = deque()  # whose inside is still to be drawn
        self._hidden: dict[Box, set[Group]] = {}  # the groups within a box
        self._into: defaultdict[Tensor, list[_Way]] = defaultdict(list)
        self._out_of: defaultdict[Tensor, list[_Way]] = defaultdict(list)
        self.owner = self._owners(order)
        """The node with a box in whose expression a node stands, in the first copies."""
        first = {node: structure.first(node) for node in order}
        self._shown_by = {node: self.owner[x] for node, x in first.items() if x in self.owner}
        self._join(order)

    # -- how boxes are joined ----------------------------------------------------------------------------------

    def _owners(self, order: Sequence[Tensor]) -> dict[Tensor, Tensor]:
        owner: dict[Tensor, Tensor] = {}
        for node in reversed(order):
            if node in self._boxed:
                owner[node] = node
            elif node.op is not None and self._structure.first(node) is node:
                owner[node] = next(owner[x] for x in self._maker.readers[node] if x in owner)
        return owner

    def _join(self, order: Sequence[Tensor]) -> None:
        within = set(order)
        ways: dict[tuple[Tensor, Tensor, Group | None], _Way] = {}
        for node in order:
            for x in dict.fromkeys(x for x in shown_inputs(node) if isinstance(x, Tensor)):
                self._add(ways, x, node)
            for reader in self._maker.readers.get(node, ()):
                if reader not in within:
                    self._add(ways, node, reader)
        for way in ways.values():
            self._into[way.target].append(way)
            self._out_of[way.source].append(way)

    def _add(self, ways: dict[tuple[Tensor, Tensor, Group | None], _Way], x: Tensor, reader: Tensor) -> None:
        first = self._structure.first(reader)
        source, target = self._structure.first(x), self.owner[first] if first in self.owner else self._named(first)
        carrier = self._structure.carrier(x, reader)
        if source not in self._boxed or (source is target and carrier is None):
            return
        differentiable, backward = ways_back(x, reader)
        known = ways.get((source, target, carrier))
        if known is not None:
            differentiable, backward = differentiable or known.differentiable, backward or known.backward
        ways[source, target, carrier] = _Way(source, target, differentiable, backward, carrier)

    def _named(self, node: Tensor) -> Tensor:
        """Of a node outside, and what was computed from it, the first that has a name."""
        while node not in self._called and (readers := self._maker.readers.get(node)):
            node = readers[0]
        return node

    def neighbourhood(self, focus: Tensor, radius: int) -> list[Tensor]:
        """The nodes with boxes that are at most so many edges away, the nearest ones if there are too many."""
        found = dict.fromkeys([focus])
        ring: list[Tensor] = [focus]
        for _ in range(radius):
            ways = [way for node in ring for way in (*self._into[node], *self._out_of[node])]
            ring = [x for way in ways for x in (way.source, way.target) if x in self.owner]
            ring = [x for x in dict.fromkeys(ring) if x not in found][: MOST_INSIDE - len(found)]
            found |= dict.fromkeys(ring)
        return sorted(found, key=lambda node: node.age)

    # -- what is folded ----------------------------------------------------------------------------------------

    def content(self, group: Group) -> list[Item]:
        """What the first copy of a group is made of, no more than fits."""
        if group not in self._contents:
            self._contents[group] = self.fitting(group.items, MOST_INSIDE)
        return self._contents[group]

    def fitting(self, items: Iterable[Item], most: int = MOST_BOXES) -> list[Item]:
        """Items without what has no box; some of them in parts, where there are too many or they are too wide."""
        boxed = [item for item in items if isinstance(item, Group) or item in self._boxed]
        if len(boxed) <= most and self._width(boxed) <= _WIDEST:
            return boxed
        *rest, last = boxed
        if any(isinstance(item, Group) for item in rest):
            rest = self._between_groups(rest)
        return [*(rest if len(rest) < most else self._in_parts(rest)), last]

    def _between_groups(self, items: Sequence[Item]) -> list[Item]:
        """What stands between groups as groups too."""
        found: list[Item] = []
        for is_group, stretch in groupby(items, lambda item: isinstance(item, Group)):
            between = list(stretch)
            few = sum(isinstance(item, Tensor) and item.op is not None for item in between) < _FEWEST
            found += between if is_group or few else self._in_parts(between)
        return found

    def _in_parts(self, items: Sequence[Item]) -> list[Item]:
        """A few parts of about one size, cut where little passes from one to the next."""
        passing = self._passing(items)
        parts = min(_MOST_PARTS, -(-len(items) // (MOST_INSIDE - 4)))
        size = len(items) / parts
        cuts = [0]
        for i in range(1, parts):
            near = range(max(cuts[-1] + 1, round((i - 0.25) * size)), round((i + 0.25) * size) + 1)
            cuts.append(min(near, key=lambda cut: (passing[cut], abs(cut - i * size)), default=round(i * size)))
        return [self._part(items[start:stop]) for start, stop in pairwise([*cuts, len(items)])]

    def _passing(self, items: Sequence[Item]) -> list[int]:
        """For each border between two items how many nodes before it are read after it."""
        position = {node: i for i, item in enumerate(items) for node in self._nodes(item)}
        change = [0] * (len(items) + 1)
        for node, i in position.items():
            end = max((position.get(way.target, i) for way in self._out_of[node]), default=i)
            if end > i:
                change[i + 1] += 1
                change[end + 1] -= 1
        passing = [0]
        for step in change[1:]:
            passing.append(passing[-1] + step)
        return passing

    def _part(self, items: Sequence[Item]) -> Group:
        """Some items as a group, with a title of its own since it has no name."""
        part = Group("", [[node for item in items for node in self._nodes(item)]], list(items))
        for item in items:
            if isinstance(item, Group):
                part.parameters += item.parameters
                part.numbers += item.numbers
            elif item.op is None and item.requires_grad:
                part.parameters += 1
                part.numbers += item.size
        return part

    def _nodes(self, item: Item) -> Iterator[Tensor]:
        """All nodes in an item, in the first copies, that have a box."""
        stack: list[Item] = [item]
        while stack:
            x = stack.pop()
            if isinstance(x, Group):
                stack += reversed(x.items)
            elif x in self._boxed:
                yield x

    def _opened(self, items: Sequence[Item], depth: int | None, most: int) -> set[Group]:
        """The groups that are drawn open: as many levels as told, or as many groups as fit, the smallest first."""
        opened: set[Group] = set()
        level = [item for item in items if isinstance(item, Group)]
        boxes, width = len(items), self._width(items) if level and depth is None else 0.0
        while level and (depth is None or depth > 0):
            below: list[Group] = []
            for group in sorted(level, key=lambda group: len(self.content(group))):
                content = self.content(group)
                if depth is None:
                    wider = width + self._width(content) - self._width([group])
                    if boxes - 1 + len(content) > most or wider > _WIDEST:
                        continue
                    boxes, width = boxes - 1 + len(content), wider
                opened.add(group)
                below += [item for item in content if isinstance(item, Group)]
            level = below
            depth = None if depth is None else depth - 1
        return opened

    def _width(self, items: Sequence[Item]) -> float:
        """About how wide a picture of some items is, in points: the widest chain of boxes, each read by the next."""
        item_of = {node: item for item in items for node in self._nodes(item)}
        reach: dict[Item, float] = {}
        for item in items:
            read = {
                item_of.get(way.source) for node in self._nodes(item) for way in self._into[node] if not way.carrier
            }
            before = max((reach[x] for x in read if x in reach), default=0.0)
            reach[item] = before + _BETWEEN + self._box_width(item)
        return max(reach.values(), default=0.0)

    def _box_width(self, item: Item) -> float:
        if isinstance(item, Group):
            return max(_TITLE * len(as_text(self._title(item))), _LINE * len(self._group_value(item)))
        box = self._box(item)
        return max(_TITLE * len(as_text(box.title)), _LINE * max(len(box.value), len(as_text(box.gradient or []))))

    # -- drawings ----------------------------------------------------------------------------------------------

    def drawing(self, items: Sequence[Item], depth: int | None, most: int, caption: str) -> Drawing:
        """The drawing of some items, and within it those of what is folded, the outer ones if there are too many."""
        drawing = self._drawing(items, depth, most, caption)
        for _ in range(_MOST_DRAWINGS):
            if not self._folded:
                break
            box, group = self._folded.popleft()
            first = f"the first of {group.count}" if group.count > 1 else ""
            box.inner = self._drawing(self.content(group), None, MOST_INSIDE, first)
        return drawing

    def _drawing(self, items: Sequence[Item], depth: int | None, most: int, caption: str) -> Drawing:
        """The drawing of some items, and of what they are joined to."""
        drawing = self._maker.drawing(caption)
        shown: dict[Tensor, Box] = {}
        self._place(items, (), self._opened(items, depth, most), drawing, shown)
        read, readers = _Outside(), _Outside()
        edges: dict[tuple[Box, Box, bool], Edge] = {}
        for node, box in shown.items():
            for way in self._into[node]:
                source = shown.get(way.source) or read.box(way.source, self._outside_title(way.source, way.carrier))
                self._draw(edges, way, source, box)
            for way in self._out_of[node]:
                if way.target not in shown:
                    self._draw(edges, way, box, readers.box(way.target, self._outside_title(way.target)))
        drawing.boxes = [*read.boxes, *drawing.boxes, *readers.boxes]
        drawing.edges = list(edges.values())
        drawing.shown_by = self._shown_by
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
        """Add the boxes of some items, and of those within open groups."""
        titles: Counter[str] = Counter()
        for item in items:
            if isinstance(item, Tensor):
                box = shown[item] = self._box(item)
                if self._structure.grouped:
                    box.scope = path
                drawing.boxes.append(box)
            elif item in opened:
                title = as_text(self._title(item)) + ", the first shown" * (item.count > 1)
                titles[title] += 1
                frame = title if titles[title] == 1 else f"{title} ({titles[title]})"
                if item.count > 1:
                    drawing.repeated.add((*path, frame))
                self._place(self.content(item), (*path, frame), opened, drawing, shown)
            else:
                box = self._group_box(item)
                box.scope = path
                shown |= dict.fromkeys(self._nodes(item), box)
                drawing.boxes.append(box)

    def _box(self, node: Tensor) -> Box:
        if node not in self._boxes:
            self._boxes[node] = self._maker.box(node)
        return self._boxes[node]

    def _draw(self, edges: dict[tuple[Box, Box, bool], Edge], way: _Way, source: Box, target: Box) -> None:
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

    def _outside_title(self, node: Tensor, carrier: Group | None = None) -> Spans:
        name = self._maker.names.get(node)
        title = symbol(name) if name else [Span("…")]
        return [*title, Span(" of the one before")] if carrier else title

    # -- boxes of groups ---------------------------------------------------------------------------------------

    def _group_box(self, group: Group) -> Box:
        """A group as a box: its name, the shape of its result, its parameters, and the gradient of its result."""
        result = self._structure.counterpart(self._result(group), group, -1)
        box = Box(
            result,
            "group",
            self._title(group),
            self._group_value(group),
            self._maker.gradient(result, self._name(result), brief=True),
            14,
            (),
            count=group.count,
        )
        self._folded.append((box, group))
        stack = [item for item in group.items if isinstance(item, Group)]
        hidden = self._hidden[box] = set()
        while stack:
            hidden.add(inner := stack.pop())
            stack += [item for item in inner.items if isinstance(item, Group)]
        return box

    def _group_value(self, group: Group) -> str:
        shape = self._result(group).shape
        value = shape_text(shape) if shape else "scalar"
        tensors = f"{group.parameters} tensor{'s' * (group.parameters > 1)}"
        return f"{value}   {_amount(group.numbers)} parameters in {tensors}" if group.parameters else value

    def _title(self, group: Group) -> Spans:
        """``block ×12``, or what the results of the first and the last copy are called."""
        title = [Span(clean(group.name))]
        if not group.name:
            made = [node for node in self._nodes(group) if node.op is not None]
            called = [node for node in made if node in self._called]
            last = result if (result := self._result(group)) in self._called or not called else called[-1]
            ends = [self._structure.counterpart(last, group, copy) for copy in (0, -1)]
            if group.count == 1 and made:
                ends[0] = called[0] if called else made[0]
            names = dict.fromkeys(self._name(node) for node in ends)
            title = [span for name in names for span in (Span(" … "), *symbol(name))][1:]
        return [*title, Span(f" ×{group.count}")] if group.count > 1 else title

    def _result(self, group: Group) -> Tensor:
        """The last node in the first copy that is read outside of it."""
        nodes = list(self._nodes(group))
        within = set(nodes)
        read = [
            node
            for node in nodes
            if any(way.target not in within or way.carrier is group for way in self._out_of[node])
        ]
        return max(read or nodes, key=lambda node: (node.op is not None, node.age))

    def _name(self, node: Tensor) -> str:
        return self._maker.names.get(node) or self._maker.names[self._structure.first(node)]


class _Outside:
    """Boxes for what stands outside of a drawing, not too many."""

    def __init__(self) -> None:
        self.boxes: list[Box] = []
        self._box_of: dict[str, Box] = {}
        self._more = 0

    def box(self, node: Tensor, title: Spans) -> Box:
        """The box of a node, or one for all for which there is no more room."""
        text = as_text(title)
        if text not in self._box_of:
            if len(self.boxes) < _MOST_OUTSIDE:
                self.boxes.append(Box(node, "outside", title, "", None, 0, ()))
            else:
                self._more += 1
                self.boxes[-1].title = [Span(f"… {self._more + 1} more")]
            self._box_of[text] = self.boxes[-1]
        return self._box_of[text]


def _amount(number: int) -> str:
    """``7,392`` or ``1.2 million``."""
    return f"{number:,}" if number < 1_000_000 else f"{number / 1_000_000:.3g} million"
