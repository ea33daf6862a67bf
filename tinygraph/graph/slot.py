"""The storage of a leaf, whose data the user may write to while graphs still need what they have read.

A node keeps the arrays that it has read, and these stay as they were. When the user asks for a leaf's data, the leaf
moves away from any array that a node still holds, and gives out ("lends") an array to write in. The next op that reads
the leaf takes the lent array back ("settles" it), or reads a copy while the user still holds it.

Threads may share leaves. A leaf changes in single statements that call nothing, each after a look at whether all is
still as it was: there the GIL stays with the thread, and no signal handler runs (without the GIL, see `exclusive`).
Counting references tells whether anybody else holds an array, but another thread may come before the answer is used. A
thread that asks for `.data` leaves a trace in `count`. An op that reads a settled array leaves none, so an array that
is to be lent is first taken out of its reach and counted again; while it is thus "unproven", any thread that needs it
puts it back. A count may be too high, which costs a copy, but is never too low. Only without the GIL may an op have
taken a settled array that is not counted yet; there a copy is lent instead.
"""

from __future__ import annotations

from sys import getrefcount
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .threads import GIL, exclusive

Array = NDArray[Any]


class Leaf(Protocol):
    """A tensor, as far as its slot knows it."""

    _array: Any
    """The value as ops read it, which nobody writes to; None while it is lent."""


class Slot:
    """The storage of one leaf: it lends the leaf's array to the user, and takes it back for ops."""

    __slots__ = ("count", "lent", "spare")

    count: list[bool] | None
    """[True] while the array is unproven, a new [] each time that it is lent, or None."""
    lent: Any
    """The value while the user may write to it, or None."""
    spare: Any
    """A former array, which is written over once no graph holds it, or None."""

    def __init__(self, lent: Array | None = None) -> None:
        self.lent = lent
        self.count = self.spare = None

    @exclusive
    def lend(self, leaf: Leaf) -> Array:
        """Return an array for the user to write in: the settled one, or a copy where a node or a view still holds it.

        In a training loop two arrays take turns, since allocating a large one anew costs more than copying.
        """
        while True:
            if self.count:  # unproven, by another thread or by one that was interrupted
                leaf._array, self.count, self.lent = self.lent, None, None
            if leaf._array is None:
                self.count = []
                return self.lent  # type: ignore[no-any-return]
            array, spare = leaf._array, self.spare
            if array.ndim == 0 or array.base is not None or not array.flags.writeable:
                lent = np.array(array)
            elif GIL and getrefcount(leaf._array) == ALONE + 1:
                unproven = [True]
                if leaf._array is array:
                    self.lent, self.count, leaf._array = array, unproven, None
                if getrefcount(self.lent) == ALONE + 1 and self.count is unproven:
                    self.count = []
                    return array  # type: ignore[no-any-return]
                continue
            elif spare is not None and getrefcount(self.spare) == ALONE + 1:
                spare[...] = array
                lent, spare = spare, array
            else:
                lent, spare = np.array(array), array
            if leaf._array is array:
                self.lent, self.spare, leaf._array = lent, spare, None
                return lent

    @exclusive
    def settle(self, leaf: Leaf) -> Any:
        """Take the lent array back and return it for ops to read, or a copy while somebody else could write to it."""
        while leaf._array is None:
            if self.count:
                leaf._array, self.count, self.lent = self.lent, None, None
                break
            array: Any = self.lent
            count = self.count
            held = (getrefcount(self.lent) > ALONE + 1 or array.base is not None) and _writable(array)
            read = array[()] if array.ndim == 0 else array  # a NumPy scalar cannot be written to, and is faster
            if held:
                return array.copy(order="K") if array.ndim else read
            if self.lent is array and self.count is count:
                leaf._array, self.lent = read, None
                return read
        return leaf._array


def _writable(array: Array) -> bool:
    """Return whether anybody can write to the memory of `array`, be it through the array that it is a view of."""
    owner: Any = array
    while isinstance(owner, np.ndarray):
        if owner.flags.writeable:
            return True
        owner = owner.base
    return owner is not None


_probe = Slot(np.zeros(2))
ALONE = getrefcount(_probe.lent)
"""The number of references that getrefcount sees to an array that one slot alone holds; interpreters differ in it."""
del _probe


# Each step of a training loop frees a whole graph at once. glibc would give that memory back to the system and fetch it
# again page by page in the next step, which can double its time. Once it has freed a block of this size, it keeps as
# much.
np.empty(31 << 20, np.uint8)
