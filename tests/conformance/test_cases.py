"""The expressions of cases.json, which have broken autograd engines, agree with PyTorch, JAX and NumPy."""

import functools
import json
from pathlib import Path

import numpy as np
import pytest

import tinygraph as tg
from tinygraph import ops

CASES = json.loads((Path(__file__).parent / "cases.json").read_text(encoding="utf-8"))

# Where PyTorch and JAX have NaN and tinygraph a number, so that a forbidden step of a hidden Markov model or of a CTC
# loss leaves the gradients, of first and second order, finite: docs/conventions.md, ties between infinities.
FINITE = {
    "lse_all_ninf": {"x": [0.5, 0.5]},
    "logaddexp_ninf": {"x": [0.0, 0.5], "y": [1.0, 0.5]},
}


def numbers(data):
    """Return nested lists with numbers in place of the strings for numbers that JSON lacks."""
    if isinstance(data, list):
        return [numbers(x) for x in data]
    if isinstance(data, str):
        return complex(data) if "j" in data else float(data)
    return data


def array(data, dtype="float64", shape=None):
    x = np.array(numbers(data), dtype=dtype)
    return x if shape is None else x.reshape(shape)


LAYOUTS = {
    "F": np.asfortranarray,
    "step2": lambda x: np.repeat(x, 2, axis=-1)[..., ::2],
    "negstride": lambda x: np.ascontiguousarray(x[..., ::-1])[..., ::-1],
    "broadcast0": lambda x: np.broadcast_to(x.flat[0], x.shape),
    "readonly": np.copy,
    "bigendian": lambda x: x.astype(x.dtype.newbyteorder(">")),
}


def arranged(spec):
    x = array(spec["data"], spec["dtype"], spec.get("shape"))
    if layout := spec.get("layout"):
        y = LAYOUTS[layout](x)
        assert np.array_equal(x, y)
        if layout == "readonly":
            y.flags.writeable = False
        return y
    return x


class Run:
    """A case that has been run as far as it asks for."""

    def __init__(self, case):
        self.case = case
        self.arrays = {name: arranged(spec) for name, spec in case["inputs"].items()}

    def construct(self):
        wrt = self.case["wrt"]
        self.inputs = {
            name: tg.Tensor(x, requires_grad=name in wrt) if x.dtype.kind in "fc" or name in wrt else x
            for name, x in self.arrays.items()
        }
        self.wrt = [self.inputs[name] for name in wrt]

    def forward(self):
        names = {**self.inputs, "xp": ops, "reduce": functools.reduce, "range": range, "inf": float("inf")}
        self.result = eval(self.case["expr"], names)

    def backward(self):
        seed = self.case["seed"]
        self.seed = np.ones(self.result.shape) if seed is None else np.array(numbers(seed))
        self.result.backward(self.seed, retain_graph=True)


def ours(case, name):
    """Return the recorded gradient of a case, with a number in place of NaN where the table above lists one."""
    recorded = case["grads"][name]
    if case["id"] not in FINITE:
        return recorded
    assert case["policy"] == "convention"
    finite = FINITE[case["id"]][name]
    assert all(theirs in (number, "nan") for theirs, number in zip(recorded, finite, strict=True))
    return finite


def agrees(computed, expected, shape, case):
    __tracebackhide__ = True
    assert list(computed.shape) == shape
    expected = array(expected, shape=shape)
    np.testing.assert_allclose(computed.astype(np.float64), expected, rtol=case["rtol"], atol=1e-15)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_case(case):
    run = Run(case)
    # dividing by zero on purpose, as the cases do, warns as in NumPy; overflow is never meant
    with np.errstate(divide="ignore", invalid="ignore", over="raise"):
        if any(x.dtype.kind == "c" for x in run.arrays.values()):
            with pytest.raises(TypeError, match=r"complex .* not supported"):
                run.construct()
        elif case["policy"] == "error":
            refused_where_it_says(run)
        else:
            has_the_value_and_the_gradients(run)


def refused_where_it_says(run):
    for step in ("construct", "forward", "backward"):
        if step == run.case["error"]:
            with pytest.raises((TypeError, ValueError, IndexError)):
                getattr(run, step)()
            return
        getattr(run, step)()
    pytest.fail("the case does not say where it must raise")


def has_the_value_and_the_gradients(run):
    case = run.case
    before = {name: x.copy() for name, x in run.arrays.items()}
    run.construct()
    run.forward()
    agrees(run.result.data, case["value"], case["value_shape"], case)
    assert run.result.dtype == case.get("value_dtype", "float64")

    run.backward()
    nodes = tg.gradients(run.result, run.wrt, run.seed)
    dtypes = case.get("grad_dtypes", {})
    for name, x, node in zip(case["wrt"], run.wrt, nodes, strict=True):
        expected = ours(case, name), case["grad_shapes"][name], case
        agrees(node.data, *expected)
        assert node.dtype == dtypes.get(name, "float64")
        if x.grad is None:  # no path leads there
            assert not np.any(node.data)
            continue
        agrees(x.grad, *expected)
        assert x.grad.dtype == node.dtype
        x.grad[...] = 0.0  # it is the user's own, whatever the layout of x

    if "grads2" in case:
        second = tg.gradients(sum(node.sum() for node in nodes), run.wrt)
        for name, node in zip(case["wrt"], second, strict=True):
            agrees(node.data, case["grads2"][name], case["grad_shapes"][name], case)
    for name, x in run.arrays.items():
        np.testing.assert_array_equal(x, before[name])


def test_every_kind_of_case_is_known():
    assert {case["policy"] for case in CASES} == {"exact", "convention", "error"}
    layouts = {spec["layout"] for case in CASES for spec in case["inputs"].values() if "layout" in spec}
    assert layouts <= LAYOUTS.keys()
    assert len({case["id"] for case in CASES}) == len(CASES) == 114
