"""Every example in a docstring runs, every code block of the README runs, every public name is documented."""

import doctest
import importlib
import inspect
import operator
import pkgutil
import re
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import tinygraph as tg
from tinygraph.graph.records import COMPOSITES, FUNCTIONS, OPS
from tinygraph.testing.laws import applied, consistent, records, samples

ROOT = Path(__file__).parent.parent
MODULES = ["tinygraph", *(m.name for m in pkgutil.walk_packages(tg.__path__, "tinygraph."))]


def documented(module):
    """Yield the functions and classes that a module defines, including those that the op decorator has wrapped."""
    yield module.__name__, module
    for name, value in vars(module).items():
        if getattr(value, "__module__", None) == module.__name__ and callable(value):
            yield name, value
            if inspect.isclass(value):
                yield from (
                    (f"{name}.{key}", member)
                    for key, member in vars(value).items()
                    if inspect.isfunction(member) and member.__doc__
                )


EXAMPLES = [
    pytest.param(test, id=f"{module}.{name}")
    for module in MODULES
    for name, value in documented(importlib.import_module(module))
    for test in doctest.DocTestFinder(recurse=False).find(value, name, module=False, globs={"tg": tg, "np": np})
    if test.examples
]


@pytest.mark.parametrize("test", EXAMPLES)
def test_example_in_docstring(test):
    report = []
    doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=report.append)
    if find_spec("scipy") is None and "computed by SciPy" in "".join(report):
        pytest.skip("SciPy is missing")
    assert not report, "".join(report)


BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("code", BLOCKS, ids=range(len(BLOCKS)))
def test_code_block_of_the_readme(code, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    if ">>>" in code:
        test = doctest.DocTestParser().get_doctest(code, {}, "README", "README.md", 0)
        report = []
        doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=report.append)
        assert not report, "".join(report)
    else:
        exec(compile(code, "README.md", "exec"), {"__name__": "readme"})


@pytest.mark.parametrize("page", ["where.md"])
def test_the_examples_of_a_page(page):
    """Each example may use the names of the examples before it."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    examples = "\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL))
    assert examples.count(">>>") > 30
    test, report = doctest.DocTestParser().get_doctest(examples, {}, page, page, 0), []
    with np.errstate(all="ignore"):
        doctest.DocTestRunner().run(test, out=report.append)
    assert not report, "".join(report)


@pytest.mark.parametrize("name", [name for name in dir(tg) if not name.startswith("_")])
def test_public_name_is_documented(name):
    value = getattr(tg, name)
    assert inspect.getdoc(value), name


PUBLIC = {**FUNCTIONS, **{name: getattr(tg.fft, name) for name in tg.fft.__all__}}


@pytest.mark.parametrize("name", PUBLIC)
def test_every_op_has_an_example(name):
    assert ">>>" in (PUBLIC[name].__doc__ or ""), name


@pytest.mark.parametrize("name", sorted(dir(tg)))
def test_every_public_name_stands_in_the_overview(name):
    assert re.search(rf"\b{name}s?\b", tg.__doc__), name


def found(name):
    """Return whether NumPy has a function."""
    try:
        operator.attrgetter(name)(np)
    except AttributeError:
        return False
    return True


def test_the_page_of_all_functions_is_up_to_date(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    page = importlib.import_module("functions")
    named = re.findall(r"`np\.([\w.]+)`", page.PAGE.read_text(encoding="utf-8"))
    if missing := [name for name in named if not found(name)]:
        pytest.skip(f"this NumPy lacks {', '.join(missing)}")
    table = page.table()
    assert table == page.PAGE.read_text(encoding="utf-8"), "run `make docs-tables`"
    front = (ROOT / "README.md").read_text(encoding="utf-8")
    assert front == importlib.import_module("tables").counted(front, table), "run `make docs-tables`"


def test_every_function_has_a_record_for_the_laws():
    """The exceptions are x itself, and the derivatives of the digamma function, whose op has a record."""
    assert FUNCTIONS.keys() - {"positive", "polygamma"} <= OPS.keys() | COMPOSITES.keys()


def test_every_op_of_the_table_is_public_or_recorded_by_a_public_function():
    recorded = set()
    for record in records():
        for inputs, params in samples(record):
            floats = [tg.Tensor(x, requires_grad=x.dtype.kind == "f") for x in inputs]
            y = applied(record, consistent(record, floats), params)
            graph = [y]
            if y.requires_grad:
                sought = [x for x in floats if x.requires_grad]
                seed = tg.parameter(np.ones(y.shape))
                graph += (first := tg.gradients(y, sought, seed))
                graph += tg.gradients(first[0], [*sought, seed], np.ones(first[0].shape))
            if record.name in PUBLIC:
                recorded |= {node.op.name for node in tg.toposort(*graph) if node.op}
    recorded |= {"getitem", "scatter_add", "index_put", "last_written", "repeated_places"}
    z, y = tg.parameter([0.5]), tg.parameter([0.5])
    a = tg.sigmoid(z)
    graph = tg.gradients(tg.log_loss(a, y), [a, y])
    recorded |= {node.op.name for node in tg.toposort(*graph, *tg.gradients(tg.sum(graph[0]), [z])) if node.op}
    recorded |= {"log_loss_of_sigmoid", "custom_gradient", "checkpoint"}
    ours = {name for name, record in OPS.items() if record.forward.__module__.startswith("tinygraph.")}
    assert ours <= recorded
    for name in ours:
        assert hasattr(tg.ops, name)  # rules reach it as xp.…
