"""FLOPs: by hand where a hand can count, and for every op of the table."""

import itertools
import warnings
from math import log2, prod

import numpy as np
import pytest
from graphs import random_graph

import tinygraph as tg
from tinygraph.diagnosis.flops import flops_of, forward_flops
from tinygraph.graph.records import OPS
from tinygraph.testing import laws


def ones(*shape):
    return tg.parameter(np.ones(shape))


def total(output):
    """FLOPs forward and backward of a whole graph."""
    found = flops_of(tg.toposort(output)).values()
    return sum(flops.forward for flops in found), sum(flops.backward for flops in found)


def of_last(output):
    return flops_of(tg.toposort(output))[output]


# -- by hand -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n0", "n1", "n2", "m"), [(2, 4, 1, 400), (5, 3, 2, 7)])
def test_the_two_layer_net_by_hand(n0, n1, n2, m):
    X, Y = tg.Tensor(np.ones((n0, m))), tg.Tensor(np.ones((n2, m)))
    W1, b1, W2, b2 = ones(n1, n0), ones(n1, 1), ones(n2, n1), ones(n2, 1)
    A1 = tg.tanh(W1 @ X + b1)
    A2 = tg.sigmoid(W2 @ A1 + b2)
    J = tg.log_loss(A2, Y)
    layer_1 = 2 * n1 * n0 * m + n1 * m + n1 * m
    layer_2 = 2 * n2 * n1 * m + n2 * m + n2 * m
    dZ2 = 2 * n2 * m + 1  # (A2 − Y) times 1/m, which is divided once
    dW2, db2, dA1 = 2 * n2 * m * n1, n2 * m, 2 * n1 * n2 * m
    dZ1 = 3 * n1 * m  # dA1 ∗ (1 − A1 ∗ A1)
    dW1, db1 = 2 * n1 * m * n0, n1 * m
    assert total(J) == (layer_1 + layer_2 + 9 * n2 * m, dZ2 + dW2 + db2 + dA1 + dZ1 + dW1 + db1)


def test_backward_of_a_product_takes_twice_as_much_as_forward_and_half_of_it_where_x_needs_no_gradient():
    W, A, X = ones(4, 3), ones(3, 5), tg.Tensor(np.ones((3, 5)))
    assert total(W @ A) == (120, 240)
    assert total(W @ X) == (120, 120)


def test_what_comes_back_from_several_readers_is_added_up():
    x = ones(10)
    y = x * 2
    assert total(y)[1] == 10
    assert total(y + y * 3)[1] == 10 + 10 + 10  # of y, of y ∗ 3, and y's two added up
    assert total(x * x)[1] == 10 + 10 + 10


def test_a_bias_is_summed_over_the_examples():
    assert total(tg.Tensor(np.ones((4, 400))) + ones(4, 1)) == (1600, 1600)


def test_without_a_parameter_nothing_comes_back():
    assert total(tg.tanh(tg.Tensor(np.ones(5)))) == (5, 0)


def test_what_is_aside_is_not_counted():
    """dA2 of a log loss is there for whoever reads it; backward goes round it."""
    Z = ones(1, 4)
    A = tg.sigmoid(Z)
    J = tg.log_loss(A, np.ones((1, 4)))
    found = flops_of(tg.toposort(J))
    assert not found[A].reached
    assert found[A].backward == 0
    assert found[Z].reached


_windows = {"stride": (1,), "padding": ((0, 0),), "dilation": (1,)}
HAND = [
    (lambda: ones(3) @ ones(3), 6),
    (lambda: ones(2, 3) @ ones(3), 12),
    (lambda: ones(7, 2, 3) @ ones(3, 4), 7 * 48),
    (lambda: ones(5, 1, 2, 3) @ ones(6, 3, 4), 30 * 48),
    (lambda: tg.outer(ones(3), ones(4)), 12),
    (lambda: tg.vdot(ones(3, 2), ones(6)), 12),
    (lambda: tg.trace(ones(7, 2, 3)), 14),
    (lambda: tg.cross(ones(4, 3), ones(4, 3)), 4 * 9),
    (lambda: tg.einsum("ij,jk->ik", ones(2, 3), ones(3, 4)), 48),
    (lambda: tg.einsum("i,j->ij", ones(2), ones(3)), 6),
    (lambda: tg.einsum("ij->ji", ones(2, 3)), 0),
    (lambda: tg.einsum("ij->i", ones(2, 3)), 6),
    (lambda: tg.einsum("ii->", ones(3, 3)), 3),
    (lambda: tg.einsum("bij,bjk->bik", ones(5, 2, 3), ones(5, 3, 4)), 5 * 48),
    (lambda: tg.einsum("ij,jk,kl->il", ones(2, 30), ones(30, 40), ones(40, 3)), 2 * 30 * 40 * 3 + 2 * 2 * 30 * 3),
    (lambda: tg.einsum("ij,ij->i", ones(1, 3), ones(2, 3)), 12),
    (lambda: tg.tensordot(ones(2, 3, 4), ones(3, 4, 5), 2), 2 * 2 * 12 * 5),
    (lambda: tg.convolve(ones(5), ones(3)), 30),
    (lambda: tg.convolve(ones(5), ones(3), "valid"), 18),
    (lambda: tg.conv1d(ones(2, 3, 10), ones(4, 3, 5)), 2 * (2 * 4 * 6) * (3 * 5)),
    (lambda: tg.conv2d(ones(1, 4, 5, 5), ones(6, 2, 3, 3), groups=2), 2 * (6 * 9) * (2 * 9)),
    (lambda: tg.max_pool2d(ones(1, 2, 4, 4), 2), 32),
    (lambda: tg.avg_pool2d(ones(1, 2, 4, 4), 2), 32),
    (lambda: tg.linalg.cholesky(np.eye(6)), 72),
    (lambda: tg.linalg.solve(np.eye(6), ones(6, 4)), 144 + 2 * 36 * 4),
    (lambda: tg.linalg.solve(np.eye(6), ones(6)), 144 + 72),
    (lambda: tg.linalg.inv(np.eye(6)), 432),
    (lambda: tg.linalg.det(np.eye(6)), 144),
    (lambda: tg.linalg.svdvals(ones(4, 3)), 4 * 4 * 9 - 36),
    (lambda: tg.linalg.svdvals(ones(3, 4)), 4 * 4 * 9 - 36),
    (lambda: tg.linalg.eigvalsh(np.eye(3)), 36),
    (lambda: tg.sum(ones(3, 4), axis=0), 12),
    (lambda: tg.softmax(ones(3, 4)), 60),
    (lambda: tg.log_loss(np.full((3, 4), 0.5), np.ones((3, 4))), 108),
    (lambda: tg.log_loss(np.full((3, 4), 0.5), np.ones((3, 4)), "none"), 96),
    (lambda: ones(3, 1) * ones(4), 12),
    (lambda: ones(3, 4).T, 0),
    (lambda: ones(3, 4)[0], 0),
    (lambda: tg.sort(ones(3, 4)), 0),
    (lambda: tg.astype(ones(3, 4), np.float32), 0),
]


@pytest.mark.parametrize(("make", "count"), HAND, ids=range(len(HAND)))
def test_an_op_by_hand(make, count):
    assert forward_flops(make()) == count


def test_decompositions_by_their_textbook():
    m, n = 5, 3
    of = {node.op.name: forward_flops(node) for node in tg.toposort(*tg.linalg.qr(ones(m, n))) if node.op}
    assert of["qr_packed"] == 2 * (2 * m * n * n - 2 * n**3 // 3)
    square = tg.toposort(tg.linalg.qr(ones(3, 3), "complete").Q)
    thin = tg.toposort(tg.linalg.qr(ones(3, 3)).Q)
    assert of_node(square, "qr_packed") == of_node(thin, "qr_packed") == 2 * 36
    wide = of_node(tg.toposort(tg.linalg.qr(ones(n, m)).Q), "qr_packed")
    assert wide == 2 * m * n * n - 2 * n**3 // 3 + 4 * n**3 // 3
    assert of_node(tg.toposort(tg.linalg.eigh(np.eye(4)).eigenvalues), "eigh_packed") == 9 * 64
    svd = tg.toposort(tg.linalg.svd(ones(m, n), full_matrices=False).U)
    assert of_node(svd, "svd_packed") == 14 * m * n * n + 8 * n**3


def of_node(order, name):
    return next(forward_flops(node) for node in order if node.op is not None and node.op.name == name)


def test_fourier_transforms():
    for n in (1, 8, 12):
        order = tg.toposort(tg.fft.fft((ones(n), ones(n))).real)
        assert of_node(order, "dft") == round(5 * n * log2(n))
        order = tg.toposort(tg.fft.rfft(ones(3, n)).real)
        assert of_node(order, "rdft") == round(3 * 2.5 * n * log2(n))
        order = tg.toposort(tg.fft.irfft(tg.fft.rfft(ones(3, n)), n=n))
        assert of_node(order, "irdft") == round(3 * 2.5 * n * log2(n))


# -- every op ------------------------------------------------------------------------------------------------------


def test_every_op_that_is_not_counted_by_its_elements_has_a_formula():
    for op in OPS.values():
        known = op.kind in ("elementwise", "reduction", "shape", "indexing", "control")
        assert op.flops is not None or known, op.name


CASES = [
    pytest.param(op, inputs, params, id=f"{op.name}-{i}")
    for op in laws.records()
    for i, (inputs, params) in enumerate(laws.samples(op))
]


@pytest.mark.parametrize(("op", "inputs", "params"), CASES)
def test_backward_takes_what_the_graph_of_the_gradients_takes(op, inputs, params):
    tensors = [tg.Tensor(x, requires_grad=x.dtype.kind == "f") for x in inputs]
    output = laws.applied(op, laws.consistent(op, tensors), params)
    found = flops_of(tg.toposort(output))
    assert all(flops.forward >= 0 and flops.backward >= 0 for flops in found.values())
    if output.requires_grad:
        assert sum(flops.backward for flops in found.values()) == of_gradients(output)


def of_gradients(output):
    leaves = [x for x in tg.toposort(output) if x.op is None and x.requires_grad]
    seed = tg.Tensor(np.ones(output.shape))
    order = tg.toposort(*tg.gradients(output, leaves, seed))
    return sum(forward_flops(node) for node in order if node.op is not None and node.age > seed.age)


@pytest.mark.filterwarnings("ignore::tinygraph.BroadcastWarning")
def test_backward_takes_what_the_graph_of_the_gradients_takes_on_random_graphs():
    for seed in range(60):
        J = random_graph(seed)
        if J.requires_grad:
            assert total(J)[1] == of_gradients(J)


@pytest.mark.parametrize(
    "name", ["cholesky", "cofactors", "det", "eigh_packed", "inv", "logabsdet", "matrix_rank", "pinv", "qr_packed"]
)
def test_a_stack_takes_as_much_as_its_members(name):
    inputs, params = next(laws.samples(OPS[name]))
    one, stack = (laws.applied(OPS[name], [x], params) for x in (inputs[0], np.stack(inputs * 5)))
    assert abs(forward_flops(stack) - 5 * forward_flops(one)) <= 3  # rounded


# -- on the way ----------------------------------------------------------------------------------------------------


def test_powers_that_have_rules_of_their_own_are_told_apart():
    x = ones(10)
    assert [of_last(x**n).backward for n in (0, 1, 2, 3, 4)] == [10, 0, 20, 30, 30]
    assert total(x**2 + x**3)[1] == of_gradients(x**2 + x**3)


def test_the_same_tensor_twice_is_not_two_tensors():
    x, y = ones(3, 3), ones(3, 3)
    assert of_last(x @ x).backward == of_last(x @ y).backward + 9
    for first, second in itertools.permutations([x @ x, x @ y]):
        assert total(first + second)[1] == of_gradients(first + second)


def test_where_a_rule_refuses_nothing_is_counted():
    x = ones(3, 2)
    Q = tg.linalg.qr(x, "complete").Q
    with pytest.raises(tg.UnsupportedError):
        tg.gradients(Q, x, np.ones(Q.shape))
    found = flops_of(tg.toposort(Q))
    assert found[Q].forward == 0
    assert found[x].reached is False


def test_a_checkpoint_computes_forward_again():
    def layer(x):
        return tg.tanh(x * x)

    x = ones(10)
    plain, kept = total(layer(x)), total(tg.checkpoint(layer)(x))
    assert kept[0] == plain[0]
    assert kept[1] == plain[0] + plain[1]


def test_a_gradient_of_ones_own():
    @tg.custom_gradient
    def double(x):
        return tg.exp(x), lambda g: 2.0 * g

    assert total(double(ones(10))) == (10, 10)


def test_an_op_of_ones_own_counts_by_its_kind():
    @tg.op("contraction", lambda xp, g, y, x: xp.broadcast_to(g, x.shape), run=np.sum)
    def all_of_it(xp, x):
        return xp.sum(x)

    assert forward_flops(all_of_it(ones(3, 4))) == 12


def test_counting_disturbs_nothing():
    n = 4
    Z, b = ones(n, n) @ tg.Tensor(np.ones((n, n))), ones(n)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", tg.BroadcastWarning)
        J = tg.sum(tg.log(Z * 0.0 + b - 1.0))
    with tg.detect_anomaly(), tg.no_grad():
        before = total(J)  # no warning, no anomaly
    b.data = np.full(n, 2.0)
    assert total(J) == before  # of what the graph has read
    with np.errstate(all="ignore"):
        J.backward()
    assert total(J) == before


def test_a_long_graph():
    x = ones(2)
    for i in range(20_000):
        x = x * 0.5 + i
    assert total(x) == (80_000, 40_000)


def test_the_number_of_elements_is_no_limit():
    x = tg.Tensor(np.broadcast_to(1.0, (1,)))
    big = tg.broadcast_to(x, (10**6, 10**6))
    assert forward_flops(big) == 0
    assert prod(big.shape) == 10**12
