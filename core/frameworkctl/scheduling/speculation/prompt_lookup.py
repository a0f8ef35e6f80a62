"""Prompt lookup: what followed the last tokens where they stood before is the guess for what follows them now.

Saxena 2023, "Prompt Lookup Decoding".
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from frameworkctl.interfaces import Speculator

from .ngram import DEFAULT, NgramOptions


class Ngram(Speculator):
    """No model: the longest repetition counts, among several the last one that has enough tokens after it."""

    options: NgramOptions

    def propose(self, sequences: Sequence[NDArray[np.int32]], most: Sequence[int]) -> Sequence[Sequence[int]]:
        least, longest = self.options.prompt_lookup_min or DEFAULT, self.options.prompt_lookup_max or DEFAULT
        return [lookup(tokens, n, least, longest) for tokens, n in zip(sequences, most, strict=True)]


def lookup(tokens: NDArray[np.int32], most: int, least: int, longest: int) -> list[int]:
    """Return at most ``most`` tokens that followed the last ``least`` to ``longest`` of ``tokens [n]`` before."""
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
