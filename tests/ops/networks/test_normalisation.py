"""What the laws do not say of layers that normalise, and of attention: parameters, statistics, masks, errors."""

import numpy as np
import pytest

import tinygraph as tg
from tinygraph.testing.laws import check_grads


@pytest.fixture
def x(rng):
    return rng.normal(size=(5, 4, 3)) * 2 + 1


def standardised(x, axes, eps=1e-5):
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + eps)


def test_what_each_layer_takes_mean_and_variance_over(x):
    gamma, beta = np.arange(1.0, 5.0), np.arange(4.0)
    by_channel, plus = gamma[:, None], beta[:, None]
    groups = standardised(x.reshape(5, 2, 2, 3), (2, 3)).reshape(x.shape)
    for ours, theirs in (
        (tg.layer_norm(x, 3), standardised(x, 2)),
        (tg.layer_norm(x, (4, 3), np.ones((4, 3)) * 2, np.ones((4, 3))), standardised(x, (1, 2)) * 2 + 1),
        (tg.batch_norm(x, weight=gamma, bias=beta, training=True), standardised(x, (0, 2)) * by_channel + plus),
        (tg.group_norm(x, 2, gamma, beta), groups * by_channel + plus),
        (tg.instance_norm(x, gamma, beta), standardised(x, 2) * by_channel + plus),
        (tg.rms_norm(x, 3, np.ones(3) * 2, 0.5), 2 * x / np.sqrt((x**2).mean(2, keepdims=True) + 0.5)),
    ):
        np.testing.assert_allclose(ours.data, theirs, rtol=1e-12)


def test_running_statistics_are_what_batch_norm_uses_afterwards(x):
    mean, var = np.zeros(4), np.ones(4)
    for _ in range(200):
        mean, var = (statistic.data for statistic in tg.running_statistics(x, mean, var))
    np.testing.assert_allclose(mean, x.mean((0, 2)), rtol=1e-6)
    np.testing.assert_allclose(var, x.var((0, 2), ddof=1), rtol=1e-6)
    y = tg.batch_norm(x, mean, var)
    np.testing.assert_allclose(y.data, (x - mean[:, None]) / np.sqrt(var[:, None] + 1e-5), rtol=1e-12)


def test_running_statistics_are_not_changed_in_place(x):
    mean, var = np.zeros(4), np.ones(4)
    tg.batch_norm(x, mean, var, training=True)
    tg.running_statistics(x, mean, var, momentum=0.5)
    assert not mean.any()
    assert (var == 1).all()


def test_layer_norm_is_derived_as_it_is_from_its_parts(rng):
    x, gamma, beta, R = (tg.parameter(rng.normal(size=s)) for s in ((5, 4), 4, 4, (5, 4)))
    y = tg.layer_norm(x, 4, gamma, beta)
    L = tg.sum(y * R)
    lines = [" ".join(line.split()) for line in str(tg.derive(L, [x, gamma, beta])).splitlines()]
    assert "t1 = x − mean[axis 1](x) (5, 4)" in lines
    assert "y = gamma ∗ t1 / √(mean[axis 1](t1²) + 1e−05) + beta (5, 4)" in lines
    assert "dx = dt1 − mean(dt1) (5, 4) sum over the 4 columns" in lines


@pytest.mark.parametrize("shape", [(2, 3), (1, 3), (3,)])
def test_dropout_keeps_the_mean_and_the_gradient_of_what_it_keeps(shape):
    mask = np.resize([True, False, True], shape)
    x = tg.parameter(np.ones((2, 3)))
    y = tg.dropout(x, mask, p=0.25)
    y.sum().backward()
    np.testing.assert_allclose(y.data, np.broadcast_to(mask, (2, 3)) / 0.75)
    np.testing.assert_allclose(x.grad, np.broadcast_to(mask, (2, 3)) / 0.75)


def test_dropout_draws_as_often_as_p_says():
    x = np.ones(10_000)
    y = tg.dropout(x, p=0.2, rng=np.random.default_rng(0)).data
    assert abs((y == 0).mean() - 0.2) < 0.02
    assert set(np.unique(y)) == {0.0, 1.25}
    assert not tg.dropout(x, p=1.0, rng=np.random.default_rng(0)).data.any()
    for y in (tg.dropout(x, p=0.0), tg.dropout(x, training=False)):
        assert (y.data == x).all()


def test_a_program_that_would_repeat_its_random_numbers_is_refused():
    rng = np.random.default_rng(0)
    x = np.ones(50)
    with pytest.raises(tg.errors.UnsupportedError, match=r"random numbers.*give them as an argument"):
        tg.compile(lambda x: tg.dropout(x, rng=rng))(x)
    compiled = tg.compile(lambda x, mask: tg.dropout(x, mask))
    for _ in range(2):
        mask = rng.random(50) >= 0.5
        np.testing.assert_array_equal(compiled(x, mask), 2.0 * mask)


def attention(q, k, v, scores=0.0):
    scores = q @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1]) + scores
    powers = np.exp(scores - scores.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True) @ v


@pytest.fixture
def heads(rng):
    return rng.normal(size=(2, 3, 4, 5)), rng.normal(size=(2, 3, 6, 5)), rng.normal(size=(2, 3, 6, 2))


def test_attention_with_masks(heads, rng):
    mask = rng.random((4, 6)) < 0.5
    mask[:, 0] = True
    added = rng.normal(size=(2, 1, 4, 6))
    for options, scores in (
        ({}, 0.0),
        ({"attn_mask": mask}, np.where(mask, 0.0, -1e300)),
        ({"attn_mask": added}, added),
        ({"attn_mask": np.where(mask, added, -np.inf)}, np.where(mask, added, -1e300)),
        ({"is_causal": True}, np.where(np.arange(6) <= np.arange(4)[:, None], 0.0, -1e300)),
    ):
        y = tg.scaled_dot_product_attention(*heads, **options)
        np.testing.assert_allclose(y.data, attention(*heads, scores), rtol=1e-12)


@pytest.mark.parametrize("kind", ["boolean", "added"])
def test_a_query_that_sees_no_key_gives_0_and_its_gradients_are_0(heads, kind):
    mask = np.ones((4, 6), bool)
    mask[1] = False
    q, k, v = map(tg.parameter, heads)
    y = tg.scaled_dot_product_attention(q, k, v, mask if kind == "boolean" else np.where(mask, 0.0, -np.inf))
    y.sum().backward()
    assert not y.data[..., 1, :].any()
    assert not q.grad[..., 1, :].any()
    for x in (q, k, v):
        assert np.isfinite(x.grad).all()
        assert x.grad.any()


def test_a_mask_that_is_added_has_a_gradient(rng):
    q, k, v, bias = (tg.parameter(rng.normal(size=s)) for s in ((3, 2), (4, 2), (4, 2), (3, 4)))
    check_grads(tg.scaled_dot_product_attention, *(x.data for x in (q, k, v, bias)))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda x: tg.layer_norm(x, 4),
            tg.ShapeError,
            r"the last axes must have the lengths of normalized_shape, \(4,\)",
        ),
        (lambda x: tg.layer_norm(x, 3, np.ones((3, 1))), tg.ShapeError, r"the weight must have the shape \(3,\), not"),
        (
            lambda x: tg.batch_norm(x, bias=np.ones(3), training=True),
            tg.ShapeError,
            r"the bias must have the shape \(4,\)",
        ),
        (lambda x: tg.batch_norm(x), tg.ArgumentError, r"or training=True"),
        (lambda x: tg.batch_norm(x[:1, :, :1], training=True), tg.ArgumentError, r"more than one number"),
        (lambda x: tg.batch_norm(x, np.ones(3), np.ones(3)), tg.ShapeError, r"for each of the 4 channels"),
        (lambda x: tg.running_statistics(x[:1, :, 0], 0.0, 1.0), tg.ArgumentError, r"more than one number"),
        (lambda x: tg.group_norm(x, 3), tg.ArgumentError, r"4 channels cannot be split into 3 groups"),
        (lambda x: tg.instance_norm(x[..., :1]), tg.ArgumentError, r"more than one number"),
        (lambda x: tg.instance_norm(x[..., 0]), tg.ShapeError, r"at least 3 axes"),
        (lambda x: tg.dropout(x), tg.ArgumentError, r"either rng=np.random.default_rng\(seed\) or a mask"),
        (lambda x: tg.dropout(x, np.ones(3) / 0.8, p=0.2), tg.ArgumentError, r"do not divide the mask"),
        (lambda x: tg.dropout(x, p=2), tg.ArgumentError, r"between 0 and 1, not 2"),
        (lambda x: tg.dropout(x, np.ones((2, 5, 4, 3))), tg.ShapeError, r"the mask must broadcast to the shape"),
        (lambda x: tg.dropout(x, np.ones(2)), tg.ShapeError, r"the mask must broadcast to the shape"),
        (lambda x: tg.scaled_dot_product_attention(x, x[..., :2], x), tg.ShapeError, r"query, key and value have"),
        (lambda x: tg.scaled_dot_product_attention(x, x, x, np.ones((4, 4), int)), tg.DTypeError, r"not int64"),
        (
            lambda x: tg.scaled_dot_product_attention(x, x, x, np.ones((3, 4))),
            tg.ShapeError,
            r"\(5, 4, 4\), \(…, L, S\)",
        ),
        (
            lambda x: tg.scaled_dot_product_attention(x, x, x, np.ones((4, 4)), 0, True),
            tg.ArgumentError,
            r"exclude each",
        ),
    ],
)
def test_what_has_no_meaning_is_refused(call, error, message, x):
    with pytest.raises(error, match=message):
        call(x)
