"""The order in which requests run: all that a scheduling policy may decide."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import msgspec

from frameworkctl.interfaces.markers import API_VERSION


class RequestView(msgspec.Struct, frozen=True):
    """A sequence as a policy sees it. ``arrival`` is ``time.monotonic()`` of the engine; counts are tokens.

    Sequences of one call wait behind each other; a policy orders those in front. In the order of ``turn`` calls take
    turns: with k of them waiting, each has a sequence admitted within k admissions.
    """

    id: int
    arrival: float
    priority: int
    prompt_tokens: int
    output_tokens: int
    computed_tokens: int
    preemptions: int
    waiting_input: bool
    turn: int = 0


class Load(msgspec.Struct, frozen=True):
    """Load of the engine now."""

    running: int
    waiting: int
    free_pages: int
    total_pages: int


class Policy:
    """Decides order only; pages, budgets and states stay in core, and an impossible answer is clamped and counted.

    The default is first come, first served; override what differs.
    """

    api_version: ClassVar[int] = API_VERSION
    uses_priority: ClassVar[bool] = False
    dynamic_key: ClassVar[bool] = False  # True: key() changes with time, so the queue is sorted anew every step

    def key(self, request: RequestView, now: float) -> tuple[float, ...]:
        """Return the key by which waiting requests are admitted, in ascending order."""
        return (request.turn, request.arrival, request.id)

    def hold(self, request: RequestView, load: Load) -> bool:
        """Return True to leave this waiting request out of the step; others may pass it."""
        return False

    def cap(self, request: RequestView, want: int, load: Load) -> int:
        """Return the largest number of tokens that a request may compute in this step."""
        return want

    def victim(self, running: Sequence[RequestView], need: RequestView) -> int:
        """Index of the running request that loses its pages for ``need`` (which may be itself)."""
        return len(running) - 1

    def finished(self, request: RequestView) -> None:
        """Take note that a request has left the engine."""


class PolicySpec(msgspec.Struct, frozen=True, kw_only=True):
    """``--scheduling-policy NAME``; ``implementation`` is ``package.module:Class``, built without arguments."""

    name: str
    implementation: str
    uses_priority: bool = False
    api_version: int = API_VERSION
