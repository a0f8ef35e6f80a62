"""The stages of a call: parse, render, run, format, with the plugins around them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any, Protocol

import msgspec

from frameworkctl.interfaces.endpoint import Call, Endpoint, Formatter, Work
from frameworkctl.interfaces.pooling import PoolFormatter, PoolItem, PoolOutput
from frameworkctl.interfaces.requests.outputs import Output, Payload, Reply, Usage
from frameworkctl.interfaces.served_model import ServedModel
from frameworkctl.server.filters.call_filters import Guard
from frameworkctl.server.http import header_names
from frameworkctl.server.models.local_model import LocalModel

from .generation import merge
from .pooling import answer
from .service import Service
from .stream_interval import spaced

LARGE_BODY = 1 << 18  # bytes from which on a body is decoded in a worker thread
SMALL_BODY = 1 << 10  # bytes up to which tokenizing it takes less time than to change threads


class StageScope(Protocol):
    """The engine as the stages of a call use it."""

    call: Call
    usage: Usage
    request: Any  # set when it is parsed, for output filters

    def model(self, name: str | None, tasks: frozenset[str]) -> LocalModel: ...

    def guard(self, model: LocalModel) -> Guard: ...

    def run(self, work: Work, model: LocalModel) -> AsyncGenerator[Output, None]: ...

    async def pool(self, items: Sequence[PoolItem], model: ServedModel) -> list[PoolOutput]: ...


class Pipeline:
    """One per call."""

    def __init__(self, service: Service, scope: StageScope) -> None:
        self._service, self._scope = service, scope

    async def serve(self, endpoint: Endpoint, call: Call) -> Reply:
        request, model, work = await self.prepare(endpoint, call)
        formatter = self._service.stages.format(request, await self.shown(work, model), model, call)
        if isinstance(formatter, PoolFormatter):
            pooled = await self._scope.pool(work.pool, model)
            return await answer(formatter, pooled, self._scope.usage, self._service.lanes, len(call.body))
        if work.stream:
            outputs = self._scope.run(work, model)
            if work.stream_interval > 1:
                outputs = spaced(outputs, work.stream_interval)
            return Reply(stream=self._payloads(outputs, formatter), done=formatter.done)
        whole = await self.whole(work, model)
        if any(output.prompt_logprobs for output in whole):  # large: other streams must not wait for it
            loop = asyncio.get_running_loop()
            lane = self._service.lanes.of(len(call.body))
            return await loop.run_in_executor(lane, formatter.final, whole, self._scope.usage)
        return formatter.final(whole, self._scope.usage)

    async def prepare(self, endpoint: Endpoint, call: Call) -> tuple[Any, LocalModel, Work]:
        """Parse and render: the request, its model, and what the engine is to do."""
        stages = self._service.stages
        loop = asyncio.get_running_loop()
        if len(call.body) < LARGE_BODY:
            request = self._parse(call)
        else:  # other streams must not wait for it
            request = await loop.run_in_executor(self._service.lanes.of(len(call.body)), self._parse, call)
        model = self._scope.model(getattr(request, "model", None) or self._default(endpoint), endpoint.tasks)
        self._service.admit(model)
        self._scope.request = request
        if len(call.body) <= SMALL_BODY and stages.render_is_plain and endpoint.renders_fast(request):
            work: Work = stages.render(request, model, call)
        else:
            size, lanes = max(len(call.body), endpoint.size(request)), self._service.lanes
            threads = lanes.waiting if endpoint.waits(request) else lanes.of(size)
            work = await loop.run_in_executor(threads, stages.render, request, model, call)
        self._service.check_room(model, work)
        work = await self._compiled(work, model)
        header_names.name_loosened(call, work)
        return request, model, work

    async def _compiled(self, work: Work, model: LocalModel) -> Work:
        """Return the work with its constraints compiled. Raises RequestError."""
        if all(item.params.grammar is None for item in work.items):
            return work
        return msgspec.structs.replace(work, items=[await model.compiled(item) for item in work.items])

    def _default(self, endpoint: Endpoint) -> str | None:
        """Return the name of the model that the endpoint chooses where a request names none."""
        chosen = endpoint.default_model(list(dict.fromkeys(self._service.models.values())))
        return None if chosen is None else chosen.name

    async def shown(self, work: Work, model: LocalModel) -> Work:
        """Return the work with its prompts as they may be echoed."""
        guard = self._scope.guard(model)
        if not guard.filters or work.pool:
            return work
        lane = self._service.lanes.of(len(self._scope.call.body))
        return await asyncio.get_running_loop().run_in_executor(lane, guard.work, work)

    async def whole(self, work: Work, model: LocalModel) -> list[Output]:
        """Run every sequence to its end; return them ordered by item and index."""
        found: dict[tuple[int, int], Output] = {}
        async with aclosing(self._scope.run(work, model)) as outputs:
            async for output in outputs:
                merge(found, output)
        return [found[key] for key in sorted(found)]

    def _parse(self, call: Call) -> Any:
        request = self._service.stages.parse(call)
        self._service.check_unknown_fields(call)
        return request

    async def _payloads(self, outputs: AsyncGenerator[Output, None], formatter: Formatter) -> AsyncIterator[Payload]:
        async with aclosing(outputs):
            async for output in outputs:
                for payload in formatter.delta(output, self._scope.usage):
                    yield payload
        for payload in formatter.end(self._scope.usage):
            yield payload
