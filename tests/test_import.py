"""Importing tinygraph imports no extra, changes nothing in the process, and works in any order."""

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from processes import output, python

import tinygraph

EXTRAS = ["graphviz", "pygraphviz", "matplotlib", "sklearn", "tqdm", "torch", "jax"]
SLOW = ["difflib", "dis", "fractions", "subprocess", "tempfile"]
OPTIONAL = EXTRAS + SLOW


def test_importing_tinygraph_imports_no_extra():
    script = f"import sys, tinygraph; print([m for m in {OPTIONAL} if m in sys.modules])"
    already = script.replace("tinygraph", "inspect, numpy")  # `inspect` brings `dis`
    assert output(python(script)) == output(python(already))


@pytest.mark.parametrize(("namespace", "function"), [("fft", "rfft"), ("linalg", "solve")])
def test_a_namespace_is_a_module_that_can_be_imported_first(namespace, function):
    script = f"""
        import tinygraph.{namespace}
        from tinygraph.{namespace} import {function}

        import tinygraph as tg

        print(tg.{namespace} is tinygraph.{namespace}, tg.{namespace}.{function} is {function})
    """
    assert output(python(script)) == "True True\n"


@pytest.mark.parametrize("namespace", [tinygraph.fft, tinygraph.linalg], ids=["fft", "linalg"])
def test_a_namespace_shows_its_public_functions_and_classes_only(namespace):
    assert dir(namespace) == sorted(namespace.__all__)
    for name in namespace.__all__:
        assert not name.startswith("_")
        assert callable(getattr(namespace, name))


def test_the_only_public_modules_are_the_namespaces():
    modules = {name for name in tinygraph.__all__ if isinstance(getattr(tinygraph, name), ModuleType)}
    assert modules == {"fft", "init", "linalg", "nn", "ops"}
    assert dir(tinygraph) == sorted(tinygraph.__all__)


STATE_OF_THE_PROCESS = """
import decimal, gc, locale, os, random, signal, sys, threading, warnings

import numpy as np


def state():
    mask = os.umask(0o022)
    os.umask(mask)
    return {
        "umask": mask,
        "folder": os.getcwd(),
        "environment": dict(os.environ),
        "locale": locale.setlocale(locale.LC_ALL),
        "filters of warnings": list(warnings.filters),
        "floating errors": (np.geterr(), np.geterrcall()),
        "printing": np.get_printoptions(),
        "NumPy's random numbers": [*map(str, np.random.get_state())],
        "random numbers": random.getstate(),
        "depth of recursion": sys.getrecursionlimit(),
        "signals": {number: signal.getsignal(number) for number in signal.valid_signals()},
        "hooks": (sys.excepthook, sys.displayhook, sys.gettrace(), sys.getprofile(), threading.excepthook),
        "path": (list(sys.path), list(sys.meta_path)),
        "threads": (threading.active_count(), sys.getswitchinterval()),
        "garbage": (gc.isenabled(), gc.get_threshold(), gc.get_debug()),
        "decimals": str(decimal.getcontext()),
        "builtins": set(vars(__builtins__)),
        "buffers": np.getbufsize(),
    }


def changed(before):
    return [name for name, value in state().items() if value != before[name]]
"""

USE = """
before = state()
import tinygraph as tg
import tinygraph.testing.laws

print("import", changed(before))
before = state()
W, b = tg.parameter([[0.1, -0.2], [0.3, 0.4]]), tg.parameter([[0.0], [0.1]])
X, Y = np.array([[1.0, 2.0, 3.0], [0.0, 1.0, 0.5]]), np.array([[1.0, 0.0, 1.0]])


def loss(W, b):
    with tg.scope("layer"):
        A = tg.tanh(W @ X + b)
    return tg.log_loss(tg.sigmoid(tg.sum(A, axis=0, keepdims=True)), Y)


J = loss(W, b)
J.backward()
with tg.no_grad():
    W -= 0.1 * W.grad
print("learn", changed(before))
tg.grad(loss)(W.data, b.data), tg.hessian(loss)(W.data, b.data), tg.compile(tg.grad(loss))(W.data, b.data)
print("transforms", changed(before))
str(tg.derive(J)), str(tg.why(J)), str(tg.summary(J)), str(tg.draw(J))
print("readings", changed(before))
for suffix in ("dot", "html", "dot"):
    tg.draw(J).save(f"net.{suffix}")
print("files", changed(before))
tg.check_grads(loss, W.data, b.data)
tinygraph.testing.check_op("tanh")
for wrong in (
    lambda: W @ np.ones(3),
    lambda: tg.check_grads(lambda x: x * x.detach(), np.ones(2)),
    lambda: tg.draw(J).save("nowhere/net.dot"),
    lambda: J.backward() or J.backward(),
    lambda: tg.detect_anomaly()(lambda: tg.log(tg.parameter(0.0)))(),
):
    try:
        wrong()
    except Exception:
        pass
    else:
        raise SystemExit("no error")
print("errors", changed(before))
"""


def test_nothing_of_the_process_is_changed_by_importing_or_using_it(tmp_path):
    package = str(Path(tinygraph.__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {package!r}){STATE_OF_THE_PROCESS}{USE}"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    steps = ["import", "learn", "transforms", "readings", "files", "errors"]
    assert done.stdout == "".join(f"{step} []\n" for step in steps), done.stderr


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
