"""What the report says."""

import numpy as np
import pytest

import tinygraph as tg


@pytest.fixture
def report():
    w, x = tg.parameter([1.0, 2.0]), tg.Tensor([3.0, 4.0])
    z = w * x
    J = tg.sum(z * z)
    return tg.check_backprop(J, dz=2 * z.data, dw=-2 * z.data * x.data)


def test_it_reads_from_the_first_that_is_wrong(report):
    assert str(report) == repr(report)
    assert str(report).splitlines() == [
        "dw has the wrong sign",
        "",
        "dz   agrees",
        "dw   wrong: dw = dz ∗ x; at [1] you have −64, it should be 64",
    ]


def test_it_is_a_sequence_by_position_and_by_name(report):
    assert len(report) == 2
    assert report[1] is report["dw"] is report.table[1]
    assert [c.name for c in report[:1]] == ["dz"]
    assert not report.ok
    assert (report.first, report.cause, report.convention) == ("dw", "sign", "lecture")
    with pytest.raises(KeyError, match="dx was not given; the given gradients are dz, dw"):
        report["dx"]


def test_a_comparison_has_the_numbers(report):
    assert report["dw"].index == (1,)
    assert report["dw"].error == 128.0
    assert report["dw"].expected.tolist() == [18.0, 64.0]
    assert report["dz"].cause is None
    assert repr(report["dw"]) == "dw has the wrong sign"


def test_numbers_have_the_digits_that_tell_them_apart():
    w = tg.parameter(np.pi)
    J = w * 1.0
    assert "you have 1.00002, it should be 1" in str(tg.check_backprop(J, dw=1.00002))


def test_a_wrong_shape_has_no_index():
    w = tg.parameter([[1.0, 2.0, 3.0]])
    J = tg.sum(w * w)
    comparison = tg.check_backprop(J, dw=[[2.0], [4.0]])["dw"]
    assert comparison.index is None
    assert np.isnan(comparison.error)
    assert "it has shape (2, 1), and should have (1, 3)" in comparison.details
    assert comparison.cause == "shape"
