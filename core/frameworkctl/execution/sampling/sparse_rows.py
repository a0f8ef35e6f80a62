"""Per-row lists of (token id, value), joined into one index operation per step."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from frameworkctl.execution.row_table import RowTable


class SparseRows(RowTable[tuple[NDArray[np.int64], NDArray[np.float32]], tuple[Tensor, Tensor, Tensor]]):
    """Rows come and go with the batch; the joined index is made again only when the rows in a step change."""

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self._device = device

    def set(self, row: int, ids: Iterable[int], values: Iterable[float]) -> None:
        self.put(row, (np.fromiter(ids, np.int64), np.fromiter(values, np.float32)))

    def add_to(self, logits: Tensor, rows: NDArray[np.int64], keep: NDArray[np.bool_] | None = None) -> None:
        """Add every value to ``logits [len(rows), V]`` in place; rows where ``keep`` is false are left out."""
        mine = [i for i, r in enumerate(rows.tolist()) if r in self and (keep is None or keep[i])]
        if mine:
            index, values, _ = self._join(logits, rows, mine)
            logits.view(-1).index_add_(0, index, values)

    def keep_only(self, logits: Tensor, rows: NDArray[np.int64]) -> None:
        """Make every logit of ``logits [len(rows), V]`` minus infinity, in place, whose id is not in its row's list."""
        mine = [i for i, r in enumerate(rows.tolist()) if r in self]
        if mine:
            index, _, places = self._join(logits, rows, mine)
            flat = logits.view(-1)
            kept = flat[index]
            logits.index_fill_(0, places, float("-inf"))
            flat[index] = kept

    def _join(self, logits: Tensor, rows: NDArray[np.int64], mine: list[int]) -> tuple[Tensor, Tensor, Tensor]:
        """Flat index into the logits, values there, and which of their rows these are."""
        key = rows.tobytes() + np.asarray(mine).tobytes()
        kept = self.kept(key)
        if kept is not None:
            return kept
        pairs = [self[int(rows[i])] for i in mine]
        index = np.concatenate([ids + i * logits.shape[1] for i, (ids, _) in zip(mine, pairs, strict=True)])
        arrays = (index, np.concatenate([v for _, v in pairs]), np.asarray(mine))
        first, second, third = (torch.from_numpy(a).to(self._device) for a in arrays)
        return self.keep(key, (first, second, third))
