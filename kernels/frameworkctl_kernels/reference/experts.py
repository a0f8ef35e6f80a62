"""Gated activation, and the experts of a sparse block, on plain torch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .linear import pack
from .quantized import pack_quantized


def gated(gate_up: Tensor, kind: str) -> Tensor:
    """See the protocol."""
    gate, up = gate_up.chunk(2, dim=-1)
    if kind == "silu":
        return F.silu(gate).mul_(up)
    if kind in ("gelu", "gelu_tanh"):
        return F.gelu(gate, approximate="tanh" if kind == "gelu_tanh" else "none").mul_(up)
    if kind == "swiglu_oai":
        gate = gate.clamp(max=7.0)
        return torch.sigmoid(1.702 * gate).mul_(gate).mul_(up.clamp(-7.0, 7.0) + 1.0)
    activated = F.relu(gate)
    return (activated.square() if kind == "relu2" else activated) * up


class PackedExperts:
    """Each expert's two matrices, packed as linear layers are, and their biases."""

    __slots__ = ("down", "down_bias", "gate_up", "gate_up_bias")

    def __init__(self, gate_up: Tensor, down: Tensor, biases: tuple[Tensor, Tensor] | None, fmt: str = "plain") -> None:
        self.gate_up, self.down = (
            [pack(matrix) if fmt == "plain" else pack_quantized(matrix, fmt) for matrix in matrices]
            for matrices in (gate_up, down)
        )
        self.gate_up_bias: Sequence[Tensor | None] = [None] * len(gate_up) if biases is None else list(biases[0])
        self.down_bias: Sequence[Tensor | None] = [None] * len(down) if biases is None else list(biases[1])

    def __len__(self) -> int:
        return len(self.down)

    def run(self, expert: int, x: Tensor, kind: str) -> Tensor:
        """Return ``[n, H]`` -> ``[n, H]``."""
        inner = gated(self.gate_up[expert].linear(x, self.gate_up_bias[expert]), kind)
        return self.down[expert].linear(inner, self.down_bias[expert])


def run_experts(x: Tensor, weights: Tensor, ids: Tensor, packed: PackedExperts, kind: str) -> Tensor:
    """See the protocol. On CPUs each expert takes the tokens routed to it; elsewhere it takes all of them."""
    out = torch.zeros_like(x)
    if x.device.type != "cpu":  # who goes where is not known to the host, and waiting for it would stall the device
        for expert in range(len(packed)):
            share = (weights * (ids == expert)).sum(-1, keepdim=True)
            out += packed.run(expert, x, kind) * share.to(x.dtype)
        return out
    k = ids.shape[1]
    routed = ids.reshape(-1).numpy()  # ids live in host memory here: reading them waits for nothing
    order = np.argsort(routed, kind="stable")
    ends = np.cumsum(np.bincount(routed, minlength=len(packed)))
    rows = torch.from_numpy(order)
    tokens = torch.div(rows, k, rounding_mode="floor")
    inputs = x.index_select(0, tokens)
    share = weights.reshape(-1).index_select(0, rows).to(x.dtype)[:, None]
    start = 0
    for expert, end in enumerate(ends.tolist()):
        if end > start:
            part = packed.run(expert, inputs[start:end], kind) * share[start:end]
            out.index_add_(0, tokens[start:end], part)
        start = end
    return out
