"""Texts that are computed whole: every step has room for any, the first in line is never passed, nobody is lost."""

from __future__ import annotations

import random

from frameworkctl.interfaces import Policy, RequestView
from frameworkctl.interfaces.generation.scheduling import Load
from hypothesis import given, settings
from hypothesis import strategies as st
from support.engine.scheduling import VOCAB, layout
from support.engine.scheduling_engine import FakeEngine

MAX_MODEL_LEN = 40


def engine_of(seed: int, policy: Policy | None = None) -> tuple[FakeEngine, random.Random]:
    rng = random.Random(seed)
    engine = FakeEngine(
        layout(),
        pages=2,
        max_model_len=MAX_MODEL_LEN,
        max_seqs=rng.choice([1, 3, 8]),
        max_tokens=MAX_MODEL_LEN + rng.choice([0, 5, 60]),
        long_prefill=rng.choice([0, 4]),
        overlap=rng.random() < 0.5,
        whole=True,
        policy=policy,
    )
    return engine, rng


def text(rng: random.Random) -> list[int]:
    return [rng.randrange(VOCAB) for _ in range(rng.choice([1, 3, rng.randint(1, MAX_MODEL_LEN), MAX_MODEL_LEN]))]


@given(seed=st.integers(0, 1 << 30))
@settings(deadline=None, max_examples=60)
def test_random_lives(seed: int) -> None:
    engine, rng = engine_of(seed)
    for _ in range(60):
        x = rng.random()
        if x < 0.5:
            engine.pool_text(text(rng))
        elif x < 0.6 and (alive := engine.alive()):
            engine.abort(rng.choice(alive))
        elif x < 0.65:
            engine.turn(rng.choice(["launch", "compute", "sample"]))
        elif x < 0.75:
            engine.turn(row_error=rng.randrange(8))
        else:
            engine.turn()
        engine.check()
    engine.drain()


@given(seed=st.integers(0, 1 << 30))
@settings(deadline=None, max_examples=30)
def test_texts_end_in_the_order_in_which_they_came(seed: int) -> None:
    """However short those are that come later: a long one is not passed for ever."""
    engine, rng = engine_of(seed)
    clients = [engine.pool_text(text(rng)) for _ in range(30)]
    ended: list[int] = []
    while engine.turn():
        ended += [c.seq.id for c in clients if c.ended and c.seq.id not in ended]
    assert ended == [c.seq.id for c in clients]


def test_steps_are_filled() -> None:
    """With room for eight texts of five tokens, forty take five steps."""
    engine = FakeEngine(layout(), pages=2, max_model_len=MAX_MODEL_LEN, max_seqs=64, max_tokens=40, whole=True)
    for number in range(40):
        engine.pool_text([number % VOCAB] * 5)
    assert engine.drain() == 5


def test_a_policy_cannot_cut_a_text() -> None:
    class Halves(Policy):
        def cap(self, request: RequestView, want: int, load: Load) -> int:
            return want // 2

    engine, rng = engine_of(3, Halves())
    for _ in range(10):
        engine.pool_text(text(rng))
    engine.drain()
