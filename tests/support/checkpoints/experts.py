"""Blocks of experts for tests: random ones, and what is right, a token and an expert at a time in float64."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from frameworkctl_kernels.reference.backend import ReferenceBackend
from torch import Tensor


@dataclass(slots=True)
class Block:
    """``gate_up [E, 2 I, H]``, ``down [E, H, I]`` and their biases, if any."""

    gate_up: Tensor
    down: Tensor
    biases: tuple[Tensor, Tensor] | None

    def right(self, x: Tensor, weights: Tensor, ids: Tensor, kind: str) -> Tensor:
        """``[T, H]`` float64."""
        gate_up, down = self.gate_up.double(), self.down.double()
        out = torch.zeros(x.shape, dtype=torch.float64)
        for t in range(len(x)):
            for weight, e in zip(weights[t].tolist(), ids[t].tolist(), strict=True):
                both = gate_up[e] @ x[t].double() + (self.biases[0][e] if self.biases else 0)
                inner = ReferenceBackend("cpu").gated_activation(both[None], kind)[0]
                out[t] += weight * (down[e] @ inner + (self.biases[1][e] if self.biases else 0))
        return out


def random_block(experts: int, hidden: int, inner: int, dtype: torch.dtype, *, biased: bool) -> Block:
    shapes = ((experts, 2 * inner, hidden), (experts, hidden, inner), (experts, 2 * inner), (experts, hidden))
    gate_up, down, first, second = ((torch.randn(shape) * 0.3).to(dtype) for shape in shapes)
    return Block(gate_up, down, (first, second) if biased else None)


def random_tokens(tokens: int, k: int, experts: int, hidden: int, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """``x``, its rows apart, with the weights and ids of experts of which the last is given no token."""
    x = torch.randn(tokens, hidden + 8).to(dtype)[:, :hidden]
    ids = torch.stack([torch.randperm(experts - 1)[:k] for _ in range(tokens)])
    return x, torch.rand(tokens, k), ids
