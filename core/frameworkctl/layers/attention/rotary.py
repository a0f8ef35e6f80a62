"""Rotary position embedding: the table of cosines and sines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from frameworkctl.interfaces.engine import ModelContext

from .rope_types import rope_frequencies


class RotaryTable:
    """``[positions, dim]``: cosines in the first half of the columns, sines in the second, in the model's dtype.

    Longrope has a second table of the same size below, for sequences that are longer than the model was first trained
    for (``long_after`` tokens).
    """

    def __init__(self, ctx: ModelContext, rope: Mapping[str, Any], dim: int, positions: int) -> None:
        self.positions = positions
        self.long_after = long_after(rope, positions)
        table = _table(rope, dim, positions)
        if self.long_after is not None:
            table = torch.cat([table, _table({**rope, "long": True}, dim, positions)])
        self.table = table.to(dtype=ctx.dtype, device=ctx.device)

    def at(self, positions: Tensor, long: Tensor | None = None) -> Tensor:
        """Return ``[T]`` int64 -> ``[T, dim]``; ``long [T]`` is the batch's, and given where ``long_after`` is set."""
        if self.long_after is not None and long is not None:
            positions = positions + long * self.positions
        return self.table.index_select(0, positions)


def long_after(rope: Mapping[str, Any], positions: int) -> int | None:
    """Length beyond which longrope takes its long factors; None for other ropes, and where no sequence gets there."""
    if rope.get("rope_type") != "longrope" or rope["original_max_position_embeddings"] >= positions:
        return None
    return int(rope["original_max_position_embeddings"])


def _table(rope: Mapping[str, Any], dim: int, positions: int) -> Tensor:
    inverse, multiplier = rope_frequencies(rope, dim)
    angles = torch.arange(positions, dtype=torch.float32)[:, None] * inverse[None]
    return torch.cat([angles.cos() * multiplier, angles.sin() * multiplier], dim=-1)
