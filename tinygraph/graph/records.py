"""The record of an op, and the table of ops, which the families in `ops/` fill and every reading of a graph reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import FrameType, SimpleNamespace
from typing import Any, Literal, TypeAlias

Rule: TypeAlias = Callable[..., Any]

PACKAGE = __name__.partition(".")[0]
"""The name of this package. Ops declared elsewhere are the user's own."""

Arithmetic: TypeAlias = Literal[
    "sum",
    "difference",
    "exact difference",  # which is 0 for equal operands, even infinite ones
    "negation",
    "product",
    "quotient",
    "square",
    "power",
    "square root",
    "matrix product",
    "transpose",
    "total",
    "mean",
    "choice",
    "equality",
    "repetition",
    "reshaping",
    "conversion",  # to a floating dtype
    "truncation",  # to whole numbers
    "first operand",
    "constant",
    "complement",
    "softmax",
]
"""The operations of arithmetic that an op may declare itself to be."""

# How tightly a notation binds its operands; this decides on parentheses.
OR, AND = 5, 8
COMPARISON, SUM, BIG_SUM, PRODUCT, MATRIX_PRODUCT, SIGN, POWER, INDEX, TIGHTEST = 10, 20, 25, 30, 32, 35, 40, 50, 100

KINDS = {
    "elementwise": "Each number of the result comes from the numbers at its own place. Only these ops broadcast.",
    "reduction": "Numbers along axes are summed or otherwise combined; running sums belong here too.",
    "shape": "The result holds the same numbers in another arrangement.",
    "indexing": "Numbers are taken from, or put in, the places that other inputs or the parameters name.",
    "contraction": "The result is a matrix product, another function of linear algebra, or a Fourier transform.",
    "convolution": "A window moves over the input.",
    "normalisation": "Numbers along axes are scaled relative to each other.",
    "loss": "Predictions are compared with labels.",
    "control": "The op applies a function of the user's.",
    "other": "None of the others fits, as may be for an op of the user's own.",
}
"""The kinds of ops and of functions that are composed of them."""


@dataclass(frozen=True, slots=True, eq=False)
class Op:
    """The record of an op: everything that the readings of a graph need to know about it, in one place.

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
    """For each input a gradient rule ``vjp(xp, g, y, *inputs, **params)``, which returns the cotangent of that input
    given the cotangent g of the output y, or None where the output does not depend smoothly on the input. A variadic op
    has one rule for all its inputs: it returns for each a cotangent, a function that computes it, or None."""
    variadic: bool = False
    params: tuple[str, ...] = ()
    notation: str = ""
    """How mathematics writes it: ``{0}``, ``{1}`` are the inputs, ``{axis}`` is a parameter, ``^{1}`` a superscript."""
    binding: int = TIGHTEST
    """How tightly the notation binds. An operand that binds less tightly is put in parentheses."""
    source: str | Callable[[Any], str] = ""
    """How NumPy source writes it, as a text with ``{0}`` for an input, ``{*}`` for all and ``{axis}`` for a parameter,
    or as a function of the node that returns such a text. By default it is a call of NumPy's function of the same name,
    or of `run` if that is one of `tinygraph.kernels`."""
    aside: Mapping[int, int] = field(default_factory=dict)
    """An entry {i: j} says that input j, further down the same path, carries the gradient through input i. The gradient
    is reported at i and propagated from j only. Pictures and equations show i."""
    linear: tuple[tuple[int, ...], ...] | Literal["each", "together"] = ()
    """The groups of inputs in which it is linear: multiplying all inputs of one group by a number multiplies the output
    by it. "each" means that every input is such a group, "together" that all inputs are one group."""
    batch: Rule | None = None
    """How a new first axis passes through: ``batch(xp, moving, shape, *inputs, **params)`` returns the result, of this
    shape, where the inputs that are `moving` have the new axis, or None where that is not possible. Without a rule the
    op is applied to one example after the other. Elementwise ops need no rule."""
    flops: float | Rule | None = None
    """The number of floating-point operations for each element of the first input, or a function of the shapes of the
    result and the inputs, ``flops(shape, *shapes, **params)``. By default an elementwise op takes one for each element
    of the result and a reduction one for each element of its input, while shapes and indices take none; see
    `tinygraph.diagnosis.flops` for the convention."""
    jumps: bool = False
    """Whether its result may jump when an input changes slightly, as for comparisons and ⌊x⌋, so that rounding
    decides."""
    associative: bool = False
    """Whether (a b) c is a (b c), so that three operands need no parentheses."""
    factors: tuple[int, ...] = ()
    """The inputs that its derivatives are multiplied by, as x in 2 x: where one of them is 0, so is a gradient. An op
    that is linear in each input need not say this, since all its inputs are factors."""
    divisor: int | None = None
    """The input that it divides by."""
    exponent: int | None = None
    """The input that is the exponent of the one before it. With a plain number as exponent the op is one function, x³
    say."""
    chooses: bool = False
    """Whether each number of the result is one of the numbers of the inputs; the others get no gradient."""
    condition: int | None = None
    """The input of truth values that chooses between the next two inputs, element by element."""
    averages: bool = False
    """Whether it divides a sum by the number of its elements."""
    channels: int | None = None
    """The axis of the result that holds channels, where all other axes hold examples and positions."""
    steepness: Rule | None = None
    """The steepness of a function that is flat on a whole half-line: ``steepness(y, *inputs, **params)`` returns for
    each element a number from 0 to 1, or a truth value if the function is either flat or has one slope. An element with
    a small number is called saturated, one with False is called dead. The rule returns None if the function is not flat
    for these inputs."""
    pole: str = ""
    """The name of a value that is infinite although the inputs are not large: ``"log of 0"``, ``"division by 0"``."""
    advice: str = ""
    """Advice to the user where its value is NaN or infinite although the inputs are finite."""
    gradient_advice: str = ""
    """Advice to the user where its gradient is NaN or infinite; by default `advice`."""
    misremembered: Mapping[str, Rule] = field(default_factory=dict)
    """Derivatives that are easily mistaken for its own: a text in terms of the result, and the function of the
    result."""
    written_out: Rule | None = None
    """The formula of a loss in terms of other ops, ``written_out(xp, *inputs)``, before its reduction."""
    function: str = ""
    """The name of the public function whose first arguments are its inputs; by default its own name."""
    arithmetic: Arithmetic | None = None
    """The operation of arithmetic that it is, if any. It lets expressions be rearranged and numbers be moved through
    them."""
    floating: bool = False
    """Whether integers are converted to float64 first, since the steps of the op would wrap around in integers."""
    check: Callable[[Any, Any, FrameType], None] | None = None
    """A function that is called with each new node, its site and the frame, to warn."""
    samples: Any = None
    """The inputs to test it on; see `tinygraph.testing.laws`."""

    differentiable: bool = field(init=False)
    """Whether any input has a gradient rule."""
    propagating: tuple[Rule | None, ...] = field(init=False)
    """The rules, with None for those whose result stays aside."""

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
        """Return whether a gradient is propagated through the input at a position, and does not stay aside there."""
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
    """The record of a public function that is composed of ops, as far as the laws need it."""

    name: str
    kind: str
    apply: Callable[..., Any]
    """The function. If it takes a sequence of arrays, this one takes them one by one."""
    reference: Rule | None
    """NumPy's function of the same meaning, called like `apply`, or None where NumPy has none."""
    samples: Any


OPS: dict[str, Op] = {}
"""The op table, filled by `tinygraph.ops`."""

COMPOSITES: dict[str, Composite] = {}
"""The functions that are composed of ops."""

APPLY: dict[str, Rule] = {}
"""For each op the function that applies it to operands and records a node."""

FUNCTIONS: dict[str, Rule] = {}
"""The public functions of `tinygraph.ops` by name, for the methods of `Tensor` and the NumPy protocols."""


OFFERED: Any = SimpleNamespace()
"""Functions that tensors offer and rooms above define: ``backward``, NumPy's protocols ``ufunc`` and ``function``, and
``nodes``, the namespace in which rules record nodes."""

NUMBERS: Any = SimpleNamespace()
"""The namespace for numbers: NumPy, completed with our ops, and with faster functions where NumPy's are slow."""
