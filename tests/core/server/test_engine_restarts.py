"""Engines that die while the system has nothing to start another with: they come back when it has."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
from typing import Any

import pytest
from frameworkctl.engine import nursery
from frameworkctl.engine.framing import pack
from frameworkctl.engine.messages import Ready
from frameworkctl.server.engines import supervisor
from frameworkctl.server.engines.supervisor import BACKOFF, Supervisor
from support.serving.nursery import INFO, Nursery, config, settle

FULL = OSError(errno.EMFILE, os.strerror(errno.EMFILE))
FAILURES = 9


class Failing:
    """A function that raises the first times."""

    def __init__(self, inner: Any, times: int) -> None:
        self.inner, self.left = inner, times

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.left:
            self.left -= 1
            raise FULL
        return self.inner(*args, **kwargs)


@pytest.mark.parametrize("operation", ["socketpair", "fork"])
def test_it_is_tried_until_it_works(
    operation: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    delays: list[float] = []
    sleep = asyncio.sleep

    async def counted(delay: float) -> None:
        if delay or delays:
            delays.append(delay)
        await sleep(0)

    async def steps() -> None:
        stand_in: Any = Nursery()
        watcher = Supervisor(stand_in, lambda name, event: None)
        await watcher.start([config("a")], [])
        stand_in.engines[0].sendall(pack(Ready(INFO)))
        await settle()
        assert watcher.engines[0].state == "ready"
        if operation == "fork":  # and there is no other nursery either
            stand_in.fork = failing = Failing(stand_in.fork, FAILURES)
            monkeypatch.setattr(supervisor, "NurseryProcess", Failing(None, 1000))
        else:
            failing = Failing(socket.socketpair, FAILURES)
            monkeypatch.setattr(supervisor.socket, "socketpair", failing)
        monkeypatch.setattr(supervisor.asyncio, "sleep", counted)
        stand_in.engines[0].shutdown(socket.SHUT_RDWR)
        for _ in range(100):
            await sleep(0)
        assert failing.left == 0
        assert len(stand_in.engines) == 2, "one start, and one only"
        stand_in.engines[1].sendall(pack(Ready(INFO)))
        await sleep(0)
        await sleep(0.01)
        assert watcher.engines[0].state == "ready"
        monkeypatch.undo()
        await watcher.stop()

    with caplog.at_level(logging.ERROR):
        asyncio.run(steps())
    assert delays == list(BACKOFF[1:]) + [BACKOFF[-1]] * (FAILURES + 1 - len(BACKOFF))
    said = [r.message for r in caplog.records if "cannot be started" in r.message]
    assert len(said) == 1, "once, not each time"
    assert "Too many open files" in said[0]


def test_a_nursery_without_descriptors_lives_on() -> None:
    """A request whose descriptor was lost on its way: the kernel drops it where no number is free."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        ours.send((1).to_bytes(8, "little"))
        assert nursery._handle(theirs)


def test_a_nursery_that_cannot_fork_lives_on(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    end, other = socket.socketpair()
    monkeypatch.setattr(nursery.os, "fork", Failing(None, 1))
    with ours, theirs, other:
        socket.send_fds(ours, [(1).to_bytes(8, "little")], [end.fileno()])
        end.close()
        assert nursery._handle(theirs)
        assert other.recv(1) == b"", "the server sees that nobody has the engine's end"
