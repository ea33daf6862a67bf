"""The package keeps to its layout: imports point one way, names have one room, and tests mirror the source files."""

import ast
import configparser
import importlib
import inspect
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from processes import output, python

import tinygraph as tg

PACKAGE = Path(__file__).parent.parent / "tinygraph"

# Each room, and the rooms that it may import: these, and whatever they may import. Imports for types count too.
ROOMS = {
    "errors": set(),
    "trees": {"errors"},
    "kernels": set(),
    "graph": {"errors"},
    "ops": {"graph", "kernels"},
    "linalg": {"ops"},
    "fft": {"ops"},
    "autodiff": {"ops", "trees"},
    "numpy_api": {"ops"},
    "algebra": {"ops"},
    "writing": {"graph", "kernels"},
    "reading": {"writing"},
    "equations": {"autodiff", "algebra", "reading"},
    "programs": {"autodiff", "algebra", "writing"},
    "diagnosis": {"equations"},
    "pictures": {"diagnosis"},
    "testing": {"autodiff"},
    "nn": {"ops", "trees"},
    "bridges": {"programs", "nn"},
    "__init__": {"linalg", "fft", "numpy_api", "pictures", "testing", "bridges"},
}

FILES = sorted(PACKAGE.rglob("*.py"))


def module_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in FILES}


def room_of(module: str) -> str:
    return module.split(".")[1] if "." in module else "__init__"


def imports(module: str) -> set[str]:
    """Return the modules of tinygraph that a module imports anywhere, for types or at run time."""
    path, found = MODULES[module], set()
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = ".".join([*package[: len(package) - node.level + 1], *filter(None, [node.module])])
            names = {f"{base}.{alias.name}" for alias in node.names}
            found |= (names & MODULES.keys()) or {base}
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
            assert not any(name.partition(".")[0] == "tinygraph" for name in modules), f"{path}: import relatively"
    return found


IMPORTS = {module: imports(module) for module in MODULES}


def below(room: str) -> set[str]:
    """Return the rooms that a room may import."""
    return ROOMS[room].union(*(below(lower) for lower in ROOMS[room]))


@pytest.mark.parametrize("module", MODULES)
def test_a_file_imports_only_from_rooms_that_its_room_may_import(module):
    room = room_of(module)
    assert {room_of(other) for other in IMPORTS[module]} <= below(room) | {room}


def test_every_room_has_a_row_and_every_row_is_needed():
    assert {room_of(module) for module in MODULES} == ROOMS.keys()
    assert len(ROOMS) <= 25
    assert len([path for path in PACKAGE.iterdir() if not path.name.startswith("__")]) <= 20
    used = {room: set() for room in ROOMS}
    for module, others in IMPORTS.items():
        used[room_of(module)] |= {room_of(other) for other in others}
    for room, lower in ROOMS.items():
        for other in lower - used[room]:  # it stands for what it may import
            assert any(other in below(another) or below(other) & used[room] for another in ROOMS), (room, other)


def test_no_module_waits_for_itself():
    """Imports have no cycle, not even within a room, for types, or in a function."""
    TopologicalSorter(IMPORTS).prepare()


def test_packages_that_are_imported_late_import_nothing_of_their_own():
    """Otherwise two threads could wait for each other: one imports the package, the other one of its files first."""
    early = output(
        python("import sys, tinygraph; print(*(name for name in sys.modules if 'tinygraph' in name))")
    ).split()
    for module, path in MODULES.items():
        if path.name == "__init__.py" and module not in early:
            assert not IMPORTS[module], module


def test_no_module_has_the_name_of_a_public_function():
    public = {name for name in tg.__all__ if not inspect.ismodule(getattr(tg, name))}
    assert not public & {part for module in MODULES for part in module.split(".")}


def test_public_namespaces_are_modules():
    assert importlib.import_module("tinygraph.fft") is tg.fft
    assert importlib.import_module("tinygraph.linalg") is tg.linalg


def test_only_the_graph_binds_attributes_of_the_tensor():
    for module, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            targets = node.targets if isinstance(node, ast.Assign) else []
            bound = [target.value for target in targets if isinstance(target, ast.Attribute)]
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "setattr":
                bound.append(node.args[0])
            if any(ast.unparse(owner) == "Tensor" for owner in bound):
                assert room_of(module) == "graph", f"{path}:{node.lineno}"


def test_rules_do_not_import_the_tensor():
    """A rule works on any namespace; only the public function around a rule may know Tensor."""
    for path in (PACKAGE / "ops").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Lambda):
                names = {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}
                assert "Tensor" not in names, f"{path}:{node.lineno}"


def asks_for_names(tree):
    """The lines on which code tests, or looks up, the name of an op; also by a variable that was assigned from it."""

    def is_name(node, variables=()):
        if isinstance(node, ast.Name):
            return node.id in variables
        if not isinstance(node, ast.Attribute) or node.attr != "name":
            return False
        owner = node.value
        return (owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")) in ("op", "record")

    def assigned(scope):
        for node in ast.walk(scope):
            if isinstance(node, (ast.Assign, ast.NamedExpr, ast.AnnAssign)) and node.value is not None:
                target = node.targets[0] if isinstance(node, ast.Assign) else node.target
                several = isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple)
                pairs = zip(target.elts, node.value.elts, strict=True) if several else [(target, node.value)]
                for variable, value in pairs:
                    value = value.body if isinstance(value, ast.IfExp) else value
                    if isinstance(variable, ast.Name) and is_name(value):
                        yield variable.id

    lines = set()
    for scope in [tree, *(node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))]:
        variables = set(assigned(scope)) if isinstance(scope, ast.FunctionDef) else ()
        for node in ast.walk(scope):
            parts = []
            if isinstance(node, ast.Compare):
                parts = [node.left, *node.comparators]
                parts += [x for part in parts if isinstance(part, (ast.Tuple, ast.List, ast.Set)) for x in part.elts]
                if any(isinstance(part, ast.Constant) and isinstance(part.value, str) for part in parts):
                    # a call in a term, or a pattern, holds the name of its op
                    if any("op" in (getattr(part, "attr", ""), getattr(part, "id", "")) for part in parts):
                        lines.add(node.lineno)
            elif isinstance(node, ast.Subscript):
                parts = [node.slice]
            elif isinstance(node, ast.Match):
                parts = [node.subject]
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                if node.func.attr in ("get", "startswith", "endswith"):
                    parts = [node.func.value, *node.args]
            parts = [part.target if isinstance(part, ast.NamedExpr) else part for part in parts]
            if any(is_name(part, variables) for part in parts):
                lines.add(node.lineno)
    return sorted(lines)


TABLES_OF_TARGETS = {"tinygraph.writing.numpy_source", "tinygraph.programs.numpy_target"}
"""Where it stands how a target writes each op."""


def test_nobody_asks_for_an_op_by_its_name():
    """Facts stand in the record of an op, `tinygraph.graph.records.Op`; where one is missing, declare it there."""
    for module, path in MODULES.items():
        if module not in TABLES_OF_TARGETS:
            assert not asks_for_names(ast.parse(path.read_text(encoding="utf-8"))), path


@pytest.mark.parametrize(
    "code",
    [
        "node.op.name == 'tanh'",
        "op.name in TABLE",
        "'sum' in (node.op.name, reduction)",
        "TABLE[record.name]",
        "TABLE.get(node.op.name)",
        "node.op.name.startswith('log')",
        "def f(node):\n    name, y = node.op.name, node.y\n    return name == 'relu'",
        "def f(node):\n    if (name := node.op.name if node.op else '') in TABLE: pass",
        "match op.name:\n    case 'sum': pass",
    ],
)
def test_a_test_of_a_name_is_seen(code):
    assert asks_for_names(ast.parse(code))


def test_nobody_takes_the_cached_property_that_locks():
    """In Python 3.11 that of `functools` has one lock for all objects of a class, so two threads can deadlock."""
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module == "functools":
                assert "cached_property" not in {alias.name for alias in node.names}, path
            for decorator in getattr(node, "decorator_list", ()):
                assert ast.unparse(decorator) != "functools.cached_property", path


TESTS = Path(__file__).parent

# The tests that mirror no source file, because their subject spans several of them.
SUBJECTS = {
    "conformance/test_aliasing.py": "a part of protocol.json",
    "conformance/test_cases.py": "cases.json",
    "conformance/test_copies.py": "a part of protocol.json",
    "conformance/test_depth.py": "a part of protocol.json",
    "conformance/test_identity.py": "a part of protocol.json",
    "conformance/test_interruptions.py": "a part of protocol.json",
    "conformance/test_memory.py": "a part of protocol.json",
    "conformance/test_modes.py": "a part of protocol.json",
    "conformance/test_protocol.py": "protocol.json as a whole",
    "conformance/test_refused.py": "a part of protocol.json",
    "conformance/test_runs.py": "a part of protocol.json",
    "equations/test_sympy.py": "a second opinion on equations",
    "numpy_api/test_conversions.py": "tensors that become plain numbers and arrays",
    "numpy_api/test_numpy_calls.py": "every function of NumPy, in several forms of call",
    "numpy_api/test_numpy_walk.py": "every function of NumPy, place by place of its signature",
    "numpy_api/test_operators.py": "operators with anything on either side",
    "numpy_api/test_promotion.py": "dtypes of results",
    "numpy_api/test_python_protocols.py": "tensors in the hands of Python itself",
    "ops/test_array_api.py": "every op on another array namespace",
    "ops/test_conventions.py": "docs/conventions.md",
    "ops/test_every_op.py": "every op, by every law",
    "ops/test_limits.py": "every op at its singular points",
    "ops/test_tails.py": "every elementwise op on its whole domain",
    "ops/test_torch.py": "a second opinion on every op",
    "pictures/test_browser.py": "a page in a browser",
    "pictures/test_pictures.py": "the package itself",
    "test_demos.py": "demos/",
    "test_docs.py": "docs/, README.md and docstrings",
    "test_exits.py": "every way in which numbers could leave a graph",
    "test_fuzz.py": "tests/fuzz.py",
    "test_fuzz_dtypes.py": "tests/fuzz_dtypes.py",
    "test_import.py": "importing the package",
    "test_lecture.py": "the formulas of the lecture",
    "test_public.py": "every public function, with wrong arguments",
    "test_structure.py": "the layout of the package",
}


def test_tests_mirror_the_source_files_except_for_those_about_a_subject():
    mirrors_nothing = set()
    for path in TESTS.rglob("test_*.py"):
        test = path.relative_to(TESTS)
        source = PACKAGE / test.parent / test.stem.removeprefix("test_")
        if not source.with_suffix(".py").exists() and not (source / "__init__.py").exists():
            mirrors_nothing.add(test.as_posix())
    assert mirrors_nothing == SUBJECTS.keys()


def test_a_wheel_contains_every_file_of_the_package():
    """Setuptools takes the folders that have an `__init__`, and the other files that setup.cfg names."""
    config = configparser.ConfigParser()
    config.read(PACKAGE.parent / "setup.cfg", encoding="utf-8")
    patterns = {
        package: [pattern.strip() for pattern in line.split(",")]
        for package, line in config["options.package_data"].items()
    }
    for path in PACKAGE.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            folder = path.parent
            assert (folder / "__init__.py").exists(), path
            package = ".".join(folder.relative_to(PACKAGE.parent).parts)
            assert path.suffix == ".py" or any(map(path.match, patterns[package])), path
