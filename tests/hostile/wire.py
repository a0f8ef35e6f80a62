"""Sends requests byte by byte: right HTTP around hostile bodies, and connections that break its rules."""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
import zlib
from collections.abc import Iterator
from socket import SO_LINGER, SOL_SOCKET
from typing import Any, NamedTuple

from .corpus import BASES, Hostile

TIMEOUT = 120.0  # seconds until an answer counts as hanging


class Answer(NamedTuple):
    """``status`` 0: the server closed the connection without an answer."""

    status: int
    body: bytes


class Broken(NamedTuple):
    """What is written in turn, with a pause between, and how the client leaves: by reading to the end, or earlier."""

    name: str
    pieces: tuple[bytes, ...]
    leave: str = "read"  # read, close, reset, half
    pause: float = 0.0


def request_bytes(hostile: Hostile) -> bytes:
    """Return a request as HTTP/1.1 of its own connection."""
    fields = {"host": "x", "connection": "close", "content-type": "application/json", **hostile.headers}
    if hostile.method != "GET" or hostile.body:
        fields["content-length"] = str(len(hostile.body))
    head = f"{hostile.method} {hostile.path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in fields.items())
    return head.encode("latin-1", "replace") + b"\r\n" + hostile.body


async def send(port: int, data: bytes) -> Answer:
    """Send a request and read its whole answer. Raises TimeoutError if there is none in time."""
    async with asyncio.timeout(TIMEOUT):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            with contextlib.suppress(ConnectionError):  # it may be answered before it was read
                writer.write(data)
                await writer.drain()
            return parsed(await _rest(reader))
        finally:
            writer.transport.abort()


async def _rest(reader: asyncio.StreamReader) -> bytes:
    found = bytearray()
    with contextlib.suppress(ConnectionError):
        while piece := await reader.read(1 << 16):
            found += piece
    return bytes(found)


def parsed(data: bytes) -> Answer:
    """Return status and body of the first answer in ``data``."""
    head, _, body = data.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 "):
        return Answer(0, data)
    if b"transfer-encoding: chunked" in head.lower():
        whole = bytearray()
        while body:
            size, _, body = body.partition(b"\r\n")
            count = int(size, 16)
            whole += body[:count]
            body = body[count + 2 :]
        body = bytes(whole)
    return Answer(int(head[9:12]), body)


async def break_off(port: int, broken: Broken) -> Answer:
    """Do what a broken connection does."""
    async with asyncio.timeout(TIMEOUT):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            with contextlib.suppress(ConnectionError):
                for piece in broken.pieces:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(broken.pause)
                if broken.leave == "half":
                    writer.write_eof()
            if broken.leave == "reset":
                writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
            if broken.leave in ("close", "reset"):
                return Answer(0, b"")
            return parsed(await _rest(reader))
        finally:
            writer.transport.abort()


def broken_connections() -> Iterator[Broken]:
    """Connections that end early, lie about lengths, or say what is no HTTP."""
    for path, base in BASES.items():
        body = json.dumps({**base, "stream": True} if "max_tokens" in base else base).encode()
        head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nconnection: close\r\n".encode()
        right = head + b"content-length: %d\r\n\r\n" % len(body)
        for leave in ("close", "reset", "half"):
            yield Broken(f"{path} whole, then {leave}", (right + body,), leave, 0.01)
            yield Broken(f"{path} half a body, then {leave}", (right, body[: len(body) // 2]), leave)
            yield Broken(f"{path} half a head, then {leave}", (head[: len(head) // 2],), leave)
        yield Broken(
            f"{path} in small pieces", tuple((right + body)[i : i + 7] for i in range(0, len(right + body), 7))
        )
        yield Broken(f"{path} slowly", (right, *[body[i : i + 20] for i in range(0, len(body), 20)]), "read", 0.05)
        for length in ("-1", "x", "1e3", "99999999999999999999", "0", "5, 6"):
            leave = "half" if length.isdigit() else "read"
            yield Broken(
                f"{path} length {length}", (head + f"content-length: {length}\r\n\r\n".encode() + body,), leave
            )
        chunked = head + b"transfer-encoding: chunked\r\n\r\n"
        for name, piece in (
            ("right", b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)),
            ("no end", b"%x\r\n%b\r\n" % (len(body), body)),
            ("wrong size", b"zz\r\n" + body),
            ("huge size", b"ffffffffffffffff\r\n" + body),
            ("empty", b"0\r\n\r\n"),
        ):
            yield Broken(f"{path} chunked: {name}", (chunked + piece,), "half")
        both = head + b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n"
        yield Broken(f"{path} two lengths", (both + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body),), "half")
        packed = zlib.compress(b" " * 50_000_000, 9)
        gzip = head + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(packed)
        yield Broken(f"{path} small, unpacked large", (gzip + packed,))
    for name, data in {
        "nothing": b"",
        "blank lines": b"\r\n" * 50,
        "no HTTP": b"\x16\x03\x01\x02\x00",
        "old": b"GET /health\r\n\r\n",
        "long line": b"GET /" + b"a" * 100_000,
        "many headers": b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 20_000 + b"\r\n",
        "no host": b"GET /health HTTP/1.1\r\nconnection: close\r\n\r\n",
        "version": b"GET / HTTP/9.9\r\n\r\n",
        "upgrade": b"GET /v1/models HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
        b"sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
        "three at once": b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n" * 3,
    }.items():
        for leave in ("half", "close", "reset"):
            yield Broken(f"{name}, then {leave}", (data,), leave)


def error_of(answer: Answer) -> Any:
    """Return the ``error`` object of an answer, None if its body is of another form."""
    try:
        body = json.loads(answer.body)
    except ValueError:
        return None
    return body.get("error") if isinstance(body, dict) else None
