"""The decoder: embedding, layers of attention and MLP, head; what differs comes from DecoderConfig."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from frameworkctl.interfaces.engine import Batch, Model, ModelContext
from frameworkctl.layers import Head, RotaryTable, VocabEmbedding
from torch import Tensor, nn

from frameworkctl_models.decoder.families.table import REWARDS, architecture_of, decoder_config

from .attention import SelfAttention
from .config import DecoderConfig
from .mlp import make_mlp
from .norms import Norm, make_norm
from .reward import RewardHead


class Layer(nn.Module):
    """One block. The residual stream travels beside the block outputs, so that an add and a norm are one operation."""

    def __init__(self, config: DecoderConfig, ctx: ModelContext, index: int) -> None:
        super().__init__()
        name, norms = f"model.layers.{index}", config.norms

        def norm(part: str | None) -> Norm | None:
            return None if part is None else make_norm(config, ctx, f"{name}.{part}", config.hidden_size)

        self.attention = SelfAttention(config, ctx, f"{name}.self_attn", index)
        self.mlp = make_mlp(config, ctx, name, index)
        self.before_attention, self.after_attention = norm(norms.before_attention), norm(norms.after_attention)
        self.before_mlp, self.after_mlp = norm(norms.before_mlp), norm(norms.after_mlp)
        self.parallel, self.scale = config.parallel, config.residual_scale

    def forward(
        self, x: Tensor, residual: Tensor | None, tables: list[Tensor], query_scale: Tensor | None, batch: Batch
    ) -> tuple[Tensor, Tensor]:
        """Run the block. ``x`` is the last block's output and not yet in ``residual``; both are ``[T, hidden]``."""
        h, residual = _enter(self.before_attention, x, residual)
        x = self.attention(h, tables, query_scale, batch)
        if self.parallel:
            return x + self.mlp(h), residual
        h, residual = _enter(self.before_mlp, self._leave(self.after_attention, x), residual)
        return self._leave(self.after_mlp, self.mlp(h)), residual

    def _leave(self, norm: Norm | None, x: Tensor) -> Tensor:
        if norm is not None:
            x = norm(x)
        return x if self.scale is None else x * self.scale


def _enter(norm: Norm | None, x: Tensor, residual: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return what the next block reads, and the residual stream with ``x`` in it."""
    if norm is not None:
        return norm.add(x, residual)
    stream = x if residual is None else residual + x
    return stream, stream


class Decoder(Model):
    """Llama and every family that differs from it by a switch of DecoderConfig."""

    takes_embeds = True
    replayable = True

    def __init__(self, config: Mapping[str, Any], ctx: ModelContext) -> None:
        super().__init__(config, ctx)
        c = self.config = decoder_config(config)
        self.embedding = VocabEmbedding(ctx, "model.embed_tokens", c.vocab_size, c.hidden_size, scale=c.row_scale)
        self.layers = nn.ModuleList(Layer(c, ctx, index) for index in range(c.num_layers))
        self.norm = make_norm(c, ctx, c.names.last_norm, c.hidden_size)
        self.head: Head | RewardHead
        if architecture_of(config) in REWARDS and ctx.pooling is not None:
            self.head = RewardHead(ctx, c.hidden_size, len(ctx.pooling.labels))
        else:
            self.head = Head(ctx, "lm_head", self.embedding, c.hidden_size, tied=c.tied, bias=c.head_bias)
        self.rotaries = [
            RotaryTable(ctx, rope, int(c.head_dim * rope.get("partial_rotary_factor", 1.0)), c.max_positions)
            for rope in c.ropes
        ]

    def forward(self, batch: Batch) -> Tensor:
        x = self.embedding.of(batch)
        if self.config.embedding_scale is not None:
            x = x * self.config.embedding_scale
        tables = [rotary.at(batch.positions, batch.long) for rotary in self.rotaries]
        query_scale = self._query_scale(batch.positions)
        residual: Tensor | None = None
        for layer in self.layers:
            x, residual = layer(x, residual, tables, query_scale, batch)
        return self.norm.add(x, residual)[0]

    @property
    def long_after(self) -> int | None:
        return next((r.long_after for r in self.rotaries if r.long_after is not None), None)

    def _query_scale(self, positions: Tensor) -> Tensor | None:
        """Return ``[T]``: later queries are longer, against the spread of attention over more keys (as in Llama 4)."""
        if self.config.query_scale is None:
            return None
        beta, length = self.config.query_scale
        turns = torch.div(positions, length, rounding_mode="floor").to(torch.float32)
        return (1.0 + beta * torch.log1p(turns)).to(self.ctx.dtype)

    def logits(self, hidden: Tensor) -> Tensor:
        c = self.config
        logits: Tensor = self.head(hidden)
        if c.logits_scale is not None:
            logits = logits * c.logits_scale
        return logits if c.final_softcap is None else torch.tanh(logits / c.final_softcap) * c.final_softcap

    def classify(self, pooled: Tensor) -> Tensor:
        return self.head.classify(pooled)
