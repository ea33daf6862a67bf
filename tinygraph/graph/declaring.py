"""Declaring an op, and what happens when it is applied: compute, and record a node.

Applying an op has three forms, by the number of inputs: the commonest are spared loops and empty parameters.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from sys import _getframe
from types import FrameType, FunctionType
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar, cast

import numpy as np

from .. import errors
from ..errors import ArgumentError, DTypeError, Misfit, Operand, ShapeError, UnsupportedError
from .node import LITERALS, NO_PARAMS, describe, origin
from .recording import STATE, Ruled
from .records import APPLY, COMPOSITES, KINDS, NUMBERS, OPS, PACKAGE, TIGHTEST, Arithmetic, Composite, Op, Rule
from .sites import Site, locate
from .tensor import Tensor, array_of, make_node
from .threads import cached_property

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

    The first parameters of the function, one for each of `vjps`, are the inputs; the others are static parameters.
    Of an elementwise op it is enough to give the `slope`, its derivative in terms of the result and the inputs, as in
    ``slope=lambda y, x: 1 - y**2``; the gradient rule is g times it. A slope that needs other functions takes them
    from ``xp``, its first parameter then: ``slope=lambda xp, y, x: xp.cos(x)``. An op of several inputs has a tuple of
    slopes, one for each, with None for an input without a gradient.

    `operators` are the special methods of `Tensor` that apply it, the reflected one second; one that has both can
    stand before ``=``, as in ``-=``. `run` is the forward for
    numbers where it is not NumPy's function of the same name or, failing that, the forward rule on numbers. An op may
    be of your own, too; then `run` may do what it likes, with SciPy for one, and NumPy's names mean nothing:

        @tg.op("elementwise", slope=lambda y, x: 1 - 2 * x * y, run=scipy.special.dawsn, notation="D({0})")
        def dawsn(xp, x):
            return xp.dawsn(x)

    Its gradient rules, ``vjp(xp, g, y, *inputs, **params)``, are written once with the functions of ``xp``, which are
    tinygraph's, and computed with numbers or recorded as nodes, so that derivatives of all orders follow. It draws,
    derives and compiles as the others do; `tinygraph.testing.check_op` checks it by their laws. `kind` is one of
    elementwise, reduction, shape, indexing, contraction, convolution, normalisation, loss, control and other; only
    elementwise ops broadcast. With `floating` it takes integers as float64. ``source="np.maximum({0}, 0)"`` has
    programs compute it in place of calling `run`. Any other fact of `tinygraph.graph.records.Op` is given by its name.

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
            apply = _apply_general(record)
        else:
            apply = (_apply_unary if count == 1 else _apply_binary)(record)
        apply.__name__ = apply.__qualname__ = forward.__name__
        apply.__doc__, apply.__module__ = forward.__doc__, forward.__module__
        apply.__wrapped__ = _Public(forward, count)  # type: ignore[attr-defined]
        OPS[name], APPLY[name] = record, apply
        # a namespace takes the operands of a variadic function as one sequence, as NumPy does
        setattr(NUMBERS, name, getattr(np, name, record.run) if variadic and ours else record.run)
        if operators:
            operator = _apply_binary(record, operator=True) if count == 2 else apply
            for special, function in zip(operators, (operator, lambda x, y: operator(y, x, depth=2)), strict=False):
                setattr(Tensor, special, function)
            if len(operators) == 2:  # which can stand before `=`
                setattr(Tensor, f"__i{operators[0][2:]}", _apply_binary(record, operator=True, in_place=True))
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
    """Return whether a notation is an operand alone, or all in brackets but for a name before them."""
    text, before = notation, ""
    while text != before:
        text, before = _BRACKETED.sub("▢", text), text
    return _CLOSED.fullmatch(text) is not None


def _rule_of(slope: Rule, name: str, names: Sequence[str], count: int) -> Rule:
    """Return the gradient rule ``g * slope``, with no more arguments than it needs, since it is called often.

    `names` are those of all inputs and parameters of the op, `count` is how many inputs there are.
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
    """A forward of the user's, whose results are arrays or NumPy's numbers whatever it makes."""

    def checked(*args: Any, **params: Any) -> Any:
        y = run(*args, **params)
        return y if type(y) is np.ndarray or isinstance(y, np.generic) else array_of(y, copy=None)[()]

    return checked


def _giving_tensors(rule: Rule) -> Rule:
    """A gradient rule of the user's, whose results have a shape even where it gives a plain number."""

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
    """Declare a public function that is composed of ops, so that the laws are kept by it too.

    `reference` is NumPy's function where it is not the one of the same name. With `sequence` the function takes its
    arrays as one list; where they are not its first arguments, `called` makes a function of which they are.

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


class _Public:
    """What `help` and `inspect.signature` see of an op: the forward rule without its namespace; made when asked for."""

    def __init__(self, forward: Callable[..., Any], count: int) -> None:
        self._forward, self._count = forward, count

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._forward(NUMBERS, *args, **kwargs)

    def __str__(self) -> str:
        bare = [p.replace(annotation=p.empty) for p in self.__signature__.parameters.values()]
        return f"{self._forward.__name__.rstrip('_')} takes {inspect.Signature(bare)}"

    @cached_property
    def __signature__(self) -> inspect.Signature:
        signature = inspect.signature(self._forward)
        parameters = list(signature.parameters.values())[1:]
        parameters[: self._count] = [
            parameter.replace(kind=parameter.POSITIONAL_ONLY)
            if parameter.kind is parameter.POSITIONAL_OR_KEYWORD
            else parameter
            for parameter in parameters[: self._count]
        ]
        return signature.replace(parameters=parameters, return_annotation="Tensor")


def _apply_unary(record: Op) -> Callable[..., Tensor]:
    run, differentiable, floating = record.run, record.differentiable, record.floating

    def apply(x: Any) -> Tensor:
        if type(x) is not Tensor:
            x = constant(x)
        a = x._array
        if a is None:
            a = x._settle()
        if floating and a.dtype.kind != "f":
            x, a = _floated(x, a)
        try:
            y = run(a)
        except Exception as error:
            raise _explained(error, record, (x,), _getframe(1)) from None
        return make_node(record, (x,), (a,), NO_PARAMS, y, differentiable and x._requires_grad, _getframe(1))

    return apply


def _apply_binary(record: Op, operator: bool = False, in_place: bool = False) -> Callable[..., Tensor]:
    run, differentiable, joint = record.run, record.differentiable, _joint(record)

    def apply(x: Any, y: Any, *, depth: int = 1) -> Tensor:
        requires_grad = False
        if type(x) is Tensor:
            a = x._array
            if a is None:
                a = x._settle()
            requires_grad = x._requires_grad
        elif type(x) in LITERALS and type(y) is Tensor:
            a = x
        elif operator and not _is_operand(x):
            return NotImplemented  # type: ignore[no-any-return]
        else:
            (x, y), (a, b), requires_grad = _operands((x, y), joint)
        if type(y) is Tensor:
            b = y._array  # after x, which may be the same
            if b is None:
                b = y._settle()
            requires_grad = requires_grad or y._requires_grad
        elif type(y) in LITERALS:
            b = y
        elif operator and not _is_operand(y):
            return NotImplemented  # type: ignore[no-any-return]
        else:
            (x, y), (a, b), requires_grad = _operands((x, y), joint)
        if joint and type(x) is Tensor and type(y) is Tensor and a.dtype is not b.dtype:
            (x, y), (a, b), requires_grad = _operands((x, y), joint)
        try:
            z = run(a, b)
        except Exception as error:
            raise _explained(error, record, (x, y), _getframe(depth)) from None
        node = make_node(record, (x, y), (a, b), NO_PARAMS, z, differentiable and requires_grad, _getframe(depth))
        if in_place and x._requires_grad and node.op is None:
            return _written(cast(Tensor, x), node)
        return node

    return apply


def _written(x: Tensor, result: Tensor) -> Tensor:
    """Return what ``x -= …`` gives within no_grad: the leaf x with new data, or of a computed x the result."""
    text = result.site.text or "the result"
    if x.op is not None:
        return result
    state = STATE.get()
    if state.nested or state.within(Ruled):
        raise UnsupportedError(
            f"{describe(x)} cannot be changed in place within a function that is differentiated"
            f" ({result.site.where}); compute a new tensor, as with x = {text}"
        )
    if result.shape != x.shape:
        raise ShapeError(
            f"{describe(x)} has shape {x.shape}, and {text} has {result.shape} ({result.site.where});"
            " what changes a tensor in place keeps its shape"
        )
    if result.dtype != x.dtype:
        raise DTypeError(
            f"{describe(x)} holds {x.dtype}, and {text} is {result.dtype} ({result.site.where}); what changes"
            f" a tensor in place keeps its dtype: give the right side as {x.dtype}"
        )
    x.data[...] = result._value
    return x


def _apply_general(record: Op) -> Callable[..., Tensor]:
    run, differentiable, names = record.run, record.differentiable, record.params
    defaults = dict(zip(reversed(names), reversed(record.forward.__defaults__ or ()), strict=False))
    defaults.update(record.forward.__kwdefaults__ or {})
    count, variadic, allowed = len(record.vjps), record.variadic, set(names)
    public = _Public(record.forward, count)
    joint, floating = _joint(record), record.floating

    def apply(*operands: Any, **given: Any) -> Tensor:
        params = {**defaults, **given} if names else NO_PARAMS
        if len(operands) != count and not variadic:
            further = len(operands) - count
            if not 0 < further <= len(names) or not given.keys().isdisjoint(names[:further]):
                raise TypeError(f"{public}; an argument is missing, given twice, or one too many")
            params.update(zip(names, operands[count:]))  # type: ignore[attr-defined]  # noqa: B905  (the rest have defaults)
            operands = operands[:count]
        for key, value in params.items():
            if type(value) is list or type(value) is np.ndarray:  # which the caller could change afterwards
                params[key] = tuple(value) if np.ndim(value) else value.item()  # type: ignore[index, union-attr]
            elif type(value) is Tensor:  # whose gradient would be lost
                plain, way = ("made of plain numbers", "tolist") if value.ndim else ("a plain number", "item")
                raise UnsupportedError(
                    f"{key} of {record.name} is {plain}, not a tensor, and has no gradient; take .{way}() of it"
                )
        if given and not given.keys() <= allowed:
            raise TypeError(f"{public}, not {errors.unexpected(given.keys() - allowed)}")
        inputs, args, requires_grad = _operands(operands, joint)
        if floating and any(type(x) is Tensor and x.dtype.kind != "f" for x in inputs):
            inputs, args = zip(*map(_floated, inputs, args), strict=True)
        try:
            y = run(*args, **params)
        except Exception as error:
            raise _explained(error, record, inputs, _getframe(1)) from None
        return make_node(record, inputs, args, params, y, differentiable and requires_grad, _getframe(1))

    return apply


def _floated(x: Any, a: Any) -> tuple[Any, Any]:
    """An operand, and what to compute with, where integers would wrap around or overflow as narrow floats."""
    if type(x) is not Tensor or x.dtype.kind == "f":
        return x, a
    x = APPLY["astype"](x, np.dtype(float))
    return x, x._value


def _joint(record: Op) -> slice | tuple[int, ...]:
    """The operands that are computed with together: beside a floating one, integers are taken in its dtype.

    With NumPy float32 and int64 would be float64. As in PyTorch and JAX, counts and labels widen nothing.
    """
    if record.kind in ("indexing", "loss"):
        return ()
    if record.variadic:
        return slice(None)
    places = tuple(i for i, rule in enumerate(record.vjps) if rule is not None)
    return places if len(places) > 1 else ()


def _is_operand(value: Any) -> bool:
    """Whether an operator takes a value; where not, Python asks the value itself, as NumPy lets it."""
    if isinstance(value, np.ndarray):
        return True  # or an error that says why not
    if getattr(value, "__array_ufunc__", True) is None:
        return False
    try:
        return np.asarray(value).dtype.kind in "biufc"
    except ValueError:
        return True


def _operands(
    given: tuple[Any, ...], joint: slice | tuple[int, ...] = ()
) -> tuple[tuple[Any, ...], tuple[Any, ...], bool]:
    """The inputs of a node, what to compute with, and whether any of them requires a gradient.

    Arrays become constants. Python numbers stay what they are, so as not to widen the dtype of the others; but where
    there is nothing else, the first becomes a constant too. Nor do integers widen the floating ones among the `joint`.
    """
    inputs: list[Any] = []
    args: list[Any] = []
    requires_grad = mixed = False
    dtype = None
    for x in given:
        if type(x) is not Tensor:
            if type(x) in LITERALS:
                inputs.append(x)
                args.append(x)
                continue
            x = constant(x)
        a = x._array
        if a is None:
            a = x._settle()
        inputs.append(x)
        args.append(a)
        requires_grad = requires_grad or x._requires_grad
        if dtype is None:
            dtype = a.dtype
        elif a.dtype is not dtype:
            mixed = True
    if dtype is None:
        if not inputs:
            raise ArgumentError("there are no arrays to join: give one at least")
        return _operands((constant(inputs[0]), *inputs[1:]), joint)
    if mixed and joint and (narrowed := _narrowed(given, inputs, joint)):
        return _operands(narrowed)
    return tuple(inputs), tuple(args), requires_grad


def _narrowed(given: tuple[Any, ...], inputs: Sequence[Any], joint: slice | tuple[int, ...]) -> tuple[Any, ...] | None:
    """The inputs with integers in the dtype of the floating ones, where they would widen it: plain arrays as such."""
    places = range(len(inputs))[joint] if isinstance(joint, slice) else joint
    tensors = {i: x for i in places if type(x := inputs[i]) is Tensor}
    floats = [x.dtype for x in tensors.values() if x.dtype.kind == "f"]
    dtype = np.result_type(*floats) if floats else None
    found = list(inputs)
    for i, x in tensors.items():
        if dtype is not None and x.dtype.kind in "iu" and np.result_type(dtype, x.dtype) != dtype:
            found[i] = APPLY["astype"](x, dtype) if x is given[i] else constant(np.asarray(x._value, dtype))
    return tuple(found) if any(x is not y for x, y in zip(found, inputs, strict=True)) else None


def constant(data: Any) -> Tensor:
    """A plain array or number among the operands, as a leaf; the text of the operand will name it."""
    tensor = Tensor(data)  # not returned at once, or an assignment of the result would name it
    return tensor


_LONGEST_OPERAND = 30  # a longer expression does not help as a name


def _explained(error: Exception, record: Op, inputs: Sequence[Any], frame: FrameType) -> Exception:
    """The error of a forward rule, as the user should see it."""
    site = locate(frame)
    fits = record.kind == "elementwise" and errors.broadcastable(
        *(x.shape if isinstance(x, Tensor) else () for x in inputs)
    )
    numeric = isinstance(error, np.linalg.LinAlgError) and "dimension" not in str(error)  # of values, not of shapes
    if not isinstance(error, ValueError) or fits or numeric:
        error.add_note(f"in {expression_text(record.name, inputs, site)}, {site.where}")
        return error
    if record.is_matrix_product:
        return shape_error(record.name, inputs, site, lambda operands: errors.matmul_mismatch(*operands))
    if record.kind == "elementwise":
        return shape_error(record.name, inputs, site, errors.broadcast_mismatch)
    return shape_error(record.name, inputs, site, lambda operands: (str(error), []))


def shape_error(
    name: str, inputs: Sequence[Any], site: Site, explain: Callable[[list[Operand]], tuple[str, list[str]]]
) -> ShapeError:
    """The error of operands at `site` that do not fit; `explain` gives the reason and what might mend it."""
    operands = [described_operand(x, site, i) for i, x in enumerate(inputs)]
    reason, hints = explain(operands)
    where = f"{site.where}: {site.source}" if site.source else site.where
    text = expression_text(name, inputs, site)
    error = ShapeError(errors.shape_message(text, operands, reason, hints, where))
    error.misfit = Misfit(text, tuple(inputs), site, STATE.get().scope)
    return error


def expression_text(name: str, inputs: Sequence[Any], site: Site) -> str:
    """What the user wrote at `site`, or without source the op and its inputs."""
    return site.text or f"{name}({', '.join(map(describe, inputs))})"


def described_operand(x: Any, site: Site, position: int) -> Operand:
    """What an error at `site` says about one of the operands there."""
    text = "" if site.anonymous else site.operand(position)[0]  # in a composite, operands are not the user's
    text = text if len(text) <= _LONGEST_OPERAND else ""
    if not isinstance(x, Tensor):
        return Operand(text or repr(x), ())
    return Operand(x._name or text or x.name or f"operand {position + 1}", x.shape, origin(x))
