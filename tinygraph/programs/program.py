"""A graph as a straight-line NumPy program whose intermediate results share buffers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..graph.node import toposort
from ..graph.tensor import Tensor
from ..ops.arrays.keys import subscript
from ..writing import numpy_source
from ..writing.numpy_source import (
    LARGEST_CONSTANT,
    expression,
    helpers,
    is_foreign,
    is_uniform,
    numpys_number,
    written_array,
)
from . import numpy_target
from .numpy_target import IMPORTED, in_place, is_conversion, is_put_in_slice, is_view, tensors


@dataclass(eq=False)
class Storage:
    """A piece of memory: a buffer of the program, or, if `buffer` is None, memory that each call allocates."""

    last_use: int = -1
    buffer: int | None = None


class Program:
    """The source of a function of the inputs, and the buffers that it needs.

    Named nodes come in the order of recording, each after the nodes that only it needs, under a comment on it.
    """

    def __init__(
        self,
        inputs: Sequence[Tensor],
        outputs: Sequence[Tensor],
        names: Mapping[Tensor, str],
        donated: set[Tensor],
        comments: Mapping[Tensor, str],
    ) -> None:
        self.inputs, self.outputs, self.donated, self.results = inputs, outputs, donated, set(outputs)
        self.buffers: list[tuple[tuple[int, ...], np.dtype[Any]]] = []
        self.inputs_set = set(inputs)
        self.scalars: dict[tuple[str, np.dtype[Any]], str] = {}
        self.constants: dict[str, np.ndarray[Any, Any]] = {}
        applied = {node.op for node in toposort(*outputs) if node.op is not None}
        self.functions = {op.name: op.run for op in applied if is_foreign(op)}
        self._taken = set(self.functions)
        self._names: dict[Tensor, str] = {}
        for i, x in enumerate(inputs):
            self._name(x, names.get(x) or f"x{i}")
        self.order = self._scheduled(names)
        self._uses = Counter(x for node in self.order for x in tensors(node))
        self._added = {node: parts for node in self.order if (parts := self._into_slice(node))}
        self.lines = list(self._lines(names, comments))

    def _scheduled(self, names: Mapping[Tensor, str]) -> list[Tensor]:
        """Return an order in which each named node comes right after the nodes that it needs."""
        order: dict[Tensor, None] = dict.fromkeys(self.inputs)
        for root in [*(node for node in toposort(*self.outputs) if node in names), *self.outputs]:
            order |= dict.fromkeys(node for node in toposort(root, stop=order) if node not in order)
        return list(order)

    def _lines(self, names: Mapping[Tensor, str], comments: Mapping[Tensor, str]) -> Iterator[str]:
        position = {node: i for i, node in enumerate(self.order)}
        storage = self._storages(position)
        inline = {part for _, part in self._added.values()}
        free: dict[tuple[tuple[int, ...], np.dtype[Any]], list[int]] = {}
        group: list[str] = []
        for i, node in enumerate(self.order):
            if node.op is None:
                if node not in self._names:
                    self._constant(node)
                continue
            if is_view(node) and self._uses[node] == 1 and node not in self.results:
                self._names[node] = expression(node, self._names)
                continue
            if node in inline:
                continue
            mine = storage[node][0]
            read = dict.fromkeys(store for x in tensors(node) for store in storage[x])  # a and aᵀ share one
            dying = [store for store in read if store not in storage[node] and store.last_use == i]
            if node in self._added:
                group += self._add_to_slice(node, names.get(node))
            elif is_put_in_slice(node):
                out = self._out(node, mine, dying, free)
                self._name(node, names.get(node))
                group += self._put_in_slice(node, out)
            else:
                call = self._call(node)
                text = call if isinstance(call, str) else call(self._out(node, mine, dying, free))
                self._name(node, names.get(node))
                group.append(f"{self._names[node]} = {text}")
            if node in names or node in self.results:
                if node in comments:
                    yield f"# {''.join(c if c.isprintable() else '·' for c in comments[node])}"
                yield from group
                group.clear()
            for store in dying:
                if store.buffer is not None and store.buffer != mine.buffer:
                    free.setdefault(self.buffers[store.buffer], []).append(store.buffer)

    def _storages(self, position: Mapping[Tensor, int]) -> dict[Tensor, list[Storage]]:
        """Return the memory in which each value may lie, with its last use. That of outputs is never reused."""
        inline = {part for _, part in self._added.values()}
        storage: dict[Tensor, list[Storage]] = {}
        for node in self.order:
            if node in self._added:
                storage[node] = storage[self._added[node][0]]
            elif node.op is not None and (is_view(node) or is_conversion(node) or node in inline):
                storage[node] = storage[node.inputs[0]]  # type: ignore[index]
            else:
                storage[node] = [Storage(), *(store for x in _maybe_returned(node) for store in storage[x])]
            for x in tensors(node):
                for store in storage[x]:
                    store.last_use = position[node]
        for output in self.outputs:
            for store in storage[output]:
                store.last_use = len(position)
        self._storage = storage
        return storage

    def _out(self, node: Tensor, mine: Storage, dying: Sequence[Storage], free: dict[Any, list[int]]) -> str | None:
        """Return where a call writes: a donated argument, a buffer that is not read after it, another one, or None."""
        if node.shape == ():
            return None
        key = (node.shape, node.dtype)
        reusing = in_place(node)
        if mine.last_use == len(self.order):
            for x in node.inputs:
                if isinstance(x, Tensor) and x in self.donated and reusing and (x.shape, x.dtype) == key:
                    if self._storage[x][0] in dying:
                        self.donated.discard(x)
                        return self._names[x]
            return None
        if reusing:
            mine.buffer = next(
                (s.buffer for s in dying if s.buffer is not None and self.buffers[s.buffer] == key), None
            )
        if mine.buffer is None and free.get(key):
            mine.buffer = free[key].pop()
        if mine.buffer is None:
            mine.buffer = len(self.buffers)
            self.buffers.append(key)
        return f"_{mine.buffer}"

    def _into_slice(self, node: Tensor) -> tuple[Tensor, Tensor] | None:
        """Return the parts of a sum if the second is 0 outside a slice and nothing else reads them, or else None."""
        if node.op is None or node.op.arithmetic != "sum" or node.shape == ():
            return None
        parts = tensors(node)
        for whole, part in (parts, parts[::-1]) if len(parts) == 2 else ():
            own = whole.op is not None and not is_view(whole) and not is_conversion(whole)
            once = self._uses[whole] == self._uses[part] == 1 and not self.results & {whole, part}
            alike = whole.shape == part.shape == node.shape and whole.dtype == node.dtype
            if own and once and alike and is_put_in_slice(part):
                return whole, part
        return None

    def _add_to_slice(self, node: Tensor, name: str | None) -> Iterator[str]:
        whole, part = self._added[node]
        yield f"{self._names[whole]}[{subscript(part)}] += {self._operand(part.inputs[0], part.dtype)}"
        if name is None:
            self._names[node] = self._names[whole]
        else:
            self._name(node, name)
            yield f"{self._names[node]} = {self._names[whole]}"

    def _put_in_slice(self, node: Tensor, out: str | None) -> Iterator[str]:
        name = self._names[node]
        yield f"{name} = {out or f'np.zeros({node.shape}, np.{node.dtype})'}"
        if out is not None:
            yield f"{name}.fill(0)"
        yield f"{name}[{subscript(node)}] = {self._operand(node.inputs[0], node.dtype)}"

    def _call(self, node: Tensor) -> str | Callable[[str | None], str]:
        """Return the call of a node, or, if it can write to a buffer, a function from the buffer to the call."""
        assert node.op is not None
        floats = next((x.dtype for x in tensors(node) if x.dtype.kind == "f"), node.dtype)
        operands = [self._operand(x, floats) for x in node.inputs]
        made = numpy_target.call(node, operands)
        return expression(node, self._names) if made is None else made

    def _operand(self, x: Any, dtype: np.dtype[Any]) -> str:
        """Return an operand. A number is an array without axes, which costs a call less than a Python number."""
        if isinstance(x, Tensor) and not (x.op is None and x.shape == () and x not in self.inputs_set):
            return self._names[x]
        if isinstance(x, Tensor):
            return self._scalar(x._value.item(), x.dtype) if x.dtype.kind == "f" else numpys_number(x._value)
        return self._scalar(float(x), dtype) if dtype.kind == "f" else repr(x)

    def _scalar(self, value: float, dtype: np.dtype[Any]) -> str:
        name = f"_c{_spelled(value, len(self.scalars))}{_kind(dtype)}"
        return self.scalars.setdefault((repr(value), dtype), name)

    def _constant(self, node: Tensor) -> None:
        if node.shape == ():
            self._names[node] = numpys_number(node._value)
            return
        ones = node.dtype.kind == "f" and (node._value == 1.0).all()
        name = (
            f"_ones_{'_'.join(map(str, node.shape))}{_kind(node.dtype)}" if ones else f"constant{len(self.constants)}"
        )
        self.constants[name] = np.array(node._value)
        self._names[node] = name

    def _name(self, node: Tensor, wanted: str | None) -> None:
        count, unnamed = 1, wanted is None
        while wanted is None or (unnamed and wanted in self._taken):
            wanted, count = f"t{count}", count + 1
        self._names[node] = wanted = identifier(wanted, self._taken)
        self._taken.add(wanted)

    def _results(self) -> Iterator[str]:
        """Yield the results, copied where the caller would not be the only one to hold their memory."""
        outside = (node for node in self.order if node.op is None or is_foreign(node.op))
        seen = {self._storage[node][0] for node in outside}
        for output in self.outputs:
            memory, name = set(self._storage[output]), self._names[output]
            own = memory.isdisjoint(seen) and _is_writable(output)
            yield name if own else f"np.array({name}, np.{output.dtype})[()]"
            seen |= memory

    def source(self, name: str) -> str:
        """Return the program as a module: imports, constants, buffers and the function."""
        called = set(re.findall(r"\b\w+(?=\(|\.reduce\()", "\n".join(self.lines)))
        used = sorted(called & IMPORTED)
        body = [f"    {line}" for line in self.lines]
        results = ", ".join(self._results())
        arguments = ", ".join(self._names[x] for x in self.inputs)
        text = [f"import numpy as np\nfrom numpy import {', '.join(used)}\n" if used else "import numpy as np\n"]
        for constant, array in self.constants.items():
            short = array.size <= LARGEST_CONSTANT or is_uniform(array)
            large = f"None  # an array from outside, of shape {array.shape}"
            text.append(f"{constant} = {written_array(array) if short else large}")
        text += [f"{name} = None  # an op from outside" for name in sorted(self.functions)]
        for (value, dtype), scalar in self.scalars.items():
            text.append(f"{scalar} = np.array({_finite(value)}{'' if dtype == np.float64 else f', np.{dtype}'})")
        for i, (shape, dtype) in enumerate(self.buffers):
            text.append(f"_{i} = np.empty({shape}, np.{dtype})")
        text.append("")
        text.append(helpers("\n".join(self.lines)))
        text.append(f"def {name}({arguments}):")
        text += body
        text.append(f"    return [{results}]\n")
        return "\n".join(text)


def _spelled(value: Any, count: int) -> str:
    """Return a number as part of a name, such as 0p5 for 0.5, or a running number if that is long."""
    text = re.sub(r"\.0$", "", repr(value)).replace(".", "p").replace("-", "m").replace("+", "")
    return text if len(text) < 8 else f"_{count}"


def _kind(dtype: np.dtype[Any]) -> str:
    return "" if dtype == np.float64 else f"_{dtype.name}"


def _finite(text: str) -> str:
    return text if text.lstrip("-") not in ("inf", "nan") else f"float({text!r})"


def _maybe_returned(node: Tensor) -> Iterator[Tensor]:
    """Yield the inputs whose memory a result may share: those where it did, and for a foreign op all of them."""
    for x, read in zip(node.inputs, node._args, strict=node.op is not None):
        if isinstance(x, Tensor) and (is_foreign(node.op) or np.may_share_memory(read, node._value)):  # type: ignore[arg-type]
            yield x


def _is_writable(node: Tensor) -> bool:
    """Return whether a node is computed as a writable array whose elements do not share memory."""
    while node.op is not None and is_view(node):
        if node.shape and not node._value.flags.writeable:  # as in broadcast_to and diagonal
            return False
        node = node.inputs[0]  # type: ignore[assignment]
    return node.shape == () or node._value.flags.writeable


def identifier(name: str, taken: set[str]) -> str:
    """Return a name like the given one that is not taken by Python, by NumPy's functions, or in `taken`."""
    return numpy_source.identifier(name, {*IMPORTED, "np", *taken}, private=r"_(c\w*|ones_\w*|\d+)|constant\d+")
