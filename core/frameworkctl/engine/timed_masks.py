"""Masks under a time limit: a matcher that computes too long loses its own request, the others go on."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frameworkctl.interfaces.generation.structured import GrammarCompiler, Matcher

SECONDS = 1.0  # that the masks of one step may take, and then the mask of one matcher by itself
SECONDS_EACH = 0.02  # more for each matcher of a step
SLICES = 10  # in which time is counted: a process that was stopped meanwhile loses one of them
MAX_STUCK = 8  # threads that still compute what nobody waits for
STACK = 16 << 20  # bytes; the worker that compiled the grammar before had less
TOO_LONG = "this grammar takes too long to follow; make it simpler"
OUT_OF_ORDER = "structured output is out of order: too many masks are still being computed"


class TimedMatcher(Matcher):
    """A matcher that can be made anew, because a thread that does not come back keeps the old one."""

    __slots__ = ("_accepted", "_origin", "inner")

    def __init__(self, origin: Matcher, accepted: Sequence[int] = (), inner: Matcher | None = None) -> None:
        self._origin, self._accepted = origin, list(accepted)
        self.inner = origin.copy() if inner is None else inner

    def accept(self, token: int) -> bool:
        self._accepted.append(token)
        return self.inner.accept(token)

    @property
    def may_end(self) -> bool:
        return self.inner.may_end

    @property
    def must_end(self) -> bool:
        return self.inner.must_end

    def copy(self) -> TimedMatcher:
        return TimedMatcher(self._origin, self._accepted, self.inner.copy())

    def anew(self) -> Matcher:
        """Return another matcher at the same place, which shares nothing with ``inner``."""
        matcher = self._origin.copy()
        for token in self._accepted:
            matcher.accept(token)
        return matcher


class TimedMasks:
    """Fills the masks of a step in a thread of its own. ``fill`` is that of ``GrammarCompiler``, for TimedMatchers."""

    def __init__(self, compiler: GrammarCompiler) -> None:
        self._compiler = compiler
        self._thread: _Thread | None = None
        self._stuck: list[_Thread] = []

    def fill(self, matchers: Sequence[Matcher], masks: NDArray[np.int32]) -> list[str | None]:
        timed = [m for m in matchers if isinstance(m, TimedMatcher)]
        found = self._filled([m.inner for m in timed], masks, SECONDS + SECONDS_EACH * len(timed))
        if found is not None:
            return found
        if len(timed) == 1:
            return [TOO_LONG]
        return [self._one(m, masks[i : i + 1]) for i, m in enumerate(timed)]

    def _one(self, matcher: TimedMatcher, mask: NDArray[np.int32]) -> str | None:
        """Fill the mask of a matcher that may be the one at fault, or return why there is none."""
        if len(self._stuck) >= MAX_STUCK:
            return OUT_OF_ORDER
        fresh = self._run(matcher.anew, SECONDS)
        found = None if fresh is None else self._filled([fresh], mask, SECONDS)
        if found is None:
            return TOO_LONG
        matcher.inner = fresh
        return found[0]

    def _filled(self, inner: list[Matcher], masks: NDArray[np.int32], seconds: float) -> list[str | None] | None:
        """Fill masks and return failures, or return None when it takes too long; ``masks`` is untouched then."""
        self._stuck = [thread for thread in self._stuck if not thread.done.is_set()]
        if len(self._stuck) >= MAX_STUCK:
            return [OUT_OF_ORDER] * len(inner)
        out = np.zeros_like(masks)  # a thread that comes back late may still write
        failures: list[str | None] | None = self._run(lambda: self._compiler.fill(inner, out), seconds)
        if failures is not None:
            masks[:] = out
        return failures

    def _run(self, job: Callable[[], Any], seconds: float) -> Any:
        """Return what ``job`` returns, or None when it takes longer. Raises what it raises."""
        thread = self._thread = self._thread or _Thread()
        thread.done.clear()
        thread.jobs.put(job)
        for _ in range(SLICES):
            try:
                result, error = thread.results.get(timeout=seconds / SLICES)
            except queue.Empty:
                continue
            if error is not None:
                raise error
            return result
        self._stuck.append(thread)
        thread.jobs.put(None)
        self._thread = None
        return None


class _Thread:
    """Does jobs one by one until there is None; ``done`` is set when the last one is."""

    def __init__(self) -> None:
        self.jobs: queue.SimpleQueue[Callable[[], Any] | None] = queue.SimpleQueue()
        self.results: queue.SimpleQueue[tuple[Any, Exception | None]] = queue.SimpleQueue()
        self.done = threading.Event()
        start_thread(self._work, "masks")

    def _work(self) -> None:
        while (job := self.jobs.get()) is not None:
            result, error = None, None
            try:
                result = job()
            except Exception as e:  # noqa: BLE001 - raised again where it was asked for
                error = e
            self.done.set()
            self.results.put((result, error))


def start_thread(target: Callable[[], None], name: str) -> None:
    """Start a daemon thread with a stack that is larger than the one in which grammars were tried."""
    before = threading.stack_size(STACK)
    try:
        threading.Thread(target=target, daemon=True, name=name).start()
    finally:
        threading.stack_size(before)
