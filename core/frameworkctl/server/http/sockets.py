"""WebSocket routes of endpoints: accepted, handed to ``Endpoint.connect``, and always closed."""

from __future__ import annotations

import logging
import time
from typing import Any

from litestar import WebSocket
from litestar.exceptions import WebSocketDisconnect
from litestar.handlers import WebsocketRouteHandler

from frameworkctl.errors import RequestError
from frameworkctl.interfaces.endpoint import Call, Endpoint, Route, SocketClosed
from frameworkctl.server.calls.running import CLIENT_LEFT, RunningCall
from frameworkctl.server.calls.service import Service
from frameworkctl.server.calls.stages import plugin_error

log = logging.getLogger("frameworkctl.server")
NORMAL, REFUSED, FAILED = 1000, 1008, 1011  # close codes of RFC 6455, section 7.4.1
CLOSED_BY_CLIENT = (1000, 1001, 1005)  # normally, going away, no code
MAX_REASON = 123  # bytes


class ClientSocket:
    """Implements ``interfaces.Socket`` over Litestar's."""

    def __init__(self, socket: WebSocket) -> None:  # type: ignore[type-arg]
        self._socket = socket
        self.close_code: int | None = None  # of the client

    async def receive(self) -> str | bytes:
        try:
            message: Any = await self._socket.receive()
        except WebSocketDisconnect as e:
            self.close_code = e.code
            raise SocketClosed from e
        if message["type"] == "websocket.disconnect":
            self.close_code = message.get("code")
            raise SocketClosed
        text: str | None = message.get("text")
        data: bytes = message.get("bytes") or b""
        return data if text is None else text

    async def send(self, data: str | bytes) -> None:
        try:
            await self._socket.send_data(data, mode="text" if isinstance(data, str) else "binary")
        except WebSocketDisconnect as e:
            raise SocketClosed from e


def socket_handler(endpoint: Endpoint, route: Route, service: Service) -> WebsocketRouteHandler:
    """Return a Litestar handler for one WebSocket route."""

    async def connect(socket: WebSocket) -> None:  # type: ignore[type-arg]
        state: Any = socket.scope["state"]
        call = Call(
            endpoint=endpoint,
            route=route,
            method="GET",
            path=socket.scope["path"],
            path_params={},
            query=dict(socket.query_params),
            headers=state["headers"],
            body=b"",
            request_id=state["request_id"],
            received=time.monotonic(),
        )
        await socket.accept()
        client, code, reason = ClientSocket(socket), NORMAL, ""
        with RunningCall(call, service) as running:
            running.status = 200
            try:
                service.check_draining()
                await service.until_ended(endpoint.connect(call, client, running.scope))
            except SocketClosed:
                if client.close_code not in CLOSED_BY_CLIENT:
                    running.status, running.error = CLIENT_LEFT, "client disconnected"
                return
            except RequestError as e:
                code, reason = REFUSED if e.status < 500 else FAILED, e.message
                running.status, running.error = e.status, e.message
            except Exception as e:
                log.exception("WebSocket %s failed", route.path)
                error = plugin_error(service.host, e)
                code, reason = FAILED, error.message
                running.status, running.error = error.status, error.message
        await socket.close(code=code, reason=_cut(reason))

    return WebsocketRouteHandler(route.path)(connect)


def _cut(reason: str) -> str:
    """Return as much of a reason as fits into a close frame (RFC 6455, 5.5: 123 bytes)."""
    return reason.encode()[:MAX_REASON].decode(errors="ignore")
