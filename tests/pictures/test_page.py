"""The page as a file: whole, small, offline, and with nothing in it that a user's text could start."""

import base64
import hashlib
import json
import re
import sys
from functools import reduce
from html.parser import HTMLParser

import numpy as np
import pytest
from drawn import LABELS, SVG, grouped, hostile, svg_of, two_layers

import tinygraph as tg
from tinygraph.pictures.page import page

TAGS = {
    *("html", "head", "meta", "title", "style", "body", "header", "nav", "label", "span", "input", "output", "button"),
    *("main", "div", "section", "details", "summary", "ol", "p", "noscript", "script", "g", "svg", "path", "polygon"),
    *("text", "polyline", "ellipse"),
}


class Parsed(HTMLParser):
    """A page as a parser that is not ours reads it."""

    def __init__(self, content):
        super().__init__()
        self.tags, self.attributes, self.open, self.texts = [], [], [], {}
        self.feed(content)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attributes]
        self.open.append(tag)

    def handle_endtag(self, tag):
        self.open = self.open[: len(self.open) - 1 - self.open[::-1].index(tag)]

    def handle_data(self, text):
        self.texts.setdefault(self.open[-1] if self.open else "", []).append(text)

    @property
    def data(self):
        return json.loads(self.texts["script"][0])

    def values(self, tag, attribute):
        return [value for where, name, value in self.attributes if (where, name) == (tag, attribute)]


@pytest.fixture(scope="module")
def lecture():
    J = two_layers(scopes=True)
    J.backward()
    return tg.draw(J)


@pytest.fixture(scope="module")
def parsed(lecture):
    return Parsed(lecture.html)


def node_of(output, name):
    """What the page has of one box."""
    (node,) = (node for node in Parsed(tg.draw(output).html).data["pictures"][0]["nodes"] if node["name"] == name)
    return node


# -- the file ------------------------------------------------------------------------------------------------------


def test_the_page_is_saved_whole(lecture, tmp_path):
    target = lecture.save(tmp_path / "net.html")
    assert target.read_text(encoding="utf-8") == lecture.html
    assert lecture.html.startswith("<!doctype html>")


def test_the_page_of_the_lectures_net_is_small(lecture):
    assert len(lecture.html.encode()) < 300_000


def test_a_large_net_does_not_make_a_large_page():
    rng = np.random.default_rng(0)
    W = tg.parameter(rng.normal(size=(500, 784)))
    J = tg.tanh(W @ rng.normal(size=(784, 300))).sum()
    J.backward()
    assert len(tg.draw(J).html.encode()) < 300_000


def test_the_page_is_the_same_each_time(lecture):
    J = two_layers(scopes=True)
    J.backward()
    assert tg.draw(J).html == lecture.html


def test_nothing_is_fetched_and_nothing_runs_but_the_script_of_the_page(parsed):
    (policy,) = (value for value in parsed.values("meta", "content") if "default-src" in value)
    assert policy.startswith("default-src 'none'; ")
    for kind in ("script", "style"):
        digest = base64.b64encode(hashlib.sha256(parsed.texts[kind][-1].encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    names = {name for _, name, _ in parsed.attributes}
    assert not names & {"src", "href", "srcset", "action", "style", "srcdoc", "xlink:href"}
    assert not [name for name in names if name.startswith("on")]
    assert not re.search(r"https?://(?!www\.w3\.org/)", "".join(parsed.texts["script"] + parsed.texts["style"]))


def test_ids_are_unique(parsed):
    ids = [value for _, name, value in parsed.attributes if name == "id"]
    assert len(set(ids)) == len(ids)


def test_the_picture_is_the_one_that_graphviz_draws(lecture, parsed):
    lines = re.findall(r' d="([^"]+)"', lecture.svg)
    assert lines
    assert re.findall(r' d="([^"]+)"', lecture.html) == lines
    assert parsed.texts["text"] == [text.text for text in svg_of(lecture).iter(f"{SVG}text")]


def test_every_box_edge_and_frame_of_the_data_is_in_the_picture(parsed):
    ids = {value for _, name, value in parsed.attributes if name == "id"}
    (picture,) = parsed.data["pictures"]
    assert {f"p0-n{i}" for i in range(len(picture["nodes"]))} <= ids
    assert {f"p0-f{i}" for i in range(len(picture["edges"]))} <= ids
    assert {f"p0-{edge}" for step in picture["steps"] for edge in step["edges"]} <= ids
    assert len(picture["frames"]) == 2
    assert {f"p0-{frame['id']}" for frame in picture["frames"]} <= ids


def test_nested_scopes_are_known_by_their_frames():
    x = tg.parameter(1.0)
    with tg.scope("a"):
        with tg.scope("b"):
            y = x * 2
        z = y + 1
    J = z * 3
    parsed = Parsed(tg.draw(J).html)
    ids = {value for _, name, value in parsed.attributes if name == "id"}
    frames = parsed.data["pictures"][0]["frames"]
    assert {f"p0-{frame['id']}" for frame in frames} <= ids
    assert len(frames) == 2
    assert set(frames[1]["nodes"]) < set(frames[0]["nodes"])


def test_without_latex2mathml_the_error_says_what_to_install(monkeypatch, lecture):
    monkeypatch.setitem(sys.modules, "latex2mathml.converter", None)
    fresh = tg.draw(tg.parameter([1.0, 2.0]) * 17)
    with pytest.raises(tg.DependencyError, match=r"pip install 'tinygraph\[draw\]'"):
        fresh.html


# -- in a notebook -------------------------------------------------------------------------------------------------


def test_a_notebook_gets_the_page_in_a_frame_of_its_own(lecture):
    frame = Parsed(lecture._repr_mimebundle_()["text/html"])
    assert frame.tags == ["iframe"]
    assert frame.values("iframe", "srcdoc") == [lecture.html]
    assert frame.values("iframe", "sandbox") == ["allow-scripts allow-downloads"]


# -- what stands in it ---------------------------------------------------------------------------------------------


def test_a_box_tells_all_that_the_panel_shows(parsed):
    nodes = {node["name"]: node for node in parsed.data["pictures"][0]["nodes"]}
    Z1 = nodes["Z1"]
    assert (Z1["op"], Z1["shape"], Z1["dtype"], Z1["role"]) == ("add", "4 × 400", "float64", "operation")
    assert Z1["source"] == "Z1 = W1 @ X + b1"
    assert re.fullmatch(r"drawn\.py:\d+", Z1["where"])
    assert "dZ1 says how the loss of each example changes with each element of Z1" in Z1["meaning"]
    assert Z1["way"][0][1] == "chain rule"
    assert [part["shape"] for part in nodes["b1"]["parts"]] == ["4 × 400"]
    assert nodes["X"]["gradient"] is None


def test_small_arrays_are_in_numbers_and_large_ones_in_blocks():
    w = tg.parameter([[1.0, -2.5], [0.125, 3e-7]], name="w")
    large = tg.Tensor(np.arange(4000.0).reshape(4, 1000), name="large")
    J = w.sum() + large.sum()
    small, big = node_of(J, "w")["value"], node_of(J, "large")["value"]
    assert small["cells"] == [[1.0, -2.5], [0.125, 3e-7]]
    assert (len(big["cells"]), len(big["cells"][0]), big["block"]) == (4, 40, "1 × 25")
    assert big["cells"][0][:2] == [12.0, 37.0]
    assert big["range"] == ["0", "2000", "4000"]
    assert sum(big["bins"]) == 4000


def test_nan_and_infinity_are_seen_in_any_size():
    for n in (3, 4000):
        values = np.ones(n)
        values[:3] = np.nan, np.inf, -np.inf
        array = node_of(tg.Tensor(values, name="x") * 2, "x")["value"]
        assert (array["nan"], array["infinite"]) == (1, 2)
        assert any(isinstance(cell, str) for row in array["cells"] for cell in row)
        assert array["range"] == (["1", "1", "1"] if n > 3 else [])


@pytest.mark.parametrize(
    "data",
    [
        *(0.0, True, [], np.zeros((0, 3)), np.zeros((2, 0, 4)), np.nan, np.arange(24).reshape(2, 3, 4)),
        *(np.full(9, 3e4, np.float16), np.full(9, 2**64 - 1, np.uint64), np.ones((1,) * 20)),
        *(np.array([8e307, -8e307] * 9), np.array([1.0, np.nextafter(1.0, 2.0)] * 9), np.full(99, 5e-324)),
    ],
    ids=lambda data: f"{np.asarray(data).dtype} {np.shape(data)}"[:30],
)
def test_arrays_of_every_kind_have_a_page(data):
    x = tg.Tensor(data, name="x")
    assert node_of(x + x, "x")["dtype"] == str(x.dtype)


def test_what_other_calls_of_backward_have_added_is_said():
    w = tg.parameter(2.0, name="w")
    for _ in range(2):
        J = w * 3
        J.backward()
    assert node_of(J, "w")["others"]
    w.grad = None
    J = w * 3
    J.backward()
    assert not node_of(J, "w")["others"]


def test_mathematics_is_mathml_with_words_in_one_piece(parsed):
    nodes = {node["name"]: node for node in parsed.data["pictures"][0]["nodes"]}
    forward = json.dumps(nodes["A1"]["forward"])
    assert '["mtext", "tanh"]' in forward
    assert '["mi", "dZ"]' in json.dumps(nodes["Z1"]["backward"])
    assert "∗" in json.dumps(nodes["Z1"]["backward"], ensure_ascii=False)


def tags_in(tree):
    stack, found = [tree], set()
    while stack:
        tag, *children = stack.pop()
        found.add(tag)
        stack += [child for child in children if isinstance(child, list)]
    return found


# -- groups --------------------------------------------------------------------------------------------------------


def test_a_group_opens_a_picture_of_its_own():
    outer, _ = grouped()
    parsed = Parsed(page(outer, None, "LR"))
    first, second = parsed.data["pictures"]
    assert (first["parent"], second["parent"], second["name"]) == (None, 0, "layer 1")
    (group,) = (node for node in first["nodes"] if node["inner"] is not None)
    assert (group["inner"], group["count"]) == (1, 3)
    ids = [value for _, name, value in parsed.attributes if name == "id"]
    assert {"p0", "p1", "p1-n0"} <= set(ids)
    assert len(set(ids)) == len(ids)


def test_a_graph_that_is_too_large_to_draw_has_a_page_of_what_is_drawn():
    J = reduce(lambda x, _: tg.tanh(x) * 1.0, range(6000), tg.parameter(1.0, name="w"))
    J.backward()
    picture = Parsed(tg.draw(J).html).data["pictures"][0]
    assert picture["nodes"][0]["name"] == "w"
    assert picture["nodes"][-1]["name"] == "J"
    assert len(picture["nodes"]) < 20


# -- hostile text --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hostile_page():
    return hostile().html


def test_hostile_text_brings_no_element_and_no_attribute(hostile_page):
    parsed = Parsed(hostile_page)
    assert set(parsed.tags) <= TAGS
    assert parsed.tags.count("script") == 2
    names = {name for _, name, _ in parsed.attributes}
    assert not [name for name in names if name.startswith("on") or name in ("src", "href", "style", "url")]
    ids = [value for _, name, value in parsed.attributes if name == "id"]
    assert all(re.fullmatch(r"[a-z]+|p0(-[nfb]\d+|-cluster_n\d+_\d+)?", name) for name in ids)


def test_hostile_text_brings_none_where_it_names_what_is_folded():
    parsed = Parsed(hostile(depth=None).html)
    assert any(node["inner"] is not None for node in parsed.data["pictures"][0]["nodes"])
    assert set(parsed.tags) <= TAGS
    assert parsed.tags.count("script") == 2


def test_hostile_text_is_still_there_as_text(hostile_page):
    names = {node["name"] for node in Parsed(hostile_page).data["pictures"][0]["nodes"]}
    for text in LABELS:
        if text.isprintable() and text.strip() and text.isascii():
            assert any(text[:50] in name for name in names), text


def test_mathematics_of_hostile_text_is_of_mathml_alone(hostile_page):
    trees = [node["forward"] for node in Parsed(hostile_page).data["pictures"][0]["nodes"]]
    known = {"math", "mrow", "mi", "mn", "mo", "mtext", "mspace", "msup", "msub", "msubsup", "mover", "msqrt", "mfrac"}
    assert set().union(*map(tags_in, trees)) <= known


def test_the_data_cannot_end_its_element(hostile_page):
    raw = hostile_page[hostile_page.index('id="data">') + 10 :]
    raw = raw[: raw.index("</script>")]
    assert not set("<>&\u2028\u2029") & set(raw)
    json.loads(raw)


def test_what_a_check_has_found_stands_in_the_panel():
    w = tg.parameter([0.0, 1.0], name="w")
    with np.errstate(divide="ignore"):
        J = tg.sum(tg.log(w))
        J.backward()
    nodes = Parsed(tg.draw(J, check=True).html).data["pictures"][0]["nodes"]
    marks = {node["name"]: node["mark"] for node in nodes}
    assert marks["J"].startswith("▲ ∞ begins here")
    assert all(node["mark"] == "" for node in Parsed(tg.draw(J).html).data["pictures"][0]["nodes"])
