"""Linear layers over weights packed once for oneDNN, where that pays; plain torch elsewhere."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

# Below this size a call through oneDNN costs more than it saves (measured on 2 cores: 35 us a call against 5 us for a
# 64x64 weight, level at about 512x1024, half the time from 1024x1024 on).
MIN_PACKED_NUMEL = 1 << 19
PACK_FOR_ROWS = 16  # the row count oneDNN lays the weight out for; at 1 row its layout is slow for all other counts


class PlainWeight:
    """A weight as it is."""

    __slots__ = ("shape", "weight")

    def __init__(self, weight: Tensor) -> None:
        self.weight = weight
        self.shape = (weight.shape[0], weight.shape[1])

    def linear(self, x: Tensor, bias: Tensor | None) -> Tensor:
        return F.linear(x, self.weight, bias)


class OneDnnWeight:
    """A weight in oneDNN's own blocked layout."""

    __slots__ = ("packed", "shape")

    def __init__(self, weight: Tensor) -> None:
        self.shape = (weight.shape[0], weight.shape[1])
        self.packed = torch.ops.mkldnn._reorder_linear_weight(weight, PACK_FOR_ROWS)

    def linear(self, x: Tensor, bias: Tensor | None) -> Tensor:
        out: Tensor = torch.ops.mkldnn._linear_pointwise(x, self.packed, bias, "none", [], "")
        return out


def onednn_takes(dtype: torch.dtype) -> bool:
    """Return whether oneDNN multiplies this type on this processor."""
    if not torch._C._has_mkldnn:
        return False
    if dtype == torch.float32:
        return True
    if dtype == torch.bfloat16:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    if dtype == torch.float16:
        return bool(torch.ops.mkldnn._is_mkldnn_fp16_supported())
    return False


def pack(weight: Tensor) -> PlainWeight | OneDnnWeight:
    """Return ``weight [N, K]`` in the faster of the two forms."""
    if weight.device.type == "cpu" and weight.numel() >= MIN_PACKED_NUMEL and onednn_takes(weight.dtype):
        return OneDnnWeight(weight)
    return PlainWeight(weight.contiguous())
