"""A server that answers chats and completions with fixed words and keeps what it was sent."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class FakeServer:
    """``bodies`` are the requests' in order, ``headers`` those of the last. ``lines`` are sent for each stream."""

    def __init__(self) -> None:
        self.url = ""
        self.bodies: list[dict[str, Any]] = []
        self.headers: dict[str, str] = {}
        self.status = 200
        self.error = '{"error": {"message": "no\\nsuch luck"}}'
        self.words: Iterable[str] = ["Hel", "lo", "!"]
        self.ending = ["data: [DONE]"]
        self.cards: list[dict[str, Any]] = [{"id": "first"}, {"id": "second"}]

    def lines(self, path: str) -> Iterator[str]:
        chat = path.endswith("/chat/completions")
        yield ": a comment"
        for word in self.words:
            yield "data: " + json.dumps({"choices": [{"delta": {"content": word}} if chat else {"text": word}]})
        yield from self.ending


class _Quiet(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients leave when they please."""


@contextmanager
def serve_fake() -> Iterator[FakeServer]:
    """On 127.0.0.1, until the block ends."""
    fake = FakeServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            self.reply(json.dumps({"data": fake.cards}).encode())

        def do_POST(self) -> None:
            fake.bodies.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            fake.headers = {k.lower(): v for k, v in self.headers.items()}
            if fake.status != 200:
                self.reply(fake.error.encode(), fake.status)
                return
            self.send_response(200)
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            for line in fake.lines(self.path):
                data = f"{line}\n\n".encode()
                self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            self.wfile.write(b"0\r\n\r\n")

        def reply(self, body: bytes, status: int = 200) -> None:
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = _Quiet(("127.0.0.1", 0), Handler)
    fake.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
