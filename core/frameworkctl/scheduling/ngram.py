"""Prompt lookup: what followed the last tokens where they stood before is the guess for what follows them now.

Saxena 2023, "Prompt Lookup Decoding".
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..interfaces import Register, Speculator, SpeculatorSpec, hookimpl

DEFAULT = 5  # tokens that must repeat, where nothing is said


class NgramOptions(msgspec.Struct, forbid_unknown_fields=True):
    """How many of the last tokens must be found again. One that is not given is as the other."""

    prompt_lookup_max: int | None = None
    prompt_lookup_min: int | None = None

    def __post_init__(self) -> None:
        least = self.prompt_lookup_min or self.prompt_lookup_max or DEFAULT
        most = self.prompt_lookup_max or self.prompt_lookup_min or DEFAULT
        if not 1 <= least <= most:
            raise ValueError(f"prompt_lookup_min {least} and prompt_lookup_max {most} must be 1 or more, in this order")
        self.prompt_lookup_min, self.prompt_lookup_max = least, most


class Ngram(Speculator):
    """No model: the longest repetition counts, among several the last one that has enough tokens after it."""

    options: NgramOptions

    def propose(self, sequences: Sequence[NDArray[np.int32]], most: Sequence[int]) -> Sequence[Sequence[int]]:
        least, longest = self.options.prompt_lookup_min or DEFAULT, self.options.prompt_lookup_max or DEFAULT
        return [lookup(tokens, n, least, longest) for tokens, n in zip(sequences, most, strict=True)]


def lookup(tokens: NDArray[np.int32], most: int, least: int, longest: int) -> list[int]:
    """At most ``most`` tokens that followed the last ``least`` to ``longest`` of ``tokens [n]`` before."""
    last = len(tokens) - 1
    ends = np.flatnonzero(tokens[:last] == tokens[last])  # where a repetition could end
    length = 1
    while length < longest and len(ends):
        further = ends[ends >= length]
        further = further[tokens[further - length] == tokens[last - length]]
        if not len(further):
            break
        ends, length = further, length + 1
    if length < least or not len(ends):
        return []
    enough = np.searchsorted(ends, last - most, side="right")
    end = int(ends[enough - 1]) if enough else int(ends[0])
    return [int(token) for token in tokens[end + 1 : end + 1 + most]]


@hookimpl
def register_speculators(register: Register[SpeculatorSpec]) -> None:
    register(SpeculatorSpec(name="ngram", implementation=f"{__name__}:Ngram", options=NgramOptions))
