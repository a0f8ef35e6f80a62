"""The gated MLP."""

from __future__ import annotations

from torch import Tensor, nn

from frameworkctl.interfaces.engine import ModelContext

from .activation import GatedActivation
from .direct import DirectModule
from .linear import GateUpLinear, RowLinear


class GatedMLP(DirectModule):
    """``down(act(gate(x)) * up(x))`` (Shazeer 2020); the ``inner`` columns are split over ranks.

    ``parts`` are what the checkpoint calls gate, up and down below ``name``; where the first two are one, that tensor
    holds both, gate first. ``activation`` is the config's ``hidden_act``, ``bias`` is of all three. ``norm`` works on
    ``[T, inner of this rank]`` before ``down``.
    """

    def __init__(
        self,
        ctx: ModelContext,
        name: str,
        hidden: int,
        inner: int,
        *,
        parts: tuple[str, str, str] = ("gate_proj", "up_proj", "down_proj"),
        activation: str = "silu",
        bias: bool = False,
        norm: nn.Module | None = None,
    ) -> None:
        super().__init__()
        gate, up, down = (f"{name}.{part}" for part in parts)
        self.gate_up = GateUpLinear(ctx, gate, up, hidden, inner, bias=bias)
        self.activation = GatedActivation(ctx, activation)
        self.norm = norm
        self.down = RowLinear(ctx, down, inner, hidden, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[T, hidden]`` -> ``[T, hidden]``."""
        gated = self.activation(self.gate_up(x))
        out: Tensor = self.down(gated if self.norm is None else self.norm(gated))
        return out
