"""Pictures of graphs: the lecture's slide, drawn from the user's own model.

The files that make a picture are imported when one is made, so that `import tinygraph` does not wait for them.
"""

from __future__ import annotations

import itertools
from sys import _getframe
from types import FrameType
from typing import TYPE_CHECKING, Any

from ..errors import DRAWN_BY, ArgumentError, DependencyError, Misfit, TinygraphError
from ..graph.exits import ask
from ..graph.tensor import Tensor
from ..graph.threads import cached_property
from ..writing.names import clean
from ..writing.notation import Span, Spans, as_text

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from .boxes import Drawing

__all__ = ["Picture", "draw"]


class Picture:
    """A drawn graph, which a notebook shows. `save` writes it to a file; `source` is its DOT, `html` its page."""

    def __init__(self, drawing: Drawing, title: Spans | None, direction: str) -> None:
        self._drawing = drawing
        self._title = title
        self._direction = direction

    def __deepcopy__(self, memo: dict[int, object]) -> Picture:
        return self  # its tensors belong to their graph

    @cached_property
    def source(self) -> str:
        """The picture in the language of Graphviz."""
        from .dot_source import dot_source

        return dot_source(self._drawing, self._title, self._direction)

    @cached_property
    def svg(self) -> str:
        """The picture as SVG."""
        from .render import rendered

        return rendered(self.source, "svg").decode()

    @cached_property
    def html(self) -> str:
        """The picture as a page that steps forward and backward and shows the numbers behind each box."""
        from .page import page

        return page(self._drawing, self._title, self._direction)

    def save(self, path: str | bytes | os.PathLike[str] | os.PathLike[bytes]) -> Path:
        """Write the picture to a file, in the format of its suffix: .png, .svg, .pdf, .dot, or .html.

        The page, .html, steps forward and backward and shows the numbers behind each box; it needs no network.

        Raises `ArgumentError` for another suffix or a place that cannot be written to, and then leaves no file;
        `DependencyError` if Graphviz is missing, or latex2mathml for a page.
        """
        from .render import save

        return save(self.source, path, page=lambda: self.html)

    def __str__(self) -> str:
        rows: list[list[str]] = []
        headings: dict[int, list[str]] = {}  # of frames that begin before a row
        told: set[tuple[str, ...]] = set()
        for box in self._drawing.boxes:
            frames = [box.scope[: i + 1] for i in range(len(box.scope)) if box.scope[: i + 1] in self._drawing.repeated]
            new = [frame for frame in frames if frame not in told]
            headings[len(rows)] = [f"{'  ' * frames.index(frame)}{clean(frame[-1])}:" for frame in new]
            told.update(new)
            title = "  " * len(frames) + as_text(box.title)
            gradient = as_text(box.gradient[:-2]) if box.gradient else ""
            size = box.gradient[-1].text if box.gradient else ""
            rows.append([title, box.value, gradient, size, as_text(box.mark) if box.mark else ""])
        wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["   ".join(map(str.ljust, row, wide)).rstrip() for row in rows]
        table = [line for i, row in enumerate(lines) for line in (*headings[i], row)]
        return "\n".join([*table, *(["", self._drawing.findings] if self._drawing.findings else [])])

    __repr__ = __str__

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        text = str(self)
        try:
            bundle = {"image/svg+xml": self.svg, "text/plain": text}
        except TinygraphError as error:
            return {"text/plain": f"{text}\n\n{error}"}
        try:
            from .page import frame

            return {"text/html": frame(self.html), **bundle}
        except DependencyError:  # the picture alone
            return bundle


def draw(
    output: Tensor,
    *,
    title: str | None = None,
    detail: str = "names",
    direction: str = "LR",
    convention: str = "lecture",
    depth: int | None = None,
    focus: Tensor | str | None = None,
    radius: int = 2,
    check: bool = False,
) -> Picture:
    """Draw the graph that `output` was computed from, with values, and gradients where a backward has run.

    Each named tensor is a box with its op inside; unnamed ones are part of the expressions of their readers. Constants
    have round blue corners, parameters are square and orange, targets are dashed, and the loss has a double border.
    Forward edges are blue and carry shapes; backward edges are red and dashed. ``with scope("layer 1"):`` draws a
    frame. With ``detail="ops"`` every op has a box. `direction` is "LR" (left to right) or "TB" (top to bottom).

    Red text shows the equation of the gradient, as `derive` finds it, and its value; a red edge shows the equation of a
    single step, if the box shows none or one that merges several steps. `convention` is that of `derive`: with
    "lecture" the gradients of activations are those of each example's loss, and so are their values; with "exact" they
    are the numbers in ``.grad``.

    A graph with more boxes than a screen can show, about forty, is folded: each scope to one box, and repeated parts to
    a box ``layer ×12``, whether they have a scope or not. Groups are drawn open as long as there is room, the first of
    several copies standing for all; `depth` is the number of levels of groups to open instead, 0 for none.

    `focus` is a tensor or its name, to see only boxes that are at most `radius` boxes away from it, with dotted boxes
    where the graph continues; or it is the name of a scope, to see its inside. If a graph has more than fifty thousand
    tensors and no tensor is in focus, the picture shows its first and last tensors, and counts the operations between.

    ``draw(J).save("net.html")`` writes the same picture as a page that steps, forward and then backward, and shows for
    each box its numbers, its equations and the terms of its gradient.

    ``check=True`` marks problems and says where they begin: gradients that are NaN, zero, vanishing or exploding,
    values that are NaN or infinite, units that are dead, saturated or copies of each other. The sign ▲ and a thick
    border mark where a problem begins, the sign △ where it is felt. Before `backward`, the gradients are computed for
    this purpose alone.

    Raises `ArgumentError` for a focus that is not in the graph, and for unknown options.

    >>> import tinygraph as tg
    >>> w, x = tg.parameter(2.0), tg.Tensor(3.0)
    >>> J = w * x + 1
    >>> J.backward()
    >>> tg.draw(J)
    w               2   dw = x   3
    x               3
    J = w · x + 1   7   dJ       1
    >>> h = x
    >>> for i in range(100):
    ...     h = tg.tanh(w * h)
    >>> tg.draw(h, depth=0)
    w                      2        dw      3
    x                      3
    h₁ … h₉₉ ×99           scalar   dh₉₉    –
    h₁₀₀ = tanh(w · h₉₉)   0.9575   dh₁₀₀   –
    """
    if not isinstance(output, Tensor):
        raise TypeError(f"draw shows the graph of a tensor, not of {type(output).__name__}")
    ask(output, "a picture")
    if detail not in ("names", "ops"):
        raise ArgumentError(f'detail is "names" or "ops", not {detail!r}')
    if direction not in ("LR", "TB"):
        raise ArgumentError(f'direction is "LR" or "TB", not {direction!r}')
    if convention not in ("lecture", "exact"):
        raise ArgumentError(f'convention is "lecture" or "exact", not {convention!r}')
    if title is not None and not isinstance(title, str):
        raise TypeError(f"a title is a string, not {type(title).__name__}")
    if depth is not None and not _is_count(depth):
        raise ArgumentError(f"depth is how many levels of groups are opened, 0 or more, not {depth!r}")
    if not _is_count(radius):
        raise ArgumentError(f"radius is how many boxes around the focus are shown, 0 or more, not {radius!r}")
    if focus is not None and not isinstance(focus, (Tensor, str)):
        raise TypeError(f"focus is a tensor or the name of one, or of a scope, not {type(focus).__name__}")
    from .views import view

    drawing = view(output, _getframe(1), detail, convention, depth, focus, radius)
    if check:
        from .marks import mark

        mark(drawing)
    heading = clean(title or "").strip()
    return Picture(drawing, [Span(heading)] if heading else _default_title(drawing, output), direction)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _default_title(drawing: Drawing, output: Tensor) -> Spans | None:
    """Return ``J = 0.3021`` for a scalar that has a box."""
    box = next((box for box in drawing.boxes if box.node is output and box.role not in ("group", "outside")), None)
    if box is None or output.shape != ():
        return None
    left = itertools.takewhile(lambda span: span.text != " = ", box.title)
    return [*left, Span(f" = {box.value}")]


def _misfit(misfit: Misfit, frame: FrameType) -> Picture | None:
    from .misfit import drawing_of_misfit

    drawing = drawing_of_misfit(misfit, frame)
    if drawing is None:
        return None
    return Picture(drawing, [Span(f"the forward pass stops at {clean(misfit.site.where)}")], "LR")


DRAWN_BY.append(_misfit)
