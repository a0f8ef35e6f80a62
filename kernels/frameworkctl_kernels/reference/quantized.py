"""Rounding of weights to 8 or 4 bits, and layers that compute with what is left of them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .linear import PlainWeight

FORMATS = ("int8", "int4")
GROUP = 32  # values of K that share a scale in int4


@dataclass(slots=True)
class Quantized:
    """``values [N, K]``: int8, or 0 to 15 in uint8; value = scale * values + offset, float32.

    ``scales`` and ``offsets`` are ``[N, 1]`` (int8; offsets None) or ``[N, ceil(K / GROUP)]`` (int4), the latter
    numbers that half precision holds.
    """

    values: Tensor
    scales: Tensor
    offsets: Tensor | None

    def dequantized(self) -> Tensor:
        """Return ``[N, K]`` float32."""
        if self.offsets is None:
            return self.values * self.scales
        k = self.values.shape[1]
        return self.values * _spread(self.scales, k) + _spread(self.offsets, k)


def _spread(numbers: Tensor, k: int) -> Tensor:
    return numbers.repeat_interleave(GROUP, dim=1)[:, :k]


def quantize(weight: Tensor, fmt: str) -> Quantized:
    """Return ``weight [N, K]`` rounded to the nearest of its row's (int8) or group's (int4) levels.

    int8: 255 levels around zero, the row's largest value at the end. int4: 16 levels from a group's smallest value to
    its largest.

    Raises:
        ValueError: no such format.
    """
    wide = weight.float()
    if fmt == "int8":
        scales = wide.abs().amax(1, keepdim=True).clamp_(min=1e-30) / 127.0
        return Quantized((wide / scales).round_().to(torch.int8), scales, None)
    if fmt != "int4":
        raise ValueError(f"no weight format {fmt!r}: only {', '.join(FORMATS)}")
    n, k = wide.shape
    groups = -(-k // GROUP)
    if k % GROUP:  # the last value again: it changes neither end of its group
        wide = torch.cat([wide, wide[:, -1:].expand(n, groups * GROUP - k)], dim=1)
    grouped = wide.view(n, groups, GROUP)
    low, high = grouped.aminmax(dim=2)
    scales = ((high - low) / 15.0).clamp_(min=1e-7).half().float()
    offsets = low.half().float()
    values = ((grouped - offsets[:, :, None]) / scales[:, :, None]).round_().clamp_(0, 15).to(torch.uint8)
    return Quantized(values.view(n, -1)[:, :k].contiguous(), scales, offsets)


def pack_quantized(weight: Tensor, fmt: str) -> PlainWeight:
    """Return the weight with the errors of the format, in its own type: right everywhere, and no smaller or faster."""
    return PlainWeight(quantize(weight, fmt).dequantized().to(weight.dtype))
