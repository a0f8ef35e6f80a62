"""Causal convolution and selective scan against a loop over tokens in float64, step after step."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from frameworkctl_kernels.protocol import GroupView, StepShape
from frameworkctl_kernels.reference import state_space
from frameworkctl_kernels.reference.backend import ReferenceBackend
from torch import Tensor

CHANNELS, STATE, WIDTH, PAGES = 6, 5, 4, 9
SLOTS = [7, 2, 5, 1, 3]
GROUP = 1  # the step's second group; its first is some other layer's
# Tokens of each sequence, step by step: decodes, one long beside short ones, none, ends of different lengths.
STEPS = {
    "decode": [[1, 1, 1], [1, 1, 1]],
    "one prompt": [[13], [1], [1]],
    "chunks": [[4, 9], [4, 9], [3, 1]],
    "mixed": [[1, 17, 0, 5, 2], [3, 0, 1, 1, 1], [1, 1, 1, 1, 1], [0, 0, 2, 0, 0], [2, 2, 2, 2, 2]],
    "only some": [[1, 0, 1], [0, 1, 0]],
    "shorter than the convolution": [[2], [1], [2], [1]],
}


def begin_step(backend: ReferenceBackend, lens: list[int]) -> None:
    """Tells the backend of a step whose sequences have ``lens`` tokens."""
    host, slots = np.array(lens, dtype=np.int32), torch.tensor(SLOTS[: len(lens)], dtype=torch.int32)
    shape = StepShape(
        tokens=sum(lens),
        seqs=len(lens),
        rows=0,
        max_query=max(lens),
        decode_only=set(lens) == {1},
        query_lens=host,
        seq_lens=host,
    )
    of_other, unused = torch.tensor([8, 6, 4, 1, 2], dtype=torch.int32)[: len(lens)], torch.zeros(0)
    backend.plan(
        shape,
        [
            GroupView("state", 0, None, 1, unused, s[:, None], unused, state_slot=s)
            for s in (of_other.contiguous(), slots)
        ],
    )


def naive_conv(
    x: Tensor, lens: list[int], state: Tensor, weight: Tensor, bias: Tensor | None, activation: str | None
) -> Tensor:
    """Token by token; updates ``state [P, WIDTH - 1, CHANNELS]``. Everything float64."""
    out, at = [], 0
    for slot, count in zip(SLOTS, lens, strict=False):
        for token in x[at : at + count]:
            window = torch.cat([state[slot], token[None]])
            value = (window * weight.T).sum(0) + (0 if bias is None else bias)
            out.append(value * torch.sigmoid(value) if activation == "silu" else value)
            state[slot] = window[1:]
        at += count
    return torch.stack(out)


def naive_scan(
    x: Tensor,
    dt: Tensor,
    b: Tensor,
    c: Tensor,
    z: Tensor | None,
    lens: list[int],
    state: Tensor,
    a: Tensor,
    d: Tensor,
    dt_bias: Tensor,
) -> Tensor:
    """Token by token; updates ``state [P, CHANNELS, STATE]``. Everything float64."""
    out, at = [], 0
    for slot, count in zip(SLOTS, lens, strict=False):
        for i in range(at, at + count):
            step = torch.log1p(torch.exp(dt[i] + dt_bias))
            state[slot] = torch.exp(step[:, None] * a) * state[slot] + (step * x[i])[:, None] * b[i]
            value = (state[slot] * c[i]).sum(-1) + d * x[i]
            out.append(value if z is None else value * z[i] * torch.sigmoid(z[i]))
        at += count
    return torch.stack(out)


@pytest.mark.parametrize("steps", STEPS.values(), ids=list(STEPS))
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "plain"])
@pytest.mark.parametrize("activation", ["silu", None])
def test_causal_conv(steps: list[list[int]], bias: bool, activation: str | None) -> None:
    torch.manual_seed(0)
    backend = ReferenceBackend("cpu")
    weight, shift = torch.randn(CHANNELS, WIDTH), torch.randn(CHANNELS) if bias else None
    pages = torch.randn(PAGES, WIDTH * CHANNELS)  # a page is larger than the state
    before = pages.clone()
    state = pages[:, : (WIDTH - 1) * CHANNELS].unflatten(1, (WIDTH - 1, CHANNELS))
    want_state = state.double()
    for lens in steps:
        begin_step(backend, lens)
        x = torch.randn(sum(lens), 2 * CHANNELS)[:, :CHANNELS]  # strided rows, as of a wider product
        want = naive_conv(
            x.double(), lens, want_state, weight.double(), None if shift is None else shift.double(), activation
        )
        got = backend.causal_conv(x, state, GROUP, weight, shift, activation=activation)
        assert got.dtype == torch.float32
        torch.testing.assert_close(got.double(), want, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(state.double(), want_state, atol=0, rtol=0)
    others = [p for p in range(PAGES) if p not in SLOTS[: len(steps[0])]]
    assert torch.equal(pages[others], before[others])


@pytest.mark.parametrize("steps", STEPS.values(), ids=list(STEPS))
@pytest.mark.parametrize("gate", [True, False], ids=["gate", "no-gate"])
@pytest.mark.parametrize("block", [1 << 20, 4 * CHANNELS * STATE, 1], ids=["one-block", "blocks", "moments"])
def test_selective_scan(steps: list[list[int]], gate: bool, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many tokens are held at once."""
    torch.manual_seed(0)
    monkeypatch.setattr(state_space, "BLOCK_VALUES", block)
    backend = ReferenceBackend("cpu")
    a, d, dt_bias = -torch.rand(CHANNELS, STATE) * 3, torch.randn(CHANNELS), torch.randn(CHANNELS)
    state = torch.randn(PAGES, CHANNELS, STATE)
    before, want_state = state.clone(), state.double()
    for lens in steps:
        begin_step(backend, lens)
        tokens = sum(lens)
        x, dt, z = torch.randn(3, tokens, CHANNELS).unbind()
        b, c = torch.randn(tokens, 3 + 2 * STATE)[:, 3:].split(STATE, dim=1)
        want = naive_scan(
            x.double(),
            dt.double(),
            b.double(),
            c.double(),
            z.double() if gate else None,
            lens,
            want_state,
            a.double(),
            d.double(),
            dt_bias.double(),
        )
        got = backend.selective_scan(x, dt, b, c, z if gate else None, state, GROUP, a=a, d=d, dt_bias=dt_bias)
        torch.testing.assert_close(got.double(), want, atol=2e-5, rtol=2e-5)
        torch.testing.assert_close(state.double(), want_state, atol=2e-5, rtol=2e-5)
    others = [p for p in range(PAGES) if p not in SLOTS[: len(steps[0])]]
    assert torch.equal(state[others], before[others])


@pytest.mark.parametrize("lens", [[1, 1, 1], [7, 1, 4]], ids=["decode", "mixed"])
def test_half_precision_in_and_out_float32_between(lens: list[int]) -> None:
    """A bfloat16 input gives the float32 result of the same values, rounded once."""
    torch.manual_seed(0)
    backend = ReferenceBackend("cpu")
    begin_step(backend, lens)
    x, dt, z = torch.randn(3, sum(lens), CHANNELS).bfloat16().unbind()
    b, c = torch.randn(2, sum(lens), STATE).bfloat16().unbind()
    weight, a, d = torch.randn(CHANNELS, WIDTH), -torch.rand(CHANNELS, STATE), torch.randn(CHANNELS)
    conv, scan = torch.randn(PAGES, WIDTH - 1, CHANNELS), torch.randn(PAGES, CHANNELS, STATE)
    convs, scans = (conv, conv.clone()), (scan, scan.clone())
    for got, want in (
        (
            backend.causal_conv(x, convs[0], GROUP, weight, None, activation="silu"),
            backend.causal_conv(x.float(), convs[1], GROUP, weight, None, activation="silu"),
        ),
        (
            backend.selective_scan(x, dt, b, c, z, scans[0], GROUP, a=a, d=d, dt_bias=d),
            backend.selective_scan(
                x.float(), dt.float(), b.float(), c.float(), z.float(), scans[1], GROUP, a=a, d=d, dt_bias=d
            ),
        ),
    ):
        assert got.dtype == torch.bfloat16
        assert torch.equal(got, want.bfloat16())
    assert torch.equal(convs[0], convs[1])
    assert torch.equal(scans[0], scans[1])


def test_long_sequences_stay_accurate() -> None:
    """Slow decay over 3000 tokens: what the scan accumulates is what a convolution with the decay's powers gives."""
    torch.manual_seed(0)
    backend = ReferenceBackend("cpu")
    count = 3000
    begin_step(backend, [count])
    x, state = torch.randn(count, 1), torch.zeros(PAGES, 1, 1)
    ones, bias = torch.ones(count, 1), torch.tensor([0.01])
    step = float(F.softplus(torch.tensor(0.01, dtype=torch.float64)))
    got = backend.selective_scan(
        x,
        torch.zeros(count, 1),
        ones,
        ones,
        None,
        state,
        GROUP,
        a=torch.tensor([[-1e-3]]),
        d=torch.zeros(1),
        dt_bias=bias,
    )
    powers = torch.exp(-1e-3 * step * torch.arange(count, dtype=torch.float64)) * step
    want = F.conv1d(x.double().T[None], powers.flip(0)[None, None], padding=count - 1)[0, 0, :count]
    torch.testing.assert_close(got[:, 0].double(), want, atol=1e-4, rtol=1e-4)
    assert abs(float(state[SLOTS[0]]) - float(want[-1])) < 1e-4
