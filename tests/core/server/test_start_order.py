"""In which order engines are started: together, or the others when the first is ready."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
from frameworkctl.config import EngineConfig, EngineOptions
from frameworkctl.engine.framing import pack
from frameworkctl.engine.messages import EngineInfo, Fatal, Ready
from frameworkctl.errors import ConfigError, UnavailableError
from frameworkctl.server.engines.supervisor import Supervisor

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


def run(messages: list[Any], *, first_alone: bool) -> tuple[list[int], list[str], str | None]:
    """How many engines were asked for at the start and after each message of the first; states; what failed."""

    async def steps() -> tuple[list[int], list[str], str | None]:
        nursery: Any = Nursery()
        supervisor = Supervisor(nursery, lambda name, event: None)
        await supervisor.start([config(n) for n in "abc"], [], first_alone=first_alone)
        waiting = asyncio.create_task(supervisor.wait_ready())
        await settle()
        counts = [len(nursery.engines)]
        with pytest.raises(UnavailableError, match="is loading"):
            supervisor.engines[2].live_client()
        for message in messages:
            nursery.engines[0].sendall(pack(message))
            if isinstance(message, Fatal):
                nursery.engines[0].shutdown(socket.SHUT_RDWR)
            await settle()
            counts.append(len(nursery.engines))
        failure = None
        if waiting.done():
            with pytest.raises(ConfigError) as caught:
                waiting.result()
            failure = str(caught.value)
        waiting.cancel()
        states = [engine.state for engine in supervisor.engines]
        await supervisor.stop()
        return counts, states, failure

    return asyncio.run(steps())


def test_together() -> None:
    assert run([Ready(INFO)], first_alone=False) == ([3, 3], ["ready", "loading", "loading"], None)


def test_the_others_when_the_first_is_ready() -> None:
    assert run([Ready(INFO)], first_alone=True) == ([1, 3], ["ready", "loading", "loading"], None)


def test_never_when_the_first_cannot_start() -> None:
    counts, states, failure = run([Fatal("no weights")], first_alone=True)
    assert (counts, states) == ([1, 1], ["failed", "loading", "loading"])
    assert failure == "model 'a': no weights"
