"""The scheduler under any order of add, append, step, abort and failure, in examples that shrink."""

from __future__ import annotations

import random
from typing import Literal

import pytest
from frameworkctl.interfaces import PoolTask
from frameworkctl.params import SamplingParams
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from support.engine.scheduling import EOS, LAYOUTS, VOCAB, Context
from support.engine.scheduling_engine import FakeEngine
from support.engine.scheduling_runner import FailAt

MAX_MODEL_LEN = 32
MAX_CROSS = 6
STREAMS = [[random.Random(n).randrange(VOCAB) for _ in range(30)] for n in range(2)]
FAILURES: list[FailAt] = ["launch", "compute", "sample"]


@st.composite
def prompts(draw: st.DrawFn, most: int = 24) -> list[int]:
    """Beginnings of two streams, so that many share one, and sometimes an end of their own."""
    start = draw(st.sampled_from(STREAMS))[: draw(st.integers(1, most - 3))]
    return start + draw(st.sampled_from([[], [], [1], [2, 1]]))


class EngineMachine(RuleBasedStateMachine):
    """Every rule is one thing that a loop, a client or bad luck can do."""

    engine: FakeEngine

    @initialize(
        name=st.sampled_from(sorted(LAYOUTS)),
        extra=st.sampled_from([0, 0, 2, 9]),
        max_seqs=st.integers(1, 5),
        max_tokens=st.sampled_from([1, 4, 7, 16]),
        long_prefill=st.sampled_from([0, 3]),
        watermark=st.sampled_from([0.0, 0.1]),
        overlap=st.booleans(),
        caching=st.sampled_from([True, True, False]),
    )
    def build(
        self,
        name: str,
        extra: int,
        max_seqs: int,
        max_tokens: int,
        long_prefill: int,
        watermark: float,
        overlap: bool,
        caching: bool,
    ) -> None:
        self.cross = "cross" in {g.kind for g in LAYOUTS[name].groups}
        self.engine = FakeEngine(
            LAYOUTS[name],
            extra=extra,
            max_model_len=MAX_MODEL_LEN,
            max_cross=MAX_CROSS if self.cross else 0,
            max_seqs=max_seqs,
            max_tokens=max_tokens,
            long_prefill=long_prefill,
            watermark=watermark,
            overlap=overlap,
            prefix_caching=caching,
        )

    def _context(self, which: int) -> Context:
        media = ("", 0) if not self.cross or which > 3 else (("a", MAX_CROSS) if which % 2 else ("b", 4))
        return Context("salt" if which == 3 else "", *media)

    @rule(
        prompt=prompts(),
        n=st.sampled_from([1, 1, 1, 3]),
        outputs=st.integers(1, 20),
        which=st.integers(0, 5),
        seed=st.integers(0, 2),
        stop=st.sampled_from(["none", "none", "eos", "eos2", "ids"]),
    )
    def generate(
        self,
        prompt: list[int],
        n: int,
        outputs: int,
        which: int,
        seed: int,
        stop: Literal["none", "eos", "eos2", "ids"],
    ) -> None:
        params = SamplingParams(
            max_tokens=min(outputs, MAX_MODEL_LEN - len(prompt)),
            n=n,
            ignore_eos=stop in ("none", "ids"),
            eos_token_ids=(EOS, 1) if stop == "eos2" else (EOS,),
            stop_token_ids=(2, 3) if stop == "ids" else (),
        )
        self.engine.generate(prompt, params, context=self._context(which), seed=seed)

    @rule(
        prompt=prompts(MAX_MODEL_LEN),
        task=st.sampled_from(["embed", "token_embed"]),
        which=st.integers(0, 5),
        times=st.sampled_from([1, 1, 3]),
    )
    def pool(self, prompt: list[int], task: PoolTask, which: int, times: int) -> None:
        for _ in range(times):
            self.engine.pool_text(prompt, task, context=self._context(which))

    @rule(
        prompt=st.one_of(prompts(12), st.just([]), st.just([3])),
        n=st.sampled_from([1, 1, 2]),
        outputs=st.integers(1, 20),
        which=st.integers(0, 5),
    )
    def open_session(self, prompt: list[int], n: int, outputs: int, which: int) -> None:
        params = SamplingParams(max_tokens=outputs, n=n, ignore_eos=True)
        self.engine.generate(prompt, params, context=self._context(which), open=True)

    def _sessions(self) -> list[int]:
        return [r for r, cs in self.engine.requests.items() if any(c.open and not c.ended for c in cs)]

    @precondition(lambda self: self._sessions())
    @rule(data=st.data(), tokens=st.lists(st.integers(0, VOCAB - 1), max_size=5), final=st.booleans())
    def append(self, data: st.DataObject, tokens: list[int], final: bool) -> None:
        request = data.draw(st.sampled_from(self._sessions()))
        client = next(c for c in self.engine.requests[request] if not c.ended)
        tokens = tokens[: MAX_MODEL_LEN - 1 - len(client.prompt)]
        self.engine.append(request, tokens, final=final and bool(client.prompt + tokens))

    @rule(times=st.sampled_from([1, 1, 1, 3, 10]))
    def step(self, times: int) -> None:
        for _ in range(times):
            self.engine.turn()

    @rule(fail_at=st.sampled_from(FAILURES))
    def failing_step(self, fail_at: FailAt) -> None:
        self.engine.turn(fail_at)

    @rule(fail_at=st.sampled_from([None, *FAILURES]), data=st.data())
    def eventful_step(self, fail_at: FailAt | None, data: st.DataObject) -> None:
        alive = self.engine.alive()
        gone = data.draw(st.lists(st.sampled_from(alive), max_size=2) if alive else st.just([]))

        def abort() -> None:
            for client in gone:
                if client in self.engine.alive():
                    self.engine.abort(client)

        self.engine.turn(fail_at, during=abort)

    @rule(row=st.integers(0, 5))
    def step_with_one_bad_row(self, row: int) -> None:
        self.engine.turn(row_error=row)

    @precondition(lambda self: self.engine.alive())
    @rule(data=st.data())
    def abort(self, data: st.DataObject) -> None:
        self.engine.abort(data.draw(st.sampled_from(self.engine.alive())))
        self.engine.check()

    @rule()
    def look(self) -> None:
        self.engine.check_outputs()

    def teardown(self) -> None:
        if hasattr(self, "engine"):
            self.engine.drain()


def test_any_order_of_events() -> None:
    run_state_machine_as_test(EngineMachine, settings=settings(deadline=None, max_examples=60, stateful_step_count=40))


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_any_order_of_many_events() -> None:
    run_state_machine_as_test(
        EngineMachine, settings=settings(deadline=None, max_examples=2000, stateful_step_count=120)
    )
