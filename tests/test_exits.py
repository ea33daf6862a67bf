"""The numbers of a tensor leave a graph or a trace only by the documented exits.

The table lists every way in which they could leave. A row either records, so that the gradient is right, and remains
right when the compiled program runs with other numbers; or it is refused with our own message; or it is a documented
exit, whose result is a constant. In a trace no number becomes a constant that the next call would find unchanged.
Private names (``x._array``) are out of scope.
"""

import array
import asyncio
import contextlib
import contextvars
import copy
import ctypes
import dataclasses
import gc
import io
import json
import math
import operator
import pickle
import random
import re
import statistics
import struct
import threading
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.reduction import ForkingPickler
from typing import Any, NamedTuple

import numpy as np
import pytest

import tinygraph as tg
from tinygraph.diagnosis.summaries import summary
from tinygraph.graph.recording import NESTED
from tinygraph.graph.replaying import evaluate

FIRST, SECOND = np.array([0.6, 1.3]), np.array([1.7, 0.8])
ALONG = np.array([1.0, -0.5])

RECORDS, REFUSES, CONSTANT, SILENT = "records", "refuses", "constant", "silent"


class Row(NamedTuple):
    """A possible exit: a function of a vector of two, and one that computes the same with recorded operations."""

    name: str
    leave: Any
    same: Any
    inside: str
    """What it does in a function that is differentiated, and in the gradient of a plain computation."""
    trace: str = ""
    """What it does in a function that is compiled; by default the same, and a constant is refused."""
    leaf: str = ""
    """What it does with a parameter of one's own, where that is something else."""
    computed: str = ""
    """What it does with what was computed from one."""
    loud: tuple[type[Exception], ...] = ()
    """How others refuse, that never asked us for numbers."""

    def expected(self, kind, place):
        if kind != "trace":
            return getattr(self, kind) or self.inside
        if place == "value" and self.trace == CONSTANT:
            return RECORDS  # which differ in the gradient alone
        return self.trace or (REFUSES if self.inside == CONSTANT else self.inside)


# -- the rows ------------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Holder:
    x: Any


def tied(x):
    first, second = copy.deepcopy([x, x])
    assert first is second
    return first + second


def read(text):
    """Return the first number in the text of a tensor, if it shows any."""
    if "shape=" in text:
        raise tg.UnsupportedError("there are no numbers to read")
    return float(re.findall(r"[-\d.]+", text)[0])


def saved(write):
    def leave(x):
        file = io.BytesIO()
        write(file, x)
        file.seek(0)
        return np.load(file)

    return leave


def into(change):
    """Return a function that makes an array and writes its argument into it by `change`."""

    def leave(x):
        result = np.zeros(2)
        change(result, x)
        return result

    return leave


def objects(x):
    held = np.empty(2, object)
    held[0], held[1] = x
    return held.sum()


def appended(x):
    held = []
    for each in x:
        held.append(each)
    return np.array(held)


def augmented(result, x):
    result += x


def set_first(result, x):
    result[0] = x[0]


def set_all(result, x):
    result[:] = x


def set_ellipsis(result, x):
    result[...] = x


def without_gradient(x):
    x.requires_grad = False
    return float(x[0])


def with_other_data(x):
    x.data = 2 * x.data
    return x


def with_data_written_to(x):
    x.data[...] = 2 * x.data
    return x


def in_no_grad(x):
    with tg.no_grad():
        return x * 1.0


def asked_in_no_grad(x):
    with tg.no_grad():
        return float(x[0])


def looped(x):
    total = 0.0
    for each in x:
        total = total + each
    return total


def unpacked(x):
    a, b = x
    return a * b


def shuffled(x):
    items = list(x)
    random.Random(0).shuffle(items)
    return items[0] + 2 * items[1]


def shuffled_in_place(x):
    random.Random(0).shuffle(x)
    return x


def itself(x):
    return x


def first(x):
    return x[0]


def total(x):
    return tg.sum(x)


def larger(x):
    return tg.where(x[0] > x[1], 3.0, 5.0)


def position(x):
    return np.argmax(x)


def at_position(x):
    return tg.where(position(x) == 0, 10.0, 20.0)


def unchanged(x):
    return tg.Tensor(2.0)


ROWS = [
    # copies
    Row("copy.copy", copy.copy, itself, RECORDS, leaf=CONSTANT, computed=REFUSES),
    Row("copy.deepcopy", copy.deepcopy, itself, RECORDS, leaf=CONSTANT, computed=REFUSES),
    Row("deepcopy of a dict", lambda x: copy.deepcopy({"x": x})["x"], itself, RECORDS, leaf=CONSTANT, computed=REFUSES),
    Row("deepcopy of a list", tied, lambda x: x + x, RECORDS, leaf=CONSTANT, computed=REFUSES),
    Row(
        "deepcopy of an object", lambda x: copy.deepcopy(Holder(x)).x, itself, RECORDS, leaf=CONSTANT, computed=REFUSES
    ),
    Row("copy of an object", lambda x: copy.copy(Holder(x)).x, itself, RECORDS),
    Row(
        "dataclasses.asdict",
        lambda x: dataclasses.asdict(Holder(x))["x"],
        itself,
        RECORDS,
        leaf=CONSTANT,
        computed=REFUSES,
    ),
    Row(
        "copy of a copy", lambda x: copy.copy(copy.copy(x * 1.0) * 1.0), itself, RECORDS, leaf=REFUSES, computed=REFUSES
    ),
    Row(".copy()", lambda x: x.copy(), itself, RECORDS),
    Row("np.copy", np.copy, itself, RECORDS),
    # pickles
    *(
        Row(
            f"pickle, protocol {i}",
            lambda x, i=i: pickle.loads(pickle.dumps(x, i)),
            itself,
            REFUSES,
            "",
            CONSTANT,
            CONSTANT,
        )
        for i in range(pickle.HIGHEST_PROTOCOL + 1)
    ),
    Row(
        "pickle of a dict", lambda x: pickle.loads(pickle.dumps({"x": x}))["x"], itself, REFUSES, "", CONSTANT, CONSTANT
    ),
    Row("__reduce_ex__", lambda x: x.__reduce_ex__(4)[1][0], itself, REFUSES, "", CONSTANT, CONSTANT),
    Row(
        "multiprocessing",
        lambda x: pickle.loads(ForkingPickler.dumps(x)),
        itself,
        REFUSES,
        "",
        CONSTANT,
        CONSTANT,
    ),
    Row("__reduce__", lambda x: x.__reduce__()[1][0], itself, REFUSES, "", CONSTANT, CONSTANT),
    # constructors
    Row("Tensor(x)", tg.Tensor, itself, REFUSES),
    Row("Tensor([x, y])", lambda x: tg.Tensor([x[0], x[1]]), itself, REFUSES),
    Row("Tensor of an array of x", lambda x: tg.Tensor(np.asarray(x)), itself, REFUSES),
    Row("parameter(x)", tg.parameter, itself, REFUSES),
    Row("parameter([x, y])", lambda x: tg.parameter([x[0], x[1]]), itself, REFUSES),
    Row("np.array", np.array, itself, REFUSES),
    Row("np.asarray", np.asarray, itself, REFUSES),
    Row("np.asanyarray", np.asanyarray, itself, REFUSES),
    Row("np.ascontiguousarray", np.ascontiguousarray, itself, REFUSES),
    Row("np.asfortranarray", np.asfortranarray, itself, REFUSES),
    Row("np.asarray_chkfinite", np.asarray_chkfinite, itself, REFUSES),
    Row("np.require", np.require, itself, REFUSES),
    Row("np.asarray, dtype=object", lambda x: np.asarray(x, dtype=object), itself, REFUSES),
    Row("np.array([x, y])", lambda x: np.array([x[0], x[1]]), itself, REFUSES),
    Row("np.array(list(x))", lambda x: np.array(list(x)), itself, REFUSES),
    Row("np.float64(x)", lambda x: np.float64(x[0]), first, REFUSES),
    Row("np.fromiter", lambda x: np.fromiter(x, float), itself, REFUSES, loud=(ValueError,)),
    Row("np.vectorize", lambda x: np.vectorize(float)(x), itself, REFUSES),
    Row("np.nditer", lambda x: np.array([float(v) for v in np.nditer(x)]), itself, REFUSES, loud=(TypeError,)),
    Row("np.ndenumerate", lambda x: np.array([v for _, v in np.ndenumerate(x)]), itself, REFUSES),
    Row("np.ma.array", lambda x: np.ma.array(x).data, itself, REFUSES),
    Row("np.save", saved(np.save), itself, REFUSES),
    Row("np.savez", lambda x: saved(lambda file, x: np.savez(file, x=x))(x)["x"], itself, REFUSES),
    Row("np.savetxt", lambda x: np.savetxt(io.StringIO(), x), itself, REFUSES),
    # iteration
    Row("list", lambda x: tg.stack(list(x)), itself, RECORDS),
    Row("unpacking", unpacked, lambda x: x[0] * x[1], RECORDS),
    Row("a loop", looped, total, RECORDS),
    Row("sum", sum, total, RECORDS),
    Row("reversed", lambda x: tg.stack(list(reversed(x))), lambda x: x[::-1], RECORDS),
    Row("enumerate", lambda x: sum(i * v for i, v in enumerate(x)), lambda x: x[1], RECORDS),
    Row("zip", lambda x: sum(a * b for a, b in zip(x, x, strict=True)), lambda x: tg.sum(x * x), RECORDS),
    Row("map", lambda x: sum(map(tg.tanh, x)), lambda x: tg.sum(tg.tanh(x)), RECORDS),
    Row("a generator", lambda x: sum(v * v for v in x), lambda x: tg.sum(x * x), RECORDS),
    Row("np.array of a list kept", appended, itself, REFUSES),
    Row("random.shuffle of a list", shuffled, lambda x: tg.sum(x * np.array([1.0, 2.0])), RECORDS),
    Row("random.shuffle", shuffled_in_place, itself, REFUSES),
    # by value
    Row("sorted", lambda x: sorted(x)[0], lambda x: tg.min(x), RECORDS, REFUSES),
    Row("min", min, lambda x: tg.min(x), RECORDS, REFUSES),
    Row("max", max, lambda x: tg.max(x), RECORDS, REFUSES),
    Row("if", lambda x: 3.0 if x[0] > x[1] else 5.0, larger, RECORDS, REFUSES),
    Row("bool", lambda x: 3.0 if bool(x[0] > x[1]) else 5.0, larger, RECORDS, REFUSES),
    Row("not", lambda x: 5.0 if not x[0] > x[1] else 3.0, larger, RECORDS, REFUSES),
    Row("any", lambda x: 3.0 if any(x > 1.5) else 5.0, larger, RECORDS, REFUSES),
    Row("in", lambda x: 3.0 if 1.7 in x else 5.0, larger, RECORDS, REFUSES),
    Row("in a list", lambda x: 3.0 if x[0] in [1.7] else 5.0, larger, RECORDS, REFUSES),
    Row("list.index", lambda x: [10.0, 20.0][[1.7, 0.6].index(x[0])], at_position, RECORDS, REFUSES),
    Row("==", lambda x: tg.where(x == 1.7, x, 2 * x), lambda x: tg.where(x == 1.7, x, 2 * x), RECORDS),
    Row("identity", lambda x: 2.0 if x is x and x in {x} and {x: 1}[x] and hash(x) else 1.0, unchanged, RECORDS),
    Row("np.array_equal", lambda x: 3.0 if np.array_equal(x[0], 1.7) else 5.0, larger, RECORDS, REFUSES),
    # numbers
    Row("float", lambda x: float(x[0]), first, REFUSES),
    Row("complex", lambda x: complex(x[0]).real, first, REFUSES),
    Row("int", lambda x: int(x[0]), tg.floor, REFUSES),
    Row("round", lambda x: round(x[0]), tg.round, REFUSES),
    Row("round, 1", lambda x: round(x[0], 1), first, REFUSES),
    Row("math.floor", lambda x: math.floor(x[0]), tg.floor, REFUSES),
    Row("math.ceil", lambda x: math.ceil(x[0]), tg.ceil, REFUSES),
    Row("math.trunc", lambda x: math.trunc(x[0]), tg.trunc, REFUSES),
    Row("math.sqrt", lambda x: math.sqrt(x[0]), lambda x: tg.sqrt(x[0]), REFUSES),
    Row("math.fsum", math.fsum, total, REFUSES),
    Row("math.prod", math.prod, tg.prod, RECORDS),
    Row("math.hypot", lambda x: math.hypot(*x), lambda x: tg.hypot(x[0], x[1]), REFUSES),
    Row("math.isclose", lambda x: 3.0 if math.isclose(x[0], 1.7) else 5.0, larger, REFUSES),
    Row("operator.index", lambda x: operator.index(x[0]), tg.floor, REFUSES),
    Row("divmod", lambda x: divmod(x, 0.5)[1], lambda x: x % 0.5, RECORDS),
    Row("pow", lambda x: pow(x, 2), lambda x: x**2, RECORDS),
    Row("abs", abs, itself, RECORDS),
    Row("statistics.mean", lambda x: statistics.mean(x), lambda x: tg.mean(x), REFUSES, loud=(TypeError,)),
    Row("statistics.fmean", lambda x: statistics.fmean(x), lambda x: tg.mean(x), REFUSES),
    # text
    Row("str", lambda x: read(str(x[0])), first, CONSTANT),
    Row("repr", lambda x: read(repr(x[0])), first, CONSTANT),
    Row("format", lambda x: read(format(x[0])), first, CONSTANT),
    Row("f-string", lambda x: read(f"{x[0]}"), first, CONSTANT),
    Row("f-string, a list", lambda x: read(f"{[x[0]]}"), first, CONSTANT),
    Row("f-string, !r", lambda x: read(f"{x[0]!r}"), first, CONSTANT),
    Row("f-string, .3f", lambda x: float(f"{x[0]:.3f}"), first, CONSTANT),
    Row("str.format", lambda x: float("{:.3f}".format(x[0])), first, CONSTANT),  # noqa: UP032
    Row("%s", lambda x: read("%s" % x[0]), first, CONSTANT),  # noqa: UP031
    Row("%f", lambda x: float("%f" % x[0]), first, REFUSES),  # noqa: UP031
    Row("json.dumps", lambda x: json.loads(json.dumps(x)), itself, REFUSES, loud=(TypeError,)),
    Row("json.dumps, default=float", lambda x: json.loads(json.dumps(x[0], default=float)), first, REFUSES),
    Row("np.array2string", lambda x: read(np.array2string(x)), first, REFUSES),
    Row("np.array_repr", lambda x: read(np.array_repr(x)), first, REFUSES),
    # buffers
    Row("memoryview", lambda x: np.asarray(memoryview(x)), itself, REFUSES, loud=(TypeError,)),
    Row("bytes", lambda x: np.frombuffer(bytes(x)), itself, REFUSES),
    Row("bytearray", lambda x: np.frombuffer(bytearray(x)), itself, REFUSES),
    Row("array.array", lambda x: np.asarray(array.array("d", x)), itself, REFUSES),
    Row("struct.pack", lambda x: struct.unpack("d", struct.pack("d", x[0]))[0], first, REFUSES, loud=(struct.error,)),
    Row("np.frombuffer", np.frombuffer, itself, REFUSES, loud=(TypeError,)),
    Row("np.from_dlpack", np.from_dlpack, itself, REFUSES, loud=(TypeError, AttributeError)),
    Row("__dlpack__", lambda x: x.__dlpack__(), itself, REFUSES, loud=(AttributeError,)),
    Row("__array_interface__", lambda x: x.__array_interface__, itself, REFUSES, loud=(AttributeError,)),
    Row("__array_struct__", lambda x: x.__array_struct__, itself, REFUSES, loud=(AttributeError,)),
    Row("__array__", lambda x: x.__array__(), itself, REFUSES),
    Row("ctypes", lambda x: ctypes.c_double(x[0]).value, first, REFUSES, loud=(TypeError,)),
    Row(".tobytes()", lambda x: np.frombuffer(x.tobytes()), itself, REFUSES, loud=(AttributeError,)),
    # attributes
    Row(".data", lambda x: x.data, itself, CONSTANT),
    Row(".value", lambda x: x.value, itself, CONSTANT),
    Row(".args", lambda x: (x * 1.0).args[0], itself, CONSTANT),
    Row(".item()", lambda x: x[0].item(), first, CONSTANT),
    Row(".tolist()", lambda x: np.array(x.tolist()), itself, CONSTANT),
    Row(".detach()", lambda x: x.detach(), itself, CONSTANT),
    Row(".inputs", lambda x: (x * 1.0).inputs[0], itself, RECORDS),
    Row(".T", lambda x: x.T, itself, RECORDS),
    Row(".real", lambda x: x.real, itself, RECORDS),
    Row(".imag", lambda x: x.imag, lambda x: x * 0.0, RECORDS),
    Row(".flat", lambda x: x.flat, itself, REFUSES, loud=(AttributeError,)),
    Row("requires_grad = False", without_gradient, first, REFUSES),
    Row("data = …", with_other_data, itself, REFUSES, leaf="changed"),
    Row("data[...] = …", with_data_written_to, itself, REFUSES, leaf="changed", loud=(ValueError,)),
    Row("no_grad", in_no_grad, itself, CONSTANT),
    Row("float in no_grad", asked_in_no_grad, first, CONSTANT),
    Row("stop_gradient", tg.stop_gradient, itself, CONSTANT, CONSTANT),
    Row("evaluate", lambda x: evaluate([x * 1.0])[0], itself, CONSTANT),
    # SciPy
    Row("scipy.special.expit", lambda x: pytest.importorskip("scipy.special").expit(x), tg.sigmoid, RECORDS),
    Row(
        "scipy.linalg.norm",
        lambda x: pytest.importorskip("scipy.linalg").norm(x),
        lambda x: tg.sqrt(tg.sum(x * x)),
        REFUSES,
    ),
    Row("scipy.special.j0", lambda x: pytest.importorskip("scipy.special").j0(x), itself, REFUSES),
    Row("scipy.stats.zscore", lambda x: pytest.importorskip("scipy.stats").zscore(x), itself, REFUSES),
    # written into an array
    Row("a[0] = x", into(set_first), itself, REFUSES, loud=(ValueError,)),
    Row("a[:] = x", into(set_all), itself, REFUSES),
    Row("a[...] = x", into(set_ellipsis), itself, REFUSES),
    Row("a += x", into(augmented), itself, REFUSES),
    Row("out=a", into(lambda a, x: np.add(x, 0.0, out=a)), itself, REFUSES),
    Row("np.copyto", into(np.copyto), itself, REFUSES),
    Row("np.put", into(lambda a, x: np.put(a, [0, 1], x)), itself, REFUSES),
    Row("np.place", into(lambda a, x: np.place(a, [True, True], x)), itself, REFUSES),
    Row("np.putmask", into(lambda a, x: np.putmask(a, [True, True], x)), itself, REFUSES),
    Row("np.fill_diagonal", lambda x: into(lambda a, x: np.fill_diagonal(np.zeros((2, 2)), x))(x), itself, REFUSES),
    Row("a.fill", into(lambda a, x: a.fill(x[0])), first, REFUSES, loud=(ValueError,)),
    Row("a.put", into(lambda a, x: a.put([0, 1], x)), itself, REFUSES),
    Row("np.add.at", into(lambda a, x: np.add.at(a, [0, 1], x)), itself, REFUSES),
    Row("a.dot(x)", lambda x: np.eye(2).dot(x), itself, REFUSES),
    Row("a @ x", lambda x: np.eye(2) @ x, itself, RECORDS),
    Row("a.searchsorted", lambda x: np.arange(2.0).searchsorted(x[0]), larger, REFUSES),
    Row("an array of objects", objects, total, RECORDS),
    # arguments that are no operands
    Row("a list at a tensor", lambda x: [10.0, 20.0][position(x)], at_position, RECORDS, REFUSES),
    Row("an array at a tensor", lambda x: np.array([10.0, 20.0])[position(x)], at_position, RECORDS, REFUSES),
    Row("int(argmax)", lambda x: 10.0 * (1 + int(position(x))), at_position, RECORDS, REFUSES),
    Row("argmax.item()", lambda x: 10.0 * (1 + position(x).item()), at_position, RECORDS, REFUSES),
    Row("range", lambda x: 10.0 * (1 + len(range(position(x)))), at_position, RECORDS, REFUSES),
    Row("a slice", lambda x: 10.0 * len([1, 2][: position(x) + 1]), at_position, RECORDS, REFUSES),
    Row("a slice of a tensor", lambda x: 10.0 * len(x[: position(x) + 1]), at_position, RECORDS, REFUSES),
    Row("a shape", lambda x: 10.0 * len(np.ones(position(x) + 1)), at_position, RECORDS, REFUSES, loud=(TypeError,)),
    Row("np.full", lambda x: np.full(2, x[0]), first, REFUSES),
    Row("reshape", lambda x: np.reshape(x, (position(x) * 0 + 2,)), itself, RECORDS, REFUSES),
    Row("axis=", lambda x: np.sum(x, axis=position(x) * 0), total, REFUSES),
    Row(
        "the axis of a size",
        lambda x: np.random.default_rng(0).random(position(x) + 1).size * 10.0,
        at_position,
        RECORDS,
        REFUSES,
        loud=(TypeError,),
    ),
    Row("a mean to draw from", lambda x: np.random.default_rng(0).normal(x, 0.0), itself, REFUSES),
    Row("permutation", lambda x: np.random.default_rng(0).permutation(x), itself, REFUSES),
    Row("a tensor at a tensor", lambda x: x[position(x)], lambda x: tg.max(x), RECORDS),
    Row("np.linspace", lambda x: np.linspace(x[0], x[1], 2), itself, REFUSES),
    Row("np.arange", lambda x: np.arange(x[0], x[0] + 1), first, REFUSES),
]
NAMES = [row.name for row in ROWS]


# -- the places ----------------------------------------------------------------------------------------------------


def with_parameter(f):
    def differentiated(a):
        p = tg.parameter(a)
        f(p).backward()
        return p.grad

    return differentiated


def second_order(f):
    return tg.grad(lambda x: tg.sum(tg.grad(f)(x) ** 2))


def of_outer_variable(f):
    return tg.grad(lambda x: tg.grad(lambda y: f(x) * y**3)(2.0))


def of_outer_variable_in_thread(f):
    return tg.grad(lambda x: in_thread(tg.grad(lambda y: f(x) * y**3))(2.0))


def in_a_gradient_of_ones_own(f):
    @tg.custom_gradient
    def cube(x):
        return tg.sum(x**3), lambda g: g * f(x) * x

    return second_order(cube)


def in_a_checkpoint(f):
    return tg.grad(tg.checkpoint(f))


INSIDE = {
    "grad": tg.grad,
    "grad of a tensor": lambda f: lambda a: tg.grad(f)(tg.Tensor(a)).data,
    "grad of a parameter": lambda f: lambda a: tg.grad(f)(tg.parameter(a)).data,
    "grad of grad": second_order,
    "grad in grad": of_outer_variable,
    "grad in a thread in grad": of_outer_variable_in_thread,
    "jvp": lambda f: lambda a: tg.jvp(f, (a,), (ALONG,))[1],
    "vjp": lambda f: lambda a: tg.vjp(f, a)[1](1.0)[0],
    "jacobian": tg.jacobian,
    "hvp": lambda f: lambda a: tg.hvp(f, (a,), (ALONG,)),
    "checkpoint": in_a_checkpoint,
    "checkpoint of a parameter": lambda f: with_parameter(tg.checkpoint(f)),
    "checkpoint of a tensor": lambda f: lambda a: tg.grad(tg.checkpoint(f))(tg.Tensor(a)).data,
    "custom_gradient": in_a_gradient_of_ones_own,
}
TRACES = {
    "value": lambda f: lambda a: f(tg.Tensor(a)).data,
    "grad": tg.grad,
    "grad of grad": second_order,
    "grad in grad": of_outer_variable,
    "grad in a thread in grad": of_outer_variable_in_thread,
    "jvp": INSIDE["jvp"],
    "checkpoint": in_a_checkpoint,
    "checkpoint in a thread": lambda f: lambda a: tg.grad(in_thread(tg.checkpoint(f)))(a),
    "custom_gradient": in_a_gradient_of_ones_own,
    "for_scipy": tg.value_and_grad,
}


def program(name, f):
    """Return the compiled program of a place among TRACES."""
    if name == "for_scipy":
        return tg.for_scipy(f, FIRST).fun
    return tg.compile(f if name == "value" else TRACES[name](f))


PLACES = {
    ("leaf", "a parameter"): with_parameter,
    ("computed", "a computed tensor"): lambda f: with_parameter(lambda p: f(p * 1.0)),
    **{("inside", name): make for name, make in INSIDE.items()},
    **{("trace", name): make for name, make in TRACES.items()},
}


def leaves_of(result):
    return result if isinstance(result, tuple) else [result]


def in_thread(function):
    """Return a function that does the same in a thread of its own."""

    def run(*args):
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(function, *args).result()

    return run


def outcome(row, place, threaded):
    """Return what a row does in a place, as its results for two vectors show."""
    kind, name = place
    leave = in_thread(row.leave) if threaded else row.leave

    def results(function, called):
        made = called(lambda x: tg.sum(function(x) * function(x) * x))
        return np.concatenate([np.ravel(leaf) for a in (FIRST, SECOND) for leaf in leaves_of(made(a))])

    try:
        found = results(leave, (lambda f: program(name, f)) if kind == "trace" else PLACES[place])
    except (tg.TinygraphError, *row.loud):
        return REFUSES
    for answer, same in ((RECORDS, row.same), (CONSTANT, lambda x: tg.stop_gradient(row.same(x)))):
        if np.allclose(found, results(same, PLACES[place]), rtol=1e-6, atol=1e-9):
            return answer
    return SILENT


@pytest.mark.parametrize("threaded", [False, True], ids=["", "in a thread"])
@pytest.mark.parametrize("row", ROWS, ids=NAMES)
def test_nothing_leaves_in_silence(row, threaded):
    found = {place: outcome(row, place, threaded) for place in PLACES if row.expected(*place) != "changed"}
    assert found == {place: row.expected(*place) for place in found}


def test_the_places_and_the_rows_are_many():
    assert len(set(NAMES)) == len(NAMES)
    assert {row.inside for row in ROWS} == {RECORDS, REFUSES, CONSTANT}


# -- what is kept from one call to the next ------------------------------------------------------------------------


def kept_argument(kept, x):
    kept.append(x)
    return kept[0]


def kept_result(kept, x):
    kept.append(tg.tanh(x))
    return kept[0]


def kept_in_a_dict(kept, x):
    if not kept:
        kept.append({"h": x * 2.0})
    return kept[0]["h"]


def kept_by_a_generator(kept, x):
    kept.append(v * 2.0 for v in x)
    return next(kept[0])


def kept_by_a_closure(kept, x):
    kept.append(lambda: x * 2.0)
    return kept[0]()


def kept_by_a_thread(kept, x):
    def keep():
        kept.append(x * 2.0)

    thread = threading.Thread(target=keep)
    thread.start()
    thread.join()
    return kept[0]


def kept_by_an_inner_transform(kept, x):
    tg.grad(lambda y: kept.append(y) or y * y)(2.0)
    return kept[0]


def kept_by_a_cache(kept, x):
    if not kept:
        kept.append(tg.sum(x))
    return kept[0]


KEPT = [value for name, value in globals().items() if name.startswith("kept_")]
ONCE = {
    "grad": tg.grad,
    "grad of grad": second_order,
    "grad in grad": of_outer_variable,
    "jvp": INSIDE["jvp"],
    "vjp": INSIDE["vjp"],
    "jacobian": tg.jacobian,
    "hvp": INSIDE["hvp"],
    "checkpoint": in_a_checkpoint,
    "compile": tg.compile,
    "compile a gradient": lambda f: tg.compile(tg.grad(f)),
}


@pytest.mark.parametrize("keep", KEPT)
@pytest.mark.parametrize("name", ONCE)
def test_what_an_earlier_call_has_kept_is_not_a_constant_of_the_next(name, keep):
    kept = []
    make = ONCE[name]

    def function(x):
        return tg.sum(keep(kept, x) * x * x)

    def twice():
        if name.startswith("compile"):
            called = make(function)
            called(FIRST)
            called(SECOND)
        else:
            make(function)(FIRST)
            make(function)(SECOND)

    with pytest.raises(tg.TinygraphError, match=r"a call that is over|was computed outside"):
        twice()


@pytest.mark.parametrize("keep", KEPT)
def test_a_program_does_not_read_what_a_transform_has_kept(keep):
    kept = []
    tg.grad(lambda x: tg.sum(keep(kept, x) * x))(FIRST)
    with pytest.raises(tg.TinygraphError, match="a call that is over"):
        tg.compile(lambda x: tg.sum(keep(kept, x) * x))(FIRST)


def test_what_a_call_has_left_behind_may_be_looked_at_and_not_differentiated():
    kept, W = [], tg.parameter([1.0, 2.0])
    tg.grad(lambda x: kept.append(tg.tanh(x)) or tg.sum(x))(FIRST)
    (h,) = kept
    assert np.array_equal(h.data, np.tanh(FIRST))
    assert "op=tanh" in repr(h)
    for differentiate in (lambda J: J.backward(), lambda J: tg.gradients(J, W)):
        with pytest.raises(tg.GraphError, match="a call that is over"):
            differentiate(tg.sum(h * W))
    assert W.grad is None
    J = tg.sum(h.detach() * W)
    J.backward()
    assert np.array_equal(W.grad, h.data)


def test_what_a_call_has_left_behind_may_be_an_argument_of_another():
    kept = []
    tg.grad(lambda x: kept.append(tg.tanh(x)) or tg.sum(x))(FIRST)
    gradient = tg.grad(lambda h: tg.sum(h * h))(kept[0])
    assert np.allclose(gradient.data, 2 * np.tanh(FIRST))


def test_whole_numbers_have_no_gradient_to_lose():
    gradient = tg.grad(lambda x: tg.sum(x) * int(x.astype(int)[0]) * int(tg.sum(x > 0)) * float(tg.argmax(x)))
    assert np.allclose(gradient(SECOND + 1), 0.0)
    assert np.allclose(gradient(FIRST + 1), 2.0)
    assert np.allclose(gradient(tg.Tensor(FIRST + 1)).data, 2.0)


def test_what_a_trace_has_left_behind_has_no_numbers():
    kept, W = [], tg.parameter([1.0, 2.0])
    tg.compile(lambda x: kept.append(tg.tanh(x)) or tg.sum(x))(FIRST)
    h = kept[0]
    assert repr(h) == "Tensor(shape=(2,), dtype=float64, op=tanh)"
    for ask in (
        lambda: h.data,
        lambda: (h * 2.0).item(),
        lambda: h[0].tolist(),
        h.detach,
        lambda: h.value,
        lambda: h.grad,
    ):
        with pytest.raises(tg.UnsupportedError, match="a call that is over"):
            ask()
    with pytest.raises(tg.GraphError, match="a call that is over"):
        tg.sum(h * W).backward()
    with pytest.raises(tg.UnsupportedError, match="a call that is over"):
        tg.compile(tg.sum)(h)
    with pytest.raises(tg.UnsupportedError, match="a call that is over"):
        tg.grad(lambda y: tg.sum(y * y))(h * 2.0).data.tolist()


def test_a_variable_of_a_checkpoint_does_not_outlive_it():
    kept, W = [], tg.parameter(FIRST)
    y = tg.checkpoint(lambda x: kept.append(x) or tg.tanh(x))(W)
    with pytest.raises(tg.GraphError, match="a call that is over"):
        tg.sum(y * kept[0]).backward()


def test_results_that_stay_tensors_are_not_left_behind():
    W = tg.parameter([2.0, 3.0])
    g = tg.grad(lambda x: tg.sum(x * x * W))(FIRST)
    tg.sum(g * g).backward()
    assert np.allclose(W.grad, 8 * FIRST**2 * W.data)
    again = tg.grad(lambda x: tg.sum(x * g.detach()))(SECOND)
    assert np.allclose(again, g.data)
    _, vjp_fn = tg.vjp(lambda x: x**3, FIRST)
    v = tg.parameter([1.0, 2.0])
    (product,) = vjp_fn(v)
    del vjp_fn
    tg.sum(product).backward()
    assert np.allclose(v.grad, 3 * FIRST**2)


# -- traces --------------------------------------------------------------------------------------------------------


def test_a_tensor_in_a_trace_shows_no_numbers():
    W = tg.parameter(np.ones((2, 2)), name="W")
    seen = []

    def function(x):
        h = tg.tanh(x)
        seen.extend([repr(x), str(h), f"{W}", f"{x[0] > 1}", in_thread(repr)(h)])
        return tg.sum(W @ h)

    tg.compile(function)(FIRST)
    assert seen[:5] == [
        "Tensor(shape=(2,), dtype=float64, name='x')",
        "Tensor(shape=(2,), dtype=float64, op=tanh)",
        "Tensor(shape=(2, 2), dtype=float64, name='W', requires_grad=True)",
        "Tensor(shape=(), dtype=bool, op=greater)",
        "Tensor(shape=(2,), dtype=float64, op=tanh)",
    ]


OF_A_PARAMETER = {
    ".data": lambda W: W.data,
    ".grad": lambda W: W.grad,
    ".value": lambda W: W.value,
    ".args": lambda W: (W * 2.0).args[0],
    ".item()": lambda W: W[0].item(),
    "np.asarray": np.asarray,
    "Tensor": tg.Tensor,
    "pickle": pickle.dumps,
    "format": lambda W: f"{W[0]:.2f}",
    "if": lambda W: 1.0 if W[0] > 0 else 2.0,
    "data = …": lambda W: setattr(W, "data", np.ones(2)),
    "a picture": lambda W: tg.draw(tg.sum(W)),
    "an explanation": tg.why,
    "the derivation": lambda W: tg.derive(tg.sum(W * W)),
    "the check": lambda W: tg.check_backprop(tg.sum(W * W), dW=np.ones(2)),
    "check_grads": lambda W: tg.check_grads(tg.sum, W),
    "an evaluation": lambda W: evaluate([W]),
    "backward": lambda W: tg.sum(W * W).backward(),
    "for_scipy": lambda W: tg.for_scipy(tg.sum, W),
}


@pytest.mark.parametrize("name", OF_A_PARAMETER)
def test_a_parameter_from_outside_has_no_numbers_in_a_trace(name):
    W = tg.parameter([1.0, 2.0])
    tg.sum(W).backward()
    with pytest.raises(tg.UnsupportedError):
        tg.compile(lambda x: OF_A_PARAMETER[name](W) is None or x)(FIRST)


@pytest.mark.parametrize("name", sorted(OF_A_PARAMETER.keys() - {".grad"}))
def test_another_thread_has_no_numbers_of_a_trace(name):
    with pytest.raises(tg.UnsupportedError):
        tg.compile(lambda x: in_thread(OF_A_PARAMETER[name])(x) is None or x)(FIRST)


def test_a_thread_that_works_for_itself_is_not_disturbed_by_a_trace():
    def training():
        w = tg.parameter([1.0, 2.0])
        for _ in range(3):
            J = tg.sum(w * w)
            J.backward()
            w.data -= 0.1 * w.grad
            w.grad = None
        return J.item(), float(w.detach()[0]), repr(w), pickle.loads(pickle.dumps(w)).data.tolist()

    found = []
    tg.compile(lambda x: found.append(in_thread(training)()) or tg.sum(x))(FIRST)
    assert found[0] == training()


def test_a_task_that_outlives_a_trace_is_free_again():
    kept = []
    tg.compile(lambda x: kept.append(contextvars.copy_context()) or tg.sum(x))(FIRST)
    assert kept[0].run(lambda: float(tg.Tensor(2.0) * 3.0)) == 6.0
    with pytest.raises(tg.UnsupportedError, match="asks for a value"):
        tg.compile(lambda x: x * asyncio.run(asyncio.to_thread(float, x[0])))(FIRST)


def test_nothing_of_a_summary_is_a_number_of_a_tensor():
    texts = []
    program = tg.compile(lambda x: texts.append(str(summary(tg.sum(x * 3.0, axis=0)))) or tg.sum(x))
    program(FIRST)
    tg.compile(lambda x: texts.append(str(summary(tg.sum(x * 3.0, axis=0)))) or tg.sum(x))(SECOND)
    assert len(set(texts)) == 1


def test_a_program_that_is_made_where_nothing_is_recorded_is_the_same():
    def function(x):
        return tg.sum(x**3 / 2.0) + tg.tanh(x[0]) / (x[1] + 1.0)

    with tg.no_grad():
        made = tg.compile(function)
        made(FIRST)
    plain = tg.compile(function)
    assert (made(SECOND), made.source) == (plain(SECOND), plain.source)


def test_a_program_within_another_reads_its_parameters_at_each_call():
    W = tg.parameter([2.0, 3.0])
    inner = tg.compile(lambda a: a * W)
    assert inner(np.ones(2)).tolist() == [2.0, 3.0]
    outer = tg.compile(lambda x: x * inner(np.ones(2)))
    assert outer(np.ones(2)).tolist() == [2.0, 3.0]
    W.data = [5.0, 7.0]
    assert outer(np.ones(2)).tolist() == [5.0, 7.0]
    gradient = tg.grad(lambda x: tg.sum(x * inner(np.ones(2))))(np.ones(2))
    tg.sum(gradient).backward()
    assert W.grad.tolist() == [1.0, 1.0]


def test_a_program_in_another_thread_of_a_trace_is_not_run_on_its_numbers():
    inner = tg.compile(lambda a: a * 2.0)
    for tensor in (lambda x: x, lambda x: x.copy()):
        with pytest.raises(tg.UnsupportedError):
            tg.compile(lambda x: tg.sum(in_thread(lambda: inner(tensor(x)))() * x))(FIRST)  # noqa: B023
        with pytest.raises(tg.UnsupportedError):
            tg.grad(lambda x: tg.sum(in_thread(lambda: inner(tensor(x)))() * x))(tg.Tensor(FIRST))  # noqa: B023


def test_a_constant_that_is_made_in_a_trace_is_one():
    program = tg.compile(lambda x: x * tg.Tensor([2.0, 3.0]) + copy.copy(tg.Tensor([1.0, 1.0])))
    assert np.allclose(program(FIRST), FIRST * [2, 3] + 1)
    assert np.allclose(program(SECOND), SECOND * [2, 3] + 1)


def test_a_mask_that_was_kept_by_an_earlier_trace_is_a_constant():
    masks = {}

    def masked(x):
        if x.shape not in masks:
            masks[x.shape] = tg.Tensor(np.arange(x.size) > 0)
        return tg.where(masks[x.shape], x, 0.0)

    for _ in range(2):
        assert np.allclose(tg.compile(masked)(FIRST), [0.0, FIRST[1]])


def test_calls_are_forgotten_when_they_are_over():
    gc.collect()
    before = set(NESTED)
    tg.compile(lambda x: tg.value_and_grad(lambda y: tg.sum(tg.tanh(y)))(x))(FIRST)
    tg.hessian(lambda x: tg.sum(x**3))(FIRST)
    tg.vjp(lambda x: x**3, FIRST)[1](FIRST)
    with contextlib.suppress(ZeroDivisionError):
        tg.grad(lambda x: x / (1 // 0))(2.0)
    tg.checkpoint(lambda x: tg.tanh(x))(tg.parameter(FIRST))
    assert set(NESTED) == before


# -- eager ---------------------------------------------------------------------------------------------------------


def test_a_copy_of_a_leaf_is_independent_with_all_that_it_has():
    w = tg.parameter([1.0, 2.0], name="w")
    tg.sum(w * w).backward()
    for duplicate in (copy.copy, copy.deepcopy):
        y = duplicate(w)
        assert (y.name, y.requires_grad, y.grad.tolist()) == ("w", True, [2.0, 4.0])
        y.data[0] = 9.0
        y.grad[0] = 9.0
        assert (w.data[0], w.grad[0]) == (1.0, 2.0)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy])
def test_the_copy_of_what_was_computed_is_refused_while_it_has_a_gradient(duplicate):
    w = tg.parameter([1.0, 2.0])
    with pytest.raises(tg.UnsupportedError, match=r"take x\.copy\(\), which records, or x\.detach\(\)"):
        duplicate(w * 2.0)
    with tg.no_grad():
        assert duplicate(w * 2.0).op is None
    assert duplicate(w.detach() * 2.0).op is None
    assert duplicate(w > 1.0).data.tolist() == [False, True]


@pytest.mark.parametrize("make", [tg.Tensor, tg.parameter])
def test_a_tensor_of_one_that_requires_a_gradient_is_refused(make):
    w = tg.parameter([1.0, 2.0])
    for x in (w, w * 2.0):
        with pytest.raises(
            tg.UnsupportedError, match=r"take the tensor itself, or x\.copy\(\), which records; take \.data"
        ):
            make(x)
        with pytest.raises(tg.UnsupportedError, match="a copy of"):
            w.data = w * 2.0
        with tg.no_grad():
            assert make(x).data.tolist() == x.data.tolist()
    assert make(w.detach()).data.tolist() == [1.0, 2.0]


def test_the_checks_and_the_equations_of_a_function_count_its_copies():
    def function(x):
        y = copy.copy(x)
        J = tg.sum(y * copy.deepcopy([x])[0] * x)
        return J

    tg.check_grads(function, FIRST)
    derived = tg.derive(function)(FIRST)
    assert np.allclose(derived["dx"].value, 3 * FIRST**2)


def test_the_variable_of_a_transform_is_not_written_to():
    def written(x):
        x.data[0] = 5.0
        return tg.sum(x)

    with pytest.raises(ValueError, match="read-only"):
        tg.grad(written)(FIRST)

    def set_anew(x):
        x.data = [5.0, 5.0]
        return tg.sum(x)

    with pytest.raises(tg.GraphError, match="stands for an argument"):
        tg.grad(set_anew)(FIRST)
