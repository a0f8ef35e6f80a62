"""Part of a layer after attention: a gated or plain MLP, or a block of experts."""

from __future__ import annotations

import torch
from frameworkctl.interfaces.engine import ModelContext
from frameworkctl.layers import (
    XIELU,
    Activation,
    ColumnLinear,
    Experts,
    GatedMLP,
    ReplicatedLinear,
    RMSNorm,
    RowLinear,
    top_k_softmax,
)
from torch import Tensor, nn

from .config import DecoderConfig, Sparse
from .norms import whole_model_only


def make_gated_mlp(config: DecoderConfig, ctx: ModelContext, name: str, inner: int) -> GatedMLP:
    """Apply the MLP, with a norm before its last product if the config has one."""
    c, names = config, config.names
    norm: RMSNorm | None = None
    if c.block_norms:
        whole_model_only(ctx, name)
        norm = RMSNorm(ctx, f"{name}.ffn_sub_norm", inner, c.norm_eps)
    return GatedMLP(
        ctx,
        name,
        c.hidden_size,
        inner,
        parts=(names.gate, names.up, names.down),
        activation=c.activation,
        bias=c.mlp_bias,
        norm=norm,
    )


class PlainMLP(nn.Module):
    """``down(act(up(x)))``."""

    def __init__(self, config: DecoderConfig, ctx: ModelContext, name: str) -> None:
        super().__init__()
        hidden, inner, bias, names = config.hidden_size, config.intermediate_size, config.mlp_bias, config.names
        self.up = ColumnLinear(ctx, f"{name}.{names.up}", hidden, inner, bias=bias)
        learned = config.activation == "xielu"
        self.activation = XIELU(ctx, f"{name}.act_fn") if learned else Activation(ctx, config.activation)
        self.down = RowLinear(ctx, f"{name}.{names.down}", inner, hidden, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[T, hidden]`` -> ``[T, hidden]``."""
        out: Tensor = self.down(self.activation(self.up(x)))
        return out


class SparseMLP(nn.Module):
    """The likeliest experts of each token, and the one that every token takes, if there is one."""

    def __init__(self, config: DecoderConfig, sparse: Sparse, ctx: ModelContext, layer: str) -> None:
        super().__init__()
        self.sparse = sparse
        hidden, s = config.hidden_size, sparse
        self.router = ReplicatedLinear(ctx, f"{layer}.{s.router}", hidden, s.experts)
        self.experts = Experts(
            ctx,
            (f"{layer}.{s.gate}", f"{layer}.{s.up}", f"{layer}.{s.down}"),
            experts=s.experts,
            hidden=hidden,
            inner=s.inner,
            activation=config.activation,
        )
        self.shared: GatedMLP | None = None
        if s.shared is not None:
            self.shared = make_gated_mlp(config, ctx, f"{layer}.mlp.shared_expert", s.shared)
            self.shared_gate = ReplicatedLinear(ctx, f"{layer}.mlp.shared_expert_gate", hidden, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[T, hidden]`` -> ``[T, hidden]``."""
        weights, ids = top_k_softmax(self.router(x), self.sparse.per_token, renormalise=self.sparse.renormalise)
        out: Tensor = self.experts(x, weights, ids)
        if self.shared is not None:
            out = out + torch.sigmoid(self.shared_gate(x)) * self.shared(x)
        return out


def make_mlp(config: DecoderConfig, ctx: ModelContext, layer: str, index: int) -> nn.Module:
    """Return the block of layer ``index``, whose tensors' names begin with ``layer``."""
    if config.sparse is not None and config.sparse.layers[index]:
        return SparseMLP(config, config.sparse, ctx, layer)
    if config.gated:
        return make_gated_mlp(config, ctx, f"{layer}.mlp", config.intermediate_size)
    return PlainMLP(config, ctx, f"{layer}.mlp")
