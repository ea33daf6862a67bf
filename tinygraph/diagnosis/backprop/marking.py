"""The marking of gradients that were computed by hand, in the convention in which the fewest are wrong."""

from __future__ import annotations

from .comparing import Compared
from .conventions import Conventions
from .report import BackpropReport
from .right import Right


def marked(right: Right, asked: str) -> BackpropReport:
    """Return the report in the convention that was asked for, or in one in which fewer are wrong in themselves."""
    conventions = Conventions(right)
    scales = {"exact": conventions.exact, "lecture": conventions.lecture}
    compared = first = Compared(conventions, asked, scales[asked])
    if compared.wrong:
        for convention, other in (*scales.items(), ("lecture", conventions.common)):
            if other != first.scales and other != compared.scales:
                compared = min(compared, Compared(conventions, convention, other), key=lambda x: len(x.mistakes))
    note = "" if compared is first else conventions.note(compared.convention, compared.scales, first.scales)
    return BackpropReport(list(compared.comparisons()), compared.convention, note)
