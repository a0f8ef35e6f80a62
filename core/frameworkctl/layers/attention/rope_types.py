"""Rotary frequencies by the checkpoint's ``rope_type``."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

Rope = Mapping[str, Any]
Frequencies = tuple[Tensor, float]  # inverse frequencies [dim / 2] float32; what cosines and sines are multiplied by


def _inverse(rope: Rope, dim: int) -> Tensor:
    return 1.0 / (float(rope["rope_theta"]) ** (torch.arange(0, dim, 2, dtype=torch.int64).float() / dim))


def _default(rope: Rope, dim: int) -> Frequencies:
    return _inverse(rope, dim), 1.0


def _linear(rope: Rope, dim: int) -> Frequencies:
    """Positions are squeezed into the trained range (Chen et al. 2023)."""
    return _inverse(rope, dim) / float(rope["factor"]), 1.0


def _llama3(rope: Rope, dim: int) -> Frequencies:
    """Short waves stay, long ones are slowed by ``factor``, those between are blended (as Llama 3.1 was released)."""
    inverse = _inverse(rope, dim)
    factor, original = float(rope["factor"]), float(rope["original_max_position_embeddings"])
    low, high = float(rope["low_freq_factor"]), float(rope["high_freq_factor"])
    wavelength = 2 * math.pi / inverse
    blend = (original / wavelength - low) / (high - low)
    blended = (1 - blend) * inverse / factor + blend * inverse
    out = torch.where(wavelength > original / low, inverse / factor, inverse)
    middle = (wavelength <= original / low) & (wavelength >= original / high)
    return torch.where(middle, blended, out), 1.0


def yarn_mscale(factor: float, mscale: float = 1.0) -> float:
    """Return ``0.1 mscale ln(factor) + 1``: how much sharper attention gets over a longer context (Peng et al.
    2023).
    """
    return 0.1 * mscale * math.log(factor) + 1.0 if factor > 1 else 1.0


def _yarn(rope: Rope, dim: int) -> Frequencies:
    """Between slowed and unchanged frequencies by how often each turns in the trained context (Peng et al. 2023)."""
    factor, theta = float(rope["factor"]), float(rope["rope_theta"])
    original = float(rope["original_max_position_embeddings"])

    def turning(rotations: float) -> float:
        """Return the pair that turns this often within the trained context."""
        return dim * math.log(original / (rotations * 2 * math.pi)) / (2 * math.log(theta))

    low, high = turning(float(rope.get("beta_fast") or 32)), turning(float(rope.get("beta_slow") or 1))
    if rope.get("truncate", True):
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, dim - 1)
    ramp = ((torch.arange(dim // 2, dtype=torch.float32) - low) / (high - low or 0.001)).clamp(0, 1)
    inverse = _inverse(rope, dim)
    multiplier = rope.get("attention_factor")
    if multiplier is None:
        mscale, all_dim = rope.get("mscale"), rope.get("mscale_all_dim")
        multiplier = yarn_mscale(factor)
        if mscale and all_dim:
            multiplier = yarn_mscale(factor, mscale) / yarn_mscale(factor, all_dim)
    return inverse / factor * ramp + inverse * (1 - ramp), float(multiplier)


def _longrope(rope: Rope, dim: int) -> Frequencies:
    """Return the frequencies, each with a factor of its own that was found by search (Ding et al. 2024).

    The mapping says by ``long`` which of the two lists to take: sequences up to the trained length use the short one.
    """
    factors = torch.tensor(rope["long_factor" if rope.get("long") else "short_factor"], dtype=torch.float32)
    if len(factors) != dim // 2:
        raise ValueError(f"longrope has {len(factors)} factors for {dim // 2} frequencies")
    exponents = torch.arange(0, dim, 2, dtype=torch.int64).float() / dim
    multiplier = rope.get("attention_factor")
    if multiplier is None:
        factor, original = float(rope["factor"]), float(rope["original_max_position_embeddings"])
        multiplier = math.sqrt(1 + math.log(factor) / math.log(original)) if factor > 1 else 1.0
    return 1.0 / (factors * float(rope["rope_theta"]) ** exponents), float(multiplier)


RULES: dict[str, Callable[[Rope, int], Frequencies]] = {
    "default": _default,
    "dynamic": _default,  # stretches beyond the trained length only, and sequences end there
    "linear": _linear,
    "llama3": _llama3,
    "longrope": _longrope,
    "yarn": _yarn,
}


def rope_frequencies(rope: Rope, dim: int) -> Frequencies:
    """Inverse frequencies ``[dim / 2]`` float32 and the multiplier of cosines and sines.

    The base is theta^(-2k/dim) (Su et al. 2021), rescaled as ``rope_type`` says. ``rope`` is complete: a missing
    ``factor`` or ``original_max_position_embeddings`` has been filled in from the rest of the config.

    Raises:
        ValueError: a rope_type that is not known.
    """
    kind = rope.get("rope_type", "default")
    if kind not in RULES:
        raise ValueError(f"rope_type {kind!r} is not one of {', '.join(RULES)}")
    return RULES[kind](rope, dim)
