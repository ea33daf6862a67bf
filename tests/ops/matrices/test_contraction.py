"""Products that sum over axes, in every shape that NumPy's take."""

import itertools

import numpy as np
import pytest

import tinygraph as tg
from tinygraph.errors import broadcastable
from tinygraph.ops import contraction
from tinygraph.testing.laws import check_grads

LEFT = [(3,), (2, 3), (1, 3), (4, 2, 3), (1, 2, 3), (5, 1, 2, 3), (0, 3), (4, 0, 3)]
RIGHT = [(3,), (3, 2), (3, 1), (4, 3, 2), (1, 3, 2), (5, 1, 3, 2), (3, 0)]
PAIRS = [(x, y) for x, y in itertools.product(LEFT, RIGHT) if broadcastable(x[:-2], y[:-2])]


@pytest.mark.parametrize(("left", "right"), PAIRS)
def test_value_and_gradients(left, right, rng):
    x, y = rng.normal(size=left), rng.normal(size=right)
    z = tg.Tensor(x) @ tg.Tensor(y)
    assert np.array_equal(z.data, x @ y)
    check_grads(tg.matmul, x, y, order=1)


def test_integers_multiply_too():
    assert (tg.Tensor([[1, 2]]) @ [[3], [4]]).data.tolist() == [[11]]


def test_a_product_with_itself():
    check_grads(lambda x: x @ x, np.arange(9.0).reshape(3, 3) / 10)
    check_grads(lambda x: x @ x.T, np.arange(6.0).reshape(2, 3) / 10)


def test_the_outer_product_is_of_vectors():
    with pytest.raises(tg.ShapeError, match="one-dimensional"):
        tg.outer(np.ones((2, 2)), np.ones(2))


# -- einsum --------------------------------------------------------------------------------------------------------


EINSUMS = [
    ("ij,jk", [(2, 3), (3, 4)]),
    ("ba,cb", [(2, 3), (4, 2)]),
    ("ii", [(3, 3)]),
    ("ji", [(2, 3)]),
    ("i...", [(2, 3, 4)]),
    ("...", [(2, 3)]),
    ("...->...", [()]),
    ("...i,...i", [(2, 3), (4, 1, 3)]),
    ("...ij,...jk->...ik", [(5, 1, 2, 3), (4, 3, 2)]),
    ("i...,i...->...", [(3, 2, 1), (3, 4)]),
    ("b...i,i->...b", [(2, 4, 3), (3,)]),
    (" i j , j -> i ", [(2, 3), (3,)]),
    (",ij,", [(), (2, 3), ()]),
    ("ij,i,j,jk,kl->l", [(2, 3), (2,), (3,), (3, 4), (4, 2)]),
    ("iij,jk->ki", [(2, 2, 3), (3, 4)]),
    ("ijij->", [(2, 3, 2, 3)]),
    ("ij,kl", [(2, 3), (4, 1)]),
    ("a,ab,abc->abc", [(2,), (2, 3), (2, 3, 4)]),
    ("ij,ij,ij->i", [(2, 1), (1, 3), (2, 3)]),
    ("ab,b->", [(3, 0), (0,)]),
]


@pytest.mark.parametrize("few", [0, 2000])
@pytest.mark.parametrize(("subscripts", "shapes"), EINSUMS)
def test_einsum_is_numpys_by_one_loop_and_by_products_of_matrices(subscripts, shapes, few, rng, monkeypatch):
    monkeypatch.setattr(contraction, "_FEW", few)
    xs = [rng.normal(size=shape) for shape in shapes]
    value = tg.einsum(subscripts, *xs).data
    np.testing.assert_allclose(value, np.einsum(subscripts, *xs), rtol=1e-12, atol=1e-14, strict=True)
    check_grads(lambda *xs: tg.einsum(subscripts, *xs), *xs)


def test_random_einsums(rng, monkeypatch):
    """Values as NumPy's, and gradients the same by both ways and when compiled."""
    for trial in range(150):
        labels = "abcde"[: rng.integers(1, 6)]
        lengths = dict(zip("abcde", rng.integers(1, 4, 5), strict=True))
        terms = ["".join(rng.choice([*labels], rng.integers(0, 4))) for _ in range(rng.integers(1, 5))]
        used = sorted({*"".join(terms)})
        result = "".join(rng.permutation(used)[: rng.integers(0, len(used) + 1)]) if used else ""
        subscripts = f"{','.join(terms)}->{result}"
        lacking = [{label for label in labels if rng.random() < 0.1} for _ in terms]
        xs = [
            rng.normal(size=[1 if label in ones else lengths[label] for label in term])
            for term, ones in zip(terms, lacking, strict=True)
        ]
        expected = np.einsum(subscripts, *xs)
        seed = rng.normal(size=expected.shape)

        def all_of_it(*xs, subscripts=subscripts, seed=seed):
            y = tg.einsum(subscripts, *xs)
            return [y, *tg.gradients(y, xs, seed)]

        found = []
        for few in (0, 2000):
            monkeypatch.setattr(contraction, "_FEW", few)
            found.append([y.data for y in all_of_it(*map(tg.Tensor, xs))])
            if trial % 10 == 0:
                found.append(tg.compile(all_of_it)(*xs))
        np.testing.assert_allclose(found[0][0], expected, rtol=1e-12, atol=1e-12)
        for other in found[1:]:
            for x, y in zip(found[0], other, strict=True):
                np.testing.assert_allclose(x, y, rtol=1e-12, atol=1e-12, err_msg=subscripts)


def test_einsum_takes_lists_of_labels(rng):
    x, y = rng.normal(size=(2, 3)), rng.normal(size=(3, 4))
    for given in ((x, [0, 1], y, [1, 2]), (x, [0, 1], y, [1, 2], [2, 0]), (x, [..., 1], y, [1, 51], [..., 51])):
        tensors = [tg.parameter(z) if isinstance(z, np.ndarray) else z for z in given]
        for einsum in (tg.einsum, np.einsum):
            np.testing.assert_allclose(einsum(*tensors).data, np.einsum(*given), rtol=1e-12)


def test_numpys_einsum_records():
    x = tg.parameter(np.arange(9.0).reshape(3, 3))
    y = np.einsum("ii->i", x, optimize=True)
    y.backward(np.array([1.0, 2.0, 3.0]))
    assert x.grad.tolist() == np.diag([1.0, 2.0, 3.0]).tolist()
    assert y.op.name == "einsum"


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        (("ij,jk", np.ones((2, 3))), tg.ArgumentError, "2 operands, but there are 1"),
        (("ij", np.ones(3)), tg.ShapeError, r"labels 'ij' for an operand of shape \(3,\)"),
        (("ij...", np.ones(1)), tg.ShapeError, "labels"),
        (("ij,jk", np.ones((2, 3)), np.ones((2, 3))), tg.ShapeError, "the axes 'j' differ"),
        (("ii", np.ones((1, 3))), tg.ShapeError, "the axes 'i' differ"),
        (("i->ii", np.ones(3)), tg.ArgumentError, "'i' in the result twice"),
        (("i->j", np.ones(3)), tg.ArgumentError, "'j' in the result but in no operand"),
        (("i1", np.ones((3, 3))), tg.ArgumentError, "not '1'"),
        (("i......", np.ones((3, 3))), tg.ArgumentError, "may occur once"),
        (("...i->i", np.ones((3, 3))), tg.ArgumentError, "put ... into the result"),
        ((np.ones(3), [60]), tg.ArgumentError, "numbers from 0 to 51"),
        ((), tg.ArgumentError, "needs subscripts"),
    ],
)
def test_subscripts_that_do_not_fit_are_refused(given, error, words):
    with pytest.raises(error, match=words):
        tg.einsum(*given)


def test_a_chain_is_multiplied_from_its_small_end(monkeypatch):
    sizes = []
    matmul = np.matmul
    monkeypatch.setattr(np, "matmul", lambda x, y: sizes.append(x.shape) or matmul(x, y))
    contraction.contracted(np, "ij,jk,k->i", np.ones((50, 40)), np.ones((40, 60)), np.ones(60))
    assert sizes == [(40, 60), (50, 40)]


def test_only_the_gradients_that_are_needed_are_computed(monkeypatch):
    made = []
    rule = contraction._of_operand
    monkeypatch.setattr(
        contraction, "_of_operand", lambda i, *rest, **params: made.append(i) or rule(i, *rest, **params)
    )
    w = tg.parameter(np.ones((2, 3)))
    tg.einsum("ij,bj->bi", w, np.ones((5, 3))).backward(np.ones((5, 2)))
    assert made == [0]


# -- its other names -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("left", [(), (3,), (2, 3), (4, 2, 3)])
@pytest.mark.parametrize("right", [(), (3,), (3, 2), (4, 3, 2)])
def test_dot_and_inner_are_numpys(left, right, rng):
    x, y = rng.normal(size=left), rng.normal(size=right)
    np.testing.assert_allclose(np.dot(tg.Tensor(x), y).data, np.dot(x, y), rtol=1e-12, strict=True)
    check_grads(tg.dot, x, y, order=1)
    if len(right) > 1:
        y = np.swapaxes(y, -1, -2)
    np.testing.assert_allclose(np.inner(tg.Tensor(x), y).data, np.inner(x, y), rtol=1e-12, strict=True)
    check_grads(tg.inner, x, y, order=1)


@pytest.mark.parametrize("axes", [0, 1, ([-1], [0]), (2, 0), ([2, 1], [0, -2]), ([], []), (np.array([2]), (0,))])
def test_tensordot_is_numpys(axes, rng):
    x, y = rng.normal(size=(2, 3, 4)), rng.normal(size=(4, 3, 2))
    expected = np.tensordot(x, y, axes)
    for tensordot in (tg.tensordot, np.tensordot):
        np.testing.assert_allclose(tensordot(tg.Tensor(x), y, axes).data, expected, rtol=1e-12, strict=True)


@pytest.mark.parametrize("axes", [3, -1, ([0], [0]), ([0, 0], [2, 2]), ([5], [0]), (0, 5), ([0], [])])
def test_tensordot_over_axes_that_do_not_fit_is_refused(axes):
    with pytest.raises((tg.ArgumentError, tg.ShapeError), match="axes"):
        tg.tensordot(np.ones((2, 3, 4)), np.ones((4, 3)), axes)


def test_vectors_and_matrices_do_not_broadcast_along_the_axis_they_sum_over():
    for call in (
        lambda: tg.vecdot(np.ones((2, 3)), np.ones((2, 1))),
        lambda: tg.matvec(np.ones((2, 3)), np.ones(1)),
        lambda: tg.matvec(np.ones(3), np.ones(3)),
        lambda: tg.vecmat(np.ones(1), np.ones((2, 3))),
        lambda: tg.vecmat(np.ones(2), np.ones(2)),
        lambda: tg.cross(np.ones(3), np.ones(2)),
    ):
        with pytest.raises(tg.ShapeError):
            call()
    assert np.vecdot(tg.Tensor([1.0, 2.0]), [3.0, 4.0]).item() == 11.0


def test_the_outer_product_of_numpy_flattens(rng):
    x, y = rng.normal(size=(2, 2)), rng.normal(size=3)
    np.testing.assert_array_equal(np.outer(tg.Tensor(x), y).data, np.outer(x, y))
    np.testing.assert_array_equal(np.linalg.outer(tg.Tensor(y), y).data, np.outer(y, y))


def cross_product(x, y, axis=-1, axisa=-1, axisb=-1, axisc=-1):
    """NumPy's, which had it also of vectors of two elements until version 2.5."""
    x, y = np.moveaxis(x, axis if axis != -1 else axisa, -1), np.moveaxis(y, axis if axis != -1 else axisb, -1)
    plane = x.shape[-1] == y.shape[-1] == 2
    x, y = (np.pad(z, [(0, 0)] * (z.ndim - 1) + [(0, 3 - z.shape[-1])]) for z in (x, y))
    product = np.cross(x, y)
    return product[..., 2] if plane else np.moveaxis(product, -1, axis if axis != -1 else axisc)


@pytest.mark.parametrize(
    ("shapes", "axes"),
    [
        (((3,), (3,)), {}),
        (((2, 3), (3,)), {}),
        (((3, 2), (3, 2)), {"axis": 0}),
        (((3, 2), (2, 3)), {"axisa": 0}),
        (((2, 4, 3), (4, 3)), {"axisc": 0}),
        (((2,), (2,)), {}),
        (((2,), (3,)), {}),
        (((5, 3), (2,)), {"axisc": 0}),
        (((4, 2), (4, 2)), {}),
    ],
)
def test_the_cross_product_of_numpy(shapes, axes, rng):
    x, y = (rng.normal(size=shape) for shape in shapes)
    expected = cross_product(x, y, **axes)
    np.testing.assert_allclose(np.cross(tg.Tensor(x), y, **axes).data, expected, rtol=1e-12, strict=True)
    np.testing.assert_allclose(np.cross(x, tg.Tensor(y), **axes).data, expected, rtol=1e-12, strict=True)
    check_grads(lambda x, y: np.cross(x, y, **axes), x, y, order=1)


def test_cross_along_another_axis(rng):
    x, y = rng.normal(size=(3, 4)), rng.normal(size=(3, 4))
    np.testing.assert_allclose(tg.cross(x, y, axis=0).data, np.cross(x, y, axis=0), rtol=1e-12)
    np.testing.assert_allclose(np.linalg.cross(tg.Tensor(x), y, axis=0).data, np.cross(x, y, axis=0), rtol=1e-12)


def test_multi_dot_takes_the_fewest_multiplications():
    a, b, c = np.ones((10, 100)), np.ones((100, 5)), np.ones((5, 50))
    assert tg.multi_dot([a, b, c]).inputs[0].op.name == "matmul"
    assert tg.multi_dot([c.T, b.T, a.T]).inputs[1].op.name == "matmul"
    for wrong in ([a], [a, np.ones(100), c], [a, b, np.ones((2, 2, 2))]):
        with pytest.raises(ValueError, match="multi_dot"):
            tg.multi_dot(wrong)
