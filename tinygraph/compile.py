"""Functions as straight-line NumPy programs, for the shapes and dtypes that they are called with."""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Callable, Sequence
from types import MethodType
from typing import TYPE_CHECKING, Any

import numpy as np

from .calls import positional_parameters
from .errors import ArgumentError, UnsupportedError
from .graph import Tensor, describe, loses_gradient
from .recording import STATE
from .trees import flatten

if TYPE_CHECKING:
    from .executable import Executable


_MISS = object()  # what the way in of a program answers to arguments that it is not for


def compile(
    function: Callable[..., Any] | None = None,
    *,
    donate_argnums: int | Sequence[int] = (),
    static_argnums: int | Sequence[int] = (),
    cache_size: int = 32,
) -> Any:
    """`function` as a NumPy program: the one that an expert would write by hand, and readable.

    `function` takes and returns arrays and numbers, or nested dicts, lists and tuples of them, and computes with
    tinygraph's functions; `value_and_grad`, `grad` and `gradients` may be called inside. At the first call with new
    shapes and dtypes it is traced (twice, to see that it does the same), differentiated, simplified, and written as a
    straight line of NumPy calls whose intermediate results share buffers; from then on that program runs. ``.source``
    is the program, ``.report()`` says what it does and which calls take the time, ``.cache`` holds the programs, at
    most `cache_size` of them.

    Results are arrays of their own. Those of arguments in `donate_argnums` may be written over by results of the same
    shape: such arguments are used up by the call, and none may be given twice. Arguments in `static_argnums` are given
    to `function` as they are; each value has a program of its own. Numbers take the floating dtype of the arrays that
    are given with them. Leaves from outside, such as parameters, are read at each call; plain arrays from outside are
    constants of the program, and in its source only a place where they are large. Checks of values, such as that labels
    are between 0 and 1, are made when it is traced.

    Raises `UnsupportedError` where `function` asks for the value of a tensor, as ``if``, ``.data`` and ``.detach()``
    do, uses what was computed outside, or is not the same at each call, as with random numbers.

    >>> import numpy as np, tinygraph as tg
    >>> @tg.compile
    ... def step(w, x, y):
    ...     J, dw = tg.value_and_grad(lambda w: tg.mean((x @ w - y) ** 2))(w)
    ...     return J, w - 0.1 * dw
    >>> J, w = step(np.zeros(2), np.eye(2), np.ones(2))
    >>> J, w
    (np.float64(1.0), array([0.1, 0.1]))
    """
    if function is None:
        return functools.partial(
            compile, donate_argnums=donate_argnums, static_argnums=static_argnums, cache_size=cache_size
        )
    if not callable(function):
        raise TypeError(f"compile takes a function, not {type(function).__name__}")
    return Compiled(function, _numbers(donate_argnums), _numbers(static_argnums), cache_size)


def _numbers(argnums: int | Sequence[int]) -> tuple[int, ...]:
    return (argnums,) if isinstance(argnums, int) else tuple(argnums)


class Compiled:
    """A function that runs as a NumPy program for each combination of shapes, dtypes and static arguments."""

    def __init__(
        self, function: Callable[..., Any], donated: tuple[int, ...], static: tuple[int, ...], cache_size: int
    ) -> None:
        self.__name__ = getattr(function, "__name__", type(function).__name__)
        functools.update_wrapper(self, function)
        self._function, self._donated, self._static, self._size = function, donated, static, cache_size
        self._parameters = positional_parameters(function)
        self._static_names = [name for i, name in enumerate(self._parameters) if i in static]
        self.cache: OrderedDict[Any, Executable] = OrderedDict()
        """The programs by structure, static arguments, shapes and dtypes; the latest last."""
        self._latest: Callable[..., Any] | None = None

    def __get__(self, owner: Any, kind: type | None = None) -> Any:
        """A method: its object is the first argument, and as no array it belongs into static_argnums."""
        return self if owner is None else MethodType(self, owner)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the program for arguments like these, made now if there is none yet.

        Within a transform or another function that is compiled, the function itself is called.
        """
        if self._latest is not None and (result := self._latest(args, kwargs)) is not _MISS:
            return result
        if STATE.get().nested is not None:
            return self._function(*args, **kwargs)
        program, arrays = self._program(args, kwargs)
        if not self._static:
            self._latest = program.entry
        return program(arrays)

    def _program(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Executable, list[Any]]:
        static = {i: args[i] for i in self._static if i < len(args)}
        rest = tuple(arg for i, arg in enumerate(args) if i not in static)
        by_name = {name: kwargs[name] for name in self._static_names if name in kwargs}
        kwargs = {name: value for name, value in kwargs.items() if name not in by_name}
        leaves, structure = flatten((rest, kwargs))
        arrays = _arrays(leaves, self.__name__)
        # 1, 1.0 and True are equal
        known = tuple((i, type(value), value) for i, value in (*static.items(), *by_name.items()))
        key = (structure, known, tuple((x.shape, x.dtype) for x in arrays))
        try:
            program = self.cache.pop(key, None)
        except TypeError as error:
            raise TypeError(f"a static argument of {self.__name__} cannot be hashed: {error}") from None
        if program is None:
            from .executable import Executable  # here, since importing what it takes is slow

            function = functools.partial(self._function, **by_name) if by_name else self._function
            function = _with_static(function, static) if static else function
            donated = self._donated_leaves(args, static)
            names = [name for i, name in enumerate(self._parameters) if i not in static]
            program = Executable(function, self.__name__, names, arrays, structure, donated, _MISS)
        self.cache[key] = program
        while len(self.cache) > self._size:
            self.cache.popitem(last=False)
        return program, arrays

    def _donated_leaves(self, args: tuple[Any, ...], static: dict[int, Any]) -> set[int]:
        found: set[int] = set()
        count = 0
        for i, arg in enumerate(args):
            if i not in static:
                more = len(flatten(arg)[0])
                found |= set(range(count, count + more)) if i in self._donated else set()
                count += more
        return found

    @property
    def _newest(self) -> Executable:
        if not self.cache:
            raise ArgumentError(f"{self.__name__} has not been called yet, so there is no program")
        return next(reversed(self.cache.values()))

    @property
    def source(self) -> str:
        """The program of the latest shapes: a module that can be pasted and run with NumPy alone."""
        return self._newest.source

    def report(self) -> str:
        """What the program of the latest shapes does: calls, buffers, bytes, and which lines take the time."""
        return self._newest.report()


def _arrays(leaves: Sequence[Any], name: str) -> list[Any]:
    """The leaves as arrays. Python's numbers take the floating dtype of the arrays, so as not to widen it."""
    for x in leaves:
        if isinstance(x, Tensor) and loses_gradient(x):
            raise UnsupportedError(
                f"{name} is compiled and gives arrays, through which no gradient of {describe(x)} would come back;"
                " give it the .data, and compile the gradient, as tg.compile(tg.grad(f))"
            )
    arrays = [x if type(x) is np.ndarray else np.asarray(x.value if isinstance(x, Tensor) else x) for x in leaves]
    numbers = [type(x) in (int, float) for x in leaves]
    given = [array.dtype for array, plain in zip(arrays, numbers, strict=True) if not plain]
    floats = [dtype for dtype in given if dtype.kind == "f"]
    narrow = np.result_type(*floats) if floats else np.dtype(float)
    for i, (x, array) in enumerate(zip(leaves, arrays, strict=True)):
        if array.dtype.kind not in "biuf":
            raise TypeError(f"an argument of {name} is {type(x).__name__}; what is no array goes into static_argnums")
        if numbers[i] and narrow != np.dtype(float):
            arrays[i] = array.astype(narrow)
    return arrays


def _with_static(function: Callable[..., Any], static: dict[int, Any]) -> Callable[..., Any]:
    def filled(*args: Any, **kwargs: Any) -> Any:
        rest = iter(args)
        return function(*[static[i] if i in static else next(rest) for i in range(len(args) + len(static))], **kwargs)

    return filled
