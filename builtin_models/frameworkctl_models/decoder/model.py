"""The decoder: embedding, layers of attention and gated MLP, head; what differs comes from DecoderConfig."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from frameworkctl.interfaces.engine import Batch, Model, ModelContext
from frameworkctl.layers import (
    Attention,
    GatedActivation,
    GateUpLinear,
    Head,
    QKVLinear,
    RMSNorm,
    RotaryTable,
    RowLinear,
    VocabEmbedding,
)
from torch import Tensor, nn

from .config import DecoderConfig, decoder_config


class SelfAttention(nn.Module):
    """Projections, optional norm per head, rotary embedding, paged attention."""

    def __init__(self, config: DecoderConfig, ctx: ModelContext, name: str, window: int | None) -> None:
        super().__init__()
        c, d = config, config.head_dim
        names = (f"{name}.q_proj", f"{name}.k_proj", f"{name}.v_proj")
        self.qkv = QKVLinear(ctx, names, c.hidden_size, c.heads, c.kv_heads, d, bias=c.qkv_bias)
        self.output = RowLinear(ctx, f"{name}.o_proj", c.heads * d, c.hidden_size, bias=c.output_bias)
        self.heads, self.kv_heads, self.head_dim = self.qkv.heads, self.qkv.kv_heads, d
        self.attention = Attention(
            ctx, self.heads, self.kv_heads, d, scale=c.attention_scale, window=window, softcap=c.attention_softcap
        )
        self.rotary_ops = ctx.ops("rotary", dtype=ctx.dtype, head_dim=d)
        self.q_norm = RMSNorm(ctx, f"{name}.q_norm", d, c.norm_eps) if c.qk_norm else None
        self.k_norm = RMSNorm(ctx, f"{name}.k_norm", d, c.norm_eps) if c.qk_norm else None

    def forward(self, x: Tensor, cos_sin: Tensor, batch: Batch) -> Tensor:
        """``[T, hidden]`` -> ``[T, hidden]``."""
        heads = self.qkv(x).view(x.shape[0], -1, self.head_dim)  # queries, keys, values
        rotated = heads[:, : self.heads + self.kv_heads]
        if self.q_norm is not None and self.k_norm is not None:
            q, k = rotated.split([self.heads, self.kv_heads], dim=1)
            rotated = torch.cat([self.q_norm(q), self.k_norm(k)], dim=1)
        self.rotary_ops.rotary(rotated, cos_sin)
        q, k = rotated.split([self.heads, self.kv_heads], dim=1)
        out: Tensor = self.output(self.attention(q, k, heads[:, self.heads + self.kv_heads :], batch))
        return out


class MLP(nn.Module):
    """``down(act(gate(x)) * up(x))``."""

    def __init__(self, config: DecoderConfig, ctx: ModelContext, name: str) -> None:
        super().__init__()
        hidden, inner, bias = config.hidden_size, config.intermediate_size, config.mlp_bias
        self.gate_up = GateUpLinear(ctx, f"{name}.gate_proj", f"{name}.up_proj", hidden, inner, bias=bias)
        self.activation = GatedActivation(ctx, config.activation)
        self.down = RowLinear(ctx, f"{name}.down_proj", inner, hidden, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """``[T, hidden]`` -> ``[T, hidden]``."""
        out: Tensor = self.down(self.activation(self.gate_up(x)))
        return out


class Layer(nn.Module):
    """One block. The residual stream travels beside the block outputs, so that an add and a norm are one operation."""

    def __init__(self, config: DecoderConfig, ctx: ModelContext, name: str, window: int | None) -> None:
        super().__init__()

        def norm(part: str) -> RMSNorm:
            return RMSNorm(ctx, f"{name}.{part}", config.hidden_size, config.norm_eps, plus_one=config.norm_plus_one)

        self.attention = SelfAttention(config, ctx, f"{name}.self_attn", window)
        self.mlp = MLP(config, ctx, f"{name}.mlp")
        self.before_attention = norm("input_layernorm")
        self.after_attention = norm("post_attention_layernorm") if config.sandwich else None
        self.before_mlp = norm("pre_feedforward_layernorm" if config.sandwich else "post_attention_layernorm")
        self.after_mlp = norm("post_feedforward_layernorm") if config.sandwich else None

    def forward(self, x: Tensor, residual: Tensor | None, cos_sin: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """``x`` is the last block's output and not yet in ``residual``; both ``[T, hidden]``."""
        if residual is None:
            x, residual = self.before_attention(x), x
        else:
            x, residual = self.before_attention.add(x, residual)
        x = self.attention(x, cos_sin, batch)
        if self.after_attention is not None:
            x = self.after_attention(x)
        x, residual = self.before_mlp.add(x, residual)
        x = self.mlp(x)
        if self.after_mlp is not None:
            x = self.after_mlp(x)
        return x, residual


class Decoder(Model):
    """Llama and every family that differs from it by a switch of DecoderConfig."""

    def __init__(self, config: Mapping[str, Any], ctx: ModelContext) -> None:
        super().__init__(config, ctx)
        c = self.config = decoder_config(config)
        self.embedding = VocabEmbedding(ctx, "model.embed_tokens", c.vocab_size, c.hidden_size)
        self.layers = nn.ModuleList(Layer(c, ctx, f"model.layers.{i}", window) for i, window in enumerate(c.windows))
        self.norm = RMSNorm(ctx, "model.norm", c.hidden_size, c.norm_eps, plus_one=c.norm_plus_one)
        self.head = Head(ctx, "lm_head", self.embedding, c.hidden_size, tied=c.tied)
        self.rotary = RotaryTable(ctx, c.rope, c.head_dim, c.max_positions)
        # Gemma rounds its factor to the weights' type before it multiplies.
        scale = c.embedding_scale
        self.embedding_scale = None if scale is None else torch.tensor(scale, dtype=ctx.dtype, device=ctx.device)

    def forward(self, batch: Batch) -> Tensor:
        x = self.embedding(batch.input_ids)
        if self.embedding_scale is not None:
            x = x * self.embedding_scale
        cos_sin = self.rotary.at(batch.positions)
        residual: Tensor | None = None
        for layer in self.layers:
            x, residual = layer(x, residual, cos_sin, batch)
        return self.norm(x) if residual is None else self.norm.add(x, residual)[0]

    def logits(self, hidden: Tensor) -> Tensor:
        logits = self.head(hidden)
        cap = self.config.final_softcap
        return logits if cap is None else torch.tanh(logits / cap) * cap
