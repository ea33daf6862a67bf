"""Functions in the form that SciPy's optimisers need: from one flat vector to value and gradient."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from ..autodiff.calls import called, name_of
from ..autodiff.transforms import hvp, value_and_grad
from ..errors import ArgumentError, DTypeError, ShapeError, UnsupportedError
from ..graph.exits import refuse_within
from ..graph.tensor import Tensor, array_of
from ..programs.compiling import compile as compiled
from ..trees import flatten, matched, unflatten


class Problem(Mapping[str, Any]):
    """The arguments ``fun``, ``x0`` and ``jac`` of ``scipy.optimize.minimize``, passed with ``**``.

    Pass `hessp` separately, to the methods that take it: Newton-CG and the trust-region methods.
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
                    f"x0{path} holds {x.dtype}; only floating-point arrays can be optimised, as np.asarray(x0, float)"
                )
        if not sum(x.size for x in arrays):
            what = "elements" if arrays else "arrays"
            raise ArgumentError(f"x0 has no {what}, so {self._name} has no variables to optimise")
        self._forms = [(x.shape, x.dtype, x.size) for x in arrays]
        self.x0 = self._joined(arrays)
        """The start: all arrays in one float64 vector."""
        self._args, self._kwargs = args, kwargs

        def product(point: Any, direction: Any, *args: Any, **kwargs: Any) -> Any:
            return hvp(lambda x: function(x, *args, **kwargs), (point,), (direction,))

        made: Callable[..., Any] = partial(_explained, self._name) if compile else lambda function: function
        self._value_and_grad = made(value_and_grad(function))
        self._product = made(product)

    def fun(self, x: Any) -> tuple[float, Any]:
        """Return the value and the gradient at a vector; one program computes both."""
        value, gradient = self._value_and_grad(self.unflatten(x), *self._args, **self._kwargs)
        return float(value), self._joined(flatten(gradient)[0])

    jac = True
    """Tells SciPy that `fun` returns the gradient too."""

    def hessp(self, x: Any, p: Any) -> Any:
        """Return the product of the Hessian at the vector `x` with the vector `p`."""
        product = self._product(self.unflatten(x), self.unflatten(p), *self._args, **self._kwargs)
        return self._joined(flatten(product)[0])

    def flatten(self, tree: Any) -> Any:
        """Return a tree nested like x0, such as lower bounds, as one float64 vector; a number fills an array."""
        leaves = matched(tree, self._structure, "the tree")
        parts = []
        for x, (shape, _, _), path in zip(leaves, self._forms, self._structure.paths(), strict=True):
            x = np.asarray(x.value, float) if isinstance(x, Tensor) else array_of(x, float, copy=None)
            if x.shape not in (shape, ()):
                raise ShapeError(f"x0{path} has shape {shape}, and what stands for it {x.shape}")
            parts.append(np.broadcast_to(x, shape))
        return self._joined(parts)

    def unflatten(self, x: Any) -> Any:
        """Return a vector, such as ``result.x``, as arrays that have the nesting, the shapes and the dtypes of x0."""
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
    """Return the compiled function; if it cannot be compiled, its error says what to do."""
    program = compiled(function)

    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return program(*args, **kwargs)
        except UnsupportedError as error:
            error.add_note(f"{name} cannot be compiled; for_scipy(…, compile=False) runs it as it is")
            raise

    return run


def for_scipy(function: Callable[..., Any], x0: Any, *args: Any, compile: bool = True, **kwargs: Any) -> Problem:
    """Return a scalar function and its start in the form that ``scipy.optimize.minimize`` needs.

    The first argument of `function` is optimised. It is nested like `x0`: a floating-point array, or nested dicts,
    lists and tuples of such arrays. SciPy sees one float64 vector. `function` also gets `args` and `kwargs` at each
    call. One program, compiled at the first call, computes value and gradient; another one computes products with
    the Hessian, for Newton-CG and the trust-region methods. With ``compile=False``, both run uncompiled.

    Pass the result to SciPy with ``**``. ``problem.unflatten(result.x)`` gives the arrays back, and
    ``problem.flatten(tree)`` turns other trees, such as bounds, into vectors.

        problem = tg.for_scipy(loss, params, X, Y)
        result = scipy.optimize.minimize(**problem, method="L-BFGS-B")
        params = problem.unflatten(result.x)

        result = scipy.optimize.minimize(**problem, method="trust-ncg", hessp=problem.hessp)

    Raise `DTypeError` if x0 holds integers. The first call raises `UnsupportedError` if `function` cannot be compiled.

    >>> import numpy as np, tinygraph as tg
    >>> problem = tg.for_scipy(lambda p, c: tg.sum((p["a"] - c) ** 2) * p["b"], {"a": np.ones(2), "b": 3.0}, 2.0)
    >>> problem.x0, problem.fun(problem.x0)
    (array([1., 1., 3.]), (6.0, array([-6., -6.,  2.])))
    >>> problem.hessp(problem.x0, np.array([1.0, 0.0, 0.0]))
    array([ 6.,  0., -2.])
    """
    return Problem(called(function, "for_scipy"), x0, args, kwargs, compile)
