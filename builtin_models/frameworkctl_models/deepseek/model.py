"""DeepSeek-V2 and V3: a decoder with latent attention and, in most layers, experts beside a shared MLP."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from frameworkctl.interfaces.engine import Batch, LoadReport, Model, ModelContext
from frameworkctl.layers import (
    ColumnLinear,
    Experts,
    GatedMLP,
    Head,
    LatentAttention,
    ReplicatedLinear,
    RMSNorm,
    RotaryTable,
    RowLinear,
    VocabEmbedding,
    yarn_mscale,
)
from torch import Tensor, nn

from .config import DeepseekConfig, deepseek_config
from .routing import Router

BOTTLENECK_EPS = 1e-6  # as published, whatever rms_norm_eps says


def attention_scale(config: DeepseekConfig) -> float:
    """Return ``D^-0.5``, times the square of yarn's sharpening where the checkpoint asks for it by
    ``mscale_all_dim``.
    """
    scale: float = (config.nope_dim + config.rope_dim) ** -0.5
    everywhere = config.rope.get("mscale_all_dim")
    if config.rope["rope_type"] != "default" and everywhere:
        scale *= yarn_mscale(float(config.rope["factor"]), float(everywhere)) ** 2
    return scale


class SelfAttention(nn.Module):
    """Queries through a bottleneck or directly; keys and values as one latent and one rotated key per token."""

    def __init__(self, config: DeepseekConfig, ctx: ModelContext, name: str) -> None:
        super().__init__()
        c, bias = config, config.attention_bias
        width = c.nope_dim + c.rope_dim
        self.bottleneck, self.bottleneck_norm = None, None
        if c.query_rank is None:
            self.query = ColumnLinear(ctx, f"{name}.q_proj", c.hidden_size, c.heads * width)
        else:
            self.bottleneck = ReplicatedLinear(ctx, f"{name}.q_a_proj", c.hidden_size, c.query_rank, bias=bias)
            self.bottleneck_norm = RMSNorm(ctx, f"{name}.q_a_layernorm", c.query_rank, BOTTLENECK_EPS)
            self.query = ColumnLinear(ctx, f"{name}.q_b_proj", c.query_rank, c.heads * width)
        self.latent = ReplicatedLinear(
            ctx, f"{name}.kv_a_proj_with_mqa", c.hidden_size, c.latent_rank + c.rope_dim, bias=bias
        )
        self.latent_norm = RMSNorm(ctx, f"{name}.kv_a_layernorm", c.latent_rank, BOTTLENECK_EPS)
        self.attention = LatentAttention(
            ctx,
            f"{name}.kv_b_proj",
            c.heads,
            rank=c.latent_rank,
            nope=c.nope_dim,
            rope=c.rope_dim,
            value=c.value_dim,
            scale=attention_scale(c),
        )
        self.output = RowLinear(ctx, f"{name}.o_proj", c.heads * c.value_dim, c.hidden_size, bias=bias)
        self.rotary_ops = ctx.ops("rotary", dtype=ctx.dtype, head_dim=c.rope_dim, interleaved=c.rope_interleaved)
        self.widths, self.latent_widths = (c.nope_dim, c.rope_dim), (c.latent_rank, c.rope_dim)
        self.interleaved = c.rope_interleaved

    def forward(self, x: Tensor, cos_sin: Tensor, batch: Batch) -> Tensor:
        """Return ``[T, hidden]`` -> ``[T, hidden]``."""
        narrow = x
        if self.bottleneck is not None and self.bottleneck_norm is not None:
            narrow = self.bottleneck_norm(self.bottleneck(x))
        queries = self.query(narrow).view(x.shape[0], -1, sum(self.widths))
        q_nope, q_rope = queries.split(self.widths, dim=-1)
        latent, k_rope = self.latent(x).split(self.latent_widths, dim=-1)
        rotated = torch.cat([q_rope, k_rope[:, None]], dim=1)  # the shared key as one more head
        self.rotary_ops.rotary(rotated, cos_sin, interleaved=self.interleaved)
        mixed = self.attention(q_nope, rotated[:, :-1], self.latent_norm(latent), rotated[:, -1], batch)
        out: Tensor = self.output(mixed)
        return out


def make_mlp(config: DeepseekConfig, ctx: ModelContext, name: str, inner: int) -> GatedMLP:
    return GatedMLP(ctx, name, config.hidden_size, inner, activation=config.activation, bias=config.mlp_bias)


class SparseMLP(nn.Module):
    """A token's experts, weighted, and the shared MLP, which every token passes through."""

    def __init__(self, config: DeepseekConfig, ctx: ModelContext, name: str) -> None:
        super().__init__()
        c, each = config, f"{name}.experts.{{}}"
        self.router = Router(ctx, f"{name}.gate", c.hidden_size, c.routing)
        self.experts = Experts(
            ctx,
            (f"{each}.gate_proj.weight", f"{each}.up_proj.weight", f"{each}.down_proj.weight"),
            experts=c.routing.experts,
            hidden=c.hidden_size,
            inner=c.expert_size,
            activation=c.activation,
        )
        self.shared = make_mlp(c, ctx, f"{name}.shared_experts", c.shared_size) if c.shared_size else None

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[T, hidden]`` -> ``[T, hidden]``."""
        out: Tensor = self.experts(x, *self.router(x))
        return out if self.shared is None else out.add_(self.shared(x))


class Layer(nn.Module):
    """One block. The residual stream travels beside the block outputs, so that an add and a norm are one operation."""

    def __init__(self, config: DeepseekConfig, ctx: ModelContext, name: str, sparse: bool) -> None:
        super().__init__()
        c = config
        self.attention = SelfAttention(c, ctx, f"{name}.self_attn")
        mlp = f"{name}.mlp"
        self.mlp = SparseMLP(c, ctx, mlp) if sparse else make_mlp(c, ctx, mlp, c.intermediate_size)
        self.before_attention = RMSNorm(ctx, f"{name}.input_layernorm", c.hidden_size, c.norm_eps)
        self.before_mlp = RMSNorm(ctx, f"{name}.post_attention_layernorm", c.hidden_size, c.norm_eps)

    def forward(self, x: Tensor, residual: Tensor | None, cos_sin: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Run the block. ``x`` is the last block's output and not yet in ``residual``; both are ``[T, hidden]``."""
        x, residual = self.before_attention.add(x, residual)
        x, residual = self.before_mlp.add(self.attention(x, cos_sin, batch), residual)
        return self.mlp(x), residual


class Deepseek(Model):
    """Either version; what differs comes from DeepseekConfig."""

    takes_embeds = True
    replayable = True

    def __init__(self, config: Mapping[str, Any], ctx: ModelContext) -> None:
        super().__init__(config, ctx)
        c = self.config = deepseek_config(config)
        self.embedding = VocabEmbedding(ctx, "model.embed_tokens", c.vocab_size, c.hidden_size)
        self.layers = nn.ModuleList(Layer(c, ctx, f"model.layers.{i}", sparse) for i, sparse in enumerate(c.sparse))
        self.norm = RMSNorm(ctx, "model.norm", c.hidden_size, c.norm_eps)
        self.head = Head(ctx, "lm_head", self.embedding, c.hidden_size, tied=c.tied)
        self.rotary = RotaryTable(ctx, c.rope, c.rope_dim, c.max_positions)

    def load_weights(self, weights: Iterable[tuple[str, Tensor]]) -> LoadReport:
        """Return all but the layers behind the last one, which draft several tokens at once."""
        first = self.config.num_layers
        extra = tuple(f"model.layers.{i}." for i in range(first, first + self.config.extra_layers))
        return super().load_weights((name, tensor) for name, tensor in weights if not name.startswith(extra))

    def forward(self, batch: Batch) -> Tensor:
        x = self.embedding.of(batch)
        cos_sin = self.rotary.at(batch.positions)
        residual: Tensor | None = None
        for layer in self.layers:
            x, residual = layer(x, residual, cos_sin, batch)
        return self.norm.add(x, residual)[0]

    def logits(self, hidden: Tensor) -> Tensor:
        out: Tensor = self.head(hidden)
        return out

    def classify(self, pooled: Tensor) -> Tensor:
        return self.head.classify(pooled)
