"""Logprobs of prompt tokens: what the hidden states of a prefill, chunk by chunk, say about the token after each."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from frameworkctl.execution.batch import PersistentBatch
from frameworkctl.interfaces.engine import Batch, Model
from frameworkctl.scheduling.plan import NewSequence, PromptScores

ROWS_AT_A_TIME = 128  # logits of a large vocabulary take half a megabyte each


class _Part(msgspec.Struct):
    """Positions of one sequence that are scored in this step; ``at`` is where its hidden states begin."""

    row: int
    first: int
    count: int
    at: int
    width: int


class PromptScorer:
    """Knows which rows want their prompt scored, and how many of the most likely tokens each wants to see."""

    def __init__(self, model: Model, batch: PersistentBatch, max_seqs: int) -> None:
        self.model, self.batch = model, batch
        self._width = np.full(max_seqs, -1, dtype=np.int64)  # -1: not wanted
        self._wanting = 0
        self._parts: list[_Part] = []
        self._hidden: Tensor | None = None

    def add(self, row: int, new: NewSequence, prompt: Sequence[int], output: Sequence[int]) -> None:
        wanted = new.params.prompt_logprobs
        self._width[row] = -1 if wanted is None else wanted
        self._wanting += wanted is not None

    def remove(self, row: int) -> None:
        self._wanting -= int(self._width[row] >= 0)
        self._width[row] = -1

    def move(self, src: int, dst: int) -> None:
        self._width[dst], self._width[src] = self._width[src], -1

    def clear(self) -> None:
        self._width.fill(-1)
        self._wanting = 0
        self._parts, self._hidden = [], None

    def keep(self, batch: Batch, hidden: Tensor) -> None:
        """Remember the hidden states ``[T, H]`` of a step where prompts in it are to be scored."""
        if not self._wanting:
            return
        shape, size = batch.shape, self.batch.size
        ends = np.cumsum(shape.query_lens)
        first = self.batch.computed[:size] - shape.query_lens
        # The last token of a prompt predicts the first of the output, which the sampler scores.
        counts = np.minimum(self.batch.computed[:size], self.batch.prompt_len[:size] - 1) - first
        for row in np.flatnonzero((self._width[:size] >= 0) & (counts > 0)):
            at = int(ends[row] - shape.query_lens[row])
            self._parts.append(_Part(int(row), int(first[row]), int(counts[row]), at, int(self._width[row])))
        self._hidden = hidden if self._parts else None

    def take(self) -> dict[int, PromptScores]:
        """Scores by row of what ``keep`` remembered; waits for the device."""
        if self._hidden is None:
            return {}
        parts, hidden = self._parts, self._hidden
        self._parts, self._hidden = [], None
        return {p.row: self._score(p, hidden[p.at : p.at + p.count]) for p in parts}

    def _score(self, part: _Part, hidden: Tensor) -> PromptScores:
        targets = self.batch.tokens[part.row, part.first + 1 : part.first + 1 + part.count]
        pieces = [
            score(self.model.logits(h), t, part.width)
            for h, t in zip(torch.split(hidden, ROWS_AT_A_TIME), torch.split(targets, ROWS_AT_A_TIME), strict=True)
        ]
        own, ranks, ids, values = (np.concatenate(column).tobytes() for column in zip(*pieces, strict=True))
        width = len(ids) // (4 * part.count)
        return PromptScores(part.first + 1, part.count, width, own, ranks, ids, values)


def score(logits: Tensor, targets: Tensor, width: int) -> tuple[NDArray[np.generic], ...]:
    """Return ``logits [n, V]``, ``targets [n]`` -> their logprobs ``[n]`` float32 and ranks ``[n]`` int32 (1: nothing
    is more likely), ids ``[n, width]`` int32 and logprobs float32 of the most likely tokens, best first.
    """
    logprobs = torch.log_softmax(logits.float(), dim=-1)
    own = logprobs.gather(1, targets[:, None])
    ranks = (logprobs > own).sum(dim=-1, dtype=torch.int32) + 1
    values, ids = torch.topk(logprobs, min(width, logprobs.shape[1]), dim=-1)
    columns = (own[:, 0], ranks, ids.int().flatten(), values.flatten())
    return tuple(column.cpu().numpy() for column in columns)
