"""Changes the logits of one sequence; runs in the engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from frameworkctl.interfaces import RowProcessor

from .plugin import TokenBoost


class WordBoostProcessor(RowProcessor):
    """Boosts the next token of every word, the first if it has not been begun; bans the one that would finish one."""

    def process(
        self, params: TokenBoost, prompt: Sequence[int], output: Sequence[int], row: torch.Tensor
    ) -> torch.Tensor:
        for ids, value in params.words:
            row[ids[max(begun(ids, output))]] += value
        for ids in params.banned:
            if len(ids) - 1 in begun(ids, output):
                row[ids[-1]] = float("-inf")
        return row


def begun(ids: Sequence[int], output: Sequence[int]) -> Iterator[int]:
    """Yield how many tokens of a word the output ends with: 0, and every other count that fits."""
    return (n for n in range(len(ids)) if n == 0 or list(output[-n:]) == list(ids[:n]))
