"""The record of an op, and the table of ops. The families in `ops/` fill it; every reading of a graph reads it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import FrameType, SimpleNamespace
from typing import Any, Literal, TypeAlias

Rule: TypeAlias = Callable[..., Any]

PACKAGE = __name__.partition(".")[0]
"""The name of this package: what comes from elsewhere is the user's own."""

Arithmetic: TypeAlias = Literal[
    "sum",
    "difference",
    "exact difference",  # which is 0 for equal operands, also for infinite ones
    "negation",
    "product",
    "quotient",
    "square",
    "power",
    "matrix product",
    "transpose",
    "total",
    "mean",
    "choice",
    "repetition",
    "reshaping",
    "conversion",  # to a floating dtype
    "truncation",  # to whole numbers
    "first operand",
    "constant",
    "complement",
    "softmax",
]
"""The operations of arithmetic that an op can be declared to be."""

# How tightly a notation binds its operands, for parentheses.
OR, AND = 5, 8
COMPARISON, SUM, BIG_SUM, PRODUCT, MATRIX_PRODUCT, SIGN, POWER, INDEX, TIGHTEST = 10, 20, 25, 30, 32, 35, 40, 50, 100

KINDS = {
    "elementwise": "Each number of the result is made of the numbers in its place. Only these ops broadcast.",
    "reduction": "Numbers along axes are summed up, or otherwise taken together; running sums belong here too.",
    "shape": "The same numbers stand in another arrangement.",
    "indexing": "Numbers are taken from, or put in, places that other inputs or the parameters name.",
    "contraction": "The result is a product of matrices, or something else of linear algebra or of Fourier's.",
    "convolution": "A window moves over the input.",
    "normalisation": "Numbers along axes are put in relation to each other.",
    "loss": "Predictions are compared with labels.",
    "control": "The op is made with a function of the user's.",
    "other": "None of the above, such as an op of the user's own.",
}
"""The kinds of ops and of functions that are composed of them."""


@dataclass(frozen=True, slots=True, eq=False)
class Op:
    """The record of an op: all that the readings of a graph need to know about it, in one place.

    Rules are written against an array namespace ``xp`` in the Array API's spelling. With numbers for ``xp`` they
    compute numbers; with `tinygraph.ops` they record nodes, which can be differentiated again.
    """

    name: str
    """The name in the Array API standard, or in PyTorch where the standard has none."""
    kind: str
    """One of `KINDS`."""
    forward: Rule
    """``forward(xp, *inputs, **params)``"""
    run: Rule
    """The forward for numbers, ``run(*inputs, **params)``; the fastest one NumPy has."""
    vjps: tuple[Rule | None, ...]
    """For each input ``vjp(xp, g, y, *inputs, **params)``: the cotangent of that input, given the cotangent g of the
    output y. None where the output does not depend smoothly on the input. A variadic op has one rule that gives the
    cotangents of all its inputs, or rules that compute them, or None for those that have none."""
    variadic: bool = False
    params: tuple[str, ...] = ()
    notation: str = ""
    """How it is written: ``{0}``, ``{1}`` are the inputs, ``{axis}`` a parameter, ``^{1}`` a superscript."""
    binding: int = TIGHTEST
    """How tightly the notation binds: an operand that binds less is put in parentheses."""
    source: str | Callable[[Any], str] = ""
    """How it is written with NumPy, with ``{0}`` for an input, ``{*}`` for all and ``{axis}`` for a parameter, or a
    function of the node that says so; by default a call of NumPy's function of that name, or of `run` if that is one
    of `tinygraph.kernels`."""
    aside: Mapping[int, int] = field(default_factory=dict)
    """Where {i: j}: the gradient through input i is carried by input j, further down the same path. It is reported at
    i and propagated from j only; pictures and equations show i."""
    linear: tuple[tuple[int, ...], ...] | Literal["each", "together"] = ()
    """The inputs in which it is linear: groups of those that have to be multiplied by a number for the output to be.
    "each" says that every input is such a group, "together" that all are one."""
    batch: Rule | None = None
    """How a new first axis passes through: ``batch(xp, moving, shape, *inputs, **params)`` gives the result, of this
    shape, of inputs of which those that are `moving` have the new axis, or None where it cannot. Without a rule an op
    is applied to one after the other; elementwise ops need none."""
    flops: float | Rule | None = None
    """How many floating-point operations it takes: so many for each element of the first input, or
    ``flops(shape, *shapes, **params)``, a function of the shapes of the result and the inputs. Without it, an
    elementwise op takes one for each element of the result, a reduction one for each of its input, shapes and indices
    take none; see `tinygraph.diagnosis.flops` for the convention."""
    jumps: bool = False
    """Whether it may change by far more than its inputs do, as a comparison and ⌊x⌋: then rounding decides."""
    associative: bool = False
    """Whether (a b) c is a (b c), so that three operands need no parentheses."""
    factors: tuple[int, ...] = ()
    """The inputs that its derivatives are multiplied by, as x in 2 x: where one of them is 0, so is a gradient. Where
    it is linear in each input, all of them are factors, and this need not say so."""
    divisor: int | None = None
    """The input that it divides by."""
    exponent: int | None = None
    """The input that is the exponent of the one before it: as a plain number it makes a function of its own."""
    chooses: bool = False
    """Whether each number of the result is one of the numbers of the inputs; the others get no gradient."""
    condition: int | None = None
    """The input of truth values that decides which of the next two inputs is taken, element by element."""
    averages: bool = False
    """Whether it divides a sum by the number of its elements."""
    channels: int | None = None
    """The axis of the result that holds channels, where all others hold examples and places."""
    steepness: Rule | None = None
    """How steep a function is that is flat on a whole half-line: ``steepness(y, *inputs, **params)`` gives for each
    element a number from 0 to 1, or a truth value where it is flat or has one slope. Where the numbers are small the
    element is called saturated, where the truth value is False it is called dead. None where that is not so for these
    inputs."""
    pole: str = ""
    """What a value is called that is infinite though the inputs are not large: ``"log of 0"``, ``"division by 0"``."""
    advice: str = ""
    """What to try where it makes NaN or an infinity of finite numbers."""
    gradient_advice: str = ""
    """The same where its gradient rule does; by default `advice`."""
    misremembered: Mapping[str, Rule] = field(default_factory=dict)
    """Derivatives that look like its own, by how they are written with the result, each as a function of the result."""
    written_out: Rule | None = None
    """A loss that has a name of its own in terms of other ops, ``written_out(xp, *inputs)``, before its reduction."""
    function: str = ""
    """The public function whose first arguments are its inputs; by default that of its own name."""
    arithmetic: Arithmetic | None = None
    """The operation of arithmetic that it is, by which expressions are rearranged and their numbers moved."""
    floating: bool = False
    """Whether integers are taken as float64 before it is computed, in several steps that would wrap around."""
    check: Callable[[Any, Any, FrameType], None] | None = None
    """Called with each new node; for warnings."""
    samples: Any = None
    """What to test it on; see `tinygraph.testing.laws`."""

    differentiable: bool = field(init=False)
    """Whether any input has a gradient rule."""
    propagating: tuple[Rule | None, ...] = field(init=False)
    """The rules without those whose result stays aside."""

    @property
    def is_product(self) -> bool:
        """Whether it multiplies its inputs element by element."""
        return self.kind == "elementwise" and self.linear == "each"

    @property
    def is_matrix_product(self) -> bool:
        """Whether it multiplies the rows of its first input by the columns of the second."""
        return self.binding == MATRIX_PRODUCT and self.associative

    @property
    def is_negation(self) -> bool:
        """Whether it puts a sign before its input."""
        return self.binding == SIGN and self.linear == "together"

    def has_rule(self, position: int) -> bool:
        """Return whether a gradient goes to the input at a position."""
        return self.variadic or self.vjps[position] is not None

    def propagates_to(self, position: int) -> bool:
        """Return whether a gradient goes on through the input at a position, and does not stay aside there."""
        return self.variadic or self.propagating[position] is not None

    @property
    def apply(self) -> Rule:
        """The function that applies it to operands and records a node."""
        return APPLY[self.name]

    def __post_init__(self) -> None:
        object.__setattr__(self, "function", self.function or self.name)
        object.__setattr__(self, "gradient_advice", self.gradient_advice or self.advice)
        object.__setattr__(self, "differentiable", any(self.vjps))
        object.__setattr__(
            self, "propagating", tuple(None if i in self.aside else rule for i, rule in enumerate(self.vjps))
        )


@dataclass(frozen=True, slots=True, eq=False)
class Composite:
    """The record of a public function that is composed of ops: what the laws need to know of it."""

    name: str
    kind: str
    apply: Callable[..., Any]
    """The function; one of a sequence of arrays takes them one by one here."""
    reference: Rule | None
    """NumPy's function of the same meaning, called as `apply`; None where it has none."""
    samples: Any


OPS: dict[str, Op] = {}
"""The op table, filled by `tinygraph.ops`."""

COMPOSITES: dict[str, Composite] = {}
"""The functions that are composed of ops."""

APPLY: dict[str, Rule] = {}
"""For each op what applies it to operands and records a node."""

FUNCTIONS: dict[str, Rule] = {}
"""The public functions of `tinygraph.ops` by name, for the methods of `Tensor` and the NumPy protocols."""


OFFERED: Any = SimpleNamespace()
"""What the graph offers and rooms above define: ``backward``, NumPy's protocols ``ufunc`` and ``function``, and
``nodes``, the namespace in which rules record nodes."""

NUMBERS: Any = SimpleNamespace()
"""The namespace for numbers, filled with the ops: NumPy completed, and sped up where its own functions are slow."""
