"""In which order engines are started: together, or the others when the first is ready."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
from frameworkctl.engine.framing import pack
from frameworkctl.engine.messages import Fatal, Ready
from frameworkctl.errors import ConfigError, UnavailableError
from frameworkctl.server.engines.supervisor import Supervisor
from support.serving.nursery import INFO, Nursery, config, settle


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
