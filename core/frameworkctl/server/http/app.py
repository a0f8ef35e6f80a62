"""Assembles the Litestar application from the endpoints that plugins registered."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from functools import partial
from typing import cast

from litestar import HttpMethod, Litestar, Request, Response
from litestar.exceptions import HTTPException, MethodNotAllowedException
from litestar.handlers import ASGIRouteHandler, HTTPRouteHandler
from litestar.types import ASGIApp, Receive, Scope, Send

from frameworkctl.errors import RequestError
from frameworkctl.interfaces.endpoint import Endpoint, Route
from frameworkctl.server.calls.service import Service

from . import wire
from .auth import KeyRing
from .cors import Cors
from .docs import openapi
from .docs import page as docs
from .gate import Gate
from .handler import RouteHandler
from .paths import KnownPaths
from .sockets import socket_handler

log = logging.getLogger("frameworkctl.server")

_PARAMETER = re.compile(r"\{(\w+)(?::(\w+))?\}")


def build_app(service: Service) -> ASGIApp:
    """Return one handler per route, the generated documentation, and errors in the API's shape everywhere."""
    endpoints = [r.spec() for r in dict.fromkeys(service.host.registry.endpoints.values())]
    # Before the others, so that a plugin's page at / takes the place of ours.
    endpoints = [docs.DocsEndpoint(lambda: openapi.document(endpoints)), *endpoints]
    pairs = [(endpoint, route) for endpoint in endpoints for route in endpoint.routes]
    http = [(e, r) for e, r in pairs if not r.websocket]
    sockets = [(e, r) for e, r in pairs if r.websocket]
    by_path = _by_path(http, service)
    app = Litestar(
        [
            *(_http_handler(path, methods) for path, methods in by_path.items()),
            *(socket_handler(e, r, service) for e, r in sockets),
        ],
        openapi_config=None,
        exception_handlers={
            HTTPException: partial(_http_error, KnownPaths(r.path for _, r in http)),
            Exception: _unexpected,
        },
        logging_config=None,
    )
    return Gate(
        app,
        KeyRing(service.options.server.api_key),
        Cors(service.options.server),
        public=frozenset(
            (method, path) for path, routes in by_path.items() for method, h in routes.items() if h.public
        ),
        websockets=frozenset(r.path for _, r in sockets),
        echo_ids=service.options.server.enable_request_id_headers,
    )


def _by_path(routes: Iterable[tuple[Endpoint, Route]], service: Service) -> dict[str, dict[str, RouteHandler]]:
    """Path as the router takes it -> method -> handler."""
    found: dict[str, dict[str, RouteHandler]] = {}
    for endpoint, route in routes:
        path = _PARAMETER.sub(lambda m: f"{{{m[1]}:{m[2] or 'str'}}}", route.path)
        found.setdefault(path, {})[route.method] = RouteHandler(endpoint, route, service)
    return found


def _http_handler(path: str, methods: Mapping[str, RouteHandler]) -> ASGIRouteHandler | HTTPRouteHandler:
    """Ours read and write the connection themselves: of the framework's handlers, the one that does least.

    Its router finds no handler of that kind on a path with parameters; those take the way of ordinary handlers.
    """
    head = ("HEAD",) if "GET" in methods and "HEAD" not in methods else ()
    allow = {"allow": ", ".join(sorted([*methods, *head, "OPTIONS"]))}

    async def respond(scope: Scope, receive: Receive, send: Send) -> None:
        method = str(scope.get("method"))
        if method in head:  # like GET; the gate leaves the body out
            method = "GET"
            scope = cast("Scope", {**scope, "method": method})
        handler = methods.get(method)
        if handler is not None:
            await handler(scope, receive, send)
        elif method == "OPTIONS":
            await wire.send_start(send, 204, allow)
            await wire.send_body(send, b"")
        else:
            raise MethodNotAllowedException(headers=allow)

    async def responder(request: Request) -> ASGIApp:  # type: ignore[type-arg]
        return respond

    if "{" not in path:
        return ASGIRouteHandler(path, copy_scope=False)(respond)
    return HTTPRouteHandler(path, http_method=[HttpMethod(m) for m in (*methods, *head)], status_code=200)(responder)


def _http_error(known_paths: KnownPaths, request: Request, exc: HTTPException) -> Response:  # type: ignore[type-arg]
    """Litestar's own refusals (no such path, wrong method) in our shape."""
    status = exc.status_code
    what = f"{request.method} {request.url.path!r:.120}"
    known = {
        404: (f"There is nothing at {what}{known_paths.hint(request.url.path)}", "not_found"),
        405: (f"The method of {what} is not allowed.", "method_not_allowed"),
    }
    message, code = known.get(status, (str(exc.detail)[:200], "http_error"))
    error = RequestError(message, status=status, code=code)
    return Response(error.body(), status_code=status, headers=dict(exc.headers or {}), media_type="application/json")


def _unexpected(request: Request, exc: Exception) -> Response:  # type: ignore[type-arg]
    log.error("%s %s failed", request.method, request.url.path, exc_info=exc)
    error = RequestError(f"The server failed: {type(exc).__name__}.", status=500, code="internal_error")
    return Response(error.body(), status_code=500, media_type="application/json")
