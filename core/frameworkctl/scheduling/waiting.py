"""The queue of sequences that wait to run, in the order of a policy."""

from __future__ import annotations

import heapq
import time
from collections import deque
from collections.abc import Generator

from .checked_policy import PolicyGuard
from .sequence import Sequence, Status

_Entry = tuple[tuple[float, ...], int, Sequence]


class WaitingQueue:
    """Calls take turns: of each call one sequence stands in a heap by ``Policy.key``, the others wait behind it.

    ``turn`` of a sequence counts up as sequences come into the heap, so that with k calls waiting each of them has
    a sequence admitted within k admissions, however many sequences the others have (round robin). One that comes
    back after a preemption keeps its turn. Sequences that left the queue (aborted) are passed over when they come up.
    """

    def __init__(self, policy: PolicyGuard) -> None:
        self.policy = policy
        self._heap: list[_Entry] = []
        self._standing: dict[int, int] = {}  # call -> its sequences that stand in the heap
        self._behind: dict[int, deque[Sequence]] = {}  # call -> those that wait for their turn
        self._members: set[int] = set()
        self._lent: set[int] = set()  # in the heap for one pass, because those before them cannot go yet
        self._turn = 0

    def __len__(self) -> int:
        return len(self._members)

    def __contains__(self, seq: Sequence) -> bool:
        return seq.id in self._members

    def add(self, seq: Sequence) -> None:
        """Queue a sequence: behind those of its call, if any wait."""
        self._members.add(seq.id)
        if seq.turn is None and seq.call in self._standing:
            self._behind.setdefault(seq.call, deque()).append(seq)
        else:
            self._stand(seq)

    def discard(self, seq: Sequence) -> None:
        """Take a sequence out; the next of its call comes into the heap."""
        if seq.id not in self._members:
            return
        self._members.discard(seq.id)
        if seq.id in self._lent:
            self._lent.discard(seq.id)
        elif seq.turn is not None:
            left = self._standing[seq.call] - 1
            if left:
                self._standing[seq.call] = left
                return
            del self._standing[seq.call]
            if (following := self._next_behind(seq.call)) is not None:
                self._stand(following)

    def _stand(self, seq: Sequence) -> None:
        self._standing[seq.call] = self._standing.get(seq.call, 0) + 1
        self._push(seq)

    def _push(self, seq: Sequence) -> None:
        if seq.turn is None:
            self._turn += 1
            seq.turn = self._turn
        heapq.heappush(self._heap, (self.policy.key(seq.view(), time.monotonic()), seq.id, seq))

    def _next_behind(self, call: int) -> Sequence | None:
        """Return the next sequence of a call that waits behind; it is there no longer."""
        behind = self._behind.get(call)
        found = None
        while behind and found is None:
            seq = behind.popleft()
            found = seq if seq.id in self._members else None
        if not behind:
            self._behind.pop(call, None)
        return found

    def first(self) -> Sequence | None:
        """Return the one that comes first, by the keys that are known."""
        return next((seq for _, _, seq in sorted(self._heap, key=lambda e: e[:2]) if seq.id in self._members), None)

    def in_order(self) -> Generator[Sequence, None, None]:
        """Yield sequences in order; those the caller does not ``discard`` stay. Close it.

        Behind a sequence that stays come the others of its call: one may be held back for what others need not.
        """
        if self.policy.dynamic_key:
            now = time.monotonic()
            self._heap = [(self.policy.key(s.view(), now), s.id, s) for _, _, s in self._heap if s.id in self._members]
            heapq.heapify(self._heap)
        passed: list[_Entry] = []
        stuck: set[int] = set()  # calls of those
        try:
            while self._heap:
                entry = heapq.heappop(self._heap)
                seq = entry[2]
                if seq.id not in self._members or seq.status is not Status.WAITING:
                    continue
                passed.append(entry)
                lent = seq.id in self._lent
                yield seq
                if seq.id in self._members:
                    stuck.add(seq.call)
                elif not lent:
                    continue  # the next of its call stands in the heap by now
                if seq.call in stuck and (following := self._next_behind(seq.call)) is not None:
                    self._lent.add(following.id)
                    self._push(following)
        finally:
            self._put_back(passed)

    def _put_back(self, passed: list[_Entry]) -> None:
        came_up = {entry[1] for entry in passed}
        if not self._lent <= came_up:  # the last that was lent of a call, which this pass did not come to
            for entry in self._heap:
                if entry[1] in self._lent:
                    self._return(entry[2])
            self._heap = [entry for entry in self._heap if entry[2].turn is not None]
            heapq.heapify(self._heap)
        for entry in reversed(passed):
            seq = entry[2]
            if seq.id not in self._members:
                continue
            if seq.id in self._lent:
                self._return(seq)
            else:
                heapq.heappush(self._heap, entry)

    def _return(self, seq: Sequence) -> None:
        self._lent.discard(seq.id)
        seq.turn = None
        self._behind.setdefault(seq.call, deque()).appendleft(seq)
