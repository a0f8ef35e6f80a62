"""Threads for requests by how much they bring: small ones never wait for large ones."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType

LANES: Mapping[int, int] = MappingProxyType({1 << 16: 2, 1 << 20: 2, 1 << 62: 1})  # bytes or characters -> threads
WAITING_THREADS = 8


class Lanes:
    """One per server. A request goes into the first lane that takes its size; ``waiting`` is for what only waits."""

    def __init__(self) -> None:
        self._lanes = {most: ThreadPoolExecutor(count, f"render-{most}") for most, count in LANES.items()}
        self.waiting = ThreadPoolExecutor(WAITING_THREADS, "wait")  # for what waits for a process

    def of(self, size: int) -> ThreadPoolExecutor:
        """Return the threads for ``size`` bytes of a body, or characters to tokenize."""
        return next(lane for most, lane in self._lanes.items() if size <= most)

    def shutdown(self) -> None:
        """Take no more work, and wait for none."""
        for lane in (*self._lanes.values(), self.waiting):
            lane.shutdown(wait=False)
