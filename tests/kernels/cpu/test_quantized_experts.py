"""Experts of 8 and 4 bits, on both backends, against sums in float64 over weights that were rounded here."""

from __future__ import annotations

import pytest
import torch
from frameworkctl_kernels.reference.backend import ReferenceBackend
from support.checkpoints.experts import Block, random_block, random_tokens
from support.engine.cpu_backend import TOLERANCES, cpu_backend
from torch import Tensor

EXPERTS = 10
SIZES = {"whole groups": (128, 64), "rests": (52, 39)}  # (hidden, inner)


def rounded(matrices: Tensor, fmt: str) -> Tensor:
    """Row by row to 255 levels around zero, or by 32 to 16 levels from the smallest to the largest."""
    out = torch.empty(matrices.shape, dtype=torch.float64)
    for at in torch.cartesian_prod(torch.arange(matrices.shape[0]), torch.arange(matrices.shape[1])).tolist():
        row = matrices[*at].float()
        if fmt == "int8":
            level = row.abs().max() / 127
            out[*at] = (row / level).round().double() * level.double()
            continue
        for start in range(0, row.numel(), 32):
            group = row[start : start + 32]
            low, step = group.min().half().double(), ((group.max() - group.min()) / 15).half().double()
            level = ((group.double() - low) / step).round().clamp(0, 15)
            out[at[0], at[1], start : start + 32] = low + level * step
    return out


@pytest.fixture(scope="module", params=list(SIZES))
def block(request: pytest.FixtureRequest) -> Block:
    torch.manual_seed(0)
    return random_block(EXPERTS, *SIZES[request.param], torch.bfloat16, biased=True)


@pytest.fixture(scope="module", params=["int8", "int4"])
def right(request: pytest.FixtureRequest, block: Block) -> tuple[str, Block]:
    fmt = request.param
    return fmt, Block(rounded(block.gate_up, fmt), rounded(block.down, fmt), block.biases)


@pytest.mark.parametrize("name", ["cpu", "reference"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize(("k", "tokens"), [(1, 1), (1, 70), (2, 1), (2, 13), (8, 1), (8, 3), (8, 70)])
@pytest.mark.parametrize(("biased", "kind"), [(False, "silu"), (True, "swiglu_oai"), (True, "gelu_tanh")])
def test_experts(
    block: Block, right: tuple[str, Block], name: str, dtype: torch.dtype, k: int, tokens: int, biased: bool, kind: str
) -> None:
    fmt, wide = right
    torch.manual_seed(tokens)
    x, weights, ids = random_tokens(tokens, k, EXPERTS, block.gate_up.shape[2], dtype)
    backend = cpu_backend(2) if name == "cpu" else ReferenceBackend("cpu")
    biases = (block.biases[0].to(dtype), block.biases[1].to(dtype)) if biased and block.biases else None
    packed = backend.pack_experts(block.gate_up.to(dtype), block.down.to(dtype), biases, fmt)
    got = backend.experts(x, weights, ids, packed, kind)
    assert got.dtype is dtype
    want = Block(wide.gate_up, wide.down, biases).right(x, weights, ids, kind)
    assert (got.double() - want).abs().max() <= (5e-4 + 2 * TOLERANCES[dtype]) * want.abs().max()
    assert (got.double() - want).norm() <= (3e-4 + TOLERANCES[dtype]) * want.norm()


def test_a_format_that_is_not() -> None:
    block = random_block(2, 32, 32, torch.float32, biased=False)
    for backend in (cpu_backend(1), ReferenceBackend("cpu")):
        with pytest.raises(ValueError, match="int3"):
            backend.pack_experts(block.gate_up, block.down, None, "int3")
