"""Where a node was made: file, line, text, and what the source calls it."""

import _thread
import asyncio
import functools
import importlib
import linecache
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import tinygraph as tg
from tinygraph.graph import sites
from tinygraph.ops import tanh
from tinygraph.writing.names import names_of

W = tg.parameter(np.ones((2, 2)))
X = tg.Tensor(np.ones((2, 2)))
b = tg.parameter(np.ones((2, 2)))


def layer(x):
    return tanh(W @ x)


def pair(x):
    A = x * 2
    return W @ x + b, tanh(A)


@pytest.fixture
def cell(monkeypatch):
    """Run source as a notebook does, with its text in linecache; or, with `kept` false, without."""
    count = 0

    def run(source, kept=True, **variables):
        nonlocal count
        count += 1
        filename = f"<cell {count}>"
        if kept:
            entry = (len(source), None, source.splitlines(keepends=True), filename)
            monkeypatch.setitem(linecache.cache, filename, entry)
        namespace = {"W": W, "X": X, "b": b, "tanh": tanh, "tg": tg, **variables}
        exec(compile(source, filename, "exec"), namespace)
        return namespace

    return run


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Write and import a module, or write it again."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    path = tmp_path / f"written_{tmp_path.name}.py"

    def write(source, load=True):
        path.write_text(source, encoding="utf-8")
        importlib.invalidate_caches()
        return importlib.import_module(path.stem) if load else None

    yield write
    sys.modules.pop(path.stem, None)


# -- file, line and text -------------------------------------------------------------------------------------------


def test_a_site_knows_its_file_line_and_text():
    line = test_a_site_knows_its_file_line_and_text.__code__.co_firstlineno + 2
    Z = W @ X + b
    assert Z.site.filename == __file__
    assert Z.site.line == line
    assert Z.site.where == f"test_sites.py:{line}"
    assert Z.site.source == "Z = W @ X + b"
    assert Z.site.text == "W @ X + b"
    assert Z.inputs[0].site.text == "W @ X"


def test_a_loop_makes_one_site_and_each_place_has_its_own():
    sites = {id((X * 2).site) for _ in range(100)}
    assert len(sites) == 1
    one, other = X * 2, X * 2
    assert one.site is not other.site


def test_an_expression_over_several_lines_is_one_line_of_text():
    Z = tg.add(
        W @ X,  # the product
        b,
    )
    A = (W @ X
         @ X)  # fmt: skip
    assert (Z.name, Z.site.text) == ("Z", "tg.add(W @ X, b)")
    assert (A.name, A.site.text) == ("A", "W @ X @ X")
    assert Z.site.source == "Z = tg.add("


def test_a_chain_of_methods_over_several_lines_has_a_text():
    # the instruction's position is then the method's name only, with the end of the call
    s = (
        (W * X)
        .reshape(4)
        .sum()
    )  # fmt: skip
    assert s.name == "s"
    assert s.site.text == "(W * X).reshape(4).sum()"
    assert s.inputs[0].site.text == "(W * X).reshape(4)"


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("n = -X", "-X"),
        ("n = X[0:1]", "X[0:1]"),
        ("n = X < b", "X < b"),
        ("n = 2 * X", "2 * X"),
        ("n = X.T", "X.T"),
        ("n = X.sum(axis=0)", "X.sum(axis=0)"),
        ("n = tanh(W @ X)", "tanh(W @ X)"),
        ("n = X; n += b", "n + b"),
        ("n = X; n @= b", "n @ b"),
        ("n = X; n **= 2", "n ** 2"),
        ("n = X \\\n  @ b", "X @ b"),
        ("if X is not None:\n\tn = X\t@ b", "X\t@ b"),
        ("n = tanh( W@X ) ; m = 0  # no more", "tanh( W@X )"),
        ("n = (W @\n     X)  # two lines", "W @ X"),
        ("'\x0c\x1c\x85\u2028'\n\x0c\nn = W @ X", "W @ X"),  # these end no line of Python's
    ],
)
def test_the_text_is_the_expression(cell, source, text):
    assert cell(source)["n"].site.text == text


def test_characters_of_several_bytes_before_the_expression_do_not_shift_it(cell):
    ns = cell('θ = "äöü€😀"; Z = W @ X; p = ("é", tanh(Z)); f"é{(A := X @ X).shape}"')
    assert ns["Z"].site.text == "W @ X"
    assert ns["p"][1].site.text == "tanh(Z)"
    assert ns["A"].name == "A"
    Δ = "é", W @ X
    assert Δ[1].site.text == "W @ X"


def test_names_that_are_not_ascii():
    θ = W @ X
    assert θ.name == "θ"


def test_a_very_long_line(cell):
    padding = "0; " * 5000
    assert cell(f"{padding}Z = W @ X")["Z"].name == "Z"


@pytest.mark.parametrize("plus", [" + ", " +\n"])
def test_a_very_long_expression_has_a_name_and_a_text_or_none(cell, plus):
    Z = cell(f"Z = ({plus.join('b' * 500)})")["Z"]
    assert Z.name == "Z"
    assert Z.site.text in ("", " + ".join("b" * 500))
    assert Z.site.operand(1) == ("b", "b")
    assert Z.site.operand(0)[1] is None


# -- names from assignments ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("n = W @ X", "n"),
        ("x = y = n = W @ X", "x"),
        ("_x = y = n = W @ X", "y"),
        ("p = [0]; p[0] = n = W @ X", "n"),
        ("p = [0]; p[0] = W @ X; n = p[0]", None),
        ("p = {}; p['A1'] = W @ X; n = p['A1']", "A1"),
        ("p = {'l': {}}; p['l']['A1'] = W @ X; n = p['l']['A1']", "A1"),
        ("p = {}; p['not a name'] = W @ X; n = p['not a name']", None),
        ("p = {}; p[f'A{1}'] = W @ X; n = p['A1']", None),
        ("n: object = W @ X", "n"),
        ("(n := W @ X)", "n"),
        ("x = (n := W @ X)", "n"),
        ("n = X; n += b", "n"),
        ("n = W @ X if X is not None else b", "n"),
        ("n = b + 1 if X is None else W @ X", "n"),
        ("n = {'A1': W @ X}['A1']", "A1"),
        ("n = {1: W @ X}[1]", None),
        ("n = {**{'x': 1}, 'A1': W @ X}['A1']", "A1"),
        ("n = dict(A1=W @ X)['A1']", "A1"),
        ("n = max(A1=W @ X)", None),
        ("n = (W @ X, b)[0]", None),
        ("n, m = W @ X, b", "n"),
        ("m, n = b, W @ X", "n"),
        ("m, (k, n) = b, (b, W @ X)", "n"),
        ("[m, n] = [b, W @ X]", "n"),
        ("_, n = b, W @ X; m = n", "n"),
        ("n = [W @ X][0]", None),
        ("n = next(iter({W @ X}))", None),
        ("_n = n = W @ X", "n"),
        ("_n = W @ X; n = _n", None),
        ("n = (W @ X).T.inputs[0]", None),
        ("n = tanh(W @ X).inputs[0]", None),
        ("n = (lambda: W @ X)()", "n"),
        ("n = [W @ x for x in [X]][0]", None),
        ("n = {'k': W @ x for x in [X]}['k']", None),
        ("n = next(W @ x for x in [X])", None),
        ("for n in [W @ X]: pass", None),
        ("for z in range(3): n = W @ X", "n"),
        ("class Net:\n    h = W @ X\nn = Net.h", "h"),
        ("p = []; f'{p.append(W @ X)}'; n = p[0]", None),
        ("with tg.scope('s'): n = W @ X", "n"),
        ("try:\n    n = W @ X\nfinally:\n    pass", "n"),
        ("global n\nn = W @ X", "n"),
        ("n = W @ \\\n  X", "n"),
        ("n = tg.Tensor([1.0])", "n"),
        ("n = X.detach()", "n"),
        ("n = X.T", "n"),
        ("n = X.mT", "n"),
        ("n = X[0]", "n"),
        ("n = X.mean()", "n"),
        ("n = X.transpose(1, 0)", "n"),
        ("n = X.astype('float32')", "n"),
        ("n = 1 - X", "n"),
        ("n = X == b", "n"),
        ("n = abs(X)", "n"),
        ("n = tg.concat([X, b])", "n"),
        ("n = tg.log_loss(tg.sigmoid(b), X)", "n"),
        ("with tg.no_grad(): n = W @ X", "n"),
    ],
)
def test_the_name_is_what_the_result_is_assigned_to(cell, source, name):
    assert cell(source, max=lambda A1: A1)["n"].name == name


def test_numpys_functions_keep_the_name():
    A = np.tanh(X)
    s = np.sum(A)
    Z = np.ones((2, 2)) @ A
    h = np.float64(2) * A
    C = np.concatenate([A, Z])
    assert [t.name for t in (A, s, Z, h, C)] == ["A", "s", "Z", "h", "C"]


def test_attributes_name():
    class Net:
        pass

    net = Net()
    net.h = W @ X
    net.part = Net()
    net.part.g = tanh(net.h)
    net._hidden = W @ X
    net.c: object = W @ X
    net.h2 = net.h
    net.h2 += b
    assert [t.name for t in (net.h, net.part.g, net._hidden, net.c, net.h2)] == ["h", "g", None, "c", "h2"]


def test_a_starred_target_takes_several_and_the_others_keep_their_own():
    first, *rest, last = W @ X, W + 1, W + 2, W + 3
    assert [t.name for t in (first, *rest, last)] == ["first", None, None, "last"]
    *rest, last = W @ X, W + 1, W + 2
    assert [t.name for t in (*rest, last)] == [None, None, "last"]


def test_a_starred_value_shifts_the_ones_behind_it():
    two = W, X
    _, second, third = *two, W @ X
    assert second is X
    assert third.name in ("third", None)


def test_a_walrus_in_a_rewritten_assert():
    assert (Z := W @ X).shape == (2, 2)
    assert (A := tanh(Z)).sum().item() > 0
    assert Z.name == "Z"
    assert A.name == "A"


def test_a_node_within_a_rewritten_assert_has_no_name():
    nodes = []
    assert nodes.append(tanh(W @ X)) is None
    assert nodes[0].name is None
    assert nodes[0].site.text in ("", "tanh(W @ X)")


# -- names from calls ----------------------------------------------------------------------------------------------


def test_a_name_inside_a_function_that_has_long_returned():
    def forward(X):
        Z1 = W @ X + b
        return tanh(Z1)

    A1 = forward(X)
    assert A1.name == "A1"
    assert A1.inputs[0].name == "Z1"
    assert A1.site.text == "tanh(Z1)"


@pytest.mark.parametrize(
    "body",
    [
        "return tanh(W @ X)",
        "return (tanh(W @ X))",
        "with tg.scope('layer'):\n  return tanh(W @ X)",
        "with tg.scope('a'), tg.scope('b'):\n  return tanh(W @ X)",
        "return tanh(W @ X) if c else W @ X",
        "return X + b if not c else tanh(W @ X)",
        "if c:\n  return tanh(W @ X)\n return b",
        "for _ in [1]:\n  return tanh(W @ X)",
        "while True:\n  with tg.no_grad():\n   return tanh(W @ X)",
        "try:\n  1 / 0\n except ZeroDivisionError:\n  return tanh(W @ X)",
        "try:\n  return tanh(W @ X)\n except ValueError:\n  pass",
        "return (lambda: tanh(W @ X))()",
        "return inner()",
    ],
)
def test_a_result_returned_at_once_is_named_at_the_call(cell, body):
    ns = cell(f"def inner():\n return tanh(W @ X)\ndef f(c=True):\n {body}\nA1 = f()\nd = {{'A2': f()}}\nf()")
    assert ns["A1"].name == "A1"
    assert ns["d"]["A2"].name == "A2"


@pytest.mark.parametrize(
    "block",
    [
        "with tg.scope('a'):\n  return VALUE",
        "with tg.scope('a'), tg.scope('b') as s:\n  return VALUE",
        "for _ in [1, 2]:\n  with tg.scope('a'):\n   return VALUE",
        "for _ in [1, 2]:\n  for _ in [1, 2]:\n   return VALUE",
        "try:\n  1 / 0\n except ZeroDivisionError as e:\n  with tg.scope('a'):\n   return VALUE",
        "match c:\n  case True:\n   with tg.scope('a'):\n    return VALUE",
    ],
)
@pytest.mark.parametrize("value", ["tanh(X), W @ X", "[tanh(X), W @ X]", "(tanh(X), W @ X) if c else 0", "g(X), W @ X"])
def test_the_parts_of_a_tuple_returned_out_of_a_block(cell, block, value):
    body = block.replace("VALUE", value)
    ns = cell(f"def g(x):\n return tanh(x)\ndef f(c=True):\n {body}\nZ, A = f()\nU, V = f()")
    assert [ns[name].name for name in "ZAUV"] == ["Z", "A", "U", "V"]


def test_a_result_that_is_stored_needs_no_look_at_the_caller(cell):
    source = "def f():\n Z = tanh(X)\n A, B = tanh(Z), W @ Z\n A, B = B * 2, A * 2\n tanh(Z)\n return Z, A, B"
    assert [x.site.caller for x in cell(f"{source}\nnodes = f()")["nodes"]] == [None] * 3


def test_a_result_returned_through_finally_is_named_or_anonymous(cell):
    ns = cell("def f():\n try:\n  return tanh(X)\n finally:\n  done = W @ X\nA1 = f()")
    assert ns["A1"].name in ("A1", None)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        ("n = f()", "n"),
        ("n = f() if f else 0", "n"),
        ("n = (f())", "n"),
        ("n: object = f()", "n"),
        ("(n := f())", "n"),
        ("n, m = f(), 0", "n"),
        ("p = [f()]; n = p[0]", None),
        ("n = tanh(f()).inputs[0]", None),
        ("n = (f() + 1).inputs[0]", None),
        ("n = (f(), 1)[0]", None),
        ("g = lambda: f()\nn = g()", "n"),
        ("class C:\n def __call__(self): return f()\nn = C()()", "n"),
        ("class C:\n @property\n def h(self): return f()\nn = C().h", "n"),
        ("class C:\n def __add__(self, o): return f()\nn = C() + 1", "n"),
        ("class C:\n def __matmul__(self, o): return f()\nn = C()\nn @= 1", "n"),
        ("class C:\n def __getitem__(self, o): return f()\nn = C()[0]", "n"),
        ("import functools\nn = functools.partial(f)()", "n"),
        ("p = [*map(lambda x: f(), [1])]; n = p[0]", None),
        ("def f2():\n    return f\nn = f2()()", "n"),
    ],
)
def test_the_call_names_what_it_returns(cell, call, name):
    assert cell(f"def f(): return tanh(X)\n{call}")["n"].name == name


def test_each_call_names_its_own_result():
    A1 = layer(X)
    A2 = layer(A1)
    assert (A1.name, A2.name) == ("A1", "A2")
    assert A1.site is not A2.site
    assert len({layer(X).site for _ in range(10)}) == 1


def test_returns_nested_deeply():
    def outer(x):
        return middle(x)

    def middle(x):
        with tg.scope("middle"):
            return layer(x)

    A = outer(X)
    B = outer(A)
    assert (A.name, B.name) == ("A", "B")


def test_the_parts_of_a_returned_tuple():
    def ready(x):
        return tanh(x), W @ x

    Z, A = ready(X)
    assert A.name == "A"
    assert Z.name == "Z"
    assert ready(X)[1].name is None


def test_the_parts_of_a_tuple_returned_through_two_functions():
    def outer(x):
        return pair(x)

    Z, A = outer(X)
    assert (Z.name, A.name) == ("Z", "A")


def test_a_tuple_kept_whole_names_none_of_its_parts():
    cache = pair(X)
    assert [t.name for t in cache] == [None, None]


def test_returned_literals_name_their_parts():
    def forward(x):
        return {"Z1": W @ x, "A1": tanh(x)}, dict(Z2=W @ x)  # noqa: C408

    first, second = forward(X)
    assert first["Z1"].name == "Z1"
    assert first["A1"].name == "A1"
    assert second["Z2"].name == "Z2"


def test_recursion_that_returns_its_own_result():
    def again(n):
        return again(n - 1) if n else tanh(X)

    def power(n):
        if n == 0:
            return X * 1
        return power(n - 1) @ W

    A = again(3)
    P = power(3)
    assert A.name == "A"
    assert P.name == "P"
    assert [t.name for t in tg.toposort(P) if t.op is not None] == [None, None, None, "P"]


def test_deep_recursion_keeps_no_stack_and_harms_no_later_call():
    def again(n):
        if n == 0:
            return tanh(X)
        return again(n - 1)

    deep = again(100)
    assert deep.name in ("deep", None)
    length, site = 0, deep.site
    while site is not None:
        length, site = length + 1, site.caller
    assert length < 30
    A = again(2)
    assert A.name == "A"


def test_decorated_functions():
    def plain(function):
        @functools.wraps(function)
        def wrapper(*args):
            return function(*args)

        return wrapper

    @plain
    @plain
    def layer_1(x):
        return tanh(x)

    @functools.lru_cache
    def layer_2():
        return tanh(X)

    A1 = layer_1(X)
    A2 = layer_2()
    assert (A1.name, A2.name) == ("A1", "A2")


@pytest.mark.parametrize("change", [tg.scope("layer"), tg.no_grad(), tg.enable_grad()])
def test_functions_decorated_with_a_change_of_state(change):
    @change
    def layer_1(x):
        return tanh(x)

    A1 = layer_1(X)
    assert A1.name == "A1"


def test_generators():
    @contextmanager
    def manager():
        yield tanh(X)

    def each():
        yield tanh(X)
        Z = W @ X
        yield Z

    first, second = each()
    with manager() as third:
        pass
    assert first.name in ("first", None)
    assert second.name == "Z"
    assert third.name in ("third", None)


def test_async_functions():
    async def async_layer(x):
        await asyncio.sleep(0)
        return tanh(x)

    async def main():
        A1 = await async_layer(X)
        A2, _ = await asyncio.gather(async_layer(A1), async_layer(X))
        return A1, A2

    A1, A2 = asyncio.run(main())
    assert A1.name in ("A1", None)  # after a suspension the loop is the caller, not main
    assert A2.name is None


def test_an_async_function_awaited_at_once():
    async def async_layer(x):
        return tanh(x)

    async def outer(x):
        return await async_layer(x)

    async def main():
        A1 = await async_layer(X)
        A2 = await outer(A1)
        return A1, A2

    A1, A2 = asyncio.run(main())
    assert A1.name == "A1"
    assert A2.name == "A2"


# -- no names of somebody else's variables -------------------------------------------------------------------------


def test_variables_of_the_standard_library_give_no_names():
    class Net:
        @functools.cached_property
        def h(self):
            return tanh(X)

    net = Net()
    with ThreadPoolExecutor(1) as pool:
        A = pool.submit(layer, X).result()
    assert net.h.name in ("h", None)  # not "val"
    assert A.name in ("A", None)  # not "result"


def test_what_tinygraph_makes_for_itself_has_no_name():
    Z = W @ np.ones((2, 2))
    L = tg.log_loss(tg.sigmoid(Z), np.ones((2, 2)))
    (G,) = tg.gradients(L, [W])
    constants = [t for t in tg.toposort(G) if t.op is None and t is not W]
    assert constants
    assert {t.name for t in constants} == {None}
    assert {t.name for t in tg.toposort(G)} <= {"W", "Z", "L", "G", None}


def test_a_plain_array_is_a_leaf_without_a_name():
    raw = np.ones((2, 2))
    Z = raw - X
    C = tg.exp(raw)
    assert Z.inputs[0].name is None
    assert Z.inputs[0].site.anonymous
    assert C.inputs[0].name is None
    assert (Z.name, C.name) == ("Z", "C")


def test_the_partial_sums_of_the_builtin_sum_are_not_all_called_by_its_name():
    losses = [X.sum(), W.sum(), b.sum()]
    J = sum(losses)
    names = list(names_of(tg.toposort(J)).values())
    assert "J" in names
    assert "losses" not in names


def test_all_elements_that_one_call_returns_do_not_get_its_name():
    layers = list(map(layer, [X, b]))
    assert [t.name for t in layers] == [None, None]


# -- operands ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "operands"),
    [
        ("n = W @ X", [("W", "W"), ("X", "X")]),
        ("n = X; n += b", [("n", "n"), ("b", "b")]),
        ("n = W @ X + p['b1']", [("W @ X", None), ("p['b1']", "b1")]),
        ("n = s.h * p['not a name']", [("s.h", "h"), ("p['not a name']", None)]),
        ("n = X < b", [("X", "X"), ("b", "b")]),
        ("n = -X", [("X", "X"), ("", None)]),
        ("n = X[0]", [("X", "X")]),
        ("n = X.T", [("X", "X")]),
        ("n = tanh(X)", [("X", "X"), ("", None)]),
        ("n = X.sum()", [("X", "X")]),
        ("n = s.h.sum()", [("s.h", "h")]),
        ("n = tg.concat([X, b])", [("X", "X"), ("b", "b")]),
        ("n = tg.stack((X, b))", [("X", "X"), ("b", "b")]),
        ("import tinygraph as t\nn = t.maximum(X, b)", [("X", "X"), ("b", "b")]),
        ("n = tg.maximum(X, b)", [("X", "X"), ("b", "b")]),
        ("n = tg.ops.maximum(X, b)", [("X", "X"), ("b", "b")]),
        ("n = tg.maximum(*[X, b])", [("", None), ("", None)]),
    ],
)
def test_the_operands_are_what_stands_in_the_expression(cell, source, operands):
    class Holder:
        h = X

    site = cell(source, p={"b1": b, "not a name": b}, s=Holder)["n"].site
    assert [site.operand(i) for i in range(len(operands))] == operands


def test_an_operand_given_by_keyword(cell):
    site = cell("import tinygraph as tg\nn = tg.log_loss(a=tg.sigmoid(W), y=X)")["n"].site
    assert site.operand(1, "y") == ("X", "X")
    assert site.operand(0, "a") == ("tg.sigmoid(W)", None)


def test_a_notebook_that_imports_in_another_cell_keeps_its_operands_apart(cell):
    ns = cell("U, Y = map(tg.Tensor, [[0.5], [1.0]])\nA = tg.sigmoid(U)\nJ = tg.log_loss(A, Y)")
    names = names_of(tg.toposort(ns["J"]))
    assert names == {ns["U"]: "U", ns["Y"]: "Y", ns["A"]: "A", ns["J"]: "J"}


# -- without the source, or with another one -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("n = W @ X", "n"),
        ("x = n = W @ X", "x"),
        ("n: object = W @ X", "n"),
        ("(n := W @ X)", "n"),
        ("n = X\nn += b", "n"),
        ("def f():\n  return tanh(X)\nn = f()", "n"),
        ("def f():\n  global n\n  n = W @ X\nf()", "n"),
        ("def f():\n  n = W @ X\n  return n\nn = f()", "n"),
        ("def f():\n  n = W @ X\n  def g(): return n\n  return n\nn = f()", "n"),
        ("_n = W @ X; n = _n", None),
        ("n = tanh(W @ X).inputs[0]", None),
        ("p = [W @ X]; n = p[0]", None),
        ("p = {'A': W @ X}; n = p['A']", None),
        ("def f(x): return x\nn = f(W @ X)", None),
        ("n, m = W @ X, X @ W", None),
        ("m, n = W @ X, X @ W", None),
    ],
)
def test_without_source_the_next_instruction_names(cell, source, name):
    node = cell(source, kept=False)["n"]
    assert node.name == name
    assert node.site.text == ""
    assert node.site.source == ""
    assert node.site.operand(0) == ("", None)
    assert node.site.where.startswith("<cell")


def test_without_source_an_attribute_or_nothing_names(cell):
    class Net:
        pass

    net = Net()
    cell("net.h = W @ X", kept=False, net=net)
    assert net.h.name in ("h", None)


def test_source_that_does_not_parse_is_no_source(cell, monkeypatch):
    Z = cell("Z = W @ X", kept=False)["Z"]
    for text in ("Z = = W @ X\n", "Z = '\0'\n", "Z = W @ X\n" + "(" * 500 + "\n"):
        monkeypatch.setitem(linecache.cache, Z.site.filename, (1, None, [text], Z.site.filename))
        assert type(Z.site)(Z.site.code, Z.site.offset, None, False).name == "Z"


def test_a_notebook_cell_is_read_from_linecache(cell):
    ns = cell("Z1 = W @ X\nA1 = tanh(\n    Z1\n)")
    assert ns["A1"].name == "A1"
    assert ns["A1"].site.text == "tanh(Z1)"
    assert ns["A1"].site.where == "<cell 1>:2"
    assert ns["Z1"].site.source == "Z1 = W @ X"


ORIGINAL = "# made by a test\ndef forward(W, X):\n    Z1 = W @ X\n    return [Z1]\n"


@pytest.mark.parametrize(
    "changed",
    ["", "\n", "x = (\n", "# made by a test\n", ORIGINAL.replace("\n", "\r\n"), "\x00", "é" * 50 + "\n" * 9],
)
def test_a_file_that_has_shrunk_or_broken_since_its_import(module, changed):
    forward = module(ORIGINAL).forward
    module(changed, load=False)
    (Z,) = forward(W, X)
    assert Z.name == "Z1"
    assert Z.site.text in ("", "W @ X")
    assert isinstance(Z.site.source, str)


def test_a_file_that_is_gone(module):
    made = module(ORIGINAL)
    Path(made.__file__).unlink()
    (Z,) = made.forward(W, X)
    assert (Z.name, Z.site.text) == ("Z1", "")


def test_a_file_that_holds_another_statement_at_the_same_place(module):
    forward = module(ORIGINAL).forward
    module(ORIGINAL.replace("Z1", "Q9"), load=False)
    (Z,) = forward(W, X)
    assert Z.name == "Z1"  # the bytecode knows: STORE_FAST Z1


def test_a_module_that_was_changed_and_loaded_again(module):
    made = module(ORIGINAL)
    assert made.forward(W, X)[0].name == "Z1"
    module(ORIGINAL.replace("Z1", "Zed").replace("W @ X", "abs(W @ X)"), load=False)
    importlib.reload(made)
    (Z,) = made.forward(W, X)
    assert Z.name == "Zed"
    assert Z.site.text == "abs(W @ X)"


# -- threads, and much code ----------------------------------------------------------------------------------------


def test_threads_share_one_site_for_one_place():
    found, start = [], threading.Barrier(8)

    def work():
        start.wait()
        for _ in range(50):
            Z = W @ X
            found.append(Z.site)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 400
    assert {site.name for site in found} == {"Z"}
    assert len(set(map(id, found))) == 1


def test_a_thread_that_begins_in_a_function_harms_no_later_call():
    class Token:
        pass

    def begin(token):
        return tanh(X)

    done = threading.Event()
    token = Token()
    weakref.finalize(token, done.set)  # when the call is over
    _thread.start_new_thread(begin, (token,))  # nothing calls it: it has no outer frame
    del token
    assert done.wait(60)
    A = begin(None)
    assert A.name == "A"


def test_code_made_anew_all_the_time_gives_each_node_its_own_name(cell):
    namespace = {"W": W, "X": X}
    for i in range(300):
        exec(f"Z{i} = W @ X", namespace)
        assert namespace[f"Z{i}"].name == f"Z{i}"


def test_sites_do_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr(sites, "_MOST_SITES", 50)
    monkeypatch.setattr(sites, "ORDINARY", {})
    monkeypatch.setattr(sites, "_special", {})
    for _ in range(200):
        namespace = {"layer": layer, "X": X}
        exec("Z = layer(X)", namespace)
        assert namespace["Z"].name == "Z"
    assert 0 < len(sites.ORDINARY) <= 50
    assert 0 < len(sites._special) <= 50
