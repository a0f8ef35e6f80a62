"""Asks a scheduling policy, and stands in for it where its answer is impossible or it raises."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TypeVar

from frameworkctl.interfaces.generation.scheduling import Load, Policy, RequestView

log = logging.getLogger("frameworkctl.scheduling")

T = TypeVar("T")


class PolicyGuard:
    """A policy whose mistakes cost its own order only: they are counted, told once per method, and replaced."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._default = Policy()
        self._told: set[str] = set()
        self.faults = 0
        kind = type(policy)
        self.dynamic_key = kind.dynamic_key
        self.caps = kind.cap is not Policy.cap
        self.holds = kind.hold is not Policy.hold

    def key(self, request: RequestView, now: float) -> tuple[float, ...]:
        """Call ``Policy.key``; fall back to arrival order unless the key is a tuple of comparable numbers."""
        key = self._ask("key", request, now)
        if isinstance(key, tuple) and all(isinstance(part, (int, float)) and part == part for part in key):
            return key
        return self._replace("key", key, self._default.key(request, now))

    def hold(self, request: RequestView, load: Load) -> bool:
        """Call ``Policy.hold``; return False if it raises."""
        answer = self._ask("hold", request, load)
        return self._replace("hold", answer, False) if isinstance(answer, Exception) else bool(answer)

    def cap(self, request: RequestView, want: int, load: Load) -> int:
        """Call ``Policy.cap`` and clamp it to 0 .. ``want``; return ``want`` unless it is a whole number."""
        answer = self._ask("cap", request, want, load)
        if isinstance(answer, int):
            within = max(0, min(answer, want))
            return within if within == answer else self._replace("cap", answer, within)
        return self._replace("cap", answer, want)

    def victim(self, running: Sequence[RequestView], need: RequestView) -> int:
        """Call ``Policy.victim``; return the last index if the answer is not an index."""
        index = self._ask("victim", running, need)
        if isinstance(index, int) and 0 <= index < len(running):
            return index
        return self._replace("victim", index, len(running) - 1)

    def finished(self, request: RequestView) -> None:
        """Call ``Policy.finished``."""
        answer = self._ask("finished", request)
        if isinstance(answer, Exception):
            self._replace("finished", answer, None)

    def _ask(self, method: str, *given: object) -> object:
        try:
            return getattr(self._policy, method)(*given)
        except Exception as e:  # noqa: BLE001 - whatever a plugin raises: the caller puts a default in its place
            return e

    def _replace(self, method: str, answer: object, instead: T) -> T:
        self.faults += 1
        if method not in self._told:
            self._told.add(method)
            error = answer if isinstance(answer, Exception) else None
            what = "raised" if error else f"answered {answer!r}"
            name = type(self._policy).__name__
            log.error("%s.%s %s; where it does, a default decides", name, method, what, exc_info=error)
        return instead
