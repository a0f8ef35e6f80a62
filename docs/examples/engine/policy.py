"""A scheduling policy, short prompts first: ``--plugins ./policy.py --scheduling-policy shortest``."""

from __future__ import annotations

from typing import Any

from frameworkctl.interfaces import Policy, PolicySpec, Register, RequestView, hookimpl


class ShortestFirst(Policy):
    def key(self, request: RequestView, now: float) -> tuple[float, ...]:
        return (request.prompt_tokens, request.arrival, request.id)


@hookimpl
def register_policies(register: Register[PolicySpec]) -> None:
    register(PolicySpec(name="shortest", implementation=f"{__name__}:ShortestFirst"))


@hookimpl
def create_policy(name: str, options: dict[str, Any]) -> Policy | None:
    """Only needed for a policy that is not made from its name alone; None leaves it to core."""
    return ShortestFirst() if name == "shortest-too" else None
