"""Self-attention of a decoder, by the switches of its config."""

from __future__ import annotations

import torch
from frameworkctl.interfaces.engine import Batch, ModelContext
from frameworkctl.layers import Attention, BidirectionalAttention, QKVLinear, RMSNorm, RowLinear
from torch import Tensor, nn

from .config import DecoderConfig
from .norms import make_head_norm, whole_model_only


class SelfAttention(nn.Module):
    """Projections, optional norms of queries and keys, rotary embedding, paged attention."""

    def __init__(self, config: DecoderConfig, ctx: ModelContext, name: str, layer: int) -> None:
        super().__init__()
        c, d, names = config, config.head_dim, config.names
        q, k, v = (f"{name}.{part}" for part in names.qkv)
        self.config = config
        self.qkv = QKVLinear(ctx, (q, k, v), c.hidden_size, c.heads, c.kv_heads, d, bias=c.qkv_bias)
        self.output = RowLinear(ctx, f"{name}.{names.output}", c.heads * d, c.hidden_size, bias=c.output_bias)
        self.heads, self.kv_heads, self.head_dim = self.qkv.heads, self.qkv.kv_heads, d
        sizes, window = (self.heads, self.kv_heads, d), c.windows[layer]
        self.attention: Attention | BidirectionalAttention
        if c.bidirectional:
            reach = None if window is None else window - 1
            self.attention = BidirectionalAttention(
                ctx, *sizes, scale=c.attention_scale, window=reach, softcap=c.attention_softcap
            )
        else:
            self.attention = Attention(ctx, *sizes, scale=c.attention_scale, window=window, softcap=c.attention_softcap)
        self.rotary_ops = ctx.ops("rotary", dtype=ctx.dtype, head_dim=d, interleaved=c.rope_interleaved)
        self.rope = c.layer_ropes[layer]
        self.q_norm = make_head_norm(c, ctx, f"{name}.{names.q_norm}", self.heads)
        self.k_norm = make_head_norm(c, ctx, f"{name}.{names.k_norm}", self.kv_heads)
        self.output_norm: RMSNorm | None = None
        if c.block_norms:
            whole_model_only(ctx, name)
            self.output_norm = RMSNorm(ctx, f"{name}.attn_sub_norm", c.heads * d, c.norm_eps)

    def _normed(self, rotated: Tensor) -> Tensor:
        """Queries and keys ``[T, H + K, D]``, each by its norm."""
        if self.q_norm is None or self.k_norm is None:
            return rotated
        q, k = rotated[:, : self.heads], rotated[:, self.heads :]
        if self.config.qk_norm == "full":
            tokens = q.shape[0]
            return torch.cat(
                [
                    self.q_norm(q.reshape(tokens, -1)).view(tokens, -1, self.head_dim),
                    self.k_norm(k.reshape(tokens, -1)).view(tokens, -1, self.head_dim),
                ],
                dim=1,
            )
        return torch.cat([self.q_norm(q), self.k_norm(k)], dim=1)

    def forward(self, x: Tensor, tables: list[Tensor], query_scale: Tensor | None, batch: Batch) -> Tensor:
        """``[T, hidden]`` -> ``[T, hidden]``; ``tables`` are the ropes' rows of these tokens, ``query_scale [T]``."""
        heads = self.qkv(x).view(x.shape[0], -1, self.head_dim)  # queries, keys, values
        rotated = heads[:, : self.heads + self.kv_heads]
        late = self.config.qk_norm_after_rope
        if not late:
            rotated = self._normed(rotated)
        values = heads[:, self.heads + self.kv_heads :]
        if (clip := self.config.qkv_clip) is not None:
            rotated, values = rotated.clamp_(-clip, clip), values.clamp_(-clip, clip)
        if self.rope is not None:
            self.rotary_ops.rotary(rotated, tables[self.rope], interleaved=self.config.rope_interleaved)
        if late:
            rotated = self._normed(rotated)
        q, k = rotated[:, : self.heads], rotated[:, self.heads :]
        if query_scale is not None:
            q = q * query_scale[:, None, None]
        if isinstance(self.attention, BidirectionalAttention):
            attended = self.attention(q, k, values)
        else:
            attended = self.attention(q, k, values, batch)
        if self.output_norm is not None:
            attended = self.output_norm(attended)
        out: Tensor = self.output(attended)
        return out
