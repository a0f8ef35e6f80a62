"""Root-mean-square normalisation."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..interfaces.engine import ModelContext


class RMSNorm(nn.Module):
    """``x / sqrt(mean(x^2) + eps) * weight`` (Zhang and Sennrich 2019).

    ``plus_one``: the checkpoint stores weight - 1 and the product is taken in float32 (Gemma).
    """

    def __init__(self, ctx: ModelContext, name: str, size: int, eps: float, *, plus_one: bool = False) -> None:
        super().__init__()
        self.ops = ctx.ops("rms_norm", dtype=ctx.dtype, size=size)
        self.eps = eps
        self.plus_one = plus_one
        self.weight = torch.empty(size, dtype=torch.float32 if plus_one else ctx.dtype, device=ctx.device)
        ctx.weights.add(f"{name}.weight", self._take)

    def _take(self, tensor: Tensor) -> None:
        self.weight.copy_(tensor)
        if self.plus_one:
            self.weight.add_(1.0)

    def forward(self, x: Tensor) -> Tensor:
        """Over the last axis."""
        return self.ops.rms_norm(x, self.weight, self.eps, late_cast=self.plus_one)

    def add(self, x: Tensor, residual: Tensor) -> tuple[Tensor, Tensor]:
        """``(norm(x + residual), x + residual)``; ``residual`` may be overwritten."""
        return self.ops.add_rms_norm(x, residual, self.weight, self.eps, late_cast=self.plus_one)
