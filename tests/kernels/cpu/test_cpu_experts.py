"""Blocks of experts on the CPU backend against each token's sum in float64."""

from __future__ import annotations

import pytest
import torch
from support.checkpoints.experts import random_block, random_tokens
from support.engine.cpu_backend import TOLERANCES, cpu_backend

EXPERTS, HIDDEN, INNER, K = 6, 40, 24, 2


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize(("biased", "kind"), [(False, "silu"), (True, "swiglu_oai"), (False, "gelu_tanh")])
@pytest.mark.parametrize("tokens", [1, 9, 70])
def test_experts(dtype: torch.dtype, biased: bool, kind: str, tokens: int) -> None:
    torch.manual_seed(tokens)
    block = random_block(EXPERTS, HIDDEN, INNER, dtype, biased=biased)
    x, weights, ids = random_tokens(tokens, K, EXPERTS, HIDDEN, dtype)
    backend = cpu_backend(2)
    got = backend.experts(x, weights, ids, backend.pack_experts(block.gate_up, block.down, block.biases), kind)
    tolerance = 3 * TOLERANCES[dtype]
    torch.testing.assert_close(got.double(), block.right(x, weights, ids, kind), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("fmt", ["plain", "int8", "int4"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("threads", [1, 2])
def test_a_token_does_not_depend_on_the_others(fmt: str, dtype: torch.dtype, threads: int) -> None:
    """Alone, beside a few, and among so many that experts are computed a few at a time: the same to the last bit."""
    torch.manual_seed(0)
    experts, hidden, inner, k = 9, 200, 96, 4
    block = random_block(experts, hidden, inner, dtype, biased=True)
    x, weights, ids = random_tokens(601, k, experts, hidden, dtype)
    x[:, 0] *= 30
    ids[:150] = ids[0]  # some experts get many rows, others few
    backend = cpu_backend(threads)
    packed = backend.pack_experts(block.gate_up, block.down, block.biases, fmt)
    whole = backend.experts(x, weights, ids, packed, "silu")
    for start, end in ((0, 1), (0, 2), (3, 10), (140, 165), (170, 600), (600, 601)):
        part = backend.experts(x[start:end], weights[start:end], ids[start:end], packed, "silu")
        assert torch.equal(part, whole[start:end]), (start, end)
    assert backend.experts(x[:0], weights[:0], ids[:0], packed, "silu").shape == (0, hidden)
