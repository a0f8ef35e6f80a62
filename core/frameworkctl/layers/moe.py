"""Mixture of experts: routing, and the experts' gated MLPs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from frameworkctl.interfaces.engine import ModelContext

from .activation import activation_kind


def top_k_softmax(logits: Tensor, k: int, *, renormalise: bool) -> tuple[Tensor, Tensor]:
    """Return the k likeliest experts of each token: weights ``[T, k]`` float32 and ids ``[T, k]`` int64.

    ``logits [T, E]``; softmax over all experts in float32; ``renormalise`` makes the k sum to one, which is a softmax
    over the k alone (Shazeer et al. 2017).
    """
    weights, ids = torch.softmax(logits.float(), dim=-1).topk(k, dim=-1)
    return weights / weights.sum(-1, keepdim=True) if renormalise else weights, ids


class Experts(nn.Module):
    """``sum over the token's k experts of weight * down(act(gate(x)) * up(x))``; inner columns split over ranks.

    ``names`` are the checkpoint's names of gate, up and down. With ``{}`` for the expert's number there is one
    ``[inner, hidden]`` (down: ``[hidden, inner]``) tensor per expert. Without it, one tensor holds all experts, and
    where gate and up are the same name, that holds both, gate first: ``[E, 2 inner, hidden]``. ``biases`` are the
    names of their biases by the same rules, without the last axis. ``activation`` is the config's ``hidden_act`` or
    ``swiglu_oai``, gpt-oss's clamped gate. Matrices are rounded as those of linear layers are, biases are not.
    """

    def __init__(
        self,
        ctx: ModelContext,
        names: tuple[str, str, str],
        *,
        experts: int,
        hidden: int,
        inner: int,
        activation: str = "silu",
        biases: tuple[str, str, str] | None = None,
    ) -> None:
        super().__init__()
        if inner % ctx.world.size:
            raise ValueError(f"{inner} columns of an expert cannot be split over {ctx.world.size} ranks")
        self.ctx = ctx
        self.experts, self.inner = experts, inner
        self.share = inner // ctx.world.size
        self.start = ctx.world.rank * self.share
        self.kind = activation if activation == "swiglu_oai" else activation_kind(activation)
        self.ops = ctx.ops(
            "experts", dtype=ctx.dtype, hidden=hidden, inner=self.share, experts=experts, fmt=ctx.weight_format
        )
        self.packed: Any = None
        self._gate_up: Tensor | None = self._empty(experts, 2 * self.share, hidden)
        self._down: Tensor | None = self._empty(experts, hidden, self.share)
        self._biases: tuple[Tensor, Tensor] | None = None
        self._waiting = 0
        self._expect(names, self._take)
        if biases is not None:
            self._biases = self._empty(experts, 2 * self.share), self._empty(experts, hidden)
            self._expect(biases, self._take_bias)

    def _empty(self, *shape: int) -> Tensor:
        return torch.empty(shape, dtype=self.ctx.dtype, device=self.ctx.device)

    def _expect(self, names: tuple[str, str, str], take: Callable[[str, int | None, Tensor], None]) -> None:
        for part, name in zip(("gate", "up", "down"), names, strict=True):
            if part == "up" and name == names[0]:
                continue
            fused = part == "gate" and name == names[1]
            numbers = range(self.experts) if "{}" in name else [None]
            for number in numbers:
                self._waiting += 1
                self.ctx.weights.add(name.format(number), partial(take, "gate_up" if fused else part, number))

    def _take(self, part: str, number: int | None, tensor: Tensor) -> None:
        assert self._gate_up is not None
        assert self._down is not None
        at: Any = slice(None) if number is None else number
        rows = tensor.dim() - 2  # the axis of a matrix's outputs
        if part == "down":
            self._down[at] = tensor.narrow(rows + 1, self.start, self.share).to(self._down)
        else:
            self._fill(self._gate_up[at], rows, part, tensor)
        self._took()

    def _take_bias(self, part: str, number: int | None, tensor: Tensor) -> None:
        assert self._biases is not None
        at: Any = slice(None) if number is None else number
        if part == "down":  # ranks are summed, so that one of them adds it
            self._biases[1][at] = tensor.to(self._biases[1]) * (self.ctx.world.rank == 0)
        else:
            self._fill(self._biases[0][at], tensor.dim() - 1, part, tensor)
        self._took()

    def _fill(self, out: Tensor, rows: int, part: str, tensor: Tensor) -> None:
        """Place this rank's share of gate, up or both along the axis ``rows``."""
        offsets = {"gate": [(0, 0)], "up": [(self.share, 0)], "gate_up": [(0, 0), (self.share, self.inner)]}[part]
        for to, come in offsets:
            out.narrow(rows, to, self.share).copy_(tensor.narrow(rows, come + self.start, self.share))

    def _took(self) -> None:
        self._waiting -= 1
        if not self._waiting and self._gate_up is not None and self._down is not None:
            self.packed = self.ops.pack_experts(self._gate_up, self._down, self._biases, self.ctx.weight_format)
            self._gate_up = self._down = self._biases = None

    def forward(self, x: Tensor, weights: Tensor, ids: Tensor) -> Tensor:
        """Return ``x [T, hidden]``, ``weights [T, k]`` float32, ``ids [T, k]`` int64 -> ``[T, hidden]``."""
        assert self.packed is not None, "weights are loaded first"
        return self.ctx.world.all_reduce(self.ops.experts(x, weights, ids, self.packed, self.kind))
