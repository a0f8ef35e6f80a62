"""Long random lives of an engine: whatever happens, everybody gets what the model says, and no page is lost."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest
from frameworkctl.interfaces import Speculator
from frameworkctl.params import SamplingParams
from frameworkctl.scheduling.speculation.drafts import Drafter
from hypothesis import given, settings
from hypothesis import strategies as st
from support.engine.scheduling import EOS, LAYOUTS, VOCAB, Context, digests, next_token
from support.engine.scheduling_engine import FakeEngine

MAX_MODEL_LEN = 40
MAX_CROSS = 7


class Driver:
    """Draws an engine and what happens to it from one seed."""

    def __init__(self, seed: int) -> None:
        self.rng = rng = random.Random(seed)
        layout = LAYOUTS[rng.choice(list(LAYOUTS))]
        self.cross = any(g.kind == "cross" for g in layout.groups)
        self.engine = FakeEngine(
            layout,
            max_model_len=MAX_MODEL_LEN,
            extra=rng.choice([0, 0, 0, 1, 3, 12]),
            max_cross=MAX_CROSS if self.cross else 0,
            max_seqs=rng.choice([1, 3, 5, 8]),
            max_tokens=rng.choice([1, 3, 8, 8, 17]),
            long_prefill=rng.choice([0, 0, 2, 5]),
            watermark=rng.choice([0.0, 0.0, 0.05, 0.3]),
            overlap=rng.random() < 0.6,
            prefix_caching=rng.random() < 0.85,
        )
        self.streams = [[rng.randrange(VOCAB) for _ in range(30)] for _ in range(3)]

    def prompt(self) -> list[int]:
        rng = self.rng
        start = rng.choice(self.streams)[: rng.choice([rng.randint(1, 6), rng.randint(1, 26)])]
        return start + [rng.randrange(VOCAB) for _ in range(rng.choice([0, 0, 1, 2, 4]))]

    def context(self) -> Context:
        salt = self.rng.choice(["", "", "", "salt"])
        if not self.cross or self.rng.random() < 0.2:
            return Context(salt)
        media = self.rng.choice("ab")
        return Context(salt, media, {"a": MAX_CROSS, "b": 3}[media])

    def add(self) -> None:
        rng = self.rng
        prompt = self.prompt()
        if rng.random() < 0.25:
            self.engine.pool_text(prompt, rng.choice(["embed", "token_embed"]), context=self.context())
            return
        open_input = len(prompt) < 20 and rng.random() < 0.15
        if open_input and rng.random() < 0.2:
            prompt = prompt[: rng.choice([0, 1])]
        params = SamplingParams(
            max_tokens=rng.randint(1, MAX_MODEL_LEN - len(prompt)),
            n=rng.choice([1, 1, 1, 2, 4]),
            ignore_eos=rng.random() < 0.7,
            eos_token_ids=rng.choice([(EOS,), (EOS, 1)]),
            stop_token_ids=rng.choice([(), (), (3,)]),
        )
        self.engine.generate(prompt, params, context=self.context(), seed=rng.randrange(3), open=open_input)

    def append(self) -> None:
        rng = self.rng
        choices = [r for r, cs in self.engine.requests.items() if any(c.open and not c.ended for c in cs)]
        if not choices:
            return
        request = rng.choice(choices)
        client = next(c for c in self.engine.requests[request] if not c.ended)
        room = MAX_MODEL_LEN - 1 - len(client.prompt)
        tokens = [rng.randrange(VOCAB) for _ in range(min(rng.choice([0, 1, 3, 6]), room))]
        self.engine.append(request, tokens, final=bool(client.prompt + tokens) and rng.random() < 0.4)

    def abort(self) -> None:
        alive = self.engine.alive()
        if alive:
            self.engine.abort(self.rng.choice(alive))

    def move(self) -> None:
        rng, engine = self.rng, self.engine
        x = rng.random()
        if x < 0.15:
            self.add()
        elif x < 0.22:
            self.append()
        elif x < 0.26:
            self.abort()
        elif x < 0.28:
            during = self.abort if rng.random() < 0.5 else None
            engine.turn(rng.choice(["launch", "compute", "sample"]), during=during)
        elif x < 0.30:
            engine.turn(row_error=rng.randrange(8))
        elif x < 0.38:
            engine.turn(during=self.abort)
        else:
            engine.turn()
        engine.check()

    def live(self, moves: int) -> None:
        for _ in range(moves):
            self.move()
        self.engine.check_outputs()
        self.engine.drain()


class Guesses(Speculator):
    """Often the model's own tokens, sometimes others; now and then too many, or no tokens at all, or it raises."""

    def __init__(self, driver: Driver) -> None:
        super().__init__(None)
        self.rng, self.driver = random.Random(driver.rng.random()), driver

    def propose(self, sequences: Sequence[Any], most: Sequence[int]) -> Sequence[Sequence[int]]:
        if self.rng.random() < 0.03:
            raise ValueError("no guess")
        return [self.guess(tokens.tolist(), n) for tokens, n in zip(sequences, most, strict=True)]

    def guess(self, tokens: list[int], most: int) -> list[int]:
        assert 1 <= most <= 4
        client = next(c for c in self.driver.engine.clients.values() if list(c.seq.tokens) == tokens)
        out: list[int] = []
        while len(out) < most and self.rng.random() < 0.9:
            right = next_token(digests(client.context, tokens + out)[-1], client.seq.seed)
            out.append(right if self.rng.random() < 0.8 else self.rng.randrange(VOCAB))
        if self.rng.random() < 0.03:
            out = [-1, 2] if self.rng.random() < 0.5 else [VOCAB]
        return out + [1] * self.rng.choice([0, 0, 0, 3])


def drafting(seed: int) -> Driver:
    """Not planned ahead, and without groups that keep a state: those get no drafts."""
    driver = Driver(seed)
    engine = driver.engine
    engine.overlap = False
    if all(g.kind != "state" for g in engine.layout.groups):
        engine.scheduler.drafter = Drafter(Guesses(driver), 4, vocab_size=VOCAB)
    return driver


@given(seed=st.integers(0, 1 << 30))
@settings(deadline=None, max_examples=60)
def test_random_lives_with_drafts(seed: int) -> None:
    drafting(seed).live(120)


def test_drafts_are_taken_and_refused() -> None:
    """In the lives above, so that they show something."""
    drivers = [drafting(seed) for seed in range(12)]
    for driver in drivers:
        driver.live(120)
    found = [d.engine.scheduler.drafter for d in drivers]
    drafted, accepted = (sum(getattr(f, name) for f in found if f is not None) for name in ("drafted", "accepted"))
    assert drafted > accepted > drafted // 4 > 20


@given(seed=st.integers(0, 1 << 30))
@settings(deadline=None, max_examples=60)
def test_random_lives(seed: int) -> None:
    Driver(seed).live(120)


@pytest.mark.slow
@pytest.mark.timeout(7200)
@given(seed=st.integers(0, 1 << 60))
@settings(deadline=None, max_examples=3000)
def test_many_random_lives(seed: int) -> None:
    Driver(seed).live(400)
