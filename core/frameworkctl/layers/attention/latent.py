"""Multi-head latent attention: keys and values of all heads are kept as one small vector per token."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from frameworkctl.interfaces.engine import Batch, CacheLayer, ModelContext


class LatentAttention(nn.Module):
    """Attention over cached latents, with the projections to keys and values absorbed into query and output; causal.

    ``name`` is the checkpoint's projection from a latent of ``rank`` values to each head's ``nope`` numbers of key and
    ``value`` numbers of value. The key's ``rope`` numbers are shared by all heads. Per head ``q . (W_k c) = (W_k^T q) .
    c``, so that only latent and shared key are cached (DeepSeek-V2, 2024, section 2.1). Heads are split over ranks.
    """

    def __init__(
        self, ctx: ModelContext, name: str, heads: int, *, rank: int, nope: int, rope: int, value: int, scale: float
    ) -> None:
        super().__init__()
        if heads % ctx.world.size:
            raise ValueError(f"{heads} attention heads cannot be split over {ctx.world.size} ranks")
        self.ctx = ctx
        self.heads, self.rank, self.nope, self.value, self.scale = heads // ctx.world.size, rank, nope, value, scale
        self.dim = rank + rope
        self.cache_layer = CacheLayer("latent", 1, self.dim)
        self.ops = ctx.ops("latent_attention", dtype=ctx.dtype, heads=self.heads, dim=self.dim, value_dim=rank)
        self.to_query = torch.empty(self.heads, nope, rank, dtype=ctx.dtype, device=ctx.device)
        self.to_value = torch.empty(self.heads, rank, value, dtype=ctx.dtype, device=ctx.device)
        ctx.weights.add(f"{name}.weight", self._take)
        self.cache: Any = None
        self.group = -1

    def _take(self, tensor: Tensor) -> None:
        per_head = tensor.reshape(-1, self.nope + self.value, self.rank)
        own = per_head.narrow(0, self.ctx.world.rank * self.heads, self.heads)
        self.to_query.copy_(own[:, : self.nope])
        self.to_value.copy_(own[:, self.nope :].transpose(1, 2))

    def bind(self, pages: Tensor, group: int, block_size: int) -> None:
        """Bind ``pages [P, bytes]`` uint8 to this layer."""
        self.group = group
        self.cache = self.ops.view_latent_cache(pages, block_size=block_size, dim=self.dim, dtype=self.ctx.dtype)

    def forward(self, q_nope: Tensor, q_rope: Tensor, latent: Tensor, k_rope: Tensor, batch: Batch) -> Tensor:
        """Return ``q_nope [T, H, nope]``, ``q_rope [T, H, rope]``, ``latent [T, rank]``, ``k_rope [T, rope]`` -> ``[T,
        H * value]``; position is already in the ``rope`` parts."""
        self.ops.write_latent(torch.cat([latent, k_rope], dim=-1), self.cache, batch.groups[self.group])
        absorbed = torch.bmm(q_nope.transpose(0, 1), self.to_query).transpose(0, 1)
        query = torch.cat([absorbed, q_rope], dim=-1)
        mixed = query.new_empty(query.shape[0], self.heads, self.rank)
        self.ops.latent_attention(query, self.cache, self.group, mixed, scale=self.scale)
        return torch.bmm(mixed.transpose(0, 1), self.to_value).transpose(0, 1).flatten(1)
