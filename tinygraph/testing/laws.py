"""The laws that every op in the table must keep, and the inputs to test them on."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from .. import ops
from ..autodiff.traversal import gradients
from ..graph.records import APPLY, COMPOSITES, FUNCTIONS, NUMBERS, OPS, Composite, Op
from ..graph.replaying import evaluate
from ..graph.samples import Domain, Sample
from ..graph.tensor import Tensor
from .gradcheck import LawError, check_grads

Record = Op | Composite

# -- what to test an op on -----------------------------------------------------------------------------------------

_SHAPES: dict[int, list[tuple[tuple[int, ...], ...]]] = {
    1: [((2, 3),), ((),), ((1,),), ((0,),), ((2, 1, 3),)],
    2: [
        ((2, 3), (2, 3)),
        ((), ()),
        ((2, 3), ()),
        ((3,), (2, 3)),
        ((2, 1), (1, 3)),
        ((2, 1, 3), (4, 1)),
        ((0, 3), (3,)),
        ((3, 1), (1, 0)),
    ],
    3: [((2, 3), (2, 3), (2, 3)), ((3,), (2, 1), ()), ((), (), ()), ((0, 1), (1, 3), (3,))],
}


def records() -> list[Record]:
    """Return all records that the laws are for: the ops, and the functions that are composed of them."""
    return [*OPS.values(), *COMPOSITES.values()]


def samples(op: Record) -> Iterator[tuple[list[Any], dict[str, Any]]]:
    """Yield inputs and parameters to test an op on, which are the same on every run."""
    given: Sequence[Any] = op.samples or ()
    if op.samples is None or (given and not isinstance(given[0], Sample)):
        domains = tuple(given)
        given = [Sample(shapes, {}, domains) for shapes in _SHAPES[_count(op)]]
    for sample in given:
        rng = _rng(f"{op.name} {sample.shapes} {sample.params}")
        inputs = [
            _drawn(rng, shape, domain or Domain())
            for shape, domain in itertools.zip_longest(sample.shapes, sample.domains)
        ]
        yield inputs, dict(sample.params)


def _has_samples(op: Record) -> bool:
    """Return whether a record has samples of its own, and not only domains of its inputs."""
    return bool(op.samples) and isinstance(op.samples[0], Sample)


def _count(op: Record) -> int:
    """Return the number of inputs of an elementwise function."""
    return len(op.vjps) if isinstance(op, Op) else len(op.samples)


def _drawn(rng: np.random.Generator, shape: tuple[int, ...], domain: Domain) -> Any:
    if domain.boolean:
        return np.asarray(rng.random(shape) < 0.5)
    if domain.integer:
        return rng.integers(int(domain.low), int(domain.high), shape)
    x = rng.uniform(domain.low, domain.high, shape)
    if domain.increasing:
        x = np.sort(x) + 0.1 * np.arange(shape[-1])
    if domain.symmetric:
        x = (x + np.swapaxes(x, -1, -2)) / 2
    if domain.diagonal:
        x = x + domain.diagonal * np.eye(shape[-2], shape[-1])
    return np.asarray(x * rng.choice([-1.0, 1.0], shape) if domain.signs else x)


def _rng(text: str) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(text.encode()))


# -- the laws ------------------------------------------------------------------------------------------------------


def _tensors(inputs: Sequence[Any]) -> list[Tensor]:
    return [Tensor(x, requires_grad=x.dtype.kind == "f") for x in inputs]


def applied(op: Record, inputs: Sequence[Any], params: dict[str, Any]) -> Tensor:
    """Return the result of a function; of several results, one tensor of all those that have the first one's kind."""
    result: Any = op.apply(*inputs, **params)
    if isinstance(result, Tensor):
        return result
    if len(result) == 1:
        return result[0]  # type: ignore[no-any-return]
    return ops.concat([ops.reshape(y, -1) for y in _alike(result)])


def _value(function: Any, inputs: Sequence[Any], params: dict[str, Any]) -> Any:
    """Return the result of NumPy's function, put together in the same way."""
    result = function(*inputs, **params)
    if not isinstance(result, (tuple, list)):
        return result
    return np.concatenate([np.ravel(y) for y in _alike(result)]) if len(result) != 1 else result[0]


def _alike(results: Sequence[Any]) -> list[Any]:
    """Return those results that hold floating numbers if the first one does, without a rank or places beside them."""
    kinds = [(y if isinstance(y, Tensor) else np.asarray(y)).dtype.kind for y in results]
    return [y for y, kind in zip(results, kinds, strict=True) if kind == kinds[0]]


def _require(condition: Any, op: Record, message: str, inputs: Sequence[Any], params: dict[str, Any]) -> None:
    if not condition:
        shapes = ", ".join(f"{np.asarray(x).dtype}{np.shape(x)}" for x in inputs)
        raise LawError(f"{op.name}({shapes}, {params}): {message}")


def _same(x: Any, y: Any, rtol: float = 1e-12) -> bool:
    x, y = np.asarray(x), np.asarray(y)
    return x.shape == y.shape and x.dtype == y.dtype and np.allclose(x, y, rtol=rtol, atol=rtol, equal_nan=True)


def _numpys(op: Record) -> Any:
    """Return NumPy's function of the same name, or None."""
    if isinstance(op, Composite):
        return op.reference
    return getattr(np.linalg, op.name, None) or getattr(np, op.name, None)


def law_forward(op: Record, inputs: list[Any], params: dict[str, Any]) -> None:
    """The forward for numbers, the rule run on numbers, the recorded value and NumPy's function all agree."""
    recorded = applied(op, _tensors(inputs), params)
    _require(_same(evaluate([recorded])[0], recorded.data), op, "evaluated anew it differs", inputs, params)
    if isinstance(op, Op):
        value: Any = op.run(*inputs, **params)
        _require(_same(op.forward(NUMBERS, *inputs, **params), value), op, "the rule and run differ", inputs, params)
        _require(_same(recorded.data, value), op, "the recorded value differs", inputs, params)
        if op.variadic or "dtype" in params:  # which NumPy takes by position
            return
    theirs = _numpys(op)
    if theirs is not None:
        _require(_same(_value(theirs, inputs, params), recorded.data), op, "NumPy's value differs", inputs, params)


def law_rule_in_graph(op: Record, inputs: list[Any], params: dict[str, Any]) -> None:
    """The forward rule run on nodes gives the same value as on numbers."""
    if isinstance(op, Op):
        recorded = op.forward(ops, *_tensors(inputs), **params)
        _require(_same(recorded.data, op.run(*inputs, **params)), op, "the rule on nodes differs", inputs, params)


def law_gradient(op: Record, inputs: list[Any], params: dict[str, Any]) -> None:
    """First and second derivatives agree with central differences, those of the gradient by its cotangent too.

    A rule is linear in the cotangent.
    """
    recorded = applied(op, _tensors(inputs), params)
    if isinstance(op, Op) and not op.differentiable:
        _require(not recorded.requires_grad, op, "it has no rule, yet requires a gradient", inputs, params)
    if not recorded.requires_grad:
        return
    floats = [i for i, x in enumerate(inputs) if x.dtype.kind == "f"]

    def function(*xs: Any) -> Tensor:
        given = list(inputs)
        for i, x in zip(floats, xs, strict=True):
            given[i] = x
        return applied(op, consistent(op, given), params)

    try:
        check_grads(function, *[inputs[i] for i in floats])
    except LawError as error:
        raise LawError(f"{op.name}, {params}: {error}") from None


def consistent(op: Record, inputs: list[Any]) -> list[Any]:
    """Return inputs as the op demands them: one computed from another, as in a = σ(z), and symmetric matrices."""
    given = list(inputs)
    for reported, carrier in op.aside.items() if isinstance(op, Op) else ():
        given[reported] = ops.sigmoid(given[carrier])
    domains = op.samples[0].domains if _has_samples(op) else op.samples or ()
    for i, domain in enumerate(domains):
        if domain is not None and domain.symmetric:
            given[i] = (given[i] + ops.matrix_transpose(given[i])) / 2
        if domain is not None and domain.computed:
            given[i] = APPLY[domain.computed](*given[:i])
    return given


def law_backward(op: Record, inputs: list[Any], params: dict[str, Any]) -> None:
    """Numbers and nodes give the same gradients, with the shape and dtype of their inputs, and change nothing."""
    before = [x.copy() for x in inputs]
    tensors = _tensors(inputs)
    output = applied(op, tensors, params)
    if not output.requires_grad:
        return
    seed = np.asarray(_rng(op.name).standard_normal(output.shape))
    kept = seed.copy()
    sought = _with_gradient(op, tensors)
    nodes = gradients(output, sought, seed)
    output.backward(seed)
    for x, node in zip(sought, nodes, strict=True):
        _require(x.grad is not None and _same(x.grad, node.data), op, "numbers and nodes differ", inputs, params)
        _require(x.grad.shape == x.shape and x.grad.dtype == x.dtype, op, "foo and dfoo differ", inputs, params)  # type: ignore[union-attr]
    arrays = [x.grad for x in sought] + [output.grad, seed]
    shared = any(np.shares_memory(a, b) for a, b in itertools.combinations(arrays, 2))
    _require(not shared, op, "two gradients share memory", inputs, params)
    unchanged = all(map(np.array_equal, [*before, kept], [*inputs, seed]))
    _require(unchanged, op, "an input or the seed was changed", inputs, params)


def _with_gradient(op: Record, tensors: Sequence[Tensor]) -> list[Tensor]:
    """Return the inputs that have a gradient rule and require a gradient."""
    rules: Sequence[Any] = [True] * len(tensors) if isinstance(op, Composite) or op.variadic else op.vjps
    return [x for x, rule in zip(tensors, rules, strict=True) if x.requires_grad and rule]


def law_float32(op: Record, inputs: list[Any], params: dict[str, Any]) -> None:
    """An op takes float32 to float32, and so do its gradients."""
    if "dtype" in params or not any(x.dtype.kind == "f" for x in inputs):
        return
    tensors = _tensors([x.astype(np.float32) if x.dtype.kind == "f" else x for x in inputs])
    output = applied(op, tensors, params)
    if output.dtype.kind != "f":
        return
    _require(output.dtype == np.float32, op, f"float32 became {output.dtype}", inputs, params)
    if output.requires_grad:
        output.backward(np.ones(output.shape))
        for x in tensors:
            _require(x.grad is None or x.grad.dtype == np.float32, op, "its gradient is not float32", inputs, params)


_WHOLE = {"bool": (0, 1), "uint8": (0, 255), "int8": (-128, 127), "int64": (-9, 9), "uint64": (0, 9)}


def law_integers(op: Record, inputs: list[Any], params: dict[str, Any]) -> None:
    """What has floating results of integers has those of the same numbers in float64: nothing wraps around on the way.

    Where an op trusts the function before it to check its operands, or has the dtype of NumPy's function, which may be
    narrow, it is not asked; nor where numbers such as probabilities are no integers.
    """
    floats = [i for i, x in enumerate(inputs) if x.dtype.kind == "f"]
    trusts = isinstance(op, Op) and op.apply not in FUNCTIONS.values()
    if trusts or not floats or "dtype" in params:
        return
    given = itertools.chain.from_iterable(s.domains if isinstance(s, Sample) else [s] for s in op.samples or ())
    domains = [domain for domain in given if domain is not None]
    if any(domain.high <= 1 or domain.computed or domain.increasing for domain in domains):
        return
    masks = any(domain.boolean for domain in domains)  # as an index, a boolean means something else than 0 and 1
    for dtype, (low, high) in _WHOLE.items():
        if masks and dtype == "bool":
            continue
        rng = _rng(f"{op.name} {dtype}")
        whole, same = list(inputs), list(inputs)
        for i in floats:
            whole[i] = np.asarray(rng.integers(low, high, inputs[i].shape, endpoint=True)).astype(dtype)
            same[i] = whole[i].astype(np.float64)
        with np.errstate(all="ignore"):
            try:
                found = applied(op, whole, params).data
            except (TypeError, ValueError, ArithmeticError, np.linalg.LinAlgError):  # it refuses some of them
                continue
            expected = applied(op, same, params).data
            if found.dtype.kind != "f" or expected.dtype.kind != "f":
                continue
            rtol = {"float16": 1e-2, "float32": 1e-5}.get(found.dtype.name, 1e-12)
            expected = expected.astype(found.dtype)  # NumPy's dtype may be too narrow
            size = np.max(np.abs(expected), initial=1.0, where=np.isfinite(expected))
            close = np.allclose(found, expected, rtol=rtol, atol=rtol * float(size), equal_nan=True)
        _require(found.shape == expected.shape and close, op, "integers wrap around", whole, params)


def law_layouts(op: Record, inputs: list[Any], params: dict[str, Any]) -> None:
    """Strides, byte order and write protection of the inputs change neither the value nor the gradients."""
    value, gradient = _differentiated(op, inputs, params)
    for layout in (_reversed_strides, _column_major, _every_other, _read_only, _other_byte_order):
        found, slopes = _differentiated(op, [layout(x) for x in inputs], params)
        how = f"with{layout.__name__.replace('_', ' ')}"
        _require(_same(found, value), op, how, inputs, params)
        for x, y in zip(slopes, gradient, strict=True):
            _require(_same(x, y), op, f"{how}, its gradient", inputs, params)


def _differentiated(op: Record, inputs: Sequence[Any], params: dict[str, Any]) -> tuple[Any, list[Any]]:
    """Return the value of a function, and the gradients that it gives to its inputs."""
    tensors = _tensors(inputs)
    output = applied(op, tensors, params)
    if output.requires_grad:
        output.backward(np.ones(output.shape))
    return output.data, [x.grad for x in tensors if x.grad is not None]


def _reversed_strides(x: Any) -> Any:
    flip = (slice(None, None, -1),) * x.ndim
    return np.ascontiguousarray(x[flip])[flip] if x.ndim else x


def _column_major(x: Any) -> Any:
    return np.array(x, order="F")


def _every_other(x: Any) -> Any:
    return np.repeat(x, 2, axis=-1)[..., ::2] if x.ndim else x


def _read_only(x: Any) -> Any:
    x = x.copy()
    x.flags.writeable = False
    return x


def _other_byte_order(x: Any) -> Any:
    return x.astype(x.dtype.newbyteorder())


def law_same_operand_twice(op: Record, inputs: list[Any], params: dict[str, Any]) -> None:
    """A tensor that stands in every place gets the sum of the gradients of all places."""
    shapes = {x.shape for x in inputs}
    floats = all(x.dtype.kind == "f" for x in inputs)
    if len(inputs) < 2 or len(shapes) > 1 or not floats or (isinstance(op, Op) and op.aside):
        return
    several = [Tensor(inputs[0], requires_grad=True) for _ in inputs]
    one = Tensor(inputs[0], requires_grad=True)
    with np.errstate(all="ignore"):  # some places may be for positive numbers only
        output = applied(op, several, params)
        if not output.requires_grad:
            return
        output.backward(np.ones(output.shape))
        output = applied(op, [one] * len(inputs), params)
        output.backward(np.ones(output.shape))
        total = sum(x.grad for x in several if x.grad is not None)
    _require(one.grad is not None and _same(one.grad, total), op, "one tensor twice", inputs, params)


def law_upstream(op: Record, inputs: list[Any], params: dict[str, Any]) -> None:
    """An infinity or NaN in the cotangent of one element of an elementwise function stays with that element."""
    floats = [i for i, x in enumerate(inputs) if x.dtype.kind == "f"]
    if op.kind != "elementwise" or len({x.shape for x in inputs}) > 1 or not inputs[0].size > 1 or not floats:
        return
    found = []
    for spoiled in (1.0, np.inf, np.nan):
        tensors = _tensors(inputs)
        output = applied(op, tensors, params)
        if not output.requires_grad or output.shape != inputs[0].shape:
            return
        seed = np.ones(output.shape)
        seed.flat[0] = spoiled
        with np.errstate(all="ignore"):
            output.backward(seed)
        found.append(
            [np.zeros(x.shape) if x.grad is None else x.grad.ravel()[1:] for x in (tensors[i] for i in floats)]
        )
    for spoiled_one in found[1:]:
        for x, y in zip(found[0], spoiled_one, strict=True):
            _require(np.array_equal(x, y, equal_nan=True), op, "a cotangent spoils other elements", inputs, params)


SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, 2.0, np.inf, -np.inf, np.nan, 1e308, -1e308, 1e-308, 1000.0, -1000.0]


def special_inputs(op: Record) -> list[Any]:
    """Return inputs of an elementwise function that broadcast to all combinations of special values."""
    inputs = []
    for domain, i in zip(op.samples or [None] * _count(op), reversed(range(_count(op))), strict=True):
        x = np.array(SPECIAL)
        if domain is not None and domain.boolean:
            x = x > 0
        elif domain is not None and domain.integer:
            x = np.array([0, 1, 2, 5])
        inputs.append(x.reshape((-1,) + (1,) * i))
    return inputs


def law_special_values(op: Record) -> None:
    """On 0, ±inf, NaN and the ends of the range: NumPy's value, and the same gradient from numbers and nodes."""
    if op.kind != "elementwise" or (isinstance(op, Op) and op.params) or _has_samples(op):
        return
    inputs = special_inputs(op)
    with np.errstate(all="ignore"):
        theirs = _numpys(op)
        tensors = _tensors(inputs)
        output = applied(op, tensors, {})
        value = op.run(*inputs) if isinstance(op, Op) else output.data
        _require(theirs is None or _same(_value(theirs, inputs, {}), value), op, "differs from NumPy", inputs, {})
        _require(_same(output.data, value), op, "the recorded value differs", inputs, {})
        if not output.requires_grad:
            return
        sought = _with_gradient(op, tensors)
        nodes = gradients(output, sought, np.ones(output.shape))
        output.backward(np.ones(output.shape))
        for x, node in zip(sought, nodes, strict=True):
            _require(_same(x.grad, node.data), op, "numbers and nodes differ", inputs, {})


LAWS: tuple[Callable[[Record, list[Any], dict[str, Any]], None], ...] = (
    law_forward,
    law_rule_in_graph,
    law_gradient,
    law_backward,
    law_float32,
    law_integers,
    law_layouts,
    law_same_operand_twice,
    law_upstream,
)
"""The laws on each sample of an op. `law_special_values` concerns the op as a whole."""


def check_op(name: str) -> None:
    """Check an op of the table, or a composite, on all its samples by all laws, as you do when you add one.

    >>> from tinygraph.testing import check_op
    >>> check_op("tanh")
    """
    op = OPS[name] if name in OPS else COMPOSITES[name]
    for inputs, params in samples(op):
        for law in LAWS:
            law(op, inputs, params)
    law_special_values(op)
