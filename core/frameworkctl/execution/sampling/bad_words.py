"""Token sequences that must not come out: the last token of one is forbidden where the others have just been said."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from frameworkctl.execution.batch import PersistentBatch
from frameworkctl.execution.row_table import RowTable

_Joined = tuple[NDArray[np.int64], Tensor, Tensor, Tensor]


class BadWords(RowTable[list[tuple[int, ...]], _Joined]):
    """Sequences of two tokens and more, per row; those of one token are forbidden always, as biases are applied.

    All words of all rows are compared at once, with the tokens on the device; the joined arrays are made again only
    when the rows of a step change.
    """

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self._device = device

    def apply(self, logits: Tensor, rows: NDArray[np.int64], batch: PersistentBatch) -> None:
        """Forbid in ``logits [len(rows), V]``, in place, what would complete a word in the output of its row."""
        places = [i for i, r in enumerate(rows.tolist()) if r in self]
        if not places:
            return
        at, starts, lasts, tokens = self._join(rows, places, logits.shape[1])
        width = starts.shape[1]
        mine = rows[at]
        # Where each row's latest ``width`` tokens are; only those of the output count.
        position = batch.known[mine][:, None] - width + np.arange(width)
        said = torch.from_numpy(position >= batch.prompt_len[mine][:, None]).to(self._device)
        flat = torch.from_numpy(mine[:, None] * batch.max_len + np.maximum(position, 0)).to(self._device)
        latest = batch.tokens.view(-1)[flat]
        complete = ((starts < 0) | (said & (latest == starts))).all(dim=1)
        logits.view(-1).index_add_(0, lasts, torch.where(complete, tokens, 0.0))

    def _join(self, rows: NDArray[np.int64], places: list[int], vocabulary: int) -> _Joined:
        """Per word: its row of the logits, the tokens before its last (-1: none), where its last is, -inf."""
        key = rows.tobytes()
        kept = self.kept(key)
        if kept is not None:
            return kept
        words = [(i, word) for i in places for word in self[int(rows[i])]]
        width = max(len(word) for _, word in words) - 1
        starts = np.full((len(words), width), -1, dtype=np.int64)
        for line, (_, word) in zip(starts, words, strict=True):
            line[width - len(word) + 1 :] = word[:-1]
        at = np.asarray([i for i, _ in words], dtype=np.int64)
        lasts = at * vocabulary + np.asarray([word[-1] for _, word in words])
        forbidden = torch.full((len(words),), float("-inf"), device=self._device)
        first, second = (torch.from_numpy(a).to(self._device) for a in (starts, lasts))
        return self.keep(key, (at, first, second, forbidden))
