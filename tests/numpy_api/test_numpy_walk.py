"""A tensor as any argument of any public function of NumPy is either recorded or refused with our own message.

The parameters come from the signatures. They are filled with arrays, numbers and values that their names suggest, until
NumPy accepts plain arrays in all of them; then one of the arguments that hold floats becomes a tensor.
"""

import inspect
import io
import itertools
import re
import types
import warnings

import numpy as np
import pytest

import tinygraph as tg
from tinygraph.numpy_api import protocols
from tinygraph.numpy_api.refusals import REFUSALS

MODULES = {
    "np": np,
    "np.linalg": np.linalg,
    "np.fft": np.fft,
    "np.random": np.random,
    "np.emath": np.emath,
    "np.ma": np.ma,
    "np.polynomial": np.polynomial,
    "np.polynomial.polynomial": np.polynomial.polynomial,
    "np.lib.stride_tricks": np.lib.stride_tricks,
    "np.strings": np.strings,
    "np.rec": np.rec,
}
# They change NumPy's own state, print, read files or run without end.
LEFT_OUT = re.findall(
    r"\w+",
    """
    DataSource fromfile fromregex fromstring genfromtxt get_include info load loadtxt memmap open_memmap
    set_printoptions setbufsize seterr seterrcall show_config show_runtime test printoptions errstate set_state seed
    set_bit_generator default_rng get_state
    """,
)
# They may raise any error, since they ask a tensor for nothing that it could refuse.
NUMPYS_OWN_ERRORS = {
    "np.frombuffer": "reads memory",
    "np.ndarray": "reads memory",
    "np.nditer": "writes to memory",
    "np.isfortran": "asks for .flags",
    "np.from_dlpack": "asks for __dlpack__",
}
NO_RESULT_OR_TEXT = {
    "np.bmat": "gives None for what it does not know",
    "np.str_": "is the text that str gives",
}
# They treat an x that is not an ndarray as a number, and so match the axes of x with those of the coefficients.
ASKING_FOR_THE_CLASS = [f"np.polynomial.polynomial.poly{name}" for name in ("val", "grid2d", "grid3d", "valfromroots")]
# These modules are built on arrays; it is enough that nothing falls out of the graph.
LENIENT = ("np.ma.", "np.rec.", "np.polynomial.", "np.strings.")

MATRIX = np.array([[2.0, 0.5], [0.5, 1.5]])
VECTOR = np.array([0.25, 0.5, 0.75, 0.875])
FLOATS = [
    MATRIX,
    VECTOR,
    0.5,
    2.0,
    [MATRIX, MATRIX],
    [VECTOR, VECTOR],
    [0.25, 0.5],
    np.stack([MATRIX, MATRIX]),
    MATRIX[None, :, :, None],
]
PLAIN = [MATRIX, VECTOR, 1, 0.5, [MATRIX, MATRIX], [VECTOR, VECTOR]]


def by_name(name):
    """Return the values that a parameter of this name takes besides arrays of floats."""
    known = {
        "axis": [0],
        "axes": [(0, 1), (1, 0)],
        "shape": [(2, 2), 2],
        "newshape": [4],
        "new_shape": [4],
        "window_shape": [(1, 1)],
        "dtype": [float],
        "subscripts": ["ij,jk", "ij"],
        "func1d": [np.sum],
        "func": [np.sum, lambda i, j: i],
        "pyfunc": [abs],
        "funclist": [[abs, abs]],
        "file": [io.BytesIO()],
        "fname": [io.BytesIO()],
        "fp": [VECTOR],
        "indices": [np.array([[0], [1]]), np.array([0, 1]), 1],
        "ind": [[0]],
        "condition": [MATRIX > 1, VECTOR > 0.5],
        "condlist": [[MATRIX > 1]],
        "choicelist": [[MATRIX]],
        "mask": [MATRIX > 1],
        "arrays": [[MATRIX, MATRIX], [VECTOR, VECTOR]],
        "arr_seq": [[MATRIX, MATRIX]],
        "choices": [[VECTOR, VECTOR]],
        "repeats": [2],
        "reps": [2],
        "pad_width": [1],
        "n": [4, 2],
        "N": [4],
        "M": [4],
        "k": [1],
        "mode": ["full", "constant"],
        "source": [0],
        "destination": [1],
        "multi_index": [([0], [1])],
        "dims": [(2, 2)],
        "a": [VECTOR],
        "typechars": ["d"],
        "bins": [3],
        "deg": [1],
        "alpha": [[1.0, 2.0]],
        "pvals": [[0.5, 0.5]],
        "cov": [MATRIX],
        "kth": [1],
        "shift": [1],
        "decimals": [1],
        "order": ["C"],
        "bitorder": ["big"],
        "ord": [1],
        "string": ["1 2"],
    }
    return [*known.get(name, ()), *PLAIN]


def functions():
    seen = set()
    for module, space in MODULES.items():
        for name in sorted(dir(space)):
            function = getattr(space, name)
            if name.startswith("_") or name in LEFT_OUT or not callable(function) or id(function) in seen:
                continue
            if isinstance(function, type) and issubclass(function, BaseException):
                continue
            seen.add(id(function))
            yield pytest.param(f"{module}.{name}", function, id=f"{module}.{name}")


def places(function):
    """Return the required parameters of a function and its optional parameters."""
    try:
        parameters = [*inspect.signature(function).parameters.values()]
    except ValueError:
        count = getattr(function, "nin", 0)
        parameters = [inspect.Parameter(f"x{i}", inspect.Parameter.POSITIONAL_ONLY) for i in range(count)]
    required = [p for p in parameters if p.default is p.empty and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    several = [] if required else [p for p in parameters if p.kind is p.VAR_POSITIONAL]
    return [*required, *several], [p for p in parameters if p.default is not p.empty]


def call(function, parameters, values, by_keyword=False):
    args, kwargs = [], {}
    for parameter, value in zip(parameters, values, strict=True):
        optional = parameter.default is not parameter.empty or parameter.kind is parameter.KEYWORD_ONLY
        named = optional or (by_keyword and parameter.kind is parameter.POSITIONAL_OR_KEYWORD)
        if named:
            kwargs[parameter.name] = value
        else:
            args.append(value)
    result = function(*args, **kwargs)
    return [*result] if isinstance(result, types.GeneratorType) else result


def copied(values):
    return [x.copy() if isinstance(x, np.ndarray) else [*x] if isinstance(x, list) else x for x in values]


def accepted(function, place, required):
    """Return parameters, values that NumPy accepts for them, with floats in `place`, and the result of the call."""
    parameters = required if place in required else [*required, place]
    candidates = [FLOATS if p is place else by_name(p.name) for p in parameters]
    for values in itertools.islice(itertools.product(*candidates), MOST_TRIES):
        try:
            return parameters, values, call(function, parameters, copied(values))
        except Exception:
            continue
    return None


MOST_TRIES = 400


def replaced(values, i, change):
    """Return the values with one of them changed; of a list, the first item is changed."""
    values = copied(values)
    values[i] = [change(values[i][0]), *values[i][1:]] if isinstance(values[i], list) else change(values[i])
    return values


def numbers(result):
    """Return all numbers of a result in one row, or None where it holds anything else."""
    if isinstance(result, (tuple, list)):
        parts = [numbers(part) for part in result]
        return None if any(part is None for part in parts) else np.concatenate([np.zeros(0), *parts])
    if isinstance(result, tg.Tensor):
        result = result.data
    if isinstance(result, (bool, int, float, np.ndarray, np.generic)) and np.asarray(result).dtype.kind in "biuf":
        return np.asarray(result, dtype=float).ravel()
    return None


def tensors_in(result):
    if isinstance(result, (tuple, list)):
        return [x for part in result for x in tensors_in(part)]
    return [result] if isinstance(result, tg.Tensor) else []


def dependence(function, parameters, values, i, plain):
    """Return whether NumPy's result depends on the value in a place, and whether it does so smoothly."""
    here = numbers(plain)
    found = []
    for change in (lambda x: np.asarray(x) * 1.5 + 0.25, lambda x: np.asarray(x) * (1 + 1e-6)):
        try:
            there = numbers(call(function, parameters, replaced(values, i, change)))
        except Exception:
            return True, False
        alike = here is not None and there is not None and here.shape == there.shape
        found.append(np.where(here == there, 0.0, np.abs(here - there)) if alike else None)
    far, near = found
    depends = here is not None and (far is None or not (far == 0).all())
    return depends, near is not None and bool((near > 0).any() and np.nanmax(near) < 1e-3)


def is_ours(error):
    """Return whether an error is our own refusal, or an error of NumPy that our refusal has caused."""
    while error is not None:
        if isinstance(error, tg.TinygraphError) and isinstance(error, TypeError):
            return len(str(error)) > 30
        error = error.__cause__ or error.__context__
    return False


def fault(name, function, place, required):
    """Return in words what is wrong with a tensor in a place, or None."""
    found = accepted(function, place, required)
    if found is None:
        return None
    parameters, values, plain = found
    i = parameters.index(place)
    depends, smooth = dependence(function, parameters, values, i, plain)
    matters = smooth or (depends and place in required)
    for by_keyword in (False, True):
        with warnings.catch_warnings(record=True) as expected:
            warnings.simplefilter("always")
            try:
                call(function, parameters, copied(values), by_keyword)
            except TypeError:
                continue
        given = replaced(values, i, lambda x: tg.Tensor(x, requires_grad=True))
        before = copied(given)
        try:
            with warnings.catch_warnings(record=True) as warned:
                warnings.simplefilter("always")
                result = call(function, parameters, given, by_keyword)
        except Exception as error:
            exempt = name in NUMPYS_OWN_ERRORS or name.startswith(LENIENT)
            ordinary = isinstance(error, (TypeError, ValueError, IndexError))
            if not is_ours(error) and (matters or not ordinary) and not exempt:
                return f"raised {error!r}"
            if not all(np.array_equal(x, y) for x, y in zip(given, before, strict=True) if isinstance(x, np.ndarray)):
                return "raised, but had changed an array"
            continue
        if {warning.category for warning in warned} - {warning.category for warning in expected}:
            return f"warned: {warned[0].message}"
        found = tensors_in(result)
        written = plain is None and place in required and not name.startswith(LENIENT)
        if not found and (matters or written) and name not in NO_RESULT_OR_TEXT:
            return f"lost the graph: {result!r}"
        if found and smooth and not any(x.requires_grad for x in found):
            return f"lost the gradient: {result!r}"
        if found and name not in ASKING_FOR_THE_CLASS:
            ours, theirs = numbers(result), numbers(plain)
            if ours.shape != theirs.shape or not np.allclose(ours, theirs, rtol=1e-9, equal_nan=True):
                return f"gave {ours} where NumPy gives {theirs}"
    return None


@pytest.mark.parametrize(("name", "function"), list(functions()))
def test_a_tensor_in_each_place_is_recorded_or_refused(name, function, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    required, optional = places(function)
    faults = {}
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        np.random.seed(0)
        for place in [*required, *optional]:
            if isinstance(place.default, bool):  # a flag, which is asked for its truth
                continue
            if problem := fault(name, function, place, required):
                faults[place.name] = problem
    assert faults == {}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_is_refused_with_a_reason_is_a_function_that_nothing_records(name):
    assert name not in protocols.recorded_by()
    function = np
    for part in name.split(".")[1:]:
        function = getattr(function, part)
    assert callable(function)
