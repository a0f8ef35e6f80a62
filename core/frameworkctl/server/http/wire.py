"""Replies onto an ASGI connection: JSON, errors, server-sent events, refused WebSockets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

import msgspec
from litestar.types import Message, Scope, Send

from frameworkctl.errors import RequestError
from frameworkctl.interfaces.requests.outputs import Payload, ServerEvent

_encoder = msgspec.json.Encoder()
SSE_HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
    "x-accel-buffering": "no",  # a proxy must not collect the stream
}


def encode(value: Any) -> bytes:
    return value if isinstance(value, bytes) else _encoder.encode(value)


def frame(payload: Payload) -> bytes:
    """Return one server-sent event."""
    if isinstance(payload, ServerEvent):
        return b"event: " + payload.name.encode() + b"\ndata: " + encode(payload.data) + b"\n\n"
    return b"data: " + encode(payload) + b"\n\n"


def raw_headers(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(k.encode("latin-1"), v.encode("latin-1", "replace")) for k, v in headers.items()]


async def send_start(send: Send, status: int, headers: Mapping[str, str]) -> None:
    await send({"type": "http.response.start", "status": status, "headers": raw_headers(headers)})


async def send_body(send: Send, body: bytes, *, more: bool = False) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": more})


async def send_json(send: Send, status: int, body: Any, headers: Mapping[str, str]) -> None:
    data = encode(body)
    own = {"content-type": "application/json", **headers, "content-length": str(len(data))}
    await send_start(send, status, own)
    await send_body(send, data)


async def send_error(send: Send, error: RequestError, headers: Mapping[str, str]) -> None:
    await send_json(send, error.status, error.body(), {**headers, **error.headers})


async def refuse_websocket(scope: Scope, send: Send, error: RequestError) -> None:
    """Refuse a WebSocket before its handshake: with an HTTP error if possible, else a close, which becomes a 403."""
    if "websocket.http.response" not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close", "code": 4000 + error.status, "reason": error.message[:120]})
        return
    data = encode(error.body())
    headers = {"content-type": "application/json", "content-length": str(len(data)), **error.headers}
    start = {"type": "websocket.http.response.start", "status": error.status, "headers": raw_headers(headers)}
    for message in (start, {"type": "websocket.http.response.body", "body": data}):
        await send(cast("Message", message))  # an ASGI extension that the type does not know


def header_map(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """ASGI headers as a mapping with lower-case names; of repeated ones the last counts."""
    return {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in raw}
