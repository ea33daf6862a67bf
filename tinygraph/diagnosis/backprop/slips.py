"""The slips of backpropagation by hand, as data.

Each slip is a function from a right step of the chain rule, or a right gradient, to the values that it leads to, with a
sentence about the gradient. A wrong gradient that equals one of these values is explained by the slip.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from ...autodiff.rules import cotangent_of_input
from ...graph.records import NUMBERS, OPS, Op
from ...graph.tensor import Tensor
from ...graph.threads import cached_property
from ...ops.arithmetic.broadcasting import broadcasts_to, unbroadcast

Texts: TypeAlias = Mapping[str, str]
Slipped: TypeAlias = Iterable[tuple[Any, Texts]]
"""Values that a slip may lead to, each with the words for the braces of its sentence."""

_ACTIVATIONS = ("sigmoid", "tanh", "relu", "leaky_relu", "softplus")
"""Ops whose derivatives are mistaken for one another."""


@dataclass(frozen=True, eq=False)
class Gradient:
    """A whole gradient as it should be."""

    value: Any
    counts: Mapping[str, float]
    """Numbers by which it may be divided once too often, or not at all, such as m, by name."""
    of_examples: bool
    """Whether the convention makes it the gradient of each example's loss."""
    results: Sequence[tuple[str, Any]]
    """Other values and gradients of the graph that may be mistaken for it."""


@dataclass(frozen=True, eq=False)
class Step:
    """One step of the chain rule back, from the gradient `g` of a node to one of its operands."""

    of: Tensor
    """The operand."""
    node: Tensor
    """The node that was computed from it."""
    op: Op
    position: int
    g: Any
    name: str
    """The name of g."""
    operands: Sequence[str]
    """The names of the operands."""
    result: str
    """The name of the node."""
    values: Mapping[str, Any]
    """The values of the graph by name, any of which may be mistaken for another."""
    gradients: Mapping[str, Any]
    """The gradients of the graph by name."""
    alone: bool = True
    """Whether no other step leads to this operand."""

    @property
    def x(self) -> Any:
        """The value of the operand."""
        return self.node._args[self.position]

    @cached_property
    def repeated(self) -> Any:
        """The result of the rule, before the sum over axes along which the operand was repeated."""
        return self._carried(*self.node._args)

    def _carried(self, *args: Any) -> Any:
        node = self.node
        return cotangent_of_input(self.op, self.position, NUMBERS, self.g, node._value, args, node.params)

    @property
    def repeated_axes(self) -> set[int]:
        """The axes of more than one element along which the operand was repeated."""
        shape, x = self.repeated.shape, np.shape(self.x)
        aligned = (1,) * (len(shape) - len(x)) + x
        return {axis for axis, (n, k) in enumerate(zip(shape, aligned, strict=False)) if n != 1 and k == 1}

    @cached_property
    def value(self) -> Any:
        """The contribution of the step to the gradient of the operand."""
        return self.summed(self.repeated)

    def summed(self, g: Any) -> Any:
        """Return a gradient summed over the axes along which the operand was repeated."""
        g = np.asarray(g)
        shape = np.shape(self.x)
        return unbroadcast(NUMBERS, g, shape) if self.op.kind == "elementwise" and g.shape != shape else g

    def with_args(self, *args: Any) -> Any:
        """Return the contribution of the same step with other operands."""
        return self.summed(self._carried(*args))

    @property
    def is_activation(self) -> bool:
        """Whether the step multiplies by a derivative, element by element or nearly so."""
        tensors = [x for x in self.node.inputs if isinstance(x, Tensor)]
        smooth = self.op.kind in ("elementwise", "reduction") and not self.op.linear and not self.op.variadic
        return smooth and len(tensors) == 1 and self.x.shape == self.node.shape

    @property
    def derivative(self) -> str:
        """The derivative of an activation, in mathematics."""
        return prime(self.op, self.operands[self.position], self.result)

    @property
    def is_product(self) -> bool:
        """Whether the node is the product of two matrices."""
        return self.op.is_matrix_product and all(np.ndim(a) == 2 for a in self.node._args)

    @property
    def factors(self) -> tuple[tuple[Any, str], tuple[Any, str]]:
        """The two factors of a step through a matrix product, in their order."""
        other = 1 - self.position
        g, turned = (self.g, self.name), (self.node._args[other].T, transposed(self.operands[other]))
        return (g, turned) if self.position == 0 else (turned, g)

    @property
    def product(self) -> str:
        """The step through a matrix product, in mathematics."""
        return " ".join(text for _, text in self.factors)


def prime(op: Op, x: str, y: str) -> str:
    """Return the derivative of y = g(x) in mathematics: tanh′(Z1)."""
    function = op.notation.removesuffix("({0})")
    return f"{function}′({x})" if function != op.notation else f"the derivative of {y}"


def transposed(name: str) -> str:
    """Return a name with the sign of a transpose, or without it if it has one."""
    return name.removesuffix("ᵀ") if name.endswith("ᵀ") else f"{name}ᵀ"


def _named_axes(shape: tuple[int, ...], axes: Sequence[int]) -> str:
    """Return the axes of a sum in words: the 400 columns."""
    if len(shape) != 2:
        return f"axis {', '.join(map(str, axes))}" if len(axes) < len(shape) else "all axes"
    return " and ".join(f"the {shape[axis]} {('row', 'column')[axis]}{'s' * (shape[axis] > 1)}" for axis in axes)


# -- of a whole gradient -------------------------------------------------------------------------------------------


def _zero(of: Gradient) -> Slipped:
    yield np.zeros_like(of.value), {}


def _negated(of: Gradient) -> Slipped:
    yield -of.value, {}


def _undivided(of: Gradient) -> Slipped:
    for name, n in of.counts.items():
        yield of.value * n, {"m": name, "times": f"{n:g}"}


def _divided_twice(of: Gradient) -> Slipped:
    where = ", which enters with the parameters" if of.of_examples else " once too often"
    for name, n in of.counts.items():
        yield of.value / n, {"m": name, "where": where}


def _divided_by_another(of: Gradient) -> Slipped:
    for (name, n), (other, k) in itertools.permutations(of.counts.items(), 2):
        yield of.value * (n / k), {"wrong": f"1/{other}", "right": f"1/{name}"}


def _turned(of: Gradient) -> Slipped:
    if of.value.ndim == 2:
        yield of.value.T, {}


def _without_axes(of: Gradient) -> Slipped:
    single = [axis for axis, n in enumerate(of.value.shape) if n == 1]
    for count in range(1, len(single) + 1):
        for axes in itertools.combinations(single, count):
            yield np.squeeze(of.value, axes), {}


def _with_axis(of: Gradient) -> Slipped:
    for count in (1, 2):
        for axes in itertools.combinations(range(of.value.ndim + count), count):
            yield np.expand_dims(of.value, axes), {}


def _something_else(of: Gradient) -> Slipped:
    for name, value in of.results:
        yield value, {"wrong": name}


def _doubled(of: Gradient) -> Slipped:
    yield 2 * of.value, {"wrong": "twice"}
    yield of.value / 2, {"wrong": "half of"}


# -- of a step -----------------------------------------------------------------------------------------------------


def _at_the_kink(step: Step) -> Slipped:
    if step.is_activation:
        for slope in (0.0, 0.5, 1.0):
            texts = {"x": step.operands[step.position], "derivative": step.derivative}
            yield np.where(step.x == 0, slope * step.g, step.value), texts


def _without_derivative(step: Step) -> Slipped:
    if step.is_activation:
        yield step.g, {"right": step.derivative}


def _derivative_twice(step: Step) -> Slipped:
    if step.is_activation:
        yield replace(step, g=step.value).value, {"right": step.derivative}


def _derivative_at_result(step: Step) -> Slipped:
    """The slip of g′(A) for g′(Z)."""
    if step.is_activation:
        y, i = step.node._value, step.position
        args = [y if k == i else a for k, a in enumerate(step.node._args)]
        texts = {"wrong": prime(step.op, step.result, step.result), "right": step.derivative}
        yield (
            cotangent_of_input(
                step.op, i, NUMBERS, step.g, step.op.run(*args, **step.node.params), args, step.node.params
            ),
            texts,
        )


def _argument_for_result(step: Step) -> Slipped:
    """The slip of Z for A in a g′ that is written with A, such as 1 − A²."""
    if step.is_activation:
        texts = {"wrong": step.operands[step.position], "right": step.result, "derivative": step.derivative}
        yield (
            cotangent_of_input(step.op, step.position, NUMBERS, step.g, step.x, step.node._args, step.node.params),
            texts,
        )


def _function_for_derivative(step: Step) -> Slipped:
    if step.is_activation:
        yield step.g * step.node._value, {"wrong": step.result, "right": step.derivative}


def _derivative_misremembered(step: Step) -> Slipped:
    for wrong, slope in step.op.misremembered.items():
        yield step.g * slope(step.node._value), {"wrong": wrong.format(step.result), "right": step.derivative}


def _other_activation(step: Step) -> Slipped:
    """The slip of another function's derivative at Z, or of one written with another A, as in A (1 − A)."""
    if not step.is_activation:
        return
    for name in _ACTIVATIONS:
        other = OPS[name]
        params = dict(zip(other.params, other.forward.__defaults__ or (), strict=True))
        if other is not step.op:
            texts = {"wrong": prime(other, step.operands[step.position], ""), "right": step.derivative}
            for y in (other.run(step.x, **params), step.node._value):
                yield cotangent_of_input(other, 0, NUMBERS, step.g, y, (step.x,), params), texts


def _unsummed(step: Step) -> Slipped:
    if step.repeated_axes:
        yield step.repeated, _over(step, ())


def _summed_otherwise(step: Step) -> Slipped:
    """The slip of a sum over the wrong axes, with or without keepdims."""
    shape = step.repeated.shape
    for count in range(1, len(shape) + 1) if step.repeated_axes else ():
        for axes in itertools.combinations(range(len(shape)), count):
            if {i for i in axes if shape[i] != 1} != step.repeated_axes:
                for keepdims in (True, False):
                    summed = np.sum(step.repeated, axes, keepdims=keepdims)
                    if summed.shape != shape:  # otherwise nothing was summed
                        yield summed, _over(step, axes)


def _over(step: Step, axes: Sequence[int]) -> Texts:
    """Return the axes that were summed over, and those that should be."""
    shape = step.repeated.shape
    repeated = step.operands[step.position]
    return {"wrong": _named_axes(shape, axes), "right": _named_axes(shape, sorted(step.repeated_axes)), "x": repeated}


def _oriented(step: Step) -> Iterator[tuple[tuple[Any, str], tuple[Any, str], int]]:
    """Yield the factors of a matrix product, each as it is or transposed, with the number of those transposed."""
    left, right = step.factors
    for a, b in itertools.product((False, True), repeat=2):
        yield (
            (left[0].T, transposed(left[1])) if a else left,
            (right[0].T, transposed(right[1])) if b else right,
            a + b,
        )


def _factor_transposed(step: Step) -> Slipped:
    if step.is_product:
        for (a, left), (b, right), turned in _oriented(step):
            if turned and a.shape[1] == b.shape[0]:
                yield a @ b, {"wrong": f"{left} {right}", "right": step.product}


def _factors_swapped(step: Step) -> Slipped:
    if step.is_product:
        for (a, left), (b, right), turned in _oriented(step):
            if turned < 2 and b.shape[1] == a.shape[0]:  # turning both and swapping them transposes the product
                yield b @ a, {"wrong": f"{right} {left}", "right": step.product}


def _elementwise(step: Step) -> Slipped:
    if step.is_product:
        for (a, left), (b, right), _ in _oriented(step):
            if all(n == k or 1 in (n, k) for n, k in zip(a.shape, b.shape, strict=True)):
                yield a * b, {"wrong": f"{left} ∗ {right}", "right": step.product}


def _other_operand(step: Step) -> Slipped:
    """The slip of Z1 for A1, or W1 for W2, or of an operand for itself in an elementwise product."""
    tensors = [isinstance(x, Tensor) for x in step.node.inputs]
    if len(tensors) != 2 or not all(tensors) or step.op.kind not in ("elementwise", "contraction"):
        return
    other = 1 - step.position
    right = step.node._args[other].shape
    for name, value in step.values.items():
        fits = value.shape == right or (step.op.kind == "elementwise" and broadcasts_to(value.shape, step.node.shape))
        fits = fits or (step.is_product and value.ndim == 2 and value.shape[other] == right[other])
        if fits and name != step.operands[other]:
            args = list(step.node._args)
            args[other] = value
            yield step.with_args(*args), {"wrong": name, "right": step.operands[other]}


def _other_gradient(step: Step) -> Slipped:
    """The slip of dA1 for dZ1."""
    shape = np.shape(step.g)
    for name, value in step.gradients.items():
        repeats = step.op.kind == "elementwise" and broadcasts_to(value.shape, shape)
        if (repeats or value.shape == shape) and name != step.name:
            yield replace(step, g=np.broadcast_to(value, shape)).value, {"wrong": name, "right": step.name}


def _matrix_product(step: Step) -> Slipped:
    if step.is_activation and step.value.ndim == 2:
        slope = replace(step, g=np.ones_like(step.g)).value
        for a, b, text in (step.g, slope, "{g} {d}"), (slope, step.g, "{d} {g}"):
            if a.shape[1] == b.shape[0]:
                product = text.format(g=step.name, d=step.derivative)
                yield a @ b, {"wrong": product, "right": f"{step.name} ∗ {step.derivative}"}


def _factor_forgotten(step: Step) -> Slipped:
    if step.op.is_product or step.op.divisor == 1:
        yield step.summed(step.g), {"right": step.operands[1 - step.position]}


def _path_forgotten(step: Step) -> Slipped:
    if not step.alone:
        yield np.zeros_like(step.value), {"right": step.result}


@dataclass(frozen=True)
class Slip:
    """A slip: its name, its sentence about the gradient, and the function that makes a right value wrong."""

    cause: str
    says: str
    values: Callable[[Any], Slipped]


TAKEN_FOR = "has {wrong} where {right} belongs"

OF_GRADIENTS = (
    Slip("zero", "is 0 everywhere", _zero),
    Slip("sign", "has the wrong sign", _negated),
    Slip("factor 2", "is {wrong} what it should be", _doubled),
    Slip("missing 1/m", "lacks the factor 1/{m}, so it is {times} times too large", _undivided),
    Slip("doubled 1/m", "has the factor 1/{m}{where}", _divided_twice),
    Slip("transposed", "is transposed", _turned),
    Slip("missing keepdims", "has lost an axis of length 1, as in a sum without keepdims=True", _without_axes),
    Slip("needless keepdims", "has an axis of length 1 too many, as with keepdims=True", _with_axis),
    Slip("wrong 1/m", TAKEN_FOR, _divided_by_another),
)
"""The slips in a gradient, however it was computed."""

NO_SLIP = "kink"
"""The name of a difference that is a matter of convention, not a slip."""

OF_STEPS = (
    Slip(NO_SLIP, "agrees, except where {x} is 0 and {derivative} is a matter of convention", _at_the_kink),
    Slip("missing sum", "is not summed over {right}, along which {x} is repeated", _unsummed),
    Slip("wrong axis", "is summed over {wrong}, but {x} is repeated along {right}", _summed_otherwise),
    Slip("missing g′", "lacks the factor {right}", _without_derivative),
    Slip("doubled g′", "has the factor {right} twice", _derivative_twice),
    Slip("g′ at A", TAKEN_FOR, _derivative_at_result),
    Slip("Z for A in g′", "has {wrong} where {right} belongs in {derivative}", _argument_for_result),
    Slip("g for g′", TAKEN_FOR, _function_for_derivative),
    Slip("misremembered g′", TAKEN_FOR, _derivative_misremembered),
    Slip("wrong activation", TAKEN_FOR, _other_activation),
    Slip("transposed factor", TAKEN_FOR, _factor_transposed),
    Slip("swapped factors", TAKEN_FOR, _factors_swapped),
    Slip(
        "elementwise product",
        "has the elementwise product {wrong} where the matrix product {right} belongs",
        _elementwise,
    ),
    Slip(
        "matrix product",
        "has the matrix product {wrong} where the elementwise product {right} belongs",
        _matrix_product,
    ),
    Slip("missing factor", "lacks the factor {right}", _factor_forgotten),
    Slip("missing path", "lacks the contribution that comes back through {right}", _path_forgotten),
    Slip("wrong factor", TAKEN_FOR, _other_operand),
    Slip("wrong gradient", TAKEN_FOR, _other_gradient),
)
"""The slips in a step on the way to a gradient."""

FACTORS = {"missing 1/m", "doubled 1/m", "factor 2", "wrong 1/m"}
"""Slips that are not combined with each other, since two of them could explain any factor."""

LAST = (Slip("something else", "is {wrong}", _something_else),)
"""The slip of a gradient that no other slip explains."""
