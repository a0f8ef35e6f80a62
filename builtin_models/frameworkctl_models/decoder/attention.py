"""Self-attention of a decoder, by the switches of its config."""

from __future__ import annotations

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
        self.rope = c.layer_ropes[layer]
        between = c.qk_norm_after_rope or c.query_scale is not None  # the rotation and the attention
        self.rotates_late = self.rope is not None and not c.bidirectional and not between
        self.attention: Attention | BidirectionalAttention
        if c.bidirectional:
            reach = None if window is None else window - 1
            self.attention = BidirectionalAttention(
                ctx, *sizes, scale=c.attention_scale, window=reach, softcap=c.attention_softcap
            )
        else:
            self.attention = Attention(
                ctx,
                *sizes,
                scale=c.attention_scale,
                window=window,
                softcap=c.attention_softcap,
                rotary=self.rotates_late,
                interleaved=c.rope_interleaved,
            )
        self.rotary_ops = ctx.ops("rotary", dtype=ctx.dtype, head_dim=d, interleaved=c.rope_interleaved)
        self.q_norm = make_head_norm(c, ctx, f"{name}.{names.q_norm}", self.heads)
        self.k_norm = make_head_norm(c, ctx, f"{name}.{names.k_norm}", self.kv_heads)
        self.output_norm: RMSNorm | None = None
        if c.block_norms:
            whole_model_only(ctx, name)
            self.output_norm = RMSNorm(ctx, f"{name}.attn_sub_norm", c.heads * d, c.norm_eps)

    def _normed(self, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        """Queries ``[T, H, D]`` and keys ``[T, K, D]``, each by its norm."""
        if self.q_norm is None or self.k_norm is None:
            return q, k
        if self.config.qk_norm == "full":
            return self.q_norm(q.flatten(1)).view(q.shape), self.k_norm(k.flatten(1)).view(k.shape)
        return self.q_norm(q), self.k_norm(k)

    def forward(self, x: Tensor, tables: list[Tensor], query_scale: Tensor | None, batch: Batch) -> Tensor:
        """Return ``[T, hidden]`` -> ``[T, hidden]``; ``tables`` are the ropes' rows of these tokens, ``query_scale
        [T]``.
        """
        c, heads = self.config, self.qkv(x).view(x.shape[0], -1, self.head_dim)
        q, k, v = heads.split_with_sizes((self.heads, self.kv_heads, self.kv_heads), 1)
        if not c.qk_norm_after_rope:
            q, k = self._normed(q, k)
        if (clip := c.qkv_clip) is not None:
            q, k, v = (part.clamp_(-clip, clip) for part in (q, k, v))
        table = None if self.rope is None else tables[self.rope]
        if table is not None and not self.rotates_late:
            self.rotary_ops.rotary(q, table, interleaved=c.rope_interleaved)
            self.rotary_ops.rotary(k, table, interleaved=c.rope_interleaved)
            table = None
        if c.qk_norm_after_rope:
            q, k = self._normed(q, k)
        if query_scale is not None:
            q = q * query_scale[:, None, None]
        if isinstance(self.attention, BidirectionalAttention):
            attended = self.attention(q, k, v)
        else:
            attended = self.attention(q, k, v, batch, table)
        if self.output_norm is not None:
            attended = self.output_norm(attended)
        out: Tensor = self.output(attended)
        return out
