"""Whether operations are recorded, and in which scope: per thread and task, restored on every way out."""

import asyncio
import threading

import pytest

import tinygraph as tg


def recording():
    return (tg.parameter(1.0) * 2).requires_grad


def scope():
    return (tg.parameter(1.0) * 2).scope


def test_no_grad_and_enable_grad_nest_and_are_restored_in_order():
    seen = [recording()]
    with tg.no_grad():
        seen.append(recording())
        with tg.enable_grad():
            seen.append(recording())
            with tg.no_grad():
                seen.append(recording())
            seen.append(recording())
        seen.append(recording())
    seen.append(recording())
    assert seen == [True, False, True, False, True, False, True]


def test_results_without_recording_are_constants():
    w = tg.parameter([1.0, 2.0])
    with tg.no_grad():
        y = tg.sum(w * 2)
    assert y.op is None
    assert y.inputs == ()
    assert y.item() == 6.0
    with pytest.raises(tg.UnsupportedError, match="y does not depend on anything that requires a gradient"):
        y.backward()


def test_an_exception_restores_the_state():
    with pytest.raises(ZeroDivisionError), tg.no_grad(), tg.scope("inner"):
        raise ZeroDivisionError
    assert recording()
    assert scope() == ()


def test_one_object_can_be_entered_again_and_inside_itself():
    quiet = tg.no_grad()
    with quiet:
        with quiet:
            assert not recording()
        assert not recording()
    assert recording()
    with quiet:
        assert not recording()
    assert recording()


def test_as_a_decorator_on_a_function():
    @tg.no_grad()
    def evaluate(x):
        """Documented."""
        return x * 2, recording()

    y, inside = evaluate(tg.parameter(1.0))
    assert not y.requires_grad
    assert not inside
    assert evaluate.__name__ == "evaluate"
    assert evaluate.__doc__ == "Documented."
    assert recording()


def test_a_decorated_generator_does_not_leak_its_state_while_it_is_suspended():
    @tg.no_grad()
    def batches():
        received = []
        try:
            while True:
                received.append((yield recording()))
        except ValueError:
            yield received, recording()
        return "done"

    generator = batches()
    assert next(generator) is False
    assert recording()
    assert generator.send("a") is False
    assert recording()
    assert generator.throw(ValueError()) == (["a"], False)
    assert recording()
    with pytest.raises(StopIteration, match="done"):
        next(generator)


def test_closing_a_decorated_generator_runs_its_end_in_its_state():
    ends = []

    @tg.no_grad()
    def batches():
        try:
            yield 1
        finally:
            ends.append(recording())

    generator = batches()
    next(generator)
    generator.close()
    assert ends == [False]


def test_a_block_in_a_suspended_generator_ends_with_the_block_around_it():
    def batches():
        with tg.no_grad():
            yield 1
            yield 2

    with tg.scope("outer"):
        generator = batches()
        next(generator)
    assert recording()
    assert scope() == ()
    generator.close()
    assert recording()
    assert scope() == ()


def test_as_a_decorator_on_a_coroutine():
    @tg.no_grad()
    async def evaluate():
        await asyncio.sleep(0)
        return recording()

    async def main():
        return [await evaluate(), recording()]

    assert asyncio.run(main()) == [False, True]
    with pytest.raises(TypeError, match="async generator"):

        @tg.no_grad()
        async def stream():
            yield 1


def test_tasks_do_not_see_each_others_state():
    async def quiet(turn, other):
        with tg.no_grad():
            other.set()
            await turn.wait()
            return recording()

    async def loud(turn, other):
        await turn.wait()
        seen = recording()
        other.set()
        return seen

    async def main():
        first, second = asyncio.Event(), asyncio.Event()
        return await asyncio.gather(quiet(second, first), loud(first, second))

    assert asyncio.run(main()) == [False, True]


def test_a_new_thread_records_whatever_its_starter_does():
    seen = []
    with tg.no_grad(), tg.scope("outer"):
        thread = threading.Thread(target=lambda: seen.append((recording(), scope())))
        thread.start()
        thread.join()
    assert seen == [(True, ())]


def test_scopes_nest_and_go_to_every_node_made_inside():
    with tg.scope("network"):
        w = tg.parameter(1.0)
        with tg.scope("layer 1"):
            z = w * 2 + 1
        y = z * 3
    assert w.scope == y.scope == ("network",)
    assert z.scope == z.inputs[0].scope == ("network", "layer 1")
    assert (y * 1).scope == ()


def test_a_scope_decorates_a_layer():
    @tg.scope("dense")
    def dense(x):
        return tg.tanh(x)

    assert dense(tg.parameter(1.0)).scope == ("dense",)


def test_a_scope_is_named_by_a_string():
    with pytest.raises(TypeError, match="a string, not int"):
        tg.scope(3)
