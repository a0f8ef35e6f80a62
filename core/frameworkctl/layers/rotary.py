"""Rotary position embedding: frequencies by the checkpoint's rule, and the table of cosines and sines."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ..interfaces.engine import ModelContext


def rope_frequencies(rope: Mapping[str, Any], dim: int) -> Tensor:
    """Inverse frequencies ``[dim / 2]`` float32: theta^(-2k/dim), rescaled as ``rope_type`` says (Su et al. 2021).

    ``llama3`` keeps wavelengths below ``original / high_freq_factor``, divides those above ``original /
    low_freq_factor`` by ``factor`` and blends between (as Llama 3.1 was released with).

    Raises:
        ValueError: a rope_type that is not known.
    """
    inverse = 1.0 / (float(rope["rope_theta"]) ** (torch.arange(0, dim, 2, dtype=torch.int64).float() / dim))
    kind = rope.get("rope_type", "default")
    if kind == "default":
        return inverse
    if kind != "llama3":
        raise ValueError(f"rope_type {kind!r} is not supported")
    factor, original = float(rope["factor"]), float(rope["original_max_position_embeddings"])
    low, high = float(rope["low_freq_factor"]), float(rope["high_freq_factor"])
    wavelength = 2 * math.pi / inverse
    blend = (original / wavelength - low) / (high - low)
    blended = (1 - blend) * inverse / factor + blend * inverse
    out = torch.where(wavelength > original / low, inverse / factor, inverse)
    middle = (wavelength <= original / low) & (wavelength >= original / high)
    return torch.where(middle, blended, out)


class RotaryTable:
    """``[positions, dim]``: cosines in the first half of the columns, sines in the second, in the model's dtype."""

    def __init__(self, ctx: ModelContext, rope: Mapping[str, Any], dim: int, positions: int) -> None:
        angles = torch.arange(positions, dtype=torch.float32)[:, None] * rope_frequencies(rope, dim)[None]
        self.table = torch.cat([angles.cos(), angles.sin()], dim=-1).to(dtype=ctx.dtype, device=ctx.device)

    def at(self, positions: Tensor) -> Tensor:
        """``[T]`` int64 -> ``[T, dim]``."""
        return self.table.index_select(0, positions)
