"""A speculator that guesses the last token again: ``--plugins ./speculator.py --speculative-config '{...}'``.

With ``{"method": "again", "num_speculative_tokens": 2}`` as the configuration. Wrong guesses cost time
and change nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from frameworkctl.interfaces import Register, Speculator, SpeculatorSpec, hookimpl


class Again(Speculator):
    def propose(self, sequences: Sequence[Any], most: Sequence[int]) -> Sequence[Sequence[int]]:
        return [[int(tokens[-1])] * n for tokens, n in zip(sequences, most, strict=True)]


@hookimpl
def register_speculators(register: Register[SpeculatorSpec]) -> None:
    register(SpeculatorSpec(name="again", implementation=f"{__name__}:Again"))
