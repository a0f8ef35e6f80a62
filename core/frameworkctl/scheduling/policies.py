"""The default scheduling policy, registered as a stranger's would be."""

from __future__ import annotations

from ..interfaces import Policy, PolicySpec, Register, hookimpl


class FirstComeFirstServed(Policy):
    """Arrival order; the newest running request is preempted first."""


@hookimpl
def register_policies(register: Register[PolicySpec]) -> None:
    register(PolicySpec(name="fcfs", implementation=f"{__name__}:FirstComeFirstServed"))
