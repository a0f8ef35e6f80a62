"""gpt-oss: a decoder with attention sinks, windows in every second layer, and experts with clamped gates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from frameworkctl.interfaces.engine import Batch, LoadReport, Model, ModelContext
from frameworkctl.layers import (
    Attention,
    Experts,
    Head,
    QKVLinear,
    ReplicatedLinear,
    RMSNorm,
    RotaryTable,
    RowLinear,
    VocabEmbedding,
    top_k_softmax,
)
from torch import Tensor, nn

from .config import GptOssConfig, gpt_oss_config
from .weights import expert_layout


class SelfAttention(nn.Module):
    """Projections with biases, rotary embedding, paged attention with a sink per head."""

    def __init__(self, config: GptOssConfig, ctx: ModelContext, name: str, window: int | None) -> None:
        super().__init__()
        c, d = config, config.head_dim
        names = (f"{name}.q_proj", f"{name}.k_proj", f"{name}.v_proj")
        self.qkv = QKVLinear(ctx, names, c.hidden_size, c.heads, c.kv_heads, d, bias=c.bias)
        self.output = RowLinear(ctx, f"{name}.o_proj", c.heads * d, c.hidden_size, bias=c.bias)
        self.heads, self.kv_heads, self.head_dim = self.qkv.heads, self.qkv.kv_heads, d
        self.attention = Attention(
            ctx, self.heads, self.kv_heads, d, scale=d**-0.5, window=window, sinks=f"{name}.sinks", rotary=True
        )

    def forward(self, x: Tensor, cos_sin: Tensor, batch: Batch) -> Tensor:
        """Return ``[T, hidden]`` -> ``[T, hidden]``."""
        heads = self.qkv(x).view(x.shape[0], -1, self.head_dim)
        q, k, v = heads.split_with_sizes((self.heads, self.kv_heads, self.kv_heads), 1)
        out: Tensor = self.output(self.attention(q, k, v, batch, cos_sin))
        return out


class SparseMLP(nn.Module):
    """The best experts of each token, weighted by a softmax over these."""

    def __init__(self, config: GptOssConfig, ctx: ModelContext, name: str) -> None:
        super().__init__()
        c = config
        self.per_token = c.experts_per_token
        self.router = ReplicatedLinear(ctx, f"{name}.router", c.hidden_size, c.experts, bias=True)
        gate_up, down = f"{name}.experts.gate_up_proj", f"{name}.experts.down_proj"
        self.experts = Experts(
            ctx,
            (gate_up, gate_up, down),
            biases=(f"{gate_up}_bias", f"{gate_up}_bias", f"{down}_bias"),
            experts=c.experts,
            hidden=c.hidden_size,
            inner=c.expert_size,
            activation="swiglu_oai",
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[T, hidden]`` -> ``[T, hidden]``."""
        out: Tensor = self.experts(x, *top_k_softmax(self.router(x), self.per_token, renormalise=True))
        return out


class Layer(nn.Module):
    """One block. The residual stream travels beside the block outputs, so that an add and a norm are one operation."""

    def __init__(self, config: GptOssConfig, ctx: ModelContext, name: str, window: int | None) -> None:
        super().__init__()

        def norm(part: str) -> RMSNorm:
            return RMSNorm(ctx, f"{name}.{part}", config.hidden_size, config.norm_eps, late_cast=True)

        self.attention = SelfAttention(config, ctx, f"{name}.self_attn", window)
        self.mlp = SparseMLP(config, ctx, f"{name}.mlp")
        self.before_attention = norm("input_layernorm")
        self.before_mlp = norm("post_attention_layernorm")

    def forward(self, x: Tensor, residual: Tensor | None, cos_sin: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Run the block. ``x`` is the last block's output and not yet in ``residual``; both are ``[T, hidden]``."""
        x, residual = self.before_attention.add(x, residual)
        x, residual = self.before_mlp.add(self.attention(x, cos_sin, batch), residual)
        return self.mlp(x), residual


class GptOss(Model):
    """The whole model; takes MXFP4 checkpoints and plain ones."""

    takes_embeds = True
    replayable = True

    def __init__(self, config: Mapping[str, Any], ctx: ModelContext) -> None:
        super().__init__(config, ctx)
        c = gpt_oss_config(config)
        self.embedding = VocabEmbedding(ctx, "model.embed_tokens", c.vocab_size, c.hidden_size)
        self.layers = nn.ModuleList(Layer(c, ctx, f"model.layers.{i}", window) for i, window in enumerate(c.windows))
        self.norm = RMSNorm(ctx, "model.norm", c.hidden_size, c.norm_eps, late_cast=True)
        self.head = Head(ctx, "lm_head", self.embedding, c.hidden_size, tied=c.tied)
        self.rotary = RotaryTable(ctx, c.rope, c.head_dim, c.max_positions)

    def load_weights(self, weights: Iterable[tuple[str, Tensor]]) -> LoadReport:
        return super().load_weights(expert_layout(weights, self.ctx.dtype))

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
