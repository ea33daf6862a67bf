"""Functions as straight-line NumPy programs, for the shapes and dtypes that they are called with."""

from __future__ import annotations

import copy
import functools
import sys
import warnings
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from pickle import PicklingError
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any

import numpy as np

from ..autodiff.calls import called, is_whole, name_of, positional_count, positional_parameters, whole_numbers
from ..errors import ArgumentError, DTypeError, ShapeError, UnsupportedError
from ..graph.exits import loses_gradient
from ..graph.node import describe
from ..graph.recording import STATE
from ..graph.tensor import Tensor, array_of, unusable
from ..graph.threads import exclusive
from ..trees import Structure, flatten, instead
from .guards import Guard
from .peeking import exact

if TYPE_CHECKING:
    from .executable import Executable


_MANY = 9  # times that a function is traced anew before a warning
_MISS = object()  # the result of a program's `entry` for arguments that do not fit


def compile(
    function: Callable[..., Any] | None = None,
    *,
    donate_argnums: int | Sequence[int] = (),
    static_argnums: int | Sequence[int] = (),
    cache_size: int = 32,
) -> Any:
    """Return `function` as a readable NumPy program, such as an expert would write by hand.

    `function` takes and returns arrays and numbers, or nested dicts, lists and tuples of them, and computes with
    tinygraph's functions. It may call `value_and_grad`, `grad` and `gradients`. At the first call with new shapes and
    dtypes, it is traced (twice, to check that it does the same), differentiated, simplified, and written as a straight
    line of NumPy calls whose intermediate results share buffers. From then on, that program runs. ``.source`` is the
    program, ``.report()`` says what it does and which calls take the time, and ``.cache`` holds the programs, at most
    `cache_size` of them.

    Results are new arrays. Only the arguments in `donate_argnums` may be overwritten by results of the same shape: the
    call uses such arguments up, and none may be given twice. Arguments in `static_argnums` are passed to `function` as
    they are. Each value of them has its own program, and 1, 1.0 and True are different values. Positions may count from
    the end. Python numbers take the dtype of the arrays that are given with them. Checks of values, such as that labels
    are between 0 and 1, are made only when the function is traced.

    The data of leaves from outside, such as parameters, is read at each call. Other values from outside are constants
    of the program: numbers, arrays, containers, attributes of objects, and the functions and classes that are called,
    in the code of `function` and in all of your code that it reaches. Each call compares them with those of the trace,
    and the function is traced again if one has changed. A value that changes often should be an argument, and a warning
    says so. Arrays of more than 64 KiB are compared by identity and by about 1,000 elements, containers of more than
    8,192 entries by about 1,000 of them, and no more than about 1,000 values in all: if a larger value changes in
    place, pass it as an argument. Files, the environment and the state of libraries are not checked.

    A copy is compiled anew, and so is a function that was pickled and loaded.

    Raises `UnsupportedError` if `function` asks for the value of a tensor, as ``if``, ``.data`` and ``.detach()`` do,
    uses a tensor that was computed outside, or differs between calls, as with random numbers. Raises `ArgumentError`
    for donated arrays that are read-only or share memory with another argument, and for positions that do not exist.

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
    called(function, "compile")
    name = name_of(function)
    donated = _positions(donate_argnums, "donate_argnums", function)
    static = _positions(static_argnums, "static_argnums", function)
    if both := set(donated) & set(static):
        raise ArgumentError(
            f"the argument {min(both)} of {name} is both in donate_argnums and in static_argnums; only arrays can be"
            " donated, and those are not static"
        )
    if not is_whole(cache_size):
        raise TypeError(f"cache_size is the number of programs to keep, a whole number, not {cache_size!r}")
    if cache_size < 1:
        raise ArgumentError(f"cache_size={cache_size} leaves no room for a program; the least is 1")
    return Compiled(function, donated, static, cache_size)


def _positions(argnums: int | Sequence[int], what: str, function: Callable[..., Any]) -> tuple[int, ...]:
    """Return positions of arguments counted from the start. Raises `ArgumentError` for wrong or repeated ones."""
    checked = whole_numbers(argnums, what)
    given = list(checked) if isinstance(checked, Sequence) else [checked]
    name, count = name_of(function), positional_count(function)
    for i in given:
        if count is None and i < 0:
            raise ArgumentError(
                f"{what}={argnums!r} counts from the end, but it is not known how many arguments {name} takes:"
                " count from the start"
            )
        if count is not None and not -count <= i < count:
            raise ArgumentError(f"{what}={argnums!r} asks for the argument {i}, but {name} takes {count} by position")
    found = tuple(int(i) if i >= 0 else int(i) + (count or 0) for i in given)
    if len(set(found)) < len(found):
        raise ArgumentError(f"{what}={argnums!r} names an argument twice")
    return found


class Compiled:
    """A function that runs as a NumPy program for each combination of shapes, dtypes and static arguments."""

    def __init__(
        self, function: Callable[..., Any], donated: tuple[int, ...], static: tuple[int, ...], cache_size: int
    ) -> None:
        self.__name__ = name_of(function)
        functools.update_wrapper(self, function)
        self._function, self._donated, self._static, self._size = function, donated, static, cache_size
        self._parameters = positional_parameters(function)
        self._static_names = [name for i, name in enumerate(self._parameters) if i in static]
        self.cache: OrderedDict[Any, Executable] = OrderedDict()
        """The programs by structure, static arguments, shapes and dtypes. The latest is last."""
        self._latest: Callable[..., Any] | None = None
        self._changes: Counter[str] = Counter()
        self._last: Executable | None = None

    def __get__(self, owner: Any, kind: type | None = None) -> Any:
        """Return a bound method. Its object, the first argument, is not an array and so belongs in static_argnums."""
        return self if owner is None else MethodType(self, owner)

    def __copy__(self) -> Compiled:
        """Return a compiled function with programs of its own."""
        return Compiled(self._function, self._donated, self._static, self._size)

    def __deepcopy__(self, memo: dict[int, Any]) -> Compiled:
        return Compiled(copy.deepcopy(self._function, memo), self._donated, self._static, self._size)

    def __reduce__(self) -> str | tuple[Any, ...]:
        """Return its global name, as functions do, or else the arguments from which it is compiled again.

        Raises `PicklingError` if neither it nor the function that it is compiled from has a global name.
        """
        if (name := _global_name(self)) is not None:
            return name
        if isinstance(self._function, FunctionType) and _global_name(self._function) is None:
            if hasattr(self._function, "__wrapped__"):  # grad of a function has its name
                raise PicklingError(
                    f"{self.__name__} is compiled from a transformed or decorated function, which has no name of its"
                    " own, so it cannot be pickled; give it a name at the top of a module, as in"
                    f" d{self.__name__} = tg.compile(tg.grad({self.__name__})), and send a function that calls it"
                )
            raise PicklingError(
                f"{self.__name__} is compiled from a function that no module has under this name, so it cannot be"
                " pickled; define it at the top of a module, or send its arguments and compile it there"
            )
        return Compiled, (self._function, self._donated, self._static, self._size)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the program for arguments like these, which is made first if there is none.

        Within a transform or another compiled function, call the function itself.
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
        names = [name for i, name in enumerate(self._parameters) if i not in static]
        arrays = _arrays(leaves, self.__name__, names, structure)
        donated = self._donated_leaves(args, static) if self._donated else set()
        for i in donated:
            if type(leaves[i]) is not np.ndarray:  # the array of a tensor must not change
                arrays[i] = np.array(arrays[i])
        known = tuple((i, self._static_key(value)) for i, value in (*static.items(), *by_name.items()))
        key = (structure, known, tuple((x.shape, x.dtype) for x in arrays))
        program = self.cache.get(key)
        given = {self._parameters[i] if i < len(self._parameters) else f"argument {i}": x for i, x in static.items()}
        given |= by_name
        changed = program.guard.change(*given.values()) if program is not None else None
        if program is None or changed is not None:
            from .executable import Executable  # here, since its own imports are slow

            function = functools.partial(self._function, **by_name) if by_name else self._function
            function = _with_static(function, static) if static else function
            guard = functools.partial(Guard, self._function, given)
            program = Executable(function, self.__name__, names, arrays, structure, donated, guard, _MISS)
        program = self._kept(key, program, replace=changed is not None)
        if (misused := program.misused(arrays)) is not None:
            i, reason = misused
            raise ArgumentError(f"{_labels(structure, names)[i]} of {self.__name__} is donated, {reason}")
        if changed is not None:
            self._warn_of(changed)
        return program, arrays

    @exclusive
    def _kept(self, key: Any, program: Executable, replace: bool) -> Executable:
        """Store a program in the cache, as the latest, and return it. If another thread was first, return its program.

        With `replace`, the stored program is replaced, because values from outside have made it stale.
        """
        if replace:
            self.cache[key] = program
        self._last = program = self.cache.setdefault(key, program)
        with suppress(KeyError):  # another thread may have removed it
            self.cache.move_to_end(key)
            while len(self.cache) > self._size:
                self.cache.popitem(last=False)
        return program

    def _static_key(self, value: Any) -> Any:
        try:
            hash(value)
            return exact(value)
        except (TypeError, RecursionError) as error:
            raise TypeError(f"a static argument of {self.__name__} cannot be hashed: {error}") from None

    def _warn_of(self, changed: str) -> None:
        """Warn once if the function is traced again and again, and name the value that changes most often."""
        self._changes[changed] += 1
        if self._changes.total() == _MANY:
            often = self._changes.most_common(1)[0][0]
            warnings.warn(
                f"{self.__name__} has been traced anew {_MANY} times because values from outside had changed, mostly"
                f" {often}, and each time takes as long as many calls: make {often} an argument of {self.__name__}",
                stacklevel=4,
            )

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
        if self._last is None:
            raise ArgumentError(f"{self.__name__} has not been called yet, so there is no program")
        return self._last

    @property
    def source(self) -> str:
        """The program for the latest shapes: a module that can be pasted and run with NumPy alone."""
        return self._newest.source

    def report(self) -> str:
        """Return a text on the program for the latest shapes: calls, buffers, bytes, and the slowest lines."""
        return self._newest.report()


def _global_name(function: Any) -> str | None:
    """Return the name under which the module of a function has it, or None."""
    held = vars(function) if isinstance(function, Compiled) else {"__qualname__": function.__qualname__}
    name, found = held.get("__qualname__"), sys.modules.get(getattr(function, "__module__", None) or "")
    if not isinstance(name, str):
        return None
    for part in name.split("."):
        found = getattr(found, part, None)
    return name if found is function else None


def _arrays(leaves: Sequence[Any], name: str, parameters: Sequence[str], structure: Structure) -> list[Any]:
    """Return the leaves as arrays. Python numbers take the floating dtype of the arrays, so as not to widen it.

    Raises `UnsupportedError` for tensors that would lose their gradient, and `DTypeError` or `TypeError` for values
    that a program cannot take.
    """
    for x in leaves:
        if isinstance(x, Tensor) and loses_gradient(x):
            raise UnsupportedError(
                f"{name} is compiled and returns arrays, through which no gradient of {describe(x)} would come back;"
                " give it the .data, and compile the gradient, as in tg.compile(tg.grad(f))"
            )
    arrays = [_array(x) for x in leaves]
    numbers = [type(x) in (int, float) for x in leaves]
    given = [array.dtype for array, plain in zip(arrays, numbers, strict=True) if not plain]
    for i, (x, array) in enumerate(zip(leaves, arrays, strict=True)):
        if array.dtype.kind not in "biuf":
            label = _labels(structure, parameters)[i]
            if type(x) is int:
                if any(dtype.kind == "f" for dtype in given):  # as NumPy does beside floats
                    arrays[i] = _as_beside(np.asarray(float(x)), given)
                    continue
                raise DTypeError(f"{label} of {name} has more than 64 bits: make it a float")
            if isinstance(x, complex | np.ndarray | np.generic) and array.dtype.kind not in "OUS":
                raise DTypeError(f"{label} of {name}: {unusable(array.dtype)}")
            if label == "self":
                hint = f"; {name} is a method, and its object must be static: @tg.compile(static_argnums=0)"
            else:
                hint = instead(x) or "; an argument that is not an array goes into static_argnums"
            raise TypeError(f"{label} of {name} is {type(x).__name__}{hint}")
        if numbers[i]:
            arrays[i] = _as_beside(array, given)
    return arrays


def _as_beside(number: Any, dtypes: Sequence[np.dtype[Any]]) -> Any:
    """Return a Python number in the dtype of the arrays beside it, so as not to widen it."""
    floats = [dtype for dtype in dtypes if dtype.kind == "f"]
    if floats:
        narrow = np.result_type(*floats)
        return number if narrow == np.float64 else number.astype(narrow)
    integers = {dtype for dtype in dtypes if dtype.kind in "iu"}
    if number.dtype.kind != "i" or len(integers) != 1:
        return number
    (dtype,) = integers
    return number.astype(dtype) if np.iinfo(dtype).min <= number <= np.iinfo(dtype).max else number


def _labels(structure: Structure, parameters: Sequence[str]) -> list[str]:
    """Return the names of the leaves of the arguments in messages, such as ``params['W']``."""
    args, kwargs = structure.children
    found: list[str] = []
    for i, child in enumerate(args.children):
        found += child.paths(parameters[i] if i < len(parameters) else f"argument {i}")
    for key, child in zip(kwargs.keys, kwargs.children, strict=True):
        found += child.paths(key)
    return found


def _array(x: Any) -> Any:
    """Return an argument as an array in the byte order of the machine."""
    if isinstance(x, Tensor):
        return np.asarray(x.value)
    if type(x) is np.ndarray:
        return x if x.dtype.isnative else x.astype(x.dtype.newbyteorder("="))
    try:
        return array_of(x, copy=None)
    except ShapeError:
        return np.asarray(None)  # its dtype is refused


def _with_static(function: Callable[..., Any], static: dict[int, Any]) -> Callable[..., Any]:
    def filled(*args: Any, **kwargs: Any) -> Any:
        rest = iter(args)
        return function(*[static[i] if i in static else next(rest) for i in range(len(args) + len(static))], **kwargs)

    return filled
