"""How nodes are written in mathematics: symbols, numbers, parentheses."""

import itertools
import re
import unicodedata

import numpy as np
import pytest

import tinygraph as tg
from tinygraph.graph.records import APPLY, OPS, TIGHTEST
from tinygraph.testing.laws import samples
from tinygraph.writing.names import names_of
from tinygraph.writing.notation import Span, Writer, as_latex, as_text, backward_order, clean, number, symbol, within

A, B, C = (tg.parameter(np.ones((2, 2)), name=name) for name in "ABC")
a, b, c = (tg.parameter(np.array([2.0, 3.0]) + i / 4, name=name) for i, name in enumerate("abc"))
s, t, T, y1 = (tg.parameter(float(i), name=name) for i, name in enumerate(["s", "t", "T", "y1"], 2))
v = tg.parameter(np.ones((2, 2, 2)), name="v")
VARIABLES = {name: value for name, value in globals().items() if isinstance(value, tg.Tensor)}


def spans(node):
    """The expression of a node, in which only leaves and nodes with a name of their own are symbols."""
    names = names_of(tg.toposort(node))
    names.pop(node, None)
    return Writer(names, lambda x: x not in names).expression(node)


def written(node):
    return as_text(spans(node))


def made(source):
    """The node of an expression, from code without source, where numbers have no names."""
    return eval(compile(source, "<no source>", "eval"), {"tg": tg, "np": np, **VARIABLES})


# -- symbols -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["W1", "b1", "Z2", "A12", "dW1", "db2", "z1", "a1", "w1"])
def test_the_lectures_letters_carry_their_layer_above(name):
    letter, layer = re.fullmatch(r"(\D+)(\d+)", name).groups()
    assert symbol(name) == [Span(letter, italic=True), Span(f"[{layer}]", level=1)]
    assert as_text(symbol(name)) == name


@pytest.mark.parametrize(
    ("name", "letters", "digits"),
    [("x12", "x", "12"), ("alpha0", "alpha", "0"), ("θ2", "θ", "2"), ("loss1", "loss", "1"), ("x1y2", "x1y", "2")],
)
def test_other_trailing_digits_are_a_subscript(name, letters, digits):
    assert symbol(name) == [Span(letters, italic=True), Span(digits, level=-1)]
    assert as_text(symbol(name)) == name


@pytest.mark.parametrize("name", ["x", "alpha", "θ", "W_1", "hidden_state", "été"])
def test_other_names_are_one_span_in_italics(name):
    assert symbol(name) == [Span(name, italic=True)]


@pytest.mark.parametrize("name", ["weights of the encoder", "a<b", "W1 ", "1 + 1", "<b>&amp;</b>"])
def test_what_is_no_identifier_is_upright(name):
    assert symbol(name) == [Span(name)]


def test_of_several_nodes_of_one_name_the_letter_is_in_italics():
    assert symbol("Z₁") == [Span("Z", italic=True), Span("₁")]
    assert as_text(symbol("Z₁", "d")) == "dZ₁"


def test_the_gradients_symbol_has_a_d_before_it():
    assert symbol("W1", "d") == [Span("dW", italic=True), Span("[1]", level=1)]
    assert symbol("x12", "d") == [Span("dx", italic=True), Span("12", level=-1)]
    assert symbol("J", "d") == [Span("dJ", italic=True)]
    assert as_text(symbol("some name", "d")) == "dsome name"


@pytest.mark.parametrize(
    "name", ["", "x" * 500, "W" * 500 + "1", "\x00", "\u202eevil1", "a\nb", "\ud800", "👨\u200d👩", "}{0}^"]
)
def test_hostile_names_become_short_text_of_one_line(name):
    text = as_text(symbol(name))
    assert len(text) <= 60
    assert len(text.splitlines()) <= 1
    assert text.encode().decode() == text


# -- numbers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1, "1"),
        (-3, "−3"),
        (2.0, "2"),
        (0.1 + 0.2, "0.3"),
        (1 / 3, "0.3333"),
        (-2.5, "−2.5"),
        (1e-5, "1e−05"),
        (1e20, "1e+20"),
        (12345.6, "1.235e+04"),
        (float("nan"), "nan"),
        (float("-inf"), "−inf"),
        (np.float64(0.25), "0.25"),
        (np.float32(0.1), "0.1"),
        (np.int64(-7), "−7"),
        (True, "True"),
        (10**20, "1" + "0" * 20),
    ],
)
def test_numbers_are_short(value, text):
    assert number(value) == text


def test_a_single_precision_number_is_as_short_as_a_double():
    assert number(np.float32(1) / np.float32(3)) == "0.3333"


# -- clean ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("plain text", "plain text"),
        ("a\x00b\x07\x7f\x85", "ab"),
        ("\x1b[31mred", "[31mred"),
        ("a\nb\tc\rd", "a b c d"),
        ("user\u202egpj.exe\u2066\u200f", "usergpj.exe"),
        ("\ud800x\udfff", "x"),
        ("👨\u200d👩", "👨👩"),
        ("\ufeffx\u200b\u00ad", "x"),
        ("\ue000x\U0010ffff\ufffe", "x"),
        ("e\u0301 Ω 变量 −", "e\u0301 Ω 变量 −"),
        ("<b>&\"'\\", "<b>&\"'\\"),
        ("x" * 60, "x" * 60),
        ("x" * 61, "x" * 59 + "…"),
        ("\x00" * 100 + "x", "x"),
        ("a\u2028b\u2029c", "a b c"),
    ],
)
def test_clean(text, cleaned):
    assert clean(text) == cleaned
    assert clean(cleaned) == cleaned


def test_no_character_survives_that_xml_or_a_terminal_could_not_show():
    for start in range(0, 0x20000, 50):
        for character in clean("".join(map(chr, range(start, start + 50)))):
            assert unicodedata.category(character)[0] != "C"


# -- precedence and parentheses ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "text"),
    [
        # sums
        ("a - (b - c)", "a − (b − c)"),
        ("a - b - c", "a − b − c"),
        ("a - (b + c)", "a − (b + c)"),
        ("a + b + c", "a + b + c"),
        ("a + (b + c)", "a + b + c"),
        ("a - (-3)", "a − (−3)"),
        ("a + -3.5", "a + (−3.5)"),
        ("-3 + a", "−3 + a"),
        ("1 - a", "1 − a"),
        # products
        ("(a + b) * c", "(a + b) ∗ c"),
        ("a * (b - c)", "a ∗ (b − c)"),
        ("a * b + c", "a ∗ b + c"),
        ("a * b * c", "a ∗ b ∗ c"),
        ("s * a", "s · a"),
        ("2 * a", "2 · a"),
        ("a * -2", "a · (−2)"),
        ("s * t", "s · t"),
        ("a / b / c", "a / b / c"),
        ("a / (b / c)", "a / (b / c)"),
        ("a / (b * c)", "a / (b ∗ c)"),
        ("a * b / c", "a ∗ b / c"),
        ("a / 4", "a / 4"),
        ("(a - b) / (a + b)", "(a − b) / (a + b)"),
        # signs and powers
        ("-a * b", "−a ∗ b"),
        ("-(a * b)", "−a ∗ b"),
        ("-(a + b)", "−(a + b)"),
        ("(-a) ** 2", "(−a)²"),
        ("-(a ** 2)", "−a²"),
        ("a ** 2", "a²"),
        ("a ** -1", "a⁻¹"),
        ("a ** 12", "a¹²"),
        ("a ** 2.5", "a^2.5"),
        ("a ** b", "a^b"),
        ("(a ** b) ** c", "(a^b)^c"),
        ("2 ** a", "2^a"),
        ("(-2) ** a", "(−2)^a"),
        ("(a + b) ** 2", "(a + b)²"),
        ("(a * b) ** 2", "(a ∗ b)²"),
        ("a ** 2 * b", "a² ∗ b"),
        ("tg.exp(a) ** 2", "exp(a)²"),
        ("tg.square(a + b)", "(a + b)²"),
        ("tg.square(tg.square(a))", "(a²)²"),
        ("tg.sqrt(a + b)", "√(a + b)"),
        ("tg.sqrt(a) ** 2", "(√a)²"),
        ("tg.sqrt(a ** 2)", "√a²"),
        # matrices
        ("A @ B", "A B"),
        ("(A + B) @ C", "(A + B) C"),
        ("A @ (B + C)", "A (B + C)"),
        ("A @ B + C", "A B + C"),
        ("A @ B @ C", "A B C"),
        ("A @ (B @ C)", "A B C"),
        ("-A @ B", "−A B"),
        ("-(A @ B)", "−A B"),
        ("A / (B @ C)", "A / (B C)"),
        ("A @ B.T", "A Bᵀ"),
        ("(A @ B).T", "(A B)ᵀ"),
        ("A.T @ B.T", "Aᵀ Bᵀ"),
        ("A.T ** 2", "(Aᵀ)²"),
        ("(A ** 2).T", "(A²)ᵀ"),
        ("-A.T", "−Aᵀ"),
        # functions
        ("tg.exp(-a)", "exp(−a)"),
        ("tg.sigmoid(a + b)", "σ(a + b)"),
        ("tg.abs(a + b)", "|a + b|"),
        ("tg.maximum(a, b + c)", "max(a, b + c)"),
        ("tg.where(a < b, a, -b)", "where(a < b, a, −b)"),
        ("tg.concat([a, b + c])", "concat(a, b + c)"),
        ("a.sum()", "Σ a"),
        ("(a + b).sum()", "Σ (a + b)"),
        ("(a * b).sum()", "Σ a ∗ b"),
        ("a.sum() + b", "Σ a + b"),
        ("a.sum() ** 2", "(Σ a)²"),
        ("a.mean() * b", "mean(a) · b"),
        ("A.reshape(2, -1)", "reshape(A, (2, −1))"),
        ("v.transpose(2, 0, 1)", "permute(v, (2, 0, 1))"),
        # comparisons
        ("a + b < c", "a + b < c"),
        ("a >= b", "a ≥ b"),
        ("a != b", "a ≠ b"),
        ("a < (b < c)", "a < (b < c)"),
        # indices
        ("a[0:2]", "a[0:2]"),
        ("a[1]", "a[1]"),
        ("A[0, 1:]", "A[0, 1:]"),
        ("A[..., None, ::2]", "A[…, None, ::2]"),
        ("a[a > 2]", "a[a > 2]"),
        ("A[:, [1, 0]]", "A[:, ·]"),
        ("A.at[0].set(2.0)", "A[0 ← 2]"),
        ("A.at[0].set(b)", "A[0 ← b]"),
        ("A.at[0, :].add(b)", "A + scatter(b, 0, :)"),
        ("tg.tril(A) + tg.triu(A, 1)", "tril(A) + triu[k 1](A)"),
        ("tg.roll(A + B, 1, axis=0)", "roll(A + B, 1, 0)"),
        ("tg.pad(a, 1)", "pad(a, ((1, 1),))"),
        ("tg.diag(a) @ tg.diagonal(A)", "diag(a) diagonal(A)"),
        ("tg.exp(a)[0]", "exp(a)[0]"),
        ("a[0] ** 2", "a[0]²"),
    ],
)
def test_an_expression_is_written(source, text):
    assert written(made(source)) == text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("A @ -B", "A (−B)"),
        ("A @ (B * C)", "A (B ∗ C)"),
        ("(A * B) @ C", "(A ∗ B) C"),
        ("A * (B @ C)", "A ∗ B C"),
        ("(A @ B) * C", "A B ∗ C"),
        ("(A / B) @ C", "(A / B) C"),
        ("A @ (s * B)", "A (s · B)"),
        ("a.sum() * b", "(Σ a) · b"),
        ("A.sum(axis=0) @ B", "(Σ[axis 0] A)ᵀ B"),
    ],
)
def test_products_of_several_kinds_do_not_run_into_each_other(source, text):
    assert written(made(source)) == text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("a ** (b + c)", "a^(b + c)"),
        ("a ** (b / c)", "a^(b / c)"),
        ("a ** (2 * b)", "a^(2 · b)"),
        ("a ** b.sum()", "a^(Σ b)"),
        ("a ** tg.exp(b)", "a^exp(b)"),
        ("a ** b[0]", "a^b[0]"),
        ("a ** y1", "a^y1"),
        ("a ** -b", "a^(−b)"),
        ("a ** T", "a^T"),  # not the transpose
    ],
)
def test_an_exponent_stays_whole(source, text):
    assert written(made(source)) == text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("A.sum(axis=1)", "Σ[axis 1] A"),
        ("A.sum(axis=-1)", "Σ[axis −1] A"),
        ("A.mean(axis=0)", "mean[axis 0](A)"),
        ("A.max(axis=(0, 1))", "max[axis (0, 1)](A)"),
    ],
)
def test_an_axis_is_not_taken_for_a_factor(source, text):
    assert written(made(source)) == text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("(a + b)[0:2]", "(a + b)[0:2]"),
        ("(A @ B)[0]", "(A B)[0]"),
        ("(-a)[0]", "(−a)[0]"),
        ("tg.sign(a + b)", "sign(a + b)"),
        ("(a + b).astype('float32') * c", "(a + b) ∗ c"),
        ("(a < b) == c", "(a < b) = c"),
        ("a - np.float64(-2.0)", "a − (−2)"),
        ("np.float64(-2.0) ** a", "(−2)^a"),
        ("a * float('nan')", "a · nan"),
        ("v.T", "permute(v)"),
    ],
)
def test_what_needs_parentheses_has_them_and_nothing_else(source, text):
    assert written(made(source)) == text


def test_numbers_are_written_by_name_where_the_source_has_one():
    m = 4
    loss = tg.parameter(2.0)
    J = loss / m
    assert written(J) == "loss / m"
    assert written(loss / 4 + -m) == "loss / 4 + (−4)"
    rate1 = 0.1
    assert written(loss * rate1) == "loss · rate1"


def test_the_lectures_net():
    W1, b1, X = (tg.parameter(np.ones((2, 2)), name=name) for name in ("W1", "b1", "X"))
    assert written(W1 @ X + b1) == "W1 X + b1"
    assert written(tg.tanh(W1 @ X + b1)) == "tanh(W1 X + b1)"
    assert written(tg.log_loss(tg.sigmoid(W1), tg.Tensor(np.ones((2, 2)), name="Y"))) == "log loss(σ(W1), Y)"


def test_a_named_part_stands_as_its_symbol():
    Z = A @ B
    D = Z.T * Z
    assert written(D) == "Zᵀ ∗ Z"


def test_spans_keep_their_styles():
    W1, x2 = (tg.parameter(np.ones((2, 2)), name=name) for name in ("W1", "x2"))
    names = {W1: "W1", x2: "x2"}
    assert Writer(names, lambda x: x not in names).expression(W1.T @ x2**2) == [
        *(Span("W", italic=True), Span("[1]", level=1), Span("T", level=1), Span(" ")),
        *(Span("x", italic=True), Span("2", level=-1), Span("2", level=1)),
    ]


@pytest.mark.parametrize("op", OPS.values(), ids=OPS)
def test_every_op_is_written_in_full(op):
    for inputs, params in samples(op):
        named = [tg.Tensor(x, name=name) for x, name in zip(inputs, "abcd", strict=False)]
        expression = spans(APPLY[op.name](*named, **params))
        assert as_latex(expression).isascii()
        text = as_text(expression)
        assert not set("{}") & set(text)
        assert text.count("(") == text.count(")")
        assert text == text.strip() != ""


# -- what is printed can be read back ------------------------------------------------------------------------------

_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_TOKEN = re.compile(r" *([A-Za-z][A-Za-z0-9]*|[0-9]+(?:\.[0-9]+)?|[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+|[ᵀ()+−∗·/^])")


class Reader:
    """Reads the notation as a mathematician does.

    A sum of products, from left to right; two factors side by side are a matrix product, which binds more tightly than
    ∗, · and /; a power binds more tightly than a sign before it, and a^b^c is a^(b^c).
    """

    def __init__(self, text, values):
        self.tokens = _TOKEN.findall(text)
        assert "".join(self.tokens) == text.replace(" ", ""), text
        self.values = values

    @property
    def next(self):
        return self.tokens[0] if self.tokens else ""

    def take(self):
        return self.tokens.pop(0)

    def read(self):
        value = self.sum()
        assert not self.tokens, self.tokens
        return value

    def sum(self):
        value = self.product()
        while self.next in ("+", "−"):
            value = value + self.product() if self.take() == "+" else value - self.product()
        return value

    def product(self):
        value = self.signed()
        while self.next in ("∗", "·", "/"):
            value = value / self.signed() if self.take() == "/" else value * self.signed()
        return value

    def signed(self):
        if self.next == "−":
            self.take()
            return -self.signed()
        value = self.power()
        while self.next == "(" or (self.next.isalnum() and self.next.isascii()):
            right = self.power()
            value = value @ right if np.ndim(value) else value * right  # a number before a factor, as in (1/m) x
        return value

    def power(self):
        base = self.atom()
        if self.next == "^":
            self.take()
            return base ** self.exponent()
        if self.next == "ᵀ":
            self.take()
            return base.T
        if self.next and self.next[0] in "⁰¹²³⁴⁵⁶⁷⁸⁹⁻":
            return base ** float(self.take().translate(_SUPERSCRIPTS))
        return base

    def exponent(self):
        if self.next == "−":
            self.take()
            return -self.exponent()
        return self.power()

    def atom(self):
        token = self.take()
        if token == "(":
            value = self.sum()
            assert self.take() == ")"
            return value
        return self.values[token] if token in self.values else np.float64(token)


def random_source(rng, depth, leaves, forms):
    """An expression as Python source, with every part in parentheses."""
    if depth == 0 or rng.random() < 0.15:
        return str(rng.choice(leaves))
    form = str(rng.choice(forms))
    return form.format(*(random_source(rng, depth - 1, leaves, forms) for _ in range(form.count("{}"))))


_SUMS = ["({} + {})", "({} - {})", "(-{})", "({} - 2)", "(3 + {})", "({} + -2)"]
_PRODUCTS = ["({} * {})", "({} / {})", "(s * {})", "({} / s)", "({} * -2)", "(0.5 * {})"]
_POWERS = ["({} ** 2)", "({} ** -1)", "({} ** 0.5)", "({} ** b)", "(2 ** {})"]


@pytest.mark.parametrize(
    ("leaves", "forms"),
    [
        ("abcs", [*_SUMS, *_PRODUCTS]),
        ("abs", [*_SUMS[:3], *_PRODUCTS[:2], *_POWERS[:4]]),
        ("abs", [*_SUMS[:3], *_PRODUCTS[:2], *_POWERS, "({} ** {})"]),
        ("ABC", [*_SUMS[:3], "({} @ {})", "{}.T"]),
        ("ABC", [*_SUMS, *_PRODUCTS, *_POWERS[:2], "({} @ {})", "{}.T"]),
    ],
    ids=["arithmetic", "powers", "exponents", "matrices", "everything"],
)
def test_what_is_printed_reads_back_as_what_was_computed(leaves, forms, rng, monkeypatch):
    for name in "ABC":
        monkeypatch.setitem(VARIABLES, name, tg.Tensor(rng.uniform(0.5, 1.5, (2, 2)), name=name))
    values = {name: x.data for name, x in VARIABLES.items()}
    finite = 0
    with np.errstate(all="ignore"):
        for _ in range(300):
            source = random_source(rng, 4, list(leaves), forms)
            node = made(source)
            text = written(node) if node.op is not None else node.name
            read = Reader(text, values).read()
            np.testing.assert_allclose(read, node.data, rtol=1e-6, atol=1e-9, err_msg=f"{source} is printed as {text}")
            finite += bool(np.isfinite(node.data).all())
    assert finite > 150


def test_the_way_back_is_that_of_the_lecture():
    W1, b1, W2, x = (tg.parameter(np.ones(shape), name=name) for name, shape in VARIABLE_SHAPES.items())
    z1 = W1 @ x + b1
    z2 = W2 @ tg.tanh(z1)
    J = tg.sum(z2) + tg.sum(W1)  # which waits for both of its readers
    order = tg.toposort(J)
    shown = {*names_of(order)}
    assert [node.name for node in backward_order(order, shown) if node.name] == ["J", "z2", "W2", "z1", "W1", "x", "b1"]
    assert [node.op.name for node in within(z2, shown)] == ["matmul", "tanh"]


VARIABLE_SHAPES = {"W1": (4, 2), "b1": (4, 1), "W2": (1, 4), "x": (2, 3)}


def test_expressions_that_are_written_alike_have_equal_values(rng):
    """Each op within each other: parentheses stand wherever the text would mean something else without them."""
    leaves = [tg.Tensor(rng.uniform(1, 2, (3, 3))) for _ in range(4)]
    names = dict(zip(leaves, "abcd", strict=True))
    by_notation = {op.notation: op for op in reversed(OPS.values()) if op.binding < TIGHTEST and not op.variadic}
    ops = [op for op in by_notation.values() if not op.aside and not set(op.params) - {"axis", "keepdims"}]
    assert len(ops) > 30
    found = {}
    with np.errstate(all="ignore"):
        for outer, inner in itertools.product(ops, ops):
            for place in range(len(outer.vjps)):
                fresh = itertools.cycle(leaves)
                try:
                    operands = [
                        applied(inner, [next(fresh) for _ in inner.vjps]) if i == place else next(fresh)
                        for i in range(len(outer.vjps))
                    ]
                    node = applied(outer, operands)
                except (TypeError, ValueError, IndexError):  # of dtypes or shapes that do not fit
                    continue
                text = as_text(Writer(names, lambda x: x not in names).expression(node))
                known = found.setdefault(text, node)
                assert known.shape == node.shape, text
                np.testing.assert_allclose(known.data, node.data, rtol=1e-9, err_msg=f"{text}: {outer.name}")
    assert len(found) > 800


def applied(op, operands):
    params = {"axis": 0, "keepdims": True} if "keepdims" in op.params else dict.fromkeys(op.params, 0)
    return op.apply(*operands, **params)


def test_an_operand_that_is_indexed_stands_in_parentheses():
    x, w = tg.parameter([[1.0, 2.0]]), tg.parameter([[3.0, 4.0]])
    i = tg.Tensor([[1, 0]])
    assert "(x + w)[i]" in str(tg.derive(tg.sum(tg.take_along_axis(x + w, i, axis=1))))


@pytest.mark.parametrize("notation", ["{0}[{1}]", "{0} ⊗ {1}", "{0}^H", "log |{0}|", "{0}!", "a {0}", "{0}({1})"])
def test_a_notation_that_needs_a_binding_is_refused_without_one(notation):
    def combined(xp, x, y):
        return x + y

    with pytest.raises(tg.ArgumentError, match=r"combined is written .* give its binding"):
        tg.op("elementwise", None, None, notation=notation)(combined)
