"""Batches in process: what is asked of the engine, and what is made of the times, on a clock of the test's own."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from frameworkctl.bench.in_process import latency, throughput
from frameworkctl.errors import ConfigError
from frameworkctl.offline.errors import InvalidRequest
from frameworkctl.offline.llm import LLM


class FakeLLM:
    """Takes one second for a prompt batch and a tenth for each further token."""

    vocab_size = 7

    def __init__(self) -> None:
        self.now = 0.0
        self.asked: list[tuple[Any, Any]] = []
        self.missing = 0

    def generate(self, prompts: Any, params: Any, *, use_tqdm: bool) -> list[Any]:
        assert not use_tqdm
        self.asked.append((prompts, params))
        self.now += 1.0 + 0.1 * (params.max_tokens - 1)
        ids = [0] * (params.max_tokens - self.missing)
        return [SimpleNamespace(outputs=[SimpleNamespace(token_ids=ids)]) for _ in prompts]

    def clock(self) -> float:
        return self.now


def test_latency() -> None:
    fake = FakeLLM()
    found = latency(
        cast("LLM", fake), batch=3, input_len=5, output_len=11, warmups=1, repeat=4, seed=1, clock=fake.clock
    )
    assert found.prefill == pytest.approx(1000)
    assert found.decode_step == pytest.approx(100)
    assert found.total == pytest.approx(2000)
    assert found.output_throughput == pytest.approx(3 * 11 / 2)
    assert len(found.totals) == len(found.prefills) == 4
    assert [params.max_tokens for _, params in fake.asked] == [1, 11] * 5
    assert all(params.ignore_eos and params.temperature == 0 for _, params in fake.asked)
    sent = [tuple(p) for prompts, _ in fake.asked for p in prompts]
    assert {len(p) for p in sent} == {5}
    assert max(i for p in sent for i in p) == 6
    assert len(set(sent)) == len(sent)  # so that no cache has them


def test_latency_of_one_token() -> None:
    fake = FakeLLM()
    found = latency(
        cast("LLM", fake), batch=1, input_len=5, output_len=1, warmups=0, repeat=2, seed=1, clock=fake.clock
    )
    assert (found.decode_step, found.prefill, len(fake.asked)) == (None, found.total, 2)


def test_throughput() -> None:
    fake = FakeLLM()
    found = throughput(
        cast("LLM", fake), requests=20, input_len=5, output_len=11, warmups=2, repeat=3, seed=1, clock=fake.clock
    )
    assert found.output_throughput == pytest.approx(20 * 11 / 2)
    assert found.total_token_throughput == pytest.approx(20 * 16 / 2)
    assert found.request_throughput == pytest.approx(10)
    assert len(found.output_throughputs) == 3
    assert [len(prompts) for prompts, _ in fake.asked] == [2, 20, 20, 20]


def test_answers_that_are_too_short_are_no_measurement() -> None:
    fake = FakeLLM()
    fake.missing = 1
    with pytest.raises(ConfigError, match="10 tokens came, not 20"):
        throughput(cast("LLM", fake), requests=10, input_len=5, output_len=2, warmups=0, repeat=1, seed=1)


def test_what_the_model_refuses_is_told() -> None:
    class Refusing(FakeLLM):
        def generate(self, *args: Any, **options: Any) -> Any:
            raise InvalidRequest("prompts[0] is too long")

    with pytest.raises(ConfigError, match="too long"):
        throughput(cast("LLM", Refusing()), requests=1, input_len=5, output_len=2, warmups=0, repeat=1, seed=1)
