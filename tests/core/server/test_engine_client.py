"""A connection to an engine that ends at a bad moment: every request has an error, and nothing stays registered."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest
from frameworkctl.errors import EngineError
from frameworkctl.params import SamplingParams
from frameworkctl.server.engines.client import EngineClient, connect

WATCHDOG = 10.0


async def connected() -> tuple[EngineClient, socket.socket, list[str]]:
    """A client, the engine's end of its connection, and what the client reports."""
    lost: list[str] = []
    client = EngineClient(lambda message: None, lambda: lost.append("lost"))
    ours, theirs = socket.socketpair()
    await connect(client, ours)
    return client, theirs, lost


def begin(client: EngineClient) -> Any:
    return client.generate(b"\1\0\0\0", SamplingParams(max_tokens=1), seed=0)


def run(steps: Callable[[], Any]) -> None:
    async def guarded() -> None:
        await asyncio.wait_for(steps(), WATCHDOG)

    asyncio.run(guarded())


@pytest.mark.parametrize("kind", ["generate", "pool"])
def test_it_ends_between_the_check_and_the_write(kind: str) -> None:
    """What is sent is written in a later turn of the loop; the connection is closed in this one."""

    async def steps() -> None:
        client, theirs, _ = await connected()
        stream = begin(client) if kind == "generate" else client.pool(1)
        assert client._transport is not None
        client._transport.close()
        theirs.close()
        with pytest.raises(EngineError, match="engine died") as caught:
            await stream.next()
        assert caught.value.code == "engine_died"
        client.close(stream)
        assert client.open_sequences == 0

    run(steps)


@pytest.mark.parametrize("gone", [False, True], ids=["closing", "gone"])
def test_everything_that_is_sent_after_it_ended_is_refused(gone: bool) -> None:
    async def steps() -> None:
        client, theirs, _ = await connected()
        stream = begin(client)
        theirs.close()
        client.disconnect()
        if gone:
            while client._transport is not None:
                await asyncio.sleep(0)
        calls = (lambda: begin(client), lambda: client.pool(1), lambda: client.append(stream, b"", final=True))
        for call in calls:
            with pytest.raises(EngineError) as caught:
                call()
            assert caught.value.code == "engine_died"
        with pytest.raises(EngineError):
            await client.ask()
        client.stop_sequence(stream, 0)
        client.close(stream)
        assert client.open_sequences == 0
        assert not client._answers

    run(steps)


def test_an_answer_that_nobody_waits_for_any_more() -> None:
    """Cancelled and lost in one turn of the loop: the supervisor must hear of the loss all the same."""

    async def steps() -> None:
        client, theirs, lost = await connected()
        asked = asyncio.create_task(client.ask())
        waits = asyncio.create_task(client.ask())
        await asyncio.sleep(0)
        next(iter(client._answers.values())).cancel()
        client.connection_lost(None)
        with pytest.raises(asyncio.CancelledError):
            await asked
        with pytest.raises(EngineError):
            await waits
        assert lost == ["lost"]
        assert not client._answers
        theirs.close()

    run(steps)


def test_what_cannot_be_packed_leaves_nothing_behind() -> None:
    async def steps() -> None:
        client, theirs, _ = await connected()
        with pytest.raises(EngineError, match="cannot be sent"):
            client.generate(b"", SamplingParams(max_tokens=1), seed=1 << 70)
        with pytest.raises(EngineError, match="cannot be sent"):
            await client._answer(object())  # type: ignore[arg-type]
        assert client.open_sequences == 0
        assert not client._answers
        client.disconnect()
        theirs.close()

    run(steps)
