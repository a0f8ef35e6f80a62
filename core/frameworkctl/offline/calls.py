"""Requests without HTTP: an endpoint's own reading of a body, and what the engine says to it, unformatted."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from typing import Any

import msgspec

from ..errors import ConfigError, RequestError
from ..interfaces.endpoint import Call, Endpoint, Output, Route, Usage, Work
from ..server.scope import CallScope
from ..server.service import Service
from ..server.stages import plugin_error


class Calls:
    """Every plugin that stands around parsing, rendering or the outputs of an endpoint does so here as well."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self._routes: dict[str, tuple[Endpoint, Route]] = {}

    async def __call__(self, path: str, body: Mapping[str, Any]) -> tuple[Work, list[Output], Usage]:
        """What ``POST path`` makes of a body, as it may be shown, and all that comes of it.

        Raises:
            RequestError: what a client would be answered.
            ConfigError: no endpoint serves that path.
        """
        endpoint, route = self._route(path)
        call = Call(
            endpoint=endpoint, route=route, method="POST", path=path, path_params={}, query={}, headers={},
            body=msgspec.json.encode(body), request_id=uuid.uuid4().hex, received=time.monotonic(),
        )  # fmt: skip
        scope = CallScope(call, self.service)
        try:
            _, model, work = await scope.prepare(endpoint, call)
            outputs = await scope.whole(work, model)
            return await scope.shown(work, model), outputs, scope.usage
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
