"""Activation functions: the gate of a gated MLP, and those of a plain one."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from frameworkctl.interfaces.engine import ModelContext

from .direct import DirectModule

KINDS = {
    "silu": "silu",
    "swish": "silu",
    "gelu": "gelu",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_new": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "relu": "relu",
    "relu2": "relu2",
}


def activation_kind(name: str) -> str:
    """Return the operation's name of a config's ``hidden_act``.

    Raises:
        ValueError: an activation that has no implementation.
    """
    if name not in KINDS:
        raise ValueError(f"activation {name!r} is not one of {', '.join(KINDS)}")
    return KINDS[name]


class GatedActivation(DirectModule):
    """``act(gate) * up`` of ``[T, 2 I]`` (Shazeer 2020); ``name`` is the config's ``hidden_act``."""

    def __init__(self, ctx: ModelContext, name: str) -> None:
        super().__init__()
        self.kind = activation_kind(name)
        self.ops = ctx.ops("gated_activation", dtype=ctx.dtype, kind=self.kind)

    def forward(self, gate_up: Tensor) -> Tensor:
        return self.ops.gated_activation(gate_up, self.kind)


class Activation(DirectModule):
    """``act(x)``; ``name`` is the config's ``hidden_act``."""

    def __init__(self, ctx: ModelContext, name: str) -> None:
        super().__init__()
        self.kind = activation_kind(name)
        self.ops = ctx.ops("activation", dtype=ctx.dtype, kind=self.kind)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the activation to ``x`` of any shape, which may be overwritten."""
        return self.ops.activation(x, self.kind)


class XIELU(DirectModule):
    """``a x^2 + x / 2`` above zero, ``(exp(min(x, -1e-6)) - 1 - x) b + x / 2`` below, with learned a and b.

    The checkpoint holds them before softplus, as ``alpha_p`` and ``alpha_n``; b has 1/2 added (Huang and Schlag 2024).
    """

    BETA, EPS = 0.5, -1e-6

    def __init__(self, ctx: ModelContext, name: str) -> None:
        super().__init__()
        self.positive = torch.empty(1, dtype=ctx.dtype, device=ctx.device)
        self.negative = torch.empty(1, dtype=ctx.dtype, device=ctx.device)
        ctx.weights.add(f"{name}.alpha_p", lambda t: self.positive.copy_(F.softplus(t)))
        ctx.weights.add(f"{name}.alpha_n", lambda t: self.negative.copy_(F.softplus(t) + self.BETA))
        ctx.weights.ignore(f"{name}.beta", f"{name}.eps")

    def forward(self, x: Tensor) -> Tensor:
        above = self.positive * x * x + self.BETA * x
        below = (torch.expm1(x.clamp(max=self.EPS)) - x) * self.negative + self.BETA * x
        return torch.where(x > 0, above, below)
