"""Pictures as users meet them: in a terminal, in a notebook, as files."""

import importlib.util
import inspect
import shutil
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from drawn import LABELS, Dot, two_layers

import tinygraph as tg
from tinygraph.pictures import Picture, render


@pytest.fixture(scope="module")
def picture():
    J = two_layers()
    J.backward()
    return tg.draw(J)


@pytest.fixture
def without_graphviz(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda *args, **kwargs: None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda *args, **kwargs: None)


# -- as text -------------------------------------------------------------------------------------------------------


def test_a_picture_as_text_has_a_line_for_each_box():
    w, x = tg.parameter(2.0), tg.Tensor(3.0)
    J = w * x + 1
    J.backward()
    assert str(tg.draw(J)).split("\n") == [
        "w               2   dw = x   3",
        "x               3",
        "J = w · x + 1   7   dJ       1",
    ]


def test_text_and_repr_are_the_same(picture):
    assert repr(picture) == str(picture)


def test_the_columns_of_the_text_line_up(picture):
    lines = [line for line in str(picture).split("\n") if " d" in line]
    starts = {line.index("   d") for line in lines}
    assert len(lines) == 9
    assert len(starts) == 1


@pytest.mark.parametrize("text", LABELS, ids=ascii)
def test_a_hostile_name_stays_within_its_line(text):
    w = tg.parameter([1.0, 2.0], name=text)
    y = w * 2
    printed = str(tg.draw(y))
    assert len(printed.split("\n")) == 2
    assert printed.replace("\n", "").isprintable()


def test_text_needs_no_graphviz(without_graphviz):
    assert "J = log loss(A2, Y)" in str(tg.draw(two_layers()))


# -- in a notebook -------------------------------------------------------------------------------------------------


def test_a_notebook_gets_the_page_svg_and_text(picture):
    bundle = picture._repr_mimebundle_()
    assert set(bundle) == {"text/html", "image/svg+xml", "text/plain"}
    assert bundle["text/html"].startswith("<iframe srcdoc=")
    assert ET.fromstring(bundle["image/svg+xml"]).tag == "{http://www.w3.org/2000/svg}svg"
    assert bundle["text/plain"] == str(picture)
    assert picture._repr_mimebundle_(include=None, exclude=["image/png"]) == bundle


def test_a_notebook_without_latex2mathml_gets_the_picture_alone(monkeypatch):
    monkeypatch.setitem(sys.modules, "latex2mathml.converter", None)
    picture = tg.draw(tg.parameter(1.0) * np.pi)
    assert set(picture._repr_mimebundle_()) == {"image/svg+xml", "text/plain"}
    with pytest.raises(tg.DependencyError, match=r"pip install 'tinygraph\[draw\]'"):
        picture.html


def test_a_notebook_without_graphviz_gets_text_and_the_hint(without_graphviz):
    bundle = tg.draw(two_layers())._repr_mimebundle_()
    assert set(bundle) == {"text/plain"}
    assert "J = log loss(A2, Y)" in bundle["text/plain"]
    assert "pip install 'tinygraph[draw]'" in bundle["text/plain"]
    assert "apt install graphviz" in bundle["text/plain"]


def test_a_notebook_where_graphviz_fails_gets_text_and_the_reason(monkeypatch):
    def failing(*args):
        raise tg.TinygraphError("it is too large to draw in full")

    monkeypatch.setattr(render, "rendered", failing)
    bundle = tg.draw(two_layers())._repr_mimebundle_()
    assert set(bundle) == {"text/plain"}
    assert "too large to draw" in bundle["text/plain"]


# -- as data -------------------------------------------------------------------------------------------------------


def test_svg_is_text_with_a_header(picture):
    assert picture.svg.startswith(("<?xml", "<svg"))
    assert "</svg>" in picture.svg


def test_the_source_is_dot(picture):
    assert picture.source.startswith("digraph")
    assert Dot(picture.source).size == (11, 18)


def test_the_source_is_the_same_each_time(picture):
    J = two_layers()
    J.backward()
    assert tg.draw(J).source == picture.source


def test_a_picture_is_of_the_moment_in_which_it_was_drawn():
    w = tg.parameter([1.0, 2.0])
    J = (w * w).sum()
    early = tg.draw(J)
    J.backward()
    assert "dw = 2 · w   –" in str(early)
    assert {found["style"] for found in Dot(early.source).backward.values()} == {"invis"}
    assert "dw = 2 · w   [2, 4]" in str(tg.draw(J))


def test_a_picture_is_saved_where_it_is_told_and_says_where(picture, tmp_path):
    target = picture.save(tmp_path / "net.svg")
    assert target.read_text(encoding="utf-8") == picture.svg
    assert picture.save(str(tmp_path / "net.dot")).read_text(encoding="utf-8") == picture.source


def test_the_page_is_among_the_known_formats(picture, tmp_path):
    with pytest.raises(tg.ArgumentError, match=r"use one of .png, .svg, .pdf, .dot, .html"):
        picture.save(tmp_path / "net.htm")


# -- what is drawn -------------------------------------------------------------------------------------------------


def test_variables_of_the_asking_frame_give_names():
    layers = [tg.parameter([1.0, 2.0]) * 2 for _ in range(2)]
    first, second = layers
    out = first + second
    assert str(tg.draw(out)).split("\n")[-1].startswith("out = first + second")


@pytest.mark.parametrize(
    "data",
    [
        0.0,
        7,
        True,
        [],
        np.zeros((0, 3)),
        np.zeros((2, 0, 4)),
        np.nan,
        [np.inf, -np.inf, np.nan] * 9,
        np.arange(24).reshape(2, 3, 4),
        np.ones(9, bool),
        np.float32(0.1),
        np.full((2, 3), 0.1, np.float32),
        np.full(9, 3e4, np.float16),
        np.full(9, 2**64 - 1, np.uint64),
        np.zeros((600, 500)),
        np.ones((1,) * 20),
    ],
    ids=lambda data: f"{np.asarray(data).dtype} {np.shape(data)}"[:30],
)
def test_arrays_of_every_kind_can_be_drawn_as_input_and_as_output(data):
    x = tg.Tensor(data)
    y = x + x
    for output in (x, y):
        for detail in ("names", "ops"):
            dot = Dot(tg.draw(output, detail=detail).source)
            assert dot.size == ((1, 0) if output is x else (2, 1))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_gradients_of_every_kind_can_be_drawn(dtype):
    w = tg.parameter(np.array([1.0, np.inf, np.nan, 2.0, 3.0], dtype))
    y = w * 2
    y.backward(np.array([1, np.inf, np.nan, 2, 3], dtype))
    assert "dw   1 NaN" in str(tg.draw(y))


def test_a_leaf_without_a_name_can_be_drawn():
    scalar, vector = str(tg.draw(tg.Tensor(3.0))), str(tg.draw(tg.Tensor([3.0])))
    assert scalar.split() == ["t1", "3"]
    assert vector.split() == ["t1", "(1,)", "[3]"]


def test_the_temporaries_of_an_assert_give_no_names():
    assert str(tg.draw(tg.Tensor([3.0]))).split()[0] == "t1"


def test_a_result_without_a_name_can_be_drawn():
    w = tg.parameter([1.0, 2.0])
    assert str(tg.draw(w * 2)).split("\n")[1].startswith("t1 = w · 2")


def test_a_larger_graph_is_drawn_in_good_time(tmp_path):
    h = tg.parameter(np.ones((3, 3)))
    for i in range(100):
        h = tg.tanh(h @ np.eye(3)) + i
    assert tg.draw(h).save(tmp_path / "net.svg").stat().st_size > 10_000


# -- what cannot be drawn ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "thing", [5, None, "J", np.ones(3), [tg.Tensor(1.0)], tg.Tensor], ids=lambda x: type(x).__name__
)
def test_only_tensors_can_be_drawn(thing):
    with pytest.raises(TypeError, match="draw shows the graph of a tensor, not of"):
        tg.draw(thing)


@pytest.mark.parametrize("detail", ["op", "OPS", "", None, 1, ["ops"]])
def test_an_unknown_detail_is_refused_and_the_known_ones_named(detail):
    with pytest.raises(tg.ArgumentError, match='detail is "names" or "ops"'):
        tg.draw(tg.parameter([1.0]), detail=detail)


@pytest.mark.parametrize("direction", ["RL", "lr", "", None, 'LR"; evil="1'])
def test_an_unknown_direction_is_refused_and_the_known_ones_named(direction):
    with pytest.raises(tg.ArgumentError, match='direction is "LR" or "TB"'):
        tg.draw(tg.parameter([1.0]), direction=direction)


@pytest.mark.parametrize("title", [5, b"net", ["net"]])
def test_a_title_is_text(title):
    with pytest.raises(TypeError, match="title"):
        tg.draw(tg.parameter([1.0]), title=title)


def test_options_are_given_by_name():
    kinds = {name: p.kind for name, p in inspect.signature(tg.draw).parameters.items()}
    assert all(kind is inspect.Parameter.KEYWORD_ONLY for name, kind in kinds.items() if name != "output")
    assert tg.Picture is Picture
    assert set(render.FORMATS) == {"png", "svg", "pdf", "dot"}
