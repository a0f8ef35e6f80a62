"""A stand-in for the nursery, and what a supervisor needs to start engines through it."""

from __future__ import annotations

import asyncio
import socket

from frameworkctl.config import EngineConfig, EngineOptions
from frameworkctl.engine.messages import EngineInfo

INFO = EngineInfo(
    pid=1,
    dtype="float32",
    device="cpu",
    backend="cpu",
    threads=1,
    pages=0,
    page_tokens=16,
    cache_bytes=0,
    cache_tokens=0,
    parameters=1,
    asynchronous=False,
)


class Nursery:
    """Instead of a process: keeps the ends of the engines that it should fork."""

    def __init__(self) -> None:
        self.control, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.engines: list[socket.socket] = []
        self.process = self

    def fork(self, key: int, engine_end: socket.socket) -> None:
        self.engines.append(engine_end.dup())

    def receive(self) -> None:
        return None

    def poll(self) -> int:
        return 0

    def hang_up(self) -> None:
        self.control.close()
        self._theirs.close()

    def close(self) -> None:
        for end in self.engines:
            end.close()


def config(name: str) -> EngineConfig:
    return EngineConfig(
        name=name,
        folder="",
        architecture="X",
        checkpoint_dtype="float32",
        max_model_len=8,
        vocab_size=8,
        options=EngineOptions(),
    )


async def settle() -> None:
    """Let everything happen that can: all of it is local and takes a few rounds of the loop."""
    for _ in range(50):
        await asyncio.sleep(0)
