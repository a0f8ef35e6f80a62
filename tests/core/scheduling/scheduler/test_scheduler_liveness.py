"""Nobody waits for ever: the smallest pools, and sessions that say nothing."""

from __future__ import annotations

import random

import pytest
from frameworkctl.params import SamplingParams
from frameworkctl.scheduling.cache.groups import plan_layout
from frameworkctl.scheduling.cache.manager import CacheManager
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from support.engine.scheduling import LAYOUTS, VOCAB, layout, make_sequence
from support.engine.scheduling_engine import Client, FakeEngine, least_pages

FULL = layout(("full", 4))


def one(engine: FakeEngine, prompt: list[int], tokens: int, *, open: bool = False) -> Client:
    (client,) = engine.generate(prompt, SamplingParams(max_tokens=tokens, ignore_eos=True), open=open)
    return client


def until_idle(engine: FakeEngine, turns: int = 200) -> None:
    for _ in range(turns):
        if not engine.turn() and not engine.scheduler.has_work:
            return
    raise AssertionError(f"there is still work after {turns} steps")


# -- the smallest pool that is allowed


@pytest.mark.parametrize("overlap", [False, True])
@pytest.mark.parametrize(("block", "window", "chunk"), [(4, 8, 8), (3, 7, 8), (4, 4, 16), (16, 16, 32)])
def test_one_sequence_in_the_smallest_pool(block: int, window: int, chunk: int, overlap: bool) -> None:
    """With ``overlap`` two chunks are under way at once, and pages behind the window come back a step later."""
    made = layout(("window", block, window))
    engine = FakeEngine(made, pages=least_pages(made, 100, chunk), max_model_len=100, max_tokens=chunk, overlap=overlap)
    client = one(engine, [n % VOCAB for n in range(90)], 8)
    engine.drain(200)
    assert len(client.outputs) == 8


@pytest.mark.parametrize("overlap", [False, True])
@pytest.mark.parametrize("name", sorted(LAYOUTS))
@given(seed=st.integers(0, 1 << 30))
@settings(deadline=None, max_examples=8, phases=[Phase.reuse, Phase.generate])  # a failing life is short as it is
def test_many_in_the_smallest_pool(seed: int, name: str, overlap: bool) -> None:
    rng, made = random.Random(seed), LAYOUTS[name]
    budget = rng.choice([2, 5, 9, 20])
    engine = FakeEngine(made, pages=least_pages(made, 40, budget), max_tokens=budget, overlap=overlap)
    for _ in range(6):
        prompt = [rng.randrange(VOCAB) for _ in range(rng.randint(1, 34))]
        one(engine, prompt, rng.randint(1, 40 - len(prompt)))
    engine.drain()


# -- sessions


def test_a_session_that_waits_for_input_does_not_keep_others_out() -> None:
    """It is the first victim, also for one that is not running yet."""
    engine = FakeEngine(FULL, pages=11)
    session = one(engine, [1] * 28, 4, open=True)
    until_idle(engine)
    other = one(engine, [2] * 20, 3)
    until_idle(engine)
    assert (other.reason, session.ended) == ("length", False)
    engine.drain()
    assert session.reason == "length"


def test_two_sessions_that_wait_for_input_do_not_take_turns_for_ever() -> None:
    engine = FakeEngine(FULL, pages=11)
    for n in (1, 2):
        one(engine, [n] * 24, 4, open=True)
    other = one(engine, [3] * 20, 3)
    until_idle(engine)
    assert other.reason == "length"
    engine.drain()


def test_sessions_that_wait_for_input_do_not_use_up_the_batch() -> None:
    engine = FakeEngine(FULL, extra=30, max_seqs=2)
    for n in (1, 2):
        one(engine, [n] * 5, 4, open=True)
    until_idle(engine)
    other = one(engine, [3] * 5, 3)
    until_idle(engine)
    assert other.reason == "length"
    engine.drain()


@pytest.mark.parametrize("overlap", [False, True])
@pytest.mark.parametrize("computed", [False, True])
def test_a_session_whose_end_brings_no_tokens_generates(overlap: bool, computed: bool) -> None:
    """All of its prompt may have been computed, without sampling, before it was known to be all."""
    engine = FakeEngine(FULL, overlap=overlap)
    session = one(engine, [1, 2, 3, 4, 5], 3, open=True)
    if computed:
        until_idle(engine)
    engine.append(session.seq.request, [], final=True)
    engine.drain(50)
    assert len(session.outputs) == 3


def test_a_session_without_tokens_is_no_work() -> None:
    """Else the engine's loop spins."""
    engine = FakeEngine(FULL)
    session = one(engine, [], 3, open=True)
    assert not engine.turn()
    assert not engine.scheduler.has_work
    engine.append(session.seq.request, [1], final=True)
    engine.drain()


# -- models without a cache


def test_without_cache_layers_nothing_is_cached() -> None:
    """No group keeps anything, so every token has to be computed."""
    cache = CacheManager(plan_layout([], 16), 2, max_chunk=16)
    assert cache.lookup(make_sequence([1] * 10, groups=0)).length == 0
