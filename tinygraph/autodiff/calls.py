"""Calls of a user's function on variables of its own, which all transforms of functions make."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from sys import _getframe
from typing import Any, TypeAlias, cast

import numpy as np

from ..errors import ArgumentError, DTypeError, ShapeError
from ..graph.exits import refuse_left, variable_of
from ..graph.node import toposort
from ..graph.recording import NESTED, STATE, Nested
from ..graph.tensor import Tensor, array_of, make_leaf
from ..ops import astype, concat, reshape
from ..trees import Structure, flatten, instead, matched, unflatten

Argnums: TypeAlias = int | Sequence[int]


class Call:
    """A call of a function in which new variables replace the arguments to differentiate by.

    Raise `ArgumentError` if there are no such arguments, `DTypeError` if they are not floating.
    """

    function: str
    """The name of the function."""
    variables: list[Tensor]
    """The leaves of the differentiated arguments."""
    labels: list[str]
    """The names of the variables in messages."""
    stays: bool
    """Whether results stay tensors, since they may be differentiated again."""
    result: Any
    """The value that the function returned, without `aux`."""
    aux: Any
    """The second value that the function returned, with `has_aux`; None otherwise."""

    def __init__(
        self,
        function: Callable[..., Any],
        argnums: Argnums,
        args: Sequence[Any],
        kwargs: dict[str, Any] | None = None,
        has_aux: bool = False,
    ) -> None:
        _need_function(function, "a transform")
        self._within = Nested(owner=self)
        self.function = name_of(function)
        self.positions, self._several = _positions(argnums, len(args), self.function)
        self.variables, self.labels, self._structures = [], [], []
        names = parameter_names(function, len(args))
        given = list(args)
        rest = [arg for i, arg in enumerate(args) if i not in self.positions]
        self.stays = STATE.get().nested is not None or any(
            isinstance(x, Tensor) and x.requires_grad for x in flatten((rest, kwargs))[0]
        )
        for i in self.positions:
            leaves, structure = flatten(args[i])
            self.stays = self.stays or any(isinstance(x, Tensor) for x in leaves)
            labels = [f"{names[i] or f'argument {i}'}{path}" for path in structure.paths()]
            variables = [
                _variable(x, names[i] if len(leaves) == 1 else None, label, self.function, self._within)
                for x, label in zip(leaves, labels, strict=True)
            ]
            self._structures.append(structure)
            self.variables += variables
            self.labels += labels
            given[i] = unflatten(structure, variables)
        with self._within:
            self.result, self.aux = function(*given, **kwargs or {}), None
        results = [x for x in flatten(self.result)[0] if isinstance(x, Tensor)]
        refuse_left(results, f"the result of {self.function}", set(self.variables))
        if has_aux:
            if not isinstance(self.result, tuple) or len(self.result) != 2:
                raise ArgumentError(f"with has_aux=True {self.function} must return a pair, (value, aux)")
            self.result, self.aux = self.result
        self.stays = self.stays or (STATE.get().recording and _require_more(results))
        if self.stays:
            self.last()

    def last(self) -> None:
        """Keep the variables in use, since a result that depends on them is handed out."""
        self._within.last()

    def scalar(self) -> Tensor:
        """Return the result, which must be a floating scalar."""
        value = self.result
        if isinstance(value, (tuple, list, dict)):
            pair = isinstance(value, tuple) and len(value) == 2
            hint = "; with has_aux=True the second of two results is only passed on" if pair else ""
            raise ArgumentError(
                f"{self.function} returned a {type(value).__name__}; only a scalar has a gradient{hint}"
            )
        value = self._floating(value, "")
        if value.shape != ():
            raise ArgumentError(
                f"{self.function} returned shape {value.shape}; only a scalar has a gradient;"
                " for several results use tg.jacobian"
            )
        return value

    def outputs(self) -> tuple[list[Tensor], Structure]:
        """Return the leaves of the result, which must be floating tensors, and their structure."""
        leaves, structure = flatten(self.result)
        return [self._floating(x, path) for x, path in zip(leaves, structure.paths(), strict=True)], structure

    def _floating(self, x: Any, path: str) -> Tensor:
        where = f" as result{path}" if path else ""
        if not isinstance(x, Tensor):
            raise ArgumentError(
                f"{self.function} returned a {type(x).__name__}{where}, which does not know what it was computed from;"
                " make a constant with tg.Tensor, and return a result without a derivative as aux with has_aux=True"
            )
        if x.dtype.kind != "f":
            raise DTypeError(f"{self.function} returned {x.dtype}{where}; only floating results have a derivative")
        return x

    def nested(self, leaves: Sequence[Any]) -> Any:
        """Return leaves, one for each variable, nested like the differentiated arguments, in a tuple for several."""
        trees, start = [], 0
        for structure in self._structures:
            trees.append(unflatten(structure, leaves[start : start + structure.size]))
            start += structure.size
        return tuple(trees) if self._several else trees[0]

    def plain(self, tree: Any) -> Any:
        """Return the tree with its tensors copied to arrays, or the tree itself if results stay tensors."""
        return tree if self.stays else as_arrays(tree)


def _require_more(results: Sequence[Tensor]) -> bool:
    """Return whether the results require a gradient for a leaf other than the variables of their own call.

    Such a leaf may be a variable of a call that runs in another thread.
    """
    order = toposort(*results)
    if len(NESTED) == 1:  # no other call is running, and the question is quick
        return any(x.op is None and x.requires_grad and not hasattr(x, "_calls") for x in order)
    return any(
        any(call.running for call in variable_of(x)) if hasattr(x, "_calls") else x.op is None and x.requires_grad
        for x in order
    )


def name_of(function: Callable[..., Any]) -> str:
    """Return the name of a function; a `functools.partial` has the name of its function."""
    function = getattr(function, "func", function)
    return getattr(function, "__name__", type(function).__name__)


def parameter_names(function: Callable[..., Any], count: int) -> list[str | None]:
    """Return the names of the first `count` positional arguments; those in ``*args`` have None."""
    positional = positional_parameters(function)
    return [positional[i] if i < len(positional) else None for i in range(count)]


def positional_parameters(function: Callable[..., Any]) -> list[str]:
    """Return the names of the parameters that may be given by position, or [] if the signature is unknown."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    return [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]


def positional_count(function: Callable[..., Any]) -> int | None:
    """Return how many arguments may be given by position; None if any number may, or the signature is unknown."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    return None if any(p.kind is p.VAR_POSITIONAL for p in parameters) else len(positional_parameters(function))


def as_arrays(tree: Any) -> Any:
    """Return the tree with each tensor copied to an array, or to one of NumPy's numbers if it has no axes."""
    leaves, structure = flatten(tree)
    return unflatten(structure, [np.array(x._value)[()] if isinstance(x, Tensor) else x for x in leaves])


def like(tree: Any, structure: Structure, models: Sequence[Tensor], labels: Sequence[str], what: str) -> list[Any]:
    """Return the leaves of `tree`, cast to the dtypes of `models`; it must have their nesting and shapes."""
    found = []
    for x, model, label in zip(matched(tree, structure, what), models, labels, strict=True):
        x = x if isinstance(x, Tensor) else array_of(x, copy=None)
        if x.shape != model.shape:
            raise ShapeError(f"{what}: the one for {label} has shape {x.shape}, but {label} has {model.shape}")
        if x.dtype.kind not in "fiub":
            raise DTypeError(f"{what}: the one for {label} holds {x.dtype}")
        if x.dtype != model.dtype:
            x = astype(x, model.dtype) if isinstance(x, Tensor) else x.astype(model.dtype)
        found.append(x)
    return found


def packed(outputs: Sequence[Tensor]) -> Tensor:
    """Return several tensors as one vector, in a dtype that holds them all; return a single tensor unchanged."""
    if len(outputs) == 1:
        return outputs[0]
    dtype = np.result_type(*(x.dtype for x in outputs))
    return concat([reshape(x if x.dtype == dtype else astype(x, dtype), -1) for x in outputs])


def unpacked(vector: Tensor, models: Sequence[Tensor]) -> list[Tensor]:
    """Return the tensors that `packed` has joined, with the shapes and dtypes of `models`."""
    if len(models) == 1:
        return [vector]
    found, start = [], 0
    for model in models:
        part = reshape(vector[start : start + model.size], model.shape)
        found.append(part if part.dtype == model.dtype else astype(part, model.dtype))
        start += model.size
    return found


class _Older:
    """The set of all tensors that were made before a certain moment."""

    def __init__(self, born: int) -> None:
        self._born = born

    def __contains__(self, x: object) -> bool:
        return isinstance(x, Tensor) and x.age <= self._born


def fresh(tree: Any, call: Nested | None = None) -> tuple[Any, list[Tensor], int]:
    """Return the tree with new nodes for its tensors, these tensors, and an age; tensors made later have a larger age.

    With a call, the new nodes are leaves: the variables of the call.
    """
    given, structure = flatten(tree)
    inputs = [x for x in given if isinstance(x, Tensor)]
    variables = []
    for x in given:
        if isinstance(x, Tensor):
            if call is None:
                variable = astype(x, x.dtype)
            else:
                variable = make_leaf(Tensor.__new__(Tensor), x._value, _getframe(1))
                variable._calls = (call, x) if x.requires_grad else (x,)
            variable._requires_grad = x.requires_grad
            x = variable
        variables.append(x)
    return unflatten(structure, variables), inputs, Tensor(0.0).age


def captured_by(outputs: Sequence[Tensor], variables: Sequence[Any], born: int, smoothly: bool = False) -> list[Tensor]:
    """Return the tensors from outside, other than the variables, from which the outputs were computed.

    With `smoothly`, leave out those that are reached only through ops without a gradient, such as stop_gradient.
    """
    older = _Older(born)
    order = toposort(*outputs, stop=older)
    reached = set(outputs)
    for node in reversed(order):
        if node in reached and node not in older and node.op is not None and (node.op.differentiable or not smoothly):
            reached |= {x for x in node.inputs if isinstance(x, Tensor)}
    own = {x for x in variables if isinstance(x, Tensor)}
    return [x for x in order if x in older and x in reached and x not in own]


def called(function: Any, user: str) -> Callable[..., Any]:
    """Return the function; raise `TypeError` if it is not callable, is async or is a generator function."""
    _need_function(function, user)
    for asks, kind in _SUSPENDED.items():
        if asks(function) or asks(type(function).__call__):
            raise TypeError(f"{name_of(function)} is {kind} function, which does not return arrays when it is called")
    return cast(Callable[..., Any], function)


def _need_function(function: Any, user: str) -> None:
    if not callable(function):
        raise TypeError(f"{user} takes a function, not {type(function).__name__}")


_SUSPENDED: dict[Callable[[Any], bool], str] = {
    inspect.iscoroutinefunction: "an async",
    inspect.isgeneratorfunction: "a generator",
    inspect.isasyncgenfunction: "an async generator",
}


def whole_numbers(argnums: Any, what: str = "argnums") -> Argnums:
    """Return positions of arguments as an int or a tuple of ints; raise `TypeError` for anything else."""
    given = tuple(argnums) if isinstance(argnums, Iterable) else argnums
    if not all(is_whole(i) for i in (given if isinstance(given, tuple) else [given])):
        raise TypeError(f"{what} are positions of arguments, as {what}=0 or {what}=(0, 2), not {argnums!r}")
    return tuple(map(int, given)) if isinstance(given, tuple) else int(given)


def is_whole(x: Any) -> bool:
    """Return whether x is a whole number, other than True or False."""
    return isinstance(x, int | np.integer) and not isinstance(x, bool)


def _positions(argnums: Argnums, count: int, function: str) -> tuple[list[int], bool]:
    """Return the positions, counted from the start, and whether `argnums` is a sequence."""
    several = not isinstance(argnums, int)
    given = [argnums] if isinstance(argnums, int) else list(argnums)
    if not count:
        raise ArgumentError(f"{function} was called with no argument by position: there is nothing to differentiate by")
    for i in given:
        if not -count <= i < count:
            raise ArgumentError(
                f"argnums={argnums} asks for the argument {i}, but {function} was called with {count} by position;"
                " arguments by keyword are passed on as they are"
            )
    positions = [i % count for i in given]
    if not positions or len(set(positions)) < len(positions):
        raise ArgumentError(f"argnums={argnums} names {'an argument twice' if positions else 'no argument'}")
    return positions, several


def _variable(x: Any, name: str | None, label: str, function: str, call: Nested) -> Tensor:
    """Return a variable to differentiate by: a new leaf, or a new node for a tensor, whose other uses do not count."""
    try:
        variable = x if isinstance(x, Tensor) else Tensor(x, name=name)
    except (DTypeError, ShapeError) as error:
        raise type(error)(f"{label} of {function}: {error}{instead(x)}") from None
    if variable.dtype.kind != "f":
        number = variable is not x and variable.ndim == 0
        hint = repr(float(variable.item())) if number else f"np.asarray({label}, dtype=float)"
        raise DTypeError(
            f"{label} of {function} holds {variable.dtype}; only floating arguments have a gradient. Give it {hint}"
        )
    if variable is x:
        variable = astype(x, x.dtype)
        variable.name = x.name or name
    else:
        variable.requires_grad = True
        variable._settle()  # so that .data gives nobody an array to write to
    variable._calls = (call,)
    return variable
