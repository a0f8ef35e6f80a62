"""Plain activations in torch."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def activated(x: Tensor, kind: str) -> Tensor:
    """See the protocol. Raises ValueError for a kind that needs a gate."""
    if kind == "silu":
        return F.silu(x)
    if kind in ("gelu", "gelu_tanh"):
        return F.gelu(x, approximate="tanh" if kind == "gelu_tanh" else "none")
    if kind not in ("relu", "relu2"):
        raise ValueError(f"there is no activation {kind!r} without a gate")
    positive = F.relu(x)
    return positive.square() if kind == "relu2" else positive
