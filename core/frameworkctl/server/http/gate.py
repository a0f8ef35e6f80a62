"""Checks that every connection passes first: request id, cross-origin rules, API key, unknown WebSockets."""

from __future__ import annotations

import random
from typing import Any

from litestar.types import ASGIApp, Message, Receive, Scope, Send

from frameworkctl.errors import RequestError

from . import wire
from .auth import KeyRing
from .cors import Cors, is_preflight

MAX_REQUEST_ID = 256
_random = random.Random()  # ids need to be unlike, not secret: no system call for each


class Gate:
    """The outermost ASGI application. Routes are closed unless ``public`` has their (method, path).

    Every reply has an ``x-request-id``: the client's own where ``echo_ids``, else one that is made here.
    """

    def __init__(
        self,
        app: ASGIApp,
        keys: KeyRing,
        cors: Cors,
        *,
        public: frozenset[tuple[str, str]],
        websockets: frozenset[str],
        echo_ids: bool,
    ) -> None:
        self.app, self.keys, self.cors = app, keys, cors
        self.public, self.websockets, self.echo_ids = public, websockets, echo_ids

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":  # type: ignore[comparison-overlap]
            await self.app(scope, receive, send)
            return
        headers = wire.header_map(scope["headers"])
        fresh = f"{_random.getrandbits(128):032x}"
        request_id = _clean(headers.get("x-request-id")) or fresh
        state: Any = scope.setdefault("state", {})
        state["headers"], state["request_id"] = headers, request_id
        if scope["type"] == "websocket":  # type: ignore[comparison-overlap]
            await self._websocket(scope, receive, send, headers)
            return
        method = str(scope.get("method"))
        if method == "HEAD":
            send = _without_body(send)
        # Inside of the header with the id, so that a page may read it.
        send = self.cors.wrap(send, headers.get("origin"))
        send = _with_header(send, (b"x-request-id", (request_id if self.echo_ids else fresh).encode("latin-1")))
        if is_preflight(method, headers):
            await self.cors.preflight(headers, send)
            return
        if ("GET" if method == "HEAD" else method, scope["path"]) not in self.public:
            try:
                self.keys.check(headers)
            except RequestError as e:
                await wire.send_error(send, e, {})
                return
        await self.app(scope, receive, send)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send, headers: dict[str, str]) -> None:
        try:
            self.keys.check(headers)
            if scope["path"] not in self.websockets:
                raise RequestError(f"There is no WebSocket at {scope['path']!r:.120}.", status=404, code="not_found")
        except RequestError as e:
            await receive()  # the handshake, which has to be taken before it can be answered
            await wire.refuse_websocket(scope, send, e)
            return
        await self.app(scope, receive, send)


def _clean(value: str | None) -> str | None:
    """Return a client's request id, if it is fit for a header and a log line."""
    if not value or len(value) > MAX_REQUEST_ID or not value.isprintable() or not value.isascii():
        return None
    return value


def _without_body(send: Send) -> Send:
    """Return a ``send`` for HEAD: the headers of the reply, and nothing of its body."""

    async def wrapped(message: Message) -> None:
        if message["type"] == "http.response.body":
            message["body"] = b""
        await send(message)

    return wrapped


def _with_header(send: Send, header: tuple[bytes, bytes]) -> Send:
    async def wrapped(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], header]
        await send(message)

    return wrapped
