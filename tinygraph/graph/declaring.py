"""Declaring an op: its record is checked and completed, and the function that applies it is made."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import FrameType, FunctionType
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar, cast

import numpy as np

from ..errors import ArgumentError
from .applying import Public, apply_binary, apply_general, apply_unary, constant
from .records import APPLY, COMPOSITES, KINDS, NUMBERS, OPS, PACKAGE, TIGHTEST, Arithmetic, Composite, Op, Rule
from .sites import Site
from .tensor import Tensor, array_of

P = ParamSpec("P")
Function = TypeVar("Function", bound=Callable[..., Any])


def op(
    kind: str,
    *vjps: Rule | None,
    slope: Rule | tuple[Rule | None, ...] | None = None,
    notation: str = "",
    binding: int = TIGHTEST,
    source: str | Callable[[Tensor], str] = "",
    run: Rule | None = None,
    variadic: bool = False,
    operators: Sequence[str] = (),
    aside: Mapping[int, int] | None = None,
    linear: tuple[tuple[int, ...], ...] | Literal["each", "together"] = (),
    batch: Rule | None = None,
    flops: float | Rule | None = None,
    jumps: bool | None = None,
    arithmetic: Arithmetic | None = None,
    floating: bool = False,
    check: Callable[[Tensor, Site, FrameType], None] | None = None,
    samples: Any = None,
    **facts: Any,
) -> Callable[[Callable[Concatenate[Any, P], Any]], Callable[P, Tensor]]:
    """Declare an op: the decorated function is its forward rule, the arguments are the rest of its record.

    The first parameters of the function, one for each of `vjps`, are the inputs; the others are static parameters. An
    elementwise op may give its `slope` in place of rules: the derivative in terms of the result and the inputs, as in
    ``slope=lambda y, x: 1 - y**2``. The gradient rule is then g times the slope. A slope that needs other functions
    takes ``xp`` as its first parameter: ``slope=lambda xp, y, x: xp.cos(x)``. An op of several inputs has a tuple of
    slopes, one for each input, with None for an input without a gradient.

    `operators` are the special methods of `Tensor` that apply the op, the reflected one second; an op with both also
    gets the in-place operator, such as ``-=``. `run` is the forward for numbers; by default it is NumPy's function of
    the same name, or else the forward rule on numbers. You can declare ops of your own in your code. Then `run` may use
    any library, such as SciPy, and NumPy's functions of the same name are not used:

        @tg.op("elementwise", slope=lambda y, x: 1 - 2 * x * y, run=scipy.special.dawsn, notation="D({0})")
        def dawsn(xp, x):
            return xp.dawsn(x)

    Gradient rules, ``vjp(xp, g, y, *inputs, **params)``, are written once with the functions of ``xp``, which are
    tinygraph's. They compute numbers or record nodes, so derivatives of all orders follow. Your op is drawn, derived
    and compiled like all others, and `tinygraph.testing.check_op` checks it by the same laws. `kind` is one of
    elementwise, reduction, shape, indexing, contraction, convolution, normalisation, loss, control and other; only
    elementwise ops broadcast. With `floating` integers are converted to float64 first. Compiled programs contain
    the expression of `source`, such as ``source="np.maximum({0}, 0)"``, and do not call `run`. Any other field of
    `tinygraph.graph.records.Op` may be given by its name.

    Raises `ArgumentError` for a kind that does not exist, for a name that another op has, where there are more rules
    or slopes than inputs, where a slope does not take the result, the inputs and the parameters, where slopes stand
    beside rules or belong to an op that is not elementwise, and for a notation that needs a binding and has none.
    """
    _need_kind(kind)
    if slope is not None and (vjps or kind != "elementwise"):
        other = "gradient rules beside it" if vjps else f"the kind {kind!r}"
        raise ArgumentError(f"a slope gives the whole gradient rule of an elementwise op; this one has {other}")
    slopes = slope if isinstance(slope, tuple) else (slope,)
    count = len(vjps) if slope is None else len(slopes)

    def declare(forward: Callable[Concatenate[Any, P], Any]) -> Callable[P, Tensor]:
        if not isinstance(forward, FunctionType):
            raise TypeError(f"op decorates a function, whose name it has, not {type(forward).__name__}")
        name = forward.__name__.rstrip("_")
        code = forward.__code__
        names = code.co_varnames[code.co_argcount if variadic else 1 : code.co_argcount + code.co_kwonlyargcount]
        if name in OPS and OPS[name].forward.__module__ != forward.__module__:
            raise ArgumentError(f"there is an op {name} already: give yours another name")
        if not variadic and count > len(names):
            given = "gradient rules" if slope is None else "slopes"
            raise ArgumentError(f"{name} has {count} {given} for the inputs ({', '.join(names)}) after xp")
        ours = forward.__module__.partition(".")[0] == PACKAGE
        number = run or (getattr(np, name, None) if ours else None) or partial(forward, NUMBERS)
        rules = vjps if slope is None else tuple(one and _rule_of(one, name, names, count) for one in slopes)
        written = notation or f"{name}({', '.join(f'{{{i}}}' for i in range(count))})"
        if binding == TIGHTEST and not _is_closed(written):
            raise ArgumentError(
                f"{name} is written {written!r}, which other operands and powers would be read into: give its binding,"
                " such as that of a product, binding=tinygraph.graph.records.PRODUCT"
            )
        record = Op(
            name=name,
            kind=kind,
            forward=forward,
            run=number if ours else _giving_arrays(number),
            vjps=rules if ours or slope is not None else tuple(rule and _giving_tensors(rule) for rule in rules),
            variadic=variadic,
            params=names if variadic else names[count:],
            notation=written,
            binding=binding,
            source=source,
            aside=aside or {},
            linear="together" if kind == "shape" else linear,
            batch=batch,
            flops=flops,
            jumps=kind != "shape" and not any(rules) if jumps is None else jumps,
            arithmetic=arithmetic,
            floating=floating,
            check=check,
            samples=samples,
            **facts,
        )
        if record.params or variadic or count > 2:
            apply = apply_general(record)
        else:
            apply = (apply_unary if count == 1 else apply_binary)(record)
        apply.__name__ = apply.__qualname__ = forward.__name__
        apply.__doc__, apply.__module__ = forward.__doc__, forward.__module__
        apply.__wrapped__ = Public(forward, count)  # type: ignore[attr-defined]
        OPS[name], APPLY[name] = record, apply
        # a namespace takes the operands of a variadic function as one sequence, as NumPy does
        setattr(NUMBERS, name, getattr(np, name, record.run) if variadic and ours else record.run)
        if operators:
            operator = apply_binary(record, operator=True) if count == 2 else apply
            for special, function in zip(operators, (operator, lambda x, y: operator(y, x, depth=2)), strict=False):
                setattr(Tensor, special, function)
            if len(operators) == 2:  # the in-place operator too
                setattr(Tensor, f"__i{operators[0][2:]}", apply_binary(record, operator=True, in_place=True))
        return cast(Callable[P, "Tensor"], apply)

    return declare


def _need_kind(kind: str) -> None:
    """Raise `ArgumentError` where there is no such kind of op."""
    if kind in KINDS:
        return
    from difflib import get_close_matches  # here, since importing it is slow

    near = get_close_matches(str(kind), KINDS, 1)
    meant = f"; did you mean {near[0]!r}?" if near else ""
    raise ArgumentError(f"the kind of an op is one of {', '.join(KINDS)}, not {kind!r}{meant}")


_BRACKETED = re.compile(r"\([^()]*\)|\[[^][]*\]|\|[^|]*\||‖[^‖]*‖|⟨[^⟨⟩]*⟩|⌊[^⌊⌋]*⌋|⌈[^⌈⌉]*⌉")
_SCRIPTS = r"(\^−?\w+|_\w+|[_^]\{\w+\}|′)*"
_CLOSED = re.compile(rf"\{{[0*]\}}|(([A-Za-z]\w*([ -][a-z]\w*)*|[^\W\d]|\{{[a-z]\w*\}}){_SCRIPTS})?▢{_SCRIPTS}")


def _is_closed(notation: str) -> bool:
    """Return whether a notation is a single operand, or is in brackets except for a name before them."""
    text, before = notation, ""
    while text != before:
        text, before = _BRACKETED.sub("▢", text), text
    return _CLOSED.fullmatch(text) is not None


def _rule_of(slope: Rule, name: str, names: Sequence[str], count: int) -> Rule:
    """Return the gradient rule ``g * slope``, with no more arguments than it needs, since it is called often.

    `names` are the names of all inputs and parameters of the op, and `count` is the number of inputs.
    """
    taken = list(inspect.signature(slope).parameters)
    namespace = taken[:1] == ["xp"]
    if len(taken) - namespace != 1 + len(names):
        raise ArgumentError(
            f"the slope of {name} takes the result and ({', '.join(names)}), after xp if it needs it;"
            f" this one takes ({', '.join(taken)})"
        )
    if len(names) == 1:
        return (lambda xp, g, y, x: g * slope(xp, y, x)) if namespace else lambda xp, g, y, x: g * slope(y, x)
    if len(names) == count == 2:
        if namespace:
            return lambda xp, g, z, x, y: g * slope(xp, z, x, y)
        return lambda xp, g, z, x, y: g * slope(z, x, y)
    if namespace:
        return lambda xp, g, *args, **params: g * slope(xp, *args, **params)
    return lambda xp, g, *args, **params: g * slope(*args, **params)


def _giving_arrays(run: Rule) -> Rule:
    """Return the user's forward with its results converted to arrays or NumPy's numbers."""

    def checked(*args: Any, **params: Any) -> Any:
        y = run(*args, **params)
        return y if type(y) is np.ndarray or isinstance(y, np.generic) else array_of(y, copy=None)[()]

    return checked


def _giving_tensors(rule: Rule) -> Rule:
    """Return the user's gradient rule with plain numbers converted to results that have a shape."""

    def checked(xp: Any, *args: Any, **params: Any) -> Any:
        found = rule(xp, *args, **params)
        if isinstance(found, (int, float)):
            found = np.float64(found) if xp is NUMBERS else constant(float(found))
        return found

    return checked


def composite(
    kind: str,
    *,
    samples: Any,
    reference: Rule | None = None,
    sequence: bool = False,
    called: Callable[[Rule], Rule] | None = None,
) -> Callable[[Function], Function]:
    """Declare a public function that is composed of ops, so that the laws test it too.

    `reference` is NumPy's function of the same meaning; by default the one of the same name. With `sequence` the
    function takes its arrays as one list. Where the arrays are not its first arguments, `called` turns it into a
    function whose first arguments they are.

    Raises `ArgumentError` for a kind that does not exist.
    """
    _need_kind(kind)
    if sequence:
        called = _of_list

    def declare(function: Function) -> Function:
        name = function.__name__
        theirs = reference or getattr(np, name, None) or getattr(np.linalg, name, None)

        def spread(of: Any) -> Any:
            return called(of) if called is not None and of is not None else of

        COMPOSITES[name] = Composite(name, kind, spread(function), spread(theirs), samples)
        return function

    return declare


def _of_list(function: Rule) -> Rule:
    return lambda *xs, **params: function(list(xs), **params)
