"""Gradients of functions of arrays and of nested arrays."""

import functools

import numpy as np
import pytest

import tinygraph as tg
from tinygraph.graph.replaying import evaluate


def loss(params, x, y):
    return tg.mean((params["w"] @ x + params["b"] - y) ** 2)


def test_the_gradient_is_nested_as_the_argument_and_of_arrays(rng):
    params = {"w": rng.normal(size=(1, 3)), "b": np.zeros((1, 1))}
    x, y = rng.normal(size=(3, 5)), rng.normal(size=(1, 5))
    value, gradient = tg.value_and_grad(loss)(params, x, y)
    error = params["w"] @ x + params["b"] - y
    np.testing.assert_allclose(value, np.mean(error**2))
    np.testing.assert_allclose(gradient["w"], 2 / 5 * error @ x.T)
    np.testing.assert_allclose(gradient["b"], 2 / 5 * error.sum(axis=1, keepdims=True))
    assert type(gradient["w"]) is np.ndarray
    assert type(value) is np.float64


def test_of_several_arguments_it_is_a_tuple(rng):
    x, y = rng.normal(size=3), rng.normal(size=3)
    dx, dy = tg.grad(lambda x, y: tg.sum(x * y), argnums=(0, 1))(x, y)
    np.testing.assert_array_equal(dx, y)
    np.testing.assert_array_equal(dy, x)
    np.testing.assert_array_equal(tg.grad(lambda x, y: tg.sum(x * y), argnums=-1)(x, y), x)


def test_gradients_nest_to_any_order():
    f = tg.sigmoid
    for _ in range(3):
        f = tg.grad(f)
    h = 1e-3
    s = lambda x: 1 / (1 + np.exp(-x))  # noqa: E731
    third = (s(0.3 + 2 * h) - 2 * s(0.3 + h) + 2 * s(0.3 - h) - s(0.3 - 2 * h)) / (2 * h**3)
    assert f(0.3) == pytest.approx(third, rel=1e-4)


def test_an_inner_gradient_is_with_respect_to_its_own_argument():
    assert tg.grad(lambda x: x * tg.grad(lambda y: x + y)(1.0))(1.0) == 1.0
    assert tg.grad(lambda x: tg.grad(lambda y: x * y)(1.0))(2.0) == 1.0
    assert tg.grad(lambda x: tg.grad(lambda y: x * x * y * y)(3.0))(2.0) == 24.0
    assert tg.grad(lambda x: tg.grad(lambda y: x * y)(x))(2.0) == 1.0


def test_what_the_value_does_not_depend_on_has_a_gradient_of_zero():
    np.testing.assert_array_equal(tg.grad(lambda x: tg.Tensor(1.0) * 2.0)(np.ones(2)), np.zeros(2))
    value, gradient = tg.value_and_grad(lambda p: tg.sum(p[0]))([np.ones(2), np.ones(3)])
    assert value == 2.0
    np.testing.assert_array_equal(gradient[1], np.zeros(3))


def test_arguments_are_left_as_they_are(rng):
    x = rng.normal(size=3)
    before = x.copy()
    gradient = tg.grad(lambda x: tg.sum(x * 1.0))(x)
    gradient += 1.0
    np.testing.assert_array_equal(x, before)


def test_float32_stays():
    value, gradient = tg.value_and_grad(lambda x: tg.sum(x * x))(np.ones(2, np.float32))
    assert value.dtype == gradient.dtype == np.float32


def test_what_has_no_gradient_says_so():
    def f(x):
        return x * 2

    with pytest.raises(tg.ArgumentError, match=r"f returned shape \(2,\); only a scalar has a gradient"):
        tg.grad(f)(np.ones(2))
    with pytest.raises(tg.ArgumentError, match="returned a float"):
        tg.grad(lambda x: 1.0)(1.0)
    with pytest.raises(tg.DTypeError, match="only floating arguments"):
        tg.grad(lambda n: n * 1.0)(3)
    with pytest.raises(tg.ArgumentError, match="asks for the argument 2"):
        tg.grad(lambda x: x, argnums=2)(1.0)


def test_within_no_grad_too():
    with tg.no_grad():
        assert tg.grad(lambda x: x**2)(3.0) == 6.0


# -- what all of them have in common -------------------------------------------------------------------------------


def test_arguments_are_chosen_by_position():
    f = lambda x, y, *, power: tg.sum(x**power * y)  # noqa: E731
    x, y = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    np.testing.assert_array_equal(tg.grad(f, argnums=np.int64(1))(x, y, power=2), x**2)
    np.testing.assert_array_equal(tg.grad(f, argnums=[-1])(x, y, power=2)[0], x**2)
    with pytest.raises(tg.ArgumentError, match="twice"):
        tg.grad(f, argnums=(0, -2))(x, y, power=2)
    with pytest.raises(tg.ArgumentError, match="no argument"):
        tg.grad(f, argnums=())(x, y, power=2)
    with pytest.raises(tg.ArgumentError, match=r"was called with 1 by position; arguments by keyword are passed on"):
        tg.grad(f, argnums=1)(x, y=y, power=2)


def test_what_is_beside_is_passed_on():
    def f(x):
        y = x * x
        return tg.sum(y), {"y": y, "text": "kept", "none": None}

    x = np.array([1.0, 2.0])
    gradient, aux = tg.grad(f, has_aux=True)(x)
    np.testing.assert_array_equal(gradient, 2 * x)
    assert type(aux["y"]) is np.ndarray
    assert (aux["text"], aux["none"]) == ("kept", None)
    (value, aux), gradient = tg.value_and_grad(f, has_aux=True)(x)
    assert value == 5.0
    assert isinstance(tg.grad(f, has_aux=True)(tg.Tensor(x))[1]["y"], tg.Tensor)
    value, vjp_fn, aux = tg.vjp(f, x, has_aux=True)
    np.testing.assert_array_equal(vjp_fn(1.0)[0], 2 * x)
    value, tangent, aux = tg.jvp(f, (x,), (x,), has_aux=True)
    assert (value, tangent) == (5.0, 10.0)
    with pytest.raises(tg.ArgumentError, match="has_aux=True <lambda> must return a pair"):
        tg.grad(lambda x: tg.sum(x), has_aux=True)(x)
    with pytest.raises(tg.ArgumentError, match=r"returned a tuple.*has_aux=True"):
        tg.grad(f)(x)


def test_functions_without_a_name():
    assert tg.grad(functools.partial(lambda x, n: x**n, n=2))(3.0) == 6.0

    class Model:
        def __call__(self, x):
            return x * x

    assert tg.grad(Model())(3.0) == 6.0
    with pytest.raises(tg.ArgumentError, match="Model returned"):
        tg.grad(Model())(np.ones(2))


def test_gradients_reach_a_tensor_beside_the_argument():
    w = tg.parameter(2.0)
    d = tg.grad(lambda x, w: x**2 * w)(3.0, w)
    assert tg.gradients(d, w).item() == 6.0


def test_integers_say_so():
    with pytest.raises(tg.DTypeError, match=r"^p\['b'\] of .*: a tensor holds booleans, .*, not <U1"):
        tg.grad(lambda p: p["a"])({"a": 1.0, "b": "s"})
    with pytest.raises(tg.DTypeError, match=r"n of .* holds int64; only floating .* Give it 3\.0"):
        tg.grad(lambda n: n * 1.0)(3)
    with pytest.raises(tg.DTypeError, match=r"p\['w'\] of .* Give it np.asarray"):
        tg.grad(lambda p: tg.sum(p["w"]) * p["b"])({"w": np.arange(3), "b": 1.0})


# -- vjp and jvp ---------------------------------------------------------------------------------------------------


def nested(p, x):
    h = tg.tanh(p["W"] @ x)
    return {"h": h, "parts": [tg.sum(h), x[0] * 2.0]}


@pytest.fixture
def point(rng):
    return {"W": rng.normal(size=(2, 3)), "unused": rng.normal(size=2)}, rng.normal(size=3)


def test_vjp_is_the_transpose_of_jvp_and_both_are_the_jacobian(rng, point):
    tangents = tree_of(rng, point)
    value, out = tg.jvp(nested, point, tangents)
    again, vjp_fn = tg.vjp(nested, *point)
    cotangent = tree_of(rng, value)
    back = vjp_fn(cotangent)
    assert type(back) is tuple
    assert inner(out, cotangent) == pytest.approx(inner(back, tangents), rel=1e-12)
    assert all(map(np.array_equal, leaves(value), leaves(again)))
    J = tg.jacobian(nested, argnums=(0, 1))(*point)
    expected = np.tensordot(J["h"][0]["W"], tangents[0]["W"], 2) + J["h"][1] @ tangents[1]
    np.testing.assert_allclose(out["h"], expected)
    np.testing.assert_array_equal(back[0]["unused"], np.zeros(2))


def leaves(tree):
    return tg.trees.flatten(tree)[0]


def tree_of(rng, like):
    found, structure = tg.trees.flatten(like)
    return tg.trees.unflatten(structure, [rng.normal(size=np.shape(x)) for x in found])


def inner(one, other):
    return sum(np.sum(x * y) for x, y in zip(leaves(one), leaves(other), strict=True))


def test_the_function_of_vjp_runs_once_and_is_asked_often(rng):
    calls = []
    _, vjp_fn = tg.vjp(lambda x: calls.append(1) or x**2, np.array([1.0, 2.0]))
    first, second = vjp_fn(np.array([1.0, 0.0]))[0], vjp_fn([0.0, 1.0])[0]
    np.testing.assert_array_equal(first, [2.0, 0.0])
    np.testing.assert_array_equal(second, [0.0, 4.0])
    assert len(calls) == 1
    derivative = tg.jacobian(lambda v: vjp_fn(v)[0])(np.zeros(2))
    np.testing.assert_array_equal(derivative, np.diag([2.0, 4.0]))


def test_one_tensor_as_several_results_gets_the_sum():
    def f(x):
        y = x * 3.0
        return y, y, x

    _, vjp_fn = tg.vjp(f, 1.0)
    assert vjp_fn((1.0, 10.0, 100.0)) == (133.0,)
    assert tg.jvp(f, (1.0,), (2.0,))[1] == (6.0, 6.0, 2.0)


def test_jvp_is_exact_where_values_on_the_way_are_not_finite():
    _, tangent = tg.jvp(lambda x: tg.sqrt(x) * 0.0 + x, (np.array([4.0, 1.0]),), (np.array([1.0, 2.0]),))
    np.testing.assert_array_equal(tangent, [1.0, 2.0])
    with np.errstate(divide="ignore"):
        assert tg.jvp(tg.sqrt, (0.0,), (1.0,))[1] == np.inf
    assert tg.jvp(lambda x: tg.Tensor(2.0), (1.0,), (1.0,))[1] == 0.0
    _, tangent = tg.jvp(lambda x: x.astype(np.float32) * 2, (np.ones(2),), (np.ones(2),))
    assert tangent.dtype == np.float32


def test_what_does_not_fit_says_so(point):
    with pytest.raises(tg.ArgumentError, match=r"primals of nested are a tuple .* as in \(primal,\)"):
        tg.jvp(nested, point[1], point[1])
    with pytest.raises(tg.ArgumentError, match=r"tangents for nested\[0\] is a dict with the keys 'W' where a dict"):
        tg.jvp(nested, point, ({"W": point[0]["W"]}, point[1]))
    with pytest.raises(tg.ShapeError, match=r"one for p\['unused'\] has shape \(3,\), but p\['unused'\] has \(2,\)"):
        tg.jvp(nested, point, ({"W": point[0]["W"], "unused": np.ones(3)}, point[1]))
    _, vjp_fn = tg.vjp(nested, *point)
    with pytest.raises(tg.ArgumentError, match="cotangent for nested is of type float where a dict"):
        vjp_fn(1.0)
    with pytest.raises(tg.ArgumentError, match="no argument"):
        tg.vjp(nested)


def test_keys_may_come_in_another_order(point):
    p, x = point
    _, vjp_fn = tg.vjp(nested, p, x)
    v = {"parts": (1.0, 0.0), "h": np.ones(2)}
    one, other = vjp_fn(v), vjp_fn({"h": v["h"], "parts": [1.0, 0.0]})
    assert all(map(np.array_equal, leaves(one), leaves(other)))


def test_hvp_is_nested_as_its_arguments(rng, point):
    f = lambda p, x: tg.sum(nested(p, x)["h"] ** 2)  # noqa: E731
    t = tree_of(rng, point)
    found = tg.hvp(f, point, t)
    H = tg.hessian(f, argnums=(0, 1))(*point)
    np.testing.assert_allclose(found[1], np.tensordot(H[1][0]["W"], t[0]["W"], 2) + H[1][1] @ t[1])
    assert found[0]["W"].shape == (2, 3)
    assert tg.hvp(lambda x: x**3, (2.0,), (1.0,)) == 12.0


# -- elementwise_grad ----------------------------------------------------------------------------------------------


def test_the_derivative_of_each_element(rng):
    x = rng.normal(size=(3, 4))
    np.testing.assert_allclose(tg.elementwise_grad(tg.tanh)(x), 1 - np.tanh(x) ** 2)
    second = tg.elementwise_grad(tg.elementwise_grad(tg.tanh))(x)
    np.testing.assert_allclose(second, -2 * np.tanh(x) * (1 - np.tanh(x) ** 2))
    dx, dy = tg.elementwise_grad(lambda x, y: x * y, argnums=(0, 1))(x, x[0])
    np.testing.assert_allclose(dx, np.tile(x[0], (3, 1)))
    np.testing.assert_allclose(dy, x.sum(axis=0))
    w = rng.normal(size=(1, 8))
    u = lambda x: tg.sum(tg.tanh(x @ w), axis=1, keepdims=True)  # noqa: E731  (a network, on the rows of a batch)
    rows = rng.normal(size=(20, 1))
    np.testing.assert_allclose(tg.elementwise_grad(u)(rows), ((1 - np.tanh(rows @ w) ** 2) * w).sum(1, keepdims=True))


def test_elementwise_grad_accuses_nothing_of_an_overflow():
    x = np.array([0.0, 1.0, np.inf, 1e308, -1.0])
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(tg.elementwise_grad(lambda x: (x / 1e308) * 1e308)(x), np.ones(5))


@pytest.mark.parametrize("f", [lambda x: x / tg.sum(x), lambda x: x[::-1] * x, lambda x: np.ones((3, 3)) @ x])
def test_no_silent_sum_over_other_elements(f, rng):
    with pytest.raises(tg.ArgumentError, match=r"is not elementwise: the element \(\d,\) of x contributes to"):
        tg.elementwise_grad(f)(rng.uniform(1.0, 2.0, 3))


# -- in one another, and compiled ----------------------------------------------------------------------------------

SMOOTH = {
    "grad": lambda f: lambda x: tg.grad(lambda x: tg.sum(f(x)))(x),
    "value_and_grad": lambda f: lambda x: sum(tg.value_and_grad(lambda x: tg.sum(f(x) ** 2))(x)),
    "elementwise_grad": lambda f: lambda x: tg.elementwise_grad(tg.tanh)(f(x)),
    "vjp": lambda f: lambda x: tg.vjp(f, x)[1](tg.tanh(x))[0],
    "jvp": lambda f: lambda x: tg.jvp(f, (x,), (tg.tanh(x),))[1],
    "jacobian": lambda f: lambda x: tg.jacobian(f)(x) @ x,
    "hessian": lambda f: lambda x: tg.hessian(lambda x: tg.sum(f(x)))(x) @ x,
    "hvp": lambda f: lambda x: tg.hvp(lambda x: tg.sum(f(x)), (x,), (tg.tanh(x),)),
    "checkpoint": lambda f: tg.checkpoint(f),
    "stop_gradient": lambda f: lambda x: f(x) * tg.stop_gradient(x),
    "custom_gradient": lambda f: tg.custom_gradient(lambda x: (f(x), lambda g: (g * tg.tanh(x),))),
}
W = np.array([[0.3, -0.5, 0.2], [0.1, 0.4, -0.7], [0.6, 0.2, 0.5]])


def mixing(x):
    return tg.tanh(W @ x) * x[::-1]


@pytest.mark.parametrize("outer", SMOOTH)
@pytest.mark.parametrize("inside", SMOOTH)
def test_any_in_any_compiled_and_eager(outer, inside):
    f, x = SMOOTH[outer](SMOOTH[inside](mixing)), np.array([0.3, -0.2, 0.8])
    eager = tg.grad(lambda x: tg.sum(f(x) ** 2))
    assert np.isfinite(eager(x)).all()
    np.testing.assert_allclose(tg.compile(eager)(x), eager(x), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(tg.compile(f)(x), f(tg.Tensor(x)).data, rtol=1e-9, atol=1e-12)
    honest = not {outer, inside} & {"stop_gradient", "custom_gradient"}
    if honest:
        tg.check_grads(f, x, order=1)


def test_compiled_with_trees_and_results_of_all_forms(point, rng):
    def everything(p, x, v):
        value, vjp_fn = tg.vjp(nested, p, x)
        f = lambda p, x: tg.sum(nested(p, x)["h"] ** 2)  # noqa: E731
        return value, vjp_fn(value), tg.jvp(nested, (p, x), (p, v)), tg.hvp(f, (p, x), (p, v)), tg.hessian(f)(p, x)

    v = rng.normal(size=3)
    program = tg.compile(everything)
    for ours, theirs in zip(leaves(program(*point, v)), leaves(everything(*point, v)), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-14)
    again = rng.normal(size=3)
    for ours, theirs in zip(leaves(program(point[0], again, v)), leaves(everything(point[0], again, v)), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-14)


# -- stop_gradient -------------------------------------------------------------------------------------------------


def test_stop_gradient_is_a_constant_to_gradients_and_computed_anew_by_programs():
    f = tg.value_and_grad(lambda x: tg.sum(x * tg.stop_gradient(x)))
    program = tg.compile(f)
    for x in (np.array([1.0, 2.0]), np.array([3.0, 4.0])):
        for value, gradient in (f(x), program(x)):
            assert value == np.sum(x * x)
            np.testing.assert_array_equal(gradient, x)
    assert "stop" not in program.source.partition("def ")[2].partition("\n    t")[2]
    x = tg.parameter([1.0])
    y = tg.stop_gradient(x)
    assert not y.requires_grad
    assert y.inputs == (x,)
    assert evaluate([y], {x: np.array([5.0])})[0] == 5.0
    x.data += 1.0
    assert y.data == 1.0


CLOSED_OVER = {
    "grad": lambda w: tg.grad(lambda t: tg.sum(tg.sin(w * t)))(np.array([1.0, 2.0])),
    "value": lambda w: tg.value_and_grad(lambda t: tg.sum(tg.sin(w * t)))(np.array([1.0, 2.0]))[0],
    "elementwise_grad": lambda w: tg.elementwise_grad(lambda t: tg.sin(w * t))(np.array([1.0, 2.0])),
    "vjp": lambda w: tg.vjp(lambda t: tg.sin(w * t), np.array([1.0, 2.0]))[1](np.ones(2))[0],
    "jvp": lambda w: tg.jvp(lambda t: tg.sin(w * t), (np.array([1.0, 2.0]),), (np.ones(2),))[1],
    "jacobian": lambda w: tg.jacobian(lambda t: tg.sin(w * t))(np.array([1.0, 2.0])),
    "hessian": lambda w: tg.hessian(lambda t: tg.sum(tg.sin(w * t)))(np.array([1.0, 2.0])),
    "hvp": lambda w: tg.hvp(lambda t: tg.sum(tg.sin(w * t)), (np.array([1.0, 2.0]),), (np.ones(2),)),
}


@pytest.mark.parametrize("transformed", CLOSED_OVER.values(), ids=CLOSED_OVER)
def test_a_parameter_that_the_function_closes_over_gets_its_gradient(transformed):
    tg.check_grads(lambda w: tg.sum(transformed(w) ** 2), np.array([0.3]), order=1)
    with tg.no_grad():
        assert not isinstance(transformed(tg.parameter([0.3])), tg.Tensor)


def test_a_compiled_function_is_differentiated_as_the_function_itself():
    compiled = tg.compile(lambda x: tg.sum(x**3))
    np.testing.assert_allclose(tg.grad(compiled)(np.array([1.0, 2.0])), [3.0, 12.0])
    np.testing.assert_allclose(tg.compile(tg.grad(compiled))(np.array([1.0, 2.0])), [3.0, 12.0])


TRANSFORMED = {
    "grad": lambda f, x: tg.grad(f)(x),
    "vjp": lambda f, x: tg.vjp(f, x)[1](1.0)[0],
    "jvp": lambda f, x: tg.jvp(f, (x,), (x,))[1],
    "jacobian": lambda f, x: tg.jacobian(f)(x),
    "hessian": lambda f, x: tg.hessian(f)(x),
    "hvp": lambda f, x: tg.hvp(f, (x,), (x,)),
    "grad of grad": lambda f, x: tg.grad(lambda x: tg.sum(tg.grad(f)(x) ** 2))(x),
}


@pytest.mark.parametrize("transformed", TRANSFORMED.values(), ids=TRANSFORMED)
def test_transforms_are_the_same_where_nothing_is_recorded(transformed, rng):
    x = rng.normal(size=3)
    expected = transformed(lambda x: tg.sum(tg.tanh(x) ** 3), x)
    with tg.no_grad():
        np.testing.assert_array_equal(transformed(lambda x: tg.sum(tg.tanh(x) ** 3), x), expected)
    assert np.any(expected)


# -- what is given to transforms -----------------------------------------------------------------------------------

_TRANSFORMS = (tg.grad, tg.value_and_grad, tg.jacobian, tg.hessian, tg.elementwise_grad)


def _squares(x):
    return tg.sum(x**2)


@pytest.mark.parametrize("argnums", ["0", 1.5, None, (0, 1.0), True, [[0]]])
@pytest.mark.parametrize("transform", _TRANSFORMS)
def test_argnums_that_are_no_positions_are_refused_at_once(transform, argnums):
    with pytest.raises(TypeError, match=r"argnums are positions of arguments, as argnums=0 or argnums=\(0, 2\)"):
        transform(_squares, argnums)


def test_argnums_may_be_what_is_read_once():
    x = np.array([1.0, 2.0])
    for transform in (tg.grad, tg.jacobian, tg.hessian):
        differentiated = transform(_squares, iter([0]))
        for _ in range(2):
            np.testing.assert_array_equal(differentiated(x)[0], transform(_squares, (0,))(x)[0])
    np.testing.assert_array_equal(tg.grad(_squares, np.int64(0))(x), 2 * x)


def test_without_arguments_there_is_nothing_to_differentiate_by():
    for call in (lambda: tg.jvp(_squares, (), ()), lambda: tg.vjp(_squares), lambda: tg.grad(lambda: 1.0)()):
        with pytest.raises(tg.ArgumentError, match="nothing to differentiate by"):
            call()


@pytest.mark.parametrize("transform", [*_TRANSFORMS, tg.checkpoint, tg.custom_gradient, tg.compile])
def test_what_does_not_return_when_it_is_called_is_refused_at_once(transform):
    async def later(x):
        return x

    def several(x):
        yield x

    for given, message in ((1, "takes a function, not int"), (later, "is an async fu"), (several, "is a generator fu")):
        with pytest.raises(TypeError, match=message):
            transform(given)
