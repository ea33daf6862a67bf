"""DOT to pictures: with the `dot` program, or with the Graphviz that the pygraphviz wheel carries."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from ..errors import ArgumentError, DependencyError, TinygraphError

FORMATS = ("png", "svg", "pdf", "dot")
_SECONDS = 60
_DPI = "144"

# In a process of its own, so that there is a time limit and a crash costs nothing. Its warnings (about fonts) are not
# the user's concern.
_PYGRAPHVIZ = """
import sys, warnings
warnings.simplefilter("ignore")
import pygraphviz
graph = pygraphviz.AGraph(string=sys.stdin.buffer.read().decode("utf-8"))
sys.stdout.buffer.write(graph.draw(format=sys.argv[1], prog="dot", args=" ".join(sys.argv[2:])))
"""


def rendered(source: str, form: str) -> bytes:
    """The picture in one of the formats.

    Raises `DependencyError` where Graphviz is missing, `TinygraphError` where it fails or takes too long.
    """
    if form == "dot":
        return source.encode()
    command = [*_command(form), *([f"-Gdpi={_DPI}"] if form == "png" else [])]
    try:
        done = subprocess.run(command, input=source.encode(), capture_output=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise TinygraphError(
            f"Graphviz has not laid the graph out in {_SECONDS} s: it is too large to draw in full"
        ) from None
    except OSError as error:
        raise TinygraphError(f"Graphviz cannot be run: {command[0]}: {error.strerror}") from None
    if done.returncode or not done.stdout:
        said = done.stderr.decode(errors="replace").strip()
        raise TinygraphError(f"Graphviz failed: {said or f'it has printed nothing, with status {done.returncode}'}")
    return done.stdout


def _command(form: str) -> list[str]:
    program = shutil.which("dot")
    if program is not None:
        return [program, f"-T{form}"]
    if importlib.util.find_spec("pygraphviz") is not None:
        return [sys.executable, "-P", "-c", _PYGRAPHVIZ, form]  # -P: without the modules of the working folder
    raise DependencyError(
        "drawing needs Graphviz, which is not here. Either of these brings it:\n"
        "  pip install 'tinygraph[draw]'   (the pygraphviz wheel carries it)\n"
        "  your system's package manager, as in: apt install graphviz, brew install graphviz"
    )


def save(source: str, path: str | os.PathLike[str], page: Callable[[], str] | None = None) -> Path:
    """Write the picture, or the page, in the format that the suffix names: whole, or not at all."""
    target = Path(path).expanduser()
    form = target.suffix[1:].lower()
    formats = FORMATS if page is None else (*FORMATS, "html")
    if form not in formats:
        known = ", ".join(f".{known}" for known in formats)
        raise ArgumentError(f"the suffix of {str(target)!r} says no known format; use one of {known}")
    if "\0" in str(target):
        raise ArgumentError(f"{str(target)!r} cannot be the name of a file")
    if os.path.isdir(target):
        raise ArgumentError(f"{str(target)!r} is a folder; give the picture a file name")
    if not os.path.isdir(target.parent):
        raise ArgumentError(f"the folder {str(target.parent)!r} does not exist")
    content = page().encode() if page is not None and form == "html" else rendered(source, form)
    try:
        _write_whole(content, target)
    except OSError as error:
        raise ArgumentError(f"{str(target)!r} cannot be written: {error.strerror}") from None
    return target


def _write_whole(content: bytes, target: Path) -> None:
    """Write a file beside the target, then put it in the target's place."""
    part = target.with_name(f".tinygraph-{uuid4().hex}{target.suffix}")
    try:
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(part, target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
