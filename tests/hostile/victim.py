"""A client that minds its own business, and sees at once if its answers change."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from .corpus import Hostile
from .wire import request_bytes, send

STREAM = {
    "model": "chat",
    "prompt": "the quick brown",
    "max_tokens": 40,
    "temperature": 0,
    "ignore_eos": True,
    "stream": True,
    "return_token_ids": True,
}
EMBEDDING = {"model": "embedder", "input": ["the quick brown fox", "dog"]}


class Victim:
    """Asks for the same greedy stream and the same embeddings again and again."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.rounds = 0
        self.wrong: list[str] = []

    async def _ask(self, path: str, body: dict[str, Any]) -> bytes:
        answer = await send(self._port, request_bytes(Hostile("victim", "POST", path, json.dumps(body).encode())))
        if answer.status != 200:
            self.wrong.append(f"{path}: {answer.status} {answer.body[:300]!r}")
        return answer.body

    async def answers(self) -> tuple[str, list[int], Any]:
        """Return text and token ids of the stream, and the embeddings."""
        stream, vectors = await self._ask("/v1/completions", STREAM), await self._ask("/v1/embeddings", EMBEDDING)
        events = [json.loads(e[6:]) for e in stream.decode().split("\n\n") if e.startswith("data: {")]
        choices = [choice for e in events for choice in e.get("choices", ())]
        text = "".join(c["text"] for c in choices)
        ids = [i for c in choices for i in c.get("token_ids") or ()]
        return text, ids, [e["embedding"] for e in json.loads(vectors).get("data", ())]

    async def run(self, until: asyncio.Event) -> None:
        """Compare every answer with the first, until told to stop."""
        want = await self.answers()
        assert want[0]
        assert len(want[1]) == STREAM["max_tokens"]
        while not until.is_set():
            got = await self.answers()
            self.rounds += 1
            if got != want:
                self.wrong.append(f"round {self.rounds}: {got[0]!r} instead of {want[0]!r}, or other vectors")
                return
