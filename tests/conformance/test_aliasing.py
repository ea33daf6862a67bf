"""Arrays that the user and the graph hold at the same time never change each other's values or gradients."""

import contextlib

import numpy as np
import pytest
from nodes import grad_of

import tinygraph as tg


def test_p01_seed_and_gradients_are_distinct_buffers():
    a, b, g = tg.parameter([1.0, 2.0]), tg.parameter([3.0, 4.0]), np.ones(2)
    y = a + b
    y.backward(g)
    a.grad[...] = 9.0
    y.grad[...] = 7.0
    assert grad_of(a, b) == [[9.0, 9.0], [1.0, 1.0]]
    assert g.tolist() == [1.0, 1.0]
    g[...] = 5.0
    assert grad_of(y, b) == [[7.0, 7.0], [1.0, 1.0]]


def test_p01_gradients_do_not_alias_the_values_of_the_graph():
    a, b = tg.parameter([1.0, 2.0]), tg.parameter([3.0, 4.0])
    y = a * b
    y.backward(np.ones(2))
    for x in (a, b, y):
        x.grad[...] = 9.0
    assert [x.data.tolist() for x in (a, b, y)] == [[1.0, 2.0], [3.0, 4.0], [3.0, 8.0]]


def test_p02_a_shared_cotangent_is_not_added_to_in_place():
    a, b = tg.parameter([1.0, 1.0]), tg.parameter([1.0, 1.0])
    y = a + b
    z = y + a
    z.backward(np.ones(2))
    assert grad_of(a, b, y, z) == [[2.0, 2.0], [1.0, 1.0], [1.0, 1.0], [1.0, 1.0]]


def test_p03_leaves_add_up_over_separate_graphs_and_start_anew():
    x = tg.parameter([1.0, 2.0])
    (x * x).sum().backward()
    held = x.grad
    (x * x).sum().backward()
    assert x.grad.tolist() == [4.0, 8.0]
    x.grad = None
    kept = held.copy()
    (x * x).sum().backward()
    assert x.grad.tolist() == [2.0, 4.0]
    assert held.tolist() == kept.tolist()
    assert not np.shares_memory(held, x.grad)


def test_p03_a_gradient_that_the_user_set_is_added_to_and_not_written_to():
    x, given = tg.parameter([1.0, 2.0]), np.array([10.0, 10.0])
    x.grad = given
    (x * x).sum().backward()
    assert x.grad.tolist() == [12.0, 14.0]
    assert given.tolist() == [10.0, 10.0]


def test_p04_a_second_backward_names_retain_graph():
    x = tg.parameter([1.0, 2.0])
    y = (x * x).sum()
    y.backward()
    with pytest.raises(tg.GraphError, match="retain_graph"):
        y.backward()
    assert x.grad.tolist() == [2.0, 4.0]


def test_p04_a_backward_into_a_used_part_names_retain_graph():
    x = tg.parameter([1.0, 2.0])
    shared = x * x
    shared.sum().backward()
    with pytest.raises(tg.GraphError, match=r"shared .*retain_graph"):
        (shared * 3.0).sum().backward()
    assert x.grad.tolist() == [2.0, 4.0]


def test_p04_with_retain_graph_everything_accumulates():
    x = tg.parameter([1.0, 2.0])
    y = x * x
    J = y.sum()
    J.backward(retain_graph=True)
    J.backward()
    assert grad_of(x, y, J) == [[4.0, 8.0], [2.0, 2.0], 2.0]


def test_p05_a_result_cannot_be_changed_in_place():
    x = tg.parameter([1.0, 2.0])
    y = x * 1.0
    z = y * y
    with pytest.raises(ValueError, match="read-only"):
        y.data += 1.0
    with pytest.raises(ValueError, match="read-only"):
        y.data[0] = 5.0
    with pytest.raises(tg.GraphError, match="y was computed"):
        y.data = np.zeros(2)
    with pytest.raises(TypeError, match="in place"):
        y[0] = 5.0
    z.sum().backward()
    assert x.grad.tolist() == [2.0, 4.0]


def test_p05_augmented_assignment_makes_a_new_node():
    x = tg.parameter([1.0, 2.0])
    y = x * 1.0
    before, z = y, y * y
    y += 1.0
    assert y is not before
    assert before.data.tolist() == [1.0, 2.0]
    z.sum().backward()
    assert x.grad.tolist() == [2.0, 4.0]


@pytest.mark.parametrize("shape", [(), (2,), (2, 2)])
def test_p05_a_leaf_that_was_changed_after_it_was_read_gives_the_original_gradient(shape):
    x = tg.parameter(np.full(shape, 3.0))
    z = (x * x).sum()
    x.data += 1.0
    x.data[...] *= 10.0
    z.backward()
    assert x.data.tolist() == np.full(shape, 40.0).tolist()
    assert x.grad.tolist() == np.full(shape, 6.0).tolist()


def test_p05_gradients_as_nodes_refuse_a_leaf_that_has_changed():
    x = tg.parameter([1.0, 2.0])
    z = (x * x).sum()
    x.data += 1.0
    with pytest.raises(tg.GraphError, match="data of x has changed"):
        tg.gradients(z, x)


def test_p06_a_tensor_keeps_a_copy_of_the_callers_array():
    a = np.ones(2)
    x = tg.parameter(a)
    y = x * x
    a[:] = 5.0
    y.sum().backward()
    assert x.data.tolist() == [1.0, 1.0]
    assert x.grad.tolist() == [2.0, 2.0]


def test_p06_a_plain_operand_that_changes_afterwards_does_no_harm():
    a, x = np.array([3.0, 4.0]), tg.parameter([1.0, 2.0])
    y = a * x
    a[:] = 100.0
    y.sum().backward()
    assert x.grad.tolist() == [3.0, 4.0]


@pytest.mark.parametrize("view", [lambda a: a, lambda a: a[:], lambda a: a.T], ids=["array", "view", "transposed"])
def test_p06_an_array_that_was_taken_without_a_copy_changes_only_before_it_is_read(view):
    a = np.ones((2, 2))
    x = tg.Tensor(view(a), requires_grad=True, copy=False)
    a[...] = 3.0
    y = x * x
    a[...] = 5.0
    y.sum().backward()
    assert x.grad.tolist() == [[6.0, 6.0], [6.0, 6.0]]


def lists(shape=(2, 2)):
    return np.arange(1.0, 5.0).reshape(shape)


def shared(base):
    """Return objects that share memory with the array `base`, by the way in which they were made."""
    read_only = base[:]
    read_only.flags.writeable = False
    return {
        "array": base,
        "row": base[0],
        "column": base[:, 0],
        "reversed": base[::-1],
        "transposed": base.T,
        "raveled": base.ravel(),
        "read-only view": read_only,
        "broadcast": np.broadcast_to(base, (3, *base.shape)),
        "subclass": base.view(np.matrix) if type(base) is np.ndarray else base.view(),
        "memoryview": memoryview(base),
        "window": np.lib.stride_tricks.sliding_window_view(base, 2, axis=1),
    }


SHARED = tuple(shared(lists()))


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
@pytest.mark.parametrize("mapped", [False, True], ids=["memory", "memmap"])
@pytest.mark.parametrize("how", SHARED)
def test_p06_whatever_shares_memory_with_a_tensor_never_changes_what_was_read(how, mapped, tmp_path):
    base = lists()
    if mapped:
        base = np.memmap(tmp_path / "data", float, "w+", shape=(2, 2))
        base[...] = lists()
    given = shared(base)[how]
    read = np.array(given)
    x = tg.Tensor(given, requires_grad=True, copy=False)
    y = x * x
    base[...] = 50.0
    z = y + x * 1.0  # reads what is there now
    assert x.data.shape == read.shape  # hands out the array
    base[...] = 70.0
    y.sum().backward(retain_graph=True)
    assert x.grad.tolist() == (2.0 * read).tolist()
    assert y.data.tolist() == (read * read).tolist()
    x.grad = None
    z.sum().backward()
    assert x.grad.tolist() == (2.0 * read + 1.0).tolist()
    assert (z.data - y.data).tolist() == np.full(read.shape, 50.0).tolist()


@pytest.mark.parametrize("view", [lambda a: a[0], lambda a: a.T, lambda a: a.ravel(), lambda a: a[::-1, ::-1]])
def test_p05_a_view_of_the_data_of_a_leaf_does_not_reach_what_was_read(view):
    x = tg.parameter(lists())
    kept = view(x.data)
    y = x * x
    kept[...] = 50.0
    z = x * 3.0  # sees what was written
    kept[...] = 70.0
    y.sum().backward()
    assert x.grad.tolist() == (2.0 * lists()).tolist()
    assert y.data.tolist() == (lists() ** 2).tolist()
    assert (z.data == 150.0).sum() == kept.size
    assert (x.data == 70.0).sum() == kept.size


def test_p05_gradients_that_are_written_to_reach_no_value():
    x = tg.parameter(lists())
    y = x.T
    (y * y).sum().backward(retain_graph=True)
    x.grad[...] = 9.0
    y.grad[...] = 9.0
    (y * y).sum().backward()
    assert x.grad.tolist() == (9.0 + 2.0 * lists()).tolist()
    assert x.data.tolist() == lists().tolist()


def test_p07_an_array_on_the_left_gives_a_tensor():
    t = tg.parameter([3.0, 4.0])
    for left, expected in ((np.ones(2), [3.0, 4.0]), (np.float64(2), [6.0, 8.0])):
        product = left * t
        assert type(product) is tg.Tensor
        assert product.requires_grad
        assert product.data.tolist() == expected


def test_p07_an_array_multiplied_in_place_by_a_tensor_is_refused():
    t, a = tg.parameter([3.0, 4.0]), np.ones(2)
    with pytest.raises(tg.UnsupportedError):
        a *= t
    assert type(a) is np.ndarray
    assert a.tolist() == [1.0, 1.0]


VIEWS = {
    "reshape to the same shape": lambda x: x.reshape(2, 2),
    "reshape": lambda x: x.reshape(4),
    "x[:]": lambda x: x[:],
    "x[...]": lambda x: x[...],
    "x[()]": lambda x: x[()],
    "x[0]": lambda x: x[0],
    "x[::-1]": lambda x: x[::-1],
    "x[None]": lambda x: x[None],
    "x.T": lambda x: x.T,
    "x.mT": lambda x: x.mT,
    "transpose": lambda x: x.transpose(1, 0),
    "transpose to the same order": lambda x: x.transpose(0, 1),
    "broadcast_to": lambda x: tg.broadcast_to(x, (3, 2, 2)),
    "broadcast_to the same shape": lambda x: tg.broadcast_to(x, (2, 2)),
    "astype of the same dtype": lambda x: x.astype(float),
    "concat of one": lambda x: tg.concat([x]),
    "stack of one": lambda x: tg.stack([x]),
    "sum over no axes": lambda x: x.sum(axis=()),
    "max over no axes": lambda x: x.max(axis=()),
    "mean over no axes": lambda x: x.mean(axis=()),
    "relu that changes nothing": lambda x: tg.relu(x),
    **({"clip that changes nothing": lambda x: tg.clip(x, 0.0, 9.0)} if hasattr(tg, "clip") else {}),
    "maximum that changes nothing": lambda x: tg.maximum(x, 0.0),
    "where that takes all": lambda x: tg.where(True, x, 0.0),
    "+x": lambda x: +x,
    "x + 0": lambda x: x + 0.0,
    "detach": lambda x: x.detach(),
    "Tensor of a tensor": lambda x: tg.Tensor(x.detach(), requires_grad=True),
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_p24_a_result_that_is_a_view_is_not_changed_with_its_input(view):
    x, untouched = (tg.parameter([[1.0, 2.0], [3.0, 4.0]]) for _ in range(2))
    y, z = view(x), view(untouched)
    if y is not x:
        before, J = y.data.tolist(), (y * y).sum()
        x.data[...] = 50.0
        x.data *= 2.0
        assert y.data.tolist() == before
        if J.requires_grad:
            J.backward()
            (z * z).sum().backward()
            assert grad_of(x, y) == grad_of(untouched, z)
        assert x.data.tolist() == [[100.0, 100.0], [100.0, 100.0]]


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_p24_an_input_is_not_changed_through_a_result_that_is_a_view(view):
    x = tg.parameter([[1.0, 2.0], [3.0, 4.0]])
    z = x * x
    y = view(x)
    if y.op is None and y is not x:
        y.data[...] = 50.0
    else:
        with contextlib.suppress(ValueError):  # read-only, where it is not x itself
            y.data[...] = 50.0
    z.sum().backward()
    assert x.grad.tolist() == [[2.0, 4.0], [6.0, 8.0]]
    if y is not x:
        assert x.data.tolist() == [[1.0, 2.0], [3.0, 4.0]]


def test_p24_a_view_that_the_user_keeps_of_the_data_does_not_reach_what_was_read():
    x = tg.parameter([[1.0, 2.0], [3.0, 4.0]])
    kept, row = x.data, x.data[0]
    z = (x * x).sum()
    kept[...] = 50.0
    row[...] = 70.0
    z.backward()
    assert x.grad.tolist() == [[2.0, 4.0], [6.0, 8.0]]
