"""Choice of a token's experts when experts stand in groups, of which only the best take part."""

from __future__ import annotations

import torch
from frameworkctl.interfaces.engine import ModelContext, Packed
from torch import Tensor, nn

from .config import Routing


def choose(logits: Tensor, bias: Tensor | None, routing: Routing) -> tuple[Tensor, Tensor]:
    """Return ``logits [T, E]`` float32 and ``bias [E]`` -> weights ``[T, k]`` float32 and ids ``[T, k]`` int64.

    Source: DeepSeek-V2 (2024), section 2.2.2; DeepSeek-V3 (2024), section 2.1.2.
    """
    scores = torch.sigmoid(logits) if routing.sigmoid else torch.softmax(logits, dim=-1)
    wanted = scores if bias is None else scores + bias
    if routing.kept_groups < routing.groups:
        grouped = wanted.view(-1, routing.groups, routing.experts // routing.groups)
        best = min(routing.best_of, grouped.shape[-1])
        kept = grouped.topk(best, dim=-1).values.sum(-1).topk(routing.kept_groups, dim=-1).indices
        out = torch.ones(grouped.shape[:-1], dtype=torch.bool, device=logits.device).scatter_(-1, kept, False)
        wanted = grouped.masked_fill(out[..., None], float("-inf")).flatten(-2)
    ids = wanted.topk(routing.per_token, dim=-1).indices
    weights = scores.gather(-1, ids)
    if routing.normalise:
        weights = weights / (weights.sum(-1, keepdim=True) + 1e-20)
    return weights * routing.scaling, ids


class Router(nn.Module):
    """Scores in float32 whatever the model's type: near-ties between experts decide."""

    def __init__(self, ctx: ModelContext, name: str, hidden: int, routing: Routing) -> None:
        super().__init__()
        self.ctx, self.routing = ctx, routing
        self.ops = ctx.ops("linear", dtype=torch.float32, out_size=routing.experts, in_size=hidden)
        self.packed: Packed | None = None
        self.bias: Tensor | None = None
        ctx.weights.add(f"{name}.weight", self._take)
        if routing.bias:
            self.bias = torch.empty(routing.experts, dtype=torch.float32, device=ctx.device)
            ctx.weights.add(f"{name}.e_score_correction_bias", self.bias.copy_)

    def _take(self, tensor: Tensor) -> None:
        self.packed = self.ops.pack(tensor.to(dtype=torch.float32, device=self.ctx.device, copy=True))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``[T, hidden]`` -> weights and ids, both ``[T, k]``."""
        assert self.packed is not None, "weights are loaded first"
        return choose(self.ops.linear(x.float(), self.packed), self.bias, self.routing)
