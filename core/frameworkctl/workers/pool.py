"""The server's side of its workers: none at first, started when there is work, replaced when they die."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

import msgspec

from frameworkctl.engine.framing import pack
from frameworkctl.errors import RequestError

from .messages import Begun, Done, Failed, FromWorker, Job, Refused

log = logging.getLogger("frameworkctl.server")

START_SECONDS = 30.0
PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "PYTHONPATH", "LD_LIBRARY_PATH")  # keys and tokens are not
_LENGTH = struct.Struct("<I")
_decoder: msgspec.msgpack.Decoder[FromWorker] = msgspec.msgpack.Decoder(FromWorker)


class WorkerDied(Exception):
    """It ended, or was ended, before it had answered."""


class NotStarted(WorkerDied):
    """A worker could not do what comes before its first job."""


class OutOfTime(WorkerDied):
    """It took too long."""


class OutOfMemory(WorkerDied):
    """It wanted too much."""


class WorkerPool:
    """Calls functions in at most ``most`` processes, each with ``memory`` bytes of address space. Thread-safe.

    ``modules`` are imported by a worker before its first job, and ``first`` is a job (function, argument) that it does
    then. A reply may have ``max_reply`` bytes. A worker ends after ``jobs`` jobs: what they leave behind must not add
    up.
    """

    def __init__(
        self,
        *,
        most: int = 2,
        memory: int = 512 << 20,
        modules: Sequence[str] = (),
        first: tuple[str, Any] | None = None,
        max_reply: int = 64 << 20,
        jobs: int | None = None,
    ) -> None:
        self._memory, self._modules, self._max_reply = memory, tuple(modules), max_reply
        self._first = None if first is None else _packed(*first, START_SECONDS)
        self._jobs = jobs
        self._slots = threading.BoundedSemaphore(most)
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []
        self._closed = False

    def call(self, function: str, argument: Any, *, seconds: float) -> Any:
        """Return what ``function`` (``package.module:name``) returns for ``argument``; both travel as msgpack.

        Waits for a free worker; ``seconds`` is the time it may then take.

        Raises:
            RequestError: the function raised it.
            OutOfTime, OutOfMemory, WorkerDied: the worker is gone; the next call gets another one.
            NotStarted: no worker could be started.
            RuntimeError: the function raised something else.
        """
        job = _packed(function, argument, seconds)
        with self._slots:
            worker = self._take()
            try:
                reply = worker.ask(job, seconds)
            except BaseException as e:
                worker.end()
                if isinstance(e, WorkerDied):
                    log.warning("worker %d for %s: %s", worker.process.pid, function, type(e).__name__)
                raise
            self._give_back(worker)
        match reply:
            case Done(result):
                return msgspec.msgpack.decode(result)
            case Refused(message, param, code, status):
                raise RequestError(message, param=param, code=code, status=status)
            case Failed(message, _):
                raise RuntimeError(message)
        raise RuntimeError(f"a worker answered {type(reply).__name__}")

    def close(self) -> None:
        """End all that wait for work; those at work end with it."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for worker in idle:
            worker.end()

    @property
    def idle(self) -> list[int]:
        """Process ids of workers that wait for work."""
        with self._lock:
            return [worker.process.pid for worker in self._idle]

    def _take(self) -> _Worker:
        with self._lock:
            while self._idle:
                worker = self._idle.pop()
                if worker.process.poll() is None:
                    return worker
                worker.end()
        worker = _Worker(self._memory, self._modules, self._max_reply)
        if self._first is not None:
            try:
                done = isinstance(worker.ask(self._first, START_SECONDS), Done)
            except WorkerDied:
                done = False
            if not done:
                worker.end()
                raise NotStarted
        return worker

    def _give_back(self, worker: _Worker) -> None:
        worker.jobs += 1
        with self._lock:
            if not self._closed and worker.jobs != self._jobs:
                self._idle.append(worker)
                return
        worker.end()


def _packed(function: str, argument: Any, seconds: float) -> bytes:
    return pack(Job(function, msgspec.msgpack.encode(argument), math.ceil(seconds) + 1))


class _Worker:
    """One process. Every failure leaves it unusable: ``end`` it."""

    def __init__(self, memory: int, modules: Sequence[str], max_reply: int) -> None:
        self._max_reply = max_reply
        self.jobs = 0  # that it has done
        self._socket, theirs = socket.socketpair()
        safe_path = [] if {"", os.getcwd()} & set(sys.path) else ["-P"]
        command = [sys.executable, *safe_path, "-m", "frameworkctl.workers.process", str(theirs.fileno()), str(memory)]
        environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        self.process = subprocess.Popen(
            [*command, *modules],
            pass_fds=[theirs.fileno()],
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        theirs.close()
        try:
            if not isinstance(self._receive(time.monotonic() + START_SECONDS), Begun):
                raise NotStarted
        except WorkerDied:
            self.end()
            raise NotStarted from None
        except BaseException:
            self.end()
            raise

    def ask(self, job: bytes, seconds: float) -> FromWorker:
        deadline = time.monotonic() + seconds
        self._socket.settimeout(seconds)
        try:
            self._socket.sendall(job)
        except TimeoutError:
            raise OutOfTime from None
        except OSError:
            raise WorkerDied from None
        reply = self._receive(deadline)
        if isinstance(reply, Failed) and reply.memory:
            raise OutOfMemory
        return reply

    def _receive(self, deadline: float) -> FromWorker:
        (length,) = _LENGTH.unpack(self._read(_LENGTH.size, deadline))
        if length > self._max_reply:
            raise OutOfMemory
        try:
            return _decoder.decode(self._read(length, deadline))
        except msgspec.MsgspecError:
            raise WorkerDied from None

    def _read(self, count: int, deadline: float) -> bytes:
        data = bytearray()
        while len(data) < count:
            left = deadline - time.monotonic()
            if left <= 0:
                raise OutOfTime
            self._socket.settimeout(left)
            try:
                piece = self._socket.recv(min(count - len(data), 1 << 20))
            except TimeoutError:
                raise OutOfTime from None
            except OSError:
                raise WorkerDied from None
            if not piece:
                raise WorkerDied
            data += piece
        return bytes(data)

    def end(self) -> None:
        self._socket.close()
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
