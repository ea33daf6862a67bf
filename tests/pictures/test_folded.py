"""Pictures of large graphs: folded so that a screen can show them, each part in full inside its box."""

import inspect
import sys

import numpy as np
import pytest
from drawn import Dot, drawing_of, two_layers
from models import MODELS, deep, recurrent, tangle, transformer

import tinygraph as tg
from tinygraph.pictures.fitting import MOST_BOXES
from tinygraph.writing.notation import as_text

DRAWN = {
    **MODELS,
    "tangle": lambda: tangle(1_500),
}


def drawing(output, **options):
    return tg.draw(output, **options)._drawing


def drawings(drawn):
    """A drawing and all inside it."""
    yield drawn
    for box in drawn.boxes:
        if box.inner is not None:
            yield from drawings(box.inner)


def titles(drawn):
    return [as_text(box.title) for box in drawn.boxes]


def groups(drawn):
    return {as_text(box.title): box for box in drawn.boxes if box.role == "group"}


def joined(drawn):
    """Which titles an edge joins."""
    return {(as_text(edge.source.title), as_text(edge.target.title)) for edge in drawn.edges}


@pytest.fixture(scope="module", params=DRAWN.values(), ids=DRAWN)
def model(request):
    return request.param()


# -- what fits on a screen -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"detail": "ops"}, {"depth": 0}], ids=str)
def test_no_picture_has_more_boxes_than_a_screen_can_show(model, options):
    for drawn in drawings(drawing(model, **options)):
        assert 1 <= len(drawn.boxes) <= MOST_BOXES


def test_edges_join_the_boxes_of_their_picture(model):
    for drawn in drawings(drawing(model)):
        boxes = set(drawn.boxes)
        assert len(boxes) == len(drawn.boxes)
        assert all(edge.source in boxes and edge.target in boxes for edge in drawn.edges)
        assert len({(edge.source, edge.target, edge.carried) for edge in drawn.edges}) == len(drawn.edges)
        assert all(box.role != "outside" or box.inner is None for box in drawn.boxes)


def test_edges_lead_onwards_but_for_what_is_carried_to_the_next_copy(model):
    for drawn in drawings(drawing(model)):
        place = {box: i for i, box in enumerate(drawn.boxes)}
        for edge in drawn.edges:
            assert edge.carried or place[edge.source] < place[edge.target]


def test_every_box_is_joined_to_another(model):
    for drawn in drawings(drawing(model)):
        touched = {box for edge in drawn.edges for box in (edge.source, edge.target)}
        assert len(drawn.boxes) == 1 or touched == set(drawn.boxes)


def test_all_tensors_that_have_boxes_are_found_inside_once(model):
    found = [box for drawn in drawings(drawing(model)) for box in drawn.boxes if box.role not in ("group", "outside")]
    nodes = [box.node for box in found]
    assert len(set(nodes)) == len(nodes)
    assert tg.toposort(model)[-1] in set(nodes)


def test_the_same_is_drawn_each_time(model):
    assert tg.draw(model).source == tg.draw(model).source


def test_a_small_graph_is_not_folded():
    for scopes in (False, True):
        J = two_layers(scopes=scopes)
        frame = inspect.currentframe()
        flat = drawing_of(J, frame)
        assert titles(drawing(J)) == titles(flat)
        assert [box.scope for box in drawing(J).boxes] == [box.scope for box in flat.boxes]
        assert not groups(drawing(J))


def test_opened_in_full_it_is_the_graph_as_it_is():
    J = tangle(300)
    flat = drawing_of(J, inspect.currentframe())
    full = drawing(J, depth=99)
    assert {box.node for box in full.boxes} == {box.node for box in flat.boxes}
    edges = [
        {(edge.source.node, edge.target.node, edge.label, edge.differentiable) for edge in drawn.edges}
        for drawn in (flat, full)
    ]
    assert edges[0] == edges[1]


# -- what repeats --------------------------------------------------------------------------------------------------


def test_a_transformer_is_a_block_times_twelve():
    J = transformer()
    (block,) = groups(drawing(J, depth=0)).values()
    assert (block.count, block.value[:6]) == (12, "6 × 12")
    assert as_text(block.title).endswith(" ×12")
    (heads,) = (box for box in block.inner.boxes if box.count > 1)
    assert heads.count == 6
    assert "head₁ = weights₁ v₁" in titles(heads.inner)


def test_a_transformer_with_scopes_shows_them():
    J = transformer(scopes=True)
    assert [x.split(" = ")[0] for x in titles(drawing(J, depth=0))] == [
        *("words_in", "embedding", "mask", "block ×12", "W", "logits", "words_out", "J")
    ]
    (once,) = drawing(J).repeated
    assert once == ("block ×12, the first shown",)
    assert {box.scope for box in drawing(J).boxes} == {(), ("embedding",), once}
    assert [as_text(box.title) for box in drawing(J).boxes if box.scope == once] == ["attention", "mlp"]


def test_a_recurrent_net_is_one_step_that_goes_round():
    drawn = drawing(recurrent())
    assert [x for x in titles(drawn) if "=" in x] == ["h₂ = tanh(W h₁ + U x₁ + b)", "J = Σ (V h₁₀₁)²"]
    assert drawn.repeated == {("h₂ … h₁₀₁ ×100, the first shown",)}
    (loop,) = [edge for edge in drawn.edges if edge.carried]
    assert loop.source is loop.target
    assert loop.label == "next"


def test_what_is_folded_goes_round_too():
    drawn = drawing(recurrent(), depth=0)
    (steps,) = groups(drawn).values()
    assert [(edge.source, edge.carried) for edge in drawn.edges if edge.target is steps and edge.source is steps] == [
        (steps, True)
    ]
    assert {as_text(edge.source.title) for edge in drawn.edges if edge.target is steps} == {
        *("U", "W", "b", "h₁", "h₂ … h₁₀₁ ×100")
    }


def test_what_goes_round_within_a_folded_scope_is_not_seen():
    x = tg.parameter(np.ones(3), name="x")
    with tg.scope("net"):
        y = tg.exp(x)
        for _ in range(50):
            y = tg.sin(tg.tanh(y))
        z = tg.exp(y)
    J = tg.sum(z)
    net = groups(drawing(J, depth=0))["net"]
    assert joined(drawing(J, depth=0)) == {("net", "J = Σ z")}
    assert any(edge.carried for edge in net.inner.edges)


def test_heads_side_by_side_do_not_go_round():
    (block,) = groups(drawing(transformer(), depth=0)).values()
    (heads,) = (box for box in block.inner.boxes if box.count > 1)
    assert not any(edge.source is edge.target for edge in block.inner.edges if edge.source is heads)


def test_nothing_is_folded_across_a_block_that_differs():
    counts = [box.count for box in groups(drawing(transformer(odd=4), depth=0)).values()]
    assert [count for count in counts if count > 1] == [5, 7]


def test_a_box_of_copies_stands_for_what_comes_out_of_the_last():
    J = recurrent()
    J.backward()
    (steps,) = groups(drawing(J, depth=0)).values()
    assert steps.node is [x for x in tg.toposort(J) if x.name == "h"][-1]
    assert as_text(steps.gradient) == f"dh₁₀₁   ‖·‖ {np.linalg.norm(steps.node.grad):.4g}"
    assert steps.inner.caption == "the first of 100"


def test_before_backward_the_gradient_of_a_group_is_a_dash():
    (steps,) = groups(drawing(recurrent(), depth=0)).values()
    assert as_text(steps.gradient) == "dh₁₀₁   –"


def test_a_group_counts_its_parameters():
    (layers,) = groups(drawing(deep(), depth=0)).values()
    assert layers.value == "8 × 20   720 parameters in 20 tensors"
    wide = [tg.parameter(np.zeros((300, 300))) for _ in range(50)]
    (leaves,) = groups(drawing(tg.stack(wide), depth=0)).values()
    assert leaves.value == "300 × 300   4.5 million parameters in 50 tensors"


def test_a_leaf_that_only_one_layer_reads_is_inside_and_shared_ones_are_outside():
    shared = tg.Tensor(np.ones(3), name="shared")
    x = tg.parameter(np.ones(3), name="x")
    for i in range(30):
        with tg.scope(f"layer {i}"):
            w = tg.parameter(np.ones(3))
            x = tg.tanh(x * w + shared)
    J = tg.sum(x)
    drawn = drawing(J, depth=0)
    assert "shared" in titles(drawn)
    inside = titles(groups(drawn)["layer ×29" if "layer ×29" in groups(drawn) else "layer ×30"].inner)
    assert any(title.startswith("w") for title in inside)


# -- what is inside ------------------------------------------------------------------------------------------------


def test_inside_it_is_said_what_comes_from_outside_and_where_it_goes():
    (steps,) = groups(drawing(recurrent(), depth=0)).values()
    outside = [as_text(box.title) for box in steps.inner.boxes if box.role == "outside"]
    assert sorted(outside) == ["J", "U", "W", "b", "h₁"]
    assert all(box.gradient is None and box.value == "" for box in steps.inner.boxes if box.role == "outside")
    assert ("h₂ = tanh(W h₁ + U x₁ + b)", "J") in joined(steps.inner)


def test_of_much_that_is_outside_the_rest_is_counted():
    parts = [tg.parameter(np.ones((2, n + 1)), name=f"p{n}") for n in range(60)]
    with tg.scope("join"):
        y = tg.concat([tg.tanh(part) for part in parts], axis=1)
    z = tg.sum(y * y)
    for drawn in drawings(drawing(z, focus="join")):
        outside = [as_text(box.title) for box in drawn.boxes if box.role == "outside"]
        assert len(outside) <= 12
    order = tg.toposort(z)
    around = drawing(z, focus=next(x for x in order if x.name == "y"), radius=0)
    assert any(title.startswith("… ") and title.endswith(" more") for title in titles(around))


# -- depth ---------------------------------------------------------------------------------------------------------


def test_depth_is_how_many_levels_are_open():
    J = two_layers(scopes=True)
    assert [x.split(" = ")[0] for x in titles(drawing(J, depth=0))] == ["X", "layer 1", "layer 2", "Y", "J"]
    opened = drawing(J, depth=1)
    flat = drawing_of(J, inspect.currentframe())
    assert sorted(titles(opened)) == sorted(titles(flat))
    assert {as_text(box.title): as_text(box.gradient or []) for box in opened.boxes} == {
        as_text(box.title): as_text(box.gradient or []) for box in flat.boxes
    }


def test_each_level_opens_what_the_one_above_has_folded():
    J = transformer(scopes=True)
    sizes = [len(drawing(J, depth=depth).boxes) for depth in range(5)]
    assert sizes[0] < sizes[1] < sizes[2] < sizes[3] == sizes[4]
    assert not groups(drawing(J, depth=3))


@pytest.mark.parametrize("wrong", [-1, 1.5, "1", True])
def test_a_wrong_depth_or_radius_is_refused(wrong):
    for option in ("depth", "radius"):
        with pytest.raises(tg.ArgumentError, match=f"{option} is how many"):
            tg.draw(two_layers(), **{option: wrong})


# -- focus ---------------------------------------------------------------------------------------------------------


def test_a_neighbourhood_is_what_is_a_few_boxes_away():
    J = two_layers()
    drawn = drawing(J, focus="A1", radius=1)
    inside = [x for x, box in zip(titles(drawn), drawn.boxes, strict=True) if box.role != "outside"]
    assert [x.split(" = ")[0] for x in inside] == ["Z1", "A1", "Z2"]
    assert {as_text(box.title) for box in drawn.boxes if box.role == "outside"} == {"W1", "X", "b1", "W2", "b2", "A2"}
    assert drawn.caption.startswith("around A1")
    assert as_text(next(box for box in drawn.boxes if box.role == "operation").gradient).startswith("dZ1 = W2ᵀ dZ2")


def test_the_focus_is_a_tensor_or_its_name():
    J = two_layers()
    Z2 = next(x for x in tg.toposort(J) if x.name == "Z2")
    assert titles(drawing(J, focus=Z2)) == titles(drawing(J, focus="Z2"))
    assert titles(drawing(J, focus=Z2, radius=0))[-2:] == ["Z2 = W2 A1 + b2", "A2"]


def test_the_whole_of_a_small_graph_is_in_reach():
    J = two_layers()
    drawn = drawing(J, focus=J, radius=9)
    assert sorted(titles(drawn)) == sorted(titles(drawing(J)))


def test_a_part_of_an_expression_is_found_in_its_box():
    J = two_layers()
    products = [x for x in tg.toposort(J) if x.op is not None and x.op.name == "matmul"]
    assert "Z1 = W1 X + b1" in titles(tg.draw(J, focus=products[0], radius=0)._drawing)
    x = tg.parameter([1.0, 2.0])
    three = tg.Tensor(3.0)
    y = x * tg.Tensor(2.0) + three * x
    assert all(drawing(y, focus=node).boxes for node in tg.toposort(y))


def test_one_of_many_tensors_of_a_name_is_told_by_its_number():
    J = recurrent()
    assert "h₅₀ = tanh(W h₄₉ + U x₄₉ + b)" in titles(drawing(J, focus="h50", radius=0))
    assert titles(drawing(J, focus="h₅₀")) == titles(drawing(J, focus="h50"))
    with pytest.raises(tg.ArgumentError, match=r"101 tensors are called h: h₁, h₂, h₃, .* say which"):
        tg.draw(J, focus="h")


def test_what_is_shared_by_many_does_not_fill_the_page():
    J = recurrent()
    U = next(x for x in tg.toposort(J) if x.shape == (5, 5) and x.op is None)
    for radius in (1, 2, 5):
        assert len(drawing(J, focus=U, radius=radius).boxes) <= MOST_BOXES


def test_the_focus_may_be_a_scope():
    J = transformer(scopes=True)
    drawn = drawing(J, focus="embedding")
    assert [x.split(" = ")[0] for x in titles(drawn)][:4] == ["words_in", "E", "P", "x₁"]
    assert drawn.caption == "inside embedding"
    assert drawing(J, focus="block 3/mlp").caption == "inside block 3/mlp"
    third = drawing(J, focus="block 3")
    assert len(third.boxes) <= MOST_BOXES
    assert "attention" in titles(third) or any("attention" in box.scope for box in third.boxes)


def test_a_focus_that_is_not_there_is_told_and_others_named():
    J = two_layers(scopes=True)
    with pytest.raises(tg.ArgumentError, match="nothing in the graph of J is called 'A7'; there are A2, A1"):
        tg.draw(J, focus="A7")
    with pytest.raises(tg.ArgumentError, match=r"nothing in the graph of J is called '☃'; there are J, A2, .*layer 1"):
        tg.draw(J, focus="☃")
    stranger = tg.parameter([1.0])
    with pytest.raises(tg.ArgumentError, match="stranger is not among the tensors that J was computed from"):
        tg.draw(J, focus=stranger)
    with pytest.raises(TypeError, match="focus is a tensor or the name of one"):
        tg.draw(J, focus=5)


def test_a_title_stands_only_over_a_picture_of_the_output():
    J = two_layers()
    assert Dot(tg.draw(J, focus="J", radius=0).source).title[0] == f"J = {J.item():.4g}"
    assert Dot(tg.draw(J, focus="X", radius=0).source).title[0] == "forward in blue"


# -- as pictures ---------------------------------------------------------------------------------------------------


def test_a_folded_picture_can_be_laid_out(model, tmp_path):
    assert tg.draw(model).save(tmp_path / "net.svg").stat().st_size > 2_000


def test_a_group_looks_different_from_all_others():
    J = two_layers(scopes=True)
    J.backward()
    nodes = Dot(tg.draw(J, depth=0).source).nodes
    assert nodes["layer 1"]["shape"] == "box3d"
    assert [node for node, found in nodes.items() if found.get("shape") == "box3d"] == ["layer 1", "layer 2"]
    around = Dot(tg.draw(J, focus="Z1", radius=0).source).nodes
    assert "dotted" in around["A[1]"]["style"]


@pytest.mark.parametrize("direction", ["LR", "TB"])
def test_what_goes_round_does_not_move_the_layout(direction):
    source = tg.draw(recurrent(), direction=direction).source
    loops = [line for line in source.splitlines() if "constraint=false" in line]
    assert len(loops) == 2
    frame = next(frame for frame, _, _ in Dot(source).frames)
    assert frame == "h₂ … h₁₀₁ ×100, the first shown"


def test_folded_groups_of_one_name_are_told_apart():
    x = tg.parameter(np.ones(3), name="x")
    for part in range(3):
        for _ in range(20):
            with tg.scope("same"):
                x = tg.tanh(x) if part % 2 else tg.sin(tg.exp(x))
    J = tg.sum(x)
    scopes = [box.scope for box in drawing(J, depth=9).boxes if box.scope]
    assert len(set(scopes)) >= 2


# -- large graphs --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "large",
    [lambda: recurrent(2_000), lambda: tangle(7_000), lambda: transformer(100)],
    ids=["recurrent", "tangle", "transformer"],
)
def test_ten_thousand_operations_are_folded_without_recursion(large):
    J = large()
    assert len(tg.toposort(J)) > 10_000
    limit = sys.getrecursionlimit()
    depth = len(inspect.stack())
    sys.setrecursionlimit(depth + 150)
    try:
        picture = tg.draw(J)
        assert len(picture._drawing.boxes) <= MOST_BOXES
        assert len(picture.source) < 50_000
        around = tg.draw(J, focus=tg.toposort(J)[5_000])
        assert len(around._drawing.boxes) <= MOST_BOXES
    finally:
        sys.setrecursionlimit(limit)


def test_a_picture_holds_no_more_pictures_than_a_page_can():
    drawn = drawing(tangle(3_000))
    assert 20 < len(list(drawings(drawn))) <= 51
    assert all(box.inner is not None for box in groups(drawn).values())


def test_of_a_graph_that_is_too_large_a_neighbourhood_can_be_seen():
    h = tg.parameter([1.0, 2.0], name="start")
    for _ in range(30_000):
        h = tg.tanh(h) * 2
    J = tg.sum(h)
    assert "too large to draw" in tg.draw(J)._drawing.caption
    drawn = drawing(J, focus="start", radius=3)
    assert 4 <= len(drawn.boxes) <= 8
    assert titles(drawn)[0] == "start"


# -- as text -------------------------------------------------------------------------------------------------------


def test_as_text_too_it_is_said_what_stands_for_many():
    lines = [line.split("   ")[0].rstrip() for line in str(tg.draw(recurrent())).splitlines()]
    start = lines.index("h₂ … h₁₀₁ ×100, the first shown:")
    assert str(tg.draw(recurrent())).splitlines()[start + 2].startswith("  h₂ = tanh(W h₁ + U x₁ + b)   (5,)")
    assert not str(tg.draw(recurrent())).splitlines()[start + 3].startswith(" ")


def test_a_scope_in_focus_is_open():
    drawn = drawing(transformer(scopes=True), focus="block 3/attention", depth=0)
    assert {"attention", "block 3"}.isdisjoint(titles(drawn))
    assert len(drawn.boxes) > 4
