"""The plan of the house: imports point one way, every name has one room, and facts stand where they belong."""

import ast
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
    "equations": {"autodiff", "algebra", "writing"},
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
    """The modules of tinygraph that a module imports, wherever in it, for types or at run time."""
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
    """The rooms that a room may import."""
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
    """Or two threads could wait for each other: one imports the package, the other one of its files first."""
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
    """A rule works on any namespace: the only op files that know Tensor are those with a public function around."""
    for path in (PACKAGE / "ops").rglob("*.py"):
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


def test_algebra_and_programs_ask_no_op_for_its_name():
    """They ask its record what it is, so that a second op can be the same; only a target's table has names."""
    for module, path in MODULES.items():
        if room_of(module) not in ("algebra", "programs") or module.endswith("_target"):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        named = {
            target.id
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign) and ast.unparse(node.value).endswith("op.name")
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(tree):
            asked: list[ast.expr] = []
            if isinstance(node, ast.Compare):
                asked = [node.left, *node.comparators]
            elif isinstance(node, ast.Subscript) and ast.unparse(node.value) != "APPLY":  # that applies any op
                asked = [node.slice]
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get":
                asked = node.args
            elif isinstance(node, ast.MatchClass) and ast.unparse(node.cls) == "Op":
                assert "name" not in node.kwd_attrs, f"{path}:{node.lineno}"
            for x in asked:
                text = ast.unparse(x)
                assert text not in named, f"{path}:{node.lineno}"
                assert not text.endswith("op.name"), f"{path}:{node.lineno}"
