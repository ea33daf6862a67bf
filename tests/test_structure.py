"""Imports point one way: a file imports only what its row names. Data flows down the table."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "tinygraph"

# Each file or folder, and what of tinygraph it may import; a folder stands for all files in it, and its files may
# import each other.
ALLOWED = {
    "errors": set(),
    "threads": set(),
    "samples": set(),
    "kernels": set(),
    "source": {"threads"},
    "places": {"threads", "source"},
    "recording": set(),
    "table": set(),
    "teardown": set(),
    "methods": {"errors", "table"},
    "graph": {"threads", "errors", "methods", "places", "recording", "table", "teardown"},
    "apply": {"threads", "errors", "places", "recording", "table", "graph"},
    "ops": {"errors", "places", "samples", "kernels", "table", "graph", "apply"},
    "linalg": {"ops"},
    "trees": {"errors"},
    "autodiff": {"threads", "errors", "recording", "table", "graph", "ops"},
    "anomaly": {"errors", "places", "recording", "table", "graph", "apply", "ops", "autodiff"},
    "calls": {"errors", "recording", "graph", "ops", "trees"},
    "transforms": {"errors", "recording", "graph", "trees", "autodiff", "calls"},
    "batching": {"table", "graph", "ops"},
    "jacobians": {"table", "graph", "ops", "trees", "autodiff", "calls", "transforms", "batching"},
    "custom": {"errors", "recording", "table", "graph", "apply", "ops", "trees", "autodiff", "calls"},
    "checkpointing": {"errors", "recording", "table", "graph", "apply", "ops", "trees", "autodiff", "calls"},
    "spellings": {"errors", "graph", "ops"},
    "refusals": set(),
    "protocols": {"refusals", "errors", "table", "graph", "methods", "spellings"},
    "evaluate": {"errors", "table", "graph"},
    "identities": set(),
    "rewriting": {"table", "graph"},
    "simplify": {"threads", "table", "graph", "ops", "identities", "rewriting"},
    "names": {"table", "graph"},
    "codegen": {"threads", "kernels", "table", "graph"},
    "notation": {"table", "graph", "names"},
    "linear": {"graph", "rewriting"},
    "optimise": {"table", "graph", "rewriting", "names", "simplify"},
    "scaling": {"table", "graph", "ops", "linear", "rewriting"},
    "lowering": {"table", "graph", "ops", "names", "codegen", "rewriting"},
    "program": {"table", "graph", "ops", "codegen"},
    "tracing": {"errors", "recording", "graph", "trees", "names"},
    "guards": {"threads", "table", "graph"},
    "executable": {
        *("threads", "recording", "graph", "trees", "notation", "tracing", "guards", "optimise", "scaling", "lowering"),
        "program",
    },
    "compile": {"threads", "errors", "recording", "graph", "trees", "calls", "guards", "executable"},
    "for_scipy": {"errors", "graph", "trees", "calls", "transforms", "compile"},
    "folding": {"notation"},
    "equations": {"threads", "graph", "notation", "folding", "codegen"},
    "flops": {"errors", "recording", "graph", "ops", "autodiff"},
    "summary": {"errors", "graph", "names", "notation", "flops"},
    "derivation": {
        "errors",
        "table",
        "graph",
        "ops",
        "autodiff",
        "evaluate",
        "simplify",
        "names",
        "notation",
        "equations",
    },
    "derive": {"errors", "recording", "graph", "equations", "derivation"},
    "findings": {"graph", "ops", "autodiff", "anomaly"},
    "why": {"threads", "table", "graph", "autodiff", "anomaly", "names", "notation", "findings"},
    "backprop_check": {
        *("errors", "threads", "recording", "table", "graph", "ops", "autodiff", "names", "notation", "derivation"),
    },
    "draw": {
        *("errors", "table", "graph", "ops", "autodiff", "simplify", "names", "notation", "equations", "derivation"),
        *("threads", "findings"),
    },
    "nn": {"errors"},
    "differences": set(),
    "disagreements": {"errors", "graph", "autodiff", "evaluate", "differences"},
    "checks": {
        *("errors", "recording", "graph", "ops", "trees", "autodiff", "calls", "evaluate", "differences"),
        "disagreements",
    },
    "testing": {"samples", "table", "graph", "ops", "autodiff", "evaluate", "checks"},
    "__init__": {
        "errors",
        "recording",
        "graph",
        "anomaly",
        "ops",
        "linalg",
        "autodiff",
        "backprop_check",
        "apply",
        "transforms",
        "jacobians",
        "custom",
        "checkpointing",
        "compile",
        "for_scipy",
        "checks",
        "protocols",
        "equations",
        "derive",
        "summary",
        "why",
        "draw",
        "nn",
    },
}


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    """The rooms that a file imports from at run time, other than its own."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):  # imports for types alone point where they like
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            node.body.clear()
    package = ("tinygraph", *path.relative_to(PACKAGE).parent.parts)
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            full = [*base, *(node.module or "").split(".")] if node.module else [*base]
            names = [[*full, alias.name] for alias in node.names] if not node.module else [full]
            found |= {name[1] for name in names if len(name) > 1}
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
            assert not any(module.partition(".")[0] == "tinygraph" for module in modules), f"{path}: import relatively"
    return found - {room(path)}


FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_imports_only_what_its_row_names(path):
    assert imports(path) <= ALLOWED[room(path)]


def test_the_table_has_no_cycle_and_no_empty_row():
    rows = list(ALLOWED)
    for row, allowed in ALLOWED.items():
        assert all(rows.index(name) < rows.index(row) for name in allowed), row
    used: dict[str, set[str]] = {name: set() for name in ALLOWED}
    for path in FILES:
        used[room(path)] |= imports(path)
    assert used == ALLOWED


def test_rules_do_not_import_the_tensor():
    """A rule works on any namespace: the only op files that know Tensor are those with a public function around."""
    for path in (PACKAGE / "ops").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Lambda):
                names = {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}
                assert "Tensor" not in names, f"{path}:{node.lineno}"


def test_nobody_takes_the_cached_property_that_locks():
    """That of `functools` has one lock for all objects of a class in Python 3.11, so that two threads can deadlock."""
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module == "functools":
                assert "cached_property" not in {alias.name for alias in node.names}, path
            for decorator in getattr(node, "decorator_list", ()):
                assert ast.unparse(decorator) != "functools.cached_property", path
