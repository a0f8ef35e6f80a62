"""The classifier of an encoder: in float32, whatever the model computes in."""

from __future__ import annotations

import dataclasses

import torch
from frameworkctl.interfaces.engine import ModelContext
from frameworkctl.layers import Activation, LayerNorm, ReplicatedLinear
from torch import Tensor, nn

from .config import EncoderConfig, Head


class Classifier(nn.Module):
    """``out(norm(act(dense(x))))``, by the switches of a Head."""

    def __init__(self, config: EncoderConfig, head: Head, ctx: ModelContext, labels: int) -> None:
        super().__init__()
        hidden, wide = config.hidden_size, dataclasses.replace(ctx, dtype=torch.float32)
        self.dense: ReplicatedLinear | None = None
        self.norm: LayerNorm | None = None
        if head.dense is not None:
            self.dense = ReplicatedLinear(wide, head.dense, hidden, hidden, bias=head.dense_bias)
            self.activation = nn.Tanh() if head.activation == "tanh" else Activation(wide, head.activation)
        if head.norm is not None:
            self.norm = LayerNorm(wide, head.norm, hidden, config.norm_eps, bias=config.norm_bias)
        self.out = ReplicatedLinear(wide, head.out, hidden, labels, bias=True)

    def forward(self, pooled: Tensor) -> Tensor:
        """Return ``[n, hidden]`` -> ``[n, labels]`` float32."""
        x = pooled.float()
        if self.dense is not None:
            x = self.activation(self.dense(x))
        if self.norm is not None:
            x = self.norm(x)
        out: Tensor = self.out(x)
        return out
