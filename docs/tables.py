"""Write the parts of the documentation that come from tables of the code. Run by `make docs-tables`.

These are docs/functions.md, docs/slips.md, and the numbers of functions in README.md.
"""

import re
from pathlib import Path

import functions
import slips

README = Path(__file__).parent.parent / "README.md"


def counted(readme, page):
    """Return the text of the README with the numbers of functions from the top of the page of all functions."""
    every, differentiable = re.search(r"^(\d+) functions, (\d+) of them", page, re.MULTILINE).groups()
    readme = re.sub(r"\[\d+ functions\]\(docs/functions\.md\)", f"[{every} functions](docs/functions.md)", readme)
    return re.sub(r"\d+ of them have gradients", f"{differentiable} of them have gradients", readme)


if __name__ == "__main__":
    page = functions.table()
    functions.PAGE.write_text(page, encoding="utf-8")
    slips.PAGE.write_text(slips.table(slips.outcomes()), encoding="utf-8")
    README.write_text(counted(README.read_text(encoding="utf-8"), page), encoding="utf-8")
