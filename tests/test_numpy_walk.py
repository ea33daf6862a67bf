"""A tensor in each place of each public function of NumPy: it is recorded, or refused in our own words."""

import inspect
import io
import itertools

import numpy as np

import tinygraph as tg

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
LEFT_OUT = {
    "DataSource",
    "fromfile",
    "fromregex",
    "fromstring",
    "genfromtxt",
    "get_include",
    "info",
    "load",
    "loadtxt",
    "memmap",
    "open_memmap",
    "set_printoptions",
    "setbufsize",
    "seterr",
    "seterrcall",
    "show_config",
    "show_runtime",
    "test",
    "printoptions",
    "errstate",
    "set_state",
    "seed",
    "set_bit_generator",
    "default_rng",
    "get_state",
}

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
    """What a parameter takes that is no array of floats."""
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


def places(function):
    """Its parameters: those that must be given, and the others."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:
        return [], []
    parameters = [p for p in parameters if p.kind is not p.VAR_KEYWORD]
    required = [p for p in parameters if p.default is p.empty and p.kind is not p.VAR_POSITIONAL]
    several = [p for p in parameters if p.kind is p.VAR_POSITIONAL]
    return required + (several if not required else []), [p for p in parameters if p.default is not p.empty]


def call(function, values, by_keyword=False):
    """Call it with a value for each of some parameters."""
    args, kwargs = [], {}
    for parameter, value in values:
        if (
            parameter.kind is parameter.VAR_POSITIONAL
            or parameter.kind is parameter.POSITIONAL_ONLY
            or (
                parameter.default is parameter.empty and parameter.kind is not parameter.KEYWORD_ONLY and not by_keyword
            )
        ):
            args.append(value)
        else:
            kwargs[parameter.name] = value
    return function(*args, **kwargs)


def copied(value):
    return value.copy() if isinstance(value, np.ndarray) else [*value] if isinstance(value, list) else value


MOST_TRIES = 150


def accepted(function, place, required):
    """Values for the required parameters, and one with floats in `place`, which NumPy takes; and what it gives."""
    parameters = required if place in required else [*required, place]
    candidates = [FLOATS if p is place else by_name(p.name) for p in parameters]
    candidates = (
        sorted(itertools.product(*map(enumerate, candidates)), key=lambda c: sum(i for i, _ in c))
        if len(parameters) < 4
        else itertools.product(*map(enumerate, candidates))
    )
    for combination in itertools.islice(candidates, MOST_TRIES):
        values = [copied(value) for _, value in combination]
        try:
            result = call(function, list(zip(parameters, values, strict=True)))
        except Exception:
            continue
        return parameters, [copied(value) for _, value in combination], result
    return None


def with_tensor(value):
    """The value as a tensor; of a list, the first item."""
    if isinstance(value, list):
        return [tg.Tensor(value[0], requires_grad=True), *value[1:]]
    return tg.Tensor(value, requires_grad=True)


def tensors_in(result):
    if isinstance(result, tg.Tensor):
        return [result]
    if isinstance(result, (tuple, list)):
        return [x for part in result for x in tensors_in(part)]
    return []
