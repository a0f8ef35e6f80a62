"""Searches of endpoints: their runs, and the engine's logprobs that they work with."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from frameworkctl.errors import EngineError
from frameworkctl.interfaces.endpoint import EngineScope, GenerateItem, Search
from frameworkctl.interfaces.requests.outputs import Output, Usage
from frameworkctl.params import SamplingParams
from frameworkctl.server.engines.client import EngineClient
from frameworkctl.server.engines.streams import RowStream
from frameworkctl.server.models.local_model import LocalModel, cache_extras, token_bytes


class SearchRun:
    """A search's outputs in the place of a ``Generation``'s."""

    def __init__(
        self, search: Search, engine: EngineScope, item: GenerateItem, number: int, model: LocalModel, usage: Usage
    ) -> None:
        self.search, self.engine, self.item, self.number = search, engine, item, number
        self.model, self.usage = model, usage

    async def outputs(self) -> AsyncGenerator[Output, None]:
        self.usage.prompt_tokens += len(self.item.prompt.token_ids)
        async with aclosing(self.search.run(self.item, self.engine, self.model)) as outputs:
            async for output in outputs:
                output.item = self.number
                self.usage.completion_tokens += len(output.token_ids)
                yield output

    def end(self, index: int) -> None:
        """Do nothing: sequences come whole."""


async def next_logprobs(
    client: EngineClient, prompts: Sequence[Sequence[int]], count: int, item: GenerateItem, call: int
) -> list[tuple[tuple[int, float], ...]]:
    """Implement ``EngineScope.next_logprobs``: ask the engine for one token of each prompt, all at once."""
    params = SamplingParams(max_tokens=1, temperature=0.0, logprobs=count)
    streams: list[RowStream] = []
    try:
        for ids in prompts:
            streams.append(
                client.generate(
                    token_bytes(ids),
                    params,
                    seed=0,
                    priority=item.priority,
                    extras=cache_extras(item.cache_salt),
                    call=call,
                )
            )
        return [await _next(stream) for stream in streams]
    finally:
        for stream in streams:
            client.close(stream)


async def _next(stream: RowStream) -> tuple[tuple[int, float], ...]:
    (row,) = await stream.next()
    if row.error is not None or row.logprobs is None:
        raise EngineError(f"The request could not be finished: {row.error}")
    _, ids, values = row.logprobs
    return tuple(zip(ids, values, strict=True))
