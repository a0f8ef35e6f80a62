"""A step that was planned ahead and will not run is as if it had never been."""

from __future__ import annotations

import pytest
from frameworkctl.params import SamplingParams
from support.engine.scheduling import layout
from support.engine.scheduling_engine import Client, FakeEngine

FULL = layout(("full", 4))


def one(engine: FakeEngine, prompt: list[int], tokens: int, *, open: bool = False) -> Client:
    (client,) = engine.generate(prompt, SamplingParams(max_tokens=tokens, ignore_eos=True), open=open)
    return client


def test_what_is_taken_back_is_planned_again_in_full() -> None:
    engine = FakeEngine(FULL, extra=30, max_tokens=16)
    session = one(engine, [1] * 5, 3, open=True)
    gone, stays = one(engine, [2] * 2, 9), one(engine, [3] * 4, 9)
    engine.turn()
    engine.abort(gone)
    engine.append(session.seq.request, [4], final=False)
    one(engine, [3] * 6, 3)
    scheduler = engine.scheduler
    before = (stays.seq.pending, stays.seq.computed, stays.seq.known_to_runner)
    first = scheduler.schedule()
    assert first is not None
    assert all((first.plan.dropped, first.plan.new, first.plan.tokens, first.plan.pages))
    scheduler.retract(first)
    assert (stays.seq.pending, stays.seq.computed, stays.seq.known_to_runner) == before
    again = scheduler.schedule()
    assert again is not None
    for name in ("dropped", "new", "tokens", "pages", "scheduled"):
        assert getattr(again.plan, name) == getattr(first.plan, name), name
    assert again.plan.step != first.plan.step
    scheduler.retract(again)
    engine.drain()


def test_new_input_that_was_planned_is_told_later() -> None:
    engine = FakeEngine(FULL, extra=30, overlap=True)
    session = one(engine, [2] * 3, 3, open=True)
    engine.turn()
    other = one(engine, [1] * 3, 9)
    engine.turn()
    engine.append(session.seq.request, [5], final=True)
    engine.turn("sample")
    assert other.reason == "error"
    engine.drain()
    assert session.reason == "length"


@pytest.mark.parametrize("new", [False, True])
def test_the_preempted_stay_preempted(new: bool) -> None:
    """Their pages are gone, so the runner must hear of it although the step that said so did not run."""
    engine = FakeEngine(FULL, pages=7, max_model_len=24, max_tokens=16)
    first, second = one(engine, [1] * 6, 15), one(engine, [2] * 6, 15)
    for _ in range(30):
        step = engine.scheduler.schedule()
        assert step is not None
        engine.scheduler.retract(step)
        if engine.scheduler.preemptions:
            break
        engine.turn()
    assert (first.seq.epoch, second.seq.epoch) == (0, 1)
    if new:
        engine.abort(first)
    engine.turn()
    assert second.seq.id in engine.steps[-1].plan.dropped
    engine.drain()


def test_one_that_was_aborted_before_its_input_was_taken_back() -> None:
    """The runner drops it, and must not be told its tokens after that."""
    engine = FakeEngine(FULL, extra=30, overlap=True)
    session = one(engine, [2] * 3, 3, open=True)
    one(engine, [1] * 3, 9)
    engine.turn()
    engine.append(session.seq.request, [5], final=False)
    engine.turn("sample", during=lambda: engine.abort(session))
    one(engine, [1] * 3, 9)
    engine.drain()


def test_input_that_came_before_its_beginning_was_taken_back() -> None:
    """The runner hears of a session for the first time, with all of its tokens: none may be told again."""
    engine = FakeEngine(FULL)
    session = one(engine, [2] * 3, 3, open=True)
    step = engine.scheduler.schedule()
    assert step is not None
    engine.append(session.seq.request, [7], final=True)
    engine.scheduler.retract(step)
    engine.drain()
    assert session.reason == "length"
