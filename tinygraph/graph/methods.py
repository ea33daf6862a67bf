"""The methods of a tensor that NumPy's arrays have too, and ``.at``, which replaces writing in place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Generic, NoReturn, Self, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from ..errors import PYTORCH_METHODS, UnsupportedError
from .records import FUNCTIONS

T = TypeVar("T")
Axis: TypeAlias = int | tuple[int, ...] | None

METHODS = {"flatten": "ravel"}
METHODS |= {name: name for name in ("all", "any", "argmax", "argmin", "argsort", "choose", "clip", "conj", "conjugate")}
METHODS |= {name: name for name in ("copy", "cumprod", "cumsum", "diagonal", "dot", "nonzero", "prod", "ravel")}
METHODS |= {name: name for name in ("repeat", "round", "squeeze", "std", "swapaxes", "take", "trace", "var")}
"""The methods of NumPy's arrays that call a function of NumPy with the array as its first argument, and its name.

NumPy's functions record when they get a tensor, so each method takes the arguments that NumPy's method takes.
"""

IN_PLACE = {
    "fill": "np.full_like(x, value)",
    "partition": "np.partition(x, kth)",
    "put": "x.at[key].set(values)",
    "resize": "np.resize(x, shape)",
    "sort": "np.sort(x)",
}
"""The methods of NumPy's arrays that change the array, and an expression that returns a new tensor instead."""


class _ArrayMethods:
    __slots__ = ()

    if TYPE_CHECKING:  # METHODS binds them
        # fmt: off
        def all(self, axis: Axis = None, *, keepdims: bool = False) -> Self: ...
        def any(self, axis: Axis = None, *, keepdims: bool = False) -> Self: ...
        def argmax(self, axis: int | None = None, *, keepdims: bool = False) -> Self: ...
        def argmin(self, axis: int | None = None, *, keepdims: bool = False) -> Self: ...
        def argsort(self, axis: int | None = -1, *, stable: bool | None = None) -> Self: ...
        def choose(self, choices: Self | Sequence[ArrayLike], *, mode: str = "raise") -> Self: ...
        def clip(self, min: ArrayLike | None = None, max: ArrayLike | None = None) -> Self: ...
        def conj(self) -> Self: ...
        def conjugate(self) -> Self: ...
        def copy(self) -> Self: ...
        def cumprod(self, axis: int | None = None) -> Self: ...
        def cumsum(self, axis: int | None = None) -> Self: ...
        def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Self: ...
        def dot(self, b: ArrayLike) -> Self: ...
        def flatten(self) -> Self: ...
        def nonzero(self) -> tuple[Self, ...]: ...
        def prod(self, axis: Axis = None, *, keepdims: bool = False) -> Self: ...
        def ravel(self) -> Self: ...
        def repeat(self, repeats: ArrayLike, axis: int | None = None) -> Self: ...
        def round(self, decimals: int = 0) -> Self: ...
        def squeeze(self, axis: Axis = None) -> Self: ...
        def std(self, axis: Axis = None, *, ddof: float = 0, keepdims: bool = False) -> Self: ...
        def swapaxes(self, axis1: int, axis2: int) -> Self: ...
        def take(self, indices: ArrayLike, axis: int | None = None, *, mode: str = "raise") -> Self: ...
        def trace(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Self: ...
        def var(self, axis: Axis = None, *, ddof: float = 0, keepdims: bool = False) -> Self: ...
        # fmt: on

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if not isinstance(getattr(type(self), name), Missing)]

    def compress(self, condition: ArrayLike, axis: int | None = None) -> Self:
        """See `tinygraph.compress`."""
        return FUNCTIONS["compress"](condition, self, axis)

    @property
    def at(self) -> At[Self]:
        """``x.at[key].set(values)`` and ``x.at[key].add(values)`` return a tensor that differs where the key says."""
        return At(self)

    @property
    def real(self) -> Self:
        """A copy, since the elements are real."""
        return FUNCTIONS["astype"](self, self.dtype)  # type: ignore[attr-defined]

    @property
    def imag(self) -> Self:
        """Zeros, since the elements are real."""
        return FUNCTIONS["zeros_like"](self)


def _recording(name: str, function: str) -> Any:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return getattr(np, function)(self, *args, **kwargs)

    method.__name__, method.__qualname__ = name, f"Tensor.{name}"
    method.__doc__ = f"See `numpy.{function}`."
    return method


def _refusing(name: str, instead: str) -> Any:
    def method(self: Any, *args: Any, **kwargs: Any) -> NoReturn:
        raise UnsupportedError(f".{name}() changes an array, and earlier results depend on a tensor; try {instead}")

    method.__name__, method.__qualname__ = name, f"Tensor.{name}"
    method.__doc__ = f"Refused, as it would change the tensor; try ``{instead}``."
    return method


for _name, _function in METHODS.items():
    setattr(_ArrayMethods, _name, _recording(_name, _function))
for _name, _instead in IN_PLACE.items():
    setattr(_ArrayMethods, _name, _refusing(_name, _instead))


class Missing:
    """An attribute that PyTorch's tensors have, or a function here: its error says what to write instead.

    A ``__getattr__`` would do the same, but it would make every attribute slower.
    """

    def __init__(self, instead: str) -> None:
        self._instead = instead

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, tensor: Any, owner: type) -> Any:
        if tensor is None:
            return self
        raise AttributeError(
            f"a tensor has no attribute {self._name}; write {self._instead}", name=self._name, obj=tensor
        )


def add_missing(kind: type) -> None:
    """Give a class the names of PyTorch's methods and of all functions as attributes that say what to write."""
    for name, instead in ({name: f"tg.{name}(x)" for name in FUNCTIONS} | PYTORCH_METHODS).items():
        if not hasattr(kind, name):
            missing = Missing(instead)
            missing.__set_name__(kind, name)
            setattr(kind, name, missing)


class At(Generic[T]):
    """The elements of a tensor that a key selects; its methods return copies that differ there: ``x.at[key].set(0)``.

    >>> import tinygraph as tg
    >>> x = tg.parameter([1.0, 2.0, 3.0])
    >>> x.at[1:].set(0.0)
    Tensor([1., 0., 0.], op=index_put)
    >>> x.at[[0, 0, 2]].add([10.0, 20.0, 30.0])
    Tensor([31.,  2., 33.], op=add)
    """

    __slots__ = "_key", "_tensor"

    def __init__(self, tensor: T, key: Any = ...) -> None:
        self._tensor, self._key = tensor, key

    def __getitem__(self, key: Any) -> At[T]:
        return At(self._tensor, key)

    def set(self, values: ArrayLike) -> T:
        """See `tinygraph.set_at`."""
        return FUNCTIONS["set_at"](self._tensor, self._key, values)

    def add(self, values: ArrayLike) -> T:
        """See `tinygraph.add_at`."""
        return FUNCTIONS["add_at"](self._tensor, self._key, values)
