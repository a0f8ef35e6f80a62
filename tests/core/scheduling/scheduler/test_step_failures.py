"""A step or a plan that raises: some requests end, and all others go on as if it had never been."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from frameworkctl.params import SamplingParams
from support.engine.scheduling import layout
from support.engine.scheduling_engine import Client, FakeEngine

FULL = layout(("full", 4))


def one(engine: FakeEngine, prompt: list[int], tokens: int, *, open: bool = False) -> Client:
    (client,) = engine.generate(prompt, SamplingParams(max_tokens=tokens, ignore_eos=True), open=open)
    return client


def test_new_input_of_a_session_outlives_a_failed_step() -> None:
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


def test_a_session_that_is_aborted_while_a_step_fails() -> None:
    engine = FakeEngine(FULL, extra=30, overlap=True)
    session = one(engine, [2] * 3, 3, open=True)
    one(engine, [1] * 3, 9)
    engine.turn()
    engine.append(session.seq.request, [5], final=False)
    engine.turn("sample", during=lambda: engine.abort(session))
    one(engine, [1] * 3, 9)
    engine.drain()


class Injected(Exception):
    """The fault."""


PLANNING = ["lookup", "after", "coming", "admit", "extend", "free"]


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("call", [1, 2, 3])
@pytest.mark.parametrize("operation", PLANNING)
def test_planning_that_raises_ends_one_request(
    operation: str, call: int, done: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Few pages, so that sequences are preempted too. The stand-in checks all outputs, and that no page is lost."""
    engine = FakeEngine(FULL, pages=9, max_model_len=32, max_tokens=8, max_seqs=4)
    clients = [one(engine, [n] * 5, 12) for n in range(1, 7)]
    calls = 0
    inner: Callable[..., Any] = getattr(engine.cache, operation)

    def raising(*args: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call and not done:
            raise Injected
        result = inner(*args)
        if calls == call:
            raise Injected
        return result

    for _ in range(300):
        with monkeypatch.context() as patch:
            patch.setattr(engine.cache, operation, raising)
            try:
                engine.planned = engine.scheduler.schedule()
            except Injected:
                engine.runner.reset()
                for event in engine.scheduler.fail_planning("planning failed"):
                    engine._take(event)
        if not engine.turn():
            break
    assert calls >= call
    assert [c.error for c in clients].count("planning failed") == 1
    engine.drain()
