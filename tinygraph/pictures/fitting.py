"""The choice of what a picture shows: which groups are open, and where items are put together so that they fit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence, Set
from itertools import groupby, pairwise

from ..graph.tensor import Tensor
from ..writing.notation import as_text
from .boxes import Box
from .groups import Group, Item
from .titles import Titles
from .ways import Ways

MOST_BOXES = 40  # the number that a screen can show
MOST_OUTSIDE = 6  # boxes for what is read from outside, and as many for outside readers
MOST_INSIDE = MOST_BOXES - 2 * MOST_OUTSIDE
_MOST_PARTS = 10
_FEWEST = 3  # operations between groups that become a group
_WIDEST = 2_400  # points, of a picture in which groups are opened unasked
_BETWEEN = 70  # points, of an edge with its label
_TITLE, _LINE = 7.5, 5.5  # points of a character


class Fitting:
    """The items that a picture has room for. `box` returns the box of a node."""

    def __init__(self, ways: Ways, titles: Titles, boxed: Set[Tensor], box: Callable[[Tensor], Box]) -> None:
        self._ways = ways
        self._titles = titles
        self._boxed = boxed
        self._box = box
        self._contents: dict[Group, list[Item]] = {}

    def content(self, group: Group) -> list[Item]:
        """Return the items of the first copy of a group, no more than fit."""
        if group not in self._contents:
            self._contents[group] = self.fitting(group.items, MOST_INSIDE)
        return self._contents[group]

    def fitting(self, items: Iterable[Item], most: int = MOST_BOXES) -> list[Item]:
        """Return the items that have boxes; where there are too many or they are too wide, some are put in parts."""
        boxed = [item for item in items if isinstance(item, Group) or item in self._boxed]
        if len(boxed) <= most and self._width(boxed) <= _WIDEST:
            return boxed
        *rest, last = boxed
        if any(isinstance(item, Group) for item in rest):
            rest = self._between_groups(rest)
        return [*(rest if len(rest) < most else self._in_parts(rest)), last]

    def opened(self, items: Sequence[Item], depth: int | None, most: int) -> set[Group]:
        """Return the groups to draw open: `depth` levels of them, or as many groups as fit, the smallest first."""
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

    def _between_groups(self, items: Sequence[Item]) -> list[Item]:
        """Return the items, with those between groups put in groups too."""
        found: list[Item] = []
        for is_group, stretch in groupby(items, lambda item: isinstance(item, Group)):
            between = list(stretch)
            few = sum(isinstance(item, Tensor) and item.op is not None for item in between) < _FEWEST
            found += between if is_group or few else self._in_parts(between)
        return found

    def _in_parts(self, items: Sequence[Item]) -> list[Item]:
        """Return a few parts of about one size, cut where little passes from one to the next."""
        passing = self._passing(items)
        parts = min(_MOST_PARTS, -(-len(items) // (MOST_INSIDE - 4)))
        size = len(items) / parts
        cuts = [0]
        for i in range(1, parts):
            near = range(max(cuts[-1] + 1, round((i - 0.25) * size)), round((i + 0.25) * size) + 1)
            cuts.append(min(near, key=lambda cut: (passing[cut], abs(cut - i * size)), default=round(i * size)))
        return [self._part(items[start:stop]) for start, stop in pairwise([*cuts, len(items)])]

    def _passing(self, items: Sequence[Item]) -> list[int]:
        """Return for each border between two items the number of nodes before it that are read after it."""
        position = {node: i for i, item in enumerate(items) for node in self._ways.nodes(item)}
        change = [0] * (len(items) + 1)
        for node, i in position.items():
            end = max((position.get(way.target, i) for way in self._ways.out_of[node]), default=i)
            if end > i:
                change[i + 1] += 1
                change[end + 1] -= 1
        passing = [0]
        for step in change[1:]:
            passing.append(passing[-1] + step)
        return passing

    def _part(self, items: Sequence[Item]) -> Group:
        """Return some items as a group without a name."""
        part = Group("", [[node for item in items for node in self._ways.nodes(item)]], list(items))
        for item in items:
            if isinstance(item, Group):
                part.parameters += item.parameters
                part.numbers += item.numbers
            elif item.op is None and item.requires_grad:
                part.parameters += 1
                part.numbers += item.size
        return part

    def _width(self, items: Sequence[Item]) -> float:
        """Return about how wide a picture of some items is, in points, by its widest chain of boxes that read each
        other.
        """
        item_of = {node: item for item in items for node in self._ways.nodes(item)}
        reach: dict[Item, float] = {}
        for item in items:
            ways = [way for node in self._ways.nodes(item) for way in self._ways.into[node]]
            read = {item_of.get(way.source) for way in ways if not way.carrier}
            before = max((reach[x] for x in read if x in reach), default=0.0)
            reach[item] = before + _BETWEEN + self._box_width(item)
        return max(reach.values(), default=0.0)

    def _box_width(self, item: Item) -> float:
        if isinstance(item, Group):
            return max(_TITLE * len(as_text(self._titles.title(item))), _LINE * len(self._titles.value(item)))
        box = self._box(item)
        return max(_TITLE * len(as_text(box.title)), _LINE * max(len(box.value), len(as_text(box.gradient or []))))
