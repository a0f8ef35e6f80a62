"""Attention within a step's sequences, both ways and without a cache: what encoders are built of."""

from __future__ import annotations

import torch
from torch import Tensor

from frameworkctl.interfaces.engine import ModelContext
from frameworkctl.layers.direct import DirectModule


class BidirectionalAttention(DirectModule):
    """Every token sees all tokens of its sequence that are in the step; with ``window`` w those at most w away.

    ``heads`` and ``kv_heads`` are those of this rank. A sequence has to come whole in one step.
    """

    def __init__(
        self,
        ctx: ModelContext,
        heads: int,
        kv_heads: int,
        head_dim: int,
        scale: float,
        window: int | None = None,
        *,
        softcap: float | None = None,
        biased: bool = False,
    ) -> None:
        super().__init__()
        self.scale, self.window, self.softcap = scale, window, softcap
        self.ops = ctx.ops(
            "varlen_attention",
            dtype=ctx.dtype,
            heads=heads,
            kv_heads=kv_heads,
            head_dim=head_dim,
            window=window,
            softcap=softcap,
            biased=biased,
        )

    def forward(self, q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None = None) -> Tensor:
        """Return ``q [T, H, D]``, ``k`` and ``v [T, K, D]`` -> ``[T, H * D]``; ``bias`` is what ``biased`` promised."""
        out = torch.empty(q.shape, dtype=q.dtype, device=q.device)
        self.ops.varlen_attention(q, k, v, out, scale=self.scale, window=self.window, softcap=self.softcap, bias=bias)
        return out.view(out.shape[0], -1)
