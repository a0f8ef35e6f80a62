"""Calls an ASGI application in this process, as a client without a connection."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import unquote

import msgspec


class Answer(msgspec.Struct):
    """Answer of the application. Header names are lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


async def post(app: Any, url: str, body: bytes, request_id: str) -> Answer:
    """Return ``POST`` JSON to a path (maybe with a query). Being cancelled is the client going away."""
    path, _, query = url.partition("?")
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"x-request-id", request_id.encode("latin-1")),
    ]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": headers,
        "server": ("localhost", 80),
        "client": ("localhost", 0),
        "state": {},
    }
    incoming: list[dict[str, Any]] = [{"type": "http.request", "body": body, "more_body": False}]
    answer = Answer(500, {}, b"")
    ended = asyncio.Event()

    async def receive() -> dict[str, Any]:
        if incoming:
            return incoming.pop()
        await ended.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in message.get("headers", ())}
        elif message["type"] == "http.response.body":
            answer.body += message.get("body", b"")

    try:
        await app(scope, receive, send)
    finally:
        ended.set()
    return answer
