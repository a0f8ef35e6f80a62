"""Puts load on a server: so many clients at once, or so many requests a second."""

from __future__ import annotations

import asyncio
import gc
import random
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

import msgspec

from .http import Broken, Connection, Target
from .stream import Refused, Stream, Timing, message_of

Send = Callable[[bytes], Coroutine[Any, Any, None]]


class Level(msgspec.Struct, frozen=True):
    """``concurrency`` clients, each sending its next request when it has its answer; or ``rate`` requests a second,
    at random times, whatever is still open."""

    concurrency: int = 0
    rate: float = 0.0

    def __str__(self) -> str:
        return f"{self.rate:g} requests/s" if self.rate else f"{self.concurrency} clients"


class Run(msgspec.Struct):
    """Results of one level, once. ``client_seconds``: processor time of this program meanwhile."""

    timings: list[Timing]
    errors: list[str]
    seconds: float
    client_seconds: float


class Generator:
    """Sends requests and keeps what they took. ``pieces`` and ``ended`` may be looked at while it works."""

    def __init__(self, target: Target, path: str, timeout: float) -> None:
        self._target, self._path, self._timeout = target, path, timeout
        self._idle: list[Connection] = []
        self._open: set[Stream] = set()
        self._pieces = 0
        self.ended = 0

    @property
    def pieces(self) -> int:
        """Pieces of text received since the start."""
        return self._pieces + sum(len(s.stamps) for s in self._open)

    async def run(self, level: Level, bodies: Sequence[Mapping[str, Any]], seed: str = "") -> Run:
        """Measure a run. Everything is encoded before the clock starts, and no garbage is collected until it has
        stopped.
        """
        requests = [self._target.post(self._path, body) for body in bodies]
        timings: list[Timing] = []
        errors: list[str] = []

        async def send(request: bytes) -> None:
            try:
                timings.append(await self._one(request))
            except (Broken, Refused) as e:
                errors.append(str(e))
            self.ended += 1

        gc.collect()
        gc.disable()
        spent, began = time.process_time(), time.perf_counter()
        try:
            if level.rate:
                await _at_rate(level.rate, requests, send, random.Random(f"{seed}/arrivals"))
            else:
                await _by_clients(level.concurrency, requests, send)
        finally:
            gc.enable()
        return Run(timings, errors, time.perf_counter() - began, time.process_time() - spent)

    def close(self) -> None:
        for connection in self._idle:
            connection.close()

    async def _one(self, request: bytes) -> Timing:
        connection = self._idle.pop() if self._idle else Connection(self._target)
        stream = Stream()
        self._open.add(stream)
        sent = time.perf_counter()
        answer: list[bytes] = []
        try:
            async with asyncio.timeout(self._timeout):
                status = await connection.request(request, _tee(stream, answer))
        except TimeoutError:
            raise Broken(f"no answer within {self._timeout:g} s") from None
        finally:
            self._open.discard(stream)
            self._pieces += len(stream.stamps)
            self._idle.append(connection)
        ended = time.perf_counter()
        if status != 200:
            raise Refused(f"HTTP {status}: {message_of(b''.join(answer))}")
        return stream.timing(sent, ended)


def _tee(stream: Stream, first: list[bytes]) -> Callable[[bytes, float], None]:
    """Feed the stream; keep the bytes as well until it has seen text, because it may be an error's."""

    def take(data: bytes, now: float) -> None:
        stream.feed(data, now)
        if not stream.stamps:
            first.append(data)

    return take


async def _by_clients(count: int, requests: Sequence[bytes], send: Send) -> None:
    left = iter(requests)

    async def client() -> None:
        for request in left:
            await send(request)

    await asyncio.gather(*(client() for _ in range(min(count, len(requests)))))


async def _at_rate(rate: float, requests: Sequence[bytes], send: Send, rng: random.Random) -> None:
    """Exponential gaps: arrivals of a Poisson process."""
    loop = asyncio.get_running_loop()
    due, tasks = loop.time(), []
    for request in requests:
        await asyncio.sleep(max(0.0, due - loop.time()))
        tasks.append(loop.create_task(send(request)))
        due += rng.expovariate(rate)
    await asyncio.gather(*tasks)
