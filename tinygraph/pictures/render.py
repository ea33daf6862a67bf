"""DOT to pictures, with the `dot` program or with the Graphviz of the pygraphviz wheel."""

from __future__ import annotations

import importlib.util
import io
import os
import secrets
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

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
    """Return the picture in one of the formats.

    Raises `DependencyError` if Graphviz is missing, and `TinygraphError` if it fails or takes too long.
    """
    if form == "dot":
        return source.encode()
    command = [*_command(form), *([f"-Gdpi={_DPI}"] if form == "png" else [])]
    try:
        done = subprocess.run(command, input=source.encode(), capture_output=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise TinygraphError(
            f"Graphviz has not laid out the graph in {_SECONDS} s: it is too large; draw less with depth= or focus="
        ) from None
    except OSError as error:
        raise TinygraphError(f"Graphviz cannot be run: {command[0]}: {error.strerror}") from None
    if done.returncode or not done.stdout:
        said = done.stderr.decode(errors="replace").strip()
        raise TinygraphError(f"Graphviz failed: {said or f'it printed nothing, with status {done.returncode}'}")
    return done.stdout


def _command(form: str) -> list[str]:
    program = shutil.which("dot")
    if program is not None:
        return [program, f"-T{form}"]
    if importlib.util.find_spec("pygraphviz") is not None:
        return [sys.executable, "-P", "-c", _PYGRAPHVIZ, form]  # -P: without the modules of the working folder
    raise DependencyError(
        "drawing needs Graphviz, which is not installed. Either of these installs it:\n"
        "  pip install 'tinygraph[draw]'   (the pygraphviz wheel carries it)\n"
        "  your system's package manager, as in: apt install graphviz, brew install graphviz"
    )


def save(
    source: str, path: str | bytes | os.PathLike[str] | os.PathLike[bytes], page: Callable[[], str] | None = None
) -> Path:
    """Write the picture, or the page, as a whole or not at all, in the format that the suffix names.

    A file that exists keeps its permissions, its owner and its other names, and a link to it stays a link.
    """
    try:
        given = os.fsdecode(path)
    except TypeError:
        raise ArgumentError(f"a file name is a string or a path, not {type(path).__name__}") from None
    target = Path(os.path.expanduser(given))
    form = target.suffix[1:].lower()
    formats = FORMATS if page is None else (*FORMATS, "html")
    if form not in formats:
        known = ", ".join(f".{known}" for known in formats)
        raise ArgumentError(f"the suffix of {given!r} is not a known format; use one of {known}")
    if "\0" in given:
        raise ArgumentError(f"{given!r} cannot be the name of a file")
    if os.path.isdir(target) or given.endswith(("/", os.sep)):
        raise ArgumentError(f"{given!r} is a folder; give the picture a file name")
    if not os.path.isdir(target.parent):
        raise ArgumentError(f"the folder {str(target.parent)!r} does not exist")
    with _in_words(target):
        _check_replaceable(target)
    content = page().encode() if page is not None and form == "html" else rendered(source, form)
    with _in_words(target):
        _write_whole(content, Path(os.path.realpath(target)))
    return target


@contextmanager
def _in_words(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ArgumentError(f"{str(target)!r} cannot be written: {error.strerror}") from None
    except UnicodeEncodeError:
        raise ArgumentError(f"{str(target)!r} cannot be the name of a file") from None


def _check_replaceable(target: Path) -> None:
    """Refuse anything but a file that may be written to."""
    try:
        mode = os.stat(target).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode):
        raise ArgumentError(f"{str(target)!r} exists and is a device, a pipe or a socket; choose another name")
    if not mode & 0o222 or not os.access(target, os.W_OK):
        raise ArgumentError(f"{str(target)!r} exists and is read-only; make it writable, or choose another name")


def _write_whole(content: bytes, target: Path) -> None:
    """Write a file beside the target and move it over the target, or write into the target to keep its attributes."""
    old = os.stat(target) if target.exists() else None
    if old is not None and (old.st_nlink > 1 or not os.access(target.parent, os.W_OK) or _has_attributes(target)):
        return _write_over(content, target)
    part = target.with_name(f".tinygraph-{secrets.token_hex(8)}{target.suffix}")
    try:  # with the permissions that the system gives a new file
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        if old is not None:
            new = os.stat(part)
            if (new.st_uid, new.st_gid) != (old.st_uid, old.st_gid):
                return _write_over(content, target)
            os.chmod(part, stat.S_IMODE(old.st_mode))
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)


def _has_attributes(target: Path) -> bool:
    """Return whether a file has more attributes than owner and mode, such as an access control list."""
    if not hasattr(os, "listxattr"):
        return False
    try:
        return any(not name.startswith("security.") for name in os.listxattr(target))  # those the system gives
    except OSError:  # not on this file system
        return False


def _write_over(content: bytes, target: Path) -> None:
    """Write into a file that must stay the same one; if that fails, restore its former content."""
    with open(target, "r+b", buffering=0) as file:
        old = file.read()
        try:
            _fill(file, content)
        except BaseException:
            _fill(file, old)  # it needs no more space than before
            raise


def _fill(file: io.FileIO, content: bytes) -> None:
    file.seek(0)
    left = memoryview(content)
    while left:
        left = left[file.write(left) :]
    file.truncate()
