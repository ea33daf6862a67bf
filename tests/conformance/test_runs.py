"""Gradients are the same in a forked child, on every run, and in every thread."""

import os
import threading

import pytest
from processes import output, python

import tinygraph as tg


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_p18_a_forked_child_differentiates():
    script = """
        import os
        import numpy as np
        import tinygraph as tg

        W = tg.parameter(np.ones((200, 200)))
        y = (W @ W).sum()
        y.backward()
        z = (W @ W).sum()
        if os.fork() == 0:
            z.backward()
            os._exit(0 if W.grad[0, 0] == 800.0 else 1)
        _, status = os.wait()
        z.backward()
        print(os.waitstatus_to_exitcode(status), W.grad[0, 0])
    """
    process = python(script.replace("import os\n", "import os, warnings\n        warnings.simplefilter('ignore')\n", 1))
    assert output(process) == "0 800.0\n"


FAN_IN = """
import hashlib
import numpy as np
import tinygraph as tg


def gradients():
    rng = np.random.default_rng(0)
    x = tg.parameter(rng.standard_normal(64))
    parts = [tg.tanh(x * float(s)) for s in rng.standard_normal(40)]
    order = rng.permutation(40)
    y = sum(parts[i] * parts[j] for i, j in zip(order, order[::-1]))
    (y * y + x).sum().backward()
    second = tg.gradients(tg.gradients((tg.sigmoid(x) * x * x).sum(), x).sum(), x)
    return hashlib.sha256(x.grad.tobytes() + second.data.tobytes()).hexdigest()
"""


def test_p19_gradients_are_the_same_to_the_last_bit_on_every_run_and_in_every_thread():
    runs = [python(f"{FAN_IN}\nprint(gradients())", PYTHONHASHSEED=str(seed)) for seed in range(21)]
    scope = {}
    exec(FAN_IN, scope)
    found = {scope["gradients"]() for _ in range(100)}
    clutter = []  # other addresses, other ids

    def again():
        clutter.extend(tg.parameter(1.0) for _ in range(1000))
        found.add(scope["gradients"]())

    threads = [threading.Thread(target=again) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found |= {output(run).strip() for run in runs}
    assert len(found) == 1
