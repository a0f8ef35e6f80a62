"""Embeddings of an encoder's token ids and places, and the learned numbers it has for distances."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from frameworkctl.interfaces import ConfigError
from frameworkctl.interfaces.engine import Batch, ModelContext
from frameworkctl.layers import LayerNorm, VocabEmbedding
from torch import Tensor, nn

from .config import EncoderConfig


class Embeddings(nn.Module):
    """Word, place and kind of text, added and normed.

    Places and kinds are one table: row ``kind * max_positions + place`` holds their sum.
    """

    def __init__(self, config: EncoderConfig, ctx: ModelContext) -> None:
        super().__init__()
        c, names = config, config.names
        self.words = VocabEmbedding(ctx, names.words, c.vocab_size, c.hidden_size)
        self.norm = LayerNorm(ctx, names.embedding_norm, c.hidden_size, c.norm_eps, bias=c.norm_bias)
        self.offset, self.places, self.kinds = c.position_offset, c.max_positions, max(1, c.token_types)
        self.table: Tensor | None = None
        if names.positions is not None:
            size = (self.kinds, self.places, c.hidden_size)
            self.sums = torch.zeros(size, dtype=torch.float32, device=ctx.device)
            ctx.weights.add(f"{names.positions}.weight", self._take_positions)
            if names.types is not None and c.token_types:
                ctx.weights.add(f"{names.types}.weight", self._take_types)
            ctx.weights.ignore("embeddings.position_ids")

    def _take_positions(self, tensor: Tensor) -> None:
        if tensor.shape[0] != self.offset + self.places:
            raise ConfigError(f"the table of positions has {tensor.shape[0]} rows, not {self.offset + self.places}")
        self.sums += tensor[self.offset :].to(self.sums)

    def _take_types(self, tensor: Tensor) -> None:
        self.sums += tensor.to(self.sums)[:, None]

    def finish(self, dtype: torch.dtype) -> None:
        """Finish loading: make the table in the model's type."""
        if hasattr(self, "sums"):
            self.table = self.sums.flatten(0, 1).to(dtype)
            del self.sums

    def forward(self, batch: Batch) -> Tensor:
        """Return ``[T, hidden]``."""
        x: Tensor = self.words(batch.input_ids)
        if self.table is not None:
            rows = batch.positions
            if batch.second is not None and self.kinds > 1:
                rows = rows + batch.second * self.places
            x = x + F.embedding(rows, self.table)
        out: Tensor = self.norm(x)
        return out


class Distances(nn.Module):
    """A learned number for every head and distance between two tokens, added to their score (Raffel et al. 2020).

    Half of the buckets are for tokens that come later; near distances have one each, farther ones share by their
    logarithm, and from ``FAR`` on all are the same.
    """

    FAR = 128

    def __init__(self, ctx: ModelContext, name: str, buckets: int, heads: int) -> None:
        super().__init__()
        if heads % ctx.world.size:
            raise ValueError(f"{heads} attention heads cannot be split over {ctx.world.size} ranks")
        self.heads = heads // ctx.world.size
        self.start = ctx.world.rank * self.heads
        self.buckets = buckets
        self.bias = torch.empty(self.heads, 2 * self.FAR + 1, dtype=torch.float32, device=ctx.device)
        ctx.weights.add(f"{name}.weight", self._take)

    def _take(self, tensor: Tensor) -> None:
        own = tensor.narrow(1, self.start, self.heads)[self._bucket()]
        self.bias.copy_(own.transpose(0, 1))

    def _bucket(self) -> Tensor:
        """Return ``[2 FAR + 1]``: the bucket of each distance j - i from -FAR to FAR."""
        distance = torch.arange(-self.FAR, self.FAR + 1)
        half = self.buckets // 2
        exact = half // 2
        size = distance.abs()
        far = exact + (torch.log(size.clamp(min=1) / exact) / math.log(self.FAR / exact) * (half - exact)).long()
        return (distance > 0).long() * half + torch.where(size < exact, size, far.clamp(max=half - 1))
