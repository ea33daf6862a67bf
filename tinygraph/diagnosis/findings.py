"""Notable facts about a graph and its gradients, found in one pass forward and one back that leave no trace.

A finding says which node it is about and where it begins; `why` makes sentences of findings, and pictures make marks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..autodiff.traversal import numbers_back, propagated
from ..graph.records import Op
from ..graph.tensor import ArrayLike, Tensor
from ..ops.arithmetic.elementwise import level
from ..reading import Reading
from .anomaly import Anomaly, anomaly_in_gradient, anomaly_in_value, propagated_to_inputs

VANISHING = 1e-3
"""A gradient vanishes if it is less than this part of the gradient of a layer nearer to the loss: its layer learns a
thousand times slower. Different widths and numbers of examples alone make factors of up to a hundred."""
EXPLODING = 1e3
"""A gradient explodes if it is more than this times the gradient of a layer nearer to the loss, and itself more than
this: it is so far from any usual step that a usual learning rate ends in infinity."""
SATURATED = 0.05
"""A unit is saturated if its slope is less than this part of the largest possible one, on average over the examples.
The sigmoid is there beyond ±4.4, tanh beyond ±2.2."""
SHARE = 0.1
"""The share of a layer's units that is notable: fewer dead or saturated units are ordinary."""
FEWEST_EXAMPLES = 8
"""The fewest examples that show a dead unit: a sound ReLU is off half of the time, so for 8 in a row once in 256."""
COPIES = 0.25
"""The share of a layer's units whose equality is notable: weights that are drawn at random are never equal."""

_EQUAL = 9
"""The digits to which units must agree, with float64; sums in another order differ in the last digits."""


class Obstacle(NamedTuple):
    """The reason why no gradient goes on from a node to one of its inputs."""

    reason: str
    """One of dead, saturated, level, times zero, not chosen, not used, cancels and flat."""
    reader: Tensor
    """The node."""
    target: Tensor
    """The input."""
    culprit: Tensor
    """The reader, or the operand that it multiplies by or chooses with."""


class Finding(NamedTuple):
    """A fact about a node."""

    key: str
    """nan or infinite for its value; gradient nan, gradient infinite, zero, vanishing or exploding for its gradient;
    dead or saturated for the units of an activation; copies for units that have it as their weights."""
    tensor: Tensor
    begins: Tensor
    """The node at which this begins; for vanishing and exploding, the layer that it is compared with."""
    part: int = 0
    whole: int = 0
    what: str = "units"
    """The things that `part` and `whole` count: units, or elements if it is not known which axis is which."""
    ratio: float = 1.0
    obstacle: Obstacle | None = None


class Examination:
    """A graph as it was recorded, the cotangents that `grad` at the output sends back through it, and the findings."""

    def __init__(self, reading: Reading, grad: ArrayLike | None = None) -> None:
        self.reading = reading
        self.order, self.values, self.senders = reading.order, reading.values, reading.senders
        output = reading.output
        self.cotangents: dict[Tensor, Any] = {}
        """The cotangents that are propagated, without parts that stay aside."""
        self.gradients: dict[Tensor, Any] = {}
        """The cotangents with the parts that stay aside; a cotangent with such parts is a function that computes it."""
        self.examples: dict[Tensor, int] = {}
        """The number of examples, for each node whose axes of examples are known."""
        self.hidden: set[Tensor] = set()
        """The nodes with a layer between them and the loss. Others may be saturated, as an output that is certain."""
        self._layers: set[Tensor] = set()
        with np.errstate(all="ignore"):
            if output.requires_grad and (grad is not None or output.shape == ()):
                for node, gradient in numbers_back(output, grad):
                    self.gradients[node] = gradient
                    if (sent := propagated(gradient)) is not None:
                        self.cotangents[node] = sent
            self.norms = {node: norm(g) for node, g in self.cotangents.items()}
            found = [*self._of_units(), *self._of_gradients(), *self._of_copies()]
            harmed = not math.isfinite(norm(self.values[output])) or any(f.key.startswith("gradient") for f in found)
            self.findings = [*self._of_values(), *found] if harmed else found

    def __getitem__(self, tensor: Tensor) -> list[Finding]:
        """Return the findings about a tensor."""
        return [finding for finding in self.findings if finding.tensor is tensor]

    # -- values ------------------------------------------------------------------------------------------------

    def _of_values(self) -> Iterator[Finding]:
        """Yield the nodes that are not finite. It is not called if they do no harm, such as a mask before a softmax."""
        begins: dict[Tensor, Tensor] = {}
        for node in self.order:
            size = norm(self.values[node])
            if not math.isfinite(size):
                sources = [begins[x] for x in node.inputs if type(x) is Tensor and x in begins]
                born = not sources or anomaly_in_value(node) is not None
                begins[node] = node if born else min(sources, key=lambda x: x.age)
                yield Finding("nan" if math.isnan(size) else "infinite", node, begins[node])

    # -- units -------------------------------------------------------------------------------------------------

    def _of_units(self) -> Iterator[Finding]:
        """Yield activations that are flat for the examples, and note the layers, which are made of data and weights."""
        weights = {x for x in self.order if x.op is None and x.requires_grad}
        examples: dict[Tensor, tuple[int, ...]] = {}
        for node in self.order:
            if node.op is None:
                continue
            inputs = [x for x in node.inputs if type(x) is Tensor]
            of_weights = [x in weights for x in inputs]
            if all(of_weights):
                weights.add(node)
            elif any(of_weights):
                self._layers.add(node)
            axes = _axes_of_examples(node, weights, examples)
            if axes:
                examples[node] = axes
                self.examples[node] = math.prod(node.shape[i] for i in axes)
            if (found := self._flat_units(node, axes)) is not None:
                yield found

    def _flat_units(self, node: Tensor, axes: tuple[int, ...]) -> Finding | None:
        key, slope = slope_of(node)
        if slope is None or slope.size < FEWEST_EXAMPLES or not math.isfinite(norm(self.values[node])):
            return None
        count = self.examples.get(node, 1)
        if not axes and key == "dead":
            flat, what = np.broadcast_to(not slope.any(), slope.shape), "elements"
        elif key == "dead":
            flat, what = ~slope.any(axes), "units"
            if count < FEWEST_EXAMPLES:
                return None
        else:
            flat, what = (slope.mean(axes) if axes else slope) < SATURATED, "units" if axes else "elements"
        number = int(np.count_nonzero(flat))
        return Finding(key, node, node, number, flat.size, what) if number >= SHARE * flat.size else None

    def _of_copies(self) -> Iterator[Finding]:
        """Yield the weights of units that are equal in their weights and gradients, and so will stay equal."""
        for weight, g in self.cotangents.items():
            if weight.op is not None or weight.ndim != 2 or not 0 < self.norms[weight] < math.inf:
                continue
            for reader in self.senders.get(weight, ()):
                if reader.op is None or not reader.op.is_matrix_product:
                    continue
                turn = np.asarray if reader.inputs[0] is weight else np.transpose
                w, dw = turn(self.values[weight]), turn(np.asarray(g))
                different = len(np.unique(np.stack([_signatures(w), _signatures(dw)]), axis=1).T)
                if len(w) - different >= COPIES * len(w) and len(w) > 1:
                    yield Finding("copies", weight, reader, len(w) - different + 1, len(w))
                break

    # -- gradients ---------------------------------------------------------------------------------------------

    def _of_gradients(self) -> Iterator[Finding]:
        about: dict[Tensor, Finding] = {}
        largest: dict[Tensor, Tensor] = {}
        smallest: dict[Tensor, Tensor] = {}
        for node in self.cotangents:
            readers = [r for r in self.senders.get(node, ()) if r in self.cotangents]
            self._keep_extremes(node, readers, largest, max)
            self._keep_extremes(node, readers, smallest, min)
            if node in largest:
                self.hidden.add(node)
            if not math.isfinite(self.norms[node]):
                finding: Finding | None = self._not_finite(node, readers, about)
            elif self.norms[node] == 0:
                finding = self._zero(node, readers, about)
            elif node.op is None:
                finding = _inherited(node, readers, about)
            else:
                finding = self._out_of_scale(node, largest.get(node), smallest.get(node))
            if finding is not None:
                about[node] = finding
                yield finding

    def _keep_extremes(
        self, node: Tensor, readers: Sequence[Tensor], extremes: dict[Tensor, Tensor], choose: Callable[..., Tensor]
    ) -> None:
        """Store the layer between a node and the loss that has the largest gradient, or the smallest."""
        layers = [extremes[r] for r in readers if r in extremes]
        layers += [r for r in readers if r in self._layers and 0 < self.norms[r] < math.inf]
        if layers:
            extremes[node] = choose(layers, key=self.norms.__getitem__)

    def _not_finite(self, node: Tensor, readers: Sequence[Tensor], about: dict[Tensor, Finding]) -> Finding:
        key = "gradient nan" if math.isnan(self.norms[node]) else "gradient infinite"
        before = [r for r in readers if not math.isfinite(self.norms[r])]
        born = not before or self.anomaly(node) is not None
        return Finding(key, node, node if born else about[before[0]].begins)

    def _zero(self, node: Tensor, readers: Sequence[Tensor], about: dict[Tensor, Finding]) -> Finding | None:
        if not node.size or not readers:
            return None
        passing = [r for r in readers if self.norms[r] != 0]
        if passing:
            obstacle = self._obstacle(node, passing)
            return Finding("zero", node, obstacle.culprit, obstacle=obstacle)
        before = about.get(readers[0])
        return before._replace(tensor=node) if before is not None else Finding("zero", node, readers[0])

    def _out_of_scale(self, node: Tensor, largest: Tensor | None, smallest: Tensor | None) -> Finding | None:
        if largest is None or smallest is None:
            return None
        size = self.norms[node]
        if size < VANISHING * self.norms[largest]:
            return Finding("vanishing", node, largest, ratio=size / self.norms[largest])
        if size > EXPLODING * max(self.norms[smallest], 1):
            return Finding("exploding", node, smallest, ratio=size / self.norms[smallest])
        return None

    def anomaly(self, node: Tensor) -> Anomaly | None:
        """Return the anomaly in the gradient of a node if it arose there, else None."""
        readers = [r for r in self.senders.get(node, ()) if r in self.cotangents]
        return anomaly_in_gradient(node, self.cotangents[node], self.sent(readers), self.senders)

    def sent(self, readers: Sequence[Tensor]) -> list[tuple[Tensor, Any]]:
        """Return nodes with their cotangents."""
        return [(r, self.cotangents[r]) for r in readers]

    def _obstacle(self, x: Tensor, readers: Sequence[Tensor]) -> Obstacle:
        """Return the reason why no gradient arrives at `x`, although one arrives at its `readers`."""
        reader = readers[0]
        op: Any = reader.op
        arrived = np.asarray(self.cotangents[reader] != 0)
        position = next(i for i, y in enumerate(reader.inputs) if y is x)
        key, slope = slope_of(reader)
        given = [g for r in readers for i, g in propagated_to_inputs(r, self.cotangents[r]) if r.inputs[i] is x]
        others = [y for i, y in enumerate(reader.inputs) if i != position and type(y) is Tensor]
        factors = [y for y in (*others, x) if op.linear == "each" or any(reader.inputs[i] is y for i in op.factors)]
        zeros = [y for y in factors if not _meets(self.values[y], arrived, op)]
        culprit = reader
        if any(np.any(g != 0) for g in given):
            reason = "cancels"
        elif op.kind == "shape":
            reason = "not used"
        elif not op.variadic and op.vjps[position] is level:
            reason = "level"
        elif slope is not None and not slope[arrived].any():
            reason = key
        elif op.chooses:
            condition = None if op.condition is None else reader.inputs[op.condition]
            reason, culprit = "not chosen", condition if type(condition) is Tensor else reader
        elif zeros:
            reason, culprit = "times zero", zeros[0]
        else:
            reason = "flat"
        return Obstacle(reason, reader, x, culprit)


def _inherited(leaf: Tensor, readers: Sequence[Tensor], about: dict[Tensor, Finding]) -> Finding | None:
    """Return the finding of a leaf: its gradient explodes if that of any reader does, and vanishes if all do."""
    found = [about[r] for r in readers if r in about]
    exploding = [f for f in found if f.key == "exploding"]
    vanishing = [f for f in found if f.key == "vanishing"]
    if exploding:
        return max(exploding, key=lambda f: f.ratio)._replace(tensor=leaf)
    if vanishing and len(vanishing) == len(readers):
        return max(vanishing, key=lambda f: f.ratio)._replace(tensor=leaf)
    return None


def _meets(value: Any, arrived: Any, op: Op) -> bool:
    """Return whether an operand is nonzero anywhere that it is multiplied by a gradient that has arrived."""
    if op.kind == "elementwise":
        return bool(np.any((value != 0) & arrived))
    return bool(np.any(value))


def norm(x: Any) -> float:
    """Return ‖x‖ without overflow on the way; it is NaN or infinite if an element is."""
    x = np.asarray(x)
    if not x.size:
        return 0.0
    largest = float(max(x.max(), -x.min())) if x.dtype.kind == "f" else float(np.abs(x.astype(float)).max())
    if largest == 0 or not math.isfinite(largest):
        return largest
    return largest * float(np.linalg.norm(np.divide(x, largest, dtype=float)))


def slope_of(node: Tensor) -> tuple[str, Any]:
    """Return the name for an activation where it is flat, dead or saturated, and its slope at each element, at most 1.

    The slope is None for an op that is not flat on a whole half-line.
    """
    if node.op is None or node.op.steepness is None:
        return "", None
    slope = node.op.steepness(np.asarray(node._seen), *node._args, **node.params)
    return "" if slope is None else "dead" if slope.dtype == bool else "saturated", slope


def _axes_of_examples(node: Tensor, weights: set[Tensor], examples: dict[Tensor, tuple[int, ...]]) -> tuple[int, ...]:
    """Return the axes along which the examples lie, or an empty tuple if that cannot be told.

    They are the axes of the data that weights are multiplied with, and the axes along which a bias broadcasts.
    """
    assert node.op is not None
    op, axes = node.op, range(node.ndim)
    if op.is_matrix_product and node.ndim > 1:
        left, right = (x in weights for x in node.inputs)
        if left != right:
            return (node.ndim - 1,) if left else tuple(axes[:-1])
    if op.channels is not None:
        return tuple(i for i in axes if i != op.channels)
    inputs = [x for x in node.inputs if type(x) is Tensor]
    if op.kind in ("elementwise", "reduction"):
        for x in inputs:
            if x.shape == node.shape and x in examples:
                return examples[x]
    if op.kind == "elementwise" and op.linear == "together":
        for x in inputs:
            if x in weights:
                shape = (1,) * (node.ndim - x.ndim) + x.shape
                return tuple(i for i in axes if shape[i] == 1 < node.shape[i])
    return ()


def _signatures(rows: Any) -> Any:
    """Return a number for each row, equal for equal rows and almost never equal for others."""
    numbers = rows @ np.cos(np.arange(rows.shape[1]) + 1.0)
    digits = _EQUAL if rows.dtype == np.float64 else _EQUAL // 2
    return np.round(numbers / (np.abs(numbers).max() or 1.0), digits)
