"""Recorded steps: the same bits as the functions that were recorded, over whatever stands in their buffers then."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from frameworkctl_kernels.cpu.backend import CpuBackend
from frameworkctl_kernels.cpu.capture import CannotCapture, CaptureArena
from frameworkctl_kernels.protocol import StepShape
from hypothesis import given, settings
from hypothesis import strategies as st
from support.engine.cpu_backend import cpu_backend
from torch import Tensor

TYPES = (torch.float32, torch.bfloat16, torch.float16)


@pytest.fixture(scope="module")
def backend() -> CpuBackend:
    return cpu_backend(2)


@torch.inference_mode()
def same_as_run(backend: CpuBackend, x: Tensor, fn: Callable[[], Tensor], rounds: int = 3) -> None:
    """``fn`` over new values of ``x``, by its recording and by itself."""
    replay = backend.capture(fn)
    assert replay is not None
    for round_ in range(rounds):
        x.copy_(torch.randn(x.shape, generator=torch.Generator().manual_seed(round_)))
        got = replay().clone()
        assert torch.equal(got, fn())


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize("fmt", ["plain", "int8", "int4"])
def test_kernels_of_a_block(backend: CpuBackend, dtype: torch.dtype, fmt: str) -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(3, 64).to(dtype), torch.ones(64).to(dtype)
    up, down = (backend.pack((torch.randn(s) / 8).to(dtype), fmt) for s in ((256, 64), (64, 128)))

    def block() -> Tensor:
        residual = x.clone()
        for _ in range(4):
            h, residual = backend.add_rms_norm(x, residual, weight, 1e-6)
            residual = residual + backend.linear(backend.gated_activation(backend.linear(h, up), "silu"), down)
        return residual

    same_as_run(backend, x, block)


def test_lookup(backend: CpuBackend) -> None:
    for dtype, fmt in ((torch.bfloat16, "plain"), (torch.float32, "plain"), (torch.bfloat16, "int8")):
        packed = backend.pack(torch.randn(100, 32).to(dtype), fmt, lookup=True)
        ids = torch.tensor([3, 5])
        replay = backend.capture(lambda packed=packed, ids=ids: backend.lookup(packed, ids))  # type: ignore[misc]
        assert replay is not None
        ids.copy_(torch.tensor([99, 0]))
        assert torch.equal(replay(), backend.lookup(packed, ids))


def test_operations_of_torch(backend: CpuBackend) -> None:
    """In place, views, several results, arguments in lists, results that do not lie row by row."""
    x = torch.randn(5, 8)
    table = torch.randn(40, 8)

    def fn() -> Tensor:
        best, ids = torch.topk(torch.softmax(x, dim=-1), 2, dim=-1)
        both = torch.cat([x[:, :4] * 2, table.index_select(0, ids[:, 0])[:, 4:]], dim=1)
        both.clamp_(-1, 1)
        both[:, 2:3].mul_(best[:, :1])
        crossed = both.t() @ both
        return torch.where(crossed > 0, crossed.t().contiguous(), crossed.reshape(4, 16).view(8, 8) + 1).t()

    same_as_run(backend, x, fn)


def test_recordings_share_memory_in_turn(backend: CpuBackend) -> None:
    x, y = torch.randn(4, 16), torch.randn(9, 16)
    weight = torch.ones(16)
    first = backend.capture(lambda: backend.rms_norm(x, weight, 1e-6) + x)
    second = backend.capture(lambda: backend.rms_norm(y, weight, 1e-6) - y)
    assert first is not None
    assert second is not None
    for _ in range(2):
        assert torch.equal(first(), backend.rms_norm(x, weight, 1e-6) + x)
        assert torch.equal(second(), backend.rms_norm(y, weight, 1e-6) - y)


@pytest.mark.parametrize("reads", [Tensor.item, torch.nonzero, lambda x: x[x > 0]], ids=["item", "nonzero", "mask"])
def test_what_depends_on_values_is_not_recorded(backend: CpuBackend, reads: Callable[[Tensor], Tensor]) -> None:
    x = torch.ones(1)
    library = backend.kernels
    assert backend.capture(lambda: x + reads(x)) is None
    assert backend.kernels is library
    same_as_run(backend, x, lambda: x + 1)  # and nothing is left over from it


def test_kernels_that_know_the_step_are_not_recorded(backend: CpuBackend) -> None:
    logits = torch.randn(2, 10)

    def fn() -> Tensor:
        found = backend.top_logits(logits, 2)
        assert found is not None
        return found[0]

    assert backend.capture(fn) is None


def test_attention_both_ways_is_not_recorded(backend: CpuBackend) -> None:
    shape = StepShape(
        tokens=2,
        seqs=1,
        rows=0,
        max_query=2,
        decode_only=False,
        query_lens=np.array([2], dtype=np.int32),
        seq_lens=np.array([2], dtype=np.int32),
    )
    backend.plan(shape, [])
    x = torch.randn(2, 4, 16)
    assert backend.capture(lambda: backend.varlen_attention(x, x, x, torch.empty_like(x), scale=1.0)) is None


def test_too_much_memory_is_not_recorded() -> None:
    arena = CaptureArena(1024)
    kept = arena.like(torch.empty(200))
    with pytest.raises(CannotCapture, match="1024 bytes"):
        arena.like(torch.empty(60))
    del kept
    arena.like(torch.empty(256))


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 600), st.booleans(), st.integers(0, 5)), max_size=40))
def test_tensors_of_the_arena_never_overlap(steps: list[tuple[int, bool, int]]) -> None:
    arena = CaptureArena(4096)
    live: list[Tensor] = []
    for size, drop, which in steps:
        if drop and live:
            live.pop(which % len(live))
        try:
            live.append(arena.like(torch.empty(size, dtype=torch.uint8)))
        except CannotCapture:
            used = sum(-(-len(x) // 64) * 64 for x in live)
            assert used + -(-size // 64) * 64 > 4096 or len(live) > 1  # full, or in pieces
        for i in range(len(live)):
            live[i].fill_(i)
        assert all((x == i).all() for i, x in enumerate(live))
    live.clear()
    assert arena.like(torch.empty(4096, dtype=torch.uint8)).numel() == 4096  # all of it is free again
