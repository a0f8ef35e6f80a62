"""Single promises of the scheduler: children, sessions, budgets, plans that name only changes."""

from __future__ import annotations

import pytest
from frameworkctl.params import SamplingParams
from frameworkctl.scheduling.sequence import Status
from hypothesis import given, settings
from hypothesis import strategies as st
from support.engine.scheduling import EOS, LAYOUTS, VOCAB, Context, digests, layout, make_sequence, next_token
from support.engine.scheduling_engine import Client, FakeEngine

FULL = layout(("full", 4))


def outputs(tokens: int, n: int = 1) -> SamplingParams:
    return SamplingParams(max_tokens=tokens, n=n, ignore_eos=True)


def one(engine: FakeEngine, prompt: list[int], tokens: int, *, open: bool = False) -> Client:
    (client,) = engine.generate(prompt, outputs(tokens), open=open)
    return client


def until_preemption(engine: FakeEngine) -> None:
    for _ in range(100):
        if engine.scheduler.preemptions:
            return
        engine.turn()
    raise AssertionError("nobody is preempted")


# -- children of one prompt


def test_children_wait_for_the_first_and_then_find_its_prompt() -> None:
    engine = FakeEngine(FULL, extra=60, max_seqs=8, max_tokens=10)
    leader, *children = engine.generate([*range(1, 14), 1, 2, 3, 4], outputs(3, n=4))
    engine.turn()
    assert (leader.seq.computed, [c.seq.status for c in children]) == (10, [Status.WAITING] * 3)
    engine.turn()
    assert leader.seq.committed == 17
    assert not any(c.seq.computed for c in children)
    engine.turn()
    assert all(c.seq.status is Status.RUNNING for c in children)
    assert [c.seq.cached_tokens for c in children] == [16] * 3
    engine.drain()
    assert (engine.cache.query_tokens, engine.cache.hit_tokens) == (4 * 17, 3 * 16)
    assert engine.runner.computed_tokens == 17 + 3 * 1 + 4 * 2, "the prompt once, what is left of it, the outputs"
    assert len({tuple(c.outputs) for c in (leader, *children)}) > 1, "children have seeds of their own"


def test_children_of_one_that_is_gone_do_not_wait_for_it() -> None:
    engine = FakeEngine(FULL, extra=60, max_seqs=8, max_tokens=8)
    leader, *children = engine.generate([1] * 20, outputs(3, n=3))
    engine.turn()
    engine.abort(leader)
    engine.turn()
    assert (children[0].seq.cached_tokens, children[0].seq.computed) == (8, 16), "what it had computed is found"
    engine.drain()
    assert all(c.reason == "length" for c in children)


def test_other_requests_pass_children_that_wait() -> None:
    engine = FakeEngine(FULL, extra=60, max_seqs=8, max_tokens=16)
    engine.generate([1] * 15, outputs(3, n=3))
    other = one(engine, [2, 3], 2)
    engine.turn()
    assert other.seq.computed == 1


@pytest.mark.parametrize("name", ["full", "full-state"])
def test_where_nothing_is_cached_children_do_not_wait(name: str) -> None:
    engine = FakeEngine(LAYOUTS[name], extra=60, max_seqs=8, max_tokens=32, prefix_caching=name == "full-state")
    clients = engine.generate([1] * 8, outputs(3, n=3))
    engine.turn()
    assert [c.seq.computed for c in clients] == [8] * 3
    engine.drain()
    assert (engine.cache.query_tokens, engine.cache.hit_tokens) == (0, 0)


# -- requests that begin alike


def test_others_do_not_wait_with_those_that_begin_alike() -> None:
    engine = FakeEngine(FULL, extra=60, max_seqs=8, max_tokens=32)
    alike = [one(engine, [1] * 9 + [number], 2) for number in range(3)]
    other = one(engine, [3] * 3, 2)
    engine.turn()
    assert [c.seq.committed for c in (*alike, other)] == [10, 0, 0, 3]
    engine.turn()
    assert [c.seq.cached_tokens for c in alike] == [0, 8, 8]


@pytest.mark.parametrize("fails", [False, True])
def test_nobody_waits_for_a_beginning_that_nobody_computes_any_more(fails: bool) -> None:
    engine = FakeEngine(FULL, extra=60, max_seqs=8, max_tokens=8)
    first, *others = (one(engine, [1] * 20 + [number], 2) for number in range(3))
    if fails:
        engine.turn("compute")
    else:
        engine.turn(during=lambda: engine.abort(first))
    assert first.ended
    assert not any(c.seq.computed for c in others)
    engine.turn()
    assert [c.seq.computed for c in others] == [8, 0]
    engine.drain()
    assert all(c.reason == "length" for c in others)


@settings(deadline=None)
@given(
    beginnings=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 30)), min_size=1, max_size=12),
    gaps=st.lists(st.integers(0, 2), min_size=12, max_size=12),
    max_seqs=st.integers(1, 12),
    max_tokens=st.integers(3, 40),
    long_prefill=st.sampled_from([0, 3, 8]),
    overlap=st.booleans(),
)
def test_a_beginning_is_computed_once(
    beginnings: list[tuple[int, int]], gaps: list[int], max_seqs: int, max_tokens: int, long_prefill: int, overlap: bool
) -> None:
    """Whoever comes when: with room for all, no page of a prompt is computed twice."""
    size = FULL.groups[0].block_size
    engine = FakeEngine(
        FULL,
        extra=600,
        max_model_len=60,
        max_seqs=max_seqs,
        max_tokens=max_tokens,
        long_prefill=long_prefill,
        overlap=overlap,
    )
    prompts = []
    for (kind, length), gap in zip(beginnings, gaps, strict=False):
        # An end that is not a whole page, as the last token of a prompt is always computed.
        prompts.append([kind] * (length // size * size) + [3])
        one(engine, prompts[-1], 1)
        for _ in range(gap):
            engine.turn()
    engine.drain()
    pages = {tuple(p[:end]) for p in prompts for end in range(size, len(p), size)}
    assert engine.runner.computed_tokens == size * len(pages) + len(prompts)


# -- sessions


def test_a_session_generates_only_after_its_last_input() -> None:
    engine = FakeEngine(FULL, max_tokens=4)
    session = one(engine, [5] * 6, 3, open=True)
    while engine.turn():
        pass
    assert (session.seq.computed, session.outputs) == (5, []), "the last one waits for what comes after it"
    assert not engine.scheduler.has_work
    assert session.seq.view().waiting_input
    engine.append(session.seq.request, [6] * 3, final=False)
    assert not session.seq.view().waiting_input
    while engine.turn():
        pass
    assert (session.seq.computed, session.outputs) == (8, [])
    assert engine.runner.computed_tokens == 8, "its pages were kept"
    engine.append(session.seq.request, [7], final=True)
    engine.drain()
    assert len(session.outputs) == 3
    assert session.seq.prompt_len == 10


def test_a_waiting_session_is_the_first_victim() -> None:
    engine = FakeEngine(FULL, pages=9, max_seqs=4, max_tokens=32, max_model_len=32)
    session = one(engine, [5] * 11, 4, open=True)
    engine.turn()
    runner = one(engine, [6] * 5, 16)
    newest = one(engine, [7] * 5, 16)
    until_preemption(engine)
    assert session.seq.status is Status.WAITING
    assert (runner.seq.epoch, newest.seq.epoch) == (0, 0)
    engine.drain()
    assert len(session.outputs) == 4


def test_input_that_comes_while_a_session_is_preempted_is_not_lost() -> None:
    engine = FakeEngine(FULL, pages=9, max_seqs=4, max_tokens=32, max_model_len=32)
    session = one(engine, [5] * 11, 4, open=True)
    engine.turn()
    one(engine, [6] * 17, 10)
    until_preemption(engine)
    engine.append(session.seq.request, [8, 9], final=False)
    engine.append(session.seq.request, [10], final=True)
    engine.drain()
    assert (session.reason, session.prompt) == ("length", [5] * 11 + [8, 9, 10])


# -- budgets


def test_a_prompt_is_computed_in_chunks_beside_decodes() -> None:
    engine = FakeEngine(FULL, extra=40, max_tokens=5)
    one(engine, [1, 2, 3], 9)
    engine.turn()
    long = one(engine, [4] * 14, 2)
    counts = []
    for _ in range(4):
        engine.turn()
        counts.append([(s.id, s.count, s.sample) for s in engine.steps[-1].plan.scheduled])
    assert counts == [[(1, 1, True), (2, n, last)] for n, last in ((4, False), (4, False), (4, False), (2, True))]
    assert len(long.outputs) == 1


@pytest.mark.parametrize(("others", "expected"), [(0, [12, 2]), (1, [3] * 4 + [2])])
def test_long_prefills_are_cut_only_where_others_run(others: int, expected: list[int]) -> None:
    engine = FakeEngine(FULL, extra=40, max_tokens=12, long_prefill=3)
    for _ in range(others):
        one(engine, [1, 2, 3], 20)
        engine.turn()
    long = one(engine, [4] * 14, 2)
    counts = []
    while not long.outputs:
        engine.turn()
        counts.append(next(s.count for s in engine.steps[-1].plan.scheduled if s.id == long.seq.id))
    assert counts == expected


def test_the_watermark_keeps_pages_for_those_that_run() -> None:
    prompt = [4] * 12
    for watermark, admitted in ((0.0, True), (0.4, False)):
        engine = FakeEngine(FULL, pages=11, max_tokens=32, watermark=watermark)
        first = one(engine, [1] * 15, 5)
        engine.turn()
        second = one(engine, prompt, 2)
        engine.turn()
        assert (second.seq.status is Status.RUNNING) == admitted
        engine.drain()
        assert (first.reason, second.reason) == ("length", "length")
    engine = FakeEngine(FULL, pages=11, max_tokens=32, watermark=0.9)
    alone = one(engine, prompt, 2)
    engine.turn()
    assert alone.seq.status is Status.RUNNING, "who is alone is not held to it"


def test_nobody_starts_whose_prompt_does_not_fit() -> None:
    engine = FakeEngine(FULL, pages=11, max_tokens=4)
    one(engine, [1] * 20, 9)
    for _ in range(5):
        engine.turn()
    large, small = one(engine, [2] * 24, 2), one(engine, [3], 2)
    engine.turn()
    assert (large.seq.status, small.seq.status) == (Status.WAITING, Status.WAITING), "and nobody overtakes it"
    engine.drain()
    assert not engine.scheduler.preemptions


# -- what a plan says


def test_a_plan_names_only_what_changed() -> None:
    engine = FakeEngine(FULL, max_tokens=8)
    client = one(engine, [1, 2, 3], 7)
    while engine.turn():
        pass
    plans = [s.plan for s in engine.steps]
    assert [[n.id for n in p.new] for p in plans] == [[client.seq.id]] + [[]] * 6
    assert [[len(m.tables[0]) for m in p.pages] for p in plans] == [[], [], [1], [], [], [], [1]]
    assert not any(p.dropped or p.tokens for p in plans)
    assert engine.runner.rows.keys() == {client.seq.id}
    one(engine, [1], 1)
    engine.turn()
    assert engine.steps[-1].plan.dropped == [client.seq.id], "told with the next plan"


# -- ends


def test_the_last_token_of_a_sequence_is_never_computed() -> None:
    for overlap in (False, True):
        engine = FakeEngine(FULL, max_tokens=16, overlap=overlap)
        one(engine, [1, 2, 3], 5)
        engine.drain()
        assert engine.runner.computed_tokens == 3 + 4


def test_a_surplus_token_of_one_that_ended_is_dropped() -> None:
    seed = next(n for n in range(99) if next_token(digests(Context(), [1, 2])[-1], n) == EOS)
    engine = FakeEngine(FULL, max_tokens=16, overlap=True)
    (client,) = engine.generate([1, 2], SamplingParams(max_tokens=9, eos_token_ids=(EOS,)), seed=seed)
    engine.turn()
    assert (client.outputs, client.reason, client.stop_reason) == ([EOS], "stop", None)
    assert engine.planned is not None
    assert engine.pool.free == engine.pool.usable, "its pages are free although the next step still names it"
    engine.drain()
    assert engine.runner.computed_tokens == 3


def test_a_preempted_sequence_keeps_its_outputs() -> None:
    engine = FakeEngine(FULL, pages=9, max_tokens=16, max_model_len=32)
    first, second = one(engine, [1] * 9, 20), one(engine, [2] * 9, 20)
    until_preemption(engine)
    kept = list(second.outputs)
    assert second.seq.cached_tokens == 0
    assert (first.seq.epoch, second.seq.epoch, second.seq.computed) == (0, 1, 0)
    assert len(kept) > 2
    engine.drain()
    assert second.outputs[: len(kept)] == kept
    assert len(second.outputs) == 20
    assert engine.cache.hit_tokens > 0
    assert second.seq.cached_tokens == 0, "what it finds of itself the second time is not the client's saving"


@pytest.mark.parametrize("overlap", [False, True])
def test_a_failed_step_ends_its_own_sequences_only(overlap: bool) -> None:
    engine = FakeEngine(FULL, extra=30, max_seqs=2, max_tokens=8, overlap=overlap)
    inside = [one(engine, [n] * 3, 9) for n in (1, 2)]
    outside = one(engine, [3] * 3, 9)
    engine.turn()
    engine.turn(fail_at="compute")
    assert [(c.reason, c.error) for c in inside] == [("error", "the model failed")] * 2
    engine.drain()
    assert (outside.reason, len(outside.outputs)) == ("length", 9)


def test_a_row_that_goes_wrong_ends_alone() -> None:
    engine = FakeEngine(FULL, extra=30, max_tokens=8, overlap=True)
    clients = [one(engine, [n] * 2, 6) for n in range(1, 4)]
    engine.turn()
    engine.turn(row_error=1)
    assert [c.error for c in clients] == [None, "a processor failed", None]
    engine.drain()
    assert [len(c.outputs) for c in clients] == [6, 1, 6]


def test_the_load_is_told() -> None:
    engine = FakeEngine(FULL, pages=21, max_seqs=1, max_tokens=8)
    one(engine, [1] * 8, 4)
    one(engine, [2] * 8, 4)
    engine.turn()
    load = engine.scheduler.load()
    assert (load.running, load.waiting, load.free_pages, load.total_pages) == (1, 1, 18, 20)
    assert make_sequence([VOCAB - 1], groups=1).view().output_tokens == 0
