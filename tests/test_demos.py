"""Each demo runs, prints the expected text, and writes its pictures."""

import re
from pathlib import Path

import pytest
from processes import output, python

DEMOS = Path(__file__).parent.parent / "demos"
PICTURES = {
    "two_layer_net": [
        *("two_layer_net.png", "two_layer_net.svg", "two_layer_net.pdf", "two_layer_net.html"),
        *("cost_curve.png", "decision_boundary.png"),
    ],
    "logistic_regression": ["logistic_regression.png"],
    "large_graphs": ["transformer.png", "transformer.html", "attention.png", "recurrent.png"],
}


def run(name: str, folder: Path) -> str:
    return output(python(DEMOS / f"{name}.py", cwd=folder))


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    pytest.importorskip("sklearn", reason="the demos need the extra `demo`")
    folder = tmp_path_factory.mktemp("demos")
    return folder, {path.stem: run(path.stem, folder) for path in sorted(DEMOS.glob("*.py"))}


def test_the_main_demo_learns(outputs):
    _, said = outputs
    match = re.search(r"([\d.]+)% on the \d+ training examples, ([\d.]+)% on the \d+ held out", said["two_layer_net"])
    assert match
    assert float(match[2]) > 95
    flower = re.search(r"flower: ([\d.]+)%", said["two_layer_net"])
    assert flower
    assert float(flower[1]) > 90


def test_the_main_demo_prints_the_six_gradients_shapes(outputs):
    shapes = re.findall(r"^  (\w+) (\(.*?\)) +d\1 (\(.*?\))$", outputs[1]["two_layer_net"], re.MULTILINE)
    assert [name for name, *_ in shapes] == ["Z2", "W2", "b2", "Z1", "W1", "b1"]
    assert all(foo == dfoo for _, foo, dfoo in shapes)


@pytest.mark.parametrize("name", PICTURES)
def test_the_pictures_are_there(outputs, name):
    folder, _ = outputs
    for picture in PICTURES[name]:
        assert (folder / "out" / picture).stat().st_size > 5_000


def test_the_gradients_by_hand_agree(outputs):
    said = outputs[1]["logistic_regression"]
    assert len(set(re.findall(r"dz = (?:a − y, in one step     = )?(-?[\d.]+)", said))) == 1


def test_a_loop_and_columns_agree_and_columns_are_faster(outputs):
    said = outputs[1]["vectorisation"]
    assert all(float(difference) < 1e-14 for difference in re.findall(r"difference (\S+)", said))
    assert int(re.search(r"(\d+) times faster", said)[1]) > 5


def test_the_equations_are_the_lectures_and_agree(outputs):
    said = outputs[1]["equations"]
    assert "dZ2 = A2 − Y " in said
    assert "dW2 = (1/m) dZ2 A1ᵀ " in said
    assert "dA1 = W2ᵀ dZ2" in said
    differences = re.findall(r"largest difference (\S+)", said)
    assert len(differences) == 4
    assert all(float(difference) < 1e-12 for difference in differences)


def test_units_that_start_equal_stay_equal(outputs):
    units = dict(re.findall(r"^(zeros|all 0.5|small normal|Xavier|He) +(\d) of 4", outputs[1]["initialisation"], re.M))
    assert units == {"zeros": "1", "all 0.5": "1", "small normal": "4", "Xavier": "4", "He": "4"}


def test_each_slip_is_named(outputs):
    said = outputs[1]["check_my_backprop"]
    assert "all agree" in said
    assert "dW2 lacks the factor 1/m, so it is 400 times too large" in said
    assert "dZ1 has Z1 where A1 belongs in tanh′(Z1)" in said
    assert "dW1   follows from your dZ1" in said
    assert "db1 is summed over the 4 rows and the 400 columns, but b1 is repeated along the 400 columns" in said
