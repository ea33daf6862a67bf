"""The work of `derive` on one graph: which gradients get an equation, what it is, and whether it is true."""

from __future__ import annotations

import contextlib
from collections.abc import Container, Iterator, Mapping, Sequence
from itertools import pairwise
from types import FrameType
from typing import Any

import numpy as np

from .. import ops
from ..algebra.nodes import written
from ..algebra.normal_form import Reader
from ..algebra.shortest import shortest, simplified
from ..algebra.terms import ONE, Call, Params, Product, Sum, Symbol, as_product, multiplied, of, power
from ..algebra.terms import number as number_term
from ..algebra.terms import symbol as symbol_term
from ..autodiff.traversal import computed, cotangents, read_before_change
from ..errors import ArgumentError, ShapeError
from ..graph.evaluating import evaluate
from ..graph.records import OPS
from ..graph.tensor import Tensor, describe, toposort
from ..writing.names import names_of, scalars_of, shown_inputs
from ..writing.notation import Writer, as_text, backward_order, number, sources, symbol, with_symbols, within
from .results import Derivation, Equation

# how far an equation may be from the engine's gradient, relative to its largest element and to what it is summed from
_CLOSE, _ROUNDING = 1e-9, 1e-13
_MOST_LEVELS = 200  # of operations within each other in one equation
_LONGEST = 16  # operations of an equation into which others are merged


class _Plain:
    """The namespace in which raw gradients are written: a number repeated is written as the number."""

    def __getattr__(self, name: str) -> Any:
        return getattr(ops, name)

    def broadcast_to(self, x: Any, shape: tuple[int, ...]) -> Any:
        return ops.broadcast_to(x, shape) if getattr(x, "shape", ()) else x


class Work:
    """The work of `derive` on one graph.

    For pictures: with `boxes`, gradients of what has no box go into others as far as these stay short; with `every_op`
    each op has a box.
    """

    @np.errstate(all="ignore")  # where the user's numbers are not finite, they have been warned
    def __init__(
        self,
        output: Tensor,
        sought: set[Tensor],
        frame: FrameType | None,
        *,
        expand: bool = False,
        assume: Sequence[Tensor] = (),
        depth: int | None = None,
        boxes: bool = False,
        every_op: bool = False,
    ) -> None:
        self.output, self.expand, self.assume, self.boxes = output, expand, assume, boxes
        self.numbers: dict[Tensor, Sum] = {}  # the gradients that are numbers, which get no equation
        self.order = order = toposort(output)
        self.axes = {x.params["axis"] for x in order if x.op is not None and x.op.kind == "reduction"}
        self.named = names_of(order, frame)  # by the user
        self.shown, self.names = with_symbols(order, self.named, every_op)
        away = self._away()
        self.near = {x for x, distance in away.items() if depth is None or distance <= depth}
        farthest = {x for x in self.near if x.op is not None and x.requires_grad and away[x] == depth}
        self.sought = sought & self.near | farthest
        found = scalars_of(order, set(self.names.values()))
        self.scalars = {value: (Tensor(float(value)), name) for value, name in found.items()}
        self.literals = {abs(x) for node in order for x in node.inputs if not isinstance(x, Tensor)}
        # a leaf that has changed since counts as what it was
        self.as_read = read_before_change(order)
        self.names |= {now: self.names[leaf] for leaf, now in self.as_read.items() if leaf in self.names}
        seed = Tensor(output.dtype.type(1))
        cotangent = sorted(cotangents(output, self.sought, seed, self.as_read), key=lambda pair: -pair[0].age)
        self.cotangents = [(node, computed(g)) for node, g in cotangent]
        self._refuse_endless()
        # of probabilities that a loss looks through: da, which is not propagated
        self.aside = {
            node: made for (node, g), (_, made) in zip(cotangent, self.cotangents, strict=True) if callable(g)
        }

    @np.errstate(all="ignore")
    def run(self, lecture: bool) -> Derivation:
        """Derive; where activations have different common factors, exactly."""
        names = {**self.names, **dict(self.scalars.values())}
        literals = {value: name for value, (_, name) in self.scalars.items()}
        writer = Writer(names, lambda x: x not in names, axes=False, literals=literals)
        forward = [self._forward(node) for node in self.order if node in self.near and node.op is not None]
        shown = {*self.shown, *self.as_read.values()}
        reader = Reader({node: symbol_term(self.as_read.get(node, node)) for node in shown}, self._literal)
        known = {node: node for node in shown}  # what a raw gradient is written over
        for node in self.order:
            if node.op is not None and node in self.shown:
                self._remember(node, reader)
        for fact in self.assume:
            _assume(reader, fact)
        shares: set[Product] = set()
        backward: dict[Tensor, Equation] = {}
        count = 0
        for node, g in self._kept(reader):
            term = shortest(reader.read(g))
            if node in self.shown:
                name = f"d{self.names[node]}"
                while name in names.values():  # somebody else's
                    name += "′"
            else:
                count += 1
                while f"t{count}" in names.values():
                    count += 1
                name = f"t{count}"
            share = self._share(term) if lecture and node.op is not None else ONE
            if node.op is not None:
                shares.add(share)
            backward[node] = self._equation(name, node, g, share, reader, writer, known)
            leaf = Tensor(backward[node].value)
            names[leaf] = name
            if node.op is not None and g not in reader.atoms:
                reader.atoms[g] = Sum((share.times(as_product(symbol_term(leaf))),))
                reader.forget()
                known[g] = _as_tensor(written(reader.atoms[g]))
        if len(shares - {ONE}) > 1 or (ONE in shares and len(shares) > 1):
            return self.run(lecture=False)
        equations = [*forward, *(backward[x] for x in backward_order(self.order, self.shown) if x in backward)]
        scalars = dict(self.scalars.values())
        scales = {node: _scale(self._share(term)) for node, term in self.numbers.items() if lecture}
        return Derivation(equations, _heading(shares, self.scalars), names, scalars, self.as_read, scales)

    def scales(self) -> dict[Tensor, float]:
        """By what the lecture's convention multiplies the gradients of results, without writing equations."""
        shown = {*self.shown, *self.as_read.values()}
        reader = Reader({node: symbol_term(self.as_read.get(node, node)) for node in shown}, self._literal)
        scalars = {leaf for leaf, _ in self.scalars.values()}
        found: dict[Tensor, Product] = {}
        shares: set[Product] = set()
        for node, g in self.cotangents:
            if node.op is None or node is self.output or node not in self.shown:
                continue
            term = reader.read(g)
            found[node] = self._share(term)
            if term.symbols - scalars:
                shares.add(found[node])
            if g not in reader.atoms:
                reader.atoms[g] = Sum((found[node].times(as_product(symbol_term(g))),))
                reader.forget()
        return {node: _scale(share) for node, share in found.items()} if len(shares) < 2 else {}

    def _refuse_endless(self) -> None:
        """Nobody reads a gradient of hundreds of operations, one within the other."""
        apart = {*self.shown, *(g for node, g in self.cotangents if node in self.shown or _branches(node))}
        levels: dict[Tensor, int] = {}
        for x in toposort(*(g for _, g in self.cotangents)):
            within = (0 if y in apart else levels[y] for y in x.inputs if isinstance(y, Tensor))
            levels[x] = 0 if x.op is None else 1 + max(within, default=0)
        for node, g in self.cotangents:
            if levels[g] > _MOST_LEVELS:
                raise ArgumentError(
                    f"the gradient of {self.names.get(node) or describe(node)} is {levels[g]} operations deep, too many"
                    f" to write down: name what is between, take wrt= something nearer to"
                    f" {self.names.get(self.output, 'the output')}, or fewer repetitions"
                )

    def _away(self) -> dict[Tensor, int]:
        """How many equations each symbol is away from the output."""
        away = {self.output: 0}
        for node in reversed(self.order):
            if node in away:
                for x in sources(node, self.shown):
                    away[x] = min(away.get(x, away[node] + 1), away[node] + 1)
        return away

    def _remember(self, node: Tensor, reader: Reader) -> None:
        """Have what a named node equals read as its name, and its sums as the constants that they are."""
        symbolic = reader.atoms.pop(node)
        term = reader.read(node)
        constants = [(total, shortest(reader.read(total))) for total in self._constant_sums(node)]
        reader.atoms[node] = symbolic
        reader.forget()
        writer = Writer(self.names, lambda x: x not in self.shown, axes=False)
        for total, constant in constants:
            if not any(product.powers for product in constant.products):
                text = f"{as_text(writer.right_hand_side(total))} = {number(_value(constant))}"
                reader.remember(reader.read(total), constant, text)
        reader.remember(term, symbolic, as_text(self._forward(node).spans))

    def _constant_sums(self, node: Tensor) -> Iterator[Tensor]:
        """The sums of a node that seem to be the same everywhere, as those of what is centred, and of a softmax."""
        for axis in self.axes:
            given = axis if isinstance(axis, tuple) else () if axis is None else (axis,)
            if len({i % max(node.ndim, 1) for i in given}) < len(given) or any(
                not -node.ndim <= i < node.ndim for i in given
            ):
                continue
            with np.errstate(all="ignore"):
                total = node._value.sum(axis, keepdims=True)
                size = np.abs(node._value).sum(axis, keepdims=True)
                constant = total.size and np.abs(total - total.flat[0]).max() <= _CLOSE * size.max()
            if constant:
                yield from (ops.sum(node, axis=axis, keepdims=keepdims) for keepdims in (False, True))

    def _literal(self, value: float) -> Sum:
        """A number of the graph, by its name where it or its reciprocal has one."""
        size = abs(value)
        for times in (1, 2, 0.5):
            for known, (leaf, _) in self.scalars.items():
                if times != 1 and (known != int(known) or size not in self.literals or size in (0.5, 2)):
                    continue  # only of a number of examples, and only as it was written: 1/(2 m); 2 is not m/2
                factor = number_term(-times if value < 0 else times)
                if size == times * known:
                    return multiplied(factor, symbol_term(leaf))
                if size and size == times / known:
                    return multiplied(factor, power(symbol_term(leaf), -1))
        return number_term(value)

    def _forward(self, node: Tensor) -> Equation:
        writer = Writer(self.names, lambda x: x not in self.shown)
        count = sum(1 for _ in within(node, self.shown))
        return Equation(
            self.names[node],
            node.shape,
            1.0,
            node.data,
            node,
            count,
            "",
            (),
            node,
            symbol(self.names[node]),
            writer.expression(node),
        )

    def _kept(self, reader: Reader) -> list[tuple[Tensor, Tensor]]:
        """The nodes whose gradient gets an equation, with that gradient, the youngest first.

        At first all that have a name, or pass their gradient on to several. Then, from the oldest on, one whose
        gradient makes no longer equations where it is put into those that read it is merged into them.
        """
        apart = reader.over(reader.atoms)
        terms: dict[Tensor, Sum] = {}
        cotangent = dict(self.cotangents)
        owner: dict[Tensor, Tensor] = {}  # of each cotangent that is an atom
        for node, g in self.cotangents:
            if node is self.output or not (node in self.shown or _branches(node)):
                continue
            term = shortest(apart.read(g))
            if not term.symbols - {leaf for leaf, _ in self.scalars.values()} and node not in self.sought:
                self.numbers[node] = term  # what reads it reads the number
                continue
            if node not in self.shown and (g in apart.atoms or _is_scaled_symbol(term)):
                continue
            terms[node] = term
            if node.op is not None and g not in apart.atoms:
                owner[g] = node
                apart.atoms[g] = symbol_term(g)
                apart.forget()
        readers: dict[Tensor, set[Tensor]] = {g: set() for g in owner}
        for node, term in terms.items():
            for g in term.symbols & owner.keys():
                readers[g].add(node)

        def tried(group: list[Tensor]) -> bool:
            """Whether these cotangents are now merged into those that read them."""
            nodes = [owner[g] for g in group]
            symbolic = [apart.atoms.pop(g) for g in group]
            merged = {}
            for x in sorted(set.union(*(readers[g] for g in group)) - {*nodes}, key=lambda x: x.age):
                own = apart.atoms.pop(cotangent[x], None)
                apart.forget()
                merged[x] = shortest(apart.read(cotangent[x]))
                if own is not None:
                    apart.atoms[cotangent[x]] = own
            given = {node: terms[node] for node in nodes}
            if not self._merges(given, [(terms[x], term) for x, term in merged.items()]):
                apart.atoms.update(zip(group, symbolic, strict=True))
                return False
            for g, node in zip(group, nodes, strict=True):
                del terms[node], owner[g]
            terms.update(merged)
            for x, term in merged.items():
                for y in term.symbols & owner.keys():
                    readers[y].add(x)
            for reading in readers.values():
                reading.difference_update(nodes)
            return True

        while True:
            free = [
                g
                for g, node in reversed(list(owner.items()))
                if node not in self.sought and not any(cotangent[x] is g and x is not node for x in terms)
            ]
            changed = [tried([g]) for g in free if g in owner]
            together: dict[Tensor, list[Tensor]] = {}  # those that only one equation reads
            for g in free:
                if g in owner and len(readers[g]) == 1:
                    (reader_of_g,) = readers[g]
                    together.setdefault(reader_of_g, []).append(g)
            changed += [
                tried(group) for group in together.values() if len(group) > 1 and all(g in owner for g in group)
            ]
            if not any(changed):
                break
        return [(node, cotangent[node]) for node in terms]

    def _merges(self, merged: Mapping[Tensor, Sum], replaced: Sequence[tuple[Sum, Sum]]) -> bool:
        """Whether the gradients of some nodes go into those that read them, each given before and after."""
        named = [node for node in merged if node in self.shown and node in self.named]
        if self.expand and named:
            return False
        if all(_passes_on(node) and node.op.kind == "elementwise" for node in merged):  # type: ignore[union-attr]
            return True  # the lecture's dA, put into dZ
        if not replaced or any(later.operations > max(_LONGEST, earlier.operations) for earlier, later in replaced):
            return False
        if self.boxes and not any(node in self.shown for node in merged):
            return all(later.operations <= _LONGEST for _, later in replaced)
        before = sum(term.operations for term in merged.values()) + sum(earlier.operations for earlier, _ in replaced)
        after = sum(later.operations for _, later in replaced)
        cotangent = dict(self.cotangents)
        lone = len(replaced) == 1 and not any(_contracts(replaced[0][0], cotangent[node]) for node in merged)
        return after < before or (after == before and (lone or all(map(_passes_on, named))))

    def _share(self, term: Sum) -> Product:
        """The named scalars that all of a gradient has in common."""
        leaves = {leaf for leaf, _ in self.scalars.values()}
        powers = [p for p in as_product(term).powers if isinstance(p[0], Symbol) and p[0].node in leaves]
        return Product(ONE.coefficient, tuple(powers))

    def _equation(
        self,
        name: str,
        node: Tensor,
        g: Tensor,
        share: Product,
        reader: Reader,
        writer: Writer,
        known: Mapping[Tensor, Tensor],
    ) -> Equation:
        """The equation of a gradient, its `share` of the common factor set aside, with the way there."""
        left = symbol(name)
        a = next((a for a in self.aside if any(x is node for x in a.inputs)), None)
        through = None if a is None else a.op.vjps[0](ops, self.aside[a], a, *a.inputs, **a.params)  # type: ignore[union-attr, misc]
        if self.expand and through is not None and _agree(through.data, g.data):
            g, through = through, None  # as the lecture does it first: dz = da ∗ a ∗ (1 − a)
        reader.forget()
        read = reader.read(g)
        used = list(reader.used)
        form, reason = simplified(read)
        lines = [(known[g] if g in known else _raw(g, known), "chain rule")]
        if through is not None:
            lines = [(written(reader.read(through)), f"chain rule: d{self.names.get(a, 'a')} times its derivative")]  # type: ignore[arg-type]
            lines.append((written(form), "multiplied out, and equal terms cancel"))
        else:
            plain = Reader(reader.atoms, self._literal, plain=True)
            lines.append((written(plain.read(g)), "scalars to the front, equal factors as powers"))
            lines.append((written(read), ", ".join(used) or "summed term by term"))
            lines.append((written(form), reason))
        own = shortest(Sum((as_product(form).times(share.to_the(-1)),))) if share != ONE else form
        lines.append((written(own), "of each example's loss"))
        scale = _scale(share)
        value = np.asarray(_value(own))
        value = value.reshape(node.shape) if value.size == node.size else np.broadcast_to(value, node.shape)
        _check(name, value, g, scale, known)
        texts = [(writer.right_hand_side(graph), reason) for graph, reason in lines]
        steps = [(f"{as_text(left)} = {as_text(texts[0][0])}", texts[0][1])]
        for (earlier, _), (later, reason) in pairwise(texts):
            if as_text(later) != as_text(earlier):
                steps.append((f"{as_text(left)} = {as_text(later)}", reason))
        graph = lines[-1][0] if isinstance(lines[-1][0], Tensor) else Tensor(lines[-1][0])
        note = _note(own)
        return Equation(
            name, node.shape, scale, value, node, own.operations, note, tuple(steps), graph, left, texts[-1][0]
        )


def _is_scaled_symbol(term: Sum) -> bool:
    """Whether a gradient is another one but for scalars, so that a name would say nothing."""
    arrays = [(base, power) for product in term.products for base, power in product.powers if base.shape != ()]
    return len(term.products) == 1 and len(arrays) == 1 and isinstance(arrays[0][0], Symbol) and arrays[0][1] == 1


def _branches(node: Tensor) -> bool:
    """Whether the gradient of a node goes on to more than one of its inputs."""
    return node.op is not None and sum(isinstance(x, Tensor) and x.requires_grad for x in shown_inputs(node)) > 1


def _assume(reader: Reader, fact: Tensor) -> None:
    """Have what an equation says be read as its right-hand side; of a sum also with its axes kept or not."""
    left, right = (reader.read(x) for x in fact.inputs)
    product = as_product(left)
    if len(product.powers) != 1 or not isinstance(product.powers[0][0], Call):
        raise ArgumentError(f"on the left of the assumption {fact.site.text} stands no sum or the like")
    because = fact.site.text or "an assumption"
    reader.remember(left, right, because)
    call = product.powers[0][0]
    if call.op == "sum" and isinstance(axis := call.params["axis"], int):
        shape = list(call.operands[0].shape)
        shape[axis] = 1
        reader.remember(of(Call("sum", call.operands, Params(axis=axis, keepdims=True), tuple(shape))), right, because)


def _passes_on(node: Tensor) -> bool:
    """Whether the gradient of a node goes on to that of one other result, and is not only moved about."""
    assert node.op is not None
    (x, *others) = node.inputs
    return not others and isinstance(x, Tensor) and x.op is not None and node.op.kind not in ("shape", "indexing")


def _contracts(term: Sum, g: Tensor) -> bool:
    """Whether a cotangent stands in a matrix product."""
    stack: list[Any] = [term]
    while stack:
        x = stack.pop()
        if isinstance(x, Sum):
            stack += [base for product in x.products for base, _ in product.powers]
        elif isinstance(x, Call):
            if x.op in OPS and OPS[x.op].kind == "contraction" and any(g in operand.symbols for operand in x.operands):
                return True
            stack += x.operands
    return False


def _value(term: Sum) -> Any:
    graph = written(term)
    return graph.data if isinstance(graph, Tensor) else graph


def _scale(share: Product) -> float:
    return float(1 / _value(Sum((share,))))


def _note(term: Sum) -> str:
    """What the first Σ of an equation runs over."""
    stack: list[Any] = [term]
    while stack:
        x = stack.pop(0)
        if isinstance(x, Sum):
            stack += [base for product in x.products for base, _ in product.powers]
        elif isinstance(x, Call):
            axis, shape = x.params.get("axis"), x.operands[0].shape if x.operands else ()
            if x.op == "sum" and isinstance(axis, int):
                kind = {(2, 1): "columns", (2, 0): "rows"}.get((len(shape), axis), "elements")
                return f"sum over the {shape[axis]} {kind}"
            stack += x.operands
    return ""


def _as_tensor(graph: Any) -> Tensor:
    return graph if isinstance(graph, Tensor) else Tensor(graph)


def _raw(g: Tensor, known: Mapping[Tensor, Tensor]) -> Tensor:
    """A cotangent as the rules wrote it, over what is known; repetition is left out where it makes no difference."""
    with contextlib.suppress(ShapeError, IndexError, TypeError):  # a number has no axes
        plain = evaluate([g], known, _Plain())[0]
        if isinstance(plain, Tensor) and np.allclose(plain.data, g.data, equal_nan=True):
            return plain
    raw: Tensor = evaluate([g], known, ops)[0]
    return raw


def _check(name: str, value: Any, g: Tensor, scale: float, known: Container[Tensor]) -> None:
    """No equation is given out that disagrees with the engine, but for what rounding leaves of sums that cancel.

    Where something on the way is infinite, the equation may be so too where the gradient is not; and of NaN it may have
    another slope, as relu.
    """
    expected = np.asarray(g.data * scale)
    compared = np.isfinite(expected)
    with np.errstate(all="ignore"):
        off = np.asarray(np.abs(value - expected))
    coarse = float(np.finfo(g.dtype).eps / np.finfo(np.float64).eps)
    close = {"float64": _CLOSE, "float32": 1e-4}.get(g.dtype.name, 1e-1)
    if off[compared].max(initial=0.0) <= close * np.abs(expected[compared]).max(initial=0.0):
        return
    over = toposort(g, stop=() if g in known else known)
    if any(np.isnan(node.data).any() for node in over):
        return
    if not all(np.isfinite(node.data).all() for node in over):
        compared &= np.isfinite(off)
    off = off[compared].max(initial=0.0)
    summed = [np.abs(node.data[np.isfinite(node.data)]).max(initial=0.0) for node in over]
    if not off <= _ROUNDING * coarse * abs(scale) * max(summed):
        raise AssertionError(f"the equation derived for {name} is {off} off from the gradient of the engine")


def _agree(x: Any, y: Any) -> bool:
    return bool(np.isfinite(x).all()) and np.allclose(x, y, rtol=_CLOSE, atol=0)


def _heading(shares: set[Product], scalars: Mapping[float, tuple[Tensor, str]]) -> str:
    """Which convention the equations follow, and what the named scalars are."""
    named = ", ".join(f"{name} = {number(value)}" for value, (_, name) in scalars.items())
    values = f"; {named}" if named else ""
    for share in shares - {ONE}:
        factor = as_text(
            Writer(dict(scalars.values()), lambda x: x.op is not None).right_hand_side(written(Sum((share,))))
        )
        return (
            "gradients of activations are those of each example's loss;"
            f" the factor {factor.replace(' ', '')} enters with the parameters{values}"
        )
    return f"dV is the derivative of the output with respect to V{values}"
