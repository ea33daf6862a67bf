"""DOT to files: whole or not at all, with the `dot` program or without it, and clear errors."""

import errno
import importlib.util
import io
import os
import shutil
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
from tinygraph.draw import render
from tinygraph.draw.render import rendered, save

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
        program.write_text(shebang + script.replace("HERE", str(folder)))
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        return folder

    return install


def only(folder, *names):
    """Whether these files, and no half ones, are in the folder."""
    return sorted(os.listdir(folder)) == sorted(names)


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


def test_a_picture_is_large_enough_for_a_slide_and_small_enough_for_a_mail(tmp_path):
    content = tg.draw(two_layers()).save(tmp_path / "net.png").read_bytes()
    width, height = struct.unpack(">II", content[16:24])
    assert 1500 <= width <= 4000
    assert 300 <= height <= 1500
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
    assert save(SOURCE, tmp_path / "mein Netz −ü∂.dot").read_text() == SOURCE


def test_an_old_picture_is_replaced(tmp_path):
    target = tmp_path / "net.dot"
    target.write_text("something much longer than the picture that takes its place")
    save(SOURCE, target)
    assert target.read_text() == SOURCE


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
    (tmp_path / "out").write_text("")
    with pytest.raises(tg.ArgumentError, match="out"):
        save(SOURCE, tmp_path / "out" / "net.png")


@pytest.mark.parametrize("name", ["x" * 300 + ".dot", "a\0b.dot"], ids=["too long", "null"])
def test_a_name_that_no_file_can_have_is_refused(name, tmp_path):
    with pytest.raises(tg.ArgumentError):
        save(SOURCE, tmp_path / name)
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


def refusing(error):
    def refuse(*args, **kwargs):
        raise error

    return refuse


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
    target.write_text("old")
    monkeypatch.setattr(os, "fdopen", FullDisk)
    with pytest.raises(tg.ArgumentError, match=r"net\.dot.* cannot be written: No space left on device"):
        save(SOURCE, target)
    assert only(tmp_path, "net.dot")
    assert target.read_text() == "old"


def test_ctrl_c_leaves_no_half_file_and_the_old_one_whole(tmp_path, monkeypatch):
    target = tmp_path / "net.dot"
    target.write_text("old")
    monkeypatch.setattr(os, "fdopen", CtrlC)
    with pytest.raises(KeyboardInterrupt):
        save(SOURCE, target)
    assert only(tmp_path, "net.dot")
    assert target.read_text() == "old"


@pytest.mark.parametrize(
    ("error", "seen"),
    [
        (PermissionError(errno.EPERM, "Operation not permitted"), tg.ArgumentError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
)
def test_an_old_file_that_cannot_be_replaced_stays(error, seen, tmp_path, monkeypatch):
    target = tmp_path / "net.dot"
    target.write_text("old")
    monkeypatch.setattr(os, "replace", refusing(error))
    with pytest.raises(seen):
        save(SOURCE, target)
    assert only(tmp_path, "net.dot")
    assert target.read_text() == "old"


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
    assert (folder / "args").read_text().split("\n") == ["-Tsvg", ""]
    assert (folder / "stdin").read_bytes() == source.encode()
    assert only(folder, "dot", "args", "stdin")
    rendered(source, "png")
    assert (folder / "args").read_text().split("\n") == ["-Tpng", "-Gdpi=144", ""]


def test_dot_itself_needs_no_graphviz(without_graphviz, tmp_path):
    assert save(SOURCE, tmp_path / "net.dot").read_text() == SOURCE


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
    with pytest.raises(tg.TinygraphError, match=r"not laid the graph out in 0\.5 s"):
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
        (tmp_path / f"{name}.py").write_text("raise SystemExit(f'{__name__} of the user')")
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
