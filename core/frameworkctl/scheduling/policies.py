"""The scheduling policies that come with core, registered as a stranger's would be."""

from __future__ import annotations

from collections.abc import Sequence

from frameworkctl.interfaces import Policy, PolicySpec, Register, RequestView, hookimpl


class FirstComeFirstServed(Policy):
    """Arrival order; the newest running request is preempted first."""


class Priority(Policy):
    """The lowest number first, arrival order among equals; the highest number loses its pages first."""

    uses_priority = True

    def key(self, request: RequestView, now: float) -> tuple[float, ...]:
        return (request.priority, request.turn, request.arrival, request.id)

    def victim(self, running: Sequence[RequestView], need: RequestView) -> int:
        return max(range(len(running)), key=lambda i: self.key(running[i], 0.0))


@hookimpl
def register_policies(register: Register[PolicySpec]) -> None:
    register(PolicySpec(name="fcfs", implementation=f"{__name__}:FirstComeFirstServed"))
    register(PolicySpec(name="priority", implementation=f"{__name__}:Priority", uses_priority=True))
