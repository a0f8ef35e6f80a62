"""Rotary position embedding: the table of cosines and sines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ..interfaces.engine import ModelContext
from .rope_types import rope_frequencies


class RotaryTable:
    """``[positions, dim]``: cosines in the first half of the columns, sines in the second, in the model's dtype."""

    def __init__(self, ctx: ModelContext, rope: Mapping[str, Any], dim: int, positions: int) -> None:
        inverse, multiplier = rope_frequencies(rope, dim)
        angles = torch.arange(positions, dtype=torch.float32)[:, None] * inverse[None]
        table = torch.cat([angles.cos() * multiplier, angles.sin() * multiplier], dim=-1)
        self.table = table.to(dtype=ctx.dtype, device=ctx.device)

    def at(self, positions: Tensor) -> Tensor:
        """``[T]`` int64 -> ``[T, dim]``."""
        return self.table.index_select(0, positions)
