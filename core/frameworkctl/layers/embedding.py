"""The two ends of a language model: token embedding and head, split over ranks by vocabulary."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from frameworkctl_kernels.protocol import Packed
from torch import Tensor, nn

from frameworkctl.interfaces.engine import Batch, ModelContext

from .score import Score


def vocabulary_share(vocab_size: int, ctx: ModelContext) -> tuple[int, int, int]:
    """Return (first id, number of ids, ids per rank when padded to a multiple of the ranks) of this rank."""
    per_rank = -(-vocab_size // ctx.world.size)
    start = ctx.world.rank * per_rank
    return start, max(0, min(per_rank, vocab_size - start)), per_rank


class VocabEmbedding(nn.Module):
    """Token ids to vectors. ``weight [ids of this rank, hidden]``; ``scale`` multiplies them, rounded to their type."""

    def __init__(
        self, ctx: ModelContext, name: str, vocab_size: int, hidden_size: int, *, scale: float | None = None
    ) -> None:
        super().__init__()
        self.ctx = ctx
        self.scale = None if scale is None else torch.tensor(scale, dtype=ctx.dtype, device=ctx.device)
        self.vocab_size = vocab_size
        self.start, self.size, self.per_rank = vocabulary_share(vocab_size, ctx)
        self.weight = torch.empty(self.size, hidden_size, dtype=ctx.dtype, device=ctx.device)
        self.head: Head | None = None  # one that shares the weight, and holds it
        ctx.weights.add(f"{name}.weight", self._take)

    def share(self, head: Head) -> None:
        """Leave the weight to ``head``: rows are looked up in the form that it is multiplied in."""
        self.head = head
        del self.weight

    def _take(self, tensor: Tensor) -> None:
        own = tensor.narrow(0, self.start, self.size)
        if self.head is None:
            self.weight.copy_(own)
        else:
            self.head.take(own)

    def _lookup(self, ids: Tensor) -> Tensor:
        if self.head is None:
            return F.embedding(ids, self.weight)
        assert self.head.packed is not None, "weights are loaded first"
        return self.head.ops.lookup(self.head.packed, ids)

    def forward(self, ids: Tensor) -> Tensor:
        """Return ``[T]`` int64 -> ``[T, hidden]``."""
        rows = self._rows(ids)
        return rows if self.scale is None else rows * self.scale

    def of(self, batch: Batch) -> Tensor:
        """Return ``[T, hidden]`` of a step: of its tokens, or what the prompt has in their place."""
        rows: Tensor = self(batch.input_ids)
        if batch.embeds is None or batch.embeds_mask is None:
            return rows
        return torch.where(batch.embeds_mask[:, None], batch.embeds, rows)

    def _rows(self, ids: Tensor) -> Tensor:
        if self.ctx.world.size == 1:
            return self._lookup(ids)
        local = ids - self.start
        mine = (local >= 0) & (local < self.size)
        rows = self._lookup(local.clamp(0, self.size - 1))
        return self.ctx.world.all_reduce(rows * mine[:, None])


class Head(nn.Module):
    """Hidden states to logits over the whole vocabulary, float32; tied to an embedding or with a weight of its own.

    Where the model pools it is none: ``classify`` then gives classes of pooled states (see Score).
    """

    def __init__(
        self,
        ctx: ModelContext,
        name: str,
        embedding: VocabEmbedding,
        hidden_size: int,
        *,
        tied: bool,
        bias: bool = False,
    ) -> None:
        super().__init__()
        self.ctx = ctx
        self.score: Score | None = None
        if ctx.pooling is not None:
            self.score = Score(ctx, ctx.pooling, name, embedding, tied=tied, bias=bias)
            return
        self.vocab_size = embedding.vocab_size
        self.start, self.size, self.per_rank = embedding.start, embedding.size, embedding.per_rank
        self.ops = ctx.ops("linear", dtype=ctx.dtype, out_size=self.size, in_size=hidden_size)
        self.packed: Packed | None = None
        self.tied = tied
        if tied:
            embedding.share(self)
            ctx.weights.ignore(f"{name}.weight")
        else:
            ctx.weights.add(f"{name}.weight", lambda tensor: self.take(tensor.narrow(0, self.start, self.size)))
        self.bias = torch.empty(self.size, dtype=ctx.dtype, device=ctx.device) if bias else None
        if bias:
            ctx.weights.add(f"{name}.bias", self._take_bias)

    def _take_bias(self, tensor: Tensor) -> None:
        assert self.bias is not None
        self.bias.copy_(tensor.narrow(0, self.start, self.size))

    def take(self, own: Tensor) -> None:
        """Take ``own``, this rank's rows of the weight. Rounded weights keep 8 bits here: each row decides over a
        token.
        """
        own = own.to(dtype=self.ctx.dtype, device=self.ctx.device, copy=True)
        self.packed = self.ops.pack(own, "plain" if self.ctx.weight_format == "plain" else "int8", lookup=self.tied)

    def classify(self, pooled: Tensor) -> Tensor:
        """Return ``[n, hidden]`` -> ``[n, labels]``, both float32; for ``Model.classify``."""
        assert self.score is not None, "this model was built to generate"
        out: Tensor = self.score(pooled)
        return out

    def forward(self, hidden: Tensor) -> Tensor:
        """Return ``[L, hidden]`` -> ``[L, vocab_size]`` float32."""
        assert self.packed is not None, "weights are loaded first"
        own = torch.empty(hidden.shape[0], self.size, dtype=torch.float32, device=hidden.device)
        self.ops.linear(hidden, self.packed, self.bias, own)
        if self.ctx.world.size == 1:
            return own
        padded = F.pad(own, (0, self.per_rank - self.size))
        return self.ctx.world.all_gather(padded)[:, : self.vocab_size]
