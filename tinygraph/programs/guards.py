"""The check that the values from outside that a function was traced with are still the same.

A traced program holds the numbers, arrays and functions that the user's code read from its closure, from globals and
from objects. A guard notes them, and compares them again by straight-line source with one line for each fact. Facts are
found by following what the bytecode reads, such as ``cfg.lr`` or ``s["lr"]``, from the function to all of the user's
functions that it can reach. Libraries are assumed to stay as they are.

If an object is passed on, so that it is not known which of its parts are read, all entries of a container count, and
those attributes of another object whose names occur in the code that is reached. No user code is run: attributes are
looked up as plain values, never through properties.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..graph.threads import cached_property
from .bytecode import Reads
from .conditions import Conditions
from .facts import Facts


class Guard:
    """The values that a function has read from outside, as facts that can be checked again."""

    conditions: list[str]
    """The source of one expression for each fact, which is true if the value has changed. It raises if that is gone."""
    variables: dict[str, Any]
    """The values of the names in the conditions; static arguments are called static0, static1, …"""

    def __init__(self, function: Callable[..., Any], static: Mapping[str, Any]) -> None:
        facts = Facts(Conditions(), Reads())
        facts.collect(function, static)
        while facts.reads.size > facts.before.size:  # new names may matter to objects met before them
            facts = Facts(Conditions(), facts.reads)
            facts.collect(function, static)
        lines = facts.conditions.lines
        self.conditions, self.variables = list(lines), facts.conditions.variables
        self._labels, self._count = list(lines.values()), len(static)

    @cached_property
    def _changed(self) -> Callable[..., int | None]:
        """A function of the static arguments that returns the number of the first fact that has changed, or None."""
        head = [f"def changed({', '.join(f'static{i}' for i in range(self._count))}):", "    try:", "        pass"]
        lines = [f"        if {condition}: return {i}" for i, condition in enumerate(self.conditions)]
        # a value that is gone raises an error at the line of its fact
        tail = ["    except Exception as error:", f"        return error.__traceback__.tb_lineno - {len(head) + 1}"]
        exec("\n".join([*head, *lines, *tail]), variables := dict(self.variables))
        return variables["changed"]  # type: ignore[no-any-return]

    def change(self, *static: Any) -> str | None:
        """Return the name of a value that has changed, given the static arguments, or None if all are the same."""
        number = self._changed(*static)
        return None if number is None else self._labels[number]
