"""Policies with mistakes in them: what comes out must be clamped, and nobody may be left behind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from frameworkctl.interfaces.generation.scheduling import Load, Policy, RequestView
from frameworkctl.params import SamplingParams
from support.engine.scheduling import layout
from support.engine.scheduling_engine import Client, FakeEngine
from support.engine.scheduling_runner import PluginFailed

FULL = layout(("full", 4))


class Wrong(Policy):
    """Right everywhere but ``where``: there it gives (or raises) ``answer``, for requests from ``from_id`` on."""

    def __init__(self, where: str, answer: Any, from_id: int = 1) -> None:
        self.where, self.answer, self.from_id = where, answer, from_id

    def _say(self, where: str, request: RequestView, right: Any) -> Any:
        if where != self.where or request.id < self.from_id:
            return right
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def key(self, request: RequestView, now: float) -> Any:
        return self._say("key", request, super().key(request, now))

    def hold(self, request: RequestView, load: Load) -> Any:
        return self._say("hold", request, False)

    def cap(self, request: RequestView, want: int, load: Load) -> Any:
        return self._say("cap", request, want)

    def victim(self, running: Sequence[RequestView], need: RequestView) -> Any:
        return self._say("victim", need, len(running) - 1)


def one(engine: FakeEngine, prompt: list[int], tokens: int) -> Client:
    (client,) = engine.generate(prompt, SamplingParams(max_tokens=tokens, ignore_eos=True))
    return client


@pytest.mark.parametrize("answer", [2.5, 4.0, None, "all", float("nan")])
@pytest.mark.parametrize("where", ["cap", "victim"])
def test_an_answer_that_is_no_number_of_anything_is_clamped(where: str, answer: Any) -> None:
    engine = FakeEngine(FULL, pages=11, policy=Wrong(where, answer, from_id=2 if where == "cap" else 1))
    for n in range(3):
        one(engine, [n] * 9, 12)
    for _ in range(60):
        engine.turn()
    assert engine.clients[1].reason == "length"
    assert engine.scheduler.clamped


def test_keys_that_cannot_be_compared_do_not_end_the_engine() -> None:
    engine = FakeEngine(FULL, extra=30, policy=Wrong("key", ("late",), from_id=3))
    for n in range(4):
        one(engine, [n] * 3, 2)
    engine.drain()


@pytest.mark.parametrize("where", ["hold", "cap", "victim", "key"])
def test_planning_ahead_that_raises_leaves_nobody_behind(where: str) -> None:
    """The loop ends the step that runs; whoever was about to enter must be as if it had not been looked at."""
    policy = Wrong(where, PluginFailed(), from_id=1 if where == "victim" else 4)
    engine = FakeEngine(FULL, pages=11, policy=policy, overlap=True, max_tokens=16)
    one(engine, [1] * 3, 12)

    def more() -> None:
        """Requests that come while a step runs, so that the next turn plans them ahead."""
        for n in (2, 3):
            one(engine, [n] * 5, 30)
        policy.where, right = "nowhere", policy.where
        one(engine, [4] * 5, 30)
        policy.where = right

    engine.turn(during=more)
    for _ in range(30):
        engine.turn()
        if engine.clients[1].ended:
            break
    assert engine.clients[1].reason in ("error", "length")
    policy.where = "nowhere"
    engine.drain()
    assert all(c.reason in ("error", "length") for c in engine.clients.values())
