"""Policies order; what they may not break, whatever they answer, is that every request ends and no page is lost."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from frameworkctl.interfaces.generation.scheduling import Load, Policy, RequestView
from frameworkctl.params import SamplingParams
from frameworkctl.scheduling.policies import FirstComeFirstServed
from hypothesis import given, settings
from hypothesis import strategies as st
from support.engine.scheduling import LAYOUTS, layout
from support.engine.scheduling_engine import Client, FakeEngine

FULL = layout(("full", 4))


def one(engine: FakeEngine, prompt: list[int], tokens: int, *, priority: int = 0) -> Client:
    (client,) = engine.generate(prompt, SamplingParams(max_tokens=tokens, ignore_eos=True), priority=priority)
    return client


def order_of_ends(engine: FakeEngine, clients: list[Client]) -> list[int]:
    ends: list[int] = []
    for _ in range(400):
        if len(ends) == len(clients):
            break
        engine.turn()
        ends += [n for n, c in enumerate(clients) if c.ended and n not in ends]
    engine.drain()
    return ends


# -- key


class ByPriority(Policy):
    uses_priority = True

    def key(self, request: RequestView, now: float) -> tuple[float, ...]:
        return (request.priority, request.arrival, request.id)


class Flipping(Policy):
    """Its order turns round while requests wait; ``dynamic_key`` says so or does not."""

    up = True

    def key(self, request: RequestView, now: float) -> tuple[float, ...]:
        return (request.id if self.up else -request.id,)


class DynamicFlipping(Flipping):
    dynamic_key = True


def test_first_come_first_served() -> None:
    engine = FakeEngine(FULL, extra=30, max_seqs=1)
    assert order_of_ends(engine, [one(engine, [n], 2) for n in range(5)]) == [0, 1, 2, 3, 4]


def test_a_key_orders_the_queue() -> None:
    engine = FakeEngine(FULL, extra=30, max_seqs=1, policy=ByPriority())
    clients = [one(engine, [n], 2, priority=p) for n, p in enumerate([3, 0, 2, 0, -1])]
    assert order_of_ends(engine, clients) == [4, 1, 3, 2, 0]


@pytest.mark.parametrize(("policy", "ends"), [(Flipping, [0, 1, 2, 3]), (DynamicFlipping, [0, 3, 2, 1])])
def test_a_dynamic_key_is_asked_again_every_step(policy: type[Flipping], ends: list[int]) -> None:
    made = policy()
    engine = FakeEngine(FULL, extra=30, max_seqs=1, policy=made)
    clients = [one(engine, [n], 2) for n in range(4)]
    engine.turn()
    made.up = False
    assert order_of_ends(engine, clients) == ends


# -- hold, cap, victim


class Holding(Policy):
    """Keeps some out until nobody else is there."""

    def hold(self, request: RequestView, load: Load) -> bool:
        return request.priority > 0 and (load.running > 0 or load.waiting > 2)


def test_who_is_held_is_passed() -> None:
    engine = FakeEngine(FULL, extra=30, max_seqs=2, policy=Holding())
    assert order_of_ends(engine, [one(engine, [n], 2, priority=p) for n, p in enumerate([1, 0, 1, 0])]) == [1, 3, 0, 2]


class Cap(Policy):
    def __init__(self, answer: int) -> None:
        self.answer = answer
        self.asked: list[tuple[int, int]] = []

    def cap(self, request: RequestView, want: int, load: Load) -> int:
        self.asked.append((request.id, want))
        return self.answer


@pytest.mark.parametrize(
    ("answer", "counts", "clamped"), [(3, [3, 3, 3, 1, 1], 2), (8, [8, 2, 1], 2), (99, [8, 2, 1], 3)]
)
def test_a_cap_is_kept_to_and_clamped(answer: int, counts: list[int], clamped: int) -> None:
    engine = FakeEngine(FULL, extra=30, max_tokens=8, policy=Cap(answer))
    one(engine, [1] * 10, 2)
    engine.drain()
    assert [s.plan.scheduled[0].count for s in engine.steps] == counts
    assert engine.scheduler.clamped == clamped


@pytest.mark.parametrize("answer", [0, -5])
def test_a_cap_of_nothing_holds_a_request_back(answer: int) -> None:
    policy = Cap(answer)
    engine = FakeEngine(FULL, extra=30, policy=policy)
    client = one(engine, [1] * 10, 2)
    for _ in range(5):
        assert not engine.turn()
    assert engine.scheduler.clamped == (5 if answer < 0 else 0)
    policy.answer = 4
    engine.drain()
    assert len(client.outputs) == 2


class Victim(Policy):
    def __init__(self, answer: int) -> None:
        self.answer = answer
        self.seen: list[tuple[list[int], int]] = []

    def victim(self, running: Sequence[RequestView], need: RequestView) -> int:
        self.seen.append(([r.id for r in running], need.id))
        return self.answer


@pytest.mark.parametrize(("answer", "victim", "wrong"), [(0, 1, 0), (1, 2, 0), (2, 3, 0), (3, 3, 1), (-1, 3, 1)])
def test_the_victim_is_the_one_named_or_the_last(answer: int, victim: int, wrong: int) -> None:
    policy = Victim(answer)
    engine = FakeEngine(FULL, pages=7, max_tokens=32, policy=policy, max_model_len=24)
    for n in range(3):
        one(engine, [n] * 7, 12)
    for _ in range(3):
        engine.turn()
    assert policy.seen == [([1, 2, 3], 1)], "asked once, with all that run and the one in need"
    assert [c.seq.id for c in engine.clients.values() if c.seq.epoch] == [victim]
    assert engine.scheduler.clamped == wrong


def test_every_end_is_told() -> None:
    told: list[int] = []

    class Telling(FirstComeFirstServed):
        def finished(self, request: RequestView) -> None:
            told.append(request.id)

    engine = FakeEngine(FULL, extra=30, policy=Telling(), overlap=True)
    clients = [one(engine, [n], 3) for n in range(4)]
    engine.abort(clients[3])
    engine.abort(clients[3])
    engine.turn()
    engine.turn(row_error=0)
    engine.drain()
    assert sorted(told) == [1, 2, 3, 4]
    assert told[0] == 4


# -- anything at all


class Wild(Policy):
    """Answers at random, possible or not; ``fair`` makes it let somebody through often enough for everybody to end."""

    dynamic_key = True

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)

    def key(self, request: RequestView, now: float) -> tuple[float, ...]:
        return tuple(self.rng.choice([0.0, -1.5, float("inf"), float("nan")]) for _ in range(self.rng.randrange(3)))

    def hold(self, request: RequestView, load: Load) -> bool:
        assert 0 <= load.free_pages <= load.total_pages
        return self.rng.random() < 0.2

    def cap(self, request: RequestView, want: int, load: Load) -> int:
        assert want > 0
        return self.rng.choice([want, want, want + 3, 1 << 40, want - 1, -1, 0])

    def victim(self, running: Sequence[RequestView], need: RequestView) -> int:
        assert need in running
        return self.rng.choice([len(running) - 1, len(running) - 1, 0, -1, 1 << 40])


@given(seed=st.integers(0, 1 << 30), name=st.sampled_from(sorted(LAYOUTS)), overlap=st.booleans())
@settings(deadline=None, max_examples=40)
def test_a_wild_policy_breaks_nothing(seed: int, name: str, overlap: bool) -> None:
    rng = random.Random(seed)
    engine = FakeEngine(
        LAYOUTS[name], extra=rng.choice([0, 2, 6]), overlap=overlap, policy=Wild(seed), max_tokens=rng.choice([4, 9])
    )
    for _ in range(60):
        if rng.random() < 0.3:
            prompt = [rng.randrange(3) for _ in range(rng.randint(1, 12))]
            engine.generate(
                prompt, SamplingParams(max_tokens=rng.randint(1, 12), ignore_eos=True, n=rng.choice([1, 3]))
            )
        elif rng.random() < 0.05:
            engine.turn("compute")
        else:
            engine.turn()
    engine.drain(20_000)
    assert engine.scheduler.clamped
