"""The reverse traversal: what backward and gradients compute, keep, refuse and leave alone."""

import signal
import threading
from collections import Counter

import numpy as np
import pytest
from graphs import random_graph
from interrupts import interruptions

import tinygraph as tg
from tinygraph.autodiff.contributions import contributions
from tinygraph.graph import records
from tinygraph.testing.laws import check_grads


def expect(tensor, value):
    assert tensor.grad is not None
    np.testing.assert_allclose(tensor.grad, value, rtol=1e-14)


# -- what is computed --------------------------------------------------------------------------------------------------


def test_a_node_read_twice_gets_the_sum_of_both_ways():
    x = tg.parameter(3.0)
    y = x * x
    z = y * y + y * x
    z.backward()
    expect(x, 4 * 27 + 3 * 9)
    expect(y, 2 * 9 + 3)


def test_an_exponential_number_of_paths_takes_linear_time():
    x = tg.parameter(1.0)
    y = x
    for _ in range(200):
        y = (y + y) * 0.5
    y.backward()
    expect(x, 1.0)


def test_every_node_that_took_part_has_its_gradient():
    W, X, b = tg.parameter(np.ones((2, 3))), tg.Tensor(np.ones((3, 4))), tg.parameter(np.zeros((2, 1)))
    Z = W @ X + b
    J = tg.sum(tg.tanh(Z))
    unrelated = W * 2
    J.backward()
    for node in tg.toposort(J):
        assert (node.grad is not None) == node.requires_grad
    assert J.grad == 1.0
    assert X.grad is None
    assert unrelated.grad is None


def test_retain_grads_false_fills_leaves_only():
    x = tg.parameter([1.0, 2.0])
    y = x * 2
    J = y.sum()
    J.backward(retain_grads=False)
    expect(x, [2.0, 2.0])
    assert y.grad is None
    assert J.grad is None


def test_gradients_are_in_the_dtype_of_their_node():
    x = tg.parameter(np.ones(2, np.float32))
    w = tg.parameter(np.ones(2))
    z = x * w
    z.sum().backward()
    assert z.dtype == np.float64
    assert x.grad.dtype == np.float32
    assert w.grad.dtype == np.float64


def test_a_seed_is_a_cotangent_of_exactly_the_outputs_shape():
    x = tg.parameter([1.0, 2.0, 3.0])
    seed = np.array([1.0, 10.0, 100.0])
    (x * 2).backward(seed)
    expect(x, [2.0, 20.0, 200.0])
    assert seed.tolist() == [1.0, 10.0, 100.0]
    y = x * 2
    for wrong in (np.ones((3, 1)), np.ones(2), 1.0):
        with pytest.raises(tg.ShapeError, match="always have the same shape"):
            y.backward(wrong)
    with pytest.raises(tg.ShapeError, match=r"only a scalar has a gradient of its own.*\(3,\)"):
        y.backward()
    y.backward(tg.Tensor([1.0, 1.0, 1.0]))


def test_a_leaf_is_its_own_gradient():
    x = tg.parameter(2.0)
    x.backward()
    x.backward()
    expect(x, 2.0)


def test_backward_where_nothing_requires_a_gradient_says_so():
    y = tg.Tensor(1.0) * 2
    with pytest.raises(tg.UnsupportedError, match="y does not depend on anything that requires a gradient"):
        y.backward()
    z = tg.parameter(1.0) > 0
    with pytest.raises(tg.UnsupportedError, match="z does not depend"):
        z.backward()


# -- accumulation and reuse --------------------------------------------------------------------------------------------


def test_leaves_add_up_over_separate_graphs():
    x = tg.parameter([1.0, 2.0])
    (x * x).sum().backward()
    held = x.grad
    (x * x).sum().backward()
    expect(x, [4.0, 8.0])
    assert held.tolist() == [2.0, 4.0]
    x.grad = None
    (x * x).sum().backward()
    expect(x, [2.0, 4.0])


def test_a_graph_is_used_once():
    x = tg.parameter(2.0)
    y = x * x
    y.backward()
    with pytest.raises(tg.GraphError, match=r"an earlier backward has used y .*retain_graph=True"):
        y.backward()
    expect(x, 4.0)
    expect(y, 1.0)


def start():
    return {"W": tg.parameter(np.array([0.5, 0.2])), "b": tg.parameter(np.array([0.1, 0.3]))}


def learn(p):
    tg.sum((p["W"] * p["W"] + p["b"] - 1.0) ** 2).backward()


def augmented():
    p = start()
    for _ in range(3):
        learn(p)
        p["W"] -= 0.1 * p["W"].grad


def written_out():
    p = start()
    for _ in range(3):
        learn(p)
        p["W"] = p["W"] - 0.1 * p["W"].grad


def by_key():
    p = start()
    for _ in range(3):
        learn(p)
        for k in p:
            p[k] = p[k] - 0.1 * p[k].grad


def of_an_object():
    class Model:
        W, b = start().values()

    for _ in range(3):
        learn(vars(Model))
        Model.W = Model.W - 0.1 * Model.W.grad


def in_a_list():
    p = list(start().values())
    for _ in range(3):
        learn({"W": p[0], "b": p[1]})
        for i in range(2):
            p[i] -= 0.1 * p[i].grad


def as_a_comprehension():
    p = start()
    for _ in range(3):
        learn(p)
        p = {k: v - 0.1 * v.grad for k, v in p.items()}


def with_gradients_taken_before():
    p = start()
    for _ in range(3):
        learn(p)
        g = {k: v.grad for k, v in p.items()}
        p = {k: p[k] - 0.1 * g[k] for k in p}


def in_a_function():
    def step(w):
        return w - 0.1 * w.grad

    p = start()
    for _ in range(3):
        learn(p)
        p["W"] = step(p["W"])


def with_a_new_list():
    p = start()
    for _ in range(3):
        learn(p)
        new = {}
        for k, v in p.items():
            new[k] = v - 0.1 * v.grad
        p = new


def with_decay():
    W, b = start().values()
    for _ in range(3):
        learn({"W": W, "b": b})
        W = W - 0.1 * (W.grad + 0.01 * W)


def with_momentum():
    W, b = start().values()
    v = 0.0
    for _ in range(3):
        learn({"W": W, "b": b})
        v = 0.9 * v + W.grad**3
        W = W - 0.1 * v


UPDATES = {
    augmented: 'p["W"]',
    written_out: 'p["W"]',
    by_key: r"p\[k\]",
    of_an_object: "Model.W",
    in_a_list: r"p\[i\]",
    as_a_comprehension: "v",
    with_gradients_taken_before: r"p\[k\]",
    in_a_function: "w",
    with_a_new_list: "v",
    with_decay: "W",
}


@pytest.mark.parametrize("loop", UPDATES, ids=lambda loop: loop.__name__)
def test_a_parameter_that_was_computed_is_to_be_written_to(loop):
    name = UPDATES[loop].replace('["W"]', r'\["W"\]')
    with pytest.raises(
        tg.GraphError, match=f"has used .*; to update a parameter write to its data, as in {name}.data -="
    ) as caught:
        loop()
    assert "retain_graph" not in str(caught.value)


def test_where_an_update_is_only_likely_both_are_said():
    with pytest.raises(tg.GraphError, match=r"as in W\.data -= …; if it is not an update, call .*retain_graph=True"):
        with_momentum()


def test_where_retaining_the_graph_is_the_cure_it_is_said_and_is_one():
    x = tg.parameter([1.0, 2.0])
    x = x - 1.5

    def losses(retain_graph):
        y = tg.tanh(x)
        tg.sum(y).backward(retain_graph=retain_graph)
        tg.sum(y * y).backward()

    with pytest.raises(
        tg.GraphError, match=r"has used y .*; build the graph anew, or call the earlier .*retain_graph=True"
    ):
        losses(False)
    x = tg.parameter([1.0, 2.0])
    losses(True)


def test_a_state_that_is_carried_over_a_step_is_to_be_detached():
    W = tg.parameter(np.eye(2) * 0.5)

    def run(carried):
        h = tg.Tensor(np.ones(2))
        for _ in range(2):
            h = tg.tanh(W @ carried(h))
            tg.sum(h * h).backward()
            W.data -= 0.1 * W.grad

    with pytest.raises(
        tg.GraphError, match=r"has used h .*; W has changed since: compute h anew, or go on from h.detach"
    ):
        run(lambda h: h)
    run(lambda h: h.detach())


def test_a_parameter_that_became_a_constant_is_told():
    def trained(update):
        p = list(start().values())
        for _ in range(2):
            J = tg.sum(p[0] * p[1])
            J.backward()
            p = update(p)

    def replaced(p):
        with tg.no_grad():
            return [q - 0.1 * q.grad for q in p]

    def written(p):
        for q in p:
            q.data -= 0.1 * q.grad
        return p

    def updated(p):
        with tg.no_grad():
            for q in p:
                q -= 0.1 * q.grad
        return p

    message = (
        r"J does not depend on anything that requires a gradient: q - 0.1 \* q.grad \(.*\) is a constant; to update a"
        r" parameter write to its data, as in q.data -= …, or within no_grad q -= …"
    )
    with pytest.raises(tg.UnsupportedError, match=message):
        trained(replaced)
    trained(written)
    trained(updated)
    with pytest.raises(tg.UnsupportedError, match=r"parameters are made with parameter\(…\) and updated in their data"):
        tg.sum(tg.Tensor([1.0])).backward()


def test_a_part_of_a_graph_is_used_once_too():
    x = tg.parameter(2.0)
    shared = x * x
    one, other = shared * 2, shared * 3
    one.backward()
    with pytest.raises(tg.GraphError, match="has used shared"):
        other.backward()
    expect(x, 8.0)
    assert other.grad is None


def test_a_retained_graph_adds_up_everywhere():
    x = tg.parameter(2.0)
    y = x * x
    J = y * 3
    J.backward(retain_graph=True)
    J.backward()
    expect(x, 24.0)
    expect(y, 6.0)
    expect(J, 2.0)
    with pytest.raises(tg.GraphError):
        J.backward()


def test_the_probability_whose_gradient_is_aside_counts_as_used():
    z = tg.parameter([0.3])
    a = tg.sigmoid(z)
    J = tg.log_loss(a, [1.0])
    J.backward()
    before = a.grad.copy()
    K = (a * a).sum()
    with pytest.raises(tg.GraphError, match="has used a"):
        K.backward()
    assert np.array_equal(a.grad, before)


def test_the_graph_stays_drawable_and_computable_after_backward():
    x = tg.parameter(2.0)
    y = x * x * x
    y.backward()
    assert tg.gradients(y, x).item() == 12.0
    assert "12" in str(tg.draw(y))


# -- all or nothing ----------------------------------------------------------------------------------------------------


def failing(name, at):
    """The op's rules, of which the one for input `at` fails."""
    import dataclasses

    def fail(*_, **__):
        raise KeyboardInterrupt

    op = records.OPS[name]
    rules = tuple(fail if i == at else rule for i, rule in enumerate(op.vjps))
    return dataclasses.replace(op, vjps=rules)


@pytest.mark.parametrize("stop", range(6))
def test_an_exception_in_any_rule_changes_nothing(stop):
    W, b = tg.parameter([[1.0, 2.0]]), tg.parameter([[0.5]])
    b.grad = [[7.0]]
    nodes = [W @ np.ones((2, 3))]
    nodes.append(nodes[-1] + b)
    nodes.append(tg.tanh(nodes[-1]))
    nodes.append(nodes[-1] * W[0, 0])
    nodes.append(nodes[-1] - 1.0)
    nodes.append(tg.sum(nodes[-1]))
    right = nodes[stop].op
    nodes[stop].op = failing(right.name, 0)
    with pytest.raises(KeyboardInterrupt):
        nodes[-1].backward()
    assert [node.grad for node in [W, *nodes]] == [None] * 7
    assert b.grad.tolist() == [[7.0]]
    nodes[stop].op = right
    nodes[-1].backward()
    assert W.grad is not None
    assert b.grad.tolist() != [[7.0]]


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no interval timers")
def test_ctrl_c_at_any_moment_leaves_all_gradients_or_none():
    class Stop(Exception):  # noqa: N818
        pass

    def handler(*_):
        raise Stop

    x = tg.parameter(1.0)
    before = signal.signal(signal.SIGALRM, handler)
    partly, stopped = 0, 0
    try:
        for i in range(300):
            x.grad = None
            nodes = [x]
            for _ in range(60):
                nodes.append(nodes[-1] * 1.0)
            try:
                try:
                    signal.setitimer(signal.ITIMER_REAL, 1e-6 + i * 5e-7)
                    nodes[-1].backward()
                finally:  # where it may come as well
                    signal.setitimer(signal.ITIMER_REAL, 0)
            except Stop:
                stopped += 1
            filled = sum(node.grad is not None for node in nodes)
            used = sum(bool(node._used) for node in nodes[1:])
            partly += filled not in (0, len(nodes)) or used not in (0, len(nodes) - 1) or bool(used) != bool(filled)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert partly == 0
    assert stopped


def graph():
    w, b = tg.parameter([1.0, 2.0]), tg.parameter([0.5, 0.5])
    b.grad = [1.0, 1.0]
    h = w * b
    return w, b, h, tg.sum(h * w)


@pytest.mark.parametrize("retain_graph", [False, True])
@pytest.mark.parametrize("everywhere", [False, True], ids=["at calls and loops", "at every instruction"])
def test_an_interrupted_backward_leaves_everything_or_nothing_and_can_then_be_run_again(everywhere, retain_graph):
    def run(w, b, h, J):
        J.backward(retain_graph=retain_graph)

    for w, b, h, J in interruptions(run, graph, everywhere):
        done = J.grad is not None
        assert (w.grad is not None, h.grad is not None, b.grad.tolist() == [2.0, 5.0]) == (done, done, done)
        assert done or b.grad.tolist() == [1.0, 1.0]
        if done and not retain_graph:
            with pytest.raises(tg.GraphError):
                J.backward()
        else:
            J.backward()
        times = 1 + (done and retain_graph)
        assert w.grad.tolist() == [1.0 * times, 2.0 * times]
        assert b.grad.tolist() == [1.0 + 1.0 * times, 1.0 + 4.0 * times]


def aside():
    w = tg.parameter([[0.3]])
    a = tg.sigmoid(w)
    tg.log_loss(a, np.ones((1, 1))).backward()
    return (a,)


def accumulated():
    w = tg.parameter([[0.3]])
    tg.sum(w * 1.0).backward()
    return (w,)


@pytest.mark.parametrize("everywhere", [False, True], ids=["at calls and loops", "at every instruction"])
@pytest.mark.parametrize("setup", [aside, accumulated])
def test_an_interrupted_look_at_a_gradient_loses_nothing(setup, everywhere):
    (x,) = setup()
    expected = x.grad.item()
    for (x,) in interruptions(lambda x: x.grad, setup, everywhere):
        assert x.grad.item() == expected
        assert x.grad is x.grad
        if x.op is None:
            tg.sum(x * 1.0).backward()
            assert x.grad.item() == expected + 1.0


# -- memory ------------------------------------------------------------------------------------------------------------


def test_no_two_gradients_share_memory():
    a, b = tg.parameter([1.0, 2.0]), tg.parameter([3.0, 4.0])
    seed = np.ones(2)
    y = a + b
    y.backward(seed)
    a.grad[...] = 9
    assert b.grad.tolist() == [1.0, 1.0]
    assert y.grad.tolist() == [1.0, 1.0]
    assert seed.tolist() == [1.0, 1.0]


def test_a_gradient_that_is_stolen_is_not_added_to_in_place():
    a, b = tg.parameter([1.0, 1.0]), tg.parameter([1.0, 1.0])
    y = a + b
    (y + a).backward(np.ones(2))
    expect(a, [2.0, 2.0])
    expect(b, [1.0, 1.0])


@pytest.mark.parametrize(
    "view",
    [
        lambda x: x.reshape(2, 2),
        lambda x: x[:],
        lambda x: x.reshape(4).T,
        lambda x: tg.broadcast_to(x, (4,)),
        lambda x: x.astype(float),
        lambda x: tg.concat([x]),
        lambda x: x.sum(axis=()),
        lambda x: tg.permute_dims(x, (0,)),
        lambda x: x + 0,
    ],
)
def test_what_may_be_a_view_of_its_input_is_safe_from_writes_to_it(view):
    x = tg.parameter([1.0, 2.0, 3.0, 4.0])
    y = view(x)
    z = y * y
    x.data += 100
    with pytest.raises(ValueError, match="read-only"):
        y.data[...] = 0
    z.backward(np.ones(z.shape))
    expect(x, [2.0, 4.0, 6.0, 8.0])
    x.grad[...] = 0
    assert np.all(y.grad != 0)


# -- order, depth, threads ---------------------------------------------------------------------------------------------


def test_gradients_are_the_same_to_the_last_bit_on_every_run(rng):
    W, X = rng.normal(size=(5, 5)), rng.normal(size=(5, 5))

    def once():
        w = tg.parameter(W)
        A = tg.tanh(w @ X)
        (A.sum() + (A * w).sum() + tg.mean(w @ A) + (w / (1 + A * A)).sum()).backward()
        return w.grad.tobytes()

    assert len({once() for _ in range(50)}) == 1


def test_a_deep_chain_needs_no_recursion():
    x = tg.parameter(1.0)
    y = x
    for _ in range(50_000):
        y = y * 1.0
    dy = tg.gradients(y, x)
    assert dy.item() == 1.0
    assert len(tg.toposort(dy)) > 50_000
    y.backward()
    expect(x, 1.0)


def test_threads_differentiate_at_the_same_time():
    x = tg.parameter(np.ones(10))
    results, failures = [], []

    def work():
        try:
            for _ in range(50):
                results.append(tg.gradients((x * x).sum(), x).data.tolist())
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert results == [[2.0] * 10] * 200


# -- gradients ---------------------------------------------------------------------------------------------------------


def test_gradients_touch_no_grad_and_leave_the_graph_usable():
    x = tg.parameter(2.0)
    y = x * x
    dy = tg.gradients(y, x)
    assert dy.item() == 4.0
    assert x.grad is None
    y.backward()
    assert tg.gradients(y, [x, y])[1].item() == 1.0


def test_gradients_with_respect_to_one_tensor_or_several():
    x, y = tg.parameter(2.0), tg.Tensor(3.0)
    z = x * y
    assert isinstance(tg.gradients(z, x), tg.Tensor)
    assert [g.item() for g in tg.gradients(z, [x, y])] == [3.0, 2.0]
    assert [g.item() for g in tg.gradients(z, (y, y))] == [2.0, 2.0]
    assert tg.gradients(z, []) == []


def test_gradients_with_respect_to_a_node_in_the_middle():
    x = tg.parameter([1.0, 2.0])
    y = x * x
    z = (y * 3).sum()
    assert tg.gradients(z, y).data.tolist() == [3.0, 3.0]


def test_what_the_output_does_not_depend_on_has_a_gradient_of_zeros():
    x, other = tg.parameter([1.0, 2.0]), tg.parameter(np.ones((2, 3), np.float32))
    d = tg.gradients(x.sum(), other)
    assert d.shape == (2, 3)
    assert d.dtype == np.float32
    assert not d.data.any()


def test_gradients_are_in_the_dtype_of_their_input():
    x = tg.parameter(np.ones(2, np.float32))
    assert tg.gradients((x * np.ones(2)).sum(), x).dtype == np.float32


def test_gradients_refuse_what_has_none():
    x = tg.parameter(2.0)
    with pytest.raises(TypeError, match="needs a tensor to differentiate, not float"):
        tg.gradients(2.0, x)
    with pytest.raises(TypeError, match="with respect to tensors, not ndarray"):
        tg.gradients(x * 2, [np.ones(2)])
    with pytest.raises(tg.DTypeError, match="only floating tensors have a gradient"):
        tg.gradients(x * 2, tg.Tensor(1))
    with pytest.raises(tg.UnsupportedError, match="has no gradient"):
        tg.gradients(x > 1, x)
    with pytest.raises(tg.ShapeError):
        tg.gradients(x * np.ones(3), x)


def test_a_leaf_that_has_changed_since_is_an_error_for_gradients():
    x = tg.parameter([1.0, 2.0])
    y = x * x
    x.data += 1
    with pytest.raises(tg.GraphError, match="the data of x has changed since y was computed"):
        tg.gradients(y.sum(), x)
    x.data -= 1
    assert tg.gradients(y.sum(), x).data.tolist() == [2.0, 4.0]


def test_a_seed_that_is_a_tensor_is_differentiated_too():
    x, v = tg.parameter([1.0, 2.0]), tg.parameter([3.0, 4.0])
    dot = tg.gradients(x * x, x, v)
    assert tg.gradients(dot.sum(), v).data.tolist() == [2.0, 4.0]


def test_tenth_order():
    x = tg.parameter(1.5)
    y = x**10
    for _ in range(10):
        y = tg.gradients(y, x)
    assert y.item() == pytest.approx(3628800.0)


def test_the_hessian_is_symmetric(rng):
    w = tg.parameter(rng.normal(size=4))
    J = tg.sum(tg.tanh(w @ rng.normal(size=(4, 3))) ** 2)
    (dw,) = tg.gradients(J, [w])
    hessian = np.array([tg.gradients(dw[i], w).data for i in range(4)])
    np.testing.assert_allclose(hessian, hessian.T, rtol=1e-12)


def test_backward_through_a_gradient():
    x = tg.parameter([1.0, 2.0])
    dx = tg.gradients((x**3).sum(), x)
    (dx * dx).sum().backward()
    expect(x, 36 * np.array([1.0, 2.0]) ** 3)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: tg.log_loss(tg.sigmoid(x), np.full((2, 3), 0.3)) + 0.3 * (tg.sigmoid(x) ** 2).sum(),
        lambda x: x[0] * x[::-1].sum() + x.T[1:].mean(),
        lambda x: tg.concat([x, x * x, tg.exp(x)]).max(axis=0),
        lambda x: tg.where(x > 0, x, tg.exp(x)) @ x.T,
        lambda x: tg.stack([x, -x]).min(axis=(0, 2)) * tg.softplus(x).sum(),
    ],
)
def test_programs_against_central_differences(function, rng):
    check_grads(function, rng.normal(size=(2, 3)))


def test_da_of_a_shared_probability_is_the_sum_of_all_its_readers():
    """J = log_loss(a, y) + 0.3 Σ a²: the loss goes through z, the rest through a, and a.grad has both."""
    z, y = np.array([0.3, -1.2]), np.array([1.0, 0.0])
    Z = tg.parameter(z)
    a = tg.sigmoid(Z)
    J = tg.log_loss(a, y, reduction="sum") + 0.3 * tg.sum(a * a)
    (da,) = tg.gradients(J, [a])
    J.backward()
    A = 1 / (1 + np.exp(-z))
    expect(Z, A - y + 0.6 * A * A * (1 - A))
    np.testing.assert_allclose(a.grad, -y / A + (1 - y) / (1 - A) + 0.6 * A, rtol=1e-13)
    np.testing.assert_allclose(da.data, a.grad, rtol=1e-13)


def test_threads_read_a_parameter_at_the_same_time_after_an_update():
    failures = []

    def read(w, barrier):
        barrier.wait()
        try:
            (w * w).sum().backward
        except Exception as error:
            failures.append(error)

    for _ in range(100):
        w, barrier = tg.parameter(np.ones(4)), threading.Barrier(3)
        w.data -= 1
        threads = [threading.Thread(target=read, args=(w, barrier)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not failures


def test_a_seed_of_another_dtype_is_converted():
    x = tg.parameter(np.ones(2, np.float32))
    for seed in (tg.Tensor([1, 2]), tg.Tensor([1.0, 2.0])):
        assert tg.gradients(x, x, seed).dtype == np.float32


@pytest.mark.parametrize("join", [tg.concat, tg.stack])
def test_joining_many_costs_no_more_for_each(join):
    parts = [tg.parameter([float(i)]) for i in range(5000)]
    join(parts).sum().backward()
    assert all(part.grad == 1 for part in parts)


def test_masks_are_refused_wherever_data_comes_in():
    x, masked = tg.parameter([1.0, 2.0]), np.ma.array([1.0, 2.0], mask=[True, False])
    for attempt in (
        lambda: setattr(x, "data", masked),
        lambda: setattr(x, "grad", masked),
        lambda: (x * 2).backward(masked),
    ):
        with pytest.raises(tg.DTypeError, match="fill the masked elements"):
            attempt()


# -- what a gradient is the sum of -------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::tinygraph.BroadcastWarning")
@pytest.mark.parametrize("seed", range(60))
def test_contributions_add_up_to_the_gradient(seed):
    J = random_graph(seed)
    if not J.requires_grad:
        return
    J.backward()
    found = dict(contributions(tg.toposort(J)))
    assert set(found) == {node for node in tg.toposort(J) if node.grad is not None} - {J}
    for node, parts in found.items():
        total = sum(part.value for part in parts)
        np.testing.assert_allclose(total, node.grad, rtol=1e-9, atol=1e-12)
        assert all(part.reader.inputs[part.position] is node for part in parts)


def test_a_contribution_says_where_it_was_summed_over_an_axis():
    w, b = tg.parameter(np.ones((2, 3))), tg.parameter(np.ones((2, 1)))
    J = (w + b).sum()
    J.backward()
    (part,) = dict(contributions(tg.toposort(J)))[b]
    assert (part.shape, part.value.shape) == ((2, 3), (2, 1))


def test_what_a_loss_reports_of_its_probabilities_is_aside():
    z = tg.parameter([0.3, -0.2])
    a = tg.sigmoid(z)
    J = tg.log_loss(a, [1.0, 0.0]) + 0.3 * (a * a).sum()
    J.backward()
    found = dict(contributions(tg.toposort(J)))
    assert sorted(part.aside for part in found[a]) == [False, False, True]
    np.testing.assert_allclose(sum(part.value for part in found[a]), a.grad)
    np.testing.assert_allclose(sum(part.value for part in found[z]), z.grad)
    assert len(found[z]) == 2


@pytest.mark.parametrize("join", [tg.stack, tg.concat])
def test_each_place_of_a_variadic_op_contributes(join):
    x = tg.parameter([1.0, 2.0])
    J = (join([x, 2 * x, x]) ** 2).sum()
    J.backward()
    parts = dict(contributions(tg.toposort(J)))[x]
    assert Counter(part.reader.op.name for part in parts) == {join.__name__: 2, "multiply": 1}
    np.testing.assert_allclose(sum(part.value for part in parts), x.grad)
