"""Head of a language model that pools: a classifier, or nothing."""

from __future__ import annotations

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from frameworkctl.interfaces.engine import ModelContext, PoolingInfo

NAME = "score"  # what checkpoints call it


class Embedding(Protocol):
    """A token embedding: ``weight [ids, hidden]``."""

    weight: Tensor


class Score(nn.Module):
    """Pooled states to one number per class, in float32; nothing where ``pooling`` has no labels.

    The weight is the tensor ``score.weight`` (with ``score.bias`` where there is one). Or it is made of rows of the
    language model's head ``name``, those of ``classifier_from_token``: as they are, or (``from_2_way_softmax``) the
    second minus the first, because a softmax over two logits is the sigmoid of their difference.
    """

    def __init__(
        self, ctx: ModelContext, pooling: PoolingInfo, name: str, embedding: Embedding, *, tied: bool, bias: bool
    ) -> None:
        super().__init__()
        self.device, self.labels = ctx.device, len(pooling.labels)
        self.tokens, self.difference = pooling.classifier_from_token, pooling.classifier_method == "from_2_way_softmax"
        self.embedding = embedding if tied and self.tokens else None
        self.weight: Tensor | None = None
        self.bias: Tensor | None = None
        if self.labels and self.tokens:
            if ctx.world.size > 1:
                raise ValueError("a classifier made of tokens' rows is for one rank")
            if not tied:
                ctx.weights.add(f"{name}.weight", self._take_rows)
            if bias:
                ctx.weights.add(f"{name}.bias", self._take_rows_bias)
        elif self.labels:
            ctx.weights.add(f"{NAME}.weight", self._take)
            ctx.weights.add(f"{NAME}.bias", self._take_bias, optional=True)
        ctx.weights.ignore(*(f"{part}.{kind}" for part in (name, NAME) for kind in ("weight", "bias")))

    def _take(self, tensor: Tensor) -> None:
        if tensor.shape[0] != self.labels:
            raise ValueError(f"config.json has {self.labels} classes (id2label), {NAME}.weight {tensor.shape[0]}")
        self.weight = tensor.to(device=self.device, dtype=torch.float32, copy=True)

    def _take_bias(self, tensor: Tensor) -> None:
        self.bias = tensor.to(device=self.device, dtype=torch.float32, copy=True)

    def _take_rows(self, tensor: Tensor) -> None:
        self.weight = self._of_tokens(tensor)

    def _take_rows_bias(self, tensor: Tensor) -> None:
        self.bias = self._of_tokens(tensor)

    def _of_tokens(self, tensor: Tensor) -> Tensor:
        rows = tensor[list(self.tokens)].to(device=self.device, dtype=torch.float32)
        return rows[1:] - rows[:1] if self.difference else rows

    def forward(self, pooled: Tensor) -> Tensor:
        """Return ``[n, hidden]`` float32 -> ``[n, labels]`` float32."""
        if self.embedding is not None and self.weight is None:
            self.weight = self._of_tokens(self.embedding.weight)
        if self.weight is None:
            raise ValueError("classes are asked of a model that was built for embeddings")
        return F.linear(pooled, self.weight, self.bias)
