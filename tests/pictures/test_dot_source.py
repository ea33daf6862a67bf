"""A drawing as DOT: what Graphviz reads, with shapes and borders that say what colour says again."""

import re
import unicodedata
import xml.etree.ElementTree as ET
from contextlib import ExitStack

import numpy as np
import pygraphviz
import pytest
from drawn import LABELS, SVG, Dot, layout_of, svg_boxes, svg_of, two_layers

import tinygraph as tg

OURS = {"TABLE", "TR", "TD", "FONT", "I", "SUP", "SUB"}
INVISIBLE = ["\x00", "\u202e", "\n\x00", "\ud800", "\u200b\ufeff"]


@pytest.fixture(scope="module")
def before():
    return tg.draw(two_layers())


@pytest.fixture(scope="module")
def after():
    J = two_layers()
    J.backward()
    return tg.draw(J)


def visible(text):
    """What may be seen of a name: line breaks as spaces, nothing that has no glyph or turns the direction."""
    spaced = re.sub(r"[\n\r\t]", " ", text)
    return "".join(c for c in spaced if unicodedata.category(c)[0] != "C")


def small(name="w", scope="layer", title="net", mul=2.0):
    """The picture of a small net with a name of the given text everywhere where a user may put one."""
    w, x = tg.parameter(mul, name=name), tg.Tensor(3.0, name="x")
    with tg.scope(scope):
        y = w * x
        y.name = name
    J = y + w
    J.backward()
    return tg.draw(J, title=title)


# -- boxes and edges -----------------------------------------------------------------------------------------------


def test_each_box_has_three_lines_and_constants_have_no_gradient(before):
    lines = {lines[0].split(" = ")[0]: lines for lines in Dot(before.source).lines.values()}
    assert lines["W[1]"][0] == "W[1]"
    assert lines["W[1]"][1].startswith("4 × 2   μ ")
    assert lines["W[1]"][2] == "dW[1] = (1/m) dZ[1] XT   –"
    assert lines["Z[1]"][0] == "Z[1] = W[1] X + b[1]"
    assert {name for name, found in lines.items() if len(found) == 2} == {"X", "Y"}
    assert {len(found) for found in lines.values()} == {2, 3}


def test_the_parts_of_a_name_are_raised_and_lowered(before):
    assert '<I>W</I><SUP><FONT POINT-SIZE="10">[1]</FONT></SUP>' in before.source
    x12 = tg.parameter(1.0)
    assert '<I>x</I><SUB><FONT POINT-SIZE="10">12</FONT></SUB>' in tg.draw(x12 * 2).source


def test_forward_edges_are_solid_and_blue_and_carry_shapes(before):
    dot = Dot(before.source)
    assert dot.edge_color == "#0072B2"
    assert {edge: found["label"].strip() for edge, found in dot.forward.items()} == {
        ("W[1]", "Z[1]"): "4 × 2",
        ("X", "Z[1]"): "2 × 400",
        ("b[1]", "Z[1]"): "4 × 1",
        ("Z[1]", "A[1]"): "4 × 400",
        ("W[2]", "Z[2]"): "1 × 4",
        ("A[1]", "Z[2]"): "4 × 400",
        ("b[2]", "Z[2]"): "1 × 1",
        ("Z[2]", "A[2]"): "1 × 400",
        ("A[2]", "J"): "1 × 400",
        ("Y", "J"): "1 × 400",
    }
    assert not any("style" in found or "color" in found for found in dot.forward.values())


def test_backward_edges_are_dashed_and_red_and_come_with_backward(before, after):
    unseen, seen = Dot(before.source).backward, Dot(after.source).backward
    assert {found["style"] for found in unseen.values()} == {"invis"}
    assert {(found["style"], found["color"]) for found in seen.values()} == {("dashed", "#B5093E")}
    assert set(unseen) == set(seen) == set(Dot(after.source).forward) - {("X", "Z[1]"), ("Y", "J")}


def test_before_backward_nothing_red_is_drawn_and_the_legend_does_not_mention_it(before, after):
    def strokes(picture):
        return {path.get("stroke") for path in svg_of(picture).iter(f"{SVG}path")}

    assert "#b5093e" not in strokes(before)
    assert "#b5093e" in strokes(after)
    assert Dot(before.source).title[1] == "forward in blue"
    assert Dot(after.source).title[1] == "forward in blue, backward dashed in red"


# -- legible in greyscale ------------------------------------------------------------------------------------------


def test_each_role_has_a_shape_and_border_of_its_own_whatever_the_colours(before):
    nodes = Dot(before.source).nodes
    looks = {}
    for role, name in {"input": "X", "parameter": "W[1]", "operation": "Z[1]", "target": "Y", "loss": "J"}.items():
        found = nodes[name]
        style = set(found.get("style", "").split(",")) - {"filled"}
        looks[role] = (frozenset(style), *(found.get(key) for key in ("shape", "penwidth", "peripheries")))
    assert len(set(looks.values())) == 5, looks
    assert "rounded" in looks["input"][0]
    assert looks["parameter"][0] == frozenset()
    assert looks["target"][0] == {"dashed"}
    assert looks["loss"][3] == "2"


def luminance(color):
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return np.dot([0.2126, 0.7152, 0.0722], linear)


def test_text_stands_out_from_every_box(after):
    texts = set(re.findall(r'COLOR="(#\w+)"', after.source))
    fills = {fill if fill != "white" else "#FFFFFF" for fill in re.findall(r'fillcolor="?(#\w+|white)', after.source)}
    assert len(fills) == 4
    for text in texts:
        for fill in fills:
            assert (luminance(fill) + 0.05) / (luminance(text) + 0.05) >= 4.5


# -- layout --------------------------------------------------------------------------------------------------------


def test_backward_edges_do_not_move_the_layout(after):
    hidden = re.sub(r"style=dashed\b", "style=invis", after.source)
    assert hidden != after.source
    assert layout_of(hidden) == layout_of(after.source)


@pytest.mark.parametrize("direction", ["LR", "TB"])
def test_backward_moves_nothing(direction):
    J = two_layers(scopes=True)
    before = layout_of(tg.draw(J, direction=direction).source)
    J.backward()
    assert layout_of(tg.draw(J, direction=direction).source) == before


def test_the_direction_is_left_to_right_or_top_to_bottom():
    J = two_layers()
    across, down = tg.draw(J), tg.draw(J, direction="TB")
    assert (Dot(across.source).direction, Dot(down.source).direction) == ("LR", "TB")
    (x, y), (a, b) = ([float(n) for n in layout_of(p.source)["n10"][:2]] for p in (across, down))
    assert x > a  # the loss is far to the right, or far down
    assert b < y + 2


# -- scopes --------------------------------------------------------------------------------------------------------


def test_scopes_are_frames_around_their_boxes():
    dot = Dot(tg.draw(two_layers(scopes=True)).source)
    assert dot.frames == [
        ("layer 1", {"W[1]", "b[1]", "Z[1]", "A[1]"}, []),
        ("layer 2", {"W[2]", "b[2]", "Z[2]", "A[2]"}, []),
    ]


def test_scopes_nest():
    x = tg.Tensor([1.0, 2.0])
    with tg.scope("encoder"):
        a = x * 2
        with tg.scope("attention"):
            b = a + 1
        c = b * a
    assert Dot(tg.draw(c).source).frames == [("encoder", {"a", "b", "c"}, [("attention", {"b"}, [])])]


def test_thousands_of_scopes_within_each_other_do_not_matter():
    with ExitStack() as stack:
        for i in range(3000):
            stack.enter_context(tg.scope(f"s{i}"))
        J = tg.sum(tg.tanh(tg.parameter([1.0, 2.0])))
        z = tg.exp(J)
    assert tg.draw(J).source.count("subgraph") == 100
    assert "tanh" in str(tg.summary(J))
    assert "s0" in tg.draw(z, depth=0).source
    assert "exp" in tg.draw(z, focus="s50").source


def test_a_scope_entered_twice_is_one_frame_and_one_of_the_same_name_within_is_another():
    x = tg.Tensor([1.0, 2.0])
    with tg.scope("block"):
        a = x * 2
    b = a + 1
    with tg.scope("block"):
        c = b * 2
        with tg.scope("block"):
            d = c + 1
    assert Dot(tg.draw(d).source).frames == [("block", {"a", "c", "d"}, [("block", {"d"}, [])])]


def test_two_frames_of_one_name_in_different_scopes_stay_apart():
    x = tg.Tensor([1.0, 2.0])
    with tg.scope("one"), tg.scope("inner"):
        a = x * 2
    with tg.scope("two"), tg.scope("inner"):
        b = a * 2
    frames = Dot(tg.draw(b).source).frames
    assert frames == [("one", {"a"}, [("inner", {"a"}, [])]), ("two", {"b"}, [("inner", {"b"}, [])])]


# -- titles --------------------------------------------------------------------------------------------------------


def test_the_title_is_the_loss_unless_there_is_another(before):
    J = two_layers()
    assert Dot(before.source).title[0] == f"J = {J.item():.4g}"
    assert Dot(tg.draw(J, title="two layers, m = 400").source).title[0] == "two layers, m = 400"


def test_without_a_scalar_there_is_no_title_of_its_own():
    y = tg.parameter([1.0, 2.0]) * 2
    assert not any("=" in line for line in Dot(tg.draw(y).source).title)


# -- text from the user --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", LABELS + INVISIBLE, ids=ascii)
@pytest.mark.parametrize("place", ["name", "scope", "title"])
def test_no_text_is_more_than_text_in_dot(text, place):
    source = small(**{place: text}).source
    dot = Dot(source)
    assert dot.size == Dot(small().source).size
    assert len(dot.frames) == 1
    assert source.isprintable() or not re.search(r"[^\n\t -\U0010ffff]", source)
    for label in re.findall(r"label=<(<TABLE.*?</TABLE>)>", source, re.DOTALL):
        assert {element.tag for element in ET.fromstring(label).iter()} <= OURS


@pytest.mark.parametrize("text", LABELS + INVISIBLE, ids=ascii)
def test_attributes_never_hold_text_from_the_user(text):
    picture = small(text, text, text)
    graph = pygraphviz.AGraph(string=picture.source)
    items = [*graph.nodes(), *graph.edges()]
    found = {key for item in items for key in dict(item.attr)}
    assert found <= {"label", "style", "color", "fillcolor", "penwidth", "peripheries", "weight", "dir", "id"}
    assert all(re.fullmatch("[fb][0-9]+", edge.attr["id"]) for edge in graph.edges())
    assert {str(node) for node in graph.nodes()} == {f"n{i}" for i in range(4)}


def hostile():
    """One graph, a chain, with all strings as names and as scopes."""
    y = tg.parameter(1.0, name="w")
    for text in LABELS + INVISIBLE:
        with tg.scope(text):
            y = y * 1
        y.name = text
    y.backward()
    return tg.draw(y, title="</text><script>alert(1)</script>", direction="TB", depth=9)


@pytest.fixture(scope="module")
def hostile_svg():
    return svg_of(hostile())


def test_hostile_text_does_not_smuggle_anything_into_svg(hostile_svg):
    tags = {element.tag.removeprefix(SVG) for element in hostile_svg.iter()}
    assert tags <= {"svg", "g", "title", "text", "path", "polygon", "ellipse", "polyline"}
    attributes = {key for element in hostile_svg.iter() for key in element.attrib}
    assert not any("href" in key or key.startswith("on") for key in attributes)
    values = " ".join(value for element in hostile_svg.iter() for value in element.attrib.values())
    assert "script" not in values
    assert "passwd" not in values
    assert "url" not in values.lower()


@pytest.mark.parametrize("text", [text for text in LABELS if text.strip()], ids=ascii)
def test_hostile_names_can_be_read_in_the_picture(text, hostile_svg):
    firsts = ["".join(lines) for lines in svg_boxes(hostile_svg).values()]
    wanted = re.sub(r" +", " ", visible(text))
    assert any(re.sub(r" +", " ", first).startswith(wanted) for first in firsts), text


def test_hostile_scopes_can_be_read_in_the_picture(hostile_svg):
    frames = {
        "".join("".join(text.itertext()) for text in group.iter(f"{SVG}text")).replace("\xa0", " ")
        for group in hostile_svg.iter(f"{SVG}g")
        if group.get("class") == "cluster"
    }
    missing = {visible(text) for text in LABELS if text.strip()} - frames
    assert not missing


@pytest.mark.parametrize("text", ["a\u0000b", "a\ufffeb", "\\N\\G", "&bogus;", "a\nb"], ids=ascii)
def test_hostile_titles_can_be_read_in_the_picture(text):
    root = svg_of(small(title=text))
    assert visible(text) in ["".join(element.itertext()) for element in root.iter(f"{SVG}text")]
    assert len(svg_boxes(root)) == 4


@pytest.mark.parametrize(("suffix", "magic"), [(".png", b"\x89PNG"), (".pdf", b"%PDF-")])
def test_hostile_text_comes_through_every_format(suffix, magic, tmp_path):
    content = hostile().save(tmp_path / f"hostile{suffix}").read_bytes()
    assert content.startswith(magic)
    assert b"javascript:" not in content
    assert b"/URI" not in content


def test_long_names_and_titles_are_cut():
    dot = Dot(small(name="n" * 1000, scope="s" * 1000, title="t" * 1000).source)
    texts = [*dot.title, dot.frames[0][0], *(line for lines in dot.lines.values() for line in lines)]
    assert max(map(len, texts)) <= 200


@pytest.mark.parametrize("text", INVISIBLE, ids=ascii)
def test_a_name_of_which_nothing_can_be_seen_is_none(text):
    (y,) = [tg.parameter([1.0, 2.0], name=text) * 2]
    assert set(Dot(tg.draw(y).source).nodes) == {"t1", "y"}
