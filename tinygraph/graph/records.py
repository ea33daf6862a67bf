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


@dataclass(frozen=True, slots=True, eq=False)
class Op:
    """The record of an op: all that the readings of a graph need to know about it, in one place.

    Rules are written against an array namespace ``xp`` in the Array API's spelling. With numbers for ``xp`` they
    compute numbers; with `tinygraph.ops` they record nodes, which can be differentiated again.
    """

    name: str
    """The name in the Array API standard, or in PyTorch where the standard has none."""
    kind: str
    """elementwise, reduction, shape, indexing, contraction or loss; control where it is made with a function of
    the user's. Only elementwise ops broadcast."""
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
    jumps: bool = False
    """Whether it may change by far more than its inputs do, as a comparison and ⌊x⌋: then rounding decides."""
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

    def __post_init__(self) -> None:
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
"""What a tensor offers and rooms above define: ``backward``, and NumPy's protocols ``ufunc`` and ``function``."""

NUMBERS: Any = SimpleNamespace()
"""The namespace for numbers, filled with the ops: NumPy completed, and sped up where its own functions are slow."""
