"""Jamba's layers (Lieber et al. 2024): a mixer, Mamba or attention without positions, and a feed-forward part."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from frameworkctl.interfaces.engine import Batch, Model, ModelContext
from frameworkctl.layers import (
    Attention,
    Experts,
    GatedMLP,
    Head,
    MambaMixer,
    QKVLinear,
    ReplicatedLinear,
    RMSNorm,
    RowLinear,
    VocabEmbedding,
    top_k_softmax,
)
from torch import Tensor, nn

from .config import JambaConfig, jamba_config


class SelfAttention(nn.Module):
    """Projections and paged attention; order comes from the Mamba layers around it."""

    def __init__(self, config: JambaConfig, ctx: ModelContext, name: str) -> None:
        super().__init__()
        c, d = config, config.head_dim
        names = (f"{name}.q_proj", f"{name}.k_proj", f"{name}.v_proj")
        self.qkv = QKVLinear(ctx, names, c.hidden_size, c.heads, c.kv_heads, d)
        self.output = RowLinear(ctx, f"{name}.o_proj", c.heads * d, c.hidden_size)
        self.sizes = [self.qkv.heads, self.qkv.kv_heads, self.qkv.kv_heads]
        self.attention = Attention(ctx, self.qkv.heads, self.qkv.kv_heads, d, scale=d**-0.5)

    def forward(self, x: Tensor, batch: Batch) -> Tensor:
        """Return ``[T, hidden]`` -> ``[T, hidden]``."""
        heads = self.qkv(x).view(x.shape[0], sum(self.sizes), -1)
        q, k, v = heads.split(self.sizes, dim=1)
        out: Tensor = self.output(self.attention(q, k, v, batch))
        return out


class SparseMLP(nn.Module):
    """Each token's likeliest experts, weighted with their probabilities among all: these do not sum to one."""

    def __init__(self, config: JambaConfig, ctx: ModelContext, name: str, experts: int) -> None:
        super().__init__()
        each = f"{name}.experts.{{}}"
        names = (f"{each}.gate_proj.weight", f"{each}.up_proj.weight", f"{each}.down_proj.weight")
        self.router = ReplicatedLinear(ctx, f"{name}.router", config.hidden_size, experts)
        self.experts = Experts(
            ctx, names, experts=experts, hidden=config.hidden_size, inner=config.intermediate_size, activation="silu"
        )
        self.count = config.experts_per_token

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[T, hidden]`` -> ``[T, hidden]``."""
        weights, ids = top_k_softmax(self.router(x), self.count, renormalise=False)
        out: Tensor = self.experts(x, weights, ids)
        return out


class Layer(nn.Module):
    """One block. The residual stream travels beside the block outputs, so that an add and a norm are one operation."""

    def __init__(self, config: JambaConfig, ctx: ModelContext, number: int) -> None:
        super().__init__()
        c, name = config, f"model.layers.{number}"
        self.before_mixer = RMSNorm(ctx, f"{name}.input_layernorm", c.hidden_size, c.norm_eps)
        self.mixer: SelfAttention | MambaMixer
        if c.attention[number]:
            self.mixer = SelfAttention(c, ctx, f"{name}.self_attn")
        else:
            self.mixer = MambaMixer(
                ctx,
                f"{name}.mamba",
                c.hidden_size,
                c.inner,
                state=c.state,
                width=c.conv_width,
                dt_rank=c.dt_rank,
                conv_bias=c.conv_bias,
                bias=c.mixer_bias,
                norm_eps=c.norm_eps,
            )
        self.before_mlp = RMSNorm(ctx, f"{name}.pre_ff_layernorm", c.hidden_size, c.norm_eps)
        experts, part = c.experts[number], f"{name}.feed_forward"
        self.mlp: SparseMLP | GatedMLP
        if experts > 1:
            self.mlp = SparseMLP(c, ctx, part, experts)
        else:
            self.mlp = GatedMLP(ctx, part, c.hidden_size, c.intermediate_size)

    def forward(self, x: Tensor, residual: Tensor | None, batch: Batch) -> tuple[Tensor, Tensor]:
        """Run the block. ``x`` is the last block's output and not yet in ``residual``; both are ``[T, hidden]``."""
        x, residual = self.before_mixer.add(x, residual)
        x, residual = self.before_mlp.add(self.mixer(x, batch), residual)
        return self.mlp(x), residual


class Jamba(Model):
    """Embedding, layers of both kinds, head."""

    takes_embeds = True

    def __init__(self, config: Mapping[str, Any], ctx: ModelContext) -> None:
        super().__init__(config, ctx)
        c = jamba_config(config)
        self.embedding = VocabEmbedding(ctx, "model.embed_tokens", c.vocab_size, c.hidden_size)
        self.layers = nn.ModuleList(Layer(c, ctx, number) for number in range(len(c.attention)))
        self.norm = RMSNorm(ctx, "model.final_layernorm", c.hidden_size, c.norm_eps)
        self.head = Head(ctx, "lm_head", self.embedding, c.hidden_size, tied=c.tied)

    def forward(self, batch: Batch) -> Tensor:
        x, residual = self.embedding.of(batch), None
        for layer in self.layers:
            x, residual = layer(x, residual, batch)
        return self.norm.add(x, residual)[0]

    def logits(self, hidden: Tensor) -> Tensor:
        out: Tensor = self.head(hidden)
        return out

    def classify(self, pooled: Tensor) -> Tensor:
        return self.head.classify(pooled)
