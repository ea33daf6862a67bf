"""Separate interpreters, which a test may crash, and whose output does not depend on the machine's settings."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

TESTS = Path(__file__).parent
FOUND = os.pathsep.join(map(str, (TESTS.parent, TESTS)))  # tinygraph, and what the tests share


def python(script, *args, cwd=None, **environment):
    """Start an interpreter that runs the text of a script, or a file, and treats warnings as errors."""
    code = [str(script)] if isinstance(script, Path) else ["-c", textwrap.dedent(script)]
    return subprocess.Popen(
        [sys.executable, "-X", "faulthandler", "-W", "error", *code, *args],
        env={**os.environ, "PYTHONUTF8": "1", "PYTHONPATH": FOUND, **environment},
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def output(process):
    """Wait until a process has ended without an error, and return the text that it printed."""
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, f"exit code {process.returncode}\n{err[-2000:]}"
    return out
