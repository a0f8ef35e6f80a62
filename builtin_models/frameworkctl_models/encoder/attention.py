"""Self-attention of an encoder, by the switches of its config."""

from __future__ import annotations

from frameworkctl.interfaces.engine import ModelContext
from frameworkctl.layers import BidirectionalAttention, QKVLinear, RowLinear
from torch import Tensor, nn

from .config import EncoderConfig


class SelfAttention(nn.Module):
    """Projections, rotary embedding where there is one, attention over the whole text."""

    def __init__(self, config: EncoderConfig, ctx: ModelContext, name: str, layer: int) -> None:
        super().__init__()
        c, d, bias = config, config.head_dim, config.attention_bias
        q, k, v = (f"{name}.{part}" for part in c.names.qkv)
        self.qkv = QKVLinear(ctx, (q, k, v), c.hidden_size, c.heads, c.heads, d, bias=bias)
        self.output = RowLinear(ctx, f"{name}.{c.names.output}", c.hidden_size, c.hidden_size, bias=bias)
        self.heads, self.head_dim = self.qkv.heads, d
        self.attention = BidirectionalAttention(
            ctx, self.heads, self.heads, d, d**-0.5, c.windows[layer], biased=c.buckets is not None
        )
        self.rope = c.layer_ropes[layer]
        self.rotary_ops = ctx.ops("rotary", dtype=ctx.dtype, head_dim=d, interleaved=False)

    def forward(self, x: Tensor, tables: list[Tensor], bias: Tensor | None) -> Tensor:
        """Return ``[T, hidden]`` -> ``[T, hidden]``; ``tables`` are the ropes' rows of these tokens."""
        heads = self.qkv(x).view(x.shape[0], -1, self.head_dim)  # queries, keys, values
        if self.rope is not None:
            self.rotary_ops.rotary(heads[:, : 2 * self.heads], tables[self.rope])
        q, k, v = heads.split(self.heads, dim=1)
        out: Tensor = self.output(self.attention(q, k, v, bias))
        return out
