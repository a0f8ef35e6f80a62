"""A small HTTP/1.1 client for load: kept-alive connections, bodies handed over as they come.

It shares its cores with what it measures, so nothing happens per piece of a body but parsing it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import httptools
import msgspec

from frameworkctl.errors import ConfigError

Sink = Callable[[bytes, float], None]  # a piece of the body and when it came, by time.perf_counter
CONNECT_TIMEOUT = 10.0  # seconds


class Broken(Exception):
    """The way to the server failed: no connection, one cut short, or bytes that are no HTTP."""


class _Stale(Broken):
    """A kept-alive connection turned out to be closed before any answer came: worth a second try."""


class Target(msgspec.Struct, frozen=True):
    """Target of requests, and what all of them carry."""

    url: str
    host: str
    port: int
    tls: bool
    prefix: str
    headers: str

    @classmethod
    def parse(cls, url: str, api_key: str | None = None) -> Target:
        """Return ``url`` with or without ``/v1``. Raises ConfigError where it is none."""
        parts = urlsplit(url if "://" in url else f"http://{url}")
        try:
            host, port = parts.hostname or "", parts.port
        except ValueError:
            host, port = "", None
        if parts.scheme not in ("http", "https") or not host:
            raise ConfigError(f"--url: {url!r} is not http://HOST:PORT")
        tls = parts.scheme == "https"
        prefix = parts.path.rstrip("/").removesuffix("/v1")
        key = f"authorization: Bearer {api_key}\r\n" if api_key else ""
        headers = f"host: {parts.netloc.rpartition('@')[2]}\r\naccept: */*\r\n{key}"
        return cls(f"{parts.scheme}://{parts.netloc}{prefix}", host, port or (443 if tls else 80), tls, prefix, headers)

    def get(self, path: str) -> bytes:
        return f"GET {self.prefix}{path} HTTP/1.1\r\n{self.headers}\r\n".encode()

    def post(self, path: str, body: Mapping[str, Any]) -> bytes:
        data = msgspec.json.encode(body)
        head = f"POST {self.prefix}{path} HTTP/1.1\r\n{self.headers}content-type: application/json\r\n"
        return f"{head}content-length: {len(data)}\r\n\r\n".encode() + data


class Connection(asyncio.Protocol):
    """One connection, opened with the first request and again when the server closed it; one request at a time."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._transport: Any = None
        self._parser: Any = None
        self._sink: Sink | None = None
        self._done: asyncio.Future[int] | None = None
        self._now = 0.0
        self._begun = self._has_end = False

    async def request(self, data: bytes, sink: Sink) -> int:
        """Send ``data``, hand the body to ``sink``, return the status. Raises Broken."""
        kept = self._transport is not None and not self._transport.is_closing()
        try:
            return await self._exchange(data, sink, kept)
        except _Stale:
            return await self._exchange(data, sink, kept=False)

    async def fetch(self, data: bytes) -> tuple[int, bytes]:
        """Send a request as ``request`` does, with the body in one piece."""
        pieces: list[bytes] = []
        status = await self.request(data, lambda piece, now: pieces.append(piece))
        return status, b"".join(pieces)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    async def _exchange(self, data: bytes, sink: Sink, kept: bool) -> int:
        loop = asyncio.get_running_loop()
        if not kept:
            await self._connect(loop)
        self._parser = httptools.HttpResponseParser(self)
        self._sink, self._begun, self._has_end = sink, False, False
        self._done = loop.create_future()
        self._transport.write(data)
        try:
            return await self._done
        except _Stale as e:
            raise e if kept else Broken(str(e)) from None
        except asyncio.CancelledError:
            self.close()  # the rest of this answer must not be taken for the next one
            raise
        finally:
            self._parser = self._sink = self._done = None

    async def _connect(self, loop: asyncio.AbstractEventLoop) -> None:
        target = self._target
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                await loop.create_connection(lambda: self, target.host, target.port, ssl=target.tls or None)
        except (OSError, TimeoutError) as e:
            raise Broken(f"cannot reach {target.url}: {_reason(e)}") from e

    def _fail(self, error: Broken) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_exception(error)

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._now = time.perf_counter()
        if self._parser is None:
            self.close()  # nobody asked
            return
        self._begun = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as e:
            self._fail(Broken(f"{self._target.url} does not speak HTTP: {e}"))
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._done is None or self._done.done():
            return
        if not self._begun:
            self._fail(_Stale("the server closed the connection without an answer"))
        elif self._status and not self._has_end:
            self._done.set_result(self._status)  # such a body ends with its connection
        else:
            self._fail(Broken(f"the connection broke: {_reason(exc)}" if exc else "the answer was cut short"))

    # -- httptools

    def on_message_begin(self) -> None:
        self._status = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() in (b"content-length", b"transfer-encoding"):
            self._has_end = True

    def on_headers_complete(self) -> None:
        self._status = self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        if self._sink is not None:
            self._sink(body, self._now)

    def on_message_complete(self) -> None:
        if self._status < 200:  # an interim answer
            return
        if not self._parser.should_keep_alive():
            self._transport.close()
        if self._done is not None and not self._done.done():
            self._done.set_result(self._status)


def _reason(e: BaseException | None) -> str:
    return (getattr(e, "strerror", None) or str(e) or type(e).__name__).strip()
