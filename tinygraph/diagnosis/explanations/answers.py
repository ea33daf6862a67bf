"""The answer of `why`: a heading, and the causes one by one."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import NamedTuple

from ...graph.tensor import Tensor

_WIDTH = 100


class Cause(NamedTuple):
    """A cause that an answer names."""

    key: str
    """The kind of cause, in a word or two."""
    tensor: Tensor
    """The tensor at which the cause is found."""
    sentence: str


class Answer:
    """The answer of `why`: `text` to read, and the `causes` one by one; there are none if nothing is wrong."""

    def __init__(self, heading: str, causes: Iterable[Cause] = ()) -> None:
        self.heading = heading
        """The first sentence: the state of the gradient or the value that the question is about."""
        self.causes = list(causes)

    @property
    def text(self) -> str:
        """The sentences, each followed by its line of source unless that line was already shown."""
        lines = textwrap.wrap(self.heading, _WIDTH)
        shown = set()
        for cause in self.causes:
            lines += textwrap.wrap(cause.sentence, _WIDTH)
            site = cause.tensor.site
            if site.source and site.where not in shown:
                shown.add(site.where)
                lines.append(f"    {site.where}   {site.source}")
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.text

    __repr__ = __str__
