"""Each check of protocol.json has a test in this folder, whose name begins with the id of the check."""

import json
import re
from pathlib import Path

HERE = Path(__file__).parent
PROTOCOL = json.loads((HERE / "protocol.json").read_text(encoding="utf-8"))


def test_every_check_of_the_protocol_has_a_test():
    tests = "".join(path.read_text(encoding="utf-8") for path in HERE.glob("test_*.py"))
    tested = {number.upper() for number in re.findall(r"^def test_(p\d\d)_", tests, re.MULTILINE)}
    assert tested == {check["id"] for check in PROTOCOL}
