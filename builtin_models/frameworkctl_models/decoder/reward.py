"""The head of reward models: how good the text is up to each token."""

from __future__ import annotations

import dataclasses

import torch
from frameworkctl.interfaces.engine import ModelContext
from frameworkctl.layers import Activation, ReplicatedLinear
from torch import Tensor, nn


class RewardHead(nn.Module):
    """``score.2(relu(score.0(x)))``, in float32."""

    def __init__(self, ctx: ModelContext, hidden: int, labels: int) -> None:
        super().__init__()
        wide = dataclasses.replace(ctx, dtype=torch.float32)
        self.dense = ReplicatedLinear(wide, "score.0", hidden, hidden, bias=True)
        self.activation = Activation(wide, "relu")
        self.out = ReplicatedLinear(wide, "score.2", hidden, labels, bias=True)
        ctx.weights.ignore("lm_head.weight")

    def classify(self, pooled: Tensor) -> Tensor:
        """Return ``[n, hidden]`` -> ``[n, labels]``, both float32."""
        out: Tensor = self.out(self.activation(self.dense(pooled)))
        return out
