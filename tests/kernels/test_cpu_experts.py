"""Blocks of experts on the CPU backend against each token's sum in float64."""

from __future__ import annotations

import pytest
import torch
from frameworkctl_kernels.reference.backend import ReferenceBackend
from support.cpu_backend import TOLERANCES, cpu_backend
from torch import Tensor

EXPERTS, HIDDEN, INNER, K = 6, 40, 24, 2


def right(x: Tensor, weights: Tensor, ids: Tensor, parts: list[Tensor], biased: bool, kind: str) -> Tensor:
    """A token and an expert at a time."""
    gate_up, down, gate_up_bias, down_bias = (p.double() for p in parts)
    out = torch.zeros(x.shape, dtype=torch.float64)
    for t in range(len(x)):
        for weight, e in zip(weights[t].tolist(), ids[t].tolist(), strict=True):
            both = gate_up[e] @ x[t].double() + (gate_up_bias[e] if biased else 0)
            inner = ReferenceBackend("cpu").gated_activation(both[None], kind)[0]
            out[t] += weight * (down[e] @ inner + (down_bias[e] if biased else 0))
    return out


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize(("biased", "kind"), [(False, "silu"), (True, "swiglu_oai"), (False, "gelu_tanh")])
@pytest.mark.parametrize("tokens", [1, 9, 70])
def test_experts(dtype: torch.dtype, biased: bool, kind: str, tokens: int) -> None:
    torch.manual_seed(tokens)
    shapes = ((EXPERTS, 2 * INNER, HIDDEN), (EXPERTS, HIDDEN, INNER), (EXPERTS, 2 * INNER), (EXPERTS, HIDDEN))
    parts = [(torch.randn(shape) * 0.3).to(dtype) for shape in shapes]
    wide = torch.randn(tokens, HIDDEN + 8).to(dtype)
    x = wide[:, :HIDDEN]
    weights = torch.rand(tokens, K)
    ids = torch.stack([torch.randperm(EXPERTS - 1)[:K] for _ in range(tokens)])  # the last one gets none
    backend = cpu_backend(2)
    packed = backend.pack_experts(parts[0], parts[1], (parts[2], parts[3]) if biased else None)
    got = backend.experts(x, weights, ids, packed, kind)
    tolerance = 3 * TOLERANCES[dtype]
    torch.testing.assert_close(
        got.double(), right(x, weights, ids, parts, biased, kind), rtol=tolerance, atol=tolerance
    )
