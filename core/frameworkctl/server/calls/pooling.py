"""Texts of a call to the engine and their vectors back: a few steps' worth at a time, so that others get between."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Iterator, Sequence

import msgspec

from frameworkctl.engine.messages import Pool, Pooled
from frameworkctl.errors import RequestError
from frameworkctl.interfaces.pooling import PoolFormatter, PoolItem, PoolOutput, PoolParams
from frameworkctl.interfaces.requests.outputs import Reply, Usage
from frameworkctl.server.engines.client import EngineClient
from frameworkctl.server.engines.streams import PoolStream
from frameworkctl.server.http import wire
from frameworkctl.server.lanes import Lanes
from frameworkctl.server.models.local_model import LocalModel, cache_extras

STEPS_AHEAD = 2  # of a call's texts that are in the engine at once: it has the next one when it ends one
STEP_TOKENS = 512  # of a call in a step: as many as products are fast with, so that others do not wait for more
LARGE_ANSWER = 1 << 16  # bytes from which on an answer is made in a worker thread
ENTRY = 1 << 6  # bytes of an answer that come with each vector


class Kind(msgspec.Struct, frozen=True):
    """Parameters that texts of one request have in common."""

    params: PoolParams
    priority: int
    cache_salt: str | None


def kinds(items: Sequence[PoolItem]) -> dict[Kind, list[int]]:
    """Numbers of the items of each kind."""
    out: dict[Kind, list[int]] = {}
    last_params, last_kind = None, None
    for number, item in enumerate(items):
        own = (item.params, item.priority, item.cache_salt)
        if last_kind is None or own != last_params:
            last_params, last_kind = own, Kind(item.params.at(0), item.priority, item.cache_salt)
        out.setdefault(last_kind, []).append(number)
    return out


def check_tasks(items: Sequence[PoolItem], model: LocalModel) -> None:
    """Raise RequestError if the model does not do what a text is to be pooled for."""
    for task in {item.params.task for item in items}:
        if model.info.pooling is None or task not in model.info.tasks:
            raise RequestError(
                f"The model {model.name!r} does not {task}; it can {', '.join(sorted(model.info.tasks))}.",
                param="model",
                code="unsupported_task",
            )


class PoolRun:
    """All texts of one kind, through the engine."""

    def __init__(
        self,
        client: EngineClient,
        model: LocalModel,
        items: Sequence[PoolItem],
        numbers: Sequence[int],
        kind: Kind,
        call: int | None = None,
    ) -> None:
        self.client, self.items, self.kind, self.call = client, items, kind, call
        # Steps of texts of about equal length are even, and the longest are not left for the end.
        self._waiting = sorted(numbers, key=lambda i: -len(items[i].prompt.token_ids))
        self._at = 0
        self._texts = self._tokens = 0  # in the engine
        self._max_texts = STEPS_AHEAD * model.settings.max_num_seqs
        self._max_tokens = STEPS_AHEAD * min(model.settings.max_num_batched_tokens, STEP_TOKENS)

    async def run(self, outputs: list[PoolOutput | None], usage: Usage) -> None:
        """Puts every text's output at its number. Raises RequestError."""
        stream = self.client.pool(len(self._waiting))
        try:
            while stream.open:
                if batch := self._next():
                    self.client.send(self._message(stream, batch))
                for pooled in await stream.next():
                    usage.cached_tokens += pooled.cached
                    for output in unpacked(pooled):
                        outputs[output.item] = output
                        self._texts -= 1
                        self._tokens -= len(self.items[output.item].prompt.token_ids)
        finally:
            self.client.close(stream)

    def _next(self) -> list[int]:
        """Return the numbers of the texts that may go now."""
        begin = self._at
        while self._at < len(self._waiting):
            tokens = len(self.items[self._waiting[self._at]].prompt.token_ids)
            full = self._texts >= self._max_texts or self._tokens + tokens > self._max_tokens
            if full and self._texts:
                break
            self._texts += 1
            self._tokens += tokens
            self._at += 1
        return self._waiting[begin : self._at]

    def _message(self, stream: PoolStream, batch: list[int]) -> Pool:
        items = [self.items[i] for i in batch]
        tokens = array("i")
        for item in items:
            tokens.extend(item.prompt.token_ids)
        seconds = [item.params.second for item in items]
        return Pool(
            stream.id,
            batch,
            tokens.tobytes(),
            [len(i.prompt.token_ids) for i in items],
            seconds if any(seconds) else [],
            self.kind.params,
            self.kind.priority,
            cache_extras(self.kind.cache_salt),
            self.call,
        )


def unpacked(pooled: Pooled) -> Iterator[PoolOutput]:
    """Yield the texts of an engine's answer."""
    at = 0
    for place, number in enumerate(pooled.numbers):
        rows = pooled.rows[place] if pooled.rows else None
        end = at + 4 * pooled.width * (1 if rows is None else rows)
        yield PoolOutput(item=number, data=pooled.data[at:end], width=pooled.width, rows=rows)
        at = end


async def answer(formatter: PoolFormatter, outputs: list[PoolOutput], usage: Usage, lanes: Lanes, asked: int) -> Reply:
    """Return the formatter's reply as bytes; what is large is written apart, so that streams do not wait for it.

    ``asked`` bytes came with the request: an answer may hold its texts.
    """

    def written() -> Reply:
        reply = formatter.pooled(outputs, usage)
        if reply.stream is None:
            reply.body = wire.encode(reply.body)
        return reply

    size = asked + sum(len(output.data) + ENTRY for output in outputs)
    if size < LARGE_ANSWER:
        return written()
    return await asyncio.get_running_loop().run_in_executor(lanes.of(size), written)
