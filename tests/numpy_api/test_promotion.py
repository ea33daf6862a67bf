"""Numbers and arrays of every dtype promote as in NumPy, but integers never widen floating numbers."""

import enum
import operator

import numpy as np
import pytest
from operands import ARITHMETIC, COMPARISONS

import tinygraph as tg

SCALARS = [
    *(np.dtype(kind).type(2) for kind in ("f2", "f4", "f8", "i1", "i8", "u1", "u8", "?")),
    2,
    2.0,
    True,
    enum.IntEnum("Two", {"two": 2}).two,
    type("Float", (float,), {})(2.0),
]


def unwidened(result, *operands):
    """Return NumPy's result in the dtype that it has when integers do not widen floating numbers."""
    floats = [x.dtype for x in operands if x.dtype.kind == "f"]
    integers = any(x.dtype.kind in "iu" for x in operands)
    return result.astype(np.result_type(*floats)) if floats and integers and result.dtype.kind == "f" else result


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("shape", [(), (2,)])
@pytest.mark.parametrize("apply", [*ARITHMETIC, *COMPARISONS[:1]], ids=lambda f: f.__name__)
def test_numbers_of_every_type_promote_as_numpy_does_but_for_integers(apply, shape):
    compared = 0
    for dtype in ("f2", "f4", "f8", "i1", "i4", "i8", "u1", "?"):
        x = np.ones(shape, dtype)[()]  # a scalar where there are no axes, since ** of booleans differs from arrays
        for scalar in SCALARS:
            # ** of NumPy 2.1 has other dtypes for numbers that are not Python's own
            builtin = type(scalar) in (int, float, bool)
            numpys = np.power if apply is operator.pow and not builtin else apply
            for way, plain in (
                (lambda x, n=scalar: apply(n, x), lambda x, f=numpys, n=scalar: f(n, x)),
                (lambda x, n=scalar: apply(x, n), lambda x, f=numpys, n=scalar: f(x, n)),
            ):
                try:
                    expected = unwidened(np.asarray(plain(x)), x, np.asarray(scalar))
                except TypeError:  # booleans are not subtracted
                    with pytest.raises(TypeError):
                        way(tg.Tensor(x))
                    continue
                leaf = tg.Tensor(x, requires_grad=x.dtype.kind == "f")
                y = way(leaf)
                context = f"{apply.__name__}, {dtype}{shape}, {type(scalar).__name__}"
                assert y.dtype == y.data.dtype == expected.dtype, context
                np.testing.assert_array_equal(y.data, expected, err_msg=context, strict=True)
                if y.requires_grad:
                    y.backward(np.ones(shape))
                    assert leaf.grad.dtype == dtype, context
                compared += 1
    assert compared > 190


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("apply", [*ARITHMETIC, operator.matmul], ids=lambda f: f.__name__)
def test_arrays_of_every_type_promote_as_numpy_does_but_for_integers(apply):
    for left in ("f2", "f4", "f8", "i1", "i8", "u1"):
        for right in ("f2", "f4", "f8", "i1", "i8", "u1"):
            x, y = np.ones(2, left), np.ones(2, right)
            expected = unwidened(apply(x, y), x, y)
            a, b = (tg.Tensor(z, requires_grad=z.dtype.kind == "f") for z in (x, y))
            for result in (apply(a, b), apply(x, b), apply(a, y)):
                assert result.dtype == expected.dtype, (left, right)
            z = apply(a, b)
            if z.requires_grad:
                z.backward(np.ones(z.shape))
                assert [g.grad.dtype for g in (a, b) if g.requires_grad] == [g.dtype for g in (a, b) if g.requires_grad]
