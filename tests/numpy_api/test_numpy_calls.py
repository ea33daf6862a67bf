"""Every function, method and ufunc of NumPy either records or raises, in each form of call."""

import re
import types
import warnings

import numpy as np
import pytest
from outcomes import fallen_out

import tinygraph as tg

WORDS = re.compile(r"\w+").findall
# They write files, change NumPy's own state or print.
LEFT_OUT = WORDS("""
    DataSource fromfile fromregex fromstring genfromtxt get_include info load loadtxt memmap save savetxt savez
    savez_compressed set_printoptions setbufsize seterr seterrcall show_config show_runtime test printoptions errstate
""")
ABOUT_THE_SHAPE_OR_THE_TYPE = WORDS("""
    shape ndim size isscalar iterable dtype finfo promote_types issubdtype can_cast mintypecode result_type common_type
    min_scalar_type iscomplexobj isrealobj zeros_like ones_like full_like diag_indices_from tril_indices_from
    triu_indices_from
""")
# Each of their results depends on one argument only.
OF_EACH_ARGUMENT = WORDS("atleast_1d atleast_2d atleast_3d broadcast_arrays meshgrid ix_")
AS_TEXT = ["str_"]
RETURNS_NOTHING = ["bmat"]
# They ask their second argument only for its dtype or its truth.
DTYPE_SECOND = WORDS("""
    array asanyarray asarray asarray_chkfinite ascontiguousarray asfortranarray asmatrix astype empty empty_like
    frombuffer fromiter identity matrix ndarray ones ones_like recarray require zeros zeros_like
""")
FLAG_OR_TOLERANCE_SECOND = WORDS("""
    angle array2string array_repr array_str matrix_rank nan_to_num poly1d real_if_close rot90 svd unique
""")
# They answer "no" where a comparison cannot be made.
BOOLEAN = ["array_equal", "array_equiv"]
CONDITION_FIRST = WORDS("compress extract")
HARMLESS_ALONE = {*ABOUT_THE_SHAPE_OR_THE_TYPE, *AS_TEXT, *RETURNS_NOTHING}
OF_THE_FIRST_ALONE = {"lstsq"}  # its results include the singular values of the first matrix
HARMLESS = {*HARMLESS_ALONE, *DTYPE_SECOND, *FLAG_OR_TOLERANCE_SECOND, *BOOLEAN, *OF_THE_FIRST_ALONE}
CONSTANT_FOR_ZERO = {"norm", "matrix_power"}  # the number of elements that are not 0, and the identity
FORMS = {
    "(t)": (lambda t, a: (t,), HARMLESS_ALONE),
    "([t])": (lambda t, a: ([t],), HARMLESS_ALONE),
    "([t, t])": (lambda t, a: ([t, t],), HARMLESS_ALONE),
    "(t, t)": (lambda t, a: (t, t), HARMLESS_ALONE),
    "(t, a)": (lambda t, a: (t, a), {*HARMLESS_ALONE, *CONDITION_FIRST}),
    "(t, 0)": (lambda t, a: (t, 0), {*HARMLESS_ALONE, *CONDITION_FIRST, *CONSTANT_FOR_ZERO}),
    "(a, t)": (lambda t, a: (a, t), HARMLESS),
    "(a, [t])": (lambda t, a: (a, [t]), HARMLESS),
    "([a], t)": (lambda t, a: ([a], t), HARMLESS),
    "(2, t)": (lambda t, a: (2, t), HARMLESS),
}
VALUES = {"matrix": [[0.5, 0.25], [0.125, 0.75]], "no axes": 0.5, "one element": [0.5]}


def functions(module):
    for name in sorted(dir(module)):
        function = getattr(module, name)
        if name.startswith("_") or name in LEFT_OUT or isinstance(function, types.ModuleType):
            continue
        if callable(function) and not (isinstance(function, type) and issubclass(function, BaseException)):
            yield name, function


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("module", [np, np.linalg, np.fft], ids=lambda module: module.__name__)
def test_every_function_of_numpy_records_or_raises(module, form, value):
    arguments, harmless = FORMS[form]
    called, out = 0, []
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for name, function in functions(module):
            t, a = tg.Tensor(value, requires_grad=True), np.array(value) + 1.0
            before = a.copy()
            called += 1
            try:
                result = function(*arguments(t, a))
            except Exception:
                result = None
            else:
                results = result if name in OF_EACH_ARGUMENT and isinstance(result, tuple) else (result,)
                if all(map(fallen_out, results)) and name not in harmless:
                    out.append(f"{name} gave {result!r}")
            assert a.tolist() == before.tolist(), name
            assert t.data.tolist() == np.array(value).tolist(), name
    assert out == []
    assert called > 15


METHODS_THAT_ASK_FOR_A_DTYPE_OR_A_FLAG = ["astype", "byteswap", "getfield", "setflags", "view"]
SPECIAL_METHODS = [
    f"__{prefix}{name}__"
    for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "divmod", "pow", "matmul", "and", "or", "xor")
    for prefix in ("", "r", "i")
    if f"__{prefix}{name}__" in dir(np.ndarray)
]


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_every_method_of_an_array_records_or_raises(value):
    names = [name for name in dir(np.ndarray) if not name.startswith("_") and callable(getattr(np.ndarray, name))]
    out = []
    for name in [*names, *SPECIAL_METHODS]:
        if name in METHODS_THAT_ASK_FOR_A_DTYPE_OR_A_FLAG:
            continue
        t, a = tg.Tensor(value, requires_grad=True), np.array(value) + 1.0
        before = a.copy()
        try:
            result = getattr(a, name)(t)
        except Exception:
            result = NotImplemented
        if result is not NotImplemented and fallen_out(result):
            out.append(f"{name} gave {result!r}")
        assert a.tolist() == before.tolist(), name
    assert out == []


@pytest.mark.parametrize("method", ["__call__", "reduce", "accumulate", "reduceat", "outer", "at"])
def test_every_ufunc_in_every_way_records_or_raises(method):
    ufuncs = [function for _, function in functions(np) if isinstance(function, np.ufunc)]
    out = []
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for ufunc in ufuncs:
            for arguments in ("t", "tt", "at", "ta", "a0t", "t0a", "t0"):
                t, a = tg.parameter([0.5, 0.25]), np.array([1.0, 2.0])
                try:
                    result = getattr(ufunc, method)(*[{"t": t, "a": a, "0": [0]}[x] for x in arguments])
                except Exception:
                    continue
                finally:
                    assert a.tolist() == [1.0, 2.0]
                if fallen_out(result):
                    out.append(f"{ufunc.__name__}.{method} gave {result!r}")
    assert out == []
    assert len(ufuncs) > 80
