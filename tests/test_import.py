"""What importing tinygraph costs and brings."""

import subprocess
import sys

EXTRAS = ["graphviz", "pygraphviz", "matplotlib", "sklearn", "tqdm", "torch", "jax"]
SLOW = ["difflib", "dis", "fractions", "subprocess", "tempfile"]
OPTIONAL = EXTRAS + SLOW


def test_importing_tinygraph_imports_no_extra():
    script = f"import sys, tinygraph; print([m for m in {OPTIONAL} if m in sys.modules])"
    already = subprocess.run(
        [sys.executable, "-c", script.replace("tinygraph", "numpy")], capture_output=True, text=True, check=True
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == already.stdout
