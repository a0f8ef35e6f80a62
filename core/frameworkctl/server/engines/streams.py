"""Streams of one request's results in the server: rows of its sequences, or its pooled texts; one reader each."""

from __future__ import annotations

import asyncio
from typing import Generic, TypeVar

from frameworkctl.engine.messages import Pooled, Row
from frameworkctl.errors import EngineError, RequestError

T = TypeVar("T")


class Stream(Generic[T]):
    """``open`` is how many ends are still to come: a request is aborted that is closed before."""

    __slots__ = ("_error", "_found", "_waiter", "id", "open")

    def __init__(self, id_: int, n: int) -> None:
        self.id = id_
        self.open = n
        self._found: list[T] = []
        self._error: RequestError | None = None
        self._waiter: asyncio.Future[None] | None = None

    @property
    def weight(self) -> int:
        """Return how much it counts in the engine's queue."""
        return 1

    def push(self, row: Row) -> None:
        raise NotImplementedError

    def take(self, pooled: Pooled) -> None:
        raise NotImplementedError

    def fail(self, error: RequestError) -> None:
        self._error = error
        self._wake()

    def _add(self, found: T) -> None:
        self._found.append(found)
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def next(self) -> list[T]:
        """Return all that has come, at least one. Raises RequestError when the engine cannot go on."""
        while not self._found:
            if self._error is not None:
                raise self._error
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        found, self._found = self._found, []
        return found


class RowStream(Stream[Row]):
    """The rows of one request as the engine sends them."""

    __slots__ = ()

    @property
    def weight(self) -> int:
        return self.open

    def push(self, row: Row) -> None:
        if row.reason is not None:
            self.open -= 1
        self._add(row)


class PoolStream(Stream[Pooled]):
    """The texts of one request as steps end them; one that fails ends the request."""

    __slots__ = ()

    def push(self, row: Row) -> None:
        self.fail(EngineError(f"The request could not be finished: {row.error}"))

    def take(self, pooled: Pooled) -> None:
        self.open -= len(pooled.numbers)
        self._add(pooled)
