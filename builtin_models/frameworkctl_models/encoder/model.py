"""The encoder: embeddings, layers that look both ways, a classifier; what differs comes from EncoderConfig."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from frameworkctl.interfaces.engine import Batch, LoadReport, Model, ModelContext
from frameworkctl.layers import (
    Activation,
    ColumnLinear,
    GatedMLP,
    LayerNorm,
    ReplicatedLinear,
    RotaryTable,
    RowLinear,
)
from torch import Tensor, nn

from .attention import SelfAttention
from .config import EncoderConfig, Head
from .embeddings import Distances, Embeddings
from .families import COLBERT, TOKEN_CLASSIFIER, architecture_of, encoder_config
from .head import Classifier
from .weights import own_names


class PlainMLP(nn.Module):
    """``down(act(up(x)))``."""

    def __init__(self, config: EncoderConfig, ctx: ModelContext, name: str) -> None:
        super().__init__()
        hidden, inner, names = config.hidden_size, config.intermediate_size, config.names
        self.up = ColumnLinear(ctx, f"{name}.{names.up}", hidden, inner, bias=config.mlp_bias)
        self.activation = Activation(ctx, config.activation)
        self.down = RowLinear(ctx, f"{name}.{names.down}", inner, hidden, bias=config.mlp_bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[T, hidden]`` -> ``[T, hidden]``."""
        out: Tensor = self.down(self.activation(self.up(x)))
        return out


class Layer(nn.Module):
    """Attention and MLP, each added to what it read, with a norm before or after."""

    def __init__(self, config: EncoderConfig, ctx: ModelContext, index: int) -> None:
        super().__init__()
        c, names = config, config.names
        name = f"{names.layer}.{index}"

        def norm(part: str) -> LayerNorm:
            return LayerNorm(ctx, f"{name}.{part}", c.hidden_size, c.norm_eps, bias=c.norm_bias)

        self.prenorm = c.prenorm
        self.attention = SelfAttention(c, ctx, name, index)
        self.attention_norm = None if c.prenorm and index == 0 else norm(names.attention_norm)
        self.mlp: GatedMLP | PlainMLP
        if c.gated:
            parts = (names.up, names.up, names.down)
            self.mlp = GatedMLP(
                ctx, name, c.hidden_size, c.intermediate_size, parts=parts, activation=c.activation, bias=c.mlp_bias
            )
        else:
            self.mlp = PlainMLP(c, ctx, name)
        self.mlp_norm = norm(names.mlp_norm)

    def forward(self, x: Tensor, residual: Tensor, tables: list[Tensor], bias: Tensor | None) -> tuple[Tensor, Tensor]:
        """Run the layer. ``x`` is the output below it, ``[T, hidden]`` like ``residual``; above layer 0 it is not yet
        in ``residual`` if the norms stand before the blocks.
        """
        if not self.prenorm:
            assert self.attention_norm is not None
            x = self.attention_norm.add(self.attention(x, tables, bias), x)[0]
            x = self.mlp_norm.add(self.mlp(x), x)[0]
            return x, x
        if self.attention_norm is not None:
            x, residual = self.attention_norm.add(x, residual)
        x, residual = self.mlp_norm.add(self.attention(x, tables, bias), residual)
        return self.mlp(x), residual


class Encoder(Model):
    """BERT and every family that differs from it by a switch of EncoderConfig."""

    def __init__(self, config: Mapping[str, Any], ctx: ModelContext) -> None:
        super().__init__(config, ctx)
        c = self.config = encoder_config(config)
        names = c.names
        self.embeddings = Embeddings(c, ctx)
        self.layers = nn.ModuleList(Layer(c, ctx, index) for index in range(c.num_layers))
        self.last_norm: LayerNorm | None = None
        if names.last_norm is not None:
            self.last_norm = LayerNorm(ctx, names.last_norm, c.hidden_size, c.norm_eps, bias=c.norm_bias)
        self.distances: Distances | None = None
        if c.buckets is not None and names.relative is not None:
            self.distances = Distances(ctx, names.relative, c.buckets, c.heads)
        self.rotaries = [RotaryTable(ctx, rope, c.head_dim, c.max_positions) for rope in c.ropes]
        self.projection: ReplicatedLinear | None = None
        if architecture_of(config) == COLBERT and ctx.pooling is not None:
            wide = dataclasses.replace(ctx, dtype=torch.float32)
            self.projection = ReplicatedLinear(wide, "linear", c.hidden_size, ctx.pooling.size)
        self.head: Head | None = None  # of classes; None: the model was built for embeddings
        if ctx.pooling is not None and ctx.pooling.labels:
            self.head = c.token_head if architecture_of(config).endswith(TOKEN_CLASSIFIER) else c.sequence_head
            self.classifier = Classifier(c, self.head, ctx, len(ctx.pooling.labels))

    def load_weights(self, weights: Iterable[tuple[str, Tensor]]) -> LoadReport:
        report = super().load_weights(own_names(self.config, self.head, weights))
        self.embeddings.finish(self.ctx.dtype)
        return report

    def forward(self, batch: Batch) -> Tensor:
        x = self.embeddings(batch)
        bias = None if self.distances is None else self.distances.bias
        tables = [rotary.at(batch.positions) for rotary in self.rotaries]
        residual = x
        for layer in self.layers:
            x, residual = layer(x, residual, tables, bias)
        return x if self.last_norm is None else self.last_norm.add(x, residual)[0]

    def embed(self, pooled: Tensor) -> Tensor:
        return pooled if self.projection is None else self.projection(pooled)

    def classify(self, pooled: Tensor) -> Tensor:
        if self.head is None:
            raise ValueError("classes are asked of a model that was built for embeddings")
        out: Tensor = self.classifier(pooled)
        return out
