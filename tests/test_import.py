"""What importing tinygraph costs and brings."""

from processes import output, python

EXTRAS = ["graphviz", "pygraphviz", "matplotlib", "sklearn", "tqdm", "torch", "jax"]
SLOW = ["difflib", "dis", "fractions", "subprocess", "tempfile"]
OPTIONAL = EXTRAS + SLOW


def test_importing_tinygraph_imports_no_extra():
    script = f"import sys, tinygraph; print([m for m in {OPTIONAL} if m in sys.modules])"
    assert output(python(script)) == output(python(script.replace("tinygraph", "numpy")))
