"""A call's texts go to the engine a few steps' worth at a time, and come back at their places."""

from __future__ import annotations

import asyncio
import random
import threading
from array import array
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from frameworkctl.engine.messages import Abort, EngineLoad, Outputs, Pool, Pooled, Row
from frameworkctl.errors import EngineError
from frameworkctl.interfaces import PoolFormatter, PoolItem, PoolOutput, PoolParams, Prompt, Reply, Usage
from frameworkctl.server.calls.pooling import PoolRun, answer, kinds
from frameworkctl.server.engines.client import EngineClient
from frameworkctl.server.lanes import Lanes

MODEL: Any = SimpleNamespace(settings=SimpleNamespace(max_num_seqs=8, max_num_batched_tokens=100), max_model_len=60)
EMBED = PoolParams("embed")


class Engine(EngineClient):
    """Answers each text with its own number of tokens, in steps; keeps what it was sent."""

    def __init__(self, *, step_texts: int = 5, fail_at: int | None = None) -> None:
        super().__init__(lambda event: None, lambda: None)
        self._transport: Any = Mock(is_closing=lambda: False)  # connected
        self.sent: list[Any] = []
        self.waiting: list[tuple[int, int, int]] = []  # request, number, tokens
        self.most_texts = self.most_tokens = self.ended = self.answers = 0
        self.step_texts, self.fail_at = step_texts, fail_at

    def send(self, message: Any) -> None:
        self.sent.append(message)
        if isinstance(message, Pool):
            assert len(array("i", message.tokens)) == sum(message.lengths)
            self.waiting += [(message.id, n, t) for n, t in zip(message.numbers, message.lengths, strict=True)]
            self.most_texts = max(self.most_texts, len(self.waiting))
            self.most_tokens = max(self.most_tokens, sum(t for _, _, t in self.waiting))
            asyncio.get_running_loop().call_soon(self.step)

    def step(self) -> None:
        step, self.waiting = self.waiting[: self.step_texts], self.waiting[self.step_texts :]
        if not step:
            return
        self.ended += len(step)
        if self.fail_at is not None and self.ended > self.fail_at:
            self._take(Outputs([Row(step[0][0], step[0][1], None, reason="error", error="broken")], EngineLoad()))
            return
        self.answers += 1
        data = array("f", [float(tokens) for _, _, tokens in step]).tobytes()
        self._take(Outputs([], EngineLoad(), [Pooled(step[0][0], [n for _, n, _ in step], data, 1, [], 2)]))
        asyncio.get_running_loop().call_soon(self.step)


def items(count: int) -> list[PoolItem]:
    rng = random.Random(count)
    return [PoolItem(prompt=Prompt([7] * rng.randint(1, 60)), params=EMBED) for _ in range(count)]


def run(engine: Engine, texts: list[PoolItem]) -> tuple[list[PoolOutput | None], Usage]:
    outputs: list[PoolOutput | None] = [None] * len(texts)
    usage = Usage()

    async def go() -> None:
        [(kind, numbers)] = kinds(texts).items()
        await PoolRun(engine, MODEL, texts, numbers, kind).run(outputs, usage)

    asyncio.run(go())
    return outputs, usage


@pytest.mark.parametrize("count", [1, 7, 400])
def test_every_text_comes_back_at_its_place(count: int) -> None:
    engine, texts = Engine(), items(count)
    outputs, usage = run(engine, texts)
    for number, (text, output) in enumerate(zip(texts, outputs, strict=True)):
        assert output is not None
        assert (output.item, output.width, output.rows) == (number, 1, None)
        assert array("f", output.data)[0] == len(text.prompt.token_ids)
    assert engine.most_texts <= 2 * MODEL.settings.max_num_seqs
    assert engine.most_tokens <= 2 * MODEL.settings.max_num_batched_tokens
    assert not engine.open_sequences
    assert not [m for m in engine.sent if isinstance(m, Abort)]
    assert usage.cached_tokens == 2 * engine.answers


def test_a_text_that_fails_ends_the_call_and_what_is_left_of_it() -> None:
    engine = Engine(fail_at=20)
    with pytest.raises(EngineError, match="The request could not be finished: broken"):
        run(engine, items(100))
    assert not engine.open_sequences
    assert [type(m) for m in engine.sent[-1:]] == [Abort]
    assert sum(len(m.numbers) for m in engine.sent if isinstance(m, Pool)) < 50


def test_a_client_that_leaves_aborts_its_texts() -> None:
    engine, texts = Engine(step_texts=0), items(30)

    async def go() -> None:
        [(kind, numbers)] = kinds(texts).items()
        task = asyncio.create_task(PoolRun(engine, MODEL, texts, numbers, kind).run([None] * 30, Usage()))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(go())
    assert [type(m) for m in engine.sent] == [Pool, Abort]
    assert not engine.open_sequences


def test_an_engine_that_dies_fails_the_call_once() -> None:
    engine, texts = Engine(step_texts=0), items(30)

    async def go() -> None:
        [(kind, numbers)] = kinds(texts).items()
        task = asyncio.create_task(PoolRun(engine, MODEL, texts, numbers, kind).run([None] * 30, Usage()))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        engine.connection_lost(None)
        with pytest.raises(EngineError, match="The engine died"):
            await task

    asyncio.run(go())


def test_texts_that_want_the_same_travel_together() -> None:
    pair = PoolParams("classify", second=3)
    other = PoolParams("classify", activate=False)
    made = [PoolItem(prompt=Prompt([1]), params=p) for p in (pair, EMBED, pair.at(5), other, EMBED)]
    made.append(PoolItem(prompt=Prompt([1]), params=EMBED, cache_salt="x"))
    assert list(kinds(made).values()) == [[0, 2], [1, 4], [3], [5]]


@pytest.mark.parametrize(
    ("count", "width", "asked", "apart"),
    [(1, 4, 99, False), (1, 1 << 15, 99, True), (10_000, 1, 99, True), (2, 1, 9 << 20, True)],
)
def test_large_answers_are_made_in_another_thread(count: int, width: int, asked: int, apart: bool) -> None:
    """Large by their vectors, by how many there are, or by the texts of the request that they repeat."""
    threads: list[int] = []

    class Formatter(PoolFormatter):
        def pooled(self, outputs: list[PoolOutput], usage: Usage) -> Reply:
            threads.append(threading.get_ident())
            return Reply(body={})

    outputs = [PoolOutput(item=i, data=bytes(4 * width), width=width) for i in range(count)]
    lanes = Lanes()
    try:
        asyncio.run(answer(Formatter(), outputs, Usage(), lanes, asked))
    finally:
        lanes.shutdown()
    assert (threads != [threading.get_ident()]) is apart
