"""What the laws do not say of convolution and pooling: definitions, errors, places."""

import itertools

import numpy as np
import pytest

import tinygraph as tg
from tinygraph.kernels import max_pool_places


def by_definition(x, w, stride, padding, dilation, groups):
    """A loop over every number of the result."""
    axes = x.ndim - 2
    x = np.pad(x, [(0, 0), (0, 0), *[(padding, padding)] * axes])
    lengths = [(n - dilation * (k - 1) - 1) // stride + 1 for n, k in zip(x.shape[2:], w.shape[2:], strict=True)]
    y = np.zeros((len(x), len(w), *lengths))
    for n, o, *place in np.ndindex(y.shape):
        first = o // (len(w) // groups) * w.shape[1]
        for c, *offset in np.ndindex(w.shape[1:]):
            read = [i * stride + k * dilation for i, k in zip(place, offset, strict=True)]
            y[(n, o, *place)] += w[(o, c, *offset)] * x[(n, first + c, *read)]
    return y


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize(("stride", "padding", "dilation"), [(1, 0, 1), (2, 1, 1), (1, 2, 2), (3, 1, 2)])
@pytest.mark.parametrize("groups", [1, 2])
def test_a_convolution_is_what_its_definition_says(axes, stride, padding, dilation, groups, rng):
    x, w = rng.normal(size=(2, 4, *(5, 4, 6)[:axes])), rng.normal(size=(6, 4 // groups, *(2, 2, 3)[:axes]))
    conv = (tg.conv1d, tg.conv2d, tg.conv3d)[axes - 1]
    y = conv(x, w, None, stride, padding, dilation, groups)
    np.testing.assert_allclose(y.data, by_definition(x, w, stride, padding, dilation, groups), rtol=1e-12, atol=1e-12)


def test_the_three_maps_are_transposes_of_each_other(rng):
    """⟨conv(x, w), y⟩ = ⟨x, convᵀ(y, w)⟩ = ⟨w, corr(x, y)⟩."""
    x, w = tg.parameter(rng.normal(size=(2, 4, 7, 6))), tg.parameter(rng.normal(size=(6, 2, 3, 2)))
    z = tg.conv2d(x, w, stride=2, padding=(1, 0), groups=2)
    y = rng.normal(size=z.shape)
    dx, dw = tg.gradients(z, [x, w], y)
    assert np.vdot(z.data, y) == pytest.approx(np.vdot(dx.data, x.data))
    assert np.vdot(z.data, y) == pytest.approx(np.vdot(dw.data, w.data))
    again = tg.conv_transpose2d(y, w, stride=2, padding=(1, 0), groups=2, output_padding=(0, 0))
    assert again.shape == x.shape
    np.testing.assert_allclose(again.data, dx.data)


def test_a_convolution_is_a_product_with_columns(rng):
    x, w = rng.normal(size=(2, 3, 5, 4)), rng.normal(size=(6, 3, 2, 3))
    columns = tg.unfold(x, (2, 3), padding=1)
    y = w.reshape(6, -1) @ columns.data
    np.testing.assert_allclose(tg.conv2d(x, w, padding=1).data.reshape(2, 6, -1), y, rtol=1e-12)


def test_fold_counts_how_often_unfold_reads_each_element():
    ones = np.ones((1, 1, 4))
    counts = tg.fold(tg.unfold(ones, 3), (4,), 3)
    assert counts.data.tolist() == [[[1, 2, 2, 1]]]


def test_an_image_without_a_batch_is_a_batch_of_one(rng):
    x, w, b = rng.normal(size=(3, 5, 5)), rng.normal(size=(4, 3, 2, 2)), rng.normal(size=4)
    assert tg.conv2d(x, w, b).shape == (4, 4, 4)
    np.testing.assert_array_equal(tg.conv2d(x, w, b).data, tg.conv2d(x[None], w, b).data[0])
    np.testing.assert_array_equal(tg.max_pool2d(x, 2).data, tg.max_pool2d(x[None], 2).data[0])


def test_same_keeps_the_lengths_and_puts_the_odd_zero_after():
    y = tg.conv1d([[1.0, 2.0, 3.0]], [[[1.0, 10.0]]], padding="same")
    assert y.data.tolist() == [[21, 32, 3]]
    assert tg.conv2d(np.ones((1, 1, 5, 6)), np.ones((1, 1, 4, 3)), padding="same", dilation=(2, 1)).shape == (
        1,
        1,
        5,
        6,
    )


def test_the_largest_element_is_never_padding_and_the_first_of_those_that_tie():
    x = tg.parameter([[-1.0, -1.0, -np.inf, -np.inf]])
    y = tg.max_pool1d(x, 3, stride=1, padding=1)
    assert y.data.tolist() == [[-1, -1, -1, -np.inf]]
    y.backward(np.ones((1, 4)))
    assert x.grad.tolist() == [[2, 1, 1, 0]]


@pytest.mark.parametrize("dtype", [np.float16, np.int8, np.uint8, bool])
def test_pooling_of_other_dtypes(dtype):
    x = np.array([[0, 1, 1, 0, 0, 0]]).astype(dtype)
    assert tg.max_pool1d(x, 2).dtype == dtype
    assert tg.max_pool1d(x, 3, padding=1).data.tolist() == [[1, 1]]
    assert tg.avg_pool1d(x, 3).dtype == (dtype if dtype is np.float16 else np.float64)


def test_a_nan_is_the_largest():
    x = np.array([[[1.0, np.nan, 3.0, 2.0]]])
    assert np.isnan(tg.max_pool1d(x, 2).data[0, 0, 0])
    assert max_pool_places(x, (2,), (2,), ((0, 0),), (1,)).tolist() == [[[1, 2]]]


def test_zeros_around_count_in_a_mean_or_not():
    x = [[1.0, 2.0, 3.0]]
    assert tg.avg_pool1d(x, 3, stride=1, padding=1).data.tolist() == [[1, 2, 5 / 3]]
    without = tg.avg_pool1d(x, 3, stride=1, padding=1, count_include_pad=False)
    np.testing.assert_allclose(without.data, [[1.5, 2, 2.5]], rtol=1e-15)


def test_adaptive_windows_overlap_where_they_have_to():
    y = tg.adaptive_avg_pool1d([[1.0, 2.0, 3.0, 4.0, 5.0]], 3)
    assert y.data.tolist() == [[1.5, 3, 4.5]]
    assert tg.adaptive_avg_pool2d(np.ones((2, 3, 4, 5)), (1, 7)).shape == (2, 3, 1, 7)
    assert tg.adaptive_avg_pool2d(np.ones((2, 3, 4, 5)), (None, 1)).shape == (2, 3, 4, 1)


def test_an_unread_border_has_no_gradient():
    x = tg.parameter(np.ones((1, 1, 6)))
    tg.conv1d(x, np.ones((1, 1, 2)), stride=3).sum().backward()
    assert x.grad.tolist() == [[[1, 1, 0, 1, 1, 0]]]


def test_equations_of_convolutions_and_pools(rng):
    X, W, b, V = (tg.parameter(rng.normal(size=shape)) for shape in ((1, 1, 3, 3), (2, 1, 2, 2), 2, (1, 2, 1, 1)))
    Z = tg.conv2d(X, W, b)
    A = tg.conv2d(Z, V)
    P = tg.max_pool2d(A, (2, 1))
    J = tg.sum(P**2)
    lines = [" ".join(line.split()) for line in str(tg.derive(J)).splitlines()]
    for equation in (
        "Z = conv(X, W) + reshape(b, (−1, 1, 1)) (1, 2, 2, 2)",
        "P = max pool(A) (1, 1, 1, 2)",
        "dA = unpool(2 · P, argmax pool(A)) (1, 1, 2, 2)",
        "dV = corr(Z, dA) (1, 2, 1, 1)",
        "dZ = convᵀ(dA, V) (1, 2, 2, 2)",
        "dW = corr(X, dZ) (2, 1, 2, 2)",
        "dX = convᵀ(dZ, W) (1, 1, 3, 3)",
    ):
        assert equation in lines


def test_a_step_of_a_small_network_is_compiled(rng):
    def loss(params, X, y):
        A = tg.relu(tg.conv2d(X, params["W1"], params["b1"], padding=1))
        return tg.cross_entropy(tg.max_pool2d(A, 2).reshape(len(y), -1) @ params["W2"], y)

    params = {"W1": rng.normal(size=(2, 1, 3, 3)), "b1": np.zeros(2), "W2": rng.normal(size=(8, 3))}
    X, y = rng.normal(size=(4, 1, 4, 4)), np.array([0, 2, 1, 1])
    compiled = tg.compile(tg.value_and_grad(loss))
    for ours, theirs in zip(
        *(tg.trees.flatten(f(params, X, y))[0] for f in (compiled, tg.value_and_grad(loss))), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-11)
    assert "conv_kernel(" in compiled.source


IMAGE, KERNEL = np.ones((2, 3, 5, 5)), np.ones((4, 3, 2, 2))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda X, W: tg.conv2d(X, W[:, :2]), r"the input has 3 channels, but the weight is for 2"),
        (lambda X, W: tg.conv2d(X[0, 0], W), r"the input must have the shape \(N, C, H, W\) or \(C, H, W\)"),
        (lambda X, W: tg.conv2d(X, W[0]), r"the weight must have the shape \(O, C / 1, k1, k2\)"),
        (lambda X, W: tg.conv2d(X, W, np.ones(3)), r"the bias must have one number for each of the 4 channels"),
        (lambda X, W: tg.conv2d(X, W, np.ones((4, 1))), r"the bias must have one number for each of the 4 channels"),
        (lambda X, W: tg.conv2d(X, np.ones((4, 3, 6, 2))), r"a kernel of \(6, 2\) does not fit into the padded input"),
        (lambda X, W: tg.conv2d(X, W, dilation=5), r"a kernel of \(2, 2\) with a dilation of \(5, 5\) does not fit"),
        (lambda X, W: tg.max_pool2d(X, 6), r"a kernel of \(6, 6\) does not fit"),
        (lambda X, W: tg.max_pool2d(np.ones((1, 0, 1)), 2, padding=1), r"a window of \(2, 2\) contains only padding"),
        (lambda X, W: tg.max_pool1d([[1.0, 2.0]], 2, 1, 1, dilation=3), r"a window of \(2,\) contains only padding"),
        (lambda X, W: tg.conv_transpose2d(X, W), r"the input has 3 channels, but the weight is for 4"),
        (lambda X, W: tg.conv_transpose2d(X, W[:3], padding=9), r"the result would have the lengths \(-12, -12\)"),
        (lambda X, W: tg.fold(X[0], (5, 5), 2), r"the input must have the shape \(N, C · 4, 16\)"),
        (lambda X, W: tg.adaptive_avg_pool2d(X[0, 0], 1), r"the input must have the shape"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(call, message):
    with pytest.raises(tg.ShapeError, match=message):
        call(IMAGE, KERNEL)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda X, W: tg.conv2d(X, W, stride=0), r"stride must be a whole number of at least 1 or a tuple of 2, not 0"),
        (lambda X, W: tg.conv2d(X, W, stride=(1, 1, 1)), r"a tuple of 2, not \(1, 1, 1\)"),
        (lambda X, W: tg.conv2d(X, W, stride=1.5), r"stride must be a whole number"),
        (lambda X, W: tg.conv2d(X, W, padding=-1), r"padding must be a whole number of at least 0"),
        (lambda X, W: tg.conv2d(X, W, padding="full"), r'"same" or "valid", not'),
        (lambda X, W: tg.conv2d(X, W, padding="same", stride=2), r"only with a stride of 1"),
        (lambda X, W: tg.conv2d(X, W, groups=3), r"the 4 channels of the weight cannot be split into 3 groups"),
        (lambda X, W: tg.conv_transpose2d(X, W[:3], output_padding=1), r"output_padding must be less than the stride"),
        (lambda X, W: tg.max_pool2d(X, 2, padding=2), r"at most half of the kernel_size"),
        (lambda X, W: tg.fold(X[0], 5, 2), r"output_size must be a tuple"),
        (lambda X, W: tg.max_pool2d(X, 0), r"kernel_size must be a whole number of at least 1"),
    ],
)
def test_arguments_without_a_meaning_are_refused(call, message):
    with pytest.raises(tg.ArgumentError, match=message):
        call(IMAGE, KERNEL)


def test_an_error_speaks_of_the_operands_by_name():
    photographs, filters = tg.Tensor(IMAGE), tg.Tensor(KERNEL[:, :1])
    with pytest.raises(tg.ShapeError) as caught:
        tg.conv2d(photographs, filters)
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("tg.conv2d(photographs, filters): ")
    assert [line.split()[0] for line in lines[1:3]] == ["photographs", "filters"]


def test_every_combination_of_lengths_keeps_shapes(rng):
    for n, k, s, p, d in itertools.product((4, 5), (1, 3), (1, 2), (0, 1), (1, 2)):
        x, w = tg.parameter(rng.normal(size=(1, 1, n))), tg.parameter(rng.normal(size=(1, 1, k)))
        if n + 2 * p < d * (k - 1) + 1:
            continue
        y = tg.conv1d(x, w, None, s, p, d)
        y.sum().backward()
        assert x.grad.shape == x.shape
        assert w.grad.shape == w.shape
