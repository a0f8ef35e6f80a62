"""The queue of sequences that wait to run, in the order of a policy."""

from __future__ import annotations

import heapq
import time
from collections.abc import Generator

from .checked_policy import PolicyGuard
from .sequence import Sequence, Status


class WaitingQueue:
    """A heap by ``Policy.key``. Sequences that left it (aborted) are passed over when they come up.

    ``turn`` is the virtual time of start-time fair queuing (Goyal, Vin and Cheng, 1996): that of the last admitted
    sequence. The sequences of a request get the turns after it, one each, so that requests take turns however many
    sequences they have.
    """

    def __init__(self, policy: PolicyGuard) -> None:
        self.policy = policy
        self._heap: list[tuple[tuple[float, ...], int, Sequence]] = []
        self._members: set[int] = set()
        self.turn = 0

    def __len__(self) -> int:
        return len(self._members)

    def __contains__(self, seq: Sequence) -> bool:
        return seq.id in self._members

    def add(self, seq: Sequence) -> None:
        """Queue a sequence; one that comes back after a preemption keeps its turn."""
        if seq.turn is None:
            seq.turn = self.turn + 1 + seq.place
        self._members.add(seq.id)
        heapq.heappush(self._heap, (self.policy.key(seq.view(), time.monotonic()), seq.id, seq))

    def admitted(self, seq: Sequence) -> None:
        self.turn = max(self.turn, seq.turn or 0)
        self.discard(seq)

    def discard(self, seq: Sequence) -> None:
        self._members.discard(seq.id)

    def first(self) -> Sequence | None:
        """Return the one that comes first, by the keys that are known."""
        return next((seq for _, _, seq in sorted(self._heap, key=lambda e: e[:2]) if seq.id in self._members), None)

    def in_order(self) -> Generator[Sequence, None, None]:
        """Sequences in order; those the caller does not ``discard`` stay. Close it."""
        if self.policy.dynamic_key:
            now = time.monotonic()
            self._heap = [(self.policy.key(s.view(), now), s.id, s) for _, _, s in self._heap if s.id in self._members]
            heapq.heapify(self._heap)
        passed = []
        try:
            while self._heap:
                entry = heapq.heappop(self._heap)
                seq = entry[2]
                if seq.id not in self._members or seq.status is not Status.WAITING:
                    continue
                passed.append(entry)
                yield seq
        finally:
            for entry in passed:
                if entry[1] in self._members:
                    heapq.heappush(self._heap, entry)
