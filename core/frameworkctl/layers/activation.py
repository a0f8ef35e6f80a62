"""The gate of a gated MLP."""

from __future__ import annotations

from torch import Tensor, nn

from ..interfaces.engine import ModelContext

KINDS = {
    "silu": "silu",
    "swish": "silu",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_new": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
}


class GatedActivation(nn.Module):
    """``act(gate) * up`` of ``[T, 2 I]`` (Shazeer 2020); ``name`` is the config's ``hidden_act``."""

    def __init__(self, ctx: ModelContext, name: str) -> None:
        super().__init__()
        if name not in KINDS:
            raise ValueError(f"activation {name!r} is not one of {', '.join(KINDS)}")
        self.kind = KINDS[name]
        self.ops = ctx.ops("gated_activation", dtype=ctx.dtype, kind=self.kind)

    def forward(self, gate_up: Tensor) -> Tensor:
        return self.ops.gated_activation(gate_up, self.kind)
