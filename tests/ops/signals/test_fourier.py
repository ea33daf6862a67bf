"""Fourier transforms: pairs for complex numbers, lengths and axes, errors, and what NumPy's own functions do."""

import itertools
import operator

import numpy as np
import pytest

import tinygraph as tg
from tinygraph.testing.laws import check_grads

COMPLEX = ["fft", "ifft", "rfft", "ihfft", "fftn", "ifftn", "rfftn", "fft2", "ifft2", "rfft2"]
REAL = ["irfft", "hfft", "irfftn", "irfft2"]


def as_complex(pair):
    return pair.real.data + 1j * pair.imag.data


def test_the_namespace_has_numpys_names():
    assert set(tg.fft.__all__) - {"Complex"} == set(np.fft.__all__)
    assert "fft" in tg.__all__


@pytest.mark.parametrize("n", [1, 2, 3, 4, 7, 8])
def test_there_and_back_again(n, rng):
    x = rng.normal(size=(2, n))
    np.testing.assert_allclose(tg.fft.irfft(tg.fft.rfft(x), n=n).data, x, atol=1e-15)
    np.testing.assert_allclose(tg.fft.ifft(tg.fft.fft(x)).real.data, x, atol=1e-15)
    np.testing.assert_allclose(tg.fft.hfft(tg.fft.ihfft(x), n=n).data, x, atol=1e-14)
    np.testing.assert_array_equal(tg.fft.ifftshift(tg.fft.fftshift(x)).data, x)


@pytest.mark.parametrize("axes", [(0,), (2, 1), (1, 2, 0), (-1, 0)])
@pytest.mark.parametrize("shape", [(3, 4, 5), (2, 1, 2), (1, 3, 4)])
def test_the_spectrum_of_real_numbers_is_numpys_along_any_axes(shape, axes, rng):
    x = rng.normal(size=shape)
    np.testing.assert_allclose(as_complex(tg.fft.fftn(x, axes=axes)), np.fft.fftn(x, axes=axes), atol=1e-13)
    np.testing.assert_allclose(as_complex(tg.fft.ifftn(x, axes=axes)), np.fft.ifftn(x, axes=axes), atol=1e-13)


def test_of_real_numbers_nothing_is_transformed_twice():
    x = tg.parameter([1.0, 2.0, 3.0])
    X = tg.fft.fft(x)
    ops = [node.op.name for node in tg.toposort(*X, *tg.gradients(X.real.sum() + X.imag.sum(), [x])) if node.op]
    assert sorted(name for name in ops if "dft" in name) == ["irdft", "rdft"]


def test_the_gradient_of_a_power_spectrum_is_the_textbooks(rng):
    x = tg.parameter(rng.normal(size=7))
    weights = rng.normal(size=7)
    (tg.fft.fft(x).abs2() * weights).sum().backward()
    expected = 2 * 7 * np.fft.ifft(weights * np.fft.fft(x.data)).real
    np.testing.assert_allclose(x.grad, expected, atol=1e-13)


def test_a_circular_convolution_through_transforms(rng):
    x, y = rng.normal(size=(2, 5))

    def convolved(x, y):
        return tg.fft.irfft(tg.fft.rfft(x) * tg.fft.rfft(y), n=5)

    expected = [sum(x[j] * y[(k - j) % 5] for j in range(5)) for k in range(5)]
    np.testing.assert_allclose(convolved(tg.Tensor(x), tg.Tensor(y)).data, expected, atol=1e-14)
    check_grads(convolved, x, y)


# -- pairs ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("apply", [operator.add, operator.sub, operator.mul], ids=lambda f: f.__name__)
def test_pairs_compute_as_complex_numbers_do(apply, rng):
    z, w, real = (rng.normal(size=(2, 3)) + 1j * rng.normal(size=(2, 3)) for _ in range(3))
    real = real.real
    Z, W = (tg.fft.Complex(tg.Tensor(v.real), tg.Tensor(v.imag)) for v in (z, w))
    others = [(W, w), ((w.real, w.imag), w), (real, real), (tg.Tensor(real), real), (2.0, 2.0), (3, 3)]
    others += [(np.float64(0.5), 0.5), (real.tolist(), real), (np.ones((4, 2, 3)), np.ones((4, 2, 3)))]
    for other, number in others:
        for result, expected in ((apply(Z, other), apply(z, number)), (apply(other, Z), apply(number, z))):
            if isinstance(other, tuple) and not isinstance(other, tg.fft.Complex):
                continue
            assert type(result) is tg.fft.Complex
            assert result.real.shape == result.imag.shape
            np.testing.assert_allclose(as_complex(result), expected)
    np.testing.assert_allclose(as_complex(-Z.conj()), -z.conj())
    np.testing.assert_allclose(Z.abs2().data, abs(z) ** 2)


def test_a_tuple_on_either_side_is_a_pair_and_never_joined(rng):
    z = tg.fft.fft([1.0, 2.0])
    assert np.array_equal(as_complex(z + (z.real, z.imag)), 2 * as_complex(z))  # noqa: RUF005
    with pytest.raises((TypeError, ValueError)):
        z + (1.0, 2.0, 3.0)  # noqa: RUF005


def test_a_list_is_an_array_and_a_tuple_of_two_a_pair():
    assert tg.fft.fft([[1.0, 2.0], [3.0, 4.0]]).real.shape == (2, 2)
    assert tg.fft.fft(([1.0, 2.0], [3.0, 4.0])).real.shape == (2,)


def test_pairs_are_compiled(rng):
    x, y = rng.normal(size=(2, 6)).astype(np.float32)

    def step(x, y):
        z = tg.fft.ifft(tg.fft.fft((x, y)) * tg.fft.fft(x), n=8)
        loss = z.abs2().sum()
        return loss, *tg.gradients(loss, [x, y])

    compiled = tg.compile(step)
    for result, expected in zip(compiled(x, y), step(tg.parameter(x), tg.parameter(y)), strict=True):
        assert result.dtype == np.float32
        np.testing.assert_allclose(result, expected.data, rtol=1e-5)
    assert "np.fft.fftn" in compiled.source


# -- dtypes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "g", "i1", "i8", "?"])
@pytest.mark.parametrize("name", [*COMPLEX, *REAL, "fftshift"])
def test_dtypes_are_numpys(name, dtype):
    x = np.ones((3, 4), dtype)
    leaf = tg.Tensor(x, requires_grad=x.dtype.kind == "f")
    y, expected = getattr(tg.fft, name)(leaf), getattr(np.fft, name)(x)
    y = y.real if isinstance(y, tuple) else y
    assert y.dtype == expected.real.dtype
    if y.requires_grad:
        y.backward(np.ones(y.shape))
        assert leaf.grad.dtype == x.dtype


# -- NumPy's own functions -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*REAL, "fftshift", "ifftshift"])
def test_numpys_functions_with_real_results_record(name, rng):
    x = rng.normal(size=(3, 4))
    function = getattr(np.fft, name)
    several = name.endswith(("n", "2"))
    for given in ({}, {"axes": (1, 0)} if several or "shift" in name else {"axis": 0, "n": 5}):
        y = function(tg.parameter(x), **given)
        assert y.requires_grad
        np.testing.assert_allclose(y.data, function(x, **given), atol=1e-13)
    if several:
        np.testing.assert_allclose(function(tg.Tensor(x), (2, 5), (0, 1)).data, function(x, (2, 5), (0, 1)), atol=1e-13)


@pytest.mark.parametrize("name", COMPLEX)
def test_numpys_functions_with_complex_results_name_ours(name):
    with pytest.raises(tg.UnsupportedError, match=rf"np\.fft\.{name} gives complex numbers.*tg\.fft\.{name}"):
        getattr(np.fft, name)(tg.parameter(np.ones((2, 4))))


def test_frequencies_are_numpys_and_can_be_differentiated():
    for n, d in itertools.product((1, 4, 5), (1.0, 0.3)):
        np.testing.assert_allclose(tg.fft.fftfreq(n, d).data, np.fft.fftfreq(n, d))
        np.testing.assert_allclose(tg.fft.rfftfreq(n, d).data, np.fft.rfftfreq(n, d))
    check_grads(lambda d: tg.fft.fftfreq(5, d), np.array(0.3))
    check_grads(lambda d: np.fft.rfftfreq(5, d), np.array(0.3))


# -- errors --------------------------------------------------------------------------------------------------------

x = [1.0, 2.0, 3.0]
ERRORS = {
    "complex data": (lambda: tg.fft.fft([1j, 2.0]), TypeError, "real and imaginary parts as two tensors"),
    "three parts": (lambda: tg.fft.fft((x, x, x)), ValueError, "a pair .real, imag., not 3"),
    "parts of two shapes": (lambda: tg.fft.fft((x, [1.0])), ValueError, r"the same shape, not \(3,\) and \(1,\)"),
    "a pair for real numbers": (lambda: tg.fft.rfft((x, x)), TypeError, "rfft takes real numbers; use fft"),
    "a pair for ihfft": (lambda: tg.fft.ihfft((x, x)), TypeError, "use ifft"),
    "no axis": (lambda: tg.fft.fft(1.0), ValueError, r"fft.*: axis -1 is out of bounds"),
    "no axes": (lambda: tg.fft.fftn(1.0), ValueError, "fftn needs at least one axis"),
    "another axis": (lambda: tg.fft.irfft(x, axis=1), ValueError, "irfft along axis 1"),
    "an axis twice": (lambda: tg.fft.fftn([x], axes=(0, -2)), ValueError, "each axis once"),
    "lengths without axes": (lambda: tg.fft.fftn([x], s=(1, 3)), ValueError, "give axes too"),
    "too few lengths": (lambda: tg.fft.fftn([x], s=(1,), axes=(0, 1)), ValueError, "one length for each of the axes"),
    "an empty axis": (lambda: tg.fft.fft([]), ValueError, "at least one number"),
    "no length": (lambda: tg.fft.rfft(x, n=0), ValueError, "at least one number"),
    "half of nothing": (lambda: tg.fft.irfft([1.0]), ValueError, "at least one number"),
    "another norm": (
        lambda: tg.fft.fft(x, norm="unitary"),
        ValueError,
        'norm must be "backward", "ortho" or "forward"',
    ),
    "another norm of hfft": (lambda: tg.fft.hfft(x, norm="unitary"), ValueError, "not 'unitary'"),
    "a complex factor": (lambda: tg.fft.fft(x) * 2j, TypeError, "real and imaginary parts"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_say_what_is_wrong(name):
    attempt, kind, text = ERRORS[name]
    with pytest.raises(tg.TinygraphError, match=text) as caught:
        attempt()
    assert isinstance(caught.value, kind)
