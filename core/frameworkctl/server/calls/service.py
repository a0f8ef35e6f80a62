"""State that all calls share: models, stages, limits, state of the server."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Coroutine, Mapping
from typing import Any

from frameworkctl.config import Options
from frameworkctl.errors import RequestError, UnavailableError, bad
from frameworkctl.interfaces.endpoint import Call, Work
from frameworkctl.limits import MAX_SEQUENCES
from frameworkctl.plugins import PluginHost
from frameworkctl.server.engines.supervisor import Supervisor
from frameworkctl.server.http import header_names
from frameworkctl.server.http.bodies.unknown_fields import unknown_fields
from frameworkctl.server.lanes import Lanes
from frameworkctl.server.models.local_model import LocalModel
from frameworkctl.server.observers import Observers

from .stages import Stages


class Service:
    """One per server. ``models`` holds each under all its names, in the order of the command line."""

    def __init__(
        self, options: Options, host: PluginHost, models: list[LocalModel], supervisor: Supervisor, observers: Observers
    ) -> None:
        self.options, self.host, self.supervisor, self.observers = options, host, supervisor, observers
        self.models = {name: model for model in models for name in model.names}
        self.stages = Stages(host)
        self.lanes = Lanes()
        self.draining = False
        self.open_calls = 0
        self._sessions: set[asyncio.Task[None]] = set()  # of WebSockets
        self.call_numbers = itertools.count(1)
        self._seeds = itertools.count()
        self._random = random.Random()  # seeds need to be unlike, not secret: no system call for each
        self._first = models[0]

    def model(self, name: str | None, tasks: frozenset[str] = frozenset()) -> LocalModel:
        """Return a model by any served name; None is the first that can do one of ``tasks``, or the first. Raises
        RequestError 404.
        """
        if name is None:
            return next((m for m in self.models.values() if tasks & m.info.tasks), self._first)
        found = self.models.get(name)
        if found is None:
            raise RequestError(
                f"The model {name!r:.120} does not exist; served are {', '.join(self.models)}.",
                param="model",
                code="model_not_found",
                status=404,
            )
        return found

    def admit(self, model: LocalModel, sequences: int = 1) -> None:
        """Raise RequestError 429 or 503 if the engine cannot take so many more sequences now."""
        assert model.engine is not None
        client = model.engine.live_client()
        limit = model.settings.max_num_queued_reqs
        if limit >= 0 and client.open_sequences + sequences > model.settings.max_num_seqs + limit:
            raise RequestError(
                f"Too many requests are waiting for {model.name!r}.",
                status=429,
                code="queue_full",
                headers={"retry-after": "1"},
            )

    def check_room(self, model: LocalModel, work: Work) -> None:
        """Raise RequestError: 400 if a request asks for more sequences than any may, 429 if there is no room now."""
        sequences = sum(item.n for item in work.items)
        settings = model.settings
        queue = settings.max_num_queued_reqs
        most = MAX_SEQUENCES if queue < 0 else max(queue, settings.max_num_seqs)
        if sequences > most:
            wide, prompts = any(item.n > 1 for item in work.items), len(work.items)
            raise bad(
                "n" if wide else "prompt",
                f"The request asks for {sequences} sequences of {prompts} prompts: send at most {most} at a time"
                " (--max-num-queued-reqs).",
                "too_many_sequences",
            )
        if sequences:
            self.admit(model, sequences)

    def check_draining(self) -> None:
        if self.draining:
            raise draining_error()

    def fail_open_requests(self) -> None:
        """End everything that still runs, each request with one error."""
        for engine in self.supervisor.engines:
            if engine.client is not None:
                engine.client.fail_all(draining_error())
        for task in list(self._sessions):
            task.cancel()

    async def until_ended(self, session: Coroutine[Any, Any, None]) -> None:
        """Await a session of a WebSocket, which may wait for its client for ever: it ends when the server does.

        Raises:
            UnavailableError: the server has ended it.
        """
        task = asyncio.ensure_future(session)
        self._sessions.add(task)
        try:
            await task
        except asyncio.CancelledError:
            if not task.cancelled():
                task.cancel()  # this task itself was ended
                raise
            raise draining_error() from None
        finally:
            self._sessions.discard(task)

    def fresh_seed(self, model: LocalModel) -> int:
        """Random, unless ``--seed`` asks for a fixed sequence."""
        base = model.settings.seed
        return self._random.getrandbits(63) if base is None else (base << 32) + next(self._seeds)

    def check_unknown_fields(self, call: Call) -> None:
        """Name fields that the request's Structs lack in a reply header, or refuse them."""
        policy = self.options.server.unknown_fields
        if policy == "ignore" or call.route.request is None or call.route.form:
            return
        unknown = unknown_fields(call.route.request, call.body, aliases=policy != "reject")
        if not unknown:
            return
        if policy == "reject":
            raise RequestError(f"Unknown field {unknown[0]!r}.", param=unknown[0], code="unknown_field")
        call.reply_headers[header_names.UNKNOWN_FIELDS] = header_names.for_header(unknown)

    def health(self) -> Mapping[str, Any]:
        engines = {}
        for engine in self.supervisor.engines:
            load = engine.client.load if engine.client is not None else None
            entry: dict[str, Any] = {"state": engine.state, "restarts": engine.restarts}
            if engine.state == "loading":
                entry["progress"] = round(engine.progress, 3)
            if engine.reason is not None:
                entry["reason"] = engine.reason
            if load is not None and engine.state == "ready":
                entry |= {
                    "running": load.running,
                    "waiting": load.waiting,
                    "free_pages": load.free_pages,
                    "total_pages": load.total_pages,
                    "preemptions": load.preemptions,
                    "cache_hit_tokens": load.cache_hit_tokens,
                    "cache_query_tokens": load.cache_query_tokens,
                    "draft_tokens": load.draft_tokens,
                    "accepted_draft_tokens": load.accepted_draft_tokens,
                }
            engines[engine.config.name] = entry
        states = {e.state for e in self.supervisor.engines}
        status = "ready"
        if states != {"ready"}:
            status = "loading" if states <= {"ready", "loading"} else "unhealthy"
        return {"status": "draining" if self.draining else status, "models": engines}


def draining_error() -> UnavailableError:
    """Return the error of every request that a server which shuts down does not finish."""
    return UnavailableError("The server is shutting down.", code="draining")
