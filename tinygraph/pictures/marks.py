"""Marks in a picture: problems of values and gradients, and where they begin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile

from ..diagnosis.findings import Examination, Finding
from ..graph.tensor import Tensor
from ..reading import Reading
from ..writing.notation import Span, Spans, Writer, as_text, number, on_a_line, symbol
from .boxes import Box, Drawing

# of several problems at a box, the one that explains the others
_FIRST = ["nan", "infinite", "gradient nan", "gradient infinite", "dead", "copies", "saturated", "zero"]
_FIRST += ["exploding", "vanishing"]
_MOST_NAMES = 4
_OF_UNITS = ("dead", "saturated", "copies")
_WHAT = {"nan": "NaN", "infinite": "∞", "gradient nan": "gradient NaN", "gradient infinite": "gradient ∞"}
_ENDS = {
    "dead": " is dead",
    "saturated": " is saturated",
    "level": " jumps",
    "times zero": " is 0",
    "not chosen": " chooses none of it",
    "not used": " is used without it",
    "cancels": " adds up to 0",
    "flat": " is flat here",
}
_ELSEWHERE = {"dead", "saturated", "times zero"}  # problems that are marked at the culprit


def mark(drawing: Drawing) -> None:
    """Mark the boxes of a drawing at which something was found in the whole graph, and note how many there are."""
    reading = drawing.reading.whole
    seen = Examination(reading, reading.output.grad if reading.output.shape != () else None)
    boxes = _boxes_of(drawing)
    marks = _Marks(seen, boxes, drawing.shown_by)
    for box, finding in marks.found.items():
        box.begins = marks.begins(box, finding)
        box.mark = [Span("▲ " if box.begins else "△ "), *marks.text(box, finding)]
    for obstacle in [finding.obstacle for finding in seen.findings if finding.obstacle is not None]:
        zero = marks.own.get(obstacle.culprit)
        if zero is not None and obstacle.culprit.op is None and not zero.begins:
            zero.begins, zero.mark = True, [Span("▲ lets no gradient through: all 0")]
    for box in reversed(boxes):
        if box.inner is not None and any(x.mark is not None for x in box.inner.boxes):
            within = _boxes_of(box.inner)
            box.begins = any(x.begins for x in within)
            box.mark = [Span(f"{'▲' if box.begins else '△'} {sum(x.mark is not None for x in within)} within")]
    begins = [marks.names[box.node] for box in boxes if box.begins]
    follows = [marks.names[box.node] for box in boxes if box.mark is not None and not box.begins]
    parts = [
        f"{what} ({', '.join([*names[:_MOST_NAMES], *(['…'] if len(names) > _MOST_NAMES else [])])})"
        for what, names in (("▲ where it begins", begins), ("△ where it is felt", follows))
        if names
    ]
    drawing.findings = f"checked: {', '.join(parts) or 'nothing found'}"


class _Marks:
    """The findings to mark, in terms of the symbols of the picture."""

    def __init__(self, seen: Examination, boxes: Sequence[Box], shown_by: Mapping[Tensor, Tensor]) -> None:
        self.own = {box.node: box for box in boxes if box.role not in ("group", "outside")}
        self.names = {box.node: as_text([*takewhile(lambda span: span.text != " = ", box.title)]) for box in boxes}
        self._writer = Writer(self.names, lambda x: x not in self.own)
        self._around = _shown(shown_by, self.own) if shown_by else _within(seen.reading, self.own)
        self.found: dict[Box, Finding] = {}
        for finding in sorted(seen.findings, key=_importance):
            # a box shows no gradients of the steps within its expression; a folded box shows those of all its copies
            inside = bool(shown_by) or finding.key in _OF_UNITS or finding.begins is finding.tensor
            box = (self._around if inside else self.own).get(finding.tensor)
            if box is not None and (finding.key != "saturated" or finding.tensor in seen.hidden):
                self.found.setdefault(box, finding)

    def begins(self, box: Box, finding: Finding) -> bool:
        """Return whether the finding begins in the box."""
        if finding.obstacle is not None:
            return finding.obstacle.target is finding.tensor and finding.obstacle.reason not in _ELSEWHERE
        return finding.key in (*_OF_UNITS, "vanishing", "exploding") or self._around.get(finding.begins) is box

    def text(self, box: Box, finding: Finding) -> Spans:
        """Return the finding in a few words."""
        key = finding.key
        if key in _WHAT:
            what, tensor = _WHAT[key], finding.begins
            if not self.begins(box, finding):
                return [Span(f"{what}, from "), *self._called(tensor, "d" if key.startswith("gradient") else "")]
            return [
                Span(f"{what} begins here"),
                *([] if tensor in self.own else [Span(", in "), *self._called(tensor)]),
            ]
        if key == "zero":
            if finding.obstacle is None:
                return [Span("gradient 0")]
            return [Span("gradient 0: "), *self._called(finding.begins), Span(_ENDS[finding.obstacle.reason])]
        if key in _OF_UNITS:
            some = f"all {finding.whole}" if finding.part == finding.whole else f"{finding.part} of {finding.whole}"
            where = [] if finding.tensor is box.node else [Span(", in "), *self._called(finding.tensor)]
            return [Span(f"{'equal' if key == 'copies' else key} {finding.what}: {some}"), *where]
        return [Span(f"{key}: {number(float(f'{finding.ratio:.2g}'))} of "), *self._called(finding.begins, "d")]

    def _called(self, x: Tensor, prefix: str = "") -> Spans:
        """Return the symbol of a tensor, or its expression; for a gradient, the symbol of the box around it."""
        if prefix and x not in self.own and x in self._around:
            x = self._around[x].node
        if x in self.own:
            return symbol(self.names[x], prefix)
        written = on_a_line(x, {node: self.names[node] for node in self.own})
        return self._writer.expression(x) if written is not None else [Span(f"{x.op.name} there" if x.op else "it")]


def _importance(finding: Finding) -> tuple[int, float]:
    """Return a key by which findings that explain others come first, and of one kind the worst."""
    return _FIRST.index(finding.key), finding.ratio if finding.key == "vanishing" else -finding.ratio


def _shown(shown_by: Mapping[Tensor, Tensor], own: Mapping[Tensor, Box]) -> dict[Tensor, Box]:
    return {node: own[shown] for node, shown in shown_by.items() if shown in own}


def _within(reading: Reading, own: Mapping[Tensor, Box]) -> dict[Tensor, Box]:
    """Return, for each node, the box whose expression contains it."""
    around = dict(own)
    for node in reversed(reading.order):
        reader = next(iter(reading.readers.get(node, ())), None)
        if node not in around and reader in around:
            around[node] = around[reader]
    return around


def _boxes_of(drawing: Drawing) -> list[Box]:
    """Return all boxes, with those that are folded into others after them."""
    boxes, drawings = [], [drawing]
    while drawings:
        for box in drawings.pop().boxes:
            boxes.append(box)
            if box.inner is not None:
                drawings.append(box.inner)
    return boxes
