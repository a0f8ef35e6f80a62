"""Per-row lists of (token id, value), joined into one index operation per step."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class SparseRows:
    """Rows come and go with the batch; the joined index is made again only when the rows in a step change."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._rows: dict[int, tuple[NDArray[np.int64], NDArray[np.float32]]] = {}
        self._key: bytes | None = None
        self._joined: tuple[Tensor, Tensor] | None = None

    def __contains__(self, row: int) -> bool:
        return row in self._rows

    def __len__(self) -> int:
        return len(self._rows)

    def set(self, row: int, ids: Iterable[int], values: Iterable[float]) -> None:
        self._rows[row] = (np.fromiter(ids, np.int64), np.fromiter(values, np.float32))
        self._key = None

    def remove(self, row: int) -> None:
        if self._rows.pop(row, None) is not None:
            self._key = None

    def move(self, src: int, dst: int) -> None:
        if src in self._rows:
            self._rows[dst] = self._rows.pop(src)
            self._key = None

    def add_to(self, logits: Tensor, rows: NDArray[np.int64], keep: NDArray[np.bool_] | None = None) -> None:
        """Add every value to ``logits [len(rows), V]`` in place; rows where ``keep`` is false are left out."""
        mine = [i for i, r in enumerate(rows.tolist()) if r in self._rows and (keep is None or keep[i])]
        if not mine:
            return
        key = rows.tobytes() + np.asarray(mine).tobytes()
        if key != self._key or self._joined is None:
            pairs = [self._rows[int(rows[i])] for i in mine]
            index = np.concatenate([ids + i * logits.shape[1] for i, (ids, _) in zip(mine, pairs, strict=True)])
            values = np.concatenate([v for _, v in pairs])
            self._joined = (torch.from_numpy(index).to(self._device), torch.from_numpy(values).to(self._device))
            self._key = key
        logits.view(-1).index_add_(0, *self._joined)
