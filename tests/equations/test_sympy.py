"""SymPy as a second opinion: the derived right-hand side is the derivative that SymPy finds from the forward graph."""

import pytest

import tinygraph as tg

sympy = pytest.importorskip("sympy", reason="SymPy is the second opinion here: pip install 'tinygraph[oracle]'")

FUNCTIONS = {
    "add": sympy.Add,
    "subtract": lambda x, y: x - y,
    "multiply": sympy.Mul,
    "divide": lambda x, y: x / y,
    "negative": lambda x: -x,
    "pow": sympy.Pow,
    "square": lambda x: x**2,
    "sqrt": sympy.sqrt,
    "exp": sympy.exp,
    "expm1": lambda x: sympy.exp(x) - 1,
    "log": sympy.log,
    "log1p": lambda x: sympy.log(1 + x),
    "tanh": sympy.tanh,
    "sinh": sympy.sinh,
    "cosh": sympy.cosh,
    "sigmoid": lambda x: 1 / (1 + sympy.exp(-x)),
    "softplus": lambda x: sympy.log(1 + sympy.exp(x)),
    "erf": sympy.erf,
    "ndtr": lambda x: (1 + sympy.erf(x / sympy.sqrt(2))) / 2,
    "normal_density": lambda x: sympy.exp(-(x**2) / 2) / sympy.sqrt(2 * sympy.pi),
    "gelu": lambda x: x * (1 + sympy.erf(x / sympy.sqrt(2))) / 2,
}

EXPRESSIONS = {
    "powers": lambda x, y: x**3 * y - 2 * x / y + y**2,
    "a quotient": lambda x, y: (x + y) / (x - 3 * y),
    "a square of a sum": lambda x, y: (x * y + 1) ** 2 / 2,
    "log loss written out": lambda x, y: -(y * tg.log(tg.sigmoid(x)) + (1 - y) * tg.log(1 - tg.sigmoid(x))),
    "a sigmoid written out": lambda x, y: tg.log(1 + tg.exp(-x * y)),
    "log cosh": lambda x, y: tg.log(tg.cosh(x - y)),
    "tanh of a product": lambda x, y: tg.tanh(x * y) ** 2,
    "gaussian": lambda x, y: tg.exp(-((x - y) ** 2) / (2 * y**2)) / y,
    "softplus": lambda x, y: tg.softplus(x) - x * y,
    "gelu": lambda x, y: tg.gelu(x * y),
    "erf": lambda x, y: tg.erf(x / y) * y,
    "roots": lambda x, y: tg.sqrt(x * x + y * y) / y,
    "a sum of fractions": lambda x, y: 1 / (1 + tg.exp(x)) + x / (1 + x * y),
}


def as_sympy(output, known):
    """What a graph computes, over the nodes that are known."""
    done = dict(known)
    for node in tg.toposort(output):
        if node in done:
            continue
        if node.op is None:
            done[node] = sympy.nsimplify(node.item(), rational=True)
        else:
            inputs = [done[x] if isinstance(x, tg.Tensor) else sympy.nsimplify(x, rational=True) for x in node.inputs]
            done[node] = FUNCTIONS[node.op.name](*inputs)
    return done[output]


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_the_derivative_is_sympys(name):
    x, y = tg.parameter(0.75, name="x"), tg.parameter(0.5, name="y")
    J = EXPRESSIONS[name](x, y)
    symbols = {x: sympy.Symbol("x", positive=True), y: sympy.Symbol("y", positive=True)}
    value = as_sympy(J, symbols)
    derivation = tg.derive(J, convention="exact")
    known = {**symbols, J: value}
    for equation in derivation:
        if not equation.steps:
            continue
        ours = as_sympy(equation.node, known)
        # later equations know this one by a leaf of its value
        known |= {leaf: ours for leaf, name in derivation._names.items() if name == equation.name}
        if equation.tensor in symbols:
            theirs = sympy.diff(value, symbols[equation.tensor])
            for at in ({"x": 0.3, "y": 0.7}, {"x": 1.9, "y": 0.2}, {"x": 4, "y": 1.5}):
                point = {symbol: sympy.Rational(str(at[symbol.name])) for symbol in symbols.values()}
                difference = (ours - theirs).subs(point).evalf(40)
                assert abs(difference) <= 1e-14 * (1 + abs(theirs.subs(point).evalf(20)))  # of decimals in the graph
