"""Embeddings that stand in prompts in place of tokens, row by row of the batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from frameworkctl.interfaces.engine import Batch
from frameworkctl.scheduling.plan import NewSequence


class EmbedRows:
    """Keeps the embeddings of each row until they are computed. One buffer takes those of a step, made with the first.

    A prompt's token ids are -1 where an embedding stands.
    """

    def __init__(self, max_tokens: int, dtype: torch.dtype, device: torch.device) -> None:
        self._max_tokens, self._dtype, self._device = max_tokens, dtype, device
        self._rows: dict[int, tuple[NDArray[np.intp], Tensor]] = {}  # positions, ascending; embeddings
        self._buffer: Tensor | None = None

    def add(self, row: int, new: NewSequence, prompt: Sequence[int], output: Sequence[int]) -> None:
        if new.embeds is None:
            return
        positions = np.flatnonzero(np.frombuffer(new.tokens, dtype=np.int32) < 0)
        values = torch.frombuffer(bytearray(new.embeds), dtype=self._dtype).view(len(positions), -1)
        self._rows[row] = (positions, values.to(self._device))

    def remove(self, row: int) -> None:
        self._rows.pop(row, None)

    def move(self, src: int, dst: int) -> None:
        if src in self._rows:
            self._rows[dst] = self._rows.pop(src)

    def clear(self) -> None:
        self._rows.clear()

    def place(self, batch: Batch, computed: NDArray[np.int64]) -> None:
        """Give ``batch`` the embeddings of its tokens; ``computed [S]`` tokens each row has with this step."""
        if not self._rows:
            return
        lens = batch.shape.query_lens
        starts = np.cumsum(lens) - lens
        found = False
        for row, (positions, values) in list(self._rows.items()):
            before = int(computed[row]) - int(lens[row])
            first, last = np.searchsorted(positions, (before, computed[row]))
            if last > first:
                found = True
                at = torch.from_numpy(positions[first:last] - before + int(starts[row])).to(self._device)
                self._space(values.shape[1]).index_copy_(0, at, values[first:last])
            if last == len(positions):
                del self._rows[row]
        if found and self._buffer is not None:
            batch.embeds = self._buffer[: batch.shape.tokens]
            batch.embeds_mask = batch.input_ids < 0
            batch.input_ids.clamp_(min=0)  # something to look up

    def _space(self, hidden: int) -> Tensor:
        if self._buffer is None:
            self._buffer = torch.zeros(self._max_tokens, hidden, dtype=self._dtype, device=self._device)
        return self._buffer
