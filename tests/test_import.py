"""What importing tinygraph costs and brings."""

from processes import output, python

EXTRAS = ["graphviz", "pygraphviz", "matplotlib", "sklearn", "tqdm", "torch", "jax"]
SLOW = ["difflib", "dis", "fractions", "subprocess", "tempfile"]
OPTIONAL = EXTRAS + SLOW


def test_importing_tinygraph_imports_no_extra():
    script = f"import sys, tinygraph; print([m for m in {OPTIONAL} if m in sys.modules])"
    already = script.replace("tinygraph", "inspect, numpy")  # `inspect` brings `dis`
    assert output(python(script)) == output(python(already))


def test_tinygraph_needs_no_function_that_numpy_has_deprecated():
    script = """
        import numpy as np

        deprecated = {"fix"}  # since NumPy 2.5
        for name in dir(np):
            if not name.startswith("_"):
                about, _, _ = (getattr(np, name).__doc__ or "").partition("Parameters")
                deprecated |= {name} if ".. deprecated::" in about else set()
        for name in deprecated & vars(np).keys():
            delattr(np, name)

        import tinygraph as tg

        print(np.trunc(tg.Tensor(1.5)).item())
    """
    assert output(python(script)) == "1.0\n"


def test_tinygraph_works_without_docstrings_and_assertions():
    script = """
        import tinygraph as tg

        x = tg.parameter([1.0, 2.0])
        J = tg.sum(x * x)
        J.backward()
        print(x.grad, tg.compile(tg.grad(lambda x: tg.sum(tg.softmax(x) * x)))(x.data).shape)
        print(tg.derive(J), tg.draw(J), tg.summary(J), sep="\\\\n")
    """
    ordinary, optimised = python(script), python(script, PYTHONOPTIMIZE="2")
    assert output(optimised) == output(ordinary)
