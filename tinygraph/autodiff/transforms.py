"""Functions that make functions: the derivatives of functions of arrays.

All of them take and return arrays, or nested dicts, lists and tuples of arrays. If they are given tensors, or run
inside another transform or a compiled function, they return tensors, which can be differentiated again.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..graph.recording import STATE, enable_grad
from ..graph.tensor import Tensor
from ..trees import flatten, unflatten
from .calls import Argnums, Call, called, like, name_of, whole_numbers
from .traversal import pulled_back


def value_and_grad(function: Callable[..., Any], argnums: Argnums = 0, *, has_aux: bool = False) -> Callable[..., Any]:
    """Return a function that returns the scalar value of `function` and its gradient.

    `argnums` says with respect to which positional arguments: arrays, numbers, or nested dicts, lists and tuples of
    them. The gradient is nested in the same way; for several arguments it is a tuple. It is 0 where the value does not
    depend on an argument. Arguments by keyword are passed on. With `has_aux`, `function` returns a pair (value, aux),
    and the result is ``((value, aux), gradient)``. Given arrays, the new function returns arrays; given tensors, or
    inside another transform, it returns tensors, which can be differentiated again.

    Raise `ArgumentError` if `function` does not return a scalar, `DTypeError` if an argument is not floating.

    >>> import numpy as np, tinygraph as tg
    >>> square = tg.value_and_grad(lambda p, x: tg.sum(p["w"] * x) ** 2)
    >>> square({"w": np.ones(2)}, np.array([1.0, 2.0]))
    (np.float64(9.0), {'w': array([ 6., 12.])})
    """

    called(function, "value_and_grad")
    argnums = whole_numbers(argnums)

    @functools.wraps(function)
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        call = Call(function, argnums, args, kwargs, has_aux)
        value = call.scalar()
        gradient = call.nested(sweep([value], [np.ones((), value.dtype)[()]], call.variables, call.stays))
        value = call.plain(value)
        return ((value, call.plain(call.aux)), gradient) if has_aux else (value, gradient)

    return differentiated


def grad(function: Callable[..., Any], argnums: Argnums = 0, *, has_aux: bool = False) -> Callable[..., Any]:
    """Return a function that returns the gradient of `function`, like `value_and_grad` but without the value.

    With `has_aux` it returns ``(gradient, aux)``.

    >>> import tinygraph as tg
    >>> tg.grad(lambda x: x**3)(2.0), tg.grad(tg.grad(lambda x: x**3))(2.0)
    (np.float64(12.0), np.float64(12.0))
    """
    both = value_and_grad(called(function, "grad"), argnums, has_aux=has_aux)

    @functools.wraps(function)
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        value, gradient = both(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return differentiated


def elementwise_grad(function: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., Any]:
    """Return the derivative, at each element, of a function that acts on each element separately.

    It is the gradient of the sum of all results, in one sweep. If results have the shape of an argument, it is checked
    that each depends on its own element only, so there is no silent sum over others. A network with one input and one
    output, applied to the rows of a batch, passes the check too.

    Raise `ArgumentError` if a result depends on an element other than its own.

    >>> import numpy as np, tinygraph as tg
    >>> tg.elementwise_grad(tg.tanh)(np.array([0.0, 1.0])).round(4)
    array([1.  , 0.42])
    """

    called(function, "elementwise_grad")
    argnums = whole_numbers(argnums)

    @functools.wraps(function)
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        call = Call(function, argnums, args, kwargs)
        outputs, _ = call.outputs()
        found = sweep(outputs, [np.ones(y.shape, y.dtype)[()] for y in outputs], call.variables, call.stays)
        for y in outputs:
            _check_elementwise(call, y)
        return call.nested(found)

    return differentiated


def _check_elementwise(call: Call, y: Tensor) -> None:
    """Raise `ArgumentError` unless the Jacobian is diagonal, tested by its product with a random vector."""
    alike = [i for i, x in enumerate(call.variables) if x.shape == y.shape and y.size > 1]
    if not alike:
        return
    variables = [call.variables[i] for i in alike]
    weights = np.random.default_rng(0).uniform(1.0, 2.0, y.shape).astype(y.dtype)
    with np.errstate(all="ignore"):
        ones = pulled_back([y], [np.ones(y.shape, y.dtype)], variables, numbers=True)
        weighted = pulled_back([y], [weights], variables, numbers=True)
        for i, one, found in zip(alike, ones, weighted, strict=True):
            known = np.isfinite(found) & np.isfinite(one)
            largest = np.abs(one[known]).max(initial=0.0)
            off = known & (np.abs(found - weights * one) > 1e3 * np.finfo(y.dtype).eps * largest)
            if off.any():
                where = tuple(map(int, np.argwhere(off)[0]))
                raise ArgumentError(
                    f"{call.function} is not elementwise: the element {where} of {call.labels[i]} contributes to"
                    " results other than its own. Use tg.jacobian for the derivatives of all results, or tg.grad for"
                    " those of their sum"
                )


def vjp(function: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """Return the value of `function` at `primals`, and a function that multiplies by the transposed Jacobian there.

    After ``value, vjp_fn = vjp(f, x, y)``, ``vjp_fn(v)`` is ``(vᵀ ∂f/∂x, vᵀ ∂f/∂y)``: a tuple with one product for each
    primal, nested and shaped as the primal; v is nested and shaped as the value. The function runs once, and each call
    of `vjp_fn` is one sweep back. With `has_aux` the result is ``(value, vjp_fn, aux)``.

    Raise `ArgumentError` if v is not nested like the value, `ShapeError` if it is not shaped like it.

    >>> import numpy as np, tinygraph as tg
    >>> value, vjp_fn = tg.vjp(lambda A, x: A @ x, np.eye(2), np.array([1.0, 2.0]))
    >>> dA, dx = vjp_fn(np.array([1.0, 0.0]))
    >>> dA
    array([[1., 2.],
           [0., 0.]])
    """
    call = Call(function, range(len(primals)), primals, None, has_aux)
    outputs, structure = call.outputs()
    labels = [f"the result{path}" for path in structure.paths()]

    def vjp_fn(cotangents: Any) -> Any:
        seeds = like(cotangents, structure, outputs, labels, f"the cotangent for {call.function}")
        stays = call.stays or STATE.get().nested is not None or any(isinstance(x, Tensor) for x in seeds)
        if stays:
            call.last()
        return call.nested(sweep(outputs, seeds, call.variables, stays))

    value = call.plain(unflatten(structure, outputs))
    return (value, vjp_fn, call.plain(call.aux)) if has_aux else (value, vjp_fn)


def jvp(function: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], *, has_aux: bool = False) -> Any:
    """Return the value of `function` at `primals`, and its change along `tangents`: ``(f(x), ∂f/∂x t)``.

    `primals` is the tuple of the arguments, `tangents` a tuple nested and shaped alike. The change is exact, and takes
    two sweeps: the product with the transposed Jacobian is linear in its vector, and its transpose is the product with
    the Jacobian. A result that does not depend on the primals has the tangent 0. With `has_aux` the result is
    ``(value, tangent, aux)``.

    Raise `ArgumentError` or `ShapeError` if the tangents are not nested or shaped like the primals.

    >>> import numpy as np, tinygraph as tg
    >>> tg.jvp(lambda x: x**2, (np.array([1.0, 2.0]),), (np.array([1.0, 0.5]),))
    (array([1., 4.]), array([2., 2.]))
    """
    call, seeds = _along(function, primals, tangents, has_aux)
    outputs, structure = call.outputs()
    transposed, vectors = transposes(outputs, call.variables)
    found = sweep(transposed, seeds, vectors, call.stays)
    value, tangent = call.plain(unflatten(structure, outputs)), unflatten(structure, found)
    return (value, tangent, call.plain(call.aux)) if has_aux else (value, tangent)


def hvp(function: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
    """Return the product of the Hessian of a scalar function at `primals` with `tangents`, without the Hessian itself.

    `primals` is the tuple of the arguments, `tangents` a tuple nested and shaped alike. The product is nested as the
    argument; for several arguments it is a tuple. It costs one more sweep than the gradient: that of ⟨∇f, t⟩.

    >>> import numpy as np, tinygraph as tg
    >>> tg.hvp(lambda x: tg.sum(x**3), (np.array([1.0, 2.0]),), (np.array([1.0, 0.0]),))
    array([6., 0.])
    """
    call, seeds = _along(function, primals, tangents, False)
    value = call.scalar()
    with enable_grad():  # for the second sweep, even if the user records nothing
        gradient = pulled_back([value], [Tensor(np.ones((), value.dtype))], call.variables)
    found = call.nested(sweep(gradient, seeds, call.variables, call.stays))
    return found if len(primals) > 1 else found[0]


def _along(
    function: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool
) -> tuple[Call, list[Any]]:
    """Return a call on all primals, and the leaves of the tangents, which must match the primals."""
    name = name_of(function)
    for what, given in (("primals", primals), ("tangents", tangents)):
        if not isinstance(given, (tuple, list)):
            raise ArgumentError(f"the {what} of {name} are a tuple with one for each argument, as in ({what[:-1]},)")
    call = Call(function, range(len(primals)), primals, None, has_aux)
    seeds = like(tuple(tangents), flatten(tuple(primals))[1], call.variables, call.labels, f"the tangents for {name}")
    if any(isinstance(x, Tensor) for x in seeds):
        call.stays = True
        call.last()
    return call, seeds


def sweep(outputs: Sequence[Tensor], seeds: Sequence[Any], inputs: Sequence[Tensor], stays: bool) -> list[Any]:
    """Return the gradients of Σ ⟨output, seed⟩: tensors that can be differentiated again, or new arrays."""
    if stays:
        seeds = [seed if isinstance(seed, Tensor) else Tensor(seed) for seed in seeds]
        return pulled_back(outputs, seeds, inputs)
    return [np.array(x)[()] for x in pulled_back(outputs, [seed[()] for seed in seeds], inputs, numbers=True)]


def transposes(outputs: Sequence[Tensor], inputs: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """Return the products with the transposed Jacobian as a graph, and the vectors that it is linear in.

    The vectors are 0, so the values of the products mean nothing; only their graph is used.
    """
    vectors = [Tensor(np.zeros(y.shape, y.dtype)) for y in outputs]
    with np.errstate(all="ignore"), enable_grad():  # to be swept back in turn, even if the user records nothing
        return pulled_back(outputs, vectors, inputs), vectors
