"""Applying an op: computing its result, recording a node, and explaining operands that do not fit.

There are three forms, for one, two or more inputs, so that the commonest ops need no loops and no empty parameters.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from sys import _getframe
from types import FrameType
from typing import Any, cast

import numpy as np

from .. import errors
from ..errors import ArgumentError, DTypeError, Misfit, Operand, ShapeError, UnsupportedError
from .node import LITERALS, NO_PARAMS, describe, origin
from .recording import STATE, Ruled
from .records import APPLY, NUMBERS, Op
from .sites import Site, locate
from .tensor import Tensor, make_node
from .threads import cached_property


class Public:
    """The forward rule of an op without its namespace, for `help` and `inspect.signature`, which read its signature."""

    def __init__(self, forward: Callable[..., Any], count: int) -> None:
        self._forward, self._count = forward, count

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return the result of the forward rule with NumPy."""
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


def apply_unary(record: Op) -> Callable[..., Tensor]:
    """Return the function that applies an op of one input and no parameters."""
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


def apply_binary(record: Op, operator: bool = False, in_place: bool = False) -> Callable[..., Tensor]:
    """Return the function that applies an op of two inputs and no parameters.

    With `operator` it returns NotImplemented for an operand that is not an array, as Python's operators do. With
    `in_place` it writes the result into x if x is a parameter and nothing is recorded, for ``p -= step`` within
    no_grad.
    """
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
    """Return the value of ``x -= …`` within no_grad: the leaf x with new data, or for a computed x the result
    itself."""
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


def apply_general(record: Op) -> Callable[..., Tensor]:
    """Return the function that applies an op of any number of inputs and parameters."""
    run, differentiable, names = record.run, record.differentiable, record.params
    defaults = dict(zip(reversed(names), reversed(record.forward.__defaults__ or ()), strict=False))
    defaults.update(record.forward.__kwdefaults__ or {})
    count, variadic, allowed = len(record.vjps), record.variadic, set(names)
    public = Public(record.forward, count)
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
    """Return an operand and its value as float64, where integers would wrap around or overflow as narrow floats."""
    if type(x) is not Tensor or x.dtype.kind == "f":
        return x, a
    x = APPLY["astype"](x, np.dtype(float))
    return x, x._value


def _joint(record: Op) -> slice | tuple[int, ...]:
    """Return the positions of operands that share a dtype: integers are converted to that of a floating one among them.

    In NumPy, float32 and int64 make float64. Here, as in PyTorch and JAX, counts and labels do not widen the result.
    """
    if record.kind in ("indexing", "loss"):
        return ()
    if record.variadic:
        return slice(None)
    places = tuple(i for i, rule in enumerate(record.vjps) if rule is not None)
    return places if len(places) > 1 else ()


def _is_operand(value: Any) -> bool:
    """Return whether an operator accepts a value. If not, Python asks the value's own operator, as it does for
    NumPy."""
    if isinstance(value, np.ndarray):
        return True  # an unusable array then gets an error that says why
    if getattr(value, "__array_ufunc__", True) is None:
        return False
    try:
        return np.asarray(value).dtype.kind in "biufc"
    except ValueError:
        return True


def _operands(
    given: tuple[Any, ...], joint: slice | tuple[int, ...] = ()
) -> tuple[tuple[Any, ...], tuple[Any, ...], bool]:
    """Return the inputs of a node, their values, and whether any of them requires a gradient.

    Arrays become constants. Python numbers stay Python numbers, so that they do not widen the dtype of the others; if
    all operands are numbers, the first becomes a constant. Integers do not widen the floating operands among the
    `joint`.
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
            raise ArgumentError("there are no arrays to join: give at least one")
        return _operands((constant(inputs[0]), *inputs[1:]), joint)
    if mixed and joint and (narrowed := _narrowed(given, inputs, joint)):
        return _operands(narrowed)
    return tuple(inputs), tuple(args), requires_grad


def _narrowed(given: tuple[Any, ...], inputs: Sequence[Any], joint: slice | tuple[int, ...]) -> tuple[Any, ...] | None:
    """Return the inputs with integers converted to the dtype of the floating ones that they would widen, or None.

    None means that nothing has to change. Integers in plain arrays are converted without a node.
    """
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
    """Return a leaf for a plain array or number among the operands. The text of the operand will name it."""
    tensor = Tensor(data)  # in a variable, since an assignment of a result returned at once would name it
    return tensor


_LONGEST_OPERAND = 30  # a longer expression does not help as a name


def _explained(error: Exception, record: Op, inputs: Sequence[Any], frame: FrameType) -> Exception:
    """Return the error of a forward rule as the user should see it."""
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
    """Return the error for operands at `site` that do not fit; `explain` returns the reason and hints for a mend."""
    operands = [described_operand(x, site, i) for i, x in enumerate(inputs)]
    reason, hints = explain(operands)
    where = f"{site.where}: {site.source}" if site.source else site.where
    text = expression_text(name, inputs, site)
    error = ShapeError(errors.shape_message(text, operands, reason, hints, where))
    error.misfit = Misfit(text, tuple(inputs), site, STATE.get().scope)
    return error


def expression_text(name: str, inputs: Sequence[Any], site: Site) -> str:
    """Return the user's text at `site`, or the op and its inputs where there is no source."""
    return site.text or f"{name}({', '.join(map(describe, inputs))})"


def described_operand(x: Any, site: Site, position: int) -> Operand:
    """Return the description of one operand at `site` for an error: its text, shape and origin."""
    text = "" if site.anonymous else site.operand(position)[0]  # the operands inside a composite are not the user's
    text = text if len(text) <= _LONGEST_OPERAND else ""
    if not isinstance(x, Tensor):
        return Operand(text or repr(x), ())
    return Operand(x._name or text or x.name or f"operand {position + 1}", x.shape, origin(x))
