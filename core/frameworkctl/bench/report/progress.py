"""Progress of a measurement, as one line on a terminal."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
LOOK = 0.25  # seconds between two looks, which cost the measured server a little


class Watched(Protocol):
    """Something that counts what it has done."""

    ended: int

    @property
    def pieces(self) -> int: ...


class Progress:
    """A bar of ``total`` requests, with the tokens per second since the last look. None is watched: nothing shown."""

    def __init__(self, total: int, watched: Watched | None) -> None:
        self._watched = watched
        self._bar: Any = None
        if watched is not None:
            from tqdm import tqdm

            tqdm.monitor_interval = 0  # no thread beside the measurement
            self._bar = tqdm(total=total, unit="req", disable=None, dynamic_ncols=True)
        self._pieces = 0

    def name(self, text: str) -> None:
        if self._bar is not None:
            self._bar.set_description(text)

    async def during(self, work: Coroutine[Any, Any, T]) -> T:
        """Look now and then while ``work`` is done."""
        if self._bar is None or self._bar.disable:
            return await work
        looking = asyncio.ensure_future(self._look())
        try:
            return await work
        finally:
            looking.cancel()
            self._show()

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK)
            self._show()

    def _show(self) -> None:
        assert self._watched is not None
        now = self._watched.pieces
        self._bar.set_postfix_str(f"{(now - self._pieces) / LOOK:.0f} tokens/s", refresh=False)
        self._pieces = now
        self._bar.update(self._watched.ended - self._bar.n)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.close()
