"""Experts of the reference backend against every expert on every token, in float64."""

from __future__ import annotations

import pytest
import torch
from frameworkctl_kernels.reference.backend import ReferenceBackend
from torch import Tensor

EXPERTS, HIDDEN, INNER, TOKENS = 6, 10, 8, 17


def gate(gate: Tensor, up: Tensor, kind: str) -> Tensor:
    if kind == "silu":
        return gate / (1 + torch.exp(-gate)) * up
    gate = torch.where(gate > 7, 7.0, gate)
    up = torch.where(up > 7, 7.0, torch.where(up < -7, -7.0, up))
    return gate / (1 + torch.exp(-1.702 * gate)) * (up + 1)


@pytest.mark.parametrize("bias", [False, True], ids=["plain", "bias"])
@pytest.mark.parametrize("kind", ["silu", "swiglu_oai"])
@pytest.mark.parametrize("per_token", [1, 3])
def test_experts(kind: str, bias: bool, per_token: int) -> None:
    torch.manual_seed(0)
    backend = ReferenceBackend("cpu")
    gate_up, down = torch.randn(EXPERTS, 2 * INNER, HIDDEN), torch.randn(EXPERTS, HIDDEN, INNER)
    biases = (torch.randn(EXPERTS, 2 * INNER), torch.randn(EXPERTS, HIDDEN)) if bias else None
    x, weights = torch.randn(TOKENS, HIDDEN) * 3, torch.rand(TOKENS, per_token)  # wide enough to be clamped
    ids = torch.rand(TOKENS, EXPERTS - 1).argsort(-1)[:, :per_token]  # the last expert gets nobody
    want = torch.zeros(TOKENS, HIDDEN, dtype=torch.float64)
    for e in range(EXPERTS):
        inner = x.double() @ gate_up[e].double().T + (biases[0][e] if biases else 0)
        result = gate(inner[:, :INNER], inner[:, INNER:], kind) @ down[e].double().T + (biases[1][e] if biases else 0)
        want += (weights * (ids == e)).sum(-1, keepdim=True) * result
        assert kind == "silu" or inner.abs().max() > 7
    got = backend.experts(x, weights, ids, backend.pack_experts(gate_up, down, biases), kind)
    torch.testing.assert_close(got.double(), want, atol=1e-3, rtol=1e-4)
