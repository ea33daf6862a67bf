"""Checkpoints: the same gradients, with less memory."""

import tracemalloc
import warnings

import numpy as np
import pytest

import tinygraph as tg
from tinygraph.graph import tensor
from tinygraph.graph.replaying import evaluate


@pytest.fixture
def weights(rng):
    return [tg.parameter(rng.normal(size=(4, 4)) / 2, name=f"W{i}") for i in range(6)]


def chain(weights, wrap=lambda f: f):
    def segment(part):
        def run(x):
            for W in part:
                x = tg.tanh(W @ x)
            return x

        return run

    parts = [wrap(segment(weights[i : i + 2])) for i in range(0, len(weights), 2)]

    def run(x):
        for part in parts:
            x = part(x)
        return tg.sum(x**2)

    return run


def test_exactly_the_same_gradients(weights, rng):
    x = rng.normal(size=(4, 3))
    found = []
    for wrap in (lambda f: f, tg.checkpoint):
        given = tg.parameter(x)
        chain(weights, wrap)(given).backward()
        found.append([given.grad, *(W.grad for W in weights)])
        for W in weights:
            W.grad = None
    assert all(map(np.array_equal, *found))


def test_to_second_order_and_within_all_transforms(weights, rng):
    plain, kept, x = chain(weights), chain(weights, tg.checkpoint), rng.normal(size=(4, 1))
    with tg.no_grad():  # else these could be differentiated by the weights
        np.testing.assert_allclose(tg.grad(kept)(x), tg.grad(plain)(x), rtol=1e-12)
        np.testing.assert_allclose(tg.hessian(kept)(x), tg.hessian(plain)(x), rtol=1e-10, atol=1e-14)
        np.testing.assert_allclose(tg.hvp(kept, (x,), (x,)), tg.hvp(plain, (x,), (x,)), rtol=1e-10)
        np.testing.assert_allclose(tg.compile(tg.hessian(kept))(x), tg.hessian(plain)(x), rtol=1e-10, atol=1e-14)
    tg.check_grads(kept, x)
    J = kept(tg.Tensor(x))
    first = tg.gradients(J, weights[0])
    again = tg.gradients(tg.sum(first**2), weights[1])
    J = plain(tg.Tensor(x))
    wanted = tg.gradients(tg.sum(tg.gradients(J, weights[0]) ** 2), weights[1])
    np.testing.assert_allclose(again.data, wanted.data, rtol=1e-10)


def peak_of(f):
    f()
    tracemalloc.start()
    try:
        f()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("how", ["backward", "grad"])
def test_memory_of_a_chain_of_fifty_layers(rng, how):
    W, x = tg.parameter(rng.normal(size=(8, 8)) / 3), rng.normal(size=(8, 5000))

    def run(wrap):
        def segment(x):
            for _ in range(7):
                x = tg.tanh(W @ x)
            return x

        part = wrap(segment)

        def loss(x):
            for _ in range(7):
                x = part(x)
            return tg.sum(tg.tanh(W @ x))

        if how == "grad":
            return tg.no_grad()(lambda: tg.grad(loss)(x))

        def step():
            loss(tg.Tensor(x)).backward(retain_grads=False)
            W.grad = None

        return step

    layer = x.nbytes
    plain, kept = peak_of(run(lambda f: f)), peak_of(run(tg.checkpoint))
    assert plain > 95 * layer  # a product and a tanh for each of fifty
    assert kept < 35 * layer


def test_random_numbers_are_drawn_once(rng):
    drawn = []

    @tg.checkpoint
    def dropout(x):
        drawn.append(rng.random(x.shape) < 0.5)
        return x * x * drawn[-1]

    x = tg.parameter(np.arange(1.0, 50.0))
    tg.sum(dropout(x)).backward()
    assert len(drawn) == 1
    np.testing.assert_array_equal(x.grad, 2 * x.data * drawn[0])


def test_nested_arguments_and_results_of_all_kinds():
    @tg.checkpoint
    def f(p, x, *, word):
        z = p["w"] * x
        return {"z": z, "low": z.astype(np.float32), "mask": z > 1, "word": word, "none": None, "same": x}

    w = tg.parameter([1.0, 2.0])
    made = f({"w": w}, np.array([3.0, 0.1]), word="kept")
    assert (made["word"], made["none"]) == ("kept", None)
    assert made["low"].dtype == np.float32
    assert made["mask"].data.tolist() == [True, False]
    assert not made["mask"].requires_grad
    tg.sum(made["z"] * made["mask"] + made["low"]).backward()
    np.testing.assert_allclose(w.grad, [6.0, 0.1], rtol=1e-6)
    x = tg.parameter([3.0])
    tg.sum(f({"w": w}, x[0], word="")["same"]).backward()
    np.testing.assert_array_equal(x.grad, [1.0])


def test_values_are_those_of_the_forward_run():
    W = tg.parameter([2.0])
    y = tg.sum(tg.checkpoint(lambda x: W * x * x)(tg.parameter([3.0], name="x")))
    W.data += 100.0
    y.backward()
    np.testing.assert_array_equal(W.grad, [9.0])
    W.grad = None
    y = tg.sum(tg.checkpoint(lambda x: W * x)(tg.Tensor([3.0])))
    W.data += 1.0
    with pytest.raises(tg.GraphError, match="data of W has changed"):
        tg.gradients(y, W)


def test_it_is_evaluated_drawn_and_derived():
    W, x = tg.parameter([2.0]), tg.Tensor([3.0])
    layer = tg.checkpoint(lambda x: tg.tanh(W * x))
    J = tg.sum(layer(x))
    assert evaluate([J], {x: np.zeros(1), W: np.ones(1)})[0] == 0.0
    assert J.inputs[0].op.name == "checkpoint"

    def block(x):
        return tg.tanh(W * x)

    J = tg.sum(tg.checkpoint(block)(x))
    assert "block(x, W)" in str(tg.draw(J))
    assert "block(x, W)" in str(tg.derive(J))


def test_warnings_come_once():
    x, f = tg.parameter([1000.0]), tg.checkpoint(lambda x: tg.exp(x) * 0.5)
    with pytest.warns(RuntimeWarning, match="overflow"):
        y = f(x)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        evaluate([y])
        y.backward([1.0])


def test_what_leaves_the_graph_is_refused_inside_too():
    x = tg.parameter([1.0, 2.0])
    with pytest.raises(tg.UnsupportedError, match="would leave the graph"):
        tg.checkpoint(lambda x: x * float(tg.sum(x)))(x)
    with pytest.raises(tg.UnsupportedError, match="would leave the graph"):
        tg.checkpoint(lambda x: x * float(x[0]))(x)


def test_a_probability_from_outside_is_not_counted_twice():
    z = tg.parameter([0.3, -0.2])
    a = tg.sigmoid(z)

    def loss(y):
        return tg.log_loss(a, y)

    with pytest.raises(tg.GraphError, match="loss uses a from outside, and reads its logit: make it an argument"):
        tg.checkpoint(loss)(np.array([1.0, 0.0]))
    tg.checkpoint(tg.log_loss)(a, np.array([1.0, 0.0])).backward()
    np.testing.assert_allclose(z.grad, (a.data - [1.0, 0.0]) / 2)


def test_without_recording_nothing_is_kept():
    with tg.no_grad():
        assert tg.checkpoint(lambda x: x * 2.0)(tg.parameter(1.0)).op is None


def test_one_in_another(weights, rng):
    x = rng.normal(size=(4, 1))
    inner = tg.checkpoint(lambda x: tg.tanh(weights[0] @ x))
    outer = tg.checkpoint(lambda x: tg.tanh(weights[1] @ inner(inner(x))))
    plain = lambda x: tg.tanh(weights[1] @ tg.tanh(weights[0] @ tg.tanh(weights[0] @ x)))  # noqa: E731
    for f in (outer, plain):
        tg.sum(f(x) ** 2).backward()
    for W in weights[:2]:
        assert W.grad is not None
    one, other = (tg.hessian(lambda x, f=f: tg.sum(f(x)))(x) for f in (outer, plain))
    np.testing.assert_allclose(one.data, other.data)


def test_constants_come_back_as_they_are():
    p = tg.parameter(2.0)
    for constant in (tg.Tensor(3.0), tg.Tensor(3), p):
        assert tg.checkpoint(lambda a, c=constant: c)(tg.parameter(1.0)) is constant
    kept, result = tg.checkpoint(lambda a: (a.detach(), a * 3))(p)
    result.backward()
    assert kept.item() == p.grad + kept.item() - 3.0 == 2.0


def test_a_chain_is_not_walked_for_each_of_its_links(monkeypatch):
    walked = []
    monkeypatch.setattr(tensor, "calls_of", lambda x, smoothly=False: walked.append(x) or iter(()))
    link = tg.checkpoint(lambda z: z * 1.0)
    y = tg.parameter(1.0)
    for _ in range(20):
        y = link(y)
    y.backward()
    assert len(walked) <= 20
