"""DOT to files: whole or not at all, with the `dot` program or without it, and clear errors."""

import contextlib
import errno
import importlib.util
import io
import os
import re
import shlex
import shutil
import socket
import stat
import struct
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from drawn import two_layers

import tinygraph as tg
from tinygraph.pictures import render
from tinygraph.pictures.render import rendered, save

SOURCE = "digraph { a -> b }"
MAGIC = {".png": b"\x89PNG\r\n\x1a\n", ".svg": b"<?xml", ".pdf": b"%PDF-", ".dot": b"digraph"}


@pytest.fixture
def without_dot(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda *args, **kwargs: None)


@pytest.fixture
def without_graphviz(monkeypatch, without_dot):
    monkeypatch.setattr(importlib.util, "find_spec", lambda *args, **kwargs: None)


@pytest.fixture
def fake_dot(tmp_path, monkeypatch):
    """Puts a shell script in the place of `dot`; what it is given goes to the files `args` and `stdin` beside it."""
    folder = tmp_path / "bin"
    folder.mkdir()

    def install(script, shebang="#!/bin/sh\n"):
        program = folder / "dot"
        program.write_text(shebang + script.replace("HERE", shlex.quote(str(folder))), encoding="utf-8")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        return folder

    return install


def only(folder, *names):
    """Whether these files, and no half ones, are in the folder."""
    return sorted(os.listdir(folder)) == sorted(names)


def refusing(error):
    def refuse(*args, **kwargs):
        raise error

    return refuse


# -- files that are whole ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", list(MAGIC))
def test_the_suffix_names_the_format(suffix, tmp_path):
    target = tmp_path / f"net{suffix}"
    assert save(SOURCE, target) == target
    assert target.read_bytes().startswith(MAGIC[suffix])
    assert only(tmp_path, target.name)


@pytest.mark.parametrize("suffix", list(MAGIC))
def test_without_the_program_pygraphviz_draws(suffix, without_dot):
    assert rendered(SOURCE, suffix[1:]).startswith(MAGIC[suffix])


def test_the_two_ways_give_files_of_the_same_kind(tmp_path):
    root = ET.fromstring(rendered(SOURCE, "svg"))
    assert root.tag == "{http://www.w3.org/2000/svg}svg"


def test_a_picture_is_sharp_enough_for_a_slide_and_small_enough_for_a_mail():
    """How wide the words are is for the fonts of the machine to say; how many pixels a point has is for us."""
    picture = tg.draw(two_layers())
    content = rendered(picture.source, "png")
    pixels = struct.unpack(">II", content[16:24])
    points = map(int, re.search(r'<svg width="(\d+)pt" height="(\d+)pt"', picture.svg).groups())
    assert pixels == pytest.approx([2 * length for length in points], abs=4)  # lines of text stay sharp when enlarged
    assert len(content) < 500_000


def test_suffixes_may_be_in_capitals(tmp_path):
    assert save(SOURCE, tmp_path / "NET.SVG").read_bytes().startswith(b"<?xml")


def test_paths_may_be_text_or_path_objects(tmp_path):
    assert save(SOURCE, str(tmp_path / "a.dot")) == tmp_path / "a.dot"
    assert save(SOURCE, tmp_path / "b.c.dot") == tmp_path / "b.c.dot"
    assert only(tmp_path, "a.dot", "b.c.dot")


def test_a_relative_path_starts_at_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()
    assert save(SOURCE, "net.dot") == Path("net.dot")
    save(SOURCE, Path("out") / "net.dot")
    assert only(tmp_path, "net.dot", "out")
    assert only(tmp_path / "out", "net.dot")


def test_names_with_spaces_and_other_scripts_are_names(tmp_path):
    target = tmp_path / "mein Netz −ü∂.dot"
    try:
        os.fsencode(target)
    except UnicodeEncodeError:
        pytest.skip("file names are ASCII here")
    assert save(SOURCE, target).read_text(encoding="utf-8") == SOURCE


def test_an_old_picture_is_replaced(tmp_path):
    target = tmp_path / "net.dot"
    target.write_text("something much longer than the picture that takes its place", encoding="utf-8")
    save(SOURCE, target)
    assert target.read_text(encoding="utf-8") == SOURCE


def state(path):
    """What a file is to others: which one it is, its owner, and who may do what with it."""
    found = os.stat(path)
    return found.st_ino, found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o755])
def test_an_old_file_keeps_its_permissions(mode, tmp_path):
    target = tmp_path / "net.dot"
    target.write_text("old")
    target.chmod(mode)
    save(SOURCE, target)
    assert target.read_text() == SOURCE
    assert stat.S_IMODE(target.stat().st_mode) == mode
    assert only(tmp_path, "net.dot")


@pytest.mark.skipif(not hasattr(os, "setxattr"), reason="there are no extended attributes on this system")
def test_an_old_file_keeps_its_attributes_and_access_control_list(tmp_path):
    target = tmp_path / "net.dot"
    target.write_text("old")
    owner, user, group, mask, other = (1, 6, -1), (2, 6, 1234), (4, 4, -1), (16, 6, -1), (32, 4, -1)
    entries = b"".join(struct.pack("<HHi", *entry) for entry in (owner, user, group, mask, other))
    try:
        os.setxattr(target, "user.note", b"mine")
        os.setxattr(target, "system.posix_acl_access", struct.pack("<I", 2) + entries)
    except OSError as error:
        pytest.skip(f"this file system keeps no attributes: {error}")
    before = os.listxattr(target), state(target)
    save(SOURCE, target)
    assert target.read_text() == SOURCE
    assert (os.listxattr(target), state(target)) == before


@pytest.mark.parametrize("steps", [1, 2])
@pytest.mark.parametrize("old", ["old", None])
def test_a_link_leads_to_the_file_as_before(steps, old, tmp_path):
    (tmp_path / "real").mkdir()
    target = tmp_path / "real" / "net.dot"
    if old is not None:
        target.write_text(old)
    link = tmp_path / "link.dot"
    link.symlink_to(Path("real") / "net.dot")
    if steps == 2:
        (tmp_path / "again.dot").symlink_to("link.dot")
    given = tmp_path / ("again.dot" if steps == 2 else "link.dot")
    assert save(SOURCE, given) == given
    assert given.is_symlink()
    assert link.is_symlink()
    assert not target.is_symlink()
    assert target.read_text() == SOURCE
    assert only(tmp_path / "real", "net.dot")


def test_a_link_to_itself_and_one_to_nowhere_are_refused(tmp_path):
    (tmp_path / "loop.dot").symlink_to("loop.dot")
    (tmp_path / "lost.dot").symlink_to(Path("nowhere") / "net.dot")
    for name in ("loop.dot", "lost.dot"):
        with pytest.raises(tg.ArgumentError, match=f"{name}' cannot be written: "):
            save(SOURCE, tmp_path / name)
    assert only(tmp_path, "loop.dot", "lost.dot")


@pytest.mark.parametrize("why", ["another name", "another owner", "a folder that is read-only"])
@pytest.mark.parametrize("old", ["old", "x" * 1000])
def test_a_file_that_must_stay_the_same_one_is_written_into(why, old, tmp_path, monkeypatch):
    target = tmp_path / "net.dot"
    target.write_text(old)
    target.chmod(0o640)
    if why == "another name":
        os.link(target, tmp_path / "other.dot")
    if why == "another owner":
        if os.geteuid():
            pytest.skip("only root can give files away")
        os.chown(target, 12345, 54321)
    if why == "a folder that is read-only":
        access = os.access
        monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path and access(path, mode))
    before = state(target)
    save(SOURCE, target)
    assert target.read_text() == SOURCE
    assert state(target) == before
    assert only(tmp_path, "net.dot", *(["other.dot"] if why == "another name" else []))


class Failing(io.FileIO):
    """Takes a part of what is written first, and then fails; takes all of what is written after that."""

    failure: BaseException | None = None

    def write(self, content):
        if Failing.failure is None:
            return super().write(content)
        super().write(content[: len(content) // 2])
        failure, Failing.failure = Failing.failure, None
        raise failure


@pytest.mark.parametrize(
    ("failure", "seen"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), tg.ArgumentError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
)
@pytest.mark.parametrize("old", ["old", "x" * 1000])
def test_what_was_in_a_file_that_is_written_into_comes_back(old, failure, seen, tmp_path, monkeypatch):
    target = tmp_path / "net.dot"
    target.write_text(old)
    os.link(target, tmp_path / "other.dot")
    monkeypatch.setattr(Failing, "failure", failure)
    monkeypatch.setattr(render, "open", lambda path, mode, buffering: Failing(path, "r+"), raising=False)
    with pytest.raises(seen):
        save(SOURCE, target)
    assert Failing.failure is None
    assert target.read_text() == old
    assert only(tmp_path, "net.dot", "other.dot")


@pytest.mark.parametrize("kind", ["a pipe", "a device", "a socket", "a link to a device"])
def test_what_is_no_file_is_neither_replaced_nor_written_to(kind, tmp_path):
    target = tmp_path / "net.dot"
    if kind == "a pipe":
        os.mkfifo(target)
    elif kind == "a device":
        if os.geteuid():
            pytest.skip("only root can make devices")
        try:
            os.mknod(target, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        except PermissionError:
            pytest.skip("no devices can be made here")
    elif kind == "a socket":
        listening = socket.socket(socket.AF_UNIX)
        with contextlib.chdir(tmp_path):
            listening.bind("net.dot")
        listening.close()
    else:
        target.symlink_to(os.devnull)
    before = state(target)
    with pytest.raises(tg.ArgumentError, match="a device, a pipe or a socket"):
        save(SOURCE, target)
    assert state(target) == before
    assert only(tmp_path, "net.dot")


def test_a_file_that_is_read_only_stays(tmp_path):
    target = tmp_path / "net.dot"
    target.write_text("old")
    target.chmod(0o444)
    before = state(target)
    with pytest.raises(tg.ArgumentError, match="exists and is read-only"):
        save(SOURCE, target)
    assert target.read_text() == "old"
    assert state(target) == before
    assert only(tmp_path, "net.dot")


def test_a_path_may_be_bytes_and_begin_at_home(tmp_path, monkeypatch):
    class Named:
        def __init__(self, path):
            self.path = path

        def __fspath__(self):
            return self.path

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for i, path in enumerate([b"0.dot", Named("1.dot"), Named(b"2.dot"), "~/3.dot", "./4.dot", "~5.dot"]):
        assert save(SOURCE, path).name.lstrip("~") == f"{i}.dot"
    assert only(tmp_path, "0.dot", "1.dot", "2.dot", "3.dot", "4.dot", "~5.dot")
    with pytest.raises(tg.ArgumentError, match="the folder '~nobody-of-this-name' does not exist"):
        save(SOURCE, "~nobody-of-this-name/net.dot")


@pytest.mark.parametrize("path", [None, 1, ["net.dot"]], ids=["None", "a number", "a list"])
def test_what_names_no_file_is_refused(path):
    with pytest.raises(tg.ArgumentError, match="a file name is a string or a path, not"):
        save(SOURCE, path)


def test_the_process_keeps_its_umask_and_another_thread_does_not_see_another(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "umask", refusing(AssertionError("the umask is the whole process's")))
    save(SOURCE, tmp_path / "net.dot")
    save(SOURCE, tmp_path / "net.dot")


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_who_may_read_the_file_follows_the_umask(mask, mode, tmp_path):
    old = os.umask(mask)
    try:
        assert stat.S_IMODE(save(SOURCE, tmp_path / "net.dot").stat().st_mode) == mode
        assert os.umask(mask) == mask
    finally:
        os.umask(old)


# -- files that cannot be written ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["net.jpg", "net", "net.", ".png", "net.png.txt", "", "net.svg "])
def test_other_suffixes_are_refused_and_the_known_ones_named(name, tmp_path):
    with pytest.raises(tg.ArgumentError, match=r"\.png, \.svg, \.pdf, \.dot"):
        save(SOURCE, os.path.join(tmp_path, name))
    assert only(tmp_path)


def test_a_folder_is_no_file(tmp_path):
    (tmp_path / "net.png").mkdir()
    with pytest.raises(tg.ArgumentError, match="is a folder"):
        save(SOURCE, tmp_path / "net.png")


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(tg.ArgumentError, match=r"the folder '.*out' does not exist"):
        save(SOURCE, tmp_path / "out" / "net.png")
    assert only(tmp_path)


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "out").write_text("", encoding="utf-8")
    with pytest.raises(tg.ArgumentError, match="out"):
        save(SOURCE, tmp_path / "out" / "net.png")


@pytest.mark.parametrize(
    "name",
    ["x" * 300 + ".dot", "a\0b.dot", "\ud800.dot", "net.dot/"],
    ids=["too long", "null", "half a pair", "folder"],
)
def test_a_name_that_no_file_can_have_is_refused(name, tmp_path):
    with pytest.raises(tg.ArgumentError):
        save(SOURCE, os.path.join(tmp_path, name))
    assert only(tmp_path)


def test_a_folder_that_may_not_be_written_to(tmp_path):
    if os.geteuid() == 0:
        pytest.skip("permissions do not bind root")
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(tg.ArgumentError, match="cannot be written to"):
            save(SOURCE, tmp_path / "net.dot")
    finally:
        tmp_path.chmod(0o755)
    assert only(tmp_path)


def test_a_folder_in_which_no_file_can_be_made(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "open", refusing(PermissionError(errno.EACCES, "Permission denied")))
    with pytest.raises(tg.ArgumentError, match=r"cannot be written: Permission denied"):
        save(SOURCE, tmp_path / "net.dot")
    assert only(tmp_path)


def test_a_folder_that_may_not_be_looked_into(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "stat", refusing(PermissionError(errno.EACCES, "Permission denied")))
    with pytest.raises(tg.ArgumentError):
        save(SOURCE, tmp_path / "net.dot")


class FullDisk(io.FileIO):
    """Takes half of what is written, then has no space."""

    def write(self, content):
        super().write(content[: len(content) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")


class CtrlC(io.FileIO):
    """Takes half of what is written, then somebody presses Ctrl-C."""

    def write(self, content):
        super().write(content[: len(content) // 2])
        raise KeyboardInterrupt


def test_a_full_disk_leaves_no_half_file_and_the_old_one_whole(tmp_path, monkeypatch):
    target = tmp_path / "net.dot"
    target.write_text("old", encoding="utf-8")
    monkeypatch.setattr(os, "fdopen", FullDisk)
    with pytest.raises(tg.ArgumentError, match=r"net\.dot.* cannot be written: No space left on device"):
        save(SOURCE, target)
    assert only(tmp_path, "net.dot")
    assert target.read_text(encoding="utf-8") == "old"


def test_ctrl_c_leaves_no_half_file_and_the_old_one_whole(tmp_path, monkeypatch):
    target = tmp_path / "net.dot"
    target.write_text("old", encoding="utf-8")
    monkeypatch.setattr(os, "fdopen", CtrlC)
    with pytest.raises(KeyboardInterrupt):
        save(SOURCE, target)
    assert only(tmp_path, "net.dot")
    assert target.read_text(encoding="utf-8") == "old"


@pytest.mark.parametrize(
    ("error", "seen"),
    [
        (PermissionError(errno.EPERM, "Operation not permitted"), tg.ArgumentError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
)
def test_an_old_file_that_cannot_be_replaced_stays(error, seen, tmp_path, monkeypatch):
    target = tmp_path / "net.dot"
    target.write_text("old", encoding="utf-8")
    monkeypatch.setattr(os, "replace", refusing(error))
    with pytest.raises(seen):
        save(SOURCE, target)
    assert only(tmp_path, "net.dot")
    assert target.read_text(encoding="utf-8") == "old"


def test_where_drawing_fails_nothing_is_written(tmp_path, fake_dot):
    fake_dot("exit 1")
    (tmp_path / "out").mkdir()
    with pytest.raises(tg.TinygraphError):
        save(SOURCE, tmp_path / "out" / "net.png")
    assert only(tmp_path / "out")


# -- Graphviz ------------------------------------------------------------------------------------------------------


def test_the_program_is_preferred_and_called_with_a_list_and_the_source_on_its_input(fake_dot):
    folder = fake_dot('printf "%s\\n" "$@" >HERE/args; cat >HERE/stdin; printf picture')
    source = 'digraph { a [label="$(touch pwned); \'é"] }'
    assert rendered(source, "svg") == b"picture"
    assert (folder / "args").read_text(encoding="utf-8").split("\n") == ["-Tsvg", ""]
    assert (folder / "stdin").read_bytes() == source.encode()
    assert only(folder, "dot", "args", "stdin")
    rendered(source, "png")
    assert (folder / "args").read_text(encoding="utf-8").split("\n") == ["-Tpng", "-Gdpi=144", ""]


def test_dot_itself_needs_no_graphviz(without_graphviz, tmp_path):
    assert save(SOURCE, tmp_path / "net.dot").read_text(encoding="utf-8") == SOURCE


@pytest.mark.parametrize("form", ["png", "svg", "pdf"])
def test_without_graphviz_the_error_says_both_ways_to_get_it(form, without_graphviz, tmp_path):
    with pytest.raises(tg.DependencyError, match=r"pip install 'tinygraph\[draw\]'(.|\n)*apt install graphviz"):
        save(SOURCE, tmp_path / f"net.{form}")
    assert only(tmp_path)


def test_without_graphviz_the_error_is_an_import_error(without_graphviz):
    with pytest.raises(ImportError):
        rendered(SOURCE, "svg")


def test_a_program_that_hangs_is_stopped(fake_dot, monkeypatch):
    fake_dot("exec sleep 60")
    monkeypatch.setattr(render, "_SECONDS", 0.5)
    start = time.monotonic()
    with pytest.raises(tg.TinygraphError, match=r"not laid out the graph in 0\.5 s"):
        rendered(SOURCE, "svg")
    assert time.monotonic() - start < 10


def test_a_program_that_fails_says_why(fake_dot):
    fake_dot('echo "Error: no such layout" >&2; exit 1')
    with pytest.raises(tg.TinygraphError, match="Graphviz failed: Error: no such layout"):
        rendered(SOURCE, "svg")


def test_a_program_that_fails_without_a_word_still_gives_a_reason(fake_dot):
    fake_dot("exit 3")
    with pytest.raises(tg.TinygraphError, match=r"Graphviz failed: .*3"):
        rendered(SOURCE, "svg")


def test_a_program_that_prints_nothing_is_not_said_to_have_failed_with_zero(fake_dot):
    fake_dot("exit 0")
    with pytest.raises(tg.TinygraphError) as caught:
        rendered(SOURCE, "svg")
    assert not str(caught.value).endswith(": 0")


def test_a_program_that_says_something_odd_does_not_matter_if_it_draws(fake_dot):
    fake_dot("printf 'Warning: \\377' >&2; printf picture")
    assert rendered(SOURCE, "svg") == b"picture"


def test_a_program_that_cannot_run_is_a_clear_error(fake_dot):
    fake_dot("\0not a program", shebang="")
    with pytest.raises(tg.TinygraphError, match="Graphviz"):
        rendered(SOURCE, "svg")


def test_a_program_that_reads_nothing_does_not_hurt(fake_dot):
    fake_dot("exec printf picture")
    assert rendered(SOURCE * 50_000, "svg") == b"picture"


def test_dot_that_is_none_is_a_clear_error_with_pygraphviz_too(without_dot):
    with pytest.raises(tg.TinygraphError, match="Graphviz failed"):
        rendered("digraph {", "svg")


def test_files_in_the_working_folder_do_not_take_the_place_of_modules(without_dot, tmp_path, monkeypatch):
    for name in ("pygraphviz", "random", "warnings"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(f'{__name__} of the user')", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert rendered(SOURCE, "svg").startswith(b"<?xml")


def test_the_fonts_warnings_of_graphviz_are_not_the_users(without_dot, capfd):
    rendered("digraph { node [fontname=Nosuchfont]; a }", "png")
    assert capfd.readouterr() == ("", "")


def test_the_process_ends_with_the_picture(without_dot, monkeypatch):
    started = []
    popen = subprocess.Popen

    class Watched(popen):
        def __init__(self, command, *args, **kwargs):
            started.append((command, kwargs.get("shell", False), self))
            super().__init__(command, *args, **kwargs)

    monkeypatch.setattr(subprocess, "Popen", Watched)
    rendered(SOURCE, "svg")
    ((command, shell, process),) = started
    assert isinstance(command, list)
    assert command[0] == sys.executable
    assert not shell
    assert process.poll() == 0
