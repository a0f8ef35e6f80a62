"""The engine as one call sees it: implements ``interfaces.EngineScope``. All work started in it ends with the call."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from frameworkctl.errors import RequestError, bad
from frameworkctl.interfaces.endpoint import Call, Endpoint, GenerateItem, Work
from frameworkctl.interfaces.pooling import PoolItem, PoolOutput
from frameworkctl.interfaces.requests.outputs import Output, Reply, Usage
from frameworkctl.interfaces.served_model import ServedModel
from frameworkctl.server.engines.client import EngineClient
from frameworkctl.server.engines.streams import RowStream
from frameworkctl.server.filters.call_filters import Guard
from frameworkctl.server.filters.sequence_filters import GuardedSequence
from frameworkctl.server.models.embeds import prompt_bytes
from frameworkctl.server.models.local_model import LocalModel, cache_extras, token_bytes

from .generation import Generation
from .pipeline import Pipeline
from .pooling import PoolRun, check_tasks, kinds
from .search import SearchRun, next_logprobs
from .service import Service


class CallScope:
    """One per call; ``close`` when the call has ended, whichever way."""

    def __init__(self, call: Call, service: Service) -> None:
        self.call, self.service = call, service
        self.number = next(service.call_numbers)
        self.usage = Usage()
        self.first_output: float | None = None  # time.monotonic()
        self.served: str | None = None
        self._open: list[tuple[EngineClient, RowStream]] = []
        self.request: Any = None
        self._guards: dict[str, Guard] = {}  # by model
        self._searches = 0  # that are running

    @property
    def models(self) -> Mapping[str, ServedModel]:
        return dict(self.service.models)

    @property
    def options(self) -> Mapping[str, Any]:
        return self.service.options.plugin_options

    @property
    def pipeline(self) -> Pipeline:
        return Pipeline(self.service, self)

    def health(self) -> Mapping[str, Any]:
        return self.service.health()

    def close(self) -> None:
        """End all work of the call, and the circle of references through its guards.

        A decoded request may take tens of megabytes, which would stay until the garbage collector looks for circles.
        """
        for client, stream in self._open:
            client.close(stream)
        for guard in self._guards.values():
            guard.close()

    def model(self, name: str | None, tasks: frozenset[str]) -> LocalModel:
        found = self.service.model(name, tasks)
        self.served = found.name
        if tasks and not tasks & found.info.tasks:
            raise RequestError(
                f"The model {found.name!r} does not {' or '.join(sorted(tasks))};"
                f" it can {', '.join(sorted(found.info.tasks))}.",
                param="model",
                code="unsupported_task",
            )
        self.call.guard = self.guard(found)
        return found

    async def serve(self, endpoint: Endpoint, call: Call) -> Reply:
        return await self.pipeline.serve(endpoint, call)

    # -- work

    async def run(self, work: Work, model: LocalModel) -> AsyncGenerator[Output, None]:
        """Outputs of all items as they come."""
        if len(work.items) == 1:
            async with aclosing(self._generate(work.items[0], model, 0)) as outputs:
                async for output in outputs:
                    yield output
            return
        queue: asyncio.Queue[Output | BaseException | None] = asyncio.Queue()

        async def pump(number: int, item: GenerateItem) -> None:
            try:
                async with aclosing(self._generate(item, model, number)) as outputs:
                    async for output in outputs:
                        queue.put_nowait(output)
                queue.put_nowait(None)
            except Exception as e:  # noqa: BLE001  raised again in the task that reads
                queue.put_nowait(e)

        tasks = [asyncio.create_task(pump(i, item)) for i, item in enumerate(work.items)]
        try:
            open_items = len(tasks)
            while open_items:
                got = await queue.get()
                if got is None:
                    open_items -= 1
                elif isinstance(got, BaseException):
                    raise got
                else:
                    yield got
        finally:
            for task in tasks:
                task.cancel()

    def generate(self, item: GenerateItem, model: ServedModel) -> AsyncGenerator[Output, None]:
        assert isinstance(model, LocalModel)
        self.service.check_room(model, Work(items=[item]))
        return self._generate(item, model, 0)

    async def _generate(self, item: GenerateItem, model: LocalModel, number: int) -> AsyncGenerator[Output, None]:
        if item.search is not None:
            self._searches += 1
            generation: Generation | SearchRun = SearchRun(item.search, self, item, number, model, self.usage)
        else:
            item = await model.compiled(item)
            client, stream = self._start(item, model, open_input=False)
            generation = Generation(client, stream, item, number, model.tokenizer.vocabulary, self.usage)
        try:
            async with aclosing(self._filtered(generation, model)) as outputs:
                async for output in outputs:
                    yield output
        finally:
            self._searches -= item.search is not None

    def guard(self, model: LocalModel) -> Guard:
        guard = self._guards.get(model.name)
        if guard is None:
            guard = self._guards[model.name] = Guard(
                lambda: self.service.stages.filters(self.request, model, self.call), model.tokenizer.vocabulary
            )
        return guard

    async def next_logprobs(
        self, prompts: Sequence[Sequence[int]], count: int, item: GenerateItem, model: ServedModel
    ) -> list[tuple[tuple[int, float], ...]]:
        assert isinstance(model, LocalModel)
        if not self._searches and self.guard(model).filters:
            raise RequestError("Logprobs that no output filter sees are for searches only.", status=500)
        return await next_logprobs(self._client(item, model), prompts, count, item, self.number)

    async def _filtered(self, generation: Generation | SearchRun, model: LocalModel) -> AsyncGenerator[Output, None]:
        """Yield what plugins' filters let through: no output reaches an endpoint by another way."""
        guard, item = self.guard(model), generation.item
        number = guard.number()
        sequences = [GuardedSequence(guard, item, number, i) for i in range(item.n if guard.filters else 0)]
        async with aclosing(generation.outputs()) as outputs:
            async for output in outputs:
                if self.first_output is None:
                    self.first_output = time.monotonic()
                if sequences:
                    ended, scores = output.finish_reason is not None, output.prompt_logprobs
                    output = sequences[output.index].pass_on(output)
                    if output.finish_reason is not None and not ended:
                        generation.end(output.index)
                    if scores is not None:
                        output.prompt_logprobs = await asyncio.to_thread(guard.apart().prompt_logprobs, item, scores)
                yield output

    def _client(self, item: GenerateItem | PoolItem, model: LocalModel) -> EngineClient:
        if item.priority and not model.uses_priority:
            raise RequestError(
                f"priority needs a scheduling policy that looks at it; {model.name!r} is served with"
                f" --scheduling-policy {model.settings.scheduling_policy}.",
                param="priority",
                code="unsupported_parameter",
            )
        assert model.engine is not None
        return model.engine.live_client()

    def _start(self, item: GenerateItem, model: LocalModel, *, open_input: bool) -> tuple[EngineClient, RowStream]:
        client = self._client(item, model)
        seed = item.params.seed if item.params.seed is not None else self.service.fresh_seed(model)
        embeds = item.prompt.embeds
        stream = client.generate(
            prompt_bytes(item.prompt),
            item.params,
            seed=seed,
            priority=item.priority,
            extras=cache_extras(item.cache_salt, embeds),
            open_input=open_input,
            embeds=None if embeds is None else embeds.rows,
            call=self.number,
        )
        self._open.append((client, stream))
        self.usage.prompt_tokens += len(item.prompt.token_ids)
        return client, stream

    async def pool(self, items: Sequence[PoolItem], model: ServedModel) -> list[PoolOutput]:
        assert isinstance(model, LocalModel)
        check_tasks(items, model)
        outputs: list[PoolOutput | None] = [None] * len(items)
        for kind, numbers in kinds(items).items():
            client = self._client(items[numbers[0]], model)
            self.usage.prompt_tokens += sum(len(items[i].prompt.token_ids) for i in numbers)
            await PoolRun(client, model, items, numbers, kind, self.number).run(outputs, self.usage)
        return [output for output in outputs if output is not None]

    def open(self, item: GenerateItem, model: ServedModel) -> LocalSession:
        assert isinstance(model, LocalModel)
        if item.params.grammar is not None:
            raise bad(item.params.grammar.param, "A session cannot constrain its output.", "unsupported_parameter")
        client, stream = self._start(item, model, open_input=True)
        generation = Generation(client, stream, item, 0, model.tokenizer.vocabulary, self.usage)
        room = model.max_model_len - len(item.prompt.token_ids)
        return LocalSession(client, stream, self._filtered(generation, model), self.usage, room)


class LocalSession:
    """Implements ``interfaces.Session``."""

    def __init__(
        self, client: EngineClient, stream: RowStream, outputs: AsyncIterator[Output], usage: Usage, room: int
    ) -> None:
        self._client, self._stream, self._outputs, self._usage = client, stream, outputs, usage
        self._room = room  # tokens that still fit, the first one of the answer included

    async def append(self, token_ids: Sequence[int], *, final: bool = False) -> None:
        self._room -= len(token_ids)
        if self._room < 1:
            raise RequestError("The session has outgrown the model's context.", code="context_length_exceeded")
        self._usage.prompt_tokens += len(token_ids)
        self._client.append(self._stream, token_bytes(token_ids), final=final)

    def outputs(self) -> AsyncIterator[Output]:
        return self._outputs
