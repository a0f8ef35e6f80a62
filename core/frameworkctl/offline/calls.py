"""Requests without HTTP: an endpoint's own reading of a body, and what the engine says to it, unformatted."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from frameworkctl.errors import ConfigError, RequestError
from frameworkctl.interfaces.endpoint import Call, Endpoint, Route, Work
from frameworkctl.interfaces.pooling import PoolFormatter
from frameworkctl.interfaces.requests.outputs import Output, Usage
from frameworkctl.server.calls.pooling import answer
from frameworkctl.server.calls.scope import CallScope
from frameworkctl.server.calls.service import Service
from frameworkctl.server.calls.stages import plugin_error


class Calls:
    """Every plugin that stands around parsing, rendering or the outputs of an endpoint does so here as well."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self._routes: dict[str, tuple[Endpoint, Route]] = {}

    async def __call__(self, path: str, body: Mapping[str, Any]) -> tuple[Work, list[Output], Usage]:
        """Return what ``POST path`` makes of a body, as it may be shown, and all that comes of it.

        Raises:
            RequestError: what a client would be answered.
            ConfigError: no endpoint serves that path.
        """
        async with self._scope(path, body) as (scope, call):
            _, model, work = await scope.pipeline.prepare(call.endpoint, call)
            outputs = await scope.pipeline.whole(work, model)
            return await scope.pipeline.shown(work, model), outputs, scope.usage

    async def pooled(self, path: str, body: Mapping[str, Any]) -> tuple[Work, dict[str, Any], int | None]:
        """Return the same of a pooling endpoint: the work, a client's answer, and the numbers in a row (None: it has
        one).

        Raises:
            RequestError, ConfigError: as of a call.
        """
        async with self._scope(path, body) as (scope, call):
            request, model, work = await scope.pipeline.prepare(call.endpoint, call)
            formatter = self.service.stages.format(request, work, model, call)
            assert isinstance(formatter, PoolFormatter)
            outputs = await scope.pool(work.pool, model)
            reply = await answer(formatter, outputs, scope.usage, self.service.lanes, len(call.body))
            return work, msgspec.json.decode(reply.body), None if outputs[0].rows is None else outputs[0].width

    @asynccontextmanager
    async def _scope(self, path: str, body: Mapping[str, Any]) -> AsyncIterator[tuple[CallScope, Call]]:
        """Errors that are no answers become one, and nothing of the call goes on behind it."""
        endpoint, route = self._route(path)
        call = Call(
            endpoint=endpoint,
            route=route,
            method="POST",
            path=path,
            path_params={},
            query={},
            headers={},
            body=msgspec.json.encode(body),
            request_id=uuid.uuid4().hex,
            received=time.monotonic(),
        )
        scope = CallScope(call, self.service)
        try:
            yield scope, call
        except RequestError:
            raise
        except Exception as e:
            raise plugin_error(self.service.host, e) from e
        finally:
            scope.close()

    def _route(self, path: str) -> tuple[Endpoint, Route]:
        found = self._routes.get(path)
        if found is None:
            for registered in self.service.host.registry.endpoints.values():
                for route in registered.spec.routes:
                    if (route.method, route.path, route.websocket) == ("POST", path, False):
                        found = self._routes[path] = (registered.spec(), route)
        if found is None:
            raise ConfigError(f"no plugin that is on serves {path}, which this needs")
        return found
