"""The graph: tensors, its nodes.

A `Tensor` is a node. A leaf holds data that the user gave; any other node holds the result of its op. Nodes know their
inputs and never their readers, so a graph is freed as soon as its root is dropped. An input is always older than its
readers, so the order of age is a topological order.

A node keeps the arrays that it has read, and nothing changes them: `Slot` sees to it that a leaf's data can be written
to all the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from operator import index
from sys import _getframe, getrefcount
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias, cast, final

import numpy as np
from numpy.typing import NDArray

from .. import errors
from ..errors import DTypeError, GraphError, Operand, ShapeError, UnsupportedError
from .exits import calls_of, loses_gradient, refuse_exit, refuse_in_trace, refuse_within, trace_of, variable_of
from .methods import _ArrayMethods
from .node import NO_PARAMS, Literal, Node, Params, describe, origin
from .recording import NESTED, STATE
from .records import FUNCTIONS, OFFERED, Op
from .sites import ORDINARY, locate
from .slot import ALONE, Slot
from .teardown import Guard
from .threads import exclusive, numbers

Array: TypeAlias = NDArray[Any]
ArrayLike: TypeAlias = "Tensor | NDArray[Any] | np.generic | Literal | Sequence[Any]"

_next_guarded = 0
_counter = numbers()

CHANGES = [0]
"""The number of times that somebody has set a gradient or a backward has left some."""


@final
class Tensor(_ArrayMethods, Node):
    """A node of the graph: a value, and how it was made.

    ``Tensor(data, requires_grad=False, name=None, copy=True)`` wraps an array as a leaf. NumPy must be able to make a
    boolean, integer or real floating array of `data`; the tensor keeps its dtype and shape. With ``copy=False`` the
    tensor shares the array with you, and ops read copies of it for as long as somebody else could write to it.

    Operators, methods and NumPy's functions on a tensor record new tensors. ``==`` compares element by element;
    hashing is by identity.

    Numbers leave the graph through `.data`, `.item()`, `.tolist()`, `.detach()`, text and pickles, and under `no_grad`.
    All other ways out, such as ``float(x)``, ``np.asarray(x)`` and ``Tensor(x)``, are refused where a gradient would be
    lost. In a function that is compiled, no tensor gives its numbers away: they would be those of the first call.

    Raises `DTypeError` (a `TypeError`) for complex, object and text data, and for integers that require a gradient;
    `UnsupportedError` for a tensor that requires one, while operations are recorded.

    >>> import tinygraph as tg
    >>> x = tg.Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    >>> y = (x * x).sum()
    >>> y.backward()
    >>> x.grad
    array([[2., 4.],
           [6., 8.]])
    """

    __slots__ = (
        "__weakref__",
        "_array",  # the value as ops read it, which nobody writes to; None while it is lent
        "_grad",  # the gradient, once the user has looked at it
        "_slot",  # a leaf's storage; None for other nodes
        "_staged",  # the gradient as backward left it, until the user looks at it; it may share memory
        "_used",  # the mark of a backward that has passed: a list, not empty once that backward has used up the node
    )

    inputs: tuple[Tensor | Literal, ...]
    _array: Any
    _grad: Array | None
    _slot: Slot | None
    _staged: Any
    _used: list[None] | None

    def __init__(
        self, data: ArrayLike, requires_grad: bool = False, name: str | None = None, *, copy: bool = True
    ) -> None:
        if name is not None and not isinstance(name, str):
            raise TypeError(f"a tensor's name is a string, not {type(name).__name__}")
        copy = copy or isinstance(data, Tensor)  # nodes may hold its array
        array = array_of(data, copy=True if copy else None, asked="Tensor")
        if array.dtype.kind not in "biuf":
            raise DTypeError(unusable(array.dtype))
        if not array.dtype.isnative:
            array = array.astype(array.dtype.newbyteorder("="))
        make_leaf(self, None, _getframe(1), name, array)
        self.requires_grad = requires_grad

    # -- the value ---------------------------------------------------------------------------------------------

    @property
    def data(self) -> Array:
        """The value, a NumPy array. You may write to that of a leaf (``p.data -= lr * p.grad``); others are read-only.

        An op that reads a leaf sees the numbers of that moment and no later ones: while you hold a reference to the
        array, ops read copies of it.
        """
        if NESTED:
            refuse_in_trace(self, ".data")
        if (slot := self._slot) is not None:
            return _read_only(self._value) if NESTED and any(variable_of(self)) else slot.lend(self)
        array = self._array
        if type(array) is not np.ndarray:
            array = self._array = np.asarray(array)
        array.flags.writeable = False
        return array

    @data.setter
    @exclusive
    def data(self, value: ArrayLike) -> None:
        slot = self._slot
        if slot is not None and value is slot.lent and self._array is None:  # as after p.data -= …
            return
        if NESTED:
            refuse_in_trace(self, "setting .data")
            if any(variable_of(self)):
                raise GraphError(
                    f"{describe(self)} stands for an argument while a function is called; its data is fixed"
                )
        if slot is None:
            raise GraphError(f"{describe(self)} was computed; only the data of a leaf can be set")
        array = array_of(value, self.dtype)
        if array.shape != self.shape:
            raise ShapeError(f"the data of {describe(self)} has shape {self.shape}; it cannot become {array.shape}")
        slot.lent, slot.count, self._array = array, None, None

    @property
    def _value(self) -> Any:
        """The value for ops to read, not to write to: an array, or a NumPy scalar where it has no axes."""
        array = self._array
        return array if array is not None else self._settle()

    def _settle(self) -> Any:
        """Return a leaf's value for ops to read, after its data has been given out."""
        return self._slot.settle(self)  # type: ignore[union-attr]

    @property
    def value(self) -> Any:
        """The value as ops read it: an array, or a NumPy scalar where it has no axes. Do not write to it."""
        if NESTED:
            refuse_in_trace(self, ".value")
        return self._value

    @property
    def args(self) -> tuple[Any, ...]:
        """The arrays and literals that the op read."""
        if NESTED:
            refuse_in_trace(self, ".args")
        return self._args

    @property
    def _seen(self) -> Any:
        """The value, for a look at it that does not take a lent array back."""
        while (array := self._array) is None and (array := self._slot.lent) is None:  # type: ignore[union-attr]
            pass  # without the GIL, another thread has just settled it
        return array

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of the axes."""
        return self._seen.shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the elements."""
        return self._seen.dtype

    @property
    def itemsize(self) -> int:
        """The bytes of an element."""
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """The bytes of all elements."""
        return self.size * self.itemsize

    def item(self) -> Any:
        """Return the only element as a Python number, which leaves the graph."""
        if NESTED:
            refuse_in_trace(self, ".item()")
        return self._seen.item()

    def tolist(self) -> Any:
        """Return the elements as nested lists of Python numbers, which leave the graph."""
        if NESTED:
            refuse_in_trace(self, ".tolist()")
        return self._seen.tolist()

    def detach(self) -> Tensor:
        """Return a leaf with the same value that does not require a gradient."""
        if NESTED:
            refuse_in_trace(self, ".detach()")
        return make_leaf(_new(Tensor), self._value, _getframe(1))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        refuse_exit(self, "np.asarray")
        if copy is False:
            raise ValueError("a tensor gives NumPy a copy of its data; .data is the array itself")
        return np.array(self._seen, dtype=dtype)

    def __float__(self) -> float:
        refuse_exit(self, "float")
        return float(self._seen)

    def __int__(self) -> int:
        refuse_exit(self, "int")
        return int(self._seen)

    def __trunc__(self) -> int:
        refuse_exit(self, "math.trunc")
        return int(self._seen)

    def __round__(self, ndigits: int | None = None) -> Any:
        refuse_exit(self, "round")
        return round(self._seen.item(), ndigits)

    def __index__(self) -> int:
        if NESTED:
            refuse_in_trace(self, "an index")
        if self.dtype.kind not in "iu":
            raise UnsupportedError(f"an index is a whole number, and {describe(self)} holds {self.dtype}")
        return index(self._seen)

    def __format__(self, spec: str) -> str:
        """Return the number as text: ``f"{J:.4f}"``."""
        return format(self.item(), spec) if spec else str(self)

    def __bool__(self) -> bool:
        if NESTED:
            refuse_in_trace(self, "the truth")
        return bool(self._seen)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("a tensor without axes has no length")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        if not self.shape:
            raise TypeError("a tensor without axes cannot be iterated over")
        return (self[i] for i in range(self.shape[0]))

    def __contains__(self, item: object) -> bool:
        if NESTED:
            refuse_in_trace(self, "`in`")
        return item in self._seen

    # -- the gradient ------------------------------------------------------------------------------------------

    @property
    def requires_grad(self) -> bool:
        """Whether `backward` computes a gradient for this tensor. You may set it on leaves with floating data."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, wanted: bool) -> None:
        if self.op is not None:
            raise GraphError(f"{describe(self)} was computed: whether it requires a gradient follows from its inputs")
        if wanted and self.dtype.kind != "f":
            raise DTypeError(
                f"{describe(self)} holds {self.dtype}, and only floating data can require a gradient;"
                " convert it first, as with np.asarray(data, dtype=float)"
            )
        self._requires_grad = bool(wanted)

    @property
    @exclusive
    def grad(self) -> Array | None:
        """The gradient that `backward` left, with the shape and dtype of `data`, or None where none has run.

        The array is yours alone. Set it to None to start the accumulation anew.
        """
        if NESTED:
            refuse_in_trace(self, ".grad")
        while (staged := self._staged) is not None:
            if callable(staged):
                own = np.array(staged())
            elif getrefcount(self._staged) > ALONE + 1 or staged.base is not None or staged.ndim == 0:
                own = np.array(staged)
            else:
                own = staged
            if self._staged is staged:  # else a backward has added to it
                self._grad, self._staged = own, None
        return self._grad

    @grad.setter
    @exclusive
    def grad(self, value: ArrayLike | None) -> None:
        if value is not None:
            value = array_of(value, self.dtype)
            if value.shape != self.shape:
                raise ShapeError(gradient_shape_message(self, value.shape))
        self._grad, self._staged, CHANGES[0] = value, None, CHANGES[0] + 1

    def backward(self, grad: ArrayLike | None = None, *, retain_graph: bool = False, retain_grads: bool = True) -> None:
        """Compute the gradient of this tensor, and leave it in ``.grad`` of every node on the way that requires one.

        `grad` is the cotangent of this tensor and has exactly its shape; the cotangent of a scalar is 1 by default.
        Nodes that do not require a gradient, such as the input X, get none, and nothing is computed for them. With
        ``retain_grads=False`` only leaves get a ``.grad``. Leaves add up the gradients of separate graphs. A graph can
        be used once, unless you say ``retain_graph=True``.

        All gradients appear at once at the end: an exception on the way leaves every ``.grad`` as it was. Threads may
        call it at the same time on graphs that share leaves; if several use the same graph, one of them succeeds.

        Raises `GraphError` if an earlier backward has used a part of the graph, `ShapeError` for a `grad` of the wrong
        shape or a missing one, `UnsupportedError` if nothing requires a gradient.

        >>> import tinygraph as tg
        >>> w, x = tg.parameter([1.0, 2.0]), tg.Tensor([3.0, 4.0])
        >>> J = (w * x).sum()
        >>> J.backward()
        >>> w.grad, x.grad
        (array([3., 4.]), None)
        """
        OFFERED.backward(self, grad, retain_graph=retain_graph, retain_grads=retain_grads)

    def __repr__(self) -> str:
        """Return the value as text, or the shape and dtype in a trace, where the value is not known."""
        known = not NESTED or trace_of(self) is None
        value = np.array2string(
            np.asarray(self._seen), separator=", ", prefix="Tensor(", threshold=50, edgeitems=2, precision=4
        )
        parts = [value if known else f"shape={self.shape}"]
        if not known or self.dtype not in (np.float64, np.int64, np.bool_):
            parts.append(f"dtype={self.dtype}")
        if self._name is not None:
            parts.append(f"name={self._name!r}")
        if self.op is not None:
            parts.append(f"op={self.op.name}")
        elif self._requires_grad:
            parts.append("requires_grad=True")
        return f"Tensor({', '.join(parts)})"

    # -- copying -----------------------------------------------------------------------------------------------

    def __copy__(self) -> Tensor:
        """Return a leaf with the data, `grad`, `name` and `requires_grad` of a leaf of your own.

        Within a function that is differentiated or compiled, the copy is recorded, like that of ``x.copy()``.
        Elsewhere the copy of a computed tensor would lose its gradient, and is refused if the tensor requires one.
        """
        if STATE.get().nested is not None or any(calls_of(self)):
            return self.copy()
        if self.op is not None:
            if loses_gradient(self):
                raise UnsupportedError(
                    f"a copy of {describe(self)} would leave the graph and lose the gradient;"
                    " take x.copy(), which records, or x.detach()"
                )
        return _rebuilt(*self.__reduce__()[1])

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        return self.__copy__()

    def __reduce__(self) -> tuple[Any, ...]:
        """Return a pickle, which is a leaf with data of its own: the graph stays behind."""
        refuse_within(self, "a pickle")
        leaf = self.op is None
        return _rebuilt, (np.array(self._seen), leaf and self._requires_grad, self._name, self.grad if leaf else None)

    # -- operations --------------------------------------------------------------------------------------------

    __hash__ = object.__hash__

    if TYPE_CHECKING:  # the ops bind these as they are declared
        # fmt: off
        def __add__(self, other: ArrayLike) -> Tensor: ...
        def __radd__(self, other: ArrayLike) -> Tensor: ...
        def __sub__(self, other: ArrayLike) -> Tensor: ...
        def __rsub__(self, other: ArrayLike) -> Tensor: ...
        def __mul__(self, other: ArrayLike) -> Tensor: ...
        def __rmul__(self, other: ArrayLike) -> Tensor: ...
        def __truediv__(self, other: ArrayLike) -> Tensor: ...
        def __rtruediv__(self, other: ArrayLike) -> Tensor: ...
        def __floordiv__(self, other: ArrayLike) -> Tensor: ...
        def __rfloordiv__(self, other: ArrayLike) -> Tensor: ...
        def __mod__(self, other: ArrayLike) -> Tensor: ...
        def __rmod__(self, other: ArrayLike) -> Tensor: ...
        def __and__(self, other: ArrayLike) -> Tensor: ...
        def __rand__(self, other: ArrayLike) -> Tensor: ...
        def __or__(self, other: ArrayLike) -> Tensor: ...
        def __ror__(self, other: ArrayLike) -> Tensor: ...
        def __xor__(self, other: ArrayLike) -> Tensor: ...
        def __rxor__(self, other: ArrayLike) -> Tensor: ...
        def __lshift__(self, other: ArrayLike) -> Tensor: ...
        def __rlshift__(self, other: ArrayLike) -> Tensor: ...
        def __rshift__(self, other: ArrayLike) -> Tensor: ...
        def __rrshift__(self, other: ArrayLike) -> Tensor: ...
        def __invert__(self) -> Tensor: ...
        def __pow__(self, other: ArrayLike) -> Tensor: ...
        def __rpow__(self, other: ArrayLike) -> Tensor: ...
        def __matmul__(self, other: ArrayLike) -> Tensor: ...
        def __rmatmul__(self, other: ArrayLike) -> Tensor: ...
        def __neg__(self) -> Tensor: ...
        def __abs__(self) -> Tensor: ...
        def __lt__(self, other: ArrayLike) -> Tensor: ...
        def __le__(self, other: ArrayLike) -> Tensor: ...
        def __gt__(self, other: ArrayLike) -> Tensor: ...
        def __ge__(self, other: ArrayLike) -> Tensor: ...
        def __eq__(self, other: object) -> Tensor: ...  # type: ignore[override]
        def __ne__(self, other: object) -> Tensor: ...  # type: ignore[override]
        # fmt: on

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return OFFERED.ufunc(ufunc, method, *inputs, **kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return OFFERED.function(func, args, kwargs)

    def __divmod__(self, other: ArrayLike) -> tuple[Any, Any]:
        return self // other, self % other

    def __rdivmod__(self, other: ArrayLike) -> tuple[Any, Any]:
        return other // self, other % self

    def __pos__(self) -> Tensor:
        return self

    def __getitem__(self, key: Any) -> Tensor:
        return FUNCTIONS["getitem"](self, key)

    def __setitem__(self, key: Any, value: Any) -> NoReturn:
        raise UnsupportedError(
            "a tensor cannot be changed in place, since earlier results depend on it;"
            " build a new one, as with x.at[key].set(values) or where(mask, new, old),"
            " or write to the .data of a leaf between steps"
        )

    @property
    def T(self) -> Tensor:
        """The axes in reverse order."""
        return FUNCTIONS["matrix_transpose"](self) if self.ndim == 2 else FUNCTIONS["permute_dims"](self, None)

    @property
    def mT(self) -> Tensor:
        """The last two axes exchanged."""
        return FUNCTIONS["matrix_transpose"](self)

    def sum(self, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor:
        """See `tinygraph.sum`."""
        return FUNCTIONS["sum"](self, axis, keepdims)

    def mean(self, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor:
        """See `tinygraph.mean`."""
        return FUNCTIONS["mean"](self, axis, keepdims)

    def max(self, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor:
        """See `tinygraph.max`."""
        return FUNCTIONS["max"](self, axis, keepdims)

    def min(self, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor:
        """See `tinygraph.min`."""
        return FUNCTIONS["min"](self, axis, keepdims)

    def reshape(self, *shape: int | tuple[int, ...]) -> Tensor:
        """See `tinygraph.reshape`; the shape may be given as one tuple or as separate numbers."""
        return FUNCTIONS["reshape"](self, shape[0] if len(shape) == 1 else shape)

    def transpose(self, *axes: int | tuple[int, ...]) -> Tensor:
        """See `tinygraph.permute_dims`; without axes, it returns `T`."""
        return FUNCTIONS["permute_dims"](self, axes[0] if len(axes) == 1 else axes or None)

    def astype(self, dtype: Any) -> Tensor:
        """See `tinygraph.astype`."""
        return FUNCTIONS["astype"](self, dtype)


_new = Tensor.__new__


def array_of(data: ArrayLike, dtype: Any = None, copy: bool | None = True, asked: str = "a copy") -> Array:
    """Return an array of the data, checked; `asked` is the function or method that the user called."""
    if isinstance(data, Tensor):
        refuse_exit(data, asked)
        data = cast(Array, data._seen)
    if type(data) is not np.ndarray and _is_masked(data):
        raise DTypeError("a tensor has no mask; fill the masked elements first, as with data.filled(0)")
    try:
        return np.array(data, dtype, copy=copy)
    except UnsupportedError:
        raise UnsupportedError(
            "an array of tensors would leave the graph; make one tensor of them with stack,"
            " or take .data, .item() or .detach() of each"
        ) from None
    except ValueError as error:
        raise ShapeError(f"no array can be made of this data: {error}") from None
    except TypeError as error:
        raise DTypeError(f"no array can be made of this {type(data).__name__}: {error}") from None


def _is_masked(data: Any, depth: int = 64) -> bool:  # as many axes as NumPy's arrays may have
    """Return whether an array, or an array in nested lists, has masked elements."""
    if type(data) in (list, tuple):
        plain = set(map(type, data)) <= {float, int, bool}
        return not plain and depth > 0 and any(_is_masked(x, depth - 1) for x in data)
    mask = getattr(data, "mask", None)  # in pandas it is a method
    return isinstance(mask, (np.ndarray, np.bool_)) and bool(mask.any())


def parameter(data: ArrayLike, name: str | None = None) -> Tensor:
    """Return a leaf that requires a gradient: ``Tensor(data, requires_grad=True)``.

    >>> import tinygraph as tg
    >>> W1 = tg.parameter([[1.0, 2.0]])
    >>> W1.name, W1.shape, W1.requires_grad
    ('W1', (1, 2), True)
    """
    if isinstance(data, Tensor):
        refuse_exit(data, "parameter")
    return Tensor(data, requires_grad=True, name=name)


def make_leaf(
    tensor: Tensor, array: Any, frame: FrameType, name: str | None = None, lent: Array | None = None
) -> Tensor:
    """Set all slots of a new tensor as those of a leaf that requires no gradient.

    Its value is `array`, which nobody else writes to, or else `lent`, which others may hold.
    """
    tensor._array = array
    tensor._slot = Slot(lent)
    tensor._grad = tensor._staged = tensor._used = tensor.op = None
    tensor._name = name
    tensor._requires_grad = False
    tensor.age = next(_counter)
    tensor.inputs = tensor._args = ()
    tensor.params = NO_PARAMS
    tensor.scope = STATE.get().scope
    tensor.site = locate(frame)
    return tensor


def make_node(
    record: Op,
    inputs: tuple[Any, ...],
    args: tuple[Any, ...],
    params: Params,
    value: Any,
    requires_grad: bool,
    frame: FrameType,
) -> Tensor:
    """Return the node that an op has computed, or a constant where nothing is recorded; `frame` applied the op."""
    plain, recording, scope, _, _, check, _, _, _ = STATE.get()
    tensor = _new(Tensor)
    if not plain:
        if check is not None:
            check.forward(record, inputs, args, params, value, frame)
        if not recording:
            if NESTED and any(trace_of(x) is not None for x in inputs):  # a constant would be that of the first call
                raise UnsupportedError(
                    f"no_grad within a function that is compiled ({locate(frame).where}) would keep the numbers of the"
                    " first call; compute outside what is constant, and give it as an argument"
                )
            return make_leaf(tensor, value, frame)
    tensor._array = value
    tensor._slot = tensor._grad = tensor._staged = tensor._used = tensor._name = None
    tensor._requires_grad = requires_grad
    tensor.op = record
    tensor.inputs = inputs
    tensor._args = args
    tensor.params = params
    tensor.age = age = next(_counter)
    if age >= _next_guarded:
        _guard(tensor)
    tensor.scope = scope
    tensor.site = site = ORDINARY.get((id(frame.f_code), frame.f_lasti)) or locate(frame)
    if record.check is not None:
        record.check(tensor, site, frame)
    return tensor


def _guard(tensor: Tensor) -> None:
    """Give a node a guard, and choose the next node to get one, so irregularly that no loop always skips it."""
    global _next_guarded
    _next_guarded = tensor.age + 32 + (tensor.age * 0x9E3779B1 >> 16) % 64
    tensor._guard = Guard((tensor.inputs, tensor.params))


def as_if_applied(op: Op, inputs: tuple[Any, ...], args: tuple[Any, ...], params: Params, value: Any) -> Tensor:
    """Return a node whose value is given, for readings of what could be: it computes, checks and warns of nothing."""
    node = make_leaf(_new(Tensor), value, _getframe(1))
    node.op, node._slot, node.inputs, node._args, node.params = op, None, inputs, args, params
    if node.age >= _next_guarded:
        _guard(node)
    return node


def _rebuilt(data: Array, requires_grad: bool, name: str | None, grad: Array | None) -> Tensor:
    tensor = Tensor(data, requires_grad, name, copy=False)
    tensor.grad = grad
    return tensor


def _read_only(array: Any) -> Array:
    view = np.asarray(array).view()
    view.flags.writeable = False
    return view


def unusable(dtype: np.dtype[Any]) -> str:
    """Return the reason why a tensor cannot hold this dtype."""
    if dtype.kind == "c":
        return f"complex data ({dtype}) is not supported; work with the real and imaginary parts as two tensors"
    return f"a tensor holds booleans, integers or real floating numbers, not {dtype}"


def gradient_shape_message(x: Tensor, shape: tuple[int, ...]) -> str:
    """Return the message that a gradient of this shape cannot be that of `x`: foo and dfoo have the same shape."""
    name = describe(x)
    gradient = f"d{name}" if name.isidentifier() else "its gradient"
    hints = []
    if shape == x.shape[::-1]:
        hints.append(f"{gradient}.T, of shape {x.shape}")
    elif len(shape) == len(x.shape) and errors.broadcastable(shape, x.shape):
        axes = [i for i, (a, b) in enumerate(zip(shape, x.shape, strict=True)) if a != b and b == 1]
        if axes:
            hints.append(f"sum over axis {axes[0]} with keepdims=True, where {name} was broadcast")
    operands = [Operand(name, x.shape, origin(x)), Operand(gradient, shape)]
    reason = "a tensor and its gradient always have the same shape"
    return errors.shape_message(gradient, operands, reason, hints, "")
