"""One HTTP call from its body to its last byte; stops when the client goes away."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qsl

from litestar.types import Receive, Scope, Send

from frameworkctl.errors import RequestError
from frameworkctl.interfaces.endpoint import Call, Endpoint, Route
from frameworkctl.interfaces.requests.outputs import Payload, Reply
from frameworkctl.server.calls.running import CLIENT_LEFT, RunningCall
from frameworkctl.server.calls.service import Service
from frameworkctl.server.calls.stages import plugin_error
from frameworkctl.server.http.bodies.structure import check_structure

from . import wire

log = logging.getLogger("frameworkctl.server")
SMALL_STRUCTURE = 1 << 18  # bytes of a body that cannot have too many values


class Disconnected(Exception):
    """The client is gone; there is nobody to answer."""


async def read_body(receive: Receive, limit: int, declared: str | None) -> bytes:
    """Return the whole body. Raises RequestError 413 beyond ``limit`` bytes, Disconnected when the client leaves."""
    if declared is not None and declared.isdigit() and int(declared) > limit:
        raise _too_large(limit)
    whole = bytearray()  # not a list: a client may send a body byte by byte
    while True:
        message: Any = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        body = message.get("body", b"")
        if len(whole) + len(body) > limit:
            raise _too_large(limit)
        more = message.get("more_body", False)
        if not more and not whole:
            return bytes(body)
        whole += body
        if not more:
            return bytes(whole)


def _too_large(limit: int) -> RequestError:
    message = f"The body is larger than {limit} bytes: send less at a time (--max-body-bytes)."
    return RequestError(message, status=413, code="body_too_large")


class RouteHandler:
    """Serves one route of one endpoint as an ASGI application."""

    def __init__(self, endpoint: Endpoint, route: Route, service: Service) -> None:
        self.endpoint, self.route, self.service = endpoint, route, service
        self.public = route.public
        self.limit = route.max_body or service.options.server.max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with RunningCall(self._call(scope), self.service) as running:
            call = running.call
            try:
                if not self.route.public:
                    self.service.check_draining()
                call.body = await read_body(receive, self.limit, call.headers.get("content-length"))
                await self._check_structure(call.body)
                await self._until_disconnect(self._answer(running, send), receive)
            except Disconnected:
                running.status, running.error = CLIENT_LEFT, "client disconnected"
            except RequestError as e:
                running.status, running.error = e.status, e.message
                await wire.send_error(send, e, call.reply_headers)

    def _call(self, scope: Scope) -> Call:
        state: Any = scope["state"]
        return Call(
            endpoint=self.endpoint,
            route=self.route,
            method=str(scope.get("method")),
            path=scope["path"],
            path_params={k: str(v).lstrip("/") for k, v in scope.get("path_params", {}).items()},
            query=dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)),
            headers=state["headers"],
            body=b"",
            request_id=state["request_id"],
            received=time.monotonic(),
        )

    async def _check_structure(self, body: bytes) -> None:
        """Refuse a JSON body that is made of too much. Raises RequestError 413."""
        if len(body) > SMALL_STRUCTURE and self.route.request is not None and not self.route.form:
            lane = self.service.lanes.of(len(body))
            await asyncio.get_running_loop().run_in_executor(lane, check_structure, body)

    async def _until_disconnect(self, answer: Any, receive: Receive) -> None:
        """Await the answer; cancel it when the client leaves. Raises Disconnected then, else what the answer raises."""
        task = asyncio.current_task()
        assert task is not None
        gone = False

        async def watch() -> None:
            nonlocal gone
            await _disconnect(receive)
            gone = True
            task.cancel()

        watching = asyncio.create_task(watch())
        try:
            await answer
        except asyncio.CancelledError:
            if not gone:
                raise
            task.uncancel()
            raise Disconnected from None
        finally:
            watching.cancel()

    async def _answer(self, running: RunningCall, send: Send) -> None:
        call = running.call
        try:
            reply = await self.endpoint.handle(call, running.scope)
        except RequestError:
            raise
        except Exception as e:
            log.exception("%s %s failed", call.method, call.path)
            raise plugin_error(self.service.host, e) from e
        running.status = reply.status
        headers = {**call.reply_headers, **reply.headers}
        if reply.stream is None:
            await wire.send_json(send, reply.status, reply.body, {"content-type": reply.media_type, **headers})
        else:
            await self._stream(reply, reply.stream, headers, send, running)

    async def _first(self, stream: AsyncIterator[Payload]) -> Payload | None:
        """Return the first payload, None for an empty stream. Raises RequestError, which names a plugin at fault."""
        try:
            return await anext(stream, None)
        except RequestError:
            raise
        except Exception as e:
            log.exception("a stream failed before its first event")
            raise plugin_error(self.service.host, e) from e

    async def _stream(
        self, reply: Reply, stream: AsyncIterator[Payload], headers: dict[str, str], send: Send, running: RunningCall
    ) -> None:
        """Server-sent events. What fails before the first one is an ordinary error; later it is an event."""
        first = await self._first(stream)
        await wire.send_start(send, reply.status, {**wire.SSE_HEADERS, **headers})
        try:
            if first is not None:
                await wire.send_body(send, wire.frame(first), more=True)
                async for payload in stream:
                    await wire.send_body(send, wire.frame(payload), more=True)
        except RequestError as e:
            running.error = e.message
            await wire.send_body(send, wire.frame(e.body()), more=True)
        except Exception as e:
            log.exception("a stream failed")
            error = plugin_error(self.service.host, e)
            running.error = error.message
            await wire.send_body(send, wire.frame(error.body()), more=True)
        if reply.done is not None:
            await wire.send_body(send, wire.frame(reply.done), more=True)
        await wire.send_body(send, b"")


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
