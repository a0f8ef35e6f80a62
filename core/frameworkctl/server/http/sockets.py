"""WebSocket routes of endpoints: accepted, handed to ``Endpoint.connect``, and always closed."""

from __future__ import annotations

import logging
from typing import Any

from litestar import WebSocket
from litestar.exceptions import WebSocketDisconnect
from litestar.handlers import WebsocketRouteHandler

from frameworkctl.errors import RequestError
from frameworkctl.interfaces.endpoint import Call, Endpoint, Route, SocketClosed
from frameworkctl.server.calls.scope import CallScope
from frameworkctl.server.calls.service import Service
from frameworkctl.server.calls.stages import plugin_error

log = logging.getLogger("frameworkctl.server")


class ClientSocket:
    """Implements ``interfaces.Socket`` over Litestar's."""

    def __init__(self, socket: WebSocket) -> None:  # type: ignore[type-arg]
        self._socket = socket

    async def receive(self) -> str | bytes:
        try:
            message: Any = await self._socket.receive()
        except WebSocketDisconnect as e:
            raise SocketClosed from e
        if message["type"] == "websocket.disconnect":
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
    """A Litestar handler for one WebSocket route."""

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
            received=0.0,
        )
        engine = CallScope(call, service)
        await socket.accept()
        code, reason = 1000, ""
        try:
            service.check_draining()
            await endpoint.connect(call, ClientSocket(socket), engine)
        except SocketClosed:
            return
        except RequestError as e:
            code, reason = 1008 if e.status < 500 else 1011, e.message
        except Exception as e:
            log.exception("WebSocket %s failed", route.path)
            code, reason = 1011, plugin_error(service.host, e).message
        finally:
            engine.close()
        await socket.close(code=code, reason=reason[:120])

    return WebsocketRouteHandler(route.path)(connect)
