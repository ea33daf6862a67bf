"""What the laws do not say of comparisons and logic: operators, broadcasting, recording."""

import operator

import numpy as np
import pytest

import tinygraph as tg
from tinygraph.graph.replaying import evaluate

LOGIC = [operator.and_, operator.or_, operator.xor]
SHIFTS = [operator.lshift, operator.rshift]


@pytest.mark.parametrize("apply", [*LOGIC, *SHIFTS], ids=lambda f: f.__name__)
@pytest.mark.parametrize("other", [3, np.array([1, 2]), [[2], [1]], np.int8(1)], ids=str)
def test_operators_on_whole_numbers_are_numpys_on_either_side(apply, other):
    a = np.array([5, 12])
    for way in (lambda x: apply(x, other), lambda x: apply(other, x)):
        y = way(tg.Tensor(a))
        assert type(y) is tg.Tensor
        assert not y.requires_grad
        np.testing.assert_array_equal(y.data, way(a), strict=True)


@pytest.mark.parametrize("apply", LOGIC, ids=lambda f: f.__name__)
def test_masks_are_combined_and_recorded(apply):
    x = tg.parameter([-1.0, 0.5, 2.0])
    mask = apply(x > 0, x < 1)
    assert mask.dtype == bool
    assert mask.data.tolist() == apply(x.data > 0, x.data < 1).tolist()
    again = evaluate([mask], {x: tg.Tensor([0.5, -1.0, 0.25])})[0]
    assert again.data.tolist() == apply(np.array([1, 0, 1]) > 0, np.array([1, 1, 1]) > 0).tolist()
    assert (~mask).data.tolist() == (~mask.data).tolist()
    assert (True & mask).data.tolist() == mask.data.tolist()


@pytest.mark.parametrize("apply", [*LOGIC, *SHIFTS], ids=lambda f: f.__name__)
def test_floats_have_no_bits(apply):
    for attempt in (
        lambda: apply(tg.parameter(1.0), 1),
        lambda: apply(1, tg.parameter(1.0)),
        lambda: ~tg.parameter(1.0),
    ):
        with pytest.raises(TypeError, match="not supported for the input types"):
            attempt()


def test_a_mask_of_several_conditions_chooses():
    x = tg.parameter([-1.0, 0.5, 2.0])
    tg.where((x > 0) & (x < 1), x * x, 0.0).sum().backward()
    assert x.grad.tolist() == [0.0, 1.0, 0.0]


@pytest.mark.parametrize("equal_nan", [True, False])
def test_what_is_close_is_numpys_answer(equal_nan):
    x = np.array([1.0, 1.0 + 1e-9, np.nan, np.inf, -np.inf, 1e-9])
    for ours, theirs in ((tg.isclose, np.isclose), (tg.allclose, np.allclose), (tg.array_equal, np.array_equal)):
        for y in (x, x[::-1].copy(), x[:, None]):
            answer = ours(tg.Tensor(x, requires_grad=True), y, equal_nan=equal_nan)
            assert not answer.requires_grad
            assert np.array_equal(answer.data, theirs(x, y, equal_nan=equal_nan))
    assert bool(tg.allclose([1.0, 2.0], [1.0, 2.0 + 1e-9])) is True
    assert bool(tg.allclose([1.0], [1.1], rtol=0.2)) is True


def test_notation_of_logic():
    from tinygraph.writing.names import names_of
    from tinygraph.writing.notation import Writer, as_text

    x, y = tg.Tensor([1.0, 2.0], name="x"), tg.Tensor([2.0, 1.0], name="y")
    for node, text in (
        ((x > 0) & (y < 1), "x > 0 ∧ y < 1"),
        (((x > 0) | (y > 0)) & (x < 1), "(x > 0 ∨ y > 0) ∧ x < 1"),
        ((x > 0) | ((y > 0) & (x < 1)), "x > 0 ∨ y > 0 ∧ x < 1"),
        (~(x > 0), "¬(x > 0)"),
        (tg.floor(x + y), "⌊x + y⌋"),
        ((x + y) % 2, "(x + y) mod 2"),
        (x % (y % 3), "x mod (y mod 3)"),
    ):
        names = {leaf: name for leaf, name in names_of(tg.toposort(node)).items() if leaf is x or leaf is y}
        assert as_text(Writer(names, lambda n: n is not x and n is not y).expression(node)) == text
