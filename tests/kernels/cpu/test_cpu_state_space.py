"""Causal convolution and selective scan of the CPU backend against the recurrences in float64, a token at a time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from frameworkctl_kernels.cpu.backend import CpuBackend
from frameworkctl_kernels.protocol import GroupView, StepShape
from support.engine.cpu_backend import TOLERANCES, cpu_backend

LENS = [1, 0, 9, 1, 30]
SLOTS = [4, 1, 6, 2, 3]
DTYPES = [torch.float32, torch.bfloat16, torch.float16]


def plan(backend: CpuBackend, lens: list[int]) -> list[range]:
    """Plans a step of these tokens; which tokens are whose."""
    counts, table = np.array(lens, dtype=np.int32), torch.tensor(SLOTS, dtype=torch.int32)[:, None].repeat(1, 3)
    view = GroupView("state", 0, None, 1, torch.from_numpy(counts), table, torch.zeros(0), table[:, 0])
    shape = StepShape(sum(lens), len(lens), len(lens), max(lens), max(lens) == 1, counts, counts)
    backend.plan(shape, [view])
    ends = np.cumsum(lens).tolist()
    return [range(end - n, end) for end, n in zip(ends, lens, strict=True)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("channels", "width"), [(5, 4), (130, 4), (64, 2)])
@pytest.mark.parametrize(("silu", "biased"), [(True, True), (False, False)])
def test_causal_conv(dtype: torch.dtype, channels: int, width: int, silu: bool, biased: bool) -> None:
    torch.manual_seed(0)
    backend = cpu_backend(2)
    state = torch.randn(8, width - 1, channels)
    weight, bias = torch.randn(channels, width), torch.randn(channels) if biased else None
    for lens in (LENS, [1, 1, 1, 0, 1]):
        x = torch.randn(sum(lens), channels + 3).to(dtype)[:, :channels]
        right, after = torch.zeros(x.shape, dtype=torch.float64), state.double()
        for slot, tokens in zip(SLOTS, plan(backend, lens), strict=True):
            for t in tokens:
                window = torch.cat([after[slot], x[t].double()[None]])
                right[t] = (window * weight.double().T).sum(0) + (bias.double() if bias is not None else 0)
                after[slot] = window[1:]
        got = backend.causal_conv(x, state, 0, weight, bias, activation="silu" if silu else None)
        right = F.silu(right) if silu else right
        torch.testing.assert_close(got.double(), right, rtol=TOLERANCES[dtype], atol=TOLERANCES[dtype])
        torch.testing.assert_close(state.double(), after, rtol=0, atol=0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("channels", "size"), [(5, 3), (100, 16)])
@pytest.mark.parametrize("gated", [True, False])
def test_selective_scan(dtype: torch.dtype, channels: int, size: int, gated: bool) -> None:
    torch.manual_seed(0)
    backend = cpu_backend(2)
    state = torch.randn(8, channels, size)
    a, d, dt_bias = -torch.rand(channels, size), torch.randn(channels), torch.randn(channels)
    for lens in (LENS, [1, 1, 1, 0, 1]):
        tokens = sum(lens)
        x, dt, z = (torch.randn(tokens, 2 * channels).to(dtype)[:, channels:] for _ in range(3))
        b, c = torch.randn(tokens, 2 * size).to(dtype).chunk(2, dim=-1)
        right, after = torch.zeros(x.shape, dtype=torch.float64), state.double()
        for slot, own in zip(SLOTS, plan(backend, lens), strict=True):
            for t in own:
                time = F.softplus(dt[t].double() + dt_bias.double())
                pushed = (time * x[t].double())[:, None] * b[t].double()
                after[slot] = torch.exp(time[:, None] * a.double()) * after[slot] + pushed
                right[t] = after[slot] @ c[t].double() + d.double() * x[t].double()
                right[t] *= F.silu(z[t].double()) if gated else 1
        got = backend.selective_scan(x, dt, b, c, z if gated else None, state, 0, a=a, d=d, dt_bias=dt_bias)
        tolerance = 5 * TOLERANCES[dtype]
        torch.testing.assert_close(got.double(), right, rtol=tolerance, atol=tolerance)
        torch.testing.assert_close(state.double(), after, rtol=2e-5, atol=2e-5)
