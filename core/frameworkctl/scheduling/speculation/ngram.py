"""Registers prompt lookup, ``--speculative-config '{"method": "ngram", ...}'``; what it does is in prompt_lookup."""

from __future__ import annotations

import msgspec

from frameworkctl.interfaces import Register, SpeculatorSpec, hookimpl

DEFAULT = 5  # tokens that must repeat, where nothing is said


class NgramOptions(msgspec.Struct, forbid_unknown_fields=True):
    """Number of last tokens that must be found again. One that is not given is as the other."""

    prompt_lookup_max: int | None = None
    prompt_lookup_min: int | None = None

    def __post_init__(self) -> None:
        least = self.prompt_lookup_min or self.prompt_lookup_max or DEFAULT
        most = self.prompt_lookup_max or self.prompt_lookup_min or DEFAULT
        if not 1 <= least <= most:
            raise ValueError(f"prompt_lookup_min {least} and prompt_lookup_max {most} must be 1 or more, in this order")
        self.prompt_lookup_min, self.prompt_lookup_max = least, most


@hookimpl
def register_speculators(register: Register[SpeculatorSpec]) -> None:
    implementation = "frameworkctl.scheduling.speculation.prompt_lookup:Ngram"
    register(SpeculatorSpec(name="ngram", implementation=implementation, options=NgramOptions))
