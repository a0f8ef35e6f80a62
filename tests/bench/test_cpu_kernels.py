"""Attention, norms, experts and sampling of the CPU backend beside the reference, in interleaved rounds of CPU time.

pytest tests/bench/test_cpu_kernels.py -m bench -s
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
import pytest
import torch
from frameworkctl.execution.sampling.drawing import draw
from frameworkctl_kernels.protocol import GroupView, StepShape
from frameworkctl_kernels.reference.backend import ReferenceBackend
from support.engine.cpu_backend import cpu_backend

pytestmark = pytest.mark.bench
ROUNDS = 5
HEADS, KV_HEADS, DIM, BLOCK = 14, 2, 64, 16


def compare(name: str, ours: Callable[[], object], theirs: Callable[[], object]) -> float:
    """Times, in ms, and how many of ours fit in one of theirs. One thread, so that its time is what the work takes."""
    torch.set_num_threads(1)
    times: tuple[list[float], list[float]] = ([], [])
    for round_ in range(ROUNDS + 1):
        for run, kept in zip((ours, theirs), times, strict=True):
            start = time.thread_time()
            run()
            if round_:
                kept.append(time.thread_time() - start)
    first, second = (statistics.median(t) * 1e3 for t in times)
    print(f"{name:32} cpu {first:9.2f} ms  reference {second:9.2f} ms  ratio {second / first:5.2f}")
    return second / first


def attention(backend: ReferenceBackend, seqs: int, before: int, new: int) -> Callable[[], object]:
    columns = -(-(before + new) // BLOCK)
    size = 2 * BLOCK * KV_HEADS * DIM * 2
    pool = torch.zeros(seqs * columns + 1, size, dtype=torch.uint8)
    cache = backend.view_cache(pool, block_size=BLOCK, heads=KV_HEADS, head_dim=DIM, dtype=torch.bfloat16)
    counts, totals = np.full(seqs, new, np.int32), np.full(seqs, before + new, np.int32)
    table = torch.arange(1, seqs * columns + 1, dtype=torch.int32).view(seqs, columns)
    view = GroupView("full", BLOCK, None, columns, torch.from_numpy(totals), table, torch.zeros(0, dtype=torch.int64))
    backend.plan(StepShape(seqs * new, seqs, seqs, new, new == 1, counts, totals), [view])
    query = torch.randn(seqs * new, HEADS, DIM).bfloat16()
    out = torch.empty_like(query)
    return lambda: backend.attention(query, cache, 0, out, scale=DIM**-0.5)


def test_attention() -> None:
    for seqs, before, new in ((1, 1000, 1), (8, 1000, 1), (32, 1000, 1), (1, 0, 1024)):
        ours, theirs = (attention(b, seqs, before, new) for b in (cpu_backend(1), ReferenceBackend("cpu")))
        compare(f"attention {seqs} x {new} on {before}", ours, theirs)


def test_elementwise() -> None:
    ours, theirs = cpu_backend(1), ReferenceBackend("cpu")
    weight = torch.ones(896).bfloat16()
    for rows in (1, 32, 1024):
        x, stream = torch.randn(rows, 896).bfloat16(), torch.randn(rows, 896).bfloat16()
        gate_up = torch.randn(rows, 2 * 4864).bfloat16()
        norms = [lambda b=b, x=x, s=stream: b.add_rms_norm(x, s, weight, 1e-6) for b in (ours, theirs)]
        gates = [lambda b=b, g=gate_up: b.gated_activation(g, "silu") for b in (ours, theirs)]
        compare(f"add and norm {rows} x 896", *norms)
        compare(f"gated silu {rows} x 4864", *gates)


def test_experts() -> None:
    """As many as in a small sparse model: 64 of 768 on 1024, 8 for each token."""
    torch.manual_seed(0)
    ours, theirs = cpu_backend(1), ReferenceBackend("cpu")
    gate_up, down = torch.randn(64, 1536, 1024).bfloat16() * 0.02, torch.randn(64, 1024, 768).bfloat16() * 0.02
    plain = theirs.pack_experts(gate_up, down)
    for fmt in ("plain", "int8", "int4"):
        packed = ours.pack_experts(gate_up, down, None, fmt)
        for tokens in (1, 8, 64, 512):
            x, weights = torch.randn(tokens, 1024).bfloat16(), torch.rand(tokens, 8)
            ids = torch.rand(tokens, 64).argsort(-1)[:, :8]
            compare(
                f"experts {fmt} {tokens} x 1024",
                lambda p=packed, a=(x, weights, ids): ours.experts(*a, p, "silu"),
                lambda a=(x, weights, ids): theirs.experts(*a, plain, "silu"),
            )


def test_sampling() -> None:
    backend, rows, vocabulary = cpu_backend(1), 32, 151_936
    logits, u = torch.randn(rows, vocabulary) * 2.5, np.linspace(0, 0.99, rows)
    none, one, low = np.zeros(rows, np.int64), np.ones(rows, np.float32), np.zeros(rows, np.float32)
    for name, limits in (
        ("plain", (none, one, low)),
        ("top-p", (none, one * 0.9, low)),
        ("top-k", (none + 50, one, low)),
    ):
        compare(
            f"draw {name} {rows} x {vocabulary}",
            lambda a=limits: backend.draw(logits, *a, u),
            lambda a=limits: draw(logits.clone(), *a, u),
        )
    compare(
        f"logprobs (5) {rows} x {vocabulary}",
        lambda: backend.top_logits(logits, 5),
        lambda: torch.topk(torch.log_softmax(logits, dim=-1), 5),
    )
