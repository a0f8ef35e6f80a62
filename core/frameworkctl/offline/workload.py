"""Much to do, a bounded number at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def work_through(items: AsyncIterable[T], most: int, work: Callable[[T], Awaitable[None]]) -> None:
    """Run ``work`` on every item, at most ``most`` at once; items are taken as there is room.

    The first failure ends the rest and is raised.
    """
    slots = asyncio.Semaphore(most)

    async def one(item: T) -> None:
        try:
            await work(item)
        finally:
            slots.release()

    try:
        async with asyncio.TaskGroup() as group:
            async for item in items:
                await slots.acquire()
                group.create_task(one(item))
    except BaseExceptionGroup as e:
        raise e.exceptions[0] from None
