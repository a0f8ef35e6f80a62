"""A server that streams as many words as it is asked for, refuses what it is told to, and notes what it was sent."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

POOL = 50  # ids that /tokenize knows: 1000 to 1049


class FakeStreams:
    """``bodies`` are those of answered completions and chats. ``refused``: field -> message of a 400."""

    def __init__(self) -> None:
        self.url = ""
        self.bodies: list[dict[str, Any]] = []
        self.refused: dict[str, str] = {}
        self.tokenizes = True
        self.takes_ids = True
        self.counts = True  # usage is sent
        self.tokens_per_word, self.overhead = 1.0, 0  # of prompts that are text
        self.shorter = 0  # tokens fewer than asked for
        self.broken: set[int] = set()  # numbers of answers that end in the middle
        self.failing = False  # everything is a 500
        self.headers: list[str] = []
        self.connections = 0
        self.open = self.most_open = 0

    async def answer(self, path: str, body: dict[str, Any], writer: asyncio.StreamWriter) -> bool:
        """Whether the connection lives on."""
        if path.endswith("/tokenize") and self.tokenizes:
            return send(writer, 200, {"tokens": [*range(1000, 1000 + POOL)] * 2})
        if path.endswith("/models"):
            return send(writer, 200, {"data": [{"id": "fake"}, {"id": "other"}]})
        if not path.endswith(("/completions", "/chat/completions")):
            return send(writer, 404, {"detail": "not here"})
        if self.failing:
            return send(writer, 500, {"error": {"message": "on\nfire"}})
        for field, message in self.refused.items():
            if field in body:
                return send(writer, 400, {"error": {"message": message}})
        if not self.takes_ids and isinstance(body.get("prompt"), list):
            return send(writer, 422, {"detail": "prompt should be a string"})
        self.bodies.append(body)
        number = len(self.bodies)
        self.open += 1
        self.most_open = max(self.open, self.most_open)
        try:
            return await self.stream(body, writer, number in self.broken)
        finally:
            self.open -= 1

    async def stream(self, body: dict[str, Any], writer: asyncio.StreamWriter, broken: bool) -> bool:
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        asked: int = body.get("max_tokens") or body["max_completion_tokens"]
        count = max(1, asked - self.shorter)
        chat = "messages" in body
        if chat:
            chunk(writer, {"choices": [{"delta": {"role": "assistant", "content": ""}}]})
        for i in range(count):
            if broken and i == count // 2:
                writer.close()
                return False
            word, reason = f" w{i}", "length" if i == count - 1 else None
            said = {"delta": {"content": word}} if chat else {"text": word}
            chunk(writer, {"choices": [{**said, "finish_reason": reason}]})
            await asyncio.sleep(0)
        if self.counts:
            usage = {
                "prompt_tokens": self.length(body),
                "completion_tokens": count,
                "prompt_tokens_details": {"cached_tokens": 3},
            }
            chunk(writer, {"choices": [], "usage": usage})
        data = b"data: [DONE]\n\n"
        writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n0\r\n\r\n")
        return True

    def length(self, body: dict[str, Any]) -> int:
        """Tokens of a prompt."""
        said = body["prompt"] if "prompt" in body else body["messages"][0]["content"]
        if isinstance(said, list):
            return len(said)
        return round(len(said.split()) * self.tokens_per_word) + self.overhead


def send(writer: asyncio.StreamWriter, status: int, body: dict[str, Any]) -> bool:
    data = json.dumps(body).encode()
    writer.write(f"HTTP/1.1 {status} Word\r\ncontent-length: {len(data)}\r\n\r\n".encode() + data)
    return True


def chunk(writer: asyncio.StreamWriter, event: dict[str, Any]) -> None:
    data = f"data: {json.dumps(event)}\n\n".encode()
    writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")


@contextmanager
def serve_streams() -> Iterator[FakeStreams]:
    """On 127.0.0.1 and a thread of its own, until the block ends."""
    fake = FakeStreams()
    loop, ready = asyncio.new_event_loop(), threading.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        fake.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                lengths = [line for line in head.lower().split("\r\n") if line.startswith("content-length:")]
                body = await reader.readexactly(int(lengths[0].partition(":")[2])) if lengths else b"{}"
                fake.headers.append(head)
                if not await fake.answer(head.split()[1], json.loads(body), writer):
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def main() -> None:
        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        fake.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        ready.set()

    async def end() -> None:
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def run() -> None:
        loop.run_until_complete(main())
        loop.run_forever()
        loop.run_until_complete(end())

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield fake
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
