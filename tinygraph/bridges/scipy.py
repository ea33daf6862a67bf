"""Functions as SciPy's optimisers want them: of one flat vector, with the gradient beside the value."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from ..autodiff.calls import called, name_of
from ..autodiff.transforms import hvp, value_and_grad
from ..errors import ArgumentError, DTypeError, ShapeError, UnsupportedError
from ..graph.tensor import Tensor, array_of, refuse_within
from ..programs.compiling import compile as compiled
from ..trees import flatten, matched, unflatten


class Problem(Mapping[str, Any]):
    """The arguments of ``scipy.optimize.minimize`` for a function: ``fun``, ``x0`` and ``jac``, to be given by ``**``.

    `hessp` goes by itself to the methods that take it, Newton-CG and the trust-region ones.
    """

    def __init__(
        self, function: Callable[..., Any], x0: Any, args: tuple[Any, ...], kwargs: dict[str, Any], compile: bool
    ) -> None:
        leaves, self._structure = flatten(x0)
        self._name = name_of(function)
        for x in leaves:
            if isinstance(x, Tensor):
                refuse_within(x, "a start for SciPy")
        arrays = [np.asarray(x.value) if isinstance(x, Tensor) else array_of(x, copy=None) for x in leaves]
        for x, path in zip(arrays, self._structure.paths(), strict=True):
            if x.dtype.kind != "f":
                raise DTypeError(
                    f"x0{path} holds {x.dtype}; what is to be optimised is floating, as np.asarray(x0, float)"
                )
        if not sum(x.size for x in arrays):
            what = "elements" if arrays else "arrays"
            raise ArgumentError(f"x0 has no {what}, so there is nothing that {self._name} could be optimised by")
        self._forms = [(x.shape, x.dtype, x.size) for x in arrays]
        self.x0 = self._joined(arrays)
        """Where to start: all arrays in one float64 vector."""
        self._args, self._kwargs = args, kwargs

        def product(point: Any, direction: Any, *args: Any, **kwargs: Any) -> Any:
            return hvp(lambda x: function(x, *args, **kwargs), (point,), (direction,))

        made: Callable[..., Any] = partial(_explained, self._name) if compile else lambda function: function
        self._value_and_grad = made(value_and_grad(function))
        self._product = made(product)

    def fun(self, x: Any) -> tuple[float, Any]:
        """The value and the gradient at a vector, from one program."""
        value, gradient = self._value_and_grad(self.unflatten(x), *self._args, **self._kwargs)
        return float(value), self._joined(flatten(gradient)[0])

    jac = True
    """`fun` gives the gradient too."""

    def hessp(self, x: Any, p: Any) -> Any:
        """The product of the Hessian at a vector with another."""
        product = self._product(self.unflatten(x), self.unflatten(p), *self._args, **self._kwargs)
        return self._joined(flatten(product)[0])

    def flatten(self, tree: Any) -> Any:
        """What is nested as x0, such as lower bounds, as one float64 vector; numbers stand for whole arrays."""
        leaves = matched(tree, self._structure, "the tree")
        parts = []
        for x, (shape, _, _), path in zip(leaves, self._forms, self._structure.paths(), strict=True):
            x = np.asarray(x.value, float) if isinstance(x, Tensor) else array_of(x, float, copy=None)
            if x.shape not in (shape, ()):
                raise ShapeError(f"x0{path} has shape {shape}, and what stands for it {x.shape}")
            parts.append(np.broadcast_to(x, shape))
        return self._joined(parts)

    def unflatten(self, x: Any) -> Any:
        """A vector, such as ``result.x``, as arrays of the dtypes of x0, nested as it."""
        x = array_of(x, copy=None)
        if x.shape != self.x0.shape:
            raise ShapeError(f"x0 is a vector of shape {self.x0.shape} for SciPy, and this has {x.shape}")
        arrays, start = [], 0
        for shape, dtype, size in self._forms:
            arrays.append(x[start : start + size].reshape(shape).astype(dtype, copy=False))
            start += size
        return unflatten(self._structure, arrays)

    def _joined(self, arrays: list[Any]) -> Any:
        if len(arrays) == 1:
            return np.array(arrays[0], np.float64).reshape(-1)
        return np.concatenate([np.reshape(x, -1) for x in arrays], dtype=np.float64)

    def __getitem__(self, key: str) -> Any:
        if key not in ("fun", "x0", "jac"):
            raise KeyError(key)
        return getattr(self, key)

    def __iter__(self) -> Iterator[str]:
        return iter(("fun", "x0", "jac"))

    def __len__(self) -> int:
        return 3

    def __repr__(self) -> str:
        return f"Problem({self._name}, {self.x0.size} variables)"


def _explained(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A function compiled, with a word on what to do where it cannot be."""
    program = compiled(function)

    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return program(*args, **kwargs)
        except UnsupportedError as error:
            error.add_note(f"{name} cannot be compiled; for_scipy(…, compile=False) runs it as it is")
            raise

    return run


def for_scipy(function: Callable[..., Any], x0: Any, *args: Any, compile: bool = True, **kwargs: Any) -> Problem:
    """A scalar function and a start, as ``scipy.optimize.minimize`` wants them.

    `function` takes what is to be optimised first: an array, or nested dicts, lists and tuples of arrays, of floating
    dtypes, as `x0` is; SciPy sees one float64 vector. `args` and `kwargs` are given to it at each call. Value and
    gradient come from one compiled program, made at the first call; products with the Hessian, for Newton-CG and the
    trust-region methods, from another. With ``compile=False`` both run as they are.

    The result is given to SciPy by ``**``; ``problem.unflatten(result.x)`` has the arrays again, and
    ``problem.flatten(tree)`` makes vectors of others, such as bounds.

        problem = tg.for_scipy(loss, params, X, Y)
        result = scipy.optimize.minimize(**problem, method="L-BFGS-B")
        params = problem.unflatten(result.x)

        result = scipy.optimize.minimize(**problem, method="trust-ncg", hessp=problem.hessp)

    Raises `DTypeError` for integers in x0, `UnsupportedError` at the first call for a function that cannot be compiled.

    >>> import numpy as np, tinygraph as tg
    >>> problem = tg.for_scipy(lambda p, c: tg.sum((p["a"] - c) ** 2) * p["b"], {"a": np.ones(2), "b": 3.0}, 2.0)
    >>> problem.x0, problem.fun(problem.x0)
    (array([1., 1., 3.]), (6.0, array([-6., -6.,  2.])))
    >>> problem.hessp(problem.x0, np.array([1.0, 0.0, 0.0]))
    array([ 6.,  0., -2.])
    """
    return Problem(called(function, "for_scipy"), x0, args, kwargs, compile)
