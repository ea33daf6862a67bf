"""Public functions answer wrong arguments with a message of their own, never with an internal error."""

import inspect

import numpy as np
import pytest

import tinygraph as tg
from tinygraph.graph.records import OPS

FUNCTIONS = [
    name
    for name in tg.__all__
    if callable(function := getattr(tg, name)) and not (inspect.isclass(function) and issubclass(function, Exception))
]
INSIDE = (AttributeError, KeyError, RecursionError, UnboundLocalError, AssertionError, ZeroDivisionError, StopIteration)


class Thing:
    pass


def wrong():
    deep = [1.0]
    for _ in range(500):
        deep = [deep]
    return [
        *(None, "text", b"\1", Thing(), Thing, {"a": 1.0}, [], {}, (), -1, 1.5, 1j, True, {1}, range(3), slice(None)),
        *(np.zeros(0), np.array(["a"]), np.array([None]), np.ones((2, 3)), np.float32, np.datetime64("2020-01-01")),
        *(deep, [[1.0], [1.0, 2.0]], (x for x in [1.0]), lambda x: None, lambda: None, ValueError("text")),
        *(np.ma.array([1.0], mask=[True]), tg.parameter([1.0, 2.0]), tg.tanh(tg.Tensor(1.0))),
    ]


def of_the_right_kind(name):
    if name in ("draw", "summary", "derive", "why", "gradients", "toposort"):
        return tg.sum(tg.parameter([1.0, 2.0]) * 2.0)
    return tg.parameter(np.ones((2, 2))) if name in OPS else lambda x: tg.sum(x * x)


def answer(function, *args, **kwargs):
    """Call a function, and the function that it returns if any; return an internal error that comes out, or None."""
    try:
        result = function(*args, **kwargs)
        if callable(result) and not isinstance(result, (type, Thing)):
            result(np.ones(2))
    except INSIDE as error:
        return error
    except IndexError as error:  # of arrays, where it says so
        return error if str(error).startswith(("list index", "tuple index", "pop from")) else None
    except Exception:
        pass
    return None


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FUNCTIONS)
def test_wrong_arguments_are_answered_in_words(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    function = getattr(tg, name)
    try:
        parameters = [p for p in inspect.signature(function).parameters.values() if p.kind is not p.VAR_POSITIONAL]
    except ValueError:
        parameters = []
    for i, x in enumerate(wrong()):
        again = wrong()[i]  # generators run once
        assert answer(function, x) is None, f"{name}({x!r:.50})"
        assert answer(function, of_the_right_kind(name), again) is None, f"{name}(…, {x!r:.50})"
        for p in parameters[1:]:
            if p.kind is not p.VAR_KEYWORD:
                found = answer(function, of_the_right_kind(name), **{p.name: wrong()[i]})
                assert found is None, f"{name}(…, {p.name}={x!r:.50})"
