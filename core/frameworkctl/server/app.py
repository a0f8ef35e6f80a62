"""Assembles the Litestar application from the endpoints that plugins registered."""

from __future__ import annotations

import logging
import re

from litestar import HttpMethod, Litestar, Request, Response
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp, Receive, Scope, Send

from ..errors import RequestError
from ..interfaces.endpoint import Route
from . import docs, openapi
from .auth import KeyRing
from .gate import Gate
from .handler import RouteHandler
from .service import Service
from .sockets import socket_handler

log = logging.getLogger("frameworkctl.server")

_PARAMETER = re.compile(r"\{(\w+)(?::(\w+))?\}")


def build_app(service: Service) -> ASGIApp:
    """One handler per route, the generated documentation, and errors in the API's shape everywhere."""
    endpoints = [r.spec() for r in dict.fromkeys(service.host.registry.endpoints.values())]
    endpoints = [*endpoints, docs.DocsEndpoint(lambda: openapi.document(endpoints))]
    pairs = [(endpoint, route) for endpoint in endpoints for route in endpoint.routes]
    http = [(e, r) for e, r in pairs if not r.websocket]
    sockets = [(e, r) for e, r in pairs if r.websocket]
    app = Litestar(
        [
            *(_http_handler(RouteHandler(e, r, service), r) for e, r in http),
            *(socket_handler(e, r, service) for e, r in sockets),
        ],
        openapi_config=None,
        exception_handlers={HTTPException: _http_error, Exception: _unexpected},
        logging_config=None,
    )
    return Gate(
        app,
        KeyRing(service.options.server.api_key),
        public=frozenset((r.method, r.path) for _, r in http if r.public),
        websockets=frozenset(r.path for _, r in sockets),
        echo_ids=service.options.server.enable_request_id_headers,
    )


def _http_handler(handler: RouteHandler, route: Route) -> HTTPRouteHandler:
    async def respond(request: Request) -> ASGIApp:  # type: ignore[type-arg]
        return _AsApp(handler)

    path = _PARAMETER.sub(lambda m: f"{{{m[1]}:{m[2] or 'str'}}}", route.path)
    return HTTPRouteHandler(path, http_method=HttpMethod(route.method), status_code=200)(respond)


class _AsApp:
    """Litestar sends what a handler returns; ours writes to the connection itself."""

    __slots__ = ("_handler",)

    def __init__(self, handler: RouteHandler) -> None:
        self._handler = handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._handler(scope, receive, send)


def _http_error(request: Request, exc: HTTPException) -> Response:  # type: ignore[type-arg]
    """Litestar's own refusals (no such path, wrong method) in our shape."""
    status = exc.status_code
    what = f"{request.method} {request.url.path!r:.120}"
    known = {
        404: (f"There is nothing at {what}.", "not_found"),
        405: (f"The method of {what} is not allowed.", "method_not_allowed"),
    }
    message, code = known.get(status, (str(exc.detail)[:200], "http_error"))
    error = RequestError(message, status=status, code=code)
    return Response(error.body(), status_code=status, headers=dict(exc.headers or {}), media_type="application/json")


def _unexpected(request: Request, exc: Exception) -> Response:  # type: ignore[type-arg]
    log.error("%s %s failed", request.method, request.url.path, exc_info=exc)
    error = RequestError(f"The server failed: {type(exc).__name__}.", status=500, code="internal_error")
    return Response(error.body(), status_code=500, media_type="application/json")
