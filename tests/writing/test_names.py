"""What the nodes of a graph are called, in pictures and equations."""

import sys

import numpy as np
import pytest

import tinygraph as tg
from tinygraph.graph.walking import readers_of, shown_inputs
from tinygraph.writing.names import literal_name, names_of


def named(output, frame=None):
    """The names in topological order; None where a node has none."""
    order = tg.toposort(output)
    names = names_of(order, frame)
    assert len(set(names.values())) == len(names)
    return [names.get(node) for node in order]


def leaves(*values):
    """Parameters that no variable has held."""
    return list(map(tg.parameter, values))


# -- the order of precedence ---------------------------------------------------------------------------------------


def test_a_given_name_comes_before_all():
    w = tg.parameter(2.0, name="weight")
    z = w * 2
    z.name = "pre-activation"
    assert named(z, sys._getframe()) == ["weight", "pre-activation"]


def test_given_names_that_are_no_identifiers_are_kept():
    w = tg.parameter(2.0, name="weights of the encoder")
    x = tg.Tensor(3.0, name="1")
    hidden = tg.Tensor(1.0, name="_x")
    assert named(w * x + hidden) == ["weights of the encoder", "1", "_x", None, None]


@pytest.mark.parametrize("blank", ["", " ", "\t\n"])
def test_a_given_name_that_cannot_be_seen_is_none(blank):
    w = tg.parameter(2.0, name=blank)
    names = named(w * 2)
    assert names in ([None, None], ["w", None])


def test_the_variable_it_was_stored_in_comes_before_the_asking_frame():
    def make():
        inner = tg.parameter(2.0)
        return inner

    w = make()
    z = w * 2
    assert named(z, sys._getframe()) == ["inner", "z"]


def test_the_asking_frame_comes_before_the_operand():
    def double(x):
        return {0: x * 2}

    (w,) = leaves(2.0)
    z = double(w)[0]
    assert named(z, sys._getframe()) == ["w", "z"]
    assert named(z) == ["x", None]


def test_variables_that_pytest_makes_do_not_count():
    (w,) = leaves(2.0)
    assert named(w * 2, sys._getframe()) == ["w", None]


def test_the_operand_where_it_is_first_used_names_a_leaf():
    class Layer:
        def __init__(self, W1, b1):
            self._held = {"W1": W1}
            self.bias = b1

        @property
        def W1(self):
            return self._held["W1"]

        def __call__(self, x):
            return [self.W1 * x + self.bias]

    W, b = leaves(2.0, 3.0)
    (z,) = Layer(W, b)(np.ones(2))
    assert named(z) == ["W1", "bias", "x", None, "z"]


def test_unpacked_parameters_and_a_dictionary_of_them():
    def forward(params, p, X):
        W1, b1 = params
        return [W1 @ X + b1 + p["W2"] + p["not a name"]]

    W, b, V, u = leaves(*np.ones((4, 2, 2)))
    (z,) = forward((W, b), {"W2": V, "not a name": u}, np.ones((2, 2)))
    assert named(z) == ["W1", "b1", "W2", None, "X", None, None, None, "z"]


def test_the_first_use_counts():
    (w,) = leaves(2.0)
    x, y = w, w
    z = [x * 2 + y][0]
    assert named(z) == ["x", None, None]


def test_a_result_is_not_named_by_its_reader():
    (w,) = leaves(2.0)
    parts = [w * 2]
    z = parts[0]
    z = [z + 1][0]
    assert named(z) == ["w", None, None]


# -- the asking frame ----------------------------------------------------------------------------------------------


def test_the_asking_frame_is_searched_one_level_into_dictionaries_and_attributes():
    class Net:
        pass

    net, deep = Net(), Net()
    net.W1, v = leaves(1.0, 2.0)
    deep.net = Net()
    deep.net.W3 = v
    params = dict(zip(["W2", "not a name", 3], leaves(1.0, 2.0, 3.0), strict=True))
    names = names_of([net.W1, *params.values()], sys._getframe())
    assert names[net.W1] == "W1"
    assert names[params["W2"]] == "W2"
    assert params["not a name"] not in names
    assert params[3] not in names
    del v
    assert names_of([deep.net.W3], sys._getframe()) == {}


def test_a_variable_of_its_own_comes_before_a_place_inside_another():
    params = {"W": leaves(1.0)[0]}
    own = params["W"]
    assert names_of([own], sys._getframe()) == {own: "own"}


def test_of_several_variables_the_first_counts():
    (first,) = leaves(1.0)
    second = first
    assert names_of([second], sys._getframe()) == {second: "first"}


def test_variables_that_begin_with_an_underscore_do_not_count():
    (_w,) = leaves(1.0)
    params = {"_w": _w}
    assert names_of([params["_w"]], sys._getframe()) == {}


def test_variables_of_any_kind_do_no_harm():
    class Attributes(dict):
        __getattr__ = dict.__getitem__  # KeyError, not AttributeError

    class Refusing:
        def __getattr__(self, name):
            raise RuntimeError(name)

    class Slots:
        __slots__ = ("w",)

    class Odd:
        __dict__ = 3

    class Described:
        w = tg.parameter(1.0)

        @property
        def explosive(self):
            raise AssertionError("properties are not read")

    values = [Attributes(), Refusing(), Slots(), Odd(), Described, Described(), np, tg, sys, None, lambda: 0, [1]]
    for value in values:
        (w,) = leaves(1.0)
        assert names_of([w], sys._getframe()) == {w: "w"}
        assert value is not w


def test_tensors_in_a_dictionary_with_attributes_are_found():
    class Attributes(dict):
        __getattr__ = dict.__getitem__

    params = Attributes(W1=leaves(1.0)[0])
    assert names_of([params.W1], sys._getframe()) == {params.W1: "W1"}


def test_a_module_is_no_dictionary_of_names(monkeypatch):
    (w,) = leaves(1.0)
    monkeypatch.setattr(np, "leaked", w, raising=False)
    weight = [w]
    del w
    assert names_of(weight, sys._getframe()) == {}


# -- one name, several nodes ---------------------------------------------------------------------------------------


def test_two_nodes_of_one_name_are_numbered():
    def dense(W, b, A):
        Z = W @ A + b
        return tg.tanh(Z)

    W1, b1, W2, b2, X = (tg.parameter(np.ones((2, 2)), name=name) for name in ("W1", "b1", "W2", "b2", "X"))
    A1 = dense(W1, b1, X)
    A2 = dense(W2, b2, A1)
    assert named(A2) == ["W1", "b1", "W2", "b2", "X", None, "Z₁", "A1", None, "Z₂", "A2"]


def test_a_list_of_layers_in_a_loop():
    A = tg.Tensor(np.ones((2, 1)), name="X")
    for W, b in [leaves(np.ones((2, 2)), np.ones((2, 1))) for _ in range(3)]:
        Z = W @ A + b
        A = tg.tanh(Z)
    names = [name for name in named(A) if name and name != "X"]
    assert " ".join(names) == "W₁ b₁ W₂ b₂ W₃ b₃ Z₁ A₁ Z₂ A₂ Z₃ A₃"


def test_a_loop_on_one_line_keeps_every_step():
    x = tg.Tensor(np.ones((2, 1)), name="input")
    for W in leaves(*np.ones((3, 2, 2))):
        x = tg.tanh(W @ x)
    assert [name for name in named(x) if name and name[0] == "x"] == ["x₁", "x₂", "x₃"]


def test_layers_that_are_objects():
    class Dense:
        def __init__(self, n):
            self.W = tg.parameter(np.ones((n, n)))
            self.b = tg.parameter(np.ones((n, 1)))

        def __call__(self, x):
            return tg.relu(self.W @ x + self.b)

    net = [Dense(2), Dense(2)]
    h = tg.Tensor(np.ones((2, 1)), name="X")
    for layer in net:
        h = layer(h)
    assert named(h) == ["W₁", "b₁", "W₂", "b₂", "X", None, None, "h₁", None, None, "h₂"]


def test_more_than_nine():
    z = tg.parameter(1.0)
    for _ in range(11):
        z = z + 1
    assert named(z)[-2:] == ["z₁₁", "z₁₂"]


def test_a_number_is_not_given_twice():
    nodes = [tg.parameter(1.0, name=name) for name in ("Z", "Z", "Z₁", "Z₂")]
    names = names_of(nodes)
    assert len(set(names.values())) == 4
    assert [names[nodes[2]], names[nodes[3]]] == ["Z₁", "Z₂"]


# -- rebinding -----------------------------------------------------------------------------------------------------


def test_a_rebinding_that_is_read_once_is_written_into_its_reader():
    w, x, b = (tg.parameter(2.0, name=name) for name in "wxb")
    z = w * x
    z = z + b
    assert named(z) == ["w", "x", "b", None, "z"]


def test_an_augmented_assignment_is_a_rebinding():
    w, x, b = (tg.parameter(2.0, name=name) for name in "wxb")
    z = w * x
    z += b
    z *= 2
    assert named(z) == ["w", "x", "b", None, None, "z"]


def test_a_rebinding_that_is_read_twice_keeps_its_name():
    w, x, b = (tg.parameter(2.0, name=name) for name in "wxb")
    z = w * x
    y = z * 2
    z = z + b
    J = y + z
    assert named(J) == ["w", "x", "b", "z₁", "y", "z₂", "J"]


def test_a_leaf_that_is_rebound_keeps_its_name():
    x = tg.Tensor(2.0)
    x = x * 2
    assert named(x) == ["x₁", "x₂"]


def test_a_given_name_is_never_written_into_its_reader():
    z = tg.parameter(2.0, name="w") * 2
    z.name = "z"
    z = z + 1
    assert named(z) == ["w", "z₁", "z₂"]


def test_one_name_in_two_functions_is_no_rebinding():
    def inner(w):
        z = w * 2
        return z

    def outer(w):
        z = inner(w) + 1
        return z

    z = outer(tg.parameter(2.0, name="w"))
    assert named(z) == ["w", "z₁", "z₂"]


# -- readers and inputs --------------------------------------------------------------------------------------------


def test_readers_are_told_once_each_in_the_order_of_reading():
    x = tg.parameter(2.0)
    y = x * x
    z = x + y
    assert readers_of(tg.toposort(z)) == {x: [y, z], y: [z]}


def test_literals_are_no_readers():
    x = tg.parameter(2.0)
    y = x / 3
    assert readers_of([x, y]) == {x: [y]}
    assert shown_inputs(y) == (x, 3)
    assert shown_inputs(x) == ()


def test_log_loss_after_sigmoid_shows_the_activation_and_the_labels():
    Z2 = tg.parameter(np.zeros((1, 3)))
    Y = tg.Tensor(np.ones((1, 3)))
    A2 = tg.sigmoid(Z2)
    J = tg.log_loss(A2, Y)
    assert J.inputs == (A2, Y, Z2)
    assert shown_inputs(J) == (A2, Y)
    assert readers_of(tg.toposort(J)) == {Z2: [A2], A2: [J], Y: [J]}
    assert named(J) == ["Z2", "Y", "A2", "J"]


def test_plain_labels_and_an_unnamed_activation():
    def loss(z, labels):
        return [tg.log_loss(tg.sigmoid(z), labels)]

    (J,) = loss(leaves(np.zeros((1, 3)))[0], np.ones((1, 3)))
    assert named(J) == ["z", None, "labels", "J"]


# -- what is made inside tinygraph ---------------------------------------------------------------------------------


def test_constants_of_the_gradient_are_not_called_by_what_gradients_was_given():
    W = tg.parameter(np.ones((2, 2)))
    J = (W * W).sum()
    (G,) = tg.gradients(J, [W])
    names = names_of(tg.toposort(G))
    assert J not in set(tg.toposort(G))
    assert set(names.values()) == {"W"}


def test_a_function_from_a_namespace_that_is_a_variable(monkeypatch):
    def rule(xp, x):
        return [xp.tanh(x), xp.maximum(x, 0.0)]

    (w,) = leaves(2.0)
    assert [named(output) for output in rule(tg.ops, w)] == [["x", None], ["x", None]]


def test_a_function_from_a_module_in_a_module():
    (x,) = leaves(2.0)
    assert named([tg.ops.tanh(x)][0]) == ["x", None]
    (y,) = leaves(2.0)
    assert named([tg.ops.transcendental.tanh(y)][0]) == ["y", None]


def test_a_function_that_map_calls_names_nothing():
    values = leaves(1.0, 2.0)
    results = [*map(tg.tanh, values)]
    assert [named(node) for node in results] == [[None, None], [None, None]]


def test_a_tensor_from_another_module_is_no_module(tmp_path, monkeypatch):
    source = "import tinygraph as tg\nU, = map(tg.parameter, [[1.0, 2.0]])\n"
    (tmp_path / "some_parameters.py").write_text(source, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    from some_parameters import U

    axis = 0
    assert named([U.sum(axis)][0]) == ["U", None]


# -- literals ------------------------------------------------------------------------------------------------------


def test_a_number_takes_its_name_from_the_source():
    class Settings:
        rate = 0.1

    m, settings, p = 4, Settings, {"scale": 3}
    loss = tg.parameter(2.0)
    assert literal_name(loss / m, 1) == "m"
    assert literal_name(m * loss, 0) == "m"
    assert literal_name(loss * settings.rate, 1) == "rate"
    assert literal_name(loss * p["scale"], 1) == "scale"
    assert literal_name(tg.divide(loss, m), 1) == "m"
    J = loss
    J /= m
    assert literal_name(J, 1) == "m"


def test_a_number_that_is_no_variable_has_no_name():
    m = 4
    loss = tg.parameter(2.0)
    assert literal_name(loss / 4, 1) is None
    assert literal_name(loss / (2 * m), 1) is None
    assert literal_name(loss / -m, 1) is None
    assert literal_name((1 / m) * loss, 0) is None


def test_numbers_inside_tinygraph_have_no_name():
    Z = tg.parameter(np.ones(2))
    m = 3
    J = tg.sigmoid(Z).sum() / m
    (G,) = tg.gradients(J, [Z])
    for node in tg.toposort(G):
        if node.site.anonymous:
            assert {literal_name(node, i) for i, x in enumerate(node.inputs) if not isinstance(x, tg.Tensor)} <= {None}


def test_the_zero_that_the_builtin_sum_begins_with_is_not_called_like_its_argument():
    losses = leaves(1.0, 2.0)
    J = sum(losses)
    first = tg.toposort(J)[2]
    assert first.inputs[0] == 0
    assert literal_name(first, 0) is None


def test_the_picture_of_the_lecture_has_its_names():
    W1, b1, W2, b2 = map(tg.parameter, [np.ones((2, 2)), np.ones((2, 1)), np.ones((1, 2)), np.ones((1, 1))])
    X, Y, m = np.ones((2, 4)), np.ones((1, 4)), 4
    Z1 = W1 @ X + b1
    A1 = tg.tanh(Z1)
    Z2 = W2 @ A1 + b2
    A2 = tg.sigmoid(Z2)
    J = tg.log_loss(A2, Y, reduction="sum") / m
    titles = [line.split("   ")[0].rstrip() for line in str(tg.draw(J)).splitlines()]
    assert titles == [
        *("W1", "b1", "W2", "b2", "X", "Z1 = W1 X + b1", "A1 = tanh(Z1)"),
        *("Z2 = W2 A1 + b2", "A2 = σ(Z2)", "Y", "J = log loss(A2, Y) / m"),
    ]


def test_a_key_that_is_put_together_gives_what_it_begins_with():
    params = {f"W{i}": tg.parameter(np.ones((2, 2))) for i in (1, 2)}

    def forward(params):
        A = tg.Tensor(np.ones((2, 2)))
        for i in (1, 2):
            A = tg.tanh(params[f"W{i}"] @ A)
        return A

    assert {"W₁", "W₂"} <= set(names_of(tg.toposort(forward(params))).values())


def test_the_length_of_a_shape_gives_no_name():
    X = tg.Tensor(np.ones((2, 3)))
    node = tg.sum(X) / X.shape[1]
    assert literal_name(node, 1) is None


def test_a_number_within_a_function_is_not_named_after_the_operand_in_its_place():
    x = tg.parameter([2.0, 4.0])
    assert literal_name(tg.reciprocal(x), 0) is None
    assert "Σ 1 / x" in str(tg.derive(tg.sum(tg.reciprocal(x))))


def test_an_operand_of_the_last_op_of_a_composed_function_is_not_taken_for_one_of_the_call():
    x, width, p = tg.Tensor(np.ones((2, 3))), 3, 0.5
    gain, shift = (tg.parameter(np.full(width, start)) for start in (1.0, 0.0))
    vectors = [gain, shift]
    y = tg.layer_norm(x, width, *vectors)
    z = tg.layer_norm(x, width, vectors[0], vectors[1])
    dropped = tg.dropout(z, np.ones((2, 3)), p)
    names = names_of(tg.toposort(tg.sum(y) + tg.sum(dropped)))
    assert "width" not in names.values()
    assert "/ 0.5" in str(tg.draw(tg.sum(dropped)))
